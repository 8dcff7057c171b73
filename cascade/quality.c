/*
 * quality.c -- the logistic curve of right over score.
 */
#include "cascade/quality.h"

#include <math.h>

#define MAX_LOGIT 40.0
#define PRIOR_B 1e-2    /* 1 / variance of the slope's prior */
#define PRIOR_A 1e-3
#define STEPS 50
#define BINS 10

double
quality_logit(double score)
{
	double x;

	if (score >= 0)
		return MAX_LOGIT;
	/* log(1 - exp(score)), without loss at either end */
	x = score - (score > -M_LN2 ? log(-expm1(score))
	    : log1p(-exp(score)));
	return x > MAX_LOGIT ? MAX_LOGIT : x > -MAX_LOGIT ? x : -MAX_LOGIT;
}

static double
logistic(double z)
{
	return 1 / (1 + exp(-z));
}

/* Gradient g and Hessian h (aa, ab, bb) of the penalised negative
 * log-likelihood. */
static void
slopes(struct curve c, const double *logit, const uint8_t *right, size_t n,
    double g[2], double h[3])
{
	g[0] = PRIOR_A * c.a;
	g[1] = PRIOR_B * c.b;
	h[0] = PRIOR_A;
	h[1] = 0;
	h[2] = PRIOR_B;
	for (size_t i = 0; i < n; i++) {
		double x = logit[i];
		double p = logistic(c.a + c.b * x), w = p * (1 - p);
		g[0] += p - right[i];
		g[1] += (p - right[i]) * x;
		h[0] += w;
		h[1] += w * x;
		h[2] += w * x * x;
	}
}

struct curve
quality_fit(const double *logit, const uint8_t *right, size_t n)
{
	struct curve c = { 0, 0 };
	double g[2], h[3], det, da, db, step;

	for (int i = 0; i < STEPS; i++) {
		slopes(c, logit, right, n, g, h);
		det = h[0] * h[2] - h[1] * h[1];
		if (!(det > 0))
			break;
		da = (h[2] * g[0] - h[1] * g[1]) / det;
		db = (h[0] * g[1] - h[1] * g[0]) / det;
		/* Far from the top a full step may overshoot. */
		step = fabs(da) > 4 ? 4 / fabs(da) : 1;
		if (fabs(db) * step > 1)
			step = 1 / fabs(db);
		c.a -= step * da;
		c.b -= step * db;
		if (fabs(da) + fabs(db) < 1e-10)
			break;
	}
	if (c.b < 0) { /* a score that means the opposite means nothing */
		double k = 0;
		for (size_t i = 0; i < n; i++)
			k += right[i];
		c.b = 0;
		c.a = log((k + 0.5) / ((double)n - k + 0.5));
	}
	return c;
}

double
quality_of(const struct curve *c, double logit)
{
	return logistic(c->a + c->b * logit);
}

double
quality_calibration(const double *score, const uint8_t *right,
    const uint32_t *order, size_t n)
{
	double error = 0;

	for (size_t b = 0; n && b < BINS; b++) {
		size_t from = n * b / BINS, to = n * (b + 1) / BINS;
		double diff = 0;
		for (size_t i = from; i < to; i++)
			diff += right[order[i]] - exp(score[order[i]]);
		error += fabs(diff) / (double)n;
	}
	return error;
}

struct accepted
quality_accept(const double *score, const uint8_t *right,
    const uint32_t *order, size_t n, double least)
{
	struct accepted best = { .threshold = 1 };
	size_t k = 0;

	for (size_t i = 0; i < n && isfinite(score[order[i]]); i++) {
		double s = score[order[i]];
		k += right[order[i]];
		if (i + 1 < n && score[order[i + 1]] == s)
			continue;
		/* A share that is a quotient of counts is met by its equal. */
		if ((double)k >= least * (double)(i + 1) - 1e-9)
			best = (struct accepted){ s, i + 1, k };
	}
	return best;
}

struct accepted
quality_accepted(const double *score, const uint8_t *right, size_t n,
    double threshold)
{
	struct accepted a = { .threshold = threshold };

	for (size_t i = 0; i < n; i++)
		if (score[i] >= threshold) {
			a.n++;
			a.right += right[i];
		}
	return a;
}
