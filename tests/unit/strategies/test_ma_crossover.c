/* ma_crossover through the real runner, against a slow and obvious reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/base.h"
#include "tests/support/script.h"

extern const struct strategy_plugin strategy_plugin;

static struct script s;

static int finish(void **state)
{
    (void)state;
    script_end(&s);
    return 0;
}

static void begin(const char *params, int64_t days)
{
    script_start(&s, &strategy_plugin, "SPY", params, 20131007, days);
    script_time(&s, "open");
}

static void bar(int minute, double close)
{
    char at[32];
    snprintf(at, sizeof at, "open+%dm", minute);
    script_bar(&s, minute ? at : "open", "SPY", close, close);
}

static void decides_strictly_after_slow_bars(void **state)
{
    (void)state;
    begin("fast=2 slow=4", 1);
    bar(0, 10);
    bar(1, 11);
    bar(2, 12);
    assert_string_equal(script_said(&s), "");
    bar(3, 13);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
}

static void equal_averages_are_not_above(void **state)
{
    (void)state;
    begin("fast=2 slow=4", 1);
    for (int i = 0; i < 6; i++)
        bar(i, 10);
    assert_string_equal(script_said(&s), "");
}

static void one_order_at_a_time(void **state)
{
    (void)state;
    begin("fast=1 slow=2", 1);
    bar(0, 10);
    bar(1, 11);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
    bar(2, 9); /* below now, but the purchase is under way */
    assert_string_equal(script_said(&s), "");
    script_fill(&s, 1, 100, 11);
    assert_string_equal(script_said(&s), "");
    bar(3, 8);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #2");
}

static void leaves_at_the_exit_and_stays_out(void **state)
{
    (void)state;
    begin("fast=1 slow=2", 1);
    bar(0, 10);
    bar(1, 11);
    script_said(&s);
    script_fill(&s, 1, 100, 11);
    script_time(&s, "close-5m");
    assert_string_equal(script_said(&s), "sell 100 SPY market day #2");
    script_fill(&s, 2, 100, 11);
    bar(386, 50);
    assert_string_equal(script_said(&s), "");
    script_time(&s, "close");
    assert_string_equal(script_said(&s), "end finished: its sessions are over");
}

static void a_new_session_starts_its_averages_afresh(void **state)
{
    (void)state;
    begin("fast=1 slow=2", 2);
    bar(0, 10);
    script_time(&s, "close");
    script_said(&s);
    bar(0, 11);
    assert_string_equal(script_said(&s), "");
    bar(1, 12);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
}

static void overnight_runs_on_and_ends_in_the_last_session(void **state)
{
    (void)state;
    begin("fast=1 slow=2 overnight=true", 2);
    bar(0, 10);
    bar(1, 11);
    script_said(&s);
    script_fill(&s, 1, 100, 11);
    script_time(&s, "close");
    assert_string_equal(script_said(&s), "");
    assert_int_equal(script_position(&s, 0), 100);
    bar(0, 12); /* above yesterday's last: still long */
    assert_string_equal(script_said(&s), "");
    bar(1, 11);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #1");
    script_fill(&s, 1, 100, 11);
    bar(2, 12);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #2");
    script_fill(&s, 2, 100, 12);
    script_time(&s, "close-5m");
    assert_string_equal(script_said(&s), "sell 100 SPY market day #3");
}

static void extended_bars_are_not_counted(void **state)
{
    (void)state;
    script_start(&s, &strategy_plugin, "SPY", "fast=1 slow=2", 20131007, 1);
    script_bar(&s, "open-2m", "SPY", 1, 1);
    script_bar(&s, "open-1m", "SPY", 2, 2);
    bar(0, 10);
    assert_string_equal(script_said(&s), "");
}

/* A day of a random walk: the position after each bar is what the plain averages say. */
static void agrees_with_plain_averages(void **state)
{
    (void)state;
    uint64_t seed = 20131007;
    double closes[400];
    int64_t cents = 10000;
    int trades = 0, length = 7;
    begin("fast=7 slow=23", 1);
    for (int i = 0; i < 380; i++) {
        if (i % 90 == 89) { /* edited while it runs: as if it had been so all along; slow is cold, it stays */
            char edit[32];
            snprintf(edit, sizeof edit, "fast=%d slow=24", length = 3 + (int)(random_next(&seed) % 18));
            script_change(&s, edit);
        }
        cents += (int64_t)(random_next(&seed) % 21) - 10;
        closes[i] = (double)cents / 100;
        bar(i, closes[i]);
        if (script_said(&s)[0]) {
            script_fill(&s, ++trades, 100, closes[i]);
            script_said(&s);
        }
        int64_t fast = 0, slow = 0;
        for (int k = 0; k < 23 && i >= 22; k++) {
            int64_t c = (int64_t)(closes[i - k] * 100 + 0.5);
            fast += k < length ? c : 0;
            slow += c;
        }
        assert_int_equal(script_position(&s, 0), i >= 22 && fast * 23 > slow * length ? 100 : 0);
    }
    assert_true(trades > 5);
}

static void an_edited_exit_holds_today(void **state)
{
    (void)state;
    begin("fast=1 slow=2", 1);
    bar(0, 10);
    bar(1, 11);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
    script_fill(&s, 1, 100, 11);
    script_change(&s, "exit=open+3m");
    assert_string_equal(script_said(&s), "");
    bar(2, 12);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(decides_strictly_after_slow_bars, finish),
        cmocka_unit_test_teardown(equal_averages_are_not_above, finish),
        cmocka_unit_test_teardown(one_order_at_a_time, finish),
        cmocka_unit_test_teardown(leaves_at_the_exit_and_stays_out, finish),
        cmocka_unit_test_teardown(a_new_session_starts_its_averages_afresh, finish),
        cmocka_unit_test_teardown(overnight_runs_on_and_ends_in_the_last_session, finish),
        cmocka_unit_test_teardown(extended_bars_are_not_counted, finish),
        cmocka_unit_test_teardown(agrees_with_plain_averages, finish),
        cmocka_unit_test_teardown(an_edited_exit_holds_today, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
