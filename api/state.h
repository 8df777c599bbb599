/* state.h - what is true now: orders, fills, positions, closes and runs in memory; and what is known.
 *
 * The writer (one thread) plans: is a record new, what follows from it. After the commit that holds its row it publishes:
 * only then do readers see it. The result does not depend on the order in which events come: an order's
 * fields are taken from its highest event (final before open, more filled before less, later before
 * earlier), so late, doubled and crossed events change nothing back, and a rebuild from the database gives
 * the same answers.
 *
 * A fill is known by its execution id; and, because REST may know it by another, when the shares it fills of
 * its order, (filled_quantity - fill_quantity, filled_quantity], are all filled by known fills.
 *
 * Threads: plan, publish, load and the versions belong to the writer; readers stand between state_read and
 * state_read_done, and see only what is named for them. */
#ifndef API_STATE_H
#define API_STATE_H

#include "api/book.h"
#include "api/records.h"

struct state;

struct state *state_new(void);
void state_free(struct state *s);

/* ---- the writer's */

/* True: new, to be recorded. An order's intent gets its version. The record is copied; its long text is not kept. */
bool state_plan(struct state *s, const struct table *t, void *record);
/* All that was planned becomes visible. */
void state_publish(struct state *s);

/* Versions of orders that follow from events. They can be worked out again from the events, so they are
 * recorded a little later, and nobody waits for them. */
size_t state_versions(const struct state *s, const struct order **versions);
void state_versions_taken(struct state *s); /* all of them */

/* Positions at the close, the same way. A point of equity at or after a session's close has the holdings of its account
 * and strategy recorded as that New York date left them, at the time of the close; what comes late (a fill, a bar) makes
 * the snapshot another, and it is recorded anew under the same key. */
size_t state_snapshots(const struct state *s, const struct position_snapshot *const **snapshots);
void state_snapshots_taken(struct state *s); /* all of them */

/* An import has begun, or is done: at once visible. */
void state_set_import(struct state *s, const struct import_mark *mark);

/* A row of the database, of any table, in any order; then state_loaded once: publishes,
 * and plans the versions a crash left unrecorded. */
void state_load(struct state *s, const struct table *t, void *record);
void state_loaded(struct state *s);
/* What `from` holds takes the place of what s held; from is freed. */
void state_replace(struct state *s, struct state *from);

/* ---- readers' */
void state_read(struct state *s);
void state_read_done(struct state *s);

struct order_key { /* where an order stands in the list */
    int64_t first_at;       /* of its intent or submission, whichever is earlier */
    const struct order *order;
};
const struct order_key *state_orders(const struct state *s, size_t *count); /* by first_at, account, client_order_id */
/* Those whose order_id or client_order_id is, or once was, this: to be looked at again. Any text. */
size_t state_orders_named(const struct state *s, const char *id, const struct order *const **orders);
const struct fill *const *state_fills(const struct state *s, size_t *count); /* by fill_cmp */
const struct run *const *state_runs(const struct state *s, size_t *count);   /* newest versions, by started_at, run_id */
const struct book *state_book(const struct state *s);
/* Of a symbol that has fills or bars; else NULL. Any text. */
const struct mark *state_mark(const struct state *s, const char *symbol);
/* What marks the holdings of an account that has fills. */
const struct market *state_market(const struct state *s, const char *account);
/* The refused edit that stands since a run's configuration last changed; NULL: what is in its file is what runs. */
const struct config_error *state_config_error(const struct state *s, const struct run *r);
/* Of an import that was cut short: the SHA-256 of its archive. NULL: there is none, what is on record is whole. */
const char *state_import_begun(const struct state *s);
/* Time of the latest bar of any symbol; 0: none. */
int64_t state_last_bar(const struct state *s);

#endif
