/* buy_close_sell_open through the real runner: what it orders, day by day, and every declared fallback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/script.h"

extern const struct strategy_plugin strategy_plugin;

static struct script s;

static int begin(void **state)
{
    (void)state;
    script_start(&s, &strategy_plugin, "SPY", "", 20131007, 2);
    script_bar(&s, "open", "SPY", 168.00, 168.10);
    script_said(&s);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    script_end(&s);
    return 0;
}

static void buys_in_the_closing_auction(void **state)
{
    (void)state;
    script_time(&s, "close-13m");
    assert_string_equal(script_said(&s), "");
    script_time(&s, "close-12m");
    assert_string_equal(script_said(&s), "buy 100 SPY market cls #1");
}

/* Buys 100 at the close of the first session and goes to the second. */
static void hold_the_night(void)
{
    script_time(&s, "close-12m");
    script_said(&s);
    script_time(&s, "close-1m");
    assert_string_equal(script_said(&s), "");
    script_fill(&s, 1, 100, 168.50);
    script_time(&s, "close");
    assert_string_equal(script_said(&s), "");
    assert_int_equal(script_position(&s, 0), 100);
}

static void sells_in_the_next_opening_auction_and_ends_flat(void **state)
{
    (void)state;
    hold_the_night();
    script_time(&s, "open-31m");
    assert_string_equal(script_said(&s), "");
    script_time(&s, "open-30m");
    assert_string_equal(script_said(&s), "sell 100 SPY market opg #1");
    script_fill(&s, 1, 100, 168.53);
    script_time(&s, "open");
    script_time(&s, "close-12m");
    assert_string_equal(script_said(&s), ""); /* no purchase in the last session */
    script_time(&s, "close");
    assert_string_equal(script_said(&s), "end finished: its sessions are over");
    assert_int_equal(runner_book(s.runner, 0, 0)->realized_micros, 3 * USD);
    assert_true(runner_all_ended(s.runner));
}

static void refused_window_buys_at_the_market_a_minute_before_the_close(void **state)
{
    (void)state;
    script_time(&s, "close-12m");
    script_said_only(&s);
    script_reply(&s, 1, ROUTE_REJECTED, "cls orders must be submitted after 7:00pm and before 3:55pm");
    assert_string_equal(script_said(&s), "");
    script_time(&s, "close-1m");
    assert_string_equal(script_said(&s), "buy 100 SPY market day #2");
}

static void window_missed_altogether_buys_at_once(void **state)
{
    (void)state;
    runner_time(s.runner, script_at(&s, "close-30s")); /* nothing was told in between */
    assert_string_equal(script_said_only(&s), "buy 100 SPY market cls #1");
    script_reply(&s, 1, ROUTE_REJECTED, "too late");
    assert_string_equal(script_said(&s), "buy 100 SPY market day #2");
}

static void auction_partial_is_kept_and_sold(void **state)
{
    (void)state;
    script_time(&s, "close-12m");
    script_said(&s);
    int part = script_part(&s, 1);
    script_fill(&s, 1, 40, 168.50);
    script_time(&s, "close");
    struct runner_update expired = { .status = ORDER_EXPIRED, .filled_qty = 40, .fill_price = PRICE_NONE,
                                     .average = PRICE_NONE, .reason = "" };
    assert_true(runner_update(s.runner, part, &expired)); /* after the close: nothing more is bought */
    assert_string_equal(script_said(&s), "");
    script_time(&s, "open-30m");
    assert_string_equal(script_said(&s), "sell 40 SPY market opg #1");
}

static void canceled_with_a_part_buys_the_rest(void **state)
{
    (void)state;
    script_time(&s, "close-12m");
    script_said(&s);
    script_fill(&s, 1, 40, 168.50);
    script_final(&s, 1, ORDER_CANCELED);
    assert_string_equal(script_said(&s), "");
    script_time(&s, "close-1m");
    assert_string_equal(script_said(&s), "buy 60 SPY market day #2");
}

static void expired_sale_goes_to_the_market_after_the_open(void **state)
{
    (void)state;
    hold_the_night();
    script_time(&s, "open-30m");
    script_said(&s);
    script_fill(&s, 1, 30, 168.53);
    script_time(&s, "open");
    assert_string_equal(script_said(&s), ""); /* the auction's answer is still out */
    script_final(&s, 1, ORDER_EXPIRED);
    assert_string_equal(script_said(&s), "sell 70 SPY market day #2");
    script_fill(&s, 2, 70, 168.40);
    assert_int_equal(script_position(&s, 0), 0);
}

static void refused_sale_goes_to_the_market_at_the_open_and_again_with_each_bar(void **state)
{
    (void)state;
    hold_the_night();
    script_time(&s, "open-30m");
    script_said_only(&s);
    script_reply(&s, 1, ROUTE_REJECTED, "opg orders must be submitted after 7:00pm and before 9:28am");
    assert_string_equal(script_said(&s), "");
    script_time(&s, "open");
    assert_string_equal(script_said_only(&s), "sell 100 SPY market day #2");
    script_reply(&s, 2, ROUTE_REJECTED, "not now");
    assert_string_equal(script_said(&s), "");
    script_bar(&s, "open", "SPY", 168.00, 168.10);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #3");
}

static void half_day_moves_with_the_close(void **state)
{
    (void)state;
    script_end(&s);
    script_start(&s, &strategy_plugin, "SPY", "", 20131129, 2); /* the day after Thanksgiving: 13:00 */
    script_bar(&s, "open", "SPY", 180, 180);
    assert_int_equal(calendar_second_of_day(script_at(&s, "close-12m")), 12 * 3600 + 48 * 60);
    script_time(&s, "close-12m");
    assert_string_equal(script_said(&s), "buy 100 SPY market cls #1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(buys_in_the_closing_auction, begin, finish),
        cmocka_unit_test_setup_teardown(sells_in_the_next_opening_auction_and_ends_flat, begin, finish),
        cmocka_unit_test_setup_teardown(refused_window_buys_at_the_market_a_minute_before_the_close, begin, finish),
        cmocka_unit_test_setup_teardown(window_missed_altogether_buys_at_once, begin, finish),
        cmocka_unit_test_setup_teardown(auction_partial_is_kept_and_sold, begin, finish),
        cmocka_unit_test_setup_teardown(canceled_with_a_part_buys_the_rest, begin, finish),
        cmocka_unit_test_setup_teardown(expired_sale_goes_to_the_market_after_the_open, begin, finish),
        cmocka_unit_test_setup_teardown(refused_sale_goes_to_the_market_at_the_open_and_again_with_each_bar, begin, finish),
        cmocka_unit_test_setup_teardown(half_day_moves_with_the_close, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
