#include "tests/support/book_script.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/auction.h"
#include "exchange/book.h"

enum { NAMES = 100, WORDS = 16, LEVELS = 50, COLUMN = 36 };

struct dialogue {
    struct book_options options;
    struct book *book;          /* made by the first line that needs it */
    uint64_t ids[NAMES];        /* of the script's numbers; 0: not used yet */
    bool gathers;               /* an auction's orders */
    struct price reference;
    struct auction_order gathered[NAMES];
    int gathered_name[NAMES];
    size_t gathered_count;
    char said[2000];            /* the right side of this line */
    char *out;
    size_t size, length;
};

static void append(char *out, size_t size, size_t *length, const char *fmt, va_list args)
{
    int n = vsnprintf(out + *length, size - *length, fmt, args);
    *length += (size_t)n < size - *length ? (size_t)n : size - *length - 1;
}

static void __attribute__((format(printf, 2, 3))) write_out(struct dialogue *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    append(d->out, d->size, &d->length, fmt, args);
    va_end(args);
}

static void __attribute__((format(printf, 2, 3))) say(struct dialogue *d, const char *fmt, ...)
{
    size_t length = strlen(d->said);
    va_list args;
    va_start(args, fmt);
    append(d->said, sizeof d->said, &length, fmt, args);
    va_end(args);
}

static const char *dollars(struct price p)
{
    static char texts[4][PRICE_TEXT_MAX]; /* so many in one line of output */
    static unsigned turn;
    if (!price_is_set(p))
        return "market";
    char *text = texts[turn++ % COUNT_OF(texts)];
    price_format(p, text);
    return text;
}

static int name_of(const struct dialogue *d, uint64_t id)
{
    for (int i = 1; i < NAMES; i++)
        if (d->ids[i] == id)
            return i;
    return -1;
}

static void on_event(void *ctx, const struct book_event *e)
{
    struct dialogue *d = ctx;
    int name = name_of(d, e->order);
    if (d->said[0])
        say(d, ", ");
    switch (e->kind) {
    case BOOK_RESTED:
        say(d, "rested %d %" PRId64 " @ %s", name, e->qty, dollars(e->price));
        break;
    case BOOK_TRADED:
        say(d, "traded %d with %d %" PRId64 " @ %s", name, name_of(d, e->against), e->qty, dollars(e->price));
        break;
    case BOOK_CANCELLED:
        say(d, "cancelled %d %" PRId64, name, e->qty);
        if (e->reason != BOOK_ASKED)
            say(d, " %s", book_reason_names[e->reason]);
        break;
    case BOOK_REPLACED:
        say(d, "replaced %d %" PRId64 " @ %s%s", name, e->qty, dollars(e->price),
            e->keeps_place ? " in place" : "");
        break;
    }
}

static bool in_table(const char *word, const char *const *names, int *out)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(word, names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool read_price(const char *text, struct price *out)
{
    return text && price_parse(text, strlen(text), out);
}

static bool read_name(const char *text, int *out)
{
    *out = text ? atoi(text) : 0;
    return *out > 0 && *out < NAMES;
}

static void need_book(struct dialogue *d)
{
    if (!d->book)
        d->book = book_new(&d->options);
    if (!d->book)
        abort();
}

static void result(struct dialogue *d, enum book_result r)
{
    if (r != BOOK_OK)
        say(d, "refused: %s", book_result_names[r]);
}

/* book [orders N] [tick P] [self-trade WORD] */
static bool do_book(struct dialogue *d, char **w)
{
    for (w++; *w; w += 2) {
        int rule;
        if (strcmp(*w, "orders") == 0 && w[1])
            d->options.orders_max = (size_t)atoi(w[1]);
        else if (strcmp(*w, "self-trade") == 0 && w[1] && in_table(w[1], book_self_trade_names, &rule))
            d->options.self_trade = (enum book_self_trade)rule;
        else if (strcmp(*w, "tick") != 0 || !read_price(w[1], &d->options.tick))
            return false;
    }
    return !d->book;
}

/* buy|sell NAME QTY market|@ PRICE [day|ioc|fok] [of OWNER] */
static bool do_order(struct dialogue *d, char **w)
{
    struct book_order o = { .side = strcmp(w[0], "buy") == 0 ? SIDE_BUY : SIDE_SELL, .limit = PRICE_NONE };
    int name;
    if (!read_name(w[1], &name) || !w[2] || !w[3])
        return false;
    o.qty = strtoll(w[2], NULL, 10);
    bool is_market = strcmp(w[3], "market") == 0;
    if (!is_market && (strcmp(w[3], "@") != 0 || !read_price(w[4], &o.limit)))
        return false;
    for (w += is_market ? 4 : 5; *w; w++) {
        int tif;
        if (in_table(*w, book_tif_names, &tif))
            o.tif = (enum book_tif)tif;
        else if (strcmp(*w, "of") == 0 && w[1])
            o.owner = (uint32_t)atoi(*++w);
        else
            return false;
    }
    if (d->gathers) {
        d->gathered_name[d->gathered_count] = name;
        d->gathered[d->gathered_count++] = (struct auction_order){ .side = o.side, .qty = o.qty, .limit = o.limit };
        return d->gathered_count < NAMES;
    }
    uint64_t before = d->ids[name]; /* a refused order has none */
    enum book_result r = book_add(d->book, &o, &d->ids[name]);
    if (r != BOOK_OK)
        d->ids[name] = before;
    result(d, r);
    return true;
}

static bool do_replace(struct dialogue *d, char **w)
{
    struct price limit;
    int name;
    if (!read_name(w[1], &name) || !w[2] || !w[3] || strcmp(w[3], "@") != 0 || !read_price(w[4], &limit))
        return false;
    result(d, book_replace(d->book, d->ids[name], strtoll(w[2], NULL, 10), limit));
    return true;
}

static bool do_cancel(struct dialogue *d, char **w)
{
    int name;
    if (!read_name(w[1], &name))
        return false;
    result(d, book_cancel(d->book, d->ids[name]));
    return true;
}

static bool do_best(struct dialogue *d, char **w)
{
    struct book_level level;
    (void)w;
    for (int side = SIDE_BUY; side <= SIDE_SELL; side++) {
        if (side == SIDE_SELL)
            say(d, " / ");
        if (book_best(d->book, (enum side)side, &level))
            say(d, "%" PRId64 " @ %s", level.qty, dollars(level.price));
        else
            say(d, "none");
    }
    return true;
}

static bool do_depth(struct dialogue *d, char **w)
{
    struct book_level levels[LEVELS];
    int side;
    if (!w[1] || !in_table(w[1], side_names, &side))
        return false;
    size_t count = book_depth(d->book, (enum side)side, levels, w[2] ? (size_t)atoi(w[2]) % LEVELS : LEVELS);
    for (size_t i = 0; i < count; i++)
        say(d, "%s%" PRId64 " @ %s of %" PRId64, i ? ", " : "", levels[i].qty, dollars(levels[i].price),
            levels[i].orders);
    return true;
}

static bool do_volume(struct dialogue *d, char **w)
{
    struct book_volume v;
    (void)w;
    book_volume(d->book, &v);
    say(d, "%" PRId64 " traded in %" PRId64 " for %s last %s", v.traded_qty, v.trades,
        dollars((struct price){ (int64_t)v.traded_micros }), v.trades ? dollars(v.last) : "none");
    say(d, "; resting %" PRId64 " in %" PRId64 " / %" PRId64 " in %" PRId64, v.resting_qty[SIDE_BUY],
        v.resting_orders[SIDE_BUY], v.resting_qty[SIDE_SELL], v.resting_orders[SIDE_SELL]);
    return true;
}

static bool do_auction(struct dialogue *d, char **w)
{
    d->gathers = true;
    d->gathered_count = 0;
    d->reference = PRICE_NONE;
    return !w[1] || read_price(w[1], &d->reference);
}

static bool do_indicate(struct dialogue *d, char **w)
{
    const struct auction_order *scratch[NAMES];
    struct auction_result r;
    bool cross = strcmp(w[0], "cross") == 0;
    if (cross)
        auction_cross(d->gathered, d->gathered_count, d->reference, d->options.tick, scratch, &r);
    else
        auction_indicate(d->gathered, d->gathered_count, d->reference, d->options.tick, scratch, &r);
    if (price_is_set(r.price))
        say(d, "%" PRId64 " @ %s", r.qty, dollars(r.price));
    else
        say(d, "nothing");
    if (r.imbalance)
        say(d, ", imbalance %s %" PRId64, r.imbalance > 0 ? "buy" : "sell", (int64_t)llabs(r.imbalance));
    for (size_t i = 0; cross && i < d->gathered_count; i++)
        if (d->gathered[i].filled > 0)
            say(d, ", filled %d %" PRId64, d->gathered_name[i], d->gathered[i].filled);
    return true;
}

static const struct verb {
    const char *name;
    bool (*act)(struct dialogue *d, char **words); /* NULL-terminated */
} verbs[] = {
    { "book", do_book },     { "buy", do_order },     { "sell", do_order },       { "replace", do_replace },
    { "cancel", do_cancel }, { "best", do_best },     { "depth", do_depth },      { "volume", do_volume },
    { "auction", do_auction }, { "indicate", do_indicate }, { "cross", do_indicate },
};

static bool run_line(struct dialogue *d, char *line)
{
    char *words[WORDS + 2] = { 0 }, *save = NULL;
    size_t count = 0;
    for (char *w = strtok_r(line, " ", &save); w && count < WORDS; w = strtok_r(NULL, " ", &save))
        words[count++] = w;
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(words[0], verbs[i].name) == 0) {
            if (verbs[i].act != do_book)
                need_book(d);
            return verbs[i].act(d, words);
        }
    return false;
}

bool book_script_run(const char *script, char *out, size_t size)
{
    struct dialogue d = {
        .options = { .orders_max = 50, .tick = { 10000 }, .sink = on_event, .ctx = &d },
        .reference = PRICE_NONE, .out = out, .size = size,
    };
    bool good = true;
    out[0] = '\0';
    for (const char *at = script; *at && good;) {
        size_t length = strcspn(at, "\n");
        char line[300];
        snprintf(line, sizeof line, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
        if (line[0] == '#' || line[0] == '\0') {
            write_out(&d, "%s\n", line);
            continue;
        }
        size_t end = strcspn(line, "|");
        while (end > 0 && line[end - 1] == ' ')
            end--;
        line[end] = '\0';
        char left[300];
        memcpy(left, line, end + 1);
        d.said[0] = '\0';
        if (end == 0 || !run_line(&d, line)) {
            write_out(&d, "%s\n^ is not understood\n", left);
            good = false;
        } else if (d.said[0])
            write_out(&d, "%-*s| %s\n", COLUMN, left, d.said);
        else
            write_out(&d, "%s\n", left);
        if (good && d.book && !book_is_consistent(d.book)) {
            write_out(&d, "^ leaves an inconsistent book\n");
            good = false;
        }
    }
    book_free(d.book);
    return good;
}
