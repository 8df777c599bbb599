/* legs.c - bracket, oco and oto: what members of a group do to each other.
 *
 *   bracket   entry; take profit and stop loss are held until it is filled whole
 *   oto       the same with one of them
 *   oco       the order itself is the take profit, its leg the stop loss
 *
 * Of take profit and stop loss the first works at the market, the other stays held and is watched: only one of them
 * keeps shares. Whatever ends one ends the other. */
#include "exchange/venue_core.h"

bool core_is_held(const struct order *o)
{
    return o->status == ORDER_HELD || (o->status == ORDER_PENDING_CANCEL && o->status_before == ORDER_HELD);
}

bool core_is_group(const struct order *o)
{
    return o->order_class != CLASS_SIMPLE;
}

static struct order *sibling(const struct order *leg)
{
    struct order *p = leg->parent;
    if (p->order_class == CLASS_OCO)
        return p;
    return p->legs[0] == leg ? p->legs[1] : p->legs[0];
}

static struct order *place_leg(struct venue *v, struct order *parent, enum side side, enum order_type type, struct price limit,
                               struct price stop)
{
    *core_draft(v) = (struct order){
        .account = parent->account, .symbol = parent->symbol, .side = side, .type = type,
        .time_in_force = parent->time_in_force, .order_class = parent->order_class, .status = ORDER_HELD,
        .qty = parent->qty, .limit = limit, .stop = stop, .trail_price = PRICE_NONE, .hwm = PRICE_NONE, .cap = PRICE_NONE,
        .submitted_ns = v->now_ns, .expires_ns = parent->expires_ns, .date = parent->date,
        .parent = parent,
    };
    struct order *o = core_new_order(v, "");
    core_move(v, o, QUEUE_HELD);
    return o;
}

void core_place_legs(struct venue *v, struct order *parent, const struct order_request *q)
{
    enum side out = parent->order_class == CLASS_OCO ? parent->side : side_opposite(parent->side);
    int n = 0;
    if (q->has_take_profit && parent->order_class != CLASS_OCO)
        parent->legs[n++] = place_leg(v, parent, out, ORDER_LIMIT, q->take_profit_limit.price, PRICE_NONE);
    if (q->has_stop_loss)
        parent->legs[n++] = place_leg(v, parent, out, price_is_set(q->stop_loss_limit.price) ? ORDER_STOP_LIMIT : ORDER_STOP,
                                      q->stop_loss_limit.price, q->stop_loss_stop.price);
}

/* A held stop is watched from now on. */
static void watch(struct venue *v, struct order *leg)
{
    leg->working_ns = v->now_ns;
    core_move(v, leg, QUEUE_WATCHED);
}

void core_hold_legs(struct venue *v, struct order *o)
{
    for (int i = 0; i < 2 && o->legs[i]; i++) {
        if (o->legs[i]->updated_ns == 0)
            core_emit(v, o->legs[i], TRADE_HELD, NULL);
        if (o->order_class == CLASS_OCO && o->working_ns && o->legs[i]->queue == QUEUE_HELD)
            watch(v, o->legs[i]);
    }
}

/* No longer held. */
static void begin(struct venue *v, struct order *leg)
{
    leg->working_ns = v->now_ns;
    account_keep(leg, order_left(leg));
    if (leg->status == ORDER_PENDING_CANCEL) {
        leg->status_before = ORDER_NEW;
        return;
    }
    leg->status = ORDER_NEW;
    core_emit(v, leg, TRADE_NEW, NULL);
}

/* The one that works at the market. */
static void activate(struct venue *v, struct order *leg)
{
    begin(v, leg);
    core_move(v, leg, QUEUE_NONE);
    core_come_in(v, leg);
}

static void cancel(struct venue *v, struct order *o)
{
    if (o && order_is_open(o))
        core_finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
}

static void shrink(struct venue *v, struct order *leg, int64_t left)
{
    if (!leg || !order_is_open(leg) || order_left(leg) == left || left <= 0)
        return;
    leg->qty = leg->filled_qty + left;
    account_keep(leg, leg->kept_qty < left ? leg->kept_qty : left);
    core_emit(v, leg, TRADE_RESTATED, NULL);
}

void core_take_over(struct venue *v, struct order *o)
{
    struct order *other = sibling(o);
    int64_t left = other ? order_left(other) : 0;
    cancel(v, other);
    if (other && left > 0 && left < order_left(o))
        o->qty = o->filled_qty + left;
    begin(v, o);
}

static void react_to_parent(struct venue *v, struct order *o)
{
    bool is_oco = o->order_class == CLASS_OCO;
    if (o->status == ORDER_FILLED && !is_oco) {
        if (o->legs[1] && o->legs[1]->queue == QUEUE_HELD)
            watch(v, o->legs[1]);
        if (o->legs[0]->queue == QUEUE_HELD) /* its executions may have been noted one by one */
            activate(v, o->legs[0]);
    } else if (!order_is_open(o)) {
        for (int i = 0; i < 2; i++)
            if (o->legs[i] && !o->legs[i]->is_elected) /* one that is has taken over */
                cancel(v, o->legs[i]);
    } else if (is_oco) {
        shrink(v, o->legs[0], order_left(o));
    }
}

void core_react(struct venue *v, struct order *o)
{
    if (o->status == ORDER_REPLACED)
        return;
    if (!o->parent) {
        react_to_parent(v, o);
        return;
    }
    struct order *other = sibling(o);
    if (order_is_open(o)) {
        if (other && core_is_held(other))
            shrink(v, other, order_left(o));
        return;
    }
    if (other && other->is_elected)
        return; /* it has taken over */
    cancel(v, other);
    cancel(v, o->parent); /* the entry, when it had not filled */
}
