/* rules.c - may an order be taken? In the broker's order of checks: words, asset, hours, increments, the account's
 * other orders, quantity, buying power. Nothing is changed here. */
#include <string.h>

#include "exchange/venue_core.h"

static void money_text(__int128 micros, char out[PRICE_TEXT_MAX])
{
    price_format((struct price){ micros > INT64_MAX ? INT64_MAX : (int64_t)micros }, out);
}

static void add_price(struct refusal *r, const char *name, struct price p)
{
    char text[PRICE_TEXT_MAX];
    price_format(p, text);
    refusal_add(r, name, "%s", text);
}

/* ---- words: what can be said without looking at the market */

static bool is_fraction(const struct order_request *q)
{
    return q->has_notional || q->qty_micros % QTY_SCALE != 0;
}

static bool check_quantity(const struct order_request *q, struct refusal *r)
{
    if (q->has_qty && q->has_notional)
        return refuse(r, REFUSED_QTY_AND_NOTIONAL);
    if (!q->has_qty && !q->has_notional)
        return refuse(r, REFUSED_QTY_MISSING);
    if (q->has_notional && q->notional_micros < USD)
        return refuse(r, REFUSED_NOTIONAL_LEAST);
    if (q->has_notional && q->notional_micros > INT64_C(1000000000) * USD)
        return refuse(r, REFUSED_NOTIONAL_TOO_LARGE);
    if (q->has_qty && q->qty_micros <= 0)
        return refuse(r, REFUSED_QTY_NOT_POSITIVE);
    if (q->has_qty && q->qty_micros > CORE_QTY_MAX)
        return refuse(r, REFUSED_QTY_TOO_LARGE);
    return true;
}

/* Prices of a limit and a stop, where they are wanted. */
static bool check_limit(struct price p, struct refusal *r)
{
    return p.micros <= 0           ? refuse(r, REFUSED_LIMIT_NOT_POSITIVE)
           : p.micros > LADDER_MAX ? refuse(r, REFUSED_LIMIT_TOO_LARGE)
                                   : true;
}

static bool check_stop(struct price p, struct refusal *r)
{
    return p.micros <= 0           ? refuse(r, REFUSED_STOP_NOT_POSITIVE)
           : p.micros > LADDER_MAX ? refuse(r, REFUSED_STOP_TOO_LARGE)
                                   : true;
}

static bool check_type(const struct order_request *q, struct refusal *r)
{
    bool has_limit = price_is_set(q->limit.price), has_stop = price_is_set(q->stop.price);
    bool has_trail = price_is_set(q->trail_price) || q->has_trail_percent;
    if (has_trail && q->type != ORDER_TRAILING_STOP)
        return refuse(r, REFUSED_TRAIL_WITHOUT_TYPE);
    switch (q->type) {
    case ORDER_MARKET:
        return has_limit || has_stop ? refuse(r, REFUSED_MARKET_WITH_PRICE) : true;
    case ORDER_LIMIT:
        if (q->order_class == CLASS_OCO && !has_stop)
            return true; /* take_profit has it */
        if (!has_limit)
            return refuse(r, REFUSED_LIMIT_MISSING);
        return has_stop ? refuse(r, REFUSED_LIMIT_WITH_STOP) : check_limit(q->limit.price, r);
    case ORDER_STOP:
        if (!has_stop)
            return refuse(r, REFUSED_STOP_MISSING);
        return has_limit ? refuse(r, REFUSED_STOP_WITH_LIMIT) : check_stop(q->stop.price, r);
    case ORDER_STOP_LIMIT:
        if (!has_stop || !has_limit)
            return refuse(r, REFUSED_STOP_LIMIT_MISSING);
        return check_stop(q->stop.price, r) && check_limit(q->limit.price, r);
    case ORDER_TRAILING_STOP:
        if (has_limit || has_stop)
            return refuse(r, REFUSED_TRAIL_WITH_PRICE);
        if (price_is_set(q->trail_price) == q->has_trail_percent)
            return refuse(r, REFUSED_TRAIL_MISSING);
        if (q->has_trail_percent && q->trail_percent < 100000)
            return refuse(r, REFUSED_TRAIL_PERCENT);
        if (q->has_trail_percent ? q->trail_percent >= 100 * INT64_C(1000000)
                                 : q->trail_price.micros <= 0 || q->trail_price.micros > LADDER_MAX)
            return refuse(r, REFUSED_TRAIL_PRICE);
        return true;
    }
    return refuse(r, REFUSED_TYPE);
}

static bool check_tif(const struct order_request *q, struct refusal *r)
{
    bool lasts = q->time_in_force == TIF_DAY || q->time_in_force == TIF_GTC;
    if (q->type == ORDER_TRAILING_STOP && !lasts)
        return refuse(r, REFUSED_TRAIL_TIF);
    if (q->type > ORDER_LIMIT && !lasts)
        return refuse(r, REFUSED_TYPE_TIF, time_in_force_names[q->time_in_force]);
    if (q->extended_hours && !(q->type == ORDER_LIMIT && lasts))
        return refuse(r, REFUSED_EXTENDED);
    return true;
}

static bool check_class(const struct order_request *q, struct refusal *r)
{
    const char *name = order_class_names[q->order_class];
    if (q->order_class == CLASS_SIMPLE)
        return q->has_take_profit || q->has_stop_loss ? refuse(r, REFUSED_LEGS_SIMPLE) : true;
    bool is_oco = q->order_class == CLASS_OCO;
    if (is_oco ? q->type != ORDER_LIMIT : q->type != ORDER_MARKET && q->type != ORDER_LIMIT)
        return refuse(r, REFUSED_CLASS_TYPE, name, is_oco ? "limit" : "market or limit");
    if (q->time_in_force != TIF_DAY && q->time_in_force != TIF_GTC)
        return refuse(r, REFUSED_CLASS_TIF, name);
    if (q->extended_hours)
        return refuse(r, REFUSED_CLASS_EXTENDED, name);
    bool take = q->has_take_profit && price_is_set(q->take_profit_limit.price);
    bool stop = q->has_stop_loss && price_is_set(q->stop_loss_stop.price);
    if (q->order_class == CLASS_OTO && q->has_take_profit == q->has_stop_loss)
        return refuse(r, REFUSED_OTO_LEGS);
    if (!take && (q->order_class != CLASS_OTO || q->has_take_profit))
        return refuse(r, REFUSED_TAKE_PROFIT_MISSING, name);
    if (!stop && (q->order_class != CLASS_OTO || q->has_stop_loss))
        return refuse(r, REFUSED_STOP_LOSS_MISSING, name);
    return (!take || check_limit(q->take_profit_limit.price, r)) && (!stop || check_stop(q->stop_loss_stop.price, r)) &&
           (!stop || !price_is_set(q->stop_loss_limit.price) || check_limit(q->stop_loss_limit.price, r));
}

static bool check_client_id(const struct account *a, const char *id, bool is_too_long, struct refusal *r)
{
    if (is_too_long)
        return refuse(r, REFUSED_CLIENT_ID_LENGTH);
    if (id[0] && account_order_by_client_id(a, id))
        return refuse(r, REFUSED_CLIENT_ID_USED);
    return true;
}

static bool check_fraction(const struct venue *v, const struct account *a, const struct order_request *q, int symbol,
                           struct refusal *r)
{
    if (!is_fraction(q))
        return true;
    if (!v->markets[symbol].asset.is_fractionable)
        return refuse(r, REFUSED_FRACTION, v->markets[symbol].name);
    if (a->config.no_fractional)
        return refuse(r, REFUSED_FRACTION_DISABLED);
    if (q->time_in_force != TIF_DAY)
        return refuse(r, REFUSED_FRACTION_TIF);
    if (q->order_class != CLASS_SIMPLE)
        return refuse(r, REFUSED_FRACTION_CLASS);
    if (q->extended_hours)
        return refuse(r, REFUSED_FRACTION_EXTENDED);
    return true;
}

bool rules_request(const struct venue *v, const struct account *a, const struct order_request *q, struct refusal *r)
{
    if (q->symbol[0] == '\0')
        return refuse(r, REFUSED_SYMBOL_MISSING);
    if (!check_quantity(q, r) || !check_type(q, r) || !check_tif(q, r) || !check_class(q, r) ||
        !check_client_id(a, q->client_order_id, q->client_order_id_is_too_long, r))
        return false;
    int symbol = venue_symbol(v, q->symbol);
    if (symbol < 0)
        return refuse(r, REFUSED_ASSET, q->symbol);
    if (!v->markets[symbol].asset.is_tradable)
        return refuse(r, REFUSED_NOT_TRADABLE, v->markets[symbol].name);
    if (a->config.suspend_trade)
        return refuse(r, REFUSED_SUSPENDED);
    return check_fraction(v, a, q, symbol, r);
}

/* ---- hours */

bool rules_window(const struct venue *v, struct order *o, struct refusal *r)
{
    struct session s = v->session, before;
    if (!v->has_session)
        return refuse(r, REFUSED_CALENDAR);
    if (o->time_in_force == TIF_OPG || o->time_in_force == TIF_CLS) {
        bool is_opg = o->time_in_force == TIF_OPG;
        if (is_opg && v->now_ns >= s.open_ns && !calendar_next(&s, &s))
            return refuse(r, REFUSED_CALENDAR);
        int64_t end = is_opg ? s.open_ns - 2 * MINUTE_NS : s.close_ns - 10 * MINUTE_NS;
        /* the morning after 19:00 of the session before needs no calendar */
        if (v->now_ns >= end ||
            (v->now_ns < s.pre_open_ns && (!calendar_previous(&s, &before) || v->now_ns < calendar_ns(before.date, 19 * 3600))))
            return refuse(r, is_opg ? REFUSED_OPG_WINDOW : REFUSED_CLS_WINDOW);
        o->expires_ns = is_opg ? s.open_ns : s.close_ns;
    } else if (o->time_in_force == TIF_GTC) {
        o->expires_ns = calendar_ns(calendar_add_days(v->date, 90), 16 * 3600 + 15 * 60);
    } else if (o->extended_hours) {
        if (v->phase == PHASE_POST)
            s = v->evening;
        o->expires_ns = s.post_close_ns;
    } else {
        o->expires_ns = s.close_ns;
    }
    o->date = s.date;
    return true;
}

/* ---- increments */

bool rules_price(const char *name, const struct asked_price *p, struct refusal *r)
{
    if (!price_is_set(p->price) || (!p->is_too_fine && ladder_has(p->price)))
        return true;
    return refuse(r, REFUSED_SUB_PENNY, name, p->text);
}

/* ---- prices against the market */

/* A plain stop must not trigger at once. */
static bool check_stop_side(const struct venue *v, const struct order *o, struct refusal *r)
{
    struct price now = core_price(v, o->symbol);
    if (o->type != ORDER_STOP || !price_is_set(now) || price_cmp(o->stop, now) * side_sign(o->side) > 0)
        return true;
    refuse(r, o->side == SIDE_SELL ? REFUSED_STOP_NOT_BELOW : REFUSED_STOP_NOT_ABOVE);
    add_price(r, "market_price", now);
    add_price(r, "stop_price", o->stop);
    return false;
}

bool rules_trigger(const struct venue *v, const struct order *o, struct refusal *r)
{
    return check_stop_side(v, o, r);
}

static bool base_refused(struct refusal *r, enum refusal_kind kind, bool above, struct price base)
{
    refuse(r, kind, above ? ">=" : "<=", above ? "+" : "-");
    add_price(r, "base_price", base);
    return false;
}

/* Take profit beyond the entry, stop loss short of it and of the market: a cent at least. `entry` is the side of the
 * position. */
bool rules_legs(const struct venue *v, const struct order *o, const struct order_request *q, struct refusal *r)
{
    if (o->order_class == CLASS_SIMPLE)
        return true;
    bool is_oco = o->order_class == CLASS_OCO;
    int sign = side_sign(is_oco ? side_opposite(o->side) : o->side);
    struct price market = core_price(v, o->symbol), take = q->take_profit_limit.price, stop = q->stop_loss_stop.price;
    struct price entry = is_oco ? PRICE_NONE : price_is_set(o->limit) ? o->limit : market;
    bool has_take = q->has_take_profit, has_stop = q->has_stop_loss;
    if (has_take && has_stop && (take.micros - stop.micros) * sign <= 0)
        return refuse(r, REFUSED_TAKE_PROFIT_STOP, sign > 0 ? ">" : "<");
    if (has_take && price_is_set(entry) && (take.micros - entry.micros) * sign < 10000)
        return base_refused(r, REFUSED_TAKE_PROFIT_BASE, sign > 0, entry);
    const struct price bases[] = { is_oco ? take : entry, market };
    for (size_t i = 0; has_stop && i < COUNT_OF(bases); i++)
        if (price_is_set(bases[i]) && (bases[i].micros - stop.micros) * sign < 10000)
            return base_refused(r, REFUSED_STOP_LOSS_BASE, sign < 0, bases[i]);
    return true;
}

/* ---- the account's other orders */

static bool is_exempt(const struct order *o)
{
    return o->order_class != CLASS_SIMPLE || o->type == ORDER_TRAILING_STOP;
}

static bool is_auction(const struct order *o)
{
    return o->time_in_force == TIF_OPG || o->time_in_force == TIF_CLS;
}

/* An auction's order meets no other than that auction's. */
static bool may_meet(const struct order *a, const struct order *b)
{
    return a->time_in_force == b->time_in_force || (!is_auction(a) && !is_auction(b));
}

static bool has_bound(const struct order *o)
{
    return o->type == ORDER_LIMIT || o->type == ORDER_STOP_LIMIT;
}

static bool would_wash(const struct order *in, const struct order *x)
{
    if (is_exempt(x) || !may_meet(in, x))
        return false;
    return !has_bound(in) || !has_bound(x) || price_cmp(in->limit, x->limit) * side_sign(in->side) >= 0;
}

/* Can none of the other side's own orders stand in the way, judged without looking at each? */
static bool is_clear(const struct venue *v, const struct order *o)
{
    const struct holding *h = &o->account->holdings[o->symbol];
    const struct market *m = core_market(v, o);
    enum side other = side_opposite(o->side);
    if (h->open_orders[other] == 0)
        return true;
    struct book_level best;
    bool only_resting = h->open_orders[other] == h->resting_orders[other] && o->type == ORDER_LIMIT && !is_auction(o);
    return only_resting && book_best(m->book, other, &best) &&
           price_cmp(o->limit, ladder_price(best.price.micros)) * side_sign(o->side) < 0;
}

static bool check_wash(const struct venue *v, const struct order *o, const struct order *replaced, struct refusal *r)
{
    if (is_exempt(o) || is_clear(v, o))
        return true;
    for (const struct order *x = o->account->open_first; x; x = x->open_next) {
        if (x->symbol != o->symbol || x->side == o->side || x == replaced || !would_wash(o, x))
            continue;
        char id[UUID_SIZE];
        order_id(x, id);
        refuse(r, REFUSED_WASH);
        refusal_add(r, "existing_order_id", "%s", id);
        refusal_add(r, "reject_reason", "opposite side %s order exists", has_bound(x) ? "limit" : "market/stop");
        return false;
    }
    return true;
}

/* One side of the account's book may be opened at a time. */
static bool check_direction(const struct order *o, const struct order *replaced, struct refusal *r)
{
    const struct holding *h = &o->account->holdings[o->symbol];
    if (!o->opens || h->opening_orders[!o->side] == 0)
        return true;
    for (const struct order *x = o->account->open_first; x; x = x->open_next)
        if (x->symbol == o->symbol && x->side != o->side && x->opens && x != replaced && may_meet(o, x))
            return refuse(r, o->side == SIDE_BUY ? REFUSED_LONG_WHILE_SHORT : REFUSED_SHORT_WHILE_LONG);
    return true;
}

/* ---- means */

struct price rules_reserve(const struct venue *v, const struct order *o)
{
    const struct market *m = core_market(v, o);
    struct price last = core_price(v, o->symbol), ask;
    __int128 at = 0;
    if (o->side == SIDE_BUY && price_is_set(o->limit)) {
        at = o->limit.micros;
    } else if (o->side == SIDE_BUY && o->type == ORDER_STOP) {
        at = match_collar(o->stop).micros;
    } else if (o->side == SIDE_BUY) {
        if (price_is_set(o->stop)) /* trailing */
            last = o->stop;
        if (price_is_set(last))
            at = (__int128)last.micros * (last.micros < 50 * USD ? 1040 : 1025) / 1000;
    } else {
        if (!core_far_side(v, m, SIDE_BUY, &ask))
            ask = last;
        if (price_is_set(ask))
            at = (__int128)ask.micros * 103 / 100;
        if (price_is_set(o->limit) && at < o->limit.micros)
            at = o->limit.micros;
    }
    return (struct price){ at > INT64_MAX ? INT64_MAX : (int64_t)at };
}

static bool check_available(const struct venue *v, const struct order *o, int64_t available, struct refusal *r)
{
    const struct holding *h = &o->account->holdings[o->symbol];
    int64_t existing = h->position.qty < 0 ? -h->position.qty : h->position.qty, wanted = order_left(o);
    if (o->notional_micros && o->qty == 0) { /* about so much */
        struct price now = core_price(v, o->symbol);
        wanted = price_is_set(now) ? (int64_t)((__int128)o->notional_micros * QTY_SCALE / now.micros) : 1;
    }
    if (available >= wanted)
        return true;
    char texts[4][QTY_TEXT_MAX];
    const int64_t qtys[] = { wanted, available, existing, h->held_qty };
    for (size_t i = 0; i < COUNT_OF(qtys); i++)
        qty_format(qtys[i], texts[i]);
    refuse(r, REFUSED_QTY_AVAILABLE, texts[0], texts[1]);
    refusal_add(r, "available", "%s", texts[1]);
    refusal_add(r, "existing_qty", "%s", texts[2]);
    refusal_add(r, "held_for_orders", "%s", texts[3]);
    refusal_add(r, "symbol", "%s", core_market(v, o)->name);
    return false;
}

static bool check_short(const struct venue *v, const struct order *o, const struct account_figures *f, struct refusal *r)
{
    const struct market *m = core_market(v, o);
    if (o->account->config.no_shorting || f->equity < 2000 * USD || f->multiplier < 2)
        return refuse(r, REFUSED_SHORT);
    if (o->notional_micros || o->qty % QTY_SCALE != 0)
        return refuse(r, REFUSED_FRACTION_SHORT);
    if (!m->asset.is_shortable)
        return refuse(r, REFUSED_NOT_SHORTABLE, m->name);
    if (!m->asset.is_easy_to_borrow && o->time_in_force != TIF_DAY)
        return refuse(r, REFUSED_HARD_TO_BORROW, m->name);
    return true;
}

static bool check_power(const struct order *o, const struct account_figures *f, __int128 freed, struct refusal *r)
{
    __int128 cost = o->notional_micros && o->qty == 0 ? o->notional_micros : value_micros(o->reserve, order_left(o));
    if (cost <= f->buying_power + freed)
        return true;
    char text[PRICE_TEXT_MAX];
    refuse(r, REFUSED_BUYING_POWER);
    money_text(f->buying_power, text);
    refusal_add(r, "buying_power", "%s", text);
    money_text(cost, text);
    refusal_add(r, "cost_basis", "%s", text);
    return false;
}

/* Settles whether the order opens, and what it reserves. */
bool rules_means(const struct venue *v, struct order *o, const char *intent, const struct order *replaced, struct refusal *r)
{
    const struct account *a = o->account;
    const struct holding *h = &a->holdings[o->symbol];
    int64_t available = holding_available(h) + (replaced && !replaced->opens ? replaced->kept_qty : 0);
    /* A short that other buys cover whole already is nothing to cover: one more buy opens a long. (A sale has no such
     * way: it would be short of shares.) */
    bool closes = o->side == SIDE_SELL ? h->position.qty > 0 : h->position.qty < 0 && available > 0;
    o->opens = !closes;
    if (intent[0] && strcmp(intent, order_intent(o)) != 0)
        return refuse(r, REFUSED_INTENT, order_intent(o), intent);
    if (o->order_class == CLASS_OCO && !o->parent && o->opens)
        return refuse(r, REFUSED_OCO_EXIT);
    if (!check_wash(v, o, replaced, r) || !check_direction(o, replaced, r))
        return false;
    if (closes)
        return check_available(v, o, available, r);

    o->reserve = rules_reserve(v, o);
    bool asks_more = !replaced || !replaced->opens ||
                     (__int128)o->reserve.micros * order_left(o) > (__int128)replaced->reserve.micros * replaced->kept_qty;
    if (!asks_more)
        return true; /* what it replaces keeps as much already */
    struct account_figures f;
    account_figures(a, v->lasts, &f);
    if (o->side == SIDE_SELL && !check_short(v, o, &f, r))
        return false;
    if (!core_market(v, o)->asset.is_marginable && f.buying_power > f.non_marginable_buying_power)
        f.buying_power = f.non_marginable_buying_power;
    if (f.gross > 6 * (__int128)f.equity)
        return refuse(r, REFUSED_LIQUIDATION);
    if (o->qty % QTY_SCALE != 0 && value_micros(o->reserve, o->qty) < USD)
        return refuse(r, REFUSED_COST_BASIS);
    for (const struct order *x = o->notional_micros ? a->open_first : NULL; x; x = x->open_next)
        if (x->symbol == o->symbol && !x->opens && x->status != ORDER_HELD)
            return refuse(r, REFUSED_NOTIONAL_CLOSING);
    __int128 freed = replaced && replaced->opens ? value_micros(replaced->reserve, replaced->kept_qty) : 0;
    return check_power(o, &f, freed, r);
}

/* ---- replace */

static bool is_same(struct price asked, struct price has)
{
    return !price_is_set(asked) || asked.micros == has.micros;
}

bool rules_replace(const struct venue *v, const struct order *o, const struct replace_request *q, struct refusal *r)
{
    (void)v;
    const char *type = order_type_names[o->type];
    int64_t trail = price_is_set(o->trail_price) ? o->trail_price.micros : o->trail_percent;
    if (o->status == ORDER_REPLACED)
        return refuse(r, REFUSED_REPLACE_REPLACED);
    if (!order_is_open(o))
        return refuse(r, REFUSED_REPLACE_CLOSED);
    if (o->status != ORDER_NEW && o->status != ORDER_PARTIALLY_FILLED && o->status != ORDER_HELD)
        return refuse(r, REFUSED_REPLACE_STATUS, order_status_names[o->status]);
    if (o->notional_micros)
        return refuse(r, REFUSED_REPLACE_NOTIONAL);
    if (q->has_qty && q->qty_micros <= 0)
        return refuse(r, REFUSED_QTY_NOT_POSITIVE);
    if (q->has_qty && q->qty_micros > CORE_QTY_MAX)
        return refuse(r, REFUSED_QTY_TOO_LARGE);
    if (q->has_qty && q->qty_micros != o->qty) {
        if (o->order_class != CLASS_SIMPLE)
            return refuse(r, REFUSED_REPLACE_ADVANCED);
        if (o->qty % QTY_SCALE != 0 || q->qty_micros % QTY_SCALE != 0)
            return refuse(r, REFUSED_REPLACE_FRACTION);
        if (q->qty_micros <= o->filled_qty)
            return refuse(r, REFUSED_REPLACE_QTY);
    }
    if (price_is_set(q->limit.price) && !has_bound(o))
        return refuse(r, REFUSED_REPLACE_MEMBER, "limit_price", type);
    if (price_is_set(q->stop.price) && o->type != ORDER_STOP && o->type != ORDER_STOP_LIMIT)
        return refuse(r, REFUSED_REPLACE_MEMBER, "stop_price", type);
    if (q->has_trail && o->type != ORDER_TRAILING_STOP)
        return refuse(r, REFUSED_REPLACE_MEMBER, "trail", type);
    bool tif_changes = q->has_time_in_force && q->time_in_force != o->time_in_force;
    bool may_last = (o->time_in_force == TIF_DAY || o->time_in_force == TIF_GTC) && o->order_class == CLASS_SIMPLE &&
                    (q->time_in_force == TIF_DAY || q->time_in_force == TIF_GTC) && o->qty % QTY_SCALE == 0;
    if (tif_changes && !may_last)
        return refuse(r, REFUSED_REPLACE_MEMBER, "time_in_force", time_in_force_names[o->time_in_force]);
    if (o->is_elected && (price_is_set(q->stop.price) || q->has_trail))
        return refuse(r, REFUSED_REPLACE_MEMBER, "stop_price", "triggered");
    if ((price_is_set(q->limit.price) && !check_limit(q->limit.price, r)) ||
        (price_is_set(q->stop.price) && !check_stop(q->stop.price, r)))
        return false;
    if (q->has_trail && o->trail_percent && (q->trail < 100000 || q->trail >= 100 * INT64_C(1000000)))
        return refuse(r, REFUSED_TRAIL_PERCENT);
    if (q->has_trail && !o->trail_percent && (q->trail <= 0 || q->trail > LADDER_MAX))
        return refuse(r, REFUSED_TRAIL_PRICE);
    if (!check_client_id(o->account, q->client_order_id, q->client_order_id_is_too_long, r))
        return false;
    if ((!q->has_qty || q->qty_micros == o->qty) && !tif_changes && is_same(q->limit.price, o->limit) &&
        is_same(q->stop.price, o->stop) && (!q->has_trail || q->trail == trail) && !q->limit.is_too_fine && !q->stop.is_too_fine)
        return refuse(r, REFUSED_REPLACE_SAME);
    return rules_price("limit_price", &q->limit, r) && rules_price("stop_price", &q->stop, r);
}
