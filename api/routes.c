#include "api/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <ulfius.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

/* ulfius's own, which a server started with own options must be given (real but not in its header). */
void mhd_request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                           enum MHD_RequestTerminationCode toe);
void *ulfius_uri_logger(void *cls, const char *uri);

enum route_kind { ROUTE_PLAIN, ROUTE_LIST, ROUTE_INGEST, ROUTE_BYTES };

#define V1 "/api/v1"
#define WHO (FILTER_ACCOUNT | FILTER_STRATEGY)

static const struct route {
    const char *method, *path;
    handler *handle;
    enum route_kind kind;
    unsigned parameters;
    const void *arg;
} routes[] = {
    { "POST", V1 "/runs", post_records, ROUTE_INGEST, 0, &ingest_runs },
    { "POST", V1 "/orders", post_records, ROUTE_INGEST, 0, &ingest_orders },
    { "POST", V1 "/order-events", post_records, ROUTE_INGEST, 0, &ingest_events },
    { "POST", V1 "/bars", post_records, ROUTE_INGEST, 0, &ingest_bars },
    { "POST", V1 "/equity", post_records, ROUTE_INGEST, 0, &ingest_equity },
    { "POST", V1 "/decisions", post_records, ROUTE_INGEST, 0, &ingest_decisions },
    { "POST", V1 "/accounts", post_records, ROUTE_INGEST, 0, &ingest_accounts },
    { "POST", V1 "/config-errors", post_records, ROUTE_INGEST, 0, &ingest_config_errors },
    { "GET", V1 "/fills", get_fills, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | WHO | FILTER_SYMBOL | FILTER_RUN | FILTER_ORDER, NULL },
    { "GET", V1 "/orders", get_orders, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | WHO | FILTER_SYMBOL | FILTER_RUN | FILTER_STATUS, NULL },
    { "GET", V1 "/orders/:id", get_order, ROUTE_PLAIN, FILTER_ACCOUNT, NULL },
    { "GET", V1 "/order-events", get_order_events, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | WHO | FILTER_SYMBOL | FILTER_ORDER | FILTER_EVENT, &event_table },
    { "GET", V1 "/positions", get_positions, ROUTE_LIST,
      FILTER_LIST | WHO | FILTER_SYMBOL | FILTER_RUN | FILTER_FLAT, NULL },
    { "GET", V1 "/position-snapshots", get_rows, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | WHO | FILTER_SYMBOL, &snapshot_table },
    { "GET", V1 "/pnl", get_pnl, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | FILTER_DATES | WHO | FILTER_SYMBOL | FILTER_RUN | FILTER_GROUP_BY, NULL },
    { "GET", V1 "/bars", get_bars, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | FILTER_SYMBOL | FILTER_SOURCE, &bar_table },
    { "GET", V1 "/equity", get_rows, ROUTE_LIST, FILTER_LIST | FILTER_RANGE | WHO, &equity_table },
    { "GET", V1 "/decisions", get_rows, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | WHO | FILTER_SYMBOL | FILTER_RUN, &decision_table },
    { "GET", V1 "/runs", get_runs, ROUTE_LIST,
      FILTER_LIST | FILTER_RANGE | WHO | FILTER_RUN | FILTER_STATUS, NULL },
    { "GET", V1 "/runs/:id", get_run, ROUTE_PLAIN, 0, NULL },
    { "GET", V1 "/strategies", get_strategies, ROUTE_LIST, FILTER_LIST | WHO | FILTER_STATUS, NULL },
    { "GET", V1 "/strategies/:id", get_strategy, ROUTE_PLAIN, FILTER_ACCOUNT, NULL },
    { "GET", V1 "/accounts", get_rows, ROUTE_LIST, FILTER_LIST | FILTER_RANGE | FILTER_ACCOUNT | FILTER_SOURCE, &account_table },
    { "GET", V1 "/config-errors", get_rows, ROUTE_LIST, FILTER_LIST | FILTER_RANGE | WHO | FILTER_RUN, &config_error_table },
    { "GET", V1 "/export", get_export, ROUTE_PLAIN, 0, NULL },
    { "POST", V1 "/import", post_import, ROUTE_BYTES, FILTER_OFFSET | FILTER_COMPLETE, NULL },
    { "GET", "/healthz", get_healthz, ROUTE_PLAIN, 0, NULL },
    { "GET", "/readyz", get_readyz, ROUTE_PLAIN, 0, NULL },
    { "GET", "/metrics", get_metrics, ROUTE_PLAIN, 0, NULL },
    { "GET", "/version", get_version, ROUTE_PLAIN, 0, NULL },
    { "GET", "/openapi.yaml", get_openapi, ROUTE_PLAIN, 0, NULL },
};

static const unsigned statuses[] = { 200, 400, 403, 404, 405, 406, 409, 413, 415, 422, 500, 503 };
enum { OTHER = COUNT_OF(routes) }; /* the place after the routes: requests that fit none */

/* A connection that is open. */
struct client {
    struct server *server;
    struct client *next, **link;
    int fd;
    int64_t since_ns;          /* of its being opened, or of the end of its last request */
    bool is_handled;           /* a handler is at work for it */
};
static _Thread_local struct client *my_client; /* of the connection whose thread this is */

struct server {
    struct api *api;
    pthread_mutex_t clients_lock;
    struct client *clients;
    size_t clients_count;
    _Atomic int64_t evicted;
    _Atomic int64_t answered[COUNT_OF(routes) + 1][COUNT_OF(statuses)];
    struct histogram ingest_took, read_took;
    struct _u_instance ulfius;
    struct bound {              /* what a callback of ulfius is given */
        struct server *server;
        const struct route *route; /* NULL: none matched */
    } bound[COUNT_OF(routes) * 2 + 1];
    int port;
    atomic_bool is_stopping;
    atomic_int under_way;
};

static bool has_token(const char *list, const char *token)
{
    size_t size = strlen(token);
    while (*list) {
        list += strspn(list, " \t,");
        size_t length = strcspn(list, ",;");
        size_t trimmed = length;
        while (trimmed && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed == size && strncasecmp(list, token, size) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

/* ---- what holds for every request */

static const char *query_value(void *ctx, const char *name)
{
    return u_map_get(ctx, name);
}

static bool read_query(struct call *c, const struct _u_request *req, const struct route *route)
{
    const char *names[64], *parameter = NULL;
    struct err err;
    size_t count = 0;
    const char **keys = u_map_enum_keys(req->map_url);
    for (; keys && keys[count] && count < COUNT_OF(names) - 1; count++) {
        names[count] = keys[count];
        const char *value = u_map_get(req->map_url, keys[count]);
        if (!text_is_utf8(keys[count]) || (value && !text_is_utf8(value))) {
            problem(c, 400, NULL, "the query is not UTF-8");
            return false;
        }
    }
    names[count] = NULL;
    if (filter_parse(route->parameters, route->path, names, query_value, req->map_url, &c->filter, &parameter, &err))
        return true;
    struct json_fault fault;
    struct json_faults faults = { .max = 1, .list = &fault };
    json_fault_add(&faults, parameter, "%s", err.text);
    problem(c, 400, &faults, "query parameter %.100s: %s", parameter, err.text);
    return false;
}

/* Which of JSON and CSV; false: neither will do. */
static bool choose_format(struct call *c, const struct _u_request *req, const struct route *route)
{
    const char *accept = u_map_get_case(req->map_header, "Accept");
    bool is_list = route->kind == ROUTE_LIST;
    c->csv = is_list && c->filter.format == FORMAT_CSV;
    if (c->filter.format != FORMAT_BY_ACCEPT || !accept || !*accept || route->handle == get_openapi || route->handle == get_metrics ||
        route->handle == get_export ||
        has_token(accept, "*/*") || has_token(accept, "application/*") || has_token(accept, "application/json"))
        return true;
    c->csv = is_list && (has_token(accept, "text/csv") || has_token(accept, "text/*"));
    return c->csv;
}

/* How often the body's length is said. ulfius joins headers of one spelling with commas. */
static int lengths_said(const struct _u_request *req)
{
    int said = 0;
    const char **names = u_map_enum_keys(req->map_header);
    for (; *names; names++) {
        if (strcasecmp(*names, "Content-Length") == 0)
            said += strchr(u_map_get(req->map_header, *names), ',') ? 2 : 1;
        else if (strcasecmp(*names, "Transfer-Encoding") == 0)
            said++;
    }
    return said;
}

static bool check(struct call *c, const struct _u_request *req, const struct route *route, bool *close)
{
    const char *type = u_map_get_case(req->map_header, "Content-Type");
    if (lengths_said(req) > 1) {
        *close = true;
        problem(c, 400, NULL, "the length of the body is said twice");
        return false;
    }
    if (req->binary_body_length > BODY_MAX) {
        *close = true;
        problem(c, 413, NULL, "the body is longer than %d bytes", BODY_MAX);
        return false;
    }
    if (!route)
        return true;
    if (route->kind == ROUTE_INGEST && (!type || !has_token(type, "application/json"))) {
        problem(c, 415, NULL, "the body must be application/json, not %.100s",
                type && text_is_utf8(type) ? type : "nothing named");
        return false;
    }
    if (route->kind == ROUTE_BYTES && (!type || !has_token(type, "application/gzip"))) {
        problem(c, 415, NULL, "the body must be application/gzip, not %.100s", type && text_is_utf8(type) ? type : "nothing named");
        return false;
    }
    if (!read_query(c, req, route))
        return false;
    if (!choose_format(c, req, route)) {
        problem(c, 406, NULL, "there is application/json%s", route->kind == ROUTE_LIST ? " and text/csv" : "");
        return false;
    }
    return true;
}

/* Does the path as asked fit the route's? */
static bool path_fits(const char *pattern, const char *path)
{
    size_t fixed = strcspn(pattern, ":");
    if (!pattern[fixed])
        return strcmp(pattern, path) == 0;
    return strncmp(pattern, path, fixed) == 0 && path[fixed] && !strchr(path + fixed, '/');
}

/* No route: for the path, or only for the method. */
static void refuse_route(struct call *c, const char *method, char *allow, size_t size)
{
    *allow = '\0';
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (path_fits(routes[i].path, c->path)) {
            size_t used = strlen(allow);
            snprintf(allow + used, size - used, "%s%s%s", used ? ", " : "", routes[i].method,
                     strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
        }
    if (!*allow) {
        problem(c, 404, NULL, "there is nothing at %s", c->path);
        return;
    }
    c->allow = allow;
    problem(c, 405, NULL, "%.40s is not possible here, only %s", method, allow);
}

static void request_id(const struct _u_request *req, char out[65])
{
    const char *given = u_map_get_case(req->map_header, "X-Request-ID");
    size_t size = given ? strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") : 0;
    if (size && !given[size] && text_copy(out, 65, given))
        return;
    uuid_v7(clock_utc_ns(), out);
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static void client_is_handled(struct server *s, bool is_handled)
{
    struct client *c = my_client;
    if (!c)
        return;
    pthread_mutex_lock(&s->clients_lock);
    c->is_handled = is_handled;
    c->since_ns = clock_mono_ns();
    pthread_mutex_unlock(&s->clients_lock);
}

/* A reply that is made while it is sent. */
struct streaming {
    struct server *server;
    ssize_t (*next)(void *ctx, char *out, size_t max);
    void (*end)(void *ctx);
    void *ctx;
};

static ssize_t stream_next(void *ctx, uint64_t offset, char *out, size_t max)
{
    struct streaming *s = ctx;
    (void)offset;
    client_is_handled(s->server, false); /* it is not silent */
    ssize_t n = s->next(s->ctx, out, max);
    return n > 0 ? n : n == 0 ? U_STREAM_END : U_STREAM_ERROR;
}

static void stream_end(void *ctx)
{
    struct streaming *s = ctx;
    s->end(s->ctx);
    free(s);
}

static void put_reply(struct call *c, struct _u_response *res, bool close)
{
    char text[16];
    u_map_put(res->map_header, "Content-Type", c->content_type);
    u_map_put(res->map_header, "X-Request-ID", c->request_id);
    u_map_put(res->map_header, "Cache-Control", "no-store");
    u_map_put(res->map_header, "X-Content-Type-Options", "nosniff");
    if (c->allow)
        u_map_put(res->map_header, "Allow", c->allow);
    if (close)
        u_map_put(res->map_header, "Connection", "close");
    if (c->retry_after_s) {
        snprintf(text, sizeof text, "%d", c->retry_after_s);
        u_map_put(res->map_header, "Retry-After", text);
    }
    if (*c->next_cursor) /* CSV has no place for it in the body */
        u_map_put(res->map_header, "X-Next-Cursor", c->next_cursor);
    if (c->file_name) {
        char disposition[128];
        snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"", c->file_name);
        u_map_put(res->map_header, "Content-Disposition", disposition);
    }
    if (c->stream.next) {
        struct streaming *s = must_alloc(1, sizeof *s);
        *s = (struct streaming){ c->server, c->stream.next, c->stream.end, c->stream.ctx };
        ulfius_set_stream_response(res, c->status, stream_next, stream_end, U_STREAM_SIZE_UNKNOWN, STREAM_BLOCK, s);
        return;
    }
    ulfius_set_binary_body_response(res, c->status, c->reply.data ? c->reply.data : "", c->reply.size);
}

static void count(struct server *s, const struct route *route, unsigned status, int64_t took_ns)
{
    size_t i = 0;
    while (i < COUNT_OF(statuses) - 1 && statuses[i] != status)
        i++;
    atomic_fetch_add_explicit(&s->answered[route ? (size_t)(route - routes) : OTHER][i], 1, memory_order_relaxed);
    if (route)
        histogram_add(route->kind == ROUTE_INGEST ? &s->ingest_took : &s->read_took, took_ns);
}

void get_metrics(struct call *c)
{
    struct server *s = c->server;
    struct metrics m = { 0 };
    size_t orders, fills, runs;
    metrics_process(&m, "api");
    for (size_t r = 0; r <= OTHER; r++)
        for (size_t i = 0; i < COUNT_OF(statuses); i++) {
            int64_t n = atomic_load_explicit(&s->answered[r][i], memory_order_relaxed);
            char status[16];
            snprintf(status, sizeof status, "%u", statuses[i]);
            if (n)
                metrics_int(&m, METRIC_COUNTER, "bell_api_requests_total", "Requests answered.", n,
                            { "method", r < OTHER ? routes[r].method : "" }, { "route", r < OTHER ? routes[r].path : "" },
                            { "status", status });
        }
    metrics_histogram(&m, "bell_api_request_seconds", "From the whole request to its reply.", &s->ingest_took, { "kind", "ingest" });
    metrics_histogram(&m, "bell_api_request_seconds", "From the whole request to its reply.", &s->read_took, { "kind", "read" });
    pthread_mutex_lock(&s->clients_lock);
    size_t clients = s->clients_count;
    pthread_mutex_unlock(&s->clients_lock);
    metrics_int(&m, METRIC_GAUGE, "bell_api_connections", "Open connections.", (int64_t)clients);
    metrics_int(&m, METRIC_COUNTER, "bell_api_evicted_connections_total", "Silent connections closed because others wanted in.",
                atomic_load(&s->evicted));
    writer_metrics(c->api->writer, &m);
    state_read(c->api->state);
    state_orders(c->api->state, &orders);
    state_fills(c->api->state, &fills);
    state_runs(c->api->state, &runs);
    int64_t last_bar = state_last_bar(c->api->state);
    state_read_done(c->api->state);
    metrics_int(&m, METRIC_GAUGE, "bell_api_orders", "Orders on record.", (int64_t)orders);
    metrics_int(&m, METRIC_GAUGE, "bell_api_fills", "Fills on record.", (int64_t)fills);
    metrics_int(&m, METRIC_GAUGE, "bell_api_runs", "Runs on record.", (int64_t)runs);
    metrics_ns(&m, METRIC_GAUGE, "bell_api_last_bar_timestamp_seconds", "Start of the latest bar on record, since 1970.", last_bar);
    c->status = 200;
    c->content_type = METRICS_TYPE;
    buffer_add(&c->reply, m.text, m.size);
    metrics_free(&m);
}

static bool is_local(const struct sockaddr *from)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
    return from && from->sa_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static int dispatch(const struct _u_request *req, struct _u_response *res, void *user_data)
{
    const struct bound *bound = user_data;
    struct server *s = bound->server;
    const struct route *route = bound->route;
    int64_t began_ns = clock_mono_ns();
    char rid[65], allow[64];
    bool close = false;
    struct call call, *c = &call; /* some 20 KiB: on the stack, for the allocator's sake */

    atomic_fetch_add(&s->under_way, 1);
    client_is_handled(s, true);
    request_id(req, rid);
    memset(c, 0, offsetof(struct call, filter));
    memset((char *)c + offsetof(struct call, csv), 0, sizeof *c - offsetof(struct call, csv));
    filter_init(&c->filter); /* most of it is the large filter, which need not be cleared */
    c->api = s->api;
    c->server = s;
    c->arg = route ? route->arg : NULL;
    c->path = req->url_path && is_plain(req->url_path) ? req->url_path : "";
    c->id = route && strchr(route->path, ':') ? c->path + strcspn(route->path, ":") : "";
    c->request_id = rid;
    c->is_head = strcmp(req->http_verb, "HEAD") == 0;
    c->is_local = is_local(req->client_address);
    c->body = req->binary_body ? req->binary_body : "";
    c->body_size = req->binary_body_length;
    /* Methods are case-sensitive, for ulfius they are not. */
    if (route && strcmp(req->http_verb, route->method) != 0 &&
        !(strcmp(req->http_verb, "HEAD") == 0 && strcmp(route->method, "GET") == 0))
        route = NULL;

    if (atomic_load(&s->is_stopping)) {
        close = true;
        c->retry_after_s = 1;
        problem(c, 503, NULL, "the server is stopping");
    } else if (check(c, req, route, &close)) {
        if (route)
            route->handle(c);
        else
            refuse_route(c, req->http_verb, allow, sizeof allow);
    }
    put_reply(c, res, close);
    if (route && route->kind == ROUTE_PLAIN && c->status == 200)
        log_debug("request_answered", KV_TEXT("method", req->http_verb), KV_TEXT("path", c->path),
                  KV_INT("status", c->status), KV_INT("ms", (clock_mono_ns() - began_ns) / 1000000),
                  KV_TEXT("request_id", rid));
    else
        log_info("request_answered", KV_TEXT("method", req->http_verb), KV_TEXT("path", c->path),
                 KV_INT("status", c->status), KV_INT("ms", (clock_mono_ns() - began_ns) / 1000000),
                 KV_TEXT("request_id", rid));
    count(s, route, c->status, clock_mono_ns() - began_ns);
    buffer_free(&c->reply);
    client_is_handled(s, false);
    atomic_fetch_sub(&s->under_way, 1);
    return U_CALLBACK_COMPLETE;
}

/* ---- connections: whoever wants in takes the place of who has been silent longest */

static void evict_one(struct server *s)
{
    struct client *oldest = NULL;
    for (struct client *c = s->clients; c; c = c->next)
        if (!c->is_handled && c->fd >= 0 && (!oldest || c->since_ns < oldest->since_ns))
            oldest = c;
    if (!oldest)
        return;
    shutdown(oldest->fd, SHUT_RDWR); /* its thread finds the end of the stream, and ends */
    oldest->fd = -1;
    atomic_fetch_add(&s->evicted, 1);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *s = ctx;
    struct client *c = *socket_context;
    pthread_mutex_lock(&s->clients_lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        c = *socket_context = must_alloc(1, sizeof *c);
        *c = (struct client){ .server = s, .since_ns = clock_mono_ns(),
                              .fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd };
        if (++s->clients_count > CONNECTIONS_MAX)
            evict_one(s);
        c->next = s->clients;
        c->link = &s->clients;
        if (c->next)
            c->next->link = &c->next;
        s->clients = c;
    } else if (c) {
        *c->link = c->next;
        if (c->next)
            c->next->link = c->link;
        s->clients_count--;
        free(c);
        *socket_context = NULL;
    }
    pthread_mutex_unlock(&s->clients_lock);
}

/* The first that is heard of a request, on its connection's thread. */
static void *on_request_line(void *ctx, const char *uri, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    my_client = info ? info->socket_context : NULL;
    return ulfius_uri_logger(ctx, uri);
}

/* ---- starting and stopping */

static bool address(const char *host, int port, struct sockaddr_in *out, struct err *err)
{
    *out = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &out->sin_addr) == 1)
        return true;
    return err_set(err, ERR_INPUT, "host %s is no IPv4 address", host);
}

/* libmicrohttpd does not say why it would not start. */
static bool is_free(const struct sockaddr_in *addr, struct err *err)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 && listen(fd, 1) == 0;
    if (!ok)
        err_set(err, ERR_IO, errno == EADDRINUSE ? "port %d is in use: stop what listens there, or choose another"
                : "port %d cannot be listened on: %s", ntohs(addr->sin_port), strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool add_routes(struct server *s)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        const char *methods[] = { routes[i].method, strcmp(routes[i].method, "GET") == 0 ? "HEAD" : NULL };
        for (size_t m = 0; m < COUNT_OF(methods) && methods[m]; m++) {
            s->bound[n] = (struct bound){ s, &routes[i] };
            if (ulfius_add_endpoint_by_val(&s->ulfius, methods[m], routes[i].path, NULL, 0, dispatch,
                                           &s->bound[n++]) != U_OK)
                return false;
        }
    }
    s->bound[n] = (struct bound){ s, NULL };
    return ulfius_set_default_endpoint(&s->ulfius, dispatch, &s->bound[n]) == U_OK;
}

struct server *server_start(struct api *api, const char *host, int port, struct err *err)
{
    struct sockaddr_in addr;
    struct server *s = must_alloc(1, sizeof *s);
    bool ok = false, has_instance = false;
    s->api = api;
    pthread_mutex_init(&s->clients_lock, NULL);

    if (!address(host, port, &addr, err) || !is_free(&addr, err))
        goto done;
    if (ulfius_init_instance(&s->ulfius, (unsigned)port, &addr, NULL) != U_OK) {
        err_set(err, ERR_INTERNAL, "ulfius would not be set up");
        goto done;
    }
    has_instance = true;
    s->ulfius.check_utf8 = 0; /* it would drop a value silently; we refuse it */
    s->ulfius.max_post_body_size = BODY_MAX + 1; /* one more than allowed: then it was too long */
    s->ulfius.max_post_param_size = 1024;        /* forms are refused anyway */
    s->ulfius.timeout = IDLE_TIMEOUT_S;
    struct MHD_OptionItem options[] = {
        { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)mhd_request_completed, NULL },
        { MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_request_line, NULL },
        { MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s },
        { MHD_OPTION_SOCK_ADDR, 0, &addr },
        { MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX + LEAVING_MAX, NULL },
        { MHD_OPTION_LISTENING_ADDRESS_REUSE, 1, NULL },
        { MHD_OPTION_END, 0, NULL },
    };
    if (!add_routes(s) ||
        ulfius_start_framework_with_mhd_options(&s->ulfius, MHD_USE_THREAD_PER_CONNECTION |
                                                MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC,
                                                options) != U_OK) {
        err_set(err, ERR_IO, "port %d cannot be listened on", port);
        goto done;
    }
    ok = true;
done:
    if (!ok) {
        if (has_instance)
            ulfius_clean_instance(&s->ulfius);
        free(s);
    }
    return ok ? s : NULL;
}

void server_stop(struct server *s)
{
    enum { PATIENCE_MS = 10000, STEP_MS = 5 };
    MHD_socket listener = MHD_quiesce_daemon(s->ulfius.mhd_daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    atomic_store(&s->is_stopping, true);
    /* The last bytes of the last replies, too: under_way is counted down before they are sent. */
    for (int ms = 0; ms < PATIENCE_MS && (atomic_load(&s->under_way) || ms < 4 * STEP_MS); ms += STEP_MS)
        nanosleep(&(struct timespec){ .tv_nsec = STEP_MS * 1000000 }, NULL);
    ulfius_stop_framework(&s->ulfius);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    ulfius_clean_instance(&s->ulfius);
    pthread_mutex_destroy(&s->clients_lock);
    free(s);
}
