#include "streamer/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"
#include "http/server.h"

enum {
    LOGIN_MS_MAX = 10000,
    BACK_MS = 90000, /* for an engine we hung up on to be back: three times its longest pause */
};

static const char *const socket_paths[] = { "/stream", "/v2/iex", NULL };
static const char *const channel_names[RELAY_CHANNELS] = { [RELAY_BARS] = "bars", [RELAY_QUOTES] = "quotes" };

/* One connection of an engine. */
struct line {
    struct relay *relay;
    struct http_socket *socket;
    struct line *next;
    struct relay_client *client; /* data, logged in */
    int64_t opened_ms;
    size_t answers_due;          /* data: subscriptions upstream has not answered yet */
    bool is_data, logged_in, closing;
    bool updates, markers;       /* trades: what it listens to */
};

struct relay {
    uv_loop_t *loop;
    struct relay_options o;
    struct http_server *server;
    struct relay_state *state;
    struct line *lines;
    struct symbol_set wanted[RELAY_CHANNELS];
    uv_timer_t second, lost_timer;
    bool up, ticks, asked, stopped; /* asked: upstream owes an answer to on_wanted */
};

/* ---- out */

static void send_text(struct line *l, const char *text, size_t size)
{
    if (!l->closing)
        http_socket_send(l->socket, text, size, false);
}

static void send_json(struct line *l, json_t *j) /* takes j */
{
    char *text = json_dumps(j, JSON_COMPACT);

    send_text(l, text, strlen(text));
    free(text);
    json_decref(j);
}

static void hang_up(struct line *l, int code)
{
    if (!l->closing)
        http_socket_close(l->socket, code);
    l->closing = true;
}

static void send_error(struct line *l, int64_t code, const char *text)
{
    send_json(l, json_pack("[{s:s,s:I,s:s}]", "T", "error", "code", (json_int_t)code, "msg", text));
}

static void send_subscription(struct line *l)
{
    static const char *const silent[] = { "trades", "updatedBars", "dailyBars", "statuses", "lulds",
                                          "imbalances", "corrections", "cancelErrors" };
    json_t *j = json_pack("{s:s}", "T", "subscription");

    for (int channel = 0; channel < RELAY_CHANNELS; channel++) {
        const struct symbol_set *set = relay_client_symbols(l->client, (enum relay_channel)channel);
        json_t *list = json_array();
        for (size_t i = 0; i < set->count; i++)
            json_array_append_new(list, json_string(set->names[i]));
        json_object_set_new(j, channel_names[channel], list);
    }
    for (size_t i = 0; i < COUNT_OF(silent); i++)
        json_object_set_new(j, silent[i], json_array());
    send_json(l, json_pack("[o]", j));
}

static void send_tick(struct line *l, const struct alpaca_tick *tick)
{
    send_json(l, json_pack("[o]", alpaca_tick_encode(tick)));
}

static void send_marker(struct line *l, int64_t n)
{
    char text[80];
    int size = snprintf(text, sizeof text, "{\"stream\":\"lockstep\",\"data\":{\"n\":%" PRId64 "}}", n);

    send_text(l, text, (size_t)size);
}

/* ---- towards the broker */

static void tell_ack(struct relay *r)
{
    int64_t n, wake_ns;

    if (r->up && relay_state_due(r->state, &n, &wake_ns))
        r->o.on_ack(r->o.ctx, n, wake_ns);
}

static void tell_wanted(struct relay *r)
{
    bool changed = false;

    for (int channel = 0; channel < RELAY_CHANNELS; channel++)
        changed |= relay_state_union(r->state, (enum relay_channel)channel, &r->wanted[channel]);
    if (!changed)
        return;
    r->asked = true;
    r->o.on_wanted(r->o.ctx, &r->wanted[RELAY_BARS], &r->wanted[RELAY_QUOTES]);
}

static void answer_subscriptions(struct relay *r, int64_t code)
{
    for (struct line *l = r->lines; l; l = l->next)
        for (; l->answers_due > 0; l->answers_due--) {
            if (code)
                send_error(l, code, "refused by the broker");
            else
                send_subscription(l);
        }
}

/* ---- login */

/* Takes as long for a wrong one as for the right one. */
static bool same_secret(const char *given, const char *right)
{
    size_t size = strlen(right), given_size = given ? strlen(given) : 0;
    unsigned char differs = size != given_size;

    for (size_t i = 0; i < size; i++)
        differs |= (unsigned char)(right[i] ^ (i < given_size ? given[i] : 0));
    return !differs;
}

static bool login_is_good(const struct relay *r, const json_t *j, const char *key, const char *secret)
{
    bool key_good = same_secret(json_string_value(json_object_get(j, key)), r->o.key);

    return same_secret(json_string_value(json_object_get(j, secret)), r->o.secret) && key_good;
}

/* ---- /v2/iex */

static void data_login(struct line *l, const json_t *j)
{
    if (l->logged_in) {
        send_error(l, 403, "already authenticated");
    } else if (!login_is_good(l->relay, j, "key", "secret")) {
        send_error(l, 402, "auth failed");
        hang_up(l, 1008);
    } else {
        l->logged_in = true;
        l->client = relay_client_new(l->relay->state);
        send_json(l, json_pack("[{s:s,s:s}]", "T", "success", "msg", "authenticated"));
    }
}

/* The symbols of one channel of a request, to be cleared; false when they are no list of names. */
static bool read_symbols(const json_t *list, struct symbol_set *out)
{
    const json_t *name;
    size_t i;

    *out = (struct symbol_set){ .count = 0 };
    if (list && !json_is_array(list))
        return false;
    out->names = must_alloc(json_array_size(list) + 1, SYMBOL_SIZE);
    json_array_foreach(list, i, name) {
        const char *text = json_string_value(name);
        if (!text || (strcmp(text, "*") != 0 && !symbol_is_valid(text)))
            return false;
        text_copy(out->names[out->count++], SYMBOL_SIZE, text);
    }
    return true;
}

static void data_subscribe(struct line *l, const json_t *j, bool add)
{
    struct symbol_set sets[RELAY_CHANNELS] = { { .count = 0 } };
    bool ok = true, fits = true;

    for (int channel = 0; channel < RELAY_CHANNELS; channel++)
        ok &= read_symbols(json_object_get(j, channel_names[channel]), &sets[channel]);
    for (int channel = 0; channel < RELAY_CHANNELS; channel++)
        fits &= !add || sets[channel].count + relay_client_symbols(l->client, (enum relay_channel)channel)->count <=
                            RELAY_SYMBOLS_MAX;
    for (int channel = 0; channel < RELAY_CHANNELS && ok && fits; channel++)
        relay_client_change(l->client, (enum relay_channel)channel, &sets[channel], add);
    for (int channel = 0; channel < RELAY_CHANNELS; channel++)
        symbol_set_clear(&sets[channel]);
    if (!ok || !fits) {
        send_error(l, ok ? 405 : 400, ok ? "symbol limit exceeded" : "invalid syntax");
        return;
    }
    l->answers_due++;
    tell_wanted(l->relay);
    if (!l->relay->asked)
        answer_subscriptions(l->relay, 0);
}

static void data_take_ticks(struct line *l)
{
    const struct alpaca_tick *tick = relay_state_newest_tick(l->relay->state);

    if (!l->relay->ticks) {
        send_error(l, 400, "invalid syntax");
        return;
    }
    if (relay_client_takes_ticks(l->client))
        return;
    relay_client_take_ticks(l->client);
    if (relay_state_missing(l->relay->state) == 0)
        uv_timer_stop(&l->relay->lost_timer);
    if (tick)
        send_tick(l, tick);
}

static void data_ack(struct line *l, const json_t *j)
{
    const json_t *n = json_object_get(j, "n");
    const char *wake = json_string_value(json_object_get(j, "wake"));
    int64_t wake_ns = 0;

    if (!json_is_integer(n) || (wake && !time_parse(wake, strlen(wake), &wake_ns))) {
        send_error(l, 400, "invalid syntax");
        return;
    }
    relay_client_ack(l->client, json_integer_value(n), wake_ns);
    tell_ack(l->relay);
}

static void data_came(struct line *l, const json_t *j)
{
    const char *action = json_string_value(json_object_get(j, "action"));

    if (!action)
        send_error(l, 400, "invalid syntax");
    else if (!strcmp(action, "auth"))
        data_login(l, j);
    else if (!l->logged_in)
        send_error(l, 401, "not authenticated");
    else if (!strcmp(action, "subscribe") || !strcmp(action, "unsubscribe"))
        data_subscribe(l, j, action[0] == 's');
    else if (!strcmp(action, "lockstep"))
        data_take_ticks(l);
    else if (!strcmp(action, "ack"))
        data_ack(l, j);
    else
        send_error(l, 400, "invalid syntax");
}

/* ---- /stream */

static void trades_answer(struct line *l, const char *action, bool authorized)
{
    send_json(l, json_pack("{s:s,s:{s:s,s:s}}", "stream", "authorization", "data", "status",
                           authorized ? "authorized" : "unauthorized", "action", action));
}

static void trades_listen(struct line *l, const json_t *streams)
{
    json_t *taken = json_array();
    const json_t *name;
    size_t i;

    l->updates = l->markers = false; /* the list replaces the one before */
    json_array_foreach(streams, i, name) {
        const char *text = json_string_value(name);
        bool *flag = !text                                        ? NULL
                     : !strcmp(text, "trade_updates")             ? &l->updates
                     : !strcmp(text, "lockstep") && l->relay->ticks ? &l->markers
                                                                  : NULL;
        if (!flag || *flag)
            continue;
        *flag = true;
        json_array_append_new(taken, json_string(text));
    }
    send_json(l, json_pack("{s:s,s:{s:o}}", "stream", "listening", "data", "streams", taken));
    if (l->markers && relay_state_newest_marker(l->relay->state))
        send_marker(l, relay_state_newest_marker(l->relay->state));
}

static void trades_came(struct line *l, const json_t *j)
{
    const char *action = json_string_value(json_object_get(j, "action"));
    const json_t *data = json_object_get(j, "data");

    if (action && (!strcmp(action, "authenticate") || !strcmp(action, "auth"))) {
        l->logged_in = data ? login_is_good(l->relay, data, "key_id", "secret_key")
                            : login_is_good(l->relay, j, "key", "secret");
        trades_answer(l, "authenticate", l->logged_in);
        if (!l->logged_in)
            hang_up(l, 1008);
    } else if (action && !strcmp(action, "listen")) {
        if (l->logged_in)
            trades_listen(l, json_object_get(data, "streams"));
        else
            trades_answer(l, "listen", false);
    }
}

/* ---- the sockets */

static bool on_open(void *ctx, struct http_socket *socket, const char *path, const char *content_type)
{
    struct relay *r = ctx;
    struct line *l;
    json_t *greeting;

    (void)content_type; /* engines speak JSON */
    if (!r->up || r->stopped)
        return false;
    l = must_alloc(1, sizeof *l);
    *l = (struct line){ .relay = r, .socket = socket, .next = r->lines, .is_data = strcmp(path, "/stream") != 0,
                        .opened_ms = (int64_t)uv_now(r->loop) };
    r->lines = l;
    http_socket_set(socket, l);
    if (!l->is_data)
        return true;
    greeting = json_pack("{s:s,s:s}", "T", "success", "msg", "connected");
    if (r->ticks)
        json_object_set_new(greeting, "lockstep", json_true());
    send_json(l, json_pack("[o]", greeting));
    return true;
}

static void on_message(void *ctx, struct http_socket *socket, const char *data, size_t size, bool binary)
{
    struct line *l = http_socket_get(socket);
    json_t *j;

    (void)ctx, (void)binary; /* both are taken */
    if (!l || l->closing)
        return;
    j = json_loadb(data, size, 0, NULL);
    if (l->is_data)
        data_came(l, j);
    else
        trades_came(l, j);
    json_decref(j);
}

static void on_lost_timeout(uv_timer_t *t)
{
    struct relay *r = t->data;

    bool all = r->o.lost_timeout_ns > 0; /* otherwise only those that could not say goodbye */

    log_warn("engines_given_up", KV_INT("engines", all ? relay_state_missing(r->state) : relay_state_hung_up(r->state)));
    if (all)
        relay_state_forget_missing(r->state);
    else
        relay_state_forget_hung_up(r->state);
    tell_ack(r);
}

static void wait_for_missing(struct relay *r)
{
    if (relay_state_missing(r->state) == 0 || r->stopped)
        return;
    log_warn("engine_vanished", KV_INT("missing", relay_state_missing(r->state)));
    if (r->o.lost_timeout_ns > 0 && !uv_is_active((uv_handle_t *)&r->lost_timer))
        uv_timer_start(&r->lost_timer, on_lost_timeout, (uint64_t)(r->o.lost_timeout_ns / 1000000), 0);
}

static void on_close(void *ctx, struct http_socket *socket, bool orderly)
{
    struct relay *r = ctx;
    struct line *l = http_socket_get(socket), **at = &r->lines;

    if (!l)
        return;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    if (l->client) {
        relay_client_leave(l->client, orderly);
        if (!orderly)
            wait_for_missing(r);
        if (!r->stopped) {
            tell_wanted(r);
            tell_ack(r);
        }
    }
    free(l);
}

static void answer_metrics(struct relay *r, struct http_response *res)
{
    struct metrics m = { 0 };

    r->o.on_metrics(r->o.ctx, &m);
    metrics_int(&m, METRIC_GAUGE, "bell_streamer_engines", "Engines with market data.", (int64_t)relay_state_clients(r->state));
    metrics_int(&m, METRIC_GAUGE, "bell_streamer_engines_missing", "Engines the lockstep clock waits for.",
                (int64_t)relay_state_missing(r->state));
    res->status = 200;
    res->content_type = METRICS_TYPE;
    res->body = m.text;
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct relay *r = ctx;
    json_t *j;

    if (strcmp(req->path, "/metrics") == 0) {
        answer_metrics(r, res);
    } else if (strcmp(req->path, "/healthz") != 0) {
        res->status = 404;
        res->body = must_strdup("{\"message\":\"streams are at /stream and /v2/iex\"}");
    } else {
        j = r->o.on_health(r->o.ctx);
        json_object_set_new(j, "upstream", json_boolean(r->up));
        json_object_set_new(j, "engines", json_integer((json_int_t)relay_state_clients(r->state)));
        json_object_set_new(j, "engines_missing", json_integer((json_int_t)relay_state_missing(r->state)));
        res->status = r->up ? 200 : 503;
        res->body = json_dumps(j, JSON_COMPACT);
        json_decref(j);
    }
    res->body_size = strlen(res->body);
}

/* Who has not logged in by then is let go. */
static void on_second(uv_timer_t *t)
{
    struct relay *r = t->data;

    for (struct line *l = r->lines; l; l = l->next) {
        if (l->logged_in || l->closing || (int64_t)uv_now(r->loop) - l->opened_ms < LOGIN_MS_MAX)
            continue;
        if (l->is_data)
            send_error(l, 404, "auth timeout");
        hang_up(l, 1008);
    }
}

/* ---- from the broker */

void relay_up(struct relay *r, bool ticks, bool subscribed)
{
    r->up = true;
    if (relay_state_hung_up(r->state) > 0 && r->o.lost_timeout_ns == 0)
        uv_timer_start(&r->lost_timer, on_lost_timeout, BACK_MS, 0);
    r->ticks = ticks;
    r->asked = !subscribed;
}

void relay_down(struct relay *r, bool data)
{
    bool was_up = r->up;

    r->up = false;
    relay_state_lost(r->state, data);
    if (!was_up)
        return;
    for (struct line *l = r->lines; l; l = l->next) {
        l->client = NULL; /* the state has forgotten them all at once */
        l->answers_due = 0;
        hang_up(l, 1012);
    }
    wait_for_missing(r);
    tell_wanted(r);
}

void relay_subscribed(struct relay *r, int64_t code)
{
    r->asked = false;
    answer_subscriptions(r, code);
}

void relay_message(struct relay *r, const struct alpaca_message *m)
{
    bool is_tick = m->kind == ALPACA_MESSAGE_TICK;
    enum relay_channel channel = m->kind == ALPACA_MESSAGE_QUOTE ? RELAY_QUOTES : RELAY_BARS;
    char *text = NULL;
    size_t size = 0;

    if (is_tick)
        relay_state_tick(r->state, &m->tick);
    for (struct line *l = r->lines; l; l = l->next) {
        if (!l->client || !(is_tick ? relay_client_takes_ticks(l->client)
                                    : relay_client_wants(l->client, channel, m->symbol)))
            continue;
        if (!text) { /* once for all; as it came, in an array of its own */
            char *raw = json_dumps(m->raw, JSON_COMPACT);
            size = strlen(raw) + 2;
            text = must_alloc(size + 1, 1);
            snprintf(text, size + 1, "[%s]", raw);
            free(raw);
        }
        send_text(l, text, size);
    }
    free(text);
}

void relay_update(struct relay *r, const char *raw, size_t size)
{
    static const char head[] = "{\"stream\":\"trade_updates\",\"data\":";
    char *text = must_alloc(sizeof head + size + 1, 1);

    size = (size_t)sprintf(text, "%s%.*s}", head, (int)size, raw);
    for (struct line *l = r->lines; l; l = l->next)
        if (l->updates)
            send_text(l, text, size);
    free(text);
}

void relay_marker(struct relay *r, int64_t n)
{
    relay_state_marker(r->state, n);
    for (struct line *l = r->lines; l; l = l->next)
        if (l->markers)
            send_marker(l, n);
}

/* ---- life */

struct relay *relay_new(uv_loop_t *loop, const struct relay_options *options, struct err *err)
{
    struct relay *r = must_alloc(1, sizeof *r);
    struct http_server_options server = {
        .host = options->host, .port = options->port, .socket_paths = socket_paths, .ctx = r,
        .on_request = on_request, .on_open = on_open, .on_message = on_message, .on_close = on_close,
    };

    r->loop = loop;
    r->o = *options;
    r->server = http_server_new(loop, &server, err);
    if (!r->server) {
        free(r);
        return NULL;
    }
    r->state = relay_state_new(options->always, options->always_count);
    uv_timer_init(loop, &r->second);
    uv_timer_init(loop, &r->lost_timer);
    r->second.data = r->lost_timer.data = r;
    uv_timer_start(&r->second, on_second, 1000, 1000);
    tell_wanted(r);
    return r;
}

int relay_port(const struct relay *r)
{
    return http_server_port(r->server);
}

const struct symbol_set *relay_wanted_bars(const struct relay *r)
{
    return &r->wanted[RELAY_BARS];
}

void relay_stop(struct relay *r)
{
    if (r->stopped)
        return;
    r->stopped = true;
    http_server_stop(r->server);
    uv_close((uv_handle_t *)&r->second, NULL);
    uv_close((uv_handle_t *)&r->lost_timer, NULL);
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    http_server_free(r->server);
    relay_state_free(r->state);
    for (int channel = 0; channel < RELAY_CHANNELS; channel++)
        symbol_set_clear(&r->wanted[channel]);
    free(r);
}
