/* print.h - what an instance's file may hold, told to people and to editors, from the tables that check it.
 *
 * Threads: main. */
#ifndef ENGINE_PRINT_H
#define ENGINE_PRINT_H

#include <stdio.h>

#include "core/err.h"

enum print {
    PRINT_INSTANCE, /* a file for one strategy, every key at its default: it runs as it is */
    PRINT_MARKDOWN, /* the file's keys and those of every strategy of the folder */
    PRINT_SCHEMA,   /* JSON Schema of a file of any of them */
};

/* plugins: the folder of .so files; name: PRINT_INSTANCE's strategy. false: err, and nothing was printed. */
bool print_strategies(FILE *to, enum print what, const char *plugins, const char *name, struct err *err);

#endif
