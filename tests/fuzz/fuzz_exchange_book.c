/* Operations on an order book, eight bytes each: it says what the slow model says, and adds up. */
#include "tests/support/book_pair.h"

enum { IDS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const int64_t tick = 1 + data[1];
    struct book_pair p;
    uint64_t ids[IDS] = { 0 };
    book_pair_open(&p, (struct book_options){ .orders_max = 1 + data[2] % 40, .tick = { tick },
                                              .self_trade = (enum book_self_trade)(data[0] % 3) });
    for (size_t i = 3; i + 8 <= size; i += 8) {
        const uint8_t *d = data + i;
        uint64_t *id = &ids[d[1] % IDS];
        int64_t qty = d[2] == 255 ? BOOK_QTY_MAX : d[2];
        /* a small number, moved up by whole bytes: near and far prices, and some that do not fit */
        struct price price = { (int64_t)(d[3] | d[4] << 8) << d[5] % 32 };
        price.micros = d[5] & 128 ? price.micros : price.micros * tick;
        bool good;
        switch (d[0] % 4) {
        case 0:
        case 1:
            good = book_pair_add(&p, &(struct book_order){ .side = (enum side)(d[6] & 1),
                                                           .tif = (enum book_tif)((d[6] >> 1 & 7) % 3),
                                                           .owner = d[7] % 4,
                                                           .qty = qty,
                                                           .limit = d[6] >= 240 ? PRICE_NONE : price });
            *id = p.last_id;
            break;
        case 2:
            good = book_pair_replace(&p, *id, qty, price);
            break;
        default:
            good = book_pair_cancel(&p, *id);
        }
        if (!good)
            abort();
    }
    if (!book_pair_adds_up(&p))
        abort();
    book_pair_close(&p);
    return 0;
}
