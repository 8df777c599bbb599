/* objects.h - the venue's things as the broker's JSON, and a client's order as a request.
 *
 * Each ..._json returns a new reference. */
#ifndef EXCHANGE_OBJECTS_H
#define EXCHANGE_OBJECTS_H

#include <jansson.h>

#include "exchange/venue.h"

/* Reads the body of POST /v2/orders: decimals as strings or numbers, null and "" as absent, unknown members
 * ignored. false: what is wrong with its words and types; the rest is venue_submit's to judge. A symbol may
 * be an asset id. */
bool order_request_decode(const struct venue *v, const json_t *body, struct order_request *out,
                          struct refusal *refusal);

json_t *order_json(const struct venue *v, const struct order *o);
/* The "data" of a trade_updates message; sequence makes its event_id unique and rising. */
json_t *trade_event_json(const struct venue *v, const struct trade_event *e, uint64_t sequence);
json_t *account_json(const struct venue *v, const struct account *a, int64_t now_ns);
json_t *position_json(const struct venue *v, const struct account *a, int symbol, int64_t now_ns);
json_t *activity_json(const struct venue *v, const struct fill *f);
json_t *asset_json(const struct venue *v, int symbol);
json_t *refusal_json(const struct refusal *r);

/* "20131007093000000::<execution id>" */
enum { ACTIVITY_ID_SIZE = 72 };
void activity_id(const struct fill *f, char out[ACTIVITY_ID_SIZE]);

/* The asset of a symbol or an asset id; -1: unknown. */
int asset_find(const struct venue *v, const char *name);

#endif
