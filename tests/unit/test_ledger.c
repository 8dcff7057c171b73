/*
 * test_ledger.c -- what happened to tasks, written down and read back.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "cache/internal.h"
#include "cache/ledger.h"

static struct err e;
static struct store *s;
static struct arena *arena;

static int
open_store(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	arena = arena_new(0);
	return arena && store_open(&s, ":memory:", 0, &e) == 0 ? 0 : -1;
}

static int
close_store(void **state)
{
	(void)state;
	store_close(s);
	arena_free(arena);
	return 0;
}

static void
put(const struct ledger_task *t)
{
	assert_int_equal(store_begin(s, &e), 0);
	if (ledger_put(s, t, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(store_commit(s, &e), 0);
}

static void
put_id(const char *id)
{
	put(&(struct ledger_task){ .id = str_of(id) });
}

static const struct ledger_task *
find(const char *id, int64_t number)
{
	static struct ledger_task t;
	int rc = ledger_find(s, str_of(id), number, arena, &t, &e);

	if (rc < 0)
		fail_msg("%s", e.msg);
	return rc ? &t : NULL;
}

static int64_t
count(const char *sql)
{
	int64_t n = -1;

	assert_int_equal(store_int(s, sql, &n, &e), 0);
	return n;
}

static const int64_t rows[] = { 4096, 4097, (int64_t)1 << 52 };

static const struct ledger_attempt attempts[] = {
	{
		.tier = 1, .model = STR("local/qwen"), .samples = 5,
		.cached = 2, .repairs = 1, .scored = true,
		.score = 0.1 + 0.2, .score_ln = -4.7e-12, .threshold = 0.8,
		.threshold_ln = -0.22314355131420976,
		.scorer = STR("agreement"), .verdict = ATTEMPT_ESCALATE,
		.reason = STR("3 of 5 agree; it's 'not' enough"),
		.cost_picousd = 0, .cached_picousd = 17,
		.prompt_tokens = 100, .completion_tokens = 50,
		.latency_ms = 1234, .requests = 3, .retries = 2,
		.rows = rows, .n_rows = 3, .chosen = 2,
	}, {
		.tier = 2, .model = STR("openai/gpt"),
		.verdict = ATTEMPT_UNKNOWN_IN_CACHE,
		.cost_picousd = MONEY_UNKNOWN, .cached_picousd = MONEY_UNKNOWN,
		.prompt_tokens = -1, .completion_tokens = -1, .chosen = -1,
	},
};

static const struct ledger_task whole = {
	.id = STR("task '1'"), .run = STR("brisk-otter"),
	.cascade = STR("math"), .source = STR("batch tasks.jsonl"),
	.prompt = STR("What is 6 * 7?"), .tags = STR("{\"team\":\"a\"}"),
	.status = TASK_EXHAUSTED, .tier = 1, .tiers = 2,
	.model = STR("local/qwen"), .cost_picousd = 5,
	.cached_picousd = 17, .top_picousd = MONEY_UNKNOWN,
	.finished_utc_ms = 1700000000123, .latency_ms = 2000, .cached = true,
	.error = STR("code: message"), .attempts = attempts, .n_attempts = 2,
};

static void
a_task_comes_back_as_it_was_put(void **state)
{
	const struct ledger_task *t;

	(void)state;
	put(&whole);
	t = find("task '1'", 0);
	assert_non_null(t);
	assert_int_equal(t->number, 1);
	assert_true(str_eq(t->id, whole.id));
	assert_true(str_eq(t->run, whole.run));
	assert_true(str_eq(t->cascade, whole.cascade));
	assert_true(str_eq(t->source, whole.source));
	assert_true(str_eq(t->prompt, whole.prompt));
	assert_true(str_eq(t->tags, whole.tags));
	assert_int_equal(t->status, TASK_EXHAUSTED);
	assert_int_equal(t->tier, 1);
	assert_int_equal(t->tiers, 2);
	assert_true(str_eq(t->model, whole.model));
	assert_int_equal(t->cost_picousd, 5);
	assert_int_equal(t->cached_picousd, 17);
	assert_true(t->top_picousd == MONEY_UNKNOWN);
	assert_int_equal(t->finished_utc_ms, 1700000000123);
	assert_int_equal(t->latency_ms, 2000);
	assert_true(t->cached);
	assert_true(str_eq(t->error, whole.error));
	assert_int_equal(t->n_attempts, 2);
}

static void
attempts_come_back_in_order_with_all_digits(void **state)
{
	const struct ledger_attempt *a;

	(void)state;
	put(&whole);
	a = find("task '1'", 0)->attempts;
	assert_int_equal(a[0].tier, 1);
	assert_true(str_eq(a[0].model, attempts[0].model));
	assert_int_equal(a[0].samples, 5);
	assert_int_equal(a[0].cached, 2);
	assert_int_equal(a[0].repairs, 1);
	assert_true(a[0].scored);
	assert_true(a[0].score == 0.1 + 0.2);
	assert_true(a[0].score_ln == -4.7e-12);
	assert_true(a[0].threshold == 0.8);
	assert_true(a[0].threshold_ln == -0.22314355131420976);
	assert_true(str_eq(a[0].scorer, attempts[0].scorer));
	assert_int_equal(a[0].verdict, ATTEMPT_ESCALATE);
	assert_true(str_eq(a[0].reason, attempts[0].reason));
	assert_true(a[0].cost_picousd == 0);
	assert_int_equal(a[0].cached_picousd, 17);
	assert_int_equal(a[0].prompt_tokens, 100);
	assert_int_equal(a[0].completion_tokens, 50);
	assert_int_equal(a[0].latency_ms, 1234);
	assert_int_equal(a[0].requests, 3);
	assert_int_equal(a[0].retries, 2);
	assert_int_equal(a[0].n_rows, 3);
	assert_memory_equal(a[0].rows, rows, sizeof(rows));
	assert_int_equal(a[0].chosen, 2);

	assert_int_equal(a[1].tier, 2);
	assert_false(a[1].scored);
	assert_int_equal(a[1].verdict, ATTEMPT_UNKNOWN_IN_CACHE);
	assert_true(a[1].cost_picousd == MONEY_UNKNOWN);
	assert_true(a[1].cached_picousd == MONEY_UNKNOWN);
	assert_int_equal(a[1].prompt_tokens, -1);
	assert_int_equal(a[1].n_rows, 0);
	assert_int_equal(a[1].chosen, -1);
}

static void
a_score_of_zero_has_a_logarithm_too(void **state)
{
	struct ledger_attempt a = { .tier = 1, .scored = true };
	struct ledger_task t = { .id = STR("z"), .attempts = &a,
	    .n_attempts = 1 };
	const struct ledger_attempt *found;

	(void)state;
	a.score_ln = -INFINITY;
	a.threshold_ln = -INFINITY;
	put(&t);
	found = find("z", 0)->attempts;
	assert_true(found->scored);
	assert_true(found->score == 0.0);
	assert_true(found->score_ln == -INFINITY);
	assert_true(found->threshold_ln == -INFINITY);
}

static void
a_score_next_to_one_is_not_rounded(void **state)
{
	struct ledger_attempt a = { .tier = 1, .scored = true };
	struct ledger_task t = { .id = STR("o"), .attempts = &a,
	    .n_attempts = 1 };

	(void)state;
	a.score = nextafter(1.0, 0.0);
	a.score_ln = -5e-324;
	put(&t);
	assert_true(find("o", 0)->attempts->score == nextafter(1.0, 0.0));
	assert_true(find("o", 0)->attempts->score_ln == -5e-324);
}

static void
the_latest_task_of_an_id_is_found_or_any_by_number(void **state)
{
	(void)state;
	put(&whole);
	put_id("task '1'");
	put_id("other");
	assert_int_equal(find("task '1'", 0)->number, 2);
	assert_int_equal(find("task '1'", 1)->number, 1);
	assert_int_equal(find("task '1'", 1)->n_attempts, 2);
	assert_int_equal(find("", 3)->number, 3);
	assert_true(str_is(find("", 3)->id, "other"));
	assert_int_equal(find("other", -5)->number, 3);
	assert_null(find("task", 0));
	assert_null(find("", 0));
	assert_null(find("task '1'", 4));
}

static void
a_task_without_attempts_or_texts_is_a_task(void **state)
{
	const struct ledger_task *t;

	(void)state;
	put_id("");
	t = find("", 0);
	assert_non_null(t);
	assert_int_equal(t->n_attempts, 0);
	assert_int_equal(t->tags.n, 0);
	assert_int_equal(t->prompt.n, 0);
	assert_int_equal(t->status, TASK_ACCEPTED);
	assert_false(t->cached);
}

static void
a_long_prompt_is_kept_to_its_first_kilobyte(void **state)
{
	struct buf b;
	struct ledger_task t = { .id = STR("long") };
	struct str kept;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_addc(&b, 'x');
	for (int i = 0; i < 5000; i++)
		buf_adds(&b, "ü");
	t.prompt = buf_str(&b);
	put(&t);
	kept = find("long", 0)->prompt;
	assert_int_equal(kept.n, 1023); /* not half a character */
	assert_true(utf8_valid(kept));
	assert_memory_equal(kept.p, b.p, kept.n);
	buf_release(&b);
}

/* The tier of the group that has the task's status: there it ended. */
static bool
note_ended(void *cookie, const struct ledger_stats *g)
{
	if (g->by_status[TASK_ACCEPTED])
		*(int *)cookie = g->tier;
	return true;
}

static int
ended_at(int tier)
{
	struct ledger_attempt a[] = {
		{ .tier = 1 }, { .tier = 2 }, { .tier = 2 }, { .tier = 3 },
	};
	struct ledger_task t = { .id = STR("t"), .attempts = a,
	    .n_attempts = 4, .tier = tier };
	const struct ledger_filter all = { 0 };
	int at = 0;

	assert_int_equal(store_clear(s, true, &e), 0);
	put(&t);
	assert_int_equal(ledger_stats(s, &all, LEDGER_BY_TIER, note_ended,
	    &at, &e), 0);
	return at;
}

static void
the_task_ends_where_it_was_answered_else_with_its_last_attempt(void **state)
{
	(void)state;
	assert_int_equal(ended_at(2), 2);
	assert_int_equal(ended_at(0), 3);
	assert_int_equal(ended_at(9), 3);
	assert_int_equal(ended_at(1), 1);
}

static void
the_newest_tasks_come_first(void **state)
{
	struct ledger_task *t = NULL;
	size_t n = 99;

	(void)state;
	assert_int_equal(ledger_recent(s, 10, arena, &t, &n, &e), 0);
	assert_int_equal(n, 0);
	put_id("a");
	put(&whole);
	put_id("c");
	assert_int_equal(ledger_recent(s, 2, arena, &t, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_true(str_is(t[0].id, "c"));
	assert_int_equal(t[0].number, 3);
	assert_true(str_eq(t[1].id, whole.id));
	assert_true(str_eq(t[1].run, whole.run));
	assert_int_equal(ledger_recent(s, 1000000000, arena, &t, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_true(str_is(t[2].id, "a"));
	assert_int_equal(ledger_recent(s, 0, arena, &t, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(ledger_recent(s, -1, arena, &t, &n, &e), 0);
	assert_int_equal(n, 0);
}

static void
nothing_is_written_outside_a_transaction(void **state)
{
	(void)state;
	assert_int_equal(ledger_put(s, &whole, &e), -1);
	assert_int_equal(count("SELECT count(*) FROM segments"), 0);
}

static void
what_is_rolled_back_is_not_kept_and_its_number_is_given_again(void **state)
{
	(void)state;
	put_id("one");
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(ledger_put(s, &whole, &e), 0);
	store_rollback(s);
	assert_null(find("task '1'", 0));
	put_id("two");
	assert_int_equal(find("two", 0)->number, 2);
}

/* One transaction's tasks are one segment, and each has a number. */
static void
many_tasks_of_one_transaction_have_numbers_of_their_own(void **state)
{
	char id[20];

	(void)state;
	assert_int_equal(store_begin(s, &e), 0);
	for (int i = 1; i <= 100; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		assert_int_equal(ledger_put(s, &(struct ledger_task){
		    .id = str_of(id), .run = i <= 50 ? STR("a") : STR("b"),
		    .latency_ms = i }, &e), 0);
	}
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(count("SELECT count(*) FROM segments"), 2);
	for (int i = 1; i <= 100; i += 33) {
		snprintf(id, sizeof(id), "t%d", i);
		assert_int_equal(find(id, 0)->number, i);
		assert_int_equal(find(id, 0)->latency_ms, i);
		assert_true(str_is(find("", i)->id, id));
		assert_true(str_is(find(id, 0)->run, i <= 50 ? "a" : "b"));
	}
	assert_null(find("", 101));
}

/* What has a summary is found as what has none. */
static void
tasks_are_found_however_many_come_after_them(void **state)
{
	char id[20];

	(void)state;
	put(&whole);
	for (int i = 2; i <= 3000; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		put_id(id);
	}
	assert_in_range(count("SELECT count(*) FROM summaries"), 2, 100);
	assert_int_equal(find("task '1'", 0)->number, 1);
	assert_int_equal(find("task '1'", 0)->n_attempts, 2);
	for (int i = 2; i <= 3000; i += 211) {
		snprintf(id, sizeof(id), "t%d", i);
		assert_int_equal(find(id, 0)->number, i);
	}
	assert_null(find("t3001", 0));
	put_id("t7");
	assert_int_equal(find("t7", 0)->number, 3001);
}

static void
assert_damaged(const char *sql)
{
	struct ledger_task t;

	assert_int_equal(store_exec(s, sql, "test", &e), 0);
	assert_int_equal(ledger_find(s, whole.id, 0, arena, &t, &e), -1);
	assert_non_null(strstr(e.msg, "is damaged"));
}

static void
damaged_entries_are_an_error(void **state)
{
	(void)state;
	put(&whole);
	assert_damaged("UPDATE segments SET entries = substr(entries, 1,"
	    " length(entries) - 1)");
	assert_damaged("UPDATE segments SET entries = x'ffffff7f00'");
	assert_damaged("UPDATE segments SET entries = x'01'");
	/* Whole by its length, and nothing that can be read: an id of 8 bytes,
	 * and no more. */
	assert_damaged("UPDATE segments SET entries = x'09000000'"
	    " || x'08' || CAST('task ''1''' AS BLOB)");
}

/* Sums of such numbers would overflow. */
static void
numbers_that_no_ledger_has_are_an_error(void **state)
{
	struct ledger_task t;

	(void)state;
	put(&whole);
	assert_damaged("UPDATE segments SET first = -9223372036854775808");
	assert_damaged("UPDATE segments SET first = 1,"
	    " tasks = 9223372036854775807");
	assert_damaged("UPDATE segments SET tasks = 1,"
	    " id = 9223372036854775807");
	assert_int_equal(store_exec(s, "UPDATE segments SET id = 1", "test",
	    &e), 0);
	assert_int_equal(ledger_find(s, whole.id, 0, arena, &t, &e), 1);
}

static void
a_cost_below_nothing_is_an_error(void **state)
{
	struct ledger_task t = whole, found;

	(void)state;
	t.cost_picousd = -1;
	put(&t);
	assert_int_equal(ledger_find(s, whole.id, 0, arena, &found, &e), -1);
	assert_non_null(strstr(e.msg, "is damaged"));
}

static void
words_of_another_version_are_failures(void **state)
{
	struct ledger_attempt a = { .tier = 1 };
	struct ledger_task t = { .id = STR("x"), .attempts = &a,
	    .n_attempts = 1, .status = (enum task_status)60 };

	(void)state;
	a.verdict = (enum attempt_verdict)61;
	put(&t);
	assert_int_equal(find("x", 0)->status, TASK_FAILED);
	assert_int_equal(find("x", 0)->attempts[0].verdict, ATTEMPT_FAILED);
}

static void
every_status_has_a_name_that_reads_back(void **state)
{
	enum task_status found;

	(void)state;
	for (int i = TASK_ACCEPTED; i <= TASK_BUDGET; i++) {
		assert_true(task_status_parse(str_of(
		    task_status_name((enum task_status)i)), &found));
		assert_int_equal(found, i);
	}
	assert_false(task_status_parse(STR(""), &found));
	assert_false(task_status_parse(STR("Accepted"), &found));
	assert_false(task_status_parse(STR("accepted "), &found));
	for (int i = 0; i <= ATTEMPT_UNKNOWN_IN_CACHE; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
			    attempt_verdict_name((enum attempt_verdict)i),
			    attempt_verdict_name((enum attempt_verdict)j));
}

#define STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE(a_task_comes_back_as_it_was_put),
		STORE(attempts_come_back_in_order_with_all_digits),
		STORE(a_score_of_zero_has_a_logarithm_too),
		STORE(a_score_next_to_one_is_not_rounded),
		STORE(the_latest_task_of_an_id_is_found_or_any_by_number),
		STORE(a_task_without_attempts_or_texts_is_a_task),
		STORE(a_long_prompt_is_kept_to_its_first_kilobyte),
		STORE(
		the_task_ends_where_it_was_answered_else_with_its_last_attempt),
		STORE(the_newest_tasks_come_first),
		STORE(nothing_is_written_outside_a_transaction),
		STORE(
		what_is_rolled_back_is_not_kept_and_its_number_is_given_again),
		STORE(many_tasks_of_one_transaction_have_numbers_of_their_own),
		STORE(tasks_are_found_however_many_come_after_them),
		STORE(damaged_entries_are_an_error),
		STORE(numbers_that_no_ledger_has_are_an_error),
		STORE(a_cost_below_nothing_is_an_error),
		STORE(words_of_another_version_are_failures),
		cmocka_unit_test(every_status_has_a_name_that_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
