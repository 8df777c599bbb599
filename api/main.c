/* bell-api
 *
 *   main         waits for SIGTERM or SIGINT (blocked everywhere else), then stops the parts in order.
 *   writer       owns the writing connection and what is planned in the state (writer.h).
 *   connections  one thread each (ulfius): read the state under its lock, or wait for the writer's commit; those that ask the
 *                database borrow one of a few connections (db_pool).
 *
 * Start: database -> tables -> state from the database -> writer -> port. Stop: port -> requests under way ->
 * writer's queue -> end. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/load.h"
#include "api/routes.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"

enum { WAIT_MS = 5000, QUEUE_ROWS = 20000, STATEMENT_TIMEOUT_MS = 10000, SILENCE_MS = 30000, GRACE_MS = 10000 };

struct settings {
    char host[64];
    int64_t port;
    char database_host[64];
    int64_t database_port;
    char database_user[64];
    char password_file[512];
    char scratch[512];
    bool verbose;
};

static const struct setting table[] = {
    SETTING_OF_TEXT(struct settings, host, .fallback = "127.0.0.1", .help = "Address to listen on (IPv4)."),
    SETTING_INT64(struct settings, port, SETTING_COUNT, .min = 1, .max = 65535, .fallback = "8080",
                  .help = "Port to listen on."),
    SETTING_OF_TEXT(struct settings, database_host, .fallback = "127.0.0.1", .help = "Where QuestDB is."),
    SETTING_INT64(struct settings, database_port, SETTING_COUNT, .min = 1, .max = 65535, .fallback = "8812",
                  .help = "Its port for the PostgreSQL wire."),
    SETTING_OF_TEXT(struct settings, database_user, .fallback = "bell", .help = "Its user."),
    SETTING_OF_TEXT(struct settings, password_file, .fallback = "var/secrets/questdb", .secret = true,
                    .help = "File whose first line is the user's password."),
    SETTING_OF_TEXT(struct settings, scratch, .fallback = "/tmp",
                    .help = "Folder for exports and imports under way: as much as the record unpacked."),
    SETTING_OF_BOOL(struct settings, verbose, .fallback = "false", .help = "Log every detail."),
};

static const struct program program = {
    .name = "bell-api",
    .summary = "records what engine and streamer report, and answers what is known",
    .usage = "bell-api --port 8080 --database-port 8812 --password-file var/secrets/questdb",
    .settings = table,
    .settings_count = COUNT_OF(table),
};

static bool stop_asked(const sigset_t *signals, int64_t wait_ms)
{
    struct timespec wait = { .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000 };
    return sigtimedwait(signals, NULL, &wait) > 0;
}

/* Until the database is there and whole; false: told to stop before. */
static bool load(struct store *store, struct state *state, const sigset_t *signals)
{
    enum { RETRY_MS = 500, SAY_EVERY = 20 };
    struct err err;
    for (int tries = 0; !store_load(store, state, &err); tries++) {
        if (tries % SAY_EVERY == 0)
            log_warn("database_awaited", KV_TEXT("why", err.text));
        if (stop_asked(signals, RETRY_MS))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct settings settings;
    char password[256];
    struct err err;
    int signal_number, status = 1;
    struct server *server = NULL;
    struct api api = { .transfer = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 } };
    struct store store = { 0 };
    sigset_t signals;

    int leave = program_settings(&program, argc, argv, &settings);
    if (leave >= 0)
        return leave;
    log_start("api", settings.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (!secret_read(settings.password_file, password, sizeof password, &err)) {
        log_error("start_failed", KV_TEXT("why", err.text));
        return 2;
    }
    /* A connection's thread uses some 100 KiB a request: it shall not give it back to the kernel each time. */
    mallopt(M_TOP_PAD, 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    const struct db_options database = {
        .host = settings.database_host, .port = settings.database_port, .user = settings.database_user,
        .password = password, .statement_timeout_ms = STATEMENT_TIMEOUT_MS, .silence_ms = SILENCE_MS,
    };
    store.options = &database;
    store.state = api.state = state_new();
    api.readers = db_pool_new(&database);
    api.store = &store;
    api.database = &database;
    api.scratch = settings.scratch;
    if (!load(&store, api.state, &signals)) {
        status = 0;
        goto done;
    }
    api.writer = writer_start(&(struct writer_options){
        .state = api.state, .store = store_rows, .reload = store_reload, .ctx = &store, .wait_ms = WAIT_MS,
        .queue_rows_max = QUEUE_ROWS });
    server = server_start(&api, settings.host, (int)settings.port, &err);
    if (server) {
        log_info("listening", KV_TEXT("host", settings.host), KV_INT("port", settings.port));
        sigwait(&signals, &signal_number);
        log_info("stopping", KV_TEXT("signal", strsignal(signal_number)));
        server_stop(server);
        status = 0;
    } else {
        log_error("start_failed", KV_TEXT("why", err.text));
    }
    writer_stop(api.writer, GRACE_MS);
done:
    server_free(server);
    writer_free(api.writer);
    db_pool_free(api.readers);
    db_close(store.db);
    state_free(api.state);
    explicit_bzero(password, sizeof password);
    log_info("stopped", KV_INT("status", status));
    return status;
}
