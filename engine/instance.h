/* instance.h - config/strategies/NAME.yaml: one file is one running instance, named like its file.
 *
 * All mistakes of all files are reported at once as file:line:column. Threads: main. */
#ifndef ENGINE_INSTANCE_H
#define ENGINE_INSTANCE_H

#include "core/config.h"
#include "engine/plugin.h"
#include "engine/risk.h"
#include "market/client_order_id.h"

struct instance_config {
    char name[INSTANCE_SIZE];
    char path[512];
    const struct plugin *plugin;  /* lent; NULL in tests that bring a descriptor of their own */
    const struct strategy_plugin *strategy;
    struct symbol_list symbols;
    int64_t capital, quantity, days; /* micros, shares, sessions (0: until stopped; backtests only) */
    bool has_days;                /* the file names them */
    struct risk_limits risk;
    void *params;                 /* owned: a zeroed state block with the parameters filled in */
    char *text;                   /* owned: the file, for the record */
    char hash[65];                /* SHA-256 of text */
};

struct instance_list {
    size_t count;
    struct instance_config *items;
};

/* Reads all *.yaml and *.yml of the folder (or one file), sorted by name, with plugins from the other folder. On any mistake
 * the list is empty and complaints tell all. Free the list either way. */
void instances_read(const char *folder, const char *plugins, struct instance_list *out, struct complaints *complaints);
void instances_free(struct instance_list *list);

/* The table of an instance's file, for --print-config and docs; rows of struct instance_settings. */
extern const struct setting instance_settings[];
extern const size_t instance_settings_count;

#endif
