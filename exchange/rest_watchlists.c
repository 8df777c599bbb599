/* rest_watchlists.c - /v2/watchlists: by id, and the same by name. */
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "exchange/rest.h"

static json_t *watchlist_json(const struct call *c, const struct watchlist *w, bool with_assets)
{
    char created[TIME_TEXT_SIZE], updated[TIME_TEXT_SIZE];
    time_format(w->created_ns, created);
    time_format(w->updated_ns, updated);
    json_t *j = json_pack("{ss ss ss ss ss}", "id", w->id, "account_id", c->account->id, "created_at", created,
                          "updated_at", updated, "name", w->name);
    if (!with_assets)
        return j;
    json_t *assets = json_array();
    for (size_t i = 0; i < w->symbols_count; i++)
        json_array_append_new(assets, asset_json(c->x->venue, w->symbols[i]));
    json_object_set_new(j, "assets", assets);
    return j;
}

static void answer(struct call *c, const struct watchlist *w)
{
    rest_answer(c, 200, watchlist_json(c, w, true));
}

/* The list the path or ?name= means; NULL after filling c->refusal. */
static struct watchlist *find(struct call *c)
{
    const char *id = c->args[0][0] ? c->args[0] : NULL, *name = parameter_text(c, "name");
    struct watchlist *w = id ? watchlist_find(c->customer, id, NULL) : name ? watchlist_find(c->customer, NULL, name) : NULL;
    if (!w && !id && !name)
        parameter_refuse(c, "name", "given");
    else if (!w)
        refuse(&c->refusal, REFUSED_WATCHLIST_UNKNOWN);
    return w;
}

/* The asset a text names; -1 after filling c->refusal. */
static int find_asset(struct call *c, const json_t *text)
{
    const char *name = json_string_value(text);
    int symbol = name ? asset_find(c->x->venue, name) : -1;
    if (!name)
        refuse(&c->refusal, REFUSED_MEMBER, "symbols", "a list of symbols");
    else if (symbol < 0)
        refuse(&c->refusal, REFUSED_ASSET_UNKNOWN, name);
    return symbol;
}

/* Checks a body {"name", "symbols"}; nothing is changed. w: the list it is for, NULL a new one. */
static bool body_is_right(struct call *c, const json_t *body, const struct watchlist *w)
{
    const json_t *name = json_object_get(body, "name"), *symbols = json_object_get(body, "symbols");
    const char *text = json_string_value(name);
    if ((!w && !text) || (name && !json_is_null(name) && !text) || (text && text[0] == '\0'))
        return refuse(&c->refusal, REFUSED_MEMBER, "name", "a name of 1 to 64 characters");
    if (text && strlen(text) >= WATCHLIST_NAME_SIZE)
        return refuse(&c->refusal, REFUSED_MEMBER, "name", "a name of 1 to 64 characters");
    const struct watchlist *other = text ? watchlist_find(c->customer, NULL, text) : NULL;
    if (other && other != w)
        return refuse(&c->refusal, REFUSED_WATCHLIST_NAME);
    if (symbols && !json_is_null(symbols) && !json_is_array(symbols))
        return refuse(&c->refusal, REFUSED_MEMBER, "symbols", "a list of symbols");
    for (size_t i = 0; i < json_array_size(symbols); i++)
        if (!json_is_null(json_array_get(symbols, i)) && find_asset(c, json_array_get(symbols, i)) < 0)
            return false;
    return true;
}

static void fill(struct call *c, struct watchlist *w, const json_t *body)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const json_t *symbols = json_object_get(body, "symbols");
    if (name)
        text_copy(w->name, sizeof w->name, name);
    if (json_is_array(symbols))
        w->symbols_count = 0;
    for (size_t i = 0; i < json_array_size(symbols); i++) {
        const char *symbol = json_string_value(json_array_get(symbols, i));
        int known = symbol ? asset_find(c->x->venue, symbol) : -1;
        if (known >= 0 && watchlist_index(w, known) == w->symbols_count)
            watchlist_append(w, known);
    }
    w->updated_ns = c->now_ns;
}

void rest_get_watchlists(struct call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->customer->watchlists_count; i++)
        json_array_append_new(list, watchlist_json(c, c->customer->watchlists[i], false));
    rest_answer(c, 200, list);
}

void rest_post_watchlist(struct call *c)
{
    json_t *body = rest_body(c);
    bool ok = body && body_is_right(c, body, NULL);
    if (ok && c->customer->watchlists_count == WATCHLISTS_MAX)
        ok = refuse(&c->refusal, REFUSED_WATCHLISTS_MANY, WATCHLISTS_MAX);
    if (ok) {
        struct watchlist *w = watchlist_add(c->customer, json_string_value(json_object_get(body, "name")), c->now_ns);
        fill(c, w, body);
        answer(c, w);
    } else {
        rest_refuse(c);
    }
    json_decref(body);
}

void rest_get_watchlist(struct call *c)
{
    const struct watchlist *w = find(c);
    if (w)
        answer(c, w);
    else
        rest_refuse(c);
}

void rest_put_watchlist(struct call *c)
{
    struct watchlist *w = find(c);
    json_t *body = w ? rest_body(c) : NULL;
    if (body && body_is_right(c, body, w)) {
        fill(c, w, body);
        answer(c, w);
    } else {
        rest_refuse(c);
    }
    json_decref(body);
}

/* {"symbol"} is appended. */
void rest_post_watchlist_asset(struct call *c)
{
    struct watchlist *w = find(c);
    json_t *body = w ? rest_body(c) : NULL;
    int symbol = body ? find_asset(c, json_object_get(body, "symbol")) : -1;
    bool ok = symbol >= 0;
    if (ok && watchlist_index(w, symbol) < w->symbols_count)
        ok = refuse(&c->refusal, REFUSED_WATCHLIST_HAS, venue_symbol_name(c->x->venue, symbol));
    if (ok) {
        watchlist_append(w, symbol);
        w->updated_ns = c->now_ns;
        answer(c, w);
    } else {
        rest_refuse(c);
    }
    json_decref(body);
}

void rest_delete_watchlist(struct call *c)
{
    struct watchlist *w = find(c);
    if (!w) {
        rest_refuse(c);
        return;
    }
    watchlist_remove(c->customer, w);
    c->res->status = 204;
}

void rest_delete_watchlist_asset(struct call *c)
{
    struct watchlist *w = find(c);
    int symbol = asset_find(c->x->venue, c->args[1]);
    size_t at = w && symbol >= 0 ? watchlist_index(w, symbol) : 0;
    if (!w || symbol < 0 || at == w->symbols_count) {
        if (w)
            refuse(&c->refusal, REFUSED_ASSET_UNKNOWN, c->args[1]);
        rest_refuse(c);
        return;
    }
    memmove(&w->symbols[at], &w->symbols[at + 1], (--w->symbols_count - at) * sizeof *w->symbols);
    w->updated_ns = c->now_ns;
    answer(c, w);
}
