/* venue.c - the venue's life, its lists and events; what can be looked at. See venue_core.h for the other parts. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "exchange/venue_core.h"

const char *const trade_event_names[] = {
    [TRADE_ACCEPTED] = "accepted",
    [TRADE_PENDING_NEW] = "pending_new",
    [TRADE_NEW] = "new",
    [TRADE_HELD] = "held",
    [TRADE_PARTIAL_FILL] = "partial_fill",
    [TRADE_FILL] = "fill",
    [TRADE_CANCELED] = "canceled",
    [TRADE_EXPIRED] = "expired",
    [TRADE_REJECTED] = "rejected",
    [TRADE_PENDING_CANCEL] = "pending_cancel",
    [TRADE_CANCEL_REJECTED] = "order_cancel_rejected",
    [TRADE_PENDING_REPLACE] = "pending_replace",
    [TRADE_REPLACED] = "replaced",
    [TRADE_RESTATED] = "restated",
    NULL,
};
_Static_assert(COUNT_OF(trade_event_names) == TRADE_KINDS + 1, "one name for each kind");

/* ---- memory */

enum { CHUNK = 1 << 16, BIG_CHUNK = 1 << 21, BIG_FROM = 8 };

/* A venue that has grown takes its memory in huge pages, or most of its time would go into page faults. */
static void *new_chunk(size_t size)
{
    if (size < BIG_CHUNK)
        return must_alloc(1, size);
    void *chunk = aligned_alloc(BIG_CHUNK, size);
    if (!chunk)
        return must_alloc(1, size);
    madvise(chunk, size, MADV_HUGEPAGE); /* or without */
    return chunk;
}

static void add_chunk(struct slab *s)
{
    if (s->count == s->size) {
        s->size = s->size ? 2 * s->size : 8;
        s->chunks = must_realloc(s->chunks, s->size, sizeof *s->chunks);
    }
    size_t size = s->count < BIG_FROM ? CHUNK : BIG_CHUNK;
    s->chunks[s->count++] = (struct chunk){ new_chunk(size), size };
}

/* What slab_take will give. */
static void *slab_peek(struct slab *s, size_t size)
{
    if (s->at == s->count || s->used + size > s->chunks[s->at].size) {
        s->at += s->at < s->count;
        if (s->at == s->count)
            add_chunk(s);
        s->used = 0;
    }
    return s->chunks[s->at].memory + s->used;
}

/* Freed with the slab; not zeroed. */
void *slab_take(struct slab *s, size_t size)
{
    void *taken = slab_peek(s, size);
    s->used += (size + 15) / 16 * 16;
    return taken;
}

/* Memory that has been touched needs no page fault later. */
static void slab_reserve(struct slab *s, size_t size)
{
    for (size_t have = 0; have < size; have += s->chunks[s->count - 1].size) {
        add_chunk(s);
        memset(s->chunks[s->count - 1].memory, 0, s->chunks[s->count - 1].size);
    }
}

static void slab_clear(struct slab *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->chunks[i].memory);
    free(s->chunks);
}

/* ---- life */

struct venue *venue_new(const struct venue_options *options, const char (*symbols)[SYMBOL_SIZE], size_t count)
{
    struct venue *v = must_alloc(1, sizeof *v);
    v->options = *options;
    if (v->options.paper_partial_pct == 0)
        v->options.paper_partial_pct = 10;
    v->random = options->seed;
    slab_reserve(&v->orders, options->reserve_orders * sizeof(struct order));
    slab_reserve(&v->fills, options->reserve_orders / 4 * sizeof(struct fill));
    v->symbols_count = count;
    v->markets = must_alloc(count ? count : 1, sizeof *v->markets);
    v->lasts = must_alloc(count ? count : 1, sizeof *v->lasts);
    for (size_t i = 0; i < count; i++) {
        struct market *m = &v->markets[i];
        memcpy(m->name, symbols[i], SYMBOL_SIZE);
        m->venue = v;
        m->asset = (struct asset){ true, true, true, true, true, !options->without_feed };
        m->reference = m->previous_close = m->regular_close = m->start_open = v->lasts[i] = PRICE_NONE;
        m->quote.bid = m->quote.ask = m->print_low = m->print_high = m->last_trade = PRICE_NONE;
        m->start_ns = INT64_MIN;
        m->start_shown = m->shown[0] = m->shown[1] = SHOWN_ALL;
        table_put(&v->by_symbol, m->name, m);
    }
    v->now_ns = v->date_until_ns = INT64_MIN;
    v->boundary_ns = INT64_MAX;
    return v;
}

void venue_free(struct venue *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->accounts_count; i++) {
        struct account *a = v->accounts[i];
        for (size_t k = 0; k < a->activities_count; k++)
            free(a->activities[k]);
        table_clear(&a->by_client_id);
        free(a->orders);
        free(a->fills);
        free(a->activities);
        free(a->holdings);
        free(a->touched);
        free(a);
    }
    for (size_t i = 0; i < v->symbols_count; i++) {
        book_free(v->markets[i].book);
        free(v->markets[i].by_slot);
    }
    table_clear(&v->by_symbol);
    table_clear(&v->by_key);
    slab_clear(&v->orders);
    slab_clear(&v->fills);
    slab_clear(&v->texts);
    free(v->accounts);
    free(v->markets);
    free(v->lasts);
    free(v->due);
    free(v->doomed);
    free(v->dirty);
    free(v->actions);
    free(v->gathered);
    free(v->gathered_scratch);
    free(v->gathered_orders);
    free(v);
}

void venue_prime(struct venue *v, int symbol, struct price reference, struct price last,
                 struct price previous_close)
{
    v->markets[symbol].reference = reference;
    v->markets[symbol].previous_close = previous_close;
    v->lasts[symbol] = last;
}

void venue_prime_quote(struct venue *v, const struct symbol_quote *q)
{
    core_set_quote(&v->markets[q->symbol], &q->quote, calendar_date(q->quote.time_ns));
}

void venue_set_asset(struct venue *v, int symbol, const struct asset *asset)
{
    v->markets[symbol].asset = *asset;
}

/* ---- accounts */

struct account *venue_account_open(struct venue *v, const char *key, const char *secret,
                                   const uint64_t bits[2], int64_t time_ns)
{
    assert(!venue_account(v, key));
    struct account *a = must_alloc(1, sizeof *a);
    bool fits = text_copy(a->key, sizeof a->key, key) && text_copy(a->secret, sizeof a->secret, secret);
    assert(fits);
    (void)fits;
    memcpy(a->bits, bits, sizeof a->bits);
    account_make_id(a, ID_ACCOUNT, 0, a->id);
    uint64_t stir = bits[0] ^ bits[1];
    memcpy(a->number, "PA", 3);
    for (int i = 2; i < 12; i++)
        a->number[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[random_next(&stir) % 36];
    a->owner = (uint32_t)v->accounts_count + 1;
    a->config.max_margin_multiplier = 4;
    a->created_ns = time_ns;
    a->cash_micros = a->start_cash_micros = a->last_equity_micros = v->options.cash_micros;
    a->holdings = must_alloc(v->symbols_count ? v->symbols_count : 1, sizeof *a->holdings);
    v->accounts = must_realloc(v->accounts, v->accounts_count + 1, sizeof *v->accounts);
    v->accounts[v->accounts_count++] = a;
    table_put(&v->by_key, a->key, a);
    return a;
}

void venue_configure(struct venue *v, struct account *a, const struct account_config *config)
{
    (void)v;
    a->config = *config;
}

/* ---- events */

void core_emit(struct venue *v, struct order *o, enum trade_event_kind kind, const struct fill *fill)
{
    const struct trade_event e = {
        .kind = kind, .time_ns = v->now_ns, .number = ++o->account->events, .order = o, .fill = fill
    };
    o->updated_ns = v->now_ns;
    if (v->options.sink)
        v->options.sink(v->options.ctx, &e);
}

void core_tell_market(struct venue *v, const struct market_event *e)
{
    if (v->options.market_sink)
        v->options.market_sink(v->options.ctx, e);
}

void trade_event_execution_id(const struct trade_event *e, char out[UUID_SIZE])
{
    out[0] = '\0';
    if (e->fill)
        fill_id(e->fill, out);
    else if (e->kind != TRADE_PENDING_NEW)
        account_make_id(e->order->account, ID_EVENT, e->number, out);
}

/* ---- lists */

void core_open(struct venue *v, struct order *o)
{
    struct account *a = o->account;
    o->open_previous = a->open_last;
    *(a->open_last ? &a->open_last->open_next : &a->open_first) = o;
    a->open_last = o;
    a->holdings[o->symbol].open_orders[o->side]++;
    a->holdings[o->symbol].opening_orders[o->side] += o->opens;
    v->open_count++;
    v->extended_count += o->extended_hours;
}

void core_unopen(struct venue *v, struct order *o)
{
    struct account *a = o->account;
    *(o->open_previous ? &o->open_previous->open_next : &a->open_first) = o->open_next;
    *(o->open_next ? &o->open_next->open_previous : &a->open_last) = o->open_previous;
    o->open_next = o->open_previous = NULL;
    a->holdings[o->symbol].open_orders[o->side]--;
    a->holdings[o->symbol].opening_orders[o->side] -= o->opens;
    v->open_count--;
    v->extended_count -= o->extended_hours;
}

void core_dirty(struct venue *v, struct market *m)
{
    if (m->is_dirty)
        return;
    if (!v->dirty)
        v->dirty = must_alloc(v->symbols_count, sizeof *v->dirty);
    m->is_dirty = true;
    v->dirty[v->dirty_count++] = m;
}

static void auction_changed(struct venue *v, struct market *m)
{
    m->indicates = true;
    core_dirty(v, m);
}

void core_move(struct venue *v, struct order *o, enum queue to)
{
    struct market *m = core_market(v, o);
    if (o->queue == QUEUE_BOOK) {
        o->account->holdings[o->symbol].resting_orders[o->side]--;
        m->resting--;
        if (o->book_id) /* not when the book let it go itself */
            book_cancel(m->book, o->book_id);
        o->book_id = 0;
    } else if (o->queue) {
        struct order_list *from = &m->queues[o->queue];
        *(o->previous ? &o->previous->next : &from->first) = o->next;
        *(o->next ? &o->next->previous : &from->last) = o->previous;
        o->next = o->previous = NULL;
    }
    if (o->queue == QUEUE_AUCTION || to == QUEUE_AUCTION)
        auction_changed(v, m);
    o->queue = (int)to;
    if (to == QUEUE_BOOK) { /* which has lists of its own */
        o->account->holdings[o->symbol].resting_orders[o->side]++;
        m->resting++;
    } else if (to) {
        struct order_list *list = &m->queues[to];
        o->previous = list->last;
        *(list->last ? &list->last->next : &list->first) = o;
        list->last = o;
    }
}

struct order *core_draft(struct venue *v)
{
    return slab_peek(&v->orders, sizeof(struct order));
}

struct order *core_new_order(struct venue *v, const char *client_order_id)
{
    struct order *o = slab_take(&v->orders, sizeof *o);
    struct account *a = o->account;
    o->index = (int64_t)a->orders_count;
    if (client_order_id[0]) {
        size_t size = strlen(client_order_id) + 1;
        o->client_order_id = memcpy(slab_take(&v->texts, size), client_order_id, size);
        table_put(&a->by_client_id, o->client_order_id, o);
    }
    if (a->orders_count == a->orders_size) {
        a->orders_size = a->orders_size ? a->orders_size * 2 : 64;
        a->orders = must_realloc(a->orders, a->orders_size, sizeof *a->orders);
    }
    a->orders[a->orders_count++] = o;
    core_open(v, o);
    return o;
}

static void note(struct order ***list, size_t *count, size_t *size, struct order *o)
{
    if (*count == *size) {
        *size = *size ? 2 * *size : 16;
        *list = must_realloc(*list, *size, sizeof **list);
    }
    (*list)[(*count)++] = o;
}

void core_due(struct venue *v, struct order *o)
{
    note(&v->due, &v->due_count, &v->due_size, o);
}

void core_doom(struct venue *v, struct order *o)
{
    note(&v->doomed, &v->doomed_count, &v->doomed_size, o);
}

void core_finish(struct venue *v, struct order *o, enum order_status status, enum trade_event_kind kind)
{
    account_keep(o, 0);
    core_move(v, o, QUEUE_NONE);
    core_unopen(v, o);
    o->status = status;
    o->ended_ns = v->now_ns;
    core_emit(v, o, kind, NULL);
    if (core_is_group(o) && status != ORDER_REPLACED)
        core_due(v, o);
}

static void indicate(struct venue *v, struct market *m)
{
    struct auction_view view;
    if (!v->options.market_sink || !venue_auction(v, (int)(m - v->markets), &view))
        return;
    core_tell_market(v, &(struct market_event){ .kind = MARKET_INDICATION, .symbol = (int)(m - v->markets),
                                                .time_ns = v->now_ns, .auction = view.auction, .price = view.price,
                                                .qty = view.qty, .imbalance = view.imbalance });
}

void core_settle_all(struct venue *v)
{
    for (;;) {
        if (v->doomed_count > 0) {
            struct order *o = v->doomed[--v->doomed_count];
            if (order_is_open(o))
                core_finish(v, o, ORDER_REJECTED, TRADE_REJECTED);
        } else if (v->due_count > 0) {
            struct order *o = v->due[0];
            memmove(v->due, v->due + 1, --v->due_count * sizeof *v->due);
            core_react(v, o);
        } else if (v->dirty_count > 0) {
            struct market *m = v->dirty[--v->dirty_count];
            struct price low = m->print_low, high = m->print_high;
            m->is_dirty = false;
            m->print_low = m->print_high = PRICE_NONE;
            if (price_is_set(low))
                core_prints(v, m, low, high, v->lasts[m - v->markets]);
            if (m->indicates) {
                m->indicates = false;
                indicate(v, m);
            }
        } else {
            return;
        }
    }
}

/* ---- looking */

size_t venue_symbols_count(const struct venue *v)
{
    return v->symbols_count;
}

const char *venue_symbol_name(const struct venue *v, int symbol)
{
    return v->markets[symbol].name;
}

int venue_symbol(const struct venue *v, const char *name)
{
    const struct market *m = table_get(&v->by_symbol, name);
    return m ? (int)(m - v->markets) : -1;
}

int64_t venue_now_ns(const struct venue *v)
{
    return v->now_ns;
}

const struct asset *venue_asset(const struct venue *v, int symbol)
{
    return &v->markets[symbol].asset;
}

struct price venue_last(const struct venue *v, int symbol)
{
    return v->lasts[symbol];
}

const struct price *venue_marks(const struct venue *v)
{
    return v->lasts;
}

struct price venue_previous_close(const struct venue *v, int symbol)
{
    const struct market *m = &v->markets[symbol];
    return m->regular_date && m->regular_date < v->date ? m->regular_close : m->previous_close;
}

const struct quote *venue_quote(const struct venue *v, int symbol)
{
    const struct market *m = &v->markets[symbol];
    return m->quote_date && m->quote_date == v->date ? &m->quote : NULL;
}

struct account *venue_account(const struct venue *v, const char *key)
{
    return table_get(&v->by_key, key);
}

size_t venue_accounts_count(const struct venue *v)
{
    return v->accounts_count;
}

struct account *venue_account_at(const struct venue *v, size_t index)
{
    return v->accounts[index];
}

bool venue_is_halted(const struct venue *v, int symbol)
{
    return v->markets[symbol].halted;
}

size_t venue_depth(const struct venue *v, int symbol, enum side side, struct book_level *out, size_t count)
{
    const struct market *m = &v->markets[symbol];
    size_t n = m->book ? book_depth(m->book, side, out, count) : 0;
    for (size_t i = 0; i < n; i++)
        out[i].price = ladder_price(out[i].price.micros);
    return n;
}

void venue_volume(const struct venue *v, int symbol, struct book_volume *out)
{
    const struct market *m = &v->markets[symbol];
    *out = (struct book_volume){ 0 };
    if (m->book)
        book_volume(m->book, out);
    out->trades = m->trades;
    out->traded_qty = m->traded_qty;
    out->traded_micros = m->traded_value / QTY_SCALE;
    out->last = m->last_trade;
}

bool venue_auction(const struct venue *v, int symbol, struct auction_view *out)
{
    struct market *m = &v->markets[symbol];
    struct auction_result result;
    size_t count;
    if (!v->has_session)
        return false;
    bool is_open = v->phase == PHASE_REGULAR;
    enum time_in_force which = is_open ? TIF_CLS : TIF_OPG;
    core_gather((struct venue *)v, m, which, &count); /* fills scratch only */
    struct price reference = core_auction_reference(v, m);
    auction_indicate(v->gathered, count, reference, (struct price){ 1 }, v->gathered_scratch, &result);
    *out = (struct auction_view){
        .auction = which,
        .clears_ns = is_open ? v->session.close_ns : v->session.open_ns,
        .orders = (int64_t)count,
        .price = price_is_set(result.price) ? ladder_price(result.price.micros) : PRICE_NONE,
        .qty = result.qty,
        .imbalance = result.imbalance,
    };
    return true;
}

/* ---- for tests */

static bool order_is_consistent(const struct venue *v, const struct order *o)
{
    bool ok = (o->is_restated || (o->status == ORDER_FILLED) == (o->qty > 0 && order_left(o) == 0)) && o->filled_qty >= 0 &&
              (o->qty == 0 || order_left(o) >= 0) && order_is_open(o) == (o->queue != QUEUE_NONE) &&
              (o->queue == QUEUE_BOOK) == (o->book_id != 0) && (order_is_open(o) || o->kept_qty == 0);
    struct book_order resting;
    if (!o->book_id)
        return ok;
    const struct market *m = core_market(v, o);
    return ok && book_find(m->book, o->book_id, &resting) && resting.qty == order_left(o) && resting.side == o->side &&
           resting.owner == o->account->owner && m->by_slot[book_slot(o->book_id)] == o &&
           ladder_price(resting.limit.micros).micros == match_bound(o).micros;
}

static bool account_is_consistent(const struct venue *v, const struct account *a)
{
    bool ok = true;
    struct position *p = must_alloc(v->symbols_count, sizeof *p);
    int64_t *held = must_alloc(v->symbols_count, sizeof *held), *filled = must_alloc(a->orders_count + 1, sizeof *filled);
    __int128 cash = a->start_cash_micros, reserved = 0;
    size_t next = 0, open = 0;
    for (size_t i = 0; i <= a->fills_count; i++) {
        const struct fill *f = i < a->fills_count ? a->fills[i] : NULL;
        for (; next < a->activities_count && (!f || a->activities[next]->time_ns <= f->time_ns); next++) {
            const struct activity *x = a->activities[next];
            cash += x->net_micros;
            p[x->symbol].qty += x->kind == ACTIVITY_SPLIT ? x->qty : 0;
        }
        if (!f)
            break;
        const struct order *o = f->order;
        __int128 amount = value_micros(f->price, f->qty);
        cash -= side_sign(o->side) * amount + f->fee_micros;
        filled[o->index] += f->qty;
        ok &= position_apply_amount(&p[o->symbol], o->side, f->qty, amount, f->fee_micros);
        ok &= p[o->symbol].qty == f->position_qty;
    }
    for (size_t i = 0; i < a->orders_count; i++) {
        const struct order *o = a->orders[i];
        ok &= order_is_consistent(v, o);
        ok &= o->is_restated || filled[i] + (o->replaces ? o->replaces->filled_qty : 0) == o->filled_qty;
        open += order_is_open(o);
        *(o->opens ? &reserved : &(__int128){ 0 }) += (__int128)o->reserve.micros * o->kept_qty;
        held[o->symbol] += o->opens ? 0 : o->kept_qty;
    }
    for (const struct order *o = a->open_first; o; o = o->open_next)
        open--;
    for (size_t i = 0; i < v->symbols_count; i++) {
        const struct position *have = &a->holdings[i].position;
        ok &= have->qty == p[i].qty && have->cost_micros == p[i].cost_micros &&
              have->realized_micros == p[i].realized_micros && held[i] == a->holdings[i].held_qty;
    }
    free(p);
    free(held);
    free(filled);
    return ok && open == 0 && cash == a->cash_micros && reserved == a->reserved_value;
}

bool venue_is_consistent(const struct venue *v)
{
    bool ok = v->due_count == 0 && v->doomed_count == 0 && v->dirty_count == 0;
    for (size_t i = 0; i < v->accounts_count; i++)
        ok &= account_is_consistent(v, v->accounts[i]);
    for (size_t i = 0; i < v->symbols_count; i++) {
        const struct market *m = &v->markets[i];
        struct book_volume volume = { 0 };
        if (m->book)
            book_volume(m->book, &volume);
        ok &= (size_t)(volume.resting_orders[SIDE_BUY] + volume.resting_orders[SIDE_SELL]) == m->resting;
        ok &= !m->book || book_is_consistent(m->book);
    }
    return ok;
}
