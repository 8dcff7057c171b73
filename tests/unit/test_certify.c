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
the_order_is_careful_first_and_the_same_for_all_data(void **state)
{
	struct chain c = { 2, { 0, 1 } };
	struct policy p[CERTIFY_STEPS];
	size_t n = certify_steps(&c, p);

	(void)state;
	assert_int_equal(n, CERTIFY_STEPS);
	assert_true(p[0].threshold[0] == 0); /* 1 is accepted */
	for (size_t i = 1; i < n; i++)
		assert_true(p[i].threshold[0] < p[i - 1].threshold[0]);
	/* 1 - 1e-15 is told from 1, and next to nothing from nothing. */
	assert_true(p[1].threshold[0] > -1e-15);
	assert_true(p[n - 1].threshold[0] < log(1e-15));
}

/* It stops at the first failure, also if a later one would pass. */
static void
it_stops_at_the_first_failure(void **state)
{
	struct matrix *m = matrix_new(400, 2, (bool[]){ true, false });
	struct policy order[4];
	struct certificate out = { .labels = 400 };
	struct netloss test;
	size_t passed;
	struct err e;

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
	assert_int_equal(netloss_init(&test, 400, (struct netloss_wish){
	    0.02, 0.05, NETLOSS_EXACT }, &e), 0);
	assert_int_equal(certify_order(m, order, 4, 1, &test, &passed, &out,
	    &e), 0);
	assert_int_equal(passed, 1);
	assert_true(out.policy.threshold[0] == -1);
	assert_int_equal(out.lost, 0);
	assert_int_equal(certify_order(m, order + 2, 2, 1, &test, &passed,
	    &out, &e), 0);
	assert_int_equal(passed, 2); /* on its own it would */
	netloss_release(&test);
	matrix_free(m);
}

static void
too_few_labels_are_refused_with_a_number(void **state)
{
	struct certify_ask ask = { .max_loss = 0.02, .delta = 0.05,
		.top = 1 };
	struct certificate out;
	struct matrix *m = world(149, 1);
	struct err e;

	(void)state;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_TOO_FEW);
	assert_int_equal(out.needed, 150);
	matrix_free(m);
	m = world(164, 5);
	ask.top = 5;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_TOO_FEW);
	/* fifteen of them tell of the tiers; one pair is all they bear */
	assert_int_equal(out.chains, 1);
	assert_int_equal(out.needed, 165);
	matrix_free(m);
}

static void
two_bounds_take_more_labels(void **state)
{
	struct certify_ask ask = { .max_loss = 0.02, .delta = 0.05,
		.bound = NETLOSS_CLOPPER_PEARSON, .top = 1 };
	struct certificate out;
	struct err e;

	(void)state;
	for (size_t n = 182; n < 184; n++) {
		struct matrix *m = world(n, 1);
		assert_int_equal(certify_best(m, &ask, &out, &e), 0);
		assert_int_equal(out.verdict == CERTIFY_TOO_FEW, n == 182);
		assert_true(n > 182 || out.needed == 183);
		matrix_free(m);
	}
	ask.top = 5;
	for (size_t n = 197; n < 199; n++) { /* fifteen tell of the tiers */
		struct matrix *m = world(n, 5);
		assert_int_equal(certify_best(m, &ask, &out, &e), 0);
		assert_int_equal(out.verdict == CERTIFY_TOO_FEW, n == 197);
		assert_true(n > 197 || out.needed == 198);
		matrix_free(m);
	}
}

/* What passes is what the bounds say, with the order's part of delta. */
static void
two_bounds_decide_what_is_promised(void **state)
{
	struct certify_ask ask = { .max_loss = 0.05, .delta = 0.05, .top = 1 };
	struct certificate out, exact;
	double by;
	struct err e;

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct matrix *m = world(500, 1);
		ask.bound = NETLOSS_EXACT;
		assert_int_equal(certify_best(m, &ask, &exact, &e), 0);
		ask.bound = NETLOSS_CLOPPER_PEARSON;
		assert_int_equal(certify_best(m, &ask, &out, &e), 0);
		assert_int_equal(exact.verdict, CERTIFY_YES);
		assert_int_equal(out.verdict, CERTIFY_YES);
		by = chance_upper(out.lost, 500, 0.025)
		    - chance_lower(out.gained, 500, 0.025);
		assert_true(by <= 0.05);
		by = chance_upper(exact.lost, 500, 0.025)
		    - chance_lower(exact.gained, 500, 0.025);
		assert_true(by > 0.05); /* bolder than they allow */
		assert_true(exact.cost < out.cost);
		matrix_free(m);
	}
}

/* With one label fewer it is refused, and with so many not for that. */
static void
so_many_labels_as_it_says_are_enough(void **state)
{
	static const double losses[] = { 0.05, 0.02, 0.008, 0.003 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t cheap = 1; cheap < 4; cheap += 2) {
			struct certify_ask ask = { .max_loss = losses[i],
				.delta = 0.05, .top = cheap };
			struct certificate out;
			struct matrix *m = world(20, cheap);
			int64_t needed;
			struct err e;

			assert_int_equal(certify_best(m, &ask, &out, &e), 0);
			assert_int_equal(out.verdict, CERTIFY_TOO_FEW);
			needed = out.needed;
			matrix_free(m);
			m = world((size_t)needed - 1, cheap);
			assert_int_equal(certify_best(m, &ask, &out, &e), 0);
			assert_int_equal(out.verdict, CERTIFY_TOO_FEW);
			assert_int_equal(out.needed, needed);
			matrix_free(m);
			m = world((size_t)needed, cheap);
			assert_int_equal(certify_best(m, &ask, &out, &e), 0);
			assert_int_not_equal(out.verdict, CERTIFY_TOO_FEW);
			matrix_free(m);
		}
}

static void
as_many_pairs_share_as_the_labels_can_bear(void **state)
{
	struct certify_ask ask = { .max_loss = 0.02, .delta = 0.05,
		.top = 8, .prior = 300 };
	struct certificate out;
	struct matrix *m = world(300, 8);
	struct err e;

	(void)state;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.chains, 2);
	matrix_free(m);
	/* Eight pairs, and a chain that is chosen on a quarter. */
	m = world(2000, 8);
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_YES);
	assert_int_equal(out.chains, 9);
	if (out.chosen_on) {
		assert_int_equal(out.chosen_on, 500);
		assert_int_equal(out.labels, 1500);
	} else {
		assert_int_equal(out.labels, 1900);
	}
	matrix_free(m);
}

/*
 * Three kinds of tasks: the first tier is sure of the easy ones, the second of
 * the middling ones; both are right when they are sure. No pair does half as
 * well as the chain of both.
 */
static struct matrix *
three_kinds(size_t tasks)
{
	struct matrix *m = matrix_new(tasks, 3, (bool[]){ true, true,
	    false });

	assert_non_null(m);
	for (size_t t = 0; t < tasks; t++) {
		size_t kind = rng_u64(&rng) % 20;
		for (size_t k = 0; k < 3; k++) {
			/* who is sure, of which kinds */
			bool sure = k == 0 ? kind < 9 : kind >= 9 && kind < 18;
			struct column *c = &m->col[k];
			c->tier = k;
			c->cost[t] = k == 2 ? 1000 : 10 + 20 * (int64_t)k;
			c->right[t] = k == 2 || sure || rng_u64(&rng) % 4 == 0;
			if (k < 2)
				c->score[t] = log((sure ? 0.9 : 0.3)
				    + 0.05 * rng_unit(&rng));
		}
	}
	return m;
}

static void
a_chain_of_three_is_promised_where_it_is_cheaper(void **state)
{
	struct certify_ask ask = { .max_loss = 0.05, .delta = 0.05,
		.top = 2, .prior = 300 };
	struct matrix *m = three_kinds(1200), *all = three_kinds(20000);
	struct certificate out;
	struct err e;

	(void)state;
	assert_int_equal(certify_best(m, &ask, &out, &e), 0);
	assert_int_equal(out.verdict, CERTIFY_YES);
	assert_int_equal(out.policy.chain.n, 3);
	assert_int_equal(out.chosen_on, 300);
	assert_int_equal(out.labels, 900);
	assert_true(out.cost < 250); /* a pair: 550 and more */
	assert_true(true_loss(all, &out.policy, 2) <= 0.05);
	matrix_free(m);
	matrix_free(all);
}

/* Of many rounds, how often a chain of three is chosen. */
static int
longer_chosen(struct matrix *(*draw)(size_t), size_t labels, size_t top)
{
	struct certify_ask ask = { .max_loss = 0.05, .delta = 0.05,
		.top = top, .prior = 300 };
	struct netloss_shelf shelf = { .n = 0 };
	int longer = 0;
	struct err e;

	ask.shelf = &shelf;
	for (int i = 0; i < 20; i++) {
		struct matrix *first = draw(labels), *rest = draw(labels);
		struct certificate out;
		assert_int_equal(certify_chosen(first, rest, &ask, &out, &e),
		    0);
		assert_int_equal(out.chosen_on, labels);
		longer += out.policy.chain.n > 2;
		matrix_free(first);
		matrix_free(rest);
	}
	netloss_shelf_release(&shelf);
	return longer;
}

/* Many tiers that are as good as each other and know little of it: what the
 * best of all chains of three seems to save on the labels that chose it is
 * mostly luck. */
static struct matrix *
much_alike(size_t tasks)
{
	struct matrix *m = world(tasks, 8);

	for (size_t t = 0; t < tasks; t++)
		for (size_t k = 0; k < 8; k++) {
			bool right = rng_unit(&rng) < 0.85;
			m->col[k].right[t] = right;
			m->col[k].score[t] = log(0.5 * rng_unit(&rng)
			    + (right ? 0.3 : 0.1));
			m->col[k].cost[t] = 20;
		}
	return m;
}

static void
a_third_tier_must_be_worth_more_than_luck(void **state)
{
	(void)state;
	assert_true(longer_chosen(much_alike, 300, 8) <= 12);
	assert_true(longer_chosen(three_kinds, 300, 2) >= 16);
}

/* Even where it is worth it: on few labels that cannot be seen. */
static void
a_third_tier_takes_five_times_the_labels(void **state)
{
	int n = (int)(5 * netloss_needed((struct netloss_wish){ 0.05, 0.05,
	    NETLOSS_EXACT }));

	(void)state;
	assert_int_equal(longer_chosen(three_kinds, (size_t)n - 1, 2), 0);
	assert_true(longer_chosen(three_kinds, (size_t)n, 2) >= 16);
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
	m->col[0].tier = 1; /* the top tier's own */
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
	struct netloss_shelf shelf = { .n = 0 };
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
		ask.shelf = &shelf;
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
	netloss_shelf_release(&shelf);
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

/* Each has its own numbers, whatever runs before it. */
#define SEEDED(test) cmocka_unit_test_setup(test, seed)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SEEDED(the_order_is_careful_first_and_the_same_for_all_data),
		SEEDED(it_stops_at_the_first_failure),
		SEEDED(too_few_labels_are_refused_with_a_number),
		SEEDED(two_bounds_take_more_labels),
		SEEDED(two_bounds_decide_what_is_promised),
		SEEDED(so_many_labels_as_it_says_are_enough),
		SEEDED(as_many_pairs_share_as_the_labels_can_bear),
		SEEDED(a_chain_of_three_is_promised_where_it_is_cheaper),
		SEEDED(a_third_tier_must_be_worth_more_than_luck),
		SEEDED(a_third_tier_takes_five_times_the_labels),
		SEEDED(no_cheaper_tier_is_said),
		SEEDED(the_promise_holds_as_often_as_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
