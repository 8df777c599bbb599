/* Any bytes as a settings file: no crash, and what is accepted is inside the table's limits. */
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/config.h"

struct settings {
    char name[16];
    struct symbol_list symbols;
    int64_t capital, quantity, threshold, wait;
    struct timetable moods;
    struct session_time at;
    int32_t from;
    bool on;
};

static const char *const moods[] = { "cheerful", "gloomy", NULL };

static const struct setting table[] = {
    SETTING_OF_TEXT(struct settings, name, .fallback = ""),
    SETTING_OF_SYMBOLS(struct settings, symbols, .fallback = "[]"),
    SETTING_INT64(struct settings, capital, SETTING_MONEY, .min = 1, .max = 1000 * USD,
                  .fallback = "1 USD"),
    SETTING_INT64(struct settings, quantity, SETTING_COUNT, .min = 1, .max = 1000, .fallback = "1"),
    SETTING_INT64(struct settings, threshold, SETTING_PERCENT, .fallback = "1 %"),
    SETTING_INT64(struct settings, wait, SETTING_DURATION, .min = 1, .max = DAY_NS,
                  .fallback = "1s"),
    SETTING_OF_TIMETABLE(struct settings, moods, .names = moods, .fallback = "{open: gloomy}"),
    SETTING_OF_SESSION_TIME(struct settings, at, .fallback = "open"),
    SETTING_OF_DATE(struct settings, from, .fallback = "2013-10-07"),
    SETTING_OF_BOOL(struct settings, on, .fallback = "false"),
    { .name = "params", .kind = SETTING_MAP },
};

static void check(const struct settings *s)
{
    assert(memchr(s->name, '\0', sizeof s->name));
    assert(s->symbols.count >= 0 && s->symbols.count <= SYMBOLS_MAX);
    assert(s->capital >= 1 && s->capital <= 1000 * USD);
    assert(s->quantity >= 1 && s->quantity <= 1000);
    assert(s->wait >= 1 && s->wait <= DAY_NS);
    assert(s->moods.count >= 0 && s->moods.count <= TIMETABLE_MAX);
    for (size_t i = 0; i + 1 < COUNT_OF(table); i++) { /* what is written reads as the same */
        struct settings again = *s;
        struct err err;
        char text[4096], text_again[4096];
        setting_format(&table[i], s, text, sizeof text);
        assert(setting_parse(&table[i], text, &again, &err));
        setting_format(&table[i], &again, text_again, sizeof text_again);
        assert(strcmp(text, text_again) == 0);
    }
}

/* libfyaml 0.7.12 loses a buffer on some broken texts: 4 KiB per bad file, which a settings file
 * can bear. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct complaints complaints;
    complaints = (struct complaints){ 0 };
    struct settings s = { 0 }, params = { 0 };
    struct config *c = config_parse("fuzz.yaml", (const char *)data, size, &complaints);
    assert(c || complaints.count > 0);
    if (c) {
        char where[256];
        config_read(c, NULL, table, COUNT_OF(table), &s, &complaints);
        if (complaints.count == 0)
            check(&s);
        config_read(c, "params", table, COUNT_OF(table), &params, &complaints);
        config_where(c, "params", "moods", where, sizeof where);
        config_scalar(c, "name");
    }
    assert(strlen(complaints.text) == complaints.length);
    config_free(c);
    return 0;
}
