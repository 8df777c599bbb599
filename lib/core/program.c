/* program.c - a program's settings from all places: defaults, file, environment, command line. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/config.h"
#include "core/config_read.h"
#include "core/describe.h"
#include "core/json.h"
#include "core/log.h"

extern char **environ;

enum { NAME_SIZE = 128, VALUE_SIZE = 4096, FLAGS_MAX = 128 };

enum action { RUN, HELP, VERSION, PRINT_CONFIG, PRINT_SETTINGS, CHECK_CONFIG };

static const struct {
    const char *name;
    enum action action;
    const char *help;
} actions[] = {
    { "help", HELP, "Print this and leave." },
    { "version", VERSION, "Print the version and leave." },
    { "print-config", PRINT_CONFIG, "Print a settings file with every default and leave." },
    { "print-settings", PRINT_SETTINGS, "Print all settings as a Markdown table and leave." },
    { "check-config", CHECK_CONFIG,
      "Check all settings and leave: exit status 0 when they are good, 2 when not." },
};

/* "bell-exchange", "port" -> BELL_EXCHANGE_PORT */
static void variable_name(const char *program, const char *setting, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s_%s", program, setting);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

static void flag_name(const char *setting, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s", setting);
    for (char *c = out; *c; c++)
        *c = *c == '_' ? '-' : *c;
}

static void print_help(const struct program *p)
{
    printf("%s - %s\n", p->name, p->summary);
    if (p->usage)
        printf("\n%s%s", p->usage,
               p->usage[0] && p->usage[strlen(p->usage) - 1] == '\n' ? "" : "\n");
    printf("\nSettings, weakest first: defaults, --config FILE, environment, flags.\n\n");
    for (size_t i = 0; i < p->settings_count; i++) {
        const struct setting *s = &p->settings[i];
        char flag[NAME_SIZE], variable[NAME_SIZE], notes[512];
        if (s->kind == SETTING_MAP)
            continue;
        flag_name(s->name, flag);
        variable_name(p->name, s->name, variable);
        setting_notes(s, notes, sizeof notes);
        printf("  --%s%s\n", flag, s->kind == SETTING_BOOL ? "" : " VALUE");
        printf("      %s%s%s%s\n", s->help ? s->help : "", *notes ? " (" : "", notes,
               *notes ? ")" : "");
        if (s->fallback)
            printf("      Default: %s. Environment: %s\n", *s->fallback ? s->fallback : "none",
                   variable);
        else
            printf("      Required. Environment: %s\n", variable);
    }
    printf("  --config FILE\n      Settings as YAML.\n");
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        printf("  --%s\n      %s\n", actions[i].name, actions[i].help);
}

struct line { /* a command line, taken apart */
    enum action action;
    const char *config_path;
    struct {
        const struct setting *setting;
        const char *text;
    } flags[FLAGS_MAX];
    size_t flags_count;
};

static const struct setting *setting_of_flag(const struct program *p, const char *flag)
{
    for (size_t i = 0; i < p->settings_count; i++) {
        char name[NAME_SIZE];
        flag_name(p->settings[i].name, name);
        if (p->settings[i].kind != SETTING_MAP && strcmp(name, flag) == 0)
            return &p->settings[i];
    }
    return NULL;
}

enum { NAMES_SUGGESTED = 64 };

static void refuse_flag(const struct program *p, const char *flag, struct complaints *complaints)
{
    static char storage[NAMES_SUGGESTED][NAME_SIZE]; /* once, at start, on one thread */
    const char *names[NAMES_SUGGESTED + COUNT_OF(actions) + 2];
    size_t n = 0;
    for (size_t i = 0; i < p->settings_count && i < NAMES_SUGGESTED; i++) {
        flag_name(p->settings[i].name, storage[i]);
        names[n++] = storage[i];
    }
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        names[n++] = actions[i].name;
    names[n++] = "config";
    names[n] = NULL;
    const char *nearest = nearest_name(flag, names);
    complain(complaints, "there is no flag --%.60s; %s%s%s", flag,
             nearest ? "did you mean --" : "see --help", nearest ? nearest : "",
             nearest ? "?" : "");
}

/* "--port=8081": what follows '=' is the value; else it is the next word. */
static void take_flag(const struct program *p, int argc, char **argv, int *i, struct line *line,
                      struct complaints *complaints)
{
    char flag[NAME_SIZE];
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    if (len >= sizeof flag) {
        complain(complaints, "there is no flag %.60s...; see --help", argv[*i]);
        return;
    }
    memcpy(flag, word, len);
    flag[len] = '\0';
    for (char *c = flag; *c; c++)
        *c = *c == '_' ? '-' : *c;

    for (size_t k = 0; k < COUNT_OF(actions); k++) {
        if (strcmp(flag, actions[k].name) != 0)
            continue;
        if (equals)
            complain(complaints, "--%s takes no value", flag);
        else if (line->action != HELP)
            line->action = actions[k].action;
        return;
    }
    bool is_config = strcmp(flag, "config") == 0;
    const struct setting *setting = is_config ? NULL : setting_of_flag(p, flag);
    if (!is_config && !setting) {
        refuse_flag(p, flag, complaints);
        if (!equals && *i + 1 < argc && argv[*i + 1][0] != '-')
            ++*i; /* its value, most likely: one complaint is enough */
        return;
    }
    const char *text = equals ? equals + 1 : *i + 1 < argc ? argv[*i + 1] : NULL;
    if (setting && setting->kind == SETTING_BOOL && !equals &&
        !(text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))) {
        text = "true"; /* a bool may stand alone */
    } else if (!text) {
        complain(complaints, "--%s needs a value", flag);
        return;
    } else if (!equals) {
        ++*i;
    }
    if (is_config) {
        line->config_path = text;
    } else if (line->flags_count == FLAGS_MAX) {
        complain(complaints, "too many flags");
    } else {
        line->flags[line->flags_count].setting = setting;
        line->flags[line->flags_count++].text = text;
    }
}

static void take_line(const struct program *p, int argc, char **argv, struct line *line,
                      struct complaints *complaints)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0)
            line->action = HELP;
        else if (strncmp(argv[i], "--", 2) == 0 && argv[i][2])
            take_flag(p, argc, argv, &i, line, complaints);
        else
            complain(complaints, "\"%.80s\" is no flag; flags begin with --, see --help", argv[i]);
    }
}

/* Misspelt variables are told, not refused: the prefix is not ours alone. */
static void warn_of_variables(const struct program *p)
{
    char prefix[NAME_SIZE];
    static char storage[NAMES_SUGGESTED][NAME_SIZE];
    const char *names[NAMES_SUGGESTED + 2];
    size_t n = 0;
    variable_name(p->name, "", prefix);
    for (; n < p->settings_count && n < NAMES_SUGGESTED; n++) {
        variable_name(p->name, p->settings[n].name, storage[n]);
        names[n] = storage[n] + strlen(prefix);
    }
    names[n++] = "CONFIG";
    names[n] = NULL;
    for (char **at = environ; at && *at; at++) {
        char name[NAME_SIZE];
        const char *equals = strchr(*at, '=');
        size_t len = equals ? (size_t)(equals - *at) : 0;
        if (len <= strlen(prefix) || len >= sizeof name ||
            strncmp(*at, prefix, strlen(prefix)) != 0)
            continue;
        memcpy(name, *at, len);
        name[len] = '\0';
        if (name_index(names, name + strlen(prefix)) >= 0)
            continue;
        const char *nearest = nearest_name(name + strlen(prefix), names);
        if (nearest) {
            char meant[2 * NAME_SIZE];
            snprintf(meant, sizeof meant, "%s%s", prefix, nearest);
            log_warn("variable_ignored", KV_TEXT("name", name), KV_TEXT("did_you_mean", meant));
        }
    }
}

/* A variable that is set to nothing is not set: compose files write VARIABLE= for "leave it". */
static const char *variable(const char *program, const char *setting, char name[NAME_SIZE])
{
    variable_name(program, setting, name);
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

static void take_variables(const struct program *p, void *out, bool *given,
                           struct complaints *complaints)
{
    for (size_t i = 0; i < p->settings_count; i++) {
        const struct setting *s = &p->settings[i];
        char name[NAME_SIZE];
        struct err err;
        const char *text = s->kind == SETTING_MAP ? NULL : variable(p->name, s->name, name);
        if (!text)
            continue;
        given[i] = true;
        if (!setting_parse(s, text, out, &err))
            complain(complaints, "environment %s: %s", name, err.text);
    }
}

static void take_flags(const struct program *p, const struct line *line, void *out, bool *given,
                       struct complaints *complaints)
{
    for (size_t i = 0; i < line->flags_count; i++) {
        const struct setting *s = line->flags[i].setting;
        char flag[NAME_SIZE];
        struct err err;
        flag_name(s->name, flag);
        given[s - p->settings] = true;
        if (!setting_parse(s, line->flags[i].text, out, &err))
            complain(complaints, "--%s: %s", flag, err.text);
    }
}

static void check_given(const struct program *p, const bool *given, struct complaints *complaints)
{
    for (size_t i = 0; i < p->settings_count; i++) {
        const struct setting *s = &p->settings[i];
        char flag[NAME_SIZE], name[NAME_SIZE];
        if (given[i] || s->fallback || s->kind == SETTING_MAP)
            continue;
        flag_name(s->name, flag);
        variable_name(p->name, s->name, name);
        complain(complaints, "%s is needed (--%s or %s): %s", s->name, flag, name,
                 s->help ? s->help : "");
    }
}

static void take_file(const struct program *p, const char *path, void *out, bool *given,
                      struct complaints *complaints)
{
    struct config *c = config_open(path, complaints);
    if (c)
        config_read_given(c, NULL, p->settings, p->settings_count, out, given, complaints);
    config_free(c);
}

int program_settings(const struct program *p, int argc, char **argv, void *out)
{
    int status = -1;
    struct line *line = must_alloc(1, sizeof *line);
    struct complaints *complaints = must_alloc(1, sizeof *complaints);
    bool *given = must_alloc(p->settings_count, sizeof *given);

    take_line(p, argc, argv, line, complaints);
    if (line->action == HELP) {
        print_help(p);
        status = 0;
        goto done;
    }
    if (complaints->count == 0 && line->action == VERSION) {
        printf("%s %s\n", p->name, BELL_VERSION);
        status = 0;
        goto done;
    }
    if (complaints->count == 0 && line->action == PRINT_CONFIG) {
        printf("# Settings of %s. Every value is the default.\n\n", p->name);
        settings_print(stdout, p->settings, p->settings_count, 0);
        status = 0;
        goto done;
    }
    if (complaints->count == 0 && line->action == PRINT_SETTINGS) {
        char prefix[NAME_SIZE];
        variable_name(p->name, "", prefix);
        printf("## %s\n\n%s Variables: `%s` and the name in capitals.\n\n", p->name, p->summary, prefix);
        settings_table(stdout, p->settings, p->settings_count);
        status = 0;
        goto done;
    }
    char name[NAME_SIZE];
    config_defaults(p->settings, p->settings_count, out, complaints);
    const char *path = line->config_path ? line->config_path : variable(p->name, "config", name);
    if (path)
        take_file(p, path, out, given, complaints);
    take_variables(p, out, given, complaints);
    take_flags(p, line, out, given, complaints);
    check_given(p, given, complaints);
    warn_of_variables(p);
    if (complaints->count > 0) {
        fputs(complaints->text, stderr);
        fprintf(stderr, "%s: %d %s; nothing was started\n", p->name, complaints->count,
                complaints->count == 1 ? "mistake" : "mistakes");
        status = 2;
    } else if (line->action == CHECK_CONFIG) {
        printf("%s: the settings are good\n", p->name);
        status = 0;
    }
done:
    free(given);
    free(complaints);
    free(line);
    return status;
}
