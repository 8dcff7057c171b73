/*
 * frontier.h -- the best quality that cascades reach at each cost.
 *
 * A cascade is a chain of columns (matrix.h) and a threshold for each but the
 * last: the first column whose score is at or above its threshold gives the
 * answer, else the last one does. With n tasks, at most n + 1 thresholds of a
 * column can be told apart: a threshold is named by its cut, the number of
 * different scores, from the highest down, that are accepted.
 *
 *   one tier     a point
 *   two tiers    all cuts, in one pass over the sorted scores: exact
 *   three tiers  all pairs of cuts; what the second tier's cuts change is
 *                kept by score while the first cut moves: exact, in
 *                cuts x cuts steps (above FRONTIER_EXACT different scores they
 *                are taken together in groups of equal counts)
 *   more         for each of a row of prices of quality, one threshold after
 *                another is set to its best with the others held until nothing
 *                moves: a search, not a proof
 *
 * What another point beats in both cost and quality is dropped as it comes.
 */
#ifndef CASCADE_FRONTIER_H
#define CASCADE_FRONTIER_H

#include "base/err.h"
#include "cascade/matrix.h"

#define FRONTIER_MAX_CHAIN 6
#define FRONTIER_EXACT 8192  /* different scores of a column */
#define FRONTIER_GROUPS 1024 /* beyond that, for three tiers and more */

/* A column made ready for summing. */
struct ranked {
	bool judged;
	uint32_t *order;  /* tasks, highest score first */
	uint32_t *rank;   /* of each task: 0 is the highest score */
	uint32_t ranks;   /* different scores */
	double *level;    /* the score of each rank */
	double *right;    /* expected, by task; see quality.h */
	int64_t *cost;    /* the matrix's */
	double sum_right;
	int64_t sum_cost;
};

struct ranks { /* all columns of one matrix */
	const struct matrix *m;
	struct ranked *col;
};

/*
 * `prior`: QUALITY_PRIOR, or 0 to take right and wrong as they are. A column
 * without scores takes the curve of its tier's first column with scores.
 * The matrix is borrowed. -1: out of memory.
 */
int ranks_init(struct ranks *r, const struct matrix *m, double prior,
    struct err *e);
void ranks_release(struct ranks *r);

struct chain {
	uint8_t n;
	uint8_t col[FRONTIER_MAX_CHAIN];
};

struct point {
	int64_t cost;  /* of all tasks, picodollars */
	double right;  /* expected number of right answers */
	struct chain chain;
	uint32_t cut[FRONTIER_MAX_CHAIN - 1];
};

struct frontier; /* opaque */

/* `ranks` is borrowed. NULL: out of memory. */
struct frontier *frontier_new(const struct ranks *ranks);
void frontier_free(struct frontier *f); /* NULL is fine */
void frontier_clear(struct frontier *f); /* as new, for other chains */

/*
 * Keep of what is added only the best point within each of n total costs,
 * rising: much faster, where that is all that is asked. *best has n points,
 * with .right -inf where nothing is that cheap, and is the caller's, as is the
 * array of costs; both are used until frontier_free().
 */
void frontier_within(struct frontier *f, const double *cost, size_t n,
    struct point *best);
/* Take scores together in so many groups of equal counts (for three tiers) if
 * there are more, where a rough answer does. */
void frontier_grouped(struct frontier *f, size_t groups);

/* All points of a chain: every column but the last has scores. */
int frontier_add(struct frontier *f, const struct chain *c, struct err *e);

/*
 * The points that nothing beats, by rising cost and quality. With `honest`, no
 * cascade among them that a coin toss between two of the single models added
 * reaches: it would have to lie above the upper hull of those.
 * The array is the frontier's, until the next call of anything.
 */
const struct point *frontier_points(struct frontier *f, bool honest,
    size_t *n, struct err *e); /* NULL: out of memory */

/* The quality of a coin toss between two points of single models (their upper
 * hull) at a cost; -inf below the cheapest. */
double frontier_toss(const struct frontier *f, double cost);

/* The threshold that a cut stands for: the least score accepted; 1 (not a
 * logarithm: +1 is above every score) if none is. */
double frontier_threshold(const struct ranked *c, uint32_t cut);

#endif
