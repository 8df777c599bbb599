/* position.h - fills in; position, average cost and realised P&L out. Average-cost method, exact.
 *
 * cost_micros is what the open shares cost (negative for a short: what they brought in). Closing k of n
 * shares takes cost_micros * k / n, rounded half away from zero, out of it, and all that is left when
 * n reaches 0: so for any sequence of fills
 *     realized_micros - cost_micros == sum of sales - sum of purchases      (fees apart)
 * holds to the millionth. A fill through zero closes first, then opens the rest at its own price. */
#ifndef MARKET_POSITION_H
#define MARKET_POSITION_H

#include "market/market.h"

struct position {
    int64_t qty;              /* signed shares; negative is short */
    int64_t cost_micros;
    int64_t realized_micros;  /* without fees */
    int64_t fees_micros;
    int64_t fills;            /* number of fills applied */
    int64_t traded_qty;       /* shares bought plus sold */
};

/* false on overflow; the position is then unchanged. qty > 0. */
bool position_apply(struct position *p, enum side side, int64_t qty, struct price price, int64_t fee_micros);
/* The same for a fill that cost or brought `amount` micros in all: for quantities in another unit than shares, in
 * which qty and traded_qty then are. A fill through zero is divided in proportion, its rest to the rest. */
bool position_apply_amount(struct position *p, enum side side, int64_t qty, __int128 amount, int64_t fee_micros);

/* Average entry price, rounded to the micro; PRICE_NONE when flat. */
struct price position_average(const struct position *p);

/* mark x qty and its difference to cost; 0 when flat. Saturates on overflow. */
int64_t position_value_micros(const struct position *p, struct price mark);
int64_t position_unrealized_micros(const struct position *p, struct price mark);

#endif
