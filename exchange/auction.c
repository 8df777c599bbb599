#include "exchange/auction.h"

#include <stdlib.h>

/* Ascending; market orders apart, as their limit is no price. */
static int by_limit(const void *a, const void *b)
{
    const struct auction_order *x = *(const struct auction_order *const *)a;
    const struct auction_order *y = *(const struct auction_order *const *)b;
    int diff = price_cmp(x->limit, y->limit);
    return diff ? diff : (x > y) - (x < y);
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

struct search {
    int64_t reference, tick;
    int64_t best, best_qty, best_imbalance; /* best 0: nothing trades yet */
};

/* Between two neighbouring limits nothing changes, so of low..high only the nearest to the reference counts. */
static void look(struct search *s, int64_t low, int64_t high, int64_t buys, int64_t sells)
{
    if (low > high || buys == 0 || sells == 0)
        return;
    int64_t rest = s->reference % s->tick;
    int64_t at = s->reference - rest + (rest > s->tick - rest ? s->tick : 0);
    at = at < low ? low : at > high ? high : at;
    int64_t qty = buys < sells ? buys : sells, imbalance = buys - sells;
    int64_t left = distance(buys, sells), best_left = distance(s->best_imbalance, 0);
    bool better = qty != s->best_qty  ? qty > s->best_qty
                  : left != best_left ? left < best_left
                                      : distance(at, s->reference) < distance(s->best, s->reference);
    if (better)
        *s = (struct search){ s->reference, s->tick, at, qty, imbalance };
}

void auction_indicate(const struct auction_order *orders, size_t count, struct price reference,
                      struct price tick, const struct auction_order **scratch, struct auction_result *out)
{
    int64_t buys = 0, sells = 0; /* that trade at the price looked at: none is too high, none too low */
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_market = !price_is_set(orders[i].limit);
        if (!is_market)
            scratch[n++] = &orders[i];
        if (orders[i].side == SIDE_BUY)
            buys += orders[i].qty;
        else if (is_market)
            sells += orders[i].qty;
    }
    if (n > 0) /* scratch may be NULL */
        qsort(scratch, n, sizeof *scratch, by_limit);

    /* The highest tick: where only market orders and the reference speak any price is possible. */
    const int64_t top = INT64_MAX / 2 / tick.micros * tick.micros;
    struct search s = { .tick = tick.micros };
    bool has_price = n > 0 || price_is_set(reference);
    if (has_price) {
        s.reference = price_is_set(reference) ? reference.micros : scratch[0]->limit.micros;
        look(&s, tick.micros, n ? scratch[0]->limit.micros - tick.micros : top, buys, sells);
    }
    for (size_t i = 0; i < n;) {
        int64_t price = scratch[i]->limit.micros, leaving = 0;
        for (; i < n && scratch[i]->limit.micros == price; i++) {
            if (scratch[i]->side == SIDE_SELL)
                sells += scratch[i]->qty;
            else
                leaving += scratch[i]->qty;
        }
        look(&s, price, price, buys, sells);
        buys -= leaving;
        int64_t next = i < n ? scratch[i]->limit.micros - tick.micros : top;
        look(&s, price + tick.micros, next, buys, sells);
    }

    if (s.best_qty > 0) {
        *out = (struct auction_result){ { s.best }, s.best_qty, s.best_imbalance };
        return;
    }
    *out = (struct auction_result){ .price = PRICE_NONE };
    for (size_t i = 0; i < count; i++)
        if (!price_is_set(orders[i].limit))
            out->imbalance += side_sign(orders[i].side) * orders[i].qty;
}

static int by_priority(const void *a, const void *b)
{
    const struct auction_order *x = *(const struct auction_order *const *)a;
    const struct auction_order *y = *(const struct auction_order *const *)b;
    bool x_market = !price_is_set(x->limit), y_market = !price_is_set(y->limit);
    if (x_market != y_market)
        return x_market ? -1 : 1;
    int diff = -side_sign(x->side) * price_cmp(x->limit, y->limit);
    return diff ? diff : (x > y) - (x < y);
}

void auction_cross(struct auction_order *orders, size_t count, struct price reference, struct price tick,
                   const struct auction_order **scratch, struct auction_result *out)
{
    auction_indicate(orders, count, reference, tick, scratch, out);
    for (size_t i = 0; i < count; i++)
        orders[i].filled = 0;
    for (int side = SIDE_BUY; side <= SIDE_SELL; side++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if ((int)orders[i].side == side)
                scratch[n++] = &orders[i];
        qsort(scratch, n, sizeof *scratch, by_priority);
        int64_t left = out->qty; /* worse than the price is nobody before it is used up */
        for (size_t i = 0; i < n && left > 0; i++) {
            struct auction_order *o = &orders[scratch[i] - orders];
            o->filled = o->qty < left ? o->qty : left;
            left -= o->filled;
        }
    }
}
