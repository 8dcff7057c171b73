/*
 * test_audit.c -- who is audited, what audits say of a promise, and their sums
 * over the ledger.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "cascade/audit.h"

static struct err e;

/* --- choosing -------------------------------------------------------------- */

static bool
chooses(double share, const char *prompt, const char *id)
{
	struct task *t = task_of_prompt(str_of(prompt));
	bool chosen;

	assert_non_null(t);
	t->id = str_of(id);
	chosen = audit_chooses(share, t);
	task_free(t);
	return chosen;
}

static void
the_share_of_tasks_that_is_asked_for_is_chosen(void **state)
{
	char prompt[32];
	int few = 0, half = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(prompt, sizeof(prompt), "What is %d + %d?", i, i + 1);
		/* Whom a smaller share chose a larger one chooses. */
		if (chooses(0.02, prompt, "x")) {
			few++;
			assert_true(chooses(0.5, prompt, "x"));
		}
		half += chooses(0.5, prompt, "x");
	}
	/* Five standard deviations. */
	assert_in_range(few, 400 - 99, 400 + 99);
	assert_in_range(half, 10000 - 354, 10000 + 354);
}

static void
the_same_task_is_chosen_whatever_its_id(void **state)
{
	char prompt[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(prompt, sizeof(prompt), "%d", i);
		assert_int_equal(chooses(0.3, prompt, "a"),
		    chooses(0.3, prompt, "b"));
	}
}

static void
all_or_none_are_chosen_at_the_ends(void **state)
{
	(void)state;
	for (char c[2] = "a"; c[0] <= 'z'; c[0]++) {
		assert_false(chooses(0, c, ""));
		assert_true(chooses(1, c, ""));
	}
}

static void
messages_and_system_text_count(void **state)
{
	static const char *const json[][2] = {
		{ "{\"system\":\"b\",\"prompt\":\"a", "\"}" },
		{ "{\"system\":\"c\",\"prompt\":\"a", "\"}" },
		{ "{\"messages\":[{\"role\":\"user\",\"content\":\"z\"},"
		    "{\"role\":\"assistant\",\"content\":\"y\"},"
		    "{\"role\":\"user\",\"content\":\"a", "\"}]}" },
	};
	int chosen[3] = { 0 }, both = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		bool is[3];

		for (int k = 0; k < 3; k++) {
			char text[200];
			struct task *t;

			snprintf(text, sizeof(text), "%s%d%s", json[k][0], i,
			    json[k][1]);
			t = task_of_json(str_of(text), &e);
			assert_non_null(t);
			is[k] = audit_chooses(0.5, t);
			chosen[k] += is[k];
			task_free(t);
		}
		both += is[0] && is[1];
	}
	/* Each by itself, and one independent of the other. */
	for (int k = 0; k < 3; k++)
		assert_in_range(chosen[k], 1000 - 112, 1000 + 112);
	assert_in_range(both, 500 - 97, 500 + 97);
}

/* --- promises -------------------------------------------------------------- */

static void
shares_have_their_exact_interval(void **state)
{
	struct audit_share s = audit_share(3, 15, 0.95);

	(void)state;
	/* R: binom.test(3, 15)$conf.int */
	assert_true(fabs(s.share - 0.2) < 1e-15);
	assert_true(fabs(s.low - 0.04331201) < 1e-7);
	assert_true(fabs(s.high - 0.4808911) < 1e-6);
	s = audit_share(0, 0, 0.95);
	assert_true(s.low == 0 && s.high == 1);
}

static void
a_promise_has_drifted_when_even_the_lower_bound_is_above_it(void **state)
{
	struct promise p = { .given = true, .max_loss = 0.02,
	    .confidence = 0.95 };
	/* 20 of 200: at least 6.774 % with 95 %; all were accepted below. */
	struct ledger_audits a = { .accepted = 1000, .tasks = 1000,
	    .audited = 200, .differ = 20 };

	(void)state;
	assert_true(fabs(audit_drift(&a, &p).least - 0.0677) < 1e-3);
	assert_true(audit_drift(&a, &p).drifted);
	/* Where a fifth was accepted below the top, a fifth of that. */
	a.tasks = 5000;
	assert_true(fabs(audit_drift(&a, &p).least - 0.01354) < 2e-4);
	assert_false(audit_drift(&a, &p).drifted);
	/* Few audits prove nothing. */
	a = (struct ledger_audits){ .accepted = 100, .tasks = 100,
	    .audited = 10, .differ = 1 };
	assert_false(audit_drift(&a, &p).drifted);
	a.tasks = 0;
	assert_false(audit_drift(&a, &p).drifted);
	a.tasks = 100;
	a.differ = a.audited;
	assert_true(audit_drift(&a, &p).drifted);
	p.given = false;
	assert_false(audit_drift(&a, &p).drifted);
}

/* --- sums ------------------------------------------------------------------ */

static struct store *s;

static int
open_store(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	return store_open(&s, ":memory:", 0, &e);
}

static int
close_store(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

/* Accepted at this tier of three; audit 0: none, else AUDIT_... + 1. `row` is
 * the completion of the top tier. */
static void
put(const char *cascade, int tier, int audit, int64_t row, const char *tags)
{
	struct ledger_attempt at = { .tier = tier, .model = STR("p/x"),
	    .samples = 1, .chosen = -1, .cost_picousd = 10 };
	struct ledger_attempt top = { .tier = 3, .model = STR("p/top"),
	    .samples = 1, .rows = &row, .n_rows = 1, .cost_picousd = 100 };
	struct ledger_task t = { .id = STR("t"), .cascade = str_of(cascade),
	    .status = TASK_ACCEPTED, .tier = tier, .tiers = 3,
	    .model = STR("p/x"), .cost_picousd = audit ? 110 : 10,
	    .audit_picousd = audit ? 100 : 0, .attempts = &at,
	    .n_attempts = 1, .audit = audit ? &top : NULL,
	    .audit_outcome = (enum audit_outcome)(audit - 1),
	    .tags = str_of(tags) };

	assert_int_equal(store_begin(s, &e), 0);
	if (ledger_put(s, &t, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(store_commit(s, &e), 0);
}

static struct ledger_audits got[8];
static char names[8][40];
static size_t n_got;

static bool
keep(void *cookie, const struct ledger_audits *g)
{
	(void)cookie;
	assert_true(n_got < 8);
	got[n_got] = *g;
	snprintf(names[n_got++], sizeof(names[0]), "%.*s", STR_ARG(g->group));
	return true;
}

static void
sum_up(const struct ledger_filter *f, enum ledger_group by)
{
	struct ledger_filter all = { 0 };

	n_got = 0;
	if (ledger_audits(s, f ? f : &all, by, keep, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

#define AGREES (AUDIT_AGREES + 1)
#define DIFFERS (AUDIT_DIFFERS + 1)
#define NO_ANSWER (AUDIT_NO_ANSWER + 1)

static void
audits_are_summed_up_by_tier_tag_and_cascade(void **state)
{
	struct ledger_filter f = { .tag_key = STR("lang") };

	(void)state;
	sum_up(NULL, LEDGER_BY_TIER);
	assert_int_equal(n_got, 0);
	put("k", 1, 0, 0, "{\"lang\":\"de\"}");
	put("k", 1, AGREES, 11, "{\"lang\":\"de\"}");
	put("k", 1, DIFFERS, 12, "{\"lang\":\"en\"}");
	put("k", 1, NO_ANSWER, 0, "{\"lang\":\"en\"}");
	put("k", 2, AGREES, 13, "{\"lang\":\"en\"}");
	put("k", 3, 0, 0, "");
	put("other", 1, 0, 0, "");
	sum_up(NULL, LEDGER_BY_TIER);
	assert_int_equal(n_got, 2);
	assert_string_equal(names[0], "k 1 p/x");
	assert_int_equal(got[0].accepted, 4);
	assert_int_equal(got[0].audited, 2);
	assert_int_equal(got[0].differ, 1);
	assert_int_equal(got[0].unanswered, 1);
	assert_int_equal(got[0].cost_picousd, 300);
	assert_string_equal(names[1], "k 2 p/x");
	assert_int_equal(got[1].audited, 1);
	assert_int_equal(got[1].differ, 0);
	sum_up(NULL, LEDGER_BY_CASCADE);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].accepted, 5); /* the top tier's own are not */
	assert_int_equal(got[0].tasks, 6);
	assert_int_equal(got[0].audited, 3);
	sum_up(&f, LEDGER_BY_TAG);
	assert_int_equal(n_got, 2);
	assert_string_equal(names[0], "de");
	assert_int_equal(got[0].audited, 1);
	assert_string_equal(names[1], "en");
	assert_int_equal(got[1].audited, 2);
	f.tag_value = STR("de");
	sum_up(&f, LEDGER_TOTAL);
	assert_int_equal(got[0].audited, 1);
}

static void
the_same_answer_of_the_top_tier_counts_once(void **state)
{
	(void)state;
	put("k", 1, DIFFERS, 11, "");
	put("k", 1, DIFFERS, 11, "");
	put("k", 1, DIFFERS, 12, "");
	/* Not kept: each was asked for. */
	put("k", 1, AGREES, -1, "");
	put("k", 1, AGREES, -1, "");
	sum_up(NULL, LEDGER_TOTAL);
	assert_int_equal(got[0].audited, 4);
	assert_int_equal(got[0].differ, 2);
}

static bool
keep_sum(void *cookie, const struct ledger_stats *g)
{
	*(struct ledger_stats *)cookie = *g;
	return true;
}

static void
an_audit_is_a_cost_of_the_task_and_no_visit_of_the_top_tier(void **state)
{
	struct ledger_filter f = { 0 };
	struct ledger_stats sum;
	struct ledger_task t;
	struct arena *a = arena_new(0);

	(void)state;
	assert_non_null(a);
	put("k", 1, DIFFERS, 11, "");
	put("k", 1, 0, 0, "");
	assert_int_equal(ledger_stats(s, &f, LEDGER_TOTAL, keep_sum, &sum,
	    &e), 0);
	assert_int_equal(sum.tasks, 2);
	assert_int_equal(sum.completions, 2);
	assert_int_equal(sum.cost_picousd, 120);
	assert_int_equal(sum.audit_picousd, 100);
	f.model = STR("p/top");
	assert_int_equal(ledger_stats(s, &f, LEDGER_TOTAL, keep_sum, &sum,
	    &e), 0);
	assert_int_equal(sum.tasks, 0);
	assert_int_equal(ledger_find(s, STR(""), 1, a, &t, &e), 1);
	assert_int_equal(t.n_attempts, 1);
	assert_non_null(t.audit);
	assert_int_equal(t.audit_outcome, AUDIT_DIFFERS);
	assert_int_equal(t.audit->rows[0], 11);
	assert_int_equal(t.audit_picousd, 100);
	assert_int_equal(ledger_find(s, STR(""), 2, a, &t, &e), 1);
	assert_null(t.audit);
	arena_free(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_of_tasks_that_is_asked_for_is_chosen),
		cmocka_unit_test(the_same_task_is_chosen_whatever_its_id),
		cmocka_unit_test(all_or_none_are_chosen_at_the_ends),
		cmocka_unit_test(messages_and_system_text_count),
		cmocka_unit_test(shares_have_their_exact_interval),
		cmocka_unit_test(a_promise_has_drifted_when_even_the_lower_bound_is_above_it),
		T(audits_are_summed_up_by_tier_tag_and_cascade),
		T(the_same_answer_of_the_top_tier_counts_once),
		T(an_audit_is_a_cost_of_the_task_and_no_visit_of_the_top_tier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
