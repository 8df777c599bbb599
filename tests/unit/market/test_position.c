/* position: rows of fills, and the cash identity over random ones. */
#include "tests/support/rows.h"

#include "market/position.h"

struct fill {
    int64_t signed_qty; /* 0 ends the list */
    int64_t price;      /* dollars in micros */
};

static const struct apply_case {
    const char *label;
    struct fill fills[4];
    int64_t qty, cost, realized;
} apply_cases[] = {
    { "a purchase costs", { { 100, 10 * USD } }, 100, 1000 * USD, 0 },
    { "a second one adds", { { 100, 10 * USD }, { 100, 12 * USD } }, 200, 2200 * USD, 0 },
    { "a sale realizes at average cost", { { 100, 10 * USD }, { 100, 12 * USD }, { -50, 13 * USD } }, 150, 1650 * USD, 100 * USD },
    { "closing leaves no cost", { { 100, 10 * USD }, { -100, 9 * USD } }, 0, 0, -100 * USD },
    { "a short brings in", { { -100, 10 * USD } }, -100, -1000 * USD, 0 },
    { "a short bought back lower gains", { { -100, 10 * USD }, { 40, 9 * USD } }, -60, -600 * USD, 40 * USD },
    { "through zero closes, then opens at its own price", { { 100, 10 * USD }, { -150, 12 * USD } }, -50, -600 * USD, 200 * USD },
    { "back through zero", { { -50, 12 * USD }, { 80, 10 * USD } }, 30, 300 * USD, 100 * USD },
    { "a third of an odd cost is rounded half away", { { 3, 1 }, { 3, 0 }, { -1, 0 } }, 5, 2, -1 },
    { "what is left goes with the last share", { { 2, 1 }, { 1, 0 }, { -1, 0 }, { -2, 0 } }, 0, 0, -2 },
};

static void applies(void **state)
{
    const struct apply_case *c = *state;
    struct position p = { 0 };
    int64_t traded = 0;
    for (size_t i = 0; i < 4 && c->fills[i].signed_qty; i++) {
        int64_t qty = c->fills[i].signed_qty;
        int64_t size = qty < 0 ? -qty : qty;
        assert_true(position_apply(&p, qty > 0 ? SIDE_BUY : SIDE_SELL, size, (struct price){ c->fills[i].price }, 3));
        traded += size;
        assert_int_equal(p.fills, i + 1);
    }
    assert_int_equal(p.qty, c->qty);
    assert_int_equal(p.cost_micros, c->cost);
    assert_int_equal(p.realized_micros, c->realized);
    assert_int_equal(p.traded_qty, traded);
    assert_int_equal(p.fees_micros, 3 * p.fills);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 24;
}

static void realized_less_cost_is_sales_less_purchases(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int run = 0; run < 200; run++) {
        struct position p = { 0 };
        int64_t cash = 0, qty_sum = 0;
        for (int i = 0; i < 2000; i++) {
            enum side side = next_random(&seed) % 2 ? SIDE_BUY : SIDE_SELL;
            int64_t qty = 1 + (int64_t)(next_random(&seed) % (run % 2 ? 7 : 1000));
            struct price price = { (int64_t)(next_random(&seed) % 500000000) };
            assert_true(position_apply(&p, side, qty, price, 0));
            cash -= side_sign(side) * qty * price.micros;
            qty_sum += side_sign(side) * qty;
            assert_int_equal(p.realized_micros - p.cost_micros, cash);
            assert_int_equal(p.qty, qty_sum);
            assert_true(p.qty != 0 || p.cost_micros == 0);
            assert_true(p.qty <= 0 || p.cost_micros >= 0);
            assert_true(p.qty >= 0 || p.cost_micros <= 0);
        }
    }
}

static void overflow_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        struct position before;
        enum side side;
        int64_t qty, price, fee;
    } rows[] = {
        { { 0 }, SIDE_BUY, INT64_MAX, 2, 0 },
        { { .qty = INT64_MAX - 1 }, SIDE_BUY, 2, 0, 0 },
        { { .qty = -INT64_MAX }, SIDE_SELL, 1, 0, 0 },
        { { .qty = 10, .realized_micros = INT64_MAX - 5 }, SIDE_SELL, 10, 1, 0 },
        { { .fees_micros = INT64_MAX }, SIDE_BUY, 1, 1, 1 },
        { { .traded_qty = INT64_MAX }, SIDE_BUY, 1, 1, 0 },
        { { .qty = 1, .cost_micros = INT64_MAX }, SIDE_BUY, 1, 1, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct position p = rows[i].before;
        assert_false(position_apply(&p, rows[i].side, rows[i].qty, (struct price){ rows[i].price }, rows[i].fee));
        assert_memory_equal(&p, &rows[i].before, sizeof p);
    }
}

static void averages_and_values_follow_the_sign(void **state)
{
    (void)state;
    struct position flat = { 0 }, held = { .qty = 3, .cost_micros = 10 }, sold = { .qty = -3, .cost_micros = -11 };
    assert_false(price_is_set(position_average(&flat)));
    assert_int_equal(position_average(&held).micros, 3);
    assert_int_equal(position_average(&sold).micros, 4);
    assert_int_equal(position_value_micros(&flat, (struct price){ 5 }), 0);
    assert_int_equal(position_value_micros(&sold, (struct price){ 5 }), -15);
    assert_int_equal(position_unrealized_micros(&held, (struct price){ 5 }), 5);
    assert_int_equal(position_unrealized_micros(&sold, (struct price){ 5 }), -4);
}

static void values_saturate(void **state)
{
    (void)state;
    struct position p = { .qty = INT64_MAX, .cost_micros = INT64_MIN };
    assert_int_equal(position_value_micros(&p, (struct price){ INT64_MAX }), INT64_MAX);
    assert_int_equal(position_value_micros(&p, (struct price){ -INT64_MAX }), -INT64_MAX);
    assert_int_equal(position_unrealized_micros(&p, (struct price){ INT64_MAX }), INT64_MAX);
    p.qty = -1;
    assert_int_equal(position_average(&p).micros, INT64_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(realized_less_cost_is_sales_less_purchases),
        cmocka_unit_test(overflow_changes_nothing),
        cmocka_unit_test(averages_and_values_follow_the_sign),
        cmocka_unit_test(values_saturate),
    };
    return RUN_ROWS("position_apply", applies, apply_cases) + cmocka_run_group_tests_name("position", tests, NULL, NULL);
}
