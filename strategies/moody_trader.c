/* moody_trader - trades by its mood, and the mood by the time of day. The reference example for state and schedule.
 *
 * `moods` is a timetable; a mood holds from its time on until the next:
 *
 *     cheerful   long `quantity`
 *     gloomy     short `quantity`
 *     greedy     with the day's move: long when the price is above the session's open, otherwise short
 *     calm       holds nothing
 *
 * Schedule: the engine fires the duty `mood` once for each row, also when no bar comes in that minute. The duty
 * sets what is wanted (`target`); `step` moves the position there, one order at a time; a refused order is tried
 * again with the next bar. At `exit` nothing is wanted any more.
 *
 * At least one trade every session: each session begins flat, so the first mood that is not calm trades. Should
 * no such row begin before `exit` (a half day), the first of them holds from the open.
 *
 * State: all of it is in the struct, nothing else; saved as bytes, it is enough to go on after a restart. There
 * is no chance in it: the same bars make the same trades. */
#include "strategies/strategy.h"

enum mood { MOOD_CHEERFUL, MOOD_GLOOMY, MOOD_GREEDY, MOOD_CALM };
static const char *const mood_names[] = { "cheerful", "gloomy", "greedy", "calm", NULL };

struct moody_trader {
    struct timetable moods;       /* parameters */
    struct session_time exit;

    bool leaving;
    int64_t target[SYMBOLS_MAX];  /* shares wanted, signed */
    int64_t order_id[SYMBOLS_MAX]; /* under way; 0: none */
};

static const struct setting params[] = {
    SETTING_OF_TIMETABLE(struct moody_trader, moods, .names = mood_names, .hot = true,
                         .fallback = "{open: cheerful, open+2h: gloomy, close-1h: greedy}",
                         .help = "Session time to mood: cheerful, gloomy, greedy or calm."),
    SETTING_OF_SESSION_TIME(struct moody_trader, exit, .fallback = "close-5m", .hot = true, .help = "When to be out for the day."),
};

enum { DUTY_MOOD, DUTY_EXIT };
static const struct strategy_duty duties[] = {
    [DUTY_MOOD] = { .name = "mood", .at = offsetof(struct moody_trader, moods), .is_timetable = true },
    [DUTY_EXIT] = { .name = "exit", .at = offsetof(struct moody_trader, exit) },
};

static bool start(void *state, const struct strategy_host *host, char *why, size_t why_size)
{
    const struct moody_trader *s = state;
    (void)host;
    for (int64_t i = 0; i < s->moods.count; i++)
        if (s->moods.rows[i].value != MOOD_CALM)
            return true;
    snprintf(why, why_size, "params: moods needs at least one mood that is not calm");
    return false;
}

static int64_t wanted(const struct strategy_host *host, int symbol, int64_t mood)
{
    struct price open = host->session_open(host->self, symbol), last = host->last_price(host->self, symbol);
    bool down = price_is_set(open) && price_is_set(last) && price_cmp(last, open) <= 0;
    switch (mood) {
    case MOOD_CHEERFUL: return host->quantity;
    case MOOD_GLOOMY:   return -host->quantity;
    case MOOD_GREEDY:   return down ? -host->quantity : host->quantity;
    default:            return 0;
    }
}

/* Moves the position to its target, unless an order is under way. */
static void step(struct moody_trader *s, const struct strategy_host *host, int symbol)
{
    int64_t change = s->target[symbol] - host->position(host->self, symbol);
    if (change == 0 || s->order_id[symbol])
        return;
    int64_t id = strategy_market(host, symbol, change > 0 ? SIDE_BUY : SIDE_SELL, change > 0 ? change : -change,
                                 s->leaving ? "exit" : "mood");
    s->order_id[symbol] = id > 0 ? id : 0;
}

static void feel(struct moody_trader *s, const struct strategy_host *host, int64_t mood)
{
    for (int i = 0; i < host->symbols_count; i++) {
        s->target[i] = wanted(host, i, mood);
        host->decide(host->self, i, "mood %s: %d shares wanted", mood_names[mood], (int)s->target[i]);
        step(s, host, i);
    }
}

static void on_session_open(void *state, const struct strategy_host *host)
{
    struct moody_trader *s = state;
    const struct session *session = host->session(host->self);
    int64_t first = -1;

    s->leaving = false;
    for (int i = 0; i < host->symbols_count; i++)
        s->target[i] = host->position(host->self, i);
    for (int64_t i = 0; i < s->moods.count; i++) {
        if (s->moods.rows[i].value == MOOD_CALM)
            continue;
        if (first < 0)
            first = s->moods.rows[i].value;
        if (session_time_ns(session, s->moods.rows[i].from) < session_time_ns(session, s->exit))
            return; /* its duty will trade */
    }
    host->decide(host->self, -1, "no mood begins before the exit today: the first holds from the open");
    feel(s, host, first);
}

static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    struct moody_trader *s = state;
    (void)late_ns; /* late or not: the mood is that of now */
    if (duty == DUTY_EXIT) {
        s->leaving = true;
        for (int i = 0; i < host->symbols_count; i++) {
            s->target[i] = 0;
            if (s->order_id[i])
                host->cancel(host->self, s->order_id[i]);
            step(s, host, i);
        }
        return;
    }
    int64_t now = host->now_ns(host->self);
    const struct session *session = host->session(host->self);
    int64_t mood = timetable_value(&s->moods, session, now);
    if (!s->leaving && now < session_time_ns(session, s->exit) && mood >= 0)
        feel(s, host, mood);
}

static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    (void)bar;
    step(state, host, symbol); /* only what an order refused or a partial fill left over */
}

static void on_order(void *state, const struct strategy_host *host, const struct strategy_order_update *update)
{
    struct moody_trader *s = state;
    if (!order_status_is_final(update->status) || update->order_id != s->order_id[update->symbol])
        return;
    s->order_id[update->symbol] = 0;
    if (update->status == ORDER_REJECTED)
        host->decide(host->self, update->symbol, "order rejected: %s", update->reason);
    else
        step(s, host, update->symbol);
}

STRATEGY_EXPORT const struct strategy_plugin strategy_plugin = {
    .abi = STRATEGY_ABI,
    .size = sizeof(struct strategy_plugin),
    .name = "moody_trader",
    .summary = "Long, short or out by its mood, and the mood by the time of day.",
    .state_size = sizeof(struct moody_trader),
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
