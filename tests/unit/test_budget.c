/*
 * test_budget.c -- a cap that cannot be passed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/money.h"
#include "base/rand.h"
#include "cascade/budget.h"

static void
without_a_cap_everything_fits(void **state)
{
	struct budget b = { .cap = BUDGET_NONE };

	(void)state;
	assert_true(budget_fits(&b, MONEY_MAX));
	assert_true(budget_fits(&b, MONEY_UNKNOWN));
	budget_hold(&b, MONEY_MAX);
	budget_hold(&b, MONEY_MAX);
	assert_true(budget_fits(&b, MONEY_MAX));
	assert_int_equal(b.open, 2);
}

static void
what_fits_exactly_fits(void **state)
{
	struct budget b = { .cap = 10 };

	(void)state;
	assert_true(budget_fits(&b, 10));
	assert_false(budget_fits(&b, 11));
	budget_hold(&b, 10);
	assert_true(budget_fits(&b, 0));
	assert_false(budget_fits(&b, 1));
}

static void
a_cap_of_nothing_lets_what_is_free_pass(void **state)
{
	struct budget b = { .cap = 0 };

	(void)state;
	assert_true(budget_fits(&b, 0));
	assert_false(budget_fits(&b, 1));
}

static void
what_is_unknown_never_fits_under_a_cap(void **state)
{
	struct budget b = { .cap = MONEY_MAX };

	(void)state;
	assert_false(budget_fits(&b, MONEY_UNKNOWN));
}

static void
what_it_cost_takes_the_place_of_the_worst_case(void **state)
{
	struct budget b = { .cap = 100 };

	(void)state;
	budget_hold(&b, 60);
	budget_hold(&b, 30);
	assert_int_equal(b.held, 90);
	assert_int_equal(b.open, 2);
	budget_settle(&b, 60, 5);
	assert_int_equal(b.held, 35);
	assert_int_equal(b.open, 1);
	budget_settle(&b, 30, 0);
	assert_int_equal(b.held, 5);
	assert_int_equal(b.open, 0);
}

static void
of_an_unknown_cost_the_worst_case_stays_held(void **state)
{
	struct budget b = { .cap = 100 };

	(void)state;
	budget_hold(&b, 60);
	budget_settle(&b, 60, MONEY_UNKNOWN);
	assert_int_equal(b.held, 60);
	assert_int_equal(b.open, 0);
	assert_false(budget_fits(&b, 41));
}

static void
an_unknown_worst_case_holds_nothing_but_its_cost_counts(void **state)
{
	struct budget b = { .cap = BUDGET_NONE };

	(void)state;
	budget_hold(&b, MONEY_UNKNOWN);
	assert_int_equal(b.held, 0);
	assert_int_equal(b.open, 1);
	budget_settle(&b, MONEY_UNKNOWN, 7);
	assert_int_equal(b.held, 7);
}

/* A provider that bills more than its list: nothing more fits, and the sum
 * does not wrap. */
static void
a_bill_above_the_worst_case_leaves_less_than_nothing(void **state)
{
	struct budget b = { .cap = 100 };

	(void)state;
	budget_hold(&b, 60);
	budget_settle(&b, 60, 150);
	assert_int_equal(b.held, 150);
	assert_false(budget_fits(&b, 0));
	b = (struct budget){ .cap = MONEY_MAX, .held = MONEY_MAX };
	assert_false(budget_fits(&b, 1));
	budget_hold(&b, MONEY_MAX);
	assert_int_equal(b.held, MONEY_MAX);
}

static int64_t
below(struct rng *rng, int64_t n)
{
	return (int64_t)(rng_u64(rng) % (uint64_t)n);
}

/* Whatever is held and settled, in whatever order: what has been billed and
 * what may yet be is never above the cap. */
static void
no_interleaving_passes_the_cap(void **state)
{
	struct rng rng;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct budget b;
		int64_t worst[32], billed = 0, left = 0;
		size_t n = 0;

		rng_seed(&rng, seed);
		b = (struct budget){ .cap = below(&rng, 1000) };
		for (int i = 0; i < 400; i++) {
			int64_t w = below(&rng, 200);

			if (n < 32 && below(&rng, 2)
			    && budget_fits(&b, w)) {
				budget_hold(&b, w);
				worst[n++] = w;
				left += w;
			} else if (n > 0) {
				size_t at = (size_t)below(&rng, (int64_t)n);
				int64_t cost = below(&rng,
				    worst[at] + 1);
				bool unknown = below(&rng, 8) == 0;

				budget_settle(&b, worst[at], unknown
				    ? MONEY_UNKNOWN : cost);
				billed += unknown ? worst[at] : cost;
				left -= worst[at];
				worst[at] = worst[--n];
			}
			assert_true(billed + left <= b.cap);
			assert_int_equal(b.held, billed + left);
			assert_int_equal(b.open, n);
		}
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test(f)
	const struct CMUnitTest tests[] = {
		T(without_a_cap_everything_fits),
		T(what_fits_exactly_fits),
		T(a_cap_of_nothing_lets_what_is_free_pass),
		T(what_is_unknown_never_fits_under_a_cap),
		T(what_it_cost_takes_the_place_of_the_worst_case),
		T(of_an_unknown_cost_the_worst_case_stays_held),
		T(an_unknown_worst_case_holds_nothing_but_its_cost_counts),
		T(a_bill_above_the_worst_case_leaves_less_than_nothing),
		T(no_interleaving_passes_the_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
