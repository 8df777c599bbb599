/* rest.h - one REST request and what its handlers share. rest.c routes and reads parameters, rest_trading.c
 * is accounts, orders and positions, rest_market.c assets, time and market data. */
#ifndef EXCHANGE_REST_H
#define EXCHANGE_REST_H

#include "exchange/exchange.h"

/* One request on its way. */
struct call {
    struct exchange *x;
    const struct http_request *req;
    struct http_response *res;
    struct account *account;
    const char *arg; /* what stood for {} in the route */
    int64_t now_ns;
    bool is_data; /* market data: bad parameters are 400 there */
    struct refusal refusal;
};

void rest_answer(struct call *c, unsigned status, json_t *body); /* takes body */
void rest_refuse(struct call *c);                                /* answers c->refusal */

/* ---- query parameters. NULL when absent or empty; */
const char *parameter_text(const struct call *c, const char *name);
/* the others leave *value alone then. false after filling c->refusal. */
bool parameter_refuse(struct call *c, const char *name, const char *expected);
bool parameter_count(struct call *c, const char *name, int64_t min, int64_t max, int64_t *value);
bool parameter_bool(struct call *c, const char *name, bool *value);
bool parameter_word(struct call *c, const char *name, const char *const *words, const char *expected,
                    int *value);
/* A time, or a date: New York midnight, or the end of that day for the end of an interval. */
bool parameter_time(struct call *c, const char *name, bool day_end, int64_t *value);
bool parameter_date(struct call *c, const char *name, int32_t *value);
/* Is name one of a comma-separated list? */
bool parameter_lists(const char *list, const char *name);

/* ---- handlers, by route (rest.c) */
void rest_get_account(struct call *c);
void rest_get_configurations(struct call *c);
void rest_get_activities(struct call *c);
void rest_get_activities_of_type(struct call *c);
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
void rest_get_bars(struct call *c);
void rest_get_latest_bars(struct call *c);
void rest_get_latest_quotes(struct call *c);

#endif
