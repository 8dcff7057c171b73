/*
 * test_scorer_agreement.c -- the share of the largest group of equal answers,
 * and the bounds of what later samples can still make of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scorers/scorer.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define MOST 8

static const struct scorer_ops *ops;
static void *state_memory;

static int
set_up(void **state)
{
	(void)state;
	ops = scorer_find(STR("agreement"));
	if (ops)
		state_memory = calloc(1, ops->state_size);
	return state_memory ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	free(state_memory);
	return 0;
}

static struct score_output
score(const struct score_input *in)
{
	struct score_output out = { .chosen = 99 };
	struct err e;

	assert_int_equal(ops->score(state_memory, in, &out, &e), 0);
	return out;
}

/* "-" no answer, "/x" cut off, "!x" refused, else the answer. */
static struct completion
completion_of(const char *word)
{
	struct completion c = { .text = str_of(word) };

	if (strcmp(word, "-") == 0)
		return c;
	c.has_answer = true;
	c.answer = c.text;
	if (word[0] == '/' || word[0] == '!') {
		c.finish = word[0] == '/' ? FINISH_LENGTH : FINISH_REFUSED;
		c.answer = str_sub(c.text, 1, c.text.n);
	}
	return c;
}

static const struct {
	const char *samples[MOST];
	size_t missing;
	size_t part, whole; /* the score as a fraction */
	size_t chosen;
	const char *reason;
} cases[] = {
	{ { NULL }, 0, 0, 1, 0, "no completion came back" },
	{ { NULL }, 2, 0, 1, 0, "none of 2 samples has an answer (2 failed)" },
	{ { "42" }, 0, 1, 1, 0, "1 of 1 sample agrees on '42'" },
	{ { "42", "7", "42.0" }, 0, 2, 3, 0, "2 of 3 samples agree on '42'" },
	{ { "7", "42", "$42" }, 0, 2, 3, 1, "2 of 3 samples agree on '42'" },
	{ { "A", "a.", "**A**" }, 0, 1, 1, 0, "3 of 3 samples agree on 'A'" },
	{ { "1", "2", "3" }, 0, 1, 3, 0, "1 of 3 samples agrees on '1'" },
	/* A tie is the first one's. */
	{ { "x", "y", "y", "x" }, 0, 1, 2, 0, "2 of 4 samples agree on 'x'" },
	{ { "z", "y", "x", "x", "y" }, 0, 2, 5, 1,
	    "2 of 5 samples agree on 'y'" },
	/* Samples that agree with nothing still count. */
	{ { "4", "-", "4", "-" }, 0, 1, 2, 0, "2 of 4 samples agree on '4'" },
	{ { "-", "-" }, 0, 0, 1, 0, "none of 2 samples has an answer" },
	{ { "-" }, 0, 0, 1, 0, "none of 1 sample has an answer" },
	{ { "/4", "4", "!4", "4" }, 0, 1, 2, 1, "2 of 4 samples agree on '4'" },
	{ { "/4", "!4", "-" }, 0, 0, 1, 2, "none of 3 samples has an answer" },
	{ { "/4", "!4" }, 0, 0, 1, 0, "none of 2 samples has an answer" },
	{ { "4", "4", "4" }, 2, 3, 5, 0,
	    "3 of 5 samples agree on '4' (2 failed)" },
	/* Text of a model is made harmless. */
	{ { "\x1b[31mred\nline" }, 0, 1, 1, 0,
	    "1 of 1 sample agrees on '^[[31mred^Jline'" },
};

static void
the_largest_group_of_equal_answers_counts(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct completion c[MOST];
		struct score_input in = { .c = c, .missing = cases[i].missing };
		struct score_output out;

		for (n = 0; n < MOST && cases[i].samples[n]; n++)
			c[n] = completion_of(cases[i].samples[n]);
		in.n = n;
		in.chosen = 5;
		out = score(&in);
		assert_string_equal(out.reason, cases[i].reason);
		assert_true(out.score.p ==
		    (double)cases[i].part / (double)cases[i].whole);
		assert_int_equal(out.chosen, cases[i].chosen);
	}
}

static void
a_share_meets_the_threshold_that_is_written_for_it(void **state)
{
	static const struct { size_t part, whole; const char *text; } shares[] = {
		{ 4, 5, "0.8" }, { 3, 5, "0.6" }, { 7, 10, "0.7" },
		{ 9, 10, "0.9" }, { 1, 10, "0.1" }, { 3, 10, "0.3" },
		{ 29, 100, "0.29" }, { 57, 100, "0.57" }, { 1, 3,
		"0.3333333333333333" },
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT(shares); i++) {
		struct completion c[100];
		struct score_input in = { .c = c, .n = shares[i].whole };
		double threshold;

		for (n = 0; n < in.n; n++)
			c[n] = completion_of(n < shares[i].part ? "a" : "-");
		assert_true(str_to_double(str_of(shares[i].text), &threshold));
		assert_int_equal(score_cmp(score(&in).score,
		    score_of_p(threshold)), 0);
	}
}

static void
many_samples_are_grouped(void **state)
{
	enum { N = 3000 };
	static char words[N][16];
	static struct completion c[N];
	struct score_input in = { .c = c, .n = N };
	size_t i;

	(void)state;
	for (i = 0; i < N; i++) {
		snprintf(words[i], sizeof(words[i]), "w%zu",
		    i % 3 == 2 ? 0 : i);
		c[i] = completion_of(words[i]);
	}
	assert_true(score(&in).score.p == (double)(N / 3 + 1) / N);
}

/* What is true of a run of samples, by trying all ways in which it may go on. */
struct truth {
	double lo[MOST], hi[MOST]; /* by k */
	bool settled[MOST];
	size_t chosen; /* in all continuations, if settled[0] */
};

/* The sample numbered i when symbol s is drawn: three answers, or none. */
static struct completion
draw(int s, size_t i)
{
	static const char *const words[4][2] = {
		{ "1,000", "$1000.0" }, { "b", "**B**" }, { "c", "C." },
		{ "-", "/b" },
	};

	return completion_of(words[s][i % 2]);
}

static void
check_bounds(const struct score_input *in, const struct truth *t)
{
	struct score lo, hi;
	size_t k;

	score(in);
	for (k = 0; k <= in->more; k++) {
		ops->reach(state_memory, in, k, &lo, &hi);
		assert_true(lo.p == t->lo[k]);
		assert_true(hi.p == t->hi[k]);
		assert_int_equal(ops->settled(state_memory, in, k),
		    t->settled[k]);
	}
}

static struct truth
explore(struct completion *c, size_t n, size_t more, size_t missing)
{
	struct score_input in = { .c = c, .n = n, .more = more,
		.missing = missing };
	struct truth t = { .settled = { true } }, below;
	struct score_output out;
	size_t k;
	int s;

	if (!more) {
		out = score(&in);
		t.lo[0] = t.hi[0] = out.score.p;
		t.chosen = out.chosen;
		check_bounds(&in, &t);
		return t;
	}
	for (s = 0; s < 4; s++) {
		c[n] = draw(s, n);
		below = explore(c, n + 1, more - 1, missing);
		if (s == 0)
			t.chosen = below.chosen;
		t.settled[0] &= below.settled[0] && below.chosen == t.chosen;
		if (s == 0 || below.lo[0] < t.lo[0])
			t.lo[0] = below.lo[0];
		if (s == 0 || below.hi[0] > t.hi[0])
			t.hi[0] = below.hi[0];
		for (k = 1; k <= more; k++) {
			if (s == 0 || below.lo[k - 1] > t.lo[k])
				t.lo[k] = below.lo[k - 1];
			if (s == 0 || below.hi[k - 1] < t.hi[k])
				t.hi[k] = below.hi[k - 1];
			t.settled[k] |= below.settled[k - 1];
		}
	}
	if (!n)
		t.settled[0] = false; /* there is no choice yet */
	check_bounds(&in, &t);
	return t;
}

static void
the_bounds_are_exact_for_every_run_of_samples(void **state)
{
	struct completion c[MOST];
	size_t samples, missing;

	(void)state;
	for (samples = 1; samples <= 7; samples++)
		for (missing = 0; missing <= (samples < 6 ? 2 : 0); missing++)
			explore(c, 0, samples, missing);
}

static const struct {
	double threshold;
	size_t samples;
	const char *warning; /* NULL: none */
} advices[] = {
	{ 0.9, 3, "agreement 0.9 with 3 samples is unanimity "
	    "(the possible shares are 1/3, 2/3 and 1)" },
	{ 0.67, 3, "agreement 0.67 with 3 samples is unanimity "
	    "(the possible shares are 1/3, 2/3 and 1)" },
	{ 0.99, 40, "agreement 0.99 with 40 samples is unanimity "
	    "(the possible shares are 1/40, 2/40, ... and 1)" },
	{ 0.6, 2, "agreement 0.6 with 2 samples is unanimity "
	    "(the possible shares are 1/2 and 1)" },
	{ 1, 3, NULL },
	{ 0.66, 3, NULL },
	{ 0.8, 5, NULL },
	{ 0.6, 5, NULL },
	{ 0.2, 5, "agreement 0.2 with 5 samples never fails once one answer is "
	    "there" },
	{ 0.1, 5, "agreement 0.1 with 5 samples never fails once one answer is "
	    "there" },
	{ 0.5, 2, "agreement 0.5 with 2 samples never fails once one answer is "
	    "there" },
	{ 0.4, 5, "agreement 0.4 with 5 samples can be reached by two different "
	    "answers; the first that reaches it is returned" },
	{ 0.5, 4, "agreement 0.5 with 4 samples can be reached by two different "
	    "answers; the first that reaches it is returned" },
	{ 0.8, 1, "agreement with 1 sample is always 1; set 'samples' to 3 or "
	    "more" },
	{ 1, 1, "agreement with 1 sample is always 1; set 'samples' to 3 or "
	    "more" },
};

static void
a_threshold_that_will_surprise_is_warned_of(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(advices); i++) {
		struct arena *a = arena_new(0);
		struct report r;

		assert_non_null(a);
		report_init(&r, a, "test");
		ops->advise(state_memory, score_of_p(advices[i].threshold),
		    advices[i].samples, NULL, &r);
		assert_int_equal(r.errors, 0);
		assert_int_equal(r.warnings, advices[i].warning != NULL);
		if (r.first)
			assert_string_equal(r.first->text, advices[i].warning);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_group_of_equal_answers_counts),
		cmocka_unit_test(
		    a_share_meets_the_threshold_that_is_written_for_it),
		cmocka_unit_test(many_samples_are_grouped),
		cmocka_unit_test(the_bounds_are_exact_for_every_run_of_samples),
		cmocka_unit_test(a_threshold_that_will_surprise_is_warned_of),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
