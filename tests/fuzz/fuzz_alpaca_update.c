/* Any JSON as a trade update, an order, a position, an account, an activity. */
#include <assert.h>

#include "alpaca/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *j = json_loadb((const char *)data, size, 0, NULL);
    struct alpaca_trade_update u, again;
    struct alpaca_order order;
    struct alpaca_position position;
    struct alpaca_account account;
    struct alpaca_activity activity;
    struct err err = { ERR_NONE, "" };

    if (!alpaca_trade_update_decode(j, &u, &err)) {
        assert(err.text[0]);
    } else if (u.event != ALPACA_EVENT_UNKNOWN) {
        json_t *told = alpaca_trade_update_encode(&u);
        assert(alpaca_trade_update_decode(told, &again, &err));
        assert(again.qty == u.qty && again.order.filled_qty == u.order.filled_qty);
        json_decref(told);
    }
    alpaca_order_decode(j, &order, &err);
    if (alpaca_position_decode(j, &position, &err))
        json_decref(alpaca_position_encode(&position));
    if (alpaca_account_decode(j, &account, &err))
        json_decref(alpaca_account_encode(&account));
    alpaca_activity_decode(j, &activity, &err);
    json_decref(j);
    return 0;
}
