/* buy_close_sell_open - holds the night: buys in the closing auction, sells in the next opening auction.
 *
 * enter (close-12m)   a market order for `quantity` in the closing auction. None in the last session, so that
 *                     the run ends flat.
 * fallback (close-1m) the auction order is gone (window missed, refused, canceled) with shares still wanted:
 *                     a market order for the rest. While it still waits for the auction it is left alone.
 * after the close     what the auction did not fill is not bought any more; the night is held with what there is.
 * exit (open-30m)     the sale of all that is held, in the opening auction.
 * the open            the auction order is gone with shares left (window missed, refused, expired, partial): a
 *                     market order for the rest at once; refused too, again with every bar.
 *
 * Every fallback leaves a decision in the record. */
#include "strategies/strategy.h"

struct leg {
    int64_t wanted;               /* shares to hold tonight */
    int64_t buy_id, sell_id;      /* under way; 0: none */
};

struct buy_close_sell_open {
    struct session_time enter, fallback, exit; /* parameters */

    bool selling;                 /* from exit until nothing is held */
    struct leg legs[SYMBOLS_MAX];
};

static const struct setting params[] = {
    SETTING_OF_SESSION_TIME(struct buy_close_sell_open, enter, .fallback = "close-12m", .hot = true,
                            .help = "When to send the purchase to the closing auction."),
    SETTING_OF_SESSION_TIME(struct buy_close_sell_open, fallback, .fallback = "close-1m", .hot = true,
                            .help = "When to buy at the market what the auction will not bring any more."),
    SETTING_OF_SESSION_TIME(struct buy_close_sell_open, exit, .fallback = "open-30m", .hot = true,
                            .help = "When to send the sale to the opening auction."),
};

enum { DUTY_EXIT, DUTY_ENTER, DUTY_FALLBACK };
static const struct strategy_duty duties[] = {
    [DUTY_EXIT] = { .name = "exit", .at = offsetof(struct buy_close_sell_open, exit) },
    [DUTY_ENTER] = { .name = "enter", .at = offsetof(struct buy_close_sell_open, enter) },
    [DUTY_FALLBACK] = { .name = "fallback", .at = offsetof(struct buy_close_sell_open, fallback) },
};

static bool refuse(char *why, size_t why_size, const char *text)
{
    snprintf(why, why_size, "%s", text);
    return false;
}

static bool start(void *state, const struct strategy_host *host, char *why, size_t why_size)
{
    const struct buy_close_sell_open *s = state;
    const struct session full = { .open_ns = 0, .close_ns = 6 * HOUR_NS + 30 * MINUTE_NS };
    int64_t enter = session_time_ns(&full, s->enter), fallback = session_time_ns(&full, s->fallback);
    (void)host;
    if (enter >= fallback || fallback >= full.close_ns)
        return refuse(why, why_size, "params: enter, fallback, the close must follow each other");
    if (session_time_ns(&full, s->exit) >= enter)
        return refuse(why, why_size, "params: exit must come before enter");
    return true;
}

static bool holds_overnight(const void *state)
{
    (void)state;
    return true;
}

static int64_t order(const struct strategy_host *host, int symbol, enum side side, int64_t qty,
                     enum time_in_force tif, const char *reason)
{
    int64_t id = host->order(host->self, &(struct strategy_order){
        .symbol = symbol, .side = side, .qty = qty, .type = ORDER_MARKET, .tif = tif, .limit = PRICE_NONE,
        .reason = reason });
    return id > 0 ? id : 0;
}

static void buy_rest(struct buy_close_sell_open *s, const struct strategy_host *host, int symbol)
{
    struct leg *leg = &s->legs[symbol];
    int64_t rest = leg->wanted - host->position(host->self, symbol);
    if (rest <= 0 || leg->buy_id)
        return;
    host->decide(host->self, symbol, "the closing auction will not bring %d shares: bought at the market", (int)rest);
    leg->buy_id = order(host, symbol, SIDE_BUY, rest, TIF_DAY, "fallback: close-1m");
}

static void sell_rest(struct buy_close_sell_open *s, const struct strategy_host *host, int symbol)
{
    struct leg *leg = &s->legs[symbol];
    int64_t held = host->position(host->self, symbol);
    if (held <= 0 || leg->sell_id)
        return;
    host->decide(host->self, symbol, "the opening auction left %d shares: sold at the market", (int)held);
    leg->sell_id = order(host, symbol, SIDE_SELL, held, TIF_DAY, "fallback: after the open");
}

static bool is_open(const struct strategy_host *host)
{
    const struct session *session = host->session(host->self);
    int64_t now = host->now_ns(host->self);
    return now >= session->open_ns && now < session->close_ns;
}

static void enter(struct buy_close_sell_open *s, const struct strategy_host *host, int symbol)
{
    struct leg *leg = &s->legs[symbol];
    leg->wanted = 0;
    if (host->is_last_session(host->self))
        host->decide(host->self, symbol, "no purchase: the last session ends flat");
    else if (host->position(host->self, symbol) != 0 || leg->buy_id || leg->sell_id)
        host->decide(host->self, symbol, "no purchase: last night's shares are not sold yet");
    else {
        leg->wanted = host->quantity;
        leg->buy_id = order(host, symbol, SIDE_BUY, host->quantity, TIF_CLS, "hold the night");
    }
}

static void leave(struct buy_close_sell_open *s, const struct strategy_host *host, int symbol)
{
    struct leg *leg = &s->legs[symbol];
    int64_t held = host->position(host->self, symbol);
    leg->wanted = 0;
    if (held > 0 && !leg->sell_id)
        leg->sell_id = order(host, symbol, SIDE_SELL, held, TIF_OPG, "the night is over");
}

static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    struct buy_close_sell_open *s = state;
    (void)late_ns; /* a missed window is refused by the broker, and the fallback follows */
    if (duty == DUTY_EXIT)
        s->selling = true;
    else if (duty == DUTY_ENTER)
        s->selling = false;
    for (int i = 0; i < host->symbols_count; i++) {
        if (duty == DUTY_EXIT && is_open(host))
            sell_rest(s, host, i);
        else if (duty == DUTY_EXIT)
            leave(s, host, i);
        else if (duty == DUTY_ENTER)
            enter(s, host, i);
        else
            buy_rest(s, host, i);
    }
}

static void on_session_open(void *state, const struct strategy_host *host)
{
    struct buy_close_sell_open *s = state;
    s->selling = true;
    for (int i = 0; i < host->symbols_count; i++)
        sell_rest(s, host, i);
}

static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    struct buy_close_sell_open *s = state;
    (void)bar;
    if (s->selling && is_open(host))
        sell_rest(s, host, symbol);
}

static void on_order(void *state, const struct strategy_host *host, const struct strategy_order_update *update)
{
    struct buy_close_sell_open *s = state;
    struct leg *leg = &s->legs[update->symbol];
    if (!order_status_is_final(update->status))
        return;
    if (update->status != ORDER_FILLED)
        host->decide(host->self, update->symbol, "%s %s after %d of %d shares: %s",
                     update->side == SIDE_BUY ? "purchase" : "sale", strategy_status(update->status),
                     (int)update->filled_qty, (int)update->qty, update->reason);
    const struct session *session = host->session(host->self);
    int64_t now = host->now_ns(host->self);
    if (update->order_id == leg->buy_id) {
        leg->buy_id = 0;
        if (is_open(host) && now >= session_time_ns(session, s->fallback) && update->status != ORDER_FILLED &&
            update->filled_qty < update->qty && leg->wanted && !s->selling)
            buy_rest(s, host, update->symbol);
    } else if (update->order_id == leg->sell_id) {
        leg->sell_id = 0;
        if (is_open(host) && s->selling && update->status != ORDER_REJECTED) /* refused: the next bar tries again */
            sell_rest(s, host, update->symbol);
    }
}

STRATEGY_EXPORT const struct strategy_plugin strategy_plugin = {
    .abi = STRATEGY_ABI,
    .size = sizeof(struct strategy_plugin),
    .name = "buy_close_sell_open",
    .summary = "Buys in the closing auction and sells in the next opening auction.",
    .state_size = sizeof(struct buy_close_sell_open),
    .params = params,
    .params_count = STRATEGY_COUNT(params),
    .duties = duties,
    .duties_count = STRATEGY_COUNT(duties),
    .holds_overnight = holds_overnight,
    .start = start,
    .on_session_open = on_session_open,
    .on_bar = on_bar,
    .on_duty = on_duty,
    .on_order = on_order,
};
