/* flatten.h - from "stop" to "flat", or to a true account of what is not flat.
 *
 * Pure: a state machine that is told what is seen and answers what to do next. Entries are frozen before it
 * starts. Its order is fixed: cancel -> wait until every cancel is final -> ask the broker what is really held
 * -> close exactly that -> ask again, until the broker shows nothing of ours. Never "sleep and hope". */
#ifndef ENGINE_FLATTEN_H
#define ENGINE_FLATTEN_H

#include <stdbool.h>
#include <stdint.h>

enum flatten_phase {
    FLATTEN_CANCELLING, FLATTEN_ASKING, FLATTEN_CLOSING, FLATTEN_QUEUING, FLATTEN_CONFIRMING, FLATTEN_ENDED,
};

struct flatten {
    enum flatten_phase phase;
    int64_t deadline_ns;        /* world, monotonic */
    int rounds;                 /* times the broker was asked */
    int exit_code;              /* FLATTEN_ENDED: 0 flat, 3 not flat, 4 exits queued for the next open */
};

/* What is seen now. "Ours": by client_order_id and by our books. */
struct flatten_view {
    int64_t world_ns;
    bool market_open;           /* regular session in progress */
    bool busy;                  /* calls to the broker under way */
    int64_t orders_open;        /* ours, not final, by our books */
    int64_t orders_unqueued;    /* of those: not yet accepted by the broker */
    int64_t shares_held;        /* sum over instances and symbols of |own position| */
    bool broker_answered;       /* to the question asked last */
    bool broker_known;          /* and it was an answer */
    int64_t broker_orders;      /* our open orders it shows */
    int64_t broker_shares;      /* |position| it shows beyond what is not ours */
};

enum flatten_step {
    FLATTEN_WAIT,
    FLATTEN_CANCEL,             /* cancel all our open orders */
    FLATTEN_ASK,                /* ask for our open orders and positions */
    FLATTEN_CLOSE,              /* close each instance's own position, bounded by what the broker holds */
    FLATTEN_QUEUE,              /* market closed: the same for the next open */
    FLATTEN_END,
};

void flatten_start(struct flatten *f, int64_t world_ns, int64_t deadline_ns);
/* Call after every change and now and then; do what it says, then call again. */
enum flatten_step flatten_next(struct flatten *f, const struct flatten_view *v);

#endif
