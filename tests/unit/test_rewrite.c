/*
 * test_rewrite.c -- a learned cascade in the text of a configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cascade/rewrite.h"

static void
check(const char *text, const struct rewrite_tier *t, size_t n,
    const char *want)
{
	struct buf out;
	struct err e;

	buf_init(&out, BUF_MAX);
	if (rewrite_cascade(str_of(text), "x.yaml", STR("x"), t, n,
	    STR(""), STR("one\ntwo"), &out, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(out.p, want);
	buf_release(&out);
}

#define TOP \
	"providers: {p: {api: recorded}} # all of them\n" \
	"cascades:\n" \
	"  x:\n" \
	"    tiers: # cheapest first\n"
#define MARKS \
	"      # frugal tune: one\n" \
	"      # frugal tune: two\n"

static void
values_are_replaced_and_comments_stay(void **state)
{
	const struct rewrite_tier t[] = {
		{ 0, 5, STR("{agreement: {at_least: 0.6}}") },
		{ 1, 0, { NULL, 0 } },
	};

	(void)state;
	check(TOP
	    "      # the small one\n"
	    "      - model: p/a\n"
	    "        samples: 3 # was 2\n"
	    "        accept: {agreement: 0.8} # guessed\n"
	    "        temperature: 1\n"
	    "      # the big one\n"
	    "      - model: p/b\n"
	    "models: {}\n", t, 2,
	    TOP MARKS
	    "      # the small one\n"
	    "      - model: p/a\n"
	    "        samples: 5 # was 2\n"
	    "        accept: {agreement: {at_least: 0.6}} # guessed\n"
	    "        temperature: 1\n"
	    "      # the big one\n"
	    "      - model: p/b\n"
	    "models: {}\n");
}

static void
what_is_missing_is_added(void **state)
{
	const struct rewrite_tier t[] = {
		{ 0, 5, STR("{agreement: {at_least: 0.6}}") },
		{ 1, 0, STR("{regex: 'x'}") },
		{ 2, 0, { NULL, 0 } },
	};

	(void)state;
	check(TOP
	    "      - model: p/a\n"
	    "      - {model: p/b, stop: ['}', \"]\"]} # brackets\n"
	    "      - model: p/c", t, 3,
	    TOP MARKS
	    "      - model: p/a\n"
	    "        samples: 5\n"
	    "        accept: {agreement: {at_least: 0.6}}\n"
	    "      - {model: p/b, stop: ['}', \"]\"], accept: {regex: 'x'}} "
	    "# brackets\n"
	    "      - model: p/c\n");
}

static void
rules_over_several_lines_are_replaced_whole(void **state)
{
	const struct rewrite_tier t[] = {
		{ 0, 0, STR("{logprob: {at_least: {log: -1e-9}}}") },
		{ 1, 0, { NULL, 0 } },
	};

	(void)state;
	check(TOP
	    "      - accept:\n"
	    "          all:\n"
	    "            - regex: '#'\n"
	    "            - logprob: 0.5\n"
	    "\n"
	    "        # after it\n"
	    "        model: p/a\n"
	    "      - model: p/b\n", t, 2,
	    TOP MARKS
	    "      - accept: {logprob: {at_least: {log: -1e-9}}}\n"
	    "\n"
	    "        # after it\n"
	    "        model: p/a\n"
	    "      - model: p/b\n");
	check(TOP
	    "      - {model: p/a, accept: {all: [regex: ']', logprob: 0.5]}, "
	    "seed: 1}\n"
	    "      - model: p/b\n", t, 2,
	    TOP MARKS
	    "      - {model: p/a, accept: {logprob: {at_least: {log: -1e-9}}},"
	    " seed: 1}\n"
	    "      - model: p/b\n");
}

static void
tiers_are_reordered_and_dropped_ones_commented_out(void **state)
{
	const struct rewrite_tier t[] = {
		{ 2, 0, STR("{logprob: {at_least: 0.5}}") },
		{ 0, 0, { NULL, 0 } },
	};

	(void)state;
	check(TOP
	    "      # frugal tune: an older one\n"
	    "      # about a\n"
	    "      - model: p/a\n"
	    "      # about b\n"
	    "      - model: p/b\n"
	    "        samples: 3\n"
	    "      # about c\n"
	    "      - model: p/c\n"
	    "  y:\n"
	    "    tiers: []\n", t, 2,
	    TOP MARKS
	    "      # about c\n"
	    "      - model: p/c\n"
	    "        accept: {logprob: {at_least: 0.5}}\n"
	    "      # about a\n"
	    "      - model: p/a\n"
	    "      # about b\n"
	    "      # - model: p/b\n"
	    "      #   samples: 3\n"
	    "  y:\n"
	    "    tiers: []\n");
}

static void
a_list_in_brackets_is_refused(void **state)
{
	const struct rewrite_tier t = { 0, 0, STR("{regex: 'x'}") };
	struct buf out;
	struct err e;

	(void)state;
	buf_init(&out, BUF_MAX);
	assert_int_equal(rewrite_cascade(STR("cascades: {x: {tiers: "
	    "[{model: p/a}]}}\n"), "x.yaml", STR("x"), &t, 1, STR(""),
	    STR("c"), &out, &e), -1);
	assert_non_null(strstr(e.msg, "x.yaml:1: the tiers are not written"));
	assert_int_equal(rewrite_cascade(STR("cascades: {x: {}}\n"), "x.yaml",
	    STR("x"), &t, 1, STR(""), STR("c"), &out, &e), -1);
	buf_release(&out);
}

static void
a_route_of_ours_comes_and_goes_and_others_stay(void **state)
{
	static const struct rewrite_tier t[] = { { 0, 0, { NULL, 0 } },
		{ 1, 0, { NULL, 0 } } };
	static const char plain[] = "cascades:\n  x:\n    answer: a\n"
	    "    # mine\n    tiers:\n      # frugal tune: c\n"
	    "      - model: p/a\n      - model: p/b\n";
	struct buf with, other, out;
	struct err e;

	(void)state;
	buf_init(&with, BUF_MAX);
	buf_init(&other, BUF_MAX);
	buf_init(&out, BUF_MAX);
	assert_int_equal(rewrite_cascade(str_of(plain), "x.yaml", STR("x"), t, 2,
	    STR("[1]"), STR("c"), &with, &e), 0);
	assert_non_null(strstr(with.p, "    # mine\n    route: [1] # frugal "
	    "tune\n    tiers:\n"));
	/* another takes its place */
	assert_int_equal(rewrite_cascade(buf_str(&with), "x.yaml", STR("x"), t,
	    2, STR("[2]"), STR("c"), &other, &e), 0);
	assert_non_null(strstr(other.p, "    # mine\n    route: [2] # frugal "
	    "tune\n    tiers:\n"));
	assert_null(strstr(other.p, "[1]"));
	/* and without one all is as it was */
	assert_int_equal(rewrite_cascade(buf_str(&other), "x.yaml", STR("x"),
	    t, 2, STR(""), STR("c"), &out, &e), 0);
	assert_string_equal(out.p, plain);
	/* What we did not write stays, and is not overwritten. */
	buf_clear(&out);
	buf_clear(&with);
	buf_adds(&with, "cascades:\n  x:\n    tiers:\n      - model: p/a\n"
	    "      - model: p/b\n    route: [{start: 2, longer_than: 9}]\n");
	assert_int_equal(rewrite_cascade(buf_str(&with), "x.yaml", STR("x"), t,
	    2, STR(""), STR("c"), &out, &e), 0);
	assert_non_null(strstr(out.p, "route: [{start: 2, longer_than: 9}]"));
	assert_int_equal(rewrite_cascade(buf_str(&with), "x.yaml", STR("x"), t,
	    2, STR("[1]"), STR("c"), &out, &e), -1);
	assert_non_null(strstr(e.msg, "x.yaml:6: the cascade has a route"));
	buf_release(&with);
	buf_release(&other);
	buf_release(&out);
}

static void
the_difference_is_shown_with_lines_around_it(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, BUF_MAX);
	rewrite_diff(STR("1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
	    STR("1\n2\n3\n4\n5x\n6\n7\n8\n9\n"), &out);
	assert_string_equal(out.p,
	    "  3\n  4\n- 5\n+ 5x\n  6\n  7\n");
	buf_clear(&out);
	rewrite_diff(STR("1\n2\n"), STR("1\n2\n"), &out);
	assert_int_equal(out.n, 0);
	rewrite_diff(STR("1\n2\n"), STR("1\n2\n3\n"), &out);
	assert_string_equal(out.p, "  1\n  2\n+ 3\n");
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_replaced_and_comments_stay),
		cmocka_unit_test(what_is_missing_is_added),
		cmocka_unit_test(rules_over_several_lines_are_replaced_whole),
		cmocka_unit_test(
		    tiers_are_reordered_and_dropped_ones_commented_out),
		cmocka_unit_test(a_list_in_brackets_is_refused),
		cmocka_unit_test(a_route_of_ours_comes_and_goes_and_others_stay),
		cmocka_unit_test(the_difference_is_shown_with_lines_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
