/* venue: the whole engine, but for its main, against a broker that misbehaves as it is told. Both on one loop; the market's
 * time is what the test's ticks say. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"
#include "http/server.h"

/* ---- the broker */

enum fault { FINE, REFUSE_429, TAKE_AND_504, LOSE_AND_504, SAY_NOT_UNIQUE, FILL_FIRST };
enum { ORDERS_MAX = 32, FAULTS_MAX = 8 };
static struct {
    struct http_server *server;
    struct http_socket *trades, *data;
    struct alpaca_order orders[ORDERS_MAX];
    int orders_count;
    enum fault faults[FAULTS_MAX]; /* of the POSTs to come */
    int posts, lookups, fault, updates;
    int64_t held, others, fee;    /* shares: by our orders, of others */
    bool mute, twice, cancel_stuck;
    int64_t now_ns, tick;
} b;
static struct engine e;

static void reply_json(struct http_response *res, unsigned status, json_t *j)
{
    res->status = status;
    res->body = json_write(j, &res->body_size);
    json_decref(j);
}

static void refuse(struct http_response *res, unsigned status, const char *message)
{
    reply_json(res, status, json_pack("{s:i, s:s}", "code", 40010000, "message", message));
}

static void say(struct http_socket *socket, json_t *j)
{
    size_t size;
    char *text = json_write(j, &size);
    if (socket)
        http_socket_send(socket, text, size, false);
    free(text);
    json_decref(j);
}

static void tell(int order, enum alpaca_event event, int64_t qty, struct price price)
{
    struct alpaca_trade_update u = { .event = event, .timestamp = b.now_ns, .at = b.now_ns, .price = price,
                                     .qty = qty ? qty : INT64_MIN, .position_qty = b.held + b.others, .order = b.orders[order] };
    if (qty) {
        uuid_v4(u.execution_id);
        u.fee = b.fee * qty;
    }
    b.updates++;
    for (int i = 0; i < 1 + b.twice && !b.mute; i++)
        say(b.trades, json_pack("{s:s, s:o}", "stream", "trade_updates", "data", alpaca_trade_update_encode(&u)));
}

static void fill(int order, int64_t qty, int64_t dollars)
{
    struct alpaca_order *o = &b.orders[order];
    int64_t before = o->filled_qty ? o->filled_avg_price.micros * o->filled_qty : 0;
    o->filled_qty += qty;
    o->filled_avg_price = (struct price){ (before + dollars * USD * qty) / o->filled_qty };
    o->status = o->filled_qty == o->qty ? ORDER_FILLED : ORDER_PARTIALLY_FILLED;
    b.held += side_sign(o->side) * qty;
    tell(order, o->status == ORDER_FILLED ? ALPACA_FILL : ALPACA_PARTIAL_FILL, qty, (struct price){ dollars * USD });
}

static void canceled(int order)
{
    b.orders[order].status = ORDER_CANCELED;
    tell(order, ALPACA_CANCELED, 0, PRICE_NONE);
}

static int take(const json_t *j)
{
    struct alpaca_order *o = &b.orders[b.orders_count];
    alpaca_order_init(o);
    uuid_v4(o->id);
    text_copy(o->client_order_id, sizeof o->client_order_id, json_string_value(json_object_get(j, "client_order_id")));
    text_copy(o->symbol, sizeof o->symbol, json_string_value(json_object_get(j, "symbol")));
    o->qty = strtoll(json_string_value(json_object_get(j, "qty")), NULL, 10);
    o->filled_qty = 0;
    o->side = strcmp(json_string_value(json_object_get(j, "side")), "buy") == 0 ? SIDE_BUY : SIDE_SELL;
    o->time_in_force = (enum time_in_force)name_index(time_in_force_names, json_string_value(json_object_get(j, "time_in_force")));
    o->status = ORDER_NEW;
    o->created_at = o->updated_at = o->submitted_at = b.now_ns;
    return b.orders_count++;
}

static int by_client_id(const char *id)
{
    for (int i = 0; i < b.orders_count; i++)
        if (id && strcmp(b.orders[i].client_order_id, id) == 0)
            return i;
    return -1;
}

static void post_order(const struct http_request *req, struct http_response *res)
{
    struct err err;
    json_t *j = json_read(req->body, req->body_size, &err);
    enum fault fault = b.fault < FAULTS_MAX ? b.faults[b.fault++] : FINE;
    int order;
    b.posts++;
    if (by_client_id(json_string_value(json_object_get(j, "client_order_id"))) >= 0) {
        refuse(res, 422, "client_order_id must be unique");
    } else if (fault == REFUSE_429) {
        refuse(res, 429, "rate limit exceeded");
    } else if (fault == LOSE_AND_504) {
        refuse(res, 504, "gateway timeout");
    } else if (fault == TAKE_AND_504) {
        take(j);
        refuse(res, 504, "gateway timeout");
    } else if (fault == SAY_NOT_UNIQUE) {
        take(j);
        refuse(res, 422, "client_order_id must be unique");
    } else {
        order = take(j);
        if (fault == FILL_FIRST)
            fill(order, b.orders[order].qty, 100);
        struct alpaca_order shown = b.orders[order];
        if (fault == FILL_FIRST) { /* the reply was written before the fill, and comes after it */
            shown.status = ORDER_NEW;
            shown.filled_qty = 0;
            shown.filled_avg_price = PRICE_NONE;
        }
        reply_json(res, 200, alpaca_order_encode(&shown));
    }
    json_decref(j);
}

static json_t *calendar(const struct http_request *req)
{
    json_t *days = json_array();
    int32_t date, end;
    struct session s;
    if (!calendar_date_parse(http_query(req, "start"), 10, &date) || !calendar_date_parse(http_query(req, "end"), 10, &end))
        return days;
    for (; date <= end; date = calendar_add_days(date, 1)) {
        char text[DATE_TEXT_SIZE], close[8];
        if (!calendar_session(date, &s))
            continue;
        calendar_date_format(date, text);
        int minute = calendar_second_of_day(s.close_ns) / 60;
        snprintf(close, sizeof close, "%02d:%02d", minute / 60 % 24, minute % 60);
        json_array_append_new(days, json_pack("{s:s, s:s, s:s}", "date", text, "open", "09:30", "close", close));
    }
    return days;
}

static json_t *activities(const char *order_id)
{
    json_t *list = json_array();
    for (int i = 0; i < b.orders_count; i++) {
        const struct alpaca_order *o = &b.orders[i];
        struct alpaca_activity a = { .transaction_time = b.now_ns, .price = o->filled_avg_price, .qty = o->filled_qty,
                                     .cum_qty = o->filled_qty, .side = o->side, .order_status = o->status,
                                     .fee = b.fee * o->filled_qty };
        if (o->filled_qty == 0 || strcmp(o->id, order_id) != 0)
            continue;
        snprintf(a.id, sizeof a.id, "20131007100000000::%s", o->id);
        memcpy(a.order_id, o->id, UUID_SIZE);
        text_copy(a.symbol, sizeof a.symbol, o->symbol);
        json_array_append_new(list, alpaca_activity_encode(&a));
    }
    return list;
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    (void)ctx;
    char now[TIME_TEXT_SIZE];
    bool get = strcmp(req->method, "GET") == 0;
    time_format(b.now_ns, now);
    if (strcmp(req->path, "/v2/clock") == 0) {
        reply_json(res, 200, json_pack("{s:s, s:b, s:s, s:s, s:i}", "timestamp", now, "is_open", 1, "next_open", now,
                                       "next_close", now, "speed", 1));
    } else if (strcmp(req->path, "/v2/account") == 0) {
        struct alpaca_account a = { .account_number = "PA1", .status = "ACTIVE", .currency = "USD", .equity = 1000000 * USD,
                                    .multiplier = 2, .created_at = b.now_ns, .balance_asof = 20131004 };
        uuid_v4(a.id);
        reply_json(res, 200, alpaca_account_encode(&a));
    } else if (strcmp(req->path, "/v2/calendar") == 0) {
        reply_json(res, 200, calendar(req));
    } else if (strcmp(req->path, "/v2/stocks/bars") == 0) {
        reply_json(res, 200, json_pack("{s:{}}", "bars"));
    } else if (strcmp(req->path, "/v2/account/activities/FILL") == 0) {
        reply_json(res, 200, activities(http_query(req, "order_id")));
    } else if (strcmp(req->path, "/v2/positions") == 0) {
        json_t *list = json_array();
        struct alpaca_position p = { .symbol = "SPY", .qty = b.held + b.others, .is_short = b.held + b.others < 0,
                                     .avg_entry_price = { 100 * USD }, .current_price = { 100 * USD },
                                     .lastday_price = { 100 * USD } };
        uuid_v4(p.asset_id);
        if (p.qty)
            json_array_append_new(list, alpaca_position_encode(&p));
        reply_json(res, 200, list);
    } else if (strcmp(req->path, "/v2/orders:by_client_order_id") == 0) {
        int i = by_client_id(http_query(req, "client_order_id"));
        b.lookups++;
        if (i >= 0)
            reply_json(res, 200, alpaca_order_encode(&b.orders[i]));
        else
            refuse(res, 404, "order not found");
    } else if (strcmp(req->path, "/v2/orders") == 0 && get) {
        json_t *list = json_array();
        for (int i = b.orders_count; i-- > 0;)
            if (strcmp(http_query(req, "status"), "all") == 0 || !order_status_is_final(b.orders[i].status))
                json_array_append_new(list, alpaca_order_encode(&b.orders[i]));
        reply_json(res, 200, list);
    } else if (strcmp(req->path, "/v2/orders") == 0) {
        post_order(req, res);
    } else if (strcmp(req->method, "DELETE") == 0) {
        for (int i = 0; i < b.orders_count; i++)
            if (strcmp(b.orders[i].id, req->path + strlen("/v2/orders/")) == 0 && !order_status_is_final(b.orders[i].status)) {
                if (b.cancel_stuck)
                    b.orders[i].status = ORDER_PENDING_CANCEL;
                else
                    canceled(i);
            }
        res->status = 204;
    } else {
        refuse(res, 404, "what is that?");
    }
}

static bool on_open(void *ctx, struct http_socket *s, const char *path, const char *type)
{
    (void)ctx;
    (void)type;
    bool data = strcmp(path, "/v2/iex") == 0;
    *(data ? &b.data : &b.trades) = s;
    if (data)
        say(s, json_pack("[{s:s, s:s, s:b}]", "T", "success", "msg", "connected", "lockstep", 1));
    return true;
}

static void on_close(void *ctx, struct http_socket *s, bool orderly)
{
    (void)ctx;
    (void)orderly;
    if (b.data == s)
        b.data = NULL;
    if (b.trades == s)
        b.trades = NULL;
}

static void on_message(void *ctx, struct http_socket *s, const char *data, size_t size, bool binary)
{
    (void)ctx;
    (void)binary;
    struct err err;
    json_t *j = json_read(data, size, &err);
    const char *action = json_string_value(json_object_get(j, "action"));
    if (action && strcmp(action, "auth") == 0)
        say(s, json_pack("[{s:s, s:s}]", "T", "success", "msg", "authenticated"));
    else if (action && strcmp(action, "subscribe") == 0)
        say(s, json_pack("[{s:s, s:[s], s:[s]}]", "T", "subscription", "bars", "SPY", "quotes", "SPY"));
    else if (action && strcmp(action, "authenticate") == 0)
        say(s, json_pack("{s:s, s:{s:s, s:s}}", "stream", "authorization", "data", "status", "authorized", "action", "authenticate"));
    else if (action && strcmp(action, "listen") == 0)
        say(s, json_pack("{s:s, s:{s:[s]}}", "stream", "listening", "data", "streams", "trade_updates"));
    json_decref(j);
}

static void tick(int64_t step_ns)
{
    char text[TIME_TEXT_SIZE];
    b.now_ns += step_ns;
    time_format(b.now_ns, text);
    struct bar bar = { .open_time_ns = b.now_ns - MINUTE_NS, .open = { 100 * USD }, .high = { 100 * USD }, .low = { 100 * USD },
                       .close = { 100 * USD }, .volume = 100 };
    say(b.data, json_pack("[o, {s:s, s:I, s:s, s:i}]", alpaca_stream_bar_encode("SPY", &bar), "T", "tick", "n",
                           (json_int_t)++b.tick, "t", text, "speed", 1));
}

/* ---- the engine */

struct puppet { int64_t filled; };
static const struct strategy_host *host;
static char heard[2000];
static bool start(void *state, const struct strategy_host *h, char *why, size_t size)
{
    (void)state;
    (void)why;
    (void)size;
    host = h;
    return true;
}
static void on_order(void *state, const struct strategy_host *h, const struct strategy_order_update *u)
{
    (void)state;
    (void)h;
    size_t n = strlen(heard);
    if (order_status_is_final(u->status))
        snprintf(heard + n, sizeof heard - n, "%s %" PRId64 "/%" PRId64 ";", order_status_names[u->status], u->filled_qty, u->qty);
}
static void on_bar(void *state, const struct strategy_host *h, int symbol, const struct bar *bar)
{
    (void)state;
    (void)h;
    (void)symbol;
    (void)bar;
}
static bool overnight(const void *state)
{
    (void)state;
    return true;
}
static const struct strategy_plugin plugin = {
    .abi = STRATEGY_ABI, .size = sizeof plugin, .name = "puppet", .summary = "x", .state_size = sizeof(struct puppet),
    .holds_overnight = overnight, .start = start, .on_order = on_order, .on_bar = on_bar,
};
static char folder[64];

static bool until(bool (*true_now)(void), int seconds)
{
    int64_t deadline = clock_mono_ns() + seconds * SECOND_NS;
    while (!true_now() && clock_mono_ns() < deadline)
        uv_run(&e.loop, UV_RUN_ONCE);
    return true_now();
}

static bool is_up(void) { return e.trades_up && e.data_up; }
static bool is_over(void) { return e.over; }
static bool is_told(void) { return heard[0] != '\0'; }
static bool is_priced(void) { return price_is_set(host->last_price(host->self, 0)); }
static bool is_idle(void) { size_t n; runner_actions(e.runner, &n); return !venue_is_busy(&e) && n == 0; }
static bool is_frozen(void) { return runner_frozen(e.runner) != NULL; }
static bool is_free(void) { return runner_frozen(e.runner) == NULL; }
static int64_t position_wanted;
static bool is_held(void) { return runner_book(e.runner, 0, 0)->qty == position_wanted && is_idle(); }

static void engine_begin(void)
{
    struct engine_settings *s = &e.settings;
    int port = http_server_port(b.server);
    snprintf(s->rest_url, sizeof s->rest_url, "http://127.0.0.1:%d", port);
    snprintf(s->trades_url, sizeof s->trades_url, "ws://127.0.0.1:%d/stream", port);
    snprintf(s->data_url, sizeof s->data_url, "ws://127.0.0.1:%d/v2/iex", port);
    strcpy(s->api_url, "http://127.0.0.1:1");
    strcpy(s->state, folder);
    strcpy(e.key, "k");
    strcpy(e.secret, "s");
    s->flatten_deadline = 3 * SECOND_NS;
    e.list.count = 1;
    e.list.items = must_alloc(1, sizeof *e.list.items);
    e.list.items[0] = (struct instance_config){ .name = "puppet", .strategy = &plugin, .capital = 100000 * USD, .quantity = 100,
        .days = 100, .risk = { .orders_per_minute = 1000, .price_band = 100000, .max_age = HOUR_NS }, .hash = "h" };
    e.list.items[0].symbols.count = 1;
    strcpy(e.list.items[0].symbols.names[0], "SPY");
    heard[0] = '\0';
    assert_int_equal(engine_start(&e), 0);
    assert_true(until(is_up, 5));
    tick(MINUTE_NS);
    assert_true(until(is_priced, 5));
}

static int begin(void **state)
{
    (void)state;
    static const char *const paths[] = { "/stream", "/v2/iex", NULL };
    struct err err;
    memset(&e, 0, sizeof e);
    memset(&b, 0, sizeof b);
    strcpy(folder, "/tmp/test_venue_XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    uv_loop_init(&e.loop);
    b.now_ns = calendar_ns(20131007, 11 * 3600);
    b.server = http_server_new(&e.loop, &(struct http_server_options){
        .host = "127.0.0.1", .socket_paths = paths, .on_request = on_request, .on_open = on_open, .on_message = on_message,
        .on_close = on_close }, &err);
    if (!b.server)
        fail_msg("%s", err.text);
    engine_begin();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    char command[128];
    http_server_stop(b.server);
    engine_clear(&e);
    http_server_free(b.server);
    assert_int_equal(uv_loop_close(&e.loop), 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void order(enum side side, int64_t qty)
{
    heard[0] = '\0';
    assert_true(strategy_market(host, 0, side, qty, "the test") > 0);
    engine_turn(&e);
}

static void hold(int64_t qty)
{
    position_wanted = qty;
    if (!until(is_held, 12))
        fail_msg("the book holds %" PRId64 ", not %" PRId64, runner_book(e.runner, 0, 0)->qty, qty);
}

static bool is_posted(void) { return b.orders_count > 0 && is_idle(); }

/* ---- POSTs whose outcome is not what was said */

static const struct {
    const char *label;
    enum fault faults[FAULTS_MAX];
    int posts, orders;
    const char *heard;
} outcomes[] = {
    { "taken, but the answer was lost", { TAKE_AND_504 }, 1, 1, "filled 100/100;" },
    { "never arrived: sent again with the same id", { LOSE_AND_504 }, 2, 1, "filled 100/100;" },
    { "never arrived, and the second was taken without a word", { LOSE_AND_504, TAKE_AND_504 }, 2, 1, "filled 100/100;" },
    { "too many requests, then well", { REFUSE_429 }, 2, 1, "filled 100/100;" },
    { "the id is known: looked up", { SAY_NOT_UNIQUE }, 1, 1, "filled 100/100;" },
    { "never arrived, twice: refused", { LOSE_AND_504, LOSE_AND_504 }, 2, 0, "rejected 0/100;" },
};

static void an_order_is_made_once_whatever_the_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        if (i) {
            finish(NULL);
            begin(NULL);
        }
        print_message("  %s\n", outcomes[i].label);
        memcpy(b.faults, outcomes[i].faults, sizeof b.faults);
        order(SIDE_BUY, 100);
        if (outcomes[i].orders) {
            int64_t deadline = clock_mono_ns() + 20 * SECOND_NS;
            while (!is_posted() && clock_mono_ns() < deadline) {
                uv_run(&e.loop, UV_RUN_ONCE);
                if (outcomes[i].faults[0] == REFUSE_429 && is_idle() && b.orders_count == 0)
                    tick(SECOND_NS);
            }
            fill(0, 100, 100);
        }
        assert_true(until(is_told, 20));
        assert_string_equal(heard, outcomes[i].heard);
        assert_int_equal(b.posts, outcomes[i].posts);
        assert_int_equal(b.orders_count, outcomes[i].orders);
        assert_int_equal(runner_book(e.runner, 0, 0)->qty, b.held);
    }
}

/* ---- news that come double, late, early or never */

static void a_fill_before_the_answer_to_its_post_counts_once(void **state)
{
    (void)state;
    b.faults[0] = FILL_FIRST;
    order(SIDE_BUY, 100);
    hold(100);
    assert_string_equal(heard, "filled 100/100;");
    assert_int_equal(runner_book(e.runner, 0, 0)->cost_micros, 10000 * USD);
}

static void repeated_news_count_once(void **state)
{
    (void)state;
    b.twice = true;
    b.fee = 1000;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    fill(0, 40, 100);
    fill(0, 60, 101);
    hold(100);
    assert_int_equal(runner_book(e.runner, 0, 0)->cost_micros, (4000 + 6060) * USD);
    assert_int_equal(runner_book(e.runner, 0, 0)->fees_micros, 100 * 1000);
    assert_string_equal(heard, "filled 100/100;");
}

static void reordered_news_count_once(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    b.mute = true;
    fill(0, 40, 100);
    struct alpaca_order first = b.orders[0];
    b.mute = false;
    fill(0, 60, 110); /* the second first */
    struct alpaca_order second = b.orders[0];
    b.orders[0] = first;
    tell(0, ALPACA_PARTIAL_FILL, 40, (struct price){ 100 * USD });
    b.orders[0] = second;
    hold(100);
    assert_int_equal(runner_book(e.runner, 0, 0)->cost_micros, (4000 + 6600) * USD);
    assert_string_equal(heard, "filled 100/100;");
}

static void a_fill_the_stream_lost_is_found_and_its_fee(void **state)
{
    (void)state;
    b.fee = 500;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    b.mute = true;
    int64_t start_ns = clock_mono_ns();
    fill(0, 100, 100);
    hold(100);
    assert_true(clock_mono_ns() - start_ns < 5 * SECOND_NS);
    assert_int_equal(runner_book(e.runner, 0, 0)->fees_micros, 100 * 500);
}

static void without_the_stream_no_entry_but_an_exit(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    fill(0, 100, 100);
    hold(100);
    b.mute = true; /* and it stays so */
    alpaca_stream_free(e.trades);
    e.trades = NULL;
    e.trades_up = false;
    engine_refreeze(&e);
    assert_int_equal(strategy_market(host, 0, SIDE_BUY, 1, ""), -1);
    order(SIDE_SELL, 100);
    int64_t deadline = clock_mono_ns() + 5 * SECOND_NS;
    while (b.orders_count < 2 && clock_mono_ns() < deadline)
        uv_run(&e.loop, UV_RUN_ONCE);
    fill(1, 100, 100);
    hold(0);
    assert_string_equal(heard, "filled 100/100;");
}

static void a_lost_stream_comes_back_and_tells_what_was_missed(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    http_socket_close(b.trades, 1001);
    assert_true(until(is_frozen, 5));
    b.mute = true;
    fill(0, 100, 100);
    b.mute = false;
    assert_true(until(is_free, 10));
    hold(100);
}

/* ---- others in the account */

static void somebody_sells_our_shares(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    fill(0, 100, 100);
    hold(100);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "client_order_id", "by-hand", "symbol", "SPY", "qty", "60", "side", "sell",
                          "time_in_force", "day");
    int his = take(j);
    json_decref(j);
    b.orders[his].filled_qty = 60;
    b.orders[his].status = ORDER_FILLED;
    b.others = -60;
    tell(his, ALPACA_FILL, 60, (struct price){ 100 * USD });
    assert_true(until(is_frozen, 5));
    assert_int_equal(strategy_market(host, 0, SIDE_BUY, 1, ""), -1);
    assert_int_equal(strategy_market(host, 0, SIDE_SELL, 100, ""), -1); /* they are not there */
    engine_stop(&e, "the test");
    engine_turn(&e);
    int64_t deadline = clock_mono_ns() + 5 * SECOND_NS;
    while (b.orders_count < 3 && !e.over && clock_mono_ns() < deadline)
        uv_run(&e.loop, UV_RUN_ONCE);
    assert_int_equal(b.orders_count, 3);
    assert_int_equal(b.orders[2].qty, 40);
    fill(2, 40, 100);
    assert_true(until(is_over, 5));
    assert_int_equal(e.exit_code, 0);
    assert_int_equal(b.held + b.others, 0); /* and not short */
}

static void shares_that_vanish_without_a_word_stop_entries(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    fill(0, 100, 100);
    hold(100);
    b.others = -100;
    e.compare_at = 1; /* the minute is over */
    assert_true(until(is_frozen, 5));
    assert_int_equal(strategy_market(host, 0, SIDE_BUY, 1, ""), -1);
    b.others = 0;
    e.compare_at = 1;
    assert_true(until(is_free, 5));
}

/* ---- getting flat */

static void flatten_with_a_cancel_that_hangs_ends_in_time_and_says_so(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    b.cancel_stuck = true;
    fill(0, 40, 100);
    hold(40);
    int64_t start_ns = clock_mono_ns();
    engine_stop(&e, "SIGTERM");
    engine_turn(&e);
    assert_true(until(is_over, 10));
    assert_int_equal(e.exit_code, 3);
    assert_true(clock_mono_ns() - start_ns < 4 * SECOND_NS);
}

static bool fill_what_is_open(void)
{
    for (int i = 0; i < b.orders_count && e.calls == 0; i++)
        if (!order_status_is_final(b.orders[i].status) && b.orders[i].side == SIDE_SELL)
            fill(i, b.orders[i].qty - b.orders[i].filled_qty, 100);
    return e.over;
}

static void flatten_with_refusals_in_between_ends_flat(void **state)
{
    (void)state;
    order(SIDE_BUY, 100);
    assert_true(until(is_posted, 5));
    fill(0, 40, 100);
    hold(40);
    b.faults[b.fault] = TAKE_AND_504;
    engine_stop(&e, "SIGTERM");
    engine_stop(&e, "SIGTERM"); /* again changes nothing */
    engine_turn(&e);
    assert_true(until(fill_what_is_open, 10));
    assert_int_equal(e.exit_code, 0);
    assert_int_equal(b.held, 0);
    assert_int_equal(runner_held(e.runner), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, finish)
    const struct CMUnitTest tests[] = {
        CASE(an_order_is_made_once_whatever_the_answer),
        CASE(a_fill_before_the_answer_to_its_post_counts_once),
        CASE(repeated_news_count_once),
        CASE(reordered_news_count_once),
        CASE(a_fill_the_stream_lost_is_found_and_its_fee),
        CASE(without_the_stream_no_entry_but_an_exit),
        CASE(a_lost_stream_comes_back_and_tells_what_was_missed),
        CASE(somebody_sells_our_shares),
        CASE(shares_that_vanish_without_a_word_stop_entries),
        CASE(flatten_with_a_cancel_that_hangs_ends_in_time_and_says_so),
        CASE(flatten_with_refusals_in_between_ends_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
