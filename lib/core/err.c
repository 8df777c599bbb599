#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line, whatever the values in it hold. */
static void flatten(char *text)
{
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            *text = ' ';
    }
}

bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    char text[sizeof err->text]; /* fmt's values may point into err */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    flatten(text);
    err->code = code;
    memcpy(err->text, text, sizeof text);
    return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (const char *from = ": "; *from && used + 1 < sizeof text;)
        text[used++] = *from++;
    for (const char *from = err->text;
         *from && used + 1 < sizeof text;) /* what does not fit is cut */
        text[used++] = *from++;
    text[used] = '\0';
    flatten(text);
    memcpy(err->text, text, sizeof text);
    return false;
}
