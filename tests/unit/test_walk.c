/*
 * test_walk.c -- what is lost, for one set of thresholds after another: the
 * same as if each were run by itself.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cascade/walk.h"

#define TASKS 300

static struct rng rng;
static struct err e;

/* Of few levels, so that many scores are equal. */
static double
some_score(void)
{
	uint64_t k = rng_u64(&rng) % 12;

	return k == 0 ? -INFINITY : k == 1 ? 0 : -(double)k / 4;
}

static struct matrix *
some_matrix(void)
{
	struct matrix *m = matrix_new(TASKS, 4, (bool[]){ true, true, true,
	    false });

	assert_non_null(m);
	for (size_t k = 0; k < 4; k++)
		m->col[k].tier = k;
	for (size_t t = 0; t < TASKS; t++)
		for (size_t k = 0; k < 4; k++) {
			m->col[k].right[t] = rng_u64(&rng) % 4 < k + 1;
			m->col[k].cost[t] = (int64_t)(rng_u64(&rng) % 1000);
			if (m->col[k].score)
				m->col[k].score[t] = some_score();
		}
	return m;
}

static void
is_as_if_run_alone(const struct walk *w, const struct policy *p)
{
	int64_t lost = 0, gained = 0, sum = 0, cost;

	for (size_t t = 0; t < TASKS; t++) {
		size_t at = policy_run(p, w->m, t, &cost);
		bool right = w->m->col[p->chain.col[at]].right[t];
		bool top = w->m->col[3].right[t];
		lost += top && !right;
		gained += right && !top;
		sum += cost;
	}
	assert_int_equal(w->lost, lost);
	assert_int_equal(w->gained, gained);
	assert_int_equal(w->cost, sum);
}

static void
walks(struct chain c, bool down)
{
	struct matrix *m = some_matrix();
	struct policy p = { .chain = c };
	struct walk w;

	assert_int_equal(walk_begin(&w, m, &c, 3, &e), 0);
	for (size_t i = 0; i + 1u < c.n; i++)
		p.threshold[i] = 1;
	is_as_if_run_alone(&w, &p);
	for (int step = 0; step < 60; step++) {
		for (size_t i = 0; i + 1u < c.n; i++)
			p.threshold[i] = down ? -(double)step / 16
			    : some_score();
		walk_to(&w, &p);
		is_as_if_run_alone(&w, &p);
	}
	walk_end(&w);
	matrix_free(m);
}

static void
a_pair_is_walked_down(void **state)
{
	(void)state;
	walks((struct chain){ 2, { 0, 3 } }, true);
	walks((struct chain){ 2, { 2, 3 } }, true);
}

static void
chains_are_walked_up_and_down(void **state)
{
	(void)state;
	walks((struct chain){ 2, { 1, 3 } }, false);
	walks((struct chain){ 3, { 0, 1, 3 } }, true);
	walks((struct chain){ 3, { 1, 0, 3 } }, false);
	walks((struct chain){ 4, { 0, 1, 2, 3 } }, false);
}

static void
one_model_loses_what_it_loses(void **state)
{
	(void)state;
	walks((struct chain){ 1, { 3 } }, true);
	walks((struct chain){ 1, { 0 } }, true);
}

static int
seed(void **state)
{
	(void)state;
	rng_seed(&rng, 8);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_walked_down),
		cmocka_unit_test(chains_are_walked_up_and_down),
		cmocka_unit_test(one_model_loses_what_it_loses),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
