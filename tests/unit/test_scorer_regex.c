/*
 * test_scorer_regex.c -- patterns that a text must and must not match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scorers/scorer.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

/* A scorer as a rule would make it. */
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
	struct fixture f = { .ops = scorer_find(STR("regex")) };
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

static void
end(struct fixture *f)
{
	f->ops->fini(f->state);
	arena_free(f->arena);
}

/* The text is the first of two completions, to see that `chosen` is heeded. */
static struct score_output
score(struct fixture *f, const char *text, const char *answer)
{
	struct completion c[2] = {
		{ .text = STR("another"), .answer = STR("another"),
		    .has_answer = true },
		{ .text = str_of(text), .answer = str_of(answer),
		    .has_answer = answer != NULL },
	};
	struct score_input in = { .c = c, .n = 2, .chosen = 1 };
	struct score_output out = { .chosen = 99 };
	struct err e;

	assert_true(f->ok);
	assert_int_equal(f->ops->score(f->state, &in, &out, &e), 0);
	assert_int_equal(out.chosen, 99);
	return out;
}

static const struct {
	const char *options, *text, *answer;
	int score;
	const char *reason;
} cases[] = {
	{ "match: '####'", "so #### 4", NULL, 1, "pattern '####' matches" },
	{ "match: '####'", "so 4", NULL, 0, "pattern '####' does not match" },
	{ "match: '####'", "", NULL, 0, "pattern '####' does not match" },
	{ "match: ['a', 'b']", "ab", NULL, 1, "all 2 patterns match" },
	{ "match: ['a', 'b']", "bb", NULL, 0, "pattern 'a' does not match" },
	{ "match: ['a', 'b']", "aa", NULL, 0, "pattern 'b' does not match" },
	{ "match: 42", "is 42", NULL, 1, "pattern '42' matches" },
	{ "match: '^b$'", "a\nb\nc", NULL, 1, "pattern '^b$' matches" },
	{ "not: sorry", "fine", NULL, 1, "no forbidden pattern matches" },
	{ "not: sorry", "I am sorry", NULL, 0,
	    "forbidden pattern 'sorry' matches" },
	{ "not: [sorry, cannot]", "I cannot", NULL, 0,
	    "forbidden pattern 'cannot' matches" },
	{ "not: sorry", "", NULL, 1, "no forbidden pattern matches" },
	{ "{match: a, not: b}", "a", NULL, 1, "pattern 'a' matches" },
	{ "{match: a, not: b}", "ab", NULL, 0, "forbidden pattern 'b' matches" },
	{ "{match: a, not: b}", "b", NULL, 0, "pattern 'a' does not match" },
	{ "match: sorry", "SORRY", NULL, 0, "pattern 'sorry' does not match" },
	{ "{match: sorry, ignore_case: true}", "SORRY", NULL, 1,
	    "pattern 'sorry' matches" },
	{ "{not: sorry, ignore_case: true}", "Sorry", NULL, 0,
	    "forbidden pattern 'sorry' matches" },
	{ "{match: '^\\d+$', over: answer}", "it is 42", "42", 1,
	    "pattern '^\\d+$' matches" },
	{ "{match: '^\\d+$', over: text}", "it is 42", "42", 0,
	    "pattern '^\\d+$' does not match" },
	{ "{not: x, over: answer}", "it is 42", NULL, 0,
	    "no answer was found in the text" },
	{ "match: '(a+)+$'",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL, 0,
	    "pattern '(a+)+$' exceeded the match limit" },
	{ "not: '(a+)+$'",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL, 0,
	    "pattern '(a+)+$' exceeded the match limit" },
	{ "match: \"a\\eb\"", "x", NULL, 0, "pattern 'a^[b' does not match" },
};

static void
a_text_scores_1_or_0_with_a_reason(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct fixture f = make(cases[i].options);
		struct score_output out = score(&f, cases[i].text,
		    cases[i].answer);

		assert_string_equal(out.reason, cases[i].reason);
		assert_true(out.score.p == cases[i].score);
		end(&f);
	}
}

static void
the_same_completion_scores_the_same_again(void **state)
{
	struct fixture f = make("{match: a, not: b}");

	(void)state;
	assert_true(score(&f, "a", NULL).score.p == 1);
	assert_true(score(&f, "b", NULL).score.p == 0);
	assert_true(score(&f, "a", NULL).score.p == 1);
	end(&f);
}

static void
nothing_to_judge_scores_0(void **state)
{
	struct fixture f = make("not: x");
	struct score_input in = { .n = 0 };
	struct score_output out;
	struct err e;

	(void)state;
	assert_true(f.ok);
	assert_int_equal(f.ops->score(f.state, &in, &out, &e), 0);
	assert_true(out.score.p == 0);
	assert_string_equal(out.reason, "no completion came back");
	end(&f);
}

static void
a_long_pattern_is_cut_in_the_reason(void **state)
{
	char options[2000] = "match: '";
	struct fixture f;
	struct score_output out;
	size_t i;

	(void)state;
	/* Letters with combining marks: few columns, many bytes. */
	for (i = 0; i < 300; i++)
		strcat(options, "a\xcc\x81\xcc\x81");
	strcat(options, "'");
	f = make(options);
	out = score(&f, "x", NULL);
	assert_true(strlen(out.reason) < 150);
	assert_true(str_ends(str_of(out.reason), "...' does not match"));
	end(&f);
}

static const struct {
	const char *options, *complaint;
} mistakes[] = {
	{ "{}", "regex needs a pattern, as in \"regex: '####'\"" },
	{ "{over: text}", "regex needs a pattern" },
	{ "match: ''", "empty pattern in match matches every text" },
	{ "not: [a, '']", "empty pattern in not matches every text" },
	{ "match: []", "the list of patterns in match is empty" },
	{ "match: '(a'", "bad pattern in match: at character" },
	{ "not: [ok, 'a)']", "bad pattern in not: at character" },
	{ "match: {a: b}", "match" },
	{ "match: [[a]]", "match" },
	{ "{match: a, over: txt}", "unknown over 'txt'; did you mean 'text'?" },
	{ "{match: a, over: everything}",
	    "unknown over 'everything'; it is text or answer" },
	{ "{match: a, ignore_case: 7}", "ignore_case" },
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
		buf_init(&b, BUF_MAX);
		report_print(&f.report, &b, true, true);
		assert_int_equal(f.report.errors, 1);
		if (!str_has(buf_str(&b), mistakes[i].complaint))
			fail_msg("%s: %s", mistakes[i].options, b.p);
		buf_release(&b);
		end(&f);
	}
}

static void
every_bad_pattern_of_a_list_is_named(void **state)
{
	struct fixture f = make("{match: ['(', ok, ')'], not: '['}");

	(void)state;
	assert_false(f.ok);
	assert_int_equal(f.report.errors, 3);
	end(&f);
}

static void
its_description_is_complete(void **state)
{
	const struct scorer_ops *ops = scorer_find(STR("regex"));
	size_t i;

	(void)state;
	assert_int_equal(ops->flags, SCORER_BINARY | SCORER_FORMAT);
	assert_string_equal(ops->shorthand, "match");
	for (i = 0; ops->options[i].name; i++) {
		assert_non_null(ops->options[i].type);
		assert_non_null(ops->options[i].deflt);
		assert_non_null(ops->options[i].help);
	}
	assert_int_equal(i, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_scores_1_or_0_with_a_reason),
		cmocka_unit_test(the_same_completion_scores_the_same_again),
		cmocka_unit_test(nothing_to_judge_scores_0),
		cmocka_unit_test(a_long_pattern_is_cut_in_the_reason),
		cmocka_unit_test(a_mistake_in_the_options_is_complained_about),
		cmocka_unit_test(every_bad_pattern_of_a_list_is_named),
		cmocka_unit_test(its_description_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
