/* book_script.h - dialogues with an order book as text: what is said on the left, what happens on the right.
 *
 *   # a remark
 *   book orders 2 tick 0.01 self-trade cancel-newest     settings; first, each may be left out
 *   buy 1 100 @ 10.00             | rested 1 100 @ 10.00
 *   sell 2 150 market of 7        | traded 2 with 1 100 @ 10.00, cancelled 2 50 unfilled
 *   sell 3 100 @ 10.00 ioc        | cancelled 3 100 unfilled
 *   replace 1 50 @ 10.01          | replaced 1 50 @ 10.01     ("... in place" when it keeps its priority)
 *   cancel 1                      | refused: unknown-order
 *   best   depth buy   volume     what stands in the book; what has traded
 *   auction 10.00                 from here on orders are gathered; with the reference price, or none
 *   indicate   cross              what would trade, what trades
 *
 * After each line the book is recounted. */
#ifndef TESTS_SUPPORT_BOOK_SCRIPT_H
#define TESTS_SUPPORT_BOOK_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the script as it really went to out, in the same columns: equal texts are a pass. False when a line
 * is not understood or the book is inconsistent; out then ends in a sentence that says so. */
bool book_script_run(const char *script, char *out, size_t size);

#endif
