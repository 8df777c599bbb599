/* refusal.h - why the broker says no: HTTP status, code, message and the extra members, word for word.
 *
 * The closed set is a table; a refusal is one row of it with its values filled in. */
#ifndef EXCHANGE_REFUSAL_H
#define EXCHANGE_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

enum refusal_kind {
    REFUSED_BODY, /* detail */
    REFUSED_SYMBOL_MISSING,
    REFUSED_QTY_MISSING,
    REFUSED_QTY_AND_NOTIONAL,
    REFUSED_NOTIONAL,
    REFUSED_QTY_INVALID, /* text */
    REFUSED_QTY_NOT_POSITIVE,
    REFUSED_QTY_TOO_LARGE,
    REFUSED_SIDE,
    REFUSED_TYPE,
    REFUSED_TYPE_UNSUPPORTED /* word */,
    REFUSED_TIF,
    REFUSED_TIF_UNSUPPORTED /* word */,
    REFUSED_LIMIT_MISSING,
    REFUSED_PRICE_INVALID /* limit_price, stop_price; text */,
    REFUSED_QTY_FINE /* text */,
    REFUSED_LIMIT_NOT_POSITIVE,
    REFUSED_LIMIT_TOO_LARGE,
    REFUSED_MARKET_WITH_PRICE,
    REFUSED_LIMIT_WITH_STOP,
    REFUSED_MEMBER, /* name, what was expected */
    REFUSED_CLIENT_ID_LENGTH,
    REFUSED_CLIENT_ID_USED,
    REFUSED_CLASS /* word */,
    REFUSED_EXTENDED,
    REFUSED_EXTENDED_UNSUPPORTED,
    REFUSED_ASSET /* symbol */,
    REFUSED_FRACTION /* symbol */,
    REFUSED_OPG_WINDOW,
    REFUSED_CLS_WINDOW,
    REFUSED_SUB_PENNY,     /* limit_price or stop_price, its text */
    REFUSED_INTENT,        /* inferred, specified */
    REFUSED_QTY_AVAILABLE, /* requested, available, as texts */
    REFUSED_SHORT,
    REFUSED_BUYING_POWER,
    REFUSED_CALENDAR,
    /* types */
    REFUSED_STOP_MISSING,
    REFUSED_STOP_LIMIT_MISSING,
    REFUSED_STOP_WITH_LIMIT,
    REFUSED_STOP_NOT_POSITIVE,
    REFUSED_STOP_TOO_LARGE,
    REFUSED_TRAIL_MISSING,
    REFUSED_TRAIL_WITH_PRICE,
    REFUSED_TRAIL_PRICE,
    REFUSED_TRAIL_PERCENT,
    REFUSED_TRAIL_WITHOUT_TYPE,
    REFUSED_STOP_NOT_BELOW, /* + market_price, stop_price */
    REFUSED_STOP_NOT_ABOVE, /* + market_price, stop_price */
    REFUSED_TYPE_TIF,       /* time in force */
    REFUSED_TRAIL_TIF,
    /* quantities */
    REFUSED_NOTIONAL_LEAST,
    REFUSED_NOTIONAL_TOO_LARGE,
    REFUSED_FRACTION_TIF,
    REFUSED_FRACTION_CLASS,
    REFUSED_FRACTION_SHORT,
    REFUSED_FRACTION_DISABLED,
    REFUSED_FRACTION_EXTENDED,
    REFUSED_COST_BASIS,
    REFUSED_NOTIONAL_CLOSING,
    /* account and asset */
    REFUSED_SUSPENDED,
    REFUSED_LIQUIDATION,
    REFUSED_NOT_TRADABLE, /* symbol */
    REFUSED_NOT_SHORTABLE, /* symbol */
    REFUSED_HARD_TO_BORROW, /* symbol */
    REFUSED_WASH,           /* + existing_order_id, reject_reason */
    REFUSED_LONG_WHILE_SHORT,
    REFUSED_SHORT_WHILE_LONG,
    REFUSED_BOOK_FULL,      /* symbol */
    /* groups */
    REFUSED_LEGS_SIMPLE,
    REFUSED_TAKE_PROFIT_MISSING, /* class */
    REFUSED_STOP_LOSS_MISSING,   /* class */
    REFUSED_OTO_LEGS,
    REFUSED_CLASS_TYPE, /* class, types */
    REFUSED_CLASS_TIF,  /* class */
    REFUSED_CLASS_EXTENDED, /* class */
    REFUSED_OCO_EXIT,
    REFUSED_TAKE_PROFIT_BASE, /* ">=" "+" or "<=" "-"; + base_price */
    REFUSED_STOP_LOSS_BASE,   /* the same */
    REFUSED_TAKE_PROFIT_STOP, /* ">" or "<" */
    /* replace */
    REFUSED_REPLACE_STATUS, /* status */
    REFUSED_REPLACE_CLOSED,
    REFUSED_REPLACE_REPLACED,
    REFUSED_REPLACE_SAME,
    REFUSED_REPLACE_QTY,
    REFUSED_REPLACE_FRACTION,
    REFUSED_REPLACE_ADVANCED,
    REFUSED_REPLACE_NOTIONAL,
    REFUSED_REPLACE_MEMBER, /* name, type of the order */
    REFUSED_ORDER_ID,
    REFUSED_ORDER_UNKNOWN /* id */,
    REFUSED_ORDER_FINAL /* status */,
    REFUSED_POSITION_UNKNOWN,
    REFUSED_POSITION_SYMBOL /* symbol */,
    REFUSED_ASSET_UNKNOWN /* symbol */,
    REFUSED_PARAMETER, /* name, what was expected */
    REFUSED_ROUTE,
    REFUSED_METHOD,
    REFUSED_KEYS,
    REFUSED_RATE,
    REFUSED_RATE_DATA,
    REFUSED_MEMBER_TEXT, /* name, what is wrong */
    REFUSED_WATCHLIST_UNKNOWN,
    REFUSED_WATCHLIST_NAME,
    REFUSED_WATCHLIST_HAS, /* symbol */
    REFUSED_WATCHLISTS_MANY, /* int */
    REFUSED_COUNT,
};

struct refusal {
    enum refusal_kind kind;
    int status;
    int64_t code; /* 0: the body has none */
    char message[280];
    struct {
        const char *name;
        char value[48];
    } extra[5]; /* members beside code and message */
    int extra_count;
};

/* Fills r from the table with the values its message wants; returns false. */
bool refuse(struct refusal *r, enum refusal_kind kind, ...);
void refusal_add(struct refusal *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
