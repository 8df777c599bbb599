/* Bodies of POST and PATCH /v2/orders and of configurations: an order or a refusal; then a market that moves both ways, a
 * close and a night. The books add up after each. */
#include <stdlib.h>

#include "core/json.h"
#include "exchange/customer.h"
#include "exchange/objects.h"
#include "exchange/requests.h"

static void move(struct venue *v, int64_t now, int64_t price)
{
    const struct symbol_quote quote = { 0, { now, { price - 10000 }, { price + 10000 }, 7, 7 } };
    const struct symbol_bar bar = { .bar = { now - MINUTE_NS, { price }, { price + USD }, { price - USD }, { price }, 100 } };
    const struct instant in = { .time_ns = now, .quotes = &quote, .quotes_count = 1, .ended = &bar, .ended_count = 1 };
    venue_instant(v, &in);
    if (!venue_is_consistent(v))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char symbols[][SYMBOL_SIZE] = { "SPY", "IBM" };
    static const uint64_t bits[2] = { 1, 2 };
    const struct venue_options options = { .cash_micros = 100000 * USD, .respects_size = size % 2 };
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
        struct replace_request replace;
        bool ok = order_request_decode(v, body, &q, &r) && venue_submit(v, a, &q, now, &o, NULL, &r);
        if (ok)
            json_decref(order_json(v, o, FORM_NESTED));
        if (ok && replace_request_decode(body, &replace, &r) && venue_replace(v, o, &replace, now, &o, NULL, &r))
            json_decref(order_json(v, o, FORM_FLAT));
        if (r.message[0])
            json_decref(refusal_json(&r));
        if (!venue_is_consistent(v))
            abort();
    }
    struct configurations c = { 0 };
    struct refusal r;
    json_decref(configurations_patch(&c, body, &r) ? configurations_json(&c) : refusal_json(&r));
    json_decref(body);
    move(v, now + 2 * MINUTE_NS, 104 * USD);
    move(v, now + 3 * MINUTE_NS, 96 * USD);
    move(v, now + 6 * HOUR_NS, 101 * USD);
    move(v, now + 20 * HOUR_NS, 99 * USD);
    move(v, now + 24 * HOUR_NS, 101 * USD);
    venue_free(v);
    return 0;
}
