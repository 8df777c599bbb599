/* slab.h - rows known by number: taken, closed when they are done with, given back for others. Those given back are
 * taken again first.
 *
 * Pure. Rows move when the slab grows: keep numbers, not pointers, across slab_take. */
#ifndef ENGINE_SLAB_H
#define ENGINE_SLAB_H

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

struct slab {
    void *rows;
    size_t row_size;      /* set before the first slab_take */
    int count;            /* numbers ever taken are below */
    int max;
    int *spare;           /* numbers given back */
    int spare_count;
    int *open;            /* numbers taken and not closed, in the order they were taken */
    size_t open_count;
};

/* A zeroed row's number. */
static inline int slab_take(struct slab *s)
{
    int i = s->spare_count > 0 ? s->spare[--s->spare_count] : s->count++;
    if (i == s->max) {
        s->max = s->max ? 2 * s->max : 64;
        s->rows = must_realloc(s->rows, (size_t)s->max, s->row_size);
        s->spare = must_realloc(s->spare, (size_t)s->max, sizeof *s->spare);
        s->open = must_realloc(s->open, (size_t)s->max, sizeof *s->open);
    }
    s->open[s->open_count++] = i;
    memset((char *)s->rows + (size_t)i * s->row_size, 0, s->row_size);
    return i;
}

static inline void slab_close(struct slab *s, int i)
{
    size_t at = 0;
    while (at < s->open_count && s->open[at] != i)
        at++;
    assert(at < s->open_count);
    memmove(&s->open[at], &s->open[at + 1], (--s->open_count - at) * sizeof *s->open);
}

/* One that is closed. */
static inline void slab_give(struct slab *s, int i)
{
    s->spare[s->spare_count++] = i;
}

static inline void *slab_row(const struct slab *s, int i)
{
    return (char *)s->rows + (size_t)i * s->row_size;
}

static inline void slab_clear(struct slab *s)
{
    free(s->rows);
    free(s->spare);
    free(s->open);
}

#endif
