/* rest_trading.c - accounts, activities, orders, positions. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/rest.h"

/* ---- account */

void rest_get_account(struct call *c)
{
    rest_answer(c, 200, account_json(c->x->venue, c->account, c->now_ns));
}

void rest_get_configurations(struct call *c)
{
    rest_answer(c, 200,
                json_pack("{ss sb sb sb ss sb sn sb}", "trade_confirm_email", "all", "suspend_trade", 0,
                          "no_shorting", 0, "fractional_trading", 0, "max_margin_multiplier", "4",
                          "ptp_no_exception_entry", 0, "max_options_trading_level",
                          "disable_overnight_trading", 1));
}

struct activity_filter {
    const char *order_id;
    int32_t date;
    int64_t after, until, page_size;
    int descending;
};

static bool activity_matches(const struct activity_filter *f, const struct fill *fill)
{
    char id[UUID_SIZE];
    order_id(fill->order, id);
    return (!f->order_id || strcmp(id, f->order_id) == 0) &&
           (!f->date || calendar_date(fill->time_ns) == f->date) && fill->time_ns > f->after &&
           fill->time_ns < f->until;
}

static void list_activities(struct call *c, bool fills)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    static const char *const categories[] = { "trade_activity", "non_trade_activity", NULL };
    const struct account *a = c->account;
    struct activity_filter f = { .order_id = parameter_text(c, "order_id"),
                                 .after = INT64_MIN,
                                 .until = INT64_MAX,
                                 .page_size = 100,
                                 .descending = 1 };
    const char *token = parameter_text(c, "page_token");
    int category = 0;
    if (!parameter_date(c, "date", &f.date) || !parameter_time(c, "after", false, &f.after) ||
        !parameter_time(c, "until", false, &f.until) ||
        !parameter_count(c, "page_size", 1, 100, &f.page_size) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f.descending) ||
        !parameter_word(c, "category", categories, "trade_activity or non_trade_activity", &category)) {
        rest_refuse(c);
        return;
    }
    if (f.date && !parameter_text(c, "page_size"))
        f.page_size = INT64_MAX; /* all of the day */
    int64_t at = f.descending ? (int64_t)a->fills_count - 1 : 0, step = f.descending ? -1 : 1;
    if (token) {
        const char *half = strstr(token, "::");
        const struct fill *last = half ? account_fill(a, half + 2) : NULL;
        if (!last) {
            parameter_refuse(c, "page_token", "the id of the last activity of the page before");
            rest_refuse(c);
            return;
        }
        at = last->index + step;
    }
    json_t *list = json_array();
    for (; fills && category == 0 && at >= 0 && at < (int64_t)a->fills_count && f.page_size > 0; at += step) {
        if (!activity_matches(&f, a->fills[at]))
            continue;
        json_array_append_new(list, activity_json(c->x->venue, a->fills[at]));
        f.page_size--;
    }
    rest_answer(c, 200, list);
}

void rest_get_activities(struct call *c)
{
    const char *types = parameter_text(c, "activity_types");
    if (types && parameter_text(c, "category")) {
        parameter_refuse(c, "category", "left out when activity_types is given");
        rest_refuse(c);
        return;
    }
    list_activities(c, !types || parameter_lists(types, "FILL"));
}

void rest_get_activities_of_type(struct call *c)
{
    list_activities(c, strcmp(c->arg, "FILL") == 0);
}

/* ---- orders */

void rest_post_order(struct call *c)
{
    struct err err;
    struct order_request request;
    struct order *order, snapshot;
    json_t *body = json_read(c->req->body, c->req->body_size, &err);
    if (!body)
        refuse(&c->refusal, REFUSED_BODY, err.text);
    bool ok = body && order_request_decode(c->x->venue, body, &request, &c->refusal) &&
              venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, &snapshot, &c->refusal);
    json_decref(body);
    if (ok)
        rest_answer(c, 200, order_json(c->x->venue, &snapshot));
    else
        rest_refuse(c);
}

/* NULL after filling c->refusal. */
static struct order *find_order(struct call *c, const char *id)
{
    if (!uuid_is_valid(id)) {
        refuse(&c->refusal, REFUSED_ORDER_ID);
        return NULL;
    }
    struct order *o = account_order(c->account, id);
    if (!o)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    return o;
}

struct order_filter {
    int status; /* open, closed, all */
    int descending, side;
    int64_t limit, after, until, above, below; /* above, below: exclusive bounds of the index */
    const char *symbols;
};

static bool order_matches(const struct call *c, const struct order_filter *f, const struct order *o)
{
    return (f->status == 2 || order_is_open(o) == (f->status == 0)) &&
           (f->side < 0 || (int)o->side == f->side) && o->submitted_ns > f->after &&
           o->submitted_ns < f->until && o->index > f->above && o->index < f->below &&
           (!f->symbols || parameter_lists(f->symbols, venue_symbol_name(c->x->venue, o->symbol)));
}

static bool order_bound(struct call *c, const char *name, int64_t *bound)
{
    const char *id = parameter_text(c, name);
    if (!id)
        return true;
    const struct order *o = find_order(c, id);
    if (o)
        *bound = o->index;
    return o != NULL;
}

static bool read_order_filter(struct call *c, struct order_filter *f)
{
    static const char *const statuses[] = { "open", "closed", "all", NULL };
    static const char *const directions[] = { "asc", "desc", NULL };
    bool nested = false;
    *f = (struct order_filter){ .descending = 1,
                                .side = -1,
                                .limit = 50,
                                .after = INT64_MIN,
                                .until = INT64_MAX,
                                .above = -1,
                                .below = INT64_MAX,
                                .symbols = parameter_text(c, "symbols") };
    if (!parameter_word(c, "status", statuses, "open, closed or all", &f->status) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f->descending) ||
        !parameter_word(c, "side", side_names, "buy or sell", &f->side) ||
        !parameter_count(c, "limit", 1, 500, &f->limit) || !parameter_time(c, "after", false, &f->after) ||
        !parameter_time(c, "until", false, &f->until) || !parameter_bool(c, "nested", &nested) ||
        !order_bound(c, "after_order_id", &f->above) || !order_bound(c, "before_order_id", &f->below))
        return false;
    bool by_id = parameter_text(c, "after_order_id") || parameter_text(c, "before_order_id");
    if (parameter_text(c, "after_order_id") && parameter_text(c, "before_order_id"))
        return parameter_refuse(c, "before_order_id", "left out when after_order_id is given");
    if (by_id && (parameter_text(c, "after") || parameter_text(c, "until")))
        return parameter_refuse(c, "after", "left out when an order id bounds the list");
    return true;
}

void rest_get_orders(struct call *c)
{
    struct order_filter f;
    const struct account *a = c->account;
    if (!read_order_filter(c, &f)) {
        rest_refuse(c);
        return;
    }
    json_t *list = json_array();
    bool wanted =
        !parameter_text(c, "asset_class") || parameter_lists(parameter_text(c, "asset_class"), "us_equity");
    for (size_t i = 0; wanted && i < a->orders_count && f.limit > 0; i++) {
        const struct order *o = a->orders[f.descending ? a->orders_count - 1 - i : i];
        if (!order_matches(c, &f, o))
            continue;
        json_array_append_new(list, order_json(c->x->venue, o));
        f.limit--;
    }
    rest_answer(c, 200, list);
}

void rest_get_order(struct call *c)
{
    const struct order *o = find_order(c, c->arg);
    if (o)
        rest_answer(c, 200, order_json(c->x->venue, o));
    else
        rest_refuse(c);
}

void rest_get_order_by_client_id(struct call *c)
{
    const char *id = parameter_text(c, "client_order_id");
    const struct order *o = id ? account_order_by_client_id(c->account, id) : NULL;
    if (o) {
        rest_answer(c, 200, order_json(c->x->venue, o));
        return;
    }
    if (id)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    else
        parameter_refuse(c, "client_order_id", "given");
    rest_refuse(c);
}

void rest_delete_order(struct call *c)
{
    struct order *o = find_order(c, c->arg);
    if (o && venue_cancel(c->x->venue, o, c->now_ns, &c->refusal))
        c->res->status = 204;
    else
        rest_refuse(c);
}

/* Cancels all open orders; list may be NULL. */
static void cancel_all(struct call *c, json_t *list)
{
    const struct account *a = c->account;
    for (size_t i = 0; i < a->orders_count; i++) {
        struct order *o = a->orders[i];
        if (!order_is_open(o))
            continue;
        bool ok = venue_cancel(c->x->venue, o, c->now_ns, &c->refusal);
        char id[UUID_SIZE];
        order_id(o, id);
        if (list && ok)
            json_array_append_new(list, json_pack("{ss si}", "id", id, "status", 200));
        else if (list)
            json_array_append_new(
                list, json_pack("{ss si so}", "id", id, "status", 500, "body", refusal_json(&c->refusal)));
    }
}

void rest_delete_orders(struct call *c)
{
    json_t *list = json_array();
    cancel_all(c, list);
    rest_answer(c, 207, list);
}

/* ---- positions */

static bool has_position(const struct account *a, int symbol)
{
    return a->holdings[symbol].position.qty != 0;
}

void rest_get_positions(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++)
        if (has_position(c->account, (int)i))
            json_array_append_new(list, position_json(c->x->venue, c->account, (int)i, c->now_ns));
    rest_answer(c, 200, list);
}

/* The symbol of a position; -1 after filling c->refusal. */
static int find_position(struct call *c)
{
    int symbol = asset_find(c->x->venue, c->arg);
    if (symbol < 0)
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->arg);
    else if (!has_position(c->account, symbol))
        refuse(&c->refusal, REFUSED_POSITION_UNKNOWN);
    else
        return symbol;
    return -1;
}

void rest_get_position(struct call *c)
{
    int symbol = find_position(c);
    if (symbol >= 0)
        rest_answer(c, 200, position_json(c->x->venue, c->account, symbol, c->now_ns));
    else
        rest_refuse(c);
}

/* A market order against qty shares of a position. Unlike an order by hand it never opens the other side. */
static bool close_position(struct call *c, int symbol, int64_t qty, struct order *snapshot)
{
    const struct holding *h = &c->account->holdings[symbol];
    int64_t size = h->position.qty < 0 ? -h->position.qty : h->position.qty;
    int64_t available = holding_available(h);
    struct order_request request;
    struct order *order;
    order_request_init(&request);
    request.has_qty = true;
    request.qty_micros = qty;
    request.side = h->position.qty > 0 ? SIDE_SELL : SIDE_BUY;
    text_copy(request.symbol, sizeof request.symbol, venue_symbol_name(c->x->venue, symbol));
    if (qty > 0 && qty > available) {
        char texts[4][QTY_TEXT_MAX];
        const int64_t qtys[] = { qty, available, size, h->held_qty };
        for (size_t i = 0; i < COUNT_OF(qtys); i++)
            qty_format(qtys[i], texts[i]);
        refuse(&c->refusal, REFUSED_QTY_AVAILABLE, texts[0], texts[1]);
        refusal_add(&c->refusal, "available", "%s", texts[1]);
        refusal_add(&c->refusal, "existing_qty", "%s", texts[2]);
        refusal_add(&c->refusal, "held_for_orders", "%s", texts[3]);
        refusal_add(&c->refusal, "symbol", "%s", request.symbol);
        return false;
    }
    return venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, snapshot, &c->refusal);
}

/* How many shares qty= or percentage= ask for. */
static bool close_quantity(struct call *c, int64_t size, int64_t *qty)
{
    const char *count = parameter_text(c, "qty"), *percent = parameter_text(c, "percentage");
    struct price p;
    *qty = size;
    if (count && percent)
        return parameter_refuse(c, "percentage", "left out when qty is given");
    if (count) {
        if (!price_parse(count, strlen(count), &p) || p.micros <= 0)
            return parameter_refuse(c, "qty", "a number of shares above 0, with at most six decimals");
        *qty = p.micros;
    }
    if (percent) {
        if (!price_parse(percent, strlen(percent), &p) || p.micros <= 0 || p.micros > 100 * INT64_C(1000000))
            return parameter_refuse(c, "percentage", "above 0 and at most 100, with at most six decimals");
        *qty = (int64_t)((__int128)size * p.micros / 100000000);
        if (size % QTY_SCALE == 0)
            *qty -= *qty % QTY_SCALE;
    }
    return true;
}

void rest_delete_position(struct call *c)
{
    struct order snapshot;
    int64_t qty = 0;
    int symbol = find_position(c);
    int64_t held = symbol < 0 ? 0 : c->account->holdings[symbol].position.qty;
    if (symbol >= 0 && close_quantity(c, held < 0 ? -held : held, &qty) &&
        close_position(c, symbol, qty, &snapshot))
        rest_answer(c, 200, order_json(c->x->venue, &snapshot));
    else
        rest_refuse(c);
}

void rest_delete_positions(struct call *c)
{
    bool cancel = false;
    if (!parameter_bool(c, "cancel_orders", &cancel)) {
        rest_refuse(c);
        return;
    }
    if (cancel)
        cancel_all(c, NULL);
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++) {
        struct order snapshot;
        int64_t held = c->account->holdings[i].position.qty;
        if (held == 0)
            continue;
        bool ok = close_position(c, (int)i, held < 0 ? -held : held, &snapshot);
        json_array_append_new(list,
                              json_pack("{ss si so}", "symbol", venue_symbol_name(c->x->venue, (int)i),
                                        "status", ok ? 200 : c->refusal.status, "body",
                                        ok ? order_json(c->x->venue, &snapshot) : refusal_json(&c->refusal)));
    }
    rest_answer(c, 207, list);
}
