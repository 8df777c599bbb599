/* plugin.c - see plugin.h. */
#include "engine/plugin.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/config.h"

enum { PLUGINS_MAX = 64, STATE_SIZE_MAX = 16 << 20, PARAMS_MAX = 100, DUTIES_MAX = 100, FILE_MAX = 64 << 20 };

static struct plugin opened[PLUGINS_MAX];
static size_t opened_count;

static bool name_is_valid(const char *name, size_t max)
{
    size_t n = 0;
    for (; name[n]; n++)
        if (n + 1 >= max || !(islower((unsigned char)name[n]) || isdigit((unsigned char)name[n]) || name[n] == '_'))
            return false;
    return n > 0;
}

/* How large the stored value of a kind is; 0: the row may have any size (TEXT), or stores nothing (MAP). */
static size_t kind_size(enum setting_kind kind)
{
    static const size_t sizes[] = {
        [SETTING_COUNT] = sizeof(int64_t), [SETTING_MONEY] = sizeof(int64_t), [SETTING_PERCENT] = sizeof(int64_t),
        [SETTING_DURATION] = sizeof(int64_t), [SETTING_BOOL] = sizeof(bool), [SETTING_ENUM] = sizeof(int),
        [SETTING_SESSION_TIME] = sizeof(struct session_time), [SETTING_DATE] = sizeof(int32_t),
        [SETTING_SYMBOLS] = sizeof(struct symbol_list), [SETTING_TIMETABLE] = sizeof(struct timetable),
        [SETTING_TEXT] = 0, [SETTING_MAP] = 0,
    };
    return sizes[kind];
}

static bool param_check(const struct strategy_plugin *d, size_t i, struct err *err)
{
    const struct setting *p = &d->params[i];
    if (!p->name || !name_is_valid(p->name, 64))
        return err_set(err, ERR_INPUT, "parameter %zu has no name made of [a-z0-9_]", i + 1);
    for (size_t k = 0; k < i; k++)
        if (strcmp(d->params[k].name, p->name) == 0)
            return err_set(err, ERR_INPUT, "parameter %s is there twice", p->name);
    if (p->kind > SETTING_MAP || p->kind == SETTING_MAP)
        return err_set(err, ERR_INPUT, "parameter %s has a kind a strategy cannot take (%d)", p->name, (int)p->kind);
    if (p->offset > d->state_size || p->size > d->state_size - p->offset || p->size == 0)
        return err_set(err, ERR_INPUT, "parameter %s lies outside the state of %zu bytes", p->name, d->state_size);
    if (kind_size(p->kind) && kind_size(p->kind) != p->size)
        return err_set(err, ERR_INPUT, "parameter %s takes %zu bytes, its kind needs %zu", p->name, p->size,
                       kind_size(p->kind));
    if ((p->kind == SETTING_ENUM || p->kind == SETTING_TIMETABLE) && (!p->names || !p->names[0]))
        return err_set(err, ERR_INPUT, "parameter %s has no list of names", p->name);
    if (!p->help || !p->help[0])
        return err_set(err, ERR_INPUT, "parameter %s has no help", p->name);
    if (p->min > p->max)
        return err_set(err, ERR_INPUT, "parameter %s has its minimum above its maximum", p->name);
    if (!p->fallback)
        return true;

    void *scratch = must_alloc(1, d->state_size);
    struct err why;
    bool ok = setting_parse(p, p->fallback, scratch, &why);
    free(scratch);
    return ok || err_set(err, ERR_INPUT, "the default of parameter %s does not fit its own row: %s", p->name, why.text);
}

static bool duty_check(const struct strategy_plugin *d, size_t i, struct err *err)
{
    const struct strategy_duty *duty = &d->duties[i];
    if (!duty->name || !duty->name[0])
        return err_set(err, ERR_INPUT, "duty %zu has no name", i + 1);
    enum setting_kind want = duty->is_timetable ? SETTING_TIMETABLE : SETTING_SESSION_TIME;
    for (size_t k = 0; k < d->params_count; k++)
        if (d->params[k].offset == duty->at && d->params[k].kind == want)
            return true;
    return err_set(err, ERR_INPUT, "duty %s points at no parameter that is a %s", duty->name,
                   duty->is_timetable ? "timetable" : "session time");
}

bool plugin_check(const struct strategy_plugin *d, const char *name, struct err *err)
{
    if (d->abi != STRATEGY_ABI)
        return err_set(err, ERR_INPUT, "built for strategy ABI %u, this engine speaks %u: build it again", d->abi,
                       (unsigned)STRATEGY_ABI);
    if (d->size != sizeof *d)
        return err_set(err, ERR_INPUT, "its descriptor has %u bytes, this engine's has %zu: build it again", d->size,
                       sizeof *d);
    if (!d->name || !name_is_valid(d->name, STRATEGY_NAME_SIZE))
        return err_set(err, ERR_INPUT, "its name must be 1 to %d of [a-z0-9_]", STRATEGY_NAME_SIZE - 1);
    if (strcmp(d->name, name) != 0)
        return err_set(err, ERR_INPUT, "it calls itself %s, but its file is %s.so", d->name, name);
    if (!d->summary || !d->summary[0])
        return err_set(err, ERR_INPUT, "it has no summary");
    if (d->state_size == 0 || d->state_size > STATE_SIZE_MAX)
        return err_set(err, ERR_INPUT, "its state of %zu bytes is not within 1 and %d", d->state_size, STATE_SIZE_MAX);
    if (d->params_count > PARAMS_MAX || (d->params_count && !d->params))
        return err_set(err, ERR_INPUT, "its table of parameters is missing or longer than %d", PARAMS_MAX);
    if (d->duties_count > DUTIES_MAX || (d->duties_count && !d->duties))
        return err_set(err, ERR_INPUT, "its table of duties is missing or longer than %d", DUTIES_MAX);
    if (d->duties_count && !d->on_duty)
        return err_set(err, ERR_INPUT, "it has duties but no on_duty");
    for (size_t i = 0; i < d->params_count; i++)
        if (!param_check(d, i, err))
            return false;
    for (size_t i = 0; i < d->duties_count; i++)
        if (!duty_check(d, i, err))
            return false;
    if (!d->on_bar && !d->on_quote && !d->on_duty && !d->on_session_open)
        return err_set(err, ERR_INPUT, "it has none of on_bar, on_quote, on_duty, on_session_open: it could never act");
    return true;
}

static bool file_hash(const char *path, char out[65], struct err *err)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    bool ok = false;
    char *data = NULL;
    struct stat st;
    if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MAX) {
        err_set(err, ERR_INPUT, "%s: not a plugin's file", path);
        goto done;
    }
    data = must_alloc(1, (size_t)st.st_size);
    if (fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
        err_set(err, ERR_IO, "%s: cannot be read", path);
        goto done;
    }
    sha256_hex(data, (size_t)st.st_size, out);
    ok = true;
done:
    free(data);
    fclose(f);
    return ok;
}

const struct plugin *plugin_open(const char *path, struct err *err)
{
    struct plugin p = { 0 };
    char real[4096], name[STRATEGY_NAME_SIZE + 8];

    if (!file_hash(path, p.hash, err))
        return NULL;
    if (!realpath(path, real) || !text_copy(p.path, sizeof p.path, real)) {
        err_set(err, ERR_INPUT, "%s: the path is too long", path);
        return NULL;
    }
    for (size_t i = 0; i < opened_count; i++)
        if (strcmp(opened[i].path, p.path) == 0)
            return &opened[i];

    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t length = strlen(base);
    if (length < 4 || strcmp(base + length - 3, ".so") != 0 || length - 3 >= sizeof name) {
        err_set(err, ERR_INPUT, "%s: a plugin's file is called NAME.so", path);
        return NULL;
    }
    memcpy(name, base, length - 3);
    name[length - 3] = '\0';

    void *handle = dlopen(p.path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        err_set(err, ERR_INPUT, "%s: cannot be loaded: %s", path, dlerror());
        return NULL;
    }
    p.descriptor = dlsym(handle, "strategy_plugin");
    if (!p.descriptor)
        err_set(err, ERR_INPUT, "%s: exports no strategy_plugin", path);
    else if (opened_count == PLUGINS_MAX)
        err_set(err, ERR_INPUT, "%s: more than %d plugins", path, PLUGINS_MAX);
    else if (!plugin_check(p.descriptor, name, err))
        err_prefix(err, "%s", path);
    else {
        opened[opened_count] = p;
        return &opened[opened_count++];
    }
    dlclose(handle);
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **plugin_names(const char *folder)
{
    enum { NAMES_MAX = 200 };
    const char **names = must_alloc(NAMES_MAX + 1, sizeof *names + STRATEGY_NAME_SIZE);
    char *text = (char *)(names + NAMES_MAX + 1);
    size_t count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && count < NAMES_MAX && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 4 || n - 3 >= STRATEGY_NAME_SIZE || strcmp(e->d_name + n - 3, ".so") != 0)
            continue;
        memcpy(text, e->d_name, n - 3);
        text[n - 3] = '\0';
        names[count++] = text;
        text += n - 2;
    }
    if (d)
        closedir(d);
    qsort(names, count, sizeof *names, by_name);
    return names;
}

void plugins_folder(char *out, size_t size)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        n = 0;
    self[n] = '\0';
    snprintf(out, size, "%.400s/../strategies", dirname(self));
}
