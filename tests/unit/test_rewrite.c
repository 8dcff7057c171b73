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
		{ 0, 5, STR("{agreement: {at_least: 0.6}}"), { NULL, 0 } },
		{ 1, 0, { NULL, 0 }, { NULL, 0 } },
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
		{ 0, 5, STR("{agreement: {at_least: 0.6}}"), { NULL, 0 } },
		{ 1, 0, STR("{regex: 'x'}"), { NULL, 0 } },
		{ 2, 0, { NULL, 0 }, { NULL, 0 } },
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
		{ 0, 0, STR("{logprob: {at_least: {log: -1e-9}}}"), { NULL, 0 } },
		{ 1, 0, { NULL, 0 }, { NULL, 0 } },
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
		{ 2, 0, STR("{logprob: {at_least: 0.5}}"), { NULL, 0 } },
		{ 0, 0, { NULL, 0 }, { NULL, 0 } },
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

/* a cheaper b is dropped: c, then a. */
static const struct rewrite_tier c_a[] = {
	{ 2, 5, STR("{agreement: {at_least: 0.6}}"), { NULL, 0 } },
	{ 0, 0, { NULL, 0 }, { NULL, 0 } },
};

static void
a_list_in_brackets_is_rewritten_in_its_line(void **state)
{
	static const char want[] =
	    "cascades:\n"
	    "  x: # mine\n"
	    "    # about them\n"
	    "    # left out by frugal tune: {\"model\":\"p/b\",\"stop\":\"it's\"}\n"
	    "    # frugal tune: one\n"
	    "    # frugal tune: two\n"
	    "    tiers: [{model: p/\xc3\xa4, samples: 5, accept: "
	    "{agreement: {at_least: 0.6}}}, {\"model\": \"p/a\"}] # all\n"
	    "    system: x\n";

	(void)state;
	check("cascades:\n"
	    "  x: # mine\n"
	    "    # about them\n"
	    "    # frugal tune: long ago\n"
	    "    tiers: [{\"model\": \"p/a\"}, {model: p/b, stop: it's}, "
	    "{model: p/\xc3\xa4, samples: 3, accept: {all: [regex: '}', "
	    "logprob: 0.5]}}] # all\n"
	    "    system: x\n", c_a, 2, want);
	check(want, (const struct rewrite_tier[]){
	    { 0, 0, STR("{agreement: {at_least: 0.6}}"), { NULL, 0 } },
	    { 1, 0, { NULL, 0 }, { NULL, 0 } } }, 2, want);
}

static void
tiers_in_brackets_with_lines_of_their_own_keep_their_comments(void **state)
{
	(void)state;
	check("cascades: {x: {\n"
	    "  answer: '#', # of what\n"
	    "  tiers: [ # cheapest first\n"
	    "    # about a\n"
	    "    {model: p/a}, # small\n"
	    "\n"
	    "    {model: p/b,\n"
	    "     samples: 3}, # middle ]\n"
	    "    {model: p/c, # big\n"
	    "     accept: {regex: ']'}, samples: 3},\n"
	    "  ], note: hm}}\n", c_a, 2,
	    "cascades: {x: {\n"
	    "  answer: '#', # of what\n"
	    "  # frugal tune: one\n"
	    "  # frugal tune: two\n"
	    "  tiers: [ # cheapest first\n"
	    "    {model: p/c, # big\n"
	    "     accept: {agreement: {at_least: 0.6}}, samples: 5},\n"
	    "    # about a\n"
	    "    {model: p/a} # small\n"
	    "\n"
	    "    # {model: p/b,\n"
	    "    #  samples: 3}, # middle ]\n"
	    "  ], note: hm}}\n");
}

static void
json_says_it_in_the_note(void **state)
{
	static const char want[] =
	    "{\n"
	    "  \"cascades\": {\n"
	    "    \"x\": {\n"
	    "      \"note\": [\n"
	    "        \"mine\",\n"
	    "        \"left out by frugal tune: "
	    "{\\\"model\\\":\\\"p/b\\\"}\",\n"
	    "        \"frugal tune: one\",\n"
	    "        \"frugal tune: two\"\n"
	    "      ],\n"
	    "      \"tiers\": [\n"
	    "        {\n"
	    "          \"model\": \"p/c\",\n"
	    "          \"samples\": 5,\n"
	    "          \"accept\": {\"agreement\":{\"at_least\":0.6}}\n"
	    "        },\n"
	    "        {\"model\": \"p/a\"}\n"
	    "      ]\n"
	    "    }\n"
	    "  }\n"
	    "}\n";

	(void)state;
	check("{\n"
	    "  \"cascades\": {\n"
	    "    \"x\": {\n"
	    "      \"note\": [\"mine\", \"frugal tune: old\"],\n"
	    "      \"tiers\": [\n"
	    "        {\"model\": \"p/a\"},\n"
	    "        {\"model\": \"p/b\"},\n"
	    "        {\n"
	    "          \"model\": \"p/c\"\n"
	    "        }\n"
	    "      ]\n"
	    "    }\n"
	    "  }\n"
	    "}\n", c_a, 2, want);
	check(want, (const struct rewrite_tier[]){ { 0, 0, { NULL, 0 },
	    { NULL, 0 } }, { 1, 0, { NULL, 0 }, { NULL, 0 } } }, 2, want);
	check("{\"cascades\": {\"x\": {\"tiers\": [{\"model\": \"p/a\"}]}}}",
	    c_a + 1, 1,
	    "{\"cascades\": {\"x\": {\"note\": [ \"frugal tune: one\", "
	    "\"frugal tune: two\" ], \"tiers\": [{\"model\": \"p/a\"}]}}}");
}

/* A coin toss: a share begins at the first, which takes what it says. */
static const struct rewrite_tier toss[] = {
	{ 0, 0, STR("always"), STR("0.44") },
	{ 1, 0, { NULL, 0 }, STR("1") },
};

static void
a_share_is_written_in_lines_in_brackets_and_in_json(void **state)
{
	(void)state;
	check(TOP
	    "      - model: p/a\n"
	    "      - model: p/b\n"
	    "        share: 0.25 # of old\n", toss, 2,
	    TOP MARKS
	    "      - model: p/a\n"
	    "        accept: always\n"
	    "        share: 0.44\n"
	    "      - model: p/b\n"
	    "        share: 1 # of old\n");
	check("cascades:\n"
	    "  x:\n"
	    "    tiers: [{model: p/a, accept: {regex: x}}, "
	    "{share: 0.25, model: p/b}]\n", toss, 2,
	    "cascades:\n"
	    "  x:\n"
	    "    # frugal tune: one\n"
	    "    # frugal tune: two\n"
	    "    tiers: [{model: p/a, accept: always, share: 0.44}, "
	    "{share: 1, model: p/b}]\n");
	check("{\"cascades\": {\"x\": {\"tiers\": [{\"model\": \"p/a\"}, "
	    "{\"share\": 0.25, \"model\": \"p/b\"}]}}}", toss, 2,
	    "{\"cascades\": {\"x\": {\"note\": [ \"frugal tune: one\", "
	    "\"frugal tune: two\" ], \"tiers\": [{\"model\": \"p/a\", "
	    "\"accept\": \"always\", \"share\": 0.44}, "
	    "{\"share\": 1, \"model\": \"p/b\"}]}}}");
}

static void
refused(const char *text, const char *why)
{
	const struct rewrite_tier t = { 0, 0, STR("{regex: 'x'}"),
		{ NULL, 0 } };
	struct buf out;
	struct err e;

	buf_init(&out, BUF_MAX);
	assert_int_equal(rewrite_cascade(str_of(text), "x.yaml", STR("x"), &t,
	    1, STR(""), STR("c"), &out, &e), -1);
	if (!strstr(e.msg, why))
		fail_msg("%s", e.msg);
	buf_release(&out);
}

static void
a_route_of_ours_comes_and_goes_and_others_stay(void **state)
{
	static const struct rewrite_tier t[] = { { 0, 0, { NULL, 0 },
		{ NULL, 0 } }, { 1, 0, { NULL, 0 }, { NULL, 0 } } };
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
what_cannot_be_found_is_refused(void **state)
{
	(void)state;
	refused("y: &t [{model: p/a}]\ncascades: {x: {tiers: *t}}\n",
	    "x.yaml:1: not all of the tiers are written where");
	refused("y: &t {model: p/a}\ncascades: {x: {tiers: [*t]}}\n",
	    "x.yaml:2: not all of the tiers are written where");
	refused("cascades: {x: {tiers: [{model: p/a}, # small\n"
	    "  {model: p/b}]}}\n",
	    "x.yaml:1: there are comments among tiers that share lines");
	refused("cascades: {x: {}}\n", "x.yaml: no tiers of cascade 'x'");
}

static void
a_route_stands_above_tiers_in_brackets_and_what_is_said_of_them(void **state)
{
	static const char plain[] = "cascades:\n  x:\n    # mine\n"
	    "    tiers: [{model: p/a}, {model: p/b}]\n";
	static const char want[] = "cascades:\n  x:\n    # mine\n"
	    "    route: [%d] # frugal tune\n"
	    "    # left out by frugal tune: {\"model\":\"p/b\"}\n"
	    "    # frugal tune: c\n"
	    "    tiers: [{model: p/a}]\n";
	static const struct rewrite_tier t = { 0, 0, { NULL, 0 },
		{ NULL, 0 } };
	struct buf once, twice, expected;
	struct err e;

	(void)state;
	buf_init(&once, BUF_MAX);
	buf_init(&twice, BUF_MAX);
	buf_init(&expected, BUF_MAX);
	buf_addf(&expected, want, 1);
	assert_int_equal(rewrite_cascade(str_of(plain), "x.yaml", STR("x"), &t,
	    1, STR("[1]"), STR("c"), &once, &e), 0);
	assert_string_equal(once.p, expected.p);
	/* The next one takes its place. (Who was left out stays named.) */
	buf_clear(&expected);
	buf_addf(&expected, want, 2);
	assert_int_equal(rewrite_cascade(buf_str(&once), "x.yaml", STR("x"),
	    &t, 1, STR("[2]"), STR("c"), &twice, &e), 0);
	assert_string_equal(twice.p, expected.p);
	buf_release(&once);
	buf_release(&twice);
	buf_release(&expected);
}

static void
no_route_is_written_into_a_cascade_in_brackets(void **state)
{
	static const char *const texts[] = {
		"cascades: {x: {tiers: [{model: p/a}, {model: p/b}]}}\n",
		"cascades:\n  x: {\n    tiers: [{model: p/a}]}\n",
		"{\"cascades\": {\"x\": {\n\"tiers\": [{}]}}}\n",
	};
	static const struct rewrite_tier t = { 0, 0, { NULL, 0 },
		{ NULL, 0 } };
	struct buf out;
	struct err e;

	(void)state;
	buf_init(&out, BUF_MAX);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(rewrite_cascade(str_of(texts[i]), "x.yaml",
		    STR("x"), &t, 1, STR("[1]"), STR("c"), &out, &e), -1);
		assert_non_null(strstr(e.msg, "a route is not written into a "
		    "cascade in brackets or in JSON"));
		assert_int_equal(out.n, 0);
	}
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
		cmocka_unit_test(a_list_in_brackets_is_rewritten_in_its_line),
		cmocka_unit_test(
		    tiers_in_brackets_with_lines_of_their_own_keep_their_comments),
		cmocka_unit_test(json_says_it_in_the_note),
		cmocka_unit_test(
		    a_share_is_written_in_lines_in_brackets_and_in_json),
		cmocka_unit_test(a_route_of_ours_comes_and_goes_and_others_stay),
		cmocka_unit_test(
		    a_route_stands_above_tiers_in_brackets_and_what_is_said_of_them),
		cmocka_unit_test(no_route_is_written_into_a_cascade_in_brackets),
		cmocka_unit_test(what_cannot_be_found_is_refused),
		cmocka_unit_test(the_difference_is_shown_with_lines_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
