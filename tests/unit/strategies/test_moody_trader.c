/* moody_trader through the real runner. */
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
    script_start(&s, &strategy_plugin, "BAC", "", 20131007, 2);
    script_bar(&s, "open-10m", "BAC", 14.00, 14.00);
    script_said(&s);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    script_end(&s);
    return 0;
}

static void follows_its_timetable_through_the_day(void **state)
{
    (void)state;
    script_time(&s, "open");
    assert_string_equal(script_said(&s), "buy 100 BAC market day #1");
    script_fill(&s, 1, 100, 14.01);
    script_bar(&s, "open", "BAC", 14.01, 14.02);
    assert_string_equal(script_said(&s), "");
    script_time(&s, "open+2h"); /* no bar since: the duty comes all the same */
    assert_string_equal(script_said(&s), "sell 100 BAC market day #2"); /* through zero: in two parts */
    script_fill(&s, 2, 100, 14.00);
    assert_string_equal(script_said(&s), "sell 100 BAC market day #3");
    script_fill(&s, 3, 100, 14.00);
    assert_int_equal(script_position(&s, 0), -100);
    script_bar(&s, "close-62m", "BAC", 14.05, 14.05); /* above the open: greed buys */
    script_time(&s, "close-1h");
    assert_string_equal(script_said(&s), "buy 100 BAC market day #4");
    script_fill(&s, 4, 100, 14.05);
    assert_string_equal(script_said(&s), "buy 100 BAC market day #5");
    script_fill(&s, 5, 100, 14.05);
    assert_int_equal(script_position(&s, 0), 100);
    script_time(&s, "close-5m");
    assert_string_equal(script_said(&s), "sell 100 BAC market day #6");
    script_fill(&s, 6, 100, 14.06);
    script_time(&s, "close");
    assert_true(runner_is_flat(s.runner, 0));
}

static void no_price_at_the_open_waits_for_the_first_bar(void **state)
{
    (void)state;
    script_end(&s);
    script_start(&s, &strategy_plugin, "BAC", "", 20131007, 1);
    script_time(&s, "open");
    assert_string_equal(script_said(&s), "");
    script_bar(&s, "open+7m", "BAC", 14.00, 14.00);
    assert_string_equal(script_said(&s), "buy 100 BAC market day #1");
}

static void a_mood_that_never_comes_on_a_half_day_holds_from_the_open(void **state)
{
    (void)state;
    script_end(&s);
    script_start(&s, &strategy_plugin, "BAC", "moods={open+5h:gloomy}", 20131129, 1);
    script_bar(&s, "open-10m", "BAC", 14.00, 14.00);
    script_time(&s, "open");
    assert_string_equal(script_said(&s), "sell 100 BAC market day #1");
}

static void calm_closes(void **state)
{
    (void)state;
    script_end(&s);
    script_start(&s, &strategy_plugin, "BAC", "moods={open:gloomy,open+1h:calm}", 20131007, 1);
    script_bar(&s, "open-10m", "BAC", 14.00, 14.00);
    script_time(&s, "open");
    assert_string_equal(script_said(&s), "sell 100 BAC market day #1");
    script_fill(&s, 1, 100, 14);
    script_time(&s, "open+1h");
    assert_string_equal(script_said(&s), "buy 100 BAC market day #2");
}

static void the_mood_of_a_late_start_is_that_of_now(void **state)
{
    (void)state;
    script_time(&s, "open+3h");
    script_bar(&s, "open+3h", "BAC", 14.00, 14.00);
    assert_string_equal(script_said(&s), "sell 100 BAC market day #1");
}

static void same_bars_same_trades(void **state)
{
    (void)state;
    char first[4096];
    script_time(&s, "open");
    script_time(&s, "open+2h");
    strcpy(first, script_said(&s));
    script_end(&s);
    begin(NULL);
    script_time(&s, "open");
    script_time(&s, "open+2h");
    assert_string_equal(script_said(&s), first);
}

static void an_edited_mood_is_felt_at_once(void **state)
{
    (void)state;
    script_time(&s, "open");
    assert_string_equal(script_said(&s), "buy 100 BAC market day #1");
    script_fill(&s, 1, 100, 14);
    script_time(&s, "open+1h");
    script_change(&s, "moods={open:calm,open+2h:gloomy}");
    assert_string_equal(script_said(&s), "sell 100 BAC market day #2");
    script_fill(&s, 2, 100, 14);
    script_time(&s, "open+2h");
    assert_string_equal(script_said(&s), "sell 100 BAC market day #3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(follows_its_timetable_through_the_day, begin, finish),
        cmocka_unit_test_setup_teardown(no_price_at_the_open_waits_for_the_first_bar, begin, finish),
        cmocka_unit_test_setup_teardown(a_mood_that_never_comes_on_a_half_day_holds_from_the_open, begin, finish),
        cmocka_unit_test_setup_teardown(calm_closes, begin, finish),
        cmocka_unit_test_setup_teardown(the_mood_of_a_late_start_is_that_of_now, begin, finish),
        cmocka_unit_test_setup_teardown(same_bars_same_trades, begin, finish),
        cmocka_unit_test_setup_teardown(an_edited_mood_is_felt_at_once, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
