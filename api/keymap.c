#include "api/keymap.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static void key_add(struct key *k, const void *data, size_t size)
{
    assert(size <= sizeof k->bytes - k->size);
    memcpy(k->bytes + k->size, data, size);
    k->size += size;
}

void key_text(struct key *k, const char *text)
{
    key_add(k, text, strlen(text) + 1); /* the NUL divides */
}

void key_number(struct key *k, int64_t number)
{
    key_add(k, &number, sizeof number);
}

/* FNV-1a with a last stir: keys differ mostly at their end. */
static uint64_t hash_of(const struct key *k)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < k->size; i++)
        h = (h ^ (unsigned char)k->bytes[i]) * UINT64_C(1099511628211);
    h ^= h >> 32;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static struct keymap_entry *slot(const struct keymap *m, const struct key *k, uint64_t hash)
{
    for (size_t i = hash & (m->room - 1); ; i = (i + 1) & (m->room - 1)) {
        struct keymap_entry *e = &m->entries[i];
        if (!e->key || (e->hash == hash && e->size == k->size && memcmp(e->key, k->bytes, k->size) == 0))
            return e;
    }
}

static void grow(struct keymap *m)
{
    struct keymap bigger = { .room = m->room ? m->room * 2 : 64, .count = m->count };
    bigger.entries = must_alloc(bigger.room, sizeof *bigger.entries);
    for (size_t i = 0; i < m->room; i++) {
        if (!m->entries[i].key)
            continue;
        size_t to = m->entries[i].hash & (bigger.room - 1);
        while (bigger.entries[to].key)
            to = (to + 1) & (bigger.room - 1);
        bigger.entries[to] = m->entries[i];
    }
    free(m->entries);
    *m = bigger;
}

void **keymap_find(const struct keymap *m, const struct key *k)
{
    if (!m->room)
        return NULL;
    struct keymap_entry *e = slot(m, k, hash_of(k));
    return e->key ? &e->value : NULL;
}

void **keymap_put(struct keymap *m, const struct key *k)
{
    if ((m->count + 1) * 4 > m->room * 3)
        grow(m);
    uint64_t hash = hash_of(k);
    struct keymap_entry *e = slot(m, k, hash);
    if (!e->key) {
        *e = (struct keymap_entry){ .hash = hash, .size = k->size, .key = must_alloc(k->size, 1) };
        memcpy(e->key, k->bytes, k->size);
        m->count++;
    }
    return &e->value;
}

void keymap_free(struct keymap *m)
{
    for (size_t i = 0; i < m->room; i++)
        free(m->entries[i].key);
    free(m->entries);
    *m = (struct keymap){ 0 };
}
