/* plugin: each refusal of a descriptor, in the order the code checks; and the shipped plugins, really opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/base.h"
#include "engine/plugin.h"

struct state {
    int64_t n;
    struct session_time at;
    struct timetable table;
};
static const char *const names[] = { "a", "b", NULL };
static const struct setting good_params[] = {
    SETTING_INT64(struct state, n, SETTING_COUNT, .min = 1, .max = 9, .fallback = "5", .help = "x"),
    SETTING_OF_SESSION_TIME(struct state, at, .fallback = "open", .help = "x"),
    SETTING_OF_TIMETABLE(struct state, table, .names = names, .fallback = "{open: a}", .help = "x"),
};
static const struct strategy_duty good_duties[] = {
    { .name = "at", .at = offsetof(struct state, at) },
    { .name = "rows", .at = offsetof(struct state, table), .is_timetable = true },
};
static void on_bar(void *state, const struct strategy_host *host, int symbol, const struct bar *bar)
{
    (void)state;
    (void)host;
    (void)symbol;
    (void)bar;
}
static void on_duty(void *state, const struct strategy_host *host, int duty, int64_t late_ns)
{
    (void)state;
    (void)host;
    (void)duty;
    (void)late_ns;
}

static struct strategy_plugin good(void)
{
    return (struct strategy_plugin){
        .abi = STRATEGY_ABI, .size = sizeof(struct strategy_plugin), .name = "good", .summary = "x",
        .state_size = sizeof(struct state), .params = good_params, .params_count = COUNT_OF(good_params),
        .duties = good_duties, .duties_count = COUNT_OF(good_duties), .on_bar = on_bar, .on_duty = on_duty };
}

static struct setting bad_param;
static struct strategy_duty bad_duty;
static void param(struct strategy_plugin *p, struct setting row)
{
    bad_param = row;
    p->params = &bad_param;
    p->params_count = 1;
    p->duties_count = 0;
}

static void abi(struct strategy_plugin *p) { p->abi = 99; }
static void size(struct strategy_plugin *p) { p->size = 8; }
static void name(struct strategy_plugin *p) { p->name = "Good-1"; }
static void other_name(struct strategy_plugin *p) { p->name = "better"; }
static void summary(struct strategy_plugin *p) { p->summary = NULL; }
static void state_size(struct strategy_plugin *p) { p->state_size = 0; }
static void no_params(struct strategy_plugin *p) { p->params = NULL; }
static void no_on_duty(struct strategy_plugin *p) { p->on_duty = NULL; }
static void twice(struct strategy_plugin *p)
{
    static struct setting two[2];
    two[0] = two[1] = good_params[0];
    p->params = two;
    p->params_count = 2;
    p->duties_count = 0;
}
static void outside(struct strategy_plugin *p)
{
    struct setting row = good_params[0];
    row.offset = sizeof(struct state) - 4;
    param(p, row);
}
static void wrong_size(struct strategy_plugin *p)
{
    struct setting row = good_params[0];
    row.size = 4;
    param(p, row);
}
static void map_param(struct strategy_plugin *p)
{
    struct setting row = good_params[0];
    row.kind = SETTING_MAP;
    param(p, row);
}
static void no_help(struct strategy_plugin *p)
{
    struct setting row = good_params[0];
    row.help = "";
    param(p, row);
}
static void bad_default(struct strategy_plugin *p)
{
    struct setting row = good_params[0];
    row.fallback = "50";
    param(p, row);
}
static void no_names(struct strategy_plugin *p)
{
    struct setting row = good_params[2];
    row.names = NULL;
    param(p, row);
}
static void duty_nowhere(struct strategy_plugin *p)
{
    bad_duty = (struct strategy_duty){ .name = "lost", .at = offsetof(struct state, n) };
    p->duties = &bad_duty;
    p->duties_count = 1;
}
static void never_acts(struct strategy_plugin *p)
{
    p->duties_count = 0;
    p->on_bar = NULL;
    p->on_duty = NULL;
}

static const struct row {
    const char *label;
    void (*spoil)(struct strategy_plugin *);
    const char *says;
} rows[] = {
    { "abi", abi, "ABI 99" },
    { "size", size, "8 bytes" },
    { "name not valid", name, "its name must be" },
    { "name is not the file's", other_name, "calls itself better, but its file is good.so" },
    { "no summary", summary, "no summary" },
    { "no state", state_size, "its state of 0 bytes" },
    { "no table of parameters", no_params, "table of parameters is missing" },
    { "duties without on_duty", no_on_duty, "no on_duty" },
    { "a parameter twice", twice, "n is there twice" },
    { "a parameter outside the state", outside, "n lies outside the state" },
    { "a parameter of the wrong size", wrong_size, "n takes 4 bytes, its kind needs 8" },
    { "a map as a parameter", map_param, "kind a strategy cannot take" },
    { "a parameter without help", no_help, "n has no help" },
    { "a default outside its limits", bad_default, "the default of parameter n does not fit" },
    { "a timetable without names", no_names, "table has no list of names" },
    { "a duty that points at no session time", duty_nowhere, "lost points at no parameter" },
    { "nothing to act on", never_acts, "it could never act" },
};

static void is_refused(void **state)
{
    const struct row *row = *state;
    struct strategy_plugin p = good();
    struct err err = { 0 };
    row->spoil(&p);
    assert_false(plugin_check(&p, "good", &err));
    if (!strstr(err.text, row->says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
}

static void a_good_one_passes(void **state)
{
    (void)state;
    struct strategy_plugin p = good();
    struct err err = { 0 };
    if (!plugin_check(&p, "good", &err))
        fail_msg("%s", err.text);
}

static void the_shipped_plugins_open(void **state)
{
    (void)state;
    static const char *const shipped[] = { "buy_close_sell_open", "ma_crossover", "momentum_30min", "moody_trader" };
    for (size_t i = 0; i < COUNT_OF(shipped); i++) {
        char path[512];
        struct err err = { 0 };
        snprintf(path, sizeof path, "%s/%s.so", STRATEGIES, shipped[i]);
        const struct plugin *p = plugin_open(path, &err);
        if (!p)
            fail_msg("%s", err.text);
        assert_string_equal(p->descriptor->name, shipped[i]);
        assert_int_equal(strlen(p->hash), 64);
        assert_ptr_equal(plugin_open(path, &err), p);
    }
    const char **found = plugin_names(STRATEGIES);
    assert_string_equal(found[0], "buy_close_sell_open");
    free(found);
}

static void files_that_are_no_plugins_are_refused(void **state)
{
    (void)state;
    struct err err = { 0 };
    char path[] = "/tmp/test_plugin_XXXXXX.so";
    int fd = mkstemps(path, 3);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "no ELF", 6), 6);
    close(fd);
    assert_null(plugin_open(path, &err));
    assert_non_null(strstr(err.text, "cannot be loaded"));
    unlink(path);
    assert_null(plugin_open(path, &err));
    assert_null(plugin_open("/tmp", &err));
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS + 3];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].label, .test_func = is_refused, .initial_state = (void *)(uintptr_t)&rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(a_good_one_passes);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(the_shipped_plugins_open);
    tests[ROWS + 2] = (struct CMUnitTest)cmocka_unit_test(files_that_are_no_plugins_are_refused);
    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
