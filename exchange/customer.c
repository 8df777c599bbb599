#include "exchange/customer.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"

/* ---- equity through time */

void curve_add(struct curve *c, int64_t time_ns, int64_t equity_micros)
{
    struct curve_point *last = c->count ? &c->points[c->count - 1] : NULL;
    if (last && last->equity_micros == equity_micros)
        return;
    bool same_minute = last && last->time_ns / MINUTE_NS == time_ns / MINUTE_NS;
    if (last && (last->time_ns == time_ns || (same_minute && last->time_ns % MINUTE_NS != 0))) {
        *last = (struct curve_point){ time_ns, equity_micros };
        return;
    }
    if (c->count == c->size) {
        c->size = c->size ? c->size * 2 : 64;
        c->points = must_realloc(c->points, c->size, sizeof *c->points);
    }
    c->points[c->count++] = (struct curve_point){ time_ns, equity_micros };
}

int64_t curve_at(const struct curve *c, int64_t time_ns)
{
    size_t low = 0, high = c->count; /* the first point after time_ns is in [low, high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->points[middle].time_ns <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return c->points[low ? low - 1 : 0].equity_micros;
}

int64_t rate_take(struct rate *r, int64_t limit, int64_t utc_ns)
{
    if (r->window != utc_ns / MINUTE_NS)
        *r = (struct rate){ .window = utc_ns / MINUTE_NS };
    if (r->used >= limit)
        return -1;
    return limit - ++r->used;
}

/* ---- configurations */

const char *const confirm_names[] = { "all", "none", NULL };
const char *const multiplier_names[] = { "1", "2", "4", NULL };

#define CONFIGURATION(member, kind, ...) JSON_FIELD(struct configurations, member, kind, __VA_ARGS__)
static const struct json_field fields[] = {
    CONFIGURATION(trade_confirm_email, FIELD_ENUM, .names = confirm_names),
    CONFIGURATION(suspend_trade, FIELD_BOOL),
    CONFIGURATION(no_shorting, FIELD_BOOL),
    CONFIGURATION(fractional_trading, FIELD_BOOL),
    CONFIGURATION(max_margin_multiplier, FIELD_ENUM, .names = multiplier_names),
    CONFIGURATION(max_options_trading_level, FIELD_INT, .null = true, .min = 0, .max = 3),
    CONFIGURATION(ptp_no_exception_entry, FIELD_BOOL),
    CONFIGURATION(disable_overnight_trading, FIELD_BOOL),
};

json_t *configurations_json(const struct configurations *c)
{
    return json_encode(c, fields, COUNT_OF(fields));
}

bool configurations_patch(struct configurations *c, const json_t *body, struct refusal *refusal)
{
    struct json_fault fault;
    struct json_faults faults = { .max = 1, .list = &fault };
    struct configurations changed = *c;
    json_t *given = json_object();
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)body, name, value)
        if (!json_is_null(value) && !(json_is_string(value) && json_string_length(value) == 0))
            json_object_set(given, name, value); /* null and "": left alone */
    if (!json_object_get(given, "max_options_trading_level")) /* absent is "nothing" to the table */
        json_object_set_new(given, "max_options_trading_level",
                            c->max_options_trading_level == INT64_MIN
                                ? json_null()
                                : json_integer(c->max_options_trading_level));
    bool ok = json_decode(given, fields, COUNT_OF(fields), &changed, "", false, &faults);
    json_decref(given);
    if (!ok)
        return refuse(refusal, REFUSED_MEMBER_TEXT, fault.pointer + 1, fault.detail);
    *c = changed;
    return true;
}

/* ---- life */

struct customer *customer_new(struct account *account, int64_t time_ns)
{
    struct customer *c = must_alloc(1, sizeof *c);
    c->account = account;
    c->configurations = (struct configurations){
        .max_margin_multiplier = MULTIPLIER_4,
        .fractional_trading = true,
        .disable_overnight_trading = true,
        .max_options_trading_level = INT64_MIN,
    };
    curve_add(&c->curve, time_ns, account->cash_micros);
    return c;
}

static void watchlist_free(struct watchlist *w)
{
    free(w->symbols);
    free(w);
}

void customer_free(struct customer *c)
{
    for (size_t i = 0; i < c->watchlists_count; i++)
        watchlist_free(c->watchlists[i]);
    free(c->watchlists);
    free(c->curve.points);
    free(c);
}

/* ---- watchlists */

struct watchlist *watchlist_find(const struct customer *c, const char *id, const char *name)
{
    for (size_t i = 0; i < c->watchlists_count; i++) {
        struct watchlist *w = c->watchlists[i];
        if ((id && strcasecmp(w->id, id) == 0) || (name && strcmp(w->name, name) == 0))
            return w;
    }
    return NULL;
}

struct watchlist *watchlist_add(struct customer *c, const char *name, int64_t time_ns)
{
    struct watchlist *w = must_alloc(1, sizeof *w);
    uint64_t high = c->account->bits[1] ^ (uint64_t)++c->watchlists_made, low = random_next(&high);
    uuid_from_bits(random_next(&high), low, w->id); /* the same when it is made again from what was kept (record.h) */
    bool fits = text_copy(w->name, sizeof w->name, name);
    assert(fits);
    w->created_ns = w->updated_ns = time_ns;
    c->watchlists = must_realloc(c->watchlists, c->watchlists_count + 1, sizeof *c->watchlists);
    return c->watchlists[c->watchlists_count++] = w;
}

void watchlist_remove(struct customer *c, struct watchlist *w)
{
    size_t i = 0;
    while (c->watchlists[i] != w)
        i++;
    memmove(&c->watchlists[i], &c->watchlists[i + 1], (--c->watchlists_count - i) * sizeof *c->watchlists);
    watchlist_free(w);
}

size_t watchlist_index(const struct watchlist *w, int symbol)
{
    size_t i = 0;
    while (i < w->symbols_count && w->symbols[i] != symbol)
        i++;
    return i;
}

void watchlist_append(struct watchlist *w, int symbol)
{
    w->symbols = must_realloc(w->symbols, w->symbols_count + 1, sizeof *w->symbols);
    w->symbols[w->symbols_count++] = symbol;
}
