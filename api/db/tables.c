/* tables.c - the tables as the database must hold them, made and read from their columns (records.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/db/db.h"
#include "api/records.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

static bool create(struct db *db, const struct table *t, struct err *err)
{
    struct buffer sql = { 0 };
    const char *between = "";
    buffer_printf(&sql, "CREATE TABLE IF NOT EXISTS %s (", t->name);
    for (size_t i = 0; i < t->columns_count; i++)
        if (t->columns[i].sql) {
            buffer_printf(&sql, "%s\"%s\" %s", between, t->columns[i].name, t->columns[i].sql);
            between = ", ";
        }
    buffer_printf(&sql, ") TIMESTAMP(\"%s\") PARTITION BY %s WAL DEDUP UPSERT KEYS(", t->keys[0], t->partition);
    for (size_t i = 0; t->keys[i]; i++)
        buffer_printf(&sql, "%s\"%s\"", i ? ", " : "", t->keys[i]);
    buffer_text(&sql, ")");
    bool ok = db_query(db, sql.data, NULL, 0, NULL, NULL, err);
    buffer_free(&sql);
    return ok;
}

/* What SHOW COLUMNS says of a table. */
struct seen {
    const struct table *table;
    bool has[64];
    char wrong[128]; /* the first column that is of another type, or keyed otherwise */
};

static bool see_column(void *ctx, char *const *v)
{
    struct seen *seen = ctx;
    const struct table *t = seen->table;
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        if (!c->sql || !v[0] || strcmp(c->name, v[0]) != 0)
            continue;
        bool is_key = false;
        for (size_t k = 0; t->keys[k]; k++)
            is_key = is_key || strcmp(t->keys[k], c->name) == 0;
        seen->has[i] = true;
        if (!*seen->wrong && (!v[1] || strcmp(v[1], c->sql) != 0 || is_key != (v[2] && *v[2] == 't')))
            snprintf(seen->wrong, sizeof seen->wrong, "column %s is %s%s", c->name, v[1] ? v[1] : "nothing",
                     v[2] && *v[2] == 't' ? " and a dedup key" : "");
    }
    return true;
}

static bool complete(struct db *db, const struct table *t, struct err *err)
{
    struct seen seen = { .table = t };
    char sql[256];
    assert(t->columns_count <= COUNT_OF(seen.has));
    snprintf(sql, sizeof sql, "SELECT \"column\", \"type\", upsertKey FROM table_columns('%s')", t->name);
    if (!db_query(db, sql, NULL, 0, see_column, &seen, err))
        return false;
    if (*seen.wrong)
        return err_set(err, ERR_CONFLICT, "table %s is of another shape: %s", t->name, seen.wrong);
    for (size_t i = 0; i < t->columns_count; i++) {
        if (!t->columns[i].sql || seen.has[i])
            continue;
        log_info("column_added", KV_TEXT("table", t->name), KV_TEXT("column", t->columns[i].name));
        snprintf(sql, sizeof sql, "ALTER TABLE %s ADD COLUMN \"%s\" %s", t->name, t->columns[i].name,
                 t->columns[i].sql);
        if (!db_query(db, sql, NULL, 0, NULL, NULL, err))
            return false;
    }
    return true;
}

struct name {
    char *out;
    size_t size;
};

static bool see_suspended(void *ctx, char *const *v)
{
    struct name *name = ctx;
    for (size_t i = 0; tables[i]; i++)
        if (v[0] && strcmp(tables[i]->name, v[0]) == 0)
            text_copy(name->out, name->size, v[0]);
    return true;
}

bool db_suspended(struct db *db, char *out, size_t size, struct err *err)
{
    *out = '\0';
    return db_query(db, "SELECT name FROM wal_tables() WHERE suspended", NULL, 0, see_suspended,
                    &(struct name){ out, size }, err);
}

/* An answer on its own: what is asked after it sees all that was written before. */
static bool wait_readable(struct db *db, const struct table *t, struct err *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT wait_wal_table('%s')", t->name);
    return db_query(db, sql, NULL, 0, NULL, NULL, err);
}

bool db_prepare_tables(struct db *db, struct err *err)
{
    char suspended[64];
    for (size_t i = 0; tables[i]; i++)
        if (!create(db, tables[i], err) || !complete(db, tables[i], err))
            return err_prefix(err, "table %s", tables[i]->name);
    if (!db_suspended(db, suspended, sizeof suspended, err))
        return false;
    if (*suspended)
        return err_set(err, ERR_CONFLICT, "table %s is suspended: ALTER TABLE %s RESUME WAL", suspended, suspended);
    for (size_t i = 0; tables[i]; i++)
        if (!wait_readable(db, tables[i], err))
            return err_prefix(err, "table %s", tables[i]->name);
    return true;
}

/* ---- lists */

struct statement {
    struct buffer sql;
    const char *values[512];
    size_t count;
    char times[2][TIME_TEXT_SIZE];
    char after[CURSOR_KEY_SIZE]; /* the cursor's key, cut at its newlines */
};

static const char *value_name(struct statement *s, const char *value, char out[16])
{
    assert(s->count < COUNT_OF(s->values));
    s->values[s->count++] = value;
    snprintf(out, 16, "$%zu", s->count);
    return out;
}

static void only(struct statement *s, const struct table *t, const char *column, const struct words *words)
{
    char name[16];
    if (!words->count)
        return;
    table_column(t, column);
    buffer_printf(&s->sql, " AND \"%s\" IN (", column);
    for (size_t i = 0; i < words->count; i++)
        buffer_printf(&s->sql, "%s%s", i ? "," : "", value_name(s, words->texts[i], name));
    buffer_text(&s->sql, ")");
}

/* Rows whose keys come after those of the cursor; there is no row comparison, so it is spelt out. */
static bool after_cursor(struct statement *s, const struct table *t)
{
    const char *parts[8];
    char name[16];
    size_t count = 0;
    if (!*s->after)
        return true;
    for (char *rest = s->after; rest && count < COUNT_OF(parts); )
        parts[count++] = strsep(&rest, "\n");
    for (size_t i = 0; i < count; i++)
        if (!t->keys[i])
            return false;
    if (t->keys[count])
        return false;
    buffer_printf(&s->sql, " AND \"%s\" >= %s AND (", t->keys[0], value_name(s, parts[0], name));
    for (size_t i = 0; i < count; i++) {
        buffer_text(&s->sql, i ? " OR (" : "(");
        for (size_t k = 0; k <= i; k++)
            buffer_printf(&s->sql, "%s\"%s\" %s %s", k ? " AND " : "", t->keys[k], k == i ? ">" : "=",
                          value_name(s, parts[k], name));
        buffer_text(&s->sql, ")");
    }
    buffer_text(&s->sql, ")");
    return true;
}

struct listing {
    const struct table *table;
    const struct column *columns[64];
    size_t count;
    void *record;
    db_record *row;
    void *ctx;
};

static bool read_row(void *ctx, char *const *values)
{
    struct listing *l = ctx;
    table_init(l->table, l->record);
    for (size_t i = 0; i < l->count; i++)
        if (!column_from_db(l->columns[i], values[i], l->record)) {
            log_error("row_misread", KV_TEXT("table", l->table->name), KV_TEXT("column", l->columns[i]->name),
                      KV_TEXT("value", values[i] ? values[i] : "null"));
            return false;
        }
    return l->row(l->ctx, l->record);
}

static void where(struct statement *s, const struct table *t, const struct filter *f)
{
    const struct { const char *column; const struct words *words; } lists[] = {
        { "account", &f->account }, { "strategy", &f->strategy }, { "symbol", &f->symbol }, { "run_id", &f->run_id },
        { "status", &f->status }, { "source", &f->source }, { "order_id", &f->order_id }, { "event", &f->event },
    };
    char name[16];
    buffer_text(&s->sql, " WHERE 1 = 1");
    if (f->start != INT64_MIN) {
        time_format_us(f->start, s->times[0]);
        buffer_printf(&s->sql, " AND \"%s\" >= %s", t->keys[0], value_name(s, s->times[0], name));
    }
    if (f->end != INT64_MAX) {
        time_format_us(f->end, s->times[1]);
        buffer_printf(&s->sql, " AND \"%s\" < %s", t->keys[0], value_name(s, s->times[1], name));
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        only(s, t, lists[i].column, lists[i].words);
}

bool db_list(struct db *db, const struct table *t, const struct filter *f, size_t limit, bool long_texts,
             db_record *row, void *ctx, struct err *err)
{
    bool ok = false;
    struct statement *s = must_alloc(1, sizeof *s);
    struct listing l = { .table = t, .record = must_alloc(1, t->record_size), .row = row, .ctx = ctx };
    text_copy(s->after, sizeof s->after, f->after);

    buffer_text(&s->sql, "SELECT ");
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        if (!c->sql || (c->kind == COLUMN_LONG_TEXT && !long_texts))
            continue;
        buffer_printf(&s->sql, "%s\"%s\"", l.count ? "," : "", c->name);
        l.columns[l.count++] = c;
    }
    buffer_printf(&s->sql, " FROM %s", t->name);
    where(s, t, f);
    if (!after_cursor(s, t)) {
        err_set(err, ERR_INPUT, "the cursor is not one of this list");
        goto done;
    }
    for (size_t i = 0; t->keys[i]; i++)
        buffer_printf(&s->sql, "%s\"%s\"", i ? ", " : " ORDER BY ", t->keys[i]);
    if (limit)
        buffer_printf(&s->sql, " LIMIT %zu", limit);
    ok = wait_readable(db, t, err) && db_query(db, s->sql.data, s->values, s->count, read_row, &l, err);
done:
    free(l.record);
    buffer_free(&s->sql);
    free(s);
    return ok;
}

/* ---- all of a table */

struct partitions {
    struct slice {
        int64_t first_at, last_at;
    } *list;
    size_t count;
};

static bool see_partition(void *ctx, char *const *v)
{
    struct partitions *p = ctx;
    static const struct column times[] = {
        COLUMN(struct slice, first_at, COLUMN_TIME), COLUMN(struct slice, last_at, COLUMN_TIME),
    };
    p->list = must_realloc(p->list, p->count + 1, sizeof *p->list);
    struct slice *slice = &p->list[p->count++];
    return v[0] && v[1] && column_from_db(&times[0], v[0], slice) && column_from_db(&times[1], v[1], slice);
}

bool db_load(struct db *db, const struct table *t, db_record *row, void *ctx, struct err *err)
{
    struct partitions partitions = { 0 };
    struct filter slice;
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT minTimestamp, maxTimestamp FROM table_partitions('%s') WHERE numRows > 0", t->name);
    bool ok = wait_readable(db, t, err) && db_query(db, sql, NULL, 0, see_partition, &partitions, err);
    filter_init(&slice);
    for (size_t i = 0; ok && i < partitions.count; i++) {
        slice.start = partitions.list[i].first_at;
        slice.end = partitions.list[i].last_at + 1000; /* the database's microsecond */
        ok = db_list(db, t, &slice, 0, false, row, ctx, err);
    }
    free(partitions.list);
    return ok;
}
