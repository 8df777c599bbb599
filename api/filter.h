/* filter.h - what a list was asked for: filters, page and format, read from a query string; and the cursor.
 *
 * A cursor is where the page before ended, bound by a checksum to the route and the filters it was made for:
 * with others, or changed in any way, it is refused. Pure. */
#ifndef API_FILTER_H
#define API_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum filter_parameter {
    FILTER_START = 1 << 0, FILTER_END = 1 << 1, FILTER_ACCOUNT = 1 << 2, FILTER_STRATEGY = 1 << 3,
    FILTER_SYMBOL = 1 << 4, FILTER_RUN = 1 << 5, FILTER_STATUS = 1 << 6, FILTER_SOURCE = 1 << 7,
    FILTER_FLAT = 1 << 8, FILTER_GROUP_BY = 1 << 9, FILTER_ORDER = 1 << 10, FILTER_EVENT = 1 << 11,
    FILTER_LIMIT = 1 << 12, FILTER_CURSOR = 1 << 13, FILTER_FORMAT = 1 << 14,
    FILTER_OFFSET = 1 << 15, FILTER_COMPLETE = 1 << 16,
    FILTER_DATES = 1 << 20, /* start and end are New York dates, not times */
    FILTER_RANGE = FILTER_START | FILTER_END,
    FILTER_LIST = FILTER_LIMIT | FILTER_CURSOR | FILTER_FORMAT, /* what every list takes */
};

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, CURSOR_KEY_SIZE = 512 };

struct words { /* a comma list; count 0: not given, everything passes */
    size_t count;
    const char *texts[64];
    char storage[2048];
};
bool words_match(const struct words *w, const char *text);

enum group_key { GROUP_STRATEGY, GROUP_SYMBOL, GROUP_DAY, GROUP_ACCOUNT, GROUP_KEYS };
extern const char *const group_key_names[];

enum reply_format { FORMAT_BY_ACCEPT, FORMAT_JSON, FORMAT_CSV };

struct filter {
    int64_t start, end;              /* start <= t < end; INT64_MIN, INT64_MAX when not given */
    int32_t start_date, end_date;    /* the same with FILTER_DATES; 0, INT32_MAX */
    struct words account, strategy, symbol, run_id, status, source, order_id, event;
    bool flat, complete;
    int64_t offset;
    bool is_grouped, group_by[GROUP_KEYS];
    size_t limit;
    enum reply_format format;
    char after[CURSOR_KEY_SIZE];     /* the last key of the page before; "" from the start */
    char bound[65];                  /* what cursors of this request are bound to */
};
void filter_init(struct filter *f);  /* nothing given */

/* lookup gives the value of a query parameter or NULL. names: of all parameters there are, NULL-terminated.
 * An unknown one, or a value that is none, is an error of code ERR_INPUT with *parameter naming it. */
typedef const char *filter_lookup(void *ctx, const char *name);
bool filter_parse(unsigned allowed, const char *route, const char *const *names, filter_lookup *lookup,
                  void *ctx, struct filter *out, const char **parameter, struct err *err);

/* The names a set of parameters allows, NULL-terminated. */
enum { FILTER_NAMES = 24 };
void filter_names(unsigned allowed, const char *out[FILTER_NAMES]);

enum { CURSOR_SIZE = CURSOR_KEY_SIZE * 2 };
void cursor_encode(const struct filter *f, const char *key, char out[CURSOR_SIZE]);
bool cursor_decode(const struct filter *f, const char *cursor, char key[CURSOR_KEY_SIZE]);

#endif
