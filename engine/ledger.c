/* ledger.c - see ledger.h. */
#include "engine/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"
#include "core/log.h"

enum kind { REC_RUN, REC_END, REC_INTENT, REC_FILL, REC_CORRECT, REC_FEE, REC_FINAL, REC_DUE, REC_SESSION, REC_STATE };
static const char *const kind_names[] = { "run", "end", "intent", "fill", "correct", "fee", "final", "due", "session", "state", NULL };

struct record {
    int kind;
    char instance[INSTANCE_SIZE];
    char symbol[SYMBOL_SIZE];
    int32_t date;
    int64_t sequence, intent, intent_qty, qty, at, duty, row;
    int side, type, tif, status;
    bool by_engine;
    struct price limit, price;
    char reason[ACTION_TEXT_SIZE];
    /* run */
    char run_id[UUID_SIZE], config_hash[65], plugin_hash[65];
    int64_t version, starts, changed;
    /* worked out while reading */
    size_t order;           /* of fills, fees and ends: their intent's record; NONE: there is none */
    size_t first;           /* of intents: the record of the strategy's order, its first part */
    int64_t filled, fees;   /* of intents, so far */
    int64_t value;          /* of intents, filled so far; of corrections, filled before (filled: how many) */
    int64_t open;           /* of first parts: parts of the order that are not final */
    bool final, flat;       /* flat: of ends, nothing was held and nothing open */
};
#define NONE SIZE_MAX

#define F(member, kind_, ...) JSON_FIELD(struct record, member, kind_, __VA_ARGS__)
#define COMMON                                                                             \
    JSON_NAMED("r", struct record, kind, FIELD_ENUM, .required = true, .names = kind_names), \
        F(instance, FIELD_TEXT, .required = true)
#define ORDER F(date, FIELD_DATE, .required = true), F(sequence, FIELD_INT, .required = true)

static const struct json_field run_fields[] = {
    COMMON, F(run_id, FIELD_UUID, .required = true), F(config_hash, FIELD_TEXT), F(plugin_hash, FIELD_TEXT),
    F(at, FIELD_TIME), F(version, FIELD_INT), F(starts, FIELD_INT), F(changed, FIELD_INT),
};
static const struct json_field end_fields[] = { COMMON, F(version, FIELD_INT) };
static const struct json_field intent_fields[] = {
    COMMON, ORDER, F(symbol, FIELD_TEXT, .required = true), F(intent, FIELD_INT), F(intent_qty, FIELD_INT),
    F(qty, FIELD_INT, .required = true), F(side, FIELD_ENUM, .names = side_names, .required = true),
    F(type, FIELD_ENUM, .names = order_type_names, .required = true),
    F(tif, FIELD_ENUM, .names = time_in_force_names, .required = true), F(limit, FIELD_PRICE), F(at, FIELD_TIME),
    F(reason, FIELD_TEXT), F(by_engine, FIELD_BOOL),
};
static const struct json_field fill_fields[] = { COMMON, ORDER, F(qty, FIELD_INT, .required = true),
                                                 F(price, FIELD_PRICE, .required = true) };
static const struct json_field correct_fields[] = { COMMON, ORDER, F(qty, FIELD_INT, .required = true), F(price, FIELD_PRICE) };
static const struct json_field fee_fields[] = { COMMON, ORDER, F(qty, FIELD_INT, .required = true) };
static const struct json_field final_fields[] = { COMMON, ORDER,
                                                  F(status, FIELD_ENUM, .names = order_status_names, .required = true) };
static const struct json_field due_fields[] = { COMMON, F(date, FIELD_DATE, .required = true), F(duty, FIELD_INT),
                                                F(row, FIELD_INT), F(price, FIELD_PRICE) };
static const struct json_field session_fields[] = { COMMON, F(qty, FIELD_INT, .required = true) };
static const struct json_field state_fields[] = { COMMON, F(plugin_hash, FIELD_TEXT) };

static const struct {
    const struct json_field *fields;
    size_t count;
} tables[] = {
    [REC_RUN] = { run_fields, COUNT_OF(run_fields) },          [REC_END] = { end_fields, COUNT_OF(end_fields) },
    [REC_INTENT] = { intent_fields, COUNT_OF(intent_fields) }, [REC_FILL] = { fill_fields, COUNT_OF(fill_fields) },
    [REC_CORRECT] = { correct_fields, COUNT_OF(correct_fields) }, [REC_FEE] = { fee_fields, COUNT_OF(fee_fields) },
    [REC_FINAL] = { final_fields, COUNT_OF(final_fields) },    [REC_DUE] = { due_fields, COUNT_OF(due_fields) },
    [REC_SESSION] = { session_fields, COUNT_OF(session_fields) },
    [REC_STATE] = { state_fields, COUNT_OF(state_fields) },
};

struct saved { /* latest state of an instance */
    char instance[INSTANCE_SIZE], plugin_hash[65];
    void *bytes;
    size_t size;
    int64_t seen[SYMBOLS_MAX];
};

struct owner { /* what an instance has left, after the records read so far */
    char instance[INSTANCE_SIZE];
    struct symbol_list symbols;
    int64_t net[SYMBOLS_MAX];
    int64_t open;
};

struct ledger {
    struct journal *journal;
    json_t *batch;          /* records of this turn: they reach the journal together or not at all */
    struct record *records;
    size_t count, max;
    size_t *index;          /* intents by instance, date and sequence: open addressing, record + 1; 0: free */
    size_t index_count, index_max;
    struct owner *owners;
    size_t owners_count;
    struct saved *saved;
    size_t saved_count;
    struct ledger_run *runs;
    char **configs;         /* by run; NULL: not kept */
    size_t runs_count;
    char failed[400];
};

/* ---- state bytes as text: hex, and "z<n>." for a row of zero bytes, of which states are full */

static char *state_encode(const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char *text = must_alloc(1, 2 * size + 32), *out = text;
    for (size_t i = 0; i < size;) {
        size_t zeros = 0;
        while (i + zeros < size && bytes[i + zeros] == 0)
            zeros++;
        if (zeros >= 16) {
            out += sprintf(out, "z%zu.", zeros);
            i += zeros;
            continue;
        }
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i++] & 15];
    }
    *out = '\0';
    return text;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false when the text is damaged or longer than max bytes. */
static bool state_decode(const char *text, unsigned char **bytes, size_t *size)
{
    enum { STATE_MAX = 16 << 20 };
    size_t max = strlen(text) / 2 + 1, n = 0;
    unsigned char *out = must_alloc(1, max);
    while (*text) {
        size_t zeros = 1;
        int value = 0;
        if (*text == 'z') {
            char *end;
            unsigned long long count = strtoull(text + 1, &end, 10);
            if (*end != '.' || count > STATE_MAX)
                goto damaged;
            zeros = (size_t)count;
            text = end + 1;
        } else {
            if (digit(text[0]) < 0 || digit(text[1]) < 0)
                goto damaged;
            value = digit(text[0]) * 16 + digit(text[1]);
            text += 2;
        }
        if (n + zeros > max) {
            if (n + zeros > STATE_MAX)
                goto damaged;
            max = 2 * (n + zeros);
            out = must_realloc(out, max, 1);
        }
        memset(out + n, value, zeros);
        n += zeros;
    }
    *bytes = out;
    *size = n;
    return true;
damaged:
    free(out);
    return false;
}

/* ---- reading */

static struct ledger_run *run_of(const struct ledger *l, const char *instance)
{
    for (size_t i = 0; i < l->runs_count; i++)
        if (strcmp(l->runs[i].instance, instance) == 0)
            return &l->runs[i];
    return NULL;
}

static void run_note(struct ledger *l, const struct record *rec, const json_t *j)
{
    struct ledger_run *run = run_of(l, rec->instance);
    const char *config = json_string_value(json_object_get(j, "config"));
    if (!run) {
        l->runs = must_realloc(l->runs, l->runs_count + 1, sizeof *l->runs);
        l->configs = must_realloc(l->configs, l->runs_count + 1, sizeof *l->configs);
        l->configs[l->runs_count] = NULL;
        run = &l->runs[l->runs_count++];
    }
    free(l->configs[run - l->runs]);
    l->configs[run - l->runs] = config ? must_strdup(config) : NULL;
    memset(run, 0, sizeof *run);
    text_copy(run->instance, sizeof run->instance, rec->instance);
    text_copy(run->run_id, sizeof run->run_id, rec->run_id);
    text_copy(run->config_hash, sizeof run->config_hash, rec->config_hash);
    text_copy(run->plugin_hash, sizeof run->plugin_hash, rec->plugin_hash);
    run->started_ns = rec->at;
    run->changed_ns = rec->changed;
    run->version = rec->version;
    run->starts = rec->starts;
}

static void state_note(struct ledger *l, const struct record *rec, const json_t *j)
{
    unsigned char *bytes;
    size_t size, i = 0;
    const char *text = json_string_value(json_object_get(j, "state"));
    if (!text || !state_decode(text, &bytes, &size)) {
        log_warn("state_unreadable", KV_TEXT("strategy", rec->instance));
        return;
    }
    while (i < l->saved_count && strcmp(l->saved[i].instance, rec->instance) != 0)
        i++;
    if (i == l->saved_count) {
        l->saved = must_realloc(l->saved, l->saved_count + 1, sizeof *l->saved);
        memset(&l->saved[l->saved_count++], 0, sizeof *l->saved);
        text_copy(l->saved[i].instance, sizeof l->saved[i].instance, rec->instance);
    }
    free(l->saved[i].bytes);
    l->saved[i].bytes = bytes;
    l->saved[i].size = size;
    for (size_t k = 0; k < SYMBOLS_MAX; k++)
        l->saved[i].seen[k] = json_integer_value(json_array_get(json_object_get(j, "seen"), k));
    text_copy(l->saved[i].plugin_hash, sizeof l->saved[i].plugin_hash, rec->plugin_hash);
}

static uint64_t order_hash(const char *instance, int32_t date, int64_t sequence)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *instance; instance++)
        h = (h ^ (unsigned char)*instance) * UINT64_C(1099511628211);
    h = (h ^ (uint64_t)date) * UINT64_C(1099511628211);
    h = (h ^ (uint64_t)sequence) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

/* Where the intent stands in the index, or the free place for it. */
static size_t *order_place(const struct ledger *l, const char *instance, int32_t date, int64_t sequence)
{
    size_t i = order_hash(instance, date, sequence) & (l->index_max - 1);
    for (; l->index[i]; i = (i + 1) & (l->index_max - 1)) {
        const struct record *rec = &l->records[l->index[i] - 1];
        if (rec->date == date && rec->sequence == sequence && strcmp(rec->instance, instance) == 0)
            break;
    }
    return &l->index[i];
}

static size_t order_find(const struct ledger *l, const char *instance, int32_t date, int64_t sequence)
{
    size_t found = l->index_max ? *order_place(l, instance, date, sequence) : 0;
    return found ? found - 1 : NONE;
}

static void order_add(struct ledger *l, size_t record)
{
    if (2 * l->index_count >= l->index_max) {
        size_t old_max = l->index_max, *old = l->index;
        l->index_max = old_max ? 2 * old_max : 256;
        l->index = must_alloc(l->index_max, sizeof *l->index);
        for (size_t i = 0; i < old_max; i++)
            if (old[i])
                *order_place(l, l->records[old[i] - 1].instance, l->records[old[i] - 1].date,
                             l->records[old[i] - 1].sequence) = old[i];
        free(old);
    }
    const struct record *rec = &l->records[record];
    *order_place(l, rec->instance, rec->date, rec->sequence) = record + 1;
    l->index_count++;
}

static struct owner *owner_of(const struct ledger *l, const char *instance)
{
    for (size_t i = 0; i < l->owners_count; i++)
        if (strcmp(l->owners[i].instance, instance) == 0)
            return &l->owners[i];
    return NULL;
}

static struct owner *owner_make(struct ledger *l, const char *instance)
{
    struct owner *o = owner_of(l, instance);
    if (o)
        return o;
    l->owners = must_realloc(l->owners, l->owners_count + 1, sizeof *l->owners);
    o = &l->owners[l->owners_count++];
    memset(o, 0, sizeof *o);
    text_copy(o->instance, sizeof o->instance, instance);
    return o;
}

static int64_t *net_of(struct owner *o, const char *symbol)
{
    for (int64_t i = 0; i < o->symbols.count; i++)
        if (strcmp(o->symbols.names[i], symbol) == 0)
            return &o->net[i];
    if (o->symbols.count == SYMBOLS_MAX)
        return NULL;
    text_copy(o->symbols.names[o->symbols.count], SYMBOL_SIZE, symbol);
    return &o->net[o->symbols.count++];
}

static bool is_flat(const struct owner *o)
{
    bool flat = o->open == 0;
    for (int64_t i = 0; i < o->symbols.count; i++)
        flat = flat && o->net[i] == 0;
    return flat;
}

static int64_t value_of(struct price price, int64_t qty)
{
    int64_t value;
    return price_is_set(price) && price_times(price, qty, &value) ? value : 0;
}

/* Adds the record, with what follows from it; one pass over the journal is all there is. */
static void record_add(struct ledger *l, struct record *rec)
{
    struct owner *o = owner_make(l, rec->instance);
    size_t self = l->count;
    rec->order = rec->first = NONE;
    if (rec->kind == REC_INTENT) {
        if (order_find(l, rec->instance, rec->date, rec->sequence) != NONE)
            return; /* adopted twice */
        rec->first = order_find(l, rec->instance, (int32_t)(rec->intent / 1000000), rec->intent % 1000000);
        if (rec->first == NONE)
            rec->first = self;
        else
            l->records[rec->first].open++;
        rec->open = rec->first == self;
        net_of(o, rec->symbol);
        o->open++;
    } else if (rec->kind == REC_FILL || rec->kind == REC_CORRECT || rec->kind == REC_FEE || rec->kind == REC_FINAL) {
        rec->order = order_find(l, rec->instance, rec->date, rec->sequence);
        if (rec->order == NONE)
            return;
        struct record *order = &l->records[rec->order];
        int64_t *net = net_of(o, order->symbol);
        if (rec->kind == REC_FILL) {
            rec->filled = rec->qty - order->filled; /* what is new */
            if (rec->filled <= 0)
                return;
            order->filled = rec->qty;
            order->value += value_of(rec->price, rec->filled);
            if (net)
                *net += side_sign((enum side)order->side) * rec->filled;
        } else if (rec->kind == REC_CORRECT) {
            if (net)
                *net += side_sign((enum side)order->side) * (rec->qty - order->filled);
            rec->filled = order->filled;
            rec->value = order->value;
            order->filled = rec->qty;
            order->value = value_of(rec->price, rec->qty);
        } else if (rec->kind == REC_FEE) {
            rec->fees = rec->qty - order->fees;
            order->fees = rec->qty;
        } else if (!order->final) {
            order->final = true;
            o->open--;
            l->records[order->first].open--;
        }
    } else if (rec->kind == REC_END) {
        rec->flat = is_flat(o);
    }
    if (l->count == l->max) {
        l->max = l->max ? 2 * l->max : 256;
        l->records = must_realloc(l->records, l->max, sizeof *l->records);
    }
    l->records[l->count++] = *rec;
    if (rec->kind == REC_INTENT)
        order_add(l, self);
}

static bool read_object(struct ledger *l, const json_t *j, struct err *err)
{
    struct record rec = { .limit = PRICE_NONE, .price = PRICE_NONE };
    int kind = name_index(kind_names, json_string_value(json_object_get(j, "r")) ?: "");
    if (kind < 0 || !json_decode_err(j, tables[kind].fields, tables[kind].count, &rec, err))
        return false;
    if (kind == REC_RUN)
        run_note(l, &rec, j);
    if (kind == REC_END && run_of(l, rec.instance)) {
        run_of(l, rec.instance)->ended = true;
        run_of(l, rec.instance)->version = rec.version;
    }
    if (kind == REC_STATE)
        state_note(l, &rec, j);
    else
        record_add(l, &rec);
    return true;
}

/* One object, or an array of those that belong together. */
static void read_record(void *ctx, const void *data, size_t size)
{
    struct ledger *l = ctx;
    struct err err = { 0 };
    json_t *j = json_read(data, size, &err), *item;
    size_t i;
    bool ok = j && (json_is_array(j) || read_object(l, j, &err));
    json_array_foreach(json_is_array(j) ? j : NULL, i, item)
        ok = ok && read_object(l, item, &err);
    if (!ok && !l->failed[0])
        snprintf(l->failed, sizeof l->failed, "the journal holds a record this engine does not know: %.300s", err.text);
    json_decref(j);
}

struct ledger *ledger_open(const char *folder, struct err *err)
{
    char path[1024];
    struct ledger *l = must_alloc(1, sizeof *l);
    snprintf(path, sizeof path, "%s/journal", folder);
    l->batch = json_array();
    l->journal = journal_open(path, read_record, l, err);
    if (l->journal && l->failed[0])
        err_set(err, ERR_INPUT, "%s: %s", path, l->failed);
    if (!l->journal || l->failed[0]) {
        ledger_close(l);
        return NULL;
    }
    return l;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    if (l->journal)
        ledger_flush(l);
    json_decref(l->batch);
    journal_close(l->journal);
    for (size_t i = 0; i < l->saved_count; i++)
        free(l->saved[i].bytes);
    for (size_t i = 0; i < l->runs_count; i++)
        free(l->configs[i]);
    free(l->configs);
    free(l->saved);
    free(l->records);
    free(l->index);
    free(l->owners);
    free(l->runs);
    free(l);
}

bool ledger_is_empty(const struct ledger *l)
{
    return l->count == 0;
}

const struct ledger_run *ledger_run(const struct ledger *l, const char *instance)
{
    return run_of(l, instance);
}

const char *ledger_config(const struct ledger *l, const char *instance)
{
    const struct ledger_run *run = run_of(l, instance);
    return run ? l->configs[run - l->runs] : NULL;
}

void ledger_symbols(const struct ledger *l, const char *instance, struct symbol_list *out)
{
    const struct owner *o = owner_of(l, instance);
    memset(out, 0, sizeof *out);
    if (o)
        *out = o->symbols;
}

bool ledger_unsettled(const struct ledger *l, size_t n, char instance[INSTANCE_SIZE])
{
    for (size_t i = 0; i < l->owners_count; i++)
        if (!is_flat(&l->owners[i]) && n-- == 0) {
            text_copy(instance, INSTANCE_SIZE, l->owners[i].instance);
            return true;
        }
    return false;
}

/* One that is over goes into the books alone; only orders still open are made again. */
static void restore_record(const struct ledger *l, struct runner *r, int instance, const struct record *rec)
{
    const struct record *order = rec->kind == REC_INTENT ? rec : &l->records[rec->order];
    int symbol = runner_symbol(r, order->symbol);
    char id[CLIENT_ORDER_ID_SIZE];
    struct client_order_id coid = { .date = order->date, .sequence = order->sequence };
    if (symbol < 0)
        return;
    bool over = l->records[order->first].open == 0;
    text_copy(coid.instance, sizeof coid.instance, order->instance);
    client_order_id_format(&coid, id);
    int part = over || rec->kind == REC_INTENT ? -1 : runner_find(r, id);

    if (rec->kind == REC_INTENT && !over) {
        struct part p = {
            .instance = instance, .symbol = symbol, .date = rec->date, .sequence = rec->sequence,
            .intent_id = rec->intent, .intent_qty = rec->intent_qty, .side = (enum side)rec->side,
            .type = (enum order_type)rec->type, .tif = (enum time_in_force)rec->tif, .limit = rec->limit,
            .by_engine = rec->by_engine, .qty = rec->qty, .status = ORDER_INTENT, .created_ns = rec->at, .tries = 1 };
        text_copy(p.reason, sizeof p.reason, rec->reason);
        runner_restore_part(r, &p);
    } else if (rec->kind == REC_FILL && over) {
        runner_restore_book(r, instance, symbol, (enum side)order->side, rec->filled, rec->price);
    } else if (rec->kind == REC_CORRECT && over) {
        if (rec->filled > 0)
            runner_restore_book(r, instance, symbol, side_opposite((enum side)order->side), rec->filled,
                                (struct price){ rec->value / rec->filled });
        runner_restore_book(r, instance, symbol, (enum side)order->side, rec->qty, rec->price);
    } else if (rec->kind == REC_CORRECT && part >= 0) {
        runner_restore_correct(r, part, rec->qty, rec->price);
    } else if (rec->kind == REC_FEE && over) {
        runner_restore_book_fee(r, instance, symbol, rec->fees);
    } else if (rec->kind == REC_FILL && part >= 0) {
        runner_restore_fill(r, part, rec->qty, rec->price);
    } else if (rec->kind == REC_FEE && part >= 0) {
        runner_restore_fee(r, part, rec->qty);
    } else if (rec->kind == REC_FINAL && part >= 0) {
        runner_restore_final(r, part, (enum order_status)rec->status);
    }
}

/* false: the state is as it was made. */
static bool restore_state(const struct ledger *l, struct runner *r, int instance, const struct instance_config *config,
                          const char *plugin_hash)
{
    for (size_t i = 0; i < l->saved_count; i++) {
        const struct saved *s = &l->saved[i];
        if (strcmp(s->instance, config->name) != 0)
            continue;
        bool same = strcmp(s->plugin_hash, plugin_hash) == 0;
        if (!same || !runner_restore_state(r, instance, s->bytes, s->size)) {
            log_warn("state_not_restored", KV_TEXT("strategy", config->name),
                     KV_TEXT("reason", same ? "its size changed" : "the plugin was built anew"));
            return false;
        }
        for (int64_t k = 0; k < config->symbols.count; k++)
            runner_restore_seen(r, instance, (int)k, s->seen[k]);
        return true;
    }
    return false;
}

void ledger_restore(const struct ledger *l, struct runner *r, int instance, const char *plugin_hash, bool resume)
{
    struct instance_view v;
    size_t from = 0, run = 0;
    runner_view(r, instance, &v);
    const char *name = v.config->name;
    bool same_state = resume && restore_state(l, r, instance, v.config, plugin_hash);

    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->records[i].instance, name) == 0) {
            if (l->records[i].flat)
                from = i; /* what was before is another run's */
            if (l->records[i].kind == REC_RUN && strcmp(l->records[i].run_id, l->records[run].run_id) != 0)
                run = i; /* where it began; it may have been taken up since */
        }
    for (size_t i = 0; i < l->count; i++) {
        const struct record *rec = &l->records[i];
        if (strcmp(rec->instance, name) != 0)
            continue;
        if (rec->kind == REC_INTENT)
            runner_restore_sequence(r, instance, rec->date, rec->sequence);
        if (i < from)
            continue;
        switch (rec->kind) {
        case REC_INTENT:
        case REC_FILL:
        case REC_CORRECT:
        case REC_FEE:
        case REC_FINAL:
            restore_record(l, r, instance, rec);
            break;
        case REC_DUE:
            if (resume && i > run && rec->duty == -1 && price_is_set(rec->price))
                runner_restore_worth(r, instance, rec->date, rec->price.micros);
            if (resume && i > run && (same_state || rec->duty != -1)) /* a new state has not seen the session open */
                runner_restore_due(r, instance, rec->date, (int)rec->duty, (int)rec->row);
            break;
        case REC_SESSION:
            if (resume && i > run)
                runner_restore_sessions(r, instance, rec->qty);
            break;
        default:
            break;
        }
    }
}

/* ---- writing */

static void append(struct ledger *l, const json_t *j)
{
    struct err err;
    char *text = json_dumps(j, JSON_COMPACT);
    if (!l->failed[0] && (!text || !journal_append(l->journal, text, strlen(text), &err)))
        snprintf(l->failed, sizeof l->failed, "%s", text ? err.text : "a record cannot be written as JSON");
    free(text);
}

void ledger_flush(struct ledger *l)
{
    enum { BATCH_MAX = 1 << 20 };
    size_t i, count = json_array_size(l->batch);
    json_t *item;
    if (count == 1 || json_dumpb(l->batch, NULL, 0, JSON_COMPACT) > BATCH_MAX) { /* too large for one record of the journal */
        json_array_foreach(l->batch, i, item)
            append(l, item);
    } else if (count) {
        append(l, l->batch);
    }
    json_array_clear(l->batch);
}

static void put_json(struct ledger *l, json_t *j)
{
    if (!j || json_array_append_new(l->batch, j) != 0)
        snprintf(l->failed, sizeof l->failed, "a record cannot be written as JSON");
}

static void put(struct ledger *l, struct record *rec, enum kind kind, const char *instance)
{
    rec->kind = (int)kind;
    text_copy(rec->instance, sizeof rec->instance, instance);
    put_json(l, json_encode(rec, tables[kind].fields, tables[kind].count));
}

void ledger_put_run(struct ledger *l, const struct ledger_run *run, const char *config_text)
{
    struct record rec = { .at = run->started_ns, .version = run->version, .starts = run->starts, .changed = run->changed_ns };
    text_copy(rec.run_id, sizeof rec.run_id, run->run_id);
    text_copy(rec.config_hash, sizeof rec.config_hash, run->config_hash);
    text_copy(rec.plugin_hash, sizeof rec.plugin_hash, run->plugin_hash);
    rec.kind = REC_RUN;
    text_copy(rec.instance, sizeof rec.instance, run->instance);
    json_t *j = json_encode(&rec, run_fields, COUNT_OF(run_fields)), *text = config_text ? json_string(config_text) : NULL;
    if (j && text)
        json_object_set(j, "config", text);
    json_decref(text);
    put_json(l, j);
}

void ledger_put_end(struct ledger *l, const char *instance, int64_t version)
{
    struct record rec = { .version = version };
    put(l, &rec, REC_END, instance);
}

void ledger_put_intent(struct ledger *l, const char *instance, const char *symbol, const struct part *p)
{
    struct record rec = {
        .date = p->date, .sequence = p->sequence, .intent = p->intent_id, .intent_qty = p->intent_qty, .qty = p->qty,
        .side = (int)p->side, .type = (int)p->type, .tif = (int)p->tif, .limit = p->limit, .at = p->created_ns,
        .by_engine = p->by_engine };
    text_copy(rec.symbol, sizeof rec.symbol, symbol);
    text_copy(rec.reason, sizeof rec.reason, p->reason);
    put(l, &rec, REC_INTENT, instance);
}

void ledger_put_fill(struct ledger *l, const char *instance, const struct part *p, int64_t filled, struct price price)
{
    struct record rec = { .date = p->date, .sequence = p->sequence, .qty = filled, .price = price };
    put(l, &rec, REC_FILL, instance);
}

void ledger_put_correct(struct ledger *l, const char *instance, const struct part *p, int64_t filled, struct price average)
{
    struct record rec = { .date = p->date, .sequence = p->sequence, .qty = filled, .price = average };
    put(l, &rec, REC_CORRECT, instance);
}

void ledger_put_fee(struct ledger *l, const char *instance, const struct part *p, int64_t fees_micros)
{
    struct record rec = { .date = p->date, .sequence = p->sequence, .qty = fees_micros };
    put(l, &rec, REC_FEE, instance);
}

void ledger_put_final(struct ledger *l, const char *instance, const struct part *p, enum order_status status)
{
    struct record rec = { .date = p->date, .sequence = p->sequence, .status = (int)status };
    put(l, &rec, REC_FINAL, instance);
}

void ledger_put_due(struct ledger *l, const char *instance, int32_t date, int duty, int row, struct price worth)
{
    struct record rec = { .date = date, .duty = duty, .row = row, .price = worth };
    put(l, &rec, REC_DUE, instance);
}

void ledger_put_session(struct ledger *l, const char *instance, int64_t done)
{
    struct record rec = { .qty = done };
    put(l, &rec, REC_SESSION, instance);
}

void ledger_put_state(struct ledger *l, const char *instance, const char *plugin_hash, const void *state, size_t size,
                      const int64_t *seen, int64_t seen_count)
{
    json_t *ends = json_array();
    for (int64_t i = 0; i < seen_count; i++)
        json_array_append_new(ends, json_integer(seen[i]));
    char *text = state_encode(state, size);
    put_json(l, json_pack("{s:s, s:s, s:s, s:o, s:s}", "r", "state", "instance", instance, "plugin_hash", plugin_hash,
                          "seen", ends, "state", text));
    free(text);
}

void ledger_commit(struct ledger *l, uv_loop_t *loop, journal_done *done, void *ctx)
{
    ledger_flush(l);
    journal_commit(l->journal, loop, done, ctx);
}

const char *ledger_failed(const struct ledger *l)
{
    return l->failed[0] ? l->failed : NULL;
}
