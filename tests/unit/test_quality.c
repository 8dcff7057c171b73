/*
 * test_quality.c -- the logistic curve against a search for its best place,
 * and what ranks make of it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cascade/frontier.h"
#include "cascade/quality.h"

static struct rng rng;

/* The penalised log-likelihood that the fit is to make greatest. */
static double
likelihood(double a, double b, const double *x, const uint8_t *right, size_t n)
{
	double sum = -(1e-3 * a * a + 1e-2 * b * b) / 2;

	for (size_t i = 0; i < n; i++) {
		double z = a + b * x[i];
		sum += right[i] ? -log1p(exp(-z)) : -log1p(exp(z));
	}
	return sum;
}

static void
the_curve_is_the_likeliest(void **state)
{
	(void)state;
	for (int round = 0; round < 40; round++) {
		double x[60], best;
		uint8_t right[60];
		struct curve c;
		for (size_t i = 0; i < 60; i++) {
			x[i] = quality_logit(log(rng_unit(&rng)));
			right[i] = rng_unit(&rng) < 1 / (1 + exp(-x[i]));
		}
		c = quality_fit(x, right, 60);
		best = likelihood(c.a, c.b, x, right, 60);
		if (c.b == 0)
			continue; /* the score meant the opposite */
		for (int k = 0; k < 200; k++) {
			double a = c.a + (rng_unit(&rng) - 0.5) / 2;
			double b = c.b + (rng_unit(&rng) - 0.5) / 2;
			assert_true(likelihood(a, b, x, right, 60)
			    <= best + 1e-9);
		}
	}
}

static void
scores_that_part_right_from_wrong_keep_the_curve_finite(void **state)
{
	double x[20];
	uint8_t right[20];
	struct curve c;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		x[i] = (double)i - 9.5;
		right[i] = i >= 10;
	}
	c = quality_fit(x, right, 20);
	assert_true(isfinite(c.a) && c.b > 1 && c.b < 100);
	assert_true(quality_of(&c, 5) > 0.9 && quality_of(&c, -5) < 0.1);
	for (size_t i = 0; i < 20; i++)
		right[i] = i < 10; /* upside down */
	c = quality_fit(x, right, 20);
	assert_true(c.b == 0);
	assert_true(fabs(quality_of(&c, 3) - 0.5) < 1e-9);
	c = quality_fit(x, right, 0);
	assert_true(fabs(quality_of(&c, 0) - 0.5) < 0.5);
}

static void
log_odds_keep_the_digits_next_to_1(void **state)
{
	(void)state;
	assert_true(fabs(quality_logit(log(0.8)) - log(4)) < 1e-12);
	assert_true(fabs(quality_logit(-1e-12) - log(1e12)) < 1e-6);
	assert_true(quality_logit(0) == 40);
	assert_true(quality_logit(-INFINITY) == -40);
	assert_true(quality_logit(-1e-9) < quality_logit(-1e-10));
}

static void
calibration_is_what_bins_are_off_by(void **state)
{
	double score[20];
	uint8_t right[20];
	uint32_t order[20];

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		score[i] = log(0.75);
		right[i] = 1;
		order[i] = i;
	}
	assert_true(fabs(quality_calibration(score, right, order, 20) - 0.25)
	    < 1e-12);
	for (size_t i = 0; i < 20; i += 2)
		right[i] = 0; /* every bin of two has one of each */
	assert_true(fabs(quality_calibration(score, right, order, 20) - 0.25)
	    < 1e-12);
	assert_true(quality_calibration(score, right, order, 0) == 0);
}

/* 300 / (300 + n) of the way from what was to what the curve says; a plain
 * column by its tier's scores. */
static void
answers_are_drawn_towards_the_curve(void **state)
{
	struct matrix *m = matrix_new(100, 2, (bool[]){ true, false });
	double logit[100];
	struct ranks ranks;
	struct curve c;
	struct err e;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < 100; i++) {
		m->col[0].score[i] = log(rng_unit(&rng));
		m->col[0].right[i] = rng_unit(&rng)
		    < exp(m->col[0].score[i]);
		m->col[1].right[i] = rng_unit(&rng) < 0.5;
		logit[i] = quality_logit(m->col[0].score[i]);
	}
	assert_int_equal(ranks_init(&ranks, m, QUALITY_PRIOR, &e), 0);
	for (size_t k = 0; k < 2; k++) {
		c = quality_fit(logit, m->col[k].right, 100);
		for (size_t i = 0; i < 100; i++)
			assert_true(fabs(ranks.col[k].right[i]
			    - (0.25 * m->col[k].right[i]
			    + 0.75 * quality_of(&c, logit[i]))) < 1e-12);
	}
	ranks_release(&ranks);
	assert_int_equal(ranks_init(&ranks, m, 0, &e), 0);
	for (size_t i = 0; i < 100; i++)
		assert_true(ranks.col[0].right[i] == m->col[0].right[i]);
	ranks_release(&ranks);
	matrix_free(m);
}

static void
equal_scores_have_one_rank(void **state)
{
	struct matrix *m = matrix_new(5, 1, (bool[]){ true });
	static const double score[] = { -1, 0, -2, 0, -INFINITY };
	static const uint32_t rank[] = { 1, 0, 2, 0, 3 };
	struct ranks ranks;
	struct err e;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < 5; i++)
		m->col[0].score[i] = score[i];
	assert_int_equal(ranks_init(&ranks, m, 0, &e), 0);
	assert_int_equal(ranks.col[0].ranks, 4);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(ranks.col[0].rank[i], rank[i]);
	assert_true(frontier_threshold(&ranks.col[0], 0) == 1);
	assert_true(frontier_threshold(&ranks.col[0], 1) == 0);
	assert_true(frontier_threshold(&ranks.col[0], 4) == -INFINITY);
	ranks_release(&ranks);
	matrix_free(m);
}

static void
rows_and_columns_are_copied(void **state)
{
	struct matrix *m = matrix_new(3, 2, (bool[]){ true, false }), *c;
	const uint32_t row[] = { 2, 2, 0 };
	const size_t column[] = { 1 };

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < 3; i++) {
		m->col[0].score[i] = -(double)i;
		m->col[0].cost[i] = 10 * (int64_t)i;
		m->col[1].right[i] = i == 2;
	}
	c = matrix_rows(m, row, 3);
	assert_int_equal(c->tasks, 3);
	assert_true(c->col[0].score[1] == -2);
	assert_int_equal(c->col[0].cost[2], 0);
	assert_true(fabs(matrix_accuracy(c, 1) - 2.0 / 3) < 1e-12);
	matrix_free(c);
	c = matrix_columns(m, column, 1);
	assert_int_equal(c->columns, 1);
	assert_null(c->col[0].score);
	matrix_free(c);
	assert_true(matrix_mean_cost(m, 0) == 10);
	assert_true(matrix_grow(m, 100));
	assert_true(m->room >= 100);
	assert_int_equal(m->col[0].cost[2], 20);
	matrix_free(m);
}

static void
scores_without_a_fold_go_with_the_columns(void **state)
{
	struct matrix *m = matrix_new(3, 2, (bool[]){ true, true }), *c;
	const uint32_t row[] = { 2, 0 };
	const size_t column[] = { 1, 0 };

	(void)state;
	assert_non_null(m);
	assert_true(matrix_nest(m, 0));
	for (size_t i = 0; i < 3; i++) {
		m->col[0].score[i] = -(double)i;
		m->col[1].score[i] = -10 - (double)i;
		m->col[0].without[3][i] = -100 - (double)i;
	}
	c = matrix_columns(m, column, 2);
	assert_null(c->col[0].without[0]);
	assert_true(c->col[1].without[3][2] == -102);
	matrix_free(m);
	m = matrix_rows_without(c, 3, row, 2);
	assert_true(m->col[0].score[0] == -12);
	assert_true(m->col[1].score[0] == -102);
	assert_null(m->col[1].without[3]);
	matrix_free(m);
	m = matrix_rows(c, row, 2);
	assert_true(m->col[1].score[0] == -2);
	matrix_free(m);
	matrix_free(c);
}

static int
seed(void **state)
{
	(void)state;
	rng_seed(&rng, 21);
	return 0;
}

static void
as_many_are_accepted_as_are_right_often_enough(void **state)
{
	/* Sorted already; equal scores stand or fall together. */
	static const double score[] = { -0.1, -0.2, -0.2, -0.3, -0.4, -0.5,
		-0.6, -INFINITY };
	static const uint8_t right[] = { 0, 1, 1, 1, 0, 1, 0, 1 };
	static const uint32_t order[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct accepted a;

	(void)state;
	/* shares, by the number accepted: 0, 2/3 of 3, 3/4, 3/5, 4/6, 4/7 */
	a = quality_accept(score, right, order, 8, 0.75);
	assert_true(a.threshold == -0.3 && a.n == 4 && a.right == 3);
	a = quality_accept(score, right, order, 8, 2.0 / 3);
	assert_true(a.threshold == -0.5 && a.n == 6 && a.right == 4);
	a = quality_accept(score, right, order, 8, 0.5);
	assert_true(a.threshold == -0.6 && a.n == 7 && a.right == 4);
	a = quality_accept(score, right, order, 8, 0.76);
	assert_true(a.threshold > 0 && a.n == 0 && a.right == 0);
	a = quality_accept(score, right, order, 0, 0);
	assert_true(a.n == 0);
	/* The wrong one of two equals comes along. */
	a = quality_accept(score + 1, (const uint8_t[]){ 1, 0 }, order, 2, 1);
	assert_true(a.threshold > 0 && a.n == 0);
	a = quality_accepted(score, right, 8, -0.2);
	assert_true(a.threshold == -0.2 && a.n == 3 && a.right == 2);
	a = quality_accepted(score, right, 8, 1);
	assert_int_equal(a.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_curve_is_the_likeliest),
		cmocka_unit_test(
		    scores_that_part_right_from_wrong_keep_the_curve_finite),
		cmocka_unit_test(log_odds_keep_the_digits_next_to_1),
		cmocka_unit_test(calibration_is_what_bins_are_off_by),
		cmocka_unit_test(answers_are_drawn_towards_the_curve),
		cmocka_unit_test(equal_scores_have_one_rank),
		cmocka_unit_test(rows_and_columns_are_copied),
		cmocka_unit_test(scores_without_a_fold_go_with_the_columns),
		cmocka_unit_test(as_many_are_accepted_as_are_right_often_enough),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
