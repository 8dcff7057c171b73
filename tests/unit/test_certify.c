/*
 * test_certify.c -- the promise: its arithmetic, its order, and how often it
 * is broken over many samples of labels.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cascade/certify.h"
#include "cascade/chance.h"

static struct rng rng;

/*
 * A task is as hard as u in [0, 1): the cheap tier is right on the easy ones
 * and says so with some noise, the top tier nearly always.
 */
static struct matrix *
world(size_t tasks, size_t cheap)
{
	bool judged[32];
	struct matrix *m;

	for (size_t k = 0; k <= cheap; k++)
		judged[k] = k < cheap;
	m = matrix_new(tasks, cheap + 1, judged);
	assert_non_null(m);
	for (size_t t = 0; t < tasks; t++) {
		double u = rng_unit(&rng);
		for (size_t k = 0; k < cheap; k++) {
			double p = 1 - u * (0.9 - 0.03 * (double)k);
			m->col[k].tier = k;
			m->col[k].right[t] = rng_unit(&rng) < p;
			m->col[k].score[t] = log(fmin(1, fmax(1e-9,
			    p + 0.1 * (rng_unit(&rng) - 0.5))));
			m->col[k].cost[t] = (int64_t)(10 + 5 * k);
		}
		m->col[cheap].tier = cheap;
		m->col[cheap].right[t] = rng_unit(&rng) < 0.97 - 0.2 * u;
		m->col[cheap].cost[t] = 100;
	}
	return m;
}

static double
true_loss(const struct matrix *m, const struct policy *p, size_t top)
{
	struct policy_sum sum = { 0 };

	policy_add(&sum, p, m);
	return matrix_accuracy(m, top)
	    - (double)sum.right / (double)sum.tasks;
}

static void
the_bound_is_that_of_both_sides(void **state)
{
	(void)state;
	assert_true(fabs(certify_bound(3, 5, 400, 0.05)
	    - (chance_upper(3, 400, 0.025) - chance_lower(5, 400, 0.025)))
	    < 1e-12);
	assert_true(certify_bound(0, 0, 183, 0.05) <= 0.02);
	assert_true(certify_bound(0, 0, 182, 0.05) > 0.02);
}

static void
the_order_is_careful_first_and_blind_to_labels(void **state)
{
	struct matrix *m = world(500, 1);
	struct chain c = { 2, { 0, 1 } };
	struct policy a[CERTIFY_STEPS], b[CERTIFY_STEPS];
	struct ranks r;
	struct err e;
	size_t n;

	(void)state;
	assert_int_equal(ranks_init(&r, m, 0, &e), 0);
	n = certify_steps(&r, &c, a);
	assert_in_range(n, CERTIFY_STEPS - 20, CERTIFY_STEPS);
	for (size_t i = 1; i < n; i++)
		assert_true(a[i].threshold[0] < a[i - 1].threshold[0]);
	for (size_t t = 0; t < m->tasks; t++)
		m->col[0].right[t] ^= 1;
	assert_int_equal(certify_steps(&r, &c, b), n);
	for (size_t i = 0; i < n; i++)
		assert_true(a[i].threshold[0] == b[i].threshold[0]);
	ranks_release(&r);
	matrix_free(m);
}

/* It stops at the first failure, also if a later one would pass. */
static void
it_stops_at_the_first_failure(void **state)
{
	struct matrix *m = matrix_new(400, 2, (bool[]){ true, false });
	struct certify_ask ask = { .max_loss = 0.02, .delta = 0.05,
		.top = 1 };
	struct policy order[4];
	struct certificate out = { .labels = 400 };
	size_t passed;

	(void)state;
	m->col[1].tier = 1;
	for (size_t t = 0; t < 400; t++) {
		m->col[0].score[t] = -(double)(t / 100) - 1;
		m->col[0].cost[t] = 1;
		m->col[1].cost[t] = 10;
		/* the second hundred loses, the third makes good for it */
		m->col[0].right[t] = t < 100 || t >= 120;
		m->col[1].right[t] = t < 200;
	}
	for (size_t i = 0; i < 4; i++)
		order[i] = (struct policy){ .chain = { 2, { 0, 1 } },
		    .threshold = { -(double)i - 1 } };
	certify_order(m, order, 4, &ask, &passed, &out);
	assert_int_equal(passed, 1);
	assert_true(out.policy.threshold[0] == -1);
	assert_int_equal(out.lost, 0);
	certify_order(m, order + 2, 2, &ask, &passed, &out);
	assert_int_equal(passed, 2); /* on its own it would */
	matrix_free(m);
}

static void
too_few_labels_are_refused_with_a_number(void **state)
{
	struct certify_ask ask = { .max_loss = 0.02, .delta = 0.05,
		.top = 1 };
	struct certificate out;
	struct matrix *m = world(182, 1);
	struct err e;

	(void)state;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_TOO_FEW);
	assert_int_equal(out.needed, 183);
	matrix_free(m);
	m = world(200, 5);
	ask.top = 5;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_TOO_FEW);
	/* five chains share delta */
	assert_int_equal(out.chains, 5);
	assert_int_equal(out.needed, chance_labels_needed(0.02, 0.005));
	matrix_free(m);
}

/* More chains than can share: one is chosen on a third of the labels. */
static void
of_many_chains_one_is_chosen_on_other_labels(void **state)
{
	struct certify_ask ask = { .max_loss = 0.05, .delta = 0.05,
		.top = CERTIFY_SHARED + 1, .prior = 300 };
	struct matrix *m = world(900, CERTIFY_SHARED + 1);
	struct certificate out;
	struct err e;

	(void)state;
	for (size_t t = 0; t < 900; t++)
		m->col[ask.top].cost[t] = 1000;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_YES);
	assert_int_equal(out.chains, 1);
	assert_int_equal(out.chosen_on, 300);
	assert_int_equal(out.labels, 600);
	matrix_free(m);
}

static void
no_cheaper_tier_is_said(void **state)
{
	struct certify_ask ask = { .max_loss = 0.05, .delta = 0.05,
		.top = 1 };
	struct certificate out;
	struct matrix *m = world(300, 1);
	struct err e;

	(void)state;
	for (size_t t = 0; t < 300; t++)
		m->col[0].cost[t] = 90;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_NO_CHAIN);
	matrix_free(m);
}

static void
broken(size_t cheap, size_t labels, double max_loss)
{
	struct matrix *all = world(20000, cheap);
	struct certify_ask ask = { .max_loss = max_loss, .delta = 0.05,
		.top = cheap, .prior = 300 };
	uint32_t *row = malloc(labels * sizeof(*row));
	int promised = 0, false_ones = 0, rounds = 400;
	struct err e;

	assert_non_null(row);
	for (int i = 0; i < rounds; i++) {
		struct certificate out;
		struct matrix *m;
		for (size_t k = 0; k < labels; k++)
			row[k] = (uint32_t)(rng_u64(&rng) % all->tasks);
		m = matrix_rows(all, row, labels);
		ask.seed = (uint64_t)i;
		assert_int_equal(certify_best(m, &ask, &out, &e), 0);
		if (out.verdict == CERTIFY_YES) {
			promised++;
			false_ones += true_loss(all, &out.policy, cheap)
			    > max_loss;
		}
		matrix_free(m);
	}
	assert_true(promised > rounds / 4);
	assert_true(false_ones <= rounds * 65 / 1000);
	free(row);
	matrix_free(all);
}

static void
the_promise_holds_as_often_as_it_says(void **state)
{
	(void)state;
	broken(1, 400, 0.05);
	broken(3, 600, 0.05);
	broken(5, 600, 0.05);
}

static int
seed(void **state)
{
	(void)state;
	rng_seed(&rng, 5);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bound_is_that_of_both_sides),
		cmocka_unit_test(the_order_is_careful_first_and_blind_to_labels),
		cmocka_unit_test(it_stops_at_the_first_failure),
		cmocka_unit_test(too_few_labels_are_refused_with_a_number),
		cmocka_unit_test(of_many_chains_one_is_chosen_on_other_labels),
		cmocka_unit_test(no_cheaper_tier_is_said),
		cmocka_unit_test(the_promise_holds_as_often_as_it_says),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
