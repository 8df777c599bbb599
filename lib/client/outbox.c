#include "client/outbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/curl_loop.h"
#include "core/journal.h"
#include "core/log.h"

enum {
    BATCH_ITEMS = 500,
    BATCH_BYTES = 512 * 1024,
    FILE_BYTES = 4 * 1024 * 1024,
    FRESH_BYTES = 1024 * 1024, /* a delivered file larger than this is left for a new one */
    ROUTE_SIZE = 64,
    RETRY_MS_MIN = 250,
    RETRY_MS_MAX = 10000,
    COMMIT_MS = 50,
    CONNECT_MS = 3000,
    ANSWER_MS = 30000,
    REPLY_KEPT = 2048, /* of an answer, for its reason */
};

/* A record of the journal: an item is 'I', route, NUL, JSON; that n more items of a route are done is 'D', n as
 * 8 bytes, route. */
enum { RECORD_ITEM = 'I', RECORD_DONE = 'D' };

struct item {
    struct item *next;
    uint64_t order; /* oldest first, across routes */
    size_t size;
    char text[];
};

/* The items of one route in one file. */
struct route {
    struct route *next;
    char name[ROUTE_SIZE];
    struct item *first, **end;
    uint64_t count; /* not yet done */
    uint64_t skip;  /* replay: done already */
};

struct segment {
    struct outbox *outbox;
    struct segment *next;
    unsigned number;
    char path[512];
    struct journal *journal; /* open: the first and the last, and one that is being synced */
    struct route *routes;    /* with items: the first and the last */
    bool keep_items, syncing;
    struct waiter *waiting, *served; /* for the next sync, by the one under way */
    uint64_t count;
};

/* A call of outbox_commit. */
struct waiter {
    struct waiter *next;
    void (*done)(void *ctx, bool ok);
    void *ctx;
};

struct outbox {
    uv_loop_t *loop;
    char folder[400], url[400];
    size_t file_max;
    struct segment *first, *last; /* first: being delivered. last: being written. Often the same */
    uint64_t order;
    size_t pending, rejected;
    void (*empty)(void *ctx);
    void *empty_ctx;
    bool closed;
    unsigned holds; /* that still point here: two timers and libcurl */

    struct curl_loop *curl;
    CURL *easy;
    struct curl_slist *headers, *id_header; /* id_header: of the request under way */
    char request_id[40];
    uv_timer_t next_timer, commit_timer;

    struct route *sending; /* NULL: nothing under way */
    size_t sending_count, singles; /* singles: how many more go alone */
    char *body;
    size_t body_size, body_cap;
    char reply[REPLY_KEPT + 1];
    size_t reply_size;
    int retry_ms;
    int64_t away_since_ns;
};

static void release(struct outbox *o);
static void kick(struct outbox *o, int ms);

/* ---- segments */

static struct route *route_of(struct segment *s, const char *name)
{
    struct route **at = &s->routes;
    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    struct route *r = *at = must_alloc(1, sizeof *r);
    text_copy(r->name, sizeof r->name, name);
    r->end = &r->first;
    return r;
}

static void drop_first(struct route *r, size_t n)
{
    for (; n > 0 && r->first; n--) {
        struct item *i = r->first;
        r->first = i->next;
        free(i);
    }
    if (!r->first)
        r->end = &r->first;
}

static void unload(struct segment *s)
{
    while (s->routes) {
        struct route *r = s->routes;
        s->routes = r->next;
        drop_first(r, SIZE_MAX);
        free(r);
    }
}

static void add_item(struct segment *s, const char *route, const char *text, size_t size)
{
    struct route *r = route_of(s, route);
    r->count++;
    s->count++;
    if (!s->keep_items)
        return;
    struct item *i = must_alloc(1, sizeof *i + size);
    i->order = s->outbox->order++;
    i->size = size;
    memcpy(i->text, text, size);
    *r->end = i;
    r->end = &i->next;
}

static void on_record(void *ctx, const void *data, size_t size)
{
    struct segment *s = ctx;
    const char *bytes = data;
    char route[ROUTE_SIZE];
    if (size > 2 && bytes[0] == RECORD_ITEM) {
        size_t name = strnlen(bytes + 1, size - 1);
        if (name < size - 1 && name < ROUTE_SIZE) {
            add_item(s, bytes + 1, bytes + name + 2, size - name - 2);
            return;
        }
    } else if (size > 9 && bytes[0] == RECORD_DONE && size - 9 < ROUTE_SIZE) {
        uint64_t n;
        memcpy(&n, bytes + 1, sizeof n);
        memcpy(route, bytes + 9, size - 9);
        route[size - 9] = '\0';
        route_of(s, route)->skip += n;
        return;
    }
    log_error("outbox_record_unknown", KV_TEXT("file", s->path), KV_INT("bytes", size));
}

/* Opens the file, which may be new. items: keep them in memory, or only count. */
static bool load(struct segment *s, bool items, struct err *err)
{
    uint64_t before = s->count;
    s->keep_items = items;
    s->count = 0;
    s->journal = journal_open(s->path, on_record, s, err);
    if (!s->journal) {
        unload(s);
        s->count = before;
        return false;
    }
    for (struct route *r = s->routes; r; r = r->next) {
        uint64_t done = r->skip < r->count ? r->skip : r->count;
        drop_first(r, done);
        r->count -= done;
        r->skip = 0;
        s->count -= done;
    }
    return true;
}

static struct segment *segment_new(struct outbox *o, unsigned number)
{
    struct segment *s = must_alloc(1, sizeof *s);
    s->outbox = o;
    s->number = number;
    snprintf(s->path, sizeof s->path, "%s/%08u.journal", o->folder, number);
    return s;
}

/* Gives back what a file between the one being delivered and the one being written does not need. */
static void settle(struct segment *s)
{
    struct outbox *o = s->outbox;
    if (s == o->first || s == o->last || s->syncing || !s->journal)
        return;
    journal_close(s->journal);
    s->journal = NULL;
    s->keep_items = false;
    unload(s);
}

static void segment_free(struct segment *s)
{
    journal_close(s->journal);
    unload(s);
    free(s);
}

/* A new last file. */
static bool roll(struct outbox *o, struct err *err)
{
    struct segment *old = o->last, *s = segment_new(o, old->number + 1);
    if (!load(s, true, err) || (old->count > 0 && !journal_sync(old->journal, err))) {
        segment_free(s);
        return false;
    }
    old->next = s;
    o->last = s;
    settle(old);
    return true;
}

/* When the first file is delivered: on to the next, or to a fresh one when it has grown. */
static void advance(struct outbox *o)
{
    struct err err;
    for (;;) {
        struct segment *s = o->first;
        if (!s->journal && !load(s, true, &err)) {
            log_error("outbox_file_unreadable", KV_TEXT("reason", err.text));
            kick(o, RETRY_MS_MAX);
            return;
        }
        if (s->count > 0 || (s == o->last && (journal_size(s->journal) < FRESH_BYTES || !roll(o, &err))))
            return;
        if (s->syncing) /* on_synced comes back here */
            return;
        o->first = s->next;
        unlink(s->path);
        segment_free(s);
    }
}

/* ---- delivery */

static struct route *oldest(const struct segment *s)
{
    struct route *best = NULL;
    for (struct route *r = s->routes; r; r = r->next)
        if (r->first && (!best || r->first->order < best->first->order))
            best = r;
    return best;
}

static void body_add(struct outbox *o, const char *text, size_t size)
{
    if (o->body_size + size > o->body_cap) {
        o->body_cap = (o->body_size + size) * 2;
        o->body = must_realloc(o->body, o->body_cap, 1);
    }
    memcpy(o->body + o->body_size, text, size);
    o->body_size += size;
}

static void send_next(struct outbox *o)
{
    static const char head[] = "{\"items\":[", tail[] = "]}";
    char url[sizeof o->url + ROUTE_SIZE];
    struct route *r = oldest(o->first);
    if (o->closed || o->sending || !r)
        return;
    size_t most = o->singles > 0 ? 1 : BATCH_ITEMS;
    o->body_size = 0;
    o->reply_size = 0;
    o->sending = r;
    o->sending_count = 0;
    body_add(o, head, sizeof head - 1);
    for (const struct item *i = r->first; i && o->sending_count < most; i = i->next) {
        if (o->sending_count > 0 && o->body_size + i->size + 3 > BATCH_BYTES)
            break;
        if (o->sending_count++ > 0)
            body_add(o, ",", 1);
        body_add(o, i->text, i->size);
    }
    body_add(o, tail, sizeof tail - 1);
    snprintf(url, sizeof url, "%s%s", o->url, r->name);
    curl_header_free(o->id_header);
    uuid_v4(o->request_id);
    o->id_header = curl_header_before("X-Request-ID", o->request_id, o->headers);
    curl_easy_setopt(o->easy, CURLOPT_HTTPHEADER, o->id_header);
    curl_easy_setopt(o->easy, CURLOPT_URL, url);
    curl_easy_setopt(o->easy, CURLOPT_POSTFIELDS, o->body);
    curl_easy_setopt(o->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_size);
    curl_loop_add(o->curl, o->easy);
}

/* The first n of the route under way need not go again. */
static void forget_sent(struct outbox *o, size_t n)
{
    struct err err;
    char record[9 + ROUTE_SIZE];
    struct route *r = o->sending;
    uint64_t done = n;
    size_t name = strlen(r->name);
    record[0] = RECORD_DONE;
    memcpy(record + 1, &done, sizeof done);
    memcpy(record + 9, r->name, name);
    if (!journal_append(o->first->journal, record, 9 + name, &err)) /* they may go again after a restart */
        log_error("outbox_not_noted", KV_TEXT("reason", err.text));
    drop_first(r, n);
    r->count -= n;
    o->first->count -= n;
    o->pending -= n;
}

static bool set_aside(struct outbox *o, long status)
{
    char path[sizeof o->folder + 20];
    const struct item *i = o->sending->first;
    bool ok = false;
    json_t *line = json_object();
    json_t *item = json_loadb(i->text, i->size, JSON_DECODE_ANY, NULL);
    json_object_set_new(line, "route", json_string(o->sending->name));
    json_object_set_new(line, "status", json_integer(status));
    json_t *reason = json_stringn(o->reply, o->reply_size);
    json_object_set_new(line, "reason", reason ? reason : json_string("(not UTF-8)"));
    json_object_set_new(line, "item", item ? item : json_stringn_nocheck(i->text, i->size));
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    snprintf(path, sizeof path, "%s/rejected.jsonl", o->folder);
    FILE *f = fopen(path, "ae");
    ok = f && text && fprintf(f, "%s\n", text) > 0 && fflush(f) == 0 && fdatasync(fileno(f)) == 0;
    int reason_code = errno;
    if (f)
        fclose(f);
    free(text);
    if (!ok)
        log_error("outbox_not_set_aside", KV_TEXT("file", path), KV_TEXT("reason", strerror(reason_code)));
    return ok;
}

static void come_again(struct outbox *o, const char *reason)
{
    if (!o->away_since_ns) {
        o->away_since_ns = clock_mono_ns();
        log_warn("api_lost", KV_TEXT("url", o->url), KV_TEXT("reason", reason), KV_INT("pending", o->pending),
                 KV_TEXT("request_id", o->request_id));
    }
    o->sending = NULL;
    o->retry_ms = o->retry_ms ? o->retry_ms * 2 : RETRY_MS_MIN;
    if (o->retry_ms > RETRY_MS_MAX)
        o->retry_ms = RETRY_MS_MAX;
    kick(o, o->retry_ms);
}

/* 4xx that speak of the item. The others speak of us or of the way there, and pass. */
static bool is_about_item(long status)
{
    return status >= 400 && status < 500 && status != 401 && status != 403 && status != 404 && status != 405 &&
           status != 408 && status != 429;
}

/* {"accepted":N,"duplicates":M}: any other 200 is somebody else's, and must not take our items off the disk. */
static bool is_receipt(const struct outbox *o)
{
    json_t *reply = json_loadb(o->reply, o->reply_size, 0, NULL);
    bool ok = json_is_integer(json_object_get(reply, "accepted")) &&
              json_is_integer(json_object_get(reply, "duplicates"));
    json_decref(reply);
    return ok;
}

static void answered(struct outbox *o, CURLcode code, long status)
{
    if (code != CURLE_OK) {
        come_again(o, curl_easy_strerror(code));
        return;
    }
    bool taken = status / 100 == 2 && is_receipt(o);
    if (!taken && !is_about_item(status)) {
        char reason[300];
        snprintf(reason, sizeof reason, "HTTP %ld %.200s", status, o->reply);
        come_again(o, reason);
        return;
    }
    if (o->away_since_ns) {
        log_info("api_back", KV_INT("away_ms", (clock_mono_ns() - o->away_since_ns) / 1000000),
                 KV_INT("pending", o->pending));
        o->away_since_ns = 0;
    }
    if (!taken && o->sending_count > 1) {
        o->singles = o->sending_count;
    } else if (!taken && !set_aside(o, status)) {
        come_again(o, "nowhere to set a refused item aside");
        return;
    } else {
        if (!taken) {
            log_error("api_refused_item", KV_TEXT("route", o->sending->name), KV_INT("status", status),
                      KV_TEXT("reason", o->reply), KV_TEXT("request_id", o->request_id));
            o->rejected++;
        } else {
            log_debug("delivered", KV_TEXT("route", o->sending->name), KV_INT("items", o->sending_count),
                      KV_TEXT("request_id", o->request_id));
        }
        if (o->singles > 0)
            o->singles--;
        forget_sent(o, o->sending_count);
    }
    o->retry_ms = 0;
    o->sending = NULL;
    advance(o);
    kick(o, 0);
    if (o->pending == 0 && o->empty)
        o->empty(o->empty_ctx);
}

static void on_finished(void *ctx, CURL *easy, CURLcode result)
{
    struct outbox *o = ctx;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    o->reply[o->reply_size] = '\0';
    answered(o, result, status);
}

static void on_next(uv_timer_t *timer)
{
    struct outbox *o = timer->data;
    advance(o); /* a file that could not be read may be readable now */
    send_next(o);
}

static void kick(struct outbox *o, int ms)
{
    if (!o->closed)
        uv_timer_start(&o->next_timer, on_next, (uint64_t)ms, 0);
}

/* ---- libcurl */

static size_t on_reply(char *data, size_t one, size_t size, void *ctx)
{
    struct outbox *o = ctx;
    size_t room = REPLY_KEPT - o->reply_size, n = size * one;
    memcpy(o->reply + o->reply_size, data, n < room ? n : room);
    o->reply_size += n < room ? n : room;
    return n;
}

static void curl_open(struct outbox *o)
{
    o->curl = curl_loop_new(o->loop, on_finished, o);
    o->easy = curl_easy_init();
    if (!o->easy)
        abort();
    o->headers = curl_slist_append(NULL, "Content-Type: application/json");
    o->headers = curl_slist_append(o->headers, "Expect:");
    curl_easy_setopt(o->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(o->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(o->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(o->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(o->easy, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    curl_easy_setopt(o->easy, CURLOPT_WRITEFUNCTION, on_reply);
    curl_easy_setopt(o->easy, CURLOPT_WRITEDATA, o);
}

static void on_curl_freed(void *ctx)
{
    release(ctx);
}

static void curl_close(struct outbox *o)
{
    if (o->sending)
        curl_loop_remove(o->curl, o->easy);
    curl_easy_cleanup(o->easy);
    curl_header_free(o->id_header);
    curl_slist_free_all(o->headers);
    curl_loop_free(o->curl, on_curl_freed);
}

/* ---- putting */

static void tell(struct waiter *list, bool ok)
{
    while (list) {
        struct waiter w = *list;
        free(list);
        list = w.next;
        if (w.done)
            w.done(w.ctx, ok);
    }
}

static void on_synced(void *ctx, bool ok);

static void sync_segment(struct segment *s)
{
    s->syncing = true;
    s->served = s->waiting;
    s->waiting = NULL;
    journal_commit(s->journal, s->outbox->loop, on_synced, s);
}

static void on_synced(void *ctx, bool ok)
{
    struct segment *s = ctx;
    struct outbox *o = s->outbox;
    struct waiter *served = s->served;
    s->served = NULL;
    s->syncing = false;
    if (!ok)
        log_error("outbox_not_durable", KV_TEXT("file", s->path));
    if (s->waiting)
        sync_segment(s);
    tell(served, ok); /* may put, commit, or close the outbox */
    if (o->closed)
        return;
    settle(s);
    if (!o->sending)
        advance(o);
}

/* One journal_commit at a time, and who waits is known here: closing a journal forgets its waiters. */
void outbox_commit(struct outbox *o, void (*done)(void *ctx, bool ok), void *ctx)
{
    assert(!o->closed);
    struct segment *s = o->last;
    struct waiter *w = must_alloc(1, sizeof *w), **end = &s->waiting;
    *w = (struct waiter){ .done = done, .ctx = ctx };
    while (*end)
        end = &(*end)->next;
    *end = w;
    uv_timer_stop(&o->commit_timer);
    if (!s->syncing)
        sync_segment(s);
}

static void on_commit_timer(uv_timer_t *timer)
{
    outbox_commit(timer->data, NULL, NULL);
}

bool outbox_put_text(struct outbox *o, const char *route, const char *item, size_t size, struct err *err)
{
    size_t name = strlen(route);
    assert(route[0] == '/' && name < ROUTE_SIZE);
    if (o->closed)
        return err_set(err, ERR_CONFLICT, "the outbox %s is closed", o->folder);
    if (journal_size(o->last->journal) > o->file_max && !roll(o, err))
        return false;
    char *record = must_alloc(1, name + size + 2);
    record[0] = RECORD_ITEM;
    memcpy(record + 1, route, name + 1);
    memcpy(record + name + 2, item, size);
    bool ok = journal_append(o->last->journal, record, name + size + 2, err);
    free(record);
    if (!ok)
        return false;
    add_item(o->last, route, item, size);
    o->pending++;
    if (!uv_is_active((uv_handle_t *)&o->commit_timer))
        uv_timer_start(&o->commit_timer, on_commit_timer, COMMIT_MS, 0);
    if (!o->sending && !uv_is_active((uv_handle_t *)&o->next_timer))
        kick(o, 0); /* in the next turn: what is put in this one goes together */
    return true;
}

bool outbox_put(struct outbox *o, const char *route, const json_t *item, struct err *err)
{
    size_t size;
    char *text = json_write(item, &size);
    bool ok = outbox_put_text(o, route, text, size, err);
    free(text);
    return ok;
}

size_t outbox_pending(const struct outbox *o)
{
    return o->pending;
}

size_t outbox_rejected(const struct outbox *o)
{
    return o->rejected;
}

void outbox_on_empty(struct outbox *o, void (*empty)(void *ctx), void *ctx)
{
    o->empty = empty;
    o->empty_ctx = ctx;
}

/* ---- life */

static int by_number(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

/* Numbers of the files there are, in order. */
static bool list_files(const char *folder, unsigned **out, size_t *count, struct err *err)
{
    DIR *dir = opendir(folder);
    *out = NULL;
    *count = 0;
    if (!dir)
        return err_set(err, ERR_IO, "cannot open the outbox %s: %s", folder, strerror(errno));
    for (const struct dirent *e; (e = readdir(dir));) {
        unsigned number;
        char again[32];
        if (sscanf(e->d_name, "%8u.journal", &number) != 1)
            continue;
        snprintf(again, sizeof again, "%08u.journal", number);
        if (strcmp(again, e->d_name) != 0)
            continue;
        *out = must_realloc(*out, *count + 1, sizeof **out);
        (*out)[(*count)++] = number;
    }
    closedir(dir);
    if (*count)
        qsort(*out, *count, sizeof **out, by_number);
    return true;
}

/* Opening the first file also locks the outbox: a second opener comes no further. Those between are only
 * counted. */
static bool open_files(struct outbox *o, struct err *err)
{
    bool ok = false;
    unsigned *numbers;
    size_t count;
    if (!list_files(o->folder, &numbers, &count, err))
        return false;
    if (count == 0) {
        numbers = must_alloc(1, sizeof *numbers);
        numbers[count++] = 1;
    }
    for (size_t i = 0; i < count; i++) {
        struct segment *s = segment_new(o, numbers[i]);
        if (o->last)
            o->last->next = s;
        else
            o->first = s;
        struct segment *before = o->last;
        o->last = s;
        if (!load(s, i == 0 || i + 1 == count, err))
            goto done;
        o->pending += s->count;
        if (before)
            settle(before);
    }
    ok = true;
done:
    free(numbers);
    return ok;
}

static void free_segments(struct outbox *o)
{
    while (o->first) {
        struct segment *s = o->first;
        o->first = s->next;
        segment_free(s);
    }
}

static bool make_folders(const char *path, struct err *err)
{
    char part[400];
    size_t size = strlen(path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return err_set(err, ERR_IO, "cannot make the folder %s: %s", part, strerror(errno));
    }
    return true;
}

struct outbox *outbox_open(uv_loop_t *loop, const struct outbox_options *options, struct err *err)
{
    struct outbox *o = must_alloc(1, sizeof *o);
    o->loop = loop;
    o->file_max = options->file_max ? options->file_max : FILE_BYTES;
    bool fits = text_copy(o->folder, sizeof o->folder, options->folder) &&
                text_copy(o->url, sizeof o->url, options->api_url);
    if (!fits)
        err_set(err, ERR_INPUT, "the outbox's folder or URL is too long");
    if (!fits || !make_folders(o->folder, err) || !open_files(o, err)) {
        free_segments(o);
        free(o);
        return NULL;
    }
    if (o->url[0] && o->url[strlen(o->url) - 1] == '/')
        o->url[strlen(o->url) - 1] = '\0';
    curl_open(o);
    uv_timer_init(loop, &o->next_timer);
    uv_timer_init(loop, &o->commit_timer);
    o->next_timer.data = o->commit_timer.data = o;
    o->holds = 3;
    advance(o);
    kick(o, 0);
    return o;
}

static void release(struct outbox *o)
{
    if (--o->holds > 0)
        return;
    free_segments(o);
    free(o->body);
    free(o);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void outbox_close(struct outbox *o)
{
    if (!o)
        return;
    o->closed = true;
    curl_close(o);
    for (struct segment *s = o->first; s; s = s->next) {
        struct err err;
        bool ok = !s->journal || journal_sync(s->journal, &err);
        journal_close(s->journal);
        s->journal = NULL;
        tell(s->served, ok);
        tell(s->waiting, ok);
        s->served = s->waiting = NULL;
    }
    uv_close((uv_handle_t *)&o->next_timer, on_timer_closed);
    uv_close((uv_handle_t *)&o->commit_timer, on_timer_closed);
}
