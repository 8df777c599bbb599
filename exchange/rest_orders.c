/* rest_orders.c - /v2/orders. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "exchange/requests.h"
#include "exchange/rest.h"

static void answer_order(struct call *c, const struct order *o, bool nested)
{
    struct buffer b = { 0 };
    order_write(&b, c->x->venue, o, nested ? FORM_NESTED : FORM_FLAT);
    rest_answer_text(c, 200, &b);
}

void rest_post_order(struct call *c)
{
    struct order_request request;
    struct order *order, snapshot;
    json_t *body = rest_body(c);
    bool ok = body && order_request_decode(c->x->venue, body, &request, &c->refusal) &&
              venue_submit(c->x->venue, c->account, &request, c->now_ns, &order, &snapshot, &c->refusal);
    json_decref(body);
    if (ok)
        answer_order(c, &snapshot, true); /* a group's order shows its legs */
    else
        rest_refuse(c);
}

/* NULL after filling c->refusal. */
static struct order *find_order(struct call *c, const char *id)
{
    static const char digits[] = "0123456789abcdefABCDEF-";
    if (strlen(id) != UUID_SIZE - 1 || strspn(id, digits) != UUID_SIZE - 1) {
        refuse(&c->refusal, REFUSED_ORDER_ID);
        return NULL;
    }
    struct order *o = account_order(c->account, id);
    if (!o)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    return o;
}

struct order_filter {
    enum { FILTER_OPEN, FILTER_CLOSED, FILTER_ALL } status;
    bool nested;
    int descending, side;
    int64_t limit, after, until, above, below; /* above, below: exclusive bounds of the index */
    const char *symbols;
};

static bool order_matches(const struct call *c, const struct order_filter *f, const struct order *o)
{
    return (f->status == FILTER_ALL || order_is_open(o) == (f->status == FILTER_OPEN)) &&
           (f->side < 0 || (int)o->side == f->side) && o->submitted_ns > f->after && o->submitted_ns < f->until &&
           o->index > f->above && o->index < f->below &&
           (!f->symbols || parameter_lists(f->symbols, venue_symbol_name(c->x->venue, o->symbol)));
}

/* A leg that waits is not listed among the open orders; one whose parent is listed stands there when nested. */
static bool is_listed(const struct call *c, const struct order_filter *f, const struct order *o)
{
    if (!order_matches(c, f, o) || (f->status == FILTER_OPEN && o->status == ORDER_HELD))
        return false;
    return !(f->nested && o->parent && order_matches(c, f, o->parent));
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
    int status = FILTER_OPEN;
    *f = (struct order_filter){ .descending = 1,
                                .side = -1,
                                .limit = 50,
                                .after = INT64_MIN,
                                .until = INT64_MAX,
                                .above = -1,
                                .below = INT64_MAX,
                                .symbols = parameter_text(c, "symbols") };
    if (!parameter_word(c, "status", statuses, "open, closed or all", &status) ||
        !parameter_word(c, "direction", directions, "asc or desc", &f->descending) ||
        !parameter_word(c, "side", side_names, "buy or sell", &f->side) ||
        !parameter_count(c, "limit", 1, 500, &f->limit) || !parameter_time(c, "after", false, &f->after) ||
        !parameter_time(c, "until", false, &f->until) || !parameter_bool(c, "nested", &f->nested) ||
        !order_bound(c, "after_order_id", &f->above) || !order_bound(c, "before_order_id", &f->below))
        return false;
    f->status = (__typeof__(f->status))status;
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
    struct buffer b = { 0 };
    if (!read_order_filter(c, &f)) {
        rest_refuse(c);
        return;
    }
    const char *class = parameter_text(c, "asset_class");
    bool wanted = !class || parameter_lists(class, "us_equity");
    buffer_add(&b, "[", 1);
    for (size_t i = 0; wanted && i < a->orders_count && f.limit > 0; i++) {
        const struct order *o = a->orders[f.descending ? a->orders_count - 1 - i : i];
        if (!is_listed(c, &f, o))
            continue;
        if (b.size > 1)
            buffer_add(&b, ",", 1);
        order_write(&b, c->x->venue, o, f.nested ? FORM_NESTED : FORM_FLAT);
        f.limit--;
    }
    buffer_add(&b, "]", 1);
    rest_answer_text(c, 200, &b);
}

void rest_get_order(struct call *c)
{
    bool nested = false;
    const struct order *o = find_order(c, c->args[0]);
    if (o && parameter_bool(c, "nested", &nested))
        answer_order(c, o, nested);
    else
        rest_refuse(c);
}

void rest_get_order_by_client_id(struct call *c)
{
    const char *id = parameter_text(c, "client_order_id");
    const struct order *o = id ? account_order_by_client_id(c->account, id) : NULL;
    bool nested = false;
    if (!id)
        parameter_refuse(c, "client_order_id", "given");
    else if (!o)
        refuse(&c->refusal, REFUSED_ORDER_UNKNOWN, id);
    else if (parameter_bool(c, "nested", &nested)) {
        answer_order(c, o, nested);
        return;
    }
    rest_refuse(c);
}

void rest_patch_order(struct call *c)
{
    struct replace_request request;
    struct order *order, snapshot, *o = find_order(c, c->args[0]);
    json_t *body = o ? rest_body(c) : NULL;
    bool ok = body && replace_request_decode(body, &request, &c->refusal) &&
              venue_replace(c->x->venue, o, &request, c->now_ns, &order, &snapshot, &c->refusal);
    json_decref(body);
    if (ok)
        answer_order(c, &snapshot, true);
    else
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
    size_t count = 0;
    for (const struct order *o = a->open_first; o; o = o->open_next)
        count++;
    struct order **open = must_alloc(count, sizeof *open); /* a cancel can end others of its group */
    count = 0;
    for (struct order *o = a->open_first; o; o = o->open_next)
        open[count++] = o;
    for (size_t i = 0; i < count; i++) {
        char id[UUID_SIZE];
        order_id(open[i], id);
        bool ok = venue_cancel(c->x->venue, open[i], c->now_ns, &c->refusal);
        if (list && ok)
            json_array_append_new(list, json_pack("{ss si}", "id", id, "status", 200));
        else if (list)
            json_array_append_new(list,
                                  json_pack("{ss si so}", "id", id, "status", 500, "body", refusal_json(&c->refusal)));
    }
    free(open);
}

void rest_delete_orders(struct call *c)
{
    json_t *list = json_array();
    rest_cancel_all(c, list);
    rest_answer(c, 207, list);
}
