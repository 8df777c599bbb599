#include "alpaca/lws_loop.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"

/* After the first destroy libwebsockets closes its connections' handles in one turn of the loop, its own in
 * the next; only then may the second destroy free what they stand in. */
enum { CLOSING_TURNS = 4 };

struct lws_loop {
    struct lws_loop *next;
    uv_loop_t *loop;
    struct lws_context *context;
    uv_timer_t timer;
    int holders, turns;
};

static struct lws_loop *loops; /* one thread per loop, one loop per program: no lock */

static void log_line(int level, const char *line)
{
    char text[200];

    snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
    if (level & LLL_ERR)
        log_debug("libwebsockets_complained", KV_TEXT("text", text));
}

struct lws_context *lws_loop_hold(uv_loop_t *loop, const struct lws_protocols *protocols)
{
    /* A peer that is mute for 10 s is pinged, and hung up on after 30 s. */
    static const lws_retry_bo_t idle = { .secs_since_valid_ping = 10, .secs_since_valid_hangup = 30 };
    void *foreign[] = { loop };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = foreign,
        .retry_and_idle_policy = &idle,
        .timeout_secs = 10,
        .pt_serv_buf_size = 64 << 10, /* read at once; 4 KiB otherwise */
        .gid = -1,
        .uid = -1,
    };
    struct lws_loop *l;

    for (l = loops; l; l = l->next)
        if (l->loop == loop && l->holders > 0) {
            l->holders++;
            return l->context;
        }
    lws_set_log_level(LLL_ERR, log_line);
    l = must_alloc(1, sizeof *l);
    l->context = lws_create_context(&info);
    if (!l->context) {
        free(l);
        return NULL;
    }
    l->loop = loop;
    l->holders = 1;
    uv_timer_init(loop, &l->timer);
    l->timer.data = l;
    l->next = loops;
    loops = l;
    return l->context;
}

static void on_turn(uv_handle_t *h)
{
    struct lws_loop *l = h->data, **at = &loops;

    if (++l->turns < CLOSING_TURNS) {
        uv_timer_init(l->loop, &l->timer);
        uv_close((uv_handle_t *)&l->timer, on_turn);
        return;
    }
    lws_context_destroy(l->context);
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    free(l);
}

static void on_last_release(uv_timer_t *t)
{
    struct lws_loop *l = t->data;

    lws_context_destroy(l->context);
    uv_close((uv_handle_t *)&l->timer, on_turn);
}

void lws_loop_release(struct lws_context *context)
{
    struct lws_loop *l = loops;

    while (l->context != context)
        l = l->next;
    if (--l->holders == 0)
        uv_timer_start(&l->timer, on_last_release, 0, 0); /* not from inside its callbacks */
}
