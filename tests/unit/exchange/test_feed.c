/* Recorded and synthetic markets: exchange/feed.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base.h"
#include "exchange/feed.h"

#define BARS "symbol,timestamp,open,high,low,close,volume\n"
#define QUOTES "symbol,timestamp,bid,bid_size,ask,ask_size\n"
#define DAYS "symbol,date,open,high,low,close,volume\n"
#define GOOD BARS "A,2013-10-07T13:30:00Z,10,10.5,9.5,10.2,100\n"

static struct feed *parse(const char *bars, const char *quotes, const char *days, struct complaints *c)
{
    memset(c, 0, sizeof *c);
    const struct feed_text texts[FEED_FILES] = {
        [FEED_MINUTES] = { bars, strlen(bars) },
        [FEED_QUOTES] = { quotes, quotes ? strlen(quotes) : 0 },
        [FEED_DAYS] = { days, days ? strlen(days) : 0 },
    };
    return feed_parse("dir", texts, c);
}

/* One more file beside good minutes of A. */
static struct feed *parse_beside(enum feed_file file, const char *text, struct complaints *c)
{
    struct feed_text texts[FEED_FILES] = { [FEED_MINUTES] = { GOOD, strlen(GOOD) } };
    memset(c, 0, sizeof *c);
    texts[file] = (struct feed_text){ text, strlen(text) };
    return feed_parse("dir", texts, c);
}

#define TRADES "symbol,timestamp,price,size\n"
#define ACTIONS "symbol,date,split_to,split_from,dividend\n"

static void finer_files_are_checked(void **state)
{
    (void)state;
    static const struct {
        enum feed_file file;
        const char *text, *complaint;
    } rows[] = {
        { FEED_TRADES, TRADES "A,2013-10-07T13:30:00.123456789Z,10.01,5\nA,2013-10-07T13:30:00.123456789Z,10.02,5\n", NULL },
        { FEED_TRADES, TRADES "A,2013-10-07T13:30:01Z,10.01,5\nA,2013-10-07T13:30:00Z,10.02,5\n", "dir/trades.csv:3: A is not in order" },
        { FEED_TRADES, TRADES "B,2013-10-07T13:30:01Z,10.01,5\n", "dir/trades.csv:2: B has no row in bars-1min.csv" },
        { FEED_TRADES, TRADES "A,2013-10-07T13:30:01Z,0,5\n", "dir/trades.csv:2: price is 0" },
        { FEED_TICKS, QUOTES "A,2013-10-07T13:30:00.5Z,10,1,11,2\n", NULL },
        { FEED_TICKS, QUOTES "A,2013-10-07T13:30:00.5Z,10,x,11,2\n", "dir/quotes.csv:2: bid_size \"x\"" },
        { FEED_SECONDS, BARS "A,2013-10-07T13:30:01Z,10,10.5,9.5,10.2,100\n", NULL },
        { FEED_SECONDS, BARS "A,2013-10-07T13:30:01.5Z,10,10.5,9.5,10.2,100\n", "dir/bars-1sec.csv:2: timestamp \"2013-10-07T13:30:01.5Z\" is not the start of a second" },
        { FEED_ACTIONS, ACTIONS "A,2013-10-08,2,1,\nA,2013-10-09,0,0,0.25\nZ,2013-10-09,0,0,0.25\n", NULL },
        { FEED_ACTIONS, ACTIONS "A,2013-10-08,2,0,\n", "dir/corporate-actions.csv:2: a split is two numbers" },
        { FEED_ACTIONS, ACTIONS "A,2013-10-08,0,0,\n", "dir/corporate-actions.csv:2: neither a split nor a dividend" },
        { FEED_ACTIONS, ACTIONS "A,today,2,1,\n", "dir/corporate-actions.csv:2: date \"today\"" },
    };
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static struct complaints c;
        struct feed *f = parse_beside(rows[i].file, rows[i].text, &c);
        bool right = rows[i].complaint ? !f && strstr(c.text, rows[i].complaint) : f != NULL;
        if (!right) {
            print_error("row %zu: %s\n", i, c.text);
            failed++;
        }
        feed_free(f);
    }
    assert_int_equal(failed, 0);
}

static void ticks_come_at_their_own_time(void **state)
{
    (void)state;
    static struct complaints c;
    struct feed *f = parse_beside(FEED_TRADES, TRADES "A,2013-10-07T13:30:00Z,10.01,5\nA,2013-10-07T13:30:00Z,10.02,7\n"
                                                      "A,2013-10-07T13:30:00.000000001Z,10.03,9\n", &c);
    struct instant in;
    assert_non_null(f);
    feed_seek(f, 0);
    feed_take(f, &in);
    assert_int_equal(in.trades_count, 2);
    assert_int_equal(in.trades[1].trade.price.micros, 10020000);
    assert_int_equal(in.trades[1].trade.size, 7);
    assert_int_equal(in.starting_count, 1);
    assert_true(in.starting[0].is_told);
    int64_t first = in.time_ns;
    feed_take(f, &in);
    assert_int_equal(in.time_ns, first + 1);
    assert_int_equal(in.trades_count, 1);
    feed_take(f, &in);
    assert_int_equal(in.time_ns, first + MINUTE_NS);
    assert_true(in.ended_count == 1 && in.ended[0].is_told);
    assert_true(feed_next_ns(f) == INT64_MAX);
    feed_free(f);
}

static void seconds_are_four_prints(void **state)
{
    (void)state;
    static struct complaints c;
    static const int64_t prices[] = { 10200000, 10500000, 9500000, 10000000 };
    struct feed *f = parse_beside(FEED_SECONDS, BARS "A,2013-10-07T13:30:01Z,10.2,10.5,9.5,10,103\n", &c);
    struct instant in;
    int64_t shares = 0;
    feed_seek(f, 0);
    feed_take(f, &in);
    for (int i = 0; i < 4; i++) {
        feed_take(f, &in);
        assert_int_equal(in.trades_count, 1);
        assert_int_equal(in.trades[0].trade.price.micros, prices[i]);
        shares += in.trades[0].trade.size;
    }
    assert_int_equal(shares, 103);
    feed_free(f);
}

static void actions_are_in_order_of_date(void **state)
{
    (void)state;
    static struct complaints c;
    const struct corporate_action *actions;
    struct feed *f = parse_beside(FEED_ACTIONS, ACTIONS "A,2013-10-09,0,0,0.25\nA,2013-10-08,2,1,\n", &c);
    assert_int_equal(feed_actions(f, &actions), 2);
    assert_true(actions[0].split_to == 2 && actions[0].split_from == 1 && !price_is_set(actions[0].dividend));
    assert_int_equal(actions[1].dividend.micros, 250000);
    feed_free(f);
}

static void broken_rows_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bars, *quotes, *days, *complaint;
    } rows[] = {
        { "empty", "", NULL, NULL, "dir/bars-1min.csv:1: the file is empty" },
        { "no header", "A,2013-10-07T13:30:00Z,10,10,10,10,1\n", NULL, NULL,
          "dir/bars-1min.csv:1: the first line is" },
        { "header alone", BARS, NULL, NULL, "dir/bars-1min.csv:1: there is no row" },
        { "too few columns", BARS "A,2013-10-07T13:30:00Z,10,10,10,10\n", NULL, NULL,
          "dir/bars-1min.csv:2: 6 columns where 7" },
        { "too many columns", BARS "A,2013-10-07T13:30:00Z,10,10,10,10,1,2\n", NULL, NULL,
          ":2: 8 columns where 7" },
        { "an empty line", GOOD "\n", NULL, NULL, ":3: the line is empty" },
        { "a price that is none", BARS "A,2013-10-07T13:30:00Z,ten,10,10,10,1\n", NULL, NULL,
          ":2: open \"ten\" is not a price" },
        { "an exponent", BARS "A,2013-10-07T13:30:00Z,1e1,10,10,10,1\n", NULL, NULL,
          ":2: open \"1e1\" is not a price" },
        { "seven decimals", BARS "A,2013-10-07T13:30:00Z,10.0000001,11,10,10,1\n", NULL, NULL, ":2: open" },
        { "a time that is none", BARS "A,yesterday,10,10,10,10,1\n", NULL, NULL,
          ":2: timestamp \"yesterday\" is not a time" },
        { "a bare date", BARS "A,2013-10-07,10,10,10,10,1\n", NULL, NULL,
          ":2: timestamp \"2013-10-07\" is not a time" },
        { "half a minute", BARS "A,2013-10-07T13:30:30Z,10,10,10,10,1\n", NULL, NULL,
          "is not the start of a minute" },
        { "a year nobody knows", BARS "A,1971-10-07T13:30:00Z,10,10,10,10,1\n", NULL, NULL,
          "outside the calendar's years" },
        { "a date nobody knows", GOOD, NULL, DAYS "A,1006-10-07,10,11,9,10,1\n",
          "bars-1day.csv:2: date \"1006-10-07\" is outside" },
        { "high below low", BARS "A,2013-10-07T13:30:00Z,10,9,11,10,1\n", NULL, NULL,
          ":2: high 9.00 is below low 11.00" },
        { "open above high", BARS "A,2013-10-07T13:30:00Z,12,11,9,10,1\n", NULL, NULL,
          ":2: open 12.00 is outside low 9.00 to high 11.00" },
        { "close below low", BARS "A,2013-10-07T13:30:00Z,10,11,9,8.5,1\n", NULL, NULL,
          ":2: close 8.50 is outside" },
        { "negative", BARS "A,2013-10-07T13:30:00Z,-10,11,9,10,1\n", NULL, NULL, ":2: open -10 is negative" },
        { "zero", BARS "A,2013-10-07T13:30:00Z,0,11,9,10,1\n", NULL, NULL, ":2: open is 0" },
        { "negative volume", BARS "A,2013-10-07T13:30:00Z,10,11,9,10,-1\n", NULL, NULL,
          ":2: volume -1 is negative" },
        { "half a share", BARS "A,2013-10-07T13:30:00Z,10,11,9,10,1.5\n", NULL, NULL,
          ":2: volume \"1.5\" is not a whole number" },
        { "no symbol", BARS ",2013-10-07T13:30:00Z,10,11,9,10,1\n", NULL, NULL, ":2: symbol \"\" is not" },
        { "a symbol with a slash", BARS "A/B,2013-10-07T13:30:00Z,10,11,9,10,1\n", NULL, NULL,
          ":2: symbol \"A/B\" is not" },
        { "out of order", GOOD "A,2013-10-07T13:29:00Z,10,11,9,10,1\n", NULL, NULL,
          ":3: A is not in order of time" },
        { "a minute twice", GOOD "A,2013-10-07T13:30:00Z,10,11,9,10,1\n", NULL, NULL,
          ":3: A has minute 2013-10-07T13:30:00Z twice" },
        { "a quote of no symbol", GOOD, QUOTES "B,2013-10-07T13:30:00Z,1,1,2,1\n", NULL,
          "dir/quotes-1min.csv:2: B has no row in bars-1min.csv" },
        { "a negative size", GOOD, QUOTES "A,2013-10-07T13:30:00Z,1,-1,2,1\n", NULL,
          "quotes-1min.csv:2: bid_size -1 is negative" },
        { "quotes out of order", GOOD,
          QUOTES "A,2013-10-07T13:30:00Z,1,1,2,1\nA,2013-10-07T13:29:00Z,1,1,2,1\n", NULL,
          "quotes-1min.csv:3: A is not in order" },
        { "a day that is none", GOOD, NULL, DAYS "A,2013-13-01,10,11,9,10,1\n",
          "bars-1day.csv:2: date \"2013-13-01\" is not a date" },
        { "a day twice", GOOD, NULL, DAYS "A,2013-10-01,10,11,9,10,1\nA,2013-10-01,10,11,9,10,1\n",
          "bars-1day.csv:3: A has date 2013-10-01 twice" },
    };
    static struct complaints c;
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct feed *f = parse(rows[i].bars, rows[i].quotes, rows[i].days, &c);
        if (f || c.count == 0 || !strstr(c.text, rows[i].complaint)) {
            print_error("row: %s\n  got: %s\n", rows[i].name, c.text);
            failed++;
        }
        feed_free(f);
    }
    assert_int_equal(failed, 0);
}

static void all_mistakes_are_told_up_to_twenty(void **state)
{
    (void)state;
    static struct complaints c;
    char text[4096] = BARS;
    for (int i = 0; i < 30; i++)
        strcat(text, "A,never,10,10,10,10,1\n");
    assert_null(parse(text, NULL, NULL, &c));
    assert_non_null(strstr(c.text, "bars-1min.csv:2:"));
    assert_non_null(strstr(c.text, "bars-1min.csv:21:"));
    assert_null(strstr(c.text, "bars-1min.csv:22:"));
    assert_non_null(strstr(c.text, "30 mistakes in all"));
}

static void a_missing_folder_is_a_complaint(void **state)
{
    (void)state;
    static struct complaints c;
    memset(&c, 0, sizeof c);
    assert_null(feed_open_recorded("/nowhere", &c));
    assert_non_null(strstr(c.text, "/nowhere/bars-1min.csv: No such file"));
}

static void events_come_in_order_of_time(void **state)
{
    (void)state;
    static struct complaints c;
    struct feed *f =
        parse("\xef\xbb\xbf" BARS "B,2013-10-07T13:30:00Z,20,20,20,20,5\r\nA,2013-10-07T13:30:00Z,10,10.5,9.5,10.2,100\r\n"
                   "A,2013-10-07T13:31:00Z,10,10.5,9.5,10.3,100\nA,2013-10-08T03:59:00Z,9,9,9,9,1\nA,2013-10-"
                   "08T04:00:00Z,9,9,9,9,1\n",
              QUOTES "A,2013-10-07T13:30:00Z,10.1,100,0,0\n", NULL, &c);
    assert_non_null(f);
    const int64_t open = calendar_ns(20131007, 9 * 3600 + 1800);
    struct instant in;
    feed_seek(f, 0);
    feed_take(f, &in);
    assert_true(in.time_ns == open && in.quotes_count == 0 && in.ended_count == 0 && in.starting_count == 2);
    assert_int_equal(in.starting[0].symbol, 0); /* symbols are numbered as they first appear */
    assert_string_equal(feed_symbols(f)[0], "B");
    assert_true(feed_next_ns(f) == open + MINUTE_NS);
    feed_take(f, &in);
    assert_true(in.quotes_count == 1 && in.ended_count == 2 && in.starting_count == 1);
    assert_true(in.quotes[0].quote.time_ns == open + MINUTE_NS);
    assert_false(price_is_set(in.quotes[0].quote.ask));
    feed_take(f, &in);
    assert_true(in.ended_count == 1 && in.starting_count == 0);
    feed_take(f, &in); /* 23:59 in New York */
    assert_true(in.starting_count == 1);
    feed_take(f, &in); /* midnight: two days meet */
    assert_true(in.ended_count == 1 && in.starting_count == 1);
    feed_take(f, &in);
    assert_true(feed_next_ns(f) == INT64_MAX);
    feed_seek(f, open + 1);
    assert_true(feed_next_ns(f) == open + MINUTE_NS);
    assert_int_equal(feed_first_date(f), 20131007);
    assert_int_equal(feed_last_date(f), 20131008);
    assert_true(feed_ends_ns(f) == calendar_ns(20131007, 16 * 3600));
    feed_free(f);
}

static void days_are_the_files_or_made_of_minutes(void **state)
{
    (void)state;
    static struct complaints c;
    struct feed *f = parse(
        BARS "A,2013-10-07T13:29:00Z,1,1,1,1,1\nA,2013-10-07T13:30:00Z,10,10.5,9.5,10.2,100\n"
             "A,2013-10-07T19:59:00Z,11,12,11,11.5,50\nA,2013-10-07T20:00:00Z,99,99,99,99,1\n",
        NULL, DAYS "A,2013-10-03,5,6,4,5.5,10\nA,2013-10-04,7,8,6,7.5,10\nQ,2013-10-04,7,8,6,7.5,10\n", &c);
    struct bar b[4];
    assert_int_equal(feed_days(f, 0, 20131001, 20131031, b, 4), 3);
    assert_int_equal(b[2].open.micros, 10 * USD);
    assert_int_equal(b[2].close.micros, 11500000);
    assert_int_equal(b[2].high.micros, 12 * USD);
    assert_int_equal(b[2].volume, 150);
    assert_true(b[2].open_time_ns == calendar_ns(20131007, 0));
    assert_int_equal(feed_days(f, 0, 20131004, 20131004, b, 4), 1);
    assert_int_equal(feed_close_before(f, 0, 20131007).micros, 7500000);
    assert_int_equal(
        feed_bars(f, 0, calendar_ns(20131007, 9 * 3600 + 1800), calendar_ns(20131007, 16 * 3600), b, 4), 2);
    assert_true(feed_last_bar(f, 0, calendar_ns(20131007, 9 * 3600 + 1800), &b[0]));
    assert_int_equal(b[0].close.micros, 1 * USD);
    assert_false(feed_last_bar(f, 0, calendar_ns(20131007, 9 * 3600), &b[0]));
    assert_int_equal(feed_reference(f, 0, calendar_ns(20131007, 4 * 3600)).micros, 1 * USD);
    feed_free(f);
}

/* ---- the synthetic market */

static void a_synthetic_day_depends_on_seed_symbol_and_date_alone(void **state)
{
    (void)state;
    static const char few[][SYMBOL_SIZE] = { "SPY", "IBM" },
                      many[][SYMBOL_SIZE] = { "AIG", "IBM", "XYZ", "SPY" };
    static struct bar a[1000], b[1000];
    struct feed *f = feed_new_synthetic(7, few, 2), *g = feed_new_synthetic(7, many, 4),
                *h = feed_new_synthetic(8, few, 2);
    const int64_t from = calendar_ns(20250305, 0), to = calendar_ns(20250306, 0);
    feed_seek(f, calendar_ns(20250303, 0)); /* two days of replay first */
    struct instant in;
    while (feed_next_ns(f) < from)
        feed_take(f, &in);
    size_t n = feed_bars(f, 0, from, to, a, 1000);
    assert_true(n > 390);
    assert_int_equal(feed_bars(g, 3, from, to, b, 1000), n);
    assert_memory_equal(a, b, n * sizeof *a);
    size_t other = feed_bars(h, 0, from, to, b, 1000);
    assert_true(other != n || memcmp(a, b, n * sizeof *a) != 0);
    /* what the cursor hands out is what history says */
    size_t seen = 0;
    while (feed_next_ns(f) < to) {
        feed_take(f, &in);
        for (size_t i = 0; i < in.starting_count; i++)
            if (in.starting[i].symbol == 0)
                assert_memory_equal(&in.starting[i].bar, &a[seen++], sizeof *a);
    }
    assert_int_equal(seen, n);
    feed_free(f);
    feed_free(g);
    feed_free(h);
}

static void a_synthetic_day_is_the_same_whatever_was_looked_at_before(void **state)
{
    (void)state;
    static const char symbols[][SYMBOL_SIZE] = { "SPY" };
    static const int32_t dates[] = { 20250303, 20250228, 20041231, 20050103, 20241231, 20000103, 20250102, 20491231 };
    static struct bar a[1000], b[1000];
    struct feed *all = feed_new_synthetic(7, symbols, 1);
    for (size_t i = 0; i < COUNT_OF(dates); i++) {
        struct feed *one = feed_new_synthetic(7, symbols, 1);
        const int64_t from = calendar_ns(dates[i], 0), to = calendar_ns(calendar_add_days(dates[i], 1), 0);
        size_t n = feed_bars(one, 0, from, to, a, 1000);
        print_message("%d\n", dates[i]);
        assert_true(n > 390);
        assert_int_equal(feed_bars(all, 0, from, to, b, 1000), n);
        assert_memory_equal(a, b, n * sizeof *a);
        feed_free(one);
    }
    feed_free(all);
}

static void the_synthetic_market_looks_like_one(void **state)
{
    (void)state;
    static const char symbols[][SYMBOL_SIZE] = { "SPY", "AIG", "BAC" };
    struct feed *f = feed_new_synthetic(1, symbols, 3);
    static struct bar bars[1000];
    double edge = 0, noon = 0, edge_volume = 0, noon_volume = 0, together = 0, square[2] = { 0 };
    int gaps = 0, days = 0, sparse = 0;
    int32_t date = 20240102;
    struct session s;
    for (; days < 120; date = calendar_add_days(date, 1)) {
        if (!calendar_session(date, &s))
            continue;
        days++;
        double moved[2];
        for (int k = 0; k < 2; k++) {
            size_t n = feed_bars(f, k, s.pre_open_ns, s.post_close_ns, bars, 1000);
            size_t regular = 0;
            struct bar day;
            for (size_t i = 0; i < n; i++) {
                const struct bar *b = &bars[i];
                assert_true(b->low.micros > 0 && b->low.micros <= b->open.micros &&
                            b->high.micros >= b->close.micros && b->low.micros <= b->close.micros &&
                            b->high.micros >= b->open.micros && b->volume > 0);
                assert_true(b->open.micros % 10000 == 0 && b->high.micros % 10000 == 0 &&
                            b->low.micros % 10000 == 0 && b->close.micros % 10000 == 0);
                assert_true(i == 0 || bars[i - 1].open_time_ns < b->open_time_ns);
                if (b->open_time_ns < s.open_ns || b->open_time_ns >= s.close_ns)
                    continue;
                regular++;
                double range = (double)(b->high.micros - b->low.micros) / (double)b->low.micros;
                int64_t minute = (b->open_time_ns - s.open_ns) / MINUTE_NS;
                if (!s.is_half_day && (minute < 30 || minute >= 360))
                    edge += range, edge_volume += (double)b->volume;
                if (!s.is_half_day && minute >= 165 && minute < 225)
                    noon += range, noon_volume += (double)b->volume;
            }
            assert_int_equal(regular, (s.close_ns - s.open_ns) / MINUTE_NS); /* each regular minute trades */
            sparse += (int)(n - regular);
            assert_true(feed_days(f, k, date, date, &day, 1) == 1);
            struct price before = feed_close_before(f, k, date);
            gaps += before.micros != day.open.micros;
            moved[k] = (double)(day.close.micros - before.micros) / (double)before.micros;
            assert_true(moved[k] > -0.25 && moved[k] < 0.25);
            square[k] += moved[k] * moved[k];
        }
        together += moved[0] * moved[1];
    }
    assert_true(edge > 1.2 * noon);
    assert_true(edge_volume > 2 * noon_volume);
    assert_true(gaps > 200);
    assert_true(sparse > 240 * 20 && sparse < 240 * 200);
    assert_true(together > 0 && together * together > 0.05 * square[0] * square[1]); /* correlated */
    assert_int_equal(feed_last_date(f), 0);
    feed_free(f);
}

static void synthetic_quotes_have_a_spread(void **state)
{
    (void)state;
    static const char symbols[][SYMBOL_SIZE] = { "SPY" };
    struct feed *f = feed_new_synthetic(1, symbols, 1);
    struct instant in;
    int quotes = 0;
    feed_seek(f, calendar_ns(20240102, 4 * 3600));
    while (feed_next_ns(f) < calendar_ns(20240103, 0)) {
        feed_take(f, &in);
        for (size_t i = 0; i < in.quotes_count; i++, quotes++)
            assert_true(in.quotes[i].quote.bid.micros > 0 &&
                        in.quotes[i].quote.ask.micros > in.quotes[i].quote.bid.micros &&
                        in.quotes[i].quote.bid.micros % 10000 == 0 && in.quotes[i].quote.bid_size > 0);
    }
    assert_true(quotes > 390);
    feed_free(f);
}

/* ---- the recorded week: SPY bought in each closing auction, sold in the next opening auction */

static void the_overnight_week_earns_what_it_earned(void **state)
{
    (void)state;
    static const char folder[] = "../shared/data/week-2013-10";
    static const int64_t expected[] = { 3 * USD, 34 * USD, 175 * USD, -34 * USD };
    static struct complaints c;
    if (access(folder, R_OK) != 0) {
        print_message("SKIPPED: no recorded week at %s\n", folder);
        skip();
    }
    memset(&c, 0, sizeof c);
    struct feed *f = feed_open_recorded(folder, &c);
    assert_non_null(f);
    const struct venue_options options = { .cash_micros = 100000 * USD };
    const uint64_t bits[2] = { 1, 2 };
    struct venue *v = venue_new(&options, feed_symbols(f), feed_symbols_count(f));
    feed_seek(f, calendar_ns(20131007, 4 * 3600));
    int spy = venue_symbol(v, "SPY");
    struct account *a = NULL;
    struct session s;
    assert_true(calendar_session(20131007, &s));
    int64_t before = 0;
    size_t done = 0;
    while (feed_next_ns(f) != INT64_MAX) {
        struct instant in;
        feed_take(f, &in);
        venue_instant(v, &in);
        if (!a)
            before = (a = venue_account_open(v, "k", "s", bits, in.time_ns))->cash_micros;
        if (!calendar_session_at(in.time_ns, &s))
            break;
        struct order_request q;
        order_request_init(&q);
        memcpy(q.symbol, "SPY", 4);
        q.has_qty = true;
        q.qty_micros = 100 * QTY_SCALE;
        struct order *o;
        struct refusal r;
        const struct position *p = &a->holdings[spy].position;
        bool idle = !a->open_first;
        q.side = p->qty ? SIDE_SELL : SIDE_BUY;
        q.time_in_force = p->qty ? TIF_OPG : TIF_CLS;
        int64_t from = p->qty ? s.open_ns - 30 * MINUTE_NS : s.close_ns - 12 * MINUTE_NS;
        int64_t until = p->qty ? s.open_ns - 2 * MINUTE_NS : s.close_ns - 10 * MINUTE_NS;
        if (idle && s.date <= (p->qty ? 20131011 : 20131010) && in.time_ns >= from && in.time_ns < until)
            assert_true(venue_submit(v, a, &q, in.time_ns, &o, NULL, &r));
        if (p->qty == 0 && a->fills_count == 2 * (done + 1)) {
            assert_int_equal(a->cash_micros - before, expected[done++]);
            before = a->cash_micros;
        }
    }
    assert_int_equal(done, 4);
    assert_int_equal(a->cash_micros, 100178 * USD);
    assert_true(venue_is_consistent(v));
    venue_free(v);
    feed_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_rows_are_named),
        cmocka_unit_test(finer_files_are_checked),
        cmocka_unit_test(ticks_come_at_their_own_time),
        cmocka_unit_test(seconds_are_four_prints),
        cmocka_unit_test(actions_are_in_order_of_date),
        cmocka_unit_test(all_mistakes_are_told_up_to_twenty),
        cmocka_unit_test(a_missing_folder_is_a_complaint),
        cmocka_unit_test(events_come_in_order_of_time),
        cmocka_unit_test(days_are_the_files_or_made_of_minutes),
        cmocka_unit_test(a_synthetic_day_depends_on_seed_symbol_and_date_alone),
        cmocka_unit_test(a_synthetic_day_is_the_same_whatever_was_looked_at_before),
        cmocka_unit_test(the_synthetic_market_looks_like_one),
        cmocka_unit_test(synthetic_quotes_have_a_spread),
        cmocka_unit_test(the_overnight_week_earns_what_it_earned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
