/* config: complaints as a user reads them, values as they are stored, and the order of the places. */
#include "tests/support/rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/config.h"

struct settings {
    char name[8];
    struct symbol_list symbols;
    int64_t capital, quantity, days, threshold, wait, signed_;
    struct timetable moods;
    struct session_time exit;
    int32_t from;
    bool on;
    int mode;
};

static const char *const moods[] = { "cheerful", "gloomy", "greedy", NULL };
static const char *const modes[] = { "replay", "live", NULL };

static const struct setting table[] = {
    SETTING_OF_TEXT(struct settings, name, .fallback = "none", .help = "Its name."),
    SETTING_OF_SYMBOLS(struct settings, symbols, .fallback = "[SPY]", .min = 1, .max = SYMBOLS_MAX),
    SETTING_INT64(struct settings, capital, SETTING_MONEY, .fallback = "1000 USD", .min = 1 * USD, .max = 1000000 * USD),
    SETTING_INT64(struct settings, quantity, SETTING_COUNT, .fallback = "100", .min = 1, .max = 1000, .unit = "shares"),
    SETTING_INT64(struct settings, days, SETTING_COUNT, .fallback = "5", .hot = true),
    SETTING_INT64(struct settings, threshold, SETTING_PERCENT, .fallback = "1 %", .min = 100, .max = 500000),
    SETTING_INT64(struct settings, wait, SETTING_DURATION, .fallback = "30s", .min = SECOND_NS, .max = DAY_NS),
    SETTING_INT64(struct settings, signed_, SETTING_COUNT, .fallback = "-1"),
    SETTING_OF_TIMETABLE(struct settings, moods, .names = moods, .fallback = "{open: cheerful, close-1h: greedy}"),
    SETTING_OF_SESSION_TIME(struct settings, exit, .fallback = "close-5m"),
    SETTING_OF_DATE(struct settings, from, .fallback = "2013-10-07"),
    SETTING_OF_BOOL(struct settings, on, .fallback = "false"),
    SETTING_OF_ENUM(struct settings, mode, .names = modes, .fallback = "replay"),
    { .name = "params", .kind = SETTING_MAP },
};

static const struct setting *setting(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    fail_msg("no setting %s", name);
    return NULL;
}

/* ---- files */

static const struct file_case {
    const char *label, *text;
    const char *told; /* all complaints, each on its line; "": none */
} file_cases[] = {
    { "an empty file is all defaults", "", "" },
    { "comments only", "# nothing\n\n# here\n", "" },
    { "all kinds", "name: a b\nsymbols: [SPY, BRK.B]\ncapital: 100000 USD\nquantity: 100\nthreshold: 0.25 %\nwait: 1h30m\n"
                   "moods:\n  open: cheerful\n  open+2h: gloomy\nexit: close-12m\nfrom: 2013-10-07\non: true\nmode: live\nparams: {}\n", "" },
    { "a block list", "symbols:\n  - SPY\n  - IBM\n", "" },
    { "params without a value", "params:\n", "" },
    { "quoted scalars", "quantity: \"100\"\nname: 'x'\n", "" },
    { "an alias for a value", "days: &n 7\nquantity: *n\n", "" },
    { "an alias for a map", "params: &m\n  open: gloomy\nmoods: *m\n", "" },
    { "windows line ends", "days: 7\r\nquantity: 3\r\n", "" },

    { "unknown key", "quantiti: 5\n", "f:1:1: there is no setting \"quantiti\"; did you mean quantity?\n" },
    { "unknown key like none", "colour: red\n",
      "f:1:1: there is no setting \"colour\"; known are name, symbols, capital, quantity, days, threshold, wait, signed_, "
      "moods, exit, from, on, mode, params\n" },
    { "all mistakes at once, in order", "quantity: 1_000\ndays: many\nwait: 90\n",
      "f:1:11: quantity: \"1_000\" is not a whole number written with digits only, such as 100\n"
      "f:2:7: days: \"many\" is not a whole number written with digits only, such as 100\n"
      "f:3:7: wait: \"90\" is not a duration; write it like 30s, 5m, 1h30m or 250ms\n" },
    { "duplicate key, and what else is wrong", "days: 1\nquantity: x\ndays: 2\n",
      "f:3:1: \"days\" is there twice; first on line 1\n"
      "f:2:11: quantity: \"x\" is not a whole number written with digits only, such as 100\n" },
    { "below the minimum", "quantity: 0\n", "f:1:11: quantity: 0 is below the minimum, 1 shares\n" },
    { "above the maximum", "capital: 1000001 USD\n", "f:1:10: capital: 1000001 USD is above the maximum, 1000000 USD\n" },
    { "duration above the maximum", "wait: 25h\n", "f:1:7: wait: 25h is above the maximum, 1d\n" },
    { "percent below the minimum", "threshold: 0.001 %\n", "f:1:12: threshold: 0.001 % is below the minimum, 0.01 %\n" },
    { "percent without its sign", "threshold: 1\n", "f:1:12: threshold: \"1\" is not a percentage such as 1 % or 0.25 %\n" },
    { "money in another currency", "capital: 5 EUR\n", "f:1:10: capital: \"5 EUR\" is not an amount of money such as 100000 USD\n" },
    { "money with a comma", "capital: 100,000 USD\n", "f:1:10: capital: \"100,000 USD\" is not an amount of money such as 100000 USD\n" },
    { "yes is no bool", "on: yes\n", "f:1:5: on: \"yes\" is not true or false\n" },
    { "near name", "mode: liv\n", "f:1:7: mode: \"liv\" is unknown; did you mean live?\n" },
    { "far name", "mode: sim\n", "f:1:7: mode: \"sim\" is unknown; expected one of replay, live\n" },
    { "no such day", "from: 2013-02-30\n", "f:1:7: from: \"2013-02-30\" is not a date; write it like 2013-10-07\n" },
    { "no session time", "exit: 15:55\n", "f:1:7: exit: \"15:55\" is not a session time; write it like open, open+30m or close-12m\n" },
    { "text too long", "name: abcdefgh\n", "f:1:7: name: 8 bytes are too long; 7 are allowed\n" },
    { "number too large for 64 bits", "days: 9223372036854775808\n",
      "f:1:7: days: \"9223372036854775808\" is not a whole number written with digits only, such as 100\n" },
    { "exponent", "days: 1e3\n", "f:1:7: days: \"1e3\" is not a whole number written with digits only, such as 100\n" },
    { "hexadecimal", "days: 0x10\n", "f:1:7: days: \"0x10\" is not a whole number written with digits only, such as 100\n" },
    { "fraction", "days: 5.0\n", "f:1:7: days: \"5.0\" is not a whole number written with digits only, such as 100\n" },

    { "a list for a scalar", "days: [1]\n", "f:1:7: days: a list is not a whole number written with digits only, such as 100\n" },
    { "a map for a scalar", "on: {a: b}\n", "f:1:5: on: a map is not true or false\n" },
    { "no value", "quantity: 1\ndays:\non: true\n", "f:2:1: days: has no value; expected a whole number written with digits only, such as 100\n" },
    { "null", "days: ~\n", "f:1:7: days: has no value; expected a whole number written with digits only, such as 100\n" },
    { "a scalar for a map", "params: 5\n", "f:1:9: params: a single value is not a map of settings\n" },
    { "a scalar for symbols", "symbols: SPY\n", "f:1:10: symbols: a single value is not a list of symbols; write it like [SPY, BRK.B]\n" },
    { "small letters in a symbol", "symbols: [SPY, ibm]\n",
      "f:1:16: symbols: \"ibm\" is not a symbol: capital letters, digits and points, at most 15 of them\n" },
    { "a symbol twice, on its line", "symbols:\n  - SPY\n  - IBM\n  - SPY\n", "f:4:5: symbols: SPY is there twice\n" },
    { "a list in the list", "symbols: [[SPY]]\n", "f:1:11: symbols: every entry of the list is one symbol such as SPY\n"
                                                  "f:1:10: symbols: 0 entries; from 1 to 32 are expected\n" },
    { "no symbols", "symbols: []\n", "f:1:10: symbols: 0 entries; from 1 to 32 are expected\n" },
    { "a list for a timetable", "moods: [open]\n",
      "f:1:8: moods: a list is not a timetable; write it like {open: NAME, close-1h: NAME}, with session times as keys\n" },
    { "timetable: no session time, no name", "moods:\n  noon: gloomy\n  open: gloomi\n",
      "f:2:3: moods: \"noon\" is not a session time; write it like open, open+30m or close-12m\n"
      "f:3:9: moods: \"gloomi\" is unknown; did you mean gloomy?\n" },
    { "timetable: the same time in two spellings", "moods: {open+60m: gloomy, open+1h: greedy}\n",
      "f:1:36: moods: open+1h is the same time as a row above\n" },

    { "a list at the top", "- a\n", "f:1:1: settings are lines of \"name: value\"\n" },
    { "a word at the top", "hello\n", "f:1:1: settings are lines of \"name: value\"\n" },
    { "two documents", "days: 1\n---\ndays: 2\n", "f:2:1: a second document begins here; a settings file holds one\n" },
    { "alias to nothing", "days: *n\n", "f:1:7: there is no anchor &n above this alias\n" },
    { "alias to itself", "params: &a {b: *a}\n", "f:1:16: an alias cannot stand inside what it names\n" },
    { "a tag", "days: !!int 5\n", "f:1:13: tags (!...) mean nothing here; write the plain value\n" },
    { "a list as a key", "[a]: b\n", "f:1:1: a key must be a single word, not a list or a map\n" },
    { "a tab", "params:\n\ta: b\n", "f:2:1: not YAML: tab character may not be used as indentation\n" },
    { "an open quote", "name: \"x\n", "f:1:8: not YAML: double-quoted scalar without closing quote\n" },
    { "two values on a line", "a: b: c\n", "f:1:5: not YAML: invalid nested block mapping on the same line\n" },
    { "broken UTF-8", "name: \xff\n", "f:1:7: byte 0xff is not text in UTF-8\n" },
    { "a control character", "days: 1\nname: \x01\n", "f:2:7: byte 0x01 is not text in UTF-8\n" },
    { "a NUL written out", "name: \"a\\0b\"\n", "f:1:7: a text cannot hold a NUL character\n" },
};

static void tells(void **state)
{
    const struct file_case *c = *state;
    struct complaints told = { 0 };
    struct settings s = { 0 };
    struct config *config = config_parse("f", c->text, strlen(c->text), &told);
    if (config)
        config_read(config, NULL, table, COUNT_OF(table), &s, &told);
    config_free(config);
    assert_string_equal(told.text, c->told);
    int lines = 0;
    for (const char *p = told.text; *p; p++)
        lines += *p == '\n';
    assert_int_equal(told.count, lines);
}

/* ---- single values */

static const struct value_case {
    const char *label, *setting, *text, *written; /* NULL: refused */
} value_cases[] = {
    { "money with its unit", "capital", "100000 USD", "100000 USD" },
    { "money without", "capital", "100000", "100000 USD" },
    { "money with cents", "capital", "10.50USD", "10.50 USD" },
    { "money by its name only", "capital", "USD", NULL },
    { "percent", "threshold", "1 %", "1 %" },
    { "percent close", "threshold", "0.5%", "0.5 %" },
    { "a millionth is too fine", "threshold", "0.00001 %", NULL },
    { "ten percent", "threshold", "10 %", "10 %" },
    { "seconds", "wait", "90s", "1m30s" },
    { "mixed", "wait", "1h30m15s250ms", "1h30m15s250ms" },
    { "a day", "wait", "1d", "1d" },
    { "units upside down", "wait", "5m1h", NULL },
    { "no unit", "wait", "5", NULL },
    { "no number", "wait", "m", NULL },
    { "too long for 64 bits", "wait", "99999999999999999d", NULL },
    { "spaces", "wait", "5 m", NULL },
    { "negative", "signed_", "-17", "-17" },
    { "plus", "signed_", "+17", NULL },
    { "a lone minus", "signed_", "-", NULL },
    { "empty", "signed_", "", NULL },
    { "symbols as a flag", "symbols", "SPY,BRK.B", "[SPY, BRK.B]" },
    { "symbols in brackets", "symbols", "[ SPY , IBM ]", "[SPY, IBM]" },
    { "a comma at the end", "symbols", "SPY,", "[SPY]" },
    { "no symbols", "symbols", "[]", NULL },
    { "timetable as a flag", "moods", "{open: gloomy, open+2h: greedy}", "{open: gloomy, open+2h: greedy}" },
    { "timetable without braces", "moods", "open:gloomy", "{open: gloomy}" },
    { "timetable cut off", "moods", "open:", NULL },
    { "empty timetable", "moods", "{}", "{}" },
    { "session time", "exit", "open+90m", "open+1h30m" },
    { "date", "from", "2013-10-07", "2013-10-07" },
    { "true", "on", "true", "true" },
    { "TRUE", "on", "TRUE", NULL },
    { "name", "mode", "live", "live" },
    { "text", "name", "a: b #", "a: b #" },
    { "a map on a command line", "params", "{a: b}", NULL },
};

static void takes(void **state)
{
    const struct value_case *c = *state;
    struct settings s = { 0 };
    struct err err = { 0 };
    char text[256];
    assert_int_equal(setting_parse(setting(c->setting), c->text, &s, &err), c->written != NULL);
    if (!c->written) {
        assert_int_equal(err.code, ERR_INPUT);
        assert_true(strlen(err.text) > 10);
        return;
    }
    setting_format(setting(c->setting), &s, text, sizeof text);
    assert_string_equal(text, c->written);
}

static void values_are_stored_in_their_units(void **state)
{
    (void)state;
    static const char text[] = "capital: 12.5 USD\nthreshold: 1 %\nwait: 250ms\nfrom: 2013-10-08\nmode: live\n"
                               "moods:\n  open+2h: greedy\n  open: gloomy\n";
    struct complaints told = { 0 };
    struct settings s = { 0 };
    struct setting no_limit = *setting("wait");
    struct err err;
    no_limit.min = no_limit.max = 0;
    struct config *c = config_parse("f", text, sizeof text - 1, &told);
    config_read(c, NULL, table, COUNT_OF(table), &s, &told);
    assert_string_equal(told.text, "f:3:7: wait: 250ms is below the minimum, 1s\n");
    assert_true(setting_parse(&no_limit, "250ms", &s, &err));
    assert_int_equal(s.wait, 250000000);
    assert_int_equal(s.capital, 12500000);
    assert_int_equal(s.threshold, 10000);
    assert_int_equal(s.from, 20131008);
    assert_int_equal(s.mode, 1);
    assert_int_equal(s.quantity, 100); /* a default */
    assert_int_equal(s.moods.count, 2); /* rows in the order of the file */
    assert_int_equal(s.moods.rows[0].from.offset_ns, 2 * HOUR_NS);
    assert_int_equal(s.moods.rows[0].value, 2);
    config_free(c);
}

static void durations_format_and_parse_to_the_same(void **state)
{
    (void)state;
    uint64_t seed = 9;
    struct setting s = *setting("wait");
    s.min = s.max = 0;
    for (int i = 0; i < 20000; i++) {
        struct settings a = { 0 }, b = { 0 };
        struct err err;
        char text[128];
        a.wait = (int64_t)(random_next(&seed) >> (1 + i % 40)) / 1000000 * 1000000;
        setting_format(&s, &a, text, sizeof text);
        assert_true(setting_parse(&s, text, &b, &err));
        assert_int_equal(a.wait, b.wait);
    }
}

/* ---- documents */

static const struct setting needs[] = {
    SETTING_INT64(struct settings, quantity, SETTING_COUNT, .help = "Shares per trade."),
    SETTING_OF_BOOL(struct settings, on, .fallback = "maybe"),
};

static void what_is_needed_is_asked_for_with_its_help(void **state)
{
    (void)state;
    struct complaints told = { 0 };
    struct settings s = { 0 };
    struct config *c = config_parse("f", "\nparams:\n  x: 1\n", 16, &told);
    config_read(c, "params", needs, COUNT_OF(needs), &s, &told);
    assert_string_equal(told.text, "the default of on is wrong itself: \"maybe\" is not true or false\n"
                                   "f:3:3: params: there is no setting \"x\"; known are quantity, on\n"
                                   "f:2:1: params: quantity is needed: Shares per trade.\n");
    config_free(c);
}

static void a_document_knows_its_text_and_places(void **state)
{
    (void)state;
    static const char text[] = "name: x\nparams:\n  fast: 10\n";
    struct complaints told = { 0 };
    char where[64];
    size_t len;
    struct config *c = config_parse("f", text, sizeof text - 1, &told);
    assert_string_equal(config_text(c, &len), text);
    assert_int_equal(len, sizeof text - 1);
    assert_string_equal(config_scalar(c, "name"), "x");
    assert_null(config_scalar(c, "params"));
    assert_null(config_scalar(c, "nothing"));
    config_where(c, NULL, "name", where, sizeof where);
    assert_string_equal(where, "f:1:7");
    config_where(c, "params", "fast", where, sizeof where);
    assert_string_equal(where, "f:3:9");
    config_where(c, "params", "slow", where, sizeof where);
    assert_string_equal(where, "f:2:1");
    config_where(c, NULL, "slow", where, sizeof where);
    assert_string_equal(where, "f:1:1");
    config_free(c);
}

static void size_and_depth_are_bounded(void **state)
{
    (void)state;
    struct complaints told = { 0 };
    size_t size = (1 << 20) + 1;
    char *big = must_alloc(size, 1);
    memset(big, '\n', size);
    assert_null(config_parse("f", big, size, &told));
    assert_non_null(strstr(told.text, "too many for settings"));

    told = (struct complaints){ 0 };
    memset(big, '[', 100000);
    assert_null(config_parse("f", big, 100000, &told));
    assert_non_null(strstr(told.text, "nested too deeply"));

    told = (struct complaints){ 0 };
    size_t n = 0;
    for (int i = 0; i < 20000; i++)
        n += (size_t)sprintf(big + n, "k%d: 1\n", i);
    assert_null(config_parse("f", big, n, &told));
    assert_non_null(strstr(told.text, "too many values"));
    free(big);
}

static void complaints_beyond_the_room_are_counted(void **state)
{
    (void)state;
    struct complaints *told = must_alloc(1, sizeof *told);
    for (int i = 0; i < 1000; i++)
        complain(told, "mistake %d of many, a\nline", i);
    assert_int_equal(told->count, 1000);
    assert_int_equal(strlen(told->text), told->length);
    assert_true(told->length < sizeof told->text);
    assert_non_null(strstr(told->text, "mistake 1 of many, a line\n"));
    free(told);
}

/* ---- programs */

static char folder[64];

static int in_a_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/bell-test-config-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int without_it(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *file_with(const char *name, const char *text, unsigned mode)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
    return path;
}

/* Runs program_settings with stdout and stderr in a file; what they got is in told. */
static int run(struct settings *s, char *told, size_t size, char **words)
{
    const struct program p = { "bell-test", "tests settings", "  bell-test --days 3\n", table, COUNT_OF(table) };
    char path[128];
    snprintf(path, sizeof path, "%s/output", folder);
    int argc = 0;
    while (words[argc])
        argc++;
    fflush(stdout);
    int out = dup(1), err = dup(2), file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(file, 1);
    dup2(file, 2);
    int status = program_settings(&p, argc, words, s);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    ssize_t n = pread(file, told, size - 1, 0);
    told[n > 0 ? n : 0] = '\0';
    close(file);
    return status;
}

#define WORDS(...) ((char *[]){ (char *)(uintptr_t)"bell-test", __VA_ARGS__ __VA_OPT__(,) NULL })
#define WORD(text) (char *)(uintptr_t)(text)

static void flags_beat_the_environment_beats_the_file_beats_defaults(void **state)
{
    (void)state;
    struct settings s = { 0 };
    char told[4096], path[128];
    snprintf(path, sizeof path, "%s", file_with("f.yaml", "days: 2\nquantity: 2\ncapital: 2\n", 0600));
    setenv("BELL_TEST_QUANTITY", "3", 1);
    setenv("BELL_TEST_CAPITAL", "3", 1);
    setenv("BELL_TEST_WAIT", "", 1); /* set to nothing is not set */
    int status = run(&s, told, sizeof told, WORDS(WORD("--config"), path, WORD("--capital=4"), WORD("--on")));
    assert_int_equal(status, -1);
    assert_int_equal(s.wait, 30 * SECOND_NS);
    assert_int_equal(s.days, 2);
    assert_int_equal(s.quantity, 3);
    assert_int_equal(s.capital, 4 * USD);
    assert_true(s.on);
    unsetenv("BELL_TEST_QUANTITY");
    unsetenv("BELL_TEST_CAPITAL");
    unsetenv("BELL_TEST_WAIT");
    setenv("BELL_TEST_CONFIG", path, 1);
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--signed_"), WORD("-5"), WORD("--on"), WORD("false"))), -1);
    assert_int_equal(s.days, 2);
    assert_int_equal(s.signed_, -5);
    assert_false(s.on);
    unsetenv("BELL_TEST_CONFIG");
}

static void all_places_complain_at_once(void **state)
{
    (void)state;
    struct settings s = { 0 };
    char told[4096], path[128];
    snprintf(path, sizeof path, "%s", file_with("g.yaml", "dayz: 2\n", 0600));
    setenv("BELL_TEST_QUANTITY", "many", 1);
    int status = run(&s, told, sizeof told, WORDS(WORD("--config"), path, WORD("--wiat"), WORD("5s"), WORD("stray"),
                                                  WORD("--mode=liv"), WORD("--capital")));
    unsetenv("BELL_TEST_QUANTITY");
    assert_int_equal(status, 2);
    char expected[2048];
    snprintf(expected, sizeof expected,
             "there is no flag --wiat; did you mean --wait?\n"
             "\"stray\" is no flag; flags begin with --, see --help\n"
             "--capital needs a value\n"
             "%s:1:1: there is no setting \"dayz\"; did you mean days?\n"
             "environment BELL_TEST_QUANTITY: \"many\" is not a whole number written with digits only, such as 100\n"
             "--mode: \"liv\" is unknown; did you mean live?\n"
             "bell-test: 6 mistakes; nothing was started\n", path);
    assert_string_equal(told, expected);
}

static void questions_are_answered_and_leave(void **state)
{
    (void)state;
    struct settings s = { 0 };
    char told[16384];
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--help"))), 0);
    assert_non_null(strstr(told, "BELL_TEST_QUANTITY"));
    assert_non_null(strstr(told, "1 to 1000 shares"));
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--nonsense"), WORD("-h"))), 0);
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--version"))), 0);
    assert_string_equal(told, "bell-test " BELL_VERSION "\n");
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--check-config"))), 0);
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--check-config"), WORD("--days"), WORD("x"))), 2);
    assert_int_equal(run(&s, told, sizeof told, WORDS(WORD("--config"), WORD("/nonexistent"))), 2);
    assert_non_null(strstr(told, "/nonexistent: cannot be read: No such file"));
}

static void the_printed_file_reads_as_the_defaults(void **state)
{
    (void)state;
    struct settings defaults = { 0 }, read = { 0 };
    struct complaints told = { 0 };
    char text[8192];
    assert_int_equal(run(&read, text, sizeof text, WORDS(WORD("--print-config"))), 0);
    struct config *c = config_parse("f", text, strlen(text), &told);
    assert_non_null(c);
    config_read(c, NULL, table, COUNT_OF(table), &read, &told);
    config_free(c);
    c = config_parse("f", "", 0, &told);
    config_read(c, NULL, table, COUNT_OF(table), &defaults, &told);
    config_free(c);
    assert_string_equal(told.text, "");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char a[256], b[256];
        setting_format(&table[i], &defaults, a, sizeof a);
        setting_format(&table[i], &read, b, sizeof b);
        assert_string_equal(a, b);
    }
}

/* ---- secrets */

static const struct secret_case {
    const char *label, *text;
    unsigned mode;
    const char *secret, *fault;
} secret_cases[] = {
    { "a line", "hush\n", 0600, "hush", NULL },
    { "without newline", "hush", 0400, "hush", NULL },
    { "the first of two", "hush\nrest\n", 0640, "hush", NULL },
    { "windows line end", "hush\r\n", 0600, "hush", NULL },
    { "just short enough", "1234567", 0600, "1234567", NULL },
    { "too long", "12345678", 0600, NULL, "7 are allowed" },
    { "empty", "", 0600, NULL, "no text on its first line" },
    { "empty first line", "\nhush", 0600, NULL, "no text on its first line" },
    { "readable by all", "hush", 0644, NULL, "may be read by everybody (mode 644)" },
    { "writable by all", "hush", 0602, NULL, "mode 602" },
};

static void reads_secrets(void **state)
{
    const struct secret_case *c = *state;
    char out[8] = "before";
    struct err err;
    in_a_folder(NULL);
    bool ok = secret_read(file_with("secret", c->text, c->mode), out, sizeof out, &err);
    without_it(NULL);
    assert_int_equal(ok, c->secret != NULL);
    if (ok)
        assert_string_equal(out, c->secret);
    else
        assert_non_null(strstr(err.text, c->fault));
}

static void a_secret_that_is_not_there_is_named(void **state)
{
    (void)state;
    char out[8];
    struct err err;
    assert_false(secret_read("/nonexistent/key", out, sizeof out, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/key"));
    assert_false(secret_read("/tmp", out, sizeof out, &err));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_stored_in_their_units),
        cmocka_unit_test(durations_format_and_parse_to_the_same),
        cmocka_unit_test(what_is_needed_is_asked_for_with_its_help),
        cmocka_unit_test(a_document_knows_its_text_and_places),
        cmocka_unit_test(size_and_depth_are_bounded),
        cmocka_unit_test(complaints_beyond_the_room_are_counted),
        cmocka_unit_test(flags_beat_the_environment_beats_the_file_beats_defaults),
        cmocka_unit_test(all_places_complain_at_once),
        cmocka_unit_test(questions_are_answered_and_leave),
        cmocka_unit_test(the_printed_file_reads_as_the_defaults),
        cmocka_unit_test(a_secret_that_is_not_there_is_named),
    };
    return RUN_ROWS("config files", tells, file_cases) + RUN_ROWS("setting_parse", takes, value_cases) +
           RUN_ROWS("secret_read", reads_secrets, secret_cases) +
           cmocka_run_group_tests_name("config", tests, in_a_folder, without_it);
}
