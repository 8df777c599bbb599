/* base, err and log: small things everybody leans on. */
#include "tests/support/rows.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base.h"
#include "core/err.h"
#include "core/log.h"

static const struct uuid_case {
    const char *label, *text;
    bool ok;
} uuid_cases[] = {
    { "canonical", "904837e3-3b76-47ec-b432-046db621571b", true },
    { "nil", "00000000-0000-0000-0000-000000000000", true },
    { "capitals", "904837E3-3B76-47EC-B432-046DB621571B", false },
    { "short", "904837e3-3b76-47ec-b432-046db621571", false },
    { "long", "904837e3-3b76-47ec-b432-046db621571bb", false },
    { "braces", "{904837e3-3b76-47ec-b432-046db621571}", false },
    { "dash in the wrong place", "904837e33-b76-47ec-b432-046db621571b", false },
    { "empty", "", false },
};

static void knows_uuids(void **state)
{
    const struct uuid_case *c = *state;
    assert_int_equal(uuid_is_valid(c->text), c->ok);
}

static void uuids_are_valid_and_carry_version_and_variant(void **state)
{
    (void)state;
    char id[37], other[37];
    uuid_v4(id);
    uuid_v4(other);
    assert_true(uuid_is_valid(id));
    assert_int_equal(id[14], '4');
    assert_non_null(strchr("89ab", id[19]));
    assert_string_not_equal(id, other);
    uuid_from_bits(0, 0, id);
    assert_string_equal(id, "00000000-0000-4000-8000-000000000000");
    uuid_from_bits(UINT64_MAX, UINT64_MAX, id);
    assert_string_equal(id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

static void v7_uuids_sort_by_time(void **state)
{
    (void)state;
    char before[37], after[37];
    uuid_v7(INT64_C(1381152600000) * 1000000, before);
    uuid_v7(INT64_C(1381152600001) * 1000000, after);
    assert_true(uuid_is_valid(before));
    assert_int_equal(before[14], '7');
    assert_true(strcmp(before, after) < 0);
    assert_int_equal(strtoull((char[]){ before[0], before[1], before[2], before[3], before[4], before[5], before[6], before[7],
                              before[9], before[10], before[11], before[12], 0 }, NULL, 16), INT64_C(1381152600000));
}

static void sha256_is_sha256(void **state)
{
    (void)state;
    char hex[65];
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void random_is_splitmix64(void **state)
{
    (void)state;
    uint64_t seed = 1234567; /* the reference implementation's first outputs */
    assert_true(random_next(&seed) == UINT64_C(6457827717110365317));
    assert_true(random_next(&seed) == UINT64_C(3203168211198807973));
    assert_true(random_next(&seed) == UINT64_C(9817491932198370423));
}

static void text_that_does_not_fit_is_not_cut(void **state)
{
    (void)state;
    char out[4] = "xxx";
    assert_true(text_copy(out, sizeof out, "abc"));
    assert_string_equal(out, "abc");
    assert_false(text_copy(out, sizeof out, "abcd"));
    assert_string_equal(out, "");
}

static void an_error_is_one_line_with_its_context_in_front(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_set(&err, ERR_INPUT, "price \"%s\" is bad", "1\n2"));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.text, "price \"1 2\" is bad");
    assert_false(err_prefix(&err, "row %d", 3));
    assert_string_equal(err.text, "row 3: price \"1 2\" is bad");
    assert_int_equal(err.code, ERR_INPUT);
    err_set(&err, ERR_IO, "again: %s", err.text); /* its own text as a value */
    assert_string_equal(err.text, "again: row 3: price \"1 2\" is bad");
    for (int i = 0; i < 100; i++)
        err_prefix(&err, "a long context");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

/* What the call writes to stderr. */
static size_t logged(char *out, size_t size, const char *value)
{
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    errno = 77;
    log_info("order_filled", KV_TEXT("symbol", value), KV_INT("qty", 40), KV_PRICE("price", ((struct price){ 187300000 })),
             KV_MONEY("cash", -500000), KV_TIME("at", 0), KV_PRICE("limit", PRICE_NONE));
    log_debug("never_seen");
    assert_int_equal(errno, 77);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t n = read(ends[0], out, size - 1);
    close(ends[0]);
    assert_true(n > 0);
    out[n] = '\0';
    return (size_t)n;
}

static const struct log_case {
    const char *label, *value, *written;
} log_cases[] = {
    { "a word stands as it is", "AAPL", "symbol=AAPL" },
    { "spaces are quoted", "two words", "symbol=\"two words\"" },
    { "quotes are escaped", "a\"b\\", "symbol=\"a\\\"b\\\\\"" },
    { "a newline cannot forge a line", "a\nts=1", "symbol=\"a\\nts=1\"" },
    { "control characters are written out", "a\x1b[2J", "symbol=\"a\\x1b[2J\"" },
    { "nothing is an empty text", "", "symbol=\"\"" },
    { "NULL is an empty text", NULL, "symbol=\"\"" },
    { "UTF-8 passes", "Z\xc3\xbcrich", "symbol=Z\xc3\xbcrich" },
};

static void logs_one_line(void **state)
{
    const struct log_case *c = *state;
    char line[8192], expected[256];
    size_t n = logged(line, sizeof line, c->value);
    snprintf(expected, sizeof expected, "Z level=info part=test event=order_filled %s qty=40 price=187.30 cash=-0.50 "
             "at=1970-01-01T00:00:00.000000Z limit=none\n", c->written);
    assert_int_equal(strncmp(line, "ts=20", 5), 0);
    assert_non_null(strstr(line, "Z level"));
    assert_string_equal(strstr(line, "Z level"), expected);
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void a_line_too_long_is_cut_and_says_so(void **state)
{
    (void)state;
    char line[8192], value[6000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    size_t n = logged(line, sizeof line, value);
    assert_true(n <= 4096);
    assert_string_equal(line + n - 10, " cut=true\n");
}

static const struct base64_case {
    const char *label, *text, *data; /* data NULL: none */
} base64_cases[] = {
    { "one byte", "YQ==", "a" },
    { "two bytes", "YWI=", "ab" },
    { "three bytes", "YWJj", "abc" },
    { "a key pair", "ZGVtbzpkZW1v", "demo:demo" },
    { "a foreign letter", "YW*j", NULL },
    { "cut off", "YWJ", NULL },
    { "a space", "YW Jj", NULL },
};

static void base64_goes_both_ways(void **state)
{
    const struct base64_case *c = *state;
    size_t size;
    char *data = base64_decode(c->text, &size);
    assert_int_equal(data != NULL, c->data != NULL);
    if (!data)
        return;
    assert_string_equal(data, c->data);
    assert_int_equal(size, strlen(c->data));
    char *text = base64_encode(data, size);
    assert_string_equal(text, c->text);
    free(text);
    free(data);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids_are_valid_and_carry_version_and_variant),
        cmocka_unit_test(v7_uuids_sort_by_time),
        cmocka_unit_test(sha256_is_sha256),
        cmocka_unit_test(random_is_splitmix64),
        cmocka_unit_test(text_that_does_not_fit_is_not_cut),
        cmocka_unit_test(an_error_is_one_line_with_its_context_in_front),
        cmocka_unit_test(a_line_too_long_is_cut_and_says_so),
    };
    log_start("test", LOG_LEVEL_INFO);
    return RUN_ROWS("uuid_is_valid", knows_uuids, uuid_cases) + RUN_ROWS("base64", base64_goes_both_ways, base64_cases) +
           RUN_ROWS("log_write", logs_one_line, log_cases) +
           cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
