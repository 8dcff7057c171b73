/*
 * test_result.c -- a result as JSON and as rows of the ledger.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/money.h"
#include "base/utf8.h"
#include "cascade/result.h"

static struct tier tiers[2];
static struct cascade cascade;
static struct task task;
static struct field tags[2];
static struct ledger_attempt attempts[2];
static int64_t rows[2] = { 7, 8 };
static struct result r;
static struct buf json, tags_text, error_text;

static struct price
price(int64_t input, int64_t output)
{
	struct price p = price_none();
	struct price_rates rates = { input, output, MONEY_UNKNOWN,
	    MONEY_UNKNOWN, MONEY_UNKNOWN };

	price_override(&p, &rates);
	return p;
}

/* Two tiers; the first escalated, the second accepted. */
static int
begin(void **state)
{
	(void)state;
	tiers[0] = (struct tier){ .model = STR("p/a"), .samples_min = 1,
	    .samples_max = 1, .price = price(1, 2) };
	tiers[1] = (struct tier){ .model = STR("p/b"), .samples_min = 1,
	    .samples_max = 1, .price = price(10, 20) };
	cascade = (struct cascade){ .name = STR("math"), .tiers = tiers,
	    .n_tiers = 2 };
	task = (struct task){ .id = STR("t1"), .prompt = STR("6*7?") };
	attempts[0] = (struct ledger_attempt){ .tier = 1,
	    .model = STR("p/a"), .samples = 1, .scored = true, .score = 0.5,
	    .score_ln = log(0.5), .threshold = 0.75,
	    .threshold_ln = log(0.75), .scorer = STR("logprob"),
	    .verdict = ATTEMPT_ESCALATE, .reason = STR("not \"sure\""),
	    .cost_picousd = 20, .prompt_tokens = 10, .completion_tokens = 5,
	    .latency_ms = 30, .requests = 3, .retries = 2, .rows = rows,
	    .n_rows = 1 };
	attempts[1] = (struct ledger_attempt){ .tier = 2,
	    .model = STR("p/b"), .samples = 1, .cached = 1,
	    .verdict = ATTEMPT_ACCEPT, .cached_picousd = 200,
	    .prompt_tokens = 10, .completion_tokens = 5, .latency_ms = 1,
	    .rows = rows + 1, .n_rows = 1 };
	r = (struct result){ .task = &task, .cascade = &cascade,
	    .status = TASK_ACCEPTED, .text = STR("So: #### 42"),
	    .answer = STR("42"), .has_answer = true, .tier = 2,
	    .model = STR("p/b"), .cost_picousd = 20, .cached_picousd = 200,
	    .top_picousd = 200, .prompt_tokens = 20, .completion_tokens = 10,
	    .latency_ms = 31, .attempts = attempts, .n_attempts = 2 };
	buf_init(&json, BUF_MAX);
	buf_init(&tags_text, BUF_MAX);
	buf_init(&error_text, BUF_MAX);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	buf_release(&json);
	buf_release(&tags_text);
	buf_release(&error_text);
	return 0;
}

/* --- the result object ---------------------------------------------------- */

static void
write_json(bool simulated)
{
	struct json *doc;

	buf_clear(&json);
	result_json(&json, &r, simulated);
	assert_false(json.failed);
	assert_null(strchr(json.p, '\n'));
	doc = json_parse(buf_str(&json), NULL);
	assert_non_null(doc);
	json_free(doc);
}

/* With ` for ". */
static void
json_is(const char *expected)
{
	char *p = str_dup(str_of(expected));

	assert_non_null(p);
	for (char *q = p; *q; q++)
		if (*q == '`')
			*q = '"';
	write_json(false);
	assert_string_equal(json.p, p);
	free(p);
}

static void
has(const char *words)
{
	char p[256];

	snprintf(p, sizeof(p), "%s", words);
	for (char *q = p; *q; q++)
		if (*q == '`')
			*q = '"';
	if (!strstr(json.p, p))
		fail_msg("no %s in %s", p, json.p);
}

static void
has_not(const char *words)
{
	if (strstr(json.p, words))
		fail_msg("%s in %s", words, json.p);
}

#define ATTEMPTS "`attempts`:[{`tier`:1,`model`:`p/a`,`samples`:1," \
	"`score`:0.5,`score_log`:-0.6931471805599453,`threshold`:0.75," \
	"`threshold_log`:-0.2876820724517809,`verdict`:`escalate`," \
	"`reason`:`not \\`sure\\``,`cost_usd`:0.00000000002,`cached`:0," \
	"`requests`:3,`retries`:2,`latency_ms`:30}," \
	"{`tier`:2,`model`:`p/b`,`samples`:1,`verdict`:`accept`," \
	"`cost_usd`:0,`cached`:1,`requests`:0,`latency_ms`:1}]"

static void
an_accepted_result_is_whole(void **state)
{
	(void)state;
	json_is("{`id`:`t1`,`status`:`accepted`,`text`:`So: #### 42`,"
	    "`answer`:`42`,`cascade`:`math`,`tier`:2,`model`:`p/b`,"
	    "`verdict`:`accept`,`cost_usd`:0.00000000002,"
	    "`saved_usd`:0.00000000018,`prompt_tokens`:20,"
	    "`completion_tokens`:10,`latency_ms`:31,`cached`:false,"
	    ATTEMPTS "}");
}

/* The first two members are what resuming looks for. */
static void
a_result_begins_with_its_id_and_its_status(void **state)
{
	static const struct { enum task_status status; const char *word; }
	    v[] = {
		{ TASK_ACCEPTED, "accepted" }, { TASK_EXHAUSTED, "exhausted" },
		{ TASK_REFUSED, "refused" }, { TASK_FAILED, "failed" },
		{ TASK_BUDGET, "budget" },
	};
	char start[64];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		r.status = v[i].status;
		write_json(false);
		snprintf(start, sizeof(start),
		    "{\"id\":\"t1\",\"status\":\"%s\",", v[i].word);
		assert_true(str_starts(buf_str(&json), start));
	}
}

static void
a_score_keeps_all_its_digits(void **state)
{
	(void)state;
	r.scored = true;
	r.score = (struct score){ 1, -4.7e-17 };
	write_json(false);
	has("`score`:1,`score_log`:-4.7e-17,");
	r.score = score_of_p(0.1 + 0.2);
	write_json(false);
	has("`score`:0.30000000000000004,");
}

/* Absent rather than null: the logarithm of 0 is no number of JSON's. */
static void
nothing_is_ever_null(void **state)
{
	(void)state;
	r.scored = true;
	r.score = score_of_p(0);
	attempts[0].score = attempts[0].threshold = 0;
	attempts[0].score_ln = attempts[0].threshold_ln = -INFINITY;
	r.top_picousd = r.cost_picousd = MONEY_UNKNOWN;
	write_json(false);
	has_not("null");
	has("`score`:0,");
}

static void
what_is_unknown_is_absent(void **state)
{
	(void)state;
	r.cost_picousd = attempts[0].cost_picousd = MONEY_UNKNOWN;
	r.has_answer = false;
	attempts[0].reason = STR("");
	attempts[0].retries = 0;
	write_json(false);
	has_not("saved_usd");
	has_not("answer");
	has_not("reason");
	has_not("retries");
	has_not("correct");
	has_not("error");
	has_not("simulated");
	has_not("repairs");
	has("`cached`:0,`requests`:3");
	r.cost_picousd = 5;
	r.top_picousd = MONEY_UNKNOWN;
	write_json(false);
	has("`cost_usd`:0.000000000005,`prompt_tokens`");
	has_not("saved_usd");
}

static void
what_was_not_saved_is_negative(void **state)
{
	(void)state;
	r.cost_picousd = 3000000;
	r.top_picousd = 1000000;
	write_json(false);
	has("`saved_usd`:-0.000002,");
}

static void
an_answer_against_its_reference_is_right_or_wrong(void **state)
{
	(void)state;
	r.correct = YES;
	write_json(false);
	has("`answer`:`42`,`correct`:true,");
	r.correct = NO;
	write_json(false);
	has("`correct`:false,");
}

static void
simulated_answers_say_so(void **state)
{
	(void)state;
	r.cached = true;
	write_json(true);
	has("`cached`:true,`simulated`:true,");
}

static void
a_failed_result_has_an_error_and_no_answer(void **state)
{
	(void)state;
	r.status = TASK_FAILED;
	r.tier = 0;
	r.text = r.model = STR("");
	r.error_code = STR("timeout");
	r.error_message = STR("nothing \"came\"");
	write_json(false);
	has("`error`:{`code`:`timeout`,`message`:`nothing \\`came\\``}}");
	has("{`id`:`t1`,`status`:`failed`,`cascade`:`math`,`cost_usd`:");
	has_not("\"text\"");
	has_not("\"answer\"");
	has_not("\"model\":\"\"");
}

static void
an_error_may_have_only_a_message_or_a_code(void **state)
{
	(void)state;
	r.error_message = STR("m");
	write_json(false);
	has("`message`:`m`}");
	r.error_message = STR("");
	r.error_code = STR("c");
	write_json(false);
	has("`error`:{`code`:`c`");
}

static void
a_refused_answer_is_still_shown(void **state)
{
	(void)state;
	r.status = TASK_REFUSED;
	attempts[1].verdict = ATTEMPT_REFUSED;
	r.has_answer = false;
	r.text = STR("I cannot.");
	write_json(false);
	has("`status`:`refused`,`text`:`I cannot.`,`cascade`");
	has("`verdict`:`refused`,`cost_usd`");
}

static void
repairs_are_counted(void **state)
{
	(void)state;
	attempts[1].repairs = 2;
	write_json(false);
	has("`cached`:1,`repairs`:2,`requests`:0,");
}

static void
text_is_escaped(void **state)
{
	(void)state;
	task.id = STR("a \"b\"\n\x1b");
	r.text = STR("line\nline\t\xe2\x82\xac \\ \"x\"");
	write_json(false);
	has("{`id`:`a \\`b\\`\\n\\u001b`,");
	has("`text`:`line\\nline\\t\xe2\x82\xac \\\\ \\`x\\``");
	r.text = STR("");
	write_json(false);
	has("`text`:``,");
}

static void
a_buffer_that_is_too_small_says_so(void **state)
{
	struct buf small;

	(void)state;
	buf_init(&small, 50);
	result_json(&small, &r, false);
	assert_true(small.failed);
	buf_release(&small);
}

/* --- the top tier's cost -------------------------------------------------- */

static void
at_the_top_it_is_what_it_cost(void **state)
{
	(void)state;
	attempts[1].cost_picousd = 30;
	assert_int_equal(result_top(&cascade, &attempts[1], 10, 0), 230);
	attempts[1].cost_picousd = MONEY_UNKNOWN;
	assert_int_equal(result_top(&cascade, &attempts[1], 10, 0),
	    MONEY_UNKNOWN);
}

static void
below_the_top_it_is_estimated(void **state)
{
	(void)state;
	assert_int_equal(result_top(&cascade, &attempts[0], 10, 0),
	    10 * 10 + 5 * 20);
	/* The mean of its samples, times the least that the top asks for. */
	attempts[0].samples = 4;
	attempts[0].completion_tokens = 40;
	tiers[1].samples_min = 3;
	tiers[1].samples_max = 9;
	assert_int_equal(result_top(&cascade, &attempts[0], 10, 0),
	    3 * (10 * 10 + 10 * 20));
}

static void
without_tokens_or_a_price_it_is_unknown(void **state)
{
	(void)state;
	assert_int_equal(result_top(&cascade, &attempts[0], 0, 0),
	    MONEY_UNKNOWN);
	attempts[0].samples = 0;
	assert_int_equal(result_top(&cascade, &attempts[0], 10, 0),
	    MONEY_UNKNOWN);
	attempts[0].samples = 1;
	tiers[1].price = price_none();
	assert_int_equal(result_top(&cascade, &attempts[0], 10, 0),
	    MONEY_UNKNOWN);
}

static void
a_top_tier_that_did_not_answer_cost_nobody_knows_what(void **state)
{
	(void)state;
	attempts[1].samples = 0;
	assert_int_equal(result_top(&cascade, &attempts[1], 10, 0),
	    MONEY_UNKNOWN);
}

static void
one_tier_is_its_own_top(void **state)
{
	(void)state;
	cascade.n_tiers = 1;
	assert_int_equal(result_top(&cascade, &attempts[0], 10, 0), 20);
}

/* --- the ledger ----------------------------------------------------------- */

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static struct ledger_task
row(void)
{
	struct ledger_task t;

	result_ledger(&r, STR("run-1"), STR("batch x.jsonl"), 1234567,
	    &tags_text, &error_text, &t);
	assert_false(tags_text.failed);
	assert_false(error_text.failed);
	return t;
}

static void
everything_goes_to_the_ledger(void **state)
{
	struct ledger_task t;

	(void)state;
	r.cached = true;
	t = row();
	is(t.id, "t1");
	is(t.run, "run-1");
	is(t.cascade, "math");
	is(t.source, "batch x.jsonl");
	is(t.prompt, "6*7?");
	is(t.tags, "");
	is(t.error, "");
	is(t.model, "p/b");
	assert_int_equal(t.number, 0);
	assert_int_equal(t.status, TASK_ACCEPTED);
	assert_int_equal(t.tier, 2);
	assert_int_equal(t.tiers, 2);
	assert_int_equal(t.cost_picousd, 20);
	assert_int_equal(t.cached_picousd, 200);
	assert_int_equal(t.top_picousd, 200);
	assert_int_equal(t.finished_utc_ms, 1234567);
	assert_int_equal(t.latency_ms, 31);
	assert_true(t.cached);
	assert_ptr_equal(t.attempts, attempts);
	assert_int_equal(t.n_attempts, 2);
}

static void
tags_are_one_json_object(void **state)
{
	(void)state;
	tags[0] = (struct field){ STR("team"), STR("a \"b\"") };
	tags[1] = (struct field){ STR("x\ny"), STR("") };
	task.tags = tags;
	task.n_tags = 2;
	is(row().tags, "{\"team\":\"a \\\"b\\\"\",\"x\\ny\":\"\"}");
	/* Of a task without any there is nothing left. */
	task.n_tags = 0;
	is(row().tags, "");
}

static void
an_error_is_its_code_and_its_words(void **state)
{
	(void)state;
	r.error_code = STR("timeout");
	r.error_message = STR("nothing came");
	is(row().error, "timeout: nothing came");
	r.error_code = STR("");
	r.error_message = STR("");
	is(row().error, "");
}

static void
a_long_prompt_is_cut_between_two_characters(void **state)
{
	static char prompt[3 * 700 + 1];
	struct ledger_task t;

	(void)state;
	for (size_t i = 0; i < 700; i++)
		memcpy(prompt + 3 * i, "\xe2\x82\xac", 3);
	task.prompt = str_of(prompt);
	t = row();
	assert_int_equal(t.prompt.n, 1023);
	assert_true(utf8_valid(t.prompt));
}

static void
rows_can_be_put_and_found_again(void **state)
{
	struct arena *a = arena_new(0);
	struct store *s = NULL;
	struct ledger_task t = row(), found;
	struct err e = { 0 };

	(void)state;
	assert_non_null(a);
	attempts[0].n_rows = attempts[1].n_rows = 0;
	assert_int_equal(store_open(&s, ":memory:", STORE_CREATE, &e), 0);
	assert_int_equal(store_begin(s, &e), 0);
	assert_int_equal(ledger_put(s, &t, &e), 0);
	assert_int_equal(store_commit(s, &e), 0);
	assert_int_equal(ledger_find(s, STR("t1"), 0, a, &found, &e), 1);
	is(found.cascade, "math");
	assert_int_equal(found.n_attempts, 2);
	is(found.attempts[0].reason, "not \"sure\"");
	assert_true(found.attempts[0].score == 0.5);
	store_close(s);
	arena_free(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(an_accepted_result_is_whole),
		T(a_result_begins_with_its_id_and_its_status),
		T(a_score_keeps_all_its_digits),
		T(nothing_is_ever_null),
		T(what_is_unknown_is_absent),
		T(what_was_not_saved_is_negative),
		T(an_answer_against_its_reference_is_right_or_wrong),
		T(simulated_answers_say_so),
		T(a_failed_result_has_an_error_and_no_answer),
		T(an_error_may_have_only_a_message_or_a_code),
		T(a_refused_answer_is_still_shown),
		T(repairs_are_counted),
		T(text_is_escaped),
		T(a_buffer_that_is_too_small_says_so),
		T(at_the_top_it_is_what_it_cost),
		T(below_the_top_it_is_estimated),
		T(without_tokens_or_a_price_it_is_unknown),
		T(a_top_tier_that_did_not_answer_cost_nobody_knows_what),
		T(one_tier_is_its_own_top),
		T(everything_goes_to_the_ledger),
		T(tags_are_one_json_object),
		T(an_error_is_its_code_and_its_words),
		T(a_long_prompt_is_cut_between_two_characters),
		T(rows_can_be_put_and_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
