/* A real server on its own thread; the tests are its clients, over raw sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base.h"
#include "http/server.h"

enum { CLIENTS_MAX = 64, FLOOD = 64 * 1024 };

struct world {
    uv_loop_t loop;
    uv_async_t stop;
    pthread_t thread;
    struct http_server *server;
    int port;
    /* what the server saw */
    bool undone; /* something was done that before_send has not seen */
    _Atomic int settled;
    _Atomic int requests, opened, messages, orderly, vanished, heads, streams_ended;
    struct http_socket *last;
    struct http_stream *stream;
};

static const char *const paths[] = { "/stream", "/v2/iex", NULL };

static void answer(struct http_response *res, unsigned status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int size = vasprintf(&res->body, fmt, args);
    va_end(args);
    assert_true(size >= 0);
    res->body_size = (size_t)size;
    res->status = status;
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct world *w = ctx;
    w->requests++;
    if (strcmp(req->path, "/none") == 0) {
        res->status = 204;
    } else if (strcmp(req->path, "/tell") == 0) { /* a message to the socket, from a handler */
        http_socket_send(w->last, "told", 4, false);
        answer(res, 200, "{}");
    } else if (strcmp(req->path, "/follow") == 0) {
        res->status = 200;
        res->content_type = "text/event-stream";
        w->stream = http_response_stream(res, w);
        http_stream_send(w->stream, "first;", 6);
    } else if (strcmp(req->path, "/say") == 0) { /* to who follows */
        if (w->stream)
            http_stream_send(w->stream, http_query(req, "q"), strlen(http_query(req, "q")));
        answer(res, 200, "{}");
    } else if (strcmp(req->path, "/hush") == 0) {
        http_stream_end(w->stream);
        answer(res, 200, "{}");
    } else if (strcmp(req->path, "/stop") == 0) {
        http_server_stop(w->server);
        uv_close((uv_handle_t *)&w->stop, NULL);
        answer(res, 200, "{}");
    } else if (strcmp(req->path, "/keep") == 0) {
        w->undone = true;
        answer(res, 200, "{}");
        res->hold = true;
    } else if (strcmp(req->path, "/lose") == 0) {
        w->undone = true;
        answer(res, 200, "{}");
        res->lose = true;
    } else if (strcmp(req->path, "/cut") == 0) {
        http_socket_cut(w->last);
        answer(res, 200, "{}");
    } else if (strcmp(req->path, "/missing") == 0) {
        answer(res, 404, "{\"message\":\"nothing here\"}");
    } else {
        const char *agent = http_header(req, "x-agent"), *q = http_query(req, "q");
        http_response_header(res, "X-Seen", "yes");
        answer(res, 200, "%s %s q=%s agent=%s %zu:%.40s", req->method, req->path, q ? q : "-", agent ? agent : "-",
               req->body_size, req->body);
    }
}

static void before_send(void *ctx)
{
    struct world *w = ctx;
    if (w->undone)
        w->settled++;
    w->undone = false;
}

static void on_stream_close(void *ctx, struct http_stream *t)
{
    struct world *w = ctx;
    assert_ptr_equal(http_stream_get(t), w);
    w->stream = NULL;
    w->streams_ended++;
}

static bool on_head(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct world *w = ctx;
    w->heads++;
    if (!http_header(req, "X-No-Key"))
        return false;
    answer(res, 401, "{\"message\":\"who are you\"}");
    return true;
}

static bool on_open(void *ctx, struct http_socket *s, const char *path, const char *content_type)
{
    struct world *w = ctx;
    char text[100];
    if (strcmp(content_type, "text/refused") == 0)
        return false;
    w->opened++;
    w->last = s;
    char agent[16];
    bool told = http_socket_header(s, "X-Agent", agent, sizeof agent);
    int n = snprintf(text, sizeof text, "hello %s %s%s", path, content_type, told ? agent : "");
    http_socket_send(s, text, (size_t)n, false);
    return true;
}

static void on_message(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary)
{
    struct world *w = ctx;
    w->messages++;
    if (size == 5 && memcmp(data, "close", 5) == 0) {
        http_socket_send(s, "bye", 3, false);
        http_socket_close(s, 4001);
    } else if (size == 5 && memcmp(data, "flood", 5) == 0) {
        char *much = must_alloc(1, FLOOD);
        for (int i = 0; i < 1024; i++) /* 64 MiB: more than any socket buffer and the queue hold */
            http_socket_send(s, much, FLOOD, true);
        free(much);
    } else if (size == 4 && memcmp(data, "much", 4) == 0) {
        char *much = must_alloc(1, FLOOD);
        for (int i = 0; i < 16 * 16 + 40; i++) /* 18 MiB: within queue_max */
            http_socket_send(s, much, FLOOD, true);
        free(much);
    } else if (size == 4 && memcmp(data, "many", 4) == 0) {
        for (int i = 0; i < 1000; i++)
            http_socket_send(s, &i, sizeof i, true);
    } else {
        http_socket_send(s, data, size, binary);
    }
}

static void on_close(void *ctx, struct http_socket *s, bool orderly)
{
    struct world *w = ctx;
    if (w->last == s)
        w->last = NULL;
    http_socket_send(s, "too late", 8, false); /* harmless */
    if (orderly)
        w->orderly++;
    else
        w->vanished++;
}

static void on_stop(uv_async_t *async)
{
    struct world *w = async->data;
    http_server_stop(w->server);
    uv_close((uv_handle_t *)async, NULL);
}

static void *run(void *ctx)
{
    struct world *w = ctx;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int setup(void **state)
{
    struct world *w = must_alloc(1, sizeof *w);
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&w->loop);
    uv_async_init(&w->loop, &w->stop, on_stop);
    w->stop.data = w;
    struct http_server_options o = {
        .host = "127.0.0.1", .socket_paths = paths, .ctx = w, .on_request = on_request, .on_head = on_head,
        .on_open = on_open, .on_message = on_message, .on_close = on_close, .on_stream_close = on_stream_close,
        .before_send = before_send, .queues_max = 48 << 20, .queue_max = 20 << 20, .head_ms = 400, .body_ms = 600, .idle_ms = 1500, .connections_max = CLIENTS_MAX,
    };
    w->server = http_server_new(&w->loop, &o, &err);
    if (!w->server)
        fail_msg("%s", err.text);
    w->port = http_server_port(w->server);
    pthread_create(&w->thread, NULL, run, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    uv_async_send(&w->stop);
    pthread_join(w->thread, NULL);
    http_server_free(w->server);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

/* ---- a client */

static int dial(const struct world *w)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)w->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval most = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void put_bytes(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void put(int fd, const char *text)
{
    put_bytes(fd, text, strlen(text));
}

/* Everything until the server closes. */
static char *rest_of(int fd, size_t *size)
{
    char *all = must_alloc(1, 1 << 16);
    size_t n = 0;
    ssize_t got;
    while (n < (1 << 16) - 1 && (got = recv(fd, all + n, (1 << 16) - 1 - n, 0)) > 0)
        n += (size_t)got;
    all[n] = '\0';
    if (size)
        *size = n;
    close(fd);
    return all;
}

/* One reply with a Content-Length; its body replaces `out`. Returns the status, 0 when the server closed. */
static int reply(int fd, char *out, size_t size)
{
    char head[4096];
    size_t n = 0;
    while (n < sizeof head - 1 && recv(fd, head + n, 1, 0) == 1) {
        head[++n] = '\0';
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    if (n == 0)
        return 0;
    const char *at = strcasestr(head, "content-length:");
    size_t length = at ? strtoul(at + 15, NULL, 10) : 0;
    assert_true(length < size);
    if (length)
        assert_int_equal(recv(fd, out, length, MSG_WAITALL), (ssize_t)length);
    out[length] = '\0';
    return atoi(head + 9);
}

static void wait_for(_Atomic int *what, int value)
{
    for (int i = 0; i < 1000 && *what < value; i++)
        poll(NULL, 0, 10);
    assert_int_equal(*what, value);
}

/* ---- REST */

static void requests_are_read_and_answered(void **state)
{
    static const struct { const char *name, *head, *expect; int status; } rows[] = {
        { "plain", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a q=- agent=- 0:", 200 },
        { "query decoded", "GET /a?q=x%2By+z&r HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a q=x+y z agent=- 0:", 200 },
        { "empty query value", "GET /a?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a q= agent=- 0:", 200 },
        { "path decoded", "GET /a%20b%2F HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a b/ q=- agent=- 0:", 200 },
        { "no end of path in mid-path", "GET /a%00b%zz% HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a%00b%zz% q=- agent=- 0:", 200 },
        { "header in any case", "GET /a HTTP/1.1\r\nHost: x\r\nX-AGENT: me\r\n\r\n", "GET /a q=- agent=me 0:", 200 },
        { "method as sent", "get /a HTTP/1.1\r\nHost: x\r\n\r\n", "get /a q=- agent=- 0:", 200 },
        { "any method", "BREW /a HTTP/1.1\r\nHost: x\r\n\r\n", "BREW /a q=- agent=- 0:", 200 },
        { "body", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "POST /a q=- agent=- 5:hello", 200 },
        { "length twice, equal", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nh",
          "POST /a q=- agent=- 1:h", 200 },
        { "chunked", "PATCH /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
          "PATCH /a q=- agent=- 5:abcde", 200 },
        { "empty body", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "POST /a q=- agent=- 0:", 200 },
        { "delete with body", "DELETE /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxy", "DELETE /a q=- agent=- 2:xy", 200 },
        { "not found", "GET /missing HTTP/1.1\r\nHost: x\r\n\r\n", "{\"message\":\"nothing here\"}", 404 },
        { "nothing", "GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "", 204 },
        { "upgrade of another path", "GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", "GET /other q=- agent=- 0:", 200 },
        { "stream without upgrade", "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", "GET /stream q=- agent=- 0:", 200 },
        { "a path that starts the same", "GET /streams HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", "GET /streams q=- agent=- 0:", 200 },
    };
    struct world *w = *state;
    int kept = dial(w); /* all on one connection, and each on its own */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[4096];
        int own = dial(w);
        print_message("%s\n", rows[i].name);
        put(own, rows[i].head);
        assert_int_equal(reply(own, body, sizeof body), rows[i].status);
        assert_string_equal(body, rows[i].expect);
        close(own);
        put(kept, rows[i].head);
        assert_int_equal(reply(kept, body, sizeof body), rows[i].status);
        assert_string_equal(body, rows[i].expect);
    }
    close(kept);
}

static void bad_requests_are_refused_and_closed(void **state)
{
    static const struct { const char *name, *head; int status; } rows[] = {
        { "two lengths", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400 },
        { "length and chunked", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "chunked and length", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400 },
        { "two encodings", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "another encoding", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc", 400 },
        { "length no number", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\nhello", 400 },
        { "length negative", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello", 400 },
        { "length over all", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nhello", 413 },
        { "length over the limit", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413 },
        { "no key, body unread", "POST /a HTTP/1.1\r\nHost: x\r\nX-No-Key: 1\r\nContent-Length: 1000000\r\n\r\n", 401 },
        { "another HTTP", "GET /a HTTP/3.0\r\nHost: x\r\n\r\n", 505 },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial(w);
        print_message("%s\n", rows[i].name);
        put(fd, rows[i].head);
        /* returns: the server closed. (To a malformed length libmicrohttpd 0.9.75 says its head twice.) */
        char *all = rest_of(fd, NULL);
        assert_int_equal(atoi(all + 9), rows[i].status);
        free(all);
    }
    assert_int_equal(w->requests, 0);
}

static void a_refusal_reaches_who_is_still_sending(void **state)
{
    struct world *w = *state;
    char *much = must_alloc(1, 3 << 20);
    for (int i = 0; i < 5; i++) {
        char body[1000];
        int fd = dial(w);
        put(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n");
        put_bytes(fd, much, 3 << 20);
        assert_int_equal(reply(fd, body, sizeof body), 413);
        close(fd);
    }
    free(much);
}

static void a_chunked_body_over_the_limit_is_413(void **state)
{
    struct world *w = *state;
    char body[1000], *chunk = must_alloc(1, 65536);
    int fd = dial(w);
    put(fd, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++) {
        put(fd, "10000\r\n");
        put_bytes(fd, chunk, 65536);
        put(fd, "\r\n");
    }
    put(fd, "0\r\n\r\n");
    assert_int_equal(reply(fd, body, sizeof body), 413);
    assert_int_equal(w->requests, 0);
    close(fd);
    free(chunk);
}

static void a_body_at_the_limit_is_taken(void **state)
{
    struct world *w = *state;
    char body[1000], *much = must_alloc(1, 1 << 20);
    memset(much, 'x', 1 << 20);
    int fd = dial(w);
    for (int i = 0; i < 3; i++) {
        put(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
        put_bytes(fd, much, 1 << 20);
        assert_int_equal(reply(fd, body, sizeof body), 200);
        assert_non_null(strstr(body, "1048576:xxx"));
    }
    close(fd);
    free(much);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world *w = *state;
    char all[8192] = "", body[1000], expect[100];
    for (int i = 0; i < 20; i++) {
        size_t n = strlen(all);
        if (i % 2)
            snprintf(all + n, sizeof all - n, "POST /p%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nb%02d", i, i);
        else
            snprintf(all + n, sizeof all - n, "GET /p%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    }
    for (size_t step = 1; step <= strlen(all); step = step == 1 ? 7 : step * 9) { /* dripped, in pieces, at once */
        int fd = dial(w);
        for (size_t at = 0; at < strlen(all); at += step)
            put_bytes(fd, all + at, strlen(all) - at < step ? strlen(all) - at : step);
        for (int i = 0; i < 20; i++) {
            snprintf(expect, sizeof expect, i % 2 ? "POST /p%d q=- agent=- 3:b%02d" : "GET /p%d q=- agent=- 0:", i, i);
            assert_int_equal(reply(fd, body, sizeof body), 200);
            assert_string_equal(body, expect);
        }
        close(fd);
    }
}

static void a_body_is_asked_for_with_100_continue(void **state)
{
    struct world *w = *state;
    char line[100], body[1000];
    int fd = dial(w);
    put(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(recv(fd, line, 25, MSG_WAITALL), 25);
    assert_memory_equal(line, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    put(fd, "ok");
    assert_int_equal(reply(fd, body, sizeof body), 200);
    close(fd);
}

/* Each ends by the server's own deadline, although a byte keeps coming. */
static void dripping_clients_are_cut_off(void **state)
{
    static const struct { const char *name, *first; const char *status; } rows[] = {
        { "nothing at all", "", "" },
        { "first head", "GET /a HTTP/1.1\r\nX-A: ", "HTTP/1.1 408" },
        { "second head", "GET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nX-A: ", "HTTP/1.1 204" },
        { "second request line", "GET /none HTTP/1.1\r\nHost: x\r\n\r\nG", "HTTP/1.1 204" },
        { "body", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx", "" },
        { "idle", "GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 204" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial(w), turns = 0;
        print_message("%s\n", rows[i].name);
        put(fd, rows[i].first);
        bool drips = *rows[i].first && strcmp(rows[i].name, "idle") != 0;
        for (; turns < 200; turns++) {
            struct pollfd p = { .fd = fd, .events = POLLRDHUP };
            if (poll(&p, 1, 20) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)))
                break;
            if (drips)
                (void)!send(fd, "x", 1, MSG_NOSIGNAL);
        }
        assert_true(turns < 200);
        char *all = rest_of(fd, NULL);
        assert_memory_equal(all, rows[i].status, strlen(rows[i].status));
        free(all);
    }
}

static void a_half_closed_head_is_let_go_at_once(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    put(fd, "GET /a HT");
    poll(NULL, 0, 20);
    shutdown(fd, SHUT_WR);
    char *all = rest_of(fd, NULL);
    assert_string_equal(all, "");
    free(all);
}

static void a_request_before_a_half_close_is_answered(void **state)
{
    struct world *w = *state;
    char body[1000];
    int fd = dial(w);
    put(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(fd, SHUT_WR);
    assert_int_equal(reply(fd, body, sizeof body), 200);
    close(fd);
}

static void a_huge_head_is_refused(void **state)
{
    struct world *w = *state;
    char *much = must_alloc(1, 100000);
    memset(much, 'a', 99999);
    int fd = dial(w);
    put(fd, "GET /a HTTP/1.1\r\nX-Long: ");
    put(fd, much);
    char *all = rest_of(fd, NULL);
    assert_memory_equal(all, "HTTP/1.1 431", 12);
    free(all);
    free(much);
}

static void one_connection_too_many_is_503_and_others_live_on(void **state)
{
    struct world *w = *state;
    int fds[CLIENTS_MAX];
    char body[1000];
    for (int i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = dial(w);
        put(fds[i], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_int_equal(reply(fds[i], body, sizeof body), 200);
    }
    char *all = rest_of(dial(w), NULL);
    assert_memory_equal(all, "HTTP/1.1 503", 12);
    free(all);
    close(fds[0]);
    for (int i = 0, status = 0; i < 100 && status != 200; i++) { /* until the server has seen it go */
        fds[0] = dial(w);
        (void)!send(fds[0], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28, MSG_NOSIGNAL);
        status = reply(fds[0], body, sizeof body);
        if (status != 200)
            close(fds[0]);
        assert_true(i < 99);
    }
    for (int i = 0; i < CLIENTS_MAX; i++)
        close(fds[i]);
}

static void a_port_in_use_is_said(void **state)
{
    struct world *w = *state;
    struct err err = { .code = ERR_NONE };
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct http_server_options o = { .host = "127.0.0.1", .port = w->port, .on_request = on_request };
    assert_null(http_server_new(&loop, &o, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.text, "is in use"));
    o.host = "no such host";
    assert_null(http_server_new(&loop, &o, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- WebSockets */

static int upgrade(const struct world *w, const char *path, const char *more)
{
    char head[1000];
    int fd = dial(w);
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, more);
    put(fd, head);
    return fd;
}

/* The path may have come with a query. */
static int open_stream(const struct world *w, const char *path)
{
    char text[1000];
    int fd = upgrade(w, path, "");
    assert_int_equal(reply(fd, text, sizeof text), 101);
    return fd;
}

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

static void put_frame(int fd, int first, const void *data, size_t size)
{
    unsigned char *f = must_alloc(1, size + 14);
    const unsigned char mask[4] = { 1, 2, 3, 4 };
    size_t n = 0;
    f[n++] = (unsigned char)first;
    if (size < 126) {
        f[n++] = (unsigned char)(0x80 | size);
    } else if (size < 65536) {
        f[n++] = 0x80 | 126;
        f[n++] = (unsigned char)(size >> 8);
        f[n++] = (unsigned char)size;
    } else {
        f[n++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            f[n++] = (unsigned char)((uint64_t)size >> (8 * i));
    }
    memcpy(f + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < size; i++)
        f[n++] = ((const unsigned char *)data)[i] ^ mask[i & 3];
    put_bytes(fd, f, n);
    free(f);
}

/* Returns the opcode, -1 when the connection ended. */
static int get_frame(int fd, char *out, size_t max, size_t *size)
{
    unsigned char head[2], more[8];
    if (recv(fd, head, 2, MSG_WAITALL) != 2)
        return -1;
    assert_true(head[0] & FIN);
    assert_false(head[1] & 0x80);
    uint64_t n = head[1];
    int bytes = n == 126 ? 2 : n == 127 ? 8 : 0;
    if (bytes) {
        assert_int_equal(recv(fd, more, (size_t)bytes, MSG_WAITALL), bytes);
        n = 0;
        for (int i = 0; i < bytes; i++)
            n = n << 8 | more[i];
    }
    assert_true(n < max);
    if (n)
        assert_int_equal(recv(fd, out, n, MSG_WAITALL), (ssize_t)n);
    out[n] = '\0';
    *size = n;
    return head[0] & 15;
}

static void expect_text(int fd, const char *text)
{
    char got[1000];
    size_t size;
    assert_int_equal(get_frame(fd, got, sizeof got, &size), TEXT);
    assert_string_equal(got, text);
}

static void each_path_is_upgraded_and_greeted(void **state)
{
    struct world *w = *state;
    int a = open_stream(w, "/stream"), b = open_stream(w, "/v2/iex"), c = open_stream(w, "/v2/iex?feed=x");
    expect_text(a, "hello /stream ");
    expect_text(b, "hello /v2/iex ");
    expect_text(c, "hello /v2/iex ");
    close(a), close(b), close(c);
    wait_for(&w->vanished, 3);
}

static void the_content_type_is_told(void **state)
{
    struct world *w = *state;
    char text[1000];
    int fd = upgrade(w, "/stream", "Content-Type: application/msgpack\r\n");
    assert_int_equal(reply(fd, text, sizeof text), 101);
    expect_text(fd, "hello /stream application/msgpack");
    close(fd);
    wait_for(&w->vanished, 1);
}

static void other_headers_are_told(void **state)
{
    static const struct { const char *name, *headers, *hello; } rows[] = {
        { "as it is written", "X-Agent: Smith\r\n", "hello /stream Smith" },
        { "in any case", "x-aGENT: Smith\r\n", "hello /stream Smith" },
        { "empty is there", "X-Agent:\r\n", "hello /stream " },
        { "of all that fits", "X-Agent: 0123456789abcde\r\n", "hello /stream 0123456789abcde" },
        { "too long is none", "X-Agent: 0123456789abcdef\r\n", "hello /stream " },
        { "another's beginning is none", "X-Agents: Smith\r\n", "hello /stream " },
        { "nor its end", "Not-X-Agent: Smith\r\n", "hello /stream " },
    };
    struct world *w = *state;
    char text[1000];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        print_message("%s\n", rows[i].name);
        int fd = upgrade(w, "/stream", rows[i].headers);
        assert_int_equal(reply(fd, text, sizeof text), 101);
        expect_text(fd, rows[i].hello);
        close(fd);
    }
    wait_for(&w->vanished, COUNT_OF(rows));
}

static void bad_upgrades_are_refused(void **state)
{
    static const struct { const char *name, *head; int status; } rows[] = {
        { "by the program", "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nContent-Type: text/refused\r\n\r\n", 403 },
        { "no key", "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", 400 },
        { "unknown sub-protocol", "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 400 },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial(w);
        print_message("%s\n", rows[i].name);
        put(fd, rows[i].head);
        char *all = rest_of(fd, NULL);
        assert_int_equal(strlen(all) > 12 ? atoi(all + 9) : 0, rows[i].status);
        free(all);
    }
    assert_int_equal(w->opened, 0);
}

static void messages_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = { 0, 1, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 300000, 1 << 20 };
    struct world *w = *state;
    char *data = must_alloc(1, (1 << 20) + 1), *got = must_alloc(1, (1 << 20) + 1);
    for (size_t i = 0; i < 1 << 20; i++)
        data[i] = (char)('a' + i % 26);
    int fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    for (int binary = 0; binary < 2; binary++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            size_t size;
            put_frame(fd, FIN | (binary ? BINARY : TEXT), data, sizes[i]);
            assert_int_equal(get_frame(fd, got, (1 << 20) + 1, &size), binary ? BINARY : TEXT);
            assert_int_equal(size, sizes[i]);
            assert_memory_equal(got, data, size);
        }
    close(fd);
    free(data);
    free(got);
    wait_for(&w->vanished, 1);
}

static void fragments_make_one_message_with_pings_between(void **state)
{
    struct world *w = *state;
    char got[1000];
    size_t size;
    int fd = open_stream(w, "/v2/iex");
    expect_text(fd, "hello /v2/iex ");
    put_frame(fd, BINARY, "abc", 3);
    put_frame(fd, FIN | PING, "p", 1);
    put_frame(fd, 0, "", 0);
    put_frame(fd, 0, "def", 3);
    put_frame(fd, FIN | 0, "", 0);
    for (int i = 0; i < 2; i++) { /* in any order */
        int opcode = get_frame(fd, got, sizeof got, &size);
        assert_true(opcode == PONG || opcode == BINARY);
        assert_string_equal(got, opcode == PONG ? "p" : "abcdef");
    }
    put_frame(fd, TEXT, "", 0);
    put_frame(fd, FIN | 0, "late", 4);
    expect_text(fd, "late");
    assert_int_equal(w->messages, 2);
    close(fd);
    wait_for(&w->vanished, 1);
}

static void a_message_too_long_is_1009(void **state)
{
    struct world *w = *state;
    char got[1000], *much = must_alloc(1, 700000);
    size_t size;
    int fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    put_frame(fd, TEXT, much, 700000);
    put_frame(fd, FIN | 0, much, 400000);
    assert_int_equal(get_frame(fd, got, sizeof got, &size), CLOSE);
    assert_int_equal((unsigned char)got[0] << 8 | (unsigned char)got[1], 1009);
    close(fd);
    free(much);
    wait_for(&w->orderly, 1);
    assert_int_equal(w->messages, 0);
}

static void a_close_frame_is_orderly_and_a_lost_connection_is_not(void **state)
{
    struct world *w = *state;
    char got[1000];
    size_t size;
    int fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    put_frame(fd, FIN | CLOSE, "\x03\xe8", 2);
    assert_int_equal(get_frame(fd, got, sizeof got, &size), CLOSE);
    assert_int_equal(get_frame(fd, got, sizeof got, &size), -1);
    close(fd);
    wait_for(&w->orderly, 1);
    assert_int_equal(w->vanished, 0);

    fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    struct linger reset = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    wait_for(&w->vanished, 1);
    assert_int_equal(w->orderly, 1);
}

static void the_server_closes_after_what_it_said(void **state)
{
    struct world *w = *state;
    char got[1000];
    size_t size;
    int fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    put_frame(fd, FIN | TEXT, "close", 5);
    expect_text(fd, "bye");
    assert_int_equal(get_frame(fd, got, sizeof got, &size), CLOSE);
    assert_int_equal((unsigned char)got[0] << 8 | (unsigned char)got[1], 4001);
    put_frame(fd, FIN | CLOSE, got, 2);
    assert_int_equal(get_frame(fd, got, sizeof got, &size), -1);
    close(fd);
    wait_for(&w->orderly, 1);
}

static void a_client_that_never_reads_is_cut_off(void **state)
{
    struct world *w = *state;
    int fd = open_stream(w, "/stream"), other = open_stream(w, "/stream");
    expect_text(other, "hello /stream ");
    put_frame(fd, FIN | TEXT, "flood", 5);
    wait_for(&w->vanished, 1);
    put_frame(other, FIN | TEXT, "well?", 5);
    expect_text(other, "well?");
    close(fd);
    close(other);
    wait_for(&w->vanished, 2);
}

static void many_messages_come_in_order(void **state)
{
    struct world *w = *state;
    char got[1000];
    size_t size;
    int fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    for (int round = 0; round < 20; round++)
        put_frame(fd, FIN | TEXT, "many", 4);
    for (int i = 0; i < 20 * 1000; i++) {
        int n;
        assert_int_equal(get_frame(fd, got, sizeof got, &size), BINARY);
        memcpy(&n, got, sizeof n);
        assert_int_equal(n, i % 1000);
    }
    close(fd);
    wait_for(&w->vanished, 1);
}

static void a_reader_behind_gets_everything_and_its_pongs(void **state)
{
    enum { SIZE = 100000, ROUNDS = 60 };
    struct world *w = *state;
    char *data = must_alloc(1, SIZE + 1), *got = must_alloc(1, SIZE + 1);
    size_t size;
    int fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    for (int i = 0; i < ROUNDS; i++) { /* 6 MB: waits in all buffers there are */
        memset(data, 'a' + i % 26, SIZE);
        put_frame(fd, FIN | TEXT, data, SIZE);
        put_frame(fd, FIN | PING, "p", 1);
    }
    int texts = 0, pongs = 0;
    while (texts < ROUNDS) {
        int opcode = get_frame(fd, got, SIZE + 1, &size);
        if (opcode == PONG) {
            pongs++;
            continue;
        }
        assert_int_equal(opcode, TEXT);
        assert_int_equal(size, SIZE);
        memset(data, 'a' + texts++ % 26, SIZE);
        assert_memory_equal(got, data, SIZE);
    }
    assert_true(pongs > 0);
    close(fd);
    free(data);
    free(got);
}

static void a_reply_that_is_held_goes_out_when_it_is_settled(void **state)
{
    struct world *w = *state;
    char body[100];
    int fds[8];
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = dial(w);
    for (int round = 1; round <= 3; round++) {
        for (size_t i = 0; i < COUNT_OF(fds); i++)
            put(fds[i], "POST /keep HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
        for (size_t i = 0; i < COUNT_OF(fds); i++)
            assert_int_equal(reply(fds[i], body, sizeof body), 200);
        assert_in_range(w->settled, round, round * (int)COUNT_OF(fds));
        assert_int_equal(w->requests, round * (int)COUNT_OF(fds));
    }
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}

static void held_replies_of_a_pipeline_keep_their_order(void **state)
{
    struct world *w = *state;
    char body[100];
    int fd = dial(w);
    put(fd, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\nGET /missing HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /keep HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(reply(fd, body, sizeof body), 200);
    assert_int_equal(reply(fd, body, sizeof body), 404);
    assert_int_equal(reply(fd, body, sizeof body), 200);
    assert_int_equal(reply(fd, body, sizeof body), 204);
    assert_int_equal(w->settled, 2);
    close(fd);
}

static void a_lost_reply_is_settled_and_cut(void **state)
{
    struct world *w = *state;
    char body[100];
    int fd = dial(w);
    put(fd, "POST /lose HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(reply(fd, body, sizeof body), 0);
    assert_int_equal(w->settled, 1);
    close(fd);
}

static void a_socket_can_be_cut(void **state)
{
    struct world *w = *state;
    char body[100];
    int rest = dial(w), fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    put(rest, "GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(reply(rest, body, sizeof body), 200);
    wait_for(&w->vanished, 1);
    close(fd);
    close(rest);
}

/* Each within its own bound, together over theirs: the longest queues go, and who reads is not among them. */
static void many_slow_clients_are_bounded_together(void **state)
{
    struct world *w = *state;
    int slow[6], other = open_stream(w, "/stream");
    expect_text(other, "hello /stream ");
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        slow[i] = open_stream(w, "/stream");
        put_frame(slow[i], FIN | TEXT, "much", 4);
    }
    for (int i = 0; i < 1000 && w->vanished == 0; i++)
        poll(NULL, 0, 10);
    assert_in_range(w->vanished, 1, COUNT_OF(slow));
    put_frame(other, FIN | TEXT, "well?", 5);
    expect_text(other, "well?");
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        close(slow[i]);
    close(other);
}

static void a_handler_can_send_to_a_socket(void **state)
{
    struct world *w = *state;
    char body[1000];
    int fd = open_stream(w, "/stream"), rest = dial(w);
    expect_text(fd, "hello /stream ");
    put(rest, "POST /tell HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    assert_int_equal(reply(rest, body, sizeof body), 200);
    expect_text(fd, "told");
    close(fd);
    close(rest);
    wait_for(&w->vanished, 1);
}

static void broken_frames_close_the_connection(void **state)
{
    static const struct { const char *name; int first; } rows[] = {
        { "unknown opcode", FIN | 3 }, { "reserved bit", FIN | 0x40 | TEXT }, { "continuation of nothing", FIN | 0 },
    };
    struct world *w = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char got[200];
        size_t size;
        int fd = open_stream(w, "/stream");
        print_message("%s\n", rows[i].name);
        expect_text(fd, "hello /stream ");
        put_frame(fd, rows[i].first, "x", 1);
        assert_int_equal(get_frame(fd, got, sizeof got, &size), CLOSE);
        assert_int_equal((unsigned char)got[0] << 8 | (unsigned char)got[1], 1002);
        close(fd);
    }
    assert_int_equal(w->messages, 0);
}

static void get_ok(const struct world *w, const char *path)
{
    char text[200], body[100];
    int fd = dial(w);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    put(fd, text);
    assert_int_equal(reply(fd, body, sizeof body), 200);
    close(fd);
}

/* Reads until text has come, whatever the chunks. */
static void expect_end(int fd, const char *text)
{
    char all[4096] = "";
    size_t n = 0;
    while (!strstr(all, text)) {
        ssize_t got = recv(fd, all + n, sizeof all - 1 - n, 0);
        if (got <= 0)
            fail_msg("expected ...%s, got %s", text, all);
        all[n += (size_t)got] = '\0';
    }
}

static void a_reply_can_go_on_until_it_is_ended(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    put(fd, "GET /follow HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_end(fd, "first;\r\n");
    poll(NULL, 0, 2500); /* beyond idle_ms: who waits is not idle */
    get_ok(w, "/say?q=second");
    expect_end(fd, "second\r\n");
    get_ok(w, "/hush");
    expect_end(fd, "0\r\n\r\n");
    wait_for(&w->streams_ended, 1);
    put(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection lives on */
    char body[100];
    assert_int_equal(reply(fd, body, sizeof body), 200);
    close(fd);
}

static void a_follower_that_is_gone_is_noticed_when_something_is_sent(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    put(fd, "GET /follow HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_end(fd, "first;\r\n");
    close(fd);
    for (int i = 0; i < 100 && w->streams_ended == 0; i++)
        get_ok(w, "/say?q=more");
    wait_for(&w->streams_ended, 1);
}

static void stopping_with_everything_open_leaves_nothing(void **state)
{
    struct world *w = *state;
    char got[1000];
    size_t size;
    int follower = dial(w);
    put(follower, "GET /follow HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_end(follower, "first;\r\n");
    int idle = dial(w), head = dial(w), rest = dial(w), fd = open_stream(w, "/stream"), unread = open_stream(w, "/v2/iex");
    put(head, "GET /a");
    put(rest, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    expect_text(fd, "hello /stream ");
    put_frame(unread, FIN | TEXT, "many", 4);
    wait_for(&w->messages, 1);
    uv_async_send(&w->stop); /* teardown sends it again; the loop is gone by then or not */
    assert_int_equal(get_frame(fd, got, sizeof got, &size), CLOSE);
    assert_int_equal((unsigned char)got[0] << 8 | (unsigned char)got[1], 1001);
    pthread_join(w->thread, NULL);
    assert_int_equal(w->orderly + w->vanished, 2);
    assert_int_equal(w->streams_ended, 1);
    close(idle), close(head), close(rest), close(fd), close(unread), close(follower);
    http_server_free(w->server);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
}

static void a_handler_can_stop_the_server_and_is_still_answered(void **state)
{
    struct world *w = *state;
    char body[100];
    int rest = dial(w), fd = open_stream(w, "/stream");
    expect_text(fd, "hello /stream ");
    put(rest, "POST /stop HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(reply(rest, body, sizeof body), 200);
    close(rest);
    close(fd);
    pthread_join(w->thread, NULL);
    http_server_free(w->server);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
}

static void a_head_request_has_no_body(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    put(fd, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char *all = rest_of(fd, NULL);
    assert_memory_equal(all, "HTTP/1.1 200", 12);
    char *second = strstr(all, "\r\n\r\n");
    assert_non_null(second);
    assert_memory_equal(second + 4, "HTTP/1.1 200", 12);
    free(all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A name with * runs those alone. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_read_and_answered),
        TEST(bad_requests_are_refused_and_closed),
        TEST(a_refusal_reaches_who_is_still_sending),
        TEST(a_chunked_body_over_the_limit_is_413),
        TEST(a_body_at_the_limit_is_taken),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_body_is_asked_for_with_100_continue),
        TEST(dripping_clients_are_cut_off),
        TEST(a_half_closed_head_is_let_go_at_once),
        TEST(a_request_before_a_half_close_is_answered),
        TEST(a_huge_head_is_refused),
        TEST(a_head_request_has_no_body),
        TEST(one_connection_too_many_is_503_and_others_live_on),
        TEST(a_port_in_use_is_said),
        TEST(a_reply_can_go_on_until_it_is_ended),
        TEST(a_follower_that_is_gone_is_noticed_when_something_is_sent),
        TEST(each_path_is_upgraded_and_greeted),
        TEST(the_content_type_is_told),
        TEST(other_headers_are_told),
        TEST(bad_upgrades_are_refused),
        TEST(messages_come_back_as_they_were),
        TEST(fragments_make_one_message_with_pings_between),
        TEST(a_message_too_long_is_1009),
        TEST(a_close_frame_is_orderly_and_a_lost_connection_is_not),
        TEST(the_server_closes_after_what_it_said),
        TEST(a_client_that_never_reads_is_cut_off),
        TEST(many_messages_come_in_order),
        TEST(a_reader_behind_gets_everything_and_its_pongs),
        TEST(a_handler_can_send_to_a_socket),
        TEST(a_reply_that_is_held_goes_out_when_it_is_settled),
        TEST(held_replies_of_a_pipeline_keep_their_order),
        TEST(a_lost_reply_is_settled_and_cut),
        TEST(a_socket_can_be_cut),
        TEST(many_slow_clients_are_bounded_together),
        TEST(broken_frames_close_the_connection),
        cmocka_unit_test_setup(a_handler_can_stop_the_server_and_is_still_answered, setup),
        cmocka_unit_test_setup(stopping_with_everything_open_leaves_nothing, setup),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
