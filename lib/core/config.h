/* config.h - settings from YAML (libfyaml), the environment and the command line, checked against a table
 * of struct setting (market/setting.h).
 *
 * All mistakes are reported at once, each as one line "path:line:column: sentence" naming the value, what
 * was expected and the nearest valid name. An impossible value is refused, never replaced by a default. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include "core/err.h"
#include "market/setting.h"

struct config; /* one parsed YAML document that remembers positions */

/* Where complaints go; count is how many there were. text is appended lines, bounded. */
struct complaints {
    int count;
    size_t length;
    char text[16384];
};
void complain(struct complaints *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Parses text (duplicate keys, anchors to outside, more than one document, over 1 MiB refused). NULL when
 * it is not YAML: the complaint says where. An empty text is an empty mapping. path is for messages. */
struct config *config_parse(const char *path, const char *text, size_t len, struct complaints *out);
/* Reads the file; a missing or unreadable one is a complaint. */
struct config *config_open(const char *path, struct complaints *out);
void config_free(struct config *c);

/* The whole text, for hashing and for the record. */
const char *config_text(const struct config *c, size_t *len);

/* Fills `out` from the mapping at key `section` (NULL: the top) against the table: defaults where a key is
 * missing, a complaint for each unknown key, wrong value, missing required key. `out` must not be used when
 * complaints came. */
void config_read(const struct config *c, const char *section, const struct setting *table, size_t count,
                 void *out, struct complaints *complaints);

/* Text of one scalar at the top level, or NULL: to learn which plugin a file is for before its table is known. */
const char *config_scalar(const struct config *c, const char *key);

/* "path:line:column" of a key (section may be NULL), for checks across settings. */
void config_where(const struct config *c, const char *section, const char *key, char *out, size_t size);

/* One value by text, as written in YAML, an environment variable or a flag. err names what was expected. */
bool setting_parse(const struct setting *s, const char *text, void *out_struct, struct err *err);
/* The value as a user would write it. */
void setting_format(const struct setting *s, const void *struct_, char *out, size_t size);
/* Do two structs hold the same value? */
bool setting_is_same(const struct setting *s, const void *struct_a, const void *struct_b);

/* ---- programs */
struct program {
    const char *name;          /* "bell-exchange"; its variables are BELL_EXCHANGE_PORT ... */
    const char *summary;
    const char *usage;         /* examples for --help */
    const struct setting *settings;
    size_t settings_count;
};

/* Fills `out` from defaults < --config FILE < environment < --flags (--port 8081, --port=8081; a bool may
 * stand alone; '-' and '_' are the same). Handles --help, --version, --print-config (the commented file with
 * every default) and --check-config. Returns -1 to go on, or the exit status to leave with (0, or 2 after
 * the mistakes were printed to stderr). */
int program_settings(const struct program *p, int argc, char **argv, void *out);

/* A secret from a file: its first line without the newline, at most size-1 bytes; refused when the file is
 * missing, empty, or readable by others than its owner's group (mode & 007). */
bool secret_read(const char *path, char *out, size_t size, struct err *err);

#endif
