/* metrics.h - what a program counts, as Prometheus text (exposition format 0.0.4).
 *
 * A program keeps its numbers as it likes and writes them when it is asked for them:
 *
 *   struct metrics m = { 0 };
 *   metrics_process(&m, "engine");
 *   metrics_int(&m, METRIC_COUNTER, "bell_engine_orders_total", "Orders sent.", sent, { "side", "buy" });
 *   metrics_histogram(&m, "bell_engine_ack_seconds", "From order to acknowledgement.", &acks);
 *   ... m.text, m.size ...  Content-Type: METRICS_TYPE
 *   metrics_free(&m);
 *
 * Names are snake_case, with their unit (_seconds, _bytes, _dollars), counters end in _total. All lines of one name
 * are written one after the other: HELP and TYPE come once. A label's value is any text (UTF-8), and the caller's to bound:
 * a strategy is a label, an order is not.
 *
 * Threads: writing is the caller's own; a histogram takes values from any thread, without a lock. */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics {
    char *text; /* NUL-terminated; NULL while empty */
    size_t size, room;
    char family[96]; /* the name written last */
};
void metrics_free(struct metrics *m);

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };
struct metric_label {
    const char *name, *value; /* name NULL ends the list */
};
#define METRIC_LABELS_(...) ((const struct metric_label[]){ __VA_ARGS__ __VA_OPT__(,) { NULL, NULL } })

/* One line: the value in ones. Labels follow as { "name", value }. */
#define metrics_int(m, kind, name, help, value, ...) \
    metrics_write_int((m), (kind), (name), (help), (value), METRIC_LABELS_(__VA_ARGS__))
/* The value in millionths: dollars. */
#define metrics_micros(m, kind, name, help, value, ...) \
    metrics_write_micros((m), (kind), (name), (help), (value), METRIC_LABELS_(__VA_ARGS__))
/* The value in ns, written in seconds. */
#define metrics_ns(m, kind, name, help, value, ...) \
    metrics_write_ns((m), (kind), (name), (help), (value), METRIC_LABELS_(__VA_ARGS__))
void metrics_write_int(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t value,
                       const struct metric_label *labels);
void metrics_write_micros(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t micros,
                          const struct metric_label *labels);
void metrics_write_ns(struct metrics *m, enum metric_kind kind, const char *name, const char *help, int64_t ns,
                      const struct metric_label *labels);

/* Durations. Buckets from 50 us to 10 s, three a decade, and above. */
enum { HISTOGRAM_BUCKETS = 17 };
struct histogram { /* zeroed is empty */
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS + 1];
    _Atomic int64_t sum_ns;
};
void histogram_add(struct histogram *h, int64_t ns);
#define metrics_histogram(m, name, help, h, ...) \
    metrics_write_histogram((m), (name), (help), (h), METRIC_LABELS_(__VA_ARGS__))
void metrics_write_histogram(struct metrics *m, const char *name, const char *help, const struct histogram *h,
                             const struct metric_label *labels);

/* What every program tells of itself: version (bell_build_info, by part), memory, CPU time, open files, start. */
void metrics_process(struct metrics *m, const char *part);

#endif
