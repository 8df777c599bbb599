/* tables.c - the tables as the database must hold them, made and read from their columns (records.c).
 *
 * What a commit costs is the files it writes, some 0.2 ms each: one a column, two a VARCHAR. So the tables that fills go
 * into keep in columns of their own only what is asked for by, and the rest in one text, "packed". The layout before
 * had a column for each member: its rows are moved when it is found. */
#include <stdarg.h>
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
    if (table_is_packed(t))
        buffer_text(&sql, ", \"packed\" VARCHAR");
    buffer_printf(&sql, ") TIMESTAMP(\"%s\") PARTITION BY %s WAL DEDUP UPSERT KEYS(", t->keys[0], t->partition);
    for (size_t i = 0; t->keys[i]; i++)
        buffer_printf(&sql, "%s\"%s\"", i ? ", " : "", t->keys[i]);
    buffer_text(&sql, ")");
    bool ok = db_query(db, sql.data, NULL, 0, NULL, NULL, err);
    buffer_free(&sql);
    return ok;
}

/* What is seen of a table that is there. */
struct seen {
    const struct table *table;
    bool is_packed, has[64], is_other[64]; /* is_other: of another type */
    char wrong[160]; /* the first column that is of another type, keyed otherwise, or not known */
};

static bool see_column(void *ctx, char *const *v)
{
    struct seen *seen = ctx;
    const struct table *t = seen->table;
    const char *name = v[0] ? v[0] : "", *type = v[1] ? v[1] : "nothing";
    bool is_key = v[2] && *v[2] == 't', is_known = false;
    if (table_is_packed(t) && strcmp(name, "packed") == 0)
        seen->is_packed = is_known = true;
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        bool should_be_key = false;
        if (strcmp(c->name, name) != 0)
            continue;
        for (size_t k = 0; t->keys[k]; k++)
            should_be_key = should_be_key || strcmp(t->keys[k], name) == 0;
        seen->has[i] = is_known = true;
        seen->is_other[i] = c->sql && strcmp(type, c->sql) != 0;
        if (!*seen->wrong && c->sql && (strcmp(type, c->sql) != 0 || is_key != should_be_key))
            snprintf(seen->wrong, sizeof seen->wrong, "column %s is %s%s", name, type, is_key ? " and a dedup key" : "");
    }
    if (!is_known && !*seen->wrong)
        snprintf(seen->wrong, sizeof seen->wrong, "column %.60s is not known here: a newer bell-api made it", name);
    return true;
}

static bool see(struct db *db, const struct table *t, const char *name, struct seen *seen, struct err *err)
{
    char sql[256];
    *seen = (struct seen){ .table = t };
    assert(t->columns_count <= COUNT_OF(seen->has));
    snprintf(sql, sizeof sql, "SELECT \"column\", \"type\", upsertKey FROM table_columns('%s')", name);
    return db_query(db, sql, NULL, 0, see_column, seen, err);
}

static bool complete(struct db *db, const struct table *t, struct err *err)
{
    struct seen seen;
    char sql[256];
    if (!see(db, t, t->name, &seen, err))
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

/* ---- from an earlier layout */

static bool see_number(void *ctx, char *const *v)
{
    *(int64_t *)ctx = v[0] ? atoll(v[0]) : 0;
    return true;
}

static bool ask_number(struct db *db, int64_t *out, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool ask_number(struct db *db, int64_t *out, struct err *err, const char *fmt, ...)
{
    char sql[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    *out = 0;
    return db_query(db, sql, NULL, 0, see_number, out, err);
}

static bool is_there(struct db *db, const char *name, bool *there, struct err *err)
{
    int64_t count;
    bool ok = ask_number(db, &count, err, "SELECT count() FROM tables() WHERE table_name = '%s'", name);
    *there = count > 0;
    return ok;
}

/* A table with a column for each member steps aside, its rows still to be moved. */
static bool set_aside(struct db *db, const struct table *t, struct err *err)
{
    struct seen seen;
    bool there;
    char sql[128];
    if (!table_is_packed(t))
        return true;
    if (!is_there(db, t->name, &there, err) || (there && !see(db, t, t->name, &seen, err)))
        return false;
    if (!there || seen.is_packed)
        return true;
    snprintf(sql, sizeof sql, "RENAME TABLE %s TO %s_unpacked", t->name, t->name);
    return db_query(db, sql, NULL, 0, NULL, NULL, err);
}

struct move {
    const struct table *table;
    const struct column *columns[64];
    size_t columns_count, read;
    void *record;
    struct db_bulk bulk;
    struct err err;
};

enum { MOVE_STATEMENT_ROWS = 20000 };

static enum db_outcome store_moved(void *ctx, const struct db_insert *rows, size_t count, struct err *err)
{
    return db_insert(ctx, rows, count, err);
}

static bool move_row(void *ctx, char *const *values)
{
    struct move *m = ctx;
    bool ok = true;
    table_init(m->table, m->record);
    for (size_t i = 0; ok && i < m->columns_count; i++)
        ok = column_from_db(m->columns[i], values[i], m->record);
    if (ok && m->table->derive)
        m->table->derive(m->record);
    m->read++;
    return ok && db_bulk_add(&m->bulk, m->table, m->record, &m->err);
}

/* What was set aside is moved; a start that was cut short begins anew, which dedup makes the same. */
static bool take_over(struct db *db, const struct table *t, struct err *err)
{
    struct seen seen;
    struct move m = { .table = t, .record = must_alloc(1, t->record_size), .bulk = { .store = store_moved, .ctx = db } };
    struct db *from = NULL;
    struct buffer sql = { 0 };
    char old[64];
    bool there, ok = false;
    int64_t before, after, at = 0;

    snprintf(old, sizeof old, "%s_unpacked", t->name);
    if (!is_there(db, old, &there, err))
        goto done;
    if (!there) {
        ok = true;
        goto done;
    }
    if (!see(db, t, old, &seen, err) || !ask_number(db, &before, err, "SELECT wait_wal_table('%s')", old) ||
        !ask_number(db, &before, err, "SELECT count() FROM %s", old) || !(from = db_open_like(db, err)))
        goto done;
    log_info("layout_changed", KV_TEXT("table", t->name), KV_INT("rows", before));
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        if (seen.has[i] && !seen.is_other[i])
            m.columns[m.columns_count++] = c;
    }
    do {
        size_t read = m.read;
        sql.size = 0;
        for (size_t i = 0; i < m.columns_count; i++)
            buffer_printf(&sql, "%s\"%s\"", i ? "," : "SELECT ", m.columns[i]->name);
        buffer_printf(&sql, " FROM %s LIMIT %lld,%lld", old, (long long)at, (long long)at + MOVE_STATEMENT_ROWS);
        ok = db_query(from, sql.data, NULL, 0, move_row, &m, err) && db_bulk_flush(&m.bulk, err);
        at += MOVE_STATEMENT_ROWS;
        if (ok && m.read == read)
            break;
    } while (ok);
    if (m.err.code)
        *err = m.err;
    ok = ok && ask_number(db, &after, err, "SELECT wait_wal_table('%s')", t->name) &&
         ask_number(db, &after, err, "SELECT count() FROM %s", t->name);
    if (ok && after < before)
        ok = err_set(err, ERR_CONFLICT, "of its %lld rows in %s only %lld could be taken over", (long long)before, old,
                     (long long)after);
    if (ok) {
        sql.size = 0;
        buffer_printf(&sql, "DROP TABLE %s", old);
        ok = db_query(db, sql.data, NULL, 0, NULL, NULL, err);
    }
done:
    db_bulk_end(&m.bulk);
    db_close(from);
    buffer_free(&sql);
    free(m.record);
    return ok;
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
        if (!set_aside(db, tables[i], err) || !create(db, tables[i], err) || !complete(db, tables[i], err) ||
            !take_over(db, tables[i], err))
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

static void only(struct statement *s, const char *column, const struct words *words)
{
    char name[16];
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
    bool is_packed, is_head;     /* the value after the columns' is what the others were packed into, or its head */
    const struct filter *filter; /* what the database cannot tell apart is told here; NULL: everything passes */
    struct buffer text;
    void *record;
    size_t seen, passed, passed_max;
    db_record *row;
    void *ctx;
};

/* The columns a list may be asked for by, and by which of their values. */
static const struct words *words_of(const struct filter *f, size_t i, const char **column)
{
    const struct { const char *column; const struct words *words; } lists[] = {
        { "account", &f->account }, { "strategy", &f->strategy }, { "symbol", &f->symbol }, { "run_id", &f->run_id },
        { "status", &f->status }, { "source", &f->source }, { "order_id", &f->order_id }, { "event", &f->event },
    };
    if (i == COUNT_OF(lists))
        return NULL;
    *column = lists[i].column;
    return lists[i].words;
}

static bool passes(const struct table *t, const struct filter *f, const void *record)
{
    const char *column;
    char scratch[COLUMN_SCRATCH];
    const struct words *words;
    for (size_t i = 0; (words = words_of(f, i, &column)); i++)
        if (words->count && table_column(t, column)->packed) {
            const char *value = column_to_db(table_column(t, column), record, scratch);
            if (!words_match(words, value ? value : ""))
                return false;
        }
    return true;
}

static bool asks_for_packed(const struct table *t, const struct filter *f)
{
    const char *column;
    const struct words *words;
    for (size_t i = 0; (words = words_of(f, i, &column)); i++)
        if (words->count && table_column(t, column)->packed)
            return true;
    return false;
}

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
    if (l->is_packed) {
        l->text.size = 0;
        buffer_add(&l->text, values[l->count] ? values[l->count] : "", values[l->count] ? strlen(values[l->count]) + 1 : 1);
        if (!record_unpack(l->table, l->text.data, l->is_head, l->record)) {
            log_error("row_misread", KV_TEXT("table", l->table->name), KV_TEXT("column", "packed"),
                      KV_TEXT("value", values[l->count] ? values[l->count] : "null"));
            return false;
        }
    }
    l->seen++;
    if (l->passed == l->passed_max || (l->filter && !passes(l->table, l->filter, l->record)))
        return true;
    l->passed++;
    return l->row(l->ctx, l->record);
}

static void where(struct statement *s, const struct table *t, const struct filter *f)
{
    const char *column;
    const struct words *words;
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
    for (size_t i = 0; (words = words_of(f, i, &column)); i++)
        if (words->count && !table_column(t, column)->packed)
            only(s, column, words);
}

static void select_columns(struct statement *s, struct listing *l, const char *from, bool long_texts)
{
    const struct table *t = l->table;
    buffer_text(&s->sql, "SELECT ");
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        if (!c->sql || (c->kind == COLUMN_LONG_TEXT && !long_texts))
            continue;
        buffer_printf(&s->sql, "%s\"%s\"", l->count ? "," : "", c->name);
        l->columns[l->count++] = c;
    }
    l->is_packed = table_is_packed(t);
    l->is_head = l->is_packed && !long_texts && t->columns[t->columns_count - 1].kind == COLUMN_LONG_TEXT;
    if (l->is_head)
        buffer_printf(&s->sql, ",left(\"packed\", %d)", PACKED_HEAD);
    else if (l->is_packed)
        buffer_text(&s->sql, ",\"packed\"");
    buffer_printf(&s->sql, " FROM %s", from);
}

/* One statement of it: rows after `after`, at most limit (0: all). */
static bool ask(struct db *db, struct listing *l, const struct filter *f, const char *after, size_t limit, bool long_texts,
                struct err *err)
{
    const struct table *t = l->table;
    struct statement *s = must_alloc(1, sizeof *s);
    bool ok = false;
    text_copy(s->after, sizeof s->after, after);
    l->count = l->seen = 0;
    select_columns(s, l, t->name, long_texts);
    where(s, t, f);
    if (!after_cursor(s, t)) {
        err_set(err, ERR_INPUT, "the cursor is not one of this list");
        goto done;
    }
    for (size_t i = 0; t->keys[i]; i++)
        buffer_printf(&s->sql, "%s\"%s\"", i ? ", " : " ORDER BY ", t->keys[i]);
    if (limit)
        buffer_printf(&s->sql, " LIMIT %zu", limit);
    ok = db_query(db, s->sql.data, s->values, s->count, read_row, l, err);
done:
    buffer_free(&s->sql);
    free(s);
    return ok;
}

bool db_list(struct db *db, const struct table *t, const struct filter *f, size_t limit, bool long_texts,
             db_record *row, void *ctx, struct err *err)
{
    enum { SIEVE_ROWS = 2000 };
    bool sieved = limit && asks_for_packed(t, f);
    struct listing l = { .table = t, .filter = f, .record = must_alloc(1, t->record_size),
                         .passed_max = limit ? limit : SIZE_MAX, .row = row, .ctx = ctx };
    char after[CURSOR_KEY_SIZE];
    size_t wanted = sieved ? SIEVE_ROWS : limit;
    text_copy(after, sizeof after, f->after);
    bool ok = wait_readable(db, t, err) && ask(db, &l, f, after, wanted, long_texts, err);
    while (ok && sieved && l.seen == wanted && l.passed < limit) { /* the last row is still in l.record */
        record_key(t, l.record, after, sizeof after);
        ok = ask(db, &l, f, after, wanted, long_texts, err);
    }
    buffer_free(&l.text);
    free(l.record);
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

/* ---- whole tables */

bool db_count(struct db *db, const struct table *t, int64_t *count, struct err *err)
{
    return wait_readable(db, t, err) && ask_number(db, count, err, "SELECT count() FROM %s", t->name);
}

bool db_dump_begin(struct db *db, const struct table *t, struct err *err)
{
    struct listing l = { .table = t };
    struct statement *s = must_alloc(1, sizeof *s);
    select_columns(s, &l, t->name, true);
    buffer_printf(&s->sql, " ORDER BY \"%s\"", t->keys[0]);
    bool ok = wait_readable(db, t, err) && db_ask(db, s->sql.data, NULL, 0, err);
    buffer_free(&s->sql);
    free(s);
    return ok;
}

bool db_dump(struct db *db, const struct table *t, db_record *row, void *ctx, struct err *err)
{
    struct listing l = { .table = t, .record = must_alloc(1, t->record_size), .passed_max = SIZE_MAX, .row = row, .ctx = ctx };
    struct statement *s = must_alloc(1, sizeof *s);
    select_columns(s, &l, t->name, true); /* which they were */
    bool ok = db_rows(db, read_row, &l, err);
    buffer_free(&s->sql);
    free(s);
    buffer_free(&l.text);
    free(l.record);
    return ok;
}

enum { BULK_ROWS = 1000 };

static void bulk_forget(struct db_bulk *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free((void *)(uintptr_t)b->rows[i].record);
        free(b->texts[i]);
    }
    b->count = 0;
}

bool db_bulk_flush(struct db_bulk *b, struct err *err)
{
    if (b->count && b->store(b->ctx, b->rows, b->count, err) != DB_STORED)
        return false;
    b->stored += (int64_t)b->count;
    bulk_forget(b);
    return true;
}

bool db_bulk_add(struct db_bulk *b, const struct table *t, const void *record, struct err *err)
{
    if (!b->rows) {
        b->rows = must_alloc(BULK_ROWS, sizeof *b->rows);
        b->texts = must_alloc(BULK_ROWS, sizeof *b->texts);
    }
    void *copy = must_alloc(1, t->record_size);
    memcpy(copy, record, t->record_size);
    b->texts[b->count] = NULL;
    for (size_t i = 0; i < t->columns_count; i++) {
        const char *text;
        if (t->columns[i].kind != COLUMN_LONG_TEXT)
            continue;
        memcpy(&text, (const char *)record + t->columns[i].offset, sizeof text);
        text = b->texts[b->count] = text ? must_strdup(text) : NULL;
        memcpy((char *)copy + t->columns[i].offset, &text, sizeof text);
    }
    b->rows[b->count++] = (struct db_insert){ t, copy };
    return b->count < BULK_ROWS || db_bulk_flush(b, err);
}

void db_bulk_end(struct db_bulk *b)
{
    bulk_forget(b);
    free(b->rows);
    free(b->texts);
}
