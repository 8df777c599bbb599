/* rest_book.c - /v1/book/{symbol}: ours. What participants have in a symbol's book, how much they traded, and what its
 * next auction would do. The recorded market's quote stands beside it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "exchange/rest.h"

enum { LEVELS_MAX = 100 };

static json_t *qty_json(int64_t qty)
{
    char text[QTY_TEXT_MAX];
    qty_format(qty, text);
    return json_string(text);
}

static json_t *price_json(struct price price)
{
    char text[PRICE_TEXT_MAX];
    if (!price_is_set(price))
        return json_null();
    price_format(price, text);
    return json_string(text);
}

static json_t *side_json(const struct call *c, int symbol, enum side side, size_t count)
{
    struct book_level levels[LEVELS_MAX];
    size_t found = venue_depth(c->x->venue, symbol, side, levels, count);
    json_t *list = json_array();
    for (size_t i = 0; i < found; i++)
        json_array_append_new(list, json_pack("{so so sI}", "price", price_json(levels[i].price), "qty",
                                              qty_json(levels[i].qty), "orders", (json_int_t)levels[i].orders));
    return list;
}

static json_t *resting_json(const struct book_volume *v, enum side side)
{
    return json_pack("{sI so sI}", "orders", (json_int_t)v->resting_orders[side], "qty", qty_json(v->resting_qty[side]),
                     "levels", (json_int_t)v->levels[side]);
}

static json_t *volume_json(const struct call *c, int symbol)
{
    struct book_volume v;
    venue_volume(c->x->venue, symbol, &v);
    __int128 value = v.traded_micros / QTY_SCALE;
    return json_pack("{sI so so so so so}", "trades", (json_int_t)v.trades, "traded_qty", qty_json(v.traded_qty),
                     "traded_value", price_json((struct price){ value > INT64_MAX ? INT64_MAX : (int64_t)value }), "last",
                     price_json(v.last), "bids", resting_json(&v, SIDE_BUY), "asks", resting_json(&v, SIDE_SELL));
}

static json_t *auction_json(const struct call *c, int symbol)
{
    struct auction_view a;
    char time[TIME_TEXT_SIZE];
    if (!venue_auction(c->x->venue, symbol, &a))
        return json_null();
    time_format(a.clears_ns, time);
    return json_pack("{ss ss sI so so so}", "auction", a.auction == TIF_OPG ? "opening" : "closing", "clears_at", time,
                     "orders", (json_int_t)a.orders, "price", price_json(a.price), "qty", qty_json(a.qty), "imbalance",
                     qty_json(a.imbalance));
}

void rest_get_book(struct call *c)
{
    const struct venue *v = c->x->venue;
    int symbol = asset_find(v, c->args[0]);
    int64_t levels = 10;
    char time[TIME_TEXT_SIZE];
    if (symbol < 0)
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->args[0]);
    if (symbol < 0 || !parameter_count(c, "levels", 1, LEVELS_MAX, &levels)) {
        rest_refuse(c);
        return;
    }
    const struct quote *quote = venue_quote(v, symbol);
    time_format(c->now_ns, time);
    rest_answer(c, 200,
                json_pack("{ss ss sb so so so so so so}", "symbol", venue_symbol_name(v, symbol), "timestamp", time,
                          "halted", venue_is_halted(v, symbol), "last", price_json(venue_last(v, symbol)), "quote",
                          quote ? quote_json(quote) : json_null(), "bids",
                          side_json(c, symbol, SIDE_BUY, (size_t)levels), "asks",
                          side_json(c, symbol, SIDE_SELL, (size_t)levels), "volume", volume_json(c, symbol), "auction",
                          auction_json(c, symbol)));
}
