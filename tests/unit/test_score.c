/*
 * test_score.c -- scores keep their digits and read back as they are shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/rand.h"
#include "scorers/score.h"

/* What a reader of score_show()'s text makes of it. */
static struct score
read_back(struct str text)
{
	double v;

	if (str_starts(text, "log ")) {
		if (str_is(text, "log -inf"))
			return score_of_ln(-INFINITY);
		assert_true(str_to_double(str_sub(text, 4, text.n), &v));
		return score_of_ln(v);
	}
	assert_true(str_to_double(text, &v));
	return score_of_p(v);
}

static void
shows_as(struct score s, const char *expected)
{
	struct buf b;
	struct score again;

	buf_init(&b, 100);
	score_show(&b, s);
	assert_false(b.failed);
	if (expected)
		assert_string_equal(b.p, expected);
	again = read_back(buf_str(&b));
	assert_int_equal(score_cmp(s, again), 0);
	assert_memory_equal(&s.p, &again.p, sizeof(s.p));
	buf_release(&b);
}

static void
a_probability_is_clamped_and_nan_is_0(void **state)
{
	(void)state;
	assert_true(score_of_p(-0.5).p == 0);
	assert_true(score_of_p(-0.5).ln == -INFINITY);
	assert_true(score_of_p(-0.0).ln == -INFINITY);
	assert_false(signbit(score_of_p(-0.0).p));
	assert_true(score_of_p(1.5).p == 1);
	assert_true(score_of_p(1.5).ln == 0);
	assert_true(score_of_p(NAN).p == 0);
	assert_true(score_of_p(NAN).ln == -INFINITY);
	assert_true(score_of_p(0.5).ln == log(0.5));
}

static void
a_logarithm_is_clamped_and_nan_is_0(void **state)
{
	(void)state;
	assert_true(score_of_ln(0.5).p == 1);
	assert_true(score_of_ln(0.5).ln == 0);
	assert_false(signbit(score_of_ln(-0.0).ln));
	assert_true(score_of_ln(-INFINITY).p == 0);
	assert_true(score_of_ln(NAN).p == 0);
	assert_true(score_of_ln(NAN).ln == -INFINITY);
	assert_true(score_of_ln(-4.7e-12).ln == -4.7e-12);
}

static void
scores_are_compared_by_their_logarithm(void **state)
{
	(void)state;
	/* As doubles both probabilities are 1, or 0. */
	assert_int_equal(score_cmp(score_of_ln(-1e-18), score_of_ln(-1e-19)),
	    -1);
	assert_int_equal(score_cmp(score_of_ln(-1e-19), score_of_ln(-1e-18)), 1);
	assert_int_equal(score_cmp(score_of_ln(-2000), score_of_ln(-1000)), -1);
	assert_int_equal(score_cmp(score_of_p(0), score_of_p(0)), 0);
	assert_int_equal(score_cmp(score_of_p(0), score_of_ln(-1e300)), -1);
	assert_int_equal(score_cmp(score_of_p(4.0 / 5), score_of_p(0.8)), 0);
	assert_int_equal(score_cmp(score_of_p(2), score_of_p(1)), 0);
}

static void
a_score_is_shown_shortly_where_nothing_is_lost(void **state)
{
	(void)state;
	shows_as(score_of_p(0), "0");
	shows_as(score_of_p(1), "1");
	shows_as(score_of_p(0.8), "0.8");
	shows_as(score_of_p(0.99999), "0.99999");
	shows_as(score_of_p(2.0 / 3), "0.6666666666666666");
	shows_as(score_of_ln(-4.7e-12), "log -4.7e-12");
	shows_as(score_of_ln(-1e-18), "log -1e-18");
	shows_as(score_of_ln(-9999), "log -9999");
	shows_as(score_of_ln(-INFINITY), "0");
}

static void
every_score_reads_back_as_it_is_shown(void **state)
{
	struct rng rng;
	int i;

	(void)state;
	rng_seed(&rng, 7);
	for (i = 0; i < 20000; i++) {
		double u = rng_unit(&rng);

		shows_as(score_of_p(u), NULL);
		shows_as(score_of_p(1 - u * 1e-12), NULL);
		shows_as(score_of_ln(-u), NULL);
		shows_as(score_of_ln(-u * pow(10, -20 + 40 * u)), NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probability_is_clamped_and_nan_is_0),
		cmocka_unit_test(a_logarithm_is_clamped_and_nan_is_0),
		cmocka_unit_test(scores_are_compared_by_their_logarithm),
		cmocka_unit_test(a_score_is_shown_shortly_where_nothing_is_lost),
		cmocka_unit_test(every_score_reads_back_as_it_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
