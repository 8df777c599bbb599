/* wire.h - the broker's objects as structs, and the JSON tables that read and write them.
 *
 * The exchange writes with these tables, engine and streamer read with them. Reading is lenient: unknown
 * members are ignored, unknown words become ..._UNKNOWN, quantities and prices may be strings or numbers.
 * Writing is to the letter: every member present, null where there is nothing, decimals as strings in the
 * trading API and as numbers in market data, times RFC 3339 UTC. */
#ifndef ALPACA_WIRE_H
#define ALPACA_WIRE_H

#include "core/json.h"
#include "market/market.h"

struct alpaca_order {
    char id[UUID_SIZE], client_order_id[CLIENT_ORDER_ID_SIZE];
    int64_t created_at, updated_at, submitted_at, filled_at, expired_at, canceled_at, failed_at,
        replaced_at, expires_at;          /* ns, 0 = null */
    char replaced_by[UUID_SIZE], replaces[UUID_SIZE];
    char asset_id[UUID_SIZE], symbol[SYMBOL_SIZE], asset_class[16];
    struct price notional;                /* PRICE_NONE = null */
    int64_t qty, filled_qty;              /* whole shares; a fractional foreign order reads as INT64_MIN */
    struct price filled_avg_price;        /* rounded to the millionth */
    char order_class[16];
    enum side side;
    enum order_type type;
    enum time_in_force time_in_force;
    struct price limit_price, stop_price;
    enum order_status status;
    bool extended_hours;
};
/* A foreign order may carry a type or time in force we do not trade (stop, gtc): reading takes it, with
 * the raw words kept in the raw JSON that travels beside. */
json_t *alpaca_order_encode(const struct alpaca_order *o); /* adds legs:null, trail_*:null, hwm:null, subtag, source */
bool alpaca_order_decode(const json_t *j, struct alpaca_order *out, struct err *err);
/* All "nothing": prices PRICE_NONE, the rest zero. */
void alpaca_order_init(struct alpaca_order *o);

enum alpaca_event {
    ALPACA_ACCEPTED, ALPACA_PENDING_NEW, ALPACA_NEW, ALPACA_PARTIAL_FILL, ALPACA_FILL, ALPACA_CANCELED,
    ALPACA_EXPIRED, ALPACA_REJECTED, ALPACA_REPLACED, ALPACA_DONE_FOR_DAY, ALPACA_PENDING_CANCEL,
    ALPACA_PENDING_REPLACE, ALPACA_HELD, ALPACA_ORDER_CANCEL_REJECTED, ALPACA_ORDER_REPLACE_REJECTED,
    ALPACA_STOPPED, ALPACA_SUSPENDED, ALPACA_CALCULATED, ALPACA_RESTATED, ALPACA_TRADE_BUST,
    ALPACA_TRADE_CORRECT, ALPACA_EVENT_UNKNOWN,
};
extern const char *const alpaca_event_names[];

struct alpaca_trade_update { /* the "data" of a trade_updates message */
    enum alpaca_event event;
    char event_id[32];       /* ULID; "" on old servers */
    char execution_id[UUID_SIZE];
    int64_t timestamp, at;
    struct price price;      /* fills: of this execution */
    int64_t qty;             /* fills; INT64_MIN otherwise */
    int64_t position_qty;    /* fills: account's position after; INT64_MIN otherwise */
    int64_t fee;             /* micros; ours, for this execution: 0 when absent, as always at Alpaca */
    struct alpaca_order order;
};
static inline bool alpaca_event_is_fill(enum alpaca_event e)
{
    return e == ALPACA_FILL || e == ALPACA_PARTIAL_FILL;
}
json_t *alpaca_trade_update_encode(const struct alpaca_trade_update *u); /* without the envelope */
bool alpaca_trade_update_decode(const json_t *j, struct alpaca_trade_update *out, struct err *err);

struct alpaca_position {
    char asset_id[UUID_SIZE], symbol[SYMBOL_SIZE], exchange[12], asset_class[16];
    bool asset_marginable;
    int64_t qty, qty_available;
    bool is_short;                        /* "side" */
    struct price avg_entry_price, current_price, lastday_price;
    int64_t market_value, cost_basis, unrealized_pl, unrealized_intraday_pl; /* micros */
};
json_t *alpaca_position_encode(const struct alpaca_position *p); /* works out the ..._plpc and change_today */
bool alpaca_position_decode(const json_t *j, struct alpaca_position *out, struct err *err);

struct alpaca_account {
    char id[UUID_SIZE], account_number[32], status[32], currency[8];
    int64_t cash, equity, last_equity, buying_power, regt_buying_power, non_marginable_buying_power,
        long_market_value, short_market_value, initial_margin, maintenance_margin,
        last_maintenance_margin, accrued_fees; /* micros */
    int64_t multiplier;
    bool trading_blocked, transfers_blocked, account_blocked, trade_suspended_by_user, shorting_enabled;
    int64_t created_at;
    int32_t balance_asof;
};
json_t *alpaca_account_encode(const struct alpaca_account *a);
bool alpaca_account_decode(const json_t *j, struct alpaca_account *out, struct err *err);

struct alpaca_activity { /* FILL */
    char id[72];             /* "YYYYMMDDHHMMSSmmm::uuid", New York time; on our exchange the uuid is the execution_id */
    char account_id[UUID_SIZE], order_id[UUID_SIZE], symbol[SYMBOL_SIZE];
    int64_t transaction_time;
    bool is_partial;         /* "type": fill or partial_fill */
    struct price price;
    int64_t qty, cum_qty, leaves_qty;
    int64_t fee;             /* micros; ours: 0 when absent, as always at Alpaca */
    enum side side;          /* reads sell_short as sell */
    enum order_status order_status;
};
json_t *alpaca_activity_encode(const struct alpaca_activity *a);
bool alpaca_activity_decode(const json_t *j, struct alpaca_activity *out, struct err *err);

struct alpaca_clock {
    int64_t timestamp;
    bool is_open;
    int64_t next_open, next_close;
    /* Ours, absent at Alpaca (docs/protocols.md): */
    bool is_replay;          /* there was a "speed" member: market time is not the world's */
    double speed;            /* 0: lockstep */
    int64_t ends_at;         /* end of the last session that has market data; 0: open-ended */
};
json_t *alpaca_new_york_time(int64_t ns); /* RFC 3339 with New York's offset */
json_t *alpaca_clock_encode(const struct alpaca_clock *c); /* times with New York offset */
bool alpaca_clock_decode(const json_t *j, struct alpaca_clock *out, struct err *err);

/* ---- data stream v2 and bars over REST (prices are JSON numbers) */
json_t *alpaca_bar_encode(const struct bar *b);                       /* REST: t o h l c v n vw */
bool alpaca_bar_decode(const json_t *j, struct bar *out, struct err *err);
json_t *alpaca_stream_bar_encode(const char *symbol, const struct bar *b);     /* T:"b" first */
json_t *alpaca_stream_quote_encode(const char *symbol, const struct quote *q); /* T:"q" first */

/* One element of a data-stream array. */
enum alpaca_message_kind {
    ALPACA_MESSAGE_BAR, ALPACA_MESSAGE_QUOTE, ALPACA_MESSAGE_SUCCESS, ALPACA_MESSAGE_ERROR,
    ALPACA_MESSAGE_SUBSCRIPTION, ALPACA_MESSAGE_TICK, ALPACA_MESSAGE_OTHER,
};
/* The market's clock reached `time_ns`; docs/protocols.md "Lockstep". */
struct alpaca_tick {
    int64_t n;
    int64_t time_ns;
    double speed;            /* 0: the market waits for the acknowledgement */
    bool ended;              /* no market data after this */
};
struct alpaca_message {
    enum alpaca_message_kind kind;
    char symbol[SYMBOL_SIZE];
    struct bar bar;
    struct quote quote;
    struct alpaca_tick tick;
    char text[64];           /* success: msg; error: msg */
    int64_t code;            /* error */
    bool offers_lockstep;    /* success "connected" with "lockstep": true */
    const json_t *raw;       /* the element itself, lent */
};
/* Only bars and quotes are on the hot path; true unless the element is malformed. */
bool alpaca_message_decode(const json_t *j, struct alpaca_message *out, struct err *err);
json_t *alpaca_tick_encode(const struct alpaca_tick *t);              /* {"T":"tick","n":…,"t":…,"speed":…} */

#endif
