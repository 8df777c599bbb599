/* db.h - QuestDB over the PostgreSQL wire: one connection, and a few for readers. The only users of libpq.
 *
 * QuestDB is not PostgreSQL: SQLSTATE says nothing, an error in a batch neither undoes it nor tells the row,
 * acknowledged is not yet readable. What that means is dealt with here: rows are inserted by prepared
 * statements in a pipeline with one Sync, dedup keys make a repeat the same row, reads wait for the table.
 *
 * Threads: a connection is its holder's. The pool is anybody's. */
#ifndef API_DB_DB_H
#define API_DB_DB_H

#include "api/column.h"
#include "api/filter.h"
#include "core/err.h"

struct db_options {
    const char *host, *user, *password; /* lent: must outlive every connection */
    int64_t port;
    int64_t statement_timeout_ms;
    int64_t silence_ms;                 /* no answer for so long: the connection counts as lost */
};

struct db; /* one connection */

struct db *db_open(const struct db_options *options, struct err *err); /* NULL: err */
struct db *db_open_like(const struct db *db, struct err *err); /* another of the same options */
void db_close(struct db *db);
bool db_is_lost(const struct db *db);   /* of no more use: close it and open another */

/* One statement, its values as parameters (NULL: null). row is called for each row with its values as text
 * (NULL: null), lent; it returns false to say that the row is not what was expected. ERR_IO: the connection is lost,
 * or the server took too long; ERR_INTERNAL: it refused. */
typedef bool db_row(void *ctx, char *const *values);
bool db_query(struct db *db, const char *sql, const char *const *values, size_t values_count,
              db_row *row, void *ctx, struct err *err);
/* The same in two steps: asked, and its first row (or its end) is there; then the rows. */
bool db_ask(struct db *db, const char *sql, const char *const *values, size_t values_count, struct err *err);
bool db_rows(struct db *db, db_row *row, void *ctx, struct err *err);

/* Makes the tables, adds columns that are missing, takes over the rows of an earlier layout, refuses when a table is
 * suspended or of another shape, waits until what was written is readable. */
bool db_prepare_tables(struct db *db, struct err *err);
/* The name of a suspended table of ours in out, or "". */
bool db_suspended(struct db *db, char *out, size_t size, struct err *err);

struct db_insert {
    const struct table *table;
    const void *record;
};
enum db_outcome {
    DB_STORED,   /* all rows are in the write-ahead log */
    DB_LOST,     /* unknown: connect again and repeat; dedup makes it once */
    DB_REFUSED,  /* a row was refused; of the others some may be stored: repeat them one by one */
};
enum db_outcome db_insert(struct db *db, const struct db_insert *rows, size_t count, struct err *err);

/* Calls row with each record of the table that the filter lets through, in the order of its keys, from
 * after the filter's cursor, at most limit (0: all). Waits first until what was written is readable. Long texts are left
 * out (NULL) unless long_texts. */
typedef bool db_record(void *ctx, const void *record);
bool db_list(struct db *db, const struct table *t, const struct filter *f, size_t limit, bool long_texts,
             db_record *row, void *ctx, struct err *err);

/* Each record of the table, without its long texts, partition by partition: a statement may not take longer than its
 * timeout, and one over years of bars would. */
bool db_load(struct db *db, const struct table *t, db_record *row, void *ctx, struct err *err);

/* ---- whole tables */

/* A table as it stands when db_dump_begin has come back, whatever is written later; in the order of time, with long texts.
 * The connection is the dump's alone until db_dump has read it to its end. */
bool db_dump_begin(struct db *db, const struct table *t, struct err *err);
bool db_dump(struct db *db, const struct table *t, db_record *row, void *ctx, struct err *err);
bool db_count(struct db *db, const struct table *t, int64_t *count, struct err *err);

/* Rows one after the other, copied, stored by the thousand. */
struct db_bulk { /* zeroed but for store and ctx; db_bulk_end in all cases */
    enum db_outcome (*store)(void *ctx, const struct db_insert *rows, size_t count, struct err *err);
    void *ctx;
    struct db_insert *rows;
    char **texts;
    size_t count;
    int64_t stored;
};
bool db_bulk_add(struct db_bulk *b, const struct table *t, const void *record, struct err *err);
bool db_bulk_flush(struct db_bulk *b, struct err *err);
void db_bulk_end(struct db_bulk *b); /* what was not flushed is dropped */

/* ---- readers' connections: opened when needed, at most POOL_SIZE, kept */
enum { POOL_SIZE = 4, POOL_WAIT_S = 5 };
struct db_pool;
struct db_pool *db_pool_new(const struct db_options *options); /* options lent */
void db_pool_free(struct db_pool *p);   /* every connection must have been given back */
/* Waits its turn, POOL_WAIT_S at most. NULL: none came free, or the database cannot be reached. */
struct db *db_pool_take(struct db_pool *p, struct err *err);
void db_pool_give(struct db_pool *p, struct db *db);

#endif
