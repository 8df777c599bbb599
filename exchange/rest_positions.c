/* rest_positions.c - /v2/positions. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/rest.h"

static bool has_position(const struct account *a, int symbol)
{
    return a->holdings[symbol].position.qty != 0;
}

void rest_get_positions(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++)
        if (has_position(c->account, (int)i))
            json_array_append_new(list, position_json(c->x->venue, c->account, (int)i, c->now_ns));
    rest_answer(c, 200, list);
}

/* The symbol of a position; -1 after filling c->refusal. */
static int find_position(struct call *c)
{
    int symbol = asset_find(c->x->venue, c->args[0]);
    if (symbol < 0)
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->args[0]);
    else if (!has_position(c->account, symbol))
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

/* A market order against qty shares of a position. Unlike an order by hand it never opens the other side. */
static bool close_position(struct call *c, int symbol, int64_t qty, struct order *snapshot)
{
    const struct holding *h = &c->account->holdings[symbol];
    int64_t size = h->position.qty < 0 ? -h->position.qty : h->position.qty;
    int64_t available = holding_available(h);
    struct order_request request;
    struct order *order;
    order_request_init(&request);
    request.has_qty = true;
    request.qty_micros = qty;
    request.side = h->position.qty > 0 ? SIDE_SELL : SIDE_BUY;
    text_copy(request.symbol, sizeof request.symbol, venue_symbol_name(c->x->venue, symbol));
    if (qty > 0 && qty > available) {
        char texts[4][QTY_TEXT_MAX];
        const int64_t qtys[] = { qty, available, size, h->held_qty };
        for (size_t i = 0; i < COUNT_OF(qtys); i++)
            qty_format(qtys[i], texts[i]);
        refuse(&c->refusal, REFUSED_QTY_AVAILABLE, texts[0], texts[1]);
        refusal_add(&c->refusal, "available", "%s", texts[1]);
        refusal_add(&c->refusal, "existing_qty", "%s", texts[2]);
        refusal_add(&c->refusal, "held_for_orders", "%s", texts[3]);
        refusal_add(&c->refusal, "symbol", "%s", request.symbol);
        return false;
    }
    return venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, snapshot, &c->refusal);
}

/* How many shares qty= or percentage= ask for. */
static bool close_quantity(struct call *c, int64_t size, int64_t *qty)
{
    const char *count = parameter_text(c, "qty"), *percent = parameter_text(c, "percentage");
    struct price p;
    *qty = size;
    if (count && percent)
        return parameter_refuse(c, "percentage", "left out when qty is given");
    if (count) {
        if (!price_parse(count, strlen(count), &p) || p.micros <= 0)
            return parameter_refuse(c, "qty", "a number of shares above 0, with at most six decimals");
        *qty = p.micros;
    }
    if (percent) {
        if (!price_parse(percent, strlen(percent), &p) || p.micros <= 0 || p.micros > 100 * INT64_C(1000000))
            return parameter_refuse(c, "percentage", "above 0 and at most 100, with at most six decimals");
        *qty = (int64_t)((__int128)size * p.micros / 100000000);
        if (size % QTY_SCALE == 0)
            *qty -= *qty % QTY_SCALE;
    }
    return true;
}

void rest_delete_position(struct call *c)
{
    struct order snapshot;
    int64_t qty = 0;
    int symbol = find_position(c);
    int64_t held = symbol < 0 ? 0 : c->account->holdings[symbol].position.qty;
    if (symbol >= 0 && close_quantity(c, held < 0 ? -held : held, &qty) &&
        close_position(c, symbol, qty, &snapshot))
        rest_answer(c, 200, order_json(c->x->venue, &snapshot));
    else
        rest_refuse(c);
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
        int64_t held = c->account->holdings[i].position.qty;
        if (held == 0)
            continue;
        bool ok = close_position(c, (int)i, held < 0 ? -held : held, &snapshot);
        json_array_append_new(list,
                              json_pack("{ss si so}", "symbol", venue_symbol_name(c->x->venue, (int)i),
                                        "status", ok ? 200 : c->refusal.status, "body",
                                        ok ? order_json(c->x->venue, &snapshot) : refusal_json(&c->refusal)));
    }
    rest_answer(c, 207, list);
}
