/* handlers.h - what answers a route. One call per request, on the connection's own thread; no HTTP library in sight. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include <pthread.h>
#include <sys/types.h>

#include "core/buffer.h"
#include "api/filter.h"
#include "api/state.h"
#include "api/writer.h"
#include "core/json.h"

struct store;
/* What the handlers share. Lives as long as the server. */
struct api {
    struct state *state;
    struct writer *writer;
    struct db_pool *readers;
    struct store *store;             /* the writer's */
    const struct db_options *database;
    const char *scratch;             /* folder for what is too large for memory */
    struct {
        pthread_mutex_t lock;
        int fd;                      /* of what has come of an archive; -1: nothing */
        int64_t size;
        bool is_busy;                /* it is being imported */
        bool is_exporting;
    } transfer;
};

struct server;
struct call {
    struct api *api;
    struct server *server;
    const void *arg;          /* the route's */
    const char *path;         /* as asked */
    const char *id;           /* the last part of the path of a route with :id; else "" */
    const char *request_id;
    bool is_head;
    bool is_local;            /* the caller is on this machine */
    const char *body;
    size_t body_size;
    struct filter filter;     /* the query, read */
    bool csv;                 /* asked for, and possible */

    unsigned status;
    const char *content_type; /* static */
    struct buffer reply;
    struct {                  /* instead of reply, when next is set */
        ssize_t (*next)(void *ctx, char *out, size_t max); /* 0: the end, -1: it failed */
        void (*end)(void *ctx);
        void *ctx;
    } stream;
    const char *file_name;    /* to save it under; static */
    const char *allow;        /* 405 */
    int retry_after_s;        /* 0: not said */
    char next_cursor[CURSOR_SIZE]; /* "" on the last page */
};
typedef void handler(struct call *c);

/* ---- replies */

/* An application/problem+json reply (RFC 9457), the only form of a refusal. faults may be NULL. */
void problem(struct call *c, unsigned status, const struct json_faults *faults, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
const char *status_title(unsigned status);
/* False: an import is under way or was cut short, and that is the reply. */
bool record_is_whole(struct call *c);

/* A list, item by item, in JSON or CSV. */
struct page {
    struct call *call;
    const struct column *columns[64];
    size_t columns_count, count;
    bool is_cut;              /* there is more than the limit */
    char last[CURSOR_KEY_SIZE];
};
void page_begin(struct page *p, struct call *c, const struct table *t);
/* The same without some columns: shown[i] for column i of the table. */
void page_begin_some(struct page *p, struct call *c, const struct table *t, const bool *shown);
/* key: where the next page would begin after. False: the page is full, it was not put in. */
bool page_add(struct page *p, const void *record, const char *key);
void page_end(struct page *p);
/* One object instead of a list. */
void reply_one(struct call *c, const struct table *t, const void *record);

/* ---- handlers; arg in brackets */
handler post_records;          /* struct ingest */
handler get_fills, get_orders, get_order, get_positions, get_pnl, get_runs, get_run, get_strategies, get_strategy;
handler get_rows;              /* struct table: read from the database */
handler get_order_events;      /* struct table */
handler get_bars;
handler get_healthz, get_readyz, get_version, get_openapi, get_metrics, get_export, post_import;

#endif
