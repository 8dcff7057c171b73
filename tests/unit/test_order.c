/*
 * test_order.c -- lines that come in any order, let through in theirs. The
 * tests are linked with the library alone, so the file comes in by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "base/rand.h"
#include "cmd/order.c"
#include "cmd/spill.c"

#define HELD ((size_t)4096)

static struct order *order;
static struct buf ready;

static int
begin(void **state)
{
	(void)state;
	buf_init(&ready, BUF_MAX);
	order = order_new(HELD, NULL);
	return order ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	order_free(order);
	order = NULL;
	buf_release(&ready);
	return 0;
}

/* What is let through goes into `ready`. */
static void
let_through(void)
{
	struct err e = { 0 };
	struct str line;
	int rc;

	while ((rc = order_next(order, &line, &e)) > 0)
		buf_add(&ready, line);
	assert_int_equal(rc, 0);
}

static void
put_str(int64_t seq, struct str line)
{
	struct err e = { 0 };

	assert_true(seq < order_limit(order));
	assert_int_equal(order_put(order, seq, line, &e), 0);
	let_through();
}

static void
put(int64_t seq, const char *line)
{
	put_str(seq, str_of(line));
}

static void
ready_is(const char *expected)
{
	assert_string_equal(ready.p ? ready.p : "", expected);
	buf_clear(&ready);
}

/* "N\n", for all N up to n. */
static void
ready_counts_to(int64_t n)
{
	char *p = ready.p, *rest;
	int64_t seen = 0;

	for (; *p; p = rest + 1) {
		assert_int_equal(strtol(p, &rest, 10), seen);
		assert_int_equal(*rest, '\n');
		seen++;
	}
	assert_int_equal(seen, n);
}

static void
put_number(int64_t seq)
{
	char line[32];

	snprintf(line, sizeof(line), "%lld\n", (long long)seq);
	put(seq, line);
}

static void
a_line_in_its_turn_is_let_through_at_once(void **state)
{
	(void)state;
	put(0, "a\n");
	ready_is("a\n");
	put(1, "b\n");
	ready_is("b\n");
}

static void
a_line_before_its_turn_waits(void **state)
{
	(void)state;
	put(1, "b\n");
	ready_is("");
	put(3, "d\n");
	ready_is("");
	assert_int_equal(order_counts(order).waiting, 2);
	put(0, "a\n");
	ready_is("a\nb\n");
	put(2, "c\n");
	ready_is("c\nd\n");
	assert_int_equal(order_counts(order).waiting, 0);
}

static void
lines_are_copied(void **state)
{
	char text[] = "one\n";

	(void)state;
	put(1, text);
	memcpy(text, "xxx\n", 4);
	put(0, "zero\n");
	ready_is("zero\none\n");
}

static void
an_empty_line_has_its_turn_too(void **state)
{
	(void)state;
	put(1, "b");
	put_str(0, (struct str){ NULL, 0 });
	ready_is("b");
	put(2, "c");
	ready_is("c");
}

static void
lines_may_contain_zero_bytes(void **state)
{
	(void)state;
	put_str(0, (struct str){ "a\0b", 3 });
	assert_int_equal(ready.n, 3);
	assert_memory_equal(ready.p, "a\0b", 3);
}

static void
what_is_little_waits_in_memory(void **state)
{
	(void)state;
	for (int64_t seq = 1; seq <= (int64_t)HELD / 70; seq++)
		put_number(seq);
	assert_int_equal(order_counts(order).spilled, 0);
	assert_null(order->spill);
}

/* However many lines wait for one, so much is in memory and no more, and more
 * may always be begun. */
static void
a_straggler_cannot_pile_up_memory(void **state)
{
	enum { N = 100000 };

	(void)state;
	for (int64_t seq = N - 1; seq > 0; seq--) {
		put_number(seq);
		assert_true(order->bytes <= HELD);
		assert_int_equal(order_limit(order), INT64_MAX);
	}
	ready_is("");
	assert_true(order_counts(order).spilled > N - 100);
	assert_true(order_counts(order).most > N * (int64_t)HEAD);
	put_number(0);
	ready_counts_to(N);
	assert_int_equal(order_counts(order).waiting, 0);
	assert_int_equal(order->bytes, 0);
	assert_int_equal(spill_bytes(order->spill), 0);
}

static void
a_line_larger_than_memory_may_hold_waits_in_the_file(void **state)
{
	char *line = malloc(HELD * 1000);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', HELD * 1000);
	put_str(1, (struct str){ line, HELD * 1000 });
	assert_int_equal(order->bytes, 0);
	put(0, "a");
	assert_int_equal(ready.n, HELD * 1000 + 1);
	assert_memory_equal(ready.p + 1, line, HELD * 1000);
	/* in its turn it needs no file */
	put_str(2, (struct str){ line, HELD * 1000 });
	assert_int_equal(order_counts(order).spilled, 1);
	free(line);
}

/* Pseudo-random order, with stragglers that wait for long, many times around
 * through memory and file. */
static void
any_order_comes_out_right(void **state)
{
	enum { N = 50000, AHEAD = 700 };
	static bool done[N + AHEAD + 1];
	struct rng rng;
	int64_t first = 0;

	(void)state;
	rng_seed(&rng, 7);
	memset(done, 0, sizeof(done));
	while (first < N) {
		int64_t at = first + (int64_t)(rng_u64(&rng) % AHEAD);
		while (done[at] || at >= N)
			at = at + 1 >= N ? first : at + 1;
		done[at] = true;
		put_number(at);
		while (done[first])
			first++;
	}
	ready_counts_to(N);
	assert_true(order_counts(order).spilled > N / 10);
}

/* --- a full disk ----------------------------------------------------------------- */

static void
allow_files_of(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Nothing new is let in; what is under way still comes, and all of it goes when
 * the one comes that is missing. */
static void
on_a_full_disk_nothing_new_is_let_in(void **state)
{
	int64_t n = 1;
	struct err e = { 0 };

	(void)state;
	assert_false(order_trouble(order, &e));
	allow_files_of(10000);
	for (; n < order_limit(order); n++)
		put_number(n);
	assert_int_equal(order_limit(order), 0);
	assert_true(order_counts(order).spilled > 0);
	assert_true(order->bytes > HELD && order->bytes < HELD + 100);
	assert_true(order_trouble(order, &e));
	assert_non_null(strstr(e.msg, "File too large"));
	assert_false(order_trouble(order, &e));
	for (int64_t end = n + 64; n < end; n++) { /* under way */
		char line[32];
		snprintf(line, sizeof(line), "%lld\n", (long long)n);
		assert_int_equal(order_put(order, n, str_of(line), &e), 0);
	}
	assert_int_equal(order_limit(order), 0);
	/* There is room again, but it is tried when all is out. */
	allow_files_of(0);
	assert_int_equal(order_put(order, 0, STR("0\n"), &e), 0);
	let_through();
	ready_counts_to(n);
	assert_int_equal(order_limit(order), INT64_MAX);
	buf_clear(&ready);
	for (int64_t end = n + 1000, seq = n + 1; seq < end; seq++)
		put_number(seq);
	assert_int_equal(order_limit(order), INT64_MAX);
	assert_true(order_counts(order).spilled > 900);
	assert_false(order_trouble(order, &e));
}

static void
where_no_file_can_be_made_memory_is_what_there_is(void **state)
{
	int64_t n = 1;
	struct err e = { 0 };
	struct rlimit limit, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (; n < order_limit(order); n++)
		put_number(n);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(order_limit(order), 0);
	assert_true(order_trouble(order, &e));
	assert_non_null(strstr(e.msg, "temporary file"));
	assert_int_equal(order_put(order, 0, STR("0\n"), &e), 0);
	let_through();
	ready_counts_to(n);
	assert_int_equal(order_counts(order).spilled, 0);
}

static void
what_cannot_be_read_back_is_an_error(void **state)
{
	struct err e = { 0 };
	struct str line;

	(void)state;
	for (int64_t seq = 1; seq < 100; seq++)
		put_number(seq);
	assert_true(order_counts(order).spilled > 0);
	assert_int_equal(ftruncate(order->spill->fd, 0), 0);
	assert_int_equal(order_put(order, 0, STR("0\n"), &e), 0);
	assert_int_equal(order_next(order, &line, &e), 1);
	assert_int_equal(order_next(order, &line, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(order_next(order, &line, &e), -1);
}

/* --- the end --------------------------------------------------------------------- */

static void
what_is_missing_can_be_passed_over(void **state)
{
	(void)state;
	put(5, "f\n");
	put(2, "c\n");
	put(3, "d\n");
	assert_true(order_jump(order));
	let_through();
	ready_is("c\nd\n");
	assert_true(order_jump(order));
	let_through();
	ready_is("f\n");
	assert_false(order_jump(order));
}

static void
also_what_waits_in_the_file(void **state)
{
	(void)state;
	for (int64_t seq = 1; seq < 1000; seq++)
		put_number(seq);
	put(2000, "last\n");
	buf_adds(&ready, "0\n");
	assert_true(order_jump(order));
	let_through();
	ready_counts_to(1000);
	buf_clear(&ready);
	assert_true(order_jump(order));
	let_through();
	ready_is("last\n");
	assert_false(order_jump(order));
}

static void
what_is_still_waiting_is_freed(void **state)
{
	(void)state;
	put(1, "b");
	for (int64_t seq = 4000; seq < 5000; seq++)
		put_number(seq);
	order_free(NULL);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_line_in_its_turn_is_let_through_at_once),
		T(a_line_before_its_turn_waits),
		T(lines_are_copied),
		T(an_empty_line_has_its_turn_too),
		T(lines_may_contain_zero_bytes),
		T(what_is_little_waits_in_memory),
		T(a_straggler_cannot_pile_up_memory),
		T(a_line_larger_than_memory_may_hold_waits_in_the_file),
		T(any_order_comes_out_right),
		T(on_a_full_disk_nothing_new_is_let_in),
		T(where_no_file_can_be_made_memory_is_what_there_is),
		T(what_cannot_be_read_back_is_an_error),
		T(what_is_missing_can_be_passed_over),
		T(also_what_waits_in_the_file),
		T(what_is_still_waiting_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
