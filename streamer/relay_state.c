#include "streamer/relay_state.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

struct relay_client {
    struct relay_state *state;
    struct relay_client *next;
    struct symbol_set symbols[RELAY_CHANNELS];
    bool takes_ticks, acked_newest, told_newest; /* told: its acknowledgement has gone upstream */
    int64_t wake_ns;
};

struct relay_state {
    struct relay_client *clients;
    struct symbol_set always; /* bars */
    struct alpaca_tick tick;  /* n 0: none */
    int64_t marker;
    size_t missing, hung_up;  /* hung_up: of the missing */
};

/* ---- sets */

static bool set_has(const struct symbol_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->names[i], name))
            return true;
    return false;
}

static void set_add(struct symbol_set *set, const char *name)
{
    if (set_has(set, name))
        return;
    set->names = must_realloc(set->names, set->count + 1, SYMBOL_SIZE);
    memset(set->names[set->count], 0, SYMBOL_SIZE);
    text_copy(set->names[set->count++], SYMBOL_SIZE, name);
}

static void set_add_all(struct symbol_set *set, const struct symbol_set *from)
{
    for (size_t i = 0; i < from->count; i++)
        set_add(set, from->names[i]);
}

static void set_remove(struct symbol_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->names[i], name)) {
            memmove(set->names[i], set->names[i + 1], (set->count - i - 1) * SYMBOL_SIZE);
            set->count--;
            return;
        }
}

void symbol_set_clear(struct symbol_set *set)
{
    free(set->names);
    *set = (struct symbol_set){ .count = 0 };
}

/* ---- clients */

struct relay_state *relay_state_new(const char (*always)[SYMBOL_SIZE], size_t always_count)
{
    struct relay_state *s = must_alloc(1, sizeof *s);

    for (size_t i = 0; i < always_count; i++)
        set_add(&s->always, always[i]);
    return s;
}

static void client_free(struct relay_client *c)
{
    for (int channel = 0; channel < RELAY_CHANNELS; channel++)
        symbol_set_clear(&c->symbols[channel]);
    free(c);
}

void relay_state_free(struct relay_state *s)
{
    if (!s)
        return;
    while (s->clients)
        relay_client_leave(s->clients, false);
    symbol_set_clear(&s->always);
    free(s);
}

struct relay_client *relay_client_new(struct relay_state *s)
{
    struct relay_client *c = must_alloc(1, sizeof *c);

    c->state = s;
    c->next = s->clients;
    s->clients = c;
    return c;
}

void relay_client_leave(struct relay_client *c, bool orderly)
{
    struct relay_client **at = &c->state->clients;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (c->takes_ticks && !orderly)
        c->state->missing++;
    client_free(c);
}

/* ---- subscriptions */

void relay_client_change(struct relay_client *c, enum relay_channel channel, const struct symbol_set *names,
                         bool add)
{
    for (size_t i = 0; i < names->count; i++)
        if (add)
            set_add(&c->symbols[channel], names->names[i]);
        else
            set_remove(&c->symbols[channel], names->names[i]);
}

const struct symbol_set *relay_client_symbols(const struct relay_client *c, enum relay_channel channel)
{
    return &c->symbols[channel];
}

bool relay_client_wants(const struct relay_client *c, enum relay_channel channel, const char *symbol)
{
    return set_has(&c->symbols[channel], symbol) || set_has(&c->symbols[channel], "*");
}

bool relay_state_union(const struct relay_state *s, enum relay_channel channel, struct symbol_set *out)
{
    struct symbol_set all = { .count = 0 };
    bool changed;

    if (channel == RELAY_BARS)
        set_add_all(&all, &s->always);
    for (const struct relay_client *c = s->clients; c; c = c->next)
        set_add_all(&all, &c->symbols[channel]);
    if (set_has(&all, "*")) {
        symbol_set_clear(&all);
        set_add(&all, "*");
    }
    changed = all.count != out->count;
    for (size_t i = 0; i < all.count && !changed; i++)
        changed = !set_has(out, all.names[i]);
    symbol_set_clear(out);
    *out = all;
    return changed;
}

/* ---- ticks */

void relay_client_take_ticks(struct relay_client *c)
{
    if (c->takes_ticks)
        return;
    c->takes_ticks = true;
    if (c->state->missing > 0)
        c->state->missing--;
    if (c->state->hung_up > 0)
        c->state->hung_up--;
}

bool relay_client_takes_ticks(const struct relay_client *c)
{
    return c->takes_ticks;
}

void relay_client_ack(struct relay_client *c, int64_t n, int64_t wake_ns)
{
    if (!c->takes_ticks || n == 0 || n != c->state->tick.n)
        return; /* of an older tick: nothing follows from it any more */
    c->acked_newest = true;
    c->told_newest = false;
    c->wake_ns = wake_ns;
}

void relay_state_tick(struct relay_state *s, const struct alpaca_tick *tick)
{
    s->tick = *tick;
    for (struct relay_client *c = s->clients; c; c = c->next)
        c->acked_newest = false;
}

void relay_state_marker(struct relay_state *s, int64_t n)
{
    s->marker = n;
}

const struct alpaca_tick *relay_state_newest_tick(const struct relay_state *s)
{
    return s->tick.n ? &s->tick : NULL;
}

int64_t relay_state_newest_marker(const struct relay_state *s)
{
    return s->marker;
}

bool relay_state_due(struct relay_state *s, int64_t *n, int64_t *wake_ns)
{
    size_t taking = 0, untold = 0;
    int64_t wake = 0;

    for (const struct relay_client *c = s->clients; c; c = c->next) {
        if (!c->takes_ticks)
            continue;
        if (!c->acked_newest)
            return false;
        taking++;
        untold += !c->told_newest;
        if (c->wake_ns && (!wake || c->wake_ns < wake))
            wake = c->wake_ns;
    }
    /* A repeat with another wake goes upstream again: with a speed factor the tick may stay the newest long. */
    if (s->missing > 0 || taking == 0 || untold == 0 || s->tick.n == 0)
        return false;
    for (struct relay_client *c = s->clients; c; c = c->next)
        c->told_newest = true;
    *n = s->tick.n;
    *wake_ns = wake;
    return true;
}

void relay_state_lost(struct relay_state *s, bool data)
{
    for (const struct relay_client *c = s->clients; c; c = c->next)
        s->hung_up += c->takes_ticks;
    while (s->clients)
        relay_client_leave(s->clients, false);
    if (data)
        s->tick = (struct alpaca_tick){ .n = 0 };
    else
        s->marker = 0;
}

size_t relay_state_missing(const struct relay_state *s)
{
    return s->missing;
}

size_t relay_state_clients(const struct relay_state *s)
{
    size_t count = 0;

    for (const struct relay_client *c = s->clients; c; c = c->next)
        count++;
    return count;
}

void relay_state_forget_missing(struct relay_state *s)
{
    s->missing = s->hung_up = 0;
}

size_t relay_state_hung_up(const struct relay_state *s)
{
    return s->hung_up;
}

void relay_state_forget_hung_up(struct relay_state *s)
{
    s->missing -= s->hung_up;
    s->hung_up = 0;
}
