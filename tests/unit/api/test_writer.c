/* writer and state under threads: 16 callers, readers beside them, and a database that is lost, refuses and comes back.
 * Run under TSan it also says that nothing is shared by accident. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/keymap.h"
#include "api/writer.h"
#include "core/base.h"
#include "core/log.h"
#include "tests/support/rows.h"

enum { CALLERS = 16, READERS = 2, EACH = 60 };

/* In the place of the database: remembers keys of events, once each. */
struct fake {
    struct state *state;
    struct keymap stored;
    uint64_t seed;
    int lost_one_in;         /* a store is lost one time in so many; before or after it was done */
    const char *refused;     /* an execution id it will not have */
    bool is_away;            /* always lost */
    struct event *events;    /* all stored, for the reload */
    size_t count;
    int reloads, calls, calls_in_between;
};

static void keep(struct fake *f, const struct db_insert *row)
{
    struct key k = { 0 };
    if (row->table != &event_table)
        return;
    const struct event *e = row->record;
    key_text(&k, e->account);
    key_number(&k, e->event_key);
    void **slot = keymap_put(&f->stored, &k);
    if (*slot)
        return; /* as DEDUP does */
    *slot = f;
    f->events = must_realloc(f->events, f->count + 1, sizeof *f->events);
    f->events[f->count++] = *e;
}

static enum db_outcome store(void *ctx, const struct db_insert *rows, size_t count, struct err *err)
{
    struct fake *f = ctx;
    if (f->is_away || (f->lost_one_in && random_next(&f->seed) % (uint64_t)f->lost_one_in == 0)) {
        if (!f->is_away && random_next(&f->seed) % 2)
            for (size_t i = 0; i < count; i++)
                keep(f, &rows[i]); /* done, but the answer did not come */
        err_set(err, ERR_IO, "lost");
        return DB_LOST;
    }
    for (size_t i = 0; i < count; i++) {
        if (f->refused && rows[i].table == &event_table &&
            strcmp(((const struct event *)rows[i].record)->execution_id, f->refused) == 0) {
            err_set(err, ERR_INTERNAL, "refused");
            return DB_REFUSED; /* those before it are stored */
        }
        keep(f, &rows[i]);
    }
    return DB_STORED;
}

static bool reload(void *ctx, struct err *err)
{
    struct fake *f = ctx;
    struct state *fresh = state_new();
    (void)err;
    for (size_t i = 0; i < f->count; i++)
        state_load(fresh, &event_table, &f->events[i]);
    state_loaded(fresh);
    state_replace(f->state, fresh);
    f->reloads++;
    return true;
}

static struct batch *fills(int account, int from, int count)
{
    struct batch *b = batch_new(&event_table, (size_t)count);
    for (int i = 0; i < count; i++) {
        struct event *e = batch_record(b, (size_t)i);
        table_init(&event_table, e);
        snprintf(e->account, sizeof e->account, "A%d", account);
        strcpy(e->event, "fill");
        snprintf(e->execution_id, sizeof e->execution_id, "x%d", from + i);
        e->event_key = event_key_of(e->execution_id);
        strcpy(e->order_id, e->execution_id);
        snprintf(e->client_order_id, sizeof e->client_order_id, "bell.s.20131007.%d", from + i);
        strcpy(e->strategy, "s");
        strcpy(e->symbol, "SPY");
        e->timestamp = e->submitted_at = (1000 + from + i) * SECOND_NS;
        e->quantity = e->filled_quantity = e->fill_quantity = 1;
        e->fill_price = e->average_price = 10 * USD;
        e->status = ORDER_FILLED;
    }
    return b;
}

struct caller {
    struct writer *writer;
    struct state *state;
    int account;
    size_t accepted, duplicates, refused, away;
    atomic_bool *stop;
};

/* Accounts are shared by two callers each: every fill is sent twice. */
static void *call(void *arg)
{
    struct caller *c = arg;
    for (int n = 0; n < EACH; n++) {
        struct writer_count counts = { 0 };
        struct err err;
        switch (writer_submit(c->writer, fills(c->account, n, 1), &counts, &err)) {
        case WRITER_DONE:
            c->accepted += counts.accepted;
            c->duplicates += counts.duplicates;
            break;
        case WRITER_REFUSED:
            c->refused++;
            break;
        case WRITER_AWAY:
            c->away++;
            n -= strstr(err.text, "send again") != NULL;
            break;
        }
    }
    return NULL;
}

static void *look(void *arg)
{
    struct caller *c = arg;
    size_t before = 0, now, orders;
    while (!atomic_load(c->stop)) {
        state_read(c->state);
        const struct fill *const *list = state_fills(c->state, &now);
        for (size_t i = 1; i < now; i++)
            assert_true(fill_cmp(list[i - 1], list[i]) < 0);
        state_orders(c->state, &orders);
        const struct book *book = state_book(c->state);
        int64_t held = 0;
        for (size_t i = 0; i < book->count; i++)
            held += book->list[i]->now.qty;
        state_read_done(c->state);
        assert_int_equal(held, now); /* fills and positions change together */
        assert_int_equal(orders, now);
        assert_true(now >= before);
        before = now;
    }
    return NULL;
}

static struct caller run_callers(struct fake *f, int64_t wait_ms)
{
    struct state *s = state_new();
    f->state = s;
    struct writer *w = writer_start(&(struct writer_options){ s, store, reload, f, wait_ms, 100000 });
    struct caller callers[CALLERS], readers[READERS], sum = { 0 };
    pthread_t threads[CALLERS + READERS];
    atomic_bool stop = false;
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct caller){ .state = s, .stop = &stop };
        pthread_create(&threads[CALLERS + i], NULL, look, &readers[i]);
    }
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ .writer = w, .account = i / 2 };
        pthread_create(&threads[i], NULL, call, &callers[i]);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        sum.accepted += callers[i].accepted;
        sum.duplicates += callers[i].duplicates;
        sum.refused += callers[i].refused;
        sum.away += callers[i].away;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[CALLERS + i], NULL);
    writer_stop(w, 100);
    size_t known;
    state_fills(s, &known);
    assert_int_equal(known, f->is_away ? 0 : f->count);
    writer_free(w);
    state_free(s);
    keymap_free(&f->stored);
    free(f->events);
    return sum;
}

static const struct weather {
    const char *label;
    int lost_one_in;
    const char *refused;
    bool is_away;
    size_t accepted, duplicates, away;
} weathers[] = {
    { "fair", 0, NULL, false, CALLERS / 2 * EACH, CALLERS / 2 * EACH, 0 },
    { "connections_are_lost", 20, NULL, false, CALLERS / 2 * EACH, CALLERS / 2 * EACH, 0 },
    { "a_row_is_refused", 0, "x7", false, 0, 0, 0 },
    { "the_database_is_away", 0, NULL, true, 0, 0, CALLERS * EACH },
};

static void every_caller_is_told_the_truth(void **state)
{
    const struct weather *c = *state;
    struct fake f = { .seed = 5, .lost_one_in = c->lost_one_in, .refused = c->refused, .is_away = c->is_away };
    struct caller sum = run_callers(&f, c->is_away ? 20 : 60000);
    if (!c->refused)
        assert_int_equal(sum.away, c->away);
    if (c->refused) {
        assert_int_equal(sum.refused, CALLERS); /* nobody was told that it is there */
        assert_true(f.reloads > 0);
        assert_int_equal(sum.accepted, f.count);
        assert_int_equal(sum.accepted + sum.duplicates + sum.refused, CALLERS * EACH);
        assert_int_equal(f.count, CALLERS / 2 * (EACH - 1));
        return;
    }
    assert_int_equal(sum.accepted, c->accepted);
    assert_int_equal(sum.duplicates, c->duplicates);
    assert_int_equal(f.count, c->accepted);
}

static void on_call(void *ctx)
{
    struct fake *f = ctx;
    const struct order *versions;
    size_t known;
    state_fills(f->state, &known);
    f->calls++;
    f->calls_in_between += known == f->count && state_versions(f->state, &versions) == 0;
}

static void a_call_finds_all_that_is_stored_and_nothing_half_done(void **state)
{
    enum { CALLS = 40 };
    struct fake f = { 0 };
    pthread_t threads[4];
    struct caller callers[4];
    (void)state;
    f.state = state_new();
    struct writer *w = writer_start(&(struct writer_options){ f.state, store, reload, &f, 60000, 1000 });
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){ .writer = w, .account = i };
        pthread_create(&threads[i], NULL, call, &callers[i]);
    }
    for (int i = 0; i < CALLS; i++)
        assert_true(writer_call(w, on_call, &f));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    writer_stop(w, 0);
    assert_false(writer_call(w, on_call, &f));
    assert_int_equal(f.calls, CALLS);
    assert_int_equal(f.calls_in_between, CALLS);
    assert_int_equal(f.count, 4 * EACH);
    writer_free(w);
    state_free(f.state);
    keymap_free(&f.stored);
    free(f.events);
}

static void a_stopped_writer_takes_nothing(void **state)
{
    struct fake f = { 0 };
    struct writer_count counts;
    struct err err;
    (void)state;
    f.state = state_new();
    struct writer *w = writer_start(&(struct writer_options){ f.state, store, reload, &f, 1000, 10 });
    assert_int_equal(writer_submit(w, fills(1, 0, 5), &counts, &err), WRITER_DONE);
    assert_int_equal(counts.accepted, 5);
    writer_stop(w, 0);
    assert_int_equal(writer_submit(w, fills(1, 5, 1), &counts, &err), WRITER_AWAY);
    assert_non_null(strstr(err.text, "stopping"));
    assert_int_equal(f.count, 5);
    writer_free(w);
    state_free(f.state);
    keymap_free(&f.stored);
    free(f.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_call_finds_all_that_is_stored_and_nothing_half_done), cmocka_unit_test(a_stopped_writer_takes_nothing) };
    log_start("test", LOG_LEVEL_ERROR + 1);
    return RUN_ROWS("writer", every_caller_is_told_the_truth, weathers) + cmocka_run_group_tests(tests, NULL, NULL);
}
