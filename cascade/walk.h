/*
 * walk.h -- what a cascade loses and gains against the top tier, for one set of
 * thresholds after another: from one to the next only those tasks are run again
 * whose score lies between the old threshold and the new one. So a pair whose
 * thresholds fall costs one sort and one pass, however many steps it takes.
 */
#ifndef CASCADE_WALK_H
#define CASCADE_WALK_H

#include "cascade/search.h"

struct walk {
	const struct matrix *m;
	struct chain chain;
	size_t top;
	uint32_t *order[FRONTIER_MAX_CHAIN]; /* by place: tasks, by falling
	                                        score; NULL: it has none */
	size_t accepted[FRONTIER_MAX_CHAIN]; /* so many of them are at or above
	                                        the threshold */
	uint8_t *place; /* by task: where it ends */
	/* Of all tasks: right at the top tier alone, and here alone;
	 * picodollars. */
	int64_t lost, gained, cost;
};

/* m is borrowed; no score is accepted anywhere to begin with. -1: out of
 * memory. walk_end() may be called all the same. */
int walk_begin(struct walk *w, const struct matrix *m, const struct chain *c,
    size_t top, struct err *e);
/* To a policy of the same chain, with all of the tasks at its first place. */
void walk_to(struct walk *w, const struct policy *p);
void walk_end(struct walk *w);

#endif
