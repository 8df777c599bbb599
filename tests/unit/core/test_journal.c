/* journal: what a crash at any byte leaves, and who may open it. Runs on files in a folder of its own. */
#include "tests/support/rows.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base.h"
#include "core/journal.h"

static char folder[64], path[128];

static int in_a_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/bell-test-journal-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b/journal", folder);
    return 0;
}

static int without_it(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

struct seen {
    size_t count;
    size_t sizes[64];
    unsigned char first[64];
};

static void see(void *ctx, const void *data, size_t size)
{
    struct seen *seen = ctx;
    assert_true(seen->count < 64);
    seen->first[seen->count] = size ? *(const unsigned char *)data : 0;
    seen->sizes[seen->count++] = size;
    for (size_t i = 0; i < size; i++) /* record n holds n, n+1, ... */
        assert_int_equal(((const unsigned char *)data)[i], (unsigned char)(seen->count + i));
}

static const size_t sizes[] = { 1, 0, 7, 100, 8, 3 };

static void append(struct journal *j, size_t number, size_t size)
{
    struct err err;
    unsigned char *data = must_alloc(size + 1, 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(number + 1 + i);
    assert_true(journal_append(j, data, size, &err));
    free(data);
}

static void make(void)
{
    struct err err;
    unlink(path);
    struct journal *j = journal_open(path, NULL, NULL, &err);
    assert_non_null(j);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        append(j, i, sizes[i]);
    journal_close(j);
}

static size_t read_file(unsigned char *out, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(out, 1, size, file);
    fclose(file);
    return n;
}

static void write_file(const unsigned char *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static void what_was_appended_is_replayed(void **state)
{
    (void)state;
    struct err err;
    struct seen seen = { 0 };
    make();
    struct journal *j = journal_open(path, see, &seen, &err);
    assert_non_null(j);
    assert_int_equal(seen.count, COUNT_OF(sizes));
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_int_equal(seen.sizes[i], sizes[i]);
    append(j, COUNT_OF(sizes), 5);
    uint64_t size = journal_size(j);
    journal_close(j);
    seen.count = 0;
    j = journal_open(path, see, &seen, &err);
    assert_int_equal(seen.count, COUNT_OF(sizes) + 1);
    assert_int_equal(journal_size(j), size);
    journal_close(j);
}

/* Each prefix replays the records that are whole in it, takes new ones, and replays both. */
static void a_cut_at_any_byte_replays_a_prefix(void **state)
{
    (void)state;
    unsigned char whole[1024];
    struct err err;
    make();
    size_t size = read_file(whole, sizeof whole), end = 8, records = 0;
    for (size_t cut = 0; cut <= size; cut++) {
        while (records < COUNT_OF(sizes) && cut >= end + 8 + sizes[records])
            end += 8 + sizes[records++];
        write_file(whole, cut);
        struct seen seen = { 0 };
        struct journal *j = journal_open(path, see, &seen, &err);
        assert_non_null(j);
        assert_int_equal(seen.count, records);
        assert_int_equal(journal_size(j), end);
        append(j, records, 4);
        journal_close(j);
        seen.count = 0;
        j = journal_open(path, see, &seen, &err);
        assert_non_null(j);
        assert_int_equal(seen.count, records + 1);
        journal_close(j);
    }
}

/* The same, where the file had been lengthened before its bytes came. */
static void zeros_behind_the_cut_are_a_torn_tail(void **state)
{
    (void)state;
    unsigned char whole[1024] = { 0 };
    struct err err;
    make();
    size_t size = read_file(whole, sizeof whole);
    for (size_t cut = 8; cut < size; cut++) {
        unsigned char torn[1024] = { 0 };
        memcpy(torn, whole, cut);
        write_file(torn, size + 100);
        struct seen seen = { 0 };
        struct journal *j = journal_open(path, see, &seen, &err);
        assert_non_null(j);
        assert_true(seen.count <= COUNT_OF(sizes));
        journal_close(j);
    }
}

static void damage_with_records_behind_it_is_refused(void **state)
{
    (void)state;
    unsigned char whole[1024];
    struct err err;
    make();
    size_t size = read_file(whole, sizeof whole), last = size - 8 - sizes[COUNT_OF(sizes) - 1];
    for (size_t at = 8; at < size; at++) {
        whole[at] ^= 0x10;
        write_file(whole, size);
        struct seen seen = { 0 };
        struct journal *j = journal_open(path, see, &seen, &err);
        if (at < last) {
            char place[32];
            size_t begin = 8;
            for (size_t i = 0; begin + 8 + sizes[i] <= at; i++)
                begin += 8 + sizes[i];
            snprintf(place, sizeof place, "at byte %zu of", begin);
            assert_null(j);
            assert_int_equal(err.code, ERR_INPUT);
            assert_non_null(strstr(err.text, place));
            assert_int_equal(seen.count, 0); /* nothing is replayed from a refused file */
            unsigned char after[1024];
            assert_int_equal(read_file(after, sizeof after), size);
            assert_memory_equal(after, whole, size); /* and it is left as it was */
        } else {
            assert_non_null(j);
            assert_int_equal(seen.count, COUNT_OF(sizes) - 1);
        }
        journal_close(j);
        whole[at] ^= 0x10;
    }
}

static void a_foreign_file_is_refused(void **state)
{
    (void)state;
    struct err err;
    write_file((const unsigned char *)"something else entirely", 23);
    assert_null(journal_open(path, NULL, NULL, &err));
    assert_non_null(strstr(err.text, "no journal of ours"));
    write_file((const unsigned char *)"some", 4);
    assert_null(journal_open(path, NULL, NULL, &err));
}

static void a_second_opener_is_refused_with_the_holders_pid(void **state)
{
    (void)state;
    struct err err;
    char pid[48];
    make();
    struct journal *j = journal_open(path, NULL, NULL, &err);
    assert_non_null(j);
    assert_null(journal_open(path, NULL, NULL, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    snprintf(pid, sizeof pid, "is in use by process %ld", (long)getpid());
    if (!strstr(err.text, "another process")) /* a container may hide who */
        assert_non_null(strstr(err.text, pid));
    journal_close(j);
    j = journal_open(path, NULL, NULL, &err);
    assert_non_null(j);
    journal_close(j);
}

static void files_and_folders_are_private(void **state)
{
    (void)state;
    struct stat info;
    char parent[128];
    make();
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    snprintf(parent, sizeof parent, "%s/a/b", folder);
    assert_int_equal(stat(parent, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void a_record_too_long_is_refused(void **state)
{
    (void)state;
    struct err err;
    make();
    struct journal *j = journal_open(path, NULL, NULL, &err);
    uint64_t before = journal_size(j);
    char *big = must_alloc((1 << 20) + 1, 1);
    assert_false(journal_append(j, big, (1 << 20) + 1, &err));
    assert_int_equal(journal_size(j), before);
    assert_true(journal_append(j, big, 1 << 20, &err));
    free(big);
    journal_close(j);
}

struct turn {
    struct journal *j;
    uv_loop_t *loop;
    int called, ok, order;
    bool again;
};

static int calls;

static void done(void *ctx, bool ok)
{
    struct turn *t = ctx;
    t->called++;
    t->ok += ok;
    t->order = ++calls;
    if (t->again) {
        t->again = false;
        append(t->j, 0, 3);
        journal_commit(t->j, t->loop, done, t);
    }
}

static void commits_call_back_in_order_and_never_from_inside(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct err err;
    calls = 0;
    unlink(path);
    uv_loop_init(&loop);
    struct journal *j = journal_open(path, NULL, NULL, &err);
    struct turn turns[50] = { 0 };
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        append(j, i, 10);
        journal_commit(j, &loop, done, &turns[i]);
        assert_int_equal(calls, 0);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        assert_int_equal(turns[i].called, 1);
        assert_int_equal(turns[i].ok, 1);
        assert_int_equal(turns[i].order, i + 1);
    }
    struct turn nothing_new = { 0 };
    journal_commit(j, &loop, done, &nothing_new);
    assert_int_equal(nothing_new.called, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(nothing_new.ok, 1);
    journal_close(j);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_waiter_may_append_and_commit_again(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct err err;
    unlink(path);
    uv_loop_init(&loop);
    struct journal *j = journal_open(path, NULL, NULL, &err);
    struct turn t = { .j = j, .loop = &loop, .again = true };
    append(j, 0, 3);
    journal_commit(j, &loop, done, &t);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(t.called, 2);
    assert_int_equal(t.ok, 2);
    journal_close(j);
    uv_loop_close(&loop);
}

static void closing_waits_for_the_commit_under_way(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct err err;
    for (int i = 0; i < 50; i++) {
        unlink(path);
        uv_loop_init(&loop);
        struct journal *j = journal_open(path, NULL, NULL, &err);
        struct turn t = { 0 };
        append(j, 0, 3);
        journal_commit(j, &loop, done, &t);
        if (i % 2)
            uv_run(&loop, UV_RUN_NOWAIT);
        int called = t.called;
        journal_close(j);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(t.called, called); /* what had not come by then never comes */
        assert_int_equal(uv_loop_close(&loop), 0);
        struct seen seen = { 0 };
        j = journal_open(path, see, &seen, &err);
        assert_int_equal(seen.count, 1);
        journal_close(j);
    }
}

/* kill -9 between appends: everything synced before is there. */
static void what_was_synced_survives_a_kill(void **state)
{
    (void)state;
    struct err err;
    unlink(path);
    pid_t child = fork();
    if (child == 0) {
        struct journal *j = journal_open(path, NULL, NULL, &err);
        for (size_t i = 0; i < 3; i++)
            append(j, i, 20);
        if (!journal_sync(j, &err))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct seen seen = { 0 };
    struct journal *j = journal_open(path, see, &seen, &err);
    assert_non_null(j);
    assert_int_equal(seen.count, 3);
    journal_close(j);
}

/* A limit on the file's size stands for a full disk. */
static void a_full_disk_refuses_the_record_and_keeps_the_rest(void **state)
{
    (void)state;
    struct err err;
    unlink(path);
    pid_t child = fork();
    if (child == 0) {
        struct journal *j = journal_open(path, NULL, NULL, &err);
        append(j, 0, 20);
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = { journal_size(j) + 30, journal_size(j) + 30 };
        setrlimit(RLIMIT_FSIZE, &limit);
        char big[100] = { 0 };
        bool refused = !journal_append(j, big, sizeof big, &err) && err.code == ERR_IO;
        append(j, 1, 20); /* fits */
        journal_close(j);
        _exit(refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct seen seen = { 0 };
    struct journal *j = journal_open(path, see, &seen, &err);
    assert_non_null(j);
    assert_int_equal(seen.count, 2);
    journal_close(j);
}

static void the_checksum_is_crc_32c(void **state)
{
    (void)state;
    /* Over length (9, little endian) and "123456789": by the bitwise definition. */
    static const unsigned char data[] = { 9, 0, 0, 0, '1', '2', '3', '4', '5', '6', '7', '8', '9' };
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < sizeof data; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    crc = ~crc;
    struct err err;
    unsigned char file[64];
    unlink(path);
    struct journal *j = journal_open(path, NULL, NULL, &err);
    assert_true(journal_append(j, data + 4, 9, &err));
    journal_close(j);
    assert_int_equal(read_file(file, sizeof file), 25);
    uint32_t stored = 0;
    for (int i = 3; i >= 0; i--)
        stored = stored << 8 | file[12 + i];
    assert_int_equal(stored, crc);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_is_replayed),
        cmocka_unit_test(a_cut_at_any_byte_replays_a_prefix),
        cmocka_unit_test(zeros_behind_the_cut_are_a_torn_tail),
        cmocka_unit_test(damage_with_records_behind_it_is_refused),
        cmocka_unit_test(a_foreign_file_is_refused),
        cmocka_unit_test(a_second_opener_is_refused_with_the_holders_pid),
        cmocka_unit_test(files_and_folders_are_private),
        cmocka_unit_test(a_record_too_long_is_refused),
        cmocka_unit_test(commits_call_back_in_order_and_never_from_inside),
        cmocka_unit_test(a_waiter_may_append_and_commit_again),
        cmocka_unit_test(closing_waits_for_the_commit_under_way),
        cmocka_unit_test(what_was_synced_survives_a_kill),
        cmocka_unit_test(a_full_disk_refuses_the_record_and_keeps_the_rest),
        cmocka_unit_test(the_checksum_is_crc_32c),
    };
    return cmocka_run_group_tests_name("journal", tests, in_a_folder, without_it);
}
