/* record.h - what the exchange keeps on disk: every accepted input, so that a restart has all of it back.
 *
 * DIR/inputs.journal (core/journal.h): first the market it belongs to, then in order what made the state what it is: each
 * instant of the market (its time; the events themselves come from the feed again), each account's opening with its random
 * bits, each request that changed something as it was sent, the clients of the clock. The venue is deterministic (venue.h),
 * so the same inputs give the same orders, executions and activities, to the id.
 *
 * Requests are kept, not what they decode to: their form is the broker's and outlives our structs.
 *
 * Nothing is told before it is kept: record_sync stands before everything that leaves (http/server.h: before_send), once
 * for all that happened in a turn of the loop. A failing disk ends the program on the spot: what was not kept must
 * not be told, and the next start has what was.
 *
 * Threads: the loop's. All but record_open do nothing without a record. */
#ifndef EXCHANGE_RECORD_H
#define EXCHANGE_RECORD_H

#include "core/err.h"
#include "http/server.h"

struct exchange;
struct account;
struct record;

/* Opens or makes x->record in x->settings.state. One that was there is replayed into x: the market begins (exchange_begin)
 * where it began then. A new one begins at start_ns. false: err says it in a sentence, nothing was written. */
bool record_open(struct exchange *x, int64_t start_ns, struct err *err);
void record_close(struct exchange *x);
bool record_is_replaying(const struct exchange *x);

/* ---- inputs. After they took effect, before anybody is told. */
/* has_events: somebody is told of it. */
void record_instant(struct exchange *x, int64_t time_ns, bool has_events);
void record_again(struct exchange *x); /* a tick at the same time */
void record_account(struct exchange *x, const struct account *a, int64_t time_ns);
/* a: who asked; NULL: the operator (faults). */
void record_request(struct exchange *x, const struct account *a, const struct http_request *req, int64_t time_ns);
/* what: faults.h */
void record_fault(struct exchange *x, int what, int symbol, int64_t time_ns);
/* A client of the clock joined, left, or wants to be woken. */
void record_client(struct exchange *x, const char *name, bool present, int64_t wake_ns);

int64_t record_bytes(const struct exchange *x); /* 0 without */
/* Is something not yet on disk? */
bool record_is_dirty(const struct exchange *x);
void record_sync(struct exchange *x);

#endif
