/* flatten: the way from "stop" to an exit code, step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/flatten.h"

static struct flatten f;
static struct flatten_view v;

static int begin(void **state)
{
    (void)state;
    flatten_start(&f, 0, 90);
    v = (struct flatten_view){ .market_open = true };
    return 0;
}

static void says(enum flatten_step step)
{
    assert_int_equal(flatten_next(&f, &v), step);
}

static void broker(int64_t orders, int64_t shares)
{
    v.broker_answered = v.broker_known = true;
    v.broker_orders = orders;
    v.broker_shares = shares;
}

static void ends(int code)
{
    says(FLATTEN_END);
    assert_int_equal(f.exit_code, code);
    says(FLATTEN_END);
}

static void nothing_open_ends_after_the_broker_agreed(void **state)
{
    (void)state;
    says(FLATTEN_ASK);
    says(FLATTEN_WAIT);
    broker(0, 0);
    ends(0);
}

static void cancels_before_it_asks_and_asks_before_it_closes(void **state)
{
    (void)state;
    v.orders_open = 2;
    v.shares_held = 100;
    says(FLATTEN_CANCEL);
    v.orders_open = 1;
    says(FLATTEN_CANCEL);
    v.orders_open = 0;
    says(FLATTEN_ASK);
    broker(0, 100);
    says(FLATTEN_CLOSE);
    v.orders_open = 1;
    says(FLATTEN_WAIT);
    v.orders_open = v.shares_held = 0;
    says(FLATTEN_ASK);
    v.broker_answered = false;
    says(FLATTEN_WAIT);
    broker(0, 0);
    ends(0);
}

static void a_partial_close_is_closed_again(void **state)
{
    (void)state;
    says(FLATTEN_ASK);
    broker(0, 100);
    says(FLATTEN_CLOSE);
    says(FLATTEN_ASK);
    broker(0, 30);
    says(FLATTEN_CLOSE);
    says(FLATTEN_ASK);
    broker(0, 0);
    ends(0);
}

static void waits_while_calls_are_under_way(void **state)
{
    (void)state;
    v.busy = true;
    says(FLATTEN_WAIT);
    v.busy = false;
    says(FLATTEN_ASK);
}

static void an_answer_that_is_none_is_asked_again(void **state)
{
    (void)state;
    says(FLATTEN_ASK);
    v.broker_answered = true;
    says(FLATTEN_ASK);
    broker(0, 0);
    ends(0);
}

static void an_order_only_the_broker_knows_is_canceled(void **state)
{
    (void)state;
    says(FLATTEN_ASK);
    broker(1, 0);
    says(FLATTEN_CANCEL);
    says(FLATTEN_ASK);
    broker(0, 0);
    ends(0);
}

static void a_stuck_cancel_ends_at_the_deadline_with_3(void **state)
{
    (void)state;
    v.orders_open = 1;
    says(FLATTEN_CANCEL);
    v.world_ns = 89;
    says(FLATTEN_CANCEL);
    v.world_ns = 90;
    ends(3);
}

static void a_broker_that_never_answers_ends_with_3(void **state)
{
    (void)state;
    says(FLATTEN_ASK);
    v.world_ns = 90;
    ends(3);
}

static void a_closed_market_queues_and_ends_with_4(void **state)
{
    (void)state;
    v.market_open = false;
    v.shares_held = 100;
    says(FLATTEN_ASK);
    broker(0, 100);
    says(FLATTEN_QUEUE);
    v.orders_open = v.orders_unqueued = 1;
    says(FLATTEN_WAIT);
    v.orders_unqueued = 0;
    ends(4);
}

static void a_refused_queue_is_looked_at_again_and_ends_with_3(void **state)
{
    (void)state;
    v.market_open = false;
    says(FLATTEN_ASK);
    broker(0, 100);
    says(FLATTEN_QUEUE);
    says(FLATTEN_ASK);
    says(FLATTEN_QUEUE);
    v.world_ns = 90;
    ends(3);
}

static void books_that_differ_do_not_keep_it_from_ending(void **state)
{
    (void)state;
    v.shares_held = 50; /* sold by hand: the broker holds none of it */
    says(FLATTEN_ASK);
    broker(0, 0);
    ends(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_open_ends_after_the_broker_agreed, begin),
        cmocka_unit_test_setup(cancels_before_it_asks_and_asks_before_it_closes, begin),
        cmocka_unit_test_setup(a_partial_close_is_closed_again, begin),
        cmocka_unit_test_setup(waits_while_calls_are_under_way, begin),
        cmocka_unit_test_setup(an_answer_that_is_none_is_asked_again, begin),
        cmocka_unit_test_setup(an_order_only_the_broker_knows_is_canceled, begin),
        cmocka_unit_test_setup(a_stuck_cancel_ends_at_the_deadline_with_3, begin),
        cmocka_unit_test_setup(a_broker_that_never_answers_ends_with_3, begin),
        cmocka_unit_test_setup(a_closed_market_queues_and_ends_with_4, begin),
        cmocka_unit_test_setup(a_refused_queue_is_looked_at_again_and_ends_with_3, begin),
        cmocka_unit_test_setup(books_that_differ_do_not_keep_it_from_ending, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
