/* ledger.h - what the engine must know again after a crash: its journal, written and read back.
 *
 * Records are JSON objects: a run begins, an intent is about to leave, fills and ends seen, duties fired, sessions
 * done, a strategy's state. An intent is durable (ledger_commit) before its POST leaves. Reading back gives the same
 * books, sequences and duties; what happened at the broker meanwhile is then asked for by REST.
 *
 * Threads: the loop's. */
#ifndef ENGINE_LEDGER_H
#define ENGINE_LEDGER_H

#include "core/journal.h"
#include "engine/runner.h"

struct ledger;

/* Opens folder/journal and reads it. */
struct ledger *ledger_open(const char *folder, struct err *err);
void ledger_close(struct ledger *l);

/* ---- what was */
struct ledger_run {
    char instance[INSTANCE_SIZE];
    char run_id[UUID_SIZE];
    char config_hash[65], plugin_hash[65];
    int64_t started_ns;
    int64_t changed_ns;      /* when an edit of its file took hold; 0: never */
    int64_t version;         /* of the latest row told to the API */
    int64_t starts;          /* times an engine took it up */
    bool ended;
};
/* The latest run of an instance; NULL: none. */
const struct ledger_run *ledger_run(const struct ledger *l, const char *instance);
/* The text of its configuration, as it was then; NULL: not kept. Lent. */
const char *ledger_config(const struct ledger *l, const char *instance);
/* Names of instances with shares or open orders left in the journal, as "name\0"; false past the end. */
bool ledger_unsettled(const struct ledger *l, size_t n, char instance[INSTANCE_SIZE]);
/* Symbols an instance ever traded. */
void ledger_symbols(const struct ledger *l, const char *instance, struct symbol_list *out);
/* Brings an instance of the runner to where the journal ends. resume: its run goes on (sessions, duties, and the
 * state when the plugin is the same); otherwise only what it holds and its sequence. */
void ledger_restore(const struct ledger *l, struct runner *r, int instance, const char *plugin_hash, bool resume);
bool ledger_is_empty(const struct ledger *l);

/* ---- what happens now. A failure to write is fatal for trading: it is kept, see ledger_failed. */
void ledger_put_run(struct ledger *l, const struct ledger_run *run, const char *config_text);
void ledger_put_end(struct ledger *l, const char *instance, int64_t version);
void ledger_put_intent(struct ledger *l, const char *instance, const char *symbol, const struct part *p);
void ledger_put_fill(struct ledger *l, const char *instance, const struct part *p, int64_t filled, struct price price);
/* What it has filled after all, at this average. */
void ledger_put_correct(struct ledger *l, const char *instance, const struct part *p, int64_t filled, struct price average);
/* fees_micros: all of this order so far. */
void ledger_put_fee(struct ledger *l, const char *instance, const struct part *p, int64_t fees_micros);
void ledger_put_final(struct ledger *l, const char *instance, const struct part *p, enum order_status status);
/* worth: of session opens, PRICE_NONE for others. */
void ledger_put_due(struct ledger *l, const char *instance, int32_t date, int duty, int row, struct price worth);
void ledger_put_session(struct ledger *l, const char *instance, int64_t done);
/* seen: for each of its symbols the end of the latest bar the state knows. */
void ledger_put_state(struct ledger *l, const char *instance, const char *plugin_hash, const void *state, size_t size,
                      const int64_t *seen, int64_t seen_count);

/* Records put since the last flush go to the journal as one: after a crash all of them are there, or none. */
void ledger_flush(struct ledger *l);
void ledger_commit(struct ledger *l, uv_loop_t *loop, journal_done *done, void *ctx);
/* NULL while all is well. */
const char *ledger_failed(const struct ledger *l);

#endif
