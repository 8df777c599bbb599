/* The replay rules, auctions, refusals and accounting of exchange/venue.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base.h"
#include "tests/unit/exchange/script.h"

enum { MONDAY = 20131007 }; /* 2013-11-29 is a half day */
static const struct venue_options rich = { .cash_micros = 100000 * USD };

struct row {
    const char *name, *script, *events;
};

static void run_rows(const struct row *rows, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        struct script s;
        script_open(&s, MONDAY, rich);
        script_run(&s, rows[i].script);
        if (strcmp(s.log, rows[i].events) != 0) {
            print_error("row: %s\n  got:      %s\n  expected: %s\n", rows[i].name, s.log, rows[i].events);
            failed++;
        }
        if (!venue_is_consistent(s.venue)) {
            print_error("row: %s: the account's books do not add up\n", rows[i].name);
            failed++;
        }
        script_close(&s);
    }
    assert_int_equal(failed, 0);
}

#define WORKS(x) x ":pending_new " x ":new "

static void orders_trade_by_the_replay_rules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "market with a quote: at once at the ask",
          "10:00 quote A 10.00 10.02\n10:00 submit x buy 100 A market day", WORKS("x") "x:fill@10.02" },
        { "market with a quote: a seller at the bid",
          "10:00 quote A 10.00 10.02\n10:00 submit x sell 100 A market day", WORKS("x") "x:fill@10.00" },
        { "a quote of the pre-market counts", "08:00 quote A 10.00 10.02\n10:00 submit x buy 1 A market day",
          WORKS("x") "x:fill@10.02" },
        { "a quote of an earlier day does not count: the next bar's open",
          "15:00 quote A 10.00 10.02\nday 20131008\n10:00 submit x buy 1 A market day\n10:05 start A 10.30",
          WORKS("x") "x:fill@10.30" },
        { "a quote without the needed side does not count",
          "10:00 quote A 10.00 -\n10:00 submit x buy 1 A market day\n10:01 start A 10.30",
          WORKS("x") "x:fill@10.30" },
        { "a waiting market order takes the quote that comes first",
          "10:00 submit x buy 1 A market day\n10:01 quote A 10.00 10.04\n10:01 start A 10.30",
          WORKS("x") "x:fill@10.04" },
        { "market without quotes: a bar that starts at this very instant",
          "10:00 start A 10.07\n10:00 submit x buy 1 A market day", WORKS("x") "x:fill@10.07" },
        { "market without quotes: not the bar that is under way",
          "10:00 start A 10.07\n10:01 bar A 10.07 10.20 10.00 10.10\n10:01 submit x buy 1 A market day\n"
          "10:02 start A 10.11",
          WORKS("x") "x:fill@10.11" },
        { "market without quotes: another symbol's bar is nothing to it",
          "10:00 submit x buy 1 A market day\n10:01 start B 20.00\n10:02 start A 10.11",
          WORKS("x") "x:fill@10.11" },
        { "market without quotes and without a further bar expires",
          "10:00 submit x buy 1 A market day\n16:00 instant", WORKS("x") "x:expired" },
        { "limit with a quote at the limit: at once at the better ask",
          "10:00 quote A 10.00 10.02\n10:00 submit x buy 1 A limit 10.05 day", WORKS("x") "x:fill@10.02" },
        { "limit waits for the quote to reach it",
          "10:00 quote A 10.00 10.02\n10:00 submit x buy 1 A limit 9.99 day\n10:01 quote A 9.99 10.00\n"
          "10:02 quote A 9.97 9.98",
          WORKS("x") "x:fill@9.98" },
        { "with quotes a bar's low does not fill a limit",
          "10:00 quote A 10.00 10.02\n10:00 submit x buy 1 A limit 9.99 day\n10:01 bar A 10.00 10.00 9.00 "
          "9.50\n"
          "16:00 instant",
          WORKS("x") "x:expired" },
        { "limit without quotes: a later bar's low, at the limit",
          "10:00 submit x buy 1 A limit 9.99 day\n10:01 bar A 10.05 10.06 9.98 10.00",
          WORKS("x") "x:fill@9.99" },
        { "limit without quotes: at the better open",
          "10:00 submit x buy 1 A limit 9.99 day\n10:01 bar A 9.95 10.06 9.90 10.00",
          WORKS("x") "x:fill@9.95" },
        { "limit without quotes: touching is enough",
          "10:00 submit x sell 1 A limit 10.06 day\n10:01 bar A 10.05 10.06 9.98 10.00",
          WORKS("x") "x:fill@10.06" },
        { "limit without quotes: not reached",
          "10:00 submit x sell 1 A limit 10.07 day\n10:01 bar A 10.05 10.06 9.98 10.00",
          "x:pending_new x:new" },
        { "limit without quotes: the bar under way when it came does not count",
          "10:00 start A 10.00\n10:00 submit y buy 1 B limit 1.00 day\n10:01 bar A 10.00 10.00 9.00 9.50\n"
          "10:01 submit x buy 1 A limit 9.60 day\n10:02 bar A 9.70 9.80 9.65 9.70",
          WORKS("y") "x:pending_new x:new" },
        { "orders of a symbol trade in order of arrival",
          "10:00 submit x buy 1 A market day\n10:00 submit y buy 2 A market day\n10:01 start A 10.11",
          WORKS("x") WORKS("y") "x:fill@10.11 y:fill@10.11" },
        { "a canceled order is gone",
          "10:00 submit x buy 1 A market day\n10:00 cancel x\n10:01 start A 10.11", WORKS("x") "x:canceled" },
        { "canceling again succeeds, and says nothing",
          "10:00 submit x buy 1 A market day\n10:00 cancel x\n10:00 cancel x", WORKS("x") "x:canceled" },
        { "a filled order can't be canceled",
          "10:00 start A 10.00\n10:00 submit x buy 1 A market day\n10:00 cancel x",
          WORKS("x") "x:fill@10.00 x:order is already in \"filled\" state" },
    };
    run_rows(rows, COUNT_OF(rows));
}

static void day_orders_keep_to_the_session(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "before the open: accepted, then at the quote of the pre-market",
          "09:00 submit x buy 1 A market day\n09:29 quote A 10.00 10.02\n09:30 start A 10.05",
          "x:accepted x:pending_new x:new x:fill@10.02" },
        { "before the open, no quote: the first bar's open",
          "09:00 submit x buy 1 A market day\n09:30 instant\n09:33 start A 10.05",
          "x:accepted x:pending_new x:new x:fill@10.05" },
        { "a bar before the open fills nothing",
          "09:00 submit x buy 1 A market day\n09:01 start A 9.00\n09:02 bar A 9.00 9.00 9.00 9.00",
          "x:accepted" },
        { "at the open exactly: the bar that starts now",
          "09:30 start A 10.05\n09:30 submit x buy 1 A market day", WORKS("x") "x:fill@10.05" },
        { "at the close exactly: the next session",
          "16:00 instant\n16:00 submit x buy 1 A market day\nday 20131008\n09:30 start A 11.00",
          "x:accepted x:pending_new x:new x:fill@11.00" },
        { "on Friday evening: Monday",
          "day 20131011\n17:00 submit x buy 1 A market day\nday 20131014\n09:30 start A 11.00",
          "x:accepted x:pending_new x:new x:fill@11.00" },
        { "the close expires it", "15:00 submit x buy 1 A limit 9.00 day\n16:00 instant",
          WORKS("x") "x:expired" },
        { "a close no instant fell on expires it all the same",
          "15:00 submit x buy 1 A limit 9.00 day\n17:00 instant", WORKS("x") "x:expired" },
        { "a whole session passed over", "09:00 submit x buy 1 A limit 9.00 day\nday 20131008\n04:00 instant",
          "x:accepted x:pending_new x:new x:expired" },
        { "the bar that ends at the close still counts",
          "15:59 submit x buy 1 A limit 9.00 day\n16:00 bar A 9.50 9.50 8.90 9.20",
          WORKS("x") "x:fill@9.00" },
        { "a half day closes at 13:00", "day 20131129\n12:59 submit x buy 1 A limit 9.00 day\n13:00 instant",
          WORKS("x") "x:expired" },
        { "canceled while accepted", "09:00 submit x buy 1 A market day\n09:01 cancel x\n09:30 start A 10.00",
          "x:accepted x:canceled" },
    };
    run_rows(rows, COUNT_OF(rows));
}

static void auctions_clear_at_one_price(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "opening: the 09:30 bar's open, whatever the quote says",
          "09:00 submit x buy 1 A market opg\n09:30 quote A 9.00 9.02\n09:30 start A 10.05",
          "x:accepted x:pending_new x:new x:fill@10.05" },
        { "opening: a limit fills at the auction's price",
          "09:00 submit x buy 1 A limit 10.10 opg\n09:30 start A 10.05",
          "x:accepted x:pending_new x:new x:fill@10.05" },
        { "opening: a limit beyond it expires", "09:00 submit x buy 1 A limit 10.00 opg\n09:30 start A 10.05",
          "x:accepted x:pending_new x:new x:expired" },
        { "opening: no 09:30 bar, the first regular bar's open",
          "09:00 submit x buy 1 A market opg\n09:00 submit y buy 1 A limit 9.00 opg\n09:30 start B 20.00\n"
          "09:32 start A 10.07",
          "x:accepted y:accepted x:pending_new x:new y:pending_new y:new x:fill@10.07 y:expired" },
        { "opening: no regular bar all day, expires at the close",
          "09:00 submit x buy 1 A market opg\n09:30 instant\n16:00 instant",
          "x:accepted x:pending_new x:new x:expired" },
        { "opening comes before day orders",
          "08:00 submit d buy 1 A market day\n09:00 submit x buy 1 A market opg\n09:30 start A 10.05",
          "d:accepted x:accepted x:pending_new x:new x:fill@10.05 d:pending_new d:new d:fill@10.05" },
        { "closing: the last regular minute's close",
          "15:30 submit x buy 1 A market cls\n16:00 bar A 10.00 10.30 9.90 10.20\n16:01 bar A 11.00 11.00 "
          "11.00 11.00",
          WORKS("x") "x:fill@10.20" },
        { "closing: no 15:59 bar, the last one before it",
          "15:30 submit x sell 1 A market cls\n15:58 bar A 10.00 10.30 9.90 10.25\n16:00 quote A 9.00 9.02",
          WORKS("x") "x:fill@10.25" },
        { "closing: a limit at the price fills, one beyond it expires",
          "15:30 submit x buy 1 A limit 10.20 cls\n15:30 submit y buy 1 A limit 10.19 cls\n"
          "16:00 bar A 10.00 10.30 9.90 10.20",
          WORKS("x") WORKS("y") "x:fill@10.20 y:expired" },
        { "closing: no regular bar all day, expires", "15:30 submit x buy 1 A market cls\n16:00 instant",
          WORKS("x") "x:expired" },
        { "closing: yesterday's close is no price",
          "16:00 bar A 10.00 10.30 9.90 10.20\nday 20131008\n15:30 submit x buy 1 A market cls\n16:00 "
          "instant",
          WORKS("x") "x:expired" },
        { "closing comes before the expiry of day orders",
          "15:00 submit d buy 1 A limit 9.00 day\n15:30 submit x buy 1 A market cls\n16:00 bar A 10.00 10.30 "
          "9.90 10.20",
          WORKS("d") WORKS("x") "x:fill@10.20 d:expired" },
        { "closing on a half day: 13:00",
          "day 20131129\n12:30 submit x buy 1 A market cls\n13:00 bar A 10.00 10.30 9.90 10.20",
          WORKS("x") "x:fill@10.20" },
        { "a cls order is deaf to the continuous market",
          "10:00 quote A 10.00 10.02\n10:00 submit x buy 1 A market cls\n10:01 start A 10.00\n10:02 bar A "
          "10.00 10.00 9.00 9.50",
          "x:pending_new x:new" },
        { "opg window: 09:28 is too late", "09:28 submit x buy 1 A market opg",
          "x! opg orders must be submitted after 7:00pm and before 9:28am" },
        { "opg window: 09:27 is not", "09:27 submit x buy 1 A market opg", "x:accepted" },
        { "opg window: not in the afternoon", "16:00 instant\n18:59 submit x buy 1 A market opg",
          "x! opg orders must be submitted after 7:00pm and before 9:28am" },
        { "opg window: 19:00 for the next session",
          "19:00 submit x buy 1 A market opg\nday 20131008\n09:30 start A 10.05",
          "x:accepted x:pending_new x:new x:fill@10.05" },
        { "opg window: over the weekend",
          "day 20131012\n12:00 submit x buy 1 A market opg\nday 20131014\n09:30 start A 10.05",
          "x:accepted x:pending_new x:new x:fill@10.05" },
        { "cls window: 15:50 is too late", "15:50 submit x buy 1 A market cls",
          "x! cls orders must be submitted after 7:00pm and before 3:55pm" },
        { "cls window: 15:49 is not", "15:49 submit x buy 1 A market cls", "x:pending_new x:new" },
        { "cls window: before the open it waits", "09:00 submit x buy 1 A market cls\n09:30 instant",
          "x:accepted x:pending_new x:new" },
        { "cls window: not between close and 19:00", "17:00 submit x buy 1 A market cls",
          "x! cls orders must be submitted after 7:00pm and before 3:55pm" },
        { "cls window on a half day: 12:50", "day 20131129\n12:50 submit x buy 1 A market cls",
          "x! cls orders must be submitted after 7:00pm and before 3:55pm" },
    };
    run_rows(rows, COUNT_OF(rows));
}

static void refusals_leave_nothing_behind(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "qty 0", "10:00 submit x buy 0 A market day", "x! qty must be > 0" },
        { "qty negative", "10:00 submit x buy -5 A market day", "x! qty must be > 0" },
        { "limit 0", "10:00 submit x buy 1 A limit 0 day", "x! limit price must be > 0" },
        { "no limit", "10:00 submit x buy 1 A limit - day", "x! limit orders require a limit price" },
        { "unknown symbol", "10:00 submit x buy 1 Q market day", "x! asset \"Q\" not found" },
        { "syntax comes before asset", "10:00 submit x buy 0 Q market day", "x! qty must be > 0" },
        { "asset comes before the window", "15:55 submit x buy 1 Q market cls", "x! asset \"Q\" not found" },
        { "the window comes before the increment", "15:55 submit x buy 1 A limit 10.001 cls",
          "x! cls orders must be submitted after 7:00pm and before 3:55pm" },
        { "sub-penny above a dollar", "10:00 submit x buy 1 A limit 10.001 day",
          "x! invalid limit_price 10.001. sub-penny increment does not fulfill minimum pricing criteria" },
        { "four decimals under a dollar", "10:00 submit x buy 1 A limit 0.1234 day", "x:pending_new x:new" },
        { "five decimals under a dollar", "10:00 submit x buy 1 A limit 0.12345 day",
          "x! invalid limit_price 0.12345. sub-penny increment does not fulfill minimum pricing criteria" },
        { "the increment comes before the quantity",
          "10:00 start A 10.00\n10:00 submit x buy 5 A market day\n10:00 submit y sell 6 A limit 10.001 day",
          WORKS("x") "x:fill@10.00 y! invalid limit_price 10.001. sub-penny increment does not fulfill "
                     "minimum pricing criteria" },
        { "through zero in one order",
          "10:00 start A 10.00\n10:00 submit x buy 5 A market day\n10:00 submit y sell 6 A market day",
          WORKS("x") "x:fill@10.00 y! insufficient qty available for order (requested: 6, available: 5)" },
        { "shares in an open order are not available",
          "10:00 start A 10.00\n10:00 submit x buy 5 A market day\n10:00 submit y sell 3 A limit 20.00 day\n"
          "10:00 submit z sell 3 A market day",
          WORKS("x") "x:fill@10.00 " WORKS(
              "y") "z! insufficient qty available for order (requested: 3, available: 2)" },
        { "all of them held",
          "10:00 start A 10.00\n10:00 submit x buy 5 A market day\n10:00 submit y sell 5 A market cls\n"
          "10:00 submit z sell 3 A limit 20.00 day",
          WORKS("x") "x:fill@10.00 " WORKS(
              "y") "z! insufficient qty available for order (requested: 3, available: 0)" },
        { "a cancel gives them back",
          "10:00 start A 10.00\n10:00 submit x buy 5 A market day\n10:00 submit y sell 5 A limit 20.00 day\n"
          "10:00 cancel y\n10:00 submit z sell 5 A market day",
          WORKS("x") "x:fill@10.00 " WORKS("y") "y:canceled " WORKS("z") "z:fill@10.00" },
        { "a short is covered the same way",
          "10:00 start A 10.00\n10:00 submit x sell 5 A market day\n10:00 submit y buy 6 A market day",
          WORKS("x") "x:fill@10.00 y! insufficient qty available for order (requested: 6, available: 5)" },
        { "buying power: four times the equity at a limit", "10:00 submit x buy 40000 A limit 10.00 day",
          "x:pending_new x:new" },
        { "buying power: one share more", "10:00 submit x buy 40001 A limit 10.00 day",
          "x! insufficient buying power" },
        { "buying power: a market order keeps 4 % more under $50", "10:00 submit x buy 38462 A market day",
          "x! insufficient buying power" },
        { "buying power: which fits", "10:00 submit x buy 38461 A market day", "x:pending_new x:new" },
        { "buying power: open orders count",
          "10:00 submit x buy 30000 A limit 10.00 day\n10:00 submit y buy 10001 A limit 10.00 day",
          WORKS("x") "y! insufficient buying power" },
        { "buying power: a cancel gives it back",
          "10:00 submit x buy 40000 A limit 10.00 day\n10:00 cancel x\n10:00 submit y buy 40000 A limit "
          "10.00 day",
          WORKS("x") "x:canceled y:pending_new y:new" },
        { "buying power: expiry gives it back",
          "10:00 submit x buy 40000 A limit 10.00 day\n16:00 instant\n17:00 submit y buy 40000 A limit 10.00 "
          "day",
          WORKS("x") "x:expired y:accepted" },
        { "buying power: a short keeps 3 % more", "10:00 submit x sell 38834 A market day",
          "x:pending_new x:new" },
        { "buying power: which does not fit", "10:00 submit x sell 38835 A market day",
          "x! insufficient buying power" },
        { "buying power: a closing order needs none",
          "10:00 start A 10.00\n10:00 submit x buy 38000 A market day\n10:00 submit y sell 38000 A market "
          "day",
          WORKS("x") "x:fill@10.00 " WORKS("y") "y:fill@10.00" },
        { "a client id is used up by an order that was canceled",
          "10:00 submit x buy 1 A limit 1.00 day\n10:00 cancel x\n10:00 submit x buy 1 A limit 1.00 day",
          WORKS("x") "x:canceled x! client_order_id must be unique" },
        { "a client id is not used up by a refusal",
          "10:00 submit x buy 0 A market day\n10:00 submit x buy 1 A limit 1.00 day",
          "x! qty must be > 0 x:pending_new x:new" },
    };
    run_rows(rows, COUNT_OF(rows));
}

static void a_poor_account_may_not_short(void **state)
{
    (void)state;
    struct script s;
    script_open(&s, MONDAY, (struct venue_options){ .cash_micros = 1999 * USD });
    script_run(&s, "10:00 submit x sell 1 A market day\n10:00 submit y buy 190 A market day\n10:00 submit z "
                   "buy 10 A market day");
    assert_string_equal(
        s.log, "x! account is not allowed to short y:pending_new y:new z! insufficient buying power");
    script_close(&s);
}

static void fees_and_slippage_are_booked(void **state)
{
    (void)state;
    struct script s;
    script_open(
        &s, MONDAY,
        (struct venue_options){ .cash_micros = 1000000 * USD, .fee_micros = 5000, .slippage_micros = 1000 });
    script_run(&s, "10:00 start A 10.00\n10:00 submit x buy 100 A market day\n10:01 start A 11.00\n"
                   "10:01 submit y sell 100 A market day\n10:01 submit z buy 100 A limit 9.00 day\n10:02 bar "
                   "A 9.00 9.00 9.00 9.00");
    assert_string_equal(s.log,
                        WORKS("x") "x:fill@10.01 " WORKS("y") "y:fill@10.989 " WORKS("z") "z:fill@9.00");
    assert_int_equal(s.account->cash_micros,
                     1000000 * USD - 1001000000 + 1098900000 - 900000000 - 3 * 500000);
    assert_int_equal(s.account->fees_micros, 1500000);
    assert_true(venue_is_consistent(s.venue));
    script_close(&s);
}

static void equity_is_struck_at_the_close(void **state)
{
    (void)state;
    struct script s;
    script_open(&s, MONDAY, rich);
    script_run(
        &s, "10:00 start A 10.00\n10:00 submit x buy 100 A market day\n16:00 bar A 10.00 12.00 10.00 12.00\n"
            "17:00 bar A 13.00 13.00 13.00 13.00");
    assert_int_equal(s.account->last_equity_micros, 100200 * USD);
    assert_int_equal(s.account->last_equity_date, MONDAY);
    struct account_figures f;
    account_figures(s.account, venue_marks(s.venue), &f);
    assert_int_equal(f.equity, 100300 * USD);
    assert_int_equal(f.buying_power, 4 * 100300 * USD - 1300 * USD);
    script_run(&s, "day 20131008\n04:00 instant");
    assert_int_equal(venue_previous_close(s.venue, 0).micros, 12 * USD);
    script_close(&s);
}

static void the_next_boundary_is_an_open_orders(void **state)
{
    (void)state;
    struct script s;
    script_open(&s, MONDAY, rich);
    assert_true(venue_next_ns(s.venue) == INT64_MAX);
    script_run(&s, "09:00 submit x buy 1 A limit 9.00 day");
    assert_true(venue_next_ns(s.venue) == calendar_ns(MONDAY, 9 * 3600 + 1800));
    script_run(&s, "09:30 instant");
    assert_true(venue_next_ns(s.venue) == calendar_ns(MONDAY, 16 * 3600));
    script_run(&s, "16:00 instant");
    assert_true(venue_next_ns(s.venue) == INT64_MAX);
    script_close(&s);
}

static void ids_repeat_for_the_same_account(void **state)
{
    (void)state;
    char first[UUID_SIZE] = "";
    for (int i = 0; i < 2; i++) {
        struct script s;
        script_open(&s, MONDAY, rich);
        script_run(&s, "10:00 start A 10.00\n10:00 submit x buy 100 A market day");
        char id[UUID_SIZE];
        fill_id(s.account->fills[0], id);
        assert_true(uuid_is_valid(id));
        assert_ptr_equal(account_fill(s.account, id), s.account->fills[0]);
        if (i == 1)
            assert_string_equal(first, id);
        memcpy(first, id, UUID_SIZE);
        script_close(&s);
    }
}

/* Random orders in a random market: whatever happens, cash and positions follow from the fills, nothing stays
 * reserved for what is over, and equity changes by marked profit alone. */
static void books_add_up_over_random_orders(void **state)
{
    (void)state;
    uint64_t random = 20131007;
    for (int round = 0; round < 40; round++) {
        struct script s;
        script_open(&s, MONDAY, rich);
        int64_t price[2] = { 10 * USD, 50 * USD };
        int label = 0;
        for (int minute = 9 * 60; minute <= 16 * 60 + 5; minute += 1 + (int)(random_next(&random) % 7)) {
            char line[128];
            for (int k = 0; k < 2; k++) {
                price[k] += ((int64_t)(random_next(&random) % 21) - 10) * 10000;
                const char *symbol = k ? "B" : "A";
                double p = (double)price[k] / USD;
                if (random_next(&random) % 3 == 0)
                    snprintf(line, sizeof line, "%02d:%02d quote %s %.2f %.2f", minute / 60, minute % 60,
                             symbol, p, p + 0.02);
                else
                    snprintf(line, sizeof line, "%02d:%02d bar %s %.2f %.2f %.2f %.2f", minute / 60,
                             minute % 60, symbol, p, p + 0.05, p - 0.05, p);
                script_run(&s, line);
                snprintf(line, sizeof line, "%02d:%02d start %s %.2f", minute / 60, minute % 60, symbol, p);
                script_run(&s, line);
            }
            for (int n = (int)(random_next(&random) % 4); n > 0; n--) {
                static const char *const tifs[] = { "day", "day", "day", "opg", "cls" };
                uint64_t r = random_next(&random);
                int k = (int)(r % 2);
                snprintf(line, sizeof line, "%02d:%02d submit o%d %s %d %s limit %.2f %s", minute / 60,
                         minute % 60, label++, r & 4 ? "buy" : "sell",
                         1 + (int)(r >> 8) % 90 * (r & 8 ? 1 : 10), k ? "B" : "A",
                         (double)price[k] / USD + (double)((int)(r >> 20) % 21 - 10) / 100,
                         tifs[(r >> 32) % 5]);
                if (r & 16) {
                    char *limit = strstr(line, "limit");
                    snprintf(limit, sizeof line - (size_t)(limit - line), "market %s", tifs[(r >> 32) % 5]);
                }
                s.log[0] = '\0';
                script_run(&s, line);
                if (label && random_next(&random) % 5 == 0) {
                    snprintf(line, sizeof line, "%02d:%02d cancel o%d", minute / 60, minute % 60,
                             (int)(random_next(&random) % (uint64_t)label));
                    script_run(&s, line);
                }
            }
            s.log[0] = '\0';
            assert_true(venue_is_consistent(s.venue));
        }
        script_run(&s, "16:10 instant");
        for (const struct order *o = s.account->open_first; o; o = o->open_next)
            assert_int_equal(o->status, ORDER_ACCEPTED); /* all that is left waits for tomorrow */
        __int128 worth = s.account->cash_micros, gained = 0;
        for (int k = 0; k < 2; k++) {
            const struct position *p = &s.account->holdings[k].position;
            worth += p->cost_micros;
            gained += p->realized_micros;
        }
        assert_true(worth - gained == 100000 * USD);
        assert_true(s.account->fills_count > 10);
        script_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_trade_by_the_replay_rules),
        cmocka_unit_test(day_orders_keep_to_the_session),
        cmocka_unit_test(auctions_clear_at_one_price),
        cmocka_unit_test(refusals_leave_nothing_behind),
        cmocka_unit_test(a_poor_account_may_not_short),
        cmocka_unit_test(fees_and_slippage_are_booked),
        cmocka_unit_test(equity_is_struck_at_the_close),
        cmocka_unit_test(the_next_boundary_is_an_open_orders),
        cmocka_unit_test(ids_repeat_for_the_same_account),
        cmocka_unit_test(books_add_up_over_random_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
