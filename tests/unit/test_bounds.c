/*
 * test_bounds.c -- bounds on what comes from outside: just below one it is
 * taken, just above it is one clear error, and what follows goes on.
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

#include "base/input.h"
#include "base/json.h"
#include "base/regex.h"
#include "cascade/config.h"
#include "cascade/trace.h"

#define REST "providers: {p: {api: openai, url: http://127.0.0.1/v1}}\n" \
	"cascades: {c: {tiers: [{model: p/a}]}}\n" \
	"models: {p/a: {input_per_mtok: 1, output_per_mtok: 1}}\n"

static char path[64];

static int
clean_up(void **state)
{
	(void)state;
	json_limit(0);
	regex_limit(0);
	if (path[0])
		unlink(path);
	path[0] = '\0';
	return 0;
}

static void
write_file(const char *ending, struct str text)
{
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/frugal-bounds-%ld%s",
	    (long)getpid(), ending);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

/* `before`, n times `c`, `after`; the caller's to release. */
static struct buf
long_text(const char *before, char c, size_t n, const char *after)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_adds(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, c);
	buf_adds(&b, after);
	assert_false(b.failed);
	return b;
}

/* --- the configuration ------------------------------------------------------------ */

static struct config *
parse(const char *limits, struct buf *messages)
{
	struct config *c = NULL;
	struct buf text;
	struct err e;

	buf_init(&text, BUF_MAX);
	buf_init(messages, BUF_MAX);
	buf_addf(&text, "limits: %s\n" REST, limits);
	(void)config_parse(&c, "t.yaml", buf_str(&text), messages, NULL, &e);
	buf_release(&text);
	return c;
}

static void
says(const char *limits, const char *message)
{
	struct buf messages;
	struct config *c = parse(limits, &messages);

	assert_null(c);
	assert_string_equal(messages.p, message);
	buf_release(&messages);
}

static struct limits_config
set_to(const char *limits)
{
	struct buf messages;
	struct config *c = parse(limits, &messages);
	struct limits_config l;

	if (!c)
		fail_msg("%s: %s", limits, messages.p);
	l = c->limits;
	buf_release(&messages);
	config_free(c);
	return l;
}

static void
without_limits_the_defaults_hold(void **state)
{
	struct limits_config l = set_to("{}");

	(void)state;
	assert_int_equal(l.task.line, 16 << 20);
	assert_int_equal(l.task.prompt, 8 << 20);
	assert_int_equal(l.task.id, 4096);
	assert_int_equal(l.task.fields, 1000);
	assert_int_equal(l.task.messages, 10000);
	assert_int_equal(l.template, 1 << 20);
	assert_int_equal(l.response, 64 << 20);
	assert_int_equal(l.result, 512 << 20);
	assert_int_equal(l.trace, 256 << 20);
	assert_int_equal(l.json_values, 4000000);
	assert_int_equal(l.regex_steps, 1500000);
}

static void
every_limit_can_be_set(void **state)
{
	struct limits_config l = set_to("{line: 1k, prompt: 10M, id: 16, "
	    "fields: 10k, messages: 1, template: 1025, response: 1G, "
	    "result: 2048K, trace: 64g, json_values: 1M, regex_steps: 1000}");

	(void)state;
	assert_int_equal(l.task.line, 1024);
	assert_int_equal(l.task.prompt, 10 << 20);
	assert_int_equal(l.task.id, 16);
	assert_int_equal(l.task.fields, 10000);
	assert_int_equal(l.task.messages, 1);
	assert_int_equal(l.template, 1025);
	assert_int_equal(l.response, 1 << 30);
	assert_int_equal(l.result, 2 << 20);
	assert_true(l.trace == (size_t)64 << 30);
	assert_int_equal(l.json_values, 1000000);
	assert_int_equal(l.regex_steps, 1000);
}

static void
a_limit_out_of_its_range_is_refused_with_the_range(void **state)
{
	(void)state;
	says("{line: 1023}", "t.yaml:1:16: limit 'line' must be a size from "
	    "1K to 1G bytes (K, M and G are powers of 1024)\n");
	says("{line: 1025M}", "t.yaml:1:16: limit 'line' must be a size from "
	    "1K to 1G bytes (K, M and G are powers of 1024)\n");
	says("{id: 15}", "t.yaml:1:14: limit 'id' must be a size from 16 to "
	    "64K bytes (K, M and G are powers of 1024)\n");
	says("{prompt: 11M}", "t.yaml:1:18: limit 'prompt' must be a size from "
	    "1K to 10M bytes (K, M and G are powers of 1024)\n");
	says("{regex_steps: 999}", "t.yaml:1:23: limit 'regex_steps' must be a "
	    "whole number from 1000 to 1000000000, not '999'\n");
	says("{fields: 0}", "t.yaml:1:18: limit 'fields' must be a whole number "
	    "from 1 to 10000, not '0'\n");
}

static void
what_is_no_limit_is_refused(void **state)
{
	static const char *const bad[] = { "x", "''", "1.5M", "-1M", "1T",
	    "M", "1 M", "9999999999999999999999G", "9223372036854775807G",
	    "[1]", "{a: 1}", "~", "'1M'" };
	struct buf text, messages;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		buf_init(&text, 100);
		buf_addf(&text, "{trace: %s}", bad[i]);
		assert_null(parse(text.p, &messages));
		if (!str_starts(buf_str(&messages), "t.yaml:1:17: limit "))
			fail_msg("%s", messages.p);
		buf_release(&text);
		buf_release(&messages);
	}
	says("{lines: 1M}", "t.yaml:1:10: unknown key 'lines' in limits; did "
	    "you mean 'line'?\n");
	says("64M", "t.yaml:1:9: limits must be a map of names and values\n");
}

static void
a_prompt_file_may_be_as_long_as_its_limit(void **state)
{
	struct buf text = long_text("{{input}}", 'x', 1015, "\n");
	struct buf config, messages;
	struct config *c = NULL;
	struct err e;

	(void)state;
	buf_init(&config, BUF_MAX);
	for (size_t n = 1024; n <= 1025; n++) {
		write_file(".txt", str_sub(buf_str(&text), 0, n));
		buf_init(&messages, BUF_MAX);
		buf_clear(&config);
		/* its place in the file does not matter */
		buf_addf(&config, "providers: {p: {api: openai, url: "
		    "http://127.0.0.1/v1}}\ncascades: {c: {tiers: [{model: "
		    "p/a, prompts: [%s]}]}}\nlimits: {template: 1K}\n", path);
		assert_int_equal(config_parse(&c, "t.yaml", buf_str(&config),
		    &messages, NULL, &e), n == 1024 ? 0 : -1);
		if (n == 1024)
			config_free(c);
		else
			assert_non_null(strstr(messages.p, "t.yaml:2:47: "
			    "prompt: "));
		buf_release(&messages);
	}
	buf_release(&config);
	buf_release(&text);
}

/* --- tasks -------------------------------------------------------------------------- */

static const struct task_limits small = { 1024, 500, 16, 3, 2 };

/* The file has two tasks: if `good` the first is taken, else it is refused
 * with this message; the second follows. */
static void
first_task(const char *ending, struct buf text, const char *wrong)
{
	struct task_reader *r;
	struct task *t = NULL;
	struct err e = { 0 };
	char expected[600];
	int rc;

	write_file(ending, buf_str(&text));
	buf_release(&text);
	assert_int_equal(task_reader_open(&r, path, TASKS_AUTO, &e), 0);
	task_reader_limit(r, &small);
	rc = task_reader_next(r, true, &t, &e);
	if (!wrong && rc != 1)
		fail_msg("%s", e.msg);
	if (wrong) {
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, ERR_INPUT);
		snprintf(expected, sizeof(expected), "%s:%s", path, wrong);
		assert_string_equal(e.msg, expected);
	}
	if (rc == 1)
		task_free(t);
	assert_int_equal(task_reader_next(r, true, &t, &e), 1);
	assert_true(str_is(t->prompt, "next"));
	task_free(t);
	assert_int_equal(task_reader_next(r, true, &t, &e), 0);
	task_reader_close(r);
}

static void
lines_are_bounded(void **state)
{
	static const char before[] = "{\"prompt\":\"p\",\"reference\":\"";
	static const char after[] = "\"}\n{\"prompt\":\"next\"}\n";
	size_t room = 1024 - (sizeof(before) - 1) - 2;

	(void)state;
	first_task(".jsonl", long_text(before, 'x', room, after), NULL);
	first_task(".jsonl", long_text(before, 'x', room + 1, after),
	    "1:1: the line is longer than 1024 bytes");
	first_task(".jsonl", long_text(before, 'x', 1 << 20, after),
	    "1:1: the line is longer than 1024 bytes");
}

static void
csv_records_are_bounded(void **state)
{
	static const char before[] = "prompt,x\np,\"";
	static const char after[] = "\"\nnext,y\n";

	(void)state;
	first_task(".csv", long_text(before, '\n', 1020, after), NULL);
	first_task(".csv", long_text(before, '\n', 1021, after),
	    "2:1: the record is longer than 1024 bytes");
	first_task(".csv", long_text(before, '\n', 1 << 20, after),
	    "2:1: the record is longer than 1024 bytes");
}

static void
prompts_are_bounded(void **state)
{
	(void)state;
	first_task(".txt", long_text("", 'x', 500, "\nnext\n"), NULL);
	first_task(".txt", long_text("", 'x', 501, "\nnext\n"),
	    "1:1: the prompt is longer than 500 bytes; see limit 'prompt'");
}

static void
ids_are_bounded(void **state)
{
	static const char json[] = "{\"prompt\":\"p\",\"id\":\"";
	static const char batch[] = "{\"body\":{\"messages\":[{\"role\":\"user\","
	    "\"content\":\"p\"}]},\"custom_id\":\"";
	static const char after[] = "\"}\n{\"prompt\":\"next\"}\n";
	static const char wrong[] = "1:1: the id is longer than 16 bytes; see "
	    "limit 'id'";

	(void)state;
	first_task(".jsonl", long_text(json, 'i', 16, after), NULL);
	first_task(".jsonl", long_text(json, 'i', 17, after), wrong);
	first_task(".jsonl", long_text(batch, 'i', 16, after), NULL);
	first_task(".jsonl", long_text(batch, 'i', 17, after), wrong);
	first_task(".csv", long_text("prompt,id\np,", 'i', 16, "\nnext,\n"),
	    NULL);
	first_task(".csv", long_text("prompt,id\np,", 'i', 17, "\nnext,\n"),
	    "2:1: the id is longer than 16 bytes; see limit 'id'");
}

static void
fields_are_bounded(void **state)
{
	static const char *const names[] = { "vars", "tags" };
	struct buf text, wrong;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		text = long_text("{\"prompt\":\"p\",\"", 'x', 0, names[i]);
		buf_adds(&text, "\":{\"a\":1,\"b\":2,\"c\":3}}\n"
		    "{\"prompt\":\"next\"}\n");
		first_task(".jsonl", text, NULL);
		text = long_text("{\"prompt\":\"p\",\"", 'x', 0, names[i]);
		buf_adds(&text, "\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4}}\n"
		    "{\"prompt\":\"next\"}\n");
		wrong = long_text("1:1: '", 'x', 0, names[i]);
		buf_adds(&wrong, "' has more than 3 members; see limit "
		    "'fields'");
		first_task(".jsonl", text, wrong.p);
		buf_release(&wrong);
	}
}

static void
columns_are_bounded(void **state)
{
	struct task_reader *r;
	struct task *t;
	struct err e = { 0 };

	(void)state;
	first_task(".csv", long_text("prompt,a,b\np,1,2\nnext", ',', 2, "\n"),
	    NULL);
	write_file(".csv", STR("prompt,a,b,c\np,1,2,3\n"));
	assert_int_equal(task_reader_open(&r, path, TASKS_AUTO, &e), 0);
	task_reader_limit(r, &small);
	assert_int_equal(task_reader_next(r, true, &t, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_non_null(strstr(e.msg, ":1:1: the header has more than 3 "
	    "columns; see limit 'fields'"));
	task_reader_close(r);
}

/* Before they are compared with the header, which takes 16 bytes for each. */
static void
fields_of_a_record_are_bounded(void **state)
{
	struct buf text = long_text("", ',', INPUT_MAX_FIELDS - 1, "\n");
	struct input *in;
	struct str *fields;
	struct err e = { 0 };
	size_t n;

	(void)state;
	for (size_t i = 0; i < INPUT_MAX_FIELDS; i++)
		buf_addc(&text, ',');
	buf_adds(&text, "\na,b\n");
	write_file(".csv", buf_str(&text));
	assert_int_equal(input_open(&in, path, 0, &e), 0);
	assert_int_equal(input_csv(in, ',', &fields, &n, &e), 1);
	assert_int_equal(n, INPUT_MAX_FIELDS);
	assert_int_equal(input_csv(in, ',', &fields, &n, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.msg, "the record has more than 100000 fields");
	assert_int_equal(input_lineno(in), 2);
	assert_int_equal(input_csv(in, ',', &fields, &n, &e), 1);
	assert_int_equal(n, 2);
	input_close(in);
	buf_release(&text);
}

static void
messages_are_bounded(void **state)
{
#define MESSAGE "{\"role\":\"user\",\"content\":\"p\"}"
	(void)state;
	first_task(".jsonl", long_text("{\"messages\":[" MESSAGE "," MESSAGE
	    "]}", '\n', 1, "{\"prompt\":\"next\"}\n"), NULL);
	first_task(".jsonl", long_text("{\"messages\":[" MESSAGE "," MESSAGE
	    "," MESSAGE "]}", '\n', 1, "{\"prompt\":\"next\"}\n"),
	    "1:1: more than 2 messages; see limit 'messages'");
}

static void
tags_are_bounded_together(void **state)
{
	struct buf text = long_text("{\"prompt\":\"p\",\"tags\":{\"a\":\"", 'x',
	    TASK_MAX_TAGS - 2, "\",\"b\":\"\"}}");
	struct err e = { 0 };
	struct task *t = task_of_json(buf_str(&text), &e);

	(void)state;
	assert_non_null(t);
	assert_int_equal(task_add_tag(t, STR("b"), STR("y"), &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.msg, "the tags are longer than 65536 bytes "
	    "together");
	task_free(t);
	buf_release(&text);
	text = long_text("{\"prompt\":\"p\",\"tags\":{\"a\":\"", 'x',
	    TASK_MAX_TAGS - 2, "\",\"b\":\"y\"}}");
	assert_null(task_of_json(buf_str(&text), &e));
	assert_string_equal(e.msg, "'tags': the tags are longer than 65536 "
	    "bytes together");
	buf_release(&text);
}

static void
filled_templates_are_bounded(void **state)
{
	struct err e = { 0 };
	struct task *t = task_of_prompt(STR("0123456789"));
	struct buf b;

	(void)state;
	assert_non_null(t);
	t->limits = &small;
	buf_init(&b, task_limits(t)->prompt);
	for (int i = 0; i < 50; i++)
		assert_int_equal(template_fill(STR("{{input}}"), t, &b, &e), 0);
	assert_int_equal(template_fill(STR("{{input}}"), t, &b, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.msg, "the filled template is longer than 500 "
	    "bytes");
	buf_release(&b);
	task_free(t);
}

/* --- traces --------------------------------------------------------------------------- */

static void
a_task_of_a_trace_is_bounded(void **state)
{
	static const struct task_limits limits = TASK_LIMITS_DEFAULT;
	struct trace *trace;
	struct trace_task *t;
	struct err e = { 0 };
	struct buf text;

	(void)state;
	buf_init(&text, BUF_MAX);
	for (int tier = 0; tier < 3; tier++) {
		buf_addf(&text, "{\"id\":\"a\",\"tier\":\"t%d\",\"completions\":"
		    "[{\"text\":\"", tier);
		for (int i = 0; i < 600000; i++)
			buf_addc(&text, 'x');
		buf_adds(&text, "\"}]}\n");
	}
	buf_adds(&text, "{\"id\":\"b\",\"tier\":\"t\",\"completions\":[{}]}\n");
	write_file(".jsonl", buf_str(&text));
	buf_release(&text);
	assert_int_equal(trace_open(&trace, path, &e), 0);
	trace_limit(trace, &limits, 1 << 20);
	assert_int_equal(trace_next(trace, &t, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_non_null(strstr(e.msg, ":3:1: the lines of task 'a' are more "
	    "than 1048576 bytes; see limit 'trace'"));
	assert_int_equal(trace_next(trace, &t, &e), 1);
	assert_int_equal(t->n_tiers, 2);
	trace_task_free(t);
	assert_int_equal(trace_next(trace, &t, &e), 1);
	assert_true(str_is(t->task->id, "b"));
	trace_task_free(t);
	trace_close(trace);
}

static void
lines_of_a_trace_are_bounded(void **state)
{
	struct trace *trace;
	struct trace_task *t;
	struct err e = { 0 };
	struct buf text = long_text("{\"id\":\"", 'i', 17, "\",\"tier\":\"t\"}\n"
	    "{\"id\":\"b\",\"tier\":\"t\",\"completions\":[{\"text\":\"");

	(void)state;
	for (int i = 0; i < 1024; i++)
		buf_addc(&text, 'x');
	buf_adds(&text, "\"}]}\n{\"id\":\"c\"}\n");
	write_file(".jsonl", buf_str(&text));
	buf_release(&text);
	assert_int_equal(trace_open(&trace, path, &e), 0);
	trace_limit(trace, &small, 1 << 20);
	assert_int_equal(trace_next(trace, &t, &e), -1);
	assert_non_null(strstr(e.msg, ":1:1: the id is longer than 16 bytes"));
	assert_int_equal(trace_next(trace, &t, &e), -1);
	assert_non_null(strstr(e.msg, ":2:1: the line is longer than 1024"));
	assert_int_equal(trace_next(trace, &t, &e), 1);
	assert_true(str_is(t->task->id, "c"));
	trace_task_free(t);
	trace_close(trace);
}

/* --- documents and searches ----------------------------------------------------------- */

static void
values_of_a_document_are_bounded(void **state)
{
	struct err e = { 0 };
	struct json *doc;

	(void)state;
	json_limit(4);
	doc = json_parse(STR("[1,{\"a\":[]}]"), &e);
	assert_non_null(doc);
	json_free(doc);
	assert_null(json_parse(STR("[1,{\"a\":[2]}]"), &e));
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.msg, "column 10: too many values in one "
	    "document");
	json_limit(0);
	doc = json_parse(STR("[1,{\"a\":[2]}]"), &e);
	assert_non_null(doc);
	json_free(doc);
}

/* Two bytes a value: 8 MB would take 320 MB of memory. */
static void
a_document_of_little_text_and_many_values_is_refused(void **state)
{
	struct err e = { 0 };
	struct buf text;

	(void)state;
	if (getenv("FRUGAL_QUICK"))
		skip(); /* minutes under valgrind */
	buf_init(&text, BUF_MAX);
	buf_addc(&text, '[');
	for (size_t i = 0; i < JSON_MAX_VALUES; i++)
		buf_adds(&text, "0,");
	buf_adds(&text, "0]");
	assert_null(json_parse(buf_str(&text), &e));
	assert_non_null(strstr(e.msg, "too many values"));
	buf_release(&text);
}

static void
the_work_of_a_search_is_bounded(void **state)
{
	struct limits_config l = limits_default;
	struct regex *re;
	struct err e;
	struct buf text = long_text("", 'a', 30, "!");

	(void)state;
	assert_int_equal(regex_compile(&re, STR("a+a+a+$"), 0, &e), 0);
	l.regex_steps = 1000;
	limits_apply(&l);
	assert_int_equal(regex_first(re, buf_str(&text), 0, NULL),
	    REGEX_LIMIT);
	limits_apply(&limits_default);
	assert_int_equal(regex_first(re, buf_str(&text), 0, NULL),
	    REGEX_NO_MATCH);
	regex_free(re);
	buf_release(&text);
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean_up)
	const struct CMUnitTest tests[] = {
		T(without_limits_the_defaults_hold),
		T(every_limit_can_be_set),
		T(a_limit_out_of_its_range_is_refused_with_the_range),
		T(what_is_no_limit_is_refused),
		T(a_prompt_file_may_be_as_long_as_its_limit),
		T(lines_are_bounded),
		T(csv_records_are_bounded),
		T(prompts_are_bounded),
		T(ids_are_bounded),
		T(fields_are_bounded),
		T(columns_are_bounded),
		T(fields_of_a_record_are_bounded),
		T(messages_are_bounded),
		T(tags_are_bounded_together),
		T(filled_templates_are_bounded),
		T(a_task_of_a_trace_is_bounded),
		T(lines_of_a_trace_are_bounded),
		T(values_of_a_document_are_bounded),
		T(a_document_of_little_text_and_many_values_is_refused),
		T(the_work_of_a_search_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
