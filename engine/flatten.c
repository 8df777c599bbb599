/* flatten.c - see flatten.h. */
#include "engine/flatten.h"

#include <string.h>

void flatten_start(struct flatten *f, int64_t world_ns, int64_t deadline_ns)
{
    memset(f, 0, sizeof *f);
    f->deadline_ns = world_ns + deadline_ns;
    f->phase = FLATTEN_CANCELLING;
}

static enum flatten_step end(struct flatten *f, int exit_code)
{
    f->phase = FLATTEN_ENDED;
    f->exit_code = exit_code;
    return FLATTEN_END;
}

static enum flatten_step ask(struct flatten *f, enum flatten_phase phase)
{
    f->phase = phase;
    f->rounds++;
    return FLATTEN_ASK;
}

enum flatten_step flatten_next(struct flatten *f, const struct flatten_view *v)
{
    if (f->phase == FLATTEN_ENDED)
        return FLATTEN_END;
    if (v->world_ns >= f->deadline_ns)
        return end(f, v->broker_known && !v->broker_orders && !v->broker_shares && !v->orders_open ? 0 : 3);
    if (v->busy)
        return FLATTEN_WAIT;

    switch (f->phase) {
    case FLATTEN_CANCELLING:
        if (v->orders_open)
            return FLATTEN_CANCEL;
        return ask(f, FLATTEN_ASKING);
    case FLATTEN_ASKING:
    case FLATTEN_CONFIRMING:
        if (!v->broker_answered)
            return FLATTEN_WAIT;
        if (!v->broker_known)
            return ask(f, f->phase);
        if (v->broker_orders) {
            f->phase = FLATTEN_CANCELLING; /* of ours, though our books did not know it */
            return FLATTEN_CANCEL;
        }
        if (!v->broker_shares)
            return end(f, 0); /* should the books differ: nothing of ours is there to close */
        if (v->market_open) {
            f->phase = FLATTEN_CLOSING;
            return FLATTEN_CLOSE;
        }
        f->phase = FLATTEN_QUEUING;
        return FLATTEN_QUEUE;
    case FLATTEN_CLOSING:
        if (v->orders_open)
            return FLATTEN_WAIT;
        return ask(f, FLATTEN_CONFIRMING);
    case FLATTEN_QUEUING:
        if (v->orders_unqueued)
            return FLATTEN_WAIT;
        if (v->orders_open)
            return end(f, 4);
        return ask(f, FLATTEN_CONFIRMING); /* refused, or filled meanwhile: look again */
    case FLATTEN_ENDED:
        break;
    }
    return FLATTEN_WAIT;
}
