/* bell-streamer: holds the only connection to each of the broker's streams and relays it twice: to the API
 * through an outbox on disk, and live to the engines. Wiring only. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alpaca/stream.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"
#include "streamer/gap.h"
#include "streamer/reconcile.h"
#include "streamer/relay.h"

enum {
    PATH_SIZE = 400, URL_SIZE = 256, ALWAYS_MAX = 200,
    CLOCK_RETRY_MS_MIN = 100, CLOCK_RETRY_MS_MAX = 5000,
    GOODBYE_MS = 5000, /* for the API to take what is in the outbox */
};

struct settings {
    char rest_url[URL_SIZE], trades_url[URL_SIZE], data_url[URL_SIZE], bars_url[URL_SIZE], api_url[URL_SIZE], host[64], state[PATH_SIZE],
        key_file[PATH_SIZE], secret_file[PATH_SIZE], bars[2048], source[32];
    int64_t port, reconcile, engine_lost_timeout;
    bool live, verbose;
};

#define S struct settings
static const struct setting settings[] = {
    SETTING_OF_TEXT(S, rest_url, .fallback = "http://127.0.0.1:8081", .help = "The broker's REST API, without /v2."),
    SETTING_OF_TEXT(S, trades_url, .fallback = "ws://127.0.0.1:8081/stream",
                    .help = "The broker's stream of trade updates."),
    SETTING_OF_TEXT(S, data_url, .fallback = "ws://127.0.0.1:8081/v2/iex", .help = "The broker's market data stream."),
    SETTING_OF_TEXT(S, bars_url, .fallback = "", .help = "REST of past bars (https://data.alpaca.markets); empty: as rest_url."),
    SETTING_OF_TEXT(S, api_url, .fallback = "http://127.0.0.1:8080", .help = "bell-api."),
    SETTING_OF_TEXT(S, host, .fallback = "127.0.0.1", .help = "Address the relay listens on."),
    SETTING_INT64(S, port, SETTING_COUNT, .fallback = "8082", .min = 0, .max = 65535,
                  .help = "Port of the relay; 0 takes a free one."),
    SETTING_OF_TEXT(S, key_file, .fallback = "var/secrets/key", .secret = true,
                    .help = "File with the broker's key id."),
    SETTING_OF_TEXT(S, secret_file, .fallback = "var/secrets/secret", .secret = true,
                    .help = "File with the broker's secret."),
    SETTING_OF_TEXT(S, state, .fallback = "var/streamer", .help = "Folder of the outbox and of what was relayed."),
    SETTING_OF_TEXT(S, bars, .fallback = "",
                    .help = "Symbols whose bars are recorded whether an engine wants them or not, with commas between; * "
                            "is all."),
    SETTING_OF_TEXT(S, source, .fallback = "",
                    .help = "Source written to recorded bars; empty: exchange for a replay, otherwise the feed in "
                            "data_url."),
    SETTING_INT64(S, reconcile, SETTING_DURATION, .fallback = "60s", .min = 0, .max = DAY_NS,
                  .help = "How often REST is asked what the streams may have missed (not in lockstep); 0s: only after "
                          "each connect."),
    SETTING_INT64(S, engine_lost_timeout, SETTING_DURATION, .fallback = "0s", .min = 0, .max = DAY_NS,
                  .help = "How long lockstep waits for an engine that vanished; 0s: until it is back."),
    SETTING_OF_BOOL(S, live, .fallback = "false", .help = "Yes, these URLs are real money."),
    SETTING_OF_BOOL(S, verbose, .fallback = "false", .help = "Log more."),
};

static const struct program program = {
    .name = "bell-streamer",
    .summary = "Relays the broker's streams to the API, through an outbox on disk, and live to engines.",
    .usage = "  bell-streamer                                          between bell-exchange and bell-api on this machine\n"
             "  bell-streamer --rest-url https://paper-api.alpaca.markets \\\n"
             "    --trades-url wss://paper-api.alpaca.markets/stream --data-url wss://stream.data.alpaca.markets/v2/iex \\\n"
             "    --bars-url https://data.alpaca.markets\n",
    .settings = settings,
    .settings_count = COUNT_OF(settings),
};

/* A trade update that came before it was known whose account it is of. */
struct held {
    struct held *next;
    struct alpaca_trade_update update;
    size_t size;
    char raw[];
};

struct streamer {
    struct settings settings;
    char key[128], secret[128], source[32], account[32]; /* account "": not known since the last connect */
    char told[32];   /* the account whose source is in the outbox */
    char always[ALWAYS_MAX][SYMBOL_SIZE];
    size_t always_count;
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    uv_timer_t clock_retry, period, failing, goodbye;
    struct outbox *outbox;
    struct record *record;
    struct alpaca_rest *rest, *bars;
    struct reconcile *reconcile;
    struct gap *gap;
    struct relay *relay;
    struct alpaca_stream *trades, *data;
    struct held *held, **held_end;
    int clock_failures;
    int64_t updates, bars_relayed, losses; /* since the start */
    bool in_lockstep, stopping, failed, outbox_closed;
};

/* ---- the end */

static void close_outbox(struct streamer *s)
{
    if (s->outbox_closed)
        return;
    s->outbox_closed = true;
    if (outbox_pending(s->outbox) > 0)
        log_warn("outbox_kept", KV_INT("items", outbox_pending(s->outbox)));
    outbox_close(s->outbox);
    uv_close((uv_handle_t *)&s->goodbye, NULL);
}

static void on_goodbye_over(uv_timer_t *t)
{
    close_outbox(t->data);
}

static void on_delivered(void *ctx)
{
    struct streamer *s = ctx;

    if (s->stopping) /* not from inside the outbox */
        uv_timer_start(&s->goodbye, on_goodbye_over, 0, 0);
}

static void on_last_commit(void *ctx, bool ok)
{
    struct streamer *s = ctx;

    if (!ok)
        s->failed = true;
    if (outbox_pending(s->outbox) == 0)
        on_delivered(s);
}

static void stop(struct streamer *s)
{
    if (s->stopping) { /* asked twice: what is in the outbox stays for the next start */
        close_outbox(s);
        return;
    }
    log_info("stopping", KV_INT("pending", outbox_pending(s->outbox)));
    s->stopping = true;
    relay_stop(s->relay);
    alpaca_stream_free(s->trades);
    alpaca_stream_free(s->data);
    alpaca_rest_free(s->rest);
    alpaca_rest_free(s->bars);
    reconcile_free(s->reconcile);
    gap_free(s->gap);
    uv_close((uv_handle_t *)&s->clock_retry, NULL);
    uv_close((uv_handle_t *)&s->period, NULL);
    uv_close((uv_handle_t *)&s->failing, NULL);
    uv_timer_start(&s->goodbye, on_goodbye_over, GOODBYE_MS, 0);
    outbox_commit(s->outbox, on_last_commit, s);
}

static void on_failing(uv_timer_t *t)
{
    struct streamer *s = t->data;

    if (!s->stopping)
        stop(s);
}

/* Not to be gone on with: what can be saved is saved, and the exit status is 1. A turn later, for it may be
 * a stream's callback that found out. */
static void fail(struct streamer *s, const char *why)
{
    log_error("failed", KV_TEXT("why", why));
    s->failed = true;
    if (!s->stopping)
        uv_timer_start(&s->failing, on_failing, 0, 0);
}

static void on_signal(uv_signal_t *h, int number)
{
    (void)number;
    stop(h->data);
}

/* ---- trade updates */

static void record_or_fail(struct streamer *s, bool ok, const struct err *err)
{
    if (ok || s->failed)
        return;
    if (err->code == ERR_INPUT) /* this one; the next may be fine */
        log_error("event_not_recorded", KV_TEXT("why", err->text));
    else
        fail(s, err->text);
}

static void on_update(void *ctx, const struct alpaca_trade_update *u, const char *raw, size_t size)
{
    struct streamer *s = ctx;
    struct held *h;
    struct err err;

    relay_update(s->relay, raw, size);
    if (u->event == ALPACA_EVENT_UNKNOWN)
        log_warn("event_unknown", KV_TEXT("raw", raw));
    s->updates++;
    log_info("update_relayed", KV_TEXT("client_order_id", u->order.client_order_id), KV_TEXT("order_id", u->order.id),
             KV_TEXT("event", u->event == ALPACA_EVENT_UNKNOWN ? "unknown" : alpaca_event_names[u->event]), KV_TIME("at", u->timestamp));
    if (s->account[0]) {
        record_or_fail(s, record_update(s->record, s->account, u, raw, size, &err), &err);
        return;
    }
    h = must_alloc(1, sizeof *h + size);
    h->update = *u;
    h->size = size;
    memcpy(h->raw, raw, size);
    *s->held_end = h;
    s->held_end = &h->next;
}

static void on_account(void *ctx, const char *number)
{
    struct streamer *s = ctx;
    struct err err;

    if (!s->account[0])
        log_info("account_known", KV_TEXT("account", number));
    text_copy(s->account, sizeof s->account, number);
    gap_account(s->gap, number);
    if (strcmp(s->told, number) != 0) {
        record_or_fail(s, record_account(s->record, number, s->source, clock_utc_ns(), &err), &err);
        text_copy(s->told, sizeof s->told, number);
    }
    while (s->held) {
        struct held *h = s->held;
        s->held = h->next;
        record_or_fail(s, record_update(s->record, number, &h->update, h->raw, h->size, &err), &err);
        free(h);
    }
    s->held_end = &s->held;
}

static void on_reconcile_failed(void *ctx, const struct err *err)
{
    record_or_fail(ctx, false, err);
}

/* ---- the two streams */

static void both_ready(struct streamer *s)
{
    if (!alpaca_stream_is_ready(s->trades) || !alpaca_stream_is_ready(s->data))
        return;
    relay_up(s->relay, alpaca_stream_has_ticks(s->data), alpaca_stream_is_subscribed(s->data));
    log_info("relaying", KV_INT("port", relay_port(s->relay)),
             KV_TEXT("ticks", alpaca_stream_has_ticks(s->data) ? "true" : "false"));
}

static void on_trades_ready(void *ctx)
{
    struct streamer *s = ctx;

    s->account[0] = '\0'; /* another server may answer now */
    reconcile_start(s->reconcile);
    both_ready(s);
}

static void on_data_ready(void *ctx)
{
    struct streamer *s = ctx;

    s->in_lockstep = alpaca_stream_has_ticks(s->data);
    both_ready(s);
}

static void on_down(struct streamer *s, bool data, const char *why, bool gone)
{
    relay_down(s->relay, data);
    s->losses++;
    if (data)
        gap_down(s->gap);
    if (gone)
        fail(s, why);
}

static void on_trades_down(void *ctx, const char *why, bool gone)
{
    on_down(ctx, false, why, gone);
}

static void on_data_down(void *ctx, const char *why, bool gone)
{
    on_down(ctx, true, why, gone);
}

static void on_marker(void *ctx, int64_t n)
{
    relay_marker(((struct streamer *)ctx)->relay, n);
}

static void on_message(void *ctx, const struct alpaca_message *m)
{
    struct streamer *s = ctx;
    struct err err;

    relay_message(s->relay, m);
    if (m->kind == ALPACA_MESSAGE_TICK)
        s->in_lockstep = m->tick.speed == 0;
    if (m->kind == ALPACA_MESSAGE_BAR) {
        s->bars_relayed++;
        gap_bar(s->gap, m->symbol, m->bar.open_time_ns + MINUTE_NS);
        record_or_fail(s, record_bar(s->record, m->symbol, &m->bar, s->source, &err), &err);
    }
}

static void on_subscribed(void *ctx, int64_t code)
{
    struct streamer *s = ctx;

    relay_subscribed(s->relay, code);
    if (code == 0)
        gap_subscribed(s->gap, relay_wanted_bars(s->relay), alpaca_stream_has_ticks(s->data));
}

static void on_wanted(void *ctx, const struct symbol_set *bars, const struct symbol_set *quotes)
{
    struct streamer *s = ctx;

    if (s->data && !s->stopping)
        alpaca_stream_subscribe(s->data, (const char (*)[SYMBOL_SIZE])bars->names, bars->count,
                                (const char (*)[SYMBOL_SIZE])quotes->names, quotes->count);
}

static void on_ack(void *ctx, int64_t n, int64_t wake_ns)
{
    struct streamer *s = ctx;

    if (s->data && !s->stopping)
        alpaca_stream_ack(s->data, n, wake_ns);
}

static json_t *on_health(void *ctx)
{
    struct streamer *s = ctx;

    return json_pack("{s:s,s:s,s:I,s:I}", "part", "streamer", "account", s->account, "pending",
                     (json_int_t)outbox_pending(s->outbox), "rejected", (json_int_t)outbox_rejected(s->outbox));
}

static void on_metrics(void *ctx, struct metrics *m)
{
    struct streamer *s = ctx;

    metrics_process(m, "streamer");
    metrics_int(m, METRIC_GAUGE, "bell_streamer_upstream", "1 while the broker's stream is there.",
                s->trades && alpaca_stream_is_ready(s->trades), { "stream", "trades" });
    metrics_int(m, METRIC_GAUGE, "bell_streamer_upstream", "1 while the broker's stream is there.",
                s->data && alpaca_stream_is_ready(s->data), { "stream", "data" });
    metrics_int(m, METRIC_COUNTER, "bell_streamer_losses_total", "Times a stream of the broker was lost or not reached.", s->losses);
    metrics_int(m, METRIC_COUNTER, "bell_streamer_updates_total", "Order events relayed.", s->updates);
    metrics_int(m, METRIC_COUNTER, "bell_streamer_bars_total", "Bars relayed.", s->bars_relayed);
    metrics_int(m, METRIC_COUNTER, "bell_streamer_bars_filled_total", "Bars the stream did not bring, asked for by REST.",
                gap_filled(s->gap));
    metrics_int(m, METRIC_GAUGE, "bell_streamer_outbox_items", "Rows the API has not taken yet.", (int64_t)outbox_pending(s->outbox));
    metrics_int(m, METRIC_COUNTER, "bell_streamer_outbox_rejected_total", "Rows the API refused: see rejected.jsonl.",
                (int64_t)outbox_rejected(s->outbox));
}

static void open_streams(struct streamer *s)
{
    struct alpaca_stream_options trades = {
        .kind = ALPACA_STREAM_TRADES, .url = s->settings.trades_url, .key = s->key, .secret = s->secret,
        .lockstep = true, .ctx = s, .on_ready = on_trades_ready, .on_down = on_trades_down, .on_update = on_update,
        .on_marker = on_marker,
    };
    struct alpaca_stream_options data = {
        .kind = ALPACA_STREAM_DATA, .url = s->settings.data_url, .key = s->key, .secret = s->secret,
        .lockstep = true, .ctx = s, .on_ready = on_data_ready, .on_down = on_data_down, .on_message = on_message,
        .on_subscribed = on_subscribed,
    };

    s->trades = alpaca_stream_new(&s->loop, &trades);
    s->data = alpaca_stream_new(&s->loop, &data);
    alpaca_stream_subscribe(s->data, (const char (*)[SYMBOL_SIZE])s->always, s->always_count, NULL, 0);
}

/* ---- the start */

static void ask_clock(uv_timer_t *t);

/* ".../v2/iex" has iex. */
static const char *feed_of(const char *data_url)
{
    const char *feed = strrchr(data_url, '/');
    return feed ? feed + 1 : "";
}

/* The name bars are recorded under: "exchange" for a replay, or the feed. */
static void name_source(struct streamer *s, const struct alpaca_clock *clock)
{
    const char *feed = feed_of(s->settings.data_url);

    text_copy(s->source, sizeof s->source,
              s->settings.source[0] ? s->settings.source : clock->is_replay || !feed[0] ? "exchange" : feed);
}

static void on_clock(void *ctx, const struct alpaca_reply *reply)
{
    struct streamer *s = ctx;
    struct alpaca_clock clock;
    struct err err = { ERR_NONE, "" };
    int64_t ms = s->clock_failures < 6 ? (int64_t)CLOCK_RETRY_MS_MIN << s->clock_failures : CLOCK_RETRY_MS_MAX;

    if (reply->status == 200 && alpaca_clock_decode(reply->body, &clock, &err)) {
        name_source(s, &clock);
        open_streams(s);
        return;
    }
    if (s->clock_failures++ == 0) /* said once */
        log_warn("broker_not_reached", KV_TEXT("url", s->settings.rest_url), KV_INT("status", reply->status),
                 KV_TEXT("why", reply->status == 0 ? reply->text : err.text[0] ? err.text : reply->message));
    ms = ms > CLOCK_RETRY_MS_MAX ? CLOCK_RETRY_MS_MAX : ms;
    uv_timer_start(&s->clock_retry, ask_clock, (uint64_t)(reply->retry_after_ms > ms ? reply->retry_after_ms : ms), 0);
}

static void ask_clock(uv_timer_t *t)
{
    struct streamer *s = t->data;

    alpaca_rest_call(s->rest, "GET", "/v2/clock", NULL, on_clock, s);
}

static void on_period(uv_timer_t *t)
{
    struct streamer *s = t->data;

    if (s->trades && !s->in_lockstep && alpaca_stream_is_ready(s->trades))
        reconcile_start(s->reconcile);
}

/* "SPY, IBM" or "*". */
static bool read_always(struct streamer *s, struct err *err)
{
    char text[sizeof s->settings.bars], *rest = text, *name;

    text_copy(text, sizeof text, s->settings.bars);
    while ((name = strsep(&rest, ", "))) {
        if (!name[0])
            continue;
        if (strcmp(name, "*") != 0 && !symbol_is_valid(name))
            return err_set(err, ERR_INPUT, "bars: \"%.40s\" is neither a symbol nor *", name);
        if (s->always_count == ALWAYS_MAX)
            return err_set(err, ERR_INPUT, "bars: more than %d symbols; * is all", ALWAYS_MAX);
        text_copy(s->always[s->always_count++], SYMBOL_SIZE, name);
    }
    return true;
}

static bool settings_are_good(struct streamer *s, struct err *err)
{
    const struct settings *c = &s->settings;

    for (const char *p = c->source; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
            return err_set(err, ERR_INPUT, "source: \"%s\" has other characters than letters, digits, _ and -", c->source);
    return read_always(s, err) && secret_read(c->key_file, s->key, sizeof s->key, err) &&
           secret_read(c->secret_file, s->secret, sizeof s->secret, err) &&
           alpaca_url_is_allowed(c->rest_url, s->key, c->live, err) &&
           alpaca_url_is_allowed(c->trades_url, s->key, c->live, err) &&
           (!c->bars_url[0] || alpaca_url_is_allowed(c->bars_url, s->key, c->live, err)) &&
           alpaca_url_is_allowed(c->data_url, s->key, c->live, err);
}

static bool start(struct streamer *s, struct err *err)
{
    char folder[PATH_SIZE + 16];
    struct outbox_options outbox = { .folder = folder, .api_url = s->settings.api_url };
    struct alpaca_rest_options rest = { .url = s->settings.rest_url, .key = s->key, .secret = s->secret };
    struct relay_options relay = {
        .host = s->settings.host, .port = (int)s->settings.port, .key = s->key, .secret = s->secret,
        .always = (const char (*)[SYMBOL_SIZE])s->always, .always_count = s->always_count,
        .lost_timeout_ns = s->settings.engine_lost_timeout, .ctx = s, .on_wanted = on_wanted, .on_ack = on_ack,
        .on_health = on_health, .on_metrics = on_metrics,
    };
    struct reconcile_options reconcile = { .state = s->settings.state, .ctx = s, .on_account = on_account,
                                           .on_failed = on_reconcile_failed };

    snprintf(folder, sizeof folder, "%s/outbox", s->settings.state);
    s->outbox = outbox_open(&s->loop, &outbox, err);
    if (!s->outbox)
        return false;
    s->relay = relay_new(&s->loop, &relay, err);
    if (!s->relay) {
        outbox_close(s->outbox);
        return false;
    }
    outbox_on_empty(s->outbox, on_delivered, s);
    s->record = record_new(s->outbox);
    s->rest = alpaca_rest_new(&s->loop, &rest);
    if (s->settings.bars_url[0]) {
        rest.url = s->settings.bars_url;
        s->bars = alpaca_rest_new(&s->loop, &rest);
    }
    s->gap = gap_new(&s->loop, &(struct gap_options){
        .rest = s->bars ? s->bars : s->rest, .record = s->record, .state = s->settings.state, .source = s->source,
        .feed = feed_of(s->settings.data_url), .ctx = s, .on_failed = on_reconcile_failed });
    reconcile.rest = s->rest;
    reconcile.record = s->record;
    reconcile.outbox = s->outbox;
    s->reconcile = reconcile_new(&s->loop, &reconcile);
    s->held_end = &s->held;
    uv_timer_init(&s->loop, &s->clock_retry);
    uv_timer_init(&s->loop, &s->period);
    uv_timer_init(&s->loop, &s->failing);
    uv_timer_init(&s->loop, &s->goodbye);
    uv_signal_init(&s->loop, &s->term);
    uv_signal_init(&s->loop, &s->interrupt);
    s->clock_retry.data = s->period.data = s->failing.data = s->goodbye.data = s->term.data = s->interrupt.data = s;
    uv_signal_start(&s->term, on_signal, SIGTERM);
    uv_signal_start(&s->interrupt, on_signal, SIGINT);
    uv_unref((uv_handle_t *)&s->term); /* they go on hearing while the rest closes */
    uv_unref((uv_handle_t *)&s->interrupt);
    if (s->settings.reconcile > 0)
        uv_timer_start(&s->period, on_period, (uint64_t)(s->settings.reconcile / 1000000),
                       (uint64_t)(s->settings.reconcile / 1000000));
    log_info("started", KV_INT("port", relay_port(s->relay)), KV_TEXT("broker", s->settings.rest_url),
             KV_INT("pending", outbox_pending(s->outbox)));
    ask_clock(&s->clock_retry);
    return true;
}

static void finish(struct streamer *s)
{
    uv_close((uv_handle_t *)&s->term, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    relay_free(s->relay);
    record_free(s->record);
    while (s->held) {
        struct held *h = s->held;
        s->held = h->next;
        free(h);
    }
}

int main(int argc, char **argv)
{
    static struct streamer s;
    struct err err;
    bool started;
    int status = program_settings(&program, argc, argv, &s.settings);

    if (status >= 0)
        return status;
    log_start("streamer", s.settings.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (!settings_are_good(&s, &err)) {
        fprintf(stderr, "bell-streamer: %s\n", err.text);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&s.loop);
    started = start(&s, &err);
    if (!started)
        fprintf(stderr, "bell-streamer: %s\n", err.text);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    if (started)
        finish(&s);
    if (uv_loop_close(&s.loop) != 0)
        log_error("loop_not_empty");
    explicit_bzero(s.secret, sizeof s.secret);
    log_info("stopped");
    return started && !s.failed ? 0 : 1;
}
