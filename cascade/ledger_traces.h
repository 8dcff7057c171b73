/*
 * ledger_traces.h -- traces out of what the ledger and the store already hold,
 * at no cost: for `collect --from-ledger`, and for learning from what a cascade
 * in use has done.
 *
 * Of tasks with one id the latest counts. It has the tiers that were asked about
 * it, by a climb, by `collect` or for an audit, with those of their completions
 * that the store still has from the first on; the others are simply not there.
 * So a climb's traces are not a sample of tasks that every tier was asked about:
 * the top tier stands beside a cheaper one that was accepted only where an audit
 * asked it.
 *
 * The right answer is the one that the task had. A prompt of more than a
 * kilobyte is taken from the request, unless a template changed it: then its
 * beginning is all that there is. Of several prompts of a tier the completions
 * of one round stand in the order in which they came.
 */
#ifndef CASCADE_LEDGER_TRACES_H
#define CASCADE_LEDGER_TRACES_H

#include "cache/ledger.h"
#include "cascade/config.h"
#include "cascade/trace.h"

struct ledger_traces_counts {
	int64_t tasks, tiers;  /* given */
	int64_t labelled;      /* of the tasks */
	int64_t nothing;       /* tasks of which no completion is kept */
};

/*
 * Tasks in the order in which they were finished. cfg (may be NULL) says what
 * the tiers are called, what they cost, and what is the answer in a text; a tier
 * that is not in it is called by its model. `each` is given the task, which is
 * as trace_next() would give it; -1 from it, with *e, ends it. *counts is filled
 * in either case.
 */
int ledger_traces(struct store *s, const struct config *cfg,
    const struct ledger_filter *f, int (*each)(void *cookie,
    struct trace_task *t, struct err *e), void *cookie,
    struct ledger_traces_counts *counts, struct err *e);

#endif
