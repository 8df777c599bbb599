/* auction.h - an opening or closing cross: one price for all, the one that trades most.
 *
 * Of the prices that trade most, those that leave the smallest imbalance; of these the nearest to the reference
 * (usually the last price); of two equally near the lower. Without a reference: the nearest to the lowest
 * limit. Every multiple of the tick is looked at, not only the orders' limits.
 *
 * Market orders come first, then better limits, then who came first. Who trades gets the one price.
 *
 * Pure: no clock, no I/O, no threads. Deterministic. Takes n log n time.
 *
 * Ownership: everything is the caller's, for the length of the call. */
#ifndef EXCHANGE_AUCTION_H
#define EXCHANGE_AUCTION_H

#include <stddef.h>

#include "market/market.h"

/* Together the quantities of a side must fit int64_t. Limits are positive multiples of the tick. */
struct auction_order {
    enum side side;
    int64_t qty;
    struct price limit; /* PRICE_NONE: market */
    int64_t filled;     /* out of auction_cross */
};

struct auction_result {
    struct price price; /* PRICE_NONE: nothing trades */
    int64_t qty;        /* that trades */
    int64_t imbalance;  /* left over at that price: > 0 to buy, < 0 to sell */
};

/* What would trade: the indicative price and imbalance. orders stand in order of arrival; scratch has
 * room for count. When nothing can trade the imbalance is that of the market orders. */
void auction_indicate(const struct auction_order *orders, size_t count, struct price reference,
                      struct price tick, const struct auction_order **scratch, struct auction_result *out);

/* The same, and sets each order's filled. */
void auction_cross(struct auction_order *orders, size_t count, struct price reference, struct price tick,
                   const struct auction_order **scratch, struct auction_result *out);

#endif
