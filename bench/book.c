/* bench_book - the order book on a mix of 9 % new, 3 % immediate-or-cancel, 6 % cancel and 82 % replace, with about
 * 1,000 orders on 40 price levels whose middle wanders. Beside it, in the same run: the memory touched and no
 * book (each order's price and quantity stored, its level's sum kept), and the slow model of the tests. The
 * rates are of CPU time, best of a few rounds; the percentiles of single operations, timed one by one, in the
 * round with the lowest p99.9, less what reading the clock takes. */
#include <stdio.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "core/base.h"
#include "tests/support/book_model.h"

enum { LIVE = 1000, SIDE_LEVELS = 20, WARM_UP = 200000, OPERATIONS = 1000000, MODEL_OPERATIONS = 20000, ROUNDS = 7 };
enum { ORDERS_MAX = 4096, TICK = 10000, MIDDLE = 10000, WANDER_EVERY = 5000, PRICES = 65536, MEAN_QTY = 50 };

enum kind { NEW, IOC, CANCEL, REPLACE };

struct operation {
    uint64_t id; /* of a new one: what the book gave it when the stream was made */
    int64_t price;
    int32_t qty;
    uint8_t kind, side;
};

struct tally {
    uint64_t events, digest;
};

static void on_event(void *ctx, const struct book_event *e)
{
    struct tally *t = ctx;
    t->events++;
    t->digest = (t->digest ^ (uint64_t)e->qty) * 31 + e->order + (uint64_t)e->kind;
}

static struct book_options options_for(struct tally *t)
{
    return (struct book_options){ .orders_max = ORDERS_MAX, .tick = { TICK }, .sink = on_event, .ctx = t };
}

static struct book *make_book(struct tally *t)
{
    const struct book_options options = options_for(t);
    struct book *b = book_new(&options);
    if (!b)
        abort();
    return b;
}

/* ---- one operation, for each of the three */

static struct book_order order_of(const struct operation *o)
{
    return (struct book_order){ .side = (enum side)o->side, .tif = o->kind == IOC ? BOOK_IOC : BOOK_DAY,
                                .qty = o->qty, .limit = { o->price } };
}

static inline enum book_result apply(struct book *b, const struct operation *o)
{
    uint64_t id;
    switch (o->kind) {
    case REPLACE:
        return book_replace(b, o->id, o->qty, (struct price){ o->price });
    case CANCEL:
        return book_cancel(b, o->id);
    default: {
        const struct book_order order = order_of(o);
        return book_add(b, &order, &id);
    }
    }
}

static enum book_result apply_model(struct book_model *m, const struct operation *o)
{
    switch (o->kind) {
    case REPLACE:
        return book_model_replace(m, o->id, o->qty, (struct price){ o->price });
    case CANCEL:
        return book_model_cancel(m, o->id);
    default: {
        const struct book_order order = order_of(o);
        return book_model_add(m, &order, o->id);
    }
    }
}

struct plain {
    struct {
        int64_t price, qty;
    } orders[ORDERS_MAX + 2];
    int64_t levels[PRICES];
};

static inline void apply_plain(struct plain *p, const struct operation *o)
{
    uint32_t slot = book_slot(o->id);
    int64_t qty = o->kind == CANCEL || o->kind == IOC ? 0 : o->qty;
    p->levels[p->orders[slot].price / TICK] -= p->orders[slot].qty;
    p->orders[slot].price = o->price;
    p->orders[slot].qty = qty;
    p->levels[o->price / TICK] += qty;
}

/* ---- the stream, made on a book so that it names orders that live */

static struct operation *make_stream(double *live_mean, double *levels_mean)
{
    struct operation *stream = must_alloc(WARM_UP + OPERATIONS, sizeof *stream);
    uint64_t ids[ORDERS_MAX], random = 2013;
    size_t live = 0, samples = 0;
    int64_t middle = MIDDLE, live_sum = 0, levels_sum = 0;
    struct tally t = { 0 };
    struct book *b = make_book(&t);
    for (size_t i = 0; i < WARM_UP + OPERATIONS; i++) {
        struct operation *o = &stream[i];
        uint64_t draw = random_next(&random), what = draw % 100;
        enum kind kind = i < LIVE || what < 9 ? NEW : what < 12 ? IOC : what < 18 ? CANCEL : REPLACE;
        struct book_order old = { 0 };
        size_t which = 0;
        if (i % WANDER_EVERY == 0)
            middle += (int64_t)(draw >> 60) % 3 - 1;
        while (kind == CANCEL || kind == REPLACE) { /* those that traded away are forgotten when met */
            which = (size_t)((random_next(&random) >> 16) % live);
            if (book_find(b, ids[which], &old))
                break;
            ids[which] = ids[--live];
        }
        draw = random_next(&random);
        enum side side = kind == REPLACE || kind == CANCEL ? old.side : (enum side)(draw & 1);
        int64_t away = kind == IOC ? -SIDE_LEVELS : 1 + (int64_t)(draw >> 8) % SIDE_LEVELS;
        *o = (struct operation){ .kind = (uint8_t)kind, .side = (uint8_t)side,
                                 .price = (middle - side_sign(side) * away) * TICK,
                                 .qty = 1 + (int32_t)((draw >> 32) % (2 * MEAN_QTY)) };
        struct book_volume v;
        if (kind == IOC || i % 1000 == 0)
            book_volume(b, &v);
        if (kind == IOC) /* so that the number of orders stays where it is */
            o->qty = v.resting_orders[0] + v.resting_orders[1] > LIVE ? 3 * o->qty : 1;
        if (i >= WARM_UP && i % 1000 == 0) {
            live_sum += v.resting_orders[0] + v.resting_orders[1];
            levels_sum += v.levels[0] + v.levels[1];
            samples++;
        }
        if (kind == NEW || kind == IOC) {
            const struct book_order order = order_of(o);
            if (book_add(b, &order, &o->id) != BOOK_OK || live == ORDERS_MAX)
                abort();
            if (kind == NEW)
                ids[live++] = o->id;
        } else {
            o->id = ids[which];
            if (apply(b, o) != BOOK_OK)
                abort();
            if (kind == CANCEL)
                ids[which] = ids[--live];
        }
    }
    book_free(b);
    *live_mean = (double)live_sum / (double)samples;
    *levels_mean = (double)levels_sum / (double)samples;
    return stream;
}

/* ---- rounds */

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct book *warm_book(const struct operation *stream, struct tally *t)
{
    struct book *b = make_book(t);
    for (size_t i = 0; i < WARM_UP; i++)
        apply(b, &stream[i]);
    return b;
}

static double book_rate(const struct operation *stream, struct tally *t)
{
    struct book *b = warm_book(stream, t);
    uint64_t refused = 0;
    int64_t start = cpu_ns();
    for (size_t i = WARM_UP; i < WARM_UP + OPERATIONS; i++)
        refused += apply(b, &stream[i]) != BOOK_OK;
    double rate = OPERATIONS * 1e3 / (double)(cpu_ns() - start);
    if (refused || !book_is_consistent(b))
        abort();
    book_free(b);
    return rate;
}

static double plain_rate(const struct operation *stream, int64_t *sum)
{
    struct plain *p = must_alloc(1, sizeof *p);
    int64_t start = cpu_ns();
    for (size_t i = WARM_UP; i < WARM_UP + OPERATIONS; i++)
        apply_plain(p, &stream[i]);
    double rate = OPERATIONS * 1e3 / (double)(cpu_ns() - start);
    *sum += p->levels[MIDDLE];
    free(p);
    return rate;
}

/* The whole warm-up would take the model minutes: it starts with the stream, as does the book it is compared
 * with. */
static double model_rate(const struct operation *stream)
{
    struct tally t = { 0 }, same = { 0 };
    const struct book_options options = options_for(&t);
    struct book_model *m = book_model_new(&options);
    struct book *b = make_book(&same);
    for (size_t i = 0; i < LIVE; i++)
        apply_model(m, &stream[i]);
    int64_t start = cpu_ns();
    for (size_t i = LIVE; i < LIVE + MODEL_OPERATIONS; i++)
        apply_model(m, &stream[i]);
    double rate = MODEL_OPERATIONS * 1e3 / (double)(cpu_ns() - start);
    for (size_t i = 0; i < LIVE + MODEL_OPERATIONS; i++)
        apply(b, &stream[i]);
    if (t.events != same.events || t.digest != same.digest) {
        fprintf(stderr, "bench_book: the book does not say what the model says\n");
        exit(1);
    }
    book_model_free(m);
    book_free(b);
    return rate;
}

/* Ordered against the operation on both sides. */
static inline uint64_t stamp(void)
{
#if defined(__x86_64__)
    _mm_lfence();
    uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static double ns_per_stamp(void)
{
    struct timespec a, z;
    clock_gettime(CLOCK_MONOTONIC, &a);
    uint64_t start = stamp();
    do
        clock_gettime(CLOCK_MONOTONIC, &z);
    while ((z.tv_sec - a.tv_sec) * 1000000000L + z.tv_nsec - a.tv_nsec < 20000000L);
    uint64_t end = stamp();
    return (double)((z.tv_sec - a.tv_sec) * 1000000000L + z.tv_nsec - a.tv_nsec) / (double)(end - start);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t stamp_cost(void)
{
    uint32_t least = UINT32_MAX;
    for (int i = 0; i < 1000; i++) {
        uint64_t a = stamp(), z = stamp();
        least = z - a < least ? (uint32_t)(z - a) : least;
    }
    return least;
}

/* p50, p99, p99.9 */
static void percentiles(const struct operation *stream, uint32_t *took, double ns[3])
{
    static const double at[] = { 0.5, 0.99, 0.999 };
    struct tally t = { 0 };
    struct book *b = warm_book(stream, &t);
    uint32_t cost = stamp_cost();
    for (size_t i = 0; i < OPERATIONS; i++) {
        uint64_t start = stamp();
        apply(b, &stream[WARM_UP + i]);
        uint64_t lasted = stamp() - start;
        took[i] = lasted > cost ? (uint32_t)(lasted - cost) : 0;
    }
    qsort(took, OPERATIONS, sizeof *took, by_value);
    double unit = ns_per_stamp();
    for (size_t i = 0; i < COUNT_OF(at); i++)
        ns[i] = took[(size_t)(at[i] * OPERATIONS)] * unit;
    book_free(b);
}

int main(void)
{
    double live, levels, book = 0, plain = 0, model = 0, ns[3] = { 0 };
    struct operation *stream = make_stream(&live, &levels);
    uint32_t *took = must_alloc(OPERATIONS, sizeof *took);
    struct tally t = { 0 };
    int64_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) { /* in turns: the machine is shared */
        double b = book_rate(stream, &t), p = plain_rate(stream, &sum), m = i < 2 ? model_rate(stream) : 0, n[3];
        percentiles(stream, took, n);
        book = b > book ? b : book;
        plain = p > plain ? p : plain;
        model = m > model ? m : model;
        if (i == 0 || n[2] < ns[2])
            memcpy(ns, n, sizeof ns);
    }
    printf("book, 9%% new 3%% ioc 6%% cancel 82%% replace, %.0f orders on %.0f levels: %.1f M operations/s, "
           "p50 %.0f ns, p99 %.0f ns, p99.9 %.0f ns (floor: plain stores without a book %.1f M operations/s, the tests' slow model "
           "%.2f M operations/s)\n",
           live, levels, book, ns[0], ns[1], ns[2], plain, model);
    free(took);
    free(stream);
    return t.digest == 0 && sum == 0;
}
