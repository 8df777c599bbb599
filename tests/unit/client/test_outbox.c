/* An outbox and the API it delivers to (a real server that answers by script) on one loop. A crash is a copy of the
 * folder, taken at that moment and opened again. */
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/outbox.h"
#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"
#include "http/server.h"

enum { IDS_MAX = 200000, SECOND_MS = 1000 };

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    char base[64], folder[128], copy[128], url[64];
    struct http_server *server;
    struct outbox *outbox;
    /* the API */
    unsigned script[64]; /* statuses of the next answers; then 200 */
    size_t script_at, script_count;
    const char *poison;  /* a batch with this text is refused with 422 */
    bool copy_at_request;
    int strangers;       /* answers that are no receipt */
    int requests, batch_most, committed, empties;
    int64_t first_request_ns, bytes_most;
    int *ids, ids_count; /* as received and taken, any route */
    int by_route[2][4];  /* /api/v1/a, /api/v1/b: last id, received, out of order */
    bool late;
};

static void copy_folder(struct world *w)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", w->copy, w->folder, w->copy);
    assert_int_equal(system(command), 0);
}

static void on_request(void *ctx, const struct http_request *req, struct http_response *res)
{
    struct world *w = ctx;
    w->requests++;
    if (w->first_request_ns == 0)
        w->first_request_ns = clock_mono_ns();
    if (w->copy_at_request)
        copy_folder(w);
    res->status = w->script_at < w->script_count ? w->script[w->script_at++] : 200;
    if (res->status == 200 && w->strangers > 0) { /* another program on that port */
        w->strangers--;
        res->body = must_strdup(w->strangers % 2 ? "<html>Welcome</html>" : "{\"accepted\":\"yes\"}");
        res->body_size = strlen(res->body);
        return;
    }
    if (w->poison && strstr(req->body, w->poison))
        res->status = 422;
    if (res->status != 200) {
        res->body = must_strdup("{\"title\":\"no\",\"detail\":\"price: expected a decimal\"}");
        res->body_size = strlen(res->body);
        return;
    }
    json_t *body = json_loadb(req->body, req->body_size, JSON_REJECT_DUPLICATES, NULL), *item;
    assert_non_null(body);
    size_t i, n = json_array_size(json_object_get(body, "items"));
    assert_true(n > 0);
    int *route = w->by_route[strcmp(req->path, "/api/v1/b") == 0];
    json_array_foreach(json_object_get(body, "items"), i, item) {
        int id = (int)json_integer_value(json_object_get(item, "id"));
        assert_true(w->ids_count < IDS_MAX);
        w->ids[w->ids_count++] = id;
        route[1]++;
        if (id <= route[0])
            route[2]++;
        route[0] = id;
    }
    json_decref(body);
    res->body = must_alloc(1, 64);
    res->body_size = (size_t)snprintf(res->body, 64, "{\"accepted\":%d,\"duplicates\":%d}", (int)n / 2, (int)n - (int)n / 2);
    w->batch_most = w->batch_most > (int)n ? w->batch_most : (int)n;
    w->bytes_most = w->bytes_most > (int64_t)req->body_size ? w->bytes_most : (int64_t)req->body_size;
}

static void start_api(struct world *w, int port)
{
    struct err err;
    struct http_server_options o = { .host = "127.0.0.1", .port = port, .ctx = w, .on_request = on_request };
    w->server = http_server_new(&w->loop, &o, &err);
    if (!w->server)
        fail_msg("%s", err.text);
    snprintf(w->url, sizeof w->url, "http://127.0.0.1:%d", http_server_port(w->server));
}

static void open_outbox(struct world *w, const char *folder, size_t file_max)
{
    struct err err;
    struct outbox_options o = { .folder = folder, .api_url = w->url, .file_max = file_max };
    w->outbox = outbox_open(&w->loop, &o, &err);
    if (!w->outbox)
        fail_msg("%s", err.text);
}

static void on_deadline(uv_timer_t *timer)
{
    ((struct world *)timer->data)->late = true;
}

#define RUN_UNTIL(w, condition)                                                  \
    do {                                                                         \
        (w)->late = false;                                                       \
        uv_timer_start(&(w)->deadline, on_deadline, 60 * SECOND_MS, 0);          \
        while (!(condition) && !(w)->late)                                       \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                     \
        assert_false((w)->late);                                                 \
        uv_timer_stop(&(w)->deadline);                                           \
    } while (0)

static int setup(void **state)
{
    struct world *w = must_alloc(1, sizeof *w);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->deadline);
    w->deadline.data = w;
    w->ids = must_alloc(IDS_MAX, sizeof *w->ids);
    snprintf(w->base, sizeof w->base, "/tmp/bell-outbox-XXXXXX");
    assert_non_null(mkdtemp(w->base));
    snprintf(w->folder, sizeof w->folder, "%s/a/b", w->base);
    snprintf(w->copy, sizeof w->copy, "%s/copy", w->base);
    start_api(w, 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[200];
    outbox_close(w->outbox);
    if (w->server)
        http_server_stop(w->server);
    uv_close((uv_handle_t *)&w->deadline, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    http_server_free(w->server);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    snprintf(command, sizeof command, "rm -rf %s", w->base);
    assert_int_equal(system(command), 0);
    free(w->ids);
    free(w);
    return 0;
}

static void put(struct world *w, const char *route, int id)
{
    struct err err;
    char text[100];
    int n = snprintf(text, sizeof text, "{\"id\":%d,\"x\":\"item-%d.\"}", id, id);
    if (!outbox_put_text(w->outbox, route, text, (size_t)n, &err))
        fail_msg("%s", err.text);
}

static void on_commit(void *ctx, bool ok)
{
    assert_true(ok);
    ((struct world *)ctx)->committed++;
}

static void on_empty(void *ctx)
{
    ((struct world *)ctx)->empties++;
}

static size_t journals(const struct world *w)
{
    char command[300], text[32] = "";
    snprintf(command, sizeof command, "ls %s/*.journal | wc -l", w->folder);
    FILE *f = popen(command, "r");
    assert_non_null(fgets(text, sizeof text, f));
    pclose(f);
    return strtoul(text, NULL, 10);
}

static void expect_in_order(const struct world *w, int count)
{
    assert_int_equal(w->ids_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(w->ids[i], i + 1);
}

/* ---- */

static void items_arrive_in_order_and_in_batches(void **state)
{
    struct world *w = *state;
    open_outbox(w, w->folder, 0);
    outbox_on_empty(w->outbox, on_empty, w);
    for (int i = 1; i <= 1200; i++)
        put(w, "/api/v1/a", i);
    assert_int_equal(outbox_pending(w->outbox), 1200);
    outbox_commit(w->outbox, on_commit, w);
    assert_int_equal(w->committed, 0);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0 && w->committed == 1);
    expect_in_order(w, 1200);
    assert_int_equal(w->requests, 3);
    assert_int_equal(w->batch_most, 500);
    assert_int_equal(w->empties, 1);
}

static void a_json_object_arrives_as_it_was(void **state)
{
    struct world *w = *state;
    struct err err;
    open_outbox(w, w->folder, 0);
    json_t *item = json_pack("{s:i, s:s, s:n}", "id", 7, "text", "\"quoted\" \xc3\xa9\n", "nothing");
    assert_true(outbox_put(w->outbox, "/api/v1/a", item, &err));
    json_decref(item);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    assert_int_equal(w->ids[0], 7);
}

static void each_route_keeps_its_order_and_fills_its_batches(void **state)
{
    struct world *w = *state;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 1000; i++)
        put(w, i % 2 ? "/api/v1/a" : "/api/v1/b", i);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    assert_int_equal(w->requests, 2);
    for (int r = 0; r < 2; r++) {
        assert_int_equal(w->by_route[r][1], 500);
        assert_int_equal(w->by_route[r][2], 0);
    }
}

static void a_batch_has_a_limit_in_bytes(void **state)
{
    struct world *w = *state;
    struct err err;
    char *text = must_alloc(1, 200000);
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 10; i++) {
        int n = snprintf(text, 200000, "{\"id\":%d,\"x\":\"%0*d\"}", i, i == 5 ? 100 : 150000, 1);
        assert_true(outbox_put_text(w->outbox, "/api/v1/a", text, (size_t)n, &err));
    }
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    expect_in_order(w, 10);
    assert_true(w->bytes_most <= 512 * 1024);
    free(text);
}

static void an_item_too_long_is_refused_and_harms_nothing(void **state)
{
    struct world *w = *state;
    struct err err = { .code = ERR_NONE };
    char *text = must_alloc(1, 2 << 20);
    memset(text, 'x', 2 << 20);
    open_outbox(w, w->folder, 0);
    put(w, "/api/v1/a", 1);
    assert_false(outbox_put_text(w->outbox, "/api/v1/a", text, 2 << 20, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(outbox_pending(w->outbox), 1);
    put(w, "/api/v1/a", 2);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    expect_in_order(w, 2);
    free(text);
}

static void what_passes_is_sent_again_with_growing_delay(void **state)
{
    static const unsigned script[] = { 503, 500, 429, 404, 401 };
    struct world *w = *state;
    memcpy(w->script, script, sizeof script);
    w->script_count = 5;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 10; i++)
        put(w, "/api/v1/a", i);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    int64_t took_ms = (clock_mono_ns() - w->first_request_ns) / 1000000;
    expect_in_order(w, 10);
    assert_int_equal(w->requests, 6);
    assert_int_equal(outbox_rejected(w->outbox), 0);
    assert_in_range(took_ms, 250 + 500 + 1000 + 2000 + 4000, 30000);
}

static void a_stranger_s_200_takes_nothing(void **state)
{
    struct world *w = *state;
    w->strangers = 2;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 10; i++)
        put(w, "/api/v1/a", i);
    RUN_UNTIL(w, w->requests == 3);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    expect_in_order(w, 10);
    assert_int_equal(outbox_rejected(w->outbox), 0);
}

static void a_refused_item_is_set_aside_and_nothing_waits_behind_it(void **state)
{
    struct world *w = *state;
    char path[200], line[1000] = "";
    w->poison = "item-7.";
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 20; i++)
        put(w, i == 15 ? "/api/v1/b" : "/api/v1/a", i);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    assert_int_equal(outbox_rejected(w->outbox), 1);
    assert_int_equal(w->by_route[0][1], 18);
    assert_int_equal(w->by_route[0][2], 0);
    assert_int_equal(w->by_route[1][1], 1);
    for (int i = 0; i < w->ids_count; i++)
        assert_int_not_equal(w->ids[i], 7);
    snprintf(path, sizeof path, "%s/rejected.jsonl", w->folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    json_t *o = json_loads(line, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(o, "status")), 422);
    assert_string_equal(json_string_value(json_object_get(o, "route")), "/api/v1/a");
    assert_non_null(strstr(json_string_value(json_object_get(o, "reason")), "expected a decimal"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "item"), "id")), 7);
    json_decref(o);
}

static void an_api_that_is_away_is_waited_for(void **state)
{
    struct world *w = *state;
    int port = http_server_port(w->server);
    http_server_stop(w->server);
    for (int i = 0; i < 1000 && uv_run(&w->loop, UV_RUN_NOWAIT); i++)
        usleep(1000);
    http_server_free(w->server);
    w->server = NULL;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 100; i++)
        put(w, "/api/v1/a", i);
    outbox_commit(w->outbox, on_commit, w);
    RUN_UNTIL(w, w->committed == 1); /* durable without the API */
    assert_int_equal(outbox_pending(w->outbox), 100);
    start_api(w, port);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    expect_in_order(w, 100);
}

static void what_was_committed_survives_a_crash(void **state)
{
    struct world *w = *state;
    w->script[0] = 503; /* nothing is delivered before the crash */
    w->script_count = 1;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 100; i++)
        put(w, "/api/v1/a", i);
    outbox_commit(w->outbox, on_commit, w);
    RUN_UNTIL(w, w->committed == 1);
    copy_folder(w);
    outbox_close(w->outbox);
    open_outbox(w, w->copy, 0);
    assert_int_equal(outbox_pending(w->outbox), 100);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    expect_in_order(w, 100);
}

static void what_was_not_delivered_waits_for_the_next_start(void **state)
{
    struct world *w = *state;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 10; i++)
        put(w, "/api/v1/a", i);
    outbox_commit(w->outbox, on_commit, w);
    outbox_close(w->outbox); /* at once: nothing was sent, the commit is told */
    assert_int_equal(w->committed, 1);
    open_outbox(w, w->folder, 0);
    assert_int_equal(outbox_pending(w->outbox), 10);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    outbox_close(w->outbox);
    open_outbox(w, w->folder, 0);
    assert_int_equal(outbox_pending(w->outbox), 0);
    expect_in_order(w, 10);
}

static void a_crash_between_the_post_and_its_note_repeats_that_batch_only(void **state)
{
    struct world *w = *state;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= 700; i++)
        put(w, i <= 600 ? "/api/v1/a" : "/api/v1/b", i);
    RUN_UNTIL(w, w->requests == 1 && outbox_pending(w->outbox) == 200);
    w->copy_at_request = true; /* the API has it, the outbox does not know */
    RUN_UNTIL(w, w->requests == 2);
    w->copy_at_request = false;
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    assert_int_equal(w->ids_count, 700);
    outbox_close(w->outbox);
    memset(w->by_route, 0, sizeof w->by_route);
    open_outbox(w, w->copy, 0);
    assert_int_equal(outbox_pending(w->outbox), 200);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    assert_int_equal(w->by_route[0][1], 100);
    assert_int_equal(w->by_route[1][1], 100);
    assert_int_equal(w->by_route[0][0], 600);
    assert_int_equal(w->by_route[1][0], 700);
}

/* A crash can leave any prefix of the file. */
static void a_file_cut_anywhere_keeps_all_whole_items(void **state)
{
    enum { ITEMS = 5 };
    struct world *w = *state;
    char path[200];
    struct stat info;
    open_outbox(w, w->folder, 0);
    for (int i = 1; i <= ITEMS; i++)
        put(w, "/api/v1/a", i);
    copy_folder(w);
    snprintf(path, sizeof path, "%s/00000001.journal", w->copy);
    assert_int_equal(stat(path, &info), 0);
    size_t before = ITEMS;
    for (off_t size = info.st_size - 1; size >= 0; size--) {
        outbox_close(w->outbox);
        copy_folder(w);
        assert_int_equal(truncate(path, size), 0);
        open_outbox(w, w->copy, 0);
        size_t pending = outbox_pending(w->outbox);
        assert_true(pending == before || pending + 1 == before);
        before = pending;
    }
    assert_int_equal(before, 0);
}

static void a_second_opener_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = { .code = ERR_NONE };
    struct outbox_options o = { .folder = w->folder, .api_url = w->url };
    open_outbox(w, w->folder, 0);
    put(w, "/api/v1/a", 1);
    assert_null(outbox_open(&w->loop, &o, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    expect_in_order(w, 1);
}

static void delivered_files_are_removed(void **state)
{
    struct world *w = *state;
    int id = 0;
    open_outbox(w, w->folder, 10000);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 2000; i++)
            put(w, "/api/v1/a", ++id);
        outbox_commit(w->outbox, on_commit, w);
        assert_true(journals(w) >= 5);
        RUN_UNTIL(w, outbox_pending(w->outbox) == 0 && w->committed == round + 1);
        assert_true(journals(w) <= 2);
    }
    expect_in_order(w, id);
    outbox_close(w->outbox);
    open_outbox(w, w->folder, 10000);
    assert_int_equal(outbox_pending(w->outbox), 0);
}

static void files_waiting_between_survive_a_restart(void **state)
{
    struct world *w = *state;
    w->script[0] = 503;
    w->script_count = 1;
    open_outbox(w, w->folder, 10000);
    for (int i = 1; i <= 3000; i++)
        put(w, "/api/v1/a", i);
    RUN_UNTIL(w, w->ids_count >= 1000); /* in the middle of it all */
    copy_folder(w);
    size_t pending = outbox_pending(w->outbox);
    outbox_close(w->outbox);
    int had = w->ids_count;
    open_outbox(w, w->copy, 10000);
    assert_int_equal(outbox_pending(w->outbox), pending);
    for (int i = 3001; i <= 3100; i++)
        put(w, "/api/v1/a", i);
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    int next = had + 1 - (w->ids_count - 3100); /* what was under way at the crash came twice */
    assert_in_range(w->ids_count, 3100, 3600);
    for (int i = had; i < w->ids_count; i++)
        assert_int_equal(w->ids[i], next++);
}

static void a_large_backlog_takes_bounded_memory_and_seconds(void **state)
{
    enum { ITEMS = 100000 };
    struct world *w = *state;
    struct err err;
    char text[400];
    w->script[0] = 503;
    w->script_count = 1;
    open_outbox(w, w->folder, 0);
    size_t before = mallinfo2().uordblks;
    for (int i = 1; i <= ITEMS; i++) {
        int n = snprintf(text, sizeof text, "{\"id\":%d,\"x\":\"%0300d\"}", i, i);
        assert_true(outbox_put_text(w->outbox, "/api/v1/a", text, (size_t)n, &err));
    }
    assert_true(mallinfo2().uordblks - before < 16 << 20); /* of 33 MB */
    int64_t start = clock_mono_ns();
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    print_message("%d items in %d ms\n", ITEMS, (int)((clock_mono_ns() - start) / 1000000));
    expect_in_order(w, ITEMS);
    assert_true(mallinfo2().uordblks - before < 16 << 20);
}

static void small_items_are_delivered_fast(void **state)
{
    enum { ITEMS = 20000 };
    struct world *w = *state;
    open_outbox(w, w->folder, 0);
    int64_t start = clock_mono_ns();
    for (int i = 1; i <= ITEMS; i++) {
        put(w, "/api/v1/a", i);
        if (i % 10 == 0)
            uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(w, outbox_pending(w->outbox) == 0);
    int64_t took_ms = (clock_mono_ns() - start) / 1000000;
    print_message("%d items in %d ms, %d requests\n", ITEMS, (int)took_ms, w->requests);
    expect_in_order(w, ITEMS);
    assert_true(took_ms < 20 * SECOND_MS); /* sanitizers included */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A name with * runs those alone. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(items_arrive_in_order_and_in_batches),
        TEST(a_json_object_arrives_as_it_was),
        TEST(each_route_keeps_its_order_and_fills_its_batches),
        TEST(a_batch_has_a_limit_in_bytes),
        TEST(an_item_too_long_is_refused_and_harms_nothing),
        TEST(what_passes_is_sent_again_with_growing_delay),
        TEST(a_stranger_s_200_takes_nothing),
        TEST(a_refused_item_is_set_aside_and_nothing_waits_behind_it),
        TEST(an_api_that_is_away_is_waited_for),
        TEST(what_was_committed_survives_a_crash),
        TEST(what_was_not_delivered_waits_for_the_next_start),
        TEST(a_crash_between_the_post_and_its_note_repeats_that_batch_only),
        TEST(a_file_cut_anywhere_keeps_all_whole_items),
        TEST(a_second_opener_is_refused),
        TEST(delivered_files_are_removed),
        TEST(files_waiting_between_survive_a_restart),
        TEST(a_large_backlog_takes_bounded_memory_and_seconds),
        TEST(small_items_are_delivered_fast),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    log_start("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
