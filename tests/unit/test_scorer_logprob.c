/*
 * test_scorer_logprob.c -- token log-probabilities as a score.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "scorers/scorer.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static void
assert_near(double got, double expected, double within)
{
	if (!(fabs(got - expected) <= within))
		fail_msg("%.17g is not %.17g", got, expected);
}

struct fixture {
	struct arena *arena;
	struct report report;
	const struct scorer_ops *ops;
	void *state;
	bool ok;
};

static struct fixture
make(const char *options)
{
	struct fixture f = { .ops = scorer_find(STR("logprob")) };
	struct ynode *o;

	f.arena = arena_new(0);
	assert_non_null(f.arena);
	assert_non_null(f.ops);
	report_init(&f.report, f.arena, "test");
	o = yaml_parse(str_of(options), f.arena, &f.report);
	assert_non_null(o);
	f.state = arena_alloc(f.arena, f.ops->state_size);
	assert_non_null(f.state);
	f.ok = f.ops->init(f.state, o, f.arena, &f.report);
	return f;
}

static struct score_output
score(struct fixture *f, const struct completion *c)
{
	struct completion both[2] = { { .text = STR("another") }, *c };
	struct score_input in = { .c = both, .n = 2, .chosen = 1 };
	struct score_output out;
	struct err e;

	assert_true(f->ok);
	assert_int_equal(f->ops->score(f->state, &in, &out, &e), 0);
	return out;
}

static double
ln_of(const char *options, const struct completion *c)
{
	struct fixture f = make(options);
	struct score_output out = score(&f, c);

	arena_free(f.arena);
	return out.score.ln;
}

/* "So it is 42." in five tokens and an end token that stands for nothing. */
static const struct token tokens[] = {
	{ 0, 2, -0.5 },      /* So */
	{ 2, 5, -1.0 },      /* it */
	{ 5, 9, -0.25 },     /* is and a blank */
	{ 9, 10, -2.0 },     /* 4 */
	{ 10, 12, -0.125 },  /* 2. */
	{ 12, 12, -3.0 },    /* the end */
};
static const char text[] = "So it is 42.";

/* The completion of the above, whose answer is `n` bytes from `at` on. */
static struct completion
completion_of(size_t at, size_t n)
{
	struct completion c = { .text = STR("So it is 42."), .tokens = tokens,
		.n_tokens = COUNT(tokens) };

	c.text.p = text;
	c.answer = str_sub(c.text, at, n);
	c.has_answer = n > 0;
	return c;
}

static const struct {
	const char *options;
	double ln;
} aggregates[] = {
	{ "{}", -6.875 / 6 },
	{ "aggregate: mean", -6.875 / 6 },
	{ "aggregate: min", -3.0 },
	{ "aggregate: first", -0.5 },
	{ "{aggregate: quantile, quantile: 0}", -3.0 },
	{ "{aggregate: quantile, quantile: 1}", -0.125 },
	{ "{aggregate: quantile, quantile: 0.5}", -0.75 },
	{ "{aggregate: quantile, quantile: 0.2}", -2.0 },
	{ "{aggregate: quantile, quantile: 0.1}", -2.5 },
	{ "aggregate: quantile", -2.5 },
	{ "over: answer", (-2.0 + -0.125) / 2 },
	{ "{over: answer, aggregate: min}", -2.0 },
	{ "{over: answer, aggregate: first}", -2.0 },
	{ "{over: answer, aggregate: quantile, quantile: 1}", -0.125 },
};

static void
the_logarithms_are_aggregated(void **state)
{
	struct completion c = completion_of(9, 2);
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(aggregates); i++)
		assert_near(ln_of(aggregates[i].options, &c),
		    aggregates[i].ln, 1e-15);
}

static void
the_mean_is_the_geometric_mean_probability(void **state)
{
	static const struct token two[] = {
		{ 0, 1, -0.2231435513142097 }, /* 0.8 */
		{ 1, 2, -1.6094379124341003 }, /* 0.2 */
	};
	struct completion c = { .text = STR("ab"), .tokens = two,
		.n_tokens = 2 };
	struct fixture f = make("{}");

	(void)state;
	assert_near(score(&f, &c).score.p, sqrt(0.8 * 0.2), 1e-15);
	arena_free(f.arena);
}

static void
digits_next_to_1_are_kept(void **state)
{
	static const struct token near_one[] = {
		{ 0, 1, -4.7e-12 }, { 1, 2, -1e-18 }, { 2, 3, 0 },
	};
	struct completion c = { .text = STR("abc"), .tokens = near_one,
		.n_tokens = 1 };

	(void)state;
	assert_true(ln_of("{}", &c) == -4.7e-12);
	c.tokens = near_one + 1;
	assert_true(ln_of("{}", &c) == -1e-18);
	c.tokens = near_one + 2;
	assert_true(ln_of("{}", &c) == 0);
	c.tokens = near_one;
	c.n_tokens = 3;
	assert_true(ln_of("{aggregate: min}", &c) == -4.7e-12);
	assert_near(ln_of("{}", &c), -4.700001e-12 / 3, 1e-24);
}

static void
the_floor_makes_a_score_that_is_as_good_as_0(void **state)
{
	static const struct token floor_token[] = {
		{ 0, 1, LOGPROB_FLOOR }, { 1, 2, 0 },
	};
	struct completion c = { .text = STR("ab"), .tokens = floor_token,
		.n_tokens = 2 };

	(void)state;
	assert_true(ln_of("{}", &c) == LOGPROB_FLOOR / 2);
	assert_true(ln_of("{aggregate: min}", &c) == LOGPROB_FLOOR);
}

/* Which tokens an answer at some place takes in: the mean tells. */
static const struct {
	size_t at, n;
	double ln;
} places[] = {
	{ 9, 2, -2.125 / 2 },  /* "42": the second token reaches past it */
	{ 9, 1, -2.0 },
	{ 10, 1, -0.125 },
	{ 10, 2, -0.125 },
	{ 8, 2, -2.25 / 2 },   /* begins inside a token */
	{ 1, 2, -1.5 / 2 },
	{ 2, 3, -1.0 },
	{ 0, 12, -3.875 / 5 }, /* all but the end token */
};

static void
over_answer_takes_the_tokens_that_overlap_it(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(places); i++) {
		struct completion c = completion_of(places[i].at, places[i].n);

		assert_near(ln_of("over: answer", &c), places[i].ln,
		    1e-15);
	}
}

static void
tokens_of_the_answer_alone_are_all_taken(void **state)
{
	static const struct token of_answer[] = { { 0, 1, -0.5 } };
	struct completion c = { .text = STR("The answer is B"),
		.answer = STR("B"), .has_answer = true, .tokens = of_answer,
		.n_tokens = 1, .tokens_of_answer = true };

	(void)state;
	assert_true(ln_of("over: answer", &c) == -0.5);
	assert_true(ln_of("over: text", &c) == -0.5);
}

static void
an_answer_inside_the_text_is_taken_where_it_stands(void **state)
{
	static const struct token three[] = {
		{ 0, 1, -0.5 }, { 1, 4, -1 }, { 4, 5, -2 },
	};
	struct completion c = { .text = STR("B orB"), .has_answer = true,
		.tokens = three, .n_tokens = 3 };

	(void)state;
	c.answer = str_sub(c.text, 0, 1);
	assert_true(ln_of("over: answer", &c) == -0.5);
	c.answer = str_sub(c.text, 4, 1);
	assert_true(ln_of("over: answer", &c) == -2);
}

static void
a_recorded_answer_is_looked_for_from_the_end(void **state)
{
	static const struct token three[] = {
		{ 0, 1, -0.5 }, { 1, 4, -1 }, { 4, 5, -2 },
	};
	static const char answer[] = "B";
	struct completion c = { .text = STR("B or B"), .has_answer = true,
		.answer = { answer, 1 }, .tokens = three, .n_tokens = 3 };

	(void)state;
	assert_true(ln_of("over: answer", &c) == -INFINITY);
	c.text = STR("B orB");
	assert_true(ln_of("over: answer", &c) == -2);
	c.text = STR("B ---");
	assert_true(ln_of("over: answer", &c) == -0.5);
}

static const struct {
	const char *options;
	struct completion c;
	const char *reason;
} nothings[] = {
	{ "{}", { .text = STR("x"), .answer = STR("x"), .has_answer = true },
	    "no log-probabilities came back" },
	{ "{}", { .text = STR("x"), .tokens = tokens },
	    "no log-probabilities came back" },
	{ "over: answer", { .text = STR("x"), .tokens = tokens, .n_tokens = 1 },
	    "no answer was found in the text" },
	{ "over: answer", { .text = STR("x"), .answer = STR("long answer"),
	    .has_answer = true, .tokens = tokens, .n_tokens = 1 },
	    "the answer is not in the text" },
	{ "over: answer", { .text = STR("xyz"), .answer = STR("a"),
	    .has_answer = true, .tokens = tokens, .n_tokens = 1 },
	    "the answer is not in the text" },
	{ "over: answer", { .text = STR("So it is 42."), .answer = STR("42"),
	    .has_answer = true, .tokens = tokens, .n_tokens = 2 },
	    "no log-probabilities came back for the answer" },
};

static void
what_has_no_log_probabilities_scores_0_and_says_why(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(nothings); i++) {
		struct fixture f = make(nothings[i].options);
		struct score_output out = score(&f, &nothings[i].c);

		assert_true(out.score.p == 0);
		assert_string_equal(out.reason, nothings[i].reason);
		arena_free(f.arena);
	}
}

static void
nothing_to_judge_scores_0(void **state)
{
	struct fixture f = make("{}");
	struct score_input in = { .n = 0 };
	struct score_output out;
	struct err e;

	(void)state;
	assert_int_equal(f.ops->score(f.state, &in, &out, &e), 0);
	assert_true(out.score.p == 0);
	assert_string_equal(out.reason, "no completion came back");
	arena_free(f.arena);
}

static void
the_reason_shows_the_score_with_all_digits(void **state)
{
	static const struct token near_one[] = { { 0, 1, -4.7e-12 } };
	struct completion c = { .text = STR("a"), .answer = STR("a"),
		.has_answer = true, .tokens = near_one, .n_tokens = 1 };
	struct fixture f = make("{over: answer, aggregate: min}");

	(void)state;
	assert_string_equal(score(&f, &c).reason, "least token probability of "
	    "answer is log -4.7e-12 (1 token)");
	arena_free(f.arena);
	f = make("{}");
	c = completion_of(9, 2);
	assert_true(str_starts(str_of(score(&f, &c).reason),
	    "mean (geometric) token probability of text is "));
	arena_free(f.arena);
}

static const struct {
	const char *options, *complaint;
} mistakes[] = {
	{ "aggregate: men", "unknown aggregate 'men'; did you mean 'mean'?" },
	{ "aggregate: harmonic",
	    "unknown aggregate 'harmonic'; it is mean, min, first or quantile" },
	{ "quantile: 0.2",
	    "'quantile' has no effect without 'aggregate: quantile'" },
	{ "{aggregate: quantile, quantile: 1.5}", "quantile" },
	{ "{aggregate: quantile, quantile: much}", "quantile" },
	{ "over: all", "over" },
};

static void
a_mistake_in_the_options_is_complained_about(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(mistakes); i++) {
		struct fixture f = make(mistakes[i].options);
		struct buf b;

		assert_false(f.ok);
		assert_int_equal(f.report.errors, 1);
		buf_init(&b, BUF_MAX);
		report_print(&f.report, &b, true, true);
		if (!str_has(buf_str(&b), mistakes[i].complaint))
			fail_msg("%s: %s", mistakes[i].options, b.p);
		buf_release(&b);
		arena_free(f.arena);
	}
}

static void
a_threshold_of_certainty_is_warned_of(void **state)
{
	struct fixture f = make("{}");

	(void)state;
	f.ops->advise(f.state, score_of_ln(-1e-18), 1, NULL, &f.report);
	assert_int_equal(f.report.warnings, 0);
	f.ops->advise(f.state, score_of_p(1), 1, NULL, &f.report);
	assert_int_equal(f.report.warnings, 1);
	assert_true(str_starts(str_of(f.report.first->text),
	    "logprob at_least 1 (log 0) is only met by certainty"));
	arena_free(f.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_logarithms_are_aggregated),
		cmocka_unit_test(the_mean_is_the_geometric_mean_probability),
		cmocka_unit_test(digits_next_to_1_are_kept),
		cmocka_unit_test(the_floor_makes_a_score_that_is_as_good_as_0),
		cmocka_unit_test(over_answer_takes_the_tokens_that_overlap_it),
		cmocka_unit_test(tokens_of_the_answer_alone_are_all_taken),
		cmocka_unit_test(
		    an_answer_inside_the_text_is_taken_where_it_stands),
		cmocka_unit_test(a_recorded_answer_is_looked_for_from_the_end),
		cmocka_unit_test(
		    what_has_no_log_probabilities_scores_0_and_says_why),
		cmocka_unit_test(nothing_to_judge_scores_0),
		cmocka_unit_test(the_reason_shows_the_score_with_all_digits),
		cmocka_unit_test(a_mistake_in_the_options_is_complained_about),
		cmocka_unit_test(a_threshold_of_certainty_is_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
