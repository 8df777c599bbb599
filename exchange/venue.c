#include "exchange/venue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/matching.h"

struct market { /* one symbol */
    char name[SYMBOL_SIZE];
    struct price reference, previous_close;
    struct quote quote;         /* latest */
    int32_t quote_date;         /* its New York date; only today's counts */
    int64_t start_ns;           /* the newest bar's start ... */
    struct price start_open;    /* ... and open */
    int32_t regular_date;       /* of the newest regular bar that ended ... */
    struct price regular_close; /* ... and its close */
    int32_t opened_date;        /* the opening auction of this day has cleared */
    struct order *first, *last; /* open orders, in order of arrival */
};

struct venue {
    struct venue_options options;
    size_t symbols_count;
    struct market *markets;
    struct price *lasts;
    struct table by_symbol, by_key;
    struct account **accounts;
    size_t accounts_count;
    int64_t now_ns;
    int32_t date;           /* of now, New York ... */
    int64_t date_until_ns;  /* ... until then */
    struct session session; /* in progress or next; opened: its opening is behind us */
    bool has_session, opened;
    size_t open_count; /* open orders of all symbols */
};

/* ---- life */

struct venue *venue_new(const struct venue_options *options, const char (*symbols)[SYMBOL_SIZE], size_t count)
{
    struct venue *v = must_alloc(1, sizeof *v);
    v->options = *options;
    v->symbols_count = count;
    v->markets = must_alloc(count ? count : 1, sizeof *v->markets);
    v->lasts = must_alloc(count ? count : 1, sizeof *v->lasts);
    for (size_t i = 0; i < count; i++) {
        struct market *m = &v->markets[i];
        memcpy(m->name, symbols[i], SYMBOL_SIZE);
        m->reference = m->previous_close = m->regular_close = m->start_open = v->lasts[i] = PRICE_NONE;
        m->quote.bid = m->quote.ask = PRICE_NONE;
        m->start_ns = INT64_MIN;
        table_put(&v->by_symbol, m->name, m);
    }
    v->now_ns = v->date_until_ns = INT64_MIN;
    return v;
}

void venue_free(struct venue *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->accounts_count; i++) {
        struct account *a = v->accounts[i];
        for (size_t k = 0; k < a->orders_count; k++) {
            free((char *)a->orders[k]->client_order_id);
            free(a->orders[k]);
        }
        for (size_t k = 0; k < a->fills_count; k++)
            free(a->fills[k]);
        table_clear(&a->by_client_id);
        free(a->orders);
        free(a->fills);
        free(a->holdings);
        free(a->touched);
        free(a);
    }
    free(v->accounts);
    table_clear(&v->by_symbol);
    table_clear(&v->by_key);
    free(v->markets);
    free(v->lasts);
    free(v);
}

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

void venue_prime(struct venue *v, int symbol, struct price reference, struct price last,
                 struct price previous_close)
{
    v->markets[symbol].reference = reference;
    v->markets[symbol].previous_close = previous_close;
    v->lasts[symbol] = last;
}

void venue_prime_quote(struct venue *v, const struct symbol_quote *q)
{
    v->markets[q->symbol].quote = q->quote;
    v->markets[q->symbol].quote_date = calendar_date(q->quote.time_ns);
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

int64_t venue_now_ns(const struct venue *v)
{
    return v->now_ns;
}

/* ---- accounts */

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

void venue_configure(struct venue *v, struct account *a, const struct account_config *config)
{
    (void)v;
    a->config = *config;
}

struct account *venue_account_open(struct venue *v, const char *key, const char *secret,
                                   const uint64_t bits[2], int64_t time_ns)
{
    assert(!venue_account(v, key));
    struct account *a = must_alloc(1, sizeof *a);
    bool fits = text_copy(a->key, sizeof a->key, key) && text_copy(a->secret, sizeof a->secret, secret);
    (void)fits;
    assert(fits);
    memcpy(a->bits, bits, sizeof a->bits);
    account_make_id(a, ID_ACCOUNT, 0, a->id);
    a->config.max_margin_multiplier = 4;
    a->owner = (uint32_t)v->accounts_count + 1;
    uint64_t stir = bits[0] ^ bits[1];
    memcpy(a->number, "PA", 3);
    for (int i = 2; i < 12; i++)
        a->number[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[random_next(&stir) % 36];
    a->created_ns = time_ns;
    a->cash_micros = a->start_cash_micros = a->last_equity_micros = v->options.cash_micros;
    a->holdings = must_alloc(v->symbols_count ? v->symbols_count : 1, sizeof *a->holdings);
    v->accounts = must_realloc(v->accounts, v->accounts_count + 1, sizeof *v->accounts);
    v->accounts[v->accounts_count++] = a;
    table_put(&v->by_key, a->key, a);
    return a;
}

/* ---- an order's way */

static void emit(struct venue *v, struct order *o, enum trade_event_kind kind, const struct fill *fill)
{
    struct trade_event e = {
        .kind = kind, .time_ns = v->now_ns, .number = ++o->account->events, .order = o, .fill = fill
    };
    o->updated_ns = v->now_ns;
    if (v->options.sink)
        v->options.sink(v->options.ctx, &e);
}

static void link_open(struct venue *v, struct order *o)
{
    struct market *m = &v->markets[o->symbol];
    o->previous = m->last;
    *(m->last ? &m->last->next : &m->first) = o;
    m->last = o;
    struct account *a = o->account;
    o->open_previous = a->open_last;
    *(a->open_last ? &a->open_last->open_next : &a->open_first) = o;
    a->open_last = o;
    v->open_count++;
}

static void unlink_open(struct venue *v, struct order *o)
{
    struct market *m = &v->markets[o->symbol];
    *(o->previous ? &o->previous->next : &m->first) = o->next;
    *(o->next ? &o->next->previous : &m->last) = o->previous;
    struct account *a = o->account;
    *(o->open_previous ? &o->open_previous->open_next : &a->open_first) = o->open_next;
    *(o->open_next ? &o->open_next->open_previous : &a->open_last) = o->open_previous;
    o->next = o->previous = o->open_next = o->open_previous = NULL;
    v->open_count--;
}

/* Ends an order without an execution. */
static void finish(struct venue *v, struct order *o, enum order_status status, enum trade_event_kind kind)
{
    account_keep(o, 0);
    unlink_open(v, o);
    o->status = status;
    o->ended_ns = v->now_ns;
    emit(v, o, kind, NULL);
}

static void start_working(struct venue *v, struct order *o)
{
    o->status = ORDER_PENDING_NEW;
    emit(v, o, TRADE_PENDING_NEW, NULL);
    o->status = ORDER_NEW;
    o->working_ns = v->now_ns;
    emit(v, o, TRADE_NEW, NULL);
}

/* Slippage moves a market order's price against it, never below the smallest price. */
static struct price slipped(const struct venue *v, const struct order *o, struct price price)
{
    if (v->options.slippage_micros == 0 || o->type != ORDER_MARKET)
        return price;
    __int128 move = ((__int128)price.micros * v->options.slippage_micros + 500000) / 1000000;
    __int128 moved = price.micros + side_sign(o->side) * move;
    return (struct price){ moved < 1 ? 1 : moved > INT64_MAX ? INT64_MAX : (int64_t)moved };
}

/* The one place where something is traded. */
static void execute(struct venue *v, struct order *o, struct price price)
{
    struct account *a = o->account;
    int64_t qty = order_left(o);
    price = slipped(v, o, price);
    __int128 fee = value_micros((struct price){ v->options.fee_micros }, qty);
    if (fee != (int64_t)fee || !account_book(a, o->symbol, o->side, qty, price, (int64_t)fee, v->date)) {
        finish(v, o, ORDER_REJECTED, TRADE_REJECTED); /* the account can't hold the amount */
        return;
    }
    o->filled_qty += qty;
    o->filled_value += (__int128)price.micros * qty;
    o->status = order_left(o) ? ORDER_PARTIALLY_FILLED : ORDER_FILLED;
    account_keep(o, order_left(o));
    if (order_left(o) == 0) {
        o->ended_ns = v->now_ns;
        unlink_open(v, o);
    }
    struct fill *f = must_alloc(1, sizeof *f);
    *f = (struct fill){
        .order = o,
        .time_ns = v->now_ns,
        .qty = qty,
        .cum_qty = o->filled_qty,
        .leaves_qty = order_left(o),
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
    emit(v, o, o->status == ORDER_FILLED ? TRADE_FILL : TRADE_PARTIAL_FILL, f);
}

/* ---- matching between the auctions */

/* Does the quote rule hold for this side today? Otherwise bars decide. */
static bool has_far_side(const struct venue *v, const struct market *m, enum side side)
{
    return m->quote_date == v->date && price_is_set(match_far_side(&m->quote, side));
}

static bool is_working(const struct order *o)
{
    return o->working_ns != 0 && order_is_open(o);
}

static bool is_continuous(const struct order *o)
{
    return o->time_in_force == TIF_DAY && is_working(o);
}

/* What a working order can do at once: the quote, or the print of this very instant. */
static void match_now(struct venue *v, struct order *o)
{
    const struct market *m = &v->markets[o->symbol];
    struct price at;
    if (!is_continuous(o))
        return;
    if (has_far_side(v, m, o->side)) {
        if (match_quote(o, &m->quote, &at))
            execute(v, o, at);
    } else if (m->start_ns == v->now_ns && match_print(o, m->start_open, &at)) {
        execute(v, o, at);
    }
}

/* Each open order of a symbol; the body may end it. */
#define EACH_OPEN(o, market)                                                                                 \
    for (struct order *o = (market)->first, *o##_next; o && (o##_next = o->next, true); o = o##_next)

static void apply_quote(struct venue *v, const struct symbol_quote *q)
{
    struct market *m = &v->markets[q->symbol];
    m->quote = q->quote;
    m->quote_date = v->date;
    struct price at;
    EACH_OPEN(o, m)
    if (is_continuous(o) && match_quote(o, &m->quote, &at))
        execute(v, o, at);
}

static void apply_ended(struct venue *v, const struct symbol_bar *b)
{
    struct market *m = &v->markets[b->symbol];
    const struct bar *bar = &b->bar;
    v->lasts[b->symbol] = bar->close;
    if (v->has_session && bar->open_time_ns >= v->session.open_ns &&
        bar->open_time_ns < v->session.close_ns) {
        if (m->regular_date && m->regular_date != v->session.date)
            m->previous_close = m->regular_close;
        m->regular_date = v->session.date;
        m->regular_close = bar->close;
    }
    struct price at;
    EACH_OPEN(o, m)
    if (is_continuous(o) && !has_far_side(v, m, o->side) && match_bar(o, bar, &at))
        execute(v, o, at);
}

/* ---- auctions and sessions */

static void auction(struct venue *v, struct market *m, enum time_in_force which, struct price price)
{
    struct price at;
    EACH_OPEN(o, m)
    if (o->time_in_force == which && is_working(o) && match_auction(o, price, &at))
        execute(v, o, at);
}

static void expire(struct venue *v, struct market *m, enum time_in_force which)
{
    EACH_OPEN(o, m)
    if (o->time_in_force == which && is_working(o))
        finish(v, o, ORDER_EXPIRED, TRADE_EXPIRED);
}

static void route(struct venue *v, struct market *m, bool auction_orders)
{
    EACH_OPEN(o, m)
    if (o->status == ORDER_ACCEPTED && o->date == v->session.date &&
        (o->time_in_force == TIF_OPG) == auction_orders)
        start_working(v, o);
}

static void opening_auction(struct venue *v, struct market *m)
{
    m->opened_date = v->session.date;
    v->lasts[m - v->markets] = m->start_open;
    auction(v, m, TIF_OPG, m->start_open);
    expire(v, m, TIF_OPG);
}

static void open_session(struct venue *v)
{
    v->opened = true;
    for (size_t i = 0; i < v->symbols_count; i++) {
        struct market *m = &v->markets[i];
        route(v, m, true);
        if (m->start_ns == v->now_ns)
            opening_auction(v, m);
    }
    for (size_t i = 0; i < v->symbols_count; i++) {
        struct market *m = &v->markets[i];
        route(v, m, false);
        if (has_far_side(v, m, SIDE_BUY) || has_far_side(v, m, SIDE_SELL))
            EACH_OPEN(o, m)
        if (has_far_side(v, m, o->side))
            match_now(v, o);
    }
}

static void close_session(struct venue *v)
{
    for (size_t i = 0; i < v->symbols_count; i++) {
        struct market *m = &v->markets[i];
        if (m->regular_date == v->session.date)
            auction(v, m, TIF_CLS, m->regular_close);
        expire(v, m, TIF_CLS);
        expire(v, m, TIF_OPG); /* no regular bar all day */
        expire(v, m, TIF_DAY);
    }
    for (size_t i = 0; i < v->accounts_count; i++) {
        struct account_figures f;
        account_figures(v->accounts[i], v->lasts, &f);
        v->accounts[i]->last_equity_micros = f.equity;
        v->accounts[i]->last_maintenance_micros = f.maintenance_margin;
        v->accounts[i]->last_equity_date = v->session.date;
    }
    v->has_session = calendar_next(&v->session, &v->session);
    v->opened = false;
}

static void set_now(struct venue *v, int64_t time_ns)
{
    assert(time_ns >= v->now_ns);
    if (v->now_ns == INT64_MIN) { /* the first time we hear of: nothing behind it happened */
        v->has_session = calendar_session_at(time_ns, &v->session);
        v->opened = v->has_session && v->session.open_ns < time_ns;
    }
    if (time_ns >= v->date_until_ns) {
        v->date = calendar_date(time_ns);
        v->date_until_ns = calendar_ns(calendar_add_days(v->date, 1), 0);
    }
    v->now_ns = time_ns;
}

/* Openings and closes before time_ns that no instant fell on. */
static void catch_up(struct venue *v, int64_t time_ns)
{
    if (v->now_ns == INT64_MIN)
        return;
    while (v->has_session) {
        if (!v->opened && v->session.open_ns < time_ns) {
            set_now(v, v->session.open_ns);
            open_session(v);
        } else if (v->opened && v->session.close_ns < time_ns) {
            set_now(v, v->session.close_ns);
            close_session(v);
        } else {
            break;
        }
    }
}

void venue_instant(struct venue *v, const struct instant *in)
{
    catch_up(v, in->time_ns);
    set_now(v, in->time_ns);
    for (size_t i = 0; i < in->quotes_count; i++)
        apply_quote(v, &in->quotes[i]);
    for (size_t i = 0; i < in->ended_count; i++)
        apply_ended(v, &in->ended[i]);
    for (size_t i = 0; i < in->starting_count; i++) {
        struct market *m = &v->markets[in->starting[i].symbol];
        m->start_ns = in->time_ns;
        m->start_open = in->starting[i].bar.open;
    }
    if (v->has_session && v->opened && v->session.close_ns == in->time_ns)
        close_session(v);
    if (v->has_session && !v->opened && v->session.open_ns == in->time_ns)
        open_session(v);
    for (size_t i = 0; i < in->starting_count; i++) {
        struct market *m = &v->markets[in->starting[i].symbol];
        if (v->has_session && v->opened && m->opened_date != v->session.date)
            opening_auction(v, m); /* no 09:30 bar: its first regular one */
        EACH_OPEN(o, m)
        match_now(v, o);
    }
}

int64_t venue_next_ns(const struct venue *v)
{
    if (v->open_count == 0 || !v->has_session)
        return INT64_MAX;
    return v->opened ? v->session.close_ns : v->session.open_ns;
}

/* ---- submission */

static bool is_positive_whole(int64_t qty_micros)
{
    return qty_micros > 0 && qty_micros % 1000000 == 0;
}

static bool check_syntax(const struct account *a, const struct order_request *q, struct refusal *r)
{
    if (q->symbol[0] == '\0')
        return refuse(r, REFUSED_SYMBOL_MISSING);
    if (q->qty_micros <= 0)
        return refuse(r, REFUSED_QTY_NOT_POSITIVE);
    if (q->qty_micros > INT64_C(1000000000) * 1000000)
        return refuse(r, REFUSED_QTY_TOO_LARGE);
    if (q->type == ORDER_LIMIT && !price_is_set(q->limit.price))
        return refuse(r, REFUSED_LIMIT_MISSING);
    if (q->type == ORDER_MARKET && price_is_set(q->limit.price))
        return refuse(r, REFUSED_MARKET_WITH_PRICE);
    if (q->type == ORDER_LIMIT && q->limit.price.micros <= 0)
        return refuse(r, REFUSED_LIMIT_NOT_POSITIVE);
    if (q->type == ORDER_LIMIT && q->limit.price.micros > INT64_C(1000000000) * USD)
        return refuse(r, REFUSED_LIMIT_TOO_LARGE);
    if (q->client_order_id_is_too_long)
        return refuse(r, REFUSED_CLIENT_ID_LENGTH);
    if (q->client_order_id[0] && account_order_by_client_id(a, q->client_order_id))
        return refuse(r, REFUSED_CLIENT_ID_USED);
    return true;
}

/* Which session an order sent now works in, or why it may not be sent now. */
static bool check_window(const struct venue *v, const struct order_request *q, struct session *out,
                         struct refusal *r)
{
    struct session s = v->session, before;
    if (!v->has_session)
        return refuse(r, REFUSED_CALENDAR);
    if (q->time_in_force == TIF_DAY) {
        *out = s;
        return true;
    }
    bool is_opg = q->time_in_force == TIF_OPG;
    enum refusal_kind kind = is_opg ? REFUSED_OPG_WINDOW : REFUSED_CLS_WINDOW;
    if (is_opg && v->now_ns >= s.open_ns && !calendar_next(&s, &s))
        return refuse(r, REFUSED_CALENDAR);
    int64_t end = is_opg ? s.open_ns - 2 * MINUTE_NS : s.close_ns - 10 * MINUTE_NS;
    if (v->now_ns >= end || !calendar_previous(&s, &before) ||
        v->now_ns < calendar_ns(before.date, 19 * 3600))
        return refuse(r, kind);
    *out = s;
    return true;
}

static bool is_too_fine(const struct order_request *q)
{
    if (q->type != ORDER_LIMIT)
        return false;
    return q->limit.is_too_fine || q->limit.price.micros % (q->limit.price.micros >= USD ? 10000 : 100) != 0;
}

/* Buying power kept for each share of an order that opens: 18.1 of the broker's rules. */
static struct price reserve_for(const struct venue *v, const struct order *o)
{
    const struct market *m = &v->markets[o->symbol];
    struct price last = price_is_set(v->lasts[o->symbol]) ? v->lasts[o->symbol] : m->reference;
    struct price ask = has_far_side(v, m, SIDE_BUY) ? m->quote.ask : last;
    __int128 at = 0;
    if (o->side == SIDE_BUY && o->type == ORDER_LIMIT)
        at = o->limit.micros;
    else if (o->side == SIDE_BUY && price_is_set(last))
        at = (__int128)last.micros * (last.micros < 50 * USD ? 1040 : 1025) / 1000;
    else if (o->side == SIDE_SELL && price_is_set(ask))
        at = (__int128)ask.micros * 103 / 100;
    if (o->side == SIDE_SELL && o->type == ORDER_LIMIT && at < o->limit.micros)
        at = o->limit.micros;
    return (struct price){ at > INT64_MAX ? INT64_MAX : (int64_t)at };
}

static void money_text(__int128 micros, char out[PRICE_TEXT_MAX])
{
    price_format((struct price){ micros > INT64_MAX ? INT64_MAX : (int64_t)micros }, out);
}

/* Quantity, short sale and buying power; settles whether the order opens. */
static bool check_means(const struct venue *v, struct account *a, const struct order_request *q,
                        struct order *o, struct refusal *r)
{
    const struct holding *h = &a->holdings[o->symbol];
    int64_t signed_qty = h->position.qty, existing = signed_qty < 0 ? -signed_qty : signed_qty;
    bool closes = signed_qty != 0 && (signed_qty > 0) == (o->side == SIDE_SELL);
    int64_t available = closes && existing > h->held_qty ? existing - h->held_qty : 0;
    /* All of it held by other orders: taken for an opening order (the broker refuses; that belongs to the
     * wash-trade rule, which is not enforced yet). */
    o->opens = available == 0;
    if (q->position_intent[0] && strcmp(q->position_intent, order_intent(o)) != 0)
        return refuse(r, REFUSED_INTENT, order_intent(o), q->position_intent);
    if (!o->opens) {
        if (available >= o->qty)
            return true;
        char texts[4][QTY_TEXT_MAX];
        const int64_t qtys[] = { o->qty, available, existing, h->held_qty };
        for (size_t i = 0; i < COUNT_OF(qtys); i++)
            qty_format(qtys[i], texts[i]);
        refuse(r, REFUSED_QTY_AVAILABLE, texts[0], texts[1]);
        refusal_add(r, "available", "%s", texts[1]);
        refusal_add(r, "existing_qty", "%s", texts[2]);
        refusal_add(r, "held_for_orders", "%s", texts[3]);
        refusal_add(r, "symbol", "%s", v->markets[o->symbol].name);
        return false;
    }
    struct account_figures f;
    account_figures(a, v->lasts, &f);
    if (o->side == SIDE_SELL && f.equity < 2000 * USD)
        return refuse(r, REFUSED_SHORT);
    o->reserve = reserve_for(v, o);
    __int128 cost = value_micros(o->reserve, o->qty);
    if (cost <= f.buying_power)
        return true;
    char text[PRICE_TEXT_MAX];
    refuse(r, REFUSED_BUYING_POWER);
    money_text(f.buying_power, text);
    refusal_add(r, "buying_power", "%s", text);
    money_text(cost, text);
    refusal_add(r, "cost_basis", "%s", text);
    return false;
}

bool venue_submit(struct venue *v, struct account *a, const struct order_request *q, int64_t time_ns,
                  struct order **out, struct order *snapshot, struct refusal *r)
{
    catch_up(v, time_ns + 1);
    set_now(v, time_ns);
    struct order draft = {
        .account = a,
        .side = q->side,
        .type = q->type,
        .time_in_force = q->time_in_force,
        .limit = q->limit.price,
        .stop = PRICE_NONE,
        .trail_price = PRICE_NONE,
        .hwm = PRICE_NONE,
        .cap = PRICE_NONE,
        .submitted_ns = time_ns,
        .updated_ns = time_ns,
        .index = (int64_t)a->orders_count,
    };
    if (!check_syntax(a, q, r))
        return false;
    if (q->type > ORDER_LIMIT)
        return refuse(r, REFUSED_TYPE_UNSUPPORTED, order_type_names[q->type]);
    if (q->time_in_force > TIF_CLS)
        return refuse(r, REFUSED_TIF_UNSUPPORTED, time_in_force_names[q->time_in_force]);
    if (q->order_class != CLASS_SIMPLE)
        return refuse(r, REFUSED_CLASS, order_class_names[q->order_class]);
    if (q->has_notional)
        return refuse(r, REFUSED_NOTIONAL);
    if (q->extended_hours)
        return refuse(r, REFUSED_EXTENDED_UNSUPPORTED);
    draft.symbol = venue_symbol(v, q->symbol);
    if (draft.symbol < 0)
        return refuse(r, REFUSED_ASSET, q->symbol);
    if (!is_positive_whole(q->qty_micros))
        return refuse(r, REFUSED_FRACTION, q->symbol);
    draft.qty = q->qty_micros;
    struct session session = { 0 };
    if (!check_window(v, q, &session, r))
        return false;
    draft.date = session.date;
    draft.expires_ns = q->time_in_force == TIF_OPG ? session.open_ns : session.close_ns;
    if (is_too_fine(q))
        return refuse(r, REFUSED_SUB_PENNY, "limit_price", q->limit.text);
    if (!check_means(v, a, q, &draft, r))
        return false;

    struct order *o = must_alloc(1, sizeof *o);
    *o = draft;
    if (q->client_order_id[0])
        o->client_order_id = must_strdup(q->client_order_id);
    if (a->orders_count == a->orders_size) {
        a->orders_size = a->orders_size ? a->orders_size * 2 : 64;
        a->orders = must_realloc(a->orders, a->orders_size, sizeof *a->orders);
    }
    a->orders[a->orders_count++] = o;
    if (o->client_order_id)
        table_put(&a->by_client_id, o->client_order_id, o);
    account_keep(o, o->qty);
    link_open(v, o);
    *out = o;

    bool is_open = v->opened && o->date == v->session.date;
    o->status = is_open ? ORDER_PENDING_NEW : ORDER_ACCEPTED;
    if (snapshot)
        *snapshot = *o;
    if (is_open) {
        start_working(v, o);
        match_now(v, o);
    } else {
        emit(v, o, TRADE_ACCEPTED, NULL);
    }
    return true;
}

bool venue_cancel(struct venue *v, struct order *o, int64_t time_ns, struct refusal *r)
{
    catch_up(v, time_ns + 1);
    set_now(v, time_ns);
    if (o->status == ORDER_CANCELED)
        return true;
    if (!order_is_open(o))
        return refuse(r, REFUSED_ORDER_FINAL, order_status_names[o->status]);
    finish(v, o, ORDER_CANCELED, TRADE_CANCELED);
    return true;
}

/* ---- for tests */

static bool account_is_consistent(const struct venue *v, const struct account *a)
{
    bool ok = true;
    struct position *p = must_alloc(v->symbols_count, sizeof *p);
    int64_t *held = must_alloc(v->symbols_count, sizeof *held);
    __int128 cash = a->start_cash_micros, reserved = 0;
    for (size_t i = 0; i < a->fills_count; i++) {
        const struct fill *f = a->fills[i];
        const struct order *o = f->order;
        __int128 amount = value_micros(f->price, f->qty);
        cash -= side_sign(o->side) * amount + f->fee_micros;
        ok &= position_apply_amount(&p[o->symbol], o->side, f->qty, amount, f->fee_micros);
        ok &= p[o->symbol].qty == f->position_qty;
    }
    for (size_t i = 0; i < a->orders_count; i++) {
        const struct order *o = a->orders[i];
        ok &= (o->status == ORDER_FILLED) == (order_left(o) == 0);
        if (order_is_open(o) && o->opens)
            reserved += (__int128)o->reserve.micros * order_left(o);
        else if (order_is_open(o))
            held[o->symbol] += order_left(o);
    }
    for (size_t i = 0; i < v->symbols_count; i++) {
        const struct position *have = &a->holdings[i].position;
        ok &= have->qty == p[i].qty && have->cost_micros == p[i].cost_micros &&
              have->realized_micros == p[i].realized_micros && held[i] == a->holdings[i].held_qty;
    }
    free(p);
    free(held);
    return ok && cash == a->cash_micros && reserved == a->reserved_value;
}

bool venue_is_consistent(const struct venue *v)
{
    bool ok = true;
    for (size_t i = 0; i < v->accounts_count; i++)
        ok &= account_is_consistent(v, v->accounts[i]);
    return ok;
}

/* ---- words */

const char *const trade_event_names[] = {
    "accepted",       "pending_new",           "new",             "held",     "partial_fill", "fill", "canceled", "expired", "rejected",
    "pending_cancel", "order_cancel_rejected", "pending_replace", "replaced", "restated",     NULL,
};
_Static_assert(COUNT_OF(trade_event_names) == TRADE_KINDS + 1, "one name for each kind");

void trade_event_execution_id(const struct trade_event *e, char out[UUID_SIZE])
{
    out[0] = '\0';
    if (e->fill)
        fill_id(e->fill, out);
    else if (e->kind != TRADE_PENDING_NEW)
        account_make_id(e->order->account, ID_EVENT, e->number, out);
}

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

/* ---- on their way: refused or empty until they are there */

bool venue_replace(struct venue *v, struct order *o, const struct replace_request *q, int64_t time_ns,
                   struct order **order, struct order *snapshot, struct refusal *r)
{
    (void)v, (void)q, (void)time_ns, (void)order, (void)snapshot;
    return refuse(r, REFUSED_REPLACE_STATUS, order_status_names[o->status]);
}

const struct asset *venue_asset(const struct venue *v, int symbol)
{
    static const struct asset all = { true, true, true, true, true, true };
    (void)v, (void)symbol;
    return &all;
}

void venue_set_asset(struct venue *v, int symbol, const struct asset *asset)
{
    (void)v, (void)symbol, (void)asset;
}

void venue_set_actions(struct venue *v, const struct corporate_action *actions, size_t count)
{
    (void)v, (void)actions, (void)count;
}

void venue_halt(struct venue *v, int symbol, bool halted, int64_t time_ns)
{
    (void)v, (void)symbol, (void)halted, (void)time_ns;
}

bool venue_is_halted(const struct venue *v, int symbol)
{
    (void)v, (void)symbol;
    return false;
}

void venue_stick_cancels(struct venue *v, bool stick)
{
    (void)v, (void)stick;
}

void venue_release_cancels(struct venue *v, bool refuse, int64_t time_ns)
{
    (void)v, (void)refuse, (void)time_ns;
}

size_t venue_depth(const struct venue *v, int symbol, enum side side, struct book_level *out, size_t count)
{
    (void)v, (void)symbol, (void)side, (void)out, (void)count;
    return 0;
}

void venue_volume(const struct venue *v, int symbol, struct book_volume *out)
{
    (void)v, (void)symbol;
    *out = (struct book_volume){ .last = PRICE_NONE };
}

bool venue_auction(const struct venue *v, int symbol, struct auction_view *out)
{
    (void)v, (void)symbol, (void)out;
    return false;
}
