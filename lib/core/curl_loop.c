#include "core/curl_loop.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base.h"

struct curl_loop {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    curl_loop_finished *finished;
    void (*freed)(void *ctx);
    void *ctx;
    bool closed;
};

static void tell_finished(struct curl_loop *l)
{
    CURLMsg *m;
    int left;
    while (!l->closed && (m = curl_multi_info_read(l->multi, &left))) {
        CURL *easy = m->easy_handle;
        CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_multi_remove_handle(l->multi, easy); /* m is gone from here */
        l->finished(l->ctx, easy, result); /* may free l: its memory stays until the loop turns */
    }
}

static void poll_closed(uv_handle_t *h)
{
    free(h);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct curl_loop *l = p->data;
    uv_os_fd_t fd;
    int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    if (uv_fileno((uv_handle_t *)p, &fd) == 0)
        curl_multi_socket_action(l->multi, fd, flags, &running);
    tell_finished(l);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *own)
{
    struct curl_loop *l = ctx;
    uv_poll_t *p = own;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (p) {
            uv_poll_stop(p);
            curl_multi_assign(l->multi, fd, NULL);
            uv_close((uv_handle_t *)p, poll_closed);
        }
        return 0;
    }
    if (!p) {
        p = must_alloc(1, sizeof *p);
        if (uv_poll_init_socket(l->loop, p, fd) != 0) {
            free(p);
            return -1;
        }
        p->data = l;
        curl_multi_assign(l->multi, fd, p);
    }
    return uv_poll_start(p, events, on_poll) == 0 ? 0 : -1;
}

static void on_timeout(uv_timer_t *t)
{
    struct curl_loop *l = t->data;
    int running;
    curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    tell_finished(l);
}

/* 0 ms means the next turn of the loop: curl must not be called from its own callback. */
static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct curl_loop *l = ctx;
    (void)multi;
    if (l->closed || timeout_ms < 0)
        uv_timer_stop(&l->timer);
    else
        uv_timer_start(&l->timer, on_timeout, (uint64_t)timeout_ms, 0);
    return 0;
}

struct curl_loop *curl_loop_new(uv_loop_t *loop, curl_loop_finished *finished, void *ctx)
{
    struct curl_loop *l = must_alloc(1, sizeof *l);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted */
    l->loop = loop;
    l->finished = finished;
    l->ctx = ctx;
    l->multi = curl_multi_init();
    if (!l->multi)
        abort(); /* out of memory, as must_alloc */
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    uv_timer_init(loop, &l->timer);
    l->timer.data = l;
    return l;
}

void curl_loop_add(struct curl_loop *l, CURL *easy)
{
    if (curl_multi_add_handle(l->multi, easy) != CURLM_OK)
        abort();
}

void curl_loop_remove(struct curl_loop *l, CURL *easy)
{
    curl_multi_remove_handle(l->multi, easy);
}

struct curl_slist *curl_header_before(const char *name, const char *value, struct curl_slist *rest)
{
    char line[256];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *first = curl_slist_append(NULL, line);
    if (!first)
        abort();
    first->next = rest;
    return first;
}

void curl_header_free(struct curl_slist *first)
{
    if (first)
        first->next = NULL;
    curl_slist_free_all(first);
}

static void timer_closed(uv_handle_t *h)
{
    struct curl_loop *l = h->data;
    if (l->freed)
        l->freed(l->ctx);
    free(l);
    curl_global_cleanup();
}

void curl_loop_free(struct curl_loop *l, void (*freed)(void *ctx))
{
    l->closed = true;
    l->freed = freed;
    curl_multi_cleanup(l->multi);
    uv_close((uv_handle_t *)&l->timer, timer_closed);
}
