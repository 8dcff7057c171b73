/*
 * test_simulated.c -- the models that can only do arithmetic.
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
#include "base/utf8.h"
#include "providers/provider.h"

extern const struct provider_ops provider_simulated;

static const struct provider sim = { .ops = &provider_simulated };
static struct arena *arena;
static struct reply reply;
static int64_t latency_ms;

static int
begin(void **state)
{
	(void)state;
	arena = arena_new(0);
	return arena ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void
ask_messages(const char *model, const struct message *m, size_t n_messages,
    const struct sampling *s, int first, int n)
{
	struct model_request q = {
		.provider = &sim, .model = str_of(model), .messages = m,
		.n_messages = n_messages, .sampling = s, .first = first, .n = n,
	};
	struct err e = { 0 };

	assert_int_equal(provider_simulated.simulate(&q, arena, &reply,
	    &latency_ms, &e), 0);
}

static void
ask_with(const char *model, struct str prompt, const struct sampling *s,
    int first, int n)
{
	struct message m = { STR("user"), prompt };

	ask_messages(model, &m, 1, s, first, n);
	assert_int_equal(reply.outcome, OUTCOME_OK);
	assert_int_equal(reply.n, n);
}

static void
ask(const char *model, const char *prompt, int n)
{
	static const struct sampling s = { .logprobs = true };

	ask_with(model, str_of(prompt), &s, 0, n);
}

/* What follows the last "#### ", or nothing. */
static struct str
answer_of(const struct completion *c)
{
	ptrdiff_t at = str_find(c->text, STR("#### "));

	return at < 0 ? STR("") : str_sub(c->text, (size_t)at + 5, c->text.n);
}

/* The answer that large gives most often of 9. */
static struct str
large_says(const char *prompt)
{
	size_t best = 0, votes, most = 0;

	ask("large", prompt, 9);
	for (size_t i = 0; i < 9; i++) {
		votes = 0;
		for (size_t k = 0; k < 9; k++)
			votes += str_eq(answer_of(&reply.c[i]),
			    answer_of(&reply.c[k]));
		if (votes > most) {
			most = votes;
			best = i;
		}
	}
	return answer_of(&reply.c[best]);
}

static void
works_out(const char *prompt, const char *expected)
{
	struct str s = large_says(prompt);

	if (!str_is(s, expected))
		fail_msg("%s: '%.*s' is not '%s'", prompt, STR_ARG(s),
		    expected);
}

static void
expressions_are_found_and_worked_out_exactly(void **state)
{
	(void)state;
	works_out("What is 12 + 30?", "42");
	works_out("what is 17 * 23 + 4?", "395");
	works_out("2+3*4", "14");
	works_out("(2+3)*4", "20");
	works_out("20 - 5 - 3", "12");
	works_out("96 / 4 / 2", "12");
	works_out("6 x 7", "42");
	works_out("6 \xc3\x97 7", "42");
	works_out("84 \xc3\xb7 2", "42");
	works_out("50 \xe2\x88\x92 8", "42");
	works_out("-3 + 5", "2");
	works_out("3 - -5", "8");
	works_out("2 * -(1 + 2)", "-6");
	works_out("0.1 + 0.2", "0.3");
	works_out("1,200 + 300", "1500");
	works_out("1 / 8", "0.125");
	works_out("10 / 3", "3.333333");
	works_out("-2 / 3", "-0.666667");
	works_out("1/3 + 2/3", "1");
	works_out("5 - 5", "0");
	works_out("Compute 1.5*2.", "3");
	works_out("What is 3 + 4 - well, what?", "7");
	works_out("Answer in 2-3 lines: what is 4 * 5 + 1?", "21");
	works_out("First 1 + 1, now 2 + 2", "4");
	works_out("[(1 + 2) * (3 + 4)]", "21");
	works_out("(7 + 8", "15");
}

static void
only_the_last_user_message_is_looked_at(void **state)
{
	static const struct sampling s = { 0 };
	const struct message m[] = {
		{ STR("system"), STR("1 + 1") },
		{ STR("user"), STR("2 + 2") },
		{ STR("assistant"), STR("3 + 3") },
		{ STR("user"), STR("4 + 4") },
		{ STR("assistant"), STR("5 + 5") },
	};

	(void)state;
	ask_messages("large", m, 5, &s, 0, 1);
	assert_true(str_has(reply.c[0].text, "4 + 4"));
	ask_messages("large", m, 1, &s, 0, 1);
	assert_true(str_has(reply.c[0].text, "can only do arithmetic"));
	ask_messages("large", NULL, 0, &s, 0, 1);
	assert_true(str_has(reply.c[0].text, "can only do arithmetic"));
}

static void
says_only(const char *prompt, const char *text)
{
	static const char *const models[] = { "small", "medium", "large" };
	const struct completion *c;

	for (size_t k = 0; k < 3; k++) {
		ask(models[k], prompt, 2);
		for (size_t i = 0; i < 2; i++) {
			c = &reply.c[i];
			if (!str_has(c->text, text))
				fail_msg("%s: '%.*s'", prompt,
				    STR_ARG(c->text));
			assert_false(str_has(c->text, "####"));
			assert_true(c->n_tokens > 0);
			for (size_t j = 0; j < c->n_tokens; j++)
				assert_true(c->tokens[j].logprob < -1);
		}
	}
}

static void
a_prompt_without_an_expression_gets_an_unsure_excuse(void **state)
{
	(void)state;
	says_only("Why is the sky blue?", "[simulated] A simulated model can "
	    "only do arithmetic; this prompt has none. Configure a real "
	    "provider: see frugal(1).");
	says_only("", "this prompt has none");
	says_only("It was 1999, in May", "this prompt has none");
	says_only("7 and 8", "this prompt has none");
	says_only("3 +", "this prompt has none");
	says_only("()", "this prompt has none");
	says_only("B2-x", "this prompt has none");
}

static void
what_cannot_be_worked_out_is_said(void **state)
{
	(void)state;
	says_only("1 / 0", "cannot be worked out");
	says_only("1 / (2 - 2)", "cannot be worked out");
	says_only("99999999999999999999 + 1", "cannot be worked out");
	says_only("9000000000000000000 + 9000000000000000000",
	    "cannot be worked out");
	says_only("0.0000000000000000000000000000000000000000000000001 * 2",
	    "cannot be worked out");
	says_only("12.00000000000000000000005 * 2", "cannot be worked out");
	works_out("9223372036854775806 + 1", "9223372036854775807");
}

static void
answers_are_marked_as_simulated_and_end_in_the_answer(void **state)
{
	static const char *const models[] = { "small", "medium", "large" };

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		ask(models[k], "What is 17 * 23 + 4?", 20);
		for (size_t i = 0; i < 20; i++) {
			const struct completion *c = &reply.c[i];

			assert_true(str_starts(c->text, "[simulated] "));
			assert_true(str_has(c->text, "17 * 23 + 4"));
			assert_true(utf8_valid(c->text));
			assert_int_equal(c->finish, FINISH_STOP);
			assert_true(str_is(c->model, models[k]));
			if (k > 0)
				assert_true(answer_of(c).n > 0);
		}
	}
}

static void
the_same_request_and_sample_give_the_same_completion(void **state)
{
	static const struct sampling s = { .logprobs = true };
	struct completion *all;
	int64_t first_latency;

	(void)state;
	ask("small", "What is 12 * 34 - 5?", 8);
	all = reply.c;
	first_latency = latency_ms;
	ask("small", "What is 12 * 34 - 5?", 8);
	assert_int_equal(latency_ms, first_latency);
	for (int i = 0; i < 8; i++) {
		assert_true(str_eq(all[i].text, reply.c[i].text));
		assert_int_equal(all[i].n_tokens, reply.c[i].n_tokens);
	}
	for (int i = 0; i < 8; i++) {
		ask_with("small", STR("What is 12 * 34 - 5?"), &s, i, 1);
		assert_true(str_eq(all[i].text, reply.c[0].text));
		assert_memory_equal(all[i].tokens, reply.c[0].tokens,
		    all[i].n_tokens * sizeof(struct token));
	}
}

/* How many of n samples are right. */
static int
right(const char *model, const char *prompt, const char *expected, int n)
{
	int count = 0;

	ask(model, prompt, n);
	for (int i = 0; i < n; i++)
		count += str_is(answer_of(&reply.c[i]), expected);
	return count;
}

static void
skill_and_difficulty_decide_how_often_a_model_errs(void **state)
{
	const char *hard = "Compute (345 + 678) * 12 - 99 * 41 / 3.";

	(void)state;
	assert_true(right("small", "What is 2 + 3?", "5", 100) >= 85);
	assert_true(right("medium", "What is 2 + 3?", "5", 100) >= 95);
	assert_true(right("large", "What is 2 + 3?", "5", 100) >= 99);
	assert_true(right("small", hard, "10923", 100) <= 10);
	assert_true(right("medium", hard, "10923", 100) <= 70);
	assert_true(right("large", hard, "10923", 100) >= 90);
}

static void
wrong_answers_mostly_differ_from_one_another(void **state)
{
	int wrong = 0, pairs = 0, equal = 0;

	(void)state;
	ask("small", "What is 1234 * 567 + 89?", 30);
	for (int i = 0; i < 30; i++) {
		struct str a = answer_of(&reply.c[i]);

		if (!a.n || str_is(a, "699767"))
			continue;
		wrong++;
		for (int k = 0; k < i; k++) {
			pairs++;
			equal += str_eq(a, answer_of(&reply.c[k]));
		}
	}
	assert_true(wrong >= 20);
	assert_true(equal * 3 < pairs);
}

static void
small_now_and_then_forgets_the_format_and_others_never(void **state)
{
	int forgot = 0;

	(void)state;
	ask("small", "What is 2 + 3?", 200);
	for (int i = 0; i < 200; i++)
		forgot += answer_of(&reply.c[i]).n == 0;
	assert_in_range(forgot, 1, 30);
	ask("medium", "What is 2 + 3?", 200);
	for (int i = 0; i < 200; i++)
		assert_true(answer_of(&reply.c[i]).n > 0);
}

static void
tokens_cover_the_text_without_gaps(void **state)
{
	(void)state;
	ask("medium", "What is 6 \xc3\x97 7 + 12 \xc3\x97 3?", 20);
	for (int i = 0; i < 20; i++) {
		const struct completion *c = &reply.c[i];
		const struct token *last = &c->tokens[c->n_tokens - 1];
		size_t at = 0;

		assert_true(c->n_tokens >= 4);
		assert_true(str_eq(answer_of(c), str_trim(str_sub(c->text,
		    last->from, last->to - last->from))));
		assert_true(str_is(str_sub(c->text, last[-1].from,
		    last[-1].to - last[-1].from), "\n####"));
		assert_false(c->tokens_of_answer);
		for (size_t k = 0; k < c->n_tokens; k++) {
			assert_int_equal(c->tokens[k].from, at);
			assert_true(c->tokens[k].to > at);
			assert_true(c->tokens[k].logprob <= 0);
			assert_true(c->tokens[k].logprob > LOGPROB_FLOOR);
			at = c->tokens[k].to;
			assert_true(utf8_valid(str_sub(c->text,
			    c->tokens[k].from, at - c->tokens[k].from)));
		}
		assert_int_equal(at, c->text.n);
	}
}

static void
tokens_come_only_when_asked_for(void **state)
{
	static const struct sampling s = { 0 };

	(void)state;
	ask_with("small", STR("1 + 1"), &s, 0, 3);
	for (int i = 0; i < 3; i++) {
		assert_null(reply.c[i].tokens);
		assert_int_equal(reply.c[i].n_tokens, 0);
	}
}

static void
confidence_in_the_answer_tells_right_from_wrong_in_the_mean(void **state)
{
	double sum_right = 0, sum_wrong = 0, p;
	int n_right = 0, n_wrong = 0;
	char prompt[64], expected[32];

	(void)state;
	for (int i = 0; i < 60; i++) {
		snprintf(prompt, sizeof(prompt), "What is %d * %d + %d?",
		    11 + i, 29 + i % 7, 3 + i % 5);
		snprintf(expected, sizeof(expected), "%d",
		    (11 + i) * (29 + i % 7) + 3 + i % 5);
		ask("medium", prompt, 1);
		p = reply.c[0].tokens[reply.c[0].n_tokens - 1].logprob;
		if (str_is(answer_of(&reply.c[0]), expected)) {
			sum_right += p;
			n_right++;
		} else {
			sum_wrong += p;
			n_wrong++;
		}
	}
	assert_true(n_right > 30);
	assert_true(n_wrong > 2);
	assert_true(sum_right / n_right > sum_wrong / n_wrong + 0.1);
}

static void
usage_is_counted_in_bytes(void **state)
{
	static const struct sampling s = { 0 };
	const struct message m[] = {
		{ STR("system"), STR("12345") },
		{ STR("user"), STR("1 + 1") },
	};

	(void)state;
	ask_messages("large", m, 2, &s, 0, 3);
	assert_int_equal(reply.c[0].prompt_tokens, 3);
	assert_int_equal(reply.c[1].prompt_tokens, 0);
	assert_int_equal(reply.c[2].prompt_tokens, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reply.c[i].completion_tokens,
		    (reply.c[i].text.n + 3) / 4);
		assert_true(reply.c[i].cost_picousd == MONEY_UNKNOWN);
		assert_int_equal(reply.c[i].latency_ms, latency_ms);
	}
	assert_true(reply.charged_picousd == MONEY_UNKNOWN);
	assert_int_equal(reply.wait_ms, -1);
}

static void
a_limit_of_tokens_cuts_the_text(void **state)
{
	struct sampling s = { .max_tokens = 4, .logprobs = true };

	(void)state;
	ask_with("large", STR("1 + 1"), &s, 0, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(reply.c[i].finish, FINISH_LENGTH);
		assert_int_equal(reply.c[i].text.n, 16);
		assert_int_equal(reply.c[i].completion_tokens, 4);
		assert_int_equal(reply.c[i].tokens[reply.c[i].n_tokens - 1].to,
		    16);
	}
	s.max_tokens = INT64_MAX;
	ask_with("large", STR("1 + 1"), &s, 0, 1);
	assert_int_equal(reply.c[0].finish, FINISH_STOP);
}

static void
a_cut_leaves_whole_characters(void **state)
{
	struct sampling s = { .logprobs = true };

	(void)state;
	for (s.max_tokens = 1; s.max_tokens < 20; s.max_tokens++) {
		ask_with("large", STR("1\xc3\x97" "1\xc3\x97" "1\xc3\x97" "1"
		    "\xc3\x97" "1\xc3\x97" "1"), &s, 0, 6);
		for (int i = 0; i < 6; i++)
			assert_true(utf8_valid(reply.c[i].text));
	}
}

static void
larger_models_take_longer(void **state)
{
	(void)state;
	ask("small", "1 + 1", 1);
	assert_in_range(latency_ms, 10, 20);
	ask("medium", "1 + 1", 1);
	assert_in_range(latency_ms, 31, 59);
	ask("large", "1 + 1", 1);
	assert_in_range(latency_ms, 84, 156);
}

static void
a_model_that_is_not_there_is_useless_for_every_task(void **state)
{
	static const struct sampling s = { 0 };
	const struct message m = { STR("user"), STR("1 + 1") };

	(void)state;
	ask_messages("huge", &m, 1, &s, 0, 1);
	assert_int_equal(reply.outcome, OUTCOME_TIER);
	assert_int_equal(reply.n, 0);
	assert_true(str_is(reply.code, "model_not_found"));
	assert_true(str_has(reply.message, "small, medium and large"));
}

/* `what` over and over, n bytes of it. */
static void
survives(const char *what, size_t n)
{
	static const struct sampling s = { .logprobs = true };
	char *p = malloc(n);
	size_t length = strlen(what);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = what[i % length];
	ask_with("large", (struct str){ p, n }, &s, 0, 1);
	assert_true(str_starts(reply.c[0].text, "[simulated] "));
	assert_true(reply.c[0].text.n < 1000);
	free(p);
}

static void
hostile_prompts_do_no_harm(void **state)
{
	(void)state;
	survives("(", 1 << 20);
	survives("((((1+", 1 << 20);
	survives("(1+", 1 << 20);
	survives("-", 1 << 20);
	survives("- ", 1 << 20);
	survives("-(", 1 << 20);
	survives("1+", 1 << 20);
	survives("1*", 1 << 20);
	survives("1/0+", 1 << 20);
	survives("9", 1 << 20);
	survives("9*", 1 << 20);
	survives("0.", 1 << 20);
	survives(",", 1 << 20);
	survives("\xc3\x97", 1 << 20);
	survives("1 \xc3\x97 ", 1 << 20);
	survives("\xff\xfe+1", 1 << 20);
	survives(" ", 1 << 20);
}

static void
deep_nesting_is_bounded(void **state)
{
	char prompt[256];

	(void)state;
	memset(prompt, '(', 60);
	snprintf(prompt + 60, sizeof(prompt) - 60, "1+2");
	memset(prompt + 63, ')', 60);
	prompt[123] = '\0';
	works_out(prompt, "3");
	memset(prompt, '(', 100);
	snprintf(prompt + 100, sizeof(prompt) - 100, "1+2");
	memset(prompt + 103, ')', 100);
	prompt[203] = '\0';
	works_out(prompt, "3"); /* the innermost ones suffice */
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(expressions_are_found_and_worked_out_exactly),
		T(only_the_last_user_message_is_looked_at),
		T(a_prompt_without_an_expression_gets_an_unsure_excuse),
		T(what_cannot_be_worked_out_is_said),
		T(answers_are_marked_as_simulated_and_end_in_the_answer),
		T(the_same_request_and_sample_give_the_same_completion),
		T(skill_and_difficulty_decide_how_often_a_model_errs),
		T(wrong_answers_mostly_differ_from_one_another),
		T(small_now_and_then_forgets_the_format_and_others_never),
		T(tokens_cover_the_text_without_gaps),
		T(tokens_come_only_when_asked_for),
		T(confidence_in_the_answer_tells_right_from_wrong_in_the_mean),
		T(usage_is_counted_in_bytes),
		T(a_limit_of_tokens_cuts_the_text),
		T(a_cut_leaves_whole_characters),
		T(larger_models_take_longer),
		T(a_model_that_is_not_there_is_useless_for_every_task),
		T(hostile_prompts_do_no_harm),
		T(deep_nesting_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
