/* msgpack.h - MessagePack for the data stream, to and from jansson values.
 *
 * A member "t" that holds an RFC 3339 time becomes a timestamp (extension -1), as clients of this encoding
 * expect. Members keep their order ("T" first). Binary data and other extensions are refused. */
#ifndef EXCHANGE_MSGPACK_H
#define EXCHANGE_MSGPACK_H

#include <jansson.h>
#include <stddef.h>

#include "core/err.h"

/* malloc'd; the caller frees. */
unsigned char *msgpack_encode(const json_t *value, size_t *size);

/* One value that fills `data` wholly; NULL: err says why. Nesting at most 16 deep, texts valid UTF-8, keys
 * texts. */
json_t *msgpack_decode(const void *data, size_t size, struct err *err);

#endif
