#include "core/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/config.h"

struct anchor {
    char *name;
    struct yaml_node *node;
    bool is_open; /* its node has not ended: an alias to it would be a circle */
};

struct frame { /* a list or map under construction */
    struct yaml_node *node;
    struct yaml_node *last; /* the latest item or key */
    struct anchor *anchor;  /* its own, or NULL */
    bool wants_value;       /* map: a key stands without its value */
};

enum { ANCHORS_MAX = 64, NODES_MAX = 10000 };

struct builder {
    const char *path;
    struct complaints *out;
    struct yaml_node *root, *allocated;
    struct frame frames[YAML_DEPTH_MAX];
    int depth;
    struct anchor anchors[ANCHORS_MAX];
    int anchors_count;
    int nodes_count, documents;
};

static struct yaml_node *new_node(struct builder *b, enum yaml_kind kind, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    struct yaml_node *node = must_alloc(1, sizeof *node);
    *node = (struct yaml_node){
        .kind = kind,
        .line = mark ? mark->line + 1 : 1,
        .column = mark ? mark->column + 1 : 1,
        .allocated = b->allocated,
    };
    if (!mark && b->depth > 0) { /* nothing stands there: name what it belongs to */
        const struct frame *f = &b->frames[b->depth - 1];
        const struct yaml_node *owner = f->last ? f->last : f->node;
        node->line = owner->line;
        node->column = owner->column;
    }
    b->allocated = node;
    return node;
}

static bool refuse(struct builder *b, const struct yaml_node *at, const char *what)
{
    complain(b->out, "%s:%d:%d: %s", b->path, at->line, at->column, what);
    return false;
}

static bool add_key(struct builder *b, struct frame *f, struct yaml_node *node)
{
    if (node->target)
        return refuse(b, node, "an alias cannot be a key; write the key out");
    if (node->kind != YAML_SCALAR)
        return refuse(b, node, "a key must be a single word, not a list or a map");
    const struct yaml_node *twin = yaml_key(f->node, node->text);
    if (twin)
        complain(b->out, "%s:%d:%d: \"%.60s\" is there twice; first on line %d", b->path,
                 node->line, node->column, node->text, twin->line);
    if (f->last)
        f->last->next = node;
    else
        f->node->first = node;
    f->last = node;
    f->wants_value = true;
    return true;
}

static bool add(struct builder *b, struct yaml_node *node)
{
    if (++b->nodes_count > NODES_MAX)
        return refuse(b, node, "too many values for a settings file; 10000 are allowed");
    if (b->depth == 0) {
        b->root = node;
        return true;
    }
    struct frame *f = &b->frames[b->depth - 1];
    if (f->node->kind == YAML_MAP && !f->wants_value)
        return add_key(b, f, node);
    if (f->node->kind == YAML_MAP) {
        f->last->value = node;
        f->wants_value = false;
        return true;
    }
    if (f->last)
        f->last->next = node;
    else
        f->node->first = node;
    f->last = node;
    return true;
}

static char *text_of(struct fy_token *token)
{
    size_t len = 0;
    const char *text = token ? fy_token_get_text(token, &len) : NULL;
    char *copy = must_alloc(len + 1, 1);
    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

static bool check_tag(struct builder *b, const struct yaml_node *node, struct fy_token *tag)
{
    return !tag || refuse(b, node, "tags (!...) mean nothing here; write the plain value");
}

/* The anchor, if the node has one. */
static bool remember(struct builder *b, struct yaml_node *node, struct fy_token *token,
                     struct anchor **out)
{
    *out = NULL;
    if (!token)
        return true;
    if (b->anchors_count == ANCHORS_MAX)
        return refuse(b, node, "too many anchors; 64 are allowed");
    *out = &b->anchors[b->anchors_count++];
    **out = (struct anchor){ .name = text_of(token), .node = node };
    return true;
}

static bool take_alias(struct builder *b, struct fy_event *event)
{
    struct yaml_node *node = new_node(b, YAML_SCALAR, event);
    node->column -= node->column > 1; /* the scanner's mark is behind the '*' */
    char *name = text_of(event->alias.anchor);
    const struct anchor *meant = NULL;
    for (int i = b->anchors_count - 1; i >= 0 && !meant; i--) { /* the latest of that name */
        if (strcmp(b->anchors[i].name, name) == 0)
            meant = &b->anchors[i];
    }
    bool ok;
    if (!meant) {
        complain(b->out, "%s:%d:%d: there is no anchor &%.60s above this alias", b->path,
                 node->line, node->column, name);
        ok = false;
    } else if (meant->is_open) {
        ok = refuse(b, node, "an alias cannot stand inside what it names");
    } else {
        node->target = meant->node;
        ok = add(b, node);
    }
    free(name);
    return ok;
}

static bool take_scalar(struct builder *b, struct fy_event *event)
{
    struct yaml_node *node = new_node(b, YAML_SCALAR, event);
    struct fy_token *value = event->scalar.value;
    node->text = text_of(value);
    enum fy_scalar_style style = value ? fy_token_scalar_style(value) : FYSS_PLAIN;
    node->is_plain = style == FYSS_PLAIN;
    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
        node->column -= node->column > 1; /* the scanner's mark is behind the quote */
    size_t len = 0;
    if (value)
        fy_token_get_text(value, &len);
    if (strlen(node->text) != len)
        return refuse(b, node, "a text cannot hold a NUL character");
    struct anchor *anchor;
    return check_tag(b, node, event->scalar.tag) &&
           remember(b, node, event->scalar.anchor, &anchor) && add(b, node);
}

static bool take_start(struct builder *b, enum yaml_kind kind, struct fy_event *event,
                       struct fy_token *anchor_token, struct fy_token *tag)
{
    struct yaml_node *node = new_node(b, kind, event);
    struct anchor *anchor;
    if (b->depth == YAML_DEPTH_MAX)
        return refuse(b, node, "nested too deeply");
    if (!check_tag(b, node, tag) || !remember(b, node, anchor_token, &anchor) || !add(b, node))
        return false;
    if (anchor)
        anchor->is_open = true;
    b->frames[b->depth++] = (struct frame){ .node = node, .anchor = anchor };
    return true;
}

static bool take_end(struct builder *b)
{
    struct frame *f = &b->frames[--b->depth];
    if (f->anchor)
        f->anchor->is_open = false;
    return true;
}

static bool take(struct builder *b, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (b->documents++ == 0)
            return true;
        complain(b->out, "%s:%d:1: a second document begins here; a settings file holds one",
                 b->path, fy_event_start_mark(event) ? fy_event_start_mark(event)->line + 1 : 1);
        return false;
    case FYET_MAPPING_START:
        return take_start(b, YAML_MAP, event, event->mapping_start.anchor,
                          event->mapping_start.tag);
    case FYET_SEQUENCE_START:
        return take_start(b, YAML_LIST, event, event->sequence_start.anchor,
                          event->sequence_start.tag);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        return take_end(b);
    case FYET_SCALAR:
        return take_scalar(b, event);
    case FYET_ALIAS:
        return take_alias(b, event);
    default:
        return true;
    }
}

/* A NUL or broken UTF-8, found before the scanner can trip over it. */
static bool check_bytes(const char *path, const char *text, size_t len, struct complaints *out)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < len; column++) {
        unsigned char c = (unsigned char)text[i];
        size_t n = c < 0x80                ? 1
                   : c >= 0xc2 && c < 0xe0 ? 2
                   : c >= 0xe0 && c < 0xf0 ? 3
                   : c >= 0xf0 && c < 0xf5 ? 4
                                           : 0;
        bool ok =
            n > 0 && n <= len - i && (c >= ' ' || c == '\t' || c == '\n' || c == '\r') && c != 0x7f;
        for (size_t k = 1; ok && k < n; k++)
            ok = ((unsigned char)text[i + k] & 0xc0) == 0x80;
        if (ok && n >= 3) { /* overlong forms, surrogates, beyond the last code point */
            unsigned char second = (unsigned char)text[i + 1];
            ok = !(c == 0xe0 && second < 0xa0) && !(c == 0xed && second > 0x9f) &&
                 !(c == 0xf0 && second < 0x90) && !(c == 0xf4 && second > 0x8f);
        }
        if (!ok) {
            complain(out, "%s:%d:%d: byte 0x%02x is not text in UTF-8", path, line, column, c);
            return false;
        }
        if (c == '\n') {
            line++;
            column = 0;
        }
        i += n;
    }
    return true;
}

static void ignore_output(struct fy_diag *diag, void *user, const char *text, size_t len)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)len;
}

static void complain_syntax(const struct builder *b, struct fy_diag *diag)
{
    void *at = NULL;
    const struct fy_diag_error *error;
    bool told = false;
    while ((error = fy_diag_errors_iterate(diag, &at)) &&
           !told) { /* what follows the first is its echo */
        complain(b->out, "%s:%d:%d: not YAML: %s", b->path, error->line > 0 ? error->line : 1,
                 error->column > 0 ? error->column : 1, error->msg ? error->msg : "syntax error");
        told = true;
    }
    if (!told)
        complain(b->out, "%s:1:1: not YAML", b->path);
}

static void free_chain(struct yaml_node *node)
{
    while (node) {
        struct yaml_node *next = node->allocated;
        free(node->text);
        free(node);
        node = next;
    }
}

/* Runs the scanner over the text; true when a whole document came. */
static bool build(struct builder *b, const char *text, size_t len)
{
    bool ok = false;
    struct fy_parser *parser = NULL;
    struct fy_diag_cfg diag_cfg = { .output_fn = ignore_output,
                                    .level = FYET_ERROR,
                                    .module_mask = ~0U };
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (diag) {
        fy_diag_set_collect_errors(diag, true);
        parser = fy_parser_create(&(struct fy_parse_cfg){ .flags = FYPCF_QUIET, .diag = diag });
    }
    if (!parser || fy_parser_set_string(parser, text, len) != 0) {
        complain(b->out, "%s: the YAML scanner could not start", b->path);
        goto done;
    }
    ok = true;
    struct fy_event *event;
    while (ok && (event = fy_parser_parse(parser))) {
        ok = take(b, event);
        fy_parser_event_free(parser, event);
    }
    if (ok && (fy_parser_get_stream_error(parser) || b->depth > 0)) {
        complain_syntax(b, diag);
        ok = false;
    }
done:
    if (parser)
        fy_parser_destroy(parser);
    if (diag)
        fy_diag_destroy(diag);
    return ok;
}

struct yaml_node *yaml_parse(const char *path, const char *text, size_t len, struct complaints *out)
{
    if (len > YAML_SIZE_MAX) {
        complain(out, "%s: %zu bytes are too many for settings; %d at most", path, len,
                 YAML_SIZE_MAX);
        return NULL;
    }
    if (!check_bytes(path, text, len, out))
        return NULL;

    struct builder b = { .path = path, .out = out };
    bool ok = build(&b, text, len);
    for (int i = 0; i < b.anchors_count; i++)
        free(b.anchors[i].name);
    if (!ok) {
        free_chain(b.allocated);
        return NULL;
    }
    if (!b.root ||
        (b.root->kind == YAML_SCALAR && yaml_is_null(b.root))) { /* nothing, or comments only */
        struct yaml_node *empty = must_alloc(1, sizeof *empty);
        *empty = (struct yaml_node){
            .kind = YAML_MAP, .line = 1, .column = 1, .allocated = b.allocated
        };
        b.root = b.allocated = empty;
    }
    /* The chain is freed from the root: put it at its head. */
    if (b.root != b.allocated) {
        struct yaml_node *before = b.allocated;
        while (before->allocated != b.root)
            before = before->allocated;
        before->allocated = b.root->allocated;
        b.root->allocated = b.allocated;
    }
    return b.root;
}

void yaml_free(struct yaml_node *root)
{
    free_chain(root);
}

const struct yaml_node *yaml_resolve(const struct yaml_node *node)
{
    while (node->target)
        node = node->target;
    return node;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->is_plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}

const struct yaml_node *yaml_key(const struct yaml_node *map, const char *name)
{
    const struct yaml_node *key = map->first;
    while (key && strcmp(key->text, name) != 0)
        key = key->next;
    return key;
}
