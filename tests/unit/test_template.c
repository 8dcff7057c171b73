/*
 * test_template.c -- {{input}} and {{field}}.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cascade/task.h"

static struct field fields[] = {
	{ { "name", 4 }, { "Ann", 3 } },
	{ { "braces", 6 }, { "{{name}}", 8 } },
	{ { "empty", 5 }, { NULL, 0 } },
	{ { "gr\xc3\xb6\xc3\x9f" "e", 7 }, { "4", 1 } },
};
static struct task task = {
	.prompt = { "2 + 2?", 6 }, .vars = fields, .n_vars = 4,
};

static void
fills(const char *template, const char *expected)
{
	struct err e = { 0 };
	struct buf out;

	assert_int_equal(template_check(str_of(template), &e), 0);
	buf_init(&out, BUF_MAX);
	if (template_fill(str_of(template), &task, &out, &e) < 0)
		fail_msg("%s: %s", template, e.msg);
	assert_string_equal(out.p ? out.p : "", expected);
	buf_release(&out);
}

static void
fails(const struct task *t, const char *template, const char *says)
{
	struct err e = { 0 };
	struct buf out;

	buf_init(&out, 100);
	assert_int_equal(template_fill(str_of(template), t, &out, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	if (!strstr(e.msg, says))
		fail_msg("%s: '%s' does not say '%s'", template, e.msg, says);
	buf_release(&out);
}

static void
is_bad(const char *template, const char *says)
{
	struct err e = { 0 };

	assert_int_equal(template_check(str_of(template), &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	if (!strstr(e.msg, says))
		fail_msg("%s: '%s' does not say '%s'", template, e.msg, says);
	fails(&task, template, says);
}

static void
the_prompt_and_fields_are_filled_in(void **state)
{
	(void)state;
	fills("", "");
	fills("no field", "no field");
	fills("{{input}}", "2 + 2?");
	fills("Q: {{input}}\nA: {{ name }}!", "Q: 2 + 2?\nA: Ann!");
	fills("{{name}}{{name}}{{empty}}", "AnnAnn");
	fills("{{gr\xc3\xb6\xc3\x9f" "e}}", "4");
}

static void
what_is_filled_in_is_not_looked_at_again(void **state)
{
	(void)state;
	fills("<{{braces}}>", "<{{name}}>");
}

static void
four_braces_are_two(void **state)
{
	(void)state;
	fills("{{{{name}}", "{{name}}");
	fills("{{{{{{name}}", "{{Ann");
	fills("{{{{{{{{", "{{{{");
	fills("{{{{", "{{");
}

static void
single_and_closing_braces_are_text(void **state)
{
	(void)state;
	fills("{\"a\": {\"b\": \"{{name}}\"}}", "{\"a\": {\"b\": \"Ann\"}}");
	fills("}} { } {", "}} { } {");
}

static void
an_unclosed_or_empty_field_is_named_by_its_character(void **state)
{
	(void)state;
	is_bad("{{", "character 1: field is not closed");
	is_bad("ab{{name", "character 3: field is not closed");
	is_bad("ab{{name}", "character 3: field is not closed");
	is_bad("\xc3\xa4\xc3\xb6{{name", "character 3: ");
	is_bad("{{na\nme}}", "character 1: field is not closed");
	is_bad("{{a{{name}}", "character 1: field is not closed");
	is_bad("{{{name}}}", "character 1: field is not closed");
	is_bad("x{{}}", "character 2: field has no name");
	is_bad("{{name}}{{  }}", "character 9: field has no name");
	is_bad("{{{{{{", "character 5: field is not closed");
}

static void
an_unknown_field_names_the_known_ones(void **state)
{
	(void)state;
	fails(&task, "{{nme}}", "unknown field 'nme' (did you mean 'name'?); "
	    "known are input, name, braces, empty");
	fails(&task, "{{Name}}", "unknown field 'Name'");
	fails(&task, "{{inputs}}", "did you mean 'input'?");
	fails(&task, "{{zzzzzz}}", "unknown field 'zzzzzz'; known are input");
}

static void
many_fields_do_not_burst_the_message(void **state)
{
	static struct field many[TASK_MAX_FIELDS];
	struct task t = { .vars = many, .n_vars = TASK_MAX_FIELDS };

	(void)state;
	for (size_t i = 0; i < TASK_MAX_FIELDS; i++)
		many[i].name = STR("a_rather_long_name_of_a_field");
	fails(&t, "{{q}}", "...");
}

static void
input_may_be_a_field_of_a_task_without_a_prompt(void **state)
{
	struct field input = { STR("input"), STR("from the column") };
	struct task t = { .vars = &input, .n_vars = 1 };
	struct err e = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, BUF_MAX);
	assert_int_equal(template_fill(STR("{{input}}"), &t, &out, &e), 0);
	assert_string_equal(out.p, "from the column");
	t.prompt = STR("the prompt");
	buf_clear(&out);
	assert_int_equal(template_fill(STR("{{input}}"), &t, &out, &e), 0);
	assert_string_equal(out.p, "the prompt");
	buf_release(&out);
	t.prompt = STR("");
	t.n_vars = 0;
	fails(&t, "{{input}}", "the task has no prompt");
}

static void
a_text_that_grows_too_long_is_an_input_error(void **state)
{
	char template[201];

	(void)state;
	memset(template, 'a', 200);
	template[200] = '\0';
	fails(&task, template, "longer than 100 bytes");
	template[96] = '\0';
	strcat(template, "{{input}}");
	fails(&task, template, "longer than 100 bytes");
}

static void
filling_appends(void **state)
{
	struct err e = { 0 };
	struct buf out;

	(void)state;
	buf_init(&out, BUF_MAX);
	buf_adds(&out, "x");
	assert_int_equal(template_fill(STR("{{name}}"), &task, &out, &e), 0);
	assert_string_equal(out.p, "xAnn");
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_prompt_and_fields_are_filled_in),
		cmocka_unit_test(what_is_filled_in_is_not_looked_at_again),
		cmocka_unit_test(four_braces_are_two),
		cmocka_unit_test(single_and_closing_braces_are_text),
		cmocka_unit_test(
		    an_unclosed_or_empty_field_is_named_by_its_character),
		cmocka_unit_test(an_unknown_field_names_the_known_ones),
		cmocka_unit_test(many_fields_do_not_burst_the_message),
		cmocka_unit_test(
		    input_may_be_a_field_of_a_task_without_a_prompt),
		cmocka_unit_test(a_text_that_grows_too_long_is_an_input_error),
		cmocka_unit_test(filling_appends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
