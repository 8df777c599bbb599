/* client_order_id.h - the id by which an order can be told to be ours, whose, of which day and which.
 *
 *     bell.<instance>.<YYYYMMDD>.<sequence>         bell.overnight.20131007.3
 *
 * Deterministic: the sequence counts an instance's orders of one session date from 1 and is journalled
 * before the order leaves. Instance names are [a-z0-9_-]{1,48}: the dot is the separator. */
#ifndef MARKET_CLIENT_ORDER_ID_H
#define MARKET_CLIENT_ORDER_ID_H

#include "market/market.h"

enum { INSTANCE_SIZE = 49 };

struct client_order_id {
    char instance[INSTANCE_SIZE];
    int32_t date;
    int64_t sequence;
};

bool instance_name_is_valid(const char *name);
void client_order_id_format(const struct client_order_id *id, char out[CLIENT_ORDER_ID_SIZE]);
/* false for anybody else's id. */
bool client_order_id_parse(const char *text, struct client_order_id *out);

#endif
