/* rest_assets.c - /v2/assets. */
#include <string.h>

#include "exchange/rest.h"

/* Does a list of words wanted hold one the asset has? */
static bool has_any(const json_t *attributes, const char *wanted)
{
    for (size_t i = 0; i < json_array_size(attributes); i++)
        if (parameter_lists(wanted, json_string_value(json_array_get(attributes, i))))
            return true;
    return !wanted;
}

static bool is(const json_t *asset, const char *member, const char *wanted)
{
    return !wanted || strcmp(json_string_value(json_object_get(asset, member)), wanted) == 0;
}

void rest_get_assets(struct call *c)
{
    const char *status = parameter_text(c, "status"), *class = parameter_text(c, "asset_class"),
               *venue = parameter_text(c, "exchange"), *attributes = parameter_text(c, "attributes");
    json_t *list = json_array();
    for (size_t i = 0; i < venue_symbols_count(c->x->venue); i++) {
        json_t *asset = asset_json(c->x->venue, (int)i);
        if (is(asset, "status", status) && is(asset, "class", class) && is(asset, "exchange", venue) &&
            has_any(json_object_get(asset, "attributes"), attributes))
            json_array_append(list, asset);
        json_decref(asset);
    }
    rest_answer(c, 200, list);
}

void rest_get_asset(struct call *c)
{
    int symbol = asset_find(c->x->venue, c->args[0]);
    if (symbol >= 0) {
        rest_answer(c, 200, asset_json(c->x->venue, symbol));
        return;
    }
    refuse(&c->refusal, REFUSED_ASSET_UNKNOWN, c->args[0]);
    rest_refuse(c);
}
