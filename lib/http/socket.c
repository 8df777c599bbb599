#include "http/impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/base.h"
#include "core/log.h"

enum {
    CLOSE_MS = 5000,          /* for the queue and the close frame to get out */
    CHUNK = 64 * 1024,        /* whole messages handed over at a time */
    BUFFER_KEPT = 256 * 1024, /* a larger buffer is given back when it is empty */
    FRAME_HEAD = 10,
};

/* ---- sending. Messages are framed here, so that many leave in one write: a server's frame is 2 to 10 bytes
 * before the data. libwebsockets itself frames only pongs and answers to a close, which come between ours.
 * Our own close frame is one of the queue: Debian's libwebsockets, built for debugging, cuts off on libuv
 * instead of sending the one asked for by lws_close_reason. */

enum opcode { OPCODE_TEXT = 1, OPCODE_BINARY = 2, OPCODE_CLOSE = 8 };

static size_t frame_head(unsigned char *to, enum opcode opcode, size_t size)
{
    to[0] = (unsigned char)(0x80 | opcode);
    if (size < 126) {
        to[1] = (unsigned char)size;
        return 2;
    }
    int bytes = size < 65536 ? 2 : 8;
    to[1] = bytes == 2 ? 126 : 127;
    for (int i = 0; i < bytes; i++)
        to[2 + i] = (unsigned char)((uint64_t)size >> (8 * (bytes - 1 - i)));
    return 2 + (size_t)bytes;
}

static size_t frame_size(const unsigned char *frame)
{
    int bytes = frame[1] < 126 ? 0 : frame[1] == 126 ? 2 : 8;
    uint64_t size = bytes ? 0 : frame[1];
    for (int i = 0; i < bytes; i++)
        size = size << 8 | frame[2 + i];
    return 2 + (size_t)bytes + (size_t)size;
}

/* With a reset, so that the kernel forgets what the peer never read. libwebsockets sees the end and closes;
 * its own timeouts do not fire in time when they are set from outside its callbacks. */
static void cut(struct http_socket *s)
{
    struct linger reset = { .l_onoff = 1 };
    s->dead = true;
    setsockopt(lws_get_socket_fd(s->wsi), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    shutdown(lws_get_socket_fd(s->wsi), SHUT_RDWR);
}

static void flush(struct http_socket *s)
{
    if (s->out_start < s->out_end)
        server_before_send(s->server);
    while (!s->dead && s->out_start < s->out_end && !lws_partial_buffered(s->wsi)) {
        unsigned char *from = (unsigned char *)s->out + s->out_start;
        size_t size = frame_size(from);
        while (s->out_start + size < s->out_end && size < CHUNK)
            size += frame_size(from + size);
        /* LWS_WRITE_HTTP: as it is, on a WebSocket too. What the socket does not take at once is copied. */
        if (lws_write(s->wsi, from, size, LWS_WRITE_HTTP) < 0)
            cut(s);
        s->out_start += size;
        s->server->queued -= size;
        s->handed = size;
    }
    if (s->dead)
        return;
    if (s->out_start == s->out_end) {
        s->out_start = s->out_end = 0;
        if (s->out_cap > BUFFER_KEPT) {
            free(s->out);
            s->out = NULL;
            s->out_cap = 0;
        }
    }
    if (s->out_start < s->out_end)
        lws_callback_on_writable(s->wsi);
}

void socket_flush_all(struct http_server *server)
{
    while (server->dirty) {
        struct http_socket *s = server->dirty;
        server->dirty = s->dirty_next;
        s->dirty = false;
        flush(s);
    }
    uv_idle_stop(&server->flush_idle);
}

static void on_idle(uv_idle_t *idle)
{
    socket_flush_all(idle->data);
}

/* An idle handle, not a prepare: while it is active the loop does not wait, whoever sends. */
static void mark_dirty(struct http_socket *s)
{
    if (s->dirty || !s->established)
        return;
    s->dirty = true;
    s->dirty_next = s->server->dirty;
    s->server->dirty = s;
    uv_idle_start(&s->server->flush_idle, on_idle);
}

static void queue(struct http_socket *s, enum opcode opcode, const void *data, size_t size)
{
    size_t waiting = s->out_end - s->out_start;
    if (s->out_end + size + FRAME_HEAD > s->out_cap && s->out_start > 0) {
        memmove(s->out, s->out + s->out_start, waiting);
        s->out_start = 0;
        s->out_end = waiting;
    }
    if (s->out_end + size + FRAME_HEAD > s->out_cap) {
        size_t cap = s->out_cap ? s->out_cap : 4096;
        while (cap < s->out_end + size + FRAME_HEAD)
            cap *= 2;
        s->out = must_realloc(s->out, cap, 1);
        s->out_cap = cap;
    }
    size_t before = s->out_end;
    s->out_end += frame_head((unsigned char *)s->out + s->out_end, opcode, size);
    if (size)
        memcpy(s->out + s->out_end, data, size);
    s->out_end += size;
    s->server->queued += s->out_end - before;
    mark_dirty(s);
}

/* Many that are slow, each within its own bound: who is farthest behind goes. */
static void cut_longest(struct http_server *server)
{
    struct http_socket *longest = NULL;
    for (struct http_socket *s = server->sockets; s; s = s->next)
        if (!longest || s->out_end - s->out_start > longest->out_end - longest->out_start)
            longest = s;
    if (!longest)
        return;
    log_warn("http_clients_too_slow", KV_INT("queued_bytes", server->queued), KV_INT("longest_bytes", longest->out_end - longest->out_start));
    server->queued -= longest->out_end - longest->out_start;
    longest->out_start = longest->out_end = 0;
    server->slow++;
    http_socket_cut(longest);
}

void http_socket_send(struct http_socket *s, const void *data, size_t size, bool binary)
{
    if (s->dead || s->closing)
        return;
    size_t waiting = s->out_end - s->out_start;
    size_t handed = s->established && lws_partial_buffered(s->wsi) ? s->handed : 0;
    if (waiting + handed + size + FRAME_HEAD > s->server->o.queue_max) {
        log_warn("http_client_too_slow", KV_INT("queued_bytes", waiting + handed), KV_INT("message_bytes", size));
        s->server->slow++;
        cut(s);
        return;
    }
    if (s->server->queued + size > s->server->o.queues_max)
        cut_longest(s->server);
    if (!s->dead)
        queue(s, binary ? OPCODE_BINARY : OPCODE_TEXT, data, size);
}

void http_socket_close(struct http_socket *s, int code)
{
    if (s->dead || s->closing)
        return;
    s->closing = s->orderly = true;
    s->until_ms = server_now_ms(s->server) + CLOSE_MS;
    queue(s, OPCODE_CLOSE, (const unsigned char[]){ (unsigned char)(code >> 8), (unsigned char)code }, 2);
}

void http_socket_cut(struct http_socket *s)
{
    if (!s->dead)
        cut(s);
}

void http_socket_set(struct http_socket *s, void *user)
{
    s->user = user;
}

void *http_socket_get(const struct http_socket *s)
{
    return s->user;
}

void socket_sweep(struct http_server *server)
{
    int64_t now = server_now_ms(server);
    for (struct http_socket *s = server->sockets; s; s = s->next)
        if (s->closing && !s->dead && now > s->until_ms)
            cut(s);
}

/* ---- receiving */

bool http_socket_header(const struct http_socket *s, const char *name, char *out, size_t size)
{
    char wanted[65]; /* as libwebsockets keeps it: in lower case, with its colon */
    size_t n = 0;
    for (; name[n] && n < sizeof wanted - 1; n++)
        wanted[n] = (char)tolower((unsigned char)name[n]);
    wanted[n++] = ':';
    int has = lws_hdr_custom_length(s->wsi, wanted, (int)n);
    if (has < 0 || (size_t)has >= size)
        return false;
    out[0] = '\0';
    return has == 0 || lws_hdr_custom_copy(s->wsi, out, (int)size, wanted, (int)n) >= 0;
}

static void receive(struct http_socket *s, const char *data, size_t size)
{
    const struct http_server_options *o = &s->server->o;
    bool binary = lws_frame_is_binary(s->wsi) != 0;
    bool whole = lws_is_final_fragment(s->wsi) && lws_remaining_packet_payload(s->wsi) == 0;
    if (s->dead || s->closing)
        return;
    if (s->in_size + size > o->message_max) {
        http_socket_close(s, 1009);
        return;
    }
    if (whole && s->in_size == 0) {
        o->on_message(o->ctx, s, size ? data : "", size, binary);
        return;
    }
    if (s->in_size + size > s->in_cap) {
        size_t cap = s->in_cap ? s->in_cap : 4096;
        while (cap < s->in_size + size)
            cap *= 2;
        s->in = must_realloc(s->in, cap, 1);
        s->in_cap = cap;
    }
    if (size)
        memcpy(s->in + s->in_size, data, size);
    s->in_size += size;
    if (!whole)
        return;
    size_t all = s->in_size;
    s->in_size = 0;
    o->on_message(o->ctx, s, s->in, all, binary);
    if (s->in_cap > BUFFER_KEPT) {
        free(s->in);
        s->in = NULL;
        s->in_cap = 0;
    }
}

static int refuse(struct lws *wsi, unsigned status)
{
    lws_return_http_status(wsi, status, NULL);
    return -1;
}

static int open_socket(struct http_server *server, struct lws *wsi, const char *upgrade)
{
    char path[128], type[128];
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) < 0 || strcasecmp(upgrade, "websocket") != 0)
        return refuse(wsi, HTTP_STATUS_BAD_REQUEST);
    /* libwebsockets would close these without a word. */
    if (lws_hdr_total_length(wsi, WSI_TOKEN_KEY) == 0 || lws_hdr_total_length(wsi, WSI_TOKEN_CONNECTION) == 0 ||
        lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) > 0)
        return refuse(wsi, HTTP_STATUS_BAD_REQUEST);
    if (!server_has_path(server, path, strlen(path)))
        return refuse(wsi, HTTP_STATUS_NOT_FOUND);
    if (lws_hdr_copy(wsi, type, sizeof type, WSI_TOKEN_HTTP_CONTENT_TYPE) < 0)
        type[0] = '\0';

    struct http_socket *s = must_alloc(1, sizeof *s);
    s->server = server;
    s->wsi = wsi;
    if (!server->o.on_open(server->o.ctx, s, path, type)) {
        server->queued -= s->out_end - s->out_start;
        free(s->out);
        free(s);
        return refuse(wsi, HTTP_STATUS_FORBIDDEN);
    }
    LIST_ADD(server->sockets, s);
    lws_set_opaque_user_data(wsi, s);
    return s->dead ? -1 : 0;
}

static void forget(struct lws *wsi)
{
    struct http_socket *s = lws_get_opaque_user_data(wsi);
    if (!s)
        return;
    lws_set_opaque_user_data(wsi, NULL);
    for (struct http_socket **at = &s->server->dirty; s->dirty && *at; at = &(*at)->dirty_next)
        if (*at == s) {
            *at = s->dirty_next;
            break;
        }
    LIST_REMOVE(s);
    s->server->queued -= s->out_end - s->out_start;
    s->dead = true; /* what on_close still sends goes nowhere */
    s->server->o.on_close(s->server->o.ctx, s, s->orderly);
    free(s->out);
    free(s->in);
    free(s);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t size)
{
    (void)user;
    struct lws_context *context = lws_get_context(wsi);
    struct http_server *server = context ? lws_context_user(context) : NULL;
    struct http_socket *s = wsi ? lws_get_opaque_user_data(wsi) : NULL;

    switch ((int)why) {
    case LWS_CALLBACK_WSI_CREATE:
        server->sockets_count++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        server->sockets_count--;
        forget(wsi);
        return 0;
    case LWS_CALLBACK_HTTP: /* it does not take the head for an upgrade after all */
        return refuse(wsi, HTTP_STATUS_BAD_REQUEST);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return open_socket(server, wsi, in);
    case LWS_CALLBACK_ESTABLISHED:
        s->established = true;
        flush(s);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        receive(s, in, size);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        flush(s);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: /* answered for us, unless it is the answer to ours */
        s->orderly = s->dead = true;
        return s->closing ? -1 : 0;
    case LWS_CALLBACK_CLOSED:
        forget(wsi);
        return 0;
    default:
        return 0;
    }
}

/* ---- life */

static const struct lws_protocols protocols[] = {
    /* tx_packet_size only bounds one send(); without it that is rx_buffer_size */
    { .name = "", .callback = on_event, .rx_buffer_size = 4096, .tx_packet_size = 16 * 1024 * 1024 },
    { .name = NULL },
};

static void on_log(int level, const char *line)
{
    char text[300];
    (void)level;
    snprintf(text, sizeof text, "%s", line);
    text[strcspn(text, "\n")] = '\0';
    log_warn("websocket_complained", KV_TEXT("text", text));
}

bool socket_start(struct http_server *s, struct err *err)
{
    void *loops[1] = { s->loop };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER, .protocols = protocols, .user = s,
        .options = LWS_SERVER_OPTION_LIBUV, .foreign_loops = loops, .gid = -1, .uid = -1,
        .timeout_secs = 5, .max_http_header_data = 16384,
    };
    lws_set_log_level(LLL_ERR, on_log);
    s->lws = lws_create_context(&info);
    return s->lws ? true : err_set(err, ERR_INTERNAL, "libwebsockets could not be started on libuv: "
                                   "is the package libwebsockets-evlib-uv installed?");
}

void socket_adopt(struct http_server *s, int fd)
{
    if (!lws_adopt_socket(s->lws, fd)) /* it closes fd */
        log_warn("http_connection_refused", KV_INT("connections", s->sockets_count));
}
