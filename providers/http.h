/*
 * http.h -- the event loop: libcurl's multi interface on epoll, one timer
 * heap, watched descriptors. The one door to libcurl.
 *
 * Everything happens in http_turn(), on one thread: callbacks run there, each
 * exactly once, or never after http_cancel(). A callback may send, cancel and
 * set timers.
 *
 * A paid POST is never silently sent twice: libcurl's own repeat on a dead
 * reused connection is stopped before it leaves, and is seen here as "may have
 * been processed".
 * Redirects are not followed. Certificates are verified.
 *
 * To https, HTTP/2 is offered (ALPN): where the server speaks it, requests share
 * a connection as far as the server lets them, and the first ones wait for it
 * instead of opening one each. A stream that the server refuses (REFUSED_STREAM,
 * or a GOAWAY that does not reach it) was not processed, but libcurl does not
 * tell it from a connection that died: it, too, "may have been processed".
 */
#ifndef PROVIDERS_HTTP_H
#define PROVIDERS_HTTP_H

#include "base/heap.h"
#include "providers/provider.h"

struct http;      /* opaque: one loop */
struct http_call; /* opaque: one request in flight */

/* At most so many calls are under way at once, with a connection each unless
 * they share some; further ones wait in line. */
int http_new(struct http **out, int max_connections, struct err *e);
void http_free(struct http *h); /* cancels what is in flight */

struct http_request {
	struct str url;     /* copied */
	struct str body;    /* borrowed until done; empty: a GET */
	const struct header_line *headers; /* copied */
	size_t n_headers;
	enum auth_style auth;
	bool direct;        /* through no proxy, whatever the environment says */
	const char *ca_file; /* borrowed until done: PEM, to be trusted instead of
	                       what the system trusts; NULL: that */
	const struct secret *key; /* may be NULL; copied into libcurl, not kept */
	/* Counted from when the call leaves the line of those that wait for a
	 * connection; 0: none; negative: 1 ms. To idle_timeout_ms bytes of an
	 * answer alone are a sign of life: not headers, blank lines or comment
	 * lines (": keep-alive"). */
	int64_t connect_timeout_ms, timeout_ms, idle_timeout_ms;
	size_t max_body;    /* of the answer, decompressed; 0: HTTP_MAX_BODY */
};
/* What is longer ends as failure_code "too_long". */
#define HTTP_MAX_BODY ((size_t)64 << 20)
#define HTTP_MAX_HEADERS ((size_t)256 << 10) /* bytes of all of them */
#define HTTP_MAX_HEADER_LINES 1000

/* w is borrowed for the call: an answer, or why there is none, in words that
 * are free of keys and passwords. Comments and blank lines before the answer
 * are left out. latency_ms: from sending to the last byte. */
typedef void http_done(void *cookie, const struct wire_reply *w,
    int64_t latency_ms);

int http_send(struct http *h, const struct http_request *q, http_done *done,
    void *cookie, struct http_call **out, struct err *e);
void http_cancel(struct http_call *c);
size_t http_in_flight(const struct http *h);
int64_t http_connections_opened(const struct http *h);

/* A timer, embedded by its owner; zero it before first use. */
struct http_timer {
	struct heap_entry entry; /* first member */
	void (*fire)(void *cookie);
	void *cookie;
};
int http_timer_set(struct http *h, struct http_timer *t, int64_t due_mono_ms,
    struct err *e);
void http_timer_stop(struct http *h, struct http_timer *t);

/* Call `ready` whenever fd can be read (level-triggered), until unwatched.
 * -1 with errno EPERM for plain files, which are always ready. */
int http_watch(struct http *h, int fd, void (*ready)(void *cookie),
    void *cookie, struct err *e);
void http_unwatch(struct http *h, int fd);

/* Before the first request, where none will go to an https server or through a
 * proxy: what TLS takes at its start is left out, for this process. */
void http_spare_tls(struct http *h);

/* Wait for something to happen, at most max_wait_ms (-1: no limit; 0: only
 * look), and let the callbacks run. */
int http_turn(struct http *h, int64_t max_wait_ms, struct err *e);

const char *http_library(void); /* "libcurl/7.88.1 OpenSSL/3.0.22 ..." */

#endif
