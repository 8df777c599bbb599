/* venue_script.h - dialogues with a whole venue as text, one symbol: accounts, sessions, the recorded market. As
 * book_script.h has them for a book: what is said on the left, what happens on the right.
 *
 *   venue [without-feed] [respects-size] [paper N] [cash N] [market]   first; market: market events are shown too
 *   at 10:00    day 20131008         New York; what is missed on the way happens first ("to 16:00": with the next line)
 *   quote 10.00 10.02 [300 200]      bid, ask (- for none), sizes
 *   start 10.05    bar 10.00 10.10 9.95 10.05    print 10.05 [100]
 *   ann buy 1 100 market             account, side, the order's name, shares ("$500": for so much money), then
 *       market | limit P | stop P | stop-limit P P | trail P | trail P%, then any of
 *       day gtc opg cls ioc fok extended bracket oco oto take P  loss P [P]
 *   replace 1 as 2 [qty N] [limit P] [stop P] [trail P] [day | gtc]
 *   cancel 1    halt    resume    stick    release    refuse
 *   split 2 1 on 20131008    dividend 0.50 on 20131008
 *   ann position    ann cash    ann activities    ann no-shorting | suspended | no-fractions | multiplier N
 *   depth buy    volume    auction
 *
 * Legs of order 1 are 1.1 and 1.2. After each line the venue is recounted. */
#ifndef TESTS_SUPPORT_VENUE_SCRIPT_H
#define TESTS_SUPPORT_VENUE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* As book_script_run. */
bool venue_script_run(const char *script, char *out, size_t size);
/* Is this text one of these? */
bool venue_script_is(const char *script);

#endif
