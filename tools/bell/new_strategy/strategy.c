/* @NAME@ - buys once a session when the price has risen enough above the open, and is out before the close.
 *
 * A start: change what you like. strategies/README.md says how it is called, strategies/strategy.h what there is. */
#include "strategies/strategy.h"

struct state { /* the parameters first; all of it is saved and given back after a restart */
    int64_t rise;
    struct session_time exit;

    bool bought[SYMBOLS_MAX]; /* in this session */
};

static const struct setting params[] = {
    SETTING_INT64(struct state, rise, SETTING_PERCENT, .unit = "%", .min = 1, .max = 1000000, .fallback = "0.1 %", .hot = true,
                  .help = "How far above the session's open a close must be to buy."),
    SETTING_OF_SESSION_TIME(struct state, exit, .fallback = "close-5m", .hot = true,
                            .help = "When to be out for the day."),
};

enum { DUTY_EXIT };
static const struct strategy_duty duties[] = {
    [DUTY_EXIT] = { .name = "exit", .at = offsetof(struct state, exit) },
};

static void on_session_open(void *state, const struct strategy_host *host)
{
    struct state *s = state;
    for (int i = 0; i < host->symbols_count; i++)
        s->bought[i] = false;
}

static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    struct state *s = state;
    struct price open = host->session_open(host->self, symbol);
    bool late = bar->open_time_ns + MINUTE_NS >= session_time_ns(host->session(host->self), s->exit);

    if (s->bought[symbol] || late || !price_is_set(open))
        return;
    if ((bar->close.micros - open.micros) * 1000000 < open.micros * s->rise)
        return;
    s->bought[symbol] = strategy_market(host, symbol, SIDE_BUY, host->quantity, "risen enough") > 0;
}

static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    (void)state;
    (void)duty;
    (void)late_ns; /* late or not: out */
    for (int i = 0; i < host->symbols_count; i++) {
        int64_t held = host->position(host->self, i);
        if (held > 0)
            strategy_market(host, i, SIDE_SELL, held, "exit");
        else
            host->decide(host->self, i, "nothing to sell");
    }
}

STRATEGY_EXPORT const struct strategy_plugin strategy_plugin = {
    .abi = STRATEGY_ABI,
    .size = sizeof(struct strategy_plugin),
    .name = "@NAME@",
    .summary = "Buys once a session when the price has risen enough above the open.",
    .state_size = sizeof(struct state),
    .params = params,
    .params_count = STRATEGY_COUNT(params),
    .duties = duties,
    .duties_count = STRATEGY_COUNT(duties),
    .on_session_open = on_session_open,
    .on_bar = on_bar,
    .on_duty = on_duty,
};
