/* feed_source.h - what stands behind a feed: days of bars and quotes. Private to feed.c, recorded.c and
 * synthetic.c. */
#ifndef EXCHANGE_FEED_SOURCE_H
#define EXCHANGE_FEED_SOURCE_H

#include "exchange/feed.h"

/* One symbol's day. bars and quotes are lent; `own_...` is memory a source may fill them from. */
struct feed_series {
    const struct bar *bars;      /* in order of time */
    size_t bars_count;
    const struct quote *quotes;  /* time_ns: start of the minute whose last quote it is */
    size_t quotes_count;
    const struct trade_print *trades; /* in order of time */
    size_t trades_count;
    const struct quote *ticks;   /* time_ns: when it stands from */
    size_t ticks_count;
    struct bar *own_bars;
    struct quote *own_quotes;
};

struct feed_day {
    int32_t date;                /* New York; 0: not loaded */
    struct feed_series *series;  /* by symbol */
};

struct feed_source {
    void *state;
    void (*free)(void *state);
    /* Loads the first day with data whose date is at or after (step 1) or at or before (step -1) `date`:
     * of one symbol, or of all (-1). false: there is none, and the day is unchanged. */
    bool (*load)(void *state, int32_t date, int step, int symbol, struct feed_day *day);
    /* Daily bars; NULL: make them of the minutes. */
    size_t (*days)(void *state, int symbol, int32_t from, int32_t to, struct bar *out, size_t max);
    const struct corporate_action *actions; /* in order of date */
    size_t actions_count;
    bool is_synthetic;
    int32_t first_date, last_date;
    int64_t ends_ns;
};

struct feed *feed_new(const struct feed_source *source, const char (*symbols)[SYMBOL_SIZE], size_t count);

/* The day's bar from its regular minutes; false when there are none. */
bool feed_daily(const struct bar *bars, size_t count, int32_t date, struct bar *out);

#endif
