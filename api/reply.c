#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "core/base.h"

static const struct { unsigned status; const char *title, *code; } statuses[] = {
    { 400, "Bad Request", "bad_request" },
    { 403, "Forbidden", "forbidden" },
    { 404, "Not Found", "not_found" },
    { 405, "Method Not Allowed", "method_not_allowed" },
    { 406, "Not Acceptable", "not_acceptable" },
    { 409, "Conflict", "conflict" },
    { 413, "Content Too Large", "too_large" },
    { 415, "Unsupported Media Type", "unsupported_media_type" },
    { 422, "Unprocessable Content", "invalid" },
    { 500, "Internal Server Error", "internal" },
    { 503, "Service Unavailable", "unavailable" },
};

const char *status_title(unsigned status)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].title;
    return "OK";
}

static const char *code_of(unsigned status)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].code;
    return "";
}

static void member(struct buffer *b, const char *name, const char *value)
{
    buffer_printf(b, ",\"%s\":", name);
    buffer_json(b, value);
}

void problem(struct call *c, unsigned status, const struct json_faults *faults, const char *fmt, ...)
{
    char detail[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);

    c->status = status;
    c->content_type = "application/problem+json";
    c->reply.size = 0;
    buffer_printf(&c->reply, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"code\":\"%s\"",
                  status_title(status), status, code_of(status));
    member(&c->reply, "detail", detail);
    member(&c->reply, "instance", c->path);
    member(&c->reply, "request_id", c->request_id);
    if (faults) {
        buffer_text(&c->reply, ",\"errors\":[");
        for (size_t i = 0; i < faults->count && i < faults->max; i++) {
            buffer_text(&c->reply, i ? ",{\"pointer\":" : "{\"pointer\":");
            buffer_json(&c->reply, faults->list[i].pointer);
            member(&c->reply, "detail", faults->list[i].detail);
            buffer_text(&c->reply, "}");
        }
        buffer_text(&c->reply, "]");
    }
    buffer_text(&c->reply, "}");
}

bool record_is_whole(struct call *c)
{
    state_read(c->api->state);
    bool begun = state_import_begun(c->api->state);
    state_read_done(c->api->state);
    if (begun) {
        c->retry_after_s = 2;
        problem(c, 503, NULL, "the record is not whole: an import is under way, or was cut short and its archive must be imported again");
    }
    return !begun;
}

/* ---- lists */

void page_begin_some(struct page *p, struct call *c, const struct table *t, const bool *shown)
{
    *p = (struct page){ .call = c };
    c->status = 200;
    c->content_type = c->csv ? "text/csv; charset=utf-8; header=present" : "application/json";
    assert(t->columns_count <= COUNT_OF(p->columns));
    for (size_t i = 0; i < t->columns_count; i++)
        if (!t->columns[i].hidden && (!shown || shown[i]))
            p->columns[p->columns_count++] = &t->columns[i];
    if (!c->csv) {
        buffer_text(&c->reply, "{\"items\":[");
        return;
    }
    for (size_t i = 0; i < p->columns_count; i++)
        buffer_printf(&c->reply, "%s%s", i ? "," : "", p->columns[i]->name);
    buffer_text(&c->reply, "\r\n");
}

void page_begin(struct page *p, struct call *c, const struct table *t)
{
    page_begin_some(p, c, t, NULL);
}

static void add_object(struct buffer *b, const struct column *const *columns, size_t count, const void *record)
{
    for (size_t i = 0; i < count; i++) {
        buffer_add(b, i ? ",\"" : "{\"", 2);
        buffer_text(b, columns[i]->name);
        buffer_add(b, "\":", 2);
        column_json(columns[i], record, b);
    }
    buffer_add(b, "}", 1);
}

bool page_add(struct page *p, const void *record, const char *key)
{
    struct buffer *b = &p->call->reply;
    if (p->count == p->call->filter.limit) {
        p->is_cut = true;
        return false;
    }
    if (p->call->csv) {
        for (size_t i = 0; i < p->columns_count; i++) {
            if (i)
                buffer_add(b, ",", 1);
            column_csv(p->columns[i], record, b);
        }
        buffer_add(b, "\r\n", 2);
    } else {
        if (p->count)
            buffer_add(b, ",", 1);
        add_object(b, p->columns, p->columns_count, record);
    }
    p->count++;
    text_copy(p->last, sizeof p->last, key);
    return true;
}

void page_end(struct page *p)
{
    struct call *c = p->call;
    if (p->is_cut)
        cursor_encode(&c->filter, p->last, c->next_cursor);
    if (c->csv)
        return;
    buffer_text(&c->reply, "],\"next_cursor\":");
    if (p->is_cut)
        buffer_json(&c->reply, c->next_cursor);
    else
        buffer_text(&c->reply, "null");
    buffer_text(&c->reply, "}");
}

void reply_one(struct call *c, const struct table *t, const void *record)
{
    const struct column *columns[64];
    size_t count = 0;
    for (size_t i = 0; i < t->columns_count; i++)
        if (!t->columns[i].hidden)
            columns[count++] = &t->columns[i];
    c->status = 200;
    c->content_type = "application/json";
    add_object(&c->reply, columns, count, record);
}
