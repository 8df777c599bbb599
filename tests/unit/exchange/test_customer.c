/* What the broker keeps of an account beside its trading: equity through time, requests, logins. */
#include "tests/support/rows.h"

#include "core/base.h"
#include "exchange/auth.h"
#include "exchange/customer.h"

static void a_curve_is_read_where_it_last_changed(void **state)
{
    (void)state;
    struct curve c = { 0 };
    static const struct curve_point given[] = { /* seconds, equity */
        { 30, 100 }, { 60, 100 }, { 120, 110 }, { 130, 90 }, { 140, 95 }, { 180, 95 }, { 240, 80 }, { 240, 85 },
    };
    static const struct curve_point asked[] = {
        { 0, 100 },  { 30, 100 },  { 119, 100 }, { 120, 110 }, { 139, 110 }, /* 130 was overtaken in its minute */
        { 140, 95 }, { 239, 95 }, { 240, 85 },  { 9999, 85 },
    };
    for (size_t i = 0; i < COUNT_OF(given); i++)
        curve_add(&c, given[i].time_ns * SECOND_NS, given[i].equity_micros);
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        if (curve_at(&c, asked[i].time_ns * SECOND_NS) != asked[i].equity_micros)
            fail_msg("at %lld: %lld", (long long)asked[i].time_ns, (long long)curve_at(&c, asked[i].time_ns * SECOND_NS));
    assert_int_equal(c.count, 4);
    free(c.points);
}

static void requests_are_counted_by_the_minute(void **state)
{
    (void)state;
    struct rate r = { 0 };
    static const struct { int64_t second, left; } rows[] = {
        { 600, 2 }, { 601, 1 }, { 659, 0 }, { 659, -1 }, { 660, 2 }, { 800, 2 }, { 801, 1 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(rate_take(&r, 3, rows[i].second * SECOND_NS), rows[i].left);
}

static const struct login_case {
    const char *label, *key, *secret, *authorization, *expect_key, *expect_secret; /* expect NULL: none */
} login_cases[] = {
    { "key headers", "k", "s", NULL, "k", "s" },
    { "key headers before others", "k", "s", "Bearer t", "k", "s" },
    { "a key alone", "k", NULL, "Bearer t", NULL, NULL },
    { "empty", "", "", NULL, NULL, NULL },
    { "nothing", NULL, NULL, NULL, NULL, NULL },
    { "a token as a pair", "oauth", "t", NULL, "t", "t" },
    { "bearer", NULL, NULL, "Bearer t", "t", "t" },
    { "bearer in any case, with blanks", NULL, NULL, "bEARER   t", "t", "t" },
    { "bearer of nothing", NULL, NULL, "Bearer ", NULL, NULL },
    { "basic", NULL, NULL, "Basic azpz", "k", "s" },
    { "basic with a colon in the secret", NULL, NULL, "Basic azpzOnM=", "k", "s:s" },
    { "basic without a colon", NULL, NULL, "Basic a3M=", NULL, NULL },
    { "basic with a NUL", NULL, NULL, "Basic azpzAHM=", NULL, NULL },
    { "basic that is none", NULL, NULL, "Basic *", NULL, NULL },
    { "another scheme", NULL, NULL, "Digest azpz", NULL, NULL },
    { "no scheme", NULL, NULL, "Bearert", NULL, NULL },
};

static void logins_are_read(void **state)
{
    const struct login_case *c = *state;
    struct credentials who;
    bool ok = credentials_of_headers(&who, c->key, c->secret, c->authorization);
    assert_int_equal(ok, c->expect_key != NULL);
    if (!ok)
        return;
    assert_string_equal(who.key, c->expect_key);
    assert_string_equal(who.secret, c->expect_secret);
}

static void a_key_too_long_is_none(void **state)
{
    (void)state;
    char text[KEY_SIZE + 1];
    struct credentials who;
    memset(text, 'k', sizeof text);
    text[KEY_SIZE] = '\0';
    assert_false(credentials_of_headers(&who, text, "s", NULL));
    assert_false(credentials_of_headers(&who, "k", text, NULL));
    text[KEY_SIZE - 1] = '\0';
    assert_true(credentials_of_headers(&who, text, text, NULL));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_curve_is_read_where_it_last_changed),
        cmocka_unit_test(requests_are_counted_by_the_minute),
        cmocka_unit_test(a_key_too_long_is_none),
    };
    return RUN_ROWS("login", logins_are_read, login_cases) + cmocka_run_group_tests_name("customer", tests, NULL, NULL);
}
