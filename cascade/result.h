/*
 * result.h -- what became of a task, and its two forms: the result object of
 * the output (design: Task and result objects) and the rows of the ledger.
 */
#ifndef CASCADE_RESULT_H
#define CASCADE_RESULT_H

#include "cache/ledger.h"
#include "cascade/config.h"
#include "cascade/task.h"

/* What a tier gave when all its samples were asked for: they are all here, in
 * the order of the slots of climb.h. */
struct visit {
	const struct tier *tier;
	const struct completion *c;
	size_t n;
};

/* Everything is borrowed from the task's arena and the configuration. */
struct result {
	const struct task *task;
	const struct cascade *cascade;
	enum task_status status;
	struct str text;     /* the answer as the model wrote it */
	struct str answer;   /* extracted; see has_answer */
	bool has_answer;
	enum tristate correct; /* against the task's reference; UNSET without one */
	int tier;            /* that answered, from 1; 0: none */
	struct str model;    /* provider/model that answered */
	bool scored;
	struct score score, threshold;
	struct str reason;   /* of the last verdict */
	int64_t cost_picousd;   /* paid now */
	int64_t booked_picousd; /* part of that: may have been billed, without
	                           an answer; at the worst case */
	int64_t cached_picousd; /* what the cached part had cost */
	int64_t top_picousd;    /* see result_top() */
	int64_t prompt_tokens, completion_tokens;
	int64_t latency_ms;
	bool cached;         /* every completion came out of the store */
	bool stopped;        /* the run was: the task is not done, for no fault of
	                        its own */
	struct ledger_attempt *attempts; /* of the tiers that were visited */
	size_t n_attempts;
	/* What the top tier said of the accepted answer: none of the attempts,
	 * and no part of the latency. NULL: there was no audit. */
	const struct ledger_attempt *audit;
	enum audit_outcome audit_outcome;
	int64_t audit_picousd;  /* part of the cost */
	/* CLIMB_ALL: the tiers that gave everything; TASK_ACCEPTED if it is all
	 * of them. Else NULL. */
	const struct visit *visits;
	size_t n_visits;
	struct str route;    /* why it did not begin at the first tier; empty: it
	                        did */
	struct str error_code, error_message; /* TASK_FAILED, TASK_BUDGET */
};

/*
 * What the task would have cost on the top tier alone, in picodollars. If the
 * top tier answered, if only for an audit: what that attempt cost, its cached part at the original
 * price. Otherwise an estimate: the tokens of one prompt and the mean
 * completion tokens of the last attempt, at the top tier's prices, times the
 * least number of samples that the top tier asks for, as of utc_ms. Unknown
 * without a price or without token counts.
 */
int64_t result_top(const struct cascade *k, const struct ledger_attempt *last,
    int64_t prompt_tokens, int64_t utc_ms);

/* One line of JSON without the line end. */
void result_json(struct buf *out, const struct result *r, bool simulated);

/* The tags of a task as a JSON object; nothing if it has none. */
void result_tags(struct buf *out, const struct task *t);

/* Rows for ledger_put(); `tags` is scratch that must outlive *out. */
void result_ledger(const struct result *r, struct str run, struct str source,
    int64_t now_utc_ms, struct buf *tags, struct buf *error,
    struct ledger_task *out);

#endif
