/* table.h - a hash table from text to a pointer: orders by id, by client id, accounts by key.
 *
 * Keys are lent: they live in the thing pointed to and must not change. Nothing is ever removed. */
#ifndef EXCHANGE_TABLE_H
#define EXCHANGE_TABLE_H

#include <stddef.h>

struct table_entry {
    const char *key;
    void *value;
};

struct table { /* zeroed is empty */
    struct table_entry *entries;
    size_t count, size; /* size: 0 or a power of two */
};

void *table_get(const struct table *t, const char *key); /* NULL: not there */
void table_put(struct table *t, const char *key, void *value); /* key must be new */
void table_clear(struct table *t);

#endif
