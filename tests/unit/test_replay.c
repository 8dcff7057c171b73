/*
 * test_replay.c -- a cascade over recorded completions.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "cascade/replay.h"

static struct config *cfg;
static const struct cascade *k;
static struct trace_task trace;
static struct replay out;
static struct err e;

static int
begin(void **state)
{
	(void)state;
	memset(&trace, 0, sizeof(trace));
	memset(&e, 0, sizeof(e));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	task_free(trace.task);
	config_free(cfg);
	cfg = NULL;
	return 0;
}

#define HEAD \
	"providers:\n" \
	"  p: {api: recorded}\n" \
	"models:\n" \
	"  p/a: {input_per_mtok: 1, output_per_mtok: 2}\n" \
	"  p/b: {input_per_mtok: 10, output_per_mtok: 20}\n" \
	"cascades:\n" \
	"  x:\n" \
	"    answer: '####\\s*(\\S+)'\n"
#define TWO HEAD "    tiers:\n" \
	"      - {model: p/a, accept: {regex: '####'}}\n" \
	"      - {model: p/b, accept: {regex: '####'}}\n"

/* A configuration, and a recorded task with room for tiers. */
static void
load(const char *yaml, const char *task)
{
	struct buf messages;

	buf_init(&messages, BUF_MAX);
	if (config_parse(&cfg, "t.yaml", str_of(yaml), &messages, NULL, &e)
	    < 0)
		fail_msg("%s", messages.p);
	buf_release(&messages);
	k = &cfg->cascades[0];
	trace.task = task_of_json(str_of(task), &e);
	assert_non_null(trace.task);
	trace.tiers = arena_array(trace.task->arena, 8,
	    sizeof(*trace.tiers));
	assert_non_null(trace.tiers);
}

static const struct price_rates no_rates = { MONEY_UNKNOWN, MONEY_UNKNOWN,
	MONEY_UNKNOWN, MONEY_UNKNOWN, MONEY_UNKNOWN };

static struct trace_tier *
tier(const char *name)
{
	struct trace_tier *t = &trace.tiers[trace.n_tiers++];

	t->name = t->model = str_of(name);
	t->rates = no_rates;
	t->c = arena_array(trace.task->arena, 8, sizeof(*t->c));
	t->notes = arena_array(trace.task->arena, 8, sizeof(*t->notes));
	assert_non_null(t->c);
	assert_non_null(t->notes);
	return t;
}

/* Ten tokens in and five out, of no recorded cost. */
static struct completion *
text(struct trace_tier *t, const char *words)
{
	struct completion *c = &t->c[t->n++];

	*c = (struct completion){ .text = str_of(words),
	    .prompt_tokens = 10, .completion_tokens = 5,
	    .cached_tokens = -1, .cache_write_tokens = -1,
	    .cost_picousd = MONEY_UNKNOWN, .latency_ms = -1 };
	return c;
}

static struct completion *
text_costing(struct trace_tier *t, const char *words, int64_t cost)
{
	struct completion *c = text(t, words);

	c->cost_picousd = cost;
	return c;
}

static const struct result *
replays(void)
{
	if (replay_task(k, &trace, &out, &e) < 0)
		fail_msg("%s", e.msg);
	if (out.missing)
		fail_msg("missing: %s", out.missing);
	assert_non_null(out.result);
	return out.result;
}

static void
misses(const char *words)
{
	assert_int_equal(replay_task(k, &trace, &out, &e), 0);
	assert_non_null(out.missing);
	assert_null(out.result);
	assert_non_null(strstr(out.missing, words));
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

/* --- the climb ----------------------------------------------------------- */

static void
a_good_recorded_answer_is_accepted(void **state)
{
	const struct result *r;

	(void)state;
	load(TWO, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	text_costing(tier("p/a"), "#### 42", 100);
	text_costing(tier("p/b"), "#### 43", 900);
	r = replays();
	assert_int_equal(r->status, TASK_ACCEPTED);
	assert_int_equal(r->tier, 1);
	is(r->answer, "42");
	assert_true(out.cascade.answered);
	assert_int_equal(out.cascade.correct, YES);
	assert_int_equal(out.cascade.cost_picousd, 100);
	assert_true(out.alone[0].answered && out.alone[1].answered);
	assert_int_equal(out.alone[0].correct, YES);
	assert_int_equal(out.alone[1].correct, NO);
	assert_int_equal(out.alone[0].cost_picousd, 100);
	assert_int_equal(out.alone[1].cost_picousd, 900);
}

static void
a_bad_recorded_answer_climbs_and_costs_both(void **state)
{
	const struct result *r;

	(void)state;
	load(TWO, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	text_costing(tier("p/a"), "hm, 42", 100);
	text_costing(tier("p/b"), "#### 42", 900);
	r = replays();
	assert_int_equal(r->tier, 2);
	assert_int_equal(out.cascade.cost_picousd, 1000);
	assert_int_equal(out.cascade.correct, YES);
	assert_int_equal(out.alone[0].correct, NO); /* no answer in it */
	assert_int_equal(r->latency_ms, 0);
}

static void
an_exhausted_answer_is_an_answer_unless_it_is_to_fail(void **state)
{
	(void)state;
	load(TWO, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	text_costing(tier("p/a"), "a", 1);
	text_costing(tier("p/b"), "b", 2);
	assert_int_equal(replays()->status, TASK_EXHAUSTED);
	assert_true(out.cascade.answered);
	assert_int_equal(out.cascade.correct, NO);
	end(state);
	begin(state);
	load(TWO "    exhausted: fail\n",
	    "{\"prompt\":\"x\",\"reference\":\"42\"}");
	text_costing(tier("p/a"), "a", 1);
	text_costing(tier("p/b"), "b", 2);
	assert_int_equal(replays()->status, TASK_FAILED);
	assert_false(out.cascade.answered);
	assert_int_equal(out.cascade.correct, NO);
	assert_int_equal(out.cascade.cost_picousd, 3);
}

static void
only_the_samples_that_were_needed_cost(void **state)
{
	struct trace_tier *t;
	const struct result *r;

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: {min: 2, max: 4}, temperature: 1, "
	    "accept: {agreement: 0.5}}\n", "{\"prompt\":\"x\"}");
	t = tier("p/a");
	for (int i = 0; i < 6; i++)
		text_costing(t, "#### 7", 10);
	r = replays();
	assert_int_equal(r->attempts[0].samples, 2);
	assert_int_equal(out.cascade.cost_picousd, 20);
	assert_int_equal(out.alone[0].cost_picousd, 10);
}

static void
the_chosen_sample_is_the_one_that_is_right_or_wrong(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 3, temperature: 1, accept: "
	    "{agreement: 0.6}}\n", "{\"prompt\":\"x\"}");
	t = tier("p/a");
	text(t, "#### 7");
	text(t, "#### 8");
	text(t, "#### 8");
	t->notes[0].correct = NO;
	t->notes[1].correct = YES;
	t->notes[2].correct = YES;
	is(replays()->answer, "8");
	assert_int_equal(out.cascade.correct, YES);
	assert_int_equal(out.alone[0].correct, NO); /* its first sample */
}

static void
samples_of_several_prompts_alternate(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 4, temperature: 1, accept: "
	    "{agreement: 0.7}, prompts: [{text: 'A {{input}}'}, {text: "
	    "'B {{input}}'}]}\n", "{\"prompt\":\"x\"}");
	t = tier("p/a");
	text(t, "#### 6");
	text(t, "#### 7");
	text(t, "#### 7");
	text(t, "#### 7");
	t->notes[1].correct = YES;
	is(replays()->answer, "7");
	assert_int_equal(out.cascade.correct, YES);
}

static void
repairs_are_not_recorded_and_change_nothing(void **state)
{
	const struct result *r;

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, repair: 2, accept: {regex: '####'}}\n"
	    "      - {model: p/b}\n", "{\"prompt\":\"x\"}");
	text_costing(tier("p/a"), "bad", 1);
	text_costing(tier("p/b"), "good", 2);
	r = replays();
	assert_int_equal(r->status, TASK_ACCEPTED);
	assert_int_equal(r->tier, 2);
	assert_int_equal(out.cascade.cost_picousd, 3);
	assert_int_equal(r->attempts[0].verdict, ATTEMPT_ESCALATE);
}

/* --- finding tiers ------------------------------------------------------- */

static void
a_tier_is_found_by_its_name_before_its_model(void **state)
{
	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a, name: cheap}\n",
	    "{\"prompt\":\"x\"}");
	text(tier("a"), "by model");
	text(tier("cheap"), "by name");
	is(replays()->text, "by name");
	trace.tiers[1].name = STR("other");
	is(replays()->text, "by model");
}

static void
tiers_may_stand_in_any_order(void **state)
{
	(void)state;
	load(TWO, "{\"prompt\":\"x\"}");
	text(tier("z"), "#### 0");
	text(tier("b"), "#### 2");
	text(tier("a"), "#### 1");
	is(replays()->answer, "1");
}

static void
what_the_trace_lacks_is_said(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, samples: 3, temperature: 1, accept: "
	    "{agreement: 0.6}}\n      - {model: p/b}\n", "{\"prompt\":\"x\"}");
	misses("tier");
	t = tier("p/a");
	text(t, "x");
	text(t, "y");
	misses("samples");
	text(t, "z");
	misses("tier");
	text(tier("p/b"), "w");
	replays();
}

static void
log_probabilities_must_have_been_recorded(void **state)
{
	static const struct token tokens[] = { { 0, 1, -0.1 } };
	struct completion *c;

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, accept: {logprob: 0.5}}\n",
	    "{\"prompt\":\"x\"}");
	c = text(tier("p/a"), "7");
	misses("log-probabilities");
	c->tokens = tokens;
	c->n_tokens = 1;
	assert_int_equal(replays()->status, TASK_ACCEPTED);
}

/* --- answers and labels -------------------------------------------------- */

static void
a_verification_is_paid_where_it_is_looked_at(void **state)
{
	static const struct verified sure = { -0.1, 30 }, unsure = { -5, 30 };
	static const struct verified last = { -5, 70 };

	(void)state;
	load(HEAD "    tiers:\n"
	    "      - {model: p/a, accept: {verify: {at_least: {log: -0.1}}}}\n"
	    "      - {model: p/b}\n", "{\"prompt\":\"x\","
	    "\"reference\":\"42\"}");
	text_costing(tier("p/a"), "#### 41", 100)->verified = &sure;
	text_costing(tier("p/b"), "#### 42", 900)->verified = &last;
	assert_int_equal(replays()->tier, 1);
	assert_int_equal(out.cascade.cost_picousd, 130);
	assert_int_equal(out.alone[0].cost_picousd, 100);
	trace.tiers[0].c[0].verified = &unsure;
	assert_int_equal(replays()->tier, 2);
	assert_int_equal(out.cascade.cost_picousd, 1030);
	assert_int_equal(out.alone[1].cost_picousd, 900);
	trace.tiers[0].c[0].verified = NULL;
	misses("is scored by its verification, and none was recorded");
}

static void
a_recorded_answer_is_believed(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a}\n",
	    "{\"prompt\":\"x\",\"reference\":\"42\"}");
	t = tier("p/a");
	text(t, "#### 41");
	t->c[0].answer = STR("42");
	t->c[0].has_answer = t->notes[0].has_recorded_answer = true;
	is(replays()->answer, "42");
	assert_int_equal(out.cascade.correct, YES);
	/* Also that there was none. */
	t->c[0].has_answer = false;
	assert_false(replays()->has_answer);
	assert_int_equal(out.cascade.correct, NO);
	/* Where nothing is recorded it is looked for. */
	t->notes[0].has_recorded_answer = false;
	is(replays()->answer, "41");
	assert_int_equal(out.cascade.correct, NO);
}

static void
a_recorded_label_is_believed_before_the_reference(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a}\n",
	    "{\"prompt\":\"x\",\"reference\":\"42\"}");
	t = tier("p/a");
	text(t, "#### 42");
	t->notes[0].correct = NO;
	replays();
	assert_int_equal(out.cascade.correct, NO);
	assert_int_equal(out.alone[0].correct, NO);
	t->notes[0].correct = UNSET;
	replays();
	assert_int_equal(out.cascade.correct, YES);
}

static void
without_a_label_or_a_reference_nothing_says(void **state)
{
	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a}\n", "{\"prompt\":\"x\"}");
	text(tier("p/a"), "#### 42");
	replays();
	assert_int_equal(out.cascade.correct, UNSET);
	assert_int_equal(out.alone[0].correct, UNSET);
}

/* --- costs --------------------------------------------------------------- */

static void
a_recorded_cost_comes_before_every_price(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a}\n", "{\"prompt\":\"x\"}");
	t = tier("p/a");
	text_costing(t, "x", 0);
	t->rates.input = t->rates.output = 1000000;
	replays();
	assert_int_equal(out.cascade.cost_picousd, 0);
	t->c[0].cost_picousd = MONEY_UNKNOWN;
	replays();
	assert_int_equal(out.cascade.cost_picousd, 15000000);
	assert_int_equal(out.alone[0].cost_picousd, 15000000);
}

static void
the_configured_price_is_the_last(void **state)
{
	(void)state;
	load(HEAD "    tiers:\n      - {model: p/a}\n", "{\"prompt\":\"x\"}");
	text(tier("p/a"), "x");
	replays();
	assert_int_equal(out.cascade.cost_picousd, 20000000);
}

static void
an_unknown_cost_stays_unknown(void **state)
{
	struct trace_tier *t;

	(void)state;
	load(HEAD "    tiers:\n      - {model: p/c}\n", "{\"prompt\":\"x\"}");
	text(tier("p/c"), "x");
	replays();
	assert_int_equal(out.cascade.cost_picousd, MONEY_UNKNOWN);
	assert_int_equal(out.alone[0].cost_picousd, MONEY_UNKNOWN);
	end(state);
	begin(state);
	load(HEAD "    tiers:\n      - {model: p/a}\n", "{\"prompt\":\"x\"}");
	t = tier("p/a");
	text(t, "x")->completion_tokens = -1;
	replays();
	assert_int_equal(out.cascade.cost_picousd, MONEY_UNKNOWN);
}

static void
replaying_again_gives_the_same(void **state)
{
	(void)state;
	load(TWO, "{\"prompt\":\"x\",\"reference\":\"42\"}");
	text(tier("p/a"), "no");
	text(tier("p/b"), "#### 42");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(replays()->tier, 2);
		assert_int_equal(out.cascade.correct, YES);
		assert_int_equal(out.cascade.cost_picousd, 220000000);
	}
}

/* --- sums ---------------------------------------------------------------- */

static void
ways_are_summed(void **state)
{
	struct replay_sum sum = { 0 };

	(void)state;
	replay_add(&sum, &(struct replay_way){ true, YES, 5 }, NULL);
	replay_add(&sum, &(struct replay_way){ true, NO, 7 }, NULL);
	replay_add(&sum, &(struct replay_way){ true, UNSET, 1 }, NULL);
	replay_add(&sum, &(struct replay_way){ true, YES, MONEY_UNKNOWN }, NULL);
	assert_int_equal(sum.tasks, 4);
	assert_int_equal(sum.answered, 4);
	assert_int_equal(sum.labelled, 3);
	assert_int_equal(sum.correct, 2);
	assert_int_equal(sum.cost_picousd, 13);
	assert_int_equal(sum.unknown_cost, 1);
	replay_add(&sum, &(struct replay_way){ false, NO, 2 }, NULL);
	assert_int_equal(sum.tasks, 5);
	assert_int_equal(sum.answered, 4);
	assert_int_equal(sum.labelled, 4);
	assert_int_equal(sum.correct, 2);
	assert_int_equal(sum.cost_picousd, 15);
}

static struct replay_way
way(bool right, int64_t cost)
{
	return (struct replay_way){ true, right ? YES : NO, cost };
}

/* The interval of the ratio holds the truth about as often as it says. */
static void
the_share_of_the_top_tiers_cost_has_an_interval(void **state)
{
	uint64_t x = 1;
	int held = 0;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct replay_sum sum = { 0 };
		struct interval in;
		double share;
		for (int i = 0; i < 300; i++) {
			struct replay_way top, mine;
			x = x * UINT64_C(6364136223846793005)
			    + UINT64_C(1442695040888963407);
			top = way(true, 1000 + (int64_t)(x >> 40) % 1000);
			/* a tenth, and in three of ten tasks the top too */
			mine = way(true, top.cost_picousd / 10
			    + ((x >> 33) % 10 < 3 ? top.cost_picousd : 0));
			replay_add(&sum, &mine, &top);
		}
		assert_true(replay_of_top(&sum, &share, &in));
		held += in.low <= 0.4 && 0.4 <= in.high;
	}
	assert_in_range(held, 925, 975);
}

static void
what_has_no_cost_has_no_interval(void **state)
{
	struct replay_way top = way(true, 10), free_one = way(true, 0);
	struct replay_way unknown = way(true, MONEY_UNKNOWN);
	struct replay_sum sum = { 0 };
	struct interval in;
	double share;

	(void)state;
	assert_false(replay_cost_interval(&sum, &in));
	replay_add(&sum, &free_one, &top);
	replay_add(&sum, &free_one, &top);
	assert_true(replay_of_top(&sum, &share, &in));
	assert_true(share == 0 && in.low == 0);
	assert_true(replay_cost_interval(&sum, &in));
	assert_true(in.low == 0 && in.high == 0);
	replay_add(&sum, &unknown, &top);
	assert_false(replay_of_top(&sum, &share, &in));
	assert_false(replay_cost_interval(&sum, &in));
}

static void
two_ways_are_compared_task_by_task(void **state)
{
	struct replay_way right = way(true, 1), wrong = way(false, 1);
	struct replay_way unlabelled = { true, UNSET, 1 };
	struct replay_pair p = { 0 };

	(void)state;
	replay_compare(&p, &right, &right);
	replay_compare(&p, &right, &wrong);
	replay_compare(&p, &right, &wrong);
	replay_compare(&p, &wrong, &right);
	replay_compare(&p, &wrong, &unlabelled);
	assert_int_equal(p.labelled, 4);
	assert_int_equal(p.gained, 2);
	assert_int_equal(p.lost, 1);
}

static void
interval(int64_t correct, int64_t labelled, double low, double high)
{
	struct replay_sum sum = { .labelled = labelled, .correct = correct };
	double share, l, h;

	assert_true(replay_accuracy(&sum, &share, &l, &h));
	assert_true(share == (double)correct / (double)labelled);
	if (fabs(l - low) > 5e-5 || fabs(h - high) > 5e-5)
		fail_msg("%g .. %g, not %g .. %g", l, h, low, high);
	assert_true(l >= 0 && h <= 1);
	assert_true(l <= share + 1e-12 && share <= h + 1e-12);
}

static void
an_accuracy_has_its_interval(void **state)
{
	struct replay_sum none = { .tasks = 3 };
	double a, b, c;

	(void)state;
	interval(8, 10, 0.4902, 0.9433);
	interval(0, 10, 0, 0.2775);
	interval(10, 10, 0.7225, 1);
	interval(1, 1, 0.2065, 1);
	interval(50, 100, 0.4038, 0.5962);
	interval(500, 1000, 0.4691, 0.5309);
	assert_false(replay_accuracy(&none, &a, &b, &c));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_good_recorded_answer_is_accepted),
		T(a_bad_recorded_answer_climbs_and_costs_both),
		T(an_exhausted_answer_is_an_answer_unless_it_is_to_fail),
		T(only_the_samples_that_were_needed_cost),
		T(the_chosen_sample_is_the_one_that_is_right_or_wrong),
		T(samples_of_several_prompts_alternate),
		T(repairs_are_not_recorded_and_change_nothing),
		T(a_tier_is_found_by_its_name_before_its_model),
		T(tiers_may_stand_in_any_order),
		T(what_the_trace_lacks_is_said),
		T(log_probabilities_must_have_been_recorded),
		T(a_verification_is_paid_where_it_is_looked_at),
		T(a_recorded_answer_is_believed),
		T(a_recorded_label_is_believed_before_the_reference),
		T(without_a_label_or_a_reference_nothing_says),
		T(a_recorded_cost_comes_before_every_price),
		T(the_configured_price_is_the_last),
		T(an_unknown_cost_stays_unknown),
		T(replaying_again_gives_the_same),
		T(ways_are_summed),
		T(the_share_of_the_top_tiers_cost_has_an_interval),
		T(what_has_no_cost_has_no_interval),
		T(two_ways_are_compared_task_by_task),
		T(an_accuracy_has_its_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
