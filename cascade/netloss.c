/*
 * netloss.c -- the exact tests of the net loss.
 */
#include "cascade/netloss.h"

#include <math.h>
#include <stdlib.h>

#include "cascade/chance.h"

#define FIRST_Z 1.0
#define STEP_Z 0.005
#define LAST_Z 8.0
/* P is kept below this share of delta where it is computed, so that steps in
 * between may have a length. */
#define NEARLY 0.98
#define TINY 1e-17 /* of a probability: what is left out is far below 1e-12 */
#define LEFT_OUT 1e-12
/* Cascades that differ from the top tier in more than this share of the tasks
 * are never passed: they would be tested against many q, and are hardly worth
 * it. */
#define MOST_DIFFER 0.75

/* --- the statistic ------------------------------------------------------- */

static double
statistic(const struct netloss *t, int64_t lost, int64_t gained)
{
	double n = (double)t->n, a = t->wish.most, d = (double)(lost + gained);
	double b = d * (1 - a) + 2 * a * (double)lost - 2 * a * n;
	double q = (b + sqrt(b * b + 8 * n * (double)gained * a * (1 - a)))
	    / (4 * n);

	if (q < 0)
		q = 0;
	return ((double)(lost - gained) - n * a)
	    / sqrt(n * (2 * q + a * (1 - a)));
}

/* cap of z; never above what it was. */
static void
set_caps(struct netloss *t, double z)
{
	int64_t most = 0;

	t->z = z;
	for (int64_t g = 0; g < t->rows; g++) {
		while (most <= t->n - g && statistic(t, most, g) <= -z)
			most++;
		while (most > 0 && statistic(t, most - 1, g) > -z)
			most--;
		if (most - 1 < t->cap[g])
			t->cap[g] = most - 1;
		if (t->cap[g] + g >= t->rows)
			t->cap[g] = t->rows - 1 - g;
	}
}

/* --- its chance ---------------------------------------------------------- */

/* P(k of n) at p. */
static double
binomial(int64_t k, int64_t n, double p)
{
	int sign;
	double a = (double)k, b = (double)n;

	if (p <= 0)
		return k == 0;
	return exp(lgamma_r(b + 1, &sign) - lgamma_r(a + 1, &sign)
	    - lgamma_r(b - a + 1, &sign) + a * log(p) + (b - a) * log1p(-p));
}

/* P(at most k of n) at p: from k downwards, or, where that would be nearly
 * all, what is above it. */
static double
at_most(int64_t k, int64_t n, double p)
{
	double odds = p / (1 - p), sum = 0, term;

	if (k < 0)
		return 0;
	if (k >= n)
		return 1;
	if ((double)k <= (double)n * p) {
		term = binomial(k, n, p);
		for (int64_t i = k; i >= 0 && term > TINY * (1 + sum); i--) {
			sum += term;
			term *= (double)i / ((double)(n - i + 1) * odds);
		}
		return sum;
	}
	term = binomial(k + 1, n, p);
	for (int64_t i = k + 1; i <= n && term > TINY; i++) {
		sum += term;
		term *= (double)(n - i) * odds / (double)(i + 1);
	}
	return 1 - sum;
}

/*
 * The same for one k and n after another that are near to each other, by steps
 * of one: with f(k, n) = P(k of n) and F(k, n) = P(at most k of n),
 *
 *	F(k, n - 1) = F(k, n) + p f(k, n - 1)
 *	F(k + 1, n) = F(k, n) + f(k + 1, n)
 *
 * A step adds a rounding error of some 1e-16, which is far below LEFT_OUT for
 * the steps that there are: where f is next to nothing, or the way is long, all
 * is computed anew.
 */
struct tail {
	double p, odds;
	int64_t k, n; /* n < 0: nothing yet */
	double f, sum; /* f(k, n), F(k, n) */
};

#define LONG_WAY 32
#define NEXT_TO_NOTHING 1e-280

static void
fewer_drawn(struct tail *t)
{
	t->f *= (double)(t->n - t->k) / ((double)t->n * (1 - t->p));
	t->n--;
	t->sum += t->p * t->f;
}

static void
more_drawn(struct tail *t)
{
	t->sum -= t->p * t->f;
	t->n++;
	t->f *= (double)t->n * (1 - t->p) / (double)(t->n - t->k);
}

static void
step_k(struct tail *t, int64_t to)
{
	for (; t->k < to; t->k++) {
		t->f *= (double)(t->n - t->k) * t->odds / (double)(t->k + 1);
		t->sum += t->f;
	}
	for (; t->k > to; t->k--) {
		t->sum -= t->f;
		t->f *= (double)t->k / ((double)(t->n - t->k + 1) * t->odds);
	}
}

static double
tail_at(struct tail *t, int64_t k, int64_t n)
{
	if (k < 0)
		return 0;
	if (k >= n)
		return 1;
	/* Down in n with k below all the way. */
	if (t->n < 0 || llabs(t->k - k) > LONG_WAY || llabs(t->n - n)
	    > LONG_WAY || t->f < NEXT_TO_NOTHING || t->k >= n) {
		*t = (struct tail){ t->p, t->odds, k, n, binomial(k, n, t->p),
			at_most(k, n, t->p) };
		return t->sum;
	}
	while (t->n > n)
		fewer_drawn(t);
	while (t->n < n)
		more_drawn(t);
	step_k(t, k);
	return t->sum;
}

double
netloss_chance(const struct netloss *t, double q)
{
	double p = (t->wish.most + q) / (1 - q), odds = q / (1 - q);
	double sum = 0, mean = (double)t->n * q, term;
	struct tail tail = { .p = p, .odds = p / (1 - p), .n = -1 };
	int64_t from = (int64_t)mean;

	if (from >= t->rows)
		from = t->rows - 1;
	term = binomial(from, t->n, q);
	for (int64_t g = from; g < t->rows && term > TINY; g++) {
		sum += term * tail_at(&tail, t->cap[g], t->n - g);
		term *= (double)(t->n - g) * odds / (double)(g + 1);
	}
	tail.n = -1;
	term = binomial(from, t->n, q);
	for (int64_t g = from; g > 0; g--) {
		term *= (double)g / ((double)(t->n - g + 1) * odds);
		if (term < TINY)
			break;
		sum += term * tail_at(&tail, t->cap[g - 1], t->n - g + 1);
	}
	return sum + LEFT_OUT;
}

/* --- the walk over q ----------------------------------------------------- */

static double
angle(double p)
{
	return asin(sqrt(p));
}

/* The next root of q, at most `far` away as information measures it: its
 * density, by the root, grows with q. */
static double
next_root(const struct netloss *t, double root, double far)
{
	double a = t->wish.most, to = root;

	for (int i = 0; i < 2; i++) {
		double q = to * to, none = 1 - a - 2 * q;
		if (none <= 0)
			return root + far / (2 * sqrt((double)t->n) * 1e3);
		to = root + far / (2 * sqrt((double)t->n * (1 + q / (a + q)
		    + 4 * q / none)));
	}
	return to;
}

/* All with more than MOST_DIFFER of the tasks are left out, so that from
 * somewhere on nothing passes. */
static bool
is_past(const struct netloss *t, double q)
{
	double differ = t->wish.most + 2 * q;

	return differ > MOST_DIFFER
	    && at_most(t->rows - 1, t->n, fmin(differ, 1)) < NEARLY * t->wish.delta;
}

/* Raises z, which makes the chances behind us smaller only, until none
 * is above delta. */
static void
walk(struct netloss *t)
{
	double most = angle(t->wish.delta), root = 0, z = t->z;

	while (!is_past(t, root * root) && z < LAST_Z) {
		double chance = netloss_chance(t, root * root);
		while (chance > NEARLY * t->wish.delta && z < LAST_Z) {
			z += STEP_Z;
			set_caps(t, z);
			chance = netloss_chance(t, root * root);
		}
		root = next_root(t, root, 2 * (most - angle(chance)));
	}
}

int
netloss_init(struct netloss *t, int64_t n, struct netloss_wish wish,
    struct err *e)
{
	*t = (struct netloss){ .n = n, .wish = wish, .z = FIRST_Z };
	if (wish.bound == NETLOSS_CLOPPER_PEARSON || n > NETLOSS_MOST)
		return 0;
	t->rows = (int64_t)(MOST_DIFFER * (double)n) + 1;
	t->cap = malloc((size_t)t->rows * sizeof(*t->cap));
	if (!t->cap)
		return err_nomem(e);
	for (int64_t g = 0; g < t->rows; g++)
		t->cap[g] = n;
	set_caps(t, t->z);
	walk(t);
	return 0;
}

void
netloss_release(struct netloss *t)
{
	free(t->cap);
	t->cap = NULL;
}

const struct netloss *
netloss_get(struct netloss_shelf *s, int64_t n, struct netloss_wish wish,
    struct err *e)
{
	struct netloss *t;

	for (size_t i = 0; i < s->n && i < NETLOSS_SHELF; i++) {
		t = &s->test[i];
		if (t->n == n && t->wish.most == wish.most
		    && t->wish.delta == wish.delta
		    && t->wish.bound == wish.bound)
			return t;
	}
	t = &s->test[s->n % NETLOSS_SHELF];
	netloss_release(t);
	if (netloss_init(t, n, wish, e) < 0) {
		t->n = 0; /* of no use to anybody */
		return NULL;
	}
	s->n++;
	return t;
}

void
netloss_shelf_release(struct netloss_shelf *s)
{
	for (size_t i = 0; i < NETLOSS_SHELF; i++)
		netloss_release(&s->test[i]);
	s->n = 0;
}

bool
netloss_passes(const struct netloss *t, int64_t lost, int64_t gained)
{
	if (!t->cap)
		return chance_upper(lost, t->n, t->wish.delta / 2)
		    - chance_lower(gained, t->n, t->wish.delta / 2) <= t->wish.most;
	return gained < t->rows && lost <= t->cap[gained];
}

/* --- how many labels ----------------------------------------------------- */

double
netloss_quantile(double delta)
{
	double low = 0, high = 40;

	for (int i = 0; i < 60; i++) {
		double z = (low + high) / 2;
		if (erfc(z / sqrt(2)) / 2 > delta)
			low = z;
		else
			high = z;
	}
	return high;
}

int64_t
netloss_needed(struct netloss_wish wish)
{
	int64_t n = chance_labels_needed(wish.most, NEARLY * wish.delta);

	if (wish.bound == NETLOSS_CLOPPER_PEARSON || n > NETLOSS_MOST)
		n = chance_labels_needed(wish.most, wish.delta / 2);
	return n;
}

/* Each bound reaches so far, and what the two are too wide by besides comes to
 * about 1 / n: with s the root of n, s s room >= s reach + 1. */
static double
guess_by_two(double lost, double gained, double z, double room)
{
	double reach = z * (sqrt(lost * (1 - lost))
	    + sqrt(gained * (1 - gained)));
	double s = (reach + sqrt(reach * reach + 4 * room)) / (2 * room);

	return s * s;
}

/* By the normal distribution, which is near enough for "about". */
int64_t
netloss_guess(double lost, double gained, struct netloss_wish wish)
{
	double net = lost - gained, room = wish.most - net, z, n;

	if (room <= 0)
		return 0;
	z = netloss_quantile(wish.delta);
	n = z * z * (lost + gained - net * net) / (room * room);
	if (wish.bound == NETLOSS_CLOPPER_PEARSON || n > NETLOSS_MOST)
		n = guess_by_two(lost, gained, netloss_quantile(wish.delta
		    / 2), room);
	return (int64_t)ceil(fmax(n, (double)netloss_needed(wish)));
}
