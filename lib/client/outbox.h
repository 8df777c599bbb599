/* outbox.h - what must reach the API, through a folder on disk: durable, in order, at least once.
 *
 * outbox_put appends to a journal; outbox_commit makes it durable; delivery runs by itself on the loop
 * (libcurl): consecutive items of one route go as {"items":[...]} up to 500 items or 512 KiB a POST, one POST at a time;
 * an answer 2xx moves the cursor (saved beside the journal; after a crash some items go again, which the
 * API takes as the same rows). No reply, 429 or 5xx: again after a growing delay, for ever. 4xx: the batch
 * goes again item by item, and an item refused alone is logged with the API's reason and set aside in
 * rejected.jsonl: nothing waits behind it. When everything is delivered the journal starts afresh.
 *
 * Threads: the loop's. */
#ifndef CLIENT_OUTBOX_H
#define CLIENT_OUTBOX_H

#include <uv.h>

#include "core/err.h"
#include "core/json.h"

struct outbox;

struct outbox_options {
    const char *folder;   /* made when missing */
    const char *api_url;  /* "http://127.0.0.1:8080" */
};

struct outbox *outbox_open(uv_loop_t *loop, const struct outbox_options *options, struct err *err);
/* Syncs and closes; what is not delivered stays for the next start. NULL is fine. */
void outbox_close(struct outbox *o);

/* route: "/api/v1/bars". item: one JSON object, lent. Not durable until committed (or the next 50 ms timer). */
bool outbox_put(struct outbox *o, const char *route, const json_t *item, struct err *err);
bool outbox_put_text(struct outbox *o, const char *route, const char *item, size_t size, struct err *err);
/* done on the loop when all that was put before is on disk. */
void outbox_commit(struct outbox *o, void (*done)(void *ctx, bool ok), void *ctx);

size_t outbox_pending(const struct outbox *o);      /* items not yet taken by the API */
size_t outbox_rejected(const struct outbox *o);     /* items set aside since start */
/* Called on the loop whenever pending falls to 0. */
void outbox_on_empty(struct outbox *o, void (*empty)(void *ctx), void *ctx);

#endif
