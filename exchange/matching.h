/* matching.h - the replay rules: at which price an order trades against a quote, a bar or an auction.
 *
 * Pure functions of one order and one piece of market data. Each answers false when the order does not
 * trade there. When several could apply, venue.c says which is asked, and when. Whole quantities: the
 * recorded market is taken to be deep enough. */
#ifndef EXCHANGE_MATCHING_H
#define EXCHANGE_MATCHING_H

#include "exchange/order.h"

/* Is `price` the limit or better? Always for a market order. */
static inline bool match_is_acceptable(const struct order *o, struct price price)
{
    return !price_is_set(o->limit) || price_cmp(price, o->limit) * side_sign(o->side) <= 0;
}

/* The price on the far side: ask for a buyer, bid for a seller; PRICE_NONE when there is no quote there. */
static inline struct price match_far_side(const struct quote *q, enum side side)
{
    return side == SIDE_BUY ? q->ask : q->bid;
}

/* At once at the quote, market or limit. */
static inline bool match_quote(const struct order *o, const struct quote *q, struct price *out)
{
    *out = match_far_side(q, o->side);
    return price_is_set(*out) && match_is_acceptable(o, *out);
}

/* A market order waiting for the next print: at its price. */
static inline bool match_print(const struct order *o, struct price print, struct price *out)
{
    *out = print;
    return o->type == ORDER_MARKET;
}

/* A limit order against a whole bar that started when the order was already working: when low or high
 * reached it, at the limit or the better open. */
static inline bool match_bar(const struct order *o, const struct bar *b, struct price *out)
{
    if (o->type != ORDER_LIMIT || b->open_time_ns < o->working_ns)
        return false;
    *out = match_is_acceptable(o, b->open) ? b->open : o->limit;
    return match_is_acceptable(o, o->side == SIDE_BUY ? b->low : b->high);
}

/* An auction has one price for all. */
static inline bool match_auction(const struct order *o, struct price auction, struct price *out)
{
    *out = auction;
    return match_is_acceptable(o, auction);
}

#endif
