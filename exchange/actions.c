/* actions.c - splits and cash dividends, before the session of their date: positions, open orders, prices known. */
#include <stdlib.h>

#include "exchange/venue_core.h"

void venue_set_actions(struct venue *v, const struct corporate_action *actions, size_t count)
{
    v->actions = must_realloc(v->actions, count ? count : 1, sizeof *v->actions);
    for (size_t i = 0; i < count; i++)
        v->actions[i] = actions[i];
    v->actions_count = count;
    v->actions_done = 0;
    if (v->now_ns != INT64_MIN)
        core_skip_actions(v);
}

void core_skip_actions(struct venue *v)
{
    bool began = v->phase == PHASE_PRE || v->phase == PHASE_REGULAR;
    while (v->actions_done < v->actions_count && v->actions[v->actions_done].date < v->session.date + began)
        v->actions_done++;
}

static void record(struct venue *v, struct account *a, const struct corporate_action *c, enum activity_kind kind, int64_t qty,
                   int64_t net_micros)
{
    struct activity *x = must_alloc(1, sizeof *x);
    *x = (struct activity){
        .kind = kind, .account = a, .time_ns = v->now_ns, .date = v->session.date, .symbol = c->symbol, .qty = qty,
        .per_share = c->dividend, .net_micros = net_micros, .index = (int64_t)a->activities_count,
    };
    a->activities = must_realloc(a->activities, a->activities_count + 1, sizeof *a->activities);
    a->activities[a->activities_count++] = x;
}

static int64_t times(int64_t n, int64_t to, int64_t from)
{
    return (int64_t)((__int128)n * to / from);
}

static void scale(struct price *p, const struct corporate_action *c)
{
    if (price_is_set(*p) && c->split_to)
        p->micros = times(p->micros, c->split_from, c->split_to);
}

static void act_on_position(struct venue *v, struct account *a, const struct corporate_action *c)
{
    struct holding *h = &a->holdings[c->symbol];
    int64_t before = h->position.qty;
    if (before == 0)
        return;
    if (price_is_set(c->dividend)) {
        __int128 net = value_micros(c->dividend, before), cash = a->cash_micros + net;
        if (cash == (int64_t)cash) {
            a->cash_micros = (int64_t)cash;
            record(v, a, c, ACTIVITY_DIVIDEND, before, (int64_t)net);
        }
    }
    if (c->split_to) {
        int64_t after = times(before, c->split_to, c->split_from);
        if (after == 0) /* a sliver of a micro-share: kept whole */
            after = before > 0 ? 1 : -1;
        h->position.qty = after;
        record(v, a, c, ACTIVITY_SPLIT, after - before, 0);
    }
}

/* A price an order was given; a dividend comes off buyers' limits and sellers' stops, which would else be reached by it
 * alone. */
static void act_on_price(struct price *p, enum side side, const struct corporate_action *c, bool takes_dividend)
{
    if (!price_is_set(*p))
        return;
    scale(p, c);
    if (takes_dividend && price_is_set(c->dividend) && p->micros > c->dividend.micros)
        p->micros -= c->dividend.micros;
    *p = ladder_passive(*p, side);
}

static void act_on_order(struct venue *v, struct order *o, const struct corporate_action *c)
{
    bool buys = o->side == SIDE_BUY;
    int64_t kept = o->kept_qty, unit = o->qty % QTY_SCALE ? 1 : QTY_SCALE;
    account_keep(o, 0);
    act_on_price(&o->limit, o->side, c, buys);
    act_on_price(&o->stop, side_opposite(o->side), c, !buys);
    scale(&o->trail_price, c);
    scale(&o->hwm, c);
    scale(&o->reserve, c);
    if (c->split_to) {
        o->filled_qty = times(o->filled_qty, c->split_to, c->split_from);
        o->qty = times(o->qty, c->split_to, c->split_from) / unit * unit;
        kept = times(kept, c->split_to, c->split_from) / unit * unit;
    }
    o->is_restated = true;
    if (o->notional_micros == 0 && order_left(o) <= 0) { /* nothing whole is left of it */
        core_finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
        return;
    }
    account_keep(o, kept);
    core_emit(v, o, TRADE_RESTATED, NULL);
}

static void act(struct venue *v, const struct corporate_action *c)
{
    struct market *m = &v->markets[c->symbol];
    for (size_t i = 0; i < v->accounts_count; i++) {
        struct account *a = v->accounts[i];
        act_on_position(v, a, c);
        for (struct order *o = a->open_first, *next; o; o = next) {
            next = o->open_next;
            if (o->symbol == c->symbol)
                act_on_order(v, o, c);
        }
    }
    if (c->split_to) {
        scale(&m->reference, c);
        scale(&m->previous_close, c);
        scale(&m->regular_close, c);
        scale(&m->start_open, c);
        scale(&m->quote.bid, c);
        scale(&m->quote.ask, c);
        scale(&m->last_trade, c);
        scale(&v->lasts[c->symbol], c);
    }
}

void core_act(struct venue *v)
{
    while (v->actions_done < v->actions_count && v->actions[v->actions_done].date <= v->session.date)
        act(v, &v->actions[v->actions_done++]);
}
