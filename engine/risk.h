/* risk.h - may this order be sent? Yes, or a reason.
 *
 * Pure: everything it looks at comes in as arguments. The one gate in front of every order of a strategy;
 * it stands outside the strategy's reach. An order that only reduces the instance's own position passes
 * even when entries are frozen, data is stale or capital is used up: getting out must always be possible. */
#ifndef ENGINE_RISK_H
#define ENGINE_RISK_H

#include "market/market.h"
#include "market/setting.h"

/* The `risk:` mapping of an instance's file. */
struct risk_limits {
    int64_t max_order;          /* shares of one order; 0: twice the instance's quantity */
    int64_t orders_per_minute;
    int64_t price_band;         /* millionths: how far a limit may be from the last price, to its worse side */
    int64_t max_age;            /* ns: how old the latest data of a symbol may be for an entry */
    int64_t max_loss;           /* micros a session; 0: no limit */
};
extern const struct setting risk_settings[];
extern const size_t risk_settings_count;

struct risk_request {
    /* the order */
    enum side side;
    int64_t qty;
    enum order_type type;
    struct price limit;
    /* the instance */
    int64_t quantity, capital_micros;
    int64_t position;           /* own shares of this symbol */
    int64_t pending_buy, pending_sell; /* shares of own orders on their way, this symbol */
    int64_t others_micros;      /* value of positions and pending orders in its other symbols */
    int64_t orders_this_minute;
    /* the market */
    struct price last;          /* PRICE_NONE before the first */
    int64_t age_ns;             /* of the latest data */
    /* the engine */
    const char *frozen;         /* why there are no new entries now; NULL: there are */
};

/* Does it only reduce what the instance holds, counting what is already on its way out? */
bool risk_is_reducing(const struct risk_request *q);

enum { RISK_REASON_SIZE = 160 };
bool risk_check(const struct risk_limits *limits, const struct risk_request *q, char why[RISK_REASON_SIZE]);

#endif
