#include "api/load.h"

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

static bool open_when_lost(struct store *s, struct err *err)
{
    if (s->db && db_is_lost(s->db)) {
        db_close(s->db);
        s->db = NULL;
    }
    if (!s->db)
        s->db = db_open(s->options, err);
    return s->db;
}

struct loading {
    struct state *state;
    const struct table *table;
    int64_t rows;
};

static bool load_row(void *ctx, const void *record)
{
    struct loading *l = ctx;
    state_load(l->state, l->table, (void *)(uintptr_t)record);
    l->rows++;
    return true;
}

bool store_load(struct store *s, struct state *state, struct err *err)
{
    static const struct table *const remembered[] = { &run_table, &bar_table, &order_table, &event_table,
                                                      &equity_table, &decision_table, &snapshot_table, &account_table, &import_table,
                                                      &config_error_table };
    int64_t began_ns = clock_mono_ns();
    struct loading l = { .state = state_new() };
    bool ok = open_when_lost(s, err) && db_prepare_tables(s->db, err);
    for (size_t i = 0; ok && i < COUNT_OF(remembered); i++) {
        l.table = remembered[i];
        ok = db_load(s->db, l.table, load_row, &l, err) || err_prefix(err, "table %s", l.table->name);
    }
    if (!ok) {
        state_free(l.state);
        return false;
    }
    state_loaded(l.state);
    if (state_import_begun(l.state)) { /* nothing follows from half a record */
        state_versions_taken(l.state);
        state_snapshots_taken(l.state);
    }
    state_replace(state, l.state);
    log_info("state_loaded", KV_INT("rows", l.rows), KV_INT("ms", (clock_mono_ns() - began_ns) / 1000000));
    return true;
}

enum db_outcome store_rows(void *ctx, const struct db_insert *rows, size_t count, struct err *err)
{
    struct store *s = ctx;
    return open_when_lost(s, err) ? db_insert(s->db, rows, count, err) : DB_LOST;
}

bool store_reload(void *ctx, struct err *err)
{
    struct store *s = ctx;
    return store_load(s, s->state, err);
}
