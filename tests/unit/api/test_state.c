/* state: scripts of records in, answers out. A line is a record; what is true at the end stands in the row. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/state.h"
#include "core/base.h"
#include "tests/support/rows.h"

enum { LINES = 8 };

/* "intent T" | "STATUS T filled [id qty price]": an event of order 1, at second T; with an execution when it is a fill. */
struct script {
    const char *label;
    const char *lines[LINES];
    const char *news;     /* '1' new, '0' known, per line */
    const char *status;
    int64_t filled, quantity;
    size_t fills;
};

static const struct script scripts[] = {
    { "intent_alone", { "intent 1" }, "1", "intent", 0, 0, 0 },
    { "intent_twice", { "intent 1", "intent 2" }, "10", "intent", 0, 0, 0 },
    { "a_life", { "intent 1", "accepted 1 0", "new 2 0", "filled 3 100 x 100 10" }, "1111", "filled", 100, 100, 1 },
    { "the_intent_last", { "new 2 0", "filled 3 100 x 100 10", "intent 1" }, "111", "filled", 100, 100, 1 },
    { "final_stays_final", { "filled 3 100 x 100 10", "new 9 0", "canceled 2 0" }, "111", "filled", 100, 100, 1 },
    { "canceled_after_part", { "partially_filled 2 30 x 30 10", "canceled 3 30" }, "11", "canceled", 30, 30, 1 },
    { "canceled_then_its_late_part", { "canceled 3 30", "partially_filled 2 30 x 30 10" }, "11", "canceled", 30, 30, 1 },
    { "a_canceled_order_that_filled_more", { "canceled 3 0", "partially_filled 2 30 x 30 10" }, "11", "canceled", 30, 30, 1 },
    { "more_filled_beats_later", { "partially_filled 2 40 x 40 10", "new 9 0" }, "11", "partially_filled", 40, 40, 1 },
    { "of_one_time_the_further", { "new 2 0", "accepted 2 0" }, "11", "new", 0, 0, 0 },
    { "same_execution_twice", { "filled 3 100 x 100 10", "filled 4 100 x 100 10" }, "10", "filled", 100, 100, 1 },
    { "same_event_twice", { "new 2 0", "new 2 0", "new 3 0" }, "101", "new", 0, 0, 0 },
    { "known_by_another_id", { "partially_filled 2 40 x 40 10", "partially_filled 2 40 y 40 10" }, "10",
      "partially_filled", 40, 40, 1 },
    { "another_part_is_another_fill", { "partially_filled 3 40 x 10 10", "partially_filled 2 30 y 30 10" }, "11",
      "partially_filled", 40, 40, 2 },
    { "two_parts_told_as_one", { "partially_filled 2 30 x 30 10", "partially_filled 3 40 y 10 10",
      "partially_filled 3 40 z 40 10" }, "110", "partially_filled", 40, 40, 2 },
    { "backwards", { "filled 4 100 z 60 12", "partially_filled 3 40 y 10 11", "partially_filled 2 30 x 30 10" }, "111",
      "filled", 100, 100, 3 },
    { "overlapping_is_a_fact_of_its_own", { "partially_filled 2 40 x 40 10", "partially_filled 3 60 y 30 10" }, "11",
      "partially_filled", 60, 70, 2 },
};

static const char account[] = "A", ours[] = "bell.s.20131007.1";

static bool feed(struct state *s, const char *line)
{
    char word[32], id[37] = "";
    long long second = 0, filled = 0, qty = 0, price = 0;
    int fields = sscanf(line, "%31s %lld %lld %36s %lld %lld", word, &second, &filled, id, &qty, &price);
    if (strcmp(word, "intent") == 0) {
        struct order o;
        table_init(&order_table, &o);
        strcpy(o.account, account);
        strcpy(o.client_order_id, ours);
        strcpy(o.strategy, "s");
        strcpy(o.symbol, "SPY");
        strcpy(o.run_id, "019a2b3c-0000-7000-8000-000000000001");
        o.timestamp = o.updated_at = second * SECOND_NS;
        o.status = ORDER_INTENT;
        o.filled_quantity = 0;
        o.quantity = 100;
        return state_plan(s, &order_table, &o);
    }
    struct event e;
    table_init(&event_table, &e);
    strcpy(e.account, account);
    strcpy(e.client_order_id, ours);
    strcpy(e.order_id, "o");
    strcpy(e.strategy, "s");
    strcpy(e.symbol, "SPY");
    e.timestamp = second * SECOND_NS;
    e.submitted_at = SECOND_NS;
    e.quantity = 100;
    e.filled_quantity = filled;
    e.status = name_index(order_status_names, word);
    assert_true(e.status >= 0);
    if (fields == 6) {
        strcpy(e.event, filled == 100 ? "fill" : "partial_fill");
        strcpy(e.execution_id, id);
        e.event_key = event_key_of(id);
        e.fill_quantity = qty;
        e.fill_price = price * USD;
        e.average_price = price * USD;
    } else {
        strcpy(e.event, word);
        char key[64];
        snprintf(key, sizeof key, "o/%s/%lld", word, filled);
        e.event_key = event_key_of(key);
    }
    return state_plan(s, &event_table, &e);
}

static void check(struct state *s, const struct script *c)
{
    size_t count, fills;
    state_read(s);
    const struct order_key *orders = state_orders(s, &count);
    assert_int_equal(count, 1);
    assert_string_equal(order_status_names[orders[0].order->status], c->status);
    assert_int_equal(orders[0].order->filled_quantity, c->filled);
    state_fills(s, &fills);
    assert_int_equal(fills, c->fills);
    const struct book *book = state_book(s);
    assert_int_equal(book->count ? book->list[0]->now.qty : 0, c->quantity);
    state_read_done(s);
}

static void ends_as_told(void **state)
{
    const struct script *c = *state;
    struct state *s = state_new();
    size_t count;
    for (size_t i = 0; i < LINES && c->lines[i]; i++)
        assert_int_equal(feed(s, c->lines[i]), c->news[i] == '1');
    /* Planned is not yet visible. */
    state_read(s);
    state_orders(s, &count);
    assert_int_equal(count, 0);
    state_read_done(s);
    state_publish(s);
    check(s, c);
    state_free(s);
}

/* What is visible in between must not matter either: published after every line. */
static void ends_the_same_step_by_step(void **state)
{
    const struct script *c = *state;
    struct state *s = state_new();
    for (size_t i = 0; i < LINES && c->lines[i]; i++) {
        feed(s, c->lines[i]);
        state_publish(s);
    }
    check(s, c);
    state_free(s);
}

static void every_change_is_a_version(void **state)
{
    struct state *s = state_new();
    const struct order *versions;
    (void)state;
    feed(s, "intent 1");
    assert_int_equal(state_versions(s, &versions), 0); /* the intent is its own row */
    feed(s, "new 2 0");
    feed(s, "new 2 0");
    feed(s, "filled 3 100 x 100 10");
    assert_int_equal(state_versions(s, &versions), 2);
    assert_int_equal(versions[0].version, 2);
    assert_int_equal(versions[1].version, 3);
    assert_int_equal(versions[1].status, ORDER_FILLED);
    assert_int_equal(versions[1].timestamp, 3 * SECOND_NS);
    state_versions_taken(s);
    assert_int_equal(state_versions(s, &versions), 0);
    state_free(s);
}

static void a_loaded_state_makes_up_for_lost_versions(void **state)
{
    struct state *s = state_new();
    const struct order *versions;
    struct order o;
    struct event e;
    (void)state;
    table_init(&order_table, &o);
    strcpy(o.account, account);
    strcpy(o.client_order_id, ours);
    o.timestamp = o.updated_at = SECOND_NS;
    o.filled_quantity = 0;
    o.status = ORDER_INTENT;
    o.version = 4;
    state_load(s, &order_table, &o);
    table_init(&event_table, &e);
    strcpy(e.account, account);
    strcpy(e.client_order_id, ours);
    strcpy(e.event, "canceled");
    e.event_key = event_key_of("o/canceled/0");
    e.timestamp = 2 * SECOND_NS;
    e.filled_quantity = 0;
    e.status = ORDER_CANCELED;
    state_load(s, &event_table, &e);
    state_loaded(s);
    assert_int_equal(state_versions(s, &versions), 1);
    assert_int_equal(versions[0].version, 5);
    assert_int_equal(versions[0].status, ORDER_CANCELED);
    assert_false(state_plan(s, &event_table, &e)); /* and it is known */
    state_free(s);
}

static void a_bar_is_known_by_minute_symbol_and_source(void **state)
{
    struct state *s = state_new();
    struct minute_bar b = { .timestamp = INT64_C(1381152600) * SECOND_NS, .symbol = "SPY", .source = "x", .close = 5 * USD };
    (void)state;
    assert_true(state_plan(s, &bar_table, &b));
    assert_false(state_plan(s, &bar_table, &b));
    b.timestamp += MINUTE_NS;
    b.close = 6 * USD;
    assert_true(state_plan(s, &bar_table, &b));
    b.timestamp += DAY_NS;
    assert_true(state_plan(s, &bar_table, &b));
    strcpy(b.source, "y");
    b.close = 7 * USD;
    assert_true(state_plan(s, &bar_table, &b));
    strcpy(b.symbol, "IBM");
    assert_true(state_plan(s, &bar_table, &b));
    assert_null(state_mark(s, "SPY"));
    state_publish(s);
    assert_int_equal(mark_price(state_mark(s, "SPY"), &(struct market){ .until_ns = INT64_MAX }).micros, 7 * USD); /* of two sources the greater name */
    assert_int_equal(state_last_bar(s), b.timestamp);
    state_free(s);
}

/* ---- positions at the close */

static const int64_t monday_close = INT64_C(1381176000) * SECOND_NS; /* 2013-10-07 16:00 in New York */

static void trade(struct state *s, int n, int side, int64_t at, int64_t qty)
{
    struct event e;
    table_init(&event_table, &e);
    strcpy(e.account, account);
    snprintf(e.client_order_id, sizeof e.client_order_id, "bell.s.20131007.%d", n);
    snprintf(e.execution_id, sizeof e.execution_id, "x%d", n);
    e.event_key = event_key_of(e.execution_id);
    strcpy(e.order_id, e.execution_id);
    strcpy(e.event, "fill");
    strcpy(e.strategy, "s");
    strcpy(e.symbol, "SPY");
    e.side = side;
    e.timestamp = e.submitted_at = at;
    e.quantity = e.filled_quantity = e.fill_quantity = qty;
    e.fill_price = e.average_price = 100 * USD;
    e.status = ORDER_FILLED;
    assert_true(state_plan(s, &event_table, &e));
}

static void tell_equity(struct state *s, const char *strategy, int64_t at)
{
    struct equity e = { .timestamp = at };
    strcpy(e.account, account);
    strcpy(e.strategy, strategy);
    assert_true(state_plan(s, &equity_table, &e));
}

static void tell_bar(struct state *s, int64_t at, int64_t dollars)
{
    struct minute_bar b = { .timestamp = at, .symbol = "SPY", .source = "x", .close = dollars * USD };
    assert_true(state_plan(s, &bar_table, &b));
}

/* Publishes and takes what is due: at most one row, of this close; qty INT64_MIN: none. */
static struct position_snapshot due(struct state *s, int64_t close, int64_t qty)
{
    const struct position_snapshot *const *rows;
    struct position_snapshot row = { 0 };
    state_publish(s);
    size_t count = state_snapshots(s, &rows);
    assert_int_equal(count, qty != INT64_MIN);
    if (count) {
        row = *rows[0];
        assert_int_equal(row.timestamp, close);
        assert_int_equal(row.quantity, qty);
    }
    state_snapshots_taken(s);
    assert_int_equal(state_snapshots(s, &rows), 0);
    return row;
}

static void a_close_is_a_snapshot_and_what_is_late_makes_it_anew(void **state)
{
    enum { NONE = 0 }; /* no row is expected */
    struct state *s = state_new();
    (void)state;
    trade(s, 1, SIDE_BUY, monday_close - HOUR_NS, 100);
    tell_bar(s, monday_close - MINUTE_NS, 101);
    tell_equity(s, "s", monday_close - MINUTE_NS);
    due(s, NONE, INT64_MIN);                     /* not closed yet */
    tell_equity(s, "other", monday_close);
    due(s, NONE, INT64_MIN);                     /* not its own */
    tell_equity(s, "s", monday_close);
    assert_int_equal(due(s, monday_close, 100).market_value, 100 * 101 * USD);
    tell_equity(s, "s", monday_close + MINUTE_NS);
    due(s, NONE, INT64_MIN);                     /* one close a session */
    trade(s, 2, SIDE_BUY, monday_close, 50);     /* of the closing auction, told late */
    assert_int_equal(due(s, monday_close, 150).market_value, 150 * 101 * USD);
    tell_bar(s, monday_close - 2 * MINUTE_NS, 7);
    due(s, NONE, INT64_MIN);                     /* not the date's last bar */
    tell_bar(s, monday_close + MINUTE_NS, 102);
    assert_int_equal(due(s, monday_close, 150).market_price, 102 * USD);
    trade(s, 3, SIDE_SELL, monday_close + 18 * HOUR_NS, 150);
    due(s, NONE, INT64_MIN);                     /* the day after */
    tell_equity(s, "s", monday_close + DAY_NS);
    due(s, monday_close + DAY_NS, 0);            /* flat, but it had a fill */
    tell_equity(s, "s", monday_close + 2 * DAY_NS);
    due(s, NONE, INT64_MIN);                     /* flat all day */
    trade(s, 4, SIDE_SELL, monday_close - HOUR_NS, 150);
    state_publish(s);
    const struct position_snapshot *const *rows;
    assert_int_equal(state_snapshots(s, &rows), 3); /* it was another position on all three dates */
    state_free(s);
}

/* A replay's close is marked by its own feed's bars up to its own time, in whatever order that becomes known. */
static void a_replay_is_marked_in_its_own_market_and_time(void **state)
{
    enum { BARS, TRADE, EQUITY, SOURCE, RUN, STEPS };
    (void)state;
    for (int first = 0; first < STEPS; first++) {
        struct state *s = state_new();
        const struct position_snapshot *const *rows;
        for (int i = 0; i < STEPS; i++) {
            static const struct { const char *source; int64_t from_close, dollars; } bars[] = {
                { "recorded", -MINUTE_NS, 101 }, { "recorded", 30 * MINUTE_NS, 102 }, { "synthetic-1", -MINUTE_NS, 201 },
            };
            struct account_source source = { .timestamp = 1000, .source = "recorded" };
            struct run run = { .started_at = 1000, .version = 1, .mode = RUN_REPLAY };
            switch ((first + i) % STEPS) {
            case BARS:
                for (size_t n = 0; n < COUNT_OF(bars); n++) {
                    struct minute_bar b = { .timestamp = monday_close + bars[n].from_close, .symbol = "SPY",
                                            .close = bars[n].dollars * USD };
                    strcpy(b.source, bars[n].source);
                    assert_true(state_plan(s, &bar_table, &b));
                }
                break;
            case TRADE:
                trade(s, 1, SIDE_BUY, monday_close - HOUR_NS, 100);
                break;
            case EQUITY:
                tell_equity(s, "s", monday_close);
                break;
            case SOURCE:
                strcpy(source.account, account);
                assert_true(state_plan(s, &account_table, &source));
                assert_false(state_plan(s, &account_table, &source));
                break;
            case RUN:
                strcpy(run.account, account);
                assert_true(state_plan(s, &run_table, &run));
                break;
            }
            state_publish(s);
        }
        assert_int_equal(state_snapshots(s, &rows), 1);
        assert_int_equal(rows[0]->market_price, 101 * USD);
        state_snapshots_taken(s);
        tell_equity(s, "s", monday_close + 31 * MINUTE_NS); /* it goes on: the next of its bars has ended */
        assert_int_equal(due(s, monday_close, 100).market_price, 102 * USD);
        state_free(s);
    }
}

static void closes_without_snapshots_get_them_at_the_next_start(void **state)
{
    for (int recorded = 0; recorded < 2; recorded++) {
        struct state *s = state_new();
        struct event e;
        struct equity q = { .timestamp = monday_close };
        const struct position_snapshot *const *rows;
        (void)state;
        table_init(&event_table, &e);
        strcpy(e.account, account);
        strcpy(e.client_order_id, ours);
        strcpy(e.execution_id, "x");
        strcpy(e.event, "fill");
        strcpy(e.strategy, "s");
        strcpy(e.symbol, "SPY");
        e.timestamp = monday_close - HOUR_NS;
        e.quantity = e.filled_quantity = e.fill_quantity = 5;
        e.fill_price = 10 * USD;
        strcpy(q.account, account);
        strcpy(q.strategy, "s");
        state_load(s, &equity_table, &q);
        if (recorded)
            state_load(s, &snapshot_table, &(struct position_snapshot){
                .timestamp = monday_close, .account = "A", .strategy = "s", .symbol = "SPY", .quantity = 5,
                .average_price = 10 * USD, .market_price = INT64_MIN, .market_value = INT64_MIN });
        state_load(s, &event_table, &e);
        state_loaded(s);
        assert_int_equal(state_snapshots(s, &rows), recorded ? 0 : 1);
        state_free(s);
    }
}

static void an_order_is_found_by_any_name_it_had(void **state)
{
    struct state *s = state_new();
    const struct order *const *found;
    char long_text[5000];
    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    feed(s, "intent 1");
    assert_int_equal(state_orders_named(s, ours, &found), 0);
    state_publish(s);
    assert_int_equal(state_orders_named(s, ours, &found), 1);
    assert_int_equal(state_orders_named(s, "o", &found), 0);
    feed(s, "new 2 0");
    feed(s, "filled 3 100 x 100 10");
    state_publish(s);
    assert_int_equal(state_orders_named(s, "o", &found), 1);
    assert_string_equal(found[0]->client_order_id, ours);
    assert_int_equal(state_orders_named(s, long_text, &found), 0);
    assert_null(state_mark(s, long_text));
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_is_a_version),
        cmocka_unit_test(a_loaded_state_makes_up_for_lost_versions),
        cmocka_unit_test(a_bar_is_known_by_minute_symbol_and_source),
        cmocka_unit_test(a_close_is_a_snapshot_and_what_is_late_makes_it_anew),
        cmocka_unit_test(a_replay_is_marked_in_its_own_market_and_time),
        cmocka_unit_test(closes_without_snapshots_get_them_at_the_next_start),
        cmocka_unit_test(an_order_is_found_by_any_name_it_had),
    };
    return RUN_ROWS("state", ends_as_told, scripts) + RUN_ROWS("state step by step", ends_the_same_step_by_step, scripts) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
