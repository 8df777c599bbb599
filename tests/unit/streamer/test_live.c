/* bell-streamer between a real bell-exchange in lockstep, engines made of lib/alpaca, and an API of the test's
 * own that remembers what it was given. Processes are killed and started again; nothing sleeps, everything
 * waits for what must come. BIN is the folder of the programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alpaca/rest.h"
#include "alpaca/stream.h"
#include "core/base.h"
#include "http/server.h"

enum { PATIENCE_MS = 180000, ENGINES_MAX = 2, ORDER_EVERY = 40 };

struct engine {
    struct world *world;
    struct alpaca_stream *trades, *data;
    int64_t tick, marker, acked, ticks, updates, bars, updates_since_marker, late_updates;
    bool mute;             /* does not acknowledge */
    bool down;             /* a stream is lost */
    struct alpaca_tick newest;
};

struct world {
    uv_loop_t loop;
    uv_timer_t patience;
    struct http_server *api;
    struct alpaca_rest *rest;
    struct engine engines[ENGINES_MAX];
    int engine_count;
    int exchange_port, relay_port;
    pid_t exchange, streamer;
    char folder[64];
    json_t *executions;    /* what the API holds, by execution id */
    json_t *bars;          /* by symbol and time */
    int events, requests_refused;
    bool api_away, late;
    /* the trader */
    int orders_sent, orders_answered;
    int64_t fills;
    json_t *activities;
    bool (*wanted)(struct world *w);
};

/* ---- waiting */

static void look(struct world *w)
{
    if (w->wanted && w->wanted(w))
        uv_stop(&w->loop);
}

static void on_patience(uv_timer_t *t)
{
    struct world *w = t->data;

    w->late = true;
    uv_stop(&w->loop);
}

static void wait_for(struct world *w, const char *what, bool (*wanted)(struct world *w))
{
    w->wanted = wanted;
    w->late = false;
    uv_timer_start(&w->patience, on_patience, PATIENCE_MS, 0);
    while (!wanted(w) && !w->late)
        uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&w->patience);
    w->wanted = NULL;
    if (w->late)
        fail_msg("waited for %s: tick %lld acked %lld, %d orders, %lld fills, %zu executions at the API", what,
                 (long long)w->engines[0].tick, (long long)w->engines[0].acked, w->orders_sent,
                 (long long)w->fills, json_object_size(w->executions));
}

/* ---- the API */

static void take_item(struct world *w, const char *path, const json_t *item)
{
    const char *execution = json_string_value(json_object_get(item, "execution_id"));
    char key[120];

    if (strstr(path, "bars")) {
        snprintf(key, sizeof key, "%s %s", json_string_value(json_object_get(item, "symbol")),
                 json_string_value(json_object_get(item, "timestamp")));
        json_object_set(w->bars, key, (json_t *)(uintptr_t)item);
        return;
    }
    w->events++;
    if (json_object_get(item, "fill_price") && execution)
        json_object_set(w->executions, execution, (json_t *)(uintptr_t)item);
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct world *w = ctx;
    json_t *j = json_loadb(req->body, req->body_size, 0, NULL), *items = json_object_get(j, "items"), *item;
    size_t i;

    res->status = w->api_away ? 503 : 200;
    res->body = must_strdup("{\"accepted\":1,\"duplicates\":0}");
    res->body_size = strlen(res->body);
    if (w->api_away)
        w->requests_refused++;
    else if (items)
        json_array_foreach(items, i, item)
            take_item(w, req->path, item);
    else
        take_item(w, req->path, j);
    json_decref(j);
    look(w);
}

/* ---- programs */

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static pid_t run(const char *const *argv)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
        if (!getenv("LOUD") && !freopen("/dev/null", "w", stderr))
            _exit(126);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static int end(pid_t pid, int sig)
{
    int status = 0;

    kill(pid, sig);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void start_exchange(struct world *w)
{
    char port[12];
    const char *argv[] = { BIN "/bell-exchange", "--port", port, "--speed", "lockstep", "--symbols", "[SPY, IBM]",
                           "--fee", "0.01", NULL };

    snprintf(port, sizeof port, "%d", w->exchange_port);
    w->exchange = run(argv);
}

static void start_streamer(struct world *w)
{
    char rest[80], trades[80], data[80], api[80], port[12], key[96], secret[96];
    const char *argv[] = { BIN "/bell-streamer", "--rest-url", rest, "--trades-url", trades, "--data-url", data,
                           "--api-url", api, "--port", port, "--state", w->folder, "--key-file", key,
                           "--secret-file", secret, "--bars", "IBM", NULL };

    snprintf(rest, sizeof rest, "http://127.0.0.1:%d", w->exchange_port);
    snprintf(trades, sizeof trades, "ws://127.0.0.1:%d/stream", w->exchange_port);
    snprintf(data, sizeof data, "ws://127.0.0.1:%d/v2/iex", w->exchange_port);
    snprintf(api, sizeof api, "http://127.0.0.1:%d", http_server_port(w->api));
    snprintf(port, sizeof port, "%d", w->relay_port);
    snprintf(key, sizeof key, "%s/key", w->folder);
    snprintf(secret, sizeof secret, "%s/secret", w->folder);
    w->streamer = run(argv);
}

/* ---- engines */

static void on_order(void *ctx, const struct alpaca_reply *reply);
static bool is_up(struct world *w);

/* Every few ticks the first engine buys or sells, and acknowledges only when the reply is there. */
static void acknowledge(struct engine *e)
{
    struct world *w = e->world;
    bool trades = e == &w->engines[0] && e->tick % ORDER_EVERY == 0 && e->tick > e->acked;
    char body[200];

    if (e->tick != e->marker || e->mute || e->acked >= e->tick || !is_up(w)) /* the first waits for the second */
        return;
    if (!trades) {
        e->acked = e->tick;
        alpaca_stream_ack(e->data, e->tick, e->newest.time_ns + MINUTE_NS);
        return;
    }
    e->acked = e->tick; /* sent from on_order */
    /* Of one side: the other would be refused while one is open (wash trade). */
    snprintf(body, sizeof body, "{\"symbol\":\"SPY\",\"qty\":\"1\",\"side\":\"buy\",\"type\":\"market\","
                                "\"time_in_force\":\"day\",\"client_order_id\":\"bell.test.20131007.%d\"}",
             w->orders_sent + 1);
    w->orders_sent++;
    alpaca_rest_call(w->rest, "POST", "/v2/orders", body, on_order, e);
}

static void on_order(void *ctx, const struct alpaca_reply *reply)
{
    struct engine *e = ctx;

    if (reply->status != 200 && reply->status != 0) /* 0: the exchange was killed */
        fail_msg("order: %ld %s", reply->status, reply->text);
    e->world->orders_answered++;
    alpaca_stream_ack(e->data, e->acked, e->newest.time_ns + MINUTE_NS);
    look(e->world);
}

static void on_update(void *ctx, const struct alpaca_trade_update *u, const char *raw, size_t size)
{
    struct engine *e = ctx;

    (void)raw, (void)size;
    e->updates++;
    e->updates_since_marker++;
    if (e == &e->world->engines[0] && alpaca_event_is_fill(u->event))
        e->world->fills++;
    look(e->world);
}

static void on_marker(void *ctx, int64_t n)
{
    struct engine *e = ctx;

    e->marker = n;
    acknowledge(e);
    look(e->world);
}

static void on_message(void *ctx, const struct alpaca_message *m)
{
    struct engine *e = ctx;

    e->bars += m->kind == ALPACA_MESSAGE_BAR;
    if (m->kind == ALPACA_MESSAGE_BAR && strcmp(m->symbol, "SPY") != 0)
        fail_msg("%s was not asked for", m->symbol);
    if (m->kind == ALPACA_MESSAGE_TICK) {
        e->ticks++;
        e->newest = m->tick;
        e->tick = m->tick.n;
        acknowledge(e);
    }
    look(e->world);
}

static void on_ready(void *ctx)
{
    struct world *w = ((struct engine *)ctx)->world;

    ((struct engine *)ctx)->down = false;
    for (int i = 0; i < w->engine_count; i++)
        if (w->engines[i].data)
            acknowledge(&w->engines[i]);
    look(w);
}

static void on_down(void *ctx, const char *why, bool gone)
{
    struct engine *e = ctx;

    (void)why;
    assert_false(gone);
    e->down = true;
    if (e->trades && !alpaca_stream_is_ready(e->trades)) /* each is told its newest again when it is back */
        e->marker = 0;
    if (e->data && !alpaca_stream_is_ready(e->data))
        e->tick = e->acked = 0;
    look(e->world);
}

static struct engine *start_engine(struct world *w)
{
    static const char spy[][SYMBOL_SIZE] = { "SPY" };
    struct engine *e = &w->engines[w->engine_count++];
    char url[80];
    struct alpaca_stream_options options = { .url = url, .key = "demo", .secret = "demo", .lockstep = true, .ctx = e,
                                             .on_ready = on_ready, .on_down = on_down, .on_update = on_update,
                                             .on_marker = on_marker, .on_message = on_message };

    *e = (struct engine){ .world = w, .down = true };
    options.kind = ALPACA_STREAM_TRADES;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/stream", w->relay_port);
    e->trades = alpaca_stream_new(&w->loop, &options);
    options.kind = ALPACA_STREAM_DATA;
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/v2/iex", w->relay_port);
    e->data = alpaca_stream_new(&w->loop, &options);
    alpaca_stream_subscribe(e->data, spy, 1, NULL, 0);
    return e;
}

static void stop_engine(struct engine *e)
{
    alpaca_stream_free(e->trades);
    alpaca_stream_free(e->data);
    e->trades = e->data = NULL;
}

/* ---- the world */

static void write_secret(const struct world *w, const char *name)
{
    char path[96];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("demo\n", f);
    fclose(f);
    chmod(path, 0600);
}

static void set_up(struct world *w)
{
    struct http_server_options api = { .host = "127.0.0.1", .ctx = w, .on_request = on_request };
    char url[80];
    struct alpaca_rest_options rest = { .url = url, .key = "demo", .secret = "demo" };
    struct err err;

    *w = (struct world){ .late = false };
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->patience);
    w->patience.data = w;
    w->executions = json_object();
    w->bars = json_object();
    strcpy(w->folder, "/tmp/test-streamer-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    write_secret(w, "key");
    write_secret(w, "secret");
    w->exchange_port = free_port();
    w->relay_port = free_port();
    w->api = http_server_new(&w->loop, &api, &err);
    assert_non_null(w->api);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", w->exchange_port);
    w->rest = alpaca_rest_new(&w->loop, &rest);
    start_streamer(w); /* before the exchange is there: it waits */
    start_exchange(w);
}

static void tear_down(struct world *w)
{
    char command[100];

    for (int i = 0; i < w->engine_count; i++)
        if (w->engines[i].data)
            stop_engine(&w->engines[i]);
    alpaca_rest_free(w->rest);
    http_server_stop(w->api);
    uv_close((uv_handle_t *)&w->patience, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    http_server_free(w->api);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(end(w->streamer, SIGTERM), 0);
    end(w->exchange, SIGTERM);
    json_decref(w->executions);
    json_decref(w->bars);
    snprintf(command, sizeof command, "rm -rf %s", w->folder);
    assert_int_equal(system(command), 0);
}

/* ---- what is waited for */

static int64_t goal;

static bool reached_tick(struct world *w)
{
    return w->engines[0].tick >= goal && w->orders_answered == w->orders_sent;
}

static bool is_up(struct world *w)
{
    for (int i = 0; i < w->engine_count; i++)
        if (w->engines[i].data && (w->engines[i].down || !alpaca_stream_is_ready(w->engines[i].data)))
            return false;
    return true;
}

static bool is_down(struct world *w)
{
    return w->engines[0].down;
}

static bool all_recorded(struct world *w)
{
    return json_object_size(w->executions) >= json_array_size(w->activities);
}

static bool have_activities(struct world *w)
{
    return w->activities != NULL;
}

static void on_activities(void *ctx, const struct alpaca_reply *reply)
{
    struct world *w = ctx;

    w->activities = json_incref(reply->body);
    look(w);
}

/* Every execution of the exchange is at the API, once, at its price. */
static void check_record(struct world *w)
{
    const json_t *activity;
    size_t i;

    alpaca_rest_call(w->rest, "GET", "/v2/account/activities/FILL?direction=asc", NULL, on_activities, w);
    wait_for(w, "the exchange's activities", have_activities);
    assert_true(json_array_size(w->activities) > 2);
    wait_for(w, "the fills at the API", all_recorded);
    assert_int_equal(json_object_size(w->executions), json_array_size(w->activities));
    json_array_foreach(w->activities, i, activity) {
        const char *id = strstr(json_string_value(json_object_get(activity, "id")), "::") + 2;
        const json_t *row = json_object_get(w->executions, id);
        assert_non_null(row);
        assert_string_equal(json_string_value(json_object_get(row, "fill_price")),
                            json_string_value(json_object_get(activity, "price")));
        assert_string_equal(json_string_value(json_object_get(row, "fee")),
                            json_string_value(json_object_get(activity, "fee")));
        assert_true(strlen(json_string_value(json_object_get(row, "raw"))) > 100);
    }
    json_decref(w->activities);
    w->activities = NULL;
}

static void fills_and_bars_reach_the_api_and_two_engines_keep_step(void **state)
{
    struct world w;
    uint64_t start;

    (void)state;
    set_up(&w);
    start_engine(&w);
    start_engine(&w);
    wait_for(&w, "the engines to be connected", is_up);
    start = uv_hrtime();
    goal = 1200;
    wait_for(&w, "ticks", reached_tick);
    print_message("%.0f ticks/s with two engines\n", 1200.0 * 1e9 / (double)(uv_hrtime() - start));
    assert_true(w.engines[0].bars > 100 && w.engines[1].bars > 100);
    assert_true(w.engines[1].updates > 0);
    check_record(&w);
    assert_true(json_object_size(w.bars) > 200); /* SPY, which engines asked for, and IBM, always */
    tear_down(&w);
}

static bool is_mute_at_goal(struct world *w)
{
    return w->engines[0].marker >= goal && w->engines[0].tick >= goal;
}

static void nothing_is_lost_when_the_streamer_is_killed(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    start_engine(&w);
    wait_for(&w, "the engine to be connected", is_up);
    for (int round = 1; round <= 3; round++) {
        goal = 400 * round;
        wait_for(&w, "ticks", reached_tick);
        end(w.streamer, SIGKILL);
        wait_for(&w, "the engine to notice", is_down);
        start_streamer(&w);
        wait_for(&w, "the streamer to be back", is_up);
    }
    goal = 1600;
    wait_for(&w, "ticks after the last kill", reached_tick);
    check_record(&w);
    tear_down(&w);
}

static void the_clock_waits_for_an_engine_that_is_slow(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    start_engine(&w);
    start_engine(&w);
    wait_for(&w, "the engines to be connected", is_up);
    goal = 50;
    wait_for(&w, "ticks", reached_tick);
    w.engines[1].mute = true;
    goal = w.engines[1].acked + 1; /* it is sent one more, and no further one */
    wait_for(&w, "the tick the mute one holds", is_mute_at_goal);
    stop_engine(&w.engines[1]); /* says goodbye: no longer waited for */
    goal += 200;
    wait_for(&w, "ticks without it", reached_tick);
    tear_down(&w);
}

static bool was_refused(struct world *w)
{
    return w->requests_refused > 0 && w->engines[0].tick >= goal;
}

static void the_api_may_be_away(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    w.api_away = true;
    start_engine(&w);
    wait_for(&w, "the engine to be connected", is_up);
    goal = 800;
    wait_for(&w, "ticks while the API is away", was_refused);
    wait_for(&w, "replies", reached_tick);
    assert_int_equal(json_object_size(w.executions), 0);
    assert_int_equal(end(w.streamer, SIGKILL), -1);
    start_streamer(&w);
    w.api_away = false;
    wait_for(&w, "the engine to be back", is_up);
    check_record(&w);
    tear_down(&w);
}

static bool have_fills(struct world *w)
{
    return w->fills > 3 && w->orders_answered == w->orders_sent;
}

/* The broker is gone and comes back as another one, with other accounts and its ticks from 1. */
static void another_exchange_may_take_the_place_of_a_lost_one(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    start_engine(&w);
    wait_for(&w, "the engine to be connected", is_up);
    wait_for(&w, "fills", have_fills);
    check_record(&w);
    end(w.exchange, SIGKILL);
    wait_for(&w, "the engine to notice", is_down);
    w.orders_sent = w.orders_answered = 0;
    w.fills = 0;
    json_object_clear(w.executions);
    start_exchange(&w);
    wait_for(&w, "the engine to be back", is_up);
    wait_for(&w, "fills of the other exchange", have_fills);
    check_record(&w);
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_bars_reach_the_api_and_two_engines_keep_step),
        cmocka_unit_test(nothing_is_lost_when_the_streamer_is_killed),
        cmocka_unit_test(the_clock_waits_for_an_engine_that_is_slow),
        cmocka_unit_test(the_api_may_be_away),
        cmocka_unit_test(another_exchange_may_take_the_place_of_a_lost_one),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
