#include "streamer/gap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

enum { SAVE_MS = 1000, AGAIN_MS = 65000, RETRY_MS = 5000, PATH_SIZE = 512, SYMBOLS_ASKED = 100 };

struct known {
    char symbol[SYMBOL_SIZE];
    int64_t newest_ns;       /* end of the newest bar recorded */
    int64_t from_ns;         /* a gap begins here; 0: none */
    bool asked;              /* in the request under way */
    bool twice;              /* asked for; what was just being made then is asked for once more */
};

struct gap {
    struct gap_options o;
    uv_timer_t save, again;
    char account[32];
    struct known *known;
    size_t count;
    struct symbol_set wanted;
    bool busy, ticks, dirty, closed;
    int64_t filled, filled_before;
    int handles;
};

static struct known *known_of(struct gap *g, const char *symbol)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->known[i].symbol, symbol) == 0)
            return &g->known[i];
    g->known = must_realloc(g->known, g->count + 1, sizeof *g->known);
    struct known *k = &g->known[g->count++];
    *k = (struct known){ .newest_ns = 0 };
    text_copy(k->symbol, sizeof k->symbol, symbol);
    return k;
}

/* ---- how far we are, on disk */

static bool path_of(const struct gap *g, const char *name, char out[PATH_SIZE])
{
    return snprintf(out, PATH_SIZE, "%s/%s%s%s", g->o.state, g->account, name[0] ? "/" : "", name) < PATH_SIZE;
}

static void load(struct gap *g)
{
    char path[PATH_SIZE], line[128], symbol[SYMBOL_SIZE], time[TIME_TEXT_SIZE];
    FILE *f = path_of(g, "bars", path) ? fopen(path, "re") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        int64_t ns;
        if (sscanf(line, "%15s %31s", symbol, time) != 2 || !symbol_is_valid(symbol) || !time_parse(time, strlen(time), &ns)) {
            log_warn("bars_unreadable", KV_TEXT("path", path), KV_TEXT("line", line));
            continue;
        }
        struct known *k = known_of(g, symbol);
        if (!k->from_ns || ns < k->from_ns)
            k->from_ns = ns;
        if (ns > k->newest_ns)
            k->newest_ns = ns;
    }
    if (f)
        fclose(f);
}

static void save(struct gap *g)
{
    char folder[PATH_SIZE], path[PATH_SIZE], fresh[PATH_SIZE], time[TIME_TEXT_SIZE];
    g->dirty = false;
    bool ok = path_of(g, "", folder) && path_of(g, "bars", path) && path_of(g, "bars.new", fresh) &&
              (mkdir(folder, 0700) == 0 || errno == EEXIST);
    FILE *f = ok ? fopen(fresh, "we") : NULL;
    for (size_t i = 0; f && i < g->count; i++) {
        const struct known *k = &g->known[i];
        time_format(k->from_ns ? k->from_ns : k->newest_ns, time);
        fprintf(f, "%s %s\n", k->symbol, time);
    }
    ok = f && fclose(f) == 0 && rename(fresh, path) == 0;
    if (!ok)
        log_warn("bars_not_saved", KV_TEXT("path", path), KV_TEXT("why", strerror(errno)));
}

static void on_save(uv_timer_t *t)
{
    struct gap *g = t->data;
    if (g->dirty && g->account[0])
        save(g);
}

/* ---- asking */

static void ask(struct gap *g, const char *page_token);

static bool is_wanted(const struct gap *g, const char *symbol)
{
    for (size_t i = 0; i < g->wanted.count; i++)
        if (strcmp(g->wanted.names[i], symbol) == 0 || strcmp(g->wanted.names[i], "*") == 0)
            return true;
    return false;
}

static void on_again(uv_timer_t *t)
{
    struct gap *g = t->data;
    if (!g->busy)
        ask(g, NULL);
}

static bool take_bars(struct gap *g, const char *symbol, const json_t *list)
{
    size_t i;
    json_t *item;
    struct err err;
    json_array_foreach(list, i, item) {
        struct bar bar;
        memset(&bar, 0, sizeof bar);
        if (!alpaca_bar_decode(item, &bar, &err)) {
            log_warn("bar_unreadable", KV_TEXT("symbol", symbol), KV_TEXT("why", err.text));
            continue;
        }
        if (!record_bar(g->o.record, symbol, &bar, g->o.source, &err)) {
            g->o.on_failed(g->o.ctx, &err);
            return false;
        }
        g->filled++;
        gap_bar(g, symbol, bar.open_time_ns + MINUTE_NS);
    }
    return true;
}

static void over(struct gap *g, bool ok)
{
    bool more = false, soon = false;
    g->busy = false;
    for (size_t i = 0; i < g->count; i++) {
        struct known *k = &g->known[i];
        if (k->asked && ok) {
            k->twice = !g->ticks && !k->twice;
            k->from_ns = k->twice ? clock_utc_ns() - 3 * MINUTE_NS : 0;
        }
        k->asked = false;
        more = more || (k->from_ns && is_wanted(g, k->symbol));
        soon = soon || (k->from_ns && !k->twice && is_wanted(g, k->symbol));
    }
    if (g->filled > g->filled_before)
        log_info("bars_filled", KV_INT("count", g->filled - g->filled_before));
    g->filled_before = g->filled;
    g->dirty = true;
    if (more && !g->closed)
        uv_timer_start(&g->again, on_again, !ok ? RETRY_MS : soon ? 0 : AGAIN_MS, 0);
}

static void on_bars(void *ctx, const struct alpaca_reply *reply)
{
    struct gap *g = ctx;
    const char *symbol, *token = json_string_value(json_object_get(reply->body, "next_page_token"));
    json_t *list, *all = json_object_get(reply->body, "bars");
    bool ok = reply->status == 200 && all;
    if (!ok)
        log_warn("bars_unknown", KV_INT("status", reply->status), KV_TEXT("why", reply->status ? reply->message : reply->text));
    json_object_foreach(ok ? all : NULL, symbol, list)
        ok = ok && take_bars(g, symbol, list);
    if (ok && token)
        ask(g, token);
    else
        over(g, ok);
}

/* All gaps at once, from where the oldest begins: what is known already is the same row. */
static void ask(struct gap *g, const char *page_token)
{
    char path[SYMBOLS_ASKED * SYMBOL_SIZE + 512], from[TIME_TEXT_SIZE];
    int64_t from_ns = INT64_MAX;
    size_t n = (size_t)snprintf(path, sizeof path, "/v2/stocks/bars?timeframe=1Min&limit=10000%s%s&symbols=",
                                g->o.feed[0] ? "&feed=" : "", g->o.feed);
    size_t asked = 0;
    for (size_t i = 0; i < g->count && asked < SYMBOLS_ASKED; i++) {
        struct known *k = &g->known[i];
        if (page_token ? !k->asked : !k->from_ns || !is_wanted(g, k->symbol))
            continue;
        k->asked = true;
        if (k->from_ns < from_ns)
            from_ns = k->from_ns;
        n += (size_t)snprintf(path + n, sizeof path - n, "%s%s", asked++ ? "," : "", k->symbol);
    }
    g->busy = asked > 0;
    if (!g->busy)
        return;
    time_format(from_ns, from);
    snprintf(path + n, sizeof path - n, "&start=%s%s%s", from, page_token ? "&page_token=" : "", page_token ? page_token : "");
    alpaca_rest_call(g->o.rest, "GET", path, NULL, on_bars, g);
}

/* ---- what happens */

void gap_account(struct gap *g, const char *number)
{
    if (strcmp(g->account, number) == 0)
        return;
    g->count = 0; /* another one's market may be another */
    text_copy(g->account, sizeof g->account, number);
    load(g);
    if (!g->busy)
        ask(g, NULL);
}

void gap_bar(struct gap *g, const char *symbol, int64_t end_ns)
{
    struct known *k = known_of(g, symbol);
    if (end_ns > k->newest_ns)
        k->newest_ns = end_ns;
    g->dirty = true;
}

void gap_down(struct gap *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (!g->known[i].from_ns)
            g->known[i].from_ns = g->known[i].newest_ns;
        g->known[i].asked = g->known[i].twice = false; /* an answer under way may come too early for this one */
    }
    g->wanted.count = 0;
}

void gap_subscribed(struct gap *g, const struct symbol_set *bars, bool ticks)
{
    g->ticks = ticks;
    symbol_set_clear(&g->wanted);
    g->wanted.names = must_alloc(bars->count + 1, SYMBOL_SIZE);
    memcpy(g->wanted.names, bars->names, bars->count * SYMBOL_SIZE);
    g->wanted.count = bars->count;
    if (!g->busy && g->account[0])
        ask(g, NULL);
}

int64_t gap_filled(const struct gap *g)
{
    return g->filled;
}

/* ---- life */

struct gap *gap_new(uv_loop_t *loop, const struct gap_options *options)
{
    struct gap *g = must_alloc(1, sizeof *g);
    g->o = *options;
    g->handles = 2;
    uv_timer_init(loop, &g->save);
    uv_timer_init(loop, &g->again);
    g->save.data = g->again.data = g;
    uv_timer_start(&g->save, on_save, SAVE_MS, SAVE_MS);
    return g;
}

static void on_closed(uv_handle_t *h)
{
    struct gap *g = h->data;
    if (--g->handles > 0)
        return;
    symbol_set_clear(&g->wanted);
    free(g->known);
    free(g);
}

void gap_free(struct gap *g)
{
    g->closed = true;
    if (g->account[0])
        save(g);
    uv_close((uv_handle_t *)&g->save, on_closed);
    uv_close((uv_handle_t *)&g->again, on_closed);
}
