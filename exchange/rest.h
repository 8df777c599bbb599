/* rest.h - one REST request and what its handlers share.
 *
 * rest.c has the table of routes, the login and the parameters; a route's handler stands in the file its first
 * word names: rest_account.c, rest_orders.c, rest_positions.c, rest_assets.c, rest_clock.c (and the calendar),
 * rest_watchlists.c, rest_portfolio.c, rest_events.c (server-sent events); of /v2/stocks rest_market.c has the
 * history and rest_latest.c the rest. */
#ifndef EXCHANGE_REST_H
#define EXCHANGE_REST_H

#include "exchange/exchange.h"

enum { REST_ARGS = 2, REST_ARG_SIZE = 128 };

/* One request on its way. */
struct call {
    struct exchange *x;
    const struct http_request *req;
    struct http_response *res;
    struct account *account;
    struct customer *customer;             /* the account's */
    char args[REST_ARGS][REST_ARG_SIZE];   /* what stood for each {} in the route */
    int64_t now_ns;
    bool is_data; /* market data: bad parameters are 400 there */
    struct refusal refusal;
};

void rest_answer(struct call *c, unsigned status, json_t *body); /* takes body */
void rest_refuse(struct call *c);                                /* answers c->refusal */
/* The body as an object; NULL after filling c->refusal. */
json_t *rest_body(struct call *c);

/* ---- query parameters. NULL when absent or empty; */
const char *parameter_text(const struct call *c, const char *name);
/* the others leave *value alone then. false after filling c->refusal. */
bool parameter_refuse(struct call *c, const char *name, const char *expected);
bool parameter_count(struct call *c, const char *name, int64_t min, int64_t max, int64_t *value);
bool parameter_bool(struct call *c, const char *name, bool *value);
bool parameter_word(struct call *c, const char *name, const char *const *words, const char *expected,
                    int *value);
/* Each of a comma-separated list must be one of words. */
bool parameter_words(struct call *c, const char *name, const char *const *words, const char *expected);
/* A time, or a date: New York midnight, or the end of that day for the end of an interval. */
bool parameter_time(struct call *c, const char *name, bool day_end, int64_t *value);
bool parameter_date(struct call *c, const char *name, int32_t *value);
/* Behind the next comma; NULL: there is none. */
const char *after_comma(const char *list);
/* Is name one of a comma-separated list? */
bool parameter_lists(const char *list, const char *name);

/* Cancels all open orders; what came of each is appended to list (may be NULL). */
void rest_cancel_all(struct call *c, json_t *list);

/* ---- what the files of market data share */
/* ?feed= is one of words; is_empty: of a feed there is nothing of here. */
bool read_feed(struct call *c, const char *const *words, const char *expected, bool *is_empty);
bool read_currency(struct call *c);
json_t *quote_json(const struct quote *q);
/* The newest two daily bars, today's as far as it has come; how many there are. */
size_t read_last_days(struct call *c, int symbol, struct bar out[2]);

/* ---- handlers, by file */
void rest_get_account(struct call *c);
void rest_get_configurations(struct call *c);
void rest_patch_configurations(struct call *c);
void rest_get_activities(struct call *c);
void rest_get_activities_of_type(struct call *c);

void rest_get_portfolio_history(struct call *c);

void rest_post_order(struct call *c);
void rest_get_orders(struct call *c);
void rest_delete_orders(struct call *c);
void rest_get_order_by_client_id(struct call *c);
void rest_get_order(struct call *c);
void rest_delete_order(struct call *c);

void rest_get_positions(struct call *c);
void rest_delete_positions(struct call *c);
void rest_get_position(struct call *c);
void rest_delete_position(struct call *c);

void rest_get_assets(struct call *c);
void rest_get_asset(struct call *c);

void rest_get_clock(struct call *c);
void rest_get_calendar(struct call *c);
void rest_get_v3_clock(struct call *c);
void rest_get_v3_calendar(struct call *c);

void rest_get_watchlists(struct call *c);
void rest_post_watchlist(struct call *c);
void rest_get_watchlist(struct call *c);
void rest_put_watchlist(struct call *c);
void rest_post_watchlist_asset(struct call *c);
void rest_delete_watchlist(struct call *c);
void rest_delete_watchlist_asset(struct call *c);

void rest_get_bars(struct call *c);
void rest_get_quotes(struct call *c);
void rest_get_trades(struct call *c);
void rest_get_auctions(struct call *c);

void rest_get_latest_bars(struct call *c);
void rest_get_latest_quotes(struct call *c);
void rest_get_latest_trades(struct call *c);
void rest_get_snapshots(struct call *c);
void rest_get_exchanges(struct call *c);
void rest_get_conditions(struct call *c);

#endif
