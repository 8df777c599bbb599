#include "api/state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"

/* What decides which of an order's events its fields are taken from; more is higher. */
struct rank {
    bool is_event, is_final;
    int64_t filled, time_ns;
    int stage;
};

struct entry {
    struct order now;              /* the readers' */
    struct order next;             /* the writer's */
    int64_t first_at, next_first_at; /* the same pair */
    bool is_listed;
    /* the writer's: */
    bool has_intent, is_touched;
    struct rank rank;
    int64_t average_at;            /* time of the event that gave average_price */
    struct { int64_t from, to; } *filled; /* what known fills cover of the order */
    size_t filled_count;
    int64_t versions;              /* recorded or due so far */
    int64_t recorded_version, recorded_filled, recorded_updated;
    int recorded_status;
    bool recorded_run;
};

struct list {
    void **items;
    size_t count, room;
};

/* Orders by an id. */
struct named {
    const struct order **list;
    size_t count;
};

/* What marks an account's holdings. */
struct account_state {
    struct market market;          /* the readers' */
    /* the writer's: */
    char source[WORD_SIZE];
    int64_t source_at, run_at;     /* of the row the source is from, of the run that says whether it is a replay */
    bool is_replay, is_touched;
    int64_t time_ns;               /* how far it has come: its latest event, intent or point of equity */
    int32_t last_close;            /* the latest of its closes */
    int32_t changed_from;          /* its holdings may be marked otherwise from this date on; INT32_MAX: they are not */
};

/* The sessions a strategy of an account has come to the close of. */
struct closes {
    int32_t *dates;
    size_t count;
};

struct new_close {
    char account[ACCOUNT_SIZE], strategy[NAME_SIZE];
    int32_t date;
};

struct new_mark { /* a symbol that has another bar */
    const struct mark *mark;
    int32_t date;
};

struct snapshot { /* as recorded, or as it is to be */
    struct position_snapshot row;
    bool is_due;
};

enum { DAY_MINUTES = 24 * 60 };

struct state {
    pthread_rwlock_t lock;

    /* readers'; everything from here on is exchanged by state_replace */
    struct order_key *orders;
    size_t orders_count, orders_room;
    struct list fills, runs;
    struct keymap names;           /* order_id or client_order_id -> struct named */
    struct keymap marks;           /* symbol -> struct mark */
    struct keymap accounts;        /* account -> struct account_state */
    struct keymap errors;          /* run_id -> struct config_error */
    struct book book;
    int64_t last_bar;
    struct import_mark import;     /* the newest */

    /* the writer's */
    struct keymap entries;         /* account, client_order_id -> struct entry */
    struct keymap run_index;       /* run_id -> struct run */
    struct keymap known;           /* keys of events, runs, equity, decisions */
    struct keymap bars;            /* symbol, source, day -> a bit for each minute */
    struct keymap closes;          /* account, strategy -> struct closes */
    int32_t last_close;            /* the latest date of all of them */
    struct keymap snapshots;       /* date, account, strategy, symbol -> struct snapshot */
    struct list touched, touched_accounts, new_fills, new_runs, new_bars, new_errors, new_closes, new_marks, due_snapshots;
    struct order *versions;
    size_t versions_count, versions_room;
};

static void list_add(struct list *l, void *item)
{
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->items = must_realloc(l->items, l->room, sizeof *l->items);
    }
    l->items[l->count++] = item;
}

static void list_insert(struct list *l, size_t at, void *item)
{
    list_add(l, item);
    memmove(&l->items[at + 1], &l->items[at], (l->count - 1 - at) * sizeof *l->items);
    l->items[at] = item;
}

struct state *state_new(void)
{
    struct state *s = must_alloc(1, sizeof *s);
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* Readers come without end; the writer must not starve behind them. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&s->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    return s;
}

static void free_values(struct keymap *m, void (*release)(void *))
{
    for (size_t i = 0; i < m->room; i++)
        if (m->entries[i].key)
            release(m->entries[i].value);
    keymap_free(m);
}

static void entry_free(void *value)
{
    struct entry *e = value;
    free(e->filled);
    free(e);
}

static void named_free(void *value)
{
    free(((struct named *)value)->list);
    free(value);
}

static void closes_free(void *value)
{
    free(((struct closes *)value)->dates);
    free(value);
}

static void mark_release(void *value)
{
    mark_free(value);
}

static void list_free(struct list *l, bool items_too)
{
    for (size_t i = 0; items_too && i < l->count; i++)
        free(l->items[i]);
    free(l->items);
}

static void clear(struct state *s)
{
    book_clear(&s->book);
    free(s->orders);
    list_free(&s->fills, true);
    list_free(&s->runs, false);
    free_values(&s->marks, mark_release);
    free_values(&s->accounts, free);
    free_values(&s->errors, free);
    free_values(&s->entries, entry_free);
    free_values(&s->run_index, free);
    keymap_free(&s->known);
    free_values(&s->bars, free);
    list_free(&s->touched, false);
    list_free(&s->touched_accounts, false);
    list_free(&s->new_errors, true);
    list_free(&s->new_fills, true);
    list_free(&s->new_runs, true);
    list_free(&s->new_bars, true);
    list_free(&s->new_closes, true);
    list_free(&s->new_marks, true);
    list_free(&s->due_snapshots, false);
    free_values(&s->names, named_free);
    free_values(&s->closes, closes_free);
    free_values(&s->snapshots, free);
    free(s->versions);
}

void state_free(struct state *s)
{
    if (!s)
        return;
    clear(s);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

void state_replace(struct state *s, struct state *from)
{
    enum { BODY = offsetof(struct state, orders) }; /* all but the lock changes hands */
    struct state old;
    pthread_rwlock_wrlock(&s->lock);
    memcpy((char *)&old + BODY, (char *)s + BODY, sizeof *s - BODY);
    memcpy((char *)s + BODY, (char *)from + BODY, sizeof *s - BODY);
    memcpy((char *)from + BODY, (char *)&old + BODY, sizeof *s - BODY);
    pthread_rwlock_unlock(&s->lock);
    state_free(from);
}

void state_read(struct state *s)
{
    pthread_rwlock_rdlock(&s->lock);
}

void state_read_done(struct state *s)
{
    pthread_rwlock_unlock(&s->lock);
}

/* ---- orders */

static int rank_cmp(const struct rank *a, const struct rank *b)
{
    const int64_t pairs[][2] = {
        { a->is_event, b->is_event }, { a->is_final, b->is_final }, { a->filled, b->filled },
        { a->time_ns, b->time_ns }, { a->stage, b->stage },
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (pairs[i][0] != pairs[i][1])
            return pairs[i][0] < pairs[i][1] ? -1 : 1;
    return 0;
}

/* How far along a status is, for events of one time. */
static int stage_of(enum order_status status)
{
    static const enum order_status ascending[] = {
        ORDER_INTENT, ORDER_UNKNOWN, ORDER_PENDING_NEW, ORDER_ACCEPTED, ORDER_HELD, ORDER_NEW, ORDER_SUSPENDED,
        ORDER_PARTIALLY_FILLED, ORDER_PENDING_REPLACE, ORDER_PENDING_CANCEL, ORDER_STOPPED, ORDER_CALCULATED,
        ORDER_DONE_FOR_DAY, ORDER_REPLACED, ORDER_EXPIRED, ORDER_CANCELED, ORDER_REJECTED, ORDER_FILLED,
    };
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        if (ascending[i] == status)
            return (int)i;
    return 0;
}

static struct entry *entry_of(struct state *s, const char *account, const char *client_order_id)
{
    struct key k = { 0 };
    key_text(&k, account);
    key_text(&k, client_order_id);
    void **slot = keymap_put(&s->entries, &k);
    if (!*slot) {
        struct entry *e = *slot = must_alloc(1, sizeof *e);
        table_init(&order_table, &e->next);
        text_copy(e->next.account, sizeof e->next.account, account);
        text_copy(e->next.client_order_id, sizeof e->next.client_order_id, client_order_id);
        e->next.filled_quantity = 0;
        e->next_first_at = INT64_MAX;
        e->rank.filled = -1;
        e->now = e->next;
    }
    return *slot;
}

static void touch(struct state *s, struct entry *e)
{
    if (!e->is_touched)
        list_add(&s->touched, e);
    e->is_touched = true;
}

static void later(int64_t *time_ns, int64_t other)
{
    if (other > *time_ns)
        *time_ns = other;
}

static struct account_state *account_of(struct state *s, const char *account)
{
    struct key k = { 0 };
    key_text(&k, account);
    void **slot = keymap_put(&s->accounts, &k);
    if (!*slot) {
        struct account_state *a = *slot = must_alloc(1, sizeof *a);
        a->market.until_ns = INT64_MAX;
        a->changed_from = INT32_MAX;
    }
    return *slot;
}

static void touch_account(struct state *s, struct account_state *a)
{
    if (!a->is_touched)
        list_add(&s->touched_accounts, a);
    a->is_touched = true;
}

/* Something of it is dated so: so far it has come. */
static void account_reached(struct state *s, const char *account, int64_t time_ns)
{
    struct account_state *a = account_of(s, account);
    if (time_ns <= a->time_ns)
        return;
    a->time_ns = time_ns;
    touch_account(s, a);
}

static void first(struct entry *e, int64_t time_ns)
{
    if (time_ns < e->next_first_at)
        e->next_first_at = time_ns;
}

static void fold_intent(struct entry *e, const struct order *o)
{
    struct order *n = &e->next;
    e->has_intent = true;
    text_copy(n->run_id, sizeof n->run_id, o->run_id);
    text_copy(n->reason, sizeof n->reason, o->reason);
    first(e, o->timestamp);
    later(&n->updated_at, o->updated_at);
    if (e->rank.is_event)
        return;
    text_copy(n->strategy, sizeof n->strategy, o->strategy);
    text_copy(n->symbol, sizeof n->symbol, o->symbol);
    text_copy(n->type, sizeof n->type, o->type);
    text_copy(n->time_in_force, sizeof n->time_in_force, o->time_in_force);
    n->side = o->side;
    n->quantity = o->quantity;
    n->limit_price = o->limit_price;
    n->status = ORDER_INTENT;
}

static void fold_event(struct entry *e, const struct event *v)
{
    struct order *n = &e->next;
    struct rank rank = { true, order_status_is_final((enum order_status)v->status), v->filled_quantity,
                         v->timestamp, stage_of((enum order_status)v->status) };
    first(e, v->submitted_at);
    later(&n->updated_at, v->timestamp);
    /* What is filled only grows, whatever else an event says. */
    if (v->filled_quantity > n->filled_quantity ||
        (v->filled_quantity == n->filled_quantity && v->average_price != INT64_MIN &&
         (n->average_price == INT64_MIN || v->timestamp > e->average_at))) {
        n->filled_quantity = v->filled_quantity;
        n->average_price = v->average_price;
        e->average_at = v->timestamp;
    }
    if (rank_cmp(&rank, &e->rank) <= 0)
        return;
    e->rank = rank;
    text_copy(n->order_id, sizeof n->order_id, v->order_id);
    text_copy(n->strategy, sizeof n->strategy, v->strategy);
    text_copy(n->symbol, sizeof n->symbol, v->symbol);
    text_copy(n->type, sizeof n->type, v->type);
    text_copy(n->time_in_force, sizeof n->time_in_force, v->time_in_force);
    n->side = v->side;
    n->quantity = v->quantity;
    n->limit_price = v->limit_price;
    n->status = v->status;
    n->submitted_at = v->submitted_at;
}

/* The latest version on record is this one. */
static void recorded(struct entry *e, const struct order *o)
{
    if (o->version <= e->recorded_version)
        return;
    e->recorded_version = o->version;
    e->recorded_filled = o->filled_quantity;
    e->recorded_updated = o->updated_at;
    e->recorded_status = o->status;
    e->recorded_run = *o->run_id;
    if (e->versions < o->version)
        e->versions = o->version;
}

/* Plans a version when the latest on record says something else. */
static void note_version(struct state *s, struct entry *e)
{
    const struct order *n = &e->next;
    if (e->recorded_version && e->recorded_filled == n->filled_quantity && e->recorded_status == n->status &&
        e->recorded_updated == n->updated_at && e->recorded_run == !!*n->run_id)
        return;
    if (s->versions_count == s->versions_room) {
        s->versions_room = s->versions_room ? s->versions_room * 2 : 64;
        s->versions = must_realloc(s->versions, s->versions_room, sizeof *s->versions);
    }
    struct order *version = &s->versions[s->versions_count++];
    *version = *n;
    version->timestamp = n->updated_at;
    version->version = e->versions + 1;
    recorded(e, version);
}

static bool plan_order(struct state *s, struct order *o, bool is_load)
{
    struct entry *e = entry_of(s, o->account, o->client_order_id);
    if (is_load && o->status != ORDER_INTENT) {
        recorded(e, o);
        return false;
    }
    if (e->has_intent)
        return false;
    if (!is_load)
        o->version = e->versions + 1;
    recorded(e, o);
    fold_intent(e, o);
    account_reached(s, o->account, o->timestamp);
    touch(s, e);
    if (!is_load)
        note_version(s, e);
    return true;
}

/* ---- events */

static bool is_new(struct state *s, const struct key *k)
{
    void **slot = keymap_put(&s->known, k);
    bool found = *slot;
    *slot = s;
    return !found;
}

/* Are the shares (from, to] of the order filled by known fills? Partly: overlaps. */
static bool is_filled(const struct entry *e, int64_t from, int64_t to, bool *overlaps)
{
    int64_t reached = from;
    *overlaps = false;
    for (size_t i = 0; i < e->filled_count; i++)
        if (e->filled[i].from < to && e->filled[i].to > from)
            *overlaps = true;
    for (bool moved = true; moved && reached < to; ) {
        moved = false;
        for (size_t i = 0; i < e->filled_count; i++)
            if (e->filled[i].from <= reached && e->filled[i].to > reached) {
                reached = e->filled[i].to;
                moved = true;
            }
    }
    return reached >= to;
}

static void cover(struct entry *e, int64_t from, int64_t to)
{
    for (size_t i = 0; i < e->filled_count; i++)
        if (e->filled[i].to == from) { /* the usual case: one stretch that grows */
            e->filled[i].to = to;
            return;
        }
    e->filled = must_realloc(e->filled, e->filled_count + 1, sizeof *e->filled);
    e->filled[e->filled_count].from = from;
    e->filled[e->filled_count++].to = to;
}

static bool plan_fill(struct state *s, struct entry *e, const struct event *v)
{
    struct key k = { 0 };
    bool overlaps;
    key_text(&k, "fill");
    key_text(&k, v->account);
    key_text(&k, v->execution_id);
    if (!is_new(s, &k))
        return false;
    int64_t from = v->filled_quantity - v->fill_quantity;
    if (is_filled(e, from, v->filled_quantity, &overlaps))
        return false;
    if (overlaps) /* a fact of its own all the same: recorded, and to be looked at */
        log_error("fills_overlapped", KV_TEXT("account", v->account), KV_TEXT("order_id", v->order_id),
                  KV_TEXT("execution_id", v->execution_id), KV_INT("filled_qty", v->filled_quantity),
                  KV_INT("qty", v->fill_quantity));
    cover(e, from, v->filled_quantity);

    struct fill *f = must_alloc(1, sizeof *f);
    *f = (struct fill){ .order = &e->now, .timestamp = v->timestamp, .quantity = v->fill_quantity,
                        .price = v->fill_price, .fee = v->fee == INT64_MIN ? 0 : v->fee,
                        .filled_quantity = v->filled_quantity };
    text_copy(f->execution_id, sizeof f->execution_id, v->execution_id);
    list_add(&s->new_fills, f);
    return true;
}

static bool plan_other(struct state *s, const struct event *v)
{
    struct key k = { 0 };
    key_text(&k, "event");
    key_text(&k, v->account);
    key_number(&k, v->event_key);
    key_number(&k, v->timestamp);
    return is_new(s, &k);
}

static bool plan_event(struct state *s, const struct event *v, bool is_load)
{
    struct entry *e = entry_of(s, v->account, v->client_order_id);
    if (!(event_is_fill(v) ? plan_fill(s, e, v) : plan_other(s, v)))
        return false;
    fold_event(e, v);
    account_reached(s, v->account, v->timestamp);
    touch(s, e);
    if (!is_load)
        note_version(s, e);
    return true;
}

/* ---- the rest */

static bool plan_run(struct state *s, const struct run *r)
{
    struct key k = { 0 };
    key_text(&k, "run");
    key_text(&k, r->run_id);
    key_number(&k, r->version);
    if (!is_new(s, &k))
        return false;
    struct run *copy = must_alloc(1, sizeof *copy);
    *copy = *r;
    copy->config_text = NULL;
    list_add(&s->new_runs, copy);
    struct account_state *a = account_of(s, r->account);
    if (r->started_at >= a->run_at) {
        a->run_at = r->started_at;
        a->is_replay = r->mode == RUN_REPLAY || r->mode == RUN_BACKTEST;
        touch_account(s, a);
    }
    return true;
}

static bool plan_bar(struct state *s, const struct minute_bar *b)
{
    struct key k = { 0 };
    int64_t minute = b->timestamp / MINUTE_NS;
    key_text(&k, b->symbol);
    key_text(&k, b->source);
    key_number(&k, minute / DAY_MINUTES);
    void **slot = keymap_put(&s->bars, &k);
    if (!*slot)
        *slot = must_alloc(DAY_MINUTES / 8, 1);
    unsigned char *bits = (unsigned char *)*slot + minute % DAY_MINUTES / 8;
    unsigned char bit = (unsigned char)(1u << minute % 8);
    if (*bits & bit)
        return false;
    *bits |= bit;
    struct minute_bar *copy = must_alloc(1, sizeof *copy);
    *copy = *b;
    list_add(&s->new_bars, copy);
    return true;
}

static bool plan_equity(struct state *s, const struct equity *e)
{
    struct key k = { 0 };
    key_text(&k, "equity");
    key_text(&k, e->account);
    key_text(&k, e->strategy);
    key_number(&k, e->timestamp);
    if (!is_new(s, &k))
        return false;
    account_reached(s, e->account, e->timestamp);
    int32_t date = calendar_date(e->timestamp);
    struct session session;
    if (calendar_session(date, &session) && e->timestamp >= session.close_ns) {
        struct new_close *close = must_alloc(1, sizeof *close);
        text_copy(close->account, sizeof close->account, e->account);
        text_copy(close->strategy, sizeof close->strategy, e->strategy);
        close->date = date;
        list_add(&s->new_closes, close);
    }
    return true;
}

static struct snapshot *snapshot_of(struct state *s, int32_t date, const struct position_snapshot *p, bool make)
{
    struct key k = { 0 };
    key_number(&k, date);
    key_text(&k, p->account);
    key_text(&k, p->strategy);
    key_text(&k, p->symbol);
    void **slot = make ? keymap_put(&s->snapshots, &k) : keymap_find(&s->snapshots, &k);
    if (slot && !*slot)
        *slot = must_alloc(1, sizeof(struct snapshot));
    return slot ? *slot : NULL;
}

static bool load_snapshot(struct state *s, const struct position_snapshot *p)
{
    snapshot_of(s, calendar_date(p->timestamp), p, true)->row = *p;
    return false; /* only loaded, never sent */
}

static bool plan_decision(struct state *s, const struct decision *d)
{
    struct key k = { 0 };
    key_text(&k, "decision");
    key_text(&k, d->run_id);
    key_number(&k, d->sequence);
    return is_new(s, &k);
}

static bool plan_account(struct state *s, const struct account_source *r)
{
    struct key k = { 0 };
    key_text(&k, "account");
    key_text(&k, r->account);
    key_number(&k, r->timestamp);
    if (!is_new(s, &k))
        return false;
    struct account_state *a = account_of(s, r->account);
    if (r->timestamp >= a->source_at) {
        a->source_at = r->timestamp;
        text_copy(a->source, sizeof a->source, r->source);
        touch_account(s, a);
    }
    return true;
}

static bool plan_config_error(struct state *s, const struct config_error *e)
{
    struct key k = { 0 };
    key_text(&k, "config error");
    key_text(&k, e->run_id);
    key_number(&k, e->timestamp);
    if (!is_new(s, &k))
        return false;
    struct config_error *copy = must_alloc(1, sizeof *copy);
    *copy = *e;
    list_add(&s->new_errors, copy);
    return true;
}

static bool plan(struct state *s, const struct table *t, void *record, bool is_load)
{
    if (t == &order_table)
        return plan_order(s, record, is_load);
    if (t == &event_table)
        return plan_event(s, record, is_load);
    if (t == &run_table)
        return plan_run(s, record);
    if (t == &bar_table)
        return plan_bar(s, record);
    if (t == &equity_table)
        return plan_equity(s, record);
    if (t == &snapshot_table && is_load)
        return load_snapshot(s, record);
    if (t == &account_table)
        return plan_account(s, record);
    if (t == &import_table && is_load) {
        const struct import_mark *mark = record;
        if (mark->timestamp > s->import.timestamp || (mark->timestamp == s->import.timestamp && mark->status == IMPORT_DONE))
            s->import = *mark;
        return false;
    }
    if (t == &config_error_table)
        return plan_config_error(s, record);
    assert(t == &decision_table);
    return plan_decision(s, record);
}

void state_set_import(struct state *s, const struct import_mark *mark)
{
    pthread_rwlock_wrlock(&s->lock);
    s->import = *mark;
    pthread_rwlock_unlock(&s->lock);
}

bool state_plan(struct state *s, const struct table *t, void *record)
{
    return plan(s, t, record, false);
}

void state_load(struct state *s, const struct table *t, void *record)
{
    plan(s, t, record, true);
}

/* ---- publishing */

static int order_key_cmp(const struct order_key *a, const struct order_key *b)
{
    if (a->first_at != b->first_at)
        return a->first_at < b->first_at ? -1 : 1;
    int c = strcmp(a->order->account, b->order->account);
    return c ? c : strcmp(a->order->client_order_id, b->order->client_order_id);
}

/* Where a key stands, or would stand. */
static size_t order_place(const struct state *s, const struct order_key *key)
{
    size_t low = 0, high = s->orders_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (order_key_cmp(&s->orders[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_name(struct state *s, const struct entry *e, const char *id)
{
    struct key k = { 0 };
    key_text(&k, id);
    void **slot = keymap_put(&s->names, &k);
    struct named *n = *slot ? *slot : (*slot = must_alloc(1, sizeof *n));
    for (size_t i = 0; i < n->count; i++)
        if (n->list[i] == &e->now)
            return;
    n->list = must_realloc(n->list, n->count + 1, sizeof *n->list);
    n->list[n->count++] = &e->now;
}

static void publish_order(struct state *s, struct entry *e)
{
    e->is_touched = false;
    if (!e->is_listed)
        add_name(s, e, e->next.client_order_id);
    if (*e->next.order_id && strcmp(e->next.order_id, e->now.order_id) != 0)
        add_name(s, e, e->next.order_id);
    if (e->is_listed && e->first_at != e->next_first_at) {
        size_t i = order_place(s, &(struct order_key){ e->first_at, &e->now });
        memmove(&s->orders[i], &s->orders[i + 1], (--s->orders_count - i) * sizeof *s->orders);
        e->is_listed = false;
    }
    e->now = e->next;
    e->first_at = e->next_first_at;
    if (e->is_listed)
        return;
    struct order_key key = { e->first_at, &e->now };
    size_t i = order_place(s, &key);
    if (s->orders_count == s->orders_room) {
        s->orders_room = s->orders_room ? s->orders_room * 2 : 64;
        s->orders = must_realloc(s->orders, s->orders_room, sizeof *s->orders);
    }
    memmove(&s->orders[i + 1], &s->orders[i], (s->orders_count++ - i) * sizeof *s->orders);
    s->orders[i] = key;
    e->is_listed = true;
}

static struct mark *mark_of(struct state *s, const char *symbol)
{
    struct key k = { 0 };
    key_text(&k, symbol);
    void **slot = keymap_put(&s->marks, &k);
    if (!*slot) {
        struct mark *m = *slot = must_alloc(1, sizeof *m);
        text_copy(m->symbol, sizeof m->symbol, symbol);
    }
    return *slot;
}

static void publish_fill(struct state *s, struct fill *f)
{
    size_t i = s->fills.count;
    if (i > 0 && fill_cmp(s->fills.items[i - 1], f) > 0) {
        size_t low = 0, high = i;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (fill_cmp(s->fills.items[middle], f) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        i = low;
    }
    list_insert(&s->fills, i, f);
    book_add(&s->book, f, mark_of(s, f->order->symbol), &account_of(s, f->order->account)->market);
}

static int run_cmp(const struct run *a, const struct run *b)
{
    if (a->started_at != b->started_at)
        return a->started_at < b->started_at ? -1 : 1;
    return strcmp(a->run_id, b->run_id);
}

static void publish_run(struct state *s, struct run *r)
{
    struct key k = { 0 };
    key_text(&k, r->run_id);
    void **slot = keymap_put(&s->run_index, &k);
    struct run *old = *slot;
    if (old && old->version >= r->version) {
        free(r);
        return;
    }
    if (old) {
        size_t i = 0;
        while (s->runs.items[i] != old)
            i++;
        memmove(&s->runs.items[i], &s->runs.items[i + 1], (--s->runs.count - i) * sizeof *s->runs.items);
        free(old);
    }
    size_t i = s->runs.count;
    while (i > 0 && run_cmp(s->runs.items[i - 1], r) > 0)
        i--;
    list_insert(&s->runs, i, r);
    *slot = r;
}

static void publish_error(struct state *s, struct config_error *e)
{
    struct key k = { 0 };
    key_text(&k, e->run_id);
    void **slot = keymap_put(&s->errors, &k);
    struct config_error *old = *slot;
    if (old && old->timestamp > e->timestamp) {
        free(e);
        return;
    }
    free(old);
    *slot = e;
}

static void publish_account(struct account_state *a)
{
    int64_t until_ns = a->is_replay ? a->time_ns : INT64_MAX;
    if (strcmp(a->market.source, a->source) != 0) {
        text_copy(a->market.source, sizeof a->market.source, a->source);
        a->changed_from = 0;
    }
    if (a->market.until_ns == until_ns)
        return;
    int64_t from_ns = until_ns < a->market.until_ns ? until_ns : a->market.until_ns;
    int32_t from = from_ns > 0 ? calendar_date(from_ns) : 0;
    if (from < a->changed_from)
        a->changed_from = from;
    a->market.until_ns = until_ns;
}

static struct closes *closes_of(struct state *s, const char *account, const char *strategy, bool make)
{
    struct key k = { 0 };
    key_text(&k, account);
    key_text(&k, strategy);
    void **slot = make ? keymap_put(&s->closes, &k) : keymap_find(&s->closes, &k);
    if (slot && !*slot)
        *slot = must_alloc(1, sizeof(struct closes));
    return slot ? *slot : NULL;
}

/* False: it was known. */
static bool add_close(struct state *s, const struct new_close *c)
{
    struct closes *all = closes_of(s, c->account, c->strategy, true);
    for (size_t i = all->count; i > 0; i--)
        if (all->dates[i - 1] == c->date)
            return false;
    all->dates = must_realloc(all->dates, all->count + 1, sizeof *all->dates);
    all->dates[all->count++] = c->date;
    struct account_state *a = account_of(s, c->account);
    if (c->date > a->last_close)
        a->last_close = c->date;
    if (c->date > s->last_close)
        s->last_close = c->date;
    return true;
}

static bool is_same(const struct position_snapshot *a, const struct position_snapshot *b)
{
    return a->quantity == b->quantity && a->average_price == b->average_price && a->market_price == b->market_price &&
           a->market_value == b->market_value && a->realized_pnl == b->realized_pnl &&
           a->unrealized_pnl == b->unrealized_pnl;
}

/* Plans a snapshot when the one on record says something else. */
static void note_snapshot(struct state *s, const struct holding *h, int32_t date)
{
    struct position_snapshot now;
    struct session session;
    bool is_told = holding_view_at(h, date, &now);
    struct snapshot *known = snapshot_of(s, date, &now, is_told);
    if (!known || !calendar_session(date, &session) || (known->row.timestamp && is_same(&known->row, &now)))
        return;
    known->row = now;
    known->row.timestamp = session.close_ns;
    if (!known->is_due)
        list_add(&s->due_snapshots, known);
    known->is_due = true;
}

/* What a holding was at closes from a date on may have changed. */
static void note_from(struct state *s, const struct holding *h, int32_t date)
{
    const struct closes *c = date <= s->last_close ? closes_of(s, h->account, h->strategy, false) : NULL;
    for (size_t i = 0; c && i < c->count; i++)
        if (c->dates[i] >= date)
            note_snapshot(s, h, c->dates[i]);
}

static void note_closes(struct state *s)
{
    for (size_t i = 0; i < s->new_closes.count; i++) {
        const struct new_close *c = s->new_closes.items[i];
        if (!add_close(s, c))
            continue;
        for (size_t n = 0; n < s->book.count; n++)
            if (strcmp(s->book.list[n]->account, c->account) == 0 &&
                strcmp(s->book.list[n]->strategy, c->strategy) == 0)
                note_snapshot(s, s->book.list[n], c->date);
    }
}

static void note_marks(struct state *s)
{
    for (size_t i = 0; i < s->new_marks.count; i++) {
        const struct new_mark *m = s->new_marks.items[i];
        for (size_t n = 0; n < s->book.count; n++)
            if (s->book.list[n]->mark == m->mark)
                note_from(s, s->book.list[n], m->date);
    }
}

static void note_accounts(struct state *s)
{
    for (size_t i = 0; i < s->touched_accounts.count; i++) {
        struct account_state *a = s->touched_accounts.items[i];
        for (size_t n = 0; n < s->book.count && a->changed_from <= a->last_close; n++)
            if (s->book.list[n]->market == &a->market)
                note_from(s, s->book.list[n], a->changed_from);
        a->changed_from = INT32_MAX;
        a->is_touched = false;
    }
    s->touched_accounts.count = 0;
}

static void forget(struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    l->count = 0;
}

static void publish(struct state *s)
{
    pthread_rwlock_wrlock(&s->lock);
    for (size_t i = 0; i < s->touched.count; i++)
        publish_order(s, s->touched.items[i]);
    for (size_t i = 0; i < s->new_fills.count; i++)
        publish_fill(s, s->new_fills.items[i]);
    for (size_t i = 0; i < s->new_runs.count; i++)
        publish_run(s, s->new_runs.items[i]);
    for (size_t i = 0; i < s->new_bars.count; i++) {
        struct minute_bar *bar = s->new_bars.items[i];
        struct mark *mark = mark_of(s, bar->symbol);
        int32_t date = calendar_date(bar->timestamp);
        if (mark_bar(mark, bar) && date <= s->last_close) {
            struct new_mark *new_mark = must_alloc(1, sizeof *new_mark);
            *new_mark = (struct new_mark){ mark, date };
            list_add(&s->new_marks, new_mark);
        }
        later(&s->last_bar, bar->timestamp);
    }
    for (size_t i = 0; i < s->new_errors.count; i++)
        publish_error(s, s->new_errors.items[i]);
    for (size_t i = 0; i < s->touched_accounts.count; i++)
        publish_account(s->touched_accounts.items[i]);
    pthread_rwlock_unlock(&s->lock);
    forget(&s->new_bars);
    s->touched.count = s->new_fills.count = s->new_runs.count = s->new_errors.count = 0;
}

/* Who but the writer changes the book? So it is read here without the lock. */
void state_publish(struct state *s)
{
    struct list fills = s->new_fills;
    size_t fills_count = fills.count;
    publish(s);
    for (size_t i = 0; i < fills_count && s->last_close; i++) {
        const struct fill *f = fills.items[i];
        note_from(s, book_find(&s->book, f->order), calendar_date(f->timestamp));
    }
    note_marks(s);
    note_accounts(s);
    note_closes(s);
    forget(&s->new_marks);
    forget(&s->new_closes);
}

void state_loaded(struct state *s)
{
    for (size_t i = 0; i < s->touched.count; i++)
        note_version(s, s->touched.items[i]);
    for (size_t i = 0; i < s->new_closes.count; i++)
        add_close(s, s->new_closes.items[i]);
    forget(&s->new_closes);
    publish(s);
    forget(&s->new_marks);
    note_accounts(s);
    for (size_t i = 0; i < s->book.count; i++)
        note_from(s, s->book.list[i], 0);
}

size_t state_versions(const struct state *s, const struct order **versions)
{
    *versions = s->versions;
    return s->versions_count;
}

void state_versions_taken(struct state *s)
{
    s->versions_count = 0;
}

size_t state_snapshots(const struct state *s, const struct position_snapshot *const **snapshots)
{
    *snapshots = (const struct position_snapshot *const *)s->due_snapshots.items; /* the row is its first member */
    return s->due_snapshots.count;
}

void state_snapshots_taken(struct state *s)
{
    for (size_t i = 0; i < s->due_snapshots.count; i++)
        ((struct snapshot *)s->due_snapshots.items[i])->is_due = false;
    s->due_snapshots.count = 0;
}

/* ---- readers' */

size_t state_orders_named(const struct state *s, const char *id, const struct order *const **orders)
{
    struct key k = { 0 };
    if (strlen(id) >= CLIENT_ORDER_ID_SIZE)
        return 0;
    key_text(&k, id);
    void **slot = keymap_find(&s->names, &k);
    const struct named *n = slot ? *slot : NULL;
    *orders = n ? n->list : NULL;
    return n ? n->count : 0;
}

const struct order_key *state_orders(const struct state *s, size_t *count)
{
    *count = s->orders_count;
    return s->orders;
}

const struct fill *const *state_fills(const struct state *s, size_t *count)
{
    *count = s->fills.count;
    return (const struct fill *const *)s->fills.items;
}

const struct run *const *state_runs(const struct state *s, size_t *count)
{
    *count = s->runs.count;
    return (const struct run *const *)s->runs.items;
}

const struct book *state_book(const struct state *s)
{
    return &s->book;
}

const struct mark *state_mark(const struct state *s, const char *symbol)
{
    struct key k = { 0 };
    if (strlen(symbol) >= SYMBOL_SIZE)
        return NULL;
    key_text(&k, symbol);
    void **slot = keymap_find(&s->marks, &k);
    return slot ? *slot : NULL;
}

const struct market *state_market(const struct state *s, const char *account)
{
    struct key k = { 0 };
    key_text(&k, account);
    void **slot = keymap_find(&s->accounts, &k);
    assert(slot); /* whoever has a fill is known */
    return &((const struct account_state *)*slot)->market;
}

const struct config_error *state_config_error(const struct state *s, const struct run *r)
{
    struct key k = { 0 };
    key_text(&k, r->run_id);
    void **slot = keymap_find(&s->errors, &k);
    const struct config_error *e = slot ? *slot : NULL;
    return e && *e->text && e->timestamp >= r->config_changed_at ? e : NULL;
}

const char *state_import_begun(const struct state *s)
{
    return s->import.timestamp && s->import.status == IMPORT_BEGUN ? s->import.archive : NULL;
}

int64_t state_last_bar(const struct state *s)
{
    return s->last_bar;
}
