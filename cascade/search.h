/*
 * search.h -- the frontier over all chains of a matrix, and what of it holds
 * on tasks that it was not learned from.
 */
#ifndef CASCADE_SEARCH_H
#define CASCADE_SEARCH_H

#include "cascade/frontier.h"

struct search_options {
	size_t longest;  /* tiers in a chain: 1 .. FRONTIER_MAX_CHAIN */
	double prior;    /* see ranks_init() */
	bool honest;     /* see frontier_points() */
	/* Of cross-validation, at most 10; 0: SEARCH_FOLDS, and nothing else
	 * where the matrix has scores without a fold. */
	size_t folds;
	/* Told how much of how much is done; may be NULL. False stops the
	 * search with ERR_INTERRUPTED. */
	bool (*progress)(void *to, size_t done, size_t all);
	void *to;
};
#define SEARCH_FOLDS MATRIX_FOLDS

/*
 * All chains: the columns belong to different tiers, all but the last have
 * scores, the last has none, and no column costs more than the next on average
 * but for a tenth (equal prices may stand in either order). Shorter chains
 * first; the order of chains is always the same. NULL: out of memory; free()
 * it.
 */
struct chain *search_chains(const struct matrix *m, size_t longest, size_t *n);

/* The frontier of all of them. `ranks` is of the same matrix. NULL: *e. */
struct frontier *search_frontier(const struct ranks *ranks,
    const struct search_options *o, struct err *e);

/* A cascade with the thresholds themselves, for tasks it was not learned on. */
struct policy {
	struct chain chain;
	double threshold[FRONTIER_MAX_CHAIN - 1]; /* logarithms; 1: accepts none */
	/* Not 0: only `share` of the tasks begin at the first place, the others
	 * at this one. A column without scores before it accepts all. */
	uint8_t rest;
	double share;
};
struct policy policy_of(const struct ranks *ranks, const struct point *p);

/* Which place of the chain answers a task, from 0, and what it costs. Tasks
 * that begin further up are dealt evenly among the rows. */
size_t policy_run(const struct policy *p, const struct matrix *m, size_t task,
    int64_t *cost);

struct policy_sum {
	int64_t tasks, right, cost; /* picodollars */
};
void policy_add(struct policy_sum *sum, const struct policy *p,
    const struct matrix *m);

/* The best point within a total cost; NULL: none is that cheap. */
const struct point *search_within(const struct point *p, size_t n,
    double cost);

/*
 * What to take for one budget.
 *
 * The best of very many cascades on some hundred tasks is in part the luckiest
 * one: on real data the choice of the chain is worth ten times a finer
 * threshold, and more tiers mean more luck. So each chain's thresholds are set
 * on four fifths of the tasks and tried on the other fifth, five times over,
 * and averaged over the neighbouring budgets. The chain is taken whose mean of
 * that and of what it promises on all tasks is best (the one is fair and noisy,
 * the other steady and a little too good), with the thresholds that all tasks
 * give it. A chain of
 * more than two tiers must be better by SEARCH_ERRORS standard errors for each
 * tier more (Breiman's rule), taken as those of two cascades that differ in
 * one task in twenty.
 */
struct lesson {
	double budget;      /* a task, picodollars */
	bool found;         /* false: nothing is that cheap, nothing follows */
	struct point point; /* thresholds and sums of all tasks */
	/* On tasks not learned from, by cross-validation, a task. Of this way
	 * of choosing: the chain of each fold is the other folds' choice. Of a
	 * single model its own figures. */
	double right, cost;
	double merit;       /* what it was chosen by, see above */
	/* The coin toss between two single models at that cost. */
	double toss;
	bool honest; /* it is one model, or better than the toss by the merit:
	                the best that is known of it, while `right` is fair but
	                noisy and may be below the toss now and then */
};
#define SEARCH_ERRORS 1.0

/* `budget` has n of them, rising. Of o->honest: a cascade that does no better
 * than the toss gives way to the best single model, or to the best that was
 * found for less. */
int search_lessons(const struct ranks *ranks, const struct search_options *o,
    const double *budget, struct lesson *out, size_t n, struct err *e);

#endif
