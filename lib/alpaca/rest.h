/* rest.h - calls to the broker's REST API on a libuv loop (libcurl multi).
 *
 * Nothing is ever retried here: the caller knows what a repeat would mean. POST and DELETE go out on a
 * fresh connection (libcurl 7.88 would re-send by itself on a dead kept one), GET on a kept one; no
 * redirects, TLS verified, total time limit. At most `calls_max` at once, the rest queue in order.
 * 429: the caller is told, with retry_after_ms from X-RateLimit-Reset when it is there.
 *
 * Threads: the loop's. done is called on the loop, never from inside alpaca_rest_call. After
 * alpaca_rest_free no callback comes. */
#ifndef ALPACA_REST_H
#define ALPACA_REST_H

#include <uv.h>

#include "core/err.h"
#include "core/json.h"

struct alpaca_rest;

struct alpaca_rest_options {
    const char *url;          /* "http://127.0.0.1:8081": no /v2, no trailing slash */
    const char *key, *secret; /* copied; never logged */
    int64_t timeout_ms;       /* 0: 10,000 */
    int calls_max;            /* 0: 8 */
};

struct alpaca_reply {
    long status;              /* HTTP status; 0: no reply, text says why: the outcome is unknown */
    json_t *body;             /* NULL when empty or not JSON; lent for the call */
    const char *text;         /* raw body, or the transport error */
    size_t size;
    const char *message;      /* the error body's "message", or "" */
    int64_t code;             /* the error body's "code", or 0 */
    int64_t retry_after_ms;   /* -1 when not told */
    const char *request_id;   /* X-Request-ID: the reply's, otherwise the one we sent */
};
typedef void alpaca_rest_done(void *ctx, const struct alpaca_reply *reply);

struct alpaca_rest *alpaca_rest_new(uv_loop_t *loop, const struct alpaca_rest_options *options);
void alpaca_rest_free(struct alpaca_rest *r); /* drops what is under way; NULL is fine. Run the loop once after. */

/* method: "GET", "POST", "DELETE", "PATCH". path with query, already encoded: "/v2/orders?status=open".
 * body NULL or JSON text (copied). */
void alpaca_rest_call(struct alpaca_rest *r, const char *method, const char *path, const char *body,
                      alpaca_rest_done *done, void *ctx);
size_t alpaca_rest_pending(const struct alpaca_rest *r);

/* "paper-api.alpaca.markets", loopback and private names with a port are fine; anything else is real money and needs
 * an explicit --live: false and a sentence. Also refuses PK keys on the live host and the reverse. */
bool alpaca_url_is_allowed(const char *url, const char *key, bool live, struct err *err);

#endif
