/* writer.h - the one thread that writes: group commit.
 *
 * Requests queue batches of records. The thread takes all that wait (up to GROUP_ROWS rows), asks the state
 * which are new, stores those with one commit, publishes what they change, and answers the callers: nobody is told "accepted"
 * before the commit that holds his rows, and nobody sees a change before it.
 *
 * The database away: the group under way is repeated until it is stored (dedup makes it once); callers are
 * told WRITER_AWAY after wait_ms, at once when it has been away for longer than that, or when the queue is full. A batch whose caller
 * has left before its turn is dropped; the caller sends it again.
 * A row refused (values are checked before, so a bug): the group is repeated row by row, the batches of the
 * rows refused are told so, and the state is built anew from the database.
 *
 * Threads: submit from any; the options' functions are called on the writer's thread. */
#ifndef API_WRITER_H
#define API_WRITER_H

#include <jansson.h>

#include "api/db/db.h"
#include "api/state.h"
#include "core/metrics.h"

enum { GROUP_ROWS = 1000 };

struct writer;

struct writer_options {
    struct state *state;
    enum db_outcome (*store)(void *ctx, const struct db_insert *rows, size_t count, struct err *err);
    bool (*reload)(void *ctx, struct err *err); /* puts the database's truth into the state */
    void *ctx;
    int64_t wait_ms;
    size_t queue_rows_max;
};

struct writer *writer_start(const struct writer_options *options);
/* Takes no more, finishes what waits (at most grace_ms while the database is away), ends. */
void writer_stop(struct writer *w, int64_t grace_ms);
void writer_free(struct writer *w); /* after writer_stop */

struct batch; /* records of one table */
struct batch *batch_new(const struct table *t, size_t count);
size_t batch_count(const struct batch *b);
void *batch_record(struct batch *b, size_t i);
void batch_keep(struct batch *b, json_t *text); /* takes the reference; released with the batch */
void batch_free(struct batch *b);

enum writer_result { WRITER_DONE, WRITER_REFUSED, WRITER_AWAY };
struct writer_count { size_t accepted, duplicates; };
/* Takes the batch in all cases. Waits. err: why, unless WRITER_DONE. */
enum writer_result writer_submit(struct writer *w, struct batch *b, struct writer_count *out, struct err *err);

/* Runs a function on the writer's thread between two groups, when all that follows from what is stored is stored too, and waits
 * for it; nothing is written meanwhile. False: the writer is stopping. */
bool writer_call(struct writer *w, void (*call)(void *ctx), void *ctx);

/* False: why says what is wrong (for /readyz). */
bool writer_is_well(struct writer *w, struct err *why);

/* Groups, rows, what waits, how long commits take. */
void writer_metrics(struct writer *w, struct metrics *m);

#endif
