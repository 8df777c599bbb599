/* start.c - from settings to a running engine.
 *
 * Clock, account, journal, instances, calendar, then what the broker knows: orders of ours, positions, the bars a
 * start in mid-session has missed. Only then the streams. Until here one call follows the other: nothing else runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"
#include "http/server.h"

struct answer {
    uv_loop_t *loop;
    bool done;
    long status;
    json_t *body;    /* owned */
    char text[300];
};

static void answered(void *ctx, const struct alpaca_reply *reply)
{
    struct answer *a = ctx;
    a->done = true;
    uv_stop(a->loop);
    a->status = reply->status;
    a->body = reply->body ? json_incref(reply->body) : NULL;
    snprintf(a->text, sizeof a->text, "%s", reply->message[0] ? reply->message : reply->text ? reply->text : "");
}

/* GET, and wait for it. false: err. *body is the caller's. */
static bool get(struct engine *e, struct alpaca_rest *rest, const char *path, json_t **body, struct err *err)
{
    for (int attempt = 0;; attempt++) {
        struct answer a = { .loop = &e->loop };
        alpaca_rest_call(rest, "GET", path, NULL, answered, &a);
        while (!a.done)
            uv_run(&e->loop, UV_RUN_DEFAULT); /* RUN_ONCE would go on to wait after a timer brought the answer */
        *body = a.body;
        if (a.status == 200 && a.body)
            return true;
        json_decref(a.body);
        *body = NULL;
        if (a.status == 401)
            return err_set(err, ERR_INPUT, "%s does not know the key in %s", e->settings.rest_url, e->settings.key_file);
        if (attempt == 2 || (a.status >= 400 && a.status < 500 && a.status != 429))
            return err_set(err, ERR_IO, "%s%s: %s%s", e->settings.rest_url, path, a.status ? "" : "no answer: ",
                           a.text[0] ? a.text : "an answer that is not JSON");
        uv_sleep(a.status == 429 ? 2000 : 300);
    }
}

/* ---- clock, account, calendar */

static bool read_clock(struct engine *e, int64_t *now_ns, struct err *err)
{
    json_t *body;
    struct alpaca_clock clock;
    if (!get(e, e->rest, "/v2/clock", &body, err))
        return false;
    memset(&clock, 0, sizeof clock);
    bool ok = alpaca_clock_decode(body, &clock, err);
    json_decref(body);
    if (!ok)
        return err_prefix(err, "/v2/clock");
    e->ticks = clock.is_replay;
    e->lockstep = clock.is_replay && clock.speed == 0;
    e->ends_ns = clock.ends_at;
    *now_ns = clock.is_replay ? clock.timestamp : clock_utc_ns();
    if (!clock.is_replay && llabs(clock.timestamp - clock_utc_ns()) > 5 * SECOND_NS)
        log_warn("clocks_differ", KV_INT("broker_ahead_ms", (clock.timestamp - clock_utc_ns()) / 1000000));
    return true;
}

static bool read_account(struct engine *e, struct err *err)
{
    json_t *body;
    struct alpaca_account account;
    if (!get(e, e->rest, "/v2/account", &body, err))
        return false;
    memset(&account, 0, sizeof account);
    bool ok = alpaca_account_decode(body, &account, err);
    json_decref(body);
    if (!ok)
        return err_prefix(err, "/v2/account");
    if (account.trading_blocked || account.account_blocked || account.trade_suspended_by_user)
        return err_set(err, ERR_CONFLICT, "the account %s is blocked from trading", account.account_number);
    for (const char *c = account.account_number; *c; c++)
        if (*c == '/' || *c == '.')
            return err_set(err, ERR_INPUT, "the account number \"%s\" cannot name a folder", account.account_number);
    text_copy(e->account, sizeof e->account, account.account_number);
    int64_t sum = 0;
    for (size_t i = 0; i < e->list.count; i++)
        if (__builtin_add_overflow(sum, e->list.items[i].capital, &sum))
            sum = INT64_MAX;
    if (sum > account.equity)
        log_warn("capital_above_equity", KV_MONEY("capital", sum), KV_MONEY("equity", account.equity));
    return true;
}

static bool same_time(const json_t *day, const char *key, int64_t time_ns)
{
    const char *text = json_string_value(json_object_get(day, key));
    int hour, minute;
    return text && sscanf(text, "%d:%d", &hour, &minute) == 2 &&
           (hour * 60 + minute) * 60 == calendar_second_of_day(time_ns);
}

/* The days ahead as the broker sees them. A difference means that one of us would trade at the wrong time. */
static void check_calendar(struct engine *e, int64_t now_ns)
{
    enum { DAYS_AHEAD = 30 };
    char path[128], from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE], text[DATE_TEXT_SIZE];
    struct err err;
    json_t *body;
    int32_t date = calendar_date(now_ns), end = calendar_add_days(date, DAYS_AHEAD);
    calendar_date_format(date, from);
    calendar_date_format(end, to);
    snprintf(path, sizeof path, "/v2/calendar?start=%s&end=%s", from, to);
    if (!get(e, e->rest, path, &body, &err)) {
        log_error("calendar_unknown", KV_TEXT("reason", err.text));
        e->calendar_wrong = true;
        return;
    }
    for (size_t i = 0; date <= end; date = calendar_add_days(date, 1)) {
        struct session s;
        const json_t *day = json_array_get(body, i);
        calendar_date_format(date, text);
        const char *theirs = json_string_value(json_object_get(day, "date"));
        bool open_there = theirs && strcmp(theirs, text) == 0, open_here = calendar_session(date, &s);
        if (open_there != open_here ||
            (open_here && (!same_time(day, "open", s.open_ns) || !same_time(day, "close", s.close_ns)))) {
            log_error("calendars_differ", KV_TEXT("date", text));
            e->calendar_wrong = true;
        }
        i += open_there;
    }
    json_decref(body);
}

/* ---- instances */

/* Stands for an instance whose file is gone: it only knows how to be closed. */
static void nothing(void *state, const struct strategy_host *host)
{
    (void)state;
    (void)host;
}
static const struct strategy_plugin orphan = {
    .abi = STRATEGY_ABI, .size = sizeof(struct strategy_plugin), .name = "gone", .summary = "Its file is gone.",
    .state_size = 1, .on_session_open = nothing,
};

static struct instance_config *item_add(struct engine *e)
{
    e->list.items = must_realloc(e->list.items, e->list.count + 1, sizeof *e->list.items);
    return memset(&e->list.items[e->list.count++], 0, sizeof *e->list.items);
}

static void orphan_add(struct engine *e, const char *name, const struct symbol_list *symbols)
{
    struct instance_config *c = item_add(e);
    text_copy(c->name, sizeof c->name, name);
    text_copy(c->hash, sizeof c->hash, "gone");
    c->strategy = &orphan;
    c->params = must_alloc(1, orphan.state_size);
    c->symbols = *symbols;
    c->capital = USD;
    c->quantity = c->days = 1;
    c->risk.orders_per_minute = 1;
}

/* A file with mistakes does not end a run that is under way: it goes on by the text on record. With --flatten, one
 * without such a text counts as gone. */
static bool take_records(struct engine *e)
{
    bool ok = e->list.count > 0 || e->settings.flatten;
    for (size_t i = 0; i < e->list.count; i++) {
        struct instance_config *c = &e->list.items[i], recorded;
        const struct ledger_run *run = ledger_run(e->ledger, c->name);
        const char *text = run && !run->ended ? ledger_config(e->ledger, c->name) : NULL;
        struct complaints complaints = { 0 };
        if (!c->is_wrong)
            continue;
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->name, e->list.items[k].name) == 0) /* a second file */
                text = NULL;
        if (text)
            instance_read_record(text, c->path, c->name, e->settings.plugins, &recorded, &complaints);
        if (text && !recorded.is_wrong) {
            log_error("file_has_mistakes", KV_TEXT("strategy", c->name), KV_TEXT("instead", "the configuration on record"));
            instance_clear(c);
            *c = recorded;
        } else if (e->settings.flatten) {
            instance_clear(c);
            *c = e->list.items[--e->list.count];
            i--;
        } else {
            ok = false;
        }
    }
    return ok;
}

/* What the journal holds for instances that have no file: closed by --flatten, otherwise a reason not to start. */
static bool find_orphans(struct engine *e, struct err *err)
{
    char name[INSTANCE_SIZE];
    for (size_t n = 0; ledger_unsettled(e->ledger, n, name); n++) {
        struct symbol_list symbols;
        bool known = false;
        for (size_t i = 0; i < e->list.count; i++)
            known = known || strcmp(e->list.items[i].name, name) == 0;
        if (known)
            continue;
        if (!e->settings.flatten)
            return err_set(err, ERR_CONFLICT,
                           "%s still has shares or open orders, but no file in %s: put its file back, or run with --flatten",
                           name, e->settings.strategies);
        ledger_symbols(e->ledger, name, &symbols);
        orphan_add(e, name, &symbols);
    }
    return true;
}

static bool add_instances(struct engine *e, int64_t now_ns, struct err *err)
{
    bool ok = true;
    e->runner = runner_new(now_ns, e->ends_ns);
    if (!e->runner)
        return err_set(err, ERR_INPUT, "the market's time is outside the calendar");
    for (size_t i = 0; i < e->list.count; i++) {
        struct err why;
        if (runner_add(e->runner, &e->list.items[i], &why) < 0) {
            fprintf(stderr, "%s: %s\n", e->list.items[i].path, why.text);
            ok = false;
        }
    }
    return ok || err_set(err, ERR_INPUT, "not every instance can be started");
}

/* Was the file edited while nobody ran it, in nothing but what may change while it runs? */
static bool only_hot(const struct engine *e, const struct instance_config *is, char *cold, char *hot, size_t size)
{
    const char *text = ledger_config(e->ledger, is->name);
    struct complaints complaints = { 0 };
    struct instance_config was = { 0 };
    if (text)
        instance_read_record(text, is->path, is->name, e->settings.plugins, &was, &complaints);
    bool known = text && !was.is_wrong;
    if (known)
        instance_difference(&was, is, cold, hot, size);
    instance_clear(&was);
    return known && !cold[0];
}

/* A run that is over is not begun anew while another's is under way: after a crash each has the sessions left to it. */
static bool begins_anew(const struct engine *e)
{
    bool under_way = false;
    for (size_t i = 0; i < e->list.count; i++) {
        const struct ledger_run *run = ledger_run(e->ledger, e->list.items[i].name);
        under_way = under_way || (run && !run->ended);
    }
    return e->settings.again && !under_way;
}

static bool holds_something(const struct engine *e, const char *instance)
{
    char name[INSTANCE_SIZE];
    for (size_t n = 0; ledger_unsettled(e->ledger, n, name); n++)
        if (strcmp(name, instance) == 0)
            return true;
    return false;
}

static void begin_runs(struct engine *e, int64_t now_ns)
{
    bool anew = begins_anew(e);
    for (size_t i = 0; i < e->list.count; i++) {
        const struct instance_config *c = &e->list.items[i];
        const struct ledger_run *old = ledger_run(e->ledger, c->name);
        struct ledger_run *run = &e->runs[i];
        char cold[300] = "", hot[300] = "", reason[400];
        bool same = old && !old->ended && strcmp(old->config_hash, c->hash) == 0;
        bool resume = same || (old && !old->ended && c->strategy != &orphan && only_hot(e, c, cold, hot, sizeof cold));
        const char *hash = c->plugin ? c->plugin->hash : "";
        if (old && old->ended && !anew && strcmp(old->config_hash, c->hash) == 0 && !holds_something(e, c->name)) {
            *run = *old;
            e->ended_ns[i] = old->started_ns;
            ledger_restore(e->ledger, e->runner, (int)i, hash, false);
            runner_rest(e->runner, (int)i);
            log_info("run_rests", KV_TEXT("strategy", c->name), KV_TEXT("run_id", run->run_id), KV_TEXT("reason", "its sessions are over"));
            continue;
        }
        if (old && !old->ended && !resume && c->strategy != &orphan) {
            struct ledger_run ended = *old;
            ended.version++;
            snprintf(reason, sizeof reason, "its configuration was changed%s%s", cold[0] ? ": " : "", cold);
            report_run(&e->report, c, &ended, "stopped", now_ns, reason);
        }
        if (resume)
            *run = *old;
        else {
            memset(run, 0, sizeof *run);
            uuid_v4(run->run_id);
            text_copy(run->instance, sizeof run->instance, c->name);
            run->started_ns = now_ns;
        }
        text_copy(run->config_hash, sizeof run->config_hash, c->hash);
        text_copy(run->plugin_hash, sizeof run->plugin_hash, hash);
        run->version++;
        run->starts++;
        e->decisions[i] = (run->starts - 1) * 1000000; /* a restart must not use a number again */
        e->edits[i].told_ns = now_ns + run->starts * (SECOND_NS / 1000); /* nor a time: the market may have stood still */
        ledger_restore(e->ledger, e->runner, (int)i, hash, resume);
        if (resume && !same) {
            runner_change(e->runner, (int)i, c);
            run->changed_ns = e->edits[i].told_ns;
        }
        ledger_put_run(e->ledger, run, c->text);
        snprintf(reason, sizeof reason, "taken up again after a restart%s%s", hot[0] ? "; edited: " : "", hot);
        if (c->strategy != &orphan)
            report_run(&e->report, c, run, "running", 0, resume ? reason : NULL);
        log_info("run_started", KV_TEXT("strategy", c->name), KV_TEXT("plugin", c->strategy->name), KV_TEXT("run_id", run->run_id),
                 KV_INT("resumed", resume), KV_INT("days", c->days));
    }
}

/* ---- what the broker knows */

/* An order of ours the journal does not know: the journal is gone or older. Its fills come at their average. */
static int adopt_order(struct engine *e, int instance, const struct client_order_id *id, const struct alpaca_order *o)
{
    int symbol = runner_symbol(e->runner, o->symbol);
    if (symbol < 0 || o->qty <= 0)
        return -1;
    struct part p = {
        .instance = instance, .symbol = symbol, .date = id->date, .sequence = id->sequence,
        .intent_id = (int64_t)id->date * 1000000 + id->sequence, .intent_qty = o->qty, .side = o->side, .type = o->type,
        .tif = o->time_in_force, .limit = o->limit_price, .qty = o->qty, .created_ns = o->submitted_at, .tries = 1 };
    text_copy(p.broker_id, sizeof p.broker_id, o->id);
    struct instance_view v;
    runner_view(e->runner, instance, &v);
    bool traded = false;
    for (int64_t i = 0; i < v.config->symbols.count; i++)
        traded = traded || strcmp(v.config->symbols.names[i], o->symbol) == 0;
    if (!traded)
        return -1;
    int part = runner_restore_part(e->runner, &p);
    ledger_put_intent(e->ledger, id->instance, o->symbol, &p);
    log_debug("order_adopted", KV_TEXT("client_order_id", o->client_order_id), KV_TEXT("status", order_status_names[o->status]),
             KV_INT("filled_qty", o->filled_qty));
    if (o->filled_qty > 0 && price_is_set(o->filled_avg_price)) {
        runner_restore_fill(e->runner, part, o->filled_qty, o->filled_avg_price);
        ledger_put_fill(e->ledger, id->instance, &p, o->filled_qty, o->filled_avg_price);
        if (e->ticks) /* our exchange: it may take fees */
            venue_fees(e, part);
    }
    if (order_status_is_final(o->status)) {
        runner_restore_final(e->runner, part, o->status);
        ledger_put_final(e->ledger, id->instance, &p, o->status);
    }
    return part;
}

/* Newest first from the broker; taken oldest first. */
static bool read_orders(struct engine *e, bool all, struct err *err)
{
    enum { PAGE = 500, PAGES_MAX = 40 };
    json_t *orders = json_array();
    char until[64] = "", last[UUID_SIZE] = "";
    bool ok = false;
    for (int page = 0; page < PAGES_MAX; page++) {
        char path[256];
        json_t *body;
        snprintf(path, sizeof path, "/v2/orders?status=all&limit=%d&direction=desc%s%s", PAGE, until[0] ? "&until=" : "", until);
        if (!get(e, e->rest, path, &body, err))
            goto done;
        size_t size = json_array_size(body);
        for (size_t i = 0; i < size; i++)
            json_array_append(orders, json_array_get(body, i));
        const json_t *oldest = json_array_get(body, size - 1);
        const char *at = json_string_value(json_object_get(oldest, "submitted_at"));
        const char *id = json_string_value(json_object_get(oldest, "id"));
        bool more = size == PAGE && all && at && id && strcmp(id, last) != 0;
        if (more) {
            snprintf(until, sizeof until, "%s", at);
            snprintf(last, sizeof last, "%s", id);
        }
        json_decref(body);
        if (!more)
            break;
    }
    ok = true;
    size_t adopted = 0;
    for (size_t i = json_array_size(orders); i-- > 0;) {
        struct alpaca_order o;
        struct client_order_id id;
        struct err why;
        alpaca_order_init(&o);
        if (!alpaca_order_decode(json_array_get(orders, i), &o, &why)) {
            log_warn("order_unreadable", KV_TEXT("reason", why.text));
            continue;
        }
        if (!client_order_id_parse(o.client_order_id, &id))
            continue;
        int instance = runner_instance(e->runner, id.instance);
        if (instance < 0) {
            if (!order_status_is_final(o.status))
                log_warn("order_of_an_unknown_instance", KV_TEXT("client_order_id", o.client_order_id));
            continue;
        }
        runner_restore_sequence(e->runner, instance, id.date, id.sequence);
        if (all && runner_find(e->runner, o.client_order_id) < 0)
            adopted += adopt_order(e, instance, &id, &o) >= 0;
    }
    if (adopted)
        log_warn("orders_adopted", KV_INT("count", adopted), KV_TEXT("reason", "the journal does not know them"));
done:
    json_decref(orders);
    return ok;
}

/* Starts the core, then asks for what the journal left open, one by one: strategies hear of it. What they order at the
 * start is not among it; it leaves by the journal, as always. */
static bool start_and_settle(struct engine *e, struct err *err)
{
    size_t count;
    const int *open = runner_open_parts(e->runner, &count);
    int *parts = must_alloc(count + 1, sizeof *parts);
    if (count)
        memcpy(parts, open, count * sizeof *parts);
    bool ok = true;
    runner_start(e->runner);
    for (size_t i = 0; i < count && ok; i++) {
        if (runner_part(e->runner, parts[i])->state == PART_FINAL)
            continue;
        char id[CLIENT_ORDER_ID_SIZE], path[CLIENT_ORDER_ID_SIZE + 64];
        struct alpaca_order o;
        struct answer a = { .loop = &e->loop };
        runner_client_order_id(e->runner, parts[i], id);
        snprintf(path, sizeof path, "/v2/orders:by_client_order_id?client_order_id=%s", id);
        for (int attempt = 0; attempt < 3 && a.status != 200 && a.status != 404; attempt++) {
            json_decref(a.body);
            a = (struct answer){ .loop = &e->loop };
            if (attempt)
                uv_sleep(1000);
            alpaca_rest_call(e->rest, "GET", path, NULL, answered, &a);
            while (!a.done)
                uv_run(&e->loop, UV_RUN_DEFAULT);
        }
        alpaca_order_init(&o);
        if (a.status == 200 && a.body && alpaca_order_decode(a.body, &o, err)) {
            venue_update(e, parts[i], &o, NULL);
        } else if (a.status == 404 && !e->stopping && !e->settings.flatten &&
                   runner_now_ns(e->runner) - runner_part(e->runner, parts[i])->created_ns < MINUTE_NS) {
            venue_send(e, parts[i]); /* it is on record, not stale, and its id makes it one order however often it is sent */
        } else if (a.status == 404) {
            log_warn("order_never_left", KV_TEXT("client_order_id", id));
            runner_reply(e->runner, parts[i], ROUTE_REJECTED, "the engine was stopped before it left", -1);
        } else {
            ok = err_set(err, ERR_IO, "%s: %s", path, a.text);
        }
        json_decref(a.body);
    }
    free(parts);
    return ok;
}

/* What the account holds beyond the books is somebody else's: seen, told, left alone. */
static bool read_positions(struct engine *e, struct err *err)
{
    json_t *body, *item;
    size_t i;
    if (!get(e, e->rest, "/v2/positions", &body, err))
        return false;
    for (int s = 0; s < runner_symbols_count(e->runner); s++) {
        int64_t held = 0;
        json_array_foreach(body, i, item) {
            struct alpaca_position p;
            memset(&p, 0, sizeof p);
            if (!alpaca_position_decode(item, &p, err)) {
                json_decref(body);
                return err_prefix(err, "/v2/positions");
            }
            if (strcmp(p.symbol, runner_symbol_name(e->runner, s)) == 0)
                held = p.is_short && p.qty > 0 ? -p.qty : p.qty;
        }
        if (venue_moves(e, s)) /* what is whose shows when its orders are done: compared then */
            e->foreign_moved[s] = e->compare_due = true;
        else
            e->gone[s] = e->differs[s] = venue_foreign(e, s, held);
    }
    json_decref(body);
    return true;
}

struct past { /* a bar of today */
    int symbol;
    struct bar bar;
};

static int by_time(const void *a, const void *b)
{
    const struct past *x = a, *y = b;
    if (x->bar.open_time_ns != y->bar.open_time_ns)
        return x->bar.open_time_ns < y->bar.open_time_ns ? -1 : 1;
    return (x->symbol > y->symbol) - (x->symbol < y->symbol);
}

/* Yesterday's close, and what of today is over already. Without it a start goes on all the same. */
static void read_bars(struct engine *e, int64_t now_ns)
{
    char path[1024], from[TIME_TEXT_SIZE], to[TIME_TEXT_SIZE];
    struct session session, before;
    struct past *today = NULL;
    size_t n, today_count = 0;
    if (!calendar_session_at(now_ns, &session) || !calendar_previous(&session, &before))
        return;
    bool open = now_ns > session.open_ns;
    time_format(open ? session.open_ns : before.close_ns - 15 * MINUTE_NS, from);
    time_format(now_ns, to);
    for (int s = 0; s < runner_symbols_count(e->runner); s++) {
        const char *name = runner_symbol_name(e->runner, s);
        struct price first = PRICE_NONE, last = PRICE_NONE, previous = PRICE_NONE;
        int64_t seen = 0;
        struct err err;
        json_t *body, *item;
        n = (size_t)snprintf(path, sizeof path, "/v2/stocks/bars?symbols=%s&timeframe=1Min&start=%s&end=%s&limit=10000", name, from, to);
        if (n >= sizeof path || !get(e, e->bars ? e->bars : e->rest, path, &body, &err)) {
            log_warn("bars_unknown", KV_TEXT("symbol", name), KV_TEXT("reason", err.text));
            continue;
        }
        json_array_foreach(json_object_get(json_object_get(body, "bars"), name), n, item) {
            struct bar bar;
            memset(&bar, 0, sizeof bar);
            if (!alpaca_bar_decode(item, &bar, &err) || bar.open_time_ns + MINUTE_NS > now_ns)
                continue;
            if (bar.open_time_ns < before.close_ns && bar.open_time_ns >= before.open_ns)
                previous = bar.close;
            if (bar.open_time_ns >= session.open_ns && !price_is_set(first))
                first = bar.open;
            last = bar.close;
            seen = bar.open_time_ns + MINUTE_NS;
            if (bar.open_time_ns >= session.open_ns) {
                today = must_realloc(today, today_count + 1, sizeof *today);
                today[today_count++] = (struct past){ s, bar };
            }
        }
        if (price_is_set(last))
            runner_prime(e->runner, s, last, first, previous, seen);
        e->bar_end[s] = seen;
        json_decref(body);
    }
    if (today_count)
        qsort(today, today_count, sizeof *today, by_time);
    for (size_t i = 0; i < today_count; i++)
        runner_history(e->runner, today[i].symbol, &today[i].bar);
    free(today);
}

/* ---- all of it */

static void on_signal(uv_signal_t *signal, int number)
{
    struct engine *e = signal->data;
    engine_stop(e, number == SIGTERM ? "SIGTERM" : "interrupted");
    engine_turn(e);
}

int engine_start(struct engine *e)
{
    struct err err = { 0 };
    int64_t now_ns = 0;
    char folder[1024];
    int status = 1;

    static const int numbers[] = { SIGTERM, SIGINT };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uv_signal_init(&e->loop, &e->signals[i]);
        e->signals[i].data = e;
        uv_signal_start(&e->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&e->loop, &e->timer);
    e->timer.data = e;

    e->rest = alpaca_rest_new(&e->loop, &(struct alpaca_rest_options){
        .url = e->settings.rest_url, .key = e->key, .secret = e->secret });
    if (e->settings.bars_url[0])
        e->bars = alpaca_rest_new(&e->loop, &(struct alpaca_rest_options){
            .url = e->settings.bars_url, .key = e->key, .secret = e->secret });
    if (!read_clock(e, &now_ns, &err) || !read_account(e, &err))
        goto failed;

    snprintf(folder, sizeof folder, "%s/%s", e->settings.state, e->account);
    e->ledger = ledger_open(folder, &err);
    if (!e->ledger)
        goto failed;
    snprintf(folder, sizeof folder, "%s/outbox", e->settings.state);
    e->outbox = outbox_open(&e->loop, &(struct outbox_options){ .folder = folder, .api_url = e->settings.api_url }, &err);
    if (!e->outbox)
        goto failed;
    e->report = (struct report){ .outbox = e->outbox, .account = e->account,
                                 .mode = e->ticks ? "replay" : e->settings.live ? "live" : "paper" };
    if (e->complaints.count && !take_records(e)) {
        status = 2;
        goto failed;
    }
    if (!find_orphans(e, &err))
        goto failed;
    if (!add_instances(e, now_ns, &err)) {
        status = 2;
        goto failed;
    }
    size_t symbols = (size_t)runner_symbols_count(e->runner) + 1, instances = e->list.count + 1;
    e->runs = must_alloc(instances, sizeof *e->runs);
    e->decisions = must_alloc(instances, sizeof *e->decisions);
    e->edits = must_alloc(instances, sizeof *e->edits);
    e->touched = must_alloc(instances, sizeof *e->touched);
    e->ended_ns = must_alloc(instances, sizeof *e->ended_ns);
    e->bar_end = must_alloc(symbols, sizeof *e->bar_end);
    e->differs = must_alloc(symbols, sizeof *e->differs);
    e->foreign_moved = must_alloc(symbols, sizeof *e->foreign_moved);
    e->gone = must_alloc(symbols, sizeof *e->gone);

    check_calendar(e, now_ns);
    bool journal_gone = ledger_is_empty(e->ledger);
    begin_runs(e, now_ns);
    if (!read_orders(e, journal_gone, &err))
        goto failed;
    read_bars(e, now_ns);
    if (!start_and_settle(e, &err) || !read_positions(e, &err))
        goto failed;

    if (!status_start(e, &err))
        goto failed;
    e->started = e->data_lost = true; /* bars may have come since they were asked for */
    engine_refreeze(e);
    if (e->stopping || e->settings.flatten) {
        e->stopping = false;
        engine_stop(e, e->settings.flatten ? "--flatten" : "stopped while starting");
    }
    uv_timer_start(&e->timer, engine_timer, 50, 50);
    e->compare_at = clock_mono_ns() + 60 * SECOND_NS;
    edits_start(e);
    engine_streams_start(e);
    return 0;
failed:
    if (e->complaints.count && !e->started) {
        fputs(e->complaints.text, stderr);
        status = 2;
    }
    if (err.text[0])
        fprintf(stderr, "bell-engine: %s\n", err.text);
    return status;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    struct engine *e = arg;
    if (handle == (uv_handle_t *)&e->timer || handle == (uv_handle_t *)&e->signals[0] || handle == (uv_handle_t *)&e->signals[1])
        if (!uv_is_closing(handle))
            uv_close(handle, NULL);
}

void engine_clear(struct engine *e)
{
    alpaca_stream_free(e->data);
    alpaca_stream_free(e->trades);
    alpaca_rest_free(e->rest);
    alpaca_rest_free(e->bars);
    edits_stop(e);
    status_stop(e);
    outbox_close(e->outbox);
    ledger_close(e->ledger);
    uv_walk(&e->loop, close_handle, e);
    int64_t deadline = clock_mono_ns() + SECOND_NS; /* a connection that is still being made must not keep us */
    while (uv_run(&e->loop, UV_RUN_NOWAIT) != 0 && clock_mono_ns() < deadline)
        uv_sleep(1);
    http_server_free(e->server);
    runner_free(e->runner);
    instances_free(&e->list);
    free(e->runs);
    free(e->decisions);
    free(e->edits);
    free(e->touched);
    free(e->ended_ns);
    free(e->bar_end);
    free(e->differs);
    free(e->foreign_moved);
    free(e->gone);
    free(e->updates);
    missed_clear(e);
    free(e->sends);
    free(e->extra);
}
