/* Random streams of orders through a whole venue: a million operations beside the slow model of the book, and every type,
 * class and fault through weeks of a random market. VENUE_SEED=N takes another seed.
 *
 * Kept all the way: the book is never crossed and serves price, then time (it trades as the model does); quantity and cash
 * are conserved; each order's events are a path in the state machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base.h"
#include "exchange/venue.h"
#include "tests/support/book_model.h"

enum { OPERATIONS = 1000000, CHECK_EVERY = 250000, LIVE = 200, ACCOUNTS = 8, DEPTH = 10, WEEKS_OPERATIONS = 60000 };
enum { MONDAY = 20131007 };

static uint64_t seed(void)
{
    const char *text = getenv("VENUE_SEED");
    return text ? strtoull(text, NULL, 10) : 20131007;
}

/* ---- the state machine */

/* Kinds of event that may follow a status, by the status the order then has. */
struct step {
    enum order_status from; /* ORDER_INTENT: no event yet */
    enum trade_event_kind kind;
    enum order_status to;
};
static const struct step steps[] = {
    { ORDER_INTENT, TRADE_ACCEPTED, ORDER_ACCEPTED },
    { ORDER_INTENT, TRADE_PENDING_NEW, ORDER_PENDING_NEW },
    { ORDER_INTENT, TRADE_HELD, ORDER_HELD },
    { ORDER_ACCEPTED, TRADE_PENDING_NEW, ORDER_PENDING_NEW },
    { ORDER_PENDING_NEW, TRADE_NEW, ORDER_NEW },
    { ORDER_PENDING_NEW, TRADE_NEW, ORDER_PARTIALLY_FILLED }, /* replaces one that was */
    { ORDER_HELD, TRADE_NEW, ORDER_NEW },
    { ORDER_NEW, TRADE_PARTIAL_FILL, ORDER_PARTIALLY_FILLED },
    { ORDER_PARTIALLY_FILLED, TRADE_PARTIAL_FILL, ORDER_PARTIALLY_FILLED },
    { ORDER_PENDING_CANCEL, TRADE_PARTIAL_FILL, ORDER_PENDING_CANCEL },
    { ORDER_NEW, TRADE_FILL, ORDER_FILLED },
    { ORDER_PARTIALLY_FILLED, TRADE_FILL, ORDER_FILLED },
    { ORDER_PENDING_CANCEL, TRADE_FILL, ORDER_FILLED },
    { ORDER_NEW, TRADE_REJECTED, ORDER_REJECTED },
    { ORDER_NEW, TRADE_PENDING_REPLACE, ORDER_PENDING_REPLACE },
    { ORDER_PARTIALLY_FILLED, TRADE_PENDING_REPLACE, ORDER_PENDING_REPLACE },
    { ORDER_HELD, TRADE_PENDING_REPLACE, ORDER_PENDING_REPLACE },
    { ORDER_PENDING_REPLACE, TRADE_REPLACED, ORDER_REPLACED },
};

static bool is_step(enum order_status from, enum trade_event_kind kind, enum order_status to)
{
    bool was_open = from != ORDER_INTENT && from != ORDER_PENDING_NEW && !order_status_is_final(from);
    if (kind == TRADE_RESTATED)
        return was_open && to == from;
    if (kind == TRADE_CANCELED)
        return was_open && to == ORDER_CANCELED;
    if (kind == TRADE_EXPIRED)
        return was_open && to == ORDER_EXPIRED;
    if (kind == TRADE_PENDING_CANCEL)
        return was_open && to == ORDER_PENDING_CANCEL;
    if (kind == TRADE_CANCEL_REJECTED)
        return from == ORDER_PENDING_CANCEL && !order_status_is_final(to);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (steps[i].from == from && steps[i].kind == kind && steps[i].to == to)
            return true;
    return false;
}

struct execution {
    uint64_t order;
    int64_t qty, price;
};

struct stream {
    struct venue *venue;
    struct account *accounts[ACCOUNTS];
    uint8_t *statuses[ACCOUNTS]; /* by the order's place: last told */
    uint64_t *chains[ACCOUNTS];  /* by the order's place: its number in the model */
    size_t sizes[ACCOUNTS];
    int64_t filled[ACCOUNTS];
    struct execution done[2000], expected[2000];
    size_t done_count, expected_count;
    struct order *live[LIVE];
    size_t live_count;
    uint64_t random, last_chain;
    const char *wrong;
    int64_t accepted, events;
};

static uint64_t below(struct stream *s, uint64_t n)
{
    return random_next(&s->random) % n;
}

static void grow(struct stream *s, const struct order *o)
{
    uint32_t a = o->account->owner - 1;
    if ((size_t)o->index < s->sizes[a])
        return;
    size_t size = 2 * (size_t)o->index + 1024;
    s->statuses[a] = must_realloc(s->statuses[a], size, 1);
    s->chains[a] = must_realloc(s->chains[a], size, sizeof(uint64_t));
    memset(s->statuses[a] + s->sizes[a], ORDER_INTENT, size - s->sizes[a]);
    memset(s->chains[a] + s->sizes[a], 0, (size - s->sizes[a]) * sizeof(uint64_t));
    s->sizes[a] = size;
}

/* A replacement goes on under the number of the order it replaces. */
static uint64_t *chain(struct stream *s, const struct order *o)
{
    grow(s, o);
    uint64_t *c = &s->chains[o->account->owner - 1][o->index];
    if (*c == 0)
        *c = o->replaces ? *chain(s, o->replaces) : ++s->last_chain;
    return c;
}

static void on_trade(void *ctx, const struct trade_event *e)
{
    struct stream *s = ctx;
    const struct order *o = e->order;
    grow(s, o);
    uint8_t *status = &s->statuses[o->account->owner - 1][o->index];
    if (!is_step((enum order_status) * status, e->kind, o->status) && !s->wrong) {
        s->wrong = "a step that is none";
        print_error("%s after %s to %s\n", trade_event_names[e->kind], order_status_names[*status], order_status_names[o->status]);
    }
    *status = (uint8_t)o->status;
    s->events++;
    if (e->fill && s->done_count < COUNT_OF(s->done))
        s->done[s->done_count++] = (struct execution){ *chain(s, o), e->fill->qty, e->fill->price.micros };
}

static void on_model(void *ctx, const struct book_event *e)
{
    struct stream *s = ctx;
    if (e->kind != BOOK_TRADED || s->expected_count + 2 > COUNT_OF(s->expected))
        return;
    s->expected[s->expected_count++] = (struct execution){ e->against, e->qty, e->price.micros };
    s->expected[s->expected_count++] = (struct execution){ e->order, e->qty, e->price.micros };
}

static void open_stream(struct stream *s, struct venue_options options)
{
    static const char symbols[][SYMBOL_SIZE] = { "A", "B" };
    options.sink = on_trade;
    options.ctx = s;
    s->random = seed();
    s->venue = venue_new(&options, symbols, 2);
    const struct instant first = { .time_ns = calendar_ns(MONDAY, 9 * 3600) };
    for (int i = 0; i < 2; i++)
        venue_prime(s->venue, i, (struct price){ 10 * USD }, PRICE_NONE, PRICE_NONE);
    venue_instant(s->venue, &first);
    for (uint64_t i = 0; i < ACCOUNTS; i++) {
        char key[8] = { 'a', (char)('0' + i), 0 };
        s->accounts[i] = venue_account_open(s->venue, key, "secret", (uint64_t[]){ i, 7 }, first.time_ns);
    }
}

static void close_stream(struct stream *s)
{
    venue_free(s->venue);
    for (int i = 0; i < ACCOUNTS; i++) {
        free(s->statuses[i]);
        free(s->chains[i]);
    }
    free(s);
}

/* What one account bought another sold. */
static void check_sums(const struct stream *s)
{
    __int128 cash = 0;
    int64_t shares[2] = { 0 };
    for (int i = 0; i < ACCOUNTS; i++) {
        cash += s->accounts[i]->cash_micros - s->accounts[i]->start_cash_micros;
        for (int k = 0; k < 2; k++)
            shares[k] += s->accounts[i]->holdings[k].position.qty;
    }
    assert_true(cash == 0);
    assert_int_equal(shares[0], 0);
    assert_true(venue_is_consistent(s->venue));
}

static void drop_ended(struct stream *s)
{
    for (size_t i = 0; i < s->live_count;)
        if (order_is_open(s->live[i]))
            i++;
        else
            s->live[i] = s->live[--s->live_count];
}

static void asked(struct asked_price *out, int64_t micros)
{
    out->price.micros = micros;
}

/* ---- a million beside the model */

static void compare(struct stream *s, const struct book_model *model, int64_t n)
{
    if (s->done_count != s->expected_count || memcmp(s->done, s->expected, s->done_count * sizeof *s->done) != 0) {
        for (size_t i = 0; i < s->done_count || i < s->expected_count; i++)
            print_error("%zu: %" PRIu64 " %" PRId64 " @ %" PRId64 " / model %" PRIu64 " %" PRId64 " @ %" PRId64 "\n", i,
                        i < s->done_count ? s->done[i].order : 0, i < s->done_count ? s->done[i].qty : 0,
                        i < s->done_count ? s->done[i].price : 0, i < s->expected_count ? s->expected[i].order : 0,
                        i < s->expected_count ? s->expected[i].qty : 0, i < s->expected_count ? s->expected[i].price : 0);
        fail_msg("operation %" PRId64 " trades otherwise", n);
    }
    struct book_level levels[1];
    int64_t best[2] = { 0, INT64_MAX };
    for (size_t i = 0; i < model->count; i++) {
        const struct model_order *o = &model->orders[i];
        if (o->side == SIDE_BUY ? o->price > best[0] : o->price < best[1])
            best[o->side] = o->price;
    }
    for (int side = 0; side < 2; side++) {
        bool any = venue_depth(s->venue, 0, (enum side)side, levels, 1) == 1;
        assert_int_equal(any ? levels[0].price.micros : side ? INT64_MAX : 0, best[side]);
    }
    assert_true(best[0] < best[1]);
    s->done_count = s->expected_count = 0;
}

static void a_million_operations_go_as_in_the_model(void **state)
{
    (void)state;
    struct stream *s = must_alloc(1, sizeof *s);
    open_stream(s, (struct venue_options){ .cash_micros = INT64_C(100000000) * USD, .without_feed = true });
    struct book_model *model =
        book_model_new(&(struct book_options){ .orders_max = 4096, .tick = { 10000 },
                                               .self_trade = BOOK_SELF_TRADE_CANCEL_OLDEST, .sink = on_model, .ctx = s });
    const int64_t start = calendar_ns(MONDAY, 10 * 3600);
    int64_t middle = 1000; /* cents */
    for (int64_t n = 0; n < OPERATIONS && !s->wrong; n++) {
        int64_t now = start + n * 1000;
        struct refusal r;
        struct order *o;
        if (n % 500 == 0)
            middle += (int64_t)below(s, 3) - 1;
        uint64_t what = s->live_count < LIVE / 2 ? 0 : below(s, 100);
        struct account *a = s->accounts[below(s, ACCOUNTS)];
        if (what < 12 && s->live_count < LIVE) {
            struct order_request q;
            order_request_init(&q);
            q.symbol[0] = 'A';
            q.has_qty = true;
            q.qty_micros = (1 + (int64_t)below(s, 100)) * QTY_SCALE;
            q.side = (a->owner + (below(s, 8) == 0)) % 2 ? SIDE_BUY : SIDE_SELL;
            uint64_t kind = below(s, 16);
            q.time_in_force = what < 9 ? TIF_DAY : kind < 8 ? TIF_IOC : TIF_FOK;
            q.type = what >= 9 && kind % 4 == 0 ? ORDER_MARKET : ORDER_LIMIT;
            struct price last = venue_last(s->venue, 0);
            if (q.type == ORDER_LIMIT)
                asked(&q.limit, (middle + ((int64_t)below(s, 42) - 22) * side_sign(q.side)) * 10000);
            if (!venue_submit(s->venue, a, &q, now, &o, NULL, &r))
                continue;
            s->accepted++;
            int64_t collar = price_is_set(last) ? last.micros * 104 / 100 / 10000 * 10000 : 10400000;
            const struct book_order order = {
                .side = q.side, .tif = q.time_in_force == TIF_DAY ? BOOK_DAY : q.time_in_force == TIF_FOK ? BOOK_FOK : BOOK_IOC,
                .owner = a->owner, .qty = q.qty_micros,
                .limit = { q.type == ORDER_LIMIT ? q.limit.price.micros : q.side == SIDE_BUY ? collar : 10000 },
            };
            assert_int_equal(book_model_add(model, &order, *chain(s, o)), BOOK_OK);
            if (order_is_open(o))
                s->live[s->live_count++] = o;
        } else if (what < 18 && s->live_count) {
            o = s->live[below(s, s->live_count)];
            assert_true(venue_cancel(s->venue, o, now, &r));
            assert_int_equal(book_model_cancel(model, *chain(s, o)), BOOK_OK);
            s->accepted++;
        } else if (s->live_count) {
            size_t at = below(s, s->live_count);
            struct order *old = s->live[at];
            struct replace_request q;
            replace_request_init(&q);
            q.has_qty = below(s, 2);
            q.qty_micros = old->filled_qty + (1 + (int64_t)below(s, 100)) * QTY_SCALE;
            if (below(s, 4))
                asked(&q.limit, (middle + ((int64_t)below(s, 42) - 22) * side_sign(old->side)) * 10000);
            if (!venue_replace(s->venue, old, &q, now, &o, NULL, &r))
                continue;
            s->accepted++;
            s->live[at] = o;
            assert_int_equal(book_model_replace(model, *chain(s, o), o->qty - old->filled_qty, o->limit), BOOK_OK);
        }
        compare(s, model, n);
        drop_ended(s);
        if (n % CHECK_EVERY == 0)
            check_sums(s);
    }
    assert_null(s->wrong);
    check_sums(s);
    struct book_level levels[DEPTH];
    size_t depth = venue_depth(s->venue, 0, SIDE_BUY, levels, DEPTH);
    for (size_t i = 0; i < depth; i++) { /* level by level */
        int64_t qty = 0;
        for (size_t k = 0; k < model->count; k++)
            if (model->orders[k].side == SIDE_BUY && model->orders[k].price == levels[i].price.micros)
                qty += model->orders[k].left;
        assert_int_equal(levels[i].qty, qty);
    }
    assert_true(s->accepted > OPERATIONS / 2);
    book_model_free(model);
    close_stream(s);
}

/* ---- weeks of everything */

static int64_t around(struct stream *s, int64_t price, int cents)
{
    return (price / 10000 + (int64_t)below(s, (uint64_t)(2 * cents + 1)) - cents) * 10000;
}

static void random_request(struct stream *s, int64_t price, struct order_request *q)
{
    order_request_init(q);
    q->symbol[0] = 'A';
    q->side = (enum side)below(s, 2);
    q->type = (enum order_type)below(s, 5);
    q->time_in_force = (enum time_in_force)(below(s, 2) ? below(s, 6) : TIF_DAY);
    q->has_notional = below(s, 12) == 0;
    q->has_qty = !q->has_notional;
    q->notional_micros = q->has_notional ? (1 + (int64_t)below(s, 2000)) * USD : 0;
    q->qty_micros = q->has_qty ? (1 + (int64_t)below(s, 50)) * QTY_SCALE - (below(s, 10) == 0 ? 500000 : 0) : 0;
    if (q->type == ORDER_LIMIT || q->type == ORDER_STOP_LIMIT)
        asked(&q->limit, around(s, price, 30));
    if (q->type == ORDER_STOP || q->type == ORDER_STOP_LIMIT)
        asked(&q->stop, around(s, price, 30));
    if (q->type == ORDER_TRAILING_STOP && below(s, 2))
        q->trail_price.micros = (1 + (int64_t)below(s, 20)) * 10000;
    else if (q->type == ORDER_TRAILING_STOP) {
        q->has_trail_percent = true;
        q->trail_percent = 100000 + (int64_t)below(s, 2000000);
    }
    q->extended_hours = q->type == ORDER_LIMIT && below(s, 5) == 0;
    if (q->type <= ORDER_LIMIT && below(s, 3) == 0) {
        q->order_class = (enum order_class)(1 + below(s, 3));
        int sign = q->order_class == CLASS_OCO ? -side_sign(q->side) : side_sign(q->side);
        q->has_take_profit = q->order_class != CLASS_OTO || below(s, 2);
        q->has_stop_loss = q->order_class != CLASS_OTO || !q->has_take_profit;
        q->time_in_force = below(s, 2) ? TIF_GTC : TIF_DAY;
        q->extended_hours = false;
        if (q->has_take_profit)
            asked(&q->take_profit_limit, price + sign * (31 + (int64_t)below(s, 20)) * 10000);
        if (q->has_stop_loss)
            asked(&q->stop_loss_stop, price - sign * (31 + (int64_t)below(s, 20)) * 10000);
        if (q->has_stop_loss && below(s, 3) == 0)
            asked(&q->stop_loss_limit, q->stop_loss_stop.price.micros - sign * 50000);
    }
}

static void random_order(struct stream *s, int64_t price, int64_t now)
{
    struct account *a = s->accounts[below(s, ACCOUNTS)];
    struct refusal r;
    struct order *o;
    uint64_t what = below(s, 10);
    size_t skip = below(s, 12);
    struct order *old = a->open_first;
    for (; old && skip; skip--)
        old = old->open_next;
    if (what < 5) {
        struct order_request q;
        random_request(s, price, &q);
        s->accepted += venue_submit(s->venue, a, &q, now, &o, NULL, &r);
    } else if (what < 6 && old) {
        venue_cancel(s->venue, old, now, &r);
    } else if (old) {
        struct replace_request q;
        replace_request_init(&q);
        if (old->type == ORDER_LIMIT || old->type == ORDER_STOP_LIMIT)
            asked(&q.limit, around(s, price, 30));
        if (old->type == ORDER_STOP || (old->type == ORDER_STOP_LIMIT && below(s, 2)))
            asked(&q.stop, around(s, price, 40));
        q.has_trail = old->type == ORDER_TRAILING_STOP;
        q.trail = (1 + (int64_t)below(s, 30)) * 100000;
        q.has_qty = below(s, 3) == 0;
        q.qty_micros = (1 + (int64_t)below(s, 60)) * QTY_SCALE;
        s->accepted += venue_replace(s->venue, old, &q, now, &o, NULL, &r);
    }
}

static void random_market(struct stream *s, int64_t *price, int64_t now, bool ticks)
{
    *price += ((int64_t)below(s, 21) - 10) * 10000;
    if (*price < 3 * USD)
        *price = 10 * USD;
    struct symbol_quote q = { 0, { now, { *price - 10000 }, { *price + 10000 }, (int64_t)below(s, 40), (int64_t)below(s, 40) } };
    struct symbol_bar b = { .bar = { now - MINUTE_NS, { *price }, { *price + 50000 }, { *price - 50000 }, { *price + 10000 }, 100 } };
    struct symbol_bar n = { .bar = { now, { *price + 20000 }, PRICE_NONE, PRICE_NONE, PRICE_NONE, 0 } };
    struct symbol_trade t = { 0, { now, { *price + 10000 }, (int64_t)below(s, 100) } };
    const struct instant in = {
        .time_ns = now, .quotes = &q, .quotes_count = below(s, 2), .ended = &b, .ended_count = !ticks && below(s, 4),
        .starting = &n, .starting_count = !ticks && below(s, 2), .trades = &t, .trades_count = ticks,
    };
    venue_instant(s->venue, &in);
}

static void run_weeks(struct venue_options options)
{
    struct stream *s = must_alloc(1, sizeof *s);
    options.cash_micros = 100000 * USD;
    open_stream(s, options);
    const struct corporate_action actions[] = {
        { 0, 20131015, 2, 1, PRICE_NONE }, { 0, 20131021, 0, 0, { 250000 } }, { 0, 20131028, 1, 3, PRICE_NONE },
    };
    venue_set_actions(s->venue, actions, COUNT_OF(actions));
    int64_t now = calendar_ns(MONDAY, 9 * 3600), price = 10 * USD;
    for (int64_t n = 0; n < WEEKS_OPERATIONS && !s->wrong; n++) {
        now += (int64_t)below(s, 3) * MINUTE_NS;
        int second = calendar_second_of_day(now);
        if (second > 20 * 3600 + 1800)
            now += 7 * HOUR_NS; /* the night is dull */
        random_order(s, price, now);
        if (below(s, 3) == 0)
            random_market(s, &price, now, n / 1000 % 3 == 0);
        uint64_t rare = below(s, 400);
        if (rare < 2)
            venue_halt(s->venue, 0, rare == 0, now);
        if (rare == 2)
            venue_stick_cancels(s->venue, true);
        if (rare == 3 || rare == 4) {
            venue_stick_cancels(s->venue, false);
            venue_release_cancels(s->venue, rare == 3, now);
        }
        if (n % 3000 == 0 || s->wrong)
            assert_true(venue_is_consistent(s->venue));
    }
    assert_null(s->wrong);
    assert_true(venue_is_consistent(s->venue));
    assert_true(s->accepted > WEEKS_OPERATIONS / 10);
    close_stream(s);
}

static void weeks_of_everything_add_up(void **state)
{
    (void)state;
    run_weeks((struct venue_options){ 0 });
    run_weeks((struct venue_options){ .respects_size = true, .fee_micros = 5000, .slippage_micros = 100 });
    run_weeks((struct venue_options){ .is_like_paper = true, .paper_partial_pct = 30, .seed = 7 });
    run_weeks((struct venue_options){ .without_feed = true });
}

/* ---- the same inputs */

static void the_same_inputs_give_the_same_venue(void **state)
{
    (void)state;
    uint64_t digests[2];
    for (int round = 0; round < 2; round++) {
        struct stream *s = must_alloc(1, sizeof *s);
        open_stream(s, (struct venue_options){ .cash_micros = 100000 * USD, .is_like_paper = true, .seed = 3 });
        int64_t now = calendar_ns(MONDAY, 10 * 3600), price = 10 * USD;
        for (int n = 0; n < 3000; n++) {
            random_order(s, price, now += SECOND_NS);
            if (n % 3 == 0)
                random_market(s, &price, now, false);
        }
        uint64_t digest = 0;
        for (int i = 0; i < ACCOUNTS; i++)
            for (size_t k = 0; k < s->accounts[i]->orders_count; k++) {
                char id[UUID_SIZE];
                const struct order *o = s->accounts[i]->orders[k];
                order_id(o, id);
                assert_ptr_equal(account_order(s->accounts[i], id), o);
                assert_null(account_order(s->accounts[(i + 1) % ACCOUNTS], id));
                for (const char *c = id; *c; c++)
                    digest = (digest ^ (uint64_t)*c) * UINT64_C(1099511628211);
                digest = (digest ^ (uint64_t)o->status ^ (uint64_t)o->filled_qty) * UINT64_C(1099511628211);
            }
        digests[round] = digest;
        close_stream(s);
    }
    assert_true(digests[0] == digests[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_operations_go_as_in_the_model),
        cmocka_unit_test(weeks_of_everything_add_up),
        cmocka_unit_test(the_same_inputs_give_the_same_venue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
