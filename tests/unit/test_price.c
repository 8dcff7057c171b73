/*
 * test_price.c -- the price table, finding models in it, and costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cascade/price.h"

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)
/* 2026-11-23, a Monday, 00:00 UTC. */
#define MONDAY ((int64_t)1795392000000)
#define DAY (24 * HOUR)
#define FRIDAY (MONDAY + 4 * DAY)
#define SATURDAY (MONDAY + 5 * DAY)
#define SUNDAY (MONDAY + 6 * DAY)

#define FIND(vendor, model) price_find(STR(vendor), STR(model))

static const struct price *
must_find(const char *vendor, const char *model)
{
	const struct price *p = price_find(str_of(vendor), str_of(model));

	assert_non_null(p);
	return p;
}

static int64_t
cost_at(const struct price *p, int64_t prompt, int64_t completion,
    int64_t utc_ms)
{
	struct usage u = { .prompt = prompt, .completion = completion };

	return price_cost(p, &u, utc_ms, false);
}

static int64_t
cost(const struct price *p, int64_t prompt, int64_t cached, int64_t write,
    int64_t completion)
{
	struct usage u = { prompt, cached, write, completion };

	return price_cost(p, &u, MONDAY, false);
}

static struct price
price_of(int64_t input, int64_t output)
{
	struct price p = price_none();

	p.rates.input = input;
	p.rates.output = output;
	return p;
}

/* The table */

static void
the_table_is_sorted_without_doubles(void **state)
{
	const struct price *last = NULL, *p;
	size_t i = 0, n = 0;

	(void)state;
	while ((p = price_each(&i, STR("")))) {
		if (last) {
			int order = strcmp(last->provider, p->provider);

			assert_true(order <= 0);
			if (order == 0)
				assert_true(strcmp(last->model, p->model) < 0);
		}
		last = p;
		n++;
	}
	assert_int_equal(n, 135);
}

static void
check_rate(const char *model, int64_t rate)
{
	/* A thousand dollars for a million tokens would be a slip. */
	if (rate != MONEY_UNKNOWN && (rate < 0 || rate > 1000000000))
		fail_msg("'%s' has a rate of %lld", model, (long long)rate);
}

static void
check_rates(const char *model, const struct price_rates *r)
{
	check_rate(model, r->input);
	check_rate(model, r->output);
	check_rate(model, r->cached);
	check_rate(model, r->cache_write);
	check_rate(model, r->cache_write_1h);
	if (r->cached != MONEY_UNKNOWN)
		assert_true(r->cached <= r->input);
	if (r->cache_write != MONEY_UNKNOWN)
		assert_true(r->cache_write >= r->input);
}

static void
every_row_makes_sense(void **state)
{
	const struct price *p;
	size_t i = 0;

	(void)state;
	while ((p = price_each(&i, STR("")))) {
		int special = 0;

		check_rates(p->model, &p->rates);
		assert_true(price_known(p));
		assert_in_range(p->batch_percent, 0, 90);
		assert_true(p->context >= -1 && p->max_output >= -1);
		assert_true(p->max_output <= p->context || p->context == -1);
		if (p->logprobs == CAN_IF || p->temperature == CAN_IF)
			assert_non_null(p->condition);
		else
			assert_null(p->condition);
		assert_true(price_status_name(p->status)[0] != '\0');
		if (p->shutdown)
			assert_int_equal(strlen(p->shutdown), 10);
		if (p->as_of)
			assert_int_equal(strlen(p->as_of), 10);
		if (p->long_from) {
			special++;
			check_rates(p->model, &p->long_rates);
		}
		if (p->window[0].to_min) {
			special++;
			check_rates(p->model, &p->window_rates);
		}
		if (p->later_from) {
			special++;
			check_rates(p->model, &p->later_rates);
		}
		/* price_cost() knows no order among them. */
		assert_true(special <= 1);
	}
}

static void
every_row_is_found_by_its_name(void **state)
{
	const struct price *p;
	size_t i = 0;

	(void)state;
	while ((p = price_each(&i, STR(""))))
		assert_ptr_equal(must_find(p->provider, p->model), p);
}

static void
a_row_has_the_facts_of_the_reference(void **state)
{
	const struct price *p = must_find("openai", "gpt-4o-mini");

	(void)state;
	assert_int_equal(p->rates.input, 150000);
	assert_int_equal(p->rates.output, 600000);
	assert_int_equal(p->rates.cached, 75000);
	assert_true(p->rates.cache_write == MONEY_UNKNOWN);
	assert_int_equal(p->batch_percent, 50);
	assert_int_equal(p->context, 128000);
	assert_int_equal(p->max_output, 16384);
	assert_int_equal(p->logprobs, CAN_YES);
	assert_int_equal(p->temperature, CAN_YES);
	assert_int_equal(p->status, MODEL_DEPRECATED);
	assert_string_equal(p->shutdown, "2027-01-14");
	assert_string_equal(p->as_of, "2026-09-23");

	p = must_find("openai", "gpt-5.4");
	assert_int_equal(p->logprobs, CAN_IF);
	assert_string_equal(p->condition, "reasoning_effort=none");
}

/* Costs */

static void
input_and_output_are_billed_at_their_rates(void **state)
{
	const struct price *p = must_find("openai", "gpt-4o-mini");

	(void)state;
	/* 1,000 x $0.15/M + 500 x $0.60/M = $0.00045 */
	assert_int_equal(cost(p, 1000, 0, 0, 500), 450000000);
	assert_int_equal(cost(p, 0, 0, 0, 0), 0);
}

static void
each_input_token_is_billed_at_one_rate(void **state)
{
	const struct price *p = must_find("openai", "gpt-5.6-luna");

	(void)state;
	/* the example of the OpenAI wire format: 112 plain ones remain */
	assert_int_equal(cost(p, 6000, 4096, 1792, 300),
	    112 * p->rates.input + 4096 * p->rates.cached +
	    1792 * p->rates.cache_write + 300 * p->rates.output);
}

static void
an_unknown_cache_rate_is_the_full_input_rate(void **state)
{
	struct price p = price_of(1000, 5000);

	(void)state;
	assert_int_equal(cost(&p, 100, 40, 50, 0), 100 * 1000);
}

static void
cached_tokens_beyond_the_prompt_are_not_part_of_it(void **state)
{
	struct price p = price_of(1000, 0);

	(void)state;
	p.rates.cached = 10;
	assert_int_equal(cost(&p, 100, 101, 0, 0), 100 * 1000 + 101 * 10);
	assert_int_equal(cost(&p, 100, 100, 0, 0), 100 * 10);
	assert_int_equal(cost(&p, 0, 7, 0, 0), 7 * 10);
}

static void
a_part_is_never_negative(void **state)
{
	struct price p = price_of(1000, 0);

	(void)state;
	p.rates.cached = 10;
	p.rates.cache_write = 1250;
	assert_int_equal(cost(&p, 100, 80, 50, 0), 80 * 10 + 50 * 1250);
	assert_int_equal(cost(&p, 100, -1, -1, 0), 100 * 1000);
	assert_int_equal(cost(&p, 100, -500, INT64_MIN, 0), 100 * 1000);
}

static void
what_is_not_known_costs_an_unknown_amount(void **state)
{
	const struct price *mini = must_find("openai", "gpt-4o-mini");
	struct price p = price_none();

	(void)state;
	assert_true(cost(NULL, 1, 0, 0, 1) == MONEY_UNKNOWN);
	assert_true(cost(&p, 1, 0, 0, 1) == MONEY_UNKNOWN);
	assert_true(cost(&p, 0, 0, 0, 0) == MONEY_UNKNOWN);
	p.rates.input = 5;
	assert_true(cost(&p, 1, 0, 0, 0) == MONEY_UNKNOWN);
	assert_true(cost(mini, -1, 0, 0, 1) == MONEY_UNKNOWN);
	assert_true(cost(mini, 1, 0, 0, -1) == MONEY_UNKNOWN);
	assert_false(price_known(NULL));
	assert_false(price_known(&p));
}

static void
an_uncounted_answer_of_a_free_model_is_free(void **state)
{
	struct price p = price_of(0, 0);

	(void)state;
	assert_int_equal(cost(&p, -1, -1, -1, -1), 0);
	assert_int_equal(cost(&p, INT64_MAX, 0, 0, INT64_MAX), 0);
}

static void
a_cost_saturates(void **state)
{
	const struct price *p = must_find("openai", "gpt-4");
	struct usage u = { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };
	struct usage apart = { INT64_MAX - 1, INT64_MAX, 0, 0 };

	(void)state;
	assert_true(price_cost(p, &u, MONDAY, false) == MONEY_MAX);
	assert_true(price_cost(p, &u, MONDAY, true) == MONEY_MAX);
	assert_true(price_cost(p, &apart, MONDAY, false) == MONEY_MAX);
}

static void
a_price_a_request_comes_on_top(void **state)
{
	const struct price *p = must_find("ai21", "j1-jumbo");

	(void)state;
	/* $0.005 + 10 x $250/M */
	assert_int_equal(cost(p, 1000, 0, 0, 10), 7500000000);
}

static void
a_batch_takes_its_discount_off_everything(void **state)
{
	struct usage u = { 6000, 4096, 1792, 300 };
	struct usage one = { .prompt = 1 };
	const struct price *p = must_find("openai", "gpt-5.6-luna");
	struct price odd = price_of(101, 0);

	(void)state;
	assert_int_equal(price_cost(p, &u, MONDAY, true) * 2,
	    price_cost(p, &u, MONDAY, false));
	/* none known: the full price */
	p = must_find("groq", "llama-3.1-8b-instant");
	assert_int_equal(price_cost(p, &u, MONDAY, true),
	    price_cost(p, &u, MONDAY, false));
	/* half a picodollar is billed whole */
	odd.batch_percent = 50;
	assert_int_equal(price_cost(&odd, &one, MONDAY, true), 51);
	odd.rates.input = MONEY_UNKNOWN;
	assert_true(price_cost(&odd, &one, MONDAY, true) == MONEY_UNKNOWN);
}

static void
a_long_prompt_changes_the_price_of_all_of_it(void **state)
{
	const struct price *from = must_find("openai", "gpt-5.4");
	const struct price *over = must_find("openai", "gpt-6-luna");

	(void)state;
	assert_int_equal(cost(from, 271999, 0, 0, 10),
	    271999 * from->rates.input + 10 * from->rates.output);
	assert_int_equal(cost(from, 272000, 0, 0, 10),
	    272000 * 2 * from->rates.input + 15 * from->rates.output);
	assert_int_equal(cost(over, 272000, 0, 0, 10),
	    272000 * over->rates.input + 10 * over->rates.output);
	assert_int_equal(cost(over, 272001, 0, 0, 10),
	    272001 * 2 * over->rates.input + 15 * over->rates.output);
}

static void
cached_tokens_make_a_prompt_long_too(void **state)
{
	const struct price *p = must_find("openai", "gpt-5.4");

	(void)state;
	assert_int_equal(cost(p, 272000, 271000, 0, 0),
	    1000 * p->long_rates.input + 271000 * p->long_rates.cached);
	/* where the one is not counted in the other */
	assert_int_equal(cost(p, 1000, 271000, 0, 0),
	    1000 * p->long_rates.input + 271000 * p->long_rates.cached);
}

static void
deepseek_costs_double_at_its_peak_hours(void **state)
{
	const struct price *p = must_find("deepseek", "deepseek-v4-flash");
	static const struct {
		int64_t at;
		int64_t rate;
	} cases[] = {
		{ MONDAY, 220000 },
		{ MONDAY + HOUR - 1, 220000 },
		{ MONDAY + HOUR, 440000 },
		{ MONDAY + 4 * HOUR - 1, 440000 },
		{ MONDAY + 4 * HOUR, 220000 },
		{ MONDAY + 6 * HOUR - 1, 220000 },
		{ MONDAY + 6 * HOUR, 440000 },
		{ MONDAY + 10 * HOUR - 1, 440000 },
		{ MONDAY + 10 * HOUR, 220000 },
		{ MONDAY + 23 * HOUR, 220000 },
		{ FRIDAY + 2 * HOUR, 440000 },
		{ SATURDAY + 2 * HOUR, 220000 },
		{ SUNDAY + 7 * HOUR, 220000 },
		{ SUNDAY + DAY + 2 * HOUR, 440000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cost_at(p, 1, 0, cases[i].at), cases[i].rate);
}

static void
the_weekend_of_a_window_is_that_of_beijing(void **state)
{
	struct price p = price_of(1, 0);

	(void)state;
	p.window[0] = (struct price_window){ 0, 24 * 60 };
	p.window_rates = p.rates;
	p.window_rates.input = 2;
	assert_int_equal(cost_at(&p, 1, 0, FRIDAY + 16 * HOUR - 1), 2);
	assert_int_equal(cost_at(&p, 1, 0, FRIDAY + 16 * HOUR), 1);
	assert_int_equal(cost_at(&p, 1, 0, SUNDAY + 16 * HOUR - 1), 1);
	assert_int_equal(cost_at(&p, 1, 0, SUNDAY + 16 * HOUR), 2);
}

static void
an_announced_price_holds_from_its_day_on(void **state)
{
	const struct price *p = must_find("google", "gemini-3.8-flash");
	const int64_t new_year = 1798761600000; /* 2027-01-01 */

	(void)state;
	assert_int_equal(cost_at(p, 1, 1, new_year - 1), 750000 + 3750000);
	assert_int_equal(cost_at(p, 1, 1, new_year), 1500000 + 7500000);
}

static void
a_time_without_a_calendar_is_harmless(void **state)
{
	const struct price *p = must_find("google", "gemini-3.8-flash");
	const struct price *q = must_find("deepseek", "deepseek-v4-pro");

	(void)state;
	assert_int_equal(cost_at(p, 1, 0, 0), 750000);
	assert_true(cost_at(p, 1, 0, INT64_MIN) > 0);
	assert_true(cost_at(p, 1, 0, INT64_MAX) > 0);
	assert_true(cost_at(q, 1, 0, INT64_MIN) > 0);
	assert_true(cost_at(q, 1, 0, INT64_MAX) > 0);
}

static void
the_users_own_price_replaces_all_others(void **state)
{
	static const char *const models[][2] = {
		{ "openai", "gpt-5.4" },
		{ "deepseek", "deepseek-v4-flash" },
		{ "google", "gemini-3.8-flash" },
		{ "ai21", "j1-jumbo" },
	};
	struct price_rates own = { 3, 5, MONEY_UNKNOWN, MONEY_UNKNOWN,
		MONEY_UNKNOWN };

	(void)state;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		struct price p = *must_find(models[i][0], models[i][1]);

		price_override(&p, &own);
		assert_int_equal(cost_at(&p, 1000000, 10,
		    MONDAY + 365 * DAY + 2 * HOUR), 3000050);
	}
}

/* Reservations */

static void
the_worst_case_bears_every_answer_and_no_cache(void **state)
{
	const struct price *p = must_find("openai", "gpt-4o-mini");

	(void)state;
	assert_int_equal(price_worst(p, 1000, 200, 5, MONDAY, false),
	    1000 * 150000 + 5 * 200 * 600000);
	assert_int_equal(price_worst(p, 1000, 200, 5, MONDAY, true),
	    (1000 * 150000 + 5 * 200 * 600000) / 2);
}

static void
the_worst_case_writes_the_prompt_to_the_cache(void **state)
{
	const struct price *p = must_find("openai", "gpt-5.6-luna");

	(void)state;
	assert_int_equal(price_worst(p, 1000, 1, 1, MONDAY, false),
	    1000 * p->rates.cache_write + p->rates.output);
}

static void
the_worst_case_without_a_limit_is_the_models_own(void **state)
{
	const struct price *p = must_find("openai", "gpt-4o-mini");
	struct price no_limit = price_of(1, 1);

	(void)state;
	assert_int_equal(price_worst(p, 0, 0, 1, MONDAY, false),
	    INT64_C(16384) * 600000);
	assert_true(price_worst(&no_limit, 1, 0, 1, MONDAY, false) ==
	    MONEY_UNKNOWN);
	/* embeddings have no output at all */
	p = must_find("openai", "text-embedding-3-small");
	assert_int_equal(price_worst(p, 10, 0, 1, MONDAY, false), 10 * 20000);
}

static void
the_worst_case_expects_the_dearest_time(void **state)
{
	const struct price *p = must_find("deepseek", "deepseek-v4-flash");

	(void)state;
	assert_int_equal(price_worst(p, 1, 1, 1, MONDAY, false),
	    440000 + 1320000);
	p = must_find("google", "gemini-3.8-flash");
	assert_int_equal(price_worst(p, 1, 1, 1, MONDAY, false),
	    750000 + 3750000);
	/* an hour before the new price comes into force */
	assert_int_equal(price_worst(p, 1, 1, 1, 1798761600000 - HOUR, false),
	    1500000 + 7500000);
}

static void
the_worst_case_of_a_long_prompt_is_the_long_price(void **state)
{
	const struct price *p = must_find("openai", "gpt-5.4");

	(void)state;
	assert_int_equal(price_worst(p, 272000, 1, 1, MONDAY, false),
	    272000 * p->long_rates.input + p->long_rates.output);
}

static void
the_worst_case_is_never_below_the_cost(void **state)
{
	static const struct usage usages[] = {
		{ 0, 0, 0, 0 }, { 1000, 0, 0, 100 }, { 1000, 500, 500, 1 },
		{ 300000, 0, 300000, 1000 }, { 300000, 300000, 0, 1000 },
	};
	const struct price *p;
	size_t i = 0;

	(void)state;
	while ((p = price_each(&i, STR(""))))
		for (size_t k = 0; k < sizeof(usages) / sizeof(usages[0]); k++)
			for (int h = 0; h < 24; h++) {
				int64_t at = MONDAY + h * HOUR;

				assert_true(price_worst(p, usages[k].prompt,
				    1000, 1, at, false) >=
				    price_cost(p, &usages[k], at, false));
			}
}

static void
an_unknown_worst_case_is_unknown_and_a_huge_one_saturates(void **state)
{
	const struct price *p = must_find("openai", "gpt-4");
	struct price none = price_none();

	(void)state;
	assert_true(price_worst(NULL, 1, 1, 1, MONDAY, false) ==
	    MONEY_UNKNOWN);
	assert_true(price_worst(&none, 1, 1, 1, MONDAY, false) ==
	    MONEY_UNKNOWN);
	assert_true(price_worst(p, -1, 1, 1, MONDAY, false) == MONEY_UNKNOWN);
	assert_true(price_worst(p, INT64_MAX, INT64_MAX, 256, INT64_MAX,
	    false) == MONEY_MAX);
}

/* Finding */

static void
a_version_suffix_is_dropped(void **state)
{
	static const char *const cases[][3] = {
		{ "openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini" },
		{ "openai", "gpt-4o-2024-11-20", "gpt-4o" },
		{ "openai", "gpt-3.5-turbo-0125", "gpt-3.5-turbo" },
		{ "openai", "gpt-4-0314", "gpt-4" },
		{ "anthropic", "claude-haiku-4-5-20251001",
		    "claude-haiku-4-5" },
		{ "anthropic", "claude-haiku-4-5-latest", "claude-haiku-4-5" },
		{ "google", "gemini-1.5-flash-002", "gemini-1.5-flash" },
		{ "xai", "grok-3-latest", "grok-3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(must_find(cases[i][0], cases[i][1])->model,
		    cases[i][2]);
}

static void
a_dated_row_comes_before_the_undated_one(void **state)
{
	(void)state;
	/* twice the price of gpt-4o */
	assert_string_equal(must_find("openai", "gpt-4o-2024-05-13")->model,
	    "gpt-4o-2024-05-13");
	assert_string_equal(must_find("openai", "gpt-3.5-turbo-0613")->model,
	    "gpt-3.5-turbo-0613");
}

static void
a_name_without_a_date_is_the_newest_row(void **state)
{
	static const char *const cases[][3] = {
		{ "anthropic", "claude-3-5-haiku",
		    "claude-3-5-haiku-20241022" },
		{ "anthropic", "claude-3-5-sonnet-latest",
		    "claude-3-5-sonnet-20241022" },
		{ "mistral", "mistral-large-latest", "mistral-large-2512" },
		{ "mistral", "mistral-small-latest", "mistral-small-2603" },
		{ "mistral", "codestral-latest", "codestral-2508" },
		{ "xai", "grok-4", "grok-4-0709" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(must_find(cases[i][0], cases[i][1])->model,
		    cases[i][2]);
}

static void
a_known_alias_is_followed(void **state)
{
	(void)state;
	assert_string_equal(must_find("mistral", "mistral-medium-latest")
	    ->model, "mistral-medium-3-5");
	assert_string_equal(must_find("openai", "gpt-5.6")->model,
	    "gpt-5.6-sol");
	assert_string_equal(must_find("anthropic", "claude-opus-4")->model,
	    "claude-opus-4-0");
	assert_string_equal(must_find("anthropic", "claude-opus-4-20250514")
	    ->model, "claude-opus-4-0");
}

static void
the_old_names_of_deepseek_cost_what_they_stand_for(void **state)
{
	const struct price *chat = must_find("deepseek", "deepseek-chat");
	const struct price *flash = must_find("deepseek", "deepseek-v4-flash");

	(void)state;
	assert_memory_equal(&chat->rates, &flash->rates, sizeof(chat->rates));
	assert_memory_equal(&chat->window_rates, &flash->window_rates,
	    sizeof(chat->window_rates));
	assert_int_equal(chat->logprobs, CAN_YES);
	assert_int_equal(must_find("deepseek", "deepseek-reasoner")->logprobs,
	    CAN_NO);
}

static void
another_snapshot_is_not_given_a_snapshots_price(void **state)
{
	(void)state;
	assert_null(FIND("anthropic", "claude-3-5-sonnet-20240620"));
	assert_null(FIND("mistral", "mistral-large-2402"));
}

static void
a_reseller_sells_at_the_makers_price(void **state)
{
	static const char *const cases[][2] = {
		{ "openai/gpt-4o-mini", "gpt-4o-mini" },
		{ "openai/gpt-4o-mini-2024-07-18", "gpt-4o-mini" },
		{ "openai/gpt-4o-mini:free", "gpt-4o-mini" },
		{ "anthropic/claude-3.5-haiku", "claude-3-5-haiku-20241022" },
		{ "anthropic/claude-sonnet-4.5", "claude-sonnet-4-5" },
		{ "anthropic/claude-opus-4", "claude-opus-4-0" },
		{ "google/gemini-2.5-flash", "gemini-2.5-flash" },
		{ "x-ai/grok-4", "grok-4-0709" },
		{ "mistralai/mistral-large-2411", "mistral-large-2411" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(must_find("openrouter", cases[i][0])
		    ->model, cases[i][1]);
	assert_string_equal(must_find("google", "models/gemini-2.5-pro")
	    ->model, "gemini-2.5-pro");
}

static void
a_model_with_its_makers_name_is_found_where_it_is_sold(void **state)
{
	const struct price *groq = must_find("groq", "openai/gpt-oss-20b");
	const struct price *together =
	    must_find("together", "openai/gpt-oss-20b");

	(void)state;
	assert_string_equal(groq->provider, "groq");
	assert_string_equal(together->provider, "together");
	assert_true(groq->rates.input != together->rates.input);
}

static void
nobody_is_given_anothers_price(void **state)
{
	(void)state;
	assert_null(FIND("", "gpt-4o-mini"));
	assert_null(FIND("openai", ""));
	assert_null(FIND("mistral", "gpt-4o-mini"));
	assert_null(FIND("groq", "gpt-4o-mini"));
	assert_null(FIND("openai", "openai/gpt-4o-mini"));
	assert_null(FIND("together", "openai/gpt-4o-mini"));
	/* open weights: each upstream of openrouter has its own price */
	assert_null(FIND("openrouter", "deepseek/deepseek-chat"));
	assert_null(FIND("openrouter", "openai/gpt-oss-20b"));
	assert_null(FIND("openrouter", "gpt-4o-mini"));
	/* dearer than what it was made from */
	assert_null(FIND("openai", "ft:gpt-4o-mini-2024-07-18:me::abc"));
	assert_null(FIND("openrouter", "openai/gpt-4o-mini:online"));
	/* close, but another model */
	assert_null(FIND("openai", "gpt-4o-min"));
	assert_null(FIND("openai", "gpt-4o-mini-2024-07-1x"));
	assert_null(FIND("openai", "GPT-4O-MINI"));
	assert_null(FIND("groq", "llama3-70b")); /* 8192 is not a date */
	assert_null(FIND("openai", "-latest"));
	assert_null(FIND("openai", "-2024-07-18"));
}

static void
a_hostile_name_is_not_found(void **state)
{
	static char huge[1 << 20];

	(void)state;
	memset(huge, '-', sizeof(huge));
	assert_null(price_find(STR("openai"),
	    (struct str){ huge, sizeof(huge) }));
	memcpy(huge, "anthropic/", 10);
	assert_null(price_find(STR("openrouter"),
	    (struct str){ huge, sizeof(huge) }));
	assert_null(price_find(STR("openai"), STR("gpt-4o\0-mini")));
	assert_null(price_find(STR("openrouter"), STR("anthropic/")));
	assert_null(price_find(STR("openrouter"), STR("openai/:free")));
}

static void
a_vendor_is_known_by_its_host(void **state)
{
	static const char *const cases[][2] = {
		{ "api.openai.com", "openai" },
		{ "API.OpenAI.com", "openai" },
		{ "api.openai.com.", "openai" },
		{ "mine.openai.azure.com", "openai" },
		{ "api.anthropic.com", "anthropic" },
		{ "generativelanguage.googleapis.com", "google" },
		{ "api.mistral.ai", "mistral" },
		{ "api.groq.com", "groq" },
		{ "api.together.xyz", "together" },
		{ "api.together.ai", "together" },
		{ "api.deepseek.com", "deepseek" },
		{ "api.x.ai", "xai" },
		{ "openrouter.ai", "openrouter" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(price_vendor_of_host(str_of(cases[i][0])),
		    cases[i][1]);
}

static void
an_unknown_host_is_nobody(void **state)
{
	static const char *const hosts[] = {
		"", ".", "127.0.0.1", "localhost", "::1", "openai.com",
		"api.openai.com.evil.example", "evil-api.openai.com",
		"x.api.openai.com", ".openai.azure.com", "openai.azure.com",
		"mine.openai.azure.com.evil.example", "eu.api.openai.com",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		const char *v = price_vendor_of_host(str_of(hosts[i]));

		assert_null(v);
		assert_null(price_find(str_of(v), STR("gpt-4o-mini")));
	}
}

/* The list */

static size_t
count(const char *search)
{
	size_t i = 0, n = 0;

	while (price_each(&i, str_of(search)))
		n++;
	return n;
}

static void
a_search_finds_rows_with_every_word(void **state)
{
	size_t i = 0;
	const struct price *p = price_each(&i, STR("4O-mini"));

	(void)state;
	assert_non_null(p);
	assert_string_equal(p->model, "gpt-4o-mini");
	assert_null(price_each(&i, STR("4O-mini")));
	assert_null(price_each(&i, STR("4O-mini"))); /* and stays at the end */

	assert_int_equal(count("gpt-oss"), 4);
	assert_int_equal(count("groq gpt-oss"), 2);
	assert_int_equal(count("  gpt-oss   groq "), 2);
	assert_int_equal(count("groq/"), 8);
	assert_int_equal(count(" "), 135);
	assert_int_equal(count("no such model"), 0);
	assert_int_equal(count("a-word-that-is-longer-than-any-name-in-the-"
	    "table-could-ever-become"), 0);
}

static void
what_is_gone_is_told_by_status_and_date(void **state)
{
	const struct price *mini = must_find("openai", "gpt-4o-mini");
	const int64_t last = 1799884800000; /* 2027-01-14 */

	(void)state;
	assert_false(price_is_gone(mini, last - 1));
	assert_true(price_is_gone(mini, last));
	assert_true(price_is_gone(must_find("openai", "gpt-4"), MONDAY));
	assert_true(price_is_gone(must_find("ai21", "j1-large"), MONDAY));
	assert_false(price_is_gone(must_find("openai", "gpt-6-luna"), MONDAY));
}

static void
names_are_words_for_people(void **state)
{
	(void)state;
	assert_string_equal(price_status_name(MODEL_SHUT_DOWN), "shut down");
	assert_string_equal(price_can_name(CAN_IF), "conditional");
	assert_string_equal(price_can_name(CAN_UNKNOWN), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sorted_without_doubles),
		cmocka_unit_test(every_row_makes_sense),
		cmocka_unit_test(every_row_is_found_by_its_name),
		cmocka_unit_test(a_row_has_the_facts_of_the_reference),
		cmocka_unit_test(input_and_output_are_billed_at_their_rates),
		cmocka_unit_test(each_input_token_is_billed_at_one_rate),
		cmocka_unit_test(an_unknown_cache_rate_is_the_full_input_rate),
		cmocka_unit_test(
		    cached_tokens_beyond_the_prompt_are_not_part_of_it),
		cmocka_unit_test(a_part_is_never_negative),
		cmocka_unit_test(what_is_not_known_costs_an_unknown_amount),
		cmocka_unit_test(an_uncounted_answer_of_a_free_model_is_free),
		cmocka_unit_test(a_cost_saturates),
		cmocka_unit_test(a_price_a_request_comes_on_top),
		cmocka_unit_test(a_batch_takes_its_discount_off_everything),
		cmocka_unit_test(a_long_prompt_changes_the_price_of_all_of_it),
		cmocka_unit_test(cached_tokens_make_a_prompt_long_too),
		cmocka_unit_test(deepseek_costs_double_at_its_peak_hours),
		cmocka_unit_test(the_weekend_of_a_window_is_that_of_beijing),
		cmocka_unit_test(an_announced_price_holds_from_its_day_on),
		cmocka_unit_test(a_time_without_a_calendar_is_harmless),
		cmocka_unit_test(the_users_own_price_replaces_all_others),
		cmocka_unit_test(
		    the_worst_case_bears_every_answer_and_no_cache),
		cmocka_unit_test(the_worst_case_writes_the_prompt_to_the_cache),
		cmocka_unit_test(
		    the_worst_case_without_a_limit_is_the_models_own),
		cmocka_unit_test(the_worst_case_expects_the_dearest_time),
		cmocka_unit_test(
		    the_worst_case_of_a_long_prompt_is_the_long_price),
		cmocka_unit_test(the_worst_case_is_never_below_the_cost),
		cmocka_unit_test(
		    an_unknown_worst_case_is_unknown_and_a_huge_one_saturates),
		cmocka_unit_test(a_version_suffix_is_dropped),
		cmocka_unit_test(a_dated_row_comes_before_the_undated_one),
		cmocka_unit_test(a_name_without_a_date_is_the_newest_row),
		cmocka_unit_test(a_known_alias_is_followed),
		cmocka_unit_test(
		    the_old_names_of_deepseek_cost_what_they_stand_for),
		cmocka_unit_test(
		    another_snapshot_is_not_given_a_snapshots_price),
		cmocka_unit_test(a_reseller_sells_at_the_makers_price),
		cmocka_unit_test(
		    a_model_with_its_makers_name_is_found_where_it_is_sold),
		cmocka_unit_test(nobody_is_given_anothers_price),
		cmocka_unit_test(a_hostile_name_is_not_found),
		cmocka_unit_test(a_vendor_is_known_by_its_host),
		cmocka_unit_test(an_unknown_host_is_nobody),
		cmocka_unit_test(a_search_finds_rows_with_every_word),
		cmocka_unit_test(what_is_gone_is_told_by_status_and_date),
		cmocka_unit_test(names_are_words_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
