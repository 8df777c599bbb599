/* bench_api URL [PID] [DATABASE_PORT PASSWORD_FILE]
 *
 * Against a running bell-api on this machine: fills acknowledged after their commit per second, and what GET /positions
 * costs the server. Beside each a floor from the same run: the same rows straight into the same database, and a bare
 * libmicrohttpd handler that answers the same bytes. What is not given is found in /proc.
 *
 * Writes fills of accounts named BENCH...: not for a database that is kept. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/db/db.h"
#include "api/records.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/config.h"

enum { CONNECTIONS_MAX = 256, LATENCIES_MAX = 1000000, REPLY_MAX = 256 * 1024, REQUEST_MAX = 2048,
       FILLS_SECONDS = 5, FLOOR_SECONDS = 3, GETS = 30000 };

static void die(const char *what)
{
    fprintf(stderr, "bench_api: %s\n", what);
    exit(1);
}

/* ---- a client: requests on kept connections, one under way on each, on one thread */

struct connection {
    int fd;
    int64_t sent_ns;
    char *reply;
    size_t size, wanted; /* wanted: of head and body; 0 while the head is incomplete */
};

typedef int request_writer(void *ctx, char *out, size_t size); /* the next request */

struct load {
    struct sockaddr_in to;
    request_writer *next;
    void *ctx;
    int connections;
    int64_t requests_max, until_ns;  /* whichever is first; 0: none */
    int64_t requests, took_ns;
    int64_t *latencies;
    char *last;                      /* the last reply's body */
    size_t last_size;
};

static void send_next(struct load *l, struct connection *c)
{
    char request[REQUEST_MAX];
    int size = l->next(l->ctx, request, sizeof request);
    if (size <= 0 || size >= (int)sizeof request)
        die("request too long");
    c->size = c->wanted = 0;
    c->sent_ns = clock_mono_ns();
    if (send(c->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        die("the server hung up");
}

/* True when the reply is whole. */
static bool receive(struct connection *c)
{
    ssize_t got = recv(c->fd, c->reply + c->size, REPLY_MAX - 1 - c->size, 0);
    if (got <= 0)
        die(got ? strerror(errno) : "the server hung up instead of replying");
    c->size += (size_t)got;
    c->reply[c->size] = '\0';
    if (!c->wanted) {
        const char *end = strstr(c->reply, "\r\n\r\n"), *length = strcasestr(c->reply, "\r\nContent-Length:");
        if (!end || !length)
            return false;
        c->wanted = (size_t)(end + 4 - c->reply) + strtoul(length + 17, NULL, 10);
        if (strncmp(c->reply, "HTTP/1.1 200", 12) != 0) {
            fprintf(stderr, "%s\n", c->reply);
            die("a reply that is not 200");
        }
    }
    return c->size >= c->wanted;
}

static void finish(struct load *l, struct connection *c, int64_t now_ns)
{
    if (l->requests < LATENCIES_MAX)
        l->latencies[l->requests] = now_ns - c->sent_ns;
    l->requests++;
    const char *body = strstr(c->reply, "\r\n\r\n") + 4;
    free(l->last);
    l->last_size = c->wanted - (size_t)(body - c->reply);
    l->last = must_alloc(l->last_size + 1, 1);
    memcpy(l->last, body, l->last_size);
}

static void run_load(struct load *l)
{
    struct connection list[CONNECTIONS_MAX] = { 0 };
    int epoll = epoll_create1(0), open = 0, on = 1;
    int64_t began_ns = clock_mono_ns();
    l->latencies = must_alloc(LATENCIES_MAX, sizeof *l->latencies);
    for (int i = 0; i < l->connections; i++, open++) {
        list[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        list[i].reply = must_alloc(REPLY_MAX, 1);
        if (connect(list[i].fd, (struct sockaddr *)&l->to, sizeof l->to) != 0)
            die("cannot connect");
        setsockopt(list[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(epoll, EPOLL_CTL_ADD, list[i].fd, &(struct epoll_event){ EPOLLIN, { .ptr = &list[i] } });
        send_next(l, &list[i]);
    }
    int64_t begun = l->connections;
    while (open) {
        struct epoll_event events[CONNECTIONS_MAX];
        int count = epoll_wait(epoll, events, CONNECTIONS_MAX, 30000);
        if (count == 0)
            die("no reply within 30 s");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (!receive(c))
                continue;
            int64_t now_ns = clock_mono_ns();
            finish(l, c, now_ns);
            if ((l->requests_max && begun >= l->requests_max) || (l->until_ns && now_ns >= l->until_ns)) {
                close(c->fd);
                open--;
            } else {
                begun++;
                send_next(l, c);
            }
        }
    }
    l->took_ns = clock_mono_ns() - began_ns;
    for (int i = 0; i < l->connections; i++)
        free(list[i].reply);
    close(epoll);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double ms_at(const int64_t *sorted, int64_t count, double part)
{
    return (double)sorted[(int64_t)(part * (double)(count - 1))] / 1e6;
}

static void load_free(struct load *l)
{
    free(l->latencies);
    free(l->last);
}

/* ---- fills */

struct fills {
    const char *host;
    char account[32];
    int64_t n;
};

enum { ORDER_SHARES = 100 };

/* Each of one share: the n-th share of an order of a hundred. */
static int fill_request(void *ctx, char *out, size_t size)
{
    struct fills *f = ctx;
    char body[1200], at[TIME_TEXT_SIZE];
    int64_t order = f->n / ORDER_SHARES, filled = f->n % ORDER_SHARES + 1;
    time_format_us(INT64_C(1381152600000000000) + f->n++ * 1000000, at);
    int length = snprintf(body, sizeof body,
        "{\"account\":\"%s\",\"event_id\":\"01HXYZ0000000000000000%06" PRId64 "\",\"event\":\"%s\","
        "\"execution_id\":\"%08" PRId64 "-0000-4000-8000-%012" PRId64 "\",\"timestamp\":\"%s\","
        "\"order_id\":\"%08" PRId64 "-0000-4000-9000-000000000000\",\"client_order_id\":\"bell.bench.20131007.%" PRId64 "\","
        "\"symbol\":\"SPY\",\"side\":\"%s\",\"type\":\"market\",\"time_in_force\":\"day\",\"quantity\":\"100\","
        "\"filled_quantity\":\"%" PRId64 "\",\"average_price\":\"168.25\",\"limit_price\":null,\"status\":\"%s\","
        "\"submitted_at\":\"2013-10-07T13:30:00Z\",\"fill_quantity\":\"1\",\"fill_price\":\"168.25\",\"fee\":\"0\","
        "\"raw\":\"{\\\"event\\\":\\\"fill\\\",\\\"price\\\":\\\"168.25\\\",\\\"qty\\\":\\\"1\\\"}\"}",
        f->account, f->n % 1000000, filled == ORDER_SHARES ? "fill" : "partial_fill", order, filled, at, order, order + 1,
        order % 2 ? "sell" : "buy", filled, filled == ORDER_SHARES ? "filled" : "partially_filled");
    return snprintf(out, size, "POST /api/v1/order-events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                    "Content-Length: %d\r\n\r\n%s", f->host, length, body);
}

static double fills(const struct sockaddr_in *to, const char *host, int connections)
{
    struct fills f = { .host = host };
    snprintf(f.account, sizeof f.account, "BENCH%d-%" PRId64, connections, clock_utc_ns() / 1000000000);
    struct load l = { .to = *to, .next = fill_request, .ctx = &f, .connections = connections,
                      .until_ns = clock_mono_ns() + FILLS_SECONDS * INT64_C(1000000000) };
    run_load(&l);
    int64_t kept = l.requests < LATENCIES_MAX ? l.requests : LATENCIES_MAX;
    qsort(l.latencies, (size_t)kept, sizeof *l.latencies, by_size);
    double rate = (double)l.requests * 1e9 / (double)l.took_ns;
    printf("API fills acknowledged after commit, %3d connection%s: %.0f/s, p50 %.2f ms, p99 %.2f ms", connections,
           connections == 1 ? "" : "s", rate, ms_at(l.latencies, kept, 0.5), ms_at(l.latencies, kept, 0.99));
    load_free(&l);
    return rate;
}

/* The same rows in groups of as many as there were connections, straight to the database. */
static void floor_of_fills(const struct db_options *database, int group, double rate)
{
    struct err err;
    struct db *db = db_open(database, &err);
    static struct event rows[CONNECTIONS_MAX];
    struct db_insert inserts[CONNECTIONS_MAX];
    int64_t stored = 0, began_ns = clock_mono_ns(), until_ns = began_ns + FLOOR_SECONDS * INT64_C(1000000000);
    if (!db)
        die(err.text);
    while (clock_mono_ns() < until_ns) {
        for (int i = 0; i < group; i++, stored++) {
            struct event *e = &rows[i];
            table_init(&event_table, e);
            e->timestamp = INT64_C(1381152600000000000) + stored * 1000000;
            snprintf(e->account, sizeof e->account, "BENCHFLOOR%d", group);
            snprintf(e->execution_id, sizeof e->execution_id, "floor-%d-%" PRId64, getpid(), stored);
            e->event_key = stored;
            text_copy(e->event, sizeof e->event, "floor"); /* not a fill: a reader of the record must not take it for one */
            text_copy(e->order_id, sizeof e->order_id, e->execution_id);
            text_copy(e->client_order_id, sizeof e->client_order_id, "bell.bench.20131007.1");
            text_copy(e->strategy, sizeof e->strategy, "bench");
            text_copy(e->symbol, sizeof e->symbol, "SPY");
            text_copy(e->type, sizeof e->type, "market");
            text_copy(e->time_in_force, sizeof e->time_in_force, "day");
            e->quantity = 1;
            e->filled_quantity = 0;
            e->status = ORDER_NEW;
            e->submitted_at = e->timestamp;
            e->raw = "{\"event\":\"fill\",\"price\":\"168.25\",\"qty\":\"1\"}";
            inserts[i] = (struct db_insert){ &event_table, e };
        }
        if (db_insert(db, inserts, (size_t)group, &err) != DB_STORED)
            die(err.text);
    }
    double floor = (double)stored * 1e9 / (double)(clock_mono_ns() - began_ns);
    printf("; bare database, groups of %d: %.0f rows/s (%.0f %%)", group, floor, rate * 100 / floor);
    db_close(db);
}

/* ---- GET /positions */

static int get_request(void *ctx, char *out, size_t size)
{
    return snprintf(out, size, "GET /api/v1/positions HTTP/1.1\r\nHost: %s\r\n\r\n", (const char *)ctx);
}

static double cpu_seconds(pid_t pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    const char *after_name = strrchr(text, ')');
    if (!after_name || sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        die("no CPU time of the server in /proc");
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double us_per_get(const struct sockaddr_in *to, const char *host, pid_t pid, char **body, size_t *body_size)
{
    struct load l = { .to = *to, .next = get_request, .ctx = (void *)(uintptr_t)host, .connections = 8, .requests_max = GETS };
    double before = cpu_seconds(pid);
    run_load(&l);
    double us = (cpu_seconds(pid) - before) * 1e6 / (double)l.requests;
    if (body) {
        *body = l.last;
        *body_size = l.last_size;
        l.last = NULL;
    }
    load_free(&l);
    return us;
}

struct bytes {
    char *data;
    size_t size;
};

static enum MHD_Result answer_bytes(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                    const char *version, const char *data, size_t *data_size, void **state)
{
    struct bytes *b = ctx;
    (void)url, (void)method, (void)version, (void)data, (void)data_size;
    if (!*state) { /* only the head has come: answering now would end the connection */
        *state = b;
        return MHD_YES;
    }
    *state = NULL;
    struct MHD_Response *r = MHD_create_response_from_buffer(b->size, b->data, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, 200, r);
    MHD_destroy_response(r);
    return result;
}

/* In a process of its own, so that its CPU time can be told from the client's. */
static pid_t start_bare(struct bytes *b, uint16_t *port)
{
    int ends[2];
    if (pipe(ends) != 0)
        die(strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL,
                                                0, NULL, NULL, answer_bytes, b, MHD_OPTION_SOCK_ADDR, &any, MHD_OPTION_END);
        const union MHD_DaemonInfo *info = d ? MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT) : NULL;
        if (!info || write(ends[1], &info->port, sizeof info->port) != sizeof info->port)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], port, sizeof *port) != sizeof *port)
        die("the bare handler did not start");
    close(ends[0]);
    return pid;
}

static void gets(const struct sockaddr_in *to, const char *host, pid_t pid)
{
    struct bytes b;
    uint16_t port;
    double us = us_per_get(to, host, pid, &b.data, &b.size);
    pid_t bare = start_bare(&b, &port);
    struct sockaddr_in bare_to = *to;
    bare_to.sin_port = htons(port);
    double floor = us_per_get(&bare_to, host, bare, NULL, NULL);
    kill(bare, SIGKILL);
    waitpid(bare, NULL, 0);
    printf("API GET /positions (%zu bytes): %.1f us CPU a request; bare libmicrohttpd, same bytes, same mode: %.1f us (%.1f times)\n",
           b.size, us, floor, us / floor);
    free(b.data);
}

/* ---- finding the server */

static unsigned long inode_of_listener(unsigned port)
{
    char line[512];
    unsigned long inode = 0;
    FILE *file = fopen("/proc/net/tcp", "r");
    while (file && !inode && fgets(line, sizeof line, file)) {
        unsigned local, state;
        unsigned long found;
        if (sscanf(line, " %*d: %*8X:%4X %*8X:%*4X %2X %*s %*s %*s %*s %*s %lu", &local, &state, &found) == 3 &&
            local == port && state == 0x0a)
            inode = found;
    }
    if (file)
        fclose(file);
    return inode;
}

static bool holds(const char *pid, const char *socket_name)
{
    char path[300], target[64];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !found && (entry = readdir(folder)); ) {
        snprintf(path, sizeof path, "/proc/%s/fd/%.20s", pid, entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        found = strcmp(target, socket_name) == 0;
    }
    if (folder)
        closedir(folder);
    return found;
}

static pid_t find_server(unsigned port)
{
    char name[64];
    pid_t found = 0;
    snprintf(name, sizeof name, "socket:[%lu]", inode_of_listener(port));
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && !found && (entry = readdir(proc)); )
        if (isdigit((unsigned char)*entry->d_name) && holds(entry->d_name, name))
            found = (pid_t)atol(entry->d_name);
    if (proc)
        closedir(proc);
    return found;
}

/* What follows a flag on the server's command line, in out; false: not there. */
static bool server_flag(pid_t pid, const char *flag, char *out, size_t size)
{
    char path[64], words[8192];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(words, 1, sizeof words - 1, file) : 0;
    if (file)
        fclose(file);
    words[length] = '\0';
    for (const char *word = words; word < words + length; word += strlen(word) + 1)
        if (strcmp(word, flag) == 0 && word + strlen(word) + 1 < words + length)
            return text_copy(out, size, word + strlen(word) + 1);
    return false;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    char host[64], password_file[512], password[256], port_text[16];
    unsigned port;
    struct err err;
    if (argc < 2 || argc > 5 || argc == 4 || sscanf(argv[1], "http://%63[^:/]:%u", host, &port) != 2 ||
        inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &to.sin_addr) != 1) {
        fprintf(stderr, "usage: bench_api http://127.0.0.1:8080 [PID] [DATABASE_PORT PASSWORD_FILE]\n");
        return 2;
    }
    to.sin_port = htons((uint16_t)port);
    pid_t pid = argc > 2 ? (pid_t)atol(argv[2]) : find_server(port);
    if (!pid)
        die("no process of ours listens there");
    bool has_database = argc == 5 || (server_flag(pid, "--database-port", port_text, sizeof port_text) &&
                                      server_flag(pid, "--password-file", password_file, sizeof password_file));
    if (argc == 5 && (!text_copy(port_text, sizeof port_text, argv[3]) ||
                      !text_copy(password_file, sizeof password_file, argv[4])))
        die("an argument is too long");
    if (has_database && !secret_read(password_file, password, sizeof password, &err))
        die(err.text);
    const struct db_options database = { .host = "127.0.0.1", .user = "bell", .password = password,
                                         .port = has_database ? atol(port_text) : 0, .statement_timeout_ms = 10000,
                                         .silence_ms = 30000 };
    static const int widths[] = { 1, 32, 128 };
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        double rate = fills(&to, host, widths[i]);
        if (has_database)
            floor_of_fills(&database, widths[i], rate);
        printf("%s\n", has_database ? "" : "; no floor: the database is not known");
        fflush(stdout);
    }
    gets(&to, host, pid);
    return 0;
}
