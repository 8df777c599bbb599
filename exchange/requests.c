#include "exchange/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/json.h"
#include "exchange/objects.h"

/* The member, or NULL when it is absent, null or "". */
static const json_t *given(const json_t *body, const char *name)
{
    const json_t *v = json_object_get(body, name);
    return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ? NULL : v;
}

/* What was given, for messages. */
static void show(const json_t *v, char *out, size_t size)
{
    if (json_is_string(v)) {
        snprintf(out, size, "%.24s", json_string_value(v));
        return;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    snprintf(out, size, "%.24s", text ? text : "?");
    free(text);
}

bool decimal_decode(const char *text, int64_t *out, bool *too_fine)
{
    const char *dot = strchr(text, '.');
    size_t len = strlen(text), kept = len;
    struct price p;
    *too_fine = false;
    if (dot && strlen(dot) > 7) {
        kept = (size_t)(dot - text) + 7;
        for (size_t i = kept; i < len; i++) {
            if (text[i] < '0' || text[i] > '9')
                return false;
            *too_fine |= text[i] != '0';
        }
    }
    if (!price_parse(text, kept, &p))
        return false;
    *out = p.micros;
    return true;
}

static bool decimal(const json_t *v, int64_t *out, bool *too_fine)
{
    struct price p;
    *too_fine = false;
    if (json_is_integer(v))
        return !__builtin_mul_overflow(json_integer_value(v), PRICE_SCALE, out);
    if (json_is_string(v))
        return decimal_decode(json_string_value(v), out, too_fine);
    if (!json_is_real(v) || !price_from_double(json_real_value(v), &p))
        return false;
    double off = json_real_value(v) - (double)p.micros / (double)PRICE_SCALE;
    *too_fine = (off < 0 ? -off : off) > 1e-9 && p.micros < INT64_C(1000000000) * PRICE_SCALE;
    *out = p.micros;
    return true;
}

static bool text_member(const json_t *body, const char *name, const char **out, struct refusal *r)
{
    const json_t *v = given(body, name);
    *out = v ? json_string_value(v) : NULL;
    return !v || *out ? true : refuse(r, REFUSED_MEMBER, name, "a string");
}

/* A quantity of shares; has stays false when it is absent. */
static bool qty_member(const json_t *body, bool *has, int64_t *out, struct refusal *r)
{
    const json_t *v = given(body, "qty");
    char text[32];
    bool too_fine;
    *has = v != NULL;
    if (!v)
        return true;
    show(v, text, sizeof text);
    if (!decimal(v, out, &too_fine))
        return refuse(r, REFUSED_QTY_INVALID, text);
    return too_fine ? refuse(r, REFUSED_QTY_FINE, text) : true;
}

/* An amount in millionths; too many decimals are refused. */
static bool amount_member(const json_t *body, const char *name, bool *has, int64_t *out, struct refusal *r)
{
    const json_t *v = given(body, name);
    bool too_fine;
    *has = v != NULL;
    if (v && (!decimal(v, out, &too_fine) || too_fine))
        return refuse(r, REFUSED_MEMBER, name, "a decimal number with at most six decimals");
    return true;
}

/* A price that may have to be shown again. */
static bool price_member(const json_t *body, const char *name, struct asked_price *out, struct refusal *r)
{
    const json_t *v = given(body, name);
    if (!v)
        return true;
    show(v, out->text, sizeof out->text);
    return decimal(v, &out->price.micros, &out->is_too_fine) ? true : refuse(r, REFUSED_PRICE_INVALID, name, out->text);
}

/* Index in names; -1 when absent. false: another word, refused as kind. */
static bool word_member(const json_t *body, const char *name, const char *const *names, enum refusal_kind kind, int *out,
                        struct refusal *r)
{
    const char *text;
    *out = -1;
    if (!text_member(body, name, &text, r))
        return false;
    *out = text ? name_index(names, text) : -1;
    return !text || *out >= 0 ? true : refuse(r, kind);
}

static void take_client_order_id(const char *text, char out[CLIENT_ORDER_ID_SIZE], bool *is_too_long)
{
    if (text)
        *is_too_long = !text_copy(out, CLIENT_ORDER_ID_SIZE, text);
}

static bool read_words(const json_t *body, struct order_request *out, struct refusal *r)
{
    int side, type, tif;
    if (!word_member(body, "side", side_names, REFUSED_SIDE, &side, r) ||
        !word_member(body, "type", order_type_names, REFUSED_TYPE, &type, r) ||
        !word_member(body, "time_in_force", time_in_force_names, REFUSED_TIF, &tif, r))
        return false;
    if (side < 0 || type < 0 || tif < 0)
        return refuse(r, side < 0 ? REFUSED_SIDE : type < 0 ? REFUSED_TYPE : REFUSED_TIF);
    out->side = (enum side)side;
    out->type = (enum order_type)type;
    out->time_in_force = (enum time_in_force)tif;
    return true;
}

static bool read_prices(const json_t *body, struct order_request *out, struct refusal *r)
{
    bool has_trail_price;
    return price_member(body, "limit_price", &out->limit, r) && price_member(body, "stop_price", &out->stop, r) &&
           amount_member(body, "trail_price", &has_trail_price, &out->trail_price.micros, r) &&
           amount_member(body, "trail_percent", &out->has_trail_percent, &out->trail_percent, r);
}

/* {"limit_price"} or {"stop_price", "limit_price"}. */
static bool read_exit(const json_t *body, const char *name, bool *has, struct asked_price *limit,
                      struct asked_price *stop, struct refusal *r)
{
    const json_t *v = given(body, name);
    *has = v != NULL;
    if (!v)
        return true;
    if (!json_is_object(v))
        return refuse(r, REFUSED_MEMBER, name, "an object");
    return price_member(v, "limit_price", limit, r) && (!stop || price_member(v, "stop_price", stop, r));
}

static bool read_class(const json_t *body, struct order_request *out, struct refusal *r)
{
    const char *text;
    const json_t *extended = given(body, "extended_hours");
    if (!text_member(body, "order_class", &text, r))
        return false;
    int class = text ? name_index(order_class_names, text) : CLASS_SIMPLE;
    if (class < 0) {
        char shown[32];
        snprintf(shown, sizeof shown, "%.24s", text);
        return refuse(r, REFUSED_CLASS, shown);
    }
    if (extended && !json_is_boolean(extended))
        return refuse(r, REFUSED_MEMBER, "extended_hours", "true or false");
    out->order_class = (enum order_class)class;
    out->extended_hours = json_is_true(extended);
    return read_exit(body, "take_profit", &out->has_take_profit, &out->take_profit_limit, NULL, r) &&
           read_exit(body, "stop_loss", &out->has_stop_loss, &out->stop_loss_limit, &out->stop_loss_stop, r);
}

bool order_request_decode(const struct venue *v, const json_t *body, struct order_request *out, struct refusal *r)
{
    order_request_init(out);
    if (!json_is_object(body))
        return refuse(r, REFUSED_BODY, "an object was expected");
    const char *symbol, *client_order_id, *intent;
    if (!text_member(body, "symbol", &symbol, r))
        return false;
    if (!symbol)
        return refuse(r, REFUSED_SYMBOL_MISSING);
    int known = asset_find(v, symbol);
    snprintf(out->symbol, sizeof out->symbol, "%.40s", known >= 0 ? venue_symbol_name(v, known) : symbol);
    if (!qty_member(body, &out->has_qty, &out->qty_micros, r) ||
        !amount_member(body, "notional", &out->has_notional, &out->notional_micros, r))
        return false;
    if (!out->has_qty && !out->has_notional)
        return refuse(r, REFUSED_QTY_MISSING);
    if (!read_words(body, out, r) || !read_prices(body, out, r) ||
        !text_member(body, "client_order_id", &client_order_id, r) ||
        !text_member(body, "position_intent", &intent, r) || !read_class(body, out, r))
        return false;
    take_client_order_id(client_order_id, out->client_order_id, &out->client_order_id_is_too_long);
    if (intent)
        snprintf(out->position_intent, sizeof out->position_intent, "%.20s", intent);
    return true;
}

bool replace_request_decode(const json_t *body, struct replace_request *out, struct refusal *r)
{
    const char *client_order_id;
    int tif;
    replace_request_init(out);
    if (!qty_member(body, &out->has_qty, &out->qty_micros, r) ||
        !word_member(body, "time_in_force", time_in_force_names, REFUSED_TIF, &tif, r) ||
        !price_member(body, "limit_price", &out->limit, r) || !price_member(body, "stop_price", &out->stop, r) ||
        !amount_member(body, "trail", &out->has_trail, &out->trail, r) ||
        !text_member(body, "client_order_id", &client_order_id, r))
        return false;
    out->has_time_in_force = tif >= 0;
    if (tif >= 0)
        out->time_in_force = (enum time_in_force)tif;
    take_client_order_id(client_order_id, out->client_order_id, &out->client_order_id_is_too_long);
    return true;
}
