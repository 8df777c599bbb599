/* rest.c - the broker's REST API. Each handler parses, acts on the venue or reads the feed, and replies. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "exchange/exchange.h"

/* One request on its way. */
struct call {
    struct exchange *x;
    const struct http_request *req;
    struct http_response *res;
    struct account *account;
    const char *arg;             /* what stood for {} in the route */
    int64_t now_ns;
    bool is_data;                /* market data: bad parameters are 400 there */
    struct refusal refusal;
};

static void answer(struct call *c, unsigned status, json_t *body) /* takes body */
{
    c->res->status = status;
    c->res->body = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
    c->res->body_size = strlen(c->res->body);
    json_decref(body);
}

static void answer_refusal(struct call *c)
{
    answer(c, (unsigned)c->refusal.status, refusal_json(&c->refusal));
}

/* ---- query parameters: false after filling c->refusal */

static bool bad_parameter(struct call *c, const char *name, const char *expected)
{
    refuse(&c->refusal, REFUSED_PARAMETER, name, expected);
    if (c->is_data)
        c->refusal.status = 400;
    return false;
}

/* NULL when absent or empty. */
static const char *parameter(const struct call *c, const char *name)
{
    const char *text = http_query(c->req, name);
    return text && text[0] ? text : NULL;
}

static bool parameter_count(struct call *c, const char *name, int64_t min, int64_t max, int64_t *value)
{
    const char *text = parameter(c, name);
    if (!text)
        return true;
    char expected[80], *end;
    long long n = strtoll(text, &end, 10);
    snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, min, max);
    if (*end || text[0] < '0' || text[0] > '9' || n < min || n > max)
        return bad_parameter(c, name, expected);
    *value = n;
    return true;
}

static bool parameter_bool(struct call *c, const char *name, bool *value)
{
    const char *text = parameter(c, name);
    if (!text)
        return true;
    *value = strcasecmp(text, "true") == 0;
    return *value || strcasecmp(text, "false") == 0 ? true : bad_parameter(c, name, "true or false");
}

static bool parameter_word(struct call *c, const char *name, const char *const *words, const char *expected, int *value)
{
    const char *text = parameter(c, name);
    if (!text)
        return true;
    int found = name_index(words, text);
    if (found < 0)
        return bad_parameter(c, name, expected);
    *value = found;
    return true;
}

/* Dates are brought within what the calendar can turn into times: there is no data beyond. */
static bool parse_date(const char *text, int32_t *out)
{
    if (!calendar_date_parse(text, strlen(text), out))
        return false;
    *out = *out < 19800101 ? 19800101 : *out > 20600101 ? 20600101 : *out;
    return true;
}

/* A time, or a date: New York midnight, or the end of that day for the end of an interval. A raw '+' has
 * become a space on its way. */
static bool parameter_time(struct call *c, const char *name, bool day_end, int64_t *value)
{
    const char *text = parameter(c, name);
    char fixed[64];
    int32_t date;
    if (!text)
        return true;
    if (parse_date(text, &date)) {
        *value = day_end ? calendar_ns(calendar_add_days(date, 1), 0) - 1 : calendar_ns(date, 0);
        return true;
    }
    if (text_copy(fixed, sizeof fixed, text)) {
        char *space = strrchr(fixed, ' ');
        if (space && space - fixed > 12)
            *space = '+';
        if (time_parse(fixed, strlen(fixed), value))
            return true;
    }
    return bad_parameter(c, name, "a date like 2013-10-07 or a time like 2013-10-07T13:30:00Z");
}

static bool parameter_date(struct call *c, const char *name, int32_t *value)
{
    const char *text = parameter(c, name);
    int64_t time_ns;
    if (!text)
        return true;
    if (parse_date(text, value))
        return true;
    if (!time_parse(text, strlen(text), &time_ns))
        return bad_parameter(c, name, "a date like 2013-10-07");
    *value = calendar_date(time_ns);
    return true;
}

/* Is name one of a comma-separated list? */
static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at; at = strchr(at, ','), at += at != NULL)
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* ---- account */

static void get_account(struct call *c)
{
    answer(c, 200, account_json(c->x->venue, c->account, c->now_ns));
}

static void get_configurations(struct call *c)
{
    answer(c, 200, json_pack("{ss sb sb sb ss sb sn sb}", "trade_confirm_email", "all", "suspend_trade", 0,
                             "no_shorting", 0, "fractional_trading", 0, "max_margin_multiplier", "4",
                             "ptp_no_exception_entry", 0, "max_options_trading_level", "disable_overnight_trading", 1));
}

struct activity_filter {
    const char *order_id;
    int32_t date;
    int64_t after, until, page_size;
    int descending;
};

static bool activity_matches(const struct activity_filter *f, const struct fill *fill)
{
    return (!f->order_id || strcmp(fill->order->id, f->order_id) == 0) &&
           (!f->date || calendar_date(fill->time_ns) == f->date) && fill->time_ns > f->after &&
           fill->time_ns < f->until;
}

static void list_activities(struct call *c, bool fills)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    static const char *const categories[] = { "trade_activity", "non_trade_activity", NULL };
    const struct account *a = c->account;
    struct activity_filter f = { .order_id = parameter(c, "order_id"), .after = INT64_MIN, .until = INT64_MAX,
                                 .page_size = 100, .descending = 1 };
    const char *token = parameter(c, "page_token");
    int category = 0;
    if (!parameter_date(c, "date", &f.date) || !parameter_time(c, "after", false, &f.after) ||
        !parameter_time(c, "until", false, &f.until) || !parameter_count(c, "page_size", 1, 100, &f.page_size) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f.descending) ||
        !parameter_word(c, "category", categories, "trade_activity or non_trade_activity", &category)) {
        answer_refusal(c);
        return;
    }
    if (f.date && !parameter(c, "page_size"))
        f.page_size = INT64_MAX; /* all of the day */
    int64_t at = f.descending ? (int64_t)a->fills_count - 1 : 0, step = f.descending ? -1 : 1;
    if (token) {
        const char *half = strstr(token, "::");
        const struct fill *last = half ? table_get(&a->by_execution_id, half + 2) : NULL;
        if (!last) {
            bad_parameter(c, "page_token", "the id of the last activity of the page before");
            answer_refusal(c);
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
    answer(c, 200, list);
}

static void get_activities(struct call *c)
{
    const char *types = parameter(c, "activity_types");
    if (types && parameter(c, "category")) {
        bad_parameter(c, "category", "left out when activity_types is given");
        answer_refusal(c);
        return;
    }
    list_activities(c, !types || is_listed(types, "FILL"));
}

static void get_activities_of_type(struct call *c)
{
    list_activities(c, strcmp(c->arg, "FILL") == 0);
}

/* ---- orders */

static void post_order(struct call *c)
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
        answer(c, 200, order_json(c->x->venue, &snapshot));
    else
        answer_refusal(c);
}

/* NULL after filling c->refusal. */
static struct order *find_order(struct call *c, const char *id)
{
    if (!uuid_is_valid(id)) {
        refuse(&c->refusal, REFUSED_ORDER_ID);
        return NULL;
    }
    char lower[UUID_SIZE];
    for (size_t i = 0; i < UUID_SIZE; i++)
        lower[i] = (char)(id[i] >= 'A' && id[i] <= 'F' ? id[i] + 'a' - 'A' : id[i]);
    struct order *o = table_get(&c->account->by_order_id, lower);
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
    return (f->status == 2 || order_is_open(o) == (f->status == 0)) && (f->side < 0 || (int)o->side == f->side) &&
           o->submitted_ns > f->after && o->submitted_ns < f->until && o->index > f->above && o->index < f->below &&
           (!f->symbols || is_listed(f->symbols, venue_symbol_name(c->x->venue, o->symbol)));
}

static bool order_bound(struct call *c, const char *name, int64_t *bound)
{
    const char *id = parameter(c, name);
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
    *f = (struct order_filter){ .descending = 1, .side = -1, .limit = 50, .after = INT64_MIN, .until = INT64_MAX,
                                .above = -1, .below = INT64_MAX, .symbols = parameter(c, "symbols") };
    if (!parameter_word(c, "status", statuses, "open, closed or all", &f->status) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f->descending) ||
        !parameter_word(c, "side", side_names, "buy or sell", &f->side) ||
        !parameter_count(c, "limit", 1, 500, &f->limit) || !parameter_time(c, "after", false, &f->after) ||
        !parameter_time(c, "until", false, &f->until) || !parameter_bool(c, "nested", &nested) ||
        !order_bound(c, "after_order_id", &f->above) || !order_bound(c, "before_order_id", &f->below))
        return false;
    bool by_id = parameter(c, "after_order_id") || parameter(c, "before_order_id");
    if (parameter(c, "after_order_id") && parameter(c, "before_order_id"))
        return bad_parameter(c, "before_order_id", "left out when after_order_id is given");
    if (by_id && (parameter(c, "after") || parameter(c, "until")))
        return bad_parameter(c, "after", "left out when an order id bounds the list");
    return true;
}

static void get_orders(struct call *c)
{
    struct order_filter f;
    const struct account *a = c->account;
    if (!read_order_filter(c, &f)) {
        answer_refusal(c);
        return;
    }
    json_t *list = json_array();
    bool wanted = !parameter(c, "asset_class") || is_listed(parameter(c, "asset_class"), "us_equity");
    for (size_t i = 0; wanted && i < a->orders_count && f.limit > 0; i++) {
        const struct order *o = a->orders[f.descending ? a->orders_count - 1 - i : i];
        if (!order_matches(c, &f, o))
            continue;
        json_array_append_new(list, order_json(c->x->venue, o));
        f.limit--;
    }
    answer(c, 200, list);
}

static void get_order(struct call *c)
{
    const struct order *o = find_order(c, c->arg);
    if (o)
        answer(c, 200, order_json(c->x->venue, o));
    else
        answer_refusal(c);
}

static void get_order_by_client_id(struct call *c)
{
    const char *id = parameter(c, "client_order_id");
    const struct order *o = id ? table_get(&c->account->by_client_id, id) : NULL;
    if (o) {
        answer(c, 200, order_json(c->x->venue, o));
        return;
    }
    if (id)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    else
        bad_parameter(c, "client_order_id", "given");
    answer_refusal(c);
}

static void delete_order(struct call *c)
{
    struct order *o = find_order(c, c->arg);
    if (o && venue_cancel(c->x->venue, o, c->now_ns, &c->refusal))
        c->res->status = 204;
    else
        answer_refusal(c);
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
        if (list && ok)
            json_array_append_new(list, json_pack("{ss si}", "id", o->id, "status", 200));
        else if (list)
            json_array_append_new(list, json_pack("{ss si so}", "id", o->id, "status", 500, "body",
                                                  refusal_json(&c->refusal)));
    }
}

static void delete_orders(struct call *c)
{
    json_t *list = json_array();
    cancel_all(c, list);
    answer(c, 207, list);
}

/* ---- positions */

static bool has_position(const struct account *a, int symbol)
{
    return a->holdings[symbol].position.qty != 0;
}

static void get_positions(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++)
        if (has_position(c->account, (int)i))
            json_array_append_new(list, position_json(c->x->venue, c->account, (int)i, c->now_ns));
    answer(c, 200, list);
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

static void get_position(struct call *c)
{
    int symbol = find_position(c);
    if (symbol >= 0)
        answer(c, 200, position_json(c->x->venue, c->account, symbol, c->now_ns));
    else
        answer_refusal(c);
}

/* A market order against qty shares of a position. Unlike an order by hand it never opens the other side. */
static bool close_position(struct call *c, int symbol, int64_t qty, struct order *snapshot)
{
    const struct holding *h = &c->account->holdings[symbol];
    int64_t size = h->position.qty < 0 ? -h->position.qty : h->position.qty;
    int64_t available = size > h->held_qty ? size - h->held_qty : 0;
    struct order_request request = { .qty_micros = qty * 1000000, .type = ORDER_MARKET, .time_in_force = TIF_DAY,
                                     .side = h->position.qty > 0 ? SIDE_SELL : SIDE_BUY, .limit = PRICE_NONE };
    struct order *order;
    text_copy(request.symbol, sizeof request.symbol, venue_symbol_name(c->x->venue, symbol));
    if (qty > 0 && qty > available) {
        refuse(&c->refusal, REFUSED_QTY_AVAILABLE, (long long)qty, (long long)available);
        refusal_add(&c->refusal, "available", "%" PRId64, available);
        refusal_add(&c->refusal, "existing_qty", "%" PRId64, size);
        refusal_add(&c->refusal, "held_for_orders", "%" PRId64, h->held_qty);
        refusal_add(&c->refusal, "symbol", "%s", request.symbol);
        return false;
    }
    return venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, snapshot, &c->refusal);
}

/* How many shares qty= or percentage= ask for. */
static bool close_quantity(struct call *c, int64_t size, int64_t *qty)
{
    const char *count = parameter(c, "qty"), *percent = parameter(c, "percentage");
    struct price p;
    *qty = size;
    if (count && percent)
        return bad_parameter(c, "percentage", "left out when qty is given");
    if (count) {
        if (!price_parse(count, strlen(count), &p) || p.micros <= 0 || p.micros % 1000000 != 0)
            return bad_parameter(c, "qty", "a whole number of shares above 0");
        *qty = p.micros / 1000000;
    }
    if (percent) {
        if (!price_parse(percent, strlen(percent), &p) || p.micros <= 0 || p.micros > 100 * INT64_C(1000000))
            return bad_parameter(c, "percentage", "above 0 and at most 100, with at most six decimals");
        *qty = (int64_t)((__int128)size * p.micros / 100000000);
    }
    return true;
}

static void delete_position(struct call *c)
{
    struct order snapshot;
    int64_t qty = 0;
    int symbol = find_position(c);
    int64_t held = symbol < 0 ? 0 : c->account->holdings[symbol].position.qty;
    if (symbol >= 0 && close_quantity(c, held < 0 ? -held : held, &qty) &&
        close_position(c, symbol, qty, &snapshot))
        answer(c, 200, order_json(c->x->venue, &snapshot));
    else
        answer_refusal(c);
}

static void delete_positions(struct call *c)
{
    bool cancel = false;
    if (!parameter_bool(c, "cancel_orders", &cancel)) {
        answer_refusal(c);
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
        json_array_append_new(list, json_pack("{ss si so}", "symbol", venue_symbol_name(c->x->venue, (int)i), "status",
                                              ok ? 200 : c->refusal.status, "body",
                                              ok ? order_json(c->x->venue, &snapshot) : refusal_json(&c->refusal)));
    }
    answer(c, 207, list);
}

/* ---- assets, clock, calendar */

static void get_assets(struct call *c)
{
    const char *status = parameter(c, "status"), *kind = parameter(c, "asset_class"), *venue = parameter(c, "exchange");
    bool any = (!status || strcmp(status, "active") == 0) && (!kind || strcmp(kind, "us_equity") == 0) &&
               (!venue || strcmp(venue, "NYSE") == 0);
    json_t *list = json_array();
    for (size_t i = 0; any && i < venue_symbols_count(c->x->venue); i++)
        json_array_append_new(list, asset_json(c->x->venue, (int)i));
    answer(c, 200, list);
}

static void get_asset(struct call *c)
{
    int symbol = asset_find(c->x->venue, c->arg);
    if (symbol >= 0) {
        answer(c, 200, asset_json(c->x->venue, symbol));
        return;
    }
    refuse(&c->refusal, REFUSED_ASSET_UNKNOWN, c->arg);
    answer_refusal(c);
}

static void get_clock(struct call *c)
{
    struct session s, next;
    if (!calendar_session_at(c->now_ns, &s) || !calendar_next(&s, &next)) {
        refuse(&c->refusal, REFUSED_CALENDAR);
        answer_refusal(c);
        return;
    }
    bool is_open = c->now_ns >= s.open_ns;
    const struct alpaca_clock clock = {
        .timestamp = c->now_ns, .is_open = is_open, .next_open = is_open ? next.open_ns : s.open_ns,
        .next_close = s.close_ns, .is_replay = exchange_has_ticks(c->x), .speed = c->x->speed,
        .ends_at = feed_ends_ns(c->x->feed),
    };
    answer(c, 200, alpaca_clock_encode(&clock));
}

static json_t *calendar_json(const struct session *s, const struct session *next)
{
    char date[DATE_TEXT_SIZE], settles[DATE_TEXT_SIZE];
    calendar_date_format(s->date, date);
    calendar_date_format(next->date, settles);
    return json_pack("{ss ss ss ss ss ss}", "date", date, "open", "09:30", "close", s->is_half_day ? "13:00" : "16:00",
                     "session_open", "0400", "session_close", s->is_half_day ? "1700" : "2000", "settlement_date",
                     settles);
}

static void get_calendar(struct call *c)
{
    int32_t start = 19900101, end = 20291231;
    if (!parameter_date(c, "start", &start) || !parameter_date(c, "end", &end)) {
        answer_refusal(c);
        return;
    }
    if (start < 19900101)
        start = 19900101;
    struct session s, next;
    json_t *list = json_array();
    bool any = calendar_session_at(calendar_ns(start, 0), &s);
    while (any && s.date <= end) {
        any = calendar_next(&s, &next);
        json_array_append_new(list, calendar_json(&s, any ? &next : &s));
        s = next;
    }
    answer(c, 200, list);
}

/* ---- market data */

enum { BARS_LIMIT_MAX = 10000 };

struct bars_query {
    int64_t minutes;             /* of a bar; 0: a day */
    int64_t start, end;          /* inclusive */
    int64_t limit;
    int descending;
    const char *symbols;
    char token_symbol[SYMBOL_SIZE];
    int64_t token_ns;            /* start of the first bar of this page; symbol "": from the beginning */
};

static bool read_timeframe(struct call *c, struct bars_query *q)
{
    static const struct { const char *unit; int64_t minutes, max; } units[] = {
        { "Min", 1, 59 }, { "T", 1, 59 }, { "Hour", 60, 23 }, { "H", 60, 23 }, { "Day", 0, 1 }, { "D", 0, 1 },
    };
    const char *text = parameter(c, "timeframe");
    char *unit = NULL;
    long n = text ? strtol(text, &unit, 10) : 0;
    for (size_t i = 0; text && text[0] >= '0' && text[0] <= '9' && i < COUNT_OF(units); i++)
        if (strcmp(unit, units[i].unit) == 0 && n >= 1 && n <= units[i].max) {
            q->minutes = n * units[i].minutes;
            return true;
        }
    return bad_parameter(c, "timeframe", "1Min to 59Min, 1Hour to 23Hour or 1Day");
}

static bool read_token(struct call *c, struct bars_query *q)
{
    const char *text = parameter(c, "page_token"), *at = text ? strchr(text, '@') : NULL;
    char *end = NULL;
    if (!text)
        return true;
    if (at && at > text && at - text < SYMBOL_SIZE) {
        memcpy(q->token_symbol, text, (size_t)(at - text));
        q->token_ns = strtoll(at + 1, &end, 10);
    }
    return end && *end == '\0' && end > at + 1 ? true : bad_parameter(c, "page_token", "the token of the page before");
}

static bool read_bars_query(struct call *c, struct bars_query *q)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    *q = (struct bars_query){ .start = calendar_ns(calendar_date(c->now_ns), 0), .end = c->now_ns, .limit = 1000,
                              .symbols = c->arg ? c->arg : parameter(c, "symbols") };
    if (!q->symbols)
        return bad_parameter(c, "symbols", "given, separated by commas");
    return read_timeframe(c, q) && parameter_time(c, "start", false, &q->start) &&
           parameter_time(c, "end", true, &q->end) && parameter_count(c, "limit", 1, BARS_LIMIT_MAX, &q->limit) &&
           parameter_word(c, "sort", directions, "asc or desc", &q->descending) && read_token(c, q);
}

/* Minute bars put together to longer ones that start at whole multiples; the last may lack minutes. */
static size_t aggregate(struct bar *bars, size_t count, int64_t minutes)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t start = bars[i].open_time_ns - bars[i].open_time_ns % (minutes * MINUTE_NS);
        struct bar *b = kept ? &bars[kept - 1] : NULL;
        if (!b || b->open_time_ns != start) {
            bars[kept] = bars[i];
            bars[kept++].open_time_ns = start;
            continue;
        }
        b->high = price_cmp(bars[i].high, b->high) > 0 ? bars[i].high : b->high;
        b->low = price_cmp(bars[i].low, b->low) < 0 ? bars[i].low : b->low;
        b->close = bars[i].close;
        b->volume += bars[i].volume;
    }
    return kept;
}

/* Bars of one symbol with start in [from, to], ended by now, in order of time: the first `room` of them, or
 * the last when `last`. *bars is malloc'd. */
static size_t read_days(struct call *c, int symbol, int64_t from, int64_t to, size_t room, bool last, struct bar **bars)
{
    struct session s;
    int32_t first = calendar_date(from), end = calendar_date(to < c->now_ns ? to : c->now_ns);
    if (calendar_ns(first, 0) < from)
        first = calendar_add_days(first, 1);
    if (calendar_session(end, &s) && s.close_ns > c->now_ns)
        end = calendar_add_days(end, -1); /* today's is not over */
    if (last) { /* no interval has more sessions than days */
        int32_t enough = calendar_add_days(end, -2 * (int)room - 10);
        first = first > enough ? first : enough;
        room = 2 * room + 12;
    }
    *bars = must_alloc(room, sizeof **bars);
    return first <= end ? feed_days(c->x->feed, symbol, first, end, *bars, room) : 0;
}

static size_t read_minutes(struct call *c, int symbol, int64_t minutes, int64_t from, int64_t to, size_t room, bool last,
                           struct bar **bars)
{
    int64_t span = minutes * MINUTE_NS, step = from % span;
    from = step ? from - step + span : from;     /* bars that start in the interval */
    int64_t over = c->now_ns - c->now_ns % span; /* what starts here has not ended */
    int64_t until = to >= over ? over : to - to % span + span;
    size_t want = room * (size_t)minutes, have = 0, all = until > from ? (size_t)((until - from) / MINUTE_NS) + 1 : 1;
    if (!last) {
        want = want < all ? want : all;
        *bars = must_alloc(want, sizeof **bars);
        return aggregate(*bars, feed_bars(c->x->feed, symbol, from, until, *bars, want), minutes);
    }
    /* backwards, a longer stretch at a time, until there is enough or nothing more */
    *bars = NULL;
    for (int64_t days = 2; have < room; days *= 2) {
        int64_t start = until - days * DAY_NS, step_back = start % span;
        start = start - step_back > from ? start - step_back : from;
        size_t most = (size_t)((until - start) / MINUTE_NS) + 1;
        *bars = must_realloc(*bars, until > start ? most : 1, sizeof **bars);
        have = until > start ? aggregate(*bars, feed_bars(c->x->feed, symbol, start, until, *bars, most), minutes) : 0;
        if (start <= from || days > 2000)
            break;
    }
    return have;
}

static void reverse(struct bar *bars, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct bar b = bars[i];
        bars[i] = bars[count - 1 - i];
        bars[count - 1 - i] = b;
    }
}

static int text_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The symbols asked for that exist, sorted, once each; malloc'd. */
static size_t read_symbols(const struct call *c, const char *list, char (**out)[SYMBOL_SIZE])
{
    const struct venue *v = c->x->venue;
    size_t count = 0;
    *out = must_alloc(venue_symbols_count(v) + 1, SYMBOL_SIZE);
    for (size_t i = 0; i < venue_symbols_count(v); i++)
        if (is_listed(list, venue_symbol_name(v, (int)i)))
            text_copy((*out)[count++], SYMBOL_SIZE, venue_symbol_name(v, (int)i));
    qsort(*out, count, SYMBOL_SIZE, text_order);
    return count;
}

/* One symbol's part of a page: bars appended to list, q->limit lowered; true with token set when the page is full. */
static bool page_symbol(struct call *c, struct bars_query *q, const char *name, json_t *list, char token[64])
{
    struct bar *bars;
    bool resumes = strcmp(q->token_symbol, name) == 0, more = false;
    int64_t from = resumes && !q->descending ? q->token_ns : q->start, to = resumes && q->descending ? q->token_ns : q->end;
    size_t room = (size_t)q->limit + 1;
    int symbol = venue_symbol(c->x->venue, name);
    size_t count = q->minutes ? read_minutes(c, symbol, q->minutes, from, to, room, q->descending, &bars)
                              : read_days(c, symbol, from, to, room, q->descending, &bars);
    if (q->descending)
        reverse(bars, count);
    for (size_t i = 0; i < count; i++) {
        if (q->limit == 0) { /* there is one bar more than fits */
            snprintf(token, 64, "%s@%" PRId64, name, bars[i].open_time_ns);
            more = true;
            break;
        }
        json_array_append_new(list, alpaca_bar_encode(&bars[i]));
        q->limit--;
    }
    free(bars);
    return more;
}

static void get_bars(struct call *c)
{
    struct bars_query q;
    char (*symbols)[SYMBOL_SIZE], token[64] = "";
    if (!read_bars_query(c, &q)) {
        answer_refusal(c);
        return;
    }
    json_t *body = json_object(), *all = json_object(), *list = json_array();
    size_t count = read_symbols(c, q.symbols, &symbols);
    for (size_t i = 0; i < count; i++) {
        if (q.token_symbol[0] && strcmp(symbols[i], q.token_symbol) < 0)
            continue;
        json_decref(list);
        list = json_array();
        bool more = page_symbol(c, &q, symbols[i], list, token);
        if (json_array_size(list))
            json_object_set(all, symbols[i], list);
        if (more)
            break;
    }
    if (c->arg) {
        json_object_set(body, "bars", list);
        json_object_set_new(body, "symbol", json_string(c->arg));
    } else {
        json_object_set(body, "bars", all);
    }
    json_object_set_new(body, "next_page_token", token[0] ? json_string(token) : json_null());
    json_decref(list);
    json_decref(all);
    free(symbols);
    answer(c, 200, body);
}

/* NULL: nothing yet. */
static json_t *latest_bar(struct call *c, int symbol)
{
    struct bar b;
    return feed_last_bar(c->x->feed, symbol, c->now_ns, &b) ? alpaca_bar_encode(&b) : NULL;
}

static json_t *latest_quote(struct call *c, int symbol)
{
    struct quote q;
    if (!feed_last_quote(c->x->feed, symbol, c->now_ns, &q))
        return NULL;
    json_t *j = alpaca_stream_quote_encode("", &q);
    json_object_del(j, "T");
    json_object_del(j, "S");
    return j;
}

static void get_latest(struct call *c, const char *one, const char *many, json_t *(*make)(struct call *, int))
{
    const char *list = c->arg ? c->arg : parameter(c, "symbols");
    if (!list) {
        bad_parameter(c, "symbols", "given, separated by commas");
        answer_refusal(c);
        return;
    }
    json_t *all = json_object();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++) {
        const char *name = venue_symbol_name(c->x->venue, (int)i);
        json_t *j = is_listed(list, name) ? make(c, (int)i) : NULL;
        if (j)
            json_object_set_new(all, name, j);
    }
    if (!c->arg) {
        answer(c, 200, json_pack("{so}", many, all));
        return;
    }
    json_t *found = json_object_get(all, c->arg);
    if (found) {
        answer(c, 200, json_pack("{ss sO}", "symbol", c->arg, one, found));
    } else {
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->arg);
        answer_refusal(c);
    }
    json_decref(all);
}

static void get_latest_bars(struct call *c)
{
    get_latest(c, "bar", "bars", latest_bar);
}

static void get_latest_quotes(struct call *c)
{
    get_latest(c, "quote", "quotes", latest_quote);
}

/* ---- routes */

/* {} stands for one segment. The first row whose path fits and whose method is the request's is taken; of rows that
 * both fit, the one without {} stands first. */
static const struct route {
    const char *method, *path;
    void (*handle)(struct call *c);
} routes[] = {
    { "GET", "/v2/account", get_account },
    { "GET", "/v2/account/configurations", get_configurations },
    { "GET", "/v2/account/activities", get_activities },
    { "GET", "/v2/account/activities/{}", get_activities_of_type },
    { "POST", "/v2/orders", post_order },
    { "GET", "/v2/orders", get_orders },
    { "DELETE", "/v2/orders", delete_orders },
    { "GET", "/v2/orders:by_client_order_id", get_order_by_client_id },
    { "GET", "/v2/orders/{}", get_order },
    { "DELETE", "/v2/orders/{}", delete_order },
    { "GET", "/v2/positions", get_positions },
    { "DELETE", "/v2/positions", delete_positions },
    { "GET", "/v2/positions/{}", get_position },
    { "DELETE", "/v2/positions/{}", delete_position },
    { "GET", "/v2/assets", get_assets },
    { "GET", "/v2/assets/{}", get_asset },
    { "GET", "/v2/clock", get_clock },
    { "GET", "/v2/calendar", get_calendar },
    { "GET", "/v2/stocks/bars", get_bars },
    { "GET", "/v2/stocks/bars/latest", get_latest_bars },
    { "GET", "/v2/stocks/quotes/latest", get_latest_quotes },
    { "GET", "/v2/stocks/{}/bars", get_bars },
    { "GET", "/v2/stocks/{}/bars/latest", get_latest_bars },
    { "GET", "/v2/stocks/{}/quotes/latest", get_latest_quotes },
};

/* Does path fit the pattern? arg gets what stands for {}. */
static bool fits(const char *pattern, const char *path, char arg[128])
{
    arg[0] = '\0';
    while (*pattern) {
        if (pattern[0] == '{') {
            size_t n = strcspn(path, "/");
            if (n == 0 || n >= 128)
                return false;
            memcpy(arg, path, n);
            arg[n] = '\0';
            path += n;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static const struct route *find_route(struct call *c, char arg[128])
{
    bool path_known = false;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!fits(routes[i].path, c->req->path, arg))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, c->req->method) == 0)
            return &routes[i];
    }
    if (path_known)
        refuse(&c->refusal, REFUSED_METHOD, c->req->method);
    else
        refuse(&c->refusal, REFUSED_ROUTE, c->req->path);
    return NULL;
}

void rest_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct exchange *x = ctx;
    struct call c = { .x = x, .req = req, .res = res, .is_data = strncmp(req->path, "/v2/stocks/", 11) == 0 };
    char arg[128], id[UUID_SIZE];
    x->requests++;
    c.now_ns = exchange_now(x);
    const struct route *route = find_route(&c, arg);
    if (route) {
        c.account = exchange_login(x, http_header(req, "APCA-API-KEY-ID"), http_header(req, "APCA-API-SECRET-KEY"));
        if (!c.account)
            refuse(&c.refusal, REFUSED_KEYS);
    }
    c.arg = arg[0] ? arg : NULL;
    if (c.account)
        route->handle(&c);
    else
        answer_refusal(&c);
    uuid_v4(id);
    http_response_header(res, "X-Request-ID", id);
    exchange_pump(x); /* an order may have given the clock somewhere to go */
}
