#include "exchange/feed_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

/* In the order in which events of one time are dealt with. */
enum event_kind { EVENT_QUOTE, EVENT_ENDED, EVENT_STARTING };

struct event {
    int64_t time_ns;
    int32_t kind, symbol;
    size_t index;
};

struct feed {
    struct feed_source source;
    size_t symbols_count;
    char (*symbols)[SYMBOL_SIZE];
    /* the cursor: one day at a time */
    struct feed_day day, past; /* past: history's, each symbol's of a day of its own: */
    int32_t *past_dates;       /* 0: not loaded */
    struct event *events;
    size_t events_count, events_size, next;
    int64_t from_ns;
    bool exhausted;
    /* what feed_take lends */
    struct symbol_quote *quotes;
    struct symbol_bar *ended, *starting;
    size_t ended_count;
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
    f->past_dates = must_alloc(count, sizeof *f->past_dates);
    /* two days can meet at midnight: room for two events of a kind and symbol */
    f->quotes = must_alloc(2 * count, sizeof *f->quotes);
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
    free(f->events);
    free(f->quotes);
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

/* ---- the cursor */

static int event_order(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind - b->kind;
    return a->symbol - b->symbol;
}

static void add_event(struct feed *f, int64_t time_ns, enum event_kind kind, size_t symbol, size_t index)
{
    if (time_ns < f->from_ns)
        return;
    if (f->events_count == f->events_size) {
        f->events_size = f->events_size ? f->events_size * 2 : 4096;
        f->events = must_realloc(f->events, f->events_size, sizeof *f->events);
    }
    f->events[f->events_count++] = (struct event){ time_ns, (int32_t)kind, (int32_t)symbol, index };
}

/* The next day with an event, from `date` on. */
static void load_day(struct feed *f, int32_t date)
{
    f->events_count = f->next = 0;
    while (f->events_count == 0) {
        if (!f->source.load(f->source.state, date, 1, -1, &f->day)) {
            f->exhausted = true;
            return;
        }
        for (size_t s = 0; s < f->symbols_count; s++) {
            const struct feed_series *x = &f->day.series[s];
            for (size_t i = 0; i < x->bars_count; i++) {
                add_event(f, x->bars[i].open_time_ns, EVENT_STARTING, s, i);
                add_event(f, x->bars[i].open_time_ns + MINUTE_NS, EVENT_ENDED, s, i);
            }
            for (size_t i = 0; i < x->quotes_count; i++)
                add_event(f, x->quotes[i].time_ns + MINUTE_NS, EVENT_QUOTE, s, i);
        }
        date = calendar_add_days(f->day.date, 1);
    }
    qsort(f->events, f->events_count, sizeof *f->events, event_order);
}

void feed_seek(struct feed *f, int64_t time_ns)
{
    f->from_ns = time_ns;
    f->exhausted = false;
    load_day(f, calendar_date(time_ns - MINUTE_NS)); /* what ends at midnight belongs to the day before */
}

int64_t feed_next_ns(struct feed *f)
{
    if (!f->exhausted && f->next == f->events_count)
        load_day(f, calendar_add_days(f->day.date, 1));
    return f->exhausted ? INT64_MAX : f->events[f->next].time_ns;
}

void feed_take(struct feed *f, struct instant *out)
{
    *out = (struct instant){
        .time_ns = feed_next_ns(f), .quotes = f->quotes, .ended = f->ended, .starting = f->starting
    };
    while (feed_next_ns(f) == out->time_ns && out->time_ns != INT64_MAX) {
        const struct event *e = &f->events[f->next++];
        const struct feed_series *s = &f->day.series[e->symbol];
        if (e->kind == EVENT_QUOTE) {
            struct symbol_quote *q = &f->quotes[out->quotes_count++];
            *q = (struct symbol_quote){ e->symbol, s->quotes[e->index] };
            q->quote.time_ns = e->time_ns; /* the state at the end of its minute */
        } else if (e->kind == EVENT_ENDED) {
            f->ended[out->ended_count++] = (struct symbol_bar){ e->symbol, s->bars[e->index] };
        } else {
            f->starting[out->starting_count++] = (struct symbol_bar){ e->symbol, s->bars[e->index] };
        }
    }
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
