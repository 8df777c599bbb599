#include "api/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/json.h"
#include "market/calendar.h"

const char *const group_key_names[] = { "strategy", "symbol", "day", "account", NULL };
static const char *const format_names[] = { "", "json", "csv", NULL };

/* One row per parameter; the bit is its place. */
static const struct parameter {
    const char *name;
    enum parameter_kind { WORDS, TIME, BOOL, NUMBER, GROUPS, LIMIT, CURSOR, FORMAT } kind;
    size_t offset;
} parameters[] = {
    { "start", TIME, offsetof(struct filter, start) },
    { "end", TIME, offsetof(struct filter, end) },
    { "account", WORDS, offsetof(struct filter, account) },
    { "strategy", WORDS, offsetof(struct filter, strategy) },
    { "symbol", WORDS, offsetof(struct filter, symbol) },
    { "run_id", WORDS, offsetof(struct filter, run_id) },
    { "status", WORDS, offsetof(struct filter, status) },
    { "source", WORDS, offsetof(struct filter, source) },
    { "flat", BOOL, offsetof(struct filter, flat) },
    { "group_by", GROUPS, 0 },
    { "order_id", WORDS, offsetof(struct filter, order_id) },
    { "event", WORDS, offsetof(struct filter, event) },
    { "limit", LIMIT, 0 },
    { "cursor", CURSOR, 0 },
    { "format", FORMAT, 0 },
    { "offset", NUMBER, offsetof(struct filter, offset) },
    { "complete", BOOL, offsetof(struct filter, complete) },
};

void filter_init(struct filter *f)
{
    struct words *const words[] = { &f->account, &f->strategy, &f->symbol, &f->run_id, &f->status, &f->source,
                                    &f->order_id, &f->event };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        words[i]->count = 0; /* they are large, and the rest of them is not looked at */
    f->start_date = 0;
    f->flat = f->complete = f->is_grouped = false;
    f->offset = 0;
    memset(f->group_by, 0, sizeof f->group_by);
    f->format = FORMAT_BY_ACCEPT;
    f->after[0] = f->bound[0] = '\0';
    f->start = INT64_MIN;
    f->end = INT64_MAX;
    f->end_date = INT32_MAX;
    f->limit = LIMIT_DEFAULT;
}

void filter_names(unsigned allowed, const char *out[FILTER_NAMES])
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(parameters); i++)
        if (allowed & 1u << i)
            out[count++] = parameters[i].name;
    out[count] = NULL;
}

bool words_match(const struct words *w, const char *text)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->texts[i], text) == 0)
            return true;
    return w->count == 0;
}

static bool read_words(const char *text, struct words *out, struct err *err)
{
    if (!text_copy(out->storage, sizeof out->storage, text))
        return err_set(err, ERR_INPUT, "is longer than %zu bytes", sizeof out->storage - 1);
    for (char *rest = out->storage; rest; ) {
        if (out->count == COUNT_OF(out->texts))
            return err_set(err, ERR_INPUT, "has more than %zu values", COUNT_OF(out->texts));
        out->texts[out->count++] = strsep(&rest, ",");
    }
    return true;
}

static bool read_time(const struct parameter *p, unsigned allowed, const char *text, struct filter *out,
                      struct err *err)
{
    bool is_start = strcmp(p->name, "start") == 0;
    if (allowed & FILTER_DATES) {
        if (!calendar_date_parse(text, strlen(text), is_start ? &out->start_date : &out->end_date))
            return err_set(err, ERR_INPUT, "\"%.40s\" is no date: expected one like 2013-10-07 (New York)", text);
        return true;
    }
    if (!time_parse(text, strlen(text), (int64_t *)(void *)((char *)out + p->offset)))
        return err_set(err, ERR_INPUT, "\"%.40s\" is no time: expected one like 2013-10-07T13:30:00Z or 2013-10-07",
                       text);
    return true;
}

static bool read_groups(const char *text, struct filter *out, struct err *err)
{
    struct words words = { 0 };
    out->is_grouped = true;
    if (!*text)
        return true; /* one row, the total */
    if (!read_words(text, &words, err))
        return false;
    for (size_t i = 0; i < words.count; i++) {
        int key = name_index(group_key_names, words.texts[i]);
        if (key < 0)
            return err_set(err, ERR_INPUT, "\"%.40s\" is none of strategy, symbol, day, account", words.texts[i]);
        out->group_by[key] = true;
    }
    return true;
}

static bool read_limit(const char *text, struct filter *out, struct err *err)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || strspn(text, "0123456789") != strlen(text) || n < 1 || n > LIMIT_MAX)
        return err_set(err, ERR_INPUT, "\"%.40s\" is no whole number from 1 to %d", text, LIMIT_MAX);
    out->limit = (size_t)n;
    return true;
}

static bool read_one(const struct parameter *p, unsigned allowed, const char *text, struct filter *out,
                     struct err *err)
{
    switch (p->kind) {
    case WORDS:
        return read_words(text, (struct words *)(void *)((char *)out + p->offset), err);
    case TIME:
        return read_time(p, allowed, text, out, err);
    case BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return err_set(err, ERR_INPUT, "\"%.40s\" is neither true nor false", text);
        *(bool *)((char *)out + p->offset) = *text == 't';
        return true;
    case NUMBER: {
        int64_t *number = (int64_t *)(void *)((char *)out + p->offset);
        if (strlen(text) > 15 || !*text || text[strspn(text, "0123456789")])
            return err_set(err, ERR_INPUT, "\"%.40s\" is no whole number", text);
        *number = atoll(text);
        return true;
    }
    case GROUPS:
        return read_groups(text, out, err);
    case LIMIT:
        return read_limit(text, out, err);
    case FORMAT: {
        int format = *text ? name_index(format_names, text) : -1;
        if (format < 0)
            return err_set(err, ERR_INPUT, "\"%.40s\" is neither json nor csv", text);
        out->format = (enum reply_format)format;
        return true;
    }
    case CURSOR: /* after all others: it is bound to them */
        return true;
    }
    return false;
}

/* The route and every parameter but page and format, digested. */
static void bind(unsigned allowed, const char *route, filter_lookup *lookup, void *ctx, struct filter *out)
{
    struct buffer text = { 0 };
    buffer_text(&text, route);
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        const struct parameter *p = &parameters[i];
        const char *value = allowed & 1u << i ? lookup(ctx, p->name) : NULL;
        if (value && p->kind != LIMIT && p->kind != CURSOR && p->kind != FORMAT)
            buffer_printf(&text, "\n%s=%s", p->name, value);
    }
    sha256_hex(text.data, text.size, out->bound);
    buffer_free(&text);
}

bool filter_parse(unsigned allowed, const char *route, const char *const *names, filter_lookup *lookup,
                  void *ctx, struct filter *out, const char **parameter, struct err *err)
{
    const char *known[FILTER_NAMES];
    filter_names(allowed, known);
    filter_init(out);
    for (; *names; names++) {
        *parameter = *names;
        if (name_index(known, *names) >= 0)
            continue;
        const char *nearest = nearest_name(*names, known);
        return nearest ? err_set(err, ERR_INPUT, "there is no such parameter; did you mean %s?", nearest)
                       : err_set(err, ERR_INPUT, "there is no such parameter");
    }
    for (size_t i = 0; i < COUNT_OF(parameters); i++) {
        const char *value = allowed & 1u << i ? lookup(ctx, parameters[i].name) : NULL;
        *parameter = parameters[i].name;
        if (value && !read_one(&parameters[i], allowed, value, out, err))
            return false;
    }
    bind(allowed, route, lookup, ctx, out);
    const char *cursor = allowed & FILTER_CURSOR ? lookup(ctx, "cursor") : NULL;
    *parameter = "cursor";
    if (cursor && !cursor_decode(out, cursor, out->after))
        return err_set(err, ERR_INPUT, "is not one of this list with these filters");
    return true;
}

/* ---- cursors: base64url of 8 bytes of checksum and the key */

enum { SUM_SIZE = 16 };

static void checksum(const struct filter *f, const char *key, char out[SUM_SIZE + 1])
{
    char text[CURSOR_KEY_SIZE + 80], hex[65];
    int size = snprintf(text, sizeof text, "bell cursor %s %s", f->bound, key);
    sha256_hex(text, (size_t)size, hex);
    memcpy(out, hex, SUM_SIZE);
    out[SUM_SIZE] = '\0';
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void cursor_encode(const struct filter *f, const char *key, char out[CURSOR_SIZE])
{
    char plain[SUM_SIZE + CURSOR_KEY_SIZE];
    checksum(f, key, plain);
    assert(strlen(key) < CURSOR_KEY_SIZE);
    strcpy(plain + SUM_SIZE, key);
    size_t size = SUM_SIZE + strlen(key);
    unsigned bits = 0;
    int waiting = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | (unsigned char)plain[i];
        for (waiting += 8; waiting >= 6; waiting -= 6)
            *out++ = digits[bits >> (waiting - 6) & 63];
    }
    if (waiting)
        *out++ = digits[bits << (6 - waiting) & 63];
    *out = '\0';
}

bool cursor_decode(const struct filter *f, const char *cursor, char key[CURSOR_KEY_SIZE])
{
    char plain[SUM_SIZE + CURSOR_KEY_SIZE], sum[SUM_SIZE + 1], again[CURSOR_SIZE];
    size_t size = 0;
    unsigned bits = 0;
    int waiting = 0;
    if (strlen(cursor) >= CURSOR_SIZE)
        return false;
    for (const char *c = cursor; *c; c++) {
        const char *digit = strchr(digits, *c);
        if (!digit || size == sizeof plain - 1)
            return false;
        bits = bits << 6 | (unsigned)(digit - digits);
        if ((waiting += 6) >= 8) {
            plain[size++] = (char)(bits >> (waiting -= 8));
            bits &= (1u << waiting) - 1;
        }
    }
    plain[size] = '\0';
    if (size <= SUM_SIZE || strlen(plain) != size || size - SUM_SIZE >= CURSOR_KEY_SIZE)
        return false;
    checksum(f, plain + SUM_SIZE, sum);
    if (memcmp(sum, plain, SUM_SIZE) != 0)
        return false;
    strcpy(key, plain + SUM_SIZE);
    cursor_encode(f, key, again);
    return strcmp(again, cursor) == 0; /* no second spelling of the same cursor */
}
