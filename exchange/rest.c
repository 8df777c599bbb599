#include "exchange/rest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"

void rest_answer(struct call *c, unsigned status, json_t *body)
{
    c->res->status = status;
    if (record_is_replaying(c->x)) { /* nobody listens */
        json_decref(body);
        return;
    }
    c->res->body = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
    c->res->body_size = strlen(c->res->body);
    json_decref(body);
}

void rest_refuse(struct call *c)
{
    rest_answer(c, (unsigned)c->refusal.status, refusal_json(&c->refusal));
}

json_t *rest_body(struct call *c)
{
    struct err err;
    json_t *body = json_read(c->req->body, c->req->body_size, &err);
    if (body && json_is_object(body))
        return body;
    refuse(&c->refusal, REFUSED_BODY, body ? "an object was expected" : err.text);
    json_decref(body);
    return NULL;
}

/* ---- query parameters */

bool parameter_refuse(struct call *c, const char *name, const char *expected)
{
    refuse(&c->refusal, REFUSED_PARAMETER, name, expected);
    if (c->is_data)
        c->refusal.status = 400;
    return false;
}

const char *parameter_text(const struct call *c, const char *name)
{
    const char *text = http_query(c->req, name);
    return text && text[0] ? text : NULL;
}

bool parameter_count(struct call *c, const char *name, int64_t min, int64_t max, int64_t *value)
{
    const char *text = parameter_text(c, name);
    if (!text)
        return true;
    char expected[80], *end;
    long long n = strtoll(text, &end, 10);
    snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, min, max);
    if (*end || text[0] < '0' || text[0] > '9' || n < min || n > max)
        return parameter_refuse(c, name, expected);
    *value = n;
    return true;
}

bool parameter_bool(struct call *c, const char *name, bool *value)
{
    const char *text = parameter_text(c, name);
    if (!text)
        return true;
    *value = strcasecmp(text, "true") == 0;
    return *value || strcasecmp(text, "false") == 0 ? true : parameter_refuse(c, name, "true or false");
}

bool parameter_word(struct call *c, const char *name, const char *const *words, const char *expected,
                    int *value)
{
    const char *text = parameter_text(c, name);
    if (!text)
        return true;
    int found = name_index(words, text);
    if (found < 0)
        return parameter_refuse(c, name, expected);
    *value = found;
    return true;
}

const char *after_comma(const char *list)
{
    const char *comma = strchr(list, ',');
    return comma ? comma + 1 : NULL;
}

bool parameter_words(struct call *c, const char *name, const char *const *words, const char *expected)
{
    char word[32];
    for (const char *at = parameter_text(c, name); at; at = after_comma(at)) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        if (name_index(words, word) < 0)
            return parameter_refuse(c, name, expected);
    }
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

/* A raw '+' has become a space on its way. */
bool parameter_time(struct call *c, const char *name, bool day_end, int64_t *value)
{
    const char *text = parameter_text(c, name);
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
    return parameter_refuse(c, name, "a date like 2013-10-07 or a time like 2013-10-07T13:30:00Z");
}

bool parameter_date(struct call *c, const char *name, int32_t *value)
{
    const char *text = parameter_text(c, name);
    int64_t time_ns;
    if (!text)
        return true;
    if (parse_date(text, value))
        return true;
    if (!time_parse(text, strlen(text), &time_ns))
        return parameter_refuse(c, name, "a date like 2013-10-07");
    *value = calendar_date(time_ns);
    return true;
}

bool parameter_lists(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at; at = after_comma(at))
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* ---- routes */

/* Each {} stands for one segment, or the rest of one. The first row whose path fits and whose method is the request's
 * is taken; of rows that both fit, the one without {} stands first. */
static const struct route {
    const char *method, *path;
    void (*handle)(struct call *c);
} routes[] = {
    { "GET", "/v2/account", rest_get_account },
    { "GET", "/v2/account/configurations", rest_get_configurations },
    { "PATCH", "/v2/account/configurations", rest_patch_configurations },
    { "GET", "/v2/account/activities", rest_get_activities },
    { "GET", "/v2/account/activities/{}", rest_get_activities_of_type },
    { "GET", "/v2/account/portfolio/history", rest_get_portfolio_history },
    { "POST", "/v2/orders", rest_post_order },
    { "GET", "/v2/orders", rest_get_orders },
    { "DELETE", "/v2/orders", rest_delete_orders },
    { "GET", "/v2/orders:by_client_order_id", rest_get_order_by_client_id },
    { "GET", "/v2/orders/{}", rest_get_order },
    { "DELETE", "/v2/orders/{}", rest_delete_order },
    { "GET", "/v2/positions", rest_get_positions },
    { "DELETE", "/v2/positions", rest_delete_positions },
    { "GET", "/v2/positions/{}", rest_get_position },
    { "DELETE", "/v2/positions/{}", rest_delete_position },
    { "GET", "/v2/assets", rest_get_assets },
    { "GET", "/v2/assets/{}", rest_get_asset },
    { "GET", "/v2/clock", rest_get_clock },
    { "GET", "/v2/calendar", rest_get_calendar },
    { "GET", "/v3/clock", rest_get_v3_clock },
    { "GET", "/v3/calendar/{}", rest_get_v3_calendar },
    { "GET", "/v2/watchlists", rest_get_watchlists },
    { "POST", "/v2/watchlists", rest_post_watchlist },
    { "GET", "/v2/watchlists:by_name", rest_get_watchlist },
    { "PUT", "/v2/watchlists:by_name", rest_put_watchlist },
    { "POST", "/v2/watchlists:by_name", rest_post_watchlist_asset },
    { "DELETE", "/v2/watchlists:by_name", rest_delete_watchlist },
    { "GET", "/v2/watchlists/{}", rest_get_watchlist },
    { "PUT", "/v2/watchlists/{}", rest_put_watchlist },
    { "POST", "/v2/watchlists/{}", rest_post_watchlist_asset },
    { "DELETE", "/v2/watchlists/{}", rest_delete_watchlist },
    { "DELETE", "/v2/watchlists/{}/{}", rest_delete_watchlist_asset },
    { "GET", "/v2/stocks/bars", rest_get_bars },
    { "GET", "/v2/stocks/bars/latest", rest_get_latest_bars },
    { "GET", "/v2/stocks/quotes", rest_get_quotes },
    { "GET", "/v2/stocks/quotes/latest", rest_get_latest_quotes },
    { "GET", "/v2/stocks/trades", rest_get_trades },
    { "GET", "/v2/stocks/trades/latest", rest_get_latest_trades },
    { "GET", "/v2/stocks/auctions", rest_get_auctions },
    { "GET", "/v2/stocks/snapshots", rest_get_snapshots },
    { "GET", "/v2/stocks/meta/exchanges", rest_get_exchanges },
    { "GET", "/v2/stocks/meta/conditions/{}", rest_get_conditions },
    { "GET", "/v2/stocks/{}/bars", rest_get_bars },
    { "GET", "/v2/stocks/{}/bars/latest", rest_get_latest_bars },
    { "GET", "/v2/stocks/{}/quotes", rest_get_quotes },
    { "GET", "/v2/stocks/{}/quotes/latest", rest_get_latest_quotes },
    { "GET", "/v2/stocks/{}/trades", rest_get_trades },
    { "GET", "/v2/stocks/{}/trades/latest", rest_get_latest_trades },
    { "GET", "/v2/stocks/{}/auctions", rest_get_auctions },
    { "GET", "/v2/stocks/{}/snapshot", rest_get_snapshots },
};

/* Does path fit the pattern? args get what stands for each {}. */
static bool fits(const char *pattern, const char *path, char args[REST_ARGS][REST_ARG_SIZE])
{
    size_t found = 0;
    memset(args, 0, sizeof(char[REST_ARGS][REST_ARG_SIZE]));
    while (*pattern) {
        if (pattern[0] == '{') {
            size_t n = strcspn(path, "/");
            if (n == 0 || n >= REST_ARG_SIZE)
                return false;
            memcpy(args[found++], path, n);
            path += n;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static const struct route *find_route(struct call *c)
{
    bool path_known = false;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!fits(routes[i].path, c->req->path, c->args))
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

/* ---- who asks, and how often */

static bool login(struct call *c)
{
    struct credentials who;
    if (credentials_of_headers(&who, http_header(c->req, "APCA-API-KEY-ID"), http_header(c->req, "APCA-API-SECRET-KEY"),
                               http_header(c->req, "Authorization")))
        c->account = exchange_login(c->x, &who);
    if (!c->account) {
        http_response_header(c->res, "WWW-Authenticate", "Bearer, Basic realm=\"alpaca.markets\"");
        return refuse(&c->refusal, REFUSED_KEYS);
    }
    c->customer = exchange_customer(c->x, c->account);
    return true;
}

static void number_header(struct call *c, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    http_response_header(c->res, name, text);
}

/* The broker's limit of requests a minute, for each account; the world's time. */
static bool is_within_limit(struct call *c)
{
    int64_t limit = c->x->settings.rate_limit, now = clock_utc_ns(), left;
    if (limit == 0)
        return true;
    left = rate_take(&c->customer->rate, limit, now);
    int64_t reset_s = (c->customer->rate.window + 1) * 60;
    number_header(c, "X-RateLimit-Limit", limit);
    number_header(c, "X-RateLimit-Remaining", left < 0 ? 0 : left);
    number_header(c, "X-RateLimit-Reset", reset_s);
    if (left >= 0)
        return true;
    number_header(c, "Retry-After", reset_s - now / SECOND_NS);
    return refuse(&c->refusal, c->is_data ? REFUSED_RATE_DATA : REFUSED_RATE);
}

void rest_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct exchange *x = ctx;
    struct call c = { .x = x, .req = req, .res = res, .is_data = strncmp(req->path, "/v2/stocks/", 11) == 0 };
    char id[UUID_SIZE];
    int64_t began_ns = clock_mono_ns();
    x->requests++;
    if (meter_answer(x, req, res) || faults_request(x, req, res))
        return;
    c.now_ns = exchange_now(x);
    if (faults_before(x, req, res)) {
        meter_request(x, req->method, NULL, res, began_ns);
        return;
    }
    const struct route *route = find_route(&c);
    if (route && login(&c) && is_within_limit(&c)) {
        route->handle(&c);
        if (strcmp(req->method, "GET") != 0 && res->status < 300)
            record_request(x, c.account, req, c.now_ns);
    } else {
        rest_refuse(&c);
    }
    uuid_v4(id);
    http_response_header(res, "X-Request-ID", id);
    exchange_pump(x); /* an order may have given the clock somewhere to go */
    res->hold = record_is_dirty(x);
    faults_after(x, req, res);
    meter_request(x, req->method, route ? route->path : NULL, res, began_ns);
}

void rest_replay(struct exchange *x, struct customer *who, const struct http_request *req, struct http_response *res)
{
    struct call c = { .x = x, .req = req, .res = res, .now_ns = x->now_ns, .customer = who,
                      .account = who ? who->account : NULL };
    const struct route *route = find_route(&c);
    if (route && who)
        route->handle(&c);
    else
        rest_refuse(&c);
}
