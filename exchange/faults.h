/* faults.h - what goes wrong at a broker, on demand: for tests of whatever trades here. Off unless asked for.
 *
 * A set of faults is one JSON text, read from --faults FILE at start, or sent to POST /v1/faults (ours, not the broker's;
 * needs --allow-faults, and an exchange that listens on loopback) where it replaces the set before it:
 *
 *     {"seed":7, "faults":[{"kind":"drop", "where":"trade_updates", "one_in":20, "count":10}]}
 *
 *     kind        what happens                                          where (empty: anywhere)
 *     delay       a frame leaves ms later                               trade_updates | data
 *     drop        a frame never leaves                                  same
 *     duplicate   a frame leaves twice                                  same
 *     reorder     a frame leaves after the next one (or ms later)       same
 *     disconnect  the connection is cut instead of sending a frame      same
 *     refuse      the request is not looked at: status (503)            POST /v2/orders: method and beginning of the path,
 *     lose        it is carried out, then the connection is cut,          or only a beginning of the path
 *                 or status is answered if one is given
 *     stick       a cancel sticks for seconds of the market, then is    -
 *                 let go (refuse true: then it is rejected)
 *     halt        a symbol is halted for seconds of the market          a symbol
 *
 *     one_in  each chance is taken with 1/one_in (1)      count   at most so often (0: no end)
 *     burst   a chance taken takes the next ones too (1)  lasts   seconds of the world, then it is off (0: no end)
 *
 * Chances are drawn from the seed, each fault's from its own series: the same frames or requests in the same order meet the
 * same faults. Ticks, markers, greetings and answers on a stream are left alone: the broker has no ticks, and a stream that
 * cannot be set up shows nothing. What a fault does to the market (stick, halt) is an input and kept (record.h); a
 * restart ends it, as it does all that was sent to /v1/faults.
 *
 * Threads: the loop's. */
#ifndef EXCHANGE_FAULTS_H
#define EXCHANGE_FAULTS_H

#include <jansson.h>

#include "core/err.h"
#include "http/server.h"

struct exchange;
struct faults;

/* Reads --faults; x->faults stays NULL unless faults are allowed. After record_open. */
bool faults_open(struct exchange *x, struct err *err);
void faults_stop(struct exchange *x); /* when the loop is to end */
void faults_free(struct exchange *x);

/* Sends a frame, or does what goes wrong. message is what the bytes encode. */
void faults_send(struct exchange *x, struct http_socket *s, const json_t *message, const void *data, size_t size,
                 bool binary);
/* A socket is gone: what waits for it goes nowhere. */
void faults_forget(struct exchange *x, const struct http_socket *s);

/* GET, POST and DELETE /v1/faults. false: the request is none of these, or faults are not allowed. */
bool faults_request(struct exchange *x, const struct http_request *req, struct http_response *res);
/* Before a request is looked at; true: refused, res is the answer. May make cancels stick until faults_after. */
bool faults_before(struct exchange *x, const struct http_request *req, struct http_response *res);
void faults_after(struct exchange *x, const struct http_request *req, struct http_response *res);
/* After each instant of the market. */
void faults_instant(struct exchange *x);

/* Done again from what was kept. */
enum market_fault { FAULT_STICK, FAULT_UNSTICK, FAULT_RELEASE, FAULT_REJECT, FAULT_HALT, FAULT_RESUME, MARKET_FAULTS };
void faults_replay(struct exchange *x, enum market_fault what, int symbol);

/* How often each kind happened: for /metrics. NULL name ends. */
const char *faults_count(const struct exchange *x, size_t kind, int64_t *hits);

#endif
