/*
 * test_setting.c -- which settings are tried on a tier, and how they are
 * written; and what harvest makes of traces.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cascade/harvest.h"

static struct arena *arena;
static struct settings settings;
static struct err e;

static int
begin(void **state)
{
	(void)state;
	arena = arena_new(0);
	settings.n = 0;
	return arena ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	settings_release(&settings);
	arena_free(arena);
	return 0;
}

static void
find(const struct recorded *r, const char *accept, int samples)
{
	struct report report;
	struct ynode *n = NULL;

	report_init(&report, arena, "t");
	if (accept) {
		n = yaml_parse(str_of(accept), arena, &report);
		assert_non_null(n);
	}
	assert_int_equal(settings_find(&settings, r, n, samples, arena, &e),
	    0);
	assert_false(settings.v[0].judged);
}

/* As `accept:` would have it, with the threshold 0.5. */
static const char *
written(size_t i)
{
	static char text[400];
	struct buf b;

	buf_init(&b, BUF_MAX);
	setting_accept(&settings.v[i], log(0.5), &b);
	snprintf(text, sizeof(text), "%d %s", settings.v[i].samples, b.p);
	buf_release(&b);
	return text;
}

static void
agreement_is_tried_at_several_numbers_of_samples(void **state)
{
	const struct recorded r = { .samples = 7 };

	(void)state;
	find(&r, NULL, 1);
	assert_int_equal(settings.n, 5);
	assert_string_equal(written(1), "2 {agreement: {at_least: 0.5}}");
	assert_string_equal(written(2), "3 {agreement: {at_least: 0.5}}");
	assert_string_equal(written(3), "5 {agreement: {at_least: 0.5}}");
	assert_string_equal(written(4), "7 {agreement: {at_least: 0.5}}");
}

static void
a_promise_is_of_the_first_that_is_not_spare(void **state)
{
	const struct recorded seven = { .samples = 7 }, two = { .samples = 2 };
	const struct recorded learned = { .samples = 1, .model = "a.model" };

	(void)state;
	find(&seven, NULL, 1);
	assert_int_equal(settings.v[settings_first(&settings)].samples, 3);
	settings_release(&settings);
	/* There is no other. */
	find(&two, NULL, 1);
	assert_int_equal(settings.n, 2);
	assert_int_equal(settings_first(&settings), 1);
	settings_release(&settings);
	find(&learned, NULL, 1);
	assert_int_equal(settings.n, 2);
	assert_int_equal(settings_first(&settings), 0);
}

static void
one_token_needs_one_aggregate(void **state)
{
	struct recorded r = { .samples = 1, .logprobs = true,
		.whole_text = true };

	(void)state;
	find(&r, NULL, 1);
	assert_int_equal(settings.n, 2);
	assert_string_equal(written(1), "1 {logprob: {at_least: 0.5}}");
	settings_release(&settings);
	r.whole_text = false;
	find(&r, NULL, 1);
	assert_string_equal(written(1),
	    "1 {logprob: {over: answer, at_least: 0.5}}");
	settings_release(&settings);
	r.whole_text = r.many_tokens = true;
	find(&r, NULL, 1);
	assert_int_equal(settings.n, 6);
}

static void
tried(const char *const *want, size_t n)
{
	for (size_t i = 0; i < n && i + 1 < settings.n; i++)
		assert_string_equal(written(i + 1), want[i]);
	assert_int_equal(settings.n, n + 1);
	for (size_t i = 1; i <= n; i++)
		assert_non_null(settings.v[i].rule);
}

static void
many_tokens_and_samples_are_tried_in_many_ways(void **state)
{
	static const char *const want[] = {
		"1 {logprob: {at_least: 0.5}}",
		"1 {logprob: {aggregate: min, at_least: 0.5}}",
		"1 {logprob: {aggregate: quantile, quantile: 0.1, at_least: 0.5}}",
		"1 {logprob: {aggregate: quantile, quantile: 0.25, at_least: 0.5}}",
		"1 {logprob: {aggregate: first, at_least: 0.5}}",
		"1 {logprob: {over: answer, at_least: 0.5}}",
		"1 {logprob: {aggregate: min, over: answer, at_least: 0.5}}",
		"1 {mean: {of: [logprob, {logprob: {over: answer}}], at_least: 0.5}}",
		"1 {all: {of: [logprob, {logprob: {over: answer}}], at_least: 0.5}}",
		"2 {agreement: {at_least: 0.5}}",
		"3 {agreement: {at_least: 0.5}}",
		"3 {mean: {of: [agreement, logprob], at_least: 0.5}}",
		"3 {all: {of: [agreement, logprob], at_least: 0.5}}",
		"3 {any: {of: [agreement, logprob], at_least: 0.5}}",
		"3 {mean: {of: [agreement, {logprob: {over: answer}}], at_least: 0.5}}",
		"5 {agreement: {at_least: 0.5}}",
		"5 {mean: {of: [agreement, logprob], at_least: 0.5}}",
		"5 {all: {of: [agreement, logprob], at_least: 0.5}}",
		"5 {any: {of: [agreement, logprob], at_least: 0.5}}",
		"5 {mean: {of: [agreement, {logprob: {over: answer}}], at_least: 0.5}}",
		"6 {agreement: {at_least: 0.5}}",
	};
	const struct recorded r = { .samples = 6, .logprobs = true,
		.whole_text = true, .many_tokens = true, .answers = true };

	(void)state;
	find(&r, NULL, 1);
	tried(want, sizeof(want) / sizeof(want[0]));
	assert_false(settings.v[7].combined);
	assert_true(settings.v[8].combined);
}

static void
a_pattern_is_tried_alone_and_with_others(void **state)
{
	static const char *const bare[] = {
		"1 {regex: {match: \"x\", at_least: 0.5}}",
		"1 {logprob: {over: answer, at_least: 0.5}}",
		"1 {all: {of: [{regex: \"x\"}, {logprob: {over: answer}}], at_least: 0.5}}",
		"1 {any: {of: [{regex: \"x\"}, {logprob: {over: answer}}], at_least: 0.5}}",
	};
	static const char *const one_way[] = {
		"1 {any: {of: [{any: [{regex: \"x\"}, {regex: \"y\"}]}, {logprob: {aggregate: min}}], at_least: 0.5}}",
		"1 {logprob: {aggregate: min, at_least: 0.5}}",
		"1 {logprob: {over: answer, at_least: 0.5}}",
		"1 {all: {of: [{any: [{regex: \"x\"}, {regex: \"y\"}]}, {logprob: {over: answer}}], at_least: 0.5}}",
		"1 {any: {of: [{any: [{regex: \"x\"}, {regex: \"y\"}]}, {logprob: {over: answer}}], at_least: 0.5}}",
	};
	const struct recorded r = { .samples = 1, .logprobs = true };

	(void)state;
	find(&r, "regex: x", 1);
	tried(bare, 4);
	assert_false(settings.v[1].combined);
	assert_true(settings.v[3].combined);
	settings_release(&settings);
	find(&r, "any: [regex: x, logprob: {aggregate: min, at_least: 0.4}, "
	    "regex: y]", 1);
	tried(one_way, 5);
	assert_false(settings.v[1].combined);
	settings_release(&settings);
	find(&(struct recorded){ .samples = 1 }, "any: [regex: x, regex: y]",
	    1);
	assert_int_equal(settings.n, 2);
	assert_string_equal(written(1), "1 {any: {of: [{any: "
	    "[{regex: \"x\"}, {regex: \"y\"}]}], at_least: 0.5}}");
}

static void
combinations_are_left_out_before_plain_settings(void **state)
{
	const struct recorded r = { .samples = 6, .logprobs = true,
		.whole_text = true, .many_tokens = true, .answers = true,
		.model = "a.model" };

	(void)state;
	find(&r, NULL, 1);
	settings_thin(&settings, 15);
	assert_int_equal(settings.n, 15);
	for (size_t i = 1; i < 15; i++) {
		assert_false(settings.v[i].combined);
		assert_true(settings.v[i].rule || settings.v[i].learned);
	}
	settings_thin(&settings, 9);
	assert_string_equal(settings.v[4].label, "logprob over: answer");
	assert_true(settings.v[8].learned);
	assert_int_equal(settings.v[8].samples, 1);
	settings_thin(&settings, 2);
	assert_int_equal(settings.n, 2);
	assert_string_equal(settings.v[1].label, "logprob");
}

static void
patterns_under_all_are_demanded_by_every_setting(void **state)
{
	const struct recorded r = { .samples = 3, .logprobs = true,
		.whole_text = true };

	(void)state;
	find(&r, "all: [regex: 'x', {logprob: {over: answer, at_least: 0.7}}]",
	    1);
	assert_string_equal(written(1), "1 {all: {of: [{regex: \"x\"}, "
	    "{logprob: {over: answer}}], at_least: 0.5}}");
	assert_string_equal(written(2), "1 {all: {of: [{regex: \"x\"}, "
	    "logprob], at_least: 0.5}}");
	for (size_t i = 1; i < settings.n; i++)
		assert_non_null(settings.v[i].rule);
}

static void
a_learned_score_comes_last_and_in_place_of_an_old_one(void **state)
{
	struct recorded r = { .samples = 7, .model = "a-small.model" };

	(void)state;
	find(&r, NULL, 1);
	assert_int_equal(settings.n, 8);
	assert_string_equal(written(5),
	    "1 {learned: {file: \"a-small.model\", at_least: 0.5}}");
	assert_string_equal(written(6),
	    "5 {learned: {file: \"a-small.model\", at_least: 0.5}}");
	assert_true(settings.v[7].learned);
	assert_int_equal(settings.v[7].samples, 7);
	assert_null(settings.v[7].rule);
	settings_release(&settings);
	r.samples = 1;
	find(&r, "all: [regex: 'x', {learned: {file: b.model, at_least: 0.7}}]",
	    1);
	assert_int_equal(settings.n, 2);
	assert_string_equal(written(1), "1 {all: {of: [{regex: \"x\"}, "
	    "{learned: {file: \"a-small.model\"}}], at_least: 0.5}}");
	assert_non_null(settings.v[1].rule);
}

static void
the_tiers_own_rule_comes_first(void **state)
{
	const struct recorded r = { .samples = 5 };

	(void)state;
	find(&r, "mean: {of: [agreement, regex: 'x'], weights: [2, 1], "
	    "at_least: 0.7}", 5);
	assert_string_equal(written(1), "5 {mean: {of: [agreement, "
	    "{regex: \"x\"}], weights: [2, 1], at_least: 0.5}}");
	settings_release(&settings);
	find(&r, "agreement: 0.8", 5);
	assert_string_equal(written(1), "5 {agreement: {at_least: 0.5}}");
	/* no second time */
	assert_int_equal(settings.n, 4);
}

static void
what_was_written_is_tried_again(void **state)
{
	static const char *const rules[] = {
		"{all: {of: [agreement, logprob], at_least: 0.5}}",
		"{mean: {of: [agreement, {logprob: {over: answer}}], at_least: 0.5}}",
		"{any: {of: [{regex: \"x\"}, logprob], at_least: 0.5}}",
		"{all: {of: [{regex: \"x\"}, logprob], at_least: 0.5}}",
		"{all: {of: [{regex: \"x\"}, {mean: {of: [agreement, logprob]}}], at_least: 0.5}}",
		"{all: {of: [{regex: \"x\"}, {regex: \"y\"}, {logprob: {over: answer}}], at_least: 0.5}}",
	};
	const struct recorded r = { .samples = 3, .logprobs = true,
		.whole_text = true, .many_tokens = true, .answers = true };

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		find(&r, rules[i], 3);
		assert_string_equal(written(1) + 2, rules[i]);
		/* What it demands all others demand. */
		for (size_t k = 1; i >= 3 && k < settings.n; k++)
			assert_non_null(strstr(written(k),
			    "{all: {of: [{regex: \"x\"}"));
		settings_release(&settings);
	}
}

static void
two_thresholds_cannot_be_moved_as_one(void **state)
{
	const struct recorded r = { .samples = 1 };

	(void)state;
	find(&r, "all: [agreement: 0.5, logprob: 0.5]", 1);
	assert_int_equal(settings.n, 1);
}

static void
a_threshold_accepts_what_it_was_found_to_accept(void **state)
{
	static const double score[] = { 0, -1e-300, -4.7e-12, -1e-7, -0.001,
		-0.0011, -0.22314355131420976, -0.5, -1, -40, -INFINITY };
	const struct recorded r = { .samples = 1, .logprobs = true,
		.whole_text = true };

	(void)state;
	find(&r, NULL, 1);
	for (size_t i = 0; i < sizeof(score) / sizeof(score[0]); i++) {
		struct report report;
		struct rule *rule;
		struct buf b;
		buf_init(&b, BUF_MAX);
		setting_accept(&settings.v[1], score[i], &b);
		report_init(&report, arena, "t");
		rule = rule_build(yaml_parse(buf_str(&b), arena, &report),
		    arena, &report);
		assert_non_null(rule);
		for (size_t k = 0; k < sizeof(score) / sizeof(score[0]); k++) {
			struct token token = { 0, 1, score[k] < LOGPROB_FLOOR
			    ? LOGPROB_FLOOR : score[k] };
			struct completion c = { .text = STR("x"),
				.answer = STR("x"), .has_answer = true,
				.tokens = &token, .n_tokens = 1 };
			struct score_input in = { .c = &c, .n = 1 };
			struct verdict v;
			assert_int_equal(rule_judge(rule, &in, &v, &e), 0);
			if ((v.kind == VERDICT_ACCEPT)
			    != (score[k] >= score[i]))
				fail_msg("%s with %g", b.p, score[k]);
		}
		rule_release(rule);
		buf_release(&b);
	}
	assert_string_equal(written(1), "1 {logprob: {at_least: 0.5}}");
}

/* --- harvest ------------------------------------------------------------- */

#define LINE(id, tier, text, extra) \
	"{\"id\":\"" id "\",\"dataset\":\"d\",\"split\":\"dev\",\"prompt\":" \
	"\"?\",\"reference\":\"1\",\"tier\":\"" tier "\",\"completions\":[" \
	"{\"text\":\"" text "\"" extra "}]}\n"
#define COST(c, ln) ",\"cost_usd\":" c ",\"logprobs\":[{\"token\":\"x\"," \
	"\"logprob\":" ln "}]"
#define TRACES \
	LINE("a", "small", "1", COST("0.1", "-0.5")) \
	LINE("a", "big", "1", COST("1", "-0.1")) \
	LINE("b", "small", "2", COST("0.2", "-0.7")) \
	LINE("b", "big", "1", COST("2", "-0.2")) \
	LINE("c", "small", "1", COST("0.3", "-0.6"))

static void
reap(struct harvest *h, const struct harvest_options *o, const char *traces)
{
	char path[] = "/tmp/frugal-harvest-XXXXXX";
	int fd = mkstemp(path);
	struct trace *t;
	struct trace_task *task;
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, traces, strlen(traces)), strlen(traces));
	close(fd);
	assert_int_equal(harvest_init(h, o, &e), 0);
	assert_int_equal(trace_open(&t, path, &e), 0);
	while ((rc = trace_next(t, &task, &e)) > 0)
		assert_int_equal(harvest_add(h, task, &e), 0);
	assert_int_equal(rc, 0);
	trace_close(t);
	unlink(path);
}

static void
traces_become_rows(void **state)
{
	const struct harvest_options o = { .metric = { .kind = METRIC_TRACE } };
	struct harvest h;

	(void)state;
	reap(&h, &o, TRACES);
	assert_int_equal(harvest_end(&h, &e), 0);
	assert_int_equal(h.m->tasks, 2);
	assert_int_equal(h.tiers, 2);
	assert_int_equal(h.top, 1); /* the dearest */
	assert_int_equal(h.left_out, 1);
	assert_string_equal(h.reasons[0].text, "tier 'big' was not recorded");
	assert_int_equal(h.m->columns, 4);
	assert_null(h.m->col[0].score);
	assert_true(h.m->col[1].score[0] == -0.5);
	assert_true(h.m->col[1].score[1] == -0.7);
	assert_int_equal(h.m->col[0].right[0], 1);
	assert_int_equal(h.m->col[0].right[1], 0);
	assert_int_equal(h.m->col[2].cost[1], INT64_C(2000000000000));
	harvest_release(&h);
}

static void
without_labels_right_is_what_the_top_tier_says(void **state)
{
	const struct harvest_options o = { .label_free = true,
		.top = STR("small") };
	struct harvest h;

	(void)state;
	reap(&h, &o, LINE("a", "small", "7", COST("0.1", "-0.5")
	    ",\"answer\":\"7\"")
	    LINE("a", "big", "1", COST("1", "-0.1") ",\"answer\":\"1\""));
	assert_int_equal(harvest_end(&h, &e), 0);
	assert_int_equal(h.top, 0);
	assert_int_equal(h.m->col[0].right[0], 1);
	assert_int_equal(h.m->col[2].right[0], 0);
	harvest_release(&h);
}

static void
what_a_verification_cost_is_paid(void **state)
{
	const struct harvest_options o = { .metric = { .kind = METRIC_TRACE } };
	struct harvest h;

	(void)state;
	reap(&h, &o, LINE("a", "small", "1", ",\"cost_usd\":1,\"verify\":{"
	    "\"p_true\":0.5,\"cost_usd\":2}")
	    LINE("a", "big", "1", ",\"cost_usd\":9"));
	assert_int_equal(harvest_end(&h, &e), 0);
	assert_int_equal(h.m->columns, 3);
	assert_int_equal(h.m->col[0].cost[0], INT64_C(1000000000000));
	assert_int_equal(h.m->col[1].cost[0], INT64_C(3000000000000));
	assert_true(h.m->col[1].score[0] == log(0.5));
	assert_true(str_is(harvest_setting(&h, 1)->before,
	    "{verify: {at_least: "));
	harvest_release(&h);
}

static void
only_the_tasks_and_tiers_asked_for_count(void **state)
{
	const char *only[] = { "big" };
	const struct opt_names names = { only, 1 };
	struct harvest_options o = { .only = &names, .split = STR("dev") };
	struct harvest h;

	(void)state;
	reap(&h, &o, TRACES);
	assert_int_equal(harvest_end(&h, &e), 0);
	assert_int_equal(h.tiers, 1);
	harvest_release(&h);
	o.split = STR("test");
	reap(&h, &o, TRACES);
	assert_int_equal(harvest_end(&h, &e), -1);
	assert_int_equal(h.skipped, 3);
	harvest_release(&h);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(agreement_is_tried_at_several_numbers_of_samples),
		T(a_promise_is_of_the_first_that_is_not_spare),
		T(one_token_needs_one_aggregate),
		T(many_tokens_and_samples_are_tried_in_many_ways),
		T(a_pattern_is_tried_alone_and_with_others),
		T(combinations_are_left_out_before_plain_settings),
		T(patterns_under_all_are_demanded_by_every_setting),
		T(a_learned_score_comes_last_and_in_place_of_an_old_one),
		T(the_tiers_own_rule_comes_first),
		T(what_was_written_is_tried_again),
		T(two_thresholds_cannot_be_moved_as_one),
		T(a_threshold_accepts_what_it_was_found_to_accept),
		T(traces_become_rows),
		T(without_labels_right_is_what_the_top_tier_says),
		T(what_a_verification_cost_is_paid),
		T(only_the_tasks_and_tiers_asked_for_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
