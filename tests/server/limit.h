/*
 * limit.h -- rate limits as OpenAI has them: for each model a bucket of
 * requests and one of tokens, which fill up evenly, and so many requests at
 * once in all. A request takes its tokens before it is answered: those of its
 * prompt and its output limit. One that is refused takes nothing.
 */
#ifndef TESTS_SERVER_LIMIT_H
#define TESTS_SERVER_LIMIT_H

#include "base/json.h"
#include "base/str.h"

#define LIMIT_MODELS 64 /* further ones share a bucket */

struct limit_bucket {
	char name[96];
	double requests, tokens; /* what is left */
	int64_t at_ms;           /* when that was so */
};

struct limits {
	int64_t rpm, tpm, at_once; /* 0: no limit */
	int64_t burst_s;           /* a full bucket has as much as so long gives */
	struct limit_bucket v[LIMIT_MODELS + 1];
	size_t n;
	int64_t refused_rpm, refused_tpm, refused_at_once;
};

/* What is said to a request that is refused; zeroed if it is not. */
struct limit_refusal {
	const char *type;  /* "requests", "tokens" or "concurrency" */
	int64_t wait_ms;   /* until it would fit */
	int64_t limit, left, wanted;
	bool too_large;    /* it will never fit */
};

/* False: refused. `headers` gets lines, x-ratelimit-* and of a refusal
 * Retry-After. in_flight: requests under way, with this one. */
bool limit_admit(struct limits *l, struct str model, int64_t tokens,
    int64_t in_flight, int64_t now_ms, struct buf *headers,
    struct limit_refusal *out);

void limit_json(const struct limits *l, struct jw *w); /* an object */
void limit_reset(struct limits *l); /* the counts; the buckets are full */

#endif
