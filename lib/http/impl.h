/* impl.h - what server.c (listener), rest.c (libmicrohttpd) and socket.c (libwebsockets) share. */
#ifndef HTTP_IMPL_H
#define HTTP_IMPL_H

#include <libwebsockets.h>
#include <microhttpd.h>

#include "http/server.h"

/* A connection whose first head has not arrived, or one that was refused and whose rest is thrown away. */
struct newcomer {
    struct http_server *server;
    struct newcomer *next, **link;
    uv_poll_t poll;
    int64_t until_ms;
    ssize_t seen; /* bytes of the head so far */
    int fd;
};

/* A connection libmicrohttpd has, with the request it is in. Deadlines are ours, by phase: libmicrohttpd's
 * own timeout starts again with each byte that drips in. */
enum rest_phase { REST_IDLE, REST_HEAD, REST_BODY, REST_REPLY, REST_PHASES };

/* Waits (suspended) when there is nothing to send. */
struct http_stream {
    struct rest_connection *connection; /* NULL until its reply is queued, and when it is gone */
    void *user;
    char *out;
    size_t out_start, out_end, out_cap;
    bool ended, suspended;
};

struct rest_connection {
    struct http_server *server;
    struct rest_connection *next, **link;
    int fd;
    enum rest_phase phase;
    int64_t since_ms;
    struct MHD_Connection *mhd;
    struct http_stream *stream; /* of the reply that goes out */
    bool is_held, is_released;  /* held waits; libmicrohttpd has suspended the connection until it is released */
    struct http_response held;
    struct rest_connection *held_next;
    char *body;
    size_t body_size, body_cap, body_seen;
};

struct http_socket {
    struct http_server *server;
    struct http_socket *next, **link;
    struct http_socket *dirty_next; /* waits to be flushed in this turn */
    struct lws *wsi;
    void *user;
    bool established, dirty;
    bool closing;                   /* our close frame is the last in the queue */
    bool dead;                      /* cut off; on_close is to come */
    bool orderly;
    int64_t until_ms;               /* closing: cut off then */
    char *out;                      /* framed messages waiting: out[start..end) */
    size_t out_start, out_end, out_cap;
    size_t handed;                  /* most that libwebsockets can still hold of what it was given */
    char *in;                       /* fragments so far */
    size_t in_size, in_cap;
};

struct http_server {
    struct http_server_options o;
    uv_loop_t *loop;
    int fd, port;
    bool stopping;
    int64_t stop_until_ms;
    size_t newcomers_count, rest_count, sockets_count;
    size_t queued; /* bytes in all sockets' queues */
    uint64_t slow; /* sockets cut because they did not read */
    struct newcomer *newcomers;
    struct rest_connection *rest, *held;
    struct http_socket *sockets, *dirty;
    struct MHD_Daemon *mhd;
    struct lws_context *lws;
    uv_poll_t listen_poll, mhd_poll;
    uv_timer_t accept_timer, mhd_timer, sweep_timer, stop_timer;
    uv_idle_t flush_idle;
};

static inline int64_t server_now_ms(const struct http_server *s)
{
    return (int64_t)uv_now(s->loop);
}

/* Doubly linked by the address of the pointer before. */
#define LIST_ADD(head, item)                 \
    do {                                     \
        (item)->next = (head);               \
        (item)->link = &(head);              \
        if (head)                            \
            (head)->link = &(item)->next;    \
        (head) = (item);                     \
    } while (0)
#define LIST_REMOVE(item)                    \
    do {                                     \
        *(item)->link = (item)->next;        \
        if ((item)->next)                    \
            (item)->next->link = (item)->link; \
    } while (0)

/* server.c. Reads and forgets what still comes on a connection that was answered early, so that closing it
 * does not reset the answer away. fd is ours from here. */
void server_drain(struct http_server *s, int fd);

bool server_has_path(const struct http_server *s, const char *path, size_t size);

static inline void server_before_send(const struct http_server *s)
{
    if (s->o.before_send)
        s->o.before_send(s->o.ctx);
}

/* rest.c */
bool rest_start(struct http_server *s, struct err *err);
void rest_watch(struct http_server *s);  /* once the loop may be used */
void rest_adopt(struct http_server *s, int fd, const struct sockaddr *from, socklen_t size);
void rest_sweep(struct http_server *s);
void rest_stop(struct http_server *s);

/* socket.c */
bool socket_start(struct http_server *s, struct err *err);
void socket_adopt(struct http_server *s, int fd);
void socket_sweep(struct http_server *s);
void socket_flush_all(struct http_server *s);

#endif
