/*
 * server.h -- connections and the event loop. Everything happens in
 * server_run(), on one thread.
 */
#ifndef TESTS_SERVER_SERVER_H
#define TESTS_SERVER_SERVER_H

#include "base/err.h"
#include "tests/server/site.h"

struct server; /* opaque */

struct server_options {
	int64_t port;         /* 0: any */
	const char *tls_cert; /* written at the start; NULL: no TLS */
	bool http1;           /* alone, also over TLS */
	int64_t max_streams;  /* of an HTTP/2 connection, at once */
};

/* Listen on 127.0.0.1; with TLS, the first byte of a connection tells whether
 * it is in clear. SIGTERM and SIGINT are blocked from now on, and end
 * server_run(). */
int server_open(struct server **out, struct site *site,
    const struct server_options *o, struct err *e);
int server_port(const struct server *s);
/* Until a signal, or for lifetime_ms. */
int server_run(struct server *s, int64_t lifetime_ms, struct err *e);
void server_close(struct server *s); /* NULL is fine */

#endif
