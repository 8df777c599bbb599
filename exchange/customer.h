/* customer.h - what the broker keeps of an account beside its trading: configurations, watchlists, the course of
 * its equity, how many requests it made.
 *
 * Plain data without clock or socket; times come in. Ownership: customer_free frees all but the account. */
#ifndef EXCHANGE_CUSTOMER_H
#define EXCHANGE_CUSTOMER_H

#include <jansson.h>

#include "exchange/account.h"
#include "exchange/refusal.h"

/* ---- watchlists: named, ordered lists of assets */
enum { WATCHLIST_NAME_SIZE = 65, WATCHLISTS_MAX = 200 };

struct watchlist {
    char id[UUID_SIZE], name[WATCHLIST_NAME_SIZE];
    int64_t created_ns, updated_ns;
    int *symbols; /* the venue's indices, each once */
    size_t symbols_count;
};

/* ---- equity through time: a step function with at most two points a minute, the last one and the one at its start */
struct curve_point {
    int64_t time_ns, equity_micros;
};
struct curve {
    struct curve_point *points;
    size_t count, size;
};
/* time_ns must not go back. */
void curve_add(struct curve *c, int64_t time_ns, int64_t equity_micros);
/* The equity at a time; before the first point: the first's. The curve must not be empty. */
int64_t curve_at(const struct curve *c, int64_t time_ns);

/* ---- requests: a window of a minute of the world's time */
struct rate {
    int64_t window, used; /* window: minutes since 1970 */
};
/* Counts one at utc_ns; how many are left of limit, -1: one too many. */
int64_t rate_take(struct rate *r, int64_t limit, int64_t utc_ns);

enum { CONFIRM_ALL, CONFIRM_NONE };
extern const char *const confirm_names[];    /* all none */
enum { MULTIPLIER_1, MULTIPLIER_2, MULTIPLIER_4 };
extern const char *const multiplier_names[]; /* 1 2 4 */

struct configurations {
    int trade_confirm_email, max_margin_multiplier;
    bool suspend_trade, no_shorting, fractional_trading, ptp_no_exception_entry, disable_overnight_trading;
    int64_t max_options_trading_level; /* INT64_MIN: null */
};
json_t *configurations_json(const struct configurations *c);
/* Any subset of the members; null leaves one alone. false: nothing changed, refusal says why. */
bool configurations_patch(struct configurations *c, const json_t *body, struct refusal *refusal);

struct customer {
    struct account *account;
    struct configurations configurations;
    struct watchlist **watchlists; /* in order of creation */
    size_t watchlists_count;
    int64_t watchlists_made;
    struct curve curve;
    struct rate rate;
};

struct customer *customer_new(struct account *account, int64_t time_ns);
void customer_free(struct customer *c);

/* By id or by name; NULL: there is none. */
struct watchlist *watchlist_find(const struct customer *c, const char *id, const char *name);
/* The caller has made sure that the name is free and fits, and that there is room. */
struct watchlist *watchlist_add(struct customer *c, const char *name, int64_t time_ns);
void watchlist_remove(struct customer *c, struct watchlist *w);
size_t watchlist_index(const struct watchlist *w, int symbol); /* symbols_count: not in it */
void watchlist_append(struct watchlist *w, int symbol);

#endif
