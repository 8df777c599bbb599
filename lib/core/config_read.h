/* config_read.h - what config.c and program.c share: settings from several places, one after the
 * other. */
#ifndef CORE_CONFIG_READ_H
#define CORE_CONFIG_READ_H

#include "core/config.h"

/* Every fallback of the table, parsed. */
void config_defaults(const struct setting *table, size_t count, void *out,
                     struct complaints *complaints);

/* Only what the document says; marks it in given[count]. */
void config_read_given(const struct config *c, const char *section, const struct setting *table,
                       size_t count, void *out, bool *given, struct complaints *complaints);

#endif
