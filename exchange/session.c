/* session.c - time: what one instant brings, openings and closes, auctions, expiry, halts. */
#include <stdlib.h>
#include <string.h>

#include "exchange/venue_core.h"

/* ---- auctions */

struct price core_auction_reference(const struct venue *v, const struct market *m)
{
    struct price last = core_price(v, (int)(m - v->markets));
    return price_is_set(last) ? (struct price){ ladder_below(last) } : PRICE_NONE;
}

/* The orders that are gathered for the next auction, as auction.h wants them, in rungs. */
void core_gather(struct venue *v, struct market *m, enum time_in_force which, size_t *count)
{
    *count = 0;
    EACH_IN(o, m, QUEUE_AUCTION)
    {
        if (o->time_in_force != which || o->date != v->session.date)
            continue;
        if (*count == v->gathered_size) {
            v->gathered_size = v->gathered_size ? 2 * v->gathered_size : 64;
            v->gathered = must_realloc(v->gathered, v->gathered_size, sizeof *v->gathered);
            v->gathered_scratch = must_realloc(v->gathered_scratch, v->gathered_size, sizeof *v->gathered_scratch);
            v->gathered_orders = must_realloc(v->gathered_orders, v->gathered_size, sizeof *v->gathered_orders);
        }
        v->gathered_orders[*count] = o;
        v->gathered[(*count)++] = (struct auction_order){
            .side = o->side,
            .qty = order_left(o),
            .limit = price_is_set(o->limit) ? (struct price){ ladder_below(o->limit) } : PRICE_NONE,
        };
    }
}

static void tell_cross(struct venue *v, struct market *m, enum time_in_force which, const struct auction_result *r)
{
    core_tell_market(v, &(struct market_event){ .kind = MARKET_CROSS, .symbol = (int)(m - v->markets),
                                                .time_ns = v->now_ns, .auction = which, .price = r->price, .qty = r->qty,
                                                .imbalance = r->imbalance });
}

/* Participants among themselves, at the price that trades most. */
static void cross(struct venue *v, struct market *m, enum time_in_force which)
{
    struct auction_result result;
    size_t count;
    core_gather(v, m, which, &count);
    if (count == 0)
        return;
    auction_cross(v->gathered, count, core_auction_reference(v, m), (struct price){ 1 }, v->gathered_scratch, &result);
    if (!price_is_set(result.price))
        return;
    result.price = ladder_price(result.price.micros);
    v->lasts[m - v->markets] = m->last_trade = result.price;
    m->trades++;
    m->traded_qty += result.qty;
    m->traded_value += (__int128)result.price.micros * result.qty;
    core_regular_print(v, m, result.price);
    /* who looks at the auction meanwhile uses the scratch */
    struct auction_order *gathered = must_alloc(count, sizeof *gathered);
    struct order **orders = must_alloc(count, sizeof *orders);
    memcpy(gathered, v->gathered, count * sizeof *gathered);
    memcpy(orders, v->gathered_orders, count * sizeof(struct order *));
    for (size_t i = 0; i < count; i++)
        if (gathered[i].filled > 0)
            core_execute(v, orders[i], gathered[i].filled, result.price);
    free(gathered);
    free(orders);
    tell_cross(v, m, which, &result);
}

/* With a recorded market: everyone whose limit allows it, at the official print. */
static void clear_at(struct venue *v, struct market *m, enum time_in_force which, struct price price)
{
    struct auction_result result = { .price = price };
    EACH_IN(o, m, QUEUE_AUCTION)
    {
        if (o->time_in_force != which || o->working_ns == 0 || !match_is_acceptable(o, price))
            continue;
        int64_t qty = order_left(o);
        core_execute(v, o, qty, core_slipped(v, o, price));
        result.qty += qty;
    }
    if (result.qty > 0)
        tell_cross(v, m, which, &result);
}

static void expire(struct venue *v, struct market *m, enum time_in_force which)
{
    EACH_IN(o, m, QUEUE_AUCTION)
    if (o->time_in_force == which && o->date == v->session.date)
        core_finish(v, o, ORDER_EXPIRED, TRADE_EXPIRED);
}

static void opening_auction(struct venue *v, struct market *m, struct price price)
{
    if (m->halted)
        return;
    m->opened_date = v->session.date;
    v->lasts[m - v->markets] = price;
    clear_at(v, m, TIF_OPG, price);
    expire(v, m, TIF_OPG);
}

void core_regular_print(struct venue *v, struct market *m, struct price price)
{
    if (m->regular_date && m->regular_date != v->session.date)
        m->previous_close = m->regular_close;
    m->regular_date = v->session.date;
    m->regular_close = price;
}

/* ---- the session's boundaries */

/* Those whose hours begin. */
static void let_in(struct venue *v, struct market *m)
{
    EACH_IN(o, m, QUEUE_WAITING)
    {
        if (!core_is_active(v, o))
            continue;
        if (o->working_ns == 0) {
            core_start(v, o);
        } else { /* over night */
            o->working_ns = v->now_ns;
            core_move(v, o, QUEUE_NONE);
            core_come_in(v, o);
        }
    }
}

static void route_auction(struct venue *v, struct market *m, enum time_in_force which)
{
    EACH_IN(o, m, QUEUE_AUCTION)
    if (o->time_in_force == which && o->working_ns == 0 && o->date == v->session.date)
        core_start(v, o);
}

static void open_session(struct venue *v)
{
    v->phase = PHASE_REGULAR;
    for (size_t i = 0; i < v->symbols_count; i++) {
        struct market *m = &v->markets[i];
        route_auction(v, m, TIF_OPG);
        if (!m->asset.has_feed) {
            m->opened_date = v->session.date;
            if (!m->halted)
                cross(v, m, TIF_OPG);
            expire(v, m, TIF_OPG);
        } else if (m->start_ns == v->now_ns) {
            opening_auction(v, m, m->start_open);
        }
    }
    for (size_t i = 0; i < v->symbols_count; i++) {
        route_auction(v, &v->markets[i], TIF_CLS);
        let_in(v, &v->markets[i]);
    }
    core_settle(v);
}

/* The hours of an order end: it expires, or waits for the next. */
static void end_hours(struct venue *v, struct order *o)
{
    if (o->time_in_force == TIF_GTC && o->expires_ns <= v->now_ns + 15 * MINUTE_NS)
        core_finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
    else if (o->time_in_force != TIF_GTC)
        core_finish(v, o, ORDER_EXPIRED, TRADE_EXPIRED);
    else if (o->queue != QUEUE_WATCHED) /* stops watch the regular session only, as it is */
        core_move(v, o, QUEUE_WAITING);
}

static void end_resting(struct venue *v, struct market *m, bool extended_too)
{
    for (int side = SIDE_BUY; side <= SIDE_SELL && m->resting; side++)
        for (uint64_t id = book_first(m->book, (enum side)side), next; id; id = next) {
            struct order *o = m->by_slot[book_slot(id)];
            next = book_after(m->book, id);
            if (extended_too || !o->extended_hours)
                end_hours(v, o);
        }
}

static void close_session(struct venue *v)
{
    for (size_t i = 0; i < v->symbols_count; i++) {
        struct market *m = &v->markets[i];
        if (!m->asset.has_feed && !m->halted)
            cross(v, m, TIF_CLS);
        else if (m->asset.has_feed && m->regular_date == v->session.date && !m->halted)
            clear_at(v, m, TIF_CLS, m->regular_close);
        expire(v, m, TIF_CLS);
        expire(v, m, TIF_OPG); /* no regular bar all day */
        EACH_IN(o, m, QUEUE_WATCHED)
        end_hours(v, o);
        end_resting(v, m, false);
        EACH_IN(o, m, QUEUE_HALTED)
        if (!o->extended_hours)
            end_hours(v, o);
    }
    core_settle(v);
    for (size_t i = 0; i < v->accounts_count; i++) {
        struct account_figures f;
        account_figures(v->accounts[i], v->lasts, &f);
        v->accounts[i]->last_equity_micros = f.equity;
        v->accounts[i]->last_maintenance_micros = f.maintenance_margin;
        v->accounts[i]->last_equity_date = v->session.date;
    }
    v->evening = v->session;
    v->phase = PHASE_POST;
    v->has_session = calendar_next(&v->session, &v->session);
}

static void end_evening(struct venue *v)
{
    v->phase = PHASE_NIGHT;
    for (size_t i = 0; i < v->symbols_count && v->extended_count; i++) {
        struct market *m = &v->markets[i];
        end_resting(v, m, true);
        EACH_IN(o, m, QUEUE_HALTED)
        end_hours(v, o);
    }
    core_settle(v);
}

static void start_morning(struct venue *v)
{
    v->phase = PHASE_PRE;
    core_act(v);
    for (size_t i = 0; i < v->symbols_count && v->extended_count; i++)
        let_in(v, &v->markets[i]);
    core_settle(v);
}

/* What ends the phase, and when. */
static void (*const ends[])(struct venue *) = {
    [PHASE_NIGHT] = start_morning,
    [PHASE_PRE] = open_session,
    [PHASE_REGULAR] = close_session,
    [PHASE_POST] = end_evening,
};

static int64_t phase_ends_ns(const struct venue *v)
{
    const struct session *s = &v->session;
    return v->phase == PHASE_POST    ? v->evening.post_close_ns
           : !v->has_session         ? INT64_MAX
           : v->phase == PHASE_NIGHT ? s->pre_open_ns
           : v->phase == PHASE_PRE   ? s->open_ns
                                     : s->close_ns;
}

static void cross_boundary(struct venue *v)
{
    ends[v->phase](v);
    v->boundary_ns = phase_ends_ns(v);
}

/* The first time we hear of: nothing behind it happened. */
static void begin(struct venue *v, int64_t time_ns)
{
    v->has_session = calendar_session_at(time_ns, &v->session);
    if (v->has_session && v->session.open_ns < time_ns)
        v->phase = PHASE_REGULAR;
    else if (v->has_session && v->session.pre_open_ns < time_ns)
        v->phase = PHASE_PRE;
    else if (v->has_session && calendar_previous(&v->session, &v->evening) && v->evening.post_close_ns >= time_ns)
        v->phase = PHASE_POST;
    v->boundary_ns = phase_ends_ns(v);
    core_skip_actions(v);
}

static inline void set_now(struct venue *v, int64_t time_ns)
{
    assert(time_ns >= v->now_ns);
    if (v->now_ns == INT64_MIN)
        begin(v, time_ns);
    if (time_ns >= v->date_until_ns) {
        v->date = calendar_date(time_ns);
        v->date_until_ns = calendar_ns(calendar_add_days(v->date, 1), 0);
    }
    v->now_ns = time_ns;
}

/* Boundaries before time_ns that no instant fell on. */
static inline void catch_up(struct venue *v, int64_t time_ns)
{
    while (v->boundary_ns < time_ns) {
        set_now(v, v->boundary_ns);
        cross_boundary(v);
    }
}

void core_come_to(struct venue *v, int64_t time_ns)
{
    catch_up(v, time_ns + 1);
    set_now(v, time_ns);
}

static void take_trades(struct venue *v, const struct instant *in)
{
    for (size_t i = 0; i < in->trades_count; i++) {
        struct market *m = &v->markets[in->trades[i].symbol];
        const struct trade_print *t = &in->trades[i].trade;
        if (v->phase == PHASE_REGULAR && m->opened_date != v->session.date)
            opening_auction(v, m, t->price);
        core_print(v, m, t->price, t->size);
    }
}

void venue_instant(struct venue *v, const struct instant *in)
{
    catch_up(v, in->time_ns);
    set_now(v, in->time_ns);
    for (size_t i = 0; i < in->quotes_count; i++)
        core_quote(v, &in->quotes[i]);
    bool opens = v->boundary_ns == in->time_ns && v->phase == PHASE_PRE;
    if (!opens) /* the print of the open belongs to the session, that of the close too */
        take_trades(v, in);
    for (size_t i = 0; i < in->ended_count; i++)
        if (!in->ended[i].is_told)
            core_bar_ended(v, &in->ended[i]);
    for (size_t i = 0; i < in->starting_count; i++) {
        if (in->starting[i].is_told)
            continue;
        struct market *m = &v->markets[in->starting[i].symbol];
        m->start_ns = in->time_ns;
        m->start_open = in->starting[i].bar.open;
        m->start_shown = SHOWN_ALL;
    }
    while (v->boundary_ns == in->time_ns)
        cross_boundary(v);
    if (opens)
        take_trades(v, in);
    for (size_t i = 0; i < in->starting_count; i++) {
        if (in->starting[i].is_told)
            continue;
        struct market *m = &v->markets[in->starting[i].symbol];
        if (v->phase == PHASE_REGULAR && m->opened_date != v->session.date)
            opening_auction(v, m, m->start_open); /* no 09:30 bar: its first regular one */
        core_print_starts(v, m);
    }
    core_settle(v);
}

int64_t venue_next_ns(const struct venue *v)
{
    if (v->open_count == 0 || !v->has_session)
        return INT64_MAX;
    bool is_wanted = v->extended_count > 0 || v->actions_done < v->actions_count;
    if (is_wanted || v->phase == PHASE_PRE || v->phase == PHASE_REGULAR)
        return v->boundary_ns;
    return v->session.open_ns; /* nobody waits for the evening's end or the morning */
}

/* ---- halts */

void venue_halt(struct venue *v, int symbol, bool halted, int64_t time_ns)
{
    struct market *m = &v->markets[symbol];
    core_come_to(v, time_ns);
    if (m->halted == halted)
        return;
    m->halted = halted;
    core_tell_market(v, &(struct market_event){ .kind = halted ? MARKET_HALT : MARKET_RESUME, .symbol = symbol,
                                                .time_ns = time_ns, .price = PRICE_NONE });
    if (halted)
        return;
    if (m->quote_date == v->date) {
        const struct symbol_quote q = { symbol, m->quote };
        core_quote(v, &q);
    }
    EACH_IN(o, m, QUEUE_HALTED)
    {
        core_move(v, o, QUEUE_NONE);
        core_come_in(v, o);
    }
    core_settle(v);
}
