/* backtest: a day of a few bars, counted by hand, with one strategy written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base.h"
#include "engine/backtest.h"

/* Buys after the first bar and holds. */
struct holder {
    bool bought, flat_at_end;
};

static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    struct holder *h = state;
    (void)bar;
    if (!h->bought)
        h->bought = strategy_market(host, symbol, SIDE_BUY, host->quantity, "first bar") > 0;
    host->decide(host->self, symbol, "last session: %d", host->is_last_session(host->self));
}

static bool holds_overnight(const void *state)
{
    (void)state;
    return true;
}

static const struct strategy_plugin holder = {
    .abi = STRATEGY_ABI, .size = sizeof(struct strategy_plugin), .name = "holder", .summary = "x",
    .state_size = sizeof(struct holder), .on_bar = on_bar, .holds_overnight = holds_overnight,
};

/* Two sessions of three bars each, at the open: 100 101 102, then 110 111 112; each closes half a dollar higher. */
static struct feed *market(void)
{
    static struct complaints complaints;
    char text[2048] = "symbol,timestamp,open,high,low,close,volume\n";
    for (int i = 0; i < 6; i++) {
        size_t used = strlen(text);
        int price = 100 + i % 3 + i / 3 * 10;
        snprintf(text + used, sizeof text - used, "ABC,2013-10-%02dT13:%02d:00Z,%d,%d.50,%d,%d.50,100\n", 7 + i / 3, 30 + i % 3,
                 price, price, price, price);
    }
    struct feed *feed = feed_parse("made-up", (struct feed_text[FEED_FILES]){ { text, strlen(text) } }, &complaints);
    if (!feed)
        fail_msg("%s", complaints.text);
    return feed;
}

struct seen {
    int fills, decisions;
    struct backtest_fill fill;
    char first[64];
};

static void see_fill(void *ctx, const struct backtest_fill *fill)
{
    struct seen *s = ctx;
    s->fills++;
    if (s->fills == 1)
        s->fill = *fill;
}

static void see_decision(void *ctx, const struct backtest_decision *d)
{
    struct seen *s = ctx;
    s->decisions++;
    assert_int_equal(d->sequence, s->decisions);
    if (d->sequence == 1)
        snprintf(s->first, sizeof s->first, "%s", d->text);
}

struct run {
    struct instance_config config;
    struct feed *feed;
    struct backtest *backtest;
    struct seen seen;
};

static bool begin(struct run *r, int64_t days, const char *symbol, int64_t until_ns, struct err *err)
{
    memset(r, 0, sizeof *r);
    r->config = (struct instance_config){ .name = "held", .path = "held.yaml", .strategy = &holder, .capital = 100000 * USD,
                                          .quantity = 100, .days = days };
    r->config.risk = (struct risk_limits){ .orders_per_minute = 60, .price_band = 100000, .max_age = HOUR_NS };
    r->config.symbols.count = 1;
    text_copy(r->config.symbols.names[0], SYMBOL_SIZE, symbol);
    r->feed = market();
    const struct backtest_options options = {
        .from_ns = calendar_ns(20131007, 4 * 3600), .until_ns = until_ns, .ends_ns = feed_ends_ns(r->feed),
        .cash_micros = 1000000 * USD, .fee_micros = USD / 100, .on_fill = see_fill, .on_decision = see_decision, .ctx = &r->seen };
    static struct instance_list list;
    list = (struct instance_list){ .count = 1, .items = &r->config };
    r->backtest = backtest_new(&list, r->feed, &options, err);
    if (r->backtest)
        backtest_run(r->backtest);
    return r->backtest != NULL;
}

static void end(struct run *r)
{
    backtest_free(r->backtest);
    feed_free(r->feed);
}

static void without_days_it_holds_to_the_last_bar(void **state)
{
    (void)state;
    struct run r;
    struct err err;
    assert_true(begin(&r, 0, "ABC", INT64_MAX, &err));
    assert_int_equal(backtest_bars(r.backtest), 6);
    assert_int_equal(r.seen.fills, 1);
    assert_int_equal(r.seen.fill.price.micros, 101 * USD); /* the open of the bar after the first */
    assert_int_equal(r.seen.fill.fee_micros, USD);
    assert_string_equal(r.seen.fill.client_order_id, "bell.held.20131007.1");
    assert_string_equal(r.seen.first, "last session: 0");
    const struct position *p = runner_book(backtest_runner(r.backtest), 0, 0);
    assert_int_equal(p->qty, 100);
    assert_int_equal(p->fees_micros, USD);
    assert_int_equal(position_unrealized_micros(p, backtest_mark(r.backtest, "ABC")), 1150 * USD); /* 112.50 - 101 */
    assert_string_equal(backtest_result(r.backtest, 0)->status, "finished");
    assert_true(backtest_is_consistent(r.backtest));
    end(&r);
}

static void with_days_it_is_told_of_the_last_session_and_closed(void **state)
{
    (void)state;
    struct run r;
    struct err err;
    assert_true(begin(&r, 1, "ABC", INT64_MAX, &err));
    assert_string_equal(r.seen.first, "last session: 1");
    /* No bar comes after the engine's closing order at close-1m on the first day: the next day's first one fills it. */
    assert_int_equal(r.seen.fills, 2);
    assert_int_equal(runner_book(backtest_runner(r.backtest), 0, 0)->qty, 0);
    assert_string_equal(backtest_result(r.backtest, 0)->reason, "its sessions are over");
    assert_true(backtest_is_consistent(r.backtest));
    end(&r);
}

static void nothing_happens_after_until(void **state)
{
    (void)state;
    struct run r;
    struct err err;
    assert_true(begin(&r, 0, "ABC", calendar_ns(20131008, 0), &err));
    assert_int_equal(backtest_bars(r.backtest), 3);
    assert_int_equal(backtest_mark(r.backtest, "ABC").micros, 102 * USD + USD / 2);
    end(&r);
}

static void the_deepest_fall_is_counted(void **state)
{
    (void)state;
    struct run r;
    struct err err;
    assert_true(begin(&r, 0, "ABC", INT64_MAX, &err));
    /* Bought at 101 with the mark at 100.50, and a dollar of fees: 51 below where it began; after that it only rises. */
    assert_int_equal(backtest_result(r.backtest, 0)->drawdown_micros, 51 * USD);
    end(&r);
}

static void a_symbol_without_a_market_is_refused(void **state)
{
    (void)state;
    struct run r;
    struct err err;
    assert_false(begin(&r, 0, "XYZ", INT64_MAX, &err));
    assert_string_equal(err.text, "held.yaml: symbols: the market has no XYZ");
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_days_it_holds_to_the_last_bar),
        cmocka_unit_test(with_days_it_is_told_of_the_last_session_and_closed),
        cmocka_unit_test(nothing_happens_after_until),
        cmocka_unit_test(the_deepest_fall_is_counted),
        cmocka_unit_test(a_symbol_without_a_market_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
