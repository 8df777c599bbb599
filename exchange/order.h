/* order.h - one order and what follows from its fields alone. Its way through the states is venue.c's.
 *
 *   accepted (outside the session) -> pending_new -> new -> filled | canceled | expired
 *
 * Times: ns UTC, 0 = not happened. Quantities: whole shares. */
#ifndef EXCHANGE_ORDER_H
#define EXCHANGE_ORDER_H

#include "market/calendar.h"
#include "market/market.h"

struct account;

struct order {
    char id[UUID_SIZE], client_order_id[CLIENT_ORDER_ID_SIZE];
    struct account *account;
    int symbol; /* the venue's index */
    enum side side;
    enum order_type type;
    enum time_in_force time_in_force;
    int64_t qty, filled_qty;
    struct price limit;     /* PRICE_NONE: market */
    __int128 filled_micros; /* sum of price x qty of its fills */
    enum order_status status;
    int64_t submitted_ns, updated_ns, filled_ns, canceled_ns, expired_ns;
    int64_t working_ns;            /* at the market since; 0 while accepted */
    struct session session;        /* the one it works in */
    bool opens;                    /* makes a position larger; otherwise it holds shares of one */
    struct price reserve;          /* opens: buying power kept for each share left */
    int64_t index;                 /* its place among its account's orders */
    struct order *next, *previous; /* among the symbol's open orders, in order of arrival */
};

static inline int64_t order_left(const struct order *o)
{
    return o->qty - o->filled_qty;
}

static inline bool order_is_open(const struct order *o)
{
    return !order_status_is_final(o->status);
}

static inline bool order_is_working(const struct order *o)
{
    return o->working_ns != 0 && order_is_open(o);
}

/* Average price of its fills to the nearest millionth; PRICE_NONE before the first. */
static inline struct price order_average(const struct order *o)
{
    if (o->filled_qty == 0)
        return PRICE_NONE;
    return (
        struct price){ (int64_t)((2 * o->filled_micros + o->filled_qty) / (2 * (__int128)o->filled_qty)) };
}

/* When its time in force ends. */
static inline int64_t order_expires_ns(const struct order *o)
{
    return o->time_in_force == TIF_OPG ? o->session.open_ns : o->session.close_ns;
}

#endif
