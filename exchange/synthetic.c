/* synthetic.c - a market made of random numbers. Each number comes from a generator seeded with (seed, name,
 * date), so any day can be made alone. Only + - * / and sqrt on doubles, which IEEE 754 defines to
 * the bit, without contraction (see CMakeLists.txt): the same cents on every machine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/feed_source.h"

enum { FIRST_DATE = 20000103, YEARS = 51, REGULAR_MAX = 390, PRE_MINUTES = 330, POST_MAX = 240 };

struct walk {
    double base;   /* the price it reverts to */
    double beta;   /* how much of the market's moves it follows */
    double own;    /* its own daily volatility */
    double volume; /* shares in an average minute */
    /* as far as it was walked: close of the session before `date` */
    struct milestone {
        int32_t date; /* 0: none */
        double close;
    } at, years[YEARS]; /* years: where each began, so that going back is never far */
};

struct synthetic {
    uint64_t seed;
    size_t count;
    char (*symbols)[SYMBOL_SIZE];
    struct walk *walks;
    struct feed_series scratch; /* for daily bars */
};

static uint64_t seed_of(uint64_t seed, const char *name, int32_t date)
{
    uint64_t h = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
    h ^= (uint64_t)date * UINT64_C(0xbf58476d1ce4e5b9);
    return random_next(&h);
}

static double uniform(uint64_t *state) /* [0, 1) */
{
    return (double)(random_next(state) >> 11) / 9007199254740992.0;
}

static double gauss(uint64_t *state) /* near enough: twelve uniforms */
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

/* A session's overnight gap and open-to-close return: common factor and own part. */
struct day_moves {
    double gap, session;
};
static struct day_moves moves_of(const struct synthetic *s, const char *name, const struct walk *w,
                                 int32_t date, double previous)
{
    uint64_t common = seed_of(s->seed, "\001market", date), own = seed_of(s->seed, name, date);
    double pull = (w->base - previous) / w->base * 0.004; /* keeps prices plausible over decades */
    struct day_moves m;
    m.gap = 0.004 * w->beta * gauss(&common) + 0.4 * w->own * gauss(&own);
    m.session = 0.007 * w->beta * gauss(&common) + 0.8 * w->own * gauss(&own) + pull;
    m.gap = m.gap < -0.1 ? -0.1 : m.gap > 0.1 ? 0.1 : m.gap;
    m.session = m.session < -0.15 ? -0.15 : m.session > 0.15 ? 0.15 : m.session;
    return m;
}

static double cents(double dollars)
{
    double c = (double)(int64_t)(dollars * 100 + 0.5);
    return (c < 100 ? 100 : c) / 100;
}

static double close_of(double previous, struct day_moves m)
{
    return cents(cents(previous * (1 + m.gap)) * (1 + m.session));
}

/* Close of the session before `date`, walking from where we are, or to go back, from the year's beginning. */
static double close_before(const struct synthetic *s, size_t symbol, int32_t date)
{
    struct walk *w = &s->walks[symbol];
    if (w->at.date == 0) {
        w->at = w->years[0] = (struct milestone){ FIRST_DATE, cents(w->base) };
    } else if (date < w->at.date) {
        int year = date / 10000 - FIRST_DATE / 10000;
        while (year > 0 && (w->years[year].date == 0 || w->years[year].date > date))
            year--;
        w->at = w->years[year > 0 ? year : 0];
    }
    struct session x;
    bool in = calendar_session(w->at.date, &x);
    while (in && w->at.date < date) {
        int year = w->at.date / 10000;
        w->at.close = close_of(w->at.close, moves_of(s, s->symbols[symbol], w, w->at.date, w->at.close));
        in = calendar_next(&x, &x);
        w->at.date = in ? x.date : date;
        if (in && x.date / 10000 != year && x.date / 10000 - FIRST_DATE / 10000 < YEARS)
            w->years[x.date / 10000 - FIRST_DATE / 10000] = w->at;
    }
    return w->at.close;
}

static struct price price_of(double dollars)
{
    return (struct price){ (int64_t)(cents(dollars) * 100 + 0.5) * 10000 };
}

static struct price highest(struct price a, struct price b)
{
    return price_cmp(a, b) > 0 ? a : b;
}

static struct price lowest(struct price a, struct price b)
{
    return price_cmp(a, b) < 0 ? a : b;
}

static void add_minute(struct feed_series *out, uint64_t *random, int64_t time_ns, double open, double close,
                       double wiggle, double volume, double spread)
{
    /* one draw a statement: the order in an initialiser is the compiler's choice */
    double higher = uniform(random), lower = uniform(random), busy = uniform(random), tilt = uniform(random);
    double bids = uniform(random), asks = uniform(random);
    double up = open > close ? open : close, down = open < close ? open : close;
    struct bar *b = &out->own_bars[out->bars_count++];
    *b = (struct bar){ time_ns,
                       price_of(open),
                       price_of(up * (1 + wiggle * higher)),
                       price_of(down * (1 - wiggle * lower)),
                       price_of(close),
                       (int64_t)(volume * (0.5 + busy)) + 1 };
    b->high = highest(b->high, highest(b->open, b->close));
    b->low = lowest(b->low, lowest(b->open, b->close));
    struct quote *q = &out->own_quotes[out->quotes_count++];
    int64_t half = (int64_t)(close * spread * 100 / 2) * 10000, odd = tilt < 0.5 ? 10000 : 0;
    *q = (struct quote){ time_ns,
                         { b->close.micros - half - 10000 + odd },
                         { b->close.micros + half + odd },
                         100 * (1 + (int64_t)(bids * 20)),
                         100 * (1 + (int64_t)(asks * 20)) };
    if (q->bid.micros < 10000)
        q->bid.micros = 10000;
    if (q->ask.micros <= q->bid.micros)
        q->ask.micros = q->bid.micros + 10000;
}

/* A path of n steps from `from` to `to` whose steps have variance weight[i]: a bridge. path[n] is `to`. */
static void bridge(uint64_t *common, double beta, uint64_t *own, double sigma, const double *weight, int n,
                   double from, double to, double *path)
{
    double total = 0, sum = 0, seen = 0;
    for (int i = 0; i < n; i++) {
        double scale = sqrt(weight[i]);
        path[i] = (beta * gauss(common) + gauss(own)) * scale;
        total += weight[i];
        sum += path[i];
    }
    double at = 0;
    for (int i = 0; i < n; i++) {
        at += path[i];
        seen += weight[i];
        double share = seen / total;
        path[i] = (from + (to - from) * share) * (1 + sigma * (at - sum * share) / sqrt(total));
    }
}

static void make_series(const struct synthetic *s, size_t symbol, const struct session *x,
                        struct feed_series *out)
{
    const struct walk *w = &s->walks[symbol];
    enum { ROOM = PRE_MINUTES + REGULAR_MAX + POST_MAX };
    if (!out->own_bars) {
        out->own_bars = must_alloc(ROOM, sizeof *out->own_bars);
        out->own_quotes = must_alloc(ROOM, sizeof *out->own_quotes);
    }
    out->bars_count = out->quotes_count = 0;
    double previous = close_before(s, symbol, x->date);
    struct day_moves m = moves_of(s, s->symbols[symbol], w, x->date, previous);
    double open = cents(previous * (1 + m.gap)), close = close_of(previous, m);
    uint64_t own = seed_of(s->seed ^ 1, s->symbols[symbol], x->date),
             common = seed_of(s->seed ^ 1, "\001market", x->date);
    double weight[REGULAR_MAX], path[REGULAR_MAX];
    double spread = 0.0001 + 100 / (w->volume * w->base);

    double at = previous; /* pre-market: from yesterday's close towards the open, growing busier */
    for (int i = 0; i < PRE_MINUTES; i++) {
        double target = previous + (open - previous) * (i + 1) / PRE_MINUTES;
        double next = target * (1 + 0.0006 * gauss(&own));
        if (uniform(&own) < 0.03 + 0.3 * i * i / (PRE_MINUTES * (double)PRE_MINUTES)) {
            add_minute(out, &own, x->pre_open_ns + i * MINUTE_NS, at, next, 0.0002, w->volume * 0.02,
                       spread * 4);
            at = next;
        }
    }
    int n = (int)((x->close_ns - x->open_ns) / MINUTE_NS);
    for (int i = 0; i < n; i++) {
        double u = 2.0 * i / (n - 1) - 1; /* -1 open, 0 noon, 1 close: the U */
        weight[i] = 0.5 + 2.2 * u * u + (u < -0.9 ? 3 : 0);
    }
    bridge(&common, 0.7 * w->beta, &own, 0.006 * w->beta + 0.6 * w->own, weight, n, open, close, path);
    at = open;
    for (int i = 0; i < n; i++) {
        double next = i == n - 1 ? close : path[i];
        double volume = w->volume * weight[i] * (0.6 + 0.8 * uniform(&own)) * (i == n - 1 ? 3 : 1);
        add_minute(out, &own, x->open_ns + i * MINUTE_NS, at, next, 0.0003 * sqrt(weight[i]), volume, spread);
        at = next;
    }
    int after = (int)((x->post_close_ns - x->close_ns) / MINUTE_NS);
    for (int i = 0; i < after && i < POST_MAX; i++) {
        double next = close * (1 + 0.0008 * gauss(&own));
        if (uniform(&own) < 0.3 / (1 + 0.05 * i) + 0.02) {
            add_minute(out, &own, x->close_ns + i * MINUTE_NS, at, next, 0.0002, w->volume * 0.03,
                       spread * 5);
            at = next;
        }
    }
    out->bars = out->own_bars;
    out->quotes = out->own_quotes;
}

static bool load(void *state, int32_t date, int step, int symbol, struct feed_day *day)
{
    const struct synthetic *s = state;
    struct session x;
    if (step > 0 && date < FIRST_DATE)
        date = FIRST_DATE;
    for (int i = 0; !calendar_session(date, &x); i++) {
        if (i == 14 || date < FIRST_DATE)
            return false; /* beyond the calendar */
        date = calendar_add_days(date, step);
    }
    if (x.date < FIRST_DATE)
        return false;
    day->date = x.date;
    size_t first = symbol < 0 ? 0 : (size_t)symbol, end = symbol < 0 ? s->count : first + 1;
    for (size_t i = first; i < end; i++)
        make_series(s, i, &x, &day->series[i]);
    return true;
}

static size_t days(void *state, int symbol, int32_t from, int32_t to, struct bar *out, size_t max)
{
    struct synthetic *s = state;
    struct session x;
    size_t count = 0;
    if (from < FIRST_DATE)
        from = FIRST_DATE;
    bool any = calendar_session_at(calendar_ns(from, 0), &x);
    while (any && x.date <= to && count < max) {
        make_series(s, (size_t)symbol, &x, &s->scratch);
        count += feed_daily(s->scratch.bars, s->scratch.bars_count, x.date, &out[count]);
        any = calendar_next(&x, &x);
    }
    return count;
}

static void synthetic_free(void *state)
{
    struct synthetic *s = state;
    free(s->scratch.own_bars);
    free(s->scratch.own_quotes);
    free(s->symbols);
    free(s->walks);
    free(s);
}

struct feed *feed_new_synthetic(uint64_t seed, const char (*symbols)[SYMBOL_SIZE], size_t count)
{
    struct synthetic *s = must_alloc(1, sizeof *s);
    s->seed = seed;
    s->count = count;
    s->symbols = must_alloc(count, sizeof *s->symbols);
    s->walks = must_alloc(count, sizeof *s->walks);
    memcpy(s->symbols, symbols, count * sizeof *symbols);
    for (size_t i = 0; i < count; i++) {
        uint64_t random = seed_of(seed, symbols[i], 0);
        double u = uniform(&random);
        s->walks[i] = (struct walk){ .base = 15 + 385 * u * u,
                                     .beta = 0.6 + 0.9 * uniform(&random),
                                     .own = 0.004 + 0.012 * uniform(&random) };
        double lively = uniform(&random);
        s->walks[i].volume = 3000 + 60000 * lively * lively;
    }
    const struct feed_source source = {
        .state = s, .free = synthetic_free, .load = load, .days = days, .is_synthetic = true
    };
    return feed_new(&source, symbols, count);
}
