/* keymap.h - from a key of a few texts and numbers to a pointer: what is known, found by its natural key.
 *
 * Keys are copied. Entries are never taken out one by one. Threads: the owner's to order. */
#ifndef API_KEYMAP_H
#define API_KEYMAP_H

#include <stddef.h>
#include <stdint.h>

struct keymap {
    struct keymap_entry {
        uint64_t hash;
        char *key;
        size_t size;
        void *value;
    } *entries;
    size_t count, room; /* room is 0 or a power of two */
};

/* The parts of a key one after the other, so that no two keys run into each other. */
enum { KEY_MAX = 512 };
struct key {
    size_t size;
    char bytes[KEY_MAX];
};
void key_text(struct key *k, const char *text);
void key_number(struct key *k, int64_t number);

/* Where the value of the key stands; NULL when it is not there. */
void **keymap_find(const struct keymap *m, const struct key *k);
/* The same, put in with NULL when it is not there. Valid until the next put. */
void **keymap_put(struct keymap *m, const struct key *k);
void keymap_free(struct keymap *m); /* not the values */

#endif
