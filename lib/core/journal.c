/* journal.c - on disk: a file header of 8 bytes, then records of
 *
 *     length  uint32, little endian
 *     crc     uint32, CRC-32C of the length and the bytes
 *     bytes
 *
 * A crash leaves a prefix of what was written, or a file that was lengthened before its bytes
 * arrived (zeros). So a damaged record is a torn tail when nothing readable stands behind it; a
 * whole record behind it proves that the damage is older than the end, and that is not ours to
 * repair. */
#include "core/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/log.h"

enum { HEAD_SIZE = 8, RECORD_HEAD_SIZE = 8, RECORD_MAX = 1 << 20 };

static const char magic[HEAD_SIZE] = { 'B', 'E', 'L', 'L', 'J', 'N', 'L', '1' };

struct waiter {
    journal_done *done;
    void *ctx;
};

struct waiters {
    struct waiter *list;
    size_t count, room;
};

struct journal {
    int fd;
    char *path;
    uint64_t size, durable_size;
    bool is_broken; /* a sync failed: the page cache may have dropped what it could not write */
    struct waiters waiting; /* for the next sync */
    struct waiters served;  /* by the one under way */

    struct commit *commit; /* the sync under way */
};

/* One sync on a worker. Outlives the journal when that is closed before the loop heard of it. */
struct commit {
    uv_work_t work;
    struct journal *journal; /* NULL: closed */
    int fd,
        sync_errno; /* fd -1: nothing to sync. Of these two the worker knows, and of has_ended */
    uv_sem_t has_ended;
    uint64_t size; /* what is durable after it */
};

/* ---- CRC-32C (Castagnoli), reflected */

static uint32_t crc_table[256];
static uv_once_t crc_once = UV_ONCE_INIT;

static void make_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
        crc_table[i] = c;
    }
}

static uint32_t crc_of(uint32_t crc, const void *data, size_t size)
{
    uv_once(&crc_once, make_crc_table);
    crc = ~crc;
    for (const unsigned char *p = data; size-- > 0; p++)
        crc = crc_table[(crc ^ *p) & 0xff] ^ crc >> 8;
    return ~crc;
}

static void put_u32(unsigned char *out, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(n >> 8 * i);
}

static uint32_t get_u32(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static uint32_t record_crc(const unsigned char head[4], const void *data, size_t size)
{
    return crc_of(crc_of(0, head, 4), data, size);
}

/* ---- opening */

static bool make_folders(const char *path, struct err *err)
{
    char *folder = must_strdup(path);
    bool ok = true;
    for (char *slash = strchr(folder + 1, '/'); ok && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            ok = err_set(err, ERR_IO, "cannot make the folder %s: %s", folder, strerror(errno));
        *slash = '/';
    }
    free(folder);
    return ok;
}

/* The file's own entry must be durable too, or a crash loses the whole file. */
static bool sync_folder(const char *path, struct err *err)
{
    char *folder = must_strdup(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        err_set(err, ERR_IO, "cannot sync the folder of %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(folder);
    return ok;
}

/* Who holds the lock, by /proc/locks: "7: FLOCK ADVISORY WRITE 1234 fd:01:5678 0 EOF". 0 when not
 * to be seen. */
static long lock_holder(int fd)
{
    struct stat info;
    long holder = 0;
    char line[256];
    FILE *locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    if (fstat(fd, &info) == 0) {
        while (holder == 0 && fgets(line, sizeof line, locks)) {
            long pid;
            unsigned long inode;
            if (sscanf(line, "%*s FLOCK %*s %*s %ld %*[^:]:%*[^:]:%lu", &pid, &inode) == 2 &&
                inode == info.st_ino)
                holder = pid;
        }
    }
    fclose(locks);
    return holder;
}

static bool lock(struct journal *j, struct err *err)
{
    if (flock(j->fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK)
        return err_set(err, ERR_IO, "cannot lock %s: %s", j->path, strerror(errno));
    long pid = lock_holder(j->fd);
    if (pid > 0)
        return err_set(err, ERR_CONFLICT, "%s is in use by process %ld", j->path, pid);
    return err_set(err, ERR_CONFLICT, "%s is in use by another process", j->path);
}

static bool read_all(struct journal *j, unsigned char **out, size_t *out_size, struct err *err)
{
    struct stat info;
    if (fstat(j->fd, &info) != 0)
        return err_set(err, ERR_IO, "cannot read %s: %s", j->path, strerror(errno));
    size_t size = (size_t)info.st_size, have = 0;
    unsigned char *data = must_alloc(size + 1, 1);
    while (have < size) {
        ssize_t n = pread(j->fd, data + have, size - have, (off_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(data);
            return err_set(err, ERR_IO, "cannot read %s: %s", j->path,
                           n < 0 ? strerror(errno) : "it shrank");
        }
        have += (size_t)n;
    }
    *out = data;
    *out_size = size;
    return true;
}

/* Is there a whole record at this place? Its size with the head, or 0. */
static size_t record_at(const unsigned char *data, size_t size, size_t at)
{
    if (size - at < RECORD_HEAD_SIZE)
        return 0;
    uint32_t len = get_u32(data + at);
    if (len > RECORD_MAX || len > size - at - RECORD_HEAD_SIZE ||
        get_u32(data + at + 4) != record_crc(data + at, data + at + RECORD_HEAD_SIZE, len))
        return 0;
    return RECORD_HEAD_SIZE + len;
}

/* A whole, non-empty record anywhere behind `from`. Empty ones are too easily met by chance. */
static bool has_record_behind(const unsigned char *data, size_t size, size_t from)
{
    for (size_t at = from; at + RECORD_HEAD_SIZE < size; at++) {
        if (record_at(data, size, at) > RECORD_HEAD_SIZE)
            return true;
    }
    return false;
}

static bool write_at(struct journal *j, const void *data, size_t size, uint64_t at)
{
    const char *from = data;
    while (size > 0) {
        ssize_t n = pwrite(j->fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        from += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

static bool begin_file(struct journal *j, struct err *err)
{
    if (ftruncate(j->fd, 0) != 0 || !write_at(j, magic, HEAD_SIZE, 0) || fsync(j->fd) != 0)
        return err_set(err, ERR_IO, "cannot write %s: %s", j->path, strerror(errno));
    j->size = HEAD_SIZE;
    return sync_folder(j->path, err);
}

static bool cut_tail(struct journal *j, uint64_t size, struct err *err)
{
    log_warn("journal_tail_cut", KV_TEXT("path", j->path), KV_INT("offset", j->size),
             KV_INT("bytes_lost", size - j->size));
    if (ftruncate(j->fd, (off_t)j->size) != 0 || fsync(j->fd) != 0)
        return err_set(err, ERR_IO, "cannot cut %s at byte %" PRIu64 ": %s", j->path, j->size,
                       strerror(errno));
    return true;
}

static bool replay_file(struct journal *j, journal_record *replay, void *ctx, struct err *err)
{
    unsigned char *data = NULL;
    size_t size = 0;
    bool ok = false;
    if (!read_all(j, &data, &size, err))
        return false;
    if (size < HEAD_SIZE && memcmp(data, magic, size) == 0) { /* new, or torn in its first write */
        ok = begin_file(j, err);
        goto done;
    }
    if (size < HEAD_SIZE || memcmp(data, magic, HEAD_SIZE) != 0) {
        err_set(err, ERR_INPUT, "%s is no journal of ours: its first %d bytes are not %.8s",
                j->path, HEAD_SIZE, magic);
        goto done;
    }
    /* First the whole file, then the records: nothing is replayed from a file that is refused. */
    size_t end = HEAD_SIZE, record;
    while ((record = record_at(data, size, end)) > 0)
        end += record;
    if (end < size && has_record_behind(data, size, end + 1)) {
        err_set(err, ERR_INPUT,
                "%s is damaged at byte %zu of %zu, and records follow: restore it from a copy",
                j->path, end, size);
        goto done;
    }
    for (size_t at = HEAD_SIZE; replay && at < end; at += record) {
        record = record_at(data, size, at);
        replay(ctx, data + at + RECORD_HEAD_SIZE, record - RECORD_HEAD_SIZE);
    }
    j->size = end;
    ok = end == size || cut_tail(j, size, err);
done:
    free(data);
    j->durable_size = j->size;
    return ok;
}

struct journal *journal_open(const char *path, journal_record *replay, void *ctx, struct err *err)
{
    struct journal *j = must_alloc(1, sizeof *j);
    *j = (struct journal){ .fd = -1, .path = must_strdup(path) };
    if (!make_folders(path, err))
        goto failed;
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0) {
        err_set(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
        goto failed;
    }
    if (!lock(j, err) || !replay_file(j, replay, ctx, err))
        goto failed;
    return j;

failed:
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j);
    return NULL;
}

/* ---- appending and syncing */

bool journal_append(struct journal *j, const void *data, size_t size, struct err *err)
{
    if (size > RECORD_MAX)
        return err_set(err, ERR_INPUT, "a record of %zu bytes is too long for %s; %d at most", size,
                       j->path, RECORD_MAX);
    if (j->is_broken)
        return err_set(err, ERR_IO, "%s takes nothing more: an earlier write or sync failed",
                       j->path);
    unsigned char *record = must_alloc(RECORD_HEAD_SIZE + size, 1);
    put_u32(record, (uint32_t)size);
    put_u32(record + 4, record_crc(record, data, size));
    if (size > 0)
        memcpy(record + RECORD_HEAD_SIZE, data, size);
    bool ok = write_at(j, record, RECORD_HEAD_SIZE + size, j->size);
    if (ok) {
        j->size += RECORD_HEAD_SIZE + size;
    } else {
        /* A full disk: what was written of the record goes, and the journal stays whole. */
        err_set(err, ERR_IO, "cannot write %s: %s", j->path, strerror(errno));
        if (ftruncate(j->fd, (off_t)j->size) != 0)
            j->is_broken = true;
    }
    free(record);
    return ok;
}

bool journal_sync(struct journal *j, struct err *err)
{
    if (j->is_broken)
        return err_set(err, ERR_IO, "%s cannot be trusted: an earlier write or sync failed",
                       j->path);
    if (j->durable_size == j->size)
        return true;
    uint64_t size = j->size;
    if (fdatasync(j->fd) != 0) {
        j->is_broken = true;
        return err_set(err, ERR_IO, "cannot sync %s: %s", j->path, strerror(errno));
    }
    j->durable_size = size;
    return true;
}

static void add_waiter(struct waiters *w, struct waiter waiter)
{
    if (w->count == w->room) {
        w->room = w->room ? w->room * 2 : 8;
        w->list = must_realloc(w->list, w->room, sizeof *w->list);
    }
    w->list[w->count++] = waiter;
}

static void sync_on_worker(uv_work_t *work)
{
    struct commit *c = (struct commit *)work->data;
    c->sync_errno = c->fd >= 0 && fdatasync(c->fd) != 0 ? errno : 0;
    uv_sem_post(&c->has_ended);
}

static void free_commit(struct commit *c)
{
    uv_sem_destroy(&c->has_ended);
    free(c);
}

static void after_sync(uv_work_t *work, int status);

/* All that wait now are served by this one. */
static void start_sync(struct journal *j, uv_loop_t *loop)
{
    struct waiters spare = j->served;
    j->served = j->waiting;
    j->waiting = (struct waiters){ .list = spare.list, .room = spare.room };

    struct commit *c = must_alloc(1, sizeof *c);
    bool is_needed = !j->is_broken && j->durable_size < j->size;
    *c = (struct commit){ .journal = j, .fd = is_needed ? j->fd : -1, .size = j->size };
    c->work.data = c;
    j->commit = c;
    int rc = uv_sem_init(&c->has_ended, 0);
    if (rc == 0)
        rc = uv_queue_work(loop, &c->work, sync_on_worker, after_sync);
    assert(rc == 0);
}

static void after_sync(uv_work_t *work, int status)
{
    struct commit *c = (struct commit *)work->data;
    struct journal *j = c->journal;
    uv_loop_t *loop = work->loop;
    if (!j) { /* closed meanwhile */
        free_commit(c);
        return;
    }
    j->commit = NULL;
    if (status != 0 || c->sync_errno != 0) {
        if (!j->is_broken)
            log_error("journal_sync_failed", KV_TEXT("path", j->path),
                      KV_TEXT("why", strerror(c->sync_errno)));
        j->is_broken = true;
    } else if (c->size > j->durable_size && c->fd >= 0) {
        j->durable_size = c->size;
    }
    free_commit(c);

    bool ok = !j->is_broken;
    struct waiters served = j->served;
    j->served = (struct waiters){ 0 };
    if (j->waiting.count > 0)
        start_sync(j, loop);
    /* Last, and without j: a waiter may append, commit, or close the journal. */
    for (size_t i = 0; i < served.count; i++)
        served.list[i].done(served.list[i].ctx, ok);
    free(served.list);
}

void journal_commit(struct journal *j, uv_loop_t *loop, journal_done *done, void *ctx)
{
    add_waiter(&j->waiting, (struct waiter){ .done = done, .ctx = ctx });
    if (!j->commit)
        start_sync(j, loop);
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->commit) {
        /* The worker must let go of the file; a sync that had not begun never will. */
        if (uv_cancel((uv_req_t *)&j->commit->work) != 0) {
            uv_sem_wait(&j->commit->has_ended);
            if (j->commit->sync_errno != 0)
                j->is_broken = true;
        }
        j->commit->journal = NULL;
    }
    struct err err;
    if (!journal_sync(j, &err))
        log_error("journal_close_failed", KV_TEXT("path", j->path), KV_TEXT("why", err.text));
    close(j->fd);
    free(j->waiting.list);
    free(j->served.list);
    free(j->path);
    free(j);
}

uint64_t journal_size(const struct journal *j)
{
    return j->size;
}
