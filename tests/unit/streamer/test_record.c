/* The rows, caught where they would go into the outbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "streamer/record.h"

static json_t *rows[8];
static size_t rows_count;
static const char *route_wanted;

bool outbox_put(struct outbox *o, const char *route, const json_t *item, struct err *err)
{
    (void)o, (void)err;
    assert_string_equal(route, route_wanted ? route_wanted : "/api/v1/order-events");
    assert_true(rows_count < COUNT_OF(rows));
    rows[rows_count++] = json_deep_copy(item);
    return true;
}

bool outbox_put_text(struct outbox *o, const char *route, const char *item, size_t size, struct err *err)
{
    (void)o, (void)err;
    assert_string_equal(route, "/api/v1/bars");
    rows[rows_count++] = json_loadb(item, size, 0, NULL);
    return rows[rows_count - 1] != NULL;
}

static int clear_rows(void **state)
{
    (void)state;
    while (rows_count)
        json_decref(rows[--rows_count]);
    return 0;
}

#define EXECUTION "2f63ea93-423d-4169-b3f6-3fdafc10c418"
#define ORDER_ID "a5be8f5e-fdfa-41f5-a644-7a74fe947a8f"

static json_t *order_json(const char *status, const char *filled, const char *average)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s?,s:s,s:s}", "id", ORDER_ID, "client_order_id",
                     "bell.momentum.20131007.3", "submitted_at", "2013-10-07T13:59:00.123456789Z", "updated_at",
                     "2013-10-07T14:00:00.5Z", "canceled_at", "2013-10-07T14:05:00.000001999Z", "symbol", "SPY",
                     "side", "buy", "type", "stop_limit", "time_in_force", "gtc", "qty", "100", "filled_qty", filled,
                     "filled_avg_price", average, "limit_price", "170", "status", status);
}

static void put_update(struct record *r, const char *event, json_t *order, const char *price)
{
    json_t *data = json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:s?,s:o}", "event", event, "execution_id", EXECUTION,
                             "timestamp", "2013-10-07T14:00:00.024916716Z", "price", price, "qty", price ? "40" : NULL,
                             "fee", price ? "0.02" : NULL, "order", order);
    char *raw = json_dumps(data, JSON_COMPACT);
    struct alpaca_trade_update u;
    struct err err;

    if (!alpaca_trade_update_decode(data, &u, &err) ||
        !record_update(r, "PA123", &u, raw, strlen(raw), &err))
        fail_msg("%s", err.text);
    assert_string_equal(json_string_value(json_object_get(rows[rows_count - 1], "raw")), raw);
    free(raw);
    json_decref(data);
}

static void assert_text(const json_t *row, const char *name, const char *expected)
{
    const char *text = json_string_value(json_object_get(row, name));

    if (!text || strcmp(text, expected) != 0)
        fail_msg("%s is %s, expected %s", name, text ? text : "none", expected);
}

static const char *const fill_members[][2] = {
    { "account", "PA123" }, { "event", "partial_fill" }, { "execution_id", EXECUTION }, { "order_id", ORDER_ID },
    { "timestamp", "2013-10-07T14:00:00.024916Z" }, { "client_order_id", "bell.momentum.20131007.3" },
    { "symbol", "SPY" }, { "side", "buy" }, { "type", "stop_limit" }, { "time_in_force", "gtc" },
    { "quantity", "100" }, { "filled_quantity", "40" }, { "average_price", "169.25" }, { "limit_price", "170.00" },
    { "status", "partially_filled" }, { "submitted_at", "2013-10-07T13:59:00.123456789Z" },
    { "fill_quantity", "40" }, { "fill_price", "169.25" }, { "fee", "0.02" },
};

static json_t *activity_json(void)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id",
                     "20131007100000024::" EXECUTION, "activity_type", "FILL", "transaction_time",
                     "2013-10-07T14:00:00.024916Z", "type", "partial_fill", "price", "169.25", "qty", "40", "side",
                     "buy", "symbol", "SPY", "leaves_qty", "60", "order_id", ORDER_ID, "cum_qty", "40",
                     "order_status", "partially_filled", "fee", "0.02");
}

static void a_fill_makes_the_same_row_from_the_stream_and_from_rest(void **state)
{
    struct record *from_stream = record_new(NULL), *from_rest = record_new(NULL);
    json_t *order = order_json("partially_filled", "40", "169.25"), *activity = activity_json();
    struct err err;

    (void)state;
    put_update(from_stream, "partial_fill", json_deep_copy(order), "169.25");
    if (!record_activity(from_rest, "PA123", activity, order, &err))
        fail_msg("%s", err.text);
    assert_int_equal(rows_count, 2);
    for (size_t row = 0; row < 2; row++)
        for (size_t i = 0; i < COUNT_OF(fill_members); i++)
            assert_text(rows[row], fill_members[i][0], fill_members[i][1]);
    json_decref(order);
    json_decref(activity);
    record_free(from_stream);
    record_free(from_rest);
}

static void what_has_been_put_is_not_put_again(void **state)
{
    struct record *r = record_new(NULL);
    json_t *order = order_json("partially_filled", "40", "169.25"), *activity = activity_json();
    struct err err;

    (void)state;
    assert_false(record_has_execution(r, EXECUTION));
    put_update(r, "partial_fill", json_deep_copy(order), "169.25");
    assert_true(record_has_execution(r, EXECUTION));
    put_update(r, "partial_fill", json_deep_copy(order), "169.25");
    assert_true(record_activity(r, "PA123", activity, order, &err));
    assert_int_equal(rows_count, 1);
    json_decref(order);
    json_decref(activity);
    record_free(r);
}

static void a_later_fill_of_the_order_does_not_change_an_earlier_row(void **state)
{
    struct record *r = record_new(NULL);
    json_t *order = order_json("filled", "100", "169.40"), *activity = activity_json();
    struct err err;

    (void)state;
    assert_true(record_activity(r, "PA123", activity, order, &err));
    assert_text(rows[0], "filled_quantity", "40");
    assert_text(rows[0], "status", "partially_filled");
    assert_null(json_object_get(rows[0], "average_price")); /* of 40 is not known any more */
    json_decref(order);
    json_decref(activity);
    record_free(r);
}

static const struct status_row {
    const char *status, *event, *timestamp; /* event NULL: no row */
} status_rows[] = {
    { "new", "new", "2013-10-07T14:00:00.500000Z" },
    { "accepted", "accepted", "2013-10-07T14:00:00.500000Z" },
    { "canceled", "canceled", "2013-10-07T14:05:00.000001Z" },
    { "expired", "expired", "2013-10-07T14:00:00.500000Z" }, /* without expired_at: updated_at */
    { "filled", NULL, NULL },
    { "partially_filled", NULL, NULL },
    { "pending_review", NULL, NULL },
};

static void an_order_found_by_rest_makes_the_row_of_the_event_it_missed(void **state)
{
    for (size_t i = 0; i < COUNT_OF(status_rows); i++) {
        const struct status_row *row = &status_rows[i];
        struct record *r = record_new(NULL);
        json_t *order = order_json(row->status, "0", NULL);
        struct err err;
        if (!record_order(r, "PA123", order, &err))
            fail_msg("%s: %s", row->status, err.text);
        if (rows_count != (row->event != NULL))
            fail_msg("%s: %zu rows", row->status, rows_count);
        if (row->event) {
            assert_text(rows[0], "event", row->event);
            assert_text(rows[0], "timestamp", row->timestamp);
            assert_null(json_object_get(rows[0], "fill_price"));
            assert_true(record_order(r, "PA123", order, &err)); /* seen */
            assert_int_equal(rows_count, 1);
        }
        clear_rows(state);
        json_decref(order);
        record_free(r);
    }
}

static void a_bar_is_written_in_decimals(void **state)
{
    struct record *r = record_new(NULL);
    struct bar bar = { 1381152600000000000, { 169250000 }, { 169300001 }, { 169200000 }, { 169290000 }, 12345 };
    struct err err;

    (void)state;
    assert_true(record_bar(r, "BRK.B", &bar, "exchange", &err));
    assert_text(rows[0], "symbol", "BRK.B");
    assert_text(rows[0], "timestamp", "2013-10-07T13:30:00Z");
    assert_text(rows[0], "high", "169.300001");
    assert_text(rows[0], "volume", "12345");
    assert_text(rows[0], "source", "exchange");
    assert_false(record_bar(r, "\"", &bar, "exchange", &err));
    assert_int_equal(rows_count, 1);
    record_free(r);
}

static void an_account_is_told_with_its_source(void **state)
{
    struct record *r = record_new(NULL);
    struct err err;

    (void)state;
    route_wanted = "/api/v1/accounts";
    assert_true(record_account(r, "PA1", "synthetic-7", INT64_C(1381152600123456789), &err));
    assert_text(rows[0], "account", "PA1");
    assert_text(rows[0], "source", "synthetic-7");
    assert_text(rows[0], "timestamp", "2013-10-07T13:30:00.123456Z");
    assert_false(record_account(r, "\xff", "x", 1, &err));
    assert_int_equal(rows_count, 1);
    route_wanted = NULL;
    record_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_fill_makes_the_same_row_from_the_stream_and_from_rest, clear_rows),
        cmocka_unit_test_teardown(what_has_been_put_is_not_put_again, clear_rows),
        cmocka_unit_test_teardown(a_later_fill_of_the_order_does_not_change_an_earlier_row, clear_rows),
        cmocka_unit_test_teardown(an_order_found_by_rest_makes_the_row_of_the_event_it_missed, clear_rows),
        cmocka_unit_test_teardown(a_bar_is_written_in_decimals, clear_rows),
        cmocka_unit_test_teardown(an_account_is_told_with_its_source, clear_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
