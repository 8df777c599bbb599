/* status.c - what the engine counts, as Prometheus text at /metrics, on loopback, where a port is set. */
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"
#include "http/server.h"

#define GAUGE METRIC_GAUGE
#define COUNTER METRIC_COUNTER

static void write_instances(struct engine *e, struct metrics *m)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } money[] = {
        { "bell_engine_cash_dollars", "Capital plus sales minus purchases minus fees.", offsetof(struct instance_view, cash_micros) },
        { "bell_engine_equity_dollars", "Cash and what is held.", offsetof(struct instance_view, equity_micros) },
        { "bell_engine_exposure_dollars", "What is held, without signs.", offsetof(struct instance_view, exposure_micros) },
    };
    struct instance_view v;
    int count = runner_instances_count(e->runner);
    for (size_t k = 0; k < COUNT_OF(money); k++)
        for (int i = 0; i < count; i++) {
            int64_t micros;
            runner_view(e->runner, i, &v);
            memcpy(&micros, (const char *)&v + money[k].offset, sizeof micros);
            metrics_micros(m, GAUGE, money[k].name, money[k].help, micros, { "strategy", v.config->name });
        }
    for (int i = 0; i < count; i++) {
        runner_view(e->runner, i, &v);
        metrics_int(m, COUNTER, "bell_engine_fills_total", "Executions of this run.", v.fills, { "strategy", v.config->name });
    }
    for (int i = 0; i < count; i++) {
        runner_view(e->runner, i, &v);
        metrics_int(m, GAUGE, "bell_engine_config_version", "Version of the run on record; an edit makes another.", e->runs[i].version,
                    { "strategy", v.config->name });
    }
    for (int i = 0; i < count; i++) {
        runner_view(e->runner, i, &v);
        metrics_int(m, GAUGE, "bell_engine_config_refused", "1 while an edit of its file is not what runs.", e->edits[i].refused,
                    { "strategy", v.config->name });
    }
    for (int i = 0; i < count; i++) {
        runner_view(e->runner, i, &v);
        for (int64_t s = 0; s < v.config->symbols.count; s++)
            metrics_int(m, GAUGE, "bell_engine_position_shares", "Shares held, short ones negative.", runner_book(e->runner, i, (int)s)->qty,
                        { "strategy", v.config->name }, { "symbol", v.config->symbols.names[s] });
    }
}

static void write_all(struct engine *e, struct metrics *m)
{
    size_t open;
    runner_open_parts(e->runner, &open);
    metrics_process(m, "engine");
    metrics_int(m, GAUGE, "bell_engine_stream", "1 while the stream is there.", e->trades_up, { "stream", "trades" });
    metrics_int(m, GAUGE, "bell_engine_stream", "1 while the stream is there.", e->data_up, { "stream", "data" });
    metrics_int(m, COUNTER, "bell_engine_stream_losses_total", "Times a stream was lost or not reached.", e->losses);
    metrics_int(m, GAUGE, "bell_engine_entries_frozen", "1 while no new position is entered.", runner_frozen(e->runner) != NULL);
    metrics_ns(m, GAUGE, "bell_engine_market_time_seconds", "The market's time.", runner_now_ns(e->runner));
    metrics_int(m, COUNTER, "bell_engine_orders_total", "Orders sent.", e->orders_sent);
    metrics_int(m, COUNTER, "bell_engine_orders_refused_total", "Orders the broker did not accept at once.", e->orders_refused);
    metrics_int(m, GAUGE, "bell_engine_orders_open", "Orders that are not over.", (int64_t)open);
    metrics_histogram(m, "bell_engine_order_seconds", "From an order's POST to its reply.", &e->order_took);
    write_instances(e, m);
    metrics_int(m, GAUGE, "bell_engine_outbox_items", "Rows the API has not taken yet.", (int64_t)outbox_pending(e->outbox));
    metrics_int(m, COUNTER, "bell_engine_outbox_rejected_total", "Rows the API refused: see rejected.jsonl.",
                (int64_t)outbox_rejected(e->outbox));
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct engine *e = ctx;
    struct metrics m = { 0 };
    if (strcmp(req->method, "GET") != 0 || strcmp(req->path, "/metrics") != 0) {
        res->status = 404;
        res->body = must_strdup("{\"message\":\"there is GET /metrics\"}");
    } else {
        write_all(e, &m);
        res->status = 200;
        res->content_type = METRICS_TYPE;
        res->body = m.text;
    }
    res->body_size = strlen(res->body);
}

bool status_start(struct engine *e, struct err *err)
{
    static const char *const no_sockets[] = { NULL };
    if (!e->settings.metrics_port)
        return true;
    e->server = http_server_new(&e->loop, &(struct http_server_options){
        .host = e->settings.metrics_host, .port = (int)e->settings.metrics_port, .socket_paths = no_sockets, .ctx = e,
        .connections_max = 20, .on_request = on_request }, err);
    return e->server != NULL;
}

void status_stop(struct engine *e)
{
    if (e->server)
        http_server_stop(e->server);
}
