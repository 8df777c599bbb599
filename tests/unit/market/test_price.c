/* price: every row is a test of its own, named by its label. */
#include "tests/support/rows.h"

#include <math.h>

#include "market/price.h"

static const struct parse_case {
    const char *label, *text;
    bool ok;
    int64_t micros;
} parse_cases[] = {
    { "whole dollars", "12", true, 12000000 },
    { "cents", "12.34", true, 12340000 },
    { "one decimal is tenths", "12.5", true, 12500000 },
    { "smallest unit", "0.000001", true, 1 },
    { "negative", "-0.05", true, -50000 },
    { "minus nothing is nothing", "-0", true, 0 },
    { "leading zeros", "0012.10", true, 12100000 },
    { "zeros beyond the sixth digit", "1.00000000", true, 1000000 },
    { "largest", "9223372036854.775807", true, INT64_MAX },
    { "most negative", "-9223372036854.775807", true, -INT64_MAX },
    { "one beyond the largest", "9223372036854.775808", false, 0 },
    { "no price is not written", "-9223372036854.775808", false, 0 },
    { "seventh digit refused", "0.0000001", false, 0 },
    { "empty", "", false, 0 },
    { "lone minus", "-", false, 0 },
    { "lone point", ".", false, 0 },
    { "leading point", ".5", false, 0 },
    { "trailing point", "12.", false, 0 },
    { "two points", "1.2.3", false, 0 },
    { "two signs", "--1", false, 0 },
    { "plus", "+1", false, 0 },
    { "leading space", " 12", false, 0 },
    { "trailing space", "12 ", false, 0 },
    { "comma", "1,000", false, 0 },
    { "underscore", "1_000", false, 0 },
    { "exponent", "1e3", false, 0 },
    { "hexadecimal", "0x10", false, 0 },
    { "not a number", "nan", false, 0 },
    { "does not fit 64 bits", "9300000000000", false, 0 },
    { "digits without end", "99999999999999999999999999999999999999", false, 0 },
};

static void parses(void **state)
{
    const struct parse_case *c = *state;
    struct price got = { 77 };
    bool ok = price_parse(c->text, strlen(c->text), &got);
    assert_int_equal(ok, c->ok);
    assert_int_equal(got.micros, c->ok ? c->micros : 77); /* untouched when refused */
}

static const struct format_case {
    const char *label;
    int64_t micros;
    const char *text;
} format_cases[] = {
    { "always two decimals", 12000000, "12.00" },
    { "tenths get their zero", 12500000, "12.50" },
    { "no trailing zeros beyond two", 12345000, "12.345" },
    { "smallest", 1, "0.000001" },
    { "zero", 0, "0.00" },
    { "negative below one", -50000, "-0.05" },
    { "largest", INT64_MAX, "9223372036854.775807" },
    { "no price", INT64_MIN, "-9223372036854.775808" },
};

static void formats(void **state)
{
    const struct format_case *c = *state;
    char text[PRICE_TEXT_MAX];
    int len = price_format((struct price){ c->micros }, text);
    assert_string_equal(text, c->text);
    assert_int_equal(len, strlen(c->text));
}

static const struct round_case {
    const char *label;
    int64_t micros, tick, rounded;
} round_cases[] = {
    { "on the tick", 12340000, 10000, 12340000 },
    { "below half goes down", 12344999, 10000, 12340000 },
    { "half goes up", 12345000, 10000, 12350000 },
    { "negative half goes away from zero", -12345000, 10000, -12350000 },
    { "negative below half", -12344999, 10000, -12340000 },
    { "odd tick", 10, 3, 9 },
    { "odd tick, half is between", 11, 3, 12 },
    { "tick of one", 7, 1, 7 },
    { "no room for the next tick", INT64_MAX, 1000000, INT64_MAX - 775807 },
    { "tick larger than any price", 5, INT64_MAX, 0 },
};

static void rounds(void **state)
{
    const struct round_case *c = *state;
    struct price got = price_round_to_tick((struct price){ c->micros }, (struct price){ c->tick });
    assert_int_equal(got.micros, c->rounded);
}

static const struct double_case {
    const char *label;
    double dollars;
    bool ok;
    int64_t micros;
} double_cases[] = {
    { "decimal", 12.34, true, 12340000 },
    { "half away from zero", 0.0000005, true, 1 },
    { "negative half away from zero", -0.0000005, true, -1 },
    { "two billion dollars", 1999999999.999999, true, INT64_C(1999999999999999) },
    { "not a number", NAN, false, 0 },
    { "infinite", INFINITY, false, 0 },
    { "too large", 9.3e12, false, 0 },
    { "no price is out of reach", -9223372036854.775808, false, 0 },
};

static void converts(void **state)
{
    const struct double_case *c = *state;
    struct price got = { 0 };
    assert_int_equal(price_from_double(c->dollars, &got), c->ok);
    assert_int_equal(got.micros, c->micros);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

static void what_is_formatted_parses_to_the_same(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        struct price p = { (int64_t)(next_random(&seed) >> (i % 64)) }, back;
        if (i % 2)
            p.micros = p.micros == INT64_MIN ? 0 : -p.micros;
        if (!price_is_set(p))
            continue;
        char text[PRICE_TEXT_MAX];
        int len = price_format(p, text);
        assert_true(price_parse(text, (size_t)len, &back));
        assert_int_equal(back.micros, p.micros);
    }
}

static void a_double_of_a_price_is_that_price(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 200000; i++) {
        struct price p = { (int64_t)(next_random(&seed) % UINT64_C(2000000000000000)) }, back;
        assert_true(price_from_double((double)p.micros / 1e6, &back));
        assert_int_equal(back.micros, p.micros);
    }
}

static void products_that_overflow_are_refused(void **state)
{
    (void)state;
    int64_t micros;
    assert_true(price_times((struct price){ 12340000 }, -100, &micros));
    assert_int_equal(micros, -1234000000);
    assert_false(price_times((struct price){ INT64_MAX }, 2, &micros));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_formatted_parses_to_the_same),
        cmocka_unit_test(a_double_of_a_price_is_that_price),
        cmocka_unit_test(products_that_overflow_are_refused),
    };
    return RUN_ROWS("price_parse", parses, parse_cases) + RUN_ROWS("price_format", formats, format_cases) +
           RUN_ROWS("price_round_to_tick", rounds, round_cases) +
           RUN_ROWS("price_from_double", converts, double_cases) +
           cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
