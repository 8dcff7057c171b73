/*
 * outcome.h -- what to do about a failed request: the table that tells
 * failures apart, as data, and the delay before a retry.
 */
#ifndef PROVIDERS_OUTCOME_H
#define PROVIDERS_OUTCOME_H

#include "base/rand.h"
#include "providers/provider.h"

/* An error as a server said it, whatever its shape. */
struct failure {
	int status;           /* HTTP, or the code inside a 200 */
	struct str host;
	struct str code;      /* error.code, as text */
	struct str type;      /* error.type, error.status or metadata.error_type */
	struct str param;
	struct str message;
	struct str details;   /* Gemini's error.details, as JSON */
	bool has_reasons;     /* OpenRouter's moderation */
};

/* The first row of the table that fits. *most_retries: of this kind, or -1. */
enum outcome outcome_of(const struct failure *f, int *most_retries);

/* The time in a message such as "Please try again in 18.642s" or "1m12s" or
 * "Please retry after 6 seconds", in ms; -1: none. */
int64_t outcome_wait_in(struct str message);

/*
 * Delay before retry number `retry` (from 0): exponential from 1 s, doubled,
 * capped at 60 s, with full jitter (uniform in [0, delay]); a server's wish
 * (wait_ms >= 0) is honoured to the letter, up to OUTCOME_MAX_WAIT_MS, with up
 * to a tenth (at most 1 s) on top, since every client was given the same
 * number.
 */
#define OUTCOME_MAX_WAIT_MS (600 * 1000)
int64_t outcome_delay(struct rng *rng, int retry, int64_t wait_ms);

#endif
