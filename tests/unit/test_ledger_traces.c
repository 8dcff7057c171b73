/*
 * test_ledger_traces.c -- traces out of rows of the ledger and completions of
 * the store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "cascade/ledger_traces.h"

#define YAML \
	"providers:\n" \
	"  p: {api: openai, url: 'http://127.0.0.1:9/v1'}\n" \
	"models:\n" \
	"  p/a: {input_per_mtok: 1, output_per_mtok: 2}\n" \
	"cascades:\n" \
	"  x:\n" \
	"    answer: '####\\s*(\\S+)'\n" \
	"    tiers:\n" \
	"      - {name: low, endpoints: [p/a, p/a2], samples: 3, " \
	"temperature: 1, accept: {agreement: 0.5}}\n" \
	"      - {model: p/b}\n"

static struct err e;
static struct store *s;
static struct config *cfg;

/* What came, at most four. */
static struct trace_task *got[4];
static size_t n_got;
static struct ledger_traces_counts counts;

static int
begin(void **state)
{
	struct buf messages;
	int rc;

	(void)state;
	memset(&e, 0, sizeof(e));
	buf_init(&messages, BUF_MAX);
	rc = config_parse(&cfg, "t.yaml", STR(YAML), &messages, NULL, &e);
	if (rc < 0)
		fail_msg("%s", messages.p);
	buf_release(&messages);
	return store_open(&s, ":memory:", 0, &e);
}

static void
forget(void)
{
	while (n_got)
		trace_task_free(got[--n_got]);
}

static int
end(void **state)
{
	(void)state;
	forget();
	store_close(s);
	config_free(cfg);
	return 0;
}

/* A completion of the request number `request`; its row. */
static int64_t
keep(int request, const char *canon, int sample, const char *text)
{
	unsigned char key[SHA256_BYTES] = { (unsigned char)request };
	struct request_row q = { .canon = str_of(canon), .provider = STR("p"),
	    .model = STR("a") };
	struct completion c = { .text = str_of(text), .model = STR("a-1"),
	    .prompt_tokens = 3, .completion_tokens = 4, .cost_picousd = 5 };
	int64_t row;

	memcpy(q.key, key, sizeof(key));
	assert_int_equal(store_begin(s, &e), 0);
	if (store_put(s, &q, sample, &c, &row, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(store_commit(s, &e), 0);
	return row;
}

static void
put(const struct ledger_task *t)
{
	assert_int_equal(store_begin(s, &e), 0);
	if (ledger_put(s, t, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(store_commit(s, &e), 0);
}

static int
each(void *cookie, struct trace_task *t, struct err *err)
{
	(void)cookie;
	(void)err;
	assert_true(n_got < 4);
	got[n_got++] = t;
	return 0;
}

static void
make(const struct config *with, const struct ledger_filter *f)
{
	static const struct ledger_filter everything;

	forget();
	if (ledger_traces(s, with, f ? f : &everything, each, NULL, &counts,
	    &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(counts.tasks, n_got);
}

static void
is(struct str s1, const char *expected)
{
	if (!str_is(s1, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s1), expected);
}

#define CANON "{\"messages\":[{\"content\":\"6*7?\",\"role\":\"user\"}]}"

/* Accepted at `low`, with samples that came out of order; audited. */
static void
put_usual(const char *id)
{
	int64_t rows[3] = { keep(1, CANON, 2, "#### c"),
	    keep(1, CANON, 0, "#### a"), keep(1, CANON, 1, "none") };
	int64_t top = keep(2, CANON, 0, "#### top");
	struct ledger_attempt at = { .tier = 1, .model = STR("p/a"),
	    .samples = 3, .rows = rows, .n_rows = 3, .chosen = 1 };
	struct ledger_attempt audit = { .tier = 2, .model = STR("p/b"),
	    .samples = 1, .rows = &top, .n_rows = 1, .chosen = 0 };

	put(&(struct ledger_task){ .id = str_of(id), .cascade = STR("x"),
	    .prompt = STR("6*7?"), .status = TASK_ACCEPTED, .tier = 1,
	    .tiers = 2, .tags = STR("{\"team\":\"a\"}"),
	    .reference = STR("42"), .attempts = &at, .n_attempts = 1,
	    .audit = &audit, .audit_outcome = AUDIT_DIFFERS });
}

static void
a_climb_gives_the_tiers_that_were_asked_in_order_of_samples(void **state)
{
	const struct trace_tier *t;

	(void)state;
	put_usual("q1");
	make(cfg, NULL);
	assert_int_equal(n_got, 1);
	assert_int_equal(counts.tiers, 2);
	assert_int_equal(counts.labelled, 1);
	is(got[0]->task->id, "q1");
	is(got[0]->task->prompt, "6*7?");
	is(got[0]->task->reference, "42");
	assert_int_equal(got[0]->task->n_tags, 1);
	is(got[0]->task->tags[0].value, "a");
	t = &got[0]->tiers[0];
	is(t->name, "low");
	is(t->model, "p/a");
	assert_int_equal(t->rates.input, 1000000);
	assert_int_equal(t->n, 3);
	is(t->c[0].text, "#### a");
	is(t->c[0].answer, "a");
	is(t->c[1].text, "none");
	assert_false(t->c[1].has_answer);
	is(t->c[2].text, "#### c");
	is(got[0]->tiers[1].name, "p/b");
	is(got[0]->tiers[1].c[0].answer, "top");
}

static void
without_its_configuration_a_tier_is_called_by_its_model(void **state)
{
	(void)state;
	put_usual("q1");
	make(NULL, NULL);
	is(got[0]->tiers[0].name, "p/a");
	assert_true(got[0]->tiers[0].rates.input == MONEY_UNKNOWN);
	assert_false(got[0]->tiers[0].notes[0].has_recorded_answer);
}

static void
an_endpoint_counts_as_its_tier(void **state)
{
	int64_t row = keep(1, CANON, 0, "#### a");
	struct ledger_attempt at = { .tier = 1, .model = STR("p/a2"),
	    .samples = 1, .rows = &row, .n_rows = 1 };

	(void)state;
	put(&(struct ledger_task){ .id = STR("q"), .cascade = STR("x"),
	    .attempts = &at, .n_attempts = 1 });
	make(cfg, NULL);
	is(got[0]->tiers[0].name, "low");
	is(got[0]->tiers[0].model, "p/a2");
}

static void
of_one_id_the_latest_counts_and_filters_are_looked_at(void **state)
{
	int64_t row = keep(3, CANON, 0, "#### new");
	struct ledger_attempt at = { .tier = 2, .model = STR("p/b"),
	    .samples = 1, .rows = &row, .n_rows = 1 };
	struct ledger_filter f = { .tag_key = STR("team"),
	    .tag_value = STR("a") };

	(void)state;
	put_usual("q1");
	put_usual("q2");
	put(&(struct ledger_task){ .id = STR("q1"), .cascade = STR("x"),
	    .collected = true, .attempts = &at, .n_attempts = 1 });
	make(cfg, NULL);
	assert_int_equal(n_got, 2);
	is(got[0]->task->id, "q2");
	is(got[1]->task->id, "q1");
	assert_int_equal(got[1]->n_tiers, 1);
	is(got[1]->tiers[0].c[0].text, "#### new");
	make(cfg, &f);
	assert_int_equal(n_got, 2);
	is(got[0]->task->id, "q1");
	assert_int_equal(got[0]->n_tiers, 2);
	f.cascade = STR("y");
	make(cfg, &f);
	assert_int_equal(n_got, 0);
}

static void
what_is_not_kept_ends_a_tier_and_repairs_are_left_out(void **state)
{
	/* Sample 1 was mended; sample 2 is no longer there. */
	int64_t rows[] = { keep(1, CANON, 0, "a"), keep(1, CANON, 1, "b"),
	    4096 * 100 + 2, keep(4, CANON, 1, "b mended") };
	int64_t gone[] = { -1 };
	struct ledger_attempt at[] = {
		{ .tier = 1, .model = STR("p/a"), .samples = 3, .repairs = 1,
		    .rows = rows, .n_rows = 4 },
		{ .tier = 2, .model = STR("p/b"), .samples = 1,
		    .rows = gone, .n_rows = 1 },
	};

	(void)state;
	put(&(struct ledger_task){ .id = STR("q"), .cascade = STR("x"),
	    .attempts = at, .n_attempts = 2 });
	put(&(struct ledger_task){ .id = STR("r"), .cascade = STR("x"),
	    .attempts = at + 1, .n_attempts = 1 });
	make(cfg, NULL);
	assert_int_equal(n_got, 1);
	assert_int_equal(counts.nothing, 1);
	assert_int_equal(got[0]->n_tiers, 1);
	assert_int_equal(got[0]->tiers[0].n, 2);
	is(got[0]->tiers[0].c[1].text, "b");
}

static void
a_long_prompt_comes_whole_from_the_request(void **state)
{
	char prompt[3001], canon[4000];
	struct ledger_attempt at = { .tier = 1, .model = STR("p/a"),
	    .samples = 1, .n_rows = 1 };
	int64_t row;

	(void)state;
	memset(prompt, 'x', 3000);
	prompt[3000] = '\0';
	snprintf(canon, sizeof(canon), "{\"messages\":[{\"content\":\"s\","
	    "\"role\":\"system\"},{\"content\":\"%s\","
	    "\"role\":\"user\"}]}", prompt);
	row = keep(1, canon, 0, "a");
	at.rows = &row;
	put(&(struct ledger_task){ .id = STR("q"), .cascade = STR("x"),
	    .prompt = str_of(prompt), .attempts = &at, .n_attempts = 1 });
	make(cfg, NULL);
	is(got[0]->task->prompt, prompt);
}

static void
a_long_right_answer_is_not_kept_in_part(void **state)
{
	char reference[LEDGER_MAX_REFERENCE + 2];
	int64_t row = keep(1, CANON, 0, "a");
	struct ledger_attempt at = { .tier = 1, .model = STR("p/a"),
	    .samples = 1, .rows = &row, .n_rows = 1 };
	struct ledger_task t = { .id = STR("q"), .cascade = STR("x"),
	    .attempts = &at, .n_attempts = 1 };

	(void)state;
	memset(reference, 'x', sizeof(reference) - 1);
	reference[sizeof(reference) - 1] = '\0';
	t.reference = str_of(reference);
	put(&t);
	make(cfg, NULL);
	assert_false(got[0]->task->has_reference);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_climb_gives_the_tiers_that_were_asked_in_order_of_samples),
		T(without_its_configuration_a_tier_is_called_by_its_model),
		T(an_endpoint_counts_as_its_tier),
		T(of_one_id_the_latest_counts_and_filters_are_looked_at),
		T(what_is_not_kept_ends_a_tier_and_repairs_are_left_out),
		T(a_long_prompt_comes_whole_from_the_request),
		T(a_long_right_answer_is_not_kept_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
