/* buffer and column: how a value looks in JSON, in CSV and in the database. */
#include <string.h>

#include "api/records.h"
#include "tests/support/rows.h"

static const struct text_case {
    const char *label, *text, *json, *csv;
} texts[] = {
    { "plain_stays_plain", "SPY", "\"SPY\"", "SPY" },
    { "empty_is_empty", "", "\"\"", "" },
    { "quotes_are_escaped_and_doubled", "a\"b", "\"a\\\"b\"", "\"a\"\"b\"" },
    { "backslash_only_in_json", "a\\b", "\"a\\\\b\"", "a\\b" },
    { "newline_is_quoted", "a\nb", "\"a\\u000ab\"", "\"a\nb\"" },
    { "comma_is_quoted_in_csv", "a,b", "\"a,b\"", "\"a,b\"" },
    { "controls_are_escaped", "\x01\x1f", "\"\\u0001\\u001f\"", "\x01\x1f" },
    { "utf8_passes", "\xf0\x9f\x92\xa9", "\"\xf0\x9f\x92\xa9\"", "\xf0\x9f\x92\xa9" },
    { "a_formula_is_not_touched", "=1+1", "\"=1+1\"", "=1+1" },
};

static void writes_text(void **state)
{
    const struct text_case *c = *state;
    struct buffer json = { 0 }, csv = { 0 };
    buffer_json(&json, c->text);
    buffer_csv(&csv, c->text);
    buffer_text(&json, "");
    buffer_text(&csv, "");
    assert_string_equal(json.data, c->json);
    assert_string_equal(csv.data, c->csv);
    buffer_free(&json);
    buffer_free(&csv);
}

/* One record with every kind of value, and one with nothing. */
static void full_run(struct run *r)
{
    table_init(&run_table, r);
    r->started_at = INT64_C(1381152600123456000);
    strcpy(r->run_id, "019a2b3c-0000-7000-8000-000000000001");
    r->version = 3;
    strcpy(r->account, "A");
    r->symbols.count = 2;
    strcpy(r->symbols.names[0], "SPY");
    strcpy(r->symbols.names[1], "BRK.B");
    r->capital = INT64_C(-100000250001);
    r->quantity = 100;
    r->mode = 1;
    strcpy(r->reason, "it's \"so\"");
    r->config_text = "a: b\n";
}

static const struct value_case {
    const char *label, *column;
    bool full;
    const char *json, *csv, *db;
} values[] = {
    { "time_with_microseconds", "started_at", true, "\"2013-10-07T13:30:00.123456Z\"", "2013-10-07T13:30:00.123456Z",
      "2013-10-07T13:30:00.123456Z" },
    { "no_time_is_null", "ended_at", true, "null", "", NULL },
    { "count_is_a_number", "version", true, "3", "3", "3" },
    { "money_is_a_decimal_and_millionths", "capital", true, "\"-100000.250001\"", "-100000.250001", "-100000250001" },
    { "no_money_is_null", "capital", false, "null", "", NULL },
    { "quantity_is_text", "quantity", true, "\"100\"", "100", "100" },
    { "symbols_are_a_list", "symbols", true, "[\"SPY\",\"BRK.B\"]", "SPY BRK.B", "SPY BRK.B" },
    { "no_symbols", "symbols", false, "[]", "", "" },
    { "a_name_of_a_set", "mode", true, "\"paper\"", "paper", "paper" },
    { "text_as_it_is", "reason", true, "\"it's \\\"so\\\"\"", "\"it's \"\"so\"\"\"", "it's \"so\"" },
    { "empty_text_may_be_null", "reason", false, "null", "", NULL },
    { "empty_text_may_be_empty", "account", false, "\"\"", "", "" },
    { "long_text", "config_text", true, "\"a: b\\u000a\"", "\"a: b\n\"", "a: b\n" },
    { "no_long_text", "config_text", false, "null", "", NULL },
};

static void writes_value(void **state)
{
    const struct value_case *c = *state;
    const struct column *column = table_column(&run_table, c->column);
    struct buffer json = { 0 }, csv = { 0 };
    char scratch[COLUMN_SCRATCH], spaced[COLUMN_SCRATCH];
    struct run run, back;
    table_init(&run_table, &run);
    table_init(&run_table, &back);
    if (c->full)
        full_run(&run);
    column_json(column, &run, &json);
    column_csv(column, &run, &csv);
    buffer_text(&json, "");
    buffer_text(&csv, "");
    assert_string_equal(json.data, c->json);
    assert_string_equal(csv.data, c->csv);
    const char *db = column_to_db(column, &run, scratch);
    assert_true((db == NULL) == (c->db == NULL));
    if (db)
        assert_string_equal(db, c->db);
    /* And back; the database writes a time with a space and without a zone. */
    if (db && column->kind == COLUMN_TIME) {
        strcpy(spaced, db);
        spaced[10] = ' ';
        spaced[strlen(spaced) - 1] = '\0';
        db = spaced;
    }
    assert_true(column_from_db(column, db, &back));
    assert_memory_equal((char *)&back + column->offset, (char *)&run + column->offset, column->size);
    buffer_free(&json);
    buffer_free(&csv);
}

static const struct bad_case {
    const char *label, *column, *text;
} bads[] = {
    { "no_number", "version", "x" },
    { "a_number_too_long", "capital", "9223372036854775808" },
    { "an_unknown_name", "mode", "dream" },
    { "no_name", "mode", NULL },
    { "no_time", "started_at", "yesterday" },
    { "a_text_too_long", "run_id", "0123456789012345678901234567890123456789" },
    { "a_symbol_too_long", "symbols", "SPY ABCDEFGHIJKLMNOP" },
};

static void refuses_what_was_never_written(void **state)
{
    const struct bad_case *c = *state;
    struct run run;
    assert_false(column_from_db(table_column(&run_table, c->column), c->text, &run));
}

int main(void)
{
    return RUN_ROWS("text", writes_text, texts) + RUN_ROWS("value", writes_value, values) +
           RUN_ROWS("bad", refuses_what_was_never_written, bads);
}
