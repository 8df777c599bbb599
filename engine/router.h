/* router.h - the broker's rules about orders, away from the strategies.
 *
 * Pure. A strategy sees one order; at the broker it may become several, wait, and be tried again. The runner
 * keeps the orders and asks here what to do with them. */
#ifndef ENGINE_ROUTER_H
#define ENGINE_ROUTER_H

#include "market/market.h"

/* What an answer to POST /v2/orders means. */
enum route {
    ROUTE_ACCEPTED,
    ROUTE_REJECTED,  /* for good */
    ROUTE_WAIT,      /* a reason that passes: again when an order or fill in that symbol changes */
    ROUTE_LATER,     /* 429: again after a pause */
    ROUTE_LOOKUP,    /* outcome unknown, or the id is known already: ask by client_order_id */
};
/* http_status 0: no reply. */
enum route router_verdict(long http_status, const char *message);

/* Whose orders stand in the way of one that got ROUTE_WAIT: those of the other side (they could trade with it), or, when
 * the shares are held for another order, those of its own. */
enum side router_blocking_side(enum side side, const char *message);

/* How much of an order may go out now so that the account's net position does not pass through zero.
 * net: the account's signed shares; closing: shares of open orders that already go the same way. The rest
 * follows after this part's fill. An order that closes nothing goes whole. */
int64_t router_first_part(int64_t net, int64_t closing, enum side side, int64_t qty);

/* An order that waits is given up after so many tries or so long (market time). */
enum { ROUTE_TRIES_MAX = 20 };
#define ROUTE_WAIT_MAX_NS (15 * MINUTE_NS)
#define ROUTE_LATER_NS SECOND_NS

#endif
