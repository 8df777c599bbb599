/* json: what each kind of field reads and writes, and the faults in their own words. */
#include "tests/support/rows.h"

#include <stdio.h>

#include "core/base.h"
#include "core/json.h"
#include "market/setting.h"

struct thing {
    char text[8];
    char id[37];
    int64_t whole, qty, amount, at, at_us, limited;
    struct price price, number;
    enum side side;
    enum order_status status;
    bool flag;
    int32_t day;
    struct symbol_list symbols;
};

static bool is_lower(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyz") == strlen(text);
}

static const struct json_field fields[] = {
    JSON_FIELD(struct thing, text, FIELD_TEXT, .null = true, .is_valid = is_lower, .pattern_help = "small letters"),
    JSON_FIELD(struct thing, id, FIELD_UUID),
    JSON_FIELD(struct thing, whole, FIELD_INT),
    JSON_FIELD(struct thing, qty, FIELD_QTY, .null = true),
    JSON_FIELD(struct thing, limited, FIELD_QTY, .min = 1, .max = 1000),
    JSON_FIELD(struct thing, amount, FIELD_PRICE),
    JSON_NAMED("limit_price", struct thing, price, FIELD_PRICE, .null = true),
    JSON_FIELD(struct thing, number, FIELD_NUMBER_PRICE),
    JSON_FIELD(struct thing, at, FIELD_TIME),
    JSON_FIELD(struct thing, at_us, FIELD_TIME_US),
    JSON_FIELD(struct thing, side, FIELD_ENUM, .names = side_names),
    JSON_FIELD(struct thing, status, FIELD_ENUM, .names = order_status_names, .enum_unknown = 1 + ORDER_UNKNOWN),
    JSON_FIELD(struct thing, flag, FIELD_BOOL),
    JSON_FIELD(struct thing, day, FIELD_DATE),
    JSON_FIELD(struct thing, symbols, FIELD_SYMBOLS),
};

/* The member as it is written again; a fault as "pointer detail". */
static const struct decode_case {
    const char *label, *text;
    const char *fault;   /* NULL: accepted */
    const char *written; /* the member, when accepted; NULL: as text */
} decode_cases[] = {
    { "text", "{\"text\":\"abc\"}", NULL, NULL },
    { "text of the longest kind", "{\"text\":\"abcdefg\"}", NULL, NULL },
    { "text too long is not cut", "{\"text\":\"abcdefgh\"}", "/text 8 bytes are too long; expected 7 at most", NULL },
    { "text against its pattern", "{\"text\":\"ABC\"}", "/text \"ABC\" is not small letters", NULL },
    { "a number for a text", "{\"text\":5}", "/text 5 is not small letters", NULL },
    { "a list for a text", "{\"text\":[]}", "/text a list is not small letters", NULL },

    { "uuid", "{\"id\":\"904837e3-3b76-47ec-b432-046db621571b\"}", NULL, NULL },
    { "another text for a uuid", "{\"id\":\"904837e3\"}",
      "/id \"904837e3\" is not a UUID in lower case: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", NULL },

    { "whole number", "{\"whole\":-5}", NULL, NULL },
    { "a whole number written as a real", "{\"whole\":3.0}", NULL, "{\"whole\":3}" },
    { "largest", "{\"whole\":9223372036854775807}", NULL, NULL },
    { "a fraction for a whole number", "{\"whole\":1.5}", "/whole 1.5 is not a whole number", NULL },
    { "text for a whole number", "{\"whole\":\"5\"}", "/whole \"5\" is not a whole number", NULL },
    { "the number that means nothing", "{\"whole\":-9223372036854775808}",
      "/whole -9223372036854775808 is not a whole number", NULL },
    { "a real too large to be whole", "{\"whole\":1e300}", "/whole 1e300 is not a whole number", NULL },

    { "shares as text", "{\"qty\":\"100\"}", NULL, NULL },
    { "shares with a zero fraction", "{\"qty\":\"100.0\"}", NULL, "{\"qty\":\"100\"}" },
    { "shares as a number", "{\"qty\":100}", NULL, "{\"qty\":\"100\"}" },
    { "shares as a real", "{\"qty\":100.0}", NULL, "{\"qty\":\"100\"}" },
    { "short shares", "{\"qty\":\"-100\"}", NULL, NULL },
    { "fractional shares", "{\"qty\":\"1.5\"}",
      "/qty \"1.5\" is not whole shares: fractions of a share are not traded here", NULL },
    { "fractional shares as a number", "{\"qty\":1.5}", "/qty 1.5 is not whole shares such as \"100\"", NULL },
    { "shares in words", "{\"qty\":\"many\"}", "/qty \"many\" is not whole shares such as \"100\"", NULL },
    { "shares without end", "{\"qty\":\"99999999999999999999\"}",
      "/qty \"99999999999999999999\" is not whole shares such as \"100\"", NULL },
    { "shares with an exponent", "{\"qty\":\"1e2\"}", "/qty \"1e2\" is not whole shares such as \"100\"", NULL },
    { "shares of nothing", "{\"qty\":\"\"}", "/qty \"\" is not whole shares such as \"100\"", NULL },
    { "a bool for shares", "{\"qty\":true}", "/qty true is not whole shares such as \"100\"", NULL },
    { "below the limit", "{\"limited\":0}", "/limited 0 is not a whole number from 1 to 1000", NULL },
    { "above the limit", "{\"limited\":\"1001\"}", "/limited \"1001\" is not a whole number from 1 to 1000", NULL },
    { "at the limit", "{\"limited\":\"1000\"}", NULL, NULL },

    { "price as text", "{\"limit_price\":\"12.34\"}", NULL, NULL },
    { "price as a number", "{\"limit_price\":12.34}", NULL, "{\"limit_price\":\"12.34\"}" },
    { "price as a whole number", "{\"limit_price\":12}", NULL, "{\"limit_price\":\"12.00\"}" },
    { "a number to the nearest millionth", "{\"limit_price\":0.0000005}", NULL, "{\"limit_price\":\"0.000001\"}" },
    { "money below zero", "{\"amount\":\"-1000000.000001\"}", NULL, NULL },
    { "a million and a millionth as a number", "{\"amount\":1999999999.999999}", NULL, "{\"amount\":\"1999999999.999999\"}" },
    { "a seventh digit in a text", "{\"limit_price\":\"0.0000001\"}",
      "/limit_price \"0.0000001\" is not a decimal with at most six digits after the point, such as \"12.34\"", NULL },
    { "a price beyond 64 bits", "{\"limit_price\":9300000000000}",
      "/limit_price 9300000000000 is not a decimal with at most six digits after the point, such as \"12.34\"", NULL },
    { "a huge exponent", "{\"limit_price\":1e300}",
      "/limit_price 1e300 is not a decimal with at most six digits after the point, such as \"12.34\"", NULL },
    { "NaN as text", "{\"limit_price\":\"NaN\"}",
      "/limit_price \"NaN\" is not a decimal with at most six digits after the point, such as \"12.34\"", NULL },
    { "market data stays a number", "{\"number\":12.34}", NULL, NULL },
    { "market data from text", "{\"number\":\"12.34\"}", NULL, "{\"number\":12.34}" },

    { "time", "{\"at\":\"2013-10-07T13:30:00Z\"}", NULL, NULL },
    { "time with an offset", "{\"at\":\"2013-10-07T09:30:00.5-04:00\"}", NULL, "{\"at\":\"2013-10-07T13:30:00.5Z\"}" },
    { "time with microseconds", "{\"at_us\":\"2013-10-07T13:30:00Z\"}", NULL, "{\"at_us\":\"2013-10-07T13:30:00.000000Z\"}" },
    { "no time", "{\"at\":\"yesterday\"}", "/at \"yesterday\" is not an RFC 3339 time such as \"2013-10-07T13:30:00Z\"", NULL },
    { "date", "{\"day\":\"2013-10-07\"}", NULL, NULL },
    { "no date", "{\"day\":\"2013-02-30\"}", "/day \"2013-02-30\" is not a date such as \"2013-10-07\"", NULL },

    { "known word", "{\"side\":\"sell\"}", NULL, NULL },
    { "near word", "{\"side\":\"sel\"}", "/side \"sel\" is not one of buy, sell; did you mean sell?", NULL },
    { "far word", "{\"side\":\"hold\"}", "/side \"hold\" is not one of buy, sell", NULL },
    { "unknown word of an open set", "{\"status\":\"exploded\"}", NULL, "{\"status\":\"unknown\"}" },
    { "a number is no word even then", "{\"side\":0}", "/side 0 is not one of buy, sell", NULL },
    { "true", "{\"flag\":true}", NULL, NULL },
    { "text for a bool", "{\"flag\":\"true\"}", "/flag \"true\" is not true or false", NULL },
    { "symbols", "{\"symbols\":[\"SPY\",\"BRK.B\"]}", NULL, NULL },
    { "a symbol twice", "{\"symbols\":[\"SPY\",\"SPY\"]}",
      "/symbols \"SPY\", number 1, is not a symbol such as \"SPY\" or is there twice", NULL },
    { "one symbol without a list", "{\"symbols\":\"SPY\"}",
      "/symbols \"SPY\" is not a list of at most 32 different symbols such as [\"SPY\", \"BRK.B\"]", NULL },

    { "unknown member", "{\"sied\":\"buy\"}", "/sied there is no member of this name; did you mean side?", NULL },
    { "unknown member like none", "{\"q/~x\":1}", "/q~1~0x there is no member of this name", NULL },
};

static void keep_only(json_t *obj, const json_t *like)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(obj, next, name, value)
        if (!json_object_get(like, name))
            json_object_del(obj, name);
}

static void decodes(void **state)
{
    const struct decode_case *c = *state;
    struct err err;
    struct json_fault list[2];
    struct json_faults faults = { .max = 2, .list = list };
    struct thing thing = { 0 };
    json_t *value = json_read(c->text, strlen(c->text), &err);
    assert_non_null(value);
    bool ok = json_decode(value, fields, COUNT_OF(fields), &thing, "", true, &faults);
    assert_int_equal(ok, c->fault == NULL);
    if (c->fault) {
        char got[320];
        snprintf(got, sizeof got, "%s %s", list[0].pointer, list[0].detail);
        assert_string_equal(got, c->fault);
        assert_int_equal(faults.count, 1);
    } else {
        json_t *back = json_encode(&thing, fields, COUNT_OF(fields));
        keep_only(back, value);
        char *text = json_write(back, NULL);
        assert_string_equal(text, c->written ? c->written : c->text);
        free(text);
        json_decref(back);
    }
    json_decref(value);
}

static const struct read_case {
    const char *label, *text;
    size_t len; /* 0: strlen */
    const char *fault;
} read_cases[] = {
    { "a member twice", "{\"a\":1,\"a\":2}", 0, "duplicate object key" },
    { "a NUL in a text", "{\"a\":\"x\\u0000y\"}", 0, "\\u0000 is not allowed" },
    { "a NUL byte", "{\"a\":1}\0", 8, "end of file expected" },
    { "broken UTF-8", "{\"a\":\"\xff\"}", 0, "unable to decode byte" },
    { "half a surrogate", "{\"a\":\"\\ud800\"}", 0, "Unicode" },
    { "a number without end", "{\"a\":99999999999999999999}", 0, "too big" },
    { "an exponent without end", "{\"a\":1e999}", 0, "overflow" },
    { "NaN", "{\"a\":NaN}", 0, "line 1, column" },
    { "two texts", "{} {}", 0, "end of file expected" },
    { "nothing", "", 0, "line 1, column" },
    { "cut off", "{\"a\":[1,", 0, "line 1, column" },
};

static void refuses_to_read(void **state)
{
    const struct read_case *c = *state;
    struct err err = { 0 };
    assert_null(json_read(c->text, c->len ? c->len : strlen(c->text), &err));
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.text, c->fault))
        fail_msg("%s", err.text);
}

static const struct nearest_case {
    const char *label, *text, *nearest;
} nearest_cases[] = {
    { "a letter missing", "quantty", "quantity" },
    { "letters swapped", "qunatity", "quantity" },
    { "one too many", "sidee", "side" },
    { "another letter", "pride", "price" },
    { "too far", "banana", NULL },
    { "empty", "", NULL },
    { "a short name allows one", "pxi", NULL },
    { "the name itself", "price", "price" },
};

static void finds_the_nearest(void **state)
{
    static const char *const names[] = { "quantity", "side", "price", "px", NULL };
    const struct nearest_case *c = *state;
    const char *got = nearest_name(c->text, names);
    assert_string_equal(got ? got : "none", c->nearest ? c->nearest : "none");
}

static json_t *read_ok(const char *text)
{
    struct err err;
    json_t *value = json_read(text, strlen(text), &err);
    assert_non_null(value);
    return value;
}

static void absent_members_leave_defaults_or_nothing(void **state)
{
    (void)state;
    struct err err;
    struct thing t = { .whole = 42, .text = "x", .side = SIDE_SELL, .flag = true };
    json_t *empty = read_ok("{}");
    assert_true(json_decode_err(empty, fields, COUNT_OF(fields), &t, &err));
    assert_int_equal(t.whole, 42);
    assert_string_equal(t.text, "x");
    assert_int_equal(t.side, SIDE_SELL);
    assert_true(t.flag);
    assert_false(price_is_set(t.price)); /* zero bytes become nothing */
    assert_int_equal(t.qty, INT64_MIN);
    assert_int_equal(t.at, 0);
    json_decref(empty);
}

static void null_is_nothing_whatever_the_default(void **state)
{
    (void)state;
    struct err err;
    struct thing t = { .whole = 42, .text = "x", .price = { 5 }, .at = 5, .day = 20131007 };
    json_t *nulls = read_ok("{\"whole\":null,\"text\":null,\"limit_price\":null,\"at\":null,\"day\":null,\"side\":null}");
    assert_true(json_decode_err(nulls, fields, COUNT_OF(fields), &t, &err));
    assert_int_equal(t.whole, INT64_MIN);
    assert_string_equal(t.text, "");
    assert_false(price_is_set(t.price));
    assert_int_equal(t.at, 0);
    assert_int_equal(t.day, 0);
    json_decref(nulls);
}

static void nothing_is_written_as_null_or_left_out(void **state)
{
    (void)state;
    struct thing t = { .whole = INT64_MIN, .qty = INT64_MIN, .limited = INT64_MIN, .amount = INT64_MIN,
                       .price = PRICE_NONE, .number = PRICE_NONE };
    json_t *obj = json_encode(&t, fields, COUNT_OF(fields));
    char *text = json_write(obj, NULL);
    assert_string_equal(text, "{\"text\":null,\"qty\":null,\"limit_price\":null,\"side\":\"buy\",\"status\":\"intent\","
                              "\"flag\":false,\"symbols\":[]}");
    free(text);
    json_decref(obj);
}

static void required_members_are_asked_for_and_null_will_not_do(void **state)
{
    (void)state;
    static const struct json_field required[] = {
        JSON_FIELD(struct thing, qty, FIELD_QTY, .required = true, .min = 1, .max = 9),
        JSON_FIELD(struct thing, side, FIELD_ENUM, .required = true, .names = side_names),
        JSON_FIELD(struct thing, whole, FIELD_INT, .reply_only = true, .required = true),
    };
    struct json_fault list[1];
    struct json_faults faults = { .max = 1, .list = list };
    struct thing t = { .whole = 7 };
    struct err err;
    json_t *obj = read_ok("{\"side\":null,\"whole\":5}");
    assert_false(json_decode(obj, required, COUNT_OF(required), &t, "/items/3", true, &faults));
    assert_int_equal(faults.count, 2); /* counted beyond the list's end */
    assert_string_equal(list[0].pointer, "/items/3/qty");
    assert_string_equal(list[0].detail, "is required: a whole number from 1 to 9");
    assert_int_equal(t.whole, 7); /* ours to state */
    assert_false(json_decode_err(obj, required, COUNT_OF(required), &t, &err));
    assert_string_equal(err.text, "qty: is required: a whole number from 1 to 9");
    json_decref(obj);
}

static void what_is_no_object_is_a_fault(void **state)
{
    (void)state;
    struct err err;
    struct thing t = { 0 };
    json_t *list = read_ok("[1]");
    assert_false(json_decode_err(list, fields, COUNT_OF(fields), &t, &err));
    assert_string_equal(err.text, "a list stands where an object was expected");
    assert_false(json_decode_err(NULL, fields, COUNT_OF(fields), &t, &err));
    json_decref(list);
}

static void a_text_made_elsewhere_with_a_nul_is_a_fault(void **state)
{
    (void)state;
    struct err err;
    struct thing t = { 0 };
    json_t *obj = json_pack("{s:o}", "text", json_stringn("a\0b", 3));
    assert_false(json_decode_err(obj, fields, COUNT_OF(fields), &t, &err));
    json_decref(obj);
}

static void broken_utf8_is_written_with_question_marks(void **state)
{
    (void)state;
    static const struct json_field only[] = { JSON_FIELD(struct thing, text, FIELD_TEXT) };
    struct thing t = { .text = "a\xff" "b" };
    json_t *obj = json_encode(&t, only, 1);
    assert_string_equal(json_string_value(json_object_get(obj, "text")), "a?b");
    json_decref(obj);
}

static void long_values_are_shown_cut(void **state)
{
    (void)state;
    struct err err;
    struct thing t = { 0 };
    char text[512] = "{\"side\":\"";
    for (int i = 0; i < 100; i++)
        strcat(text, "\xc3\xa4");
    strcat(text, "\"}");
    json_t *obj = read_ok(text);
    assert_false(json_decode_err(obj, fields, COUNT_OF(fields), &t, &err));
    json_t *as_json = json_string(err.text); /* NULL were it not UTF-8 any more */
    assert_non_null(as_json);
    assert_non_null(strstr(err.text, "... is not one of buy, sell"));
    json_decref(as_json);
    json_decref(obj);
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 5000; i++) {
        struct thing t = { 0 }, back = { 0 };
        struct err err;
        for (uint64_t n = random_next(&seed) % 8, k = 0; k < n; k++)
            t.text[k < 7 ? k : 6] = (char)('a' + random_next(&seed) % 26);
        uuid_from_bits(random_next(&seed), random_next(&seed), t.id);
        t.whole = (int64_t)(random_next(&seed) >> i % 64);
        t.qty = (int64_t)(random_next(&seed) >> (1 + i % 63));
        t.limited = 1 + (int64_t)(random_next(&seed) % 1000);
        t.amount = (int64_t)(random_next(&seed) >> (1 + i % 63));
        t.price.micros = -(int64_t)(random_next(&seed) >> (1 + i % 63));
        t.number.micros = (int64_t)(random_next(&seed) % UINT64_C(900000000000000)); /* 15 digits */
        t.at = 1 + (int64_t)(random_next(&seed) % UINT64_C(7000000000000000000));
        t.at_us = t.at - t.at % 1000 + 1000;
        t.side = random_next(&seed) % 2 ? SIDE_BUY : SIDE_SELL;
        t.status = (enum order_status)(random_next(&seed) % (ORDER_UNKNOWN + 1));
        t.flag = random_next(&seed) % 2;
        t.day = 20130101 + (int32_t)(random_next(&seed) % 28);
        t.symbols.count = (int64_t)(random_next(&seed) % 3);
        for (int64_t k = 0; k < t.symbols.count; k++)
            snprintf(t.symbols.names[k], SYMBOL_SIZE, "S%d", (int)k);
        if (t.whole == INT64_MIN)
            continue;
        json_t *obj = json_encode(&t, fields, COUNT_OF(fields));
        char *text = json_write(obj, NULL);
        json_t *again = json_read(text, strlen(text), &err);
        if (!json_decode_err(again, fields, COUNT_OF(fields), &back, &err))
            fail_msg("%s", err.text);
        assert_memory_equal(&back, &t, sizeof t);
        free(text);
        json_decref(obj);
        json_decref(again);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_members_leave_defaults_or_nothing),
        cmocka_unit_test(null_is_nothing_whatever_the_default),
        cmocka_unit_test(nothing_is_written_as_null_or_left_out),
        cmocka_unit_test(required_members_are_asked_for_and_null_will_not_do),
        cmocka_unit_test(what_is_no_object_is_a_fault),
        cmocka_unit_test(a_text_made_elsewhere_with_a_nul_is_a_fault),
        cmocka_unit_test(broken_utf8_is_written_with_question_marks),
        cmocka_unit_test(long_values_are_shown_cut),
        cmocka_unit_test(what_is_encoded_decodes_to_the_same),
    };
    return RUN_ROWS("json_decode", decodes, decode_cases) + RUN_ROWS("json_read", refuses_to_read, read_cases) +
           RUN_ROWS("nearest_name", finds_the_nearest, nearest_cases) +
           cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
