/* book_model.h - exchange/book.h said again the slow and obvious way: a list of orders in order of arrival, looked
 * through from the start for everything. Orders are named by the caller's numbers. For tests and as the
 * floor of a bench. One thread. */
#ifndef TESTS_SUPPORT_BOOK_MODEL_H
#define TESTS_SUPPORT_BOOK_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "exchange/book.h"

struct model_order {
    uint64_t id;
    enum side side;
    uint32_t owner;
    int64_t left;
    int64_t price; /* micros */
};

struct book_model {
    struct model_order *orders; /* in order of arrival */
    size_t count, max;
    int64_t tick;
    enum book_self_trade self_trade;
    book_sink *sink;
    void *ctx;
};

static inline struct book_model *book_model_new(const struct book_options *options)
{
    struct book_model *m = calloc(1, sizeof *m);
    struct model_order *orders = calloc(options->orders_max, sizeof *orders);
    if (!m || !orders)
        abort();
    *m = (struct book_model){ .orders = orders, .max = options->orders_max, .tick = options->tick.micros,
                              .self_trade = options->self_trade, .sink = options->sink, .ctx = options->ctx };
    return m;
}

static inline void book_model_free(struct book_model *m)
{
    free(m->orders);
    free(m);
}

static inline struct model_order *model_find(struct book_model *m, uint64_t id)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->orders[i].id == id)
            return &m->orders[i];
    return NULL;
}

static inline void model_remove(struct book_model *m, struct model_order *o)
{
    size_t after = m->count - (size_t)(o - m->orders) - 1;
    memmove(o, o + 1, after * sizeof *o);
    m->count--;
}

/* The resting order that `in` meets first; NULL: none. Only a strictly better price beats who came earlier. */
static inline struct model_order *model_meets(struct book_model *m, const struct model_order *in)
{
    struct model_order *best = NULL;
    for (size_t i = 0; i < m->count; i++) {
        struct model_order *o = &m->orders[i];
        int sign = side_sign(in->side);
        if (o->side == in->side || (o->price - in->price) * sign > 0)
            continue;
        if (!best || (o->price - best->price) * sign < 0)
            best = o;
    }
    return best;
}

static inline bool model_same_owner(const struct book_model *m, const struct model_order *in,
                                    const struct model_order *o)
{
    return m->self_trade != BOOK_SELF_TRADE_ALLOW && in->owner != 0 && in->owner == o->owner;
}

static inline void model_cancelled(struct book_model *m, const struct model_order *o, struct price price,
                                   enum book_reason reason)
{
    m->sink(m->ctx, &(struct book_event){ .kind = BOOK_CANCELLED, .reason = reason, .order = o->id,
                                          .price = price, .qty = o->left });
}

/* False: the rest is to be cancelled, it met its owner's. */
static inline bool model_match(struct book_model *m, struct model_order *in)
{
    struct model_order *o;
    while (in->left > 0 && (o = model_meets(m, in))) {
        if (model_same_owner(m, in, o)) {
            if (m->self_trade == BOOK_SELF_TRADE_CANCEL_NEWEST)
                return false;
            model_cancelled(m, o, (struct price){ o->price }, BOOK_SELF_TRADE);
            model_remove(m, o);
            continue;
        }
        int64_t qty = in->left < o->left ? in->left : o->left;
        in->left -= qty;
        o->left -= qty;
        m->sink(m->ctx, &(struct book_event){ .kind = BOOK_TRADED, .order = in->id, .against = o->id,
                                              .price = { o->price }, .qty = qty, .left = in->left,
                                              .against_left = o->left });
        if (o->left == 0)
            model_remove(m, o);
    }
    return true;
}

/* On a copy, with nobody listening. */
static inline void model_deaf(void *ctx, const struct book_event *event)
{
    (void)ctx, (void)event;
}

static inline bool model_fills(const struct book_model *m, struct model_order in)
{
    struct book_model copy = *m;
    copy.sink = model_deaf;
    copy.orders = malloc(m->max * sizeof *copy.orders);
    if (!copy.orders)
        abort();
    memcpy(copy.orders, m->orders, m->count * sizeof *copy.orders);
    bool filled = model_match(&copy, &in) && in.left == 0;
    free(copy.orders);
    return filled;
}

static inline bool model_price_is_good(const struct book_model *m, struct price p)
{
    return p.micros > 0 && p.micros % m->tick == 0 && p.micros / m->tick <= BOOK_TICKS_MAX;
}

static inline enum book_result book_model_add(struct book_model *m, const struct book_order *order, uint64_t id)
{
    bool is_market = !price_is_set(order->limit), rests = order->tif == BOOK_DAY && !is_market;
    if (!is_market && !model_price_is_good(m, order->limit))
        return BOOK_BAD_PRICE;
    if (order->qty < 1 || order->qty > BOOK_QTY_MAX)
        return BOOK_BAD_QTY;
    if (rests && m->count == m->max)
        return BOOK_FULL;
    int64_t any = order->side == SIDE_BUY ? INT64_MAX / 2 : 0;
    struct model_order in = { id, order->side, order->owner, order->qty, is_market ? any : order->limit.micros };
    enum book_reason reason = BOOK_UNFILLED;
    if ((order->tif != BOOK_FOK || model_fills(m, in)) && !model_match(m, &in)) {
        reason = BOOK_SELF_TRADE;
        rests = false;
    }
    if (in.left > 0 && rests) {
        m->orders[m->count++] = in;
        m->sink(m->ctx, &(struct book_event){ .kind = BOOK_RESTED, .order = id, .price = order->limit,
                                              .qty = in.left, .left = in.left });
    } else if (in.left > 0)
        model_cancelled(m, &in, order->limit, reason);
    return BOOK_OK;
}

static inline enum book_result book_model_replace(struct book_model *m, uint64_t id, int64_t qty,
                                                  struct price limit)
{
    struct model_order *o = model_find(m, id);
    if (!o)
        return BOOK_UNKNOWN_ORDER;
    if (!model_price_is_good(m, limit))
        return BOOK_BAD_PRICE;
    if (qty < 1 || qty > BOOK_QTY_MAX)
        return BOOK_BAD_QTY;
    bool keeps_place = o->price == limit.micros && qty <= o->left;
    m->sink(m->ctx, &(struct book_event){ .kind = BOOK_REPLACED, .order = id, .price = limit, .qty = qty,
                                          .left = qty, .keeps_place = keeps_place });
    if (keeps_place) {
        o->left = qty;
        return BOOK_OK;
    }
    struct model_order in = { id, o->side, o->owner, qty, limit.micros };
    model_remove(m, o);
    if (!model_match(m, &in))
        model_cancelled(m, &in, limit, BOOK_SELF_TRADE);
    else if (in.left > 0)
        m->orders[m->count++] = in;
    return BOOK_OK;
}

static inline enum book_result book_model_cancel(struct book_model *m, uint64_t id)
{
    struct model_order *o = model_find(m, id);
    if (!o)
        return BOOK_UNKNOWN_ORDER;
    model_cancelled(m, o, (struct price){ o->price }, BOOK_ASKED);
    model_remove(m, o);
    return BOOK_OK;
}

#endif
