/* base.h - what every file of ours may use. */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Or the program stops: logged, aborted. must_alloc gives zeroed memory. */
void *must_alloc(size_t count, size_t size);
void *must_realloc(void *old, size_t count, size_t size);
char *must_strdup(const char *text);

/* Copies text into a fixed array; false (and "" in out) when it does not fit whole. */
bool text_copy(char *out, size_t size, const char *text);

/* Random and time-ordered UUIDs (RFC 9562 v4, v7), canonical text. */
void uuid_v4(char out[37]);
void uuid_v7(int64_t time_ns, char out[37]);
/* A UUID (v4 layout) made of 128 bits given: the same bits, the same id. */
void uuid_from_bits(uint64_t high, uint64_t low, char out[37]);
bool uuid_is_valid(const char *text);

/* splitmix64: seeded, the same everywhere. */
uint64_t random_next(uint64_t *state);

/* SHA-256 of data as 64 hex digits and NUL (gnutls, as libcurl's flavour brings it). */
void sha256_hex(const void *data, size_t size, char out[65]);
/* The same piece by piece. */
struct sha256;
struct sha256 *sha256_begin(void);
void sha256_add(struct sha256 *h, const void *data, size_t size);
void sha256_end(struct sha256 *h, char out[65]); /* h is gone; NULL is fine: out is "" */

/* Base64 (RFC 4648, padded). Both malloc'd; decoded data has a NUL behind it. decode: NULL when it is none. */
char *base64_encode(const void *data, size_t size);
char *base64_decode(const char *text, size_t *size);

#endif
