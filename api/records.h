/* records.h - what is recorded: the structs, their tables, and what engine and streamer may send.
 *
 * One struct is what an ingest body becomes, a row of the database, an entry of the state in memory and an
 * item of a reply. Money in micros, times in ns UTC but whole microseconds (the database keeps no more, and
 * what is read back must equal what was said). Pure. */
#ifndef API_RECORDS_H
#define API_RECORDS_H

#include "api/column.h"
#include "core/json.h"
#include "market/market.h"
#include "market/setting.h"

enum { ACCOUNT_SIZE = 41, WORD_SIZE = 25, NAME_SIZE = 49, HASH_SIZE = 65, REASON_SIZE = 513, CONFIG_ERROR_SIZE = 4097 };

enum run_mode { RUN_REPLAY, RUN_PAPER, RUN_LIVE, RUN_BACKTEST };
enum run_status { RUN_RUNNING, RUN_FINISHED, RUN_STOPPED, RUN_FAILED };
extern const char *const run_status_names[];
extern const char *const run_mode_names[]; /* replay paper live backtest */

struct run { /* one version of a run; the newest counts */
    int64_t started_at;
    char run_id[UUID_SIZE];
    int64_t version;
    char account[ACCOUNT_SIZE], strategy[NAME_SIZE], plugin[NAME_SIZE];
    struct symbol_list symbols;
    int64_t capital, quantity, days;
    int mode, status;
    char config_hash[HASH_SIZE], plugin_hash[HASH_SIZE];
    int64_t ended_at;
    char reason[REASON_SIZE];
    int64_t config_changed_at; /* 0: this version's configuration is the first */
    const char *config_text; /* lent; NULL once recorded */
};

struct order { /* one version of an order */
    int64_t timestamp;       /* of the intent or event that made it */
    char account[ACCOUNT_SIZE], client_order_id[CLIENT_ORDER_ID_SIZE];
    int64_t version;         /* 1 ... */
    char order_id[UUID_SIZE], run_id[UUID_SIZE], strategy[NAME_SIZE], symbol[SYMBOL_SIZE];
    int side;
    char type[WORD_SIZE], time_in_force[WORD_SIZE]; /* words: foreign orders have some we do not trade */
    int64_t quantity, filled_quantity;
    int64_t average_price, limit_price;
    int status;
    int64_t submitted_at, updated_at;
    char reason[REASON_SIZE];
};

struct event { /* one broker event as it came */
    int64_t timestamp;
    char account[ACCOUNT_SIZE];
    int64_t event_key;       /* what makes it one, beside account and timestamp: event_key_of its id, or what it is */
    char event_id[UUID_SIZE], event[WORD_SIZE], execution_id[UUID_SIZE], order_id[UUID_SIZE];
    char client_order_id[CLIENT_ORDER_ID_SIZE], strategy[NAME_SIZE], symbol[SYMBOL_SIZE];
    int side;
    char type[WORD_SIZE], time_in_force[WORD_SIZE];
    int64_t quantity, filled_quantity;
    int64_t average_price, limit_price;
    int status;
    int64_t submitted_at;
    int64_t fill_quantity, fill_price, fee;
    const char *raw;         /* lent; NULL once recorded */
};
bool event_is_fill(const struct event *e);
int64_t event_key_of(const char *text); /* 63 bits of its SHA-256 */

struct minute_bar {
    int64_t timestamp;
    char symbol[SYMBOL_SIZE], source[WORD_SIZE];
    int64_t open, high, low, close;
    int64_t volume;
};

struct equity {
    int64_t timestamp;
    char account[ACCOUNT_SIZE], strategy[NAME_SIZE];
    int64_t cash, equity, exposure;
};

struct decision {
    int64_t timestamp;
    char run_id[UUID_SIZE];
    int64_t sequence;
    char account[ACCOUNT_SIZE], strategy[NAME_SIZE], symbol[SYMBOL_SIZE];
    const char *text;        /* lent */
};

struct account_source { /* whose bars an account is marked by; the newest counts */
    int64_t timestamp;
    char account[ACCOUNT_SIZE], source[WORD_SIZE];
};

struct config_error { /* an edit of a running instance's configuration that was refused; the newest counts */
    int64_t timestamp;
    char run_id[UUID_SIZE], account[ACCOUNT_SIZE], strategy[NAME_SIZE];
    char text[CONFIG_ERROR_SIZE]; /* "": what is in the file is what runs */
};

struct import_mark { /* an import of a whole record began, or was finished */
    int64_t timestamp; /* of its beginning */
    int status;
    char archive[HASH_SIZE]; /* SHA-256 */
};
enum import_status { IMPORT_BEGUN, IMPORT_DONE };
extern const char *const import_status_names[];

struct position_snapshot { /* a position at a session's close */
    int64_t timestamp;
    char account[ACCOUNT_SIZE], strategy[NAME_SIZE], symbol[SYMBOL_SIZE];
    int64_t quantity, average_price, market_price, market_value, realized_pnl, unrealized_pnl;
};

extern const struct table run_table, order_table, event_table, bar_table, equity_table, decision_table,
    snapshot_table, account_table, config_error_table, import_table;
extern const struct table run_whole_table; /* runs, answered with the configuration's text */
/* All of them, NULL-terminated: what the database must hold. */
extern const struct table *const tables[];

/* ---- views of memory: not stored, only answered */
struct fill_view {
    char execution_id[UUID_SIZE], order_id[UUID_SIZE], client_order_id[CLIENT_ORDER_ID_SIZE];
    char account[ACCOUNT_SIZE], strategy[NAME_SIZE], run_id[UUID_SIZE], symbol[SYMBOL_SIZE];
    int side;
    int64_t quantity, price, fee, timestamp;
};
struct pnl_view {
    char strategy[NAME_SIZE], symbol[SYMBOL_SIZE], account[ACCOUNT_SIZE];
    int32_t day;
    int64_t fills, quantity_traded, realized_pnl, unrealized_pnl, fees, total_pnl;
};
struct strategy_view { /* an instance, as its latest run says */
    struct run run;
    int64_t config_error_at;
    char config_error[CONFIG_ERROR_SIZE]; /* "": what is in its file is what runs */
};
/* Positions are answered as struct position_snapshot, without a timestamp. */
extern const struct table fill_view_table, position_view_table, pnl_view_table, strategy_view_table;

/* ---- ingest */
struct ingest {
    const struct table *table;
    const struct json_field *fields;
    size_t fields_count;
    /* The one member too long for an array, if any: a text of at most long_max bytes. */
    const char *long_name;
    size_t long_offset, long_max;
    bool long_required;
    /* What the members must be to each other; and what follows from them. */
    void (*check)(void *record, const char *prefix, struct json_faults *faults);
};
extern const struct ingest ingest_runs, ingest_orders, ingest_events, ingest_bars, ingest_equity,
    ingest_decisions, ingest_accounts, ingest_config_errors;

/* Reads one object. record: table->record_size bytes; it borrows the long text from obj, out of which this
 * member is taken into *keep (a new reference or NULL, to be released after the record). */
bool ingest_decode(const struct ingest *i, json_t *obj, void *record, const char *prefix,
                   struct json_faults *faults, json_t **keep);

#endif
