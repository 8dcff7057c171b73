/*
 * test_asks.c -- requests that are written down before they leave: leases
 * between processes, what the dead leave behind, and what a day has cost.
 */
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/asks.h"
#include "cache/internal.h"
#include "cache/ledger.h"

#define DAY INT64_C(86400000)
#define NOW (INT64_C(20000) * DAY + 5000) /* early on some day */
#define LATER (NOW + 60000)

static char dir[PATH_MAX];
static char path[PATH_MAX + 64];
static struct store *one, *two; /* as two processes would have them */
static struct err e;
static const unsigned char key_a[SHA256_BYTES] = { 1, 2, 3 };
static const unsigned char key_b[SHA256_BYTES] = { 3, 2, 1 };

static int
remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static struct store *
open_store(const char *name)
{
	struct store *s = NULL;

	if (store_open(&s, name, STORE_CREATE, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static int
begin(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	memset(&e, 0, sizeof(e));
	snprintf(dir, sizeof(dir), "%s/frugal-asks-XXXXXX",
	    tmp && tmp[0] ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/store.db", dir);
	one = open_store(path);
	two = open_store(path);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	store_close(one);
	store_close(two);
	one = two = NULL;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define OK(call) do { \
	if ((call) < 0) \
		fail_msg("%s: %s", #call, e.msg); \
} while (0)

static struct asks_lost
register_as(struct store *s, const char *run)
{
	struct asks_lost lost = { 0 };

	OK(store_begin(s, &e));
	OK(asks_begin(s, str_of(run), STR("run"), &lost, &e));
	OK(store_commit(s, &e));
	return lost;
}

static struct ask
ask_of(const unsigned char *key, int first, int last, int64_t worst)
{
	return (struct ask){ .key = key, .first = first, .last = last,
	    .model = STR("p/m"), .asked_utc_ms = NOW, .until_utc_ms = LATER,
	    .worst_picousd = worst };
}

static int64_t
put(struct store *s, const struct ask *a)
{
	int64_t id = 0;

	OK(store_begin(s, &e));
	OK(asks_begin(s, STR("r"), STR("run"), NULL, &e));
	OK(asks_put(s, a, &id, &e));
	OK(store_commit(s, &e));
	assert_true(id > 0);
	return id;
}

static int64_t
put_at(struct store *s, int64_t utc_ms, int64_t worst)
{
	struct ask a = ask_of(key_a, 0, 0, worst);

	a.asked_utc_ms = utc_ms;
	return put(s, &a);
}

static struct ask_end
end_of(int64_t id, enum ask_outcome outcome, int64_t cost, bool booked)
{
	return (struct ask_end){ .id = id, .outcome = outcome, .status = 200,
	    .ended_utc_ms = NOW + 1000, .cost_picousd = cost,
	    .booked = booked };
}

static void
put_end(struct store *s, int64_t id, enum ask_outcome outcome, int64_t cost,
    bool booked)
{
	struct ask_end v = end_of(id, outcome, cost, booked);

	OK(store_begin(s, &e));
	OK(asks_end(s, &v, &e));
	OK(store_commit(s, &e));
}

static int
elsewhere_at(struct store *s, const unsigned char *key, int first, int last,
    int64_t utc_ms)
{
	int rc;

	OK(store_begin(s, &e));
	OK(asks_begin(s, STR("r"), STR("run"), NULL, &e));
	rc = asks_elsewhere(s, key, first, last, utc_ms, &e);
	OK(rc);
	OK(store_commit(s, &e));
	return rc;
}

static int
elsewhere(struct store *s, const unsigned char *key, int first, int last)
{
	return elsewhere_at(s, key, first, last, NOW + 1);
}

static int64_t
others(struct store *s)
{
	int64_t n = -1;

	OK(store_begin(s, &e));
	OK(asks_begin(s, STR("r"), STR("run"), NULL, &e));
	OK(asks_others(s, NOW + 1, &n, &e));
	OK(store_commit(s, &e));
	return n;
}

static int64_t
day(struct store *s, int64_t utc_ms)
{
	int64_t sum = -1;

	OK(store_begin(s, &e));
	OK(asks_day(s, utc_ms, &sum, &e));
	OK(store_commit(s, &e));
	return sum;
}

static struct asks_totals
totals(struct store *s)
{
	struct asks_totals t;

	OK(asks_totals(s, 0, 0, STR(""), STR(""), &t, &e));
	return t;
}

/* --- another process ------------------------------------------------------------ */

/* A process that has asked something and is still alive: its number; it ends
 * when it is killed. Nothing of this process's handles is used in it. */
static pid_t
fork_owner(const struct ask *asks, size_t n, int ended)
{
	int fd[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = NULL;
		int64_t id = 0;
		struct ask_end v;

		if (store_open(&s, path, 0, &e) < 0 || store_begin(s, &e) < 0
		    || asks_begin(s, STR("child"), STR("run"), NULL, &e) < 0)
			_exit(1);
		for (size_t i = 0; i < n; i++)
			if (asks_put(s, &asks[i], &id, &e) < 0)
				_exit(2);
		v = end_of(id, ASK_OK, 5, false);
		if ((ended && asks_end(s, &v, &e) < 0)
		    || store_commit(s, &e) < 0
		    || write(fd[1], "x", 1) != 1)
			_exit(3);
		for (;;)
			pause();
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], &byte, 1), 1);
	close(fd[0]);
	return pid;
}

static void
kill_owner(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* --- leases ------------------------------------------------------------------------ */

static void
what_another_asks_is_seen_and_ones_own_is_not(void **state)
{
	struct ask a = ask_of(key_a, 2, 4, 10);

	(void)state;
	assert_int_equal(elsewhere(two, key_a, 0, 9), 0);
	put(one, &a);
	assert_int_equal(elsewhere(one, key_a, 2, 4), 0);
	assert_int_equal(elsewhere(two, key_b, 2, 4), 0);
	assert_int_equal(elsewhere(two, key_a, 2, 2), 1);
	assert_int_equal(elsewhere(two, key_a, 4, 9), 1);
	assert_int_equal(elsewhere(two, key_a, 0, 9), 1);
	assert_int_equal(elsewhere(two, key_a, 0, 1), 0);
	assert_int_equal(elsewhere(two, key_a, 5, 9), 0);
	assert_int_equal(others(one), 0);
	assert_int_equal(others(two), 1);
}

static void
a_lease_ends_with_its_request(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t id = put(one, &a);

	(void)state;
	assert_int_equal(elsewhere(two, key_a, 0, 0), 1);
	put_end(one, id, ASK_RETRY, 0, false);
	assert_int_equal(elsewhere(two, key_a, 0, 0), 0);
	assert_int_equal(others(two), 0);
}

static void
a_lease_ends_with_its_time(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t n;

	(void)state;
	put(one, &a);
	assert_int_equal(elsewhere_at(two, key_a, 0, 0, LATER - 1), 1);
	assert_int_equal(elsewhere_at(two, key_a, 0, 0, LATER), 0);
	OK(store_begin(two, &e));
	OK(asks_others(two, LATER, &n, &e));
	store_rollback(two);
	assert_int_equal(n, 0);
}

static void
a_lease_ends_with_its_handle(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);

	(void)state;
	put(one, &a);
	assert_int_equal(elsewhere(two, key_a, 0, 0), 1);
	store_close(one);
	one = NULL;
	assert_int_equal(elsewhere(two, key_a, 0, 0), 0);
}

static void
a_lease_ends_with_its_owner_however_it_dies(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	pid_t pid = fork_owner(&a, 1, 0);

	(void)state;
	assert_int_equal(elsewhere(one, key_a, 0, 0), 1);
	assert_int_equal(others(one), 1);
	kill_owner(pid);
	assert_int_equal(elsewhere(one, key_a, 0, 0), 0);
	assert_int_equal(others(one), 0);
}

/* A lease that is not committed is nobody's. */
static void
a_rollback_takes_the_lease_and_the_number_back(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t id, number;

	(void)state;
	OK(store_begin(one, &e));
	OK(asks_begin(one, STR("r"), STR("run"), NULL, &e));
	number = one->run;
	OK(asks_put(one, &a, &id, &e));
	store_rollback(one);
	assert_int_equal(one->run, 0);
	/* Another one gets the number, and its lease is its own. */
	put(two, &a);
	assert_int_equal(two->run, number);
	assert_int_equal(elsewhere(one, key_a, 0, 0), 1);
	assert_int_not_equal(one->run, number);
	assert_int_equal(day(one, NOW), 10);
	assert_int_equal(totals(one).sent, 1);
}

/* A later rollback leaves alone what an earlier commit has made. */
static void
once_registered_a_rollback_keeps_the_number(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t id;

	(void)state;
	put(one, &a);
	OK(store_begin(one, &e));
	OK(asks_begin(one, STR("r"), STR("run"), NULL, &e));
	OK(asks_put(one, &a, &id, &e));
	store_rollback(one);
	assert_true(one->run > 0);
	assert_int_equal(elsewhere(two, key_a, 0, 0), 1);
	assert_int_equal(day(two, NOW), 10);
}

/* Two names of one store: a link to it, and a relative one. */
static void
a_link_is_another_name_of_the_same_store(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	char name[PATH_MAX + 64], live[PATH_MAX + 64];
	struct asks_lost lost;
	struct store *three;
	int64_t id;

	(void)state;
	snprintf(name, sizeof(name), "%s/link.db", dir);
	snprintf(live, sizeof(live), "%s/link.db-live", dir);
	assert_int_equal(symlink("store.db", name), 0);
	three = open_store(name);
	id = put(one, &a);
	assert_int_equal(elsewhere(three, key_a, 0, 0), 1);
	lost = register_as(three, "again"); /* does nothing more */
	assert_int_equal(lost.requests, 0);
	assert_int_equal(totals(three).open, 1);
	store_close(three);
	assert_int_equal(access(live, F_OK), -1);
	put_end(one, id, ASK_OK, 3, false);
	assert_int_equal(totals(one).by_outcome[ASK_OK], 1);
}

static void
a_store_in_memory_has_one_process(void **state)
{
	struct store *s = open_store(":memory:");
	struct ask a = ask_of(key_a, 0, 0, 10);

	(void)state;
	put(s, &a);
	assert_int_equal(elsewhere(s, key_a, 0, 0), 0);
	assert_int_equal(others(s), 0);
	assert_int_equal(totals(s).open, 1);
	store_close(s);
}

/* --- the dead ------------------------------------------------------------------------- */

static void
what_the_dead_asked_is_booked_by_the_next_once(void **state)
{
	struct ask v[] = { ask_of(key_a, 0, 0, 10), ask_of(key_b, 0, 3, 32),
	    ask_of(key_b, 4, 4, MONEY_UNKNOWN) };
	struct asks_lost lost;
	struct asks_totals t;
	pid_t pid = fork_owner(v, 3, 0);

	(void)state;
	t = totals(one);
	assert_int_equal(t.sent, 3);
	assert_int_equal(t.open, 3);
	assert_int_equal(t.booked, 0);
	lost = register_as(one, "r1"); /* it is alive */
	assert_int_equal(lost.requests, 0);
	kill_owner(pid);
	/* Seen, and priced, before anybody has booked it. */
	t = totals(one);
	assert_int_equal(t.open, 0);
	assert_int_equal(t.by_outcome[ASK_LOST], 3);
	assert_int_equal(t.booked_picousd, 42);
	assert_int_equal(t.unknown_cost, 1);
	lost = register_as(two, "r2");
	assert_int_equal(lost.requests, 3);
	assert_int_equal(lost.picousd, 42);
	assert_int_equal(lost.unknown, 1);
	t = totals(one);
	assert_int_equal(t.by_outcome[ASK_LOST], 3);
	assert_int_equal(t.booked, 3);
	assert_int_equal(t.booked_picousd, 42);
	assert_int_equal(t.cost_picousd, 42);
	assert_int_equal(t.unknown_cost, 1);
	assert_int_equal(day(one, NOW), 42); /* as held before it died */
	lost = register_as(two, "r3");
	assert_int_equal(lost.requests, 0);
}

static void
what_had_ended_is_not_lost(void **state)
{
	struct ask v[] = { ask_of(key_a, 0, 0, 10), ask_of(key_b, 0, 0, 20) };
	struct asks_lost lost;

	(void)state;
	kill_owner(fork_owner(v, 2, 1)); /* the last one was answered, for 5 */
	lost = register_as(one, "r");
	assert_int_equal(lost.requests, 1);
	assert_int_equal(lost.picousd, 10);
	assert_int_equal(day(one, NOW), 15);
	assert_int_equal(totals(one).by_outcome[ASK_OK], 1);
}

static void
a_rollback_leaves_the_dead_for_the_next(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	struct asks_lost lost = { 0 };

	(void)state;
	kill_owner(fork_owner(&a, 1, 0));
	OK(store_begin(one, &e));
	OK(asks_begin(one, STR("r"), STR("run"), &lost, &e));
	assert_int_equal(lost.requests, 1);
	store_rollback(one);
	lost = register_as(two, "r2");
	assert_int_equal(lost.requests, 1);
}

static void
a_hundred_dead_are_all_booked(void **state)
{
	struct asks_lost lost;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct store *s = open_store(path);
		put_at(s, NOW, 1);
		store_close(s);
	}
	/* Each has booked the one before it. */
	lost = register_as(one, "r");
	assert_int_equal(lost.requests, 1);
	assert_int_equal(totals(two).by_outcome[ASK_LOST], 100);
	assert_int_equal(day(one, NOW), 100);
}

/* Whoever took this process for dead has booked the request at its worst case:
 * its end changes nothing any more. */
static void
a_request_ends_once(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t id = put(one, &a);

	(void)state;
	put_end(one, id, ASK_OK, 3, false);
	put_end(one, id, ASK_FAIL, 9, true);
	put_end(one, id + 1000, ASK_FAIL, 9, true);
	/* Nor can it end another's. */
	id = put(two, &a);
	put_end(one, id, ASK_FAIL, 9, true);
	assert_int_equal(totals(one).open, 1);
	put_end(two, id, ASK_OK, 0, false);
	assert_int_equal(totals(one).by_outcome[ASK_OK], 2);
	assert_int_equal(totals(one).by_outcome[ASK_FAIL], 0);
	assert_int_equal(totals(one).cost_picousd, 3);
	assert_int_equal(day(one, NOW), 3);
}

/* --- days -------------------------------------------------------------------------------- */

static void
a_day_has_what_was_spent_and_what_is_held(void **state)
{
	int64_t a, b, c;

	(void)state;
	assert_int_equal(day(one, NOW), 0);
	a = put_at(one, NOW, 100);
	b = put_at(two, NOW + 1, 50);
	assert_int_equal(day(one, NOW), 150);
	put_end(one, a, ASK_OK, 30, false);
	assert_int_equal(day(two, NOW), 80);
	put_end(two, b, ASK_RETRY, 50, true); /* booked */
	assert_int_equal(day(two, NOW), 80);
	c = put_at(one, NOW, 10);
	put_end(one, c, ASK_OK, MONEY_UNKNOWN, false); /* stays held */
	assert_int_equal(day(two, NOW), 90);
	c = put_at(one, NOW, MONEY_UNKNOWN);
	put_end(one, c, ASK_OK, 7, false);
	assert_int_equal(day(two, NOW), 97);
}

static void
a_request_belongs_to_the_day_on_which_it_was_asked(void **state)
{
	int64_t a;

	(void)state;
	a = put_at(one, NOW - 5001, 100); /* a millisecond before midnight */
	put_at(one, NOW - 5000, 7);
	put_end(one, a, ASK_OK, 20, false); /* after it */
	assert_int_equal(day(one, NOW - 5001), 20);
	assert_int_equal(day(one, NOW), 7);
	assert_int_equal(day(one, NOW + DAY), 0);
}

/* Both sides of midnight in one transaction. */
static void
a_transaction_may_cross_midnight(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 100), b = ask_of(key_b, 0, 0, 7);
	struct ask_end v;
	int64_t id, sum;

	(void)state;
	a.asked_utc_ms = NOW - 5001;
	id = put(one, &a);
	v = end_of(id, ASK_OK, 20, false);
	OK(store_begin(one, &e));
	OK(asks_put(one, &b, &id, &e));
	OK(asks_end(one, &v, &e));
	OK(asks_put(one, &b, &id, &e));
	OK(asks_day(one, NOW, &sum, &e)); /* of this transaction, too */
	assert_int_equal(sum, 14);
	OK(asks_put(one, &b, &id, &e));
	OK(store_commit(one, &e));
	assert_int_equal(day(two, NOW - 5001), 20);
	assert_int_equal(day(two, NOW), 21);
}

static void
a_rollback_takes_the_days_sum_back(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 100);
	int64_t id, sum;

	(void)state;
	put_at(one, NOW, 1);
	OK(store_begin(one, &e));
	OK(asks_put(one, &a, &id, &e));
	OK(asks_day(one, NOW, &sum, &e));
	assert_int_equal(sum, 101);
	OK(asks_put(one, &a, &id, &e)); /* not flushed yet */
	store_rollback(one);
	assert_int_equal(day(one, NOW), 1);
	put_at(one, NOW + DAY, 3);
	assert_int_equal(day(one, NOW), 1);
	assert_int_equal(day(one, NOW + DAY), 3);
}

static void
a_days_sum_never_wraps(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, MONEY_MAX);
	int64_t id;

	(void)state;
	OK(store_begin(one, &e));
	OK(asks_begin(one, STR("r"), STR("run"), NULL, &e));
	OK(asks_put(one, &a, &id, &e));
	OK(asks_put(one, &a, &id, &e));
	OK(store_commit(one, &e));
	assert_int_equal(day(one, NOW), MONEY_MAX);
	put_at(one, NOW, 5);
	assert_int_equal(day(one, NOW), MONEY_MAX);
	OK(store_int(one, "SELECT typeof(held_picousd) = 'integer' FROM days",
	    &id, &e));
	assert_int_equal(id, 1);
	assert_int_equal(totals(one).open, 3);
}

/* --- sums ----------------------------------------------------------------------------------- */

static void
totals_count_each_outcome(void **state)
{
	struct asks_totals t;

	(void)state;
	for (int i = 0; i < ASK_OUTCOMES; i++)
		for (int n = 0; n <= i; n++)
			put_end(one, put_at(one, NOW, 100),
			    (enum ask_outcome)i, i == ASK_STOP ? MONEY_UNKNOWN
			    : i, i == ASK_RETRY);
	put_at(one, NOW, 100);
	t = totals(two);
	assert_int_equal(t.sent, 36 + 1);
	for (int i = 0; i < ASK_OUTCOMES; i++)
		assert_int_equal(t.by_outcome[i], i + 1);
	assert_int_equal(t.open, 1);
	assert_int_equal(t.booked, 2);
	assert_int_equal(t.booked_picousd, 2);
	assert_int_equal(t.unknown_cost, 7);
	assert_int_equal(t.cost_picousd, 1 * 2 + 2 * 3 + 3 * 4 + 4 * 5 + 5 * 6
	    + 7 * 8);
}

static int64_t
sent_under(int64_t since, int64_t until, const char *run, const char *model)
{
	struct asks_totals t;

	OK(asks_totals(one, since, until, str_of(run), str_of(model), &t,
	    &e));
	return t.sent;
}

static void
totals_can_be_of_a_time_a_run_and_a_model(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t id;

	(void)state;
	register_as(one, "run-1");
	register_as(two, "run-2");
	put(one, &a);
	a.model = STR("q/other");
	a.asked_utc_ms = NOW + 100;
	id = put(two, &a);
	put_end(two, id, ASK_OK, 1, false);
	assert_int_equal(sent_under(0, 0, "", ""), 2);
	assert_int_equal(sent_under(NOW + 1, 0, "", ""), 1);
	assert_int_equal(sent_under(0, NOW + 100, "", ""), 1);
	assert_int_equal(sent_under(NOW, NOW + 101, "", ""), 2);
	assert_int_equal(sent_under(0, 0, "run-1", ""), 1);
	assert_int_equal(sent_under(0, 0, "run-2", ""), 1);
	assert_int_equal(sent_under(0, 0, "run-3", ""), 0);
	assert_int_equal(sent_under(0, 0, "", "p/m"), 1);
	assert_int_equal(sent_under(0, 0, "", "other"), 1);
	assert_int_equal(sent_under(0, 0, "run-1", "q/*"), 0);
}

static void
every_outcome_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(ask_outcome_name(ASK_OK), "ok");
	assert_string_equal(ask_outcome_name(ASK_RETRY), "retry");
	assert_string_equal(ask_outcome_name(ASK_WAIT), "wait");
	assert_string_equal(ask_outcome_name(ASK_NEXT), "next");
	assert_string_equal(ask_outcome_name(ASK_FAIL), "fail");
	assert_string_equal(ask_outcome_name(ASK_TIER), "tier");
	assert_string_equal(ask_outcome_name(ASK_STOP), "stop");
	assert_string_equal(ask_outcome_name(ASK_LOST), "lost");
	assert_string_equal(ask_outcome_name((enum ask_outcome)99), "lost");
}

static void
sums_of_a_store_that_is_only_read(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	struct store *s = NULL;
	char live[PATH_MAX + 96];

	(void)state;
	put(one, &a);
	snprintf(live, sizeof(live), "%s-live", path);
	assert_int_equal(chmod(live, 0400), 0);
	OK(store_open(&s, path, STORE_READONLY, &e));
	assert_int_equal(totals(s).open, 1);
	store_close(s);
}

/* --- the file ---------------------------------------------------------------------------------- */

static void
the_version_changes_when_another_has_written(void **state)
{
	int64_t a, b, c;

	(void)state;
	put_at(two, NOW, 1);
	OK(store_version(one, &a, &e));
	put_at(one, NOW, 1);
	OK(store_version(one, &b, &e));
	assert_int_equal(a, b); /* its own do not count */
	put_at(two, NOW, 1);
	OK(store_version(one, &c, &e));
	assert_int_not_equal(b, c);
}

static void
nothing_is_written_outside_a_transaction(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	struct ask_end v = end_of(1, ASK_OK, 1, false);
	int64_t id;

	(void)state;
	assert_int_equal(asks_begin(one, STR("r"), STR("run"), NULL, &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	register_as(one, "r");
	assert_int_equal(asks_put(one, &a, &id, &e), -1);
	assert_int_equal(asks_end(one, &v, &e), -1);
}

static void
unsynced_commits_are_seen_and_a_synced_one_follows(void **state)
{
	struct ask a = ask_of(key_a, 0, 0, 10);
	int64_t id, level;

	(void)state;
	OK(store_begin_unsynced(one, &e));
	OK(asks_begin(one, STR("r"), STR("run"), NULL, &e));
	OK(asks_put(one, &a, &id, &e));
	OK(store_int(one, "PRAGMA synchronous", &level, &e));
	assert_int_equal(level, 1);
	OK(store_commit(one, &e));
	assert_int_equal(elsewhere(two, key_a, 0, 0), 1);
	assert_int_equal(day(two, NOW), 10);
	OK(store_begin(one, &e));
	OK(store_int(one, "PRAGMA synchronous", &level, &e));
	assert_int_equal(level, 2);
	/* There is something to sync: it writes. */
	OK(store_version(two, &id, &e));
	OK(asks_touch(one, &e));
	OK(store_commit(one, &e));
	OK(store_version(two, &level, &e));
	assert_int_not_equal(id, level);
	OK(store_check(one, &e));
}

static void
a_store_that_was_deleted_takes_nothing_more(void **state)
{
	(void)state;
	put_at(one, NOW, 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_begin_unsynced(one, &e), -1);
	assert_int_equal(e.code, ERR_STORE);
	assert_non_null(strstr(e.msg, "was moved or deleted"));
	assert_int_equal(store_begin(one, &e), -1);
}

static void
a_store_that_was_moved_takes_nothing_more(void **state)
{
	char other[PATH_MAX + 64];

	(void)state;
	snprintf(other, sizeof(other), "%s/moved.db", dir);
	OK(store_begin(two, &e));
	OK(store_commit(two, &e));
	assert_int_equal(rename(path, other), 0);
	OK(store_begin(one, &e) < 0 ? 0 : -1);
	assert_non_null(strstr(e.msg, "was moved or deleted"));
}

/* --- a store of version 1 -------------------------------------------------------------------------- */

#define V1_TABLES \
	"CREATE TABLE requests (id INTEGER PRIMARY KEY AUTOINCREMENT," \
	" key64 INTEGER NOT NULL, key BLOB NOT NULL, provider TEXT NOT NULL," \
	" model TEXT NOT NULL, canon TEXT NOT NULL);" \
	"CREATE INDEX requests_key64 ON requests (key64);" \
	"CREATE TABLE completions (id INTEGER PRIMARY KEY," \
	" kept_utc_ms INTEGER NOT NULL, asked_utc_ms INTEGER NOT NULL," \
	" latency_ms INTEGER NOT NULL, finish INTEGER NOT NULL," \
	" cost_picousd INTEGER, prompt_tokens INTEGER," \
	" cached_tokens INTEGER, cache_write_tokens INTEGER," \
	" completion_tokens INTEGER, reasoning_tokens INTEGER," \
	" model TEXT NOT NULL, text TEXT NOT NULL," \
	" tokens_of_answer INTEGER NOT NULL, tokens BLOB);" \
	"CREATE INDEX completions_kept ON completions (kept_utc_ms);" \
	"CREATE TABLE tasks (number INTEGER PRIMARY KEY, id TEXT NOT NULL," \
	" run TEXT NOT NULL, cascade TEXT NOT NULL, source TEXT NOT NULL," \
	" status INTEGER NOT NULL, tier INTEGER NOT NULL," \
	" tiers INTEGER NOT NULL, model TEXT NOT NULL, cost_picousd INTEGER," \
	" cached_picousd INTEGER, top_picousd INTEGER," \
	" finished_utc_ms INTEGER NOT NULL, latency_ms INTEGER NOT NULL," \
	" cached INTEGER NOT NULL, error TEXT NOT NULL, tags TEXT" \
	" CHECK (tags IS NULL OR json_valid(tags)), prompt TEXT NOT NULL);" \
	"CREATE INDEX tasks_id ON tasks (id);" \
	"CREATE INDEX tasks_finished ON tasks (finished_utc_ms);" \
	"CREATE TABLE attempts (task INTEGER NOT NULL, seq INTEGER NOT NULL," \
	" ended INTEGER NOT NULL, tier INTEGER NOT NULL, model TEXT NOT NULL," \
	" samples INTEGER NOT NULL, cached INTEGER NOT NULL," \
	" repairs INTEGER NOT NULL, score REAL, score_ln REAL," \
	" threshold REAL, threshold_ln REAL, scorer TEXT NOT NULL," \
	" verdict INTEGER NOT NULL, reason TEXT NOT NULL," \
	" cost_picousd INTEGER, cached_picousd INTEGER," \
	" prompt_tokens INTEGER, completion_tokens INTEGER," \
	" latency_ms INTEGER NOT NULL, requests INTEGER NOT NULL," \
	" retries INTEGER NOT NULL, completions TEXT NOT NULL," \
	" chosen INTEGER NOT NULL, PRIMARY KEY (task, seq)) WITHOUT ROWID;"
#define V1_ROWS \
	"INSERT INTO requests VALUES (1, 72623842526232576," \
	" x'0102030000000000000000000000000000000000000000000000000000000000'," \
	" 'p', 'm', '{}');" \
	"INSERT INTO completions VALUES (4096, 5, 4, 3, 0, 77, 10, 0, 0, 2, 0," \
	" 'm-1', 'the answer', 0, NULL);" \
	"INSERT INTO tasks VALUES (1, 'old', 'w', 'c', 'run', 0, 1, 2, 'p/m'," \
	" 77, 0, NULL, 100, 3, 0, '', NULL, 'what?');" \
	"INSERT INTO attempts VALUES (1, 0, 1, 1, 'p/m', 1, 0, 0, NULL, NULL," \
	" NULL, NULL, '', 0, '', 77, 0, 10, 2, 3, 2, 1, '[4096]', 0);" \
	"PRAGMA application_id = 1718773612; PRAGMA user_version = 1;"

static void
make_v1(const char *name)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = WAL;"
	    "BEGIN;" V1_TABLES V1_ROWS "COMMIT;", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
a_store_of_version_1_keeps_what_it_has(void **state)
{
	char name[PATH_MAX + 64];
	struct ledger_task t;
	struct completion c;
	struct store *s = NULL;
	struct arena *a = arena_new(0);
	int64_t row, version;

	(void)state;
	assert_non_null(a);
	snprintf(name, sizeof(name), "%s/old.db", dir);
	make_v1(name);
	/* It cannot be brought forwards by who may only read it. */
	assert_int_equal(store_open(&s, name, STORE_READONLY, &e), -1);
	assert_non_null(strstr(e.msg, "older frugal (version 1)"));
	s = open_store(name);
	OK(store_int(s, "PRAGMA user_version", &version, &e));
	assert_int_equal(version, 3);
	assert_int_equal(store_get(s, key_a, 0, false, a, &c, &row, &e), 1);
	assert_true(str_is(c.text, "the answer"));
	assert_int_equal(c.cost_picousd, 77);
	assert_int_equal(ledger_find(s, STR("old"), 0, a, &t, &e), 1);
	assert_int_equal(t.n_attempts, 1);
	assert_int_equal(t.attempts[0].retries, 1);
	assert_int_equal(t.attempts[0].fallbacks, 0);
	assert_int_equal(t.attempts[0].booked_picousd, 0);
	assert_int_equal(t.booked_picousd, 0);
	assert_int_equal(t.cost_picousd, 77);
	assert_int_equal(totals(s).sent, 0);
	put_at(s, NOW, 4);
	assert_int_equal(day(s, NOW), 4);
	OK(store_check(s, &e));
	store_close(s);
	/* Once is enough. */
	s = open_store(name);
	assert_int_equal(totals(s).sent, 1);
	store_close(s);
	arena_free(a);
}

static int
renew(struct str old, struct buf *canon, unsigned char key[SHA256_BYTES],
    struct err *err)
{
	(void)err;
	assert_true(str_is(old, "{}"));
	buf_adds(canon, "today's form");
	memset(key, 0x77, SHA256_BYTES);
	return 0;
}

static void
requests_of_an_old_store_get_the_key_of_today(void **state)
{
	unsigned char today[SHA256_BYTES];
	struct arena *a = arena_new(0);
	struct request_row q;
	char name[PATH_MAX + 64];
	struct completion c;
	struct store *s;
	int64_t row;

	(void)state;
	snprintf(name, sizeof(name), "%s/old.db", dir);
	make_v1(name);
	store_renew_with(renew);
	s = open_store(name);
	store_renew_with(NULL);
	memset(today, 0x77, sizeof(today));
	assert_int_equal(store_get(s, key_a, 0, false, a, &c, &row, &e), 0);
	assert_int_equal(store_get(s, today, 0, false, a, &c, &row, &e), 1);
	assert_true(str_is(c.text, "the answer"));
	assert_int_equal(row, 4096);
	assert_int_equal(store_get_request(s, row, a, &q, &e), 1);
	assert_true(str_is(q.canon, "today's form"));
	store_close(s);
	arena_free(a);
}

/* Many that open an old store at once: one brings it forwards. */
static void
processes_that_open_an_old_store_at_once(void **state)
{
	char name[PATH_MAX + 64];
	pid_t pid[8];

	(void)state;
	snprintf(name, sizeof(name), "%s/old.db", dir);
	make_v1(name);
	fflush(NULL);
	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			struct store *s = NULL;
			_exit(store_open(&s, name, 0, &e) < 0 ? 1 : 0);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status = -1;
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
}

/* It would be room under a cap that is not there. */
static void
a_day_below_nothing_is_damage(void **state)
{
	static const char *const held[] = { "-9000000", "'much'", "-1.5" };
	int64_t sum;

	(void)state;
	for (size_t i = 0; i < sizeof(held) / sizeof(*held); i++) {
		char sql[80];

		put_at(one, NOW, 5);
		snprintf(sql, sizeof(sql), "UPDATE days SET held_picousd = %s",
		    held[i]);
		OK(store_exec(one, sql, "test", &e));
		OK(store_begin(one, &e));
		assert_int_equal(asks_day(one, NOW, &sum, &e), -1);
		assert_non_null(strstr(e.msg, "is damaged"));
		store_rollback(one);
		OK(store_exec(one, "UPDATE days SET held_picousd = 0", "test",
		    &e));
	}
}

/* The number of a request has 31 bits for its run. */
static void
a_run_beyond_all_numbers_is_damage(void **state)
{
	int64_t id;

	(void)state;
	put_at(one, NOW, 1);
	OK(store_exec(one, "INSERT INTO runs VALUES (1790000000000, '', '', 1,"
	    " 1)", "test", &e));
	OK(store_begin(two, &e));
	assert_int_equal(store_run_id(two, STR("another"), STR("x"), &id, &e),
	    -1);
	assert_non_null(strstr(e.msg, "is damaged"));
	store_rollback(two);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(what_another_asks_is_seen_and_ones_own_is_not),
		T(a_lease_ends_with_its_request),
		T(a_day_below_nothing_is_damage),
		T(a_run_beyond_all_numbers_is_damage),
		T(a_lease_ends_with_its_time),
		T(a_lease_ends_with_its_handle),
		T(a_lease_ends_with_its_owner_however_it_dies),
		T(a_rollback_takes_the_lease_and_the_number_back),
		T(once_registered_a_rollback_keeps_the_number),
		T(a_link_is_another_name_of_the_same_store),
		T(a_store_in_memory_has_one_process),
		T(what_the_dead_asked_is_booked_by_the_next_once),
		T(what_had_ended_is_not_lost),
		T(a_rollback_leaves_the_dead_for_the_next),
		T(a_hundred_dead_are_all_booked),
		T(a_request_ends_once),
		T(a_day_has_what_was_spent_and_what_is_held),
		T(a_request_belongs_to_the_day_on_which_it_was_asked),
		T(a_transaction_may_cross_midnight),
		T(a_rollback_takes_the_days_sum_back),
		T(a_days_sum_never_wraps),
		T(totals_count_each_outcome),
		T(totals_can_be_of_a_time_a_run_and_a_model),
		T(every_outcome_has_a_name),
		T(sums_of_a_store_that_is_only_read),
		T(the_version_changes_when_another_has_written),
		T(nothing_is_written_outside_a_transaction),
		T(unsynced_commits_are_seen_and_a_synced_one_follows),
		T(a_store_that_was_deleted_takes_nothing_more),
		T(a_store_that_was_moved_takes_nothing_more),
		T(a_store_of_version_1_keeps_what_it_has),
		T(requests_of_an_old_store_get_the_key_of_today),
		T(processes_that_open_an_old_store_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
