#include "streamer/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"

enum { WORD_SIZE = 32, SEEN_MAX = 200000 };

static const char events_route[] = "/api/v1/order-events", bars_route[] = "/api/v1/bars",
                  accounts_route[] = "/api/v1/accounts";

struct record {
    struct outbox *outbox;
    json_t *seen; /* an object used as a set: execution ids, and order/event/filled */
    size_t count;
};

struct row {
    char account[32], event_id[32], event[WORD_SIZE], execution_id[UUID_SIZE];
    int64_t timestamp;
    char order_id[UUID_SIZE], client_order_id[CLIENT_ORDER_ID_SIZE], symbol[SYMBOL_SIZE];
    enum side side;
    char type[WORD_SIZE], time_in_force[WORD_SIZE];
    int64_t quantity, filled_quantity;
    struct price average_price, limit_price;
    enum order_status status;
    int64_t submitted_at, fill_quantity;
    struct price fill_price, fee;
};

#define ROW(member, kind, ...) JSON_FIELD(struct row, member, kind, __VA_ARGS__)
static const struct json_field row_fields[] = {
    ROW(account, FIELD_TEXT),
    ROW(event_id, FIELD_TEXT),
    ROW(event, FIELD_TEXT),
    ROW(execution_id, FIELD_TEXT),
    ROW(timestamp, FIELD_TIME_US),
    ROW(order_id, FIELD_TEXT),
    ROW(client_order_id, FIELD_TEXT),
    ROW(symbol, FIELD_TEXT),
    ROW(side, FIELD_ENUM, .names = side_names),
    ROW(type, FIELD_TEXT),
    ROW(time_in_force, FIELD_TEXT),
    ROW(quantity, FIELD_QTY),
    ROW(filled_quantity, FIELD_QTY),
    ROW(average_price, FIELD_PRICE),
    ROW(limit_price, FIELD_PRICE),
    ROW(status, FIELD_ENUM, .names = order_status_names),
    ROW(submitted_at, FIELD_TIME),
    ROW(fill_quantity, FIELD_QTY),
    ROW(fill_price, FIELD_PRICE),
    ROW(fee, FIELD_PRICE),
};

static int64_t cut_to_us(int64_t ns)
{
    return ns - ns % 1000;
}

/* A word as the broker wrote it: ours for a type or time in force we do not trade would be wrong. */
static void copy_word(const json_t *order, const char *name, char out[WORD_SIZE])
{
    const char *word = json_string_value(json_object_get(order, name));

    text_copy(out, WORD_SIZE, word ? word : "");
}

static void read_fee(const json_t *obj, struct price *out)
{
    const char *fee = json_string_value(json_object_get(obj, "fee"));

    if (!fee || !price_parse(fee, strlen(fee), out))
        *out = PRICE_NONE;
}

static void row_init(struct row *row, const char *account, const struct alpaca_order *o, const json_t *order)
{
    *row = (struct row){ .side = o->side, .quantity = o->qty, .filled_quantity = o->filled_qty,
                         .average_price = o->filled_avg_price, .limit_price = o->limit_price,
                         .status = o->status, .submitted_at = o->submitted_at ? o->submitted_at : o->created_at,
                         .fill_quantity = INT64_MIN, .fill_price = PRICE_NONE, .fee = PRICE_NONE };
    text_copy(row->account, sizeof row->account, account);
    text_copy(row->order_id, sizeof row->order_id, o->id);
    text_copy(row->client_order_id, sizeof row->client_order_id, o->client_order_id);
    text_copy(row->symbol, sizeof row->symbol, o->symbol);
    copy_word(order, "type", row->type);
    copy_word(order, "time_in_force", row->time_in_force);
}

static void seen_key(const struct row *row, char out[160])
{
    if (row->fill_quantity != INT64_MIN)
        snprintf(out, 160, "%s", row->execution_id);
    else
        snprintf(out, 160, "%s/%s/%" PRId64, row->order_id, row->event, row->filled_quantity);
}

/* Puts the row unless the same has been put. raw is lent. */
static bool put_row(struct record *r, const struct row *row, const char *raw, size_t size, struct err *err)
{
    char key[160];
    json_t *j;
    bool ok;

    seen_key(row, key);
    if (json_object_get(r->seen, key))
        return true;
    j = json_encode(row, row_fields, COUNT_OF(row_fields));
    json_object_set_new(j, "raw", json_stringn(raw, size));
    ok = outbox_put(r->outbox, events_route, j, err);
    json_decref(j);
    if (!ok)
        return false;
    r->count++;
    if (json_object_size(r->seen) >= SEEN_MAX)
        json_object_clear(r->seen); /* only costs repeats, which the API takes as the same rows */
    json_object_set_new(r->seen, key, json_true());
    return true;
}

struct record *record_new(struct outbox *outbox)
{
    struct record *r = must_alloc(1, sizeof *r);

    r->outbox = outbox;
    r->seen = json_object();
    return r;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    json_decref(r->seen);
    free(r);
}

bool record_update(struct record *r, const char *account, const struct alpaca_trade_update *u, const char *raw,
                   size_t size, struct err *err)
{
    json_t *data = json_loadb(raw, size, 0, NULL);
    const char *word = json_string_value(json_object_get(data, "event"));
    struct row row;
    bool ok;

    row_init(&row, account, &u->order, json_object_get(data, "order"));
    text_copy(row.event, sizeof row.event, word ? word : "unknown");
    text_copy(row.event_id, sizeof row.event_id, u->event_id);
    text_copy(row.execution_id, sizeof row.execution_id, u->execution_id);
    row.timestamp = cut_to_us(u->timestamp);
    if (alpaca_event_is_fill(u->event)) {
        row.fill_quantity = u->qty;
        row.fill_price = u->price;
        read_fee(data, &row.fee);
    }
    ok = put_row(r, &row, raw, size, err);
    json_decref(data);
    return ok;
}

static bool put_with_raw(struct record *r, const struct row *row, const json_t *raw, struct err *err)
{
    char *text = json_dumps(raw, JSON_COMPACT);
    bool ok = put_row(r, row, text, strlen(text), err);

    free(text);
    return ok;
}

const char *activity_execution_id(const char *activity_id)
{
    const char *half = strstr(activity_id, "::");

    return half ? half + 2 : "";
}

bool record_activity(struct record *r, const char *account, const json_t *activity, const json_t *order,
                     struct err *err)
{
    struct alpaca_activity a;
    struct alpaca_order o;
    struct row row;

    if (!alpaca_activity_decode(activity, &a, err) || !alpaca_order_decode(order, &o, err))
        return false;
    row_init(&row, account, &o, order);
    text_copy(row.event, sizeof row.event, alpaca_event_names[a.is_partial ? ALPACA_PARTIAL_FILL : ALPACA_FILL]);
    text_copy(row.execution_id, sizeof row.execution_id, activity_execution_id(a.id));
    row.timestamp = cut_to_us(a.transaction_time);
    row.fill_quantity = a.qty;
    row.fill_price = a.price;
    read_fee(activity, &row.fee);
    if (a.cum_qty != INT64_MIN) { /* the order's state after this execution, not the one it is in now */
        if (a.cum_qty != o.filled_qty)
            row.average_price = PRICE_NONE;
        row.filled_quantity = a.cum_qty;
    }
    row.status = a.is_partial ? ORDER_PARTIALLY_FILLED : ORDER_FILLED;
    return put_with_raw(r, &row, activity, err);
}

/* The event that brings an order into a status, and where its time stands. */
static const struct status_event {
    enum order_status status;
    enum alpaca_event event;
    size_t time;
} status_events[] = {
    { ORDER_PENDING_NEW, ALPACA_PENDING_NEW, offsetof(struct alpaca_order, updated_at) },
    { ORDER_ACCEPTED, ALPACA_ACCEPTED, offsetof(struct alpaca_order, updated_at) },
    { ORDER_NEW, ALPACA_NEW, offsetof(struct alpaca_order, updated_at) },
    { ORDER_HELD, ALPACA_HELD, offsetof(struct alpaca_order, updated_at) },
    { ORDER_DONE_FOR_DAY, ALPACA_DONE_FOR_DAY, offsetof(struct alpaca_order, updated_at) },
    { ORDER_PENDING_CANCEL, ALPACA_PENDING_CANCEL, offsetof(struct alpaca_order, updated_at) },
    { ORDER_PENDING_REPLACE, ALPACA_PENDING_REPLACE, offsetof(struct alpaca_order, updated_at) },
    { ORDER_STOPPED, ALPACA_STOPPED, offsetof(struct alpaca_order, updated_at) },
    { ORDER_SUSPENDED, ALPACA_SUSPENDED, offsetof(struct alpaca_order, updated_at) },
    { ORDER_CALCULATED, ALPACA_CALCULATED, offsetof(struct alpaca_order, updated_at) },
    { ORDER_CANCELED, ALPACA_CANCELED, offsetof(struct alpaca_order, canceled_at) },
    { ORDER_EXPIRED, ALPACA_EXPIRED, offsetof(struct alpaca_order, expired_at) },
    { ORDER_REPLACED, ALPACA_REPLACED, offsetof(struct alpaca_order, replaced_at) },
    { ORDER_REJECTED, ALPACA_REJECTED, offsetof(struct alpaca_order, failed_at) },
};

bool record_order(struct record *r, const char *account, const json_t *order, struct err *err)
{
    struct alpaca_order o;
    struct row row;

    if (!alpaca_order_decode(order, &o, err))
        return false;
    row_init(&row, account, &o, order);
    for (size_t i = 0; i < COUNT_OF(status_events); i++) {
        const struct status_event *e = &status_events[i];
        if (e->status != o.status)
            continue;
        text_copy(row.event, sizeof row.event, alpaca_event_names[e->event]);
        row.timestamp = *(const int64_t *)(const void *)((const char *)&o + e->time);
        row.timestamp = cut_to_us(row.timestamp ? row.timestamp : o.updated_at);
        return put_with_raw(r, &row, order, err);
    }
    return true; /* filled, partially_filled: its executions tell; unknown: nothing to tell */
}

static int price_member(char *out, size_t size, const char *name, struct price p)
{
    char text[PRICE_TEXT_MAX];

    price_format(p, text);
    return snprintf(out, size, "\"%s\":\"%s\",", name, text);
}

/* Each bar passes here: no JSON library. */
bool record_bar(struct record *r, const char *symbol, const struct bar *b, const char *source, struct err *err)
{
    char text[400], time[TIME_TEXT_SIZE];
    int n;

    time_format(b->open_time_ns, time);
    n = snprintf(text, sizeof text, "{\"symbol\":\"%s\",\"timestamp\":\"%s\",", symbol, time);
    n += price_member(text + n, sizeof text - (size_t)n, "open", b->open);
    n += price_member(text + n, sizeof text - (size_t)n, "high", b->high);
    n += price_member(text + n, sizeof text - (size_t)n, "low", b->low);
    n += price_member(text + n, sizeof text - (size_t)n, "close", b->close);
    n += snprintf(text + n, sizeof text - (size_t)n, "\"volume\":\"%" PRId64 "\",\"source\":\"%s\"}", b->volume,
                  source);
    if (n >= (int)sizeof text || !symbol_is_valid(symbol))
        return err_set(err, ERR_INPUT, "the bar of %s makes no row", symbol);
    return outbox_put_text(r->outbox, bars_route, text, (size_t)n, err);
}

bool record_account(struct record *r, const char *account, const char *source, int64_t at_ns, struct err *err)
{
    char time[TIME_TEXT_SIZE];
    time_format_us(at_ns, time);
    json_t *row = json_pack("{s:s,s:s,s:s}", "account", account, "source", source, "timestamp", time);
    bool ok = row && outbox_put(r->outbox, accounts_route, row, err);
    if (!row)
        err_set(err, ERR_INPUT, "the account's name is not UTF-8");
    json_decref(row);
    return ok;
}

size_t record_count(const struct record *r)
{
    return r->count;
}

bool record_has_execution(const struct record *r, const char *execution_id)
{
    return json_object_get(r->seen, execution_id) != NULL;
}
