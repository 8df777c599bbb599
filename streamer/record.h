/* record.h - what the broker said, as rows of the API's ingest (docs/protocols.md §2), into the outbox.
 *
 * A fill seen on the stream and the same fill found by REST make the same row: times are cut to
 * microseconds, which is all the database keeps and all REST gives. What has been put once since the start is not put again. */
#ifndef STREAMER_RECORD_H
#define STREAMER_RECORD_H

#include "alpaca/wire.h"
#include "client/outbox.h"

struct record;

/* outbox: lent for good. */
struct record *record_new(struct outbox *outbox);
void record_free(struct record *r); /* NULL is fine */

/* The words of an order that our structs have no place for travel in its JSON. raw is the "data" of the message. */
bool record_update(struct record *r, const char *account, const struct alpaca_trade_update *update, const char *raw,
                   size_t size, struct err *err);
/* A FILL activity and the order it belongs to, both as the broker sent them. */
bool record_activity(struct record *r, const char *account, const json_t *activity, const json_t *order,
                     struct err *err);
/* The state of an order found by REST; fills are not derived from it (they are activities). */
bool record_order(struct record *r, const char *account, const json_t *order, struct err *err);
bool record_bar(struct record *r, const char *symbol, const struct bar *bar, const char *source, struct err *err);

/* The account trades on the market whose bars are recorded under this source. */
bool record_account(struct record *r, const char *account, const char *source, int64_t at_ns, struct err *err);

/* Has this activity's execution been put since the start? */
bool record_has_execution(const struct record *r, const char *execution_id);

/* Events put since the start. */
size_t record_count(const struct record *r);

/* The uuid half of an activity's id; "" when it has none. */
const char *activity_execution_id(const char *activity_id);

#endif
