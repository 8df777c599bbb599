#include "exchange/record.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/journal.h"
#include "core/log.h"
#include "exchange/rest.h"

enum { QUERIES_MAX = 64, FORM = 1 };

/* What a record is; the first byte. Numbers are for good. */
enum kind {
    KIND_MARKET = 1,  /* form, start, then name and value of each condition */
    KIND_INSTANT = 2, /* time */
    KIND_AGAIN = 3,
    KIND_ACCOUNT = 4, /* time, bits, key, secret */
    KIND_REQUEST = 5, /* time, account's place + 1 (0: none), method, path, body, queries */
    KIND_CLIENT = 6,  /* present, wake, name */
    KIND_FAULT = 7,   /* time, what, symbol */
};

struct record {
    struct journal *journal;
    bool replaying, dirty;
    unsigned char *out; /* the record under construction */
    size_t size, room;
};

/* ---- writing: little-endian numbers, texts after their length with a NUL behind */

static void put(struct record *r, const void *data, size_t size)
{
    if (r->size + size > r->room) {
        r->room = (r->size + size) * 2;
        r->out = must_realloc(r->out, r->room, 1);
    }
    if (size)
        memcpy(r->out + r->size, data, size);
    r->size += size;
}

static void put_number(struct record *r, int64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)value >> 8 * i);
    put(r, bytes, sizeof bytes);
}

static void put_bytes(struct record *r, const char *text, size_t size)
{
    put_number(r, (int64_t)size);
    put(r, text, size);
    put(r, "", 1);
}

static void put_text(struct record *r, const char *text)
{
    put_bytes(r, text, strlen(text));
}

static struct record *begin(struct exchange *x, enum kind kind)
{
    struct record *r = x->record;
    if (!r || r->replaying)
        return NULL;
    unsigned char byte = (unsigned char)kind;
    r->size = 0;
    put(r, &byte, 1);
    return r;
}

static _Noreturn void die(const struct err *err)
{
    log_error("state_not_kept", KV_TEXT("why", err->text));
    _exit(1);
}

static void append(struct record *r, bool must_last)
{
    struct err err;
    if (!journal_append(r->journal, r->out, r->size, &err))
        die(&err);
    r->dirty |= must_last;
}

/* ---- reading: past the end everything is zero or empty, and `bad` */

struct reader {
    const unsigned char *at, *end;
    bool bad;
};

static int64_t get_number(struct reader *r)
{
    uint64_t value = 0;
    if (r->end - r->at < 8) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)*r->at++ << 8 * i;
    return (int64_t)value;
}

static const char *get_bytes(struct reader *r, size_t *size)
{
    uint64_t n = (uint64_t)get_number(r);
    if (r->bad || n >= (uint64_t)(r->end - r->at) || r->at[n] != '\0') {
        r->bad = true;
        *size = 0;
        return "";
    }
    const char *text = (const char *)r->at;
    r->at += n + 1;
    *size = n;
    return text;
}

static const char *get_text(struct reader *r)
{
    size_t size;
    return get_bytes(r, &size);
}

/* ---- the market a record belongs to */

/* FNV-1a over names and contents of a folder's .csv files, in order of their names. */
static void add(uint64_t *hash, const void *data, size_t size)
{
    for (const unsigned char *p = data; size-- > 0; p++)
        *hash = (*hash ^ *p) * UINT64_C(1099511628211);
}

static int is_csv(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 4 && strcmp(d->d_name + n - 4, ".csv") == 0;
}

static bool hash_folder(const char *folder, uint64_t *hash, struct err *err)
{
    struct dirent **files;
    static char piece[64 * 1024];
    int count = scandir(folder, &files, is_csv, alphasort);
    bool ok = count >= 0 || err_set(err, ERR_IO, "cannot read the folder %.300s: %s", folder, strerror(errno));
    *hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < count; i++) {
        char path[1400];
        size_t n;
        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        add(hash, files[i]->d_name, strlen(files[i]->d_name));
        FILE *f = ok ? fopen(path, "re") : NULL;
        if (ok && !f)
            ok = err_set(err, ERR_IO, "cannot read %.300s: %s", path, strerror(errno));
        while (f && (n = fread(piece, 1, sizeof piece, f)) > 0)
            add(hash, piece, n);
        if (f)
            fclose(f);
        free(files[i]);
    }
    if (count >= 0)
        free(files);
    return ok;
}

/* All that the same inputs must meet to give the same state. Names are the settings'. */
enum { CONDITIONS = 10, CONDITION_SIZE = 2048 };
struct conditions {
    struct {
        const char *name;
        char value[CONDITION_SIZE];
    } list[CONDITIONS];
};

static bool conditions_of(const struct exchange *x, struct conditions *c, struct err *err)
{
    const struct exchange_settings *s = &x->settings;
    uint64_t hash = 0;
    size_t i = 0, n = 0;
    memset(c, 0, sizeof *c);
    if (s->bars[0] && !hash_folder(s->bars, &hash, err))
        return false;
#define CONDITION(setting, ...)                                       \
    c->list[i].name = (setting);                                      \
    snprintf(c->list[i++].value, CONDITION_SIZE, __VA_ARGS__)
    CONDITION("bars", s->bars[0] ? "recorded %016" PRIx64 : "synthetic", hash);
    CONDITION("seed", "%" PRId64, s->bars[0] && s->fills != FILLS_PAPER ? 0 : s->seed);
    CONDITION("from", "%s", s->from);
    CONDITION("speed", "%s", x->driver.mode == DRIVER_REAL ? "real" : "replay");
    CONDITION("cash", "%" PRId64, s->cash);
    CONDITION("fee", "%" PRId64, s->fee);
    CONDITION("slippage", "%" PRId64, s->slippage);
    CONDITION("fills", "%d", s->fills);
    CONDITION("participants", "%d", s->participants);
#undef CONDITION
    c->list[i].name = "symbols";
    for (size_t k = 0; k < feed_symbols_count(x->feed) && n < CONDITION_SIZE; k++)
        n += (size_t)snprintf(c->list[i].value + n, CONDITION_SIZE - n, "%s%s", k ? " " : "", feed_symbols(x->feed)[k]);
    return true;
}

/* ---- replay */

struct replay {
    struct exchange *x;
    const struct conditions *conditions;
    struct err *err;
    bool failed;
    uint64_t count;
};

static bool same_market(const struct replay *p, struct reader *r)
{
    const char *folder = p->x->settings.state;
    int64_t form = get_number(r), start_ns = get_number(r);
    if (r->bad || form != FORM)
        return err_set(p->err, ERR_INPUT, "state %.300s: written in form %" PRId64 " by another version; this one knows form %d",
                       folder, form, FORM);
    for (int64_t left = get_number(r); left > 0 && !r->bad; left--) {
        const char *name = get_text(r), *was = get_text(r), *is = "";
        for (size_t i = 0; i < CONDITIONS; i++)
            if (strcmp(p->conditions->list[i].name, name) == 0)
                is = p->conditions->list[i].value;
        if (strcmp(was, is) != 0)
            return err_set(p->err, ERR_INPUT,
                           "state %.300s: it is of another market: its %s was %.100s, now it is %.100s; take another folder "
                           "or the same settings", folder, name, was[0] ? was : "empty", is[0] ? is : "empty");
    }
    if (!r->bad)
        exchange_begin(p->x, start_ns);
    return true;
}

static void replay_request(struct exchange *x, struct reader *r)
{
    struct http_field queries[QUERIES_MAX];
    struct http_request req = { .queries = queries };
    struct http_response res = { .status = 0 };
    int64_t time_ns = get_number(r), place = get_number(r);
    req.method = get_text(r);
    req.path = get_text(r);
    req.body = get_bytes(r, &req.body_size);
    for (int64_t left = get_number(r); left > 0 && !r->bad; left--) {
        if (req.queries_count == QUERIES_MAX) {
            r->bad = true;
            break;
        }
        queries[req.queries_count].name = get_text(r);
        queries[req.queries_count++].value = get_text(r);
    }
    r->bad |= place < 0 || place > (int64_t)x->customers_count || time_ns < x->now_ns;
    if (r->bad)
        return;
    x->now_ns = time_ns;
    rest_replay(x, place ? x->customers[place - 1] : NULL, &req, &res);
    r->bad |= res.status >= 300; /* it was accepted then */
    free(res.body);
}

static void replay_client(struct exchange *x, struct reader *r)
{
    int64_t present = get_number(r), wake_ns = get_number(r);
    const char *name = get_text(r);
    if (r->bad || name[0] == '\0')
        return;
    int client = driver_join(&x->driver, name);
    if (client >= 0 && present)
        driver_wake(&x->driver, client, wake_ns);
    else if (client >= 0)
        driver_leave(&x->driver, client, true);
}

static void replay_fault(struct exchange *x, struct reader *r)
{
    int64_t time_ns = get_number(r), what = get_number(r), symbol = get_number(r);
    r->bad |= time_ns < x->now_ns || what < 0 || what >= MARKET_FAULTS || symbol < 0 ||
              symbol >= (int64_t)venue_symbols_count(x->venue);
    if (r->bad)
        return;
    x->now_ns = time_ns;
    faults_replay(x, (enum market_fault)what, (int)symbol);
}

static void replay_input(struct exchange *x, struct reader *r, enum kind kind)
{
    uint64_t bits[2];
    int64_t time_ns;
    const char *key, *secret;
    switch (kind) {
    case KIND_INSTANT:
        time_ns = get_number(r);
        r->bad |= time_ns < x->now_ns;
        if (!r->bad)
            exchange_instant(x, time_ns);
        return;
    case KIND_AGAIN:
        driver_tick(&x->driver, x->driver.now_ns, x->driver.ended);
        return;
    case KIND_ACCOUNT:
        time_ns = get_number(r);
        bits[0] = (uint64_t)get_number(r);
        bits[1] = (uint64_t)get_number(r);
        key = get_text(r);
        secret = get_text(r);
        r->bad |= time_ns < x->now_ns || strlen(key) > 128 || strlen(secret) > 128;
        if (!r->bad) {
            x->now_ns = time_ns;
            exchange_open_account(x, key, secret, bits);
        }
        return;
    case KIND_REQUEST:
        replay_request(x, r);
        return;
    case KIND_CLIENT:
        replay_client(x, r);
        return;
    case KIND_FAULT:
        replay_fault(x, r);
        return;
    case KIND_MARKET:
        break;
    }
    r->bad = true;
}

static void replay_record(void *ctx, const void *data, size_t size)
{
    struct replay *p = ctx;
    struct reader r = { .at = data, .end = (const unsigned char *)data + size };
    enum kind kind = size ? *r.at++ : 0;
    if (p->failed)
        return;
    if (p->count == 0 && kind == KIND_MARKET)
        p->failed = !same_market(p, &r);
    else if (p->count > 0)
        replay_input(p->x, &r, kind);
    else
        r.bad = true;
    if (r.bad && !p->failed) {
        p->failed = true;
        err_set(p->err, ERR_INPUT, "state %.300s: input %" PRIu64 " does not follow from those before it: it was written by "
                "another version of bell-exchange, or damaged", p->x->settings.state, p->count);
    }
    p->count++;
}

/* ---- life */

bool record_open(struct exchange *x, int64_t start_ns, struct err *err)
{
    char path[1100];
    static struct conditions conditions; /* large */
    struct replay p = { .x = x, .conditions = &conditions, .err = err };
    int64_t began = clock_mono_ns();
    if (!conditions_of(x, &conditions, err))
        return false;
    snprintf(path, sizeof path, "%s/inputs.journal", x->settings.state);
    struct record *r = x->record = must_alloc(1, sizeof *r);
    r->replaying = true;
    r->journal = journal_open(path, replay_record, &p, err);
    r->replaying = false;
    if (!r->journal || p.failed) {
        record_close(x);
        return false;
    }
    if (p.count > 0) {
        for (int i = 0; i < DRIVER_CLIENTS_MAX; i++) /* nobody said goodbye */
            if (x->driver.clients[i].name[0])
                driver_leave(&x->driver, i, false);
        log_info("state_restored", KV_TEXT("state", x->settings.state), KV_INT("inputs", p.count - 1),
                 KV_INT("bytes", journal_size(r->journal)), KV_INT("accounts", x->customers_count),
                 KV_TIME("time", x->now_ns), KV_INT("took_us", (clock_mono_ns() - began) / 1000));
        return true;
    }
    begin(x, KIND_MARKET);
    put_number(r, FORM);
    put_number(r, start_ns);
    put_number(r, CONDITIONS);
    for (size_t i = 0; i < CONDITIONS; i++) {
        put_text(r, conditions.list[i].name);
        put_text(r, conditions.list[i].value);
    }
    append(r, true);
    exchange_begin(x, start_ns);
    return true;
}

void record_close(struct exchange *x)
{
    struct record *r = x->record;
    if (!r)
        return;
    journal_close(r->journal);
    free(r->out);
    free(r);
    x->record = NULL;
}

bool record_is_replaying(const struct exchange *x)
{
    return x->record && x->record->replaying;
}

/* ---- inputs */

/* Nothing but the market in it: it need not last by itself, for it comes again. It lasts with the next that must. */
void record_instant(struct exchange *x, int64_t time_ns, bool has_events)
{
    struct record *r = begin(x, KIND_INSTANT);
    if (!r)
        return;
    put_number(r, time_ns);
    append(r, has_events);
}

void record_again(struct exchange *x)
{
    struct record *r = begin(x, KIND_AGAIN);
    if (r)
        append(r, false);
}

void record_account(struct exchange *x, const struct account *a, int64_t time_ns)
{
    struct record *r = begin(x, KIND_ACCOUNT);
    if (!r)
        return;
    put_number(r, time_ns);
    put_number(r, (int64_t)a->bits[0]);
    put_number(r, (int64_t)a->bits[1]);
    put_text(r, a->key);
    put_text(r, a->secret);
    append(r, true);
}

void record_request(struct exchange *x, const struct account *a, const struct http_request *req, int64_t time_ns)
{
    struct http_field queries[QUERIES_MAX];
    struct record *r = begin(x, KIND_REQUEST);
    if (!r)
        return;
    size_t count = http_queries(req, queries, QUERIES_MAX), place = 0;
    while (a && x->customers[place++]->account != a)
        ;
    put_number(r, time_ns);
    put_number(r, (int64_t)place);
    put_text(r, req->method);
    put_text(r, req->path);
    put_bytes(r, req->body, req->body_size);
    put_number(r, (int64_t)(count < QUERIES_MAX ? count : QUERIES_MAX));
    for (size_t i = 0; i < count && i < QUERIES_MAX; i++) {
        put_text(r, queries[i].name);
        put_text(r, queries[i].value);
    }
    append(r, true);
}

void record_fault(struct exchange *x, int what, int symbol, int64_t time_ns)
{
    struct record *r = begin(x, KIND_FAULT);
    if (!r)
        return;
    put_number(r, time_ns);
    put_number(r, what);
    put_number(r, symbol);
    append(r, true);
}

void record_client(struct exchange *x, const char *name, bool present, int64_t wake_ns)
{
    struct record *r = begin(x, KIND_CLIENT);
    if (!r)
        return;
    put_number(r, present);
    put_number(r, wake_ns);
    put_text(r, name);
    append(r, false);
}

int64_t record_bytes(const struct exchange *x)
{
    return x->record ? (int64_t)journal_size(x->record->journal) : 0;
}

bool record_is_dirty(const struct exchange *x)
{
    return x->record && x->record->dirty;
}

void record_sync(struct exchange *x)
{
    struct record *r = x->record;
    struct err err;
    if (!r || !r->dirty)
        return;
    if (!journal_sync(r->journal, &err))
        die(&err);
    r->dirty = false;
}
