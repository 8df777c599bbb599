/* Any bytes as JSON, read against a table with a field of every kind; what is accepted is written
 * and read again as the same. */
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"
#include "market/setting.h"

struct thing {
    char text[8];
    char id[37];
    int64_t whole, qty, amount, at, at_us;
    struct price price;
    enum side side;
    bool flag;
    int32_t day;
    struct symbol_list symbols;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct thing, text, FIELD_TEXT, .null = true),
    JSON_FIELD(struct thing, id, FIELD_UUID),
    JSON_FIELD(struct thing, whole, FIELD_INT),
    JSON_FIELD(struct thing, qty, FIELD_QTY, .min = -1000, .max = 1000),
    JSON_FIELD(struct thing, amount, FIELD_PRICE),
    JSON_FIELD(struct thing, price, FIELD_PRICE),
    JSON_FIELD(struct thing, at, FIELD_TIME),
    JSON_FIELD(struct thing, at_us, FIELD_TIME_US),
    JSON_FIELD(struct thing, side, FIELD_ENUM, .names = side_names),
    JSON_FIELD(struct thing, flag, FIELD_BOOL),
    JSON_FIELD(struct thing, day, FIELD_DATE),
    JSON_FIELD(struct thing, symbols, FIELD_SYMBOLS),
};

static void check_again(const struct thing *first)
{
    struct thing again = { 0 };
    struct err err;
    json_t *obj = json_encode(first, fields, COUNT_OF(fields));
    char *text = json_write(obj, NULL);
    json_t *back = json_read(text, strlen(text), &err);
    assert(back && json_decode_err(back, fields, COUNT_OF(fields), &again, &err));
    json_t *obj_again = json_encode(&again, fields, COUNT_OF(fields));
    assert(json_equal(obj, obj_again));
    json_decref(obj_again);
    json_decref(back);
    json_decref(obj);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    json_t *value = json_read((const char *)data, size, &err);
    if (!value)
        return 0;
    struct json_fault list[4];
    struct json_faults faults = { .max = COUNT_OF(list), .list = list };
    struct thing thing = { 0 };
    bool ok = json_decode(value, fields, COUNT_OF(fields), &thing, "/x", true, &faults);
    assert(ok == (faults.count == 0));
    if (ok)
        check_again(&thing);
    json_decref(value);
    return 0;
}
