#include "exchange/rest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

void rest_answer(struct call *c, unsigned status, json_t *body)
{
    c->res->status = status;
    c->res->body = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
    c->res->body_size = strlen(c->res->body);
    json_decref(body);
}

void rest_refuse(struct call *c)
{
    rest_answer(c, (unsigned)c->refusal.status, refusal_json(&c->refusal));
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
    for (const char *at = list; at; at = strchr(at, ','), at += at != NULL)
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* ---- routes */

/* {} stands for one segment. The first row whose path fits and whose method is the request's is taken; of
 * rows that both fit, the one without {} stands first. */
static const struct route {
    const char *method, *path;
    void (*handle)(struct call *c);
} routes[] = {
    { "GET", "/v2/account", rest_get_account },
    { "GET", "/v2/account/configurations", rest_get_configurations },
    { "GET", "/v2/account/activities", rest_get_activities },
    { "GET", "/v2/account/activities/{}", rest_get_activities_of_type },
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
    { "GET", "/v2/stocks/bars", rest_get_bars },
    { "GET", "/v2/stocks/bars/latest", rest_get_latest_bars },
    { "GET", "/v2/stocks/quotes/latest", rest_get_latest_quotes },
    { "GET", "/v2/stocks/{}/bars", rest_get_bars },
    { "GET", "/v2/stocks/{}/bars/latest", rest_get_latest_bars },
    { "GET", "/v2/stocks/{}/quotes/latest", rest_get_latest_quotes },
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
        c.account =
            exchange_login(x, http_header(req, "APCA-API-KEY-ID"), http_header(req, "APCA-API-SECRET-KEY"));
        if (!c.account)
            refuse(&c.refusal, REFUSED_KEYS);
    }
    c.arg = arg[0] ? arg : NULL;
    if (c.account)
        route->handle(&c);
    else
        rest_refuse(&c);
    uuid_v4(id);
    http_response_header(res, "X-Request-ID", id);
    exchange_pump(x); /* an order may have given the clock somewhere to go */
}
