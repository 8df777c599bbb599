/* script.h - a market and orders as a few lines of text, for tests of the venue.
 *
 *     09:29 quote A 10.00 10.02       the quote of the minute that ends now (- for none)
 *     09:30 start A 10.05             a bar starts now with this open
 *     09:31 bar A 10.05 10.10 10.00 10.07    the bar that ends now
 *     09:31 submit x buy 100 A market day    (limit prices: "limit 10.01")
 *     09:32 cancel x
 *     16:00 instant                   the clock gets here
 *
 * Times are New York's; "day 20131008" changes the date. Market lines of one time are one instant. Events
 * come out as "x:accepted", "x:fill@10.02". A refused submission is "x!" and its message. */
#ifndef TESTS_EXCHANGE_SCRIPT_H
#define TESTS_EXCHANGE_SCRIPT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange/venue.h"

struct script {
    struct venue *venue;
    struct account *account;
    int32_t date;
    int64_t now_ns;
    struct symbol_quote quotes[8];
    struct symbol_bar ended[8], starting[8];
    struct instant instant;
    bool pending;
    char log[8192];
};

static inline void script_log(struct script *s, const char *label, const char *what)
{
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%s%s:%s", n ? " " : "", label, what);
}

static inline void script_sink(void *ctx, const struct trade_event *e)
{
    char what[64], price[PRICE_TEXT_MAX];
    if (e->fill) {
        price_format(e->fill->price, price);
        snprintf(what, sizeof what, "%s@%s", trade_event_names[e->kind], price);
    } else {
        snprintf(what, sizeof what, "%s", trade_event_names[e->kind]);
    }
    char made[UUID_SIZE];
    script_log(ctx, order_client_id(e->order, made), what);
}

static inline void script_open(struct script *s, int32_t date, struct venue_options options)
{
    static const char symbols[][SYMBOL_SIZE] = { "A", "B" };
    static const uint64_t bits[2] = { 1, 2 };
    memset(s, 0, sizeof *s);
    s->date = date;
    options.sink = script_sink;
    options.ctx = s;
    s->venue = venue_new(&options, symbols, 2);
    for (int i = 0; i < 2; i++)
        venue_prime(s->venue, i, (struct price){ 10 * USD }, PRICE_NONE, PRICE_NONE);
    const struct instant first = { .time_ns = calendar_ns(date, 4 * 3600) };
    venue_instant(s->venue, &first);
    s->account = venue_account_open(s->venue, "key", "secret", bits, first.time_ns);
}

static inline void script_flush(struct script *s)
{
    if (!s->pending)
        return;
    s->instant.time_ns = s->now_ns;
    s->instant.quotes = s->quotes;
    s->instant.ended = s->ended;
    s->instant.starting = s->starting;
    venue_instant(s->venue, &s->instant);
    memset(&s->instant, 0, sizeof s->instant);
    s->pending = false;
}

static inline struct price script_price(const char *text)
{
    struct price p = PRICE_NONE;
    if (strcmp(text, "-") != 0 && !price_parse(text, strlen(text), &p))
        abort();
    return p;
}

static inline void script_submit(struct script *s, char words[12][32], int count)
{
    struct order_request q;
    order_request_init(&q);
    q.side = strcmp(words[3], "buy") ? SIDE_SELL : SIDE_BUY;
    q.has_qty = true;
    q.qty_micros = atoll(words[4]) * QTY_SCALE;
    struct order *o;
    struct refusal r;
    int at = 6;
    memcpy(q.symbol, words[5], 32);
    memcpy(q.client_order_id, words[2], 32);
    if (strcmp(words[at++], "limit") == 0) {
        q.type = ORDER_LIMIT;
        memcpy(q.limit.text, words[at], 32);
        q.limit.price = script_price(words[at++]);
    }
    for (int i = 0; i < 3 && at < count; i++)
        if (strcmp(words[at], time_in_force_names[i]) == 0)
            q.time_in_force = (enum time_in_force)i;
    if (venue_submit(s->venue, s->account, &q, s->now_ns, &o, NULL, &r))
        return;
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%s%s! %s", n ? " " : "", words[2], r.message);
}

static inline void script_line(struct script *s, const char *line)
{
    char w[12][32] = { "" };
    int n = sscanf(line, "%31s %31s %31s %31s %31s %31s %31s %31s %31s %31s", w[0], w[1], w[2], w[3], w[4],
                   w[5], w[6], w[7], w[8], w[9]);
    if (n < 2)
        return;
    if (strcmp(w[0], "day") == 0) {
        script_flush(s);
        s->date = atoi(w[1]);
        return;
    }
    int64_t at = calendar_ns(s->date, atoi(w[0]) * 3600 + atoi(w[0] + 3) * 60);
    if (at != s->now_ns)
        script_flush(s);
    s->now_ns = at;
    int symbol = n > 2 ? venue_symbol(s->venue, w[2]) : -1;
    if (strcmp(w[1], "quote") == 0) {
        s->quotes[s->instant.quotes_count++] =
            (struct symbol_quote){ symbol,
                                   { .time_ns = at, .bid = script_price(w[3]), .ask = script_price(w[4]) } };
        s->pending = true;
    } else if (strcmp(w[1], "start") == 0) {
        s->starting[s->instant.starting_count++] =
            (struct symbol_bar){ .symbol = symbol, .bar = { .open_time_ns = at, .open = script_price(w[3]) } };
        s->pending = true;
    } else if (strcmp(w[1], "bar") == 0) {
        s->ended[s->instant.ended_count++] =
            (struct symbol_bar){ .symbol = symbol,
                                 .bar = { at - MINUTE_NS, script_price(w[3]), script_price(w[4]), script_price(w[5]),
                                   script_price(w[6]), 100 } };
        s->pending = true;
    } else if (strcmp(w[1], "instant") == 0) {
        s->pending = true;
    } else if (strcmp(w[1], "submit") == 0) {
        script_flush(s);
        script_submit(s, w, n);
    } else if (strcmp(w[1], "cancel") == 0) {
        struct refusal r;
        script_flush(s);
        struct order *o = account_order_by_client_id(s->account, w[2]);
        if (!o || !venue_cancel(s->venue, o, at, &r))
            script_log(s, w[2], o ? r.message : "unknown");
    } else {
        abort();
    }
}

/* Lines separated by newlines. */
static inline void script_run(struct script *s, const char *text)
{
    char line[256];
    while (*text) {
        size_t n = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        script_line(s, line);
        text += n + (text[n] == '\n');
    }
    script_flush(s);
}

static inline void script_close(struct script *s)
{
    venue_free(s->venue);
}

#endif
