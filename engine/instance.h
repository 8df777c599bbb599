/* instance.h - config/strategies/NAME.yaml: one file is one running instance, named like its file.
 *
 * All mistakes of all files are reported at once as file:line:column.
 *
 * An environment variable goes before the file: BELL_INSTANCE_NAME_KEY, _NAME_PARAMS_KEY, _NAME_RISK_KEY, in capitals, '-' as
 * '_'; set to nothing it is not set. What it set is told at the end of `text`, as comment lines: the text is what ran.
 *
 * Rows marked hot (of the instance, its risk and its params) may differ from what runs; any other is cold: it takes a new
 * start. Threads: main. */
#ifndef ENGINE_INSTANCE_H
#define ENGINE_INSTANCE_H

#include "core/config.h"
#include "engine/plugin.h"
#include "engine/risk.h"
#include "market/client_order_id.h"

struct instance_config {
    char name[INSTANCE_SIZE];
    char path[512];
    char strategy_name[STRATEGY_NAME_SIZE];
    const struct plugin *plugin;  /* lent; NULL in tests that bring a descriptor of their own */
    const struct strategy_plugin *strategy;
    struct symbol_list symbols;
    int64_t capital, quantity, days; /* micros, shares, sessions (0: until stopped; backtests only) */
    bool has_days;                /* the file names them */
    struct risk_limits risk;
    void *params;                 /* owned: a zeroed state block with the parameters filled in */
    char *text;                   /* owned: the file, for the record; there even when it has mistakes */
    char hash[65];                /* SHA-256 of text; "" when the file could not be read */
    bool is_wrong;                /* it has mistakes: nothing of the above but name, path, text and hash holds */
};

struct instance_list {
    size_t count;
    struct instance_config *items;
};

/* Reads one file. name: the instance's. Complaints may come, then is_wrong; free it either way. */
void instance_read(const char *path, const char *name, const char *plugins, struct instance_config *out,
                   struct complaints *complaints);
/* The same from a text that was on record; its own comment lines stand for the environment. */
void instance_read_record(const char *text, const char *path, const char *name, const char *plugins, struct instance_config *out,
                          struct complaints *complaints);
void instance_clear(struct instance_config *config);

/* What differs, as "quantity 100 -> 200, params: threshold 1 % -> 2 %" (cut to fit); "" when nothing does. cold: of rows that
 * are not hot, hot: of those that are. */
void instance_difference(const struct instance_config *was, const struct instance_config *is, char *cold, char *hot, size_t size);

/* Reads all *.yaml and *.yml of the folder (or one file), sorted by name, with plugins from the other folder. On any mistake
 * the list is empty and complaints tell all. Free the list either way. */
void instances_read(const char *folder, const char *plugins, struct instance_list *out, struct complaints *complaints);
/* The same, but files with mistakes stay in the list, is_wrong: another text may be known for them. */
void instances_read_all(const char *folder, const char *plugins, struct instance_list *out, struct complaints *complaints);
void instances_free(struct instance_list *list);

/* The table of an instance's file, for --print-config and docs; rows of struct instance_config. */
extern const struct setting instance_settings[];
extern const size_t instance_settings_count;

#endif
