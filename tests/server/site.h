/*
 * site.h -- what a request is answered with: routes, rules, counts and the
 * log. It knows nothing of sockets.
 */
#ifndef TESTS_SERVER_SITE_H
#define TESTS_SERVER_SITE_H

#include "tests/server/http1.h"
#include "tests/server/script.h"
#include "tests/server/stats.h"

struct site {
	struct script script;
	struct stats stats;
	int log_fd;          /* -1: none */
	int64_t latency_ms;  /* of what no rule delays */
	int64_t started_ms;  /* on the monotonic clock */
	int64_t number;      /* of the last request */
	struct buf text, line; /* used again by each request */
};

struct response {
	int status;
	struct str headers;  /* further ones, whole lines; borrowed */
	const char *type;    /* NULL: among those headers */
	struct buf *body;    /* filled by site_answer() */
	int64_t delay_ms, drip_ms;
	enum fault fault;
	bool close;
	bool counted;        /* call site_done() when it has been sent */
};

int site_init(struct site *s, const char *script, const char *log,
    int64_t latency_ms, struct err *e);
void site_release(struct site *s);

/* out->body is set by the caller, to an empty buffer. */
void site_answer(struct site *s, const struct http1_head *head,
    struct str body, struct response *out);
void site_done(struct site *s);

#endif
