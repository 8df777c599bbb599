#include "http/server.h"
#include "http/impl.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base.h"
#include "core/log.h"

enum { HEAD_MAX = 16 * 1024, DRAIN_MS = 2000, STOP_MS = 1000 };

bool server_has_path(const struct http_server *s, const char *path, size_t size)
{
    for (const char *const *p = s->o.socket_paths; p && *p; p++)
        if (strlen(*p) == size && memcmp(*p, path, size) == 0)
            return true;
    return false;
}

/* ---- newcomers */

static void on_freed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The descriptor leaves this loop's epoll at once, so another library may add it. Returns it. */
static int newcomer_leave(struct newcomer *n)
{
    int fd = n->fd;
    uv_poll_stop(&n->poll);
    LIST_REMOVE(n);
    n->server->newcomers_count--;
    uv_close((uv_handle_t *)&n->poll, on_freed);
    return fd;
}

static void newcomer_new(struct http_server *s, int fd, int ms, uv_poll_cb on_readable)
{
    struct newcomer *n = must_alloc(1, sizeof *n);
    n->server = s;
    n->fd = fd;
    n->until_ms = server_now_ms(s) + ms;
    n->poll.data = n;
    if (uv_poll_init(s->loop, &n->poll, fd) != 0) {
        close(fd);
        free(n);
        return;
    }
    LIST_ADD(s->newcomers, n);
    s->newcomers_count++;
    uv_poll_start(&n->poll, UV_READABLE, on_readable);
}

static void on_drain(uv_poll_t *poll, int status, int events)
{
    (void)events;
    char waste[16 * 1024];
    struct newcomer *n = poll->data;
    ssize_t got = status < 0 ? 0 : recv(n->fd, waste, sizeof waste, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close(newcomer_leave(n));
}

void server_drain(struct http_server *s, int fd)
{
    if (fd >= 0)
        newcomer_new(s, fd, DRAIN_MS, on_drain);
}

/* The last words to a connection no library has. */
static void dismiss(struct newcomer *n, const char *status)
{
    char text[160];
    int size = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status);
    int fd = newcomer_leave(n);
    (void)!send(fd, text, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static bool is_upgrade(const struct http_server *s, const char *head)
{
    if (strncmp(head, "GET ", 4) != 0 || !server_has_path(s, head + 4, strcspn(head + 4, " ?\r\n")))
        return false;
    const char *at = strcasestr(head, "\nupgrade:");
    if (!at)
        return false;
    at += strlen("\nupgrade:");
    at += strspn(at, " \t");
    return strncasecmp(at, "websocket", 9) == 0;
}

static void on_head(uv_poll_t *poll, int status, int events)
{
    (void)events;
    char head[HEAD_MAX + 1];
    struct newcomer *n = poll->data;
    struct http_server *s = n->server;
    ssize_t size = status < 0 ? 0 : recv(n->fd, head, HEAD_MAX, MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= n->seen) { /* woken with nothing new: the peer has gone */
        close(newcomer_leave(n));
        return;
    }
    head[size] = '\0';
    char *end = memmem(head, (size_t)size, "\r\n\r\n", 4);
    if (!end && size < HEAD_MAX) { /* look again when there is more */
        int low = (int)size + 1;
        n->seen = size;
        setsockopt(n->fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
        return;
    }
    if (end)
        *end = '\0';
    int low = 1, fd = newcomer_leave(n);
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
    if (end && is_upgrade(s, head)) {
        socket_adopt(s, fd);
    } else {
        struct sockaddr_storage from = { .ss_family = AF_INET };
        socklen_t from_size = sizeof from;
        getpeername(fd, (struct sockaddr *)&from, &from_size);
        rest_adopt(s, fd, (struct sockaddr *)&from, from_size);
    }
}

/* ---- the listener */

static void on_accept(uv_poll_t *poll, int status, int events);

static void on_accept_again(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    uv_poll_start(&s->listen_poll, UV_READABLE, on_accept);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct http_server *s = poll->data;
    int fd;
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ 60 }, sizeof(int));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){ 15 }, sizeof(int));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){ 4 }, sizeof(int));
        newcomer_new(s, fd, s->o.head_ms, on_head);
        if (s->newcomers_count + s->rest_count + s->sockets_count > s->o.connections_max) {
            log_warn("http_connection_refused", KV_INT("connections", s->o.connections_max));
            dismiss(s->newcomers, "503 Service Unavailable");
        }
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) { /* out of descriptors: do not spin */
        log_error("http_accept_failed", KV_TEXT("reason", strerror(errno)));
        uv_poll_stop(&s->listen_poll);
        uv_timer_start(&s->accept_timer, on_accept_again, 100, 0);
    }
}

static bool open_listener(struct http_server *s, struct err *err)
{
    bool ok = false;
    const char *host = s->o.host ? s->o.host : "127.0.0.1";
    int fd = -1, yes = 1;
    char port[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *at = NULL;
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;

    snprintf(port, sizeof port, "%d", s->o.port);
    int failed = getaddrinfo(host, port, &hints, &at);
    if (failed) {
        err_set(err, ERR_INPUT, "cannot listen on host \"%s\": %s", host, gai_strerror(failed));
        goto done;
    }
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        err_set(err, ERR_IO, "cannot open a socket: %s", strerror(errno));
        goto done;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, 511) != 0) {
        if (errno == EADDRINUSE)
            err_set(err, ERR_CONFLICT,
                    "port %d is in use: another program listens on %s:%d; stop it or choose another port", s->o.port,
                    host, s->o.port);
        else
            err_set(err, ERR_IO, "cannot listen on %s:%d: %s", host, s->o.port, strerror(errno));
        goto done;
    }
    getsockname(fd, (struct sockaddr *)&bound, &size);
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
    s->fd = fd;
    fd = -1;
    ok = true;
done:
    if (at)
        freeaddrinfo(at);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* ---- life */

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    int64_t now = server_now_ms(s);
    for (struct newcomer *n = s->newcomers, *next; n; n = next) {
        next = n->next;
        if (now < n->until_ms)
            continue;
        if (n->seen > 0)
            dismiss(n, "408 Request Timeout");
        else
            close(newcomer_leave(n));
    }
    rest_sweep(s);
    socket_sweep(s);
}

static int or_default(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

static size_t or_default_size(size_t value, size_t otherwise)
{
    return value > 0 ? value : otherwise;
}

struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_options *options, struct err *err)
{
    signal(SIGPIPE, SIG_IGN);
    struct http_server *s = must_alloc(1, sizeof *s);
    s->loop = loop;
    s->fd = -1;
    s->o = *options;
    s->o.body_max = or_default_size(options->body_max, 1 << 20);
    s->o.message_max = or_default_size(options->message_max, 1 << 20);
    s->o.queue_max = or_default_size(options->queue_max, 8 << 20);
    s->o.queues_max = or_default_size(options->queues_max, 256 << 20);
    s->o.connections_max = or_default_size(options->connections_max, 1000);
    s->o.head_ms = or_default(options->head_ms, 5000);
    s->o.body_ms = or_default(options->body_ms, 30000);
    s->o.idle_ms = or_default(options->idle_ms, 75000);

    /* Nothing touches the loop before the last thing that can fail. */
    if (!open_listener(s, err) || !rest_start(s, err) || !socket_start(s, err)) {
        if (s->mhd)
            MHD_stop_daemon(s->mhd);
        if (s->fd >= 0)
            close(s->fd);
        free(s);
        return NULL;
    }
    int sweep_ms = s->o.head_ms < 4000 ? s->o.head_ms / 4 + 1 : 1000;
    uv_timer_init(loop, &s->accept_timer);
    uv_timer_init(loop, &s->sweep_timer);
    uv_timer_init(loop, &s->stop_timer);
    uv_idle_init(loop, &s->flush_idle);
    uv_poll_init(loop, &s->listen_poll, s->fd);
    s->accept_timer.data = s->sweep_timer.data = s->stop_timer.data = s->flush_idle.data = s->listen_poll.data = s;
    uv_timer_start(&s->sweep_timer, on_sweep, (uint64_t)sweep_ms, (uint64_t)sweep_ms);
    rest_watch(s);
    uv_poll_start(&s->listen_poll, UV_READABLE, on_accept);
    return s;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    *out = (struct http_stats){ s->rest_count, s->sockets_count, s->queued, s->slow };
}

/* A turn after http_server_stop, which may have been called by a handler: replies go out, sockets get their
 * close frames and a moment to answer. */
static void on_stop(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    if (s->mhd)
        rest_stop(s);
    while (s->newcomers)
        close(newcomer_leave(s->newcomers));
    if (s->sockets_count > 0 && server_now_ms(s) < s->stop_until_ms) {
        uv_timer_start(timer, on_stop, 5, 0);
        return;
    }
    lws_context_destroy(s->lws); /* the second time, in http_server_free, it goes */
    uv_close((uv_handle_t *)&s->sweep_timer, NULL);
    uv_close((uv_handle_t *)&s->flush_idle, NULL);
    uv_close((uv_handle_t *)&s->stop_timer, NULL);
}

void http_server_stop(struct http_server *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->stop_until_ms = server_now_ms(s) + STOP_MS;
    uv_close((uv_handle_t *)&s->listen_poll, NULL);
    uv_close((uv_handle_t *)&s->accept_timer, NULL);
    close(s->fd);
    for (struct http_socket *c = s->sockets; c; c = c->next)
        http_socket_close(c, 1001);
    uv_timer_start(&s->stop_timer, on_stop, 0, 0);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    lws_context_destroy(s->lws);
    free(s);
}
