#include "tests/support/rows.h"

#include "core/clock.h"
#include "core/base.h"
#include "market/market.h"

#define T0 INT64_C(1381152600000000000) /* 2013-10-07T13:30:00Z */

static const struct time_case {
    const char *label, *text;
    bool ok;
    int64_t ns;
    const char *written; /* NULL: as text */
} time_cases[] = {
    { "seconds", "2013-10-07T13:30:00Z", true, T0, NULL },
    { "milliseconds", "2013-10-07T13:30:00.5Z", true, T0 + 500000000, NULL },
    { "nanoseconds", "2013-10-07T13:30:00.000000001Z", true, T0 + 1, NULL },
    { "zeros at the end go", "2013-10-07T13:30:00.500000000Z", true, T0 + 500000000, "2013-10-07T13:30:00.5Z" },
    { "a space between", "2013-10-07 13:30:00Z", true, T0, "2013-10-07T13:30:00Z" },
    { "small letters", "2013-10-07t13:30:00z", true, T0, "2013-10-07T13:30:00Z" },
    { "New York summer time", "2013-10-07T09:30:00-04:00", true, T0, "2013-10-07T13:30:00Z" },
    { "east", "2013-10-07T19:00:00+05:30", true, T0, "2013-10-07T13:30:00Z" },
    { "fraction and offset", "2013-10-07T09:30:00.25-04:00", true, T0 + 250000000, "2013-10-07T13:30:00.25Z" },
    { "a bare date is midnight", "2013-10-07", true, T0 - 48600 * SECOND_NS, "2013-10-07T00:00:00Z" },
    { "the epoch", "1970-01-01T00:00:00Z", true, 0, NULL },
    { "leap day", "2012-02-29T23:59:59Z", true, INT64_C(1330559999) * SECOND_NS, NULL },
    { "the last second", "2199-12-31T23:59:59Z", true, INT64_C(7258118399) * SECOND_NS, NULL },
    { "before 1970", "1969-12-31T23:59:59Z", false, 0, NULL },
    { "before 1970 by its offset", "1970-01-01T00:00:00+01:00", false, 0, NULL },
    { "after 2199", "2200-01-01", false, 0, NULL },
    { "after 2199 by its offset", "2199-12-31T23:59:59-00:01", false, 0, NULL },
    { "no zone", "2013-10-07T13:30:00", false, 0, NULL },
    { "ten fraction digits", "2013-10-07T13:30:00.0000000000Z", false, 0, NULL },
    { "point without digits", "2013-10-07T13:30:00.Z", false, 0, NULL },
    { "comma", "2013-10-07T13:30:00,5Z", false, 0, NULL },
    { "hour 24", "2013-10-07T24:00:00Z", false, 0, NULL },
    { "minute 60", "2013-10-07T13:60:00Z", false, 0, NULL },
    { "leap second", "2016-12-31T23:59:60Z", false, 0, NULL },
    { "no seconds", "2013-10-07T13:30Z", false, 0, NULL },
    { "no such day", "2013-02-30T13:30:00Z", false, 0, NULL },
    { "offset without colon", "2013-10-07T13:30:00+0530", false, 0, NULL },
    { "offset without minutes", "2013-10-07T13:30:00+05", false, 0, NULL },
    { "something behind", "2013-10-07T13:30:00Zx", false, 0, NULL },
    { "a space behind", "2013-10-07T13:30:00Z ", false, 0, NULL },
    { "a date and T", "2013-10-07T", false, 0, NULL },
    { "nanoseconds since 1970", "1381152600000000000", false, 0, NULL },
    { "empty", "", false, 0, NULL },
};

static void parses(void **state)
{
    const struct time_case *c = *state;
    int64_t got = 0;
    char text[TIME_TEXT_SIZE];
    assert_int_equal(time_parse(c->text, strlen(c->text), &got), c->ok);
    assert_int_equal(got, c->ns);
    if (!c->ok)
        return;
    int len = time_format(got, text);
    assert_string_equal(text, c->written ? c->written : c->text);
    assert_int_equal(len, strlen(text));
}

static void what_is_formatted_parses_to_the_same(void **state)
{
    (void)state;
    static const int64_t grain[] = { 1, 1000, 1000000, SECOND_NS, DAY_NS };
    uint64_t seed = 3;
    for (int i = 0; i < 200000; i++) {
        int64_t t = (int64_t)(random_next(&seed) % UINT64_C(7258118400000000000)), back;
        t -= t % grain[i % 5];
        char text[TIME_TEXT_SIZE];
        int len = time_format(t, text);
        assert_true(time_parse(text, (size_t)len, &back));
        assert_int_equal(back, t);
        assert_int_equal(time_format_us(t, text), 27);
        assert_true(time_parse(text, 27, &back));
        assert_int_equal(back, t - t % 1000);
    }
}

static void any_time_can_be_written(void **state)
{
    (void)state;
    char text[TIME_TEXT_SIZE];
    time_format(INT64_MIN, text);
    assert_string_equal(text, "1677-09-21T00:12:43.145224192Z");
    time_format(INT64_MAX, text);
    assert_string_equal(text, "2262-04-11T23:47:16.854775807Z");
    time_format_us(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

static void a_lockstep_market_stands_still(void **state)
{
    (void)state;
    struct market_clock c;
    market_clock_set(&c, T0, 0);
    assert_int_equal(market_clock_ns(&c), T0);
    assert_int_equal(market_clock_wait_ns(&c, T0), 0);
    assert_int_equal(market_clock_wait_ns(&c, T0 - 1), 0);
    assert_int_equal(market_clock_wait_ns(&c, T0 + 1), -1);
}

/* mono_ns laid into the past, instead of sleeping. */
static void a_fast_market_runs_so_many_times_as_fast(void **state)
{
    (void)state;
    struct market_clock c;
    market_clock_set(&c, T0, 60);
    c.mono_ns -= MINUTE_NS;
    int64_t now = market_clock_ns(&c);
    assert_true(now >= T0 + HOUR_NS && now < T0 + HOUR_NS + 30 * MINUTE_NS);
    int64_t wait = market_clock_wait_ns(&c, T0 + 2 * HOUR_NS);
    assert_true(wait > 30 * SECOND_NS && wait <= MINUTE_NS);
    assert_int_equal(market_clock_wait_ns(&c, T0), 0);
}

static void a_real_market_is_the_world(void **state)
{
    (void)state;
    struct market_clock c = { .real = true };
    int64_t before = clock_utc_ns(), now = market_clock_ns(&c);
    assert_true(now >= before && now - before < HOUR_NS);
    int64_t wait = market_clock_wait_ns(&c, now + DAY_NS);
    assert_true(wait <= DAY_NS && wait > DAY_NS - HOUR_NS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_formatted_parses_to_the_same),
        cmocka_unit_test(any_time_can_be_written),
        cmocka_unit_test(a_lockstep_market_stands_still),
        cmocka_unit_test(a_fast_market_runs_so_many_times_as_fast),
        cmocka_unit_test(a_real_market_is_the_world),
    };
    return RUN_ROWS("time_parse", parses, time_cases) + cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
