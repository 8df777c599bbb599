/* rest_portfolio.c - /v2/account/portfolio/history: the account's equity through time.
 *
 * A point's time is where its window begins, its equity that of the window's end. Windows of a day are stamped at
 * midnight UTC after the day, as the broker does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/rest.h"

enum { REPORT_MARKET_HOURS, REPORT_EXTENDED_HOURS, REPORT_CONTINUOUS };
enum { INTRADAY_DAYS_MAX = 30, POINTS_MAX = 50000 };

static const char *const timeframe_names[] = { "1Min", "5Min", "15Min", "1H", "1D", NULL };
static const int64_t timeframe_ns[] = { MINUTE_NS, 5 * MINUTE_NS, 15 * MINUTE_NS, HOUR_NS, 0 };
enum { TIMEFRAME_15MIN = 2, TIMEFRAME_DAY = 4 };

struct query {
    int timeframe, reporting;
    bool resets; /* profit is counted from each session's previous close */
    int64_t start, end;
};

/* Number and unit: "1M". In New York days back from a date. */
static bool period_start(struct call *c, int32_t end, int32_t *start, int *days)
{
    const char *text = parameter_text(c, "period");
    char *unit;
    long n = strtol(text ? text : "1M", &unit, 10);
    if (n < 1 || n > 1000 || !unit[0] || unit[1] || !strchr("DWMA", unit[0]))
        return parameter_refuse(c, "period", "a number and D, W, M or A, like 1M");
    struct session s;
    switch (unit[0]) {
    case 'D': { /* the session of the end is the first of n */
        bool any = calendar_session(end, &s) || (calendar_session_at(calendar_ns(end, 0), &s) && calendar_previous(&s, &s));
        for (long i = 1; any && i < n; i++)
            any = calendar_previous(&s, &s);
        *start = any ? s.date : end;
        *days = (int)n;
        return true;
    }
    case 'W':
        *days = (int)n * 7;
        *start = calendar_add_days(end, 1 - *days);
        return true;
    default: {
        int months = (int)n * (unit[0] == 'A' ? 12 : 1), month = end / 10000 * 12 + end / 100 % 100 - 1 - months;
        int32_t day = end % 100 > 28 ? 28 : end % 100;
        *start = month < 1980 * 12 ? 19800101 : month / 12 * 10000 + (month % 12 + 1) * 100 + day;
        *days = months * 30;
        return true;
    }
    }
}

static bool read_query(struct call *c, struct query *q)
{
    static const char *const reports[] = { "market_hours", "extended_hours", "continuous", NULL };
    static const char *const resets[] = { "per_day", "no_reset", NULL };
    const char *start = parameter_text(c, "start"), *end = parameter_text(c, "end"), *period = parameter_text(c, "period");
    bool extended = false;
    int reset = 0, days = 0;
    int32_t from, until = calendar_date(c->now_ns), date_end = 0;
    *q = (struct query){ .timeframe = -1, .end = c->now_ns };
    if (start && end && period)
        return parameter_refuse(c, "period", "left out when start and end are given");
    if (!parameter_time(c, "start", false, &q->start) || !parameter_time(c, "end", true, &q->end) ||
        !parameter_date(c, "date_end", &date_end) || !parameter_bool(c, "extended_hours", &extended) ||
        !parameter_word(c, "timeframe", timeframe_names, "1Min, 5Min, 15Min, 1H or 1D", &q->timeframe) ||
        !parameter_word(c, "pnl_reset", resets, "per_day or no_reset", &reset))
        return false;
    q->reporting = extended ? REPORT_EXTENDED_HOURS : REPORT_MARKET_HOURS;
    if (!parameter_word(c, "intraday_reporting", reports, "market_hours, extended_hours or continuous", &q->reporting))
        return false;
    if (date_end && !end)
        q->end = calendar_ns(calendar_add_days(date_end, 1), 0) - 1;
    if (start && period && !end) { /* forward from start: as many days as the period has back from it */
        if (!period_start(c, calendar_date(q->start), &from, &days))
            return false;
        q->end = q->start + (int64_t)days * DAY_NS - 1;
    }
    q->end = q->end < c->now_ns ? q->end : c->now_ns;
    until = calendar_date(q->end);
    if (!start) {
        if (!period_start(c, until, &from, &days))
            return false;
        q->start = calendar_ns(from, 0);
    } else {
        days = (int)((q->end - q->start) / DAY_NS) + 1;
    }
    q->resets = reset == 0;
    if (q->timeframe < 0)
        q->timeframe = days < 7 ? 0 : days < 30 ? TIMEFRAME_15MIN : TIMEFRAME_DAY;
    if (q->timeframe != TIMEFRAME_DAY && days > INTRADAY_DAYS_MAX + 1)
        return parameter_refuse(c, "timeframe", "1D for more than 30 days");
    return true;
}

struct series {
    json_t *timestamp, *equity, *profit, *percent;
    int64_t base; /* micros */
};

static json_t *dollars(int64_t micros)
{
    return json_real((double)micros / PRICE_SCALE);
}

static void add_point(struct series *s, int64_t time_ns, int64_t equity, int64_t base)
{
    json_array_append_new(s->timestamp, json_integer(time_ns / SECOND_NS));
    json_array_append_new(s->equity, dollars(equity));
    json_array_append_new(s->profit, dollars(equity - base));
    json_array_append_new(s->percent, base ? json_real((double)(equity - base) / (double)base) : json_null());
}

/* The close of the session before one; 0: none, or before the account was. */
static int64_t close_before(const struct call *c, const struct session *s, int32_t *date)
{
    struct session before;
    if (!calendar_previous(s, &before) || before.close_ns < c->account->created_ns)
        return 0;
    *date = before.date;
    return before.close_ns;
}

/* The windows of a session; for continuous reporting the whole day. */
static void session_bounds(const struct query *q, const struct session *s, int64_t *from, int64_t *to)
{
    *from = q->reporting == REPORT_MARKET_HOURS ? s->open_ns : s->pre_open_ns;
    *to = q->reporting == REPORT_MARKET_HOURS ? s->close_ns : s->post_close_ns;
    if (q->reporting == REPORT_CONTINUOUS) {
        *from = calendar_ns(s->date, 0);
        *to = calendar_ns(calendar_add_days(s->date, 1), 0) - 1;
    }
}

/* The windows of a session, from the account's first or the start's on. */
static void add_session(const struct call *c, const struct query *q, struct series *out, const struct session *s,
                        int64_t base)
{
    const struct curve *curve = &c->customer->curve;
    int64_t step = timeframe_ns[q->timeframe], from, to, created = c->account->created_ns,
            first = created > q->start ? created : q->start;
    session_bounds(q, s, &from, &to);
    if (first > from)
        from = first - (first - from) % step;
    for (int64_t at = from; at <= to && at <= q->end && json_array_size(out->equity) < POINTS_MAX; at += step) {
        int64_t end = at + step < to ? at + step : to;
        add_point(out, at, curve_at(curve, end < c->now_ns ? end : c->now_ns), base);
    }
}

static void add_sessions(const struct call *c, const struct query *q, struct series *out, int32_t *base_date)
{
    const struct curve *curve = &c->customer->curve;
    int64_t created = c->account->created_ns, start = q->start > created ? q->start : created, from, to;
    struct session s;
    bool first = true, is_day = q->timeframe == TIMEFRAME_DAY;
    for (bool any = calendar_session_at(start, &s); any; any = calendar_next(&s, &s)) {
        session_bounds(q, &s, &from, &to);
        if (from > q->end)
            break;
        int32_t date = 0;
        int64_t close = close_before(c, &s, &date), base = curve_at(curve, close ? close : created);
        if (first) {
            out->base = base;
            *base_date = date;
        } else if (!is_day && !q->resets) {
            base = out->base;
        }
        first = false;
        if (is_day) /* midnight UTC after it */
            add_point(out, (s.close_ns / DAY_NS + 1) * DAY_NS,
                      curve_at(curve, s.close_ns < c->now_ns ? s.close_ns : c->now_ns), base);
        else
            add_session(c, q, out, &s, base);
    }
}

void rest_get_portfolio_history(struct call *c)
{
    struct query q;
    struct series s = { json_array(), json_array(), json_array(), json_array(), c->account->start_cash_micros };
    struct account_figures now;
    int32_t base_date = 0;
    bool ok = read_query(c, &q);
    account_figures(c->account, venue_marks(c->x->venue), &now);
    curve_add(&c->customer->curve, c->now_ns, now.equity);
    if (ok)
        add_sessions(c, &q, &s, &base_date);
    json_t *body = json_pack("{so so so so so}", "timestamp", s.timestamp, "equity", s.equity, "profit_loss", s.profit,
                             "profit_loss_pct", s.percent, "base_value", dollars(s.base));
    if (base_date) {
        char date[DATE_TEXT_SIZE];
        calendar_date_format(base_date, date);
        json_object_set_new(body, "base_value_asof", json_string(date));
    }
    json_object_set_new(body, "timeframe", json_string(ok ? timeframe_names[q.timeframe] : ""));
    json_object_set_new(body, "cashflow", json_object());
    if (ok) {
        rest_answer(c, 200, body);
        return;
    }
    json_decref(body);
    rest_refuse(c);
}
