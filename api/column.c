#include "api/column.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/json.h"
#include "market/setting.h"

_Static_assert(sizeof(struct price) == sizeof(int64_t), "a price is read as its micros");
_Static_assert(SYMBOLS_MAX * SYMBOL_SIZE < COLUMN_SCRATCH, "a symbol list fits the scratch");

static const void *at(const struct column *c, const void *record)
{
    return (const char *)record + c->offset;
}

static int64_t number(const struct column *c, const void *record)
{
    int64_t n;
    memcpy(&n, at(c, record), sizeof n);
    return n;
}

void table_init(const struct table *t, void *record)
{
    static const int64_t nothing = INT64_MIN;
    memset(record, 0, t->record_size);
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        if (c->kind == COLUMN_COUNT || c->kind == COLUMN_QTY || c->kind == COLUMN_MONEY)
            memcpy((char *)record + c->offset, &nothing, sizeof nothing);
    }
}

bool table_is_packed(const struct table *t)
{
    for (size_t i = 0; i < t->columns_count; i++)
        if (t->columns[i].packed)
            return true;
    return false;
}

const struct column *table_column(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->columns_count; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    assert(false && "a column that exists");
    return NULL;
}

static const char *symbols_join(const struct symbol_list *list, char *out)
{
    char *to = out;
    *to = '\0';
    for (int64_t i = 0; i < list->count; i++)
        to += sprintf(to, "%s%s", i ? " " : "", list->names[i]);
    return out;
}

/* The value as a user reads it, in CSV and (quoted) in JSON; NULL: nothing. */
static const char *plain(const struct column *c, const void *record, char *scratch)
{
    switch (c->kind) {
    case COLUMN_TEXT: {
        const char *text = at(c, record);
        return *text || !c->null ? text : NULL;
    }
    case COLUMN_LONG_TEXT: {
        const char *text;
        memcpy(&text, at(c, record), sizeof text);
        return text;
    }
    case COLUMN_NAME: {
        int value;
        memcpy(&value, at(c, record), sizeof value);
        return c->names[value];
    }
    case COLUMN_COUNT:
    case COLUMN_QTY:
        if (number(c, record) == INT64_MIN)
            return NULL;
        sprintf(scratch, "%" PRId64, number(c, record));
        return scratch;
    case COLUMN_MONEY:
        if (number(c, record) == INT64_MIN)
            return NULL;
        price_format((struct price){ number(c, record) }, scratch);
        return scratch;
    case COLUMN_TIME:
        if (!number(c, record))
            return NULL;
        time_format_us(number(c, record), scratch);
        return scratch;
    case COLUMN_DATE: {
        int32_t date;
        memcpy(&date, at(c, record), sizeof date);
        if (!date)
            return NULL;
        calendar_date_format(date, scratch);
        return scratch;
    }
    case COLUMN_SYMBOLS:
        return symbols_join(at(c, record), scratch);
    }
    return NULL;
}

const char *column_to_db(const struct column *c, const void *record, char scratch[COLUMN_SCRATCH])
{
    if (c->kind != COLUMN_MONEY)
        return plain(c, record, scratch);
    if (number(c, record) == INT64_MIN)
        return NULL;
    sprintf(scratch, "%" PRId64, number(c, record));
    return scratch;
}

static bool whole_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !errno && end != text && !*end;
}

static bool symbols_split(const char *text, struct symbol_list *out)
{
    out->count = 0;
    while (*text) {
        size_t size = strcspn(text, " ");
        if (out->count == SYMBOLS_MAX || size >= SYMBOL_SIZE)
            return false;
        memcpy(out->names[out->count], text, size);
        out->names[out->count++][size] = '\0';
        text += size + (text[size] == ' ');
    }
    return true;
}

bool column_from_db(const struct column *c, const char *text, void *record)
{
    void *to = (char *)record + c->offset;
    int64_t n = c->kind == COLUMN_TIME ? 0 : INT64_MIN;

    switch (c->kind) {
    case COLUMN_TEXT:
        return text_copy(to, c->size, text ? text : "");
    case COLUMN_LONG_TEXT:
        memcpy(to, &text, sizeof text);
        return true;
    case COLUMN_NAME: {
        int value = text ? name_index(c->names, text) : -1;
        memcpy(to, &value, sizeof value);
        return value >= 0;
    }
    case COLUMN_COUNT:
    case COLUMN_QTY:
    case COLUMN_MONEY:
        if (text && !whole_number(text, &n))
            return false;
        memcpy(to, &n, sizeof n);
        return true;
    case COLUMN_TIME: { /* "2013-10-07 13:30:00.000000" in a result, without a zone; packed with it */
        char zoned[TIME_TEXT_SIZE + 2];
        const char *zone = text && *text && text[strlen(text) - 1] == 'Z' ? "" : "Z";
        if (text && (snprintf(zoned, sizeof zoned, "%s%s", text, zone) >= (int)sizeof zoned ||
                     !time_parse(zoned, strlen(zoned), &n)))
            return false;
        memcpy(to, &n, sizeof n);
        return true;
    }
    case COLUMN_SYMBOLS:
        return symbols_split(text ? text : "", to);
    case COLUMN_DATE:
        break;
    }
    return false;
}

bool text_is_utf8(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    while (*c) {
        int more = *c < 0x80 ? 0 : *c >= 0xc2 && *c < 0xe0 ? 1 : *c >= 0xe0 && *c < 0xf0 ? 2
                 : *c >= 0xf0 && *c < 0xf5 ? 3 : -1;
        if (more < 0 || (*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) ||
            (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] > 0x8f))
            return false;
        for (c++; more > 0; more--, c++)
            if ((*c & 0xc0) != 0x80)
                return false;
    }
    return true;
}

bool column_from_csv(const struct column *c, const char *text, void *record)
{
    if (c->kind == COLUMN_MONEY && *text) {
        struct price price;
        bool ok = price_parse(text, strlen(text), &price) && price_is_set(price);
        memcpy((char *)record + c->offset, &price.micros, sizeof price.micros);
        return ok;
    }
    bool is_text = c->kind == COLUMN_TEXT || c->kind == COLUMN_LONG_TEXT;
    return column_from_db(c, *text || is_text ? text : NULL, record);
}

bool column_is_exported(const struct column *c)
{
    return (c->sql || c->packed) && !c->derived;
}

/* ---- packed */

static const struct { char plain, letter; } escapes[] = { { '\\', '\\' }, { '\t', 't' }, { '\n', 'n' }, { '\r', 'r' } };

static void pack_text(const char *text, struct buffer *out)
{
    for (;;) {
        size_t size = strcspn(text, "\\\t\n\r");
        buffer_add(out, text, size);
        text += size;
        if (!*text)
            return;
        for (size_t i = 0; i < COUNT_OF(escapes); i++)
            if (escapes[i].plain == *text)
                buffer_add(out, (const char[]){ '\\', escapes[i].letter }, 2);
        text++;
    }
}

void record_pack(const struct table *t, const void *record, struct buffer *out)
{
    bool first = true;
    for (size_t i = 0; i < t->columns_count; i++) {
        char scratch[COLUMN_SCRATCH];
        if (!t->columns[i].packed)
            continue;
        if (!first)
            buffer_add(out, "\t", 1);
        first = false;
        const char *text = column_to_db(&t->columns[i], record, scratch);
        if (text)
            pack_text(text, out);
        else
            buffer_add(out, "\\N", 2);
    }
}

/* In place; false: not what was packed. */
static bool unescape(char *text)
{
    char *to = text += strcspn(text, "\\");
    while (*text) {
        if (*text != '\\') {
            *to++ = *text++;
            continue;
        }
        size_t i = 0;
        while (i < COUNT_OF(escapes) && escapes[i].letter != text[1])
            i++;
        if (i == COUNT_OF(escapes))
            return false;
        *to++ = escapes[i].plain;
        text += 2;
    }
    *to = '\0';
    return true;
}

bool record_unpack(const struct table *t, char *text, bool is_head, void *record)
{
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        if (!c->packed)
            continue;
        char *field = text && !(is_head && c->kind == COLUMN_LONG_TEXT) ? strsep(&text, "\t") : NULL;
        bool is_nothing = !field || strcmp(field, "\\N") == 0;
        if ((!is_nothing && !unescape(field)) || !column_from_db(c, is_nothing ? NULL : field, record))
            return false;
    }
    return is_head || !text;
}

void record_key(const struct table *t, const void *record, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; t->keys[i]; i++) {
        char scratch[COLUMN_SCRATCH];
        const char *value = column_to_db(table_column(t, t->keys[i]), record, scratch);
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "\n" : "", value ? value : "");
        assert(used < size);
    }
}

void column_json(const struct column *c, const void *record, struct buffer *out)
{
    char scratch[COLUMN_SCRATCH];
    if (c->kind == COLUMN_SYMBOLS) {
        const struct symbol_list *list = at(c, record);
        for (int64_t i = 0; i < list->count; i++) {
            buffer_text(out, i ? "," : "[");
            buffer_json(out, list->names[i]);
        }
        buffer_text(out, list->count ? "]" : "[]");
        return;
    }
    const char *text = plain(c, record, scratch);
    if (!text)
        buffer_text(out, "null");
    else if (c->kind == COLUMN_COUNT)
        buffer_text(out, text);
    else
        buffer_json(out, text);
}

void column_csv(const struct column *c, const void *record, struct buffer *out)
{
    char scratch[COLUMN_SCRATCH];
    const char *text = plain(c, record, scratch);
    if (text)
        buffer_csv(out, text);
}
