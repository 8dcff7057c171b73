/*
 * taskfile.c -- files of tasks: JSON Lines, CSV, TSV, or a prompt a line.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "base/utf8.h"
#include "cascade/lines.h"
#include "cascade/task.h"

struct task_reader {
	struct input *in;
	enum task_format format; /* TASKS_AUTO: by the first line */
	const struct task_limits *limits; /* NULL: the defaults */
	struct arena *arena;     /* of the header */
	struct str *columns;     /* of CSV and TSV; NULL: not read yet */
	size_t n_columns;
	bool ended;              /* the header was no good */
};

static const struct {
	const char *ending;
	enum task_format format;
} endings[] = {
	{ ".jsonl", TASKS_JSONL }, { ".ndjson", TASKS_JSONL },
	{ ".csv", TASKS_CSV }, { ".tsv", TASKS_TSV }, { ".txt", TASKS_TXT },
};

static bool
ends_nocase(struct str s, const char *ending)
{
	size_t n = strlen(ending);

	return s.n > n && str_is_nocase(str_sub(s, s.n - n, n), ending);
}

/* TASKS_AUTO: the name says nothing. */
static enum task_format
format_of_name(struct str name)
{
	if (ends_nocase(name, ".gz"))
		name = str_sub(name, 0, name.n - 3);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (ends_nocase(name, endings[i].ending))
			return endings[i].format;
	return TASKS_AUTO;
}

int
task_reader_open(struct task_reader **out, const char *path,
    enum task_format format, struct err *e)
{
	struct task_reader *r;

	if (format == TASKS_AUTO && strcmp(path, "-") != 0) {
		format = format_of_name(str_of(path));
		if (format == TASKS_AUTO && access(path, F_OK) != 0)
			return err_sys(e, ERR_IO, "cannot open '%s'", path);
		if (format == TASKS_AUTO)
			return err_set(e, ERR_USAGE, "cannot tell from its "
			    "name what '%s' holds; say --format jsonl, csv, "
			    "tsv or txt", path);
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_nomem(e);
	r->format = format;
	r->arena = arena_new(0);
	if (!r->arena) {
		task_reader_close(r);
		return err_nomem(e);
	}
	if (input_open(&r->in, path, 0, e) < 0) {
		task_reader_close(r);
		return -1;
	}
	input_expect(r->in, format == TASKS_CSV ? ',' : format == TASKS_TSV
	    ? '\t' : '\0');
	*out = r;
	return 0;
}

void
task_reader_close(struct task_reader *r)
{
	if (!r)
		return;
	input_close(r->in);
	arena_free(r->arena);
	free(r);
}

void
task_reader_limit(struct task_reader *r, const struct task_limits *limits)
{
	r->limits = limits;
	input_limit(r->in, limits->line);
}

struct input *
task_reader_input(struct task_reader *r)
{
	return r->in;
}

/* Where ill-formed UTF-8 begins, in characters from 1. */
static size_t
bad_character(struct str s)
{
	size_t character = 1, n;

	while (s.n) {
		for (n = 1; n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80;)
			n++;
		if (!utf8_valid(str_sub(s, 0, n)))
			break;
		s = str_sub(s, n, s.n);
		character++;
	}
	return character;
}

/* A prompt is paid for: better no answer than one to a garbled question. */
static int
check_utf8(struct str s, struct err *e)
{
	if (utf8_valid(s))
		return 0;
	return err_set(e, ERR_INPUT, "column %zu: not UTF-8; convert the file, "
	    "for instance with iconv", bad_character(s));
}

static struct task *
task_of_line(const struct task_reader *r, struct str line, struct err *e)
{
	struct task *t;

	if (check_utf8(line, e) < 0)
		return NULL;
	if (r->format == TASKS_JSONL)
		return task_of_json_within(line, r->limits, e);
	t = task_of_prompt(line);
	if (!t)
		err_nomem(e);
	else
		t->limits = r->limits;
	return t;
}

static int
next_line(struct task_reader *r, struct task **out, struct err *e)
{
	struct str line;
	int rc = lines_next(r->in, &line, e);

	if (rc != 1)
		return rc;
	if (r->format == TASKS_AUTO)
		r->format = str_starts(str_trim(line), "{") ? TASKS_JSONL :
		    TASKS_TXT;
	*out = task_of_line(r, line, e);
	return *out ? 1 : lines_place(r->in, e);
}

static ptrdiff_t
column_of(const struct task_reader *r, const char *name)
{
	for (size_t i = 0; i < r->n_columns; i++)
		if (str_is(r->columns[i], name))
			return (ptrdiff_t)i;
	return -1;
}

/* Columns without a name are nobody's and may be many. */
static int
check_unique(const struct task_reader *r, struct err *e)
{
	for (size_t i = 0; i < r->n_columns; i++) {
		for (size_t k = 0; k < i && r->columns[i].n; k++)
			if (str_eq(r->columns[i], r->columns[k]))
				return err_set(e, ERR_INPUT, "columns %zu and "
				    "%zu have the same name '%s'", k + 1,
				    i + 1, lines_shown(r->columns[i]).p);
	}
	return 0;
}

/* Of another kind of file, such as some spreadsheets write as CSV. */
static bool
has_separator(struct str header)
{
	return str_has(header, ";") || str_has(header, "\t");
}

static int
check_prompt_column(const struct task_reader *r, struct err *e)
{
	static const char *const prompt[] = { "prompt", NULL };

	if (column_of(r, "prompt") >= 0)
		return 0;
	if (r->n_columns == 1 && has_separator(r->columns[0]))
		return err_set(e, ERR_INPUT, "the header '%s' is one column; "
		    "columns are separated by commas (.csv) or by tabs (.tsv)",
		    lines_shown(r->columns[0]).p);
	for (size_t i = 0; i < r->n_columns; i++)
		if (suggest(r->columns[i], prompt) ||
		    str_is_nocase(r->columns[i], "prompt"))
			return err_set(e, ERR_INPUT, "the header has no column "
			    "'prompt'; is it '%s'?",
			    lines_shown(r->columns[i]).p);
	return err_set(e, ERR_INPUT, "the header has no column 'prompt'; name "
	    "one so, or use a template with {{column}}");
}

static int
keep_header(struct task_reader *r, const struct str *fields, size_t n,
    bool needs_prompt, struct err *e)
{
	size_t most = r->limits ? r->limits->fields : TASK_MAX_FIELDS;
	struct str *v;

	if (n > most)
		return err_set(e, ERR_INPUT, "the header has more than %zu "
		    "columns; see limit 'fields'", most);
	v = arena_array(r->arena, n, sizeof(*v));
	if (!v)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++) {
		if (check_utf8(fields[i], e) < 0)
			return -1;
		if (!arena_str(r->arena, str_trim(fields[i]), &v[i]))
			return err_nomem(e);
	}
	r->columns = v;
	r->n_columns = n;
	if (check_unique(r, e) < 0)
		return -1;
	return needs_prompt ? check_prompt_column(r, e) : 0;
}

/* As task_reader_next(). Without a header no record can be read: a bad one is
 * a mistake about the file as a whole. */
static int
read_header(struct task_reader *r, char sep, bool needs_prompt,
    struct err *e)
{
	struct str *fields;
	size_t n;
	int rc = input_csv(r->in, sep, &fields, &n, e);

	if (rc == 0)
		return 0;
	if (rc == 1 && keep_header(r, fields, n, needs_prompt, e) == 0)
		return 1;
	r->ended = true;
	if (e && e->code == ERR_INPUT) {
		lines_place(r->in, e);
		e->code = ERR_USAGE;
	}
	return -1;
}

static int
check_length(const struct task_reader *r, size_t n, struct err *e)
{
	if (n < r->n_columns)
		return err_set(e, ERR_INPUT, "%zu field%s where the header has "
		    "%zu; '%s' is missing", n, n == 1 ? "" : "s",
		    r->n_columns, lines_shown(r->columns[n]).p);
	if (n > r->n_columns)
		return err_set(e, ERR_INPUT, "%zu fields where the header has "
		    "%zu; put a field with a separator in it in quotes", n,
		    r->n_columns);
	return 0;
}

/* Every column that has a name is a field for templates. */
static int
fill_vars(const struct task_reader *r, const struct str *fields,
    struct task *t, struct err *e)
{
	struct field *f;

	t->vars = arena_array(t->arena, r->n_columns, sizeof(*t->vars));
	if (!t->vars)
		return err_nomem(e);
	for (size_t i = 0; i < r->n_columns; i++) {
		if (!r->columns[i].n)
			continue;
		if (check_utf8(fields[i], e) < 0)
			return err_in(e, "column 1: in field '%s'",
			    lines_shown(r->columns[i]).p);
		f = &t->vars[t->n_vars++];
		if (!arena_str(t->arena, r->columns[i], &f->name) ||
		    !arena_str(t->arena, fields[i], &f->value))
			return err_nomem(e);
	}
	return 0;
}

/* The columns that mean something by their name. */
static void
pick_columns(struct task *t)
{
	for (size_t i = 0; i < t->n_vars; i++) {
		const struct field *f = &t->vars[i];

		if (str_is(f->name, "prompt"))
			t->prompt = f->value;
		else if (str_is(f->name, "id"))
			t->id = f->value;
		else if (str_is(f->name, "system"))
			t->system = f->value;
		else if (str_is(f->name, "cascade"))
			t->cascade = f->value;
		else if (str_is(f->name, "reference"))
			t->reference = f->value;
	}
	t->has_reference = t->reference.n > 0;
}

static int
next_record(struct task_reader *r, char sep, bool needs_prompt,
    struct task **out, struct err *e)
{
	struct task *t = NULL;
	struct str *fields;
	size_t n;
	int rc;

	if (!r->columns) {
		rc = read_header(r, sep, needs_prompt, e);
		if (rc != 1)
			return rc;
	}
	rc = input_csv(r->in, sep, &fields, &n, e);
	if (rc == 0)
		return 0;
	if (rc == 1 && check_length(r, n, e) == 0) {
		t = task_new();
		if (!t)
			return err_nomem(e);
		t->limits = r->limits;
		if (fill_vars(r, fields, t, e) == 0) {
			pick_columns(t);
			*out = t;
			return 1;
		}
		task_free(t);
	}
	return e && e->code == ERR_INPUT ? lines_place(r->in, e) : -1;
}

static int
set_line(struct task *t, int64_t line, struct err *e)
{
	char room[I64_ROOM];

	t->line = line;
	if (t->id.n)
		return 0;
	if (!arena_str(t->arena, str_of_i64(line, room), &t->id))
		return err_nomem(e);
	t->numbered = true;
	return 0;
}

int
task_reader_next(struct task_reader *r, bool needs_prompt,
    struct task **out, struct err *e)
{
	struct task *t = NULL;
	int rc;

	if (r->ended)
		return 0;
	if (r->format == TASKS_CSV || r->format == TASKS_TSV)
		rc = next_record(r, r->format == TASKS_CSV ? ',' : '\t',
		    needs_prompt, &t, e);
	else
		rc = next_line(r, &t, e);
	if (rc != 1)
		return rc;
	if (task_check(t, needs_prompt, e) < 0)
		rc = lines_place(r->in, e);
	else if (set_line(t, input_lineno(r->in), e) < 0)
		rc = -1;
	if (rc < 0)
		task_free(t);
	else
		*out = t;
	return rc;
}
