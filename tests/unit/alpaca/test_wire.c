#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "core/clock.h"
#include "market/calendar.h"

/* The broker's documented order. */
#define ORDER_ID "7b08df51-c1ac-453c-99f9-323a5f075f0d"
static const char order_text[] =
    "{\"id\":\"" ORDER_ID "\",\"client_order_id\":\"5680c4bc-9ac1-4a12-a44c-df427ba53032\","
    "\"created_at\":\"2023-12-12T22:31:24.668464435Z\",\"updated_at\":\"2023-12-12T22:31:24.668464435Z\","
    "\"submitted_at\":\"2023-12-12T22:31:24.577215743Z\",\"filled_at\":null,\"expired_at\":null,"
    "\"canceled_at\":null,\"failed_at\":null,\"replaced_at\":null,\"replaced_by\":null,\"replaces\":null,"
    "\"asset_id\":\"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415\",\"symbol\":\"AAPL\",\"asset_class\":\"us_equity\","
    "\"notional\":null,\"qty\":\"2\",\"filled_qty\":\"0\",\"filled_avg_price\":null,\"order_class\":\"\","
    "\"order_type\":\"limit\",\"type\":\"limit\",\"side\":\"buy\",\"time_in_force\":\"day\","
    "\"limit_price\":\"150.00\",\"stop_price\":null,\"status\":\"accepted\",\"extended_hours\":false,"
    "\"legs\":null,\"trail_percent\":null,\"trail_price\":null,\"hwm\":null,\"subtag\":null,\"source\":null}";

/* The broker's documented trade update, newer keys added: fractions, 7 decimals, gtc, mixed time forms. */
static const char crypto_text[] =
    "{\"event\":\"fill\",\"event_id\":\"01HCMKX30Y1M8KNQCMY7SZ3VZP\","
    "\"execution_id\":\"2f63ea93-423d-4169-b3f6-3fdafc10c418\",\"at\":\"2022-04-19T17:45:05.024916716Z\","
    "\"timestamp\":\"2022-04-19T17:45:05.024916716Z\",\"price\":\"105.8988475\",\"qty\":\"1790.86\","
    "\"position_qty\":\"0\",\"order\":{\"id\":\"a5be8f5e-fdfa-41f5-a644-7a74fe947a8f\","
    "\"client_order_id\":\"4642fd68-d59a-47d7-a9ac-e22f536828d1\","
    "\"created_at\":\"2022-04-19T13:45:04.981350886-04:00\",\"updated_at\":\"2022-04-19T13:45:05.027690731-04:00\","
    "\"submitted_at\":\"2022-04-19T13:45:04.980944666-04:00\",\"filled_at\":\"2022-04-19T17:45:05.024916716Z\","
    "\"expired_at\":null,\"cancel_requested_at\":null,\"canceled_at\":null,\"failed_at\":null,"
    "\"replaced_at\":null,\"replaced_by\":null,\"replaces\":null,"
    "\"asset_id\":\"1cf35270-99ee-44e2-a77f-6fab902c7f80\",\"symbol\":\"SOLUSD\",\"asset_class\":\"crypto\","
    "\"notional\":null,\"qty\":\"1790.86\",\"filled_qty\":\"1790.86\",\"filled_avg_price\":\"105.8988475\","
    "\"order_class\":\"\",\"order_type\":\"market\",\"type\":\"market\",\"side\":\"sell\","
    "\"time_in_force\":\"gtc\",\"limit_price\":null,\"stop_price\":null,\"status\":\"filled\","
    "\"extended_hours\":false,\"legs\":null,\"trail_percent\":null,\"trail_price\":null,\"hwm\":null}}";

static json_t *must_read(const char *text)
{
    json_error_t error;
    json_t *j = json_loads(text, 0, &error);

    if (!j)
        fail_msg("%s in %s", error.text, text);
    return j;
}

static int64_t ns(const char *text)
{
    int64_t t = -1;

    assert_true(time_parse(text, strlen(text), &t));
    return t;
}

static void the_documented_order_reads_and_writes_the_same(void **state)
{
    json_t *j = must_read(order_text), *again, *value;
    struct alpaca_order o;
    struct err err;
    const char *key;

    (void)state;
    if (!alpaca_order_decode(j, &o, &err))
        fail_msg("%s", err.text);
    assert_string_equal(o.id, ORDER_ID);
    assert_string_equal(o.symbol, "AAPL");
    assert_int_equal(o.submitted_at, ns("2023-12-12T22:31:24.577215743Z"));
    assert_int_equal(o.filled_at, 0);
    assert_int_equal(o.qty, 2);
    assert_int_equal(o.filled_qty, 0);
    assert_int_equal(o.limit_price.micros, 150 * USD);
    assert_false(price_is_set(o.filled_avg_price));
    assert_int_equal(o.type, ORDER_LIMIT);
    assert_int_equal(o.side, SIDE_BUY);
    assert_int_equal(o.status, ORDER_ACCEPTED);

    again = alpaca_order_encode(&o);
    json_object_foreach(j, key, value)
        if (!json_equal(json_object_get(again, key), value))
            fail_msg("%s was %s, is %s", key, json_dumps(value, JSON_ENCODE_ANY),
                     json_object_get(again, key) ? json_dumps(json_object_get(again, key), JSON_ENCODE_ANY)
                                                 : "missing");
    json_decref(again);
    json_decref(j);
}

static void a_foreign_fill_is_read_as_far_as_it_is_understood(void **state)
{
    json_t *j = must_read(crypto_text);
    struct alpaca_trade_update u;
    struct err err;

    (void)state;
    if (!alpaca_trade_update_decode(j, &u, &err))
        fail_msg("%s", err.text);
    assert_int_equal(u.event, ALPACA_FILL);
    assert_string_equal(u.execution_id, "2f63ea93-423d-4169-b3f6-3fdafc10c418");
    assert_string_equal(u.event_id, "01HCMKX30Y1M8KNQCMY7SZ3VZP");
    assert_int_equal(u.price.micros, 105898848); /* to the nearest millionth */
    assert_true(u.qty == INT64_MIN);             /* no whole shares */
    assert_int_equal(u.position_qty, 0);
    assert_int_equal(u.timestamp, ns("2022-04-19T17:45:05.024916716Z"));
    assert_int_equal(u.order.created_at, ns("2022-04-19T17:45:04.981350886Z"));
    assert_int_equal(u.order.time_in_force, TIF_GTC);
    assert_int_equal(u.order.filled_avg_price.micros, 105898848);
    json_decref(j);
}

/* One change to a good trade update: what becomes of it. */
static const struct update_row {
    const char *name, *member, *value; /* of the order when member begins with '/' */
    bool ok;
    enum alpaca_event event;
    enum order_status status;
} update_rows[] = {
    { "an unknown event", "event", "\"invented\"", true, ALPACA_EVENT_UNKNOWN, ORDER_FILLED },
    { "an unknown status", "/status", "\"pending_review\"", true, ALPACA_FILL, ORDER_UNKNOWN },
    { "an unknown type", "/type", "\"trailing_stop\"", true, ALPACA_FILL, ORDER_FILLED },
    { "a null execution", "execution_id", "null", true, ALPACA_FILL, ORDER_FILLED },
    { "a numeric event id", "event_id", "17", true, ALPACA_FILL, ORDER_FILLED },
    { "numbers for decimals", "price", "105.5", true, ALPACA_FILL, ORDER_FILLED },
    { "no timestamp", "timestamp", "null", true, ALPACA_FILL, ORDER_FILLED },
    { "an object where text belongs", "/asset_class", "{}", true, ALPACA_FILL, ORDER_FILLED },
    { "no side", "/side", "\"\"", false, 0, 0 },
    { "no symbol", "/symbol", "null", false, 0, 0 },
    { "an option's symbol", "/symbol", "\"AAPL240119C00190000\"", false, 0, 0 },
    { "a number for an id", "/id", "7", true, ALPACA_FILL, ORDER_FILLED },
    { "no event", "event", "null", false, 0, 0 },
    { "no order", "order", "[]", false, 0, 0 },
};

static void trade_updates_are_read_leniently(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(update_rows); i++) {
        const struct update_row *row = &update_rows[i];
        json_t *j = must_read(crypto_text), *value = json_loads(row->value, JSON_DECODE_ANY, NULL);
        struct alpaca_trade_update u;
        struct err err = { ERR_NONE, "" };
        bool in_order = row->member[0] == '/', ok;
        json_object_set_new(in_order ? json_object_get(j, "order") : j, row->member + in_order, value);
        ok = alpaca_trade_update_decode(j, &u, &err);
        if (ok != row->ok)
            fail_msg("%s: %s", row->name, ok ? "was taken" : err.text);
        if (ok && (u.event != row->event || u.order.status != row->status || u.timestamp == 0))
            fail_msg("%s: event %d status %d", row->name, (int)u.event, (int)u.order.status);
        if (!ok)
            assert_true(err.text[0]);
        json_decref(j);
    }
}

static void a_trade_update_survives_writing_and_reading(void **state)
{
    struct alpaca_trade_update u = { .event = ALPACA_PARTIAL_FILL, .event_id = "01HCMKX30Y1M8KNQCMY7SZ3VZP",
                                     .execution_id = "2f63ea93-423d-4169-b3f6-3fdafc10c418",
                                     .timestamp = 1381152600000000001, .at = 1381152600000000001,
                                     .price = { 169250001 }, .qty = 40, .position_qty = -60 },
                               v;
    json_t *j;
    struct err err;

    (void)state;
    alpaca_order_init(&u.order);
    text_copy(u.order.id, sizeof u.order.id, ORDER_ID);
    text_copy(u.order.client_order_id, sizeof u.order.client_order_id, "bell.momentum.20131007.1");
    text_copy(u.order.symbol, sizeof u.order.symbol, "BRK.B");
    text_copy(u.order.asset_class, sizeof u.order.asset_class, "us_equity");
    u.order.created_at = u.order.updated_at = u.order.submitted_at = 1381152599000000000;
    u.order.qty = 100;
    u.order.filled_qty = 40;
    u.order.filled_avg_price.micros = 169250001;
    u.order.side = SIDE_SELL;
    u.order.time_in_force = TIF_CLS;
    u.order.status = ORDER_PARTIALLY_FILLED;
    j = alpaca_trade_update_encode(&u);
    assert_string_equal(json_string_value(json_object_get(j, "price")), "169.250001");
    assert_string_equal(json_string_value(json_object_get(j, "position_qty")), "-60");
    if (!alpaca_trade_update_decode(j, &v, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(&u, &v, sizeof u);
    json_decref(j);
}

static void a_fee_is_there_when_it_is_not_0(void **state)
{
    (void)state;
    static const struct { const char *member; int64_t fee; } rows[] = {
        { "", 0 }, { ",\"fee\":null", 0 }, { ",\"fee\":\"0.013\"", 13000 }, { ",\"fee\":1.5", 1500000 }, { ",\"fee\":\"-0.01\"", -10000 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[600];
        struct err err;
        struct alpaca_activity a, b;
        snprintf(text, sizeof text,
                 "{\"id\":\"20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e\",\"activity_type\":\"FILL\","
                 "\"transaction_time\":\"2022-02-02T18:55:09.981482Z\",\"type\":\"fill\",\"price\":\"1\",\"qty\":\"1\",\"side\":\"buy\","
                 "\"symbol\":\"SPY\",\"order_id\":\"5f4a07dc-6234-4985-9dc0-d0b1c0b7a7b2\"%s}", rows[i].member);
        json_t *j = json_read(text, strlen(text), &err), *again;
        if (!alpaca_activity_decode(j, &a, &err))
            fail_msg("%s", err.text);
        assert_int_equal(a.fee, rows[i].fee);
        again = alpaca_activity_encode(&a);
        assert_int_equal(json_object_get(again, "fee") != NULL, rows[i].fee != 0);
        assert_true(alpaca_activity_decode(again, &b, &err));
        assert_int_equal(b.fee, rows[i].fee);
        json_decref(again);
        json_decref(j);
    }
}

static void an_activity_is_read_with_or_without_an_account(void **state)
{
    static const char text[] =
        "{\"id\":\"20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e\",\"activity_type\":\"FILL\","
        "\"transaction_time\":\"2022-02-02T18:55:09.981482Z\",\"type\":\"fill\",\"price\":\"174.78\","
        "\"qty\":\"2\",\"side\":\"sell_short\",\"symbol\":\"AAPL\",\"leaves_qty\":\"0\","
        "\"order_id\":\"b5abe576-6a8a-49f3-a353-46b72c1ccae9\",\"cum_qty\":\"2\",\"order_status\":\"filled\"}";
    static const char dividend[] =
        "{\"activity_type\":\"DIV\",\"id\":\"20190801011955195::5f596936-6f23-4cef-bdf1-3806aae57dbf\","
        "\"date\":\"2019-08-01\",\"net_amount\":\"1.02\",\"symbol\":\"T\",\"qty\":\"2\"}";
    json_t *j = must_read(text), *d = must_read(dividend), *again;
    struct alpaca_activity a, b;
    struct err err;

    (void)state;
    if (!alpaca_activity_decode(j, &a, &err))
        fail_msg("%s", err.text);
    assert_int_equal(a.side, SIDE_SELL);
    assert_int_equal(a.qty, 2);
    assert_int_equal(a.cum_qty, 2);
    assert_int_equal(a.leaves_qty, 0);
    assert_false(a.is_partial);
    assert_int_equal(a.price.micros, 174780000);
    assert_int_equal(a.order_status, ORDER_FILLED);
    again = alpaca_activity_encode(&a);
    assert_true(alpaca_activity_decode(again, &b, &err));
    assert_memory_equal(&a, &b, sizeof a);
    assert_false(alpaca_activity_decode(d, &a, &err));
    json_decref(again);
    json_decref(j);
    json_decref(d);
}

static void a_position_is_read_and_its_fractions_worked_out(void **state)
{
    static const char text[] =
        "{\"asset_id\":\"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415\",\"symbol\":\"AAPL\",\"exchange\":\"NASDAQ\","
        "\"asset_class\":\"us_equity\",\"asset_marginable\":true,\"qty\":\"2\",\"avg_entry_price\":\"174.78\","
        "\"side\":\"long\",\"market_value\":\"348.58\",\"cost_basis\":\"349.56\",\"unrealized_pl\":\"-0.98\","
        "\"unrealized_plpc\":\"-0.0028035244307129\",\"unrealized_intraday_pl\":\"-0.98\","
        "\"unrealized_intraday_plpc\":\"-0.0028035244307129\",\"current_price\":\"174.29\","
        "\"lastday_price\":\"174.61\",\"change_today\":\"-0.0018326556325525\",\"qty_available\":\"2\"}";
    json_t *j = must_read(text), *again;
    struct alpaca_position p, q;
    struct err err;

    (void)state;
    if (!alpaca_position_decode(j, &p, &err))
        fail_msg("%s", err.text);
    assert_int_equal(p.qty, 2);
    assert_int_equal(p.unrealized_pl, -980000);
    assert_int_equal(p.current_price.micros, 174290000);
    again = alpaca_position_encode(&p);
    assert_string_equal(json_string_value(json_object_get(again, "unrealized_plpc")), "-0.0028035244");
    assert_string_equal(json_string_value(json_object_get(again, "change_today")), "-0.0018326556");
    assert_true(alpaca_position_decode(again, &q, &err));
    assert_memory_equal(&p, &q, sizeof p);
    json_object_set_new(j, "side", json_string("short"));
    assert_true(alpaca_position_decode(j, &p, &err));
    assert_true(p.is_short);
    assert_int_equal(p.qty, -2);
    json_decref(again);
    json_decref(j);
}

static void an_account_is_read_with_what_it_tells(void **state)
{
    static const char text[] =
        "{\"id\":\"1d9eed04-be39-4e01-9b84-a48ac5bbafcf\",\"user_configurations\":null,"
        "\"account_number\":\"PALPACA_123\",\"status\":\"ACTIVE\",\"currency\":\"USD\","
        "\"buying_power\":\"245432.61\",\"bod_dtbp\":0,\"cash\":\"122086.5\",\"equity\":\"123346.11\","
        "\"last_equity\":\"122011.09751111286868\",\"multiplier\":\"2\",\"shorting_enabled\":true,"
        "\"created_at\":\"2023-01-01T18:20:20.272275Z\",\"balance_asof\":\"2023-09-27\"}";
    json_t *j = must_read(text), *again;
    struct alpaca_account a, b;
    struct err err;

    (void)state;
    if (!alpaca_account_decode(j, &a, &err))
        fail_msg("%s", err.text);
    assert_int_equal(a.cash, 122086500000);
    assert_int_equal(a.last_equity, 122011097511); /* rounded to the millionth */
    assert_int_equal(a.maintenance_margin, 0);
    assert_int_equal(a.multiplier, 2);
    assert_int_equal(a.balance_asof, 20230927);
    again = alpaca_account_encode(&a);
    assert_string_equal(json_string_value(json_object_get(again, "portfolio_value")), "123346.11");
    assert_true(alpaca_account_decode(again, &b, &err));
    assert_memory_equal(&a, &b, sizeof a);
    json_decref(again);
    json_decref(j);
}

static void a_clock_carries_new_york_time_and_our_speed(void **state)
{
    json_t *j = must_read("{\"timestamp\":\"2022-05-16T16:32:24.14373588-04:00\",\"is_open\":false,"
                          "\"next_open\":\"2022-05-17T09:30:00-04:00\",\"next_close\":\"2022-05-17T16:00:00-04:00\"}");
    struct alpaca_clock c, d;
    json_t *again;
    struct err err;

    (void)state;
    if (!alpaca_clock_decode(j, &c, &err))
        fail_msg("%s", err.text);
    assert_false(c.is_replay);
    assert_int_equal(c.next_open, ns("2022-05-17T13:30:00Z"));
    again = alpaca_clock_encode(&c);
    assert_true(json_equal(j, again));
    json_decref(again);
    c.is_replay = true;
    c.ends_at = ns("2022-12-16T21:00:00Z");
    again = alpaca_clock_encode(&c);
    assert_string_equal(json_string_value(json_object_get(again, "ends")), "2022-12-16T16:00:00-05:00");
    assert_true(alpaca_clock_decode(again, &d, &err));
    assert_true(d.is_replay && d.ends_at == c.ends_at && d.timestamp == c.timestamp && !d.is_open);
    json_decref(again);
    json_decref(j);
}

static const struct message_row {
    const char *text;
    enum alpaca_message_kind kind; /* -1: malformed */
} message_rows[] = {
    { "{\"T\":\"b\",\"S\":\"SPY\",\"o\":388.985,\"h\":389.13,\"l\":388.975,\"c\":389.12,\"v\":49378,"
      "\"t\":\"2021-02-22T19:15:00Z\",\"n\":461,\"vw\":389.062639}", ALPACA_MESSAGE_BAR },
    { "{\"T\":\"q\",\"S\":\"AMD\",\"bx\":\"U\",\"bp\":87.66,\"bs\":1,\"ax\":\"Q\",\"ap\":0,\"as\":4,"
      "\"t\":\"2021-02-22T15:51:45.335689322Z\",\"c\":[\"R\"],\"z\":\"C\"}", ALPACA_MESSAGE_QUOTE },
    { "{\"T\":\"success\",\"msg\":\"connected\",\"lockstep\":true}", ALPACA_MESSAGE_SUCCESS },
    { "{\"T\":\"error\",\"code\":406,\"msg\":\"connection limit exceeded\"}", ALPACA_MESSAGE_ERROR },
    { "{\"T\":\"subscription\",\"bars\":[\"*\"]}", ALPACA_MESSAGE_SUBSCRIPTION },
    { "{\"T\":\"tick\",\"n\":17,\"t\":\"2013-10-07T13:31:00Z\",\"speed\":0}", ALPACA_MESSAGE_TICK },
    { "{\"T\":\"s\",\"S\":\"AAPL\",\"sc\":\"H\"}", ALPACA_MESSAGE_OTHER },
    { "{\"T\":\"b\",\"S\":\"AAPL240119C00190000\",\"o\":1}", ALPACA_MESSAGE_OTHER },
    { "{\"T\":\"invented\"}", ALPACA_MESSAGE_OTHER },
    { "{\"T\":\"b\",\"S\":\"SPY\",\"o\":388.985}", (enum alpaca_message_kind)-1 },
    { "{\"T\":\"b\",\"o\":1,\"h\":1,\"l\":1,\"c\":1,\"v\":1,\"t\":\"2021-02-22T19:15:00Z\"}",
      (enum alpaca_message_kind)-1 },
    { "{\"T\":\"tick\",\"n\":17}", (enum alpaca_message_kind)-1 },
    { "{\"S\":\"SPY\"}", (enum alpaca_message_kind)-1 },
    { "[]", (enum alpaca_message_kind)-1 },
};

static void data_messages_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(message_rows); i++) {
        json_t *j = must_read(message_rows[i].text);
        struct alpaca_message m;
        struct err err = { ERR_NONE, "" };
        bool ok = alpaca_message_decode(j, &m, &err);
        if ((ok ? (int)m.kind : -1) != (int)message_rows[i].kind)
            fail_msg("%s: %d %s", message_rows[i].text, ok ? (int)m.kind : -1, err.text);
        json_decref(j);
    }
}

static void market_data_survives_writing_and_reading(void **state)
{
    struct bar bar = { 1381152600000000000, { 169250000 }, { 169300001 }, { 169200000 }, { 169290000 }, 12345 };
    struct quote quote = { 1381152660000000000, { 169250000 }, PRICE_NONE, 300, 0 };
    struct alpaca_tick tick = { .n = 9, .time_ns = 1381152660000000000, .speed = 60, .ended = true };
    struct alpaca_message m;
    struct err err;
    json_t *j;
    char *text;

    (void)state;
    j = alpaca_stream_bar_encode("BRK.B", &bar);
    assert_true(alpaca_message_decode(j, &m, &err));
    assert_string_equal(m.symbol, "BRK.B");
    assert_memory_equal(&m.bar, &bar, sizeof bar);
    text = json_dumps(j, JSON_COMPACT);
    assert_memory_equal(text, "{\"T\":\"b\"", 8); /* clients dispatch on the first key */
    free(text);
    json_decref(j);
    j = alpaca_stream_quote_encode("SPY", &quote);
    assert_true(alpaca_message_decode(j, &m, &err));
    assert_memory_equal(&m.quote, &quote, sizeof quote);
    json_decref(j);
    j = alpaca_tick_encode(&tick);
    assert_true(alpaca_message_decode(j, &m, &err));
    assert_int_equal(m.tick.n, 9);
    assert_int_equal(m.tick.time_ns, tick.time_ns);
    assert_true(m.tick.speed > 59.9 && m.tick.speed < 60.1 && m.tick.ended);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_order_reads_and_writes_the_same),
        cmocka_unit_test(a_foreign_fill_is_read_as_far_as_it_is_understood),
        cmocka_unit_test(trade_updates_are_read_leniently),
        cmocka_unit_test(a_trade_update_survives_writing_and_reading),
        cmocka_unit_test(a_fee_is_there_when_it_is_not_0),
        cmocka_unit_test(an_activity_is_read_with_or_without_an_account),
        cmocka_unit_test(a_position_is_read_and_its_fractions_worked_out),
        cmocka_unit_test(an_account_is_read_with_what_it_tells),
        cmocka_unit_test(a_clock_carries_new_york_time_and_our_speed),
        cmocka_unit_test(data_messages_are_told_apart),
        cmocka_unit_test(market_data_survives_writing_and_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
