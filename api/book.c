#include "api/book.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"

int fill_cmp(const struct fill *a, const struct fill *b)
{
    if (a->timestamp != b->timestamp)
        return a->timestamp < b->timestamp ? -1 : 1;
    int by_account = strcmp(a->order->account, b->order->account);
    if (by_account)
        return by_account;
    if (a->filled_quantity != b->filled_quantity)
        return a->filled_quantity < b->filled_quantity ? -1 : 1;
    return strcmp(a->execution_id, b->execution_id);
}

/* Room for one more. */
static void *reserve(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    *room = *room ? *room * 2 : 8;
    return must_realloc(list, *room, size);
}

/* ---- marks */

/* The first place whose date is not before this one. */
static size_t feed_place(const struct mark_feed *f, int32_t date)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->days[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mark_feed *feed_of(struct mark *m, const char *source)
{
    size_t i = 0;
    while (i < m->feeds_count && strcmp(m->feeds[i].source, source) < 0)
        i++;
    if (i == m->feeds_count || strcmp(m->feeds[i].source, source) != 0) {
        m->feeds = must_realloc(m->feeds, m->feeds_count + 1, sizeof *m->feeds);
        memmove(&m->feeds[i + 1], &m->feeds[i], (m->feeds_count++ - i) * sizeof *m->feeds);
        m->feeds[i] = (struct mark_feed){ 0 };
        text_copy(m->feeds[i].source, sizeof m->feeds[i].source, source);
    }
    return &m->feeds[i];
}

bool mark_bar(struct mark *m, const struct minute_bar *bar)
{
    struct mark_feed *f = feed_of(m, bar->source);
    int32_t date = calendar_date(bar->timestamp);
    size_t i = feed_place(f, date);
    if (i == f->count || f->days[i].date != date) {
        f->days = reserve(f->days, f->count, &f->room, sizeof *f->days);
        memmove(&f->days[i + 1], &f->days[i], (f->count++ - i) * sizeof *f->days);
        f->days[i] = (struct mark_day){ .date = date };
    }
    struct mark_day *day = &f->days[i];
    size_t n = day->count;
    while (n > 0 && day->closes[n - 1].time_ns > bar->timestamp)
        n--;
    if (n > 0 && day->closes[n - 1].time_ns == bar->timestamp)
        return false;
    day->closes = reserve(day->closes, day->count, &day->room, sizeof *day->closes);
    memmove(&day->closes[n + 1], &day->closes[n], (day->count++ - n) * sizeof *day->closes);
    day->closes[n] = (struct mark_close){ bar->timestamp, bar->close };
    return true;
}

static bool has_ended(const struct mark_close *c, const struct market *market)
{
    return c->time_ns <= market->until_ns - MINUTE_NS;
}

static bool is_its_feed(const struct mark_feed *f, const struct market *market)
{
    return !*market->source || strcmp(f->source, market->source) == 0;
}

/* The last close of a feed before a date; NULL: none. */
static const struct mark_close *feed_close(const struct mark_feed *f, const struct market *market, int32_t date)
{
    for (size_t i = feed_place(f, date); i > 0; i--) {
        const struct mark_day *day = &f->days[i - 1];
        if (!has_ended(&day->closes[0], market))
            continue;
        size_t low = 0, high = day->count; /* the last that has ended is in [low, high) */
        while (high - low > 1) {
            size_t middle = (low + high) / 2;
            if (has_ended(&day->closes[middle], market))
                low = middle;
            else
                high = middle;
        }
        return &day->closes[low];
    }
    return NULL;
}

/* The last close before a date. */
static struct price mark_before(const struct mark *m, const struct market *market, int32_t date)
{
    const struct mark_close *last = NULL;
    for (size_t i = 0; i < m->feeds_count; i++) {
        const struct mark_close *c = is_its_feed(&m->feeds[i], market) ? feed_close(&m->feeds[i], market, date) : NULL;
        if (c && (!last || c->time_ns >= last->time_ns))
            last = c;
    }
    return last ? (struct price){ last->close } : PRICE_NONE;
}

struct price mark_price(const struct mark *m, const struct market *market)
{
    return mark_before(m, market, INT32_MAX);
}

int32_t mark_last_date(const struct mark *m)
{
    int32_t last = 0;
    for (size_t i = 0; i < m->feeds_count; i++)
        if (m->feeds[i].days[m->feeds[i].count - 1].date > last)
            last = m->feeds[i].days[m->feeds[i].count - 1].date;
    return last;
}

void mark_free(struct mark *m)
{
    for (size_t i = 0; m && i < m->feeds_count; i++) {
        for (size_t n = 0; n < m->feeds[i].count; n++)
            free(m->feeds[i].days[n].closes);
        free(m->feeds[i].days);
    }
    if (m)
        free(m->feeds);
    free(m);
}

/* ---- holdings */

/* Fill i, and what follows from it: positions of the fills before it are right. */
static void count_fill(struct holding *h, size_t i)
{
    struct holding_fill *at = &h->fills[i];
    const struct fill *f = at->fill;
    at->after = i ? h->fills[i - 1].after : (struct position){ 0 };
    if (!position_apply(&at->after, (enum side)f->order->side, f->quantity, (struct price){ f->price }, f->fee))
        log_error("fill_overflowed", KV_TEXT("execution_id", f->execution_id), KV_TEXT("symbol", h->symbol),
                  KV_INT("qty", f->quantity), KV_MONEY("price", f->price));
    if (h->days_count == 0 || h->days[h->days_count - 1].date != at->date) {
        h->days = reserve(h->days, h->days_count, &h->days_room, sizeof *h->days);
        h->days[h->days_count++].date = at->date;
    }
    h->days[h->days_count - 1].end = at->after;
}

static void holding_add(struct holding *h, const struct fill *fill)
{
    size_t i = h->fills_count;
    h->fills = reserve(h->fills, h->fills_count, &h->fills_room, sizeof *h->fills);
    while (i > 0 && fill_cmp(h->fills[i - 1].fill, fill) > 0)
        i--;
    memmove(&h->fills[i + 1], &h->fills[i], (h->fills_count - i) * sizeof *h->fills);
    h->fills[i].fill = fill;
    h->fills[i].date = calendar_date(fill->timestamp);
    h->fills_count++;
    while (h->days_count && h->days[h->days_count - 1].date > h->fills[i].date)
        h->days_count--;
    for (; i < h->fills_count; i++)
        count_fill(h, i);
    h->now = h->fills[h->fills_count - 1].after;
}

static int holding_cmp(const struct holding *a, const struct holding *b)
{
    int c = strcmp(a->account, b->account);
    if (!c)
        c = strcmp(a->strategy, b->strategy);
    return c ? c : strcmp(a->symbol, b->symbol);
}

static struct key holding_key(const struct order *o)
{
    struct key k = { 0 };
    key_text(&k, o->account);
    key_text(&k, o->strategy);
    key_text(&k, o->symbol);
    return k;
}

const struct holding *book_find(const struct book *b, const struct order *o)
{
    const struct key k = holding_key(o);
    void **slot = keymap_find(&b->index, &k);
    return slot ? *slot : NULL;
}

void book_add(struct book *b, const struct fill *fill, const struct mark *mark, const struct market *market)
{
    const struct key k = holding_key(fill->order);
    void **slot = keymap_put(&b->index, &k);
    if (!*slot) {
        struct holding *h = must_alloc(1, sizeof *h);
        *h = (struct holding){ .account = fill->order->account, .strategy = fill->order->strategy,
                               .symbol = fill->order->symbol, .mark = mark, .market = market };
        b->list = reserve(b->list, b->count, &b->room, sizeof *b->list);
        size_t i = b->count++;
        for (; i > 0 && holding_cmp(b->list[i - 1], h) > 0; i--)
            b->list[i] = b->list[i - 1];
        b->list[i] = h;
        *slot = h;
    }
    holding_add(*slot, fill);
}

void book_clear(struct book *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->list[i]->fills);
        free(b->list[i]->days);
        free(b->list[i]);
    }
    free(b->list);
    keymap_free(&b->index);
    *b = (struct book){ 0 };
}

static void view(const struct holding *h, const struct position *p, struct price mark, struct position_snapshot *out)
{
    bool is_marked = price_is_set(mark);
    *out = (struct position_snapshot){
        .quantity = p->qty,
        .average_price = position_average(p).micros,
        .market_price = mark.micros,
        .market_value = is_marked ? position_value_micros(p, mark) : INT64_MIN,
        .realized_pnl = p->realized_micros,
        .unrealized_pnl = is_marked ? position_unrealized_micros(p, mark) : 0,
    };
    text_copy(out->account, sizeof out->account, h->account);
    text_copy(out->strategy, sizeof out->strategy, h->strategy);
    text_copy(out->symbol, sizeof out->symbol, h->symbol);
}

/* The last day with fills before a date; NULL: none. */
static const struct holding_day *day_before(const struct holding *h, int32_t date)
{
    size_t i = h->days_count;
    while (i > 0 && h->days[i - 1].date >= date)
        i--;
    return i ? &h->days[i - 1] : NULL;
}

void holding_view(const struct holding *h, struct position_snapshot *out)
{
    view(h, &h->now, mark_price(h->mark, h->market), out);
}

bool holding_view_at(const struct holding *h, int32_t date, struct position_snapshot *out)
{
    static const struct position none;
    const struct holding_day *day = day_before(h, date + 1);
    view(h, day ? &day->end : &none, mark_before(h->mark, h->market, date + 1), out);
    return day && (day->end.qty || day->date == date);
}

/* Everything up to the end of the day before a date. */
static struct pnl pnl_before(const struct holding *h, int32_t date)
{
    const struct holding_day *day = day_before(h, date);
    if (!day)
        return (struct pnl){ 0 };
    const struct position *end = &day->end;
    struct price mark = mark_before(h->mark, h->market, date);
    return (struct pnl){ end->fills, end->traded_qty, end->realized_micros,
                         price_is_set(mark) ? position_unrealized_micros(end, mark) : 0, end->fees_micros, false };
}

/* *to + sign * more; false when that does not fit. */
static bool add(int64_t *to, int64_t more, int sign)
{
    return !(sign > 0 ? __builtin_add_overflow(*to, more, to) : __builtin_sub_overflow(*to, more, to));
}

static void pnl_combine(struct pnl *to, const struct pnl *more, int sign)
{
    bool fits = add(&to->fills, more->fills, sign) && add(&to->traded_qty, more->traded_qty, sign) &&
                add(&to->realized, more->realized, sign) && add(&to->unrealized, more->unrealized, sign) &&
                add(&to->fees, more->fees, sign);
    to->is_beyond = to->is_beyond || !fits || more->is_beyond;
}

void pnl_add(struct pnl *to, const struct pnl *more)
{
    pnl_combine(to, more, 1);
}

int64_t pnl_total(struct pnl *p)
{
    int64_t total = p->realized;
    p->is_beyond = !(add(&total, p->unrealized, 1) && add(&total, p->fees, -1)) || p->is_beyond;
    return total;
}

struct pnl holding_pnl(const struct holding *h, int32_t from, int32_t to)
{
    struct pnl before = pnl_before(h, from), p = pnl_before(h, to);
    pnl_combine(&p, &before, -1);
    return p;
}

int32_t holding_next_date(const struct holding *h, int32_t from)
{
    int32_t next = 0;
    for (size_t i = h->days_count; i > 0 && h->days[i - 1].date >= from; i--)
        next = h->days[i - 1].date;
    for (size_t i = 0; i < h->mark->feeds_count; i++) {
        const struct mark_feed *f = &h->mark->feeds[i];
        size_t day = feed_place(f, from);
        if (is_its_feed(f, h->market) && day < f->count && has_ended(&f->days[day].closes[0], h->market) &&
            (!next || f->days[day].date < next))
            next = f->days[day].date;
    }
    return next;
}
