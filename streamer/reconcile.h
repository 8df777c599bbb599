/* reconcile.h - asks the broker's REST API what the streams may have missed, and records it.
 *
 * One round: account number; orders (all states); FILL activities after the last complete round, less an
 * overlap; the order of each fill that is not among them. What has not been recorded is put into the outbox;
 * when that is on disk the round is complete and its newest fill's time is saved under
 * <state>/<account_number>/activities, where the next round, or the next start, begins. A round that fails
 * starts over after a growing delay.
 *
 * Threads: the loop's. */
#ifndef STREAMER_RECONCILE_H
#define STREAMER_RECONCILE_H

#include "alpaca/rest.h"
#include "streamer/record.h"

struct reconcile;

struct reconcile_options {
    struct alpaca_rest *rest; /* lent for good, as all here */
    struct record *record;
    struct outbox *outbox;
    const char *state;        /* folder */
    void *ctx;
    /* In every round, before anything is recorded: whose account it is. */
    void (*on_account)(void *ctx, const char *number);
    /* Nothing more can be recorded: the disk refuses. */
    void (*on_failed)(void *ctx, const struct err *err);
};

struct reconcile *reconcile_new(uv_loop_t *loop, const struct reconcile_options *options);
/* Free the rest client first: its calls come back here. */
void reconcile_free(struct reconcile *r);

/* Begins a round, or another one after that which is under way. */
void reconcile_start(struct reconcile *r);

#endif
