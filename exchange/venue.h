/* venue.h - the exchange's pure core: accounts, orders, books, auctions, fills.
 *
 * Pure: no clock, no I/O, no threads, no logging. Time and market data come in, events go out to two sinks in exact
 * order. It serves the exchange program and backtests alike.
 *
 * Inputs are the calls marked [input]: the same inputs in the same order give the same orders, events and ids, so a
 * journal of them is all that a restart needs. Everything else only looks. An input that is refused changes nothing
 * (but time may have passed up to it).
 *
 * Each transition of an order is one event; each execution is one FILL event, one struct fill and one change of
 * position and cash, together: the sink sees the account after it.
 *
 * Units: micros of a dollar, micro-shares (order.h), ns UTC.
 * Ownership: the venue owns accounts, orders, fills and activities until venue_free; pointers to them stay valid.
 * Memory: grows with what happened; out of memory aborts (core/base.h). */
#ifndef EXCHANGE_VENUE_H
#define EXCHANGE_VENUE_H

#include "exchange/account.h"
#include "exchange/book.h"
#include "exchange/refusal.h"

struct venue;

/* ---- what comes out */
enum trade_event_kind {
    TRADE_ACCEPTED,
    TRADE_PENDING_NEW,
    TRADE_NEW,
    TRADE_HELD,            /* a leg waits for its group */
    TRADE_PARTIAL_FILL,
    TRADE_FILL,
    TRADE_CANCELED,
    TRADE_EXPIRED,
    TRADE_REJECTED,
    TRADE_PENDING_CANCEL,  /* only while cancels stick */
    TRADE_CANCEL_REJECTED, /* ... and were let go by refusing them */
    TRADE_PENDING_REPLACE,
    TRADE_REPLACED,        /* of the old order: replaced_by is the new one */
    TRADE_RESTATED,        /* changed by a split, or a leg's qty by its group */
    TRADE_KINDS,
};
extern const char *const trade_event_names[]; /* the broker's words: accepted ... order_cancel_rejected ... */

struct trade_event {
    enum trade_event_kind kind;
    int64_t time_ns;
    int64_t number;             /* among its account's events, from 1 */
    const struct order *order;  /* after the event */
    const struct fill *fill;    /* NULL unless a fill */
};
/* A fill's is the fill's id; pending_new has none (""); each other event has its own. */
void trade_event_execution_id(const struct trade_event *e, char out[UUID_SIZE]);

enum market_event_kind {
    MARKET_PRINT,      /* two participants traded: price, qty */
    MARKET_INDICATION, /* an auction's orders changed: price (PRICE_NONE: nothing trades), qty, imbalance */
    MARKET_CROSS,      /* an auction cleared */
    MARKET_HALT,
    MARKET_RESUME,
};
struct market_event {
    enum market_event_kind kind;
    int symbol;
    int64_t time_ns;
    enum time_in_force auction; /* TIF_OPG, TIF_CLS */
    struct price price;
    int64_t qty;
    int64_t imbalance;          /* > 0 to buy, < 0 to sell */
};
/* Sinks must not call back into the venue but to look. */
typedef void venue_sink(void *ctx, const struct trade_event *event);
typedef void venue_market_sink(void *ctx, const struct market_event *event);

struct venue_options {
    int64_t cash_micros;     /* a new account's */
    int64_t fee_micros;      /* a share's */
    int64_t slippage_micros; /* millionths of the price, against market orders: 100 is one basis point */
    bool respects_size;      /* fills against the market take no more than a quote or print shows, where it has a size */
    bool is_like_paper;      /* as the broker's paper account: size ignored, some fills are partial by chance */
    int paper_partial_pct;   /* is_like_paper: that many of a hundred; 0: 10 */
    uint64_t seed;           /* of that chance */
    bool without_feed;       /* no symbol has a recorded market: participants have only each other, the auctions clear
                                at the price that trades most */
    size_t reserve_orders;   /* memory for so many is taken at once; it grows beyond all the same */
    venue_sink *sink;
    venue_market_sink *market_sink;
    void *ctx;
};

struct venue *venue_new(const struct venue_options *options, const char (*symbols)[SYMBOL_SIZE],
                        size_t count);
void venue_free(struct venue *v);

size_t venue_symbols_count(const struct venue *v);
const char *venue_symbol_name(const struct venue *v, int symbol);
int venue_symbol(const struct venue *v, const char *name); /* -1: no such asset */
int64_t venue_now_ns(const struct venue *v);

/* ---- assets */
struct asset {
    bool is_tradable, is_marginable, is_shortable, is_easy_to_borrow, is_fractionable;
    bool has_feed; /* false: as without_feed, for this symbol */
};
const struct asset *venue_asset(const struct venue *v, int symbol);
/* [input] All true at first (has_feed: unless without_feed). Before the symbol's first order. */
void venue_set_asset(struct venue *v, int symbol, const struct asset *asset);

/* ---- the market */
/* [input] Before the first instant: what was known of a symbol. reference is used to price risk until something
 * has printed; last and previous_close may be PRICE_NONE. */
void venue_prime(struct venue *v, int symbol, struct price reference, struct price last,
                 struct price previous_close);

struct symbol_bar {
    int symbol;
    struct bar bar;
    bool is_told; /* the sum of trades that were in instants already: it fills nothing */
};
struct symbol_quote {
    int symbol;
    struct quote quote;
};
struct trade_print {
    int64_t time_ns;
    struct price price;
    int64_t size; /* shares; 0: unknown */
};
struct symbol_trade {
    int symbol;
    struct trade_print trade;
};
/* [input] A quote from before the first instant; it counts on its own New York day. */
void venue_prime_quote(struct venue *v, const struct symbol_quote *quote);

/* All that happens in the market at one time. A feed of minutes gives bars and quotes, one of ticks gives trades and quotes
 * and beside them the bars they make. */
struct instant {
    int64_t time_ns;
    const struct symbol_quote *quotes; /* that stand from now on */
    size_t quotes_count;
    const struct symbol_trade *trades; /* that print now, in order */
    size_t trades_count;
    const struct symbol_bar *ended; /* bars that end now */
    size_t ended_count;
    const struct symbol_bar *starting; /* bars that start now: only their open is looked at */
    size_t starting_count;
};
/* [input] The order of docs/protocols.md "What happens at one instant". Boundaries (openings, closes, ...) that were
 * passed since the last call are dealt with first, at their own time. time_ns must not go back. */
void venue_instant(struct venue *v, const struct instant *instant);

/* The next boundary at or after now that an open order waits for; INT64_MAX: none. */
int64_t venue_next_ns(const struct venue *v);

struct price venue_last(const struct venue *v, int symbol);           /* PRICE_NONE: nothing printed yet */
struct price venue_previous_close(const struct venue *v, int symbol); /* PRICE_NONE: unknown */
const struct quote *venue_quote(const struct venue *v, int symbol);   /* today's latest; NULL: none */
const struct price *venue_marks(const struct venue *v);               /* last price by symbol */

/* ---- corporate actions */
struct corporate_action {
    int symbol;
    int32_t date;                /* New York: the ex date */
    int32_t split_to, split_from; /* 2, 1: two new for each old share; 0, 0: no split */
    struct price dividend;       /* a share, in cash; PRICE_NONE: none */
};
/* [input] Applied at 04:00 of their date (the session's pre-market opens), or of the next session: positions, then open
 * orders (quantity and prices; their owners are told RESTATED), prices known. In order of date. Copied. */
void venue_set_actions(struct venue *v, const struct corporate_action *actions, size_t count);

/* ---- accounts */
/* [input] bits: 128 random bits, or any for a repeatable run. key, secret: at most 128 bytes, copied. */
struct account *venue_account_open(struct venue *v, const char *key, const char *secret,
                                   const uint64_t bits[2], int64_t time_ns);
struct account *venue_account(const struct venue *v, const char *key); /* NULL: unseen */
size_t venue_accounts_count(const struct venue *v);
struct account *venue_account_at(const struct venue *v, size_t index); /* in order of opening */
/* [input] Holds for what is submitted from now on. */
void venue_configure(struct venue *v, struct account *a, const struct account_config *config);

/* ---- orders */
/* A price as it was asked for. */
struct asked_price {
    struct price price; /* PRICE_NONE: absent */
    bool is_too_fine;   /* had more than six decimals */
    char text[32];      /* as given, for messages */
};
#define ASKED_NONE ((struct asked_price){ .price = PRICE_NONE })

struct order_request {
    char symbol[SYMBOL_SIZE * 3]; /* as given */
    int64_t qty_micros;           /* micro-shares; 0 when notional_micros is given */
    int64_t notional_micros;      /* 0: absent. Exactly one of the two, else the venue refuses */
    bool has_qty, has_notional;   /* given at all */
    enum side side;
    enum order_type type;
    enum time_in_force time_in_force;
    enum order_class order_class;
    bool extended_hours;
    struct asked_price limit, stop;
    struct price trail_price;     /* PRICE_NONE: absent */
    bool has_trail_percent;
    int64_t trail_percent;        /* millionths of a percent */
    bool has_take_profit, has_stop_loss;
    struct asked_price take_profit_limit, stop_loss_stop, stop_loss_limit;
    char client_order_id[CLIENT_ORDER_ID_SIZE]; /* "": the venue makes one */
    bool client_order_id_is_too_long;
    char position_intent[24]; /* "": absent */
};
/* Everything absent. */
void order_request_init(struct order_request *q);

/* [input] Reaches the market at time_ns, which must not go back. On true *order is the new order and *snapshot (may
 * be NULL) its state before anything matched; on false nothing has changed and *refusal says why. */
bool venue_submit(struct venue *v, struct account *a, const struct order_request *request, int64_t time_ns,
                  struct order **order, struct order *snapshot, struct refusal *refusal);

struct replace_request {
    bool has_qty, has_time_in_force, has_trail;
    int64_t qty_micros;
    enum time_in_force time_in_force;
    struct asked_price limit, stop;
    int64_t trail;                              /* micros of a dollar, or millionths of a percent, as the order has it */
    char client_order_id[CLIENT_ORDER_ID_SIZE]; /* "": the venue makes one */
    bool client_order_id_is_too_long;
};
void replace_request_init(struct replace_request *q);

/* [input] As venue_submit; *order is the new one, whose `replaces` is o. Final at once: o is replaced when it returns.
 * At the same price and for no more than before the new order keeps the old one's place in the book. */
bool venue_replace(struct venue *v, struct order *o, const struct replace_request *request, int64_t time_ns,
                   struct order **order, struct order *snapshot, struct refusal *refusal);

/* [input] True also when it is canceled already, or its cancel is pending. A leg or the parent of a group takes the
 * others with it. */
bool venue_cancel(struct venue *v, struct order *o, int64_t time_ns, struct refusal *refusal);

/* ---- faults */
/* [input] Orders of a halted symbol are accepted and wait: nothing trades until it resumes. */
void venue_halt(struct venue *v, int symbol, bool halted, int64_t time_ns);
bool venue_is_halted(const struct venue *v, int symbol);
/* [input] From now on cancels stick: the order is pending_cancel, may still fill, and nothing comes of it ... */
void venue_stick_cancels(struct venue *v, bool stick);
/* ... [input] until they are let go: canceled, or (refuse) order_cancel_rejected and working again. */
void venue_release_cancels(struct venue *v, bool refuse, int64_t time_ns);

/* ---- the book of a symbol: participants' orders only; the market's quote stands beside it (venue_quote) */
size_t venue_depth(const struct venue *v, int symbol, enum side side, struct book_level *out, size_t count);
void venue_volume(const struct venue *v, int symbol, struct book_volume *out);

struct auction_view {
    enum time_in_force auction; /* TIF_OPG, TIF_CLS: the one that clears next */
    int64_t clears_ns;
    int64_t orders;             /* gathered */
    struct price price;         /* indicative; PRICE_NONE: nothing would trade */
    int64_t qty, imbalance;
};
/* What the next auction would do with the orders gathered so far; with a recorded market the price is an indication
 * only, as it clears at the official print. false: no session ahead. */
bool venue_auction(const struct venue *v, int symbol, struct auction_view *out);

/* Cash, positions and reservations of every account recounted from its fills, activities and open orders, and every
 * book from its orders; false: broken. For tests. */
bool venue_is_consistent(const struct venue *v);

#endif
