/* bench_engine - bars through the engine's core, beside a plain loop over the same bars.
 *
 * Bars are made in memory before the clock starts; orders are filled at once at the bar's close by a venue of a few
 * lines. One line each: million bars a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "engine/runner.h"

enum { SYMBOLS = 4, SESSIONS = 500, ROUNDS = 5 };

struct tape {
    struct bar *bars;   /* minute by minute, all symbols of a minute together */
    size_t count;
};

static struct tape tape_make(void)
{
    struct tape t = { 0 };
    struct session s;
    uint64_t seed = 42;
    int64_t price[SYMBOLS] = { 168 * USD, 49 * USD, 14 * USD, 184 * USD };
    t.bars = must_alloc((size_t)SESSIONS * 390 * SYMBOLS, sizeof *t.bars);
    bool ok = calendar_session(20200102, &s);
    for (int day = 0; ok && day < SESSIONS; day++, ok = calendar_next(&s, &s))
        for (int64_t at = s.open_ns; at < s.close_ns; at += MINUTE_NS)
            for (int i = 0; i < SYMBOLS; i++) {
                int64_t open = price[i];
                price[i] += ((int64_t)(random_next(&seed) % 2001) - 1000) * price[i] / 1000000;
                struct bar *b = &t.bars[t.count++];
                *b = (struct bar){ .open_time_ns = at, .open = { open }, .close = { price[i] }, .volume = 1000 };
                b->high = open > price[i] ? b->open : b->close;
                b->low = open > price[i] ? b->close : b->open;
            }
    return t;
}

/* The floor: touch every bar, keep its close and a sum. */
static double floor_rate(const struct tape *t)
{
    static volatile int64_t keep;
    int64_t last[SYMBOLS] = { 0 }, sum = 0;
    int64_t start = clock_mono_ns();
    for (size_t i = 0; i < t->count; i++) {
        last[i % SYMBOLS] = t->bars[i].close.micros;
        sum += t->bars[i].close.micros - t->bars[i].open.micros;
    }
    keep = sum + last[0];
    (void)keep;
    return (double)t->count * 1e3 / (double)(clock_mono_ns() - start);
}

/* Fills every order at the last close. */
static int64_t fill_all(struct runner *r, const struct bar *bar)
{
    int64_t orders = 0;
    size_t count;
    while (runner_actions(r, &count), count > 0) {
        int parts[64];
        size_t n = 0;
        const struct action *a = runner_actions(r, &count);
        for (size_t i = 0; i < count && n < COUNT_OF(parts); i++)
            if (a[i].kind == ACTION_ORDER)
                parts[n++] = a[i].part;
        runner_actions_clear(r);
        for (size_t i = 0; i < n; i++, orders++) {
            int64_t qty = runner_part(r, parts[i])->qty;
            runner_update(r, parts[i], &(struct runner_update){
                .status = ORDER_FILLED, .filled_qty = qty, .fill_qty = qty, .fill_price = bar->close,
                .average = PRICE_NONE, .time_ns = bar->open_time_ns });
        }
    }
    return orders;
}

static double core_rate(const struct tape *t, const struct strategy_plugin *plugin, const void *params, int64_t *orders)
{
    static const char names[SYMBOLS][SYMBOL_SIZE] = { "SPY", "AIG", "BAC", "IBM" };
    struct instance_config config = { .name = "bench", .strategy = plugin, .capital = 1000000 * USD, .quantity = 100,
                                      .days = SESSIONS, .params = (void *)(uintptr_t)params };
    struct err err;
    size_t count;
    config.risk = (struct risk_limits){ .orders_per_minute = 1000, .price_band = 100000, .max_age = HOUR_NS };
    config.symbols.count = SYMBOLS;
    memcpy(config.symbols.names, names, sizeof names);
    struct runner *r = runner_new(t->bars[0].open_time_ns - HOUR_NS, 0);
    if (!r || runner_add(r, &config, &err) < 0) {
        fprintf(stderr, "bench_engine: %s\n", r ? err.text : "no calendar");
        exit(1);
    }
    runner_start(r);
    *orders = 0;
    int64_t start = clock_mono_ns();
    for (size_t i = 0; i < t->count; i += SYMBOLS) {
        for (int s = 0; s < SYMBOLS; s++) {
            runner_bar(r, s, &t->bars[i + (size_t)s]);
            runner_actions(r, &count);
            if (count)
                *orders += fill_all(r, &t->bars[i + (size_t)s]);
        }
        runner_time(r, t->bars[i].open_time_ns + MINUTE_NS);
        runner_actions(r, &count);
        if (count)
            *orders += fill_all(r, &t->bars[i + SYMBOLS - 1]);
    }
    double rate = (double)t->count * 1e3 / (double)(clock_mono_ns() - start);
    runner_free(r);
    return rate;
}

static void empty_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    (void)state;
    (void)host;
    (void)symbol;
    (void)bar;
}
static const struct strategy_plugin empty = { .abi = STRATEGY_ABI, .size = sizeof empty, .name = "empty", .summary = "x",
                                              .state_size = 8, .on_bar = empty_bar };

extern const struct strategy_plugin strategy_plugin; /* ma_crossover */

static void *defaults(const struct strategy_plugin *p)
{
    struct err err;
    void *params = must_alloc(1, p->state_size);
    for (size_t i = 0; i < p->params_count; i++)
        if (!setting_parse(&p->params[i], p->params[i].fallback, params, &err)) {
            fprintf(stderr, "bench_engine: %s\n", err.text);
            exit(1);
        }
    return params;
}

int main(void)
{
    struct tape t = tape_make();
    double floor = 0, plain = 0, cross = 0;
    int64_t orders = 0, none;
    void *params = defaults(&strategy_plugin);
    for (int i = 0; i < ROUNDS; i++) { /* the best of some: the machine is shared */
        double f = floor_rate(&t), e = core_rate(&t, &empty, NULL, &none), c = core_rate(&t, &strategy_plugin, params, &orders);
        floor = f > floor ? f : floor;
        plain = e > plain ? e : plain;
        cross = c > cross ? c : cross;
    }
    printf("engine core, empty strategy: %.1f M bars/s (floor: plain loop over the same bars %.1f M bars/s)\n", plain, floor);
    printf("engine core, ma_crossover: %.1f M bars/s, %lld orders filled in %zu bars (floor: plain loop over the same bars %.1f M bars/s)\n",
           cross, (long long)orders, t.count, floor);
    free(params);
    free(t.bars);
    return 0;
}
