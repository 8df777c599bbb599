#include "market/client_order_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "market/calendar.h"

static const char prefix[] = "bell.";

static bool is_instance_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool instance_name_is_valid(const char *name)
{
    size_t len = 0;
    while (is_instance_char(name[len]) && len < INSTANCE_SIZE)
        len++;
    return len > 0 && len < INSTANCE_SIZE && name[len] == '\0';
}

void client_order_id_format(const struct client_order_id *id, char out[CLIENT_ORDER_ID_SIZE])
{
    snprintf(out, CLIENT_ORDER_ID_SIZE, "%s%s.%08" PRId32 ".%" PRId64, prefix, id->instance,
             id->date, id->sequence);
}

/* Digits up to the end or the dot; the canonical form only, so that an id has one spelling. */
static bool parse_number(const char **at, int64_t *out)
{
    const char *p = *at;
    int64_t n = 0;
    if (*p < '1' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return false;
    }
    *at = p;
    *out = n;
    return true;
}

bool client_order_id_parse(const char *text, struct client_order_id *out)
{
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *name = text + sizeof prefix - 1;
    const char *dot = strchr(name, '.');
    if (!dot || dot - name >= INSTANCE_SIZE)
        return false;

    struct client_order_id id = { .date = 0 };
    memcpy(id.instance, name, (size_t)(dot - name));
    if (!instance_name_is_valid(id.instance))
        return false;
    const char *at = dot + 1;
    int64_t date;
    if (!parse_number(&at, &date) || at - dot != 9 || *at != '.')
        return false;
    id.date = (int32_t)date;
    if (calendar_add_days(id.date, 0) != id.date) /* no such day */
        return false;
    at++;
    if (!parse_number(&at, &id.sequence) || *at != '\0')
        return false;
    *out = id;
    return true;
}
