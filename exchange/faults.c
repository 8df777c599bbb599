#include "exchange/faults.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "exchange/exchange.h"

enum fault_kind {
    FAULT_DELAY, FAULT_DROP, FAULT_DUPLICATE, FAULT_REORDER, FAULT_DISCONNECT, /* frames: up to here */
    FAULT_REFUSE, FAULT_LOSE, FAULT_CANCEL_STICKS, FAULT_SYMBOL_HALTS, FAULT_KINDS,
};
static const char *const kind_names[] = { "delay", "drop", "duplicate", "reorder", "disconnect",
                                          "refuse", "lose", "stick", "halt", NULL };
enum { FAULTS_MAX = 32, TEXT_MAX = 64 * 1024, PENDING_MAX = 100000 };

struct fault {
    int kind;
    char where[80];
    int64_t one_in, count, burst, lasts, ms, status, seconds;
    bool refuse;
    /* so far */
    uint64_t random;
    int64_t hits, burst_left, until_ns; /* until_ns: monotonic; 0: no end */
};

/* A frame that leaves later. */
struct pending {
    struct pending *next;
    struct http_socket *socket;
    int64_t due_ns; /* monotonic */
    bool after_next, binary;
    size_t size;
    char data[];
};

struct faults {
    struct fault list[FAULTS_MAX];
    size_t count, pending_count;
    int64_t seed, hits[FAULT_KINDS];
    bool has_frames, sticking;
    int64_t stuck_until_ns;  /* of the market; 0: no cancel is stuck */
    bool stuck_refuse;
    int64_t *halted_until_ns; /* of the market, by symbol; 0: not halted by us */
    struct pending *pending;
    uv_timer_t timer;
};

/* ---- reading */

#define FIELD(member, kind, ...) JSON_FIELD(struct fault, member, kind, __VA_ARGS__)
static const struct json_field fields[] = {
    FIELD(kind, FIELD_ENUM, .required = true, .names = kind_names),
    FIELD(where, FIELD_TEXT),
    FIELD(one_in, FIELD_INT, .min = 1, .max = 1000000000),
    FIELD(count, FIELD_INT, .min = 0, .max = 1000000000),
    FIELD(burst, FIELD_INT, .min = 1, .max = 1000000),
    FIELD(lasts, FIELD_INT, .min = 0, .max = 1000000),
    FIELD(ms, FIELD_INT, .min = 0, .max = 600000),
    FIELD(status, FIELD_INT, .min = 0, .max = 599),
    FIELD(seconds, FIELD_INT, .min = 0, .max = 1000000),
    FIELD(refuse, FIELD_BOOL),
};

static bool is_frame_kind(int kind)
{
    return kind <= FAULT_DISCONNECT;
}

static bool where_is_known(const struct exchange *x, const struct fault *f)
{
    if (f->where[0] == '\0')
        return true;
    if (is_frame_kind(f->kind))
        return strcmp(f->where, "trade_updates") == 0 || strcmp(f->where, "data") == 0;
    if (f->kind == FAULT_SYMBOL_HALTS)
        return venue_symbol(x->venue, f->where) >= 0;
    const char *path = strchr(f->where, ' ');
    return f->kind != FAULT_CANCEL_STICKS && (path ? path[1] : f->where[0]) == '/';
}

static bool read_one(const struct exchange *x, const json_t *from, struct fault *f, size_t index, struct err *err)
{
    char prefix[32];
    struct json_fault fault;
    struct json_faults faults = { .max = 1, .list = &fault };
    *f = (struct fault){ .one_in = 1, .burst = 1, .ms = 100, .seconds = 60 };
    snprintf(prefix, sizeof prefix, "/faults/%zu", index);
    struct fault defaults = *f;
    if (!json_is_object(from))
        return err_set(err, ERR_INPUT, "%s: expected an object", prefix);
    if (!json_decode(from, fields, COUNT_OF(fields), f, prefix, true, &faults))
        return err_set(err, ERR_INPUT, "%s: %s", fault.pointer, fault.detail);
    int64_t *const numbers[] = { &f->one_in, &f->count, &f->burst, &f->lasts, &f->ms, &f->status, &f->seconds };
    const int64_t otherwise[] = { defaults.one_in, 0, defaults.burst, 0, defaults.ms, 0, defaults.seconds };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (*numbers[i] == INT64_MIN) /* null */
            *numbers[i] = otherwise[i];
    if (f->status && f->status < 400)
        return err_set(err, ERR_INPUT, "%s/status: %" PRId64 ": expected 400 to 599", prefix, f->status);
    if (!where_is_known(x, f))
        return err_set(err, ERR_INPUT, "%s/where: \"%s\": a %s takes %s", prefix, f->where, kind_names[f->kind],
                       is_frame_kind(f->kind)              ? "trade_updates or data"
                       : f->kind == FAULT_SYMBOL_HALTS     ? "a symbol of this market"
                       : f->kind == FAULT_CANCEL_STICKS    ? "none"
                                                           : "the beginning of a path, after a method or not: POST /v2/orders");
    return true;
}

/* Replaces the set; on false the one before stands. */
static bool read_set(struct exchange *x, const char *text, size_t size, struct err *err)
{
    static struct fault fresh[FAULTS_MAX];
    struct faults *f = x->faults;
    json_t *set = json_read(text, size, err);
    const json_t *list = json_object_get(set, "faults"), *seed = json_object_get(set, "seed");
    bool ok = set != NULL;
    if (ok && (!json_is_object(set) || !json_is_array(list) || (seed && !json_is_integer(seed)) ||
               json_object_size(set) > 1 + (seed != NULL)))
        ok = err_set(err, ERR_INPUT, "expected {\"seed\":1,\"faults\":[...]}");
    if (ok && json_array_size(list) > FAULTS_MAX)
        ok = err_set(err, ERR_INPUT, "faults: %zu of them; %d at most", json_array_size(list), FAULTS_MAX);
    for (size_t i = 0; ok && i < json_array_size(list); i++)
        ok = read_one(x, json_array_get(list, i), &fresh[i], i, err);
    if (ok) {
        f->count = json_array_size(list);
        f->seed = seed ? json_integer_value(seed) : 1;
        f->has_frames = false;
        for (size_t i = 0; i < f->count; i++) {
            f->list[i] = fresh[i];
            uint64_t series = (uint64_t)f->seed * FAULTS_MAX + i;
            f->list[i].random = random_next(&series);
            f->list[i].until_ns = fresh[i].lasts ? clock_mono_ns() + fresh[i].lasts * SECOND_NS : 0;
            f->has_frames |= is_frame_kind(fresh[i].kind);
        }
        log_info("faults_set", KV_INT("faults", f->count), KV_INT("seed", f->seed));
    }
    json_decref(set);
    return ok;
}

/* ---- chances */

static bool happens(struct faults *all, struct fault *f)
{
    if ((f->count && f->hits >= f->count) || (f->until_ns && clock_mono_ns() >= f->until_ns))
        return false;
    if (f->burst_left > 0)
        f->burst_left--;
    else if (random_next(&f->random) % (uint64_t)f->one_in == 0)
        f->burst_left = f->burst - 1;
    else
        return false;
    f->hits++;
    all->hits[f->kind]++;
    log_debug("fault", KV_TEXT("kind", kind_names[f->kind]), KV_TEXT("where", f->where));
    return true;
}

/* ---- frames */

static bool frame_fits(const struct fault *f, enum frame what)
{
    return (what == FRAME_TRADES && strcmp(f->where, "data") != 0) ||
           (what == FRAME_DATA && strcmp(f->where, "trade_updates") != 0);
}

static void on_due(uv_timer_t *timer);

static void wait_for_pending(struct faults *f)
{
    int64_t first = INT64_MAX, now = clock_mono_ns();
    for (const struct pending *p = f->pending; p; p = p->next)
        first = p->due_ns < first ? p->due_ns : first;
    if (first == INT64_MAX)
        uv_timer_stop(&f->timer);
    else
        uv_timer_start(&f->timer, on_due, first <= now ? 0 : (uint64_t)(first - now + 999999) / 1000000, 0);
}

/* Sends what is due, or (socket) what waited for its next frame. */
static void send_pending(struct faults *f, const struct http_socket *socket)
{
    int64_t now = clock_mono_ns();
    for (struct pending **at = &f->pending; *at;) {
        struct pending *p = *at;
        if (socket ? !(p->after_next && p->socket == socket) : p->due_ns > now) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        f->pending_count--;
        http_socket_send(p->socket, p->data, p->size, p->binary);
        free(p);
    }
    wait_for_pending(f);
}

static void on_due(uv_timer_t *timer)
{
    send_pending(timer->data, NULL);
}

static void put_off(struct faults *f, const struct fault *why, struct http_socket *s, const void *data, size_t size,
                    bool binary)
{
    struct pending **at = &f->pending, *p = must_alloc(1, sizeof *p + size);
    while (*at)
        at = &(*at)->next;
    *p = (struct pending){ .socket = s, .due_ns = clock_mono_ns() + why->ms * 1000000,
                           .after_next = why->kind == FAULT_REORDER, .binary = binary, .size = size };
    memcpy(p->data, data, size);
    *at = p;
    f->pending_count++;
    wait_for_pending(f);
}

void faults_send(struct exchange *x, struct http_socket *s, enum frame what, const void *data, size_t size,
                 bool binary)
{
    struct faults *f = x->faults;
    struct fault *hit = NULL;
    for (size_t i = 0; f && f->has_frames && !hit && i < f->count; i++)
        if (is_frame_kind(f->list[i].kind) && frame_fits(&f->list[i], what) && happens(f, &f->list[i]))
            hit = &f->list[i];
    if (hit && hit->kind == FAULT_DROP)
        return;
    if (hit && hit->kind == FAULT_DISCONNECT) {
        http_socket_cut(s);
        return;
    }
    if (hit && (hit->kind == FAULT_DELAY || hit->kind == FAULT_REORDER) && f->pending_count < PENDING_MAX) {
        put_off(f, hit, s, data, size, binary);
        return;
    }
    meter_frame(x, what == FRAME_DATA || what == FRAME_DATA_ANSWER, size);
    http_socket_send(s, data, size, binary);
    if (hit && hit->kind == FAULT_DUPLICATE)
        http_socket_send(s, data, size, binary);
    if (f && f->pending)
        send_pending(f, s);
}

void faults_forget(struct exchange *x, const struct http_socket *s)
{
    struct faults *f = x->faults;
    for (struct pending **at = f ? &f->pending : NULL; at && *at;) {
        struct pending *p = *at;
        if (p->socket == s) {
            *at = p->next;
            f->pending_count--;
            free(p);
        } else {
            at = &p->next;
        }
    }
}

/* ---- requests */

static bool request_fits(const struct fault *f, const struct http_request *req)
{
    const char *path = strchr(f->where, ' ');
    size_t method = path ? (size_t)(path - f->where) : 0;
    path = path ? path + 1 : f->where;
    return strncmp(req->path, path, strlen(path)) == 0 &&
           (method == 0 || (strlen(req->method) == method && strncmp(req->method, f->where, method) == 0));
}

static struct fault *request_hit(struct faults *f, enum fault_kind kind, const struct http_request *req)
{
    for (size_t i = 0; f && i < f->count; i++)
        if (f->list[i].kind == (int)kind && request_fits(&f->list[i], req) && happens(f, &f->list[i]))
            return &f->list[i];
    return NULL;
}

static void answer(struct http_response *res, int64_t status)
{
    free(res->body);
    res->status = (unsigned)status;
    res->body = must_strdup(status == 429 ? "{\"message\":\"too many requests.\"}" : "{\"message\":\"internal server error\"}");
    res->body_size = strlen(res->body);
    if (status == 429)
        http_response_header(res, "Retry-After", "1");
}

static void to_market(struct exchange *x, enum market_fault what, int symbol)
{
    faults_replay(x, what, symbol);
    record_fault(x, (int)what, symbol, x->now_ns);
}

bool faults_before(struct exchange *x, const struct http_request *req, struct http_response *res)
{
    struct faults *f = x->faults;
    const struct fault *hit = request_hit(f, FAULT_REFUSE, req);
    if (hit) {
        answer(res, hit->status ? hit->status : 503);
        return true;
    }
    if (f && strcmp(req->method, "DELETE") == 0 && strncmp(req->path, "/v2/orders", 10) == 0) {
        hit = request_hit(f, FAULT_CANCEL_STICKS, req);
        if (hit) {
            f->sticking = true;
            f->stuck_refuse = hit->refuse;
            f->stuck_until_ns = x->now_ns + hit->seconds * SECOND_NS;
            to_market(x, FAULT_STICK, 0);
        }
    }
    return false;
}

void faults_after(struct exchange *x, const struct http_request *req, struct http_response *res)
{
    struct faults *f = x->faults;
    if (f && f->sticking) {
        f->sticking = false;
        to_market(x, FAULT_UNSTICK, 0);
    }
    const struct fault *hit = res->stream ? NULL : request_hit(f, FAULT_LOSE, req);
    if (hit && hit->status)
        answer(res, hit->status);
    else if (hit)
        res->lose = true;
}

/* ---- the market */

void faults_replay(struct exchange *x, enum market_fault what, int symbol)
{
    switch (what) {
    case FAULT_STICK:
    case FAULT_UNSTICK:
        x->cancels_stuck |= what == FAULT_STICK;
        venue_stick_cancels(x->venue, what == FAULT_STICK);
        return;
    case FAULT_RELEASE:
    case FAULT_REJECT:
        x->cancels_stuck = false;
        venue_release_cancels(x->venue, what == FAULT_REJECT, x->now_ns);
        return;
    case FAULT_HALT:
    case FAULT_RESUME:
        venue_halt(x->venue, symbol, what == FAULT_HALT, x->now_ns);
        return;
    case MARKET_FAULTS:
        return;
    }
}

static void release(struct exchange *x)
{
    to_market(x, x->faults->stuck_refuse ? FAULT_REJECT : FAULT_RELEASE, 0);
    x->faults->stuck_until_ns = 0;
}

static void resume(struct exchange *x, size_t symbol)
{
    to_market(x, FAULT_RESUME, (int)symbol);
    x->faults->halted_until_ns[symbol] = 0;
}

void faults_instant(struct exchange *x)
{
    struct faults *f = x->faults;
    size_t symbols = f ? venue_symbols_count(x->venue) : 0;
    if (f && f->stuck_until_ns && x->now_ns >= f->stuck_until_ns)
        release(x);
    for (size_t i = 0; i < symbols; i++)
        if (f->halted_until_ns[i] && x->now_ns >= f->halted_until_ns[i])
            resume(x, i);
    for (size_t i = 0; f && i < f->count; i++) {
        struct fault *h = &f->list[i];
        if (h->kind != FAULT_SYMBOL_HALTS || !happens(f, h))
            continue;
        int symbol = h->where[0] ? venue_symbol(x->venue, h->where) : (int)(random_next(&h->random) % symbols);
        if (!f->halted_until_ns[symbol])
            to_market(x, FAULT_HALT, symbol);
        f->halted_until_ns[symbol] = x->now_ns + h->seconds * SECOND_NS;
    }
}

/* All that a set did to the market ends with it. */
static void end_set(struct exchange *x)
{
    struct faults *f = x->faults;
    if (f->stuck_until_ns)
        release(x);
    for (size_t i = 0; i < venue_symbols_count(x->venue); i++)
        if (f->halted_until_ns[i])
            resume(x, i);
    f->count = 0;
    f->has_frames = false;
}

/* ---- /v1/faults */

static json_t *set_json(const struct faults *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->count; i++) {
        json_t *j = json_encode(&f->list[i], fields, COUNT_OF(fields));
        json_object_set_new(j, "hits", json_integer(f->list[i].hits));
        json_array_append_new(list, j);
    }
    return json_pack("{sI so}", "seed", (json_int_t)f->seed, "faults", list);
}

bool faults_request(struct exchange *x, const struct http_request *req, struct http_response *res)
{
    struct err err;
    if (!x->faults || strcmp(req->path, "/v1/faults") != 0)
        return false;
    json_t *body;
    res->status = 200;
    exchange_now(x);
    if (strcmp(req->method, "DELETE") == 0) {
        end_set(x);
        body = set_json(x->faults);
    } else if (strcmp(req->method, "POST") == 0 && !read_set(x, req->body, req->body_size, &err)) {
        res->status = 422;
        body = json_pack("{ss}", "message", err.text);
    } else if (strcmp(req->method, "POST") == 0 || strcmp(req->method, "GET") == 0) {
        body = set_json(x->faults);
    } else {
        res->status = 405;
        body = json_pack("{ss}", "message", "expected GET, POST or DELETE");
    }
    res->body = json_write(body, &res->body_size);
    json_decref(body);
    exchange_pump(x);
    res->hold = record_is_dirty(x);
    return true;
}

/* ---- life */

bool faults_open(struct exchange *x, struct err *err)
{
    const struct exchange_settings *s = &x->settings;
    static char text[TEXT_MAX];
    if (s->allow_faults && strcmp(s->host, "127.0.0.1") != 0 && strcmp(s->host, "::1") != 0)
        return err_set(err, ERR_INPUT, "allow-faults: anybody who reaches %.60s could break the market; only with --host 127.0.0.1",
                       s->host);
    /* what a set before a restart did to the market ends here */
    if (x->cancels_stuck)
        to_market(x, FAULT_RELEASE, 0);
    for (size_t i = 0; i < venue_symbols_count(x->venue); i++)
        if (venue_is_halted(x->venue, (int)i))
            to_market(x, FAULT_RESUME, (int)i);
    if (!s->allow_faults && !s->faults[0])
        return true;
    x->faults = must_alloc(1, sizeof *x->faults);
    x->faults->halted_until_ns = must_alloc(venue_symbols_count(x->venue), sizeof(int64_t));
    uv_timer_init(&x->loop, &x->faults->timer);
    x->faults->timer.data = x->faults;
    FILE *f = s->faults[0] ? fopen(s->faults, "re") : NULL;
    if (!f)
        return s->faults[0] ? err_set(err, ERR_INPUT, "faults %.300s: cannot be read", s->faults) : true;
    size_t size = fread(text, 1, sizeof text, f);
    fclose(f);
    struct err why;
    if (size == sizeof text || !read_set(x, text, size, &why))
        return err_set(err, ERR_INPUT, "faults %.200s: %.200s", s->faults, size == sizeof text ? "too long" : why.text);
    return true;
}

void faults_stop(struct exchange *x)
{
    if (x->faults && !uv_is_closing((uv_handle_t *)&x->faults->timer))
        uv_close((uv_handle_t *)&x->faults->timer, NULL);
}

void faults_free(struct exchange *x)
{
    struct faults *f = x->faults;
    if (!f)
        return;
    while (f->pending) {
        struct pending *p = f->pending;
        f->pending = p->next;
        free(p);
    }
    free(f->halted_until_ns);
    free(f);
    x->faults = NULL;
}

const char *faults_count(const struct exchange *x, size_t kind, int64_t *hits)
{
    *hits = x->faults && kind < FAULT_KINDS ? x->faults->hits[kind] : 0;
    return x->faults && kind < FAULT_KINDS ? kind_names[kind] : NULL;
}
