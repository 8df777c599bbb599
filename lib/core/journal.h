/* journal.h - an append-only file of records that survives a crash at any byte.
 *
 * A record is length, CRC-32C, bytes. On open the records are replayed in order; a torn or damaged tail
 * (a crash in mid-write) is cut off and logged; damage before the tail is refused, naming the offset: it is not ours to repair.
 * The file is locked (flock): a second opener is refused with the holder's pid.
 *
 * Threads: all calls on the loop's thread. journal_commit runs fdatasync on a libuv worker. */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"

struct journal;

/* data is lent for the call. */
typedef void journal_record(void *ctx, const void *data, size_t size);

/* Creates the file and its folder when missing (0700 / 0600). replay may be NULL. */
struct journal *journal_open(const char *path, journal_record *replay, void *ctx, struct err *err);
/* Syncs; waits for a commit under way; a journal_done that has not come by then never comes. NULL is fine. */
void journal_close(struct journal *j);

/* Into the file, not yet durable. size at most 1 MiB. */
bool journal_append(struct journal *j, const void *data, size_t size, struct err *err);

/* Durable when it returns. */
bool journal_sync(struct journal *j, struct err *err);

/* Calls done(ctx, ok) on the loop when everything appended before this call is durable. Calls while one is
 * under way share the next fdatasync. done is never called from inside. With nothing new to sync done is
 * called on the next turn. After a failed sync every later one fails: the disk can't be trusted. */
typedef void journal_done(void *ctx, bool ok);
void journal_commit(struct journal *j, uv_loop_t *loop, journal_done *done, void *ctx);

uint64_t journal_size(const struct journal *j); /* bytes */

#endif
