/*
 * budget.h -- a cost cap that cannot be passed: the worst case of a request is
 * held before the request leaves, and what it cost takes its place afterwards.
 * Picodollars.
 */
#ifndef CASCADE_BUDGET_H
#define CASCADE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_NONE (-1) /* a cap that is not set */

struct budget {
	int64_t cap;  /* BUDGET_NONE: everything fits */
	int64_t held; /* spent, or held for requests under way */
	int64_t open; /* how many of those there are */
};

/* True: `worst` fits under the cap. MONEY_UNKNOWN never does if there is one. */
bool budget_fits(const struct budget *b, int64_t worst_picousd);
/* To be called once for each request that leaves, after budget_fits(); then
 * once, when it has ended, budget_settle() with the same worst case and what it
 * cost. A cost of MONEY_UNKNOWN leaves the worst case held. */
void budget_hold(struct budget *b, int64_t worst_picousd);
void budget_settle(struct budget *b, int64_t worst_picousd,
    int64_t cost_picousd);

#endif
