/* routes.h - the HTTP server: every route of the service, and what holds for all of them.
 *
 * ulfius, a thread per connection: handlers wait for the writer's commit. Here, and nowhere else, stands
 * what ulfius and libmicrohttpd need care in: bodies over BODY_MAX are refused whole (ulfius would hand over
 * their beginning), so are contradicting lengths; silent connections are closed, the longest silent first
 * when there are too many; methods are compared as sent. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/handlers.h"
#include "core/err.h"

enum { BODY_MAX = 1024 * 1024, IDLE_TIMEOUT_S = 60, CONNECTIONS_MAX = 256,
       STREAM_BLOCK = 64 * 1024, LEAVING_MAX = 64 /* connections beyond, while those they take the place of go */ };

struct server;

/* NULL: err says it in a sentence ("port 8080 is in use"). api is lent. */
struct server *server_start(struct api *api, const char *host, int port, struct err *err);
/* No new connections; requests on old ones are refused; waits for those under way. */
void server_stop(struct server *s);
void server_free(struct server *s);

#endif
