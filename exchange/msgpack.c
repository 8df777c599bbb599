#include "exchange/msgpack.h"

#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "market/market.h"

/* ---- writing */

struct out {
    unsigned char *data;
    size_t size, room;
};

static void put(struct out *o, const void *data, size_t size)
{
    if (o->room - o->size < size)
        o->data = must_realloc(o->data, o->room = (o->size + size) * 2, 1);
    memcpy(o->data + o->size, data, size);
    o->size += size;
}

/* A type byte and `bytes` bytes of a number, big endian. */
static void put_number(struct out *o, unsigned char type, uint64_t value, int bytes)
{
    unsigned char buf[9] = { type };
    for (int i = 0; i < bytes; i++)
        buf[1 + i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
    put(o, buf, 1 + (size_t)bytes);
}

/* The shortest head for a length: small ones in the type byte, then 8 (texts only), 16, 32 bits. */
static void put_head(struct out *o, size_t n, unsigned char small, size_t small_max, unsigned char type8,
                     unsigned char type16)
{
    if (n <= small_max)
        put_number(o, (unsigned char)(small | n), 0, 0);
    else if (type8 && n <= 0xff)
        put_number(o, type8, n, 1);
    else if (n <= 0xffff)
        put_number(o, type16, n, 2);
    else
        put_number(o, (unsigned char)(type16 + 1), n, 4);
}

static void put_text(struct out *o, const char *text, size_t len)
{
    put_head(o, len, 0xa0, 31, 0xd9, 0xda);
    put(o, text, len);
}

static void put_integer(struct out *o, int64_t x)
{
    if (x >= 0 && x < 128)
        put_number(o, (unsigned char)x, 0, 0);
    else if (x < 0 && x >= -32)
        put_number(o, (unsigned char)x, 0, 0);
    else if (x >= 0 && x <= UINT32_MAX)
        put_number(o, 0xce, (uint64_t)x, 4);
    else if (x >= 0)
        put_number(o, 0xcf, (uint64_t)x, 8);
    else
        put_number(o, 0xd3, (uint64_t)x, 8);
}

static void put_real(struct out *o, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_number(o, 0xcb, bits, 8);
}

static void put_time(struct out *o, int64_t time_ns)
{
    static const unsigned char type = 0xff; /* -1 */
    uint64_t s = (uint64_t)(time_ns / SECOND_NS), ns = (uint64_t)(time_ns % SECOND_NS), both = ns << 34 | s;
    put(o, "\xd7", 1);
    put_number(o, type, both, 8);
}

static void put_value(struct out *o, const json_t *v, bool is_time)
{
    const char *key;
    json_t *member;
    int64_t time_ns;
    switch (json_typeof(v)) {
    case JSON_NULL:
        put_number(o, 0xc0, 0, 0);
        break;
    case JSON_FALSE:
        put_number(o, 0xc2, 0, 0);
        break;
    case JSON_TRUE:
        put_number(o, 0xc3, 0, 0);
        break;
    case JSON_INTEGER:
        put_integer(o, json_integer_value(v));
        break;
    case JSON_REAL:
        put_real(o, json_real_value(v));
        break;
    case JSON_STRING:
        if (is_time && time_parse(json_string_value(v), json_string_length(v), &time_ns))
            put_time(o, time_ns);
        else
            put_text(o, json_string_value(v), json_string_length(v));
        break;
    case JSON_ARRAY:
        put_head(o, json_array_size(v), 0x90, 15, 0, 0xdc);
        for (size_t i = 0; i < json_array_size(v); i++)
            put_value(o, json_array_get(v, i), false);
        break;
    case JSON_OBJECT:
        put_head(o, json_object_size(v), 0x80, 15, 0, 0xde);
        for (void *it = json_object_iter((json_t *)(uintptr_t)v); it;
             it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
            key = json_object_iter_key(it);
            member = json_object_iter_value(it);
            put_text(o, key, strlen(key));
            put_value(o, member, strcmp(key, "t") == 0);
        }
        break;
    }
}

unsigned char *msgpack_encode(const json_t *value, size_t *size)
{
    struct out o = { 0 };
    put_value(&o, value, false);
    *size = o.size;
    return o.data;
}

/* ---- reading */

struct in {
    const unsigned char *at, *end;
    int depth;
    const char *why;
};

enum { DEPTH_MAX = 16 };

static bool take(struct in *in, int bytes, uint64_t *out)
{
    *out = 0;
    if (in->end - in->at < bytes) {
        in->why = "cut short";
        return false;
    }
    for (int i = 0; i < bytes; i++)
        *out = *out << 8 | *in->at++;
    return true;
}

static json_t *get_value(struct in *in);

static json_t *get_text(struct in *in, uint64_t len)
{
    if (len > (uint64_t)(in->end - in->at)) {
        in->why = "cut short";
        return NULL;
    }
    json_t *text = json_stringn((const char *)in->at, (size_t)len);
    if (!text)
        in->why = "a text that is not UTF-8";
    in->at += len;
    return text;
}

static json_t *get_list(struct in *in, uint64_t count)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < count; i++) {
        json_t *v = get_value(in);
        if (!v) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, v);
    }
    return list;
}

static json_t *get_map(struct in *in, uint64_t count)
{
    json_t *map = json_object();
    for (uint64_t i = 0; i < count; i++) {
        json_t *key = get_value(in), *v = key ? get_value(in) : NULL;
        bool ok = v && json_is_string(key) && strlen(json_string_value(key)) == json_string_length(key);
        if (ok)
            json_object_set(map, json_string_value(key), v);
        else if (v)
            in->why = "a key that is no text";
        json_decref(key);
        json_decref(v);
        if (!ok) {
            json_decref(map);
            return NULL;
        }
    }
    return map;
}

static json_t *get_real(struct in *in, int bytes)
{
    uint64_t bits;
    double x = 0;
    if (!take(in, bytes, &bits))
        return NULL;
    if (bytes == 8) {
        memcpy(&x, &bits, sizeof x);
    } else {
        uint32_t half = (uint32_t)bits;
        float f;
        memcpy(&f, &half, sizeof f);
        x = (double)f;
    }
    json_t *v = json_real(x);
    if (!v)
        in->why = "a number that is not finite";
    return v;
}

static json_t *get_unsigned(struct in *in, int bytes)
{
    uint64_t x;
    if (!take(in, bytes, &x))
        return NULL;
    if (x > INT64_MAX) {
        in->why = "a number out of range";
        return NULL;
    }
    return json_integer((json_int_t)x);
}

static json_t *get_signed(struct in *in, int bytes)
{
    uint64_t x;
    if (!take(in, bytes, &x))
        return NULL;
    int shift = 64 - 8 * bytes;
    return json_integer((json_int_t)((int64_t)(x << shift) >> shift));
}

static json_t *get_deep(struct in *in, uint64_t type)
{
    uint64_t n;
    if (type >= 0x80 && type <= 0x8f)
        return get_map(in, type & 15);
    if (type >= 0x90 && type <= 0x9f)
        return get_list(in, type & 15);
    if (!take(in, type & 1 ? 4 : 2, &n))
        return NULL;
    return type >= 0xde ? get_map(in, n) : get_list(in, n);
}

static json_t *get_value(struct in *in)
{
    uint64_t type, n;
    if (!take(in, 1, &type))
        return NULL;
    if (type <= 0x7f)
        return json_integer((json_int_t)type);
    if (type >= 0xe0)
        return json_integer((json_int_t)type - 256);
    if (type >= 0xa0 && type <= 0xbf)
        return get_text(in, type & 31);
    if (type <= 0x9f || (type >= 0xdc && type <= 0xdf)) {
        if (in->depth == DEPTH_MAX) {
            in->why = "nested too deeply";
            return NULL;
        }
        in->depth++;
        json_t *v = get_deep(in, type);
        in->depth--;
        return v;
    }
    switch (type) {
    case 0xc0:
        return json_null();
    case 0xc2:
        return json_false();
    case 0xc3:
        return json_true();
    case 0xca:
        return get_real(in, 4);
    case 0xcb:
        return get_real(in, 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return get_unsigned(in, 1 << (type - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return get_signed(in, 1 << (type - 0xd0));
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take(in, 1 << (type - 0xd9), &n) ? get_text(in, n) : NULL;
    default:
        in->why = "a type that is not used here";
        return NULL;
    }
}

json_t *msgpack_decode(const void *data, size_t size, struct err *err)
{
    struct in in = { .at = data, .end = (const unsigned char *)data + size };
    json_t *v = get_value(&in);
    if (v && in.at != in.end) {
        json_decref(v);
        v = NULL;
        in.why = "more than one value";
    }
    if (!v)
        err_set(err, ERR_INPUT, "MessagePack: %s", in.why ? in.why : "not understood");
    return v;
}
