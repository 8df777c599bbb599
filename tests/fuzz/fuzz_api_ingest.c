/* Any bytes as the body of any ingest route: faults or a record that survives the database and back. */
#include <stdlib.h>
#include <string.h>

#include "api/records.h"
#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ingest *const routes[] = { &ingest_runs, &ingest_orders, &ingest_events, &ingest_bars,
                                               &ingest_equity, &ingest_decisions, &ingest_accounts, &ingest_config_errors };

static void there_and_back(const struct table *t, const void *record)
{
    void *back = must_alloc(1, t->record_size);
    struct buffer out = { 0 };
    table_init(t, back);
    for (size_t i = 0; i < t->columns_count; i++) {
        const struct column *c = &t->columns[i];
        char scratch[COLUMN_SCRATCH], time[64];
        const char *text = column_to_db(c, record, scratch);
        if (text && c->kind == COLUMN_TIME) { /* results have no zone */
            text_copy(time, sizeof time, text);
            time[strlen(time) - 1] = '\0';
            text = time;
        }
        if (!column_from_db(c, text, back) ||
            (c->kind != COLUMN_SYMBOLS && c->kind != COLUMN_TEXT &&
             memcmp((char *)back + c->offset, (const char *)record + c->offset, c->size) != 0))
            abort();
        column_json(c, record, &out);
        column_csv(c, record, &out);
    }
    buffer_free(&out);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct ingest *i = routes[data[0] % COUNT_OF(routes)];
    struct json_fault list[8];
    struct json_faults faults = { .max = COUNT_OF(list), .list = list };
    struct err err;
    json_t *keep = NULL, *body = json_read((const char *)data + 1, size - 1, &err);
    if (!body)
        return 0;
    void *record = must_alloc(1, i->table->record_size);
    if (ingest_decode(i, body, record, "", &faults, &keep))
        there_and_back(i->table, record);
    else if (!faults.count)
        abort();
    json_decref(keep);
    json_decref(body);
    free(record);
    return 0;
}
