#include "exchange/driver.h"

#include <assert.h>
#include <string.h>

void driver_init(struct driver *d, enum driver_mode mode, int64_t start_ns)
{
    *d = (struct driver){ .mode = mode, .now_ns = start_ns };
}

/* vanished: those who went without a word count too. */
static bool all_have_acked(const struct driver *d, bool vanished)
{
    for (size_t i = 0; i < DRIVER_CLIENTS_MAX; i++) {
        const struct driver_client *c = &d->clients[i];
        if (c->name[0] && (c->present ? c->acked < d->n : vanished))
            return false;
    }
    return true;
}

static bool has_clients(const struct driver *d)
{
    for (size_t i = 0; i < DRIVER_CLIENTS_MAX; i++)
        if (d->clients[i].name[0])
            return true;
    return false;
}

/* The next time something must happen after `from`; a wake at or before it has been served. */
static int64_t next_ns(const struct driver *d, int64_t market_ns)
{
    int64_t next = market_ns;
    for (size_t i = 0; i < DRIVER_CLIENTS_MAX; i++) {
        const struct driver_client *c = &d->clients[i];
        if (c->name[0] && c->wake_ns > d->now_ns && c->wake_ns < next)
            next = c->wake_ns;
    }
    return next;
}

struct driver_step driver_next(const struct driver *d, int64_t market_ns, int64_t clock_ns)
{
    if (d->n == 0 && d->mode != DRIVER_LOCKSTEP)
        return (struct driver_step){ DRIVER_RUN, d->now_ns };
    if (d->mode == DRIVER_LOCKSTEP) {
        if (!has_clients(d) || !all_have_acked(d, true))
            return (struct driver_step){ DRIVER_WAIT, d->now_ns };
        if (d->n == 0)
            return (struct driver_step){ DRIVER_RUN, d->now_ns };
        if (d->updated)
            return (struct driver_step){ DRIVER_AGAIN, d->now_ns };
        int64_t next = next_ns(d, market_ns);
        return (struct driver_step){ next == INT64_MAX ? DRIVER_WAIT : DRIVER_RUN, next };
    }
    int64_t next = next_ns(d, market_ns);
    if (next == INT64_MAX)
        return (struct driver_step){ DRIVER_WAIT, next };
    if (next <= clock_ns)
        return (struct driver_step){ DRIVER_RUN, next };
    /* not before the clients could say when they want to be woken */
    bool idle = d->mode == DRIVER_SPEED && next - clock_ns > DRIVER_IDLE_NS && all_have_acked(d, false);
    return (struct driver_step){ idle ? DRIVER_SKIP : DRIVER_RUN_AT, next };
}

int64_t driver_tick(struct driver *d, int64_t time_ns, bool ended)
{
    assert(time_ns >= d->now_ns);
    d->now_ns = time_ns;
    d->updated = false;
    d->ended = ended;
    return ++d->n;
}

int driver_join(struct driver *d, const char *name)
{
    int free_one = -1;
    for (int i = 0; i < DRIVER_CLIENTS_MAX; i++) {
        struct driver_client *c = &d->clients[i];
        if (strcmp(c->name, name) == 0) {
            c->present =
                true; /* it acknowledges the newest tick once more: until then it may be catching up */
            c->acked = d->n > 0 ? d->n - 1 : 0;
            return i;
        }
        if (c->name[0] == '\0' && free_one < 0)
            free_one = i;
    }
    if (free_one >= 0) {
        struct driver_client *c = &d->clients[free_one];
        *c = (struct driver_client){ .present = true, .acked = d->n > 0 ? d->n - 1 : 0 };
        strncpy(c->name, name, sizeof c->name - 1);
    }
    return free_one;
}

void driver_leave(struct driver *d, int client, bool orderly)
{
    if (orderly)
        d->clients[client] = (struct driver_client){ 0 };
    else
        d->clients[client].present = false;
}

void driver_ack(struct driver *d, int client, int64_t n, int64_t wake_ns)
{
    struct driver_client *c = &d->clients[client];
    if (n > d->n || n < c->acked)
        return;
    c->acked = n;
    if (n == d->n)
        c->wake_ns = wake_ns;
}

void driver_wake(struct driver *d, int client, int64_t wake_ns)
{
    d->clients[client].wake_ns = wake_ns;
}

void driver_updated(struct driver *d)
{
    d->updated = true;
}
