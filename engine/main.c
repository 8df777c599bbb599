/* bell-engine - runs strategies. Settings and wiring only.
 *
 * Threads: main alone, one libuv loop: both streams (libwebsockets), REST (libcurl), the outbox, timers, signals;
 * every strategy call happens on it. fdatasync runs on a libuv worker, and what it makes durable waits for it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"
#include "engine/print.h"

#define S struct engine_settings
static const struct setting settings[] = {
    SETTING_OF_TEXT(S, rest_url, .fallback = "http://127.0.0.1:8081", .help = "The broker's REST API, without /v2."),
    SETTING_OF_TEXT(S, trades_url, .fallback = "ws://127.0.0.1:8082/stream", .help = "Order events: the relay, or the broker itself."),
    SETTING_OF_TEXT(S, data_url, .fallback = "ws://127.0.0.1:8082/v2/iex", .help = "Market data: the relay, or the broker itself."),
    SETTING_OF_TEXT(S, bars_url, .fallback = "", .help = "REST of past bars (https://data.alpaca.markets); empty: as rest_url."),
    SETTING_OF_TEXT(S, api_url, .fallback = "http://127.0.0.1:8080", .help = "Where the record is kept: bell-api."),
    SETTING_OF_TEXT(S, key_file, .fallback = "var/secrets/key", .secret = true, .help = "The account's key."),
    SETTING_OF_TEXT(S, secret_file, .fallback = "var/secrets/secret", .secret = true, .help = "The account's secret."),
    SETTING_OF_TEXT(S, strategies, .fallback = "config/strategies", .help = "Folder of instances: NAME.yaml each."),
    SETTING_OF_TEXT(S, plugins, .fallback = "", .help = "Folder of strategies' .so files; empty: ../strategies beside the program."),
    SETTING_OF_TEXT(S, state, .fallback = "var/engine", .help = "Folder of the journal and of what the API has not taken yet."),
    SETTING_INT64(S, flatten_deadline, SETTING_DURATION, .min = SECOND_NS, .max = HOUR_NS, .fallback = "90s",
                  .help = "How long getting flat may take after SIGTERM."),
    SETTING_INT64(S, outbox_wait, SETTING_DURATION, .min = 0, .max = HOUR_NS, .fallback = "10s",
                  .help = "How long to wait at the end for the API to take the rest."),
    SETTING_INT64(S, metrics_port, SETTING_COUNT, .min = 0, .max = 65535, .fallback = "0",
                  .help = "Port of /metrics (Prometheus); 0: none."),
    SETTING_OF_TEXT(S, metrics_host, .fallback = "127.0.0.1", .help = "Address /metrics listens on."),
    SETTING_OF_BOOL(S, live, .fallback = "false", .help = "Allow a broker where money is real."),
    SETTING_OF_BOOL(S, again, .fallback = "true",
                    .help = "When the sessions of all instances are over, a new start begins anew; otherwise each rests until it is edited."),
    SETTING_OF_BOOL(S, flatten, .fallback = "false", .help = "Cancel and close everything of ours, then end."),
    SETTING_OF_BOOL(S, verbose, .fallback = "false", .help = "Log duties and other details."),
};

static const struct program program = {
    .name = "bell-engine",
    .summary = "Runs strategies at a broker that speaks Alpaca's protocol.",
    .usage = "  bell-engine                               the instances of config/strategies on the local exchange\n"
             "  bell-engine --check-config                settings and all instances; nothing is started\n"
             "  bell-engine --check-strategy FILE.so      is this a plugin this engine can run?\n"
             "  bell-engine --print-config STRATEGY       an instance's file with every default and its help\n"
             "  bell-engine --print-strategies            instances' files and all strategies, as Markdown\n"
             "  bell-engine --print-schema                JSON Schema of instances' files\n"
             "  bell-engine --flatten                     cancel and close everything of ours, then end\n"
             "\n"
             "Ends with 0 flat, 3 not flat (what is left is on stdout), 4 market closed, exits queued for the next\n"
             "open, 2 bad settings or configuration, 1 anything else.\n",
    .settings = settings,
    .settings_count = COUNT_OF(settings),
};

static int check_strategy(const char *path)
{
    struct err err;
    const struct plugin *p = plugin_open(path, &err);
    if (!p) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    printf("%s: %s (%zu parameters, %zu duties, ABI %u)\n", p->descriptor->name, p->descriptor->summary,
           p->descriptor->params_count, p->descriptor->duties_count, p->descriptor->abi);
    return 0;
}

static int print(enum print what, const char *folder, const char *name)
{
    struct err err;
    if (print_strategies(stdout, what, folder, name, &err))
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 2;
}

/* Takes a word (and its value) out of argv; NULL: it was not there. */
static const char *take_flag(int *argc, char **argv, const char *flag, bool has_value)
{
    size_t length = strlen(flag);
    for (int i = 1; i < *argc; i++) {
        bool joined = has_value && strncmp(argv[i], flag, length) == 0 && argv[i][length] == '=';
        if (strcmp(argv[i], flag) != 0 && !joined)
            continue;
        int words = has_value && !joined && i + 1 < *argc ? 2 : 1;
        const char *value = joined ? argv[i] + length + 1 : words == 2 ? argv[i + 1] : "";
        memmove(&argv[i], &argv[i + words], (size_t)(*argc - i - words + 1) * sizeof *argv);
        *argc -= words;
        return value;
    }
    return NULL;
}

/* "--print-config NAME" is ours, alone it is the program's. */
static const char *take_print_config(int *argc, char **argv)
{
    for (int i = 1; i + 1 < *argc; i++)
        if (strcmp(argv[i], "--print-config") == 0 && argv[i + 1][0] != '-')
            return take_flag(argc, argv, "--print-config", true);
    return NULL;
}

static bool allowed(struct engine *e, struct err *err)
{
    const char *urls[] = { e->settings.rest_url, e->settings.trades_url, e->settings.data_url };
    for (size_t i = 0; i < COUNT_OF(urls); i++)
        if (!alpaca_url_is_allowed(urls[i], e->key, e->settings.live, err))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    static struct engine e;
    struct complaints *complaints = &e.complaints;
    struct err err;

    bool check = take_flag(&argc, argv, "--check-config", false) != NULL;
    const char *strategy = take_flag(&argc, argv, "--check-strategy", true);
    const char *config = take_print_config(&argc, argv);
    bool all = take_flag(&argc, argv, "--print-strategies", false) != NULL;
    bool schema = take_flag(&argc, argv, "--print-schema", false) != NULL;
    int status = program_settings(&program, argc, argv, &e.settings);
    if (status >= 0)
        return status;
    if (!e.settings.plugins[0])
        plugins_folder(e.settings.plugins, sizeof e.settings.plugins);
    if (strategy)
        return check_strategy(strategy);
    if (config || all || schema)
        return print(config ? PRINT_INSTANCE : all ? PRINT_MARKDOWN : PRINT_SCHEMA, e.settings.plugins, config);

    instances_read_all(e.settings.strategies, e.settings.plugins, &e.list, complaints);
    for (size_t i = 0; i < e.list.count; i++)
        if (!e.list.items[i].is_wrong)
            edit_check_start(&e.list.items[i], complaints);
    if (check && complaints->count) {
        fputs(complaints->text, stderr);
        instances_free(&e.list);
        return 2;
    }
    if (check) {
        printf("%zu instance%s, no mistakes\n", e.list.count, e.list.count == 1 ? "" : "s");
        instances_free(&e.list);
        return 0;
    }
    if (!secret_read(e.settings.key_file, e.key, sizeof e.key, &err) ||
        !secret_read(e.settings.secret_file, e.secret, sizeof e.secret, &err) || !allowed(&e, &err)) {
        fprintf(stderr, "%sbell-engine: %s\n", complaints->text, err.text);
        instances_free(&e.list);
        return 2;
    }
    log_start("engine", e.settings.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&e.loop);
    status = engine_start(&e);
    if (status == 0) {
        uv_run(&e.loop, UV_RUN_DEFAULT);
        status = e.exit_code;
        log_info("stopped", KV_INT("exit_code", status), KV_INT("outbox_pending", outbox_pending(e.outbox)));
    }
    engine_clear(&e);
    uv_loop_close(&e.loop);
    return status;
}
