/* Messages on /stream and on market data, JSON and MessagePack, while orders trade and the market goes on. An input is items: a
 * byte (what, and on which of the four sockets), a length of two bytes, as many bytes. */
#include "exchange_host.h"

#include "exchange/msgpack.h"

static const char *const paths[HOST_SOCKETS] = { "/stream", "/stream", "/v2/iex", "/v2/iex" };
static const char *const types[HOST_SOCKETS] = { "", "application/msgpack", "application/json", "application/msgpack" };
enum { ITEMS_MAX = 60 };

/* What a client must say first, in its form. */
static void log_in(int i)
{
    static const char data[] = "{\"action\":\"auth\",\"key\":\"one\",\"secret\":\"s\"}";
    static const char trades[] = "{\"action\":\"listen\",\"data\":{\"streams\":[\"trade_updates\",\"lockstep\"]}}";
    const char *words[] = { data, i < 2 ? trades : "{\"action\":\"subscribe\",\"bars\":[\"*\"],\"trades\":[\"SPY\"],\"quotes\":[\"IBM\"]}" };
    for (size_t k = 0; k < COUNT_OF(words); k++) {
        struct err err;
        size_t size = strlen(words[k]);
        json_t *m = json_read(words[k], size, &err);
        unsigned char *packed = i % 2 ? msgpack_encode(m, &size) : NULL;
        if (host_sockets[i].open)
            host_http.on_message(host_http.ctx, &host_sockets[i], packed ? (char *)packed : words[k], size, packed != NULL);
        free(packed);
        json_decref(m);
    }
}

static void trade(struct exchange *x, unsigned how)
{
    static const struct http_field headers[] = { { "APCA-API-KEY-ID", "one" }, { "APCA-API-SECRET-KEY", "s" } };
    char body[160];
    int n = snprintf(body, sizeof body, "{\"symbol\":\"%s\",\"qty\":\"%u\",\"side\":\"%s\",\"type\":\"market\",\"time_in_force\":\"day\"}",
                     how & 1 ? "SPY" : "IBM", 1 + how / 4, how & 2 ? "buy" : "sell");
    struct http_request req = { .method = "POST", .path = "/v2/orders", .body = body, .body_size = (size_t)n,
                                .headers = headers, .headers_count = 2 };
    host_request(x, &req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange x;
    host_start(&x);
    for (int i = 0; i < HOST_SOCKETS; i++)
        host_open(&x, i, paths[i], types[i]);
    for (int item = 0; item < ITEMS_MAX && size >= 3; item++) {
        int what = data[0] / HOST_SOCKETS % 8, i = data[0] % HOST_SOCKETS;
        size_t n = data[1] | (size_t)data[2] << 8;
        n = n < size - 3 ? n : size - 3;
        char *text = must_alloc(n + 1, 1); /* its own, so that reading past it is seen */
        memcpy(text, data + 3, n);
        if (what == 4)
            host_go_on(&x, (int)n % 8);
        else if (what == 5)
            trade(&x, (unsigned)n % 256);
        else if (what == 6)
            host_open(&x, i, paths[i], types[i]);
        else if (what == 7)
            log_in(i);
        else if (host_sockets[i].open)
            host_http.on_message(host_http.ctx, &host_sockets[i], text, n, i % 2 == 1);
        free(text);
        data += 3 + n;
        size -= 3 + n;
    }
    host_stop(&x);
    return 0;
}
