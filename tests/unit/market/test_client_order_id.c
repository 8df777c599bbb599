#include "tests/support/rows.h"

#include "market/client_order_id.h"

static const struct id_case {
    const char *label, *text;
    const char *instance; /* NULL: not ours */
    int32_t date;
    int64_t sequence;
} id_cases[] = {
    { "ours", "bell.overnight.20131007.3", "overnight", 20131007, 3 },
    { "dashes and digits in the name", "bell.ma-30_x2.20131007.1", "ma-30_x2", 20131007, 1 },
    { "longest name", "bell.abcdefghijabcdefghijabcdefghijabcdefghijabcdefgh.20131007.1", "abcdefghijabcdefghijabcdefghijabcdefghijabcdefgh", 20131007, 1 },
    { "name one too long", "bell.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghi.20131007.1", NULL, 0, 0 },
    { "largest sequence", "bell.a.20131007.9223372036854775807", "a", 20131007, INT64_MAX },
    { "sequence beyond 64 bits", "bell.a.20131007.9223372036854775808", NULL, 0, 0 },
    { "a broker's uuid", "904837e3-3b76-47ec-b432-046db621571b", NULL, 0, 0 },
    { "another program's", "bella.overnight.20131007.3", NULL, 0, 0 },
    { "no name", "bell..20131007.3", NULL, 0, 0 },
    { "capitals in the name", "bell.Overnight.20131007.3", NULL, 0, 0 },
    { "a dot in the name", "bell.a.b.20131007.3", NULL, 0, 0 },
    { "no such day", "bell.a.20130230.3", NULL, 0, 0 },
    { "short date", "bell.a.2013107.3", NULL, 0, 0 },
    { "long date", "bell.a.201310070.3", NULL, 0, 0 },
    { "sequence 0", "bell.a.20131007.0", NULL, 0, 0 },
    { "sequence with a leading zero", "bell.a.20131007.03", NULL, 0, 0 },
    { "negative sequence", "bell.a.20131007.-3", NULL, 0, 0 },
    { "no sequence", "bell.a.20131007.", NULL, 0, 0 },
    { "something behind", "bell.a.20131007.3x", NULL, 0, 0 },
    { "only the prefix", "bell.", NULL, 0, 0 },
    { "empty", "", NULL, 0, 0 },
};

static void parses(void **state)
{
    const struct id_case *c = *state;
    struct client_order_id id = { .sequence = 0 };
    assert_int_equal(client_order_id_parse(c->text, &id), c->instance != NULL);
    assert_int_equal(id.date, c->date);
    assert_int_equal(id.sequence, c->sequence);
    if (!c->instance)
        return;
    char text[CLIENT_ORDER_ID_SIZE];
    assert_string_equal(id.instance, c->instance);
    client_order_id_format(&id, text);
    assert_string_equal(text, c->text);
}

static void names_tables_are_in_enumerator_order(void **state)
{
    (void)state;
    assert_string_equal(side_names[SIDE_SELL], "sell");
    assert_string_equal(order_type_names[ORDER_LIMIT], "limit");
    assert_string_equal(time_in_force_names[TIF_CLS], "cls");
    assert_string_equal(order_status_names[ORDER_INTENT], "intent");
    assert_string_equal(order_status_names[ORDER_UNKNOWN], "unknown");
    for (int s = ORDER_INTENT; s <= ORDER_UNKNOWN; s++)
        assert_non_null(order_status_names[s]);
    assert_null(order_status_names[ORDER_UNKNOWN + 1]);
    assert_null(side_names[SIDE_SELL + 1]);
    assert_null(order_type_names[ORDER_TRAILING_STOP + 1]);
    assert_null(time_in_force_names[TIF_FOK + 1]);
}

static void symbols_are_capital_letters_digits_and_points(void **state)
{
    (void)state;
    static const char *const good[] = { "A", "SPY", "BRK.B", "C3", "ABCDEFGHIJKLMNO" };
    static const char *const bad[] = { "", "spy", ".A", "3M", "SP Y", "SPY\n", "BRK/B", "ABCDEFGHIJKLMNOP", "\xc3\x84" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(symbol_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(symbol_is_valid(bad[i]));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tables_are_in_enumerator_order),
        cmocka_unit_test(symbols_are_capital_letters_digits_and_points),
    };
    return RUN_ROWS("client_order_id", parses, id_cases) + cmocka_run_group_tests_name("market", tests, NULL, NULL);
}
