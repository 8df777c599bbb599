/* load.h - the writer's side of the database: its connection, and the state out of it. The writer's thread. */
#ifndef API_LOAD_H
#define API_LOAD_H

#include "api/db/db.h"
#include "api/state.h"

struct store {
    const struct db_options *options;
    struct state *state;
    struct db *db;   /* NULL: to be opened */
};

/* Makes or completes the tables and reads all that is recorded into an empty state. */
bool store_load(struct store *s, struct state *state, struct err *err);

/* For struct writer_options; ctx: struct store. */
enum db_outcome store_rows(void *ctx, const struct db_insert *rows, size_t count, struct err *err);
bool store_reload(void *ctx, struct err *err);

#endif
