/* reads.c - GET: orders, fills, positions, P&L and runs from memory; bars, equity, decisions and events from
 * the database. A page from memory is written while the state is held for reading: at most LIMIT_MAX items. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "core/base.h"

extern const char openapi_yaml[], openapi_yaml_end[]; /* api/openapi.yaml, by openapi.c */

enum { AWAY_RETRY_S = 2 };

/* Keys of lists in memory: their byte order is the order of the list. */
static void time_key(char out[CURSOR_KEY_SIZE], int64_t time_ns, const char *a, const char *b)
{
    snprintf(out, CURSOR_KEY_SIZE, "%020" PRId64 "\n%s\n%s", time_ns, a, b);
}

static void fill_key(const struct fill *f, char out[CURSOR_KEY_SIZE])
{
    snprintf(out, CURSOR_KEY_SIZE, "%020" PRId64 "\n%s\n%020" PRId64 "\n%s", f->timestamp, f->order->account,
             f->filled_quantity, f->execution_id);
}

static void order_key(const struct order_key *o, char out[CURSOR_KEY_SIZE])
{
    time_key(out, o->first_at, o->order->account, o->order->client_order_id);
}

/* ---- fills */

static void fill_view(const struct fill *f, struct fill_view *out)
{
    const struct order *o = f->order;
    *out = (struct fill_view){ .side = o->side, .quantity = f->quantity, .price = f->price, .fee = f->fee,
                               .timestamp = f->timestamp };
    text_copy(out->execution_id, sizeof out->execution_id, f->execution_id);
    text_copy(out->order_id, sizeof out->order_id, o->order_id);
    text_copy(out->client_order_id, sizeof out->client_order_id, o->client_order_id);
    text_copy(out->account, sizeof out->account, o->account);
    text_copy(out->strategy, sizeof out->strategy, o->strategy);
    text_copy(out->run_id, sizeof out->run_id, o->run_id);
    text_copy(out->symbol, sizeof out->symbol, o->symbol);
}

static bool order_matches(const struct filter *f, const struct order *o)
{
    return words_match(&f->account, o->account) && words_match(&f->strategy, o->strategy) &&
           words_match(&f->symbol, o->symbol) && words_match(&f->run_id, o->run_id) &&
           words_match(&f->order_id, o->order_id);
}

/* The first fill of the page. */
static size_t fills_from(const struct fill *const *fills, size_t count, const struct filter *f)
{
    char key[CURSOR_KEY_SIZE];
    size_t low = 0;
    while (low < count) {
        size_t middle = (low + count) / 2;
        fill_key(fills[middle], key);
        if (fills[middle]->timestamp < f->start || (*f->after && strcmp(key, f->after) <= 0))
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

void get_fills(struct call *c)
{
    struct page page;
    size_t count;
    page_begin(&page, c, &fill_view_table);
    state_read(c->api->state);
    const struct fill *const *fills = state_fills(c->api->state, &count);
    for (size_t i = fills_from(fills, count, &c->filter); i < count && fills[i]->timestamp < c->filter.end; i++) {
        struct fill_view view;
        char key[CURSOR_KEY_SIZE];
        if (!order_matches(&c->filter, fills[i]->order))
            continue;
        fill_view(fills[i], &view);
        fill_key(fills[i], key);
        if (!page_add(&page, &view, key))
            break;
    }
    state_read_done(c->api->state);
    page_end(&page);
}

/* ---- orders */

static size_t orders_from(const struct order_key *orders, size_t count, const struct filter *f)
{
    char key[CURSOR_KEY_SIZE];
    size_t low = 0;
    while (low < count) {
        size_t middle = (low + count) / 2;
        order_key(&orders[middle], key);
        if (orders[middle].first_at < f->start || (*f->after && strcmp(key, f->after) <= 0))
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

void get_orders(struct call *c)
{
    struct page page;
    size_t count;
    page_begin(&page, c, &order_table);
    state_read(c->api->state);
    const struct order_key *orders = state_orders(c->api->state, &count);
    for (size_t i = orders_from(orders, count, &c->filter); i < count && orders[i].first_at < c->filter.end; i++) {
        char key[CURSOR_KEY_SIZE];
        const struct order *o = orders[i].order;
        if (!order_matches(&c->filter, o) || !words_match(&c->filter.status, order_status_names[o->status]))
            continue;
        order_key(&orders[i], key);
        if (!page_add(&page, o, key))
            break;
    }
    state_read_done(c->api->state);
    page_end(&page);
}

/* By the broker's id or ours. Both are the broker's or the engine's choice, so two accounts may share one. */
void get_order(struct call *c)
{
    const struct order *found = NULL, *const *orders;
    size_t matches = 0;
    state_read(c->api->state);
    size_t count = state_orders_named(c->api->state, c->id, &orders);
    for (size_t i = 0; i < count; i++) {
        const struct order *o = orders[i];
        if ((strcmp(o->order_id, c->id) != 0 && strcmp(o->client_order_id, c->id) != 0) ||
            !words_match(&c->filter.account, o->account))
            continue;
        found = o;
        matches++;
    }
    if (matches == 1)
        reply_one(c, &order_table, found);
    state_read_done(c->api->state);
    if (matches == 0)
        problem(c, 404, NULL, "there is no order %s", c->id);
    else if (matches > 1)
        problem(c, 409, NULL, "%zu accounts have an order %s: say which with ?account=", matches, c->id);
}

/* ---- positions and P&L */

/* The book of all fills, or of some runs' only: built in own, to be cleared. The state is held for reading. */
static const struct book *book_of(struct call *c, struct book *own)
{
    size_t count;
    if (!c->filter.run_id.count)
        return state_book(c->api->state);
    const struct fill *const *fills = state_fills(c->api->state, &count);
    for (size_t i = 0; i < count; i++)
        if (words_match(&c->filter.run_id, fills[i]->order->run_id))
            book_add(own, fills[i], state_mark(c->api->state, fills[i]->order->symbol),
                     state_market(c->api->state, fills[i]->order->account));
    return own;
}

static bool holding_matches(const struct filter *f, const struct holding *h)
{
    return words_match(&f->account, h->account) && words_match(&f->strategy, h->strategy) &&
           words_match(&f->symbol, h->symbol);
}

void get_positions(struct call *c)
{
    struct page page;
    struct book own = { 0 };
    page_begin(&page, c, &position_view_table);
    state_read(c->api->state);
    const struct book *book = book_of(c, &own);
    for (size_t i = 0; i < book->count; i++) {
        const struct holding *h = book->list[i];
        struct position_snapshot view;
        char key[CURSOR_KEY_SIZE];
        snprintf(key, sizeof key, "%s\n%s\n%s", h->account, h->strategy, h->symbol);
        if (!holding_matches(&c->filter, h) || (h->now.qty == 0 && !c->filter.flat) ||
            strcmp(key, c->filter.after) <= 0)
            continue;
        holding_view(h, &view);
        if (!page_add(&page, &view, key))
            break;
    }
    book_clear(&own);
    state_read_done(c->api->state);
    page_end(&page);
}

struct pnl_row {
    struct pnl_view key; /* only the keys, until it is answered */
    struct pnl sum;
};

struct pnl_rows {
    struct pnl_row *list;
    size_t count, room;
};

static void add_pnl(struct pnl_rows *rows, const struct holding *h, const bool *by, int32_t day,
                    const struct pnl *p)
{
    if (rows->count == rows->room) {
        rows->room = rows->room ? rows->room * 2 : 64;
        rows->list = must_realloc(rows->list, rows->room, sizeof *rows->list);
    }
    struct pnl_row *row = &rows->list[rows->count++];
    *row = (struct pnl_row){ .key.day = by[GROUP_DAY] ? day : 0, .sum = *p };
    text_copy(row->key.strategy, sizeof row->key.strategy, by[GROUP_STRATEGY] ? h->strategy : "");
    text_copy(row->key.symbol, sizeof row->key.symbol, by[GROUP_SYMBOL] ? h->symbol : "");
    text_copy(row->key.account, sizeof row->key.account, by[GROUP_ACCOUNT] ? h->account : "");
}

static void pnl_holding(struct pnl_rows *rows, const struct holding *h, const struct filter *f, const bool *by)
{
    if (!by[GROUP_DAY]) {
        struct pnl p = holding_pnl(h, f->start_date, f->end_date);
        add_pnl(rows, h, by, 0, &p);
        return;
    }
    for (int32_t day = f->start_date; (day = holding_next_date(h, day)) && day < f->end_date; day++) {
        struct pnl p = holding_pnl(h, day, day + 1);
        if (p.fills || p.unrealized)
            add_pnl(rows, h, by, day, &p);
    }
}

static int pnl_cmp(const void *left, const void *right)
{
    const struct pnl_view *a = &((const struct pnl_row *)left)->key, *b = &((const struct pnl_row *)right)->key;
    int c = strcmp(a->strategy, b->strategy);
    if (!c)
        c = strcmp(a->symbol, b->symbol);
    if (!c)
        c = (a->day > b->day) - (a->day < b->day);
    return c ? c : strcmp(a->account, b->account);
}

static void pnl_merge(struct pnl_rows *rows)
{
    size_t kept = 0;
    qsort(rows->list, rows->count, sizeof *rows->list, pnl_cmp);
    for (size_t i = 0; i < rows->count; i++) {
        struct pnl_row *from = &rows->list[i], *to = kept ? &rows->list[kept - 1] : NULL;
        if (to && pnl_cmp(to, from) == 0)
            pnl_add(&to->sum, &from->sum);
        else
            rows->list[kept++] = *from;
    }
    rows->count = kept;
}

void get_pnl(struct call *c)
{
    const struct filter *f = &c->filter;
    bool by[GROUP_KEYS] = { [GROUP_STRATEGY] = true };
    bool shown[64], is_beyond = false;
    struct pnl_rows rows = { 0 };
    struct book own = { 0 };
    struct page page;

    if (f->is_grouped)
        memcpy(by, f->group_by, sizeof by);
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        shown[i] = i >= GROUP_KEYS || by[i]; /* the keys are the table's first columns */
    state_read(c->api->state);
    const struct book *book = book_of(c, &own);
    for (size_t i = 0; i < book->count && f->start_date < f->end_date; i++) /* else: backwards, less than nothing */
        if (holding_matches(f, book->list[i]))
            pnl_holding(&rows, book->list[i], f, by);
    book_clear(&own);
    state_read_done(c->api->state);

    if (rows.count)
        pnl_merge(&rows);
    page_begin_some(&page, c, &pnl_view_table, shown);
    for (size_t i = 0; i < rows.count; i++) {
        struct pnl_view *row = &rows.list[i].key;
        struct pnl *sum = &rows.list[i].sum;
        char key[CURSOR_KEY_SIZE];
        snprintf(key, sizeof key, "%s\n%s\n%08d\n%s", row->strategy, row->symbol, row->day, row->account);
        row->total_pnl = pnl_total(sum);
        row->fills = sum->fills;
        row->quantity_traded = sum->traded_qty;
        row->realized_pnl = sum->realized;
        row->unrealized_pnl = sum->unrealized;
        row->fees = sum->fees;
        if (strcmp(key, f->after) <= 0)
            continue;
        is_beyond = sum->is_beyond;
        if (is_beyond || !page_add(&page, row, key))
            break;
    }
    free(rows.list);
    if (is_beyond)
        problem(c, 500, NULL, "a sum does not fit in 64 bits: ask for less at once");
    else
        page_end(&page);
}

/* ---- runs */

static bool run_matches(const struct filter *f, const struct run *r)
{
    return r->started_at >= f->start && r->started_at < f->end && words_match(&f->account, r->account) &&
           words_match(&f->strategy, r->strategy) && words_match(&f->run_id, r->run_id);
}

void get_runs(struct call *c)
{
    struct page page;
    size_t count;
    page_begin(&page, c, &run_table);
    state_read(c->api->state);
    const struct run *const *runs = state_runs(c->api->state, &count);
    for (size_t i = 0; i < count; i++) {
        char key[CURSOR_KEY_SIZE];
        time_key(key, runs[i]->started_at, runs[i]->run_id, "");
        if (!run_matches(&c->filter, runs[i]) || strcmp(key, c->filter.after) <= 0 ||
            !words_match(&c->filter.status, run_status_names[runs[i]->status]))
            continue;
        if (!page_add(&page, runs[i], key))
            break;
    }
    state_read_done(c->api->state);
    page_end(&page);
}

static int by_strategy(const void *left, const void *right)
{
    return strcmp((*(const struct run *const *)left)->strategy, (*(const struct run *const *)right)->strategy);
}

static void strategy_view(const struct state *s, const struct run *r, struct strategy_view *out)
{
    const struct config_error *error = state_config_error(s, r);
    *out = (struct strategy_view){ .run = *r };
    if (!error)
        return;
    out->config_error_at = error->timestamp;
    text_copy(out->config_error, sizeof out->config_error, error->text);
}

/* An instance is known from its runs; its latest says how it stands. */
void get_strategies(struct call *c)
{
    struct page page;
    size_t count, kept = 0;
    page_begin(&page, c, &strategy_view_table);
    state_read(c->api->state);
    const struct run *const *runs = state_runs(c->api->state, &count);
    const struct run **latest = must_alloc(count ? count : 1, sizeof *latest);
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        if (!run_matches(&c->filter, runs[i]))
            continue;
        while (n < kept && strcmp(latest[n]->strategy, runs[i]->strategy) != 0)
            n++;
        latest[n] = runs[i];
        kept += n == kept;
    }
    qsort(latest, kept, sizeof *latest, by_strategy);
    for (size_t i = 0; i < kept; i++) {
        struct strategy_view view;
        if (strcmp(latest[i]->strategy, c->filter.after) <= 0 ||
            !words_match(&c->filter.status, run_status_names[latest[i]->status]))
            continue;
        strategy_view(c->api->state, latest[i], &view);
        if (!page_add(&page, &view, latest[i]->strategy))
            break;
    }
    free(latest);
    state_read_done(c->api->state);
    page_end(&page);
}

void get_strategy(struct call *c)
{
    struct strategy_view view;
    size_t count;
    bool found = false;
    state_read(c->api->state);
    const struct run *const *runs = state_runs(c->api->state, &count);
    while (count > 0 && !found) {
        const struct run *r = runs[--count];
        found = strcmp(r->strategy, c->id) == 0 && words_match(&c->filter.account, r->account);
        if (found)
            strategy_view(c->api->state, r, &view);
    }
    state_read_done(c->api->state);
    if (found)
        reply_one(c, &strategy_view_table, &view);
    else
        problem(c, 404, NULL, "there is no instance %s", c->id);
}

/* ---- from the database */

struct rows {
    struct page page;
    const struct table *table;
};

static bool add_row(void *ctx, const void *record)
{
    struct rows *r = ctx;
    char key[CURSOR_KEY_SIZE];
    record_key(r->table, record, key, sizeof key);
    page_add(&r->page, record, key);
    return true;
}

/* Once more when the connection turns out to be a dead one: begin makes the reply empty again. */
static bool list(struct call *c, const struct table *t, size_t limit, void (*begin)(struct call *c, void *ctx),
                 db_record *row, void *ctx, struct err *err)
{
    for (int tries = 2; ; ) {
        struct db *db = db_pool_take(c->api->readers, err);
        if (!db)
            return false;
        c->reply.size = 0;
        begin(c, ctx);
        bool ok = db_list(db, t, &c->filter, limit, true, row, ctx, err);
        bool again = !ok && db_is_lost(db) && --tries > 0;
        db_pool_give(c->api->readers, db);
        if (!again)
            return ok;
    }
}

static void refuse(struct call *c, const struct err *err)
{
    c->retry_after_s = err->code == ERR_IO ? AWAY_RETRY_S : 0;
    problem(c, err->code == ERR_IO ? 503 : err->code == ERR_INPUT ? 400 : 500, NULL, "database: %s", err->text);
}

static void begin_rows(struct call *c, void *ctx)
{
    struct rows *r = ctx;
    page_begin(&r->page, c, r->table);
}

void get_rows(struct call *c)
{
    struct rows rows = { .table = c->arg };
    struct err err;
    if (list(c, rows.table, c->filter.limit + 1, begin_rows, add_row, &rows, &err))
        page_end(&rows.page);
    else
        refuse(c, &err);
}

/* The database does not know events by their order: memory knows when the order lived. */
void get_order_events(struct call *c)
{
    struct filter *f = &c->filter;
    int64_t from = INT64_MAX, to = INT64_MIN;
    if (f->order_id.count) {
        state_read(c->api->state);
        for (size_t i = 0; i < f->order_id.count; i++) {
            const struct order *const *orders;
            size_t count = state_orders_named(c->api->state, f->order_id.texts[i], &orders);
            for (size_t n = 0; n < count; n++) {
                from = orders[n]->submitted_at < from ? orders[n]->submitted_at : from;
                to = orders[n]->updated_at > to ? orders[n]->updated_at : to;
            }
        }
        state_read_done(c->api->state);
        from = from > DAY_NS ? from - DAY_NS : 0; /* an event may be dated before what it says of the submission */
        f->start = from > f->start ? from : f->start;
        f->end = to < f->end ? to + 1000 : f->end; /* the database's microsecond */
    }
    if (f->start < f->end) {
        get_rows(c);
    } else {
        struct page page;
        page_begin(&page, c, c->arg);
        page_end(&page);
    }
}

struct whole_run {
    struct call *call;
    int64_t version; /* 0: none yet */
};

static void begin_run(struct call *c, void *ctx)
{
    *(struct whole_run *)ctx = (struct whole_run){ .call = c };
}

static bool add_run(void *ctx, const void *record)
{
    struct whole_run *w = ctx;
    const struct run *r = record;
    if (r->version > w->version) {
        w->version = r->version;
        w->call->reply.size = 0;
        reply_one(w->call, &run_whole_table, r);
    }
    return true;
}

/* From the database: the text of its configuration is kept nowhere else. */
void get_run(struct call *c)
{
    struct whole_run whole;
    struct err err;
    if (strlen(c->id) < UUID_SIZE) {
        c->filter.run_id.texts[0] = c->id;
        c->filter.run_id.count = 1;
        if (!list(c, &run_whole_table, 0, begin_run, add_run, &whole, &err)) {
            refuse(c, &err);
            return;
        }
        if (whole.version)
            return;
    }
    problem(c, 404, NULL, "there is no run %s", c->id);
}

/* Without a range: the last date there are bars of (of the symbols asked for). */
void get_bars(struct call *c)
{
    struct filter *f = &c->filter;
    if (f->start == INT64_MIN && f->end == INT64_MAX) {
        int32_t date = 0;
        state_read(c->api->state);
        if (!f->symbol.count && state_last_bar(c->api->state))
            date = calendar_date(state_last_bar(c->api->state));
        for (size_t i = 0; i < f->symbol.count; i++) {
            const struct mark *m = state_mark(c->api->state, f->symbol.texts[i]);
            if (m && mark_last_date(m) > date)
                date = mark_last_date(m);
        }
        state_read_done(c->api->state);
        if (date)
            f->start = calendar_ns(date, 0);
    }
    get_rows(c);
}

/* ---- about the server */

static void reply_text(struct call *c, const char *type, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void reply_text(struct call *c, const char *type, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->status = 200;
    c->content_type = type;
    buffer_text(&c->reply, text);
}

void get_healthz(struct call *c)
{
    reply_text(c, "application/json", "{\"status\":\"ok\"}");
}

void get_readyz(struct call *c)
{
    struct err err;
    char suspended[64] = "";
    if (!writer_is_well(c->api->writer, &err)) {
        problem(c, 503, NULL, "writer: %s", err.text);
        return;
    }
    if (!record_is_whole(c))
        return;
    struct db *db = db_pool_take(c->api->readers, &err);
    bool ok = db && db_suspended(db, suspended, sizeof suspended, &err);
    if (db)
        db_pool_give(c->api->readers, db);
    if (!ok)
        problem(c, 503, NULL, "database: %s", err.text);
    else if (*suspended)
        problem(c, 503, NULL, "database: table %s is suspended", suspended);
    else
        reply_text(c, "application/json", "{\"status\":\"ready\"}");
}

void get_version(struct call *c)
{
    reply_text(c, "application/json", "{\"name\":\"bell-api\",\"version\":\"%s\"}", BELL_VERSION);
}

void get_openapi(struct call *c)
{
    c->status = 200;
    c->content_type = "application/yaml";
    buffer_add(&c->reply, openapi_yaml, (size_t)(openapi_yaml_end - openapi_yaml));
}
