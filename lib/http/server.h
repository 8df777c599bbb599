/* server.h - REST and WebSockets on one port, on one libuv loop, on one thread.
 *
 * Its own listener peeks at a connection's head: a WebSocket upgrade goes to libwebsockets, everything
 * else to libmicrohttpd (libwebsockets 4.1.6 must not parse REST: one pipelined POST stops it for good).
 *
 * REST: the handler gets a whole request (body at most body_max, 413 before it is read otherwise) and
 * answers at once by filling the response. Two different Content-Lengths, or one with chunked, are refused
 * with 400. WebSockets: messages are whole (fragments collected, at most message_max, 1009 beyond);
 * sending queues, bounded by queue_max bytes: over it the connection is closed as a slow client. A peer whose host is
 * gone is noticed within two minutes (TCP keep-alive).
 *
 * What is sent from any callback of the loop leaves before the loop waits again. http_server_new ignores SIGPIPE.
 *
 * Threads: the loop's. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <uv.h>

#include "core/err.h"

struct http_server;
struct http_socket; /* one WebSocket connection */

struct http_field {
    const char *name, *value;
};
struct http_request {
    const char *method, *path;                        /* path percent-decoded, without the query */
    const char *body;                                 /* NUL-terminated; "" when empty */
    size_t body_size;
    void *impl;                                       /* NULL: made by hand (a journal, a test), of the following */
    const struct http_field *headers, *queries;
    size_t headers_count, queries_count;
};
/* NULL when absent. Header names without regard to case. */
const char *http_header(const struct http_request *req, const char *name);
const char *http_query(const struct http_request *req, const char *name);
/* All of the query, at most max; how many there are. */
size_t http_queries(const struct http_request *req, struct http_field *out, size_t max);

struct http_stream; /* a reply that goes on (server-sent events) */

struct http_response {
    unsigned status;
    char *body;                /* malloc'd, or NULL; freed by the server */
    size_t body_size;
    const char *content_type;  /* static; NULL: application/json; charset=UTF-8 */
    struct http_stream *stream; /* http_response_stream's */
    bool hold;                 /* it goes out after before_send, together with the others of this turn */
    bool lose;                 /* the connection is cut instead */
    struct { char name[32], value[256]; } headers[8];
    size_t headers_count;
};
void http_response_header(struct http_response *res, const char *name, const char *value);

/* Makes the reply one that goes on: it has no length and ends with http_stream_end, or when the client is gone
 * or has not read queue_max bytes or for idle_ms. on_stream_close tells the last; only then the stream is
 * freed. A client that vanishes is noticed when something is sent to it. */
struct http_stream *http_response_stream(struct http_response *res, void *user);
void http_stream_send(struct http_stream *t, const void *data, size_t size);
void http_stream_end(struct http_stream *t); /* after what was sent */
void *http_stream_get(const struct http_stream *t);

struct http_server_options {
    const char *host;          /* "127.0.0.1" */
    int port;                  /* 0: any; http_server_port tells */
    size_t body_max, message_max, queue_max; /* 0: 1 MiB, 1 MiB, 8 MiB */
    size_t queues_max;         /* of all sockets together; the longest is cut off beyond. 0: 256 MiB */
    size_t connections_max;    /* 0: 1000; one more is answered 503 and closed */
    int head_ms, body_ms, idle_ms; /* 0: 5 s for a head, 30 s for a body, 75 s idle or for a reply to be read */
    const char *const *socket_paths;         /* NULL-terminated: "/stream", "/v2/iex"; lent for good */
    void *ctx;
    /* May be NULL. Before a body is read (never without one): true refuses, res is the answer (401). */
    bool (*on_head)(void *ctx, const struct http_request *req, struct http_response *res);
    /* May be NULL. Before replies that are held and anything sent to a socket or a stream leave: what they tell of can
     * be made durable, once for all of them. */
    void (*before_send)(void *ctx);
    void (*on_request)(void *ctx, const struct http_request *req, struct http_response *res);
    /* Sockets. Headers can be read only in on_open (content type picks the encoding). Returning false refuses. */
    bool (*on_open)(void *ctx, struct http_socket *s, const char *path, const char *content_type);
    void (*on_message)(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary);
    void (*on_close)(void *ctx, struct http_socket *s, bool orderly); /* s is gone after */
    void (*on_stream_close)(void *ctx, struct http_stream *t);        /* t is gone after; may be NULL */
};

/* NULL: err says it in a sentence ("port 8081 is in use: ..."). */
struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_options *options, struct err *err);
int http_server_port(const struct http_server *s);
struct http_stats {
    size_t rest, sockets; /* connections */
    size_t queued;        /* bytes waiting for sockets' readers */
    uint64_t slow;        /* sockets cut because they did not read, so far */
};
void http_server_stats(const struct http_server *s, struct http_stats *out);
/* Closes everything; run the loop until empty, then http_server_free. */
void http_server_stop(struct http_server *s);
void http_server_free(struct http_server *s);

/* In on_open. false: absent, or it does not fit. Name without regard to case, below 64 bytes; not for headers
 * that HTTP itself knows. */
bool http_socket_header(const struct http_socket *s, const char *name, char *out, size_t size);
void http_socket_send(struct http_socket *s, const void *data, size_t size, bool binary);
/* At once and without a word: what is queued is lost. */
void http_socket_cut(struct http_socket *s);
/* Sends what is queued, then a close frame. */
void http_socket_close(struct http_socket *s, int code);
void http_socket_set(struct http_socket *s, void *user);
void *http_socket_get(const struct http_socket *s);

#endif
