/* venue_core.h - what stands behind venue.h. Private to venue.c (life, looking), rules.c (may an order be taken?),
 * submit.c (submit, replace, cancel), trade.c (orders against books and market), legs.c (groups), session.c (time:
 * instants, openings, closes, auctions) and actions.c (splits and dividends).
 *
 * An open order stands in one queue of its market. Whatever an execution brings about (a group's other leg, a stop
 * that a print elects) is noted and done by core_settle at the end of the call, one after the other: nothing
 * happens in the middle of a match. */
#ifndef EXCHANGE_VENUE_CORE_H
#define EXCHANGE_VENUE_CORE_H

#include "core/base.h"
#include "exchange/auction.h"
#include "exchange/matching.h"
#include "exchange/venue.h"

enum { CORE_BOOK_ORDERS = 1 << 14 };  /* resting in one symbol */
#define CORE_QTY_MAX (INT64_C(50000000) * QTY_SCALE)
_Static_assert(CORE_QTY_MAX <= BOOK_QTY_MAX, "every order fits a book");

enum queue {
    QUEUE_NONE,
    QUEUE_WAITING, /* for its hours: accepted, or good-till-canceled over night */
    QUEUE_AUCTION, /* opg and cls, accepted or working */
    QUEUE_BOOK,    /* resting: the book's own lists hold it */
    QUEUE_WATCHED, /* stops, and market orders that wait for a price */
    QUEUE_HALTED,  /* until the symbol resumes */
    QUEUE_HELD,    /* legs whose entry has not filled */
    QUEUES,
};
struct order_list {
    struct order *first, *last;
};

enum phase { PHASE_NIGHT, PHASE_PRE, PHASE_REGULAR, PHASE_POST };

#define SHOWN_ALL INT64_MAX /* no size was given */

struct market { /* one symbol */
    char name[SYMBOL_SIZE];
    struct venue *venue;
    struct asset asset;
    struct price reference, previous_close;
    struct quote quote;         /* latest */
    int32_t quote_date;         /* its New York date; only today's counts */
    int64_t shown[2];           /* micro-shares left of the quote's ask (for a buyer) and bid (for a seller) */
    int64_t start_ns;           /* the newest bar's start or print ... */
    struct price start_open;    /* ... and its price ... */
    int64_t start_shown;        /* ... and what is left of its size */
    int32_t regular_date;       /* of the newest regular print ... */
    struct price regular_close; /* ... and its price */
    int32_t opened_date;        /* the opening auction of this day has cleared */
    bool halted;
    bool is_dirty;              /* in v->dirty */
    bool indicates;             /* its auction's orders have changed */
    struct price print_low, print_high; /* of participants' trades the stops have not seen */
    struct order_list queues[QUEUES];
    struct book *book;          /* in rungs of the ladder; NULL before its first order */
    struct order **by_slot;
    size_t resting;
    int64_t trades, traded_qty; /* between participants */
    __int128 traded_value;
    struct price last_trade;
};

struct chunk {
    char *memory;
    size_t size;
};
struct slab {
    struct chunk *chunks;
    size_t count, size;
    size_t at, used; /* the chunk that is handed out, and how far */
};

struct venue {
    struct venue_options options;
    size_t symbols_count;
    struct market *markets;
    struct price *lasts;
    struct table by_symbol, by_key;
    struct account **accounts;
    size_t accounts_count;
    int64_t now_ns;
    int32_t date;               /* of now, New York ... */
    int64_t date_until_ns;      /* ... until then */
    enum phase phase;
    int64_t boundary_ns;        /* when it ends; INT64_MAX: never */
    bool has_session;
    struct session session;     /* in progress, or next */
    struct session evening;     /* PHASE_POST: the one that has closed */
    size_t open_count, extended_count; /* open orders of all symbols; those with extended hours */
    struct order *incoming;     /* at a book */
    struct order **due;         /* of groups, to be looked at */
    size_t due_count, due_size;
    struct order **doomed;      /* whose account can't hold the amount */
    size_t doomed_count, doomed_size;
    struct market **dirty;
    size_t dirty_count;
    struct corporate_action *actions;
    size_t actions_count, actions_done;
    bool sticks;                /* cancels do */
    uint64_t random;
    struct slab orders, fills, texts;
    struct auction_order *gathered; /* scratch of auctions */
    const struct auction_order **gathered_scratch;
    struct order **gathered_orders;
    size_t gathered_size;
};

/* ---- venue.c */
void *slab_take(struct slab *s, size_t size);
void core_emit(struct venue *v, struct order *o, enum trade_event_kind kind, const struct fill *fill);
void core_tell_market(struct venue *v, const struct market_event *e);
static inline struct market *core_market(const struct venue *v, const struct order *o)
{
    return &v->markets[o->symbol];
}
/* Each order of a queue; the body may end it. */
#define EACH_IN(o, market, which)                                                                            \
    for (struct order *o = (market)->queues[which].first, *o##_next; o && (o##_next = o->next, true); o = o##_next)
/* Leaves the queue it stands in (and the book), comes to the end of another. */
void core_move(struct venue *v, struct order *o, enum queue to);
/* Among its account's open orders. */
void core_open(struct venue *v, struct order *o);
void core_unopen(struct venue *v, struct order *o);
/* Room for the next order, which is none before core_new_order numbers and opens it. */
struct order *core_draft(struct venue *v);
struct order *core_new_order(struct venue *v, const char *client_order_id);
/* Ends an order without an execution. */
void core_finish(struct venue *v, struct order *o, enum order_status status, enum trade_event_kind kind);
/* For core_settle: a member of a group something happened to; one whose account can't hold the amount; a market with
 * prints its stops have not seen, or an auction that changed. */
void core_due(struct venue *v, struct order *o);
void core_doom(struct venue *v, struct order *o);
void core_dirty(struct venue *v, struct market *m);
void core_settle_all(struct venue *v);
static inline void core_settle(struct venue *v)
{
    if (v->due_count | v->doomed_count | v->dirty_count)
        core_settle_all(v);
}

/* ---- trade.c */
/* pending_new, new, and to the market. */
void core_start(struct venue *v, struct order *o);
/* An order in no queue comes in: trades, rests, waits or is canceled as its type and time in force say. */
void core_come_in(struct venue *v, struct order *o);
/* The same for one that replaces `old` in the book: its place there may be kept. */
void core_replace_in_book(struct venue *v, struct order *old, struct order *o);
bool core_execute(struct venue *v, struct order *o, int64_t qty, struct price price);
void core_set_quote(struct market *m, const struct quote *quote, int32_t date); /* nothing trades yet */
void core_quote(struct venue *v, const struct symbol_quote *q);
void core_bar_ended(struct venue *v, const struct symbol_bar *b);
void core_print(struct venue *v, struct market *m, struct price price, int64_t size);
/* Waiting market orders at the print of this instant. */
void core_print_starts(struct venue *v, struct market *m);
/* The stops at prints from low to high, adverse first; last: the newest. */
void core_prints(struct venue *v, struct market *m, struct price low, struct price high, struct price last);
struct price core_price(const struct venue *v, int symbol); /* last or reference; PRICE_NONE */
bool core_far_side(const struct venue *v, const struct market *m, enum side side, struct price *out);
struct price core_slipped(const struct venue *v, const struct order *o, struct price price);
bool core_is_active(const struct venue *v, const struct order *o);
void core_trail(struct order *o, struct price print);

/* ---- legs.c */
bool core_is_held(const struct order *o);
bool core_is_group(const struct order *o);
void core_place_legs(struct venue *v, struct order *parent, const struct order_request *q);
/* The legs are told once; when the order works, an oco's stop is watched. */
void core_hold_legs(struct venue *v, struct order *o);
/* Something happened to a member. */
void core_react(struct venue *v, struct order *o);
/* A stop leg is elected: its sibling goes. */
void core_take_over(struct venue *v, struct order *o);

/* ---- session.c */
/* Everything up to now, for a call between instants. */
void core_come_to(struct venue *v, int64_t time_ns);
void core_regular_print(struct venue *v, struct market *m, struct price price);
void core_gather(struct venue *v, struct market *m, enum time_in_force which, size_t *count);
struct price core_auction_reference(const struct venue *v, const struct market *m);

/* ---- actions.c */
void core_act(struct venue *v); /* those due on the session's date */
void core_skip_actions(struct venue *v); /* history: of sessions that have begun */

/* ---- rules.c: each refuses with the broker's words. replaced: NULL, or the order the draft takes the place of. */
bool rules_request(const struct venue *v, const struct account *a, const struct order_request *q, struct refusal *r);
bool rules_replace(const struct venue *v, const struct order *o, const struct replace_request *q, struct refusal *r);
/* Sets the session and expiry. */
bool rules_window(const struct venue *v, struct order *draft, struct refusal *r);
bool rules_means(const struct venue *v, struct order *draft, const char *intent, const struct order *replaced,
                 struct refusal *r);
bool rules_price(const char *name, const struct asked_price *p, struct refusal *r);
bool rules_legs(const struct venue *v, const struct order *draft, const struct order_request *q, struct refusal *r);
bool rules_trigger(const struct venue *v, const struct order *draft, struct refusal *r);
struct price rules_reserve(const struct venue *v, const struct order *o);

#endif
