/* outbox.h - what must reach the API, through a folder on disk: durable, at least once, in order per route.
 *
 * outbox_put appends to a journal; outbox_commit makes it durable; delivery runs by itself on the loop (libcurl):
 * everything waiting of one route goes as {"items":[...]}, at most 500 items or 512 KiB a POST, one POST at a time, the
 * route with the oldest item first. So an item may be overtaken by one of another route, never of its own.
 *
 *   2xx with "accepted" and "duplicates"   noted in the journal. After a crash what was not noted goes again, which
 *                                          the API takes as the same rows
 *   no reply, 5xx, another 2xx or 3xx,     again after a growing delay (0.25 s to 10 s), for ever: it speaks of us
 *   401 403 404 405 408 429                or of the way there, not of the item
 *   any other 4xx                          the batch goes again item by item; an item refused alone is logged with the
 *                                          API's reason and set aside in rejected.jsonl: nothing waits behind it
 *
 * The journal is a row of files of about 4 MiB. One is removed when all of it is delivered; in memory are the one
 * being delivered and the one being written, however long the API is away.
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
    size_t file_max;      /* bytes of one journal file; 0: 4 MiB */
};

struct outbox *outbox_open(uv_loop_t *loop, const struct outbox_options *options, struct err *err);
/* Syncs and closes; what is not delivered stays for the next start. Run the loop until its handles are gone.
 * NULL is fine. */
void outbox_close(struct outbox *o);

/* route: "/api/v1/bars", below 64 bytes. item: one JSON object, lent, below 1 MiB. Not durable until committed (or
 * the next 50 ms timer). */
bool outbox_put(struct outbox *o, const char *route, const json_t *item, struct err *err);
bool outbox_put_text(struct outbox *o, const char *route, const char *item, size_t size, struct err *err);
/* done on the loop when all that was put before is on disk (in outbox_close, when that comes first). */
void outbox_commit(struct outbox *o, void (*done)(void *ctx, bool ok), void *ctx);

size_t outbox_pending(const struct outbox *o);      /* items not yet taken by the API */
size_t outbox_rejected(const struct outbox *o);     /* items set aside since start */
/* Called on the loop whenever pending falls to 0. */
void outbox_on_empty(struct outbox *o, void (*empty)(void *ctx), void *ctx);

#endif
