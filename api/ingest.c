/* ingest.c - POST: bytes to records, records to the writer, its answer to the caller. */
#include <stdio.h>

#include "api/handlers.h"
#include "core/base.h"
#include "core/log.h"

enum { ITEMS_MAX = 1000, FAULTS_MAX = 50, AWAY_RETRY_S = 2 };

/* One object, or {"items":[...]}: the list of objects, borrowed. NULL: it is no list; or one with a fault. */
static json_t *items_of(json_t *body, struct json_faults *faults)
{
    json_t *items = json_object_get(body, "items");
    if (!items)
        return NULL;
    if (json_object_size(body) != 1)
        json_fault_add(faults, "", "expected nothing beside items");
    else if (!json_is_array(items))
        json_fault_add(faults, "/items", "expected an array");
    else if (json_array_size(items) == 0 || json_array_size(items) > ITEMS_MAX)
        json_fault_add(faults, "/items", "%zu items: expected 1 to %d", json_array_size(items), ITEMS_MAX);
    return faults->count ? NULL : items;
}

static struct batch *decode(const struct ingest *i, json_t *body, struct json_faults *faults)
{
    json_t *items = items_of(body, faults);
    if (faults->count)
        return NULL;
    size_t count = items ? json_array_size(items) : 1;
    struct batch *b = batch_new(i->table, count);
    for (size_t n = 0; n < count; n++) {
        char prefix[32] = "";
        json_t *keep;
        if (items)
            snprintf(prefix, sizeof prefix, "/items/%zu", n);
        ingest_decode(i, items ? json_array_get(items, n) : body, batch_record(b, n), prefix, faults, &keep);
        if (keep)
            batch_keep(b, keep);
    }
    if (!faults->count)
        return b;
    batch_free(b);
    return NULL;
}

/* By these ids an order is followed through all parts. */
static void log_orders(const struct call *c, const struct ingest *i, struct batch *b)
{
    bool is_event = i == &ingest_events;
    for (size_t n = 0; n < batch_count(b) && (is_event || i == &ingest_orders); n++) {
        const void *record = batch_record(b, n);
        const struct event *e = record;
        const struct order *o = record;
        log_info("order_reported", KV_TEXT("request_id", c->request_id), KV_TEXT("account", is_event ? e->account : o->account),
                 KV_TEXT("client_order_id", is_event ? e->client_order_id : o->client_order_id),
                 KV_TEXT("order_id", is_event ? e->order_id : o->order_id), KV_TEXT("what", is_event ? e->event : "intent"));
    }
}

void post_records(struct call *c)
{
    struct err err;
    struct json_fault list[FAULTS_MAX];
    struct json_faults faults = { .max = FAULTS_MAX, .list = list };
    struct writer_count counts = { 0 };
    struct batch *b = NULL;
    json_t *body = json_read(c->body, c->body_size, &err);

    if (!body) {
        problem(c, 400, NULL, "body: %s", err.text);
        goto done;
    }
    if (!(b = decode(c->arg, body, &faults))) {
        problem(c, 422, &faults, "%zu fault%s in the body; nothing was stored", faults.count,
                faults.count == 1 ? "" : "s");
        goto done;
    }
    if (!record_is_whole(c)) {
        batch_free(b);
        goto done;
    }
    log_orders(c, c->arg, b);
    switch (writer_submit(c->api->writer, b, &counts, &err)) {
    case WRITER_DONE:
        c->status = 200;
        c->content_type = "application/json";
        buffer_printf(&c->reply, "{\"accepted\":%zu,\"duplicates\":%zu}", counts.accepted, counts.duplicates);
        break;
    case WRITER_REFUSED:
        problem(c, 500, NULL, "the database refused a row: %s", err.text);
        break;
    case WRITER_AWAY:
        c->retry_after_s = AWAY_RETRY_S;
        problem(c, 503, NULL, "database: %s", err.text);
        break;
    }
done:
    json_decref(body);
}
