/* risk_check: every row is a test of its own, in the order the code checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/risk.h"

static const struct risk_limits limits = {
    .max_order = 0, .orders_per_minute = 5, .price_band = 100000, .max_age = MINUTE_NS };

#define BASE                                                                                                     \
    .side = SIDE_BUY, .qty = 100, .type = ORDER_MARKET, .limit = { INT64_MIN }, .quantity = 100,                 \
    .capital_micros = 10000 * USD, .last = { 50 * USD }, .age_ns = SECOND_NS

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct row {
    const char *label;
    struct risk_request q;
    const char *why; /* NULL: passes */
} rows[] = {
    { "a plain entry passes", { BASE }, NULL },
    { "more than twice the quantity", { BASE, .qty = 201 }, "201 shares are more than an order may have, 200" },
    { "too many in a minute", { BASE, .orders_this_minute = 5 }, "5 orders in this minute already" },
    { "limit of nothing", { BASE, .type = ORDER_LIMIT, .limit = { 0 } }, "a limit price must be above 0" },
    { "buy limit far above the last price", { BASE, .type = ORDER_LIMIT, .limit = { 5501 * USD / 100 } },
      "limit 55.01 is too far from the last price, 50.00" },
    { "buy limit at the band", { BASE, .type = ORDER_LIMIT, .limit = { 55 * USD } }, NULL },
    { "buy limit far below is harmless", { BASE, .type = ORDER_LIMIT, .limit = { 1 * USD } }, NULL },
    { "sell limit far below the last price",
      { BASE, .side = SIDE_SELL, .position = 100, .type = ORDER_LIMIT, .limit = { 44 * USD } },
      "limit 44.00 is too far from the last price, 50.00" },
    { "frozen", { BASE, .frozen = "the stream is down" }, "no new entries: the stream is down" },
    { "frozen lets an exit pass", { BASE, .side = SIDE_SELL, .position = 100, .frozen = "down" }, NULL },
    { "frozen lets a cover pass", { BASE, .position = -100, .frozen = "down" }, NULL },
    { "a flip is an entry", { BASE, .qty = 200, .position = -100, .frozen = "down" }, "no new entries: down" },
    { "an exit on top of an exit under way is an entry",
      { BASE, .side = SIDE_SELL, .position = 100, .pending_sell = 100, .frozen = "down" }, "no new entries: down" },
    { "no price yet", { BASE, .last = { INT64_MIN } }, "no price is known yet" },
    { "stale price", { BASE, .age_ns = 61 * SECOND_NS }, "the latest price is 61 s old" },
    { "stale price lets an exit pass", { BASE, .side = SIDE_SELL, .position = 100, .age_ns = HOUR_NS }, NULL },
    { "capital", { BASE, .capital_micros = 4999 * USD }, "the capital of 4999.00 does not cover it" },
    { "capital with what is on its way", { BASE, .pending_buy = 101 }, "the capital of 10000.00 does not cover it" },
    { "capital with the other symbols", { BASE, .others_micros = 5001 * USD }, "the capital of 10000.00 does not cover it" },
    { "capital for a short", { BASE, .side = SIDE_SELL, .position = -101 }, "the capital of 10000.00 does not cover it" },
    { "values that do not fit are no way around", { BASE, .others_micros = INT64_MAX },
      "the capital of 10000.00 does not cover it" },
};
#pragma GCC diagnostic pop

static void checks(void **state)
{
    const struct row *row = *state;
    char why[RISK_REASON_SIZE] = "";
    bool ok = risk_check(&limits, &row->q, why);
    assert_string_equal(ok ? "" : why, row->why ? row->why : "");
    assert_int_equal(ok, !row->why);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].label, .test_func = checks, .initial_state = (void *)(uintptr_t)&rows[i] };
    return cmocka_run_group_tests_name("risk", tests, NULL, NULL);
}
