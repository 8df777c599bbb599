/* describe.h - tables of settings, told to people and to editors.
 *
 * Threads: any. Memory: what returns JSON is the caller's. */
#ifndef CORE_DESCRIBE_H
#define CORE_DESCRIBE_H

#include <jansson.h>
#include <stdio.h>

#include "core/config.h"

/* "4 to 9 bars; may change while running": what a reader should know beside the help; "" when nothing. */
void setting_notes(const struct setting *s, char *out, size_t size);

/* YAML: every key at its default under its help as a comment, indent spaces deep. */
void settings_print(FILE *to, const struct setting *table, size_t count, int indent);

/* Markdown: a row each. */
void settings_table(FILE *to, const struct setting *table, size_t count);

/* JSON Schema of the mapping. It knows names, types, limits of numbers and how texts are written; what is beyond (limits of
 * amounts with a unit, one row against another) config_read alone says. */
json_t *settings_schema(const struct setting *table, size_t count);

#endif
