/* plugin.h - opens a strategy's .so and checks its descriptor before anything in it is called.
 *
 * Threads: main. A plugin stays open until the program ends (dlclose may not unload anyway). */
#ifndef ENGINE_PLUGIN_H
#define ENGINE_PLUGIN_H

#include "core/err.h"
#include "strategies/strategy.h"

enum { STRATEGY_NAME_SIZE = 48 };

struct plugin {
    const struct strategy_plugin *descriptor;
    char path[512];
    char hash[65];              /* SHA-256 of the file */
};

/* Opens path and checks: abi, size, name = file name, table of parameters, state size, duties. One sentence
 * in err for the first that does not hold. A plugin opened twice is the same one. */
const struct plugin *plugin_open(const char *path, struct err *err);

/* Where strategies are unless told otherwise: ../strategies beside the program. */
void plugins_folder(char *out, size_t size);

/* plugin_open without dlopen: of a descriptor in this program; name as the file is called. For tests too. */
bool plugin_check(const struct strategy_plugin *d, const char *name, struct err *err);

/* Names of all .so files in a folder, sorted, NULL-terminated, one allocation: free() it. */
const char **plugin_names(const char *folder);

#endif
