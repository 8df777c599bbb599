#include "exchange/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static uint64_t hash(const char *key)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
    return h ^ (h >> 29);
}

static struct table_entry *slot(const struct table *t, const char *key)
{
    size_t i = hash(key) & (t->size - 1);
    while (t->entries[i].key && strcmp(t->entries[i].key, key) != 0)
        i = (i + 1) & (t->size - 1);
    return &t->entries[i];
}

void *table_get(const struct table *t, const char *key)
{
    return t->size ? slot(t, key)->value : NULL;
}

void table_put(struct table *t, const char *key, void *value)
{
    if (t->count * 2 >= t->size) {
        struct table bigger = { .size = t->size ? t->size * 2 : 16, .count = t->count };
        bigger.entries = must_alloc(bigger.size, sizeof *bigger.entries);
        for (size_t i = 0; i < t->size; i++)
            if (t->entries[i].key)
                *slot(&bigger, t->entries[i].key) = t->entries[i];
        free(t->entries);
        *t = bigger;
    }
    struct table_entry *e = slot(t, key);
    assert(!e->key);
    *e = (struct table_entry){ key, value };
    t->count++;
}

void table_clear(struct table *t)
{
    free(t->entries);
    *t = (struct table){ 0 };
}
