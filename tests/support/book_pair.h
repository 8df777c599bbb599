/* book_pair.h - a book and its model side by side: each operation goes to both, and what they say must be the
 * same. Orders are named by numbers from 1 on; the pair knows the book's ids of those that rest. */
#ifndef TESTS_SUPPORT_BOOK_PAIR_H
#define TESTS_SUPPORT_BOOK_PAIR_H

#include "tests/support/book_model.h"

struct heard {
    struct book_event *events;
    size_t count, room;
    enum book_result result;
};

struct book_pair {
    struct book *book;
    struct book_model *model;
    struct heard of_book, of_model; /* of the last operation */
    uint64_t *names;                /* by slot: the number of the order there */
    uint64_t last_name, last_id;
    int64_t asked, traded, cancelled; /* by the book's events: asked = 2 x traded + cancelled + resting */
};

static inline void pair_hear(void *ctx, const struct book_event *event)
{
    struct heard *h = ctx;
    if (h->count == h->room) {
        h->room = h->room ? 2 * h->room : 64;
        h->events = realloc(h->events, h->room * sizeof *h->events);
        if (!h->events)
            abort();
    }
    h->events[h->count++] = *event;
}

static inline void book_pair_open(struct book_pair *p, struct book_options options)
{
    *p = (struct book_pair){ .names = calloc(options.orders_max + 2, sizeof *p->names) };
    options.sink = pair_hear;
    options.ctx = &p->of_book;
    p->book = book_new(&options);
    options.ctx = &p->of_model;
    p->model = book_model_new(&options);
    if (!p->names || !p->book)
        abort();
}

static inline void book_pair_close(struct book_pair *p)
{
    book_free(p->book);
    book_model_free(p->model);
    free(p->of_book.events);
    free(p->of_model.events);
    free(p->names);
}

static inline bool pair_same_event(struct book_pair *p, const struct book_event *b, const struct book_event *m)
{
    return b->kind == m->kind && b->reason == m->reason && p->names[book_slot(b->order)] == m->order &&
           (b->against ? p->names[book_slot(b->against)] : 0) == m->against &&
           b->price.micros == m->price.micros && b->qty == m->qty && b->left == m->left &&
           b->against_left == m->against_left && b->keeps_place == m->keeps_place;
}

/* Same result, same events, books that do not cross. */
static inline bool pair_agrees(struct book_pair *p)
{
    struct heard *b = &p->of_book, *m = &p->of_model;
    bool same = b->result == m->result && b->count == m->count;
    for (size_t i = 0; same && i < b->count; i++)
        same = pair_same_event(p, &b->events[i], &m->events[i]);
    for (size_t i = 0; i < b->count; i++) {
        p->traded += b->events[i].kind == BOOK_TRADED ? b->events[i].qty : 0;
        p->cancelled += b->events[i].kind == BOOK_CANCELLED ? b->events[i].qty : 0;
    }
    b->count = m->count = 0;
    struct book_level bid, ask;
    return same && !(book_best(p->book, SIDE_BUY, &bid) && book_best(p->book, SIDE_SELL, &ask) &&
                     price_cmp(bid.price, ask.price) >= 0);
}

static inline bool book_pair_add(struct book_pair *p, const struct book_order *order)
{
    uint64_t id = 0;
    p->of_book.result = book_add(p->book, order, &id);
    if (p->of_book.result == BOOK_OK) {
        p->names[book_slot(id)] = ++p->last_name;
        p->last_id = id;
        p->asked += order->qty;
    }
    p->of_model.result = book_model_add(p->model, order, p->last_name);
    return pair_agrees(p);
}

/* id as the book gave it: 0 or a gone one's are refused by both. */
static inline bool book_pair_replace(struct book_pair *p, uint64_t id, int64_t qty, struct price limit)
{
    struct book_order old;
    bool rests = book_find(p->book, id, &old);
    p->of_book.result = book_replace(p->book, id, qty, limit);
    p->of_model.result = book_model_replace(p->model, rests ? p->names[book_slot(id)] : 0, qty, limit);
    if (p->of_book.result == BOOK_OK)
        p->asked += qty - old.qty;
    return pair_agrees(p);
}

static inline bool book_pair_cancel(struct book_pair *p, uint64_t id)
{
    struct book_order old;
    bool rests = book_find(p->book, id, &old);
    p->of_book.result = book_cancel(p->book, id);
    p->of_model.result = book_model_cancel(p->model, rests ? p->names[book_slot(id)] : 0);
    return pair_agrees(p);
}

/* Slow: the book in itself, its totals against the model's, and not a share lost. */
static inline bool book_pair_adds_up(struct book_pair *p)
{
    struct book_volume v;
    int64_t qty[2] = { 0 }, orders[2] = { 0 };
    book_volume(p->book, &v);
    for (size_t i = 0; i < p->model->count; i++) {
        qty[p->model->orders[i].side] += p->model->orders[i].left;
        orders[p->model->orders[i].side]++;
    }
    return book_is_consistent(p->book) && v.traded_qty == p->traded &&
           memcmp(qty, v.resting_qty, sizeof qty) == 0 && memcmp(orders, v.resting_orders, sizeof orders) == 0 &&
           p->asked == 2 * p->traded + p->cancelled + qty[0] + qty[1];
}

#endif
