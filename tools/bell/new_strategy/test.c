/* @NAME@ through the real runner, with a broker that says what the test tells it to (tests/support/script.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/script.h"

extern const struct strategy_plugin strategy_plugin;

static struct script s;

static int finish(void **state)
{
    (void)state;
    script_end(&s);
    return 0;
}

static void buys_once_when_risen_and_sells_at_the_exit(void **state)
{
    (void)state;
    script_start(&s, &strategy_plugin, "SPY", "rise=1%", 20131007, 1);
    script_time(&s, "open");
    script_bar(&s, "open", "SPY", 100, 100.5);
    assert_string_equal(script_said(&s), ""); /* half a percent is not enough */
    script_bar(&s, "open+1m", "SPY", 100.5, 101);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
    script_fill(&s, 1, 100, 101.01);
    assert_int_equal(script_position(&s, 0), 100);
    script_bar(&s, "open+2m", "SPY", 101, 102);
    assert_string_equal(script_said(&s), ""); /* once a session */
    script_time(&s, "close-5m");
    assert_string_equal(script_said(&s), "sell 100 SPY market day #2");
    script_fill(&s, 2, 100, 102);
    script_time(&s, "close");
    assert_string_equal(script_said(&s), "end finished: its sessions are over");
}

static void stays_out_when_nothing_rises(void **state)
{
    (void)state;
    script_start(&s, &strategy_plugin, "SPY", "", 20131007, 2);
    script_time(&s, "open");
    script_bar(&s, "open", "SPY", 100, 99);
    script_time(&s, "close");
    assert_string_equal(script_said(&s), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(buys_once_when_risen_and_sells_at_the_exit, finish),
        cmocka_unit_test_teardown(stays_out_when_nothing_rises, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
