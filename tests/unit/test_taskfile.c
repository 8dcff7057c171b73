/*
 * test_taskfile.c -- files of tasks, and what is said of bad ones.
 */
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

#include "cascade/task.h"

static char folder[] = "/tmp/frugal-test-XXXXXX";
static char path[128];
static struct task_reader *reader;
static struct task *task;
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
	task_free(task);
	task = NULL;
	task_reader_close(reader);
	reader = NULL;
	if (path[0])
		unlink(path);
	path[0] = '\0';
	return 0;
}

static void
write_bytes(const char *name, const char *text, size_t n)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
open_file(const char *name, const char *text, enum task_format format)
{
	write_bytes(name, text, strlen(text));
	if (task_reader_open(&reader, path, format, &e) < 0)
		fail_msg("%s", e.msg);
}

static int
next(bool needs_prompt)
{
	task_free(task);
	task = NULL;
	memset(&e, 0, sizeof(e));
	return task_reader_next(reader, needs_prompt, &task, &e);
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static void
next_is(const char *id, const char *prompt)
{
	if (next(true) != 1)
		fail_msg("no task '%s': %s", id, e.msg);
	is(task->id, id);
	is(task->prompt, prompt);
}

static void
next_fails(enum err_code code, const char *says)
{
	char expected[512];

	assert_int_equal(next(true), -1);
	assert_int_equal(e.code, code);
	snprintf(expected, sizeof(expected), "%s:%s", path, says);
	if (strncmp(e.msg, expected, strlen(expected)) != 0)
		fail_msg("'%s' does not begin with '%s'", e.msg, expected);
}

static void
the_end(void)
{
	assert_int_equal(next(true), 0);
	assert_int_equal(next(true), 0);
}

static void
json_lines_are_tasks(void **state)
{
	(void)state;
	open_file("t.jsonl", "{\"prompt\":\"one\"}\n\n \t \n"
	    "{\"id\":\"b\",\"prompt\":\"two\"}\r\n{\"prompt\":\"three\"}",
	    TASKS_AUTO);
	next_is("1", "one");
	assert_int_equal(task->line, 1);
	next_is("b", "two");
	assert_int_equal(task->line, 4);
	next_is("5", "three");
	the_end();
}

static void
a_bad_line_is_named_and_the_next_goes_on(void **state)
{
	(void)state;
	open_file("t.jsonl", "{\"prompt\":\"one\"}\n{\"prompt\":]}\n"
	    "{\"promt\":\"x\"}\n{\"id\":\"no\"}\n{\"prompt\":\"five\"}\n",
	    TASKS_AUTO);
	next_is("1", "one");
	next_fails(ERR_INPUT, "2:11: ");
	next_fails(ERR_INPUT, "3:1: unknown member 'promt'");
	next_fails(ERR_INPUT, "4:1: there is no prompt");
	next_is("5", "five");
	the_end();
}

static void
a_task_with_vars_alone_needs_a_template(void **state)
{
	(void)state;
	open_file("t.jsonl", "{\"vars\":{\"a\":\"1\"}}\n"
	    "{\"vars\":{\"a\":\"2\"}}\n", TASKS_AUTO);
	next_fails(ERR_INPUT, "1:1: there is no prompt");
	assert_int_equal(next(false), 1);
	is(task->vars[0].value, "2");
}

static void
a_line_that_is_too_long_is_passed_over(void **state)
{
	size_t n = INPUT_MAX_RECORD + 10;
	char *text = malloc(n + 10);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', n);
	strcpy(text + n, "\nshort\n");
	write_bytes("t.txt", text, n + 7);
	free(text);
	assert_int_equal(task_reader_open(&reader, path, TASKS_AUTO, &e), 0);
	next_fails(ERR_INPUT, "1:1: the line is longer than");
	next_is("2", "short");
	the_end();
}

static void
a_prompt_that_is_too_long_is_passed_over(void **state)
{
	size_t n = TASK_MAX_PROMPT + 1;
	char *text = malloc(n + 10);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', n);
	strcpy(text + n, "\nb\n");
	write_bytes("t.txt", text, n + 3);
	free(text);
	assert_int_equal(task_reader_open(&reader, path, TASKS_AUTO, &e), 0);
	next_fails(ERR_INPUT, "1:1: the prompt is longer than 8388608 bytes");
	next_is("2", "b");
}

static void
text_is_a_prompt_a_line(void **state)
{
	(void)state;
	open_file("t.txt", "\xef\xbb\xbf" "first\n\n  {\"second\"  \n",
	    TASKS_AUTO);
	next_is("1", "first");
	next_is("3", "  {\"second\"  ");
	the_end();
}

static void
what_is_not_utf8_is_refused_with_its_column(void **state)
{
	(void)state;
	open_file("t.txt", "\xc3\xa4\xff\ngood\nab\xe2\x82\n", TASKS_AUTO);
	next_fails(ERR_INPUT, "1:2: not UTF-8");
	next_is("2", "good");
	next_fails(ERR_INPUT, "3:3: not UTF-8");
	the_end();
}

static void
csv_has_a_header_and_every_column_is_a_field(void **state)
{
	(void)state;
	open_file("t.csv", "id,prompt, system ,cascade,reference,topic\n"
	    "a,\"one, \"\"quoted\"\"\",be brief,math,42,x\n"
	    ",two,,,,\n", TASKS_AUTO);
	next_is("a", "one, \"quoted\"");
	is(task->system, "be brief");
	is(task->cascade, "math");
	is(task->reference, "42");
	assert_true(task->has_reference);
	assert_int_equal(task->n_vars, 6);
	is(task->vars[5].name, "topic");
	is(task->vars[5].value, "x");
	is(task->vars[1].name, "prompt");
	next_is("3", "two");
	assert_int_equal(task->system.n, 0);
	assert_false(task->has_reference);
	is(task->vars[5].name, "topic");
	assert_int_equal(task->vars[5].value.n, 0);
	the_end();
}

static void
csv_line_ends_in_quotes_are_kept_and_lines_counted(void **state)
{
	(void)state;
	open_file("t.csv", "prompt,id\r\n\"a\nb\",x\r\n\nc,\r\n", TASKS_AUTO);
	next_is("x", "a\nb");
	assert_int_equal(task->line, 2);
	next_is("5", "c");
	the_end();
}

static void
short_and_long_records_are_errors_and_reading_goes_on(void **state)
{
	(void)state;
	open_file("t.csv", "prompt,id,topic\na\nb,c,d,e\nf,g,h\ni,j\n",
	    TASKS_AUTO);
	next_fails(ERR_INPUT, "2:1: 1 field where the header has 3; 'id' is "
	    "missing");
	next_fails(ERR_INPUT, "3:1: 4 fields where the header has 3");
	next_is("g", "f");
	next_fails(ERR_INPUT, "5:1: 2 fields where the header has 3; 'topic'");
	the_end();
}

static void
a_stray_quote_is_an_error_with_its_column(void **state)
{
	(void)state;
	open_file("t.csv", "prompt,id\nab\"c,d\ne,f\n", TASKS_AUTO);
	next_fails(ERR_INPUT, "2:3: ");
	next_is("f", "e");
	the_end();
}

static void
a_blank_or_ill_formed_cell_is_an_error(void **state)
{
	(void)state;
	open_file("t.csv", "prompt,id\n ,a\nx\xff,b\nc,d\n", TASKS_AUTO);
	next_fails(ERR_INPUT, "2:1: there is no prompt");
	next_fails(ERR_INPUT, "3:1: in field 'prompt': column 2: not UTF-8");
	next_is("d", "c");
}

static void
a_bad_header_is_final(void **state)
{
	(void)state;
	open_file("t.csv", "prompt,topic,topic\na,b,c\n", TASKS_AUTO);
	next_fails(ERR_USAGE, "1:1: columns 2 and 3 have the same name "
	    "'topic'");
	the_end();
}

static void
a_header_that_is_no_csv_is_final(void **state)
{
	(void)state;
	open_file("t.csv", "prom\"pt\na\nb\n", TASKS_AUTO);
	next_fails(ERR_USAGE, "1:5: ");
	the_end();
}

static void
a_header_with_too_many_columns_is_refused(void **state)
{
	char text[TASK_MAX_FIELDS + 20] = "prompt";

	(void)state;
	memset(text + 6, ',', TASK_MAX_FIELDS);
	strcpy(text + 6 + TASK_MAX_FIELDS, "\n");
	open_file("t.csv", text, TASKS_AUTO);
	next_fails(ERR_USAGE, "1:1: the header has more than 1000 columns");
	the_end();
}

static void
columns_without_a_name_are_passed_over(void **state)
{
	(void)state;
	open_file("t.csv", ",prompt,\n0,a,x\n", TASKS_AUTO);
	next_is("2", "a");
	assert_int_equal(task->n_vars, 1);
}

static void
csv_needs_a_prompt_column_unless_there_is_a_template(void **state)
{
	(void)state;
	open_file("t.csv", "Prompt,id\na,b\n", TASKS_AUTO);
	next_fails(ERR_USAGE, "1:1: the header has no column 'prompt'; is it "
	    "'Prompt'?");
	the_end();
	clean_up(NULL);
	open_file("t.csv", "question\na\n", TASKS_AUTO);
	next_fails(ERR_USAGE, "1:1: the header has no column 'prompt'; name");
	clean_up(NULL);
	open_file("t.csv", "question\na\n", TASKS_AUTO);
	assert_int_equal(next(false), 1);
	assert_int_equal(task->prompt.n, 0);
	is(task->vars[0].value, "a");
	is(task->id, "2");
}

static void
tsv_is_separated_by_tabs(void **state)
{
	(void)state;
	open_file("t.tsv", "id\tprompt\n1\ta, b\n", TASKS_AUTO);
	next_is("1", "a, b");
	the_end();
}

static void
empty_files_have_no_tasks(void **state)
{
	static const char *const names[] = { "t.jsonl", "t.csv", "t.txt" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		open_file(names[i], "", TASKS_AUTO);
		the_end();
		clean_up(NULL);
	}
	open_file("t.csv", "prompt\n", TASKS_AUTO);
	the_end();
}

static void
the_format_follows_from_the_name(void **state)
{
	(void)state;
	open_file("T.NDJSON", "{\"prompt\":\"a\"}\n", TASKS_AUTO);
	next_is("1", "a");
	clean_up(NULL);
	open_file("t.json", "{\"prompt\":\"a\"}\n", TASKS_JSONL);
	next_is("1", "a");
	clean_up(NULL);
	open_file("t.csv", "{\"prompt\"\n", TASKS_TXT);
	next_is("1", "{\"prompt\"");
}

static void
a_name_that_says_nothing_is_a_usage_error(void **state)
{
	static const char *const names[] = { "t", "t.json", "jsonl", "t.gz",
	    ".jsonl.bz2" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		memset(&e, 0, sizeof(e));
		assert_int_equal(task_reader_open(&reader, names[i],
		    TASKS_AUTO, &e), -1);
		assert_int_equal(e.code, ERR_IO); /* it is not there */
		write_bytes(names[i], "", 0);
		memset(&e, 0, sizeof(e));
		assert_int_equal(task_reader_open(&reader, path, TASKS_AUTO,
		    &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
		assert_non_null(strstr(e.msg, "--format"));
		assert_int_equal(unlink(path), 0);
	}
}

static void
a_missing_file_is_an_error(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/none.jsonl", folder);
	assert_int_equal(task_reader_open(&reader, path, TASKS_AUTO, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	task_reader_close(NULL);
}

static void
gzip_is_read_as_what_it_holds(void **state)
{
	gzFile z;

	(void)state;
	snprintf(path, sizeof(path), "%s/t.csv.gz", folder);
	z = gzopen(path, "wb");
	assert_non_null(z);
	assert_int_equal(gzputs(z, "prompt\na\n"), 9);
	assert_int_equal(gzclose(z), Z_OK);
	assert_int_equal(task_reader_open(&reader, path, TASKS_AUTO, &e), 0);
	next_is("2", "a");
	assert_int_equal(input_offset(task_reader_input(reader)),
	    input_size(task_reader_input(reader)));
	the_end();
}

/* Read `text` as standard input. */
static void
open_standard_input(const char *text)
{
	write_bytes("stdin", text, strlen(text));
	assert_non_null(freopen(path, "r", stdin));
	assert_int_equal(lseek(STDIN_FILENO, 0, SEEK_SET), 0);
	assert_int_equal(task_reader_open(&reader, "-", TASKS_AUTO, &e), 0);
}

static void
standard_input_is_json_lines_if_it_begins_with_a_brace(void **state)
{
	(void)state;
	open_standard_input("\n{\"prompt\":\"a\"}\nb\n");
	next_is("2", "a");
	assert_int_equal(next(true), -1);
	assert_non_null(strstr(e.msg, "standard input:3:1: "));
	clean_up(NULL);
	open_standard_input("what is {x}?\n{\"prompt\":\"a\"}\n");
	next_is("1", "what is {x}?");
	next_is("2", "{\"prompt\":\"a\"}");
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean_up)
	const struct CMUnitTest tests[] = {
		T(json_lines_are_tasks),
		T(a_bad_line_is_named_and_the_next_goes_on),
		T(a_task_with_vars_alone_needs_a_template),
		T(a_line_that_is_too_long_is_passed_over),
		T(a_prompt_that_is_too_long_is_passed_over),
		T(text_is_a_prompt_a_line),
		T(what_is_not_utf8_is_refused_with_its_column),
		T(csv_has_a_header_and_every_column_is_a_field),
		T(csv_line_ends_in_quotes_are_kept_and_lines_counted),
		T(short_and_long_records_are_errors_and_reading_goes_on),
		T(a_stray_quote_is_an_error_with_its_column),
		T(a_blank_or_ill_formed_cell_is_an_error),
		T(a_bad_header_is_final),
		T(a_header_that_is_no_csv_is_final),
		T(a_header_with_too_many_columns_is_refused),
		T(columns_without_a_name_are_passed_over),
		T(csv_needs_a_prompt_column_unless_there_is_a_template),
		T(tsv_is_separated_by_tabs),
		T(empty_files_have_no_tasks),
		T(the_format_follows_from_the_name),
		T(a_name_that_says_nothing_is_a_usage_error),
		T(a_missing_file_is_an_error),
		T(gzip_is_read_as_what_it_holds),
		T(standard_input_is_json_lines_if_it_begins_with_a_brace),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
