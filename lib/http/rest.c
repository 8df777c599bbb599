#include "http/impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base.h"
#include "core/log.h"

enum { BODY_KEPT = 64 * 1024 }; /* a larger buffer is given back after its request */

static void on_timer(uv_timer_t *timer);

static void release(struct http_server *s)
{
    while (s->held) {
        struct rest_connection *c = s->held;
        s->held = c->held_next;
        c->is_released = true;
        MHD_resume_connection(c->mhd);
    }
}

static void turn(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms;
    s->resumed = false;
    MHD_run(s->mhd);
    if (s->held) {
        server_before_send(s);
        release(s);
        MHD_run(s->mhd); /* what it still holds then waits for the next turn, so that all have one */
    }
    if (s->held || s->resumed)
        uv_timer_start(&s->mhd_timer, on_timer, 0, 0);
    else if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
        uv_timer_start(&s->mhd_timer, on_timer, ms, 0);
    else
        uv_timer_stop(&s->mhd_timer);
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    turn(poll->data);
}

static void enter(struct rest_connection *c, enum rest_phase phase)
{
    c->phase = phase;
    c->since_ms = server_now_ms(c->server);
}

/* ---- requests */

static const char *field(const struct http_field *fields, size_t count, const char *name,
                         int (*compare)(const char *, const char *))
{
    for (size_t i = 0; i < count; i++)
        if (compare(fields[i].name, name) == 0)
            return fields[i].value ? fields[i].value : "";
    return NULL;
}

const char *http_header(const struct http_request *req, const char *name)
{
    if (!req->impl)
        return field(req->headers, req->headers_count, name, strcasecmp);
    return MHD_lookup_connection_value(req->impl, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *req, const char *name)
{
    const char *value = NULL;
    if (!req->impl)
        return field(req->queries, req->queries_count, name, strcmp);
    if (MHD_lookup_connection_value_n(req->impl, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) != MHD_YES)
        return NULL;
    return value ? value : "";
}

struct fields {
    struct http_field *out;
    size_t count, max;
};

static enum MHD_Result see_query(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct fields *f = ctx;
    if (f->count < f->max)
        f->out[f->count] = (struct http_field){ name, value ? value : "" };
    f->count++;
    return MHD_YES;
}

size_t http_queries(const struct http_request *req, struct http_field *out, size_t max)
{
    struct fields f = { .out = out, .max = max };
    if (req->impl)
        MHD_get_connection_values(req->impl, MHD_GET_ARGUMENT_KIND, see_query, &f);
    for (size_t i = 0; !req->impl && i < req->queries_count; i++)
        see_query(&f, MHD_GET_ARGUMENT_KIND, req->queries[i].name, req->queries[i].value);
    return f.count;
}

void http_response_header(struct http_response *res, const char *name, const char *value)
{
    assert(res->headers_count < COUNT_OF(res->headers));
    if (text_copy(res->headers[res->headers_count].name, sizeof res->headers[0].name, name) &&
        text_copy(res->headers[res->headers_count].value, sizeof res->headers[0].value, value))
        res->headers_count++;
    else
        log_error("http_header_dropped", KV_TEXT("name", name));
}

/* ---- replies that go on */

struct http_stream *http_response_stream(struct http_response *res, void *user)
{
    assert(!res->stream && !res->body);
    res->stream = must_alloc(1, sizeof *res->stream);
    res->stream->user = user;
    return res->stream;
}

void *http_stream_get(const struct http_stream *t)
{
    return t->user;
}

static void wake(struct http_stream *t)
{
    if (!t->suspended)
        return;
    struct http_server *s = t->connection->server;
    t->suspended = false;
    t->connection->since_ms = server_now_ms(s);
    MHD_resume_connection(t->connection->mhd);
    s->resumed = true; /* without a listening socket libmicrohttpd's descriptor does not tell of it */
    uv_timer_start(&s->mhd_timer, on_timer, 0, 0);
}

void http_stream_send(struct http_stream *t, const void *data, size_t size)
{
    if (t->ended)
        return;
    if (t->out_start && t->out_start == t->out_end)
        t->out_start = t->out_end = 0;
    if (t->connection && t->out_end - t->out_start + size > t->connection->server->o.queue_max) {
        log_warn("http_slow_reader", KV_INT("bytes", t->out_end - t->out_start));
        t->ended = true;
        shutdown(t->connection->fd, SHUT_RDWR);
        wake(t);
        return;
    }
    if (t->out_end + size > t->out_cap && t->out_start) {
        memmove(t->out, t->out + t->out_start, t->out_end - t->out_start);
        t->out_end -= t->out_start;
        t->out_start = 0;
    }
    if (t->out_end + size > t->out_cap) {
        t->out_cap = (t->out_end + size) * 2;
        t->out = must_realloc(t->out, t->out_cap, 1);
    }
    memcpy(t->out + t->out_end, data, size);
    t->out_end += size;
    wake(t);
}

void http_stream_end(struct http_stream *t)
{
    t->ended = true;
    wake(t);
}

static ssize_t read_stream(void *ctx, uint64_t position, char *out, size_t max)
{
    (void)position;
    struct http_stream *t = ctx;
    size_t have = t->out_end - t->out_start, n = have < max ? have : max;
    if (n == 0 && t->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        t->suspended = true;
        MHD_suspend_connection(t->connection->mhd);
        return 0;
    }
    server_before_send(t->connection->server);
    t->connection->since_ms = server_now_ms(t->connection->server);
    memcpy(out, t->out + t->out_start, n);
    t->out_start += n;
    return (ssize_t)n;
}

static void stream_gone(struct http_server *s, struct http_stream *t)
{
    if (s->o.on_stream_close)
        s->o.on_stream_close(s->o.ctx, t);
    free(t->out);
    free(t);
}

static struct MHD_Response *make_response(struct http_response *res)
{
    if (res->stream)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, res->stream, NULL);
    return res->body ? MHD_create_response_from_buffer(res->body_size, res->body, MHD_RESPMEM_MUST_FREE)
                     : MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
}

/* A reply nobody gets. */
static void discard(struct http_server *s, struct http_response *res)
{
    if (res->stream)
        stream_gone(s, res->stream);
    free(res->body);
}

static enum MHD_Result reply(struct rest_connection *c, struct MHD_Connection *connection, struct http_response *res)
{
    if (res->status < 200 || res->status > 599) {
        log_error("http_status_refused", KV_INT("status", res->status));
        res->status = 500;
    }
    struct MHD_Response *r = make_response(res);
    if (!r) {
        discard(c->server, res);
        return MHD_NO;
    }
    if (res->stream) {
        c->mhd = connection;
        c->stream = res->stream;
        c->stream->connection = c;
    }
    if (res->body || res->content_type)
        MHD_add_response_header(r, "Content-Type",
                                res->content_type ? res->content_type : "application/json; charset=UTF-8");
    for (size_t i = 0; i < res->headers_count; i++)
        if (MHD_add_response_header(r, res->headers[i].name, res->headers[i].value) != MHD_YES)
            log_error("http_header_dropped", KV_TEXT("name", res->headers[i].name));
    enum MHD_Result queued = MHD_queue_response(connection, res->status, r);
    MHD_destroy_response(r);
    return queued;
}

/* Answers before the body: libmicrohttpd then reads nothing more and closes. */
static enum MHD_Result refuse(struct rest_connection *c, struct MHD_Connection *connection, struct http_response *res)
{
    enter(c, REST_REPLY);
    server_drain(c->server, dup(c->fd));
    return reply(c, connection, res);
}

static enum MHD_Result refuse_text(struct rest_connection *c, struct MHD_Connection *connection, unsigned status,
                                   const char *title, const char *detail)
{
    char text[512];
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"message\":\"%s\",\"detail\":\"%s\"}",
                     title, status, detail, detail);
    struct http_response res = {
        .status = status, .body = must_strdup(text), .body_size = (size_t)n,
        .content_type = "application/problem+json; charset=UTF-8",
    };
    return refuse(c, connection, &res);
}

/* What tells where a body ends. libmicrohttpd takes the first Content-Length and forgets the others. */
struct framing {
    const char *length;
    size_t encodings;
    bool conflict, chunked;
};

static enum MHD_Result see_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct framing *f = ctx;
    if (strcasecmp(name, "Content-Length") == 0) {
        f->conflict |= !value || (f->length && strcmp(f->length, value) != 0);
        f->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->encodings++;
        f->chunked = value && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

/* The head is here, no byte of the body asked for yet. */
static enum MHD_Result begin(struct rest_connection *c, struct MHD_Connection *connection,
                             const struct http_request *req)
{
    const struct http_server *s = c->server;
    struct framing f = { .length = NULL };
    enter(c, REST_BODY);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &f);
    if (f.conflict || (f.encodings && (f.length || f.encodings > 1 || !f.chunked)))
        return refuse_text(c, connection, 400, "Bad Request",
                           "Content-Length and Transfer-Encoding contradict each other.");
    if (f.length && strtoull(f.length, NULL, 10) > s->o.body_max) {
        char detail[80];
        snprintf(detail, sizeof detail, "The body may have at most %zu bytes.", s->o.body_max);
        return refuse_text(c, connection, 413, "Content Too Large", detail);
    }
    struct http_response res = { .status = 0 };
    bool has_body = f.encodings || (f.length && strtoull(f.length, NULL, 10) > 0);
    if (has_body && s->o.on_head && s->o.on_head(s->o.ctx, req, &res))
        return refuse(c, connection, &res);
    return MHD_YES;
}

static enum MHD_Result collect(struct rest_connection *c, const char *data, size_t size)
{
    size_t max = c->server->o.body_max;
    c->body_seen += size;
    if (c->body_seen > max) /* chunked: it could not be told before. A refusal can be sent only after the end */
        return c->body_seen > 8 * max ? MHD_NO : MHD_YES;
    if (c->body_size + size + 1 > c->body_cap) {
        size_t cap = c->body_cap ? c->body_cap * 2 : 2048;
        while (cap < c->body_size + size + 1)
            cap *= 2;
        c->body = must_realloc(c->body, cap, 1);
        c->body_cap = cap;
    }
    memcpy(c->body + c->body_size, data, size);
    c->body_size += size;
    return MHD_YES;
}

static enum MHD_Result finish(struct rest_connection *c, struct MHD_Connection *connection, struct http_request *req)
{
    struct http_server *s = c->server;
    struct http_response res = { .status = 0 };
    enter(c, REST_REPLY);
    if (c->body_seen > s->o.body_max) {
        static const char text[] = "{\"type\":\"about:blank\",\"title\":\"Content Too Large\",\"status\":413,"
                                   "\"message\":\"The body is too large.\",\"detail\":\"The body is too large.\"}";
        res = (struct http_response){ .status = 413, .body = must_strdup(text), .body_size = sizeof text - 1,
                                      .content_type = "application/problem+json; charset=UTF-8" };
        http_response_header(&res, "Connection", "close");
        return reply(c, connection, &res);
    }
    if (c->body_size) {
        c->body[c->body_size] = '\0';
        req->body = c->body;
        req->body_size = c->body_size;
    }
    s->o.on_request(s->o.ctx, req, &res);
    if (res.lose) {
        server_before_send(s);
        discard(s, &res);
        return MHD_NO;
    }
    if (!res.hold)
        return reply(c, connection, &res);
    c->held = res;
    c->is_held = true;
    c->mhd = connection;
    c->held_next = c->server->held;
    c->server->held = c;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **request)
{
    (void)ctx, (void)version;
    struct rest_connection *c = *request;
    struct http_request req = { .method = method, .path = url, .body = "", .impl = connection };
    if (c->is_held) {
        if (c->is_released) {
            c->is_held = c->is_released = false;
            return reply(c, connection, &c->held);
        }
        return MHD_YES;
    }
    if (c->phase == REST_HEAD)
        return begin(c, connection, &req);
    if (*size > 0) {
        enum MHD_Result taken = collect(c, data, *size);
        *size = 0;
        return taken;
    }
    return finish(c, connection, &req);
}

/* The request line is here. What it returns is the request's *request. */
static void *on_request_line(void *ctx, const char *uri, struct MHD_Connection *connection)
{
    (void)ctx, (void)uri;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct rest_connection *c = info->socket_context;
    enter(c, REST_HEAD);
    return c;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx, (void)connection, (void)code;
    struct rest_connection *c = *request;
    if (!c)
        return;
    if (c->stream)
        stream_gone(c->server, c->stream);
    c->stream = NULL;
    if (c->body_cap > BODY_KEPT) {
        free(c->body);
        c->body = NULL;
        c->body_cap = 0;
    }
    c->body_size = c->body_seen = 0;
    enter(c, REST_IDLE);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = ctx;
    struct rest_connection *c = *own;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        c = must_alloc(1, sizeof *c);
        c->server = s;
        c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        LIST_ADD(s->rest, c);
        s->rest_count++;
        enter(c, REST_IDLE);
        *own = c;
    } else if (c) {
        LIST_REMOVE(c);
        s->rest_count--;
        if (c->stream)
            stream_gone(s, c->stream);
        if (c->is_held)
            discard(s, &c->held);
        free(c->body);
        free(c);
        *own = NULL;
    }
}

/* As libmicrohttpd's own, but %00 and what is no escape stay as they are: a path never ends early. */
static size_t unescape(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx, (void)connection;
    char *to = text;
    for (const char *from = text; *from; from++) {
        char hex[3] = { from[0] == '%' ? from[1] : '\0', '\0', '\0' };
        if (hex[0])
            hex[1] = from[2];
        if (isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]) && strcmp(hex, "00") != 0) {
            *to++ = (char)strtol(hex, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

static void on_log(void *ctx, const char *fmt, va_list args)
{
    (void)ctx;
    char text[300];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http_complained", KV_TEXT("text", text));
}

/* ---- life */

bool rest_start(struct http_server *s, struct err *err)
{
    s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, s,
                              MHD_OPTION_EXTERNAL_LOGGER, on_log, s,
                              MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->o.connections_max + 16,
                              MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s,
                              MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                              MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
                              MHD_OPTION_UNESCAPE_CALLBACK, unescape, s, MHD_OPTION_END);
    return s->mhd ? true : err_set(err, ERR_INTERNAL, "libmicrohttpd could not be started");
}

void rest_watch(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    uv_timer_init(s->loop, &s->mhd_timer);
    uv_poll_init(s->loop, &s->mhd_poll, info->epoll_fd);
    s->mhd_timer.data = s->mhd_poll.data = s;
    uv_poll_start(&s->mhd_poll, UV_READABLE, on_readable);
}

void rest_adopt(struct http_server *s, int fd, const struct sockaddr *from, socklen_t size)
{
    /* On failure it closes fd. */
    if (MHD_add_connection(s->mhd, fd, from, size) != MHD_YES)
        log_warn("http_connection_refused", KV_INT("connections", s->rest_count));
    turn(s);
}

void rest_sweep(struct http_server *s)
{
    const int64_t most_ms[REST_PHASES] = {
        [REST_IDLE] = s->o.idle_ms, [REST_HEAD] = s->o.head_ms,
        [REST_BODY] = s->o.body_ms, [REST_REPLY] = s->o.idle_ms,
    };
    int64_t now = server_now_ms(s);
    for (struct rest_connection *c = s->rest; c; c = c->next)
        if (now - c->since_ms > most_ms[c->phase] && !(c->stream && c->stream->suspended))
            shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
}

void rest_stop(struct http_server *s)
{
    uv_close((uv_handle_t *)&s->mhd_poll, NULL); /* before its descriptor goes */
    for (struct rest_connection *c = s->rest; c; c = c->next)
        if (c->stream)
            http_stream_end(c->stream);
    server_before_send(s);
    release(s);
    MHD_run(s->mhd); /* it must not be stopped while a reply waits */
    MHD_stop_daemon(s->mhd);
    s->mhd = NULL;
    uv_close((uv_handle_t *)&s->mhd_timer, NULL);
}
