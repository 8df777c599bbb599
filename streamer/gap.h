/* gap.h - bars the data stream did not bring, because nobody listened: asked for by REST and recorded.
 *
 * How far each symbol is recorded is kept under <state>/<account_number>/bars, a line each, at most a second old: what is
 * asked for twice is the same row. When the stream is back and a symbol is subscribed to again, what lies between is
 * asked for; where bars come with the world's time once more a minute later, for the one that was just being made.
 * A symbol never recorded for this account has no gap.
 *
 * Threads: the loop's. */
#ifndef STREAMER_GAP_H
#define STREAMER_GAP_H

#include "alpaca/rest.h"
#include "streamer/record.h"
#include "streamer/relay_state.h"

struct gap;

struct gap_options {
    struct alpaca_rest *rest;  /* lent for good, as all here */
    struct record *record;
    const char *state, *source;
    const char *feed;          /* asked for; "": the broker's own choice */
    void *ctx;
    void (*on_failed)(void *ctx, const struct err *err); /* a row could not be recorded */
};

struct gap *gap_new(uv_loop_t *loop, const struct gap_options *options);
/* Free the rest client first: its calls come back here. Run the loop after. */
void gap_free(struct gap *g);

void gap_account(struct gap *g, const char *number); /* whose market it is; before that nothing is asked for */
void gap_bar(struct gap *g, const char *symbol, int64_t end_ns); /* one was recorded */
void gap_down(struct gap *g);                        /* the stream is lost */
/* These are subscribed to (the broker has answered). ticks: of a market whose time is its own. */
void gap_subscribed(struct gap *g, const struct symbol_set *bars, bool ticks);
int64_t gap_filled(const struct gap *g);             /* bars found this way since the start */

#endif
