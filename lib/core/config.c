#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/config_read.h"
#include "core/json.h"
#include "core/yaml.h"

struct config {
    char *path;
    char *text;
    size_t len;
    struct yaml_node *root;
};

enum { FORMATTED_SIZE = 128, SENTENCE_SIZE = sizeof(((struct err *)0)->text) };

void complain(struct complaints *c, const char *fmt, ...)
{
    c->count++;
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    if (c->length + len + 2 > sizeof c->text) /* the count still says how many there were */
        return;
    for (size_t i = 0; i < len; i++) /* one complaint is one line, whatever the file holds */
        c->text[c->length++] = line[i] == '\n' || line[i] == '\r' ? ' ' : line[i];
    c->text[c->length++] = '\n';
    c->text[c->length] = '\0';
}

/* ---- one value from text */

static const struct unit {
    const char *name;
    int64_t ns;
} duration_units[] = {
    { "d", DAY_NS },    { "h", HOUR_NS },           { "m", MINUTE_NS },
    { "s", SECOND_NS }, { "ms", SECOND_NS / 1000 },
};

/* "1h30m": units from large to small, each once at most. */
static bool parse_duration(const char *text, int64_t *out)
{
    int64_t total = 0;
    size_t next_unit = 0;
    bool is_negative = *text == '-';
    const char *at = text + is_negative;
    do {
        int64_t n = 0;
        const char *first = at;
        for (; *at >= '0' && *at <= '9'; at++) {
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
                return false;
        }
        size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz"), unit = next_unit;
        while (unit < COUNT_OF(duration_units) &&
               (strlen(duration_units[unit].name) != len ||
                strncmp(duration_units[unit].name, at, len) != 0))
            unit++;
        if (at == first || unit == COUNT_OF(duration_units) ||
            __builtin_mul_overflow(n, duration_units[unit].ns, &n) ||
            __builtin_add_overflow(total, n, &total))
            return false;
        next_unit = unit + 1;
        at += len;
    } while (*at);
    *out = is_negative ? -total : total;
    return true;
}

static void format_duration(int64_t ns, char *out, size_t size)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t n = (size_t)snprintf(out, size, "%s", ns < 0 ? "-" : "");
    bool is_empty = true;
    for (size_t i = 0; i < COUNT_OF(duration_units) && n < size; i++) {
        uint64_t count = left / (uint64_t)duration_units[i].ns;
        left %= (uint64_t)duration_units[i].ns;
        if (count > 0)
            n +=
                (size_t)snprintf(out + n, size - n, "%" PRIu64 "%s", count, duration_units[i].name);
        is_empty = is_empty && count == 0;
    }
    if (is_empty)
        snprintf(out, size, "0s");
}

static bool parse_count(const char *text, int64_t *out)
{
    const char *p = text + (*text == '-');
    int64_t n = 0;
    if (!*p)
        return false;
    for (; *p; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, *p - '0', &n))
            return false;
    }
    *out = *text == '-' ? -n : n;
    return true;
}

/* The length of text without the suffix and the spaces before it; all of it when it does not end
 * so. */
static size_t without(const char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);
    if (len <= suffix_len || strcmp(text + len - suffix_len, suffix) != 0)
        return len;
    len -= suffix_len;
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return len;
}

static bool parse_money(const char *text, int64_t *out)
{
    struct price p;
    if (!price_parse(text, without(text, "USD"), &p))
        return false;
    *out = p.micros;
    return true;
}

static bool parse_percent(const char *text, int64_t *out)
{
    struct price p;
    size_t len = without(text, "%");
    /* A millionth is 0.0001 %; "1" alone might be meant as either 1 % or 100 %. */
    if (len == strlen(text) || !price_parse(text, len, &p) || p.micros % 100 != 0)
        return false;
    *out = p.micros / 100;
    return true;
}

/* What the kind's values look like, for messages. */
static const char *looks(enum setting_kind kind)
{
    switch (kind) {
    case SETTING_TEXT:
        return "a text";
    case SETTING_COUNT:
        return "a whole number written with digits only, such as 100";
    case SETTING_MONEY:
        return "an amount of money such as 100000 USD";
    case SETTING_PERCENT:
        return "a percentage such as 1 % or 0.25 %";
    case SETTING_DURATION:
        return "a duration; write it like 30s, 5m, 1h30m or 250ms";
    case SETTING_BOOL:
        return "true or false";
    case SETTING_ENUM:
        return "one of the names known";
    case SETTING_SESSION_TIME:
        return "a session time; write it like open, open+30m or close-12m";
    case SETTING_DATE:
        return "a date; write it like 2013-10-07";
    case SETTING_SYMBOLS:
        return "a list of symbols; write it like [SPY, BRK.B]";
    case SETTING_TIMETABLE:
        return "a timetable; write it like {open: NAME, close-1h: NAME}, with session times as "
               "keys";
    case SETTING_MAP:
        return "a map of settings";
    }
    return "a value";
}

static bool refuse(struct err *err, const char *text, const char *is_not)
{
    return err_set(err, ERR_INPUT, "\"%.80s\" is not %s", text, is_not);
}

static bool parse_name(const struct setting *s, const char *text, int *out, struct err *err)
{
    *out = name_index(s->names, text);
    if (*out >= 0)
        return true;
    const char *nearest = nearest_name(text, s->names);
    if (nearest)
        return err_set(err, ERR_INPUT, "\"%.80s\" is unknown; did you mean %s?", text, nearest);
    char list[200] = "";
    for (const char *const *name = s->names; *name; name++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *name);
    }
    return err_set(err, ERR_INPUT, "\"%.80s\" is unknown; expected one of %s", text, list);
}

static bool has_limits(const struct setting *s)
{
    return s->min != 0 || s->max != 0;
}

/* A limit as a user would write it. */
static void format_number(const struct setting *s, int64_t n, char *out, size_t size)
{
    char text[PRICE_TEXT_MAX];
    switch (s->kind) {
    case SETTING_MONEY:
        price_format((struct price){ n }, text);
        if (n % PRICE_SCALE == 0)
            *strchr(text, '.') = '\0';
        snprintf(out, size, "%s USD", text);
        break;
    case SETTING_PERCENT: {
        /* In 128 bits: the limits may be anything. */
        __int128 of_100 = (__int128)n * 100;
        bool fits = of_100 == (int64_t)of_100;
        price_format((struct price){ fits ? (int64_t)of_100 : n }, text);
        size_t end = strlen(text);
        while (text[end - 1] == '0')
            end--;
        text[text[end - 1] == '.' ? end - 1 : end] = '\0';
        snprintf(out, size, "%s%s", text, fits ? " %" : "");
        break;
    }
    case SETTING_DURATION:
        format_duration(n, out, size);
        break;
    case SETTING_DATE:
        if (size >= DATE_TEXT_SIZE)
            calendar_date_format((int32_t)n, out);
        break;
    default:
        snprintf(out, size, "%" PRId64, n);
    }
}

static bool check_limits(const struct setting *s, const char *shown, int64_t n, struct err *err)
{
    if (!has_limits(s) || (n >= s->min && n <= s->max))
        return true;
    char limit[FORMATTED_SIZE];
    format_number(s, n < s->min ? s->min : s->max, limit, sizeof limit);
    bool is_count = s->kind == SETTING_COUNT && s->unit;
    return err_set(err, ERR_INPUT, "%.80s is %s, %s%s%s", shown,
                   n < s->min ? "below the minimum" : "above the maximum", limit,
                   is_count ? " " : "", is_count ? s->unit : "");
}

static bool parse_text(const struct setting *s, const char *text, char *out, struct err *err)
{
    size_t len = strlen(text);
    size_t longest = s->size - 1;
    if (has_limits(s) && s->max >= 0 && (uint64_t)s->max < longest)
        longest = (size_t)s->max;
    if (len > longest)
        return err_set(err, ERR_INPUT, "%zu bytes are too long; %zu are allowed", len, longest);
    if (has_limits(s) && s->min > 0 && len < (size_t)s->min)
        return err_set(err, ERR_INPUT,
                       "\"%.80s\" is too short; at least %" PRId64 " bytes are needed", text,
                       s->min);
    memcpy(out, text, len + 1);
    return true;
}

/* The kinds that are one word. */
static bool parse_scalar(const struct setting *s, const char *text, char *member, struct err *err)
{
    int64_t n = 0;
    int32_t date = 0;
    int index = 0;
    struct session_time t;
    switch (s->kind) {
    case SETTING_TEXT:
        return parse_text(s, text, member, err);
    case SETTING_COUNT:
        if (!parse_count(text, &n))
            return refuse(err, text, looks(s->kind));
        break;
    case SETTING_MONEY:
        if (!parse_money(text, &n))
            return refuse(err, text, looks(s->kind));
        break;
    case SETTING_PERCENT:
        if (!parse_percent(text, &n))
            return refuse(err, text, looks(s->kind));
        break;
    case SETTING_DURATION:
        if (!parse_duration(text, &n))
            return refuse(err, text, looks(s->kind));
        break;
    case SETTING_BOOL: {
        bool is_true = strcmp(text, "true") == 0;
        if (!is_true && strcmp(text, "false") != 0)
            return refuse(err, text, looks(s->kind));
        memcpy(member, &is_true, sizeof is_true);
        return true;
    }
    case SETTING_ENUM:
        if (!parse_name(s, text, &index, err))
            return false;
        memcpy(member, &index, sizeof index);
        return true;
    case SETTING_SESSION_TIME:
        if (!session_time_parse(text, strlen(text), &t))
            return refuse(err, text, looks(s->kind));
        memcpy(member, &t, sizeof t);
        return true;
    case SETTING_DATE:
        if (!calendar_date_parse(text, strlen(text), &date))
            return refuse(err, text, looks(s->kind));
        if (!check_limits(s, text, date, err))
            return false;
        memcpy(member, &date, sizeof date);
        return true;
    default:
        return refuse(err, text, looks(s->kind));
    }
    if (!check_limits(s, text, n, err))
        return false;
    memcpy(member, &n, sizeof n);
    return true;
}

static bool add_symbol(struct symbol_list *list, const char *text, struct err *err)
{
    if (!symbol_is_valid(text))
        return refuse(err, text,
                      "a symbol: capital letters, digits and points, at most 15 of them");
    for (int64_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], text) == 0)
            return err_set(err, ERR_INPUT, "%s is there twice", text);
    }
    if (list->count == SYMBOLS_MAX)
        return err_set(err, ERR_INPUT, "%s is too many; a list holds %d symbols", text,
                       SYMBOLS_MAX);
    return text_copy(list->names[list->count++], SYMBOL_SIZE, text);
}

static bool add_row(const struct setting *s, struct timetable *table, const char *time,
                    const char *name, struct err *err)
{
    struct session_time from;
    int value;
    if (!session_time_parse(time, strlen(time), &from))
        return refuse(err, time, looks(SETTING_SESSION_TIME));
    if (!parse_name(s, name, &value, err))
        return false;
    for (int64_t i = 0; i < table->count; i++) {
        if (table->rows[i].from.anchor == from.anchor &&
            table->rows[i].from.offset_ns == from.offset_ns)
            return err_set(err, ERR_INPUT, "%.40s is the same time as a row above", time);
    }
    if (table->count == TIMETABLE_MAX)
        return err_set(err, ERR_INPUT, "%.40s is too many; a timetable holds %d rows", time,
                       TIMETABLE_MAX);
    table->rows[table->count].from = from;
    table->rows[table->count++].value = value;
    return true;
}

static bool check_number_of(const struct setting *s, int64_t count, struct err *err)
{
    if (!has_limits(s) || (count >= s->min && count <= s->max))
        return true;
    return err_set(err, ERR_INPUT,
                   "%" PRId64 " entries; from %" PRId64 " to %" PRId64 " are expected", count,
                   s->min, s->max);
}

/* Takes the next piece of "a, b, c" into out, without the spaces around; false at the end. */
static bool next_piece(const char **at, char separator, char *out, size_t size, bool *fits)
{
    if (!*at)
        return false;
    const char *end = strchr(*at, separator), *from = *at;
    size_t len = end ? (size_t)(end - from) : strlen(from);
    *at = end ? end + 1 : NULL;
    while (len > 0 && *from == ' ') {
        from++;
        len--;
    }
    while (len > 0 && from[len - 1] == ' ')
        len--;
    *fits = len < size;
    if (*fits)
        memcpy(out, from, len);
    out[*fits ? len : 0] = '\0';
    return true;
}

/* What stands between the brackets, trimmed, or all of it: "[SPY, IBM]" or SPY,IBM. */
static const char *inside(const char *text, char open, char close, char *buffer, size_t size)
{
    size_t len = strlen(text);
    if (len >= 2 && text[0] == open && text[len - 1] == close) {
        text++;
        len -= 2;
    }
    if (len >= size)
        return NULL;
    memcpy(buffer, text, len);
    buffer[len] = '\0';
    return buffer[strspn(buffer, " ")] ? buffer : "";
}

static bool parse_symbols(const struct setting *s, const char *text, struct symbol_list *out,
                          struct err *err)
{
    char buffer[1024], piece[SYMBOL_SIZE + 1];
    struct symbol_list list = { 0 };
    const char *at = inside(text, '[', ']', buffer, sizeof buffer);
    bool fits = true;
    if (!at)
        return refuse(err, text, looks(s->kind));
    while (*buffer && *at && next_piece(&at, ',', piece, sizeof piece, &fits)) {
        if (!fits)
            return refuse(err, text, looks(s->kind));
        if (!add_symbol(&list, piece, err))
            return false;
        if (!at)
            break;
    }
    if (!check_number_of(s, list.count, err))
        return false;
    *out = list;
    return true;
}

static bool parse_timetable(const struct setting *s, const char *text, struct timetable *out,
                            struct err *err)
{
    char buffer[2048], row[128], time[64], name[64];
    struct timetable table = { 0 };
    const char *at = inside(text, '{', '}', buffer, sizeof buffer);
    bool fits = true;
    if (!at)
        return refuse(err, text, looks(s->kind));
    while (at && *at && next_piece(&at, ',', row, sizeof row, &fits)) {
        const char *part = row;
        bool time_fits = true, name_fits = true;
        if (!fits || !next_piece(&part, ':', time, sizeof time, &time_fits) || !part ||
            !next_piece(&part, ':', name, sizeof name, &name_fits) || part || !time_fits ||
            !name_fits)
            return refuse(err, text, looks(s->kind));
        if (!add_row(s, &table, time, name, err))
            return false;
    }
    if (!check_number_of(s, table.count, err))
        return false;
    *out = table;
    return true;
}

bool setting_parse(const struct setting *s, const char *text, void *out_struct, struct err *err)
{
    char *member = (char *)out_struct + s->offset;
    switch (s->kind) {
    case SETTING_SYMBOLS:
        return parse_symbols(s, text, (struct symbol_list *)(void *)member, err);
    case SETTING_TIMETABLE:
        return parse_timetable(s, text, (struct timetable *)(void *)member, err);
    case SETTING_MAP:
        return strcmp(text, "{}") == 0 ||
               err_set(err, ERR_INPUT, "a map can be given in a settings file only");
    default:
        return parse_scalar(s, text, member, err);
    }
}

void setting_format(const struct setting *s, const void *struct_, char *out, size_t size)
{
    const char *member = (const char *)struct_ + s->offset;
    int64_t n = 0;
    int32_t date = 0;
    int index = 0;
    struct session_time t;
    char text[SESSION_TIME_TEXT_SIZE];
    size_t used;
    switch (s->kind) {
    case SETTING_TEXT:
        snprintf(out, size, "%.*s", (int)s->size, member);
        break;
    case SETTING_BOOL:
        snprintf(out, size, "%s", *member ? "true" : "false");
        break;
    case SETTING_ENUM:
        memcpy(&index, member, sizeof index);
        snprintf(out, size, "%s", s->names[index]);
        break;
    case SETTING_SESSION_TIME:
        memcpy(&t, member, sizeof t);
        session_time_format(t, text);
        snprintf(out, size, "%s", text);
        break;
    case SETTING_DATE:
        memcpy(&date, member, sizeof date);
        format_number(s, date, out, size);
        break;
    case SETTING_SYMBOLS: {
        const struct symbol_list *list = (const struct symbol_list *)(const void *)member;
        used = (size_t)snprintf(out, size, "[");
        for (int64_t i = 0; i < list->count && used < size; i++)
            used +=
                (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", list->names[i]);
        if (used < size)
            snprintf(out + used, size - used, "]");
        break;
    }
    case SETTING_TIMETABLE: {
        const struct timetable *table = (const struct timetable *)(const void *)member;
        used = (size_t)snprintf(out, size, "{");
        for (int64_t i = 0; i < table->count && used < size; i++) {
            session_time_format(table->rows[i].from, text);
            used += (size_t)snprintf(out + used, size - used, "%s%s: %s", i ? ", " : "", text,
                                     s->names[table->rows[i].value]);
        }
        if (used < size)
            snprintf(out + used, size - used, "}");
        break;
    }
    case SETTING_MAP:
        snprintf(out, size, "{}");
        break;
    default:
        memcpy(&n, member, sizeof n);
        format_number(s, n, out, size);
    }
}

bool setting_is_same(const struct setting *s, const void *struct_a, const void *struct_b)
{
    enum { LONGEST = 4096 }; /* a full timetable */
    char a[LONGEST], b[LONGEST];
    setting_format(s, struct_a, a, sizeof a);
    setting_format(s, struct_b, b, sizeof b);
    return strcmp(a, b) == 0;
}

/* ---- a document */

struct config *config_parse(const char *path, const char *text, size_t len, struct complaints *out)
{
    struct yaml_node *root = yaml_parse(path, text, len, out);
    if (!root)
        return NULL;
    if (root->kind != YAML_MAP) {
        complain(out, "%s:%d:%d: settings are lines of \"name: value\"", path, root->line,
                 root->column);
        yaml_free(root);
        return NULL;
    }
    struct config *c = must_alloc(1, sizeof *c);
    *c = (struct config){
        .path = must_strdup(path), .text = must_alloc(len + 1, 1), .len = len, .root = root
    };
    if (len > 0)
        memcpy(c->text, text, len);
    return c;
}

struct config *config_open(const char *path, struct complaints *out)
{
    struct config *c = NULL;
    char *text = NULL;
    size_t len = 0;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        complain(out, "%s: cannot be read: %s", path, strerror(errno));
        goto done;
    }
    if (S_ISDIR(info.st_mode)) {
        complain(out, "%s: is a folder; a settings file was expected", path);
        goto done;
    }
    text = must_alloc(YAML_SIZE_MAX + 1, 1);
    ssize_t n = 1;
    while (len <= YAML_SIZE_MAX && n > 0) {
        n = read(fd, text + len, YAML_SIZE_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    if (n < 0)
        complain(out, "%s: cannot be read: %s", path, strerror(errno));
    else
        c = config_parse(path, text, len, out);
done:
    free(text);
    if (fd >= 0)
        close(fd);
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    yaml_free(c->root);
    free(c->path);
    free(c->text);
    free(c);
}

const char *config_text(const struct config *c, size_t *len)
{
    *len = c->len;
    return c->text;
}

const char *config_scalar(const struct config *c, const char *key)
{
    const struct yaml_node *at = yaml_key(c->root, key);
    const struct yaml_node *value = at ? yaml_resolve(at->value) : NULL;
    return value && value->kind == YAML_SCALAR && !yaml_is_null(value) ? value->text : NULL;
}

void config_where(const struct config *c, const char *section, const char *key, char *out,
                  size_t size)
{
    const struct yaml_node *map = c->root, *best = c->root;
    if (section) {
        const struct yaml_node *at = yaml_key(c->root, section);
        map = at ? yaml_resolve(at->value) : NULL;
        best = at ? at : best;
    }
    const struct yaml_node *at = map && map->kind == YAML_MAP ? yaml_key(map, key) : NULL;
    best = at ? at->value : best;
    snprintf(out, size, "%s:%d:%d", c->path, best->line, best->column);
}

/* ---- a mapping against a table */

struct reading {
    const char *path;
    struct complaints *complaints;
};

static void complain_at(const struct reading *r, const struct yaml_node *at, const char *name,
                        const char *what)
{
    complain(r->complaints, "%s:%d:%d: %s: %s", r->path, at->line, at->column, name, what);
}

static const char *const kind_names[] = {
    [YAML_SCALAR] = "a single value",
    [YAML_LIST] = "a list",
    [YAML_MAP] = "a map",
};

static void refuse_kind(const struct reading *r, const struct setting *s,
                        const struct yaml_node *node)
{
    char what[SENTENCE_SIZE];
    if (node->kind == YAML_SCALAR && yaml_is_null(node))
        snprintf(what, sizeof what, "has no value; expected %s", looks(s->kind));
    else
        snprintf(what, sizeof what, "%s is not %s", kind_names[node->kind], looks(s->kind));
    complain_at(r, node, s->name, what);
}

/* Items stand where they stand in the text: a bad one is named by its own position. */
static void read_list(const struct reading *r, const struct setting *s,
                      const struct yaml_node *node, struct symbol_list *out)
{
    struct symbol_list list = { 0 };
    struct err err;
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        const struct yaml_node *value = yaml_resolve(item);
        if (value->kind != YAML_SCALAR || yaml_is_null(value))
            complain_at(r, item, s->name, "every entry of the list is one symbol such as SPY");
        else if (!add_symbol(&list, value->text, &err))
            complain_at(r, item, s->name, err.text);
    }
    if (!check_number_of(s, list.count, &err))
        complain_at(r, node, s->name, err.text);
    *out = list;
}

static void read_rows(const struct reading *r, const struct setting *s,
                      const struct yaml_node *node, struct timetable *out)
{
    struct timetable table = { 0 };
    struct err err;
    for (const struct yaml_node *key = node->first; key; key = key->next) {
        const struct yaml_node *value = yaml_resolve(key->value);
        if (value->kind != YAML_SCALAR || yaml_is_null(value))
            complain_at(r, key->value, s->name, "a session time is followed by one name");
        else if (!add_row(s, &table, key->text, value->text, &err))
            complain_at(
                r,
                session_time_parse(key->text, strlen(key->text), &(struct session_time){ 0 })
                    ? key->value
                    : key,
                s->name, err.text);
    }
    if (!check_number_of(s, table.count, &err))
        complain_at(r, node, s->name, err.text);
    *out = table;
}

static void read_value(const struct reading *r, const struct setting *s,
                       const struct yaml_node *key, void *out)
{
    const struct yaml_node *node = yaml_resolve(key->value);
    char *member = (char *)out + s->offset;
    bool is_null = node->kind == YAML_SCALAR && yaml_is_null(node);
    struct err err;
    switch (s->kind) {
    case SETTING_MAP:
        if (node->kind != YAML_MAP && !is_null)
            refuse_kind(r, s, node);
        return;
    case SETTING_SYMBOLS:
        if (node->kind == YAML_LIST)
            read_list(r, s, node, (struct symbol_list *)(void *)member);
        else
            refuse_kind(r, s, node);
        return;
    case SETTING_TIMETABLE:
        if (node->kind == YAML_MAP)
            read_rows(r, s, node, (struct timetable *)(void *)member);
        else
            refuse_kind(r, s, node);
        return;
    default:
        if (node->kind != YAML_SCALAR || is_null)
            refuse_kind(r, s, node);
        else if (!parse_scalar(s, node->text, member, &err))
            complain_at(r, key->value, s->name, err.text);
    }
}

enum { NAMES_SUGGESTED = 64 };

static void refuse_unknown(const struct reading *r, const struct yaml_node *key,
                           const char *section, const struct setting *table, size_t count)
{
    const char *names[NAMES_SUGGESTED + 1];
    char list[300] = "";
    size_t named = 0;
    for (; named < count && named < NAMES_SUGGESTED; named++) {
        names[named] = table[named].name;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", table[named].name);
    }
    names[named] = NULL;
    const char *nearest = nearest_name(key->text, names);
    complain(r->complaints, "%s:%d:%d: %s%sthere is no setting \"%.60s\"; %s%s%s", r->path,
             key->line, key->column, section ? section : "", section ? ": " : "", key->text,
             nearest ? "did you mean "
             : count ? "known are "
                     : "none is known here",
             nearest ? nearest : list, nearest ? "?" : "");
}

static const struct setting *setting_named(const struct setting *table, size_t count,
                                           const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

void config_defaults(const struct setting *table, size_t count, void *out,
                     struct complaints *complaints)
{
    for (size_t i = 0; i < count; i++) {
        struct err err;
        if (table[i].kind != SETTING_MAP && table[i].fallback &&
            !setting_parse(&table[i], table[i].fallback, out, &err))
            complain(complaints, "the default of %s is wrong itself: %s", table[i].name, err.text);
    }
}

void config_read_given(const struct config *c, const char *section, const struct setting *table,
                       size_t count, void *out, bool *given, struct complaints *complaints)
{
    struct reading r = { c->path, complaints };
    const struct yaml_node *map = c->root;
    if (section) {
        const struct yaml_node *key = yaml_key(c->root, section);
        map = key ? yaml_resolve(key->value) : NULL;
        if (map && map->kind != YAML_MAP && !(map->kind == YAML_SCALAR && yaml_is_null(map)))
            complain_at(&r, map, section, "a map of settings was expected");
        if (map && map->kind != YAML_MAP)
            map = NULL;
    }
    for (const struct yaml_node *key = map ? map->first : NULL; key; key = key->next) {
        const struct setting *s = setting_named(table, count, key->text);
        if (!s) {
            refuse_unknown(&r, key, section, table, count);
            continue;
        }
        given[s - table] = true;
        read_value(&r, s, key, out);
    }
}

void config_read(const struct config *c, const char *section, const struct setting *table,
                 size_t count, void *out, struct complaints *complaints)
{
    bool *given = must_alloc(count, sizeof *given);
    config_defaults(table, count, out, complaints);
    config_read_given(c, section, table, count, out, given, complaints);
    for (size_t i = 0; i < count; i++) {
        if (given[i] || table[i].fallback || table[i].kind == SETTING_MAP)
            continue;
        const struct yaml_node *at = section ? yaml_key(c->root, section) : NULL;
        at = at ? at : c->root;
        complain(complaints, "%s:%d:%d: %s%s%s is needed: %s", c->path, at->line, at->column,
                 section ? section : "", section ? ": " : "", table[i].name,
                 table[i].help ? table[i].help : looks(table[i].kind));
    }
    free(given);
}

/* ---- secrets */

bool secret_read(const char *path, char *out, size_t size, struct err *err)
{
    bool ok = false;
    struct stat info;
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "the secret %s cannot be read: %s",
                path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        err_set(err, ERR_INPUT, "the secret %s is no file", path);
        goto done;
    }
    if ((info.st_mode & 007) != 0) {
        err_set(err, ERR_INPUT,
                "the secret %s may be read by everybody (mode %03o); run chmod 600 on it", path,
                (unsigned)info.st_mode & 0777);
        goto done;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n < 0) {
        err_set(err, ERR_IO, "the secret %s cannot be read: %s", path, strerror(errno));
        goto done;
    }
    text[n] = '\0';
    size_t len = strcspn(text, "\r\n");
    bool has_nul = memchr(text, '\0', (size_t)n) && strlen(text) == len && text[len] == '\0' &&
                   len < (size_t)n;
    if (len == 0 || has_nul)
        err_set(err, ERR_INPUT, "the secret %s has no text on its first line", path);
    else if (len >= size)
        err_set(err, ERR_INPUT, "the secret %s is %zu bytes or more; %zu are allowed", path, len,
                size - 1);
    else {
        memcpy(out, text, len);
        out[len] = '\0';
        ok = true;
    }
done:
    explicit_bzero(text, sizeof text);
    if (fd >= 0)
        close(fd);
    return ok;
}
