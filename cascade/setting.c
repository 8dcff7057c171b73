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
	struct buf pattern;  /* "{...}": one that is not demanded */
	bool outer;          /* the threshold of the tier's own rule is that of
	                        an `all` around it */
	bool combined;       /* of what is added, see struct setting */
	int spare;
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
	struct setting v = { .samples = samples, .judged = true,
		.combined = m->combined, .spare = m->spare };
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
	v.label = arena_printf(m->a, samples > 1 ? "%s%s%s%s, %d samples"
	    : "%s%s%s%s", name, options[0] ? " " : "", options, m->demands.n
	    ? " + patterns" : "", samples);
	if (!before || !after || !v.label)
		return no_memory(m);
	v.before = str_of(before);
	v.after = str_of(after);
	return add(m, v);
}

/* --- the tier's own rule ------------------------------------------------- */

/* A word of rules, which means itself without quotes. */
static bool
is_word(struct str s)
{
	static const char *const words[] = { "all", "any", "mean", "min",
		"first", "quantile", "text", "answer" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_is(s, words[i]))
			return true;
	return scorer_find(s) != NULL;
}

/* In one line, always in the same way: a rule that was written by us reads back
 * as the one that is tried anyway. */
static void
add_value(struct buf *out, const struct ynode *n)
{
	bool map = n->kind == YNODE_MAP;

	if (!map && n->kind != YNODE_LIST) {
		if (n->kind == YNODE_SCALAR && is_word(n->text))
			buf_add(out, n->text);
		else
			ynode_json(n, out);
		return;
	}
	buf_addc(out, map ? '{' : '[');
	for (size_t i = 0; i < n->n; i++) {
		buf_adds(out, i ? ", " : "");
		if (map)
			buf_addf(out, "%.*s: ", STR_ARG(n->key[i]->text));
		add_value(out, n->item[i]);
	}
	buf_addc(out, map ? '}' : ']');
}

/* "key: value, ..." of a map without at_least, in arena memory. */
static const char *
options_of(struct maker *m, const struct ynode *value, const char *shorthand)
{
	const char *text;
	struct buf b;

	buf_init(&b, BUF_MAX);
	if (value && value->kind == YNODE_LIST && !shorthand) {
		buf_adds(&b, "of: ");
		add_value(&b, value);
	} else if (value && value->kind == YNODE_MAP) {
		for (size_t i = 0; i < value->n; i++) {
			if (str_is(value->key[i]->text, "at_least"))
				continue;
			buf_addf(&b, "%s%.*s: ", b.n ? ", " : "",
			    STR_ARG(value->key[i]->text));
			add_value(&b, value->item[i]);
		}
	} else if (value && value->kind != YNODE_NULL && shorthand
	    && strcmp(shorthand, "at_least") != 0) {
		buf_addf(&b, "%s: ", shorthand);
		add_value(&b, value);
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
	add_value(&m->demands, n);
	return m->demands.failed ? no_memory(m) : 0;
}

static bool
is_pattern(const struct ynode *n)
{
	const struct scorer_ops *ops;
	const struct ynode *value;
	struct str name;

	entry(n, &name, &value);
	ops = scorer_find(name);
	return ops && (ops->flags & SCORER_BINARY);
}

/* Patterns of which one is enough are one pattern. */
static int
note_pattern(struct maker *m, const struct ynode *const *n, size_t count)
{
	size_t patterns = 0;

	for (size_t i = 0; i < count; i++)
		if (is_pattern(n[i])) {
			buf_adds(&m->pattern, patterns++ ? ", "
			    : count > 1 ? "{any: [" : "");
			add_value(&m->pattern, n[i]);
		}
	if (patterns && count > 1)
		buf_adds(&m->pattern, "]}");
	return m->pattern.failed ? no_memory(m) : 0;
}

/* In a list of rules, those that are no patterns. */
static size_t
count_others(const struct ynode *list)
{
	size_t n = 0;

	for (size_t i = 0; list->kind == YNODE_LIST && i < list->n; i++)
		n += !is_pattern(list->item[i]);
	return n;
}

/*
 * Sort what the rule is made of: binary scorers under `all` are demands, alone or under a plain `any` they are a pattern that is not demanded;
 * the one thing with a threshold that can be moved is *own.
 */
static int
take_apart(struct maker *m, const struct ynode *accept,
    const struct ynode **own)
{
	const struct ynode *value;
	struct str name;
	bool all;

	entry(accept, &name, &value);
	*own = accept;
	if (is_pattern(accept))
		return note_pattern(m, &accept, 1);
	all = str_is(name, "all");
	if (all && ynode_get(value, "of")
	    && count_others(ynode_get(value, "of")) == 1) {
		value = ynode_get(value, "of"); /* as it is written below */
		m->outer = true;
	}
	if ((!all && !str_is(name, "any")) || !value
	    || value->kind != YNODE_LIST)
		return 0;
	*own = NULL;
	if (!all && note_pattern(m, (const struct ynode *const *)value->item,
	    value->n) < 0)
		return -1;
	for (size_t i = 0; i < value->n; i++)
		if (!is_pattern(value->item[i]))
			*own = value->item[i];
		else if (all && demand(m, value->item[i]) < 0)
			return -1;
	if (count_others(value) > 1)
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

/* Name and options of a rule that has one threshold, in arena memory. 0: it is
 * none. */
static int
own_words(struct maker *m, const struct ynode *own, const char **word,
    const char **options)
{
	const struct scorer_ops *ops;
	const struct ynode *value;
	struct str name;

	if (!own || (m->retrained && is_learned(own)))
		return 0;
	entry(own, &name, &value);
	ops = scorer_find(name);
	if (!has_one_threshold(ops, value) && !m->outer)
		return 0;
	*options = options_of(m, value, ops ? ops->shorthand : NULL);
	*word = arena_cstr(m->a, name);
	return *options && *word ? 1 : no_memory(m);
}

/* Patterns and perhaps one more thing under a plain `any`, with one threshold. */
static int
add_own_any(struct maker *m, const char *word, const char *options,
    int samples)
{
	const char *all = arena_printf(m->a, word ? options[0]
	    ? "of: [%s, {%s: {%s}}]" : "of: [%s, %s]" : "of: [%s]",
	    m->pattern.p, word, options);

	return !all ? no_memory(m) : add_scorer(m, "any", all, samples);
}

static int
add_own(struct maker *m, const struct ynode *accept,
    const struct ynode *own, int samples)
{
	const char *word = NULL, *options = NULL;
	int rc = own_words(m, own, &word, &options);

	if (rc < 0)
		return -1;
	if (m->pattern.n && own != accept && (!own || word)
	    && add_own_any(m, word, options, samples) < 0)
		return -1;
	return word ? add_scorer(m, word, options, samples) : 0;
}

/* --- all of them --------------------------------------------------------- */

/* One that is left out sooner than others. */
static int
add_spare(struct maker *m, const char *name, const char *options,
    int samples)
{
	int rc;

	m->spare = 1;
	rc = add_scorer(m, name, options, samples);
	m->spare = 0;
	return rc;
}

/* `how` of two scorers, as they stand in a list. */
static int
add_pair(struct maker *m, const char *how, const char *one,
    const char *other, int samples)
{
	const char *options = arena_printf(m->a, "of: [%s, %s]", one, other);
	int rc;

	if (!options)
		return no_memory(m);
	m->combined = true;
	m->spare = 2;
	rc = add_scorer(m, how, options, samples);
	m->combined = false;
	m->spare = 0;
	return rc;
}

/* The pattern that is not demanded, with a scorer: both, or one of them. */
static int
add_with_pattern(struct maker *m, const char *scorer, int samples)
{
	if (m->pattern.n == 0)
		return 0;
	return add_pair(m, "all", m->pattern.p, scorer, samples) < 0 ? -1
	    : add_pair(m, "any", m->pattern.p, scorer, samples);
}

static const char over_answer[] = "{logprob: {over: answer}}";

/* Agreement of a few samples, and how sure the model was of what they say. */
static int
add_agreement_and_logprob(struct maker *m, const struct recorded *r, int k)
{
	const char *logprob = r->whole_text ? "logprob" : over_answer;

	if (!r->logprobs)
		return 0;
	if (add_pair(m, "mean", "agreement", logprob, k) < 0 ||
	    add_pair(m, "all", "agreement", logprob, k) < 0 ||
	    add_pair(m, "any", "agreement", logprob, k) < 0)
		return -1;
	return !r->whole_text || !r->many_tokens || !r->answers ? 0
	    : add_pair(m, "mean", "agreement", over_answer, k);
}

static int
add_agreement(struct maker *m, const struct recorded *r)
{
	static const struct {
		size_t samples;
		bool spare, with_others;
	} some[] = {
		{ 2, true, false }, { 3, false, true }, { 5, false, true },
		{ 8, false, false }, { 12, true, false }, { 20, false, false },
		{ 40, true, false },
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0])
	    && some[i].samples <= r->samples; i++) {
		int k = (int)some[i].samples;
		if ((some[i].spare ? add_spare : add_scorer)(m, "agreement",
		    "", k) < 0)
			return -1;
		if (some[i].with_others
		    && (add_agreement_and_logprob(m, r, k) < 0
		    || add_with_pattern(m, "agreement", k) < 0))
			return -1;
	}
	if (r->samples > 1 && r->samples <= CONFIG_MAX_SAMPLES)
		return add_scorer(m, "agreement", "", (int)r->samples);
	return 0;
}

/* Of many tokens: a few numbers for all of them. */
static int
add_aggregates(struct maker *m, const struct recorded *r)
{
	static const struct {
		const char *options;
		bool answers, spare;
	} some[] = {
		{ "", false, false },
		{ "aggregate: min", false, false },
		{ "aggregate: quantile, quantile: 0.1", false, false },
		{ "aggregate: quantile, quantile: 0.25", false, true },
		{ "aggregate: first", false, true },
		{ "over: answer", true, false },
		{ "aggregate: min, over: answer", true, true },
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if ((!some[i].answers || r->answers) && (some[i].spare
		    ? add_spare : add_scorer)(m, "logprob", some[i].options,
		    1) < 0)
			return -1;
	if (!r->answers)
		return 0;
	return add_pair(m, "mean", "logprob", over_answer, 1) < 0 ? -1
	    : add_pair(m, "all", "logprob", over_answer, 1);
}

static int
add_logprob(struct maker *m, const struct recorded *r)
{
	int rc;

	if (!r->logprobs)
		return 0;
	if (r->many_tokens && r->whole_text) {
		rc = add_aggregates(m, r);
	} else {
		rc = add_scorer(m, "logprob", r->whole_text ? ""
		    : "over: answer", 1);
		if (rc == 0 && r->many_tokens)
			rc = add_scorer(m, "logprob",
			    "aggregate: min, over: answer", 1);
	}
	return rc < 0 ? -1 : add_with_pattern(m, r->whole_text ? "logprob"
	    : over_answer, 1);
}

static int
add_learned_of(struct maker *m, const char *model, int samples)
{
	struct setting v = { .samples = samples, .judged = true,
		.learned = true, .file = model, .spare = samples > 1 };
	const char *demands = m->demands.n ? m->demands.p : NULL;
	const char *before = demands ? arena_printf(m->a, "{all: {of: [%s, "
	    "{learned: {file: \"%s\"}}], at_least: ", demands, model)
	    : arena_printf(m->a, "{learned: {file: \"%s\", at_least: ",
	    model);
	const char *rule = demands ? arena_printf(m->a, "{all: [%s]}",
	    demands) : "";

	v.label = arena_printf(m->a, samples > 1 ? "learned%s, %d samples"
	    : "learned%s", demands ? " + patterns" : "", samples);
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
	if (add_own(m, accept, own, samples) < 0)
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
	buf_init(&m.pattern, BUF_MAX);
	rc = find(&m, r, accept, samples);
	buf_release(&m.demands);
	buf_release(&m.pattern);
	return rc;
}

void
settings_release(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++)
		rule_release(s->v[i].rule);
	s->n = 0;
}

void
settings_thin(struct settings *s, size_t most)
{
	while (s->n > most && s->n > 1) {
		size_t k = s->n - 1;
		for (size_t i = s->n; i-- > 1; )
			if (s->v[i].spare > s->v[k].spare)
				k = i;
		rule_release(s->v[k].rule);
		memmove(&s->v[k], &s->v[k + 1], (s->n - k - 1)
		    * sizeof(s->v[0]));
		s->n--;
	}
}

size_t
settings_first(const struct settings *s)
{
	size_t spare = 0;

	for (size_t i = 1; i < s->n; i++) {
		const struct setting *v = &s->v[i];
		if (!v->judged || v->learned)
			continue;
		if (!v->spare)
			return i;
		if (!spare)
			spare = i;
	}
	return spare;
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
