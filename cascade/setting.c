/*
 * setting.c -- which scorers and settings to try on a tier.
 */
#include "cascade/setting.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "scorers/scorer.h"

#define FEW_SAMPLES 5 /* that a learned score is tried with, besides 1 and all */

/* What is being put together. */
struct maker {
	struct settings *out;
	struct arena *a;
	bool retrained;      /* models that there are say nothing */
	struct buf demands;  /* "{...}, {...}": patterns under `all` */
	struct err *e;
};

static int
no_memory(struct maker *m)
{
	return err_nomem(m->e);
}

/* --- one setting --------------------------------------------------------- */

/* The rule of a text; NULL if it is none. -1: out of memory. */
static int
rule_of(struct maker *m, struct str text, struct rule **out)
{
	struct report r;
	struct ynode *n;

	report_init(&r, m->a, "setting");
	n = yaml_parse(text, m->a, &r);
	*out = n ? rule_build(n, m->a, &r) : NULL;
	return !*out && r.nomem ? no_memory(m) : 0;
}

static bool
is_known(const struct settings *s, const struct setting *v)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].judged && s->v[i].samples == v->samples
		    && str_eq(s->v[i].before, v->before)
		    && str_eq(s->v[i].after, v->after))
			return true;
	return false;
}

/* Keep v if its rule can be built: one that cannot is passed over. */
static int
add(struct maker *m, struct setting v)
{
	struct buf text;
	int rc;

	if (m->out->n == SETTING_MAX || (v.judged && is_known(m->out, &v)))
		return 0;
	if (v.before.n) {
		buf_init(&text, BUF_MAX);
		setting_accept(&v, -INFINITY, &text);
		rc = text.failed ? no_memory(m)
		    : rule_of(m, buf_str(&text), &v.rule);
		buf_release(&text);
		if (rc < 0 || !v.rule)
			return rc;
		v.verify = (rule_flags(v.rule) & SCORER_VERIFY) != 0;
	}
	m->out->v[m->out->n++] = v;
	return 0;
}

/* name with its options ("aggregate: min, over: answer", or ""). */
static int
add_scorer(struct maker *m, const char *name, const char *options,
    int samples)
{
	struct setting v = { .samples = samples, .judged = true };
	const char *comma = options[0] ? ", " : "";
	char *before, *after;

	if (m->demands.n == 0) {
		before = arena_printf(m->a, "{%s: {%s%sat_least: ", name,
		    options, comma);
		after = arena_printf(m->a, "}}");
	} else {
		before = arena_printf(m->a, options[0]
		    ? "{all: {of: [%s, {%s: {%s}}], at_least: "
		    : "{all: {of: [%s, %s%s], at_least: ", m->demands.p,
		    name, options);
		after = arena_printf(m->a, "}}");
	}
	v.label = arena_printf(m->a, samples > 1 ? "%s%s%s, %d samples"
	    : "%s%s%s", name, options[0] ? " " : "", options, samples);
	if (!before || !after || !v.label)
		return no_memory(m);
	v.before = str_of(before);
	v.after = str_of(after);
	return add(m, v);
}

/* --- the tier's own rule ------------------------------------------------- */

/* "key: value, ..." of a map without at_least, in arena memory. */
static const char *
options_of(struct maker *m, const struct ynode *value, const char *shorthand)
{
	const char *text;
	struct buf b;

	buf_init(&b, BUF_MAX);
	if (value && value->kind == YNODE_MAP) {
		for (size_t i = 0; i < value->n; i++) {
			if (str_is(value->key[i]->text, "at_least"))
				continue;
			buf_addf(&b, "%s%.*s: ", b.n ? ", " : "",
			    STR_ARG(value->key[i]->text));
			ynode_json(value->item[i], &b);
		}
	} else if (value && value->kind != YNODE_NULL && shorthand
	    && strcmp(shorthand, "at_least") != 0) {
		buf_addf(&b, "%s: ", shorthand);
		ynode_json(value, &b);
	}
	text = b.failed ? NULL : arena_cstr(m->a, buf_str(&b));
	buf_release(&b);
	return text;
}

/* A rule as it stands in a list or under accept: name and value. */
static void
entry(const struct ynode *n, struct str *name, const struct ynode **value)
{
	*value = NULL;
	*name = n->text;
	if (n->kind == YNODE_MAP && n->n == 1) {
		*name = n->key[0]->text;
		*value = n->item[0];
	}
}

static int
demand(struct maker *m, const struct ynode *n)
{
	if (m->demands.n)
		buf_adds(&m->demands, ", ");
	ynode_json(n, &m->demands);
	return m->demands.failed ? no_memory(m) : 0;
}

/*
 * Sort what the rule is made of: binary scorers under a plain `all` are
 * demands; the one thing with a threshold that can be moved is *own.
 */
static int
take_apart(struct maker *m, const struct ynode *accept,
    const struct ynode **own)
{
	const struct scorer_ops *ops;
	const struct ynode *value;
	struct str name;
	size_t others = 0;

	entry(accept, &name, &value);
	*own = accept;
	if (!str_is(name, "all") || !value || value->kind != YNODE_LIST)
		return 0;
	*own = NULL;
	for (size_t i = 0; i < value->n; i++) {
		const struct ynode *inner;
		entry(value->item[i], &name, &inner);
		ops = scorer_find(name);
		if (ops && (ops->flags & SCORER_BINARY)) {
			if (demand(m, value->item[i]) < 0)
				return -1;
		} else {
			*own = value->item[i];
			others++;
		}
	}
	if (others > 1)
		*own = NULL; /* two thresholds: neither can be moved alone */
	return 0;
}

/* Is a model of this or any other data in it? */
static bool
is_learned(const struct ynode *n)
{
	bool found = str_is(n->text, "learned");

	for (size_t i = 0; i < n->n && !found; i++)
		found = (n->kind == YNODE_MAP && str_is(n->key[i]->text,
		    "learned")) || is_learned(n->item[i]);
	return found;
}

/* Can its threshold be moved? A combinator must have one of its own. */
static bool
has_one_threshold(const struct scorer_ops *ops, const struct ynode *value)
{
	return ops || (value && value->kind == YNODE_MAP
	    && ynode_get(value, "at_least"));
}

static int
add_own(struct maker *m, const struct ynode *own, int samples)
{
	const struct scorer_ops *ops;
	const struct ynode *value;
	const char *options, *word;
	struct str name;

	if (!own || (m->retrained && is_learned(own)))
		return 0;
	entry(own, &name, &value);
	ops = scorer_find(name);
	if (!has_one_threshold(ops, value))
		return 0;
	options = options_of(m, value, ops ? ops->shorthand : NULL);
	word = arena_cstr(m->a, name);
	if (!options || !word)
		return no_memory(m);
	return add_scorer(m, word, options, samples);
}

/* --- all of them --------------------------------------------------------- */

static int
add_agreement(struct maker *m, const struct recorded *r)
{
	static const size_t some[] = { 3, 5, 8, 12, 20, 40 };

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		if (some[i] > r->samples)
			break;
		if (add_scorer(m, "agreement", "", (int)some[i]) < 0)
			return -1;
		if (r->logprobs && i < 2 && add_scorer(m, "mean",
		    "of: [agreement, logprob]", (int)some[i]) < 0)
			return -1;
	}
	if (r->samples > 1 && r->samples <= CONFIG_MAX_SAMPLES)
		return add_scorer(m, "agreement", "", (int)r->samples);
	return 0;
}

static int
add_logprob(struct maker *m, const struct recorded *r)
{
	static const char *const options[] = {
		"", "aggregate: min", "aggregate: quantile, quantile: 0.1",
		"aggregate: first",
		"over: answer", "aggregate: min, over: answer",
	};

	if (!r->logprobs)
		return 0;
	if (!r->many_tokens || !r->whole_text) {
		if (add_scorer(m, "logprob", r->whole_text ? ""
		    : "over: answer", 1) < 0)
			return -1;
		return !r->many_tokens ? 0 : add_scorer(m, "logprob",
		    options[5], 1);
	}
	for (size_t i = 0; i < 4 + (r->answers ? 2u : 0); i++)
		if (add_scorer(m, "logprob", options[i], 1) < 0)
			return -1;
	return 0;
}

static int
add_learned_of(struct maker *m, const char *model, int samples)
{
	struct setting v = { .samples = samples, .judged = true,
		.learned = true, .file = model };
	const char *demands = m->demands.n ? m->demands.p : NULL;
	const char *before = demands ? arena_printf(m->a, "{all: {of: [%s, "
	    "{learned: {file: \"%s\"}}], at_least: ", demands, model)
	    : arena_printf(m->a, "{learned: {file: \"%s\", at_least: ",
	    model);
	const char *rule = demands ? arena_printf(m->a, "{all: [%s]}",
	    demands) : "";

	v.label = samples > 1 ? arena_printf(m->a, "learned, %d samples",
	    samples) : "learned";
	if (!before || !rule || !v.label)
		return no_memory(m);
	v.before = str_of(before);
	v.after = STR("}}");
	if (m->out->n == SETTING_MAX)
		return 0;
	if (demands && rule_of(m, str_of(rule), &v.rule) < 0)
		return -1;
	if (demands && !v.rule)
		return 0;
	m->out->v[m->out->n++] = v;
	return 0;
}

static int
add_learned(struct maker *m, const struct recorded *r)
{
	const size_t some[] = { 1, FEW_SAMPLES, r->samples };
	size_t last = 0;

	for (size_t i = 0; r->model && i < sizeof(some) / sizeof(some[0]);
	    i++) {
		if (some[i] <= last || some[i] > r->samples
		    || some[i] > CONFIG_MAX_SAMPLES)
			continue;
		last = some[i];
		if (add_learned_of(m, r->model, (int)last) < 0)
			return -1;
	}
	return 0;
}

static int
find(struct maker *m, const struct recorded *r, const struct ynode *accept,
    int samples)
{
	const struct ynode *own = NULL;
	struct setting last = { .samples = samples };

	last.label = samples > 1 ? arena_printf(m->a, "%d samples", samples)
	    : "first answer";
	if (!last.label)
		return no_memory(m);
	if (accept) {
		struct buf text;
		int rc;
		buf_init(&text, BUF_MAX);
		ynode_json(accept, &text);
		rc = text.failed ? no_memory(m)
		    : rule_of(m, buf_str(&text), &last.rule);
		buf_release(&text);
		if (rc < 0)
			return -1;
	}
	m->out->v[m->out->n++] = last;
	if (accept && take_apart(m, accept, &own) < 0)
		return -1;
	if (add_own(m, own, samples) < 0)
		return -1;
	if (r->verify && add_scorer(m, "verify", "", 1) < 0)
		return -1;
	if (add_logprob(m, r) < 0)
		return -1;
	return add_agreement(m, r) < 0 ? -1 : add_learned(m, r);
}

int
settings_find(struct settings *out, const struct recorded *r,
    const struct ynode *accept, int samples, struct arena *a, struct err *e)
{
	struct maker m = { .out = out, .a = a, .e = e,
		.retrained = r->model != NULL };
	int rc;

	out->n = 0;
	buf_init(&m.demands, BUF_MAX);
	rc = find(&m, r, accept, samples);
	buf_release(&m.demands);
	return rc;
}

void
settings_release(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++)
		rule_release(s->v[i].rule);
	s->n = 0;
}

/* A number below 0.999 that accepts what the threshold does, and short where
 * one may be: an agreement of 0.8 is not written 0.8000000000000002. */
static bool
plain_number(double threshold, double *out)
{
	double p = exp(threshold), rounded;

	for (int i = 0; i < 4 && score_of_p(p).ln > threshold; i++)
		p = nextafter(p, 0);
	rounded = round(p * 1e6) / 1e6;
	if (fabs(rounded - p) < 1e-12 && score_of_p(rounded).ln <= threshold)
		p = rounded;
	*out = p;
	return p < 0.999 && score_of_p(p).ln <= threshold
	    && threshold - score_of_p(p).ln < 1e-9;
}

void
setting_accept(const struct setting *s, double threshold, struct buf *out)
{
	double p;

	buf_add(out, s->before);
	if (threshold >= 0) {
		buf_adds(out, "1");
	} else if (threshold <= LOGPROB_FLOOR) {
		buf_adds(out, "0");
	} else if (plain_number(threshold, &p)) {
		buf_add_double(out, p);
	} else {
		buf_adds(out, "{log: ");
		buf_add_double(out, threshold);
		buf_addc(out, '}');
	}
	buf_add(out, s->after);
}
