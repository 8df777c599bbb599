/* objects.h - the venue's things as the broker's JSON, member for member.
 *
 * Orders and their events, which are many, are written as text; the ..._json give a new reference. */
#ifndef EXCHANGE_OBJECTS_H
#define EXCHANGE_OBJECTS_H

#include <jansson.h>

#include "core/buffer.h"
#include "exchange/venue.h"

enum order_form {
    FORM_FLAT,   /* "legs": null */
    FORM_NESTED, /* with its legs */
    FORM_EVENT,  /* as trade_updates has it: flat, and when its cancel was asked for */
};
void order_write(struct buffer *to, const struct venue *v, const struct order *o, enum order_form form);
json_t *order_json(const struct venue *v, const struct order *o, enum order_form form);

/* The "data" of a trade_updates message; sequence makes its event_id unique and rising. */
void trade_event_write(struct buffer *to, const struct venue *v, const struct trade_event *e, uint64_t sequence);
/* A ULID: text that sorts as time and sequence do. */
enum { ULID_SIZE = 27 };
void event_id(int64_t time_ns, uint64_t sequence, char out[ULID_SIZE]);

json_t *account_json(const struct venue *v, const struct account *a, int64_t now_ns);
json_t *position_json(const struct venue *v, const struct account *a, int symbol, int64_t now_ns);
json_t *asset_json(const struct venue *v, int symbol);
json_t *refusal_json(const struct refusal *r);

/* A print of the market data, without T and S. */
json_t *trade_json(const struct trade_print *t, int64_t id);

/* Activities: executions, and what else changed the account. */
json_t *fill_json(const struct venue *v, const struct fill *f);
json_t *activity_json(const struct venue *v, const struct activity *a);
/* Its type, "DIV"; and what the broker calls the kinds: FILL and those. */
const char *activity_type(const struct activity *a);
/* As /v2beta1/events/activities has them; id: their event_id. */
void fill_event_write(struct buffer *to, const struct venue *v, const struct fill *f, char id[ULID_SIZE]);
void activity_event_write(struct buffer *to, const struct venue *v, const struct activity *a, char id[ULID_SIZE]);
/* "20131007093000000::<uuid>": New York's time of a fill; the rest of the day's zeros for other activities. */
enum { ACTIVITY_ID_SIZE = 72 };
void fill_activity_id(const struct fill *f, char out[ACTIVITY_ID_SIZE]);

/* The asset of a symbol or an asset id; -1: unknown. */
int asset_find(const struct venue *v, const char *name);

#endif
