/* momentum_30min - half an hour after the open: with the move if it is large, against it otherwise.
 *
 * At `at` the last price is compared with the session's official open (the opening print). More than `threshold`
 * above it: buy `quantity`; otherwise sell it short. At `exit` whatever is held goes out by a market order, the
 * same day, in all cases: an entry still open is canceled first, what a partial fill left is what is closed,
 * a refused exit is tried again with every bar. The engine's own closing at close-1m stands behind it.
 *
 * No open print or no price at `at`: no trade, with a decision saying so. Fired later than `late`: likewise. */
#include "strategies/strategy.h"

struct momentum_30min {
    int64_t threshold;            /* parameters: millionths */
    struct session_time at, exit;
    int64_t late;                 /* ns */

    bool leaving;
    int64_t order_id[SYMBOLS_MAX]; /* under way; 0: none */
};

static const struct setting params[] = {
    SETTING_INT64(struct momentum_30min, threshold, SETTING_PERCENT, .min = -1000000, .max = 1000000, .fallback = "1 %", .hot = true,
                  .help = "Buy when the price is more than this above the session's open, otherwise sell short."),
    SETTING_OF_SESSION_TIME(struct momentum_30min, at, .fallback = "open+30m", .hot = true, .help = "When to decide."),
    SETTING_OF_SESSION_TIME(struct momentum_30min, exit, .fallback = "close-5m", .hot = true, .help = "When to get out."),
    SETTING_INT64(struct momentum_30min, late, SETTING_DURATION, .min = 0, .max = 6 * HOUR_NS, .fallback = "5m", .hot = true,
                  .help = "Decided later than this after its time, the day is left out."),
};

enum { DUTY_ENTER, DUTY_EXIT };
static const struct strategy_duty duties[] = {
    [DUTY_ENTER] = { .name = "enter", .at = offsetof(struct momentum_30min, at) },
    [DUTY_EXIT] = { .name = "exit", .at = offsetof(struct momentum_30min, exit) },
};

static bool start(void *state, const struct strategy_host *host, char *why, size_t why_size)
{
    const struct momentum_30min *s = state;
    const struct session full = { .open_ns = 0, .close_ns = 6 * HOUR_NS + 30 * MINUTE_NS };
    (void)host;
    if (session_time_ns(&full, s->at) < session_time_ns(&full, s->exit))
        return true;
    static const char text[] = "params: exit must come after at";
    for (size_t i = 0; i < sizeof text && i < why_size; i++)
        why[i] = text[i];
    return false;
}

static void send(struct momentum_30min *s, const struct strategy_host *host, int symbol, enum side side, int64_t qty,
                 const char *reason)
{
    int64_t id = strategy_market(host, symbol, side, qty, reason);
    s->order_id[symbol] = id > 0 ? id : 0;
}

static void enter(struct momentum_30min *s, const struct strategy_host *host, int symbol)
{
    struct price open = host->session_open(host->self, symbol), last = host->last_price(host->self, symbol);
    char was[STRATEGY_PRICE_SIZE], is[STRATEGY_PRICE_SIZE];
    if (!price_is_set(open) || !price_is_set(last)) {
        host->decide(host->self, symbol, "no trade today: no opening print by now");
        return;
    }
    bool up = (__int128)last.micros * 1000000 > (__int128)open.micros * (1000000 + s->threshold);
    host->decide(host->self, symbol, "last %s, open %s: %s", strategy_price(last, is), strategy_price(open, was),
                 up ? "above the threshold, buy" : "not above the threshold, sell short");
    send(s, host, symbol, up ? SIDE_BUY : SIDE_SELL, host->quantity, up ? "momentum up" : "no momentum up");
}

/* Closes what is held, once nothing is under way. */
static void leave(struct momentum_30min *s, const struct strategy_host *host, int symbol)
{
    int64_t held = host->position(host->self, symbol);
    if (held != 0 && !s->order_id[symbol])
        send(s, host, symbol, held > 0 ? SIDE_SELL : SIDE_BUY, held > 0 ? held : -held, "exit");
}

static void on_session_open(void *state, const struct strategy_host *host)
{
    struct momentum_30min *s = state;
    (void)host;
    s->leaving = false;
}

static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    struct momentum_30min *s = state;
    int64_t exit_ns = session_time_ns(host->session(host->self), s->exit);

    if (duty == DUTY_EXIT) {
        s->leaving = true;
        for (int i = 0; i < host->symbols_count; i++) {
            if (s->order_id[i])
                host->cancel(host->self, s->order_id[i]);
            leave(s, host, i);
        }
    } else if (host->now_ns(host->self) >= exit_ns) {
        host->decide(host->self, -1, "no trade today: the exit comes before the entry");
    } else if (late_ns > s->late) {
        host->decide(host->self, -1, "no trade today: %d s too late to decide", (int)(late_ns / SECOND_NS));
    } else {
        for (int i = 0; i < host->symbols_count; i++)
            if (host->position(host->self, i) == 0 && !s->order_id[i])
                enter(s, host, i);
    }
}

static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    struct momentum_30min *s = state;
    (void)bar;
    if (s->leaving)
        leave(s, host, symbol);
}

static void on_order(void *state, const struct strategy_host *host, const struct strategy_order_update *update)
{
    struct momentum_30min *s = state;
    if (!order_status_is_final(update->status) || update->order_id != s->order_id[update->symbol])
        return;
    s->order_id[update->symbol] = 0;
    if (update->status != ORDER_FILLED)
        host->decide(host->self, update->symbol, "order %s after %d of %d shares: %s", strategy_status(update->status),
                     (int)update->filled_qty, (int)update->qty, update->reason);
    if (s->leaving && update->status != ORDER_REJECTED) /* refused: the next bar tries again */
        leave(s, host, update->symbol);
}

STRATEGY_EXPORT const struct strategy_plugin strategy_plugin = {
    .abi = STRATEGY_ABI,
    .size = sizeof(struct strategy_plugin),
    .name = "momentum_30min",
    .summary = "Half an hour after the open: long after a large move up, otherwise short; out the same day.",
    .state_size = sizeof(struct momentum_30min),
    .params = params,
    .params_count = STRATEGY_COUNT(params),
    .duties = duties,
    .duties_count = STRATEGY_COUNT(duties),
    .start = start,
    .on_session_open = on_session_open,
    .on_bar = on_bar,
    .on_duty = on_duty,
    .on_order = on_order,
};
