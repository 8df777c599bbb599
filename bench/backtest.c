/* bench_backtest - 2,000 sessions of one-minute bars through a backtest: feed, venue, engine, strategy.
 *
 * The bars are made in memory before the clock starts. CPU time of this process, the best of some rounds. Given a folder,
 * the bars are also written there (bars-1min.csv), for a peer to be measured on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base.h"
#include "core/clock.h"
#include "engine/backtest.h"
#include "exchange/feed_source.h"

enum { SESSIONS = 2000, MINUTES = 390, ROUNDS = 5 };

struct tape {
    struct bar *bars;
    int32_t dates[SESSIONS];
    int64_t ends_ns;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A random walk in cents; half days are left out, so that the count is round. */
static void tape_make(struct tape *t)
{
    struct session s;
    uint64_t seed = 42;
    int64_t cents = 16800;
    t->bars = must_alloc((size_t)SESSIONS * MINUTES, sizeof *t->bars);
    bool ok = calendar_session(20100104, &s);
    for (int day = 0; ok && day < SESSIONS; ok = calendar_next(&s, &s)) {
        if (s.is_half_day)
            continue;
        for (int i = 0; i < MINUTES; i++) {
            int64_t open = cents, close = cents += (int64_t)(random_next(&seed) % 17) - 8;
            if (close < 5000)
                cents = close = 5000;
            t->bars[day * MINUTES + i] = (struct bar){
                .open_time_ns = s.open_ns + i * MINUTE_NS, .open = { open * 10000 }, .close = { close * 10000 },
                .high = { (open > close ? open : close) * 10000 + 10000 },
                .low = { (open < close ? open : close) * 10000 - 10000 }, .volume = 1000 };
        }
        t->dates[day++] = s.date;
        t->ends_ns = s.close_ns;
    }
}

static bool tape_load(void *state, int32_t date, int step, int symbol, struct feed_day *day)
{
    const struct tape *t = state;
    int i = 0;
    (void)symbol;
    while (i < SESSIONS && t->dates[i] < date)
        i++;
    if (step < 0 && (i == SESSIONS || t->dates[i] != date))
        i--;
    if (i < 0 || i == SESSIONS)
        return false;
    day->date = t->dates[i];
    day->series[0].bars = t->bars + i * MINUTES;
    day->series[0].bars_count = MINUTES;
    return true;
}

static void tape_free(void *state)
{
    (void)state;
}

static bool tape_write(const struct tape *t, const char *folder)
{
    char path[1024], time[TIME_TEXT_SIZE], price[4][PRICE_TEXT_MAX];
    snprintf(path, sizeof path, "%s/bars-1min.csv", folder);
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    fprintf(file, "symbol,timestamp,open,high,low,close,volume\n");
    for (int i = 0; i < SESSIONS * MINUTES; i++) {
        const struct bar *b = &t->bars[i];
        time_format(b->open_time_ns, time);
        price_format(b->open, price[0]);
        price_format(b->high, price[1]);
        price_format(b->low, price[2]);
        price_format(b->close, price[3]);
        fprintf(file, "SPY,%s,%s,%s,%s,%s,1000\n", time, price[0], price[1], price[2], price[3]);
    }
    return fclose(file) == 0;
}

/* The floor: touch every bar, keep a sum. */
static double floor_rate(const struct tape *t)
{
    static volatile int64_t keep;
    int64_t sum = 0;
    double start = cpu_s();
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < SESSIONS * MINUTES; i++)
            sum += t->bars[i].close.micros - t->bars[i].open.micros * round;
    keep = sum;
    (void)keep;
    return 10.0 * SESSIONS * MINUTES / (cpu_s() - start) / 1e6;
}

static double backtest_rate(struct tape *t, const struct instance_list *list, int64_t *fills)
{
    static const char symbols[1][SYMBOL_SIZE] = { "SPY" };
    const struct feed_source source = { .state = t, .free = tape_free, .load = tape_load, .first_date = t->dates[0],
                                        .last_date = t->dates[SESSIONS - 1], .ends_ns = t->ends_ns };
    struct feed *feed = feed_new(&source, symbols, 1);
    struct err err;
    struct backtest *b = backtest_new(list, feed, &(struct backtest_options){
        .from_ns = calendar_ns(t->dates[0], 4 * 3600), .until_ns = INT64_MAX, .ends_ns = t->ends_ns,
        .cash_micros = 1000000 * USD }, &err);
    if (!b) {
        fprintf(stderr, "bench_backtest: %s\n", err.text);
        exit(1);
    }
    double start = cpu_s();
    backtest_run(b);
    double seconds = cpu_s() - start;
    *fills = backtest_result(b, 0)->fills;
    if (backtest_bars(b) != SESSIONS * MINUTES || !backtest_is_consistent(b)) {
        fprintf(stderr, "bench_backtest: the run is not right\n");
        exit(1);
    }
    backtest_free(b);
    feed_free(feed);
    return SESSIONS * MINUTES / seconds / 1e6;
}

extern const struct strategy_plugin strategy_plugin; /* ma_crossover */

int main(int argc, char **argv)
{
    static struct tape t;
    struct instance_config config = { .name = "bench", .path = "bench", .strategy = &strategy_plugin, .capital = 1000000 * USD,
                                      .quantity = 100 };
    const struct instance_list list = { .count = 1, .items = &config };
    double floor = 0, rate = 0;
    int64_t fills = 0;
    struct err err;

    tape_make(&t);
    if (argc > 1 && !tape_write(&t, argv[1])) {
        fprintf(stderr, "bench_backtest: %s could not be written\n", argv[1]);
        return 1;
    }
    config.symbols.count = 1;
    memcpy(config.symbols.names[0], "SPY", 4);
    config.risk = (struct risk_limits){ .orders_per_minute = 60, .price_band = 100000, .max_age = 15 * MINUTE_NS };
    config.params = must_alloc(1, strategy_plugin.state_size);
    for (size_t i = 0; i < strategy_plugin.params_count; i++) {
        const struct setting *p = &strategy_plugin.params[i];
        if (!setting_parse(p, strcmp(p->name, "overnight") == 0 ? "true" : p->fallback, config.params, &err)) {
            fprintf(stderr, "bench_backtest: %s\n", err.text);
            return 1;
        }
    }
    for (int i = 0; i < ROUNDS; i++) { /* the best of some: the machine is shared */
        double f = floor_rate(&t), r = backtest_rate(&t, &list, &fills);
        floor = f > floor ? f : floor;
        rate = r > rate ? r : rate;
    }
    printf("backtest, ma_crossover 10/30 overnight: %.1f M bars/s of CPU, %lld fills in %d bars (floor: plain loop over the same bars %.0f M bars/s; reach for 20)\n",
           rate, (long long)fills, SESSIONS * MINUTES, floor);
    free(config.params);
    free(t.bars);
    return 0;
}
