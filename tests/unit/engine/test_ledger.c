/* ledger: what is written is what a restart finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/base.h"
#include "engine/ledger.h"

struct state {
    int64_t few[2];
    char zeros[500];
    unsigned char end;
};

static void on_open(void *state, const struct strategy_host *host)
{
    (void)state;
    (void)host;
}
static const struct strategy_plugin plugin = { .abi = STRATEGY_ABI, .size = sizeof plugin, .name = "p", .summary = "x",
                                               .state_size = sizeof(struct state), .on_session_open = on_open };
static struct instance_config config;
static char folder[64];
static struct ledger *ledger;
static struct runner *runner;
static struct err err;

static void reopen(void)
{
    ledger_close(ledger);
    ledger = ledger_open(folder, &err);
    if (!ledger)
        fail_msg("%s", err.text);
    runner_free(runner);
    runner = runner_new(calendar_ns(20131007, 12 * 3600), 0);
    assert_int_equal(runner_add(runner, &config, &err), 0);
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_ledger_XXXXXX");
    config = (struct instance_config){ .name = "night", .strategy = &plugin, .capital = 1000 * USD, .quantity = 1, .days = 5 };
    config.symbols.count = 1;
    strcpy(config.symbols.names[0], "SPY");
    if (!mkdtemp(folder))
        return -1;
    ledger = NULL;
    runner = NULL;
    reopen();
    struct ledger_run run = { .instance = "night", .run_id = "11111111-2222-4333-8444-555555555555", .config_hash = "c",
                              .plugin_hash = "p", .started_ns = 1381132800 * SECOND_NS, .version = 1, .starts = 1 };
    ledger_put_run(ledger, &run, "strategy: p\n");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    char command[128];
    ledger_close(ledger);
    runner_free(runner);
    ledger = NULL;
    runner = NULL;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static struct part order(int64_t sequence, enum side side, int64_t qty)
{
    return (struct part){ .date = 20131007, .sequence = sequence, .intent_id = sequence, .intent_qty = qty, .qty = qty,
                          .side = side, .limit = PRICE_NONE, .created_ns = 1381150000 * SECOND_NS,
                          .reason = "because \"x\"" };
}

static void a_run_is_found_again(void **state)
{
    (void)state;
    reopen();
    const struct ledger_run *run = ledger_run(ledger, "night");
    assert_non_null(run);
    assert_string_equal(run->run_id, "11111111-2222-4333-8444-555555555555");
    assert_int_equal(run->started_ns, 1381132800 * SECOND_NS);
    assert_false(run->ended);
    assert_string_equal(ledger_config(ledger, "night"), "strategy: p\n");
    assert_null(ledger_config(ledger, "day"));
    ledger_put_end(ledger, "night", 2);
    reopen();
    assert_true(ledger_run(ledger, "night")->ended);
    assert_int_equal(ledger_run(ledger, "night")->version, 2);
    assert_null(ledger_run(ledger, "day"));
}

static void books_orders_and_sequence_are_found_again(void **state)
{
    (void)state;
    struct part buy = order(1, SIDE_BUY, 100), sell = order(2, SIDE_SELL, 60);
    size_t count;
    char name[INSTANCE_SIZE];
    ledger_put_intent(ledger, "night", "SPY", &buy);
    ledger_put_fill(ledger, "night", &buy, 40, (struct price){ 100 * USD });
    ledger_put_fill(ledger, "night", &buy, 100, (struct price){ 101 * USD });
    ledger_put_final(ledger, "night", &buy, ORDER_FILLED);
    ledger_put_intent(ledger, "night", "SPY", &sell);
    ledger_put_fill(ledger, "night", &sell, 10, (struct price){ 102 * USD });
    reopen();
    ledger_restore(ledger, runner, 0, "p", true);
    runner_start(runner);
    assert_int_equal(runner_book(runner, 0, 0)->qty, 90);
    assert_int_equal(runner_net(runner, 0), 90);
    const int *open = runner_open_parts(runner, &count);
    assert_int_equal(count, 1);
    assert_int_equal(runner_part(runner, open[0])->filled, 10);
    assert_string_equal(runner_part(runner, open[0])->reason, "because \"x\"");
    assert_true(ledger_unsettled(ledger, 0, name));
    assert_string_equal(name, "night");
    assert_false(ledger_unsettled(ledger, 1, name));
}

static void a_finished_run_leaves_nothing_but_its_sequence(void **state)
{
    (void)state;
    struct part buy = order(1, SIDE_BUY, 100), sell = order(2, SIDE_SELL, 100);
    char name[INSTANCE_SIZE];
    ledger_put_intent(ledger, "night", "SPY", &buy);
    ledger_put_fill(ledger, "night", &buy, 100, (struct price){ 100 * USD });
    ledger_put_final(ledger, "night", &buy, ORDER_FILLED);
    ledger_put_intent(ledger, "night", "SPY", &sell);
    ledger_put_fill(ledger, "night", &sell, 100, (struct price){ 100 * USD });
    ledger_put_final(ledger, "night", &sell, ORDER_FILLED);
    ledger_put_session(ledger, "night", 5);
    ledger_put_end(ledger, "night", 2);
    reopen();
    ledger_restore(ledger, runner, 0, "p", false);
    runner_start(runner);
    struct instance_view v;
    runner_view(runner, 0, &v);
    assert_int_equal(v.fills, 0);
    assert_int_equal(v.sessions_done, 0);
    assert_false(ledger_unsettled(ledger, 0, name));
}

static void the_state_comes_back_to_the_same_plugin_only(void **state)
{
    (void)state;
    struct state was = { .few = { 1, INT64_MIN }, .end = 7 };
    struct instance_view v;
    ledger_put_state(ledger, "night", "p", &was, sizeof was, (int64_t[]){ 5 }, 1);
    ledger_put_session(ledger, "night", 3);
    reopen();
    ledger_restore(ledger, runner, 0, "p", true);
    runner_view(runner, 0, &v);
    assert_memory_equal(v.state, &was, sizeof was);
    assert_int_equal(v.sessions_done, 3);
    reopen();
    ledger_restore(ledger, runner, 0, "another", true);
    runner_view(runner, 0, &v);
    assert_int_equal(((const struct state *)v.state)->end, 0);
}

static void any_state_survives_its_text(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 200; i++) {
        struct state was;
        struct instance_view v;
        unsigned char *bytes = (unsigned char *)&was;
        for (size_t k = 0; k < sizeof was; k++)
            bytes[k] = random_next(&seed) % 5 ? 0 : (unsigned char)random_next(&seed);
        if (i % 2)
            memset(bytes + 40, 0, 400);
        ledger_put_state(ledger, "night", "p", &was, sizeof was, (int64_t[]){ 5 }, 1);
        if (i % 20 == 0) {
            reopen();
            ledger_restore(ledger, runner, 0, "p", true);
            runner_view(runner, 0, &v);
            assert_memory_equal(v.state, &was, sizeof was);
        }
    }
}

static void run_put(int64_t version)
{
    struct ledger_run run = { .instance = "night", .run_id = "11111111-2222-4333-8444-555555555555", .config_hash = "c",
                              .plugin_hash = "p", .started_ns = 1381132800 * SECOND_NS, .version = version, .starts = version };
    ledger_put_run(ledger, &run, "strategy: p\n");
}

static void a_run_taken_up_again_keeps_its_sessions_however_often(void **state)
{
    (void)state;
    struct instance_view v;
    ledger_put_session(ledger, "night", 3);
    run_put(2);
    run_put(3);
    reopen();
    ledger_restore(ledger, runner, 0, "p", true);
    runner_view(runner, 0, &v);
    assert_int_equal(v.sessions_done, 3);
}

static void fees_are_found_again(void **state)
{
    (void)state;
    struct part buy = order(1, SIDE_BUY, 100), more = order(2, SIDE_BUY, 10);
    ledger_put_intent(ledger, "night", "SPY", &buy);
    ledger_put_fill(ledger, "night", &buy, 40, (struct price){ USD });
    ledger_put_fee(ledger, "night", &buy, 400);
    ledger_put_fill(ledger, "night", &buy, 100, (struct price){ USD });
    ledger_put_fee(ledger, "night", &buy, 1000);
    ledger_put_final(ledger, "night", &buy, ORDER_FILLED);
    ledger_put_intent(ledger, "night", "SPY", &more);
    ledger_put_fill(ledger, "night", &more, 5, (struct price){ USD });
    ledger_put_fee(ledger, "night", &more, 50);
    reopen();
    ledger_restore(ledger, runner, 0, "p", true);
    assert_int_equal(runner_book(runner, 0, 0)->fees_micros, 1050);
    assert_int_equal(runner_book(runner, 0, 0)->fills, 3);
}

/* A restart in the middle of a session knows what it began with: a loss counts from there. */
static void what_a_session_began_with_is_found_again(void **state)
{
    (void)state;
    struct part buy = order(1, SIDE_BUY, 10);
    size_t count;
    config.risk.max_loss = 50 * USD;
    ledger_put_due(ledger, "night", 20131007, -1, -1, (struct price){ 1000 * USD });
    ledger_put_intent(ledger, "night", "SPY", &buy);
    ledger_put_fill(ledger, "night", &buy, 10, (struct price){ 100 * USD });
    ledger_put_final(ledger, "night", &buy, ORDER_FILLED);
    reopen();
    runner_prime(runner, 0, (struct price){ 96 * USD }, (struct price){ 100 * USD }, PRICE_NONE, runner_now_ns(runner));
    ledger_restore(ledger, runner, 0, "p", true);
    runner_start(runner);
    runner_bar(runner, 0, &(struct bar){ .open_time_ns = runner_now_ns(runner), .open = { 96 * USD }, .close = { 95 * USD } });
    runner_time(runner, runner_now_ns(runner)); /* lost 10 since the restart, 50 since the open */
    runner_open_parts(runner, &count);
    assert_int_equal(count, 1);
}

static void corrections_are_found_again(void **state)
{
    (void)state;
    struct part over = order(1, SIDE_BUY, 100), open = order(2, SIDE_SELL, 60);
    char name[INSTANCE_SIZE];
    ledger_put_intent(ledger, "night", "SPY", &over);
    ledger_put_fill(ledger, "night", &over, 40, (struct price){ 100 * USD });
    ledger_put_fill(ledger, "night", &over, 100, (struct price){ 101 * USD });
    ledger_put_final(ledger, "night", &over, ORDER_FILLED);
    ledger_put_correct(ledger, "night", &over, 80, (struct price){ 100 * USD });
    ledger_put_intent(ledger, "night", "SPY", &open);
    ledger_put_fill(ledger, "night", &open, 30, (struct price){ 102 * USD });
    ledger_put_correct(ledger, "night", &open, 20, (struct price){ 102 * USD });
    reopen();
    ledger_restore(ledger, runner, 0, "p", true);
    assert_int_equal(runner_net(runner, 0), 60);
    assert_int_equal(runner_book(runner, 0, 0)->qty, 60);
    struct instance_view v;
    runner_view(runner, 0, &v);
    assert_int_equal(v.cash_micros, 1000 * USD - 80 * 100 * USD + 20 * 102 * USD);
    assert_true(ledger_unsettled(ledger, 0, name));
}

/* What a turn wrote is there as a whole or not at all: at whichever byte the file was cut. */
static void a_turn_cut_off_in_the_middle_never_was(void **state)
{
    (void)state;
    char path[100];
    struct instance_view v;
    struct state was = { .end = 9 };
    struct part buy = order(1, SIDE_BUY, 100);
    ledger_flush(ledger);
    snprintf(path, sizeof path, "%s/journal", folder);
    uint64_t before = 0, after = 0;
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    before = (uint64_t)ftell(f);
    ledger_put_due(ledger, "night", 20131007, 0, -1, PRICE_NONE);
    ledger_put_intent(ledger, "night", "SPY", &buy);
    ledger_put_state(ledger, "night", "p", &was, sizeof was, (int64_t[]){ 5 }, 1);
    ledger_flush(ledger);
    fseek(f, 0, SEEK_END);
    after = (uint64_t)ftell(f);
    fclose(f);
    for (uint64_t size = after; size >= before; size -= 7) {
        size_t count;
        ledger_close(ledger);
        ledger = NULL;
        assert_int_equal(truncate(path, (off_t)size), 0);
        reopen();
        ledger_restore(ledger, runner, 0, "p", true);
        runner_open_parts(runner, &count);
        runner_view(runner, 0, &v);
        assert_int_equal(count, size == after);
        assert_int_equal(((const struct state *)v.state)->end, size == after ? 9 : 0);
    }
}

static void a_long_journal_is_read_in_one_pass(void **state)
{
    (void)state;
    enum { ORDERS = 20000 };
    for (int64_t i = 1; i <= ORDERS; i++) {
        struct part p = order(i, i % 2 ? SIDE_BUY : SIDE_SELL, 100);
        ledger_put_intent(ledger, "night", "SPY", &p);
        ledger_put_fill(ledger, "night", &p, 100, (struct price){ USD });
        ledger_put_final(ledger, "night", &p, ORDER_FILLED);
        if (i % 10 == 0)
            ledger_flush(ledger);
    }
    clock_t start = clock();
    reopen();
    ledger_restore(ledger, runner, 0, "p", true);
    assert_int_equal(runner_book(runner, 0, 0)->fills, ORDERS);
    assert_int_equal(runner_net(runner, 0), 0);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 10); /* pair by pair it took minutes */
}

static void a_second_engine_is_refused(void **state)
{
    (void)state;
    assert_null(ledger_open(folder, &err));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        CASE(a_run_is_found_again),
        CASE(books_orders_and_sequence_are_found_again),
        CASE(a_finished_run_leaves_nothing_but_its_sequence),
        CASE(the_state_comes_back_to_the_same_plugin_only),
        CASE(any_state_survives_its_text),
        CASE(a_run_taken_up_again_keeps_its_sessions_however_often),
        CASE(fees_are_found_again),
        CASE(what_a_session_began_with_is_found_again),
        CASE(corrections_are_found_again),
        CASE(a_turn_cut_off_in_the_middle_never_was),
        CASE(a_long_journal_is_read_in_one_pass),
        CASE(a_second_engine_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
