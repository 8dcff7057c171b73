/*
 * test_trace.c -- recorded completions, a task at a time. Where there are real
 * traces ($FRUGAL_DATA, else ../shared/data) they are read to the end as well.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "cascade/trace.h"

static char folder[] = "/tmp/frugal-test-XXXXXX";
static char path[128];
static struct trace *trace;
static struct trace_task *task;
static struct err e;

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int
clean_up(void **state)
{
	(void)state;
	trace_task_free(task);
	task = NULL;
	trace_close(trace);
	trace = NULL;
	if (path[0])
		unlink(path);
	path[0] = '\0';
	return 0;
}

static void
open_trace(const char *text)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/t.jsonl", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(trace_open(&trace, path, &e), 0);
}

static int
next(void)
{
	trace_task_free(task);
	task = NULL;
	memset(&e, 0, sizeof(e));
	return trace_next(trace, &task, &e);
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static void
next_is(const char *id, size_t n_tiers)
{
	if (next() != 1)
		fail_msg("no task '%s': %s", id, e.msg);
	is(task->task->id, id);
	assert_int_equal(task->n_tiers, n_tiers);
}

static void
next_fails(const char *says)
{
	char expected[512];

	assert_int_equal(next(), -1);
	assert_int_equal(e.code, ERR_INPUT);
	snprintf(expected, sizeof(expected), "%s:%s", path, says);
	if (strncmp(e.msg, expected, strlen(expected)) != 0)
		fail_msg("'%s' does not begin with '%s'", e.msg, expected);
}

static void
the_end(void)
{
	assert_int_equal(next(), 0);
	assert_int_equal(next(), 0);
}

#define LINE(id, tier) "{\"id\":\"" id "\",\"prompt\":\"p\",\"tier\":\"" tier \
	"\",\"completions\":[{\"text\":\"t\"}]}\n"

static void
lines_of_one_id_are_one_task(void **state)
{
	(void)state;
	open_trace(LINE("a", "x") LINE("a", "y") "\n" LINE("b", "x")
	    LINE("c", "x") LINE("c", "y") LINE("c", "z"));
	next_is("a", 2);
	is(task->tiers[0].name, "x");
	is(task->tiers[1].name, "y");
	assert_int_equal(task->task->line, 1);
	next_is("b", 1);
	assert_int_equal(task->task->line, 4);
	next_is("c", 3);
	the_end();
}

static void
everything_recorded_is_read(void **state)
{
	const struct trace_tier *t;
	const struct completion *c;

	(void)state;
	open_trace("{\"id\":\"a\",\"dataset\":\"d\",\"split\":\"dev\","
	    "\"tier\":\"gpt-4/cot\",\"model\":\"gpt-4\",\"prompt\":\"p\","
	    "\"reference\":\"42\",\"sampling\":{\"n\":2},"
	    "\"price\":{\"input_per_mtok\":0.075,\"output_per_mtok\":60.0},"
	    "\"completions\":[{\"text\":\"is 42\",\"answer\":\"42\","
	    "\"correct\":true,\"prompt_tokens\":10,\"completion_tokens\":3,"
	    "\"cost_usd\":4.2e-06,\"latency_ms\":363.5},"
	    "{\"text\":\"is 41\",\"answer\":null,\"correct\":false,"
	    "\"prompt_kind\":\"x\"}]}\n");
	next_is("a", 1);
	is(task->dataset, "d");
	is(task->task->prompt, "p");
	is(task->task->reference, "42");
	assert_true(task->task->has_reference);
	t = &task->tiers[0];
	is(t->name, "gpt-4/cot");
	is(t->model, "gpt-4");
	assert_int_equal(t->rates.input, 75000);
	assert_int_equal(t->rates.output, 60000000);
	assert_true(t->rates.cached == MONEY_UNKNOWN);
	assert_int_equal(t->n, 2);
	c = &t->c[0];
	is(c->text, "is 42");
	is(c->answer, "42");
	assert_true(c->has_answer);
	is(c->model, "gpt-4");
	assert_int_equal(c->finish, FINISH_STOP);
	assert_int_equal(c->prompt_tokens, 10);
	assert_int_equal(c->completion_tokens, 3);
	assert_int_equal(c->cost_picousd, 4200000);
	assert_int_equal(c->latency_ms, 364);
	assert_true(t->notes[0].has_recorded_answer);
	assert_int_equal(t->notes[0].correct, YES);
	c = &t->c[1];
	assert_false(c->has_answer);
	assert_true(t->notes[1].has_recorded_answer);
	assert_int_equal(t->notes[1].correct, NO);
}

static void
what_is_not_recorded_is_unknown(void **state)
{
	const struct trace_tier *t;
	const struct completion *c;

	(void)state;
	open_trace("{\"id\":7,\"tier\":\"x\",\"prompt\":\"p\","
	    "\"completions\":[{}]}\n");
	next_is("7", 1);
	assert_int_equal(task->dataset.n, 0);
	assert_false(task->task->has_reference);
	t = &task->tiers[0];
	c = &t->c[0];
	is(t->model, "x");
	assert_true(t->rates.input == MONEY_UNKNOWN);
	assert_true(t->rates.output == MONEY_UNKNOWN);
	assert_int_equal(c->text.n, 0);
	assert_false(c->has_answer);
	assert_false(t->notes[0].has_recorded_answer);
	assert_int_equal(t->notes[0].correct, UNSET);
	assert_null(c->tokens);
	assert_true(c->cost_picousd == MONEY_UNKNOWN);
	assert_int_equal(c->prompt_tokens, -1);
	assert_int_equal(c->completion_tokens, -1);
	assert_int_equal(c->latency_ms, -1);
}

static void
answers_may_be_numbers_and_references_lists(void **state)
{
	(void)state;
	open_trace("{\"id\":\"a\",\"tier\":\"x\",\"reference\":12,"
	    "\"completions\":[{\"answer\":3.50},{\"answer\":true}]}\n"
	    "{\"id\":\"b\",\"tier\":\"x\",\"reference\":{\"best\":\"q\"},"
	    "\"completions\":[{}]}\n"
	    "{\"id\":\"c\",\"tier\":\"x\",\"reference\":null,"
	    "\"completions\":[{}]}\n");
	next_is("a", 1);
	is(task->tiers[0].c[0].answer, "3.5");
	is(task->tiers[0].c[1].answer, "true");
	is(task->task->reference, "12");
	next_is("b", 1);
	assert_false(task->task->has_reference);
	next_is("c", 1);
	assert_false(task->task->has_reference);
}

static void
messages_take_the_place_of_a_prompt(void **state)
{
	(void)state;
	open_trace("{\"id\":\"a\",\"tier\":\"x\",\"messages\":["
	    "{\"role\":\"system\",\"content\":\"s\"},"
	    "{\"role\":\"user\",\"content\":\"u\"}],"
	    "\"completions\":[{\"text\":\"t\"}]}\n");
	next_is("a", 1);
	assert_int_equal(task->task->n_messages, 2);
	is(task->task->prompt, "u");
}

static void
a_line_without_a_tier_is_a_task_without_tiers(void **state)
{
	(void)state;
	open_trace("{\"id\":\"a\",\"tier\":null,\"model\":null,\"prompt\":"
	    "\"p\",\"price\":null,\"completions\":[]}\n"
	    "{\"id\":\"b\",\"prompt\":\"p\"}\n"
	    "{\"id\":\"c\",\"tier\":\"x\",\"prompt\":\"p\","
	    "\"completions\":[]}\n"
	    "{\"id\":\"d\",\"tier\":\"x\",\"prompt\":\"p\","
	    "\"completions\":null}\n");
	next_is("a", 0);
	is(task->task->prompt, "p");
	next_is("b", 0);
	next_is("c", 0);
	next_is("d", 0);
	the_end();
}

/* The only completion of a task whose text and logprobs are these. */
static const struct completion *
with_logprobs(const char *text, const char *logprobs)
{
	char line[1000];

	clean_up(NULL);
	snprintf(line, sizeof(line), "{\"id\":\"a\",\"tier\":\"x\","
	    "\"completions\":[{\"text\":\"%s\",\"logprobs\":%s}]}\n", text,
	    logprobs);
	open_trace(line);
	next_is("a", 1);
	return &task->tiers[0].c[0];
}

static void
tokens_that_make_up_the_text_have_their_place_in_it(void **state)
{
	const struct completion *c = with_logprobs("is 42",
	    "[{\"token\":\"is\",\"logprob\":-0.1,\"top_logprobs\":[]},"
	    "{\"token\":\" 42\",\"logprob\":-1.25e-9}]");

	(void)state;
	assert_int_equal(c->n_tokens, 2);
	assert_false(c->tokens_of_answer);
	assert_int_equal(c->tokens[0].from, 0);
	assert_int_equal(c->tokens[0].to, 2);
	assert_int_equal(c->tokens[1].from, 2);
	assert_int_equal(c->tokens[1].to, 5);
	assert_true(c->tokens[0].logprob == -0.1);
	assert_true(c->tokens[1].logprob == -1.25e-9);
}

static void
parts_of_characters_are_put_together_by_their_bytes(void **state)
{
	const struct completion *c = with_logprobs("\xe2\x82\xac",
	    "[{\"token\":\"\\ufffd\",\"logprob\":-1,\"bytes\":[226,130]},"
	    "{\"token\":\"\\ufffd\",\"logprob\":-2,\"bytes\":[172]}]");

	(void)state;
	assert_false(c->tokens_of_answer);
	assert_int_equal(c->tokens[1].from, 2);
	assert_int_equal(c->tokens[1].to, 3);
}

static void
other_tokens_are_those_of_the_answer(void **state)
{
	const struct completion *c = with_logprobs("the answer is (c)",
	    "[{\"token\":\"c\",\"logprob\":-0.5}]");

	(void)state;
	assert_true(c->tokens_of_answer);
	assert_int_equal(c->n_tokens, 1);
	assert_int_equal(c->tokens[0].from, 0);
	assert_int_equal(c->tokens[0].to, 0);
	c = with_logprobs("ab", "[{\"token\":\"a\",\"logprob\":-0.5}]");
	assert_true(c->tokens_of_answer);
	assert_int_equal(c->tokens[0].to, 0);
	c = with_logprobs("ab", "[{\"token\":\"abc\",\"logprob\":-0.5}]");
	assert_true(c->tokens_of_answer);
	c = with_logprobs("", "[{\"logprob\":-0.5}]");
	assert_false(c->tokens_of_answer);
}

static void
no_tokens_are_no_log_probabilities(void **state)
{
	(void)state;
	assert_null(with_logprobs("a", "[]")->tokens);
	assert_false(task->tiers[0].c[0].tokens_of_answer);
	assert_null(with_logprobs("a", "null")->tokens);
}

static void
log_probabilities_stay_in_their_range(void **state)
{
	const struct completion *c = with_logprobs("abcd",
	    "[{\"token\":\"a\",\"logprob\":1e-7},"
	    "{\"token\":\"b\",\"logprob\":-3.4e38},"
	    "{\"token\":\"c\",\"logprob\":null},"
	    "{\"token\":\"d\",\"logprob\":0}]");

	(void)state;
	assert_true(c->tokens[0].logprob == 0);
	assert_true(c->tokens[1].logprob == LOGPROB_FLOOR);
	assert_true(c->tokens[2].logprob == LOGPROB_FLOOR);
	assert_true(c->tokens[3].logprob == 0);
}

static void
a_bad_line_is_left_out_and_reading_goes_on(void **state)
{
	(void)state;
	open_trace(LINE("a", "x") "{\"id\":\"a\",]\n" LINE("a", "y")
	    "[]\n" LINE("b", "x"));
	next_fails("2:");
	next_fails("4:1: a line of a trace must be an object");
	next_is("a", 2);
	next_is("b", 1);
	the_end();
}

static void
a_bad_first_line_costs_a_task_only_that_tier(void **state)
{
	(void)state;
	open_trace(LINE("a", "x")
	    "{\"id\":\"b\",\"tier\":\"x\",\"completions\":[5]}\n"
	    LINE("b", "y"));
	next_fails("2:1: completion 1: must be an object, not a number");
	next_is("a", 1);
	next_is("b", 1);
	is(task->tiers[0].name, "y");
	assert_int_equal(task->task->line, 3);
	the_end();
}

#define BAD(completion) "{\"id\":\"a\",\"tier\":\"x\",\"completions\":[{}," \
	"{" completion "}]}\n"

static void
what_is_wrong_is_named(void **state)
{
	(void)state;
	open_trace("{\"tier\":\"x\"}\n{\"id\":\"\"}\n{\"id\":[]}\n"
	    "{\"id\":\"a\",\"tier\":5,\"completions\":[{}]}\n"
	    "{\"id\":\"a\",\"tier\":\"x\",\"completions\":{}}\n"
	    "{\"id\":\"a\",\"tier\":\"\",\"completions\":[{}]}\n"
	    "{\"id\":\"a\",\"tier\":\"x\",\"price\":3,\"completions\":[{}]}\n"
	    "{\"id\":\"a\",\"prompt\":[]}\n"
	    BAD("\"text\":1") BAD("\"answer\":[]") BAD("\"correct\":1")
	    BAD("\"prompt_tokens\":-1") BAD("\"completion_tokens\":1.5")
	    BAD("\"cost_usd\":-1") BAD("\"cost_usd\":1e300")
	    BAD("\"latency_ms\":\"1\"") BAD("\"logprobs\":{}")
	    BAD("\"logprobs\":[{\"token\":\"a\"}]")
	    BAD("\"logprobs\":[{\"token\":\"a\",\"logprob\":\"b\"}]")
	    BAD("\"logprobs\":[{\"logprob\":-1,\"bytes\":[256]}]")
	    BAD("\"logprobs\":[1]"));
	next_fails("1:1: has no 'id'");
	next_fails("2:1: 'id' is empty");
	next_fails("3:1: 'id': must be a string");
	next_fails("4:1: 'tier' must be a string, not a number");
	next_fails("5:1: 'completions' must be an array, not an object");
	next_fails("6:1: 'tier' is empty");
	next_fails("7:1: 'price' must be an object");
	next_fails("8:1: 'prompt' must be a string");
	next_fails("9:1: completion 2: 'text' must be a string");
	next_fails("10:1: completion 2: 'answer': must be a string");
	next_fails("11:1: completion 2: 'correct' must be a boolean");
	next_fails("12:1: completion 2: 'prompt_tokens' must be a whole");
	next_fails("13:1: completion 2: 'completion_tokens' must be a whole");
	next_fails("14:1: completion 2: 'cost_usd' must be a number from 0");
	next_fails("15:1: completion 2: 'cost_usd' must be a number from 0");
	next_fails("16:1: completion 2: 'latency_ms' must be a number");
	next_fails("17:1: completion 2: 'logprobs' must be an array");
	next_fails("18:1: completion 2: 'logprobs' must have elements");
	next_fails("19:1: completion 2: 'logprobs' must have elements");
	next_fails("20:1: completion 2: 'logprobs' must have elements");
	next_fails("21:1: completion 2: 'logprobs' must have elements");
	the_end();
}

static void
a_tier_that_is_there_twice_is_an_error(void **state)
{
	(void)state;
	open_trace(LINE("a", "x") LINE("a", "x") LINE("b", "x"));
	next_fails("2:1: tier 'x' of task 'a' is there twice");
	next_is("a", 1);
	next_is("b", 1);
	the_end();
}

static void
tiers_and_completions_are_bounded(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	for (int i = 0; i <= TRACE_MAX_TIERS; i++)
		buf_addf(&b, "{\"id\":\"a\",\"tier\":\"t%d\","
		    "\"completions\":[{}]}\n", i);
	buf_adds(&b, "{\"id\":\"b\",\"tier\":\"x\",\"completions\":[{}");
	for (int i = 0; i < TRACE_MAX_COMPLETIONS; i++)
		buf_adds(&b, ",{}");
	buf_adds(&b, "]}\n");
	open_trace(b.p);
	buf_release(&b);
	next_fails("257:1: task 'a' has more than 256 tiers");
	next_fails("258:1: more than 4096 completions");
	next_is("a", TRACE_MAX_TIERS);
	the_end();
}

static void
an_empty_trace_has_no_tasks(void **state)
{
	(void)state;
	open_trace("");
	the_end();
	clean_up(NULL);
	open_trace("\n \n");
	the_end();
	trace_task_free(NULL);
	trace_close(NULL);
}

static void
a_task_under_way_is_not_lost_when_closing(void **state)
{
	(void)state;
	open_trace(LINE("a", "x") LINE("b", "x") LINE("c", "x"));
	next_is("a", 1);
}

static void
a_missing_file_is_an_error(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/none", folder);
	assert_int_equal(trace_open(&trace, path, &e), -1);
	assert_int_equal(e.code, ERR_IO);
}

static void
damage_to_a_gzip_file_is_final(void **state)
{
	gzFile z;
	FILE *f;
	long n;

	(void)state;
	snprintf(path, sizeof(path), "%s/t.jsonl.gz", folder);
	z = gzopen(path, "wb");
	assert_non_null(z);
	for (int i = 0; i < 1000; i++)
		gzprintf(z, "{\"id\":\"%d\",\"prompt\":\"p\"}\n", i * i * i);
	assert_int_equal(gzclose(z), Z_OK);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(truncate(path, n / 2), 0);
	assert_int_equal(trace_open(&trace, path, &e), 0);
	while ((n = next()) == 1)
		;
	assert_int_equal(n, -1);
	assert_int_equal(e.code, ERR_IO);
}

/* Tasks and completions of one file. */
static void
read_whole(const char *name, size_t *tasks, size_t *completions)
{
	int rc;

	memset(&e, 0, sizeof(e));
	if (trace_open(&trace, name, &e) < 0)
		fail_msg("%s", e.msg);
	*tasks = *completions = 0;
	while ((rc = next()) == 1) {
		++*tasks;
		for (size_t i = 0; i < task->n_tiers; i++)
			*completions += task->tiers[i].n;
	}
	if (rc < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(input_offset(trace_input(trace)),
	    input_size(trace_input(trace)));
	clean_up(NULL);
}

/* Counted without the reader: how often the text of the id changes from one
 * line to the next. */
static size_t
count_ids(const char *name)
{
	struct input *in;
	struct str line, id;
	struct buf last;
	size_t n = 0;

	buf_init(&last, BUF_MAX);
	assert_int_equal(input_open(&in, name, 0, &e), 0);
	while (input_line(in, &line, &e) == 1) {
		assert_true(str_starts(line, "{\"id\":\""));
		line = str_sub(line, strlen("{\"id\":\""), line.n);
		assert_true(str_cut(&line, '"', &id));
		n += !str_eq(id, buf_str(&last));
		buf_clear(&last);
		buf_add(&last, id);
	}
	input_close(in);
	buf_release(&last);
	return n;
}

static void
real_traces_are_read_to_the_end(void **state)
{
	const char *data = getenv("FRUGAL_DATA");
	char pattern[4096];
	size_t tasks, completions;
	glob_t g;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*.jsonl.gz",
	    data ? data : "../shared/data");
	if (glob(pattern, 0, NULL, &g) != 0) {
		print_message("no traces at %s\n", pattern);
		skip();
	}
	for (size_t i = 0; i < g.gl_pathc; i++) {
		read_whole(g.gl_pathv[i], &tasks, &completions);
		print_message("%s: %zu tasks, %zu completions\n",
		    g.gl_pathv[i], tasks, completions);
		assert_true(tasks > 0);
		assert_int_equal(tasks, count_ids(g.gl_pathv[i]));
	}
	globfree(&g);
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean_up)
	const struct CMUnitTest tests[] = {
		T(lines_of_one_id_are_one_task),
		T(everything_recorded_is_read),
		T(what_is_not_recorded_is_unknown),
		T(answers_may_be_numbers_and_references_lists),
		T(messages_take_the_place_of_a_prompt),
		T(a_line_without_a_tier_is_a_task_without_tiers),
		T(tokens_that_make_up_the_text_have_their_place_in_it),
		T(parts_of_characters_are_put_together_by_their_bytes),
		T(other_tokens_are_those_of_the_answer),
		T(no_tokens_are_no_log_probabilities),
		T(log_probabilities_stay_in_their_range),
		T(a_bad_line_is_left_out_and_reading_goes_on),
		T(a_bad_first_line_costs_a_task_only_that_tier),
		T(what_is_wrong_is_named),
		T(a_tier_that_is_there_twice_is_an_error),
		T(tiers_and_completions_are_bounded),
		T(an_empty_trace_has_no_tasks),
		T(a_task_under_way_is_not_lost_when_closing),
		T(a_missing_file_is_an_error),
		T(damage_to_a_gzip_file_is_final),
		T(real_traces_are_read_to_the_end),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
