/* Any bytes to a whole server, in one or two pieces: as they are, behind the head of a POST, or behind an upgrade
 * (as WebSocket frames). Whatever comes, every socket that was opened is closed, and the next connection is served. */
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "core/base.h"
#include "core/log.h"
#include "http/server.h"

static const char *const heads[] = {
    "",
    "POST /a?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"),
    "GET /stream HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
};

static uv_loop_t loop;
static struct http_server *server;
static int sockets, requests;

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    (void)ctx;
    requests++;
    assert(req->body[req->body_size] == '\0');
    (void)http_header(req, "host");
    (void)http_query(req, "q");
    res->status = 200;
    res->body = must_strdup(req->path);
    res->body_size = strlen(req->path);
}

static bool on_open(void *ctx, struct http_socket *s, const char *path, const char *type)
{
    (void)ctx, (void)path, (void)type;
    http_socket_send(s, "hello", 5, false);
    sockets++;
    return true;
}

static void on_message(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary)
{
    (void)ctx;
    if (size == 3)
        http_socket_close(s, 1000);
    http_socket_send(s, data, size, binary);
}

static void on_close(void *ctx, struct http_socket *s, bool orderly)
{
    (void)ctx, (void)s, (void)orderly;
    sockets--;
}

static void start(void)
{
    static const char *const paths[] = { "/stream", NULL };
    struct http_server_options o = { .host = "127.0.0.1", .socket_paths = paths, .body_max = 1000, .message_max = 1000,
                                     .queue_max = 4000, .on_request = on_request, .on_open = on_open,
                                     .on_message = on_message, .on_close = on_close };
    struct err err;
    log_start("fuzz", LOG_LEVEL_ERROR + 1);
    uv_loop_init(&loop);
    server = http_server_new(&loop, &o, &err);
    if (!server)
        abort();
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)http_server_port(server)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct linger reset = { .l_onoff = 1 }; /* no port is left waiting */
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        abort();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

static void turn(int times)
{
    while (times-- > 0)
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* A busy machine may deliver late. */
static void run_until(const int *what, int value)
{
    for (int i = 0; i < 5000 && *what != value; i++) {
        turn(1);
        if (i > 100)
            usleep(1000);
    }
    assert(*what == value);
}

static void put(int fd, const void *data, size_t size)
{
    if (size > 0)
        (void)!send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char waste[4096];
    if (!server)
        start();
    if (size < 2)
        return 0;
    const char *head = heads[data[0] % COUNT_OF(heads)];
    size_t first = data[1] % size;
    data += 2;
    size -= 2;
    first = first < size ? first : size;

    int fd = dial();
    put(fd, head, strlen(head));
    put(fd, data, first);
    turn(4);
    put(fd, data + first, size - first);
    turn(4);
    while (recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
        turn(1);
    close(fd);
    run_until(&sockets, 0);

    int seen = requests;
    fd = dial();
    put(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    run_until(&requests, seen + 1);
    close(fd);
    turn(2);
    return 0;
}
