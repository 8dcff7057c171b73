/*
 * chance.h -- how sure a figure is: exact bounds of a share, intervals of
 * differences and of AUROC. Pure arithmetic.
 */
#ifndef CASCADE_CHANCE_H
#define CASCADE_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The regularised incomplete beta function I_x(a, b), a and b > 0, to about
 * 1e-13 (its continued fraction, by Lentz's method). */
double chance_beta(double x, double a, double b);

/*
 * Exact one-sided bounds of the chance of an event that happened k times in n
 * (Clopper & Pearson, Biometrika 26, 1934): the true chance is above `upper`,
 * or below `lower`, with a probability of at most `delta`. n = 0 tells nothing:
 * 1 and 0.
 */
double chance_upper(int64_t k, int64_t n, double delta);
double chance_lower(int64_t k, int64_t n, double delta);

/* The least n for which chance_upper(0, n, delta) <= most; most in (0, 1). */
int64_t chance_labels_needed(double most, double delta);

struct interval {
	double low, high;
};

/* The 95 % Wilson score interval of a share (JASA 22, 1927); n > 0. */
struct interval chance_share(double k, double n);

/*
 * The 95 % interval of the difference of two shares over the same n tasks, of
 * which `gained` are right the first way alone and `lost` the second way
 * alone: Wald's with 1 added to each (Agresti & Min, Stat. Med. 24, 2005; the
 * adjustment by 1/2 a cell). n > 0.
 */
struct interval chance_paired(int64_t gained, int64_t lost, int64_t n);

/* The 95 % interval of a mean from sums of n values and of their squares. */
struct interval chance_mean(double sum, double squares, int64_t n);

/*
 * The share of pairs (a right and a wrong one) in which the right one scores
 * higher, ties half, with its 95 % interval (DeLong, Biometrics 44, 1988).
 * `rank` is the dense rank of each score, highest first. False: all are right
 * or all are wrong, or memory is out.
 */
bool chance_auroc(const uint32_t *rank, const uint8_t *right, size_t n,
    double *share, struct interval *in);

#endif
