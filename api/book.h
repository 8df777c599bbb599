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

/* Closes of a symbol, each market's for itself: two replays of different markets, or of one market at different
 * times, stand in one record. 16 bytes a bar. */
struct mark {
    char symbol[SYMBOL_SIZE];
    struct mark_feed {
        char source[WORD_SIZE];
        struct mark_day {
            int32_t date;       /* New York */
            struct mark_close { int64_t time_ns, close; } *closes; /* ascending; time: start of the bar */
            size_t count, room;
        } *days;                /* ascending */
        size_t count, room;
    } *feeds;                   /* ascending by source */
    size_t feeds_count;
};
/* False: there is a bar of this minute and source. */
bool mark_bar(struct mark *m, const struct minute_bar *bar);
int32_t mark_last_date(const struct mark *m); /* of any feed; 0: no bar */
void mark_free(struct mark *m); /* NULL is fine */

/* Which of a symbol's bars mark what an account holds: those of the feed it trades on, that have ended in its time. */
struct market {
    char source[WORD_SIZE];     /* "": not known. Then any feed's: the latest, of two at one time the greater name's */
    int64_t until_ns;           /* of a replay how far it has come; INT64_MAX in the world's own time */
};
struct price mark_price(const struct mark *m, const struct market *market); /* the latest close; PRICE_NONE: no bar */

struct holding {
    const char *account, *strategy, *symbol; /* of the first fill's order */
    const struct mark *mark;
    const struct market *market;
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
/* fill, mark and market (the account's) must outlive the book; the latter two may change. */
void book_add(struct book *b, const struct fill *fill, const struct mark *mark, const struct market *market);
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
