/* report.h - what the API is told: runs, intents, equity, decisions, as rows for the outbox (docs/protocols.md §2).
 *
 * The engine never waits for the API: rows go into a durable outbox. Threads: the loop's. */
#ifndef ENGINE_REPORT_H
#define ENGINE_REPORT_H

#include "client/outbox.h"
#include "engine/ledger.h"

struct report {
    struct outbox *outbox;
    const char *account;   /* account_number */
    const char *mode;      /* replay paper live */
};

/* status: running finished stopped failed. ended_ns 0: not ended. */
void report_run(const struct report *to, const struct instance_config *config, const struct ledger_run *run,
                const char *status, int64_t ended_ns, const char *reason);
/* An edit of a running instance's file was refused; text: all mistakes, NULL: there are none any more. */
void report_edit(const struct report *to, const char *strategy, const char *run_id, int64_t time_ns, const char *text);
void report_order(const struct report *to, const struct instance_config *config, const char *run_id,
                  const char *client_order_id, const char *symbol, const struct part *p);
void report_equity(const struct report *to, const struct instance_view *v, int64_t time_ns);
/* symbol NULL: none. */
void report_decision(const struct report *to, const char *strategy, const char *run_id, int64_t sequence, int64_t time_ns,
                     const char *symbol, const char *text);

#endif
