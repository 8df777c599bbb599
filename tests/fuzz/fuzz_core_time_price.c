/* Any bytes as a price, a time, a date, a session time, an order id: what is read is written and
 * read the same. */
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "market/calendar.h"
#include "market/client_order_id.h"
#include "market/price.h"

static void try_price(const char *text, size_t size)
{
    struct price p, again;
    char out[PRICE_TEXT_MAX];
    if (!price_parse(text, size, &p))
        return;
    assert(price_is_set(p));
    int len = price_format(p, out);
    assert(price_parse(out, (size_t)len, &again) && again.micros == p.micros);
}

static void try_time(const char *text, size_t size)
{
    int64_t t, again;
    char out[TIME_TEXT_SIZE];
    if (!time_parse(text, size, &t))
        return;
    int len = time_format(t, out);
    assert(len < TIME_TEXT_SIZE && time_parse(out, (size_t)len, &again) && again == t);
    len = time_format_us(t, out);
    assert(len < TIME_TEXT_SIZE && time_parse(out, (size_t)len, &again) && again <= t &&
           t - again < 1000);
}

static void try_session_time(const char *text, size_t size)
{
    struct session_time t, again;
    char out[SESSION_TIME_TEXT_SIZE];
    if (!session_time_parse(text, size, &t))
        return;
    session_time_format(t, out);
    assert(session_time_parse(out, strlen(out), &again) && again.anchor == t.anchor &&
           again.offset_ns == t.offset_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of the exact size: reading beyond the end is seen. */
    char *text = malloc(size + 1);
    assert(text);
    char *exact = malloc(size ? size : 1);
    assert(exact);
    memcpy(exact, data, size);
    memcpy(text, data, size);
    text[size] = '\0';
    int32_t date;
    try_price(exact, size);
    try_time(exact, size);
    try_session_time(exact, size);
    if (calendar_date_parse(exact, size, &date)) {
        char out[DATE_TEXT_SIZE];
        struct session s;
        calendar_date_format(date, out);
        assert(memcmp(out, data, size) == 0);
        calendar_session(date, &s);
    }
    if (size >= sizeof(int64_t)) {
        int64_t t;
        struct session s;
        memcpy(&t, data, sizeof t);
        if (calendar_session_at(t, &s))
            assert(s.close_ns > t);
    }
    struct client_order_id id;
    if (client_order_id_parse(text, &id)) {
        char out[CLIENT_ORDER_ID_SIZE];
        client_order_id_format(&id, out);
        assert(strcmp(out, text) == 0);
    }
    free(exact);
    free(text);
    return 0;
}
