#include "api/db/db.h"

#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/records.h"
#include "core/base.h"
#include "core/clock.h"

struct db {
    PGconn *conn;
    const struct db_options *options;
    int64_t silence_ms;
    bool is_lost;
    uint64_t prepared; /* whose inserts are: a bit for each of tables[] */
    struct buffer packed;
};

struct db *db_open(const struct db_options *o, struct err *err)
{
    char port[24], timeout[64];
    snprintf(port, sizeof port, "%" PRId64, o->port);
    snprintf(timeout, sizeof timeout, "-c statement_timeout=%" PRId64, o->statement_timeout_ms);
    /* Over its limit of connections QuestDB does not refuse but hangs: connect_timeout. */
    const char *const names[] = { "host", "port", "user", "password", "dbname", "sslmode", "gssencmode",
                                  "connect_timeout", "client_encoding", "options", "keepalives",
                                  "keepalives_idle", NULL };
    const char *const values[] = { o->host, port, o->user, o->password, "qdb", "disable", "disable",
                                   "3", "UTF8", timeout, "1", "30", NULL };
    PGconn *conn = PQconnectdbParams(names, values, 0);
    if (PQstatus(conn) != CONNECTION_OK) {
        char text[300];
        snprintf(text, sizeof text, "%s", PQerrorMessage(conn));
        text[strcspn(text, "\n")] = '\0';
        PQfinish(conn);
        err_set(err, ERR_IO, "database %s:%s: %s", o->host, port, text);
        return NULL;
    }
    struct db *db = must_alloc(1, sizeof *db);
    db->conn = conn;
    db->options = o;
    db->silence_ms = o->silence_ms;
    return db;
}

struct db *db_open_like(const struct db *db, struct err *err)
{
    return db_open(db->options, err);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    PQfinish(db->conn);
    buffer_free(&db->packed);
    free(db);
}

bool db_is_lost(const struct db *db)
{
    return db->is_lost;
}

static void lose(struct db *db, const char *why, struct err *err)
{
    db->is_lost = true;
    err_set(err, ERR_IO, "the connection to the database is lost: %s", why);
}

static void say(const char *text, struct err *err)
{
    char line[300];
    snprintf(line, sizeof line, "%s", text);
    line[strcspn(line, "\n")] = '\0';
    err_set(err, strstr(line, "timeout") ? ERR_IO : ERR_INTERNAL, "%s", line);
}

/* Waits until the next result can be had without blocking; false when the server stays silent or is gone. */
static bool await(struct db *db, struct err *err)
{
    int64_t until_ms = clock_mono_ns() / 1000000 + db->silence_ms;
    while (PQisBusy(db->conn)) {
        int64_t left_ms = until_ms - clock_mono_ns() / 1000000;
        struct pollfd fd = { .fd = PQsocket(db->conn), .events = POLLIN };
        if (left_ms <= 0) {
            lose(db, "no answer", err);
            return false;
        }
        if (poll(&fd, 1, (int)left_ms) > 0 && !PQconsumeInput(db->conn)) {
            lose(db, "closed by the server", err);
            return false;
        }
    }
    return true;
}

static const char *message_of(const PGresult *result)
{
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    return text ? text : PQresultErrorMessage(result);
}

static bool each_row(const PGresult *result, db_row *row, void *ctx, struct err *err)
{
    enum { COLUMNS_MAX = 64 };
    char *values[COLUMNS_MAX];
    int columns = PQnfields(result);
    assert(columns <= COLUMNS_MAX);
    for (int r = 0; row && r < PQntuples(result); r++) {
        for (int c = 0; c < columns; c++)
            values[c] = PQgetisnull(result, r, c) ? NULL : PQgetvalue(result, r, c);
        if (!row(ctx, values))
            return err_set(err, ERR_INTERNAL, "a row of the database is not what was written there");
    }
    return true;
}

bool db_ask(struct db *db, const char *sql, const char *const *values, size_t values_count, struct err *err)
{
    if (!PQsendQueryParams(db->conn, sql, (int)values_count, NULL, values, NULL, NULL, 0)) {
        lose(db, PQerrorMessage(db->conn), err);
        return false;
    }
    /* Row by row: a whole table may pass here. */
    PQsetSingleRowMode(db->conn);
    return await(db, err);
}

bool db_rows(struct db *db, db_row *row, void *ctx, struct err *err)
{
    bool ok = true;
    for (;;) {
        if (!await(db, err))
            return false;
        PGresult *result = PQgetResult(db->conn);
        if (!result)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_SINGLE_TUPLE) {
            if (ok)
                say(message_of(result), err);
            ok = false;
        } else if (ok && !each_row(result, row, ctx, err)) {
            ok = false;
        }
        PQclear(result);
    }
    if (PQstatus(db->conn) == CONNECTION_BAD) {
        lose(db, "closed by the server", err);
        return false;
    }
    return ok;
}

bool db_query(struct db *db, const char *sql, const char *const *values, size_t values_count,
              db_row *row, void *ctx, struct err *err)
{
    return db_ask(db, sql, values, values_count, err) && db_rows(db, row, ctx, err);
}

/* ---- inserting */

static uint64_t prepared_bit(const struct table *t)
{
    size_t i = 0;
    while (tables[i] != t)
        i++;
    return UINT64_C(1) << i;
}

static bool is_prepared(const struct db *db, const struct table *t)
{
    return db->prepared & prepared_bit(t);
}

static bool prepare_insert(struct db *db, const struct table *t, struct err *err)
{
    struct buffer sql = { 0 };
    int values = 0;
    buffer_printf(&sql, "INSERT INTO %s (", t->name);
    for (size_t i = 0; i < t->columns_count; i++)
        if (t->columns[i].sql)
            buffer_printf(&sql, "%s\"%s\"", values++ ? "," : "", t->columns[i].name);
    if (table_is_packed(t))
        buffer_printf(&sql, "%s\"packed\"", values++ ? "," : "");
    for (int i = 1; i <= values; i++)
        buffer_printf(&sql, "%s$%d", i == 1 ? ") VALUES (" : ",", i);
    buffer_text(&sql, ")");
    PGresult *result = PQprepare(db->conn, t->name, sql.data, values, NULL);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!ok && PQstatus(db->conn) == CONNECTION_BAD)
        lose(db, "closed by the server", err);
    else if (!ok)
        say(message_of(result), err);
    if (ok)
        db->prepared |= prepared_bit(t);
    PQclear(result);
    buffer_free(&sql);
    return ok;
}

static bool send_row(struct db *db, const struct db_insert *row)
{
    enum { COLUMNS_MAX = 32 };
    const char *values[COLUMNS_MAX];
    char scratch[COLUMNS_MAX][COLUMN_SCRATCH];
    int count = 0;
    assert(row->table->columns_count < COLUMNS_MAX);
    for (size_t i = 0; i < row->table->columns_count; i++)
        if (row->table->columns[i].sql) {
            values[count] = column_to_db(&row->table->columns[i], row->record, scratch[count]);
            count++;
        }
    if (table_is_packed(row->table)) {
        db->packed.size = 0;
        record_pack(row->table, row->record, &db->packed);
        buffer_add(&db->packed, "", 1);
        values[count++] = db->packed.data;
    }
    return PQsendQueryPrepared(db->conn, row->table->name, count, values, NULL, NULL, 0);
}

/* Reads the answers up to the one for the Sync. */
static enum db_outcome read_answers(struct db *db, struct err *err)
{
    enum db_outcome outcome = DB_STORED;
    for (int nothing = 0; ; ) {
        if (!await(db, err))
            return DB_LOST;
        PGresult *result = PQgetResult(db->conn);
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;
        if (!result) { /* NULL divides the answers; two in a row mean there is none left */
            if (++nothing > 1 || PQstatus(db->conn) == CONNECTION_BAD) {
                lose(db, "closed by the server", err);
                return DB_LOST;
            }
            continue;
        }
        nothing = 0;
        if (status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_SYNC && status != PGRES_PIPELINE_ABORTED &&
            outcome == DB_STORED) {
            say(message_of(result), err);
            outcome = DB_REFUSED;
        }
        PQclear(result);
        if (PQstatus(db->conn) == CONNECTION_BAD) {
            lose(db, "closed by the server", err);
            return DB_LOST;
        }
        if (status == PGRES_PIPELINE_SYNC)
            return outcome;
    }
}

enum db_outcome db_insert(struct db *db, const struct db_insert *rows, size_t count, struct err *err)
{
    if (db->is_lost) {
        lose(db, "earlier", err);
        return DB_LOST;
    }
    for (size_t i = 0; i < count; i++)
        if (!is_prepared(db, rows[i].table) && !prepare_insert(db, rows[i].table, err))
            return db->is_lost ? DB_LOST : DB_REFUSED;
    if (!PQenterPipelineMode(db->conn)) {
        lose(db, PQerrorMessage(db->conn), err);
        return DB_LOST;
    }
    for (size_t i = 0; i < count; i++)
        if (!send_row(db, &rows[i])) {
            lose(db, PQerrorMessage(db->conn), err);
            return DB_LOST;
        }
    if (!PQpipelineSync(db->conn)) {
        lose(db, PQerrorMessage(db->conn), err);
        return DB_LOST;
    }
    enum db_outcome outcome = read_answers(db, err);
    if (outcome != DB_LOST && !PQexitPipelineMode(db->conn)) {
        lose(db, PQerrorMessage(db->conn), err);
        return DB_LOST;
    }
    return outcome;
}

/* ---- the pool */

struct db_pool {
    const struct db_options *options;
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct db *idle[POOL_SIZE];
    size_t idle_count, out;
};

struct db_pool *db_pool_new(const struct db_options *options)
{
    struct db_pool *p = must_alloc(1, sizeof *p);
    p->options = options;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->given, NULL);
    return p;
}

void db_pool_free(struct db_pool *p)
{
    if (!p)
        return;
    assert(p->out == 0);
    while (p->idle_count)
        db_close(p->idle[--p->idle_count]);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->given);
    free(p);
}

/* The server closes what was idle for 5 minutes: there are then bytes (or the end) to read. */
static bool is_stale(const struct db *db)
{
    struct pollfd fd = { .fd = PQsocket(db->conn), .events = POLLIN };
    return poll(&fd, 1, 0) != 0;
}

struct db *db_pool_take(struct db_pool *p, struct err *err)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until); /* what a condition is waited for by */
    until.tv_sec += POOL_WAIT_S;
    pthread_mutex_lock(&p->lock);
    while (p->out == POOL_SIZE)
        if (pthread_cond_timedwait(&p->given, &p->lock, &until) == ETIMEDOUT && p->out == POOL_SIZE) {
            pthread_mutex_unlock(&p->lock);
            err_set(err, ERR_IO, "%d other questions are being asked: try later", POOL_SIZE);
            return NULL;
        }
    p->out++;
    struct db *db = p->idle_count ? p->idle[--p->idle_count] : NULL;
    pthread_mutex_unlock(&p->lock);
    if (db && is_stale(db)) {
        db_close(db);
        db = NULL;
    }
    if (!db)
        db = db_open(p->options, err);
    if (!db)
        db_pool_give(p, NULL);
    return db;
}

void db_pool_give(struct db_pool *p, struct db *db)
{
    if (db && db->is_lost) {
        db_close(db);
        db = NULL;
    }
    pthread_mutex_lock(&p->lock);
    p->out--;
    if (db)
        p->idle[p->idle_count++] = db;
    pthread_cond_signal(&p->given);
    pthread_mutex_unlock(&p->lock);
}
