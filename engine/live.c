/* live.c - streams and time in, turns out.
 *
 * A turn: what the core wants is taken and journalled; when the journal is on disk the orders leave; their replies
 * come back into the core, which may want more. In lockstep a turn belongs to a tick: it starts when the tick and its
 * marker have both come, orders leave one at a time (so that the same run is the same run), and when nothing is
 * under way any more the tick is acknowledged. In real time a turn follows whatever happened. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"

#define BARS_WAIT_NS (3 * SECOND_NS)   /* how long a duty waits for the bars of the minute that just ended */

/* ---- actions */

static void end_run(struct engine *e, const struct action *a)
{
    struct ledger_run *run = &e->runs[a->instance];
    struct instance_view v;
    char status[16];
    const char *why = strchr(a->text, ':');
    snprintf(status, sizeof status, "%.*s", (int)(why ? why - a->text : 0), a->text);
    why = why ? why + 2 : "";
    runner_view(e->runner, a->instance, &v);
    run->version++;
    run->ended = true;
    e->ended_ns[a->instance] = a->time_ns;
    report_run(&e->report, v.config, run, status, a->time_ns, why);
    ledger_put_end(e->ledger, v.config->name, run->version);
    log_info("run_ended", KV_TEXT("strategy", v.config->name), KV_TEXT("status", status), KV_TEXT("reason", why),
             KV_INT("fills", v.fills), KV_MONEY("pnl", v.equity_micros - v.config->capital));
}

static void send_later(struct engine *e, int part)
{
    if (e->sends_count == e->sends_max) {
        e->sends_max = e->sends_max ? 2 * e->sends_max : 64;
        e->sends = must_realloc(e->sends, e->sends_max, sizeof *e->sends);
    }
    e->sends[e->sends_count++] = part;
}

static void take_action(struct engine *e, const struct action *a)
{
    struct instance_view v;
    const struct part *p = a->part >= 0 ? runner_part(e->runner, a->part) : NULL;
    const char *symbol = a->symbol >= 0 ? runner_symbol_name(e->runner, a->symbol) : NULL;
    char id[CLIENT_ORDER_ID_SIZE] = "";
    runner_view(e->runner, a->instance, &v);
    const char *name = v.config->name;
    if (p)
        runner_client_order_id(e->runner, a->part, id);

    switch (a->kind) {
    case ACTION_ORDER:
        if (p->tries == 1) {
            ledger_put_intent(e->ledger, name, symbol, p);
            report_order(&e->report, v.config, e->runs[a->instance].run_id, id, symbol, p);
            e->touched[a->instance] = true;
        }
        venue_extra(e, a->part);
        send_later(e, a->part);
        break;
    case ACTION_CANCEL:
        venue_cancel(e, a->part);
        break;
    case ACTION_FILL:
        ledger_put_fill(e->ledger, name, p, a->qty, a->price);
        e->touched[a->instance] = true;
        log_info("filled", KV_TEXT("client_order_id", id), KV_TEXT("symbol", symbol), KV_TEXT("side", side_names[p->side]),
                 KV_INT("filled_qty", a->qty), KV_INT("qty", p->qty), KV_PRICE("price", a->price), KV_TIME("at", a->time_ns));
        break;
    case ACTION_CORRECT:
        ledger_put_correct(e->ledger, name, p, a->qty, a->price);
        e->touched[a->instance] = true;
        log_warn("execution_corrected", KV_TEXT("client_order_id", id), KV_TEXT("symbol", symbol), KV_INT("filled_qty", a->qty),
                 KV_PRICE("average", a->price));
        break;
    case ACTION_FEE:
        ledger_put_fee(e->ledger, name, p, a->qty);
        break;
    case ACTION_FINAL:
        ledger_put_final(e->ledger, name, p, a->status);
        e->touched[a->instance] = true;
        if (a->status != ORDER_FILLED)
            log_warn("order_ended", KV_TEXT("client_order_id", id), KV_TEXT("status", order_status_names[a->status]),
                     KV_INT("filled_qty", a->qty), KV_TEXT("reason", a->text));
        break;
    case ACTION_DECISION:
        report_decision(&e->report, name, e->runs[a->instance].run_id, ++e->decisions[a->instance], a->time_ns, symbol,
                        a->text);
        log_info("decided", KV_TEXT("strategy", name), KV_TEXT("symbol", symbol ? symbol : ""), KV_TIME("at", a->time_ns),
                 KV_TEXT("text", a->text));
        break;
    case ACTION_LOG:
        log_info("strategy_said", KV_TEXT("strategy", name), KV_TEXT("text", a->text));
        break;
    case ACTION_DUTY:
        ledger_put_due(e->ledger, name, a->date, a->duty, a->row, a->price);
        e->touched[a->instance] = true;
        if (a->qty > 10 * SECOND_NS)
            log_warn("duty_late", KV_TEXT("strategy", name), KV_TEXT("duty", a->text), KV_INT("late_s", a->qty / SECOND_NS));
        else
            log_debug("duty_fired", KV_TEXT("strategy", name), KV_TEXT("duty", a->text), KV_TIME("at", a->time_ns));
        break;
    case ACTION_SESSION:
        ledger_put_session(e->ledger, name, a->qty);
        e->touched[a->instance] = true;
        e->compare_due = true;
        log_info("session_closed", KV_TEXT("strategy", name), KV_INT("date", a->date), KV_INT("sessions_done", a->qty),
                 KV_INT("fills", v.fills), KV_MONEY("pnl", v.equity_micros - v.config->capital));
        break;
    case ACTION_END:
        end_run(e, a);
        break;
    }
}

static void take_actions(struct engine *e)
{
    size_t count;
    runner_actions(e->runner, &count);
    for (size_t i = 0; i < count; i++)
        take_action(e, &runner_actions(e->runner, &count)[i]);
    runner_actions_clear(e->runner);
    for (int i = 0; i < runner_instances_count(e->runner); i++) {
        struct instance_view v;
        if (!e->touched[i])
            continue;
        e->touched[i] = false;
        runner_view(e->runner, i, &v);
        int64_t seen[SYMBOLS_MAX];
        for (int64_t k = 0; k < v.config->symbols.count; k++)
            seen[k] = runner_seen(e->runner, i, (int)k);
        ledger_put_state(e->ledger, v.config->name, e->runs[i].plugin_hash, v.state, v.config->strategy->state_size, seen,
                         v.config->symbols.count);
    }
    ledger_flush(e->ledger);
}

/* ---- orders leave when their intents are on disk */

static void committed(void *ctx, bool ok)
{
    struct engine *e = ctx;
    e->committing = false;
    if (!ok) {
        log_error("journal_failed");
        engine_stop(e, "the journal cannot be written");
    }
    if (ok || e->stopping) /* without a journal only ways out are sent: flat matters more */
        e->sends_ready = e->sends_committing;
    engine_turn(e);
}

static void send_ready(struct engine *e)
{
    while (e->sends_ready > 0 && !(e->lockstep && e->calls > 0)) {
        int part = e->sends[0];
        memmove(e->sends, e->sends + 1, --e->sends_count * sizeof *e->sends);
        e->sends_ready--;
        if (e->committing)
            e->sends_committing--;
        if (runner_part(e->runner, part)->state == PART_NEW)
            venue_send(e, part);
    }
    if (e->sends_count > e->sends_ready && !e->committing) {
        e->committing = true;
        e->sends_committing = e->sends_count;
        ledger_commit(e->ledger, &e->loop, committed, e);
    }
}

/* ---- equity, once a minute of the regular session */

static void tell_equity(struct engine *e, int64_t minute_ns)
{
    if (minute_ns <= e->equity_told_ns)
        return;
    e->equity_told_ns = minute_ns;
    for (int i = 0; i < runner_instances_count(e->runner); i++) {
        struct instance_view v;
        runner_view(e->runner, i, &v);
        if (!e->ended_ns[i] || e->ended_ns[i] >= minute_ns)
            report_equity(&e->report, &v, minute_ns);
    }
}

/* A minute's equity is told when the clock moves past it: until then fills of the same instant may come. */
static void equity_before(struct engine *e, int64_t time_ns)
{
    if (e->equity_ns && time_ns > e->equity_ns) {
        tell_equity(e, e->equity_ns);
        e->equity_ns = 0;
    }
}

static bool is_regular_minute(int64_t time_ns)
{
    struct session s;
    return time_ns % MINUTE_NS == 0 && calendar_session_at(time_ns - 1, &s) && time_ns >= s.open_ns;
}

/* ---- trust */

void engine_refreeze(struct engine *e)
{
    char why[ACTION_TEXT_SIZE] = "";
    if (e->stopping)
        snprintf(why, sizeof why, "the engine is stopping");
    else if (!e->trades_up)
        snprintf(why, sizeof why, "the stream of order events is down");
    else if (!e->data_up)
        snprintf(why, sizeof why, "the stream of market data is down");
    else if (e->calendar_wrong)
        snprintf(why, sizeof why, "the broker's calendar is not ours");
    for (int i = 0; i < runner_symbols_count(e->runner) && !why[0]; i++)
        if (e->differs[i])
            snprintf(why, sizeof why, "the books and the broker differ in %s", runner_symbol_name(e->runner, i));
    const char *before = runner_frozen(e->runner);
    if (why[0] && (!before || strcmp(before, why) != 0)) {
        log_warn("entries_frozen", KV_TEXT("reason", why));
        runner_freeze(e->runner, why);
    } else if (!why[0] && before) {
        log_info("entries_free");
        runner_thaw(e->runner);
    }
}

/* ---- the end */

void engine_over(struct engine *e, int exit_code)
{
    if (e->over)
        return;
    take_actions(e);
    e->over = true;
    e->exit_code = exit_code;
    equity_before(e, INT64_MAX);
    if (exit_code != 0)
        venue_residue(e);
    uv_timer_start(&e->timer, engine_timer, 1, 20); /* not from inside a stream's callback */
}

void engine_stop(struct engine *e, const char *why)
{
    if (e->stopping || e->over)
        return;
    log_info("stopping", KV_TEXT("reason", why));
    snprintf(e->stop_reason, sizeof e->stop_reason, "%s", why);
    e->stopping = true;
    if (!e->started)
        return;
    flatten_start(&e->flatten, clock_mono_ns(), e->settings.flatten_deadline);
    engine_refreeze(e);
}

static void flatten_ended(struct engine *e)
{
    int code = e->flatten.exit_code;
    if (code == 3)
        snprintf(e->stop_reason, sizeof e->stop_reason, "not flat within the deadline");
    for (int i = 0; i < runner_instances_count(e->runner); i++) {
        struct instance_view v;
        runner_view(e->runner, i, &v);
        if (v.status == INSTANCE_ENDED)
            continue;
        if (code == 4 || (code == 0 && v.config->plugin)) { /* the run goes on at the next start, with the sessions left to it */
            e->runs[i].version++;
            report_run(&e->report, v.config, &e->runs[i], "stopped", runner_now_ns(e->runner),
                       code == 4 ? "the market is closed: exits are queued for the next open" : e->stop_reason);
            ledger_put_run(e->ledger, &e->runs[i], v.config->text);
        } else {
            runner_end(e->runner, i, code == 0 ? "stopped" : "failed", e->stop_reason);
        }
    }
    log_info("flatten_ended", KV_INT("exit_code", code), KV_INT("rounds", e->flatten.rounds));
    engine_over(e, code == 0 && ledger_failed(e->ledger) ? 1 : code); /* whoever watches over it starts it again */
}

static void flatten_turn(struct engine *e)
{
    size_t count;
    const struct session *session = runner_session(e->runner);
    int64_t now = runner_now_ns(e->runner);
    struct flatten_view v = {
        .world_ns = clock_mono_ns(), .market_open = now >= session->open_ns && now < session->close_ns,
        .busy = venue_is_busy(e) || clock_mono_ns() < e->ask_again_at, .shares_held = runner_held(e->runner),
        .broker_answered = e->broker_answered, .broker_known = e->broker_known,
        .broker_orders = e->broker_orders, .broker_shares = e->broker_shares,
    };
    const int *open = runner_open_parts(e->runner, &count);
    v.orders_open = (int64_t)count;
    for (size_t i = 0; i < count; i++)
        v.orders_unqueued += runner_part(e->runner, open[i])->state != PART_WORKING;
    switch (flatten_next(&e->flatten, &v)) {
    case FLATTEN_WAIT:
        break;
    case FLATTEN_CANCEL:
        runner_cancel_all(e->runner);
        break;
    case FLATTEN_ASK:
        venue_ask(e);
        break;
    case FLATTEN_CLOSE:
    case FLATTEN_QUEUE:
        if (e->flatten.rounds > 2) /* refused, or in parts: no storm */
            e->ask_again_at = clock_mono_ns() + SECOND_NS / 2;
        runner_close_all(e->runner, !v.market_open);
        break;
    case FLATTEN_END:
        flatten_ended(e);
        break;
    }
}

/* Nothing more can come from the market: what is still held stays held. */
static void market_ended(struct engine *e)
{
    for (int i = 0; i < runner_instances_count(e->runner); i++) {
        struct instance_view v;
        runner_view(e->runner, i, &v);
        if (v.status != INSTANCE_ENDED)
            runner_end(e->runner, i, runner_is_flat(e->runner, i) ? "finished" : "failed",
                       "the recording is at its end");
    }
    snprintf(e->stop_reason, sizeof e->stop_reason, "the recording ended before the positions were closed");
    engine_over(e, runner_held(e->runner) == 0 ? 0 : 3);
}

/* ---- turns */

/* In lockstep: has a tick come with all that belongs to it, and is it not acknowledged yet? */
static bool stands(const struct engine *e)
{
    return e->tick_n > e->acked_n && e->marker_n >= e->tick_n;
}

static void acknowledge(struct engine *e)
{
    int64_t wake = runner_next_ns(e->runner), t = e->tick_ns;
    const struct session *s = runner_session(e->runner);
    int64_t minute = t - t % MINUTE_NS + MINUTE_NS; /* equity is told every regular minute */
    if (t >= s->open_ns && minute <= s->close_ns && minute < wake)
        wake = minute;
    if (is_regular_minute(t))
        e->equity_ns = t;
    e->acked_n = e->tick_n;
    alpaca_stream_ack(e->data, e->tick_n, wake == INT64_MAX || wake <= t ? 0 : wake);
}

static void take_update(struct engine *e, const struct alpaca_trade_update *u)
{
    int part = runner_find(e->runner, u->order.client_order_id);
    int symbol = runner_symbol(e->runner, u->order.symbol);
    if (u->event == ALPACA_TRADE_BUST || u->event == ALPACA_TRADE_CORRECT) {
        venue_correct(e, part, u);
    } else if (part >= 0) {
        venue_update(e, part, &u->order, u);
    } else if (symbol >= 0 && alpaca_event_is_fill(u->event)) {
        e->foreign_moved[symbol] = true; /* somebody else's; how much, the next comparison tells */
        e->compare_at = 1;
        e->compare_due = true;
        log_warn("foreign_fill", KV_TEXT("symbol", u->order.symbol), KV_TEXT("client_order_id", u->order.client_order_id));
    }
}

/* Two streams have no order between them; in lockstep we give them one: market data, order events, what is due. */
static void take_updates(struct engine *e)
{
    for (size_t i = 0; i < e->updates_count; i++)
        take_update(e, &e->updates[i]);
    e->updates_count = 0;
}

void engine_turn(struct engine *e)
{
    if (e->in_turn || e->over || !e->started)
        return;
    e->in_turn = true;
    bool standing = !e->lockstep || stands(e);
    if (e->lockstep && standing && e->timed_n < e->tick_n) {
        e->timed_n = e->tick_n;
        runner_clock(e->runner, e->tick_ns);
        take_updates(e);
        edits_take(e);
        runner_time(e->runner, e->tick_ns);
    }
    /* A market that stopped talking must not keep us from getting out. */
    bool free_to_act = standing || (e->stopping && clock_mono_ns() - e->tick_mono_ns > SECOND_NS);
    if (free_to_act)
        take_updates(e);
    for (size_t count = 1; free_to_act && count > 0 && !e->over;) {
        take_actions(e);
        send_ready(e);
        if (ledger_failed(e->ledger) && !e->stopping)
            engine_stop(e, ledger_failed(e->ledger));
        runner_actions(e->runner, &count);
        if (count == 0 && e->stopping) {
            flatten_turn(e); /* also while calls are under way: the deadline does not wait for them */
            runner_actions(e->runner, &count);
        }
    }
    if (!e->over && !venue_is_busy(e)) {
        if (!e->stopping && runner_all_ended(e->runner))
            engine_over(e, 0);
        else if (e->ended && standing && !e->stopping && e->ticks)
            market_ended(e);
        else if (e->lockstep && stands(e) && e->compare_due) {
            e->compare_due = false;
            venue_compare(e);
        } else if (e->lockstep && stands(e)) {
            acknowledge(e);
        }
    }
    e->in_turn = false;
}

/* ---- streams */

static void on_trades_ready(void *ctx)
{
    struct engine *e = ctx;
    bool first = !e->data;
    e->trades_up = true;
    log_info("trades_ready");
    e->marker_n = 0; /* the newest comes again after the listening */
    if (first)
        engine_streams_start(e); /* the data stream, and with it the clock, starts when this one listens */
    if (e->started) {
        if (!first)
            venue_same_account(e);
        venue_look_up_open(e);
        venue_compare(e);
    }
    engine_refreeze(e);
    engine_turn(e);
}

static void on_trades_down(void *ctx, const char *why, bool gone)
{
    struct engine *e = ctx;
    log_warn("trades_down", KV_TEXT("reason", why), KV_INT("gone", gone));
    e->trades_up = false;
    e->losses++;
    engine_refreeze(e);
}

static void on_data_ready(void *ctx)
{
    struct engine *e = ctx;
    e->data_up = true;
    log_info("data_ready");
    if (e->data_lost && e->started && !e->over)
        missed_ask(e);
    e->data_lost = false;
    engine_refreeze(e);
    engine_turn(e);
}

static void on_data_down(void *ctx, const char *why, bool gone)
{
    struct engine *e = ctx;
    log_warn("data_down", KV_TEXT("reason", why), KV_INT("gone", gone));
    e->data_up = false;
    e->losses++;
    e->data_lost = true;
    engine_refreeze(e);
}

static void on_update(void *ctx, const struct alpaca_trade_update *u, const char *raw, size_t size)
{
    struct engine *e = ctx;
    (void)raw;
    (void)size;
    if (e->over)
        return;
    if (!e->lockstep) {
        take_update(e, u);
        engine_turn(e);
        return;
    }
    if (e->updates_count == e->updates_max) {
        e->updates_max = e->updates_max ? 2 * e->updates_max : 32;
        e->updates = must_realloc(e->updates, e->updates_max, sizeof *e->updates);
    }
    e->updates[e->updates_count++] = *u;
}

static void on_marker(void *ctx, int64_t n)
{
    struct engine *e = ctx;
    e->marker_n = n;
    engine_turn(e);
}

static void on_message(void *ctx, const struct alpaca_message *m)
{
    struct engine *e = ctx;
    if (!e->over && !missed_hold(e, m))
        engine_message(e, m);
}

void engine_message(struct engine *e, const struct alpaca_message *m)
{
    int symbol;
    switch (m->kind) {
    case ALPACA_MESSAGE_BAR:
        symbol = runner_symbol(e->runner, m->symbol);
        if (symbol < 0)
            return;
        equity_before(e, m->bar.open_time_ns + MINUTE_NS);
        e->bar_end[symbol] = m->bar.open_time_ns + MINUTE_NS;
        runner_bar(e->runner, symbol, &m->bar);
        break;
    case ALPACA_MESSAGE_QUOTE:
        symbol = runner_symbol(e->runner, m->symbol);
        if (symbol < 0)
            return;
        equity_before(e, m->quote.time_ns);
        runner_quote(e->runner, symbol, &m->quote);
        break;
    case ALPACA_MESSAGE_TICK:
        equity_before(e, m->tick.time_ns);
        e->compare_due = e->compare_due || e->compare_again;
        if (m->tick.n <= e->acked_n) /* sent again after a break, in which the acknowledgement may have been lost */
            e->acked_n = m->tick.n - 1;
        if (m->tick.n < e->timed_n) /* the broker started anew */
            e->timed_n = m->tick.n - 1;
        e->tick_n = m->tick.n;
        e->tick_ns = m->tick.time_ns;
        e->tick_mono_ns = clock_mono_ns();
        e->lockstep = m->tick.speed == 0;
        e->ended = m->tick.ended;
        if (!e->lockstep) {
            runner_time(e->runner, e->tick_ns);
            acknowledge(e);
        }
        break;
    case ALPACA_MESSAGE_ERROR:
        log_warn("stream_error", KV_INT("code", m->code), KV_TEXT("message", m->text));
        return;
    default:
        return;
    }
    if (!e->lockstep || m->kind == ALPACA_MESSAGE_TICK)
        engine_turn(e);
}

void engine_streams_start(struct engine *e)
{
    struct alpaca_stream_options options = {
        .kind = ALPACA_STREAM_TRADES, .url = e->settings.trades_url, .key = e->key, .secret = e->secret,
        .lockstep = true, .ctx = e, .on_ready = on_trades_ready, .on_down = on_trades_down, .on_update = on_update,
        .on_marker = on_marker, .on_message = on_message,
    };
    if (!e->trades) {
        e->trades = alpaca_stream_new(&e->loop, &options);
        return;
    }
    options.kind = ALPACA_STREAM_DATA;
    options.url = e->settings.data_url;
    options.on_ready = on_data_ready;
    options.on_down = on_data_down;
    e->data = alpaca_stream_new(&e->loop, &options);
    int count = runner_symbols_count(e->runner);
    char(*symbols)[SYMBOL_SIZE] = must_alloc((size_t)count, sizeof *symbols);
    for (int i = 0; i < count; i++)
        text_copy(symbols[i], SYMBOL_SIZE, runner_symbol_name(e->runner, i));
    alpaca_stream_subscribe(e->data, (const char(*)[SYMBOL_SIZE])symbols, (size_t)count,
                            (const char(*)[SYMBOL_SIZE])symbols, (size_t)count);
    free(symbols);
}

/* ---- the world's time */

/* A thing due at a minute's boundary waits for the bars of the minute that ended, but not for ever. */
static void real_time(struct engine *e)
{
    int64_t now = clock_utc_ns(), next = runner_next_ns(e->runner);
    bool bars_in = true;
    for (int i = 0; i < runner_symbols_count(e->runner); i++)
        bars_in = bars_in && e->bar_end[i] >= next;
    if (now >= next && next % MINUTE_NS == 0 && !bars_in && now < next + BARS_WAIT_NS)
        return;
    runner_time(e->runner, now);
    int64_t minute = now - now % MINUTE_NS;
    if (now - minute >= BARS_WAIT_NS && is_regular_minute(minute))
        tell_equity(e, minute);
}

static void let_go(struct engine *e)
{
    int64_t now = clock_mono_ns();
    if (!e->outbox_until) {
        e->outbox_until = now + e->settings.outbox_wait;
        alpaca_stream_free(e->data);
        alpaca_stream_free(e->trades);
        e->data = e->trades = NULL;
    }
    if (outbox_pending(e->outbox) == 0 || now >= e->outbox_until)
        uv_stop(&e->loop);
}

void engine_timer(uv_timer_t *timer)
{
    struct engine *e = timer->data;
    if (e->over) {
        let_go(e);
        return;
    }
    if (!e->started)
        return;
    if (!e->ticks)
        real_time(e);
    venue_poll(e);
    if (!e->lockstep && clock_mono_ns() >= e->compare_at)
        venue_compare(e);
    engine_turn(e);
}
