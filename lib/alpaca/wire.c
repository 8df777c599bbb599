#include "alpaca/wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "market/calendar.h"

/* ---- reading leniently
 *
 * core/json reads what is ours, strictly. The broker's objects are read by the same tables, but what is
 * foreign (a fractional quantity, a 7th decimal, an unknown word, a text that is too long) becomes
 * "nothing" unless the object makes no sense without it. */

/* Decimal text to millionths, rounded half away from zero. */
static bool decimal_parse(const char *text, int64_t *out)
{
    const char *p = text;
    bool negative = *p == '-', up = false, digits = false;
    int decimals = -1;
    int64_t value = 0;

    for (p += negative; *p; p++) {
        if (*p == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*p < '0' || *p > '9')
            return false;
        digits = true;
        if (decimals == 6)
            up = *p >= '5';
        if (decimals >= 6) {
            decimals = 7; /* only the first digit cut off rounds */
            continue;
        }
        decimals += decimals >= 0;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value))
            return false;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < 6; i++)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    if (!digits || __builtin_add_overflow(value, up, &value))
        return false;
    *out = negative ? -value : value;
    return true;
}

static int64_t read_micros(const json_t *v)
{
    int64_t micros;
    struct price p;

    if (json_is_string(v) && decimal_parse(json_string_value(v), &micros))
        return micros;
    if (json_is_number(v) && price_from_double(json_number_value(v), &p))
        return p.micros;
    return INT64_MIN;
}

static int64_t read_whole(const json_t *v)
{
    int64_t micros = json_is_integer(v) ? 0 : read_micros(v);

    if (json_is_integer(v))
        return json_integer_value(v);
    return micros != INT64_MIN && micros % PRICE_SCALE == 0 ? micros / PRICE_SCALE : INT64_MIN;
}

/* false: it is "nothing", as written to the struct. */
static bool read_field(const struct json_field *f, const json_t *v, void *at)
{
    const char *text = json_string_value(v);
    char number[24];
    int word;

    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_UUID:
        if (!text && json_is_integer(v)) { /* event_id was a number once */
            snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
            text = number;
        }
        return text_copy(at, f->size, text ? text : "") && *(char *)at;
    case FIELD_INT:
    case FIELD_QTY:
        return (*(int64_t *)at = read_whole(v)) != INT64_MIN;
    case FIELD_PRICE:
    case FIELD_NUMBER_PRICE:
        return (*(int64_t *)at = read_micros(v)) != INT64_MIN;
    case FIELD_ENUM:
        word = text ? name_index(f->names, text) : -1;
        *(int *)at = word >= 0 ? word : f->enum_unknown > 0 ? f->enum_unknown - 1 : 0;
        return word >= 0 || (text && f->enum_unknown > 0);
    case FIELD_BOOL:
        *(bool *)at = json_is_true(v);
        return json_is_boolean(v);
    case FIELD_TIME:
    case FIELD_TIME_US:
        *(int64_t *)at = 0;
        return text && time_parse(text, strlen(text), at);
    case FIELD_DATE:
        *(int32_t *)at = 0;
        return text && calendar_date_parse(text, strlen(text), at);
    case FIELD_SYMBOLS:
        break;
    }
    return false;
}

static bool read_fields(const json_t *obj, const struct json_field *fields, size_t count, void *out,
                        struct err *err)
{
    if (!json_is_object(obj))
        return err_set(err, ERR_INPUT, "an object was expected");
    for (size_t i = 0; i < count; i++) {
        const json_t *v = json_object_get(obj, fields[i].name);
        if (!read_field(&fields[i], v, (char *)out + fields[i].offset) && fields[i].required)
            return err_set(err, ERR_INPUT, "%s is missing or not understood", fields[i].name);
    }
    return true;
}

/* ---- orders */

#define ORDER(member, kind, ...) JSON_FIELD(struct alpaca_order, member, kind, __VA_ARGS__)
/* A type or time in force that is not ours reads as the first of ours: the raw JSON keeps the word. */
static const struct json_field order_fields[] = {
    ORDER(id, FIELD_UUID, .required = true),
    ORDER(client_order_id, FIELD_TEXT, .null = true),
    ORDER(created_at, FIELD_TIME, .null = true),
    ORDER(updated_at, FIELD_TIME, .null = true),
    ORDER(submitted_at, FIELD_TIME, .null = true),
    ORDER(filled_at, FIELD_TIME, .null = true),
    ORDER(expired_at, FIELD_TIME, .null = true),
    ORDER(canceled_at, FIELD_TIME, .null = true),
    ORDER(failed_at, FIELD_TIME, .null = true),
    ORDER(replaced_at, FIELD_TIME, .null = true),
    ORDER(expires_at, FIELD_TIME, .null = true),
    ORDER(replaced_by, FIELD_UUID, .null = true),
    ORDER(replaces, FIELD_UUID, .null = true),
    ORDER(asset_id, FIELD_UUID, .null = true),
    ORDER(symbol, FIELD_TEXT, .required = true),
    ORDER(asset_class, FIELD_TEXT, .null = true),
    ORDER(notional, FIELD_PRICE, .null = true),
    ORDER(qty, FIELD_QTY, .null = true),
    ORDER(filled_qty, FIELD_QTY, .null = true),
    ORDER(filled_avg_price, FIELD_PRICE, .null = true),
    ORDER(order_class, FIELD_TEXT, .null = true),
    JSON_NAMED("order_type", struct alpaca_order, type, FIELD_ENUM, .names = order_type_names,
               .enum_unknown = 1 + ORDER_MARKET),
    ORDER(type, FIELD_ENUM, .names = order_type_names, .enum_unknown = 1 + ORDER_MARKET),
    ORDER(side, FIELD_ENUM, .names = side_names, .required = true),
    ORDER(time_in_force, FIELD_ENUM, .names = time_in_force_names, .enum_unknown = 1 + TIF_DAY),
    ORDER(limit_price, FIELD_PRICE, .null = true),
    ORDER(stop_price, FIELD_PRICE, .null = true),
    ORDER(status, FIELD_ENUM, .names = order_status_names, .required = true,
          .enum_unknown = 1 + ORDER_UNKNOWN),
    ORDER(extended_hours, FIELD_BOOL),
};

void alpaca_order_init(struct alpaca_order *o)
{
    *o = (struct alpaca_order){ .notional = PRICE_NONE, .filled_avg_price = PRICE_NONE,
                                .limit_price = PRICE_NONE, .stop_price = PRICE_NONE };
}

static void set_nulls(json_t *j, const char *const *names)
{
    for (; *names; names++)
        json_object_set_new(j, *names, json_null());
}

json_t *alpaca_order_encode(const struct alpaca_order *o)
{
    static const char *const nulls[] = { "legs", "trail_percent", "trail_price", "hwm", "subtag", "source",
                                         NULL };
    json_t *j = json_encode(o, order_fields, COUNT_OF(order_fields));

    json_object_set_new(j, "order_class", json_string(o->order_class)); /* "" is its word for simple */
    set_nulls(j, nulls);
    return j;
}

bool alpaca_order_decode(const json_t *j, struct alpaca_order *out, struct err *err)
{
    alpaca_order_init(out);
    if (!read_fields(j, order_fields, COUNT_OF(order_fields), out, err))
        return err_prefix(err, "order");
    return true;
}

/* ---- fees: a member of ours, absent when 0 (docs/protocols.md) */

static const struct json_field fee_fields[] = { { .name = "fee", .kind = FIELD_PRICE, .size = sizeof(int64_t) } };

static void write_fee(json_t *j, int64_t fee)
{
    if (!fee)
        return;
    json_t *member = json_encode(&fee, fee_fields, COUNT_OF(fee_fields));
    json_object_update(j, member);
    json_decref(member);
}

static bool read_fee(const json_t *j, int64_t *fee, struct err *err)
{
    *fee = 0;
    if (!json_object_get(j, "fee"))
        return true;
    bool ok = read_fields(j, fee_fields, COUNT_OF(fee_fields), fee, err);
    if (*fee == INT64_MIN)
        *fee = 0;
    return ok;
}

/* ---- trade updates */

const char *const alpaca_event_names[] = {
    "accepted", "pending_new", "new", "partial_fill", "fill", "canceled", "expired", "rejected", "replaced",
    "done_for_day", "pending_cancel", "pending_replace", "held", "order_cancel_rejected",
    "order_replace_rejected", "stopped", "suspended", "calculated", "restated", "trade_bust",
    "trade_correct", NULL,
};
_Static_assert(COUNT_OF(alpaca_event_names) == ALPACA_EVENT_UNKNOWN + 1, "a name for each event");

#define UPDATE(member, kind, ...) JSON_FIELD(struct alpaca_trade_update, member, kind, __VA_ARGS__)
static const struct json_field update_fields[] = {
    UPDATE(event, FIELD_ENUM, .names = alpaca_event_names, .required = true,
           .enum_unknown = 1 + ALPACA_EVENT_UNKNOWN),
    UPDATE(event_id, FIELD_TEXT),
    UPDATE(execution_id, FIELD_UUID, .null = true),
    UPDATE(timestamp, FIELD_TIME),
    UPDATE(at, FIELD_TIME),
    UPDATE(price, FIELD_PRICE),
    UPDATE(qty, FIELD_QTY),
    UPDATE(position_qty, FIELD_QTY),
};

json_t *alpaca_trade_update_encode(const struct alpaca_trade_update *u)
{
    assert(u->event != ALPACA_EVENT_UNKNOWN);
    json_t *j = json_encode(u, update_fields, COUNT_OF(update_fields));

    write_fee(j, u->fee);
    json_object_set_new(j, "order", alpaca_order_encode(&u->order));
    return j;
}

bool alpaca_trade_update_decode(const json_t *j, struct alpaca_trade_update *out, struct err *err)
{
    *out = (struct alpaca_trade_update){ .price = PRICE_NONE };
    if (!read_fields(j, update_fields, COUNT_OF(update_fields), out, err) || !read_fee(j, &out->fee, err) ||
        !alpaca_order_decode(json_object_get(j, "order"), &out->order, err))
        return err_prefix(err, "trade update");
    if (!out->timestamp) /* old servers leave it out of what is no fill, cancel or reject */
        out->timestamp = out->at ? out->at : out->order.updated_at;
    return true;
}

/* ---- positions */

#define POSITION(member, kind, ...) JSON_FIELD(struct alpaca_position, member, kind, __VA_ARGS__)
static const struct json_field position_fields[] = {
    POSITION(asset_id, FIELD_UUID),
    POSITION(symbol, FIELD_TEXT, .required = true),
    POSITION(exchange, FIELD_TEXT),
    POSITION(asset_class, FIELD_TEXT),
    POSITION(asset_marginable, FIELD_BOOL),
    POSITION(qty, FIELD_QTY, .required = true),
    POSITION(avg_entry_price, FIELD_PRICE),
    POSITION(market_value, FIELD_PRICE, .null = true),
    POSITION(cost_basis, FIELD_PRICE),
    POSITION(unrealized_pl, FIELD_PRICE, .null = true),
    POSITION(unrealized_intraday_pl, FIELD_PRICE, .null = true),
    POSITION(current_price, FIELD_PRICE, .null = true),
    POSITION(lastday_price, FIELD_PRICE, .null = true),
    POSITION(qty_available, FIELD_QTY),
};

/* part / whole as decimal text; whole is what it cost, so its sign does not matter. null when there is none. */
static void set_fraction(json_t *j, const char *name, int64_t part, int64_t whole)
{
    char text[40];
    int n = 0;

    if (part == INT64_MIN || whole == INT64_MIN || whole == 0) {
        json_object_set_new(j, name, json_null());
        return;
    }
    n = snprintf(text, sizeof text, "%.10f", (double)part / fabs((double)whole));
    while (n > 1 && text[n - 1] == '0')
        n--;
    n -= n > 1 && text[n - 1] == '.';
    json_object_set_new(j, name, n == 2 && !memcmp(text, "-0", 2) ? json_string("0")
                                                                  : json_stringn(text, (size_t)n));
}

json_t *alpaca_position_encode(const struct alpaca_position *p)
{
    json_t *j = json_encode(p, position_fields, COUNT_OF(position_fields));
    bool has_day = price_is_set(p->current_price) && price_is_set(p->lastday_price);

    json_object_set_new(j, "side", json_string(p->is_short ? "short" : "long"));
    set_fraction(j, "unrealized_plpc", p->unrealized_pl, p->cost_basis);
    set_fraction(j, "unrealized_intraday_plpc", p->unrealized_intraday_pl, p->cost_basis);
    set_fraction(j, "change_today",
                 has_day ? p->current_price.micros - p->lastday_price.micros : INT64_MIN,
                 p->lastday_price.micros);
    return j;
}

bool alpaca_position_decode(const json_t *j, struct alpaca_position *out, struct err *err)
{
    const char *side;

    *out = (struct alpaca_position){ .qty = 0 };
    if (!read_fields(j, position_fields, COUNT_OF(position_fields), out, err))
        return err_prefix(err, "position");
    side = json_string_value(json_object_get(j, "side"));
    out->is_short = out->qty < 0 || (side && !strcmp(side, "short"));
    if (out->is_short && out->qty > 0) /* some answers give the size, and the direction in side alone */
        out->qty = -out->qty;
    return true;
}

/* ---- account */

#define ACCOUNT(member, kind, ...) JSON_FIELD(struct alpaca_account, member, kind, __VA_ARGS__)
#define ACCOUNT_AS(name, member) JSON_NAMED(name, struct alpaca_account, member, FIELD_PRICE)
static const struct json_field account_fields[] = {
    ACCOUNT(id, FIELD_UUID, .required = true),
    ACCOUNT(account_number, FIELD_TEXT, .required = true),
    ACCOUNT(status, FIELD_TEXT, .required = true),
    ACCOUNT(currency, FIELD_TEXT),
    ACCOUNT(cash, FIELD_PRICE, .required = true),
    ACCOUNT(equity, FIELD_PRICE, .required = true),
    ACCOUNT(last_equity, FIELD_PRICE),
    ACCOUNT(buying_power, FIELD_PRICE),
    ACCOUNT(regt_buying_power, FIELD_PRICE),
    ACCOUNT(non_marginable_buying_power, FIELD_PRICE),
    ACCOUNT(long_market_value, FIELD_PRICE),
    ACCOUNT(short_market_value, FIELD_PRICE),
    ACCOUNT(initial_margin, FIELD_PRICE),
    ACCOUNT(maintenance_margin, FIELD_PRICE),
    ACCOUNT(last_maintenance_margin, FIELD_PRICE),
    ACCOUNT(accrued_fees, FIELD_PRICE),
    ACCOUNT(trading_blocked, FIELD_BOOL),
    ACCOUNT(transfers_blocked, FIELD_BOOL),
    ACCOUNT(account_blocked, FIELD_BOOL),
    ACCOUNT(trade_suspended_by_user, FIELD_BOOL),
    ACCOUNT(shorting_enabled, FIELD_BOOL),
    ACCOUNT(created_at, FIELD_TIME),
    ACCOUNT(balance_asof, FIELD_DATE, .null = true),
};
/* The same amounts under their other names: written, never read. */
static const struct json_field account_copies[] = {
    ACCOUNT_AS("portfolio_value", equity),
    ACCOUNT_AS("effective_buying_power", buying_power),
    ACCOUNT_AS("options_buying_power", non_marginable_buying_power),
};

json_t *alpaca_account_encode(const struct alpaca_account *a)
{
    static const char *const zeros[] = { "sma", "pending_reg_taf_fees", "pending_transfer_in",
                                         "pending_transfer_out", "intraday_adjustments", "bod_dtbp", NULL };
    json_t *j = json_encode(a, account_fields, COUNT_OF(account_fields));
    json_t *copies = json_encode(a, account_copies, COUNT_OF(account_copies));
    struct price value = { a->long_market_value + a->short_market_value };
    char text[PRICE_TEXT_MAX];

    json_object_update(j, copies);
    json_decref(copies);
    price_format(value, text);
    json_object_set_new(j, "position_market_value", json_string(text));
    snprintf(text, sizeof text, "%lld", (long long)a->multiplier);
    json_object_set_new(j, "multiplier", json_string(text));
    for (const char *const *z = zeros; *z; z++)
        json_object_set_new(j, *z, json_string("0"));
    json_object_set_new(j, "crypto_status", json_string(a->status));
    json_object_set_new(j, "crypto_tier", json_integer(1));
    json_object_set_new(j, "options_approved_level", json_integer(0));
    json_object_set_new(j, "options_trading_level", json_integer(0));
    json_object_set_new(j, "admin_configurations", json_object());
    json_object_set_new(j, "user_configurations", json_null());
    return j;
}

bool alpaca_account_decode(const json_t *j, struct alpaca_account *out, struct err *err)
{
    int64_t multiplier;

    *out = (struct alpaca_account){ .cash = 0 };
    if (!read_fields(j, account_fields, COUNT_OF(account_fields), out, err))
        return err_prefix(err, "account");
    for (size_t i = 0; i < COUNT_OF(account_fields); i++) { /* an amount not told is none */
        int64_t *at = (int64_t *)(void *)((char *)out + account_fields[i].offset);
        if (account_fields[i].kind == FIELD_PRICE && *at == INT64_MIN)
            *at = 0;
    }
    multiplier = read_whole(json_object_get(j, "multiplier"));
    out->multiplier = multiplier == INT64_MIN ? 1 : multiplier;
    return true;
}

/* ---- activities */

#define ACTIVITY(member, kind, ...) JSON_FIELD(struct alpaca_activity, member, kind, __VA_ARGS__)
static const char *const activity_side_names[] = { "buy", "sell", "sell_short", NULL };
static const struct json_field activity_fields[] = {
    ACTIVITY(id, FIELD_TEXT, .required = true),
    ACTIVITY(account_id, FIELD_UUID),
    ACTIVITY(transaction_time, FIELD_TIME, .required = true),
    ACTIVITY(price, FIELD_PRICE, .required = true),
    ACTIVITY(qty, FIELD_QTY),
    ACTIVITY(side, FIELD_ENUM, .names = activity_side_names, .required = true),
    ACTIVITY(symbol, FIELD_TEXT, .required = true),
    ACTIVITY(leaves_qty, FIELD_QTY),
    ACTIVITY(order_id, FIELD_UUID, .required = true),
    ACTIVITY(cum_qty, FIELD_QTY),
    ACTIVITY(order_status, FIELD_ENUM, .names = order_status_names, .enum_unknown = 1 + ORDER_UNKNOWN),
};

json_t *alpaca_activity_encode(const struct alpaca_activity *a)
{
    json_t *j = json_encode(a, activity_fields, COUNT_OF(activity_fields));

    json_object_set_new(j, "activity_type", json_string("FILL"));
    json_object_set_new(j, "type", json_string(a->is_partial ? "partial_fill" : "fill"));
    write_fee(j, a->fee);
    return j;
}

bool alpaca_activity_decode(const json_t *j, struct alpaca_activity *out, struct err *err)
{
    const char *type, *kind;

    *out = (struct alpaca_activity){ .price = PRICE_NONE };
    if (!read_fields(j, activity_fields, COUNT_OF(activity_fields), out, err) || !read_fee(j, &out->fee, err))
        return err_prefix(err, "activity");
    kind = json_string_value(json_object_get(j, "activity_type"));
    if (kind && strcmp(kind, "FILL") != 0)
        return err_set(err, ERR_INPUT, "activity: %.20s is not a FILL", kind);
    type = json_string_value(json_object_get(j, "type"));
    out->is_partial = type && !strcmp(type, "partial_fill");
    if ((int)out->side > SIDE_SELL)
        out->side = SIDE_SELL;
    return true;
}

/* ---- clock */

json_t *alpaca_new_york_time(int64_t ns)
{
    int offset = calendar_utc_offset_s(ns);
    char text[TIME_TEXT_SIZE], zone[TIME_TEXT_SIZE + 16];
    int n = time_format(ns + offset * SECOND_NS, text);

    snprintf(zone, sizeof zone, "%.*s%c%02d:%02d", n - 1, text, offset < 0 ? '-' : '+', abs(offset) / 3600,
             abs(offset) / 60 % 60);
    return json_string(zone);
}

json_t *alpaca_clock_encode(const struct alpaca_clock *c)
{
    json_t *j = json_object();

    json_object_set_new(j, "timestamp", alpaca_new_york_time(c->timestamp));
    json_object_set_new(j, "is_open", json_boolean(c->is_open));
    json_object_set_new(j, "next_open", alpaca_new_york_time(c->next_open));
    json_object_set_new(j, "next_close", alpaca_new_york_time(c->next_close));
    if (c->is_replay) {
        json_object_set_new(j, "speed", json_real(c->speed));
        json_object_set_new(j, "ends", c->ends_at ? alpaca_new_york_time(c->ends_at) : json_null());
    }
    return j;
}

#define CLOCK(member, kind, ...) JSON_FIELD(struct alpaca_clock, member, kind, __VA_ARGS__)
static const struct json_field clock_fields[] = {
    CLOCK(timestamp, FIELD_TIME, .required = true),
    CLOCK(is_open, FIELD_BOOL, .required = true),
    CLOCK(next_open, FIELD_TIME, .required = true),
    CLOCK(next_close, FIELD_TIME, .required = true),
    JSON_NAMED("ends", struct alpaca_clock, ends_at, FIELD_TIME),
};

bool alpaca_clock_decode(const json_t *j, struct alpaca_clock *out, struct err *err)
{
    const json_t *speed;

    *out = (struct alpaca_clock){ .timestamp = 0 };
    if (!read_fields(j, clock_fields, COUNT_OF(clock_fields), out, err))
        return err_prefix(err, "clock");
    speed = json_object_get(j, "speed");
    out->is_replay = json_is_number(speed);
    out->speed = json_number_value(speed);
    return true;
}

/* ---- market data */

#define BAR(name, member, kind, ...) JSON_NAMED(name, struct bar, member, kind, __VA_ARGS__)
static const struct json_field bar_fields[] = {
    BAR("t", open_time_ns, FIELD_TIME, .required = true),
    BAR("o", open, FIELD_NUMBER_PRICE, .required = true),
    BAR("h", high, FIELD_NUMBER_PRICE, .required = true),
    BAR("l", low, FIELD_NUMBER_PRICE, .required = true),
    BAR("c", close, FIELD_NUMBER_PRICE, .required = true),
    BAR("v", volume, FIELD_INT, .required = true),
};

json_t *alpaca_bar_encode(const struct bar *b)
{
    static const char *const nulls[] = { "n", "vw", NULL }; /* not recorded; clients want the keys */
    json_t *j = json_encode(b, bar_fields, COUNT_OF(bar_fields));

    set_nulls(j, nulls);
    return j;
}

bool alpaca_bar_decode(const json_t *j, struct bar *out, struct err *err)
{
    if (!read_fields(j, bar_fields, COUNT_OF(bar_fields), out, err))
        return err_prefix(err, "bar");
    return true;
}

/* T must come first: a client may dispatch on it before the rest is read. Takes `rest`. */
static json_t *message_new(const char *kind, const char *symbol, json_t *rest)
{
    json_t *j = json_object();

    json_object_set_new(j, "T", json_string(kind));
    if (symbol)
        json_object_set_new(j, "S", json_string(symbol));
    json_object_update(j, rest);
    json_decref(rest);
    return j;
}

json_t *alpaca_stream_bar_encode(const char *symbol, const struct bar *b)
{
    return message_new("b", symbol, alpaca_bar_encode(b));
}

#define QUOTE(name, member, kind, ...) JSON_NAMED(name, struct quote, member, kind, __VA_ARGS__)
static const struct json_field quote_fields[] = {
    QUOTE("t", time_ns, FIELD_TIME, .required = true),
    QUOTE("bp", bid, FIELD_NUMBER_PRICE),
    QUOTE("bs", bid_size, FIELD_INT),
    QUOTE("ap", ask, FIELD_NUMBER_PRICE),
    QUOTE("as", ask_size, FIELD_INT),
};

json_t *alpaca_stream_quote_encode(const char *symbol, const struct quote *q)
{
    struct quote wire = *q;
    json_t *j;

    if (!price_is_set(wire.bid)) /* on the wire 0 is "no quote on that side" */
        wire.bid.micros = wire.bid_size = 0;
    if (!price_is_set(wire.ask))
        wire.ask.micros = wire.ask_size = 0;
    j = json_encode(&wire, quote_fields, COUNT_OF(quote_fields));
    json_object_set_new(j, "bx", json_string("V"));
    json_object_set_new(j, "ax", json_string("V"));
    json_object_set_new(j, "c", json_pack("[s]", "R"));
    json_object_set_new(j, "z", json_string("B"));
    return message_new("q", symbol, j);
}

static bool quote_decode(const json_t *j, struct quote *out, struct err *err)
{
    if (!read_fields(j, quote_fields, COUNT_OF(quote_fields), out, err))
        return err_prefix(err, "quote");
    if (out->bid.micros <= 0)
        out->bid = PRICE_NONE;
    if (out->ask.micros <= 0)
        out->ask = PRICE_NONE;
    if (out->bid_size < 0)
        out->bid_size = 0;
    if (out->ask_size < 0)
        out->ask_size = 0;
    return true;
}

json_t *alpaca_tick_encode(const struct alpaca_tick *t)
{
    char text[TIME_TEXT_SIZE];
    json_t *j = json_object();

    time_format(t->time_ns, text);
    json_object_set_new(j, "T", json_string("tick"));
    json_object_set_new(j, "n", json_integer(t->n));
    json_object_set_new(j, "t", json_string(text));
    json_object_set_new(j, "speed", json_real(t->speed));
    if (t->ended)
        json_object_set_new(j, "ended", json_true());
    return j;
}

#define TICK(name, member, kind, ...) JSON_NAMED(name, struct alpaca_tick, member, kind, __VA_ARGS__)
static const struct json_field tick_fields[] = {
    TICK("n", n, FIELD_INT, .required = true),
    TICK("t", time_ns, FIELD_TIME, .required = true),
    TICK("ended", ended, FIELD_BOOL),
};

static bool tick_decode(const json_t *j, struct alpaca_tick *out, struct err *err)
{
    if (!read_fields(j, tick_fields, COUNT_OF(tick_fields), out, err))
        return err_prefix(err, "tick");
    out->speed = json_number_value(json_object_get(j, "speed"));
    return true;
}

static const struct message_kind {
    const char *word;
    enum alpaca_message_kind kind;
} message_kinds[] = {
    { "b", ALPACA_MESSAGE_BAR },
    { "q", ALPACA_MESSAGE_QUOTE },
    { "tick", ALPACA_MESSAGE_TICK },
    { "success", ALPACA_MESSAGE_SUCCESS },
    { "error", ALPACA_MESSAGE_ERROR },
    { "subscription", ALPACA_MESSAGE_SUBSCRIPTION },
};

bool alpaca_message_decode(const json_t *j, struct alpaca_message *out, struct err *err)
{
    const char *word = json_string_value(json_object_get(j, "T"));
    const char *symbol = json_string_value(json_object_get(j, "S"));
    const char *text = json_string_value(json_object_get(j, "msg"));

    *out = (struct alpaca_message){ .kind = ALPACA_MESSAGE_OTHER, .raw = j };
    if (!word)
        return err_set(err, ERR_INPUT, "a message without T");
    for (size_t i = 0; i < COUNT_OF(message_kinds); i++)
        if (!strcmp(word, message_kinds[i].word))
            out->kind = message_kinds[i].kind;
    if (symbol && !text_copy(out->symbol, sizeof out->symbol, symbol))
        out->kind = ALPACA_MESSAGE_OTHER; /* no share has a name that long */
    snprintf(out->text, sizeof out->text, "%s", text ? text : "");
    out->code = json_integer_value(json_object_get(j, "code"));
    out->offers_lockstep = json_is_true(json_object_get(j, "lockstep"));
    switch (out->kind) {
    case ALPACA_MESSAGE_BAR:
    case ALPACA_MESSAGE_QUOTE:
        if (!out->symbol[0])
            return err_set(err, ERR_INPUT, "a %s message without S", word);
        return out->kind == ALPACA_MESSAGE_BAR ? alpaca_bar_decode(j, &out->bar, err)
                                               : quote_decode(j, &out->quote, err);
    case ALPACA_MESSAGE_TICK:
        return tick_decode(j, &out->tick, err);
    default:
        return true;
    }
}
