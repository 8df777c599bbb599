/* Bodies of POST /v2/orders: an order or a refusal, and the books add up after each. */
#include <stdlib.h>

#include "core/json.h"
#include "exchange/objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char symbols[][SYMBOL_SIZE] = { "SPY", "IBM" };
    static const uint64_t bits[2] = { 1, 2 };
    const struct venue_options options = { .cash_micros = 100000 * USD };
    const int64_t now = calendar_ns(20131007, 10 * 3600);
    const struct symbol_bar start = { .bar = { .open_time_ns = now, .open = { 100 * USD } } };
    const struct instant in = { .time_ns = now, .starting = &start, .starting_count = 1 };
    struct err err;
    json_t *body = json_read((const char *)data, size, &err);
    if (!body)
        return 0;
    struct venue *v = venue_new(&options, symbols, 2);
    venue_prime(v, 1, (struct price){ 50 * USD }, PRICE_NONE, PRICE_NONE);
    venue_instant(v, &in);
    struct account *a = venue_account_open(v, "k", "s", bits, now);
    for (int i = 0; i < 2; i++) {
        struct order_request q;
        struct order *o;
        struct refusal r = { 0 };
        if (order_request_decode(v, body, &q, &r) && venue_submit(v, a, &q, now, &o, NULL, &r))
            json_decref(order_json(v, o));
        else
            json_decref(refusal_json(&r));
        if (!venue_is_consistent(v))
            abort();
    }
    json_decref(body);
    venue_free(v);
    return 0;
}
