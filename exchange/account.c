#include "exchange/account.h"

#include "core/base.h"

static int64_t clamp(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x;
}

static int64_t not_negative(__int128 x)
{
    return x < 0 ? 0 : clamp(x);
}

struct price account_mark(const struct holding *h, struct price last)
{
    return price_is_set(last) ? last : position_average(&h->position);
}

void account_figures(const struct account *a, const struct price *marks, struct account_figures *out)
{
    __int128 longs = 0, shorts = 0, maintenance = 0;
    for (size_t i = 0; i < a->touched_count; i++) {
        const struct holding *h = &a->holdings[a->touched[i]];
        int64_t qty = h->position.qty;
        if (qty == 0)
            continue;
        struct price mark = account_mark(h, marks[a->touched[i]]);
        __int128 value = (__int128)mark.micros * qty;
        *(qty > 0 ? &longs : &shorts) += value;
        /* long: 30 %, all of it under $2.50; short: 30 % and at least $5 a share, all of it under $5 */
        __int128 size = qty > 0 ? value : -value, shares = qty > 0 ? qty : -(__int128)qty;
        __int128 pct30 = size * 3 / 10, five = shares * 5 * USD;
        if (qty > 0)
            maintenance += mark.micros * 2 < 5 * USD ? size : pct30;
        else
            maintenance += mark.micros < 5 * USD ? size : pct30 > five ? pct30 : five;
    }
    __int128 equity = a->cash_micros + longs + shorts, gross = longs - shorts;
    int multiplier = equity < 2000 * USD ? 1 : 4;
    *out = (struct account_figures){
        .cash = a->cash_micros,
        .equity = clamp(equity),
        .long_value = clamp(longs),
        .short_value = clamp(shorts),
        .gross = clamp(gross),
        .reserved = clamp(a->reserved_micros),
        .multiplier = multiplier,
        .buying_power = not_negative(multiplier * equity - gross - a->reserved_micros),
        .regt_buying_power = not_negative((multiplier == 1 ? 1 : 2) * equity - gross - a->reserved_micros),
        .non_marginable_buying_power = not_negative(equity - gross - a->reserved_micros),
        .initial_margin = clamp(gross / 2),
        .maintenance_margin = clamp(maintenance),
    };
}

void account_keep(struct account *a, const struct order *o, int64_t qty, int sign)
{
    if (o->opens)
        a->reserved_micros += (__int128)o->reserve.micros * qty * sign;
    else
        a->holdings[o->symbol].held_qty += qty * sign;
}

bool account_book(struct account *a, struct order *o, int64_t qty, struct price price, int64_t fee_micros,
                  int32_t date)
{
    struct holding *h = &a->holdings[o->symbol];
    int64_t amount, cash;
    int64_t before = h->position.qty;
    if (!price_times(price, -side_sign(o->side) * qty, &amount) ||
        __builtin_add_overflow(a->cash_micros, amount, &cash) ||
        __builtin_sub_overflow(cash, fee_micros, &cash) ||
        !position_apply(&h->position, o->side, qty, price, fee_micros))
        return false;
    a->cash_micros = cash;
    a->fees_micros += fee_micros;
    account_keep(a, o, qty, -1);
    if (!h->touched) {
        h->touched = true;
        a->touched = must_realloc(a->touched, a->touched_count + 1, sizeof *a->touched);
        a->touched[a->touched_count++] = o->symbol;
    }
    if (before == 0 || (before > 0) != (h->position.qty > 0))
        h->opened_date = date;
    return true;
}
