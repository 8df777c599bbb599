#include "api/writer.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

enum { LATER_AGE_MS = 1000, LATER_MAX = GROUP_ROWS, RETRY_FIRST_MS = 100, RETRY_MAX_MS = 2000,
       GATHER_MAX_NS = 5000000 };

enum batch_stage { BATCH_WAITING, BATCH_DONE, BATCH_LEFT };

struct batch {
    const struct table *table;
    size_t count;
    char *records;
    json_t *keep;
    struct batch *next;

    /* Waiting becomes done (by the writer, its last touch: the caller frees) or left (the caller has gone, the
     * writer frees); one exchange decides. */
    _Atomic enum batch_stage stage;
    enum writer_result result; /* the writer's until done */
    struct writer_count counts;
    struct err err;
};

struct writer {
    struct writer_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    _Atomic uint32_t answers;  /* groups answered: what callers sleep on, so that one call wakes them all */
    struct batch *first, **end;
    size_t queue_rows, queue_batches;
    void (*call)(void *ctx);   /* somebody waits for this to be called; NULL: nobody */
    void *call_ctx;
    pthread_cond_t called;
    bool is_stopping, is_over; /* is_over: the thread has ended */
    int64_t stop_ms;           /* when stopping: how long to go on trying */
    int64_t away_since_ms;     /* 0: the database is there */
    struct err away;
    int64_t groups, stored_rows;
    struct histogram commits;

    /* the thread's */
    struct db_insert *rows;
    size_t rows_count, rows_room;
    size_t expected;           /* batches: those answered last, whose callers send again, and those that waited already */
    int64_t last_store_ns;     /* what storing it took */
    int64_t later_since_ms;    /* when the oldest row that is due later was planned; 0: none */
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static struct timespec time_of(int64_t at_ms)
{
    return (struct timespec){ .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* ---- batches */

struct batch *batch_new(const struct table *t, size_t count)
{
    struct batch *b = must_alloc(1, sizeof *b);
    b->table = t;
    b->count = count;
    b->records = must_alloc(count ? count : 1, t->record_size);
    return b;
}

size_t batch_count(const struct batch *b)
{
    return b->count;
}

void *batch_record(struct batch *b, size_t i)
{
    assert(i < b->count);
    return b->records + i * b->table->record_size;
}

void batch_keep(struct batch *b, json_t *text)
{
    if (!b->keep)
        b->keep = json_array();
    json_array_append_new(b->keep, text);
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    json_decref(b->keep);
    free(b->records);
    free(b);
}

/* ---- callers */

/* True: done; false: the batch is now the writer's to free. */
static bool wait_done(struct writer *w, struct batch *b)
{
    int64_t until_ms = now_ms() + w->options.wait_ms;
    for (;;) {
        enum batch_stage waiting = BATCH_WAITING;
        uint32_t answers = atomic_load(&w->answers); /* before the look at the stage: an answer in between is no sleep */
        if (atomic_load(&b->stage) == BATCH_DONE)
            return true;
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0) /* it may be done this instant */
            return !atomic_compare_exchange_strong(&b->stage, &waiting, BATCH_LEFT);
        struct timespec left = time_of(left_ms);
        syscall(SYS_futex, &w->answers, FUTEX_WAIT_PRIVATE, answers, &left, NULL, 0);
    }
}

/* In line; false with err when there is no use. */
static bool enqueue(struct writer *w, struct batch *b, struct err *err)
{
    bool ok = false;
    pthread_mutex_lock(&w->lock);
    if (w->is_stopping) {
        err_set(err, ERR_IO, "the server is stopping");
    } else if (w->away_since_ms && now_ms() - w->away_since_ms > w->options.wait_ms) {
        *err = w->away;
    } else if (w->queue_rows + b->count > w->options.queue_rows_max && w->queue_rows) {
        err_set(err, ERR_IO, "%zu rows wait for the database", w->queue_rows);
    } else {
        *w->end = b;
        w->end = &b->next;
        w->queue_rows += b->count;
        w->queue_batches++;
        ok = true;
    }
    pthread_mutex_unlock(&w->lock);
    return ok;
}

enum writer_result writer_submit(struct writer *w, struct batch *b, struct writer_count *out, struct err *err)
{
    if (!enqueue(w, b, err)) {
        batch_free(b);
        return WRITER_AWAY;
    }
    pthread_cond_signal(&w->work);
    if (!wait_done(w, b)) {
        pthread_mutex_lock(&w->lock);
        *err = w->away_since_ms ? w->away : (struct err){ ERR_IO, "the database takes too long" };
        pthread_mutex_unlock(&w->lock);
        return WRITER_AWAY;
    }
    enum writer_result result = b->result;
    *out = b->counts;
    *err = b->err;
    batch_free(b);
    return result;
}

bool writer_is_well(struct writer *w, struct err *why)
{
    pthread_mutex_lock(&w->lock);
    bool well = !w->is_stopping && !w->away_since_ms;
    if (w->is_stopping)
        err_set(why, ERR_IO, "stopping");
    else if (!well)
        *why = w->away;
    pthread_mutex_unlock(&w->lock);
    return well;
}

void writer_metrics(struct writer *w, struct metrics *m)
{
    pthread_mutex_lock(&w->lock);
    int64_t groups = w->groups, rows = w->stored_rows, waiting = (int64_t)w->queue_rows;
    bool is_there = !w->away_since_ms;
    pthread_mutex_unlock(&w->lock);
    metrics_int(m, METRIC_COUNTER, "bell_api_groups_total", "Commits that answered callers.", groups);
    metrics_int(m, METRIC_COUNTER, "bell_api_rows_total", "Rows callers were told are stored.", rows);
    metrics_int(m, METRIC_GAUGE, "bell_api_waiting_rows", "Rows that wait for a commit.", waiting);
    metrics_int(m, METRIC_GAUGE, "bell_api_database_up", "1 while the database can be written to.", is_there);
    metrics_histogram(m, "bell_api_commit_seconds", "From sending a group to its being on the database's disk.", &w->commits);
}

/* ---- the thread */

/* Rows that follow from others: versions of orders, positions at the close. */
static size_t later_count(const struct writer *w)
{
    const struct order *versions;
    const struct position_snapshot *const *snapshots;
    return state_versions(w->options.state, &versions) + state_snapshots(w->options.state, &snapshots);
}

/* Those answered last are about to send their next. A wait for them, of at most half of what a commit takes, spares a
 * commit; without it callers fall apart into two halves that take turns for good. Alone, nobody waits. */
static void gather(struct writer *w)
{
    int64_t wait_ns = w->last_store_ns / 2 < GATHER_MAX_NS ? w->last_store_ns / 2 : GATHER_MAX_NS;
    int64_t until_ns = clock_mono_ns() + wait_ns;
    struct timespec until = { .tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000 };
    while (w->first && w->queue_batches < w->expected && w->queue_rows < GROUP_ROWS && !w->is_stopping)
        if (pthread_cond_timedwait(&w->work, &w->lock, &until) != 0)
            break;
}

/* All that waits, up to a group; false: stop. Returns with an empty group when rows are due that could wait. */
static bool take_group(struct writer *w, struct batch **group)
{
    *group = NULL;
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->is_stopping && !w->call) {
        if (w->later_since_ms) {
            struct timespec due = time_of(w->later_since_ms + LATER_AGE_MS);
            if (pthread_cond_timedwait(&w->work, &w->lock, &due) != 0)
                break;
        } else {
            pthread_cond_wait(&w->work, &w->lock);
        }
    }
    gather(w);
    bool go_on = w->first || !w->is_stopping;
    size_t rows = 0;
    struct batch **to = group;
    while (w->first && (rows == 0 || rows + w->first->count <= GROUP_ROWS)) {
        struct batch *b = w->first;
        w->first = b->next;
        w->queue_rows -= b->count;
        w->queue_batches--;
        b->next = NULL;
        if (atomic_load(&b->stage) == BATCH_LEFT) {
            batch_free(b);
            continue;
        }
        rows += b->count;
        *to = b;
        to = &b->next;
    }
    if (!w->first)
        w->end = &w->first;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void add_row(struct writer *w, const struct table *t, const void *record)
{
    if (w->rows_count == w->rows_room) {
        w->rows_room = w->rows_room ? w->rows_room * 2 : GROUP_ROWS;
        w->rows = must_realloc(w->rows, w->rows_room, sizeof *w->rows);
    }
    w->rows[w->rows_count++] = (struct db_insert){ t, record };
}

static void plan_group(struct writer *w, struct batch *group)
{
    w->rows_count = 0;
    for (struct batch *b = group; b; b = b->next)
        for (size_t i = 0; i < b->count; i++) {
            void *record = batch_record(b, i);
            bool is_new = state_plan(w->options.state, b->table, record);
            if (is_new)
                add_row(w, b->table, record);
            *(is_new ? &b->counts.accepted : &b->counts.duplicates) += 1;
        }
}

/* Waits before another try; false: stopped, and out of time. */
static bool pause_before_retry(struct writer *w, int64_t *retry_ms, const struct err *err)
{
    int64_t until_ms = now_ms() + *retry_ms;
    struct timespec until = time_of(until_ms);
    pthread_mutex_lock(&w->lock);
    if (!w->away_since_ms) {
        w->away_since_ms = now_ms();
        log_warn("database_lost", KV_TEXT("why", err->text));
    }
    w->away = *err;
    while (!w->is_stopping && now_ms() < until_ms) /* new work wakes it too, and must wait like the rest */
        pthread_cond_timedwait(&w->work, &w->lock, &until);
    bool go_on = !w->is_stopping || now_ms() < w->stop_ms;
    bool is_stopping = w->is_stopping;
    pthread_mutex_unlock(&w->lock);
    if (is_stopping && go_on)
        nanosleep(&(struct timespec){ .tv_nsec = RETRY_FIRST_MS * 1000000 }, NULL);
    *retry_ms = *retry_ms * 2 < RETRY_MAX_MS ? *retry_ms * 2 : RETRY_MAX_MS;
    return go_on;
}

static void database_is_back(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->away_since_ms)
        log_info("database_found", KV_INT("away_ms", now_ms() - w->away_since_ms));
    w->away_since_ms = 0;
    pthread_mutex_unlock(&w->lock);
}

/* Until the database has an opinion. DB_LOST: stopped before. */
static enum db_outcome store(struct writer *w, const struct db_insert *rows, size_t count, struct err *err)
{
    int64_t retry_ms = RETRY_FIRST_MS;
    enum db_outcome outcome;
    while ((outcome = w->options.store(w->options.ctx, rows, count, err)) == DB_LOST)
        if (!pause_before_retry(w, &retry_ms, err))
            return DB_LOST;
    database_is_back(w);
    return outcome;
}

static bool reload(struct writer *w)
{
    int64_t retry_ms = RETRY_FIRST_MS;
    struct err err;
    while (!w->options.reload(w->options.ctx, &err))
        if (!pause_before_retry(w, &retry_ms, &err))
            return false;
    database_is_back(w);
    return true;
}

static bool owns(struct batch *b, const void *record)
{
    const char *at = record;
    return at >= b->records && at < b->records + b->count * b->table->record_size;
}

/* One by one, to find the rows the database will not have. */
static enum db_outcome store_singly(struct writer *w, struct batch *group)
{
    struct err err;
    bool refused = false;
    for (size_t i = 0; i < w->rows_count; i++) {
        enum db_outcome outcome = store(w, &w->rows[i], 1, &err);
        if (outcome == DB_LOST)
            return DB_LOST;
        if (outcome != DB_REFUSED)
            continue;
        refused = true;
        log_error("row_refused", KV_TEXT("table", w->rows[i].table->name), KV_TEXT("why", err.text));
        for (struct batch *b = group; b; b = b->next)
            if (owns(b, w->rows[i].record)) {
                b->result = WRITER_REFUSED;
                b->err = err;
            }
    }
    /* A duplicate of this group may have been one of a row refused: its caller must ask again. */
    for (struct batch *b = group; refused && b; b = b->next)
        if (b->result == WRITER_DONE && b->counts.duplicates) {
            b->result = WRITER_AWAY;
            err_set(&b->err, ERR_IO, "a row sent at the same time was refused: send again");
        }
    return reload(w) ? DB_STORED : DB_LOST;
}

static void answer(struct writer *w, struct batch *group, bool stored)
{
    struct err why = { ERR_IO, "the server is stopping" };
    pthread_mutex_lock(&w->lock);
    w->expected = w->queue_batches;
    for (struct batch *b = group; b; b = b->next)
        w->expected++;
    w->groups += stored && w->rows_count;
    w->stored_rows += stored ? (int64_t)w->rows_count : 0;
    if (w->away_since_ms)
        why = w->away;
    pthread_mutex_unlock(&w->lock);
    for (struct batch *b = group, *next; b; b = next) {
        next = b->next;
        if (!stored) {
            b->result = WRITER_AWAY;
            b->err = why;
        }
        if (atomic_exchange(&b->stage, BATCH_DONE) == BATCH_LEFT)
            batch_free(b);
    }
    atomic_fetch_add(&w->answers, 1);
    syscall(SYS_futex, &w->answers, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static bool write_group(struct writer *w, struct batch *group)
{
    struct err err = { 0 };
    enum db_outcome outcome = DB_STORED;
    plan_group(w, group);
    int64_t began_ns = clock_mono_ns();
    if (w->rows_count)
        outcome = store(w, w->rows, w->rows_count, &err);
    w->last_store_ns = clock_mono_ns() - began_ns;
    if (w->rows_count)
        histogram_add(&w->commits, w->last_store_ns);
    if (outcome == DB_REFUSED)
        outcome = store_singly(w, group);
    else if (outcome == DB_STORED)
        state_publish(w->options.state);
    answer(w, group, outcome == DB_STORED);
    return outcome == DB_STORED;
}

/* A group of them. False: the database is lost, and there is no more time. */
static bool store_later(struct writer *w)
{
    struct err err = { 0 };
    if (!w->rows_count)
        return true;
    enum db_outcome outcome = store(w, w->rows, w->rows_count, &err);
    if (outcome == DB_REFUSED)
        log_error("later_rows_refused", KV_INT("rows", w->rows_count), KV_TEXT("why", err.text));
    w->rows_count = 0;
    return outcome != DB_LOST;
}

static bool write_later(struct writer *w)
{
    const struct order *versions;
    const struct position_snapshot *const *snapshots;
    size_t versions_count = state_versions(w->options.state, &versions);
    size_t snapshots_count = state_snapshots(w->options.state, &snapshots);
    w->rows_count = 0;
    for (size_t i = 0; i < versions_count + snapshots_count; i++) {
        if (i < versions_count)
            add_row(w, &order_table, &versions[i]);
        else
            add_row(w, &snapshot_table, snapshots[i - versions_count]);
        if (w->rows_count == GROUP_ROWS && !store_later(w))
            return false;
    }
    if (!store_later(w))
        return false;
    state_versions_taken(w->options.state);
    state_snapshots_taken(w->options.state);
    w->later_since_ms = 0;
    return true;
}

static bool has_call(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool has = w->call;
    pthread_mutex_unlock(&w->lock);
    return has;
}

static bool run_call(struct writer *w, size_t due)
{
    if (due && !write_later(w))
        return false;
    w->call(w->call_ctx);
    pthread_mutex_lock(&w->lock);
    w->call = NULL;
    pthread_cond_broadcast(&w->called);
    pthread_mutex_unlock(&w->lock);
    return true;
}

bool writer_call(struct writer *w, void (*call)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&w->lock);
    while (w->call && !w->is_stopping)
        pthread_cond_wait(&w->called, &w->lock);
    bool taken = !w->is_stopping;
    if (taken) {
        w->call = call;
        w->call_ctx = ctx;
        pthread_cond_signal(&w->work);
        while (w->call == call && w->call_ctx == ctx && !w->is_over)
            pthread_cond_wait(&w->called, &w->lock);
        taken = w->call != call || w->call_ctx != ctx;
    }
    pthread_mutex_unlock(&w->lock);
    return taken;
}

static void *run(void *arg)
{
    struct writer *w = arg;
    struct batch *group;
    bool go_on = true;
    while (go_on) {
        bool is_last = !take_group(w, &group);
        if (group)
            go_on = write_group(w, group);
        size_t due = later_count(w);
        if (due && !w->later_since_ms)
            w->later_since_ms = now_ms();
        if (go_on && has_call(w))
            go_on = run_call(w, due);
        else if (go_on && due && (is_last || due >= LATER_MAX || now_ms() - w->later_since_ms >= LATER_AGE_MS))
            go_on = write_later(w);
        go_on = go_on && !is_last;
    }
    /* Whoever still waits has come too late. */
    pthread_mutex_lock(&w->lock);
    group = w->first;
    w->first = NULL;
    w->end = &w->first;
    w->queue_batches = w->queue_rows = 0;
    w->is_over = true;
    pthread_cond_broadcast(&w->called);
    pthread_mutex_unlock(&w->lock);
    w->rows_count = 0;
    answer(w, group, false);
    return NULL;
}

struct writer *writer_start(const struct writer_options *options)
{
    struct writer *w = must_alloc(1, sizeof *w);
    w->options = *options;
    w->end = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    cond_init(&w->work);
    cond_init(&w->called);
    if (later_count(w))
        w->later_since_ms = now_ms();
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        log_error("no_thread", KV_TEXT("for", "writer"));
        abort();
    }
    return w;
}

void writer_stop(struct writer *w, int64_t grace_ms)
{
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    w->stop_ms = now_ms() + grace_ms;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->called);
    free(w->rows);
    free(w);
}
