/*
 * test_share.c -- which tasks are the share.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cascade/share.h"

#define TASKS 4000

static struct task
task_of(int i, char *room, size_t size)
{
	snprintf(room, size, "question %d", i);
	return (struct task){ .prompt = str_of(room) };
}

static void
so_many_are_taken(void **state)
{
	static const double shares[] = { 0, 0.1, 0.5, 0.93, 1 };
	char room[32];

	(void)state;
	for (size_t k = 0; k < sizeof(shares) / sizeof(shares[0]); k++) {
		double n = 0;
		for (int i = 0; i < TASKS; i++) {
			struct task t = task_of(i, room, sizeof(room));
			n += share_takes(shares[k], 0, &t);
		}
		/* four standard errors; none of 0 and all of 1 */
		assert_true(fabs(n / TASKS - shares[k]) <= 4 * sqrt(shares[k]
		    * (1 - shares[k]) / TASKS));
	}
}

static void
a_larger_share_has_all_of_a_smaller_one(void **state)
{
	char room[32];

	(void)state;
	for (int i = 0; i < TASKS; i++) {
		struct task t = task_of(i, room, sizeof(room));
		if (share_takes(0.3, 0, &t))
			assert_true(share_takes(0.4, 0, &t));
	}
}

static void
tiers_toss_their_own_coins(void **state)
{
	char room[32];
	double both = 0;

	(void)state;
	for (int i = 0; i < TASKS; i++) {
		struct task t = task_of(i, room, sizeof(room));
		both += share_takes(0.5, 0, &t) && share_takes(0.5, 1, &t);
	}
	assert_true(fabs(both / TASKS - 0.25) < 4 * sqrt(0.1875 / TASKS));
}

static void
it_is_what_is_asked_that_counts(void **state)
{
	struct task a = { .prompt = STR("x"), .id = STR("1") };
	struct task b = { .prompt = STR("x"), .id = STR("2") };
	char room[32];
	double n = 0;

	(void)state;
	assert_true(share_takes(0.5, 0, &a) == share_takes(0.5, 0, &b));
	/* Without a prompt there is but the id. */
	for (int i = 0; i < TASKS; i++) {
		struct task t = task_of(i, room, sizeof(room));
		t.id = t.prompt;
		t.prompt = STR("");
		n += share_takes(0.5, 0, &t);
	}
	assert_true(fabs(n / TASKS - 0.5) < 4 * sqrt(0.25 / TASKS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_are_taken),
		cmocka_unit_test(a_larger_share_has_all_of_a_smaller_one),
		cmocka_unit_test(tiers_toss_their_own_coins),
		cmocka_unit_test(it_is_what_is_asked_that_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
