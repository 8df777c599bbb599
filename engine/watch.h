/* watch.h - tells when an instance's file in a folder may have changed.
 *
 * By inotify where the file system gives it, and by looking twice a second where it does not (mounted folders); editors
 * that write a new file and rename it are seen too. Told when the folder has been quiet for a tenth of a second, so that
 * a file is not read half written. What changed, the caller finds out: it may be told for nothing.
 *
 * Threads: the loop's. */
#ifndef ENGINE_WATCH_H
#define ENGINE_WATCH_H

#include <uv.h>

struct watch;

/* path: a folder, or one file. */
struct watch *watch_new(uv_loop_t *loop, const char *path, void (*changed)(void *ctx), void *ctx);
/* Goes on without the file system's events, by looking alone; for tests. */
void watch_blind(struct watch *w);
/* Nothing is told afterwards; it is gone when the loop has run. NULL is fine. */
void watch_close(struct watch *w);

#endif
