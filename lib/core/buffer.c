#include "core/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static char *grow(struct buffer *b, size_t size)
{
    if (b->room - b->size <= size) {
        b->room = (b->size + size + 1) * 2;
        b->data = must_realloc(b->data, b->room, 1);
    }
    return b->data + b->size;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
    memcpy(grow(b, size), data, size);
    b->size += size;
}

void buffer_text(struct buffer *b, const char *text)
{
    size_t size = strlen(text);
    memcpy(grow(b, size), text, size + 1);
    b->size += size;
}

void buffer_printf(struct buffer *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(size >= 0);
    va_start(args, fmt);
    vsnprintf(grow(b, (size_t)size), (size_t)size + 1, fmt, args);
    va_end(args);
    b->size += (size_t)size;
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){ 0 };
}

void buffer_json(struct buffer *b, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    buffer_add(b, "\"", 1);
    for (const char *from = text; ; ) {
        const char *to = from;
        while ((unsigned char)*to >= 0x20 && *to != '"' && *to != '\\')
            to++;
        buffer_add(b, from, (size_t)(to - from));
        if (!*to)
            break;
        unsigned char c = (unsigned char)*to;
        char escaped[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        if (c == '"' || c == '\\')
            buffer_add(b, (char[]){ '\\', (char)c }, 2);
        else
            buffer_add(b, escaped, sizeof escaped);
        from = to + 1;
    }
    buffer_add(b, "\"", 1);
}

void buffer_csv(struct buffer *b, const char *text)
{
    if (!text[strcspn(text, "\",\r\n")]) {
        buffer_text(b, text);
        return;
    }
    buffer_add(b, "\"", 1);
    for (; *text; text++)
        buffer_add(b, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    buffer_add(b, "\"", 1);
}
