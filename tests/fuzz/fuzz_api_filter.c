/* Any text as every query parameter, and as a cursor: taken or refused with a reason; a cursor taken is the one made. */
#include <stdlib.h>
#include <string.h>

#include "api/filter.h"
#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct one {
    const char *name, *value;
};

static const char *lookup(void *ctx, const char *name)
{
    const struct one *q = ctx;
    return strcmp(q->name, name) == 0 ? q->value : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { EVERY = (1 << 17) - 1 };
    const char *names[FILTER_NAMES];
    size_t count = 0;
    if (size < 2)
        return 0;
    filter_names(EVERY, names);
    while (names[count])
        count++;
    char *text = must_alloc(size, 1);
    memcpy(text, data + 2, size - 2);
    struct one q = { names[data[0] % count], text };
    const char *given[] = { data[1] % 8 ? q.name : text, NULL }, *parameter = NULL;
    struct filter f;
    struct err err = { 0 };
    unsigned allowed = data[1] & 1 ? EVERY | FILTER_DATES : EVERY;
    if (filter_parse(allowed, "/list", given, lookup, &q, &f, &parameter, &err)) {
        char cursor[CURSOR_SIZE], back[CURSOR_KEY_SIZE];
        if (*text && strlen(text) < CURSOR_KEY_SIZE) {
            cursor_encode(&f, text, cursor);
            if (!cursor_decode(&f, cursor, back) || strcmp(back, text) != 0)
                abort();
        }
    } else if (!*err.text || !parameter) {
        abort();
    }
    free(text);
    return 0;
}
