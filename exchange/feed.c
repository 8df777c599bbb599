#include "exchange/feed_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

/* Where the cursor stands in a symbol's day: its next bar to start, bar to end, quote to apply. */
struct place {
    size_t starting, ended, quote, trade, tick;
};

struct feed {
    struct feed_source source;
    size_t symbols_count;
    char (*symbols)[SYMBOL_SIZE];
    /* the cursor: one day at a time */
    struct feed_day day, past; /* past: history's, each symbol's of a day of its own: */
    int32_t *past_dates;       /* 0: not loaded */
    struct place *places;
    int64_t from_ns, next_ns; /* next_ns: of this day; INT64_MAX: nothing left of it */
    bool exhausted;
    /* what feed_take lends */
    struct symbol_quote *quotes;
    struct symbol_trade *trades;
    size_t quotes_size, trades_size;
    struct symbol_bar *ended, *starting;
};

struct feed *feed_new(const struct feed_source *source, const char (*symbols)[SYMBOL_SIZE], size_t count)
{
    struct feed *f = must_alloc(1, sizeof *f);
    f->source = *source;
    f->symbols_count = count;
    f->symbols = must_alloc(count, sizeof *f->symbols);
    memcpy(f->symbols, symbols, count * sizeof *f->symbols);
    f->day.series = must_alloc(count, sizeof *f->day.series);
    f->past.series = must_alloc(count, sizeof *f->past.series);
    f->places = must_alloc(count, sizeof *f->places);
    f->past_dates = must_alloc(count, sizeof *f->past_dates);
    /* two days can meet at midnight: room for two events of a kind and symbol */
    f->ended = must_alloc(2 * count, sizeof *f->ended);
    f->starting = must_alloc(2 * count, sizeof *f->starting);
    f->exhausted = true;
    return f;
}

static void day_free(struct feed *f, struct feed_day *d)
{
    for (size_t i = 0; i < f->symbols_count; i++) {
        free(d->series[i].own_bars);
        free(d->series[i].own_quotes);
    }
    free(d->series);
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    day_free(f, &f->day);
    day_free(f, &f->past);
    free(f->past_dates);
    f->source.free(f->source.state);
    free(f->symbols);
    free(f->places);
    free(f->quotes);
    free(f->trades);
    free(f->ended);
    free(f->starting);
    free(f);
}

size_t feed_symbols_count(const struct feed *f)
{
    return f->symbols_count;
}

const char (*feed_symbols(const struct feed *f))[SYMBOL_SIZE]
{
    return (const char(*)[SYMBOL_SIZE])f->symbols;
}

bool feed_is_synthetic(const struct feed *f)
{
    return f->source.is_synthetic;
}

int32_t feed_first_date(const struct feed *f)
{
    return f->source.first_date;
}

int32_t feed_last_date(const struct feed *f)
{
    return f->source.last_date;
}

int64_t feed_ends_ns(const struct feed *f)
{
    return f->source.ends_ns;
}

size_t feed_actions(const struct feed *f, const struct corporate_action **out)
{
    *out = f->source.actions;
    return f->source.actions_count;
}

/* ---- the cursor */

static inline int64_t place_ns(const struct feed_series *s, const struct place *p)
{
    int64_t next = INT64_MAX;
    if (p->ended < s->bars_count)
        next = s->bars[p->ended].open_time_ns + MINUTE_NS;
    if (p->starting < s->bars_count && s->bars[p->starting].open_time_ns < next)
        next = s->bars[p->starting].open_time_ns;
    if (p->quote < s->quotes_count && s->quotes[p->quote].time_ns + MINUTE_NS < next)
        next = s->quotes[p->quote].time_ns + MINUTE_NS;
    if (p->trade < s->trades_count && s->trades[p->trade].time_ns < next)
        next = s->trades[p->trade].time_ns;
    if (p->tick < s->ticks_count && s->ticks[p->tick].time_ns < next)
        next = s->ticks[p->tick].time_ns;
    return next;
}

/* The next day with an event, from `date` on. */
static void load_day(struct feed *f, int32_t date)
{
    f->next_ns = INT64_MAX;
    while (f->next_ns == INT64_MAX) {
        if (!f->source.load(f->source.state, date, 1, -1, &f->day)) {
            f->exhausted = true;
            return;
        }
        for (size_t i = 0; i < f->symbols_count; i++) {
            const struct feed_series *s = &f->day.series[i];
            struct place *p = &f->places[i];
            *p = (struct place){ 0 };
            while (p->starting < s->bars_count && s->bars[p->starting].open_time_ns < f->from_ns)
                p->starting++;
            while (p->ended < s->bars_count && s->bars[p->ended].open_time_ns + MINUTE_NS < f->from_ns)
                p->ended++;
            while (p->quote < s->quotes_count && s->quotes[p->quote].time_ns + MINUTE_NS < f->from_ns)
                p->quote++;
            while (p->trade < s->trades_count && s->trades[p->trade].time_ns < f->from_ns)
                p->trade++;
            while (p->tick < s->ticks_count && s->ticks[p->tick].time_ns < f->from_ns)
                p->tick++;
            int64_t next = place_ns(s, p);
            if (next < f->next_ns)
                f->next_ns = next;
        }
        date = calendar_add_days(f->day.date, 1);
    }
}

void feed_seek(struct feed *f, int64_t time_ns)
{
    f->from_ns = time_ns;
    f->exhausted = false;
    load_day(f, calendar_date(time_ns - MINUTE_NS)); /* what ends at midnight belongs to the day before */
}

int64_t feed_next_ns(struct feed *f)
{
    if (!f->exhausted && f->next_ns == INT64_MAX)
        load_day(f, calendar_add_days(f->day.date, 1));
    return f->exhausted ? INT64_MAX : f->next_ns;
}

/* One more of what an instant lends. */
static struct symbol_quote *add_quote(struct feed *f, struct instant *out)
{
    if (out->quotes_count == f->quotes_size)
        f->quotes = must_realloc(f->quotes, f->quotes_size = f->quotes_size ? 2 * f->quotes_size : 64, sizeof *f->quotes);
    return &f->quotes[out->quotes_count++];
}

static struct symbol_trade *add_trade(struct feed *f, struct instant *out)
{
    if (out->trades_count == f->trades_size)
        f->trades = must_realloc(f->trades, f->trades_size = f->trades_size ? 2 * f->trades_size : 64, sizeof *f->trades);
    return &f->trades[out->trades_count++];
}

/* What of the loaded day happens at the instant's time, in order of symbols; moves on to the next time. */
static void take_day(struct feed *f, struct instant *out)
{
    f->next_ns = INT64_MAX;
    for (size_t i = 0; i < f->symbols_count; i++) {
        const struct feed_series *s = &f->day.series[i];
        struct place *p = &f->places[i];
        int symbol = (int)i;
        if (p->quote < s->quotes_count && s->quotes[p->quote].time_ns + MINUTE_NS == out->time_ns) {
            struct symbol_quote *q = add_quote(f, out);
            *q = (struct symbol_quote){ symbol, s->quotes[p->quote++] };
            q->quote.time_ns = out->time_ns; /* the state at the end of its minute */
        }
        while (p->tick < s->ticks_count && s->ticks[p->tick].time_ns == out->time_ns)
            *add_quote(f, out) = (struct symbol_quote){ symbol, s->ticks[p->tick++] };
        while (p->trade < s->trades_count && s->trades[p->trade].time_ns == out->time_ns)
            *add_trade(f, out) = (struct symbol_trade){ symbol, s->trades[p->trade++] };
        bool is_told = s->trades_count > 0;
        if (p->ended < s->bars_count && s->bars[p->ended].open_time_ns + MINUTE_NS == out->time_ns)
            f->ended[out->ended_count++] = (struct symbol_bar){ symbol, s->bars[p->ended++], is_told };
        if (p->starting < s->bars_count && s->bars[p->starting].open_time_ns == out->time_ns)
            f->starting[out->starting_count++] = (struct symbol_bar){ symbol, s->bars[p->starting++], is_told };
        int64_t next = place_ns(s, p);
        if (next < f->next_ns)
            f->next_ns = next;
    }
}

void feed_take(struct feed *f, struct instant *out)
{
    *out = (struct instant){ .time_ns = feed_next_ns(f), .ended = f->ended, .starting = f->starting };
    while (out->time_ns != INT64_MAX && feed_next_ns(f) == out->time_ns)
        take_day(f, out);
    out->quotes = f->quotes;
    out->trades = f->trades;
}

/* ---- history */

/* A symbol's past day at or after (before) *date, which becomes its date; keeps the one loaded when it is the
 * same. NULL: there is none. */
static const struct feed_series *past_day(struct feed *f, int symbol, int32_t *date, int step)
{
    if (f->past_dates[symbol] != *date) {
        if (!f->source.load(f->source.state, *date, step, symbol, &f->past))
            return NULL;
        f->past_dates[symbol] = f->past.date;
    }
    *date = f->past_dates[symbol];
    return &f->past.series[symbol];
}

bool feed_daily(const struct bar *bars, size_t count, int32_t date, struct bar *out)
{
    struct session s;
    bool any = false;
    if (!calendar_session(date, &s))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct bar *b = &bars[i];
        if (b->open_time_ns < s.open_ns || b->open_time_ns >= s.close_ns)
            continue;
        if (!any)
            *out = (struct bar){ calendar_ns(date, 0), b->open, b->high, b->low, b->close, 0 };
        any = true;
        out->high = price_cmp(b->high, out->high) > 0 ? b->high : out->high;
        out->low = price_cmp(b->low, out->low) < 0 ? b->low : out->low;
        out->close = b->close;
        out->volume += b->volume;
    }
    return any;
}

size_t feed_bars(struct feed *f, int symbol, int64_t from_ns, int64_t to_ns, struct bar *out, size_t max)
{
    size_t count = 0;
    if (from_ns >= to_ns)
        return 0;
    int32_t date = calendar_date(from_ns), last = calendar_date(to_ns);
    const struct feed_series *s;
    while (count < max && date <= last && (s = past_day(f, symbol, &date, 1)) && date <= last) {
        for (size_t i = 0; i < s->bars_count && count < max; i++)
            if (s->bars[i].open_time_ns >= from_ns && s->bars[i].open_time_ns < to_ns)
                out[count++] = s->bars[i];
        date = calendar_add_days(date, 1);
    }
    return count;
}

size_t feed_days(struct feed *f, int symbol, int32_t from, int32_t to, struct bar *out, size_t max)
{
    if (f->source.days)
        return f->source.days(f->source.state, symbol, from, to, out, max);
    size_t count = 0;
    const struct feed_series *s;
    while (count < max && from <= to && (s = past_day(f, symbol, &from, 1)) && from <= to) {
        if (feed_daily(s->bars, s->bars_count, from, &out[count]))
            count++;
        from = calendar_add_days(from, 1);
    }
    return count;
}

size_t feed_quotes(struct feed *f, int symbol, int64_t from_ns, int64_t to_ns, struct quote *out, size_t max, bool last)
{
    size_t count = 0;
    int step = last ? -1 : 1;
    int32_t first = calendar_date(from_ns - MINUTE_NS), end = calendar_date(to_ns - MINUTE_NS),
            date = last ? end : first;
    const struct feed_series *s;
    while (from_ns <= to_ns && count < max && (s = past_day(f, symbol, &date, step)) && date >= first && date <= end) {
        for (size_t i = 0; i < s->quotes_count && count < max; i++) {
            struct quote q = s->quotes[last ? s->quotes_count - 1 - i : i];
            q.time_ns += MINUTE_NS;
            if (q.time_ns >= from_ns && q.time_ns <= to_ns)
                out[count++] = q;
        }
        date = calendar_add_days(date, step);
    }
    for (size_t i = 0; last && i < count / 2; i++) {
        struct quote q = out[i];
        out[i] = out[count - 1 - i];
        out[count - 1 - i] = q;
    }
    return count;
}

enum { LOOK_BACK_DAYS = 30 }; /* how many days with data a search for a last price goes back */

bool feed_last_bar(struct feed *f, int symbol, int64_t time_ns, struct bar *out)
{
    int32_t date = calendar_date(time_ns);
    const struct feed_series *s;
    for (int n = 0; n < LOOK_BACK_DAYS && (s = past_day(f, symbol, &date, -1)); n++) {
        for (size_t i = s->bars_count; i-- > 0;)
            if (s->bars[i].open_time_ns + MINUTE_NS <= time_ns) {
                *out = s->bars[i];
                return true;
            }
        date = calendar_add_days(date, -1);
    }
    return false;
}

bool feed_last_quote(struct feed *f, int symbol, int64_t time_ns, struct quote *out)
{
    int32_t date = calendar_date(time_ns);
    const struct feed_series *s;
    for (int n = 0; n < LOOK_BACK_DAYS && (s = past_day(f, symbol, &date, -1)); n++) {
        for (size_t i = s->quotes_count; i-- > 0;)
            if (s->quotes[i].time_ns + MINUTE_NS <= time_ns) {
                *out = s->quotes[i];
                out->time_ns += MINUTE_NS;
                return true;
            }
        date = calendar_add_days(date, -1);
    }
    return false;
}

struct price feed_close_before(struct feed *f, int symbol, int32_t date)
{
    struct bar day;
    int32_t at = calendar_add_days(date, -1);
    if (f->source.days) {
        for (int n = 0; n < 40; n++, at = calendar_add_days(at, -1))
            if (f->source.days(f->source.state, symbol, at, at, &day, 1))
                return day.close;
        return PRICE_NONE;
    }
    const struct feed_series *s;
    for (int n = 0; n < LOOK_BACK_DAYS && (s = past_day(f, symbol, &at, -1)); n++, at = calendar_add_days(at, -1))
        if (feed_daily(s->bars, s->bars_count, at, &day))
            return day.close;
    return PRICE_NONE;
}

struct price feed_reference(struct feed *f, int symbol, int64_t time_ns)
{
    struct bar b;
    if (feed_last_bar(f, symbol, time_ns, &b))
        return b.close;
    return feed_bars(f, symbol, time_ns - DAY_NS, INT64_C(4000000000) * SECOND_NS, &b, 1) ? b.open
                                                                                          : PRICE_NONE;
}
