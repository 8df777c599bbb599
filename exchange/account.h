/* account.h - one account's money: cash, positions, what is reserved, what it could still buy.
 *
 * Micros of a dollar; quantities in micro-shares. Sums saturate instead of wrapping. Nothing here decides
 * anything: the venue does. */
#ifndef EXCHANGE_ACCOUNT_H
#define EXCHANGE_ACCOUNT_H

#include "exchange/order.h"
#include "exchange/table.h"
#include "market/position.h"

struct holding {
    struct position position; /* its qty and traded_qty in micro-shares */
    int64_t held_qty;         /* micro-shares in open orders that close it */
    int32_t opened_date;      /* New York date when it last left zero */
    bool touched;             /* is listed in account.touched */
    int32_t open_orders[2];   /* by side ... */
    int32_t opening_orders[2], resting_orders[2]; /* ... that open; that rest in the book */
};

/* One execution. */
struct fill {
    const struct order *order;
    int64_t time_ns, qty, cum_qty, leaves_qty, fee_micros;
    int64_t position_qty; /* after it */
    struct price price;
    int64_t index;        /* its place among the account's fills */
};
/* The execution id: of the fill's event and of its activity. */
void fill_id(const struct fill *f, char out[UUID_SIZE]);

/* What changes an account besides executions. */
enum activity_kind { ACTIVITY_SPLIT, ACTIVITY_DIVIDEND };
struct activity {
    enum activity_kind kind;
    struct account *account;
    int64_t time_ns;
    int32_t date; /* New York */
    int symbol;
    int64_t qty;             /* SPLIT: micro-shares added (negative: taken); DIVIDEND: held */
    struct price per_share;  /* DIVIDEND */
    int64_t net_micros;      /* into cash; SPLIT: for a part of a micro-share that could not be kept */
    int64_t index;           /* its place among the account's activities */
};
void activity_uuid(const struct activity *a, char out[UUID_SIZE]);

/* What a user may set (PATCH /v2/account/configurations), as far as the venue obeys it. Zeroed is the default
 * but for max_margin_multiplier. */
struct account_config {
    bool suspend_trade;        /* every new order is refused */
    bool no_shorting;
    bool no_fractional;        /* fractional_trading false */
    int max_margin_multiplier; /* 1, 2, 4 */
};

struct account {
    char key[129], secret[129];
    uint64_t bits[2];     /* ids of the account, its orders and executions are made of these */
    char id[UUID_SIZE], number[16];
    uint32_t owner;       /* 1, 2 ... in order of opening; its name in the books */
    struct account_config config;
    int64_t created_ns;
    int64_t cash_micros, start_cash_micros, last_equity_micros, last_maintenance_micros, fees_micros;
    int32_t last_equity_date;
    __int128 reserved_value;  /* micros x micro-shares: buying power kept for open orders */
    struct holding *holdings; /* by the venue's symbol index */
    int *touched;             /* symbols ever traded, in order of first trade */
    size_t touched_count;
    struct order **orders;    /* all, in order of submission */
    size_t orders_count, orders_size;
    struct order *open_first, *open_last; /* open ones, in order of arrival: then order->open_next */
    struct fill **fills;      /* all, in order of execution */
    size_t fills_count, fills_size;
    struct activity **activities; /* in order of time; fills are not among them */
    size_t activities_count;
    int64_t events;           /* told so far */
    struct table by_client_id; /* of the ids that were given */
};

/* By its id or client id, upper or lower case; NULL: none of this account. */
struct order *account_order(const struct account *a, const char *id);
struct order *account_order_by_client_id(const struct account *a, const char *client_order_id);
/* By execution id; by activity uuid. NULL: none of this account. */
const struct fill *account_fill(const struct account *a, const char *id);
const struct activity *account_activity(const struct account *a, const char *uuid);

/* All in micros. */
struct account_figures {
    int64_t cash, equity, long_value, short_value, gross, reserved, multiplier;
    int64_t buying_power, regt_buying_power, non_marginable_buying_power;
    int64_t initial_margin, maintenance_margin;
};
/* marks: the last price by symbol, PRICE_NONE unknown: the average cost stands in. */
void account_figures(const struct account *a, const struct price *marks, struct account_figures *out);

/* The price a position is valued at. */
struct price account_mark(const struct holding *h, struct price last);

/* Micro-shares of a position that no open order holds. Never negative. */
int64_t holding_available(const struct holding *h);
/* Average entry price, PRICE_NONE when flat; value and profit at a mark. As position.h has them, in micro-shares. */
struct price holding_average(const struct holding *h);
int64_t holding_value(const struct holding *h, struct price mark);
int64_t holding_unrealized(const struct holding *h, struct price mark);

/* price x micro-shares, to the nearest micro. */
__int128 value_micros(struct price price, int64_t qty);

/* ---- for the venue */
/* Books one execution: position and cash. false on overflow: nothing changed then. date: New York. */
bool account_book(struct account *a, int symbol, enum side side, int64_t qty, struct price price, int64_t fee_micros,
                  int32_t date);

/* What the order keeps becomes qty: shares held of a position, or buying power. */
void account_keep(struct order *o, int64_t qty);

/* Ids: 62 bits that can be read back, the rest a check. */
enum id_kind { ID_ACCOUNT, ID_ORDER, ID_CLIENT, ID_FILL, ID_EVENT, ID_ACTIVITY, ID_KINDS };
void account_make_id(const struct account *a, enum id_kind kind, int64_t index, char out[UUID_SIZE]);
int64_t account_read_id(const struct account *a, enum id_kind kind, const char *id); /* -1: not one of its */

#endif
