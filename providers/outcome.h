/*
 * outcome.h -- what to do about a request that brought no answer: the tables
 * that tell failures apart, as data, and the delay before a retry.
 *
 * The ground is the page "Errors, retries, and what a lost request costs": its
 * section 2 (failures by status and body), section 3 (a 200 that is no
 * success) and section 6 (no status came). outcome.c has each as a table with
 * the page's rows in the page's words; tests/unit/test_outcome.c has a case of
 * each row and of its neighbours.
 */
#ifndef PROVIDERS_OUTCOME_H
#define PROVIDERS_OUTCOME_H

#include "base/rand.h"
#include "providers/provider.h"

struct action {
	enum outcome outcome;
	int most_retries; /* of this kind of failure; -1: as configured */
	unsigned also;    /* ACTION_... */
};

/* An error as a server said it, whatever its shape. */
struct failure {
	int status;             /* HTTP, or what an error in a 200 stands for */
	struct str host;
	struct str code;        /* error.code, as text */
	struct str type;        /* error.type */
	struct str state;       /* error.status (Gemini) */
	struct str detail_code; /* error.details.error_code (Anthropic) */
	struct str error_type;  /* error.metadata.error_type (OpenRouter) */
	struct str param;
	struct str message;
	struct str details;     /* error.details, as JSON (Gemini) */
	bool has_reasons;       /* error.metadata.reasons (OpenRouter) */
	bool per_day;           /* a quotaId names a day (Gemini) */
	bool should_not_retry;  /* header x-should-retry: false */
	int64_t wait_ms;        /* RetryInfo.retryDelay (Gemini); -1: none */
};

/* The word that names a failure: the first that is present of code, type and
 * state, and of those that servers hide deeper. A number is no word: it says
 * what the status says. Empty: there is none. */
struct str failure_word(const struct failure *f);

/* Section 2: the first row that fits. */
struct action outcome_of(const struct failure *f);

/* Section 3: a 200 without an answer. `what` is a word of ours: "not_json",
 * "no_choices", "interrupted", "incomplete". An error inside a 200 is
 * classified by outcome_of() with outcome_status_within(). */
struct action outcome_of_200(const char *what);
/* The HTTP status that an error inside a 200 stands for: its code if that is
 * a number, else by its word, else 500. */
int outcome_status_within(const struct failure *f);
/* Section 3, too: how a model's answer ended, as any of the wire formats says
 * it. Outcome OK: there is an answer, *finish says of what kind. Else it was
 * interrupted and is none. */
struct action outcome_of_finish(struct str word, enum finish *finish);

/* Section 6: no status came, or the transfer broke. failure_code and sent as
 * in struct wire_reply. */
struct action outcome_of_transfer(const char *failure_code, bool sent);

/* The time in a message such as "Please try again in 18.642s" or "1m12s" or
 * "Please retry after 6 seconds", in ms, at most LIMITS_MOST_MS; -1: none. */
int64_t outcome_wait_in(struct str message);

/*
 * Delay before retry number `retry` (from 0), in ms.
 *
 * wait_ms > 0, a server's wish: honoured to the letter, never shortened and
 * never earlier; up to a tenth (at most 1 s) comes on top, since every client
 * was told the same number. How long is too long to wait for is the caller's
 * to decide beforehand.
 *
 * Else (0: "at once" is no wait at all; -1: no wish): exponential from 1 s, or
 * from 4 s for servers without capacity (slow: ACTION_SLOW), doubled each time,
 * capped at 60 s, with full jitter: uniform in [0, delay].
 */
int64_t outcome_delay(struct rng *rng, int retry, bool slow, int64_t wait_ms);

#endif
