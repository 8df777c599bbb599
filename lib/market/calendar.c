#include "market/calendar.h"

#include <stdio.h>
#include <string.h>

#include "market/market.h"

enum { SUNDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY };

enum { YEAR_MIN = 1990, YEAR_MAX = 2050 };

enum { HOUR_S = 3600, DAY_S = 86400, EDT_S = -4 * HOUR_S, EST_S = -5 * HOUR_S };

enum {
    PRE_OPEN_S = 4 * HOUR_S,
    OPEN_S = 9 * HOUR_S + 1800,
    CLOSE_S = 16 * HOUR_S,
    POST_CLOSE_S = 20 * HOUR_S,
    EARLY_CLOSE_S = 13 * HOUR_S,
    EARLY_CLOSE_BEFORE_1993_S = 14 * HOUR_S,
    EARLY_POST_CLOSE_S = 17 * HOUR_S
};

/* ---- days: numbered from 1970-01-01, proleptic Gregorian (H. Hinnant, "chrono-compatible
 * low-level date algorithms": years begin in March, so that the leap day is a year's last). */

struct ymd {
    int year, month, day;
};

static int64_t floor_div(int64_t n, int64_t d)
{
    return n / d - (n % d < 0);
}

static int64_t days_from(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct ymd ymd_from_days(int64_t days)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct ymd){
        .year = (int)(year_of_era + era * 400) + (month <= 2),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
}

static struct ymd ymd_from_date(int32_t date)
{
    return (struct ymd){ .year = date / 10000, .month = date / 100 % 100, .day = date % 100 };
}

static int32_t date_from_ymd(struct ymd d)
{
    return d.year * 10000 + d.month * 100 + d.day;
}

static int64_t days_from_date(int32_t date)
{
    struct ymd d = ymd_from_date(date);
    return days_from(d.year, d.month, d.day);
}

static int weekday_of(int64_t days)
{
    int64_t shifted = (days + THURSDAY) % 7; /* 1970-01-01 was a Thursday */
    return (int)(shifted < 0 ? shifted + 7 : shifted);
}

static bool date_is_real(int32_t date)
{
    return date > 0 && date <= 99991231 &&
           date_from_ymd(ymd_from_days(days_from_date(date))) == date;
}

int calendar_weekday(int32_t date)
{
    return weekday_of(days_from_date(date));
}

int32_t calendar_add_days(int32_t date, int days)
{
    return date_from_ymd(ymd_from_days(days_from_date(date) + days));
}

/* ---- daylight saving */

/* Day number of the n-th Sunday of a month, n from 1. */
static int64_t nth_sunday(int year, int month, int n)
{
    int64_t first = days_from(year, month, 1);
    return first + (7 - weekday_of(first)) % 7 + 7 * (n - 1);
}

static int64_t last_sunday(int year, int month)
{
    int64_t last = days_from(year, month, 31);
    return last - weekday_of(last);
}

static int64_t dst_start_day(int year)
{
    return year >= 2007 ? nth_sunday(year, 3, 2) : nth_sunday(year, 4, 1);
}

static int64_t dst_end_day(int year)
{
    return year >= 2007 ? nth_sunday(year, 11, 1) : last_sunday(year, 10);
}

/* Both clocks change at 02:00 of the time that ends, so they differ in UTC: 07:00 and 06:00. */
static int offset_at(int64_t utc_s)
{
    int64_t days = floor_div(utc_s, DAY_S);
    struct ymd d = ymd_from_days(days);
    if (d.month < 3 || d.month == 12)
        return EST_S;
    if (d.month > 4 && d.month < 10)
        return EDT_S;
    bool is_dst = d.month < 5 ? utc_s >= dst_start_day(d.year) * DAY_S + 7 * HOUR_S
                              : utc_s < dst_end_day(d.year) * DAY_S + 6 * HOUR_S;
    return is_dst ? EDT_S : EST_S;
}

static int offset_at_wall(int64_t wall_s)
{
    struct ymd d = ymd_from_days(floor_div(wall_s, DAY_S));
    if (d.month < 3 || d.month == 12)
        return EST_S;
    if (d.month > 4 && d.month < 10)
        return EDT_S;
    bool is_dst = d.month < 5 ? wall_s >= dst_start_day(d.year) * DAY_S + 2 * HOUR_S
                              : wall_s < dst_end_day(d.year) * DAY_S + 2 * HOUR_S;
    return is_dst ? EDT_S : EST_S;
}

int calendar_utc_offset_s(int64_t time_ns)
{
    return offset_at(floor_div(time_ns, SECOND_NS));
}

static int64_t wall_s_at(int64_t time_ns)
{
    int64_t utc_s = floor_div(time_ns, SECOND_NS);
    return utc_s + offset_at(utc_s);
}

int32_t calendar_date(int64_t time_ns)
{
    return date_from_ymd(ymd_from_days(floor_div(wall_s_at(time_ns), DAY_S)));
}

int calendar_second_of_day(int64_t time_ns)
{
    int64_t wall_s = wall_s_at(time_ns);
    return (int)(wall_s - floor_div(wall_s, DAY_S) * DAY_S);
}

int64_t calendar_ns(int32_t date, int second_of_day)
{
    int64_t wall_s = days_from_date(date) * DAY_S + second_of_day;
    return (wall_s - offset_at_wall(wall_s)) * SECOND_NS;
}

/* ---- holidays */

/* Closures no rule gives: state funerals, attacks, storms. Sorted. */
static const int32_t special_closures[] = {
    19940427, 20010911, 20010912, 20010913, 20010914, 20040611,
    20070102, 20121029, 20121030, 20181205, 20250109,
};

/* Half days no rule gives. */
static const int32_t special_half_days[] = { 19971226, 19991231, 20031226 };

static bool is_listed(const int32_t *list, size_t count, int32_t date)
{
    for (size_t i = 0; i < count && list[i] <= date; i++) {
        if (list[i] == date)
            return true;
    }
    return false;
}

/* Gregorian Easter (anonymous algorithm, Meeus/Jones/Butcher), less two days. */
static bool is_good_friday(struct ymd d)
{
    int a = d.year % 19, b = d.year / 100, c = d.year % 100;
    int h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    int m = (a + 11 * h + 22 * l) / 451;
    int from_march = h + l - 7 * m + 22 - 2; /* Easter's day of March (32 is April 1st), less two */
    return d.month == 3 ? d.day == from_march : d.day == from_march - 31;
}

/* A holiday of a fixed date: on a Sunday it is kept on Monday, on a Saturday on Friday. */
static bool is_kept(struct ymd d, int weekday, int day)
{
    return (d.day == day && weekday != SATURDAY && weekday != SUNDAY) ||
           (d.day == day + 1 && weekday == MONDAY) || (d.day == day - 1 && weekday == FRIDAY);
}

static bool is_nth(struct ymd d, int weekday, int wanted, int n)
{
    return weekday == wanted && (d.day - 1) / 7 == n - 1;
}

static bool is_holiday(struct ymd d, int weekday)
{
    switch (d.month) {
    case 1: /* New Year's Day: a Saturday's is not kept, the Friday closes the books of the year. */
        return d.day == 1 || (d.day == 2 && weekday == MONDAY) ||
               (d.year >= 1998 && is_nth(d, weekday, MONDAY, 3));
    case 2:
        return is_nth(d, weekday, MONDAY, 3);
    case 3:
    case 4:
        return weekday == FRIDAY && is_good_friday(d);
    case 5: /* Memorial Day: the last Monday */
        return weekday == MONDAY && d.day > 24;
    case 6: /* Juneteenth */
        return d.year >= 2022 && is_kept(d, weekday, 19);
    case 7:
        return is_kept(d, weekday, 4);
    case 9:
        return is_nth(d, weekday, MONDAY, 1);
    case 11: /* Thanksgiving */
        return is_nth(d, weekday, THURSDAY, 4);
    case 12:
        return is_kept(d, weekday, 25);
    default:
        return false;
    }
}

/* Asked of trading days only. */
static bool is_half_day(struct ymd d, int weekday)
{
    switch (d.month) {
    case 7: /* Around Independence Day, since 1995. When the 4th is a Thursday: the Friday until
               2012, then the Wednesday. */
        if (d.year < 1995)
            return false;
        if (d.day == 3)
            return weekday == MONDAY || weekday == TUESDAY || weekday == THURSDAY ||
                   (weekday == WEDNESDAY && d.year >= 2013);
        return d.day == 5 && weekday == FRIDAY && d.year < 2013;
    case 11: /* The day after Thanksgiving, since 1992 */
        return d.year >= 1992 && weekday == FRIDAY && d.day >= 23 && d.day <= 29;
    case 12: /* Christmas Eve; on a Friday it is the holiday itself */
        if (d.day == 24)
            return weekday >= MONDAY && weekday <= THURSDAY;
        break;
    default:
        return false;
    }
    int32_t date = date_from_ymd(d);
    return is_listed(special_half_days, sizeof special_half_days / sizeof special_half_days[0],
                     date);
}

/* ---- sessions */

static bool session_of(struct ymd d, int64_t days, struct session *out)
{
    int weekday = weekday_of(days);
    int32_t date = date_from_ymd(d);
    if (d.year < YEAR_MIN || d.year > YEAR_MAX || weekday == SUNDAY || weekday == SATURDAY ||
        is_holiday(d, weekday) ||
        is_listed(special_closures, sizeof special_closures / sizeof special_closures[0], date))
        return false;

    /* The clocks change on Sundays at night: one offset holds for the whole session. */
    int64_t midnight_s = days * DAY_S - offset_at_wall(days * DAY_S + OPEN_S);
    bool half = is_half_day(d, weekday);
    int64_t early_close_s = d.year < 1993 ? EARLY_CLOSE_BEFORE_1993_S : EARLY_CLOSE_S;
    *out = (struct session){
        .date = date,
        .open_ns = (midnight_s + OPEN_S) * SECOND_NS,
        .close_ns = (midnight_s + (half ? early_close_s : CLOSE_S)) * SECOND_NS,
        .pre_open_ns = (midnight_s + PRE_OPEN_S) * SECOND_NS,
        .post_close_ns = (midnight_s + (half ? EARLY_POST_CLOSE_S : POST_CLOSE_S)) * SECOND_NS,
        .is_half_day = half,
    };
    return true;
}

bool calendar_session(int32_t date, struct session *out)
{
    return date_is_real(date) && session_of(ymd_from_date(date), days_from_date(date), out);
}

/* The first session on day `days` or beyond it, walking by step (1 or -1). */
static bool session_from(int64_t days, int step, struct session *out)
{
    for (;; days += step) {
        struct ymd d = ymd_from_days(days);
        if (d.year < YEAR_MIN || d.year > YEAR_MAX)
            return false;
        if (session_of(d, days, out))
            return true;
    }
}

bool calendar_session_at(int64_t time_ns, struct session *out)
{
    int64_t days = floor_div(wall_s_at(time_ns), DAY_S);
    struct session found;
    if (!session_from(days, 1, &found))
        return false;
    if (found.close_ns <= time_ns && !session_from(days + 1, 1, &found))
        return false;
    *out = found;
    return true;
}

bool calendar_next(const struct session *session, struct session *out)
{
    return session_from(days_from_date(session->date) + 1, 1, out);
}

bool calendar_previous(const struct session *session, struct session *out)
{
    return session_from(days_from_date(session->date) - 1, -1, out);
}

/* ---- text */

static bool parse_digits(const char *text, int count, int *out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + (text[i] - '0');
    }
    *out = n;
    return true;
}

bool calendar_date_parse(const char *text, size_t len, int32_t *out)
{
    struct ymd d;
    if (len != DATE_TEXT_SIZE - 1 || text[4] != '-' || text[7] != '-' ||
        !parse_digits(text, 4, &d.year) || !parse_digits(text + 5, 2, &d.month) ||
        !parse_digits(text + 8, 2, &d.day))
        return false;
    int32_t date = date_from_ymd(d);
    if (d.year == 0 || !date_is_real(date))
        return false;
    *out = date;
    return true;
}

void calendar_date_format(int32_t date, char out[DATE_TEXT_SIZE])
{
    struct ymd d = ymd_from_date(date);
    if (date < 0 || d.year > 9999)
        d = (struct ymd){ 0 };
    snprintf(out, DATE_TEXT_SIZE, "%04u-%02u-%02u", (unsigned)d.year % 10000,
             (unsigned)d.month % 100, (unsigned)d.day % 100);
}

static const struct {
    const char *name;
    int64_t ns;
} offset_units[] = {
    { "h", HOUR_NS }, { "m", MINUTE_NS }, { "s", SECOND_NS }, { "ms", SECOND_NS / 1000 }
};

enum { OFFSET_UNITS = sizeof offset_units / sizeof offset_units[0] };

/* "2h15m": units from large to small, each once at most; a day at most. */
static bool parse_offset(const char *text, size_t len, int64_t *out_ns)
{
    int64_t total = 0;
    int next_unit = 0;
    size_t at = 0;
    do {
        int64_t n = 0;
        size_t first = at;
        for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
            n = n * 10 + (text[at] - '0');
            if (n > DAY_NS / (SECOND_NS / 1000)) /* a day in the smallest unit */
                return false;
        }
        size_t unit_len = 0;
        while (at + unit_len < len && text[at + unit_len] >= 'a' && text[at + unit_len] <= 'z')
            unit_len++;
        int unit = next_unit;
        while (unit < OFFSET_UNITS && (strlen(offset_units[unit].name) != unit_len ||
                                       memcmp(offset_units[unit].name, text + at, unit_len) != 0))
            unit++;
        if (at == first || unit == OFFSET_UNITS || n > DAY_NS / offset_units[unit].ns)
            return false;
        total += n * offset_units[unit].ns;
        next_unit = unit + 1;
        at += unit_len;
    } while (at < len);
    if (total > DAY_NS)
        return false;
    *out_ns = total;
    return true;
}

bool session_time_parse(const char *text, size_t len, struct session_time *out)
{
    static const struct {
        const char *word;
        enum session_anchor anchor;
    } anchors[] = { { "open", ANCHOR_OPEN }, { "close", ANCHOR_CLOSE } };

    for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++) {
        size_t word_len = strlen(anchors[i].word);
        if (len < word_len || memcmp(text, anchors[i].word, word_len) != 0)
            continue;
        int64_t offset_ns = 0;
        if (len > word_len) {
            char sign = text[word_len];
            if ((sign != '+' && sign != '-') ||
                !parse_offset(text + word_len + 1, len - word_len - 1, &offset_ns))
                return false;
            if (sign == '-')
                offset_ns = -offset_ns;
        }
        *out = (struct session_time){ .anchor = anchors[i].anchor, .offset_ns = offset_ns };
        return true;
    }
    return false;
}

void session_time_format(struct session_time t, char out[SESSION_TIME_TEXT_SIZE])
{
    int n =
        snprintf(out, SESSION_TIME_TEXT_SIZE, "%s%s", t.anchor == ANCHOR_OPEN ? "open" : "close",
                 t.offset_ns == 0  ? ""
                 : t.offset_ns < 0 ? "-"
                                   : "+");
    uint64_t left = t.offset_ns < 0 ? 0 - (uint64_t)t.offset_ns : (uint64_t)t.offset_ns;
    for (int unit = 0; unit < OFFSET_UNITS; unit++) {
        uint64_t count = left / (uint64_t)offset_units[unit].ns;
        left %= (uint64_t)offset_units[unit].ns;
        if (count > 0)
            n += snprintf(out + n, SESSION_TIME_TEXT_SIZE - (size_t)n, "%lu%s",
                          (unsigned long)count, offset_units[unit].name);
    }
}
