#include "streamer/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"

enum { ORDERS_PAGE = 500, ACTIVITIES_PAGE = 100, RETRY_MS_MIN = 500, RETRY_MS_MAX = 30000, PATH_SIZE = 512 };

#define FILLS_OVERLAP_NS (5 * MINUTE_NS)
#define ORDERS_OVERLAP_NS (7 * DAY_NS) /* orders are listed by when they were sent, not by when they changed */

struct reconcile {
    uv_loop_t *loop;
    struct reconcile_options o;
    uv_timer_t retry;
    bool busy, again, saving, closed, handle_gone;
    int failures;
    char account[32];
    int64_t complete_ns;   /* every fill up to here has been recorded; 0: none */
    int64_t newest_ns;     /* of this round */
    size_t recorded_before;
    json_t *orders;        /* by id */
    json_t *activities;
    size_t at;             /* the activity that is next */
    bool order_asked;      /* at's order has been asked for by its id */
};

/* ---- how far we are, on disk */

static bool cursor_path(const struct reconcile *r, const char *name, char out[PATH_SIZE])
{
    return snprintf(out, PATH_SIZE, "%s/%s%s%s", r->o.state, r->account, name[0] ? "/" : "", name) < PATH_SIZE;
}

static int64_t cursor_load(const struct reconcile *r)
{
    char path[PATH_SIZE], text[TIME_TEXT_SIZE + 2] = "";
    int64_t ns = 0;
    FILE *f = cursor_path(r, "activities", path) ? fopen(path, "re") : NULL;

    if (!f)
        return 0;
    if (!fgets(text, sizeof text, f) || !time_parse(text, strcspn(text, "\n"), &ns)) {
        log_warn("cursor_unreadable", KV_TEXT("path", path)); /* from the beginning, then: repeats do no harm */
        ns = 0;
    }
    fclose(f);
    return ns;
}

static bool write_whole(const char *path, const char *text)
{
    size_t size = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, size) == (ssize_t)size && fdatasync(fd) == 0;

    if (fd >= 0)
        ok &= close(fd) == 0;
    return ok;
}

static void cursor_save(const struct reconcile *r)
{
    char folder[PATH_SIZE], path[PATH_SIZE], fresh[PATH_SIZE], text[TIME_TEXT_SIZE + 1];
    bool ok = cursor_path(r, "", folder) && cursor_path(r, "activities", path) &&
              cursor_path(r, "activities.new", fresh);
    int n = time_format(r->complete_ns, text);

    text[n] = '\n';
    text[n + 1] = '\0';
    ok = ok && (mkdir(folder, 0700) == 0 || errno == EEXIST) && write_whole(fresh, text) &&
         rename(fresh, path) == 0;
    if (!ok) /* the next start asks for more than it need */
        log_warn("cursor_not_saved", KV_TEXT("path", path), KV_TEXT("why", strerror(errno)));
}

/* ---- a round */

static void ask_orders(struct reconcile *r, int64_t after_ns);
static void ask_activities(struct reconcile *r, const char *page_token);
static void place(struct reconcile *r);

static void round_clear(struct reconcile *r)
{
    json_decref(r->orders);
    json_decref(r->activities);
    r->orders = r->activities = NULL;
}

static void on_retry(uv_timer_t *t)
{
    struct reconcile *r = t->data;

    r->busy = false;
    reconcile_start(r);
}

static void round_failed(struct reconcile *r, const char *what, const char *why, int64_t wait_ms)
{
    int64_t ms = r->failures < 6 ? (int64_t)RETRY_MS_MIN << r->failures : RETRY_MS_MAX;

    round_clear(r);
    if (r->failures++ == 0) /* said once */
        log_warn("reconcile_failed", KV_TEXT("what", what), KV_TEXT("why", why));
    uv_timer_start(&r->retry, on_retry, (uint64_t)(wait_ms > ms ? wait_ms : ms), 0);
}

/* The list that came, or NULL after starting over later. */
static const json_t *list_of(struct reconcile *r, const char *what, const struct alpaca_reply *reply)
{
    char why[200];

    if (reply->status == 200 && json_is_array(reply->body))
        return reply->body;
    snprintf(why, sizeof why, "%ld %.150s", reply->status,
             reply->status == 0 ? reply->text : reply->message[0] ? reply->message : "no list");
    round_failed(r, what, why, reply->retry_after_ms);
    return NULL;
}

static void round_done(void *ctx, bool ok)
{
    struct reconcile *r = ctx;

    r->saving = false;
    if (ok && r->newest_ns > r->complete_ns) {
        r->complete_ns = r->newest_ns;
        cursor_save(r);
    }
    if (r->closed) {
        if (r->handle_gone)
            free(r);
        return;
    }
    r->busy = false;
    if (r->again)
        reconcile_start(r);
}

static void round_finish(struct reconcile *r)
{
    const char *id;
    json_t *order;
    struct err err;

    json_object_foreach(r->orders, id, order)
        if (!record_order(r->o.record, r->account, order, &err)) {
            if (err.code != ERR_INPUT) {
                r->o.on_failed(r->o.ctx, &err);
                return;
            }
            log_warn("order_not_understood", KV_TEXT("id", id), KV_TEXT("why", err.text));
        }
    log_info("reconciled", KV_TEXT("account", r->account), KV_INT("orders", json_object_size(r->orders)),
             KV_INT("fills", json_array_size(r->activities)),
             KV_INT("found", record_count(r->o.record) - r->recorded_before));
    r->failures = 0;
    round_clear(r);
    r->saving = true;
    outbox_commit(r->o.outbox, round_done, r);
}

static void order_came(void *ctx, const struct alpaca_reply *reply)
{
    struct reconcile *r = ctx;
    const char *id = json_string_value(json_object_get(reply->body, "id"));

    if (reply->status == 200 && id)
        json_object_set(r->orders, id, reply->body);
    else if (reply->status != 404) {
        list_of(r, "an order", reply);
        return;
    }
    place(r);
}

/* Records the fills in turn; stops to ask for an order it does not have. */
static void place(struct reconcile *r)
{
    for (; r->at < json_array_size(r->activities); r->at++, r->order_asked = false) {
        const json_t *activity = json_array_get(r->activities, r->at);
        const char *id = json_string_value(json_object_get(activity, "id"));
        const char *order_id = json_string_value(json_object_get(activity, "order_id"));
        const char *time = json_string_value(json_object_get(activity, "transaction_time"));
        const json_t *order = order_id ? json_object_get(r->orders, order_id) : NULL;
        int64_t time_ns;
        struct err err;
        char path[80];
        if (time && time_parse(time, strlen(time), &time_ns) && time_ns > r->newest_ns)
            r->newest_ns = time_ns;
        if (id && record_has_execution(r->o.record, activity_execution_id(id)))
            continue;
        if (!order && order_id && uuid_is_valid(order_id) && !r->order_asked) {
            r->order_asked = true;
            snprintf(path, sizeof path, "/v2/orders/%s", order_id);
            alpaca_rest_call(r->o.rest, "GET", path, NULL, order_came, r);
            return;
        }
        if (record_activity(r->o.record, r->account, activity, order, &err))
            continue;
        if (err.code != ERR_INPUT) {
            r->o.on_failed(r->o.ctx, &err);
            return;
        }
        log_error("fill_not_understood", KV_TEXT("id", id ? id : ""), KV_TEXT("why", err.text));
    }
    round_finish(r);
}

static void activities_came(void *ctx, const struct alpaca_reply *reply)
{
    struct reconcile *r = ctx;
    const json_t *list = list_of(r, "activities", reply);
    size_t count = json_array_size(list);

    if (!list)
        return;
    json_array_extend(r->activities, reply->body);
    if (count >= ACTIVITIES_PAGE) {
        const char *token = json_string_value(json_object_get(json_array_get(list, count - 1), "id"));
        if (token) {
            ask_activities(r, token);
            return;
        }
    }
    place(r);
}

static void ask_activities(struct reconcile *r, const char *page_token)
{
    char path[400], after[TIME_TEXT_SIZE];
    int n = snprintf(path, sizeof path, "/v2/account/activities/FILL?direction=asc&page_size=%d", ACTIVITIES_PAGE);

    if (r->complete_ns) {
        time_format(r->complete_ns - FILLS_OVERLAP_NS, after);
        n += snprintf(path + n, sizeof path - (size_t)n, "&after=%s", after);
    }
    if (page_token)
        snprintf(path + n, sizeof path - (size_t)n, "&page_token=%s", page_token);
    alpaca_rest_call(r->o.rest, "GET", path, NULL, activities_came, r);
}

static void orders_came(void *ctx, const struct alpaca_reply *reply)
{
    struct reconcile *r = ctx;
    const json_t *list = list_of(r, "orders", reply), *order;
    size_t i, before = json_object_size(r->orders);
    int64_t newest = 0, ns;

    if (!list)
        return;
    json_array_foreach(list, i, order) {
        const char *id = json_string_value(json_object_get(order, "id"));
        const char *time = json_string_value(json_object_get(order, "submitted_at"));
        if (id)
            json_object_set(r->orders, id, (json_t *)json_array_get(list, i));
        if (time && time_parse(time, strlen(time), &ns) && ns > newest)
            newest = ns;
    }
    /* `after` excludes, and times may collide: a nanosecond less, and until a page brings nothing new. */
    if (json_array_size(list) >= ORDERS_PAGE && json_object_size(r->orders) > before && newest)
        ask_orders(r, newest - 1);
    else
        ask_activities(r, NULL);
}

static void ask_orders(struct reconcile *r, int64_t after_ns)
{
    char path[200], after[TIME_TEXT_SIZE];
    int n = snprintf(path, sizeof path, "/v2/orders?status=all&direction=asc&limit=%d", ORDERS_PAGE);

    if (after_ns > 0) {
        time_format(after_ns, after);
        snprintf(path + n, sizeof path - (size_t)n, "&after=%s", after);
    }
    alpaca_rest_call(r->o.rest, "GET", path, NULL, orders_came, r);
}

static void account_came(void *ctx, const struct alpaca_reply *reply)
{
    struct reconcile *r = ctx;
    struct alpaca_account account;
    struct err err = { ERR_NONE, "" };
    bool ok = reply->status == 200 && alpaca_account_decode(reply->body, &account, &err);

    /* The number becomes a folder's name. */
    if (ok && (strchr(account.account_number, '/') || account.account_number[0] == '.'))
        ok = err_set(&err, ERR_INPUT, "\"%s\" is no account number", account.account_number);
    if (!ok) {
        round_failed(r, "account", reply->status == 0 ? reply->text : err.text[0] ? err.text : reply->message,
                     reply->retry_after_ms);
        return;
    }
    if (strcmp(r->account, account.account_number) != 0) {
        text_copy(r->account, sizeof r->account, account.account_number);
        r->complete_ns = cursor_load(r);
    }
    r->newest_ns = r->complete_ns;
    r->o.on_account(r->o.ctx, r->account);
    r->orders = json_object();
    r->activities = json_array();
    r->at = 0;
    r->order_asked = false;
    r->recorded_before = record_count(r->o.record);
    ask_orders(r, r->complete_ns ? r->complete_ns - ORDERS_OVERLAP_NS : 0);
}

void reconcile_start(struct reconcile *r)
{
    if (r->busy) {
        r->again = true;
        return;
    }
    r->busy = true;
    r->again = false;
    alpaca_rest_call(r->o.rest, "GET", "/v2/account", NULL, account_came, r);
}

/* ---- life */

struct reconcile *reconcile_new(uv_loop_t *loop, const struct reconcile_options *options)
{
    struct reconcile *r = must_alloc(1, sizeof *r);

    r->loop = loop;
    r->o = *options;
    uv_timer_init(loop, &r->retry);
    r->retry.data = r;
    return r;
}

static void retry_closed(uv_handle_t *h)
{
    struct reconcile *r = h->data;

    r->handle_gone = true;
    if (!r->saving) /* otherwise round_done frees it */
        free(r);
}

void reconcile_free(struct reconcile *r)
{
    if (!r)
        return;
    r->closed = true;
    round_clear(r);
    uv_close((uv_handle_t *)&r->retry, retry_closed);
}
