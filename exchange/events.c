#include "exchange/events.h"

#include <stdlib.h>

#include "core/base.h"

void event_log_add(struct event_log *log, const struct trade_event *e, uint64_t sequence)
{
    if (log->count == log->size && log->size < EVENTS_MAX) { /* not yet turning: first is 0 */
        log->size = log->size ? log->size * 2 : 256;
        log->size = log->size < EVENTS_MAX ? log->size : EVENTS_MAX;
        log->ring = must_realloc(log->ring, log->size, sizeof *log->ring);
    }
    if (log->count == log->size) {
        log->first = (log->first + 1) % log->size;
        log->count--;
    }
    log->ring[(log->first + log->count++) % log->size] =
        (struct event){ .what = *e, .order = *e->order, .sequence = sequence };
}

const struct event *event_log_at(struct event_log *log, size_t index)
{
    struct event *e = &log->ring[(log->first + index) % log->size];
    e->what.order = &e->order;
    return e;
}

void event_log_free(struct event_log *log)
{
    free(log->ring);
    *log = (struct event_log){ 0 };
}
