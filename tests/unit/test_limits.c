/*
 * test_limits.c -- rate-limit headers in every format of the page "Errors,
 * retries, and what a lost request costs", section 5; Retry-After; HTTP dates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "providers/limits.h"

#define NOW INT64_C(1787660439000) /* 2026-08-25T12:20:39Z */

static struct limits l;

static int
begin(void **state)
{
	(void)state;
	limits_init(&l);
	return 0;
}

static bool
header(const char *name, const char *value)
{
	return limits_header(&l, str_of(name), str_of(value), NOW);
}

static void
is(const struct limit *b, int64_t limit, int64_t remaining, int64_t reset_ms)
{
	assert_int_equal(b->limit, limit);
	assert_int_equal(b->remaining, remaining);
	assert_int_equal(b->reset_ms, reset_ms);
}

static void
nothing_is_said_at_first(void **state)
{
	(void)state;
	assert_false(l.any);
	is(&l.requests, -1, -1, -1);
	is(&l.tokens, -1, -1, -1);
	is(&l.input_tokens, -1, -1, -1);
	is(&l.output_tokens, -1, -1, -1);
}

static void
openai_says_durations(void **state)
{
	(void)state;
	assert_true(header("x-ratelimit-limit-requests", "5000"));
	assert_true(header("x-ratelimit-limit-tokens", "450000"));
	assert_true(header("x-ratelimit-remaining-requests", "4999"));
	assert_true(header("x-ratelimit-remaining-tokens", "449968"));
	assert_true(header("x-ratelimit-reset-requests", "12ms"));
	assert_true(header("x-ratelimit-reset-tokens", "6m0s"));
	assert_true(l.any);
	is(&l.requests, 5000, 4999, 12);
	is(&l.tokens, 450000, 449968, 360000);
	is(&l.input_tokens, -1, -1, -1);
}

/* A reset as each of them writes it, in ms from NOW. */
static void
resets_are_told_apart_by_their_looks(void **state)
{
	static const struct { const char *value; int64_t ms; } v[] = {
		{ "12ms", 12 }, { "1s", 1000 }, { "6m0s", 360000 },
		{ "1h2m3.5s", 3723500 }, { "2m59.56s", 179560 },
		{ "7.66s", 7660 }, { "0s", 0 }, { " 1s ", 1000 },
		{ "24h0m0s", 86400000 }, { "500\xc2\xb5s", 1 },
		{ "250us", 1 }, { "900ns", 1 },
		/* Azure: whole seconds */
		{ "0", 0 }, { "1", 1000 }, { "60", 60000 }, { "007", 7000 },
		{ "0.5", 500 }, { "999999999", LIMITS_MOST_MS },
		/* Anthropic: a time */
		{ "2026-08-25T12:20:59Z", 20000 },
		{ "2026-08-25T14:20:59+02:00", 20000 },
		{ "2026-08-25T12:20:39.250Z", 250 },
		{ "2026-08-25T12:20:39Z", 0 },
		{ "2025-08-21T12:40:59Z", 0 }, { "0000-01-01T00:00:00Z", 0 },
		{ "9999-12-31T23:59:59Z", LIMITS_MOST_MS },
		/* OpenRouter: unix milliseconds; others: seconds */
		{ "1787660499000", 60000 }, { "1787660499", 60000 },
		{ "1787660438999", 0 }, { "1000000000", 0 },
		/* Absurd */
		{ "99999999999999999999", LIMITS_MOST_MS },
		{ "1e300", LIMITS_MOST_MS },
		{ "99999999999999999999999h", LIMITS_MOST_MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		l.tokens.reset_ms = -1;
		if (!header("x-ratelimit-reset-tokens", v[i].value)
		    || l.tokens.reset_ms != v[i].ms)
			fail_msg("%s: %lld", v[i].value,
			    (long long)l.tokens.reset_ms);
	}
}

static void
values_that_say_nothing_are_not_said(void **state)
{
	static const char *const resets[] = {
		"-1", "-1s", "", " ", "s", "1x", "1s x", "x1s", "1m 1x", "nan",
		"NaN", "inf", "-inf", "1e400", "2026-13-01T00:00:00Z",
		"2026-08-25", "soon", "\xff\xfe", "--1", "1..5s", "+1",
	};
	static const char *const counts[] = {
		"-1", "", " ", "many", "1x", "nan", "-0.5", "1e400", "0x10",
		"\xff", "+5", ",5",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(resets) / sizeof(*resets); i++)
		if (header("x-ratelimit-reset-tokens", resets[i]))
			fail_msg("%s: %lld", resets[i],
			    (long long)l.tokens.reset_ms);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		if (header("x-ratelimit-remaining-tokens", counts[i])
		    || header("x-ratelimit-limit-tokens", counts[i]))
			fail_msg("%s", counts[i]);
	}
	assert_false(l.any);
	is(&l.tokens, -1, -1, -1);
}

static void
counts_are_bounded(void **state)
{
	(void)state;
	assert_true(header("x-ratelimit-limit-tokens", "999999999999"));
	assert_int_equal(l.tokens.limit, INT64_C(999999999999));
	assert_true(header("x-ratelimit-limit-tokens", "9223372036854775808"));
	assert_int_equal(l.tokens.limit, LIMITS_MOST);
	assert_true(header("x-ratelimit-remaining-tokens", "1e300"));
	assert_int_equal(l.tokens.remaining, LIMITS_MOST);
	assert_true(header("x-ratelimit-remaining-tokens", "0"));
	assert_int_equal(l.tokens.remaining, 0);
	assert_true(header("x-ratelimit-remaining-tokens", "12.75"));
	assert_int_equal(l.tokens.remaining, 12);
	assert_true(header("x-ratelimit-limit-requests", "100, 100;w=60"));
	assert_int_equal(l.requests.limit, 100);
}

static void
azure_may_not_know(void **state)
{
	(void)state;
	assert_true(header("x-ratelimit-remaining-requests", "9"));
	assert_false(header("x-ratelimit-reset-requests", "-1"));
	assert_false(header("x-ratelimit-limit-requests", "-1"));
	is(&l.requests, -1, 9, -1);
}

static void
anthropic_has_four_buckets(void **state)
{
	static const char *const kinds[] = {
		"requests", "tokens", "input-tokens", "output-tokens"
	};
	const struct limit *const b[] = { &l.requests, &l.tokens,
	    &l.input_tokens, &l.output_tokens };
	char name[80], value[16];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(value, sizeof(value), "%d", 1000 + i);
		snprintf(name, sizeof(name),
		    "anthropic-ratelimit-%s-limit", kinds[i]);
		assert_true(header(name, value));
		snprintf(value, sizeof(value), "%d", 900 + i);
		snprintf(name, sizeof(name),
		    "anthropic-ratelimit-%s-remaining", kinds[i]);
		assert_true(header(name, value));
		snprintf(name, sizeof(name),
		    "anthropic-ratelimit-%s-reset", kinds[i]);
		assert_true(header(name, "2026-08-25T12:20:59Z"));
	}
	for (int i = 0; i < 4; i++)
		is(b[i], 1000 + i, 900 + i, 20000);
}

static void
openrouter_names_no_bucket_and_writes_capitals(void **state)
{
	(void)state;
	assert_true(header("X-RateLimit-Limit", "20"));
	assert_true(header("X-RateLimit-Remaining", "0"));
	assert_true(header("X-RateLimit-Reset", "1787660499000"));
	is(&l.requests, 20, 0, 60000);
	is(&l.tokens, -1, -1, -1);
}

static void
other_headers_are_left_alone(void **state)
{
	static const char *const names[] = {
		"", "x", "x-ratelimit", "x-ratelimit-", "x-ratelimit-limi",
		"x-ratelimit-limits", "x-ratelimit-limit-",
		"x-ratelimit-limit-images", "x-ratelimit-limitrequests",
		"x-ratelimit-reset-tokens_usage_based", "x-ratelimit--requests",
		"anthropic-ratelimit-limit", "anthropic-ratelimit--limit",
		"anthropic-ratelimit-requests", "anthropic-ratelimit-images-limit",
		"anthropic-ratelimit-requestslimit", "limit", "-limit",
		"anthropic-priority-input-tokens-limit", "retry-after",
		"yx-ratelimit-limit-requests", "ratelimit-limit",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (header(names[i], "5"))
			fail_msg("%s", names[i]);
	assert_false(limits_header(&l, (struct str){ NULL, 0 },
	    (struct str){ NULL, 0 }, NOW));
	assert_false(l.any);
	assert_true(limits_is_header(STR("X-Ratelimit-Limit-Requests")));
	assert_true(limits_is_header(STR("anthropic-ratelimit-x")));
	assert_false(limits_is_header(STR("content-type")));
	assert_false(limits_is_header(STR("x-request-id")));
}

/* --- how long until something fits ------------------------------------------ */

static int64_t
wait_for(int64_t limit, int64_t remaining, int64_t reset_ms, int64_t needed)
{
	struct limit b = { limit, remaining, reset_ms };

	return limit_wait(&b, needed);
}

static void
a_wait_is_for_what_is_missing_not_for_a_full_bucket(void **state)
{
	(void)state;
	/* 30,000 a minute, 14,567 used: 24,754 more fit in 18.642 s. */
	assert_int_equal(wait_for(30000, 30000 - 14567, 29134, 24754), 18642);
	assert_int_equal(wait_for(30000, 30000 - 14567, -1, 24754), 18642);
	/* Requests a day: one more after 86.4 s, not after a day. */
	assert_int_equal(wait_for(1000, 0, 86400000, 1), 86400);
	assert_int_equal(wait_for(1000, 0, 86400000, 1000), 86400000);
	/* What is there fits now. */
	assert_int_equal(wait_for(1000, 5, 60000, 5), 0);
	assert_int_equal(wait_for(1000, 5, 60000, 0), 0);
	assert_int_equal(wait_for(1000, 5, 60000, -7), 0);
	assert_true(wait_for(1000, 5, 60000, 6) > 0);
	/* More than it holds: when it is full. */
	assert_int_equal(wait_for(1000, 500, 30000, 5000), 30000);
	assert_int_equal(wait_for(1000, 500, 30000, INT64_MAX), 30000);
}

static void
what_is_not_known_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(wait_for(-1, -1, -1, 5), 0);
	assert_int_equal(wait_for(1000, -1, 60000, 5), 0);
	assert_int_equal(wait_for(-1, 0, -1, 5), 0);
	assert_int_equal(wait_for(1000, 0, 0, 5), 0);
	/* Only when it is over. */
	assert_int_equal(wait_for(-1, 0, 60000, 5), 60000);
	assert_int_equal(wait_for(0, 0, 60000, 5), 60000);
	assert_int_equal(wait_for(5, 7, 60000, 9), 60000);
	assert_int_equal(wait_for(LIMITS_MOST, 0, LIMITS_MOST_MS, INT64_MAX),
	    LIMITS_MOST_MS);
}

/* --- Retry-After --------------------------------------------------------------- */

static void
retry_after_is_read(void **state)
{
	static const struct { const char *value; int64_t ms; } v[] = {
		{ "20", 20000 }, { "0", 0 }, { "1.5", 1500 }, { " 7 ", 7000 },
		{ "0.0001", 1 }, { "05", 5000 },
		{ "Tue, 25 Aug 2026 12:20:59 GMT", 20000 },
		{ "Tuesday, 25-Aug-26 12:20:59 GMT", 20000 },
		{ "Tue Aug 25 12:20:59 2026", 20000 },
		{ "2026-08-25T12:20:59Z", 20000 },
		{ "Tue, 25 Aug 2026 12:20:39 GMT", 0 },
		/* Past */
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		/* Absurd */
		{ "Fri, 31 Dec 9999 23:59:59 GMT", LIMITS_MOST_MS },
		{ "1e300", LIMITS_MOST_MS },
		{ "9223372036854775807", LIMITS_MOST_MS },
		{ "99999999999999999999999999999999999999", LIMITS_MOST_MS },
		{ "-1", -1 }, { "-0.5", -1 }, { "-9223372036854775808", -1 },
		{ "nan", -1 }, { "NaN", -1 }, { "inf", -1 }, { "1e400", -1 },
		{ "", -1 }, { " ", -1 }, { "soon", -1 }, { "5 s", -1 },
		{ "0x10", -1 }, { "Tomorrow", -1 }, { "\xff\xfe", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		int64_t ms = limits_retry_after(str_of(v[i].value), NOW);
		if (ms != v[i].ms)
			fail_msg("%s: %lld", v[i].value, (long long)ms);
	}
}

static void
retry_after_in_milliseconds_is_read(void **state)
{
	static const struct { const char *value; int64_t ms; } v[] = {
		{ "1250", 1250 }, { "0", 0 }, { "0.4", 1 }, { "1250.2", 1251 },
		{ "1e300", LIMITS_MOST_MS }, { "-1", -1 }, { "nan", -1 },
		{ "", -1 }, { "x", -1 },
		{ "99999999999999999999999999", LIMITS_MOST_MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		int64_t ms = limits_retry_after_ms(str_of(v[i].value));
		if (ms != v[i].ms)
			fail_msg("%s: %lld", v[i].value, (long long)ms);
	}
}

/* However wrong the clock that it is compared with. */
static void
no_clock_makes_a_date_overflow(void **state)
{
	static const int64_t clocks[] = { INT64_MIN, -1, 0, NOW, INT64_MAX };
	static const char *const dates[] = { "Thu, 01 Jan 1970 00:00:00 GMT",
	    "Fri, 31 Dec 9999 23:59:59 GMT" };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 2; k++) {
			int64_t ms = limits_retry_after(str_of(dates[k]),
			    clocks[i]);
			assert_true(ms >= 0 && ms <= LIMITS_MOST_MS);
		}
}

static void
http_dates_are_read(void **state)
{
	static const struct { const char *text; int64_t utc_ms; } v[] = {
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777000 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777000 },
		{ "Sun Nov  6 08:49:37 1994", 784111777000 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Thu, 29 Feb 2024 23:59:60 GMT", 1709251200000 },
		{ "Tuesday, 01-Jan-69 00:00:00 GMT", 3124224000000 },
		{ " Sun, 06 Nov 1994 08:49:37 GMT ", 784111777000 },
		{ "sun, 06 nov 1994 08:49:37 GMT", 784111777000 },
	};
	static const char *const none[] = {
		"", "Sun", "Sun, ", "06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 PST",
		"Sun, 06 Nov 1994 08:49:37 GMT x", "Sun, 06 Foo 1994 08:49:37 GMT",
		"Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, -6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 08:-9:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
		"Sun, 06 Nov -199 08:49:37 GMT", "Sun, 06 Nov 19940 08:49:37 GMT",
		"Sun, 06 No 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994 GMT",
		"1234", "99999999999999999999999999999999999999999999999999999999",
		"Sun, 06 Nov 99999999999999999 08:49:37 GMT",
	};
	int64_t utc_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		if (!limits_http_date(str_of(v[i].text), &utc_ms)
		    || utc_ms != v[i].utc_ms)
			fail_msg("%s", v[i].text);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (limits_http_date(str_of(none[i]), &utc_ms))
			fail_msg("%s: %lld", none[i], (long long)utc_ms);
	assert_false(limits_http_date((struct str){ "Sun, 06 Nov 1994 08:49:37 "
	    "GMT\0", 30 }, &utc_ms));
}

static void
texts_are_not_read_past_their_end(void **state)
{
	struct str s = { "12s", 2 };
	double ms = 7;

	(void)state;
	assert_false(limits_duration(&s, &ms));
	assert_int_equal(s.n, 2);
	assert_true(ms == 7);
	assert_int_equal(limits_retry_after((struct str){ "123", 2 }, NOW),
	    12000);
	assert_true(limits_header(&l, (struct str){ "x-ratelimit-limit-x", 17 },
	    (struct str){ "123", 1 }, NOW));
	assert_int_equal(l.requests.limit, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, begin)
	const struct CMUnitTest tests[] = {
		T(nothing_is_said_at_first),
		T(openai_says_durations),
		T(resets_are_told_apart_by_their_looks),
		T(values_that_say_nothing_are_not_said),
		T(counts_are_bounded),
		T(azure_may_not_know),
		T(anthropic_has_four_buckets),
		T(openrouter_names_no_bucket_and_writes_capitals),
		T(other_headers_are_left_alone),
		T(a_wait_is_for_what_is_missing_not_for_a_full_bucket),
		T(what_is_not_known_is_not_waited_for),
		T(retry_after_is_read),
		T(retry_after_in_milliseconds_is_read),
		T(no_clock_makes_a_date_overflow),
		T(http_dates_are_read),
		T(texts_are_not_read_past_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
