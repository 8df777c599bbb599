/* rest_clock.c - /v2/clock and /v2/calendar, and their /v3 forms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "exchange/rest.h"

enum { FIRST_DATE = 19900101, LAST_DATE = 20291231 };

static void no_session(struct call *c)
{
    refuse(&c->refusal, REFUSED_CALENDAR);
    rest_refuse(c);
}

void rest_get_clock(struct call *c)
{
    struct session s, next;
    if (!calendar_session_at(c->now_ns, &s) || !calendar_next(&s, &next)) {
        no_session(c);
        return;
    }
    bool is_open = c->now_ns >= s.open_ns;
    const struct alpaca_clock clock = {
        .timestamp = c->now_ns,
        .is_open = is_open,
        .next_open = is_open ? next.open_ns : s.open_ns,
        .next_close = s.close_ns,
        .is_replay = exchange_has_ticks(c->x),
        .speed = c->x->speed,
        .ends_at = feed_ends_ns(c->x->feed),
    };
    rest_answer(c, 200, alpaca_clock_encode(&clock));
}

/* Trades of a session settle one session later; two before 2024-05-28, three before 2017-09-05. */
static struct session settlement(const struct session *s)
{
    struct session at = *s;
    for (int left = s->date >= 20240528 ? 1 : s->date >= 20170905 ? 2 : 3; left > 0; left--)
        if (!calendar_next(&at, &at))
            break;
    return at;
}

static json_t *day_json(const struct session *s)
{
    char date[DATE_TEXT_SIZE], settles[DATE_TEXT_SIZE];
    calendar_date_format(s->date, date);
    calendar_date_format(settlement(s).date, settles);
    return json_pack("{ss ss ss ss ss ss}", "date", date, "open", "09:30", "close",
                     s->is_half_day ? "13:00" : "16:00", "session_open", "0400", "session_close",
                     s->is_half_day ? "1700" : "2000", "settlement_date", settles);
}

/* Sessions with a date (or settlement date) in [start, end]. */
static json_t *days(int32_t start, int32_t end, bool by_settlement, json_t *(*make)(const struct session *, bool),
                    bool utc)
{
    struct session s;
    json_t *list = json_array();
    int32_t from = by_settlement ? calendar_add_days(start, -10) : start;
    if (from < FIRST_DATE)
        from = FIRST_DATE;
    for (bool any = calendar_session_at(calendar_ns(from, 0), &s); any && s.date <= end; any = calendar_next(&s, &s)) {
        int32_t date = by_settlement ? settlement(&s).date : s.date;
        if (date >= start && date <= end)
            json_array_append_new(list, make(&s, utc));
    }
    return list;
}

static json_t *make_day(const struct session *s, bool utc)
{
    (void)utc;
    return day_json(s);
}

void rest_get_calendar(struct call *c)
{
    static const char *const types[] = { "TRADING", "SETTLEMENT", NULL };
    int32_t start = FIRST_DATE, end = LAST_DATE;
    int type = 0;
    if (parameter_date(c, "start", &start) && parameter_date(c, "end", &end) &&
        parameter_word(c, "date_type", types, "TRADING or SETTLEMENT", &type))
        rest_answer(c, 200, days(start, end, type == 1, make_day, false));
    else
        rest_refuse(c);
}

/* ---- /v3: several markets; those whose sessions are New York's are known here */

static const struct {
    const char *acronym, *mic, *name;
} markets[] = {
    { "NYSE", "XNYS", "New York Stock Exchange" },
    { "NASDAQ", "XNAS", "NASDAQ" },
    { "IEX", "IEXG", "Investors Exchange" },
};

static int market_find(const char *text, size_t size)
{
    for (size_t i = 0; i < COUNT_OF(markets); i++)
        if ((strlen(markets[i].acronym) == size && memcmp(markets[i].acronym, text, size) == 0) ||
            (strlen(markets[i].mic) == size && memcmp(markets[i].mic, text, size) == 0))
            return (int)i;
    return -1;
}

static json_t *market_json(int i)
{
    return json_pack("{ss ss ss ss}", "mic", markets[i].mic, "acronym", markets[i].acronym, "name", markets[i].name,
                     "timezone", "America/New_York");
}

static json_t *time_json(int64_t time_ns, bool utc)
{
    char text[TIME_TEXT_SIZE];
    if (!utc)
        return alpaca_new_york_time(time_ns);
    time_format(time_ns, text);
    return json_string(text);
}

static json_t *make_v3_day(const struct session *s, bool utc)
{
    char date[DATE_TEXT_SIZE], settles[DATE_TEXT_SIZE];
    calendar_date_format(s->date, date);
    calendar_date_format(settlement(s).date, settles);
    return json_pack("{ss so so so so so so ss}", "date", date, "pre_start", time_json(s->pre_open_ns, utc), "pre_end",
                     time_json(s->open_ns, utc), "core_start", time_json(s->open_ns, utc), "core_end",
                     time_json(s->close_ns, utc), "post_start", time_json(s->close_ns, utc), "post_end",
                     time_json(s->post_close_ns, utc), "settlement_date", settles);
}

void rest_get_v3_calendar(struct call *c)
{
    static const char *const zones[] = { "UTC", NULL };
    int32_t start = calendar_date(c->now_ns), end = 0;
    int zone = -1, market = market_find(c->args[0], strlen(c->args[0]));
    if (market < 0)
        parameter_refuse(c, "market", "NYSE, NASDAQ or IEX: the markets traded here");
    else if (parameter_date(c, "start", &start) && parameter_date(c, "end", &end) &&
             parameter_word(c, "timezone", zones, "UTC", &zone)) {
        json_t *list = days(start, end ? end : calendar_add_days(start, 7), false, make_v3_day, zone == 0);
        rest_answer(c, 200, json_pack("{so so}", "market", market_json(market), "calendar", list));
        return;
    }
    rest_refuse(c);
}

/* What a market does at a time, and until when. */
static json_t *v3_clock(int market, int64_t at_ns, const struct session *s, const struct session *next)
{
    struct session today;
    bool is_day = calendar_session(calendar_date(at_ns), &today), is_open = at_ns >= s->open_ns;
    const char *phase = "closed";
    int64_t until = s->pre_open_ns;
    if (is_open) {
        phase = "core";
        until = s->close_ns;
    } else if (is_day && at_ns >= today.close_ns && at_ns < today.post_close_ns) {
        phase = "post";
        until = today.post_close_ns;
    } else if (at_ns >= s->pre_open_ns) {
        phase = "pre";
        until = s->open_ns;
    }
    return json_pack("{so so sb so so ss so}", "market", market_json(market), "timestamp", time_json(at_ns, false),
                     "is_market_day", is_day, "next_market_open", time_json(is_open ? next->open_ns : s->open_ns, false),
                     "next_market_close", time_json(s->close_ns, false), "phase", phase, "phase_until",
                     time_json(until, false));
}

void rest_get_v3_clock(struct call *c)
{
    const char *list = parameter_text(c, "markets");
    int64_t at = c->now_ns;
    struct session s, next;
    if (!parameter_time(c, "time", false, &at)) {
        rest_refuse(c);
        return;
    }
    if (!calendar_session_at(at, &s) || !calendar_next(&s, &next)) {
        no_session(c);
        return;
    }
    json_t *clocks = json_array();
    for (const char *p = list ? list : "NYSE"; p; p = after_comma(p)) {
        int market = market_find(p, strcspn(p, ","));
        if (market < 0) {
            json_decref(clocks);
            parameter_refuse(c, "markets", "NYSE, NASDAQ or IEX: the markets traded here");
            rest_refuse(c);
            return;
        }
        json_array_append_new(clocks, v3_clock(market, at, &s, &next));
    }
    rest_answer(c, 200, json_pack("{so}", "clocks", clocks));
}
