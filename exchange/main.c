/* bell-exchange: a paper exchange and broker that speaks Alpaca's protocol. Wiring only. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base.h"
#include "core/log.h"
#include "exchange/exchange.h"

#define S struct exchange_settings
static const char *const frame_names[] = { "binary", "text", NULL };
static const char *const fills_names[] = { "whole", "shown", "paper", NULL }; /* enum exchange_fills */
static const struct setting settings[] = {
    SETTING_OF_TEXT(S, host, .fallback = "127.0.0.1", .help = "Address to listen on."),
    SETTING_INT64(S, port, SETTING_COUNT, .fallback = "8081", .min = 0, .max = 65535,
                  .help = "Port of REST and streams; 0 takes a free one."),
    SETTING_OF_TEXT(S, bars, .fallback = "",
                    .help =
                        "Folder with bars-1min.csv (and quotes-1min.csv, bars-1day.csv) to replay; empty: a "
                        "synthetic market."),
    SETTING_OF_TEXT(
        S, from, .fallback = "",
        .help = "Where the replay starts: a date (04:00 New York) or an RFC 3339 time; empty: the first "
                "recorded day."),
    SETTING_OF_TEXT(S, speed, .fallback = "1",
                    .help =
                        "Market seconds per second of the world; lockstep (or max): as fast as the clients "
                        "acknowledge; real: the world's clock."),
    SETTING_OF_TEXT(S, state, .fallback = "",
                    .help = "Folder that keeps every account, order and position, for a restart to go on with; empty: they are gone "
                            "with the program."),
    SETTING_OF_TEXT(S, faults, .fallback = "",
                    .help = "File with what shall go wrong (exchange/faults.h), for tests of whatever trades here."),
    SETTING_OF_BOOL(S, allow_faults, .fallback = "false",
                    .help = "Whoever reaches this exchange may say what shall go wrong, by /v1/faults; on loopback only."),
    SETTING_INT64(S, seed, SETTING_COUNT, .fallback = "1", .min = 0, .max = INT64_MAX,
                  .help = "The synthetic market's seed."),
    SETTING_OF_SYMBOLS(S, symbols, .fallback = "[SPY, AIG, BAC, IBM]",
                       .help = "The synthetic market's symbols."),
    SETTING_INT64(S, cash, SETTING_MONEY, .fallback = "100000 USD", .min = 0,
                  .max = INT64_C(1000000000000) * USD, .help = "What a new account starts with."),
    SETTING_INT64(S, fee, SETTING_MONEY, .fallback = "0 USD", .min = 0, .max = 1000 * USD,
                  .help = "Fee for each share traded."),
    SETTING_INT64(S, slippage, SETTING_PERCENT, .fallback = "0 %", .min = 0, .max = 500000, .unit = "%",
                  .help = "How much worse than the market's price a market order trades."),
    SETTING_OF_ENUM(S, fills, .fallback = "whole", .names = fills_names,
                    .help = "How much of an order the market takes: whole, all of it; shown, no more than the quote or print shows "
                            "where it has a size; paper, as the broker's paper accounts: whole, but one fill in ten is partial, by chance "
                            "(seed)."),
    SETTING_OF_BOOL(S, participants, .fallback = "false",
                    .help = "There is no market but the accounts' own orders: they trade with each other, and the auctions clear at the "
                            "price that trades most. The bars give no more than the hours and the prices to begin with."),
    SETTING_INT64(S, rate_limit, SETTING_COUNT, .fallback = "0", .min = 0, .max = 1000000, .unit = "requests",
                  .help = "Requests a minute (the world's) an account may send, 429 beyond; the broker's is 200. 0: no limit, "
                          "as replays faster than the world need."),
    SETTING_INT64(S, data_connections, SETTING_COUNT, .fallback = "1", .min = 1, .max = 1000,
                  .help = "Market-data connections of an account at a time; one more is refused with 406."),
    SETTING_INT64(S, stream_symbols, SETTING_COUNT, .fallback = "0", .min = 0, .max = 2000,
                  .help = "Symbols of trades and quotes one connection may subscribe to, 405 beyond; the broker's free plan has 30. "
                          "0: no limit."),
    SETTING_OF_ENUM(S, stream_frames, .fallback = "binary", .names = frame_names,
                    .help = "Frames of /stream: binary, as of the broker's paper accounts, or text, as of live ones."),
    SETTING_OF_BOOL(S, verbose, .fallback = "false", .help = "Log each change of an order."),
};

static const struct program program = {
    .name = "bell-exchange",
    .summary = "A paper exchange and broker that speaks Alpaca's protocol.",
    .usage = "  bell-exchange                                         a synthetic market at its own pace\n"
             "  bell-exchange --bars DIR --from 2013-10-07 --speed 60 a recorded one, a minute a second\n",
    .settings = settings,
    .settings_count = COUNT_OF(settings),
};

int main(int argc, char **argv)
{
    static struct exchange x;
    struct err err;
    int status = program_settings(&program, argc, argv, &x.settings);
    if (status >= 0)
        return status;
    log_start("exchange", x.settings.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    uv_loop_init(&x.loop);
    bool started = exchange_start(&x, &err);
    if (!started) {
        fprintf(stderr, "bell-exchange: %s\n", err.text);
        faults_stop(&x);
    }
    uv_run(&x.loop, UV_RUN_DEFAULT);
    exchange_free(&x);
    uv_loop_close(&x.loop);
    if (started)
        log_info("stopped");
    return started ? 0 : 1;
}
