/*
 * test_trace_write.c -- completions written as a trace and read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/money.h"
#include "cascade/trace.h"
#include "cascade/trace_write.h"

static char path[] = "/tmp/frugal-test-XXXXXX";
static struct task *task;
static struct trace *trace;
static struct trace_task *back;
static struct trace_line line;
static struct err e;

static int
begin(void **state)
{
	(void)state;
	task = task_of_json(STR("{\"id\":\"q\",\"prompt\":\"6*7?\","
	    "\"system\":\"short\",\"reference\":\"42\"}"), &e);
	line = (struct trace_line){ .task = task, .tier = STR("small"),
	    .model = STR("p/small"), .rates = { MONEY_UNKNOWN, MONEY_UNKNOWN,
	    MONEY_UNKNOWN, MONEY_UNKNOWN, MONEY_UNKNOWN } };
	return task ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	trace_task_free(back);
	trace_close(trace);
	task_free(task);
	unlink(path);
	strcpy(path, "/tmp/frugal-test-XXXXXX");
	return 0;
}

/* The completions of the line, as they come back. */
static const struct trace_tier *
there_and_back(const struct completion *c, size_t n)
{
	struct buf b;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	buf_init(&b, BUF_MAX);
	line.c = c;
	line.n = n;
	trace_write(&b, &line);
	assert_false(b.failed);
	assert_int_equal(write(fd, b.p, b.n), b.n);
	close(fd);
	buf_release(&b);
	assert_int_equal(trace_open(&trace, path, &e), 0);
	if (trace_next(trace, &back, &e) != 1)
		fail_msg("%s", e.msg);
	assert_int_equal(back->n_tiers, 1);
	assert_int_equal(back->tiers[0].n, n);
	return &back->tiers[0];
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static struct completion
completion(const char *text)
{
	return (struct completion){ .text = str_of(text),
	    .prompt_tokens = 10, .completion_tokens = 5,
	    .cost_picousd = 123456789, .latency_ms = 77 };
}

static void
a_line_has_the_task_the_tier_and_what_each_completion_cost(void **state)
{
	struct completion c[2] = { completion("one"), completion("two") };
	const struct trace_tier *t;

	(void)state;
	c[1].cost_picousd = MONEY_UNKNOWN;
	c[1].prompt_tokens = c[1].completion_tokens = -1;
	line.rates.input = 1500000;
	line.rates.output = 2000000;
	t = there_and_back(c, 2);
	is(back->task->id, "q");
	is(back->task->prompt, "6*7?");
	is(back->task->system, "short");
	is(back->task->reference, "42");
	is(t->name, "small");
	is(t->model, "p/small");
	assert_int_equal(t->rates.input, 1500000);
	assert_int_equal(t->rates.output, 2000000);
	is(t->c[0].text, "one");
	assert_false(t->notes[0].has_recorded_answer);
	assert_int_equal(t->c[0].cost_picousd, 123456789);
	assert_int_equal(t->c[0].prompt_tokens, 10);
	assert_int_equal(t->c[0].completion_tokens, 5);
	assert_int_equal(t->c[0].latency_ms, 77);
	assert_true(t->c[1].cost_picousd == MONEY_UNKNOWN);
	assert_int_equal(t->c[1].prompt_tokens, -1);
}

static void
extracted_answers_are_written_and_so_is_that_there_is_none(void **state)
{
	struct completion c[2] = { completion("#### 42"), completion("?") };
	const struct trace_tier *t;

	(void)state;
	c[0].answer = STR("42");
	c[0].has_answer = true;
	line.answers = true;
	t = there_and_back(c, 2);
	assert_true(t->notes[0].has_recorded_answer);
	is(t->c[0].answer, "42");
	assert_true(t->notes[1].has_recorded_answer);
	assert_false(t->c[1].has_answer);
}

static void
how_an_answer_ended_comes_back(void **state)
{
	struct completion c[3] = { completion("a"), completion("b"),
	    completion("c") };
	const struct trace_tier *t;

	(void)state;
	c[1].finish = FINISH_LENGTH;
	c[2].finish = FINISH_REFUSED;
	t = there_and_back(c, 3);
	assert_int_equal(t->c[0].finish, FINISH_STOP);
	assert_int_equal(t->c[1].finish, FINISH_LENGTH);
	assert_int_equal(t->c[2].finish, FINISH_REFUSED);
}

static void
same_tokens(const struct completion *a, const struct completion *b)
{
	assert_int_equal(a->n_tokens, b->n_tokens);
	assert_int_equal(a->tokens_of_answer, b->tokens_of_answer);
	for (size_t i = 0; i < a->n_tokens; i++) {
		assert_int_equal(a->tokens[i].from, b->tokens[i].from);
		assert_int_equal(a->tokens[i].to, b->tokens[i].to);
		assert_true(a->tokens[i].logprob == b->tokens[i].logprob);
	}
}

static void
tokens_come_back_with_place_and_all_digits(void **state)
{
	/* The second half of an e with an acute accent is a token. */
	static const struct token whole[] = {
		{ 0, 2, -4.7e-12 }, { 2, 3, -0.1 }, { 3, 4, LOGPROB_FLOOR },
	};
	static const struct token gap[] = { { 0, 1, -1 }, { 2, 4, 0 } };
	struct completion c[2] = { completion("is\303\251"),
	    completion("abcd") };
	const struct trace_tier *t;

	(void)state;
	c[0].tokens = whole;
	c[0].n_tokens = 3;
	c[1].tokens = gap;
	c[1].n_tokens = 2;
	t = there_and_back(c, 2);
	same_tokens(&t->c[0], &c[0]);
	same_tokens(&t->c[1], &c[1]);
}

static void
tokens_of_the_answer_alone_stay_so(void **state)
{
	static const struct token tokens[] = { { 0, 0, -0.5 } };
	struct completion c = completion("long #### 42");
	const struct trace_tier *t;

	(void)state;
	c.tokens = tokens;
	c.n_tokens = 1;
	c.tokens_of_answer = true;
	t = there_and_back(&c, 1);
	same_tokens(&t->c[0], &c);
}

static void
messages_are_written_whole(void **state)
{
	struct completion c = completion("x");

	(void)state;
	task_free(task);
	task = task_of_json(STR("{\"id\":\"m\",\"messages\":["
	    "{\"role\":\"user\",\"content\":\"a\"},"
	    "{\"role\":\"assistant\",\"content\":\"b\"},"
	    "{\"role\":\"user\",\"content\":\"c\"}]}"), &e);
	assert_non_null(task);
	line.task = task;
	there_and_back(&c, 1);
	assert_int_equal(back->task->n_messages, 3);
	is(back->task->messages[1].role, "assistant");
	is(back->task->prompt, "c");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_line_has_the_task_the_tier_and_what_each_completion_cost),
		T(extracted_answers_are_written_and_so_is_that_there_is_none),
		T(how_an_answer_ended_comes_back),
		T(tokens_come_back_with_place_and_all_digits),
		T(tokens_of_the_answer_alone_stay_so),
		T(messages_are_written_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
