#include "alpaca/rest.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/curl_loop.h"

enum { BODY_MAX = 64 << 20, URL_SIZE = 512 };

struct call {
    struct alpaca_rest *rest;
    struct call *next;
    CURL *easy;              /* NULL while it waits */
    char *method, *url, *body;
    alpaca_rest_done *done;
    void *ctx;
    char *text;              /* what came, NUL-terminated */
    size_t size;
    int64_t reset_s, retry_s; /* X-RateLimit-Reset, Retry-After; -1 */
    struct curl_slist *headers;
    char request_id[80], error[CURL_ERROR_SIZE]; /* request_id: ours, until the reply names another */
};

struct alpaca_rest {
    struct curl_loop *curl;
    char url[URL_SIZE];
    bool is_private;         /* loopback: never by way of a proxy */
    long timeout_ms;
    size_t calls_max, running_count, waiting_count;
    struct curl_slist *headers, *body_headers;
    struct call *running, *waiting, **waiting_end;
};

/* ---- one call */

static size_t on_body(char *data, size_t one, size_t size, void *ctx)
{
    struct call *c = ctx;

    (void)one;
    if (size > BODY_MAX - c->size)
        return 0; /* curl ends the transfer: outcome unknown */
    c->text = must_realloc(c->text, c->size + size + 1, 1);
    memcpy(c->text + c->size, data, size);
    c->size += size;
    c->text[c->size] = '\0';
    return size;
}

/* The value when the line is this header, trimmed into out. */
static bool header_value(const char *line, size_t size, const char *name, char *out, size_t out_size)
{
    size_t n = strlen(name), end = size;

    if (size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    for (n++; n < size && (line[n] == ' ' || line[n] == '\t');)
        n++;
    while (end > n && strchr("\r\n \t", line[end - 1]))
        end--;
    snprintf(out, out_size, "%.*s", (int)(end - n), line + n);
    return true;
}

static size_t on_header(char *line, size_t one, size_t size, void *ctx)
{
    struct call *c = ctx;
    char value[80];

    (void)one;
    if (header_value(line, size, "X-RateLimit-Reset", value, sizeof value))
        c->reset_s = strtoll(value, NULL, 10);
    else if (header_value(line, size, "Retry-After", value, sizeof value) && value[0] >= '0' && value[0] <= '9')
        c->retry_s = strtoll(value, NULL, 10);
    else
        header_value(line, size, "X-Request-ID", c->request_id, sizeof c->request_id);
    return size;
}

static void call_free(struct call *c)
{
    if (c->easy)
        curl_easy_cleanup(c->easy);
    curl_header_free(c->headers);
    free(c->method);
    free(c->url);
    free(c->body);
    free(c->text);
    free(c);
}

static void call_start(struct alpaca_rest *r, struct call *c)
{
    bool is_get = !strcmp(c->method, "GET");
    CURL *e = curl_easy_init();

    if (!e)
        abort(); /* out of memory, as must_alloc */
    c->easy = e;
    c->next = r->running;
    r->running = c;
    r->running_count++;
    curl_easy_setopt(e, CURLOPT_URL, c->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    uuid_v4(c->request_id);
    c->headers = curl_header_before("X-Request-ID", c->request_id, c->body ? r->body_headers : r->headers);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "closing-bell/" BELL_VERSION);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, r->timeout_ms);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    if (r->is_private)
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    if (c->body)
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body);
    if (!is_get) {
        /* On a kept connection that died curl would send it a second time by itself. */
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method);
        if (!c->body && !strcmp(c->method, "POST"))
            curl_easy_setopt(e, CURLOPT_POSTFIELDS, "");
    }
    curl_loop_add(r->curl, e);
}

static void start_waiting(struct alpaca_rest *r)
{
    while (r->waiting && r->running_count < r->calls_max) {
        struct call *c = r->waiting;
        if (!(r->waiting = c->next))
            r->waiting_end = &r->waiting;
        r->waiting_count--;
        call_start(r, c);
    }
}

static void call_tell(struct call *c, CURLcode result)
{
    struct alpaca_reply reply = { .text = c->text ? c->text : "", .size = c->size, .message = "",
                                  .retry_after_ms = -1, .request_id = c->request_id };

    if (result == CURLE_OK)
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &reply.status);
    if (reply.status == 0) {
        reply.text = c->error[0] ? c->error : curl_easy_strerror(result);
        reply.size = strlen(reply.text);
    } else if (c->size) {
        reply.body = json_loadb(c->text, c->size, 0, NULL);
    }
    if (reply.body) {
        const char *message = json_string_value(json_object_get(reply.body, "message"));
        reply.message = message ? message : "";
        reply.code = json_integer_value(json_object_get(reply.body, "code"));
    }
    if (reply.status == 429 && c->reset_s > 0) {
        int64_t ms = c->reset_s * 1000 - clock_utc_ns() / 1000000;
        reply.retry_after_ms = ms > 0 ? ms : 0;
    } else if (reply.status == 429 && c->retry_s >= 0) {
        reply.retry_after_ms = c->retry_s * 1000;
    }
    c->done(c->ctx, &reply);
    json_decref(reply.body);
}

static void on_finished(void *ctx, CURL *easy, CURLcode result)
{
    struct alpaca_rest *r = ctx;
    struct call *c, **at = &r->running;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    r->running_count--;
    start_waiting(r);
    call_tell(c, result); /* may free r: its memory stays until the loop turns */
    call_free(c);
}

/* ---- the client */

static bool is_private_host(const char *host)
{
    struct in_addr v4;
    uint32_t a;
    char bare[64];

    if (!strcasecmp(host, "localhost") || !strcmp(host, "[::1]") || !strcmp(host, "::1"))
        return true;
    if (!text_copy(bare, sizeof bare, host) || inet_pton(AF_INET, bare, &v4) != 1)
        return false;
    a = ntohl(v4.s_addr);
    return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == (172 << 4 | 1) || a >> 16 == (192 << 8 | 168);
}

static bool url_split(const char *url, char scheme[8], char host[256], bool *has_port)
{
    CURLU *u = curl_url();
    char *s = NULL, *h = NULL, *p = NULL, *user = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &s, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &h, 0) == CURLUE_OK && text_copy(scheme, 8, s) &&
              text_copy(host, 256, h) && curl_url_get(u, CURLUPART_USER, &user, 0) != CURLUE_OK;

    *has_port = ok && curl_url_get(u, CURLUPART_PORT, &p, 0) == CURLUE_OK;
    curl_free(s);
    curl_free(h);
    curl_free(p);
    curl_free(user);
    curl_url_cleanup(u);
    return ok;
}

struct alpaca_rest *alpaca_rest_new(uv_loop_t *loop, const struct alpaca_rest_options *options)
{
    struct alpaca_rest *r = must_alloc(1, sizeof *r);
    char line[256], scheme[8], host[256];
    bool has_port;

    r->curl = curl_loop_new(loop, on_finished, r);
    r->timeout_ms = options->timeout_ms > 0 ? (long)options->timeout_ms : 10000;
    r->calls_max = options->calls_max > 0 ? (size_t)options->calls_max : 8;
    r->waiting_end = &r->waiting;
    text_copy(r->url, sizeof r->url, options->url);
    r->is_private = url_split(r->url, scheme, host, &has_port) && is_private_host(host);
    snprintf(line, sizeof line, "APCA-API-KEY-ID: %s", options->key);
    r->headers = curl_slist_append(NULL, line);
    r->body_headers = curl_slist_append(NULL, line);
    snprintf(line, sizeof line, "APCA-API-SECRET-KEY: %s", options->secret);
    r->headers = curl_slist_append(r->headers, line);
    r->body_headers = curl_slist_append(r->body_headers, line);
    explicit_bzero(line, sizeof line);
    r->body_headers = curl_slist_append(r->body_headers, "Content-Type: application/json");
    r->body_headers = curl_slist_append(r->body_headers, "Expect:");
    if (!r->headers || !r->body_headers)
        abort();
    return r;
}

static void calls_free(struct call *c)
{
    while (c) {
        struct call *next = c->next;
        call_free(c);
        c = next;
    }
}

/* Not earlier: free may be called from a call's done, whose handle is cleaned up after that. */
static void rest_freed(void *ctx)
{
    free(ctx);
}

void alpaca_rest_free(struct alpaca_rest *r)
{
    if (!r)
        return;
    for (struct call *c = r->running; c; c = c->next)
        curl_loop_remove(r->curl, c->easy);
    calls_free(r->running);
    calls_free(r->waiting);
    for (struct curl_slist *h = r->headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    for (struct curl_slist *h = r->body_headers; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(r->headers);
    curl_slist_free_all(r->body_headers);
    curl_loop_free(r->curl, rest_freed);
}

void alpaca_rest_call(struct alpaca_rest *r, const char *method, const char *path, const char *body,
                      alpaca_rest_done *done, void *ctx)
{
    struct call *c = must_alloc(1, sizeof *c);
    size_t size = strlen(r->url) + strlen(path) + 1;

    assert(path[0] == '/');
    c->rest = r;
    c->method = must_strdup(method);
    c->url = must_alloc(size, 1);
    snprintf(c->url, size, "%s%s", r->url, path);
    c->body = body ? must_strdup(body) : NULL;
    c->done = done;
    c->ctx = ctx;
    c->reset_s = c->retry_s = -1;
    *r->waiting_end = c;
    r->waiting_end = &c->next;
    r->waiting_count++;
    start_waiting(r);
}

size_t alpaca_rest_pending(const struct alpaca_rest *r)
{
    return r->running_count + r->waiting_count;
}

/* ---- is it real money? */

/* Hosts of the broker where no real money is. Data hosts take either kind of key. */
static const struct known_host {
    const char *name;
    enum { HOST_LIVE, HOST_PAPER, HOST_DATA } kind;
} known_hosts[] = {
    { "api.alpaca.markets", HOST_LIVE },
    { "paper-api.alpaca.markets", HOST_PAPER },
    { "data.alpaca.markets", HOST_DATA },
    { "stream.data.alpaca.markets", HOST_DATA },
};

bool alpaca_url_is_allowed(const char *url, const char *key, bool live, struct err *err)
{
    char scheme[8], host[256];
    const struct known_host *known = NULL;
    bool has_port, is_private, is_encrypted;

    if (strlen(url) >= URL_SIZE || !url_split(url, scheme, host, &has_port))
        return err_set(err, ERR_INPUT, "\"%.200s\" is no URL like http://127.0.0.1:8081", url);
    is_encrypted = !strcmp(scheme, "https") || !strcmp(scheme, "wss");
    if (!is_encrypted && strcmp(scheme, "http") != 0 && strcmp(scheme, "ws") != 0)
        return err_set(err, ERR_INPUT, "%.200s: http, https, ws or wss was expected", url);
    /* A name without a dot is a machine of our own network (a container); it always has a port. */
    is_private = is_private_host(host) || (has_port && !strpbrk(host, ".:"));
    if (is_private)
        return true;
    for (size_t i = 0; i < COUNT_OF(known_hosts); i++)
        if (!strcasecmp(host, known_hosts[i].name))
            known = &known_hosts[i];
    if (!is_encrypted)
        return err_set(err, ERR_INPUT, "%.200s would send the key unencrypted: use https or wss", url);
    if (known && known->kind == HOST_LIVE && !strncmp(key, "PK", 2))
        return err_set(err, ERR_INPUT, "a paper key (PK...) for %s, which is real money", host);
    if (known && known->kind == HOST_PAPER && !strncmp(key, "AK", 2))
        return err_set(err, ERR_INPUT, "a real-money key (AK...) for %s, which is paper", host);
    if (!live && (!known || known->kind == HOST_LIVE))
        return err_set(err, ERR_INPUT, "%.200s is real money: say --live when that is meant", url);
    return true;
}
