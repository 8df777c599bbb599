#include "exchange/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"

/* ---- assets */

static void asset_id(const char *symbol, char out[UUID_SIZE])
{
    uint64_t high = UINT64_C(14695981039346656037);
    for (const char *p = symbol; *p; p++)
        high = (high ^ (unsigned char)*p) * UINT64_C(1099511628211);
    uint64_t low = high;
    uint64_t h = random_next(&low);
    uuid_from_bits(h, random_next(&low), out);
}

int asset_find(const struct venue *v, const char *name)
{
    int symbol = venue_symbol(v, name);
    if (symbol >= 0 || !uuid_is_valid(name))
        return symbol;
    for (size_t i = 0; i < venue_symbols_count(v); i++) {
        char id[UUID_SIZE];
        asset_id(venue_symbol_name(v, (int)i), id);
        if (strcasecmp(id, name) == 0)
            return (int)i;
    }
    return -1;
}

json_t *asset_json(const struct venue *v, int symbol)
{
    const char *name = venue_symbol_name(v, symbol);
    char id[UUID_SIZE];
    asset_id(name, id);
    return json_pack("{ss ss ss ss ss ss sb sb si ss ss sb sb ss sb s[]}", "id", id, "class", "us_equity",
                     "exchange", "NYSE", "symbol", name, "name", name, "status", "active", "tradable", 1,
                     "marginable", 1, "maintenance_margin_requirement", 30, "margin_requirement_long", "30",
                     "margin_requirement_short", "30", "shortable", 1, "easy_to_borrow", 1, "borrow_status",
                     "easy_to_borrow", "fractionable", 0, "attributes");
}

/* ---- orders and their events */

static void order_wire(const struct venue *v, const struct order *o, struct alpaca_order *w)
{
    alpaca_order_init(w);
    char made[UUID_SIZE];
    order_id(o, w->id);
    text_copy(w->client_order_id, sizeof w->client_order_id, order_client_id(o, made));
    w->created_at = w->submitted_at = o->submitted_ns;
    w->updated_at = o->updated_ns;
    w->filled_at = order_ended_ns(o, ORDER_FILLED);
    w->expired_at = order_ended_ns(o, ORDER_EXPIRED);
    w->canceled_at = order_ended_ns(o, ORDER_CANCELED);
    w->failed_at = order_ended_ns(o, ORDER_REJECTED);
    w->expires_at = o->expires_ns;
    text_copy(w->symbol, sizeof w->symbol, venue_symbol_name(v, o->symbol));
    asset_id(w->symbol, w->asset_id);
    text_copy(w->asset_class, sizeof w->asset_class, "us_equity");
    w->qty = o->qty / QTY_SCALE;
    w->filled_qty = o->filled_qty / QTY_SCALE;
    w->filled_avg_price = order_average(o);
    w->side = o->side;
    w->type = o->type;
    w->time_in_force = o->time_in_force;
    w->limit_price = o->limit;
    w->status = o->status;
}

json_t *order_json(const struct venue *v, const struct order *o)
{
    struct alpaca_order w;
    order_wire(v, o, &w);
    json_t *j = alpaca_order_encode(&w);
    json_object_set_new(j, "position_intent", json_string(order_intent(o)));
    return j;
}

static const enum alpaca_event event_of[] = {
    [TRADE_ACCEPTED] = ALPACA_ACCEPTED, [TRADE_PENDING_NEW] = ALPACA_PENDING_NEW,
    [TRADE_NEW] = ALPACA_NEW,           [TRADE_PARTIAL_FILL] = ALPACA_PARTIAL_FILL,
    [TRADE_FILL] = ALPACA_FILL,         [TRADE_CANCELED] = ALPACA_CANCELED,
    [TRADE_EXPIRED] = ALPACA_EXPIRED,   [TRADE_REJECTED] = ALPACA_REJECTED,
    [TRADE_HELD] = ALPACA_HELD,         [TRADE_PENDING_CANCEL] = ALPACA_PENDING_CANCEL,
    [TRADE_CANCEL_REJECTED] = ALPACA_ORDER_CANCEL_REJECTED,
    [TRADE_PENDING_REPLACE] = ALPACA_PENDING_REPLACE,
    [TRADE_REPLACED] = ALPACA_REPLACED, [TRADE_RESTATED] = ALPACA_RESTATED,
};

/* A ULID: 48 bits of milliseconds, 80 bits that count; Crockford's digits sort as the numbers do. */
static void ulid(int64_t time_ns, uint64_t sequence, char out[27])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t ms = (uint64_t)(time_ns / 1000000);
    for (int i = 9; i >= 0; i--, ms >>= 5)
        out[i] = digits[ms & 31];
    for (int i = 25; i >= 10; i--, sequence >>= 5)
        out[i] = digits[sequence & 31];
    out[26] = '\0';
}

json_t *trade_event_json(const struct venue *v, const struct trade_event *e, uint64_t sequence)
{
    struct alpaca_trade_update u = {
        .event = event_of[e->kind],
        .timestamp = e->time_ns,
        .at = e->time_ns,
        .price = e->fill ? e->fill->price : PRICE_NONE,
        .qty = e->fill ? e->fill->qty / QTY_SCALE : INT64_MIN,
        .position_qty = e->fill ? e->fill->position_qty / QTY_SCALE : INT64_MIN,
    };
    ulid(e->time_ns, sequence, u.event_id);
    trade_event_execution_id(e, u.execution_id);
    order_wire(v, e->order, &u.order);
    json_t *j = alpaca_trade_update_encode(&u);
    if (e->fill && e->fill->fee_micros) { /* ours: what this execution cost in fees */
        char text[PRICE_TEXT_MAX];
        price_format((struct price){ e->fill->fee_micros }, text);
        json_object_set_new(j, "fee", json_string(text));
    }
    return j;
}

/* ---- account, positions, activities */

json_t *account_json(const struct venue *v, const struct account *a, int64_t now_ns)
{
    struct account_figures f;
    account_figures(a, venue_marks(v), &f);
    struct session today;
    struct alpaca_account w = {
        .cash = f.cash,
        .equity = f.equity,
        .last_equity = a->last_equity_micros,
        .buying_power = f.buying_power,
        .regt_buying_power = f.regt_buying_power,
        .non_marginable_buying_power = f.non_marginable_buying_power,
        .long_market_value = f.long_value,
        .short_market_value = f.short_value,
        .initial_margin = f.initial_margin,
        .maintenance_margin = f.maintenance_margin,
        .last_maintenance_margin = a->last_maintenance_micros,
        .multiplier = f.multiplier,
        .shorting_enabled = f.equity >= 2000 * USD,
        .created_at = a->created_ns,
        .balance_asof = a->last_equity_date,
    };
    if (!w.balance_asof && calendar_session_at(now_ns, &today) && calendar_previous(&today, &today))
        w.balance_asof = today.date;
    memcpy(w.id, a->id, UUID_SIZE);
    memcpy(w.account_number, a->number, sizeof a->number);
    text_copy(w.status, sizeof w.status, "ACTIVE");
    text_copy(w.currency, sizeof w.currency, "USD");
    return alpaca_account_encode(&w);
}

json_t *position_json(const struct venue *v, const struct account *a, int symbol, int64_t now_ns)
{
    const struct holding *h = &a->holdings[symbol];
    int64_t qty = h->position.qty, available = holding_available(h);
    struct price mark = account_mark(h, venue_last(v, symbol)), lastday = venue_previous_close(v, symbol);
    struct alpaca_position w = {
        .asset_marginable = true,
        .qty = qty / QTY_SCALE,
        .qty_available = (qty < 0 ? -available : available) / QTY_SCALE,
        .is_short = qty < 0,
        .avg_entry_price = holding_average(h),
        .current_price = mark,
        .lastday_price = price_is_set(lastday) ? lastday : mark,
        .market_value = holding_value(h, mark),
        .cost_basis = h->position.cost_micros,
        .unrealized_pl = holding_unrealized(h, mark),
    };
    bool held_overnight = h->opened_date < calendar_date(now_ns);
    w.unrealized_intraday_pl =
        held_overnight ? w.market_value - holding_value(h, w.lastday_price) : w.unrealized_pl;
    text_copy(w.symbol, sizeof w.symbol, venue_symbol_name(v, symbol));
    asset_id(w.symbol, w.asset_id);
    text_copy(w.exchange, sizeof w.exchange, "NYSE");
    text_copy(w.asset_class, sizeof w.asset_class, "us_equity");
    return alpaca_position_encode(&w);
}

void activity_id(const struct fill *f, char out[ACTIVITY_ID_SIZE])
{
    int second = calendar_second_of_day(f->time_ns);
    char id[UUID_SIZE];
    fill_id(f, id);
    snprintf(out, ACTIVITY_ID_SIZE, "%08" PRId32 "%02d%02d%02d%03d::%s", calendar_date(f->time_ns),
             second / 3600, second / 60 % 60, second % 60, (int)(f->time_ns / 1000000 % 1000), id);
}

json_t *activity_json(const struct venue *v, const struct fill *f)
{
    const struct order *o = f->order;
    struct alpaca_activity w = {
        .transaction_time = f->time_ns,
        .is_partial = f->leaves_qty > 0,
        .price = f->price,
        .qty = f->qty / QTY_SCALE,
        .cum_qty = f->cum_qty / QTY_SCALE,
        .leaves_qty = f->leaves_qty / QTY_SCALE,
        .side = o->side,
        .order_status = f->leaves_qty ? ORDER_PARTIALLY_FILLED : ORDER_FILLED,
    };
    activity_id(f, w.id);
    memcpy(w.account_id, o->account->id, UUID_SIZE);
    order_id(o, w.order_id);
    text_copy(w.symbol, sizeof w.symbol, venue_symbol_name(v, o->symbol));
    json_t *j = alpaca_activity_encode(&w);
    if (f->fee_micros) {
        char text[PRICE_TEXT_MAX];
        price_format((struct price){ f->fee_micros }, text);
        json_object_set_new(j, "fee", json_string(text));
    }
    return j;
}

/* What a client sent may be cut off within a character, or be no UTF-8 at all; the message is there anyway. */
static json_t *json_shown(const char *text)
{
    json_t *j = json_string(text);
    if (j)
        return j;
    char *ascii = must_strdup(text);
    for (char *c = ascii; *c; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    j = json_string(ascii);
    free(ascii);
    return j;
}

json_t *refusal_json(const struct refusal *r)
{
    json_t *j = json_object();
    if (r->code)
        json_object_set_new(j, "code", json_integer(r->code));
    json_object_set_new(j, "message", json_shown(r->message));
    for (int i = 0; i < r->extra_count; i++)
        json_object_set_new(j, r->extra[i].name, json_string(r->extra[i].value));
    return j;
}

/* ---- a client's order */

/* The member, or NULL when it is absent, null or "". */
static const json_t *given(const json_t *body, const char *name)
{
    const json_t *v = json_object_get(body, name);
    return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ? NULL : v;
}

/* What was given, for messages. */
static void show(const json_t *v, char *out, size_t size)
{
    if (json_is_string(v)) {
        snprintf(out, size, "%.24s", json_string_value(v));
        return;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    snprintf(out, size, "%.24s", text ? text : "?");
    free(text);
}

/* A plain decimal to millionths. too_fine: it had more decimals (cut off). false: none, or out of range. */
static bool decimal(const json_t *v, int64_t *out, bool *too_fine)
{
    struct price p;
    *too_fine = false;
    if (json_is_integer(v))
        return !__builtin_mul_overflow(json_integer_value(v), PRICE_SCALE, out);
    if (json_is_real(v)) {
        if (!price_from_double(json_real_value(v), &p))
            return false;
        double back = (double)p.micros / (double)PRICE_SCALE, off = json_real_value(v) - back;
        *too_fine = (off < 0 ? -off : off) > 1e-9 && p.micros < INT64_C(1000000000) * PRICE_SCALE;
        *out = p.micros;
        return true;
    }
    if (!json_is_string(v))
        return false;
    const char *text = json_string_value(v), *dot = strchr(text, '.');
    size_t len = json_string_length(v), kept = len;
    if (dot && strlen(dot) > 7) {
        kept = (size_t)(dot - text) + 7;
        for (size_t i = kept; i < len; i++) {
            if (text[i] < '0' || text[i] > '9')
                return false;
            *too_fine |= text[i] != '0';
        }
    }
    if (!price_parse(text, kept, &p))
        return false;
    *out = p.micros;
    return true;
}

static bool text_member(const json_t *body, const char *name, const char **out, struct refusal *r)
{
    const json_t *v = given(body, name);
    *out = v ? json_string_value(v) : NULL;
    return !v || *out ? true : refuse(r, REFUSED_MEMBER, name, "a string");
}

static bool read_qty(const json_t *body, struct order_request *out, struct refusal *r)
{
    const json_t *qty = given(body, "qty"), *notional = given(body, "notional");
    char text[32];
    bool too_fine;
    if (qty && notional)
        return refuse(r, REFUSED_QTY_AND_NOTIONAL);
    if (notional)
        return refuse(r, REFUSED_NOTIONAL);
    if (!qty)
        return refuse(r, REFUSED_QTY_MISSING);
    out->has_qty = true;
    if (!decimal(qty, &out->qty_micros, &too_fine)) {
        show(qty, text, sizeof text);
        return refuse(r, REFUSED_QTY_INVALID, text);
    }
    if (too_fine && out->qty_micros % PRICE_SCALE == 0)
        out->qty_micros += 1; /* a sliver more than whole: still a fraction */
    return true;
}

static bool read_words(const json_t *body, struct order_request *out, struct refusal *r)
{
    static const char *const foreign_types[] = { "stop", "stop_limit", "trailing_stop", NULL };
    static const char *const foreign_tifs[] = { "gtc", "ioc", "fok", "gtd", NULL };
    const char *side, *type, *tif;
    if (!text_member(body, "side", &side, r) || !text_member(body, "type", &type, r) ||
        !text_member(body, "time_in_force", &tif, r))
        return false;
    if (!side || name_index(side_names, side) < 0)
        return refuse(r, REFUSED_SIDE);
    if (type && name_index(foreign_types, type) >= 0)
        return refuse(r, REFUSED_TYPE_UNSUPPORTED, type);
    if (!type || name_index(order_type_names, type) < 0)
        return refuse(r, REFUSED_TYPE);
    if (tif && name_index(foreign_tifs, tif) >= 0)
        return refuse(r, REFUSED_TIF_UNSUPPORTED, tif);
    if (!tif || name_index(time_in_force_names, tif) < 0)
        return refuse(r, REFUSED_TIF);
    out->side = (enum side)name_index(side_names, side);
    out->type = (enum order_type)name_index(order_type_names, type);
    out->time_in_force = (enum time_in_force)name_index(time_in_force_names, tif);
    return true;
}

static bool read_prices(const json_t *body, struct order_request *out, struct refusal *r)
{
    static const char *const stops[] = { "stop_price", "trail_price", "trail_percent", NULL };
    const json_t *limit = given(body, "limit_price");
    for (const char *const *s = stops; *s; s++)
        if (given(body, *s))
            return refuse(r, out->type == ORDER_MARKET ? REFUSED_MARKET_WITH_PRICE : REFUSED_LIMIT_WITH_STOP);
    if (!limit)
        return true;
    show(limit, out->limit.text, sizeof out->limit.text);
    if (!decimal(limit, &out->limit.price.micros, &out->limit.is_too_fine))
        return refuse(r, REFUSED_LIMIT_INVALID, out->limit.text);
    return true;
}

static bool read_class(const json_t *body, const struct order_request *q, struct refusal *r)
{
    const char *order_class;
    const json_t *extended = given(body, "extended_hours");
    if (!text_member(body, "order_class", &order_class, r))
        return false;
    if (order_class && strcmp(order_class, "simple") != 0) {
        char text[32];
        snprintf(text, sizeof text, "%.24s", order_class);
        return refuse(r, REFUSED_CLASS, text);
    }
    if (extended && !json_is_boolean(extended))
        return refuse(r, REFUSED_MEMBER, "extended_hours", "true or false");
    if (json_is_true(extended))
        return refuse(r, q->type == ORDER_LIMIT && q->time_in_force == TIF_DAY ? REFUSED_EXTENDED_UNSUPPORTED
                                                                               : REFUSED_EXTENDED);
    return true;
}

bool order_request_decode(const struct venue *v, const json_t *body, struct order_request *out,
                          struct refusal *r)
{
    order_request_init(out);
    if (!json_is_object(body))
        return refuse(r, REFUSED_BODY, "an object was expected");
    const char *symbol, *client_order_id, *intent;
    if (!text_member(body, "symbol", &symbol, r))
        return false;
    if (!symbol)
        return refuse(r, REFUSED_SYMBOL_MISSING);
    int known = asset_find(v, symbol);
    snprintf(out->symbol, sizeof out->symbol, "%.40s", known >= 0 ? venue_symbol_name(v, known) : symbol);
    if (!read_qty(body, out, r) || !read_words(body, out, r) || !read_prices(body, out, r) ||
        !text_member(body, "client_order_id", &client_order_id, r) ||
        !text_member(body, "position_intent", &intent, r) || !read_class(body, out, r))
        return false;
    if (client_order_id)
        out->client_order_id_is_too_long =
            !text_copy(out->client_order_id, sizeof out->client_order_id, client_order_id);
    if (intent)
        snprintf(out->position_intent, sizeof out->position_intent, "%.20s", intent);
    return true;
}
