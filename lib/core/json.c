#include "core/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "market/calendar.h"
#include "market/setting.h"

/* ---- names */

int name_index(const char *const *names, const char *text)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

enum { NAME_MAX_LEN = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours, each 1 (optimal string alignment).
 */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] =
                least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_len];
}

const char *nearest_name(const char *text, const char *const *names)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX, len = strlen(text);
    for (; *names; names++) {
        size_t name_len = strlen(*names);
        if (len > NAME_MAX_LEN || name_len > NAME_MAX_LEN)
            continue;
        size_t d = distance(text, len, *names, name_len);
        if (d <= name_len / 3 && d < nearest_distance) {
            nearest = *names;
            nearest_distance = d;
        }
    }
    return nearest;
}

/* ---- faults */

/* Cuts a character that was cut in the middle. */
static void trim_utf8(char *text)
{
    size_t len = strlen(text), start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (len - start + 1 < needed)
        text[start - 1] = '\0';
}

void json_fault_add(struct json_faults *f, const char *pointer, const char *fmt, ...)
{
    if (f->count++ >= f->max)
        return;
    struct json_fault *fault = &f->list[f->count - 1];
    snprintf(fault->pointer, sizeof fault->pointer, "%s", pointer);
    trim_utf8(fault->pointer);
    va_list args;
    va_start(args, fmt);
    vsnprintf(fault->detail, sizeof fault->detail, fmt, args);
    va_end(args);
    trim_utf8(fault->detail);
}

enum {
    POINTER_SIZE = sizeof(((struct json_fault *)0)->pointer),
    SHOWN_SIZE = 72,
    EXPECTED_SIZE = 160
};

static void pointer_to(char out[POINTER_SIZE], const char *prefix, const char *name)
{
    size_t n = (size_t)snprintf(out, POINTER_SIZE, "%s/", prefix);
    for (; *name && n + 2 < POINTER_SIZE; name++) {
        bool is_escaped = *name == '~' || *name == '/';
        if (is_escaped)
            out[n++] = '~';
        out[n++] = *name == '~' ? '0' : *name == '/' ? '1' : *name;
    }
    if (n < POINTER_SIZE)
        out[n] = '\0';
}

/* The value as it was sent, short enough for a sentence. */
static void show(const json_t *value, char out[SHOWN_SIZE])
{
    if (json_is_object(value) || json_is_array(value)) {
        snprintf(out, SHOWN_SIZE, "%s", json_is_object(value) ? "an object" : "a list");
        return;
    }
    /* jansson escapes what needs it; a value that was read is always writable. */
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (text && strlen(text) < SHOWN_SIZE) {
        memcpy(out, text, strlen(text) + 1);
    } else {
        snprintf(out, SHOWN_SIZE - 3, "%s", text ? text : "the value");
        trim_utf8(out);
        strcat(out, "...");
    }
    free(text);
}

struct place { /* where in the text, and whom to tell */
    const struct json_field *field;
    const char *pointer;
    struct json_faults *faults;
};

static bool has_limits(const struct json_field *f)
{
    return f->min != 0 || f->max != 0;
}

static void join_names(char *out, size_t size, const char *const *names)
{
    size_t n = 0;
    out[0] = '\0';
    for (; *names && n < size; names++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", *names);
}

static void expected(const struct json_field *f, char out[EXPECTED_SIZE])
{
    char names[EXPECTED_SIZE - 16], low[PRICE_TEXT_MAX], high[PRICE_TEXT_MAX];
    switch (f->kind) {
    case FIELD_TEXT:
        if (f->pattern_help)
            snprintf(out, EXPECTED_SIZE, "%s", f->pattern_help);
        else
            snprintf(out, EXPECTED_SIZE, "text of at most %zu bytes", f->size - 1);
        break;
    case FIELD_UUID:
        snprintf(out, EXPECTED_SIZE, "a UUID in lower case: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        break;
    case FIELD_INT:
    case FIELD_QTY:
        if (has_limits(f))
            snprintf(out, EXPECTED_SIZE, "a whole number from %" PRId64 " to %" PRId64, f->min,
                     f->max);
        else
            snprintf(out, EXPECTED_SIZE,
                     f->kind == FIELD_INT ? "a whole number" : "whole shares such as \"100\"");
        break;
    case FIELD_PRICE:
    case FIELD_NUMBER_PRICE:
        price_format((struct price){ f->min }, low);
        price_format((struct price){ f->max }, high);
        if (has_limits(f))
            snprintf(out, EXPECTED_SIZE, "a decimal from %s to %s", low, high);
        else
            snprintf(out, EXPECTED_SIZE,
                     "a decimal with at most six digits after the point, such as \"12.34\"");
        break;
    case FIELD_ENUM:
        join_names(names, sizeof names, f->names);
        snprintf(out, EXPECTED_SIZE, "one of %s", names);
        break;
    case FIELD_BOOL:
        snprintf(out, EXPECTED_SIZE, "true or false");
        break;
    case FIELD_TIME:
    case FIELD_TIME_US:
        snprintf(out, EXPECTED_SIZE, "an RFC 3339 time such as \"2013-10-07T13:30:00Z\"");
        break;
    case FIELD_DATE:
        snprintf(out, EXPECTED_SIZE, "a date such as \"2013-10-07\"");
        break;
    case FIELD_SYMBOLS:
        snprintf(out, EXPECTED_SIZE,
                 "a list of at most %d different symbols such as [\"SPY\", \"BRK.B\"]",
                 SYMBOLS_MAX);
        break;
    }
}

static bool refuse(const struct place *at, const json_t *value)
{
    char shown[SHOWN_SIZE], wanted[EXPECTED_SIZE];
    show(value, shown);
    expected(at->field, wanted);
    json_fault_add(at->faults, at->pointer, "%s is not %s", shown, wanted);
    return false;
}

/* ---- reading */

/* The string without a NUL inside, which C text cannot hold. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool read_text(const struct place *at, const json_t *value, char *out)
{
    const struct json_field *f = at->field;
    const char *text = text_of(value);
    if (!text)
        return refuse(at, value);
    if (strlen(text) >= f->size) {
        json_fault_add(at->faults, at->pointer, "%zu bytes are too long; expected %zu at most",
                       strlen(text), f->size - 1);
        return false;
    }
    if (f->required && !*text) /* "" is nothing, as null is */
        return refuse(at, value);
    if ((f->is_valid && !f->is_valid(text)) || (f->kind == FIELD_UUID && !uuid_is_valid(text)))
        return refuse(at, value);
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* A double that holds a whole number exactly. */
static bool whole_from_double(double number, int64_t *out)
{
    if (!(fabs(number) <= 9007199254740992.0) || number != floor(number))
        return false;
    *out = (int64_t)number;
    return true;
}

static bool read_int(const struct place *at, const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return *out != INT64_MIN || refuse(at, value); /* INT64_MIN is "nothing" */
    }
    return (json_is_real(value) && whole_from_double(json_real_value(value), out)) ||
           refuse(at, value);
}

static bool whole_from_text(const char *text, int64_t *out)
{
    bool is_negative = *text == '-';
    const char *p = text + is_negative;
    int64_t n = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return false;
    }
    if (*p == '.') { /* "100.0" */
        const char *zeros = ++p;
        while (*p == '0')
            p++;
        if (p == zeros)
            return false;
    }
    *out = is_negative ? -n : n;
    return *p == '\0';
}

static bool read_qty(const struct place *at, const json_t *value, int64_t *out)
{
    if (!json_is_string(value))
        return read_int(at, value, out);
    const char *text = text_of(value);
    if (text && whole_from_text(text, out))
        return true;
    struct price fraction;
    if (text && price_parse(text, strlen(text), &fraction)) {
        json_fault_add(at->faults, at->pointer,
                       "\"%s\" is not whole shares: fractions of a share are not traded here",
                       text);
        return false;
    }
    return refuse(at, value);
}

static bool read_price(const struct place *at, const json_t *value, int64_t *out)
{
    struct price p = { 0 };
    bool ok = false;
    if (json_is_string(value)) {
        const char *text = text_of(value);
        ok = text && price_parse(text, strlen(text), &p);
    } else if (json_is_integer(value)) {
        ok = !__builtin_mul_overflow(json_integer_value(value), PRICE_SCALE, &p.micros);
    } else if (json_is_real(value)) {
        ok = price_from_double(json_real_value(value), &p);
    }
    if (!ok || !price_is_set(p))
        return refuse(at, value);
    *out = p.micros;
    return true;
}

static bool read_enum(const struct place *at, const json_t *value, int *out)
{
    const struct json_field *f = at->field;
    const char *text = text_of(value);
    int index = text ? name_index(f->names, text) : -1;
    if (index < 0 && text && f->enum_unknown)
        index = f->enum_unknown - 1;
    if (index < 0) {
        const char *nearest = text ? nearest_name(text, f->names) : NULL;
        if (!nearest)
            return refuse(at, value);
        char wanted[EXPECTED_SIZE];
        expected(f, wanted);
        json_fault_add(at->faults, at->pointer, "\"%s\" is not %s; did you mean %s?", text, wanted,
                       nearest);
        return false;
    }
    *out = index;
    return true;
}

static bool read_symbols(const struct place *at, const json_t *value, struct symbol_list *out)
{
    struct symbol_list list = { 0 };
    if (!json_is_array(value) || json_array_size(value) > SYMBOLS_MAX)
        return refuse(at, value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *text = text_of(json_array_get(value, i));
        bool ok = text && symbol_is_valid(text);
        for (int64_t j = 0; ok && j < list.count; j++)
            ok = strcmp(list.names[j], text) != 0;
        if (!ok) {
            char shown[SHOWN_SIZE];
            show(json_array_get(value, i), shown);
            json_fault_add(at->faults, at->pointer,
                           "%s, number %zu, is not a symbol such as \"SPY\" or is there twice",
                           shown, i);
            return false;
        }
        text_copy(list.names[list.count++], SYMBOL_SIZE, text);
    }
    *out = list;
    return true;
}

static bool within_limits(const struct place *at, const json_t *value, int64_t n)
{
    const struct json_field *f = at->field;
    return !has_limits(f) || (n >= f->min && n <= f->max) || refuse(at, value);
}

static bool read_value(const struct place *at, const json_t *value, char *member)
{
    const struct json_field *f = at->field;
    int64_t n = 0;
    int32_t date = 0;
    int index = 0;
    const char *text = text_of(value);
    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_UUID:
        return read_text(at, value, member);
    case FIELD_INT:
        if (!read_int(at, value, &n) || !within_limits(at, value, n))
            return false;
        memcpy(member, &n, sizeof n);
        return true;
    case FIELD_QTY:
        if (!read_qty(at, value, &n) || !within_limits(at, value, n))
            return false;
        memcpy(member, &n, sizeof n);
        return true;
    case FIELD_PRICE:
    case FIELD_NUMBER_PRICE:
        if (!read_price(at, value, &n) || !within_limits(at, value, n))
            return false;
        memcpy(member, &n, sizeof n);
        return true;
    case FIELD_ENUM:
        if (!read_enum(at, value, &index))
            return false;
        memcpy(member, &index, sizeof index);
        return true;
    case FIELD_BOOL: {
        bool is_true = json_is_true(value);
        if (!json_is_boolean(value))
            return refuse(at, value);
        memcpy(member, &is_true, sizeof is_true);
        return true;
    }
    case FIELD_TIME:
    case FIELD_TIME_US:
        if (!text || !time_parse(text, strlen(text), &n))
            return refuse(at, value);
        memcpy(member, &n, sizeof n);
        return true;
    case FIELD_DATE:
        if (!text || !calendar_date_parse(text, strlen(text), &date))
            return refuse(at, value);
        memcpy(member, &date, sizeof date);
        return true;
    case FIELD_SYMBOLS:
        return read_symbols(at, value, (struct symbol_list *)(void *)member);
    }
    return false;
}

static void set_nothing(const struct json_field *f, char *member)
{
    const int64_t none = INT64_MIN;
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_QTY:
    case FIELD_PRICE:
    case FIELD_NUMBER_PRICE:
        memcpy(member, &none, sizeof none);
        break;
    case FIELD_ENUM:
    case FIELD_BOOL:
        break;
    default:
        memset(member, 0, f->size);
    }
}

static bool is_zero(const char *member, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (member[i] != 0)
            return false;
    }
    return true;
}

static const struct json_field *field_named(const struct json_field *fields, size_t count,
                                            const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

enum { FIELDS_SUGGESTED = 64 };

static void refuse_unknown(const json_t *obj, const struct json_field *fields, size_t count,
                           const char *prefix, struct json_faults *faults)
{
    const char *names[FIELDS_SUGGESTED + 1];
    size_t named = 0;
    for (size_t i = 0; i < count && named < FIELDS_SUGGESTED; i++) {
        if (!fields[i].reply_only)
            names[named++] = fields[i].name;
    }
    names[named] = NULL;

    const char *name;
    json_t *value;
    json_object_foreach((json_t *)obj, name, value)
    {
        if (field_named(fields, count, name))
            continue;
        char pointer[POINTER_SIZE];
        pointer_to(pointer, prefix, name);
        const char *nearest = nearest_name(name, names);
        if (nearest)
            json_fault_add(faults, pointer, "there is no member of this name; did you mean %s?",
                           nearest);
        else
            json_fault_add(faults, pointer, "there is no member of this name");
    }
}

bool json_decode(const json_t *obj, const struct json_field *fields, size_t count, void *out,
                 const char *prefix, bool strict, struct json_faults *faults)
{
    size_t faults_before = faults->count;
    if (!json_is_object(obj)) {
        char shown[SHOWN_SIZE];
        show(obj ? obj : json_null(), shown);
        json_fault_add(faults, prefix, "%s stands where an object was expected", shown);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct json_field *f = &fields[i];
        char *member = (char *)out + f->offset;
        if (f->reply_only)
            continue;
        const json_t *value = json_object_get(obj, f->name);
        if (value && !json_is_null(value)) {
            char pointer[POINTER_SIZE];
            pointer_to(pointer, prefix, f->name);
            read_value(&(struct place){ f, pointer, faults }, value, member);
        } else if (f->required) {
            char pointer[POINTER_SIZE], wanted[EXPECTED_SIZE];
            pointer_to(pointer, prefix, f->name);
            expected(f, wanted);
            json_fault_add(faults, pointer, "is required: %s", wanted);
        } else if (value || is_zero(member, f->size)) {
            set_nothing(f, member);
        }
    }
    if (strict)
        refuse_unknown(obj, fields, count, prefix, faults);
    return faults->count == faults_before;
}

bool json_decode_err(const json_t *obj, const struct json_field *fields, size_t count, void *out,
                     struct err *err)
{
    struct json_fault fault;
    struct json_faults faults = { .max = 1, .list = &fault };
    if (json_decode(obj, fields, count, out, "", false, &faults))
        return true;
    const char *name = fault.pointer[0] == '/' ? fault.pointer + 1 : fault.pointer;
    return err_set(err, ERR_INPUT, "%s%s%s", name, *name ? ": " : "", fault.detail);
}

/* ---- writing */

static json_t *must_json(json_t *value)
{
    return value ? value : must_realloc(NULL, SIZE_MAX, 2); /* aborts, and says why */
}

/* Text that is not UTF-8 (a foreign message, cut) is written with '?' for every byte beyond ASCII:
 * it must not cost us the rest. */
static json_t *json_of_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size);
    json_t *value = json_stringn(text, len);
    if (value)
        return value;
    char *ascii = must_alloc(len + 1, 1);
    for (size_t i = 0; i < len; i++)
        ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    value = json_stringn(ascii, len);
    free(ascii);
    return value;
}

/* NULL for "nothing". */
static json_t *value_of(const struct json_field *f, const char *member)
{
    char text[TIME_TEXT_SIZE];
    int64_t n = 0;
    int32_t date = 0;
    int index = 0;
    if (f->size == sizeof n)
        memcpy(&n, member, sizeof n);
    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_UUID:
        return *member ? must_json(json_of_text(member, f->size)) : NULL;
    case FIELD_INT:
        return n == INT64_MIN ? NULL : must_json(json_integer(n));
    case FIELD_QTY:
        snprintf(text, sizeof text, "%" PRId64, n);
        return n == INT64_MIN ? NULL : must_json(json_string(text));
    case FIELD_PRICE:
        price_format((struct price){ n }, text);
        return n == INT64_MIN ? NULL : must_json(json_string(text));
    case FIELD_NUMBER_PRICE:
        return n == INT64_MIN ? NULL : must_json(json_real((double)n / (double)PRICE_SCALE));
    case FIELD_ENUM: {
        memcpy(&index, member, sizeof index);
        int names = 0;
        while (f->names[names])
            names++;
        return index < 0 || index >= names ? NULL : must_json(json_string(f->names[index]));
    }
    case FIELD_BOOL:
        return json_boolean(*member);
    case FIELD_TIME:
        time_format(n, text);
        return n == 0 ? NULL : must_json(json_string(text));
    case FIELD_TIME_US:
        time_format_us(n, text);
        return n == 0 ? NULL : must_json(json_string(text));
    case FIELD_DATE:
        memcpy(&date, member, sizeof date);
        calendar_date_format(date, text);
        return date == 0 ? NULL : must_json(json_string(text));
    case FIELD_SYMBOLS: {
        const struct symbol_list *list = (const struct symbol_list *)(const void *)member;
        json_t *array = must_json(json_array());
        for (int64_t i = 0; i < list->count && i < SYMBOLS_MAX; i++)
            json_array_append_new(array, must_json(json_of_text(list->names[i], SYMBOL_SIZE)));
        return array;
    }
    }
    return NULL;
}

json_t *json_encode(const void *in, const struct json_field *fields, size_t count)
{
    json_t *obj = must_json(json_object());
    for (size_t i = 0; i < count; i++) {
        json_t *value = value_of(&fields[i], (const char *)in + fields[i].offset);
        if (!value && fields[i].null)
            value = json_null();
        if (value && json_object_set_new(obj, fields[i].name, value) != 0)
            must_json(NULL);
    }
    return obj;
}

/* ---- text */

json_t *json_read(const char *text, size_t len, struct err *err)
{
    json_error_t error;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        err_set(err, ERR_INPUT, "not JSON: line %d, column %d: %s", error.line, error.column,
                error.text);
    return value;
}

char *json_write(const json_t *value, size_t *len)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (!text)
        must_json(NULL);
    if (len)
        *len = strlen(text);
    return text;
}
