/* relay.h - the broker's two streams once more, on loopback, for any number of engines.
 *
 * Speaks what docs/protocols.md §1 says of the broker (JSON in text frames): login with the same key pair,
 * /stream with trade updates and markers, /v2/iex with bars, quotes and ticks. Several data connections are
 * fine. What came from upstream goes on as it came. relay_state.h decides; this file holds the sockets.
 *
 * While upstream is down connections are refused, so that an engine always knows.
 *
 * Threads: the loop's. */
#ifndef STREAMER_RELAY_H
#define STREAMER_RELAY_H

#include <uv.h>

#include "alpaca/wire.h"
#include "core/metrics.h"
#include "streamer/relay_state.h"

struct relay;

struct relay_options {
    const char *host;
    int port;                     /* 0: any */
    const char *key, *secret;     /* lent for good */
    const char (*always)[SYMBOL_SIZE]; /* bars wanted whoever is there; copied */
    size_t always_count;
    int64_t lost_timeout_ns;      /* how long an engine that vanished is waited for; 0: for ever */
    void *ctx;
    /* Upstream should carry this from now on. */
    void (*on_wanted)(void *ctx, const struct symbol_set *bars, const struct symbol_set *quotes);
    /* Tick n has been dealt with by all engines. */
    void (*on_ack)(void *ctx, int64_t n, int64_t wake_ns);
    /* GET /healthz: a new object, to which the relay adds what it knows. */
    json_t *(*on_health)(void *ctx);
    /* GET /metrics: likewise. */
    void (*on_metrics)(void *ctx, struct metrics *m);
};

struct relay *relay_new(uv_loop_t *loop, const struct relay_options *options, struct err *err);
int relay_port(const struct relay *r);
/* What on_wanted told last; lent until the next call. */
const struct symbol_set *relay_wanted_bars(const struct relay *r);
/* Says goodbye to the engines and stops listening. Run the loop until it is empty, then relay_free. */
void relay_stop(struct relay *r);
void relay_free(struct relay *r); /* NULL is fine */

/* Both streams of the broker are there. ticks: the market gives them. subscribed: it has answered what on_wanted
 * asked for (which is asked for the first time in relay_new); otherwise relay_subscribed follows. */
void relay_up(struct relay *r, bool ticks, bool subscribed);
/* One is lost (data, else trades): every engine is hung up on. */
void relay_down(struct relay *r, bool data);
/* Upstream has answered the last on_wanted; code as in alpaca_stream_options.on_subscribed. Until then no
 * engine is told that its subscription holds. */
void relay_subscribed(struct relay *r, int64_t code);

void relay_message(struct relay *r, const struct alpaca_message *message); /* bars, quotes, ticks */
void relay_update(struct relay *r, const char *raw, size_t size);
void relay_marker(struct relay *r, int64_t n);

#endif
