/* metrics: the text is what Prometheus reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/metrics.h"

static void values_stand_under_their_help_and_type(void **state)
{
    struct metrics m = { 0 };
    (void)state;
    metrics_int(&m, METRIC_COUNTER, "bell_orders_total", "Orders sent.", 3, { "side", "buy" }, { "strategy", "alpha" });
    metrics_int(&m, METRIC_COUNTER, "bell_orders_total", "Orders sent.", INT64_MAX, { "side", "sell" }, { "strategy", "alpha" });
    metrics_micros(&m, METRIC_GAUGE, "bell_cash_dollars", "Cash.", -1500001);
    metrics_micros(&m, METRIC_GAUGE, "bell_cash_dollars", "Cash.", 250000000, { "account", "PA1" });
    metrics_ns(&m, METRIC_GAUGE, "bell_age_seconds", "Age.", INT64_C(1000000001));
    metrics_ns(&m, METRIC_GAUGE, "bell_age_seconds", "Age.", INT64_MIN, { "a", "b" });
    assert_string_equal(m.text,
        "# HELP bell_orders_total Orders sent.\n"
        "# TYPE bell_orders_total counter\n"
        "bell_orders_total{side=\"buy\",strategy=\"alpha\"} 3\n"
        "bell_orders_total{side=\"sell\",strategy=\"alpha\"} 9223372036854775807\n"
        "# HELP bell_cash_dollars Cash.\n"
        "# TYPE bell_cash_dollars gauge\n"
        "bell_cash_dollars -1.500001\n"
        "bell_cash_dollars{account=\"PA1\"} 250\n"
        "# HELP bell_age_seconds Age.\n"
        "# TYPE bell_age_seconds gauge\n"
        "bell_age_seconds 1.000000001\n"
        "bell_age_seconds{a=\"b\"} -9223372036.854775808\n");
    assert_int_equal(m.size, strlen(m.text));
    metrics_free(&m);
    assert_null(m.text);
}

static void what_would_end_a_text_is_escaped(void **state)
{
    struct metrics m = { 0 };
    (void)state;
    metrics_int(&m, METRIC_GAUGE, "x", "a \"b\"\\\nc", 0, { "l", "a \"b\"\\\nc \xc3\xbc" }, { "empty", "" });
    assert_string_equal(m.text, "# HELP x a \"b\"\\\\\\nc\n# TYPE x gauge\nx{l=\"a \\\"b\\\"\\\\\\nc \xc3\xbc\",empty=\"\"} 0\n");
    metrics_free(&m);
}

static void a_histogram_counts_up_to_each_bound(void **state)
{
    static struct histogram h;
    struct metrics m = { 0 };
    static const int64_t ns[] = { 0, 50000, 50001, 3000000, 10000000000, 10000000001 };
    (void)state;
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++)
        histogram_add(&h, ns[i]);
    metrics_histogram(&m, "bell_ack_seconds", "Acks.", &h, { "kind", "post" });
    assert_non_null(strstr(m.text, "# TYPE bell_ack_seconds histogram\nbell_ack_seconds_bucket{kind=\"post\",le=\"0.00005\"} 2\n"
                                   "bell_ack_seconds_bucket{kind=\"post\",le=\"0.0001\"} 3\n"));
    assert_non_null(strstr(m.text, "le=\"0.002\"} 3\nbell_ack_seconds_bucket{kind=\"post\",le=\"0.005\"} 4\n"));
    assert_non_null(strstr(m.text, "le=\"10\"} 5\nbell_ack_seconds_bucket{kind=\"post\",le=\"+Inf\"} 6\n"
                                   "bell_ack_seconds_sum{kind=\"post\"} 20.003100002\nbell_ack_seconds_count{kind=\"post\"} 6\n"));
    metrics_free(&m);
    metrics_histogram(&m, "x_seconds", "X.", &h);
    assert_non_null(strstr(m.text, "x_seconds_bucket{le=\"+Inf\"} 6\nx_seconds_sum 20.003100002\nx_seconds_count 6\n"));
    metrics_free(&m);
}

static void a_process_knows_itself(void **state)
{
    struct metrics m = { 0 };
    (void)state;
    metrics_process(&m, "engine");
    assert_non_null(strstr(m.text, "bell_build_info{part=\"engine\",version=\"" BELL_VERSION "\"} 1\n"));
    static const char *const positive[] = { "process_resident_memory_bytes ", "process_open_fds ", "process_start_time_seconds " };
    for (size_t i = 0; i < sizeof positive / sizeof positive[0]; i++) {
        const char *line = strstr(m.text, "gauge\n");
        while (line && strncmp(line + 6, positive[i], strlen(positive[i])) != 0)
            line = strstr(line + 1, "gauge\n");
        assert_non_null(line);
        assert_true(strtoll(line + 6 + strlen(positive[i]), NULL, 10) > 2);
    }
    int64_t started = strtoll(strstr(m.text, "\nprocess_start_time_seconds ") + 28, NULL, 10), now = time(NULL);
    assert_in_range(started, now - 3600, now + 1);
    metrics_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_under_their_help_and_type),
        cmocka_unit_test(what_would_end_a_text_is_escaped),
        cmocka_unit_test(a_histogram_counts_up_to_each_bound),
        cmocka_unit_test(a_process_knows_itself),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
