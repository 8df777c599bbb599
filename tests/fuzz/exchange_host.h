/* exchange_host.h - the whole bell-exchange in process, without sockets: lib/http's place is taken by these functions, which
 * hand requests and messages to it and throw away what it sends. One exchange for each input, on a recorded market of two
 * symbols and an hour, in lockstep. */
#ifndef FUZZ_EXCHANGE_HOST_H
#define FUZZ_EXCHANGE_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/log.h"
#include "exchange/exchange.h"

struct http_socket {
    void *user;
    bool open;
    const char *path;
};
struct http_stream {
    void *user;
    struct http_stream *next;
};
enum { HOST_SOCKETS = 4 };
static struct http_server_options host_http;
static struct http_socket host_sockets[HOST_SOCKETS];
static struct http_stream *host_streams;
static char host_folder[64];

/* ---- lib/http */

static const char *host_field(const struct http_field *fields, size_t count, const char *name,
                              int (*compare)(const char *, const char *))
{
    for (size_t i = 0; i < count; i++)
        if (compare(fields[i].name, name) == 0)
            return fields[i].value;
    return NULL;
}

const char *http_header(const struct http_request *req, const char *name)
{
    return host_field(req->headers, req->headers_count, name, strcasecmp);
}

const char *http_query(const struct http_request *req, const char *name)
{
    return host_field(req->queries, req->queries_count, name, strcmp);
}

size_t http_queries(const struct http_request *req, struct http_field *out, size_t max)
{
    for (size_t i = 0; i < req->queries_count && i < max; i++)
        out[i] = req->queries[i];
    return req->queries_count;
}

void http_response_header(struct http_response *res, const char *name, const char *value)
{
    assert(res->headers_count < COUNT_OF(res->headers));
    if (text_copy(res->headers[res->headers_count].name, sizeof res->headers[0].name, name) &&
        text_copy(res->headers[res->headers_count].value, sizeof res->headers[0].value, value))
        res->headers_count++;
}

struct http_stream *http_response_stream(struct http_response *res, void *user)
{
    struct http_stream *t = res->stream = must_alloc(1, sizeof *t);
    t->user = user;
    t->next = host_streams;
    return host_streams = t;
}

static volatile unsigned host_seen; /* each byte sent must be there */

static void host_see(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        host_seen += ((const unsigned char *)data)[i];
}

void http_stream_send(struct http_stream *t, const void *data, size_t size)
{
    (void)t;
    host_see(data, size);
}

void http_stream_end(struct http_stream *t)
{
    (void)t;
}

void *http_stream_get(const struct http_stream *t)
{
    return t->user;
}

struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_options *options, struct err *err)
{
    static char server;
    (void)loop, (void)err;
    host_http = *options;
    return (struct http_server *)&server;
}

int http_server_port(const struct http_server *s)
{
    (void)s;
    return 1;
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    (void)s;
    *out = (struct http_stats){ 0 };
}

static void host_close(struct http_socket *s)
{
    if (!s->open)
        return;
    s->open = false;
    host_http.on_close(host_http.ctx, s, true);
}

void http_server_stop(struct http_server *s)
{
    (void)s;
    for (size_t i = 0; i < HOST_SOCKETS; i++)
        host_close(&host_sockets[i]);
    while (host_streams) {
        struct http_stream *t = host_streams;
        host_streams = t->next;
        if (host_http.on_stream_close)
            host_http.on_stream_close(host_http.ctx, t);
        free(t);
    }
}

void http_server_free(struct http_server *s)
{
    (void)s;
}

bool http_socket_header(const struct http_socket *s, const char *name, char *out, size_t size)
{
    (void)s, (void)name, (void)out, (void)size;
    return false;
}

void http_socket_send(struct http_socket *s, const void *data, size_t size, bool binary)
{
    (void)s, (void)binary;
    host_see(data, size);
}

void http_socket_close(struct http_socket *s, int code)
{
    (void)s, (void)code;
}

void http_socket_cut(struct http_socket *s)
{
    (void)s;
}

void http_socket_set(struct http_socket *s, void *user)
{
    s->user = user;
}

void *http_socket_get(const struct http_socket *s)
{
    return s->user;
}

/* ---- the market: an hour of two symbols */

static void host_remove(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/bars-1min.csv", host_folder);
    unlink(path);
    rmdir(host_folder);
}

static void host_market(void)
{
    char path[96];
    snprintf(host_folder, sizeof host_folder, "/tmp/fuzz-exchange-XXXXXX");
    if (!mkdtemp(host_folder))
        abort();
    atexit(host_remove);
    snprintf(path, sizeof path, "%s/bars-1min.csv", host_folder);
    FILE *f = fopen(path, "we");
    if (!f)
        abort();
    fputs("symbol,timestamp,open,high,low,close,volume\n", f);
    for (int i = 0; i < 60; i++)
        for (int k = 0; k < 2; k++)
            fprintf(f, "%s,2013-10-07T%02d:%02d:00Z,%d.00,%d.50,%d.00,%d.25,1000\n", k ? "IBM" : "SPY", 13 + (30 + i) / 60,
                    (30 + i) % 60, 100 + i % 7, 100 + i % 7, 99 + i % 7, 100 + i % 7);
    fclose(f);
}

/* ---- one exchange */

static void host_start(struct exchange *x)
{
    struct err err;
    if (!host_folder[0]) {
        host_market();
        log_start("fuzz", LOG_LEVEL_ERROR);
    }
    *x = (struct exchange){ .settings = { .speed = "lockstep", .cash = 100000 * USD, .host = "127.0.0.1",
                                          .from = "2013-10-07T13:29:00Z", .allow_faults = true } };
    text_copy(x->settings.bars, sizeof x->settings.bars, host_folder);
    uv_loop_init(&x->loop);
    if (!exchange_start(x, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

static void host_stop(struct exchange *x)
{
    if (!venue_is_consistent(x->venue))
        abort();
    exchange_stop(x);
    uv_run(&x->loop, UV_RUN_DEFAULT);
    exchange_free(x);
    if (uv_loop_close(&x->loop) != 0)
        abort();
}

/* The market goes on by some events. */
static void host_go_on(struct exchange *x, int events)
{
    for (int i = 0; i < events && feed_next_ns(x->feed) != INT64_MAX; i++)
        exchange_instant(x, feed_next_ns(x->feed));
}

static void host_open(struct exchange *x, int i, const char *path, const char *type)
{
    host_close(&host_sockets[i]);
    host_sockets[i] = (struct http_socket){ .path = path };
    host_sockets[i].open = host_http.on_open(host_http.ctx, &host_sockets[i], path, type);
    (void)x;
}

/* The answer must be one, and JSON where it says so. */
static void host_request(struct exchange *x, struct http_request *req)
{
    struct http_response res = { .status = 0 };
    struct err err;
    (void)x;
    host_http.on_request(host_http.ctx, req, &res);
    if (res.status < 200 || res.status > 599)
        abort();
    if (res.body && !res.content_type && res.body_size < 65536) { /* the calendar of forty years is read often enough */
        json_t *body = json_read(res.body, res.body_size, &err);
        if (!body)
            abort();
        json_decref(body);
    }
    host_see(res.body ? res.body : "", res.body_size);
    free(res.body);
}

#endif
