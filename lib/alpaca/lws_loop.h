/* lws_loop.h - the one libwebsockets context for all streams of a uv loop, counted. Inside lib/alpaca only.
 *
 * Threads: the loop's. */
#ifndef ALPACA_LWS_LOOP_H
#define ALPACA_LWS_LOOP_H

#include <libwebsockets.h>
#include <uv.h>

/* The loop's context, made with these protocols by the first holder. NULL: libwebsockets refuses to start. */
struct lws_context *lws_loop_hold(uv_loop_t *loop, const struct lws_protocols *protocols);
/* The last one to let go destroys it, in a few turns of the loop. Its connections must be closed. Safe from
 * libwebsockets' own callbacks. */
void lws_loop_release(struct lws_context *context);

#endif
