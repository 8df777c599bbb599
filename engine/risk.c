/* risk.c - see risk.h. The checks stand in the order in which they are reported. */
#include "engine/risk.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const struct setting risk_settings[] = {
    SETTING_INT64(struct risk_limits, max_order, SETTING_COUNT, .min = 0, .max = 10000000, .fallback = "0", .hot = true,
                  .unit = "shares", .help = "Most shares in one order; 0: twice the quantity."),
    SETTING_INT64(struct risk_limits, orders_per_minute, SETTING_COUNT, .min = 1, .max = 10000, .fallback = "60", .hot = true,
                  .unit = "orders", .help = "Most orders of this instance in one minute."),
    SETTING_INT64(struct risk_limits, price_band, SETTING_PERCENT, .min = 1000, .max = 1000000, .fallback = "10 %", .hot = true,
                  .help = "How far a limit price may be from the last price, to its worse side."),
    SETTING_INT64(struct risk_limits, max_age, SETTING_DURATION, .min = SECOND_NS, .max = DAY_NS, .fallback = "15m", .hot = true,
                  .help = "No entries when the latest price is older than this."),
    SETTING_INT64(struct risk_limits, max_loss, SETTING_MONEY, .min = 0, .max = 1000000000 * USD, .fallback = "0 USD", .hot = true,
                  .help = "After a loss of this much in a session: out, and no entries for the rest of it; 0: no limit."),
};
const size_t risk_settings_count = sizeof risk_settings / sizeof risk_settings[0];

static bool refuse(char why[RISK_REASON_SIZE], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(char why[RISK_REASON_SIZE], const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, RISK_REASON_SIZE, fmt, args);
    va_end(args);
    return false;
}

bool risk_is_reducing(const struct risk_request *q)
{
    return q->side == SIDE_SELL ? q->position - q->pending_sell >= q->qty
                                : -q->position - q->pending_buy >= q->qty;
}

/* What the symbol can come to be worth if everything on its way and this order fill: the worse side. */
static bool worth(const struct risk_request *q, int64_t *micros)
{
    int64_t longest = q->position + q->pending_buy + (q->side == SIDE_BUY ? q->qty : 0);
    int64_t shortest = -q->position + q->pending_sell + (q->side == SIDE_SELL ? q->qty : 0);
    struct price price = q->last;
    if (q->type == ORDER_LIMIT && price_cmp(q->limit, price) > 0)
        price = q->limit;
    return price_times(price, longest > shortest ? longest : shortest, micros);
}

bool risk_check(const struct risk_limits *limits, const struct risk_request *q, char why[RISK_REASON_SIZE])
{
    int64_t max_order = limits->max_order ? limits->max_order : 2 * q->quantity;
    char text[PRICE_TEXT_MAX], other[PRICE_TEXT_MAX];

    if (q->qty > max_order)
        return refuse(why, "%" PRId64 " shares are more than an order may have, %" PRId64, q->qty, max_order);
    if (q->orders_this_minute >= limits->orders_per_minute)
        return refuse(why, "%" PRId64 " orders in this minute already", q->orders_this_minute);
    if (q->type == ORDER_LIMIT && q->limit.micros <= 0)
        return refuse(why, "a limit price must be above 0");
    if (q->type == ORDER_LIMIT && price_is_set(q->last)) {
        int64_t band = (int64_t)((__int128)q->last.micros * limits->price_band / 1000000);
        int64_t worse = q->side == SIDE_BUY ? q->limit.micros - q->last.micros : q->last.micros - q->limit.micros;
        if (worse > band) {
            price_format(q->limit, text);
            price_format(q->last, other);
            return refuse(why, "limit %s is too far from the last price, %s", text, other);
        }
    }
    if (risk_is_reducing(q))
        return true;

    if (q->frozen)
        return refuse(why, "no new entries: %s", q->frozen);
    if (!price_is_set(q->last))
        return refuse(why, "no price is known yet");
    if (q->age_ns > limits->max_age)
        return refuse(why, "the latest price is %" PRId64 " s old", q->age_ns / SECOND_NS);
    int64_t micros, total;
    if (!worth(q, &micros) || __builtin_add_overflow(micros, q->others_micros, &total) || total > q->capital_micros) {
        price_format((struct price){ q->capital_micros }, text);
        return refuse(why, "the capital of %s does not cover it", text);
    }
    return true;
}
