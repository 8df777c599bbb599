/* rest_positions.c - /v2/positions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/requests.h"
#include "exchange/rest.h"

static int64_t held(const struct account *a, int symbol)
{
    int64_t qty = a->holdings[symbol].position.qty;
    return qty < 0 ? -qty : qty;
}

void rest_get_positions(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++)
        if (held(c->account, (int)i))
            json_array_append_new(list, position_json(c->x->venue, c->account, (int)i, c->now_ns));
    rest_answer(c, 200, list);
}

/* The symbol of a position; -1 after filling c->refusal. */
static int find_position(struct call *c)
{
    int symbol = asset_find(c->x->venue, c->args[0]);
    if (symbol < 0)
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->args[0]);
    else if (!held(c->account, symbol))
        refuse(&c->refusal, REFUSED_POSITION_UNKNOWN);
    else
        return symbol;
    return -1;
}

void rest_get_position(struct call *c)
{
    int symbol = find_position(c);
    if (symbol >= 0)
        rest_answer(c, 200, position_json(c->x->venue, c->account, symbol, c->now_ns));
    else
        rest_refuse(c);
}

static bool refuse_available(struct call *c, int symbol, int64_t qty, int64_t available)
{
    const int64_t qtys[] = { qty, available, held(c->account, symbol), c->account->holdings[symbol].held_qty };
    char texts[COUNT_OF(qtys)][QTY_TEXT_MAX];
    for (size_t i = 0; i < COUNT_OF(qtys); i++)
        qty_format(qtys[i], texts[i]);
    refuse(&c->refusal, REFUSED_QTY_AVAILABLE, texts[0], texts[1]);
    refusal_add(&c->refusal, "available", "%s", texts[1]);
    refusal_add(&c->refusal, "existing_qty", "%s", texts[2]);
    refusal_add(&c->refusal, "held_for_orders", "%s", texts[3]);
    refusal_add(&c->refusal, "symbol", "%s", venue_symbol_name(c->x->venue, symbol));
    return false;
}

/* A market order against qty shares of a position. Unlike an order by hand it never opens the other side. */
static bool close_position(struct call *c, int symbol, int64_t qty, struct order *snapshot)
{
    const struct holding *h = &c->account->holdings[symbol];
    int64_t available = holding_available(h);
    struct order_request request;
    struct order *order;
    if (qty > available)
        return refuse_available(c, symbol, qty, available);
    order_request_init(&request);
    request.has_qty = true;
    request.qty_micros = qty;
    request.type = ORDER_MARKET;
    request.time_in_force = TIF_DAY;
    request.side = h->position.qty > 0 ? SIDE_SELL : SIDE_BUY;
    text_copy(request.symbol, sizeof request.symbol, venue_symbol_name(c->x->venue, symbol));
    return venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, snapshot, &c->refusal);
}

/* How much qty= or percentage= ask for. A part of a whole position is whole shares. */
static bool close_quantity(struct call *c, int64_t size, int64_t *qty)
{
    const char *count = parameter_text(c, "qty"), *percent = parameter_text(c, "percentage");
    int64_t asked;
    bool too_fine;
    *qty = size;
    if (count && percent)
        return parameter_refuse(c, "percentage", "left out when qty is given");
    if (count) {
        if (!decimal_decode(count, &asked, &too_fine) || too_fine || asked <= 0)
            return parameter_refuse(c, "qty", "above 0 with at most six decimals");
        *qty = asked;
    }
    if (percent) {
        if (!decimal_decode(percent, &asked, &too_fine) || asked <= 0 || asked > 100 * PRICE_SCALE)
            return parameter_refuse(c, "percentage", "above 0 and at most 100");
        *qty = (int64_t)((__int128)size * asked / (100 * PRICE_SCALE));
        if (size % QTY_SCALE == 0)
            *qty -= *qty % QTY_SCALE;
        if (*qty == 0)
            return refuse(&c->refusal, REFUSED_QTY_NOT_POSITIVE);
    }
    return true;
}

void rest_delete_position(struct call *c)
{
    struct order snapshot;
    int64_t qty;
    int symbol = find_position(c);
    if (symbol < 0 || !close_quantity(c, held(c->account, symbol), &qty) || !close_position(c, symbol, qty, &snapshot)) {
        rest_refuse(c);
        return;
    }
    struct buffer b = { 0 };
    order_write(&b, c->x->venue, &snapshot, FORM_FLAT);
    rest_answer_text(c, 200, &b);
}

void rest_delete_positions(struct call *c)
{
    bool cancel = false;
    if (!parameter_bool(c, "cancel_orders", &cancel)) {
        rest_refuse(c);
        return;
    }
    if (cancel)
        rest_cancel_all(c, NULL);
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++) {
        struct order snapshot;
        int64_t size = held(c->account, (int)i);
        if (size == 0)
            continue;
        bool ok = close_position(c, (int)i, size, &snapshot);
        json_array_append_new(list, json_pack("{ss si so}", "symbol", venue_symbol_name(c->x->venue, (int)i), "status",
                                              ok ? 200 : c->refusal.status, "body",
                                              ok ? order_json(c->x->venue, &snapshot, FORM_FLAT)
                                                 : refusal_json(&c->refusal)));
    }
    rest_answer(c, 207, list);
}
