/* Any JSON as an element of a market data frame, a bar or a clock: taken or refused with a sentence. */
#include <assert.h>

#include "alpaca/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *j = json_loadb((const char *)data, size, 0, NULL);
    struct alpaca_message m, again;
    struct alpaca_clock clock;
    struct bar bar;
    struct err err = { ERR_NONE, "" };

    if (!alpaca_message_decode(j, &m, &err))
        assert(err.text[0]);
    else if (m.kind == ALPACA_MESSAGE_BAR && m.bar.open_time_ns > 0) { /* what is taken can be told again */
        json_t *bar_json = alpaca_stream_bar_encode(m.symbol, &m.bar);
        assert(alpaca_message_decode(bar_json, &again, &err));
        json_decref(bar_json);
    }
    alpaca_bar_decode(j, &bar, &err);
    alpaca_clock_decode(j, &clock, &err);
    json_decref(j);
    return 0;
}
