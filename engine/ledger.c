/* ledger.c - see ledger.h. */
#include "engine/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"
#include "core/log.h"

enum kind { REC_RUN, REC_END, REC_INTENT, REC_FILL, REC_FINAL, REC_DUE, REC_SESSION, REC_STATE };
static const char *const kind_names[] = { "run", "end", "intent", "fill", "final", "due", "session", "state", NULL };

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
    int64_t version, starts;
};

#define F(member, kind_, ...) JSON_FIELD(struct record, member, kind_, __VA_ARGS__)
#define COMMON                                                                             \
    JSON_NAMED("r", struct record, kind, FIELD_ENUM, .required = true, .names = kind_names), \
        F(instance, FIELD_TEXT, .required = true)
#define ORDER F(date, FIELD_DATE, .required = true), F(sequence, FIELD_INT, .required = true)

static const struct json_field run_fields[] = {
    COMMON, F(run_id, FIELD_UUID, .required = true), F(config_hash, FIELD_TEXT), F(plugin_hash, FIELD_TEXT),
    F(at, FIELD_TIME), F(version, FIELD_INT), F(starts, FIELD_INT),
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
static const struct json_field final_fields[] = { COMMON, ORDER,
                                                  F(status, FIELD_ENUM, .names = order_status_names, .required = true) };
static const struct json_field due_fields[] = { COMMON, F(date, FIELD_DATE, .required = true), F(duty, FIELD_INT),
                                                F(row, FIELD_INT) };
static const struct json_field session_fields[] = { COMMON, F(qty, FIELD_INT, .required = true) };
static const struct json_field state_fields[] = { COMMON, F(plugin_hash, FIELD_TEXT) };

static const struct {
    const struct json_field *fields;
    size_t count;
} tables[] = {
    [REC_RUN] = { run_fields, COUNT_OF(run_fields) },          [REC_END] = { end_fields, COUNT_OF(end_fields) },
    [REC_INTENT] = { intent_fields, COUNT_OF(intent_fields) }, [REC_FILL] = { fill_fields, COUNT_OF(fill_fields) },
    [REC_FINAL] = { final_fields, COUNT_OF(final_fields) },    [REC_DUE] = { due_fields, COUNT_OF(due_fields) },
    [REC_SESSION] = { session_fields, COUNT_OF(session_fields) },
    [REC_STATE] = { state_fields, COUNT_OF(state_fields) },
};

struct saved { /* latest state of an instance */
    char instance[INSTANCE_SIZE], plugin_hash[65];
    void *bytes;
    size_t size;
};

struct ledger {
    struct journal *journal;
    struct record *records;
    size_t count, max;
    struct saved *saved;
    size_t saved_count;
    struct ledger_run *runs;
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

static struct ledger_run *run_of(struct ledger *l, const char *instance)
{
    for (size_t i = 0; i < l->runs_count; i++)
        if (strcmp(l->runs[i].instance, instance) == 0)
            return &l->runs[i];
    return NULL;
}

static void run_note(struct ledger *l, const struct record *rec)
{
    struct ledger_run *run = run_of(l, rec->instance);
    if (!run) {
        l->runs = must_realloc(l->runs, l->runs_count + 1, sizeof *l->runs);
        run = &l->runs[l->runs_count++];
    }
    memset(run, 0, sizeof *run);
    text_copy(run->instance, sizeof run->instance, rec->instance);
    text_copy(run->run_id, sizeof run->run_id, rec->run_id);
    text_copy(run->config_hash, sizeof run->config_hash, rec->config_hash);
    text_copy(run->plugin_hash, sizeof run->plugin_hash, rec->plugin_hash);
    run->started_ns = rec->at;
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
    text_copy(l->saved[i].plugin_hash, sizeof l->saved[i].plugin_hash, rec->plugin_hash);
}

static void read_record(void *ctx, const void *data, size_t size)
{
    struct ledger *l = ctx;
    struct record rec = { .limit = PRICE_NONE, .price = PRICE_NONE };
    struct err err = { 0 };
    json_t *j = json_read(data, size, &err);
    int kind = j ? name_index(kind_names, json_string_value(json_object_get(j, "r")) ?: "") : -1;
    if (kind < 0 || !json_decode_err(j, tables[kind].fields, tables[kind].count, &rec, &err)) {
        if (!l->failed[0])
            snprintf(l->failed, sizeof l->failed, "the journal holds a record this engine does not know: %.300s", err.text);
        goto done;
    }
    if (kind == REC_RUN)
        run_note(l, &rec);
    if (kind == REC_END && run_of(l, rec.instance)) {
        run_of(l, rec.instance)->ended = true;
        run_of(l, rec.instance)->version = rec.version;
    }
    if (kind == REC_STATE) {
        state_note(l, &rec, j);
        goto done;
    }
    if (l->count == l->max) {
        l->max = l->max ? 2 * l->max : 256;
        l->records = must_realloc(l->records, l->max, sizeof *l->records);
    }
    l->records[l->count++] = rec;
done:
    json_decref(j);
}

struct ledger *ledger_open(const char *folder, struct err *err)
{
    char path[1024];
    struct ledger *l = must_alloc(1, sizeof *l);
    snprintf(path, sizeof path, "%s/journal", folder);
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
    journal_close(l->journal);
    for (size_t i = 0; i < l->saved_count; i++)
        free(l->saved[i].bytes);
    free(l->saved);
    free(l->records);
    free(l->runs);
    free(l);
}

bool ledger_is_empty(const struct ledger *l)
{
    return l->count == 0;
}

const struct ledger_run *ledger_run(const struct ledger *l, const char *instance)
{
    for (size_t i = 0; i < l->runs_count; i++)
        if (strcmp(l->runs[i].instance, instance) == 0)
            return &l->runs[i];
    return NULL;
}

static bool same_order(const struct record *a, const struct record *b)
{
    return a->date == b->date && a->sequence == b->sequence && strcmp(a->instance, b->instance) == 0;
}


void ledger_symbols(const struct ledger *l, const char *instance, struct symbol_list *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < l->count; i++) {
        const struct record *rec = &l->records[i];
        bool known = rec->kind != REC_INTENT || strcmp(rec->instance, instance) != 0;
        for (int64_t k = 0; k < out->count && !known; k++)
            known = strcmp(out->names[k], rec->symbol) == 0;
        if (!known && out->count < SYMBOLS_MAX)
            text_copy(out->names[out->count++], SYMBOL_SIZE, rec->symbol);
    }
}

/* Shares before record `end`, in all symbols together as |signed sum| each; and orders that are not final. */
static int64_t left_over(const struct ledger *l, const char *instance, size_t end)
{
    struct symbol_list symbols;
    int64_t total = 0;
    ledger_symbols(l, instance, &symbols);
    for (int64_t s = 0; s < symbols.count; s++) {
        int64_t net = 0;
        for (size_t i = 0; i < end; i++) {
            const struct record *rec = &l->records[i];
            if (rec->kind != REC_INTENT || strcmp(rec->instance, instance) != 0 || strcmp(rec->symbol, symbols.names[s]) != 0)
                continue;
            int64_t filled = 0;
            bool final = false;
            for (size_t k = i + 1; k < end; k++) {
                if (l->records[k].kind == REC_FILL && same_order(&l->records[k], rec))
                    filled = l->records[k].qty;
                if (l->records[k].kind == REC_FINAL && same_order(&l->records[k], rec)) {
                    final = true;
                    break;
                }
            }
            net += side_sign((enum side)rec->side) * filled;
            total += final ? 0 : 1;
        }
        total += llabs(net);
    }
    return total;
}

bool ledger_unsettled(const struct ledger *l, size_t n, char instance[INSTANCE_SIZE])
{
    for (size_t i = 0; i < l->runs_count; i++)
        if (left_over(l, l->runs[i].instance, l->count) != 0 && n-- == 0) {
            text_copy(instance, INSTANCE_SIZE, l->runs[i].instance);
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

    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->records[i].instance, name) == 0) {
            if (l->records[i].kind == REC_END && left_over(l, name, i) == 0)
                from = i; /* flat then: what was before is another run's */
            if (l->records[i].kind == REC_RUN)
                run = i;
        }
    for (size_t i = 0; i < l->count; i++) {
        const struct record *rec = &l->records[i];
        if (strcmp(rec->instance, name) != 0)
            continue;
        if (rec->kind == REC_INTENT)
            runner_restore_sequence(r, instance, rec->date, rec->sequence);
        if (i < from)
            continue;
        int symbol = rec->symbol[0] ? runner_symbol(r, rec->symbol) : -1, part;
        char id[CLIENT_ORDER_ID_SIZE];
        struct client_order_id coid = { .date = rec->date, .sequence = rec->sequence };
        text_copy(coid.instance, sizeof coid.instance, name);
        client_order_id_format(&coid, id);
        switch (rec->kind) {
        case REC_INTENT: {
            const struct record *old = rec;
            struct part p = {
                .instance = instance, .symbol = symbol, .date = old->date, .sequence = old->sequence,
                .intent_id = old->intent, .intent_qty = old->intent_qty, .side = (enum side)old->side,
                .type = (enum order_type)old->type, .tif = (enum time_in_force)old->tif, .limit = old->limit,
                .by_engine = old->by_engine, .qty = old->qty, .status = ORDER_INTENT, .created_ns = old->at, .tries = 1 };
            text_copy(p.reason, sizeof p.reason, old->reason);
            if (symbol >= 0 && runner_find(r, id) < 0)
                runner_restore_part(r, &p);
            break;
        }
        case REC_FILL:
            part = runner_find(r, id);
            if (part >= 0)
                runner_restore_fill(r, part, rec->qty, rec->price);
            break;
        case REC_FINAL:
            part = runner_find(r, id);
            if (part >= 0)
                runner_restore_final(r, part, (enum order_status)rec->status);
            break;
        case REC_DUE:
            if (resume && i > run)
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
    for (size_t i = 0; i < l->saved_count && resume; i++) {
        const struct saved *s = &l->saved[i];
        if (strcmp(s->instance, name) != 0)
            continue;
        if (strcmp(s->plugin_hash, plugin_hash) != 0)
            log_warn("state_not_restored", KV_TEXT("strategy", name), KV_TEXT("reason", "the plugin was built anew"));
        else if (!runner_restore_state(r, instance, s->bytes, s->size))
            log_warn("state_not_restored", KV_TEXT("strategy", name), KV_TEXT("reason", "its size changed"));
    }
}

/* ---- writing */

static void put_json(struct ledger *l, json_t *j)
{
    struct err err;
    char *text = json_dumps(j, JSON_COMPACT);
    if (!l->failed[0] && (!text || !journal_append(l->journal, text, strlen(text), &err)))
        snprintf(l->failed, sizeof l->failed, "%s", text ? err.text : "a record cannot be written as JSON");
    free(text);
    json_decref(j);
}

static void put(struct ledger *l, struct record *rec, enum kind kind, const char *instance)
{
    rec->kind = (int)kind;
    text_copy(rec->instance, sizeof rec->instance, instance);
    put_json(l, json_encode(rec, tables[kind].fields, tables[kind].count));
}

void ledger_put_run(struct ledger *l, const struct ledger_run *run)
{
    struct record rec = { .at = run->started_ns, .version = run->version, .starts = run->starts };
    text_copy(rec.run_id, sizeof rec.run_id, run->run_id);
    text_copy(rec.config_hash, sizeof rec.config_hash, run->config_hash);
    text_copy(rec.plugin_hash, sizeof rec.plugin_hash, run->plugin_hash);
    put(l, &rec, REC_RUN, run->instance);
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

void ledger_put_final(struct ledger *l, const char *instance, const struct part *p, enum order_status status)
{
    struct record rec = { .date = p->date, .sequence = p->sequence, .status = (int)status };
    put(l, &rec, REC_FINAL, instance);
}

void ledger_put_due(struct ledger *l, const char *instance, int32_t date, int duty, int row)
{
    struct record rec = { .date = date, .duty = duty, .row = row };
    put(l, &rec, REC_DUE, instance);
}

void ledger_put_session(struct ledger *l, const char *instance, int64_t done)
{
    struct record rec = { .qty = done };
    put(l, &rec, REC_SESSION, instance);
}

void ledger_put_state(struct ledger *l, const char *instance, const char *plugin_hash, const void *state, size_t size)
{
    char *text = state_encode(state, size);
    put_json(l, json_pack("{s:s, s:s, s:s, s:s}", "r", "state", "instance", instance, "plugin_hash", plugin_hash,
                          "state", text));
    free(text);
}

void ledger_commit(struct ledger *l, uv_loop_t *loop, journal_done *done, void *ctx)
{
    journal_commit(l->journal, loop, done, ctx);
}

const char *ledger_failed(const struct ledger *l)
{
    return l->failed[0] ? l->failed : NULL;
}
