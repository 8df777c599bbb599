/* csv.h - RFC 4180 read as it comes, in pieces of any size: rows of cells. Pure.
 *
 * Rows end with a line feed, with or without a carriage return before it; the last one too. */
#ifndef API_CSV_H
#define API_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/err.h"

enum { CSV_CELLS_MAX = 64, CSV_ROW_MAX = 1024 * 1024 };

struct csv { /* zeroed at first; free with csv_free */
    struct buffer text;          /* the row's cells, each with its NUL */
    size_t starts[CSV_CELLS_MAX];
    size_t cells, row;           /* row: counted from 1, for messages */
    enum { CSV_CELL, CSV_PLAIN, CSV_QUOTED, CSV_QUOTE, CSV_RETURN } at;
};

/* cells: NUL-terminated, the callee's to change, gone after. False ends it with err. */
typedef bool csv_row(void *ctx, char **cells, size_t count, struct err *err);

/* False: err says row and reason, or is the row's; read no further. */
bool csv_read(struct csv *c, const char *data, size_t size, csv_row *row, void *ctx, struct err *err);
/* Nothing follows: false when a row has only begun. */
bool csv_end(const struct csv *c, struct err *err);
void csv_free(struct csv *c);

#endif
