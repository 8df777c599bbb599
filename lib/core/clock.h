/* clock.h - where time comes from, handed down from main; and time as text.
 *
 * Durations come from the monotonic clock, timestamps from the calendar clock. A market that runs faster
 * than the world (replay, speed factor) or stands still between ticks (lockstep) is a market_clock. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_utc_ns(void);  /* calendar time; may jump */
int64_t clock_mono_ns(void); /* for durations; never goes back */

/* The market's time: it was time_ns when the world's monotonic clock was mono_ns, and runs `speed` times
 * as fast as the world since. speed 0: stands still (lockstep). real: simply clock_utc_ns(). */
struct market_clock {
    bool real;
    int64_t time_ns, mono_ns;
    double speed;
};
int64_t market_clock_ns(const struct market_clock *c);
void market_clock_set(struct market_clock *c, int64_t time_ns, double speed);
/* World nanoseconds until the market reaches time_ns; -1 when it never will by itself (speed 0). */
int64_t market_clock_wait_ns(const struct market_clock *c, int64_t time_ns);

/* RFC 3339 UTC: "2013-10-07T13:30:00Z", with as many of 9 fraction digits as are not zero at the end.
 * time_format_us always writes six: "2013-10-07T13:30:00.000000Z". Return the length. */
enum { TIME_TEXT_SIZE = 32 };
int time_format(int64_t time_ns, char out[TIME_TEXT_SIZE]);
int time_format_us(int64_t time_ns, char out[TIME_TEXT_SIZE]);

/* RFC 3339 with Z or an offset, 0 to 9 fraction digits, 'T' or a space between; or a bare date, which is
 * midnight UTC. false for everything else, and outside 1970..2199. */
bool time_parse(const char *text, size_t len, int64_t *out_ns);

#endif
