/* REST requests, any number of them, through the routes of the whole exchange: each is answered, with JSON, and the books add
 * up at the end. An input is requests with NUL between: "2POST /v2/orders?a=b\n{...}" is of the third account; "+5" lets
 * the market go on by five events. */
#include "exchange_host.h"

enum { REQUESTS_MAX = 40, QUERIES_MAX = 20 };

/* In place. */
static size_t split_queries(char *text, struct http_field out[QUERIES_MAX])
{
    size_t n = 0;
    for (char *at = text, *next; at && *at && n < QUERIES_MAX; at = next) {
        next = strchr(at, '&');
        if (next)
            *next++ = '\0';
        char *value = strchr(at, '=');
        if (value)
            *value++ = '\0';
        out[n++] = (struct http_field){ at, value ? value : "" };
    }
    return n;
}

static void one(struct exchange *x, char *text, size_t size)
{
    static const char *const keys[] = { "one", "two", "three" };
    struct http_field queries[QUERIES_MAX], headers[2] = { { "APCA-API-KEY-ID", NULL }, { "APCA-API-SECRET-KEY", "s" } };
    struct http_request req = { .headers = headers, .headers_count = 2, .queries = queries };
    if (text[0] == '+') {
        host_go_on(x, atoi(text + 1) % 70);
        return;
    }
    headers[0].value = keys[text[0] >= '0' && text[0] <= '2' ? text[0] - '0' : 0];
    text += text[0] >= '0' && text[0] <= '2';
    char *line_end = strchr(text, '\n'), *space = strchr(text, ' ');
    req.body = line_end ? line_end + 1 : "";
    req.body_size = strlen(req.body);
    if (line_end)
        *line_end = '\0';
    if (!space || (line_end && space > line_end))
        return;
    *space = '\0';
    req.method = text;
    req.path = space + 1;
    char *query = strchr(space + 1, '?');
    if (query) {
        *query++ = '\0';
        req.queries_count = split_queries(query, queries);
    }
    (void)size;
    host_request(x, &req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange x;
    char *text = must_alloc(size + 1, 1), *at = text;
    memcpy(text, data, size);
    host_start(&x);
    for (int i = 0; i < REQUESTS_MAX && at < text + size; i++) {
        size_t n = strlen(at);
        if (n)
            one(&x, at, n);
        at += n + 1;
    }
    host_stop(&x);
    free(text);
    return 0;
}
