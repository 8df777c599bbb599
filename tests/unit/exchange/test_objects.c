/* The broker's JSON: orders in, refusals and ids out. Also MessagePack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"
#include "exchange/msgpack.h"
#include "exchange/objects.h"

static const char symbols[][SYMBOL_SIZE] = { "SPY", "BRK.B" };

static json_t *read_text(const char *text)
{
    struct err err;
    json_t *j = json_read(text, strlen(text), &err);
    if (!j)
        print_error("%s: %s\n", text, err.text);
    assert_non_null(j);
    return j;
}

static void order_bodies_are_read_or_refused_in_order(void **state)
{
    (void)state;
#define REST ",\"side\":\"buy\",\"type\":\"market\",\"time_in_force\":\"day\"}"
#define LIMIT ",\"side\":\"buy\",\"type\":\"limit\",\"time_in_force\":\"day\"}"
    static const struct {
        const char *body, *refusal; /* NULL: taken */
        int status;
        int64_t qty_micros, limit_micros;
    } rows[] = {
        { "{\"symbol\":\"SPY\",\"qty\":100" REST, NULL, 0, 100000000, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":\"100\"" REST, NULL, 0, 100000000, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":100.0" REST, NULL, 0, 100000000, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":\"100.00000000\"" REST, NULL, 0, 100000000, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":0.5" REST, NULL, 0, 500000, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":\"1.00000001\"" REST, NULL, 0, 1000001, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"limit_price\":\"12.34\"" LIMIT, NULL, 0, 1000000, 12340000 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"limit_price\":400.0" LIMIT, NULL, 0, 1000000, 400000000 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"limit_price\":null,\"stop_price\":null,\"notional\":\"\",\"client_"
          "order_id\":\"\","
          "\"order_class\":\"\",\"legs\":null,\"color\":\"red\"" REST,
          NULL, 0, 1000000, INT64_MIN },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"order_class\":\"simple\",\"extended_hours\":false" REST, NULL, 0,
          1000000, INT64_MIN },
        { "[]", "request body format is invalid: an object was expected", 400, 0, 0 },
        { "{\"qty\":1" REST, "symbol is required", 422, 0, 0 },
        { "{\"symbol\":7,\"qty\":1" REST, "invalid symbol: must be a string", 422, 0, 0 },
        { "{\"symbol\":\"SPY\"" REST, "qty or notional is required", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"notional\":5" REST, "only one of qty or notional is accepted", 422,
          0, 0 },
        { "{\"symbol\":\"SPY\",\"notional\":5" REST,
          "notional orders are not supported here: give a qty of whole shares", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":\"many\"" REST, "invalid qty: many", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":\"1e3\"" REST, "invalid qty: 1e3", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1e300" REST, "invalid qty: 1e300", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":99999999999999999" REST, "invalid qty: 99999999999999999", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":true" REST, "invalid qty: true", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"type\":\"market\",\"time_in_force\":\"day\"}",
          "invalid side: must be buy or sell", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"side\":\"hold\",\"type\":\"market\",\"time_in_force\":\"day\"}",
          "invalid side: must be buy or sell", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"side\":\"buy\",\"type\":\"stop\",\"time_in_force\":\"day\"}",
          "order type stop is not supported here: use market or limit", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"side\":\"buy\",\"type\":\"magic\",\"time_in_force\":\"day\"}",
          "invalid order type", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"side\":\"buy\",\"type\":\"market\",\"time_in_force\":\"gtc\"}",
          "time_in_force gtc is not supported here: use day, opg or cls", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"side\":\"buy\",\"type\":\"market\",\"time_in_force\":\"soon\"}",
          "invalid time_in_force", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"stop_price\":5" REST,
          "market orders require no stop or limit price", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"limit_price\":5,\"stop_price\":5" LIMIT,
          "limit orders require no stop price", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"limit_price\":\"dear\"" LIMIT, "invalid limit_price: dear", 422, 0,
          0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"client_order_id\":5" REST,
          "invalid client_order_id: must be a string", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"order_class\":\"bracket\"" REST,
          "order_class bracket is not supported here: use simple", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"extended_hours\":\"yes\"" REST,
          "invalid extended_hours: must be true or false", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"extended_hours\":true" REST,
          "extended hours order must be DAY or GTC limit orders", 422, 0, 0 },
        { "{\"symbol\":\"SPY\",\"qty\":1,\"limit_price\":5,\"extended_hours\":true" LIMIT,
          "extended hours orders are not supported here", 422, 0, 0 },
    };
    const struct venue_options options = { .cash_micros = 1 };
    struct venue *v = venue_new(&options, symbols, 2);
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct order_request q;
        struct refusal r = { 0 };
        json_t *body = read_text(rows[i].body);
        bool ok = order_request_decode(v, body, &q, &r);
        bool right = rows[i].refusal
                         ? !ok && strcmp(r.message, rows[i].refusal) == 0 && r.status == rows[i].status
                         : ok && q.qty_micros == rows[i].qty_micros && q.limit.price.micros == rows[i].limit_micros;
        if (!right) {
            print_error("row: %s\n  got: %s\n", rows[i].body, ok ? "taken" : r.message);
            failed++;
        }
        json_decref(body);
    }
    assert_int_equal(failed, 0);
    venue_free(v);
}

static void an_asset_id_stands_for_its_symbol(void **state)
{
    (void)state;
    const struct venue_options options = { .cash_micros = 1 };
    struct venue *v = venue_new(&options, symbols, 2);
    json_t *asset = asset_json(v, 1);
    assert_string_equal(json_string_value(json_object_get(asset, "symbol")), "BRK.B");
    assert_int_equal(asset_find(v, json_string_value(json_object_get(asset, "id"))), 1);
    assert_int_equal(asset_find(v, "BRK.B"), 1);
    assert_int_equal(asset_find(v, "brk.b"), -1);
    assert_int_equal(asset_find(v, "00000000-0000-4000-8000-000000000000"), -1);
    json_decref(asset);
    venue_free(v);
}

static json_t *last_event;
static struct venue *event_venue;
static void keep_event(void *ctx, const struct trade_event *e)
{
    (void)ctx;
    json_decref(last_event);
    last_event = trade_event_json(event_venue, e, 5);
}

static const char *text_of(const json_t *j, const char *name)
{
    const char *text = json_string_value(json_object_get(j, name));
    return text ? text : "(none)";
}

static void a_fill_says_the_same_everywhere(void **state)
{
    (void)state;
    const struct venue_options options = { .cash_micros = 100000 * USD,
                                           .fee_micros = 10000,
                                           .sink = keep_event };
    const uint64_t bits[2] = { 5, 6 };
    const int64_t now = calendar_ns(20131007, 10 * 3600);
    const struct symbol_bar start = { .bar = { .open_time_ns = now, .open = { 167420000 } } };
    const struct instant in = { .time_ns = now, .starting = &start, .starting_count = 1 };
    struct venue *v = event_venue = venue_new(&options, symbols, 2);
    struct order_request q;
    struct order *o;
    struct refusal r;
    venue_instant(v, &in);
    struct account *a = venue_account_open(v, "k", "s", bits, now);
    json_t *body = read_text(
        "{\"symbol\":\"SPY\",\"qty\":\"100\",\"side\":\"buy\",\"type\":\"market\",\"time_in_force\":\"day\","
        "\"client_order_id\":\"mine\",\"position_intent\":\"buy_to_open\"}");
    assert_true(order_request_decode(v, body, &q, &r) && venue_submit(v, a, &q, now, &o, NULL, &r));
    json_t *activity = activity_json(v, a->fills[0]), *position = position_json(v, a, 0, now),
           *account = account_json(v, a, now);
    const json_t *order = json_object_get(last_event, "order");
    assert_string_equal(text_of(last_event, "event"), "fill");
    assert_string_equal(text_of(last_event, "price"), "167.42");
    assert_string_equal(text_of(last_event, "qty"), "100");
    assert_string_equal(text_of(last_event, "position_qty"), "100");
    assert_string_equal(text_of(last_event, "fee"), "1.00");
    assert_string_equal(text_of(last_event, "timestamp"), "2013-10-07T14:00:00Z");
    assert_int_equal(strlen(text_of(last_event, "event_id")), 26);
    assert_string_equal(text_of(order, "status"), "filled");
    assert_string_equal(text_of(order, "filled_avg_price"), "167.42");
    assert_string_equal(text_of(order, "client_order_id"), "mine");
    assert_true(strncmp(text_of(activity, "id"), "20131007100000000::", 19) == 0);
    assert_string_equal(text_of(activity, "id") + 19, text_of(last_event, "execution_id"));
    assert_string_equal(text_of(activity, "order_id"), text_of(order, "id"));
    assert_string_equal(text_of(activity, "price"), "167.42");
    assert_string_equal(text_of(position, "qty"), "100");
    assert_string_equal(text_of(position, "avg_entry_price"), "167.42");
    assert_string_equal(text_of(account, "cash"), "83257.00");
    json_decref(body);
    json_decref(activity);
    json_decref(position);
    json_decref(account);
    json_decref(last_event);
    venue_free(v);
}

static void refusals_carry_their_members(void **state)
{
    (void)state;
    struct refusal r;
    refuse(&r, REFUSED_QTY_AVAILABLE, "6", "5");
    refusal_add(&r, "available", "%d", 5);
    json_t *j = refusal_json(&r);
    assert_int_equal(json_integer_value(json_object_get(j, "code")), 40310000);
    assert_string_equal(text_of(j, "available"), "5");
    json_decref(j);
    refuse(&r, REFUSED_KEYS);
    j = refusal_json(&r);
    assert_int_equal(json_object_size(j), 1);
    assert_string_equal(text_of(j, "message"), "unauthorized.");
    json_decref(j);
}

/* ---- MessagePack */

static void messages_are_packed_as_clients_expect(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        unsigned char bytes[40];
        size_t size;
    } rows[] = {
        { "[{\"T\":\"success\",\"msg\":\"connected\"}]",
          { 0x91, 0x82, 0xa1, 0x54, 0xa7, 0x73, 0x75, 0x63, 0x63, 0x65, 0x73, 0x73, 0xa3,
            0x6d, 0x73, 0x67, 0xa9, 0x63, 0x6f, 0x6e, 0x6e, 0x65, 0x63, 0x74, 0x65, 0x64 },
          26 },
        { "{\"t\":\"2022-03-18T14:33:58.448432206Z\"}",
          { 0x81, 0xa1, 0x74, 0xd7, 0xff, 0x6a, 0xea, 0x21, 0x38, 0x62, 0x34, 0x98, 0x56 },
          13 },
        { "[null,true,false,-1,127,128,-33]",
          { 0x97, 0xc0, 0xc3, 0xc2, 0xff, 0x7f, 0xce, 0,    0,    0,
            0x80, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xdf },
          20 },
        { "[1.5]", { 0x91, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0 }, 10 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *j = read_text(rows[i].json);
        size_t size;
        unsigned char *data = msgpack_encode(j, &size);
        assert_int_equal(size, rows[i].size);
        assert_memory_equal(data, rows[i].bytes, size);
        free(data);
        json_decref(j);
    }
}

static void packed_values_come_back(void **state)
{
    (void)state;
    struct err err;
    json_t *j = read_text("{\"action\":\"subscribe\",\"bars\":[\"SPY\",\"*\"],\"n\":[0,-5,300,70000,"
                          "5000000000,-5000000000],\"x\":2.25,"
                          "\"long\":\"0123456789012345678901234567890123456789\",\"no\":null,\"list\":[1,2,3,"
                          "4,5,6,7,8,9,10,11,12,13,14,15,16,17]}");
    size_t size;
    unsigned char *data = msgpack_encode(j, &size);
    json_t *back = msgpack_decode(data, size, &err);
    assert_true(json_equal(j, back));
    for (size_t cut = 0; cut < size; cut++) /* no beginning of it is a whole value */
        assert_null(msgpack_decode(data, cut, &err));
    json_decref(back);
    json_decref(j);
    free(data);
}

static void what_is_not_messagepack_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *data;
        size_t size;
    } rows[] = {
        { "nothing", "", 0 },
        { "two values", "\x01\x02", 2 },
        { "an unused byte", "\xc1", 1 },
        { "binary", "\xc4\x01x", 3 },
        { "a key that is a number", "\x81\x01\x02", 3 },
        { "a list longer than the data", "\xdd\xff\xff\xff\xff\x01", 6 },
        { "a text longer than the data",
          "\xdb\xff\xff\xff\xff"
          "a",
          6 },
        { "no UTF-8", "\xa1\xff", 2 },
        { "too deep", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01",
          21 },
        { "not finite", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", 9 },
        { "beyond int64", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9 },
    };
    struct err err;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *j = msgpack_decode(rows[i].data, rows[i].size, &err);
        if (j)
            print_error("row: %s was taken\n", rows[i].name);
        assert_null(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_bodies_are_read_or_refused_in_order),
        cmocka_unit_test(an_asset_id_stands_for_its_symbol),
        cmocka_unit_test(a_fill_says_the_same_everywhere),
        cmocka_unit_test(refusals_carry_their_members),
        cmocka_unit_test(messages_are_packed_as_clients_expect),
        cmocka_unit_test(packed_values_come_back),
        cmocka_unit_test(what_is_not_messagepack_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
