/* stream.c - /stream (trade_updates) and /v2/iex (market data): logins, subscriptions, delivery.
 *
 * JSON, or MessagePack when the handshake's Content-Type asks for it. /stream sends JSON in binary frames as the
 * paper broker does, or in text frames as the live one (a setting); market data goes in text frames. */
#include <stdlib.h>
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"
#include "exchange/exchange.h"
#include "exchange/msgpack.h"

const char *const stream_paths[] = { "/stream", "/v2/iex", "/v2/sip", "/v2/delayed_sip", "/v2/test", NULL };

/* The channels of market data. updatedBars and lulds can be asked for and stay silent: no bar of ours is corrected, and
 * there are no price bands. */
enum {
    CHANNEL_TRADES,
    CHANNEL_QUOTES,
    CHANNEL_BARS,
    CHANNEL_UPDATED_BARS,
    CHANNEL_DAILY_BARS,
    CHANNEL_STATUSES,
    CHANNEL_LULDS,
    CHANNEL_IMBALANCES,
    CHANNELS,
    CHANNEL_SYMBOLS_MAX = 1000
};
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
    bool *wants[CHANNELS];      /* by symbol */
    int client;                 /* the driver's; -1: takes no ticks */
};

static void send_frame(struct stream *s, enum frame what, const void *data, size_t size, bool binary)
{
    faults_send(s->exchange, s->socket, what, data, size, binary);
}

/* Takes the message. */
static void send_message(struct stream *s, enum frame what, json_t *message)
{
    size_t size;
    if (s->msgpack) {
        unsigned char *data = msgpack_encode(message, &size);
        send_frame(s, what, data, size, true);
        free(data);
    } else {
        char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(15));
        send_frame(s, what, text, strlen(text), !s->is_data && s->exchange->settings.stream_frames == FRAMES_BINARY);
        free(text);
    }
    json_decref(message);
}

static void send_json(struct stream *s, json_t *message)
{
    send_message(s, s->is_data ? FRAME_DATA_ANSWER : FRAME_TRADES_ANSWER, message);
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

/* How many of more, each counted once, list does not have. */
static size_t count_new(const json_t *list, const json_t *more)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(more); i++) {
        const char *symbol = json_string_value(json_array_get(more, i));
        count += index_of(list, symbol) == json_array_size(list) && index_of(more, symbol) == i;
    }
    return count;
}

static void subscribe(struct stream *s, const json_t *m, bool add)
{
    int64_t limit = s->exchange->settings.stream_symbols;
    size_t priced = 0; /* the limit is on trades and quotes together */
    for (int c = 0; c < CHANNELS; c++) {
        const json_t *list = json_object_get(m, channel_names[c]);
        if (!channel_is_valid(list)) {
            send_error(s, 400, "invalid syntax");
            return;
        }
        size_t count = json_array_size(s->channels[c]) + count_new(s->channels[c], list);
        priced += c == CHANNEL_TRADES || c == CHANNEL_QUOTES ? count : 0;
        if (add && (count > CHANNEL_SYMBOLS_MAX || (limit && priced > (size_t)limit))) {
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
    for (int c = 0; c < CHANNELS; c++)
        update_wants(s, c);
    send_subscription(s);
}

static bool has_too_many(const struct stream *s, const struct account *a)
{
    int64_t others = 0;
    for (const struct stream *o = s->exchange->streams; o; o = o->next)
        others += o != s && o->is_data && !o->closing && o->account == a;
    return others >= s->exchange->settings.data_connections;
}

static void data_login(struct stream *s, const char *key, const char *secret)
{
    if (s->account) {
        send_error(s, 403, "already authenticated");
        return;
    }
    struct credentials who;
    struct account *a = credentials_of_pair(&who, key, secret) ? exchange_login(s->exchange, &who) : NULL;
    if (a && !has_too_many(s, a)) {
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
    struct buffer message = { 0 };
    for (struct stream *s = x->streams; s; s = s->next) {
        if (s->is_data || s->closing || !s->updates || s->account != e->order->account)
            continue;
        if (!message.size) {
            buffer_text(&message, "{\"stream\":\"trade_updates\",\"data\":");
            trade_event_write(&message, x->venue, e, x->events);
            buffer_add(&message, "}", 1);
        }
        if (s->msgpack)
            send_message(s, FRAME_TRADES, json_loadb(message.data, message.size, 0, NULL));
        else
            send_frame(s, FRAME_TRADES, message.data, message.size, x->settings.stream_frames == FRAMES_BINARY);
    }
    buffer_free(&message);
}

/* One message of market data, encoded once for all who want it. */
struct message {
    int channel, symbol;
    json_t *json; /* NULL until the first wants it */
    const void *what;
    json_t *(*make)(struct exchange *x, const struct message *m);
};

static bool is_wanted(const struct stream *s, const struct message *m)
{
    return s->is_data && !s->closing && s->account && s->wants[m->channel][m->symbol];
}

static bool anybody_wants(const struct exchange *x, int channel, int symbol)
{
    const struct message m = { .channel = channel, .symbol = symbol };
    for (const struct stream *s = x->streams; s; s = s->next)
        if (is_wanted(s, &m))
            return true;
    return false;
}

/* One batch to each who wants any of them. */
static void deliver(struct exchange *x, struct message *messages, size_t count)
{
    for (struct stream *s = x->streams; s; s = s->next) {
        json_t *batch = NULL;
        for (size_t i = 0; i < count; i++) {
            struct message *m = &messages[i];
            if (!is_wanted(s, m))
                continue;
            if (!m->json)
                m->json = m->make(x, m);
            if (!batch)
                batch = json_array();
            json_array_append(batch, m->json);
        }
        if (batch)
            send_message(s, FRAME_DATA, batch);
    }
    for (size_t i = 0; i < count; i++)
        json_decref(messages[i].json);
}

static const char *name_of(const struct exchange *x, const struct message *m)
{
    return venue_symbol_name(x->venue, m->symbol);
}

static json_t *make_quote(struct exchange *x, const struct message *m)
{
    return alpaca_stream_quote_encode(name_of(x, m), m->what);
}

static json_t *make_bar(struct exchange *x, const struct message *m)
{
    return alpaca_stream_bar_encode(name_of(x, m), m->what);
}

static json_t *make_daily(struct exchange *x, const struct message *m)
{
    json_t *j = make_bar(x, m);
    json_object_set_new(j, "T", json_string("d")); /* in the place where it was: first */
    return j;
}

static json_t *make_trade(struct exchange *x, const struct message *m)
{
    json_t *j = json_pack("{ss ss}", "T", "t", "S", name_of(x, m)), *rest = trade_json(m->what, ++x->trades);
    json_object_update(j, rest);
    json_decref(rest);
    return j;
}

/* An instant of the recorded market. */
void stream_market(struct exchange *x, const struct instant *in)
{
    size_t most = in->quotes_count + in->trades_count + 2 * in->ended_count, count = 0, days = 0;
    if (!x->streams || most == 0)
        return;
    struct message *messages = must_alloc(most, sizeof *messages);
    struct bar *daily = must_alloc(in->ended_count, sizeof *daily);
    for (size_t i = 0; i < in->quotes_count; i++)
        messages[count++] = (struct message){ CHANNEL_QUOTES, in->quotes[i].symbol, NULL, &in->quotes[i].quote, make_quote };
    for (size_t i = 0; i < in->trades_count; i++)
        messages[count++] = (struct message){ CHANNEL_TRADES, in->trades[i].symbol, NULL, &in->trades[i].trade, make_trade };
    for (size_t i = 0; i < in->ended_count; i++) {
        int symbol = in->ended[i].symbol;
        messages[count++] = (struct message){ CHANNEL_BARS, symbol, NULL, &in->ended[i].bar, make_bar };
        if (anybody_wants(x, CHANNEL_DAILY_BARS, symbol) && exchange_day(x, symbol, in->time_ns, &daily[days]))
            messages[count++] = (struct message){ CHANNEL_DAILY_BARS, symbol, NULL, &daily[days++], make_daily };
    }
    deliver(x, messages, count);
    free(daily);
    free(messages);
}

static json_t *make_status(struct exchange *x, const struct message *m)
{
    const struct market_event *e = m->what;
    bool halt = e->kind == MARKET_HALT;
    char time[TIME_TEXT_SIZE];
    time_format(e->time_ns, time);
    return json_pack("{ss ss ss ss ss ss ss ss}", "T", "s", "S", name_of(x, m), "sc", halt ? "2" : "3", "sm",
                     halt ? "Trading Halt" : "Resume", "rc", halt ? "X" : "", "rm", halt ? "Operational" : "", "t", time,
                     "z", "B");
}

static json_t *make_imbalance(struct exchange *x, const struct message *m)
{
    const struct market_event *e = m->what;
    char time[TIME_TEXT_SIZE];
    time_format(e->time_ns, time);
    return json_pack("{ss ss sf ss ss}", "T", "i", "S", name_of(x, m), "p", (double)e->price.micros / PRICE_SCALE, "t", time,
                     "z", "B");
}

/* What participants did among themselves, and halts. */
void stream_event(struct exchange *x, const struct market_event *e)
{
    const struct trade_print print = { e->time_ns, e->price, e->qty / QTY_SCALE };
    struct message m = { .symbol = e->symbol, .what = e };
    switch (e->kind) {
    case MARKET_CROSS:
        if (venue_asset(x->venue, e->symbol)->has_feed)
            return; /* the recorded market's own print is the official one */
        /* fall through */
    case MARKET_PRINT:
        m.channel = CHANNEL_TRADES;
        m.what = &print;
        m.make = make_trade;
        break;
    case MARKET_INDICATION:
        if (!price_is_set(e->price))
            return;
        m.channel = CHANNEL_IMBALANCES;
        m.make = make_imbalance;
        break;
    case MARKET_HALT:
    case MARKET_RESUME:
        m.channel = CHANNEL_STATUSES;
        m.make = make_status;
        break;
    }
    deliver(x, &m, 1);
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
    for (int c = 0; c < CHANNELS; c++) {
        s->channels[c] = json_array();
        s->wants[c] = must_alloc(venue_symbols_count(x->venue), sizeof(bool));
    }
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
