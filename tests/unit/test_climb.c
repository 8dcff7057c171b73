/*
 * test_climb.c -- one task's way up the tiers, told by made-up replies what has
 * come and what time it is. No network, no clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "cascade/climb.h"

static struct config *cfg;
static const struct cascade *k;
static struct tier_state *states;
static struct task *task;
static struct climb *climb;
static struct climb_ask ask;
static int64_t *row;
static int64_t now;
static struct err e;

static int
begin(void **state)
{
	(void)state;
	now = 1000;
	memset(&e, 0, sizeof(e));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	task_free(task);
	config_free(cfg);
	free(states);
	task = NULL;
	cfg = NULL;
	states = NULL;
	climb = NULL;
	return 0;
}

/* Prices: p/a 1 and 2 dollars a million tokens, p/b ten times that, p/c
 * nothing is known of. */
#define HEAD \
	"providers:\n" \
	"  p: {api: openai, url: 'http://127.0.0.1:9/v1'}\n" \
	"models:\n" \
	"  p/a: {input_per_mtok: 1, output_per_mtok: 2}\n" \
	"  p/b: {input_per_mtok: 10, output_per_mtok: 20}\n" \
	"cascades:\n" \
	"  x:\n" \
	"    answer: '####\\s*(\\S+)'\n"
#define ONE HEAD "    tiers:\n" \
	"      - {model: p/a, accept: {regex: '####'}}\n"
#define TWO ONE \
	"      - {model: p/b, accept: {regex: '####'}}\n"
#define THREE TWO \
	"      - {model: p/c}\n"

/* A configuration, and the climb of a task by its only cascade. */
static void
load(const char *yaml)
{
	struct buf messages;

	buf_init(&messages, BUF_MAX);
	if (config_parse(&cfg, "t.yaml", str_of(yaml), &messages, NULL, &e)
	    < 0)
		fail_msg("%s", messages.p);
	buf_release(&messages);
	k = &cfg->cascades[0];
	states = calloc(k->n_tiers, sizeof(*states));
	assert_non_null(states);
}

static void
start_task(struct task *t)
{
	assert_non_null(t);
	task = t;
	climb = climb_new(k, task, states, CLIMB_UP, now);
	assert_non_null(climb);
}

static void
start(const char *yaml)
{
	load(yaml);
	start_task(task_of_prompt(STR("6*7?")));
}

static void
start_json(const char *yaml, const char *json)
{
	load(yaml);
	start_task(task_of_json(str_of(json), &e));
}

/* The next wish, which must be there. */
static void
wants(int tier, int prompt, int sample, int repair)
{
	assert_true(climb_next(climb, &ask));
	assert_int_equal(ask.tier, tier);
	assert_int_equal(ask.prompt, prompt);
	assert_int_equal(ask.sample, sample);
	assert_int_equal(ask.repair, repair);
}

static void
wants_nothing(void)
{
	struct climb_ask none;

	assert_false(climb_next(climb, &none));
}

/* A text of 10 tokens in and 5 out at a price of 20. */
static struct completion
completion(const char *text)
{
	return (struct completion){ .text = str_of(text),
	    .model = STR("m-2026"), .prompt_tokens = 10, .cached_tokens = 0,
	    .cache_write_tokens = 0, .completion_tokens = 5,
	    .reasoning_tokens = 0, .cost_picousd = 20 };
}

static void
give_news(size_t slot, const struct climb_news *news)
{
	assert_null(climb_result(climb));
	row = NULL;
	if (climb_give(climb, slot, news, now, &row, &e) < 0)
		fail_msg("%s", e.msg);
	assert_non_null(row);
}

static void
give_completion(size_t slot, const struct completion *c)
{
	struct climb_news news = { .c = c, .requests = 1 };

	give_news(slot, &news);
}

static void
give_slot(size_t slot, const char *text)
{
	struct completion c = completion(text);

	give_completion(slot, &c);
}

static void
give(const char *text)
{
	give_slot(ask.slot, text);
}

static void
give_finish(const char *text, enum finish finish)
{
	struct completion c = completion(text);

	c.finish = finish;
	give_completion(ask.slot, &c);
}

static void
lose_slot(size_t slot, enum outcome outcome, const char *code)
{
	struct climb_failure f = { .outcome = outcome, .code = str_of(code),
	    .message = STR("it went wrong"), .requests = 2, .retries = 1 };

	assert_null(climb_result(climb));
	if (climb_fail(climb, slot, &f, now, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
lose(enum outcome outcome, const char *code)
{
	lose_slot(ask.slot, outcome, code);
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static const struct result *
ends(enum task_status status, int tier, size_t attempts)
{
	const struct result *r = climb_result(climb);

	assert_non_null(r);
	assert_string_equal(task_status_name(r->status),
	    task_status_name(status));
	assert_int_equal(r->tier, tier);
	assert_int_equal(r->n_attempts, attempts);
	assert_ptr_equal(r->task, task);
	assert_ptr_equal(r->cascade, k);
	wants_nothing();
	assert_ptr_equal(climb_result(climb), r);
	return r;
}

static const struct ledger_attempt *
attempt(const struct result *r, size_t i, enum attempt_verdict v)
{
	assert_true(i < r->n_attempts);
	assert_int_equal(r->attempts[i].tier, i + 1);
	is(r->attempts[i].model, k->tiers[i].model.p);
	assert_string_equal(attempt_verdict_name(r->attempts[i].verdict),
	    attempt_verdict_name(v));
	return &r->attempts[i];
}

static void
no_error(const struct result *r)
{
	is(r->error_code, "");
	is(r->error_message, "");
	assert_false(r->stopped);
}

/* --- accepting and climbing ----------------------------------------------- */

static void
a_good_answer_is_accepted_at_the_first_tier(void **state)
{
	const struct ledger_attempt *at;
	const struct result *r;

	(void)state;
	start(TWO);
	assert_null(climb_result(climb));
	wants(0, 0, 0, 0);
	wants_nothing();
	now = 1250;
	give("So: #### 42 apples");
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->text, "So: #### 42 apples");
	assert_true(r->has_answer);
	is(r->answer, "42");
	is(r->model, "p/a");
	assert_true(r->scored);
	assert_true(r->score.p == 1 && r->score.ln == 0);
	assert_true(r->threshold.p == 1);
	assert_int_equal(r->latency_ms, 250);
	assert_int_equal(r->cost_picousd, 20);
	assert_int_equal(r->cached_picousd, 0);
	assert_int_equal(r->prompt_tokens, 10);
	assert_int_equal(r->completion_tokens, 5);
	assert_false(r->cached);
	assert_int_equal(r->correct, UNSET);
	no_error(r);
	at = attempt(r, 0, ATTEMPT_ACCEPT);
	assert_int_equal(at->samples, 1);
	assert_int_equal(at->requests, 1);
	assert_int_equal(at->chosen, 0);
	assert_int_equal(at->latency_ms, 250);
	is(at->scorer, "regex");
	is(r->reason, at->reason.p);
	assert_true(at->reason.n > 0);
}

static void
a_bad_answer_goes_one_tier_up(void **state)
{
	const struct ledger_attempt *at;
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	now = 1100;
	give("no idea");
	wants(1, 0, 0, 0);
	wants_nothing();
	now = 1500;
	give("#### 42");
	r = ends(TASK_ACCEPTED, 2, 2);
	is(r->text, "#### 42");
	is(r->model, "p/b");
	assert_int_equal(r->latency_ms, 500);
	assert_int_equal(r->cost_picousd, 40);
	assert_int_equal(r->prompt_tokens, 20);
	assert_int_equal(r->completion_tokens, 10);
	no_error(r);
	at = attempt(r, 0, ATTEMPT_ESCALATE);
	assert_true(at->scored);
	assert_true(at->score == 0 && at->threshold == 1);
	assert_int_equal(at->latency_ms, 100);
	assert_int_equal(at->samples, 1);
	assert_int_equal(at->chosen, 0);
	at = attempt(r, 1, ATTEMPT_ACCEPT);
	assert_int_equal(at->latency_ms, 400);
}

static void
without_a_rule_a_complete_answer_is_accepted(void **state)
{
	const struct result *r;

	(void)state;
	start(THREE);
	wants(0, 0, 0, 0);
	give("x");
	wants(1, 0, 0, 0);
	give("y");
	wants(2, 0, 0, 0);
	give("z");
	r = ends(TASK_ACCEPTED, 3, 3);
	is(r->text, "z");
	assert_false(r->has_answer);
	assert_false(r->scored);
	attempt(r, 2, ATTEMPT_ACCEPT);
}

static void
the_last_answer_is_returned_though_it_is_bad(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give("first");
	wants(1, 0, 0, 0);
	give("second");
	r = ends(TASK_EXHAUSTED, 2, 2);
	is(r->text, "second");
	is(r->model, "p/b");
	assert_true(r->scored && r->score.p == 0);
	attempt(r, 1, ATTEMPT_ESCALATE);
	no_error(r);
}

static void
an_empty_answer_without_a_rule_is_exhausted(void **state)
{
	(void)state;
	start(HEAD "    tiers:\n      - {model: p/a}\n");
	wants(0, 0, 0, 0);
	give(" \n");
	attempt(ends(TASK_EXHAUSTED, 1, 1), 0, ATTEMPT_ESCALATE);
}

static void
a_cascade_may_fail_rather_than_return_a_bad_answer(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO "    exhausted: fail\n");
	wants(0, 0, 0, 0);
	give("first");
	wants(1, 0, 0, 0);
	give("second");
	r = ends(TASK_FAILED, 0, 2);
	is(r->error_code, "exhausted");
	is(r->error_message, r->attempts[1].reason.p);
	is(r->text, "");
	assert_false(r->has_answer);
	assert_int_equal(r->cost_picousd, 40);
	attempt(r, 1, ATTEMPT_ESCALATE);
}

static void
a_refusal_at_the_last_tier_is_the_result(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give("x");
	wants(1, 0, 0, 0);
	give_finish("#### I'd rather not.", FINISH_REFUSED);
	r = ends(TASK_REFUSED, 2, 2);
	is(r->text, "#### I'd rather not.");
	attempt(r, 1, ATTEMPT_REFUSED);
	assert_int_equal(r->cost_picousd, 40);
}

static void
a_refusal_is_a_refusal_also_where_failing_is_wanted(void **state)
{
	(void)state;
	start(ONE "    exhausted: fail\n");
	wants(0, 0, 0, 0);
	give_finish("no", FINISH_REFUSED);
	ends(TASK_REFUSED, 1, 1);
}

static void
a_refusal_below_goes_one_tier_up(void **state)
{
	const struct result *r;

	(void)state;
	start(THREE);
	wants(0, 0, 0, 0);
	give("x");
	wants(1, 0, 0, 0);
	give_finish("#### no", FINISH_REFUSED);
	wants(2, 0, 0, 0);
	give("yes");
	r = ends(TASK_ACCEPTED, 3, 3);
	attempt(r, 1, ATTEMPT_REFUSED);
}

static void
an_answer_that_is_cut_off_is_never_accepted(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give_finish("#### 42", FINISH_LENGTH);
	wants(1, 0, 0, 0);
	give_finish("#### 4", FINISH_LENGTH);
	r = ends(TASK_EXHAUSTED, 2, 2);
	is(r->text, "#### 4");
	attempt(r, 0, ATTEMPT_CUT_OFF);
	attempt(r, 1, ATTEMPT_CUT_OFF);
}

static void
a_reference_says_whether_it_was_right(void **state)
{
	(void)state;
	start_json(ONE, "{\"prompt\":\"x\",\"reference\":\"1,042\"}");
	wants(0, 0, 0, 0);
	give("#### 1042.0");
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->correct, YES);
	end(state);
	start_json(ONE, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	wants(0, 0, 0, 0);
	give("#### 43");
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->correct, NO);
	end(state);
	start_json(ONE, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	wants(0, 0, 0, 0);
	give("42"); /* but no answer */
	assert_int_equal(ends(TASK_EXHAUSTED, 1, 1)->correct, NO);
	end(state);
	start_json(ONE, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	wants(0, 0, 0, 0);
	lose(OUTCOME_FAIL, "x");
	assert_int_equal(ends(TASK_FAILED, 0, 1)->correct, UNSET);
}

static void
what_is_given_is_copied(void **state)
{
	char text[] = "#### 42", model[] = "m";
	struct token tokens[] = { { 0, 4, -0.5 }, { 4, 7, -0.25 } };
	struct completion c = completion(text);

	(void)state;
	start(ONE);
	wants(0, 0, 0, 0);
	c.model = str_of(model);
	c.tokens = tokens;
	c.n_tokens = 2;
	give_completion(ask.slot, &c);
	memset(text, 'x', sizeof(text) - 1);
	memset(model, 'x', sizeof(model) - 1);
	memset(tokens, 0xff, sizeof(tokens));
	is(ends(TASK_ACCEPTED, 1, 1)->text, "#### 42");
	is(climb_result(climb)->answer, "42");
}

static void
recorded_answers_are_believed(void **state)
{
	struct completion c = completion("#### 42");

	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a}\n");
	task = task_of_prompt(STR("x"));
	climb = climb_new(k, task, states, CLIMB_RECORDED, now);
	assert_non_null(climb);
	wants(0, 0, 0, 0);
	c.answer = STR("43");
	c.has_answer = true;
	give_completion(ask.slot, &c);
	is(ends(TASK_ACCEPTED, 1, 1)->answer, "43");

	climb = climb_new(k, task, states, CLIMB_RECORDED, now);
	assert_non_null(climb);
	wants(0, 0, 0, 0);
	c.has_answer = false;
	give_completion(ask.slot, &c);
	assert_false(ends(TASK_ACCEPTED, 1, 1)->has_answer);

	climb = climb_new(k, task, states, CLIMB_UP, now);
	assert_non_null(climb);
	wants(0, 0, 0, 0);
	c.answer = STR("43");
	c.has_answer = true;
	give_completion(ask.slot, &c);
	is(ends(TASK_ACCEPTED, 1, 1)->answer, "42");
}

/* --- samples -------------------------------------------------------------- */

#define AGREE(samples, share) HEAD "    tiers:\n" \
	"      - {model: p/a, samples: " samples ", temperature: 0.7, " \
	"accept: {agreement: " share "}}\n      - {model: p/b}\n"

static void
all_samples_are_wanted_at_once(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("5", "0.6"));
	for (int i = 0; i < 5; i++) {
		wants(0, 0, i, 0);
		assert_int_equal(ask.slot, i);
	}
	wants_nothing();
	/* They come in any order. */
	give_slot(3, "#### 7");
	give_slot(0, "#### 8");
	give_slot(4, "#### 7");
	give_slot(1, "none");
	assert_null(climb_result(climb));
	wants_nothing();
	give_slot(2, "so #### 7.0");
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_true(r->score.p == 0.6);
	is(r->answer, "7.0"); /* the first in order of samples */
	assert_int_equal(r->attempts[0].samples, 5);
	assert_int_equal(r->attempts[0].n_rows, 5);
	assert_int_equal(r->attempts[0].chosen, 4); /* it came as the last */
	assert_int_equal(r->cost_picousd, 100);
}

static void
samples_that_disagree_escalate(void **state)
{
	const struct ledger_attempt *at;
	static const char *const texts[] = {
		"#### 7", "#### 7", "#### 8", "#### 9", "x"
	};

	(void)state;
	start(AGREE("5", "0.6"));
	for (int i = 0; i < 5; i++) {
		wants(0, 0, i, 0);
		give(texts[i]);
	}
	wants(1, 0, 0, 0);
	give("#### 1");
	at = attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_ESCALATE);
	assert_true(at->score == 0.4);
	assert_int_equal(at->chosen, 0);
	is(at->scorer, "agreement");
}

static void
adaptive_samples_ask_for_the_least_and_stop(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("{min: 2, max: 5}", "0.8"));
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	wants_nothing();
	give_slot(0, "#### 7");
	give_slot(1, "#### 7");
	/* Two more could settle it. */
	wants(0, 0, 2, 0);
	wants(0, 0, 3, 0);
	wants_nothing();
	give_slot(2, "#### 7");
	give_slot(3, "#### 7");
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_int_equal(r->attempts[0].samples, 4);
	assert_true(r->score.p == 1);
}

static void
adaptive_samples_go_to_the_end_if_they_must(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("{min: 2, max: 5}", "0.8"));
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	give_slot(0, "#### 7");
	give_slot(1, "#### 7");
	wants(0, 0, 2, 0);
	wants(0, 0, 3, 0);
	give_slot(2, "#### 7");
	give_slot(3, "#### 8");
	wants(0, 0, 4, 0);
	wants_nothing();
	give_slot(4, "#### 7");
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_true(r->score.p == 0.8);
	assert_int_equal(r->attempts[0].samples, 5);
}

static void
adaptive_samples_give_up_when_it_is_hopeless(void **state)
{
	const struct ledger_attempt *at;

	(void)state;
	start(AGREE("{min: 2, max: 5}", "0.8"));
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	give_slot(0, "#### 7");
	give_slot(1, "#### 8");
	/* One more that agrees with neither, and it cannot be had. */
	wants(0, 0, 2, 0);
	wants_nothing();
	give_slot(2, "#### 9");
	wants(1, 0, 0, 0);
	give("#### 1");
	at = attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_ESCALATE);
	assert_int_equal(at->samples, 3);
}

static void
failed_samples_count_against_the_score(void **state)
{
	const struct ledger_attempt *at;

	(void)state;
	start(AGREE("5", "0.6"));
	for (int i = 0; i < 5; i++)
		wants(0, 0, i, 0);
	give_slot(0, "#### 7");
	give_slot(1, "#### 7");
	lose_slot(2, OUTCOME_RETRY, "timeout");
	lose_slot(3, OUTCOME_NEXT, "x");
	lose_slot(4, OUTCOME_FAIL, "x");
	wants(1, 0, 0, 0);
	give("#### 1");
	at = attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_ESCALATE);
	assert_true(at->score == 0.4);
	assert_int_equal(at->samples, 2);
	assert_int_equal(at->n_rows, 2);
	assert_int_equal(at->requests, 2 + 3 * 2);
	assert_int_equal(at->retries, 3);
}

static void
enough_samples_are_enough_though_some_failed(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("5", "0.6"));
	for (int i = 0; i < 5; i++)
		wants(0, 0, i, 0);
	lose_slot(0, OUTCOME_TIER, "x");
	give_slot(1, "#### 7");
	give_slot(2, "#### 7");
	give_slot(3, "#### 7");
	lose_slot(4, OUTCOME_WAIT, "x");
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_true(r->score.p == 0.6);
	is(r->answer, "7");
	no_error(r);
}

static void
failed_adaptive_samples_are_missing_but_others_are_asked_for(void **state)
{
	(void)state;
	start(AGREE("{min: 2, max: 5}", "0.6"));
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	give_slot(0, "#### 7");
	lose_slot(1, OUTCOME_RETRY, "timeout");
	wants(0, 0, 2, 0);
	wants(0, 0, 3, 0);
	wants_nothing();
	give_slot(2, "#### 7");
	give_slot(3, "#### 7");
	assert_true(ends(TASK_ACCEPTED, 1, 1)->score.p == 0.75);
}

static void
several_prompts_share_the_samples(void **state)
{
	struct message *m;
	size_t n;

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 5, temperature: 1, accept: "
	    "{agreement: 0.6}, prompts: [{text: 'A {{input}}'}, {text: "
	    "'B {{input}}'}]}\n");
	/* Those of one prompt come together: they can share a request. */
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	assert_int_equal(climb_messages(climb, &ask, &m, &n, &e), 0);
	is(m[0].content, "A 6*7?");
	wants(0, 0, 2, 0);
	wants(0, 1, 0, 0);
	assert_int_equal(climb_messages(climb, &ask, &m, &n, &e), 0);
	is(m[0].content, "B 6*7?");
	wants(0, 1, 1, 0);
	wants_nothing();
	for (size_t i = 0; i < 5; i++)
		give_slot(i, "#### 7");
	assert_true(ends(TASK_ACCEPTED, 1, 1)->score.p == 1);
}

static void
adaptive_samples_go_on_with_the_next_prompt(void **state)
{
	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: {min: 3, max: 5}, temperature: 1, "
	    "accept: {agreement: 0.8}, prompts: [{text: 'A {{input}}'}, "
	    "{text: 'B {{input}}'}]}\n");
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	wants(0, 1, 0, 0);
	wants_nothing();
	give_slot(0, "#### 7");
	give_slot(1, "#### 7");
	give_slot(2, "#### 8");
	wants(0, 1, 1, 0);
	wants_nothing();
	give_slot(3, "#### 7");
	wants(0, 0, 2, 0);
	give_slot(4, "#### 7");
	assert_true(ends(TASK_ACCEPTED, 1, 1)->score.p == 0.8);
}

/* --- repair --------------------------------------------------------------- */

#define REPAIR(n) HEAD "    tiers:\n" \
	"      - {model: p/a, repair: " n ", accept: {regex: '####'}}\n" \
	"      - {model: p/b}\n"

static void
a_repair_that_is_good_is_accepted(void **state)
{
	const struct ledger_attempt *at;
	const struct result *r;
	int64_t *first;

	(void)state;
	start(REPAIR("1"));
	wants(0, 0, 0, 0);
	give("forty-two");
	first = row;
	wants(0, 0, 0, 1);
	wants_nothing();
	give("#### 42");
	assert_ptr_not_equal(first, row);
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->text, "#### 42");
	at = attempt(r, 0, ATTEMPT_ACCEPT);
	assert_int_equal(at->repairs, 1);
	assert_int_equal(at->samples, 1);
	assert_int_equal(at->n_rows, 2);
	assert_int_equal(at->chosen, 1);
	assert_int_equal(at->requests, 2);
	assert_int_equal(r->cost_picousd, 40);
}

static void
repairs_that_are_bad_come_to_an_end(void **state)
{
	const struct ledger_attempt *at;

	(void)state;
	start(REPAIR("2"));
	wants(0, 0, 0, 0);
	give("one");
	wants(0, 0, 0, 1);
	give("two");
	wants(0, 0, 0, 2);
	give("three");
	wants(1, 0, 0, 0);
	give("x");
	at = attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_ESCALATE);
	assert_int_equal(at->repairs, 2);
	assert_int_equal(at->n_rows, 3);
	assert_int_equal(at->chosen, 2);
}

static void
a_repair_that_fails_leaves_the_answer_as_it_was(void **state)
{
	const struct ledger_attempt *at;
	const struct result *r;

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, repair: 3, accept: {regex: '####'}}\n");
	wants(0, 0, 0, 0);
	give("forty-two");
	wants(0, 0, 0, 1);
	lose(OUTCOME_RETRY, "timeout");
	r = ends(TASK_EXHAUSTED, 1, 1);
	is(r->text, "forty-two");
	at = attempt(r, 0, ATTEMPT_ESCALATE);
	assert_int_equal(at->repairs, 1);
	assert_int_equal(at->samples, 1);
	assert_int_equal(at->n_rows, 1);
	assert_int_equal(at->chosen, 0);
	assert_int_equal(at->requests, 3);
	assert_int_equal(at->retries, 1);
	no_error(r);
}

/* The run was stopped, which is no fault of the answer's. */
static void
a_repair_that_was_stopped_stops_the_task(void **state)
{
	const struct result *r;

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, repair: 1, accept: {regex: '####'}}\n");
	wants(0, 0, 0, 0);
	give("forty-two");
	wants(0, 0, 0, 1);
	lose(OUTCOME_STOP, "stopped");
	r = climb_result(climb);
	assert_non_null(r);
	assert_true(r->stopped);
}

static void
what_is_no_matter_of_form_is_not_repaired(void **state)
{
	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 2, temperature: 1, repair: 3, "
	    "accept: {agreement: 1}}\n      - {model: p/b}\n");
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	give_slot(0, "#### 1");
	give_slot(1, "#### 2");
	wants(1, 0, 0, 0);
	assert_int_equal(ask.repair, 0);
}

static void
an_answer_that_is_cut_off_is_not_repaired(void **state)
{
	(void)state;
	start(REPAIR("3"));
	wants(0, 0, 0, 0);
	give_finish("no", FINISH_LENGTH);
	wants(1, 0, 0, 0);
}

static void
a_repair_is_a_conversation(void **state)
{
	struct message *m;
	size_t n;

	(void)state;
	start(HEAD "    system: Be brief.\n    tiers:\n"
	    "      - {model: p/a, repair: 2, accept: {regex: '####'}}\n");
	wants(0, 0, 0, 0);
	give("forty-two");
	wants(0, 0, 0, 1);
	assert_int_equal(climb_messages(climb, &ask, &m, &n, &e), 0);
	assert_int_equal(n, 4);
	is(m[0].role, "system");
	is(m[1].role, "user");
	is(m[1].content, "6*7?");
	is(m[2].role, "assistant");
	is(m[2].content, "forty-two");
	is(m[3].role, "user");
	assert_true(str_has(m[3].content, "####"));
	assert_true(str_has(m[3].content, "Answer again"));
	give("42!");
	wants(0, 0, 0, 2);
	assert_int_equal(climb_messages(climb, &ask, &m, &n, &e), 0);
	assert_int_equal(n, 4);
	is(m[2].content, "42!");
}

static void
only_the_chosen_sample_is_repaired(void **state)
{
	const struct result *r;

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 2, temperature: 1, repair: 1, "
	    "accept: {regex: '####'}}\n");
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	give_slot(1, "#### 2");
	give_slot(0, "one");
	wants(0, 0, 0, 1);
	wants_nothing();
	give("#### 1");
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->text, "#### 1");
	assert_int_equal(r->attempts[0].samples, 2);
	assert_int_equal(r->attempts[0].n_rows, 3);
	assert_int_equal(r->attempts[0].chosen, 2);
}

/* --- what never comes ----------------------------------------------------- */

static void
nobody_there_goes_one_tier_up(void **state)
{
	static const enum outcome v[] = { OUTCOME_RETRY, OUTCOME_WAIT };

	for (size_t i = 0; i < 2; i++) {
		const struct ledger_attempt *at;

		start(TWO);
		wants(0, 0, 0, 0);
		now += 70;
		lose(v[i], "timeout");
		wants(1, 0, 0, 0);
		give("#### 42");
		at = attempt(ends(TASK_ACCEPTED, 2, 2), 0,
		    ATTEMPT_UNAVAILABLE);
		is(at->reason, "it went wrong");
		assert_false(at->scored);
		assert_int_equal(at->samples, 0);
		assert_int_equal(at->n_rows, 0);
		assert_int_equal(at->chosen, -1);
		assert_int_equal(at->requests, 2);
		assert_int_equal(at->retries, 1);
		assert_int_equal(at->latency_ms, 70);
		end(state);
	}
}

static void
nobody_there_at_the_last_tier_fails(void **state)
{
	static const enum outcome v[] = { OUTCOME_RETRY, OUTCOME_WAIT };

	for (size_t i = 0; i < 2; i++) {
		const struct result *r;

		start(ONE);
		wants(0, 0, 0, 0);
		lose(v[i], "timeout");
		r = ends(TASK_FAILED, 0, 1);
		attempt(r, 0, ATTEMPT_UNAVAILABLE);
		is(r->error_code, "timeout");
		is(r->error_message, "it went wrong");
		assert_false(r->stopped);
		end(state);
	}
}

static void
what_does_not_fit_one_model_is_no_outage(void **state)
{
	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	lose(OUTCOME_NEXT, "context_length_exceeded");
	wants(1, 0, 0, 0);
	give("#### 42");
	attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_FAILED);
}

static void
a_tier_that_does_not_work_is_left(void **state)
{
	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	lose(OUTCOME_TIER, "model_not_found");
	wants(1, 0, 0, 0);
	give("#### 42");
	attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_FAILED);
	end(state);
	start(ONE);
	wants(0, 0, 0, 0);
	lose(OUTCOME_TIER, "model_not_found");
	is(ends(TASK_FAILED, 0, 1)->error_code, "model_not_found");
}

static void
an_answer_after_a_failure_below_is_no_error(void **state)
{
	static const enum outcome v[] = { OUTCOME_RETRY, OUTCOME_WAIT,
	    OUTCOME_NEXT, OUTCOME_TIER };

	for (size_t i = 0; i < 4; i++) {
		start(TWO);
		wants(0, 0, 0, 0);
		lose(v[i], "timeout");
		wants(1, 0, 0, 0);
		give(i % 2 ? "#### 42" : "no");
		no_error(ends(i % 2 ? TASK_ACCEPTED : TASK_EXHAUSTED, 2, 2));
		end(state);
	}
}

static void
a_task_that_cannot_be_answered_fails_at_once(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	lose(OUTCOME_FAIL, "invalid_prompt");
	r = ends(TASK_FAILED, 0, 1);
	attempt(r, 0, ATTEMPT_FAILED);
	is(r->error_code, "invalid_prompt");
	assert_false(r->stopped);
}

static void
a_prompt_that_a_filter_refuses_is_refused(void **state)
{
	static const char *const codes[] = {
		"content_filter", "content_policy_violation"
	};

	for (size_t i = 0; i < 2; i++) {
		const struct result *r;

		start(TWO);
		wants(0, 0, 0, 0);
		lose(OUTCOME_FAIL, codes[i]);
		r = ends(TASK_REFUSED, 0, 1);
		attempt(r, 0, ATTEMPT_REFUSED);
		is(r->error_code, codes[i]);
		end(state);
	}
}

static void
a_stop_ends_the_task_undone(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	lose(OUTCOME_STOP, "insufficient_quota");
	r = ends(TASK_FAILED, 0, 1);
	assert_true(r->stopped);
	attempt(r, 0, ATTEMPT_FAILED);
	is(r->error_code, "insufficient_quota");
}

static void
a_stop_counts_whatever_else_has_come(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("3", "0.6"));
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	give_slot(0, "#### 7");
	lose_slot(1, OUTCOME_STOP, "stopped");
	assert_null(climb_result(climb));
	give_slot(2, "#### 7");
	r = ends(TASK_FAILED, 0, 1);
	assert_true(r->stopped);
	is(r->error_code, "stopped");
	/* What was paid for is counted and has its rows. */
	assert_int_equal(r->cost_picousd, 40);
	assert_int_equal(r->attempts[0].n_rows, 2);
}

static void
when_all_samples_fail_the_first_decides(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("3", "0.6"));
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	lose_slot(2, OUTCOME_FAIL, "third");
	lose_slot(1, OUTCOME_FAIL, "second");
	lose_slot(0, OUTCOME_TIER, "first");
	wants(1, 0, 0, 0);
	lose(OUTCOME_FAIL, "last");
	r = ends(TASK_FAILED, 0, 2);
	attempt(r, 0, ATTEMPT_FAILED);
	is(r->error_code, "last");
}

static void
lose_uncached(size_t slot)
{
	struct climb_failure f = { .outcome = OUTCOME_FAIL,
	    .not_cached = true, .code = STR("not_cached"),
	    .message = STR("it is not in the store") };

	assert_int_equal(climb_fail(climb, slot, &f, now, &e), 0);
}

static void
what_is_not_in_the_store_goes_no_tier_up(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	lose_uncached(0);
	r = ends(TASK_FAILED, 0, 1);
	attempt(r, 0, ATTEMPT_UNKNOWN_IN_CACHE);
	is(r->error_code, "not_cached");
	assert_false(r->stopped);
}

static void
a_verdict_needs_all_that_was_to_be_in_the_store(void **state)
{
	const struct result *r;

	(void)state;
	start(AGREE("3", "0.6"));
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	give_slot(0, "#### 7");
	give_slot(1, "#### 7");
	lose_uncached(2);
	r = ends(TASK_FAILED, 0, 1);
	attempt(r, 0, ATTEMPT_UNKNOWN_IN_CACHE);
}

/* --- tiers out of use ----------------------------------------------------- */

static void
out_of_use(size_t tier)
{
	states[tier] = (struct tier_state){ .out_of_use = true,
	    .code = STR("gone"), .message = STR("no such model") };
}

static void
a_tier_out_of_use_is_passed_over(void **state)
{
	const struct ledger_attempt *at;

	(void)state;
	load(THREE);
	out_of_use(0);
	start_task(task_of_prompt(STR("x")));
	wants(1, 0, 0, 0);
	out_of_use(1); /* for the next task */
	give("#### 42");
	at = attempt(ends(TASK_ACCEPTED, 2, 2), 0, ATTEMPT_FAILED);
	is(at->reason, "no such model");
	assert_int_equal(at->requests, 0);
	assert_int_equal(at->chosen, -1);
	assert_int_equal(at->cost_picousd, 0);
	no_error(climb_result(climb));
}

static void
a_tier_may_go_out_of_use_before_it_is_come_to(void **state)
{
	(void)state;
	start(THREE);
	wants(0, 0, 0, 0);
	out_of_use(1);
	give("no");
	wants(2, 0, 0, 0);
	give("yes");
	attempt(ends(TASK_ACCEPTED, 3, 3), 1, ATTEMPT_FAILED);
}

static void
without_any_tier_in_use_the_task_has_failed_at_once(void **state)
{
	const struct result *r;

	(void)state;
	load(TWO);
	out_of_use(0);
	out_of_use(1);
	start_task(task_of_prompt(STR("x")));
	r = ends(TASK_FAILED, 0, 2);
	is(r->error_code, "gone");
	is(r->error_message, "no such model");
	assert_int_equal(r->cost_picousd, 0);
	assert_false(r->cached);
}

static void
a_last_tier_out_of_use_is_an_error_of_its_own(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	out_of_use(1);
	give("no");
	r = ends(TASK_FAILED, 0, 2);
	is(r->error_code, "gone");
	attempt(r, 0, ATTEMPT_ESCALATE);
	attempt(r, 1, ATTEMPT_FAILED);
	assert_int_equal(r->cost_picousd, 20);
}

/* --- messages ------------------------------------------------------------- */

static struct message *m;
static size_t n_m;

static void
messages(size_t n)
{
	if (climb_messages(climb, &ask, &m, &n_m, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(n_m, n);
}

static void
message_is(size_t i, const char *role, const char *content)
{
	assert_true(i < n_m);
	is(m[i].role, role);
	is(m[i].content, content);
}

static void
a_prompt_is_one_message(void **state)
{
	(void)state;
	start(ONE);
	wants(0, 0, 0, 0);
	messages(1);
	message_is(0, "user", "6*7?");
}

#define SYSTEMS HEAD "    system: cascade's\n    tiers:\n" \
	"      - {model: p/a, accept: {regex: '####'}}\n" \
	"      - {model: p/b, system: tier's}\n"

static void
the_nearest_system_text_wins(void **state)
{
	(void)state;
	start(SYSTEMS);
	wants(0, 0, 0, 0);
	messages(2);
	message_is(0, "system", "cascade's");
	message_is(1, "user", "6*7?");
	give("no");
	wants(1, 0, 0, 0);
	messages(2);
	message_is(0, "system", "tier's");
	end(state);
	start_json(SYSTEMS, "{\"prompt\":\"x\",\"system\":\"task's\"}");
	wants(0, 0, 0, 0);
	messages(2);
	message_is(0, "system", "task's");
	give("no");
	wants(1, 0, 0, 0);
	messages(2);
	message_is(0, "system", "task's");
	message_is(1, "user", "x");
}

static void
a_message_list_is_sent_as_it_is(void **state)
{
	(void)state;
	start_json(ONE, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
	    "{\"role\":\"assistant\",\"content\":\"b\"},"
	    "{\"role\":\"user\",\"content\":\"c\"}]}");
	wants(0, 0, 0, 0);
	messages(3);
	message_is(0, "user", "a");
	message_is(1, "assistant", "b");
	message_is(2, "user", "c");
}

static void
a_message_list_without_a_system_text_gets_one(void **state)
{
	(void)state;
	start_json(SYSTEMS, "{\"messages\":[{\"role\":\"user\","
	    "\"content\":\"a\"}]}");
	wants(0, 0, 0, 0);
	messages(2);
	message_is(0, "system", "cascade's");
	message_is(1, "user", "a");
}

static void
a_message_list_keeps_its_own_system_text(void **state)
{
	static const char *const roles[] = { "system", "developer" };

	for (size_t i = 0; i < 2; i++) {
		char json[200];
		snprintf(json, sizeof(json), "{\"messages\":[{\"role\":\"%s\","
		    "\"content\":\"own\"},{\"role\":\"user\",\"content\":\"a\"}"
		    "]}", roles[i]);
		start_json(SYSTEMS, json);
		wants(0, 0, 0, 0);
		messages(2);
		message_is(0, roles[i], "own");
		message_is(1, "user", "a");
		end(state);
	}
}

#define TEMPLATE HEAD "    system: s\n    tiers:\n" \
	"      - {model: p/a, repair: 1, accept: {regex: '####'}, prompts: " \
	"[{text: 'Q: {{input}} by {{name}}'}]}\n      - {model: p/b}\n"

static void
a_template_takes_the_place_of_the_prompt(void **state)
{
	(void)state;
	start_json(TEMPLATE, "{\"prompt\":\"{{name}}?\",\"vars\":{\"name\":"
	    "\"Bob {{input}}\"}}");
	wants(0, 0, 0, 0);
	messages(2);
	message_is(1, "user", "Q: {{name}}? by Bob {{input}}");
	give("no");
	wants(0, 0, 0, 1);
	messages(4);
	message_is(1, "user", "Q: {{name}}? by Bob {{input}}");
	message_is(2, "assistant", "no");
	give("no");
	wants(1, 0, 0, 0);
	messages(2);
	message_is(1, "user", "{{name}}?");
}

static void
a_template_takes_the_place_of_the_last_user_message(void **state)
{
	(void)state;
	start_json(TEMPLATE, "{\"messages\":[{\"role\":\"user\",\"content\":"
	    "\"a\"},{\"role\":\"user\",\"content\":\"b\"},{\"role\":"
	    "\"assistant\",\"content\":\"c\"}],\"vars\":{\"name\":\"N\"}}");
	wants(0, 0, 0, 0);
	messages(4);
	message_is(0, "system", "s");
	message_is(1, "user", "a");
	message_is(2, "user", "Q: b by N");
	message_is(3, "assistant", "c");
}

static void
a_field_that_is_missing_is_named(void **state)
{
	(void)state;
	start(TEMPLATE);
	wants(0, 0, 0, 0);
	assert_int_equal(climb_messages(climb, &ask, &m, &n_m, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_non_null(strstr(e.msg, "'name'"));
	assert_non_null(strstr(e.msg, "prompt 'inline'"));
}

static void
a_template_that_grows_too_long_is_an_error(void **state)
{
	struct buf json;

	(void)state;
	buf_init(&json, BUF_MAX);
	buf_adds(&json, "{\"prompt\":\"x\",\"vars\":{\"name\":\"");
	for (size_t i = 0; i < TASK_MAX_PROMPT / 64 - 4; i++)
		buf_adds(&json, "0123456789abcdef0123456789abcdef"
		    "0123456789abcdef0123456789abcdef");
	buf_adds(&json, "\"}}");
	assert_false(json.failed);
	load(HEAD "    tiers:\n      - {model: p/a, prompts: [{text: "
	    "'{{name}}{{name}}'}]}\n");
	start_task(task_of_json(buf_str(&json), &e));
	buf_release(&json);
	wants(0, 0, 0, 0);
	assert_int_equal(climb_messages(climb, &ask, &m, &n_m, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
}

/* --- rows and sums -------------------------------------------------------- */

static void
each_completion_has_a_place_for_its_row(void **state)
{
	int64_t *rows[5];
	const struct result *r;

	(void)state;
	start(AGREE("{min: 2, max: 4}", "0.5"));
	wants(0, 0, 0, 0);
	wants(0, 0, 1, 0);
	give_slot(1, "#### 1");
	rows[0] = row;
	assert_int_equal(*row, -1);
	give_slot(0, "#### 2");
	rows[1] = row;
	wants(0, 0, 2, 0);
	give_slot(2, "#### 2");
	rows[2] = row;
	r = ends(TASK_ACCEPTED, 1, 1);
	/* They are filled in only when the store has numbered them. */
	*rows[0] = 70;
	*rows[1] = 71;
	*rows[2] = 72;
	assert_int_equal(r->attempts[0].n_rows, 3);
	assert_int_equal(r->attempts[0].rows[0], 70);
	assert_int_equal(r->attempts[0].rows[1], 71);
	assert_int_equal(r->attempts[0].rows[2], 72);
	assert_int_equal(r->attempts[0].chosen, 1);
}

static void
nobody_need_ask_for_the_row(void **state)
{
	struct completion c = completion("#### 1");
	struct climb_news news = { .c = &c };

	(void)state;
	start(ONE);
	wants(0, 0, 0, 0);
	assert_int_equal(climb_give(climb, 0, &news, now, NULL, &e), 0);
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->attempts[0].rows[0], -1);
}

static void
rows_of_a_tier_stay_when_the_next_is_entered(void **state)
{
	const struct result *r;
	int64_t *first;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give("no");
	first = row;
	wants(1, 0, 0, 0);
	give("#### 1");
	*first = 5;
	*row = 6;
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_int_equal(r->attempts[0].rows[0], 5);
	assert_int_equal(r->attempts[1].rows[0], 6);
}

static void
what_was_cached_is_counted_apart(void **state)
{
	struct completion c = completion("no");
	struct climb_news news = { .c = &c, .cached = true };
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give_news(0, &news);
	wants(1, 0, 0, 0);
	give("#### 1");
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_int_equal(r->cost_picousd, 20);
	assert_int_equal(r->cached_picousd, 20);
	assert_false(r->cached);
	assert_int_equal(r->attempts[0].cached, 1);
	assert_int_equal(r->attempts[0].requests, 0);
	assert_int_equal(r->attempts[0].cost_picousd, 0);
	assert_int_equal(r->attempts[0].cached_picousd, 20);
	assert_int_equal(r->attempts[1].cached, 0);
	end(state);

	start(TWO);
	wants(0, 0, 0, 0);
	give_news(0, &news);
	wants(1, 0, 0, 0);
	c.text = STR("#### 1");
	give_news(0, &news);
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_true(r->cached);
	assert_int_equal(r->cost_picousd, 0);
	assert_int_equal(r->cached_picousd, 40);
}

static void
a_sum_with_an_unknown_cost_is_unknown(void **state)
{
	struct completion c = completion("no");
	const struct result *r;

	(void)state;
	c.cost_picousd = MONEY_UNKNOWN;
	start(TWO);
	wants(0, 0, 0, 0);
	give_completion(0, &c);
	wants(1, 0, 0, 0);
	give("#### 1");
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_int_equal(r->cost_picousd, MONEY_UNKNOWN);
	assert_int_equal(r->attempts[0].cost_picousd, MONEY_UNKNOWN);
	assert_int_equal(r->attempts[1].cost_picousd, 20);
	assert_int_equal(r->cached_picousd, 0);
}

static void
a_lost_request_may_have_cost_something(void **state)
{
	struct climb_failure f = { .outcome = OUTCOME_RETRY,
	    .code = STR("timeout"), .cost_picousd = 1000 };
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	assert_int_equal(climb_fail(climb, 0, &f, now, &e), 0);
	wants(1, 0, 0, 0);
	give("#### 1");
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_int_equal(r->cost_picousd, 1020);
	end(state);

	f.cost_picousd = MONEY_UNKNOWN;
	start(TWO);
	wants(0, 0, 0, 0);
	assert_int_equal(climb_fail(climb, 0, &f, now, &e), 0);
	wants(1, 0, 0, 0);
	give("#### 1");
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_int_equal(r->cost_picousd, MONEY_UNKNOWN);
}

static void
tries_before_the_answer_are_paid_for_too(void **state)
{
	struct completion c = completion("#### 1");
	struct climb_news news = { .c = &c, .requests = 3, .retries = 2,
	    .failed_picousd = 500, .booked_picousd = 400 };
	const struct result *r;

	(void)state;
	start(ONE);
	wants(0, 0, 0, 0);
	give_news(0, &news);
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_int_equal(r->cost_picousd, 520);
	assert_int_equal(r->booked_picousd, 400);
	assert_int_equal(r->attempts[0].booked_picousd, 400);
	assert_int_equal(r->attempts[0].requests, 3);
	assert_int_equal(r->attempts[0].retries, 2);
}

static void
unknown_tokens_are_not_summed(void **state)
{
	struct completion c = completion("#### 1");
	const struct result *r;

	(void)state;
	c.prompt_tokens = c.completion_tokens = -1;
	start(TWO);
	wants(0, 0, 0, 0);
	give("no");
	wants(1, 0, 0, 0);
	give_completion(0, &c);
	r = ends(TASK_ACCEPTED, 2, 2);
	assert_int_equal(r->prompt_tokens, 10);
	assert_int_equal(r->completion_tokens, 5);
}

/* --- what the top tier alone would have cost ------------------------------ */

static void
the_top_tiers_own_cost_is_known(void **state)
{
	struct completion c = completion("#### 1");
	struct climb_news news = { .c = &c, .cached = true };

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give("no");
	wants(1, 0, 0, 0);
	c.cost_picousd = 777;
	give_news(0, &news);
	assert_int_equal(ends(TASK_ACCEPTED, 2, 2)->top_picousd, 777);
}

static void
below_the_top_it_is_an_estimate(void **state)
{
	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	give("#### 1");
	/* 10 tokens at $10 and 5 at $20 a million. */
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->top_picousd, 200000000);
}

/* A tier may have a longer system text than the one after it. */
static void
the_estimate_is_by_the_last_tier_asked(void **state)
{
	struct completion c = completion("no");

	(void)state;
	start(TWO "      - {model: p/b, name: top}\n");
	wants(0, 0, 0, 0);
	c.prompt_tokens = 500;
	c.completion_tokens = 300;
	give_completion(0, &c);
	wants(1, 0, 0, 0);
	give("#### 1");
	assert_int_equal(ends(TASK_ACCEPTED, 2, 2)->top_picousd, 200000000);
}

static void
samples_of_one_request_count_its_prompt_once(void **state)
{
	struct completion c = completion("#### 1");
	struct climb_news news = { .c = &c, .requests = 1 };

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 3, temperature: 1, accept: "
	    "{agreement: 0.6}}\n"
	    "      - {model: p/b, samples: 2, temperature: 1, accept: "
	    "{agreement: 0.6}}\n");
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	give_news(0, &news);
	c.prompt_tokens = 0;
	c.completion_tokens = 8;
	news.requests = 0;
	give_news(1, &news);
	c.completion_tokens = 2;
	give_news(2, &news);
	/* 10 in and (5 + 8 + 2) / 3 out, twice. */
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->top_picousd, 400000000);
	assert_int_equal(climb_result(climb)->attempts[0].requests, 1);
	assert_int_equal(climb_result(climb)->prompt_tokens, 10);
}

static void
without_a_price_or_tokens_there_is_no_estimate(void **state)
{
	struct completion c = completion("#### 1");

	(void)state;
	start(THREE);
	wants(0, 0, 0, 0);
	give("#### 1");
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->top_picousd,
	    MONEY_UNKNOWN);
	end(state);
	start(TWO);
	wants(0, 0, 0, 0);
	c.prompt_tokens = c.completion_tokens = -1;
	give_completion(0, &c);
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->top_picousd,
	    MONEY_UNKNOWN);
	end(state);
	start(TWO);
	wants(0, 0, 0, 0);
	lose(OUTCOME_FAIL, "x");
	assert_int_equal(ends(TASK_FAILED, 0, 1)->top_picousd,
	    MONEY_UNKNOWN);
}

static void
a_completion_of_unknown_length_gives_no_estimate(void **state)
{
	struct completion c = completion("#### 1");

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	c.completion_tokens = -1;
	give_completion(0, &c);
	assert_int_equal(ends(TASK_ACCEPTED, 1, 1)->top_picousd,
	    MONEY_UNKNOWN);
}

/* --- when nobody answers --------------------------------------------------- */

#define WITH(setting) \
	"providers:\n" \
	"  p: {api: openai, url: 'http://127.0.0.1:9/v1'}\n" \
	"cascades:\n" \
	"  x:\n" \
	"    answer: '####\\s*(\\S+)'\n" \
	"    " setting "\n" \
	"    tiers:\n" \
	"      - {model: p/a, accept: {regex: '####'}}\n" \
	"      - {model: p/b, accept: {regex: '####'}}\n" \
	"      - {model: p/c}\n"

static void
an_outage_climbs(void **state)
{
	static const enum outcome v[] = { OUTCOME_RETRY, OUTCOME_WAIT,
	    OUTCOME_TIER };
	const struct result *r;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		start(WITH("on_outage: climb"));
		wants(0, 0, 0, 0);
		lose(v[i], "timeout");
		wants(1, 0, 0, 0);
		give("#### 42");
		r = ends(TASK_ACCEPTED, 2, 2);
		attempt(r, 0, v[i] == OUTCOME_TIER ? ATTEMPT_FAILED
		    : ATTEMPT_UNAVAILABLE);
		end(NULL);
	}
}

static void
an_outage_does_not_climb_where_that_is_said(void **state)
{
	static const char *const settings[] = {
		WITH("on_outage: fail"), WITH("on_outage: wait"),
	};
	static const enum outcome v[] = { OUTCOME_RETRY, OUTCOME_WAIT,
	    OUTCOME_TIER };
	const struct result *r;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		start(settings[i % 2]);
		wants(0, 0, 0, 0);
		lose(v[i / 2], "timeout");
		r = ends(TASK_FAILED, 0, 1);
		attempt(r, 0, v[i / 2] == OUTCOME_TIER ? ATTEMPT_FAILED
		    : ATTEMPT_UNAVAILABLE);
		is(r->error_code, "timeout");
		end(NULL);
	}
}

/* Quality is another matter, and so is a prompt that is too long. */
static void
a_poor_answer_climbs_whatever_an_outage_does(void **state)
{
	const struct result *r;

	(void)state;
	start(WITH("on_outage: fail"));
	wants(0, 0, 0, 0);
	give("no idea");
	wants(1, 0, 0, 0);
	lose(OUTCOME_NEXT, "context_length_exceeded");
	wants(2, 0, 0, 0);
	give("#### 42");
	r = ends(TASK_ACCEPTED, 3, 3);
	attempt(r, 0, ATTEMPT_ESCALATE);
	attempt(r, 1, ATTEMPT_FAILED);
}

static void
a_tier_out_of_use_is_an_outage(void **state)
{
	const struct result *r;

	(void)state;
	load(WITH("on_outage: fail"));
	states[0] = (struct tier_state){ .out_of_use = true,
	    .code = STR("no_model"), .message = STR("gone") };
	start_task(task_of_prompt(STR("6*7?")));
	r = ends(TASK_FAILED, 0, 1);
	is(r->error_code, "no_model");
	is(r->attempts[0].reason, "gone");
	end(NULL);
	load(WITH("on_outage: climb"));
	states[0] = (struct tier_state){ .out_of_use = true };
	start_task(task_of_prompt(STR("6*7?")));
	wants(1, 0, 0, 0);
}

/* --- other endpoints -------------------------------------------------------- */

static void
a_fallback_is_counted_apart_with_its_cost(void **state)
{
	struct climb_failure f = { .outcome = OUTCOME_RETRY, .requests = 3,
	    .retries = 2, .cost_picousd = 50, .booked_picousd = 40 };
	const struct ledger_attempt *at;
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	climb_fallback(climb, STR("q/a"), &f);
	wants_nothing(); /* it is still under way */
	assert_null(climb_result(climb));
	give("#### 42");
	r = ends(TASK_ACCEPTED, 1, 1);
	at = &r->attempts[0];
	is(at->model, "q/a");
	is(r->model, "q/a");
	assert_int_equal(at->fallbacks, 1);
	assert_int_equal(at->requests, 4);
	assert_int_equal(at->retries, 2);
	assert_int_equal(at->booked_picousd, 40);
	assert_int_equal(r->cost_picousd, 70);
	assert_int_equal(r->booked_picousd, 40);
	assert_int_equal(at->verdict, ATTEMPT_ACCEPT);
}

static void
samples_that_fall_back_together_are_one_fallback(void **state)
{
	struct climb_failure f = { .outcome = OUTCOME_RETRY, .requests = 1 };
	const struct result *r;

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 3, accept: {agreement: 0.5}}\n");
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	for (int i = 0; i < 3; i++) {
		climb_fallback(climb, STR("q/a"), &f);
		f.requests = 0;
	}
	climb_fallback(climb, STR("r/a"), &f);
	for (size_t i = 0; i < 3; i++)
		give_slot(i, "#### 42");
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_int_equal(r->attempts[0].fallbacks, 2);
	is(r->model, "r/a");
}

static void
a_kept_answer_has_the_name_of_who_gave_it(void **state)
{
	struct completion c = completion("#### 42");
	struct climb_news news = { .c = &c, .cached = true };
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	climb_answered_by(climb, STR("q/a"));
	give_news(0, &news);
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->model, "q/a");
	assert_int_equal(r->attempts[0].fallbacks, 0);
	assert_int_equal(r->cost_picousd, 0);
}

/* --- a task's cap ------------------------------------------------------------ */

static void
no_budget(size_t slot)
{
	struct climb_failure f = { .outcome = OUTCOME_FAIL, .budget = true,
	    .code = STR("budget"), .message = STR("too little") };

	if (climb_fail(climb, slot, &f, now, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
a_cap_without_any_answer(void **state)
{
	const struct result *r;

	(void)state;
	start(TWO);
	wants(0, 0, 0, 0);
	no_budget(0);
	r = ends(TASK_BUDGET, 0, 1);
	is(r->text, "");
	is(r->error_code, "budget");
	attempt(r, 0, ATTEMPT_BUDGET);
}

static void
a_cap_gives_the_best_that_was_paid_for(void **state)
{
	const struct result *r;

	(void)state;
	start_json(THREE, "{\"prompt\":\"6*7?\",\"reference\":\"42\"}");
	wants(0, 0, 0, 0);
	give("I think 41");
	wants(1, 0, 0, 0);
	give("perhaps 42");
	wants(2, 0, 0, 0);
	no_budget(0);
	r = ends(TASK_BUDGET, 2, 3);
	is(r->text, "perhaps 42");
	is(r->model, "p/b");
	assert_int_equal(r->cost_picousd, 40);
	assert_int_equal(r->correct, NO);
	attempt(r, 0, ATTEMPT_ESCALATE);
	attempt(r, 1, ATTEMPT_ESCALATE);
	attempt(r, 2, ATTEMPT_BUDGET);
	is(r->error_code, "budget");
}

#define FIVE HEAD "    tiers:\n" \
	"      - {model: p/a, samples: 5, accept: {agreement: 0.6}}\n" \
	"      - {model: p/b}\n"

/* Three of five agree, which is enough whatever the other two would say. */
static void
samples_before_the_cap_may_be_enough(void **state)
{
	const struct result *r;

	(void)state;
	start(FIVE);
	for (int i = 0; i < 5; i++)
		wants(0, 0, i, 0);
	for (size_t i = 0; i < 3; i++)
		give_slot(i, "#### 42");
	no_budget(3);
	no_budget(4);
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->answer, "42");
	assert_int_equal(r->attempts[0].samples, 3);
	no_error(r);
}

static void
samples_before_the_cap_are_the_best_there_is(void **state)
{
	const struct ledger_attempt *at;
	const struct result *r;

	(void)state;
	start(FIVE);
	for (int i = 0; i < 5; i++)
		wants(0, 0, i, 0);
	give_slot(0, "#### 7");
	give_slot(1, "#### 42");
	give_slot(2, "#### 42");
	no_budget(3);
	no_budget(4);
	r = ends(TASK_BUDGET, 1, 1); /* and no climb, which costs more */
	is(r->answer, "42");
	is(r->model, "p/a");
	assert_int_equal(r->cost_picousd, 60);
	at = attempt(r, 0, ATTEMPT_BUDGET);
	assert_int_equal(at->samples, 3);
	assert_int_equal(at->chosen, 1);
	is(at->reason, "too little");
}

static void
a_repair_without_budget_leaves_the_answer(void **state)
{
	const struct result *r;

	(void)state;
	start(HEAD "    tiers:\n"
	    "      - {model: p/a, repair: 1, accept: {regex: '####'}}\n"
	    "      - {model: p/b}\n");
	wants(0, 0, 0, 0);
	give("42, surely");
	wants(0, 0, 0, 1);
	no_budget(0);
	wants(1, 0, 0, 0);
	no_budget(0);
	r = ends(TASK_BUDGET, 1, 2);
	is(r->text, "42, surely");
}

/* --- audits ---------------------------------------------------------------- */

#define AUDIT HEAD "    audit: 1\n    tiers:\n" \
	"      - {model: p/a, accept: {regex: '####'}}\n" \
	"      - {model: p/b, accept: {regex: '####'}}\n"

static void
an_accepted_task_that_is_chosen_goes_on_to_the_top_tier(void **state)
{
	const struct result *r;

	(void)state;
	start(AUDIT);
	wants(0, 0, 0, 0);
	assert_false(climb_is_audit(climb));
	now = 1200;
	give("#### 42");
	assert_null(climb_result(climb));
	assert_true(climb_is_audit(climb));
	wants(1, 0, 0, 0);
	now = 5000;
	give("It is #### 42.");
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->text, "#### 42");
	is(r->model, "p/a");
	attempt(r, 0, ATTEMPT_ACCEPT);
	assert_non_null(r->audit);
	assert_int_equal(r->audit_outcome, AUDIT_AGREES);
	is(r->audit->model, "p/b");
	/* It is paid for, and told apart; nobody waited for it. */
	assert_int_equal(r->cost_picousd, 40);
	assert_int_equal(r->audit_picousd, 20);
	assert_int_equal(r->latency_ms, 200);
	assert_int_equal(r->top_picousd, 20);
	no_error(r);
}

static void
another_answer_of_the_top_tier_is_never_shown(void **state)
{
	const struct result *r;

	(void)state;
	start_json(AUDIT, "{\"prompt\":\"6*7?\",\"reference\":\"42\"}");
	wants(0, 0, 0, 0);
	give("#### 41");
	wants(1, 0, 0, 0);
	give("#### 42");
	r = ends(TASK_ACCEPTED, 1, 1);
	is(r->answer, "41");
	assert_int_equal(r->correct, NO);
	assert_int_equal(r->audit_outcome, AUDIT_DIFFERS);
}

static void
what_the_top_tier_does_not_say_is_no_disagreement(void **state)
{
	const struct result *r;

	(void)state;
	start(AUDIT);
	wants(0, 0, 0, 0);
	give("#### 42");
	wants(1, 0, 0, 0);
	lose(OUTCOME_STOP, "invalid_api_key");
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_int_equal(r->audit_outcome, AUDIT_NO_ANSWER);
	is(r->audit->reason, "it went wrong");
	no_error(r);
	end(state);
	start(AUDIT);
	wants(0, 0, 0, 0);
	give("#### 42");
	wants(1, 0, 0, 0);
	give_finish("I will not", FINISH_REFUSED);
	r = ends(TASK_ACCEPTED, 1, 1);
	assert_int_equal(r->audit_outcome, AUDIT_NO_ANSWER);
}

static void
a_task_that_the_top_tier_answered_is_not_audited(void **state)
{
	(void)state;
	start(AUDIT);
	wants(0, 0, 0, 0);
	give("no");
	wants(1, 0, 0, 0);
	give("#### 42");
	assert_null(ends(TASK_ACCEPTED, 2, 2)->audit);
}

static void
replay_and_a_top_tier_out_of_use_audit_nobody(void **state)
{
	struct completion c = completion("#### 42");

	(void)state;
	load(AUDIT);
	task = task_of_prompt(STR("6*7?"));
	climb = climb_new(k, task, states, CLIMB_RECORDED, now);
	c.answer = STR("42");
	c.has_answer = true;
	wants(0, 0, 0, 0);
	give_completion(0, &c);
	assert_null(ends(TASK_ACCEPTED, 1, 1)->audit);
	end(state);
	load(AUDIT);
	states[1].out_of_use = true;
	start_task(task_of_prompt(STR("6*7?")));
	wants(0, 0, 0, 0);
	give("#### 42");
	assert_null(ends(TASK_ACCEPTED, 1, 1)->audit);
}

/* --- every tier ------------------------------------------------------------ */

#define ALL HEAD "    tiers:\n" \
	"      - {model: p/a, samples: {min: 1, max: 3}, temperature: 1, " \
	"accept: {agreement: 0.5}}\n" \
	"      - {model: p/b, accept: {regex: '####'}}\n"

static void
start_all(const char *yaml)
{
	load(yaml);
	task = task_of_prompt(STR("6*7?"));
	assert_non_null(task);
	climb = climb_new(k, task, states, CLIMB_ALL, now);
	assert_non_null(climb);
}

static void
every_tier_is_asked_for_everything_whatever_it_says(void **state)
{
	const struct result *r;

	(void)state;
	start_all(ALL);
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	wants_nothing();
	give_slot(2, "#### c");
	give_slot(0, "#### a");
	give_slot(1, "no");
	wants(1, 0, 0, 0);
	give_finish("half an ans", FINISH_LENGTH);
	r = ends(TASK_ACCEPTED, 0, 2);
	attempt(r, 0, ATTEMPT_COLLECTED);
	attempt(r, 1, ATTEMPT_COLLECTED);
	assert_int_equal(r->n_visits, 2);
	assert_int_equal(r->visits[0].n, 3);
	/* In the order of their numbers, not of their coming. */
	is(r->visits[0].c[0].text, "#### a");
	is(r->visits[0].c[1].text, "no");
	is(r->visits[0].c[2].text, "#### c");
	is(r->visits[0].c[2].answer, "c");
	is(r->visits[1].c[0].text, "half an ans");
	assert_ptr_equal(r->visits[1].tier, &k->tiers[1]);
	assert_int_equal(r->cost_picousd, 80);
	assert_int_equal(r->top_picousd, MONEY_UNKNOWN);
	no_error(r);
}

static void
a_route_does_not_matter_to_who_asks_every_tier(void **state)
{
	(void)state;
	start_all(HEAD "    route: [{start: 2, longer_than: 0}]\n    tiers:\n"
	    "      - {model: p/a, accept: {regex: '####'}}\n"
	    "      - {model: p/b}\n");
	wants(0, 0, 0, 0);
	give("x");
	wants(1, 0, 0, 0);
	give("y");
	assert_int_equal(ends(TASK_ACCEPTED, 0, 2)->n_visits, 2);
}

static void
a_tier_that_lacks_a_sample_is_left_out_and_the_others_go_on(void **state)
{
	const struct result *r;

	(void)state;
	start_all(ALL);
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	give_slot(0, "#### a");
	lose_slot(1, OUTCOME_FAIL, "content_filter");
	give_slot(2, "#### c");
	wants(1, 0, 0, 0);
	give("#### b");
	r = ends(TASK_FAILED, 0, 2);
	attempt(r, 0, ATTEMPT_FAILED);
	assert_int_equal(r->n_visits, 1);
	assert_ptr_equal(r->visits[0].tier, &k->tiers[1]);
	is(r->error_code, "content_filter");
	assert_false(r->stopped);
}

static void
a_tier_out_of_use_is_passed_over_and_the_end_of_a_run_is_no_result(
    void **state)
{
	const struct result *r;

	(void)state;
	load(ALL);
	states[0].out_of_use = true;
	states[0].code = STR("gone");
	states[0].message = STR("shut down");
	task = task_of_prompt(STR("6*7?"));
	climb = climb_new(k, task, states, CLIMB_ALL, now);
	wants(1, 0, 0, 0);
	give("#### b");
	r = ends(TASK_FAILED, 0, 2);
	assert_int_equal(r->n_visits, 1);
	end(state);
	start_all(ALL);
	for (int i = 0; i < 3; i++)
		wants(0, 0, i, 0);
	for (size_t i = 0; i < 3; i++)
		lose_slot(i, OUTCOME_STOP, "stopped");
	assert_true(climb_result(climb)->stopped);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_good_answer_is_accepted_at_the_first_tier),
		T(an_accepted_task_that_is_chosen_goes_on_to_the_top_tier),
		T(another_answer_of_the_top_tier_is_never_shown),
		T(what_the_top_tier_does_not_say_is_no_disagreement),
		T(a_task_that_the_top_tier_answered_is_not_audited),
		T(replay_and_a_top_tier_out_of_use_audit_nobody),
		T(every_tier_is_asked_for_everything_whatever_it_says),
		T(a_route_does_not_matter_to_who_asks_every_tier),
		T(a_tier_that_lacks_a_sample_is_left_out_and_the_others_go_on),
		T(a_tier_out_of_use_is_passed_over_and_the_end_of_a_run_is_no_result),
		T(a_tier_out_of_use_is_passed_over),
		T(a_bad_answer_goes_one_tier_up),
		T(without_a_rule_a_complete_answer_is_accepted),
		T(the_last_answer_is_returned_though_it_is_bad),
		T(an_empty_answer_without_a_rule_is_exhausted),
		T(a_cascade_may_fail_rather_than_return_a_bad_answer),
		T(a_refusal_at_the_last_tier_is_the_result),
		T(a_refusal_is_a_refusal_also_where_failing_is_wanted),
		T(a_refusal_below_goes_one_tier_up),
		T(an_answer_that_is_cut_off_is_never_accepted),
		T(a_reference_says_whether_it_was_right),
		T(what_is_given_is_copied),
		T(recorded_answers_are_believed),
		T(all_samples_are_wanted_at_once),
		T(samples_that_disagree_escalate),
		T(adaptive_samples_ask_for_the_least_and_stop),
		T(adaptive_samples_go_to_the_end_if_they_must),
		T(adaptive_samples_give_up_when_it_is_hopeless),
		T(failed_samples_count_against_the_score),
		T(enough_samples_are_enough_though_some_failed),
		T(failed_adaptive_samples_are_missing_but_others_are_asked_for),
		T(several_prompts_share_the_samples),
		T(adaptive_samples_go_on_with_the_next_prompt),
		T(a_repair_that_is_good_is_accepted),
		T(repairs_that_are_bad_come_to_an_end),
		T(a_repair_that_fails_leaves_the_answer_as_it_was),
		T(a_repair_that_was_stopped_stops_the_task),
		T(what_is_no_matter_of_form_is_not_repaired),
		T(an_answer_that_is_cut_off_is_not_repaired),
		T(a_repair_is_a_conversation),
		T(only_the_chosen_sample_is_repaired),
		T(nobody_there_goes_one_tier_up),
		T(nobody_there_at_the_last_tier_fails),
		T(what_does_not_fit_one_model_is_no_outage),
		T(a_tier_that_does_not_work_is_left),
		T(an_answer_after_a_failure_below_is_no_error),
		T(a_task_that_cannot_be_answered_fails_at_once),
		T(a_prompt_that_a_filter_refuses_is_refused),
		T(a_stop_ends_the_task_undone),
		T(a_stop_counts_whatever_else_has_come),
		T(when_all_samples_fail_the_first_decides),
		T(what_is_not_in_the_store_goes_no_tier_up),
		T(a_verdict_needs_all_that_was_to_be_in_the_store),
		T(a_tier_out_of_use_is_passed_over),
		T(a_tier_may_go_out_of_use_before_it_is_come_to),
		T(without_any_tier_in_use_the_task_has_failed_at_once),
		T(a_last_tier_out_of_use_is_an_error_of_its_own),
		T(a_prompt_is_one_message),
		T(the_nearest_system_text_wins),
		T(a_message_list_is_sent_as_it_is),
		T(a_message_list_without_a_system_text_gets_one),
		T(a_message_list_keeps_its_own_system_text),
		T(a_template_takes_the_place_of_the_prompt),
		T(a_template_takes_the_place_of_the_last_user_message),
		T(a_field_that_is_missing_is_named),
		T(a_template_that_grows_too_long_is_an_error),
		T(each_completion_has_a_place_for_its_row),
		T(nobody_need_ask_for_the_row),
		T(rows_of_a_tier_stay_when_the_next_is_entered),
		T(what_was_cached_is_counted_apart),
		T(a_sum_with_an_unknown_cost_is_unknown),
		T(a_lost_request_may_have_cost_something),
		T(tries_before_the_answer_are_paid_for_too),
		T(unknown_tokens_are_not_summed),
		T(the_top_tiers_own_cost_is_known),
		T(below_the_top_it_is_an_estimate),
		T(the_estimate_is_by_the_last_tier_asked),
		T(samples_of_one_request_count_its_prompt_once),
		T(without_a_price_or_tokens_there_is_no_estimate),
		T(a_completion_of_unknown_length_gives_no_estimate),
		T(an_outage_climbs),
		T(an_outage_does_not_climb_where_that_is_said),
		T(a_poor_answer_climbs_whatever_an_outage_does),
		T(a_tier_out_of_use_is_an_outage),
		T(a_fallback_is_counted_apart_with_its_cost),
		T(samples_that_fall_back_together_are_one_fallback),
		T(a_kept_answer_has_the_name_of_who_gave_it),
		T(a_cap_without_any_answer),
		T(a_cap_gives_the_best_that_was_paid_for),
		T(samples_before_the_cap_may_be_enough),
		T(samples_before_the_cap_are_the_best_there_is),
		T(a_repair_without_budget_leaves_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
