/* events.h - the trade events of all accounts as they were, for who asks later (/v2/events/trades).
 *
 * The newest EVENTS_MAX are kept. An order goes on after its event: each is kept with the order of then. */
#ifndef EXCHANGE_EVENTS_H
#define EXCHANGE_EVENTS_H

#include "exchange/venue.h"

enum { EVENTS_MAX = 100000 };

struct event {
    struct trade_event what; /* its order: ask event_at */
    struct order order;
    uint64_t sequence; /* among all accounts' */
};

struct event_log { /* zeroed is empty */
    struct event *ring;
    size_t size, first, count;
};

void event_log_add(struct event_log *log, const struct trade_event *e, uint64_t sequence);
/* From the oldest; what.order points into the log until something is added. */
const struct event *event_log_at(struct event_log *log, size_t index);
void event_log_free(struct event_log *log);

#endif
