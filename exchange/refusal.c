#include "exchange/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base.h"

/* Texts in quotes of the broker's documentation are kept exactly: clients match on them. */
static const struct {
    int status;
    int64_t code;
    const char *message;
} rows[] = {
    [REFUSED_BODY] = { 400, 40010000, "request body format is invalid: %s" },
    [REFUSED_SYMBOL_MISSING] = { 422, 40010001, "symbol is required" },
    [REFUSED_QTY_MISSING] = { 422, 40010001, "qty or notional is required" },
    [REFUSED_QTY_AND_NOTIONAL] = { 422, 40010001, "only one of qty or notional is accepted" },
    [REFUSED_NOTIONAL] = { 422, 40010001,
                           "notional orders are not supported here: give a qty of whole shares" },
    [REFUSED_QTY_INVALID] = { 422, 40010001, "invalid qty: %s" },
    [REFUSED_QTY_NOT_POSITIVE] = { 422, 40010001, "qty must be > 0" },
    [REFUSED_QTY_TOO_LARGE] = { 422, 40010001, "qty must be <= 1000000000" },
    [REFUSED_SIDE] = { 422, 40010001, "invalid side: must be buy or sell" },
    [REFUSED_TYPE] = { 422, 40010001, "invalid order type" },
    [REFUSED_TYPE_UNSUPPORTED] = { 422, 40010001,
                                   "order type %s is not supported here: use market or limit" },
    [REFUSED_TIF] = { 422, 40010001, "invalid time_in_force" },
    [REFUSED_TIF_UNSUPPORTED] = { 422, 40010001,
                                  "time_in_force %s is not supported here: use day, opg or cls" },
    [REFUSED_LIMIT_MISSING] = { 422, 40010001, "limit orders require a limit price" },
    [REFUSED_LIMIT_INVALID] = { 422, 40010001, "invalid limit_price: %s" },
    [REFUSED_LIMIT_NOT_POSITIVE] = { 422, 40010001, "limit price must be > 0" },
    [REFUSED_LIMIT_TOO_LARGE] = { 422, 40010001, "limit price must be <= 1000000000" },
    [REFUSED_MARKET_WITH_PRICE] = { 422, 40010001, "market orders require no stop or limit price" },
    [REFUSED_LIMIT_WITH_STOP] = { 422, 40010001, "limit orders require no stop price" },
    [REFUSED_MEMBER] = { 422, 40010001, "invalid %s: must be %s" },
    [REFUSED_CLIENT_ID_LENGTH] = { 422, 40010001, "client_order_id must be no more than 128 characters" },
    [REFUSED_CLIENT_ID_USED] = { 422, 40010001, "client_order_id must be unique" },
    [REFUSED_CLASS] = { 422, 40010001, "order_class %s is not supported here: use simple" },
    [REFUSED_EXTENDED] = { 422, 42210000, "extended hours order must be DAY or GTC limit orders" },
    [REFUSED_EXTENDED_UNSUPPORTED] = { 422, 42210000, "extended hours orders are not supported here" },
    [REFUSED_ASSET] = { 422, 42210000, "asset \"%s\" not found" },
    [REFUSED_FRACTION] = { 403, 40310000, "asset \"%s\" is not fractionable" },
    [REFUSED_OPG_WINDOW] = { 403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am" },
    [REFUSED_CLS_WINDOW] = { 403, 40310000, "cls orders must be submitted after 7:00pm and before 3:55pm" },
    [REFUSED_SUB_PENNY] = { 422, 42210000,
                            "invalid limit_price %s. sub-penny increment does not fulfill minimum "
                            "pricing criteria" },
    [REFUSED_INTENT] = { 422, 42210000, "position intent mismatch, inferred: %s, specified: %s" },
    [REFUSED_QTY_AVAILABLE] = { 403, 40310000,
                                "insufficient qty available for order (requested: %lld, "
                                "available: %lld)" },
    [REFUSED_SHORT] = { 403, 40310000, "account is not allowed to short" },
    [REFUSED_BUYING_POWER] = { 403, 40310000, "insufficient buying power" },
    [REFUSED_CALENDAR] = { 422, 42210000, "there is no trading session ahead" },
    [REFUSED_ORDER_ID] = { 422, 40010001, "order_id is missing" },
    [REFUSED_ORDER_UNKNOWN] = { 404, 40410000, "order not found for %s" },
    [REFUSED_ORDER_FINAL] = { 422, 42210000, "order is already in \"%s\" state" },
    [REFUSED_POSITION_UNKNOWN] = { 404, 40410000, "position does not exist" },
    [REFUSED_POSITION_SYMBOL] = { 404, 40410000, "symbol not found: %s" },
    [REFUSED_ASSET_UNKNOWN] = { 404, 40410000, "asset not found for %s" },
    [REFUSED_PARAMETER] = { 422, 40010001, "invalid %s: must be %s" },
    [REFUSED_ROUTE] = { 404, 40410000, "endpoint not found: %s" },
    [REFUSED_METHOD] = { 405, 40510000, "method not allowed: %s" },
    [REFUSED_KEYS] = { 401, 0, "unauthorized." },
    [REFUSED_RATE] = { 429, 42910000, "rate limit exceeded" },
    [REFUSED_RATE_DATA] = { 429, 42910000, "too many requests." },
    [REFUSED_MEMBER_TEXT] = { 422, 40010001, "invalid %s: %s" },
    [REFUSED_WATCHLIST_UNKNOWN] = { 404, 40410000, "watchlist not found" },
    [REFUSED_WATCHLIST_NAME] = { 422, 40010001, "watchlist name must be unique" },
    [REFUSED_WATCHLIST_HAS] = { 422, 40010001, "asset %s is in the watchlist already" },
    [REFUSED_WATCHLISTS_MANY] = { 422, 40010001, "an account may have at most %d watchlists" },
};
_Static_assert(COUNT_OF(rows) == REFUSED_COUNT, "one row for each refusal");

bool refuse(struct refusal *r, enum refusal_kind kind, ...)
{
    *r = (struct refusal){ .kind = kind, .status = rows[kind].status, .code = rows[kind].code };
    va_list args;
    va_start(args, kind);
    vsnprintf(r->message, sizeof r->message, rows[kind].message, args);
    va_end(args);
    return false;
}

void refusal_add(struct refusal *r, const char *name, const char *fmt, ...)
{
    assert(r->extra_count < (int)COUNT_OF(r->extra));
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->extra[r->extra_count].value, sizeof r->extra[0].value, fmt, args);
    va_end(args);
    r->extra[r->extra_count++].name = name;
}
