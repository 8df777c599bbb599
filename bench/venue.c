/* bench_venue - the exchange's whole core: accounts, the rules about orders, buying power, events, fills and books, on the mix
 * of bench_book: 9 % new, 3 % immediate-or-cancel, 6 % cancel and 82 % replace, with about 1,000 orders on 40 price levels
 * whose middle wanders. 64 accounts, each on one side. A replacement is two orders and four events, as at the broker. Orders stay for ever; their
 * memory is taken beforehand. Beside
 * it, in the same run: the events alone (counted by the same sink, nothing behind them). CPU time, best of a few rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base.h"
#include "exchange/venue.h"

enum { LIVE = 1000, SIDE_LEVELS = 20, WARM_UP = 100000, OPERATIONS = 500000, ROUNDS = 5, ACCOUNTS = 64 };
enum { MIDDLE = 10000, WANDER_EVERY = 5000, MEAN_QTY = 50, SLOTS = 4096 };

enum kind { NEW, IOC, CANCEL, REPLACE };

struct operation {
    int64_t price;
    int32_t qty;
    uint16_t slot; /* of a living order; of a new one: where it goes */
    uint8_t kind, account;
};

struct tally {
    uint64_t events, digest;
};

static void on_trade(void *ctx, const struct trade_event *e)
{
    struct tally *t = ctx;
    t->events++;
    t->digest = (t->digest ^ (uint64_t)e->order->filled_qty) * 31 + (uint64_t)e->number + (uint64_t)e->kind;
}

struct stage {
    struct venue *venue;
    struct account *accounts[ACCOUNTS];
    struct order *orders[SLOTS];
    int64_t now_ns;
    struct order_request request;
    struct replace_request replacement;
};

static struct stage *stage_new(struct tally *t)
{
    static const char symbols[][SYMBOL_SIZE] = { "A" };
    struct stage *s = must_alloc(1, sizeof *s);
    const struct venue_options options = { .cash_micros = INT64_C(1000000000) * USD, .without_feed = true, .sink = on_trade,
                                           .reserve_orders = WARM_UP + OPERATIONS,
                                           .ctx = t };
    s->venue = venue_new(&options, symbols, 1);
    s->now_ns = calendar_ns(20131007, 10 * 3600);
    venue_prime(s->venue, 0, (struct price){ MIDDLE * 10000 }, PRICE_NONE, PRICE_NONE);
    for (uint64_t i = 0; i < ACCOUNTS; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", (int)i);
        s->accounts[i] = venue_account_open(s->venue, key, "s", (uint64_t[]){ i, i }, s->now_ns);
    }
    order_request_init(&s->request);
    replace_request_init(&s->replacement);
    s->request.symbol[0] = 'A';
    s->request.type = ORDER_LIMIT;
    s->request.has_qty = s->replacement.has_qty = true;
    return s;
}

static void stage_free(struct stage *s)
{
    venue_free(s->venue);
    free(s);
}

static inline bool apply(struct stage *s, const struct operation *o)
{
    struct refusal r;
    struct order **at = &s->orders[o->slot], *made;
    s->now_ns += 1000;
    if (o->kind == CANCEL)
        return venue_cancel(s->venue, *at, s->now_ns, &r);
    if (o->kind == REPLACE) {
        s->replacement.qty_micros = (*at)->filled_qty + o->qty * QTY_SCALE;
        s->replacement.limit.price.micros = o->price;
        return venue_replace(s->venue, *at, &s->replacement, s->now_ns, at, NULL, &r);
    }
    s->request.side = (enum side)(o->account & 1);
    s->request.qty_micros = o->qty * QTY_SCALE;
    s->request.limit.price.micros = o->price;
    s->request.time_in_force = o->kind == IOC ? TIF_IOC : TIF_DAY;
    return venue_submit(s->venue, s->accounts[o->account], &s->request, s->now_ns, o->kind == IOC ? &made : at, NULL, &r);
}

/* Made on a venue, so that it names orders that live and asks nothing that is refused. */
static struct operation *make_stream(double *live_mean, double *levels_mean)
{
    struct operation *stream = must_alloc(WARM_UP + OPERATIONS, sizeof *stream);
    struct tally t = { 0 };
    struct stage *s = stage_new(&t);
    uint16_t live[SLOTS], spare[SLOTS];
    size_t live_count = 0, spare_count = SLOTS, samples = 0;
    uint64_t random = 2013;
    int64_t middle = MIDDLE, live_sum = 0, levels_sum = 0;
    for (size_t i = 0; i < SLOTS; i++)
        spare[i] = (uint16_t)i;
    for (size_t i = 0; i < WARM_UP + OPERATIONS;) {
        uint64_t draw = random_next(&random), what = draw % 100;
        enum kind kind = i < LIVE || what < 9 ? NEW : what < 12 ? IOC : what < 18 ? CANCEL : REPLACE;
        size_t which = 0;
        if (i % WANDER_EVERY == 0)
            middle += (int64_t)(draw >> 60) % 3 - 1;
        while (kind >= CANCEL) { /* those that traded away are forgotten when met */
            which = (size_t)((random_next(&random) >> 16) % live_count);
            if (order_is_open(s->orders[live[which]]))
                break;
            spare[spare_count++] = live[which];
            live[which] = live[--live_count];
        }
        draw = random_next(&random);
        uint8_t account = kind >= CANCEL ? (uint8_t)(s->orders[live[which]]->account->owner - 1) : (uint8_t)(draw % ACCOUNTS);
        int64_t away = kind == IOC ? -SIDE_LEVELS : 1 + (int64_t)(draw >> 8) % SIDE_LEVELS;
        struct operation *o = &stream[i];
        *o = (struct operation){ .kind = (uint8_t)kind, .account = account,
                                 .price = (middle - side_sign((enum side)(account & 1)) * away) * 10000,
                                 .qty = 1 + (int32_t)((draw >> 32) % (2 * MEAN_QTY)) };
        o->slot = kind == NEW ? spare[spare_count - 1] : live[which];
        struct book_volume v;
        if (kind == IOC || i % 1000 == 0)
            venue_volume(s->venue, 0, &v);
        if (kind == IOC) /* so that the number of orders stays where it is */
            o->qty = v.resting_orders[0] + v.resting_orders[1] > LIVE ? 3 * o->qty : 1;
        if (i >= WARM_UP && i % 1000 == 0) {
            live_sum += v.resting_orders[0] + v.resting_orders[1];
            levels_sum += v.levels[0] + v.levels[1];
            samples++;
        }
        if (!apply(s, o))
            continue; /* refused (nothing would change, shares are held): another one */
        if (kind == NEW)
            live[live_count++] = spare[--spare_count];
        if (kind == CANCEL) {
            spare[spare_count++] = live[which];
            live[which] = live[--live_count];
        }
        i++;
    }
    if (!venue_is_consistent(s->venue))
        abort();
    stage_free(s);
    *live_mean = (double)live_sum / (double)samples;
    *levels_mean = (double)levels_sum / (double)samples;
    return stream;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double venue_rate(const struct operation *stream, struct tally *t)
{
    struct stage *s = stage_new(t);
    uint64_t refused = 0;
    for (size_t i = 0; i < WARM_UP; i++)
        refused += !apply(s, &stream[i]);
    t->events = 0;
    int64_t start = cpu_ns();
    for (size_t i = WARM_UP; i < WARM_UP + OPERATIONS; i++)
        refused += !apply(s, &stream[i]);
    double rate = OPERATIONS * 1e3 / (double)(cpu_ns() - start);
    if (refused)
        abort();
    stage_free(s);
    return rate;
}

static double sink_rate(uint64_t events, struct tally *t)
{
    struct order o = { 0 };
    volatile int kind = TRADE_NEW;
    int64_t start = cpu_ns();
    for (uint64_t i = 0; i < events; i++) {
        const struct trade_event e = { .kind = (enum trade_event_kind)kind, .number = (int64_t)i, .order = &o };
        on_trade(t, &e);
    }
    return OPERATIONS * 1e3 / (double)(cpu_ns() - start);
}

int main(void)
{
    double live, levels, venue = 0, sink = 0;
    struct operation *stream = make_stream(&live, &levels);
    struct tally t = { 0 }, deaf = { 0 };
    for (int i = 0; i < ROUNDS; i++) {
        double r = venue_rate(stream, &t), f = sink_rate(t.events, &deaf);
        venue = r > venue ? r : venue;
        sink = f > sink ? f : sink;
    }
    printf("whole core, 9%% new 3%% ioc 6%% cancel 82%% replace, %d accounts, %.0f orders on %.0f levels: %.1f M operations/s, "
           "%.1f events an operation (floor: the events counted without a core %.0f M operations/s)\n",
           ACCOUNTS, live, levels, venue, (double)t.events / OPERATIONS, sink);
    free(stream);
    return t.digest == 0 && deaf.digest == 0;
}
