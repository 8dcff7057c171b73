/*
 * template.c -- {{input}} and {{field}} in the prompt of a tier.
 *
 * One reader of pieces serves the check and the filling, so that they cannot
 * disagree about what a template is.
 */
#include "base/suggest.h"
#include "cascade/lines.h"
#include "cascade/task.h"

struct piece {
	bool field;      /* text is a field's name, else literal text */
	struct str text;
};

static int
bad_at(struct str template, const char *at, const char *what, struct err *e)
{
	size_t character = 1;

	for (const char *p = template.p; p < at; p++)
		if (((unsigned char)*p & 0xc0) != 0x80)
			character++;
	return err_set(e, ERR_INPUT, "character %zu: %s", character, what);
}

/* Text up to the next "{{", or all of it. */
static struct piece
literal(struct str *rest)
{
	ptrdiff_t at = str_find(*rest, STR("{{"));
	size_t n = at < 0 ? rest->n : (size_t)at;
	struct piece p = { false, str_sub(*rest, 0, n) };

	*rest = str_sub(*rest, n, rest->n);
	return p;
}

/* Take the next piece off the front of *rest, which is a tail of template.
 * 1: *out; 0: the end; -1: *e. */
static int
next_piece(struct str template, struct str *rest, struct piece *out,
    struct err *e)
{
	const char *at = rest->p;
	struct str name = { at, 0 };

	if (rest->n == 0)
		return 0;
	if (!str_starts(*rest, "{{")) {
		*out = literal(rest);
		return 1;
	}
	if (str_starts(*rest, "{{{{")) {
		*out = (struct piece){ false, STR("{{") };
		*rest = str_sub(*rest, 4, rest->n);
		return 1;
	}
	*rest = str_sub(*rest, 2, rest->n);
	name.p = rest->p;
	while (name.n < rest->n && name.p[name.n] != '{' &&
	    name.p[name.n] != '}' && name.p[name.n] != '\n')
		name.n++;
	if (!str_starts(str_sub(*rest, name.n, 2), "}}"))
		return bad_at(template, at, "field is not closed by '}}'; "
		    "'{{{{' stands for a literal '{{'", e);
	*rest = str_sub(*rest, name.n + 2, rest->n);
	*out = (struct piece){ true, str_trim(name) };
	if (out->text.n == 0)
		return bad_at(template, at, "field has no name", e);
	return 1;
}

int
template_check(struct str template, struct err *e)
{
	struct str rest = template;
	struct piece p;
	int rc;

	do
		rc = next_piece(template, &rest, &p, e);
	while (rc == 1);
	return rc;
}

static const struct field *
field_of(const struct task *t, struct str name)
{
	for (size_t i = 0; i < t->n_vars; i++)
		if (str_eq(t->vars[i].name, name))
			return &t->vars[i];
	return NULL;
}

static const char *
nearest(const struct task *t, struct str name)
{
	const char *known[2] = { "input", NULL };
	const char *best = suggest(name, known);

	for (size_t i = 0; i < t->n_vars && !best; i++) {
		known[0] = t->vars[i].name.p;
		best = suggest(name, known);
	}
	return best;
}

static int
unknown_field(const struct task *t, struct str name, struct err *e)
{
	const char *near = nearest(t, name);
	struct buf known;
	int rc;

	buf_init(&known, BUF_MAX);
	buf_adds(&known, "input");
	/* More than this has no room in the message. */
	for (size_t i = 0; i < t->n_vars && known.n < sizeof(e->msg); i++) {
		buf_adds(&known, ", ");
		buf_adds(&known, lines_shown(t->vars[i].name).p);
	}
	if (known.failed)
		rc = err_nomem(e);
	else
		rc = err_set(e, ERR_INPUT, "unknown field '%s'%s%s%s; known "
		    "are %s", lines_shown(name).p,
		    near ? " (did you mean '" : "",
		    near ? lines_shown(str_of(near)).p : "", near ? "'?)" : "",
		    known.p);
	buf_release(&known);
	return rc;
}

/* A task without a prompt may have a field, or a column, called `input`. */
static int
value_of(const struct task *t, struct str name, struct str *out,
    struct err *e)
{
	const struct field *f = field_of(t, name);

	if (str_is(name, "input") && (t->prompt.n || !f)) {
		*out = t->prompt;
		if (t->prompt.n)
			return 0;
		return err_set(e, ERR_INPUT, "the template has {{input}}, but "
		    "the task has no prompt");
	}
	if (!f)
		return unknown_field(t, name, e);
	*out = f->value;
	return 0;
}

int
template_fill(struct str template, const struct task *t, struct buf *out,
    struct err *e)
{
	struct str rest = template;
	struct piece p;
	int rc;

	while ((rc = next_piece(template, &rest, &p, e)) == 1) {
		if (p.field && value_of(t, p.text, &p.text, e) < 0)
			return -1;
		if (out->n > out->max || p.text.n > out->max - out->n)
			return err_set(e, ERR_INPUT, "the filled template is "
			    "longer than %zu bytes", out->max);
		buf_add(out, p.text);
	}
	if (rc == 0 && out->failed)
		return err_nomem(e);
	return rc;
}
