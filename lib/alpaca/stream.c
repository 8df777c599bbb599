#include "alpaca/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alpaca/lws_loop.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    MESSAGE_MAX = 16 << 20, RX_SIZE = 64 << 10,
    RETRY_MS_MIN = 250, RETRY_MS_MAX = 30000, RETRY_MS_MAX_LOCAL = 1000, RETRY_MS_LIMITED = 10000,
    READY_MS_MAX = 10000,  /* from connected to ready */
    STABLE_MS = 5000,      /* up that long: the next failure starts from the shortest delay again */
};

struct outgoing {
    struct outgoing *next;
    size_t size;
    unsigned char bytes[]; /* LWS_PRE, then the message */
};

struct symbols {
    char (*names)[SYMBOL_SIZE];
    size_t count;
};

struct alpaca_stream {
    uv_loop_t *loop;
    struct lws_context *context;
    struct lws *wsi;
    uv_timer_t timer;          /* next attempt, or the limit to become ready */
    struct alpaca_stream_options o;
    char *url_text, *host, key[128], secret[128];
    const char *address, *path; /* into url_text */
    int port;
    bool is_tls, is_local;

    enum { DOWN, CONNECTING, GREETING, READY } state;
    bool hang_up, close_sent, freed, gone, lockstep_offered;
    int attempts;
    int64_t ready_at_ms, retry_ms_min;
    uint64_t random;
    char why[160];

    struct outgoing *queue, **queue_end;
    char *frame;               /* fragments so far */
    size_t frame_size;

    struct symbols wanted[2], sent[2]; /* bars, quotes */
    int answers_due;
    int64_t refused_code;
};

static const char *const channel_names[] = { "bars", "quotes" };

static int64_t now_ms(const struct alpaca_stream *s)
{
    return (int64_t)uv_now(s->loop);
}

static const char *stream_name(const struct alpaca_stream *s)
{
    return s->o.kind == ALPACA_STREAM_TRADES ? "trades" : "data";
}

/* ---- out */

static void send_text(struct alpaca_stream *s, const char *text, size_t size)
{
    struct outgoing *m = must_alloc(1, sizeof *m + LWS_PRE + size);

    m->size = size;
    memcpy(m->bytes + LWS_PRE, text, size);
    *s->queue_end = m;
    s->queue_end = &m->next;
    lws_callback_on_writable(s->wsi);
}

/* Takes j. */
static void send_json(struct alpaca_stream *s, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);

    send_text(s, text, strlen(text));
    explicit_bzero(text, strlen(text)); /* the secret may be in it */
    free(text);
    json_decref(j);
}

static void queue_drop(struct alpaca_stream *s)
{
    while (s->queue) {
        struct outgoing *m = s->queue;
        s->queue = m->next;
        explicit_bzero(m->bytes, LWS_PRE + m->size);
        free(m);
    }
    s->queue_end = &s->queue;
}

/* A close frame, then the peer has 5 s to answer it. Asked by returning -1 from its callback, Debian's
 * libwebsockets on libuv hangs up without one: it closes twice there, "to test". */
static void close_orderly(struct alpaca_stream *s)
{
    s->close_sent = true;
    lws_close_reason(s->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* -1 cuts the connection. */
static int write_queue(struct alpaca_stream *s)
{
    while (s->queue && !lws_send_pipe_choked(s->wsi)) {
        struct outgoing *m = s->queue;
        int written = lws_write(s->wsi, m->bytes + LWS_PRE, m->size, LWS_WRITE_TEXT);
        if (!(s->queue = m->next))
            s->queue_end = &s->queue;
        explicit_bzero(m->bytes, LWS_PRE + m->size);
        free(m);
        if (written < 0)
            return -1;
    }
    if (s->queue)
        lws_callback_on_writable(s->wsi);
    else if (s->hang_up && !s->close_sent)
        close_orderly(s);
    return 0;
}

/* ---- the subscription is state */

static bool symbols_have(const struct symbols *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->names[i], name))
            return true;
    return false;
}

static void symbols_set(struct symbols *set, const char (*names)[SYMBOL_SIZE], size_t count)
{
    free(set->names);
    set->names = must_alloc(count + 1, SYMBOL_SIZE);
    set->count = count;
    if (count)
        memcpy(set->names, names, count * SYMBOL_SIZE);
}

/* What stands in a and not in b, as a request; NULL when nothing does. */
static json_t *difference(const char *action, const struct symbols a[2], const struct symbols b[2])
{
    json_t *j = json_pack("{s:s}", "action", action);
    bool any = false;

    for (int channel = 0; channel < 2; channel++) {
        json_t *list = json_array();
        for (size_t i = 0; i < a[channel].count; i++)
            if (!symbols_have(&b[channel], a[channel].names[i]))
                json_array_append_new(list, json_string(a[channel].names[i]));
        if (json_array_size(list) > 0) {
            any = true;
            json_object_set(j, channel_names[channel], list);
        }
        json_decref(list);
    }
    if (any)
        return j;
    json_decref(j);
    return NULL;
}

static void send_subscription(struct alpaca_stream *s)
{
    json_t *more = difference("subscribe", s->wanted, s->sent);
    json_t *less = difference("unsubscribe", s->sent, s->wanted);

    s->refused_code = 0;
    if (more) {
        send_json(s, more);
        s->answers_due++;
    }
    if (less) {
        send_json(s, less);
        s->answers_due++;
    }
    for (int channel = 0; channel < 2; channel++)
        symbols_set(&s->sent[channel], (const char (*)[SYMBOL_SIZE])s->wanted[channel].names,
                    s->wanted[channel].count);
}

static void subscription_answered(struct alpaca_stream *s)
{
    if (s->answers_due > 0 && --s->answers_due == 0 && s->o.on_subscribed)
        s->o.on_subscribed(s->o.ctx, s->refused_code);
}

/* ---- in */

static void become_ready(struct alpaca_stream *s)
{
    s->state = READY;
    s->ready_at_ms = now_ms(s);
    uv_timer_stop(&s->timer);
    log_info("stream_connected", KV_TEXT("stream", stream_name(s)), KV_TEXT("host", s->host));
    if (s->o.kind == ALPACA_STREAM_DATA) {
        send_subscription(s); /* before lockstep: nothing of the first instant is missed */
        if (s->o.lockstep && s->lockstep_offered)
            send_json(s, json_pack("{s:s}", "action", "lockstep"));
    }
    if (s->o.on_ready)
        s->o.on_ready(s->o.ctx);
}

/* What the connection is given up for; `gone`: for good. */
static void give_up(struct alpaca_stream *s, bool gone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void give_up(struct alpaca_stream *s, bool gone, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, args);
    va_end(args);
    s->gone |= gone;
    s->hang_up = true;
    lws_callback_on_writable(s->wsi);
}

static void data_error(struct alpaca_stream *s, const struct alpaca_message *m)
{
    log_warn("stream_error_came", KV_INT("code", m->code), KV_TEXT("text", m->text));
    switch (m->code) {
    case 402: /* auth failed: the same keys never will do */
    case 409: /* the feed is not in the plan */
        give_up(s, true, "%s (%" PRId64 ")", m->text, m->code);
        break;
    case 404: /* we were too slow to authenticate */
    case 406: /* another connection, or the shadow of our last */
    case 407: /* slow client */
    case 500:
        give_up(s, false, "%s (%" PRId64 ")", m->text, m->code);
        break;
    default:
        s->refused_code = m->code;
        subscription_answered(s);
    }
}

static void data_message(struct alpaca_stream *s, const json_t *j)
{
    struct alpaca_message m;
    struct err err;

    if (!alpaca_message_decode(j, &m, &err)) {
        log_warn("stream_message_malformed", KV_TEXT("why", err.text));
        return;
    }
    switch (m.kind) {
    case ALPACA_MESSAGE_SUCCESS:
        if (!strcmp(m.text, "connected")) {
            s->lockstep_offered = m.offers_lockstep;
            send_json(s, json_pack("{s:s,s:s,s:s}", "action", "auth", "key", s->key, "secret", s->secret));
        } else if (!strcmp(m.text, "authenticated") && s->state == GREETING) {
            become_ready(s);
        }
        break;
    case ALPACA_MESSAGE_ERROR:
        data_error(s, &m);
        break;
    case ALPACA_MESSAGE_SUBSCRIPTION:
        subscription_answered(s);
        break;
    case ALPACA_MESSAGE_OTHER:
        break;
    default:
        if (s->state == READY && s->o.on_message)
            s->o.on_message(s->o.ctx, &m);
    }
}

static void trade_update(struct alpaca_stream *s, const json_t *data)
{
    struct alpaca_trade_update u;
    struct err err = { ERR_NONE, "" };
    char *raw = json_dumps(data, JSON_COMPACT);

    if (!raw || !alpaca_trade_update_decode(data, &u, &err))
        log_warn("trade_update_malformed", KV_TEXT("why", err.text), KV_TEXT("raw", raw ? raw : "no object"));
    else if (s->o.on_update)
        s->o.on_update(s->o.ctx, &u, raw, strlen(raw));
    free(raw);
}

static void trades_message(struct alpaca_stream *s, const json_t *j)
{
    const json_t *data = json_object_get(j, "data");
    const char *stream = json_string_value(json_object_get(j, "stream"));
    const char *status = json_string_value(json_object_get(data, "status"));
    const char *action = json_string_value(json_object_get(data, "action"));

    if (!stream) {
        log_warn("stream_message_malformed", KV_TEXT("why", "a message without stream"));
    } else if (!strcmp(stream, "trade_updates")) {
        trade_update(s, data);
    } else if (!strcmp(stream, "lockstep")) {
        if (s->o.on_marker && json_is_integer(json_object_get(data, "n")))
            s->o.on_marker(s->o.ctx, json_integer_value(json_object_get(data, "n")));
    } else if (!strcmp(stream, "authorization")) {
        if (!status || strcmp(status, "authorized") != 0)
            give_up(s, true, "the broker does not take the key (%s of %s)", status ? status : "no status",
                    action ? action : "authenticate");
        else if (s->state == GREETING)
            send_json(s, s->o.lockstep ? json_pack("{s:s,s:{s:[s,s]}}", "action", "listen", "data", "streams",
                                                   "trade_updates", "lockstep")
                                       : json_pack("{s:s,s:{s:[s]}}", "action", "listen", "data", "streams",
                                                   "trade_updates"));
    } else if (!strcmp(stream, "listening") && s->state == GREETING) {
        const json_t *streams = json_object_get(data, "streams"), *name;
        size_t i;
        json_array_foreach(streams, i, name)
            if (json_is_string(name) && !strcmp(json_string_value(name), "trade_updates")) {
                become_ready(s);
                return;
            }
        give_up(s, false, "the broker does not offer trade_updates");
    }
}

static void frame_came(struct alpaca_stream *s, const char *text, size_t size)
{
    json_error_t error;
    json_t *j = json_loadb(text, size, 0, &error), *one;
    size_t i;

    if (!j) {
        log_warn("stream_frame_malformed", KV_TEXT("stream", stream_name(s)), KV_TEXT("why", error.text));
        return;
    }
    if (s->o.kind == ALPACA_STREAM_TRADES)
        trades_message(s, j);
    else if (json_is_array(j))
        json_array_foreach(j, i, one)
            data_message(s, one);
    else
        data_message(s, j);
    json_decref(j);
}

/* A message may come in any number of fragments, some empty, each in any number of pieces. */
static int piece_came(struct alpaca_stream *s, const char *in, size_t size)
{
    bool is_last = lws_is_final_fragment(s->wsi) && !lws_remaining_packet_payload(s->wsi);

    if (is_last && !s->frame_size) {
        frame_came(s, in, size);
        return 0;
    }
    if (size > MESSAGE_MAX - s->frame_size) {
        snprintf(s->why, sizeof s->why, "a message of over %d bytes", MESSAGE_MAX);
        return -1;
    }
    s->frame = must_realloc(s->frame, s->frame_size + size + 1, 1);
    memcpy(s->frame + s->frame_size, in, size);
    s->frame_size += size;
    if (is_last) {
        size = s->frame_size;
        s->frame_size = 0;
        frame_came(s, s->frame, size);
    }
    return 0;
}

/* ---- up and down */

static void stream_lost(struct alpaca_stream *s, const char *why);
static void stream_freed(uv_handle_t *h);

static const struct lws_protocols protocols[];

static void on_connect_time(uv_timer_t *t)
{
    struct alpaca_stream *s = t->data;
    struct lws_client_connect_info info = {
        .context = s->context, .address = s->address, .port = s->port, .path = s->path, .host = s->host,
        .ssl_connection = s->is_tls ? LCCSCF_USE_SSL : 0, .alpn = "http/1.1",
        .local_protocol_name = protocols[0].name, .userdata = s, .pwsi = &s->wsi,
    };

    s->state = CONNECTING;
    s->hang_up = s->close_sent = false;
    s->why[0] = '\0';
    if (!lws_client_connect_via_info(&info) && s->state == CONNECTING) {
        s->wsi = NULL;
        stream_lost(s, "libwebsockets refused to connect");
    }
    lws_cancel_service(s->context); /* on a foreign loop its own time limits only start with an event */
}

static void on_ready_limit(uv_timer_t *t)
{
    struct alpaca_stream *s = t->data;

    give_up(s, false, "no answer to the login within %d s", READY_MS_MAX / 1000);
}

static int64_t retry_delay_ms(struct alpaca_stream *s)
{
    int64_t most = s->is_local ? RETRY_MS_MAX_LOCAL : RETRY_MS_MAX;
    int64_t ms = s->attempts < 8 ? (int64_t)RETRY_MS_MIN << s->attempts : most;

    ms = ms > most ? most : ms;
    ms = ms < s->retry_ms_min ? s->retry_ms_min : ms;
    return ms / 2 + (int64_t)(random_next(&s->random) % (uint64_t)(ms / 2 + 1)); /* jitter */
}

static void stream_lost(struct alpaca_stream *s, const char *why)
{
    bool was_ready = s->state == READY;

    s->state = DOWN;
    s->frame_size = 0;
    s->answers_due = 0;
    s->lockstep_offered = false;
    queue_drop(s);
    for (int channel = 0; channel < 2; channel++)
        symbols_set(&s->sent[channel], NULL, 0);
    uv_timer_stop(&s->timer);
    if (s->freed) {
        uv_close((uv_handle_t *)&s->timer, stream_freed);
        return;
    }
    if (s->why[0])
        why = s->why; /* we know better */
    if (was_ready && now_ms(s) - s->ready_at_ms >= STABLE_MS)
        s->attempts = 0;
    if (!s->gone)
        uv_timer_start(&s->timer, on_connect_time, (uint64_t)retry_delay_ms(s), 0);
    if (was_ready || s->gone || s->attempts == 0) /* said once, not at each attempt */
        log_warn("stream_down", KV_TEXT("stream", stream_name(s)), KV_TEXT("host", s->host),
                 KV_TEXT("why", why), KV_TEXT("gone", s->gone ? "true" : "false"));
    s->attempts++;
    s->retry_ms_min = 0;
    if (s->o.on_down)
        s->o.on_down(s->o.ctx, why, s->gone);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
    struct alpaca_stream *s = user;

    if (!s || (s->wsi && s->wsi != wsi))
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        s->state = GREETING;
        if (s->freed) {
            lws_callback_on_writable(wsi);
            return 0;
        }
        uv_timer_start(&s->timer, on_ready_limit, READY_MS_MAX, 0);
        if (s->o.kind == ALPACA_STREAM_TRADES) /* the data stream greets first */
            send_json(s, json_pack("{s:s,s:{s:s,s:s}}", "action", "authenticate", "data", "key_id", s->key,
                                   "secret_key", s->secret));
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return s->hang_up ? 0 : piece_came(s, in, size);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_queue(s);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (lws_http_client_http_response(wsi) == 429)
            s->retry_ms_min = 2 * RETRY_MS_LIMITED;
        /* fall through */
    case LWS_CALLBACK_CLIENT_CLOSED:
        lws_set_wsi_user(wsi, NULL); /* its last callbacks come later */
        s->wsi = NULL;
        stream_lost(s, reason == LWS_CALLBACK_CLIENT_CLOSED ? "the connection was closed"
                       : in                                 ? (const char *)in
                                                            : "no connection");
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    { .name = "alpaca", .callback = on_lws, .rx_buffer_size = RX_SIZE, .tx_packet_size = RX_SIZE },
    { .name = NULL },
};

/* ---- the client */

struct alpaca_stream *alpaca_stream_new(uv_loop_t *loop, const struct alpaca_stream_options *options)
{
    struct alpaca_stream *s = must_alloc(1, sizeof *s);
    const char *scheme, *path;
    size_t size = strlen(options->url) + 8;
    char *text = must_alloc(2, size);

    s->loop = loop;
    s->o = *options;
    text_copy(s->key, sizeof s->key, options->key);
    text_copy(s->secret, sizeof s->secret, options->secret);
    s->queue_end = &s->queue;
    s->random = (uint64_t)clock_mono_ns() ^ (uint64_t)(uintptr_t)s;
    s->url_text = text;
    memcpy(text, options->url, strlen(options->url));
    if (lws_parse_uri(text, &scheme, &s->address, &s->port, &path) != 0)
        scheme = s->address = path = "";
    s->is_tls = !strcmp(scheme, "wss") || !strcmp(scheme, "https");
    s->is_local = !strncmp(s->address, "127.", 4) || !strcmp(s->address, "localhost");
    snprintf(text + size, size, "/%s", path); /* the first half's path lost its slash */
    s->path = text + size;
    s->host = must_alloc(strlen(s->address) + 8, 1);
    sprintf(s->host, "%s:%d", s->address, s->port);
    if (s->port == (s->is_tls ? 443 : 80))
        *strrchr(s->host, ':') = '\0';
    s->o.url = s->o.key = s->o.secret = NULL; /* not ours to keep */
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    s->context = lws_loop_hold(loop, protocols);
    if (!s->context)
        log_error("libwebsockets_failed", KV_TEXT("hint", "is libwebsockets-evlib-uv installed?"));
    assert(s->context);
    uv_timer_start(&s->timer, on_connect_time, 0, 0);
    return s;
}

static void stream_freed(uv_handle_t *h)
{
    struct alpaca_stream *s = h->data;

    lws_loop_release(s->context);
    queue_drop(s);
    for (int channel = 0; channel < 2; channel++) {
        free(s->wanted[channel].names);
        free(s->sent[channel].names);
    }
    explicit_bzero(s->secret, sizeof s->secret);
    free(s->url_text);
    free(s->host);
    free(s->frame);
    free(s);
}

void alpaca_stream_free(struct alpaca_stream *s)
{
    if (!s)
        return;
    s->freed = s->hang_up = true;
    uv_timer_stop(&s->timer);
    if (!s->wsi) {
        uv_close((uv_handle_t *)&s->timer, stream_freed);
    } else if (s->state == CONNECTING) {
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        lws_cancel_service(s->context);
    } else {
        lws_callback_on_writable(s->wsi);
    }
}

bool alpaca_stream_is_ready(const struct alpaca_stream *s)
{
    return s->state == READY;
}

bool alpaca_stream_has_ticks(const struct alpaca_stream *s)
{
    return s->state == READY && s->lockstep_offered;
}

bool alpaca_stream_is_subscribed(const struct alpaca_stream *s)
{
    return s->state == READY && s->answers_due == 0;
}

void alpaca_stream_subscribe(struct alpaca_stream *s, const char (*bars)[SYMBOL_SIZE], size_t bars_count,
                             const char (*quotes)[SYMBOL_SIZE], size_t quotes_count)
{
    symbols_set(&s->wanted[0], bars, bars_count);
    symbols_set(&s->wanted[1], quotes, quotes_count);
    if (s->state == READY)
        send_subscription(s);
}

void alpaca_stream_ack(struct alpaca_stream *s, int64_t n, int64_t wake_ns)
{
    char text[120], wake[TIME_TEXT_SIZE];
    int size;

    if (s->state != READY)
        return;
    if (wake_ns) {
        time_format(wake_ns, wake);
        size = snprintf(text, sizeof text, "{\"action\":\"ack\",\"n\":%" PRId64 ",\"wake\":\"%s\"}", n, wake);
    } else {
        size = snprintf(text, sizeof text, "{\"action\":\"ack\",\"n\":%" PRId64 "}", n);
    }
    send_text(s, text, (size_t)size);
}
