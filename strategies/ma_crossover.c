/* ma_crossover - long while the fast average of one-minute closes is above the slow one, flat otherwise.
 *
 * After each regular bar, once `slow` bars are in: fast > slow wants `quantity` shares, anything else none.
 * The sums are integers, so the comparison is exact: no rounding decides a trade. An order under way is
 * waited for; the next bar decides again. From `exit` on it only gets out. With overnight, averages and
 * position run on across sessions, and only the last session has an exit. */
#include "strategies/strategy.h"

enum { SLOW_MAX = 200 };

struct average { /* the last `slow` closes of one symbol, newest before head */
    int64_t closes[SLOW_MAX];
    int64_t head, count;
    int64_t sum_fast, sum_slow;
    int64_t order_id;             /* under way; 0: none */
};

struct ma_crossover {
    int64_t fast, slow;           /* parameters */
    struct session_time exit;
    bool overnight;

    bool leaving;                 /* the exit's time has come */
    int64_t exit_ns;              /* of this session */
    struct average symbols[SYMBOLS_MAX];
};

static const struct setting params[] = {
    SETTING_INT64(struct ma_crossover, fast, SETTING_COUNT, .unit = "bars", .min = 1, .max = SLOW_MAX - 1,
                  .fallback = "10", .hot = true, .help = "Length of the fast average."),
    SETTING_INT64(struct ma_crossover, slow, SETTING_COUNT, .unit = "bars", .min = 2, .max = SLOW_MAX,
                  .fallback = "30", .help = "Length of the slow average; nothing is decided before so many bars."),
    SETTING_OF_SESSION_TIME(struct ma_crossover, exit, .fallback = "close-5m", .hot = true,
                            .help = "When to be out for the day."),
    SETTING_OF_BOOL(struct ma_crossover, overnight, .fallback = "false",
                    .help = "Averages and position run on across sessions."),
};

enum { DUTY_EXIT };
static const struct strategy_duty duties[] = {
    [DUTY_EXIT] = { .name = "exit", .at = offsetof(struct ma_crossover, exit) },
};

static bool start(void *state, const struct strategy_host *host, char *why, size_t why_size)
{
    const struct ma_crossover *s = state;
    (void)host;
    if (s->fast < s->slow)
        return true;
    static const char text[] = "params: fast must be below slow";
    for (size_t i = 0; i < sizeof text && i < why_size; i++)
        why[i] = text[i];
    return false;
}

static bool holds_overnight(const void *state)
{
    return ((const struct ma_crossover *)state)->overnight;
}

static bool exits_today(const struct ma_crossover *s, const struct strategy_host *host)
{
    return !s->overnight || host->is_last_session(host->self);
}

static void plan_exit(struct ma_crossover *s, const struct strategy_host *host)
{
    s->exit_ns = exits_today(s, host) ? session_time_ns(host->session(host->self), s->exit) : INT64_MAX;
}

/* fast or exit is another one. */
static void on_params(void *state, const struct strategy_host *host)
{
    struct ma_crossover *s = state;
    plan_exit(s, host);
    for (int i = 0; i < host->symbols_count; i++) {
        struct average *a = &s->symbols[i];
        a->sum_fast = 0;
        for (int64_t back = 1; back <= s->fast && back <= a->count; back++)
            a->sum_fast += a->closes[(a->head - back + s->slow) % s->slow];
    }
}

static void on_session_open(void *state, const struct strategy_host *host)
{
    struct ma_crossover *s = state;
    s->leaving = false;
    plan_exit(s, host);
    for (int i = 0; i < host->symbols_count && !s->overnight; i++) {
        struct average *a = &s->symbols[i];
        a->head = a->count = a->sum_fast = a->sum_slow = 0;
    }
}

/* Moves the position to `want`, unless an order is under way. */
static void aim(struct ma_crossover *s, const struct strategy_host *host, int symbol, int64_t want, const char *reason)
{
    struct average *a = &s->symbols[symbol];
    int64_t change = want - host->position(host->self, symbol);
    if (a->order_id || change == 0)
        return;
    int64_t id = strategy_market(host, symbol, change > 0 ? SIDE_BUY : SIDE_SELL, change > 0 ? change : -change, reason);
    a->order_id = id > 0 ? id : 0;
}

static void take(struct average *a, int64_t fast, int64_t slow, int64_t close)
{
    int64_t before_fast = a->head - fast;
    if (before_fast < 0)
        before_fast += slow;
    if (a->count >= fast)
        a->sum_fast -= a->closes[before_fast];
    if (a->count >= slow)
        a->sum_slow -= a->closes[a->head];
    else
        a->count++;
    a->sum_fast += close;
    a->sum_slow += close;
    a->closes[a->head] = close;
    if (++a->head == slow)
        a->head = 0;
}

static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    struct ma_crossover *s = state;
    struct average *a = &s->symbols[symbol];

    take(a, s->fast, s->slow, bar->close.micros);
    if (s->leaving || bar->open_time_ns + MINUTE_NS >= s->exit_ns) {
        aim(s, host, symbol, 0, "exit");
        return;
    }
    if (a->count < s->slow)
        return;
    bool above = a->sum_fast * s->slow > a->sum_slow * s->fast;
    aim(s, host, symbol, above ? host->quantity : 0, above ? "fast above slow" : "fast not above slow");
}

static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    struct ma_crossover *s = state;
    (void)duty;
    (void)late_ns; /* late or not: out */
    if (!exits_today(s, host))
        return;
    s->leaving = true;
    for (int i = 0; i < host->symbols_count; i++)
        aim(s, host, i, 0, "exit");
}

static void on_order(void *state, const struct strategy_host *host, const struct strategy_order_update *update)
{
    struct ma_crossover *s = state;
    struct average *a = &s->symbols[update->symbol];
    if (!order_status_is_final(update->status) || update->order_id != a->order_id)
        return;
    a->order_id = 0;
    if (s->leaving && update->status != ORDER_REJECTED) /* refused: the next bar tries again */
        aim(s, host, update->symbol, 0, "exit");
}

STRATEGY_EXPORT const struct strategy_plugin strategy_plugin = {
    .abi = STRATEGY_ABI,
    .size = sizeof(struct strategy_plugin),
    .name = "ma_crossover",
    .summary = "Long while the fast average of one-minute closes is above the slow one.",
    .state_size = sizeof(struct ma_crossover),
    .params = params,
    .params_count = STRATEGY_COUNT(params),
    .duties = duties,
    .duties_count = STRATEGY_COUNT(duties),
    .holds_overnight = holds_overnight,
    .start = start,
    .on_params = on_params,
    .on_session_open = on_session_open,
    .on_bar = on_bar,
    .on_duty = on_duty,
    .on_order = on_order,
};
