/* rest_market.c - the history of /v2/stocks: bars, quotes, trades, auctions; of one symbol or several, by page.
 *
 * Nothing is shown that the market's clock has not reached. A page goes on where its token says: which symbol, from
 * which time, and how many of that time were shown already. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "core/clock.h"
#include "exchange/rest.h"

enum { PAGE_MAX = 10000 };

/* What a bar covers. */
struct span {
    enum { SPAN_MINUTES, SPAN_DAY, SPAN_WEEK, SPAN_MONTHS } unit;
    int n; /* minutes, months */
};

struct query {
    struct span span;
    int64_t start, end; /* inclusive */
    int64_t limit;
    int descending;
    bool is_empty; /* a feed there is nothing of here */
    const char *symbols;
    char token_symbol[SYMBOL_SIZE]; /* "": from the beginning */
    int64_t token_ns, token_skip;
};

/* One element of a list. */
struct row {
    int64_t time_ns;
    union {
        struct bar bar;
        struct quote quote;
        struct { /* a session's auctions */
            struct session session;
            struct bar first, last; /* regular minutes; last: open_time_ns 0 when the close is to come */
        } auctions;
    };
};

struct rows {
    struct row *list; /* malloc'd */
    size_t count;
};

/* Rows with from <= time <= to that have happened, in order of time: the first `room` or, when last, the last. */
typedef struct rows reader(struct call *c, const struct query *q, int symbol, int64_t from, int64_t to, size_t room,
                           bool last);

/* ---- bars */

static struct rows rows_of_bars(struct bar *bars, size_t count) /* takes bars */
{
    struct rows out = { must_alloc(count, sizeof *out.list), count };
    for (size_t i = 0; i < count; i++)
        out.list[i] = (struct row){ .time_ns = bars[i].open_time_ns, .bar = bars[i] };
    free(bars);
    return out;
}

/* The first day of the week or months a date is in. */
static int32_t span_date(const struct span *s, int32_t date)
{
    if (s->unit == SPAN_WEEK)
        return calendar_add_days(date, -((calendar_weekday(date) + 6) % 7));
    if (s->unit == SPAN_MONTHS)
        return date / 10000 * 10000 + ((date / 100 % 100 - 1) / s->n * s->n + 1) * 100 + 1;
    return date;
}

static int64_t span_start(const struct span *s, int64_t time_ns)
{
    return s->unit == SPAN_MINUTES ? time_ns - time_ns % (s->n * MINUTE_NS)
                                   : calendar_ns(span_date(s, calendar_date(time_ns)), 0);
}

/* Bars put together to longer ones; the last may lack some. */
static size_t aggregate(const struct span *s, struct bar *bars, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t start = span_start(s, bars[i].open_time_ns);
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

/* Daily bars with date in [first, end]; today's as far as it has come. */
static size_t read_dates(struct call *c, int symbol, int32_t first, int32_t end, struct bar *out, size_t room)
{
    struct session s;
    int32_t today = calendar_date(c->now_ns), closed = end < today ? end : today;
    if (closed == today && calendar_session(today, &s) && s.close_ns > c->now_ns)
        closed = calendar_add_days(today, -1);
    size_t count = first <= closed ? feed_days(c->x->feed, symbol, first, closed, out, room) : 0;
    bool has_today = count && calendar_date(out[count - 1].open_time_ns) == today;
    if (count < room && first <= today && end >= today && !has_today && closed != today)
        count += exchange_day(c->x, symbol, c->now_ns, &out[count]);
    return count;
}

/* Days, weeks, months that start in the interval. */
static struct rows read_days(struct call *c, const struct query *q, int symbol, int64_t from, int64_t to, size_t room,
                             bool last)
{
    static const int days_in[] = { [SPAN_DAY] = 1, [SPAN_WEEK] = 7, [SPAN_MONTHS] = 31 };
    int32_t today = calendar_date(c->now_ns), first = calendar_date(from), end = calendar_date(to);
    int days = days_in[q->span.unit] * (q->span.unit == SPAN_MONTHS ? q->span.n : 1);
    if (calendar_ns(first, 0) < from)
        first = calendar_add_days(first, 1);
    if (span_date(&q->span, first) != first) /* the one it is in started before */
        first = span_date(&q->span, calendar_add_days(span_date(&q->span, first), days + days / 10));
    end = end < today ? end : today;
    if (q->span.unit != SPAN_DAY && end < today) { /* to the end of the last one */
        int32_t next = span_date(&q->span, calendar_add_days(span_date(&q->span, end), days + days / 10));
        end = calendar_add_days(next, -1) < today ? calendar_add_days(next, -1) : today;
    }
    size_t enough = room * (size_t)days;
    if (last) { /* no interval has more sessions than days */
        int32_t start = calendar_add_days(end, -2 * (int)enough - 10 - days);
        start = span_date(&q->span, start < 19800101 ? 19800101 : start);
        first = first > start ? first : start;
        enough = 2 * enough + 12 + 2 * (size_t)days;
    }
    struct bar *bars = must_alloc(enough, sizeof *bars);
    size_t count = first <= end ? read_dates(c, symbol, first, end, bars, enough) : 0;
    return rows_of_bars(bars, aggregate(&q->span, bars, count));
}

static struct rows read_bars(struct call *c, const struct query *q, int symbol, int64_t from, int64_t to, size_t room,
                             bool last)
{
    if (q->span.unit != SPAN_MINUTES)
        return read_days(c, q, symbol, from, to, room, last);
    int64_t span = q->span.n * MINUTE_NS, step = from % span;
    from = step ? from - step + span : from;     /* bars that start in the interval */
    int64_t over = c->now_ns - c->now_ns % span; /* what starts here has not ended */
    int64_t until = to >= over ? over : to - to % span + span;
    size_t want = room * (size_t)q->span.n, have = 0,
           all = until > from ? (size_t)((until - from) / MINUTE_NS) + 1 : 1;
    struct bar *bars = NULL;
    if (!last) {
        want = want < all ? want : all;
        bars = must_alloc(want, sizeof *bars);
        have = aggregate(&q->span, bars, feed_bars(c->x->feed, symbol, from, until, bars, want));
    }
    /* backwards, a longer stretch at a time, until there is enough or nothing more */
    for (int64_t days = 2; last && have < room; days *= 2) {
        int64_t start = until - days * DAY_NS, step_back = start % span;
        start = start - step_back > from ? start - step_back : from;
        size_t most = (size_t)((until - start) / MINUTE_NS) + 1;
        bars = must_realloc(bars, until > start ? most : 1, sizeof *bars);
        have = until > start
                   ? aggregate(&q->span, bars, feed_bars(c->x->feed, symbol, start, until, bars, most))
                   : 0;
        if (start <= from || days > 2000)
            break;
    }
    return rows_of_bars(bars, have);
}

size_t read_last_days(struct call *c, int symbol, struct bar out[2])
{
    const struct query q = { .span = { SPAN_DAY, 1 } };
    struct rows rows = read_days(c, &q, symbol, calendar_ns(19900101, 0), c->now_ns, 2, true);
    size_t count = rows.count < 2 ? rows.count : 2;
    for (size_t i = 0; i < count; i++)
        out[i] = rows.list[rows.count - count + i].bar;
    free(rows.list);
    return count;
}

static json_t *bar_json(const struct row *r)
{
    return alpaca_bar_encode(&r->bar);
}

/* ---- quotes: the one that stood at the end of each minute */

static struct rows read_quotes(struct call *c, const struct query *q, int symbol, int64_t from, int64_t to,
                               size_t room, bool last)
{
    (void)q;
    to = to < c->now_ns ? to : c->now_ns;
    struct quote *quotes = must_alloc(room, sizeof *quotes);
    size_t count = feed_quotes(c->x->feed, symbol, from, to, quotes, room, last);
    struct rows out = { must_alloc(count, sizeof *out.list), count };
    for (size_t i = 0; i < count; i++)
        out.list[i] = (struct row){ .time_ns = quotes[i].time_ns, .quote = quotes[i] };
    free(quotes);
    return out;
}

json_t *quote_json(const struct quote *q)
{
    json_t *j = alpaca_stream_quote_encode("", q);
    json_object_del(j, "T");
    json_object_del(j, "S");
    return j;
}

static json_t *quote_row_json(const struct row *r)
{
    return quote_json(&r->quote);
}

/* ---- trades: minute bars have none */

static struct rows read_trades(struct call *c, const struct query *q, int symbol, int64_t from, int64_t to,
                               size_t room, bool last)
{
    (void)c, (void)q, (void)symbol, (void)from, (void)to, (void)room, (void)last;
    return (struct rows){ NULL, 0 };
}

/* ---- auctions: a day's opening and closing print */

static bool read_auction(struct call *c, int symbol, const struct session *s, struct row *out)
{
    struct bar *bars = must_alloc(391, sizeof *bars);
    bool over = s->close_ns <= c->now_ns;
    int64_t until = over ? s->close_ns : c->now_ns;
    size_t count = s->open_ns <= c->now_ns ? feed_bars(c->x->feed, symbol, s->open_ns, until + 1, bars, 391) : 0;
    while (count && bars[count - 1].open_time_ns >= s->close_ns)
        count--;
    if (count) {
        *out = (struct row){ .time_ns = s->open_ns, .auctions = { .session = *s, .first = bars[0] } };
        if (over)
            out->auctions.last = bars[count - 1];
    }
    free(bars);
    return count > 0;
}

static struct rows read_auctions(struct call *c, const struct query *q, int symbol, int64_t from, int64_t to,
                                 size_t room, bool last)
{
    (void)q;
    struct rows out = { must_alloc(room, sizeof *out.list), 0 };
    struct session s;
    int32_t first = calendar_date(from), end = calendar_date(to < c->now_ns ? to : c->now_ns);
    bool any = last ? calendar_session(end, &s) || (calendar_session_at(calendar_ns(end, 0), &s) && calendar_previous(&s, &s))
                    : calendar_session_at(calendar_ns(first, 0), &s);
    for (int days = 0; any && out.count < room && s.date >= first && s.date <= end && days < 5000; days++) {
        out.count += read_auction(c, symbol, &s, &out.list[out.count]);
        any = last ? calendar_previous(&s, &s) : calendar_next(&s, &s);
    }
    for (size_t i = 0; last && i < out.count / 2; i++) {
        struct row r = out.list[i];
        out.list[i] = out.list[out.count - 1 - i];
        out.list[out.count - 1 - i] = r;
    }
    return out;
}

static json_t *print_json(int64_t time_ns, struct price price, const char *condition)
{
    char time[TIME_TEXT_SIZE];
    time_format(time_ns, time);
    return json_pack("{ss ss sf ss}", "t", time, "x", "V", "p", (double)price.micros / PRICE_SCALE, "c", condition);
}

static json_t *auctions_json(const struct row *r)
{
    char date[DATE_TEXT_SIZE];
    const struct session *s = &r->auctions.session;
    json_t *opens = json_array(), *closes = json_array();
    calendar_date_format(s->date, date);
    json_array_append_new(opens, print_json(r->auctions.first.open_time_ns, r->auctions.first.open, "O"));
    if (r->auctions.last.open_time_ns)
        json_array_append_new(closes, print_json(s->close_ns, r->auctions.last.close, "6"));
    return json_pack("{ss so so}", "d", date, "o", opens, "c", closes);
}

/* ---- the query */

bool read_feed(struct call *c, const char *const *words, const char *expected, bool *is_empty)
{
    static const char *const here[] = { "sip", "iex", "delayed_sip", NULL };
    const char *feed = parameter_text(c, "feed");
    int word;
    *is_empty = feed && name_index(here, feed) < 0;
    return parameter_word(c, "feed", words, expected, &word);
}

bool read_currency(struct call *c)
{
    static const char *const known[] = { "USD", NULL };
    int word;
    return parameter_word(c, "currency", known, "USD: nothing is quoted in another currency here", &word);
}

static bool read_timeframe(struct call *c, struct span *out)
{
    static const struct {
        const char *unit;
        struct span span;
        int max;
    } units[] = {
        { "Min", { SPAN_MINUTES, 1 }, 59 },  { "T", { SPAN_MINUTES, 1 }, 59 }, { "Hour", { SPAN_MINUTES, 60 }, 23 },
        { "H", { SPAN_MINUTES, 60 }, 23 },   { "Day", { SPAN_DAY, 1 }, 1 },    { "D", { SPAN_DAY, 1 }, 1 },
        { "Week", { SPAN_WEEK, 1 }, 1 },     { "W", { SPAN_WEEK, 1 }, 1 },     { "Month", { SPAN_MONTHS, 1 }, 12 },
        { "M", { SPAN_MONTHS, 1 }, 12 },
    };
    const char *text = parameter_text(c, "timeframe");
    char *unit = NULL;
    long n = text ? strtol(text, &unit, 10) : 0;
    for (size_t i = 0; text && text[0] >= '0' && text[0] <= '9' && i < COUNT_OF(units); i++)
        if (strcmp(unit, units[i].unit) == 0 && n >= 1 && n <= units[i].max &&
            (units[i].span.unit != SPAN_MONTHS || 12 % n == 0)) {
            *out = (struct span){ units[i].span.unit, (int)n * units[i].span.n };
            return true;
        }
    return parameter_refuse(c, "timeframe", "1Min to 59Min, 1Hour to 23Hour, 1Day, 1Week or 1, 2, 3, 4, 6, 12Month");
}

/* Base64 of "SPY|1381152600000000000|0". */
static char *make_token(const char *symbol, int64_t time_ns, int64_t skip)
{
    char text[80];
    int n = snprintf(text, sizeof text, "%s|%" PRId64 "|%" PRId64, symbol, time_ns, skip);
    return base64_encode(text, (size_t)n);
}

static bool read_token(struct call *c, struct query *q)
{
    const char *token = parameter_text(c, "page_token");
    if (!token)
        return true;
    size_t size;
    char *text = base64_decode(token, &size), *bar = text ? strchr(text, '|') : NULL, *end = NULL, *end2 = NULL;
    if (bar && bar > text && bar - text < SYMBOL_SIZE && bar[1] >= '0' && bar[1] <= '9') {
        memcpy(q->token_symbol, text, (size_t)(bar - text));
        q->token_ns = strtoll(bar + 1, &end, 10);
        if (*end == '|' && end[1] >= '0' && end[1] <= '9')
            q->token_skip = strtoll(end + 1, &end2, 10);
    }
    /* the years time_parse knows: sums with it have room */
    bool ok = end2 && *end2 == '\0' && strlen(text) == size && q->token_ns < INT64_C(7258118400) * SECOND_NS &&
              q->token_skip <= 1000000;
    free(text);
    return ok ? true : parameter_refuse(c, "page_token", "the token of the page before");
}

static bool read_asof(struct call *c)
{
    const char *text = parameter_text(c, "asof");
    int32_t date;
    return !text || strcmp(text, "-") == 0 || calendar_date_parse(text, strlen(text), &date)
               ? true
               : parameter_refuse(c, "asof", "a date like 2013-10-07, or -");
}

static bool read_query(struct call *c, struct query *q)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    static const char *const feeds[] = { "sip", "iex", "boats", "otc", NULL };
    static const char *const adjustments[] = { "raw", "split", "dividend", "spin-off", "all", NULL };
    *q = (struct query){ .start = calendar_ns(calendar_date(c->now_ns), 0),
                         .end = c->now_ns,
                         .limit = 1000,
                         .symbols = c->args[0][0] ? c->args[0] : parameter_text(c, "symbols") };
    if (!q->symbols)
        return parameter_refuse(c, "symbols", "given, separated by commas");
    bool ok = parameter_time(c, "start", false, &q->start) && parameter_time(c, "end", true, &q->end) &&
              parameter_count(c, "limit", 1, PAGE_MAX, &q->limit) &&
              parameter_word(c, "sort", directions, "asc or desc", &q->descending) && read_token(c, q) &&
              read_feed(c, feeds, "sip, iex, boats or otc", &q->is_empty) && read_asof(c) && read_currency(c) &&
              parameter_words(c, "adjustment", adjustments, "raw, split, dividend, spin-off, all, or several with commas");
    return ok && q->start > q->end && parameter_text(c, "start")
               ? parameter_refuse(c, "end", "no earlier than start")
               : ok;
}

/* ---- pages */

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

/* One symbol's part of a page: rows appended to list, q->limit lowered. Returns the next page's token when this one
 * is full, else NULL. */
static char *page_symbol(struct call *c, struct query *q, const char *name, reader *read,
                         json_t *(*make)(const struct row *), json_t *list)
{
    bool resumes = strcmp(q->token_symbol, name) == 0;
    int64_t from = resumes && !q->descending ? q->token_ns : q->start,
            to = resumes && q->descending ? q->token_ns : q->end;
    size_t skip = resumes ? (size_t)q->token_skip : 0, room = (size_t)q->limit + 1 + skip;
    struct rows rows = read(c, q, venue_symbol(c->x->venue, name), from, to, room, q->descending);
    char *token = NULL;
    int64_t same_ns = INT64_MIN, same = 0; /* how many of the newest time were shown */
    for (size_t i = 0; i < rows.count && !token; i++) {
        const struct row *r = &rows.list[q->descending ? rows.count - 1 - i : i];
        same = r->time_ns == same_ns ? same : 0;
        same_ns = r->time_ns;
        if (i < skip && r->time_ns == q->token_ns) {
            same++;
        } else if (q->limit == 0) { /* there is one more than fits */
            token = make_token(name, r->time_ns, same);
        } else {
            json_array_append_new(list, make(r));
            q->limit--;
            same++;
        }
    }
    free(rows.list);
    return token;
}

/* what: the name of the list. */
static void answer(struct call *c, struct query *q, const char *what, reader *read, json_t *(*make)(const struct row *))
{
    char(*symbols)[SYMBOL_SIZE] = NULL, *token = NULL;
    json_t *body = json_object(), *all = json_object(), *list = json_array();
    size_t count = q->is_empty ? 0 : read_symbols(c, q->symbols, &symbols);
    for (size_t i = 0; i < count && !token; i++) {
        if (q->token_symbol[0] && strcmp(symbols[i], q->token_symbol) < 0)
            continue;
        json_decref(list);
        list = json_array();
        token = page_symbol(c, q, symbols[i], read, make, list);
        if (json_array_size(list))
            json_object_set(all, symbols[i], list);
    }
    if (c->args[0][0]) {
        json_object_set(body, what, list);
        json_object_set_new(body, "symbol", json_string(c->args[0]));
    } else {
        json_object_set(body, what, all);
    }
    json_object_set_new(body, "next_page_token", token ? json_string(token) : json_null());
    if (parameter_text(c, "currency"))
        json_object_set_new(body, "currency", json_string("USD"));
    json_decref(list);
    json_decref(all);
    free(symbols);
    free(token);
    rest_answer(c, 200, body);
}

static void get_history(struct call *c, const char *what, reader *read, json_t *(*make)(const struct row *))
{
    struct query q;
    if (read_query(c, &q))
        answer(c, &q, what, read, make);
    else
        rest_refuse(c);
}

void rest_get_bars(struct call *c)
{
    struct query q;
    if (read_query(c, &q) && read_timeframe(c, &q.span))
        answer(c, &q, "bars", read_bars, bar_json);
    else
        rest_refuse(c);
}

void rest_get_quotes(struct call *c)
{
    get_history(c, "quotes", read_quotes, quote_row_json);
}

void rest_get_trades(struct call *c)
{
    get_history(c, "trades", read_trades, NULL);
}

void rest_get_auctions(struct call *c)
{
    get_history(c, "auctions", read_auctions, auctions_json);
}
