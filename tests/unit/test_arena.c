/*
 * test_arena.c -- memory that lives and dies together.
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static bool
is_zeroed(const void *p, size_t n)
{
	const char *c = p;

	while (n > 0)
		if (c[--n])
			return false;
	return true;
}

static void
every_piece_is_aligned_zeroed_and_its_own(void **state)
{
	struct arena *a = arena_new(200);
	char *p[300];

	(void)state;
	assert_non_null(a);
	for (size_t i = 0; i < 300; i++) {
		p[i] = arena_alloc(a, i);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
		assert_true(is_zeroed(p[i], i));
		memset(p[i], (int)(i % 255) + 1, i);
	}
	for (size_t i = 0; i < 300; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal((unsigned char)p[i][k], i % 255 + 1);
	arena_free(a);
}

static void
what_is_cleared_is_handed_out_again_zeroed(void **state)
{
	struct arena *a = arena_new(256);
	char *first, *again;

	(void)state;
	first = arena_alloc(a, 64);
	memset(first, 'x', 64);
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(a, 200));
	assert_true(arena_used(a) >= 100 * 200 + 64);
	arena_clear(a);
	assert_int_equal(arena_used(a), 0);
	again = arena_alloc(a, 64);
	assert_ptr_equal(first, again);
	assert_true(is_zeroed(again, 64));
	arena_free(a);
}

static void
a_large_piece_does_not_waste_the_rest_of_a_chunk(void **state)
{
	struct arena *a = arena_new(1024);
	char *before = arena_alloc(a, 16), *large, *after;

	(void)state;
	large = arena_alloc(a, 1 << 20);
	assert_non_null(large);
	assert_true(is_zeroed(large, 1 << 20));
	memset(large, 1, 1 << 20);
	after = arena_alloc(a, 16);
	assert_ptr_equal(after, before + 16);
	arena_free(a);
}

static void
a_chunk_may_be_smaller_than_any_piece(void **state)
{
	struct arena *a = arena_new(1);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(a, 10));
	arena_clear(a);
	assert_non_null(arena_alloc(a, 10));
	arena_free(a);
}

static void
what_cannot_be_is_refused(void **state)
{
	struct arena *a = arena_new(0);
	struct str s = STR("kept");

	(void)state;
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 15));
	assert_null(arena_alloc(a, PTRDIFF_MAX));
	assert_null(arena_array(a, SIZE_MAX / 2, 3));
	assert_null(arena_array(a, (size_t)1 << 32, (size_t)1 << 32));
	assert_null(arena_cstr(a, (struct str){ "", SIZE_MAX }));
	assert_false(arena_str(a, (struct str){ "", SIZE_MAX - 1 }, &s));
	assert_true(str_is(s, "kept"));
	assert_null(arena_new(SIZE_MAX));
	assert_int_equal(arena_used(a), 0);
	arena_free(a);
}

static void
an_array_is_zeroed_and_may_be_empty(void **state)
{
	struct arena *a = arena_new(0);
	int64_t *v = arena_array(a, 100, sizeof(*v));

	(void)state;
	assert_true(is_zeroed(v, 100 * sizeof(*v)));
	assert_non_null(arena_array(a, 0, 8));
	assert_non_null(arena_array(a, 8, 0));
	arena_free(a);
}

static void
texts_are_copied_and_terminated(void **state)
{
	struct arena *a = arena_new(64);
	char text[] = "abcdef";
	struct str s;
	char *p;

	(void)state;
	assert_true(arena_str(a, (struct str){ text, 3 }, &s));
	p = arena_cstr(a, str_of(text));
	text[0] = 'X';
	assert_true(str_is(s, "abc"));
	assert_int_equal(s.p[3], 0);
	assert_string_equal(p, "abcdef");
	assert_true(arena_str(a, (struct str){ NULL, 0 }, &s));
	assert_string_equal(s.p, "");
	/* 16 bytes and the NUL, which needs the next unit */
	p = arena_cstr(a, STR("0123456789abcdef"));
	memset(arena_alloc(a, 16), 'x', 16);
	assert_string_equal(p, "0123456789abcdef");
	p = arena_printf(a, "tier %d of '%s'", 2, "math");
	assert_string_equal(p, "tier 2 of 'math'");
	p = arena_printf(a, "%s", "");
	assert_string_equal(p, "");
	p = arena_printf(a, "%500d", 1);
	assert_int_equal(strlen(p), 500);
	arena_free(a);
}

static void
freeing_nothing_is_fine(void **state)
{
	(void)state;
	arena_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_piece_is_aligned_zeroed_and_its_own),
		cmocka_unit_test(what_is_cleared_is_handed_out_again_zeroed),
		cmocka_unit_test(
		    a_large_piece_does_not_waste_the_rest_of_a_chunk),
		cmocka_unit_test(a_chunk_may_be_smaller_than_any_piece),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(an_array_is_zeroed_and_may_be_empty),
		cmocka_unit_test(texts_are_copied_and_terminated),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
