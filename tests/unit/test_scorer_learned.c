/*
 * test_scorer_learned.c -- a model's file in an accept rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scorers/model.h"
#include "scorers/rule.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static char folder[] = "/tmp/test_learned.XXXXXX";
static char config_name[64]; /* a configuration in that folder */

static void
write_model(const char *name, const struct model *m)
{
	char path[100];
	struct buf b;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	buf_init(&b, BUF_MAX);
	model_print(&b, m);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
	assert_int_equal(fclose(f), 0);
	buf_release(&b);
}

static const char *const files[] = {
	"plain.model", "sure.model", "with.model", "route.model"
};

static int
make_files(void **state)
{
	struct model m = { .tier = STR("small"), .tasks = 500, .right = 0.8,
	    .samples = 1, .bias = -1, .scale = 1 };

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(config_name, sizeof(config_name), "%s/frugal.yaml", folder);
	m.weight[F_answered] = 3;
	write_model("plain.model", &m);
	m.kind = MODEL_ROUTE;
	write_model("route.model", &m);
	m.kind = MODEL_SCORE;
	m.n_rules = 1;
	m.rule[0] = (struct model_rule){ STR("regex '####'"), 5, 0 };
	write_model("with.model", &m);
	m.n_rules = 0;
	m.weight[F_p_min] = 2;
	write_model("sure.model", &m);
	return 0;
}

static int
remove_files(void **state)
{
	char path[100];

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	return rmdir(folder);
}

struct fixture {
	struct arena *arena;
	struct report report;
	struct rule *rule;
};

static struct fixture
build(const char *yaml)
{
	struct fixture f = { .arena = arena_new(0) };
	struct ynode *n;

	assert_non_null(f.arena);
	report_init(&f.report, f.arena, config_name);
	n = yaml_parse(str_of(yaml), f.arena, &f.report);
	assert_non_null(n);
	f.rule = rule_build(n, f.arena, &f.report);
	return f;
}

static void
done(struct fixture *f)
{
	rule_release(f->rule);
	arena_free(f->arena);
}

static void
assert_refused(const char *yaml, const char *why)
{
	struct fixture f = build(yaml);
	struct buf b;

	assert_null(f.rule);
	buf_init(&b, BUF_MAX);
	report_print(&f.report, &b, true, true);
	if (!b.p || !strstr(b.p, why))
		fail_msg("'%s' does not say '%s'", b.p ? b.p : "", why);
	buf_release(&b);
	done(&f);
}

static struct verdict
judge(struct fixture *f, const struct completion *c, size_t n, size_t more)
{
	struct score_input in = { .prompt = STR("q"), .c = c, .n = n,
	    .more = more };
	struct verdict v;
	struct err e = { 0 };

	if (!f->rule)
		fail_msg("%s", f->report.first ? f->report.first->text : "?");
	if (rule_judge(f->rule, &in, &v, &e) < 0)
		fail_msg("%s", e.msg);
	return v;
}

static struct completion
answer(const char *text)
{
	return (struct completion){ .text = str_of(text),
	    .answer = str_of(text), .has_answer = *text != '\0' };
}

static double
chance(double z)
{
	return 1 / (1 + exp(-z));
}

static void
the_file_alone_accepts_what_is_likely_right(void **state)
{
	struct fixture f = build("learned: plain.model");
	struct completion c = answer("42");
	struct verdict v = judge(&f, &c, 1, 0);

	(void)state;
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	assert_true(fabs(v.score.p - chance(2)) < 1e-12);
	assert_true(v.threshold.p == 0.5);
	assert_non_null(strstr(v.reason, "500 tasks"));
	c = answer("");
	v = judge(&f, &c, 1, 0);
	assert_int_equal(v.kind, VERDICT_ESCALATE);
	assert_true(fabs(v.score.p - chance(-1)) < 1e-12);
	assert_false(rule_flags(f.rule) & SCORER_LOGPROBS);
	done(&f);
}

static void
a_threshold_may_be_said(void **state)
{
	struct fixture f = build("learned: {file: plain.model, "
	    "at_least: 0.9}");
	struct completion c = answer("42");

	(void)state;
	assert_int_equal(judge(&f, &c, 1, 0).kind, VERDICT_ESCALATE);
	done(&f);
}

static void
it_asks_for_log_probabilities_only_if_the_model_does(void **state)
{
	struct fixture f = build("learned: sure.model");
	struct completion c = answer("42");
	struct token token = { 0, 2, 0 };
	struct verdict v = judge(&f, &c, 1, 0);

	(void)state;
	assert_true(rule_flags(f.rule) & SCORER_LOGPROBS);
	assert_int_equal(v.kind, VERDICT_ESCALATE);
	assert_true(v.score.p == 0);
	assert_non_null(strstr(v.reason, "no log-probabilities"));
	c.tokens = &token;
	c.n_tokens = 1;
	v = judge(&f, &c, 1, 0);
	assert_true(fabs(v.score.p - chance(4)) < 1e-12);
	done(&f);
}

static void
other_scorers_are_looked_at(void **state)
{
	struct fixture f = build("learned: {file: with.model, with: "
	    "[regex: '####']}");
	struct completion c = answer("42");

	(void)state;
	assert_true(fabs(judge(&f, &c, 1, 0).score.p - chance(2)) < 1e-12);
	c = answer("#### 42");
	assert_true(fabs(judge(&f, &c, 1, 0).score.p - chance(7)) < 1e-12);
	done(&f);
}

static void
of_samples_the_most_frequent_answer_is_chosen(void **state)
{
	struct fixture f = build("learned: plain.model");
	struct completion c[] = { answer("1"), answer("2"), answer("2") };
	struct verdict v = judge(&f, c, 1, 2);

	(void)state;
	assert_int_equal(v.kind, VERDICT_UNDECIDED);
	assert_int_equal(v.ask, 2);
	v = judge(&f, c, 3, 0);
	assert_int_equal(v.kind, VERDICT_ACCEPT);
	assert_int_equal(v.chosen, 1);
	done(&f);
}

static void
a_wrong_file_or_rule_is_an_error_of_the_configuration(void **state)
{
	(void)state;
	assert_refused("learned: {at_least: 0.5}", "needs the file");
	assert_refused("learned: missing.model", "missing.model");
	assert_refused("learned: route.model", "model for 'route'");
	assert_refused("learned: with.model", "trained with 1 rules");
	assert_refused("learned: {file: with.model, with: [regex: 'x']}",
	    "regex '####'");
	assert_refused("learned: {file: plain.model, with: [regex: 'x']}",
	    "trained with 0 rules");
	assert_refused("learned: {file: plain.model, with: 3}",
	    "list of rules");
	assert_refused("learned: {file: with.model, with: "
	    "[learned: plain.model]}", "not one scorer");
	assert_refused("learned: {file: with.model, with: "
	    "[all: [regex: '####']]}", "not one scorer");
	assert_refused("learned: {file: with.model, with: "
	    "[regex: {match: '####', at_least: 1}]}", "never looked at");
	assert_refused("learned: {file: plain.model, fiel: x}", "file");
}

static void
another_number_of_samples_is_warned_of(void **state)
{
	struct fixture f = build("learned: plain.model");

	(void)state;
	rule_advise(f.rule, 1, &f.report);
	assert_int_equal(f.report.warnings, 0);
	rule_advise(f.rule, 5, &f.report);
	assert_int_equal(f.report.warnings, 1);
	done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_alone_accepts_what_is_likely_right),
		cmocka_unit_test(a_threshold_may_be_said),
		cmocka_unit_test(
		    it_asks_for_log_probabilities_only_if_the_model_does),
		cmocka_unit_test(other_scorers_are_looked_at),
		cmocka_unit_test(of_samples_the_most_frequent_answer_is_chosen),
		cmocka_unit_test(
		    a_wrong_file_or_rule_is_an_error_of_the_configuration),
		cmocka_unit_test(another_number_of_samples_is_warned_of),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
