/* backtest.c - see backtest.h. What live.c and venue.c do with streams and REST, done with calls. */
#include "engine/backtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

struct news { /* what the market said about an order, until the tick */
    int64_t order;              /* its place among the account's orders */
    const char *execution_of;   /* symbol of a fill; NULL: none happened */
    enum side side;
    int64_t fee_micros;
    struct runner_update update;
};

struct backtest {
    struct backtest_options options;
    struct feed *feed;
    struct venue *venue;
    struct account *account;
    struct runner *runner;
    int *symbols;               /* the feed's number to the runner's; -1: nobody trades it */
    int instances, ended;
    int64_t now_ns, bars;

    int *parts;                 /* by order */
    size_t parts_size;
    struct order **orders;      /* by part; NULL: not at the venue */
    bool *cancel_due;           /* by part */
    int orders_size;
    struct news *news;
    size_t news_count, news_size;
    int *sends;                 /* parts to submit, in order */
    size_t sends_first, sends_count, sends_size;

    struct backtest_result *results;
    int64_t *peaks;
    bool *holds, *touched;      /* by instance: its equity moves with the market; it traded in this instant */
    bool any_holds;             /* or any traded in this instant */
};

/* ---- the market's side */

static void on_trade(void *ctx, const struct trade_event *e)
{
    struct backtest *b = ctx;
    const struct order *o = e->order;
    if (b->news_count == b->news_size) {
        b->news_size = b->news_size ? 2 * b->news_size : 64;
        b->news = must_realloc(b->news, b->news_size, sizeof *b->news);
    }
    struct news *n = &b->news[b->news_count++];
    n->order = o->index;
    n->execution_of = e->fill ? venue_symbol_name(b->venue, o->symbol) : NULL;
    n->side = o->side;
    n->fee_micros = e->fill ? e->fill->fee_micros : 0;
    n->update = (struct runner_update){
        .status = o->status, .filled_qty = o->filled_qty / QTY_SCALE, .fill_qty = e->fill ? e->fill->qty / QTY_SCALE : 0,
        .fill_price = e->fill ? e->fill->price : PRICE_NONE, .average = order_average(o), .time_ns = e->time_ns,
        .fee_micros = n->fee_micros, .reason = "",
    };
}

/* The reasons are those of the live engine: they are part of the record. */
static const char *final_reason(enum order_status status)
{
    static char text[64];
    if (!order_status_is_final(status) || status == ORDER_FILLED)
        return "";
    snprintf(text, sizeof text, "the broker says %s", order_status_names[status]);
    return text;
}

static void tell_fill(struct backtest *b, const struct news *n, int part)
{
    struct backtest_fill f = {
        .instance = runner_part(b->runner, part)->instance, .symbol = n->execution_of, .side = n->side,
        .qty = n->update.fill_qty, .fee_micros = n->fee_micros, .time_ns = n->update.time_ns,
        .price = n->update.fill_price,
    };
    runner_client_order_id(b->runner, part, f.client_order_id);
    b->options.on_fill(b->options.ctx, &f);
}

static void take_news(struct backtest *b)
{
    for (size_t i = 0; i < b->news_count; i++) {
        struct news n = b->news[i];
        int part = b->parts[n.order];
        if (n.execution_of) {
            int instance = runner_part(b->runner, part)->instance;
            b->results[instance].fills++;
            b->results[instance].fees_micros += n.fee_micros;
            b->touched[instance] = b->any_holds = true;
            if (b->options.on_fill)
                tell_fill(b, &n, part);
        }
        n.update.reason = final_reason(n.update.status);
        bool ok = runner_update(b->runner, part, &n.update);
        assert(ok); /* the venue fills no more than was ordered */
        (void)ok;
    }
    b->news_count = 0;
}

/* ---- the engine's side */

static void by_part_grow(struct backtest *b, int part)
{
    if (part < b->orders_size)
        return;
    int grown = part < 32 ? 64 : 2 * part;
    b->orders = must_realloc(b->orders, (size_t)grown, sizeof *b->orders);
    b->cancel_due = must_realloc(b->cancel_due, (size_t)grown, sizeof *b->cancel_due);
    for (int i = b->orders_size; i < grown; i++) {
        b->orders[i] = NULL;
        b->cancel_due[i] = false;
    }
    b->orders_size = grown;
}

static void cancel(struct backtest *b, int part)
{
    struct refusal refusal;
    if (!b->orders[part]) {
        b->cancel_due[part] = true; /* when it is there */
        return;
    }
    b->cancel_due[part] = false;
    /* Refused: it is final already, and that news is on its way. */
    venue_cancel(b->venue, b->orders[part], b->now_ns, &refusal);
}

static void submit(struct backtest *b, int part)
{
    const struct part *p = runner_part(b->runner, part);
    struct order_request q;
    order_request_init(&q);
    struct order *order, snapshot;
    struct refusal refusal;
    if (p->state != PART_NEW)
        return;
    memcpy(q.symbol, runner_symbol_name(b->runner, p->symbol), SYMBOL_SIZE);
    q.has_qty = true;
    q.qty_micros = p->qty * QTY_SCALE;
    q.side = p->side;
    q.type = p->type;
    q.time_in_force = p->tif;
    q.limit.price = p->limit;
    if (p->type == ORDER_LIMIT)
        price_format(p->limit, q.limit.text);
    if (!venue_submit(b->venue, b->account, &q, b->now_ns, &order, &snapshot, &refusal)) {
        runner_reply(b->runner, part, router_verdict(refusal.status, refusal.message), refusal.message, -1);
        return;
    }
    if ((size_t)order->index >= b->parts_size) {
        b->parts_size = b->parts_size ? 2 * b->parts_size : 256;
        b->parts = must_realloc(b->parts, b->parts_size, sizeof *b->parts);
    }
    b->parts[order->index] = part;
    b->orders[part] = order;
    runner_update(b->runner, part, &(struct runner_update){
        .status = snapshot.status, .fill_price = PRICE_NONE, .average = PRICE_NONE,
        .time_ns = snapshot.updated_ns, .reason = "" });
    if (b->cancel_due[part])
        cancel(b, part);
}

static void send_later(struct backtest *b, int part)
{
    if (b->sends_count == b->sends_size) {
        b->sends_size = b->sends_size ? 2 * b->sends_size : 64;
        b->sends = must_realloc(b->sends, b->sends_size, sizeof *b->sends);
    }
    b->sends[b->sends_count++] = part;
}

static void take_action(struct backtest *b, const struct action *a)
{
    struct backtest_result *result = &b->results[a->instance];
    const char *colon;
    switch (a->kind) {
    case ACTION_ORDER:
        by_part_grow(b, a->part);
        if (runner_part(b->runner, a->part)->tries == 1) {
            result->orders++;
            b->orders[a->part] = NULL; /* numbers are used again */
            b->cancel_due[a->part] = false;
        }
        send_later(b, a->part);
        break;
    case ACTION_CANCEL:
        cancel(b, a->part);
        break;
    case ACTION_DECISION:
        result->decisions++;
        if (b->options.on_decision)
            b->options.on_decision(b->options.ctx, &(struct backtest_decision){
                .instance = a->instance, .symbol = a->symbol >= 0 ? runner_symbol_name(b->runner, a->symbol) : NULL,
                .sequence = result->decisions, .time_ns = a->time_ns, .text = a->text });
        break;
    case ACTION_END:
        b->ended++;
        colon = strchr(a->text, ':');
        snprintf(result->status, sizeof result->status, "%.*s", (int)(colon ? colon - a->text : 0), a->text);
        snprintf(result->reason, sizeof result->reason, "%s", colon ? colon + 2 : "");
        break;
    case ACTION_FILL:
    case ACTION_CORRECT:
    case ACTION_FEE:
    case ACTION_FINAL:
    case ACTION_LOG:
    case ACTION_DUTY:
    case ACTION_SESSION:
        break; /* the books have it */
    }
}

/* Everything the core wants, one order after the other, until it wants nothing more. */
static void turn(struct backtest *b)
{
    for (size_t count;;) {
        const struct action *actions = runner_actions(b->runner, &count);
        for (size_t i = 0; i < count; i++)
            take_action(b, &actions[i]);
        runner_actions_clear(b->runner);
        if (b->sends_first == b->sends_count)
            break;
        submit(b, b->sends[b->sends_first++]);
    }
    b->sends_first = b->sends_count = 0;
}

/* ---- equity, at the end of each instant of a regular session */

static void take_equity(struct backtest *b)
{
    bool any = false;
    for (int i = 0; i < b->instances; i++) {
        struct instance_view v;
        if (!b->holds[i] && !b->touched[i])
            continue;
        runner_view(b->runner, i, &v);
        if (v.equity_micros > b->peaks[i])
            b->peaks[i] = v.equity_micros;
        if (b->peaks[i] - v.equity_micros > b->results[i].drawdown_micros)
            b->results[i].drawdown_micros = b->peaks[i] - v.equity_micros;
        if (b->touched[i]) {
            b->touched[i] = b->holds[i] = false;
            for (int64_t k = 0; k < v.config->symbols.count; k++)
                b->holds[i] = b->holds[i] || runner_book(b->runner, i, (int)k)->qty != 0;
        }
        any = any || b->holds[i];
    }
    b->any_holds = any;
}

/* ---- instants */

static void run_instant(struct backtest *b, int64_t time_ns, bool from_feed)
{
    struct instant in = { .time_ns = time_ns };
    const struct session *s = runner_session(b->runner);
    bool regular = time_ns >= s->open_ns && time_ns <= s->close_ns; /* before the tick makes the next one present */
    size_t count;

    if (from_feed)
        feed_take(b->feed, &in);
    b->now_ns = time_ns;
    venue_instant(b->venue, &in);
    for (size_t i = 0; i < in.quotes_count; i++)
        if (b->symbols[in.quotes[i].symbol] >= 0)
            runner_quote(b->runner, b->symbols[in.quotes[i].symbol], &in.quotes[i].quote);
    for (size_t i = 0; i < in.ended_count; i++)
        if (b->symbols[in.ended[i].symbol] >= 0) {
            runner_bar(b->runner, b->symbols[in.ended[i].symbol], &in.ended[i].bar);
            b->bars++;
        }
    do { /* a tick, and another while the market has news of this instant */
        runner_clock(b->runner, time_ns);
        take_news(b);
        runner_time(b->runner, time_ns);
        runner_actions(b->runner, &count);
        if (count)
            turn(b);
    } while (b->news_count > 0);
    if (regular && b->any_holds)
        take_equity(b);
}

void backtest_run(struct backtest *b)
{
    int64_t feed_ns = feed_next_ns(b->feed), at = b->options.from_ns;
    for (;;) {
        run_instant(b, at, feed_ns <= at);
        feed_ns = feed_next_ns(b->feed);
        if (feed_ns == INT64_MAX || feed_ns > b->options.until_ns || b->ended == b->instances)
            break;
        int64_t venue_ns = venue_next_ns(b->venue), runner_ns = runner_next_ns(b->runner);
        at = feed_ns;
        if (venue_ns < at && venue_ns > b->now_ns)
            at = venue_ns;
        if (runner_ns < at && runner_ns > b->now_ns)
            at = runner_ns;
    }
    for (int i = 0; i < b->instances; i++) {
        struct instance_view v;
        runner_view(b->runner, i, &v);
        bool over = v.config->days == 0 || runner_is_flat(b->runner, i);
        runner_end(b->runner, i, over ? "finished" : "failed", "the market is at its end");
    }
    turn(b);
}

/* ---- life */

/* What a start at from_ns knows of the time before it, as the live engine asks for it. */
static void prime(struct backtest *b, const struct session *session)
{
    enum { MOST = 2000 };
    struct session before;
    if (!calendar_previous(session, &before))
        return;
    int64_t now = b->options.from_ns, from = now > session->open_ns ? session->open_ns : before.close_ns - 15 * MINUTE_NS;
    struct bar *bars = must_alloc(MOST, sizeof *bars);
    for (size_t i = 0; i < feed_symbols_count(b->feed); i++) {
        struct bar last = { .close = PRICE_NONE };
        struct symbol_quote quote = { .symbol = (int)i };
        feed_last_bar(b->feed, (int)i, now, &last);
        venue_prime(b->venue, (int)i, feed_reference(b->feed, (int)i, now), last.close,
                    feed_close_before(b->feed, (int)i, calendar_date(now)));
        if (feed_last_quote(b->feed, (int)i, now - 1, &quote.quote))
            venue_prime_quote(b->venue, &quote);
        if (b->symbols[i] < 0)
            continue;
        struct price first = PRICE_NONE, newest = PRICE_NONE, previous = PRICE_NONE;
        int64_t seen = 0;
        size_t count = feed_bars(b->feed, (int)i, from, now, bars, MOST);
        for (size_t k = 0; k < count && bars[k].open_time_ns + MINUTE_NS <= now; k++) {
            if (bars[k].open_time_ns < before.close_ns && bars[k].open_time_ns >= before.open_ns)
                previous = bars[k].close;
            if (bars[k].open_time_ns >= session->open_ns && !price_is_set(first))
                first = bars[k].open;
            newest = bars[k].close;
            seen = bars[k].open_time_ns + MINUTE_NS;
        }
        if (price_is_set(newest))
            runner_prime(b->runner, b->symbols[i], newest, first, previous, seen);
    }
    free(bars);
}

/* A symbol the market does not have would wait for ever. */
static bool has_symbols(const struct instance_list *list, const struct feed *feed, struct err *err)
{
    for (size_t i = 0; i < list->count; i++)
        for (int64_t k = 0; k < list->items[i].symbols.count; k++) {
            bool found = false;
            for (size_t s = 0; s < feed_symbols_count(feed) && !found; s++)
                found = strcmp(feed_symbols(feed)[s], list->items[i].symbols.names[k]) == 0;
            if (!found)
                return err_set(err, ERR_INPUT, "%s: symbols: the market has no %s", list->items[i].path,
                               list->items[i].symbols.names[k]);
        }
    return true;
}

struct backtest *backtest_new(const struct instance_list *list, struct feed *feed, const struct backtest_options *options,
                              struct err *err)
{
    static const uint64_t bits[2] = { 1, 2 };
    struct session session;
    size_t feed_symbols_number = feed_symbols_count(feed);

    struct backtest *b = must_alloc(1, sizeof *b);
    b->options = *options;
    b->feed = feed;
    b->now_ns = options->from_ns;
    b->instances = (int)list->count;
    b->results = must_alloc(list->count + 1, sizeof *b->results);
    b->peaks = must_alloc(list->count + 1, sizeof *b->peaks);
    b->holds = must_alloc(list->count + 1, sizeof *b->holds);
    b->touched = must_alloc(list->count + 1, sizeof *b->touched);
    b->symbols = must_alloc(feed_symbols_number + 1, sizeof *b->symbols);
    b->runner = runner_new(options->from_ns, options->ends_ns);
    if (!b->runner || !calendar_session_at(options->from_ns, &session)) {
        err_set(err, ERR_INPUT, "the start is outside the calendar");
        goto failed;
    }
    if (!has_symbols(list, feed, err))
        goto failed;
    for (size_t i = 0; i < list->count; i++) {
        b->peaks[i] = list->items[i].capital;
        if (runner_add(b->runner, &list->items[i], err) < 0) {
            err_prefix(err, "%s", list->items[i].path);
            goto failed;
        }
    }
    for (size_t i = 0; i < feed_symbols_number; i++)
        b->symbols[i] = runner_symbol(b->runner, feed_symbols(feed)[i]);
    b->venue = venue_new(&(struct venue_options){ .cash_micros = options->cash_micros, .fee_micros = options->fee_micros,
                                                  .slippage_micros = options->slippage_micros, .sink = on_trade,
                                                  .ctx = b },
                         feed_symbols(feed), feed_symbols_number);
    prime(b, &session);
    b->account = venue_account_open(b->venue, "backtest", "backtest", bits, options->from_ns);
    feed_seek(feed, options->from_ns);
    runner_start(b->runner);
    return b;
failed:
    backtest_free(b);
    return NULL;
}

void backtest_free(struct backtest *b)
{
    if (!b)
        return;
    runner_free(b->runner);
    venue_free(b->venue);
    free(b->symbols);
    free(b->parts);
    free(b->orders);
    free(b->cancel_due);
    free(b->news);
    free(b->sends);
    free(b->results);
    free(b->peaks);
    free(b->holds);
    free(b->touched);
    free(b);
}

/* ---- looking */

const struct backtest_result *backtest_result(const struct backtest *b, int instance)
{
    return &b->results[instance];
}

const struct runner *backtest_runner(const struct backtest *b)
{
    return b->runner;
}

int64_t backtest_bars(const struct backtest *b)
{
    return b->bars;
}

int64_t backtest_now_ns(const struct backtest *b)
{
    return b->now_ns;
}

struct price backtest_mark(const struct backtest *b, const char *symbol)
{
    int i = venue_symbol(b->venue, symbol);
    return i < 0 ? PRICE_NONE : venue_last(b->venue, i);
}

bool backtest_is_consistent(const struct backtest *b)
{
    for (size_t i = 0; i < feed_symbols_count(b->feed); i++)
        if (b->symbols[i] >= 0 && runner_net(b->runner, b->symbols[i]) * QTY_SCALE != b->account->holdings[i].position.qty)
            return false;
    return venue_is_consistent(b->venue);
}
