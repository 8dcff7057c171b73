/*
 * test_chance.c -- bounds and intervals, against sums of binomial terms and
 * against counting.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cascade/chance.h"

#define near(a, b, by) assert_true(fabs((a) - (b)) <= (by))

/* P(X <= k) of n draws of chance p, term by term. */
static double
binomial(int64_t k, int64_t n, double p)
{
	double sum = 0;

	for (int64_t i = 0; i <= k; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1)
		    - lgamma((double)(n - i) + 1) + (double)i * log(p)
		    + (double)(n - i) * log1p(-p));
	return sum;
}

static void
a_bound_is_where_the_tail_is_delta(void **state)
{
	static const double deltas[] = { 0.5, 0.05, 0.025, 0.001 };

	(void)state;
	for (int64_t n = 1; n < 60; n += 7)
		for (int64_t k = 0; k <= n; k++)
			for (size_t d = 0; d < 4; d++) {
				double up = chance_upper(k, n, deltas[d]);
				double low = chance_lower(k, n, deltas[d]);
				if (k < n)
					near(binomial(k, n, up), deltas[d],
					    1e-9);
				else
					assert_true(up == 1);
				if (k > 0)
					near(1 - binomial(k - 1, n, low),
					    deltas[d], 1e-9);
				else
					assert_true(low == 0);
				assert_true(low <= up || deltas[d] > 0.4);
			}
}

static void
bounds_hold_for_many_draws(void **state)
{
	(void)state;
	/* From tables of the normal, which is near at this size. */
	near(chance_upper(50000, 100000, 0.025), 0.503105, 2e-5);
	near(chance_lower(50000, 100000, 0.025), 0.496895, 2e-5);
	assert_true(chance_upper(0, 0, 0.05) == 1);
	assert_true(chance_lower(0, 0, 0.05) == 0);
}

static void
labels_needed_are_just_enough(void **state)
{
	static const double most[] = { 0.5, 0.05, 0.02, 0.001 };

	(void)state;
	assert_int_equal(chance_labels_needed(0.02, 0.025), 183);
	for (size_t i = 0; i < 4; i++) {
		int64_t n = chance_labels_needed(most[i], 0.025);
		assert_true(chance_upper(0, n, 0.025) <= most[i]);
		assert_true(n == 1 ||
		    chance_upper(0, n - 1, 0.025) > most[i]);
	}
}

static void
a_share_has_wilsons_interval(void **state)
{
	struct interval in = chance_share(8, 10);

	(void)state;
	near(in.low, 0.4901625, 1e-6);
	near(in.high, 0.9433178, 1e-6);
	in = chance_share(0, 10);
	assert_true(in.low == 0);
	near(in.high, 0.2775328, 1e-6);
}

/* Over draws of known chances the interval holds the difference about as often
 * as it says. */
static void
paired_intervals_hold_as_often_as_they_say(void **state)
{
	struct rng r;
	int held = 0, draws = 4000;

	(void)state;
	rng_seed(&r, 7);
	for (int d = 0; d < draws; d++) {
		int64_t gained = 0, lost = 0;
		struct interval in;
		for (int i = 0; i < 200; i++) {
			double u = rng_unit(&r);
			gained += u < 0.06;
			lost += u >= 0.06 && u < 0.16;
		}
		in = chance_paired(gained, lost, 200);
		held += in.low <= -0.04 && -0.04 <= in.high;
	}
	assert_in_range(held, draws * 93 / 100, draws * 97 / 100);
}

static void
auroc_counts_pairs(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (int round = 0; round < 200; round++) {
		uint32_t rank[12];
		uint8_t right[12];
		size_t n = 2 + rng_u64(&r) % 11;
		double wins = 0, pairs = 0, share;
		struct interval in;
		for (size_t i = 0; i < n; i++) {
			rank[i] = (uint32_t)(rng_u64(&r) % 5);
			right[i] = rng_u64(&r) % 2;
		}
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++) {
				if (!right[i] || right[j])
					continue;
				pairs++;
				wins += rank[i] < rank[j] ? 1
				    : rank[i] == rank[j] ? 0.5 : 0;
			}
		assert_true(chance_auroc(rank, right, n, &share, &in)
		    == (pairs > 0));
		if (pairs == 0)
			continue;
		near(share, wins / pairs, 1e-12);
		assert_true(in.low <= share && share <= in.high);
	}
}

static void
a_mean_has_an_interval(void **state)
{
	struct interval in = chance_mean(10, 30, 4); /* 1, 2, 3, 4 */

	(void)state;
	near(in.low, 2.5 - 1.959964 * sqrt(5.0 / 3 / 4), 1e-6);
	near(in.high, 2.5 + 1.959964 * sqrt(5.0 / 3 / 4), 1e-6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bound_is_where_the_tail_is_delta),
		cmocka_unit_test(bounds_hold_for_many_draws),
		cmocka_unit_test(labels_needed_are_just_enough),
		cmocka_unit_test(a_share_has_wilsons_interval),
		cmocka_unit_test(paired_intervals_hold_as_often_as_they_say),
		cmocka_unit_test(auroc_counts_pairs),
		cmocka_unit_test(a_mean_has_an_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
