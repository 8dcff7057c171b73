/*
 * test_task.c -- tasks from prompts, task objects and OpenAI batch lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "cascade/task.h"

static struct task *
good(const char *json)
{
	struct err e = { 0 };
	struct task *t = task_of_json(str_of(json), &e);

	if (!t)
		fail_msg("%s: %s", json, e.msg);
	return t;
}

/* The line is refused, and the message has `says` in it. */
static void
bad(const char *json, const char *says)
{
	struct err e = { 0 };
	struct task *t = task_of_json(str_of(json), &e);

	if (t) {
		task_free(t);
		fail_msg("%s: should be refused", json);
	}
	assert_int_equal(e.code, ERR_INPUT);
	if (!strstr(e.msg, says))
		fail_msg("%s: '%s' does not say '%s'", json, e.msg, says);
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static void
a_prompt_is_a_task(void **state)
{
	char text[] = "hello";
	struct task *t = task_of_prompt(str_of(text));

	(void)state;
	assert_non_null(t);
	text[0] = 'j';
	is(t->prompt, "hello");
	assert_null(t->messages);
	assert_int_equal(t->id.n, 0);
	assert_false(t->has_reference);
	task_free(t);
	task_free(NULL);
}

static void
every_member_of_a_task_object_is_read(void **state)
{
	struct task *t = good("{\"id\":\"a\",\"prompt\":\"p\",\"system\":\"s\","
	    "\"vars\":{\"x\":\"1\",\"y\":2.50,\"z\":true},"
	    "\"tags\":{\"level\":\"easy\",\"n\":3},\"cascade\":\"math\","
	    "\"reference\":42,\"max_tokens\":100}");

	(void)state;
	is(t->id, "a");
	is(t->prompt, "p");
	is(t->system, "s");
	assert_int_equal(t->n_vars, 3);
	is(t->vars[0].name, "x");
	is(t->vars[0].value, "1");
	is(t->vars[1].value, "2.5");
	is(t->vars[2].value, "true");
	assert_int_equal(t->n_tags, 2);
	is(t->tags[0].value, "easy");
	is(t->tags[1].value, "3");
	is(t->cascade, "math");
	is(t->reference, "42");
	assert_true(t->has_reference);
	assert_int_equal(t->max_tokens, 100);
	task_free(t);
}

static void
null_is_absent_and_an_empty_reference_is_none(void **state)
{
	struct task *t = good("{\"prompt\":\"p\",\"id\":null,\"system\":null,"
	    "\"vars\":null,\"tags\":null,\"cascade\":null,\"messages\":null,"
	    "\"max_tokens\":null,\"reference\":\"\"}");

	(void)state;
	assert_int_equal(t->id.n, 0);
	assert_int_equal(t->n_vars, 0);
	assert_int_equal(t->max_tokens, 0);
	assert_false(t->has_reference);
	task_free(t);
}

static void
an_unknown_member_is_an_error_that_names_the_known_ones(void **state)
{
	struct task *t;

	(void)state;
	bad("{\"promt\":\"p\"}", "unknown member 'promt' (did you mean "
	    "'prompt'?); known are id, prompt, messages, system, vars, tags, "
	    "cascade, reference, max_tokens");
	bad("{\"prompt\":\"p\",\"temperature\":1}",
	    "unknown member 'temperature'; known are");
	bad("{\"prompt\":\"p\",\"a\\nb\":1}", "unknown member 'a^Jb'");
	t = good("{\"prompt\":\"p\",\"x_mine\":[1],\"_note\":{}}");
	task_free(t);
}

static void
a_long_unknown_name_is_cut_in_the_message(void **state)
{
	char json[2000] = "{\"prompt\":\"p\",\"";

	(void)state;
	memset(json + strlen(json), 'k', 1000);
	strcat(json, "\":1}");
	bad(json, "kkk...'; known are id");
}

static void
a_wrong_type_names_the_member(void **state)
{
	(void)state;
	bad("[1]", "a task must be an object, not an array");
	bad("\"p\"", "a task must be an object, not a string");
	bad("{\"prompt\":5}", "'prompt' must be a string, not a number");
	bad("{\"prompt\":\"p\",\"id\":[]}", "'id': must be a string, a number "
	    "or a boolean, not an array");
	bad("{\"prompt\":\"p\",\"system\":{}}", "'system' must be a string");
	bad("{\"prompt\":\"p\",\"vars\":[]}", "'vars' must be an object");
	bad("{\"prompt\":\"p\",\"vars\":{\"a\":null}}", "'a' in 'vars': must");
	bad("{\"prompt\":\"p\",\"tags\":{\"b\":{}}}", "'b' in 'tags': must");
	bad("{\"prompt\":\"p\",\"cascade\":1}", "'cascade' must be a string");
	bad("{\"prompt\":\"p\",\"reference\":{}}", "'reference': must be");
}

static void
not_json_says_the_column(void **state)
{
	(void)state;
	bad("{\"prompt\":\"p\"", "column 14: ");
	bad("", "column 1: ");
	bad("{\"prompt\":\"p\"} x", "column 16: ");
}

static void
a_number_that_would_lose_digits_is_refused(void **state)
{
	struct task *t = good("{\"prompt\":\"p\",\"id\":9007199254740991}");

	(void)state;
	is(t->id, "9007199254740991");
	task_free(t);
	bad("{\"prompt\":\"p\",\"id\":12345678901234567890}",
	    "write it as a string");
	bad("{\"prompt\":\"p\",\"id\":1e999}", "'id': is too large");
}

static void
max_tokens_lies_in_its_range(void **state)
{
	struct task *t = good("{\"prompt\":\"p\",\"max_tokens\":1000000000}");

	(void)state;
	assert_int_equal(t->max_tokens, 1000000000);
	task_free(t);
	bad("{\"prompt\":\"p\",\"max_tokens\":0}", "from 1 to 1000000000");
	bad("{\"prompt\":\"p\",\"max_tokens\":-1}", "'max_tokens' must be");
	bad("{\"prompt\":\"p\",\"max_tokens\":1.5}", "'max_tokens' must be");
	bad("{\"prompt\":\"p\",\"max_tokens\":\"5\"}", "'max_tokens' must be");
	bad("{\"prompt\":\"p\",\"max_tokens\":1000000001}", "must be");
}

static void
a_task_needs_a_prompt_unless_it_has_vars(void **state)
{
	struct task *t;
	struct err e = { 0 };

	(void)state;
	bad("{}", "there is no prompt, or it is blank");
	bad("{\"prompt\":\"\"}", "no prompt");
	bad("{\"prompt\":\" \\n\\t\"}", "no prompt");
	bad("{\"vars\":{}}", "no prompt");
	t = good("{\"vars\":{\"a\":\"1\"}}");
	assert_int_equal(task_check(t, false, &e), 0);
	assert_int_equal(task_check(t, true, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	task_free(t);
}

static void
messages_are_read_and_the_last_user_message_is_the_prompt(void **state)
{
	struct task *t = good("{\"messages\":["
	    "{\"role\":\"system\",\"content\":\"be brief\"},"
	    "{\"role\":\"user\",\"content\":\"one\"},"
	    "{\"role\":\"assistant\",\"content\":\"1\"},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"tw\"},{\"type\":\"text\",\"text\":\"o\"}]},"
	    "{\"role\":\"assistant\",\"content\":\"\",\"_x\":1}]}");

	(void)state;
	assert_int_equal(t->n_messages, 5);
	is(t->messages[0].role, "system");
	is(t->messages[0].content, "be brief");
	is(t->messages[3].content, "two");
	is(t->messages[4].content, "");
	is(t->prompt, "two");
	task_free(t);
}

static void
bad_messages_are_named_by_their_number(void **state)
{
	(void)state;
	bad("{\"messages\":[]}", "'messages' must be an array with at least");
	bad("{\"messages\":\"hi\"}", "'messages' must be an array");
	bad("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},5]}",
	    "message 2: must be an object, not a number");
	bad("{\"messages\":[{\"content\":\"a\"}]}",
	    "message 1: has no 'role'");
	bad("{\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}",
	    "message 1: unknown role 'tool'; known are system");
	bad("{\"messages\":[{\"role\":\"user\"}]}",
	    "message 1: 'content' must be a string");
	bad("{\"messages\":[{\"role\":\"user\",\"content\":null}]}",
	    "message 1: 'content' must be a string");
	bad("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"image_url\",\"image_url\":{}}]}]}", "may have only parts");
	bad("{\"messages\":[{\"role\":\"user\",\"content\":[7]}]}",
	    "may have only parts");
	bad("{\"messages\":[{\"role\":\"user\",\"content\":\"a\","
	    "\"name\":\"bob\"}]}", "message 1: unknown member 'name'");
	bad("{\"messages\":[{\"role\":\"system\",\"content\":\"a\"}]}",
	    "no message of the role 'user'");
	bad("{\"messages\":[{\"role\":\"user\",\"content\":\" \"}]}",
	    "no prompt");
}

static void
what_contradicts_itself_is_refused(void **state)
{
	struct task *t;

	(void)state;
	bad("{\"prompt\":\"p\",\"messages\":[{\"role\":\"user\","
	    "\"content\":\"a\"}]}", "both 'prompt' and 'messages'");
	bad("{\"system\":\"s\",\"messages\":[{\"role\":\"system\","
	    "\"content\":\"b\"},{\"role\":\"user\",\"content\":\"a\"}]}",
	    "begins with a system message");
	t = good("{\"system\":\"s\",\"messages\":[{\"role\":\"user\","
	    "\"content\":\"a\"}]}");
	is(t->system, "s");
	task_free(t);
}

static void
a_line_of_an_openai_batch_is_a_task(void **state)
{
	struct task *t = good("{\"custom_id\":\"req-1\",\"method\":\"POST\","
	    "\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"gpt-4o\","
	    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
	    "\"max_completion_tokens\":64,\"stream\":false,\"n\":1,"
	    "\"metadata\":{\"a\":\"b\"}}}");

	(void)state;
	is(t->id, "req-1");
	is(t->prompt, "hi");
	assert_int_equal(t->n_messages, 1);
	assert_int_equal(t->max_tokens, 64);
	task_free(t);
	t = good("{\"body\":{\"messages\":[{\"role\":\"user\",\"content\":"
	    "\"hi\"}],\"max_tokens\":7}}");
	assert_int_equal(t->max_tokens, 7);
	task_free(t);
}

#define BATCH(body) "{\"custom_id\":\"r\",\"body\":{\"messages\":[{\"role\":" \
	"\"user\",\"content\":\"hi\"}]," body "}}"

static void
what_a_cascade_decides_is_refused_in_a_batch_line(void **state)
{
	(void)state;
	bad(BATCH("\"temperature\":0"), "'temperature' in 'body' belongs in "
	    "the cascade");
	bad(BATCH("\"logprobs\":true"), "'logprobs' in 'body' belongs");
	bad(BATCH("\"tools\":[]"), "'tools' in 'body' belongs");
	bad(BATCH("\"stream\":true"), "'stream' in 'body' can only be false");
	bad(BATCH("\"n\":2"), "'n' in 'body' can only be 1");
	bad(BATCH("\"max_tokens\":1,\"max_completion_tokens\":2"),
	    "both 'max_tokens' and 'max_completion_tokens'");
	bad("{\"custom_id\":\"r\"}", "'body' must be an object, not nothing");
	bad("{\"custom_id\":\"r\",\"body\":{}}", "'messages' must be");
	bad("{\"body\":{\"messages\":[]},\"method\":\"GET\"}", "POST");
	bad("{\"body\":{\"messages\":[]},\"url\":\"/v1/embeddings\"}",
	    "'url' can only be");
	bad("{\"body\":{\"messages\":[]},\"prompt\":\"p\"}",
	    "unknown member 'prompt'; known are custom_id");
}

static void
a_tag_replaces_one_of_the_same_name(void **state)
{
	struct task *t = good("{\"prompt\":\"p\",\"tags\":{\"a\":\"1\","
	    "\"b\":\"2\",\"a\":\"3\"}}");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(t->n_tags, 2);
	is(t->tags[0].value, "3");
	assert_int_equal(task_add_tag(t, STR("b"), STR("x"), &e), 0);
	assert_int_equal(task_add_tag(t, STR("c"), STR(""), &e), 0);
	assert_int_equal(t->n_tags, 3);
	is(t->tags[0].value, "3");
	is(t->tags[1].value, "x");
	is(t->tags[2].name, "c");
	is(t->tags[2].value, "");
	task_free(t);
}

static void
too_many_fields_are_refused(void **state)
{
	struct buf b;
	struct err e = { 0 };
	struct task *t;
	char name[16];

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{\"prompt\":\"p\",\"vars\":{");
	for (int i = 0; i <= TASK_MAX_FIELDS; i++)
		buf_addf(&b, "%s\"v%d\":%d", i ? "," : "", i, i);
	buf_adds(&b, "}}");
	bad(b.p, "'vars' has more than 1000 members");
	buf_release(&b);
	t = good("{\"prompt\":\"p\"}");
	for (int i = 0; i < TASK_MAX_FIELDS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(task_add_tag(t, str_of(name), STR(""), &e), 0);
	}
	assert_int_equal(task_add_tag(t, STR("one"), STR(""), &e), -1);
	task_free(t);
}

static void
a_prompt_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	char *json = malloc(TASK_MAX_PROMPT + 100);
	size_t n;

	(void)state;
	assert_non_null(json);
	n = (size_t)sprintf(json, "{\"prompt\":\"");
	memset(json + n, 'a', TASK_MAX_PROMPT);
	strcpy(json + n + TASK_MAX_PROMPT, "\"}");
	task_free(good(json));
	strcpy(json + n + TASK_MAX_PROMPT, "b\"}");
	bad(json, "longer than 8388608 bytes");
	strcpy(json + n + TASK_MAX_PROMPT, "\",\"system\":\"s\"}");
	bad(json, "longer than 8388608 bytes");
	free(json);
}

static void
messages_count_for_the_limit_together(void **state)
{
	char *json = malloc(TASK_MAX_PROMPT + 300);
	size_t n, half = TASK_MAX_PROMPT / 2;

	(void)state;
	assert_non_null(json);
	n = (size_t)sprintf(json,
	    "{\"messages\":[{\"role\":\"system\",\"content\":\"");
	memset(json + n, 'a', half);
	n += half;
	n += (size_t)sprintf(json + n,
	    "\"},{\"role\":\"user\",\"content\":\"");
	memset(json + n, 'b', half);
	strcpy(json + n + half, "\"}]}");
	task_free(good(json));
	strcpy(json + n + half, "c\"}]}");
	bad(json, "longer than 8388608 bytes");
	free(json);
}

static void
text_with_nul_and_lone_surrogates_arrives_mended(void **state)
{
	struct task *t = good("{\"prompt\":\"a\\u0000b\\ud800c\"}");

	(void)state;
	is(t->prompt, "a\xef\xbf\xbd" "b\xef\xbf\xbd" "c");
	task_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prompt_is_a_task),
		cmocka_unit_test(every_member_of_a_task_object_is_read),
		cmocka_unit_test(null_is_absent_and_an_empty_reference_is_none),
		cmocka_unit_test(
		    an_unknown_member_is_an_error_that_names_the_known_ones),
		cmocka_unit_test(a_long_unknown_name_is_cut_in_the_message),
		cmocka_unit_test(a_wrong_type_names_the_member),
		cmocka_unit_test(not_json_says_the_column),
		cmocka_unit_test(a_number_that_would_lose_digits_is_refused),
		cmocka_unit_test(max_tokens_lies_in_its_range),
		cmocka_unit_test(a_task_needs_a_prompt_unless_it_has_vars),
		cmocka_unit_test(
		    messages_are_read_and_the_last_user_message_is_the_prompt),
		cmocka_unit_test(bad_messages_are_named_by_their_number),
		cmocka_unit_test(what_contradicts_itself_is_refused),
		cmocka_unit_test(a_line_of_an_openai_batch_is_a_task),
		cmocka_unit_test(
		    what_a_cascade_decides_is_refused_in_a_batch_line),
		cmocka_unit_test(a_tag_replaces_one_of_the_same_name),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(
		    a_prompt_may_be_as_long_as_the_limit_and_no_longer),
		cmocka_unit_test(messages_count_for_the_limit_together),
		cmocka_unit_test(
		    text_with_nul_and_lone_surrogates_arrives_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
