/* strategy.h - the one header a strategy includes.
 *
 * A strategy is a shared object that exports one symbol: a constant `struct strategy_plugin` named
 * strategy_plugin. The engine reads it, checks `abi` and `size`, takes a zeroed block of `state_size`
 * bytes, fills in the parameters from the instance's YAML file, and calls the functions below. The same
 * .so runs in a backtest, on the local exchange, at Alpaca paper and live, and decides the same.
 *
 * Threads: every call comes from one thread; a strategy needs no locks and must not block, sleep or start
 * threads.
 *
 * State: the block belongs to the engine, one per running instance, from start() to stop(). It is saved
 * as plain bytes after each session and given back after a restart: keep everything in it, and no
 * pointers. No globals: two instances share the code.
 *
 * Time: host->now_ns(). In a replay it is the market's time, not the wall clock; a strategy that reads the
 * wall clock will not replay. Session times (open+30m) come from the parameters and the duties table.
 *
 * Symbols are numbers: 0 .. host->symbols_count-1, in the order of the YAML's list.
 *
 * Orders: host->order() returns an id at once; what becomes of it arrives as on_order and on_fill, never
 * from inside order(). The engine splits, queues and retries at the broker as rules demand; a strategy
 * sees one order. Its position is its own book's, whatever other instances hold. */
#ifndef STRATEGY_H
#define STRATEGY_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "market/calendar.h"
#include "market/market.h"
#include "market/setting.h"

/* Raised by any change to the structs below. Engine and plugin must agree exactly: rebuilding a strategy
 * is one command. `size` catches a change made without raising the number. */
#define STRATEGY_ABI 3

struct strategy_order {
    int symbol;
    enum side side;
    int64_t qty;                  /* shares, > 0 */
    enum order_type type;
    enum time_in_force tif;       /* TIF_OPG, TIF_CLS: the auctions */
    struct price limit;           /* ORDER_LIMIT only */
    const char *reason;           /* one line, stored with the order; may be NULL */
};

/* What became of an order. */
struct strategy_order_update {
    int64_t order_id;
    int symbol;
    enum side side;
    enum order_status status;     /* ORDER_NEW, or final: filled, canceled, expired, rejected */
    int64_t qty, filled_qty;
    const char *reason;           /* why it was refused; "" otherwise */
};

/* An execution the broker takes back comes as a fill of the other side, of the same order. */
struct strategy_fill {
    int64_t order_id;
    int symbol;
    enum side side;
    int64_t qty;                  /* shares of this fill, > 0 */
    struct price price;
    int64_t time_ns;
};

/* What the engine offers. `self` is opaque: hand it back unchanged. */
struct strategy_host {
    void *self;
    int symbols_count;
    const char (*symbols)[SYMBOL_SIZE];
    int64_t quantity;             /* the instance's `quantity`: shares per trade; may change while running */
    int64_t capital_micros;       /* the instance's `capital` */

    int64_t (*now_ns)(void *self);
    /* The session in progress, or the next one when the market is closed. Never NULL. */
    const struct session *(*session)(void *self);
    /* Is this the last session the instance runs? Then it must end flat: the engine closes what is left. */
    bool (*is_last_session)(void *self);
    /* Own book, signed shares; changes only by on_fill. */
    int64_t (*position)(void *self, int symbol);
    /* Close of the latest bar (extended hours included) or PRICE_NONE before the first. */
    struct price (*last_price)(void *self, int symbol);
    /* Open of this session's first regular bar (the opening print), PRICE_NONE before it is known. */
    struct price (*session_open)(void *self, int symbol);
    /* Close of the last regular bar of the session before, PRICE_NONE when unknown. */
    struct price (*previous_close)(void *self, int symbol);
    /* false when there is no quote. */
    bool (*quote)(void *self, int symbol, struct quote *out);

    /* Sends an order. Its id (> 0), or -1 when the risk check refused it: the reason is logged and
     * recorded, and nothing follows. */
    int64_t (*order)(void *self, const struct strategy_order *order);
    /* Asks to cancel; the outcome comes as on_order (it may still fill). false: not an open order. */
    bool (*cancel)(void *self, int64_t order_id);

    /* Why the strategy did or did not act: one line in the record. */
    void (*decide)(void *self, int symbol, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
    void (*log)(void *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
};

/* Something to be done once a session at a session time. The engine plans every duty of every session,
 * fires it when its time has come and the bars of the minutes before it are in, and records when. A duty
 * that was missed (the engine was down) is fired late, with late_ns saying by how much; a strategy
 * declares what it then does: silence is not an option. When its parameter is changed while running, a duty
 * that has not fired yet moves to its new time; one whose new time has passed fires at once. Of a changed
 * timetable the row that holds now fires at once, then those to come. */
struct strategy_duty {
    const char *name;             /* "enter" */
    size_t at;                    /* offsetof a struct session_time in the state: a parameter */
    bool is_timetable;            /* at: a struct timetable instead; fired once for each of its rows */
};

/* The value that holds at time_ns: of the latest row that has begun, -1 before the first. On a half day
 * rows may change places: the time decides, then the order in the file. */
static inline int64_t timetable_value(const struct timetable *t, const struct session *session, int64_t time_ns)
{
    int64_t value = -1, from = INT64_MIN;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t at = session_time_ns(session, t->rows[i].from);
        if (at <= time_ns && at >= from) {
            from = at;
            value = t->rows[i].value;
        }
    }
    return value;
}

struct strategy_plugin {
    uint32_t abi;                 /* STRATEGY_ABI */
    uint32_t size;                /* sizeof(struct strategy_plugin) */
    const char *name;             /* [a-z0-9_]+, the file's name without .so */
    const char *summary;          /* one sentence */
    size_t state_size;
    const struct setting *params;
    size_t params_count;
    const struct strategy_duty *duties;
    size_t duties_count;
    bool extended_bars;           /* on_bar also outside the regular session */

    /* All optional. */
    /* May this instance hold a position over night? NULL or false: the engine closes what is left at
     * close-1m, and says so. Asked once a session. */
    bool (*holds_overnight)(const void *state);
    /* Check parameters against each other; on false write one sentence to why. No market yet. Also asked, on a state made
     * for the question, before hot parameters change. */
    bool (*start)(void *state, const struct strategy_host *host, char *why, size_t why_size);
    /* Rows of `params` marked hot have changed, or host->quantity has; the rest of the state is as it was. What is
     * derived from them is made anew here. start() has agreed to the new values, on a state of its own. */
    void (*on_params)(void *state, const struct strategy_host *host);
    void (*on_session_open)(void *state, const struct strategy_host *host);
    void (*on_session_close)(void *state, const struct strategy_host *host);
    void (*on_bar)(void *state, const struct strategy_host *host, int symbol, const struct bar *bar);
    void (*on_quote)(void *state, const struct strategy_host *host, int symbol, const struct quote *quote);
    void (*on_duty)(void *state, const struct strategy_host *host, int duty, int64_t late_ns);
    void (*on_order)(void *state, const struct strategy_host *host, const struct strategy_order_update *update);
    void (*on_fill)(void *state, const struct strategy_host *host, const struct strategy_fill *fill);
    void (*stop)(void *state, const struct strategy_host *host);
};

/* strategy_plugin itself is defined with this, the only visible symbol. */
#define STRATEGY_EXPORT __attribute__((visibility("default")))

#define STRATEGY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* For texts: a strategy links nothing but libc and libm. "168.14"; returns out. */
enum { STRATEGY_PRICE_SIZE = 32 };
static inline const char *strategy_price(struct price p, char out[STRATEGY_PRICE_SIZE])
{
    if (!price_is_set(p))
        snprintf(out, STRATEGY_PRICE_SIZE, "none");
    else
        snprintf(out, STRATEGY_PRICE_SIZE, "%s%" PRId64 ".%02" PRId64, p.micros < 0 ? "-" : "",
                 (p.micros < 0 ? -p.micros : p.micros) / PRICE_SCALE,
                 (p.micros < 0 ? -p.micros : p.micros) % PRICE_SCALE / (PRICE_SCALE / 100));
    return out;
}

static inline const char *strategy_status(enum order_status status)
{
    return status == ORDER_FILLED   ? "filled"
         : status == ORDER_CANCELED ? "canceled"
         : status == ORDER_EXPIRED  ? "expired"
         : status == ORDER_REJECTED ? "rejected"
         : status == ORDER_REPLACED ? "replaced"
                                    : "open";
}

/* A market day order, the common case. */
static inline int64_t strategy_market(const struct strategy_host *host, int symbol, enum side side,
                                      int64_t qty, const char *reason)
{
    return host->order(host->self, &(struct strategy_order){
        .symbol = symbol, .side = side, .qty = qty, .type = ORDER_MARKET, .tif = TIF_DAY,
        .limit = PRICE_NONE, .reason = reason });
}

#endif
