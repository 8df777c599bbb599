/* momentum_30min through the real runner. */
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
    script_start(&s, &strategy_plugin, "SPY IBM", "", 20131007, 2);
    script_bar(&s, "open", "SPY", 100.00, 100.10);
    script_bar(&s, "open", "IBM", 200.00, 200.10);
    script_said(&s);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    script_end(&s);
    return 0;
}

/* SPY is 1 % and a cent above its open, IBM exactly 1 %: above means above. */
static void decide_at_half_past(void)
{
    script_bar(&s, "open+29m", "SPY", 101.00, 101.01);
    script_bar(&s, "open+29m", "IBM", 202.00, 202.00);
}

static void buys_above_the_threshold_and_shorts_otherwise(void **state)
{
    (void)state;
    decide_at_half_past();
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1; sell 100 IBM market day #2");
}

static void a_fallen_price_is_shorted(void **state)
{
    (void)state;
    script_bar(&s, "open+29m", "SPY", 90.00, 90.00);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #1; sell 100 IBM market day #2");
}

static void leaves_by_market_at_the_exit(void **state)
{
    (void)state;
    decide_at_half_past();
    script_said(&s);
    script_fill(&s, 1, 100, 101.02);
    script_fill(&s, 2, 100, 201.99);
    script_time(&s, "close-6m");
    assert_string_equal(script_said(&s), "");
    script_time(&s, "close-5m");
    assert_string_equal(script_said(&s), "sell 100 SPY market day #3; buy 100 IBM market day #4");
}

static void a_partial_entry_is_canceled_and_what_there_is_closed(void **state)
{
    (void)state;
    decide_at_half_past();
    script_said(&s);
    script_fill(&s, 1, 30, 101.02);
    script_fill(&s, 2, 100, 201.99);
    script_time(&s, "close-5m");
    assert_string_equal(script_said(&s), "cancel #1; buy 100 IBM market day #3");
    script_fill(&s, 1, 50, 101.02); /* a fill crosses the cancel */
    script_final(&s, 1, ORDER_CANCELED);
    assert_string_equal(script_said(&s), "sell 50 SPY market day #4");
    script_fill(&s, 4, 50, 101.00);
    script_fill(&s, 3, 100, 201.00);
    assert_int_equal(script_position(&s, 0), 0);
    assert_int_equal(script_position(&s, 1), 0);
}

static void a_refused_exit_is_tried_again_with_every_bar(void **state)
{
    (void)state;
    decide_at_half_past();
    script_said(&s);
    script_fill(&s, 1, 100, 101.02);
    script_final(&s, 2, ORDER_REJECTED);
    script_time(&s, "close-5m");
    assert_string_equal(script_said_only(&s), "sell 100 SPY market day #3");
    script_reply(&s, 3, ROUTE_REJECTED, "no");
    assert_string_equal(script_said(&s), "");
    script_bar(&s, "close-5m", "SPY", 101, 101);
    assert_string_equal(script_said_only(&s), "sell 100 SPY market day #4");
    script_reply(&s, 4, ROUTE_REJECTED, "no");
    script_bar(&s, "close-4m", "SPY", 101, 101);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #5");
}

static void the_engine_closes_at_the_last_minute_what_no_bar_brought_out(void **state)
{
    (void)state;
    decide_at_half_past();
    script_said(&s);
    script_fill(&s, 1, 100, 101.02);
    script_final(&s, 2, ORDER_REJECTED);
    script_time(&s, "close-5m");
    script_said_only(&s);
    script_reply(&s, 3, ROUTE_REJECTED, "no");
    script_time(&s, "close-1m");
    assert_string_equal(script_said(&s), "sell 100 SPY market day #4");
    script_fill(&s, 4, 100, 101.00);
    script_time(&s, "close");
    assert_true(runner_is_flat(s.runner, 0));
}

static void no_opening_print_no_trade(void **state)
{
    (void)state;
    script_end(&s);
    script_start(&s, &strategy_plugin, "SPY IBM", "", 20131007, 1);
    script_bar(&s, "open", "SPY", 100, 100);
    script_bar(&s, "open+29m", "SPY", 102, 102);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
}

static void too_late_no_trade(void **state)
{
    (void)state;
    s.decisions = true;
    runner_time(s.runner, script_at(&s, "open+36m"));
    assert_string_equal(script_said(&s), "no trade today: 360 s too late to decide");
}

static void exit_before_entry_is_refused(void **state)
{
    (void)state;
    struct err err;
    struct script other;
    script_start(&other, &strategy_plugin, "SPY", "", 20131007, 1);
    struct session_time early = { .anchor = ANCHOR_OPEN, .offset_ns = MINUTE_NS };
    for (size_t i = 0; i < strategy_plugin.params_count; i++)
        if (strcmp(strategy_plugin.params[i].name, "exit") == 0)
            memcpy((char *)other.config.params + strategy_plugin.params[i].offset, &early, sizeof early);
    struct runner *r = runner_new(calendar_ns(20131007, 0), 0);
    assert_int_equal(runner_add(r, &other.config, &err), -1);
    assert_string_equal(err.text, "params: exit must come after at");
    runner_free(r);
    script_end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(buys_above_the_threshold_and_shorts_otherwise, begin, finish),
        cmocka_unit_test_setup_teardown(a_fallen_price_is_shorted, begin, finish),
        cmocka_unit_test_setup_teardown(leaves_by_market_at_the_exit, begin, finish),
        cmocka_unit_test_setup_teardown(a_partial_entry_is_canceled_and_what_there_is_closed, begin, finish),
        cmocka_unit_test_setup_teardown(a_refused_exit_is_tried_again_with_every_bar, begin, finish),
        cmocka_unit_test_setup_teardown(the_engine_closes_at_the_last_minute_what_no_bar_brought_out, begin, finish),
        cmocka_unit_test_setup_teardown(no_opening_print_no_trade, begin, finish),
        cmocka_unit_test_setup_teardown(too_late_no_trade, begin, finish),
        cmocka_unit_test(exit_before_entry_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
