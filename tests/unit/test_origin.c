/*
 * test_origin.c -- who may start, by what became of the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "providers/origin.h"

static struct origin *all;
static bool nomem;
static char request[5]; /* their places tell them apart */

static struct origin *
at(const char *url)
{
	return origin_of(&all, str_of(url), &nomem);
}

static int
forget(void **state)
{
	(void)state;
	assert_false(nomem);
	origin_free_all(all);
	all = NULL;
	return 0;
}

static void
a_server_is_scheme_host_and_port(void **state)
{
	struct origin *o = at("https://a.example/v1/chat");

	(void)state;
	assert_non_null(o);
	assert_ptr_equal(at("https://a.example"), o);
	assert_ptr_equal(at("https://a.example?x=/"), o);
	assert_ptr_equal(at("https://a.example#/"), o);
	assert_ptr_not_equal(at("https://a.example:444/v1/chat"), o);
	assert_ptr_not_equal(at("https://b.example/v1/chat"), o);
	assert_null(at("http://a.example/v1/chat"));
	assert_null(at("https"));
	assert_null(at(""));
}

static void
in_the_clear_everything_starts(void **state)
{
	(void)state;
	origin_started(NULL, request);
	origin_left(NULL, request, 1);
	origin_answered(NULL, true);
	origin_failed(NULL);
	origin_ended(NULL);
	assert_true(origin_lets_start(NULL));
}

/* Two start, and leave from these ports. */
static struct origin *
two_leave(int port, int other)
{
	struct origin *o = at("https://a.example");

	assert_true(origin_lets_start(o));
	origin_started(o, &request[0]);
	assert_true(origin_lets_start(o));
	origin_started(o, &request[1]);
	assert_false(origin_lets_start(o));
	origin_left(o, &request[0], port);
	assert_false(origin_lets_start(o));
	origin_left(o, &request[1], other);
	return o;
}

static void
two_of_different_ports_hold_nobody_back(void **state)
{
	struct origin *o = two_leave(40000, 40001);

	(void)state;
	for (int i = 2; i < 5; i++) {
		assert_true(origin_lets_start(o));
		origin_started(o, &request[i]);
	}
	assert_true(origin_lets_start(o));
}

static void
two_of_one_port_let_one_at_a_time_look_for_room(void **state)
{
	struct origin *o = two_leave(40000, 40000);

	(void)state;
	assert_true(origin_lets_start(o));
	origin_started(o, &request[2]);
	assert_false(origin_lets_start(o));
	origin_left(o, &request[2], 40000);
	assert_true(origin_lets_start(o));
	origin_started(o, &request[3]); /* no room: it opens a connection */
	assert_false(origin_lets_start(o));
	origin_ended(o); /* an answer makes room */
	assert_true(origin_lets_start(o));
}

static void
an_answer_says_which_it_is(void **state)
{
	struct origin *o = two_leave(40000, 40001);

	(void)state;
	origin_answered(o, true);
	origin_started(o, &request[2]);
	assert_false(origin_lets_start(o));
	origin_answered(o, false);
	assert_true(origin_lets_start(o));
}

static void
a_port_that_is_used_again_later_says_nothing(void **state)
{
	struct origin *o = at("https://a.example");

	(void)state;
	origin_started(o, &request[0]);
	origin_left(o, &request[0], 40000);
	origin_ended(o); /* without an answer */
	origin_started(o, &request[1]);
	origin_left(o, &request[1], 40000);
	origin_started(o, &request[2]);
	assert_false(origin_lets_start(o)); /* still nothing known */
	origin_left(o, &request[2], 40001);
	assert_true(origin_lets_start(o));
}

static void
where_no_connection_comes_about_nobody_waits(void **state)
{
	struct origin *o = at("https://a.example");

	(void)state;
	origin_started(o, &request[0]);
	origin_started(o, &request[1]);
	assert_false(origin_lets_start(o));
	origin_failed(o);
	origin_ended(o);
	origin_started(o, &request[2]);
	origin_started(o, &request[3]);
	assert_true(origin_lets_start(o));
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, forget)
	const struct CMUnitTest tests[] = {
		T(a_server_is_scheme_host_and_port),
		T(in_the_clear_everything_starts),
		T(two_of_different_ports_hold_nobody_back),
		T(two_of_one_port_let_one_at_a_time_look_for_room),
		T(an_answer_says_which_it_is),
		T(a_port_that_is_used_again_later_says_nothing),
		T(where_no_connection_comes_about_nobody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
