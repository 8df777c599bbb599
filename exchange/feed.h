/* feed.h - a market as a time-ordered series of events: recorded bars and quotes, or a synthetic market.
 *
 * A feed is a series of days, each with the bars and quotes of every symbol; the cursor hands out all that
 * happens at one time as a struct instant (venue.h). History (bars that have ended) is read beside the
 * cursor, which it does not disturb.
 *
 * Pure but for feed_open_recorded, which reads files. Everything is deterministic. Ownership: the feed
 * owns what it hands out; an instant lives until the next feed call on the cursor. */
#ifndef EXCHANGE_FEED_H
#define EXCHANGE_FEED_H

#include "core/config.h"
#include "exchange/venue.h"

struct feed;

/* The files of a folder of recorded data (docs/market-data.md); only the first is required. Rows of a symbol stand in order
 * of time. */
enum feed_file {
    FEED_MINUTES, /* bars-1min.csv          symbol,timestamp,open,high,low,close,volume    timestamp: start, RFC 3339 */
    FEED_QUOTES,  /* quotes-1min.csv        symbol,timestamp,bid,bid_size,ask,ask_size     of the minute whose last it is */
    FEED_DAYS,    /* bars-1day.csv          symbol,date,open,high,low,close,volume */
    FEED_SECONDS, /* bars-1sec.csv          as bars-1min.csv: read as four prints each */
    FEED_TRADES,  /* trades.csv             symbol,timestamp,price,size                    to the nanosecond */
    FEED_TICKS,   /* quotes.csv             as quotes-1min.csv; timestamp: when it stands from, to the nanosecond */
    FEED_ACTIONS, /* corporate-actions.csv  symbol,date,split_to,split_from,dividend       0,0 and nothing: none */
    FEED_FILES,
};
/* Where a symbol has seconds or trades of a day, its minutes of that day are told but fill nothing; where it has quotes.csv
 * its quotes-1min.csv is left out. Daily rows and actions of symbols without minutes are skipped.
 *
 * NULL when anything is wrong: every mistake (at most 20 are listed) is a complaint "file:line: sentence". */
struct feed *feed_open_recorded(const char *folder, struct complaints *complaints);

/* Parses the files' texts; what feed_open_recorded does without the files. text NULL: not there. */
struct feed_text {
    const char *text;
    size_t size;
};
struct feed *feed_parse(const char *folder, const struct feed_text texts[FEED_FILES], struct complaints *complaints);

/* A market that does not exist: geometric random walks with a common factor, overnight gaps, U-shaped
 * volume and volatility, a quote each minute with a spread, sparse extended hours. Prices are whole cents.
 * A day of a symbol depends on seed, symbol and date alone, so it is the same whatever else is traded and
 * wherever the replay starts. Open-ended. */
struct feed *feed_new_synthetic(uint64_t seed, const char (*symbols)[SYMBOL_SIZE], size_t count);

void feed_free(struct feed *f);

size_t feed_symbols_count(const struct feed *f);
const char (*feed_symbols(const struct feed *f))[SYMBOL_SIZE];
bool feed_is_synthetic(const struct feed *f);
/* New York dates of the first and the last day with minute bars; 0 when open-ended. */
int32_t feed_first_date(const struct feed *f);
int32_t feed_last_date(const struct feed *f);
/* Regular close of the last session with a minute bar; 0 when open-ended or there is none. */
int64_t feed_ends_ns(const struct feed *f);

/* Splits and dividends, in order of date; lent. Returns how many. For venue_set_actions. */
size_t feed_actions(const struct feed *f, const struct corporate_action **out);

/* ---- the cursor */
/* Stands before the first event at or after time_ns. */
void feed_seek(struct feed *f, int64_t time_ns);
/* Time of the next event; INT64_MAX: no more. */
int64_t feed_next_ns(struct feed *f);
/* All events of that time. */
void feed_take(struct feed *f, struct instant *out);

/* ---- history */
/* Minute bars of a symbol with start in [from_ns, to_ns), in order; at most max. Returns how many. */
size_t feed_bars(struct feed *f, int symbol, int64_t from_ns, int64_t to_ns, struct bar *out, size_t max);
/* Daily bars with date in [from, to], open_time_ns = New York midnight; from the daily file, or made of
 * the regular minutes. */
size_t feed_days(struct feed *f, int symbol, int32_t from, int32_t to, struct bar *out, size_t max);
/* Quotes of a symbol with time in [from_ns, to_ns] in order (each at the end of its minute): the first max of them
 * or, when last, the last. */
size_t feed_quotes(struct feed *f, int symbol, int64_t from_ns, int64_t to_ns, struct quote *out, size_t max,
                   bool last);
/* The newest minute bar and the newest quote of a minute that has ended at time_ns; a month is looked back.
 */
bool feed_last_bar(struct feed *f, int symbol, int64_t time_ns, struct bar *out);
bool feed_last_quote(struct feed *f, int symbol, int64_t time_ns, struct quote *out);
/* The regular close before the session of `date`; PRICE_NONE when unknown. */
struct price feed_close_before(struct feed *f, int symbol, int32_t date);
/* Some price of the symbol about time_ns, past or, failing that, to come: for pricing risk. */
struct price feed_reference(struct feed *f, int symbol, int64_t time_ns);

#endif
