/* instance.c - see instance.h. Two steps: the common keys, which name the plugin; then params by its table. */
#include "engine/instance.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"

struct settings {
    char strategy[STRATEGY_NAME_SIZE];
    struct symbol_list symbols;
    int64_t capital, quantity, days;
};

const struct setting instance_settings[] = {
    SETTING_OF_TEXT(struct settings, strategy, .min = 1, .max = STRATEGY_NAME_SIZE - 1,
                    .help = "The plugin: name of its .so file."),
    SETTING_OF_SYMBOLS(struct settings, symbols, .min = 1, .max = SYMBOLS_MAX,
                       .help = "What it trades; each symbol independently of the others."),
    SETTING_INT64(struct settings, capital, SETTING_MONEY, .min = 1 * USD, .max = 1000000000 * USD,
                  .help = "What this instance may use."),
    SETTING_INT64(struct settings, quantity, SETTING_COUNT, .min = 1, .max = 1000000, .unit = "shares",
                  .help = "Shares per trade."),
    SETTING_INT64(struct settings, days, SETTING_COUNT, .min = 1, .max = 100000, .fallback = "5", .unit = "sessions",
                  .help = "Sessions to run, then stop flat."),
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

static void read_one(const char *path, const char *name, const char *plugins, struct instance_config *out,
                     struct complaints *complaints)
{
    int before = complaints->count;
    const char *twice;
    char where[640];
    struct settings s = { 0 };

    if (!instance_name_is_valid(name))
        complain(complaints, "%s: an instance is called by 1 to %d of [a-z0-9_-], its file likewise", path,
                 INSTANCE_SIZE - 1);
    struct config *c = config_open(path, complaints);
    if (!c)
        return;
    config_read(c, NULL, instance_settings, instance_settings_count, &s, complaints);
    config_read(c, "risk", risk_settings, risk_settings_count, &out->risk, complaints);
    if (complaints->count == before && has_twice(&s.symbols, &twice)) {
        config_where(c, NULL, "symbols", where, sizeof where);
        complain(complaints, "%s: symbols: %s is there twice", where, twice);
    }
    /* The plugin can be found even when another key is wrong: so that its mistakes are told too. */
    const char *strategy = config_scalar(c, "strategy");
    if (strategy && strategy[0])
        out->plugin = find_plugin(c, plugins, strategy, complaints);
    if (out->plugin) {
        out->strategy = out->plugin->descriptor;
        out->params = must_alloc(1, out->strategy->state_size);
        config_read(c, "params", out->strategy->params, out->strategy->params_count, out->params, complaints);
    }
    if (complaints->count == before) {
        size_t size;
        const char *text = config_text(c, &size);
        out->text = must_alloc(1, size + 1);
        memcpy(out->text, text, size);
        sha256_hex(text, size, out->hash);
        text_copy(out->name, sizeof out->name, name);
        text_copy(out->path, sizeof out->path, path);
        out->symbols = s.symbols;
        out->capital = s.capital;
        out->quantity = s.quantity;
        out->days = s.days;
        out->has_days = config_scalar(c, "days") != NULL;
    }
    config_free(c);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void instances_read(const char *folder, const char *plugins, struct instance_list *out, struct complaints *complaints)
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
        read_one(folder, name, plugins, out->items, complaints);
        if (complaints->count)
            instances_free(out);
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
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        snprintf(name, sizeof name, "%.*s", (int)(strrchr(files[i], '.') - files[i]), files[i]);
        for (size_t k = 0; k < i; k++) /* a.yaml and a.yml */
            if (strncmp(files[i], files[k], strlen(name) + 1) == 0)
                complain(complaints, "%s: there is a second file for the instance %s", path, name);
        read_one(path, name, plugins, &out->items[out->count++], complaints);
    }
    for (size_t i = 0; i < files_count; i++)
        free(files[i]);
    if (complaints->count)
        instances_free(out);
}

void instances_free(struct instance_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].params);
        free(list->items[i].text);
    }
    free(list->items);
    memset(list, 0, sizeof *list);
}
