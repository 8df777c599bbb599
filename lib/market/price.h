/* price.h - money per share as an exact integer.
 *
 * Unit: millionths of a dollar, so $12.345 is 12345000. The struct keeps a price from being added to a
 * quantity by accident; it is passed by value and costs nothing. Amounts of money (price x quantity,
 * cash, P&L) are plain int64_t named ..._micros. double appears in statistics and indicators only. */
#ifndef MARKET_PRICE_H
#define MARKET_PRICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRICE_SCALE INT64_C(1000000) /* millionths in a dollar */
#define USD PRICE_SCALE              /* 100 * USD is a hundred dollars in micros */

struct price {
    int64_t micros;
};

/* "no price": an unset limit, a side without a quote. */
#define PRICE_NONE ((struct price){ INT64_MIN })

static inline bool price_is_set(struct price p)
{
    return p.micros != INT64_MIN;
}

static inline int price_cmp(struct price a, struct price b)
{
    return (a.micros > b.micros) - (a.micros < b.micros);
}

/* Reads a plain decimal: optional '-', digits, optional '.' and 1..6 digits. Refuses everything else
 * (spaces, '+', exponents, a 7th digit that is not 0, overflow) rather than rounding: a price we cannot
 * hold exactly is the sender's error. text need not be NUL-terminated. Also used for money amounts. */
bool price_parse(const char *text, size_t len, struct price *out);

/* "12.345": no trailing zeros beyond two decimals, always at least two ("12.00"). Writes at most
 * PRICE_TEXT_MAX bytes including the NUL; returns the length. */
enum { PRICE_TEXT_MAX = 24 };
int price_format(struct price p, char out[PRICE_TEXT_MAX]);

/* Nearest multiple of tick, halves away from zero. tick must be positive. */
struct price price_round_to_tick(struct price p, struct price tick);

/* The nearest price to a double (an indicator's value, a JSON number); halves away from zero. false
 * when it is not finite or does not fit. */
bool price_from_double(double dollars, struct price *out);

/* price x qty in micros; false on overflow of int64_t. qty may be negative. */
bool price_times(struct price p, int64_t qty, int64_t *micros);

#endif
