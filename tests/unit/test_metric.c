/*
 * test_metric.c -- right or wrong, by every metric.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cascade/metric.h"

static int
ask_length(void *to, const struct trace_task *t, struct str text,
    struct str answer, struct err *e)
{
	(void)t;
	(void)answer;
	if (text.n == 0)
		return err_set(e, ERR_IO, "nothing to ask about");
	return text.n > *(size_t *)to ? YES : NO;
}

static enum tristate
right(struct metric m, const char *text, const char *reference)
{
	struct task task = { .reference = str_of(reference),
		.has_reference = reference != NULL };
	struct trace_task t = { .task = &task };
	struct trace_note note = { .correct = UNSET };
	struct completion c = { .text = str_of(text), .answer = str_of(text),
		.has_answer = text[0] != '\0' };
	enum tristate out;
	struct err e;

	assert_int_equal(metric_right(&m, &t, &c, &note, &out, &e), 0);
	return out;
}

#define M(k) ((struct metric){ .kind = METRIC_##k, .least = 0.5 })

static void
what_the_trace_says_counts_most(void **state)
{
	struct task task = { .reference = STR("a"), .has_reference = true };
	struct trace_task t = { .task = &task };
	struct trace_note note = { .correct = NO };
	struct completion c = { .text = STR("a"), .answer = STR("a"),
		.has_answer = true };
	struct metric m = M(TRACE);
	enum tristate out;
	struct err e;

	(void)state;
	assert_int_equal(metric_right(&m, &t, &c, &note, &out, &e), 0);
	assert_int_equal(out, NO);
	m.kind = METRIC_EXACT; /* unless another metric is asked for */
	assert_int_equal(metric_right(&m, &t, &c, &note, &out, &e), 0);
	assert_int_equal(out, YES);
	assert_int_equal(right(M(TRACE), "a", "a"), YES);
	assert_int_equal(right(M(TRACE), "a", NULL), UNSET);
}

static void
exact_is_equality_of_answers(void **state)
{
	(void)state;
	assert_int_equal(right(M(EXACT), "1,234.50", "$1234.5"), YES);
	assert_int_equal(right(M(EXACT), " Paris. ", "paris"), YES);
	assert_int_equal(right(M(EXACT), "Paris in May", "paris"), NO);
	assert_int_equal(right(M(EXACT), "", "paris"), NO);
}

static void
numbers_may_differ_by_a_millionth(void **state)
{
	(void)state;
	assert_int_equal(right(M(NUMERIC), "0.333333333", "0.333333"), YES);
	assert_int_equal(right(M(NUMERIC), "1,000,000.4", "1000000"), YES);
	assert_int_equal(right(M(NUMERIC), "1,000,002", "1000000"), NO);
	assert_int_equal(right(M(NUMERIC), "many", "5"), NO);
	assert_int_equal(right(M(NUMERIC), "5", "many"), UNSET);
}

static void
contains_looks_at_the_text_case_aside(void **state)
{
	(void)state;
	assert_int_equal(right(M(CONTAINS), "It is  the Seine, I think.",
	    "the seine"), YES);
	assert_int_equal(right(M(CONTAINS), "It is the Loire", "seine"), NO);
}

static void
the_reference_may_be_a_pattern(void **state)
{
	struct task task = { .reference = STR("("), .has_reference = true };
	struct trace_task t = { .task = &task };
	struct completion c = { .text = STR("x") };
	struct trace_note note = { .correct = UNSET };
	struct metric m = M(REGEX);
	enum tristate out;
	struct err e;

	(void)state;
	assert_int_equal(right(M(REGEX), "in 1984 or so", "\\b19\\d\\d\\b"),
	    YES);
	assert_int_equal(right(M(REGEX), "in 2084", "\\b19\\d\\d\\b"), NO);
	assert_int_equal(metric_right(&m, &t, &c, &note, &out, &e), -1);
	assert_non_null(strstr(e.msg, "no pattern"));
}

static void
f1_counts_common_words_once_each(void **state)
{
	(void)state;
	assert_true(fabs(metric_f1(STR("the cat sat"), STR("The cat, the dog"))
	    - 2 * 2.0 / 7) < 1e-12);
	assert_true(metric_f1(STR("a b"), STR("B a!")) == 1);
	assert_true(metric_f1(STR("a"), STR("b")) == 0);
	assert_true(metric_f1(STR(""), STR("")) == 1);
	assert_int_equal(right(M(F1), "the river Seine", "Seine"), YES);
	assert_int_equal(right(M(F1), "it is the river Seine", "Seine"), NO);
}

static void
json_is_compared_by_value(void **state)
{
	(void)state;
	assert_int_equal(right(M(JSON), "{\"b\": 1.0, \"a\": [1,2]}",
	    "{\"a\":[1,2],\"b\":1}"), YES);
	assert_int_equal(right(M(JSON), "{\"a\":[2,1]}", "{\"a\":[1,2]}"), NO);
	assert_int_equal(right(M(JSON), "none", "{}"), NO);
	assert_int_equal(right(M(JSON), "{}", "none"), UNSET);
}

static void
a_command_is_asked(void **state)
{
	size_t least = 3;
	struct metric m = { .kind = METRIC_EXEC, .ask = ask_length,
		.to = &least };
	struct task task = { .line = 0 };
	struct trace_task t = { .task = &task };
	struct completion c = { .text = STR("") };
	struct trace_note note = { .correct = UNSET };
	enum tristate out;
	struct err e;

	(void)state;
	assert_int_equal(right(m, "long", NULL), YES);
	assert_int_equal(right(m, "no", NULL), NO);
	assert_int_equal(metric_right(&m, &t, &c, &note, &out, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_trace_says_counts_most),
		cmocka_unit_test(exact_is_equality_of_answers),
		cmocka_unit_test(numbers_may_differ_by_a_millionth),
		cmocka_unit_test(contains_looks_at_the_text_case_aside),
		cmocka_unit_test(the_reference_may_be_a_pattern),
		cmocka_unit_test(f1_counts_common_words_once_each),
		cmocka_unit_test(json_is_compared_by_value),
		cmocka_unit_test(a_command_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
