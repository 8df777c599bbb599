/* Any bytes as a table's CSV, and as what its columns were packed into: refused, or a record that is packed and unpacked again the
 * same; and rows do not depend on how the bytes were cut. */
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/records.h"
#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void packed_again(const struct table *t, const void *record)
{
    struct buffer first = { 0 }, again = { 0 }, text = { 0 };
    void *back = must_alloc(1, t->record_size);
    record_pack(t, record, &first);
    buffer_add(&first, "", 1);
    buffer_add(&text, first.data, first.size);
    table_init(t, back);
    if (!record_unpack(t, text.data, false, back))
        abort();
    record_pack(t, back, &again);
    buffer_add(&again, "", 1);
    if (again.size != first.size || memcmp(again.data, first.data, first.size) != 0)
        abort();
    free(back);
    buffer_free(&first);
    buffer_free(&again);
    buffer_free(&text);
}

struct rows {
    const struct table *table;
    uint64_t sum;
};

static bool row(void *ctx, char **cells, size_t count, struct err *err)
{
    struct rows *r = ctx;
    void *record = must_alloc(1, r->table->record_size);
    bool ok = true;
    (void)err;
    table_init(r->table, record);
    for (size_t i = 0; i < count; i++)
        for (const char *c = cells[i]; *c; c++)
            r->sum = r->sum * 31 + (unsigned char)*c;
    for (size_t i = 0, cell = 0; ok && i < r->table->columns_count && cell < count; i++)
        if (column_is_exported(&r->table->columns[i])) {
            ok = text_is_utf8(cells[cell]) && column_from_csv(&r->table->columns[i], cells[cell], record);
            cell++;
        }
    if (ok && r->table->derive)
        r->table->derive(record);
    if (ok && table_is_packed(r->table))
        packed_again(r->table, record);
    free(record);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    size_t count = 0;
    if (size < 2)
        return 0;
    while (tables[count])
        count++;
    struct rows whole = { .table = tables[data[0] % count] }, pieces = whole;
    const char *text = (const char *)data + 2;
    struct csv csv = { 0 };
    bool ok = csv_read(&csv, text, size - 2, row, &whole, &err) && csv_end(&csv, &err);
    csv_free(&csv);
    csv = (struct csv){ 0 };
    bool again = true;
    for (size_t at = 0, piece = 1 + data[1] % 7; again && at < size - 2; at += piece)
        again = csv_read(&csv, text + at, size - 2 - at < piece ? size - 2 - at : piece, row, &pieces, &err);
    again = again && csv_end(&csv, &err);
    csv_free(&csv);
    if (ok != again || (ok && whole.sum != pieces.sum))
        abort();
    if (table_is_packed(whole.table)) {
        char *copy = must_alloc(size, 1);
        void *record = must_alloc(1, whole.table->record_size);
        memcpy(copy, text, size - 2);
        table_init(whole.table, record);
        if (record_unpack(whole.table, copy, data[1] & 1, record) && !(data[1] & 1))
            packed_again(whole.table, record);
        free(record);
        free(copy);
    }
    return 0;
}
