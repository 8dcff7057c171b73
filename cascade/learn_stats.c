/*
 * learn_stats.c -- calibration, log-loss and areas.
 */
#include <math.h>
#include <stdlib.h>

#include "cascade/learn_internal.h"

#define MAX_STEPS 50
#define BINS 10

static double
chance(double z)
{
	return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

/* -ln chance(z) */
static double
loss(double z)
{
	return z >= 0 ? log1p(exp(-z)) : -z + log1p(exp(z));
}

double
learn_calibrated(struct platt p, double z)
{
	return p.scale * z + p.shift;
}

double
learn_log_loss(struct platt p, const struct outcome_pair *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		double z = learn_calibrated(p, v[i].z);
		sum += loss(v[i].right ? z : -z);
	}
	return n ? sum / (double)n : 0;
}

/* The smoothed targets: not quite 1 and not quite 0. */
struct targets {
	double right, wrong;
};

static double
smooth_loss(struct platt p, struct targets t, const struct outcome_pair *v,
    size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		double z = learn_calibrated(p, v[i].z);
		double y = v[i].right ? t.right : t.wrong;
		sum += y * loss(z) + (1 - y) * loss(-z);
	}
	return sum;
}

/* The Newton step from p: gradient over a slightly lifted Hessian. */
static struct platt
newton_step(struct platt p, struct targets t, const struct outcome_pair *v,
    size_t n)
{
	double g1 = 0, g2 = 0, h11 = 1e-9, h12 = 0, h22 = 1e-9, det;

	for (size_t i = 0; i < n; i++) {
		double q = chance(learn_calibrated(p, v[i].z));
		double d = q - (v[i].right ? t.right : t.wrong);
		double w = q * (1 - q);
		g1 += d * v[i].z;
		g2 += d;
		h11 += w * v[i].z * v[i].z;
		h12 += w * v[i].z;
		h22 += w;
	}
	det = h11 * h22 - h12 * h12;
	if (!(det > 0))
		return (struct platt){ 0, 0 };
	return (struct platt){ -(h22 * g1 - h12 * g2) / det,
	    -(h11 * g2 - h12 * g1) / det };
}

struct platt
learn_platt(const struct outcome_pair *v, size_t n)
{
	double right = 0, wrong, now, then, size;
	struct platt p, step, next;
	struct targets t;

	for (size_t i = 0; i < n; i++)
		right += v[i].right;
	wrong = (double)n - right;
	t = (struct targets){ (right + 1) / (right + 2), 1 / (wrong + 2) };
	p = (struct platt){ 0, log((right + 1) / (wrong + 1)) };
	now = smooth_loss(p, t, v, n);
	for (int i = 0; i < MAX_STEPS; i++) {
		step = newton_step(p, t, v, n);
		for (size = 1; size > 1e-10; size /= 2) {
			next = (struct platt){ p.scale + size * step.scale,
			    p.shift + size * step.shift };
			then = smooth_loss(next, t, v, n);
			if (then < now)
				break;
		}
		if (!(then < now - 1e-10 * (1 + fabs(now))))
			break;
		p = next;
		now = then;
	}
	/* A score that is worse than none says nothing: the share of right. */
	if (p.scale < 0)
		p = (struct platt){ 0, log((right + 1) / (wrong + 1)) };
	return p;
}

static int
by_z(const void *a, const void *b)
{
	double x = ((const struct outcome_pair *)a)->z;
	double y = ((const struct outcome_pair *)b)->z;

	return (x > y) - (x < y);
}

double
learn_auroc(struct outcome_pair *v, size_t n)
{
	double area = 0, right = 0, wrong = 0;

	qsort(v, n, sizeof(*v), by_z);
	for (size_t i = 0; i < n;) {
		double r = 0, w = 0;
		size_t k = i;
		for (; k < n && v[k].z == v[i].z; k++) {
			r += v[k].right;
			w += !v[k].right;
		}
		area += r * (wrong + w / 2);
		right += r;
		wrong += w;
		i = k;
	}
	return right > 0 && wrong > 0 ? area / (right * wrong) : 0.5;
}

double
learn_miscalibration(struct outcome_pair *v, size_t n)
{
	double sum = 0;

	qsort(v, n, sizeof(*v), by_z);
	for (size_t b = 0; b < BINS; b++) {
		double difference = 0;
		for (size_t i = n * b / BINS; i < n * (b + 1) / BINS; i++)
			difference += chance(v[i].z) - v[i].right;
		sum += fabs(difference);
	}
	return n ? sum / (double)n : 0;
}

/* --- areas with their intervals -------------------------------------------------- */

/* One answer: its score, and the share of the other kind that is on the wrong
 * side of it (DeLong's placement). */
struct placed {
	double z;
	bool right;
	size_t at; /* where it was before sorting */
};

static int
by_score(const void *a, const void *b)
{
	double x = ((const struct placed *)a)->z;
	double y = ((const struct placed *)b)->z;

	return (x > y) - (x < y);
}

/* place[i] of each answer: of a right one the share of wrong ones below it, of
 * a wrong one that of right ones above it; ties count half. */
static void
find_places(struct placed *v, size_t n, double *place)
{
	double right = 0, wrong = 0, all_right = 0, all_wrong;

	qsort(v, n, sizeof(*v), by_score);
	for (size_t i = 0; i < n; i++)
		all_right += v[i].right;
	all_wrong = (double)n - all_right;
	for (size_t i = 0, k; i < n; i = k) {
		double r = 0, w = 0;
		for (k = i; k < n && v[k].z == v[i].z; k++) {
			r += v[k].right;
			w += !v[k].right;
		}
		for (size_t j = i; j < k; j++)
			place[v[j].at] = v[j].right ?
			    (wrong + w / 2) / all_wrong :
			    (all_right - right - r / 2) / all_right;
		right += r;
		wrong += w;
	}
}

/* The area of placements p, less that of q (NULL: nothing), with its
 * interval. */
static struct learn_area
area_of(const double *p, const double *q, const bool *right, size_t n)
{
	double sum[2] = { 0 }, squares[2] = { 0 }, count[2] = { 0 }, mean;
	double variance = 0, half;

	for (size_t i = 0; i < n; i++) {
		double v = p[i] - (q ? q[i] : 0);
		sum[right[i]] += v;
		squares[right[i]] += v * v;
		count[right[i]]++;
	}
	if (count[0] < 2 || count[1] < 2)
		return (struct learn_area){ q ? 0 : 0.5, q ? -1 : 0, 1 };
	mean = sum[1] / count[1];
	for (int k = 0; k < 2; k++) {
		double m = sum[k] / count[k];
		variance += (squares[k] / count[k] - m * m) / (count[k] - 1);
	}
	half = 1.959963984540054 * sqrt(fmax(variance, 0));
	return (struct learn_area){ mean, fmax(mean - half, q ? -1 : 0),
	    fmin(mean + half, 1) };
}

int
learn_compare(const struct score *a, const struct score *b,
    const bool *right, size_t n, struct learn_areas *out, struct err *e)
{
	struct placed *v = calloc(n + 1, sizeof(*v));
	double *pa = calloc(n + 1, sizeof(*pa));
	double *pb = calloc(n + 1, sizeof(*pb));
	int rc = -1;

	*out = (struct learn_areas){ .b = { 0.5, 0, 1 } };
	if (!v || !pa || !pb) {
		err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = (struct placed){ a[i].ln, right[i], i };
	find_places(v, n, pa);
	for (size_t i = 0; b && i < n; i++)
		v[i] = (struct placed){ b[i].ln, right[i], i };
	if (b)
		find_places(v, n, pb);
	out->a = area_of(pa, NULL, right, n);
	if (b) {
		out->b = area_of(pb, NULL, right, n);
		out->more = area_of(pa, pb, right, n);
	}
	rc = 0;
out:
	free(pb);
	free(pa);
	free(v);
	return rc;
}
