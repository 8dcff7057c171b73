/*
 * limits.h -- what the headers of an answer say about a server's rate limits
 * and about waiting: pure parsers of untrusted text. They keep nothing, read no
 * clock and never overflow; what cannot be read counts as not said.
 *
 * The formats are those of the page "Errors, retries, and what a lost request
 * costs", section 5: OpenAI and Groq (Go durations), Azure (whole seconds),
 * Anthropic (RFC 3339 times), OpenRouter (unix milliseconds).
 */
#ifndef PROVIDERS_LIMITS_H
#define PROVIDERS_LIMITS_H

#include "base/str.h"

/* One bucket. -1 in any of the three: not said. */
struct limit {
	int64_t limit;     /* how much it holds, at most LIMITS_MOST */
	int64_t remaining; /* how much is left */
	int64_t reset_ms;  /* from now until it is FULL again, not until the next
	                      request fits: see limit_wait(). At most
	                      LIMITS_MOST_MS; a time that is past is 0 */
};

struct limits {
	struct limit requests, tokens, input_tokens, output_tokens;
	bool any; /* at least one number was said */
};

/* Larger numbers are taken for these: far above any real one, and small enough
 * to be added to a clock or multiplied by 1,000. */
#define LIMITS_MOST INT64_C(1000000000000)
#define LIMITS_MOST_MS INT64_C(315360000000) /* ten years */

void limits_init(struct limits *l); /* nothing is said */

/* Whether a header of this name may be one of those below: cheap. */
bool limits_is_header(struct str name);

/*
 * Note one header; false: it is none of these, or its value says nothing (such
 * as Azure's -1 for "unknown", a negative number, or garbage).
 *
 *	x-ratelimit-{limit,remaining,reset}[-{requests,tokens}]
 *	anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}
 *	    -{limit,remaining,reset}
 *
 * A reset is told apart by its looks: 2m59.56s, seconds up to 10^9, a unix time
 * in seconds up to 10^11, one in milliseconds above that, an RFC 3339 time.
 * Times are taken relative to server_now_utc_ms, best the answer's own Date:
 * then a wrong clock here does not matter.
 */
bool limits_header(struct limits *l, struct str name, struct str value,
    int64_t server_now_utc_ms);

/*
 * How long until `needed` (requests or tokens) fit, in ms; 0: now, or unknown.
 * The bucket fills evenly: what is missing, at the rate at which the whole
 * would be full after reset_ms, or after a minute where that was not said. This
 * holds for Groq's requests a day too. More than the limit is the time until
 * the bucket is full.
 */
int64_t limit_wait(const struct limit *l, int64_t needed);

/* Retry-After-Ms and Retry-After (seconds, also with a fraction, or an HTTP
 * date relative to server_now_utc_ms), in ms rounded up; a date that is past
 * is 0; at most LIMITS_MOST_MS. -1: negative, or not to be read. */
int64_t limits_retry_after_ms(struct str value);
int64_t limits_retry_after(struct str value, int64_t server_now_utc_ms);

/* The three forms of RFC 9110: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday,
 * 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"; years 1970 to 9999. */
bool limits_http_date(struct str s, int64_t *utc_ms);

/* A duration at the start of *s, which is shortened by it: "1h2m3.5s", "12ms",
 * "6 seconds". False, with *s as it was: there is none. May be huge. */
bool limits_duration(struct str *s, double *ms);
/* As whole milliseconds, rounded up, in [0, LIMITS_MOST_MS]. */
int64_t limits_whole_ms(double ms);

#endif
