/* log.h - one event per line, as fields a machine can search.
 *
 *   log_info("order_filled", KV_TEXT("symbol", f->symbol), KV_INT("qty", f->qty), KV_PRICE("price", f->price));
 *
 *   ts=2024-03-01T14:30:00.123456Z level=info part=engine event=order_filled symbol=AAPL qty=40 price=187.30
 *
 * The event is a constant snake_case name in the past tense, never a sentence with values in it. Keys carry
 * units (age_ms, qty). Values with spaces, quotes or control characters are quoted and escaped. Secrets are
 * never logged. Lines go to stderr.
 *
 * Threads: safe from any; a line is one write(2). Never fails, keeps errno. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdint.h>

#include "market/price.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct kv {
    const char *key; /* NULL ends the list */
    enum { KV_KIND_TEXT, KV_KIND_INT, KV_KIND_PRICE, KV_KIND_TIME } kind;
    union {
        const char *text;
        int64_t number; /* TIME: ns UTC */
        struct price price;
    };
};

#define KV_TEXT(k, v) { .key = (k), .kind = KV_KIND_TEXT, .text = (v) }
#define KV_INT(k, v) { .key = (k), .kind = KV_KIND_INT, .number = (int64_t)(v) }
#define KV_PRICE(k, v) { .key = (k), .kind = KV_KIND_PRICE, .price = (v) }
#define KV_MONEY(k, v) { .key = (k), .kind = KV_KIND_PRICE, .price = { (v) } }
#define KV_TIME(k, v) { .key = (k), .kind = KV_KIND_TIME, .number = (v) }

#define LOG_AT_(level, event, ...) \
    log_write((level), (event), (const struct kv[]){ __VA_ARGS__ __VA_OPT__(,) { .key = NULL } })
#define log_debug(event, ...) LOG_AT_(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT_(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_AT_(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_AT_(LOG_LEVEL_ERROR, event, __VA_ARGS__)

void log_write(enum log_level level, const char *event, const struct kv *fields);

/* Once, in main. part: "engine"; it must live as long as the program. Default level: info. */
void log_start(const char *part, enum log_level least);

#endif
