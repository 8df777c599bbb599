/* Both clients against a small broker of the test's own, on the same loop, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/rest.h"
#include "alpaca/stream.h"
#include "core/base.h"
#include "http/server.h"

enum { PATIENCE_MS = 8000 };

struct world {
    uv_loop_t loop;
    uv_timer_t patience;
    struct http_server *server;
    struct http_socket *socket; /* the newest */
    struct alpaca_stream *stream;
    struct alpaca_rest *rest;
    const char *wait_for;       /* the loop stops when this is in the log */
    bool late, refuse_key, other_session;
    char url[80], log[8192];
    size_t length;
};

static void note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct world *w, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    w->length += (size_t)vsnprintf(w->log + w->length, sizeof w->log - w->length, fmt, args);
    va_end(args);
    assert_true(w->length < sizeof w->log - 1);
    if (w->wait_for && strstr(w->log, w->wait_for))
        uv_stop(&w->loop);
}

static void on_patience(uv_timer_t *t)
{
    struct world *w = t->data;

    w->late = true;
    uv_stop(&w->loop);
}

static void run_until(struct world *w, const char *text)
{
    w->wait_for = text;
    uv_timer_start(&w->patience, on_patience, PATIENCE_MS, 0);
    while (!strstr(w->log, text) && !w->late)
        uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&w->patience);
    if (w->late)
        fail_msg("waited for %s in: %s", text, w->log);
}

static void forget(struct world *w)
{
    w->length = 0;
    w->log[0] = '\0';
}

/* ---- the broker */

static void say(struct http_socket *s, const char *text)
{
    http_socket_send(s, text, strlen(text), true); /* JSON in binary frames, as paper does */
}

static bool on_open(void *ctx, struct http_socket *s, const char *path, const char *content_type)
{
    struct world *w = ctx;

    (void)content_type;
    w->socket = s;
    note(w, "open %s;", path);
    if (!strcmp(path, "/v2/iex"))
        say(s, "[{\"T\":\"success\",\"msg\":\"connected\",\"lockstep\":true}]");
    return true;
}

static void on_message(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary)
{
    static const struct { const char *part, *answer; } answers[] = {
        { "\"action\":\"auth\"", "[{\"T\":\"success\",\"msg\":\"authenticated\"}]" },
        { "\"subscribe\"", "[{\"T\":\"subscription\",\"bars\":[]}]" },
        { "\"unsubscribe\"", "[{\"T\":\"subscription\",\"bars\":[]}]" },
        { "\"authenticate\"", "{\"stream\":\"authorization\",\"data\":{\"status\":\"authorized\","
                              "\"action\":\"authenticate\"}}" },
        { "\"listen\"", "{\"stream\":\"listening\",\"data\":{\"streams\":[\"trade_updates\"]}}" },
    };
    struct world *w = ctx;
    char text[400];

    (void)binary;
    snprintf(text, sizeof text, "%.*s", (int)size, data);
    note(w, "got %s;", text);
    if (w->refuse_key && strstr(text, "\"auth\"")) {
        say(s, "[{\"T\":\"error\",\"code\":402,\"msg\":\"auth failed\"}]");
        return;
    }
    if (w->other_session && strstr(text, "\"auth\"")) {
        w->other_session = false;
        say(s, "[{\"T\":\"error\",\"code\":406,\"msg\":\"connection limit exceeded\"}]");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (strstr(text, answers[i].part))
            say(s, answers[i].answer);
}

static void on_close(void *ctx, struct http_socket *s, bool orderly)
{
    struct world *w = ctx;

    if (w->socket == s)
        w->socket = NULL;
    note(w, "closed %s;", orderly ? "orderly" : "cut");
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct world *w = ctx;
    const char *key = http_header(req, "APCA-API-KEY-ID"), *q = http_query(req, "q");

    note(w, "%s %s q=%s %s %s;", req->method, req->path, q ? q : "-", key, req->body);
    http_response_header(res, "X-Request-ID", "r-17");
    res->status = 200;
    if (!strcmp(req->path, "/busy")) {
        res->status = 429;
        http_response_header(res, "Retry-After", "7");
        res->body = must_strdup("{\"code\":42910000,\"message\":\"rate limit exceeded\"}");
    } else if (!strcmp(req->path, "/html")) {
        res->status = 502;
        res->body = must_strdup("<html>");
    } else {
        res->body = must_strdup("[1]");
    }
    res->body_size = strlen(res->body);
}

static void set_up(struct world *w)
{
    static const char *const paths[] = { "/stream", "/v2/iex", NULL };
    struct http_server_options options = { .host = "127.0.0.1", .socket_paths = paths, .ctx = w,
                                           .on_request = on_request, .on_open = on_open,
                                           .on_message = on_message, .on_close = on_close };
    struct err err;

    *w = (struct world){ .late = false };
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->patience);
    w->patience.data = w;
    w->server = http_server_new(&w->loop, &options, &err);
    if (!w->server)
        fail_msg("%s", err.text);
}

/* Everything must be closed by running the loop until it is empty, and nothing left. */
static void tear_down(struct world *w)
{
    alpaca_stream_free(w->stream);
    alpaca_rest_free(w->rest);
    w->wait_for = NULL;
    if (w->server)
        http_server_stop(w->server);
    uv_close((uv_handle_t *)&w->patience, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    http_server_free(w->server);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

/* ---- the streams */

static void on_ready(void *ctx)
{
    note(ctx, "ready;");
}

static void on_down(void *ctx, const char *why, bool gone)
{
    note(ctx, "down %s %s;", why, gone ? "gone" : "again");
}

static void on_update(void *ctx, const struct alpaca_trade_update *u, const char *raw, size_t size)
{
    note(ctx, "update %s %d %zu;", u->order.symbol, (int)u->event, size);
    assert_int_equal(strlen(raw), size);
}

static void on_marker(void *ctx, int64_t n)
{
    note(ctx, "marker %lld;", (long long)n);
}

static void on_data(void *ctx, const struct alpaca_message *m)
{
    note(ctx, "data %d %s %lld;", (int)m->kind, m->symbol, (long long)m->tick.n);
}

static void on_subscribed(void *ctx, int64_t code)
{
    note(ctx, "subscribed %lld;", (long long)code);
}

static void stream_start(struct world *w, enum alpaca_stream_kind kind, bool lockstep)
{
    struct alpaca_stream_options options = {
        .kind = kind, .url = w->url, .key = "PKTEST", .secret = "hidden", .lockstep = lockstep, .ctx = w,
        .on_ready = on_ready, .on_down = on_down, .on_update = on_update, .on_marker = on_marker,
        .on_message = on_data, .on_subscribed = on_subscribed,
    };

    snprintf(w->url, sizeof w->url, "ws://127.0.0.1:%d%s", http_server_port(w->server),
             kind == ALPACA_STREAM_DATA ? "/v2/iex" : "/stream");
    w->stream = alpaca_stream_new(&w->loop, &options);
}

static const char spy[][SYMBOL_SIZE] = { "SPY", "IBM" };

static void a_data_stream_subscribes_takes_ticks_and_acknowledges(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    stream_start(&w, ALPACA_STREAM_DATA, true);
    alpaca_stream_subscribe(w.stream, spy, 1, NULL, 0);
    run_until(&w, "ready;");
    run_until(&w, "subscribed 0;");
    run_until(&w, "{\"action\":\"lockstep\"}");
    /* the subscription leaves before the clock can start */
    assert_true(strstr(w.log, "{\"action\":\"subscribe\",\"bars\":[\"SPY\"]}") < strstr(w.log, "lockstep\"}"));
    assert_true(alpaca_stream_is_subscribed(w.stream));

    forget(&w);
    say(w.socket, "[{\"T\":\"b\",\"S\":\"SPY\",\"o\":1,\"h\":1,\"l\":1,\"c\":1,\"v\":1,\"t\":\"2021-02-22T19:15:00Z\"},"
                  "{\"T\":\"tick\",\"n\":5,\"t\":\"2021-02-22T19:16:00Z\",\"speed\":0}]");
    run_until(&w, "data 0 SPY 0;data 5  5;");
    alpaca_stream_ack(w.stream, 5, INT64_C(1381150800000000000));
    run_until(&w, "got {\"action\":\"ack\",\"n\":5,\"wake\":\"2013-10-07T13:00:00Z\"};");

    forget(&w);
    alpaca_stream_subscribe(w.stream, &spy[1], 1, spy, 1); /* SPY's bars are no longer wanted */
    assert_false(alpaca_stream_is_subscribed(w.stream));
    run_until(&w, "subscribed 0;");
    assert_non_null(strstr(w.log, "{\"action\":\"subscribe\",\"bars\":[\"IBM\"],\"quotes\":[\"SPY\"]}"));
    assert_non_null(strstr(w.log, "{\"action\":\"unsubscribe\",\"bars\":[\"SPY\"]}"));

    forget(&w); /* refused: said once, with the code */
    say(w.socket, "[{\"T\":\"error\",\"code\":400,\"msg\":\"invalid syntax\"}]");
    say(w.socket, "not json");
    say(w.socket, "[{\"T\":\"tick\",\"n\":6,\"t\":\"2021-02-22T19:16:00Z\",\"speed\":0}]");
    run_until(&w, "data 5  6;");
    tear_down(&w);
    assert_non_null(strstr(w.log, "closed orderly;"));
}

static void a_lost_stream_comes_back_with_its_subscription(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    stream_start(&w, ALPACA_STREAM_DATA, false);
    alpaca_stream_subscribe(w.stream, spy, 2, NULL, 0);
    run_until(&w, "subscribed 0;");
    assert_null(strstr(w.log, "lockstep\"}")); /* not asked for */
    forget(&w);
    http_socket_close(w.socket, 1001);
    run_until(&w, "down ");
    assert_non_null(strstr(w.log, " again;"));
    run_until(&w, "subscribed 0;");
    assert_non_null(strstr(w.log, "{\"action\":\"subscribe\",\"bars\":[\"SPY\",\"IBM\"]}"));
    tear_down(&w);
}

static void a_refused_key_ends_it_and_another_session_does_not(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    w.other_session = true;
    stream_start(&w, ALPACA_STREAM_DATA, false);
    run_until(&w, "down connection limit exceeded (406) again;");
    run_until(&w, "ready;");
    alpaca_stream_free(w.stream);
    run_until(&w, "closed orderly;");
    forget(&w);
    w.refuse_key = true;
    stream_start(&w, ALPACA_STREAM_DATA, false);
    run_until(&w, "down auth failed (402) gone;");
    assert_false(alpaca_stream_is_ready(w.stream));
    tear_down(&w);
}

static void a_trade_stream_delivers_updates_markers_and_the_unknown(void **state)
{
    static const char order[] = "\"order\":{\"id\":\"a5be8f5e-fdfa-41f5-a644-7a74fe947a8f\",\"symbol\":\"SPY\","
                                "\"side\":\"sell\",\"status\":\"filled\"}";
    struct world w;
    char text[400];

    (void)state;
    set_up(&w);
    stream_start(&w, ALPACA_STREAM_TRADES, true);
    run_until(&w, "ready;");
    assert_non_null(strstr(w.log, "\"streams\":[\"trade_updates\",\"lockstep\"]"));
    forget(&w);
    snprintf(text, sizeof text, "{\"stream\":\"trade_updates\",\"data\":{\"event\":\"fill\",%s}}", order);
    say(w.socket, text);
    snprintf(text, sizeof text, "{\"stream\":\"trade_updates\",\"data\":{\"event\":\"invented\",%s}}", order);
    say(w.socket, text);
    say(w.socket, "{\"stream\":\"trade_updates\",\"data\":{}}");
    say(w.socket, "{\"stream\":\"invented\",\"data\":{}}");
    say(w.socket, "[]");
    say(w.socket, "{\"stream\":\"lockstep\",\"data\":{\"n\":17}}");
    run_until(&w, "marker 17;");
    snprintf(text, sizeof text, "update SPY %d 117;update SPY %d 121;marker 17;", ALPACA_FILL, ALPACA_EVENT_UNKNOWN);
    assert_string_equal(w.log, text);
    tear_down(&w);
}

static void a_stream_waits_for_its_server_and_can_be_freed_meanwhile(void **state)
{
    struct world w;

    (void)state;
    set_up(&w);
    snprintf(w.url, sizeof w.url, "ws://127.0.0.1:%d/stream", http_server_port(w.server));
    stream_start(&w, ALPACA_STREAM_TRADES, false);
    http_server_stop(w.server);
    run_until(&w, "again;");
    forget(&w);
    run_until(&w, "again;"); /* it tries again by itself */
    tear_down(&w);
}

/* ---- REST */

static void on_reply(void *ctx, const struct alpaca_reply *reply)
{
    note(ctx, "reply %ld %s %lld retry %lld %s%s;", reply->status, reply->message, (long long)reply->code,
         (long long)reply->retry_after_ms, reply->request_id, reply->body ? " json" : "");
}

static void rest_calls_are_answered_or_told_why_not(void **state)
{
    struct alpaca_rest_options options = { .key = "PKTEST", .secret = "hidden", .calls_max = 2 };
    struct world w;

    (void)state;
    set_up(&w);
    snprintf(w.url, sizeof w.url, "http://127.0.0.1:%d", http_server_port(w.server));
    options.url = w.url;
    w.rest = alpaca_rest_new(&w.loop, &options);
    for (int i = 0; i < 5; i++)
        alpaca_rest_call(w.rest, "GET", "/v2/orders?q=a%2Cb", NULL, on_reply, &w);
    assert_int_equal(alpaca_rest_pending(w.rest), 5);
    assert_string_equal(w.log, ""); /* never from inside */
    alpaca_rest_call(w.rest, "POST", "/v2/orders", "{\"qty\":\"1\"}", on_reply, &w);
    run_until(&w, "POST /v2/orders q=- PKTEST {\"qty\":\"1\"};reply 200");
    assert_non_null(strstr(w.log, "GET /v2/orders q=a,b PKTEST ;"));
    forget(&w);
    alpaca_rest_call(w.rest, "DELETE", "/v2/orders", NULL, on_reply, &w);
    run_until(&w, "DELETE /v2/orders q=- PKTEST ;reply 200  0 retry -1 r-17 json;");
    alpaca_rest_call(w.rest, "GET", "/busy", NULL, on_reply, &w);
    run_until(&w, "reply 429 rate limit exceeded 42910000 retry 7000 r-17 json;");
    alpaca_rest_call(w.rest, "GET", "/html", NULL, on_reply, &w);
    run_until(&w, "reply 502  0 retry -1 r-17;");
    alpaca_rest_call(w.rest, "GET", "/v2/orders", NULL, on_reply, &w); /* dropped, not called back */
    forget(&w);
    tear_down(&w);
    assert_null(strstr(w.log, "reply"));
}

static void no_reply_is_told_as_status_0(void **state)
{
    struct alpaca_rest_options options = { .url = "http://127.0.0.1:1", .key = "k", .secret = "s" };
    struct world w;

    (void)state;
    set_up(&w);
    w.rest = alpaca_rest_new(&w.loop, &options);
    alpaca_rest_call(w.rest, "GET", "/v2/clock", NULL, on_reply, &w);
    run_until(&w, "reply 0");
    tear_down(&w);
}

static const struct url_row {
    const char *url, *key;
    bool live, ok;
} url_rows[] = {
    { "http://127.0.0.1:8081", "demo", false, true },
    { "ws://localhost:8081/stream", "demo", false, true },
    { "http://[::1]:8081", "demo", false, true },
    { "ws://exchange:8081/stream", "demo", false, true },
    { "http://10.0.3.7:80", "demo", false, true },
    { "http://172.31.0.1", "demo", false, true },
    { "http://172.32.0.1", "demo", false, false },
    { "https://paper-api.alpaca.markets", "PKX", false, true },
    { "wss://paper-api.alpaca.markets/stream", "PKX", false, true },
    { "https://paper-api.alpaca.markets", "AKX", false, false },
    { "http://paper-api.alpaca.markets", "PKX", false, false },
    { "wss://stream.data.alpaca.markets/v2/iex", "PKX", false, true },
    { "https://api.alpaca.markets", "AKX", false, false },
    { "https://api.alpaca.markets", "AKX", true, true },
    { "https://api.alpaca.markets", "PKX", true, false },
    { "https://API.alpaca.markets", "AKX", false, false },
    { "https://127.0.0.1@api.alpaca.markets", "AKX", false, false },
    { "https://127.0.0.1.evil.example", "AKX", false, false },
    { "https://broker.example:443", "x", false, false },
    { "https://broker.example:443", "x", true, true },
    { "https://exchange", "x", false, false },
    { "file:///etc/passwd", "x", true, false },
    { "nonsense", "x", true, false },
    { "", "x", true, false },
};

static void real_money_needs_to_be_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(url_rows); i++) {
        const struct url_row *row = &url_rows[i];
        struct err err = { ERR_NONE, "" };
        if (alpaca_url_is_allowed(row->url, row->key, row->live, &err) != row->ok)
            fail_msg("%s key %s%s: %s", row->url, row->key, row->live ? " live" : "", err.text);
        assert_true(row->ok || err.text[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_stream_subscribes_takes_ticks_and_acknowledges),
        cmocka_unit_test(a_lost_stream_comes_back_with_its_subscription),
        cmocka_unit_test(a_refused_key_ends_it_and_another_session_does_not),
        cmocka_unit_test(a_trade_stream_delivers_updates_markers_and_the_unknown),
        cmocka_unit_test(a_stream_waits_for_its_server_and_can_be_freed_meanwhile),
        cmocka_unit_test(rest_calls_are_answered_or_told_why_not),
        cmocka_unit_test(no_reply_is_told_as_status_0),
        cmocka_unit_test(real_money_needs_to_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
