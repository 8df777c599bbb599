/* order.h - one order and what follows from its fields alone. Its way through the states is the venue's
 * (venue.h).
 *
 * Times: ns UTC, 0 = not happened. Quantities: micro-shares (millionths of a share). Prices: PRICE_NONE = absent.
 *
 * A replacement is a new order: it carries on what the chain has filled (filled_qty, filled_value), and its qty
 * is the whole chain's. */
#ifndef EXCHANGE_ORDER_H
#define EXCHANGE_ORDER_H

#include "market/calendar.h"
#include "market/market.h"

#define QTY_SCALE INT64_C(1000000) /* micro-shares in a share */

/* "5", "0.25": no trailing zeros. Returns the length. */
enum { QTY_TEXT_MAX = PRICE_TEXT_MAX };
int qty_format(int64_t qty, char out[QTY_TEXT_MAX]);

struct account;

enum order_class { CLASS_SIMPLE, CLASS_BRACKET, CLASS_OCO, CLASS_OTO };
extern const char *const order_class_names[]; /* simple bracket oco oto */

struct order {
    struct account *account;
    const char *client_order_id; /* NULL: made of its index; ask order_client_id */
    int64_t index;               /* its place among its account's orders */
    int symbol;                  /* the venue's index */
    enum side side;
    enum order_type type;
    enum time_in_force time_in_force;
    enum order_class order_class;
    enum order_status status;
    bool extended_hours;
    bool opens;                  /* makes a position larger; otherwise it holds shares of one */
    bool is_elected;             /* stop, stop_limit, trailing_stop: it has become a market or limit order */
    bool is_restated;            /* by a split: its quantities are no longer the sums of its fills */
    int64_t qty;                 /* 0: a notional order before its first execution */
    int64_t filled_qty;
    int64_t notional_micros;     /* 0: the order has a qty */
    struct price limit;
    struct price stop;           /* trailing_stop: where it would trigger now */
    struct price trail_price;    /* trailing_stop: this ... */
    int64_t trail_percent;       /* ... or this, in millionths of a percent; 0: absent */
    struct price hwm;            /* trailing_stop: the best price since */
    __int128 filled_value;       /* sum of price x qty of its fills: micros x micro-shares */
    int64_t submitted_ns, updated_ns, expires_ns;
    int64_t working_ns;          /* at the market since; 0: not yet */
    int64_t ended_ns;            /* when its status became final */
    int64_t cancel_requested_ns;
    int32_t date;                /* the session it works in (first) */
    struct order *replaces, *replaced_by;
    struct order *parent;        /* of a leg */
    struct order *legs[2];       /* bracket: take profit, stop loss; oco: the order is the take profit, [0] the
                                    stop loss; oto: [0] */

    /* the venue's own */
    int64_t kept_qty;            /* what it holds, or has reserved buying power for */
    struct price reserve;        /* opens: buying power kept for each share of it */
    struct price cap;            /* an elected buy stop: the most it pays */
    uint64_t book_id;            /* in the book; 0: not there */
    enum order_status status_before; /* pending_cancel */
    int queue;                   /* of its market */
    struct order *next, *previous;           /* in that queue, in order of arrival */
    struct order *open_next, *open_previous; /* among its account's open orders */
};

/* Made of the account's bits and the order's place: the same for ever, and found without a table. */
void order_id(const struct order *o, char out[UUID_SIZE]);
/* As given, or made, written to `made`. */
const char *order_client_id(const struct order *o, char made[UUID_SIZE]);

/* "sell_to_close" ... */
const char *order_intent(const struct order *o);

static inline int64_t order_left(const struct order *o)
{
    return o->qty - o->filled_qty;
}

static inline bool order_is_open(const struct order *o)
{
    return !order_status_is_final(o->status);
}

/* When it ended that way: filled_at, canceled_at, ...; 0: it has not. */
static inline int64_t order_ended_ns(const struct order *o, enum order_status how)
{
    return o->status == how ? o->ended_ns : 0;
}

/* Average price of its fills to the nearest millionth; PRICE_NONE before the first. */
static inline struct price order_average(const struct order *o)
{
    if (o->filled_qty == 0)
        return PRICE_NONE;
    return (struct price){ (int64_t)((2 * o->filled_value + o->filled_qty) / (2 * (__int128)o->filled_qty)) };
}

#endif
