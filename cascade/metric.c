/*
 * metric.c -- right or wrong.
 */
#include "cascade/metric.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/regex.h"
#include "scorers/answer.h"

#define NUMERIC_TOLERANCE 1e-6

const char *const metric_words[] = {
	"trace", "exact", "numeric", "contains", "regex", "f1", "json", "exec",
	NULL
};

static enum tristate
yes_if(bool right)
{
	return right ? YES : NO;
}

/* --- numeric ------------------------------------------------------------- */

static bool
number_of(struct str s, double *out)
{
	struct buf normal;
	bool ok;

	buf_init(&normal, BUF_MAX);
	answer_normal(&normal, s);
	ok = !normal.failed && str_to_double(buf_str(&normal), out);
	buf_release(&normal);
	return ok;
}

static enum tristate
numeric(struct str answer, struct str reference)
{
	double a, b;

	if (!number_of(reference, &b))
		return UNSET;
	if (!number_of(answer, &a))
		return NO;
	return yes_if(fabs(a - b) <= NUMERIC_TOLERANCE * fmax(fabs(b), 1));
}

/* --- words --------------------------------------------------------------- */

struct words {
	struct buf text; /* folded */
	struct str *v;
	size_t n;
};

static int
by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool
is_word_byte(char c)
{
	return (unsigned char)c >= 0x80 || isalnum((unsigned char)c);
}

/* False: out of memory. Release in either case. */
static bool
split(struct words *w, struct str s)
{
	size_t i = 0, from;

	*w = (struct words){ .n = 0 };
	buf_init(&w->text, BUF_MAX);
	answer_normal(&w->text, s);
	w->v = calloc(w->text.n / 2 + 1, sizeof(*w->v));
	if (w->text.failed || !w->v)
		return false;
	while (i < w->text.n) {
		while (i < w->text.n && !is_word_byte(w->text.p[i]))
			i++;
		from = i;
		while (i < w->text.n && is_word_byte(w->text.p[i]))
			i++;
		if (i > from)
			w->v[w->n++] = str_sub(buf_str(&w->text), from,
			    i - from);
	}
	qsort(w->v, w->n, sizeof(*w->v), by_text);
	return true;
}

static void
words_release(struct words *w)
{
	free(w->v);
	buf_release(&w->text);
}

double
metric_f1(struct str a, struct str b)
{
	struct words x, y;
	size_t i = 0, j = 0, common = 0;
	bool ok = split(&x, a);
	double f1 = 0;

	ok = split(&y, b) && ok;
	while (ok && i < x.n && j < y.n) {
		int cmp = str_cmp(x.v[i], y.v[j]);
		common += cmp == 0;
		i += cmp <= 0;
		j += cmp >= 0;
	}
	if (ok)
		f1 = x.n + y.n ? 2 * (double)common / (double)(x.n + y.n) : 1;
	words_release(&x);
	words_release(&y);
	return f1;
}

static bool
contains(struct str text, struct str reference)
{
	struct buf a, b;
	bool found;

	buf_init(&a, BUF_MAX);
	buf_init(&b, BUF_MAX);
	answer_normal(&a, text);
	answer_normal(&b, reference);
	found = !a.failed && !b.failed
	    && str_find(buf_str(&a), buf_str(&b)) >= 0;
	buf_release(&a);
	buf_release(&b);
	return found;
}

/* --- patterns and JSON --------------------------------------------------- */

static int
matches(struct str text, struct str pattern, enum tristate *out,
    struct err *e)
{
	struct regex *re;

	if (regex_compile(&re, pattern, 0, e) < 0)
		return err_in(e, "the reference is no pattern");
	*out = yes_if(regex_first(re, text, 0, NULL) == REGEX_MATCH);
	regex_free(re);
	return 0;
}

/* In canonical form; false: no JSON. */
static bool
canonical(struct buf *out, struct str text)
{
	struct json *doc = json_parse(text, NULL);

	if (doc)
		json_print(out, doc, true);
	json_free(doc);
	return doc && !out->failed;
}

static enum tristate
same_json(struct str answer, struct str reference)
{
	struct buf a, b;
	enum tristate right = UNSET;

	buf_init(&a, BUF_MAX);
	buf_init(&b, BUF_MAX);
	if (canonical(&b, reference))
		right = yes_if(canonical(&a, answer)
		    && str_eq(buf_str(&a), buf_str(&b)));
	buf_release(&a);
	buf_release(&b);
	return right;
}

/* --- all ----------------------------------------------------------------- */

int
metric_right(const struct metric *m, const struct trace_task *t,
    const struct completion *c, const struct trace_note *note,
    enum tristate *out, struct err *e)
{
	struct str reference = t->task->reference;
	int rc;

	*out = UNSET;
	if (m->kind == METRIC_EXEC) {
		rc = m->ask(m->to, t, c->text, c->answer, e);
		*out = rc < 0 ? UNSET : (enum tristate)rc;
		return rc < 0 ? -1 : 0;
	}
	if (m->kind == METRIC_TRACE && note->correct != UNSET) {
		*out = note->correct;
		return 0;
	}
	if (!t->task->has_reference)
		return 0;
	switch (m->kind) {
	case METRIC_TRACE:
	case METRIC_EXACT:
		*out = yes_if(c->has_answer
		    && answer_equal(c->answer, reference));
		break;
	case METRIC_NUMERIC:
		*out = numeric(c->answer, reference);
		break;
	case METRIC_CONTAINS:
		*out = yes_if(contains(c->text, reference));
		break;
	case METRIC_REGEX:
		return matches(c->text, reference, out, e);
	case METRIC_F1:
		*out = yes_if(metric_f1(c->has_answer ? c->answer : c->text,
		    reference) >= m->least);
		break;
	case METRIC_JSON:
		*out = same_json(c->has_answer ? c->answer : c->text,
		    reference);
		break;
	case METRIC_EXEC:
		break;
	}
	return 0;
}
