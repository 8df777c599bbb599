/* rest_events.c - server-sent events: /v2/events/trades is trade_updates with its past, /v2beta1/events/activities the
 * account's activities.
 *
 * One line "data: {...}" an event. With since or since_id (exclusive) the past comes first; with until or until_id the
 * stream ends there. A comment is sent from time to time, so that a client that is gone is noticed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "exchange/rest.h"

enum { HEARTBEAT_SECONDS = 15 };

struct follower {
    struct exchange *exchange;
    struct account *account;
    struct http_stream *stream;
    struct follower *next;
    bool is_activities;
    int64_t since_ns, until_ns;        /* inclusive */
    char since_id[ULID_SIZE], until_id[ULID_SIZE]; /* exclusive, inclusive; "": none */
    size_t fills, activities;          /* told so far, of the account's */
    int64_t told_ns;                   /* monotonic */
};

static void end(struct follower *f)
{
    f->until_ns = INT64_MIN; /* nothing more */
    http_stream_end(f->stream);
}

/* One event. write: its JSON. */
static void tell(struct follower *f, int64_t time_ns, const char *id, struct buffer *json)
{
    if (time_ns > f->until_ns || (f->until_id[0] && strcmp(id, f->until_id) > 0)) {
        if (f->until_ns != INT64_MIN)
            end(f);
    } else if (time_ns >= f->since_ns && strcmp(id, f->since_id) > 0) {
        http_stream_send(f->stream, "data: ", 6);
        http_stream_send(f->stream, json->data, json->size);
        http_stream_send(f->stream, "\n\n", 2);
        f->told_ns = clock_mono_ns();
        if (f->until_id[0] && strcmp(id, f->until_id) == 0)
            end(f);
    }
}

static void tell_trade(struct follower *f, const struct trade_event *e, uint64_t sequence)
{
    struct buffer b = { 0 };
    char id[ULID_SIZE];
    event_id(e->time_ns, sequence, id);
    trade_event_write(&b, f->exchange->venue, e, sequence);
    tell(f, e->time_ns, id, &b);
    buffer_free(&b);
}

/* Fills and other activities that were not told yet, in order of time. */
static void tell_activities(struct follower *f)
{
    const struct account *a = f->account;
    while (f->fills < a->fills_count || f->activities < a->activities_count) {
        const struct fill *fill = f->fills < a->fills_count ? a->fills[f->fills] : NULL;
        const struct activity *other = f->activities < a->activities_count ? a->activities[f->activities] : NULL;
        if (fill && other && fill->time_ns < other->time_ns)
            other = NULL;
        struct buffer b = { 0 };
        char id[ULID_SIZE];
        int64_t time_ns = other ? other->time_ns : fill->time_ns;
        if (other)
            activity_event_write(&b, f->exchange->venue, other, id);
        else
            fill_event_write(&b, f->exchange->venue, fill, id);
        f->activities += other != NULL;
        f->fills += !other;
        tell(f, time_ns, id, &b);
        buffer_free(&b);
    }
}

/* ---- delivery */

void events_trade(struct exchange *x, const struct trade_event *e)
{
    for (struct follower *f = x->followers; f; f = f->next)
        if (f->account == e->order->account && !f->is_activities)
            tell_trade(f, e, x->events);
}

void events_flush(struct exchange *x)
{
    for (struct follower *f = x->followers; f; f = f->next) {
        if (f->is_activities)
            tell_activities(f);
        if (x->now_ns > f->until_ns && f->until_ns != INT64_MIN)
            end(f);
    }
}

void events_second(struct exchange *x)
{
    int64_t now = clock_mono_ns();
    for (struct follower *f = x->followers; f; f = f->next)
        if (now - f->told_ns > HEARTBEAT_SECONDS * SECOND_NS && f->until_ns != INT64_MIN) {
            http_stream_send(f->stream, ": still here\n\n", 14);
            f->told_ns = now;
        }
}

void events_close(void *ctx, struct http_stream *t)
{
    struct exchange *x = ctx;
    struct follower *f = http_stream_get(t), **link = &x->followers;
    while (*link != f)
        link = &(*link)->next;
    *link = f->next;
    free(f);
}

/* ---- requests */

static bool read_id(struct call *c, const char *name, char out[ULID_SIZE])
{
    const char *text = parameter_text(c, name);
    if (!text)
        return true;
    if (strlen(text) != ULID_SIZE - 1 || strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != ULID_SIZE - 1)
        return parameter_refuse(c, name, "an event's id, like 01HCMKX30Y1M8KNQCMY7SZ3VZP");
    memcpy(out, text, ULID_SIZE);
    return true;
}

static bool read_bounds(struct call *c, struct follower *f)
{
    const char *since = parameter_text(c, "since"), *since_id = parameter_text(c, "since_id");
    if (since && since_id)
        return parameter_refuse(c, "since_id", "left out when since is given");
    if (parameter_text(c, "until") && !since)
        return parameter_refuse(c, "until", "given together with since");
    if (parameter_text(c, "until_id") && !since_id)
        return parameter_refuse(c, "until_id", "given together with since_id");
    f->since_ns = since_id ? INT64_MIN : c->now_ns;
    f->until_ns = INT64_MAX;
    return parameter_time(c, "since", false, &f->since_ns) && parameter_time(c, "until", true, &f->until_ns) &&
           read_id(c, "since_id", f->since_id) && read_id(c, "until_id", f->until_id);
}

static void follow(struct call *c, bool activities)
{
    struct exchange *x = c->x;
    struct follower *f = must_alloc(1, sizeof *f);
    if (!read_bounds(c, f)) {
        free(f);
        rest_refuse(c);
        return;
    }
    bool has_past = parameter_text(c, "since") || parameter_text(c, "since_id");
    f->exchange = x;
    f->account = c->account;
    f->is_activities = activities;
    f->told_ns = clock_mono_ns();
    c->res->status = 200;
    c->res->content_type = "text/event-stream";
    http_response_header(c->res, "Cache-Control", "no-cache");
    f->stream = http_response_stream(c->res, f);
    f->next = x->followers;
    x->followers = f;
    if (!has_past) {
        f->since_ns = INT64_MIN;
        f->fills = c->account->fills_count;
        f->activities = c->account->activities_count;
    } else if (activities) {
        tell_activities(f);
    } else {
        for (size_t i = 0; i < x->event_log.count; i++) {
            const struct event *e = event_log_at(&x->event_log, i);
            if (e->order.account == c->account)
                tell_trade(f, &e->what, e->sequence);
        }
    }
    if (f->until_ns < c->now_ns && f->until_ns != INT64_MIN)
        end(f);
}

void rest_follow_trades(struct call *c)
{
    follow(c, false);
}

void rest_follow_activities(struct call *c)
{
    follow(c, true);
}
