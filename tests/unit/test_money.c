/*
 * test_money.c -- amounts are exact, saturate and may be unknown.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/money.h"

static const char *
exact(int64_t v)
{
	static char text[64];
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	money_exact(&b, v);
	assert_false(b.failed);
	strcpy(text, b.p ? b.p : "");
	buf_release(&b);
	return text;
}

static const char *
shown(int64_t v)
{
	static char text[64];
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	money_show(&b, v);
	assert_false(b.failed);
	strcpy(text, b.p ? b.p : "");
	buf_release(&b);
	return text;
}

static void
sums_saturate_and_unknown_stays_unknown(void **state)
{
	(void)state;
	assert_int_equal(money_add(2, 3), 5);
	assert_int_equal(money_add(MONEY_MAX, 1), MONEY_MAX);
	assert_int_equal(money_add(MONEY_MAX - 1, 1), MONEY_MAX);
	assert_int_equal(money_add(-MONEY_MAX, -1), -MONEY_MAX);
	assert_int_equal(money_add(-MONEY_MAX, -MONEY_MAX), -MONEY_MAX);
	assert_int_equal(money_add(MONEY_UNKNOWN, 0), MONEY_UNKNOWN);
	assert_int_equal(money_add(0, MONEY_UNKNOWN), MONEY_UNKNOWN);
}

static void
differences_saturate_and_unknown_stays_unknown(void **state)
{
	(void)state;
	assert_int_equal(money_sub(2, 3), -1);
	assert_int_equal(money_sub(-MONEY_MAX, 1), -MONEY_MAX);
	assert_int_equal(money_sub(MONEY_MAX, -1), MONEY_MAX);
	assert_int_equal(money_sub(MONEY_UNKNOWN, 1), MONEY_UNKNOWN);
	assert_int_equal(money_sub(1, MONEY_UNKNOWN), MONEY_UNKNOWN);
}

static void
products_saturate_and_unknown_stays_unknown(void **state)
{
	(void)state;
	assert_int_equal(money_mul(150000, 1000), 150000000);
	assert_int_equal(money_mul(MONEY_USD, INT64_MAX), MONEY_MAX);
	assert_int_equal(money_mul(-MONEY_USD, INT64_MAX), -MONEY_MAX);
	assert_int_equal(money_mul(-2, INT64_MIN / 2), MONEY_MAX);
	assert_int_equal(money_mul((int64_t)1 << 62, -2), -MONEY_MAX);
	assert_int_equal(money_mul(MONEY_UNKNOWN, 0), MONEY_UNKNOWN);
	assert_int_equal(money_mul(0, INT64_MAX), 0);
}

static void
decimal_numbers_are_read_exactly(void **state)
{
	static const struct {
		const char *text;
		int64_t v;
	} rows[] = {
		{ "0", 0 },
		{ "0.000033", 33000000 },
		{ "4.2e-06", 4200000 },
		{ "4.2E-06", 4200000 },
		{ "12", 12 * MONEY_USD },
		{ "12.50", 12500000000000 },
		{ "0.000000000001", 1 },
		{ "0.0000000000010000", 1 },
		{ "0.0000000000000000000", 0 },
		{ "1e-12", 1 },
		{ "10e-13", 1 },
		{ "1e6", 1000000 * MONEY_USD },
		{ "1e+6", 1000000 * MONEY_USD },
		{ "0e999999999999", 0 },
		{ "00000000000000000000000000001", MONEY_USD },
		{ ".5", 500000000000 },
		{ "5.", 5 * MONEY_USD },
		{ "9223372.036854775807", INT64_MAX },
		{ "1.1", 1100000000000 },
	};
	size_t i;
	int64_t v;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		v = -1;
		assert_true(money_parse(str_of(rows[i].text), &v));
		assert_int_equal(v, rows[i].v);
	}
}

static void
what_is_not_an_exact_amount_is_refused(void **state)
{
	static const char *const texts[] = { "", ".", "-1", "+1", "1.2.3",
	    "1,5", "$1", " 1", "1 ", "1e", "1e+", "1e-", "e5", "1e5x", "0x1",
	    "1e1.5", "nan", "inf", "0.0000000000001", "1e-13",
	    "9223372.036854775808", "9300000", "1e7", "1e19", "1e400",
	    "1e99999999999999999999", "99999999999999999999999", "1-5",
	    "1e--5" };
	size_t i;
	int64_t v = 42;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (money_parse(str_of(texts[i]), &v))
			fail_msg("taken: '%s'", texts[i]);
	}
	assert_int_equal(v, 42);
	assert_false(money_parse(STR("1\0002"), &v));
	assert_false(money_parse((struct str){ NULL, 0 }, &v));
	/* Only the text counts, not what lies behind it. */
	assert_true(money_parse((struct str){ "15", 1 }, &v));
	assert_int_equal(v, MONEY_USD);
}

static void
doubles_go_to_the_nearest_picodollar(void **state)
{
	(void)state;
	assert_int_equal(money_from_double(0), 0);
	assert_int_equal(money_from_double(4.2e-06), 4200000);
	assert_int_equal(money_from_double(0.1), 100000000000);
	assert_int_equal(money_from_double(1.1), 1100000000000);
	assert_int_equal(money_from_double(4e-13), 0);
	assert_int_equal(money_from_double(6e-13), 1);
	assert_int_equal(money_from_double(-0.5), -500000000000);
	assert_int_equal(money_from_double(1e7), MONEY_MAX);
	assert_int_equal(money_from_double(1e300), MONEY_MAX);
	assert_int_equal(money_from_double(-1e300), -MONEY_MAX);
	assert_int_equal(money_from_double(INFINITY), MONEY_MAX);
	assert_int_equal(money_from_double(NAN), MONEY_UNKNOWN);
}

static void
exact_text_reads_back_as_the_same_amount(void **state)
{
	static const int64_t rows[] = { 0, 1, 10, 33000000, MONEY_USD,
	    MONEY_USD - 1, MONEY_USD + 1, 12 * MONEY_USD, 123456789012345678,
	    MONEY_MAX };
	size_t i;
	int64_t v;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(money_parse(str_of(exact(rows[i])), &v));
		assert_int_equal(v, rows[i]);
	}
	assert_string_equal(exact(33000000), "0.000033");
	assert_string_equal(exact(12 * MONEY_USD), "12");
	assert_string_equal(exact(1), "0.000000000001");
	assert_string_equal(exact(-MONEY_USD / 2), "-0.5");
	assert_string_equal(exact(MONEY_MAX), "9223372.036854775807");
	assert_string_equal(exact(MONEY_UNKNOWN), "");
}

static void
people_see_four_significant_digits(void **state)
{
	static const struct {
		int64_t v;
		const char *text;
	} rows[] = {
		{ 0, "$0.00" },
		{ 12340000000000, "$12.34" },
		{ 12345600000000, "$12.35" },
		{ 420000000, "$0.000420" },
		{ 500000000000, "$0.50" },
		{ 1234000000000, "$1.234" },
		{ 1230000000000, "$1.23" },
		{ 123456000000, "$0.1235" },
		{ 12345600000, "$0.01235" },
		{ 1234560000, "$0.001235" },
		{ 42, "$0.000000000042" },
		{ 1, "$0.000000000001" },
		{ 12345, "$0.00000001235" },
		{ 9999960000000, "$10.00" },
		{ 999960000000, "$1.00" },
		{ 1234567 * MONEY_USD, "$1234567.00" },
		{ -12340000000000, "-$12.34" },
		{ MONEY_MAX, "$9223372.04" },
		{ MONEY_UNKNOWN, "unknown" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(shown(rows[i].v), rows[i].text);
}

static void
json_has_no_member_for_an_unknown_amount(void **state)
{
	struct buf b;
	struct jw w;

	(void)state;
	buf_init(&b, BUF_MAX);
	w = jw_on(&b);
	jw_open(&w, '{');
	jw_kmoney(&w, "a", 33000000);
	jw_kmoney(&w, "b", MONEY_UNKNOWN);
	jw_kmoney(&w, "c", 0);
	jw_close(&w, '}');
	assert_string_equal(b.p, "{\"a\":0.000033,\"c\":0}");
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_saturate_and_unknown_stays_unknown),
		cmocka_unit_test(
		    differences_saturate_and_unknown_stays_unknown),
		cmocka_unit_test(products_saturate_and_unknown_stays_unknown),
		cmocka_unit_test(decimal_numbers_are_read_exactly),
		cmocka_unit_test(what_is_not_an_exact_amount_is_refused),
		cmocka_unit_test(doubles_go_to_the_nearest_picodollar),
		cmocka_unit_test(exact_text_reads_back_as_the_same_amount),
		cmocka_unit_test(people_see_four_significant_digits),
		cmocka_unit_test(json_has_no_member_for_an_unknown_amount),
	};

	return cmocka_run_group_tests_name("money", tests, NULL, NULL);
}
