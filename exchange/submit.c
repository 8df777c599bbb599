/* submit.c - what clients ask for: new orders, replacements, cancels. */
#include <string.h>

#include "exchange/venue_core.h"

void order_request_init(struct order_request *q)
{
    memset(q, 0, sizeof *q);
    q->limit.price = q->stop.price = q->trail_price = PRICE_NONE;
    q->take_profit_limit.price = q->stop_loss_stop.price = q->stop_loss_limit.price = PRICE_NONE;
}

void replace_request_init(struct replace_request *q)
{
    memset(q, 0, sizeof *q);
    q->limit.price = q->stop.price = PRICE_NONE;
}

/* ---- new orders */

static void draft(const struct venue *v, struct account *a, const struct order_request *q, struct order *out)
{
    *out = (struct order){
        .account = a,
        .symbol = venue_symbol(v, q->symbol),
        .side = q->side,
        .type = q->type,
        .time_in_force = q->time_in_force,
        .order_class = q->order_class,
        .extended_hours = q->extended_hours,
        .qty = q->has_qty ? q->qty_micros : 0,
        .notional_micros = q->has_notional ? q->notional_micros : 0,
        .limit = q->order_class == CLASS_OCO ? q->take_profit_limit.price : q->limit.price,
        .stop = q->stop.price,
        .trail_price = q->trail_price,
        .trail_percent = q->has_trail_percent ? q->trail_percent : 0,
        .hwm = PRICE_NONE,
        .cap = PRICE_NONE,
        .submitted_ns = v->now_ns,
        .updated_ns = v->now_ns,
    };
    struct price now = core_price(v, out->symbol);
    if (q->type == ORDER_TRAILING_STOP && price_is_set(now))
        core_trail(out, now);
    if (out->notional_micros && price_is_set(out->limit)) /* so many at the limit */
        out->qty = (int64_t)((__int128)out->notional_micros * QTY_SCALE / out->limit.micros);
}

/* What is kept for it: of a notional order about what it will be. */
static void keep(const struct venue *v, struct order *o)
{
    struct price now = core_price(v, o->symbol);
    int64_t qty = order_left(o);
    if (qty == 0 && o->opens)
        qty = o->reserve.micros > 0 ? (int64_t)((__int128)o->notional_micros * QTY_SCALE / o->reserve.micros) : 0;
    else if (qty == 0 && price_is_set(now))
        qty = (int64_t)((__int128)o->notional_micros * QTY_SCALE / now.micros);
    account_keep(o, qty);
}

static bool has_room(const struct venue *v, const struct order *o, struct refusal *r)
{
    const struct market *m = core_market(v, o);
    size_t waiting = (size_t)(o->type != ORDER_MARKET);
    return m->resting + waiting <= CORE_BOOK_ORDERS ? true : refuse(r, REFUSED_BOOK_FULL, m->name);
}

bool venue_submit(struct venue *v, struct account *a, const struct order_request *q, int64_t time_ns,
                  struct order **out, struct order *snapshot, struct refusal *r)
{
    core_come_to(v, time_ns);
    if (!rules_request(v, a, q, r))
        return false;
    struct order *o = core_draft(v);
    draft(v, a, q, o);
    if (!rules_window(v, o, r) || !rules_price("limit_price", &q->limit, r) || !rules_price("stop_price", &q->stop, r) ||
        !rules_price("take_profit.limit_price", &q->take_profit_limit, r) ||
        !rules_price("stop_loss.stop_price", &q->stop_loss_stop, r) ||
        !rules_price("stop_loss.limit_price", &q->stop_loss_limit, r) || !rules_trigger(v, o, r) || !rules_legs(v, o, q, r) ||
        !rules_means(v, o, q->position_intent, NULL, r) || !has_room(v, o, r))
        return false;

    bool is_open = core_is_active(v, o) && (o->extended_hours || o->date == v->session.date);
    o->status = is_open ? ORDER_PENDING_NEW : ORDER_ACCEPTED;
    core_new_order(v, q->client_order_id);
    *out = o;
    keep(v, o);
    if (o->order_class != CLASS_SIMPLE)
        core_place_legs(v, o, q);
    if (snapshot)
        *snapshot = *o;
    if (is_open) {
        core_start(v, o);
    } else {
        bool is_auction = o->time_in_force == TIF_OPG || o->time_in_force == TIF_CLS;
        core_move(v, o, is_auction ? QUEUE_AUCTION : QUEUE_WAITING);
        core_emit(v, o, TRADE_ACCEPTED, NULL);
        core_hold_legs(v, o);
    }
    core_settle(v);
    return true;
}

/* ---- replace */

static void change(const struct venue *v, struct order *o, const struct replace_request *q)
{
    if (q->has_qty)
        o->qty = q->qty_micros;
    if (price_is_set(q->limit.price))
        o->limit = q->limit.price;
    if (price_is_set(q->stop.price))
        o->stop = q->stop.price;
    if (q->has_trail) {
        if (o->trail_percent)
            o->trail_percent = q->trail;
        else
            o->trail_price.micros = q->trail;
        struct price best = o->hwm;
        o->hwm = PRICE_NONE;
        if (price_is_set(best))
            core_trail(o, best);
    }
    o->client_order_id = NULL;
    o->submitted_ns = o->updated_ns = v->now_ns;
    o->working_ns = o->ended_ns = o->cancel_requested_ns = 0;
    o->replaces = o->replaced_by = NULL;
    o->book_id = 0;
    o->queue = QUEUE_NONE;
    o->next = o->previous = o->open_next = o->open_previous = NULL;
    o->kept_qty = 0;
}

/* The group knows the new order in the place of the old. */
static void relink(struct order *old, struct order *o)
{
    for (int i = 0; i < 2; i++) {
        if (old->parent && old->parent->legs[i] == old)
            old->parent->legs[i] = o;
        if (o->legs[i])
            o->legs[i]->parent = o;
    }
}

bool venue_replace(struct venue *v, struct order *old, const struct replace_request *q, int64_t time_ns,
                   struct order **out, struct order *snapshot, struct refusal *r)
{
    core_come_to(v, time_ns);
    if (!rules_replace(v, old, q, r))
        return false;
    struct order *made = core_draft(v);
    *made = *old;
    change(v, made, q);
    bool is_leg_held = old->status == ORDER_HELD, keeps = old->kept_qty > 0;
    if (q->has_time_in_force && q->time_in_force != old->time_in_force) {
        made->time_in_force = q->time_in_force;
        if (!rules_window(v, made, r))
            return false;
    }
    if (price_is_set(q->stop.price) && !rules_trigger(v, made, r))
        return false;
    if (keeps && !rules_means(v, made, "", old, r))
        return false;

    enum queue queue = (enum queue)old->queue;
    old->status = ORDER_PENDING_REPLACE;
    core_emit(v, old, TRADE_PENDING_REPLACE, NULL);
    core_new_order(v, q->client_order_id);
    made->replaces = old;
    old->replaced_by = made;
    relink(old, made);
    account_keep(old, 0);
    if (keeps)
        account_keep(made, order_left(made));
    /* out of its queue, but not of the book: its place may be kept */
    bool rests = queue == QUEUE_BOOK;
    if (!rests)
        core_move(v, old, QUEUE_NONE);
    core_unopen(v, old);
    old->status = ORDER_REPLACED;
    old->ended_ns = v->now_ns;
    core_emit(v, old, TRADE_REPLACED, NULL);

    *out = made;
    made->status = ORDER_PENDING_NEW;
    if (is_leg_held)
        made->status = ORDER_HELD;
    if (snapshot)
        *snapshot = *made;
    if (is_leg_held) {
        made->working_ns = old->working_ns;
        core_emit(v, made, TRADE_HELD, NULL);
        core_move(v, made, queue);
    } else {
        core_emit(v, made, TRADE_PENDING_NEW, NULL);
        made->status = made->filled_qty ? ORDER_PARTIALLY_FILLED : ORDER_NEW;
        made->working_ns = v->now_ns;
        core_emit(v, made, TRADE_NEW, NULL);
        if (rests)
            core_replace_in_book(v, old, made);
        else if (queue == QUEUE_WAITING || queue == QUEUE_AUCTION || queue == QUEUE_HALTED)
            core_move(v, made, queue);
        else
            core_come_in(v, made);
    }
    core_settle(v);
    return true;
}

/* ---- cancel */

bool venue_cancel(struct venue *v, struct order *o, int64_t time_ns, struct refusal *r)
{
    core_come_to(v, time_ns);
    if (o->status == ORDER_CANCELED || o->status == ORDER_PENDING_CANCEL)
        return true;
    if (!order_is_open(o))
        return refuse(r, REFUSED_ORDER_FINAL, order_status_names[o->status]);
    o->cancel_requested_ns = v->now_ns;
    if (!v->sticks) {
        core_finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
        core_settle(v);
        return true;
    }
    o->status_before = o->status;
    o->status = ORDER_PENDING_CANCEL;
    core_emit(v, o, TRADE_PENDING_CANCEL, NULL);
    return true;
}

void venue_stick_cancels(struct venue *v, bool stick)
{
    v->sticks = stick;
}

void venue_release_cancels(struct venue *v, bool refuse_them, int64_t time_ns)
{
    core_come_to(v, time_ns);
    for (size_t i = 0; i < v->accounts_count; i++)
        for (struct order *o = v->accounts[i]->open_first, *next; o; o = next) {
            next = o->open_next;
            if (o->status != ORDER_PENDING_CANCEL)
                continue;
            if (!refuse_them) {
                core_finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
                continue;
            }
            o->status = o->status_before == ORDER_NEW && o->filled_qty ? ORDER_PARTIALLY_FILLED : o->status_before;
            core_emit(v, o, TRADE_CANCEL_REJECTED, NULL);
        }
    core_settle(v);
}
