/*
 * test_frontier.c -- frontiers against trying every threshold of every chain.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cascade/quality.h"
#include "cascade/search.h"

static struct rng rng;

/* `tiers` tiers, each with a judged and a plain column; scores of a few
 * different values, so that there are ties. */
static struct matrix *
random_matrix(size_t tasks, size_t tiers, unsigned values)
{
	bool judged[16];
	struct matrix *m;

	for (size_t k = 0; k < 2 * tiers; k++)
		judged[k] = k % 2 == 0;
	m = matrix_new(tasks, 2 * tiers, judged);
	assert_non_null(m);
	for (size_t k = 0; k < 2 * tiers; k++)
		m->col[k].tier = k / 2;
	for (size_t t = 0; t < tasks; t++)
		for (size_t k = 0; k < tiers; k++) {
			struct column *a = &m->col[2 * k], *b = a + 1;
			a->score[t] = -(double)(rng_u64(&rng) % values) / 8;
			a->right[t] = b->right[t] = rng_unit(&rng)
			    < exp(a->score[t]) * 0.5 + 0.1 * (double)k;
			b->cost[t] = (int64_t)(10 * (k + 1) * (k + 1)
			    + rng_u64(&rng) % 5);
			a->cost[t] = b->cost[t] + 1;
		}
	return m;
}

/* The most right answers of the chain within a cost, by trying everything. */
static double
brute(const struct ranks *r, const struct chain *c, double cost)
{
	uint32_t cut[FRONTIER_MAX_CHAIN] = { 0 };
	double best = -INFINITY;

	for (;;) {
		double spent = 0, right = 0;
		size_t p;
		for (size_t t = 0; t < r->m->tasks; t++)
			for (p = 0; p < c->n; p++) {
				const struct ranked *k = &r->col[c->col[p]];
				spent += (double)k->cost[t];
				if (p + 1u < c->n && k->rank[t] >= cut[p])
					continue;
				right += k->right[t];
				break;
			}
		if (spent <= cost && right > best)
			best = right;
		for (p = 0; p + 1u < c->n; p++) {
			if (++cut[p] <= r->col[c->col[p]].ranks)
				break;
			cut[p] = 0;
		}
		if (p + 1u >= c->n)
			return best;
	}
}

static void
check_chain(const struct ranks *r, const struct chain *c, bool exact)
{
	struct frontier *f = frontier_new(r);
	const struct point *p, *at;
	struct err e;
	size_t n;

	assert_non_null(f);
	assert_int_equal(frontier_add(f, c, &e), 0);
	p = frontier_points(f, false, &n, &e);
	assert_non_null(p);
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		struct policy policy = policy_of(r, &p[i]);
		struct policy_sum sum = { 0 };
		double want = brute(r, c, (double)p[i].cost);
		assert_true(i == 0 || (p[i].cost > p[i - 1].cost
		    && p[i].right > p[i - 1].right));
		if (exact)
			assert_true(fabs(p[i].right - want) < 1e-6);
		else
			assert_true(p[i].right <= want + 1e-6);
		policy_add(&sum, &policy, r->m);
		assert_int_equal(sum.cost, p[i].cost);
	}
	for (int k = 0; exact && k < 20; k++) {
		double cost = rng_unit(&rng) * (double)r->m->tasks * 200;
		double want = brute(r, c, cost);
		at = search_within(p, n, cost);
		if (want == -INFINITY)
			assert_null(at);
		else
			assert_true(fabs(at->right - want) < 1e-6);
	}
	frontier_free(f);
}

static void
check_chains(size_t length, size_t tasks, int rounds, bool exact)
{
	for (int i = 0; i < rounds; i++) {
		struct matrix *m = random_matrix(1 + rng_u64(&rng) % tasks,
		    length, 1 + (unsigned)(rng_u64(&rng) % 9));
		double prior = i % 2 ? QUALITY_PRIOR : 0;
		struct chain c = { .n = (uint8_t)length };
		struct ranks r;
		struct err e;
		for (size_t k = 0; k < length; k++)
			c.col[k] = (uint8_t)(2 * k + (k + 1 == length));
		assert_int_equal(ranks_init(&r, m, prior, &e), 0);
		check_chain(&r, &c, exact);
		ranks_release(&r);
		matrix_free(m);
	}
}

static void
a_single_model_is_a_point(void **state)
{
	(void)state;
	check_chains(1, 10, 20, true);
}

static void
pairs_are_exact(void **state)
{
	(void)state;
	check_chains(2, 40, 200, true);
}

static void
triples_are_exact(void **state)
{
	(void)state;
	check_chains(3, 25, 150, true);
}

static void
long_chains_promise_nothing_that_is_not_there(void **state)
{
	(void)state;
	check_chains(4, 12, 10, false);
}

/* Most of what is to be had at a price of quality is found. */
static void
long_chains_come_near_the_best(void **state)
{
	double found = 0, best = 0;

	(void)state;
	for (int i = 0; i < 12; i++) {
		struct matrix *m = random_matrix(14, 4, 4);
		struct chain c = { 4, { 0, 2, 4, 7 } };
		struct ranks r;
		struct frontier *f;
		const struct point *p, *at;
		size_t n;
		struct err e;
		assert_int_equal(ranks_init(&r, m, 0, &e), 0);
		f = frontier_new(&r);
		assert_int_equal(frontier_add(f, &c, &e), 0);
		p = frontier_points(f, false, &n, &e);
		for (double cost = 500; cost < 4000; cost += 250) {
			double want = brute(&r, &c, cost);
			at = search_within(p, n, cost);
			if (want == -INFINITY)
				continue;
			best += want;
			found += at ? at->right : 0;
		}
		frontier_free(f);
		ranks_release(&r);
		matrix_free(m);
	}
	assert_true(found <= best + 1e-6);
	assert_true(found > 0.98 * best);
}

/* Above FRONTIER_EXACT scores triples go in steps, and lose hardly anything. */
static void
many_scores_are_grouped(void **state)
{
	size_t n = FRONTIER_EXACT + 2000;
	struct matrix *m = random_matrix(n, 3, 3);
	struct chain c = { 3, { 0, 2, 5 } };
	struct ranks r;
	struct frontier *f;
	const struct point *p;
	struct err e;
	size_t points;

	(void)state;
	for (size_t t = 0; t < n; t++)
		for (size_t k = 0; k < 6; k += 2)
			m->col[k].score[t] -= rng_unit(&rng) / 8;
	assert_int_equal(ranks_init(&r, m, 0, &e), 0);
	assert_true(r.col[0].ranks > FRONTIER_EXACT);
	f = frontier_new(&r);
	assert_int_equal(frontier_add(f, &c, &e), 0);
	p = frontier_points(f, false, &points, &e);
	assert_true(points > 100);
	for (size_t i = 0; i < points; i += points / 50) {
		struct policy policy = policy_of(&r, &p[i]);
		struct policy_sum sum = { 0 };
		policy_add(&sum, &policy, m);
		assert_int_equal(sum.cost, p[i].cost);
		assert_int_equal(sum.right, (int64_t)(p[i].right + 0.5));
	}
	frontier_free(f);
	ranks_release(&r);
	matrix_free(m);
}

static void
no_cascade_is_offered_that_a_toss_beats(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		struct matrix *m = random_matrix(30, 3, 5);
		struct search_options o = { .longest = 3 };
		struct ranks r;
		struct frontier *f;
		const struct point *p;
		size_t n;
		struct err e;
		assert_int_equal(ranks_init(&r, m, 0, &e), 0);
		f = search_frontier(&r, &o, &e);
		assert_non_null(f);
		p = frontier_points(f, true, &n, &e);
		for (size_t k = 0; k < n; k++) {
			double toss = -INFINITY;
			if (p[k].chain.n == 1)
				continue;
			for (size_t a = 1; a < 6; a += 2)
				for (size_t b = 1; b < 6; b += 2)
					for (int s = 0; s <= 100; s++) {
						double w = s / 100.0, q, c;
						q = (1 - w) * r.col[a].sum_right
						    + w * r.col[b].sum_right;
						c = (1 - w) * (double)
						    r.col[a].sum_cost + w *
						    (double)r.col[b].sum_cost;
						if (c <= (double)p[k].cost
						    && q > toss)
							toss = q;
					}
			assert_true(p[k].right > toss);
		}
		frontier_free(f);
		ranks_release(&r);
		matrix_free(m);
	}
}

static void
chains_keep_the_order_of_prices_and_never_repeat_a_tier(void **state)
{
	struct matrix *m = random_matrix(20, 4, 5);
	size_t n, by_length[5] = { 0 };
	struct chain *c = search_chains(m, 4, &n);

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < n; i++) {
		by_length[c[i].n]++;
		for (size_t k = 0; k < c[i].n; k++) {
			assert_int_equal(m->col[c[i].col[k]].score == NULL,
			    k + 1u == c[i].n);
			if (k)
				assert_true(m->col[c[i].col[k - 1]].tier
				    < m->col[c[i].col[k]].tier);
		}
	}
	assert_int_equal(by_length[1], 4);
	assert_int_equal(by_length[2], 6);
	assert_int_equal(by_length[3], 4);
	assert_int_equal(by_length[4], 1);
	free(c);
	matrix_free(m);
}

/* Lessons keep to their budgets on the tasks that they were learned from, and
 * an honest one is never a cascade below the toss. */
static void
lessons_keep_their_budgets(void **state)
{
	struct matrix *m = random_matrix(200, 3, 40);
	struct search_options o = { .longest = 3, .honest = true,
		.prior = QUALITY_PRIOR };
	struct lesson l[30];
	double budget[30];
	struct ranks r;
	struct err e;

	(void)state;
	for (int i = 0; i < 30; i++)
		budget[i] = 5 + 5 * i;
	assert_int_equal(ranks_init(&r, m, o.prior, &e), 0);
	assert_int_equal(search_lessons(&r, &o, budget, l, 30, &e), 0);
	assert_false(l[0].found); /* 5 buys nothing */
	assert_true(l[29].found);
	for (int i = 0; i < 30; i++) {
		if (!l[i].found)
			continue;
		assert_true((double)l[i].point.cost <= budget[i] * 200);
		assert_true(l[i].right >= 0 && l[i].right <= 1);
		assert_true(l[i].honest);
	}
	ranks_release(&r);
	matrix_free(m);
}

/* Scores that mean nothing, and tiers that are all as good: on paper the best of
 * many thresholds is better than chance, on other tasks it is not. */
static void
what_is_said_to_hold_is_not_luck(void **state)
{
	struct search_options o = { .longest = 3, .prior = QUALITY_PRIOR };
	double held = 0, paper = 0, n = 0;
	int rounds = 30;

	(void)state;
	for (int i = 0; i < rounds; i++) {
		struct matrix *m = random_matrix(150, 5, 1);
		struct lesson l[10];
		double budget[10];
		struct ranks r;
		struct err e;
		for (size_t t = 0; t < m->tasks; t++)
			for (size_t k = 0; k < 10; k += 2) {
				m->col[k].score[t] = -rng_unit(&rng);
				m->col[k].right[t] = m->col[k + 1].right[t]
				    = rng_u64(&rng) % 2;
			}
		for (int b = 0; b < 10; b++)
			budget[b] = 60 + 25 * b;
		assert_int_equal(ranks_init(&r, m, o.prior, &e), 0);
		assert_int_equal(search_lessons(&r, &o, budget, l, 10, &e),
		    0);
		for (int b = 0; b < 10; b++) {
			struct policy p = policy_of(&r, &l[b].point);
			struct policy_sum sum = { 0 };
			if (p.chain.n == 1)
				continue; /* nothing was learned */
			policy_add(&sum, &p, m);
			held += l[b].right;
			paper += (double)sum.right / 150;
			n++;
		}
		ranks_release(&r);
		matrix_free(m);
	}
	held /= n;
	paper /= n;
	assert_true(n > 100 && paper > 0.53);
	/* The thresholds of a fold were set on those of the others. */
	assert_true(held > 0.48 && held < paper - 0.02 && held < 0.53);
}

static int
seed(void **state)
{
	(void)state;
	rng_seed(&rng, 11);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_model_is_a_point),
		cmocka_unit_test(pairs_are_exact),
		cmocka_unit_test(triples_are_exact),
		cmocka_unit_test(long_chains_promise_nothing_that_is_not_there),
		cmocka_unit_test(long_chains_come_near_the_best),
		cmocka_unit_test(many_scores_are_grouped),
		cmocka_unit_test(no_cascade_is_offered_that_a_toss_beats),
		cmocka_unit_test(
		    chains_keep_the_order_of_prices_and_never_repeat_a_tier),
		cmocka_unit_test(lessons_keep_their_budgets),
		cmocka_unit_test(what_is_said_to_hold_is_not_luck),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
