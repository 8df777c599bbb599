/* instances_read: folders of files in, instances or all mistakes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/instance.h"
#include "tests/support/rows.h"

static char folder[64];

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_instance_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct complaints complaints;
static struct instance_list list;

static void read_all(void)
{
    memset(&complaints, 0, sizeof complaints);
    instances_read(folder, STRATEGIES, &list, &complaints);
}

static void says(const char *what)
{
    if (!strstr(complaints.text, what))
        fail_msg("\"%s\" is not among:\n%s", what, complaints.text);
}

#define COMMON "symbols: [SPY]\ncapital: 1000 USD\nquantity: 10\n"

static void a_folder_of_two(void **state)
{
    (void)state;
    write_file("night.yaml", "strategy: buy_close_sell_open\n" COMMON);
    write_file("cross-2.yaml", "strategy: ma_crossover\n" COMMON "days: 3\nparams:\n  fast: 5\nrisk:\n  max_order: 7\n");
    write_file("notes.txt", "not one of ours");
    read_all();
    assert_string_equal(complaints.text, "");
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "cross-2");
    assert_int_equal(list.items[0].days, 3);
    assert_int_equal(list.items[0].risk.max_order, 7);
    assert_int_equal(list.items[0].risk.orders_per_minute, 60);
    assert_string_equal(list.items[1].name, "night");
    assert_int_equal(list.items[1].capital, 1000 * USD);
    assert_int_equal(list.items[1].days, 5);
    assert_int_equal(strlen(list.items[1].hash), 64);
    instances_free(&list);
}

static void one_file_is_one_instance(void **state)
{
    (void)state;
    char path[256];
    write_file("night.yaml", "strategy: buy_close_sell_open\n" COMMON);
    write_file("other.yaml", "days: none");
    snprintf(path, sizeof path, "%s/night.yaml", folder);
    memset(&complaints, 0, sizeof complaints);
    instances_read(path, STRATEGIES, &list, &complaints);
    assert_string_equal(complaints.text, "");
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].name, "night");
    assert_false(list.items[0].has_days);
    instances_free(&list);
    snprintf(path, sizeof path, "%s/other.yaml", folder);
    instances_read(path, STRATEGIES, &list, &complaints);
    assert_int_equal(list.count, 0);
    says("other.yaml:1:");
}

static void all_mistakes_of_all_files_at_once(void **state)
{
    (void)state;
    write_file("a.yaml", "strategy: ma_crossover\n" COMMON "params:\n  fsat: 5\n  slow: 9999\n");
    write_file("b.yaml", "strategy: ma_crosover\nsymbols: [SPY, SPY]\ncapital: lots\nquantity: 0\n");
    write_file("Bad.yaml", "strategy: ma_crossover\n" COMMON);
    read_all();
    assert_int_equal(list.count, 0);
    says("a.yaml:6:");
    says("a.yaml:7:");
    says("did you mean fast");
    says("b.yaml:1:");
    says("did you mean ma_crossover");
    says("b.yaml:3:");
    says("b.yaml:4:");
    says("Bad.yaml");
    assert_true(complaints.count >= 6);
}

static void a_symbol_twice(void **state)
{
    (void)state;
    write_file("b.yaml", "strategy: ma_crossover\nsymbols: [SPY, SPY]\ncapital: 100 USD\nquantity: 1\n");
    read_all();
    assert_int_equal(list.count, 0);
    says("SPY");
    says("b.yaml:2:");
}

static void an_empty_folder(void **state)
{
    (void)state;
    read_all();
    says("no instance here");
}

static void a_folder_that_is_not_there(void **state)
{
    (void)state;
    memset(&complaints, 0, sizeof complaints);
    instances_read("/nonexistent/folder", STRATEGIES, &list, &complaints);
    says("/nonexistent/folder: No such file");
}

static void two_files_for_one_instance(void **state)
{
    (void)state;
    write_file("a.yaml", "strategy: ma_crossover\n" COMMON);
    write_file("a.yml", "strategy: ma_crossover\n" COMMON);
    read_all();
    says("second file for the instance a");
}

static void the_shipped_configuration_is_right(void **state)
{
    (void)state;
    memset(&complaints, 0, sizeof complaints);
    instances_read("config/strategies", STRATEGIES, &list, &complaints);
    assert_string_equal(complaints.text, "");
    assert_true(list.count >= 4);
    instances_free(&list);
}

/* ---- what differs, and what the environment says */

#define CROSS "strategy: ma_crossover\n" COMMON
static const struct edit_row {
    const char *name, *was, *is, *cold, *hot;
} edit_rows[] = {
    { "a comment", CROSS, "# mine\n" CROSS, "", "" },
    { "a default written out", CROSS, CROSS "days: 5\nparams:\n  fast: 10\n", "", "" },
    { "a hot parameter", CROSS, CROSS "params:\n  fast: 7\n", "", "params: fast 10 -> 7" },
    { "the quantity", CROSS, "strategy: ma_crossover\nsymbols: [SPY]\ncapital: 1000 USD\nquantity: 11\n", "", "quantity 10 -> 11" },
    { "a risk limit", CROSS, CROSS "risk:\n  max_loss: 20 USD\n", "", "risk: max_loss 0 USD -> 20 USD" },
    { "a cold parameter", CROSS, CROSS "params:\n  slow: 40\n  exit: close-9m\n", "params: slow 30 -> 40",
      "params: exit close-5m -> close-9m" },
    { "symbols and capital", CROSS, "strategy: ma_crossover\nsymbols: [SPY, IBM]\ncapital: 2000 USD\nquantity: 10\n",
      "symbols [SPY] -> [SPY, IBM], capital 1000 USD -> 2000 USD", "" },
    { "another strategy", CROSS, "strategy: moody_trader\n" COMMON, "strategy ma_crossover -> moody_trader", "" },
};

static void tells_what_differs(void **state)
{
    const struct edit_row *row = *state;
    struct instance_config was, is;
    char cold[300], hot[300];
    memset(&complaints, 0, sizeof complaints);
    instance_read_record(row->was, "was.yaml", "one", STRATEGIES, &was, &complaints);
    instance_read_record(row->is, "is.yaml", "one", STRATEGIES, &is, &complaints);
    assert_string_equal(complaints.text, "");
    instance_difference(&was, &is, cold, hot, sizeof cold);
    assert_string_equal(cold, row->cold);
    assert_string_equal(hot, row->hot);
    instance_clear(&was);
    instance_clear(&is);
}

static void the_environment_goes_before_the_file_and_is_on_record(void **state)
{
    (void)state;
    struct instance_config again;
    setenv("BELL_INSTANCE_CROSS_2_QUANTITY", "3", 1);
    setenv("BELL_INSTANCE_CROSS_2_PARAMS_FAST", "4", 1);
    setenv("BELL_INSTANCE_CROSS_2_RISK_MAX_LOSS", "9 USD", 1);
    setenv("BELL_INSTANCE_CROSS_2_SYMBOLS", "[IBM]", 1);
    setenv("BELL_INSTANCE_CROSS_2_CAPITAL", "", 1); /* set to nothing: not set */
    write_file("cross-2.yaml", CROSS "days: 3");
    read_all();
    unsetenv("BELL_INSTANCE_CROSS_2_PARAMS_FAST");
    assert_string_equal(complaints.text, "");
    const struct instance_config *c = &list.items[0];
    instance_read_record(c->text, "again.yaml", "cross-2", STRATEGIES, &again, &complaints);
    for (int i = 0; i < 2; i++, c = &again) {
        assert_int_equal(c->quantity, 3);
        assert_int_equal(c->risk.max_loss, 9 * USD);
        assert_int_equal(c->capital, 1000 * USD);
        assert_string_equal(c->symbols.names[0], "IBM");
        assert_int_equal(*(const int64_t *)c->params, 4); /* fast is its first member */
        assert_string_equal(c->text, CROSS "days: 3\n# environment: BELL_INSTANCE_CROSS_2_SYMBOLS=[IBM]\n"
                                     "# environment: BELL_INSTANCE_CROSS_2_QUANTITY=3\n"
                                     "# environment: BELL_INSTANCE_CROSS_2_RISK_MAX_LOSS=9 USD\n"
                                     "# environment: BELL_INSTANCE_CROSS_2_PARAMS_FAST=4\n");
        assert_string_equal(c->hash, list.items[0].hash);
    }
    instance_clear(&again);
    instances_free(&list);
    setenv("BELL_INSTANCE_CROSS_2_QUANTITY", "many", 1);
    read_all();
    says("environment BELL_INSTANCE_CROSS_2_QUANTITY: \"many\" is not a whole number");
    unsetenv("BELL_INSTANCE_CROSS_2_QUANTITY");
    unsetenv("BELL_INSTANCE_CROSS_2_RISK_MAX_LOSS");
    unsetenv("BELL_INSTANCE_CROSS_2_SYMBOLS");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        CASE(a_folder_of_two),          CASE(all_mistakes_of_all_files_at_once), CASE(a_symbol_twice),
        CASE(an_empty_folder),          CASE(a_folder_that_is_not_there),        CASE(two_files_for_one_instance),
        CASE(the_shipped_configuration_is_right), CASE(one_file_is_one_instance),
        CASE(the_environment_goes_before_the_file_and_is_on_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) + RUN_ROWS("a difference", tells_what_differs, edit_rows);
}
