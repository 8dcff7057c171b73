/*
 * certify.h -- a promise about a cascade that holds for tasks not yet seen:
 * "against always asking the top tier, at most `max_loss` of the answers are
 * lost on balance, and the chance that this promise is false is at most
 * `delta`" (delta = 1 - confidence).
 *
 * The net loss of a cascade is P(cascade wrong, top right) - P(cascade right,
 * top wrong). From n labelled tasks it is bounded by the exact upper bound of
 * the first (Clopper-Pearson, delta / 2) less the exact lower bound of the
 * second (delta / 2). Cascades are tested in a fixed order, the most careful
 * first, until the first that fails; the last that passed is promised. So
 * ordered, each test may use all of delta (Learn then Test, arXiv 2110.01052:
 * fixed-sequence testing). Several orders, one a chain, share delta evenly.
 *
 * Assumed: the labelled tasks are drawn like those to come, and the order was
 * made without the labels that it is tested on. Not promised: anything of one
 * task, of one kind of tasks, or of tasks that have changed.
 */
#ifndef CASCADE_CERTIFY_H
#define CASCADE_CERTIFY_H

#include "cascade/search.h"

#define CERTIFY_STEPS 200  /* of an order */
#define CERTIFY_SHARED 16   /* so many chains share delta; of more, one is
                              chosen on a part of the labels */
#define CERTIFY_CHOOSING 3 /* that part: a third */

struct certify_ask {
	double max_loss, delta;
	size_t top;      /* column without scores; the tier compared with */
	double prior;    /* see ranks_init(), for choosing among chains */
	uint64_t seed;   /* of the part that chooses */
};

enum certify_verdict {
	CERTIFY_YES,
	CERTIFY_TOP_ONLY, /* even the most careful cascade fails: ask the top */
	CERTIFY_TOO_FEW,  /* no labels of this number could promise it */
	CERTIFY_NO_CHAIN, /* no tier with scores is cheaper than the top one */
};

struct certificate {
	enum certify_verdict verdict;
	struct policy policy;  /* the promised cascade */
	int64_t labels;        /* that it was tested on */
	int64_t chosen_on;     /* that chose the chain; 0: none were needed */
	size_t chains;         /* that shared delta */
	int64_t lost, gained;  /* among them */
	double bound;          /* of the net loss */
	double cost;           /* a task, picodollars, on the same labels */
	/* Labels that it takes at least (TOO_FEW), or about, if what was seen
	 * goes on (TOP_ONLY; 0: it would not help). */
	int64_t needed;
};

/* The upper bound of the net loss. */
double certify_bound(int64_t lost, int64_t gained, int64_t n, double delta);

/* Tests an order of cascades, careful first, on m. *passed is how many passed,
 * 0: none. out->lost, gained, bound and cost are of the last that passed, or
 * of the first if none did. */
void certify_order(const struct matrix *m, const struct policy *order,
    size_t n, const struct certify_ask *ask, size_t *passed,
    struct certificate *out);

/*
 * The order of a chain: all thresholds at the same quantile of their scores,
 * from "the best two-hundredth is accepted" on; labels are not looked at. `order`
 * has room for CERTIFY_STEPS. Gives how many.
 */
size_t certify_steps(const struct ranks *ranks, const struct chain *c,
    struct policy *order);

/* Among all pairs of a cheaper tier and the top one the cheapest that can be
 * promised. 0, or -1 with *e: out of memory. */
int certify_best(const struct matrix *m, const struct certify_ask *ask,
    struct certificate *out, struct err *e);
/* The same of two samples of labels: the first chooses one pair, the second
 * tests it. Scores may have been learned on the first. */
int certify_chosen(const struct matrix *first, const struct matrix *rest,
    const struct certify_ask *ask, struct certificate *out, struct err *e);

#endif
