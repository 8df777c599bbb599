/* exchange.h - the running exchange: market, accounts, clock and connections. What main.c, rest.c and
 * stream.c share; one loop, one thread.
 *
 * Whoever is about to look at the market or touch an order calls exchange_now first: it runs what is due
 * and gives the market's time, which never goes back. */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include <uv.h>

#include "core/clock.h"
#include "core/json.h"
#include "exchange/auth.h"
#include "exchange/customer.h"
#include "exchange/driver.h"
#include "exchange/events.h"
#include "exchange/faults.h"
#include "exchange/feed.h"
#include "exchange/meter.h"
#include "exchange/objects.h"
#include "exchange/record.h"
#include "http/server.h"

enum { FRAMES_BINARY, FRAMES_TEXT };

enum exchange_fills { FILLS_WHOLE, FILLS_SHOWN, FILLS_PAPER };
struct exchange_settings {
    char host[64];
    int64_t port;
    char bars[1024];
    char from[40];
    char speed[24];
    char state[1024], faults[1024];
    bool allow_faults;
    int64_t seed;
    struct symbol_list symbols;
    int64_t cash, fee;
    int64_t slippage;
    int fills; /* enum exchange_fills */
    bool participants;
    int64_t rate_limit;
    int stream_frames;
    int64_t data_connections, stream_symbols;
    bool verbose;
};

struct stream;   /* one WebSocket connection (stream.c) */
struct follower; /* one reader of server-sent events (rest_events.c) */

struct exchange {
    struct exchange_settings settings;
    uv_loop_t loop;
    uv_timer_t timer, second; /* the next instant; once a second: logins that never came */
    uv_signal_t signals[2];
    struct http_server *server;
    struct feed *feed;
    struct venue *venue;
    struct driver driver;
    struct record *record; /* NULL: nothing is kept */
    struct faults *faults; /* NULL: none are allowed */
    bool cancels_stuck;
    struct market_clock clock;
    double speed;    /* 0: lockstep; 1 in real time */
    int64_t now_ns;  /* the latest market time anybody was told */
    uint64_t events; /* trade events so far */
    int64_t trades;  /* prints told on streams: their ids */
    struct event_log event_log;
    struct follower *followers; /* list */
    uint64_t requests;
    struct meter meter;
    struct stream *streams; /* list */
    struct customer **customers; /* in order of the accounts' opening */
    size_t customers_count;
    struct table by_key; /* customers by their account's key */
    bool stopping;
};

/* ---- exchange.c */
bool exchange_start(struct exchange *x, struct err *err);
void exchange_stop(struct exchange *x);
void exchange_free(struct exchange *x); /* when the loop is empty */
/* The market as it is at start_ns, before its first instant. */
void exchange_begin(struct exchange *x, int64_t start_ns);
/* Runs all that happens at a time. */
void exchange_instant(struct exchange *x, int64_t time_ns);
/* Now. */
struct account *exchange_open_account(struct exchange *x, const char *key, const char *secret, const uint64_t bits[2]);
/* Runs what is due. */
void exchange_pump(struct exchange *x);
int64_t exchange_now(struct exchange *x);
/* The daily bar of today as far as it has come at now_ns; false: no regular minute has ended yet. */
bool exchange_day(struct exchange *x, int symbol, int64_t now_ns, struct bar *out);
static inline bool exchange_has_ticks(const struct exchange *x)
{
    return x->driver.mode != DRIVER_REAL;
}
/* The account of a key pair; an unseen key opens one. NULL: the secret is another's. */
struct account *exchange_login(struct exchange *x, const struct credentials *who);
struct customer *exchange_customer(const struct exchange *x, const struct account *a);

/* ---- rest.c */
void rest_request(void *ctx, const struct http_request *req, struct http_response *res);
/* One that was accepted before, now again. who NULL: the operator's. */
void rest_replay(struct exchange *x, struct customer *who, const struct http_request *req, struct http_response *res);

/* ---- rest_events.c */
void events_trade(struct exchange *x, const struct trade_event *e);
void events_flush(struct exchange *x); /* after an instant or a request: what is due */
void events_second(struct exchange *x);
void events_close(void *ctx, struct http_stream *t);

/* ---- stream.c */
bool stream_open(void *ctx, struct http_socket *s, const char *path, const char *content_type);
void stream_message(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary);
void stream_close(void *ctx, struct http_socket *s, bool orderly);
extern const char *const stream_paths[];
/* By kind: trade updates, market data. */
void stream_count(const struct exchange *x, size_t counts[2]);
void stream_second(struct exchange *x); /* ends connections that did not log in */
void stream_trade(struct exchange *x, const struct trade_event *e);
void stream_market(struct exchange *x, const struct instant *in);
void stream_event(struct exchange *x, const struct market_event *e);
void stream_tick(struct exchange *x); /* the driver's newest */

#endif
