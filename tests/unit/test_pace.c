/*
 * test_pace.c -- so many a minute and no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cascade/pace.h"

static const int64_t start = 1000000;

/* How many units go through in [from, to), one at a time as soon as allowed. */
static int64_t
units_in(struct pace *p, int64_t from, int64_t to)
{
	int64_t n = 0, now = from;

	for (;;) {
		int64_t due = pace_due(p, now);
		if (due > now)
			now = due;
		if (now >= to)
			return n;
		pace_take(p, now, 1);
		n++;
	}
}

static void
without_a_limit_everything_is_due_now(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(pace_due(&p, start) <= start);
		pace_take(&p, start, 1000000000);
	}
	assert_true(pace_due(&p, start) <= start);
	pace_init(&p, -5);
	pace_take(&p, start, 1);
	assert_true(pace_due(&p, start) <= start);
}

static void
the_first_is_due_at_once(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 1);
	assert_true(pace_due(&p, start) <= start);
	assert_true(pace_due(&p, 0) <= 0);
}

static void
a_burst_is_worth_one_second(void **state)
{
	struct pace p;
	int n = 0;

	(void)state;
	pace_init(&p, 600); /* ten a second */
	while (pace_due(&p, start) <= start) {
		pace_take(&p, start, 1);
		n++;
	}
	/* The tenth fills the second, one more finds it just full. */
	assert_in_range(n, 10, 11);
	assert_int_equal(pace_due(&p, start), start + 100);
}

static void
taking_one_spaces_the_next(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 6); /* one in ten seconds: more than the burst */
	pace_take(&p, start, 1);
	assert_int_equal(pace_due(&p, start), start + 9000);
	assert_int_equal(pace_due(&p, start + 8999), start + 9000);
	assert_true(pace_due(&p, start + 9000) <= start + 9000);
}

static void
an_hour_has_no_more_than_its_minutes_allow(void **state)
{
	static const int64_t rates[] = { 1, 7, 60, 500, 5000, 60001 };
	struct pace p;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		int64_t n;
		pace_init(&p, rates[i]);
		n = units_in(&p, start, start + 3600000);
		/* Times are whole milliseconds, rounded up. */
		assert_in_range(n, rates[i] * 60 * 99 / 100,
		    rates[i] * 60 + rates[i] / 60 + 2);
	}
}

static void
an_idle_hour_saves_up_no_more_than_the_burst(void **state)
{
	struct pace p;
	int64_t n;

	(void)state;
	pace_init(&p, 600);
	pace_take(&p, start, 5);
	n = units_in(&p, start + 3600000, start + 3600000 + 1000);
	assert_in_range(n, 19, 21);
}

static void
many_units_at_once_make_the_next_wait_for_all_of_them(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 60000); /* tokens: one a millisecond */
	pace_take(&p, start, 30000);
	assert_int_equal(pace_due(&p, start), start + 29000);
	/* Half of it has drained by then. */
	assert_int_equal(pace_due(&p, start + 15000), start + 29000);
	pace_take(&p, start + 29000, 500);
	assert_int_equal(pace_due(&p, start + 29000), start + 29500);
}

static void
parts_of_a_millisecond_are_rounded_up(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 7); /* one in 8571.43 ms */
	pace_take(&p, start, 1);
	assert_int_equal(pace_due(&p, start), start + 7572);
	assert_true(pace_due(&p, start + 7572) <= start + 7572);
	assert_true(pace_due(&p, start + 7571) > start + 7571);
}

static void
fractions_add_up_over_many_units(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 7);
	for (int i = 0; i < 7000; i++)
		pace_take(&p, start, 1);
	/* A thousand minutes, less the burst. */
	assert_in_range(pace_due(&p, start), start + 60000000 - 1001,
	    start + 60000000 - 999);
}

static void
the_largest_requests_do_not_overflow(void **state)
{
	struct pace p;
	int64_t due;

	(void)state;
	pace_init(&p, 1);
	/* 256 samples of the largest max_tokens. */
	pace_take(&p, start, (int64_t)256 * 1000000000);
	due = pace_due(&p, start);
	assert_true(due > start);
	assert_int_equal(due, start + (int64_t)256 * 1000000000 * 60000
	    - 1000);
}

static void
taking_nothing_costs_nothing(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 6);
	pace_take(&p, start, 0);
	assert_true(pace_due(&p, start) <= start);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_limit_everything_is_due_now),
		cmocka_unit_test(the_first_is_due_at_once),
		cmocka_unit_test(a_burst_is_worth_one_second),
		cmocka_unit_test(taking_one_spaces_the_next),
		cmocka_unit_test(an_hour_has_no_more_than_its_minutes_allow),
		cmocka_unit_test(an_idle_hour_saves_up_no_more_than_the_burst),
		cmocka_unit_test(
		    many_units_at_once_make_the_next_wait_for_all_of_them),
		cmocka_unit_test(parts_of_a_millisecond_are_rounded_up),
		cmocka_unit_test(fractions_add_up_over_many_units),
		cmocka_unit_test(the_largest_requests_do_not_overflow),
		cmocka_unit_test(taking_nothing_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
