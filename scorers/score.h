/*
 * score.h -- a score or a threshold: a probability in [0, 1] that keeps its
 * digits next to 1, where they matter, by keeping its natural logarithm.
 */
#ifndef SCORERS_SCORE_H
#define SCORERS_SCORE_H

#include "base/str.h"

struct score {
	double p;  /* in [0, 1] */
	double ln; /* natural logarithm of the same, in [-inf, 0] */
};

struct score score_of_p(double p);   /* clamps to [0, 1]; NaN is 0 */
struct score score_of_ln(double ln); /* clamps to [-inf, 0]; NaN is -inf */
/* a < b, a == b, a > b: -1, 0, 1; by the logarithm. */
int score_cmp(struct score a, struct score b);
/* "0.8", "0.99999", or "log -4.7e-12" where p alone would lose digits:
 * always reads back to the same score. */
void score_show(struct buf *out, struct score s);

#endif
