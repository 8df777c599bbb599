#include "core/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "market/calendar.h"
#include "market/market.h"

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

int64_t clock_utc_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* ns * factor without losing nanoseconds where the factor is a whole number. */
static int64_t scale(int64_t ns, double factor)
{
    double product = (double)ns * factor;
    if (product >= 9.2e18 || product <= -9.2e18)
        return product > 0 ? INT64_MAX / 2 : INT64_MIN / 2;
    return factor == floor(factor) && fabs(factor) < 1e9 ? ns * (int64_t)factor
                                                         : (int64_t)llround(product);
}

int64_t market_clock_ns(const struct market_clock *c)
{
    if (c->real)
        return clock_utc_ns();
    return c->speed == 0 ? c->time_ns : c->time_ns + scale(clock_mono_ns() - c->mono_ns, c->speed);
}

void market_clock_set(struct market_clock *c, int64_t time_ns, double speed)
{
    *c = (struct market_clock){ .time_ns = time_ns, .mono_ns = clock_mono_ns(), .speed = speed };
}

int64_t market_clock_wait_ns(const struct market_clock *c, int64_t time_ns)
{
    int64_t left_ns = time_ns - market_clock_ns(c);
    if (left_ns <= 0)
        return 0;
    if (c->real)
        return left_ns;
    if (c->speed <= 0)
        return -1;
    double wait_ns = ceil((double)left_ns / c->speed);
    return wait_ns >= 9.2e18 ? INT64_MAX : (int64_t)wait_ns;
}

/* ---- text */

static int64_t floor_div(int64_t n, int64_t d)
{
    return n / d - (n % d < 0);
}

/* Writes up to the seconds; returns the length and what is below a second. */
static int format_seconds(int64_t time_ns, char out[TIME_TEXT_SIZE], int64_t *fraction_ns)
{
    int64_t seconds = floor_div(time_ns, SECOND_NS);
    int64_t days = floor_div(seconds, 86400);
    int second = (int)(seconds - days * 86400);
    char date[DATE_TEXT_SIZE];
    calendar_date_format(calendar_add_days(19700101, (int)days), date);
    *fraction_ns = time_ns % SECOND_NS + (time_ns % SECOND_NS < 0 ? SECOND_NS : 0);
    return snprintf(out, TIME_TEXT_SIZE, "%sT%02d:%02d:%02d", date, second / 3600, second / 60 % 60,
                    second % 60);
}

int time_format(int64_t time_ns, char out[TIME_TEXT_SIZE])
{
    int64_t fraction_ns;
    int n = format_seconds(time_ns, out, &fraction_ns);
    if (fraction_ns != 0) {
        n += snprintf(out + n, TIME_TEXT_SIZE - (size_t)n, ".%09" PRId64, fraction_ns);
        while (out[n - 1] == '0')
            n--;
    }
    out[n++] = 'Z';
    out[n] = '\0';
    return n;
}

int time_format_us(int64_t time_ns, char out[TIME_TEXT_SIZE])
{
    int64_t fraction_ns;
    int n = format_seconds(time_ns, out, &fraction_ns);
    return n + snprintf(out + n, TIME_TEXT_SIZE - (size_t)n, ".%06" PRId64 "Z", fraction_ns / 1000);
}

struct reader {
    const char *at, *end;
};

static bool read_char(struct reader *r, const char *any_of)
{
    for (; *any_of; any_of++) {
        if (r->at < r->end && *r->at == *any_of) {
            r->at++;
            return true;
        }
    }
    return false;
}

static bool read_two(struct reader *r, int max, int *out)
{
    if (r->end - r->at < 2 || r->at[0] < '0' || r->at[0] > '9' || r->at[1] < '0' || r->at[1] > '9')
        return false;
    *out = (r->at[0] - '0') * 10 + (r->at[1] - '0');
    r->at += 2;
    return *out <= max;
}

static bool read_fraction(struct reader *r, int64_t *out_ns)
{
    int64_t unit = SECOND_NS;
    const char *first = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        unit /= 10;
        if (unit == 0) /* a tenth digit */
            return false;
        *out_ns += (*r->at - '0') * unit;
    }
    return r->at > first;
}

static bool read_offset(struct reader *r, int64_t *out_s)
{
    if (read_char(r, "Zz"))
        return true;
    bool is_west = r->at < r->end && *r->at == '-';
    int hours, minutes;
    if (!read_char(r, "+-") || !read_two(r, 23, &hours) || !read_char(r, ":") ||
        !read_two(r, 59, &minutes))
        return false;
    *out_s = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* Days from 1970-01-01 to a real date. */
static int64_t days_of(int32_t date)
{
    int y = date / 10000, m = date / 100 % 100, d = date % 100;
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    int64_t leaps =
        (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400 - 477; /* 477 up to the end of 1969 */
    return (y - 1970) * INT64_C(365) + leaps + before[m - 1] + (m > 2 && is_leap) + d - 1;
}

bool time_parse(const char *text, size_t len, int64_t *out_ns)
{
    int32_t date;
    int date_len = DATE_TEXT_SIZE - 1;
    if (len < (size_t)date_len || !calendar_date_parse(text, (size_t)date_len, &date) ||
        date < 19700101 || date > 21991231)
        return false;

    struct reader r = { text + date_len, text + len };
    int hour = 0, minute = 0, second = 0;
    int64_t fraction_ns = 0, offset_s = 0;
    if (r.at < r.end) {
        if (!read_char(&r, "Tt ") || !read_two(&r, 23, &hour) || !read_char(&r, ":") ||
            !read_two(&r, 59, &minute) || !read_char(&r, ":") || !read_two(&r, 59, &second))
            return false;
        if (read_char(&r, ".") && !read_fraction(&r, &fraction_ns))
            return false;
        if (!read_offset(&r, &offset_s) || r.at != r.end)
            return false;
    }
    int64_t seconds = days_of(date) * 86400 + hour * 3600 + minute * 60 + second - offset_s;
    int64_t time_ns = seconds * SECOND_NS + fraction_ns;
    if (seconds < 0 || seconds >= INT64_C(7258118400)) /* 2200-01-01 */
        return false;
    *out_ns = time_ns;
    return true;
}
