/*
 * netloss.h -- two exact tests of "at most this share of the answers is lost on
 * balance". Pure arithmetic.
 *
 * Of n tasks that are drawn independently, `lost` are right the old way alone
 * and `gained` the new way alone. With the shares p of the one and q of the
 * other, the hypothesis p - q >= most is rejected where the score statistic of
 * Tango (Statistics in Medicine 17, 1998),
 *
 *	Z = (lost - gained - n most) / sqrt(its variance, at the likeliest
 *	    p and q with p - q = most),
 *
 * is at or below -z. z is such that this happens with a probability of at most
 * delta whatever q is, by the trinomial distribution itself and not by the
 * normal one that Z resembles (an unconditional exact test: Hsueh, Liu and
 * Chen, Biometrics 57, 2001). So the promise holds for every n.
 *
 * That p - q = most is the worst case: what is rejected stays so with fewer
 * `lost`, hence a larger p with the same q makes it less likely.
 *
 * That no q between those that are computed is worse: the chance P of rejection
 * changes with q by at most sqrt(P (1 - P) I), I being the information of one
 * n-fold draw about q (the covariance of an event and the score, by Cauchy and
 * Schwarz), that is, asin(sqrt(P)) by at most half of the distance that is
 * measured by sqrt(I) dq. q is walked in steps short enough for that.
 *
 * The other one: the upper Clopper-Pearson bound of p less the lower one of q, at
 * half of delta each, is at or below `most`. It is exact too, but as wide as if
 * the worst of both came at once, and lets fewer be lost. It is also taken where
 * n is above NETLOSS_MOST.
 */
#ifndef CASCADE_NETLOSS_H
#define CASCADE_NETLOSS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLOSS_MOST 10000 /* labels; from there on it would take long */

enum netloss_bound {
	NETLOSS_EXACT,
	NETLOSS_CLOPPER_PEARSON, /* two bounds, for any n */
};

struct netloss_wish {
	double most, delta; /* in (0, 1) */
	enum netloss_bound bound;
};

struct netloss {
	int64_t n;
	struct netloss_wish wish;
	double z;       /* see above; unused with two bounds */
	int64_t *cap;   /* by `gained`: up to so many lost are few enough; -1:
	                   none are. NULL: two bounds are taken */
	int64_t rows;   /* of cap */
};

/* n > 0. -1: out of memory. */
int netloss_init(struct netloss *t, int64_t n, struct netloss_wish wish,
    struct err *e);
void netloss_release(struct netloss *t);

/* Tests that were made already: of use to who promises on many samples of the
 * same size. All zero to begin with. */
#define NETLOSS_SHELF 8
struct netloss_shelf {
	struct netloss test[NETLOSS_SHELF];
	size_t n;
};
/* The test is the shelf's, and stays until the next but six. NULL: *e. */
const struct netloss *netloss_get(struct netloss_shelf *s, int64_t n,
    struct netloss_wish wish, struct err *e);
void netloss_shelf_release(struct netloss_shelf *s);

/* Can it be promised that at most `most` is lost? */
bool netloss_passes(const struct netloss *t, int64_t lost, int64_t gained);

/* The labels that it takes at least: without any loss among them. */
int64_t netloss_needed(struct netloss_wish wish);

/* About as many as it takes if the shares lost and gained stay as they are; 0:
 * no number would do. */
int64_t netloss_guess(double lost, double gained, struct netloss_wish wish);

/* The z that a normal variable exceeds with a chance of delta, below 1/2. */
double netloss_quantile(double delta);

/* The chance of so few lost for so many gained, at p = most + q; for tests. */
double netloss_chance(const struct netloss *t, double q);

#endif
