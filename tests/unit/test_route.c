/*
 * test_route.c -- at which tier a task begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cascade/route.h"
#include "scorers/model.h"

static const struct str tiers[] = { STR("small"), STR("p/medium"),
    STR("large") };

static char folder[] = "/tmp/test_route.XXXXXX";
static char config_name[64], route_path[64], score_path[64];

/* A model that finds prompts with many digits hard. */
static void
write_model(const char *path, enum model_kind kind)
{
	struct model m = { .kind = kind, .tier = STR("small"), .tasks = 100,
	    .right = 0.5, .bias = 2, .scale = 1 };
	struct buf b;
	FILE *f;

	m.weight[F_prompt_digits] = -8;
	buf_init(&b, BUF_MAX);
	model_print(&b, &m);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
	assert_int_equal(fclose(f), 0);
	buf_release(&b);
}

static int
make_files(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(config_name, sizeof(config_name), "%s/frugal.yaml", folder);
	snprintf(route_path, sizeof(route_path), "%s/r.model", folder);
	snprintf(score_path, sizeof(score_path), "%s/s.model", folder);
	write_model(route_path, MODEL_ROUTE);
	write_model(score_path, MODEL_SCORE);
	return 0;
}

static int
remove_files(void **state)
{
	(void)state;
	unlink(route_path);
	unlink(score_path);
	return rmdir(folder);
}

struct fixture {
	struct arena *arena;
	struct report report;
	struct route *route;
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
	f.route = route_build(n, tiers, 3, f.arena, &f.report);
	return f;
}

static void
done(struct fixture *f)
{
	route_release(f->route);
	arena_free(f->arena);
}

static void
assert_refused(const char *yaml, const char *why)
{
	struct fixture f = build(yaml);
	struct buf b;

	assert_null(f.route);
	buf_init(&b, BUF_MAX);
	report_print(&f.report, &b, true, true);
	if (!b.p || !strstr(b.p, why))
		fail_msg("'%s' does not say '%s'", b.p ? b.p : "", why);
	buf_release(&b);
	done(&f);
}

/* The tier (from 1) at which a prompt begins, perhaps with the tag level. */
static size_t
start(struct fixture *f, const char *prompt, const char *level, char *reason)
{
	struct task *t = task_of_prompt(str_of(prompt));
	struct err e = { 0 };
	size_t tier;

	assert_non_null(t);
	assert_non_null(f->route);
	if (level)
		assert_int_equal(task_add_tag(t, STR("level"), str_of(level),
		    &e), 0);
	assert_int_equal(route_start(f->route, t, &tier, reason, &e), 0);
	task_free(t);
	return tier + 1;
}

static void
without_a_rule_that_holds_it_is_the_first_tier(void **state)
{
	struct fixture f = build("[{start: large, tags: {level: hard}}]");
	struct task *t = task_of_prompt(STR("x"));
	char reason[SCORER_REASON];
	struct err e;
	size_t tier = 9;

	(void)state;
	assert_int_equal(start(&f, "x", NULL, reason), 1);
	assert_string_equal(reason, "");
	assert_int_equal(start(&f, "x", "easy", reason), 1);
	assert_int_equal(route_start(NULL, t, &tier, reason, &e), 0);
	assert_int_equal(tier, 0);
	task_free(t);
	done(&f);
}

static void
tags_lengths_and_patterns_decide(void **state)
{
	struct fixture f = build("[{start: large, tags: {level: hard}}, "
	    "{start: 2, longer_than: 20}, {start: p/medium, regex: '^prove'}]");
	char reason[SCORER_REASON];

	(void)state;
	assert_int_equal(start(&f, "x", "hard", reason), 3);
	assert_string_equal(reason, "route, tag 'hard'");
	assert_int_equal(start(&f, "12345678901234567890", NULL, reason), 1);
	assert_int_equal(start(&f, "123456789012345678901", NULL, reason), 2);
	assert_string_equal(reason, "route, longer than 20 bytes");
	assert_int_equal(start(&f, "prove it", NULL, reason), 2);
	assert_string_equal(reason, "route, matches '^prove'");
	done(&f);
}

static void
all_conditions_of_a_rule_must_hold_and_the_first_rule_counts(void **state)
{
	struct fixture f = build("[{start: small, regex: 'never mind'}, "
	    "{start: large, longer_than: 5, regex: '[?]', "
	    "tags: {level: hard}}, {start: 2, regex: '[?]'}]");
	char reason[SCORER_REASON];

	(void)state;
	assert_int_equal(start(&f, "why, then?", "hard", reason), 3);
	assert_int_equal(start(&f, "why?", "hard", reason), 2);
	assert_int_equal(start(&f, "why, then?", "easy", reason), 2);
	assert_int_equal(start(&f, "why? never mind", "hard", reason), 1);
	assert_string_equal(reason, "");
	done(&f);
}

static void
a_model_decides_by_the_chance_of_its_tier(void **state)
{
	struct fixture f = build("[{start: large, learned: r.model, "
	    "below: 0.3}]");
	struct fixture g = build("[{start: large, learned: r.model}]");
	char reason[SCORER_REASON];

	(void)state;
	/* 1 / (1 + exp(-(2 - 8 * digits))): .88, .27 for 3 of 8, .002 */
	assert_int_equal(start(&f, "a prompt", NULL, reason), 1);
	assert_int_equal(start(&f, "a 123 bc", NULL, reason), 3);
	assert_non_null(strstr(reason, "0.269 < 0.3"));
	/* .31 for 7 of 20 lies between the two thresholds. */
	assert_int_equal(start(&f, "1234567 abcdefghijkl", NULL, reason), 1);
	assert_int_equal(start(&g, "1234567 abcdefghijkl", NULL, reason), 3);
	done(&f);
	done(&g);
}

static void
rules_are_shown(void **state)
{
	struct fixture f = build("[{start: large, tags: {level: hard}, "
	    "longer_than: 4k}, {start: 2, regex: '^x', learned: r.model, "
	    "below: 0.2}]");
	struct buf b;

	(void)state;
	assert_non_null(f.route);
	buf_init(&b, BUF_MAX);
	route_show(NULL, &b);
	route_show(f.route, &b);
	assert_string_equal(b.p, "  route: tier 3 if tag level 'hard', longer "
	    "than 4000 bytes\n  route: tier 2 if matches '^x', r.model "
	    "(trained for tier small) < 0.2\n");
	buf_release(&b);
	done(&f);
}

static void
what_is_wrong_is_said(void **state)
{
	(void)state;
	assert_refused("{start: 2}", "must be a list");
	assert_refused("[]", "must be a list");
	assert_refused("[3]", "is a map");
	assert_refused("[{longer_than: 3}]", "needs the tier");
	assert_refused("[{start: 2}]", "without a condition");
	assert_refused("[{start: 4, longer_than: 3}]", "no tier");
	assert_refused("[{start: 0, longer_than: 3}]", "no tier");
	assert_refused("[{start: '2', longer_than: 3}]", "no tier");
	assert_refused("[{start: 2, longer_then: 3}]", "longer_than");
	assert_refused("[{start: 2, tags: hard}]", "tags is a map");
	assert_refused("[{start: 2, regex: '('}]", "bad pattern");
	assert_refused("[{start: 2, regex: ''}]", "empty");
	assert_refused("[{start: 2, regex: x, below: 0.1}]", "no effect");
	assert_refused("[{start: 2, learned: x.model}]", "x.model");
	assert_refused("[{start: 2, learned: s.model}]", "of answers");
	assert_refused("[{start: 2, learned: r.model, below: 2}]", "below");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rule_that_holds_it_is_the_first_tier),
		cmocka_unit_test(tags_lengths_and_patterns_decide),
		cmocka_unit_test(
		    all_conditions_of_a_rule_must_hold_and_the_first_rule_counts),
		cmocka_unit_test(a_model_decides_by_the_chance_of_its_tier),
		cmocka_unit_test(rules_are_shown),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
