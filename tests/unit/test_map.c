/*
 * test_map.c -- a hash table, compared with plain arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/rand.h"

static struct str
key_of(char *text, size_t size, unsigned i)
{
	int n = snprintf(text, size, "task-%u", i);

	return (struct str){ text, (size_t)n };
}

static void
what_was_put_is_found_until_it_is_removed(void **state)
{
	struct map *m = map_new();
	char text[] = "key";
	int one, two;

	(void)state;
	assert_non_null(m);
	assert_null(map_get(m, STR("key")));
	assert_null(map_remove(m, STR("key")));
	assert_true(map_put(m, str_of(text), &one));
	text[0] = 'X'; /* the key was copied */
	assert_ptr_equal(map_get(m, STR("key")), &one);
	assert_null(map_get(m, STR("ke")));
	assert_true(map_put(m, STR("key"), &two));
	assert_int_equal(map_count(m), 1);
	assert_ptr_equal(map_get(m, STR("key")), &two);
	assert_ptr_equal(map_remove(m, STR("key")), &two);
	assert_null(map_get(m, STR("key")));
	assert_int_equal(map_count(m), 0);
	map_free(m);
}

static void
any_bytes_are_a_key(void **state)
{
	struct map *m = map_new();
	int a, b, c;

	(void)state;
	assert_true(map_put(m, (struct str){ NULL, 0 }, &a));
	assert_true(map_put(m, STR("\0"), &b));
	assert_true(map_put(m, STR("\0\0"), &c));
	assert_ptr_equal(map_get(m, STR("")), &a);
	assert_ptr_equal(map_get(m, STR("\0")), &b);
	assert_ptr_equal(map_get(m, STR("\0\0")), &c);
	assert_int_equal(map_count(m), 3);
	map_free(m);
}

static void
random_changes_agree_with_an_array(void **state)
{
	enum { KEYS = 500 };
	struct map *m = map_new();
	void *shadow[KEYS] = { 0 };
	int values[7];
	struct rng r;
	char text[32];
	size_t count = 0;

	(void)state;
	rng_seed(&r, 1);
	for (int step = 0; step < 100000; step++) {
		unsigned i = (unsigned)(rng_u64(&r) % KEYS);
		struct str key = key_of(text, sizeof(text), i);
		void *v = &values[rng_u64(&r) % 7];

		if (rng_u64(&r) % 2) {
			assert_true(map_put(m, key, v));
			count += !shadow[i];
			shadow[i] = v;
		} else {
			assert_ptr_equal(map_remove(m, key), shadow[i]);
			count -= shadow[i] != NULL;
			shadow[i] = NULL;
		}
		assert_int_equal(map_count(m), count);
		i = (unsigned)(rng_u64(&r) % KEYS);
		key = key_of(text, sizeof(text), i);
		assert_ptr_equal(map_get(m, key), shadow[i]);
	}
	for (unsigned i = 0; i < KEYS; i++)
		assert_ptr_equal(map_get(m, key_of(text, sizeof(text), i)),
		    shadow[i]);
	map_free(m);
}

static void
every_entry_is_visited_once(void **state)
{
	enum { KEYS = 20000 };
	struct map *m = map_new();
	static int seen[KEYS];
	char text[32];
	struct str key;
	void *value;
	size_t at = 0, n = 0;

	(void)state;
	assert_false(map_each(m, &at, &key, &value));
	for (unsigned i = 0; i < KEYS; i++)
		assert_true(map_put(m, key_of(text, sizeof(text), i),
		    &seen[i]));
	for (at = 0; map_each(m, &at, &key, &value); n++) {
		int *mark = value;

		assert_true(str_eq(key, key_of(text, sizeof(text),
		    (unsigned)(mark - seen))));
		assert_int_equal((*mark)++, 0);
	}
	assert_int_equal(n, KEYS);
	map_free(m);
}

static void
freeing_nothing_is_fine(void **state)
{
	(void)state;
	map_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found_until_it_is_removed),
		cmocka_unit_test(any_bytes_are_a_key),
		cmocka_unit_test(random_changes_agree_with_an_array),
		cmocka_unit_test(every_entry_is_visited_once),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
