/* runner: schedule, orders and their parts, closing, restart; and a random day whose books must add up. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base.h"
#include "tests/support/rows.h"
#include "tests/support/script.h"

/* A strategy that does what the test says and writes down what it is told. */
struct puppet {
    struct session_time early, at;
    struct timetable table;
    bool overnight;
    int64_t last_id;
};
static char heard[4096];
static const struct strategy_host *host_now;
static struct puppet *puppet_now;
static void (*on_bar_do)(void);
static void (*on_fill_do)(void);

static void hear(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void hear(const char *fmt, ...)
{
    size_t n = strlen(heard);
    va_list args;
    va_start(args, fmt);
    snprintf(heard + n, sizeof heard - n, "%s", n ? "; " : "");
    n = strlen(heard);
    vsnprintf(heard + n, sizeof heard - n, fmt, args);
    va_end(args);
}

static const char *heard_since(void)
{
    static char copy[sizeof heard];
    memcpy(copy, heard, sizeof copy);
    heard[0] = '\0';
    return copy;
}

static bool start(void *state, const struct strategy_host *host, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    puppet_now = state;
    host_now = host;
    return true;
}
static bool overnight(const void *state) { return ((const struct puppet *)state)->overnight; }
static void on_open(void *state, const struct strategy_host *host) { (void)state; (void)host; hear("open"); }
static void on_close(void *state, const struct strategy_host *host)
{
    (void)state;
    hear("close%s", host->is_last_session(host->self) ? " last" : "");
}
static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    (void)state;
    (void)host;
    (void)bar;
    hear("bar %d", symbol);
    if (on_bar_do)
        on_bar_do();
}
static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    (void)state;
    (void)host;
    hear("duty %d late %d", duty, (int)(late_ns / SECOND_NS));
}
static void on_order(void *state, const struct strategy_host *host, const struct strategy_order_update *u)
{
    (void)state;
    (void)host;
    hear("%s %d/%d", order_status_names[u->status], (int)u->filled_qty, (int)u->qty);
}
static void on_fill(void *state, const struct strategy_host *host, const struct strategy_fill *f)
{
    (void)state;
    (void)host;
    hear("fill %d", (int)f->qty);
    if (on_fill_do)
        on_fill_do();
}
static void on_params(void *state, const struct strategy_host *host)
{
    (void)state;
    hear("params %d", (int)host->quantity);
}
static void stop(void *state, const struct strategy_host *host) { (void)state; (void)host; hear("stop"); }

static const char *const table_names[] = { "red", "blue", NULL };
static const struct setting params[] = {
    SETTING_OF_SESSION_TIME(struct puppet, early, .fallback = "open-30m", .help = "x"),
    SETTING_OF_SESSION_TIME(struct puppet, at, .fallback = "open+30m", .hot = true, .help = "x"),
    SETTING_OF_BOOL(struct puppet, overnight, .fallback = "true", .help = "x"),
    SETTING_OF_TIMETABLE(struct puppet, table, .names = table_names, .fallback = "{}", .hot = true, .help = "x"),
};
static const struct strategy_duty duties[] = {
    { .name = "early", .at = offsetof(struct puppet, early) },
    { .name = "at", .at = offsetof(struct puppet, at) },
    { .name = "table", .at = offsetof(struct puppet, table), .is_timetable = true },
};
static const struct strategy_plugin plugin = {
    .abi = STRATEGY_ABI, .size = sizeof plugin, .name = "puppet", .summary = "x", .state_size = sizeof(struct puppet),
    .params = params, .params_count = COUNT_OF(params), .duties = duties, .duties_count = COUNT_OF(duties),
    .holds_overnight = overnight, .start = start, .on_params = on_params, .on_session_open = on_open, .on_session_close = on_close,
    .on_bar = on_bar, .on_duty = on_duty, .on_order = on_order, .on_fill = on_fill, .stop = stop,
};

static struct script s;

static int begin(void **state)
{
    (void)state;
    heard[0] = '\0';
    on_bar_do = on_fill_do = NULL;
    script_start(&s, &plugin, "SPY IBM", "", 20131007, 2);
    script_bar(&s, "open", "SPY", 100, 100);
    script_bar(&s, "open", "IBM", 200, 200);
    heard_since();
    script_said(&s);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    script_end(&s);
    return 0;
}

static int64_t order(enum side side, int64_t qty)
{
    return strategy_market(host_now, 0, side, qty, "as the test says");
}

/* ---- schedule */

static void duties_fire_once_at_their_time_after_the_bars(void **state)
{
    (void)state;
    script_bar(&s, "open+29m", "SPY", 100, 100); /* its end is open+30m */
    assert_string_equal(heard_since(), "bar 0; duty 1 late 0");
    script_time(&s, "open+31m");
    assert_string_equal(heard_since(), "");
}

static void a_late_engine_fires_late_and_says_so(void **state)
{
    (void)state;
    script_time(&s, "open+40m");
    assert_string_equal(heard_since(), "duty 1 late 600");
}

static void bars_alone_move_the_schedule(void **state)
{
    (void)state;
    struct bar bar = { .open_time_ns = script_at(&s, "open+45m"), .close = { 100 * USD } };
    runner_bar(s.runner, 0, &bar); /* no tick in between: the duty comes first, at its own time */
    assert_string_equal(heard_since(), "duty 1 late 0; bar 0");
}

static void a_start_in_mid_session_opens_late(void **state)
{
    (void)state;
    struct script other;
    script_start(&other, &plugin, "SPY", "", 20131007, 2);
    heard_since();
    script_time(&other, "open+1h");
    assert_string_equal(heard_since(), "duty 0 late 5400; open; duty 1 late 1800");
    script_end(&other);
    heard_since();
}

static void every_row_of_a_timetable_is_fired(void **state)
{
    (void)state;
    struct script other;
    struct puppet *p;
    script_start(&other, &plugin, "SPY", "", 20131007, 2);
    p = other.config.params;
    p->table.count = 3;
    p->table.rows[0].from = (struct session_time){ ANCHOR_OPEN, 2 * HOUR_NS };
    p->table.rows[1].from = (struct session_time){ ANCHOR_CLOSE, -HOUR_NS };
    p->table.rows[2].from = (struct session_time){ ANCHOR_CLOSE, HOUR_NS }; /* never comes */
    struct err err;
    runner_free(other.runner);
    other.runner = runner_new(calendar_ns(20131007, 0), 0);
    assert_int_equal(runner_add(other.runner, &other.config, &err), 0);
    runner_start(other.runner);
    heard_since();
    script_time(&other, "open+2h");
    assert_string_equal(heard_since(), "duty 0 late 9000; open; duty 1 late 5400; duty 2 late 0");
    script_time(&other, "close-1h");
    assert_string_equal(heard_since(), "duty 2 late 0");
    script_time(&other, "close");
    assert_string_equal(heard_since(), "close");
    script_end(&other);
    heard_since();
}

/* ---- edited while it runs */

static const struct change_row {
    const char *name, *first, *at, *second, *at_once, *later;
} change_rows[] = {
    { "a duty moves", "", "open+10m", "at=open+45m", "params 100", "duty 1 late 0" },
    { "one whose new time has passed fires at once", "", "open+20m", "at=open+5m", "params 100; duty 1 late 900", "" },
    { "one that has fired does not fire again", "", "open+31m", "at=open+45m", "params 100", "" },
    { "what is cold stays", "", "open+10m", "early=open+45m overnight=false", "", "duty 1 late 0" },
    { "the quantity", "", "open+10m", "quantity=7", "params 7", "duty 1 late 0" },
    { "a timetable's row of now fires at once, those to come later", "table={open:red,open+40m:blue}", "open+10m",
      "table={open-5m:blue,open:blue,open+5m:red,open+45m:red,open+2h:red}", "params 100; duty 2 late 300",
      "duty 1 late 0; duty 2 late 0" },
    { "the same rows fire no second time", "table={open:red,open+40m:blue}", "open+41m", "quantity=7", "params 7", "" },
    { "another value of the row that holds fires once more", "table={open:red,open+40m:blue}", "open+10m",
      "table={open:blue,open+40m:blue}", "params 100; duty 2 late 600", "duty 1 late 0; duty 2 late 0" },
};

static void an_edit_takes_hold(void **state)
{
    const struct change_row *row = *state;
    struct script other;
    script_start(&other, &plugin, "SPY", row->first, 20131007, 2);
    script_time(&other, row->at);
    heard_since();
    script_change(&other, row->second);
    assert_string_equal(heard_since(), row->at_once);
    for (int minute = 1; minute <= 46; minute++) {
        char at[32];
        snprintf(at, sizeof at, "open+%dm", minute);
        script_time(&other, at);
    }
    assert_string_equal(heard_since(), row->later);
    script_end(&other);
    heard_since();
}

static void buy_on_bar(void)
{
    order(SIDE_BUY, 10);
}

/* The data were away: strategies go on over what they missed, and trade on nothing but the newest. */
static void missed_bars_are_history(void **state)
{
    (void)state;
    on_bar_do = buy_on_bar;
    runner_clock(s.runner, script_at(&s, "open+20m"));
    for (int i = 0; i < 20; i++) /* the first is known, the last is that of the minute just ended */
        runner_missed(s.runner, 0, &(struct bar){ .open_time_ns = script_at(&s, "open") + i * MINUTE_NS,
                                                  .open = { 100 * USD }, .close = { (101 + i) * USD } });
    assert_string_equal(script_said(&s), "buy 10 SPY market day #1");
    assert_int_equal(host_now->last_price(host_now->self, 0).micros, 120 * USD);
    const char *bars = heard_since();
    int count = 0;
    for (const char *at = bars; (at = strstr(at, "bar 0")); at++)
        count++;
    assert_int_equal(count, 19);
    assert_int_equal(runner_now_ns(s.runner), script_at(&s, "open+20m"));
    script_bar(&s, "open+19m", "SPY", 1, 1); /* told again by the stream: known */
    assert_int_equal(host_now->last_price(host_now->self, 0).micros, 120 * USD);
}

/* What a day has cost counts from its start, whoever runs it. */
static void a_session_begins_once(void **state)
{
    (void)state;
    struct script other;
    struct err err;
    script_start(&other, &plugin, "SPY", "", 20131007, 2);
    runner_free(other.runner);
    other.config.risk.max_loss = 500 * USD;
    other.runner = runner_new(calendar_ns(20131007, 12 * 3600), 0);
    assert_int_equal(runner_add(other.runner, &other.config, &err), 0);
    runner_restore_book(other.runner, 0, 0, SIDE_BUY, 100, (struct price){ 100 * USD });
    runner_prime(other.runner, 0, (struct price){ 96 * USD }, (struct price){ 100 * USD }, PRICE_NONE, calendar_ns(20131007, 12 * 3600));
    runner_restore_worth(other.runner, 0, 20131007, other.config.capital);
    runner_start(other.runner);
    script_bar(&other, "open+3h", "SPY", 96, 95.5);
    assert_string_equal(script_said(&other), ""); /* lost 450 */
    script_bar(&other, "open+181m", "SPY", 95.5, 95);
    assert_string_equal(script_said(&other), "sell 100 SPY market day #1"); /* lost 500 in all, 100 since the restart */
    script_end(&other);
    heard_since();
}

static void sessions_are_counted_and_the_last_ends_it(void **state)
{
    (void)state;
    script_time(&s, "close");
    assert_string_equal(heard_since(), "duty 1 late 21600; close");
    assert_int_equal(runner_session(s.runner)->date, 20131008);
    script_time(&s, "close");
    assert_string_equal(heard_since(), "duty 0 late 25200; open; duty 1 late 21600; close last; stop");
    assert_true(runner_all_ended(s.runner));
    assert_int_equal(runner_next_ns(s.runner), INT64_MAX);
}

static void the_end_of_the_recording_is_the_last_session(void **state)
{
    (void)state;
    struct script other;
    struct err err;
    script_start(&other, &plugin, "SPY", "", 20131007, 5);
    runner_free(other.runner);
    struct session day;
    assert_true(calendar_session(20131007, &day));
    other.runner = runner_new(day.open_ns, day.close_ns);
    runner_add(other.runner, &other.config, &err);
    runner_start(other.runner);
    assert_true(host_now->is_last_session(host_now->self));
    runner_time(other.runner, day.close_ns);
    assert_true(runner_all_ended(other.runner));
    script_end(&other);
    heard_since();
}

static void prices_a_strategy_sees(void **state)
{
    (void)state;
    assert_int_equal(host_now->session_open(host_now->self, 0).micros, 100 * USD);
    script_bar(&s, "close-1m", "SPY", 101, 102);
    assert_int_equal(host_now->last_price(host_now->self, 0).micros, 102 * USD);
    assert_int_equal(host_now->session_open(host_now->self, 0).micros, INT64_MIN); /* the session is over */
    assert_int_equal(host_now->previous_close(host_now->self, 0).micros, 102 * USD);
    script_bar(&s, "open-5m", "SPY", 103, 103);
    assert_int_equal(host_now->session_open(host_now->self, 0).micros, INT64_MIN);
    script_bar(&s, "open", "SPY", 104, 105);
    assert_int_equal(host_now->session_open(host_now->self, 0).micros, 104 * USD);
}

/* ---- orders */

static void an_order_goes_out_and_its_fills_come_back(void **state)
{
    (void)state;
    int64_t id = order(SIDE_BUY, 100);
    assert_true(id > 0);
    assert_string_equal(script_said(&s), "buy 100 SPY market day #1");
    script_fill(&s, 1, 40, 100);
    script_fill(&s, 1, 100, 101);
    assert_string_equal(heard_since(), "fill 40; new 40/100; fill 60; filled 100/100");
    assert_int_equal(host_now->position(host_now->self, 0), 100);
    assert_int_equal(runner_book(s.runner, 0, 0)->cost_micros, 40 * 100 * USD + 60 * 101 * USD);
    assert_false(host_now->cancel(host_now->self, id));
}

static void the_id_is_made_of_instance_date_and_sequence(void **state)
{
    (void)state;
    char id[CLIENT_ORDER_ID_SIZE];
    order(SIDE_BUY, 100);
    runner_client_order_id(s.runner, script_part(&s, 1), id);
    assert_string_equal(id, "bell.test.20131007.1");
}

static void repeated_and_stale_news_change_nothing(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    int part = script_part(&s, 1);
    struct runner_update u = { .status = ORDER_PARTIALLY_FILLED, .filled_qty = 60, .fill_qty = 60,
                               .fill_price = { 100 * USD }, .average = PRICE_NONE };
    runner_update(s.runner, part, &u);
    runner_update(s.runner, part, &u);
    struct runner_update old = { .status = ORDER_NEW, .filled_qty = 0, .fill_price = PRICE_NONE, .average = PRICE_NONE };
    runner_update(s.runner, part, &old);
    assert_string_equal(heard_since(), "fill 60; new 60/100");
    script_final(&s, 1, ORDER_CANCELED);
    runner_update(s.runner, part, &u);
    assert_string_equal(heard_since(), "canceled 60/100");
    assert_int_equal(host_now->position(host_now->self, 0), 60);
}

static void missed_executions_are_made_up_from_the_averages(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 40, 100);
    struct runner_update u = { .status = ORDER_FILLED, .filled_qty = 100, .fill_qty = 10, /* the last of several */
                               .fill_price = { 150 * USD }, .average = { 106 * USD } };
    assert_true(runner_update(s.runner, script_part(&s, 1), &u));
    assert_int_equal(runner_book(s.runner, 0, 0)->cost_micros, 106 * 100 * USD);
}

static int64_t cash(void)
{
    struct instance_view v;
    runner_view(s.runner, 0, &v);
    return v.cash_micros;
}

/* The broker takes executions back, or corrects them: shares, cash and the strategy's own sum follow. */
static void executions_may_be_taken_back_and_corrected(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    int part = script_part(&s, 1);
    script_fill(&s, 1, 40, 100);
    heard_since();
    assert_true(runner_correct(s.runner, part, 40, (struct price){ 101 * USD }, 1)); /* at another price */
    assert_int_equal(script_position(&s, 0), 40);
    assert_int_equal(cash(), s.config.capital - 4040 * USD);
    assert_string_equal(heard_since(), "");
    assert_true(runner_correct(s.runner, part, 0, PRICE_NONE, 1)); /* never happened */
    assert_int_equal(script_position(&s, 0), 0);
    assert_int_equal(runner_net(s.runner, 0), 0);
    assert_int_equal(cash(), s.config.capital);
    assert_string_equal(heard_since(), "fill 40");
    script_fill(&s, 1, 100, 102); /* the order goes on, and is filled */
    assert_int_equal(script_position(&s, 0), 100);
    assert_true(runner_correct(s.runner, part, 70, (struct price){ 102 * USD }, 1)); /* of one that is over too */
    assert_int_equal(script_position(&s, 0), 70);
    assert_int_equal(cash(), s.config.capital - 7140 * USD);
    assert_false(runner_correct(s.runner, part, 101, (struct price){ 102 * USD }, 1));
    assert_false(runner_correct(s.runner, part, 50, PRICE_NONE, 1));
    assert_int_equal(script_position(&s, 0), 70);
}

static void fees_are_paid_out_of_the_cash(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    int part = script_part(&s, 1);
    struct runner_update u = { .status = ORDER_PARTIALLY_FILLED, .filled_qty = 40, .fill_qty = 40, .fee_micros = 40 * 7,
                               .fill_price = { 100 * USD }, .average = { 100 * USD } };
    assert_true(runner_update(s.runner, part, &u));
    assert_true(runner_update(s.runner, part, &u)); /* repeated */
    assert_int_equal(cash(), (100000 - 4000) * USD - 280);
    assert_false(runner_part(s.runner, part)->fee_due);

    u = (struct runner_update){ .status = ORDER_FILLED, .filled_qty = 100, .average = { 100 * USD }, .fill_price = PRICE_NONE };
    assert_true(runner_update(s.runner, part, &u)); /* by REST: no execution */
    assert_true(runner_part(s.runner, part)->fee_due);
    runner_fee(s.runner, part, 100 * 7);
    runner_fee(s.runner, part, 100 * 7);
    assert_int_equal(cash(), (100000 - 10000) * USD - 700);
    assert_false(runner_part(s.runner, part)->fee_due);
}

static void a_sum_no_book_can_hold_is_refused(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    struct runner_update u = { .status = ORDER_FILLED, .filled_qty = 100, .fill_qty = 100, .fill_price = { INT64_MAX / 2 } };
    assert_false(runner_update(s.runner, script_part(&s, 1), &u));
    assert_int_equal(host_now->position(host_now->self, 0), 0);
    assert_int_equal(runner_net(s.runner, 0), 0);
}

static void more_filled_than_ordered_is_refused(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    struct runner_update u = { .status = ORDER_FILLED, .filled_qty = 101, .fill_qty = 101, .fill_price = { USD } };
    assert_false(runner_update(s.runner, script_part(&s, 1), &u));
    assert_int_equal(host_now->position(host_now->self, 0), 0);
}

static void an_order_through_zero_goes_in_two_parts(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    order(SIDE_SELL, 200);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #2");
    heard_since();
    script_fill(&s, 2, 100, 101);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #3");
    script_fill(&s, 3, 100, 101);
    assert_string_equal(heard_since(), "fill 100; fill 100; filled 200/200");
    assert_int_equal(host_now->position(host_now->self, 0), -100);
}

static void foreign_shares_count_at_the_broker_but_not_in_the_book(void **state)
{
    (void)state;
    runner_foreign(s.runner, 0, 60);
    order(SIDE_SELL, 100);
    assert_string_equal(script_said(&s), "sell 60 SPY market day #1");
}

static void when_the_first_part_fails_the_rest_is_not_sent(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    order(SIDE_SELL, 200);
    script_said(&s);
    heard_since();
    script_final(&s, 2, ORDER_EXPIRED);
    assert_string_equal(script_said(&s), "");
    assert_string_equal(heard_since(), "expired 0/200");
}

static void refused_for_a_passing_reason_waits_for_a_change_in_the_symbol(void **state)
{
    (void)state;
    order(SIDE_BUY, 50);
    script_said(&s);
    order(SIDE_BUY, 50);
    script_said_only(&s);
    script_reply(&s, 2, ROUTE_WAIT, "potential wash trade detected");
    assert_string_equal(script_said(&s), "");
    script_fill(&s, 1, 50, 100);
    assert_string_equal(script_said_only(&s), "buy 50 SPY market day #2"); /* the same id again */
}

static void waiting_has_an_end(void **state)
{
    (void)state;
    order(SIDE_BUY, 50);
    int tries = 0;
    heard_since();
    for (; script_said_only(&s)[0] && tries < 100; tries++) {
        script_reply(&s, 1, ROUTE_WAIT, "potential wash trade detected");
        runner_time(s.runner, runner_now_ns(s.runner) + MINUTE_NS);
    }
    assert_in_range(tries, 10, ROUTE_TRIES_MAX);
    assert_string_equal(heard_since(), "rejected 0/50");
}

static void too_many_requests_waits_a_second(void **state)
{
    (void)state;
    order(SIDE_BUY, 50);
    script_said_only(&s);
    script_reply(&s, 1, ROUTE_LATER, "rate limit exceeded");
    assert_int_equal(runner_next_ns(s.runner), runner_now_ns(s.runner) + SECOND_NS);
    runner_time(s.runner, runner_next_ns(s.runner));
    assert_string_equal(script_said(&s), "buy 50 SPY market day #1");
}

static void the_stream_may_be_faster_than_the_reply(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said_only(&s);
    script_fill(&s, 1, 100, 100);
    script_reply(&s, 1, ROUTE_ACCEPTED, "");
    assert_string_equal(heard_since(), "fill 100; filled 100/100");
}

static void a_cancel_is_a_request(void **state)
{
    (void)state;
    int64_t id = order(SIDE_BUY, 100);
    script_said(&s);
    assert_true(host_now->cancel(host_now->self, id));
    assert_string_equal(script_said(&s), "cancel #1");
    heard_since();
    script_fill(&s, 1, 100, 100);
    assert_string_equal(heard_since(), "fill 100; filled 100/100");
}

static void canceling_what_waits_ends_it_here(void **state)
{
    (void)state;
    int64_t id = order(SIDE_BUY, 100);
    script_said_only(&s);
    script_reply(&s, 1, ROUTE_WAIT, "wash");
    heard_since();
    host_now->cancel(host_now->self, id);
    runner_time(s.runner, runner_now_ns(s.runner) + MINUTE_NS);
    assert_string_equal(heard_since(), "canceled 0/100");
    assert_string_equal(script_said(&s), "");
}

static void the_gate_refuses_and_nothing_follows(void **state)
{
    (void)state;
    s.decisions = true;
    runner_freeze(s.runner, "the stream is down");
    assert_int_equal(order(SIDE_BUY, 100), -1);
    assert_string_equal(script_said(&s), "order refused: no new entries: the stream is down");
    runner_thaw(s.runner);
    assert_true(order(SIDE_BUY, 100) > 0);
}

static const struct bad_order {
    const char *label;
    struct strategy_order order;
} bad_orders[] = {
    { "symbol below 0", { .symbol = -1, .qty = 1 } },
    { "symbol too high", { .symbol = 2, .qty = 1 } },
    { "quantity 0", { .symbol = 0, .qty = 0 } },
    { "quantity below 0", { .symbol = 0, .qty = -5 } },
    { "side unknown", { .symbol = 0, .qty = 1, .side = (enum side)7 } },
    { "type unknown", { .symbol = 0, .qty = 1, .type = (enum order_type)7 } },
    { "time in force unknown", { .symbol = 0, .qty = 1, .tif = (enum time_in_force)7 } },
    { "limit order without a limit", { .symbol = 0, .qty = 1, .type = ORDER_LIMIT, .limit = { INT64_MIN } } },
};

static void nonsense_from_a_strategy_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_orders); i++) {
        if (host_now->order(host_now->self, &bad_orders[i].order) != -1)
            fail_msg("%s was taken", bad_orders[i].label);
        assert_string_equal(script_said(&s), "");
    }
}

static void symbols_that_are_not_there_have_nothing(void **state)
{
    (void)state;
    static const int rows[] = { -1, 2, 32, INT_MIN, INT_MAX };
    struct quote q;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(host_now->position(host_now->self, rows[i]), 0);
        assert_false(price_is_set(host_now->last_price(host_now->self, rows[i])));
        assert_false(price_is_set(host_now->session_open(host_now->self, rows[i])));
        assert_false(price_is_set(host_now->previous_close(host_now->self, rows[i])));
        assert_false(host_now->quote(host_now->self, rows[i], &q));
        host_now->decide(host_now->self, rows[i], "%s", "text");
    }
    assert_int_equal(host_now->order(host_now->self, NULL), -1);
    assert_false(host_now->cancel(host_now->self, 12345));
}

/* Two instances in one account, and a broker with Alpaca's rules: an order may not rest against one of the other side, and
 * shares held for one order are not there for a second. */
static const struct { int64_t resting; const char *message; bool gives_way; } in_the_way[] = {
    { 100, "potential wash trade detected. use complex orders", true },
    { -100, "insufficient qty available for order (requested: 100, available: 0)", true },
    { -100, "potential wash trade detected. use complex orders", false }, /* ours of the same side is not the reason */
    { 100, "the market is on holiday", false },
};

static void an_exit_does_not_wait_behind_what_rests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(in_the_way); i++) {
        struct instance_config night = s.config;
        struct script t = { .config = s.config };
        struct err err;
        strcpy(night.name, "night");
        t.runner = runner_new(calendar_ns(20131007, 1800), 0);
        assert_int_equal(runner_add(t.runner, &night, &err), 0);
        const struct strategy_host *owner = host_now;
        assert_int_equal(runner_add(t.runner, &t.config, &err), 1);
        runner_start(t.runner);
        script_bar(&t, "open", "SPY", 100, 100);
        order(SIDE_BUY, 100); /* the day's instance is long */
        script_said(&t);
        script_fill(&t, 1, 100, 100);
        int64_t rest = in_the_way[i].resting;
        owner->order(owner->self, &(struct strategy_order){ .symbol = 0, .side = rest > 0 ? SIDE_BUY : SIDE_SELL,
                     .qty = llabs(rest), .type = ORDER_MARKET, .tif = TIF_CLS, .limit = PRICE_NONE });
        script_said(&t);
        heard_since();

        script_time(&t, "close-5m");
        order(SIDE_SELL, 100);
        script_said_only(&t);
        enum route route = router_verdict(403, in_the_way[i].message);
        script_reply(&t, 2, route, in_the_way[i].message);
        if (in_the_way[i].gives_way) {
            assert_string_equal(script_said(&t), "cancel #1");
            int part = runner_find(t.runner, "bell.night.20131007.1");
            struct runner_update u = { .status = ORDER_CANCELED, .fill_price = PRICE_NONE, .average = PRICE_NONE, .reason = "" };
            assert_true(runner_update(t.runner, part, &u));
            assert_string_equal(script_said(&t), "sell 100 SPY market day #2");
            assert_non_null(strstr(heard_since(), "canceled 0/100")); /* its owner heard, and does what it declares */
            script_fill(&t, 2, 100, 100);
            assert_int_equal(runner_net(t.runner, 0), 0);
        } else {
            assert_string_equal(script_said(&t), "");
        }
        runner_free(t.runner);
    }
}

static void only_an_exit_at_the_market_makes_others_give_way(void **state)
{
    (void)state;
    struct instance_config night = s.config;
    struct script t = { .config = s.config };
    struct err err;
    strcpy(night.name, "night");
    t.runner = runner_new(calendar_ns(20131007, 1800), 0);
    assert_int_equal(runner_add(t.runner, &night, &err), 0);
    const struct strategy_host *owner = host_now;
    assert_int_equal(runner_add(t.runner, &t.config, &err), 1);
    runner_start(t.runner);
    script_bar(&t, "open", "SPY", 100, 100);
    owner->order(owner->self, &(struct strategy_order){ .symbol = 0, .side = SIDE_BUY, .qty = 100, .type = ORDER_MARKET,
                                                        .tif = TIF_CLS, .limit = PRICE_NONE });
    script_said(&t);
    order(SIDE_SELL, 100); /* goes short: an entry */
    script_said_only(&t);
    script_reply(&t, 1, ROUTE_WAIT, "potential wash trade detected");
    assert_string_equal(script_said(&t), "");
    runner_free(t.runner);
}

static void a_loss_beyond_the_limit_ends_the_session(void **state)
{
    (void)state;
    s.config.risk.max_loss = 500 * USD;
    s.decisions = true;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    script_bar(&s, "open+1m", "SPY", 100, 95.01);
    assert_string_equal(script_said(&s), "");
    script_bar(&s, "open+2m", "SPY", 95.01, 95);
    assert_string_equal(script_said(&s), "lost 500.00 in this session: no more entries, the engine closes what is held; "
                                         "sell 100 SPY market day #2");
    script_fill(&s, 2, 100, 95);
    assert_string_equal(script_said(&s), "flat: the engine closed what was left");
    script_bar(&s, "open+3m", "SPY", 95, 200);
    assert_int_equal(order(SIDE_BUY, 1), -1);
    assert_string_equal(script_said(&s), "order refused: no new entries: the session's loss limit was reached");
    script_time(&s, "close");
    script_bar(&s, "open", "SPY", 95, 95); /* the next session begins anew */
    assert_true(order(SIDE_BUY, 1) > 0);
}

static void shares_somebody_else_sold_are_not_sold_again(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    runner_foreign(s.runner, 0, -60);
    runner_broker_holds(s.runner, 0, 40);
    s.decisions = true;
    assert_int_equal(order(SIDE_SELL, 100), -1);
    assert_string_equal(script_said(&s),
                        "order refused: the broker holds only 40 of the shares: somebody else closed the rest");
    assert_true(order(SIDE_SELL, 40) > 0);
    assert_string_equal(script_said(&s), "sell 40 SPY market day #2");
    script_fill(&s, 2, 40, 100);
    assert_int_equal(order(SIDE_SELL, 60), -1);
    script_said(&s);
    runner_foreign(s.runner, 0, 0); /* he bought them back */
    runner_broker_agrees(s.runner, 0);
    assert_true(order(SIDE_SELL, 60) > 0);
}

static void order_in_bar(void)
{
    order(SIDE_BUY, 1);
}

static void orders_from_inside_callbacks_are_answered_later(void **state)
{
    (void)state;
    on_bar_do = order_in_bar;
    script_bar(&s, "open+1m", "SPY", 100, 100);
    assert_string_equal(heard_since(), "bar 0");
    on_bar_do = NULL;
    on_fill_do = order_in_bar;
    script_said(&s);
    heard_since();
    script_fill(&s, 1, 1, 100);
    assert_string_equal(heard_since(), "fill 1; filled 1/1");
    assert_string_equal(script_said(&s), "buy 1 SPY market day #2");
    on_fill_do = NULL;
}

/* ---- the engine closes */

static void close_all_cancels_then_closes_what_is_held(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 30, 100);
    runner_freeze(s.runner, "stopping");
    runner_cancel_all(s.runner);
    assert_string_equal(script_said(&s), "cancel #1");
    runner_close_all(s.runner, false);
    assert_string_equal(script_said(&s), "");
    script_final(&s, 1, ORDER_CANCELED);
    assert_string_equal(script_said(&s), "sell 30 SPY market day #2");
    script_fill(&s, 2, 30, 100);
    assert_int_equal(runner_held(s.runner), 0);
}

static void no_order_of_a_strategy_after_close_all(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    runner_close_all(s.runner, false);
    script_said(&s);
    assert_int_equal(order(SIDE_SELL, 100), -1);
    assert_int_equal(order(SIDE_BUY, 1), -1);
}

static void closing_is_bounded_by_what_the_broker_holds(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    runner_broker_holds(s.runner, 0, 40);
    runner_close_all(s.runner, false);
    assert_string_equal(script_said(&s), "sell 40 SPY market day #2");
}

static void a_closed_market_queues_for_the_next_open(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    script_time(&s, "close");
    script_said(&s);
    runner_close_all(s.runner, true);
    assert_string_equal(script_said(&s), "sell 100 SPY market day #1"); /* 16:00: no auction order before 19:00 */
}

static void in_the_night_the_exit_goes_to_the_opening_auction(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    script_time(&s, "close");
    script_time(&s, "open-2h");
    script_said(&s);
    runner_close_all(s.runner, true);
    assert_string_equal(script_said(&s), "sell 100 SPY market opg #1");
}

static void what_may_not_be_held_over_night_is_closed_a_minute_before(void **state)
{
    (void)state;
    puppet_now->overnight = false;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    s.decisions = true;
    script_time(&s, "close-1m");
    assert_string_equal(script_said(&s), "close-1m and not flat: the engine closes what is left; sell 100 SPY market day #2");
}

static void an_exit_under_way_is_left_alone(void **state)
{
    (void)state;
    puppet_now->overnight = false;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    script_time(&s, "close-5m");
    order(SIDE_SELL, 100);
    script_said(&s);
    script_time(&s, "close-1m");
    assert_string_equal(script_said(&s), "");
}

static void what_did_not_get_out_is_closed_at_the_next_open(void **state)
{
    (void)state;
    script_time(&s, "close");
    script_said(&s);
    script_bar(&s, "open", "SPY", 100, 100);
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 100, 100);
    script_time(&s, "close-1m");
    script_said(&s);
    script_final(&s, 2, ORDER_EXPIRED);
    script_time(&s, "close");
    script_said(&s);
    assert_false(runner_all_ended(s.runner));
    script_time(&s, "open");
    assert_string_equal(script_said(&s), "sell 100 SPY market day #1");
    script_fill(&s, 1, 100, 100);
    assert_string_equal(script_said(&s), "end finished: its sessions are over");
}

/* ---- after a restart */

static void a_restart_goes_on_where_the_journal_ends(void **state)
{
    (void)state;
    struct err err;
    order(SIDE_BUY, 100);
    script_said(&s);
    script_fill(&s, 1, 40, 100);
    struct part part = *runner_part(s.runner, script_part(&s, 1));
    struct puppet saved = *puppet_now;
    saved.last_id = 77;

    int64_t later = script_at(&s, "open+1h");
    runner_free(s.runner);
    s.runner = runner_new(later, 0);
    assert_int_equal(runner_add(s.runner, &s.config, &err), 0);
    assert_true(runner_restore_state(s.runner, 0, &saved, sizeof saved));
    int restored = runner_restore_part(s.runner, &part);
    runner_restore_fill(s.runner, restored, 40, (struct price){ 100 * USD });
    runner_restore_due(s.runner, 0, 20131007, -1, -1);
    runner_restore_due(s.runner, 0, 20131007, 0, -1);
    heard_since();
    runner_start(s.runner);
    runner_time(s.runner, script_at(&s, "open+1h"));
    assert_string_equal(heard_since(), "duty 1 late 1800"); /* the open and the early duty were done */
    assert_int_equal(puppet_now->last_id, 77);
    assert_int_equal(host_now->position(host_now->self, 0), 40);
    script_fill(&s, 1, 100, 100);
    assert_string_equal(heard_since(), "fill 60; filled 100/100");
    script_bar(&s, "open+1h", "SPY", 100, 100);
    order(SIDE_BUY, 1);
    assert_string_equal(script_said(&s), "buy 1 SPY market day #2"); /* the sequence goes on */
}

static void a_restart_is_given_the_bars_it_missed(void **state)
{
    (void)state;
    struct err err;
    int64_t open = script_at(&s, "open");
    runner_free(s.runner);
    s.runner = runner_new(open + 5 * MINUTE_NS, 0);
    assert_int_equal(runner_add(s.runner, &s.config, &err), 0);
    for (int i = 0; i < 5; i++) {
        struct bar bar = { .open_time_ns = open + i * MINUTE_NS, .open = { USD }, .close = { USD } };
        runner_prime(s.runner, 0, bar.close, bar.open, PRICE_NONE, bar.open_time_ns + MINUTE_NS);
        runner_history(s.runner, 0, &bar);
    }
    runner_restore_due(s.runner, 0, 20131007, -1, -1);
    runner_restore_seen(s.runner, 0, 0, open + 2 * MINUTE_NS);
    heard_since();
    on_bar_do = order_in_bar;
    runner_start(s.runner);
    assert_string_equal(heard_since(), "bar 0; bar 0; bar 0"); /* the third to the fifth */
    assert_string_equal(script_said(&s), "buy 1 SPY market day #1"); /* only the one that has just ended may order */
    on_bar_do = NULL;
    script_bar(&s, "open+4m", "SPY", 1, 1); /* told again */
    assert_string_equal(heard_since(), "duty 0 late 2100");
}

/* ---- a random day: whatever the broker does, the books are the sum of the fills */

static uint64_t seed;
static uint64_t chance(uint64_t n)
{
    return random_next(&seed) % n;
}

static void random_order(void)
{
    if (chance(3) == 0)
        host_now->order(host_now->self, &(struct strategy_order){
            .symbol = (int)chance(2), .side = chance(2) ? SIDE_BUY : SIDE_SELL, .qty = 1 + (int64_t)chance(200),
            .type = ORDER_MARKET, .tif = TIF_DAY, .limit = PRICE_NONE });
}

static void random_news(struct script *t, int64_t sum[2])
{
    size_t count;
    const int *open = runner_open_parts(t->runner, &count);
    if (count == 0)
        return;
    int part = open[chance(count)];
    struct part p = *runner_part(t->runner, part);
    int64_t qty = p.qty - p.filled > 1 && chance(2) ? 1 + (int64_t)chance((uint64_t)(p.qty - p.filled)) : p.qty - p.filled;
    struct runner_update u = { .status = ORDER_NEW, .filled_qty = p.filled, .fill_price = PRICE_NONE, .average = PRICE_NONE };
    switch (chance(6)) {
    case 0:
        u.status = chance(2) ? ORDER_CANCELED : ORDER_EXPIRED;
        break;
    case 1:
        if (p.state == PART_NEW) {
            runner_reply(t->runner, part, chance(2) ? ROUTE_WAIT : ROUTE_REJECTED, "no", -1);
            return;
        }
        break;
    default:
        u.fill_qty = qty;
        u.filled_qty = p.filled + qty;
        u.fill_price = (struct price){ (int64_t)(90 + chance(20)) * USD };
        u.status = u.filled_qty == p.qty ? ORDER_FILLED : ORDER_PARTIALLY_FILLED;
        sum[p.symbol] += side_sign(p.side) * qty;
        break;
    }
    assert_true(runner_update(t->runner, part, &u));
    if (chance(3) == 0)
        assert_true(runner_update(t->runner, part, &u)); /* said twice */
}

static void books_are_the_sum_of_the_fills(void **state)
{
    (void)state;
    for (int day = 0; day < 200; day++) {
        struct script t;
        int64_t sum[2] = { 0, 0 };
        size_t count;
        seed = (uint64_t)day + 1;
        script_start(&t, &plugin, "SPY IBM", "", 20131007, 2);
        on_bar_do = on_fill_do = random_order;
        for (int minute = 0; minute < 200; minute++) {
            char at[32];
            snprintf(at, sizeof at, "open+%dm", minute);
            script_bar(&t, minute ? at : "open", chance(2) ? "SPY" : "IBM", 100, 100);
            for (uint64_t n = chance(4); n > 0; n--)
                random_news(&t, sum);
            runner_actions_clear(t.runner);
            heard[0] = '\0';
            for (int i = 0; i < 2; i++) {
                assert_int_equal(script_position(&t, i), sum[i]);
                assert_int_equal(runner_net(t.runner, i), sum[i]);
            }
        }
        /* frozen: whatever happens, the sum of what is held and on its way never grows */
        runner_freeze(t.runner, "stopping");
        runner_cancel_all(t.runner);
        runner_close_all(t.runner, false);
        int guard = 0;
        while ((runner_held(t.runner) || (runner_open_parts(t.runner, &count), count)) && guard++ < 20000) {
            const struct action *a = runner_actions(t.runner, &count);
            for (size_t i = 0; i < count; i++)
                if (a[i].kind == ACTION_ORDER) {
                    const struct part *p = runner_part(t.runner, a[i].part);
                    assert_true(p->tries > 1 || strstr(p->reason, "the engine closes"));
                }
            runner_actions_clear(t.runner);
            random_news(&t, sum);
            runner_time(t.runner, runner_now_ns(t.runner) + SECOND_NS);
            runner_close_all(t.runner, false);
            heard[0] = '\0';
        }
        if (runner_now_ns(t.runner) < script_at(&t, "close"))
            assert_int_equal(runner_held(t.runner), 0);
        assert_int_equal(sum[0], script_position(&t, 0));
        on_bar_do = on_fill_do = NULL;
        script_end(&t);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        CASE(duties_fire_once_at_their_time_after_the_bars),
        CASE(a_late_engine_fires_late_and_says_so),
        CASE(bars_alone_move_the_schedule),
        CASE(a_start_in_mid_session_opens_late),
        CASE(every_row_of_a_timetable_is_fired),
        CASE(sessions_are_counted_and_the_last_ends_it),
        CASE(the_end_of_the_recording_is_the_last_session),
        CASE(prices_a_strategy_sees),
        CASE(an_order_goes_out_and_its_fills_come_back),
        CASE(the_id_is_made_of_instance_date_and_sequence),
        CASE(repeated_and_stale_news_change_nothing),
        CASE(missed_executions_are_made_up_from_the_averages),
        CASE(fees_are_paid_out_of_the_cash),
        CASE(a_sum_no_book_can_hold_is_refused),
        CASE(more_filled_than_ordered_is_refused),
        CASE(an_order_through_zero_goes_in_two_parts),
        CASE(foreign_shares_count_at_the_broker_but_not_in_the_book),
        CASE(when_the_first_part_fails_the_rest_is_not_sent),
        CASE(refused_for_a_passing_reason_waits_for_a_change_in_the_symbol),
        CASE(waiting_has_an_end),
        CASE(too_many_requests_waits_a_second),
        CASE(the_stream_may_be_faster_than_the_reply),
        CASE(a_cancel_is_a_request),
        CASE(canceling_what_waits_ends_it_here),
        CASE(the_gate_refuses_and_nothing_follows),
        CASE(nonsense_from_a_strategy_is_refused),
        CASE(symbols_that_are_not_there_have_nothing),
        CASE(an_exit_does_not_wait_behind_what_rests),
        CASE(only_an_exit_at_the_market_makes_others_give_way),
        CASE(a_loss_beyond_the_limit_ends_the_session),
        CASE(shares_somebody_else_sold_are_not_sold_again),
        CASE(orders_from_inside_callbacks_are_answered_later),
        CASE(close_all_cancels_then_closes_what_is_held),
        CASE(no_order_of_a_strategy_after_close_all),
        CASE(closing_is_bounded_by_what_the_broker_holds),
        CASE(a_closed_market_queues_for_the_next_open),
        CASE(in_the_night_the_exit_goes_to_the_opening_auction),
        CASE(what_may_not_be_held_over_night_is_closed_a_minute_before),
        CASE(an_exit_under_way_is_left_alone),
        CASE(what_did_not_get_out_is_closed_at_the_next_open),
        CASE(a_restart_goes_on_where_the_journal_ends),
        CASE(a_restart_is_given_the_bars_it_missed),
        cmocka_unit_test(a_session_begins_once),
        CASE(missed_bars_are_history),
        CASE(executions_may_be_taken_back_and_corrected),
        cmocka_unit_test(books_are_the_sum_of_the_fills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) + RUN_ROWS("an edit", an_edit_takes_hold, change_rows);
}
