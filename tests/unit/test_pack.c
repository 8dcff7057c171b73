/*
 * test_pack.c -- numbers and texts as bytes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/pack.h"

static const int64_t numbers[] = {
	0, 1, -1, 63, 64, -64, -65, 127, 128, 300, 16383, 16384, -16384,
	1000000007, -1000000007, INT64_MAX, INT64_MIN, INT64_MIN + 1,
	INT64_C(1) << 62, -(INT64_C(1) << 62),
};
#define N (sizeof(numbers) / sizeof(*numbers))

static void
numbers_come_back(void **state)
{
	char room[3 * PACK_NUMBER], *p;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct unpack u;

		p = pack_i64(room, numbers[i]);
		p = pack_u64(p, (uint64_t)numbers[i]);
		p = pack_known(p, numbers[i], INT64_MIN);
		assert_true(p <= room + sizeof(room));
		u = unpack_of((struct str){ room, (size_t)(p - room) });
		assert_true(unpack_i64(&u) == numbers[i]);
		assert_true(unpack_u64(&u) == (uint64_t)numbers[i]);
		assert_true(unpack_known(&u, INT64_MIN) == numbers[i]);
		assert_false(u.bad || unpack_more(&u));
	}
}

static void
small_numbers_are_a_byte(void **state)
{
	char room[PACK_NUMBER];

	(void)state;
	assert_int_equal(pack_i64(room, -64) - room, 1);
	assert_int_equal(pack_i64(room, 64) - room, 2);
	assert_int_equal(pack_u64(room, 127) - room, 1);
	assert_int_equal(pack_known(room, INT64_MIN, INT64_MIN) - room, 1);
}

static void
texts_and_doubles_come_back(void **state)
{
	char room[100], *p = pack_str(room, STR("a\0b"));
	struct unpack u;

	(void)state;
	p = pack_str(p, (struct str){ NULL, 0 });
	p = pack_double(p, 0.1);
	p = pack_double(p, -INFINITY);
	p = pack_double(p, -5e-324);
	u = unpack_of((struct str){ room, (size_t)(p - room) });
	assert_true(str_eq(unpack_str(&u), STR("a\0b")));
	assert_int_equal(unpack_str(&u).n, 0);
	assert_true(unpack_double(&u) == 0.1);
	assert_true(unpack_double(&u) == -INFINITY);
	assert_true(unpack_double(&u) == -5e-324);
	assert_false(u.bad || unpack_more(&u));
}

static void
what_is_cut_short_is_bad_and_stays_so(void **state)
{
	char room[100], *p = pack_str(room, STR("hello"));
	size_t n = (size_t)(pack_u64(p, 300) - room);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct unpack u = unpack_of((struct str){ room, i });

		unpack_str(&u);
		assert_true(unpack_u64(&u) == 0);
		assert_true(u.bad);
		assert_int_equal(unpack_str(&u).n, 0);
		assert_true(unpack_double(&u) == 0);
		assert_false(unpack_more(&u));
	}
}

static void
numbers_of_more_than_64_bits_are_bad(void **state)
{
	static const char ten[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
	static const char eleven[] =
	    "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00";
	struct unpack u = unpack_of((struct str){ ten, sizeof(ten) - 1 });

	(void)state;
	assert_true(unpack_u64(&u) == 0 && u.bad);
	u = unpack_of((struct str){ eleven, sizeof(eleven) });
	assert_true(unpack_u64(&u) == 0 && u.bad);
	u = unpack_of(STR("\xff\xff\xff\xff\x0f"));
	assert_int_equal(unpack_int(&u), 0);
	assert_true(u.bad);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back),
		cmocka_unit_test(small_numbers_are_a_byte),
		cmocka_unit_test(texts_and_doubles_come_back),
		cmocka_unit_test(what_is_cut_short_is_bad_and_stays_so),
		cmocka_unit_test(numbers_of_more_than_64_bits_are_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
