/* rest_account.c - /v2/account, its configurations and activities. */
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/rest.h"

void rest_get_account(struct call *c)
{
    rest_answer(c, 200, account_json(c->x->venue, c->account, c->now_ns));
}

void rest_get_configurations(struct call *c)
{
    rest_answer(c, 200, configurations_json(&c->customer->configurations));
}

void rest_patch_configurations(struct call *c)
{
    struct configurations *f = &c->customer->configurations;
    json_t *body = rest_body(c);
    if (body && configurations_patch(f, body, &c->refusal)) {
        const struct account_config obeyed = {
            .suspend_trade = f->suspend_trade,
            .no_shorting = f->no_shorting,
            .no_fractional = !f->fractional_trading,
            .max_margin_multiplier = 1 << f->max_margin_multiplier,
        };
        venue_configure(c->x->venue, c->account, &obeyed);
        rest_get_configurations(c);
    } else {
        rest_refuse(c);
    }
    json_decref(body);
}

/* ---- activities: executions, and what else changed the account; two lists, each in order of time */

struct activity_filter {
    const char *types, *order_id;
    bool trades, others; /* by category */
    int32_t date;
    int64_t after, until, page_size;
    int descending;
};

/* A place between two activities: the next ones going back are fills[fill - 1] and others[other - 1]. */
struct place {
    int64_t fill, other;
};

static bool is_in_time(const struct activity_filter *f, int64_t time_ns)
{
    return (!f->date || calendar_date(time_ns) == f->date) && time_ns > f->after && time_ns < f->until;
}

static bool wants_fill(const struct activity_filter *f, const struct fill *fill)
{
    char id[UUID_SIZE];
    if (!f->trades || (f->types && !parameter_lists(f->types, "FILL")) || !is_in_time(f, fill->time_ns))
        return false;
    if (f->order_id)
        order_id(fill->order, id);
    return !f->order_id || strcasecmp(id, f->order_id) == 0;
}

static bool wants_other(const struct activity_filter *f, const struct activity *a)
{
    return f->others && !f->order_id && (!f->types || parameter_lists(f->types, activity_type(a))) &&
           is_in_time(f, a->time_ns);
}

/* What stands next to the place, which moves past it: of the same time, executions come after the others. */
static bool next_activity(const struct account *a, struct place *p, bool descending, const struct fill **fill,
                          const struct activity **other)
{
    int64_t at_fill = descending ? p->fill - 1 : p->fill, at_other = descending ? p->other - 1 : p->other;
    bool has_fill = at_fill >= 0 && at_fill < (int64_t)a->fills_count,
         has_other = at_other >= 0 && at_other < (int64_t)a->activities_count;
    if (has_fill && has_other) {
        bool fill_is_later = a->fills[at_fill]->time_ns >= a->activities[at_other]->time_ns;
        has_fill = fill_is_later == descending;
        has_other = !has_fill;
    }
    *fill = has_fill ? a->fills[at_fill] : NULL;
    *other = has_other ? a->activities[at_other] : NULL;
    p->fill += has_fill ? (descending ? -1 : 1) : 0;
    p->other += has_other ? (descending ? -1 : 1) : 0;
    return has_fill || has_other;
}

/* Behind the activity with that id; false: there is none. */
static bool find_place(const struct account *a, const char *token, bool descending, struct place *out)
{
    const char *half = strstr(token, "::");
    const struct fill *fill = half ? account_fill(a, half + 2) : NULL;
    const struct activity *other = half && !fill ? account_activity(a, half + 2) : NULL;
    const struct fill *f;
    const struct activity *o;
    struct place p = { 0, 0 };
    if (!fill && !other)
        return false;
    /* up to it in order of time */
    p.fill = fill ? fill->index : 0;
    p.other = other ? other->index : 0;
    if (fill)
        while (p.other < (int64_t)a->activities_count && a->activities[p.other]->time_ns <= fill->time_ns)
            p.other++;
    else
        while (p.fill < (int64_t)a->fills_count && a->fills[p.fill]->time_ns < other->time_ns)
            p.fill++;
    if (!descending)
        next_activity(a, &p, false, &f, &o); /* past it */
    *out = p;
    return true;
}

static bool read_activity_filter(struct call *c, struct activity_filter *f, struct place *place)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    static const char *const categories[] = { "trade_activity", "non_trade_activity", NULL };
    int category = -1;
    const char *token = parameter_text(c, "page_token");
    *f = (struct activity_filter){ .types = c->args[0][0] ? c->args[0] : parameter_text(c, "activity_types"),
                                   .order_id = parameter_text(c, "order_id"),
                                   .after = INT64_MIN,
                                   .until = INT64_MAX,
                                   .page_size = 100,
                                   .descending = 1 };
    if (!parameter_date(c, "date", &f->date) || !parameter_time(c, "after", false, &f->after) ||
        !parameter_time(c, "until", false, &f->until) || !parameter_count(c, "page_size", 1, 100, &f->page_size) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f->descending) ||
        !parameter_word(c, "category", categories, "trade_activity or non_trade_activity", &category))
        return false;
    if (category >= 0 && f->types)
        return parameter_refuse(c, "category", "left out when activity types are given");
    f->trades = category != 1;
    f->others = category != 0;
    if (f->date && !parameter_text(c, "page_size"))
        f->page_size = INT64_MAX; /* all of the day */
    if (f->descending)
        *place = (struct place){ (int64_t)c->account->fills_count, (int64_t)c->account->activities_count };
    if (token && !find_place(c->account, token, f->descending, place))
        return parameter_refuse(c, "page_token", "the id of the last activity of the page before");
    return true;
}

void rest_get_activities(struct call *c)
{
    struct activity_filter f;
    struct place place = { 0, 0 };
    const struct fill *fill;
    const struct activity *other;
    if (!read_activity_filter(c, &f, &place)) {
        rest_refuse(c);
        return;
    }
    json_t *list = json_array();
    while (f.page_size > 0 && next_activity(c->account, &place, f.descending, &fill, &other)) {
        json_t *j = fill && wants_fill(&f, fill)      ? fill_json(c->x->venue, fill)
                    : other && wants_other(&f, other) ? activity_json(c->x->venue, other)
                                                      : NULL;
        if (!j)
            continue;
        json_array_append_new(list, j);
        f.page_size--;
    }
    rest_answer(c, 200, list);
}
