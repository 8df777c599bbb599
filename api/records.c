#include "api/records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "market/client_order_id.h"

enum { QTY_MAX = 1000000000 };                          /* a billion shares */
#define MONEY_MAX (INT64_C(1000000000000) * USD)        /* a million million dollars */
#define PRICE_MAX (INT64_C(10000000) * USD)

const char *const run_status_names[] = { "running", "finished", "stopped", "failed", NULL };
const char *const run_mode_names[] = { "replay", "paper", "live", "backtest", NULL };

/* ---- tables */

#define R(member, kind, ...) COLUMN(struct run, member, kind, __VA_ARGS__)
#define RUN_COLUMNS \
    R(started_at, COLUMN_TIME, .sql = "TIMESTAMP"), \
    R(run_id, COLUMN_TEXT, .sql = "SYMBOL"), \
    R(version, COLUMN_COUNT, .sql = "LONG"), \
    R(account, COLUMN_TEXT, .sql = "SYMBOL"), \
    R(strategy, COLUMN_TEXT, .sql = "SYMBOL"), \
    R(plugin, COLUMN_TEXT, .sql = "SYMBOL"), \
    R(symbols, COLUMN_SYMBOLS, .sql = "VARCHAR"), \
    R(capital, COLUMN_MONEY, .sql = "LONG"), \
    R(quantity, COLUMN_QTY, .sql = "LONG"), \
    R(days, COLUMN_COUNT, .sql = "LONG"), \
    R(mode, COLUMN_NAME, .sql = "SYMBOL", .names = run_mode_names), \
    R(status, COLUMN_NAME, .sql = "SYMBOL", .names = run_status_names), \
    R(config_hash, COLUMN_TEXT, .sql = "VARCHAR"), \
    R(plugin_hash, COLUMN_TEXT, .sql = "VARCHAR"), \
    R(ended_at, COLUMN_TIME, .sql = "TIMESTAMP"), \
    R(reason, COLUMN_TEXT, .sql = "VARCHAR", .null = true), \
    R(config_changed_at, COLUMN_TIME, .sql = "TIMESTAMP")
static const struct column run_columns[] = { RUN_COLUMNS, R(config_text, COLUMN_LONG_TEXT, .sql = "VARCHAR", .hidden = true) };
static const struct column run_whole_columns[] = { RUN_COLUMNS, R(config_text, COLUMN_LONG_TEXT, .sql = "VARCHAR") };
#undef R
static const char *const run_keys[] = { "started_at", "run_id", "version", NULL };
const struct table run_table = { "runs", run_columns, COUNT_OF(run_columns), sizeof(struct run),
                                 run_keys, "MONTH", NULL };
const struct table run_whole_table = { "runs", run_whole_columns, COUNT_OF(run_whole_columns), sizeof(struct run),
                                       run_keys, "MONTH", NULL };

static const struct column strategy_columns[] = {
    { .name = "id", .kind = COLUMN_TEXT, .offset = offsetof(struct run, strategy), .size = NAME_SIZE },
#define R(member, kind, ...) COLUMN(struct run, member, kind, __VA_ARGS__)
    R(plugin, COLUMN_TEXT),
    R(symbols, COLUMN_SYMBOLS),
    R(capital, COLUMN_MONEY),
    R(quantity, COLUMN_QTY),
    R(days, COLUMN_COUNT),
    R(status, COLUMN_NAME, .names = run_status_names),
    R(config_hash, COLUMN_TEXT),
    R(plugin_hash, COLUMN_TEXT),
    R(account, COLUMN_TEXT),
    R(run_id, COLUMN_TEXT),
    R(mode, COLUMN_NAME, .names = run_mode_names),
    R(started_at, COLUMN_TIME),
    R(ended_at, COLUMN_TIME),
    R(reason, COLUMN_TEXT, .null = true),
    R(version, COLUMN_COUNT),
    R(config_changed_at, COLUMN_TIME),
#undef R
    COLUMN(struct strategy_view, config_error, COLUMN_TEXT, .null = true),
    COLUMN(struct strategy_view, config_error_at, COLUMN_TIME),
};
static_assert(offsetof(struct strategy_view, run) == 0, "its columns are those of the run");
const struct table strategy_view_table = { "strategies", strategy_columns, COUNT_OF(strategy_columns),
                                           sizeof(struct strategy_view), NULL, NULL, NULL };

#define O(member, kind, ...) COLUMN(struct order, member, kind, __VA_ARGS__)
static const struct column order_columns[] = {
    O(timestamp, COLUMN_TIME, .sql = "TIMESTAMP", .hidden = true),
    O(order_id, COLUMN_TEXT, .packed = true, .null = true),
    O(client_order_id, COLUMN_TEXT, .sql = "VARCHAR"),
    O(account, COLUMN_TEXT, .sql = "SYMBOL"),
    O(strategy, COLUMN_TEXT, .sql = "SYMBOL"),
    O(symbol, COLUMN_TEXT, .sql = "SYMBOL"),
    O(side, COLUMN_NAME, .packed = true, .names = side_names),
    O(type, COLUMN_TEXT, .packed = true),
    O(time_in_force, COLUMN_TEXT, .packed = true),
    O(quantity, COLUMN_QTY, .packed = true),
    O(filled_quantity, COLUMN_QTY, .sql = "LONG"),
    O(average_price, COLUMN_MONEY, .packed = true),
    O(limit_price, COLUMN_MONEY, .packed = true),
    O(status, COLUMN_NAME, .sql = "SYMBOL", .names = order_status_names),
    O(submitted_at, COLUMN_TIME, .packed = true),
    O(updated_at, COLUMN_TIME, .packed = true),
    O(run_id, COLUMN_TEXT, .packed = true, .null = true),
    O(reason, COLUMN_TEXT, .packed = true, .null = true),
    O(version, COLUMN_COUNT, .sql = "LONG", .hidden = true),
};
#undef O
static const char *const order_keys[] = { "timestamp", "account", "client_order_id", "version", NULL };
const struct table order_table = { "orders", order_columns, COUNT_OF(order_columns), sizeof(struct order),
                                   order_keys, "DAY", NULL };

#define E(member, kind, ...) COLUMN(struct event, member, kind, __VA_ARGS__)
static const struct column event_columns[] = {
    E(timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    E(account, COLUMN_TEXT, .sql = "SYMBOL"),
    E(event_key, COLUMN_COUNT, .sql = "LONG", .hidden = true, .derived = true),
    E(event_id, COLUMN_TEXT, .packed = true, .null = true),
    E(event, COLUMN_TEXT, .sql = "SYMBOL"),
    E(execution_id, COLUMN_TEXT, .packed = true, .null = true),
    E(order_id, COLUMN_TEXT, .packed = true),
    E(client_order_id, COLUMN_TEXT, .packed = true),
    E(strategy, COLUMN_TEXT, .sql = "SYMBOL"),
    E(symbol, COLUMN_TEXT, .sql = "SYMBOL"),
    E(side, COLUMN_NAME, .packed = true, .names = side_names),
    E(type, COLUMN_TEXT, .packed = true),
    E(time_in_force, COLUMN_TEXT, .packed = true),
    E(quantity, COLUMN_QTY, .packed = true),
    E(filled_quantity, COLUMN_QTY, .packed = true),
    E(average_price, COLUMN_MONEY, .packed = true),
    E(limit_price, COLUMN_MONEY, .packed = true),
    E(status, COLUMN_NAME, .packed = true, .names = order_status_names),
    E(submitted_at, COLUMN_TIME, .packed = true),
    E(fill_quantity, COLUMN_QTY, .packed = true),
    E(fill_price, COLUMN_MONEY, .packed = true),
    E(fee, COLUMN_MONEY, .packed = true),
    E(raw, COLUMN_LONG_TEXT, .packed = true),
};
#undef E
static const char *const event_keys[] = { "timestamp", "account", "event_key", NULL };
static void derive_event_key(void *record);
const struct table event_table = { "order_events", event_columns, COUNT_OF(event_columns),
                                   sizeof(struct event), event_keys, "DAY", derive_event_key };

#define B(member, kind, ...) COLUMN(struct minute_bar, member, kind, __VA_ARGS__)
static const struct column bar_columns[] = {
    B(timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    B(symbol, COLUMN_TEXT, .sql = "SYMBOL"),
    B(open, COLUMN_MONEY, .sql = "LONG"),
    B(high, COLUMN_MONEY, .sql = "LONG"),
    B(low, COLUMN_MONEY, .sql = "LONG"),
    B(close, COLUMN_MONEY, .sql = "LONG"),
    B(volume, COLUMN_QTY, .sql = "LONG"),
    B(source, COLUMN_TEXT, .sql = "SYMBOL"),
};
#undef B
static const char *const bar_keys[] = { "timestamp", "symbol", "source", NULL };
const struct table bar_table = { "bars_1m", bar_columns, COUNT_OF(bar_columns), sizeof(struct minute_bar),
                                 bar_keys, "DAY", NULL };

#define Q(member, kind, ...) COLUMN(struct equity, member, kind, __VA_ARGS__)
static const struct column equity_columns[] = {
    Q(timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    Q(account, COLUMN_TEXT, .sql = "SYMBOL"),
    Q(strategy, COLUMN_TEXT, .sql = "SYMBOL"),
    Q(cash, COLUMN_MONEY, .sql = "LONG"),
    Q(equity, COLUMN_MONEY, .sql = "LONG"),
    Q(exposure, COLUMN_MONEY, .sql = "LONG"),
};
#undef Q
static const char *const equity_keys[] = { "timestamp", "account", "strategy", NULL };
const struct table equity_table = { "equity", equity_columns, COUNT_OF(equity_columns), sizeof(struct equity),
                                    equity_keys, "MONTH", NULL };

#define D(member, kind, ...) COLUMN(struct decision, member, kind, __VA_ARGS__)
static const struct column decision_columns[] = {
    D(timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    D(run_id, COLUMN_TEXT, .sql = "SYMBOL"),
    D(sequence, COLUMN_COUNT, .sql = "LONG"),
    D(account, COLUMN_TEXT, .sql = "SYMBOL"),
    D(strategy, COLUMN_TEXT, .sql = "SYMBOL"),
    D(symbol, COLUMN_TEXT, .sql = "SYMBOL", .null = true),
    D(text, COLUMN_LONG_TEXT, .sql = "VARCHAR"),
};
#undef D
static const char *const decision_keys[] = { "timestamp", "run_id", "sequence", NULL };
const struct table decision_table = { "decisions", decision_columns, COUNT_OF(decision_columns),
                                      sizeof(struct decision), decision_keys, "MONTH", NULL };

static const struct column account_columns[] = {
    COLUMN(struct account_source, timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    COLUMN(struct account_source, account, COLUMN_TEXT, .sql = "SYMBOL"),
    COLUMN(struct account_source, source, COLUMN_TEXT, .sql = "SYMBOL"),
};
static const char *const account_keys[] = { "timestamp", "account", NULL };
const struct table account_table = { "accounts", account_columns, COUNT_OF(account_columns), sizeof(struct account_source),
                                     account_keys, "MONTH", NULL };

#define C(member, kind, ...) COLUMN(struct config_error, member, kind, __VA_ARGS__)
static const struct column config_error_columns[] = {
    C(timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    C(run_id, COLUMN_TEXT, .sql = "SYMBOL"),
    C(account, COLUMN_TEXT, .sql = "SYMBOL"),
    C(strategy, COLUMN_TEXT, .sql = "SYMBOL"),
    C(text, COLUMN_TEXT, .sql = "VARCHAR", .null = true),
};
#undef C
static const char *const config_error_keys[] = { "timestamp", "run_id", NULL };
const struct table config_error_table = { "config_errors", config_error_columns, COUNT_OF(config_error_columns),
                                          sizeof(struct config_error), config_error_keys, "MONTH", NULL };

const char *const import_status_names[] = { "begun", "done", NULL };
static const struct column import_columns[] = {
    COLUMN(struct import_mark, timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    COLUMN(struct import_mark, status, COLUMN_NAME, .sql = "SYMBOL", .names = import_status_names),
    COLUMN(struct import_mark, archive, COLUMN_TEXT, .sql = "VARCHAR"),
};
static const char *const import_keys[] = { "timestamp", "status", NULL };
const struct table import_table = { "imports", import_columns, COUNT_OF(import_columns), sizeof(struct import_mark),
                                    import_keys, "MONTH", NULL };

#define P(member, kind, ...) COLUMN(struct position_snapshot, member, kind, __VA_ARGS__)
#define POSITION_COLUMNS \
    P(account, COLUMN_TEXT, .sql = "SYMBOL"), \
    P(strategy, COLUMN_TEXT, .sql = "SYMBOL"), \
    P(symbol, COLUMN_TEXT, .sql = "SYMBOL"), \
    P(quantity, COLUMN_QTY, .sql = "LONG"), \
    P(average_price, COLUMN_MONEY, .sql = "LONG"), \
    P(market_price, COLUMN_MONEY, .sql = "LONG"), \
    P(market_value, COLUMN_MONEY, .sql = "LONG"), \
    P(realized_pnl, COLUMN_MONEY, .sql = "LONG"), \
    P(unrealized_pnl, COLUMN_MONEY, .sql = "LONG")
static const struct column snapshot_columns[] = {
    P(timestamp, COLUMN_TIME, .sql = "TIMESTAMP"),
    POSITION_COLUMNS,
};
static const struct column position_columns[] = { POSITION_COLUMNS };
#undef P
static const char *const snapshot_keys[] = { "timestamp", "account", "strategy", "symbol", NULL };
const struct table snapshot_table = { "position_snapshots", snapshot_columns, COUNT_OF(snapshot_columns),
                                      sizeof(struct position_snapshot), snapshot_keys, "MONTH", NULL };
const struct table position_view_table = { "positions", position_columns, COUNT_OF(position_columns),
                                           sizeof(struct position_snapshot), NULL, NULL, NULL };

#define F(member, kind, ...) COLUMN(struct fill_view, member, kind, __VA_ARGS__)
static const struct column fill_columns[] = {
    F(execution_id, COLUMN_TEXT),
    F(order_id, COLUMN_TEXT),
    F(client_order_id, COLUMN_TEXT),
    F(account, COLUMN_TEXT),
    F(strategy, COLUMN_TEXT),
    F(symbol, COLUMN_TEXT),
    F(side, COLUMN_NAME, .names = side_names),
    F(quantity, COLUMN_QTY),
    F(price, COLUMN_MONEY),
    F(fee, COLUMN_MONEY),
    F(timestamp, COLUMN_TIME),
    F(run_id, COLUMN_TEXT, .null = true),
};
#undef F
const struct table fill_view_table = { "fills", fill_columns, COUNT_OF(fill_columns),
                                       sizeof(struct fill_view), NULL, NULL, NULL };

/* The first four are the keys: answered when asked for (reads.c). */
#define L(member, kind) COLUMN(struct pnl_view, member, kind)
static const struct column pnl_columns[] = {
    L(strategy, COLUMN_TEXT),
    L(symbol, COLUMN_TEXT),
    L(day, COLUMN_DATE),
    L(account, COLUMN_TEXT),
    L(fills, COLUMN_COUNT),
    L(quantity_traded, COLUMN_QTY),
    L(realized_pnl, COLUMN_MONEY),
    L(unrealized_pnl, COLUMN_MONEY),
    L(fees, COLUMN_MONEY),
    L(total_pnl, COLUMN_MONEY),
};
#undef L
const struct table pnl_view_table = { "pnl", pnl_columns, COUNT_OF(pnl_columns), sizeof(struct pnl_view),
                                      NULL, NULL, NULL };

const struct table *const tables[] = { &run_table, &order_table, &event_table, &bar_table, &equity_table,
                                       &decision_table, &snapshot_table, &account_table, &config_error_table, &import_table, NULL };

/* ---- ingest */

static bool all_of(const char *text, const char *more)
{
    for (; *text; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
              (*text >= '0' && *text <= '9') || strchr(more, *text)))
            return false;
    return true;
}

static bool is_id(const char *text)
{
    return *text && all_of(text, "._:-");
}

/* A foreign program may have named its order as it liked. */
static bool is_client_order_id(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool is_word(const char *text)
{
    return *text && all_of(text, "_-") && strcspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(text);
}

static bool is_symbol(const char *text)
{
    return *text && all_of(text, "./-") && strcspn(text, "abcdefghijklmnopqrstuvwxyz") == strlen(text);
}

static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* Intents are the engine's: it sends these two types and three times in force. */
static bool is_type(const char *text)
{
    int i = name_index(order_type_names, text);
    return i >= 0 && i <= ORDER_LIMIT;
}

static bool is_time_in_force(const char *text)
{
    int i = name_index(time_in_force_names, text);
    return i >= 0 && i <= TIF_CLS;
}

#define ID_CHECK .pattern_help = "letters, digits and . _ : -", .is_valid = is_id
#define WORD_CHECK .pattern_help = "lower-case letters, digits, _ and -", .is_valid = is_word
#define SYMBOL_CHECK .pattern_help = "capital letters, digits and . / -", .is_valid = is_symbol
#define NAME_CHECK .pattern_help = "1 to 48 of a-z 0-9 _ -", .is_valid = instance_name_is_valid
#define HASH_CHECK .pattern_help = "64 hexadecimal digits (SHA-256)", .is_valid = is_hash
#define CLIENT_CHECK .pattern_help = "printable characters", .is_valid = is_client_order_id

#define R(member, kind, ...) JSON_FIELD(struct run, member, kind, __VA_ARGS__)
static const struct json_field run_fields[] = {
    R(run_id, FIELD_UUID, .required = true),
    R(version, FIELD_INT, .required = true, .min = 1, .max = 1000000),
    R(account, FIELD_TEXT, .required = true, ID_CHECK),
    R(strategy, FIELD_TEXT, .required = true, NAME_CHECK),
    R(plugin, FIELD_TEXT, .required = true, WORD_CHECK),
    R(symbols, FIELD_SYMBOLS, .required = true),
    R(capital, FIELD_PRICE, .required = true, .min = 1, .max = MONEY_MAX),
    R(quantity, FIELD_QTY, .required = true, .min = 1, .max = QTY_MAX),
    R(days, FIELD_INT, .required = true, .min = 1, .max = 100000),
    R(mode, FIELD_ENUM, .required = true, .names = run_mode_names),
    R(status, FIELD_ENUM, .required = true, .names = run_status_names),
    R(config_hash, FIELD_TEXT, .required = true, HASH_CHECK),
    R(plugin_hash, FIELD_TEXT, .required = true, HASH_CHECK),
    R(started_at, FIELD_TIME, .required = true),
    R(ended_at, FIELD_TIME),
    R(reason, FIELD_TEXT),
    R(config_changed_at, FIELD_TIME),
};
#undef R

static void check_run(void *record, const char *prefix, struct json_faults *faults)
{
    struct run *r = record;
    char pointer[96];
    if (r->ended_at && r->ended_at < r->started_at) {
        snprintf(pointer, sizeof pointer, "%s/ended_at", prefix);
        json_fault_add(faults, pointer, "is before started_at");
    }
    if (r->config_changed_at && r->config_changed_at < r->started_at) {
        snprintf(pointer, sizeof pointer, "%s/config_changed_at", prefix);
        json_fault_add(faults, pointer, "is before started_at");
    }
}

#define O(member, kind, ...) JSON_FIELD(struct order, member, kind, __VA_ARGS__)
static const struct json_field order_fields[] = {
    O(client_order_id, FIELD_TEXT, .required = true, CLIENT_CHECK),
    O(account, FIELD_TEXT, .required = true, ID_CHECK),
    O(run_id, FIELD_UUID, .required = true),
    O(strategy, FIELD_TEXT, .required = true, NAME_CHECK),
    O(symbol, FIELD_TEXT, .required = true, SYMBOL_CHECK),
    O(side, FIELD_ENUM, .required = true, .names = side_names),
    O(type, FIELD_TEXT, .required = true, .pattern_help = "market or limit", .is_valid = is_type),
    O(time_in_force, FIELD_TEXT, .required = true, .pattern_help = "day, opg or cls",
      .is_valid = is_time_in_force),
    O(quantity, FIELD_QTY, .required = true, .min = 1, .max = QTY_MAX),
    O(limit_price, FIELD_PRICE, .min = 1, .max = PRICE_MAX),
    O(reason, FIELD_TEXT),
    O(timestamp, FIELD_TIME, .required = true),
};
#undef O

static void check_order(void *record, const char *prefix, struct json_faults *faults)
{
    struct order *o = record;
    struct client_order_id id;
    char pointer[96];
    bool is_limit = strcmp(o->type, "limit") == 0;

    if (is_limit != (o->limit_price != INT64_MIN)) {
        snprintf(pointer, sizeof pointer, "%s/limit_price", prefix);
        json_fault_add(faults, pointer, is_limit ? "is needed for a limit order" : "is only for limit orders");
    }
    if (!client_order_id_parse(o->client_order_id, &id) || strcmp(id.instance, o->strategy) != 0) {
        snprintf(pointer, sizeof pointer, "%s/client_order_id", prefix);
        json_fault_add(faults, pointer, "\"%.100s\" is not one of strategy %s: expected bell.%s.YYYYMMDD.N",
                       o->client_order_id, o->strategy, o->strategy);
    }
    o->status = ORDER_INTENT;
    o->filled_quantity = 0;
    o->updated_at = o->timestamp;
}

#define E(member, kind, ...) JSON_FIELD(struct event, member, kind, __VA_ARGS__)
static const struct json_field event_fields[] = {
    E(account, FIELD_TEXT, .required = true, ID_CHECK),
    E(event_id, FIELD_TEXT, ID_CHECK),
    E(event, FIELD_TEXT, .required = true, WORD_CHECK),
    E(execution_id, FIELD_TEXT, ID_CHECK),
    E(timestamp, FIELD_TIME, .required = true),
    E(order_id, FIELD_TEXT, .required = true, ID_CHECK),
    E(client_order_id, FIELD_TEXT, .required = true, CLIENT_CHECK),
    E(symbol, FIELD_TEXT, .required = true, SYMBOL_CHECK),
    E(side, FIELD_ENUM, .required = true, .names = side_names),
    E(type, FIELD_TEXT, .required = true, WORD_CHECK),
    E(time_in_force, FIELD_TEXT, .required = true, WORD_CHECK),
    E(quantity, FIELD_QTY, .required = true, .min = 1, .max = QTY_MAX),
    E(filled_quantity, FIELD_QTY, .required = true, .min = 0, .max = QTY_MAX),
    E(average_price, FIELD_PRICE, .min = 0, .max = PRICE_MAX),
    E(limit_price, FIELD_PRICE, .min = 0, .max = PRICE_MAX),
    E(status, FIELD_ENUM, .required = true, .names = order_status_names),
    E(submitted_at, FIELD_TIME, .required = true),
    E(fill_quantity, FIELD_QTY, .min = 1, .max = QTY_MAX),
    E(fill_price, FIELD_PRICE, .min = 0, .max = PRICE_MAX),
    E(fee, FIELD_PRICE, .min = -MONEY_MAX, .max = MONEY_MAX),
};
#undef E

bool event_is_fill(const struct event *e)
{
    return strcmp(e->event, "fill") == 0 || strcmp(e->event, "partial_fill") == 0;
}

int64_t event_key_of(const char *text)
{
    char hex[65];
    sha256_hex(text, strlen(text), hex);
    hex[16] = '\0';
    return (int64_t)(strtoull(hex, NULL, 16) >> 1);
}

static void derive_event_key(void *record)
{
    struct event *e = record;
    char text[UUID_SIZE + WORD_SIZE + 32];
    if (event_is_fill(e))
        text_copy(text, sizeof text, e->execution_id);
    else
        snprintf(text, sizeof text, "%s/%s/%" PRId64, e->order_id, e->event, e->filled_quantity);
    e->event_key = event_key_of(text);
}

static void check_event(void *record, const char *prefix, struct json_faults *faults)
{
    struct event *e = record;
    struct client_order_id id;
    char pointer[96];

    if (client_order_id_parse(e->client_order_id, &id))
        text_copy(e->strategy, sizeof e->strategy, id.instance);
    if (e->filled_quantity > e->quantity) {
        snprintf(pointer, sizeof pointer, "%s/filled_quantity", prefix);
        json_fault_add(faults, pointer, "%" PRId64 " is more than the order's quantity, %" PRId64,
                       e->filled_quantity, e->quantity);
    }
    derive_event_key(e);
    if (!event_is_fill(e))
        return;
    const struct { const char *name; bool is_there; } needed[] = {
        { "execution_id", *e->execution_id != '\0' },
        { "fill_quantity", e->fill_quantity != INT64_MIN },
        { "fill_price", e->fill_price != INT64_MIN },
    };
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if (needed[i].is_there)
            continue;
        snprintf(pointer, sizeof pointer, "%s/%s", prefix, needed[i].name);
        json_fault_add(faults, pointer, "is needed for a %s", e->event);
    }
    if (e->fill_quantity != INT64_MIN && e->fill_price != INT64_MIN &&
        (__int128)e->fill_quantity * e->fill_price > MONEY_MAX) { /* no position could hold it */
        snprintf(pointer, sizeof pointer, "%s/fill_price", prefix);
        json_fault_add(faults, pointer, "%" PRId64 " shares at that price are more than a million million dollars",
                       e->fill_quantity);
    }
    if (e->fill_quantity > e->filled_quantity) {
        snprintf(pointer, sizeof pointer, "%s/fill_quantity", prefix);
        json_fault_add(faults, pointer, "%" PRId64 " is more than filled_quantity, %" PRId64,
                       e->fill_quantity, e->filled_quantity);
    }
}

#define B(member, kind, ...) JSON_FIELD(struct minute_bar, member, kind, __VA_ARGS__)
static const struct json_field bar_fields[] = {
    B(symbol, FIELD_TEXT, .required = true, SYMBOL_CHECK),
    B(timestamp, FIELD_TIME, .required = true),
    B(open, FIELD_PRICE, .required = true, .min = 1, .max = PRICE_MAX),
    B(high, FIELD_PRICE, .required = true, .min = 1, .max = PRICE_MAX),
    B(low, FIELD_PRICE, .required = true, .min = 1, .max = PRICE_MAX),
    B(close, FIELD_PRICE, .required = true, .min = 1, .max = PRICE_MAX),
    B(volume, FIELD_QTY, .required = true, .min = 0, .max = INT64_C(1000000000000000)),
    B(source, FIELD_TEXT, .required = true, ID_CHECK),
};
#undef B

static void check_bar(void *record, const char *prefix, struct json_faults *faults)
{
    struct minute_bar *b = record;
    char pointer[96];
    int64_t most = b->open > b->close ? b->open : b->close, least = b->open < b->close ? b->open : b->close;

    if (b->timestamp % MINUTE_NS != 0) {
        snprintf(pointer, sizeof pointer, "%s/timestamp", prefix);
        json_fault_add(faults, pointer, "is not the start of a minute");
    }
    if (b->high < most || b->low > least) {
        snprintf(pointer, sizeof pointer, "%s/%s", prefix, b->high < most ? "high" : "low");
        json_fault_add(faults, pointer, "open and close are not between low and high");
    }
}

#define Q(member, kind, ...) JSON_FIELD(struct equity, member, kind, __VA_ARGS__)
static const struct json_field equity_fields[] = {
    Q(timestamp, FIELD_TIME, .required = true),
    Q(account, FIELD_TEXT, .required = true, ID_CHECK),
    Q(strategy, FIELD_TEXT, .required = true, NAME_CHECK),
    Q(cash, FIELD_PRICE, .required = true, .min = -MONEY_MAX, .max = MONEY_MAX),
    Q(equity, FIELD_PRICE, .required = true, .min = -MONEY_MAX, .max = MONEY_MAX),
    Q(exposure, FIELD_PRICE, .required = true, .min = -MONEY_MAX, .max = MONEY_MAX),
};
#undef Q

#define D(member, kind, ...) JSON_FIELD(struct decision, member, kind, __VA_ARGS__)
static const struct json_field decision_fields[] = {
    D(run_id, FIELD_UUID, .required = true),
    D(sequence, FIELD_INT, .required = true, .min = 0, .max = INT64_MAX),
    D(timestamp, FIELD_TIME, .required = true),
    D(account, FIELD_TEXT, .required = true, ID_CHECK),
    D(strategy, FIELD_TEXT, .required = true, NAME_CHECK),
    D(symbol, FIELD_TEXT, SYMBOL_CHECK),
};
#undef D

static const struct json_field account_fields[] = {
    JSON_FIELD(struct account_source, account, FIELD_TEXT, .required = true, ID_CHECK),
    JSON_FIELD(struct account_source, source, FIELD_TEXT, .required = true, ID_CHECK),
    JSON_FIELD(struct account_source, timestamp, FIELD_TIME, .required = true),
};

#define C(member, kind, ...) JSON_FIELD(struct config_error, member, kind, __VA_ARGS__)
static const struct json_field config_error_fields[] = {
    C(run_id, FIELD_UUID, .required = true),
    C(account, FIELD_TEXT, .required = true, ID_CHECK),
    C(strategy, FIELD_TEXT, .required = true, NAME_CHECK),
    C(timestamp, FIELD_TIME, .required = true),
    C(text, FIELD_TEXT),
};
#undef C

enum { CONFIG_TEXT_MAX = 128 * 1024, RAW_MAX = 64 * 1024, DECISION_TEXT_MAX = 4096 };

#define FIELDS(f) .fields = (f), .fields_count = COUNT_OF(f)
#define LONG_TEXT(type, member, max) \
    .long_name = #member, .long_offset = offsetof(type, member), .long_max = (max), .long_required = true
const struct ingest ingest_runs = { &run_table, FIELDS(run_fields), .check = check_run,
                                    LONG_TEXT(struct run, config_text, CONFIG_TEXT_MAX) };
const struct ingest ingest_orders = { &order_table, FIELDS(order_fields), .check = check_order };
const struct ingest ingest_events = { &event_table, FIELDS(event_fields), .check = check_event,
                                      LONG_TEXT(struct event, raw, RAW_MAX) };
const struct ingest ingest_bars = { &bar_table, FIELDS(bar_fields), .check = check_bar };
const struct ingest ingest_equity = { &equity_table, FIELDS(equity_fields) };
const struct ingest ingest_accounts = { &account_table, FIELDS(account_fields) };
const struct ingest ingest_config_errors = { &config_error_table, FIELDS(config_error_fields) };
const struct ingest ingest_decisions = { &decision_table, FIELDS(decision_fields),
                                         LONG_TEXT(struct decision, text, DECISION_TEXT_MAX) };

static void take_long_text(const struct ingest *i, json_t *obj, void *record, const char *prefix,
                           struct json_faults *faults, json_t **keep)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s/%s", prefix, i->long_name);
    *keep = json_incref(json_object_get(obj, i->long_name));
    json_object_del(obj, i->long_name);
    const char *text = json_string_value(*keep);
    if (!*keep || json_is_null(*keep)) {
        if (i->long_required)
            json_fault_add(faults, pointer, "is missing");
    } else if (!text) {
        json_fault_add(faults, pointer, "expected a text");
    } else if (json_string_length(*keep) > i->long_max) {
        json_fault_add(faults, pointer, "%zu bytes are more than the %zu there may be",
                       json_string_length(*keep), i->long_max);
    }
    memcpy((char *)record + i->long_offset, &text, sizeof text);
}

/* The database keeps microseconds; 1970-01-01T00:00:00Z is our "nothing", which a required time may not be. */
static void settle_times(const struct ingest *i, void *record, const char *prefix, struct json_faults *faults)
{
    for (size_t f = 0; f < i->fields_count; f++) {
        const struct json_field *field = &i->fields[f];
        if (field->kind != FIELD_TIME)
            continue;
        int64_t time_ns;
        memcpy(&time_ns, (char *)record + field->offset, sizeof time_ns);
        time_ns -= time_ns % 1000;
        memcpy((char *)record + field->offset, &time_ns, sizeof time_ns);
        if (field->required && time_ns <= 0) {
            char pointer[96];
            snprintf(pointer, sizeof pointer, "%s/%s", prefix, field->name);
            json_fault_add(faults, pointer, "is not after 1970-01-01T00:00:00Z");
        }
    }
}

bool ingest_decode(const struct ingest *i, json_t *obj, void *record, const char *prefix,
                   struct json_faults *faults, json_t **keep)
{
    size_t before = faults->count;
    *keep = NULL;
    table_init(i->table, record);
    if (!json_is_object(obj)) {
        json_fault_add(faults, prefix, "expected an object");
        return false;
    }
    if (i->long_name)
        take_long_text(i, obj, record, prefix, faults, keep);
    if (!json_decode(obj, i->fields, i->fields_count, record, prefix, true, faults))
        return false;
    settle_times(i, record, prefix, faults);
    if (i->check)
        i->check(record, prefix, faults);
    return faults->count == before;
}
