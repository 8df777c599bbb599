/* venue.h - the exchange's pure core: accounts, orders, auctions, fills.
 *
 * Pure: no clock, no I/O, no threads, no logging. Time and market data come in, trade events go out to a
 * sink in exact order; the same calls give the same events (ids are made of the account's bits and a
 * counter). It serves the exchange program and backtests alike.
 *
 * Each execution is one FILL event, one struct fill and one change of position and cash, together: the
 * sink sees the account after it.
 *
 * Ownership: the venue owns accounts, orders and fills until venue_free; pointers to them stay valid.
 * Memory: grows with what happened; out of memory aborts (core/base.h). */
#ifndef EXCHANGE_VENUE_H
#define EXCHANGE_VENUE_H

#include "exchange/account.h"
#include "exchange/refusal.h"

struct venue;

/* ---- what comes out */
enum trade_event_kind {
    TRADE_ACCEPTED,
    TRADE_PENDING_NEW,
    TRADE_NEW,
    TRADE_PARTIAL_FILL,
    TRADE_FILL,
    TRADE_CANCELED,
    TRADE_EXPIRED,
    TRADE_REJECTED,
};
struct trade_event {
    enum trade_event_kind kind;
    int64_t time_ns;
    char execution_id[UUID_SIZE]; /* "" on pending_new; each other event has its own */
    const struct order *order;    /* after the event */
    const struct fill *fill;      /* NULL unless a fill */
};
/* Must not call back into the venue. */
typedef void venue_sink(void *ctx, const struct trade_event *event);

struct venue_options {
    int64_t cash_micros;     /* a new account's */
    int64_t fee_micros;      /* a share's */
    int64_t slippage_micros; /* millionths of the price, against market orders: 100 is one basis point */
    bool without_ids;        /* orders and fills have none and are found by none: for a caller that keeps their pointers */
    venue_sink *sink;
    void *ctx;
};

struct venue *venue_new(const struct venue_options *options, const char (*symbols)[SYMBOL_SIZE],
                        size_t count);
void venue_free(struct venue *v);

size_t venue_symbols_count(const struct venue *v);
const char *venue_symbol_name(const struct venue *v, int symbol);
int venue_symbol(const struct venue *v, const char *name); /* -1: no such asset */

/* ---- the market */
/* Before the first instant: what was known of a symbol. reference is used to price risk until something
 * has printed; last and previous_close may be PRICE_NONE. */
void venue_prime(struct venue *v, int symbol, struct price reference, struct price last,
                 struct price previous_close);

struct symbol_bar {
    int symbol;
    struct bar bar;
};
struct symbol_quote {
    int symbol;
    struct quote quote;
};
/* A quote from before the first instant; it counts on its own New York day. */
void venue_prime_quote(struct venue *v, const struct symbol_quote *quote);

/* All that happens in the market at one time. */
struct instant {
    int64_t time_ns;
    const struct symbol_quote *quotes; /* of the minute that ends now */
    size_t quotes_count;
    const struct symbol_bar *ended; /* bars that end now */
    size_t ended_count;
    const struct symbol_bar *starting; /* bars that start now: only their open is looked at */
    size_t starting_count;
};
/* The order of docs/protocols.md "What happens at one instant". Openings and closes that were passed since
 * the last call are dealt with first, at their own time. time_ns must not go back. */
void venue_instant(struct venue *v, const struct instant *instant);

/* The next opening or close at or after now_ns that an open order waits for; INT64_MAX: none. */
int64_t venue_next_ns(const struct venue *v);

struct price venue_last(const struct venue *v, int symbol);           /* PRICE_NONE: nothing printed yet */
struct price venue_previous_close(const struct venue *v, int symbol); /* PRICE_NONE: unknown */
const struct quote *venue_quote(const struct venue *v, int symbol);   /* today's latest; NULL: none */
const struct price *venue_marks(const struct venue *v);               /* last price by symbol */

/* ---- accounts and orders */
/* bits: 128 random bits, or any for a repeatable run. key, secret: at most 128 bytes, copied. */
struct account *venue_account_open(struct venue *v, const char *key, const char *secret,
                                   const uint64_t bits[2], int64_t time_ns);
struct account *venue_account(const struct venue *v, const char *key); /* NULL: unseen */

struct order_request {
    char symbol[SYMBOL_SIZE * 3]; /* as given */
    int64_t qty_micros;           /* millionths of a share */
    enum side side;
    enum order_type type;
    enum time_in_force time_in_force;
    struct price limit;                         /* PRICE_NONE: absent */
    char limit_text[32];                        /* as given, for messages */
    bool limit_is_too_fine;                     /* had more than six decimals */
    char client_order_id[CLIENT_ORDER_ID_SIZE]; /* "": the venue makes one */
    bool client_order_id_is_too_long;
    char position_intent[24]; /* "": absent */
};

/* Reaches the market at time_ns, which must not go back. On true *order is the new order and *snapshot (may
 * be NULL) its state before anything matched; on false nothing has changed and *refusal says why. */
bool venue_submit(struct venue *v, struct account *a, const struct order_request *request, int64_t time_ns,
                  struct order **order, struct order *snapshot, struct refusal *refusal);

/* True also when it is canceled already. */
bool venue_cancel(struct venue *v, struct order *o, int64_t time_ns, struct refusal *refusal);

/* "sell_to_close" ... */
const char *order_intent(const struct order *o);

/* Open orders of a symbol in order of arrival: the first; then order->next. */
const struct order *venue_open_orders(const struct venue *v, int symbol);

/* Cash, positions and reservations of every account recounted from its fills and open orders; false: broken.
 * For tests. */
bool venue_is_consistent(const struct venue *v);

#endif
