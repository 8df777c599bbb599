#include "exchange/book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Orders stand in one slab and are named by their place in it and how often the place was used before, so
 * finding one is an index and a comparison. Levels near the market stand in an array indexed by price, with
 * one bit each; the others, sorted, in `far`. As the book is never crossed a price belongs to one side only:
 * below a bid are bids, above an ask asks. So one array and one set of bits serve both sides. */

const char *const book_result_names[] = { "ok", "unknown-order", "bad-price", "bad-qty", "full", NULL };
const char *const book_tif_names[] = { "day", "ioc", "fok", NULL };
const char *const book_self_trade_names[] = { "allow", "cancel-newest", "cancel-oldest", NULL };
const char *const book_reason_names[] = { "asked", "unfilled", "self-trade", NULL };

enum { WINDOW = 2048, WORDS = WINDOW / 64 };
/* Best prices of empty sides: no limit reaches them. */
enum { NO_BID = 0, NO_ASK = INT32_MAX };
static const int32_t no_best[] = { [SIDE_BUY] = NO_BID, [SIDE_SELL] = NO_ASK };

/* Two to a cache line. Slot 0 is nobody: lists end in it, and may write to it. */
struct slot {
    int64_t left; /* 0: free */
    int32_t ticks;
    uint32_t next, previous; /* of its level; next also of the free ones */
    uint32_t generation;
    uint32_t owner;
    uint32_t side;
};
_Static_assert(sizeof(struct slot) == 32, "two slots to a cache line");

struct level {
    int64_t qty;
    uint32_t first, last; /* 0: empty, in the window only */
    uint32_t count;
    int32_t ticks;
};

struct book {
    struct slot *slots;
    struct level *window; /* of prices base to base + WINDOW - 1 */
    book_sink *sink;
    void *ctx;
    int64_t tick;
    uint64_t tick_inverse; /* of its odd part, modulo 2^64 */
    unsigned tick_shift;   /* of its even part */
    uint32_t base;
    int32_t best[2];
    uint32_t free;
    uint32_t resting, orders_max;
    enum book_self_trade self_trade;
    uint32_t summary;      /* which words are not 0 */
    uint64_t words[WORDS]; /* which levels of the window are not empty */
    struct level *far;     /* ascending; never one of the window's prices */
    size_t far_count;
    int64_t trades, traded_qty;
    __int128 traded_micros;
    int32_t last;
};
_Static_assert(WORDS <= 32, "summary has a bit for each word");

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- prices */

static struct price price_of(const struct book *b, int32_t ticks)
{
    return (struct price){ ticks * b->tick };
}

/* Exact division by multiplication: of all x only multiples of the tick have a small x * inverse, rotated.
 * A division would cost as much as the rest of a replacement. */
static inline bool ticks_of(const struct book *b, struct price price, int32_t *ticks)
{
    uint64_t x = (uint64_t)price.micros * b->tick_inverse;
    x = x >> b->tick_shift | x << (-b->tick_shift & 63);
    *ticks = (int32_t)x;
    return x - 1 < BOOK_TICKS_MAX;
}

/* The one place that knows which way is better. */
static inline bool reaches(uint32_t side, int32_t limit, int32_t price)
{
    return (1 - 2 * (int32_t)side) * (limit - price) >= 0;
}

/* ---- levels */

/* The first far level at ticks or above. */
static size_t far_index(const struct book *b, int32_t ticks)
{
    size_t low = 0, high = b->far_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->far[middle].ticks < ticks)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline bool is_near(const struct book *b, int32_t ticks)
{
    return (uint32_t)ticks - b->base < WINDOW;
}

/* One that is not empty. */
static inline struct level *level_at(const struct book *b, int32_t ticks)
{
    if (LIKELY(is_near(b, ticks)))
        return &b->window[(uint32_t)ticks - b->base];
    return &b->far[far_index(b, ticks)];
}

static inline void mark(struct book *b, uint32_t place)
{
    b->words[place / 64] |= UINT64_C(1) << place % 64;
    b->summary |= UINT32_C(1) << place / 64;
}

static inline void unmark(struct book *b, uint32_t place)
{
    uint64_t word = b->words[place / 64] &= ~(UINT64_C(1) << place % 64);
    b->summary &= ~((uint32_t)(word == 0) << place / 64);
}

/* The next level below; NO_BID: none. */
static int32_t below(const struct book *b, int32_t ticks)
{
    int64_t end = (int64_t)ticks - b->base; /* places below it are asked for */
    int32_t found = NO_BID;
    if (end > 0) {
        uint32_t place = end > WINDOW ? WINDOW - 1 : (uint32_t)end - 1;
        uint32_t word = place / 64;
        uint64_t bits = b->words[word] & ~UINT64_C(0) >> (63 - place % 64);
        uint32_t words = b->summary & ((UINT32_C(1) << word) - 1);
        if (!bits && words) {
            word = 31 - (uint32_t)__builtin_clz(words);
            bits = b->words[word];
        }
        if (bits)
            found = (int32_t)(b->base + word * 64 + 63 - (uint32_t)__builtin_clzll(bits));
    }
    if (UNLIKELY(b->far_count > 0)) {
        size_t i = far_index(b, ticks);
        if (i > 0 && b->far[i - 1].ticks > found)
            found = b->far[i - 1].ticks;
    }
    return found;
}

/* The next level above; NO_ASK: none. */
static int32_t above(const struct book *b, int32_t ticks)
{
    int64_t start = (int64_t)ticks - b->base + 1; /* places from it on are asked for */
    int32_t found = NO_ASK;
    if (start < WINDOW) {
        uint32_t place = start < 0 ? 0 : (uint32_t)start;
        uint32_t word = place / 64;
        uint64_t bits = b->words[word] & ~UINT64_C(0) << place % 64;
        uint32_t words = b->summary & (uint32_t)(~UINT64_C(0) << (word + 1));
        if (!bits && words) {
            word = (uint32_t)__builtin_ctz(words);
            bits = b->words[word];
        }
        if (bits)
            found = (int32_t)(b->base + word * 64 + (uint32_t)__builtin_ctzll(bits));
    }
    if (UNLIKELY(b->far_count > 0)) {
        size_t i = far_index(b, ticks + 1);
        if (i < b->far_count && b->far[i].ticks < found)
            found = b->far[i].ticks;
    }
    return found;
}

static int32_t worse(const struct book *b, uint32_t side, int32_t ticks)
{
    return side == SIDE_BUY ? below(b, ticks) : above(b, ticks);
}

/* The window's levels stand together among the sorted, so each way is one block. */
static void move_window(struct book *b, uint32_t base)
{
    size_t at = far_index(b, (int32_t)b->base), count = 0;
    for (uint32_t w = 0; w < WORDS; w++)
        count += (size_t)__builtin_popcountll(b->words[w]);
    memmove(b->far + at + count, b->far + at, (b->far_count - at) * sizeof *b->far);
    b->far_count += count;
    for (uint32_t w = 0; w < WORDS; w++)
        for (uint64_t bits = b->words[w]; bits; bits &= bits - 1) {
            struct level *l = &b->window[w * 64 + (uint32_t)__builtin_ctzll(bits)];
            b->far[at++] = *l;
            *l = (struct level){ 0 };
        }
    memset(b->words, 0, sizeof b->words);
    b->summary = 0;

    b->base = base;
    size_t first = far_index(b, (int32_t)base), end = first;
    for (; end < b->far_count && is_near(b, b->far[end].ticks); end++) {
        uint32_t place = (uint32_t)b->far[end].ticks - base;
        b->window[place] = b->far[end];
        mark(b, place);
    }
    memmove(b->far + first, b->far + end, (b->far_count - end) * sizeof *b->far);
    b->far_count -= end - first;
}

/* Around the middle of the market, or where that is too wide the bid. Not for a small step: moving costs. */
static void follow_market(struct book *b)
{
    int64_t bid = b->best[SIDE_BUY], ask = b->best[SIDE_SELL], aim = bid;
    if (bid == NO_BID)
        aim = ask;
    else if (ask != NO_ASK && ask - bid < WINDOW / 2)
        aim = bid + (ask - bid) / 2;
    int64_t off = aim - ((int64_t)b->base + WINDOW / 2);
    if (off > WINDOW / 4 || off < -WINDOW / 4)
        move_window(b, aim < WINDOW / 2 ? 0 : (uint32_t)(aim - WINDOW / 2));
}

/* Of a level that is empty or far. */
static __attribute__((noinline)) struct level *open_level(struct book *b, int32_t ticks)
{
    if (UNLIKELY(!is_near(b, ticks)))
        follow_market(b);
    struct level *l;
    if (LIKELY(is_near(b, ticks))) {
        mark(b, (uint32_t)ticks - b->base);
        l = &b->window[(uint32_t)ticks - b->base];
    } else {
        size_t at = far_index(b, ticks);
        l = &b->far[at];
        if (at == b->far_count || l->ticks != ticks) {
            memmove(l + 1, l, (b->far_count - at) * sizeof *l);
            *l = (struct level){ 0 };
            b->far_count++;
        }
    }
    l->ticks = ticks;
    return l;
}

/* The level of a price that may be new; its ticks are set. */
static inline struct level *level_for(struct book *b, uint32_t side, int32_t ticks)
{
    uint32_t place = (uint32_t)ticks - b->base;
    if (LIKELY(place < WINDOW && b->window[place].count > 0))
        return &b->window[place];
    if (reaches(side, ticks, b->best[side])) /* so that the window can follow */
        b->best[side] = ticks;
    return open_level(b, ticks);
}

static __attribute__((noinline)) void close_level(struct book *b, uint32_t side, int32_t ticks)
{
    if (LIKELY(is_near(b, ticks)))
        unmark(b, (uint32_t)ticks - b->base);
    else {
        size_t at = far_index(b, ticks);
        b->far_count--;
        memmove(b->far + at, b->far + at + 1, (b->far_count - at) * sizeof *b->far);
    }
    if (ticks == b->best[side])
        b->best[side] = worse(b, side, ticks);
}

/* ---- orders in levels */

static inline void rest(struct book *b, uint32_t i)
{
    struct slot *s = &b->slots[i];
    struct level *l = level_for(b, s->side, s->ticks);
    uint32_t last = l->last;
    s->previous = last;
    s->next = 0;
    b->slots[last].next = i;
    l->first = last ? l->first : i;
    l->last = i;
    l->qty += s->left;
    l->count++;
}

static inline void take_off(struct book *b, uint32_t i)
{
    struct slot *s = &b->slots[i];
    struct level *l = level_at(b, s->ticks);
    uint32_t next = s->next, previous = s->previous;
    b->slots[previous].next = next;
    b->slots[next].previous = previous;
    l->first = previous ? l->first : next;
    l->last = next ? l->last : previous;
    l->qty -= s->left;
    l->count--;
    if (UNLIKELY(l->count == 0))
        close_level(b, s->side, s->ticks);
}

static inline uint64_t id_of(const struct book *b, uint32_t i)
{
    return (uint64_t)b->slots[i].generation << 32 | i;
}

static inline void give_back(struct book *b, uint32_t i)
{
    struct slot *s = &b->slots[i];
    s->left = 0;
    s->generation++;
    s->next = b->free;
    b->free = i;
}

static inline struct slot *find(const struct book *b, uint64_t id)
{
    uint32_t i = book_slot(id);
    if (UNLIKELY(i > b->orders_max + 1))
        return NULL;
    struct slot *s = &b->slots[i];
    return LIKELY(s->generation == id >> 32 && s->left > 0) ? s : NULL;
}

static inline void tell(const struct book *b, const struct book_event *event)
{
    b->sink(b->ctx, event);
}

static void tell_cancelled(const struct book *b, uint32_t i, struct price price, enum book_reason reason)
{
    tell(b, &(struct book_event){ .kind = BOOK_CANCELLED, .reason = reason, .order = id_of(b, i),
                                  .price = price, .qty = b->slots[i].left });
}

/* ---- matching */

static bool may_meet(const struct book *b, const struct slot *in, const struct slot *resting)
{
    return b->self_trade == BOOK_SELF_TRADE_ALLOW || in->owner == 0 || in->owner != resting->owner;
}

/* Trades what it can; false when its rest is to be cancelled, having met its owner's. Its left is kept. */
static __attribute__((noinline)) bool match(struct book *b, uint32_t i)
{
    struct slot *in = &b->slots[i];
    uint32_t other = !in->side;
    while (in->left > 0 && reaches(in->side, in->ticks, b->best[other])) {
        int32_t ticks = b->best[other];
        struct level *l = level_at(b, ticks);
        uint32_t j = l->first;
        struct slot *resting = &b->slots[j];
        if (UNLIKELY(!may_meet(b, in, resting))) {
            if (b->self_trade == BOOK_SELF_TRADE_CANCEL_NEWEST)
                return false;
            tell_cancelled(b, j, price_of(b, ticks), BOOK_SELF_TRADE);
            take_off(b, j);
            give_back(b, j);
            b->resting--;
            continue;
        }
        int64_t qty = in->left < resting->left ? in->left : resting->left;
        struct price price = price_of(b, ticks);
        in->left -= qty;
        resting->left -= qty;
        l->qty -= qty;
        b->trades++;
        b->traded_qty += qty;
        b->traded_micros += (__int128)price.micros * qty;
        b->last = ticks;
        tell(b, &(struct book_event){ .kind = BOOK_TRADED, .order = id_of(b, i), .against = id_of(b, j),
                                      .price = price, .qty = qty, .left = in->left,
                                      .against_left = resting->left });
        if (resting->left == 0) {
            take_off(b, j);
            give_back(b, j);
            b->resting--;
        }
    }
    return true;
}

/* What of it would not trade at once. */
static int64_t rest_of(const struct book *b, const struct slot *in)
{
    uint32_t other = !in->side;
    int64_t left = in->left;
    bool check = b->self_trade != BOOK_SELF_TRADE_ALLOW && in->owner != 0;
    for (int32_t t = b->best[other]; left > 0 && reaches(in->side, in->ticks, t); t = worse(b, other, t)) {
        const struct level *l = level_at(b, t);
        if (!check) {
            left -= l->qty;
            continue;
        }
        for (uint32_t j = l->first; j && left > 0; j = b->slots[j].next) {
            if (may_meet(b, in, &b->slots[j]))
                left -= b->slots[j].left;
            else if (b->self_trade == BOOK_SELF_TRADE_CANCEL_NEWEST)
                return left;
        }
    }
    return left < 0 ? 0 : left;
}

static const int32_t any_price[] = { [SIDE_BUY] = BOOK_TICKS_MAX, [SIDE_SELL] = 1 };

static inline bool qty_is_good(int64_t qty)
{
    return (uint64_t)qty - 1 < BOOK_QTY_MAX;
}

enum book_result book_add(struct book *b, const struct book_order *order, uint64_t *id)
{
    bool is_market = !price_is_set(order->limit);
    uint32_t side = order->side;
    int32_t ticks = any_price[side];
    if (!is_market && UNLIKELY(!ticks_of(b, order->limit, &ticks)))
        return BOOK_BAD_PRICE;
    if (UNLIKELY(!qty_is_good(order->qty)))
        return BOOK_BAD_QTY;
    bool may_rest = order->tif == BOOK_DAY && !is_market;
    if (UNLIKELY(may_rest && b->resting == b->orders_max))
        return BOOK_FULL;

    uint32_t i = b->free; /* there is one more than may rest */
    struct slot *in = &b->slots[i];
    b->free = in->next;
    in->left = order->qty;
    in->ticks = ticks;
    in->owner = order->owner;
    in->side = side;
    *id = id_of(b, i);

    enum book_reason reason = BOOK_UNFILLED;
    if (reaches(side, ticks, b->best[!side]) && (order->tif != BOOK_FOK || rest_of(b, in) == 0) && !match(b, i)) {
        reason = BOOK_SELF_TRADE;
        may_rest = false;
    }
    if (in->left > 0 && may_rest) {
        rest(b, i);
        b->resting++;
        tell(b, &(struct book_event){ .kind = BOOK_RESTED, .order = *id, .price = order->limit,
                                      .qty = in->left, .left = in->left });
        return BOOK_OK;
    }
    if (in->left > 0)
        tell_cancelled(b, i, order->limit, reason);
    give_back(b, i);
    return BOOK_OK;
}

enum book_result book_replace(struct book *b, uint64_t id, int64_t qty, struct price limit)
{
    struct slot *s = find(b, id);
    int32_t ticks;
    if (UNLIKELY(!s))
        return BOOK_UNKNOWN_ORDER;
    if (UNLIKELY(!ticks_of(b, limit, &ticks)))
        return BOOK_BAD_PRICE;
    if (UNLIKELY(!qty_is_good(qty)))
        return BOOK_BAD_QTY;

    uint32_t i = book_slot(id);
    bool keeps_place = ticks == s->ticks && qty <= s->left;
    struct book_event event = { .kind = BOOK_REPLACED, .order = id, .price = limit, .qty = qty, .left = qty,
                                .keeps_place = keeps_place };
    if (keeps_place) {
        level_at(b, ticks)->qty -= s->left - qty;
        s->left = qty;
        tell(b, &event);
        return BOOK_OK;
    }
    take_off(b, i);
    s->ticks = ticks;
    s->left = qty;
    tell(b, &event);
    if (UNLIKELY(reaches(s->side, ticks, b->best[!s->side]))) {
        if (!match(b, i))
            tell_cancelled(b, i, limit, BOOK_SELF_TRADE);
        else if (s->left > 0)
            goto rests;
        give_back(b, i);
        b->resting--;
        return BOOK_OK;
    }
rests:
    rest(b, i);
    return BOOK_OK;
}

enum book_result book_cancel(struct book *b, uint64_t id)
{
    struct slot *s = find(b, id);
    if (UNLIKELY(!s))
        return BOOK_UNKNOWN_ORDER;
    uint32_t i = book_slot(id);
    tell_cancelled(b, i, price_of(b, s->ticks), BOOK_ASKED);
    take_off(b, i);
    give_back(b, i);
    b->resting--;
    return BOOK_OK;
}

enum book_result book_take(struct book *b, uint64_t id, int64_t qty)
{
    struct slot *s = find(b, id);
    if (!s)
        return BOOK_UNKNOWN_ORDER;
    if (qty <= 0 || qty > s->left)
        return BOOK_BAD_QTY;
    if (qty < s->left) {
        level_at(b, s->ticks)->qty -= qty;
        s->left -= qty;
        return BOOK_OK;
    }
    take_off(b, book_slot(id));
    give_back(b, book_slot(id));
    b->resting--;
    return BOOK_OK;
}

/* ---- looking */

uint64_t book_first(const struct book *b, enum side side)
{
    return b->best[side] == no_best[side] ? 0 : id_of(b, level_at(b, b->best[side])->first);
}

uint64_t book_after(const struct book *b, uint64_t id)
{
    const struct slot *s = find(b, id);
    if (!s)
        return 0;
    if (s->next)
        return id_of(b, s->next);
    int32_t ticks = worse(b, s->side, s->ticks);
    return ticks == no_best[s->side] ? 0 : id_of(b, level_at(b, ticks)->first);
}

int64_t book_reach(const struct book *b, const struct book_order *order)
{
    int32_t ticks = any_price[order->side];
    if ((price_is_set(order->limit) && !ticks_of(b, order->limit, &ticks)) || !qty_is_good(order->qty))
        return 0;
    const struct slot in = { .left = order->qty, .ticks = ticks, .owner = order->owner, .side = order->side };
    return order->qty - rest_of(b, &in);
}

bool book_find(const struct book *b, uint64_t id, struct book_order *out)
{
    const struct slot *s = find(b, id);
    if (!s)
        return false;
    *out = (struct book_order){ .side = (enum side)s->side, .tif = BOOK_DAY, .owner = s->owner,
                                .qty = s->left, .limit = price_of(b, s->ticks) };
    return true;
}

size_t book_depth(const struct book *b, enum side side, struct book_level *out, size_t count)
{
    size_t n = 0;
    for (int32_t t = b->best[side]; n < count && t != no_best[side]; t = worse(b, side, t)) {
        const struct level *l = level_at(b, t);
        out[n++] = (struct book_level){ price_of(b, t), l->qty, l->count };
    }
    return n;
}

bool book_best(const struct book *b, enum side side, struct book_level *out)
{
    return book_depth(b, side, out, 1) == 1;
}

void book_volume(const struct book *b, struct book_volume *out)
{
    *out = (struct book_volume){ .trades = b->trades, .traded_qty = b->traded_qty,
                                 .traded_micros = b->traded_micros,
                                 .last = b->trades ? price_of(b, b->last) : PRICE_NONE };
    for (uint32_t side = SIDE_BUY; side <= SIDE_SELL; side++)
        for (int32_t t = b->best[side]; t != no_best[side]; t = worse(b, side, t)) {
            const struct level *l = level_at(b, t);
            out->levels[side]++;
            out->resting_orders[side] += l->count;
            out->resting_qty[side] += l->qty;
        }
}

bool book_is_consistent(const struct book *b)
{
    bool good = b->best[SIDE_BUY] < b->best[SIDE_SELL];
    size_t orders = 0, levels = 0, marked = 0, live = 0;
    for (uint32_t side = SIDE_BUY; side <= SIDE_SELL; side++)
        for (int32_t t = b->best[side]; t != no_best[side]; t = worse(b, side, t)) {
            const struct level *l = level_at(b, t);
            int64_t qty = 0;
            uint32_t count = 0, last = 0;
            for (uint32_t i = l->first; i; last = i, i = b->slots[i].next, count++) {
                const struct slot *s = &b->slots[i];
                good &= s->left > 0 && s->ticks == t && s->side == side && s->previous == last;
                qty += s->left;
            }
            good &= l->ticks == t && count > 0 && l->count == count && l->qty == qty && l->last == last;
            orders += count;
            levels++;
        }
    for (uint32_t i = 1; i <= b->orders_max + 1; i++)
        live += b->slots[i].left > 0;
    for (uint32_t w = 0; w < WORDS; w++) {
        marked += (size_t)__builtin_popcountll(b->words[w]);
        good &= (b->words[w] != 0) == (b->summary >> w & 1);
    }
    for (uint32_t i = 0; i < WINDOW; i++)
        good &= (b->window[i].count != 0) == (b->words[i / 64] >> i % 64 & 1);
    for (size_t i = 0; i < b->far_count; i++)
        good &= !is_near(b, b->far[i].ticks) && (i == 0 || b->far[i - 1].ticks < b->far[i].ticks);
    return good && orders == b->resting && live == orders && levels == marked + b->far_count;
}

/* ---- making */

struct book *book_new(const struct book_options *options)
{
    assert(options->orders_max >= 1 && options->orders_max <= BOOK_ORDERS_MAX && options->sink);
    assert(options->tick.micros >= 1 && options->tick.micros <= INT64_C(1) << 32);
    size_t slots = options->orders_max + 2; /* nobody, and the one that comes in */
    struct book *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    if (!b)
        return NULL;
    memset(b, 0, sizeof *b);
    b->slots = aligned_alloc(64, (slots * sizeof *b->slots + 63) / 64 * 64);
    b->window = calloc(WINDOW, sizeof *b->window);
    b->far = calloc(options->orders_max, sizeof *b->far);
    if (!b->slots || !b->window || !b->far) {
        book_free(b);
        return NULL;
    }
    memset(b->slots, 0, slots * sizeof *b->slots);
    for (uint32_t i = 1; i < slots; i++)
        b->slots[i].next = i + 1 < slots ? i + 1 : 0;
    b->free = 1;
    b->orders_max = (uint32_t)options->orders_max;
    b->self_trade = options->self_trade;
    b->sink = options->sink;
    b->ctx = options->ctx;
    b->best[SIDE_BUY] = NO_BID;
    b->best[SIDE_SELL] = NO_ASK;
    b->tick = options->tick.micros;
    b->tick_shift = (unsigned)__builtin_ctzll((uint64_t)b->tick);
    uint64_t odd = (uint64_t)b->tick >> b->tick_shift;
    b->tick_inverse = odd; /* right to 3 bits; each step doubles them */
    for (int i = 0; i < 5; i++)
        b->tick_inverse *= 2 - odd * b->tick_inverse;
    return b;
}

void book_free(struct book *b)
{
    if (!b)
        return;
    free(b->slots);
    free(b->window);
    free(b->far);
    free(b);
}
