/* rest_account.c - /v2/account, its configurations and activities. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/rest.h"

/* ---- account */

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
    json_t *body = rest_body(c);
    if (body && configurations_patch(&c->customer->configurations, body, &c->refusal))
        rest_get_configurations(c);
    else
        rest_refuse(c);
    json_decref(body);
}

/* ---- activities */

struct activity_filter {
    const char *order_id;
    int32_t date;
    int64_t after, until, page_size;
    int descending;
};

static bool activity_matches(const struct activity_filter *f, const struct fill *fill)
{
    char id[UUID_SIZE];
    order_id(fill->order, id);
    return (!f->order_id || strcmp(id, f->order_id) == 0) &&
           (!f->date || calendar_date(fill->time_ns) == f->date) && fill->time_ns > f->after &&
           fill->time_ns < f->until;
}

static void list_activities(struct call *c, bool fills)
{
    static const char *const directions[] = { "asc", "desc", NULL };
    static const char *const categories[] = { "trade_activity", "non_trade_activity", NULL };
    const struct account *a = c->account;
    struct activity_filter f = { .order_id = parameter_text(c, "order_id"),
                                 .after = INT64_MIN,
                                 .until = INT64_MAX,
                                 .page_size = 100,
                                 .descending = 1 };
    const char *token = parameter_text(c, "page_token");
    int category = 0;
    if (!parameter_date(c, "date", &f.date) || !parameter_time(c, "after", false, &f.after) ||
        !parameter_time(c, "until", false, &f.until) ||
        !parameter_count(c, "page_size", 1, 100, &f.page_size) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f.descending) ||
        !parameter_word(c, "category", categories, "trade_activity or non_trade_activity", &category)) {
        rest_refuse(c);
        return;
    }
    if (f.date && !parameter_text(c, "page_size"))
        f.page_size = INT64_MAX; /* all of the day */
    int64_t at = f.descending ? (int64_t)a->fills_count - 1 : 0, step = f.descending ? -1 : 1;
    if (token) {
        const char *half = strstr(token, "::");
        const struct fill *last = half ? account_fill(a, half + 2) : NULL;
        if (!last) {
            parameter_refuse(c, "page_token", "the id of the last activity of the page before");
            rest_refuse(c);
            return;
        }
        at = last->index + step;
    }
    json_t *list = json_array();
    for (; fills && category == 0 && at >= 0 && at < (int64_t)a->fills_count && f.page_size > 0; at += step) {
        if (!activity_matches(&f, a->fills[at]))
            continue;
        json_array_append_new(list, activity_json(c->x->venue, a->fills[at]));
        f.page_size--;
    }
    rest_answer(c, 200, list);
}

void rest_get_activities(struct call *c)
{
    const char *types = parameter_text(c, "activity_types");
    if (types && parameter_text(c, "category")) {
        parameter_refuse(c, "category", "left out when activity_types is given");
        rest_refuse(c);
        return;
    }
    list_activities(c, !types || parameter_lists(types, "FILL"));
}

void rest_get_activities_of_type(struct call *c)
{
    list_activities(c, strcmp(c->args[0], "FILL") == 0);
}

