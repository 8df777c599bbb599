/* rows.h - tables of cases as cmocka tests: every row is a test of its own, named by its first
 * member.
 *
 *   static const struct parse_case { const char *label; ... } cases[] = { ... };
 *   static void parses(void **state) { const struct parse_case *c = *state; ... }
 *   int main(void) { return RUN_ROWS("price_parse", parses, cases); } */
#ifndef TESTS_SUPPORT_ROWS_H
#define TESTS_SUPPORT_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUN_ROWS(group, function, rows)                                                            \
    run_rows((group), (function), (rows), sizeof(rows) / sizeof((rows)[0]), sizeof((rows)[0]))

/* Number of rows that failed. */
static inline int run_rows(const char *group, CMUnitTestFunction function, const void *rows,
                           size_t count, size_t size)
{
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    if (!tests)
        abort();
    for (size_t i = 0; i < count; i++) {
        const char *row = (const char *)rows + i * size;
        const char *label;
        memcpy(&label, row, sizeof label);
        tests[i] = (struct CMUnitTest){ .name = label,
                                        .test_func = function,
                                        .initial_state = (void *)(uintptr_t)row };
    }
    int failed = _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    free(tests);
    return failed;
}

#endif
