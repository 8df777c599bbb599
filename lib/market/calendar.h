/* calendar.h - NYSE sessions: holidays, early closes, daylight saving. The only place that knows New York.
 *
 * Pure; no tz database is read (US daylight saving: from 2007 second Sunday of March to first Sunday of
 * November, before that first Sunday of April to last Sunday of October, at 02:00).
 * Valid from 1990 to 2050; rules: NYSE Rule 7.2 and the exchange's published closures
 * (1994-04-27, 2001-09-11..14, 2004-06-11, 2007-01-02, 2012-10-29..30, 2018-12-05, 2025-01-09).
 * Tested against the XNYS calendar of the exchange_calendars package.
 *
 * A date is int32_t YYYYMMDD in New York: 20131007. */
#ifndef MARKET_CALENDAR_H
#define MARKET_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session {
    int32_t date;
    int64_t open_ns, close_ns;           /* regular session, UTC: 09:30 to 16:00 or 13:00 */
    int64_t pre_open_ns, post_close_ns;  /* extended hours: 04:00 to 20:00 (17:00 on a half day) */
    bool is_half_day;
};

/* false when the date is no trading day, no date at all, or out of range. */
bool calendar_session(int32_t date, struct session *out);

/* The first session whose regular close is after time_ns: the one in progress, or the next. */
bool calendar_session_at(int64_t time_ns, struct session *out);

bool calendar_next(const struct session *session, struct session *out);
bool calendar_previous(const struct session *session, struct session *out);

int32_t calendar_date(int64_t time_ns);               /* New York date of an instant */
int calendar_utc_offset_s(int64_t time_ns);           /* -14400 or -18000 */
int64_t calendar_ns(int32_t date, int second_of_day); /* New York wall time to UTC */
int calendar_second_of_day(int64_t time_ns);          /* New York wall time: 0..86399 */
int calendar_weekday(int32_t date);                   /* 0 Sunday .. 6 Saturday */
int32_t calendar_add_days(int32_t date, int days);

/* "2013-10-07" */
enum { DATE_TEXT_SIZE = 11 };
bool calendar_date_parse(const char *text, size_t len, int32_t *out);
void calendar_date_format(int32_t date, char out[DATE_TEXT_SIZE]);

/* A moment of any session: "open", "open+30m", "close-12m", "open-30m", "open+2h15m". */
enum session_anchor { ANCHOR_OPEN, ANCHOR_CLOSE };
struct session_time {
    enum session_anchor anchor;
    int64_t offset_ns;
};
enum { SESSION_TIME_TEXT_SIZE = 32 };
bool session_time_parse(const char *text, size_t len, struct session_time *out);
void session_time_format(struct session_time t, char out[SESSION_TIME_TEXT_SIZE]);
static inline int64_t session_time_ns(const struct session *s, struct session_time t)
{
    return (t.anchor == ANCHOR_OPEN ? s->open_ns : s->close_ns) + t.offset_ns;
}

#endif
