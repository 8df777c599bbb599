#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

/* A line is one write(2); what does not fit is cut, and the cut is visible. */
enum { LINE_SIZE = 4096 };
static const char cut_mark[] = " cut=true\n";

struct line {
    size_t length;
    bool is_cut;
    char text[LINE_SIZE];
};

static struct {
    const char *part;
    enum log_level least;
} setup = { NULL, LOG_LEVEL_INFO };

void log_start(const char *part, enum log_level least)
{
    setup.part = part;
    setup.least = least;
}

static void put(struct line *line, const char *text, size_t len)
{
    size_t room = LINE_SIZE - sizeof cut_mark - line->length;
    if (len > room) {
        line->is_cut = true;
        len = room;
    }
    memcpy(line->text + line->length, text, len);
    line->length += len;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static bool needs_quotes(const char *text)
{
    if (!*text)
        return true;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
            return true;
    }
    return false;
}

static void put_quoted(struct line *line, const char *text)
{
    put(line, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escaped[8];
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if (c == '\n')
            snprintf(escaped, sizeof escaped, "\\n");
        else if (c == '\t')
            snprintf(escaped, sizeof escaped, "\\t");
        else if (c < ' ' || c == 0x7f)
            snprintf(escaped, sizeof escaped, "\\x%02x", c);
        else
            snprintf(escaped, sizeof escaped, "%c", c);
        put_text(line, escaped);
    }
    put(line, "\"", 1);
}

static void put_field(struct line *line, const char *key, const char *value)
{
    put(line, " ", 1);
    put_text(line, key);
    put(line, "=", 1);
    if (needs_quotes(value))
        put_quoted(line, value);
    else
        put_text(line, value);
}

void log_write(enum log_level level, const char *event, const struct kv *fields)
{
    static const char *const level_names[] = { "debug", "info", "warn", "error" };
    if (level < setup.least)
        return;

    int saved_errno = errno;
    struct line line = { 0 };
    char text[64];
    time_format_us(clock_utc_ns(), text);
    put_text(&line, "ts=");
    put_text(&line, text);
    put_field(&line, "level", level_names[level]);
    if (setup.part)
        put_field(&line, "part", setup.part);
    put_field(&line, "event", event);
    for (const struct kv *f = fields; f->key; f++) {
        const char *value = text;
        switch (f->kind) {
        case KV_KIND_TEXT:
            value = f->text ? f->text : "";
            break;
        case KV_KIND_INT:
            snprintf(text, sizeof text, "%" PRId64, f->number);
            break;
        case KV_KIND_PRICE:
            if (price_is_set(f->price))
                price_format(f->price, text);
            else
                value = "none";
            break;
        case KV_KIND_TIME:
            time_format_us(f->number, text);
            break;
        }
        put_field(&line, f->key, value);
    }
    if (line.is_cut) {
        memcpy(line.text + line.length, cut_mark, sizeof cut_mark - 1);
        line.length += sizeof cut_mark - 1;
    } else {
        line.text[line.length++] = '\n';
    }
    /* Nobody can be told that stderr is gone. */
    ssize_t ignored = write(STDERR_FILENO, line.text, line.length);
    (void)ignored;
    errno = saved_errno;
}
