/* router.c - see router.h. Messages: alpaca-api, error catalogue. */
#include "engine/router.h"

#include <string.h>

/* 403s that pass by themselves once another order is out of the way. */
static const char *const passing[] = {
    "wash trade",
    "insufficient qty available",
    "cannot open a long buy while a short sell order is open",
    "cannot open a short sell while a long buy order is open",
};

enum route router_verdict(long http_status, const char *message)
{
    if (http_status >= 200 && http_status < 300)
        return ROUTE_ACCEPTED;
    if (http_status == 429)
        return ROUTE_LATER;
    if (http_status < 400 || http_status >= 500 || http_status == 408)
        return ROUTE_LOOKUP;
    if (strstr(message, "client_order_id must be unique"))
        return ROUTE_LOOKUP;
    for (size_t i = 0; http_status == 403 && i < sizeof passing / sizeof passing[0]; i++)
        if (strstr(message, passing[i]))
            return ROUTE_WAIT;
    return ROUTE_REJECTED;
}

enum side router_blocking_side(enum side side, const char *message)
{
    return strstr(message, "insufficient qty") ? side : side_opposite(side);
}

int64_t router_first_part(int64_t net, int64_t closing, enum side side, int64_t qty)
{
    int64_t held = side == SIDE_SELL ? net : -net; /* what this side could close */
    int64_t left = held - closing;
    return left > 0 && left < qty ? left : qty;
}
