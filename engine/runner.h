/* runner.h - the engine's core: instances, their books, their schedule and their orders.
 *
 * Pure but for the calls into plugins: no clock, socket, file, lock or log. The market, the broker's answers
 * and time come in as calls; what is to be done goes out as a queue of actions, to be taken after each call.
 * The same core runs live, in replay and in tests; the same calls give the same actions.
 *
 * A strategy's order is an intent. At the broker it is one or more parts (router.h), each with its own
 * client_order_id; a part is known here by a number (`part`), stable until the session after next.
 *
 * Session time: the present session is the one in progress or the next. Its agenda (opens, duties, engine's own
 * flattening, closes) is planned when the session before it has closed; runner_next_ns is the earliest of it.
 *
 * Memory: nothing is allocated per bar; tables grow with the number of open orders. Ownership: configs and
 * plugins are lent and must outlive the runner; state blocks are the runner's. */
#ifndef ENGINE_RUNNER_H
#define ENGINE_RUNNER_H

#include "core/err.h"
#include "engine/instance.h"
#include "engine/router.h"
#include "market/position.h"

struct runner;

/* ends_ns: close of the last session with market data; 0: open-ended. */
struct runner *runner_new(int64_t now_ns, int64_t ends_ns);
void runner_free(struct runner *r); /* calls stop of instances still running; NULL is fine */

/* Takes an instance: copies its parameters into a new state and calls start. -1: it refused, err says why. */
int runner_add(struct runner *r, const struct instance_config *config, struct err *err);

/* Symbols of all instances, numbered as they appeared. */
int runner_symbols_count(const struct runner *r);
const char *runner_symbol_name(const struct runner *r, int symbol);
int runner_symbol(const struct runner *r, const char *name); /* -1: nobody trades it */

/* What was before this start; between runner_add and runner_start. */
void runner_prime(struct runner *r, int symbol, struct price last, struct price session_open,
                  struct price previous_close, int64_t seen_ns);

/* A bar of the present session that is over; in the order of time. A strategy is given those its state has not seen, so
 * that it goes on as if it had not been away; what it orders is not sent, but for the bar of the minute just ended. */
void runner_history(struct runner *r, int symbol, const struct bar *bar);

/* A finished bar that was missed while the market's data were away; in the order of time, while it runs. Strategies take it for
 * their indicators: what they order is not sent, but for the bar of the minute just ended. */
void runner_missed(struct runner *r, int symbol, const struct bar *bar);

/* Plans the present session. Nothing below is called before. */
void runner_start(struct runner *r);

/* ---- the market */
/* A finished minute bar. Time is at least its end afterwards; what was due before its end fires first. */
void runner_bar(struct runner *r, int symbol, const struct bar *bar);
void runner_quote(struct runner *r, int symbol, const struct quote *quote);
/* All market data up to now_ns has been given. Fires what is due. */
void runner_time(struct runner *r, int64_t now_ns);
/* It is now_ns, but nothing fires yet: more of this instant is to come. */
void runner_clock(struct runner *r, int64_t now_ns);
int64_t runner_now_ns(const struct runner *r);
/* The next time something is due; INT64_MAX when nothing ever is. */
int64_t runner_next_ns(const struct runner *r);
const struct session *runner_session(const struct runner *r);

/* ---- actions */
enum action_kind {
    ACTION_ORDER,    /* part: journal it, then POST it; the answer goes to runner_reply */
    ACTION_CANCEL,   /* part: ask the broker to cancel it, once it is known there */
    ACTION_FILL,     /* part, qty (cumulative), price (of what is new): to the journal */
    ACTION_CORRECT,  /* part, qty (cumulative), price (its average): what it has filled after all, to the journal */
    ACTION_FEE,      /* part, qty: all its fees so far, micros: to the journal */
    ACTION_FINAL,    /* part: its status is final; text: why */
    ACTION_DECISION, /* symbol (-1: none), text */
    ACTION_LOG,      /* text: the strategy's own line */
    ACTION_DUTY,     /* duty (-1: session open), row (of a timetable: ms after the open; -1), date; qty: late by ns;
                      * price: of session open, what the instance was worth when the session began; text: its name */
    ACTION_SESSION,  /* a session closed for the instance: save its state */
    ACTION_END,      /* the instance's run is over; status; text: why */
};
enum { ACTION_TEXT_SIZE = 256 };
struct action {
    enum action_kind kind;
    int instance, symbol, part, duty, row;
    int32_t date;
    int64_t time_ns, qty;
    struct price price;
    enum order_status status;
    char text[ACTION_TEXT_SIZE];
};
/* Lent until the next call into the runner; take them, then clear. */
const struct action *runner_actions(const struct runner *r, size_t *count);
void runner_actions_clear(struct runner *r);

/* ---- orders at the broker */
enum part_state { PART_NEW, PART_WAITING, PART_LATER, PART_WORKING, PART_FINAL };
struct part {
    bool used;
    enum part_state state;
    int instance, symbol, intent;    /* symbol: the runner's */
    int32_t date;
    int64_t sequence;                /* client_order_id: instance, date, sequence */
    int64_t intent_id, intent_qty;   /* what the strategy knows it by, and asked for */
    enum side side;
    enum order_type type;
    enum time_in_force tif;
    struct price limit;
    int64_t qty, filled, value_micros;
    int64_t fees_micros;             /* booked so far */
    bool fee_due;                    /* filled without an execution that told its fee: to be asked for (runner_fee) */
    enum order_status status;
    char broker_id[UUID_SIZE];       /* "" until the broker said it */
    bool cancel_wanted;
    bool by_engine;                  /* closes what is left; not the strategy's */
    bool retry;                      /* something changed: an order that waits may go again */
    int tries;
    int64_t created_ns, retry_ns;
    char reason[ACTION_TEXT_SIZE];
};
bool runner_is_part(const struct runner *r, int part);
const struct part *runner_part(const struct runner *r, int part);
void runner_client_order_id(const struct runner *r, int part, char out[CLIENT_ORDER_ID_SIZE]);
/* By the text of a client_order_id; -1: not one of the parts known now. */
int runner_find(const struct runner *r, const char *client_order_id);
/* Numbers of all parts that are not final. */
const int *runner_open_parts(const struct runner *r, size_t *count);

/* The broker's answer to ACTION_ORDER. ROUTE_LOOKUP is the caller's to resolve first. pause_ns: for ROUTE_LATER. */
void runner_reply(struct runner *r, int part, enum route route, const char *reason, int64_t pause_ns);

struct runner_update {
    const char *broker_id;           /* NULL: not told */
    enum order_status status;
    int64_t filled_qty;              /* cumulative */
    int64_t fill_qty;                /* of this execution; 0: not told */
    struct price fill_price;         /* likewise */
    int64_t fee_micros;              /* likewise */
    struct price average;            /* of all that is filled; used when executions were missed */
    int64_t time_ns;
    const char *reason;
};
/* What a stream or a REST answer says about a part. Idempotent: repeats and stale news change nothing. false:
 * news that cannot be (more filled than ordered); nothing changed. */
bool runner_update(struct runner *r, int part, const struct runner_update *u);
/* The broker has taken back or corrected an execution (trade_bust, trade_correct): the part has filled this, at this average
 * (PRICE_NONE with 0). The books follow; a strategy sees shares that are gone as a fill of the other side. false: news that
 * cannot be; nothing changed. */
bool runner_correct(struct runner *r, int part, int64_t filled, struct price average, int64_t time_ns);
/* All fees of what a part has filled; the books take the difference. */
void runner_fee(struct runner *r, int part, int64_t fees_micros);

/* ---- control */
/* No new entries, until thawed. why is kept (a sentence). */
void runner_freeze(struct runner *r, const char *why);
void runner_thaw(struct runner *r);
const char *runner_frozen(const struct runner *r); /* NULL: not frozen */
void runner_cancel_all(struct runner *r);
/* The engine closes every instance's position by itself; strategies' orders are refused from now on. queue: the
 * market is closed, send the exits for the next open. Also tries again what was refused. */
void runner_close_all(struct runner *r, bool queue);
/* What the broker holds of a symbol, should it be less than the books say: nothing beyond it is closed, or we would open
 * what somebody else has closed. */
void runner_broker_holds(struct runner *r, int symbol, int64_t qty);
void runner_broker_agrees(struct runner *r, int symbol);
/* Shares in the account that are nobody's here: what the broker holds beyond the books. */
void runner_foreign(struct runner *r, int symbol, int64_t qty);
int64_t runner_foreign_qty(const struct runner *r, int symbol);
/* The instance goes on by another configuration, of which only hot settings differ (instance.h). Between two calls of
 * the market only: what is due by it fires with the next runner_time. The one before may be freed afterwards. */
void runner_change(struct runner *r, int instance, const struct instance_config *config);
/* Before the start: its run was over already. It is not heard of. */
void runner_rest(struct runner *r, int instance);
/* Ends an instance's run now (stop is called, ACTION_END is queued). */
void runner_end(struct runner *r, int instance, const char *status, const char *why);

/* ---- what was before a restart; between runner_add and runner_start */
int runner_restore_part(struct runner *r, const struct part *p); /* from the journal: number, or -1 */
void runner_restore_fill(struct runner *r, int part, int64_t filled, struct price price);
void runner_restore_fee(struct runner *r, int part, int64_t fees_micros);
void runner_restore_correct(struct runner *r, int part, int64_t filled, struct price average);
/* A fill, or a fee, of an order that is over: the books alone. */
void runner_restore_book(struct runner *r, int instance, int symbol, enum side side, int64_t qty, struct price price);
void runner_restore_book_fee(struct runner *r, int instance, int symbol, int64_t fee_micros);
void runner_restore_final(struct runner *r, int part, enum order_status status);
void runner_restore_due(struct runner *r, int instance, int32_t date, int duty, int row);
/* What it was worth when the session of that date began. */
void runner_restore_worth(struct runner *r, int instance, int32_t date, int64_t micros);
bool runner_restore_state(struct runner *r, int instance, const void *state, size_t size);
/* End of the latest bar the state has seen; symbol: the instance's own number. */
void runner_restore_seen(struct runner *r, int instance, int symbol, int64_t bar_end_ns);
int64_t runner_seen(const struct runner *r, int instance, int symbol);
void runner_restore_sessions(struct runner *r, int instance, int64_t sessions_done);
void runner_restore_sequence(struct runner *r, int instance, int32_t date, int64_t sequence);

/* ---- looking */
enum instance_status { INSTANCE_RUNNING, INSTANCE_ENDING, INSTANCE_ENDED };
struct instance_view {
    const struct instance_config *config;
    enum instance_status status;
    int64_t sessions_done;
    int64_t cash_micros, equity_micros, exposure_micros;
    int64_t fills;
    bool closing;
    const void *state;
};
int runner_instances_count(const struct runner *r);
int runner_instance(const struct runner *r, const char *name);  /* -1: none */
void runner_view(const struct runner *r, int instance, struct instance_view *out);
/* symbol: the instance's own number. */
const struct position *runner_book(const struct runner *r, int instance, int symbol);
int64_t runner_net(const struct runner *r, int symbol);         /* sum of the books */
int64_t runner_held(const struct runner *r);                    /* sum of |position| over all books */
bool runner_is_flat(const struct runner *r, int instance);      /* no position, no open order */
bool runner_all_ended(const struct runner *r);

#endif
