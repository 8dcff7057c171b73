/*
 * test_rule.c -- accept rules: read, shown, advised on, and judged; above all,
 * that stopping early never changes a verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "scorers/rule.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define MOST 8

struct fixture {
	struct arena *arena;
	struct report report;
	struct rule *rule;
};

static struct fixture
make(const char *yaml)
{
	struct fixture f;
	struct ynode *n;

	f.arena = arena_new(0);
	assert_non_null(f.arena);
	report_init(&f.report, f.arena, "test");
	n = yaml_parse(str_of(yaml), f.arena, &f.report);
	assert_non_null(n);
	f.rule = rule_build(n, f.arena, &f.report);
	return f;
}

static void
end(struct fixture *f)
{
	rule_release(f->rule);
	arena_free(f->arena);
}

/* The complaints, one a line; the caller releases. */
static struct buf
complaints(struct fixture *f)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	report_print(&f->report, &b, true, true);
	buf_adds(&b, "");
	return b;
}

static struct verdict
judge(struct rule *rule, const struct score_input *in)
{
	struct verdict v;
	struct err e;

	assert_int_equal(rule_judge(rule, in, &v, &e), 0);
	if (v.kind == VERDICT_UNDECIDED)
		assert_true(v.ask >= 1 && v.ask <= in->more);
	return v;
}

/* ------------------------------------------------------------------ reading */

/* Rules and how they are shown. */
static const struct {
	const char *yaml, *shown;
	unsigned flags;
} rules[] = {
	{ "agreement: 0.8", "agreement >= 0.8", SCORER_CHOOSES },
	{ "agreement: {at_least: 0.8}", "agreement >= 0.8", SCORER_CHOOSES },
	{ "regex: '####'", "regex '####'", SCORER_BINARY | SCORER_FORMAT },
	{ "regex: ['a', b]", "regex 'a' 'b'", SCORER_BINARY | SCORER_FORMAT },
	{ "regex: {match: a, not: [b, c], over: answer}",
	    "regex 'a' not 'b' 'c' over answer",
	    SCORER_BINARY | SCORER_FORMAT },
	{ "regex: {match: a, at_least: 0.5}", "regex 'a' >= 0.5",
	    SCORER_BINARY | SCORER_FORMAT },
	{ "regex: {match: a, at_least: 1}", "regex 'a'",
	    SCORER_BINARY | SCORER_FORMAT },
	{ "regex: \"a\\x1b\"", "regex 'a^['",
	    SCORER_BINARY | SCORER_FORMAT },
	{ "logprob: {at_least: {log: -4.7e-12}, over: answer}",
	    "logprob over answer >= log -4.7e-12", SCORER_LOGPROBS },
	{ "logprob: {at_least: {log: 0}}", "logprob >= 1", SCORER_LOGPROBS },
	{ "logprob: {at_least: {log: -9999}}", "logprob >= log -9999",
	    SCORER_LOGPROBS },
	{ "logprob: {at_least: 0.9999999999999999}",
	    "logprob >= 0.9999999999999999", SCORER_LOGPROBS },
	{ "all: [regex: '####', logprob: 0.85]",
	    "all(regex '####', logprob >= 0.85)",
	    SCORER_BINARY | SCORER_FORMAT | SCORER_LOGPROBS },
	{ "any: [agreement: 1]", "any(agreement >= 1)", SCORER_CHOOSES },
	{ "all: {of: [logprob, agreement: ], at_least: 0.9}",
	    "all(logprob, agreement) >= 0.9",
	    SCORER_LOGPROBS | SCORER_CHOOSES },
	{ "all: {of: [agreement: 0.5]}", "all(agreement >= 0.5)",
	    SCORER_CHOOSES },
	{ "mean: {of: [regex: a, logprob: {over: answer}], weights: [2, 1], "
	    "at_least: 0.7}", "mean(2 x regex 'a', 1 x logprob over answer) "
	    ">= 0.7", SCORER_BINARY | SCORER_FORMAT | SCORER_LOGPROBS },
	{ "any: {of: [mean: [logprob, agreement], all: [regex: a, logprob]], "
	    "at_least: {log: -0.5}}",
	    "any(mean(logprob, agreement), all(regex 'a', logprob)) "
	    ">= 0.6065306597126334", SCORER_BINARY | SCORER_FORMAT |
	    SCORER_LOGPROBS | SCORER_CHOOSES },
	{ "all: [any: [regex: a, agreement: 0.6], logprob: 0.5]",
	    "all(any(regex 'a', agreement >= 0.6), logprob >= 0.5)",
	    SCORER_BINARY | SCORER_FORMAT | SCORER_LOGPROBS | SCORER_CHOOSES },
};

static void
a_rule_is_read_and_shown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rules); i++) {
		struct fixture f = make(rules[i].yaml);
		struct buf b = complaints(&f);

		if (!f.rule || b.n)
			fail_msg("%s: %s", rules[i].yaml, b.p);
		rule_show(f.rule, &b);
		assert_string_equal(b.p, rules[i].shown);
		assert_int_equal(rule_flags(f.rule), rules[i].flags);
		buf_release(&b);
		end(&f);
	}
}

static const struct {
	const char *yaml, *complaint;
} mistakes[] = {
	{ "agrement: 0.8",
	    "test:1:1: unknown scorer 'agrement'; did you mean 'agreement'?" },
	{ "al: []", "unknown scorer 'al'; did you mean 'all'?" },
	{ "magic: 1",
	    "unknown scorer 'magic'; 'frugal scorers' lists them" },
	{ "0.8", "unknown scorer '0.8'" },
	{ "", "a rule is wanted here" },
	{ "{}", "a rule is wanted here" },
	{ "[agreement: 0.8]", "a rule is wanted here" },
	{ "{regex: a, agreement: 0.8}", "2 rules, 'regex' and 'agreement', where "
	    "one is wanted; put several under 'all:', as in "
	    "'all: [regex: ..., agreement: 0.8]'" },
	{ "{regex: a, agreement: 0.8, logprob: 1}", "3 rules, 'regex' and "
	    "'agreement' and more, where one is wanted" },
	{ "all: [{regex: a, agreement: 0.8}]", "2 rules, 'regex' and" },
	/* Thresholds. */
	{ "agreement:", "'agreement' needs a threshold, as in "
	    "'agreement: {at_least: 0.8}'" },
	{ "agreement", "'agreement' needs a threshold" },
	{ "logprob: {over: answer}", "'logprob' needs a threshold" },
	{ "all: [regex: a, logprob]", "'logprob' needs a threshold" },
	{ "agreement: 1.5", "at_least" },
	{ "agreement: -0.1", "at_least" },
	{ "agreement: most", "at_least" },
	{ "agreement: [0.8]", "at_least" },
	{ "agreement: .nan", "at_least" },
	{ "agreement: {at_least: {log: 0.1}}", "log" },
	{ "agreement: {at_least: {log: -10000}}", "log" },
	{ "agreement: {at_least: {lg: -1}}", "at_least is a number from 0 to 1, "
	    "or {log: x} with the natural logarithm of one" },
	{ "agreement: {at_least: {log: -1, p: 1}}", "at_least is a number" },
	/* Options. */
	{ "regex: {match: a, at_last: 1}", "'at_last'" },
	{ "regex: {match: a, at_last: 1}", "did you mean 'at_least'?" },
	{ "regex: {mach: a}", "did you mean 'match'?" },
	{ "logprob: {at_least: 1, agregate: min}",
	    "did you mean 'aggregate'?" },
	{ "regex: '('", "bad pattern" },
	/* Combinators. */
	{ "all:", "'all' needs a list of rules" },
	{ "all: []", "'all' needs a list of rules" },
	{ "all: 3", "'all' needs a list of rules" },
	{ "all: {regex: a, agreement: 0.8}", "'all' needs a list of rules, as in "
	    "'all: [regex: ..., agreement: 0.8]'" },
	{ "all: {at_least: 0.8}", "'all' needs a list of rules" },
	{ "all: {of: 3, at_least: 0.8}", "'all' needs a list of rules" },
	{ "all: {of: [logprob], at_least: 0.8, weights: [1]}", "'weights'" },
	{ "any: [3]", "unknown scorer '3'" },
	{ "any: [[]]", "a rule is wanted here" },
	{ "any: [agrement: 0.8]", "did you mean 'agreement'?" },
	{ "all: {of: [agreement: 0.8], at_least: 0.9}", "at_least of 'agreement' "
	    "is never looked at, for 'all' above it has one; leave one of them "
	    "out" },
	{ "all: {of: [any: {of: [logprob], at_least: 1}], at_least: 0.9}",
	    "at_least of 'any' is never looked at" },
	{ "any: {of: [all: [regex: {match: a, at_least: 1}]], at_least: 0.9}",
	    "at_least of 'regex' is never looked at, for 'any' above" },
	{ "mean: [regex: a, regex: b]", "'mean' needs a threshold, as in "
	    "'mean: {of: [...], at_least: 0.8}'" },
	{ "all: [mean: [regex: a]]", "'mean' needs a threshold" },
	{ "mean: {of: [regex: a], at_least: 1, weights: [1, 2]}",
	    "weights is a list of as many numbers as there are rules (1)" },
	{ "mean: {of: [regex: a], at_least: 1, weights: 1}",
	    "weights is a list" },
	{ "mean: {of: [regex: a], at_least: 1, weights: [-1]}", "weight" },
	{ "mean: {of: [regex: a], at_least: 1, weights: [0]}",
	    "all weights are 0" },
	{ "mean: {of: [regex: a], at_least: 1, wieghts: [1]}",
	    "did you mean 'weights'?" },
};

static void
a_mistake_is_complained_about(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(mistakes); i++) {
		struct fixture f = make(mistakes[i].yaml);
		struct buf b = complaints(&f);

		if (f.rule || f.report.errors == 0 ||
		    !str_has(buf_str(&b), mistakes[i].complaint))
			fail_msg("%s: %s", mistakes[i].yaml, b.p);
		if (f.report.errors != 1)
			fail_msg("%s: %zu complaints: %s", mistakes[i].yaml,
			    f.report.errors, b.p);
		buf_release(&b);
		end(&f);
	}
}

static void
all_mistakes_are_found_at_once_and_patterns_released(void **state)
{
	struct fixture f = make("all: [regex: fine, agrement: 1, logprob: 2, "
	    "regex: ')', any: [regex: x, agreement]]");

	(void)state;
	assert_null(f.rule);
	assert_int_equal(f.report.errors, 4);
	end(&f);
}

static void
an_absent_rule_is_complained_about(void **state)
{
	struct arena *a = arena_new(0);
	struct report r;

	(void)state;
	report_init(&r, a, "test");
	assert_null(rule_build(NULL, a, &r));
	assert_int_equal(r.errors, 1);
	arena_free(a);
}

static void
a_rule_may_be_built_twice_from_one_place(void **state)
{
	struct fixture f = make("any: [&r {all: [regex: a]}, *r]");
	struct buf b;

	(void)state;
	assert_non_null(f.rule);
	buf_init(&b, BUF_MAX);
	rule_show(f.rule, &b);
	assert_string_equal(b.p, "any(all(regex 'a'), all(regex 'a'))");
	buf_release(&b);
	end(&f);

	f = make("any: [&r {agreement: 7}, *r]");
	assert_null(f.rule);
	end(&f);
}

static void
nesting_is_bounded(void **state)
{
	struct buf b;
	struct fixture f;
	int depth, i;

	(void)state;
	for (depth = 16; depth <= 17; depth++) {
		buf_init(&b, BUF_MAX);
		for (i = 0; i < depth; i++)
			buf_adds(&b, "{all: [");
		buf_adds(&b, "regex: a");
		for (i = 0; i < depth; i++)
			buf_adds(&b, "]}");
		f = make(b.p);
		assert_int_equal(f.rule != NULL, depth == 16);
		assert_int_equal(f.report.errors, depth == 16 ? 0 : 1);
		buf_release(&b);
		end(&f);
	}
}

/* ------------------------------------------------------------------- advice */

static const struct {
	const char *yaml;
	size_t samples;
	const char *warning; /* NULL: none */
} advices[] = {
	{ "agreement: 0.8", 5, NULL },
	{ "agreement: 0.9", 3, "agreement 0.9 with 3 samples is "
	    "unanimity (the possible shares are 1/3, 2/3 and 1)" },
	{ "agreement: 0.3", 3, "never fails once one answer is there" },
	{ "agreement: 0.8", 1, "agreement with 1 sample is always 1" },
	{ "agreement: 0", 5, "agreement at_least 0 never fails" },
	{ "logprob: 1", 1, "logprob at_least 1 (log 0) is only met by "
	    "certainty" },
	{ "logprob: {at_least: {log: 0}}", 1, "is only met by certainty" },
	{ "logprob: {at_least: {log: -1e-18}}", 1, NULL },
	{ "logprob: 0", 1, "logprob at_least 0 never fails" },
	{ "logprob: {at_least: {log: -9999}}", 1, NULL },
	{ "logprob: 0.8", 5, "5 samples are asked for but no scorer looks at "
	    "more than one; add 'agreement' or leave 'samples' out" },
	{ "regex: a", 2, "2 samples are asked for" },
	{ "regex: a", 1, NULL },
	{ "all: [regex: a, logprob: 0.8]", 3, "3 samples are asked for" },
	{ "all: [regex: a, agreement: 0.8]", 5, NULL },
	{ "all: [regex: a, agreement: 0.9]", 3, "unanimity" },
	{ "all: {of: [regex: a, agreement], at_least: 0}", 5,
	    "all at_least 0 never fails" },
	{ "mean: {of: [regex: a, agreement], at_least: 0.9}", 3, NULL },
};

static void
a_threshold_that_will_surprise_is_warned_of(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(advices); i++) {
		struct fixture f = make(advices[i].yaml);
		struct buf b;

		assert_non_null(f.rule);
		rule_advise(f.rule, advices[i].samples, &f.report);
		assert_int_equal(f.report.errors, 0);
		b = complaints(&f);
		if (f.report.warnings != (advices[i].warning != NULL) ||
		    (advices[i].warning &&
		    !str_has(buf_str(&b), advices[i].warning)))
			fail_msg("%s: %s", advices[i].yaml, b.p);
		buf_release(&b);
		end(&f);
	}
}

/* ------------------------------------------------------------------ judging */

static const struct token sure[] = { { 0, 1, -0.1 } };
static const struct token unsure[] = { { 0, 1, -2.0 } };

/*
 * "-" no answer, "/x" cut off, "!x" refused, else the answer; with ~ at the
 * end the model was unsure of it.
 */
static struct completion
completion_of(const char *word)
{
	struct completion c = { .text = str_of(word), .tokens = sure,
		.n_tokens = 1 };

	if (str_ends(c.text, "~")) {
		c.text.n--;
		c.tokens = unsure;
	}
	if (word[0] == '/' || word[0] == '!') {
		c.finish = word[0] == '/' ? FINISH_LENGTH : FINISH_REFUSED;
		c.text = str_sub(c.text, 1, c.text.n);
	}
	if (word[0] != '-' && c.text.n) {
		c.has_answer = true;
		c.answer = c.text;
	}
	return c;
}

#define A VERDICT_ACCEPT
#define E VERDICT_ESCALATE
#define U VERDICT_UNDECIDED

static const struct {
	const char *yaml; /* NULL: no rule */
	const char *samples[MOST];
	size_t more;
	enum verdict_kind kind;
	double score, threshold;
	const char *scorer;
	const char *reason;
	size_t chosen, ask;
} judgements[] = {
	/* No rule. */
	{ NULL, { "x" }, 0, A, 0, 0, NULL,
	    "no rule: every complete answer is accepted", 0, 0 },
	{ NULL, { "-" }, 0, A, 0, 0, NULL,
	    "no rule: every complete answer is accepted", 0, 0 },
	{ NULL, { "" }, 0, E, 0, 0, NULL, "the answer is empty", 0, 0 },
	{ NULL, { "/x" }, 0, E, 0, 0, NULL,
	    "the answer was cut off by the token limit", 0, 0 },
	{ NULL, { "!x" }, 0, E, 0, 0, NULL,
	    "the model or a content filter refused to answer", 0, 0 },
	{ NULL, { NULL }, 0, E, 0, 0, NULL, "no completion came back", 0, 0 },
	{ NULL, { NULL }, 2, U, 0, 0, NULL, "no completion has come yet", 0,
	    1 },
	/* One scorer, one sample. */
	{ "regex: x", { "x" }, 0, A, 1, 1, "regex", "pattern 'x' matches", 0,
	    0 },
	{ "regex: x", { "y" }, 0, E, 0, 1, "regex",
	    "pattern 'x' does not match", 0, 0 },
	{ "regex: x", { "/x" }, 0, E, 0, 1, NULL,
	    "the answer was cut off by the token limit", 0, 0 },
	{ "regex: x", { "!x" }, 0, E, 0, 1, NULL,
	    "the model or a content filter refused to answer", 0, 0 },
	{ "regex: x", { NULL }, 0, E, 0, 1, NULL, "no completion came back", 0,
	    0 },
	{ "regex: x", { NULL }, 3, U, 0, 1, "regex",
	    "no completion has come yet", 0, 1 },
	/* Without a chooser the first is judged and no other awaited. */
	{ "regex: x", { "x" }, 4, A, 1, 1, "regex", "pattern 'x' matches", 0,
	    0 },
	{ "regex: x", { "y", "x" }, 3, E, 0, 1, "regex",
	    "pattern 'x' does not match", 0, 0 },
	{ "regex: x", { "/x", "x" }, 3, E, 0, 1, NULL,
	    "the answer was cut off by the token limit", 0, 0 },
	/* Agreement, five samples. */
	{ "agreement: 0.8", { NULL }, 5, U, 0, 0.8, "agreement",
	    "no completion has come yet", 0, 2 },
	{ "agreement: 0.8", { "x" }, 4, U, 1, 0.8, "agreement",
	    "1 of 1 sample agrees on 'x'", 0, 2 },
	{ "agreement: 0.8", { "x", "x", "x" }, 2, U, 1, 0.8, "agreement",
	    "3 of 3 samples agree on 'x'", 0, 1 },
	{ "agreement: 0.8", { "x", "x", "x", "x" }, 1, A, 1, 0.8, "agreement",
	    "4 of 4 samples agree on 'x'", 0, 0 },
	{ "agreement: 0.8", { "x", "y", "x" }, 2, U, 2. / 3, 0.8, "agreement",
	    "2 of 3 samples agree on 'x'", 0, 1 },
	{ "agreement: 0.8", { "y", "x", "z" }, 2, E, 1. / 3, 0.8, "agreement",
	    "1 of 3 samples agrees on 'y'", 0, 0 },
	{ "agreement: 0.8", { "y", "x", "x", "x", "x" }, 0, A, 0.8, 0.8,
	    "agreement", "4 of 5 samples agree on 'x'", 1, 0 },
	{ "agreement: 0.4", { "/x", "y", "y" }, 2, A, 2. / 3, 0.4, "agreement",
	    "2 of 3 samples agree on 'y'", 1, 0 },
	{ "agreement: 0.4", { "/x", "/x", "/x", "/x" }, 1, E, 0, 0.4, NULL,
	    "the answer was cut off by the token limit", 0, 0 },
	{ "agreement: 0.1", { "/x" }, 4, U, 0, 0.1, "agreement",
	    "none of 1 sample has an answer", 0, 1 },
	{ "agreement: 0", { "/x" }, 4, U, 0, 0, "agreement",
	    "none of 1 sample has an answer", 0, 1 },
	{ "agreement: 0", { "/x" }, 0, E, 0, 0, NULL,
	    "the answer was cut off by the token limit", 0, 0 },
	{ "agreement: 0", { "-" }, 4, A, 0, 0, "agreement",
	    "none of 1 sample has an answer", 0, 0 },
	{ "agreement: 0", { NULL }, 4, U, 0, 0, "agreement",
	    "no completion has come yet", 0, 1 },
	/* all: the first that rejects, or the one that accepts by least. */
	{ "all: [regex: x, logprob: 0.5]", { "x" }, 0, A, 0.904837418035959573,
	    0.5, "logprob", NULL, 0, 0 },
	{ "all: [regex: x, logprob: 0.5]", { "x~" }, 0, E,
	    0.135335283236612691, 0.5, "logprob", NULL, 0, 0 },
	{ "all: [regex: x, logprob: 0.5]", { "y~" }, 0, E, 0, 1, "regex",
	    "pattern 'x' does not match", 0, 0 },
	{ "all: [logprob: 0.5, regex: x]", { "y~" }, 0, E,
	    0.135335283236612691, 0.5, "logprob", NULL, 0, 0 },
	{ "all: [regex: x, regex: y]", { "xy" }, 0, A, 1, 1, "regex",
	    "pattern 'x' matches", 0, 0 },
	/* any: the first that accepts, or the one that rejects by most. */
	{ "any: [regex: x, logprob: 0.5]", { "y" }, 0, A, 0.904837418035959573,
	    0.5, "logprob", NULL, 0, 0 },
	{ "any: [regex: x, logprob: 0.5]", { "x" }, 0, A, 1, 1, "regex",
	    "pattern 'x' matches", 0, 0 },
	{ "any: [regex: x, logprob: 0.5]", { "y~" }, 0, E,
	    0.135335283236612691, 0.5, "logprob", NULL, 0, 0 },
	/* With a threshold of their own. */
	{ "all: {of: [regex: x, logprob], at_least: 0.5}", { "x~" }, 0, E,
	    0.135335283236612691, 0.5, "logprob", NULL, 0, 0 },
	{ "all: {of: [regex: x, logprob], at_least: 0.5}", { "y" }, 0, E, 0,
	    0.5, "regex", "pattern 'x' does not match", 0, 0 },
	{ "any: {of: [regex: x, logprob], at_least: 0.95}", { "y" }, 0, E,
	    0.904837418035959573, 0.95, "logprob", NULL, 0, 0 },
	{ "mean: {of: [regex: x, agreement], at_least: 0.8}",
	    { "x", "x", "x", "y", "z" }, 0, A, 0.8, 0.8, "mean",
	    "mean of regex 1, agreement 0.6", 0, 0 },
	{ "mean: {of: [regex: x, agreement], weights: [3, 1], at_least: 0.9}",
	    { "y", "y" }, 0, E, 0.25, 0.9, "mean",
	    "mean of regex 0, agreement 1", 0, 0 },
	{ "mean: {of: [regex: x, any: [regex: y, regex: z]], at_least: 0.5}",
	    { "z" }, 0, A, 0.5, 0.5, "mean", "mean of regex 0, any 1", 0, 0 },
	/* Every scorer judges what the chooser chose. */
	{ "all: [regex: y, agreement: 0.6]", { "x", "y", "y" }, 0, A, 2. / 3,
	    0.6, "agreement", "2 of 3 samples agree on 'y'", 1, 0 },
	{ "all: [regex: x, agreement: 0.6]", { "x", "y", "y" }, 0, E, 0, 1,
	    "regex", "pattern 'x' does not match", 1, 0 },
	/* The rest may be left out as soon as one rejects for good ... */
	{ "all: [regex: x, agreement: 0.8]", { "x", "y", "z" }, 2, E, 1. / 3,
	    0.8, "agreement", "1 of 3 samples agrees on 'x'", 0, 0 },
	{ "all: [regex: x, agreement: 0.8]", { "y", "x", "z" }, 2, E, 1. / 3,
	    0.8, "agreement", "1 of 3 samples agrees on 'y'", 0, 0 },
	/* ... or when the choice can change no more. */
	{ "all: [regex: x, agreement: 0.8]", { "x", "x", "x", "x" }, 1, A, 1,
	    1, "regex", "pattern 'x' matches", 0, 0 },
	{ "all: [regex: x, agreement: 0.8]", { "y", "y", "y" }, 2, E, 0, 1,
	    "regex", "pattern 'x' does not match", 0, 0 },
	{ "all: [regex: x, agreement: 0.8]", { "y", "y" }, 3, U, 0, 1, "regex",
	    "pattern 'x' does not match", 0, 1 },
	{ "any: [regex: x, agreement: 0.8]", { "x", "x" }, 3, U, 1, 1, "regex",
	    "pattern 'x' matches", 0, 1 },
	{ "any: [regex: x, agreement: 0.8]", { "x", "x", "x" }, 2, A, 1, 1,
	    "regex", "pattern 'x' matches", 0, 0 },
};

static struct score_input
input_of(struct completion *c, const char *const *samples, size_t more)
{
	struct score_input in = { .c = c, .more = more, .chosen = 77 };

	while (in.n < MOST && samples[in.n]) {
		c[in.n] = completion_of(samples[in.n]);
		in.n++;
	}
	return in;
}

static void
completions_are_judged(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(judgements); i++) {
		const char *yaml = judgements[i].yaml;
		struct fixture f = { .rule = NULL };
		struct completion c[MOST];
		struct score_input in = input_of(c, judgements[i].samples,
		    judgements[i].more);
		struct verdict v;

		if (yaml)
			f = make(yaml);
		assert_int_equal(f.rule != NULL, yaml != NULL);
		v = judge(f.rule, &in);
		if (v.kind != judgements[i].kind ||
		    v.chosen != judgements[i].chosen ||
		    v.ask != judgements[i].ask)
			fail_msg("judgement %zu: %d, ask %zu: %s", i, v.kind,
			    v.ask, v.reason);
		if (judgements[i].reason)
			assert_string_equal(v.reason, judgements[i].reason);
		if (fabs(v.score.p - judgements[i].score) > 1e-15 ||
		    v.threshold.p != judgements[i].threshold)
			fail_msg("judgement %zu: %.17g", i, v.score.p);
		if (judgements[i].scorer)
			assert_string_equal(v.scorer, judgements[i].scorer);
		else
			assert_null(v.scorer);
		assert_int_equal(v.scored, yaml && in.n);
		end(&f);
	}
}

static void
failing_a_format_rule_is_a_matter_of_form(void **state)
{
	static const struct {
		const char *yaml, *sample;
		bool format_failed;
	} forms[] = {
		{ "regex: x", "y", true },
		{ "regex: x", "x", false },
		{ "regex: x", "/y", false },
		{ "logprob: 0.5", "x~", false },
		{ "all: [regex: x, logprob: 0.5]", "y~", true },
		{ "all: [regex: x, logprob: 0.5]", "x~", false },
		{ "any: [regex: x, logprob: 0.5]", "y~", false },
		{ "all: {of: [logprob, regex: x], at_least: 0.9}", "y", true },
		{ "mean: {of: [regex: x, regex: y], at_least: 0.9}", "z", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(forms); i++) {
		struct fixture f = make(forms[i].yaml);
		struct completion c = completion_of(forms[i].sample);
		struct score_input in = { .c = &c, .n = 1 };

		assert_non_null(f.rule);
		assert_int_equal(judge(f.rule, &in).format_failed,
		    forms[i].format_failed);
		end(&f);
	}
}

static void
samples_that_failed_count_against_agreement(void **state)
{
	struct fixture f = make("agreement: 0.8");
	struct completion c[3] = { completion_of("x"), completion_of("x"),
		completion_of("x") };
	struct score_input in = { .c = c, .n = 3, .more = 1, .missing = 1 };

	(void)state;
	assert_int_equal(judge(f.rule, &in).kind, U);
	in.missing = 2;
	assert_int_equal(judge(f.rule, &in).kind, E);
	in.n = 0;
	in.missing = 3;
	in.more = 0;
	assert_string_equal(judge(f.rule, &in).reason,
	    "no completion came back: 3 failed");
	end(&f);
}

static void
a_mean_keeps_the_digits_next_to_1(void **state)
{
	static const struct token near_one[] = { { 0, 1, -3e-17 } };
	struct completion c = { .text = STR("x"), .tokens = near_one,
		.n_tokens = 1 };
	struct score_input in = { .c = &c, .n = 1 };
	struct fixture f = make("mean: {of: [regex: x, logprob, logprob], "
	    "at_least: {log: -2.5e-17}}");
	struct verdict v;

	(void)state;
	v = judge(f.rule, &in);
	assert_int_equal(v.kind, A);
	assert_true(fabs(v.score.ln + 2e-17) < 1e-30);
	end(&f);
	f = make("mean: {of: [regex: x, logprob], at_least: "
	    "{log: -1.4e-17}}");
	assert_int_equal(judge(f.rule, &in).kind, E);
	end(&f);
}

static void
a_threshold_decides_in_the_last_digit(void **state)
{
	struct token t[] = { { 0, 1, -4.7e-12 } };
	struct completion c = { .text = STR("x"), .tokens = t, .n_tokens = 1 };
	struct score_input in = { .c = &c, .n = 1 };
	struct fixture f = make("logprob: {at_least: {log: -4.7e-12}}");

	(void)state;
	assert_int_equal(judge(f.rule, &in).kind, A);
	t[0].logprob = nextafter(-4.7e-12, -1);
	assert_int_equal(judge(f.rule, &in).kind, E);
	end(&f);
}

static void
a_reason_that_is_too_long_is_cut(void **state)
{
	struct buf b;
	struct fixture f;
	struct completion c = completion_of("x");
	struct score_input in = { .c = &c, .n = 1 };
	struct verdict v;
	int i;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "mean: {at_least: 1, of: [regex: x");
	for (i = 0; i < 100; i++)
		buf_adds(&b, ", regex: y");
	buf_adds(&b, "]}");
	f = make(b.p);
	v = judge(f.rule, &in);
	assert_int_equal(strlen(v.reason), sizeof(v.reason) - 1);
	assert_true(str_ends(str_of(v.reason), "..."));
	buf_release(&b);
	end(&f);
}

/* --------------------------------------------------------- stopping early */

/*
 * Every run of samples over an alphabet is tried. At each point of each run
 * the verdict must be what all its continuations come to, UNDECIDED where they
 * come to different ones, and `ask` the way to the nearest decided point.
 */
struct alphabet {
	const char *name;
	struct completion (*draw)(int symbol, size_t i);
	int symbols;
};

/* Three answers in different spellings, and none: `words[symbol][i % 2]`. */
static struct completion
draw_answer(int symbol, size_t i)
{
	static const char *const words[4][2] = {
		{ "1,000", "$1000.0" }, { "b", "**B**" }, { "c", "C." },
		{ "-", "-" },
	};

	return completion_of(words[symbol][i % 2]);
}

static struct completion
draw_cut_off(int symbol, size_t i)
{
	return symbol == 3 ? completion_of("/b") : draw_answer(symbol, i);
}

/* The text tells which sample it is, so members of a group differ. */
static struct completion
draw_marked(int symbol, size_t i)
{
	struct completion c = draw_answer(symbol, i);

	c.text = i % 3 == 1 ? STR("marked") : STR("plain");
	c.tokens = i % 2 ? sure : unsure;
	return c;
}

static const struct alphabet answers = { "answers", draw_answer, 4 };
static const struct alphabet cut_offs = { "cut off", draw_cut_off, 4 };
static const struct alphabet marked = { "marked", draw_marked, 4 };

struct run {
	struct rule *rule;
	const struct alphabet *alphabet;
	bool exact; /* undecided means that continuations do differ, and ask
	               is the least, not a lower bound of it */
	struct completion c[MOST];
};

struct outcome {
	unsigned kinds;    /* 1 << kind of every full continuation */
	size_t to_decided; /* samples to the nearest point judged decided */
};

static void
check_point(const struct run *run, const struct verdict *v, size_t n,
    const struct outcome *o)
{
	if (v->kind != U && o->kinds != 1u << v->kind)
		fail_msg("%s: decided too early, after %zu",
		    run->alphabet->name, n);
	if (v->kind != U)
		return;
	if (v->ask > o->to_decided)
		fail_msg("%s: %zu asked for after %zu where %zu might do",
		    run->alphabet->name, v->ask, n, o->to_decided);
	if (!run->exact || !n)
		return;
	if (o->kinds == 1u << A || o->kinds == 1u << E)
		fail_msg("%s: decided too late, after %zu", run->alphabet->name,
		    n);
	if (v->ask != o->to_decided)
		fail_msg("%s: %zu asked for after %zu, not %zu",
		    run->alphabet->name, v->ask, n, o->to_decided);
}

static struct outcome
explore(struct run *run, size_t n, size_t more)
{
	struct score_input in = { .c = run->c, .n = n, .more = more };
	struct outcome o = { .to_decided = MOST }, below;
	struct verdict v;
	int symbol;

	if (!more) {
		v = judge(run->rule, &in);
		assert_true(v.kind == A || v.kind == E);
		return (struct outcome){ 1u << v.kind, 0 };
	}
	for (symbol = 0; symbol < run->alphabet->symbols; symbol++) {
		run->c[n] = run->alphabet->draw(symbol, n);
		below = explore(run, n + 1, more - 1);
		o.kinds |= below.kinds;
		if (below.to_decided + 1 < o.to_decided)
			o.to_decided = below.to_decided + 1;
	}
	v = judge(run->rule, &in);
	check_point(run, &v, n, &o);
	if (v.kind != U)
		o.to_decided = 0;
	return o;
}

static void
explore_rule(const char *yaml, const struct alphabet *alphabet, bool exact,
    size_t most)
{
	struct fixture f = make(yaml);
	struct run run = { f.rule, alphabet, exact, { { .n_tokens = 0 } } };
	size_t samples;

	assert_non_null(f.rule);
	for (samples = 1; samples <= most; samples++)
		explore(&run, 0, samples);
	end(&f);
}

static void
agreement_stops_as_early_as_can_be_and_never_too_early(void **state)
{
	static const double others[] = { 0.1, 0.25, 1. / 3, 0.4, 0.5, 0.6, 2. / 3,
		0.67, 0.75, 0.8, 0.9 };
	char yaml[64];
	size_t i;

	(void)state;
	if (getenv("FRUGAL_QUICK"))
		skip(); /* minutes under valgrind */
	for (i = 0; i < 8 + COUNT(others); i++) {
		snprintf(yaml, sizeof(yaml), "agreement: %.17g",
		    i < 8 ? (double)i / 7 : others[i - 8]);
		explore_rule(yaml, &answers, true, 7);
		explore_rule(yaml, &cut_offs, true, 5);
	}
}

static void
combined_rules_never_stop_too_early(void **state)
{
	static const char *const yaml[] = {
		"all: [regex: {match: '^[1c]', over: answer}, agreement: 0.6]",
		"any: [regex: {match: '^[1c]', over: answer}, agreement: 0.6]",
		"all: [regex: {match: '^[1c]', over: answer}, agreement: 0.4]",
		"any: [regex: {match: '^[1c]', over: answer}, agreement: 0.4]",
		"all: [agreement: 0.8, regex: marked]",
		"any: [agreement: 0.8, regex: marked]",
		"any: [agreement: 0, regex: marked]",
		"all: {of: [agreement, logprob], at_least: 0.6}",
		"any: {of: [agreement, logprob], at_least: 0.6}",
		"mean: {of: [agreement, regex: marked], at_least: 0.7}",
		"mean: {of: [agreement, regex: marked, logprob], "
		    "weights: [5, 1, 1], at_least: 0.7}",
		"all: [any: [agreement: 0.9, logprob: 0.5], agreement: 0.4]",
		"any: [all: [agreement: 0.6, logprob: 0.5], agreement: 0.9]",
		"all: [regex: marked, logprob: 0.5]",
		"mean: {of: [agreement, all: [regex: marked, logprob]], "
		    "at_least: 0.5}",
	};
	size_t i;

	(void)state;
	if (getenv("FRUGAL_QUICK"))
		skip(); /* minutes under valgrind */
	for (i = 0; i < COUNT(yaml); i++) {
		explore_rule(yaml[i], &answers, false, 5);
		explore_rule(yaml[i], &cut_offs, false, 5);
		explore_rule(yaml[i], &marked, false, 6);
	}
}

/* Draw as rule_judge() asks; how many samples it took. */
static size_t
follow(struct rule *rule, const struct completion *c, size_t samples,
    struct verdict *v)
{
	struct score_input in = { .c = c, .n = 0, .more = samples };

	for (;;) {
		*v = judge(rule, &in);
		if (v->kind != U)
			return in.n;
		in.n += v->ask;
		in.more -= v->ask;
	}
}

static void
following_ask_gives_the_verdict_of_all_samples(void **state)
{
	static const char *const yaml[] = { "agreement: 0.8", "agreement: 0.6",
		"agreement: 0.4", "agreement: 1" };
	enum { W = 6 };
	size_t r, i, used, saved = 0;
	unsigned code;

	(void)state;
	if (getenv("FRUGAL_QUICK"))
		skip(); /* minutes under valgrind */
	for (r = 0; r < COUNT(yaml); r++) {
		struct fixture f = make(yaml[r]);

		for (code = 0; code < 1u << (2 * W); code++) {
			struct completion c[W];
			struct score_input all = { .c = c, .n = W };
			struct verdict early, full;

			for (i = 0; i < W; i++)
				c[i] = draw_answer((int)(code >> (2 * i) & 3), i);
			full = judge(f.rule, &all);
			used = follow(f.rule, c, W, &early);
			saved += W - used;
			assert_int_equal(early.kind, full.kind);
			/* Above a half nothing can overtake the choice. */
			if (early.kind == A && early.threshold.p > 0.5)
				assert_int_equal(early.chosen, full.chosen);
		}
		end(&f);
	}
	assert_true(saved > 0);
}

static void
many_samples_are_asked_for_in_few_steps(void **state)
{
	enum { W = 4096 };
	static struct completion c[W];
	struct fixture f = make("all: [regex: x, agreement: 0.75]");
	struct verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < W; i++)
		c[i] = completion_of("x");
	assert_int_equal(follow(f.rule, c, W, &v), W / 4 * 3);
	assert_int_equal(v.kind, A);
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_is_read_and_shown),
		cmocka_unit_test(a_mistake_is_complained_about),
		cmocka_unit_test(
		    all_mistakes_are_found_at_once_and_patterns_released),
		cmocka_unit_test(an_absent_rule_is_complained_about),
		cmocka_unit_test(a_rule_may_be_built_twice_from_one_place),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(a_threshold_that_will_surprise_is_warned_of),
		cmocka_unit_test(completions_are_judged),
		cmocka_unit_test(failing_a_format_rule_is_a_matter_of_form),
		cmocka_unit_test(samples_that_failed_count_against_agreement),
		cmocka_unit_test(a_mean_keeps_the_digits_next_to_1),
		cmocka_unit_test(a_threshold_decides_in_the_last_digit),
		cmocka_unit_test(a_reason_that_is_too_long_is_cut),
		cmocka_unit_test(
		    agreement_stops_as_early_as_can_be_and_never_too_early),
		cmocka_unit_test(combined_rules_never_stop_too_early),
		cmocka_unit_test(following_ask_gives_the_verdict_of_all_samples),
		cmocka_unit_test(many_samples_are_asked_for_in_few_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
