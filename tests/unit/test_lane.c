/*
 * test_lane.c -- how fast one model may be asked: the times are passed in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cascade/lane.h"

#define START 1000000
#define MINUTE 60000
#define HOUR (60 * MINUTE)

static struct lane lane;
static int64_t now;
static const struct need none = { 0, 0 };

static int
begin(void **state)
{
	(void)state;
	now = START;
	lane_init(&lane, 0, 0, 8);
	return 0;
}

static bool
may_send(void)
{
	return lane_due(&lane, &none, now) <= now;
}

static void
send_one(void)
{
	assert_true(may_send());
	lane_sent(&lane, &none, now);
}

static void
send_all(int n)
{
	for (int i = 0; i < n; i++)
		send_one();
}

/* Sends until it may not; how many. */
static int
fill(void)
{
	int n = 0;

	while (may_send()) {
		lane_sent(&lane, &none, now);
		n++;
		assert_true(n < 1000);
	}
	return n;
}

static void
prove(void)
{
	lane.proven = true;
}

/* `n` requests that were sent now are answered, one after the other. */
static void
answer(int n)
{
	for (int i = 0; i < n; i++)
		lane_answered(&lane, now, now);
}

/* So many are sent, and told that they are too many, at once. */
static void
refuse(int n)
{
	send_all(n);
	for (int i = 0; i < n; i++)
		lane_refused(&lane, now, now, 100, false);
}

static void
due_at(int64_t at)
{
	assert_int_equal(lane_due(&lane, &none, now), at);
}

/* --- the first --------------------------------------------------------------- */

static void
the_first_goes_alone_for_a_second(void **state)
{
	(void)state;
	assert_int_equal(fill(), 1);
	due_at(START + LANE_ALONE_MS);
	now += LANE_ALONE_MS - 1;
	assert_false(may_send());
	now++;
	assert_int_equal(fill(), 7);
}

static void
when_the_first_is_answered_the_others_go(void **state)
{
	(void)state;
	send_one();
	now += 5;
	lane_answered(&lane, START, now);
	assert_int_equal(fill(), 8);
}

/* A 500 or a wrong key proves nothing: the next goes alone as well. */
static void
while_none_is_answered_each_goes_alone(void **state)
{
	(void)state;
	send_one();
	now += 5;
	lane_failed(&lane, START, now, false);
	assert_int_equal(fill(), 1);
	due_at(now + LANE_ALONE_MS);
	lane_other(&lane, now);
	assert_int_equal(fill(), 1);
}

static void
what_never_left_is_as_if_it_had_not_been(void **state)
{
	(void)state;
	send_one();
	assert_false(may_send());
	lane_unsent(&lane, now);
	assert_int_equal(lane.under_way, 0);
	assert_true(may_send());
}

/* --- limits as configured ------------------------------------------------------- */

static void
requests_a_minute_come_in_bursts_of_a_second(void **state)
{
	int sent = 0;

	(void)state;
	lane_init(&lane, 600, 0, 1000); /* ten a second */
	prove();
	assert_in_range(fill(), 10, 11);
	for (int i = 0; i < MINUTE; i++, now++) {
		int n = fill();
		sent += n;
		answer(n);
	}
	assert_in_range(sent, 595, 605);
}

static void
tokens_a_minute_count_what_may_come_as_well(void **state)
{
	const struct need n = { 40, 60 };

	(void)state;
	lane_init(&lane, 0, 6000, 100); /* a hundred a second */
	prove();
	for (int i = 0; i < 2; i++) {
		assert_true(lane_due(&lane, &n, now) <= now);
		lane_sent(&lane, &n, now);
	}
	assert_int_equal(lane_due(&lane, &n, now), now + 1000);
	now += 1000;
	assert_true(lane_due(&lane, &n, now) <= now);
}

/* --- limits as said --------------------------------------------------------------- */

static void
nothing_said_holds_nobody_back(void **state)
{
	struct allowance a = { .known = false };

	(void)state;
	assert_int_equal(allowance_due(&a, 1e9, now), now);
	allowance_said(&a, -1, 5, 100, now);
	allowance_said(&a, 0, 5, 100, now);
	allowance_said(&a, 10, -1, 100, now);
	assert_false(a.known);
}

/* The wait is until so much is there, not until it is full. */
static void
the_rate_is_what_is_gone_over_the_time_until_it_is_full(void **state)
{
	struct allowance a;

	(void)state;
	/* 100 a minute, 60 of them gone, full again in 36 s: 1 each 0.6 s. */
	allowance_said(&a, 100, 40, 36000, now);
	assert_int_equal(allowance_due(&a, 40, now), now);
	assert_in_range(allowance_due(&a, 41, now), now + 600, now + 602);
	assert_in_range(allowance_due(&a, 50, now), now + 6000, now + 6002);
	assert_int_equal(allowance_due(&a, 50, now + 6002), now + 6002);
}

static void
without_a_reset_a_window_is_a_minute(void **state)
{
	struct allowance a;

	(void)state;
	allowance_said(&a, 60, 0, -1, now);
	assert_in_range(allowance_due(&a, 1, now), now + 1000, now + 1002);
	allowance_said(&a, 60, 0, 0, now);
	assert_in_range(allowance_due(&a, 1, now), now + 1000, now + 1002);
}

/* 14400 requests a day, 30 of them gone: full in 3 minutes, one each 6 s. */
static void
a_bucket_of_a_day_fills_at_its_own_rate(void **state)
{
	struct allowance a;

	(void)state;
	allowance_said(&a, 14400, 14370, 180000, now);
	assert_int_equal(allowance_due(&a, 14370, now), now);
	assert_in_range(allowance_due(&a, 14371, now), now + 6000,
	    now + 6002);
	/* Spent whole: the next one fits in six seconds, not tomorrow. */
	allowance_said(&a, 14400, 0, 24 * HOUR, now);
	assert_in_range(allowance_due(&a, 1, now), now + 6000, now + 6002);
	assert_in_range(allowance_due(&a, 600, now), now + HOUR,
	    now + HOUR + 2);
}

static void
more_than_the_whole_limit_waits_for_a_full_one_alone(void **state)
{
	struct allowance a;

	(void)state;
	allowance_said(&a, 100, 100, 0, now);
	assert_int_equal(allowance_due(&a, 5000, now), now);
	allowance_said(&a, 100, 50, 30000, now);
	assert_in_range(allowance_due(&a, 5000, now), now + 30000,
	    now + 30001);
}

/* Told in whole seconds of a bucket that was hardly touched, the rate is one
 * token a second: by it the second of two large requests would wait half a
 * day. */
static void
nobody_waits_longer_than_the_server_said(void **state)
{
	const struct need large = { 50000, 0 };

	(void)state;
	prove();
	allowance_said(&lane.said_tokens, 100000, 99999, 1000, now);
	for (int i = 0; i < 2; i++) {
		int64_t due = lane_due(&lane, &large, now);
		assert_true(due <= now + 1001);
		now = due > now ? due : now;
		lane_sent(&lane, &large, now);
	}
	lane_failed(&lane, now, now, false);
	lane_failed(&lane, now, now, false);
	assert_true(lane_due(&lane, &large, now) <= START + MINUTE);
	now = START + MINUTE;
	assert_int_equal(lane_due(&lane, &large, now), now);
}

static void
an_absurd_reset_is_a_day_at_most(void **state)
{
	struct allowance a;

	(void)state;
	allowance_said(&a, INT64_MAX, 0, INT64_MAX, now);
	assert_int_equal(allowance_due(&a, 9e18, now), now + 24 * HOUR);
	allowance_said(&a, 2, 1, INT64_MAX, now);
	assert_int_equal(allowance_due(&a, 2, now), now + 24 * HOUR);
	assert_int_equal(allowance_due(&a, 2, now + 24 * HOUR),
	    now + 24 * HOUR);
}

static void
what_is_sent_is_taken_from_what_is_left(void **state)
{
	const struct need n = { 30, 10 };

	(void)state;
	prove();
	allowance_said(&lane.said_requests, 100, 5, 95000, now);
	assert_int_equal(fill(), 5);
	allowance_said(&lane.said_requests, 100, 100, 0, now);
	allowance_said(&lane.said_input, 100, 70, 30000, now);
	allowance_said(&lane.said_output, 100, 15, 85000, now);
	assert_int_equal(lane_due(&lane, &n, now), now);
	lane_sent(&lane, &n, now);
	/* Of 40 of the input one is 1 ms away; of 5 of the output 5 s. */
	assert_in_range(lane_due(&lane, &n, now), now + 4999, now + 5002);
}

/* --- the window --------------------------------------------------------------------- */

static void
no_more_are_under_way_than_allowed(void **state)
{
	(void)state;
	prove();
	assert_int_equal(fill(), 8);
	assert_int_equal(lane_due(&lane, &none, now), LANE_LATER);
	answer(1);
	assert_int_equal(fill(), 1);
}

/* The server has enough of eight: four go, and one more for each windowful. */
static void
a_refusal_halves_and_answers_add_one_each_windowful(void **state)
{
	(void)state;
	prove();
	refuse(8);
	now += 100;
	assert_int_equal(fill(), 1); /* the probe */
	answer(1);
	assert_int_equal(fill(), 4);
	answer(4);
	assert_int_equal(fill(), 5);
	answer(5);
	assert_int_equal(fill(), 6);
	answer(6);
	for (int i = 0; i < 10; i++)
		answer(fill());
	assert_int_equal(fill(), 8); /* and no more than at first */
}

static void
all_who_were_refused_together_are_one_episode(void **state)
{
	(void)state;
	prove();
	send_all(8);
	for (int i = 0; i < 8; i++) {
		lane_refused(&lane, START, now, 10, false);
		now++;
	}
	now += 10;
	send_one();
	answer(1);
	assert_int_equal(fill(), 4);
	/* What was sent after it is another one. */
	now++;
	for (int i = 0; i < 4; i++)
		lane_refused(&lane, now, now, 10, false);
	now += 10;
	send_one();
	answer(1);
	assert_int_equal(fill(), 2);
}

/* What is halved is what was under way, which the window may be far above. */
static void
the_level_is_what_was_under_way(void **state)
{
	(void)state;
	lane_init(&lane, 0, 0, 1000);
	prove();
	refuse(20);
	now += 100;
	send_one();
	answer(1);
	assert_int_equal(fill(), 10);
}

static void
one_is_always_allowed(void **state)
{
	(void)state;
	prove();
	for (int i = 0; i < 10; i++) {
		send_one();
		now++;
		lane_refused(&lane, now, now, 10, false);
		now += 10;
		assert_true(may_send());
	}
	assert_int_equal(fill(), 1);
}

static void
a_busy_server_is_asked_less_without_a_pause(void **state)
{
	(void)state;
	prove();
	send_all(8);
	lane_failed(&lane, now, now, true);
	answer(7);
	assert_in_range(fill(), 4, 5);
}

/* --- a pause -------------------------------------------------------------------------- */

static void
a_pause_is_kept_to_the_millisecond_and_ends_with_one(void **state)
{
	(void)state;
	prove();
	send_all(3);
	lane_refused(&lane, now, now, 700, false);
	answer(2); /* those that were under way say nothing about it */
	due_at(START + 700);
	now += 699;
	assert_false(may_send());
	assert_true(lane_is_shut(&lane, now));
	now++;
	assert_false(lane_is_shut(&lane, now));
	assert_int_equal(fill(), 1);
	assert_int_equal(lane_due(&lane, &none, now + HOUR), LANE_LATER);
	now += 50;
	lane_answered(&lane, START + 700, now);
	assert_true(fill() > 1);
}

static void
the_longest_pause_counts(void **state)
{
	(void)state;
	prove();
	send_all(2);
	lane_refused(&lane, now, now, 5000, false);
	lane_refused(&lane, now, now, 10, false);
	due_at(START + 5000);
}

static void
a_probe_that_fails_is_followed_by_one_alone(void **state)
{
	(void)state;
	prove();
	send_one();
	lane_refused(&lane, now, now, 100, false);
	now += 100;
	send_one();
	lane_failed(&lane, now, now, false);
	assert_int_equal(fill(), 1);
	lane_refused(&lane, now, now, 100, false);
	due_at(now + 100);
	now += 100;
	send_one();
	lane_other(&lane, now); /* refused for its own sake: it is there */
	prove();
	lane.window = 8;
	assert_int_equal(fill(), 8);
}

/* The late failure of another one does not make room for a second probe. */
static void
only_the_probe_ends_the_probe(void **state)
{
	(void)state;
	prove();
	send_all(4);
	lane_refused(&lane, now, now + 1, 10, false);
	lane.window = 8;
	now += 11;
	send_one();
	lane_failed(&lane, START, now, false);
	lane_other(&lane, START);
	assert_false(may_send());
	lane_answered(&lane, START, now);
	assert_false(may_send());
	lane_answered(&lane, now, now);
	assert_true(fill() > 1);
}

static void
a_later_refusal_prolongs_the_pause_of_a_probe(void **state)
{
	(void)state;
	prove();
	send_all(4);
	lane_refused(&lane, now, now, 10, false);
	lane.window = 8;
	now += 10;
	send_one();
	lane_refused(&lane, START, now + 1, 500, false);
	lane_answered(&lane, now, now + 2);
	now += 2;
	due_at(START + 511);
	now = START + 511;
	assert_int_equal(fill(), 1);
}

static void
a_probe_that_never_left_makes_room(void **state)
{
	(void)state;
	prove();
	lane_pause(&lane, now, 10);
	now += 10;
	assert_int_equal(fill(), 1);
	lane_unsent(&lane, now);
	assert_int_equal(fill(), 1);
}

/* --- half the rate ----------------------------------------------------------------------- */

static void
slow_down_halves_for_a_quarter_of_an_hour(void **state)
{
	(void)state;
	lane_init(&lane, 120, 0, 8);
	prove();
	send_one();
	send_one();
	lane_refused(&lane, now, now, 1000, true);
	answer(1);
	now += 1000;
	for (int i = 0; i < 1000; i++) {
		int n = fill();
		assert_true(n <= 2);
		answer(n);
		now += 100;
	}
	assert_true(lane.window <= lane.half);
	now = START + 1000 + LANE_HALF_MS;
	send_one();
	answer(1);
	for (int i = 0; i < 3000; i++) {
		answer(fill());
		now += 100;
	}
	assert_true(lane.window > 4);
}

static void
half_of_the_requests_a_minute(void **state)
{
	int sent = 0;

	(void)state;
	lane_init(&lane, 600, 0, 64);
	prove();
	send_all(8);
	lane_refused(&lane, now, now, 10, true);
	answer(7);
	now += 10;
	for (int i = 0; i < MINUTE; i += 10, now += 10) {
		int n = fill();
		sent += n;
		answer(n);
	}
	assert_in_range(sent, 295, 310);
}

/* --- the breaker ------------------------------------------------------------------------------ */

static void
fail_times(int n)
{
	for (int i = 0; i < n; i++) {
		lane_sent(&lane, &none, now);
		lane_failed(&lane, now, now, false);
	}
}

static void
five_failures_in_a_row_open_the_breaker(void **state)
{
	(void)state;
	prove();
	fail_times(LANE_FAILURES - 1);
	assert_false(lane_is_dark(&lane));
	assert_int_equal(lane_dark_ms(&lane, now), 0);
	send_one();
	answer(1); /* not in a row */
	fail_times(LANE_FAILURES - 1);
	assert_false(lane_is_dark(&lane));
	assert_true(may_send());
	fail_times(1);
	assert_true(lane_is_dark(&lane));
	assert_true(lane_is_shut(&lane, now));
	due_at(now + LANE_DARK_MS);
	assert_int_equal(lane_dark_ms(&lane, now + 77), 77);
}

static void
half_open_one_is_let_through(void **state)
{
	(void)state;
	prove();
	fail_times(LANE_FAILURES);
	now += LANE_DARK_MS;
	assert_int_equal(fill(), 1);
	assert_int_equal(lane_due(&lane, &none, now + HOUR), LANE_LATER);
	now += 20;
	lane_failed(&lane, now, now, false);
	due_at(now + LANE_DARK_MS);
	assert_int_equal(lane_dark_ms(&lane, now), LANE_DARK_MS + 20);
	now += LANE_DARK_MS;
	send_one();
	answer(1);
	assert_false(lane_is_dark(&lane));
	assert_int_equal(fill(), 8);
	answer(8);
	fail_times(LANE_FAILURES - 1);
	assert_false(lane_is_dark(&lane)); /* counted from none */
}

static void
a_refusal_closes_the_breaker_and_pauses(void **state)
{
	(void)state;
	prove();
	fail_times(LANE_FAILURES);
	now += LANE_DARK_MS;
	send_one();
	lane_refused(&lane, now, now, 10, false);
	assert_false(lane_is_dark(&lane));
	due_at(now + 10);
}

static void
the_late_answer_of_another_closes_it_too(void **state)
{
	(void)state;
	prove();
	send_one();
	now++;
	fail_times(LANE_FAILURES);
	assert_true(lane_is_dark(&lane));
	lane_answered(&lane, START, now);
	assert_false(lane_is_dark(&lane));
	assert_true(may_send());
}

/* Failures of those that were sent before it opened are no news. */
static void
a_probe_is_one_though_others_fail_late(void **state)
{
	(void)state;
	prove();
	send_all(3);
	now++;
	for (int i = 0; i < LANE_FAILURES; i++) {
		lane_sent(&lane, &none, now);
		lane_failed(&lane, now, now, false);
	}
	now += LANE_DARK_MS;
	assert_int_equal(fill(), 1);
	lane_failed(&lane, START, now, false);
	assert_int_equal(lane_due(&lane, &none, now), LANE_LATER);
	lane_answered(&lane, now, now);
	assert_true(fill() > 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, begin)
	const struct CMUnitTest tests[] = {
		T(the_first_goes_alone_for_a_second),
		T(when_the_first_is_answered_the_others_go),
		T(while_none_is_answered_each_goes_alone),
		T(what_never_left_is_as_if_it_had_not_been),
		T(requests_a_minute_come_in_bursts_of_a_second),
		T(tokens_a_minute_count_what_may_come_as_well),
		T(nothing_said_holds_nobody_back),
		T(the_rate_is_what_is_gone_over_the_time_until_it_is_full),
		T(without_a_reset_a_window_is_a_minute),
		T(a_bucket_of_a_day_fills_at_its_own_rate),
		T(more_than_the_whole_limit_waits_for_a_full_one_alone),
		T(nobody_waits_longer_than_the_server_said),
		T(an_absurd_reset_is_a_day_at_most),
		T(what_is_sent_is_taken_from_what_is_left),
		T(no_more_are_under_way_than_allowed),
		T(a_refusal_halves_and_answers_add_one_each_windowful),
		T(all_who_were_refused_together_are_one_episode),
		T(the_level_is_what_was_under_way),
		T(one_is_always_allowed),
		T(a_busy_server_is_asked_less_without_a_pause),
		T(a_pause_is_kept_to_the_millisecond_and_ends_with_one),
		T(the_longest_pause_counts),
		T(a_probe_that_fails_is_followed_by_one_alone),
		T(only_the_probe_ends_the_probe),
		T(a_later_refusal_prolongs_the_pause_of_a_probe),
		T(a_probe_that_never_left_makes_room),
		T(slow_down_halves_for_a_quarter_of_an_hour),
		T(half_of_the_requests_a_minute),
		T(five_failures_in_a_row_open_the_breaker),
		T(half_open_one_is_let_through),
		T(a_refusal_closes_the_breaker_and_pauses),
		T(the_late_answer_of_another_closes_it_too),
		T(a_probe_is_one_though_others_fail_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
