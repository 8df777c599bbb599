#include "exchange/meter.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/exchange.h"

static struct meter_route *route_of(struct meter *m, const char *method, const char *path)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };
    int known = name_index(methods, method);
    method = known < 0 ? "other" : methods[known]; /* static, and not for clients to make up */
    path = path ? path : "unknown";
    for (size_t i = 0; i < m->routes_count; i++)
        if (m->routes[i].method == method && strcmp(m->routes[i].path, path) == 0)
            return &m->routes[i];
    if (m->routes_count == METER_ROUTES_MAX)
        return NULL;
    struct meter_route *r = &m->routes[m->routes_count++];
    r->method = method;
    r->path = path;
    return r;
}

void meter_request(struct exchange *x, const char *method, const char *path, const struct http_response *res,
                   int64_t began_ns)
{
    struct meter_route *r = route_of(&x->meter, method, path);
    if (!r)
        return;
    r->statuses[res->lose || res->status > 599 ? 0 : res->status / 100]++;
    histogram_add(&r->took, clock_mono_ns() - began_ns);
}

void meter_trade(struct exchange *x, const struct trade_event *e)
{
    x->meter.events[e->kind]++;
    if (e->fill)
        x->meter.fees_micros += e->fill->fee_micros;
}

void meter_frame(struct exchange *x, bool is_data, size_t size)
{
    x->meter.frames[is_data]++;
    x->meter.frame_bytes[is_data] += size;
}

static void write_market(const struct exchange *x, struct metrics *m)
{
    size_t accounts = venue_accounts_count(x->venue), orders = 0, fills = 0, open = 0;
    for (size_t i = 0; i < accounts; i++) {
        const struct account *a = venue_account_at(x->venue, i);
        orders += a->orders_count;
        fills += a->fills_count;
        for (const struct order *o = a->open_first; o; o = o->open_next)
            open++;
    }
    metrics_ns(m, METRIC_GAUGE, "bell_exchange_market_time_seconds", "Where the market's clock stands.", x->now_ns);
    metrics_int(m, METRIC_COUNTER, "bell_exchange_ticks_total", "Ticks of the clock, a restart's included.", x->driver.n);
    metrics_int(m, METRIC_GAUGE, "bell_exchange_accounts", "Accounts.", (int64_t)accounts);
    metrics_int(m, METRIC_GAUGE, "bell_exchange_orders", "Orders there ever were, a restart's included.", (int64_t)orders);
    metrics_int(m, METRIC_GAUGE, "bell_exchange_orders_open", "Orders that can still trade.", (int64_t)open);
    metrics_int(m, METRIC_GAUGE, "bell_exchange_fills", "Executions there ever were, a restart's included.", (int64_t)fills);
    for (int i = 0; i < TRADE_KINDS; i++)
        metrics_int(m, METRIC_COUNTER, "bell_exchange_order_events_total", "What became of orders: each transition is one event.",
                    (int64_t)x->meter.events[i], { "event", trade_event_names[i] });
    metrics_micros(m, METRIC_COUNTER, "bell_exchange_fees_dollars_total", "Fees taken.", x->meter.fees_micros);
}

static void write_requests(const struct exchange *x, struct metrics *m)
{
    static const char *const statuses[METER_STATUSES] = { "lost", "1xx", "2xx", "3xx", "4xx", "5xx" };
    for (size_t i = 0; i < x->meter.routes_count; i++)
        for (size_t s = 0; s < METER_STATUSES; s++)
            if (x->meter.routes[i].statuses[s])
                metrics_int(m, METRIC_COUNTER, "bell_exchange_requests_total", "REST requests.",
                            (int64_t)x->meter.routes[i].statuses[s], { "method", x->meter.routes[i].method },
                            { "route", x->meter.routes[i].path }, { "status", statuses[s] });
    for (size_t i = 0; i < x->meter.routes_count; i++)
        metrics_histogram(m, "bell_exchange_request_seconds", "Until the answer is made.", &x->meter.routes[i].took,
                          { "method", x->meter.routes[i].method }, { "route", x->meter.routes[i].path });
}

static void write_streams(const struct exchange *x, struct metrics *m)
{
    static const char *const kinds[] = { "trade_updates", "market_data" };
    size_t streams[2] = { 0 };
    struct http_stats http;
    int64_t hits;
    stream_count(x, streams);
    http_server_stats(x->server, &http);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        metrics_int(m, METRIC_GAUGE, "bell_exchange_streams", "WebSocket connections.", (int64_t)streams[i], { "kind", kinds[i] });
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        metrics_int(m, METRIC_COUNTER, "bell_exchange_frames_total", "Frames sent.", (int64_t)x->meter.frames[i], { "kind", kinds[i] });
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        metrics_int(m, METRIC_COUNTER, "bell_exchange_frame_bytes_total", "Bytes in frames sent.",
                    (int64_t)x->meter.frame_bytes[i], { "kind", kinds[i] });
    metrics_int(m, METRIC_GAUGE, "bell_exchange_connections", "Connections of REST.", (int64_t)http.rest);
    metrics_int(m, METRIC_GAUGE, "bell_exchange_queue_bytes", "Waiting for clients to read.", (int64_t)http.queued);
    metrics_int(m, METRIC_COUNTER, "bell_exchange_slow_clients_total", "Connections cut because they did not read.",
                (int64_t)http.slow);
    metrics_int(m, METRIC_GAUGE, "bell_exchange_state_bytes", "What is kept on disk for a restart.", record_bytes(x));
    for (size_t i = 0; faults_count(x, i, &hits); i++)
        metrics_int(m, METRIC_COUNTER, "bell_exchange_faults_total", "What was made to go wrong.", hits,
                    { "kind", faults_count(x, i, &hits) });
}

bool meter_answer(struct exchange *x, const struct http_request *req, struct http_response *res)
{
    struct metrics m = { 0 };
    if (strcmp(req->path, "/metrics") != 0 || strcmp(req->method, "GET") != 0)
        return false;
    exchange_now(x);
    metrics_process(&m, "exchange");
    write_market(x, &m);
    write_requests(x, &m);
    write_streams(x, &m);
    res->status = 200;
    res->content_type = METRICS_TYPE;
    res->body = m.text; /* the server frees it */
    res->body_size = m.size;
    return true;
}
