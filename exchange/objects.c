#include "exchange/objects.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"

/* ---- writing members */

/* One member; the text before it ends in '{' or a value. */
static void key(struct buffer *b, const char *name)
{
    if (b->data[b->size - 1] != '{')
        buffer_add(b, ",", 1);
    buffer_add(b, "\"", 1);
    buffer_text(b, name);
    buffer_add(b, "\":", 2);
}

static void put_null(struct buffer *b, const char *name)
{
    key(b, name);
    buffer_add(b, "null", 4);
}

/* Of our own making: nothing in it has to be escaped. NULL: null. */
static void put_word(struct buffer *b, const char *name, const char *word)
{
    if (!word) {
        put_null(b, name);
        return;
    }
    key(b, name);
    buffer_add(b, "\"", 1);
    buffer_text(b, word);
    buffer_add(b, "\"", 1);
}

static void put_text(struct buffer *b, const char *name, const char *text)
{
    key(b, name);
    buffer_json(b, text);
}

static void put_bool(struct buffer *b, const char *name, bool value)
{
    key(b, name);
    buffer_text(b, value ? "true" : "false");
}

/* 0: null. */
static void put_time(struct buffer *b, const char *name, int64_t time_ns)
{
    char text[TIME_TEXT_SIZE];
    if (time_ns)
        time_format(time_ns, text);
    put_word(b, name, time_ns ? text : NULL);
}

static void put_price(struct buffer *b, const char *name, struct price price)
{
    char text[PRICE_TEXT_MAX];
    if (price_is_set(price))
        price_format(price, text);
    put_word(b, name, price_is_set(price) ? text : NULL);
}

static void put_money(struct buffer *b, const char *name, int64_t micros)
{
    put_price(b, name, (struct price){ micros });
}

static void put_qty(struct buffer *b, const char *name, int64_t qty)
{
    char text[QTY_TEXT_MAX];
    qty_format(qty, text);
    put_word(b, name, text);
}

/* What was written, as a value; frees the text. */
static json_t *parsed(struct buffer *b)
{
    json_t *j = json_loadb(b->data, b->size, 0, NULL);
    assert(j);
    buffer_free(b);
    return j;
}

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
    if (symbol >= 0 || strlen(name) != UUID_SIZE - 1)
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
    const struct asset *a = venue_asset(v, symbol);
    const char *margin = a->is_marginable ? "30" : "100";
    char id[UUID_SIZE];
    asset_id(name, id);
    json_t *attributes = json_array();
    return json_pack("{ss ss ss ss ss ss sb sb si ss ss sb sb ss sb so}", "id", id, "class", "us_equity", "exchange",
                     "NYSE", "symbol", name, "name", name, "status", "active", "tradable", a->is_tradable, "marginable",
                     a->is_marginable, "maintenance_margin_requirement", a->is_marginable ? 30 : 100,
                     "margin_requirement_long", margin, "margin_requirement_short", margin, "shortable", a->is_shortable,
                     "easy_to_borrow", a->is_easy_to_borrow, "borrow_status",
                     a->is_easy_to_borrow ? "easy_to_borrow" : "hard_to_borrow", "fractionable", a->is_fractionable,
                     "attributes", attributes);
}

/* ---- orders and their events */

static void put_order_id(struct buffer *b, const char *name, const struct order *o)
{
    char id[UUID_SIZE];
    if (o)
        order_id(o, id);
    put_word(b, name, o ? id : NULL);
}

static void put_legs(struct buffer *b, const struct venue *v, const struct order *o, enum order_form form)
{
    if (form != FORM_NESTED || !o->legs[0]) {
        put_null(b, "legs");
        return;
    }
    key(b, "legs");
    for (size_t i = 0; i < COUNT_OF(o->legs) && o->legs[i]; i++) {
        buffer_add(b, i ? "," : "[", 1);
        order_write(b, v, o->legs[i], FORM_FLAT);
    }
    buffer_add(b, "]", 1);
}

/* A percentage, from millionths of a percent. */
static void put_percent(struct buffer *b, const char *name, int64_t percent)
{
    char text[QTY_TEXT_MAX];
    if (percent)
        qty_format(percent, text);
    put_word(b, name, percent ? text : NULL);
}

void order_write(struct buffer *b, const struct venue *v, const struct order *o, enum order_form form)
{
    const char *symbol = venue_symbol_name(v, o->symbol), *type = order_type_names[o->type];
    char made[UUID_SIZE];
    bool is_notional = o->notional_micros != 0;
    buffer_add(b, "{", 1);
    put_order_id(b, "id", o);
    put_text(b, "client_order_id", order_client_id(o, made));
    put_time(b, "created_at", o->submitted_ns);
    put_time(b, "updated_at", o->updated_ns);
    put_time(b, "submitted_at", o->submitted_ns);
    put_time(b, "filled_at", order_ended_ns(o, ORDER_FILLED));
    put_time(b, "expired_at", order_ended_ns(o, ORDER_EXPIRED));
    if (form == FORM_EVENT)
        put_time(b, "cancel_requested_at", o->cancel_requested_ns);
    put_time(b, "canceled_at", order_ended_ns(o, ORDER_CANCELED));
    put_time(b, "failed_at", order_ended_ns(o, ORDER_REJECTED));
    put_time(b, "replaced_at", order_ended_ns(o, ORDER_REPLACED));
    put_order_id(b, "replaced_by", o->replaced_by);
    put_order_id(b, "replaces", o->replaces);
    asset_id(symbol, made);
    put_word(b, "asset_id", made);
    put_word(b, "symbol", symbol);
    put_word(b, "asset_class", "us_equity");
    if (is_notional) {
        put_money(b, "notional", o->notional_micros);
        put_null(b, "qty");
    } else {
        put_null(b, "notional");
        put_qty(b, "qty", o->qty);
    }
    put_qty(b, "filled_qty", o->filled_qty);
    put_price(b, "filled_avg_price", order_average(o));
    put_word(b, "order_class", o->order_class == CLASS_SIMPLE ? "" : order_class_names[o->order_class]);
    put_word(b, "order_type", type);
    put_word(b, "type", type);
    put_word(b, "side", side_names[o->side]);
    put_word(b, "position_intent", order_intent(o));
    put_word(b, "time_in_force", time_in_force_names[o->time_in_force]);
    put_price(b, "limit_price", o->limit);
    put_price(b, "stop_price", o->stop);
    put_word(b, "status", order_status_names[o->status]);
    put_bool(b, "extended_hours", o->extended_hours);
    put_legs(b, v, o, form);
    put_percent(b, "trail_percent", o->trail_percent);
    put_price(b, "trail_price", o->trail_price);
    put_price(b, "hwm", o->hwm);
    put_null(b, "subtag");
    put_null(b, "source");
    put_time(b, "expires_at", o->expires_ns);
    buffer_add(b, "}", 1);
}

json_t *order_json(const struct venue *v, const struct order *o, enum order_form form)
{
    struct buffer b = { 0 };
    order_write(&b, v, o, form);
    return parsed(&b);
}

/* 48 bits of milliseconds, 80 bits that count; Crockford's digits sort as the numbers do. */
void event_id(int64_t time_ns, uint64_t sequence, char out[ULID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t ms = (uint64_t)(time_ns / 1000000);
    for (int i = 9; i >= 0; i--, ms >>= 5)
        out[i] = digits[ms & 31];
    for (int i = 25; i >= 10; i--, sequence >>= 5)
        out[i] = digits[sequence & 31];
    out[26] = '\0';
}

/* Ours: what an execution cost in fees; absent when nothing. */
static void put_fee(struct buffer *b, const struct fill *f)
{
    if (f->fee_micros)
        put_money(b, "fee", f->fee_micros);
}

void trade_event_write(struct buffer *b, const struct venue *v, const struct trade_event *e, uint64_t sequence)
{
    char ulid[ULID_SIZE], execution[UUID_SIZE];
    event_id(e->time_ns, sequence, ulid);
    trade_event_execution_id(e, execution);
    buffer_add(b, "{", 1);
    put_word(b, "event", trade_event_names[e->kind]);
    put_word(b, "event_id", ulid);
    put_word(b, "execution_id", execution[0] ? execution : NULL);
    put_time(b, "at", e->time_ns);
    put_time(b, "timestamp", e->time_ns);
    if (e->fill) {
        put_price(b, "price", e->fill->price);
        put_qty(b, "qty", e->fill->qty);
        put_qty(b, "position_qty", e->fill->position_qty);
        put_fee(b, e->fill);
    }
    key(b, "order");
    order_write(b, v, e->order, FORM_EVENT);
    buffer_add(b, "}", 1);
}

/* ---- account, positions */

json_t *account_json(const struct venue *v, const struct account *a, int64_t now_ns)
{
    struct account_figures f;
    struct session today;
    struct buffer b = { 0 };
    char date[DATE_TEXT_SIZE] = "", multiplier[24];
    int32_t asof = a->last_equity_date;
    account_figures(a, venue_marks(v), &f);
    if (!asof && calendar_session_at(now_ns, &today) && calendar_previous(&today, &today))
        asof = today.date;
    if (asof)
        calendar_date_format(asof, date);
    snprintf(multiplier, sizeof multiplier, "%" PRId64, f.multiplier);
    buffer_add(&b, "{", 1);
    put_word(&b, "id", a->id);
    key(&b, "admin_configurations");
    buffer_text(&b, "{}");
    put_null(&b, "user_configurations");
    put_word(&b, "account_number", a->number);
    put_word(&b, "status", "ACTIVE");
    put_word(&b, "crypto_status", "INACTIVE");
    key(&b, "options_approved_level");
    buffer_text(&b, "0");
    key(&b, "options_trading_level");
    buffer_text(&b, "0");
    put_word(&b, "currency", "USD");
    put_money(&b, "buying_power", f.buying_power);
    put_money(&b, "regt_buying_power", f.regt_buying_power);
    put_money(&b, "effective_buying_power", f.buying_power);
    put_money(&b, "non_marginable_buying_power", f.non_marginable_buying_power);
    put_money(&b, "options_buying_power", f.non_marginable_buying_power);
    put_word(&b, "bod_dtbp", "0");
    put_money(&b, "cash", f.cash);
    put_word(&b, "accrued_fees", "0");
    put_word(&b, "pending_transfer_in", "0");
    put_word(&b, "pending_transfer_out", "0");
    put_money(&b, "portfolio_value", f.equity);
    put_bool(&b, "trading_blocked", false);
    put_bool(&b, "transfers_blocked", false);
    put_bool(&b, "account_blocked", false);
    put_time(&b, "created_at", a->created_ns);
    put_bool(&b, "trade_suspended_by_user", a->config.suspend_trade);
    put_word(&b, "multiplier", multiplier);
    put_bool(&b, "shorting_enabled", !a->config.no_shorting && f.equity >= 2000 * USD);
    put_money(&b, "equity", f.equity);
    put_money(&b, "last_equity", a->last_equity_micros);
    put_money(&b, "long_market_value", f.long_value);
    put_money(&b, "short_market_value", f.short_value);
    put_money(&b, "position_market_value", f.long_value + f.short_value);
    put_money(&b, "initial_margin", f.initial_margin);
    put_money(&b, "maintenance_margin", f.maintenance_margin);
    put_money(&b, "last_maintenance_margin", a->last_maintenance_micros);
    put_word(&b, "sma", "0");
    put_word(&b, "balance_asof", asof ? date : NULL);
    key(&b, "crypto_tier");
    buffer_text(&b, "0");
    put_word(&b, "intraday_adjustments", "0");
    put_word(&b, "pending_reg_taf_fees", "0");
    buffer_add(&b, "}", 1);
    return parsed(&b);
}

/* part / whole; whole is what it cost, so its sign does not matter. null when there is none. */
static void put_fraction(struct buffer *b, const char *name, int64_t part, int64_t whole)
{
    char text[40];
    if (whole == 0) {
        put_null(b, name);
        return;
    }
    int n = snprintf(text, sizeof text, "%.16f", (double)part / fabs((double)whole)); /* the broker's sixteen decimals */
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    text[n] = '\0';
    put_word(b, name, strcmp(text, "-0") == 0 ? "0" : text);
}

json_t *position_json(const struct venue *v, const struct account *a, int symbol, int64_t now_ns)
{
    const struct holding *h = &a->holdings[symbol];
    const char *name = venue_symbol_name(v, symbol);
    int64_t qty = h->position.qty, available = holding_available(h);
    struct price mark = account_mark(h, venue_last(v, symbol)), lastday = venue_previous_close(v, symbol);
    if (!price_is_set(lastday))
        lastday = mark;
    int64_t value = holding_value(h, mark), cost = h->position.cost_micros, profit = holding_unrealized(h, mark);
    bool held_overnight = h->opened_date < calendar_date(now_ns);
    int64_t intraday = held_overnight ? value - holding_value(h, lastday) : profit;
    struct buffer b = { 0 };
    char id[UUID_SIZE];
    asset_id(name, id);
    buffer_add(&b, "{", 1);
    put_word(&b, "asset_id", id);
    put_word(&b, "symbol", name);
    put_word(&b, "exchange", "NYSE");
    put_word(&b, "asset_class", "us_equity");
    put_bool(&b, "asset_marginable", venue_asset(v, symbol)->is_marginable);
    put_qty(&b, "qty", qty);
    put_price(&b, "avg_entry_price", holding_average(h));
    put_word(&b, "side", qty < 0 ? "short" : "long");
    put_money(&b, "market_value", value);
    put_money(&b, "cost_basis", cost);
    put_money(&b, "unrealized_pl", profit);
    put_fraction(&b, "unrealized_plpc", profit, cost);
    put_money(&b, "unrealized_intraday_pl", intraday);
    put_fraction(&b, "unrealized_intraday_plpc", intraday, held_overnight ? holding_value(h, lastday) : cost);
    put_price(&b, "current_price", mark);
    put_price(&b, "lastday_price", lastday);
    put_fraction(&b, "change_today", price_is_set(mark) ? mark.micros - lastday.micros : 0, price_is_set(lastday) ? lastday.micros : 0);
    put_qty(&b, "qty_available", qty < 0 ? -available : available);
    buffer_add(&b, "}", 1);
    return parsed(&b);
}

/* ---- activities */

void fill_activity_id(const struct fill *f, char out[ACTIVITY_ID_SIZE])
{
    int second = calendar_second_of_day(f->time_ns);
    char id[UUID_SIZE];
    fill_id(f, id);
    snprintf(out, ACTIVITY_ID_SIZE, "%08" PRId32 "%02d%02d%02d%03d::%s", calendar_date(f->time_ns), second / 3600,
             second / 60 % 60, second % 60, (int)(f->time_ns / 1000000 % 1000), id);
}

json_t *fill_json(const struct venue *v, const struct fill *f)
{
    const struct order *o = f->order;
    char id[ACTIVITY_ID_SIZE];
    struct buffer b = { 0 };
    fill_activity_id(f, id);
    buffer_add(&b, "{", 1);
    put_word(&b, "id", id);
    put_word(&b, "account_id", o->account->id);
    put_word(&b, "activity_type", "FILL");
    put_time(&b, "transaction_time", f->time_ns);
    put_word(&b, "type", f->leaves_qty ? "partial_fill" : "fill");
    put_price(&b, "price", f->price);
    put_qty(&b, "qty", f->qty);
    put_word(&b, "side", side_names[o->side]);
    put_word(&b, "symbol", venue_symbol_name(v, o->symbol));
    put_qty(&b, "leaves_qty", f->leaves_qty);
    put_order_id(&b, "order_id", o);
    put_qty(&b, "cum_qty", f->cum_qty);
    put_word(&b, "order_status", f->leaves_qty ? "partially_filled" : "filled");
    put_fee(&b, f);
    buffer_add(&b, "}", 1);
    return parsed(&b);
}

const char *activity_type(const struct activity *a)
{
    static const char *const types[] = { [ACTIVITY_SPLIT] = "SPLIT", [ACTIVITY_DIVIDEND] = "DIV" };
    return types[a->kind];
}

static const char *activity_subtype(const struct activity *a)
{
    if (a->kind == ACTIVITY_DIVIDEND)
        return a->qty < 0 ? "SDIV" : "CDIV";
    return a->qty < 0 ? "RSPLIT" : "FSPLIT";
}

json_t *activity_json(const struct venue *v, const struct activity *a)
{
    bool is_dividend = a->kind == ACTIVITY_DIVIDEND;
    const char *symbol = venue_symbol_name(v, a->symbol);
    char uuid[UUID_SIZE], id[ACTIVITY_ID_SIZE], date[DATE_TEXT_SIZE], description[80];
    struct buffer b = { 0 };
    activity_uuid(a, uuid);
    snprintf(id, sizeof id, "%08" PRId32 "000000000::%s", a->date, uuid);
    calendar_date_format(a->date, date);
    snprintf(description, sizeof description, is_dividend ? "Cash dividend of %s" : "Split of %s", symbol);
    buffer_add(&b, "{", 1);
    put_word(&b, "id", id);
    put_word(&b, "account_id", a->account->id);
    put_word(&b, "activity_type", activity_type(a));
    put_word(&b, "activity_sub_type", activity_subtype(a));
    put_word(&b, "date", date);
    put_money(&b, "net_amount", a->net_micros);
    put_word(&b, "description", description);
    put_word(&b, "symbol", symbol);
    put_qty(&b, "qty", a->qty);
    if (is_dividend)
        put_price(&b, "per_share_amount", a->per_share);
    put_word(&b, "status", "executed");
    put_time(&b, "created_at", a->time_ns);
    put_word(&b, "currency", "USD");
    buffer_add(&b, "}", 1);
    return parsed(&b);
}

/* What both kinds of event begin with. */
static void put_event_head(struct buffer *b, int64_t time_ns, uint64_t sequence, const char *type, char id[ULID_SIZE])
{
    event_id(time_ns, sequence, id);
    buffer_add(b, "{", 1);
    put_word(b, "event_id", id);
    put_time(b, "at", time_ns);
    put_word(b, "activity_type", type);
}

static void put_event_tail(struct buffer *b, int64_t time_ns, const char *ref)
{
    char date[DATE_TEXT_SIZE];
    calendar_date_format(calendar_date(time_ns), date);
    put_word(b, "status", "executed");
    put_time(b, "executed_at", time_ns);
    put_word(b, "settle_date", date);
    put_word(b, "ref_id", ref);
    put_word(b, "currency", "USD");
}

/* Of the same millisecond, executions come after the others. */
#define FILLS_FROM (UINT64_C(1) << 60)

void fill_event_write(struct buffer *b, const struct venue *v, const struct fill *f, char id[ULID_SIZE])
{
    const struct order *o = f->order;
    const char *symbol = venue_symbol_name(v, o->symbol);
    char uuid[UUID_SIZE];
    fill_id(f, uuid);
    put_event_head(b, f->time_ns, FILLS_FROM + (uint64_t)f->index, "FILL", id);
    put_event_tail(b, f->time_ns, uuid);
    put_qty(b, "qty", f->qty);
    put_price(b, "price", f->price);
    key(b, "details");
    buffer_add(b, "{", 1);
    put_order_id(b, "order_id", o);
    put_text(b, "client_order_id", order_client_id(o, uuid));
    put_word(b, "side", side_names[o->side]);
    put_word(b, "symbol", symbol);
    asset_id(symbol, uuid);
    put_word(b, "asset_id", uuid);
    put_qty(b, "leaves_qty", f->leaves_qty);
    put_qty(b, "cum_qty", f->cum_qty);
    put_word(b, "order_status", f->leaves_qty ? "partially_filled" : "filled");
    put_word(b, "execution_type", "fill");
    buffer_add(b, "}}", 2);
}

void activity_event_write(struct buffer *b, const struct venue *v, const struct activity *a, char id[ULID_SIZE])
{
    const char *symbol = venue_symbol_name(v, a->symbol);
    char uuid[UUID_SIZE];
    activity_uuid(a, uuid);
    put_event_head(b, a->time_ns, (uint64_t)a->index, activity_type(a), id);
    put_word(b, "activity_subtype", activity_subtype(a));
    put_event_tail(b, a->time_ns, uuid);
    put_qty(b, "qty", a->qty);
    put_money(b, "net_amount", a->net_micros);
    key(b, "details");
    buffer_add(b, "{", 1);
    put_word(b, "symbol", symbol);
    asset_id(symbol, uuid);
    put_word(b, "asset_id", uuid);
    buffer_add(b, "}}", 2);
}

/* ---- market data */

json_t *trade_json(const struct trade_print *t, int64_t id)
{
    char time[TIME_TEXT_SIZE];
    time_format(t->time_ns, time);
    return json_pack("{ss ss sf sI s[s] sI ss}", "t", time, "x", "V", "p", (double)t->price.micros / PRICE_SCALE, "s",
                     (json_int_t)t->size, "c", "@", "i", (json_int_t)id, "z", "B");
}

/* ---- refusals */

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
