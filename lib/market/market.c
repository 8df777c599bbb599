#include "market/market.h"

#include <stddef.h>

bool symbol_is_valid(const char *text)
{
    size_t len = 0;
    for (; text[len]; len++) {
        char c = text[len];
        bool is_letter = c >= 'A' && c <= 'Z';
        if (len == SYMBOL_SIZE - 1 ||
            !(is_letter || (len > 0 && ((c >= '0' && c <= '9') || c == '.'))))
            return false;
    }
    return len > 0;
}

const char *const side_names[] = { [SIDE_BUY] = "buy", [SIDE_SELL] = "sell", NULL };

const char *const order_type_names[] = {
    [ORDER_MARKET] = "market",         [ORDER_LIMIT] = "limit", [ORDER_STOP] = "stop",
    [ORDER_STOP_LIMIT] = "stop_limit", [ORDER_TRAILING_STOP] = "trailing_stop", NULL,
};

const char *const time_in_force_names[] = {
    [TIF_DAY] = "day", [TIF_OPG] = "opg", [TIF_CLS] = "cls",
    [TIF_GTC] = "gtc", [TIF_IOC] = "ioc", [TIF_FOK] = "fok", NULL,
};

const char *const order_status_names[] = {
    [ORDER_INTENT] = "intent",
    [ORDER_PENDING_NEW] = "pending_new",
    [ORDER_ACCEPTED] = "accepted",
    [ORDER_NEW] = "new",
    [ORDER_PARTIALLY_FILLED] = "partially_filled",
    [ORDER_FILLED] = "filled",
    [ORDER_DONE_FOR_DAY] = "done_for_day",
    [ORDER_CANCELED] = "canceled",
    [ORDER_EXPIRED] = "expired",
    [ORDER_REPLACED] = "replaced",
    [ORDER_PENDING_CANCEL] = "pending_cancel",
    [ORDER_PENDING_REPLACE] = "pending_replace",
    [ORDER_REJECTED] = "rejected",
    [ORDER_HELD] = "held",
    [ORDER_SUSPENDED] = "suspended",
    [ORDER_STOPPED] = "stopped",
    [ORDER_CALCULATED] = "calculated",
    [ORDER_UNKNOWN] = "unknown",
    NULL,
};
