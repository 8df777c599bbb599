#include "exchange/exchange.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"

enum {
    INSTANTS_A_TURN = 64, /* then requests have their turn */
    ACCOUNTS_MAX = 10000, /* any key opens one: somebody may try them all */
};

static void on_trade(void *ctx, const struct trade_event *e)
{
    struct exchange *x = ctx;
    x->events++;
    driver_updated(&x->driver);
    event_log_add(&x->event_log, e, x->events);
    if (record_is_replaying(x)) /* all of it was told then */
        return;
    meter_trade(x, e);
    stream_trade(x, e);
    events_trade(x, e);
    char id[UUID_SIZE], qty[QTY_TEXT_MAX] = "";
    if (e->fill)
        qty_format(e->fill->qty, qty);
    else
        order_id(e->order, id);
    if (e->fill)
        log_info("order_filled", KV_TIME("time", e->time_ns), KV_TEXT("account", e->order->account->number),
                 KV_TEXT("symbol", venue_symbol_name(x->venue, e->order->symbol)),
                 KV_TEXT("side", side_names[e->order->side]), KV_TEXT("qty", qty),
                 KV_PRICE("price", e->fill->price), KV_TEXT("client_order_id", order_client_id(e->order, id)));
    else
        log_debug("order_changed", KV_TIME("time", e->time_ns), KV_TEXT("order", id),
                  KV_TEXT("status", order_status_names[e->order->status]));
}

static void on_market(void *ctx, const struct market_event *e)
{
    stream_event(ctx, e);
}

/* ---- time */

static int64_t market_next(struct exchange *x)
{
    int64_t feed = feed_next_ns(x->feed), session = venue_next_ns(x->venue);
    return session <= x->driver.now_ns || feed < session ? feed : session;
}

/* After each instant: what every account is worth now. */
static void record_equity(struct exchange *x)
{
    for (size_t i = 0; i < x->customers_count; i++) {
        struct account_figures f;
        account_figures(x->customers[i]->account, venue_marks(x->venue), &f);
        curve_add(&x->customers[i]->curve, x->now_ns, f.equity);
    }
}

void exchange_instant(struct exchange *x, int64_t time_ns)
{
    if (time_ns < x->now_ns)
        time_ns = x->now_ns; /* a wake that came late */
    struct instant in = { .time_ns = time_ns };
    uint64_t events = x->events;
    if (feed_next_ns(x->feed) <= time_ns)
        feed_take(x->feed, &in);
    if (x->settings.participants)
        in = (struct instant){ .time_ns = time_ns };
    in.time_ns = x->now_ns = time_ns;
    stream_market(x, &in);
    venue_instant(x->venue, &in);
    record_equity(x);
    events_flush(x);
    bool was_ended = x->driver.ended, ended = feed_next_ns(x->feed) == INT64_MAX;
    driver_tick(&x->driver, time_ns, ended);
    record_instant(x, time_ns, x->events != events);
    if (!record_is_replaying(x))
        faults_instant(x);
    stream_tick(x);
    if (ended && !was_ended)
        log_info("market_ended", KV_TIME("time", time_ns));
}

static void on_timer(uv_timer_t *timer)
{
    exchange_pump(timer->data);
}

static void wait_until(struct exchange *x, int64_t time_ns)
{
    int64_t wait = market_clock_wait_ns(&x->clock, time_ns);
    uint64_t ms = wait <= 0 ? 0 : (uint64_t)(wait + 999999) / 1000000;
    uv_timer_start(&x->timer, on_timer, ms < 60000 ? ms : 60000,
                   0); /* the world's clock may be set meanwhile */
}

void exchange_pump(struct exchange *x)
{
    if (x->stopping)
        return;
    uv_timer_stop(&x->timer);
    for (int n = 0; n < INSTANTS_A_TURN; n++) {
        int64_t clock_ns = x->driver.mode == DRIVER_LOCKSTEP ? x->now_ns : market_clock_ns(&x->clock);
        struct driver_step step = driver_next(&x->driver, market_next(x), clock_ns);
        switch (step.action) {
        case DRIVER_WAIT:
            return;
        case DRIVER_AGAIN:
            driver_tick(&x->driver, step.time_ns, x->driver.ended);
            record_again(x);
            stream_tick(x);
            break;
        case DRIVER_RUN_AT:
            wait_until(x, step.time_ns);
            return;
        case DRIVER_SKIP:
            market_clock_set(&x->clock, step.time_ns, x->speed);
            /* fall through */
        case DRIVER_RUN:
            exchange_instant(x, step.time_ns);
            break;
        }
    }
    uv_timer_start(&x->timer, on_timer, 0, 0);
}

int64_t exchange_now(struct exchange *x)
{
    if (x->driver.mode == DRIVER_LOCKSTEP)
        return x->now_ns;
    exchange_pump(x);
    int64_t now = market_clock_ns(&x->clock), due = market_next(x);
    if (now >= due) /* the pump has more to do first: not past it */
        now = due - 1;
    if (now > x->now_ns)
        x->now_ns = now;
    return x->now_ns;
}

bool exchange_day(struct exchange *x, int symbol, int64_t now_ns, struct bar *out)
{
    struct session s;
    int32_t date = calendar_date(now_ns);
    if (!calendar_session(date, &s) || now_ns <= s.open_ns)
        return false;
    int64_t until = now_ns < s.close_ns ? now_ns - now_ns % MINUTE_NS : s.close_ns;
    size_t most = (size_t)((until - s.open_ns) / MINUTE_NS) + 1;
    struct bar *bars = must_alloc(most, sizeof *bars);
    bool any = feed_daily(bars, feed_bars(x->feed, symbol, s.open_ns, until, bars, most), date, out);
    free(bars);
    return any;
}

/* ---- accounts */

struct account *exchange_open_account(struct exchange *x, const char *key, const char *secret, const uint64_t bits[2])
{
    struct account *a = venue_account_open(x->venue, key, secret, bits, x->now_ns);
    struct customer *c = customer_new(a, x->now_ns);
    x->customers = must_realloc(x->customers, x->customers_count + 1, sizeof *x->customers);
    x->customers[x->customers_count++] = c;
    table_put(&x->by_key, a->key, c);
    return a;
}

struct account *exchange_login(struct exchange *x, const struct credentials *who)
{
    struct account *a = venue_account(x->venue, who->key);
    if (a)
        return strcmp(a->secret, who->secret) == 0 ? a : NULL;
    if (x->customers_count == ACCOUNTS_MAX)
        return NULL;
    char id[UUID_SIZE];
    uint64_t bits[2] = { UINT64_C(14695981039346656037), (uint64_t)clock_utc_ns() };
    uuid_v4(id);
    for (const char *p = id; *p; p++)
        bits[0] = (bits[0] ^ (unsigned char)*p) * UINT64_C(1099511628211);
    bits[1] ^= random_next(&bits[0]);
    a = exchange_open_account(x, who->key, who->secret, bits);
    record_account(x, a, x->now_ns);
    log_info("account_opened", KV_TEXT("account", a->number), KV_MONEY("cash", a->cash_micros));
    return a;
}

struct customer *exchange_customer(const struct exchange *x, const struct account *a)
{
    return table_get(&x->by_key, a->key);
}

/* ---- start and end */

static bool parse_speed(const char *text, enum driver_mode *mode, double *speed, struct err *err)
{
    char *end;
    *speed = 1;
    *mode = DRIVER_SPEED;
    if (strcmp(text, "real") == 0) {
        *mode = DRIVER_REAL;
    } else if (strcmp(text, "lockstep") == 0 || strcmp(text, "max") == 0 || strcmp(text, "0") == 0) {
        *mode = DRIVER_LOCKSTEP;
        *speed = 0;
    } else {
        *speed = strtod(text, &end);
        if (end == text || *end || !(*speed >= 0.001 && *speed <= 1000000))
            return err_set(err, ERR_INPUT,
                           "speed %.20s: expected lockstep, real or a number from 0.001 to 1000000", text);
    }
    return true;
}

static bool parse_from(const struct exchange *x, enum driver_mode mode, int64_t *out, struct err *err)
{
    const char *text = x->settings.from;
    int32_t date = 0, least = feed_is_synthetic(x->feed) ? 20000201 : 19900102;
    if (mode == DRIVER_REAL) {
        *out = clock_utc_ns();
        return text[0] ? err_set(err, ERR_INPUT, "from %.30s: a market in real time starts now; leave it out",
                                 text)
                       : true;
    }
    if (text[0] == '\0')
        date = feed_is_synthetic(x->feed) ? 20250303 : feed_first_date(x->feed);
    else if (!calendar_date_parse(text, strlen(text), &date) && !time_parse(text, strlen(text), out))
        return err_set(err, ERR_INPUT,
                       "from %.30s: expected a date like 2013-10-07 or a time like 2013-10-07T13:00:00Z",
                       text);
    if (date)
        *out = date < least || date > 20491231 ? 0 : calendar_ns(date, 4 * 3600);
    if (*out < calendar_ns(least, 0) || *out > calendar_ns(20491231, 0))
        return err_set(err, ERR_INPUT, "from %.30s: expected a time from %d to 2049", text, least / 10000);
    if (!feed_is_synthetic(x->feed) && calendar_date(*out) > feed_last_date(x->feed)) {
        char last[DATE_TEXT_SIZE];
        calendar_date_format(feed_last_date(x->feed), last);
        return err_set(err, ERR_INPUT, "from %.30s: the recording ends on %s", text, last);
    }
    return true;
}

static bool open_feed(struct exchange *x, struct err *err)
{
    const struct exchange_settings *s = &x->settings;
    static struct complaints complaints; /* large */
    if (s->bars[0] == '\0' && s->symbols.count == 0)
        return err_set(err, ERR_INPUT, "symbols: a synthetic market needs at least one");
    if (s->bars[0] == '\0') {
        x->feed = feed_new_synthetic((uint64_t)s->seed, s->symbols.names, (size_t)s->symbols.count);
        return true;
    }
    x->feed = feed_open_recorded(s->bars, &complaints);
    if (x->feed)
        return true;
    fputs(complaints.text, stderr);
    return err_set(err, ERR_INPUT, "the recorded market in %.300s can't be used; nothing was started",
                   s->bars);
}

/* What was known of each symbol when the clock starts. */
static void prime(struct exchange *x, int64_t start_ns)
{
    for (size_t i = 0; i < feed_symbols_count(x->feed); i++) {
        struct bar b = { .close = PRICE_NONE };
        struct symbol_quote q = { .symbol = (int)i };
        feed_last_bar(x->feed, (int)i, start_ns, &b);
        venue_prime(x->venue, (int)i, feed_reference(x->feed, (int)i, start_ns), b.close,
                    feed_close_before(x->feed, (int)i, calendar_date(start_ns)));
        if (!x->settings.participants && feed_last_quote(x->feed, (int)i, start_ns - 1, &q.quote))
            venue_prime_quote(x->venue, &q);
    }
    const struct corporate_action *actions;
    size_t count = feed_actions(x->feed, &actions);
    venue_set_actions(x->venue, actions, count);
}

static void before_send(void *ctx)
{
    record_sync(ctx);
}

void exchange_begin(struct exchange *x, int64_t start_ns)
{
    const struct exchange_settings *s = &x->settings;
    const struct venue_options options = { .cash_micros = s->cash,
                                           .fee_micros = s->fee,
                                           .slippage_micros = s->slippage,
                                           .respects_size = s->fills == FILLS_SHOWN,
                                           .is_like_paper = s->fills == FILLS_PAPER,
                                           .seed = (uint64_t)s->seed,
                                           .without_feed = s->participants,
                                           .sink = on_trade,
                                           .market_sink = on_market,
                                           .ctx = x };
    x->venue = venue_new(&options, feed_symbols(x->feed), feed_symbols_count(x->feed));
    prime(x, start_ns);
    feed_seek(x->feed, start_ns);
    driver_init(&x->driver, x->driver.mode, start_ns);
    x->now_ns = start_ns;
}

static void on_second(uv_timer_t *timer)
{
    stream_second(timer->data);
    events_second(timer->data);
}

static void on_signal(uv_signal_t *signal, int number)
{
    log_info("stopping", KV_INT("signal", number));
    exchange_stop(signal->data);
}

static void log_started(const struct exchange *x, int64_t start_ns)
{
    char symbols[512] = "";
    for (size_t i = 0, n = 0; i < feed_symbols_count(x->feed) && n < sizeof symbols - SYMBOL_SIZE - 1; i++)
        n +=
            (size_t)snprintf(symbols + n, sizeof symbols - n, "%s%s", i ? "," : "", feed_symbols(x->feed)[i]);
    log_info("started", KV_INT("port", http_server_port(x->server)),
             KV_TEXT("market", feed_is_synthetic(x->feed) ? "synthetic" : "recorded"),
             KV_TEXT("bars", x->settings.bars), KV_INT("seed", x->settings.seed), KV_TEXT("symbols", symbols),
             KV_TIME("from", start_ns), KV_TEXT("speed", x->settings.speed));
}

bool exchange_start(struct exchange *x, struct err *err)
{
    const struct exchange_settings *s = &x->settings;
    enum driver_mode mode = DRIVER_LOCKSTEP;
    int64_t start_ns;
    if (!parse_speed(s->speed, &mode, &x->speed, err) || !open_feed(x, err) ||
        !parse_from(x, mode, &start_ns, err))
        return false;
    if (mode == DRIVER_REAL && !feed_is_synthetic(x->feed))
        return err_set(err, ERR_INPUT, "speed real: recorded bars can't run in real time; use --speed 1");
    driver_init(&x->driver, mode, start_ns);
    if (!s->state[0])
        exchange_begin(x, start_ns);
    else if (!record_open(x, start_ns, err))
        return false;
    if (!faults_open(x, err))
        return false;
    market_clock_set(&x->clock, x->now_ns, x->speed);
    x->clock.real = mode == DRIVER_REAL;

    const struct http_server_options http = {
        .host = s->host,
        .port = (int)s->port,
        .queue_max = 64 << 20, /* a client on a busy machine, in a market that runs a thousand times as fast as the world */
        .socket_paths = stream_paths,
        .ctx = x,
        .body_max = 256 * 1024, /* with room in a record (core/journal.h) */
        .on_request = rest_request,
        .before_send = before_send,
        .on_open = stream_open,
        .on_message = stream_message,
        .on_close = stream_close,
        .on_stream_close = events_close,
    };
    x->server = http_server_new(&x->loop, &http, err);
    if (!x->server)
        return false;
    uv_timer_init(&x->loop, &x->timer);
    uv_timer_init(&x->loop, &x->second);
    x->timer.data = x->second.data = x;
    uv_timer_start(&x->second, on_second, 1000, 1000);
    for (size_t i = 0; i < COUNT_OF(x->signals); i++) {
        uv_signal_init(&x->loop, &x->signals[i]);
        x->signals[i].data = x;
        uv_signal_start(&x->signals[i], on_signal, i ? SIGINT : SIGTERM);
    }
    log_started(x, x->now_ns);
    exchange_pump(x);
    return true;
}

void exchange_stop(struct exchange *x)
{
    if (x->stopping)
        return;
    x->stopping = true;
    uv_close((uv_handle_t *)&x->timer, NULL);
    uv_close((uv_handle_t *)&x->second, NULL);
    for (size_t i = 0; i < COUNT_OF(x->signals); i++)
        uv_close((uv_handle_t *)&x->signals[i], NULL);
    faults_stop(x);
    http_server_stop(x->server);
}

void exchange_free(struct exchange *x)
{
    http_server_free(x->server);
    for (size_t i = 0; i < x->customers_count; i++)
        customer_free(x->customers[i]);
    free(x->customers);
    table_clear(&x->by_key);
    event_log_free(&x->event_log);
    record_close(x);
    faults_free(x);
    venue_free(x->venue);
    feed_free(x->feed);
}
