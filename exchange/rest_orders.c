/* rest_orders.c - /v2/orders. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/rest.h"

void rest_post_order(struct call *c)
{
    struct err err;
    struct order_request request;
    struct order *order, snapshot;
    json_t *body = json_read(c->req->body, c->req->body_size, &err);
    if (!body)
        refuse(&c->refusal, REFUSED_BODY, err.text);
    bool ok = body && order_request_decode(c->x->venue, body, &request, &c->refusal) &&
              venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, &snapshot, &c->refusal);
    json_decref(body);
    if (ok)
        rest_answer(c, 200, order_json(c->x->venue, &snapshot));
    else
        rest_refuse(c);
}

/* NULL after filling c->refusal. */
static struct order *find_order(struct call *c, const char *id)
{
    if (!uuid_is_valid(id)) {
        refuse(&c->refusal, REFUSED_ORDER_ID);
        return NULL;
    }
    struct order *o = account_order(c->account, id);
    if (!o)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    return o;
}

struct order_filter {
    int status; /* open, closed, all */
    int descending, side;
    int64_t limit, after, until, above, below; /* above, below: exclusive bounds of the index */
    const char *symbols;
};

static bool order_matches(const struct call *c, const struct order_filter *f, const struct order *o)
{
    return (f->status == 2 || order_is_open(o) == (f->status == 0)) &&
           (f->side < 0 || (int)o->side == f->side) && o->submitted_ns > f->after &&
           o->submitted_ns < f->until && o->index > f->above && o->index < f->below &&
           (!f->symbols || parameter_lists(f->symbols, venue_symbol_name(c->x->venue, o->symbol)));
}

static bool order_bound(struct call *c, const char *name, int64_t *bound)
{
    const char *id = parameter_text(c, name);
    if (!id)
        return true;
    const struct order *o = find_order(c, id);
    if (o)
        *bound = o->index;
    return o != NULL;
}

static bool read_order_filter(struct call *c, struct order_filter *f)
{
    static const char *const statuses[] = { "open", "closed", "all", NULL };
    static const char *const directions[] = { "asc", "desc", NULL };
    bool nested = false;
    *f = (struct order_filter){ .descending = 1,
                                .side = -1,
                                .limit = 50,
                                .after = INT64_MIN,
                                .until = INT64_MAX,
                                .above = -1,
                                .below = INT64_MAX,
                                .symbols = parameter_text(c, "symbols") };
    if (!parameter_word(c, "status", statuses, "open, closed or all", &f->status) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f->descending) ||
        !parameter_word(c, "side", side_names, "buy or sell", &f->side) ||
        !parameter_count(c, "limit", 1, 500, &f->limit) || !parameter_time(c, "after", false, &f->after) ||
        !parameter_time(c, "until", false, &f->until) || !parameter_bool(c, "nested", &nested) ||
        !order_bound(c, "after_order_id", &f->above) || !order_bound(c, "before_order_id", &f->below))
        return false;
    bool by_id = parameter_text(c, "after_order_id") || parameter_text(c, "before_order_id");
    if (parameter_text(c, "after_order_id") && parameter_text(c, "before_order_id"))
        return parameter_refuse(c, "before_order_id", "left out when after_order_id is given");
    if (by_id && (parameter_text(c, "after") || parameter_text(c, "until")))
        return parameter_refuse(c, "after", "left out when an order id bounds the list");
    return true;
}

void rest_get_orders(struct call *c)
{
    struct order_filter f;
    const struct account *a = c->account;
    if (!read_order_filter(c, &f)) {
        rest_refuse(c);
        return;
    }
    json_t *list = json_array();
    bool wanted =
        !parameter_text(c, "asset_class") || parameter_lists(parameter_text(c, "asset_class"), "us_equity");
    for (size_t i = 0; wanted && i < a->orders_count && f.limit > 0; i++) {
        const struct order *o = a->orders[f.descending ? a->orders_count - 1 - i : i];
        if (!order_matches(c, &f, o))
            continue;
        json_array_append_new(list, order_json(c->x->venue, o));
        f.limit--;
    }
    rest_answer(c, 200, list);
}

void rest_get_order(struct call *c)
{
    const struct order *o = find_order(c, c->args[0]);
    if (o)
        rest_answer(c, 200, order_json(c->x->venue, o));
    else
        rest_refuse(c);
}

void rest_get_order_by_client_id(struct call *c)
{
    const char *id = parameter_text(c, "client_order_id");
    const struct order *o = id ? account_order_by_client_id(c->account, id) : NULL;
    if (o) {
        rest_answer(c, 200, order_json(c->x->venue, o));
        return;
    }
    if (id)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    else
        parameter_refuse(c, "client_order_id", "given");
    rest_refuse(c);
}

void rest_delete_order(struct call *c)
{
    struct order *o = find_order(c, c->args[0]);
    if (o && venue_cancel(c->x->venue, o, c->now_ns, &c->refusal))
        c->res->status = 204;
    else
        rest_refuse(c);
}

void rest_cancel_all(struct call *c, json_t *list)
{
    const struct account *a = c->account;
    for (size_t i = 0; i < a->orders_count; i++) {
        struct order *o = a->orders[i];
        if (!order_is_open(o))
            continue;
        bool ok = venue_cancel(c->x->venue, o, c->now_ns, &c->refusal);
        char id[UUID_SIZE];
        order_id(o, id);
        if (list && ok)
            json_array_append_new(list, json_pack("{ss si}", "id", id, "status", 200));
        else if (list)
            json_array_append_new(
                list, json_pack("{ss si so}", "id", id, "status", 500, "body", refusal_json(&c->refusal)));
    }
}

void rest_delete_orders(struct call *c)
{
    json_t *list = json_array();
    rest_cancel_all(c, list);
    rest_answer(c, 207, list);
}
