/* Any bytes as records of the engine's journal: refused or understood, and what was understood restores a runner whose
 * net position is the sum of its books. Records are separated by newlines. */
#include "engine/ledger.c"

#include <assert.h>

static void on_open(void *state, const struct strategy_host *host)
{
    (void)state;
    (void)host;
}
static const struct strategy_plugin plugin = { .abi = STRATEGY_ABI, .size = sizeof plugin, .name = "p", .summary = "x",
                                               .state_size = 16, .on_session_open = on_open };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct instance_config config = { .name = "a", .strategy = &plugin, .capital = USD, .quantity = 1, .days = 5 };
    struct ledger *l = must_alloc(1, sizeof *l);
    struct err err;
    config.symbols.count = 1;
    text_copy(config.symbols.names[0], SYMBOL_SIZE, "SPY");
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        read_record(l, data + at, length);
        at += length + 1;
    }
    struct runner *r = runner_new(calendar_ns(20131007, 12 * 3600), 0);
    if (r && runner_add(r, &config, &err) == 0 && !l->failed[0]) {
        ledger_restore(l, r, 0, "p", true);
        runner_start(r);
        assert(runner_book(r, 0, 0)->qty == runner_net(r, 0));
    }
    runner_free(r);
    ledger_close(l);
    return 0;
}
