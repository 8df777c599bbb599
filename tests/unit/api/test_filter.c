/* filter: query parameters to a filter, and cursors that fit only the list they were made for. */
#include <stdio.h>
#include <string.h>

#include "api/filter.h"
#include "core/base.h"
#include "tests/support/rows.h"

struct query {
    const char *names[8], *values[8];
};

static const char *lookup(void *ctx, const char *name)
{
    const struct query *q = ctx;
    for (size_t i = 0; i < COUNT_OF(q->names) && q->names[i]; i++)
        if (strcmp(q->names[i], name) == 0)
            return q->values[i];
    return NULL;
}

enum { ALL = FILTER_LIST | FILTER_RANGE | FILTER_ACCOUNT | FILTER_SYMBOL | FILTER_FLAT | FILTER_GROUP_BY };

static bool parse(const struct query *q, unsigned allowed, const char *route, struct filter *f, const char **parameter,
                  struct err *err)
{
    return filter_parse(allowed, route, q->names, lookup, (void *)(uintptr_t)q, f, parameter, err);
}

static const struct parse_case {
    const char *label, *name, *value, *wanted; /* wanted: in the error; NULL: taken */
} cases[] = {
    { "a_limit", "limit", "1000", NULL },
    { "limit_zero", "limit", "0", "from 1 to 1000" },
    { "limit_over", "limit", "1001", "from 1 to 1000" },
    { "limit_with_sign", "limit", "+5", "from 1 to 1000" },
    { "limit_huge", "limit", "99999999999999999999", "from 1 to 1000" },
    { "limit_empty", "limit", "", "from 1 to 1000" },
    { "a_time", "start", "2013-10-07T09:30:00-04:00", NULL },
    { "a_date_for_a_time", "end", "2013-10-07", NULL },
    { "no_time", "start", "now", "no time" },
    { "a_list", "symbol", "SPY,IBM,", NULL },
    { "an_empty_list_is_one_empty_text", "symbol", "", NULL },
    { "csv", "format", "csv", NULL },
    { "no_format", "format", "xml", "neither json nor csv" },
    { "empty_format", "format", "", "neither json nor csv" },
    { "flat", "flat", "true", NULL },
    { "flat_is_true_or_false", "flat", "1", "neither true nor false" },
    { "groups", "group_by", "day,strategy", NULL },
    { "no_group", "group_by", "day,moon", "\"moon\" is none of" },
    { "unknown_with_a_likely_name", "acount", "x", "did you mean account?" },
    { "unknown_without", "zzz", "x", "there is no such parameter" },
    { "not_allowed_here", "strategy", "x", "there is no such parameter" },
    { "no_cursor", "cursor", "AAAA", "not one of this list" },
    { "cursor_with_foreign_characters", "cursor", "a b", "not one of this list" },
};

static void reads(void **state)
{
    const struct parse_case *c = *state;
    struct query q = { { c->name }, { c->value } };
    struct filter f;
    struct err err = { 0 };
    const char *parameter = NULL;
    bool ok = parse(&q, ALL, "/list", &f, &parameter, &err);
    if (!c->wanted) {
        assert_true(ok);
        return;
    }
    assert_false(ok);
    assert_string_equal(parameter, c->name);
    assert_non_null(strstr(err.text, c->wanted));
}

static void too_many_words_are_refused(void **state)
{
    char text[256] = "";
    (void)state;
    for (int i = 0; i < 70; i++)
        strcat(text, "a,");
    struct query q = { { "symbol" }, { text } };
    struct filter f;
    struct err err;
    const char *parameter;
    assert_false(parse(&q, ALL, "/list", &f, &parameter, &err));
}

static void words_match_whole_texts(void **state)
{
    struct query q = { { "symbol" }, { "SPY,IBM" } };
    struct filter f;
    struct err err;
    const char *parameter;
    (void)state;
    assert_true(parse(&q, ALL, "/list", &f, &parameter, &err));
    assert_true(words_match(&f.symbol, "SPY"));
    assert_true(words_match(&f.symbol, "IBM"));
    assert_false(words_match(&f.symbol, "SP"));
    assert_false(words_match(&f.symbol, ""));
    assert_true(words_match(&f.account, "anything")); /* not asked for */
}

static void a_cursor_fits_its_list_only(void **state)
{
    static const char key[] = "01381152600000000000\nA\n\xc3\xa9";
    struct query mine = { { "symbol", "limit" }, { "SPY", "3" } }, other_page = { { "symbol", "limit" }, { "SPY", "7" } },
                 other_filter = { { "symbol" }, { "IBM" } };
    struct filter f, g;
    struct err err;
    const char *parameter;
    char cursor[CURSOR_SIZE], back[CURSOR_KEY_SIZE];
    (void)state;
    assert_true(parse(&mine, ALL, "/list", &f, &parameter, &err));
    cursor_encode(&f, key, cursor);
    assert_true(cursor_decode(&f, cursor, back));
    assert_string_equal(back, key);
    assert_true(parse(&other_page, ALL, "/list", &g, &parameter, &err));
    assert_true(cursor_decode(&g, cursor, back)); /* pages may change their size */
    assert_true(parse(&other_filter, ALL, "/list", &g, &parameter, &err));
    assert_false(cursor_decode(&g, cursor, back));
    assert_true(parse(&mine, ALL, "/other", &g, &parameter, &err));
    assert_false(cursor_decode(&g, cursor, back));
    for (size_t i = 0; cursor[i]; i++) { /* any change is seen */
        char kept = cursor[i];
        cursor[i] = kept == 'A' ? 'B' : 'A';
        assert_false(cursor_decode(&f, cursor, back));
        cursor[i] = '\0';
        assert_false(cursor_decode(&f, cursor, back));
        cursor[i] = kept;
    }
}

static void the_longest_key_fits(void **state)
{
    char key[CURSOR_KEY_SIZE], cursor[CURSOR_SIZE], back[CURSOR_KEY_SIZE];
    struct filter f;
    (void)state;
    filter_init(&f);
    for (size_t size = 1; size < sizeof key; size += size < 20 ? 1 : 37) {
        memset(key, 'k', size);
        key[size] = '\0';
        cursor_encode(&f, key, cursor);
        assert_true(cursor_decode(&f, cursor, back));
        assert_string_equal(back, key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(words_match_whole_texts),
        cmocka_unit_test(a_cursor_fits_its_list_only),
        cmocka_unit_test(the_longest_key_fits),
    };
    return RUN_ROWS("filter", reads, cases) + cmocka_run_group_tests(tests, NULL, NULL);
}
