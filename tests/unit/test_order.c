/*
 * test_order.c -- lines that come in any order, let through in theirs. The
 * tests are linked with the library alone, so the file comes in by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cmd/order.c"

static struct order *order;
static struct buf ready;

static int
begin(void **state)
{
	(void)state;
	buf_init(&ready, BUF_MAX);
	order = order_new();
	return order ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	order_free(order);
	order = NULL;
	buf_release(&ready);
	return 0;
}

static void
put(int64_t seq, const char *line)
{
	struct err e = { 0 };

	assert_true(seq < order_limit(order));
	assert_int_equal(order_put(order, seq, str_of(line), &ready, &e), 0);
}

static void
ready_is(const char *expected)
{
	assert_string_equal(ready.p ? ready.p : "", expected);
	buf_clear(&ready);
}

static void
a_line_in_its_turn_is_let_through_at_once(void **state)
{
	(void)state;
	put(0, "a\n");
	ready_is("a\n");
	put(1, "b\n");
	ready_is("b\n");
}

static void
a_line_before_its_turn_waits(void **state)
{
	(void)state;
	put(1, "b\n");
	ready_is("");
	put(3, "d\n");
	ready_is("");
	put(0, "a\n");
	ready_is("a\nb\n");
	put(2, "c\n");
	ready_is("c\nd\n");
}

static void
what_is_ready_is_appended(void **state)
{
	(void)state;
	buf_adds(&ready, "before ");
	put(0, "a");
	assert_string_equal(ready.p, "before a");
}

static void
lines_are_copied(void **state)
{
	char text[] = "one\n";

	(void)state;
	put(1, text);
	memcpy(text, "xxx\n", 4);
	put(0, "zero\n");
	ready_is("zero\none\n");
}

/* Nothing new is let in while much waits for one; what is under way still
 * comes, and all of it goes when that one does. */
static void
a_straggler_cannot_pile_up_memory(void **state)
{
	const size_t n = ORDER_BYTES / 4;
	char *line = malloc(n + 1);
	struct err e;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', n);
	for (int64_t seq = 1; seq <= 4; seq++) {
		assert_int_equal(order_limit(order), ORDER_WINDOW);
		assert_int_equal(order_put(order, seq, (struct str){ line, n },
		    &ready, &e), 0);
	}
	put(5, "y");
	assert_int_equal(order_limit(order), 0);
	assert_int_equal(order_put(order, 6, STR("z"), &ready, &e), 0);
	assert_int_equal(order_limit(order), 0);
	assert_int_equal(ready.n, 0);
	assert_int_equal(order_put(order, 0, STR("a"), &ready, &e), 0);
	assert_int_equal(ready.n, 4 * n + 3);
	assert_int_equal(order_limit(order), 7 + ORDER_WINDOW);
	free(line);
}

static void
what_waits_goes_at_the_end_however_much_it_is(void **state)
{
	const size_t n = ORDER_BYTES + 1;
	char *line = calloc(n, 1);
	struct err e;

	(void)state;
	assert_non_null(line);
	assert_int_equal(order_put(order, ORDER_WINDOW - 1,
	    (struct str){ line, n }, &ready, &e), 0);
	order_flush(order, &ready);
	assert_int_equal(ready.n, n);
	free(line);
}

static void
an_empty_line_has_its_turn_too(void **state)
{
	struct err e;

	(void)state;
	put(1, "b");
	assert_int_equal(order_put(order, 0, (struct str){ NULL, 0 }, &ready,
	    &e), 0);
	ready_is("b");
	assert_int_equal(order_limit(order), 2 + ORDER_WINDOW);
}

static void
lines_may_contain_zero_bytes(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(order_put(order, 0, (struct str){ "a\0b", 3 },
	    &ready, &e), 0);
	assert_int_equal(ready.n, 3);
	assert_memory_equal(ready.p, "a\0b", 3);
}

static void
the_limit_follows_the_first_missing_line(void **state)
{
	(void)state;
	assert_int_equal(order_limit(order), ORDER_WINDOW);
	put(1, "b");
	assert_int_equal(order_limit(order), ORDER_WINDOW);
	put(0, "a");
	assert_int_equal(order_limit(order), ORDER_WINDOW + 2);
}

static void
the_whole_window_can_wait(void **state)
{
	char line[16];
	size_t expected = 0;

	(void)state;
	for (int64_t i = ORDER_WINDOW - 1; i > 0; i--) {
		snprintf(line, sizeof(line), "%d\n", (int)i);
		expected += strlen(line);
		put(i, line);
	}
	ready_is("");
	put(0, "0\n");
	assert_int_equal(ready.n, expected + 2);
	assert_memory_equal(ready.p, "0\n1\n2\n3\n", 8);
	assert_int_equal(order_limit(order), 2 * ORDER_WINDOW);
}

/* Pseudo-random order, many times around the ring. */
static void
any_order_within_the_window_comes_out_right(void **state)
{
	enum { N = 5 * ORDER_WINDOW };
	static bool done[N];
	struct rng rng;
	int64_t first = 0, seen = 0;
	char line[16], *p, *rest;

	(void)state;
	rng_seed(&rng, 7);
	memset(done, 0, sizeof(done));
	while (first < N) {
		int64_t room = order_limit(order) - first, at;
		at = first + (int64_t)(rng_u64(&rng) % (uint64_t)room);
		while (at >= N || done[at])
			at = at + 1 >= N || at + 1 >= order_limit(order)
			    ? first : at + 1;
		done[at] = true;
		snprintf(line, sizeof(line), "%d\n", (int)at);
		put(at, line);
		while (first < N && done[first])
			first++;
	}
	p = ready.p;
	for (; *p; p = rest + 1) {
		assert_int_equal(strtol(p, &rest, 10), seen);
		assert_int_equal(*rest, '\n');
		seen++;
	}
	assert_int_equal(seen, N);
}

static void
a_flush_lets_everything_through_in_order(void **state)
{
	(void)state;
	put(5, "f\n");
	put(2, "c\n");
	put(ORDER_WINDOW - 1, "last\n");
	order_flush(order, &ready);
	ready_is("c\nf\nlast\n");
	order_flush(order, &ready);
	ready_is("");
}

static void
a_flush_of_nothing_is_nothing(void **state)
{
	(void)state;
	order_flush(order, &ready);
	ready_is("");
}

static void
what_is_still_waiting_is_freed(void **state)
{
	(void)state;
	put(1, "b");
	put(4095, "z");
	order_free(NULL);
}

static void
a_full_buffer_is_reported(void **state)
{
	struct buf small;
	struct err e = { 0 };

	(void)state;
	buf_init(&small, 4);
	assert_int_equal(order_put(order, 0, STR("too long"), &small, &e), -1);
	assert_int_equal(e.code, ERR_NOMEM);
	buf_release(&small);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_line_in_its_turn_is_let_through_at_once),
		T(a_line_before_its_turn_waits),
		T(what_is_ready_is_appended),
		T(lines_are_copied),
		T(a_straggler_cannot_pile_up_memory),
		T(what_waits_goes_at_the_end_however_much_it_is),
		T(an_empty_line_has_its_turn_too),
		T(lines_may_contain_zero_bytes),
		T(the_limit_follows_the_first_missing_line),
		T(the_whole_window_can_wait),
		T(any_order_within_the_window_comes_out_right),
		T(a_flush_lets_everything_through_in_order),
		T(a_flush_of_nothing_is_nothing),
		T(what_is_still_waiting_is_freed),
		T(a_full_buffer_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
