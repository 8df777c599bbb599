/* missed.c - bars that were missed while the data stream was down.
 *
 * When it is back they are asked for by REST, and what the stream brings meanwhile waits: strategies see every bar once, in
 * order. They are history: indicators go on over them, nothing is traded on them (runner_missed). Not to be had, the
 * engine goes on without, and says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"

struct missed {
    struct engine *engine;
    char *path;              /* without the page */
    size_t count, max;
    struct past_bar {
        int symbol;
        struct bar bar;
    } *bars;
};

static int by_time(const void *a, const void *b)
{
    const struct past_bar *x = a, *y = b;
    if (x->bar.open_time_ns != y->bar.open_time_ns)
        return x->bar.open_time_ns < y->bar.open_time_ns ? -1 : 1;
    return (x->symbol > y->symbol) - (x->symbol < y->symbol);
}

/* The market's time as far as it is told: by a tick that waits, or by the world's clock. */
static int64_t market_ns(const struct engine *e)
{
    int64_t now = runner_now_ns(e->runner);
    for (size_t i = 0; i < e->held_count; i++)
        if (e->held[i].kind == ALPACA_MESSAGE_TICK && e->held[i].tick.time_ns > now)
            now = e->held[i].tick.time_ns;
    return e->ticks ? now : clock_utc_ns();
}

static void missed_free(struct engine *e)
{
    if (e->missed) {
        free(e->missed->bars);
        free(e->missed->path);
    }
    free(e->missed);
    e->missed = NULL;
}

static void over(struct missed *m)
{
    struct engine *e = m->engine;
    size_t held = e->held_count;
    if (m->count) {
        qsort(m->bars, m->count, sizeof *m->bars, by_time);
        runner_clock(e->runner, market_ns(e));
        log_info("bars_missed", KV_INT("count", m->count), KV_TIME("from", m->bars[0].bar.open_time_ns));
    }
    for (size_t i = 0; i < m->count; i++)
        runner_missed(e->runner, m->bars[i].symbol, &m->bars[i].bar);
    missed_free(e);
    for (size_t i = 0; i < held && !e->over; i++) {
        engine_message(e, &e->held[i]);
    }
    e->held_count = 0;
    engine_turn(e);
}

static void ask(struct missed *m, const char *token);

static void on_bars(void *ctx, const struct alpaca_reply *reply)
{
    struct missed *m = ctx;
    struct engine *e = m->engine;
    const char *name, *token = json_string_value(json_object_get(reply->body, "next_page_token"));
    json_t *list, *item, *all = json_object_get(reply->body, "bars");
    size_t i;
    e->calls--;
    if (reply->status != 200)
        log_warn("bars_unknown", KV_INT("status", reply->status), KV_TEXT("reason", reply->status ? reply->message : reply->text));
    json_object_foreach(reply->status == 200 ? all : NULL, name, list) {
        int symbol = runner_symbol(e->runner, name);
        json_array_foreach(symbol < 0 ? NULL : list, i, item) {
            struct err err;
            struct past_bar past = { .symbol = symbol };
            if (!alpaca_bar_decode(item, &past.bar, &err) || past.bar.open_time_ns + MINUTE_NS <= e->bar_end[symbol])
                continue;
            if (m->count == m->max) {
                m->max = m->max ? 2 * m->max : 256;
                m->bars = must_realloc(m->bars, m->max, sizeof *m->bars);
            }
            m->bars[m->count++] = past;
        }
    }
    if (reply->status == 200 && token && !e->over)
        ask(m, token);
    else
        over(m);
}

static void ask(struct missed *m, const char *token)
{
    size_t size = strlen(m->path) + (token ? strlen(token) : 0) + 32;
    char *path = must_alloc(1, size);
    snprintf(path, size, "%s%s%s", m->path, token ? "&page_token=" : "", token ? token : "");
    m->engine->calls++;
    alpaca_rest_call(m->engine->bars ? m->engine->bars : m->engine->rest, "GET", path, NULL, on_bars, m);
    free(path);
}

void missed_ask(struct engine *e)
{
    int count = runner_symbols_count(e->runner);
    int64_t from_ns = INT64_MAX;
    char from[TIME_TEXT_SIZE];
    size_t size = (size_t)count * SYMBOL_SIZE + 200, n;
    for (int i = 0; i < count; i++)
        if (e->bar_end[i] && e->bar_end[i] < from_ns)
            from_ns = e->bar_end[i];
    if (from_ns == INT64_MAX || e->missed)
        return;
    struct missed *m = must_alloc(1, sizeof *m);
    m->engine = e;
    m->path = must_alloc(1, size);
    time_format(from_ns, from);
    n = (size_t)snprintf(m->path, size, "/v2/stocks/bars?timeframe=1Min&limit=10000&start=%s&symbols=", from);
    for (int i = 0; i < count; i++)
        n += (size_t)snprintf(m->path + n, size - n, "%s%s", i ? "," : "", runner_symbol_name(e->runner, i));
    e->missed = m;
    ask(m, NULL);
}

bool missed_hold(struct engine *e, const struct alpaca_message *m)
{
    if (!e->missed)
        return false;
    if (e->held_count == e->held_max) {
        e->held_max = e->held_max ? 2 * e->held_max : 64;
        e->held = must_realloc(e->held, e->held_max, sizeof *e->held);
    }
    e->held[e->held_count] = *m;
    e->held[e->held_count++].raw = NULL;
    return true;
}

void missed_clear(struct engine *e)
{
    missed_free(e);
    free(e->held);
}
