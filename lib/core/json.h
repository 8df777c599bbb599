/* json.h - JSON objects to structs and back, by table (jansson underneath).
 *
 * One table per object serves both directions, so what we accept and what we send cannot drift apart.
 * Text is copied into fixed arrays: a decoded struct owns nothing. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "market/market.h"

enum field_kind {
    FIELD_TEXT,  /* char[size]; longer input is a fault, never cut */
    FIELD_UUID,  /* char[37]; any other text is a fault */
    FIELD_INT,   /* int64_t <-> a JSON whole number */
    FIELD_QTY,   /* int64_t whole shares <-> "100"; reads "100", "100.0", 100, 100.0 */
    FIELD_PRICE, /* struct price, or int64_t micros of money <-> "12.34"; reads a number too (to the nearest
                  * millionth: exact below two billion dollars) */
    FIELD_NUMBER_PRICE, /* the same, written as a JSON number (market data: 12.34) */
    FIELD_ENUM,  /* int or enum, by the NULL-terminated list in names */
    FIELD_BOOL,  /* bool */
    FIELD_TIME,  /* int64_t ns <-> RFC 3339 UTC; reads offsets */
    FIELD_TIME_US, /* the same, written with six fraction digits */
    FIELD_DATE,  /* int32_t YYYYMMDD <-> "2013-10-07" */
    FIELD_SYMBOLS, /* struct symbol_list (market/setting.h) <-> ["SPY"] */
};

/* What stands for null in a struct: "" for text, PRICE_NONE, 0 for times and dates, INT64_MIN for numbers
 * and quantities. Read from null or a missing member (unless required), written as null when `null`. */
struct json_field {
    const char *name;
    enum field_kind kind;
    bool required;        /* a fault without it, or when null */
    bool null;            /* "nothing" is written as null; otherwise the member is left out */
    bool reply_only;      /* ours to state: json_decode skips it */
    size_t offset, size;
    const char *const *names;
    int enum_unknown;     /* ENUM: 1 + what an unknown word becomes; 0: a fault */
    int64_t min, max;     /* INT, QTY, PRICE: limits when either is not 0 */
    const char *pattern_help; /* TEXT: what is_valid expects, for the message */
    bool (*is_valid)(const char *text);
};

#define JSON_FIELD(type, member, kind_, ...) \
    { .name = #member, .kind = kind_, .offset = offsetof(type, member), \
      .size = sizeof(((type *)0)->member), __VA_ARGS__ }
/* When the JSON name differs from the member's. */
#define JSON_NAMED(name_, type, member, kind_, ...) \
    { .name = name_, .kind = kind_, .offset = offsetof(type, member), \
      .size = sizeof(((type *)0)->member), __VA_ARGS__ }

struct json_fault {
    char pointer[96]; /* RFC 6901: "/items/3/price" */
    char detail[200]; /* one sentence with the value and what was expected */
};

/* Bounded list of faults; count goes on counting past the end of the array. */
struct json_faults {
    size_t count, max;
    struct json_fault *list;
};
void json_fault_add(struct json_faults *f, const char *pointer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Decodes obj into out, which the caller has zeroed or filled with defaults. A member that is absent and not
 * required leaves the caller's default; where out holds zero bytes it becomes "nothing" (enums, bools and
 * symbol lists stay as they are). An explicit null always is "nothing".
 * All faults are listed; true when there is none.
 * prefix: pointer of obj itself ("" or "/items/3"). strict: unknown members are faults, with the nearest
 * name; otherwise they are ignored. out must not be used unless the answer is true. */
bool json_decode(const json_t *obj, const struct json_field *fields, size_t count, void *out,
                 const char *prefix, bool strict, struct json_faults *faults);

/* The same for those who want one sentence: "price: ..." */
bool json_decode_err(const json_t *obj, const struct json_field *fields, size_t count, void *out,
                     struct err *err);

/* Returns a new reference. Never fails (allocation failure aborts). */
json_t *json_encode(const void *in, const struct json_field *fields, size_t count);

/* Parses one JSON text; duplicates refused; depth and size are the caller's to bound. NULL: err says line
 * and column. */
json_t *json_read(const char *text, size_t len, struct err *err);

/* Compact text of a value, for the caller to free; doubles with 15 digits, so that 12.34 stays 12.34. */
char *json_write(const json_t *value, size_t *len);

/* The name in a NULL-terminated list nearest to text (edit distance at most a third of its length), or
 * NULL. For "did you mean". */
const char *nearest_name(const char *text, const char *const *names);

/* Index of text in a NULL-terminated list, or -1. */
int name_index(const char *const *names, const char *text);

#endif
