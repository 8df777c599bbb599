/* runner.c - see runner.h.
 *
 * Pointers into the tables do not survive a call into a plugin (an order may grow them): after each such call
 * rows are looked up again by number. */
#include "engine/runner.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/config.h"
#include "engine/slab.h"

struct subscriber { /* a copy of what the hot path needs, in order of the symbol */
    void (*on_bar)(void *, const struct strategy_host *, int, const struct bar *);
    void (*on_quote)(void *, const struct strategy_host *, int, const struct quote *);
    void *state;
    const struct strategy_host *host;
    int symbol;
    bool extended;
};

struct runner_symbol {
    char name[SYMBOL_SIZE];
    struct price last, session_open, regular_close, previous_close;
    struct quote quote;
    bool has_quote;
    bool broker_known;
    int64_t seen_ns;            /* end of the latest bar or time of the latest quote */
    int64_t bar_ns;             /* end of the latest bar that was given to strategies */
    int64_t net;                /* sum of the books */
    int64_t foreign;            /* held at the broker, nobody's here */
    int64_t broker_qty;
    size_t from, count;         /* in subscribers */
};

struct intent {
    int instance, symbol;
    int64_t id;
    enum side side;
    int64_t qty, filled, unsent;
    enum order_type type;
    enum time_in_force tif;
    struct price limit;
    enum order_status status;   /* what the strategy was told */
    enum order_status end;      /* how its last part ended; ORDER_INTENT while all is well */
    bool by_engine, cancel_wanted, told_new, deferred;
    int live;                   /* parts not final */
    char reason[ACTION_TEXT_SIZE];
};

struct instance {
    struct runner *runner;
    int index;
    const struct instance_config *config;
    const struct strategy_plugin *plugin;
    void *state;
    struct strategy_host host;
    int symbols[SYMBOLS_MAX];
    struct position books[SYMBOLS_MAX];
    enum instance_status status;
    bool closing, closing_queue;
    int64_t close_retry_ns;
    int64_t sessions_done;
    int32_t sequence_date;
    int64_t sequence;
    int64_t minute_ns, minute_orders;
    int64_t session_equity;     /* when the session began */
    int32_t worth_date;         /* restored: session_equity of that date */
    int64_t worth_micros;
    bool lost;                  /* max_loss was reached: no entries for the rest of the session */
    bool catching_up;           /* it is given bars that are over: nothing is sent */
    bool caught_up;
    int64_t seen[SYMBOLS_MAX];  /* restored: end of the latest bar its state knows */
};

enum { DUTY_LOST = -2 }; /* in records of duties: the loss limit was reached */
enum due_kind { DUE_OPEN, DUE_DUTY, DUE_FLAT, DUE_CLOSE };
struct due {
    int64_t time_ns;
    enum due_kind kind;
    int instance, duty, row;
};
struct past {
    int symbol;
    struct bar bar;
};
struct fired { /* not to be fired again */
    int32_t date;
    int instance, duty, row;
};

struct runner {
    int64_t now_ns, next_ns, ends_ns, retry_ns;
    bool dirty, settling, started;
    struct session session;
    struct runner_symbol *symbols;
    int symbols_count;
    struct subscriber *subscribers;
    struct instance **instances;
    int instances_count;
    struct due *agenda;
    size_t agenda_count, agenda_max, agenda_next;
    struct past *history;       /* of the session this start fell into */
    size_t history_count, history_max;
    struct fired *fired;
    size_t fired_count, fired_max;
    struct slab intents, parts;
    struct action *actions;
    size_t actions_count, actions_max;
    char frozen[ACTION_TEXT_SIZE];
    bool stopping;              /* all positions are being closed for good */
};

static void settle(struct runner *r);
static void close_step(struct runner *r, struct instance *in);
static void try_end(struct runner *r, struct instance *in);

/* ---- actions */

static struct action *push(struct runner *r, enum action_kind kind, int instance)
{
    if (r->actions_count == r->actions_max) {
        r->actions_max = r->actions_max ? 2 * r->actions_max : 64;
        r->actions = must_realloc(r->actions, r->actions_max, sizeof *r->actions);
    }
    struct action *a = &r->actions[r->actions_count++];
    a->kind = kind;
    a->instance = instance;
    a->symbol = a->part = a->duty = a->row = -1;
    a->date = r->session.date;
    a->time_ns = r->now_ns;
    a->qty = 0;
    a->price = PRICE_NONE;
    a->status = ORDER_INTENT;
    a->text[0] = '\0';
    return a;
}

const struct action *runner_actions(const struct runner *r, size_t *count)
{
    *count = r->actions_count;
    return r->actions;
}

void runner_actions_clear(struct runner *r)
{
    r->actions_count = 0;
}

/* Cut to fit, and a line: these texts are for people. */
static void text_line(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; text && text[n] && n + 1 < size; n++)
        out[n] = (unsigned char)text[n] < ' ' ? ' ' : text[n];
    out[n] = '\0';
}

static void decide(struct runner *r, int instance, int symbol, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void decide(struct runner *r, int instance, int symbol, const char *fmt, ...)
{
    char text[ACTION_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct action *a = push(r, ACTION_DECISION, instance);
    a->symbol = symbol;
    text_line(a->text, sizeof a->text, text);
}

/* ---- tables */

static struct intent *intent_at(const struct runner *r, int intent)
{
    return slab_row(&r->intents, intent);
}

static struct part *part_at(const struct runner *r, int part)
{
    return slab_row(&r->parts, part);
}

/* Orders that ended are kept a session longer, for late and repeated news. */
static void forget_ended(struct runner *r, int32_t before)
{
    for (int i = 0; i < r->parts.count; i++)
        if (part_at(r, i)->used && part_at(r, i)->state == PART_FINAL && part_at(r, i)->date < before) {
            part_at(r, i)->used = false;
            slab_give(&r->parts, i);
        }
}

bool runner_is_part(const struct runner *r, int part)
{
    return part >= 0 && part < r->parts.count && part_at(r, part)->used;
}

const struct part *runner_part(const struct runner *r, int part)
{
    assert(part >= 0 && part < r->parts.count && part_at(r, part)->used);
    return part_at(r, part);
}

void runner_client_order_id(const struct runner *r, int part, char out[CLIENT_ORDER_ID_SIZE])
{
    const struct part *p = runner_part(r, part);
    struct client_order_id id = { .date = p->date, .sequence = p->sequence };
    text_copy(id.instance, sizeof id.instance, r->instances[p->instance]->config->name);
    client_order_id_format(&id, out);
}

int runner_find(const struct runner *r, const char *client_order_id)
{
    struct client_order_id id;
    if (!client_order_id_parse(client_order_id, &id))
        return -1;
    for (int i = 0; i < r->parts.count; i++) {
        const struct part *p = part_at(r, i);
        if (p->used && p->date == id.date && p->sequence == id.sequence &&
            strcmp(r->instances[p->instance]->config->name, id.instance) == 0)
            return i;
    }
    return -1;
}

const int *runner_open_parts(const struct runner *r, size_t *count)
{
    *count = r->parts.open_count;
    return r->parts.open;
}

/* ---- looking */

int runner_symbols_count(const struct runner *r)
{
    return r->symbols_count;
}

const char *runner_symbol_name(const struct runner *r, int symbol)
{
    return r->symbols[symbol].name;
}

int runner_symbol(const struct runner *r, const char *name)
{
    for (int i = 0; i < r->symbols_count; i++)
        if (strcmp(r->symbols[i].name, name) == 0)
            return i;
    return -1;
}

int64_t runner_now_ns(const struct runner *r)
{
    return r->now_ns;
}

int64_t runner_next_ns(const struct runner *r)
{
    return r->next_ns;
}

const struct session *runner_session(const struct runner *r)
{
    return &r->session;
}

int runner_instances_count(const struct runner *r)
{
    return r->instances_count;
}

int runner_instance(const struct runner *r, const char *name)
{
    for (int i = 0; i < r->instances_count; i++)
        if (strcmp(r->instances[i]->config->name, name) == 0)
            return i;
    return -1;
}

void runner_view(const struct runner *r, int instance, struct instance_view *out)
{
    const struct instance *in = r->instances[instance];
    memset(out, 0, sizeof *out);
    out->config = in->config;
    out->status = in->status;
    out->sessions_done = in->sessions_done;
    out->closing = in->closing;
    out->state = in->state;
    out->cash_micros = in->config->capital;
    for (int i = 0; i < in->host.symbols_count; i++) {
        const struct position *p = &in->books[i];
        struct price last = r->symbols[in->symbols[i]].last;
        int64_t value = p->qty == 0 ? 0 : price_is_set(last) ? position_value_micros(p, last) : p->cost_micros;
        out->cash_micros += p->realized_micros - p->cost_micros - p->fees_micros;
        out->equity_micros += value;
        out->exposure_micros += value < 0 ? -value : value;
        out->fills += p->fills;
    }
    out->equity_micros += out->cash_micros;
}

const struct position *runner_book(const struct runner *r, int instance, int symbol)
{
    return &r->instances[instance]->books[symbol];
}

int64_t runner_net(const struct runner *r, int symbol)
{
    return r->symbols[symbol].net;
}

static bool has_position(const struct instance *in)
{
    for (int i = 0; i < in->host.symbols_count; i++)
        if (in->books[i].qty != 0)
            return true;
    return false;
}

static bool has_open_intent(const struct runner *r, int instance)
{
    for (size_t i = 0; i < r->intents.open_count; i++)
        if (intent_at(r, r->intents.open[i])->instance == instance)
            return true;
    return false;
}

int64_t runner_held(const struct runner *r)
{
    int64_t held = 0;
    for (int i = 0; i < r->instances_count; i++)
        for (int k = 0; k < r->instances[i]->host.symbols_count; k++)
            held += llabs(r->instances[i]->books[k].qty);
    return held;
}

bool runner_is_flat(const struct runner *r, int instance)
{
    return !has_position(r->instances[instance]) && !has_open_intent(r, instance);
}

bool runner_all_ended(const struct runner *r)
{
    for (int i = 0; i < r->instances_count; i++)
        if (r->instances[i]->status != INSTANCE_ENDED)
            return false;
    return true;
}

/* ---- what a strategy sees (struct strategy_host) */

static int64_t host_now_ns(void *self)
{
    return ((struct instance *)self)->runner->now_ns;
}

static const struct session *host_session(void *self)
{
    return &((struct instance *)self)->runner->session;
}

static bool is_last_session(const struct runner *r, const struct instance *in)
{
    return in->config->days && (in->sessions_done + 1 >= in->config->days || (r->ends_ns && r->session.close_ns >= r->ends_ns));
}

static bool host_is_last_session(void *self)
{
    const struct instance *in = self;
    return is_last_session(in->runner, in);
}

static const struct runner_symbol *symbol_of(const struct instance *in, int symbol)
{
    static const struct runner_symbol none = { .last = PRICE_NONE, .session_open = PRICE_NONE,
                                               .regular_close = PRICE_NONE, .previous_close = PRICE_NONE };
    if (symbol < 0 || symbol >= in->host.symbols_count)
        return &none;
    return &in->runner->symbols[in->symbols[symbol]];
}

static int64_t host_position(void *self, int symbol)
{
    const struct instance *in = self;
    return symbol >= 0 && symbol < in->host.symbols_count ? in->books[symbol].qty : 0;
}

static struct price host_last_price(void *self, int symbol)
{
    return symbol_of(self, symbol)->last;
}

static struct price host_session_open(void *self, int symbol)
{
    return symbol_of(self, symbol)->session_open;
}

static struct price host_previous_close(void *self, int symbol)
{
    return symbol_of(self, symbol)->previous_close;
}

static bool host_quote(void *self, int symbol, struct quote *out)
{
    const struct runner_symbol *s = symbol_of(self, symbol);
    if (s->has_quote)
        *out = s->quote;
    return s->has_quote;
}

static void host_decide(void *self, int symbol, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void host_decide(void *self, int symbol, const char *fmt, ...)
{
    const struct instance *in = self;
    char text[ACTION_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (in->catching_up)
        return;
    struct action *a = push(in->runner, ACTION_DECISION, in->index);
    a->symbol = symbol >= 0 && symbol < in->host.symbols_count ? in->symbols[symbol] : -1;
    text_line(a->text, sizeof a->text, text);
}

static void host_log(void *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void host_log(void *self, const char *fmt, ...)
{
    const struct instance *in = self;
    char text[ACTION_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!in->catching_up)
        text_line(push(in->runner, ACTION_LOG, in->index)->text, ACTION_TEXT_SIZE, text);
}

/* ---- orders: from intents to parts */

/* Shares of open intents of an instance in a symbol (the runner's number), by side. */
static void pending(const struct runner *r, int instance, int symbol, int64_t out[2])
{
    out[SIDE_BUY] = out[SIDE_SELL] = 0;
    for (size_t i = 0; i < r->intents.open_count; i++) {
        const struct intent *t = intent_at(r, r->intents.open[i]);
        if (t->instance == instance && t->symbol == symbol)
            out[t->side] += t->qty - t->filled;
    }
}

static int64_t next_sequence(struct runner *r, struct instance *in)
{
    if (in->sequence_date != r->session.date) {
        in->sequence_date = r->session.date;
        in->sequence = 0;
    }
    return ++in->sequence;
}

static void part_send(struct runner *r, int part)
{
    part_at(r, part)->state = PART_NEW;
    part_at(r, part)->retry = false;
    part_at(r, part)->retry_ns = INT64_MAX;
    part_at(r, part)->tries++;
    struct action *a = push(r, ACTION_ORDER, part_at(r, part)->instance);
    a->part = part;
    a->symbol = part_at(r, part)->symbol;
}

static void part_create(struct runner *r, int intent, int64_t qty)
{
    int i = slab_take(&r->parts);
    struct intent *t = intent_at(r, intent);
    struct part *p = part_at(r, i);
    p->used = true;
    p->instance = t->instance;
    p->symbol = t->symbol;
    p->intent = intent;
    p->date = r->session.date;
    p->sequence = next_sequence(r, r->instances[t->instance]);
    if (t->id == 0)
        t->id = (int64_t)p->date * 1000000 + p->sequence;
    p->intent_id = t->id;
    p->intent_qty = t->qty;
    p->side = t->side;
    p->type = t->type;
    p->tif = t->tif;
    p->limit = t->limit;
    p->by_engine = t->by_engine;
    p->qty = qty;
    p->status = ORDER_INTENT;
    p->created_ns = r->now_ns;
    text_line(p->reason, sizeof p->reason, t->reason);
    t->unsent -= qty;
    t->live++;
    part_send(r, i);
}

/* The next part of an intent. An auction has no "after the fill": both parts go at once. */
static void intent_send(struct runner *r, int intent)
{
    do {
        struct intent *t = intent_at(r, intent);
        const struct runner_symbol *s = &r->symbols[t->symbol];
        int64_t closing = 0;
        for (size_t i = 0; i < r->parts.open_count; i++) {
            const struct part *p = part_at(r, r->parts.open[i]);
            if (p->symbol == t->symbol && p->side == t->side)
                closing += p->qty - p->filled;
        }
        part_create(r, intent, router_first_part(s->net + s->foreign, closing, t->side, t->unsent));
    } while (intent_at(r, intent)->unsent > 0 && intent_at(r, intent)->tif != TIF_DAY);
}

static int intent_create(struct runner *r, struct instance *in, int symbol, const struct strategy_order *o,
                         bool by_engine)
{
    int i = slab_take(&r->intents);
    struct intent *t = intent_at(r, i);
    t->instance = in->index;
    t->symbol = symbol;
    t->side = o->side;
    t->qty = t->unsent = o->qty;
    t->type = o->type;
    t->tif = o->tif;
    t->limit = o->type == ORDER_LIMIT ? o->limit : PRICE_NONE;
    t->status = t->end = ORDER_INTENT;
    t->by_engine = by_engine;
    text_line(t->reason, sizeof t->reason, o->reason);
    intent_send(r, i);
    return i;
}

static void intent_tell(struct runner *r, int intent, enum order_status status, const char *reason)
{
    const struct intent *t = intent_at(r, intent);
    struct instance *in = r->instances[t->instance];
    if (t->by_engine || !in->plugin->on_order || in->status == INSTANCE_ENDED)
        return;
    int own = 0;
    while (in->symbols[own] != t->symbol)
        own++;
    struct strategy_order_update u = {
        .order_id = t->id, .symbol = own, .side = t->side, .status = status,
        .qty = t->qty, .filled_qty = t->filled, .reason = reason ? reason : "",
    };
    in->plugin->on_order(in->state, &in->host, &u);
}

static void intent_end(struct runner *r, int intent)
{
    struct intent *t = intent_at(r, intent);
    struct instance *in = r->instances[t->instance];
    enum order_status status = t->filled == t->qty ? ORDER_FILLED : t->end == ORDER_INTENT ? ORDER_CANCELED : t->end;
    char reason[ACTION_TEXT_SIZE];
    text_line(reason, sizeof reason, t->reason);

    t->status = status;
    slab_close(&r->intents, intent);
    if (t->by_engine && status != ORDER_FILLED) {
        in->close_retry_ns = r->now_ns + MINUTE_NS; /* no storm against a broker that refuses */
        decide(r, in->index, t->symbol, "closing order %s: %s", order_status_names[status], reason);
    }
    intent_tell(r, intent, status, reason);
    slab_give(&r->intents, intent);
    r->dirty = true;
}

static void part_final(struct runner *r, int part, enum order_status status, const char *reason)
{
    struct part *p = part_at(r, part);
    int intent = p->intent;
    struct intent *t = intent_at(r, intent);

    p->state = PART_FINAL;
    p->status = status;
    slab_close(&r->parts, part);
    struct action *a = push(r, ACTION_FINAL, p->instance);
    a->part = part;
    a->symbol = p->symbol;
    a->status = status;
    a->qty = p->filled;
    text_line(a->text, sizeof a->text, reason);

    for (size_t i = 0; i < r->parts.open_count; i++) { /* what waits for this symbol may go again */
        struct part *w = part_at(r, r->parts.open[i]);
        if (w->symbol == p->symbol && w->state == PART_WAITING)
            w->retry = true;
    }
    r->dirty = true;

    t->live--;
    if (status != ORDER_FILLED) {
        t->end = status;
        t->unsent = 0;
        text_line(t->reason, sizeof t->reason, reason);
    } else if (t->cancel_wanted) {
        t->unsent = 0;
    }
    if (t->unsent > 0 && t->live == 0)
        intent_send(r, intent);
    else if (t->live == 0)
        intent_end(r, intent);
}

static int64_t bounded(const struct runner *r, int symbol, int64_t held);

static bool order_is_sound(const struct instance *in, const struct strategy_order *o, char why[RISK_REASON_SIZE])
{
    const char *wrong = !o                                                   ? "there is no order"
                      : o->symbol < 0 || o->symbol >= in->host.symbols_count ? "there is no such symbol"
                      : o->qty <= 0                                          ? "the quantity is not above 0"
                      : o->side != SIDE_BUY && o->side != SIDE_SELL          ? "there is no such side"
                      : o->type != ORDER_MARKET && o->type != ORDER_LIMIT    ? "there is no such type"
                      : o->tif != TIF_DAY && o->tif != TIF_OPG && o->tif != TIF_CLS ? "there is no such time in force"
                      : o->type == ORDER_LIMIT && !price_is_set(o->limit)    ? "a limit order needs a limit"
                                                                             : NULL;
    if (wrong)
        snprintf(why, RISK_REASON_SIZE, "%s", wrong);
    return !wrong;
}

static bool may_send(struct runner *r, struct instance *in, const struct strategy_order *o, char why[RISK_REASON_SIZE])
{
    if (!order_is_sound(in, o, why))
        return false;
    if (in->status == INSTANCE_ENDED || in->closing || r->stopping || !r->started) {
        snprintf(why, RISK_REASON_SIZE, "%s", in->status == INSTANCE_ENDED ? "the run is over"
                                              : !r->started               ? "the market is not there yet"
                                                                          : "the engine is closing the position");
        return false;
    }
    int symbol = in->symbols[o->symbol];
    const struct runner_symbol *s = &r->symbols[symbol];
    int64_t minute = r->now_ns - r->now_ns % MINUTE_NS;
    if (in->minute_ns != minute) {
        in->minute_ns = minute;
        in->minute_orders = 0;
    }
    struct risk_request q = {
        .side = o->side, .qty = o->qty, .type = o->type, .limit = o->limit,
        .quantity = in->config->quantity, .capital_micros = in->config->capital,
        .position = in->books[o->symbol].qty, .orders_this_minute = in->minute_orders,
        .last = s->last, .age_ns = r->now_ns - s->seen_ns,
        .frozen = r->frozen[0] ? r->frozen : in->status == INSTANCE_ENDING ? "the last session is over" : NULL,
    };
    int64_t sides[2];
    pending(r, in->index, symbol, sides);
    q.pending_buy = sides[SIDE_BUY];
    q.pending_sell = sides[SIDE_SELL];
    for (int i = 0; i < in->host.symbols_count; i++) {
        const struct runner_symbol *other = &r->symbols[in->symbols[i]];
        int64_t worth, shares;
        if (i == o->symbol)
            continue;
        pending(r, in->index, in->symbols[i], sides);
        int64_t up = in->books[i].qty + sides[SIDE_BUY], down = -in->books[i].qty + sides[SIDE_SELL];
        shares = up > down ? up : down;
        if (shares > 0 && (!price_is_set(other->last) || !price_times(other->last, shares, &worth) ||
                           __builtin_add_overflow(q.others_micros, worth, &q.others_micros)))
            q.others_micros = INT64_MAX;
    }
    if (in->lost && !q.frozen)
        q.frozen = "the session's loss limit was reached";
    int64_t there = bounded(r, symbol, q.position);
    if (there < o->qty && llabs(q.position) > there && risk_is_reducing(&q)) {
        snprintf(why, RISK_REASON_SIZE, "the broker holds only %" PRId64 " of the shares: somebody else closed the rest", there);
        return false;
    }
    return risk_check(&in->config->risk, &q, why);
}

static int64_t host_order(void *self, const struct strategy_order *o)
{
    struct instance *in = self;
    struct runner *r = in->runner;
    char why[RISK_REASON_SIZE];

    if (in->catching_up)
        return -1;
    if (!may_send(r, in, o, why)) {
        decide(r, in->index, o && o->symbol >= 0 && o->symbol < in->host.symbols_count ? in->symbols[o->symbol] : -1,
               "order refused: %s", why);
        return -1;
    }
    in->minute_orders++;
    int intent = intent_create(r, in, in->symbols[o->symbol], o, false);
    return intent_at(r, intent)->id;
}

static void intent_cancel(struct runner *r, int intent)
{
    struct intent *t = intent_at(r, intent);
    if (t->cancel_wanted)
        return;
    t->cancel_wanted = true;
    for (size_t i = 0; i < r->parts.open_count; i++) {
        struct part *p = part_at(r, r->parts.open[i]);
        if (p->intent != intent || p->cancel_wanted)
            continue;
        p->cancel_wanted = true;
        if (p->state == PART_WAITING || p->state == PART_LATER)
            r->dirty = true; /* not at the broker: settle ends it, never from inside the strategy's call */
        else
            push(r, ACTION_CANCEL, p->instance)->part = r->parts.open[i];
    }
}

static bool host_cancel(void *self, int64_t order_id)
{
    struct instance *in = self;
    struct runner *r = in->runner;
    for (size_t i = 0; i < r->intents.open_count && !in->catching_up; i++) {
        const struct intent *t = intent_at(r, r->intents.open[i]);
        if (t->instance == in->index && t->id == order_id && !t->by_engine) {
            intent_cancel(r, r->intents.open[i]);
            return true;
        }
    }
    return false;
}

static struct position *book_of(struct runner *r, int instance, int symbol)
{
    struct instance *in = r->instances[instance];
    int own = 0;
    while (in->symbols[own] != symbol)
        own++;
    return &in->books[own];
}

/* An exit at the market must not wait behind an order of another instance that may rest for hours (an auction's, a
 * limit): that one is canceled, and its owner does what it declares for this. */
static void make_way(struct runner *r, int part, enum side blocking)
{
    const struct part *p = part_at(r, part);
    int64_t held = book_of(r, p->instance, p->symbol)->qty * -side_sign(p->side);
    if (p->type != ORDER_MARKET || p->tif != TIF_DAY || held < p->qty - p->filled)
        return;
    for (size_t i = 0; i < r->parts.open_count; i++) {
        const struct part *other = part_at(r, r->parts.open[i]);
        if (other->symbol != p->symbol || other->instance == p->instance || other->side != blocking ||
            other->state != PART_WORKING || other->cancel_wanted || (other->type == ORDER_MARKET && other->tif == TIF_DAY))
            continue;
        decide(r, other->instance, other->symbol, "canceled: it stands in the way of an exit of %s",
               r->instances[p->instance]->config->name);
        intent_cancel(r, other->intent);
    }
}

/* ---- the broker's answers */

void runner_reply(struct runner *r, int part, enum route route, const char *reason, int64_t pause_ns)
{
    assert(part >= 0 && part < r->parts.count && part_at(r, part)->used);
    struct part *p = part_at(r, part);
    if (p->state != PART_NEW) /* the stream was faster */
        return;
    switch (route) {
    case ROUTE_ACCEPTED:
        p->state = PART_WORKING;
        break;
    case ROUTE_WAIT:
        make_way(r, part, router_blocking_side(p->side, reason));
        p = part_at(r, part);
        /* fall through */
    case ROUTE_LATER:
        if (p->tries >= ROUTE_TRIES_MAX || r->now_ns - p->created_ns > ROUTE_WAIT_MAX_NS) {
            part_final(r, part, ORDER_REJECTED, reason);
            break;
        }
        p->state = route == ROUTE_WAIT ? PART_WAITING : PART_LATER;
        p->retry_ns = r->now_ns + (route == ROUTE_WAIT ? MINUTE_NS : pause_ns > ROUTE_LATER_NS ? pause_ns : ROUTE_LATER_NS);
        r->dirty = true;
        break;
    case ROUTE_REJECTED:
    case ROUTE_LOOKUP: /* nobody could find out: as if it had never left */
        part_final(r, part, ORDER_REJECTED, reason);
        break;
    }
    settle(r);
}

/* Price of what is new: told by the execution, or from the averages when executions were missed. */
static bool news_price(const struct part *p, const struct runner_update *u, int64_t news, struct price *out)
{
    if (u->fill_qty == news && price_is_set(u->fill_price)) {
        *out = u->fill_price;
        return true;
    }
    if (!price_is_set(u->average))
        return false;
    __int128 value = (__int128)u->average.micros * u->filled_qty - p->value_micros;
    *out = (struct price){ (int64_t)((value + (value >= 0 ? news / 2 : -news / 2)) / news) };
    return true;
}

static void book_fee(struct runner *r, int part, int64_t fee_micros)
{
    struct part *p = part_at(r, part);
    if (fee_micros == 0)
        return;
    book_of(r, p->instance, p->symbol)->fees_micros += fee_micros;
    p->fees_micros += fee_micros;
    struct action *a = push(r, ACTION_FEE, p->instance);
    a->part = part;
    a->symbol = p->symbol;
    a->qty = p->fees_micros;
}

void runner_fee(struct runner *r, int part, int64_t fees_micros)
{
    assert(part >= 0 && part < r->parts.count && part_at(r, part)->used);
    part_at(r, part)->fee_due = false;
    book_fee(r, part, fees_micros - part_at(r, part)->fees_micros);
}

/* false: a sum the books cannot hold; nothing changed. */
static bool part_filled(struct runner *r, int part, int64_t news, struct price price, int64_t fee_micros, int64_t time_ns)
{
    struct part *p = part_at(r, part);
    struct instance *in = r->instances[p->instance];
    struct runner_symbol *s = &r->symbols[p->symbol];
    struct position *book = book_of(r, p->instance, p->symbol);
    int own = (int)(book - in->books);
    int64_t value;
    if (!price_times(price, news, &value) || __builtin_add_overflow(p->value_micros, value, &value) ||
        !position_apply(book, p->side, news, price, 0))
        return false;
    p->value_micros = value;
    p->filled += news;
    s->net += side_sign(p->side) * news;
    s->broker_qty += side_sign(p->side) * news;
    intent_at(r, p->intent)->filled += p->state == PART_FINAL ? 0 : news;
    struct action *a = push(r, ACTION_FILL, p->instance);
    a->part = part;
    a->symbol = p->symbol;
    a->qty = p->filled;
    a->price = price;
    book_fee(r, part, fee_micros);
    for (size_t i = 0; i < r->parts.open_count; i++) {
        struct part *w = part_at(r, r->parts.open[i]);
        if (w->symbol == p->symbol && w->state == PART_WAITING)
            w->retry = true;
    }
    r->dirty = true;
    if (in->plugin->on_fill && in->status != INSTANCE_ENDED)
        in->plugin->on_fill(in->state, &in->host, &(struct strategy_fill){
            .order_id = p->intent_id, .symbol = own, .side = p->side, .qty = news, .price = price,
            .time_ns = time_ns });
    return true;
}

bool runner_update(struct runner *r, int part, const struct runner_update *u)
{
    assert(part >= 0 && part < r->parts.count && part_at(r, part)->used);
    struct part *p = part_at(r, part);
    struct price price = PRICE_NONE;
    int64_t news = u->filled_qty - p->filled;

    if (u->filled_qty > p->qty || (news > 0 && !news_price(p, u, news, &price)))
        return false;
    if (u->broker_id && !p->broker_id[0])
        text_copy(p->broker_id, sizeof p->broker_id, u->broker_id);
    if (p->state == PART_NEW || p->state == PART_WAITING || p->state == PART_LATER)
        p->state = PART_WORKING; /* it is there */
    if (news > 0) {
        bool told = u->fill_qty == news;
        p->fee_due = p->fee_due || !told;
        if (!part_filled(r, part, news, price, told ? u->fee_micros : 0, u->time_ns))
            return false;
    }

    p = part_at(r, part);
    if (p->state == PART_FINAL || news < 0) {
        settle(r);
        return true;
    }
    if (order_status_is_final(u->status) || p->filled == p->qty) {
        part_final(r, part, p->filled == p->qty ? ORDER_FILLED : u->status, u->reason);
    } else {
        int intent = p->intent;
        p->status = u->status;
        if (!intent_at(r, intent)->told_new) {
            intent_at(r, intent)->told_new = true;
            intent_tell(r, intent, ORDER_NEW, "");
        }
    }
    settle(r);
    return true;
}

/* Takes what the part has filled out of its book, and puts in what it has filled after all. */
static bool correct_book(struct runner *r, struct part *p, int64_t filled, struct price average)
{
    struct position *book = book_of(r, p->instance, p->symbol), was = *book;
    int64_t value = 0;
    if (filled < 0 || filled > p->qty || (filled > 0 && (!price_is_set(average) || !price_times(average, filled, &value))))
        return false;
    if (p->filled > 0)
        position_apply(book, side_opposite(p->side), p->filled, (struct price){ p->value_micros / p->filled }, 0);
    if (filled > 0 && !position_apply(book, p->side, filled, average, 0)) {
        *book = was;
        return false;
    }
    int64_t news = side_sign(p->side) * (filled - p->filled);
    r->symbols[p->symbol].net += news;
    r->symbols[p->symbol].broker_qty += news;
    if (p->state != PART_FINAL)
        intent_at(r, p->intent)->filled += filled - p->filled;
    p->filled = filled;
    p->value_micros = value;
    return true;
}

bool runner_correct(struct runner *r, int part, int64_t filled, struct price average, int64_t time_ns)
{
    struct part *p = part_at(r, part);
    struct instance *in = r->instances[p->instance];
    int64_t before = p->filled;
    struct price was = { before ? p->value_micros / before : 0 };
    if (!correct_book(r, p, filled, average))
        return false;
    struct action *a = push(r, ACTION_CORRECT, p->instance);
    a->part = part;
    a->symbol = p->symbol;
    a->qty = filled;
    a->price = average;
    decide(r, p->instance, p->symbol, "the broker corrected order %" PRId64 ": %" PRId64 " shares filled, not %" PRId64, p->intent_id,
           filled, before);
    r->dirty = true;
    if (filled != before && in->plugin->on_fill && in->status != INSTANCE_ENDED) {
        bool gone = filled < before;
        in->plugin->on_fill(in->state, &in->host, &(struct strategy_fill){
            .order_id = p->intent_id, .symbol = (int)(book_of(r, p->instance, p->symbol) - in->books),
            .side = gone ? side_opposite(p->side) : p->side, .qty = gone ? before - filled : filled - before,
            .price = gone ? was : average, .time_ns = time_ns });
    }
    settle(r);
    return true;
}

/* ---- closing what is left */

/* Is all that is open on its way out already, by plain market orders that come to exactly nothing? */
static bool is_leaving(const struct runner *r, const struct instance *in)
{
    for (size_t i = 0; i < r->intents.open_count; i++) {
        const struct intent *t = intent_at(r, r->intents.open[i]);
        if (t->instance == in->index && (t->type != ORDER_MARKET || t->tif != TIF_DAY || t->cancel_wanted))
            return false;
    }
    for (int i = 0; i < in->host.symbols_count; i++) {
        int64_t sides[2];
        pending(r, in->index, in->symbols[i], sides);
        if ((sides[SIDE_BUY] && sides[SIDE_SELL]) || in->books[i].qty + sides[SIDE_BUY] - sides[SIDE_SELL] != 0)
            return false;
    }
    return true;
}

/* How many of the instance's shares may be closed: no more than the broker really holds in that direction
 * after what the instances before it close. */
static int64_t bounded(const struct runner *r, int symbol, int64_t held)
{
    const struct runner_symbol *s = &r->symbols[symbol];
    if (!s->broker_known || (held > 0) != (s->net > 0))
        return llabs(held);
    int64_t there = s->net > 0 ? s->broker_qty : -s->broker_qty;
    int64_t missing = llabs(s->net) - (there > 0 ? there : 0);
    return missing <= 0 ? llabs(held) : missing >= llabs(held) ? 0 : llabs(held) - missing;
}

/* Market order for the next open: in the auction while its window is open, otherwise a day order. */
static enum time_in_force queue_tif(int64_t now_ns)
{
    int second = calendar_second_of_day(now_ns);
    return second >= 19 * 3600 || second < 9 * 3600 + 27 * 60 ? TIF_OPG : TIF_DAY;
}

static void close_step(struct runner *r, struct instance *in)
{
    if (!in->closing || in->status == INSTANCE_ENDED)
        return;
    if (has_open_intent(r, in->index)) {
        if (is_leaving(r, in))
            return;
        for (size_t i = 0; i < r->intents.open_count; i++) {
            int intent = r->intents.open[i];
            if (intent_at(r, intent)->instance == in->index && !intent_at(r, intent)->by_engine)
                intent_cancel(r, intent);
        }
        return;
    }
    if (!has_position(in)) {
        if (!r->stopping) {
            in->closing = false;
            decide(r, in->index, -1, "flat: the engine closed what was left");
        }
        return;
    }
    bool open = r->now_ns >= r->session.open_ns && r->now_ns < r->session.close_ns;
    if (r->now_ns < in->close_retry_ns || (!open && !in->closing_queue))
        return;
    in->close_retry_ns = r->now_ns + MINUTE_NS;
    for (int i = 0; i < in->host.symbols_count; i++) {
        int64_t held = in->books[i].qty;
        int64_t qty = bounded(r, in->symbols[i], held);
        if (qty > 0)
            intent_create(r, in, in->symbols[i], &(struct strategy_order){
                .symbol = i, .side = held > 0 ? SIDE_SELL : SIDE_BUY, .qty = qty, .type = ORDER_MARKET,
                .tif = open ? TIF_DAY : queue_tif(r->now_ns), .limit = PRICE_NONE,
                .reason = "the engine closes what is left" }, true);
    }
    r->dirty = true;
}

/* ---- settle: everything that follows from what just happened, never from inside a strategy's call */

static void retry_parts(struct runner *r)
{
    for (size_t i = 0; i < r->parts.open_count; i++) {
        int part = r->parts.open[i];
        struct part *p = part_at(r, part);
        if (p->state != PART_WAITING && p->state != PART_LATER)
            continue;
        if (p->cancel_wanted) {
            part_final(r, part, ORDER_CANCELED, "canceled before it reached the broker");
            i = (size_t)-1; /* the list changed: from the start */
        } else if (p->retry || p->retry_ns <= r->now_ns) {
            part_send(r, part);
        }
    }
}

static void next_due(struct runner *r)
{
    int64_t next = r->agenda_next < r->agenda_count ? r->agenda[r->agenda_next].time_ns : INT64_MAX;
    for (size_t i = 0; i < r->parts.open_count; i++) {
        const struct part *p = part_at(r, r->parts.open[i]);
        if ((p->state == PART_WAITING || p->state == PART_LATER) && p->retry_ns < next)
            next = p->retry_ns;
    }
    for (int i = 0; i < r->instances_count; i++) {
        const struct instance *in = r->instances[i];
        if (in->closing && in->close_retry_ns > r->now_ns && in->close_retry_ns < next && has_position(in) &&
            !has_open_intent(r, i))
            next = in->close_retry_ns;
    }
    r->next_ns = next;
}

static void settle(struct runner *r)
{
    if (r->settling || !r->started || !r->dirty)
        return;
    r->settling = true;
    while (r->dirty) {
        r->dirty = false;
        retry_parts(r);
        for (int i = 0; i < r->instances_count; i++) {
            close_step(r, r->instances[i]);
            try_end(r, r->instances[i]);
        }
    }
    r->settling = false;
    next_due(r);
}

/* ---- the schedule */

static void subscribe(struct runner *r)
{
    size_t count = 0;
    for (int s = 0; s < r->symbols_count; s++) {
        r->symbols[s].from = count;
        for (int i = 0; i < r->instances_count; i++) {
            struct instance *in = r->instances[i];
            for (int k = 0; k < in->host.symbols_count && in->status != INSTANCE_ENDED; k++)
                if (in->symbols[k] == s && (in->plugin->on_bar || in->plugin->on_quote))
                    r->subscribers[count++] = (struct subscriber){
                        .on_bar = in->plugin->on_bar, .on_quote = in->plugin->on_quote, .state = in->state,
                        .host = &in->host, .symbol = k, .extended = in->plugin->extended_bars };
        }
        r->symbols[s].count = count - r->symbols[s].from;
    }
}

void runner_rest(struct runner *r, int instance)
{
    struct instance *in = r->instances[instance];
    if (in->plugin->stop)
        in->plugin->stop(in->state, &in->host);
    in->status = INSTANCE_ENDED;
}

void runner_end(struct runner *r, int instance, const char *status, const char *why)
{
    struct instance *in = r->instances[instance];
    if (in->status == INSTANCE_ENDED)
        return;
    if (in->plugin->stop)
        in->plugin->stop(in->state, &in->host);
    in->status = INSTANCE_ENDED;
    in->closing = false;
    struct action *a = push(r, ACTION_END, instance);
    snprintf(a->text, sizeof a->text, "%s: %s", status, why);
    subscribe(r);
}

static void try_end(struct runner *r, struct instance *in)
{
    if (in->status == INSTANCE_ENDING && runner_is_flat(r, in->index))
        runner_end(r, in->index, "finished", "its sessions are over");
}

static bool was_fired(const struct runner *r, int instance, int duty, int row)
{
    for (size_t i = 0; i < r->fired_count; i++) {
        const struct fired *f = &r->fired[i];
        if (f->date == r->session.date && f->instance == instance && f->duty == duty && f->row == row)
            return true;
    }
    return false;
}

static void fired_add(struct runner *r, int instance, int32_t date, int duty, int row)
{
    if (r->fired_count == r->fired_max) {
        r->fired_max = r->fired_max ? 2 * r->fired_max : 64;
        r->fired = must_realloc(r->fired, r->fired_max, sizeof *r->fired);
    }
    r->fired[r->fired_count++] = (struct fired){ .date = date, .instance = instance, .duty = duty, .row = row };
}

static void due_add(struct runner *r, struct due due)
{
    if (r->agenda_count == r->agenda_max) {
        r->agenda_max = r->agenda_max ? 2 * r->agenda_max : 64;
        r->agenda = must_realloc(r->agenda, r->agenda_max, sizeof *r->agenda);
    }
    r->agenda[r->agenda_count++] = due;
}

/* A row of a timetable is known by its time: the table may change. */
static int row_name(const struct runner *r, const struct due *due)
{
    return due->row < 0 ? -1 : (int)((due->time_ns - r->session.open_ns) / (SECOND_NS / 1000));
}

static void duty_add(struct runner *r, int instance, int duty, int row, struct session_time at)
{
    int64_t time_ns = session_time_ns(&r->session, at);
    struct due due = { .time_ns = time_ns, .kind = DUE_DUTY, .instance = instance, .duty = duty, .row = row };
    if (was_fired(r, instance, duty, row_name(r, &due)))
        return;
    if (time_ns >= r->session.close_ns) {
        char text[SESSION_TIME_TEXT_SIZE];
        session_time_format(at, text);
        decide(r, instance, -1, "%s (%s) lies after this session's close: left out",
               r->instances[instance]->plugin->duties[duty].name, text);
        return;
    }
    due_add(r, due);
}

/* The row of a timetable that holds now; -1: none has begun. */
static int row_now(const struct runner *r, const struct timetable *table)
{
    int now = -1;
    for (int row = 0; row < table->count; row++) {
        int64_t at = session_time_ns(&r->session, table->rows[row].from);
        if (at <= r->now_ns && (now < 0 || at >= session_time_ns(&r->session, table->rows[now].from)))
            now = row;
    }
    return now;
}

/* Of rows whose time has passed only the one that holds: the others are no news any more. */
static void duties_add(struct runner *r, struct instance *in, int duty)
{
    const struct strategy_duty *d = &in->plugin->duties[duty];
    const void *at = (const char *)in->state + d->at;
    const struct timetable *table = at;
    if (!d->is_timetable) {
        duty_add(r, in->index, duty, -1, *(const struct session_time *)at);
        return;
    }
    int now = row_now(r, table);
    for (int row = 0; row < table->count; row++)
        if (row == now || session_time_ns(&r->session, table->rows[row].from) > r->now_ns)
            duty_add(r, in->index, duty, row, table->rows[row].from);
}

static int by_time(const void *a, const void *b)
{
    const struct due *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->instance != y->instance)
        return x->instance < y->instance ? -1 : 1;
    if (x->duty != y->duty)
        return x->duty < y->duty ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void plan(struct runner *r)
{
    r->agenda_count = r->agenda_next = 0;
    for (int i = 0; i < r->instances_count; i++) {
        struct instance *in = r->instances[i];
        const struct strategy_plugin *plugin = in->plugin;
        if (in->status == INSTANCE_ENDED)
            continue;
        struct instance_view v;
        runner_view(r, i, &v);
        in->session_equity = in->worth_date == r->session.date ? in->worth_micros : v.equity_micros;
        in->lost = was_fired(r, i, DUTY_LOST, -1);
        if (!was_fired(r, i, -1, -1))
            due_add(r, (struct due){ .time_ns = r->session.open_ns, .kind = DUE_OPEN, .instance = i });
        for (size_t d = 0; d < plugin->duties_count && in->status == INSTANCE_RUNNING; d++)
            duties_add(r, in, (int)d);
        due_add(r, (struct due){ .time_ns = r->session.close_ns - MINUTE_NS, .kind = DUE_FLAT, .instance = i });
        due_add(r, (struct due){ .time_ns = r->session.close_ns, .kind = DUE_CLOSE, .instance = i });
    }
    if (r->agenda_count)
        qsort(r->agenda, r->agenda_count, sizeof *r->agenda, by_time);
}

static bool is_regular(const struct runner *r, const struct bar *bar)
{
    return bar->open_time_ns >= r->session.open_ns && bar->open_time_ns < r->session.close_ns;
}

/* A bar that is over, for an instance's indicators. */
static void on_past_bar(struct runner *r, struct instance *in, int own, const struct bar *bar)
{
    int64_t now = r->now_ns, end = bar->open_time_ns + MINUTE_NS;
    in->catching_up = end <= now - MINUTE_NS;
    if (in->catching_up)
        r->now_ns = end;
    in->plugin->on_bar(in->state, &in->host, own, bar);
    in->catching_up = false;
    r->now_ns = now;
}

/* What an instance missed of this session while nobody ran it. */
static void catch_up(struct runner *r, struct instance *in)
{
    int64_t now = r->now_ns;
    in->caught_up = true;
    for (size_t i = 0; i < r->history_count && in->plugin->on_bar; i++) {
        const struct past *p = &r->history[i];
        int64_t end = p->bar.open_time_ns + MINUTE_NS;
        int own = 0;
        while (own < in->host.symbols_count && in->symbols[own] != p->symbol)
            own++;
        if (own == in->host.symbols_count || end <= in->seen[own] || end > now ||
            (!is_regular(r, &p->bar) && !in->plugin->extended_bars))
            continue;
        in->seen[own] = end;
        on_past_bar(r, in, own, &p->bar);
    }
}

static void due_fire(struct runner *r, const struct due *due)
{
    struct instance *in = r->instances[due->instance];
    const struct strategy_plugin *plugin = in->plugin;
    int64_t late = r->now_ns - due->time_ns;
    struct action *a;

    if (in->status == INSTANCE_ENDED)
        return;
    switch (due->kind) {
    case DUE_OPEN:
        fired_add(r, due->instance, r->session.date, -1, -1);
        a = push(r, ACTION_DUTY, due->instance);
        a->qty = late;
        a->price = (struct price){ in->session_equity };
        snprintf(a->text, sizeof a->text, "session open");
        if (in->status == INSTANCE_ENDING)
            in->closing = true; /* what did not get out in its last session */
        in->close_retry_ns = 0;
        if (in->status == INSTANCE_RUNNING && plugin->on_session_open)
            plugin->on_session_open(in->state, &in->host);
        if (in->status == INSTANCE_RUNNING)
            catch_up(r, in);
        break;
    case DUE_DUTY:
        fired_add(r, due->instance, r->session.date, due->duty, row_name(r, due));
        a = push(r, ACTION_DUTY, due->instance);
        a->duty = due->duty;
        a->row = row_name(r, due);
        a->qty = late;
        snprintf(a->text, sizeof a->text, "%s", plugin->duties[due->duty].name);
        plugin->on_duty(in->state, &in->host, due->duty, late);
        break;
    case DUE_FLAT:
        if (!runner_is_flat(r, due->instance) && !in->closing &&
            (is_last_session(r, in) || !plugin->holds_overnight || !plugin->holds_overnight(in->state))) {
            in->closing = true;
            in->close_retry_ns = 0;
            decide(r, due->instance, -1, "close-1m and not flat: the engine closes what is left");
        }
        break;
    case DUE_CLOSE:
        if (in->status == INSTANCE_RUNNING) {
            if (plugin->on_session_close)
                plugin->on_session_close(in->state, &in->host);
            if (is_last_session(r, in))
                in->status = INSTANCE_ENDING;
            in->sessions_done++;
            push(r, ACTION_SESSION, due->instance)->qty = in->sessions_done;
        }
        break;
    }
    r->dirty = true;
}

/* The session is over for everyone: the next one becomes the present. */
static void next_session(struct runner *r)
{
    struct session next;
    for (int i = 0; i < r->symbols_count; i++) {
        struct runner_symbol *s = &r->symbols[i];
        if (price_is_set(s->regular_close))
            s->previous_close = s->regular_close;
        s->session_open = s->regular_close = PRICE_NONE;
    }
    if (!calendar_next(&r->session, &next)) { /* the calendar's end */
        r->agenda_count = r->agenda_next = 0;
        return;
    }
    forget_ended(r, r->session.date);
    r->history_count = 0;
    r->fired_count = 0;
    r->session = next;
    plan(r);
}

/* ---- another configuration */

static bool duty_moves(const struct instance *in, int duty, const void *params)
{
    for (size_t i = 0; i < in->plugin->params_count; i++) {
        const struct setting *p = &in->plugin->params[i];
        if (p->hot && p->offset == in->plugin->duties[duty].at && !setting_is_same(p, in->state, params))
            return true;
    }
    return false;
}

/* Takes what is planned of a duty off the agenda, and lets the row that holds now fire once more. */
static void duty_drop(struct runner *r, struct instance *in, int duty)
{
    size_t kept = r->agenda_next, fired = 0;
    for (size_t i = r->agenda_next; i < r->agenda_count; i++) {
        const struct due *due = &r->agenda[i];
        if (due->kind != DUE_DUTY || due->instance != in->index || due->duty != duty)
            r->agenda[kept++] = *due;
    }
    r->agenda_count = kept;
    for (size_t i = 0; i < r->fired_count && in->plugin->duties[duty].is_timetable; i++)
        if (r->fired[i].instance != in->index || r->fired[i].duty != duty)
            r->fired[fired++] = r->fired[i];
    if (in->plugin->duties[duty].is_timetable)
        r->fired_count = fired;
}

void runner_change(struct runner *r, int instance, const struct instance_config *config)
{
    struct instance *in = r->instances[instance];
    const struct strategy_plugin *plugin = in->plugin;
    bool planned = r->started && in->status == INSTANCE_RUNNING, changed = in->host.quantity != config->quantity;
    bool *moves = must_alloc(plugin->duties_count + 1, sizeof *moves);
    for (size_t d = 0; d < plugin->duties_count; d++)
        moves[d] = duty_moves(in, (int)d, config->params);
    for (size_t i = 0; i < plugin->params_count; i++) {
        const struct setting *p = &plugin->params[i];
        if (!p->hot || setting_is_same(p, in->state, config->params))
            continue;
        memcpy((char *)in->state + p->offset, (const char *)config->params + p->offset, p->size);
        changed = true;
    }
    in->config = config;
    in->host.symbols = config->symbols.names;
    in->host.quantity = config->quantity;
    for (size_t d = 0; d < plugin->duties_count && planned; d++)
        if (moves[d]) {
            duty_drop(r, in, (int)d);
            duties_add(r, in, (int)d);
        }
    free(moves);
    if (r->agenda_count > r->agenda_next)
        qsort(&r->agenda[r->agenda_next], r->agenda_count - r->agenda_next, sizeof *r->agenda, by_time);
    if (changed && in->status != INSTANCE_ENDED && plugin->on_params)
        plugin->on_params(in->state, &in->host);
    r->dirty = true;
    settle(r);
    if (r->started)
        next_due(r);
}

/* stepping: no time was told, each thing due sets it. */
static void fire_until(struct runner *r, int64_t limit_ns, bool stepping)
{
    if (!stepping && limit_ns > r->now_ns)
        r->now_ns = limit_ns;
    r->dirty = true;
    settle(r); /* retries whose time has come */
    while (r->agenda_next < r->agenda_count && r->agenda[r->agenda_next].time_ns <= limit_ns) {
        struct due due = r->agenda[r->agenda_next++];
        if (stepping && due.time_ns > r->now_ns)
            r->now_ns = due.time_ns;
        due_fire(r, &due);
        settle(r);
        if (r->agenda_next == r->agenda_count && !runner_all_ended(r))
            next_session(r);
    }
    if (limit_ns > r->now_ns)
        r->now_ns = limit_ns;
    next_due(r);
    if (r->next_ns <= limit_ns) /* a retry within the step: at its end is soon enough */
        r->next_ns = limit_ns + 1;
}

/* ---- the market */

void runner_bar(struct runner *r, int symbol, const struct bar *bar)
{
    struct runner_symbol *s = &r->symbols[symbol];
    int64_t end = bar->open_time_ns + MINUTE_NS;

    if (end <= s->bar_ns) /* known: from the history, or the stream tells it again */
        return;
    if (end > r->next_ns)
        fire_until(r, end - 1, true);
    if (end > r->now_ns)
        r->now_ns = end;
    s->last = bar->close;
    if (end > s->seen_ns)
        s->seen_ns = end;
    s->bar_ns = end;
    bool regular = is_regular(r, bar);
    if (regular) {
        if (!price_is_set(s->session_open))
            s->session_open = bar->open;
        s->regular_close = bar->close;
    }
    const struct subscriber *u = &r->subscribers[s->from], *last = u + s->count;
    for (; u < last; u++)
        if (u->on_bar && (regular || u->extended))
            u->on_bar(u->state, u->host, u->symbol, bar);
    if (r->dirty)
        settle(r);
}

void runner_missed(struct runner *r, int symbol, const struct bar *bar)
{
    struct runner_symbol *s = &r->symbols[symbol];
    int64_t end = bar->open_time_ns + MINUTE_NS;
    bool regular = is_regular(r, bar);
    struct session before;
    if (end <= s->bar_ns || end > r->now_ns)
        return;
    s->bar_ns = end;
    s->last = bar->close;
    if (end > s->seen_ns)
        s->seen_ns = end;
    if (regular && !price_is_set(s->session_open))
        s->session_open = bar->open;
    if (regular)
        s->regular_close = bar->close;
    else if (calendar_previous(&r->session, &before) && bar->open_time_ns >= before.open_ns && bar->open_time_ns < before.close_ns)
        s->previous_close = bar->close;
    const struct subscriber *u = &r->subscribers[s->from], *last = u + s->count;
    for (; u < last; u++)
        if (u->on_bar && (regular || u->extended))
            on_past_bar(r, u->host->self, u->symbol, bar);
    if (r->dirty)
        settle(r);
}

void runner_quote(struct runner *r, int symbol, const struct quote *quote)
{
    struct runner_symbol *s = &r->symbols[symbol];
    if (quote->time_ns > r->next_ns)
        fire_until(r, quote->time_ns - 1, true);
    if (quote->time_ns > r->now_ns)
        r->now_ns = quote->time_ns;
    s->quote = *quote;
    s->has_quote = true;
    if (quote->time_ns > s->seen_ns)
        s->seen_ns = quote->time_ns;
    const struct subscriber *u = &r->subscribers[s->from], *last = u + s->count;
    for (; u < last; u++)
        if (u->on_quote)
            u->on_quote(u->state, u->host, u->symbol, quote);
    if (r->dirty)
        settle(r);
}

/* A loss beyond the limit ends the session for the instance: what it holds is closed. It holds
 * over a restart: it is on record like a duty. */
static void check_losses(struct runner *r)
{
    for (int i = 0; i < r->instances_count; i++) {
        struct instance *in = r->instances[i];
        struct instance_view v;
        if (!in->config->risk.max_loss || in->lost || in->status == INSTANCE_ENDED)
            continue;
        runner_view(r, i, &v);
        if (v.equity_micros - in->session_equity > -in->config->risk.max_loss)
            continue;
        char lost[PRICE_TEXT_MAX];
        price_format((struct price){ in->session_equity - v.equity_micros }, lost);
        in->lost = in->closing = true;
        in->close_retry_ns = 0;
        struct action *a = push(r, ACTION_DUTY, i);
        a->duty = DUTY_LOST;
        snprintf(a->text, sizeof a->text, "loss limit");
        decide(r, i, -1, "lost %s in this session: no more entries, the engine closes what is held", lost);
        r->dirty = true;
    }
}

void runner_time(struct runner *r, int64_t now_ns)
{
    check_losses(r);
    if (now_ns >= r->next_ns)
        fire_until(r, now_ns, false);
    else if (now_ns > r->now_ns)
        r->now_ns = now_ns;
    if (r->dirty)
        settle(r);
}

void runner_clock(struct runner *r, int64_t now_ns)
{
    if (now_ns > r->now_ns)
        r->now_ns = now_ns;
}

void runner_prime(struct runner *r, int symbol, struct price last, struct price session_open,
                  struct price previous_close, int64_t seen_ns)
{
    struct runner_symbol *s = &r->symbols[symbol];
    if (price_is_set(last))
        s->last = last;
    if (price_is_set(session_open)) {
        s->session_open = session_open;
        s->regular_close = last;
    }
    if (price_is_set(previous_close))
        s->previous_close = previous_close;
    if (seen_ns > s->seen_ns)
        s->seen_ns = seen_ns;
}

void runner_history(struct runner *r, int symbol, const struct bar *bar)
{
    if (r->history_count == r->history_max) {
        r->history_max = r->history_max ? 2 * r->history_max : 256;
        r->history = must_realloc(r->history, r->history_max, sizeof *r->history);
    }
    r->history[r->history_count++] = (struct past){ .symbol = symbol, .bar = *bar };
    r->symbols[symbol].bar_ns = bar->open_time_ns + MINUTE_NS;
}

/* ---- control */

void runner_freeze(struct runner *r, const char *why)
{
    text_line(r->frozen, sizeof r->frozen, why);
}

void runner_thaw(struct runner *r)
{
    r->frozen[0] = '\0';
}

const char *runner_frozen(const struct runner *r)
{
    return r->frozen[0] ? r->frozen : NULL;
}

void runner_cancel_all(struct runner *r)
{
    for (size_t i = 0; i < r->intents.open_count; i++)
        intent_cancel(r, r->intents.open[i]);
    r->dirty = true;
    settle(r);
}

void runner_close_all(struct runner *r, bool queue)
{
    r->stopping = true;
    for (int i = 0; i < r->instances_count; i++) {
        struct instance *in = r->instances[i];
        if (in->status == INSTANCE_ENDED)
            continue;
        in->closing = true;
        in->closing_queue = queue;
        in->close_retry_ns = 0;
    }
    r->dirty = true;
    settle(r);
}

void runner_broker_holds(struct runner *r, int symbol, int64_t qty)
{
    r->symbols[symbol].broker_known = true;
    r->symbols[symbol].broker_qty = qty;
}

void runner_broker_agrees(struct runner *r, int symbol)
{
    r->symbols[symbol].broker_known = false;
}

void runner_foreign(struct runner *r, int symbol, int64_t qty)
{
    r->symbols[symbol].foreign = qty;
}

int64_t runner_foreign_qty(const struct runner *r, int symbol)
{
    return r->symbols[symbol].foreign;
}

/* ---- what was before */

int runner_restore_part(struct runner *r, const struct part *old)
{
    int intent = -1;
    for (size_t i = 0; i < r->intents.open_count; i++) {
        const struct intent *t = intent_at(r, r->intents.open[i]);
        if (t->instance == old->instance && t->id == old->intent_id)
            intent = r->intents.open[i];
    }
    if (intent < 0) {
        intent = slab_take(&r->intents);
        struct intent *t = intent_at(r, intent);
        t->instance = old->instance;
        t->symbol = old->symbol;
        t->id = old->intent_id;
        t->side = old->side;
        t->qty = t->unsent = old->intent_qty;
        t->type = old->type;
        t->tif = old->tif;
        t->limit = old->limit;
        t->status = t->end = ORDER_INTENT;
        t->told_new = true;
        t->by_engine = old->by_engine;
        text_line(t->reason, sizeof t->reason, old->reason);
    }
    int part = slab_take(&r->parts);
    *part_at(r, part) = *old;
    part_at(r, part)->used = true;
    part_at(r, part)->state = PART_NEW;
    part_at(r, part)->intent = intent;
    part_at(r, part)->filled = part_at(r, part)->value_micros = part_at(r, part)->fees_micros = 0;
    part_at(r, part)->fee_due = false;
    part_at(r, part)->retry_ns = INT64_MAX;
    intent_at(r, intent)->unsent -= old->qty;
    intent_at(r, intent)->live++;
    runner_restore_sequence(r, old->instance, old->date, old->sequence);
    return part;
}

void runner_restore_fill(struct runner *r, int part, int64_t filled, struct price price)
{
    struct part *p = part_at(r, part);
    int64_t news = filled - p->filled, value;
    if (news <= 0 || filled > p->qty || !position_apply(book_of(r, p->instance, p->symbol), p->side, news, price, 0))
        return;
    if (price_times(price, news, &value))
        p->value_micros += value;
    p->filled = filled;
    p->state = PART_WORKING;
    r->symbols[p->symbol].net += side_sign(p->side) * news;
    intent_at(r, p->intent)->filled += news;
}

void runner_restore_fee(struct runner *r, int part, int64_t fees_micros)
{
    struct part *p = part_at(r, part);
    book_of(r, p->instance, p->symbol)->fees_micros += fees_micros - p->fees_micros;
    p->fees_micros = fees_micros;
}

void runner_restore_correct(struct runner *r, int part, int64_t filled, struct price average)
{
    correct_book(r, part_at(r, part), filled, average);
}

void runner_restore_book(struct runner *r, int instance, int symbol, enum side side, int64_t qty, struct price price)
{
    if (qty > 0 && position_apply(book_of(r, instance, symbol), side, qty, price, 0))
        r->symbols[symbol].net += side_sign(side) * qty;
}

void runner_restore_book_fee(struct runner *r, int instance, int symbol, int64_t fee_micros)
{
    book_of(r, instance, symbol)->fees_micros += fee_micros;
}

void runner_restore_final(struct runner *r, int part, enum order_status status)
{
    struct part *p = part_at(r, part);
    if (p->state == PART_FINAL)
        return;
    struct intent *t = intent_at(r, p->intent);
    p->state = PART_FINAL;
    p->status = status;
    slab_close(&r->parts, part);
    t->live--;
    if (t->live == 0 && (t->filled == t->qty || status != ORDER_FILLED)) {
        slab_close(&r->intents, p->intent);
        slab_give(&r->intents, p->intent);
    }
}

void runner_restore_due(struct runner *r, int instance, int32_t date, int duty, int row)
{
    fired_add(r, instance, date, duty, row);
}

void runner_restore_worth(struct runner *r, int instance, int32_t date, int64_t micros)
{
    r->instances[instance]->worth_date = date;
    r->instances[instance]->worth_micros = micros;
}

bool runner_restore_state(struct runner *r, int instance, const void *state, size_t size)
{
    struct instance *in = r->instances[instance];
    if (size != in->plugin->state_size)
        return false;
    memcpy(in->state, state, size);
    return true;
}

void runner_restore_seen(struct runner *r, int instance, int symbol, int64_t bar_end_ns)
{
    r->instances[instance]->seen[symbol] = bar_end_ns;
}

int64_t runner_seen(const struct runner *r, int instance, int symbol)
{
    const struct instance *in = r->instances[instance];
    int64_t given = r->symbols[in->symbols[symbol]].bar_ns;
    if (r->history_count && !in->caught_up)
        return in->seen[symbol];
    return given > in->seen[symbol] ? given : in->seen[symbol];
}

void runner_restore_sessions(struct runner *r, int instance, int64_t sessions_done)
{
    r->instances[instance]->sessions_done = sessions_done;
}

void runner_restore_sequence(struct runner *r, int instance, int32_t date, int64_t sequence)
{
    struct instance *in = r->instances[instance];
    if (date > in->sequence_date || (date == in->sequence_date && sequence > in->sequence)) {
        in->sequence_date = date;
        in->sequence = sequence;
    }
}

/* ---- birth and death */

struct runner *runner_new(int64_t now_ns, int64_t ends_ns)
{
    struct runner *r = must_alloc(1, sizeof *r);
    r->now_ns = now_ns;
    r->ends_ns = ends_ns;
    r->next_ns = INT64_MAX;
    r->intents.row_size = sizeof(struct intent);
    r->parts.row_size = sizeof(struct part);
    if (!calendar_session_at(now_ns, &r->session)) {
        free(r);
        return NULL;
    }
    return r;
}

static int symbol_add(struct runner *r, const char *name)
{
    int i = runner_symbol(r, name);
    if (i >= 0)
        return i;
    r->symbols = must_realloc(r->symbols, (size_t)r->symbols_count + 1, sizeof *r->symbols);
    struct runner_symbol *s = &r->symbols[r->symbols_count];
    memset(s, 0, sizeof *s);
    text_copy(s->name, sizeof s->name, name);
    s->last = s->session_open = s->regular_close = s->previous_close = PRICE_NONE;
    s->seen_ns = s->bar_ns = INT64_MIN / 2;
    return r->symbols_count++;
}

int runner_add(struct runner *r, const struct instance_config *config, struct err *err)
{
    struct instance *in = must_alloc(1, sizeof *in);
    char why[200] = "it gave no reason";

    in->runner = r;
    in->index = r->instances_count;
    in->config = config;
    in->plugin = config->strategy;
    in->state = must_alloc(1, in->plugin->state_size);
    if (config->params)
        memcpy(in->state, config->params, in->plugin->state_size);
    for (int i = 0; i < config->symbols.count; i++)
        in->symbols[i] = symbol_add(r, config->symbols.names[i]);
    in->host = (struct strategy_host){
        .self = in, .symbols_count = (int)config->symbols.count, .symbols = config->symbols.names,
        .quantity = config->quantity, .capital_micros = config->capital,
        .now_ns = host_now_ns, .session = host_session, .is_last_session = host_is_last_session,
        .position = host_position, .last_price = host_last_price, .session_open = host_session_open,
        .previous_close = host_previous_close, .quote = host_quote, .order = host_order, .cancel = host_cancel,
        .decide = host_decide, .log = host_log,
    };
    r->instances = must_realloc(r->instances, (size_t)r->instances_count + 1, sizeof(struct instance *));
    r->instances[r->instances_count++] = in;
    r->subscribers = must_realloc(r->subscribers, (size_t)r->instances_count * SYMBOLS_MAX, sizeof *r->subscribers);
    if (in->plugin->start && !in->plugin->start(in->state, &in->host, why, sizeof why)) {
        why[sizeof why - 1] = '\0';
        err_set(err, ERR_INPUT, "%s", why);
        r->instances_count--;
        free(in->state);
        free(in);
        return -1;
    }
    return in->index;
}

void runner_start(struct runner *r)
{
    r->started = true;
    for (int i = 0; i < r->instances_count; i++) {
        struct instance *in = r->instances[i];
        if (in->status == INSTANCE_RUNNING &&
            ((in->config->days && in->sessions_done >= in->config->days) || (r->ends_ns && r->session.open_ns >= r->ends_ns)))
            in->status = INSTANCE_ENDING;
    }
    for (size_t i = 0; i < r->intents.open_count; i++) {
        const struct intent *t = intent_at(r, r->intents.open[i]);
        if (t->by_engine) /* it was closing when it was stopped: it still is */
            r->instances[t->instance]->closing = true;
    }
    subscribe(r);
    plan(r);
    for (int i = 0; i < r->instances_count; i++)
        if (r->instances[i]->status == INSTANCE_RUNNING && was_fired(r, i, -1, -1))
            catch_up(r, r->instances[i]);
    for (size_t i = 0; i < r->intents.open_count;) /* the rest had not left: the strategy decides anew */
        if (intent_at(r, r->intents.open[i])->live == 0)
            intent_end(r, r->intents.open[i]);
        else
            i++;
    r->dirty = true;
    settle(r);
    next_due(r);
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->instances_count; i++) {
        struct instance *in = r->instances[i];
        if (in->status != INSTANCE_ENDED && in->plugin->stop)
            in->plugin->stop(in->state, &in->host);
        free(in->state);
        free(in);
    }
    free(r->instances);
    free(r->symbols);
    free(r->subscribers);
    free(r->agenda);
    free(r->fired);
    free(r->history);
    slab_clear(&r->intents);
    slab_clear(&r->parts);
    free(r->actions);
    free(r);
}
