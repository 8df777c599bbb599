/* requests.h - what clients send about orders, as the venue's requests.
 *
 * Decimals as strings or numbers, null and "" as absent, unknown members ignored. false: what is wrong with its words
 * and types; the rest is the venue's to judge. Pure. */
#ifndef EXCHANGE_REQUESTS_H
#define EXCHANGE_REQUESTS_H

#include <jansson.h>

#include "exchange/venue.h"

/* The body of POST /v2/orders. A symbol may be an asset id. */
bool order_request_decode(const struct venue *v, const json_t *body, struct order_request *out,
                          struct refusal *refusal);
/* The body of PATCH /v2/orders/{id}. */
bool replace_request_decode(const json_t *body, struct replace_request *out, struct refusal *refusal);

/* A plain decimal to millionths; false: none, or out of range. too_fine: there were more than six decimals (cut off). */
bool decimal_decode(const char *text, int64_t *out, bool *too_fine);

#endif
