/*
 * test_stats.c -- the ledger summed up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/money.h"
#include "cache/ledger.h"

#define HOUR_MS ((int64_t)3600000)
#define DAY_MS (24 * HOUR_MS)
/* 2023-11-14 00:00:00 UTC */
#define MIDNIGHT_MS ((int64_t)19675 * DAY_MS)

#define MOST 16 /* groups that a test may meet */

static struct err e;
static struct store *s;

/* What ledger_stats() said, with texts of our own. */
static struct ledger_stats got[MOST];
static char names[MOST][3][80];
static size_t n_got, stop_after;

static int
open_store(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	stop_after = MOST;
	return store_open(&s, ":memory:", 0, &e);
}

static int
close_store(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

static struct str
keep(struct str text, char *room, size_t size)
{
	snprintf(room, size, "%.*s", STR_ARG(text));
	return str_of(room);
}

static bool
collect(void *cookie, const struct ledger_stats *g)
{
	struct ledger_stats *to = &got[n_got];

	assert_ptr_equal(cookie, &n_got);
	assert_true(n_got < MOST);
	*to = *g;
	to->group = keep(g->group, names[n_got][0], 80);
	to->cascade = keep(g->cascade, names[n_got][1], 80);
	to->model = keep(g->model, names[n_got][2], 80);
	return ++n_got < stop_after;
}

static void
sum_up(const struct ledger_filter *f, enum ledger_group by)
{
	static const struct ledger_filter everything;

	n_got = 0;
	memset(got, 0, sizeof(got));
	if (ledger_stats(s, f ? f : &everything, by, collect, &n_got, &e) < 0)
		fail_msg("%s", e.msg);
}

static void
assert_groups(size_t n, ...)
{
	va_list ap;

	assert_int_equal(n_got, n);
	va_start(ap, n);
	for (size_t i = 0; i < n; i++) {
		const char *name = va_arg(ap, const char *);

		if (!str_is(got[i].group, name))
			fail_msg("group %zu is '%.*s', not '%s'", i,
			    STR_ARG(got[i].group), name);
	}
	va_end(ap);
}

static void
put(const struct ledger_task *t)
{
	assert_int_equal(store_begin(s, &e), 0);
	if (ledger_put(s, t, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(store_commit(s, &e), 0);
}

/* A task accepted at a single tier after so long. */
static void
put_quick(const char *cascade, int64_t latency_ms, int64_t finished_utc_ms)
{
	struct ledger_attempt a = {
		.tier = 1, .model = STR("p/small"), .samples = 1,
		.requests = 1, .latency_ms = latency_ms,
	};

	put(&(struct ledger_task){
		.id = STR("t"), .cascade = str_of(cascade), .tier = 1,
		.model = STR("p/small"), .latency_ms = latency_ms,
		.finished_utc_ms = finished_utc_ms,
		.attempts = &a, .n_attempts = 1,
	});
}

/*
 * The ledger of most tests: in cascade math one task accepted by the small
 * model, one that climbed to the big one and one that failed there; in cascade
 * qa one task out of the cache, with an unknown cost; and one without budget.
 */
static const struct ledger_attempt small_accepts = {
	.tier = 1, .model = STR("p/small"), .samples = 5, .cached = 2,
	.repairs = 1, .scored = true, .score = 0.95, .verdict = ATTEMPT_ACCEPT,
	.scorer = STR("agreement"), .cost_picousd = 10, .cached_picousd = 4,
	.prompt_tokens = 100, .completion_tokens = 7, .latency_ms = 200,
	.requests = 3, .retries = 2,
};

static const struct ledger_attempt climbs[] = {
	{
		.tier = 1, .model = STR("p/small"), .samples = 5,
		.scored = true, .score = 0.3, .verdict = ATTEMPT_ESCALATE,
		.scorer = STR("agreement"), .cost_picousd = 10,
		.prompt_tokens = 100, .completion_tokens = 7,
		.latency_ms = 300, .requests = 5,
	}, {
		.tier = 2, .model = STR("q/org/big"), .samples = 1,
		.scored = true, .score = 1.0, .verdict = ATTEMPT_ACCEPT,
		.scorer = STR("regex"), .cost_picousd = 500,
		.prompt_tokens = 200, .completion_tokens = 11,
		.latency_ms = 900, .requests = 1,
	},
};

static const struct ledger_attempt fails[] = {
	{
		.tier = 1, .model = STR("p/small"), .samples = 5,
		.scored = true, .score = 0.0, .verdict = ATTEMPT_ESCALATE,
		.scorer = STR("agreement"), .cost_picousd = 10,
		.prompt_tokens = 100, .completion_tokens = 7,
		.latency_ms = 100, .requests = 5,
	}, {
		.tier = 2, .model = STR("q/org/big"),
		.verdict = ATTEMPT_UNAVAILABLE, .prompt_tokens = -1,
		.completion_tokens = -1, .latency_ms = 5000, .requests = 4,
		.retries = 3,
	},
};

static const struct ledger_attempt from_cache = {
	.tier = 1, .model = STR("q/org/big"), .samples = 1, .cached = 1,
	.scored = true, .score = 0.5, .verdict = ATTEMPT_ACCEPT,
	.scorer = STR("regex"), .cost_picousd = MONEY_UNKNOWN,
	.cached_picousd = 70, .prompt_tokens = 9, .completion_tokens = 9,
	.latency_ms = 1,
};

static void
put_all(void)
{
	put(&(struct ledger_task){
		.id = STR("1"), .run = STR("r1"), .cascade = STR("math"),
		.tags = STR("{\"team\":\"a\",\"x\":\"1\"}"),
		.status = TASK_ACCEPTED, .tier = 1, .tiers = 2,
		.model = STR("p/small"), .cost_picousd = 10,
		.cached_picousd = 4, .top_picousd = 600, .latency_ms = 210,
		.finished_utc_ms = MIDNIGHT_MS + HOUR_MS,
		.attempts = &small_accepts, .n_attempts = 1,
	});
	put(&(struct ledger_task){
		.id = STR("2"), .run = STR("r1"), .cascade = STR("math"),
		.tags = STR("{\"team\":\"b\"}"), .status = TASK_ACCEPTED,
		.tier = 2, .tiers = 2, .model = STR("q/org/big"),
		.cost_picousd = 510, .top_picousd = 500, .latency_ms = 1210,
		.finished_utc_ms = MIDNIGHT_MS + 23 * HOUR_MS,
		.attempts = climbs, .n_attempts = 2,
	});
	put(&(struct ledger_task){
		.id = STR("3"), .run = STR("r2"), .cascade = STR("math"),
		.tags = STR("{\"team\":\"a\"}"), .status = TASK_FAILED,
		.tiers = 2, .cost_picousd = 10,
		.top_picousd = MONEY_UNKNOWN, .latency_ms = 5110,
		.finished_utc_ms = MIDNIGHT_MS + 25 * HOUR_MS,
		.attempts = fails, .n_attempts = 2,
	});
	put(&(struct ledger_task){
		.id = STR("4"), .run = STR("r2"), .cascade = STR("qa"),
		.status = TASK_ACCEPTED, .tier = 1, .tiers = 1,
		.model = STR("q/org/big"), .cost_picousd = MONEY_UNKNOWN,
		.cached_picousd = 70, .top_picousd = 70, .latency_ms = 2,
		.finished_utc_ms = MIDNIGHT_MS + 26 * HOUR_MS, .cached = true,
		.attempts = &from_cache, .n_attempts = 1,
	});
	put(&(struct ledger_task){
		.id = STR("5"), .run = STR("r2"), .cascade = STR("qa"),
		.tags = STR("{}"), .status = TASK_BUDGET, .tiers = 1,
		.top_picousd = MONEY_UNKNOWN,
		.finished_utc_ms = MIDNIGHT_MS + 27 * HOUR_MS,
	});
}

static void
the_total_counts_every_task_once(void **state)
{
	static const int64_t status[5] = { 3, 0, 0, 1, 1 };
	static const int64_t verdict[7] = { 3, 2, 0, 0, 1, 0, 0 };
	static const int64_t bins[LEDGER_BINS] = {
		1, 0, 0, 1, 0, 1, 0, 0, 0, 2,
	};
	const struct ledger_stats *g = &got[0];

	(void)state;
	put_all();
	sum_up(NULL, LEDGER_TOTAL);
	assert_groups(1, "total");
	assert_int_equal(g->tasks, 5);
	assert_memory_equal(g->by_status, status, sizeof(status));
	assert_memory_equal(g->by_verdict, verdict, sizeof(verdict));
	assert_memory_equal(g->bins, bins, sizeof(bins));
	assert_int_equal(g->completions, 17);
	assert_int_equal(g->cached_completions, 3);
	assert_int_equal(g->repairs, 1);
	assert_int_equal(g->requests, 18);
	assert_int_equal(g->retries, 5);
	assert_int_equal(g->cost_picousd, 530);
	assert_int_equal(g->unknown_cost, 1);
	assert_int_equal(g->cached_picousd, 74);
	assert_int_equal(g->prompt_tokens, 509); /* the unknown left out */
	assert_int_equal(g->completion_tokens, 41);
	assert_int_equal(g->tier, 0);
	assert_int_equal(g->model.n, 0);
}

static void
the_saving_is_over_tasks_whose_costs_are_all_known(void **state)
{
	(void)state;
	put_all();
	sum_up(NULL, LEDGER_TOTAL);
	/* Not 3: no top. Not 4: what it cost is unknown. */
	assert_int_equal(got[0].top_known, 2);
	assert_int_equal(got[0].top_picousd, 1100);
	assert_int_equal(got[0].top_paid_picousd, 10 + 4 + 510);
	/* A task counts where it ended, so that tiers add up to the total. */
	sum_up(NULL, LEDGER_BY_TIER);
	assert_int_equal(got[0].top_picousd, 600);
	assert_int_equal(got[0].top_paid_picousd, 14);
	assert_int_equal(got[1].top_picousd, 500);
	assert_int_equal(got[1].top_paid_picousd, 510);
	assert_int_equal(got[2].top_known, 0);
}

static void
tiers_come_upwards_with_the_tasks_that_came_to_them(void **state)
{
	static const int64_t low[5] = { 1, 0, 0, 0, 0 };
	static const int64_t high[5] = { 1, 0, 0, 1, 0 };

	(void)state;
	put_all();
	sum_up(NULL, LEDGER_BY_TIER);
	assert_groups(3, "math 1 p/small", "math 2 q/org/big",
	    "qa 1 q/org/big");
	assert_true(str_is(got[1].cascade, "math"));
	assert_true(str_is(got[1].model, "q/org/big"));
	assert_int_equal(got[1].tier, 2);
	assert_int_equal(got[0].tasks, 3);
	assert_int_equal(got[1].tasks, 2);
	/* The task without budget came nowhere. */
	assert_int_equal(got[2].tasks, 1);
	assert_memory_equal(got[0].by_status, low, sizeof(low));
	assert_memory_equal(got[1].by_status, high, sizeof(high));
	assert_int_equal(got[0].by_verdict[ATTEMPT_ESCALATE], 2);
	assert_int_equal(got[1].by_verdict[ATTEMPT_UNAVAILABLE], 1);
	assert_int_equal(got[0].cost_picousd, 30);
	assert_int_equal(got[1].cost_picousd, 500);
	assert_int_equal(got[2].unknown_cost, 1);
}

static void
models_are_summed_across_cascades_most_tasks_first(void **state)
{
	(void)state;
	put_all();
	sum_up(NULL, LEDGER_BY_MODEL);
	assert_groups(2, "p/small", "q/org/big"); /* three each: by name */
	assert_int_equal(got[1].tasks, 3);
	assert_true(str_is(got[1].model, "q/org/big"));
	assert_int_equal(got[1].cascade.n, 0);
	assert_int_equal(got[1].cached_picousd, 70);
	put_quick("math", 1, MIDNIGHT_MS);
	put_all();
	sum_up(NULL, LEDGER_BY_MODEL);
	assert_groups(2, "p/small", "q/org/big");
	assert_int_equal(got[0].tasks, 7);
	assert_int_equal(got[1].tasks, 6);
	for (int i = 0; i < 2; i++)
		put(&(struct ledger_task){ .id = STR("x"), .tier = 1,
		    .attempts = &from_cache, .n_attempts = 1 });
	sum_up(NULL, LEDGER_BY_MODEL);
	assert_groups(2, "q/org/big", "p/small");
}

static void
a_task_that_visits_a_model_twice_is_one_task(void **state)
{
	struct ledger_attempt a[2] = { climbs[0], climbs[1] };

	(void)state;
	a[1].model = a[0].model;
	put(&(struct ledger_task){ .id = STR("x"), .cascade = STR("c"),
	    .tier = 2, .attempts = a, .n_attempts = 2 });
	sum_up(NULL, LEDGER_BY_MODEL);
	assert_groups(1, "p/small");
	assert_int_equal(got[0].tasks, 1);
	assert_int_equal(got[0].by_status[TASK_ACCEPTED], 1);
	assert_int_equal(got[0].completions, 6);
	sum_up(NULL, LEDGER_BY_TIER);
	assert_groups(2, "c 1 p/small", "c 2 p/small");
}

static void
cascades_come_with_the_most_tasks_first(void **state)
{
	(void)state;
	put_all();
	sum_up(NULL, LEDGER_BY_CASCADE);
	assert_groups(2, "math", "qa");
	assert_true(str_is(got[1].cascade, "qa"));
	assert_int_equal(got[1].tasks, 2);
	assert_int_equal(got[1].by_status[TASK_BUDGET], 1);
	assert_int_equal(got[1].completions, 1);
}

static void
a_tag_groups_the_tasks_that_have_it(void **state)
{
	struct ledger_filter f = { .tag_key = STR("team") };

	(void)state;
	put_all();
	sum_up(&f, LEDGER_BY_TAG);
	assert_groups(2, "a", "b");
	assert_int_equal(got[0].tasks, 2);
	assert_int_equal(got[0].cost_picousd, 20);
	assert_int_equal(got[1].cost_picousd, 510);
	f.tag_value = STR("b");
	sum_up(&f, LEDGER_BY_TAG);
	assert_groups(1, "b");
	sum_up(&f, LEDGER_BY_TIER);
	assert_groups(2, "math 1 p/small", "math 2 q/org/big");
	f.tag_value = STR("A"); /* exactly */
	sum_up(&f, LEDGER_BY_TAG);
	assert_groups(0);
	f = (struct ledger_filter){ .tag_key = STR("x") };
	sum_up(&f, LEDGER_TOTAL);
	assert_int_equal(got[0].tasks, 1);
}

static void
a_tag_without_its_name_is_a_mistake(void **state)
{
	struct ledger_filter f = { 0 };

	(void)state;
	assert_int_equal(ledger_stats(s, &f, LEDGER_BY_TAG, collect, &n_got,
	    &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
}

static void
odd_names_and_values_of_tags_are_found(void **state)
{
	static const struct { struct str key, value, tags; } odd[] = {
		{ STR("a\"b.c[0]"), STR("1"), STR("{\"a\\\"b.c[0]\":\"1\"}") },
		{ STR("$"), STR("d'); --"), STR("{\"$\":\"d'); --\"}") },
		{ STR("ü"), STR("ä\n\"q\""), STR("{\"ü\":\"ä\\n\\\"q\\\"\"}") },
		{ STR("n"), STR("42"), STR("{\"n\":42}") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		put(&(struct ledger_task){ .id = STR("x"),
		    .tags = odd[i].tags });
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		sum_up(&(struct ledger_filter){ .tag_key = odd[i].key,
		    .tag_value = odd[i].value }, LEDGER_BY_TAG);
		assert_int_equal(n_got, 1);
		assert_int_equal(got[0].tasks, 1);
		assert_true(str_eq(got[0].group, odd[i].value));
	}
}

static void
days_are_local_and_go_forwards(void **state)
{
	(void)state;
	put_all();
	sum_up(NULL, LEDGER_BY_DAY);
	assert_groups(2, "2023-11-14", "2023-11-15");
	assert_int_equal(got[0].tasks, 2);
	setenv("TZ", "EAST-3", 1);
	tzset();
	sum_up(NULL, LEDGER_BY_DAY);
	assert_groups(2, "2023-11-14", "2023-11-15");
	assert_int_equal(got[0].tasks, 1);
	setenv("TZ", "WEST5", 1);
	tzset();
	sum_up(NULL, LEDGER_BY_DAY);
	assert_groups(2, "2023-11-13", "2023-11-14");
	assert_int_equal(got[0].tasks, 1);
	assert_int_equal(got[1].tasks, 4);
	setenv("TZ", "UTC0", 1);
	tzset();
}

static void
a_day_of_daylight_saving_ends_at_its_own_midnight(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	/* 2023-10-28 21:59 and 22:00 UTC, at +2; 10-29 22:59 and 23:00, +1. */
	put_quick("c", 1, 1698530399999);
	put_quick("c", 1, 1698530400000);
	put_quick("c", 1, 1698620399999);
	put_quick("c", 1, 1698620400000);
	sum_up(NULL, LEDGER_BY_DAY);
	setenv("TZ", "UTC0", 1);
	tzset();
	assert_groups(3, "2023-10-28", "2023-10-29", "2023-10-30");
	assert_int_equal(got[0].tasks, 1);
	assert_int_equal(got[1].tasks, 2);
}

static void
percentiles_are_latencies_that_occurred(void **state)
{
	/* n: the latencies 1 to n. */
	static const struct { int n, p50, p95; } is[] = {
		{ 1, 1, 1 }, { 2, 1, 2 }, { 3, 2, 3 }, { 19, 10, 19 },
		{ 20, 10, 19 }, { 21, 11, 20 }, { 100, 50, 95 },
		{ 101, 51, 96 },
	};
	int n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++) {
		while (n < is[i].n)
			put_quick("c", ++n, MIDNIGHT_MS);
		sum_up(NULL, LEDGER_TOTAL);
		assert_int_equal(got[0].latency_p50_ms, is[i].p50);
		assert_int_equal(got[0].latency_p95_ms, is[i].p95);
		sum_up(NULL, LEDGER_BY_TIER);
		assert_int_equal(got[0].latency_p50_ms, is[i].p50);
		assert_int_equal(got[0].latency_p95_ms, is[i].p95);
	}
}

static void
what_came_out_of_the_cache_has_no_latency(void **state)
{
	(void)state;
	put_all();
	sum_up(NULL, LEDGER_BY_CASCADE);
	assert_int_equal(got[0].latency_p50_ms, 1210);
	assert_int_equal(got[0].latency_p95_ms, 5110);
	assert_int_equal(got[1].latency_p50_ms, -1);
	assert_int_equal(got[1].latency_p95_ms, -1);
	sum_up(NULL, LEDGER_BY_TIER);
	assert_int_equal(got[0].latency_p50_ms, 200);
	assert_int_equal(got[0].latency_p95_ms, 300);
	assert_int_equal(got[1].latency_p50_ms, 900);
	assert_int_equal(got[2].latency_p50_ms, -1);
	sum_up(NULL, LEDGER_BY_MODEL);
	assert_int_equal(got[1].latency_p95_ms, 5000);
}

static void
what_was_not_even_asked_for_has_no_latency(void **state)
{
	struct ledger_attempt a = {
		.tier = 1, .model = STR("m"),
		.verdict = ATTEMPT_UNKNOWN_IN_CACHE, .latency_ms = 7,
	};

	(void)state;
	put(&(struct ledger_task){ .id = STR("x"), .status = TASK_FAILED,
	    .latency_ms = 7, .attempts = &a, .n_attempts = 1 });
	sum_up(NULL, LEDGER_TOTAL);
	assert_int_equal(got[0].latency_p50_ms, -1);
	sum_up(NULL, LEDGER_BY_MODEL);
	assert_int_equal(got[0].latency_p50_ms, -1);
}

static void
a_score_at_a_bound_is_in_the_upper_bin(void **state)
{
	static const struct { double score; int bin; } is[] = {
		{ 0.0, 0 }, { 0.0999999999999999, 0 }, { 0.1, 1 },
		{ 0.3, 3 },
		{ 0.29999999999999993, 2 }, { 0.6, 6 }, { 0.7, 7 },
		{ 0.69999999999999984, 6 }, { 0.9, 9 },
		{ 0.99999999999, 9 }, { 1.0, 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++) {
		struct ledger_attempt a = { .tier = 1, .model = STR("m"),
		    .scored = true, .score = is[i].score };
		char run[16];

		snprintf(run, sizeof(run), "%zu", i);
		put(&(struct ledger_task){ .id = STR("x"), .run = str_of(run),
		    .attempts = &a, .n_attempts = 1 });
		sum_up(&(struct ledger_filter){ .run = str_of(run) },
		    LEDGER_TOTAL);
		assert_int_equal(got[0].bins[is[i].bin], 1);
	}
}

static void
an_attempt_without_a_score_is_in_no_bin(void **state)
{
	struct ledger_attempt a = { .tier = 1, .model = STR("m") };

	(void)state;
	put(&(struct ledger_task){ .id = STR("x"), .attempts = &a,
	    .n_attempts = 1 });
	sum_up(NULL, LEDGER_TOTAL);
	for (int i = 0; i < LEDGER_BINS; i++)
		assert_int_equal(got[0].bins[i], 0);
}

static int64_t
tasks_under(struct ledger_filter f)
{
	sum_up(&f, LEDGER_TOTAL);
	assert_groups(1, "total");
	return got[0].tasks;
}

static void
filters_narrow_and_combine(void **state)
{
	const int64_t second = MIDNIGHT_MS + 23 * HOUR_MS;

	(void)state;
	put_all();
#define UNDER(...) tasks_under((struct ledger_filter){ __VA_ARGS__ })
	assert_int_equal(UNDER(.cascade = STR("math")), 3);
	assert_int_equal(UNDER(.cascade = STR("mat")), 0);
	assert_int_equal(UNDER(.run = STR("r2")), 3);
	assert_int_equal(UNDER(.run = STR("r2"), .cascade = STR("qa")), 2);
	assert_int_equal(UNDER(.since_utc_ms = second), 4);
	assert_int_equal(UNDER(.since_utc_ms = second + 1), 3);
	assert_int_equal(UNDER(.until_utc_ms = second), 1); /* excluded */
	assert_int_equal(UNDER(.since_utc_ms = second,
	    .until_utc_ms = second + 1), 1);
	assert_int_equal(UNDER(.cascade = STR("' OR 1 --")), 0);
	assert_int_equal(UNDER(.tag_key = STR("team"), .tag_value = STR("a"),
	    .run = STR("r1")), 1);
}

static void
a_model_is_named_in_full_without_provider_or_by_a_pattern(void **state)
{
	(void)state;
	put_all();
	assert_int_equal(UNDER(.model = STR("q/org/big")), 3);
	assert_int_equal(UNDER(.model = STR("org/big")), 3);
	assert_int_equal(UNDER(.model = STR("p/*")), 3);
	assert_int_equal(UNDER(.model = STR("sm*")), 3);
	assert_int_equal(UNDER(.model = STR("*")), 4);
	assert_int_equal(UNDER(.model = STR("big")), 0);
	assert_int_equal(UNDER(.model = STR("p/smal?")), 0);
	assert_int_equal(UNDER(.model = STR("p/smal[l]")), 0);
	assert_int_equal(UNDER(.model = STR("P/SMALL")), 0);
#undef UNDER
}

static void
a_filter_on_the_model_leaves_out_the_attempts_of_others(void **state)
{
	static const int64_t status[5] = { 2, 0, 0, 1, 0 };
	struct ledger_filter f = { .model = STR("q/org/big") };

	(void)state;
	put_all();
	sum_up(&f, LEDGER_TOTAL);
	assert_int_equal(got[0].tasks, 3);
	assert_memory_equal(got[0].by_status, status, sizeof(status));
	assert_int_equal(got[0].cost_picousd, 500);
	assert_int_equal(got[0].by_verdict[ATTEMPT_ESCALATE], 0);
	sum_up(&f, LEDGER_BY_CASCADE);
	assert_groups(2, "math", "qa");
	assert_int_equal(got[0].tasks, 2);
}

static void
an_empty_ledger_has_a_total_of_nothing(void **state)
{
	struct ledger_filter f = { .tag_key = STR("t") };

	(void)state;
	for (int by = LEDGER_BY_TIER; by < LEDGER_TOTAL; by++) {
		sum_up(&f, (enum ledger_group)by);
		assert_groups(0);
	}
	sum_up(NULL, LEDGER_TOTAL);
	assert_groups(1, "total");
	assert_int_equal(got[0].tasks, 0);
	assert_int_equal(got[0].cost_picousd, 0);
	assert_int_equal(got[0].latency_p50_ms, -1);
	assert_int_equal(got[0].latency_p95_ms, -1);
}

static void
sums_saturate_instead_of_failing(void **state)
{
	struct ledger_attempt a = { .tier = 1, .model = STR("m"),
	    .cost_picousd = MONEY_MAX, .cached_picousd = MONEY_MAX,
	    .prompt_tokens = INT64_MAX, .completion_tokens = INT64_MAX };
	struct ledger_task t = { .id = STR("x"), .attempts = &a,
	    .n_attempts = 1, .cost_picousd = MONEY_MAX,
	    .cached_picousd = MONEY_MAX, .top_picousd = MONEY_MAX };

	(void)state;
	put(&t);
	put(&t);
	sum_up(NULL, LEDGER_TOTAL);
	assert_true(got[0].cost_picousd == MONEY_MAX);
	assert_true(got[0].cached_picousd == MONEY_MAX);
	assert_true(got[0].top_picousd == MONEY_MAX);
	assert_true(got[0].top_paid_picousd == MONEY_MAX);
	assert_true(got[0].prompt_tokens == INT64_MAX);
	assert_true(got[0].completion_tokens == INT64_MAX);
	assert_int_equal(got[0].top_known, 2);
}

static void
the_callback_may_stop(void **state)
{
	(void)state;
	put_all();
	stop_after = 1;
	sum_up(NULL, LEDGER_BY_TIER);
	assert_groups(1, "math 1 p/small");
}

static char reasons[400];

static bool
collect_reason(void *cookie, struct str cascade, int tier,
    enum attempt_verdict v, struct str scorer, int64_t count)
{
	size_t n = strlen(reasons);

	snprintf(reasons + n, sizeof(reasons) - n, "%.*s %d %s %.*s %d;",
	    STR_ARG(cascade), tier, attempt_verdict_name(v), STR_ARG(scorer),
	    (int)count);
	return cookie == NULL;
}

static void
reasons_of_escalation_come_most_frequent_first(void **state)
{
	struct ledger_filter f = { 0 };
	bool stop;

	(void)state;
	put_all();
	reasons[0] = '\0';
	assert_int_equal(ledger_reasons(s, &f, collect_reason, NULL, &e), 0);
	assert_string_equal(reasons,
	    "math 1 escalate agreement 2;math 2 unavailable  1;");
	reasons[0] = '\0';
	assert_int_equal(ledger_reasons(s, &f, collect_reason, &stop, &e), 0);
	assert_string_equal(reasons, "math 1 escalate agreement 2;");
	f.run = STR("r2");
	f.model = STR("p/*");
	reasons[0] = '\0';
	assert_int_equal(ledger_reasons(s, &f, collect_reason, NULL, &e), 0);
	assert_string_equal(reasons, "math 1 escalate agreement 1;");
}

/* 0 to n - 1. */
static int64_t
dice(uint64_t *seed, int64_t n)
{
	*seed = *seed * 6364136223846793005u + 1;
	return (int64_t)(*seed >> 33) % n;
}

#define DICE(n) dice(seed, n)

/* A random task of the ledger that tests of summaries have. */
static void
put_random(uint64_t *seed, int64_t finished_utc_ms)
{
	static const char *const scorers[] = { "regex", "agreement", "" };
	struct ledger_attempt a[3];
	int64_t rows[2] = { 1, 2 };
	struct ledger_attempt audit = { .rows = rows, .n_rows = 2 };
	struct ledger_task t = { .id = STR("t"), .cascade = STR("math"),
	    .run = STR("one"), .tags = STR("{\"team\":\"a\"}"),
	    .finished_utc_ms = finished_utc_ms, .attempts = a, .tiers = 3 };

	t.n_attempts = (size_t)DICE(4);
	for (size_t i = 0; i < t.n_attempts; i++)
		a[i] = (struct ledger_attempt){ .tier = 1 + (int)DICE(3),
		    .model = DICE(2) ? STR("p/small") : STR("q/org/big"),
		    .samples = 1 + (int)DICE(3), .cached = (int)DICE(2),
		    .scored = DICE(2), .score = (double)DICE(100) / 99,
		    .scorer = str_of(scorers[DICE(3)]),
		    .verdict = (enum attempt_verdict)DICE(8),
		    .cost_picousd = DICE(5) ? DICE(1000) : MONEY_UNKNOWN,
		    .cached_picousd = DICE(10), .requests = (int)DICE(3),
		    .prompt_tokens = DICE(100) - 1, .latency_ms = DICE(9000) };
	t.tier = (int)DICE(4);
	t.status = (enum task_status)DICE(5);
	t.model = STR("p/small");
	t.latency_ms = DICE(20000);
	t.cost_picousd = DICE(500);
	t.top_picousd = DICE(4) ? DICE(900) : MONEY_UNKNOWN;
	t.collected = DICE(8) == 0;
	if (DICE(5) == 0) {
		rows[0] = DICE(50);
		t.audit = &audit;
		t.audit_outcome = (enum audit_outcome)DICE(3);
		t.audit_picousd = DICE(70);
	}
	put(&t);
}

static void
assert_same_sums(enum ledger_group by, struct ledger_filter f,
    struct ledger_filter g)
{
	static struct ledger_stats first[MOST];
	size_t n;

	sum_up(&f, by);
	n = n_got;
	memcpy(first, got, sizeof(got));
	sum_up(&g, by);
	assert_int_equal(n_got, n);
	for (size_t i = 0; i < n; i++) {
		/* But for the names, which are where they are. */
		first[i].group = got[i].group;
		first[i].cascade = got[i].cascade;
		first[i].model = got[i].model;
		assert_memory_equal(&first[i], &got[i], sizeof(got[i]));
	}
}

struct reasons_seen {
	int64_t n, sum;
};

static bool
add_reason(void *cookie, struct str cascade, int tier, enum attempt_verdict v,
    struct str scorer, int64_t count)
{
	struct reasons_seen *r = cookie;

	r->n++;
	r->sum = r->sum % 1000003 * 31 + count * 7 + tier * 3 + (int)v
	    + (int64_t)scorer.n + (int64_t)cascade.n;
	return true;
}

static bool
add_audit(void *cookie, const struct ledger_audits *g)
{
	int64_t *v = cookie;

	*v = *v % 1000003 * 31 + g->accepted + 3 * g->tasks + 5 * g->audited
	    + 7 * g->differ + 11 * g->unanswered + 13 * g->cost_picousd;
	return true;
}

/* Sums that were kept and sums made of entries are the same: a run, and a tag
 * that all tasks have, are what summaries cannot tell. */
static void
what_was_summed_up_before_adds_up_to_the_same(void **state)
{
	static const enum ledger_group by[] = { LEDGER_BY_TIER,
	    LEDGER_BY_CASCADE, LEDGER_BY_MODEL, LEDGER_TOTAL };
	struct ledger_filter all = { 0 }, run = { .run = STR("one") },
	    tag = { .tag_key = STR("team") };
	struct reasons_seen r1 = { 0 }, r2 = { 0 };
	int64_t a1 = 0, a2 = 0;
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 3000; i++)
		put_random(&seed, MIDNIGHT_MS + i * 60000);
	for (int collected = 0; collected < 2; collected++) {
		all.collected = run.collected = tag.collected = collected;
		for (size_t i = 0; i < sizeof(by) / sizeof(*by); i++) {
			assert_same_sums(by[i], all, run);
			assert_same_sums(by[i], all, tag);
		}
	}
	/* Nor a time that begins and ends within one. */
	all.since_utc_ms = run.since_utc_ms = MIDNIGHT_MS + 777 * 60000;
	all.until_utc_ms = run.until_utc_ms = MIDNIGHT_MS + 2222 * 60000;
	assert_same_sums(LEDGER_BY_TIER, all, run);
	all.collected = run.collected = false;
	assert_same_sums(LEDGER_TOTAL, all, run);
	assert_int_equal(ledger_reasons(s, &all, add_reason, &r1, &e), 0);
	assert_int_equal(ledger_reasons(s, &run, add_reason, &r2, &e), 0);
	assert_true(r1.n > 10 && r1.n == r2.n && r1.sum == r2.sum);
	assert_int_equal(ledger_audits(s, &all, LEDGER_BY_TIER, add_audit,
	    &a1, &e), 0);
	assert_int_equal(ledger_audits(s, &run, LEDGER_BY_TIER, add_audit,
	    &a2, &e), 0);
	assert_true(a1 != 0 && a1 == a2);
}

#define STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		STORE(the_total_counts_every_task_once),
		STORE(the_saving_is_over_tasks_whose_costs_are_all_known),
		STORE(tiers_come_upwards_with_the_tasks_that_came_to_them),
		STORE(models_are_summed_across_cascades_most_tasks_first),
		STORE(a_task_that_visits_a_model_twice_is_one_task),
		STORE(cascades_come_with_the_most_tasks_first),
		STORE(a_tag_groups_the_tasks_that_have_it),
		STORE(a_tag_without_its_name_is_a_mistake),
		STORE(odd_names_and_values_of_tags_are_found),
		STORE(days_are_local_and_go_forwards),
		STORE(a_day_of_daylight_saving_ends_at_its_own_midnight),
		STORE(percentiles_are_latencies_that_occurred),
		STORE(what_came_out_of_the_cache_has_no_latency),
		STORE(what_was_not_even_asked_for_has_no_latency),
		STORE(a_score_at_a_bound_is_in_the_upper_bin),
		STORE(an_attempt_without_a_score_is_in_no_bin),
		STORE(filters_narrow_and_combine),
		STORE(
		    a_model_is_named_in_full_without_provider_or_by_a_pattern),
		STORE(a_filter_on_the_model_leaves_out_the_attempts_of_others),
		STORE(an_empty_ledger_has_a_total_of_nothing),
		STORE(sums_saturate_instead_of_failing),
		STORE(what_was_summed_up_before_adds_up_to_the_same),
		STORE(the_callback_may_stop),
		STORE(reasons_of_escalation_come_most_frequent_first),
	};

	setenv("TZ", "UTC0", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
