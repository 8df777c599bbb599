/* print.c - see print.h. */
#include "engine/print.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/describe.h"
#include "engine/instance.h"

enum { STRATEGIES_MAX = 64 };

/* What a newcomer would write where there is no default. */
static const char *const examples[][2] = { { "symbols", "[SPY]" }, { "capital", "100000 USD" }, { "quantity", "100" } };

static const struct strategy_plugin *open_one(const char *folder, const char *name, struct err *err)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s.so", folder, name);
    const struct plugin *p = plugin_open(path, err);
    return p ? p->descriptor : NULL;
}

static void print_instance(FILE *to, const struct strategy_plugin *d)
{
    fprintf(to, "# yaml-language-server: $schema=schema.json\n# %s: %s\n", d->name, d->summary);
    for (size_t i = 0; i < instance_settings_count; i++) {
        struct setting s = instance_settings[i];
        for (size_t k = 0; k < COUNT_OF(examples); k++)
            if (strcmp(examples[k][0], s.name) == 0)
                s.fallback = examples[k][1];
        if (strcmp(s.name, "strategy") == 0)
            s.fallback = d->name;
        bool params = strcmp(s.name, "params") == 0;
        fputc('\n', to);
        if (s.kind != SETTING_MAP || (params && d->params_count == 0)) {
            settings_print(to, &s, 1, 0);
            continue;
        }
        fprintf(to, "# %s\n%s:\n", s.help, s.name);
        settings_print(to, params ? d->params : risk_settings, params ? d->params_count : risk_settings_count, 2);
    }
}

static void print_markdown(FILE *to, const struct strategy_plugin *const *all, size_t count)
{
    fputs("## An instance's file\n\nVariables: `BELL_INSTANCE_NAME_KEY`, where `NAME` is the file's name in capitals, with `_` for `-`.\n\n", to);
    settings_table(to, instance_settings, instance_settings_count);
    fputs("\n### risk\n\nVariables: `BELL_INSTANCE_NAME_RISK_KEY`.\n\n", to);
    settings_table(to, risk_settings, risk_settings_count);
    fputs("\n## Strategies\n\nVariables of `params`: `BELL_INSTANCE_NAME_PARAMS_KEY`.\n", to);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "\n### %s\n\n%s\n", all[i]->name, all[i]->summary);
        if (all[i]->params_count) {
            fputc('\n', to);
            settings_table(to, all[i]->params, all[i]->params_count);
        }
    }
}

static void print_schema(FILE *to, const struct strategy_plugin *const *all, size_t count)
{
    json_t *j = settings_schema(instance_settings, instance_settings_count);
    json_t *properties = json_object_get(j, "properties"), *names = json_array(), *rules = json_array();
    json_t *risk = settings_schema(risk_settings, risk_settings_count);
    json_object_update_missing(risk, json_object_get(properties, "risk"));
    json_object_set_new(properties, "risk", risk);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(names, json_string(all[i]->name));
        json_array_append_new(rules, json_pack(
            "{s:{s:{s:{s:s}}, s:[s]}, s:{s:{s:o}}}", "if", "properties", "strategy", "const", all[i]->name, "required", "strategy",
            "then", "properties", "params", settings_schema(all[i]->params, all[i]->params_count)));
    }
    json_object_set_new(json_object_get(properties, "strategy"), "enum", names);
    json_t *whole = json_pack("{s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#", "title", "An instance of a strategy");
    json_object_update(whole, j);
    json_object_set_new(whole, "type", json_string("object"));
    json_object_set_new(whole, "allOf", rules);
    json_dumpf(whole, to, JSON_INDENT(1));
    fputc('\n', to);
    json_decref(whole);
    json_decref(j);
}

bool print_strategies(FILE *to, enum print what, const char *plugins, const char *name, struct err *err)
{
    const struct strategy_plugin *all[STRATEGIES_MAX];
    size_t count = 0;
    bool ok = true;
    if (what == PRINT_INSTANCE) {
        const struct strategy_plugin *d = open_one(plugins, name, err);
        if (d)
            print_instance(to, d);
        return d != NULL;
    }
    const char **names = plugin_names(plugins);
    for (; ok && names[count] && count < STRATEGIES_MAX; count++)
        ok = (all[count] = open_one(plugins, names[count], err)) != NULL;
    free(names);
    if (ok && what == PRINT_MARKDOWN)
        print_markdown(to, all, count);
    else if (ok)
        print_schema(to, all, count);
    return ok;
}
