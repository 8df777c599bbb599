/* book: whatever the fills and closes, money adds up: over days, over ranges, and against cash. */
#include <string.h>

#include "api/book.h"
#include "core/base.h"
#include "tests/support/rows.h"

enum { FILLS = 300, DAYS = 12, SEEDS = 20 };

static const int64_t monday_ns = INT64_C(1381152600) * SECOND_NS; /* 2013-10-07 09:30 in New York */

static void adds_up(uint64_t seed, bool shuffled)
{
    static const struct order buy = { .account = "A", .strategy = "s", .symbol = "SPY", .side = SIDE_BUY },
                              sell = { .account = "A", .strategy = "s", .symbol = "SPY", .side = SIDE_SELL };
    static struct fill fills[FILLS];
    struct mark *mark = must_alloc(1, sizeof *mark);
    struct book book = { 0 };
    int64_t cash = 0, held = 0;
    for (size_t i = 0; i < FILLS; i++) {
        struct fill *f = &fills[i];
        *f = (struct fill){ .order = random_next(&seed) % 2 ? &buy : &sell,
                            .timestamp = monday_ns + (int64_t)(random_next(&seed) % DAYS) * DAY_NS + (int64_t)(random_next(&seed) % 20000) * SECOND_NS,
                            .quantity = 1 + (int64_t)(random_next(&seed) % 300),
                            .price = 1 + (int64_t)(random_next(&seed) % (200 * USD)),
                            .fee = (int64_t)(random_next(&seed) % 9000), .filled_quantity = (int64_t)i };
        cash -= side_sign((enum side)f->order->side) * f->quantity * f->price + f->fee;
        held += side_sign((enum side)f->order->side) * f->quantity;
    }
    for (int day = 0; day < DAYS; day += 1 + (int)(random_next(&seed) % 2))
        mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns + day * DAY_NS, .close = 1 + (int64_t)(random_next(&seed) % (200 * USD)) });
    for (size_t i = 0; i < FILLS; i++)
        book_add(&book, &fills[shuffled ? i * 7 % FILLS : i], mark);
    assert_int_equal(book.count, 1);
    const struct holding *h = book.list[0];
    assert_int_equal(h->now.qty, held);

    struct pnl all = holding_pnl(h, 0, INT32_MAX), sum = { 0 };
    assert_int_equal(all.realized + all.unrealized - all.fees, cash + held * mark_price(mark).micros);
    assert_int_equal(all.fills, FILLS);
    for (int32_t day = 0; (day = holding_next_date(h, day)); day++) {
        struct pnl p = holding_pnl(h, day, day + 1);
        pnl_add(&sum, &p);
    }
    assert_int_equal(sum.fills, all.fills);
    assert_int_equal(sum.traded_qty, all.traded_qty);
    assert_int_equal(sum.realized, all.realized);
    assert_int_equal(sum.unrealized, all.unrealized);
    assert_int_equal(sum.fees, all.fees);
    assert_int_equal(pnl_total(&sum), all.realized + all.unrealized - all.fees);
    assert_false(sum.is_beyond);
    book_clear(&book);
    mark_free(mark);
}

static void days_add_up_to_the_whole_and_to_the_cash(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        adds_up(seed, false);
        adds_up(seed, true); /* 7 and 300 share no factor: every fill once, in another order */
    }
}

static void without_a_bar_nothing_is_unrealised(void **state)
{
    static const struct order buy = { .account = "A", .strategy = "s", .symbol = "SPY", .side = SIDE_BUY };
    const struct fill f = { .order = &buy, .timestamp = monday_ns, .quantity = 10, .price = 100 * USD, .filled_quantity = 10 };
    struct mark *mark = must_alloc(1, sizeof *mark);
    struct book book = { 0 };
    struct position_snapshot view;
    (void)state;
    book_add(&book, &f, mark);
    holding_view(book.list[0], &view);
    assert_int_equal(view.quantity, 10);
    assert_int_equal(view.market_price, INT64_MIN);
    assert_int_equal(view.unrealized_pnl, 0);
    mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns, .close = 101 * USD });
    holding_view(book.list[0], &view);
    assert_int_equal(view.unrealized_pnl, 10 * USD);
    assert_int_equal(view.market_value, 1010 * USD);
    book_clear(&book);
    mark_free(mark);
}

static void an_older_bar_takes_nothing_back(void **state)
{
    struct mark *mark = must_alloc(1, sizeof *mark);
    (void)state;
    mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns + DAY_NS, .close = 3 });
    mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns, .close = 1 });
    mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns + DAY_NS - MINUTE_NS, .close = 2 });
    assert_int_equal(mark_price(mark).micros, 3);
    assert_int_equal(mark->count, 2);
    assert_int_equal(mark->days[0].date, 20131007);
    mark_free(mark);
}

static void a_sum_beyond_64_bits_is_told(void **state)
{
    struct pnl most = { .realized = INT64_MAX }, one = { .realized = 1 }, fee = { .realized = INT64_MIN, .fees = 1 };
    (void)state;
    pnl_add(&most, &(struct pnl){ 0 });
    assert_int_equal(pnl_total(&most), INT64_MAX);
    assert_false(most.is_beyond);
    pnl_add(&most, &one);
    assert_true(most.is_beyond);
    pnl_add(&one, &most);
    assert_true(one.is_beyond); /* and stays so */
    pnl_total(&fee);
    assert_true(fee.is_beyond);
}

static void a_day_stands_as_it_ended(void **state)
{
    static const struct order buy = { .account = "A", .strategy = "s", .symbol = "SPY", .side = SIDE_BUY },
                              sell = { .account = "A", .strategy = "s", .symbol = "SPY", .side = SIDE_SELL };
    const struct fill first = { .order = &buy, .timestamp = monday_ns, .quantity = 10, .price = 100 * USD },
                      last = { .order = &sell, .timestamp = monday_ns + DAY_NS, .quantity = 10, .price = 103 * USD };
    static const struct { int32_t date; bool told; int64_t qty, mark, realized, unrealized; } rows[] = {
        { 20131006, false, 0, INT64_MIN, 0, 0 }, { 20131007, true, 10, 101 * USD, 0, 10 * USD },
        { 20131008, true, 0, 101 * USD, 30 * USD, 0 }, { 20131009, false, 0, 105 * USD, 30 * USD, 0 },
    };
    struct mark *mark = must_alloc(1, sizeof *mark);
    struct book book = { 0 };
    struct position_snapshot p;
    (void)state;
    assert_null(book_find(&book, &buy));
    book_add(&book, &last, mark);
    book_add(&book, &first, mark);
    assert_true(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns, .close = 101 * USD }));
    assert_true(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns + 2 * DAY_NS, .close = 105 * USD }));
    assert_false(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns - MINUTE_NS, .close = 7 * USD }));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(holding_view_at(book_find(&book, &buy), rows[i].date, &p), rows[i].told);
        assert_int_equal(p.quantity, rows[i].qty);
        assert_int_equal(p.market_price, rows[i].mark);
        assert_int_equal(p.realized_pnl, rows[i].realized);
        assert_int_equal(p.unrealized_pnl, rows[i].unrealized);
    }
    book_clear(&book);
    mark_free(mark);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_add_up_to_the_whole_and_to_the_cash),
        cmocka_unit_test(without_a_bar_nothing_is_unrealised),
        cmocka_unit_test(an_older_bar_takes_nothing_back),
        cmocka_unit_test(a_sum_beyond_64_bits_is_told),
        cmocka_unit_test(a_day_stands_as_it_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
