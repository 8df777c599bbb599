/* stream.c - /stream (trade_updates) and /v2/iex (market data): logins, subscriptions, delivery.
 *
 * JSON, or MessagePack when the handshake's Content-Type asks for it. /stream sends JSON in binary frames
 * as the paper broker does, market data in text frames. */
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "core/log.h"
#include "exchange/exchange.h"
#include "exchange/msgpack.h"

const char *const stream_paths[] = { "/stream", "/v2/iex", "/v2/sip", "/v2/test", NULL };

/* The channels of market data. Ours has bars and quotes; the others can be asked for and stay silent. */
enum { CHANNEL_TRADES, CHANNEL_QUOTES, CHANNEL_BARS, CHANNELS = 8, CHANNEL_SYMBOLS_MAX = 1000 };
static const char *const channel_names[] = { "trades",   "quotes", "bars",       "updatedBars", "dailyBars",
                                             "statuses", "lulds",  "imbalances", NULL };

struct stream {
    struct exchange *exchange;
    struct http_socket *socket;
    struct stream *next;
    bool is_data, msgpack, closing;
    int64_t opened_ns;       /* monotonic */
    struct account *account; /* NULL: not logged in */
    /* /stream */
    bool updates, markers;
    /* market data */
    json_t *channels[CHANNELS]; /* arrays of symbols, "*" among them */
    bool *wants[CHANNELS];      /* by symbol; quotes and bars only */
    int client;                 /* the driver's; -1: takes no ticks */
};

static void send_json(struct stream *s, json_t *message) /* takes it */
{
    size_t size;
    if (s->msgpack) {
        unsigned char *data = msgpack_encode(message, &size);
        faults_send(s->exchange, s->socket, message, data, size, true);
        free(data);
    } else {
        char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(15));
        faults_send(s->exchange, s->socket, message, text, strlen(text), !s->is_data);
        free(text);
    }
    json_decref(message);
}

static void hang_up(struct stream *s)
{
    s->closing = true;
    http_socket_close(s->socket, 1000);
}

/* ---- /stream */

static void reply(struct stream *s, const char *action, bool authorized)
{
    send_json(s, json_pack("{ss s{ss ss}}", "stream", "authorization", "data", "status",
                           authorized ? "authorized" : "unauthorized", "action", action));
}

static void send_marker(struct stream *s)
{
    send_json(s,
              json_pack("{ss s{sI}}", "stream", "lockstep", "data", "n", (json_int_t)s->exchange->driver.n));
}

static void listen_to(struct stream *s, const json_t *streams)
{
    json_t *taken = json_array();
    s->updates = s->markers = false;
    for (size_t i = 0; i < json_array_size(streams); i++) {
        const char *name = json_string_value(json_array_get(streams, i));
        bool *flag = !name                                                              ? NULL
                     : strcmp(name, "trade_updates") == 0                               ? &s->updates
                     : strcmp(name, "lockstep") == 0 && exchange_has_ticks(s->exchange) ? &s->markers
                                                                                        : NULL;
        if (!flag || *flag)
            continue;
        *flag = true;
        json_array_append_new(taken, json_string(name));
    }
    send_json(s, json_pack("{ss s{so}}", "stream", "listening", "data", "streams", taken));
    if (s->markers && s->exchange->driver.n > 0)
        send_marker(s); /* the newest tick may have gone out before it listened */
}

static void trades_message(struct stream *s, const json_t *m)
{
    const char *action = json_string_value(json_object_get(m, "action"));
    const json_t *data = json_object_get(m, "data");
    if (action && (strcmp(action, "authenticate") == 0 || strcmp(action, "auth") == 0)) {
        bool flat = !data;
        const char *key = json_string_value(json_object_get(flat ? m : data, flat ? "key" : "key_id"));
        const char *secret =
            json_string_value(json_object_get(flat ? m : data, flat ? "secret" : "secret_key"));
        const char *token = json_string_value(json_object_get(data, "oauth_token"));
        struct credentials who;
        s->account = credentials_of_pair(&who, token ? "oauth" : key, token ? token : secret)
                         ? exchange_login(s->exchange, &who)
                         : NULL;
        reply(s, "authenticate", s->account != NULL);
        if (!s->account)
            hang_up(s);
    } else if (action && strcmp(action, "listen") == 0) {
        if (!s->account)
            reply(s, "listen", false);
        else
            listen_to(s, json_object_get(data, "streams"));
    } else {
        send_json(s, json_pack("{ss s{ss}}", "stream", "error", "data", "message", "invalid syntax"));
    }
}

/* ---- market data */

static void send_error(struct stream *s, int code, const char *text)
{
    send_json(s, json_pack("[{ss si ss}]", "T", "error", "code", code, "msg", text));
}

static void send_subscription(struct stream *s)
{
    json_t *j = json_pack("{ss}", "T", "subscription");
    for (int c = 0; c < CHANNELS; c++)
        json_object_set(j, channel_names[c], s->channels[c]);
    json_object_set(j, "corrections", s->channels[CHANNEL_TRADES]);
    json_object_set(j, "cancelErrors", s->channels[CHANNEL_TRADES]);
    send_json(s, json_pack("[o]", j));
}

static size_t index_of(const json_t *list, const char *symbol)
{
    size_t i = 0;
    while (i < json_array_size(list) && strcmp(json_string_value(json_array_get(list, i)), symbol) != 0)
        i++;
    return i;
}

static void update_wants(struct stream *s, int channel)
{
    const struct venue *v = s->exchange->venue;
    const json_t *list = s->channels[channel];
    bool all = index_of(list, "*") < json_array_size(list);
    for (size_t i = 0; i < venue_symbols_count(v); i++)
        s->wants[channel][i] = all || index_of(list, venue_symbol_name(v, (int)i)) < json_array_size(list);
}

/* One channel's list of a subscribe or unsubscribe, checked but not yet applied. */
static bool channel_is_valid(const json_t *list)
{
    if (!json_is_array(list))
        return !list;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return true;
}

static void subscribe(struct stream *s, const json_t *m, bool add)
{
    for (int c = 0; c < CHANNELS; c++) {
        const json_t *list = json_object_get(m, channel_names[c]);
        if (!channel_is_valid(list)) {
            send_error(s, 400, "invalid syntax");
            return;
        }
        if (add && json_array_size(s->channels[c]) + json_array_size(list) > CHANNEL_SYMBOLS_MAX) {
            send_error(s, 405, "symbol limit exceeded");
            return;
        }
    }
    for (int c = 0; c < CHANNELS; c++) {
        const json_t *list = json_object_get(m, channel_names[c]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *symbol = json_string_value(json_array_get(list, i));
            size_t at = index_of(s->channels[c], symbol);
            bool there = at < json_array_size(s->channels[c]);
            if (add && !there)
                json_array_append_new(s->channels[c], json_string(symbol));
            if (!add && there)
                json_array_remove(s->channels[c], at);
        }
    }
    update_wants(s, CHANNEL_QUOTES);
    update_wants(s, CHANNEL_BARS);
    send_subscription(s);
}

static bool has_other_connection(const struct stream *s, const struct account *a)
{
    for (const struct stream *o = s->exchange->streams; o; o = o->next)
        if (o != s && o->is_data && !o->closing && o->account == a)
            return true;
    return false;
}

static void data_login(struct stream *s, const char *key, const char *secret)
{
    if (s->account) {
        send_error(s, 403, "already authenticated");
        return;
    }
    struct credentials who;
    struct account *a = credentials_of_pair(&who, key, secret) ? exchange_login(s->exchange, &who) : NULL;
    if (a && !has_other_connection(s, a)) {
        s->account = a;
        send_json(s, json_pack("[{ss ss}]", "T", "success", "msg", "authenticated"));
        return;
    }
    send_error(s, a ? 406 : 402, a ? "connection limit exceeded" : "auth failed");
    hang_up(s);
}

static void send_tick(struct stream *s)
{
    const struct driver *d = &s->exchange->driver;
    const struct alpaca_tick tick = { d->n, d->now_ns, s->exchange->speed, d->ended };
    send_json(s, json_pack("[o]", alpaca_tick_encode(&tick)));
}

static void take_ticks(struct stream *s)
{
    struct exchange *x = s->exchange;
    if (!exchange_has_ticks(x)) {
        send_error(s, 400, "invalid syntax");
        return;
    }
    if (s->client >= 0)
        return; /* asked twice */
    s->client = driver_join(&x->driver, s->account->key);
    if (s->client < 0)
        send_error(s, 406, "connection limit exceeded");
    else
        record_client(x, s->account->key, true, 0);
    if (s->client >= 0 && x->driver.n > 0)
        send_tick(s);
    exchange_pump(x);
}

static void take_ack(struct stream *s, const json_t *m)
{
    const json_t *n = json_object_get(m, "n"), *wake = json_object_get(m, "wake");
    int64_t wake_ns = 0;
    bool ok = s->client >= 0 && json_is_integer(n);
    if (ok && wake && !json_is_null(wake))
        ok = json_is_string(wake) && time_parse(json_string_value(wake), json_string_length(wake), &wake_ns);
    if (!ok) {
        send_error(s, 400, "invalid syntax");
        return;
    }
    struct driver_client *client = &s->exchange->driver.clients[s->client];
    int64_t wanted_ns = client->wake_ns;
    driver_ack(&s->exchange->driver, s->client, json_integer_value(n), wake_ns);
    if (client->wake_ns != wanted_ns)
        record_client(s->exchange, client->name, true, client->wake_ns);
    exchange_pump(s->exchange);
}

static void data_message(struct stream *s, const json_t *m)
{
    const char *action = json_string_value(json_object_get(m, "action"));
    if (!action)
        send_error(s, 400, "invalid syntax");
    else if (strcmp(action, "auth") == 0)
        data_login(s, json_string_value(json_object_get(m, "key")),
                   json_string_value(json_object_get(m, "secret")));
    else if (!s->account)
        send_error(s, 401, "not authenticated");
    else if (strcmp(action, "subscribe") == 0 || strcmp(action, "unsubscribe") == 0)
        subscribe(s, m, action[0] == 's');
    else if (strcmp(action, "lockstep") == 0)
        take_ticks(s);
    else if (strcmp(action, "ack") == 0)
        take_ack(s, m);
    else
        send_error(s, 400, "invalid syntax");
}

/* ---- delivery */

void stream_trade(struct exchange *x, const struct trade_event *e)
{
    json_t *message = NULL;
    for (struct stream *s = x->streams; s; s = s->next) {
        if (s->is_data || s->closing || !s->updates || s->account != e->order->account)
            continue;
        if (!message)
            message = json_pack("{ss so}", "stream", "trade_updates", "data",
                                trade_event_json(x->venue, e, x->events));
        send_json(s, json_incref(message));
    }
    json_decref(message);
}

/* Encoded once for all who want it; NULL until the first does. */
static void append_shared(json_t *to, json_t **shared, json_t *(*make)(const char *, const void *),
                          const char *symbol, const void *what)
{
    if (!*shared)
        *shared = make(symbol, what);
    json_array_append(to, *shared);
}

static json_t *make_quote(const char *symbol, const void *quote)
{
    return alpaca_stream_quote_encode(symbol, quote);
}

static json_t *make_bar(const char *symbol, const void *bar)
{
    return alpaca_stream_bar_encode(symbol, bar);
}

void stream_market(struct exchange *x, const struct instant *in)
{
    size_t total = in->quotes_count + in->ended_count;
    if (!x->streams || total == 0)
        return;
    json_t **shared = must_alloc(total, sizeof *shared);
    for (struct stream *s = x->streams; s; s = s->next) {
        if (!s->is_data || s->closing || !s->account)
            continue;
        json_t *batch = json_array();
        for (size_t i = 0; i < in->quotes_count; i++)
            if (s->wants[CHANNEL_QUOTES][in->quotes[i].symbol])
                append_shared(batch, &shared[i], make_quote,
                              venue_symbol_name(x->venue, in->quotes[i].symbol), &in->quotes[i].quote);
        for (size_t i = 0; i < in->ended_count; i++)
            if (s->wants[CHANNEL_BARS][in->ended[i].symbol])
                append_shared(batch, &shared[in->quotes_count + i], make_bar,
                              venue_symbol_name(x->venue, in->ended[i].symbol), &in->ended[i].bar);
        if (json_array_size(batch))
            send_json(s, batch);
        else
            json_decref(batch);
    }
    for (size_t i = 0; i < total; i++)
        json_decref(shared[i]);
    free(shared);
}

void stream_tick(struct exchange *x)
{
    if (!exchange_has_ticks(x))
        return;
    for (struct stream *s = x->streams; s; s = s->next) {
        if (s->closing)
            continue;
        if (s->is_data && s->client >= 0)
            send_tick(s);
        if (!s->is_data && s->markers)
            send_marker(s);
    }
}

/* ---- connections */

bool stream_open(void *ctx, struct http_socket *socket, const char *path, const char *content_type)
{
    struct exchange *x = ctx;
    struct stream *s = must_alloc(1, sizeof *s);
    *s = (struct stream){
        .exchange = x,
        .socket = socket,
        .is_data = strcmp(path, "/stream") != 0,
        .opened_ns = clock_mono_ns(),
        .msgpack = content_type && strstr(content_type, "msgpack"),
        .client = -1,
        .next = x->streams,
    };
    x->streams = s;
    http_socket_set(socket, s);
    if (!s->is_data)
        return true;
    for (int c = 0; c < CHANNELS; c++)
        s->channels[c] = json_array();
    s->wants[CHANNEL_QUOTES] = must_alloc(venue_symbols_count(x->venue), sizeof(bool));
    s->wants[CHANNEL_BARS] = must_alloc(venue_symbols_count(x->venue), sizeof(bool));
    json_t *greeting = json_pack("[{ss ss}]", "T", "success", "msg", "connected");
    if (exchange_has_ticks(x))
        json_object_set_new(json_array_get(greeting, 0), "lockstep", json_true());
    send_json(s, greeting);
    char key[130], secret[130]; /* a client may log in by the handshake's headers */
    if (http_socket_header(socket, "APCA-API-KEY-ID", key, sizeof key) &&
        http_socket_header(socket, "APCA-API-SECRET-KEY", secret, sizeof secret))
        data_login(s, key, secret);
    return true;
}

void stream_message(void *ctx, struct http_socket *socket, const char *data, size_t size, bool binary)
{
    (void)ctx, (void)binary; /* both are taken */
    struct stream *s = http_socket_get(socket);
    struct err err;
    if (s->closing)
        return;
    json_t *m = s->msgpack ? msgpack_decode(data, size, &err) : json_read(data, size, &err);
    exchange_now(s->exchange);
    if (s->is_data && !json_is_object(m))
        send_error(s, 400, "invalid syntax");
    else if (s->is_data)
        data_message(s, m);
    else
        trades_message(s, m);
    json_decref(m);
}

void stream_close(void *ctx, struct http_socket *socket, bool orderly)
{
    struct exchange *x = ctx;
    struct stream *s = http_socket_get(socket), **link = &x->streams;
    if (!s)
        return;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    faults_forget(x, socket);
    if (s->client >= 0) {
        driver_leave(&x->driver, s->client, orderly);
        if (orderly)
            record_client(x, s->account->key, false, 0);
        if (!orderly && !x->stopping)
            log_warn("client_vanished", KV_TEXT("account", s->account->number));
    }
    for (int c = 0; c < CHANNELS; c++) {
        json_decref(s->channels[c]);
        free(s->wants[c]);
    }
    free(s);
    exchange_pump(x);
}

void stream_count(const struct exchange *x, size_t counts[2])
{
    for (const struct stream *s = x->streams; s; s = s->next)
        counts[s->is_data]++;
}

void stream_second(struct exchange *x)
{
    int64_t now = clock_mono_ns();
    for (struct stream *s = x->streams; s; s = s->next) {
        if (s->account || s->closing || now - s->opened_ns < 10 * SECOND_NS)
            continue;
        if (s->is_data)
            send_error(s, 404, "auth timeout");
        hang_up(s);
    }
}
