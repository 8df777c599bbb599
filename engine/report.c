/* report.c - see report.h. */
#include "engine/report.h"

#include "core/base.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

static void put(const struct report *to, const char *route, json_t *row)
{
    struct err err;
    if (!outbox_put(to->outbox, route, row, &err))
        log_error("report_lost", KV_TEXT("route", route), KV_TEXT("reason", err.text));
    json_decref(row);
}

static json_t *money(int64_t micros)
{
    char text[PRICE_TEXT_MAX];
    price_format((struct price){ micros }, text);
    return json_string(text);
}

static json_t *when(int64_t time_ns)
{
    char text[TIME_TEXT_SIZE];
    time_format(time_ns, text);
    return json_string(text);
}

static json_t *shares(int64_t qty)
{
    return json_sprintf("%lld", (long long)qty);
}

/* Texts come from files and plugins: what is not UTF-8 must not lose the row. */
static json_t *words(const char *text)
{
    json_t *j = json_string(text);
    if (j)
        return j;
    char clean[4096];
    size_t n = 0;
    for (; text[n] && n + 1 < sizeof clean; n++)
        clean[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
    clean[n] = '\0';
    return json_string(clean);
}

void report_run(const struct report *to, const struct instance_config *config, const struct ledger_run *run,
                const char *status, int64_t ended_ns, const char *reason)
{
    json_t *symbols = json_array();
    for (int64_t i = 0; i < config->symbols.count; i++)
        json_array_append_new(symbols, json_string(config->symbols.names[i]));
    put(to, "/api/v1/runs", json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}",
        "run_id", run->run_id, "version", (json_int_t)run->version, "account", to->account, "strategy", config->name,
        "plugin", config->strategy->name, "symbols", symbols, "capital", money(config->capital),
        "quantity", shares(config->quantity), "days", (json_int_t)config->days, "mode", to->mode, "status", status,
        "config_text", words(config->text ? config->text : ""), "config_hash", run->config_hash,
        "plugin_hash", run->plugin_hash, "started_at", when(run->started_ns),
        "config_changed_at", run->changed_ns ? when(run->changed_ns) : json_null(),
        "ended_at", ended_ns ? when(ended_ns) : json_null(), "reason", reason ? words(reason) : json_null()));
}

void report_edit(const struct report *to, const char *strategy, const char *run_id, int64_t time_ns, const char *text)
{
    put(to, "/api/v1/config-errors", json_pack(
        "{s:s, s:s, s:s, s:o, s:o}", "run_id", run_id, "account", to->account, "strategy", strategy, "timestamp", when(time_ns),
        "text", text ? words(text) : json_null()));
}

void report_order(const struct report *to, const struct instance_config *config, const char *run_id,
                  const char *client_order_id, const char *symbol, const struct part *p)
{
    put(to, "/api/v1/orders", json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
        "client_order_id", client_order_id, "account", to->account, "run_id", run_id, "strategy", config->name,
        "symbol", symbol, "side", side_names[p->side], "type", order_type_names[p->type],
        "time_in_force", time_in_force_names[p->tif], "quantity", shares(p->qty),
        "limit_price", price_is_set(p->limit) ? money(p->limit.micros) : json_null(),
        "reason", p->reason[0] ? words(p->reason) : json_null(), "timestamp", when(p->created_ns)));
}

void report_equity(const struct report *to, const struct instance_view *v, int64_t time_ns)
{
    put(to, "/api/v1/equity", json_pack(
        "{s:o, s:s, s:s, s:o, s:o, s:o}", "timestamp", when(time_ns), "account", to->account,
        "strategy", v->config->name, "cash", money(v->cash_micros), "equity", money(v->equity_micros),
        "exposure", money(v->exposure_micros)));
}

void report_decision(const struct report *to, const char *strategy, const char *run_id, int64_t sequence, int64_t time_ns,
                     const char *symbol, const char *text)
{
    put(to, "/api/v1/decisions", json_pack(
        "{s:s, s:I, s:o, s:s, s:s, s:o, s:o}", "run_id", run_id, "sequence", (json_int_t)sequence,
        "timestamp", when(time_ns), "account", to->account, "strategy", strategy,
        "symbol", symbol ? json_string(symbol) : json_null(), "text", words(text)));
}
