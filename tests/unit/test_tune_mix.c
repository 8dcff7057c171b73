/*
 * test_tune_mix.c -- a coin toss where no cascade is worth the money.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cascade/quality.h"
#include "cascade/tune.h"

#define TASKS 400

static struct tuned t;
static struct lesson lesson[8];
static struct err e;

/* Small costs 10, is right in six of ten and has a score, big costs 100 and is
 * right in nine of ten. */
enum { SMALL_JUDGED, SMALL, BIG, COLUMNS };

static int
begin(void **state)
{
	static const bool judged[COLUMNS] = { true, false, false };
	struct matrix *m = matrix_new(TASKS, COLUMNS, judged);

	(void)state;
	if (!m)
		return -1;
	m->tasks = TASKS;
	for (size_t i = 0; i < TASKS; i++) {
		for (size_t k = 0; k < COLUMNS; k++) {
			m->col[k].cost[i] = k == BIG ? 100 : 10;
			m->col[k].right[i] = k == BIG ? i % 10 < 9
			    : i % 10 < 6;
		}
		m->col[SMALL_JUDGED].score[i] = -1 - (double)(i * 13 % 17);
	}
	m->col[BIG].tier = 1;
	t = (struct tuned){ .m = m, .lesson = lesson };
	return ranks_init(&t.ranks, m, 0, &e);
}

static int
end(void **state)
{
	(void)state;
	ranks_release(&t.ranks);
	matrix_free(t.m);
	return 0;
}

static struct lesson *
add(double budget, const struct chain *c, int64_t cost, double merit)
{
	struct lesson *l = &lesson[t.lessons++];

	*l = (struct lesson){ .budget = budget, .found = true, .merit = merit,
		.right = merit, .cost = (double)cost };
	l->point.chain = *c;
	l->point.cost = cost * TASKS;
	return l;
}

static const struct chain small = { 1, { SMALL } }, big = { 1, { BIG } };
static const struct chain both = { 2, { SMALL_JUDGED, BIG } };

static void
near(double got, double want)
{
	if (!(fabs(got - want) < 1e-9))
		fail_msg("%.17g is not %.17g", got, want);
}

static void
a_toss_uses_the_whole_budget(void **state)
{
	struct tune_mix mix;
	struct policy p;

	(void)state;
	add(10, &small, 10, 0.6);
	assert_false(tune_mix_within(&t, 9, &mix));
	assert_true(tune_mix_within(&t, 55, &mix));
	assert_true(mix.toss);
	near(mix.share, 0.5);
	near(mix.cost, 55);
	near(mix.right, 0.75);
	p = tune_mix_policy(&t, &mix, false);
	assert_int_equal(p.chain.n, 2);
	assert_int_equal(p.chain.col[0], SMALL);
	assert_int_equal(p.chain.col[1], BIG);
	assert_int_equal(p.rest, 1);
}

static void
those_who_begin_further_up_are_dealt_evenly(void **state)
{
	struct tune_mix mix;
	struct policy p;
	struct policy_sum sum = { 0 };

	(void)state;
	add(10, &small, 10, 0.6);
	assert_true(tune_mix_within(&t, 55, &mix));
	p = tune_mix_policy(&t, &mix, false);
	policy_add(&sum, &p, t.m);
	assert_in_range(sum.cost, 54 * TASKS, 56 * TASKS);
	assert_in_range(sum.right, 0.74 * TASKS, 0.76 * TASKS);
}

static void
a_cascade_that_is_worth_the_money_is_taken(void **state)
{
	struct tune_mix mix;

	(void)state;
	add(10, &small, 10, 0.6);
	add(55, &both, 55, 0.8);
	assert_true(tune_mix_within(&t, 55, &mix));
	assert_false(mix.toss);
	assert_int_equal(mix.first.point.chain.n, 2);
	near(mix.right, 0.8);
}

static void
a_cascade_and_its_last_tier_are_one_list(void **state)
{
	struct tune_mix mix;
	struct policy p;

	(void)state;
	add(10, &small, 10, 0.6);
	add(55, &both, 55, 0.85)->point.cut[0] = 5;
	assert_true(tune_mix_within(&t, 77.5, &mix));
	assert_true(mix.toss);
	near(mix.share, 0.5);
	near(mix.merit, 0.875);
	p = tune_mix_policy(&t, &mix, false);
	assert_int_equal(p.chain.n, 2);
	assert_int_equal(p.chain.col[0], SMALL_JUDGED);
	assert_int_equal(p.rest, 1);
	assert_true(p.threshold[0] > -INFINITY);
}

static void
a_tier_is_not_in_a_list_twice(void **state)
{
	struct tune_mix mix;

	(void)state;
	/* The cascade goes with big, not with small, whatever that promises. */
	add(10, &small, 10, 0.7);
	add(50, &small, 10, 0.7);
	add(90, &both, 90, 0.95);
	t.lessons = 3;
	assert_true(tune_mix_within(&t, 60, &mix));
	assert_true(mix.toss);
	assert_int_equal(mix.first.point.chain.n, 1);
	assert_int_equal(mix.rest.point.chain.n, 1);
	assert_int_equal(mix.rest.point.chain.col[0], BIG);
}

static void
the_lesson_of_the_budget_is_taken_not_the_luckiest(void **state)
{
	(void)state;
	add(10, &small, 10, 0.6);
	add(20, &both, 20, 0.93);
	add(30, &both, 30, 0.91);
	add(100, &big, 100, 0.9);
	near(tune_within(&t, 40)->budget, 30);
	assert_null(tune_within(&t, 9));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_toss_uses_the_whole_budget),
		T(those_who_begin_further_up_are_dealt_evenly),
		T(a_cascade_that_is_worth_the_money_is_taken),
		T(a_cascade_and_its_last_tier_are_one_list),
		T(a_tier_is_not_in_a_list_twice),
		T(the_lesson_of_the_budget_is_taken_not_the_luckiest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
