/*
 * test_heap.c -- timers come out in the order in which they are due.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/rand.h"

static void
an_empty_heap_has_no_first(void **state)
{
	struct heap h = { 0 };
	struct heap_entry e = { 0 };

	(void)state;
	assert_null(heap_first(&h));
	heap_remove(&h, &e); /* it is not in: nothing happens */
	assert_null(heap_first(&h));
	heap_release(&h);
	heap_release(&h);
}

static void
one_entry_may_be_set_moved_removed_and_set_again(void **state)
{
	struct heap h = { 0 };
	struct heap_entry e = { 0 };

	(void)state;
	assert_true(heap_set(&h, &e, 5));
	assert_true(heap_set(&h, &e, -7));
	assert_int_equal(h.n, 1);
	assert_ptr_equal(heap_first(&h), &e);
	assert_int_equal(e.due_ms, -7);
	heap_remove(&h, &e);
	assert_int_equal(e.place, 0);
	assert_null(heap_first(&h));
	heap_remove(&h, &e);
	assert_true(heap_set(&h, &e, INT64_MAX));
	assert_ptr_equal(heap_first(&h), &e);
	heap_release(&h);
}

static void
entries_come_out_in_order(void **state)
{
	enum { N = 5000 };
	static struct heap_entry e[N];
	struct heap h = { 0 };
	struct rng r;
	int64_t last = INT64_MIN;

	(void)state;
	rng_seed(&r, 2);
	for (int i = 0; i < N; i++)
		assert_true(heap_set(&h, &e[i],
		    (int64_t)(rng_u64(&r) % 1000) - 500));
	for (int i = 0; i < N; i++) {
		struct heap_entry *first = heap_first(&h);

		assert_non_null(first);
		assert_true(first->due_ms >= last);
		last = first->due_ms;
		heap_remove(&h, first);
	}
	assert_null(heap_first(&h));
	heap_release(&h);
}

static void
assert_first_is_least(const struct heap *h, const struct heap_entry *e, int n)
{
	int64_t least = INT64_MAX;
	size_t count = 0;

	for (int i = 0; i < n; i++) {
		if (!e[i].place)
			continue;
		count++;
		assert_ptr_equal(h->v[e[i].place], &e[i]);
		if (e[i].due_ms < least)
			least = e[i].due_ms;
	}
	assert_int_equal(h->n, count);
	if (count)
		assert_int_equal(heap_first(h)->due_ms, least);
	else
		assert_null(heap_first(h));
}

static void
random_changes_keep_the_least_first(void **state)
{
	enum { N = 40 };
	struct heap_entry e[N] = { 0 };
	struct heap h = { 0 };
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (int step = 0; step < 20000; step++) {
		struct heap_entry *one = &e[rng_u64(&r) % N];

		if (rng_u64(&r) % 3)
			assert_true(heap_set(&h, one,
			    (int64_t)(rng_u64(&r) % 100)));
		else
			heap_remove(&h, one);
		assert_first_is_least(&h, e, N);
	}
	heap_release(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_heap_has_no_first),
		cmocka_unit_test(
		    one_entry_may_be_set_moved_removed_and_set_again),
		cmocka_unit_test(entries_come_out_in_order),
		cmocka_unit_test(random_changes_keep_the_least_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
