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
	bool at_once;        /* nothing is delayed any more */
	uint64_t seed;       /* of the chances, the garbage and the jitter */
	int64_t jitter_ms;   /* up to so much more latency */
	struct buf text, line, headers, scratch; /* used again by each request */
};

struct response {
	int status;
	struct str headers;  /* further ones, whole lines; borrowed */
	const char *type;    /* NULL: among those headers */
	struct buf *body;    /* filled by site_answer() */
	int64_t delay_ms, drip_ms;
	enum fault fault;
	bool close;
	bool chunked;        /* the body is in chunks already */
	int64_t number;      /* of the request; 0: for a page of the server's */
	int64_t release;     /* send the answer to this one now; < 0: all */
	bool counted;        /* call site_done() when it has been sent */
	struct charge charge;
};

/* Zeroed before, but for what may be set: latency, jitter, seed, and prices
 * and limits in stats. */
int site_init(struct site *s, const char *script, const char *log,
    struct err *e);
void site_release(struct site *s);

/* out->body is set by the caller, to an empty buffer. */
void site_answer(struct site *s, const struct http1_head *head,
    struct str body, struct response *out);
/* The connection is done with an answer; whole: all of it was written. */
void site_done(struct site *s, const struct charge *c, bool whole);

#endif
