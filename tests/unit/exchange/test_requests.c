/* What clients send about orders. */
#include "tests/support/rows.h"

#include <stdio.h>

#include "core/base.h"
#include "core/json.h"
#include "exchange/requests.h"

static const char symbols[][SYMBOL_SIZE] = { "SPY", "BRK.B" };

/* One of the numbers of a request, by its member's name; prices in millionths; INT64_MIN: absent. */
static int64_t number_of(const struct order_request *q, const char *name)
{
    const struct { const char *name; int64_t value; } all[] = {
        { "qty", q->has_qty ? q->qty_micros : INT64_MIN },
        { "notional", q->has_notional ? q->notional_micros : INT64_MIN },
        { "limit", q->limit.price.micros },
        { "stop", q->stop.price.micros },
        { "trail_price", q->trail_price.micros },
        { "trail_percent", q->has_trail_percent ? q->trail_percent : INT64_MIN },
        { "take_profit", q->has_take_profit ? q->take_profit_limit.price.micros : INT64_MIN },
        { "stop_loss", q->has_stop_loss ? q->stop_loss_stop.price.micros : INT64_MIN },
        { "stop_loss_limit", q->stop_loss_limit.price.micros },
        { "class", q->order_class },
        { "extended", q->extended_hours },
        { "too_fine", q->limit.is_too_fine },
        { "type", q->type },
        { "tif", q->time_in_force },
        { "too_long", q->client_order_id_is_too_long },
    };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].value;
    fail_msg("no number %s", name);
    return 0;
}

#define REST ",\"side\":\"buy\",\"type\":\"market\",\"time_in_force\":\"day\"}"
#define LIMIT ",\"side\":\"buy\",\"type\":\"limit\",\"time_in_force\":\"day\"}"
#define QTY "{\"symbol\":\"SPY\",\"qty\":1"
#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct order_case {
    const char *body, *refusal; /* NULL: taken, and then */
    const char *name;           /* this number is */
    int64_t value;
} order_cases[] = {
    { "{\"symbol\":\"SPY\",\"qty\":100" REST, NULL, "qty", 100000000 },
    { "{\"symbol\":\"SPY\",\"qty\":\"100\"" REST, NULL, "qty", 100000000 },
    { "{\"symbol\":\"SPY\",\"qty\":100.0" REST, NULL, "qty", 100000000 },
    { "{\"symbol\":\"SPY\",\"qty\":\"100.000000000\"" REST, NULL, "qty", 100000000 },
    { "{\"symbol\":\"SPY\",\"qty\":0.5" REST, NULL, "qty", 500000 },
    { "{\"symbol\":\"SPY\",\"qty\":-1" REST, NULL, "qty", -1000000 },
    { "{\"symbol\":\"SPY\",\"qty\":\"0.1\",\"notional\":null" REST, NULL, "notional", INT64_MIN },
    { "{\"symbol\":\"SPY\",\"notional\":\"12.5\"" REST, NULL, "notional", 12500000 },
    { "{\"symbol\":\"SPY\",\"notional\":5" REST, NULL, "qty", INT64_MIN },
    { QTY ",\"limit_price\":\"12.34\"" LIMIT, NULL, "limit", 12340000 },
    { QTY ",\"limit_price\":400.0" LIMIT, NULL, "limit", 400000000 },
    { QTY ",\"limit_price\":\"1.2345678\"" LIMIT, NULL, "too_fine", 1 },
    { QTY ",\"limit_price\":\"1.2345670\"" LIMIT, NULL, "too_fine", 0 },
    { QTY ",\"limit_price\":\"1.2340000\"" LIMIT, NULL, "too_fine", 0 },
    { QTY ",\"limit_price\":null,\"notional\":\"\",\"client_order_id\":\"\",\"order_class\":\"\",\"legs\":null,\"color\":7" REST,
      NULL, "limit", INT64_MIN },
    { QTY ",\"stop_price\":5" LIMIT, NULL, "stop", 5000000 },
    { QTY ",\"trail_price\":\"0.5\",\"side\":\"buy\",\"type\":\"trailing_stop\",\"time_in_force\":\"gtc\"}", NULL, "trail_price", 500000 },
    { QTY ",\"trail_percent\":1.5" REST, NULL, "trail_percent", 1500000 },
    { QTY ",\"side\":\"sell\",\"type\":\"stop_limit\",\"time_in_force\":\"fok\"}", NULL, "type", ORDER_STOP_LIMIT },
    { QTY ",\"side\":\"sell\",\"type\":\"stop\",\"time_in_force\":\"ioc\"}", NULL, "tif", TIF_IOC },
    { QTY ",\"order_class\":\"simple\",\"extended_hours\":false" REST, NULL, "extended", 0 },
    { QTY ",\"extended_hours\":true" LIMIT, NULL, "extended", 1 },
    { QTY ",\"order_class\":\"bracket\",\"take_profit\":{\"limit_price\":9},\"stop_loss\":{\"stop_price\":\"5\"}" REST, NULL, "take_profit", 9000000 },
    { QTY ",\"order_class\":\"bracket\",\"take_profit\":{\"limit_price\":9},\"stop_loss\":{\"stop_price\":\"5\"}" REST, NULL, "stop_loss", 5000000 },
    { QTY ",\"order_class\":\"oco\",\"stop_loss\":{\"stop_price\":5,\"limit_price\":4.5}" REST, NULL, "stop_loss_limit", 4500000 },
    { QTY ",\"order_class\":\"oto\",\"stop_loss\":null" REST, NULL, "stop_loss", INT64_MIN },
    { QTY ",\"order_class\":\"oto\"" REST, NULL, "class", CLASS_OTO },
    { QTY ",\"client_order_id\":\"" LONG LONG LONG LONG "\"" REST, NULL, "too_long", 0 },
    { QTY ",\"client_order_id\":\"" LONG LONG LONG LONG "x\"" REST, NULL, "too_long", 1 },
    { "[]", "request body format is invalid: an object was expected", NULL, 0 },
    { "{\"qty\":1" REST, "symbol is required", NULL, 0 },
    { "{\"symbol\":7,\"qty\":1" REST, "invalid symbol: must be a string", NULL, 0 },
    { "{\"symbol\":\"SPY\"" REST, "qty or notional is required", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"qty\":\"many\"" REST, "invalid qty: many", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"qty\":\"1e3\"" REST, "invalid qty: 1e3", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"qty\":1e300" REST, "invalid qty: 1e300", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"qty\":99999999999999999" REST, "invalid qty: 99999999999999999", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"qty\":true" REST, "invalid qty: true", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"qty\":\"0.1234567\"" REST, "invalid qty: 0.1234567 has more than six decimals", NULL, 0 },
    { "{\"symbol\":\"SPY\",\"notional\":\"NaN\"" REST, "invalid notional: must be a decimal number with at most six decimals", NULL, 0 },
    { QTY ",\"type\":\"market\",\"time_in_force\":\"day\"}", "invalid side: must be buy or sell", NULL, 0 },
    { QTY ",\"side\":\"hold\",\"type\":\"market\",\"time_in_force\":\"day\"}", "invalid side: must be buy or sell", NULL, 0 },
    { QTY ",\"side\":\"buy\",\"type\":\"magic\",\"time_in_force\":\"day\"}", "invalid order type", NULL, 0 },
    { QTY ",\"side\":\"buy\",\"time_in_force\":\"day\"}", "invalid order type", NULL, 0 },
    { QTY ",\"side\":\"buy\",\"type\":\"market\",\"time_in_force\":\"gtd\"}", "invalid time_in_force", NULL, 0 },
    { QTY ",\"side\":\"buy\",\"type\":\"market\"}", "invalid time_in_force", NULL, 0 },
    { QTY ",\"limit_price\":\"dear\"" LIMIT, "invalid limit_price: dear", NULL, 0 },
    { QTY ",\"stop_price\":[1]" LIMIT, "invalid stop_price: [1]", NULL, 0 },
    { QTY ",\"trail_price\":\"x\"" REST, "invalid trail_price: must be a decimal number with at most six decimals", NULL, 0 },
    { QTY ",\"client_order_id\":5" REST, "invalid client_order_id: must be a string", NULL, 0 },
    { QTY ",\"order_class\":\"mleg\"" REST, "order_class mleg is not supported here: use simple, bracket, oco or oto", NULL, 0 },
    { QTY ",\"order_class\":\"bracket\",\"take_profit\":9" REST, "invalid take_profit: must be an object", NULL, 0 },
    { QTY ",\"order_class\":\"bracket\",\"stop_loss\":{\"stop_price\":\"x\"}" REST, "invalid stop_price: x", NULL, 0 },
    { QTY ",\"extended_hours\":\"yes\"" REST, "invalid extended_hours: must be true or false", NULL, 0 },
};

static void orders_are_read(void **state)
{
    const struct order_case *c = *state;
    const struct venue_options options = { .cash_micros = 1 };
    struct venue *v = venue_new(&options, symbols, 2);
    struct order_request q;
    struct refusal r = { 0 };
    struct err err;
    json_t *body = json_read(c->body, strlen(c->body), &err);
    assert_non_null(body);
    bool ok = order_request_decode(v, body, &q, &r);
    assert_string_equal(ok ? "" : r.message, c->refusal ? c->refusal : "");
    if (ok)
        assert_true(number_of(&q, c->name) == c->value);
    json_decref(body);
    venue_free(v);
}

static const struct replace_case {
    const char *label, *body, *refusal;
    int64_t qty, limit, stop, trail; /* INT64_MIN: absent */
    int tif;                         /* -1: absent */
} replace_cases[] = {
    { "nothing", "{}", NULL, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, -1 },
    { "as the Go client sends it", "{\"qty\":null,\"limit_price\":\"7\",\"stop_price\":null,\"trail\":null,\"time_in_force\":\"\",\"client_order_id\":\"\"}",
      NULL, INT64_MIN, 7000000, INT64_MIN, INT64_MIN, -1 },
    { "everything", "{\"qty\":5,\"limit_price\":7.5,\"stop_price\":\"8\",\"trail\":0.25,\"time_in_force\":\"gtc\"}", NULL, 5000000, 7500000,
      8000000, 250000, TIF_GTC },
    { "a bad qty", "{\"qty\":\"x\"}", "invalid qty: x", 0, 0, 0, 0, 0 },
    { "a bad time in force", "{\"time_in_force\":\"soon\"}", "invalid time_in_force", 0, 0, 0, 0, 0 },
    { "a bad trail", "{\"trail\":\"x\"}", "invalid trail: must be a decimal number with at most six decimals", 0, 0, 0, 0, 0 },
};

static void replacements_are_read(void **state)
{
    const struct replace_case *c = *state;
    struct replace_request q;
    struct refusal r = { 0 };
    struct err err;
    json_t *body = json_read(c->body, strlen(c->body), &err);
    assert_non_null(body);
    bool ok = replace_request_decode(body, &q, &r);
    assert_string_equal(ok ? "" : r.message, c->refusal ? c->refusal : "");
    if (ok) {
        assert_true((q.has_qty ? q.qty_micros : INT64_MIN) == c->qty);
        assert_true(q.limit.price.micros == c->limit && q.stop.price.micros == c->stop);
        assert_true((q.has_trail ? q.trail : INT64_MIN) == c->trail);
        assert_int_equal(q.has_time_in_force ? (int)q.time_in_force : -1, c->tif);
    }
    json_decref(body);
}

int main(void)
{
    return RUN_ROWS("orders", orders_are_read, order_cases) + RUN_ROWS("replacements", replacements_are_read, replace_cases);
}
