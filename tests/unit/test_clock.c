/*
 * test_clock.c -- times and durations as text, in a time zone of the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"

/* 2026-11-23 14:03:07.123 UTC */
#define MOMENT ((int64_t)1795442587123)
#define HOUR ((int64_t)3600000)
#define DAY (24 * HOUR)

static void
zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
	tzset();
}

static const char *
text(void (*f)(struct buf *, int64_t), int64_t v)
{
	static char last[64];
	struct buf b;

	buf_init(&b, sizeof(last) - 1);
	f(&b, v);
	assert_false(b.failed);
	strcpy(last, b.p);
	buf_release(&b);
	return last;
}

static int64_t
since(const char *s, int64_t now)
{
	struct err e = { 0 };
	int64_t v = -1;

	assert_int_equal(clock_parse_since(str_of(s), now, &v, &e), 0);
	assert_int_equal(e.code, ERR_NONE);
	return v;
}

static void
the_monotonic_clock_does_not_go_back(void **state)
{
	int64_t a = clock_mono_ms(), b = clock_mono_ms();

	(void)state;
	assert_true(a > 0 && b >= a);
	assert_true(clock_utc_ms() > 1700000000000);
}

static void
times_are_shown_in_local_time(void **state)
{
	(void)state;
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_string_equal(text(clock_local, MOMENT), "2026-11-23 15:03:07");
	assert_string_equal(text(clock_local_day, MOMENT), "2026-11-23");
	assert_string_equal(text(clock_local_day, MOMENT + 9 * HOUR),
	    "2026-11-24");
	/* summer */
	assert_string_equal(text(clock_local, MOMENT - 120 * DAY),
	    "2026-07-26 16:03:07");
	zone("UTC0");
	assert_string_equal(text(clock_local, MOMENT), "2026-11-23 14:03:07");
	assert_string_equal(text(clock_local, -1), "1969-12-31 23:59:59");
}

static void
rfc3339_is_in_utc_whatever_the_zone(void **state)
{
	(void)state;
	zone("AAA+11");
	assert_string_equal(text(clock_rfc3339, MOMENT),
	    "2026-11-23T14:03:07.123Z");
	assert_string_equal(text(clock_rfc3339, 0),
	    "1970-01-01T00:00:00.000Z");
	assert_string_equal(text(clock_rfc3339, -1),
	    "1969-12-31T23:59:59.999Z");
}

static void
any_time_at_all_can_be_shown(void **state)
{
	(void)state;
	zone("UTC0");
	assert_true(strlen(text(clock_local, INT64_MAX)) > 19);
	assert_true(strlen(text(clock_local, INT64_MIN)) > 19);
	assert_true(strlen(text(clock_rfc3339, INT64_MAX)) > 24);
	assert_true(strlen(text(clock_rfc3339, INT64_MIN)) > 24);
}

static void
rfc3339_times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "2026-11-23T14:03:07.123Z", MOMENT },
		{ "2026-11-23t14:03:07.123z", MOMENT },
		{ "2026-11-23 14:03:07.123Z", MOMENT },
		{ "2026-11-23T14:03:07.123987654321Z", MOMENT },
		{ "2026-11-23T14:03:07Z", MOMENT - 123 },
		{ "2026-11-23T15:03:07.123+01:00", MOMENT },
		{ "2026-11-23T08:33:07.123-05:30", MOMENT },
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "2016-12-31T23:59:60Z", 1483228800000 },
		{ "2026-11-23T14:03:07.1Z", MOMENT - 23 },
	};
	size_t i;
	int64_t ms;

	(void)state;
	zone("AAA+11");
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ms = 42;
		assert_true(clock_parse_rfc3339(str_of(rows[i].text), &ms));
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
what_is_no_rfc3339_time_is_refused(void **state)
{
	static const char *const texts[] = { "", "2026", "2026-11-23",
	    "2026-11-23T14:03:07", "2026-11-23T14:03Z",
	    "2026-13-23T14:03:07Z", "2026-00-23T14:03:07Z",
	    "2026-11-31T14:03:07Z", "2026-02-29T14:03:07Z",
	    "1900-02-29T14:03:07Z", "2026-11-00T14:03:07Z",
	    "2026-11-23T24:03:07Z", "2026-11-23T14:60:07Z",
	    "2026-11-23T14:03:61Z", "2026-11-23T14:03:07.Z",
	    "2026-11-23T14:03:07+1:00", "2026-11-23T14:03:07+01",
	    "2026-11-23T14:03:07+24:00", "2026-11-23T14:03:07Zx",
	    "2026-11-23T14:03:07+01:00x", " 2026-11-23T14:03:07Z",
	    "2026-11-23X14:03:07Z", "26-11-23T14:03:07Z",
	    "-026-11-23T14:03:07Z" };
	size_t i;
	int64_t ms = 42;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (clock_parse_rfc3339(str_of(texts[i]), &ms))
			fail_msg("taken: '%s'", texts[i]);
	}
	assert_int_equal(ms, 42);
}

static void
durations_are_short(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "0ms" }, { 850, "850ms" }, { 999, "999ms" },
		{ 1000, "1.0s" }, { 12399, "12.3s" }, { 59999, "59.9s" },
		{ 60000, "1m00s" }, { 245000, "4m05s" },
		{ HOUR - 1, "59m59s" }, { HOUR, "1h00m" },
		{ 2 * HOUR + 600000, "2h10m" }, { DAY - 1, "23h59m" },
		{ 3 * DAY + 4 * HOUR, "3d4h" }, { -850, "-850ms" },
		{ INT64_MAX, "106751991167d7h" },
		{ INT64_MIN, "-106751991167d7h" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(text(clock_duration, rows[i].ms),
		    rows[i].text);
}

static void
durations_are_read_up_to_ten_years(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "250ms", 250 }, { "30s", 30000 }, { "2m", 120000 },
		{ "1h", HOUR }, { "7d", 7 * DAY }, { "2w", 14 * DAY },
		{ "90", 90000 }, { "0", 0 }, { "007", 7000 },
		{ "3650d", 3650 * DAY }, { "315360000", 3650 * DAY },
	};
	size_t i;
	int64_t ms;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ms = -1;
		assert_true(clock_parse_duration(str_of(rows[i].text), &ms));
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
what_is_no_duration_is_refused(void **state)
{
	static const char *const texts[] = { "", "s", "-1s", "+1s", "1 s",
	    " 1s", "1y", "1S", "1.5h", "1h30m", "3651d", "315360001",
	    "315360000001ms", "99999999999999999999999999w",
	    "18446744073709551617", "1s " };
	size_t i;
	int64_t ms = 42;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (clock_parse_duration(str_of(texts[i]), &ms))
			fail_msg("taken: '%s'", texts[i]);
	}
	assert_int_equal(ms, 42);
}

static void
since_is_an_age_a_day_or_a_time(void **state)
{
	(void)state;
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_int_equal(since("2h", MOMENT), MOMENT - 2 * HOUR);
	assert_int_equal(since("2026-11-23T14:03:07.123Z", 0), MOMENT);
	assert_string_equal(text(clock_local, since("today", MOMENT)),
	    "2026-11-23 00:00:00");
	assert_string_equal(text(clock_local, since("yesterday", MOMENT)),
	    "2026-11-22 00:00:00");
	assert_string_equal(text(clock_local, since("2026-07-01", MOMENT)),
	    "2026-07-01 00:00:00");
	/* at half past midnight, and across a month, a year and a change of
	 * the clocks */
	assert_string_equal(text(clock_local,
	    since("today", MOMENT + 9 * HOUR)), "2026-11-24 00:00:00");
	assert_string_equal(text(clock_local, since("yesterday",
	    since("2026-01-01", 0))), "2025-12-31 00:00:00");
	assert_string_equal(text(clock_local, since("yesterday",
	    since("2026-03-30", 0))), "2026-03-29 00:00:00");
	assert_string_equal(text(clock_local, since("yesterday",
	    since("2026-10-26", 0))), "2026-10-25 00:00:00");
	assert_int_equal(since("2026-10-26", 0) - since("2026-10-25", 0),
	    25 * HOUR);
}

static void
a_day_without_a_midnight_starts_at_one(void **state)
{
	(void)state;
	/* Summer time from midnight on 2026-11-01, as in Brazil once. */
	zone("AAA3BBB,M11.1.0/0,M2.3.0/0");
	assert_string_equal(text(clock_local, since("2026-11-01", 0)),
	    "2026-11-01 01:00:00");
	assert_int_equal(since("2026-11-02", 0) - since("2026-11-01", 0),
	    23 * HOUR);
	assert_string_equal(text(clock_local, since("yesterday",
	    since("2026-11-02", 0))), "2026-11-01 01:00:00");
}

static void
an_unreadable_since_says_what_can_be_read(void **state)
{
	static const char *const texts[] = { "", "tomorrow", "Today",
	    "2026-11-31", "2026-11-23x", "23.11.2026", "1y",
	    /* of what? */ "2026", "30" };
	struct err e;
	int64_t ms = 42;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		e = (struct err){ 0 };
		assert_int_equal(clock_parse_since(str_of(texts[i]), MOMENT,
		    &ms, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
		assert_non_null(strstr(e.msg, texts[i]));
		assert_non_null(strstr(e.msg, "yesterday"));
	}
	assert_int_equal(ms, 42);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_monotonic_clock_does_not_go_back),
		cmocka_unit_test(times_are_shown_in_local_time),
		cmocka_unit_test(rfc3339_is_in_utc_whatever_the_zone),
		cmocka_unit_test(any_time_at_all_can_be_shown),
		cmocka_unit_test(rfc3339_times_are_read),
		cmocka_unit_test(what_is_no_rfc3339_time_is_refused),
		cmocka_unit_test(durations_are_short),
		cmocka_unit_test(durations_are_read_up_to_ten_years),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(since_is_an_age_a_day_or_a_time),
		cmocka_unit_test(a_day_without_a_midnight_starts_at_one),
		cmocka_unit_test(an_unreadable_since_says_what_can_be_read),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
