/*
 * quality.h -- how good an answer probably is, for choosing thresholds on few
 * labels: right or wrong as it was, drawn towards what a logistic curve over
 * the scores says of it.
 *
 * A threshold is chosen by a sum of differences of right and wrong; with some
 * hundred labels the best of all sums is mostly luck. The curve has two
 * numbers and hardly any luck, but is not quite the truth. The weight of the
 * curve is 300 / (300 + n): it does the work where labels are few and goes
 * away where they are many (an empirical-Bayes compromise; the curve is the one
 * that rational tuning, arXiv 2501.09345, builds on).
 */
#ifndef CASCADE_QUALITY_H
#define CASCADE_QUALITY_H

#include "cascade/matrix.h"

#define QUALITY_PRIOR 300.0 /* labels that weigh as much as the curve */

/* P(right | score) = 1 / (1 + exp(-(a + b x))), x the score's own log-odds
 * (-40 .. 40, so that 1 - 1e-12 is told from 1 - 1e-7). b >= 0. */
struct curve {
	double a, b;
};

/* By Newton's method on the penalised likelihood: a normal prior on b keeps it
 * finite where scores part right from wrong. n may be 0. */
struct curve quality_fit(const double *logit, const uint8_t *right, size_t n);
double quality_of(const struct curve *c, double logit);

/* The log-odds of a score that is given as a natural logarithm. */
double quality_logit(double score);

/* Expected calibration error: mean |share right - mean p| over 10 bins of
 * equal counts, of probabilities given as natural logarithms (Naeini et al.,
 * AAAI 2015, with equal counts). `order` is by score. */
double quality_calibration(const double *score, const uint8_t *right,
    const uint32_t *order, size_t n);

/* What a threshold accepts of all tasks. */
struct accepted {
	double threshold; /* natural logarithm; +1: above every score */
	size_t n, right;
};

/*
 * The most answers, from the highest score down, of which at least the share
 * `least` is right (`order` is by score): none where even the highest are not.
 * Equal scores stand or fall together; a score of -infinity says that there is
 * no answer to accept.
 */
struct accepted quality_accept(const double *score, const uint8_t *right,
    const uint32_t *order, size_t n, double least);
/* Those at or above a threshold. */
struct accepted quality_accepted(const double *score, const uint8_t *right,
    size_t n, double threshold);

#endif
