/* column.h - a member of a record, described once: how it stands in the database, in JSON and in CSV.
 *
 * "Nothing" in a record is "" (where the column may be null), INT64_MIN for numbers and 0 for times; it is
 * NULL in the database, null in JSON and an empty cell in CSV. Pure. */
#ifndef API_COLUMN_H
#define API_COLUMN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"

enum column_kind {
    COLUMN_TEXT,      /* char[size] */
    COLUMN_LONG_TEXT, /* const char *, lent; NULL is nothing */
    COLUMN_NAME,      /* an enum, by names */
    COLUMN_COUNT,     /* int64_t <-> 3 */
    COLUMN_QTY,       /* int64_t whole shares <-> "100" */
    COLUMN_MONEY,     /* int64_t micros or struct price <-> "12.34"; millionths in the database */
    COLUMN_TIME,      /* int64_t ns UTC, whole microseconds <-> "2013-10-07T13:30:00.000000Z" */
    COLUMN_DATE,      /* int32_t YYYYMMDD <-> "2013-10-07"; never in the database */
    COLUMN_SYMBOLS,   /* struct symbol_list <-> ["SPY","IBM"]; "SPY IBM" in CSV and in the database */
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset, size;
    const char *const *names;
    const char *sql;   /* its type in the database, as a column of its own; NULL: packed, or not stored */
    bool packed;       /* stored in the table's column "packed": a commit writes each column's files, and they are what
                          it costs. LONG_TEXT comes last */
    bool null;         /* TEXT: "" is nothing */
    bool hidden;       /* not in replies */
    bool derived;      /* not in exports: table->derive gives it */
};

#define COLUMN(type, member, kind_, ...) \
    { .name = #member, .kind = kind_, .offset = offsetof(type, member), \
      .size = sizeof(((type *)0)->member), __VA_ARGS__ }

/* A record type: its table, or only a view of memory when keys is NULL. */
struct table {
    const char *name;
    const struct column *columns;
    size_t columns_count;
    size_t record_size;
    const char *const *keys;     /* NULL-terminated: dedup key and order of a listing; the first is the
                                    designated timestamp */
    const char *partition;       /* "DAY", "MONTH" */
    void (*derive)(void *record); /* works out what follows from other members: for rows of an earlier layout; or NULL */
};

void table_init(const struct table *t, void *record); /* all "nothing" */
bool table_is_packed(const struct table *t);
const struct column *table_column(const struct table *t, const char *name); /* must exist */

enum { COLUMN_SCRATCH = 1024 };
/* The value as a parameter of a statement: NULL for NULL; lives in scratch or in the record. */
const char *column_to_db(const struct column *c, const void *record, char scratch[COLUMN_SCRATCH]);
/* From a result's text (NULL: nothing). LONG_TEXT keeps the pointer. False: not what was stored by us. */
bool column_from_db(const struct column *c, const char *text, void *record);

/* The packed columns in their order, as in COPY's text format: tabs between, \N for nothing, and \\ \t \n \r in texts. */
void record_pack(const struct table *t, const void *record, struct buffer *out);
/* text is changed, and lent to a LONG_TEXT. is_head: only the head of what was packed is here, LONG_TEXT is left out.
 * Columns added since are nothing. */
bool record_unpack(const struct table *t, char *text, bool is_head, void *record);
enum { PACKED_HEAD = 1024 }; /* characters: what comes before a LONG_TEXT is shorter */

/* Where a record stands in the order of its keys: for a cursor. */
void record_key(const struct table *t, const void *record, char *out, size_t size);

bool text_is_utf8(const char *text);
/* From a cell of our own CSV. LONG_TEXT keeps the pointer. False: it is none of this column. */
bool column_from_csv(const struct column *c, const char *text, void *record);
/* Is it stored, and told in an export? */
bool column_is_exported(const struct column *c);

void column_json(const struct column *c, const void *record, struct buffer *out);
void column_csv(const struct column *c, const void *record, struct buffer *out);

#endif
