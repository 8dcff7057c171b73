/*
 * tally.h -- what happened to many tasks and requests, counted. Private to
 * cache/.
 *
 * A tally is a set of cells; what is counted goes to the cell of its kind,
 * cascade, tier and so on, and any sum that `stats` shows is a sum of cells. So
 * what was counted once is kept (summaries.c) and only added up later. Sums of
 * money saturate.
 */
#ifndef CACHE_TALLY_H
#define CACHE_TALLY_H

#include "cache/entry.h"

enum tally_kind {
	TALLY_CLIMB,  /* attempts, and the tasks that ended with them */
	TALLY_REASON, /* why attempts were not accepted: COUNT alone */
	TALLY_AUDIT,  /* what audits found, by the tier that answered */
	TALLY_ASK,    /* requests that have ended */
};

enum tally_count {
	/* Of TALLY_CLIMB, as the members of struct ledger_stats of that name. Three
	 * ways to count tasks once: at their first attempt of those counted (or
	 * without any), at their first with this tier and model, and at their
	 * first with this model. */
	TALLY_TASKS, TALLY_TASKS_OF_TIER, TALLY_TASKS_OF_MODEL,
	TALLY_STATUS,
	TALLY_VERDICT = TALLY_STATUS + 5,
	TALLY_COMPLETIONS = TALLY_VERDICT + ATTEMPT_VERDICTS,
	TALLY_CACHED_COMPLETIONS, TALLY_REPAIRS, TALLY_REQUESTS, TALLY_RETRIES,
	TALLY_FALLBACKS, TALLY_COST, TALLY_AUDIT_COST, TALLY_UNKNOWN,
	TALLY_TOP, TALLY_TOP_PAID, TALLY_TOP_KNOWN, TALLY_CACHED_COST,
	TALLY_PROMPT_TOKENS, TALLY_COMPLETION_TOKENS,
	TALLY_BINS,
	/* Of TALLY_CLIMB too, where the tier that answered is: what audits speak
	 * for. Otherwise of TALLY_AUDIT. As in struct ledger_audits. */
	TALLY_ACCEPTED = TALLY_BINS + LEDGER_BINS, TALLY_ANSWERED,
	/* Of TALLY_AUDIT, with COST and UNKNOWN. */
	TALLY_UNANSWERED, TALLY_AUDITS,
	/* Of TALLY_REASON; and of TALLY_ASK, with COST and UNKNOWN. */
	TALLY_COUNT,
	TALLY_COUNTS
};

/*
 * How often each number of milliseconds came. Below 4096 they are exact, above in
 * steps of less than 0.05 %: as HdrHistogram counts. Steps in their order, those
 * that came alone.
 */
struct hist {
	struct hist_step {
		int64_t times;
		uint32_t step;
	} *v;
	size_t n, cap;
};
bool hist_add(struct hist *h, int64_t ms, int64_t times); /* false: no memory */
bool hist_merge(struct hist *h, const struct hist *more);
/* The least that p in a hundred do not exceed; -1: there is none. */
int64_t hist_percentile(const struct hist *h, int64_t p);
void hist_release(struct hist *h);

struct tally_key { /* what tells one cell from another */
	enum tally_kind kind;
	bool collected;      /* by `collect`: no climb */
	int tier;
	int verdict;         /* of REASON; of ASK the outcome */
	bool booked;         /* of ASK */
	int64_t quarter;     /* of an hour, in UTC since 1970, when it ended; of
	                        CLIMB */
	struct str cascade, model;
	struct str word;     /* of REASON the scorer; else as the rules say */
};

struct tally_cell {
	struct tally_key key;
	int64_t n[TALLY_COUNTS];
	struct hist attempts, tasks; /* latencies, of what was waited for */
	/* Audits that had an answer, by what was audited: the same completions
	 * of the top tier, which a second run had from the store, are no second
	 * audit. Of each twice a hash, plus 1 where it differs. */
	uint64_t *once;
	size_t n_once, cap_once;
};
#define TALLY_QUARTER_MS ((int64_t)900000)

struct tally; /* opaque */

struct tally *tally_new(void); /* NULL: out of memory */
void tally_free(struct tally *t);
void tally_clear(struct tally *t);

struct tally_rules { /* zeroed: everything */
	struct str model; /* attempts with this alone; see model_is() */
	struct str word;  /* of CLIMB and AUDIT cells: a tag's value, say */
};
/* False: out of memory. */
bool tally_add_task(struct tally *t, const struct ledger_task *task,
    const struct tally_rules *r);
bool tally_add_end(struct tally *t, const struct entry_end *e);

/* Every cell, in no order; *i starts at 0. NULL at the end. */
const struct tally_cell *tally_each(const struct tally *t, size_t *i);

bool tally_encode(const struct tally *t, struct buf *out);
/* Add what was encoded. 1, 0: damaged (some of it may be added), -1: out of
 * memory. */
int tally_decode(struct tally *t, struct str bytes);

/* Is this "provider/model" meant by `arg`: the same, its part after the slash,
 * or a pattern of either in which * alone is special? Empty: any. */
bool model_is(struct str model, struct str arg);

/* a + b, saturated; b may be MONEY_UNKNOWN, which is left out. */
void tally_sum(int64_t *sum, int64_t v);

#endif
