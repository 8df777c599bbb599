/* setting.h - one row describes one setting: name, kind, unit, limits, default, help.
 *
 * Programs' settings, instance files and strategies' parameters are all tables of these. From a table come
 * the YAML check with line and column, environment and command-line overrides, --print-config,
 * GET /plugins/{name} and the docs. Pure data; core/config.h reads it. */
#ifndef MARKET_SETTING_H
#define MARKET_SETTING_H

#include "market/calendar.h"
#include "market/market.h"

enum setting_kind {
    SETTING_TEXT,         /* char[size]                                                    */
    SETTING_COUNT,        /* int64_t, a whole number; unit says of what                    */
    SETTING_MONEY,        /* int64_t micros: "100000 USD" (the unit may be left out)       */
    SETTING_PERCENT,      /* int64_t millionths: "1 %" is 10000                            */
    SETTING_DURATION,     /* int64_t ns: "30s", "5m", "1h30m", "250ms", "2d"               */
    SETTING_BOOL,         /* bool: true, false                                             */
    SETTING_ENUM,         /* int: index into names                                         */
    SETTING_SESSION_TIME, /* struct session_time: "open+30m", "close-12m"                  */
    SETTING_DATE,         /* int32_t YYYYMMDD: "2013-10-07"                                */
    SETTING_SYMBOLS,      /* struct symbol_list: [SPY, IBM]                                */
    SETTING_TIMETABLE,    /* struct timetable: a map of session time to one of names       */
    SETTING_MAP,          /* any mapping; read apart, against another table (params)       */
};

enum { SYMBOLS_MAX = 32, TIMETABLE_MAX = 24 };

struct symbol_list {
    int64_t count;
    char names[SYMBOLS_MAX][SYMBOL_SIZE];
};

/* Rows in the order of the file; a row holds from its time on. */
struct timetable {
    int64_t count;
    struct {
        struct session_time from;
        int64_t value;            /* index into the setting's names */
    } rows[TIMETABLE_MAX];
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset, size;          /* where in the settings struct, and how large there */
    int64_t min, max;             /* in the stored unit; ignored when both are 0; TEXT: length */
    const char *fallback;         /* as a user would write it; NULL = required */
    const char *const *names;     /* ENUM, TIMETABLE: NULL-terminated */
    const char *unit;             /* for messages, forms and docs: "shares", "bars" */
    const char *help;             /* one sentence */
    bool hot;                     /* may change while running */
    bool secret;                  /* a path to a secret; its content is never printed */
};

/* A member of the wrong type for the kind does not compile. */
#define SETTING_AT_(type, member, ctype) \
    .name = #member, .size = sizeof(((type *)0)->member), \
    .offset = offsetof(type, member) + 0 * sizeof(_Generic(&((type *)0)->member, ctype *: 1))
#define SETTING_INT64(type, member, kind_, ...) \
    { SETTING_AT_(type, member, int64_t), .kind = (kind_), __VA_ARGS__ }
#define SETTING_OF_BOOL(type, member, ...) \
    { SETTING_AT_(type, member, bool), .kind = SETTING_BOOL, __VA_ARGS__ }
#define SETTING_OF_ENUM(type, member, ...) \
    { .name = #member, .size = sizeof(((type *)0)->member), .offset = offsetof(type, member), \
      .kind = SETTING_ENUM, __VA_ARGS__ } /* member: an int or an enum */
#define SETTING_OF_SESSION_TIME(type, member, ...) \
    { SETTING_AT_(type, member, struct session_time), .kind = SETTING_SESSION_TIME, __VA_ARGS__ }
#define SETTING_OF_DATE(type, member, ...) \
    { SETTING_AT_(type, member, int32_t), .kind = SETTING_DATE, __VA_ARGS__ }
#define SETTING_OF_SYMBOLS(type, member, ...) \
    { SETTING_AT_(type, member, struct symbol_list), .kind = SETTING_SYMBOLS, __VA_ARGS__ }
#define SETTING_OF_TIMETABLE(type, member, ...) \
    { SETTING_AT_(type, member, struct timetable), .kind = SETTING_TIMETABLE, __VA_ARGS__ }
#define SETTING_OF_TEXT(type, member, ...) \
    { .name = #member, .size = sizeof(((type *)0)->member), .offset = offsetof(type, member), \
      .kind = SETTING_TEXT, __VA_ARGS__ } /* member: a char array */

#endif
