#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "exchange/feed_source.h"

enum { COMPLAINTS_MAX = 20, COLUMNS_MAX = 8 };
#define YEAR_1990_NS (INT64_C(631238400) * SECOND_NS) /* with a day to spare for the time zone */
#define YEAR_2050_NS (INT64_C(2524521600) * SECOND_NS)
#define RECORDED_PRICE_MAX (INT64_C(10000000) * USD) /* so that price x quantity has room */

struct series {
    char symbol[SYMBOL_SIZE];
    struct bar *minutes, *days;
    struct quote *quotes, *ticks;
    struct trade_print *trades;
    size_t minutes_count, minutes_size, days_count, days_size, quotes_count, quotes_size, ticks_count, ticks_size,
        trades_count, trades_size;
};

struct recording {
    struct series *series;
    size_t count;
    struct table by_symbol; /* rebuilt while series grows: holds index + 1 */
    char **names;
    int32_t *dates; /* all with minute data, sorted */
    size_t dates_count, dates_size;
    struct corporate_action *actions;
    size_t actions_count, actions_size;
};

/* ---- reading rows */

struct text {
    const char *at;
    size_t len;
};

struct reader {
    const char *path;
    struct complaints *complaints;
    long line;
    struct recording *rec;
};

static void wrong(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct reader *r, const char *fmt, ...)
{
    char sentence[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (r->complaints->count < COMPLAINTS_MAX)
        complain(r->complaints, "%s:%ld: %s", r->path, r->line, sentence);
    else
        r->complaints->count++;
}

/* For messages: at most so much of a field, without control characters. */
static const char *shown(struct text t, char out[40])
{
    size_t n = t.len < 32 ? t.len : 32;
    for (size_t i = 0; i < n; i++)
        out[i] = t.at[i] >= ' ' && t.at[i] < 127 ? t.at[i] : '?';
    memcpy(out + n, t.len > 32 ? "..." : "", t.len > 32 ? 4 : 1);
    return out;
}

static bool read_symbol(struct reader *r, struct text t, char out[SYMBOL_SIZE])
{
    char buf[40];
    bool ok = t.len > 0 && t.len < SYMBOL_SIZE;
    for (size_t i = 0; ok && i < t.len; i++) {
        char c = t.at[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
             (i > 0 && (c == '.' || c == '-' || c == '_'));
    }
    if (!ok) {
        wrong(r, "symbol \"%s\" is not 1 to %d letters, digits, '.' or '-'", shown(t, buf), SYMBOL_SIZE - 1);
        return false;
    }
    memcpy(out, t.at, t.len);
    out[t.len] = '\0';
    return true;
}

/* unit: of which it must be the start; 1: any. */
static bool read_time(struct reader *r, struct text t, int64_t unit, int64_t *out)
{
    char buf[40];
    if (!time_parse(t.at, t.len, out) || t.len < 16)
        wrong(r, "timestamp \"%s\" is not a time like 2013-10-07T13:30:00Z", shown(t, buf));
    else if (*out % unit != 0)
        wrong(r, "timestamp \"%s\" is not the start of a %s", shown(t, buf), unit == MINUTE_NS ? "minute" : "second");
    else if (*out < YEAR_1990_NS || *out >= YEAR_2050_NS)
        wrong(r, "timestamp \"%s\" is outside the calendar's years, 1990 to 2049", shown(t, buf));
    else
        return true;
    return false;
}

static bool read_price(struct reader *r, const char *name, struct text t, bool may_be_none, struct price *out)
{
    char buf[40];
    if (may_be_none && t.len == 0) {
        *out = PRICE_NONE;
        return true;
    }
    if (!price_parse(t.at, t.len, out))
        wrong(r, "%s \"%s\" is not a price in dollars with at most six decimals", name, shown(t, buf));
    else if (out->micros < 0)
        wrong(r, "%s %s is negative", name, shown(t, buf));
    else if (out->micros == 0 && !may_be_none)
        wrong(r, "%s is 0", name);
    else if (out->micros > RECORDED_PRICE_MAX)
        wrong(r, "%s %s is over ten million dollars", name, shown(t, buf));
    else {
        if (out->micros == 0)
            *out = PRICE_NONE;
        return true;
    }
    return false;
}

static bool read_shares(struct reader *r, const char *name, struct text t, int64_t *out)
{
    char buf[40];
    int64_t value = 0;
    bool ok = t.len > 0 && t.len <= 15;
    bool negative = t.len > 1 && t.at[0] == '-';
    for (size_t i = negative; ok && i < t.len; i++) {
        ok = t.at[i] >= '0' && t.at[i] <= '9';
        value = value * 10 + (t.at[i] - '0');
    }
    if (!ok)
        wrong(r, "%s \"%s\" is not a whole number of shares", name, shown(t, buf));
    else if (negative)
        wrong(r, "%s %s is negative", name, shown(t, buf));
    *out = value;
    return ok && !negative;
}

static bool read_ohlcv(struct reader *r, const struct text f[7], struct bar *out)
{
    if (!read_price(r, "open", f[2], false, &out->open) || !read_price(r, "high", f[3], false, &out->high) ||
        !read_price(r, "low", f[4], false, &out->low) || !read_price(r, "close", f[5], false, &out->close) ||
        !read_shares(r, "volume", f[6], &out->volume))
        return false;
    char high[PRICE_TEXT_MAX], low[PRICE_TEXT_MAX], at[PRICE_TEXT_MAX];
    price_format(out->high, high);
    price_format(out->low, low);
    if (price_cmp(out->high, out->low) < 0) {
        wrong(r, "high %s is below low %s", high, low);
        return false;
    }
    const struct {
        const char *name;
        struct price price;
    } inside[] = { { "open", out->open }, { "close", out->close } };
    for (size_t i = 0; i < 2; i++)
        if (price_cmp(inside[i].price, out->low) < 0 || price_cmp(inside[i].price, out->high) > 0) {
            price_format(inside[i].price, at);
            wrong(r, "%s %s is outside low %s to high %s", inside[i].name, at, low, high);
            return false;
        }
    return true;
}

static struct series *series_of(struct recording *rec, const char *symbol, bool make)
{
    size_t index = (size_t)(uintptr_t)table_get(&rec->by_symbol, symbol);
    if (index)
        return &rec->series[index - 1];
    if (!make)
        return NULL;
    rec->series = must_realloc(rec->series, rec->count + 1, sizeof *rec->series);
    rec->names = must_realloc(rec->names, rec->count + 1, sizeof *rec->names);
    struct series *s = &rec->series[rec->count];
    *s = (struct series){ 0 };
    memcpy(s->symbol, symbol, SYMBOL_SIZE);
    rec->names[rec->count] = must_strdup(symbol);
    table_put(&rec->by_symbol, rec->names[rec->count], (void *)(uintptr_t)(rec->count + 1));
    rec->count++;
    return s;
}

/* One more element of a growing array. */
#define GROWN(list, count, size)                                                                             \
    ((list) =                                                                                                \
         (count) < (size) ? (list) : must_realloc((list), (size) = (size) ? (size)*2 : 256, sizeof *(list)), \
     &(list)[(count)++])

static bool is_after(struct reader *r, const char *symbol, struct text t, bool any, int64_t before,
                     int64_t now, const char *unit)
{
    char buf[40];
    if (!any || now > before)
        return true;
    if (now == before)
        wrong(r, "%s has %s %s twice", symbol, unit, shown(t, buf));
    else
        wrong(r, "%s is not in order of time at %s", symbol, shown(t, buf));
    return false;
}

/* A symbol of bars-1min.csv. */
static struct series *known_series(struct reader *r, const char *symbol)
{
    struct series *s = series_of(r->rec, symbol, false);
    if (!s)
        wrong(r, "%s has no row in bars-1min.csv", symbol);
    return s;
}

static void row_minute(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct bar b = { 0 };
    if (!read_symbol(r, f[0], symbol) || !read_time(r, f[1], MINUTE_NS, &b.open_time_ns) || !read_ohlcv(r, f, &b))
        return;
    struct series *s = series_of(r->rec, symbol, true);
    if (is_after(r, symbol, f[1], s->minutes_count > 0,
                 s->minutes_count ? s->minutes[s->minutes_count - 1].open_time_ns : 0, b.open_time_ns,
                 "minute"))
        *GROWN(s->minutes, s->minutes_count, s->minutes_size) = b;
}

static bool read_quote(struct reader *r, const struct text f[], int64_t unit, char symbol[SYMBOL_SIZE], struct quote *q)
{
    return read_symbol(r, f[0], symbol) && read_time(r, f[1], unit, &q->time_ns) &&
           read_price(r, "bid", f[2], true, &q->bid) && read_shares(r, "bid_size", f[3], &q->bid_size) &&
           read_price(r, "ask", f[4], true, &q->ask) && read_shares(r, "ask_size", f[5], &q->ask_size);
}

static void row_quote(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct quote q = { 0 };
    struct series *s = read_quote(r, f, MINUTE_NS, symbol, &q) ? known_series(r, symbol) : NULL;
    if (s && is_after(r, symbol, f[1], s->quotes_count > 0,
                      s->quotes_count ? s->quotes[s->quotes_count - 1].time_ns : 0, q.time_ns, "minute"))
        *GROWN(s->quotes, s->quotes_count, s->quotes_size) = q;
}

/* Several at one time are in order as they stand. */
static bool is_not_before(struct reader *r, const char *symbol, struct text t, int64_t before, int64_t now)
{
    char buf[40];
    if (now < before)
        wrong(r, "%s is not in order of time at %s", symbol, shown(t, buf));
    return now >= before;
}

static void row_tick(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct quote q = { 0 };
    struct series *s = read_quote(r, f, 1, symbol, &q) ? known_series(r, symbol) : NULL;
    if (s && is_not_before(r, symbol, f[1], s->ticks_count ? s->ticks[s->ticks_count - 1].time_ns : 0, q.time_ns))
        *GROWN(s->ticks, s->ticks_count, s->ticks_size) = q;
}

static void row_trade(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct trade_print t = { 0 };
    if (!read_symbol(r, f[0], symbol) || !read_time(r, f[1], 1, &t.time_ns) || !read_price(r, "price", f[2], false, &t.price) ||
        !read_shares(r, "size", f[3], &t.size))
        return;
    struct series *s = known_series(r, symbol);
    if (s && is_not_before(r, symbol, f[1], s->trades_count ? s->trades[s->trades_count - 1].time_ns : 0, t.time_ns))
        *GROWN(s->trades, s->trades_count, s->trades_size) = t;
}

/* Four prints: the open, the two extremes (of a second that rose the low first), the close at its end. */
static void row_second(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct bar b = { 0 };
    if (!read_symbol(r, f[0], symbol) || !read_time(r, f[1], SECOND_NS, &b.open_time_ns) || !read_ohlcv(r, f, &b))
        return;
    struct series *s = known_series(r, symbol);
    int64_t before = s && s->trades_count ? s->trades[s->trades_count - 1].time_ns : 0;
    if (!s || !is_not_before(r, symbol, f[1], before, b.open_time_ns))
        return;
    bool rose = price_cmp(b.close, b.open) >= 0;
    const struct price prints[] = { b.open, rose ? b.low : b.high, rose ? b.high : b.low, b.close };
    for (int i = 0; i < 4; i++)
        *GROWN(s->trades, s->trades_count, s->trades_size) = (struct trade_print){
            .time_ns = b.open_time_ns + i * (SECOND_NS / 4), .price = prints[i],
            .size = i < 3 ? b.volume / 4 : b.volume - 3 * (b.volume / 4),
        };
}

static bool read_date(struct reader *r, struct text t, int32_t *out)
{
    char buf[40];
    if (!calendar_date_parse(t.at, t.len, out))
        wrong(r, "date \"%s\" is not a date like 2013-10-07", shown(t, buf));
    else if (*out < 19900101 || *out > 20491231)
        wrong(r, "date \"%s\" is outside the calendar's years, 1990 to 2049", shown(t, buf));
    else
        return true;
    return false;
}

static void row_action(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct corporate_action c = { 0 };
    int64_t to, from;
    if (!read_symbol(r, f[0], symbol) || !read_date(r, f[1], &c.date) || !read_shares(r, "split_to", f[2], &to) ||
        !read_shares(r, "split_from", f[3], &from) || !read_price(r, "dividend", f[4], true, &c.dividend))
        return;
    if ((to == 0) != (from == 0) || to > 1000 || from > 1000) {
        wrong(r, "a split is two numbers from 1 to 1000, new shares for old ones, or 0,0");
        return;
    }
    if (to == 0 && !price_is_set(c.dividend)) {
        wrong(r, "neither a split nor a dividend");
        return;
    }
    c.split_to = (int32_t)to;
    c.split_from = (int32_t)from;
    const struct series *s = series_of(r->rec, symbol, false);
    if (!s)
        return;
    c.symbol = (int)(s - r->rec->series);
    *GROWN(r->rec->actions, r->rec->actions_count, r->rec->actions_size) = c;
}

static void row_day(struct reader *r, const struct text f[])
{
    char symbol[SYMBOL_SIZE] = "";
    struct bar b = { 0 };
    int32_t date;
    if (!read_symbol(r, f[0], symbol) || !read_date(r, f[1], &date))
        return;
    b.open_time_ns = calendar_ns(date, 0);
    if (!read_ohlcv(r, f, &b))
        return;
    struct series *s = series_of(r->rec, symbol, false);
    if (s && is_after(r, symbol, f[1], s->days_count > 0,
                      s->days_count ? s->days[s->days_count - 1].open_time_ns : 0, b.open_time_ns, "date"))
        *GROWN(s->days, s->days_count, s->days_size) = b;
}

static bool line_next(const char **at, const char *end, struct text *out)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *out = (struct text){ *at, (size_t)((stop ? stop : end) - *at) };
    if (out->len && out->at[out->len - 1] == '\r')
        out->len--;
    *at = stop ? stop + 1 : end;
    return true;
}

static size_t split(struct text line, struct text out[COLUMNS_MAX])
{
    size_t count = 0;
    const char *at = line.at, *end = line.at + line.len;
    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        if (count < COLUMNS_MAX)
            out[count] = (struct text){ at, (size_t)((comma ? comma : end) - at) };
        count++;
        if (!comma)
            return count;
        at = comma + 1;
    }
}

struct file_kind {
    const char *name, *header;
    size_t columns;
    void (*row)(struct reader *r, const struct text fields[]);
};
static const struct file_kind file_kinds[] = {
    [FEED_MINUTES] = { "bars-1min.csv", "symbol,timestamp,open,high,low,close,volume", 7, row_minute },
    [FEED_QUOTES] = { "quotes-1min.csv", "symbol,timestamp,bid,bid_size,ask,ask_size", 6, row_quote },
    [FEED_DAYS] = { "bars-1day.csv", "symbol,date,open,high,low,close,volume", 7, row_day },
    [FEED_SECONDS] = { "bars-1sec.csv", "symbol,timestamp,open,high,low,close,volume", 7, row_second },
    [FEED_TRADES] = { "trades.csv", "symbol,timestamp,price,size", 4, row_trade },
    [FEED_TICKS] = { "quotes.csv", "symbol,timestamp,bid,bid_size,ask,ask_size", 6, row_tick },
    [FEED_ACTIONS] = { "corporate-actions.csv", "symbol,date,split_to,split_from,dividend", 5, row_action },
};
_Static_assert(COUNT_OF(file_kinds) == FEED_FILES, "one row for each file");

static void read_rows(struct reader *r, const struct file_kind *kind, const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    struct text line, fields[COLUMNS_MAX];
    char buf[40];
    r->line = 1;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        at += 3; /* what spreadsheets put before UTF-8 */
    if (!line_next(&at, end, &line)) {
        wrong(r, "the file is empty; the first line must be %s", kind->header);
        return;
    }
    if (line.len != strlen(kind->header) || memcmp(line.at, kind->header, line.len) != 0) {
        wrong(r, "the first line is \"%s\"; it must be %s", shown(line, buf), kind->header);
        return;
    }
    long rows = 0;
    while (line_next(&at, end, &line)) {
        r->line++;
        rows++;
        size_t columns = split(line, fields);
        if (line.len == 0)
            wrong(r, "the line is empty");
        else if (columns != kind->columns)
            wrong(r, "%zu columns where %zu are expected", columns, kind->columns);
        else
            kind->row(r, fields);
    }
    if (rows == 0)
        wrong(r, "there is no row after the first line");
}

/* ---- as a source of days */

static int int32_order(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void add_date(struct recording *rec, int64_t time_ns, int64_t *until_ns)
{
    if (time_ns < *until_ns) /* still the date added last */
        return;
    int32_t date = calendar_date(time_ns);
    *until_ns = calendar_ns(calendar_add_days(date, 1), 0);
    *GROWN(rec->dates, rec->dates_count, rec->dates_size) = date;
}

static void collect_dates(struct recording *rec)
{
    for (size_t i = 0; i < rec->count; i++) {
        const struct series *s = &rec->series[i];
        int64_t until = INT64_MIN;
        for (size_t k = 0; k < s->minutes_count; k++)
            add_date(rec, s->minutes[k].open_time_ns, &until);
        until = INT64_MIN;
        for (size_t k = 0; k < s->quotes_count; k++)
            add_date(rec, s->quotes[k].time_ns, &until);
        until = INT64_MIN;
        for (size_t k = 0; k < s->trades_count; k++)
            add_date(rec, s->trades[k].time_ns, &until);
        until = INT64_MIN;
        for (size_t k = 0; k < s->ticks_count; k++)
            add_date(rec, s->ticks[k].time_ns, &until);
    }
    qsort(rec->dates, rec->dates_count, sizeof *rec->dates, int32_order);
    size_t kept = 0;
    for (size_t i = 0; i < rec->dates_count; i++)
        if (kept == 0 || rec->dates[kept - 1] != rec->dates[i])
            rec->dates[kept++] = rec->dates[i];
    rec->dates_count = kept;
}

static size_t first_bar_from(const struct bar *bars, size_t count, int64_t time_ns)
{
    size_t low = 0;
    while (low < count) {
        size_t mid = low + (count - low) / 2;
        if (bars[mid].open_time_ns < time_ns)
            low = mid + 1;
        else
            count = mid;
    }
    return low;
}

static size_t first_quote_from(const struct quote *quotes, size_t count, int64_t time_ns)
{
    size_t low = 0;
    while (low < count) {
        size_t mid = low + (count - low) / 2;
        if (quotes[mid].time_ns < time_ns)
            low = mid + 1;
        else
            count = mid;
    }
    return low;
}

static size_t first_trade_from(const struct trade_print *trades, size_t count, int64_t time_ns)
{
    size_t low = 0;
    while (low < count) {
        size_t mid = low + (count - low) / 2;
        if (trades[mid].time_ns < time_ns)
            low = mid + 1;
        else
            count = mid;
    }
    return low;
}

static bool load(void *state, int32_t date, int step, int symbol, struct feed_day *day)
{
    const struct recording *rec = state;
    size_t low = 0, high = rec->dates_count; /* the first date >= `date` */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (rec->dates[mid] < date)
            low = mid + 1;
        else
            high = mid;
    }
    if (step < 0 && (low == rec->dates_count || rec->dates[low] != date)) {
        if (low == 0)
            return false;
        low--;
    }
    if (low == rec->dates_count)
        return false;
    day->date = rec->dates[low];
    int64_t from = calendar_ns(day->date, 0), to = calendar_ns(calendar_add_days(day->date, 1), 0);
    size_t first = symbol < 0 ? 0 : (size_t)symbol, end = symbol < 0 ? rec->count : first + 1;
    for (size_t i = first; i < end; i++) {
        const struct series *s = &rec->series[i];
        struct feed_series *out = &day->series[i];
        size_t b = first_bar_from(s->minutes, s->minutes_count, from);
        size_t q = first_quote_from(s->quotes, s->quotes_count, from);
        out->bars = s->minutes ? s->minutes + b : NULL;
        out->bars_count = first_bar_from(s->minutes, s->minutes_count, to) - b;
        out->quotes = s->quotes && !s->ticks ? s->quotes + q : NULL;
        out->quotes_count = s->ticks ? 0 : first_quote_from(s->quotes, s->quotes_count, to) - q;
        size_t t = first_trade_from(s->trades, s->trades_count, from), k = first_quote_from(s->ticks, s->ticks_count, from);
        out->trades = s->trades ? s->trades + t : NULL;
        out->trades_count = first_trade_from(s->trades, s->trades_count, to) - t;
        out->ticks = s->ticks ? s->ticks + k : NULL;
        out->ticks_count = first_quote_from(s->ticks, s->ticks_count, to) - k;
    }
    return true;
}

/* The daily file's rows, and days made of minutes where it has none. Both are sorted: merged. */
static size_t days(void *state, int symbol, int32_t from, int32_t to, struct bar *out, size_t max)
{
    const struct recording *rec = state;
    const struct series *s = &rec->series[symbol];
    size_t count = 0, file = first_bar_from(s->days, s->days_count, calendar_ns(from, 0)), d = 0;
    int64_t end = calendar_ns(to, 0);
    while (d < rec->dates_count && rec->dates[d] < from)
        d++;
    while (count < max) {
        int64_t file_ns = file < s->days_count ? s->days[file].open_time_ns : INT64_MAX;
        int64_t made_ns = d < rec->dates_count ? calendar_ns(rec->dates[d], 0) : INT64_MAX;
        int64_t next = file_ns < made_ns ? file_ns : made_ns;
        if (next > end)
            break;
        if (file_ns == next) {
            out[count++] = s->days[file++];
        } else {
            size_t b = first_bar_from(s->minutes, s->minutes_count, next);
            size_t e = first_bar_from(s->minutes, s->minutes_count, next + DAY_NS);
            if (e > b && feed_daily(s->minutes + b, e - b, rec->dates[d], &out[count]))
                count++;
        }
        if (made_ns == next)
            d++;
    }
    return count;
}

static void recording_free(void *state)
{
    struct recording *rec = state;
    for (size_t i = 0; i < rec->count; i++) {
        free(rec->series[i].minutes);
        free(rec->series[i].days);
        free(rec->series[i].quotes);
        free(rec->series[i].ticks);
        free(rec->series[i].trades);
        free(rec->names[i]);
    }
    table_clear(&rec->by_symbol);
    free(rec->series);
    free(rec->names);
    free(rec->dates);
    free(rec->actions);
    free(rec);
}

static int64_t last_close(const struct recording *rec)
{
    int64_t ends = 0;
    for (size_t i = 0; i < rec->count; i++) {
        const struct series *s = &rec->series[i];
        for (size_t k = s->minutes_count; k-- > 0;) {
            struct session x;
            int64_t at = s->minutes[k].open_time_ns;
            if (!calendar_session(calendar_date(at), &x) || at < x.open_ns || at >= x.close_ns)
                continue;
            if (x.close_ns > ends)
                ends = x.close_ns;
            break;
        }
    }
    return ends;
}

static int by_date(const void *a, const void *b)
{
    const struct corporate_action *x = a, *y = b;
    return x->date != y->date ? (x->date > y->date) - (x->date < y->date) : (x->symbol > y->symbol) - (x->symbol < y->symbol);
}

struct feed *feed_parse(const char *folder, const struct feed_text texts[FEED_FILES], struct complaints *complaints)
{
    struct feed *feed = NULL;
    struct recording *rec = must_alloc(1, sizeof *rec);
    int before = complaints->count;
    for (size_t i = 0; i < FEED_FILES; i++) {
        if (!texts[i].text)
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, file_kinds[i].name);
        struct reader r = { path, complaints, 1, rec };
        read_rows(&r, &file_kinds[i], texts[i].text, texts[i].size);
    }
    if (rec->actions)
        qsort(rec->actions, rec->actions_count, sizeof *rec->actions, by_date);
    if (complaints->count > before) {
        if (complaints->count > COMPLAINTS_MAX)
            complain(complaints, "%s: %d mistakes in all; the first %d are shown", folder, complaints->count,
                     COMPLAINTS_MAX);
        goto done;
    }
    collect_dates(rec);
    char(*symbols)[SYMBOL_SIZE] = must_alloc(rec->count, sizeof *symbols);
    for (size_t i = 0; i < rec->count; i++)
        memcpy(symbols[i], rec->series[i].symbol, SYMBOL_SIZE);
    const struct feed_source source = {
        .state = rec,
        .free = recording_free,
        .load = load,
        .days = days,
        .actions = rec->actions,
        .actions_count = rec->actions_count,
        .first_date = rec->dates[0],
        .last_date = rec->dates[rec->dates_count - 1],
        .ends_ns = last_close(rec),
    };
    feed = feed_new(&source, (const char(*)[SYMBOL_SIZE])symbols, rec->count);
    free(symbols);
    rec = NULL; /* now the feed's */
done:
    if (rec)
        recording_free(rec);
    return feed;
}

/* NULL without a complaint: the file is not there and may be missing. */
static char *read_whole(const char *path, bool required, size_t *size, struct complaints *complaints)
{
    char *text = NULL;
    size_t room = 0;
    *size = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        if (required || errno != ENOENT)
            complain(complaints, "%s: %s", path, strerror(errno));
        return NULL;
    }
    for (;;) {
        if (*size == room)
            text = must_realloc(text, room = room ? room * 2 : 1 << 16, 1);
        size_t got = fread(text + *size, 1, room - *size, file);
        *size += got;
        if (got == 0)
            break;
    }
    if (ferror(file)) {
        complain(complaints, "%s: %s", path, strerror(errno));
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

struct feed *feed_open_recorded(const char *folder, struct complaints *complaints)
{
    struct feed *feed = NULL;
    char *read[FEED_FILES] = { NULL };
    struct feed_text texts[FEED_FILES];
    int before = complaints->count;
    for (size_t i = 0; i < FEED_FILES; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%s", folder, file_kinds[i].name);
        read[i] = read_whole(path, i == FEED_MINUTES, &texts[i].size, complaints);
        texts[i].text = read[i];
    }
    if (complaints->count == before)
        feed = feed_parse(folder, texts, complaints);
    for (size_t i = 0; i < FEED_FILES; i++)
        free(read[i]);
    return feed;
}
