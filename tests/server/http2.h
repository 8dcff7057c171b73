/*
 * http2.h -- the server's side of one HTTP/2 connection: bytes in, bytes out.
 * It knows nothing of sockets; the clock is told to it. The one door to
 * libnghttp2.
 *
 * Each stream is answered by the site like a request of HTTP/1.1. What the
 * faults of the script do here is said in testserver.c.
 */
#ifndef TESTS_SERVER_HTTP2_H
#define TESTS_SERVER_HTTP2_H

#include "tests/server/site.h"

struct http2; /* opaque */

/* max_streams: at once, as the client is told. NULL: out of memory. */
struct http2 *http2_new(struct site *site, int64_t max_streams);
/* What is under way, or not known to be sent, ends unanswered. NULL is fine. */
void http2_free(struct http2 *h);

/* What has come. False: the connection is to be closed at once. */
bool http2_take(struct http2 *h, struct str bytes, int64_t now_ms);
/* Append what is to go out, some tens of KB at a time, until there is nothing.
 * To be called again after everything else here. False: as above. */
bool http2_give(struct http2 *h, struct buf *out);
/* All that was given has been sent. */
void http2_sent(struct http2 *h);

/* When http2_tick() is to be called; INT64_MAX: not yet known. */
int64_t http2_due(const struct http2 *h);
void http2_tick(struct http2 *h, int64_t now_ms);

/* Nothing will come or go any more: the connection may be closed. */
bool http2_is_over(const struct http2 *h);

#endif
