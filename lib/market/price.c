#include "market/price.h"

#include <math.h>

enum { DECIMALS = 6 };

bool price_parse(const char *text, size_t len, struct price *out)
{
    size_t at = 0;
    bool negative = len > 0 && text[0] == '-';
    if (negative)
        at++;
    size_t first_digit = at;
    int64_t micros = 0;
    for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
        if (__builtin_mul_overflow(micros, 10, &micros) ||
            __builtin_add_overflow(micros, text[at] - '0', &micros))
            return false;
    }
    if (at == first_digit || __builtin_mul_overflow(micros, PRICE_SCALE, &micros))
        return false;
    if (at < len) {
        if (text[at++] != '.' || at == len)
            return false;
        int64_t unit = PRICE_SCALE;
        for (; at < len; at++) {
            if (text[at] < '0' || text[at] > '9')
                return false;
            unit /= 10; /* 0 from the seventh digit on */
            if (unit == 0 && text[at] != '0')
                return false;
            if (__builtin_add_overflow(micros, (text[at] - '0') * unit, &micros))
                return false;
        }
    }
    out->micros = negative ? -micros : micros;
    return true;
}

int price_format(struct price p, char out[PRICE_TEXT_MAX])
{
    char reversed[PRICE_TEXT_MAX];
    int n = 0;
    /* Unsigned, so that the most negative number has an absolute value. */
    uint64_t left = p.micros < 0 ? 0 - (uint64_t)p.micros : (uint64_t)p.micros;
    for (int i = 0; i < DECIMALS; i++, left /= 10) {
        char digit = (char)('0' + left % 10);
        bool is_trailing_zero = digit == '0' && n == 0 && i < DECIMALS - 2;
        if (!is_trailing_zero)
            reversed[n++] = digit;
    }
    reversed[n++] = '.';
    do {
        reversed[n++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (p.micros < 0)
        reversed[n++] = '-';
    for (int i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    out[n] = '\0';
    return n;
}

struct price price_round_to_tick(struct price p, struct price tick)
{
    int64_t rest = p.micros % tick.micros; /* has the sign of p */
    int64_t base = p.micros - rest;
    int64_t size = rest < 0 ? -rest : rest;
    int64_t rounded = base;
    /* size >= tick - size is "at least half" without doubling, which could overflow. */
    if (size >= tick.micros - size && rest != 0 &&
        __builtin_add_overflow(base, rest < 0 ? -tick.micros : tick.micros, &rounded))
        rounded = base; /* the farther tick does not fit */
    return (struct price){ rounded };
}

bool price_from_double(double dollars, struct price *out)
{
    double micros = round(dollars * (double)PRICE_SCALE);
    if (!isfinite(micros) || fabs(micros) >= 9223372036854775808.0)
        return false;
    out->micros = (int64_t)micros;
    return true;
}

bool price_times(struct price p, int64_t qty, int64_t *micros)
{
    return !__builtin_mul_overflow(p.micros, qty, micros);
}
