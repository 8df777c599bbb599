/* market.h - the nouns everything else is written in. Plain structs and closed sets; no I/O.
 *
 * Names of enumerators on the wire (Alpaca's and our own REST use the same words) stand in the
 * ..._names tables, NULL-terminated, in enumerator order. */
#ifndef MARKET_MARKET_H
#define MARKET_MARKET_H

#include <stdbool.h>
#include <stdint.h>

#include "market/price.h"

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)

enum { SYMBOL_SIZE = 16 };          /* bytes of a ticker including the NUL: "BRK.B" */
enum { UUID_SIZE = 37 };            /* canonical text, lower case, and the NUL */
enum { CLIENT_ORDER_ID_SIZE = 129 };

/* A capital letter, then capital letters, digits and points; fits SYMBOL_SIZE. */
bool symbol_is_valid(const char *text);

enum side { SIDE_BUY, SIDE_SELL };
extern const char *const side_names[]; /* buy sell */

enum order_type { ORDER_MARKET, ORDER_LIMIT, ORDER_STOP, ORDER_STOP_LIMIT, ORDER_TRAILING_STOP };
extern const char *const order_type_names[]; /* market limit stop stop_limit trailing_stop */

enum time_in_force { TIF_DAY, TIF_OPG, TIF_CLS, TIF_GTC, TIF_IOC, TIF_FOK };
extern const char *const time_in_force_names[]; /* day opg cls gtc ioc fok */

/* Alpaca's statuses; ORDER_INTENT is ours: journalled, not yet sent. ORDER_UNKNOWN is what a reader
 * makes of a word it does not know: treat as open. */
enum order_status {
    ORDER_INTENT, ORDER_PENDING_NEW, ORDER_ACCEPTED, ORDER_NEW, ORDER_PARTIALLY_FILLED,
    ORDER_FILLED, ORDER_DONE_FOR_DAY, ORDER_CANCELED, ORDER_EXPIRED, ORDER_REPLACED,
    ORDER_PENDING_CANCEL, ORDER_PENDING_REPLACE, ORDER_REJECTED, ORDER_HELD, ORDER_SUSPENDED,
    ORDER_STOPPED, ORDER_CALCULATED, ORDER_UNKNOWN,
};
extern const char *const order_status_names[];

/* filled, canceled, expired, replaced, rejected: never left again. */
static inline bool order_status_is_final(enum order_status s)
{
    return s == ORDER_FILLED || s == ORDER_CANCELED || s == ORDER_EXPIRED || s == ORDER_REPLACED ||
           s == ORDER_REJECTED;
}

struct bar {
    int64_t open_time_ns;           /* UTC, start of the minute */
    struct price open, high, low, close;
    int64_t volume;                 /* shares */
};

struct quote {
    int64_t time_ns;
    struct price bid, ask;          /* PRICE_NONE: no quote on that side */
    int64_t bid_size, ask_size;     /* shares */
};

static inline int side_sign(enum side side)
{
    return side == SIDE_BUY ? 1 : -1;
}

static inline enum side side_opposite(enum side side)
{
    return side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
}

#endif
