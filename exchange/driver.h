/* driver.h - when the market's clock moves, and to where. Pure: a state machine without clock or socket.
 *
 * docs/protocols.md "Ticks", "Lockstep". The caller asks driver_next, does what it says (runs the market's
 * instant, sends the tick driver_tick made), tells what clients did, and asks again.
 *
 * Lockstep: the clock stands until every client that is waited for has acknowledged the newest tick. With
 * a speed factor the clock runs; stretches longer than DRIVER_IDLE_NS without anything to do are skipped.
 * Real: the clock is the world's; there are no ticks. */
#ifndef EXCHANGE_DRIVER_H
#define EXCHANGE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "market/market.h"

enum driver_mode { DRIVER_LOCKSTEP, DRIVER_SPEED, DRIVER_REAL };

#define DRIVER_IDLE_NS (15 * MINUTE_NS)
enum { DRIVER_CLIENTS_MAX = 64, DRIVER_NAME_SIZE = 129 };

/* One that takes ticks. It is known by its key, so that one that vanished can come back. */
struct driver_client {
    char name[DRIVER_NAME_SIZE]; /* "": free */
    bool present;                /* false: vanished without a word; still waited for */
    int64_t acked;               /* newest tick it has dealt with */
    int64_t wake_ns;             /* 0: none */
};

struct driver {
    enum driver_mode mode;
    int64_t now_ns;              /* of the newest instant; the start before the first */
    int64_t n;                   /* newest tick; 0: none yet */
    bool updated;                /* a trade update went out since */
    bool ended;                  /* the newest tick said so */
    struct driver_client clients[DRIVER_CLIENTS_MAX];
};

enum driver_action {
    DRIVER_WAIT,                 /* until something is told */
    DRIVER_AGAIN,                /* another tick at now: send it */
    DRIVER_RUN,                  /* run the instant at time_ns, now, then the tick */
    DRIVER_RUN_AT,               /* the same when the clock gets there */
    DRIVER_SKIP,                 /* the same, after setting the clock to it */
};
struct driver_step {
    enum driver_action action;
    int64_t time_ns;
};

void driver_init(struct driver *d, enum driver_mode mode, int64_t start_ns);

/* market_ns: the next thing in the market (event, opening or close somebody waits for); INT64_MAX: none.
 * clock_ns: the market's clock now (not looked at in lockstep). */
struct driver_step driver_next(const struct driver *d, int64_t market_ns, int64_t clock_ns);

/* The instant at time_ns (or AGAIN) is done: numbers the tick that must be sent now and returns it. */
int64_t driver_tick(struct driver *d, int64_t time_ns, bool ended);

/* A client asks for ticks, or comes back; its index, or -1 when there are too many. Send it the newest tick
 * when n is not 0. */
int driver_join(struct driver *d, const char *name);
/* orderly: it said goodbye and is no longer waited for. */
void driver_leave(struct driver *d, int client, bool orderly);
/* Stale numbers are ignored, except for their wake when n is the newest. */
void driver_ack(struct driver *d, int client, int64_t n, int64_t wake_ns);
/* Of a client that is not here to acknowledge: when it wanted to be told the time. */
void driver_wake(struct driver *d, int client, int64_t wake_ns);
/* A trade update went out. */
void driver_updated(struct driver *d);

#endif
