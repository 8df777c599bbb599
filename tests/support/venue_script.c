#include "tests/support/venue_script.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/venue.h"

enum { NAMES = 200, NAME_SIZE = 16, WORDS = 24, LEVELS = 20, COLUMN = 46, SAID = 4000, ACTIONS = 8, DATE = 20131007 };

struct dialogue {
    struct venue_options options;
    struct venue *venue;
    bool shows_market;
    int32_t date;
    int64_t now_ns;
    const struct order *orders[NAMES];
    char names[NAMES][NAME_SIZE];
    size_t names_count;
    struct corporate_action actions[ACTIONS];
    size_t actions_count;
    char said[SAID];
    char *out;
    size_t size, length;
};

static void __attribute__((format(printf, 2, 3))) write_out(struct dialogue *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(d->out + d->length, d->size - d->length, fmt, args);
    va_end(args);
    d->length += (size_t)n < d->size - d->length ? (size_t)n : d->size - d->length - 1;
}

static void __attribute__((format(printf, 2, 3))) say(struct dialogue *d, const char *fmt, ...)
{
    size_t length = strlen(d->said);
    va_list args;
    if (length && length + 2 < SAID) {
        strcpy(d->said + length, ", ");
        length += 2;
    }
    va_start(args, fmt);
    vsnprintf(d->said + length, SAID - length, fmt, args);
    va_end(args);
}

static const char *dollars(struct price p)
{
    static char texts[4][PRICE_TEXT_MAX];
    static unsigned turn;
    if (!price_is_set(p))
        return "none";
    char *text = texts[turn++ % COUNT_OF(texts)];
    price_format(p, text);
    return text;
}

static const char *shares(int64_t qty)
{
    static char texts[4][QTY_TEXT_MAX];
    static unsigned turn;
    char *text = texts[turn++ % COUNT_OF(texts)];
    qty_format(qty, text);
    return text;
}

/* ---- names */

static const char *name_of(struct dialogue *d, const struct order *o)
{
    for (size_t i = 0; i < d->names_count; i++)
        if (d->orders[i] == o)
            return d->names[i];
    if (d->names_count == NAMES)
        abort();
    char *name = d->names[d->names_count];
    d->orders[d->names_count++] = o;
    if (o->client_order_id)
        snprintf(name, NAME_SIZE, "%.15s", o->client_order_id);
    else if (o->parent)
        snprintf(name, NAME_SIZE, "%.12s.%d", name_of(d, o->parent), 1 + (o->parent->legs[0] != o));
    else
        snprintf(name, NAME_SIZE, "?");
    return name;
}

static struct order *order_named(const struct dialogue *d, const char *name)
{
    for (size_t i = 0; name && i < d->names_count; i++)
        if (strcmp(d->names[i], name) == 0)
            return (struct order *)d->orders[i];
    return NULL;
}

/* ---- what comes out */

static void on_trade(void *ctx, const struct trade_event *e)
{
    struct dialogue *d = ctx;
    const char *name = name_of(d, e->order);
    if (e->fill)
        say(d, "%s %s %s @ %s", name, trade_event_names[e->kind], shares(e->fill->qty), dollars(e->fill->price));
    else if (e->kind == TRADE_RESTATED)
        say(d, "%s restated %s%s%s", name, shares(e->order->qty), price_is_set(e->order->limit) ? " @ " : "",
            price_is_set(e->order->limit) ? dollars(e->order->limit) : "");
    else
        say(d, "%s %s", name, trade_event_names[e->kind]);
}

static void say_imbalance(struct dialogue *d, const char *what, struct price price, int64_t qty, int64_t imbalance)
{
    char text[64] = "";
    if (imbalance)
        snprintf(text, sizeof text, " left to %s %s", imbalance > 0 ? "buy" : "sell", shares(imbalance < 0 ? -imbalance : imbalance));
    if (price_is_set(price))
        say(d, "%s %s @ %s%s", what, shares(qty), dollars(price), text);
    else
        say(d, "%s nothing%s", what, text);
}

static void on_market(void *ctx, const struct market_event *e)
{
    static const char *const names[] = { "print", "indicates", "cross", "halted", "resumed" };
    struct dialogue *d = ctx;
    if (!d->shows_market)
        return;
    if (e->kind == MARKET_HALT || e->kind == MARKET_RESUME)
        say(d, "%s", names[e->kind]);
    else
        say_imbalance(d, names[e->kind], e->price, e->qty, e->imbalance);
}

/* ---- reading */

static bool read_price(const char *text, struct price *out)
{
    *out = PRICE_NONE;
    return text && (strcmp(text, "-") == 0 || price_parse(text, strlen(text), out));
}

static bool read_asked(const char *text, struct asked_price *out)
{
    if (!text)
        return false;
    snprintf(out->text, sizeof out->text, "%s", text);
    return read_price(text, &out->price);
}

static bool read_qty(const char *text, int64_t *out)
{
    struct price p;
    if (!text || !price_parse(text, strlen(text), &p))
        return false;
    *out = p.micros;
    return true;
}

static int in_table(const char *word, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

static void instant(struct dialogue *d, struct instant in)
{
    in.time_ns = d->now_ns;
    venue_instant(d->venue, &in);
}

static struct account *account_named(struct dialogue *d, const char *name)
{
    struct account *a = venue_account(d->venue, name);
    if (!a) {
        uint64_t bits[2] = { (uint64_t)name[0], (uint64_t)name[1] };
        a = venue_account_open(d->venue, name, "secret", bits, d->now_ns);
    }
    return a;
}

/* ---- lines: "at" lets the time come, "to" only sets it for the line that follows */

static bool do_venue(struct dialogue *d, char **w)
{
    static const char symbols[][SYMBOL_SIZE] = { "A" };
    d->options = (struct venue_options){ .cash_micros = 100000 * USD, .sink = on_trade, .market_sink = on_market, .ctx = d };
    for (w++; *w; w++) {
        if (strcmp(*w, "without-feed") == 0)
            d->options.without_feed = true;
        else if (strcmp(*w, "respects-size") == 0)
            d->options.respects_size = true;
        else if (strcmp(*w, "market") == 0)
            d->shows_market = true;
        else if (strcmp(*w, "paper") == 0 && w[1]) {
            d->options.is_like_paper = true;
            d->options.paper_partial_pct = atoi(*++w);
        } else if (strcmp(*w, "cash") == 0 && w[1])
            d->options.cash_micros = atoll(*++w) * USD;
        else
            return false;
    }
    d->venue = venue_new(&d->options, symbols, 1);
    venue_prime(d->venue, 0, (struct price){ 10 * USD }, PRICE_NONE, PRICE_NONE);
    d->now_ns = calendar_ns(d->date, 4 * 3600 + 60);
    instant(d, (struct instant){ 0 });
    return true;
}

static bool do_at(struct dialogue *d, char **w)
{
    if (!w[1] || strlen(w[1]) < 5)
        return false;
    d->now_ns = calendar_ns(d->date, atoi(w[1]) * 3600 + atoi(w[1] + 3) * 60);
    if (w[0][0] == 'a')
        instant(d, (struct instant){ 0 });
    return true;
}

static bool do_day(struct dialogue *d, char **w)
{
    d->date = w[1] ? atoi(w[1]) : 0;
    return d->date > 0;
}

static bool do_quote(struct dialogue *d, char **w)
{
    struct symbol_quote q = { .quote = { .time_ns = d->now_ns } };
    if (!read_price(w[1], &q.quote.bid) || !read_price(w[2], &q.quote.ask))
        return false;
    if (w[3] && w[4]) {
        q.quote.bid_size = atoll(w[3]);
        q.quote.ask_size = atoll(w[4]);
    }
    instant(d, (struct instant){ .quotes = &q, .quotes_count = 1 });
    return true;
}

static bool do_start(struct dialogue *d, char **w)
{
    struct symbol_bar b = { .bar = { .open_time_ns = d->now_ns } };
    if (!read_price(w[1], &b.bar.open))
        return false;
    instant(d, (struct instant){ .starting = &b, .starting_count = 1 });
    return true;
}

static bool do_bar(struct dialogue *d, char **w)
{
    struct symbol_bar b = { .bar = { .open_time_ns = d->now_ns - MINUTE_NS, .volume = 100 } };
    if (!read_price(w[1], &b.bar.open) || !read_price(w[2], &b.bar.high) || !read_price(w[3], &b.bar.low) ||
        !read_price(w[4], &b.bar.close))
        return false;
    instant(d, (struct instant){ .ended = &b, .ended_count = 1 });
    return true;
}

static bool do_print(struct dialogue *d, char **w)
{
    struct symbol_trade t = { .trade = { .time_ns = d->now_ns, .size = w[1] && w[2] ? atoll(w[2]) : 0 } };
    if (!read_price(w[1], &t.trade.price))
        return false;
    instant(d, (struct instant){ .trades = &t, .trades_count = 1 });
    return true;
}

/* The words after the quantity. */
static bool read_order(struct order_request *q, char **w)
{
    for (; *w; w++) {
        int i;
        if (strcmp(*w, "market") == 0)
            q->type = ORDER_MARKET;
        else if (strcmp(*w, "limit") == 0) {
            q->type = ORDER_LIMIT;
            if (!read_asked(*++w, &q->limit))
                return false;
        } else if (strcmp(*w, "stop") == 0) {
            q->type = ORDER_STOP;
            if (!read_asked(*++w, &q->stop))
                return false;
        } else if (strcmp(*w, "stop-limit") == 0) {
            q->type = ORDER_STOP_LIMIT;
            if (!read_asked(w[1], &q->stop) || !read_asked(w[2], &q->limit))
                return false;
            w += 2;
        } else if (strcmp(*w, "trail") == 0 && w[1]) {
            q->type = ORDER_TRAILING_STOP;
            char *percent = strchr(*++w, '%');
            if (percent)
                *percent = '\0';
            q->has_trail_percent = percent != NULL;
            if (percent ? !read_qty(*w, &q->trail_percent) : !read_price(*w, &q->trail_price))
                return false;
            if (percent)
                *percent = '%';
        } else if (strcmp(*w, "take") == 0) {
            q->has_take_profit = true;
            if (!read_asked(*++w, &q->take_profit_limit))
                return false;
        } else if (strcmp(*w, "loss") == 0) {
            q->has_stop_loss = true;
            if (!read_asked(*++w, &q->stop_loss_stop))
                return false;
            if (w[1] && w[1][0] >= '0' && w[1][0] <= '9' && !read_asked(*++w, &q->stop_loss_limit))
                return false;
        } else if (strcmp(*w, "extended") == 0)
            q->extended_hours = true;
        else if ((i = in_table(*w, time_in_force_names)) >= 0)
            q->time_in_force = (enum time_in_force)i;
        else if ((i = in_table(*w, order_class_names)) >= 0) {
            q->order_class = (enum order_class)i;
            q->type = i == CLASS_OCO ? ORDER_LIMIT : q->type;
        } else
            return false;
    }
    return true;
}

static void say_refusal(struct dialogue *d, const struct refusal *r)
{
    say(d, "refused: %s", r->message);
    for (int i = 0; i < r->extra_count; i++)
        if (strcmp(r->extra[i].name, "reject_reason") == 0)
            say(d, "%s", r->extra[i].value);
}

static bool do_order(struct dialogue *d, char **w)
{
    struct order_request q;
    struct order *o;
    struct refusal r;
    order_request_init(&q);
    strcpy(q.symbol, "A");
    q.side = strcmp(w[1], "buy") == 0 ? SIDE_BUY : SIDE_SELL;
    if (!w[2] || !w[3] || strlen(w[2]) >= NAME_SIZE)
        return false;
    strcpy(q.client_order_id, w[2]);
    q.has_notional = w[3][0] == '$';
    q.has_qty = !q.has_notional;
    if (!read_qty(w[3] + q.has_notional, q.has_notional ? &q.notional_micros : &q.qty_micros) || !read_order(&q, w + 4))
        return false;
    if (!venue_submit(d->venue, account_named(d, w[0]), &q, d->now_ns, &o, NULL, &r))
        say_refusal(d, &r);
    return true;
}

static bool do_account(struct dialogue *d, char **w)
{
    struct account *a = account_named(d, w[0]);
    struct account_config config = a->config;
    const struct holding *h = &a->holdings[0];
    if (!w[1])
        return false;
    if (strcmp(w[1], "buy") == 0 || strcmp(w[1], "sell") == 0)
        return do_order(d, w);
    if (strcmp(w[1], "position") == 0)
        say(d, "%s @ %s, held %s", shares(h->position.qty), dollars(holding_average(h)), shares(h->held_qty));
    else if (strcmp(w[1], "cash") == 0)
        say(d, "%s", dollars((struct price){ a->cash_micros }));
    else if (strcmp(w[1], "power") == 0) {
        struct account_figures f;
        account_figures(a, venue_marks(d->venue), &f);
        say(d, "%s of %s", dollars((struct price){ f.buying_power }), dollars((struct price){ f.equity }));
    } else if (strcmp(w[1], "activities") == 0)
        for (size_t i = 0; i < a->activities_count; i++) {
            const struct activity *x = a->activities[i];
            say(d, "%s %s for %s", x->kind == ACTIVITY_SPLIT ? "split" : "dividend", shares(x->qty),
                dollars((struct price){ x->net_micros }));
        }
    else if (strcmp(w[1], "no-shorting") == 0)
        config.no_shorting = true;
    else if (strcmp(w[1], "suspended") == 0)
        config.suspend_trade = true;
    else if (strcmp(w[1], "no-fractions") == 0)
        config.no_fractional = true;
    else if (strcmp(w[1], "multiplier") == 0 && w[2])
        config.max_margin_multiplier = atoi(w[2]);
    else
        return false;
    venue_configure(d->venue, a, &config);
    return true;
}

static bool do_replace(struct dialogue *d, char **w)
{
    struct order *o = order_named(d, w[1]), *made;
    struct replace_request q;
    struct refusal r;
    replace_request_init(&q);
    if (!o || !w[2] || !w[3])
        return false;
    strcpy(q.client_order_id, w[3]);
    for (w += 4; *w; w++) {
        if (strcmp(*w, "day") == 0 || strcmp(*w, "gtc") == 0) {
            q.has_time_in_force = true;
            q.time_in_force = **w == 'd' ? TIF_DAY : TIF_GTC;
        } else if (strcmp(*w, "qty") == 0) {
            q.has_qty = true;
            if (!read_qty(*++w, &q.qty_micros))
                return false;
        } else if (strcmp(*w, "trail") == 0) {
            q.has_trail = true;
            if (!read_qty(*++w, &q.trail))
                return false;
        } else if (strcmp(*w, "limit") == 0 ? !read_asked(*++w, &q.limit)
                                            : strcmp(*w, "stop") != 0 || !read_asked(*++w, &q.stop))
            return false;
    }
    if (!venue_replace(d->venue, o, &q, d->now_ns, &made, NULL, &r))
        say_refusal(d, &r);
    return true;
}

static bool do_cancel(struct dialogue *d, char **w)
{
    struct order *o = order_named(d, w[1]);
    struct refusal r;
    if (o && !venue_cancel(d->venue, o, d->now_ns, &r))
        say_refusal(d, &r);
    return o != NULL;
}

static bool do_fault(struct dialogue *d, char **w)
{
    if (strcmp(w[0], "halt") == 0 || strcmp(w[0], "resume") == 0)
        venue_halt(d->venue, 0, w[0][0] == 'h', d->now_ns);
    else if (strcmp(w[0], "stick") == 0)
        venue_stick_cancels(d->venue, true);
    else {
        venue_stick_cancels(d->venue, false);
        venue_release_cancels(d->venue, strcmp(w[0], "refuse") == 0, d->now_ns);
    }
    return true;
}

static bool do_action(struct dialogue *d, char **w)
{
    struct corporate_action c = { .dividend = PRICE_NONE };
    bool is_split = strcmp(w[0], "split") == 0;
    if (d->actions_count == ACTIONS || (is_split ? !w[1] || !w[2] || !w[3] || !w[4] : !read_price(w[1], &c.dividend) || !w[2] || !w[3]))
        return false;
    if (is_split) {
        c.split_to = atoi(w[1]);
        c.split_from = atoi(w[2]);
    }
    c.date = atoi(w[is_split ? 4 : 3]);
    d->actions[d->actions_count++] = c;
    venue_set_actions(d->venue, d->actions, d->actions_count);
    return true;
}

static bool do_depth(struct dialogue *d, char **w)
{
    struct book_level levels[LEVELS];
    int side = w[1] ? in_table(w[1], side_names) : -1;
    if (side < 0)
        return false;
    size_t count = venue_depth(d->venue, 0, (enum side)side, levels, LEVELS);
    for (size_t i = 0; i < count; i++)
        say(d, "%s @ %s of %" PRId64, shares(levels[i].qty), dollars(levels[i].price), levels[i].orders);
    if (count == 0)
        say(d, "none");
    return true;
}

static bool do_volume(struct dialogue *d, char **w)
{
    struct book_volume v;
    (void)w;
    venue_volume(d->venue, 0, &v);
    say(d, "%s traded in %" PRId64 " for %s last %s", shares(v.traded_qty), v.trades,
        dollars((struct price){ (int64_t)v.traded_micros }), dollars(v.last));
    return true;
}

static bool do_auction(struct dialogue *d, char **w)
{
    struct auction_view a;
    (void)w;
    if (!venue_auction(d->venue, 0, &a))
        return false;
    say(d, "%s of %" PRId64, time_in_force_names[a.auction], a.orders);
    say_imbalance(d, "would trade", a.price, a.qty, a.imbalance);
    return true;
}

static const struct verb {
    const char *name;
    bool (*act)(struct dialogue *d, char **words);
} verbs[] = {
    { "venue", do_venue },   { "at", do_at },         { "to", do_at },         { "day", do_day },       { "quote", do_quote },
    { "start", do_start },   { "bar", do_bar },       { "print", do_print },   { "replace", do_replace },
    { "cancel", do_cancel }, { "halt", do_fault },    { "resume", do_fault },  { "stick", do_fault },
    { "release", do_fault }, { "refuse", do_fault },  { "split", do_action },  { "dividend", do_action },
    { "depth", do_depth },   { "volume", do_volume }, { "auction", do_auction },
};

static bool run_line(struct dialogue *d, char *line)
{
    char *words[WORDS + 2] = { 0 }, *save = NULL;
    size_t count = 0;
    for (char *w = strtok_r(line, " ", &save); w && count < WORDS; w = strtok_r(NULL, " ", &save))
        words[count++] = w;
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(words[0], verbs[i].name) == 0)
            return (d->venue != NULL) != (verbs[i].act == do_venue) && verbs[i].act(d, words);
    return d->venue && do_account(d, words);
}

bool venue_script_is(const char *script)
{
    while (*script == '#' || *script == '\n') {
        script += strcspn(script, "\n");
        script += *script == '\n';
    }
    return strncmp(script, "venue", 5) == 0;
}

bool venue_script_run(const char *script, char *out, size_t size)
{
    struct dialogue *d = must_alloc(1, sizeof *d);
    bool good = true;
    d->date = DATE;
    d->out = out;
    d->size = size;
    out[0] = '\0';
    for (const char *at = script; *at && good;) {
        size_t length = strcspn(at, "\n");
        char line[SAID];
        snprintf(line, sizeof line, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
        if (line[0] == '#' || line[0] == '\0') {
            write_out(d, "%s\n", line);
            continue;
        }
        size_t end = strcspn(line, "|");
        while (end > 0 && line[end - 1] == ' ')
            end--;
        line[end] = '\0';
        char left[SAID];
        memcpy(left, line, end + 1);
        d->said[0] = '\0';
        if (end == 0 || !run_line(d, line)) {
            write_out(d, "%s\n^ is not understood\n", left);
            good = false;
        } else if (d->said[0])
            write_out(d, "%-*s | %s\n", COLUMN, left, d->said);
        else
            write_out(d, "%s\n", left);
        if (good && !venue_is_consistent(d->venue)) {
            write_out(d, "^ leaves an inconsistent venue\n");
            good = false;
        }
    }
    venue_free(d->venue);
    free(d);
    return good;
}
