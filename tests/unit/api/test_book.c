/* book: whatever the fills and closes, money adds up: over days, over ranges, and against cash. */
#include <string.h>

#include "api/book.h"
#include "core/base.h"
#include "tests/support/rows.h"

enum { FILLS = 300, DAYS = 12, SEEDS = 20 };

static const struct market any = { .until_ns = INT64_MAX };
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
        book_add(&book, &fills[shuffled ? i * 7 % FILLS : i], mark, &any);
    assert_int_equal(book.count, 1);
    const struct holding *h = book.list[0];
    assert_int_equal(h->now.qty, held);

    struct pnl all = holding_pnl(h, 0, INT32_MAX), sum = { 0 };
    assert_int_equal(all.realized + all.unrealized - all.fees, cash + held * mark_price(mark, &any).micros);
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
    book_add(&book, &f, mark, &any);
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
    assert_int_equal(mark_price(mark, &any).micros, 3);
    assert_int_equal(mark_last_date(mark), 20131008);
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
    book_add(&book, &last, mark, &any);
    book_add(&book, &first, mark, &any);
    assert_true(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns, .close = 101 * USD }));
    assert_true(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns + 2 * DAY_NS, .close = 105 * USD }));
    assert_true(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns - MINUTE_NS, .close = 7 * USD }));
    assert_false(mark_bar(mark, &(struct minute_bar){ .timestamp = monday_ns, .close = 8 * USD }));
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

static void an_account_is_marked_by_its_own_market_in_its_own_time(void **state)
{
    static const struct order buy = { .account = "A", .strategy = "s", .symbol = "SPY", .side = SIDE_BUY };
    const struct fill f = { .order = &buy, .timestamp = monday_ns, .quantity = 1, .price = 100 * USD };
    const struct bar_row { const char *source; int64_t at; int64_t dollars; } bars[] = {
        { "recorded", monday_ns, 101 }, { "recorded", monday_ns + MINUTE_NS, 102 },
        { "recorded", monday_ns + DAY_NS, 103 }, { "recorded", monday_ns + DAY_NS + MINUTE_NS, 104 },
        { "synthetic-1", monday_ns + 9 * DAY_NS, 201 }, { "iex", monday_ns + 9 * DAY_NS, 301 },
    };
    static const struct { struct market market; int64_t dollars, monday; int32_t next; } rows[] = {
        { { "recorded", INT64_MAX }, 104, 102, 20131008 },
        { { "synthetic-1", INT64_MAX }, 201, 0, 20131016 },
        { { "iex", INT64_MAX }, 301, 0, 20131016 },
        { { "other", INT64_MAX }, 0, 0, 0 },
        { { "", INT64_MAX }, 201, 102, 20131008 },     /* not known: the latest, of two the greater name's */
        { { "recorded", INT64_C(1381152600) * SECOND_NS + MINUTE_NS - 1 }, 0, 0, 0 },  /* the first has not ended */
        { { "recorded", INT64_C(1381152600) * SECOND_NS + MINUTE_NS }, 101, 101, 0 },
        { { "recorded", INT64_C(1381152600) * SECOND_NS + DAY_NS }, 102, 102, 0 },
        { { "recorded", INT64_C(1381152600) * SECOND_NS + DAY_NS + MINUTE_NS }, 103, 102, 20131008 },
        { { "", INT64_C(1381152600) * SECOND_NS + DAY_NS + 2 * MINUTE_NS }, 104, 102, 20131008 },
    };
    struct position_snapshot p;
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) { /* in any order */
        struct mark *mark = must_alloc(1, sizeof *mark);
        struct bar_row shuffled[COUNT_OF(bars)];
        uint64_t random = seed;
        memcpy(shuffled, bars, sizeof bars);
        for (size_t i = COUNT_OF(bars); i > 1; i--) {
            size_t n = random_next(&random) % i;
            struct bar_row was = shuffled[n];
            shuffled[n] = shuffled[i - 1];
            shuffled[i - 1] = was;
        }
        for (size_t i = 0; i < COUNT_OF(bars); i++) {
            struct minute_bar bar = { .timestamp = shuffled[i].at, .close = shuffled[i].dollars * USD };
            strcpy(bar.source, shuffled[i].source);
            assert_true(mark_bar(mark, &bar));
        }
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct book book = { 0 };
            book_add(&book, &f, mark, &rows[i].market);
            holding_view(book.list[0], &p);
            assert_int_equal(p.market_price, rows[i].dollars ? rows[i].dollars * USD : INT64_MIN);
            holding_view_at(book.list[0], 20131007, &p);
            assert_int_equal(p.market_price, rows[i].monday ? rows[i].monday * USD : INT64_MIN);
            assert_int_equal(holding_next_date(book.list[0], 20131008), rows[i].next);
            book_clear(&book);
        }
        mark_free(mark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_add_up_to_the_whole_and_to_the_cash),
        cmocka_unit_test(without_a_bar_nothing_is_unrealised),
        cmocka_unit_test(an_older_bar_takes_nothing_back),
        cmocka_unit_test(an_account_is_marked_by_its_own_market_in_its_own_time),
        cmocka_unit_test(a_sum_beyond_64_bits_is_told),
        cmocka_unit_test(a_day_stands_as_it_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
