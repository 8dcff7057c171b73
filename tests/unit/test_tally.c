/*
 * test_tally.c -- counts and latencies, to bytes and back; and entries that are
 * damaged in every way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "cache/tally.h"

static const int64_t rows[] = { 7, -1, 4000000000 };

static const struct ledger_attempt attempts[] = {
	{ .tier = 1, .model = STR("p/a"), .samples = 3, .scored = true,
	  .score = 0.25, .scorer = STR("agreement"), .reason = STR("1 of 3"),
	  .verdict = ATTEMPT_ESCALATE, .cost_picousd = 5, .requests = 3,
	  .latency_ms = 100000, .rows = rows, .n_rows = 3 },
	{ .tier = 2, .model = STR("p/b"), .samples = 1, .requests = 1,
	  .cost_picousd = MONEY_UNKNOWN, .latency_ms = 7 },
};

static const struct ledger_task task = {
	.id = STR("t"), .cascade = STR("c"), .model = STR("p/b"), .tier = 2,
	.tiers = 3, .tags = STR("{\"a\":\"b\"}"), .prompt = STR("what?"),
	.attempts = attempts, .n_attempts = 2, .audit = &attempts[0],
	.audit_outcome = AUDIT_DIFFERS, .audit_picousd = 11,
	.latency_ms = 100100, .finished_utc_ms = 1700000000000,
};

static const struct entry_end ended = {
	.ask = { .id = 5, .asked_utc_ms = 3, .model = STR("p/a") },
	.outcome = ASK_WAIT, .status = 429, .code = STR("rate"),
	.ended_utc_ms = 9, .cost_picousd = 17, .booked = true,
};

static struct tally *
filled(void)
{
	static const struct tally_rules all;
	struct tally *t = tally_new();

	assert_non_null(t);
	assert_true(tally_add_task(t, &task, &all));
	assert_true(tally_add_task(t, &task, &all));
	assert_true(tally_add_end(t, &ended));
	return t;
}

/* The counts of all cells of a kind. */
static int64_t
sum_of(const struct tally *t, enum tally_kind kind, enum tally_count what)
{
	const struct tally_cell *c;
	int64_t sum = 0;
	size_t i = 0;

	while ((c = tally_each(t, &i)))
		if (c->key.kind == kind)
			sum += c->n[what];
	return sum;
}

static void
assert_filled(const struct tally *t, int64_t times)
{
	const struct tally_cell *c;
	size_t i = 0, once = 0;

	assert_int_equal(sum_of(t, TALLY_CLIMB, TALLY_TASKS), 2 * times);
	assert_int_equal(sum_of(t, TALLY_CLIMB, TALLY_COMPLETIONS), 8 * times);
	assert_int_equal(sum_of(t, TALLY_CLIMB, TALLY_COST), 32 * times);
	assert_int_equal(sum_of(t, TALLY_CLIMB, TALLY_UNKNOWN), 2 * times);
	assert_int_equal(sum_of(t, TALLY_CLIMB, TALLY_BINS + 2), 2 * times);
	assert_int_equal(sum_of(t, TALLY_REASON, TALLY_COUNT), 2 * times);
	assert_int_equal(sum_of(t, TALLY_CLIMB, TALLY_ACCEPTED), 2 * times);
	assert_int_equal(sum_of(t, TALLY_ASK, TALLY_COST), 17 * times);
	while ((c = tally_each(t, &i))) {
		once += c->n_once;
		if (c->key.kind == TALLY_CLIMB && c->key.tier == 1)
			assert_in_range(hist_percentile(&c->attempts, 50),
			    99950, 100000);
		if (c->key.kind == TALLY_CLIMB && c->key.tier == 2)
			assert_int_equal(hist_percentile(&c->attempts, 50), 7);
	}
	assert_int_equal(once, 2 * times);
}

static void
a_tally_comes_back_and_adds_up(void **state)
{
	struct tally *t = filled(), *u = tally_new();
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	assert_filled(t, 1);
	assert_true(tally_encode(t, &b));
	for (int times = 1; times <= 3; times++) {
		assert_int_equal(tally_decode(u, buf_str(&b)), 1);
		assert_filled(u, times);
	}
	tally_clear(u);
	assert_int_equal(sum_of(u, TALLY_CLIMB, TALLY_TASKS), 0);
	assert_int_equal(tally_decode(u, buf_str(&b)), 1);
	assert_filled(u, 1);
	buf_release(&b);
	tally_free(t);
	tally_free(u);
}

/* A file that was tampered with must not make a bill smaller. */
static void
less_than_nothing_is_damage(void **state)
{
	struct entry_end refund = ended;
	struct tally *t = tally_new(), *u = tally_new();
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	refund.cost_picousd = -17;
	assert_true(tally_add_end(t, &refund));
	assert_true(tally_encode(t, &b));
	assert_int_equal(tally_decode(u, buf_str(&b)), 0);
	buf_release(&b);
	tally_free(t);
	tally_free(u);
}

static void
percentiles_are_exact_below_four_seconds_and_close_above(void **state)
{
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(hist_percentile(&h, 50), -1);
	for (int64_t ms = 1; ms <= 4000; ms++)
		assert_true(hist_add(&h, ms, 1));
	assert_int_equal(hist_percentile(&h, 50), 2000);
	assert_int_equal(hist_percentile(&h, 95), 3800);
	assert_int_equal(hist_percentile(&h, 100), 4000);
	hist_release(&h);
	for (int64_t ms = 5000; ms > 0 && ms < INT64_MAX / 3; ms = ms * 3 / 2) {
		struct hist one = { 0 };
		int64_t p;

		assert_true(hist_add(&one, ms, 1));
		p = hist_percentile(&one, 50);
		assert_true(p <= ms && p >= ms - ms / 2000);
		hist_release(&one);
	}
	assert_true(hist_add(&h, INT64_MAX, 1) && hist_add(&h, -5, 1));
	assert_int_equal(hist_percentile(&h, 50), 0);
	assert_true(hist_percentile(&h, 100) > INT64_MAX / 2);
	hist_release(&h);
}

static void
models_are_meant_by_name_with_or_without_provider_or_by_stars(void **state)
{
	static const struct { const char *model, *arg; bool is; } are[] = {
		{ "p/a", "", true }, { "p/a", "a", true },
		{ "p/a", "p/a", true }, { "p/a", "p/*", true },
		{ "p/a", "*a", true }, { "p/a", "*", true },
		{ "p/a", "b", false }, { "p/a", "p", false },
		{ "p/org/a", "org/a", true }, { "p/org/a", "a", false },
		{ "p/org/a", "*/a", true }, { "p/a", "p/a*", true },
		{ "p/ab", "p/a", false }, { "p/[a]?", "[a]?", true },
		{ "p/a", "?", false }, { "p/aXbXc", "a*b*c", true },
		{ "p/aXbXc", "a*c*b", false }, { "a", "a", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(are) / sizeof(*are); i++)
		assert_true(model_is(str_of(are[i].model), str_of(are[i].arg))
		    == are[i].is);
}

/* Every one of these is refused or read; none is read beyond its end, which the
 * sanitizers see: each has memory of its own. */
static void
what_is_damaged_harms_nobody(void **state)
{
	struct tally *t = filled(), *u = tally_new();
	struct arena *a = arena_new(0);
	struct buf all[3];
	struct ledger_task out;
	struct entry_end end;
	bool is_end;

	(void)state;
	for (int i = 0; i < 3; i++)
		buf_init(&all[i], BUF_MAX);
	assert_true(tally_encode(t, &all[0]));
	assert_true(entry_put_task(&all[1], &task, 5));
	assert_true(entry_put_ask(&all[2], &ended.ask));
	assert_true(entry_put_end(&all[2], &ended));
	for (int i = 0; i < 3; i++) {
		for (size_t at = 0; at < all[i].n; at++) {
			for (int how = 0; how < 4; how++) {
				size_t n = how ? all[i].n : at;
				char *p = malloc(n + 1);
				struct unpack v;
				struct str entry;

				assert_non_null(p);
				memcpy(p, all[i].p, n);
				if (how)
					p[at] = (char)(how == 1 ? 0xff
					    : how == 2 ? 0 : p[at] ^ 0x15);
				v = unpack_of((struct str){ p, n });
				if (i == 0)
					assert_true(tally_decode(u,
					    (struct str){ p, n }) >= 0);
				while (i == 1 && entry_next_task(&v, &entry)) {
					entry_task_id(entry);
					assert_true(entry_get_task(entry, 5, a,
					    &out) >= 0);
				}
				while (i == 2 && entry_next_ask(&v, &is_end,
				    &end))
					;
				tally_clear(u);
				arena_clear(a);
				free(p);
			}
		}
		buf_release(&all[i]);
	}
	tally_free(t);
	tally_free(u);
	arena_free(a);
}

static void
a_task_comes_back(void **state)
{
	struct arena *a = arena_new(0);
	struct ledger_task t;
	struct str entry;
	struct unpack u;
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	assert_true(entry_put_task(&b, &task, 1700000000999));
	assert_true(entry_put_task(&b, &task, 0));
	u = unpack_of(buf_str(&b));
	assert_true(entry_next_task(&u, &entry));
	assert_true(str_is(entry_task_id(entry), "t"));
	assert_int_equal(entry_get_task(entry, 1700000000999, a, &t), 1);
	assert_int_equal(t.finished_utc_ms, 1700000000000);
	assert_int_equal(t.attempts[0].n_rows, 3);
	assert_memory_equal(t.attempts[0].rows, rows, sizeof(rows));
	assert_true(t.attempts[1].cost_picousd == MONEY_UNKNOWN);
	assert_int_equal(t.audit_outcome, AUDIT_DIFFERS);
	assert_true(str_is(t.audit->reason, "1 of 3"));
	assert_true(entry_next_task(&u, &entry));
	assert_false(entry_next_task(&u, &entry));
	assert_false(u.bad);
	buf_release(&b);
	arena_free(a);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tally_comes_back_and_adds_up),
		cmocka_unit_test(less_than_nothing_is_damage),
		cmocka_unit_test(
		percentiles_are_exact_below_four_seconds_and_close_above),
		cmocka_unit_test(
		models_are_meant_by_name_with_or_without_provider_or_by_stars),
		cmocka_unit_test(what_is_damaged_harms_nobody),
		cmocka_unit_test(a_task_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
