/*
 * test_netloss.c -- the tests of the net loss, against sums over all that can
 * happen.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cascade/chance.h"
#include "cascade/netloss.h"

static struct err e;

static struct netloss_wish
exact(double most, double delta)
{
	return (struct netloss_wish){ most, delta, NETLOSS_EXACT };
}

/* P(l lost, g gained of n) at p and q. */
static double
trinomial(int64_t n, int64_t l, int64_t g, double p, double q)
{
	return exp(lgamma((double)n + 1) - lgamma((double)l + 1)
	    - lgamma((double)g + 1) - lgamma((double)(n - l - g) + 1)
	    + (double)l * log(p) + (double)g * log(q)
	    + (double)(n - l - g) * log1p(-p - q));
}

/* The chance that the test passes, cell by cell. */
static double
chance_to_pass(const struct netloss *t, double p, double q)
{
	double sum = 0;

	for (int64_t g = 0; g <= t->n; g++)
		for (int64_t l = 0; l + g <= t->n; l++)
			if (netloss_passes(t, l, g))
				sum += trinomial(t->n, l, g, p, q);
	return sum;
}

static void
a_false_promise_is_as_rare_as_it_says(void **state)
{
	static const struct {
		int64_t n;
		double most, delta;
	} v[] = { { 60, 0.05, 0.05 }, { 160, 0.02, 0.05 }, { 90, 0.1, 0.01 },
		{ 150, 0.05, 0.2 }, { 30, 0.3, 0.05 } };

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct netloss t;
		double worst = 0;
		assert_int_equal(netloss_init(&t, v[i].n, exact(v[i].most,
		    v[i].delta), &e), 0);
		for (double q = 1e-4; v[i].most + 2 * q < 1; q *= 1.15) {
			double p = v[i].most + q;
			double chance = chance_to_pass(&t, p, q);
			assert_true(fabs(chance - netloss_chance(&t, q))
			    < 1e-9);
			assert_true(chance <= v[i].delta);
			if (p + 0.01 + q < 1) /* more is lost: rarer still */
				assert_true(chance_to_pass(&t, p + 0.01, q)
				    < chance + 1e-12);
			if (chance > worst)
				worst = chance;
		}
		/* and it does not waste what it may */
		assert_true(worst > 0.8 * v[i].delta);
		netloss_release(&t);
	}
}

static bool
by_two_bounds(int64_t n, double most, double delta, int64_t l, int64_t g)
{
	return chance_upper(l, n, delta / 2) - chance_lower(g, n, delta / 2)
	    <= most;
}

/* P(k of n) at p, the plain way. */
static double
one_draw(int64_t k, int64_t n, double p)
{
	return exp(lgamma((double)n + 1) - lgamma((double)k + 1)
	    - lgamma((double)(n - k) + 1) + (double)k * log(p)
	    + (double)(n - k) * log1p(-p));
}

/* Where P(at most k of n), or P(k or more), is delta / 2: by bisection of the
 * sums themselves. */
static double
bound_by_sums(int64_t k, int64_t n, double half, bool upper)
{
	double low = 0, high = 1;

	if (upper ? k == n : k == 0)
		return upper;
	for (int i = 0; i < 50; i++) {
		double p = (low + high) / 2, sum = 0;
		for (int64_t j = upper ? 0 : k; j <= (upper ? k : n); j++)
			sum += one_draw(j, n, p);
		/* the one falls with p, the other rises */
		if (upper ? sum > half : sum < half)
			low = p;
		else
			high = p;
	}
	return high;
}

static struct netloss_wish
two_bounds(double most, double delta)
{
	return (struct netloss_wish){ most, delta, NETLOSS_CLOPPER_PEARSON };
}

static void
by_wish_two_bounds_are_taken_for_any_n(void **state)
{
	static const int64_t labels[] = { 150, 420 };
	double up[40], down[40];
	struct netloss t, other;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int64_t n = labels[i];
		size_t passed = 0, more = 0;
		for (int64_t k = 0; k < 40; k++) {
			up[k] = bound_by_sums(k, n, 0.025, true);
			down[k] = bound_by_sums(k, n, 0.025, false);
		}
		assert_int_equal(netloss_init(&t, n, two_bounds(0.05, 0.05),
		    &e), 0);
		assert_int_equal(netloss_init(&other, n, exact(0.05, 0.05),
		    &e), 0);
		for (int64_t l = 0; l < 40; l++)
			for (int64_t g = 0; g < 40; g++) {
				bool must = up[l] - down[g] <= 0.05;
				assert_int_equal(netloss_passes(&t, l, g),
				    must);
				passed += must;
				more += netloss_passes(&other, l, g) && !must;
			}
		assert_true(passed > 100 && more > 50);
		netloss_release(&t);
		netloss_release(&other);
	}
}

static void
two_bounds_say_how_many_labels_they_take(void **state)
{
	static const double lost[] = { 0.03, 0.01, 0.002, 0 };
	static const double gained[] = { 0.02, 0.005, 0, 0.004 };
	struct netloss t;
	int64_t n = netloss_needed(two_bounds(0.02, 0.05));

	(void)state;
	assert_int_equal(n, 183); /* 0.98^183 = 0.0248 */
	for (int64_t k = n - 1; k <= n + 1; k++) {
		assert_int_equal(netloss_init(&t, k, two_bounds(0.02, 0.05),
		    &e), 0);
		assert_int_equal(netloss_passes(&t, 0, 0), k > n - 1);
		netloss_release(&t);
	}
	for (size_t i = 0; i < 3; i++) {
		n = netloss_guess(lost[i], gained[i], two_bounds(0.02, 0.05));
		for (int64_t k = n * 8 / 10; k <= n * 12 / 10; k += n * 4 / 10) {
			double m = (double)k;
			assert_int_equal(netloss_init(&t, k, two_bounds(0.02,
			    0.05), &e), 0);
			assert_int_equal(netloss_passes(&t,
			    llround(lost[i] * m), llround(gained[i] * m)),
			    k > n);
			netloss_release(&t);
		}
	}
	assert_int_equal(netloss_guess(lost[3], gained[3], two_bounds(0.02,
	    0.05)), 183);
	assert_int_equal(netloss_guess(0.05, 0.02, two_bounds(0.02, 0.05)), 0);
	/* Where the exact test gives way to them, so does the number. */
	n = netloss_needed(exact(0.0002, 0.05));
	assert_int_equal(n, netloss_needed(two_bounds(0.0002, 0.05)));
	assert_int_equal(netloss_init(&t, n, exact(0.0002, 0.05), &e), 0);
	assert_true(netloss_passes(&t, 0, 0));
	netloss_release(&t);
}

/* What goes from one tail to the next is what each of them is by itself. */
static void
the_chance_is_the_sum_of_all_that_pass(void **state)
{
	static const int64_t labels[] = { 40, 150, 600 };
	static const double most[] = { 0.01, 0.05, 0.3 };
	struct netloss t;

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		double a = most[i % 3];
		int64_t n = labels[i / 3];
		assert_int_equal(netloss_init(&t, n, exact(a, 0.05), &e), 0);
		for (double q = 1e-5; (a + q) / (1 - q) < 0.9; q *= 2.3) {
			double sum = 0, p = (a + q) / (1 - q);
			for (int64_t g = 0; g < t.rows; g++) {
				double in = 0, at = one_draw(g, n, q);
				for (int64_t k = 0; at > 1e-20 && k <= n - g
				    && k <= t.cap[g]; k++)
					in += one_draw(k, n - g, p);
				sum += at * in;
			}
			assert_true(fabs(netloss_chance(&t, q) - sum) < 2e-12);
		}
		netloss_release(&t);
	}
}

static void
it_passes_what_two_bounds_pass_and_more(void **state)
{
	struct netloss t;
	size_t more = 0;

	(void)state;
	assert_int_equal(netloss_init(&t, 400, exact(0.05, 0.05), &e), 0);
	for (int64_t g = 0; g < 60; g++)
		for (int64_t l = 0; l < 100; l++) {
			bool old = by_two_bounds(400, 0.05, 0.05, l, g);
			assert_true(!old || netloss_passes(&t, l, g));
			more += netloss_passes(&t, l, g) && !old;
		}
	assert_true(more > 300);
	netloss_release(&t);
}

static void
fewer_lost_and_more_gained_never_hurt(void **state)
{
	struct netloss t;

	(void)state;
	assert_int_equal(netloss_init(&t, 300, exact(0.02, 0.05), &e), 0);
	for (int64_t g = 1; g < 90; g++) {
		assert_true(t.cap[g] >= t.cap[g - 1]);
		for (int64_t l = 1; l < 100; l++)
			assert_true(!netloss_passes(&t, l, g)
			    || netloss_passes(&t, l - 1, g));
	}
	netloss_release(&t);
}

static void
it_says_how_many_labels_it_takes(void **state)
{
	struct netloss t;
	int64_t n = netloss_needed(exact(0.02, 0.05));

	(void)state;
	assert_int_equal(n, 150); /* 0.98^150 = 0.0483 */
	for (int64_t k = n - 1; k <= n + 1; k++) {
		assert_int_equal(netloss_init(&t, k, exact(0.02, 0.05), &e), 0);
		assert_int_equal(netloss_passes(&t, 0, 0), k > n - 1);
		netloss_release(&t);
	}
	/* Half of what is needed is lost: so many that it can be seen. */
	n = netloss_guess(0.03, 0.02, exact(0.02, 0.05));
	assert_in_range(n, 1200, 1500);
	n = n * 21 / 20;
	assert_int_equal(netloss_init(&t, n, exact(0.02, 0.05), &e), 0);
	assert_true(netloss_passes(&t, n * 3 / 100, n * 2 / 100));
	netloss_release(&t);
	assert_int_equal(netloss_guess(0.05, 0.02, exact(0.02, 0.05)), 0);
}

static void
above_some_labels_two_bounds_are_taken(void **state)
{
	struct netloss t;

	(void)state;
	assert_int_equal(netloss_init(&t, NETLOSS_MOST + 1, exact(0.02, 0.05), &e),
	    0);
	for (int64_t l = 100; l < 300; l++)
		assert_int_equal(netloss_passes(&t, l, 20),
		    by_two_bounds(NETLOSS_MOST + 1, 0.02, 0.05, l, 20));
	netloss_release(&t);
}

static void
odd_wishes_end_too(void **state)
{
	static const double most[] = { 0.001, 0.4, 0.6, 0.999 };
	struct netloss t;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (int64_t n = 1; n < 20; n += 6) {
			assert_int_equal(netloss_init(&t, n, exact(most[i], 0.05),
			    &e), 0);
			for (double q = 1e-3; most[i] + 2 * q < 1; q += 0.01)
				assert_true(chance_to_pass(&t, most[i] + q, q)
				    <= 0.05);
			netloss_release(&t);
		}
}

static void
a_shelf_keeps_what_was_made(void **state)
{
	struct netloss_shelf s = { .n = 0 };
	const struct netloss *a = netloss_get(&s, 100, exact(0.05, 0.05), &e);

	(void)state;
	assert_non_null(a);
	assert_ptr_equal(netloss_get(&s, 100, exact(0.05, 0.05), &e), a);
	assert_ptr_not_equal(netloss_get(&s, 100, exact(0.05, 0.025), &e), a);
	for (int64_t n = 200; n < 200 + NETLOSS_SHELF; n++)
		assert_non_null(netloss_get(&s, n, exact(0.05, 0.05), &e));
	a = netloss_get(&s, 100, exact(0.05, 0.05), &e);
	assert_int_equal(a->n, 100);
	assert_ptr_not_equal(netloss_get(&s, 100, two_bounds(0.05, 0.05), &e),
	    a);
	netloss_shelf_release(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_false_promise_is_as_rare_as_it_says),
		cmocka_unit_test(the_chance_is_the_sum_of_all_that_pass),
		cmocka_unit_test(it_passes_what_two_bounds_pass_and_more),
		cmocka_unit_test(fewer_lost_and_more_gained_never_hurt),
		cmocka_unit_test(it_says_how_many_labels_it_takes),
		cmocka_unit_test(above_some_labels_two_bounds_are_taken),
		cmocka_unit_test(by_wish_two_bounds_are_taken_for_any_n),
		cmocka_unit_test(two_bounds_say_how_many_labels_they_take),
		cmocka_unit_test(odd_wishes_end_too),
		cmocka_unit_test(a_shelf_keeps_what_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
