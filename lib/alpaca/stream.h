/* stream.h - a client of the broker's two WebSocket streams on a libuv loop (libwebsockets).
 *
 * Connects, authenticates, subscribes, keeps alive (ping each 10 s, a mute peer is hung up on after 30 s),
 * reconnects with growing, jittered delay (0.25 s to 30 s; stops for good after 402 or 409 and says so), and
 * subscribes again: the subscription is state. Frames may be text or binary JSON, fragmented or not.
 *
 * Threads: the loop's. Callbacks may call alpaca_stream_* but not free. */
#ifndef ALPACA_STREAM_H
#define ALPACA_STREAM_H

#include <uv.h>

#include "alpaca/wire.h"

struct alpaca_stream;

enum alpaca_stream_kind { ALPACA_STREAM_TRADES, ALPACA_STREAM_DATA };

struct alpaca_stream_options {
    enum alpaca_stream_kind kind;
    const char *url;          /* "ws://127.0.0.1:8081/stream", "wss://stream.data.alpaca.markets/v2/iex" */
    const char *key, *secret; /* copied */
    bool lockstep;            /* DATA: take lockstep when it is offered; TRADES: listen to it too */
    void *ctx;
    /* Authenticated and listening (TRADES: the listen reply came): what was missed must now be asked for by REST. */
    void (*on_ready)(void *ctx);
    /* Lost, or not reached; why is one sentence. on_ready comes again by itself unless `gone`. */
    void (*on_down)(void *ctx, const char *why, bool gone);
    /* TRADES. raw: the "data" object as JSON text, lent. */
    void (*on_update)(void *ctx, const struct alpaca_trade_update *update, const char *raw, size_t size);
    /* TRADES with lockstep: the marker of tick n; every update before it has been delivered. */
    void (*on_marker)(void *ctx, int64_t n);
    /* DATA: bars, quotes and ticks, in order. */
    void (*on_message)(void *ctx, const struct alpaca_message *message);
    /* DATA; may be NULL. All that alpaca_stream_subscribe asked for so far has been answered. code: 0, or the
     * error with which the last change was refused (405: too many symbols). */
    void (*on_subscribed)(void *ctx, int64_t code);
};

struct alpaca_stream *alpaca_stream_new(uv_loop_t *loop, const struct alpaca_stream_options *options);
/* Orderly close: the peer sees a close frame. Run the loop until it is empty, or once, after. */
void alpaca_stream_free(struct alpaca_stream *s);

bool alpaca_stream_is_ready(const struct alpaca_stream *s);
/* DATA: ready, and the market gives ticks (docs/protocols.md). */
bool alpaca_stream_has_ticks(const struct alpaca_stream *s);
/* DATA: ready, and the broker has answered the last change of the subscription. */
bool alpaca_stream_is_subscribed(const struct alpaca_stream *s);

/* DATA: replaces the wanted set (sent now, or when connected). "*" is all. */
void alpaca_stream_subscribe(struct alpaca_stream *s, const char (*bars)[SYMBOL_SIZE], size_t bars_count,
                             const char (*quotes)[SYMBOL_SIZE], size_t quotes_count);

/* DATA, lockstep: tick n has been dealt with; wake_ns: the next time we must be told the time even if
 * nothing happens in the market; 0: none. */
void alpaca_stream_ack(struct alpaca_stream *s, int64_t n, int64_t wake_ns);

#endif
