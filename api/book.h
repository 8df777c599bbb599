/* book.h - positions and P&L out of fills and marks.
 *
 * A holding is what one strategy of one account has in one symbol. Fills count in the order of fill_cmp,
 * whatever the order they came in: a late one makes what comes after it be worked out anew. Pure; threads: the
 * owner's to order. */
#ifndef API_BOOK_H
#define API_BOOK_H

#include "api/keymap.h"
#include "api/records.h"
#include "market/calendar.h"
#include "market/position.h"

struct fill {
    const struct order *order;  /* not owned: account, strategy, symbol, side and ids */
    char execution_id[UUID_SIZE];
    int64_t timestamp, quantity, price, fee;
    int64_t filled_quantity;    /* of the order, this fill included */
};
/* By timestamp, account, filled_quantity, execution_id: the order of /fills and of the arithmetic. */
int fill_cmp(const struct fill *a, const struct fill *b);

/* Closes of a symbol: the latest, and the last of each New York date. */
struct mark {
    char symbol[SYMBOL_SIZE];
    struct mark_day {
        int32_t date;
        int64_t time_ns, close;
        char source[WORD_SIZE];
    } *days;                    /* ascending by date */
    size_t count, room;
};
/* The later bar wins; of two sources at one time the greater name: the order of arrival does not matter.
 * True: the close of its date is another now. */
bool mark_bar(struct mark *m, const struct minute_bar *bar);
struct price mark_price(const struct mark *m); /* the latest close; PRICE_NONE before the first bar */
void mark_free(struct mark *m);

struct holding {
    const char *account, *strategy, *symbol; /* of the first fill's order */
    const struct mark *mark;
    struct position now;
    struct holding_fill {
        const struct fill *fill;
        int32_t date;           /* New York */
        struct position after;  /* so that a late fill costs only what comes after it */
    } *fills;
    size_t fills_count, fills_room;
    struct holding_day {
        int32_t date;           /* New York */
        struct position end;    /* after the date's last fill */
    } *days;                    /* dates with fills, ascending */
    size_t days_count, days_room;
};

struct book {
    struct keymap index;
    struct holding **list;      /* by account, strategy, symbol */
    size_t count, room;
};
/* fill and mark must outlive the book. */
void book_add(struct book *b, const struct fill *fill, const struct mark *mark);
/* What an order's fills go into; NULL before the first. */
const struct holding *book_find(const struct book *b, const struct order *o);
void book_clear(struct book *b);

void holding_view(const struct holding *h, struct position_snapshot *out); /* as it stands; no timestamp */
/* As it stood at the end of a New York date, marked at the date's last close. False: flat, and no fill that date. */
bool holding_view_at(const struct holding *h, int32_t date, struct position_snapshot *out);

struct pnl {
    int64_t fills, traded_qty, realized, unrealized, fees; /* micros; total: realized + unrealized - fees */
    bool is_beyond;             /* a sum did not fit in 64 bits: the numbers are no answer */
};
void pnl_add(struct pnl *to, const struct pnl *more);
int64_t pnl_total(struct pnl *p); /* may find it beyond */
/* What a holding made on the New York dates from <= date < to. Unrealised P&L of a time is its change over
 * that time, marked at the last close of the date before and of the last date: so the days of any range add
 * up to the range, and all days to what stands unrealised now. */
struct pnl holding_pnl(const struct holding *h, int32_t from, int32_t to);
/* The first date >= from on which fills or closes may have changed its P&L; 0: none. */
int32_t holding_next_date(const struct holding *h, int32_t from);

#endif
