/*
 * test_ahead.c -- which rows are read before they are asked for, and that what is
 * found so is what the index would have found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cache/ahead.h"
#include "cache/keys.h"

#define ROWS 3000

static struct store *s;
static struct err e;

static struct request_row
request(int n)
{
	struct request_row q = { .canon = STR("{}"), .provider = STR("p"),
		.model = STR("m") };

	uint64_t hash = hash64((struct str){ (const char *)&n, sizeof(n) }, 0);

	memset(q.key, 7, sizeof(q.key));
	memcpy(q.key, &hash, sizeof(hash));
	return q;
}

static void
keep(int n, int sample, const char *text)
{
	struct request_row q = request(n);
	struct completion c = { .text = str_of(text), .model = STR("m"),
		.cost_picousd = 1 };

	if (store_put(s, &q, sample, &c, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

/* Row n (from 1) answers request n with its number. */
static int
fill(void **state)
{
	char text[16];

	(void)state;
	if (store_open(&s, ":memory:", 0, &e) < 0 || store_begin(s, &e) < 0)
		return -1;
	for (int n = 1; n <= ROWS; n++) {
		snprintf(text, sizeof(text), "%d", n);
		keep(n, 0, text);
	}
	return store_commit(s, &e);
}

static int
empty(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

/* 1 or 0: is it there? With its text. */
static int
find(int n, int sample, const char *text)
{
	struct request_row q = request(n);
	struct arena *a = arena_new(0);
	struct completion c;
	int64_t row;
	int rc;

	assert_non_null(a);
	rc = store_get(s, q.key, sample, true, a, &c, &row, &e);
	if (rc < 0)
		fail_msg("%s", e.msg);
	if (rc == 1)
		assert_true(str_is(c.text, text));
	arena_free(a);
	return rc;
}

static void
found(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	assert_int_equal(find(n, 0, text), 1);
}

static int64_t
hint(int n)
{
	struct request_row q = request(n);

	return ahead_row(s, store_key64(q.key), 0);
}

/* How often rows were read before they were asked for. */
static int
times_read(void)
{
	return s->stmt[STMT_AHEAD] ? sqlite3_stmt_status(s->stmt[STMT_AHEAD],
	    SQLITE_STMTSTATUS_RUN, 0) : 0;
}

static void
who_asks_in_order_is_told_rows(void **state)
{
	int told = 0;

	(void)state;
	for (int n = 1; n <= 4; n++)
		found(n);
	assert_int_equal(times_read(), 0);
	for (int n = 5; n <= 100; n++)
		found(n);
	assert_int_not_equal(times_read(), 0);
	for (int n = 101; n <= 300; n++)
		told += hint(n) == n;
	assert_in_range(told, 190, 200); /* some keys fall together */
	for (int n = 101; n <= ROWS; n++)
		found(n);
	assert_in_range(times_read(), ROWS / 64, ROWS / 64 + 8);
}

static void
an_order_that_is_a_little_shuffled_is_one(void **state)
{
	int told = 0;

	(void)state;
	for (int n = 0; n < ROWS - 64; n++) {
		int at = 1 + n / 64 * 64 + n * 37 % 64;
		told += hint(at) == at;
		found(at);
	}
	assert_true(told > (ROWS - 64) * 9 / 10);
}

static void
who_asks_here_and_there_is_told_nothing(void **state)
{
	(void)state;
	for (int n = 0; n < 1000; n++)
		found(1 + n * 997 % ROWS);
	assert_in_range(times_read(), 0, 20);
}

static void
rows_that_nobody_asks_for_are_not_read_for_long(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++)
		for (int n = 1; n < ROWS; n += 100)
			found(n);
	/* 600 look-ups, 100 rows each, were 900 times 64. */
	assert_in_range(times_read(), 1, 40);
}

static void
samples_of_a_request_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	for (int n = 4001; n < 4100; n++) {
		keep(n, 0, "first");
		keep(n, 1, "second");
	}
	assert_int_equal(store_commit(s, &e), 0);
	for (int n = 4001; n < 4100; n++) {
		assert_int_equal(find(n, 1, "second"), 1);
		assert_int_equal(find(n, 0, "first"), 1);
		assert_int_equal(find(n, 2, ""), 0);
	}
	assert_int_not_equal(times_read(), 0);
}

static void
what_has_changed_since_it_was_read_is_as_it_is_now(void **state)
{
	(void)state;
	for (int n = 1; n <= 100; n++)
		found(n);
	assert_int_equal(hint(150) + hint(151) + hint(152), 150 + 151 + 152);
	assert_int_equal(store_begin(s, &e), 0);
	keep(150, 0, "changed");
	assert_int_equal(store_exec(s, "DELETE FROM completions WHERE id = 151",
	    "test", &e), 0);
	/* Another request has the row now. */
	assert_int_equal(store_exec(s, "UPDATE completions SET key ="
	    " randomblob(32) WHERE id = 152", "test", &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(find(150, 0, "changed"), 1);
	assert_int_equal(find(151, 0, ""), 0);
	assert_int_equal(find(152, 0, ""), 0);
	found(153);
}

static void
rows_of_any_number_do_no_harm(void **state)
{
	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(store_exec(s, "UPDATE completions SET id ="
	    " 9223372036854775807 - id WHERE id < 300", "test", &e), 0);
	assert_int_equal(store_exec(s, "UPDATE completions SET id ="
	    " -9223372036854775807 + id WHERE id BETWEEN 300 AND 600", "test",
	    &e), 0);
	assert_int_equal(keys_rebuild(s, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	for (int n = 299; n >= 1; n--)
		found(n);
	for (int n = 300; n <= 600; n++)
		found(n);
	found(1);
}

#define FILLED(f) cmocka_unit_test_setup_teardown(f, fill, empty)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		FILLED(who_asks_in_order_is_told_rows),
		FILLED(an_order_that_is_a_little_shuffled_is_one),
		FILLED(who_asks_here_and_there_is_told_nothing),
		FILLED(rows_that_nobody_asks_for_are_not_read_for_long),
		FILLED(samples_of_a_request_are_told_apart),
		FILLED(what_has_changed_since_it_was_read_is_as_it_is_now),
		FILLED(rows_of_any_number_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
