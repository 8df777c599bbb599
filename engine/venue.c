/* venue.c - orders to the broker, and what it says about them.
 *
 * A POST whose outcome is unknown is looked up by its client_order_id, with patience; only when the broker has said
 * three times that it does not know it is it sent again, once, with the same id, which it takes at most once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"

#define LOOKUP_PAUSE_NS (2 * SECOND_NS)
#define LOOKUP_PAUSE_LOCKSTEP_NS (SECOND_NS / 4) /* the market waits, and its broker is on this machine */
#define CANCEL_PAUSE_NS SECOND_NS
enum { MISSES_MAX = 3, FEE_MISSES_MAX = 10 };

struct call { /* one REST call about a part */
    struct engine *engine;
    int part;
    int32_t date;
    int64_t sequence;
};

struct part_extra *venue_extra(struct engine *e, int part)
{
    if (part >= e->extra_count) {
        int grown = part < 64 ? 64 : 2 * part;
        e->extra = must_realloc(e->extra, (size_t)grown, sizeof *e->extra);
        memset(e->extra + e->extra_count, 0, (size_t)(grown - e->extra_count) * sizeof *e->extra);
        e->extra_count = grown;
    }
    struct part_extra *x = &e->extra[part];
    const struct part *p = runner_part(e->runner, part);
    if (x->sequence != p->sequence || x->date != p->date)
        *x = (struct part_extra){ .sequence = p->sequence, .date = p->date, .mono_ns = clock_mono_ns() };
    return x;
}

static struct call *call_new(struct engine *e, int part)
{
    struct call *c = must_alloc(1, sizeof *c);
    const struct part *p = runner_part(e->runner, part);
    *c = (struct call){ .engine = e, .part = part, .date = p->date, .sequence = p->sequence };
    e->calls++;
    return c;
}

/* The part a finished call was about, or NULL when it has been forgotten meanwhile. Frees the call. */
static struct part_extra *call_end(struct call *c, struct engine **e, int *part)
{
    *e = c->engine;
    *part = c->part;
    c->engine->calls--;
    struct part_extra *x = NULL;
    char id[CLIENT_ORDER_ID_SIZE];
    for (size_t i = 0, count; !x && i < (runner_open_parts(c->engine->runner, &count), count); i++)
        if (runner_open_parts(c->engine->runner, &count)[i] == c->part) {
            runner_client_order_id(c->engine->runner, c->part, id);
            x = venue_extra(c->engine, c->part);
            if (x->date != c->date || x->sequence != c->sequence)
                x = NULL;
            break;
        }
    free(c);
    return x;
}

/* Is the part this call was about still there, open or not? */
static bool part_is(const struct engine *e, const struct call *c)
{
    return runner_is_part(e->runner, c->part) && runner_part(e->runner, c->part)->date == c->date &&
           runner_part(e->runner, c->part)->sequence == c->sequence;
}

/* An order nobody knows the fate of, or a cancel that did not arrive: between two tries no call is under way, and yet
 * lockstep's clock must not go on without them. */
static bool is_in_doubt(const struct engine *e)
{
    size_t count;
    const int *open = runner_open_parts(e->runner, &count);
    for (size_t i = 0; e->lockstep && i < count; i++) {
        const struct part_extra *x = open[i] < e->extra_count ? &e->extra[open[i]] : NULL;
        const struct part *p = runner_part(e->runner, open[i]);
        if (x && x->date == p->date && x->sequence == p->sequence &&
            ((p->state == PART_NEW && x->ask_at) || (p->state == PART_WORKING && x->cancel_due && x->cancel_at)))
            return true;
    }
    return false;
}

bool venue_is_busy(const struct engine *e)
{
    return e->calls > 0 || e->committing || e->sends_count > 0 || is_in_doubt(e);
}

/* ---- what the broker says */

void venue_update(struct engine *e, int part, const struct alpaca_order *o, const struct alpaca_trade_update *u)
{
    bool fill = u && alpaca_event_is_fill(u->event);
    struct runner_update news = {
        .broker_id = o->id, .status = o->status, .filled_qty = o->filled_qty == INT64_MIN ? 0 : o->filled_qty,
        .fill_qty = fill && u->qty != INT64_MIN ? u->qty : 0, .fill_price = fill ? u->price : PRICE_NONE,
        .fee_micros = fill ? u->fee : 0, .average = o->filled_avg_price, .reason = "",
        .time_ns = u && u->timestamp ? u->timestamp : o->updated_at,
    };
    char reason[64];
    if (order_status_is_final(o->status) && o->status != ORDER_FILLED) {
        snprintf(reason, sizeof reason, "the broker says %s", order_status_names[o->status]);
        news.reason = reason;
    }
    venue_extra(e, part)->mono_ns = clock_mono_ns();
    e->news++;
    if (!runner_update(e->runner, part, &news))
        log_error("order_news_refused", KV_TEXT("client_order_id", o->client_order_id), KV_INT("filled_qty", o->filled_qty),
                  KV_INT("qty", runner_part(e->runner, part)->qty));
    if (runner_part(e->runner, part)->fee_due)
        venue_fees(e, part);
}

void venue_correct(struct engine *e, int part, const struct alpaca_trade_update *u)
{
    const struct alpaca_order *o = &u->order;
    int64_t filled = o->filled_qty == INT64_MIN ? 0 : o->filled_qty;
    e->news++;
    e->compare_at = 1; /* whatever it was: do the books agree with the broker? */
    e->compare_due = true;
    if (part < 0 || !runner_correct(e->runner, part, filled, o->filled_avg_price, u->timestamp))
        log_error("correction_refused", KV_TEXT("client_order_id", o->client_order_id), KV_TEXT("symbol", o->symbol),
                  KV_INT("filled_qty", filled), KV_TEXT("reason", part < 0 ? "no order known now" : "it cannot be"));
}

/* ---- fees of executions the stream did not tell */

static void fees_answered(void *ctx, const struct alpaca_reply *reply)
{
    struct call *c = ctx;
    struct engine *e = c->engine;
    int64_t fees = 0, qty = 0;
    size_t i;
    json_t *item;
    e->calls--;
    if (!part_is(e, c)) {
        free(c);
        return; /* forgotten long since */
    }
    const struct part *p = runner_part(e->runner, c->part);
    struct part_extra *x = venue_extra(e, c->part);
    x->asking_fees = false;
    json_array_foreach(reply->status == 200 ? reply->body : NULL, i, item) {
        struct alpaca_activity a;
        struct err err;
        if (alpaca_activity_decode(item, &a, &err) && strcmp(a.order_id, p->broker_id) == 0) {
            fees += a.fee;
            qty += a.qty;
        }
    }
    if (qty == p->filled)
        runner_fee(e->runner, c->part, fees);
    else if (++x->fee_misses < FEE_MISSES_MAX)
        x->fees_at = clock_mono_ns() + LOOKUP_PAUSE_NS;
    else
        log_error("fees_unknown", KV_TEXT("order_id", p->broker_id), KV_INT("filled_qty", p->filled), KV_INT("told_qty", qty));
    free(c);
    engine_turn(e);
}

void venue_fees(struct engine *e, int part)
{
    const struct part *p = runner_part(e->runner, part);
    struct part_extra *x = venue_extra(e, part);
    char path[UUID_SIZE + 80];
    if (x->asking_fees || !p->broker_id[0])
        return;
    x->asking_fees = true;
    x->fees_at = 0;
    snprintf(path, sizeof path, "/v2/account/activities/FILL?direction=desc&page_size=100&order_id=%s", p->broker_id);
    alpaca_rest_call(e->rest, "GET", path, NULL, fees_answered, call_new(e, part));
}

static bool take_order(struct engine *e, int part, const json_t *body)
{
    struct alpaca_order o;
    struct err err;
    char id[CLIENT_ORDER_ID_SIZE];
    alpaca_order_init(&o);
    if (!body || !alpaca_order_decode(body, &o, &err))
        return false;
    runner_client_order_id(e->runner, part, id);
    if (strcmp(id, o.client_order_id) != 0)
        return false;
    venue_update(e, part, &o, NULL);
    return true;
}

/* ---- POST */

static void look_up_soon(const struct engine *e, struct part_extra *x)
{
    x->ask_at = clock_mono_ns() + (e->lockstep ? LOOKUP_PAUSE_LOCKSTEP_NS : LOOKUP_PAUSE_NS);
}

static void sent(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e;
    int part;
    struct part_extra *x = call_end(ctx, &e, &part);
    if (x) {
        enum route route = router_verdict(reply->status, reply->message);
        char id[CLIENT_ORDER_ID_SIZE];
        runner_client_order_id(e->runner, part, id);
        x->sending = false;
        histogram_add(&e->order_took, clock_mono_ns() - x->sent_ns);
        e->orders_refused += route != ROUTE_ACCEPTED;
        if (route != ROUTE_ACCEPTED)
            log_warn("order_not_accepted", KV_TEXT("client_order_id", id), KV_INT("status", reply->status),
                     KV_TEXT("message", reply->status ? reply->message : reply->text), KV_TEXT("request_id", reply->request_id));
        if (route == ROUTE_LOOKUP || (route == ROUTE_ACCEPTED && !take_order(e, part, reply->body))) {
            x->misses = 0;
            venue_look_up(e, part);
        } else {
            if (route == ROUTE_ACCEPTED)
                log_info("order_accepted", KV_TEXT("client_order_id", id), KV_TEXT("order_id", runner_part(e->runner, part)->broker_id),
                         KV_TEXT("request_id", reply->request_id));
            runner_reply(e->runner, part, route, reply->message[0] ? reply->message : reply->text,
                         reply->retry_after_ms > 0 ? reply->retry_after_ms * 1000000 : -1);
        }
    }
    engine_turn(e);
}

void venue_send(struct engine *e, int part)
{
    const struct part *p = runner_part(e->runner, part);
    char id[CLIENT_ORDER_ID_SIZE], limit[PRICE_TEXT_MAX], body[512], limit_member[64] = "";
    runner_client_order_id(e->runner, part, id);
    if (p->type == ORDER_LIMIT) {
        price_format(p->limit, limit);
        snprintf(limit_member, sizeof limit_member, ",\"limit_price\":\"%s\"", limit);
    }
    snprintf(body, sizeof body,
             "{\"symbol\":\"%s\",\"qty\":\"%" PRId64 "\",\"side\":\"%s\",\"type\":\"%s\",\"time_in_force\":\"%s\"%s,"
             "\"client_order_id\":\"%s\"}",
             runner_symbol_name(e->runner, p->symbol), p->qty, side_names[p->side], order_type_names[p->type],
             time_in_force_names[p->tif], limit_member, id);
    venue_extra(e, part)->sending = true;
    venue_extra(e, part)->sent_ns = clock_mono_ns();
    e->orders_sent++;
    e->news++;
    log_info("order_sent", KV_TEXT("client_order_id", id), KV_TEXT("symbol", runner_symbol_name(e->runner, p->symbol)),
             KV_TEXT("side", side_names[p->side]), KV_INT("qty", p->qty), KV_TEXT("type", order_type_names[p->type]),
             KV_TEXT("tif", time_in_force_names[p->tif]), KV_TEXT("reason", p->reason));
    alpaca_rest_call(e->rest, "POST", "/v2/orders", body, sent, call_new(e, part));
}

/* ---- lookups */

static void looked_up(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e;
    int part;
    struct part_extra *x = call_end(ctx, &e, &part);
    if (x) {
        x->asking = false;
        if (reply->status == 200 && take_order(e, part, reply->body)) {
            x->misses = 0;
        } else if (reply->status == 404 && runner_part(e->runner, part)->state == PART_NEW) {
            if (++x->misses < MISSES_MAX) {
                look_up_soon(e, x);
            } else if (!x->resent && !e->stopping) {
                x->resent = true;
                venue_send(e, part); /* the broker never got it; the same id cannot make a second order */
            } else {
                runner_reply(e->runner, part, ROUTE_REJECTED, "it never reached the broker", -1);
            }
        } else if (reply->status == 404) {
            log_error("order_vanished", KV_INT("sequence", x->sequence), KV_INT("date", x->date));
            if (++x->misses < MISSES_MAX) {
                look_up_soon(e, x);
            } else { /* once it was there; what is not there cannot fill */
                struct runner_update gone = { .status = ORDER_CANCELED, .reason = "the broker does not know it any more",
                                              .filled_qty = runner_part(e->runner, part)->filled,
                                              .fill_price = PRICE_NONE, .average = PRICE_NONE };
                runner_update(e->runner, part, &gone);
            }
        } else {
            look_up_soon(e, x);
        }
    }
    engine_turn(e);
}

void venue_look_up(struct engine *e, int part)
{
    struct part_extra *x = venue_extra(e, part);
    char id[CLIENT_ORDER_ID_SIZE], path[CLIENT_ORDER_ID_SIZE + 64];
    if (x->asking || x->sending)
        return;
    x->asking = true;
    x->ask_at = 0;
    runner_client_order_id(e->runner, part, id);
    snprintf(path, sizeof path, "/v2/orders:by_client_order_id?client_order_id=%s", id);
    alpaca_rest_call(e->rest, "GET", path, NULL, looked_up, call_new(e, part));
}

void venue_look_up_open(struct engine *e)
{
    size_t count;
    runner_open_parts(e->runner, &count);
    for (size_t i = 0; i < count; i++) {
        int part = runner_open_parts(e->runner, &count)[i];
        enum part_state state = runner_part(e->runner, part)->state;
        if (state == PART_WORKING || (state == PART_NEW && !venue_extra(e, part)->sending))
            venue_look_up(e, part);
    }
}

/* ---- cancels */

static void canceled(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e;
    int part;
    struct part_extra *x = call_end(ctx, &e, &part);
    if (x) {
        x->canceling = false;
        if (reply->status == 204 || reply->status == 200)
            x->cancel_due = false; /* a request: the outcome comes by the stream, or is looked up */
        if (reply->status == 404 || reply->status == 422) {
            x->cancel_due = false;
            venue_look_up(e, part);
        }
        if (x->cancel_due)
            x->cancel_at = clock_mono_ns() + CANCEL_PAUSE_NS;
    }
    engine_turn(e);
}

void venue_cancel(struct engine *e, int part)
{
    struct part_extra *x = venue_extra(e, part);
    const struct part *p = runner_part(e->runner, part);
    char path[UUID_SIZE + 32];
    x->cancel_due = true;
    x->cancel_at = 0;
    if (!p->broker_id[0] || p->state != PART_WORKING || x->canceling)
        return; /* its POST is under way: when the answer is there (venue_poll) */
    x->canceling = true;
    snprintf(path, sizeof path, "/v2/orders/%s", p->broker_id);
    alpaca_rest_call(e->rest, "DELETE", path, NULL, canceled, call_new(e, part));
}

/* Cancels that wait for their order's answer, lookups whose pause is over, orders nobody has heard of for a while. */
void venue_poll(struct engine *e)
{
    int64_t now = clock_mono_ns();
    size_t count;
    for (int part = 0; part < e->extra_count; part++) /* of orders that ended too */
        if (e->extra[part].fees_at && e->extra[part].fees_at <= now && runner_is_part(e->runner, part))
            venue_fees(e, part);
    runner_open_parts(e->runner, &count);
    for (size_t i = 0; i < count; i++) {
        int part = runner_open_parts(e->runner, &count)[i];
        const struct part *p = runner_part(e->runner, part);
        struct part_extra *x = venue_extra(e, part);
        if (x->cancel_due && !x->canceling && p->state == PART_WORKING && p->broker_id[0] && x->cancel_at <= now)
            venue_cancel(e, part);
        if (x->ask_at && x->ask_at <= now)
            venue_look_up(e, part);
        /* 2 s without news where news is due, or 30 s: look. In lockstep the market stands still
         * meanwhile, but not for one that stops: it has to hear of its exits though the streamer is gone. */
        bool due = p->tif == TIF_DAY && p->type == ORDER_MARKET && runner_now_ns(e->runner) >= runner_session(e->runner)->open_ns;
        if ((!e->lockstep || e->stopping) && p->state == PART_WORKING && !x->asking &&
            now - x->mono_ns > (!e->trades_up || p->cancel_wanted || (due && p->filled < p->qty) ? 2 * SECOND_NS : 30 * SECOND_NS)) {
            x->mono_ns = now;
            venue_look_up(e, part);
        }
    }
}

/* ---- the books and the broker */

static bool positions_read(struct engine *e, const json_t *body, int64_t *held)
{
    size_t i;
    json_t *item;
    memset(held, 0, (size_t)runner_symbols_count(e->runner) * sizeof *held);
    if (!json_is_array(body))
        return false;
    json_array_foreach(body, i, item) {
        struct alpaca_position p;
        struct err err;
        if (!alpaca_position_decode(item, &p, &err)) {
            log_warn("position_unreadable", KV_TEXT("reason", err.text));
            return false;
        }
        int symbol = runner_symbol(e->runner, p.symbol);
        if (symbol >= 0)
            held[symbol] = p.is_short && p.qty > 0 ? -p.qty : p.qty;
    }
    return true;
}

bool venue_moves(const struct engine *e, int symbol)
{
    size_t count;
    const int *open = runner_open_parts(e->runner, &count);
    for (size_t i = 0; i < count; i++)
        if (runner_part(e->runner, open[i])->symbol == symbol)
            return true;
    return false;
}

/* Somebody else who trades against our position takes our shares, for the account is one: that is no position of his, and
 * nothing we may close once more. */
bool venue_foreign(struct engine *e, int symbol, int64_t held)
{
    int64_t ours = runner_net(e->runner, symbol), foreign = held - ours;
    bool gone = ours != 0 && foreign != 0 && (ours > 0) != (foreign > 0);
    runner_foreign(e->runner, symbol, foreign);
    if (gone) {
        runner_broker_holds(e->runner, symbol, held);
        log_error("shares_gone", KV_TEXT("symbol", runner_symbol_name(e->runner, symbol)), KV_INT("broker_qty", held),
                  KV_INT("books_qty", ours));
    } else {
        runner_broker_agrees(e->runner, symbol);
        if (foreign != 0)
            log_warn("foreign_position", KV_TEXT("symbol", runner_symbol_name(e->runner, symbol)), KV_INT("qty", foreign));
    }
    return gone;
}

static void compared(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e = ctx;
    int symbols = runner_symbols_count(e->runner);
    int64_t *held = must_alloc((size_t)symbols + 1, sizeof *held);
    e->calls--;
    e->comparing = false;
    e->compare_at = clock_mono_ns() + 60 * SECOND_NS;
    if (reply->status == 200 && positions_read(e, reply->body, held)) {
        for (int s = 0; s < symbols; s++) {
            int64_t ours = runner_net(e->runner, s), foreign = runner_foreign_qty(e->runner, s);
            if (venue_moves(e, s) || e->news != e->news_compared) {
                e->compare_again = e->compare_again || e->foreign_moved[s]; /* news may be on its way: next time */
            } else if (held[s] == ours + foreign) {
                if (e->differs[s] && !e->gone[s])
                    log_info("books_agree_again", KV_TEXT("symbol", runner_symbol_name(e->runner, s)));
                e->foreign_moved[s] = false;
                e->differs[s] = e->gone[s];
            } else if (e->foreign_moved[s]) {
                e->foreign_moved[s] = false;
                e->gone[s] = e->differs[s] = venue_foreign(e, s, held[s]);
            } else {
                if (!e->differs[s])
                    log_error("books_differ", KV_TEXT("symbol", runner_symbol_name(e->runner, s)),
                              KV_INT("broker_qty", held[s]), KV_INT("books_qty", ours), KV_INT("foreign_qty", foreign));
                e->differs[s] = true;
                e->compare_at = clock_mono_ns() + 5 * SECOND_NS;
            }
        }
        if (e->compare_again)
            e->compare_at = clock_mono_ns() + 5 * SECOND_NS;
        engine_refreeze(e);
    } else {
        e->compare_at = clock_mono_ns() + 5 * SECOND_NS;
    }
    free(held);
    engine_turn(e);
}

void venue_compare(struct engine *e)
{
    if (e->comparing)
        return;
    e->comparing = true;
    e->compare_again = false;
    e->news_compared = e->news;
    e->calls++;
    alpaca_rest_call(e->rest, "GET", "/v2/positions", NULL, compared, e);
}

static void account_told(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e = ctx;
    struct alpaca_account account = { 0 };
    struct err err;
    e->calls--;
    if (reply->status == 200 && alpaca_account_decode(reply->body, &account, &err) &&
        strcmp(account.account_number, e->account) != 0 && !e->over) {
        log_error("account_changed", KV_TEXT("was", e->account), KV_TEXT("is", account.account_number));
        snprintf(e->stop_reason, sizeof e->stop_reason, "the broker's account is another one now: %s", account.account_number);
        engine_over(e, 1); /* nothing of what the books say is there; the next start begins with the new one */
    }
    engine_turn(e);
}

void venue_same_account(struct engine *e)
{
    e->calls++;
    alpaca_rest_call(e->rest, "GET", "/v2/account", NULL, account_told, e);
}

/* ---- for flatten: first our open orders, then positions */

static void asked_positions(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e = ctx;
    int symbols = runner_symbols_count(e->runner);
    int64_t *held = must_alloc((size_t)symbols + 1, sizeof *held);
    e->calls--;
    e->broker_answered = true;
    e->broker_known = e->broker_known && reply->status == 200 && positions_read(e, reply->body, held);
    e->broker_shares = 0;
    for (int s = 0; s < symbols && e->broker_known; s++) {
        int64_t ours = runner_net(e->runner, s), there = held[s] - runner_foreign_qty(e->runner, s);
        if (e->gone[s]) /* what is left of ours */
            there = ours > 0 ? (held[s] < 0 ? 0 : held[s] < ours ? held[s] : ours)
                             : (held[s] > 0 ? 0 : held[s] > ours ? held[s] : ours);
        e->broker_shares += llabs(there);
        runner_broker_holds(e->runner, s, there);
    }
    if (!e->broker_known)
        e->ask_again_at = clock_mono_ns() + SECOND_NS;
    free(held);
    engine_turn(e);
}

static void dropped(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e = ctx;
    (void)reply; /* asked again by the next round */
    e->calls--;
    engine_turn(e);
}

static void asked_orders(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e = ctx;
    size_t i;
    json_t *item;
    e->calls--;
    e->broker_orders = 0;
    e->broker_known = reply->status == 200 && json_is_array(reply->body);
    json_array_foreach(e->broker_known ? reply->body : NULL, i, item) {
        struct alpaca_order o;
        struct client_order_id id;
        struct err err;
        char path[UUID_SIZE + 32];
        alpaca_order_init(&o);
        if (!alpaca_order_decode(item, &o, &err) || !client_order_id_parse(o.client_order_id, &id) ||
            runner_instance(e->runner, id.instance) < 0)
            continue;
        int part = runner_find(e->runner, o.client_order_id);
        if (part >= 0)
            venue_update(e, part, &o, NULL);
        e->broker_orders++;
        if (part < 0) { /* ours, but not in the books: out of the way */
            snprintf(path, sizeof path, "/v2/orders/%s", o.id);
            e->calls++;
            alpaca_rest_call(e->rest, "DELETE", path, NULL, dropped, e);
        }
    }
    e->calls++;
    alpaca_rest_call(e->rest, "GET", "/v2/positions", NULL, asked_positions, e);
}

void venue_ask(struct engine *e)
{
    e->broker_answered = e->broker_known = false;
    e->calls++;
    alpaca_rest_call(e->rest, "GET", "/v2/orders?status=open&limit=500", NULL, asked_orders, e);
}

/* ---- what is left, for whoever reads stdout */

void venue_residue(struct engine *e)
{
    json_t *positions = json_array(), *orders = json_array();
    size_t count;
    for (int i = 0; i < runner_instances_count(e->runner); i++) {
        struct instance_view v;
        runner_view(e->runner, i, &v);
        for (int64_t k = 0; k < v.config->symbols.count; k++) {
            int64_t qty = runner_book(e->runner, i, (int)k)->qty;
            if (qty != 0)
                json_array_append_new(positions, json_pack("{s:s, s:s, s:o}", "strategy", v.config->name, "symbol",
                                                           v.config->symbols.names[k], "quantity",
                                                           json_sprintf("%" PRId64, qty)));
        }
    }
    const int *open = runner_open_parts(e->runner, &count);
    for (size_t i = 0; i < count; i++) {
        const struct part *p = runner_part(e->runner, open[i]);
        char id[CLIENT_ORDER_ID_SIZE];
        runner_client_order_id(e->runner, open[i], id);
        json_array_append_new(orders, json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "client_order_id", id, "symbol",
                                                runner_symbol_name(e->runner, p->symbol), "side", side_names[p->side],
                                                "quantity", json_sprintf("%" PRId64, p->qty - p->filled), "time_in_force",
                                                time_in_force_names[p->tif], "status", order_status_names[p->status]));
    }
    json_t *all = json_pack("{s:b, s:o, s:o, s:o, s:s}", "flat", 0, "positions", positions, "orders", orders,
                            "broker_shares", e->broker_known ? json_integer(e->broker_shares) : json_null(), "reason",
                            e->exit_code == 4 ? "the market is closed: exits are queued for the next open" : e->stop_reason);
    char *text = json_dumps(all, JSON_COMPACT);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(all);
}
