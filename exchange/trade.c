/* trade.c - orders against the participants' books and the recorded market.
 *
 * An order that comes in takes the better price first. At the same price the participants' orders come before the
 * recorded market: that they would trade is certain, how much stood behind the recorded price is an assumption. */
#include "exchange/venue_core.h"

/* ---- prices */

struct price core_price(const struct venue *v, int symbol)
{
    return price_is_set(v->lasts[symbol]) ? v->lasts[symbol] : v->markets[symbol].reference;
}

/* Does the quote rule hold for this side today? Otherwise bars decide. */
bool core_far_side(const struct venue *v, const struct market *m, enum side side, struct price *out)
{
    *out = m->quote_date == v->date ? match_far_side(&m->quote, side) : PRICE_NONE;
    return price_is_set(*out);
}

bool core_is_active(const struct venue *v, const struct order *o)
{
    return v->phase == PHASE_REGULAR || (v->phase != PHASE_NIGHT && o->extended_hours);
}

/* Slippage moves a market order's price against it, never below the smallest price. */
struct price core_slipped(const struct venue *v, const struct order *o, struct price price)
{
    if (v->options.slippage_micros == 0 || price_is_set(o->limit))
        return price;
    __int128 move = ((__int128)price.micros * v->options.slippage_micros + 500000) / 1000000;
    __int128 moved = price.micros + side_sign(o->side) * move;
    return (struct price){ moved < 1 ? 1 : moved > INT64_MAX ? INT64_MAX : (int64_t)moved };
}

/* ---- executions */

/* The one place where something is traded. An order that is filled is in no book and no queue after it; its caller
 * takes out of the book what traded there. */
bool core_execute(struct venue *v, struct order *o, int64_t qty, struct price price)
{
    struct account *a = o->account;
    __int128 fee = v->options.fee_micros ? value_micros((struct price){ v->options.fee_micros }, qty) : 0;
    if (fee != (int64_t)fee || !account_book(a, o->symbol, o->side, qty, price, (int64_t)fee, v->date)) {
        core_doom(v, o);
        return false;
    }
    o->filled_qty += qty;
    o->filled_value += (__int128)price.micros * qty;
    int64_t left = order_left(o);
    account_keep(o, o->kept_qty < left ? o->kept_qty : left);
    if (left == 0) {
        if (o->queue)
            core_move(v, o, QUEUE_NONE);
        core_unopen(v, o);
        o->status = ORDER_FILLED;
        o->ended_ns = v->now_ns;
    } else if (o->status != ORDER_PENDING_CANCEL) {
        o->status = ORDER_PARTIALLY_FILLED;
    }
    struct fill *f = slab_take(&v->fills, sizeof *f);
    *f = (struct fill){
        .order = o,
        .time_ns = v->now_ns,
        .qty = qty,
        .cum_qty = o->filled_qty,
        .leaves_qty = left,
        .fee_micros = (int64_t)fee,
        .position_qty = a->holdings[o->symbol].position.qty,
        .price = price,
        .index = (int64_t)a->fills_count,
    };
    if (a->fills_count == a->fills_size) {
        a->fills_size = a->fills_size ? a->fills_size * 2 : 64;
        a->fills = must_realloc(a->fills, a->fills_size, sizeof *a->fills);
    }
    a->fills[a->fills_count++] = f;
    core_emit(v, o, left ? TRADE_PARTIAL_FILL : TRADE_FILL, f);
    if (core_is_group(o))
        core_due(v, o);
    return true;
}

/* What the recorded market gives an order of the `shown` micro-shares left there. */
static int64_t market_gives(struct venue *v, const struct order *o, int64_t shown)
{
    int64_t qty = order_left(o), shares = qty / QTY_SCALE;
    if (v->options.respects_size && !v->options.is_like_paper && shown < qty)
        return shown;
    bool may_split = v->options.is_like_paper && shares > 1 && qty % QTY_SCALE == 0 && o->time_in_force != TIF_FOK;
    if (may_split && random_next(&v->random) % 100 < (uint64_t)v->options.paper_partial_pct)
        return (int64_t)(1 + random_next(&v->random) % (uint64_t)(shares - 1)) * QTY_SCALE;
    return qty;
}

static void take_market(struct venue *v, struct order *o, struct price price, int64_t *shown)
{
    uint64_t resting = o->book_id;
    int64_t qty = market_gives(v, o, *shown);
    if (qty == 0)
        return;
    if (resting && qty == order_left(o)) {
        book_cancel(core_market(v, o)->book, resting); /* first: then its last execution finds it gone */
        o->book_id = 0;
    } else if (resting) {
        book_take(core_market(v, o)->book, resting, qty);
    }
    core_execute(v, o, qty, core_slipped(v, o, price));
    if (*shown != SHOWN_ALL)
        *shown -= qty;
}

/* ---- the book */

static void traded(struct market *m, const struct book_event *e)
{
    struct venue *v = m->venue;
    struct order *in = v->incoming, *resting = m->by_slot[book_slot(e->against)];
    struct price price = ladder_price(e->price.micros);
    if (e->against_left == 0)
        resting->book_id = 0; /* the book lets it go itself */
    if (e->left == 0)
        in->book_id = 0;
    core_execute(v, resting, e->qty, price);
    core_execute(v, in, e->qty, price);
    m->trades++;
    m->traded_qty += e->qty;
    m->traded_value += (__int128)price.micros * e->qty;
    m->last_trade = price;
    int symbol = (int)(m - v->markets);
    v->lasts[symbol] = price;
    if (!price_is_set(m->print_low) || price_cmp(price, m->print_low) < 0)
        m->print_low = price;
    if (!price_is_set(m->print_high) || price_cmp(price, m->print_high) > 0)
        m->print_high = price;
    if (m->queues[QUEUE_WATCHED].first)
        core_dirty(v, m);
    else
        m->print_low = m->print_high = PRICE_NONE;
    if (v->options.market_sink)
        core_tell_market(v, &(struct market_event){ .kind = MARKET_PRINT, .symbol = symbol, .time_ns = v->now_ns,
                                                    .price = price, .qty = e->qty });
    if (!m->asset.has_feed && v->phase == PHASE_REGULAR)
        core_regular_print(v, m, price);
}

static void on_book(void *ctx, const struct book_event *e)
{
    struct market *m = ctx;
    if (e->kind == BOOK_TRADED) {
        traded(m, e);
    } else if (e->kind == BOOK_CANCELLED && e->reason == BOOK_SELF_TRADE) {
        struct order *o = m->by_slot[book_slot(e->order)];
        o->book_id = 0;
        core_finish(m->venue, o, ORDER_CANCELED, TRADE_CANCELED);
    }
}

static void need_book(struct market *m)
{
    if (m->book)
        return;
    const struct book_options options = { .orders_max = CORE_BOOK_ORDERS,
                                          .tick = { 1 },
                                          .self_trade = BOOK_SELF_TRADE_CANCEL_OLDEST,
                                          .sink = on_book,
                                          .ctx = m };
    m->book = book_new(&options);
    m->by_slot = must_alloc(CORE_BOOK_ORDERS + 2, sizeof(struct order *));
    assert(m->book);
}

/* An order as a book has it: up to a price, which may be off the ladder. */
static struct book_order for_book(const struct order *o, enum book_tif tif, struct price bound)
{
    int64_t rung = o->side == SIDE_BUY ? ladder_below(bound) : ladder_above(bound);
    return (struct book_order){ .side = o->side, .tif = tif, .owner = o->account->owner, .qty = order_left(o),
                                .limit = { rung < 1 ? 1 : rung > BOOK_TICKS_MAX ? BOOK_TICKS_MAX : rung } };
}

static enum book_result add_to_book(struct venue *v, struct order *o, enum book_tif tif, struct price bound, uint64_t *id)
{
    struct market *m = core_market(v, o);
    need_book(m);
    const struct book_order order = for_book(o, tif, bound);
    v->incoming = o;
    return book_add(m->book, &order, id);
}

/* Trades with other participants, if there are any, up to a price. */
static void take_book(struct venue *v, struct order *o, struct price bound)
{
    uint64_t id;
    const struct holding *h = &o->account->holdings[o->symbol];
    size_t own = (size_t)(h->resting_orders[SIDE_BUY] + h->resting_orders[SIDE_SELL]);
    if (core_market(v, o)->resting > own && order_left(o) > 0)
        add_to_book(v, o, BOOK_IOC, bound, &id);
}

/* At its bound, with what did not trade. */
static void rest(struct venue *v, struct order *o)
{
    uint64_t id = 0;
    struct market *m = core_market(v, o);
    enum book_result result = add_to_book(v, o, BOOK_DAY, match_bound(o), &id);
    if (result != BOOK_OK) { /* full */
        core_finish(v, o, ORDER_REJECTED, TRADE_REJECTED);
        return;
    }
    if (!order_is_open(o))
        return;
    o->book_id = id;
    m->by_slot[book_slot(id)] = o;
    core_move(v, o, QUEUE_BOOK);
}

/* ---- coming in */

/* Its quantity, once a price is known. */
static bool has_qty(struct venue *v, struct order *o, struct price price)
{
    if (o->qty > 0)
        return true;
    __int128 qty = (__int128)o->notional_micros * QTY_SCALE / price.micros;
    o->qty = qty > CORE_QTY_MAX ? CORE_QTY_MAX : (int64_t)qty;
    if (!o->opens) {
        const struct holding *h = &o->account->holdings[o->symbol];
        int64_t most = holding_available(h) + o->kept_qty;
        o->qty = o->qty < most ? o->qty : most;
    }
    if (o->qty > 0) {
        account_keep(o, o->qty);
        return true;
    }
    core_finish(v, o, ORDER_REJECTED, TRADE_REJECTED);
    return false;
}

/* The recorded market's price for the order at this moment, and how much is left there. */
static bool market_price(const struct venue *v, struct market *m, const struct order *o, struct price *at, int64_t **shown)
{
    if (core_far_side(v, m, o->side, at)) {
        *shown = &m->shown[o->side];
        return match_is_acceptable(o, *at);
    }
    *at = m->start_open;
    *shown = &m->start_shown;
    return m->start_ns == v->now_ns && !price_is_set(o->limit) && match_is_acceptable(o, *at);
}

void core_replace_in_book(struct venue *v, struct order *old, struct order *o)
{
    struct market *m = core_market(v, o);
    struct price at;
    int64_t *shown;
    if (m->halted || market_price(v, m, o, &at, &shown)) { /* it waits, or trades there */
        core_move(v, old, QUEUE_NONE);
        core_come_in(v, o);
        return;
    }
    uint64_t id = old->book_id;
    old->book_id = 0; /* it stays, as the new order's */
    core_move(v, old, QUEUE_NONE);
    o->book_id = id;
    m->by_slot[book_slot(id)] = o;
    core_move(v, o, QUEUE_BOOK);
    v->incoming = o;
    enum book_result result = book_replace(m->book, id, order_left(o), (struct price){ ladder_below(match_bound(o)) });
    assert(result == BOOK_OK);
    (void)result;
}

/* How far an order without a limit goes among participants where there is no recorded market. */
static struct price collar(const struct venue *v, const struct order *o)
{
    struct price last = core_price(v, o->symbol);
    return o->side == SIDE_SELL   ? ladder_price(1)
           : price_is_set(last) ? match_collar(last)
                                : (struct price){ LADDER_MAX };
}

/* All that it can trade at once. */
static void trade_now(struct venue *v, struct order *o)
{
    struct market *m = core_market(v, o);
    struct price at, bound = match_bound(o);
    int64_t *shown;
    if (market_price(v, m, o, &at, &shown)) {
        if (!has_qty(v, o, at))
            return;
        take_book(v, o, at);
        if (order_left(o) > 0)
            take_market(v, o, at, shown);
    } else if (!price_is_set(bound) && !m->asset.has_feed) {
        struct book_level best;
        if (!m->book || !book_best(m->book, side_opposite(o->side), &best) || !has_qty(v, o, ladder_price(best.price.micros)))
            return;
        take_book(v, o, collar(v, o));
    }
}

/* Would all of it trade at once? */
static bool fills(const struct venue *v, const struct order *o)
{
    struct market *m = core_market(v, o);
    struct price at, bound = match_bound(o);
    int64_t *shown, left = order_left(o);
    bool market = market_price(v, m, o, &at, &shown);
    if (market && (!v->options.respects_size || v->options.is_like_paper || left <= *shown))
        return true;
    if (m->book) {
        const struct book_order order = for_book(o, BOOK_IOC, market ? at : price_is_set(bound) ? bound : collar(v, o));
        left -= book_reach(m->book, &order);
    }
    return left <= (market ? *shown : 0);
}

void core_come_in(struct venue *v, struct order *o)
{
    struct market *m = core_market(v, o);
    bool at_once = o->time_in_force == TIF_IOC || o->time_in_force == TIF_FOK, is_limit = price_is_set(match_bound(o));
    bool active = core_is_active(v, o) && !m->halted;
    if (match_is_trigger(o)) {
        core_move(v, o, QUEUE_WATCHED);
        return;
    }
    if (!active && !at_once) {
        core_move(v, o, core_is_active(v, o) ? QUEUE_HALTED : QUEUE_WAITING);
        return;
    }
    if (active && (o->time_in_force != TIF_FOK || fills(v, o))) {
        trade_now(v, o);
        if (order_is_open(o) && at_once && is_limit)
            take_book(v, o, match_bound(o));
    }
    if (!order_is_open(o))
        return;
    if (at_once || (!is_limit && !m->asset.has_feed))
        core_finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
    else if (is_limit)
        rest(v, o);
    else
        core_move(v, o, QUEUE_WATCHED);
}

void core_start(struct venue *v, struct order *o)
{
    o->working_ns = v->now_ns;
    if (o->status == ORDER_PENDING_CANCEL) {
        o->status_before = ORDER_NEW;
    } else {
        o->status = ORDER_PENDING_NEW;
        core_emit(v, o, TRADE_PENDING_NEW, NULL);
        o->status = ORDER_NEW;
        core_emit(v, o, TRADE_NEW, NULL);
    }
    core_hold_legs(v, o);
    if (o->queue == QUEUE_AUCTION)
        return;
    if (o->time_in_force == TIF_OPG || o->time_in_force == TIF_CLS)
        core_move(v, o, QUEUE_AUCTION);
    else {
        if (o->queue)
            core_move(v, o, QUEUE_NONE);
        core_come_in(v, o);
    }
}

/* ---- stops */

/* The trigger follows the best price, never back. */
void core_trail(struct order *o, struct price print)
{
    if (price_is_set(o->hwm) && price_cmp(print, o->hwm) * side_sign(o->side) >= 0)
        return;
    o->hwm = print;
    int64_t trail = price_is_set(o->trail_price)
                        ? o->trail_price.micros
                        : (int64_t)((__int128)print.micros * o->trail_percent / (100 * INT64_C(1000000)));
    int64_t stop = print.micros + side_sign(o->side) * trail;
    o->stop.micros = stop < 1 ? 1 : stop;
}

static void elect(struct venue *v, struct order *o)
{
    o->is_elected = true;
    o->working_ns = v->now_ns;
    if (o->side == SIDE_BUY && o->type == ORDER_STOP)
        o->cap = ladder_passive(match_collar(o->stop), SIDE_BUY);
    if (o->parent && core_is_held(o))
        core_take_over(v, o);
    core_move(v, o, QUEUE_NONE);
    core_come_in(v, o);
}

void core_prints(struct venue *v, struct market *m, struct price low, struct price high, struct price last)
{
    if (v->phase != PHASE_REGULAR || m->halted)
        return;
    EACH_IN(o, m, QUEUE_WATCHED)
    {
        if (!match_is_trigger(o) || o->queue != QUEUE_WATCHED)
            continue;
        bool up = o->side == SIDE_BUY;
        if (match_elects(o, up ? high : low)) {
            elect(v, o);
            continue;
        }
        if (o->type == ORDER_TRAILING_STOP) {
            core_trail(o, up ? low : high);
            if (match_elects(o, last))
                elect(v, o);
        }
    }
}

/* ---- what the market brings */

static bool is_matched(const struct venue *v, const struct market *m)
{
    return v->phase != PHASE_NIGHT && !m->halted;
}

/* Those that wait for a price try again. */
static void try_waiting(struct venue *v, struct market *m)
{
    EACH_IN(o, m, QUEUE_WATCHED)
    if (!match_is_trigger(o) && core_is_active(v, o))
        trade_now(v, o);
}

static void sweep_quote(struct venue *v, struct market *m, enum side side)
{
    struct price at;
    if (!m->resting || !core_far_side(v, m, side, &at))
        return;
    for (uint64_t id = book_first(m->book, side), next; id && m->shown[side] > 0; id = next) {
        struct order *o = m->by_slot[book_slot(id)];
        if (!match_is_acceptable(o, at))
            break;
        next = book_after(m->book, id);
        take_market(v, o, at, &m->shown[side]);
    }
}

static int64_t shown_of(int64_t shares)
{
    return shares <= 0 || shares > CORE_QTY_MAX ? SHOWN_ALL : shares * QTY_SCALE;
}

void core_set_quote(struct market *m, const struct quote *quote, int32_t date)
{
    m->quote = *quote;
    m->quote_date = date;
    m->shown[SIDE_BUY] = shown_of(quote->ask_size);
    m->shown[SIDE_SELL] = shown_of(quote->bid_size);
}

void core_quote(struct venue *v, const struct symbol_quote *q)
{
    struct market *m = &v->markets[q->symbol];
    core_set_quote(m, &q->quote, v->date);
    if (!is_matched(v, m))
        return;
    try_waiting(v, m);
    sweep_quote(v, m, SIDE_BUY);
    sweep_quote(v, m, SIDE_SELL);
    core_settle(v);
}

static void sweep_bar(struct venue *v, struct market *m, enum side side, const struct bar *bar, int64_t *shown)
{
    struct price at;
    if (!m->resting || core_far_side(v, m, side, &at))
        return;
    for (uint64_t id = book_first(m->book, side), next; id && *shown > 0; id = next) {
        struct order *o = m->by_slot[book_slot(id)];
        if (!match_is_acceptable(o, side == SIDE_BUY ? bar->low : bar->high))
            break;
        next = book_after(m->book, id);
        if (match_bar(o, bar, &at))
            take_market(v, o, at, shown);
    }
}

void core_bar_ended(struct venue *v, const struct symbol_bar *b)
{
    struct market *m = &v->markets[b->symbol];
    const struct bar *bar = &b->bar;
    int64_t all = SHOWN_ALL;
    v->lasts[b->symbol] = bar->close;
    if (v->has_session && bar->open_time_ns >= v->session.open_ns &&
        bar->open_time_ns < v->session.close_ns)
        core_regular_print(v, m, bar->close);
    if ((!m->resting && !m->queues[QUEUE_WATCHED].first) || !is_matched(v, m))
        return;
    core_prints(v, m, bar->low, bar->high, bar->close);
    sweep_bar(v, m, SIDE_BUY, bar, &all);
    sweep_bar(v, m, SIDE_SELL, bar, &all);
    core_settle(v);
}

void core_print_starts(struct venue *v, struct market *m)
{
    if (!m->queues[QUEUE_WATCHED].first || !is_matched(v, m))
        return;
    core_prints(v, m, m->start_open, m->start_open, m->start_open);
    try_waiting(v, m);
    core_settle(v);
}

void core_print(struct venue *v, struct market *m, struct price price, int64_t size)
{
    m->start_ns = v->now_ns;
    m->start_open = price;
    m->start_shown = shown_of(size);
    v->lasts[m - v->markets] = price;
    if (v->phase == PHASE_REGULAR)
        core_regular_print(v, m, price);
    core_print_starts(v, m);
    if (!is_matched(v, m))
        return;
    const struct bar bar = { .open_time_ns = v->now_ns, .open = price, .high = price, .low = price, .close = price };
    sweep_bar(v, m, SIDE_BUY, &bar, &m->start_shown);
    sweep_bar(v, m, SIDE_SELL, &bar, &m->start_shown);
    core_settle(v);
}
