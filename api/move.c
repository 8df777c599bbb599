/* move.c - the routes by which a whole record leaves and comes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/transfer.h"
#include "core/base.h"

enum { AWAY_RETRY_S = 2 };

struct leaving {
    struct api *api;
    struct export *export;
};

static ssize_t read_export(void *ctx, char *out, size_t max)
{
    return export_read(((struct leaving *)ctx)->export, out, max);
}

static void end_export(void *ctx)
{
    struct leaving *l = ctx;
    export_free(l->export);
    pthread_mutex_lock(&l->api->transfer.lock);
    l->api->transfer.is_exporting = false;
    pthread_mutex_unlock(&l->api->transfer.lock);
    free(l);
}

/* One at a time: each takes a connection for every table, and disk for all of the record. */
static bool begin_export(struct call *c)
{
    pthread_mutex_lock(&c->api->transfer.lock);
    bool is_free = !c->api->transfer.is_exporting;
    c->api->transfer.is_exporting = true;
    pthread_mutex_unlock(&c->api->transfer.lock);
    if (!is_free) {
        c->retry_after_s = AWAY_RETRY_S;
        problem(c, 503, NULL, "another export is under way");
    }
    return is_free;
}

void get_export(struct call *c)
{
    struct err err = { 0 };
    if (!record_is_whole(c) || (!c->is_head && !begin_export(c)))
        return;
    c->status = 200;
    c->content_type = "application/gzip";
    c->file_name = "closing-bell.tar.gz";
    if (c->is_head)
        return;
    struct leaving *l = must_alloc(1, sizeof *l);
    l->api = c->api;
    l->export = export_new(c->api->database, c->api->writer, c->api->scratch, &err);
    if (l->export) {
        c->stream.next = read_export;
        c->stream.end = end_export;
        c->stream.ctx = l;
        return;
    }
    end_export(l);
    c->file_name = NULL;
    c->retry_after_s = err.code == ERR_IO ? AWAY_RETRY_S : 0;
    problem(c, err.code == ERR_IO ? 503 : 500, NULL, "%s", err.text);
}

/* The piece's place is the end of what has come. */
static void take_piece(struct call *c)
{
    struct err err;
    int64_t size = c->filter.offset;
    if (c->filter.offset == 0) {
        if (c->api->transfer.fd >= 0)
            close(c->api->transfer.fd);
        c->api->transfer.size = 0;
        if ((c->api->transfer.fd = scratch_file(c->api->scratch, &err)) < 0) {
            problem(c, 503, NULL, "%s", err.text);
            return;
        }
    }
    if (c->api->transfer.fd < 0 || c->filter.offset != c->api->transfer.size) {
        problem(c, 409, NULL, "a piece at %lld was sent, the next one is at %lld", (long long)c->filter.offset,
                (long long)(c->api->transfer.fd < 0 ? 0 : c->api->transfer.size));
        return;
    }
    if (size + (int64_t)c->body_size > ARCHIVE_MAX) {
        problem(c, 413, NULL, "the archive is longer than %lld bytes", (long long)ARCHIVE_MAX);
        return;
    }
    for (size_t at = 0; at < c->body_size; ) {
        ssize_t n = pwrite(c->api->transfer.fd, c->body + at, c->body_size - at, size + (int64_t)at);
        if (n < 0 && errno != EINTR) {
            problem(c, 503, NULL, "scratch folder %s: %s", c->api->scratch, strerror(errno));
            return;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    c->api->transfer.size += (int64_t)c->body_size;
    c->status = 200;
    c->content_type = "application/json";
    buffer_printf(&c->reply, "{\"received\":%lld}", (long long)c->api->transfer.size);
}

static void import_it(struct call *c, int fd)
{
    struct import_result result = { 0 };
    struct err err = { 0 };
    if (import_archive(fd, c->api->store, c->api->writer, &result, &err)) {
        c->status = 200;
        c->content_type = "application/json";
        c->reply.size = 0;
        buffer_printf(&c->reply, "{\"received\":%lld,\"rows\":%lld,\"archive\":\"%s\"}",
                      (long long)c->api->transfer.size, (long long)result.rows, result.archive);
        return;
    }
    problem(c, err.code == ERR_INPUT ? 422 : err.code == ERR_CONFLICT ? 409 : err.code == ERR_IO ? 503 : 500, NULL, "%s%s",
            err.code == ERR_INPUT || err.code == ERR_CONFLICT ? "nothing was imported: " : "", err.text);
}

void post_import(struct call *c)
{
    bool is_busy;
    if (!c->is_local) {
        problem(c, 403, NULL, "an import is taken from this machine only");
        return;
    }
    pthread_mutex_lock(&c->api->transfer.lock);
    if ((is_busy = c->api->transfer.is_busy))
        problem(c, 409, NULL, "another import is under way");
    else
        take_piece(c);
    bool begins = !is_busy && c->status == 200 && c->filter.complete;
    int fd = c->api->transfer.fd;
    if (begins) {
        c->api->transfer.is_busy = true;
        c->api->transfer.fd = -1;
    }
    pthread_mutex_unlock(&c->api->transfer.lock);
    if (!begins)
        return;
    import_it(c, fd);
    close(fd);
    pthread_mutex_lock(&c->api->transfer.lock);
    c->api->transfer.is_busy = false;
    c->api->transfer.size = 0;
    pthread_mutex_unlock(&c->api->transfer.lock);
}
