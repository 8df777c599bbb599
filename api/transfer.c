#include "api/transfer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "api/csv.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

enum { TABLES_MAX = 16, BLOCK = 64 * 1024, SPOOL_BLOCK = 256 * 1024, MANIFEST_MAX = 64 * 1024,
       EXPORT_TIMEOUT_MS = 6 * 3600 * 1000 };
static const char format_name[] = "closing-bell-export";
enum { FORMAT_VERSION = 1 };

int scratch_file(const char *folder, struct err *err)
{
    char name[600];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    snprintf(name, sizeof name, "%s/bell-XXXXXX", folder); /* not every file system knows nameless files */
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    else
        err_set(err, ERR_IO, "scratch folder %s: %s", folder, strerror(errno));
    return fd;
}

static bool is_exported(const struct table *t)
{
    return t != &import_table;
}

/* ---- export */

struct spool {
    const struct table *table;
    struct db *db;
    int fd;
    int64_t rows, bytes;
    char sha256[65];
    struct sha256 *hash;
    struct buffer text;
};

struct export {
    struct db_options options;
    struct spool spools[TABLES_MAX];
    size_t count;
    char *texts[2];               /* manifest.json, schema.json */
    size_t text_sizes[2];
    int64_t cut_ns, cut_took_ns;
    struct archive *archive;
    struct buffer out;
    size_t out_at;
    size_t member;                /* the two texts, then the spools */
    int64_t member_at;            /* bytes of it written; -1: not begun */
    bool is_over;
    struct err err;
};

static bool spool_flush(struct spool *s, struct err *err)
{
    sha256_add(s->hash, s->text.data, s->text.size);
    for (size_t at = 0; at < s->text.size; ) {
        ssize_t n = write(s->fd, s->text.data + at, s->text.size - at);
        if (n < 0 && errno != EINTR)
            return err_set(err, ERR_IO, "scratch folder: %s", strerror(errno));
        at += n > 0 ? (size_t)n : 0;
    }
    s->bytes += (int64_t)s->text.size;
    s->text.size = 0;
    return true;
}

struct spooling {
    struct spool *spool;
    struct err err;
};

static bool spool_row(void *ctx, const void *record)
{
    struct spooling *s = ctx;
    const char *between = "";
    for (size_t i = 0; i < s->spool->table->columns_count; i++) {
        if (!column_is_exported(&s->spool->table->columns[i]))
            continue;
        buffer_text(&s->spool->text, between);
        column_csv(&s->spool->table->columns[i], record, &s->spool->text);
        between = ",";
    }
    buffer_add(&s->spool->text, "\r\n", 2);
    s->spool->rows++;
    return s->spool->text.size < SPOOL_BLOCK || spool_flush(s->spool, &s->err);
}

static bool spool_table(struct spool *s, struct err *err)
{
    struct spooling spooling = { .spool = s };
    const char *between = "";
    s->hash = sha256_begin();
    for (size_t i = 0; i < s->table->columns_count; i++)
        if (column_is_exported(&s->table->columns[i])) {
            buffer_printf(&s->text, "%s%s", between, s->table->columns[i].name);
            between = ",";
        }
    buffer_text(&s->text, "\r\n");
    bool ok = db_dump(s->db, s->table, spool_row, &spooling, err) && spool_flush(s, err);
    if (spooling.err.code)
        *err = spooling.err;
    sha256_end(s->hash, s->sha256);
    s->hash = NULL;
    buffer_free(&s->text);
    s->text = (struct buffer){ 0 };
    db_close(s->db);
    s->db = NULL;
    return ok || err_prefix(err, "table %s", s->table->name);
}

/* On the writer's thread. */
static void cut(void *ctx)
{
    struct export *e = ctx;
    int64_t began_ns = clock_mono_ns();
    e->cut_ns = clock_utc_ns();
    for (size_t i = 0; i < e->count && !e->err.code; i++)
        if (!db_dump_begin(e->spools[i].db, e->spools[i].table, &e->err))
            err_prefix(&e->err, "table %s", e->spools[i].table->name);
    e->cut_took_ns = clock_mono_ns() - began_ns;
}

static const char *const kind_words[] = {
    [COLUMN_TEXT] = "text", [COLUMN_LONG_TEXT] = "text", [COLUMN_NAME] = "word", [COLUMN_COUNT] = "integer",
    [COLUMN_QTY] = "shares", [COLUMN_MONEY] = "dollars", [COLUMN_TIME] = "time", [COLUMN_SYMBOLS] = "symbols",
};

static void write_texts(struct export *e)
{
    char at[TIME_TEXT_SIZE], hash[65];
    json_t *listed = json_array(), *files = json_array();
    for (size_t i = 0; i < e->count; i++) {
        const struct table *t = e->spools[i].table;
        json_t *columns = json_array(), *keys = json_array();
        for (size_t c = 0; c < t->columns_count; c++)
            if (column_is_exported(&t->columns[c]))
                json_array_append_new(columns, json_pack("{s:s,s:s}", "name", t->columns[c].name, "type",
                                                         kind_words[t->columns[c].kind]));
        for (size_t k = 0; t->keys[k]; k++)
            if (!table_column(t, t->keys[k])->derived)
                json_array_append_new(keys, json_string(t->keys[k]));
        json_array_append_new(listed, json_pack("{s:s,s:o,s:o}", "name", t->name, "key", keys, "columns", columns));
    }
    json_t *schema = json_pack("{s:o}", "tables", listed);
    e->texts[1] = json_dumps(schema, JSON_INDENT(1));
    e->text_sizes[1] = strlen(e->texts[1]);
    sha256_hex(e->texts[1], e->text_sizes[1], hash);
    json_decref(schema);
    json_array_append_new(files, json_pack("{s:s,s:I,s:s}", "name", "schema.json", "bytes", (json_int_t)e->text_sizes[1],
                                           "sha256", hash));
    for (size_t i = 0; i < e->count; i++) {
        const struct spool *s = &e->spools[i];
        json_array_append_new(files, json_pack("{s:o,s:s,s:I,s:I,s:s}", "name", json_sprintf("%s.csv", s->table->name),
                                               "table", s->table->name, "rows", (json_int_t)s->rows, "bytes",
                                               (json_int_t)s->bytes, "sha256", s->sha256));
    }
    time_format_us(e->cut_ns, at);
    json_t *manifest = json_pack("{s:s,s:i,s:s,s:s,s:o}", "format", format_name, "version", FORMAT_VERSION, "made_by",
                                 "bell-api " BELL_VERSION, "cut_at", at, "files", files);
    e->texts[0] = json_dumps(manifest, JSON_INDENT(1));
    e->text_sizes[0] = strlen(e->texts[0]);
    json_decref(manifest);
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data, size_t size)
{
    struct export *e = ctx;
    (void)a;
    buffer_add(&e->out, data, size);
    return (la_ssize_t)size;
}

static bool open_archive(struct export *e, struct err *err)
{
    e->archive = archive_write_new();
    if (archive_write_set_format_pax_restricted(e->archive) != ARCHIVE_OK ||
        archive_write_add_filter_gzip(e->archive) != ARCHIVE_OK ||
        archive_write_set_options(e->archive, "compression-level=3") != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(e->archive, 1) != ARCHIVE_OK || /* nothing after gzip's end */
        archive_write_open(e->archive, e, NULL, on_write, NULL) != ARCHIVE_OK)
        return err_set(err, ERR_INTERNAL, "archive: %s", archive_error_string(e->archive));
    return true;
}

struct export *export_new(const struct db_options *database, struct writer *writer, const char *scratch, struct err *err)
{
    struct export *e = must_alloc(1, sizeof *e);
    int64_t began_ns = clock_mono_ns();
    bool ok = true;
    e->options = *database;
    e->options.statement_timeout_ms = EXPORT_TIMEOUT_MS;
    e->member_at = -1;
    for (size_t i = 0; tables[i]; i++)
        if (is_exported(tables[i])) {
            assert(e->count < TABLES_MAX);
            e->spools[e->count++] = (struct spool){ .table = tables[i], .fd = -1 };
        }
    for (size_t i = 0; ok && i < e->count; i++)
        ok = (e->spools[i].fd = scratch_file(scratch, err)) >= 0 && (e->spools[i].db = db_open(&e->options, err));
    if (ok && !writer_call(writer, cut, e))
        ok = err_set(err, ERR_IO, "the server is stopping");
    if (ok && e->err.code) {
        *err = e->err;
        ok = false;
    }
    int64_t rows = 0, bytes = 0;
    for (size_t i = 0; ok && i < e->count; i++) {
        ok = spool_table(&e->spools[i], err);
        rows += e->spools[i].rows;
        bytes += e->spools[i].bytes;
    }
    ok = ok && open_archive(e, err);
    if (!ok) {
        export_free(e);
        return NULL;
    }
    write_texts(e);
    log_info("export_begun", KV_INT("rows", rows), KV_INT("bytes", bytes), KV_TIME("cut_at", e->cut_ns),
             KV_INT("writer_stood_ms", e->cut_took_ns / 1000000),
             KV_INT("ms", (clock_mono_ns() - began_ns) / 1000000));
    return e;
}

/* The next piece of the next member goes into the archive. */
static bool step(struct export *e)
{
    static const char *const text_names[] = { "manifest.json", "schema.json" };
    char block[BLOCK], name[96];
    bool is_text = e->member < COUNT_OF(text_names);
    if (e->member == COUNT_OF(text_names) + e->count) {
        e->is_over = true;
        return archive_write_close(e->archive) == ARCHIVE_OK;
    }
    const struct spool *s = is_text ? NULL : &e->spools[e->member - COUNT_OF(text_names)];
    int64_t size = is_text ? (int64_t)e->text_sizes[e->member] : s->bytes;
    if (e->member_at < 0) {
        snprintf(name, sizeof name, "%s%s", is_text ? text_names[e->member] : s->table->name, is_text ? "" : ".csv");
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, name);
        archive_entry_set_size(entry, size);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, (time_t)(e->cut_ns / 1000000000), 0);
        int rc = archive_write_header(e->archive, entry);
        archive_entry_free(entry);
        e->member_at = 0;
        return rc == ARCHIVE_OK;
    }
    if (e->member_at == size) {
        e->member++;
        e->member_at = -1;
        return true;
    }
    size_t most = size - e->member_at < BLOCK ? (size_t)(size - e->member_at) : BLOCK;
    ssize_t n = (ssize_t)most;
    if (!is_text && (n = pread(s->fd, block, most, e->member_at)) <= 0)
        return false;
    const char *data = is_text ? e->texts[e->member] + e->member_at : block;
    e->member_at += n;
    return archive_write_data(e->archive, data, (size_t)n) == n;
}

ssize_t export_read(struct export *e, char *out, size_t max)
{
    while (e->out_at == e->out.size && !e->is_over) {
        e->out_at = e->out.size = 0;
        if (!step(e)) {
            const char *why = archive_error_string(e->archive);
            log_error("export_failed", KV_TEXT("why", why ? why : strerror(errno)));
            return -1;
        }
    }
    size_t n = e->out.size - e->out_at < max ? e->out.size - e->out_at : max;
    memcpy(out, e->out.data + e->out_at, n);
    e->out_at += n;
    return (ssize_t)n;
}

void export_free(struct export *e)
{
    if (!e)
        return;
    archive_write_free(e->archive);
    for (size_t i = 0; i < e->count; i++) {
        char unused[65];
        db_close(e->spools[i].db);
        if (e->spools[i].fd >= 0)
            close(e->spools[i].fd);
        sha256_end(e->spools[i].hash, unused);
        buffer_free(&e->spools[i].text);
    }
    free(e->texts[0]);
    free(e->texts[1]);
    buffer_free(&e->out);
    free(e);
}

/* ---- import */

struct member { /* as the manifest lists it */
    const struct table *table; /* NULL: schema.json */
    char name[64], sha256[65];
    int64_t rows, bytes;
    bool is_seen;
};

struct reading {
    struct member members[TABLES_MAX + 1];
    size_t count;
    struct db_bulk *bulk;          /* where rows go; NULL: they are only looked at */
    int64_t rows;
    /* the member that is read: */
    struct member *member;
    struct csv csv;
    const struct column *columns[CSV_CELLS_MAX];
    size_t columns_count;
    int64_t member_rows;
    bool has_head;
    void *record;
};

/* gzip's checksum and length, its end, and nothing after it; SHA-256 of the file. */
static bool is_whole(int fd, char sha256[65], struct err *err)
{
    static const char what[] = "the archive is cut off or altered";
    unsigned char in[BLOCK], out[BLOCK];
    struct sha256 *hash = sha256_begin();
    z_stream z = { 0 };
    int rc = inflateInit2(&z, 15 + 16);
    ssize_t n = 0;
    int64_t at = 0, unpacked = 0;
    bool ok = rc == Z_OK;
    while (ok && (n = pread(fd, in, sizeof in, at)) > 0) {
        sha256_add(hash, in, (size_t)n);
        at += n;
        z.next_in = in;
        z.avail_in = (uInt)n;
        while (ok && z.avail_in) {
            z.next_out = out;
            z.avail_out = sizeof out;
            ok = rc != Z_STREAM_END; /* something follows the end */
            if (!ok)
                break;
            rc = inflate(&z, Z_NO_FLUSH);
            ok = rc == Z_OK || rc == Z_STREAM_END;
            unpacked += (int64_t)(sizeof out - z.avail_out);
            if (unpacked > UNPACKED_MAX) {
                err_set(err, ERR_INPUT, "the archive unpacks to more than %lld bytes", (long long)UNPACKED_MAX);
                goto done;
            }
        }
    }
    ok = ok && n == 0 && rc == Z_STREAM_END;
    if (!ok)
        err_set(err, ERR_INPUT, "%s: %s", what, n < 0 ? strerror(errno) : at == 0 ? "it is empty" : z.msg ? z.msg : rc == Z_STREAM_END
                ? "something follows its end" : "it has no end");
done:
    inflateEnd(&z);
    sha256_end(hash, sha256);
    return ok && unpacked <= UNPACKED_MAX;
}

static const struct table *table_named(const char *name)
{
    for (size_t i = 0; tables[i]; i++)
        if (is_exported(tables[i]) && strcmp(tables[i]->name, name) == 0)
            return tables[i];
    return NULL;
}

static bool read_manifest(struct reading *r, const char *text, size_t size, struct err *err)
{
    json_t *m = json_read(text, size, err);
    const char *format = json_string_value(json_object_get(m, "format"));
    json_t *files = json_object_get(m, "files"), *f;
    size_t i;
    bool ok = false;
    if (!m) {
        err_prefix(err, "manifest.json");
        goto done;
    }
    if (!format || strcmp(format, format_name) != 0 || json_integer_value(json_object_get(m, "version")) != FORMAT_VERSION ||
        !json_is_array(files) || json_array_size(files) > COUNT_OF(r->members)) {
        err_set(err, ERR_INPUT, "manifest.json is not of format %s, version %d", format_name, FORMAT_VERSION);
        goto done;
    }
    json_array_foreach(files, i, f) {
        struct member *member = &r->members[r->count++];
        const char *name = json_string_value(json_object_get(f, "name")), *table = json_string_value(json_object_get(f, "table")),
                   *hash = json_string_value(json_object_get(f, "sha256"));
        member->bytes = json_integer_value(json_object_get(f, "bytes"));
        member->rows = json_integer_value(json_object_get(f, "rows"));
        member->table = table ? table_named(table) : NULL;
        char expected[64];
        snprintf(expected, sizeof expected, "%.50s%s", member->table ? member->table->name : "schema", member->table ? ".csv" : ".json");
        if (!name || !hash || strcmp(name, expected) != 0 || !text_copy(member->name, sizeof member->name, name) ||
            !text_copy(member->sha256, sizeof member->sha256, hash) || (table && !member->table)) {
            err_set(err, ERR_INPUT, "manifest.json: there is no place for file %zu, \"%.60s\"", i + 1, name ? name : "");
            goto done;
        }
        for (size_t n = 0; n + 1 < r->count; n++)
            if (strcmp(r->members[n].name, name) == 0) {
                err_set(err, ERR_INPUT, "manifest.json lists %s twice", member->name);
                goto done;
            }
    }
    ok = true;
done:
    json_decref(m);
    return ok;
}

static bool read_head(struct reading *r, char **cells, size_t count, struct err *err)
{
    const struct table *t = r->member->table;
    for (size_t i = 0; i < count; i++) {
        const struct column *found = NULL;
        for (size_t c = 0; c < t->columns_count; c++)
            if (column_is_exported(&t->columns[c]) && strcmp(t->columns[c].name, cells[i]) == 0)
                found = &t->columns[c];
        for (size_t n = 0; found && n < i; n++)
            if (r->columns[n] == found)
                found = NULL;
        if (!found)
            return err_set(err, ERR_INPUT, "there is no place for column \"%.60s\"", cells[i]);
        r->columns[i] = found;
    }
    r->columns_count = count;
    r->has_head = true;
    return true;
}

static bool read_record(void *ctx, char **cells, size_t count, struct err *err)
{
    struct reading *r = ctx;
    const struct table *t = r->member->table;
    int64_t time_ns;
    if (!r->has_head)
        return read_head(r, cells, count, err);
    if (count != r->columns_count)
        return err_set(err, ERR_INPUT, "row %" PRId64 " has %zu cells, expected %zu", r->member_rows + 1, count, r->columns_count);
    table_init(t, r->record);
    for (size_t i = 0; i < count; i++)
        if (!text_is_utf8(cells[i]) || !column_from_csv(r->columns[i], cells[i], r->record))
            return err_set(err, ERR_INPUT, "row %" PRId64 ": \"%.40s\" is no %s", r->member_rows + 1, cells[i], r->columns[i]->name);
    if (t->derive)
        t->derive(r->record);
    memcpy(&time_ns, (const char *)r->record + table_column(t, t->keys[0])->offset, sizeof time_ns);
    if (time_ns <= 0)
        return err_set(err, ERR_INPUT, "row %" PRId64 ": its %s is not after 1970", r->member_rows + 1, t->keys[0]);
    r->member_rows++;
    r->rows++;
    return !r->bulk || db_bulk_add(r->bulk, t, r->record, err);
}

/* One file of the archive, as the manifest says it is. */
static bool read_member(struct reading *r, struct archive *a, struct member *m, struct err *err)
{
    char block[BLOCK], hash[65];
    struct sha256 *sum = sha256_begin();
    la_ssize_t n = 0;
    int64_t bytes = 0;
    bool ok = true;
    r->member = m;
    r->member_rows = 0;
    r->has_head = false;
    r->csv = (struct csv){ 0 };
    r->record = must_alloc(1, m->table ? m->table->record_size : 1);
    while (ok && (n = archive_read_data(a, block, sizeof block)) > 0) {
        sha256_add(sum, block, (size_t)n);
        bytes += n;
        if (bytes > m->bytes)
            break;
        ok = !m->table || csv_read(&r->csv, block, (size_t)n, read_record, r, err);
    }
    sha256_end(sum, hash);
    if (ok && n < 0)
        ok = err_set(err, ERR_INPUT, "%s", archive_error_string(a));
    if (ok && (bytes != m->bytes || strcmp(hash, m->sha256) != 0))
        ok = err_set(err, ERR_INPUT, "it is not what the manifest says: it is cut off or altered");
    ok = ok && (!m->table || csv_end(&r->csv, err));
    if (ok && m->table && (!r->has_head || r->member_rows != m->rows))
        ok = err_set(err, ERR_INPUT, "it has %" PRId64 " rows, not the manifest's %" PRId64, r->member_rows, m->rows);
    csv_free(&r->csv);
    free(r->record);
    m->is_seen = true;
    return ok;
}

static bool next_member(struct reading *r, struct archive *a, struct archive_entry *entry, struct err *err)
{
    const char *name = archive_entry_pathname(entry);
    struct member *m = NULL;
    if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
        return err_set(err, ERR_INPUT, "the archive holds something that is no file: \"%.60s\"", name ? name : "");
    if (!r->count) {
        char text[MANIFEST_MAX];
        la_ssize_t n = strcmp(name, "manifest.json") == 0 ? archive_read_data(a, text, sizeof text) : -1;
        if (n <= 0 || n == (la_ssize_t)sizeof text)
            return err_set(err, ERR_INPUT, "the archive does not begin with manifest.json");
        return read_manifest(r, text, (size_t)n, err);
    }
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->members[i].name, name) == 0)
            m = &r->members[i];
    if (!m || m->is_seen)
        return err_set(err, ERR_INPUT, "the archive holds \"%.60s\", which the manifest does not list%s", name, m ? " twice" : "");
    return read_member(r, a, m, err) || err_prefix(err, "%s", m->name);
}

static bool read_archive(int fd, struct reading *r, struct err *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    int rc = ARCHIVE_FATAL;
    bool ok = lseek(fd, 0, SEEK_SET) == 0 && archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
              archive_read_support_format_tar(a) == ARCHIVE_OK && archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK;
    if (!ok)
        err_set(err, ERR_INPUT, "it is no .tar.gz: %s", archive_error_string(a) ? archive_error_string(a) : strerror(errno));
    while (ok && (rc = archive_read_next_header(a, &entry)) == ARCHIVE_OK)
        ok = next_member(r, a, entry, err);
    if (ok && rc != ARCHIVE_EOF)
        ok = err_set(err, ERR_INPUT, "it is no .tar.gz: %s", archive_error_string(a));
    if (ok && !r->count)
        ok = err_set(err, ERR_INPUT, "the archive is empty");
    for (size_t i = 0; ok && i < r->count; i++)
        if (!r->members[i].is_seen)
            ok = err_set(err, ERR_INPUT, "the archive lacks %s", r->members[i].name);
    archive_read_free(a);
    return ok;
}

struct job {
    int fd;
    struct store *store;
    struct import_result *out;
    struct err *err;
    bool ok;
};

/* A database that is away for a while does not end an import. */
static enum db_outcome store_patiently(void *ctx, const struct db_insert *rows, size_t count, struct err *err)
{
    enum { TRIES = 60 };
    enum db_outcome outcome = DB_LOST;
    for (int i = 0; i < TRIES && (outcome = store_rows(ctx, rows, count, err)) == DB_LOST; i++)
        nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
    return outcome;
}

static bool mark(struct job *j, struct import_mark *m, enum import_status status)
{
    m->status = (int)status;
    if (store_patiently(j->store, &(struct db_insert){ &import_table, m }, 1, j->err) != DB_STORED)
        return false;
    state_set_import(j->store->state, m);
    return true;
}

static bool may_begin(struct job *j)
{
    const char *begun = state_import_begun(j->store->state);
    if (begun && strcmp(begun, j->out->archive) == 0)
        return true;
    if (begun)
        return err_set(j->err, ERR_CONFLICT, "an import was cut short: only its archive is taken, the one with SHA-256 %s", begun);
    for (size_t i = 0; tables[i]; i++) {
        int64_t count;
        if (!is_exported(tables[i]))
            continue;
        if (!j->store->db || !db_count(j->store->db, tables[i], &count, j->err))
            return j->store->db || err_set(j->err, ERR_IO, "there is no connection to the database");
        if (count)
            return err_set(j->err, ERR_CONFLICT, "the record is not empty, there are %" PRId64 " rows in %s: import into a new system",
                           count, tables[i]->name);
    }
    return true;
}

/* On the writer's thread. */
static void write_archive(void *ctx)
{
    struct job *j = ctx;
    struct db_bulk bulk = { .store = store_patiently, .ctx = j->store };
    struct reading r = { .bulk = &bulk };
    struct import_mark m = { .timestamp = clock_utc_ns() / 1000 * 1000 };
    text_copy(m.archive, sizeof m.archive, j->out->archive);
    j->ok = may_begin(j) && mark(j, &m, IMPORT_BEGUN) && read_archive(j->fd, &r, j->err) && db_bulk_flush(&bulk, j->err) &&
            mark(j, &m, IMPORT_DONE) && store_reload(j->store, j->err);
    j->out->rows = r.rows;
    db_bulk_end(&bulk);
}

bool import_archive(int fd, struct store *store, struct writer *writer, struct import_result *out, struct err *err)
{
    struct reading look = { 0 };
    struct job job = { .fd = fd, .store = store, .out = out, .err = err };
    int64_t began_ns = clock_mono_ns();
    if (!is_whole(fd, out->archive, err) || !read_archive(fd, &look, err))
        return false;
    if (!writer_call(writer, write_archive, &job))
        return err_set(err, ERR_IO, "the server is stopping");
    if (job.ok)
        log_info("record_imported", KV_TEXT("archive", out->archive), KV_INT("rows", out->rows),
                 KV_INT("ms", (clock_mono_ns() - began_ns) / 1000000));
    else
        log_error("import_failed", KV_TEXT("archive", out->archive), KV_TEXT("why", err->text));
    return job.ok;
}
