/* When the market's clock moves: exchange/driver.h, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange/driver.h"

#define NONE INT64_MAX
enum { START = 1000 };

static void expect(const struct driver *d, int64_t market, int64_t clock, enum driver_action action,
                   int64_t time_ns)
{
    struct driver_step step = driver_next(d, market, clock);
    assert_int_equal(step.action, action);
    if (action != DRIVER_WAIT)
        assert_int_equal(step.time_ns, time_ns);
}

static void lockstep_waits_for_the_first_client(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    expect(&d, 2000, 0, DRIVER_WAIT, 0);
    int a = driver_join(&d, "a");
    expect(&d, 2000, 0, DRIVER_RUN, START); /* the first tick is at the start */
    assert_int_equal(driver_tick(&d, START, false), 1);
    expect(&d, 2000, 0, DRIVER_WAIT, 0);
    driver_ack(&d, a, 1, 0);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
}

static void lockstep_waits_for_the_slowest(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    int a = driver_join(&d, "a"), b = driver_join(&d, "b");
    assert_int_not_equal(a, b);
    driver_tick(&d, START, false);
    driver_ack(&d, a, 1, 0);
    expect(&d, 2000, 0, DRIVER_WAIT, 0);
    driver_ack(&d, b, 1, 0);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
    driver_tick(&d, 2000, false);
    driver_ack(&d, a, 1, 0); /* the last tick's again */
    driver_ack(&d, b, 2, 0);
    expect(&d, 3000, 0, DRIVER_WAIT, 0);
    driver_ack(&d, a, 3, 0); /* a tick that was never sent */
    expect(&d, 3000, 0, DRIVER_WAIT, 0);
    driver_ack(&d, a, 2, 0);
    expect(&d, 3000, 0, DRIVER_RUN, 3000);
}

static void updates_repeat_the_instant(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    int a = driver_join(&d, "a");
    driver_tick(&d, START, false);
    driver_updated(&d);
    expect(&d, 2000, 0, DRIVER_WAIT, 0);
    driver_ack(&d, a, 1, 0);
    expect(&d, 2000, 0, DRIVER_AGAIN, START);
    assert_int_equal(driver_tick(&d, START, false), 2);
    driver_ack(&d, a, 2, 0);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
}

static void the_earliest_wake_stops_the_clock(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    int a = driver_join(&d, "a"), b = driver_join(&d, "b");
    driver_tick(&d, START, false);
    driver_ack(&d, a, 1, 1700);
    driver_ack(&d, b, 1, 1500);
    expect(&d, 2000, 0, DRIVER_RUN, 1500);
    driver_tick(&d, 1500, false);
    driver_ack(&d, a, 2, 1700);
    driver_ack(&d, b, 2, 1500); /* behind us: served */
    expect(&d, 2000, 0, DRIVER_RUN, 1700);
    driver_tick(&d, 1700, false);
    driver_ack(&d, a, 3, 0);
    driver_ack(&d, b, 3, 9000);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
    expect(&d, NONE, 0, DRIVER_RUN, 9000); /* the market is over: wakes go on */
    driver_tick(&d, 9000, true);
    driver_ack(&d, a, 4, 0);
    driver_ack(&d, b, 4, 0);
    expect(&d, NONE, 0, DRIVER_WAIT, 0);
}

static void one_that_vanishes_stops_the_clock_until_it_is_back(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    int a = driver_join(&d, "a"), b = driver_join(&d, "b");
    driver_tick(&d, START, false);
    driver_ack(&d, a, 1, 0);
    driver_ack(&d, b, 1, 0);
    driver_leave(&d, b, false);
    expect(&d, 2000, 0, DRIVER_WAIT, 0);
    assert_int_equal(driver_join(&d, "b"), b);
    expect(&d, 2000, 0, DRIVER_WAIT, 0); /* it has to acknowledge the newest tick once more */
    driver_ack(&d, b, 1, 0);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
}

static void one_that_says_goodbye_is_not_waited_for(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    int a = driver_join(&d, "a"), b = driver_join(&d, "b");
    driver_tick(&d, START, false);
    driver_ack(&d, a, 1, 0);
    driver_leave(&d, b, true);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
    driver_leave(&d, a, true);
    expect(&d, 2000, 0, DRIVER_WAIT, 0); /* nobody there: it stands */
}

static void one_that_joins_late_is_waited_for(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_LOCKSTEP, START);
    int a = driver_join(&d, "a");
    driver_tick(&d, START, false);
    driver_ack(&d, a, 1, 0);
    int b = driver_join(&d, "b");
    expect(&d, 2000, 0, DRIVER_WAIT, 0);
    driver_ack(&d, b, 1, 0);
    expect(&d, 2000, 0, DRIVER_RUN, 2000);
}

static void there_is_an_end_to_clients(void **state)
{
    (void)state;
    struct driver d;
    char name[] = "c00";
    driver_init(&d, DRIVER_LOCKSTEP, START);
    for (int i = 0; i < DRIVER_CLIENTS_MAX; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        assert_int_equal(driver_join(&d, name), i);
    }
    assert_int_equal(driver_join(&d, "one more"), -1);
}

static void with_a_speed_the_clock_runs_by_itself(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_SPEED, START);
    expect(&d, START + MINUTE_NS, START, DRIVER_RUN, START);
    driver_tick(&d, START, false);
    expect(&d, START + MINUTE_NS, START, DRIVER_RUN_AT, START + MINUTE_NS);
    expect(&d, START + MINUTE_NS, START + MINUTE_NS, DRIVER_RUN, START + MINUTE_NS);
    driver_updated(&d); /* no tick is repeated: time goes on */
    expect(&d, START + MINUTE_NS, START + 5, DRIVER_RUN_AT, START + MINUTE_NS);
    expect(&d, NONE, START + 5, DRIVER_WAIT, 0);
}

static void with_a_speed_empty_stretches_are_skipped_but_no_wake(void **state)
{
    (void)state;
    struct driver d;
    const int64_t morning = START + 8 * HOUR_NS, wake = START + 2 * HOUR_NS;
    driver_init(&d, DRIVER_SPEED, START);
    driver_tick(&d, START, false);
    expect(&d, morning, START, DRIVER_SKIP, morning);
    int a = driver_join(&d, "a");
    driver_tick(&d, START, false);
    expect(&d, morning, START, DRIVER_RUN_AT, morning); /* it may want to be woken */
    driver_ack(&d, a, 2, wake);
    expect(&d, morning, START, DRIVER_SKIP, wake);
    driver_tick(&d, wake, false);
    driver_leave(&d, a, false); /* nobody waits for one that vanished */
    expect(&d, morning, wake, DRIVER_SKIP, morning);
}

static void real_time_is_never_skipped(void **state)
{
    (void)state;
    struct driver d;
    driver_init(&d, DRIVER_REAL, START);
    driver_tick(&d, START, false);
    expect(&d, START + 8 * HOUR_NS, START, DRIVER_RUN_AT, START + 8 * HOUR_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lockstep_waits_for_the_first_client),
        cmocka_unit_test(lockstep_waits_for_the_slowest),
        cmocka_unit_test(updates_repeat_the_instant),
        cmocka_unit_test(the_earliest_wake_stops_the_clock),
        cmocka_unit_test(one_that_vanishes_stops_the_clock_until_it_is_back),
        cmocka_unit_test(one_that_says_goodbye_is_not_waited_for),
        cmocka_unit_test(one_that_joins_late_is_waited_for),
        cmocka_unit_test(there_is_an_end_to_clients),
        cmocka_unit_test(with_a_speed_the_clock_runs_by_itself),
        cmocka_unit_test(with_a_speed_empty_stretches_are_skipped_but_no_wake),
        cmocka_unit_test(real_time_is_never_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
