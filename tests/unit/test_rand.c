/*
 * test_rand.c -- the generator's published numbers, and the hash's quality.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"

static void
the_generator_is_xoroshiro128_plus_plus(void **state)
{
	static const uint64_t expected[] = { 393217, 669327710093319,
	    UINT64_C(1732421326133921491), UINT64_C(11394790081659126983) };
	struct rng r = { { 1, 2 } };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(rng_u64(&r) == expected[i]);
}

static void
seeds_are_spread_by_splitmix64(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 1234567);
	assert_true(r.s[0] == UINT64_C(6457827717110365317));
	assert_true(r.s[1] == UINT64_C(3203168211198807973));
	rng_seed(&r, 0);
	assert_true(r.s[0] && r.s[1]);
}

static void
the_same_seed_gives_the_same_numbers(void **state)
{
	struct rng a, b, c;

	(void)state;
	rng_seed(&a, 7);
	rng_seed(&b, 7);
	rng_seed(&c, 8);
	for (int i = 0; i < 100; i++) {
		uint64_t v = rng_u64(&a);

		assert_true(v == rng_u64(&b));
		assert_true(v != rng_u64(&c));
	}
}

static void
the_system_gives_different_seeds(void **state)
{
	struct rng a, b;

	(void)state;
	rng_seed_system(&a);
	rng_seed_system(&b);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void
unit_numbers_are_evenly_in_0_to_1(void **state)
{
	struct rng r;
	int tenth[10] = { 0 };

	(void)state;
	rng_seed(&r, 42);
	for (int i = 0; i < 100000; i++) {
		double v = rng_unit(&r);

		assert_true(v >= 0 && v < 1);
		tenth[(int)(v * 10)]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(tenth[i], 9500, 10500);
	r = (struct rng){ { UINT64_MAX, 0 } };
	assert_true(rng_unit(&r) < 1);
}

/* Written down once: recorded simulations must not change. */
static void
the_hash_of_a_text_never_changes(void **state)
{
	(void)state;
	assert_true(hash64(STR(""), 0) ==
	    UINT64_C(0xa706dd2f4d197e6f));
	assert_true(hash64(STR("frugal"), 0) ==
	    UINT64_C(0x0c31b634e061022a));
	assert_true(hash64(STR("frugality in all"), 1) ==
	    UINT64_C(0xd947c00f4b006648));
	assert_true(hash64((struct str){ NULL, 0 }, 0) ==
	    UINT64_C(0xa706dd2f4d197e6f));
}

static void
length_seed_and_place_all_count(void **state)
{
	static const char zeros[64];
	uint64_t seen[65];

	(void)state;
	for (size_t n = 0; n <= 64; n++) {
		seen[n] = hash64((struct str){ zeros, n }, 0);
		for (size_t i = 0; i < n; i++)
			assert_true(seen[i] != seen[n]);
	}
	assert_true(hash64(STR("a"), 0) != hash64(STR("a"), 1));
	assert_true(hash64(STR("abcdefgh12345678"), 0) !=
	    hash64(STR("12345678abcdefgh"), 0));
}

/* Turning one bit of the text over turns about half of the hash over. */
static void
every_bit_of_the_text_stirs_the_hash(void **state)
{
	char text[21] = "twenty-one bytes long";

	(void)state;
	for (size_t bit = 0; bit < sizeof(text) * 8; bit++) {
		struct str s = { text, sizeof(text) };
		uint64_t before = hash64(s, 0);
		int turned;

		text[bit / 8] ^= (char)(1 << bit % 8);
		turned = __builtin_popcountll(before ^ hash64(s, 0));
		text[bit / 8] ^= (char)(1 << bit % 8);
		assert_in_range(turned, 12, 52);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generator_is_xoroshiro128_plus_plus),
		cmocka_unit_test(seeds_are_spread_by_splitmix64),
		cmocka_unit_test(the_same_seed_gives_the_same_numbers),
		cmocka_unit_test(the_system_gives_different_seeds),
		cmocka_unit_test(unit_numbers_are_evenly_in_0_to_1),
		cmocka_unit_test(the_hash_of_a_text_never_changes),
		cmocka_unit_test(length_seed_and_place_all_count),
		cmocka_unit_test(every_bit_of_the_text_stirs_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
