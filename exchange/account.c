#include "exchange/account.h"

#include <stdio.h>
#include <string.h>

#include "core/base.h"

/* ---- money */

static int64_t clamp(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x;
}

static int64_t not_negative(__int128 x)
{
    return x < 0 ? 0 : clamp(x);
}

/* Halves away from zero. */
static __int128 from_value(__int128 value)
{
    int64_t small = (int64_t)value;
    if (small == value && small < INT64_MAX - QTY_SCALE && small > -(INT64_MAX - QTY_SCALE)) /* quick */
        return (small + (small < 0 ? -QTY_SCALE : QTY_SCALE) / 2) / QTY_SCALE;
    return (value + (value < 0 ? -QTY_SCALE : QTY_SCALE) / 2) / QTY_SCALE;
}

__int128 value_micros(struct price price, int64_t qty)
{
    return from_value((__int128)price.micros * qty);
}

/* ---- positions */

int64_t holding_available(const struct holding *h)
{
    int64_t size = h->position.qty < 0 ? -h->position.qty : h->position.qty;
    return size > h->held_qty ? size - h->held_qty : 0;
}

struct price holding_average(const struct holding *h)
{
    const struct position *p = &h->position;
    if (p->qty == 0)
        return PRICE_NONE;
    __int128 cost = (__int128)p->cost_micros * QTY_SCALE, size = p->qty;
    if (size < 0) {
        cost = -cost;
        size = -size;
    }
    return (struct price){ clamp((cost + size / 2) / size) };
}

int64_t holding_value(const struct holding *h, struct price mark)
{
    return h->position.qty == 0 ? 0 : clamp(value_micros(mark, h->position.qty));
}

int64_t holding_unrealized(const struct holding *h, struct price mark)
{
    return h->position.qty == 0 ? 0 : clamp(value_micros(mark, h->position.qty) - h->position.cost_micros);
}

struct price account_mark(const struct holding *h, struct price last)
{
    return price_is_set(last) ? last : holding_average(h);
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
        __int128 value = value_micros(mark, qty);
        *(qty > 0 ? &longs : &shorts) += value;
        /* long: 30 %, all of it under $2.50; short: 30 % and at least $5 a share, all of it (at least $2.50 a
         * share) under $5 */
        __int128 size = qty > 0 ? value : -value, pct30 = size * 3 / 10;
        __int128 five = value_micros((struct price){ 5 * USD }, qty > 0 ? qty : -qty);
        if (qty > 0)
            maintenance += mark.micros * 2 < 5 * USD ? size : pct30;
        else if (mark.micros < 5 * USD)
            maintenance += size > five / 2 ? size : five / 2;
        else
            maintenance += pct30 > five ? pct30 : five;
    }
    __int128 equity = a->cash_micros + longs + shorts, gross = longs - shorts;
    __int128 reserved = from_value(a->reserved_value);
    int allowed = a->config.max_margin_multiplier, multiplier = equity < 2000 * USD ? 1 : allowed;
    int overnight = multiplier < 2 ? multiplier : 2;
    *out = (struct account_figures){
        .cash = a->cash_micros,
        .equity = clamp(equity),
        .long_value = clamp(longs),
        .short_value = clamp(shorts),
        .gross = clamp(gross),
        .reserved = clamp(reserved),
        .multiplier = multiplier,
        .buying_power = not_negative(multiplier * equity - gross - reserved),
        .regt_buying_power = not_negative(overnight * equity - gross - reserved),
        .non_marginable_buying_power = not_negative(equity - gross - reserved),
        .initial_margin = clamp(gross / 2),
        .maintenance_margin = clamp(maintenance),
    };
}

void account_keep(struct order *o, int64_t qty)
{
    struct account *a = o->account;
    int64_t more = qty - o->kept_qty;
    if (o->opens)
        a->reserved_value += (__int128)o->reserve.micros * more;
    else
        a->holdings[o->symbol].held_qty += more;
    o->kept_qty = qty;
}

bool account_book(struct account *a, int symbol, enum side side, int64_t qty, struct price price, int64_t fee_micros,
                  int32_t date)
{
    struct holding *h = &a->holdings[symbol];
    __int128 amount = value_micros(price, qty), cash = a->cash_micros - side_sign(side) * amount - fee_micros;
    int64_t before = h->position.qty;
    if (cash != (int64_t)cash || !position_apply_amount(&h->position, side, qty, amount, fee_micros))
        return false;
    a->cash_micros = (int64_t)cash;
    a->fees_micros += fee_micros;
    if (!h->touched) {
        h->touched = true;
        a->touched = must_realloc(a->touched, a->touched_count + 1, sizeof *a->touched);
        a->touched[a->touched_count++] = symbol;
    }
    if (before == 0 || (before > 0) != (h->position.qty > 0))
        h->opened_date = date;
    return true;
}

/* ---- ids: the low half of a UUID is kind and place, scrambled so that it can be read back; the high half is a
 * check made of it and the account. A version 4 UUID leaves 62 bits of the one and 60 of the other. */

#define LOW_BITS ((UINT64_C(1) << 62) - 1)
#define SCRAMBLE UINT64_C(0x9e3779b97f4a7c15)   /* odd */
#define UNSCRAMBLE UINT64_C(0xf1de83e19937733d) /* its inverse modulo 2^64 */

static void id_bits(const struct account *a, uint64_t low, uint64_t *high)
{
    uint64_t stir = a->bits[0] ^ (low * SCRAMBLE + a->bits[1]);
    *high = random_next(&stir);
}

void account_make_id(const struct account *a, enum id_kind kind, int64_t index, char out[UUID_SIZE])
{
    uint64_t low = ((uint64_t)index * ID_KINDS + kind + a->bits[1]) * SCRAMBLE & LOW_BITS, high;
    low ^= low >> 31;
    id_bits(a, low, &high);
    uuid_from_bits(high, low, out);
}

static bool hex(const char *text, size_t count, uint64_t *out)
{
    for (size_t i = 0; i < count; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint64_t)digit;
    }
    return true;
}

int64_t account_read_id(const struct account *a, enum id_kind kind, const char *id)
{
    uint64_t low = 0;
    char again[UUID_SIZE];
    if (strlen(id) != UUID_SIZE - 1 || !hex(id + 19, 4, &low) || !hex(id + 24, 12, &low))
        return -1;
    low &= LOW_BITS;
    low ^= low >> 31;
    low = (low * UNSCRAMBLE - a->bits[1]) & LOW_BITS;
    if (low % ID_KINDS != kind)
        return -1;
    int64_t index = (int64_t)(low / ID_KINDS);
    account_make_id(a, kind, index, again);
    return strcasecmp(again, id) == 0 ? index : -1;
}

const char *const order_class_names[] = { "simple", "bracket", "oco", "oto", NULL };

const char *order_intent(const struct order *o)
{
    static const char *const names[] = { "buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close" };
    return names[2 * (o->side == SIDE_SELL) + !o->opens];
}

int qty_format(int64_t qty, char out[QTY_TEXT_MAX])
{
    int n = price_format((struct price){ qty }, out);
    while (out[n - 1] == '0')
        n--;
    n -= out[n - 1] == '.';
    out[n] = '\0';
    return n;
}

void order_id(const struct order *o, char out[UUID_SIZE])
{
    account_make_id(o->account, ID_ORDER, o->index, out);
}

const char *order_client_id(const struct order *o, char made[UUID_SIZE])
{
    if (o->client_order_id)
        return o->client_order_id;
    account_make_id(o->account, ID_CLIENT, o->index, made);
    return made;
}

void fill_id(const struct fill *f, char out[UUID_SIZE])
{
    account_make_id(f->order->account, ID_FILL, f->index, out);
}

void activity_uuid(const struct activity *a, char out[UUID_SIZE])
{
    account_make_id(a->account, ID_ACTIVITY, a->index, out);
}

struct order *account_order(const struct account *a, const char *id)
{
    int64_t index = account_read_id(a, ID_ORDER, id);
    return index >= 0 && index < (int64_t)a->orders_count ? a->orders[index] : NULL;
}

struct order *account_order_by_client_id(const struct account *a, const char *client_order_id)
{
    struct order *o = table_get(&a->by_client_id, client_order_id);
    if (o)
        return o;
    int64_t index = account_read_id(a, ID_CLIENT, client_order_id);
    return index >= 0 && index < (int64_t)a->orders_count && !a->orders[index]->client_order_id ? a->orders[index] : NULL;
}

const struct fill *account_fill(const struct account *a, const char *id)
{
    int64_t index = account_read_id(a, ID_FILL, id);
    return index >= 0 && index < (int64_t)a->fills_count ? a->fills[index] : NULL;
}

const struct activity *account_activity(const struct account *a, const char *uuid)
{
    int64_t index = account_read_id(a, ID_ACTIVITY, uuid);
    return index >= 0 && index < (int64_t)a->activities_count ? a->activities[index] : NULL;
}
