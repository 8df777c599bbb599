/* watch: every way an editor writes a file is told; by events, or by looking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/watch.h"
#include "tests/support/rows.h"

static uv_loop_t loop;
static char folder[64];
static int told;

static void on_change(void *ctx)
{
    told++;
    uv_stop(ctx);
}

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void in_place(void)
{
    put("a.yaml", "other\n");
}

static void by_rename(void)
{
    char from[128], to[128];
    put(".a.swp", "other\n");
    snprintf(from, sizeof from, "%s/.a.swp", folder);
    snprintf(to, sizeof to, "%s/a.yaml", folder);
    assert_int_equal(rename(from, to), 0);
}

static void by_removing(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/a.yaml", folder);
    unlink(path);
    put("a.yaml", "other\n");
}

static const struct way {
    const char *name;
    void (*edit)(void);
    bool one_file, blind; /* blind: no events, as in a folder mounted from elsewhere */
} ways[] = {
    { "in place", in_place, false, false },           { "by rename", by_rename, false, false },
    { "by removing", by_removing, false, false },     { "one file, in place", in_place, true, false },
    { "one file, by rename", by_rename, true, false }, { "in place, blind", in_place, false, true },
    { "by rename, blind", by_rename, false, true },   { "by removing, blind", by_removing, true, true },
};

static void an_edit_is_told(void **state)
{
    const struct way *way = *state;
    char path[128], command[128];
    strcpy(folder, "/tmp/test_watch_XXXXXX");
    assert_non_null(mkdtemp(folder));
    put("a.yaml", "text\n");
    snprintf(path, sizeof path, "%s%s", folder, way->one_file ? "/a.yaml" : "");
    told = 0;
    uv_loop_init(&loop);
    struct watch *w = watch_new(&loop, path, on_change, &loop);
    if (way->blind)
        watch_blind(w);
    way->edit();
    uv_run(&loop, UV_RUN_DEFAULT); /* until it is told */
    assert_int_equal(told, 1);
    watch_close(w);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(told, 1);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    return RUN_ROWS("watch", an_edit_is_told, ways);
}
