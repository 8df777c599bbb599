#include "core/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"

static const char *const kind_names[] = { [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge" };

static const int64_t bounds_ns[HISTOGRAM_BUCKETS] = {
    50000, 100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000,
    200000000, 500000000, 1000000000, 2000000000, 5000000000, 10000000000,
};

void metrics_free(struct metrics *m)
{
    free(m->text);
    *m = (struct metrics){ 0 };
}

/* Room for size more bytes and the NUL. */
static char *reserve(struct metrics *m, size_t size)
{
    if (m->size + size + 1 > m->room) {
        m->room = (m->size + size + 1) * 2;
        m->text = must_realloc(m->text, m->room, 1);
    }
    return m->text + m->size;
}

static void put(struct metrics *m, const char *text, size_t size)
{
    memcpy(reserve(m, size), text, size);
    m->text[m->size += size] = '\0';
}

static void print(struct metrics *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void print(struct metrics *m, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assert(size >= 0 && size < (int)sizeof text);
    put(m, text, (size_t)size);
}

/* Backslash and newline, in labels quotes too, would end the text they stand in. */
static void put_escaped(struct metrics *m, const char *text, bool is_label)
{
    for (; *text; text++) {
        if (*text == '\\')
            put(m, "\\\\", 2);
        else if (*text == '\n')
            put(m, "\\n", 2);
        else if (*text == '"' && is_label)
            put(m, "\\\"", 2);
        else
            put(m, text, 1);
    }
}

static void begin_family(struct metrics *m, const char *name, const char *kind, const char *help)
{
    if (strcmp(m->family, name) == 0)
        return;
    bool fits = text_copy(m->family, sizeof m->family, name);
    assert(fits);
    (void)fits;
    print(m, "# HELP %s ", name);
    put_escaped(m, help, false);
    print(m, "\n# TYPE %s %s\n", name, kind);
}

/* The name, with its labels and one more if there is. */
static void put_series(struct metrics *m, const char *name, const char *ending, const struct metric_label *labels,
                       const struct metric_label *more)
{
    const char *between = "{";
    print(m, "%s%s", name, ending);
    for (; labels->name || more; labels++) {
        const struct metric_label *l = labels->name ? labels : more;
        print(m, "%s%s=\"", between, l->name);
        put_escaped(m, l->value, true);
        put(m, "\"", 1);
        between = ",";
        if (l == more)
            break;
    }
    put(m, *between == ',' ? "} " : " ", *between == ',' ? 2 : 1);
}

/* value / 10^digits */
static void put_decimal(struct metrics *m, int64_t value, int digits)
{
    char text[48];
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value, unit = 1;
    for (int i = 0; i < digits; i++)
        unit *= 10;
    int length = snprintf(text, sizeof text, "%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "", size / unit, digits,
                          size % unit);
    while (text[length - 1] == '0')
        length--;
    put(m, text, (size_t)(text[length - 1] == '.' ? length - 1 : length));
}

static void write_value(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t value,
                        int digits, const struct metric_label *labels)
{
    begin_family(m, name, kind_names[kind], help);
    put_series(m, name, "", labels, NULL);
    if (digits)
        put_decimal(m, value, digits);
    else
        print(m, "%" PRId64, value);
    put(m, "\n", 1);
}

void metrics_write_int(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t value,
                       const struct metric_label *labels)
{
    write_value(m, kind, name, help, value, 0, labels);
}

void metrics_write_micros(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t micros,
                          const struct metric_label *labels)
{
    write_value(m, kind, name, help, micros, 6, labels);
}

void metrics_write_ns(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t ns,
                      const struct metric_label *labels)
{
    write_value(m, kind, name, help, ns, 9, labels);
}

void histogram_add(struct histogram *h, int64_t ns)
{
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS && ns > bounds_ns[i])
        i++;
    atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}

void metrics_write_histogram(struct metrics *m, const char *name, const char *help, const struct histogram *h,
                             const struct metric_label *labels)
{
    uint64_t count = 0;
    begin_family(m, name, "histogram", help);
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        struct metrics bound = { 0 };
        if (i < HISTOGRAM_BUCKETS)
            put_decimal(&bound, bounds_ns[i], 9);
        else
            put(&bound, "+Inf", 4);
        count += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        put_series(m, name, "_bucket", labels, &(struct metric_label){ "le", bound.text });
        print(m, "%" PRIu64 "\n", count);
        metrics_free(&bound);
    }
    put_series(m, name, "_sum", labels, NULL);
    put_decimal(m, atomic_load_explicit(&h->sum_ns, memory_order_relaxed), 9);
    put(m, "\n", 1);
    put_series(m, name, "_count", labels, NULL);
    print(m, "%" PRIu64 "\n", count);
}

/* ---- the process */

static int64_t first_number(const char *path, const char *after, int skip)
{
    char text[1024];
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    const char *at = after ? strrchr(text, *after) : text;
    for (at = at && after ? at + 1 : at; at && skip > 0; skip--)
        at = strchr(at + strspn(at, " "), ' ');
    return at ? strtoll(at, NULL, 10) : 0;
}

static int64_t open_files(void)
{
    int64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder && (entry = readdir(folder)); )
        count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count - 1; /* this folder's own */
}

void metrics_process(struct metrics *m, const char *part)
{
    struct rusage usage;
    int64_t ticks = sysconf(_SC_CLK_TCK);
    getrusage(RUSAGE_SELF, &usage);
    int64_t cpu_us = ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
                     usage.ru_stime.tv_usec;
    /* stat: the 22nd field, in ticks since boot; the name, second, is in brackets and may hold anything. */
    int64_t started = first_number("/proc/self/stat", ")", 19);
    struct timespec since_boot, now;
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    clock_gettime(CLOCK_REALTIME, &now);
    metrics_int(m, METRIC_GAUGE, "bell_build_info", "1; the labels say which build this is.", 1, { "part", part },
                { "version", BELL_VERSION });
    metrics_micros(m, METRIC_COUNTER, "process_cpu_seconds_total", "CPU time used.", cpu_us);
    metrics_int(m, METRIC_GAUGE, "process_resident_memory_bytes", "Memory resident.",
                first_number("/proc/self/statm", NULL, 1) * sysconf(_SC_PAGESIZE));
    metrics_int(m, METRIC_GAUGE, "process_open_fds", "Open files and sockets.", open_files());
    metrics_int(m, METRIC_GAUGE, "process_start_time_seconds", "When it was started, since 1970.",
                now.tv_sec - since_boot.tv_sec + started / ticks);
}
