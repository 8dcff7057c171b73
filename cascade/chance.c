/*
 * chance.c -- bounds and intervals.
 */
#include "cascade/chance.h"

#include <math.h>
#include <stdlib.h>

#define Z95 1.959963984540054 /* 97.5 % of the normal */

/* --- exact bounds -------------------------------------------------------- */

/* The continued fraction of I_x(a, b), for x < (a + 1) / (a + b + 2). */
static double
beta_fraction(double x, double a, double b)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), f, step;

	if (fabs(d) < tiny)
		d = tiny;
	d = 1 / d;
	f = d;
	for (int i = 1; i < 10000; i++) {
		double m = i, even = m * (b - m) * x
		    / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x
		    / ((a + 2 * m) * (a + 2 * m + 1));
		for (int k = 0; k < 2; k++) {
			double term = k ? odd : even;
			d = 1 + term * d;
			d = 1 / (fabs(d) < tiny ? tiny : d);
			c = 1 + term / c;
			if (fabs(c) < tiny)
				c = tiny;
			step = c * d;
			f *= step;
		}
		if (fabs(step - 1) < 1e-15)
			break;
	}
	return f;
}

/* lgamma() keeps the sign in a global; lgamma_r() does not. */
static double
log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

double
chance_beta(double x, double a, double b)
{
	double front;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b)
	    + a * log(x) + b * log1p(-x));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(x, a, b) / a;
	return 1 - front * beta_fraction(1 - x, b, a) / b;
}

/* The x with I_x(a, b) = p, on the side where the error is safe: the upper end
 * of the last bracket if `up`. */
static double
beta_inverse(double p, double a, double b, bool up)
{
	double low = 0, high = 1;

	for (int i = 0; i < 200 && high - low > 1e-15 * high; i++) {
		double mid = low + (high - low) / 2;
		if (chance_beta(mid, a, b) < p)
			low = mid;
		else
			high = mid;
	}
	return up ? high : low;
}

double
chance_upper(int64_t k, int64_t n, double delta)
{
	if (k >= n)
		return 1;
	if (k == 0)
		return -expm1(log(delta) / (double)n);
	return beta_inverse(1 - delta, (double)k + 1, (double)(n - k), true);
}

double
chance_lower(int64_t k, int64_t n, double delta)
{
	if (k <= 0 || n <= 0)
		return 0;
	if (k == n)
		return exp(log(delta) / (double)n);
	return beta_inverse(delta, (double)k, (double)(n - k) + 1, false);
}

int64_t
chance_labels_needed(double most, double delta)
{
	int64_t n = (int64_t)ceil(log(delta) / log1p(-most));

	while (n > 1 && chance_upper(0, n - 1, delta) <= most)
		n--;
	while (chance_upper(0, n, delta) > most)
		n++;
	return n;
}

/* --- intervals ----------------------------------------------------------- */

static struct interval
clamped(double mid, double half, double low, double high)
{
	struct interval in = { mid - half, mid + half };

	if (in.low < low)
		in.low = low;
	if (in.high > high)
		in.high = high;
	return in;
}

struct interval
chance_share(double k, double n)
{
	const double zz = Z95 * Z95;
	double p = k / n, mid = (p + zz / (2 * n)) / (1 + zz / n);
	double half = Z95 / (1 + zz / n)
	    * sqrt(p * (1 - p) / n + zz / (4 * n * n));

	return clamped(mid, half, 0, 1);
}

struct interval
chance_paired(int64_t gained, int64_t lost, int64_t n)
{
	double b = (double)gained + 0.5, c = (double)lost + 0.5;
	double all = (double)n + 2, diff = (b - c) / all;
	double half = Z95 * sqrt((b + c) - (b - c) * (b - c) / all) / all;

	return clamped(diff, half, -1, 1);
}

struct interval
chance_mean(double sum, double squares, int64_t n)
{
	double all = (double)n, mean = sum / all, var = 0;

	if (n > 1)
		var = (squares - sum * mean) / (all - 1);
	return clamped(mean, Z95 * sqrt((var > 0 ? var : 0) / all),
	    -INFINITY, INFINITY);
}

/* --- AUROC --------------------------------------------------------------- */

/* of[2 r] and of[2 r + 1]: how many wrong and right ones have rank r. */
static void
sum_auroc(const int64_t *of, size_t ranks, const double n[2], double *share,
    struct interval *in)
{
	double wrong_below = n[0], right_above = 0, mean[2] = { 0 };
	double squares[2] = { 0 }, var = 0;

	for (size_t r = 0; r < ranks; r++) {
		double wrong = (double)of[2 * r], right = (double)of[2 * r + 1];
		double v; /* of one of this rank: the share that it beats */
		wrong_below -= wrong;
		v = (wrong_below + wrong / 2) / n[0];
		mean[1] += right * v;
		squares[1] += right * v * v;
		v = (right_above + right / 2) / n[1];
		mean[0] += wrong * v;
		squares[0] += wrong * v * v;
		right_above += right;
	}
	*share = mean[1] / n[1];
	for (int k = 0; k < 2; k++)
		if (n[k] > 1)
			var += (squares[k] - mean[k] * mean[k] / n[k])
			    / (n[k] - 1) / n[k];
	*in = clamped(*share, Z95 * sqrt(var > 0 ? var : 0), 0, 1);
}

bool
chance_auroc(const uint32_t *rank, const uint8_t *right, size_t n,
    double *share, struct interval *in)
{
	double count[2] = { 0 };
	size_t ranks = 0;
	int64_t *of;

	for (size_t i = 0; i < n; i++) {
		count[right[i] != 0]++;
		if (rank[i] >= ranks)
			ranks = (size_t)rank[i] + 1;
	}
	if (count[0] == 0 || count[1] == 0)
		return false;
	of = calloc(2 * ranks, sizeof(*of));
	if (!of)
		return false;
	for (size_t i = 0; i < n; i++)
		of[2 * (size_t)rank[i] + (right[i] != 0)]++;
	sum_auroc(of, ranks, count, share, in);
	free(of);
	return true;
}
