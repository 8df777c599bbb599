/* Rows of recorded data: whatever the bytes, a feed that works or a complaint. The first byte says which
 * file. */
#include <stdlib.h>
#include <string.h>

#include "exchange/feed.h"

#define GOOD "symbol,timestamp,open,high,low,close,volume\nA,2013-10-07T13:30:00Z,10,10.5,9.5,10.2,100\n"
static const char *const headers[] = {
    "symbol,timestamp,open,high,low,close,volume\n",
    "symbol,timestamp,bid,bid_size,ask,ask_size\n",
    "symbol,date,open,high,low,close,volume\n",
    "", /* bars with a header of their own */
    "symbol,timestamp,open,high,low,close,volume\n",
    "symbol,timestamp,price,size\n",
    "symbol,timestamp,bid,bid_size,ask,ask_size\n",
    "symbol,date,split_to,split_from,dividend\n",
};
static const enum feed_file files[] = { FEED_MINUTES, FEED_QUOTES,  FEED_DAYS,  FEED_MINUTES,
                                        FEED_SECONDS, FEED_TRADES, FEED_TICKS, FEED_ACTIONS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct complaints c;
    c.count = 0;
    c.length = 0;
    c.text[0] = '\0';
    if (size == 0)
        return 0;
    size_t which = data[0] % (sizeof files / sizeof files[0]), head = strlen(headers[which]);
    char *text = malloc(head + size);
    memcpy(text, headers[which], head);
    memcpy(text + head, data + 1, size - 1);
    struct feed_text texts[FEED_FILES] = { [FEED_MINUTES] = { GOOD, strlen(GOOD) } };
    texts[files[which]] = (struct feed_text){ text, head + size - 1 };
    struct feed *f = feed_parse("dir", texts, &c);
    if (!f != (c.count > 0))
        abort();
    if (f) {
        struct instant in;
        struct bar b[4];
        int64_t last = INT64_MIN;
        feed_seek(f, 0);
        for (int i = 0; i < 1000 && feed_next_ns(f) != INT64_MAX; i++) {
            feed_take(f, &in);
            if (in.time_ns <= last)
                abort();
            last = in.time_ns;
        }
        feed_days(f, 0, 20130101, 20141231, b, 4);
    }
    feed_free(f);
    free(text);
    return 0;
}
