/* account.h - one account's money: cash, positions, what is reserved, what it could still buy.
 *
 * Micros of a dollar. Sums saturate instead of wrapping. Nothing here decides anything: venue.c does. */
#ifndef EXCHANGE_ACCOUNT_H
#define EXCHANGE_ACCOUNT_H

#include "exchange/order.h"
#include "exchange/table.h"
#include "market/position.h"

struct holding {
    struct position position;
    int64_t held_qty;        /* shares in open orders that close it */
    int32_t opened_date;     /* New York date when it last left zero */
    bool touched;            /* is listed in account.touched */
};

/* One execution. */
struct fill {
    char execution_id[UUID_SIZE];
    const struct order *order;
    int64_t time_ns, qty, cum_qty, leaves_qty, fee_micros;
    int64_t position_qty;    /* after it */
    struct price price;
    int64_t index;           /* its place among the account's fills */
};

struct account {
    char key[129], secret[129];
    uint64_t bits[2];        /* ids of the account, its orders and executions are made of these */
    char id[UUID_SIZE], number[16];
    int64_t created_ns;
    int64_t cash_micros, start_cash_micros, last_equity_micros, last_maintenance_micros, fees_micros;
    int32_t last_equity_date;
    __int128 reserved_micros;
    struct holding *holdings; /* by the venue's symbol index */
    int *touched;             /* symbols ever traded, in order of first trade */
    size_t touched_count;
    struct order **orders;    /* all, in order of submission */
    size_t orders_count, orders_size;
    struct fill **fills;      /* all, in order of execution */
    size_t fills_count, fills_size;
    int64_t ids_made;
    struct table by_client_id, by_order_id, by_execution_id;
};

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

/* Books one execution: position, cash, holding and reservation of the order. false on overflow: nothing
 * changed then. date: New York. */
bool account_book(struct account *a, struct order *o, int64_t qty, struct price price, int64_t fee_micros,
                  int32_t date);

/* Takes or gives back what an order of `qty` shares left keeps (sign +1 or -1). */
void account_keep(struct account *a, const struct order *o, int64_t qty, int sign);

#endif
