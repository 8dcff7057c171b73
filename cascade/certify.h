/*
 * certify.h -- a promise about a cascade that holds for tasks not yet seen:
 * "against always asking the top tier, at most `max_loss` of the answers are
 * lost on balance, and the chance that this promise is false is at most
 * `delta`" (delta = 1 - confidence).
 *
 * The net loss of a cascade is P(cascade wrong, top right) - P(cascade right,
 * top wrong); netloss.h tests it, in either of two ways. Cascades are tested in
 * a fixed order, the most careful first, until the first that fails; the last
 * that passed is promised. So ordered, each test may use all of delta (Learn
 * then Test, arXiv 2110.01052: fixed-sequence testing). Several orders share
 * delta: whatever is taken of them, one of all is false with a chance of at most
 * the sum.
 *
 * There are orders of two kinds, and none has seen the labels that test it, nor
 * scores or costs of their tasks:
 *
 *  - of pairs of a cheaper tier and the top one, at thresholds that are the
 *    same for all data. As many pairs as the labels can
 *    bear share half of delta, or all of it where that is all there is; which, and
 *    at first the most accurate, is seen from a twentieth of the labels (at
 *    least fifteen), and all others test them.
 *  - where there are labels enough, a quarter of them chooses one chain of two
 *    or three tiers and the order of its thresholds: from the most careful
 *    point of the chain's frontier to the boldest (Pareto testing, arXiv
 *    2210.07913). The other three quarters test it, with the other half of
 *    delta.
 *
 * Assumed: the labelled tasks are drawn like those to come, independently. Not
 * promised: anything of one task, of one kind of tasks, or of tasks that have
 * changed.
 */
#ifndef CASCADE_CERTIFY_H
#define CASCADE_CERTIFY_H

#include "cascade/netloss.h"
#include "cascade/search.h"

#define CERTIFY_STEPS 1024 /* of an order, at most */
#define CERTIFY_LONGEST 3  /* tiers in a chain */
#define CERTIFY_SHARED 16  /* pairs that share delta, at most */
#define CERTIFY_CHOOSING 4 /* of so many labels one chooses a chain */

struct certify_ask {
	double max_loss, delta;
	enum netloss_bound bound; /* what every order is tested by */
	size_t top;      /* column without scores; the tier compared with */
	double prior;    /* see ranks_init(), for choosing a chain */
	uint64_t seed;   /* of the part that chooses */
	struct netloss_shelf *shelf; /* may be NULL */
};

enum certify_verdict {
	CERTIFY_YES,
	CERTIFY_TOO_DEAR, /* something passes, but costs what the top does */
	CERTIFY_TOP_ONLY, /* even the most careful cascade fails: ask the top */
	CERTIFY_TOO_FEW,  /* no labels of this number could promise it */
	CERTIFY_NO_CHAIN, /* no tier with scores is cheaper than the top one */
};

struct certificate {
	enum certify_verdict verdict;
	struct policy policy;  /* the promised cascade */
	int64_t labels;        /* that it was tested on */
	int64_t chosen_on;     /* others, that chose it; 0: none did */
	size_t chains;         /* orders that shared delta */
	int64_t lost, gained;  /* among the labels */
	double cost;           /* a task, picodollars, on the same labels */
	/* Labels that it takes at least (TOO_FEW), or about, if what was seen
	 * goes on (TOP_ONLY; 0: it would not help). */
	int64_t needed;
};

/* Tests an order of cascades of one chain, careful first, on m. *passed is how
 * many passed, 0: none. out->policy, lost, gained and cost are of the last that
 * passed, or of the first if none did. -1: out of memory. */
int certify_order(const struct matrix *m, const struct policy *order,
    size_t n, size_t top, const struct netloss *test, size_t *passed,
    struct certificate *out, struct err *e);

/* The order of a pair: fixed thresholds, evenly by the log-odds of the score,
 * from "only a score of 1 is accepted" on. Gives how many. */
size_t certify_steps(const struct chain *c, struct policy order[CERTIFY_STEPS]);

/* The cheapest cascade that can be promised. 0, or -1 with *e: out of
 * memory. */
int certify_best(const struct matrix *m, const struct certify_ask *ask,
    struct certificate *out, struct err *e);
/* Of two samples of labels: the first chooses one chain and its order, the
 * second tests it with all of delta. A chain of three tiers is chosen only where
 * the second has five times the labels that netloss_needed() says and the chain
 * is cheaper than the best pair by more than a standard error, as a rehearsal
 * in five folds of the first has it (Breiman et al., 1984, choose so among
 * trees). Scores may have been learned on the first. */
int certify_chosen(const struct matrix *first, const struct matrix *rest,
    const struct certify_ask *ask, struct certificate *out, struct err *e);

#endif
