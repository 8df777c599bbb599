/* engine.h - the running engine: what main.c, start.c, venue.c and live.c share. One loop, one thread.
 *
 *   live.c    streams and time in, turns: take what the core wants, journal it, send it, acknowledge
 *   venue.c   orders to the broker and what it says about them; comparing the books with it
 *   missed.c  bars that were missed while the data stream was down
 *   edit.c    files of running instances that were edited
 *   status.c  what it counts, over HTTP
 *   start.c   from settings to a running engine: clock, account, journal, run, reconciliation
 *
 * After anything happened, engine_turn is called; it is the only place from which the core's actions are taken. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <uv.h>

#include "alpaca/rest.h"
#include "alpaca/stream.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "engine/flatten.h"
#include "engine/ledger.h"
#include "engine/report.h"
#include "engine/watch.h"

struct engine_settings {
    char rest_url[256], trades_url[256], data_url[256], bars_url[256], api_url[256];
    char key_file[512], secret_file[512];
    char strategies[512], plugins[512], state[512];
    int64_t flatten_deadline, outbox_wait, metrics_port;
    char metrics_host[64];
    bool live, flatten, again, verbose;
};

struct part_extra {         /* what the edge knows of a part, by its number */
    int64_t sequence;       /* of the part this is about: numbers are used again */
    int32_t date;
    bool sending, asking, cancel_due, canceling, resent, asking_fees;
    int misses;             /* times the broker did not know it */
    int fee_misses;         /* times its fees were not there yet */
    int64_t fees_at;        /* monotonic; 0: not planned */
    int64_t mono_ns;        /* latest news, monotonic */
    int64_t sent_ns;        /* its POST left, monotonic */
    int64_t ask_at, cancel_at; /* monotonic; 0: not planned */
};

struct edit {
    struct instance_config *next;   /* owned: taken at the next boundary of an instant; NULL: none */
    char seen[65];                  /* hash of the text last looked at */
    bool refused;                   /* that text is not what runs */
    int64_t told_ns;                /* when something of it was told: no two at one time */
};

struct missed;

struct engine {
    struct engine_settings settings;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    char key[128], secret[256];

    struct alpaca_rest *rest, *bars;
    struct alpaca_stream *trades, *data;
    struct ledger *ledger;
    struct outbox *outbox;
    struct report report;
    struct instance_list list;
    struct complaints complaints;   /* mistakes of its files */
    struct runner *runner;
    struct ledger_run *runs;        /* by instance */
    struct edit *edits;             /* by instance */
    struct watch *watch;
    int64_t *decisions;             /* by instance: sequence of the latest */
    char account[32];

    /* time */
    bool ticks;                     /* the market tells the time (replay); otherwise the world's clock */
    bool lockstep;
    int64_t ends_ns;
    int64_t tick_n, tick_ns, marker_n, acked_n;
    bool ended;                     /* no market data after this */
    int64_t timed_n;                /* tick that was given to the core */
    int64_t tick_mono_ns;           /* when it came */
    int64_t equity_ns;              /* minute whose equity is still to be told; 0: none */
    int64_t equity_told_ns;
    int64_t *ended_ns;              /* by instance: when its run ended; 0: not yet */
    int64_t *bar_end;               /* by symbol: end of the latest bar */

    /* what is under way */
    int *sends;                     /* parts to POST, in order */
    size_t sends_count, sends_max, sends_ready; /* the first sends_ready are durable */
    size_t sends_committing;
    bool committing, in_turn;
    struct part_extra *extra;
    int extra_count;
    int calls;                      /* REST calls under way that a turn waits for */
    struct alpaca_trade_update *updates; /* lockstep: order events of the instant, until its market data is all there */
    size_t updates_count, updates_max;
    bool data_lost;                 /* the data stream was down since its bars were complete */
    struct missed *missed;          /* bars being asked for: what the stream brings waits in held; NULL: none */
    struct alpaca_message *held;
    size_t held_count, held_max;
    bool *touched;                  /* by instance: its state changed with something journalled */

    /* told at /metrics */
    struct http_server *server;     /* NULL: not asked for */
    int64_t orders_sent, orders_refused, losses;
    struct histogram order_took;    /* from POST to reply */

    /* trust */
    bool trades_up, data_up, calendar_wrong;
    bool *differs;                  /* by symbol: the books and the broker do not agree */
    bool *foreign_moved;            /* by symbol: somebody else traded it */
    bool *gone;                     /* by symbol: somebody else closed shares of ours */
    bool comparing;
    int64_t compare_at;             /* monotonic */
    bool compare_due;               /* before the next acknowledgement */
    bool compare_again;             /* something moved while it was asked: with the next tick, or soon */
    int64_t news, news_compared;    /* orders sent and news of them, now and when positions were asked for */

    /* the end */
    bool stopping;
    struct flatten flatten;
    bool broker_answered, broker_known;
    int64_t broker_orders, broker_shares;
    int64_t ask_again_at;
    bool started, over;
    int64_t outbox_until;           /* monotonic; 0: not waiting */
    int exit_code;
    char stop_reason[160];
};

/* ---- live.c */
void engine_turn(struct engine *e);
void engine_streams_start(struct engine *e);
void engine_stop(struct engine *e, const char *why); /* flatten, then end */
void engine_refreeze(struct engine *e);
void engine_over(struct engine *e, int exit_code);
void engine_timer(uv_timer_t *timer);

/* ---- venue.c */
struct part_extra *venue_extra(struct engine *e, int part);
void venue_send(struct engine *e, int part);
void venue_cancel(struct engine *e, int part);
void venue_look_up(struct engine *e, int part);
void venue_look_up_open(struct engine *e);
void venue_fees(struct engine *e, int part);     /* what its executions cost, where the stream did not tell */
void venue_poll(struct engine *e);           /* timers of lookups and cancels */
bool venue_moves(const struct engine *e, int symbol); /* an order is open in it */
bool venue_foreign(struct engine *e, int symbol, int64_t held); /* beyond the books; true: shares of ours are gone */
void venue_compare(struct engine *e);        /* the books with the broker's positions */
void venue_same_account(struct engine *e);    /* after a break: a local exchange that started anew has another */
void venue_ask(struct engine *e);            /* for flatten: positions and open orders */
void venue_update(struct engine *e, int part, const struct alpaca_order *o, const struct alpaca_trade_update *u);
/* trade_bust, trade_correct; part -1: not one of those known now. */
void venue_correct(struct engine *e, int part, const struct alpaca_trade_update *u);
bool venue_is_busy(const struct engine *e);
void venue_residue(struct engine *e);        /* JSON on stdout */

void engine_message(struct engine *e, const struct alpaca_message *m);

/* ---- status.c */
bool status_start(struct engine *e, struct err *err);
void status_stop(struct engine *e);

/* ---- missed.c */
void missed_ask(struct engine *e);           /* the data stream is back: bars since the latest of each symbol */
bool missed_hold(struct engine *e, const struct alpaca_message *m); /* true: it is kept for later */
void missed_clear(struct engine *e);

/* ---- edit.c */
void edits_start(struct engine *e);          /* watches the files */
void edits_take(struct engine *e);           /* at an instant's boundary: what was edited begins to hold */
void edits_stop(struct engine *e);
/* Would start() take it? Complains if not. */
void edit_check_start(struct instance_config *config, struct complaints *complaints);

/* ---- start.c */
/* 0: runs; otherwise the exit status, the sentence is on stderr. */
int engine_start(struct engine *e);
void engine_clear(struct engine *e);

#endif
