/* rest_market.c - assets, clock, calendar and market data. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "exchange/rest.h"

/* ---- assets, clock, calendar */

void rest_get_assets(struct call *c)
{
    const char *status = parameter_text(c, "status"), *kind = parameter_text(c, "asset_class"),
               *venue = parameter_text(c, "exchange");
    bool any = (!status || strcmp(status, "active") == 0) && (!kind || strcmp(kind, "us_equity") == 0) &&
               (!venue || strcmp(venue, "NYSE") == 0);
    json_t *list = json_array();
    for (size_t i = 0; any && i < venue_symbols_count(c->x->venue); i++)
        json_array_append_new(list, asset_json(c->x->venue, (int)i));
    rest_answer(c, 200, list);
}

void rest_get_asset(struct call *c)
{
    int symbol = asset_find(c->x->venue, c->arg);
    if (symbol >= 0) {
        rest_answer(c, 200, asset_json(c->x->venue, symbol));
        return;
    }
    refuse(&c->refusal, REFUSED_ASSET_UNKNOWN, c->arg);
    rest_refuse(c);
}

void rest_get_clock(struct call *c)
{
    struct session s, next;
    if (!calendar_session_at(c->now_ns, &s) || !calendar_next(&s, &next)) {
        refuse(&c->refusal, REFUSED_CALENDAR);
        rest_refuse(c);
        return;
    }
    bool is_open = c->now_ns >= s.open_ns;
    const struct alpaca_clock clock = {
        .timestamp = c->now_ns,
        .is_open = is_open,
        .next_open = is_open ? next.open_ns : s.open_ns,
        .next_close = s.close_ns,
        .is_replay = exchange_has_ticks(c->x),
        .speed = c->x->speed,
        .ends_at = feed_ends_ns(c->x->feed),
    };
    rest_answer(c, 200, alpaca_clock_encode(&clock));
}

static json_t *calendar_json(const struct session *s, const struct session *next)
{
    char date[DATE_TEXT_SIZE], settles[DATE_TEXT_SIZE];
    calendar_date_format(s->date, date);
    calendar_date_format(next->date, settles);
    return json_pack("{ss ss ss ss ss ss}", "date", date, "open", "09:30", "close",
                     s->is_half_day ? "13:00" : "16:00", "session_open", "0400", "session_close",
                     s->is_half_day ? "1700" : "2000", "settlement_date", settles);
}

void rest_get_calendar(struct call *c)
{
    int32_t start = 19900101, end = 20291231;
    if (!parameter_date(c, "start", &start) || !parameter_date(c, "end", &end)) {
        rest_refuse(c);
        return;
    }
    if (start < 19900101)
        start = 19900101;
    struct session s, next;
    json_t *list = json_array();
    bool any = calendar_session_at(calendar_ns(start, 0), &s);
    while (any && s.date <= end) {
        any = calendar_next(&s, &next);
        json_array_append_new(list, calendar_json(&s, any ? &next : &s));
        s = next;
    }
    rest_answer(c, 200, list);
}

/* ---- market data */

enum { BARS_LIMIT_MAX = 10000 };

struct bars_query {
    int64_t minutes;    /* of a bar; 0: a day */
    int64_t start, end; /* inclusive */
    int64_t limit;
    int descending;
    const char *symbols;
    char token_symbol[SYMBOL_SIZE];
    int64_t token_ns; /* start of the first bar of this page; symbol "": from the beginning */
};

static bool read_timeframe(struct call *c, struct bars_query *q)
{
    static const struct {
        const char *unit;
        int64_t minutes, max;
    } units[] = {
        { "Min", 1, 59 }, { "T", 1, 59 }, { "Hour", 60, 23 }, { "H", 60, 23 }, { "Day", 0, 1 }, { "D", 0, 1 },
    };
    const char *text = parameter_text(c, "timeframe");
    char *unit = NULL;
    long n = text ? strtol(text, &unit, 10) : 0;
    for (size_t i = 0; text && text[0] >= '0' && text[0] <= '9' && i < COUNT_OF(units); i++)
        if (strcmp(unit, units[i].unit) == 0 && n >= 1 && n <= units[i].max) {
            q->minutes = n * units[i].minutes;
            return true;
        }
    return parameter_refuse(c, "timeframe", "1Min to 59Min, 1Hour to 23Hour or 1Day");
}

static bool read_token(struct call *c, struct bars_query *q)
{
    const char *text = parameter_text(c, "page_token"), *at = text ? strchr(text, '@') : NULL;
    char *end = NULL;
    if (!text)
        return true;
    if (at && at > text && at - text < SYMBOL_SIZE) {
        memcpy(q->token_symbol, text, (size_t)(at - text));
        q->token_ns = strtoll(at + 1, &end, 10);
    }
    /* the years time_parse knows: sums with it have room */
    return end && *end == '\0' && end > at + 1 && q->token_ns >= 0 && q->token_ns < INT64_C(7258118400) * SECOND_NS
               ? true
               : parameter_refuse(c, "page_token", "the token of the page before");
}

static bool read_bars_query(struct call *c, struct bars_query *q)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    *q = (struct bars_query){ .start = calendar_ns(calendar_date(c->now_ns), 0),
                              .end = c->now_ns,
                              .limit = 1000,
                              .symbols = c->arg ? c->arg : parameter_text(c, "symbols") };
    if (!q->symbols)
        return parameter_refuse(c, "symbols", "given, separated by commas");
    return read_timeframe(c, q) && parameter_time(c, "start", false, &q->start) &&
           parameter_time(c, "end", true, &q->end) &&
           parameter_count(c, "limit", 1, BARS_LIMIT_MAX, &q->limit) &&
           parameter_word(c, "sort", directions, "asc or desc", &q->descending) && read_token(c, q);
}

/* Minute bars put together to longer ones that start at whole multiples; the last may lack minutes. */
static size_t aggregate(struct bar *bars, size_t count, int64_t minutes)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t start = bars[i].open_time_ns - bars[i].open_time_ns % (minutes * MINUTE_NS);
        struct bar *b = kept ? &bars[kept - 1] : NULL;
        if (!b || b->open_time_ns != start) {
            bars[kept] = bars[i];
            bars[kept++].open_time_ns = start;
            continue;
        }
        b->high = price_cmp(bars[i].high, b->high) > 0 ? bars[i].high : b->high;
        b->low = price_cmp(bars[i].low, b->low) < 0 ? bars[i].low : b->low;
        b->close = bars[i].close;
        b->volume += bars[i].volume;
    }
    return kept;
}

/* Bars of one symbol with start in [from, to], ended by now, in order of time: the first `room` of them, or
 * the last when `last`. *bars is malloc'd. */
static size_t read_days(struct call *c, int symbol, int64_t from, int64_t to, size_t room, bool last,
                        struct bar **bars)
{
    struct session s;
    int32_t first = calendar_date(from), end = calendar_date(to < c->now_ns ? to : c->now_ns);
    if (calendar_ns(first, 0) < from)
        first = calendar_add_days(first, 1);
    if (calendar_session(end, &s) && s.close_ns > c->now_ns)
        end = calendar_add_days(end, -1); /* today's is not over */
    if (last) {                           /* no interval has more sessions than days */
        int32_t enough = calendar_add_days(end, -2 * (int)room - 10);
        first = first > enough ? first : enough;
        room = 2 * room + 12;
    }
    *bars = must_alloc(room, sizeof **bars);
    return first <= end ? feed_days(c->x->feed, symbol, first, end, *bars, room) : 0;
}

static size_t read_minutes(struct call *c, int symbol, int64_t minutes, int64_t from, int64_t to, size_t room,
                           bool last, struct bar **bars)
{
    int64_t span = minutes * MINUTE_NS, step = from % span;
    from = step ? from - step + span : from;     /* bars that start in the interval */
    int64_t over = c->now_ns - c->now_ns % span; /* what starts here has not ended */
    int64_t until = to >= over ? over : to - to % span + span;
    size_t want = room * (size_t)minutes, have = 0,
           all = until > from ? (size_t)((until - from) / MINUTE_NS) + 1 : 1;
    if (!last) {
        want = want < all ? want : all;
        *bars = must_alloc(want, sizeof **bars);
        return aggregate(*bars, feed_bars(c->x->feed, symbol, from, until, *bars, want), minutes);
    }
    /* backwards, a longer stretch at a time, until there is enough or nothing more */
    *bars = NULL;
    for (int64_t days = 2; have < room; days *= 2) {
        int64_t start = until - days * DAY_NS, step_back = start % span;
        start = start - step_back > from ? start - step_back : from;
        size_t most = (size_t)((until - start) / MINUTE_NS) + 1;
        *bars = must_realloc(*bars, until > start ? most : 1, sizeof **bars);
        have = until > start
                   ? aggregate(*bars, feed_bars(c->x->feed, symbol, start, until, *bars, most), minutes)
                   : 0;
        if (start <= from || days > 2000)
            break;
    }
    return have;
}

static void reverse(struct bar *bars, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct bar b = bars[i];
        bars[i] = bars[count - 1 - i];
        bars[count - 1 - i] = b;
    }
}

static int text_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The symbols asked for that exist, sorted, once each; malloc'd. */
static size_t read_symbols(const struct call *c, const char *list, char (**out)[SYMBOL_SIZE])
{
    const struct venue *v = c->x->venue;
    size_t count = 0;
    *out = must_alloc(venue_symbols_count(v) + 1, SYMBOL_SIZE);
    for (size_t i = 0; i < venue_symbols_count(v); i++)
        if (parameter_lists(list, venue_symbol_name(v, (int)i)))
            text_copy((*out)[count++], SYMBOL_SIZE, venue_symbol_name(v, (int)i));
    qsort(*out, count, SYMBOL_SIZE, text_order);
    return count;
}

/* One symbol's part of a page: bars appended to list, q->limit lowered; true with token set when the page is
 * full. */
static bool page_symbol(struct call *c, struct bars_query *q, const char *name, json_t *list, char token[64])
{
    struct bar *bars;
    bool resumes = strcmp(q->token_symbol, name) == 0, more = false;
    int64_t from = resumes && !q->descending ? q->token_ns : q->start,
            to = resumes && q->descending ? q->token_ns : q->end;
    size_t room = (size_t)q->limit + 1;
    int symbol = venue_symbol(c->x->venue, name);
    size_t count = q->minutes ? read_minutes(c, symbol, q->minutes, from, to, room, q->descending, &bars)
                              : read_days(c, symbol, from, to, room, q->descending, &bars);
    if (q->descending)
        reverse(bars, count);
    for (size_t i = 0; i < count; i++) {
        if (q->limit == 0) { /* there is one bar more than fits */
            snprintf(token, 64, "%s@%" PRId64, name, bars[i].open_time_ns);
            more = true;
            break;
        }
        json_array_append_new(list, alpaca_bar_encode(&bars[i]));
        q->limit--;
    }
    free(bars);
    return more;
}

void rest_get_bars(struct call *c)
{
    struct bars_query q;
    char(*symbols)[SYMBOL_SIZE], token[64] = "";
    if (!read_bars_query(c, &q)) {
        rest_refuse(c);
        return;
    }
    json_t *body = json_object(), *all = json_object(), *list = json_array();
    size_t count = read_symbols(c, q.symbols, &symbols);
    for (size_t i = 0; i < count; i++) {
        if (q.token_symbol[0] && strcmp(symbols[i], q.token_symbol) < 0)
            continue;
        json_decref(list);
        list = json_array();
        bool more = page_symbol(c, &q, symbols[i], list, token);
        if (json_array_size(list))
            json_object_set(all, symbols[i], list);
        if (more)
            break;
    }
    if (c->arg) {
        json_object_set(body, "bars", list);
        json_object_set_new(body, "symbol", json_string(c->arg));
    } else {
        json_object_set(body, "bars", all);
    }
    json_object_set_new(body, "next_page_token", token[0] ? json_string(token) : json_null());
    json_decref(list);
    json_decref(all);
    free(symbols);
    rest_answer(c, 200, body);
}

/* NULL: nothing yet. */
static json_t *latest_bar(struct call *c, int symbol)
{
    struct bar b;
    return feed_last_bar(c->x->feed, symbol, c->now_ns, &b) ? alpaca_bar_encode(&b) : NULL;
}

static json_t *latest_quote(struct call *c, int symbol)
{
    struct quote q;
    if (!feed_last_quote(c->x->feed, symbol, c->now_ns, &q))
        return NULL;
    json_t *j = alpaca_stream_quote_encode("", &q);
    json_object_del(j, "T");
    json_object_del(j, "S");
    return j;
}

static void get_latest(struct call *c, const char *one, const char *many, json_t *(*make)(struct call *, int))
{
    const char *list = c->arg ? c->arg : parameter_text(c, "symbols");
    if (!list) {
        parameter_refuse(c, "symbols", "given, separated by commas");
        rest_refuse(c);
        return;
    }
    json_t *all = json_object();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++) {
        const char *name = venue_symbol_name(c->x->venue, (int)i);
        json_t *j = parameter_lists(list, name) ? make(c, (int)i) : NULL;
        if (j)
            json_object_set_new(all, name, j);
    }
    if (!c->arg) {
        rest_answer(c, 200, json_pack("{so}", many, all));
        return;
    }
    json_t *found = json_object_get(all, c->arg);
    if (found) {
        rest_answer(c, 200, json_pack("{ss sO}", "symbol", c->arg, one, found));
    } else {
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->arg);
        rest_refuse(c);
    }
    json_decref(all);
}

void rest_get_latest_bars(struct call *c)
{
    get_latest(c, "bar", "bars", latest_bar);
}

void rest_get_latest_quotes(struct call *c)
{
    get_latest(c, "quote", "quotes", latest_quote);
}
