#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "streamer/relay_state.h"

/* A dialogue: each step does one thing and says what acknowledgement follows. Clients are a, b, c. */
struct step {
    const char *does; /* "join a", "ticks a", "tick 5", "ack a 5 w60", "leave a", "vanish a", "lost", "forget" */
    const char *due;  /* "" none, "5", "5 w60" */
};

static const struct dialogue {
    const char *name;
    struct step steps[16];
} dialogues[] = {
    { "nobody is there, nothing is acknowledged", { { "tick 1", "" }, { "tick 2", "" } } },
    { "a client that takes no ticks does not count", { { "join a", "" }, { "tick 1", "" }, { "ack a 1", "" } } },
    { "one engine", { { "join a", "" }, { "ticks a", "" }, { "tick 1", "" }, { "ack a 1 w60", "1 w60" },
                      { "tick 2", "" }, { "ack a 2", "2" } } },
    { "the earliest wake of two", { { "join a", "" }, { "ticks a", "" }, { "join b", "" }, { "ticks b", "" },
                                    { "tick 7", "" }, { "ack a 7 w90", "" }, { "ack b 7 w60", "7 w60" } } },
    { "no wake is later than any", { { "join a", "" }, { "ticks a", "" }, { "join b", "" }, { "ticks b", "" },
                                     { "tick 7", "" }, { "ack a 7", "" }, { "ack b 7 w60", "7 w60" } } },
    { "an old acknowledgement is nothing", { { "join a", "" }, { "ticks a", "" }, { "tick 1", "" }, { "tick 2", "" },
                                             { "ack a 1 w60", "" }, { "ack a 2", "2" } } },
    { "a repeated one is passed on for its wake", { { "join a", "" }, { "ticks a", "" }, { "tick 1", "" },
                                                    { "ack a 1", "1" }, { "ack a 1 w60", "1 w60" } } },
    { "it left orderly: the rest is enough", { { "join a", "" }, { "ticks a", "" }, { "join b", "" },
                                               { "ticks b", "" }, { "tick 3", "" }, { "ack a 3 w60", "" },
                                               { "leave b", "3 w60" } } },
    { "the last one left: nothing", { { "join a", "" }, { "ticks a", "" }, { "tick 3", "" }, { "leave a", "" } } },
    { "it vanished: waited for until another is in its place",
      { { "join a", "" }, { "ticks a", "" }, { "join b", "" }, { "ticks b", "" }, { "tick 3", "" },
        { "ack a 3", "" }, { "vanish b", "" }, { "join c", "" }, { "ticks c", "" }, { "ack c 3 w60", "3 w60" } } },
    { "two vanished, one back is not enough",
      { { "join a", "" }, { "ticks a", "" }, { "join b", "" }, { "ticks b", "" }, { "tick 3", "" },
        { "vanish a", "" }, { "vanish b", "" }, { "join c", "" }, { "ticks c", "" }, { "ack c 3", "" },
        { "forget", "3" } } },
    { "a spectator may vanish", { { "join a", "" }, { "ticks a", "" }, { "join b", "" }, { "tick 3", "" },
                                  { "vanish b", "" }, { "ack a 3", "3" } } },
    { "after the broker was lost, all must be back",
      { { "join a", "" }, { "ticks a", "" }, { "join b", "" }, { "ticks b", "" }, { "tick 3", "" }, { "lost", "" },
        { "tick 1", "" }, { "join a", "" }, { "ticks a", "" }, { "ack a 1", "" }, { "join b", "" },
        { "ticks b", "" }, { "ack b 1", "1" } } },
    { "one that joins late holds the newest tick", { { "join a", "" }, { "ticks a", "" }, { "tick 3", "" },
                                                     { "join b", "" }, { "ticks b", "" }, { "ack a 3", "" },
                                                     { "ack b 3", "3" } } },
};

static void apply(struct relay_state *s, struct relay_client *clients[3], const char *does)
{
    char verb[16] = "", who = 'a';
    long long n = 0, wake = 0;
    struct relay_client **c;

    if (sscanf(does, "tick %lld", &n) == 1) {
        struct alpaca_tick tick = { .n = n, .time_ns = n };
        relay_state_tick(s, &tick);
        return;
    }
    sscanf(does, "%15s %c %lld w%lld", verb, &who, &n, &wake);
    c = &clients[who - 'a'];
    if (!strcmp(verb, "join"))
        *c = relay_client_new(s);
    else if (!strcmp(verb, "ticks"))
        relay_client_take_ticks(*c);
    else if (!strcmp(verb, "ack"))
        relay_client_ack(*c, n, wake);
    else if (!strcmp(verb, "leave") || !strcmp(verb, "vanish"))
        relay_client_leave(*c, verb[0] == 'l');
    else if (!strcmp(verb, "lost"))
        relay_state_lost(s, true);
    else if (!strcmp(verb, "forget"))
        relay_state_forget_missing(s);
    else
        fail_msg("what is \"%s\"", does);
}

static void acknowledgements_are_merged(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT_OF(dialogues); d++) {
        struct relay_state *s = relay_state_new(NULL, 0);
        struct relay_client *clients[3] = { NULL };
        for (const struct step *step = dialogues[d].steps; step->does; step++) {
            char due[48] = "";
            int64_t n, wake;
            apply(s, clients, step->does);
            if (relay_state_due(s, &n, &wake)) {
                snprintf(due, sizeof due, wake ? "%lld w%lld" : "%lld", (long long)n, (long long)wake);
                if (relay_state_due(s, &n, &wake))
                    fail_msg("%s: %s: due twice", dialogues[d].name, step->does);
            }
            if (strcmp(due, step->due) != 0)
                fail_msg("%s: after \"%s\" due \"%s\", expected \"%s\"", dialogues[d].name, step->does, due, step->due);
        }
        relay_state_free(s);
    }
}

static void change(struct relay_client *c, enum relay_channel channel, bool add, const char *a, const char *b)
{
    char names[2][SYMBOL_SIZE];
    struct symbol_set set = { names, b ? 2 : 1 };

    text_copy(names[0], SYMBOL_SIZE, a);
    text_copy(names[1], SYMBOL_SIZE, b ? b : "");
    relay_client_change(c, channel, &set, add);
}

static void assert_union(const struct relay_state *s, enum relay_channel channel, struct symbol_set *set, bool changed,
                         const char *expected)
{
    char text[200] = "";

    assert_int_equal(relay_state_union(s, channel, set), changed);
    for (size_t i = 0; i < set->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", set->names[i]);
    assert_string_equal(text, expected);
}

static void the_subscription_upstream_is_the_union(void **state)
{
    static const char always[][SYMBOL_SIZE] = { "DIA" };
    struct relay_state *s = relay_state_new(always, 1);
    struct relay_client *a = relay_client_new(s), *b = relay_client_new(s);
    struct symbol_set bars = { .count = 0 }, quotes = { .count = 0 };

    (void)state;
    assert_union(s, RELAY_BARS, &bars, true, "DIA");
    assert_union(s, RELAY_BARS, &bars, false, "DIA");
    change(a, RELAY_BARS, true, "SPY", "IBM");
    change(b, RELAY_BARS, true, "SPY", NULL);
    change(b, RELAY_QUOTES, true, "SPY", NULL);
    assert_true(relay_state_union(s, RELAY_BARS, &bars));
    assert_int_equal(bars.count, 3);
    assert_union(s, RELAY_QUOTES, &quotes, true, "SPY");
    assert_true(relay_client_wants(a, RELAY_BARS, "IBM"));
    assert_false(relay_client_wants(b, RELAY_BARS, "IBM"));
    assert_false(relay_client_wants(a, RELAY_QUOTES, "SPY"));
    change(a, RELAY_BARS, true, "SPY", "SPY"); /* asked twice: the same */
    assert_false(relay_state_union(s, RELAY_BARS, &bars));
    change(b, RELAY_BARS, true, "*", NULL);
    assert_union(s, RELAY_BARS, &bars, true, "*");
    assert_true(relay_client_wants(b, RELAY_BARS, "ANY"));
    change(b, RELAY_BARS, false, "*", "SPY");
    assert_true(relay_state_union(s, RELAY_BARS, &bars));
    relay_client_leave(a, true);
    assert_union(s, RELAY_BARS, &bars, true, "DIA");
    relay_client_leave(b, false);
    assert_union(s, RELAY_QUOTES, &quotes, true, "");
    assert_int_equal(relay_state_missing(s), 0); /* it took no ticks */
    symbol_set_clear(&bars);
    symbol_set_clear(&quotes);
    relay_state_free(s);
}

static void one_that_joins_late_is_told_the_newest(void **state)
{
    struct relay_state *s = relay_state_new(NULL, 0);
    struct alpaca_tick tick = { .n = 9, .time_ns = 5 };

    (void)state;
    assert_null(relay_state_newest_tick(s));
    assert_int_equal(relay_state_newest_marker(s), 0);
    relay_state_tick(s, &tick);
    assert_int_equal(relay_state_newest_tick(s)->n, 9);
    assert_int_equal(relay_state_newest_marker(s), 0); /* updates of tick 9 may still come */
    relay_state_marker(s, 9);
    assert_int_equal(relay_state_newest_marker(s), 9);
    relay_state_lost(s, false); /* the other stream is still there and tells no tick twice */
    assert_int_equal(relay_state_newest_tick(s)->n, 9);
    assert_int_equal(relay_state_newest_marker(s), 0);
    relay_state_marker(s, 9);
    relay_state_lost(s, true); /* another exchange may count from 1 */
    assert_null(relay_state_newest_tick(s));
    assert_int_equal(relay_state_newest_marker(s), 9);
    relay_state_free(s);
}

/* One that ended while the broker was away could not say so: in the end it is not waited for, one that vanished is. */
static void only_who_was_hung_up_on_may_be_given_up(void **state)
{
    (void)state;
    struct relay_state *s = relay_state_new(NULL, 0);
    struct alpaca_tick tick = { .n = 1 };
    int64_t n, wake;
    struct relay_client *c[3];
    for (int i = 0; i < 3; i++)
        relay_client_take_ticks(c[i] = relay_client_new(s));
    relay_client_leave(c[0], false); /* vanished */
    relay_state_lost(s, true);
    assert_int_equal(relay_state_missing(s), 3);
    assert_int_equal(relay_state_hung_up(s), 2);
    relay_client_take_ticks(c[1] = relay_client_new(s)); /* one is back */
    relay_state_tick(s, &tick);
    relay_client_ack(c[1], 1, 0);
    relay_state_forget_hung_up(s);
    assert_int_equal(relay_state_missing(s), 1);
    assert_false(relay_state_due(s, &n, &wake));
    relay_client_take_ticks(c[0] = relay_client_new(s));
    relay_client_ack(c[0], 1, 0);
    assert_true(relay_state_due(s, &n, &wake));
    relay_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledgements_are_merged),
        cmocka_unit_test(the_subscription_upstream_is_the_union),
        cmocka_unit_test(one_that_joins_late_is_told_the_newest),
        cmocka_unit_test(only_who_was_hung_up_on_may_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
