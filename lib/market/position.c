#include "market/position.h"

#include <assert.h>

static int64_t saturate(__int128 n)
{
    return n > INT64_MAX ? INT64_MAX : n < -INT64_MAX ? -INT64_MAX : (int64_t)n;
}

/* n / d, halves away from zero; d > 0. */
static __int128 divide(__int128 n, __int128 d)
{
    return n < 0 ? -((-n + d / 2) / d) : (n + d / 2) / d;
}

static int64_t absolute(int64_t n)
{
    return n < 0 ? -n : n;
}

bool position_apply_amount(struct position *p, enum side side, int64_t qty, __int128 amount, int64_t fee_micros)
{
    assert(qty > 0);
    int64_t signed_qty = side_sign(side) * qty;
    int64_t held = absolute(p->qty);
    bool is_opposite = (p->qty > 0 && signed_qty < 0) || (p->qty < 0 && signed_qty > 0);
    int64_t closing = !is_opposite ? 0 : qty < held ? qty : held;

    struct position next = *p;
    if (closing > 0) {
        /* What closing brings in, and what those shares cost: both signed like the position's cost. */
        __int128 brings = amount / qty * closing + divide(amount % qty * closing, qty);
        __int128 proceeds = brings * (p->qty > 0 ? 1 : -1);
        int64_t cost = closing == held ? p->cost_micros
                                       : (int64_t)divide((__int128)p->cost_micros * closing, held);
        __int128 realized = (__int128)p->realized_micros + proceeds - cost;
        if (realized != (int64_t)realized)
            return false;
        next.realized_micros = (int64_t)realized;
        next.cost_micros -= cost;
        amount -= brings;
    }
    __int128 cost = (__int128)next.cost_micros + amount * side_sign(side);
    if (cost != (int64_t)cost)
        return false;
    next.cost_micros = (int64_t)cost;
    if (__builtin_add_overflow(p->qty, signed_qty, &next.qty) || next.qty == INT64_MIN ||
        __builtin_add_overflow(p->fees_micros, fee_micros, &next.fees_micros) ||
        __builtin_add_overflow(p->traded_qty, qty, &next.traded_qty))
        return false;
    next.fills++;
    *p = next;
    return true;
}

bool position_apply(struct position *p, enum side side, int64_t qty, struct price price, int64_t fee_micros)
{
    return position_apply_amount(p, side, qty, (__int128)price.micros * qty, fee_micros);
}

struct price position_average(const struct position *p)
{
    if (p->qty == 0)
        return PRICE_NONE;
    __int128 cost = p->qty < 0 ? -(__int128)p->cost_micros : p->cost_micros;
    return (struct price){ saturate(divide(cost, absolute(p->qty))) };
}

int64_t position_value_micros(const struct position *p, struct price mark)
{
    return p->qty == 0 ? 0 : saturate((__int128)mark.micros * p->qty);
}

int64_t position_unrealized_micros(const struct position *p, struct price mark)
{
    return p->qty == 0 ? 0 : saturate((__int128)mark.micros * p->qty - p->cost_micros);
}
