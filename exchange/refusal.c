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
    [REFUSED_QTY_TOO_LARGE] = { 422, 40010001, "qty must be <= 50000000" },
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
    [REFUSED_LIMIT_TOO_LARGE] = { 422, 40010001, "limit price must be <= 20000000" },
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
                            "invalid %s %s. sub-penny increment does not fulfill minimum "
                            "pricing criteria" },
    [REFUSED_INTENT] = { 422, 42210000, "position intent mismatch, inferred: %s, specified: %s" },
    [REFUSED_QTY_AVAILABLE] = { 403, 40310000,
                                "insufficient qty available for order (requested: %s, "
                                "available: %s)" },
    [REFUSED_SHORT] = { 403, 40310000, "account is not allowed to short" },
    [REFUSED_BUYING_POWER] = { 403, 40310000, "insufficient buying power" },
    [REFUSED_STOP_MISSING] = { 422, 40010001, "stop orders require a stop price" },
    [REFUSED_STOP_LIMIT_MISSING] = { 422, 40010001, "stop limit orders require both stop and limit price" },
    [REFUSED_STOP_WITH_LIMIT] = { 422, 40010001, "stop orders require no limit price" },
    [REFUSED_STOP_NOT_POSITIVE] = { 422, 40010001, "stop price must be > 0" },
    [REFUSED_STOP_TOO_LARGE] = { 422, 40010001, "stop price must be <= 20000000" },
    [REFUSED_TRAIL_MISSING] = { 422, 40010001,
                                "trailing stop orders must specify one of trail_price or trail_percent" },
    [REFUSED_TRAIL_WITH_PRICE] = { 422, 40010001, "trailing stop orders require no stop or limit price" },
    [REFUSED_TRAIL_PRICE] = { 422, 40010001, "trail_price must be greater than 0" },
    [REFUSED_TRAIL_PERCENT] = { 422, 40010001, "trail_percent must be greater than or equal to 0.1" },
    [REFUSED_TRAIL_WITHOUT_TYPE] = { 422, 40010001,
                                     "only trailing stop orders take trail_price or trail_percent" },
    [REFUSED_STOP_NOT_BELOW] = { 422, 42210000, "stop price must be less than current price" },
    [REFUSED_STOP_NOT_ABOVE] = { 422, 42210000, "stop price must be greater than current price" },
    [REFUSED_TYPE_TIF] = { 422, 42210000, "%s orders must be market or limit orders" },
    [REFUSED_TRAIL_TIF] = { 422, 42210000, "trailing stop orders must be DAY or GTC orders" },
    [REFUSED_NOTIONAL_LEAST] = { 422, 40010001, "notional must be >= 1.00" },
    [REFUSED_NOTIONAL_TOO_LARGE] = { 422, 40010001, "notional must be <= 1000000000" },
    [REFUSED_FRACTION_TIF] = { 422, 42210000, "fractional orders must be DAY orders" },
    [REFUSED_FRACTION_CLASS] = { 422, 42210000, "fractional orders must be simple orders" },
    [REFUSED_FRACTION_SHORT] = { 422, 42210000, "fractional orders cannot be sold short" },
    [REFUSED_FRACTION_DISABLED] = { 403, 40310000, "fractional trading is disabled for this account" },
    [REFUSED_FRACTION_EXTENDED] = { 422, 42210000, "fractional orders are not allowed in extended hours" },
    [REFUSED_COST_BASIS] = { 403, 40310000, "cost basis must be >= minimal amount of order 1" },
    [REFUSED_NOTIONAL_CLOSING] = { 403, 40310000, "unable to open new notional orders while having open "
                                                  "closing position orders" },
    [REFUSED_SUSPENDED] = { 403, 40310000, "new orders are rejected by user request" },
    [REFUSED_LIQUIDATION] = { 403, 40310000, "account is restricted to liquidation only" },
    [REFUSED_NOT_TRADABLE] = { 422, 42210000, "asset \"%s\" is not tradable" },
    [REFUSED_NOT_SHORTABLE] = { 422, 42210000, "asset \"%s\" cannot be sold short" },
    [REFUSED_HARD_TO_BORROW] = { 422, 42210000, "only day orders are allowed for hard-to-borrow asset %s" },
    [REFUSED_WASH] = { 403, 40310000, "potential wash trade detected. use complex orders" },
    [REFUSED_LONG_WHILE_SHORT] = { 403, 40310000,
                                   "cannot open a long buy while a short sell order is open" },
    [REFUSED_SHORT_WHILE_LONG] = { 403, 40310000,
                                   "cannot open a short sell while a long buy order is open" },
    [REFUSED_BOOK_FULL] = { 403, 40310000, "too many orders are open in %s: try again when some are gone" },
    [REFUSED_LEGS_SIMPLE] = { 422, 40010001, "simple orders take no take_profit and no stop_loss" },
    [REFUSED_TAKE_PROFIT_MISSING] = { 422, 42210000, "%s orders require take_profit.limit_price" },
    [REFUSED_STOP_LOSS_MISSING] = { 422, 42210000, "%s orders require stop_loss.stop_price" },
    [REFUSED_OTO_LEGS] = { 422, 42210000, "oto orders require one of take_profit or stop_loss" },
    [REFUSED_CLASS_TYPE] = { 422, 42210000, "%s orders must be %s orders" },
    [REFUSED_CLASS_TIF] = { 422, 42210000, "%s orders must be DAY or GTC orders" },
    [REFUSED_CLASS_EXTENDED] = { 422, 42210000, "%s orders are not allowed in extended hours" },
    [REFUSED_OCO_EXIT] = { 422, 42210000, "oco orders must be exit orders" },
    [REFUSED_TAKE_PROFIT_BASE] = { 422, 42210000, "take_profit.limit_price must be %s base_price %s 0.01" },
    [REFUSED_STOP_LOSS_BASE] = { 422, 42210000, "stop_loss.stop_price must be %s base_price %s 0.01" },
    [REFUSED_TAKE_PROFIT_STOP] = { 422, 42210000, "take_profit.limit_price must be %s stop_loss.stop_price" },
    [REFUSED_REPLACE_STATUS] = { 422, 42210000, "cannot replace order in %s status" },
    [REFUSED_REPLACE_CLOSED] = { 422, 42210000, "order is not open" },
    [REFUSED_REPLACE_REPLACED] = { 422, 42210000, "order already replaced" },
    [REFUSED_REPLACE_SAME] = { 422, 42210000, "order parameters are not changed" },
    [REFUSED_REPLACE_QTY] = { 422, 42210000, "unable to replace order, qty must be > filled_qty" },
    [REFUSED_REPLACE_FRACTION] = { 422, 42210000, "qty cannot be changed for fractional orders" },
    [REFUSED_REPLACE_ADVANCED] = { 422, 42210000, "qty cannot be changed for advanced orders" },
    [REFUSED_REPLACE_NOTIONAL] = { 422, 42210000, "notional orders cannot be replaced" },
    [REFUSED_REPLACE_MEMBER] = { 422, 42210000, "%s cannot be changed for %s orders" },
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
