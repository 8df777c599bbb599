/* buffer.h - text that grows: the body of a reply, a message. Memory: free with buffer_free; running out aborts. */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stddef.h>

struct buffer {
    char *data;   /* not NUL-terminated unless buffer_printf or buffer_text was last */
    size_t size, room;
};

void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_text(struct buffer *b, const char *text);
void buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *b);

/* A JSON string with its quotes; text is UTF-8. */
void buffer_json(struct buffer *b, const char *text);
/* One CSV cell (RFC 4180), quoted when it has to be. */
void buffer_csv(struct buffer *b, const char *text);

#endif
