/* relay_state.h - what the relay knows: which engine wants what, which tick is where, who is waited for.
 *
 * Pure: no sockets, no clock, no log. One client is one data connection of an engine that has logged in.
 *
 * Ticks. A client takes part from relay_client_take_ticks on. The broker's newest tick is acknowledged when
 * every client that takes part has acknowledged it, with the earliest of their wakes, and nobody is missing.
 * With no client it is not. One that left orderly is forgotten. One that vanished is missing until another
 * takes its place: engines have no names here, so it is their number that must be complete again. */
#ifndef STREAMER_RELAY_STATE_H
#define STREAMER_RELAY_STATE_H

#include "alpaca/wire.h"

struct relay_state;
struct relay_client;

enum relay_channel { RELAY_BARS, RELAY_QUOTES, RELAY_CHANNELS };

struct symbol_set { /* "*" is all */
    char (*names)[SYMBOL_SIZE];
    size_t count;
};
void symbol_set_clear(struct symbol_set *set);

/* always: bars wanted whoever is there; copied. */
struct relay_state *relay_state_new(const char (*always)[SYMBOL_SIZE], size_t always_count);
void relay_state_free(struct relay_state *s); /* with its clients; NULL is fine */

struct relay_client *relay_client_new(struct relay_state *s);
/* orderly: it said goodbye. Frees it. */
void relay_client_leave(struct relay_client *c, bool orderly);

/* ---- subscriptions */
enum { RELAY_SYMBOLS_MAX = 1000 }; /* of one client and channel; the caller's to keep */
void relay_client_change(struct relay_client *c, enum relay_channel channel, const struct symbol_set *names,
                         bool add);
const struct symbol_set *relay_client_symbols(const struct relay_client *c, enum relay_channel channel);
bool relay_client_wants(const struct relay_client *c, enum relay_channel channel, const char *symbol);
/* All that anybody wants, each once, or "*" alone; into out, which is cleared first. True when it is another
 * set than out held. */
bool relay_state_union(const struct relay_state *s, enum relay_channel channel, struct symbol_set *out);

/* ---- ticks */
void relay_client_take_ticks(struct relay_client *c);
bool relay_client_takes_ticks(const struct relay_client *c);
void relay_client_ack(struct relay_client *c, int64_t n, int64_t wake_ns);

void relay_state_tick(struct relay_state *s, const struct alpaca_tick *tick);
void relay_state_marker(struct relay_state *s, int64_t n);
/* NULL, 0: none since the streams came up. For one that joins late. */
const struct alpaca_tick *relay_state_newest_tick(const struct relay_state *s);
int64_t relay_state_newest_marker(const struct relay_state *s);

/* True once for each acknowledgement that is due upstream now; ask after every change. */
bool relay_state_due(struct relay_state *s, int64_t *n, int64_t *wake_ns);

/* A stream of the broker's is gone (data, else trades), and with it every connection to an engine: all are freed,
 * those with ticks are missing. What that stream tells anew when it is back is forgotten: the newest tick, or the
 * newest marker. */
void relay_state_lost(struct relay_state *s, bool data);
size_t relay_state_missing(const struct relay_state *s);
/* Of those the ones relay_state_lost freed: an engine that ended meanwhile could not say so. */
size_t relay_state_hung_up(const struct relay_state *s);
void relay_state_forget_hung_up(struct relay_state *s);
size_t relay_state_clients(const struct relay_state *s);
/* Nobody waits for the missing any longer. */
void relay_state_forget_missing(struct relay_state *s);

#endif
