/* yaml.h - one YAML document as a tree that remembers where everything stood. For core/config only.
 *
 * libfyaml scans; the tree is ours, so that every node knows its line and column (from 1, as
 * editors show them), a duplicate key is a complaint beside all others, and aliases stay pointers
 * however often they are used. Refused: tags, more than one document, nesting beyond
 * YAML_DEPTH_MAX, keys that are no scalars, aliases to nothing or to what they stand in. */
#ifndef CORE_YAML_H
#define CORE_YAML_H

#include <stdbool.h>
#include <stddef.h>

struct complaints;

enum { YAML_DEPTH_MAX = 32, YAML_SIZE_MAX = 1 << 20 };

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    int line, column;
    bool is_plain;               /* a scalar without quotes */
    char *text;                  /* scalar, NUL-terminated, without a NUL inside */
    struct yaml_node *target;    /* an alias: the node meant */
    struct yaml_node *first;     /* list: items; map: keys */
    struct yaml_node *next;      /* the next item or key */
    struct yaml_node *value;     /* of a key; never NULL in a map */
    struct yaml_node *allocated; /* chain of all nodes, for yaml_free */
};

/* The root (a map, unless the text says otherwise), or NULL after a complaint. A duplicate key is a
 * complaint too, but the tree is there: what else is wrong can be told at once. */
struct yaml_node *yaml_parse(const char *path, const char *text, size_t len,
                             struct complaints *out);
void yaml_free(struct yaml_node *root);

/* Follows an alias. */
const struct yaml_node *yaml_resolve(const struct yaml_node *node);
/* "key:" with nothing behind it, "~" or "null". */
bool yaml_is_null(const struct yaml_node *node);
/* The key node (its value beside it), or NULL. */
const struct yaml_node *yaml_key(const struct yaml_node *map, const char *name);

#endif
