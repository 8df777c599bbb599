/* watch.c - see watch.h. */
#include "engine/watch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base.h"
#include "core/log.h"

enum { POLL_MS = 500, QUIET_MS = 100, HANDLES = 3 };

struct watch {
    uv_fs_event_t event;
    uv_timer_t poll, quiet;
    int open;                /* handles that are not closed yet */
    char folder[512];
    uint64_t print;          /* of names, sizes, times and inodes when it was last looked at */
    void (*changed)(void *ctx);
    void *ctx;
};

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(1099511628211);
    return h ^ h >> 29;
}

/* A sum: the order of the entries does not matter. */
static uint64_t look(const struct watch *w)
{
    uint64_t sum = 0;
    DIR *d = opendir(w->folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        const char *end = strrchr(e->d_name, '.');
        if (!end || (strcmp(end, ".yaml") != 0 && strcmp(end, ".yml") != 0) || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
            continue;
        uint64_t h = UINT64_C(14695981039346656037);
        for (const char *c = e->d_name; *c; c++)
            h = mix(h, (unsigned char)*c);
        h = mix(mix(h, (uint64_t)st.st_size), (uint64_t)st.st_ino);
        sum += mix(mix(h, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
    }
    if (d)
        closedir(d);
    return sum;
}

static void on_quiet(uv_timer_t *timer)
{
    struct watch *w = timer->data;
    w->print = look(w);
    w->changed(w->ctx);
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct watch *w = event->data;
    (void)name;
    (void)events;
    (void)status;
    uv_timer_start(&w->quiet, on_quiet, QUIET_MS, 0);
}

static void on_poll(uv_timer_t *timer)
{
    struct watch *w = timer->data;
    if (!uv_is_active((uv_handle_t *)&w->quiet) && look(w) != w->print)
        uv_timer_start(&w->quiet, on_quiet, QUIET_MS, 0);
}

struct watch *watch_new(uv_loop_t *loop, const char *path, void (*changed)(void *ctx), void *ctx)
{
    struct watch *w = must_alloc(1, sizeof *w);
    struct stat st;
    w->changed = changed;
    w->ctx = ctx;
    w->open = HANDLES;
    snprintf(w->folder, sizeof w->folder, "%s", path);
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        char *slash = strrchr(w->folder, '/');
        if (slash)
            slash[slash == w->folder] = '\0';
        else
            strcpy(w->folder, ".");
    }
    uv_fs_event_init(loop, &w->event);
    uv_timer_init(loop, &w->poll);
    uv_timer_init(loop, &w->quiet);
    w->event.data = w->poll.data = w->quiet.data = w;
    w->print = look(w);
    int status = uv_fs_event_start(&w->event, on_event, w->folder, 0);
    if (status < 0)
        log_info("watch_polls", KV_TEXT("folder", w->folder), KV_TEXT("reason", uv_strerror(status)));
    uv_timer_start(&w->poll, on_poll, POLL_MS, POLL_MS);
    return w;
}

void watch_blind(struct watch *w)
{
    uv_fs_event_stop(&w->event);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    if (--w->open == 0)
        free(w);
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    uv_close((uv_handle_t *)&w->event, on_closed);
    uv_close((uv_handle_t *)&w->poll, on_closed);
    uv_close((uv_handle_t *)&w->quiet, on_closed);
}
