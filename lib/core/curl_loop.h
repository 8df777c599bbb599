/* curl_loop.h - libcurl's multi interface on a libuv loop: one uv_poll a socket, one timer.
 *
 * The easy handles are the caller's: made, filled, added here, told of when finished, cleaned up by him.
 *
 * Threads: the loop's. finished is called on the loop, never from inside another call of this header; it may add, and it
 * may free. */
#ifndef CORE_CURL_LOOP_H
#define CORE_CURL_LOOP_H

#include <curl/curl.h>
#include <uv.h>

struct curl_loop;

/* The easy handle has been removed already. */
typedef void curl_loop_finished(void *ctx, CURL *easy, CURLcode result);

struct curl_loop *curl_loop_new(uv_loop_t *loop, curl_loop_finished *finished, void *ctx);
void curl_loop_add(struct curl_loop *l, CURL *easy);
void curl_loop_remove(struct curl_loop *l, CURL *easy); /* it will not be told of */
/* A header of one request before those of all: give it to CURLOPT_HTTPHEADER, and free it when the request is over. rest is
 * lent, and outlives it. */
struct curl_slist *curl_header_before(const char *name, const char *value, struct curl_slist *rest);
void curl_header_free(struct curl_slist *first); /* NULL is fine */
/* All handles have been removed. Nothing is told afterwards; freed (NULL is fine) when the loop has turned. */
void curl_loop_free(struct curl_loop *l, void (*freed)(void *ctx));

#endif
