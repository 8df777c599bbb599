/* backtest.h - instances over a whole market in one call: the engine's core on the exchange's core, no time between.
 *
 * The same calls in the same order as the lockstep market makes (docs/protocols.md, "What happens at one instant"):
 * so decisions and fills are those of the same week on the exchange. An order reaches the market at the instant it
 * was decided, its answer comes back before the next one leaves, and what the market made of it comes with the next
 * tick of the same instant.
 *
 * Pure but for the feed that is lent. Memory grows with the number of orders. Threads: the caller's. */
#ifndef ENGINE_BACKTEST_H
#define ENGINE_BACKTEST_H

#include "engine/runner.h"
#include "exchange/feed.h"

struct backtest_fill {
    int instance;
    const char *symbol;            /* lent */
    enum side side;
    int64_t qty, fee_micros, time_ns;
    struct price price;
    char client_order_id[CLIENT_ORDER_ID_SIZE];
};
struct backtest_decision {
    int instance;
    const char *symbol;            /* NULL: none */
    int64_t sequence, time_ns;
    const char *text;
};

struct backtest_options {
    int64_t from_ns, until_ns;     /* the first instant; nothing after until_ns happens */
    int64_t ends_ns;               /* close of the last session; 0: open-ended */
    int64_t cash_micros, fee_micros, slippage_micros; /* struct venue_options */
    /* Optional: told in order. */
    void (*on_fill)(void *ctx, const struct backtest_fill *fill);
    void (*on_decision)(void *ctx, const struct backtest_decision *decision);
    void *ctx;
};

struct backtest;

/* Takes the instances of the list in its order. One with 0 days runs to the end and is then marked, not closed.
 * list and feed are lent and must outlive it. NULL: err says why. */
struct backtest *backtest_new(const struct instance_list *list, struct feed *feed, const struct backtest_options *options,
                              struct err *err);
/* To the end: of the market, or of every instance's run. */
void backtest_run(struct backtest *b);
void backtest_free(struct backtest *b);

/* ---- what came of it */
struct backtest_result {           /* of one instance; runner_view and runner_book have the rest */
    int64_t orders, fills, decisions, fees_micros, drawdown_micros;
    char status[16], reason[ACTION_TEXT_SIZE];
};
const struct backtest_result *backtest_result(const struct backtest *b, int instance);
const struct runner *backtest_runner(const struct backtest *b);
int64_t backtest_bars(const struct backtest *b);            /* of symbols an instance trades */
int64_t backtest_now_ns(const struct backtest *b);          /* the last instant */
struct price backtest_mark(const struct backtest *b, const char *symbol); /* the latest price; PRICE_NONE: none */
/* The venue's own figures and the books agree. */
bool backtest_is_consistent(const struct backtest *b);

#endif
