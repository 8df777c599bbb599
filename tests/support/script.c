/* script.c - see script.h. */
#include "tests/support/script.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base.h"
#include "core/config.h"

static void params_set(struct script *s, const char *text)
{
    const struct strategy_plugin *d = s->config.strategy;
    struct err err;
    char *copy = must_strdup(text), *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        bool found = strcmp(word, "quantity") == 0;
        if (found)
            s->config.quantity = strtoll(value, NULL, 10);
        for (size_t i = 0; i < d->params_count; i++)
            if (strcmp(d->params[i].name, word) == 0) {
                found = true;
                if (!setting_parse(&d->params[i], value, s->config.params, &err))
                    fail_msg("%s: %s", word, err.text);
            }
        assert_true(found);
    }
    free(copy);
}

void script_start(struct script *s, const struct strategy_plugin *plugin, const char *symbols, const char *params,
                  int32_t date, int64_t days)
{
    struct err err;
    memset(s, 0, sizeof *s);
    s->config.strategy = plugin;
    s->config.params = must_alloc(1, plugin->state_size);
    s->config.capital = 100000 * USD;
    s->config.quantity = 100;
    s->config.days = days;
    s->config.risk = (struct risk_limits){ .orders_per_minute = 60, .price_band = 100000, .max_age = DAY_NS };
    text_copy(s->config.name, sizeof s->config.name, "test");
    char *copy = must_strdup(symbols), *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        text_copy(s->config.symbols.names[s->config.symbols.count++], SYMBOL_SIZE, word);
    free(copy);
    for (size_t i = 0; i < plugin->params_count; i++)
        if (!setting_parse(&plugin->params[i], plugin->params[i].fallback, s->config.params, &err))
            fail_msg("default of %s: %s", plugin->params[i].name, err.text);
    params_set(s, params);
    s->runner = runner_new(calendar_ns(date, 1800), 0);
    assert_non_null(s->runner);
    if (runner_add(s->runner, &s->config, &err) < 0)
        fail_msg("start refused: %s", err.text);
    runner_start(s->runner);
}

void script_change(struct script *s, const char *params)
{
    params_set(s, params);
    runner_change(s->runner, 0, &s->config);
    runner_time(s->runner, runner_now_ns(s->runner));
}

void script_end(struct script *s)
{
    runner_free(s->runner);
    free(s->config.params);
}

int64_t script_at(struct script *s, const char *session_time)
{
    struct session_time t;
    if (!session_time_parse(session_time, strlen(session_time), &t))
        fail_msg("%s is no session time", session_time);
    return session_time_ns(runner_session(s->runner), t);
}

static struct price dollars(double d)
{
    struct price p;
    assert_true(price_from_double(d, &p));
    return p;
}

void script_bar(struct script *s, const char *session_time, const char *symbol, double open, double close)
{
    struct bar bar = { .open_time_ns = script_at(s, session_time), .open = dollars(open), .close = dollars(close),
                       .volume = 1000 };
    bar.high = open > close ? bar.open : bar.close;
    bar.low = open > close ? bar.close : bar.open;
    runner_bar(s->runner, runner_symbol(s->runner, symbol), &bar);
    runner_time(s->runner, bar.open_time_ns + MINUTE_NS);
}

void script_time(struct script *s, const char *session_time)
{
    runner_time(s->runner, script_at(s, session_time));
}

int script_part(struct script *s, int64_t sequence)
{
    struct client_order_id id = { .date = runner_session(s->runner)->date, .sequence = sequence };
    char text[CLIENT_ORDER_ID_SIZE];
    text_copy(id.instance, sizeof id.instance, s->config.name);
    client_order_id_format(&id, text);
    int part = runner_find(s->runner, text);
    if (part < 0)
        fail_msg("there is no order %s", text);
    return part;
}

static const char *said(struct script *s, bool answer)
{
    size_t used = 0;
    s->text[0] = '\0';
    for (size_t i = 0, count; i < (runner_actions(s->runner, &count), count); i++) {
        struct action a = runner_actions(s->runner, &count)[i];
        char line[400] = "";
        if (a.kind == ACTION_ORDER || a.kind == ACTION_CANCEL) {
            const struct part *p = runner_part(s->runner, a.part);
            if (a.kind == ACTION_CANCEL)
                snprintf(line, sizeof line, "cancel #%" PRId64, p->sequence);
            else
                snprintf(line, sizeof line, "%s %" PRId64 " %s %s %s #%" PRId64, side_names[p->side], p->qty,
                         runner_symbol_name(s->runner, p->symbol), order_type_names[p->type],
                         time_in_force_names[p->tif], p->sequence);
        } else if (a.kind == ACTION_DECISION && s->decisions) {
            snprintf(line, sizeof line, "%s", a.text);
        } else if (a.kind == ACTION_END) {
            snprintf(line, sizeof line, "end %s", a.text);
        }
        if (line[0])
            used += (size_t)snprintf(s->text + used, sizeof s->text - used, "%s%s", used ? "; " : "", line);
        if (a.kind == ACTION_ORDER && answer)
            runner_reply(s->runner, a.part, ROUTE_ACCEPTED, "", -1);
    }
    runner_actions_clear(s->runner);
    return s->text;
}

const char *script_said(struct script *s)
{
    return said(s, true);
}

const char *script_said_only(struct script *s)
{
    return said(s, false);
}

void script_reply(struct script *s, int64_t sequence, enum route route, const char *reason)
{
    runner_reply(s->runner, script_part(s, sequence), route, reason, -1);
}

void script_fill(struct script *s, int64_t sequence, int64_t filled, double price)
{
    int part = script_part(s, sequence);
    const struct part *p = runner_part(s->runner, part);
    struct runner_update u = {
        .status = filled == p->qty ? ORDER_FILLED : ORDER_PARTIALLY_FILLED, .filled_qty = filled,
        .fill_qty = filled - p->filled, .fill_price = dollars(price), .average = PRICE_NONE,
        .time_ns = runner_now_ns(s->runner), .reason = "" };
    assert_true(runner_update(s->runner, part, &u));
}

void script_final(struct script *s, int64_t sequence, enum order_status status)
{
    int part = script_part(s, sequence);
    struct runner_update u = { .status = status, .filled_qty = runner_part(s->runner, part)->filled,
                               .fill_price = PRICE_NONE, .average = PRICE_NONE, .reason = "told so" };
    assert_true(runner_update(s->runner, part, &u));
}

int64_t script_position(struct script *s, int symbol)
{
    return runner_book(s->runner, 0, symbol)->qty;
}
