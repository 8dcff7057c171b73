/*
 * test_str.c -- borrowed text and text that grows.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

#define NONE ((struct str){ NULL, 0 })

static void
assert_str(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static void
no_text_is_the_empty_text(void **state)
{
	struct str s = NONE, head;

	(void)state;
	assert_int_equal(str_of(NULL).n, 0);
	assert_true(str_eq(s, STR("")));
	assert_true(str_is(s, ""));
	assert_true(str_is_nocase(s, ""));
	assert_true(str_starts(s, ""));
	assert_true(str_ends(s, ""));
	assert_int_equal(str_cmp(s, STR("")), 0);
	assert_int_equal(str_trim(s).n, 0);
	assert_int_equal(str_sub(s, 5, 5).n, 0);
	assert_int_equal(str_find(s, STR("")), 0);
	assert_int_equal(str_find(s, STR("a")), -1);
	assert_false(str_has_nocase(s, "a"));
	assert_true(str_has_nocase(s, ""));
	assert_false(str_cut(&s, ',', &head));
	assert_int_equal(head.n, 0);
}

static void
a_part_is_clipped_to_the_text(void **state)
{
	(void)state;
	assert_str(str_sub(STR("frugal"), 1, 3), "rug");
	assert_str(str_sub(STR("frugal"), 3, 100), "gal");
	assert_str(str_sub(STR("frugal"), 6, 1), "");
	assert_str(str_sub(STR("frugal"), 7, 1), "");
	assert_str(str_sub(STR("frugal"), 1, SIZE_MAX), "rugal");
	assert_str(str_sub(STR("frugal"), SIZE_MAX, SIZE_MAX), "");
}

static void
texts_are_equal_only_byte_for_byte(void **state)
{
	(void)state;
	assert_true(str_eq(STR("a\0b"), STR("a\0b")));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_false(str_eq(STR("a"), STR("ab")));
	assert_false(str_eq(STR("ab"), STR("a")));
	assert_false(str_is(STR("a\0"), "a"));
	assert_false(str_is(STR("A"), "a"));
}

static void
case_is_ignored_in_ascii_alone(void **state)
{
	(void)state;
	assert_true(str_is_nocase(STR("Content-TYPE"), "content-type"));
	assert_false(str_is_nocase(STR("content"), "content-type"));
	/* Letters and non-letters differ by the same bit. */
	assert_false(str_is_nocase(STR("[@"), "{`"));
	assert_false(str_is_nocase(STR("\xc3\x84"), "\xc3\xa4"));
	assert_true(str_has_nocase(STR("Rate LIMIT reached"), "limit"));
	assert_true(str_has_nocase(STR("limit"), "LIMIT"));
	assert_false(str_has_nocase(STR("limi"), "limit"));
	assert_true(str_has_nocase(STR("x"), ""));
}

static void
starts_and_ends_are_told(void **state)
{
	(void)state;
	assert_true(str_starts(STR("trace.jsonl.gz"), "trace"));
	assert_false(str_starts(STR("trace"), "trace."));
	assert_true(str_ends(STR("trace.jsonl.gz"), ".gz"));
	assert_false(str_ends(STR("gz"), ".gz"));
	assert_true(str_ends(STR("gz"), ""));
}

static void
texts_sort_bytewise_and_shorter_first(void **state)
{
	(void)state;
	assert_true(str_cmp(STR("a"), STR("b")) < 0);
	assert_true(str_cmp(STR("b"), STR("ab")) > 0);
	assert_true(str_cmp(STR("a"), STR("ab")) < 0);
	assert_true(str_cmp(STR("ab"), STR("a")) > 0);
	assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
	assert_true(str_cmp(STR(""), STR("a")) < 0);
}

static void
white_space_is_trimmed_at_both_ends(void **state)
{
	(void)state;
	assert_str(str_trim(STR(" \t\r\n\v\fa b\n ")), "a b");
	assert_str(str_trim(STR(" \n ")), "");
	assert_str(str_trim(STR("a")), "a");
	assert_str(str_trim(STR("\xc2\xa0")), "\xc2\xa0");
}

static void
the_first_occurrence_is_found(void **state)
{
	(void)state;
	assert_int_equal(str_find(STR("abcabc"), STR("bc")), 1);
	assert_int_equal(str_find(STR("abc"), STR("abcd")), -1);
	assert_int_equal(str_find(STR("a\0b"), STR("\0b")), 1);
	assert_int_equal(str_find(STR("abc"), STR("")), 0);
	assert_int_equal(str_find(STR("abc"), STR("c")), 2);
	assert_true(str_has(STR("abc"), "bc"));
	assert_false(str_has(STR("abc"), "cb"));
}

static void
a_text_is_cut_at_separators_until_none_is_left(void **state)
{
	struct str s = STR("a,,b"), head;

	(void)state;
	assert_true(str_cut(&s, ',', &head));
	assert_str(head, "a");
	assert_str(s, ",b");
	assert_true(str_cut(&s, ',', &head));
	assert_str(head, "");
	assert_false(str_cut(&s, ',', &head));
	assert_str(head, "b");
	assert_int_equal(s.n, 0);

	s = STR("a,");
	assert_true(str_cut(&s, ',', &head));
	assert_int_equal(s.n, 0);
}

static void
a_copy_ends_in_nul(void **state)
{
	char *p = str_dup((struct str){ "abcdef", 3 });

	(void)state;
	assert_string_equal(p, "abc");
	free(p);
	p = str_dup(NONE);
	assert_string_equal(p, "");
	free(p);
	assert_null(str_dup((struct str){ "", SIZE_MAX }));
}

static void
whole_numbers_use_up_the_text(void **state)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0",
	    "0x10", "1e3", "--1", "9223372036854775808",
	    "-9223372036854775809", "99999999999999999999999", "1_000" };
	int64_t v = 77;

	(void)state;
	assert_true(str_to_i64(STR("0"), &v) && v == 0);
	assert_true(str_to_i64(STR("-0"), &v) && v == 0);
	assert_true(str_to_i64(STR("-12"), &v) && v == -12);
	assert_true(str_to_i64(STR("9223372036854775807"), &v));
	assert_true(v == INT64_MAX);
	assert_true(str_to_i64(STR("-9223372036854775808"), &v));
	assert_true(v == INT64_MIN);
	assert_true(str_to_i64((struct str){ "123", 2 }, &v) && v == 12);
	v = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (str_to_i64(str_of(bad[i]), &v))
			fail_msg("'%s' was read", bad[i]);
	assert_false(str_to_i64(NONE, &v));
	assert_false(str_to_i64(STR("1\0"), &v));
	assert_int_equal(v, 77);
}

static void
counts_may_end_in_k_or_m(void **state)
{
	int64_t v = 77;

	(void)state;
	assert_true(str_to_count(STR("5000"), &v) && v == 5000);
	assert_true(str_to_count(STR("2M"), &v) && v == 2000000);
	assert_true(str_to_count(STR("3m"), &v) && v == 3000000);
	assert_true(str_to_count(STR("4k"), &v) && v == 4000);
	assert_true(str_to_count(STR("-4K"), &v) && v == -4000);
	v = 77;
	assert_false(str_to_count(STR("k"), &v));
	assert_false(str_to_count(STR(""), &v));
	assert_false(str_to_count(STR("1kk"), &v));
	assert_false(str_to_count(STR("1.5k"), &v));
	assert_false(str_to_count(STR("9223372036854775807k"), &v));
	assert_int_equal(v, 77);
}

static void
doubles_are_what_json_says(void **state)
{
	static const char *const bad[] = { "", "-", "+1", ".5", "1.", "01",
	    "-01", "1e", "1e+", "0x1p3", "nan", "inf", "infinity", " 1",
	    "1 ", "1,5", "1e999", "-1e999", "1.2.3", "1e5.0" };
	double v = 77;

	(void)state;
	assert_true(str_to_double(STR("0"), &v) && v == 0);
	assert_true(str_to_double(STR("-0.0"), &v) && v == 0 && signbit(v));
	assert_true(str_to_double(STR("0.85"), &v) && v == 0.85);
	assert_true(str_to_double(STR("-4.7e-12"), &v) && v == -4.7e-12);
	assert_true(str_to_double(STR("1E+2"), &v) && v == 100);
	assert_true(str_to_double(STR("1e-999"), &v) && v == 0);
	assert_true(str_to_double((struct str){ "1.25", 3 }, &v) && v == 1.2);
	v = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (str_to_double(str_of(bad[i]), &v))
			fail_msg("'%s' was read", bad[i]);
	assert_false(str_to_double(NONE, &v));
	assert_false(str_to_double(STR("1\0"), &v));
	assert_false(str_to_double(STR("1\0001"), &v));
	assert_true(v == 77);
}

static void
very_long_doubles_are_read(void **state)
{
	char digits[4000];
	double v;

	(void)state;
	memset(digits, '3', sizeof(digits));
	memcpy(digits, "0.", 2);
	assert_true(str_to_double((struct str){ digits, sizeof(digits) }, &v));
	assert_true(v == 1.0 / 3);
	/* Around the size up to which no memory is taken. */
	for (size_t n = 60; n < 70; n++)
		assert_true(str_to_double((struct str){ digits, n }, &v) &&
		    v == 1.0 / 3);
	digits[3999] = 'x';
	assert_false(str_to_double((struct str){ digits, sizeof(digits) }, &v));
}

static void
a_buffer_is_always_terminated(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	assert_null(b.p);
	assert_int_equal(buf_str(&b).n, 0);
	buf_add(&b, NONE);
	assert_string_equal(b.p, "");
	buf_adds(&b, "one");
	buf_addc(&b, ' ');
	buf_add(&b, (struct str){ "twofold", 3 });
	buf_addf(&b, " %d %s", 3, "four");
	assert_string_equal(b.p, "one two 3 four");
	assert_int_equal(b.n, strlen(b.p));
	buf_cut(&b, 3);
	assert_string_equal(b.p, "one");
	buf_cut(&b, 100);
	assert_int_equal(b.n, 3);
	buf_clear(&b);
	assert_string_equal(b.p, "");
	assert_int_equal(b.n, 0);
	buf_release(&b);
	assert_null(b.p);
	buf_adds(&b, "again");
	assert_string_equal(b.p, "again");
	buf_release(&b);
}

static void
a_buffer_grows_to_any_size(void **state)
{
	struct buf b;
	char *big = malloc(100000);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 99999);
	big[99999] = '\0';
	buf_init(&b, SIZE_MAX);
	for (size_t i = 0; i < 1000; i++) {
		buf_addc(&b, 'a');
		assert_int_equal(b.p[b.n], 0);
	}
	buf_addf(&b, "%s!", big);
	assert_false(b.failed);
	assert_int_equal(b.n, 1000 + 99999 + 1);
	assert_int_equal(b.p[b.n - 1], '!');
	assert_int_equal(strlen(b.p), b.n);
	assert_true(buf_reserve(&b, 5000000));
	assert_true(b.cap > b.n + 5000000);
	buf_release(&b);
	free(big);
}

static void
what_exceeds_the_maximum_fails_for_good(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_adds(&b, "12345");
	assert_false(b.failed);
	buf_add(&b, NONE);
	assert_false(b.failed);
	buf_addc(&b, '6');
	assert_true(b.failed);
	assert_string_equal(b.p, "12345");
	/* No hole in the middle: nothing is taken any more. */
	buf_cut(&b, 0);
	buf_adds(&b, "a");
	buf_addf(&b, "%d", 1);
	assert_int_equal(b.n, 0);
	assert_false(buf_reserve(&b, 0));
	buf_clear(&b);
	assert_false(b.failed);
	buf_addf(&b, "%s", "123456");
	assert_true(b.failed);
	assert_string_equal(b.p, "");
	assert_null(buf_take(&b));
	assert_false(b.failed);
	buf_addf(&b, "%05d", 7);
	assert_false(b.failed);
	assert_string_equal(b.p, "00007");
	assert_false(buf_reserve(&b, SIZE_MAX));
	buf_release(&b);
}

static void
a_buffer_of_maximum_0_takes_the_empty_text_alone(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_adds(&b, "");
	assert_false(b.failed);
	assert_string_equal(b.p, "");
	buf_addc(&b, 'x');
	assert_true(b.failed);
	buf_release(&b);
}

static void
a_text_is_handed_over(void **state)
{
	struct buf b;
	char *p;

	(void)state;
	buf_init(&b, 100);
	p = buf_take(&b);
	assert_string_equal(p, "");
	free(p);
	buf_adds(&b, "mine");
	p = buf_take(&b);
	assert_string_equal(p, "mine");
	free(p);
	assert_null(b.p);
	assert_int_equal(b.n, 0);
	assert_int_equal(b.max, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_text_is_the_empty_text),
		cmocka_unit_test(a_part_is_clipped_to_the_text),
		cmocka_unit_test(texts_are_equal_only_byte_for_byte),
		cmocka_unit_test(case_is_ignored_in_ascii_alone),
		cmocka_unit_test(starts_and_ends_are_told),
		cmocka_unit_test(texts_sort_bytewise_and_shorter_first),
		cmocka_unit_test(white_space_is_trimmed_at_both_ends),
		cmocka_unit_test(the_first_occurrence_is_found),
		cmocka_unit_test(
		    a_text_is_cut_at_separators_until_none_is_left),
		cmocka_unit_test(a_copy_ends_in_nul),
		cmocka_unit_test(whole_numbers_use_up_the_text),
		cmocka_unit_test(counts_may_end_in_k_or_m),
		cmocka_unit_test(doubles_are_what_json_says),
		cmocka_unit_test(very_long_doubles_are_read),
		cmocka_unit_test(a_buffer_is_always_terminated),
		cmocka_unit_test(a_buffer_grows_to_any_size),
		cmocka_unit_test(what_exceeds_the_maximum_fails_for_good),
		cmocka_unit_test(
		    a_buffer_of_maximum_0_takes_the_empty_text_alone),
		cmocka_unit_test(a_text_is_handed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
