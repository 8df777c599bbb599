/* csv: rows come out the same however the bytes came in; what is none is told. */
#include "tests/support/rows.h"

#include <stdbool.h>
#include <string.h>

#include "api/csv.h"
#include "core/base.h"

static const struct csv_case {
    const char *label, *text, *rows; /* rows: cells between |, rows between / */
} cases[] = {
    { "two rows", "a,b\r\n1,2\r\n", "a|b/1|2/" },
    { "line feeds alone", "a,b\n1,2\n", "a|b/1|2/" },
    { "empty cells", ",\n\"\",\n", "|/|/" },
    { "an empty line is one empty cell", "\r\n", "/" },
    { "quotes", "\"a,b\",\"c\"\"d\",\"\"\"\"\r\n", "a,b|c\"d|\"/" },
    { "lines in a cell", "\"a\r\nb\",\"\r\"\n", "a\r\nb|\r/" },
    { "nothing", "", "" },
    { "a row without end", "a,b", NULL },
    { "a quote without end", "\"a,b\r\n", NULL },
    { "a quote in a cell", "a\"b\n", NULL },
    { "more after a quote", "\"a\"b\n", NULL },
    { "a carriage return alone", "a\rb\n", NULL },
    { "a carriage return at the end", "a\r", NULL },
};

static bool put(void *ctx, char **cells, size_t count, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++) {
        buffer_text(ctx, i ? "|" : "");
        buffer_text(ctx, cells[i]);
    }
    buffer_text(ctx, "/");
    return true;
}

static void reads(void **state)
{
    const struct csv_case *c = *state;
    size_t size = strlen(c->text);
    for (size_t piece = 1; piece <= size + 1; piece++) {
        struct csv csv = { 0 };
        struct buffer out = { 0 };
        struct err err;
        bool ok = true;
        buffer_text(&out, "");
        for (size_t at = 0; ok && at < size; at += piece)
            ok = csv_read(&csv, c->text + at, size - at < piece ? size - at : piece, put, &out, &err);
        ok = ok && csv_end(&csv, &err);
        assert_int_equal(ok, c->rows != NULL);
        if (ok)
            assert_string_equal(out.data, c->rows);
        else
            assert_int_equal(err.code, ERR_INPUT);
        csv_free(&csv);
        buffer_free(&out);
    }
}

static void limits_hold(void **state)
{
    struct err err;
    char many[CSV_CELLS_MAX * 2];
    (void)state;
    memset(many, ',', sizeof many);
    struct csv csv = { 0 };
    assert_false(csv_read(&csv, many, sizeof many, put, NULL, &err));
    csv_free(&csv);
    csv = (struct csv){ 0 };
    bool ok = true;
    for (size_t i = 0; ok && i < CSV_ROW_MAX / 16 + 2; i++)
        ok = csv_read(&csv, "0123456789abcdef", 16, put, NULL, &err);
    assert_false(ok);
    csv_free(&csv);
    csv = (struct csv){ 0 };
    assert_false(csv_read(&csv, "a\0b", 3, put, NULL, &err));
    csv_free(&csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(limits_hold) };
    return RUN_ROWS("csv", reads, cases) + cmocka_run_group_tests_name("csv limits", tests, NULL, NULL);
}
