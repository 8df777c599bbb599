/* transfer.h - a whole record out and in: one .tar.gz with a CSV a table.
 *
 * An archive is manifest.json (rows, bytes and SHA-256 of every other member), schema.json, then TABLE.csv for each
 * table, with all its columns as the API tells them. Derived rows (versions of orders, positions at closes) are in it.
 *
 * The cut: what is committed at one instant between two of the writer's groups. All tables are asked then, each on a
 * connection of its own, and a statement of QuestDB's reads one state of its table however long it takes. The writer
 * stands still until all have answered with their first row, no longer. The CSVs go into nameless files in the scratch
 * folder, for tar wants their size said before; memory stays below some 10 MB however large the record. No Parquet: over
 * the PostgreSQL wire QuestDB gives none.
 *
 * An import is read whole three times: gzip's checksum and end; every member, hash, row and value; only then it is
 * written. Nothing of an archive names a file on disk. While it is written the record says that an import has begun;
 * a crash leaves it saying so: the API takes nothing else then but the same archive again, which dedup makes once. */
#ifndef API_TRANSFER_H
#define API_TRANSFER_H

#include <sys/types.h>

#include "api/load.h"
#include "api/writer.h"

#define ARCHIVE_MAX (INT64_C(16) << 30)
#define UNPACKED_MAX (INT64_C(256) << 30)

struct export;
/* Returns when the CSVs are on the scratch folder's disk. NULL: err. database is lent until then. */
struct export *export_new(const struct db_options *database, struct writer *writer, const char *scratch, struct err *err);
/* The archive's next bytes; 0: the end; -1: it failed (logged). */
ssize_t export_read(struct export *e, char *out, size_t max);
void export_free(struct export *e);

/* A file without a name in a folder; -1: err. */
int scratch_file(const char *folder, struct err *err);

struct import_result {
    int64_t rows;
    char archive[HASH_SIZE]; /* SHA-256 */
};
/* ERR_INPUT: the archive is none, or not whole. ERR_CONFLICT: the record is not empty. Else the database. On any thread. */
bool import_archive(int fd, struct store *store, struct writer *writer, struct import_result *out, struct err *err);

#endif
