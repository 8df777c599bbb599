/* rest_latest.c - what is newest in /v2/stocks: bars, quotes, trades, snapshots; and the meaning of its letters. */
#include <string.h>

#include "alpaca/wire.h"
#include "core/base.h"
#include "exchange/rest.h"

/* Each gives NULL when there is nothing yet. */
typedef json_t *maker(struct call *c, int symbol);

static json_t *latest_bar(struct call *c, int symbol)
{
    struct bar b;
    return feed_last_bar(c->x->feed, symbol, c->now_ns, &b) ? alpaca_bar_encode(&b) : NULL;
}

static json_t *latest_quote(struct call *c, int symbol)
{
    struct quote q;
    return feed_last_quote(c->x->feed, symbol, c->now_ns, &q) ? quote_json(&q) : NULL;
}

/* Minute bars tell the last price of the minute, not its size: 0. */
static json_t *latest_trade(struct call *c, int symbol)
{
    struct bar b;
    if (!feed_last_bar(c->x->feed, symbol, c->now_ns, &b))
        return NULL;
    const struct trade_print last = { b.open_time_ns + MINUTE_NS, b.close, 0 };
    return trade_json(&last, 0);
}

static void set(json_t *j, const char *name, json_t *value) /* takes value */
{
    if (value)
        json_object_set_new(j, name, value);
}

static json_t *snapshot(struct call *c, int symbol)
{
    struct bar days[2];
    json_t *trade = latest_trade(c, symbol), *quote = latest_quote(c, symbol);
    if (!trade && !quote)
        return NULL;
    json_t *j = json_object();
    set(j, "latestTrade", trade);
    set(j, "latestQuote", quote);
    set(j, "minuteBar", latest_bar(c, symbol));
    size_t count = read_last_days(c, symbol, days);
    if (count > 0)
        set(j, "dailyBar", alpaca_bar_encode(&days[count - 1]));
    if (count > 1)
        set(j, "prevDailyBar", alpaca_bar_encode(&days[0]));
    return j;
}

/* Makes the thing for each symbol asked for; NULL after answering a refusal. */
static json_t *make_all(struct call *c, maker *make)
{
    static const char *const feeds[] = { "sip", "iex", "delayed_sip", "boats", "overnight", "otc", NULL };
    const char *list = c->args[0][0] ? c->args[0] : parameter_text(c, "symbols");
    bool is_empty;
    if (!list)
        parameter_refuse(c, "symbols", "given, separated by commas");
    if (!list || !read_feed(c, feeds, "sip, iex, delayed_sip, boats, overnight or otc", &is_empty) || !read_currency(c)) {
        rest_refuse(c);
        return NULL;
    }
    json_t *all = json_object();
    for (size_t i = 0; !is_empty && i < venue_symbols_count(c->x->venue); i++) {
        const char *name = venue_symbol_name(c->x->venue, (int)i);
        if (parameter_lists(list, name))
            set(all, name, make(c, (int)i));
    }
    return all;
}

static void answer_one(struct call *c, json_t *all, const char *one)
{
    json_t *found = json_object_get(all, c->args[0]);
    if (!found) {
        refuse(&c->refusal, REFUSED_POSITION_SYMBOL, c->args[0]);
        rest_refuse(c);
        return;
    }
    json_t *body = json_pack("{ss}", "symbol", c->args[0]);
    if (one)
        json_object_set(body, one, found);
    else
        json_object_update(body, found);
    rest_answer(c, 200, body);
}

static void get_latest(struct call *c, const char *one, const char *many, maker *make)
{
    json_t *all = make_all(c, make);
    if (!all)
        return;
    if (c->args[0][0])
        answer_one(c, all, one);
    else if (many)
        rest_answer(c, 200, json_pack("{sO}", many, all));
    else
        rest_answer(c, 200, json_incref(all));
    json_decref(all);
}

void rest_get_latest_bars(struct call *c)
{
    get_latest(c, "bar", "bars", latest_bar);
}

void rest_get_latest_quotes(struct call *c)
{
    get_latest(c, "quote", "quotes", latest_quote);
}

void rest_get_latest_trades(struct call *c)
{
    get_latest(c, "trade", "trades", latest_trade);
}

void rest_get_snapshots(struct call *c)
{
    get_latest(c, NULL, NULL, snapshot);
}

/* ---- letters */

struct letter {
    const char *code, *name;
};
static const struct letter exchanges[] = {
    { "A", "NYSE American (AMEX)" },
    { "B", "NASDAQ OMX BX" },
    { "C", "National Stock Exchange" },
    { "D", "FINRA ADF" },
    { "E", "Market Independent" },
    { "H", "MIAX" },
    { "I", "International Securities Exchange" },
    { "J", "Cboe EDGA" },
    { "K", "Cboe EDGX" },
    { "L", "Long Term Stock Exchange" },
    { "M", "Chicago Stock Exchange" },
    { "N", "New York Stock Exchange" },
    { "P", "NYSE Arca" },
    { "Q", "NASDAQ OMX" },
    { "S", "NASDAQ Small Cap" },
    { "T", "NASDAQ Int" },
    { "U", "Members Exchange" },
    { "V", "IEX" },
    { "W", "CBOE" },
    { "X", "NASDAQ OMX PSX" },
    { "Y", "Cboe BYX" },
    { "Z", "Cboe BZX" },
};
/* Only the conditions that are used here. */
static const struct letter trade_conditions[] = {
    { "@", "Regular Sale" },
    { "6", "Market Center Closing Trade" },
    { "O", "Market Center Opening Trade" },
};
static const struct letter quote_conditions[] = {
    { "R", "Regular Market Maker Open" },
};

static void answer_letters(struct call *c, const struct letter *letters, size_t count)
{
    json_t *body = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(body, letters[i].code, json_string(letters[i].name));
    rest_answer(c, 200, body);
}

void rest_get_exchanges(struct call *c)
{
    answer_letters(c, exchanges, COUNT_OF(exchanges));
}

void rest_get_conditions(struct call *c)
{
    static const char *const tapes[] = { "A", "B", "C", NULL };
    bool is_trade = strcmp(c->args[0], "trade") == 0;
    int tape = -1;
    if (!is_trade && strcmp(c->args[0], "quote") != 0)
        parameter_refuse(c, "ticktype", "trade or quote");
    else if (parameter_word(c, "tape", tapes, "A, B or C", &tape) && tape < 0)
        parameter_refuse(c, "tape", "A, B or C");
    else if (tape >= 0) {
        if (is_trade)
            answer_letters(c, trade_conditions, COUNT_OF(trade_conditions));
        else
            answer_letters(c, quote_conditions, COUNT_OF(quote_conditions));
        return;
    }
    rest_refuse(c);
}
