/* describe.c - see describe.h. */
#include "core/describe.h"

#include <inttypes.h>
#include <string.h>

#include "core/base.h"

static void limits_text(const struct setting *s, char *out, size_t size)
{
    /* Formatted by the kind itself, from a struct that holds nothing but the limit. */
    char low[64], high[64];
    struct setting at = *s;
    at.offset = 0;
    out[0] = '\0';
    switch (s->kind) {
    case SETTING_COUNT:
    case SETTING_MONEY:
    case SETTING_PERCENT:
    case SETTING_DURATION:
        if (s->min == 0 && s->max == 0)
            return;
        setting_format(&at, &s->min, low, sizeof low);
        setting_format(&at, &s->max, high, sizeof high);
        snprintf(out, size, "%s to %s", low, high);
        return;
    default:
        return;
    }
}

/* "4 to 9 bars; may change while running": what a reader should know beside the help. */
void setting_notes(const struct setting *s, char *out, size_t size)
{
    char limits[160];
    limits_text(s, limits, sizeof limits);
    /* the others name their unit in each amount already */
    const char *unit = s->unit && s->kind == SETTING_COUNT ? s->unit : "";
    size_t n = (size_t)snprintf(out, size, "%s%s%s", limits, *limits && *unit ? " " : "", unit);
    for (int i = 0; s->names && s->names[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s",
                              i   ? ", "
                              : n ? "; one of "
                                  : "one of ",
                              s->names[i]);
    if (s->hot && n < size)
        n += (size_t)snprintf(out + n, size - n, "%smay change while running", n ? "; " : "");
    if (s->secret && n < size)
        snprintf(out + n, size - n, "%sa file, readable by its owner only", n ? "; " : "");
}

static bool needs_quotes(const struct setting *s, const char *text)
{
    if (s->kind != SETTING_TEXT)
        return false;
    return !*text || strpbrk(text, "#:{}[],&*!|>'\"%@`") || strchr(" -?", text[0]) ||
           text[strlen(text) - 1] == ' ' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static void print_scalar(FILE *to, const struct setting *s, const char *text)
{
    if (!needs_quotes(s, text)) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

void settings_print(FILE *to, const struct setting *table, size_t count, int indent)
{
    for (size_t i = 0; i < count; i++) {
        const struct setting *s = &table[i];
        char notes[512];
        setting_notes(s, notes, sizeof notes);
        if (i > 0)
            fputc('\n', to);
        if (s->help)
            fprintf(to, "%*s# %s\n", indent, "", s->help);
        if (*notes)
            fprintf(to, "%*s# (%s)\n", indent, "", notes);
        const char *fallback = s->kind == SETTING_MAP && !s->fallback ? "{}" : s->fallback;
        if (!fallback) {
            fprintf(to, "%*s# required:\n%*s#%s:\n", indent, "", indent, "", s->name);
            continue;
        }
        fprintf(to, "%*s%s: ", indent, "", s->name);
        print_scalar(to, s, fallback);
        fputc('\n', to);
    }
}

void settings_table(FILE *to, const struct setting *table, size_t count)
{
    fputs("| setting | default | what |\n|---|---|---|\n", to);
    for (size_t i = 0; i < count; i++) {
        const struct setting *s = &table[i];
        char notes[512];
        setting_notes(s, notes, sizeof notes);
        fprintf(to, "| `%s` | ", s->name);
        fprintf(to, !s->fallback ? "required" : *s->fallback ? "`%s`" : "none", s->fallback);
        fprintf(to, " | %s%s%s%s |\n", s->help ? s->help : "", *notes ? " (" : "", notes, *notes ? ")" : "");
    }
}

/* ---- JSON Schema */

#define SPAN "([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?"
static const char session_time_pattern[] = "^(open|close)([+-]([0-9]+h)?([0-9]+m)?([0-9]+s)?)?$";

static void limit(json_t *to, const struct setting *s, const char *least, const char *most, int64_t unit)
{
    if (s->min == 0 && s->max == 0)
        return;
    json_object_set_new(to, least, json_integer(s->min / unit));
    json_object_set_new(to, most, json_integer(s->max / unit));
}

static json_t *name_list(const struct setting *s)
{
    json_t *list = json_array();
    for (const char *const *name = s->names; *name; name++)
        json_array_append_new(list, json_string(*name));
    return list;
}

static json_t *pattern(const char *regex)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", regex);
}

static json_t *schema_of(const struct setting *s)
{
    json_t *j;
    switch (s->kind) {
    case SETTING_TEXT:
        j = json_pack("{s:s}", "type", "string");
        limit(j, s, "minLength", "maxLength", 1);
        return j;
    case SETTING_COUNT:
        j = json_pack("{s:s}", "type", "integer");
        limit(j, s, "minimum", "maximum", 1);
        return j;
    case SETTING_MONEY: /* with its unit it is a text, without a number */
        j = json_pack("{s:[s, s], s:s}", "type", "string", "number", "pattern", "^-?[0-9]+([.][0-9]{1,6})?( *USD)?$");
        limit(j, s, "minimum", "maximum", USD);
        return j;
    case SETTING_PERCENT:
        return pattern("^-?[0-9]+([.][0-9]{1,4})? *%$");
    case SETTING_DURATION:
        return pattern("^-?(?=[0-9])" SPAN "$");
    case SETTING_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case SETTING_ENUM:
        return json_pack("{s:o}", "enum", name_list(s));
    case SETTING_SESSION_TIME:
        return pattern(session_time_pattern);
    case SETTING_DATE:
        return pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$");
    case SETTING_SYMBOLS:
        j = json_pack("{s:s, s:b, s:o}", "type", "array", "uniqueItems", 1, "items", pattern("^[A-Z][A-Z0-9.]{0,14}$"));
        limit(j, s, "minItems", "maxItems", 1);
        return j;
    case SETTING_TIMETABLE:
        j = json_pack("{s:s, s:{s:{s:o}}, s:b}", "type", "object", "patternProperties", session_time_pattern, "enum", name_list(s),
                      "additionalProperties", 0);
        limit(j, s, "minProperties", "maxProperties", 1);
        return j;
    case SETTING_MAP:
        break;
    }
    return json_pack("{s:[s, s]}", "type", "object", "null");
}

json_t *settings_schema(const struct setting *table, size_t count)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct setting *s = &table[i];
        char notes[512], text[1024];
        json_t *one = schema_of(s);
        setting_notes(s, notes, sizeof notes);
        snprintf(text, sizeof text, "%s%s%s%s", s->help ? s->help : "", *notes ? " (" : "", notes, *notes ? ")" : "");
        json_object_set_new(one, "description", json_string(text));
        if (s->fallback && s->kind != SETTING_MAP)
            json_object_set_new(one, "default", json_string(s->fallback));
        if (!s->fallback && s->kind != SETTING_MAP)
            json_array_append_new(required, json_string(s->name));
        json_object_set_new(properties, s->name, one);
    }
    json_t *j = json_pack("{s:[s, s], s:o, s:b}", "type", "object", "null", "properties", properties, "additionalProperties", 0);
    if (json_array_size(required))
        json_object_set(j, "required", required);
    json_decref(required);
    return j;
}
