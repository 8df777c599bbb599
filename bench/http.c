/* bench_http [FOLDER] - what lib/http costs beside a bare libmicrohttpd handler, and a journal's commit beside a bare
 * write and fdatasync (in FOLDER, default the current one). Servers are children of ours, so that their CPU
 * time is known; the load is made here. Best of a few rounds, which take turns. */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/journal.h"
#include "core/log.h"
#include "http/server.h"

enum { CONNECTIONS = 32, REQUESTS = 40000, ROUNDS = 3, ROUND_TRIPS = 5000, COMMITS = 200, RECORD = 300 };

static char answer[400];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_http: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- servers. Each tells its port through the pipe and runs until it is killed. */

static void tell(int pipe_fd, int port)
{
    if (write(pipe_fd, &port, sizeof port) != sizeof port)
        die("pipe");
    close(pipe_fd);
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    (void)ctx, (void)req;
    res->status = 200;
    res->body = malloc(sizeof answer);
    memcpy(res->body, answer, sizeof answer);
    res->body_size = sizeof answer;
}

static bool on_open(void *ctx, struct http_socket *s, const char *path, const char *type)
{
    (void)ctx, (void)s, (void)path, (void)type;
    return true;
}

static void on_message(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary)
{
    (void)ctx;
    http_socket_send(s, data, size, binary);
}

static void on_close(void *ctx, struct http_socket *s, bool orderly)
{
    (void)ctx, (void)s, (void)orderly;
}

static void serve_ours(int pipe_fd)
{
    static const char *const paths[] = { "/stream", NULL };
    uv_loop_t loop;
    struct err err;
    uv_loop_init(&loop);
    struct http_server_options o = { .host = "127.0.0.1", .socket_paths = paths, .on_request = on_request,
                                     .on_open = on_open, .on_message = on_message, .on_close = on_close };
    struct http_server *s = http_server_new(&loop, &o, &err);
    if (!s) {
        fprintf(stderr, "bench_http: %s\n", err.text);
        exit(1);
    }
    tell(pipe_fd, http_server_port(s));
    uv_run(&loop, UV_RUN_DEFAULT);
}

static enum MHD_Result on_bare(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **request)
{
    (void)ctx, (void)url, (void)method, (void)version, (void)data;
    static int seen;
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    }
    if (*size) {
        *size = 0;
        return MHD_YES;
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(sizeof answer, answer, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "Content-Type", "application/json; charset=UTF-8");
    enum MHD_Result queued = MHD_queue_response(c, 200, r);
    MHD_destroy_response(r);
    return queued;
}

static void serve_bare(int pipe_fd)
{
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_bare, NULL, MHD_OPTION_END);
    if (!d)
        die("libmicrohttpd");
    tell(pipe_fd, MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    for (;;)
        pause();
}

/* The floor of a round trip: one connection, one thread, echoed as it comes. */
static void serve_echo(int pipe_fd)
{
    char data[4096];
    ssize_t n;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        die("echo");
    tell(pipe_fd, ntohs(at.sin_port));
    int fd = accept(listener, NULL, NULL), epoll = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    while (epoll_wait(epoll, &e, 1, -1) == 1 && (n = recv(fd, data, sizeof data, 0)) > 0)
        if (send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    exit(0);
}

struct server {
    pid_t pid;
    int port;
    clockid_t cpu;
};

static struct server start(void (*serve)(int pipe_fd))
{
    int ends[2];
    struct server s = { .port = 0 };
    if (pipe(ends) != 0 || (s.pid = fork()) < 0)
        die("fork");
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        serve(ends[1]);
        exit(0);
    }
    close(ends[1]);
    if (read(ends[0], &s.port, sizeof s.port) != sizeof s.port || clock_getcpuclockid(s.pid, &s.cpu) != 0)
        die("a server did not start");
    close(ends[0]);
    return s;
}

static void stop(const struct server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

/* ---- requests per second */

struct figures {
    double per_second, cpu_us;
};

static int64_t cpu_ns(const struct server *s)
{
    struct timespec t;
    if (clock_gettime(s->cpu, &t) != 0)
        die("CPU clock");
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Every reply of a server has the same size: the first tells it. */
static size_t reply_size(int fd, const char *request)
{
    char text[4096];
    size_t have = 0;
    if (send(fd, request, strlen(request), 0) != (ssize_t)strlen(request))
        die("send");
    for (;;) {
        ssize_t n = recv(fd, text + have, sizeof text - 1 - have, 0);
        if (n <= 0)
            die("no reply");
        have += (size_t)n;
        text[have] = '\0';
        char *end = strstr(text, "\r\n\r\n");
        if (end && have == (size_t)(end - text) + 4 + sizeof answer)
            return have;
    }
}

static struct figures load(const struct server *s, const char *request)
{
    int fds[CONNECTIONS], epoll = epoll_create1(0), sent = 0, done = 0;
    size_t got[CONNECTIONS] = { 0 }, size = 0, request_size = strlen(request);
    char text[16384];
    for (int i = 0; i < CONNECTIONS; i++) {
        struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
        fds[i] = dial(s->port);
        size = reply_size(fds[i], request);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e);
    }
    int64_t start = clock_mono_ns(), cpu = cpu_ns(s);
    for (; sent < CONNECTIONS; sent++)
        if (send(fds[sent], request, request_size, 0) != (ssize_t)request_size)
            die("send");
    while (done < REQUESTS) {
        struct epoll_event e[CONNECTIONS];
        int n = epoll_wait(epoll, e, CONNECTIONS, 5000);
        if (n <= 0)
            die("no reply");
        for (int i = 0; i < n; i++) {
            uint32_t c = e[i].data.u32;
            ssize_t more = recv(fds[c], text, sizeof text, 0);
            if (more <= 0)
                die("no reply");
            got[c] += (size_t)more;
            if (got[c] < size)
                continue;
            got[c] = 0;
            done++;
            if (sent < REQUESTS && ++sent)
                if (send(fds[c], request, request_size, 0) != (ssize_t)request_size)
                    die("send");
        }
    }
    struct figures f = { .per_second = REQUESTS / ((double)(clock_mono_ns() - start) / 1e9),
                         .cpu_us = (double)(cpu_ns(s) - cpu) / 1e3 / REQUESTS };
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    close(epoll);
    return f;
}

static void better(struct figures *best, struct figures f)
{
    if (f.per_second > best->per_second)
        best->per_second = f.per_second;
    if (best->cpu_us == 0 || f.cpu_us < best->cpu_us)
        best->cpu_us = f.cpu_us;
}

static void bench_requests(const char *name, const char *request)
{
    struct figures ours = { .cpu_us = 0 }, bare = { .cpu_us = 0 };
    struct server a = start(serve_ours), b = start(serve_bare);
    for (int i = 0; i < ROUNDS; i++) {
        better(&ours, load(&a, request));
        better(&bare, load(&b, request));
    }
    stop(&a);
    stop(&b);
    printf("http %s, %d connections: %.0f requests/s (bare libmicrohttpd: %.0f requests/s)\n", name, CONNECTIONS,
           ours.per_second, bare.per_second);
    printf("http %s, server's CPU: %.2f us/request (bare libmicrohttpd: %.2f us/request)\n", name, ours.cpu_us, bare.cpu_us);
}

/* ---- round trips */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double p50_us(int64_t *ns, int count)
{
    qsort(ns, (size_t)count, sizeof *ns, by_size);
    return (double)ns[count / 2] / 1e3;
}

static double round_trips(int fd, const void *data, size_t size, size_t back)
{
    static int64_t ns[ROUND_TRIPS];
    char text[256];
    for (int i = 0; i < ROUND_TRIPS; i++) {
        int64_t start = clock_mono_ns();
        if (send(fd, data, size, 0) != (ssize_t)size || recv(fd, text, back, MSG_WAITALL) != (ssize_t)back)
            die("no echo");
        ns[i] = clock_mono_ns() - start;
    }
    return p50_us(ns, ROUND_TRIPS);
}

static void bench_round_trip(void)
{
    static const char upgrade[] = "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    unsigned char frame[106] = { 0x81, 0x80 | 100 }; /* 100 bytes under a mask of zeros */
    char text[1024];
    size_t have = 0;
    struct server a = start(serve_ours), b = start(serve_echo);
    int ours = dial(a.port), echo = dial(b.port);
    memset(frame + 6, 'x', 100);
    if (send(ours, upgrade, sizeof upgrade - 1, 0) < 0)
        die("send");
    while (have < 4 || memcmp(text + have - 4, "\r\n\r\n", 4) != 0)
        if (have == sizeof text || recv(ours, text + have++, 1, 0) != 1)
            die("no upgrade");
    double best_ours = 1e9, best_echo = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double x = round_trips(ours, frame, sizeof frame, 102), y = round_trips(echo, frame, sizeof frame, sizeof frame);
        best_ours = x < best_ours ? x : best_ours;
        best_echo = y < best_echo ? y : best_echo;
    }
    close(ours);
    close(echo);
    stop(&a);
    stop(&b);
    printf("WebSocket round trip, 100 bytes, p50: %.1f us (TCP echo: %.1f us)\n", best_ours, best_echo);
}

/* ---- commits */

static void on_commit(void *ctx, bool ok)
{
    if (!ok)
        die("commit");
    *(bool *)ctx = true;
}

static double journal_p50(const char *path)
{
    static int64_t ns[COMMITS];
    char record[RECORD];
    struct err err;
    uv_loop_t loop;
    uv_loop_init(&loop);
    memset(record, 'x', sizeof record);
    struct journal *j = journal_open(path, NULL, NULL, &err);
    if (!j) {
        fprintf(stderr, "bench_http: %s\n", err.text);
        exit(1);
    }
    for (int i = 0; i < COMMITS; i++) {
        bool done = false;
        int64_t start = clock_mono_ns();
        if (!journal_append(j, record, sizeof record, &err))
            die("append");
        journal_commit(j, &loop, on_commit, &done);
        while (!done)
            uv_run(&loop, UV_RUN_ONCE);
        ns[i] = clock_mono_ns() - start;
    }
    journal_close(j);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return p50_us(ns, COMMITS);
}

static double bare_p50(const char *path)
{
    static int64_t ns[COMMITS];
    char record[RECORD];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0)
        die(path);
    memset(record, 'x', sizeof record);
    for (int i = 0; i < COMMITS; i++) {
        int64_t start = clock_mono_ns();
        if (write(fd, record, sizeof record) != RECORD || fdatasync(fd) != 0)
            die("write");
        ns[i] = clock_mono_ns() - start;
    }
    close(fd);
    return p50_us(ns, COMMITS);
}

static void bench_journal(const char *folder)
{
    char place[400], path[500];
    double best_journal = 1e9, best_bare = 1e9;
    snprintf(place, sizeof place, "%s/bench-http-XXXXXX", folder);
    if (!mkdtemp(place))
        die(place);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(path, sizeof path, "%s/journal", place);
        double x = journal_p50(path);
        unlink(path);
        snprintf(path, sizeof path, "%s/bare", place);
        double y = bare_p50(path);
        unlink(path);
        best_journal = x < best_journal ? x : best_journal;
        best_bare = y < best_bare ? y : best_bare;
    }
    rmdir(place);
    printf("journal, a record of %d bytes made durable, p50: %.0f us (write and fdatasync: %.0f us)\n", RECORD,
           best_journal, best_bare);
}

int main(int argc, char **argv)
{
    char post[700];
    signal(SIGPIPE, SIG_IGN);
    log_start("bench", LOG_LEVEL_ERROR);
    setvbuf(stdout, NULL, _IOLBF, 0);
    memset(answer, 'x', sizeof answer);
    snprintf(post, sizeof post, "POST /v2/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
             "Content-Length: 300\r\n\r\n%0300d", 0);
    bench_requests("GET", "GET /v2/clock HTTP/1.1\r\nHost: 127.0.0.1\r\nAPCA-API-KEY-ID: demo\r\n"
                   "APCA-API-SECRET-KEY: demo\r\nAccept: */*\r\n\r\n");
    bench_requests("POST", post);
    bench_round_trip();
    bench_journal(argc > 1 ? argv[1] : ".");
    return 0;
}
