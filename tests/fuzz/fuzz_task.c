/*
 * fuzz_task.c -- tasks from lines of JSON and from files, and templates filled
 * with them.
 *
 * Input: a letter for what the file is (j JSON Lines, c CSV, t TSV, else text),
 * a template up to a line "---", the file. Without that line all is the file.
 */
#include "cascade/task.h"
#include "tests/fuzz/fuzz.h"

#define MAX_FILLED ((size_t)1 << 16)

static void
check_fields(const struct field *f, size_t n)
{
	must(n <= TASK_MAX_FIELDS);
	for (size_t i = 0; i < n; i++) {
		fuzz_text(f[i].name);
		fuzz_text(f[i].value);
		for (size_t k = 0; k < i; k++)
			must(!str_eq(f[i].name, f[k].name));
	}
}

static void
check_task(const struct task *t)
{
	size_t asked = 0;

	must(task_check(t, false, NULL) == 0);
	fuzz_text(t->id);
	fuzz_text(t->prompt);
	fuzz_text(t->system);
	fuzz_text(t->cascade);
	fuzz_text(t->reference);
	must(t->has_reference == (t->reference.n > 0));
	must(t->max_tokens >= 0 && t->max_tokens <= TASK_MAX_TOKENS);
	must((t->messages != NULL) == (t->n_messages > 0));
	for (size_t i = 0; i < t->n_messages; i++) {
		fuzz_text(t->messages[i].role);
		fuzz_text(t->messages[i].content);
		asked += str_is(t->messages[i].role, "user");
	}
	must(!t->messages || asked > 0);
	check_fields(t->vars, t->n_vars);
	check_fields(t->tags, t->n_tags);
}

static void
check_template(struct str template, const struct task *t)
{
	struct err e = { 0 };
	struct buf b;

	buf_init(&b, MAX_FILLED);
	if (template_fill(template, t, &b, &e) == 0) {
		must(b.n <= MAX_FILLED);
		must(template_check(template, NULL) == 0);
		if (utf8_valid(template))
			fuzz_text(buf_str(&b));
		if (!str_has(template, "{{"))
			must(str_eq(template, buf_str(&b)));
	} else {
		must(e.code == ERR_INPUT);
		if (utf8_valid(template))
			fuzz_error(&e);
	}
	buf_release(&b);
}

static void
check_line(struct str template, struct str line)
{
	struct err e = { 0 };
	struct task *t = task_of_json(line, &e);

	if (!t) {
		must(e.code == ERR_INPUT);
		fuzz_error(&e);
		return;
	}
	check_task(t);
	must(t->n_vars > 0 || task_check(t, true, NULL) == 0);
	must(task_add_tag(t, STR("k"), STR("v"), &e) == 0
	    || t->n_tags == TASK_MAX_FIELDS);
	check_fields(t->tags, t->n_tags);
	check_template(template, t);
	task_free(t);
}

/* As far as it can be read; every call gets on. */
static void
check_file(const char *path, enum task_format format, bool needs_prompt,
    struct str template, size_t size)
{
	struct task_reader *r = NULL;
	struct task *t = NULL;
	struct err e = { 0 };
	int64_t line = 0;
	size_t calls = 0;
	int rc;

	must(task_reader_open(&r, path, format, &e) == 0);
	while ((rc = task_reader_next(r, needs_prompt, &t, &e)) != 0) {
		must(++calls <= FUZZ_MAX_LINES(size));
		if (rc < 0) {
			fuzz_error(&e);
			if (e.code != ERR_INPUT)
				break;
			continue;
		}
		must(t->line > line && t->id.n > 0);
		line = t->line;
		must(!needs_prompt || str_trim(t->prompt).n > 0);
		check_task(t);
		check_template(template, t);
		task_free(t);
	}
	task_reader_close(r);
}

static enum task_format
format_of(char c)
{
	return c == 'j' ? TASKS_JSONL : c == 'c' ? TASKS_CSV
	    : c == 't' ? TASKS_TSV : TASKS_TXT;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, template = { 0 };
	enum task_format format = format_of(size ? text.p[0] : 'x');
	struct fuzz_file f;
	struct str rest;
	ptrdiff_t at;

	text = str_sub(text, 1, size);
	at = str_find(text, STR("\n---\n"));
	if (at >= 0) {
		template = str_sub(text, 0, (size_t)at);
		text = str_sub(text, (size_t)at + 5, text.n);
	}
	rest = text;
	check_line(template, fuzz_take_line(&rest));
	f = fuzz_file(text);
	check_file(f.path, format, template.n == 0, template, text.n);
	close(f.fd);
	return 0;
}
