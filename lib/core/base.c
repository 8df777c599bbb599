#include "core/base.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/log.h"

static void *must(void *memory, size_t count, size_t size)
{
    if (!memory) {
        log_error("memory_exhausted", KV_INT("count", count), KV_INT("size_bytes", size));
        abort();
    }
    return memory;
}

void *must_alloc(size_t count, size_t size)
{
    /* calloc(0) may give NULL, which is no failure. */
    return must(calloc(count ? count : 1, size ? size : 1), count, size);
}

void *must_realloc(void *old, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        must(NULL, count, size);
    return must(realloc(old, total ? total : 1), count, size);
}

char *must_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(must_alloc(size, 1), text, size);
}

bool text_copy(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);
    bool fits = len < size;
    if (fits)
        memcpy(out, text, len + 1);
    else if (size > 0)
        out[0] = '\0';
    return fits;
}

static void uuid_text(uint64_t high, uint64_t low, char out[37])
{
    snprintf(out, 37, "%08lx-%04lx-%04lx-%04lx-%012lx", (unsigned long)(high >> 32),
             (unsigned long)(high >> 16 & 0xffff), (unsigned long)(high & 0xffff),
             (unsigned long)(low >> 48), (unsigned long)(low & 0xffffffffffff));
}

static uint64_t with_version(uint64_t high, uint64_t version)
{
    return (high & ~UINT64_C(0xf000)) | version << 12;
}

static uint64_t with_variant(uint64_t low)
{
    return (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
}

static void random_bits(uint64_t bits[2])
{
    if (getrandom(bits, 16, 0) != 16) { /* not for 16 bytes: only a kernel without it */
        log_error("random_failed");
        abort();
    }
}

void uuid_from_bits(uint64_t high, uint64_t low, char out[37])
{
    uuid_text(with_version(high, 4), with_variant(low), out);
}

void uuid_v4(char out[37])
{
    uint64_t bits[2];
    random_bits(bits);
    uuid_from_bits(bits[0], bits[1], out);
}

void uuid_v7(int64_t time_ns, char out[37])
{
    uint64_t bits[2];
    random_bits(bits);
    uint64_t ms = (uint64_t)(time_ns / 1000000);
    uuid_text(with_version(ms << 16 | (bits[0] & 0xffff), 7), with_variant(bits[1]), out);
}

bool uuid_is_valid(const char *text)
{
    for (int i = 0; i < 36; i++) {
        char c = text[i];
        bool is_dash_place = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash_place ? c != '-' : !is_hex)
            return false;
    }
    return text[36] == '\0';
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void sha256_failed(int rc)
{
    log_error("sha256_failed", KV_TEXT("why", gnutls_strerror(rc)));
    abort();
}

static void hex_of(const unsigned char digest[32], char out[65])
{
    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void sha256_hex(const void *data, size_t size, char out[65])
{
    unsigned char digest[32];
    int rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size, digest);
    if (rc != 0)
        sha256_failed(rc);
    hex_of(digest, out);
}

struct sha256 {
    gnutls_hash_hd_t handle;
};

struct sha256 *sha256_begin(void)
{
    struct sha256 *h = must_alloc(1, sizeof *h);
    int rc = gnutls_hash_init(&h->handle, GNUTLS_DIG_SHA256);
    if (rc != 0)
        sha256_failed(rc);
    return h;
}

void sha256_add(struct sha256 *h, const void *data, size_t size)
{
    int rc = gnutls_hash(h->handle, data, size);
    if (rc != 0)
        sha256_failed(rc);
}

void sha256_end(struct sha256 *h, char out[65])
{
    unsigned char digest[32];
    out[0] = '\0';
    if (!h)
        return;
    gnutls_hash_deinit(h->handle, digest);
    hex_of(digest, out);
    free(h);
}

char *base64_encode(const void *data, size_t size)
{
    gnutls_datum_t in = { (unsigned char *)(uintptr_t)data, (unsigned)size }, out = { NULL, 0 };
    char *text = must_alloc(size / 3 * 4 + 8, 1);
    if (size && gnutls_base64_encode2(&in, &out) == 0) {
        memcpy(text, out.data, out.size);
        gnutls_free(out.data);
    }
    return text;
}

char *base64_decode(const char *text, size_t *size)
{
    gnutls_datum_t in = { (unsigned char *)(uintptr_t)text, (unsigned)strlen(text) }, out = { NULL, 0 };
    *size = 0;
    if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != in.size ||
        gnutls_base64_decode2(&in, &out) != 0)
        return NULL;
    char *data = must_alloc(out.size + 1, 1);
    memcpy(data, out.data, out.size);
    *size = out.size;
    gnutls_free(out.data);
    return data;
}
