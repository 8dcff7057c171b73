/*
 * test_features.c -- what a learned score is made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scorers/features.h"

static void
assert_near(double got, double expected)
{
	if (!(fabs(got - expected) <= 1e-9))
		fail_msg("%.17g is not %.17g", got, expected);
}

static void
measure(double *x, const struct score_input *in)
{
	struct agreement a;
	struct err e;

	assert_int_equal(agreement_of(in, &a, &e), 0);
	features_measure(x, in, &a);
	for (size_t i = 0; i < N_FEATURES; i++)
		assert_true(isfinite(x[i]));
}

static void
a_prompt_is_measured(void **state)
{
	struct score_input in = { .prompt = STR("Add 12 and 3.5\nB\xc3\xa9!") };
	double x[N_FEATURES];

	(void)state;
	measure(x, &in);
	assert_near(x[F_prompt_bytes], log(20));
	/* Add 12 and 3 . 5 B\xc3\xa9 ! */
	assert_near(x[F_prompt_words], log(9));
	assert_near(x[F_prompt_lines], log(2));
	assert_near(x[F_prompt_numbers], log(4));
	assert_near(x[F_prompt_digits], 4 / 19.0);
	assert_near(x[F_prompt_capitals], 2 / 19.0);
	assert_near(x[F_prompt_signs], 2 / 19.0);
	assert_near(x[F_prompt_foreign], 2 / 19.0);
}

static void
without_a_completion_all_else_is_0(void **state)
{
	struct score_input in = { .prompt = STR("x") };
	double x[N_FEATURES];

	(void)state;
	measure(x, &in);
	for (size_t i = 0; i < N_FEATURES; i++)
		if (feature_kinds[i].needs != FEATURE_PROMPT)
			assert_near(x[i], 0);
}

static void
the_answer_is_measured(void **state)
{
	struct completion c = { .text = STR("It is 42"),
	    .completion_tokens = 7, .finish = FINISH_OTHER };
	struct score_input in = { .prompt = STR("41 or 42"), .c = &c,
	    .n = 1 };
	double x[N_FEATURES];

	(void)state;
	measure(x, &in);
	assert_near(x[F_answered], 0);
	assert_near(x[F_unanswered], 1);
	assert_near(x[F_agreement], 0);
	assert_near(x[F_finish_odd], 1);
	c.answer = str_sub(c.text, 6, 2);
	c.has_answer = true;
	measure(x, &in);
	assert_near(x[F_answered], 1);
	assert_near(x[F_agreement], 1);
	assert_near(x[F_answer_number], 1);
	assert_near(x[F_answer_in_prompt], 1);
	assert_near(x[F_text_tokens], log(8));
	assert_near(x[F_text_per_prompt], 0);
}

static void
samples_are_measured(void **state)
{
	struct completion c[4] = {
		{ .text = STR("no"), .finish = FINISH_STOP },
		{ .text = STR("7"), .answer = STR("7"), .has_answer = true },
		{ .text = STR("8"), .answer = STR("8"), .has_answer = true },
		{ .text = STR("8.0"), .answer = STR("8.0"),
		    .has_answer = true },
	};
	struct score_input in = { .c = c, .n = 4, .missing = 1 };
	struct agreement a;
	double x[N_FEATURES];
	struct err e;

	(void)state;
	assert_int_equal(agreement_of(&in, &a, &e), 0);
	assert_int_equal(a.samples, 5);
	assert_int_equal(a.leader, 2);
	assert_int_equal(a.second, 1);
	assert_int_equal(a.groups, 2);
	assert_int_equal(a.chosen, 2);
	measure(x, &in);
	assert_near(x[F_agreement], 0.4);
	assert_near(x[F_runner_up], 0.2);
	assert_near(x[F_distinct], 0.4);
	assert_near(x[F_unanimous], 0);
	assert_near(x[F_unanswered], 1 - 3 / 5.0);
}

static void
tiers_below_are_looked_at(void **state)
{
	struct completion below[3] = {
		{ .answer = STR("42.0"), .has_answer = true },
		{ .answer = STR("41"), .has_answer = true },
		{ .text = STR("none") },
	};
	struct completion c = { .text = STR("42"), .answer = STR("42"),
	    .has_answer = true };
	struct score_input in = { .c = &c, .n = 1, .below = below,
	    .n_below = 1 };
	double x[N_FEATURES];

	(void)state;
	measure(x, &in);
	assert_near(x[F_below], 1);
	assert_near(x[F_last_below], 1);
	in.n_below = 2;
	measure(x, &in);
	assert_near(x[F_below], 0);
	assert_near(x[F_last_below], -1);
	in.n_below = 3;
	measure(x, &in);
	assert_near(x[F_below], 2 / 3.0 - 1);
	assert_near(x[F_last_below], -1);
	in.n_below = 0;
	measure(x, &in);
	assert_near(x[F_below], 0);
	assert_near(x[F_last_below], 0);
}

static void
sureness_tells_powers_of_ten_apart(void **state)
{
	(void)state;
	assert_near(feature_sureness(-1), 0);
	assert_true(feature_sureness(-1e-9) > 8.99);
	assert_near(feature_sureness(0), 13);
	assert_true(feature_sureness(-INFINITY) >= -4);
}

static void
log_probabilities_are_measured(void **state)
{
	struct token tokens[3] = {
		{ 0, 3, -0.5 }, { 3, 6, -1e-3 }, { 6, 8, -0.1 },
	};
	struct completion c = { .text = STR("It is 42"), .tokens = tokens,
	    .n_tokens = 3 };
	struct score_input in = { .c = &c, .n = 1 };
	double x[N_FEATURES];

	(void)state;
	c.answer = str_sub(c.text, 6, 2);
	c.has_answer = true;
	measure(x, &in);
	assert_near(x[F_sure_first], feature_sureness(-0.5));
	assert_near(x[F_sure_min], feature_sureness(-0.5));
	assert_near(x[F_sure_answer], feature_sureness(-0.1));
	assert_near(x[F_p_answer], exp(-0.1));
	assert_near(x[F_p_mean], exp(-0.601 / 3));
	assert_near(x[F_certain], 0);
	/* Within a step of an eighth of a power of ten. */
	assert_true(fabs(x[F_sure_mid] - feature_sureness(-0.1)) < 0.13);
	c.tokens_of_answer = true;
	measure(x, &in);
	assert_near(x[F_sure_answer], x[F_sure_mean]);
	for (size_t i = 0; i < 3; i++)
		tokens[i].logprob = 0;
	measure(x, &in);
	assert_near(x[F_certain], 1);
	for (size_t i = 0; i < 3; i++)
		tokens[i].logprob = LOGPROB_FLOOR;
	measure(x, &in);
	assert_near(x[F_p_min], 0);
}

/* --- words ------------------------------------------------------------------ */

struct heard {
	uint32_t hash[64];
	enum word_group group[64];
	size_t n;
};

static void
hear(void *cookie, enum word_group group, uint32_t hash)
{
	struct heard *h = cookie;

	assert_true(h->n < 64);
	h->group[h->n] = group;
	h->hash[h->n++] = hash;
}

static struct heard
words_of(const char *prompt, unsigned groups)
{
	struct score_input in = { .prompt = str_of(prompt) };
	struct agreement a = { .samples = 0 };
	struct heard h = { .n = 0 };

	features_words(&in, &a, groups, hear, &h);
	return h;
}

static bool
same(const struct heard *a, const struct heard *b)
{
	return a->n == b->n &&
	    !memcmp(a->hash, b->hash, a->n * sizeof(*a->hash));
}

static void
case_blanks_and_digits_do_not_tell_words_apart(void **state)
{
	struct heard a = words_of("Add 12 apples", 1u << WORDS_PROMPT);
	struct heard b = words_of("  ADD\n\n99  apples ", 1u << WORDS_PROMPT);
	struct heard c = words_of("Add 123 apples", 1u << WORDS_PROMPT);
	struct heard d = words_of("Sub 12 apples", 1u << WORDS_PROMPT);

	(void)state;
	assert_int_equal(a.n, 3);
	assert_true(same(&a, &b));
	assert_false(same(&a, &c));
	assert_false(same(&a, &d));
}

static void
pairs_are_ordered(void **state)
{
	struct heard a = words_of("a b c", 1u << WORDS_PROMPT_PAIRS);
	struct heard b = words_of("b a c", 1u << WORDS_PROMPT_PAIRS);

	(void)state;
	assert_int_equal(a.n, 2);
	assert_int_equal(b.n, 2);
	assert_true(a.hash[0] != b.hash[0]);
}

static void
the_same_word_differs_between_prompt_and_answer(void **state)
{
	struct completion c = { .text = STR("a"), .answer = STR("a"),
	    .has_answer = true };
	struct score_input in = { .prompt = STR("a"), .c = &c, .n = 1 };
	struct agreement a = { .samples = 1 };
	struct heard h = { .n = 0 };

	(void)state;
	features_words(&in, &a, ~0u, hear, &h);
	assert_int_equal(h.n, 3);
	assert_int_equal(h.group[0], WORDS_PROMPT);
	assert_int_equal(h.group[1], WORDS_ANSWER);
	assert_int_equal(h.group[2], WORDS_TEXT);
	assert_true(h.hash[0] != h.hash[1] && h.hash[1] != h.hash[2]);
}

static void
count_word(void *cookie, enum word_group group, uint32_t hash)
{
	(void)group;
	(void)hash;
	++*(size_t *)cookie;
}

static void
of_a_long_text_its_ends_are_looked_at(void **state)
{
	size_t size = 4 * FEATURE_MAX_BYTES, n = 0;
	char *text = malloc(size);
	struct score_input in = { .prompt = { text, size } };
	struct agreement a = { .samples = 0 };

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = i % 2 ? ' ' : 'x';
	features_words(&in, &a, 1u << WORDS_PROMPT, count_word, &n);
	assert_int_equal(n, FEATURE_MAX_BYTES / 2);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_is_measured),
		cmocka_unit_test(without_a_completion_all_else_is_0),
		cmocka_unit_test(the_answer_is_measured),
		cmocka_unit_test(samples_are_measured),
		cmocka_unit_test(tiers_below_are_looked_at),
		cmocka_unit_test(sureness_tells_powers_of_ten_apart),
		cmocka_unit_test(log_probabilities_are_measured),
		cmocka_unit_test(
		    case_blanks_and_digits_do_not_tell_words_apart),
		cmocka_unit_test(pairs_are_ordered),
		cmocka_unit_test(
		    the_same_word_differs_between_prompt_and_answer),
		cmocka_unit_test(of_a_long_text_its_ends_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
