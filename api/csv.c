#include "api/csv.h"

static bool refuse(const struct csv *c, const char *why, struct err *err)
{
    return err_set(err, ERR_INPUT, "row %zu: %s", c->row + 1, why);
}

static bool end_cell(struct csv *c, struct err *err)
{
    buffer_add(&c->text, "", 1);
    c->at = CSV_CELL;
    c->cells++;
    if (c->cells == CSV_CELLS_MAX)
        return refuse(c, "has too many cells", err);
    c->starts[c->cells] = c->text.size;
    return true;
}

static bool end_row(struct csv *c, csv_row *row, void *ctx, struct err *err)
{
    char *cells[CSV_CELLS_MAX];
    if (!end_cell(c, err))
        return false;
    for (size_t i = 0; i < c->cells; i++)
        cells[i] = c->text.data + c->starts[i];
    if (!row(ctx, cells, c->cells, err))
        return false;
    c->row++;
    c->cells = c->text.size = 0;
    return true;
}

bool csv_read(struct csv *c, const char *data, size_t size, csv_row *row, void *ctx, struct err *err)
{
    for (size_t i = 0; i < size; i++) {
        char byte = data[i];
        if (!byte)
            return refuse(c, "has a NUL", err);
        if (c->at == CSV_QUOTED) {
            if (byte == '"')
                c->at = CSV_QUOTE;
            else
                buffer_add(&c->text, &byte, 1);
        } else if (c->at == CSV_RETURN && byte != '\n') {
            return refuse(c, "has a carriage return outside of quotes", err);
        } else if (byte == '\n') {
            if (!end_row(c, row, ctx, err))
                return false;
        } else if (byte == '\r') {
            c->at = CSV_RETURN;
        } else if (byte == ',') {
            if (!end_cell(c, err))
                return false;
        } else if (byte == '"' && c->at == CSV_CELL) {
            c->at = CSV_QUOTED;
        } else if (byte == '"' && c->at == CSV_QUOTE) {
            buffer_add(&c->text, &byte, 1);
            c->at = CSV_QUOTED;
        } else if (byte == '"' || c->at == CSV_QUOTE) {
            return refuse(c, "has a quote in the middle of a cell", err);
        } else {
            buffer_add(&c->text, &byte, 1);
            c->at = CSV_PLAIN;
        }
        if (c->text.size > CSV_ROW_MAX)
            return refuse(c, "is too long", err);
    }
    return true;
}

bool csv_end(const struct csv *c, struct err *err)
{
    return c->at == CSV_CELL && !c->cells ? true : refuse(c, "is cut off", err);
}

void csv_free(struct csv *c)
{
    buffer_free(&c->text);
}
