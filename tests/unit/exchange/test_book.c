/* The order book and the auction: dialogues of tests/scripts, then random streams against a slow, obvious
 * model. BOOK_SEED=N runs the streams with another seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base.h"
#include "exchange/auction.h"
#include "tests/support/book_pair.h"
#include "tests/support/book_script.h"
#include "tests/support/venue_script.h"

/* ---- dialogues */

enum { TEXT_SIZE = 20000, DIALOGUES_MIN = 80 };

static bool read_file(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(out, 1, size, f);
    fclose(f);
    if (n == size)
        return false;
    out[n] = '\0';
    return true;
}

static void dialogue_goes_as_written(void **state)
{
    static char script[TEXT_SIZE], got[TEXT_SIZE];
    assert_true(read_file(*state, script, sizeof script));
    bool good = (venue_script_is(script) ? venue_script_run : book_script_run)(script, got, sizeof got);
    if (!good || strcmp(script, got) != 0)
        fail_msg("it went:\n%s", got);
}

static int run_dialogues(void)
{
    glob_t files;
    if (glob("tests/scripts/*.book", 0, NULL, &files) != 0 || files.gl_pathc < DIALOGUES_MIN) {
        fprintf(stderr, "tests/scripts: fewer than %d dialogues\n", DIALOGUES_MIN);
        return 1;
    }
    struct CMUnitTest *tests = must_alloc(files.gl_pathc, sizeof *tests);
    for (size_t i = 0; i < files.gl_pathc; i++)
        tests[i] = (struct CMUnitTest){ .name = strrchr(files.gl_pathv[i], '/') + 1,
                                        .test_func = dialogue_goes_as_written,
                                        .initial_state = files.gl_pathv[i] };
    int failed = _cmocka_run_group_tests("dialogues", tests, files.gl_pathc, NULL, NULL);
    free(tests);
    globfree(&files);
    return failed;
}

static void a_dialogue_that_went_otherwise_is_seen(void **state)
{
    (void)state;
    char got[500];
    assert_true(book_script_run("buy 1 100 @ 10.00                   | traded\n", got, sizeof got));
    assert_string_equal(got, "buy 1 100 @ 10.00                   | rested 1 100 @ 10.00\n");
    assert_false(book_script_run("by 1 100 @ 10.00\n", got, sizeof got));
}

/* ---- random streams */

static const struct stream {
    const char *name;
    uint64_t seed;
    size_t orders_max;
    int64_t tick;
    enum book_self_trade self_trade;
    uint32_t owners;
    int64_t ticks; /* prices are spread over so many; 0: over all there are, each size as likely */
    int64_t drift; /* the middle moves by up to so many ticks each operation */
} streams[] = {
    { "a narrow book", 1, 60, 10000, BOOK_SELF_TRADE_ALLOW, 1, 12, 0 },
    { "a book that is often full", 2, 8, 5, BOOK_SELF_TRADE_ALLOW, 3, 12, 0 },
    { "the newest of an owner cancelled", 3, 60, 10000, BOOK_SELF_TRADE_CANCEL_NEWEST, 4, 16, 0 },
    { "the oldest of an owner cancelled", 4, 60, 10000, BOOK_SELF_TRADE_CANCEL_OLDEST, 4, 16, 0 },
    { "prices over the whole range", 5, 120, 100, BOOK_SELF_TRADE_ALLOW, 1, 0, 0 },
    { "levels near and far", 6, 150, 7, BOOK_SELF_TRADE_CANCEL_OLDEST, 9, 6000, 0 },
    { "a market that runs", 7, 100, 10000, BOOK_SELF_TRADE_CANCEL_NEWEST, 9, 60, 40 },
};
enum { OPERATIONS = 1000000, RECOUNT = 1009, IDS = 256 };

static int64_t random_upto(uint64_t *random, int64_t count)
{
    return (int64_t)(random_next(random) % (uint64_t)count);
}

static struct price random_price(const struct stream *s, uint64_t *random, int64_t middle)
{
    int64_t ticks = middle + (s->ticks ? random_upto(random, s->ticks) : 0);
    if (!s->ticks)
        ticks = random_upto(random, INT64_C(1) << random_upto(random, 32));
    if (random_upto(random, 500) == 0) /* refused, mostly */
        return (struct price){ ticks * s->tick + random_upto(random, s->tick) };
    return (struct price){ ticks * s->tick };
}

static void book_does_what_the_model_does(void **state)
{
    const struct stream *s = *state;
    const char *wanted = getenv("BOOK_SEED");
    uint64_t seed = wanted ? strtoull(wanted, NULL, 10) : s->seed, random = seed;
    uint64_t ids[IDS] = { 0 }; /* some rest, some are gone, some are none */
    int64_t middle = 50000;
    struct book_pair p;
    book_pair_open(&p, (struct book_options){ .orders_max = s->orders_max, .tick = { s->tick },
                                              .self_trade = s->self_trade });
    print_message("seed %" PRIu64 "\n", seed);
    for (int i = 0; i < OPERATIONS; i++) {
        if (s->drift)
            middle += random_upto(&random, 2 * s->drift + 1) - s->drift;
        middle = middle < 1 ? 1 : middle;
        uint64_t *id = &ids[random_upto(&random, IDS)];
        int64_t what = random_upto(&random, 100), qty = random_upto(&random, 300);
        struct price price = random_price(s, &random, middle);
        bool good;
        if (what < 45) {
            struct book_order o = { .side = (enum side)(random_next(&random) & 1), .qty = qty, .limit = price,
                                    .owner = (uint32_t)random_upto(&random, s->owners),
                                    .tif = what < 35   ? BOOK_DAY
                                           : what < 40 ? BOOK_IOC
                                                       : BOOK_FOK };
            if (random_upto(&random, 50) == 0)
                o.limit = PRICE_NONE;
            good = book_pair_add(&p, &o);
            *id = p.last_id;
        } else if (what < 70)
            good = book_pair_cancel(&p, *id);
        else {
            struct book_order old;
            if (what < 80 && book_find(p.book, *id, &old))
                price = old.limit;
            good = book_pair_replace(&p, *id, qty, price);
        }
        if (good && (i % RECOUNT == 0 || i == OPERATIONS - 1))
            good = book_pair_adds_up(&p);
        if (!good)
            fail_msg("%s, seed %" PRIu64 ": operation %d", s->name, seed, i);
    }
    assert_true(p.traded > 0);
    book_pair_close(&p);
}

static int run_streams(void)
{
    struct CMUnitTest tests[COUNT_OF(streams)];
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        tests[i] = (struct CMUnitTest){ .name = streams[i].name, .test_func = book_does_what_the_model_does,
                                        .initial_state = (void *)(uintptr_t)&streams[i] };
    return _cmocka_run_group_tests("random streams", tests, COUNT_OF(streams), NULL, NULL);
}

/* ---- auctions: every price tried */

enum { AUCTIONS = 30000, AUCTION_ORDERS = 12, AUCTION_TICKS = 40 };

static bool trades_at(const struct auction_order *o, int64_t price)
{
    return !price_is_set(o->limit) || (o->limit.micros - price) * side_sign(o->side) >= 0;
}

static void auction_finds_what_trying_every_price_finds(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int round = 0; round < AUCTIONS; round++) {
        struct auction_order orders[AUCTION_ORDERS];
        const struct auction_order *scratch[AUCTION_ORDERS];
        size_t count = (size_t)random_upto(&random, AUCTION_ORDERS + 1);
        for (size_t i = 0; i < count; i++)
            orders[i] = (struct auction_order){
                .side = (enum side)(random_next(&random) & 1), .qty = 1 + random_upto(&random, 5),
                .limit = random_upto(&random, 6) ? (struct price){ 100 * (10 + random_upto(&random, 20)) } : PRICE_NONE,
            };
        struct price reference = { 100 + random_upto(&random, 100 * AUCTION_TICKS) };

        struct auction_result r;
        auction_cross(orders, count, reference, (struct price){ 100 }, scratch, &r);

        int64_t best = 0, best_qty = 0, best_imbalance = 0;
        for (int64_t p = 100; p <= 100 * (AUCTION_TICKS + 2); p += 100) {
            int64_t sums[2] = { 0 };
            for (size_t i = 0; i < count; i++)
                sums[orders[i].side] += trades_at(&orders[i], p) ? orders[i].qty : 0;
            int64_t qty = sums[0] < sums[1] ? sums[0] : sums[1], imbalance = sums[0] - sums[1];
            if (qty > best_qty || (qty == best_qty && llabs(imbalance) < llabs(best_imbalance)) ||
                (qty == best_qty && llabs(imbalance) == llabs(best_imbalance) &&
                 llabs(p - reference.micros) < llabs(best - reference.micros))) {
                best = p;
                best_qty = qty;
                best_imbalance = imbalance;
            }
        }
        assert_int_equal(r.qty, best_qty);
        if (best_qty == 0) {
            assert_false(price_is_set(r.price));
            continue;
        }
        assert_int_equal(r.price.micros, best);
        assert_int_equal(r.imbalance, best_imbalance);

        int64_t filled[2] = { 0 };
        for (size_t i = 0; i < count; i++) {
            const struct auction_order *o = &orders[i];
            assert_in_range(o->filled, 0, o->qty);
            assert_true(o->filled == 0 || trades_at(o, best));
            filled[o->side] += o->filled;
            for (size_t j = 0; j < i; j++) { /* who came earlier with the same limit was served first */
                const struct auction_order *e = &orders[j];
                if (e->side == o->side && e->limit.micros == o->limit.micros)
                    assert_true(o->filled == 0 || e->filled == e->qty);
            }
        }
        assert_int_equal(filled[SIDE_BUY], best_qty);
        assert_int_equal(filled[SIDE_SELL], best_qty);
    }
}

static void ids_that_were_never_given_are_refused(void **state)
{
    (void)state;
    struct heard heard = { 0 };
    const struct book_options options = { .orders_max = 4, .tick = { 10000 }, .sink = pair_hear, .ctx = &heard };
    struct book *b = book_new(&options);
    struct book_order o = { .side = SIDE_BUY, .qty = 1, .limit = { 10000 } }, found;
    uint64_t id;
    assert_int_equal(book_add(b, &o, &id), BOOK_OK);
    const uint64_t forged[] = { 0, id + 1, id + 4, id + 5, id + 6, id + (UINT64_C(1) << 32), UINT32_MAX, UINT64_MAX };
    for (size_t i = 0; i < COUNT_OF(forged); i++) {
        assert_false(book_find(b, forged[i], &found));
        assert_int_equal(book_cancel(b, forged[i]), BOOK_UNKNOWN_ORDER);
        assert_int_equal(book_replace(b, forged[i], 1, o.limit), BOOK_UNKNOWN_ORDER);
    }
    assert_true(book_find(b, id, &found));
    assert_int_equal(found.qty, 1);
    book_free(b);
    book_free(NULL);
    free(heard.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dialogue_that_went_otherwise_is_seen),
        cmocka_unit_test(ids_that_were_never_given_are_refused),
        cmocka_unit_test(auction_finds_what_trying_every_price_finds),
    };
    int failed = run_dialogues();
    failed += cmocka_run_group_tests_name("book and auction", tests, NULL, NULL);
    return failed + run_streams();
}
