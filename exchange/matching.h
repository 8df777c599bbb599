/* matching.h - the replay rules: at which price an order trades against a quote, a print, a bar or an auction; and
 * the ladder of prices an order may have.
 *
 * Pure functions. Each match_... answers false when the order does not trade there. When several could apply, trade.c
 * says which is asked, and when. */
#ifndef EXCHANGE_MATCHING_H
#define EXCHANGE_MATCHING_H

#include "exchange/order.h"

/* ---- the ladder: hundredths of a cent up to a dollar, cents from there on; rungs count from 1 */
#define LADDER_MAX (20000000 * USD) /* the highest limit or stop */

static inline bool ladder_has(struct price p)
{
    return p.micros % (p.micros >= USD ? 10000 : 100) == 0;
}

/* The rung at the price or next below it. */
static inline int64_t ladder_below(struct price p)
{
    return p.micros < USD ? p.micros / 100 : 10000 + (p.micros - USD) / 10000;
}

static inline int64_t ladder_above(struct price p)
{
    return ladder_below(p) + !ladder_has(p);
}

static inline struct price ladder_price(int64_t rung)
{
    return (struct price){ rung < 10000 ? rung * 100 : USD + (rung - 10000) * 10000 };
}

/* The nearest rung that is no worse a price for that side to have as a limit: buyers down, sellers up. At least 1. */
static inline struct price ladder_passive(struct price p, enum side side)
{
    int64_t rung = side == SIDE_BUY ? ladder_below(p) : ladder_above(p);
    return ladder_price(rung < 1 ? 1 : rung);
}

/* ---- which way is better */
static inline bool match_is_trigger(const struct order *o)
{
    return o->type >= ORDER_STOP && !o->is_elected;
}

/* The most a buyer pays, the least a seller takes; PRICE_NONE: any. */
static inline struct price match_bound(const struct order *o)
{
    return price_is_set(o->limit) ? o->limit : o->cap;
}

static inline bool match_is_acceptable(const struct order *o, struct price price)
{
    struct price bound = match_bound(o);
    return !price_is_set(bound) || price_cmp(price, bound) * side_sign(o->side) <= 0;
}

/* The price on the far side: ask for a buyer, bid for a seller; PRICE_NONE when there is no quote there. */
static inline struct price match_far_side(const struct quote *q, enum side side)
{
    return side == SIDE_BUY ? q->ask : q->bid;
}

/* A resting limit order against a whole bar (or one print: a bar of one price) that started when the order was already
 * working: when low or high reached it, at the limit or the better open. */
static inline bool match_bar(const struct order *o, const struct bar *b, struct price *out)
{
    if (b->open_time_ns < o->working_ns)
        return false;
    *out = match_is_acceptable(o, b->open) ? b->open : match_bound(o);
    return match_is_acceptable(o, o->side == SIDE_BUY ? b->low : b->high);
}

/* Does a print elect the stop? */
static inline bool match_elects(const struct order *o, struct price print)
{
    return price_is_set(o->stop) && price_cmp(print, o->stop) * side_sign(o->side) >= 0;
}

/* A buy stop that was elected pays at most 4 % more than its stop, 2.5 % from $50: the broker's collar. The same holds
 * for a market buy where there is no market but the participants' orders. */
static inline struct price match_collar(struct price p)
{
    __int128 at = (__int128)p.micros * (p.micros < 50 * USD ? 1040 : 1025) / 1000;
    return (struct price){ at > LADDER_MAX ? LADDER_MAX : (int64_t)at };
}

#endif
