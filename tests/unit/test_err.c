/*
 * test_err.c -- messages that are set, prefixed and cut.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"

static void
a_message_is_formatted_and_minus_1_returned(void **state)
{
	struct err e = { ERR_NONE, "" };

	(void)state;
	assert_int_equal(err_set(&e, ERR_CONFIG, "no tier '%s'", "a"), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg, "no tier 'a'");
}

static void
nobody_need_listen(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
	assert_int_equal(err_sys(NULL, ERR_IO, "x"), -1);
	assert_int_equal(err_nomem(NULL), -1);
	assert_int_equal(err_in(NULL, "x"), -1);
}

static void
context_goes_before_the_problem(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, ERR_CONFIG, "unknown key");
	assert_int_equal(err_in(&e, "tier %d", 2), -1);
	err_in(&e, "cascade '%s'", "math");
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg, "cascade 'math': tier 2: unknown key");
}

static void
the_old_message_may_be_part_of_the_new(void **state)
{
	struct err e;

	(void)state;
	err_set(&e, ERR_IO, "inner");
	err_set(&e, ERR_STORE, "outer (%s)", e.msg);
	assert_string_equal(e.msg, "outer (inner)");
	err_in(&e, "%s", e.msg);
	assert_string_equal(e.msg, "outer (inner): outer (inner)");
	errno = ENOENT;
	err_sys(&e, ERR_IO, "[%s]", e.msg);
	assert_non_null(strstr(e.msg, "[outer (inner): outer (inner)]: No"));
}

static void
the_reason_of_the_system_is_appended(void **state)
{
	struct err e;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&e, ERR_IO, "cannot open '%s'", "x"), -1);
	assert_string_equal(e.msg,
	    "cannot open 'x': No such file or directory");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(e.code, ERR_IO);
}

static void
a_long_subject_does_not_displace_the_reason(void **state)
{
	struct err e;
	char path[2000];

	(void)state;
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	errno = EACCES;
	err_sys(&e, ERR_IO, "cannot open '%s'", path);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_non_null(strstr(e.msg, "ppp...: Permission denied"));

	err_set(&e, ERR_IO, "the disk is full");
	err_in(&e, "%s", path);
	assert_non_null(strstr(e.msg, "ppp...: the disk is full"));
}

/* Messages of every length about the limit, made of 1 to 4 byte characters. */
static void
a_long_message_is_cut_between_characters(void **state)
{
	static const char *const chars[] = { "a", "\xc3\xa9", "\xe2\x82\xac",
	    "\xf0\x9f\x98\x80" };
	struct err e;
	char text[1200];
	size_t n, len;

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		n = strlen(chars[c]);
		for (size_t shift = 0; shift < 4; shift++) {
			memset(text, 'x', shift);
			for (len = shift; len < 1000; len += n)
				memcpy(text + len, chars[c], n);
			text[len] = '\0';
			err_set(&e, ERR_IO, "%s", text);
			len = strlen(e.msg);
			assert_true(len < sizeof(e.msg));
			assert_true(len > sizeof(e.msg) - 6);
			assert_string_equal(e.msg + len - 3, "...");
			assert_true(utf8_valid(str_of(e.msg)));
			assert_memory_equal(e.msg, text, len - 3);
		}
	}
}

static void
what_just_fits_is_not_cut(void **state)
{
	struct err e;
	char text[sizeof(e.msg) + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(e.msg) - 1] = '\0';
	err_set(&e, ERR_IO, "%s", text);
	assert_string_equal(e.msg, text);
	text[sizeof(e.msg) - 1] = 'x';
	text[sizeof(e.msg)] = '\0';
	err_set(&e, ERR_IO, "%s", text);
	assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
	assert_string_equal(e.msg + sizeof(e.msg) - 5, "x...");
}

static void
out_of_memory_has_a_message(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_nomem(&e), -1);
	assert_int_equal(e.code, ERR_NOMEM);
	assert_string_equal(e.msg, "out of memory");
}

static void
every_code_has_its_exit_status(void **state)
{
	(void)state;
	assert_int_equal(err_status(ERR_NONE), 0);
	assert_int_equal(err_status(ERR_USAGE), 2);
	assert_int_equal(err_status(ERR_CONFIG), 2);
	assert_int_equal(err_status(ERR_INPUT), 1);
	assert_int_equal(err_status(ERR_IO), 1);
	assert_int_equal(err_status(ERR_STORE), 1);
	assert_int_equal(err_status(ERR_NET), 1);
	assert_int_equal(err_status(ERR_NOMEM), 1);
	assert_int_equal(err_status(ERR_BUDGET), 3);
	assert_int_equal(err_status(ERR_INTERRUPTED), 130);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_formatted_and_minus_1_returned),
		cmocka_unit_test(nobody_need_listen),
		cmocka_unit_test(context_goes_before_the_problem),
		cmocka_unit_test(the_old_message_may_be_part_of_the_new),
		cmocka_unit_test(the_reason_of_the_system_is_appended),
		cmocka_unit_test(a_long_subject_does_not_displace_the_reason),
		cmocka_unit_test(a_long_message_is_cut_between_characters),
		cmocka_unit_test(what_just_fits_is_not_cut),
		cmocka_unit_test(out_of_memory_has_a_message),
		cmocka_unit_test(every_code_has_its_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
