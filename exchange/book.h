/* book.h - one symbol's limit order book: better price first, then time.
 *
 * Pure: no clock, no I/O, no threads, no logging. The same calls give the same events and the same ids.
 * All that happens in a call happens at the caller's one time, so events carry none.
 *
 * Units: shares (or any unit of quantity the caller keeps to); prices are positive multiples of the tick.
 *
 * Memory: all of it is taken in book_new. The book never grows: a full one refuses what may rest (BOOK_FULL).
 *
 * Ownership: the book copies what it is given. Events are lent to the sink for the length of the call.
 *
 * Failure: each refusal is a book_result. On anything but BOOK_OK nothing has changed and no event was sent.
 *
 * Cost: constant for prices near the market (some 500 ticks to both sides at least); a price level far from
 * it is found by binary search and opened in a sorted array. */
#ifndef EXCHANGE_BOOK_H
#define EXCHANGE_BOOK_H

#include <stddef.h>

#include "market/market.h"

struct book;

#define BOOK_QTY_MAX (INT64_C(1) << 46)
enum {
    BOOK_ORDERS_MAX = 1 << 16,      /* with BOOK_QTY_MAX: no sum over a book can overflow */
    BOOK_TICKS_MAX = INT32_MAX - 1, /* highest price, in ticks */
};

/* In the order they are checked. */
enum book_result {
    BOOK_OK,
    BOOK_UNKNOWN_ORDER, /* not resting (any more) */
    BOOK_BAD_PRICE,     /* not a multiple of the tick, not positive, or above BOOK_TICKS_MAX ticks */
    BOOK_BAD_QTY,       /* not 1 to BOOK_QTY_MAX */
    BOOK_FULL,          /* orders_max rest already and this one might rest too */
};
extern const char *const book_result_names[]; /* ok unknown-order bad-price bad-qty full */

enum book_tif {
    BOOK_DAY, /* what does not trade rests; of a market order it is cancelled */
    BOOK_IOC, /* what does not trade is cancelled */
    BOOK_FOK, /* all at once, or all is cancelled */
};
extern const char *const book_tif_names[]; /* day ioc fok */

/* When an order meets one of the same owner. */
enum book_self_trade {
    BOOK_SELF_TRADE_ALLOW,
    BOOK_SELF_TRADE_CANCEL_NEWEST, /* the rest of the order that comes in */
    BOOK_SELF_TRADE_CANCEL_OLDEST, /* the order that rests; then on */
};
extern const char *const book_self_trade_names[]; /* allow cancel-newest cancel-oldest */

enum book_event_kind {
    BOOK_RESTED,    /* what is left of a new order stands in the book */
    BOOK_TRADED,    /* order came in, against rested; at the price of the latter */
    BOOK_CANCELLED, /* and gone */
    BOOK_REPLACED,  /* now qty at price; TRADED may follow, then what is left rests */
};
enum book_reason { BOOK_ASKED, BOOK_UNFILLED, BOOK_SELF_TRADE };
extern const char *const book_reason_names[]; /* asked unfilled self-trade */

struct book_event {
    enum book_event_kind kind;
    enum book_reason reason;  /* CANCELLED */
    uint64_t order;
    uint64_t against;         /* TRADED: the resting order, else 0 */
    struct price price;       /* of a cancelled market order: PRICE_NONE */
    int64_t qty;              /* rested, traded, cancelled or asked for by the replacement; > 0 */
    int64_t left;             /* of order, after the event: to trade or resting */
    int64_t against_left;     /* TRADED: of the resting order; 0: it is gone */
    bool keeps_place;         /* REPLACED: its time priority is the old one */
};

/* Must not call back into the book. */
typedef void book_sink(void *ctx, const struct book_event *event);

struct book_options {
    size_t orders_max; /* resting at any one time: 1 to BOOK_ORDERS_MAX */
    struct price tick; /* 1 to 2^32 micros */
    enum book_self_trade self_trade;
    book_sink *sink;
    void *ctx; /* not owned; outlives the book */
};

/* NULL when out of memory. */
struct book *book_new(const struct book_options *options);
void book_free(struct book *b); /* NULL is fine */

struct book_order {
    enum side side;
    enum book_tif tif;
    uint32_t owner; /* 0: nobody's, meets no one of its own */
    int64_t qty;
    struct price limit; /* PRICE_NONE: market */
};

/* Trades what it can at once; what is left rests or is cancelled as tif says. *id is set before the first
 * event. An id is never used twice (before 2^32 orders have passed through one slot). */
enum book_result book_add(struct book *b, const struct book_order *order, uint64_t *id);

/* The order now wants qty more at limit, under the same id. At the same price and no more than before it keeps
 * its place; else it comes in anew, and may trade. */
enum book_result book_replace(struct book *b, uint64_t id, int64_t qty, struct price limit);

enum book_result book_cancel(struct book *b, uint64_t id);

/* Somebody outside the book takes qty of a resting order, at most what is left of it. No event: the caller knows. */
enum book_result book_take(struct book *b, uint64_t id, int64_t qty);

/* The place of an order in an array of orders_max + 2: no two live orders share one. For the caller's tables. */
static inline uint32_t book_slot(uint64_t id)
{
    return (uint32_t)id;
}

/* ---- looking */
/* A resting order: qty is what is left of it. False: not resting. */
bool book_find(const struct book *b, uint64_t id, struct book_order *out);

/* The first resting order of a side, best price and then time, and the one after it; 0: none. */
uint64_t book_first(const struct book *b, enum side side);
uint64_t book_after(const struct book *b, uint64_t id);

/* How much of the order would trade at once. */
int64_t book_reach(const struct book *b, const struct book_order *order);

struct book_level {
    struct price price;
    int64_t qty;
    int64_t orders;
};
/* The best level of a side; false when that side is empty. */
bool book_best(const struct book *b, enum side side, struct book_level *out);
/* The best `count` levels, best first; returns how many there were. */
size_t book_depth(const struct book *b, enum side side, struct book_level *out, size_t count);

struct book_volume {
    int64_t resting_orders[2], resting_qty[2], levels[2]; /* by side */
    int64_t trades, traded_qty;
    __int128 traded_micros; /* sum of price x qty */
    struct price last;      /* PRICE_NONE: no trade yet */
};
/* Walks all levels. */
void book_volume(const struct book *b, struct book_volume *out);

/* Everything recounted from the orders: lists, levels, totals, best prices; not crossed. For tests: slow. */
bool book_is_consistent(const struct book *b);

#endif
