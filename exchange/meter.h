/* meter.h - what the exchange counts, and GET /metrics (Prometheus text, lib/core/metrics.h; no login).
 *
 * Counters are of this process: they begin at zero after a restart. Threads: the loop's. */
#ifndef EXCHANGE_METER_H
#define EXCHANGE_METER_H

#include "core/metrics.h"
#include "exchange/venue.h"
#include "http/server.h"

struct exchange;

enum { METER_ROUTES_MAX = 256, METER_STATUSES = 6 };

struct meter_route {
    const char *method, *path;        /* the route's, static */
    uint64_t statuses[METER_STATUSES]; /* by hundreds; 0: lost on purpose */
    struct histogram took;            /* until the answer is made; the disk is not in it */
};

struct meter {
    struct meter_route routes[METER_ROUTES_MAX];
    size_t routes_count;
    uint64_t events[TRADE_KINDS], frames[2], frame_bytes[2]; /* frames: trade updates, market data */
    int64_t fees_micros;
};

/* path: the route's pattern, static; NULL: none was found. */
void meter_request(struct exchange *x, const char *method, const char *path, const struct http_response *res,
                   int64_t began_ns);
void meter_trade(struct exchange *x, const struct trade_event *e);
void meter_frame(struct exchange *x, bool is_data, size_t size);

/* GET /metrics; false: the request is another. */
bool meter_answer(struct exchange *x, const struct http_request *req, struct http_response *res);

#endif
