/* instance.c - see instance.h. Two steps: the common keys, which name the plugin; then params by its table. */
#include "engine/instance.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"

const struct setting instance_settings[] = {
    { .name = "strategy", .kind = SETTING_TEXT, .offset = offsetof(struct instance_config, strategy_name),
      .size = STRATEGY_NAME_SIZE, .min = 1, .max = STRATEGY_NAME_SIZE - 1, .help = "The plugin: name of its .so file." },
    SETTING_OF_SYMBOLS(struct instance_config, symbols, .min = 1, .max = SYMBOLS_MAX,
                       .help = "What it trades; each symbol independently of the others."),
    SETTING_INT64(struct instance_config, capital, SETTING_MONEY, .min = 1 * USD, .max = 1000000000 * USD,
                  .help = "What this instance may use."),
    SETTING_INT64(struct instance_config, quantity, SETTING_COUNT, .min = 1, .max = 1000000, .unit = "shares",
                  .hot = true, .help = "Shares per trade."),
    SETTING_INT64(struct instance_config, days, SETTING_COUNT, .min = 1, .max = 100000, .fallback = "5", .unit = "sessions",
                  .help = "Sessions to run, then stop flat; a backtest of a file without it runs to the last bar."),
    { .name = "params", .kind = SETTING_MAP, .fallback = "{}", .help = "The plugin's own parameters." },
    { .name = "risk", .kind = SETTING_MAP, .fallback = "{}", .help = "Limits no order of this instance gets past." },
};
const size_t instance_settings_count = COUNT_OF(instance_settings);

static const struct plugin *find_plugin(const struct config *c, const char *folder, const char *name,
                                        struct complaints *complaints)
{
    char where[640], path[1024];
    config_where(c, NULL, "strategy", where, sizeof where);
    const char **names = plugin_names(folder);
    const struct plugin *plugin = NULL;
    struct err err;
    if (name_index(names, name) >= 0) {
        snprintf(path, sizeof path, "%s/%s.so", folder, name);
        plugin = plugin_open(path, &err);
        if (!plugin)
            complain(complaints, "%s: %s", where, err.text);
    } else {
        const char *near = nearest_name(name, names);
        complain(complaints, "%s: strategy: there is no \"%s\" in %s%s%s%s", where, name, folder,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    free(names);
    return plugin;
}

static bool has_twice(const struct symbol_list *list, const char **which)
{
    for (int64_t i = 0; i < list->count; i++)
        for (int64_t k = 0; k < i; k++)
            if (strcmp(list->names[i], list->names[k]) == 0) {
                *which = list->names[i];
                return true;
            }
    return false;
}

/* ---- the environment */

#define RECORDED "# environment: "

/* What stands for a variable in a text on record. */
static bool recorded_value(const char *text, const char *variable, char *out, size_t size)
{
    size_t length = strlen(variable);
    for (const char *at = text; (at = strstr(at, "\n" RECORDED)); at++) {
        const char *name = at + strlen("\n" RECORDED);
        if (strncmp(name, variable, length) == 0 && name[length] == '=') {
            snprintf(out, size, "%.*s", (int)strcspn(name + length + 1, "\n"), name + length + 1);
            return true;
        }
    }
    return false;
}

struct reading {
    const struct config *config;
    const char *record;      /* a text that was on record: its lines are the environment; NULL: the real one */
    struct instance_config *out;
    struct complaints *complaints;
    char told[2048];         /* what the environment set, as lines */
    size_t told_length;
};

static void take_variables(struct reading *r, const char *section, const struct setting *table, size_t count, void *values)
{
    enum { VALUE_MAX = 500 };
    char variable[256], value[VALUE_MAX];
    for (size_t i = 0; i < count; i++) {
        struct err err;
        snprintf(variable, sizeof variable, "BELL_INSTANCE_%s_%s%s", r->out->name, section, table[i].name);
        for (char *c = variable; *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        const char *set = getenv(variable);
        if (table[i].kind == SETTING_MAP || (r->record ? !recorded_value(r->record, variable, value, sizeof value) : !set || !*set))
            continue;
        if (!r->record && snprintf(value, sizeof value, "%s", set) >= VALUE_MAX) {
            complain(r->complaints, "environment %s: more than %d bytes", variable, VALUE_MAX - 1);
            continue;
        }
        if (!setting_parse(&table[i], value, values, &err))
            complain(r->complaints, "environment %s: %s", variable, err.text);
        r->told_length += (size_t)snprintf(r->told + r->told_length, sizeof r->told - r->told_length, RECORDED "%s=%s\n", variable, value);
        if (r->told_length >= sizeof r->told) {
            complain(r->complaints, "environment %s: too many variables for one instance", variable);
            r->told_length = sizeof r->told - 1;
        }
    }
}

static void take_text(struct reading *r, const char *text, size_t size)
{
    struct instance_config *out = r->out;
    bool line_ends = size == 0 || text[size - 1] == '\n';
    out->text = must_alloc(1, size + r->told_length + 2);
    memcpy(out->text, text, size);
    sprintf(out->text + size, "%s%s", r->told_length && !line_ends ? "\n" : "", r->record ? "" : r->told);
    sha256_hex(out->text, strlen(out->text), out->hash);
}

static void read_config(struct reading *r, const char *plugins)
{
    const struct config *c = r->config;
    struct instance_config *out = r->out;
    struct complaints *complaints = r->complaints;
    int before = complaints->count;
    const char *twice, *text;
    char where[640];
    size_t size;

    config_read(c, NULL, instance_settings, instance_settings_count, out, complaints);
    take_variables(r, "", instance_settings, instance_settings_count, out);
    config_read(c, "risk", risk_settings, risk_settings_count, &out->risk, complaints);
    take_variables(r, "RISK_", risk_settings, risk_settings_count, &out->risk);
    if (complaints->count == before && has_twice(&out->symbols, &twice)) {
        config_where(c, NULL, "symbols", where, sizeof where);
        complain(complaints, "%s: symbols: %s is there twice", where, twice);
    }
    out->has_days = config_scalar(c, "days") || strstr(r->told, "_DAYS=");
    /* The plugin can be found even when another key is wrong: so that its mistakes are told too. */
    const char *strategy = config_scalar(c, "strategy");
    if (strategy && strategy[0])
        out->plugin = find_plugin(c, plugins, strategy, complaints);
    if (out->plugin) {
        out->strategy = out->plugin->descriptor;
        out->params = must_alloc(1, out->strategy->state_size);
        config_read(c, "params", out->strategy->params, out->strategy->params_count, out->params, complaints);
        take_variables(r, "PARAMS_", out->strategy->params, out->strategy->params_count, out->params);
    }
    text = config_text(c, &size);
    take_text(r, text, size);
}

static void read_one(struct config *c, const char *record, const char *path, const char *name, const char *plugins,
                     struct instance_config *out, struct complaints *complaints, int before)
{
    struct reading r = { .config = c, .record = record, .out = out, .complaints = complaints };
    text_copy(out->path, sizeof out->path, path);
    if (!instance_name_is_valid(name))
        complain(complaints, "%s: an instance is called by 1 to %d of [a-z0-9_-], its file likewise", path,
                 INSTANCE_SIZE - 1);
    else
        text_copy(out->name, sizeof out->name, name);
    if (c)
        read_config(&r, plugins);
    out->is_wrong = complaints->count > before;
    config_free(c);
}

void instance_read(const char *path, const char *name, const char *plugins, struct instance_config *out,
                   struct complaints *complaints)
{
    int before = complaints->count;
    memset(out, 0, sizeof *out);
    read_one(config_open(path, complaints), NULL, path, name, plugins, out, complaints, before);
}

void instance_read_record(const char *text, const char *path, const char *name, const char *plugins, struct instance_config *out,
                          struct complaints *complaints)
{
    int before = complaints->count;
    memset(out, 0, sizeof *out);
    read_one(config_parse(path, text, strlen(text), complaints), text, path, name, plugins, out, complaints, before);
}

void instance_clear(struct instance_config *config)
{
    free(config->params);
    free(config->text);
    memset(config, 0, sizeof *config);
}

/* ---- what differs */

static void differences(const char *section, const struct setting *table, size_t count, const void *was, const void *is,
                        bool hot, char *out, size_t size)
{
    enum { VALUE_MAX = 200 };
    for (size_t i = 0; i < count; i++) {
        char before[VALUE_MAX], after[VALUE_MAX];
        size_t n = strlen(out);
        if (table[i].kind == SETTING_MAP || table[i].hot != hot || setting_is_same(&table[i], was, is))
            continue;
        setting_format(&table[i], was, before, sizeof before);
        setting_format(&table[i], is, after, sizeof after);
        snprintf(out + n, size - n, "%s%s%s %s -> %s", n ? ", " : "", section, table[i].name, before, after);
    }
}

void instance_difference(const struct instance_config *was, const struct instance_config *is, char *cold, char *hot, size_t size)
{
    cold[0] = hot[0] = '\0';
    for (int k = 0; k < 2; k++) {
        char *out = k ? hot : cold;
        differences("", instance_settings, instance_settings_count, was, is, k, out, size);
        if (was->strategy == is->strategy)
            differences("params: ", is->strategy->params, is->strategy->params_count, was->params, is->params, k, out, size);
        differences("risk: ", risk_settings, risk_settings_count, &was->risk, &is->risk, k, out, size);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void instances_read_all(const char *folder, const char *plugins, struct instance_list *out, struct complaints *complaints)
{
    enum { FILES_MAX = 256 };
    char *files[FILES_MAX], path[1024], name[256];
    size_t files_count = 0;

    memset(out, 0, sizeof *out);
    DIR *d = opendir(folder);
    if (!d && errno == ENOTDIR) {
        const char *file = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder, *end = strrchr(file, '.');
        snprintf(name, sizeof name, "%.*s", end ? (int)(end - file) : (int)strlen(file), file);
        out->items = must_alloc(1, sizeof *out->items);
        out->count = 1;
        instance_read(folder, name, plugins, out->items, complaints);
        return;
    }
    if (!d) {
        complain(complaints, "%s: %s", folder, strerror(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (e->d_name[0] == '.' || !end || (strcmp(end, ".yaml") != 0 && strcmp(end, ".yml") != 0))
            continue;
        if (files_count == FILES_MAX) {
            complain(complaints, "%s: more than %d instances", folder, FILES_MAX);
            break;
        }
        files[files_count++] = must_strdup(e->d_name);
    }
    closedir(d);
    if (files_count == 0)
        complain(complaints, "%s: no instance here: put NAME.yaml into it", folder);
    qsort(files, files_count, sizeof files[0], by_name);

    out->items = must_alloc(files_count + 1, sizeof *out->items);
    for (size_t i = 0; i < files_count; i++) {
        struct instance_config *item = &out->items[out->count++];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        snprintf(name, sizeof name, "%.*s", (int)(strrchr(files[i], '.') - files[i]), files[i]);
        instance_read(path, name, plugins, item, complaints);
        for (size_t k = 0; k < i; k++) /* a.yaml and a.yml */
            if (strncmp(files[i], files[k], strlen(name) + 1) == 0) {
                complain(complaints, "%s: there is a second file for the instance %s", path, name);
                item->is_wrong = true;
            }
    }
    for (size_t i = 0; i < files_count; i++)
        free(files[i]);
}

void instances_read(const char *folder, const char *plugins, struct instance_list *out, struct complaints *complaints)
{
    instances_read_all(folder, plugins, out, complaints);
    if (complaints->count)
        instances_free(out);
}

void instances_free(struct instance_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        instance_clear(&list->items[i]);
    free(list->items);
    memset(list, 0, sizeof *list);
}
