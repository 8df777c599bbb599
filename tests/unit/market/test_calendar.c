/* calendar: every date from 1990 to 2050 against xnys.txt (tools/calendar-golden.py), and rows. */
#include "tests/support/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "market/calendar.h"
#include "market/market.h"

enum { FIRST = 19900101, LAST = 20501231 };

/* ---- the golden file, read into one line per day */

enum { DAYS_MAX = 61 * 366 };

static struct golden {
    bool is_closed;
    int close_hhmm;
    int offset_s;       /* at the end of the day, UTC */
    int change_hour;    /* UTC hour at which the offset became so; -1: not today */
} golden[DAYS_MAX];

static int golden_index(int32_t date)
{
    return (int)((calendar_ns(date, 12 * 3600) - calendar_ns(FIRST, 12 * 3600) + HOUR_NS) / DAY_NS);
}

static int read_golden(void **state)
{
    (void)state;
    FILE *file = fopen("tests/unit/market/xnys.txt", "r");
    assert_non_null(file);
    for (int i = 0; i < DAYS_MAX; i++)
        golden[i] = (struct golden){ .close_hhmm = 1600, .change_hour = -1 };
    char line[128];
    int facts = 0, offset = -18000;
    while (fgets(line, sizeof line, file)) {
        int32_t date;
        int hhmm;
        if (sscanf(line, "closed %" SCNd32, &date) == 1) {
            golden[golden_index(date)].is_closed = true;
            facts++;
        } else if (sscanf(line, "early %" SCNd32 " %d", &date, &hhmm) == 2) {
            golden[golden_index(date)].close_hhmm = hhmm;
            facts++;
        } else if (sscanf(line, "clock %" SCNd32 " %d %d", &date, &hhmm, &offset) == 3) {
            golden[golden_index(date)].change_hour = hhmm / 100;
            golden[golden_index(date)].offset_s = offset;
            facts++;
        }
    }
    fclose(file);
    assert_true(facts > 800);
    offset = -18000;
    for (int i = 0; i < DAYS_MAX; i++) {
        if (golden[i].change_hour >= 0)
            offset = golden[i].offset_s;
        golden[i].offset_s = offset;
    }
    return 0;
}

static void every_date_agrees_with_exchange_calendars(void **state)
{
    (void)state;
    int sessions = 0;
    for (int32_t date = FIRST; date <= LAST; date = calendar_add_days(date, 1)) {
        const struct golden *g = &golden[golden_index(date)];
        int weekday = calendar_weekday(date);
        struct session s;
        bool is_session = calendar_session(date, &s);
        if (is_session != (weekday >= 1 && weekday <= 5 && !g->is_closed))
            fail_msg("%d: %s", date, is_session ? "should be closed" : "should be a session");
        if (!is_session)
            continue;
        sessions++;
        int64_t close_s = g->close_hhmm / 100 * 3600;
        if (s.close_ns != calendar_ns(date, (int)close_s) || s.open_ns != calendar_ns(date, 9 * 3600 + 1800) ||
            s.is_half_day != (g->close_hhmm != 1600) || s.date != date || s.pre_open_ns != calendar_ns(date, 4 * 3600) ||
            s.post_close_ns != calendar_ns(date, (s.is_half_day ? 17 : 20) * 3600))
            fail_msg("%d: wrong times", date);
    }
    assert_int_equal(sessions, 15343);
}

static void every_hour_has_the_tz_databases_offset(void **state)
{
    (void)state;
    int64_t midnight_ns = INT64_C(631152000) * SECOND_NS; /* 1990-01-01 UTC */
    int offset_before = -18000;
    for (int i = 0; i < golden_index(LAST); i++, midnight_ns += DAY_NS) {
        for (int hour = 0; hour < 24; hour++) {
            int expected = golden[i].change_hour >= 0 && hour < golden[i].change_hour ? offset_before : golden[i].offset_s;
            int64_t t = midnight_ns + hour * HOUR_NS;
            if (calendar_utc_offset_s(t) != expected || (hour > 0 && calendar_utc_offset_s(t - 1) !=
                (golden[i].change_hour >= 0 && hour - 1 < golden[i].change_hour ? offset_before : golden[i].offset_s)))
                fail_msg("day %d hour %d: offset %d instead of %d", i, hour, calendar_utc_offset_s(t), expected);
        }
        offset_before = golden[i].offset_s;
    }
}

static void walking_meets_every_session_in_both_directions(void **state)
{
    (void)state;
    struct session s, next, back;
    int count = 1;
    assert_true(calendar_session_at(calendar_ns(FIRST, 0), &s));
    assert_int_equal(s.date, 19900102);
    assert_false(calendar_previous(&s, &back));
    for (; calendar_next(&s, &next); s = next, count++) {
        assert_true(calendar_previous(&next, &back));
        assert_int_equal(back.date, s.date);
        /* session_at changes over exactly at the close. */
        struct session at;
        assert_true(calendar_session_at(s.close_ns - 1, &at));
        assert_int_equal(at.date, s.date);
        assert_true(calendar_session_at(s.close_ns, &at));
        assert_int_equal(at.date, next.date);
    }
    assert_int_equal(s.date, 20501230);
    assert_int_equal(count, 15343);
    assert_false(calendar_session_at(s.close_ns, &next));
}

static void wall_time_and_back_is_the_same(void **state)
{
    (void)state;
    for (int32_t date = FIRST; date <= LAST; date = calendar_add_days(date, 1)) {
        for (int second = 0; second < 86400; second += 1801) {
            int64_t t = calendar_ns(date, second);
            bool is_gap = calendar_weekday(date) == 0 && second >= 7200 && second < 10800; /* may not exist */
            if (!is_gap && (calendar_date(t) != date || calendar_second_of_day(t) != second))
                fail_msg("%d %d: back as %d %d", date, second, calendar_date(t), calendar_second_of_day(t));
        }
    }
}

/* ---- rows */

static const struct day_case {
    const char *label;
    int32_t date;
    bool is_session;
    int close_hour;
} day_cases[] = {
    { "an ordinary Monday", 20131007, true, 16 },
    { "Saturday", 20131005, false, 0 },
    { "New Year's Day on a Saturday is not kept on Friday", 20211231, true, 16 },
    { "New Year's Day on a Sunday is kept on Monday", 20230102, false, 0 },
    { "no Martin Luther King Day in 1997", 19970120, true, 16 },
    { "Martin Luther King Day from 1998", 19980119, false, 0 },
    { "Presidents' Day", 20130218, false, 0 },
    { "Good Friday in March", 20240329, false, 0 },
    { "Good Friday in April", 20250418, false, 0 },
    { "Easter Monday", 20250421, true, 16 },
    { "no Juneteenth in 2021", 20210618, true, 16 },
    { "Juneteenth on a Sunday is kept on Monday", 20220620, false, 0 },
    { "Independence Day on a Saturday is kept on Friday", 20150703, false, 0 },
    { "Independence Day on a Sunday is kept on Monday", 20210705, false, 0 },
    { "half day before Independence Day", 20240703, true, 13 },
    { "July 3 2013, a Wednesday, is a half day", 20130703, true, 13 },
    { "July 5 2002, a Friday, is a half day", 20020705, true, 13 },
    { "July 5 2013, a Friday, is whole", 20130705, true, 16 },
    { "Thanksgiving", 20131128, false, 0 },
    { "the day after Thanksgiving", 20131129, true, 13 },
    { "the day after Thanksgiving in 1992", 19921127, true, 14 },
    { "Christmas Eve", 20131224, true, 13 },
    { "Christmas Eve on a Friday before a Saturday's Christmas", 20211224, false, 0 },
    { "Christmas Eve 1990 closes at two", 19901224, true, 14 },
    { "Nixon", 19940427, false, 0 },
    { "September 11", 20010914, false, 0 },
    { "the Monday after September 11", 20010917, true, 16 },
    { "Reagan", 20040611, false, 0 },
    { "Ford", 20070102, false, 0 },
    { "Sandy", 20121030, false, 0 },
    { "Bush", 20181205, false, 0 },
    { "Carter", 20250109, false, 0 },
    { "no such day", 20130230, false, 0 },
    { "no such month", 20131301, false, 0 },
    { "no date", 0, false, 0 },
    { "negative", -20131007, false, 0 },
    { "before the calendar", 19891229, false, 0 },
    { "beyond the calendar", 20510103, false, 0 },
    { "largest number", INT32_MAX, false, 0 },
    { "smallest number", INT32_MIN, false, 0 },
};

static void is_a_session_or_not(void **state)
{
    const struct day_case *c = *state;
    struct session s;
    bool is_session = calendar_session(c->date, &s);
    assert_int_equal(is_session, c->is_session);
    if (is_session)
        assert_int_equal(calendar_second_of_day(s.close_ns), c->close_hour * 3600);
}

static const struct at_case {
    const char *label;
    int32_t date;
    int second;
    int32_t session;
} at_cases[] = {
    { "in the session", 20131007, 12 * 3600, 20131007 },
    { "before the open", 20131007, 3600, 20131007 },
    { "a nanosecond before the close", 20131007, 16 * 3600 - 1, 20131007 },
    { "at the close it is the next", 20131007, 16 * 3600, 20131008 },
    { "Friday evening is Monday", 20131004, 18 * 3600, 20131007 },
    { "Saturday is Monday", 20131005, 0, 20131007 },
    { "a half day ends at one", 20131129, 13 * 3600, 20131202 },
    { "over a closed week", 20010910, 17 * 3600, 20010917 },
    { "over New Year", 20131231, 17 * 3600, 20140102 },
};

static void finds_the_session_at(void **state)
{
    const struct at_case *c = *state;
    struct session s;
    assert_true(calendar_session_at(calendar_ns(c->date, c->second), &s));
    assert_int_equal(s.date, c->session);
}

static const struct instant_case {
    const char *label;
    int32_t date;
    int hour;
    int64_t utc_s;
} instant_cases[] = {
    { "winter", 20130115, 9, 1358258400 },
    { "summer", 20131007, 9, 1381150800 },
    { "the Monday after the clocks go forward", 20130311, 9, 1363006800 },
    { "the Monday after they go back", 20131104, 9, 1383573600 },
    { "1993, when they went forward in April", 19930405, 9, 734014800 },
};

static void knows_utc(void **state)
{
    const struct instant_case *c = *state;
    assert_int_equal(calendar_ns(c->date, c->hour * 3600), c->utc_s * SECOND_NS);
}

static const struct date_case {
    const char *label, *text;
    int32_t date; /* 0: refused */
} date_cases[] = {
    { "plain", "2013-10-07", 20131007 },
    { "leap day", "2012-02-29", 20120229 },
    { "century leap day", "2000-02-29", 20000229 },
    { "no leap day in a century", "1900-02-29", 0 },
    { "no leap day", "2013-02-29", 0 },
    { "month 0", "2013-00-07", 0 },
    { "month 13", "2013-13-07", 0 },
    { "day 0", "2013-10-00", 0 },
    { "day 31 of a short month", "2013-09-31", 0 },
    { "year 0", "0000-01-01", 0 },
    { "short", "2013-10-7", 0 },
    { "long", "2013-10-071", 0 },
    { "slashes", "2013/10/07", 0 },
    { "letters", "2013-1O-07", 0 },
    { "sign", "+013-10-07", 0 },
    { "empty", "", 0 },
};

static void parses_dates(void **state)
{
    const struct date_case *c = *state;
    int32_t date = 0;
    char text[DATE_TEXT_SIZE];
    assert_int_equal(calendar_date_parse(c->text, strlen(c->text), &date), c->date != 0);
    assert_int_equal(date, c->date);
    if (date) {
        calendar_date_format(date, text);
        assert_string_equal(text, c->text);
    }
}

static const struct session_time_case {
    const char *label, *text;
    const char *written; /* NULL: refused */
    enum session_anchor anchor;
    int64_t offset_ns;
} session_time_cases[] = {
    { "the open", "open", "open", ANCHOR_OPEN, 0 },
    { "the close", "close", "close", ANCHOR_CLOSE, 0 },
    { "after the open", "open+30m", "open+30m", ANCHOR_OPEN, 30 * MINUTE_NS },
    { "before the close", "close-12m", "close-12m", ANCHOR_CLOSE, -12 * MINUTE_NS },
    { "before the open", "open-30m", "open-30m", ANCHOR_OPEN, -30 * MINUTE_NS },
    { "hours and minutes", "open+2h15m", "open+2h15m", ANCHOR_OPEN, 2 * HOUR_NS + 15 * MINUTE_NS },
    { "all units", "close-1h2m3s4ms", "close-1h2m3s4ms", ANCHOR_CLOSE, -(HOUR_NS + 2 * MINUTE_NS + 3 * SECOND_NS + 4000000) },
    { "ninety minutes", "open+90m", "open+1h30m", ANCHOR_OPEN, 90 * MINUTE_NS },
    { "nothing is the open itself", "open+0m", "open", ANCHOR_OPEN, 0 },
    { "a whole day", "open+24h", "open+24h", ANCHOR_OPEN, DAY_NS },
    { "more than a day", "open+24h1s", NULL, 0, 0 },
    { "far too much", "open+99999999999999999999h", NULL, 0, 0 },
    { "unknown anchor", "noon", NULL, 0, 0 },
    { "capitals", "Open", NULL, 0, 0 },
    { "no number", "open+m", NULL, 0, 0 },
    { "no unit", "open+30", NULL, 0, 0 },
    { "no offset", "open+", NULL, 0, 0 },
    { "unknown unit", "open+3d", NULL, 0, 0 },
    { "units upside down", "open+3m2h", NULL, 0, 0 },
    { "a unit twice", "open+3m2m", NULL, 0, 0 },
    { "spaces", "open + 30m", NULL, 0, 0 },
    { "two signs", "open+-30m", NULL, 0, 0 },
    { "something behind", "openly", NULL, 0, 0 },
    { "empty", "", NULL, 0, 0 },
};

static void parses_session_times(void **state)
{
    const struct session_time_case *c = *state;
    struct session_time t = { 0 };
    char text[SESSION_TIME_TEXT_SIZE];
    assert_int_equal(session_time_parse(c->text, strlen(c->text), &t), c->written != NULL);
    assert_int_equal(t.anchor, c->anchor);
    assert_int_equal(t.offset_ns, c->offset_ns);
    if (c->written) {
        session_time_format(t, text);
        assert_string_equal(text, c->written);
    }
}

static void session_times_are_moments_of_a_session(void **state)
{
    (void)state;
    struct session s;
    struct session_time t;
    assert_true(calendar_session(20131129, &s)); /* a half day */
    assert_true(session_time_parse("close-5m", 8, &t));
    assert_int_equal(session_time_ns(&s, t), calendar_ns(20131129, 12 * 3600 + 55 * 60));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_date_agrees_with_exchange_calendars),
        cmocka_unit_test(every_hour_has_the_tz_databases_offset),
        cmocka_unit_test(walking_meets_every_session_in_both_directions),
        cmocka_unit_test(wall_time_and_back_is_the_same),
        cmocka_unit_test(session_times_are_moments_of_a_session),
    };
    return RUN_ROWS("calendar_session", is_a_session_or_not, day_cases) +
           RUN_ROWS("calendar_session_at", finds_the_session_at, at_cases) +
           RUN_ROWS("calendar_ns", knows_utc, instant_cases) + RUN_ROWS("calendar_date_parse", parses_dates, date_cases) +
           RUN_ROWS("session_time_parse", parses_session_times, session_time_cases) +
           cmocka_run_group_tests_name("calendar", tests, read_golden, NULL);
}
