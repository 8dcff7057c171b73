/*
 * rule.c -- accept rules: built from the configuration as a tree of scorers
 * under `all`, `any` and `mean`, and judged in three values.
 *
 * While samples may still come, every score is a range [lo, hi] in which it
 * will end. A threshold t makes of a range one of
 *
 *   ACCEPTS   lo >= t: whatever comes, it will be accepted
 *   REJECTS   hi < t:  whatever comes, it will not
 *   neither   later samples may still change it
 *
 * and `all` and `any` combine those. To find how many further samples could
 * bring a decision, the same is asked of the ranges after k more that are as
 * kind as can be; there lo may exceed hi, since a kind sample for the one is
 * another than for the other, and both bits may be set.
 */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "scorers/rule.h"

#define ACCEPTS (1u << 0)
#define REJECTS (1u << 1)

#define MAX_DEPTH 16
#define MAX_SHOWN 60 /* columns of a pattern in rule_show() */

enum rule_kind { RULE_ALL, RULE_ANY, RULE_MEAN, RULE_LEAF };
static const char *const combinators[] = { "all", "any", "mean", NULL };

struct rule {
	enum rule_kind kind;
	struct ynode at;       /* its place alone, for complaints */
	bool has_threshold;
	struct score threshold;
	/* A combinator. */
	struct rule **of;
	size_t n;
	double *weights;       /* of a mean; NULL: all 1 */
	/* A leaf. */
	const struct scorer_ops *ops;
	void *state;
	const char *options;   /* as rule_show() shows them */
	struct score_output out; /* of the last rule_judge() */
	/* What look() found last; bits are of a rule with a threshold, or of
	 * one whose rules below have them. */
	struct score v[3];
	unsigned bits;
};

/* In struct rule's v: the score of what has come, and its range in the end. */
enum { NOW, LO, HI };

/* What building needs to know. */
struct builder {
	struct arena *arena;
	struct report *report;
	int depth;
	/* The combinator above that has at_least, so that rules here have none;
	 * or NULL. */
	const char *under;
};

static bool
build_into(struct rule *rule, struct builder b, const struct ynode *name,
    const struct ynode *value);

static bool
no_memory(struct builder b)
{
	b.report->nomem = true;
	return false;
}

static const char *
rule_name(const struct rule *rule)
{
	return rule->ops ? rule->ops->name : combinators[rule->kind];
}

/* ------------------------------------------------------------- thresholds */

/* at_least: 0.8, or at_least: {log: -1e-9} */
static bool
read_threshold(struct rule *rule, struct builder b, const struct ynode *n)
{
	const struct ynode *log_node;
	double v = 0;

	if (n->kind != YNODE_MAP) {
		if (!ynode_double(n, "at_least", 0, 1, &v, b.report))
			return false;
		rule->threshold = score_of_p(v);
		return true;
	}
	log_node = ynode_get(n, "log");
	if (!log_node || n->n != 1) {
		report_error(b.report, n, "at_least is a number from 0 to 1, "
		    "or {log: x} with the natural logarithm of one");
		return false;
	}
	if (!ynode_double(log_node, "log", LOGPROB_FLOOR, 0, &v, b.report))
		return false;
	rule->threshold = score_of_ln(v);
	return true;
}

/* n is at_least, or NULL; rule->at, kind and ops are known. */
static bool
set_threshold(struct rule *rule, struct builder b, const struct ynode *n)
{
	const char *name = rule_name(rule);
	bool wanted = rule->kind == RULE_LEAF || rule->kind == RULE_MEAN;
	double usual = !rule->ops ? 0 : rule->ops->flags & SCORER_BINARY ? 1 :
	    rule->ops->at_least;

	if (n && b.under) {
		report_error(b.report, n, "at_least of '%s' is never looked "
		    "at, for '%s' above it has one; leave one of them out", name,
		    b.under);
		return false;
	}
	if (n) {
		rule->has_threshold = true;
		return read_threshold(rule, b, n);
	}
	if (b.under || !wanted)
		return true;
	if (usual <= 0) {
		report_error(b.report, &rule->at, "'%s' needs a threshold, as "
		    "in '%s: {%sat_least: 0.8}'", name, name,
		    rule->ops ? "" : "of: [...], ");
		return false;
	}
	rule->has_threshold = true;
	rule->threshold = score_of_p(usual);
	return true;
}

/* ------------------------------------------------------------------ leaves */

/* A map with the one entry key: value. */
static struct ynode *
map_of(struct arena *a, const char *key, const struct ynode *value)
{
	struct ynode *map = arena_alloc(a, sizeof(*map));
	struct ynode *name = arena_alloc(a, sizeof(*name));
	struct ynode *copy = arena_alloc(a, sizeof(*copy));

	if (!map || !name || !copy)
		return NULL;
	map->item = arena_array(a, 1, sizeof(*map->item));
	map->key = arena_array(a, 1, sizeof(*map->key));
	if (!map->item || !map->key)
		return NULL;
	*copy = *value;
	*name = (struct ynode){ .kind = YNODE_SCALAR, .line = value->line,
		.column = value->column, .text = str_of(key) };
	map->kind = YNODE_MAP;
	map->line = value->line;
	map->column = value->column;
	map->n = 1;
	map->item[0] = copy;
	map->key[0] = name;
	return map;
}

static bool
check_option_names(const struct scorer_ops *ops, struct builder b,
    const struct ynode *options)
{
	size_t errors = b.report->errors, n = 0, i;
	const char **known;

	while (ops->options[n].name)
		n++;
	known = arena_array(b.arena, n + 2, sizeof(*known));
	if (!known)
		return no_memory(b);
	for (i = 0; i < n; i++)
		known[i] = ops->options[i].name;
	known[n] = "at_least";
	ynode_known(options, ops->name, known, b.report);
	return b.report->errors == errors;
}

/* Append one option's value: '...' around patterns, words as they are. */
static void
show_value(struct buf *out, const struct ynode *v, bool quote)
{
	size_t i;

	if (v->kind == YNODE_LIST) {
		for (i = 0; i < v->n; i++) {
			if (i)
				buf_addc(out, ' ');
			show_value(out, v->item[i], quote);
		}
		return;
	}
	if (quote)
		buf_addc(out, '\'');
	utf8_oneline(out, v->text, MAX_SHOWN);
	if (quote)
		buf_addc(out, '\'');
}

/* " '####' over answer": all that is set but the threshold. */
static void
show_options(struct buf *out, const struct scorer_ops *ops,
    const struct ynode *options)
{
	const struct scorer_option *o;
	const struct ynode *v;

	for (o = ops->options; o->name; o++) {
		v = ynode_get(options, o->name);
		if (!v)
			continue;
		if (strcmp(o->name, ops->shorthand) != 0)
			buf_addf(out, " %s", o->name);
		buf_addc(out, ' ');
		show_value(out, v, str_starts(str_of(o->type), "pattern"));
	}
}

static bool
keep_options(struct rule *rule, struct builder b, const struct ynode *options)
{
	struct buf shown;

	buf_init(&shown, BUF_MAX);
	show_options(&shown, rule->ops, options);
	rule->options = shown.failed ? NULL :
	    arena_cstr(b.arena, buf_str(&shown));
	buf_release(&shown);
	return rule->options || no_memory(b);
}

static bool
build_leaf(struct rule *rule, struct builder b, const struct ynode *value)
{
	const struct scorer_ops *ops = rule->ops;
	struct ynode empty = rule->at;
	const struct ynode *options = value;
	bool ok;

	empty.kind = YNODE_MAP;
	if (!value || value->kind == YNODE_NULL)
		options = &empty;
	else if (value->kind != YNODE_MAP)
		options = map_of(b.arena, ops->shorthand, value);
	rule->state = arena_alloc(b.arena, ops->state_size);
	if (!options || !rule->state)
		return no_memory(b);

	/* With a mistyped name something else seems to be missing. */
	if (!check_option_names(ops, b, options))
		return false;
	ok = !ops->init || ops->init(rule->state, options, b.arena, b.report);
	ok &= set_threshold(rule, b, ynode_get(options, "at_least"));
	return ok && keep_options(rule, b, options);
}

/* ------------------------------------------------------------- combinators */

static bool
read_weights(struct rule *rule, struct builder b, const struct ynode *n)
{
	bool ok = true;
	double sum = 0;
	size_t i;

	if (n->kind != YNODE_LIST || n->n != rule->n) {
		report_error(b.report, n, "weights is a list of as many "
		    "numbers as there are rules (%zu)", rule->n);
		return false;
	}
	rule->weights = arena_array(b.arena, n->n, sizeof(*rule->weights));
	if (!rule->weights)
		return no_memory(b);
	for (i = 0; i < n->n; i++) {
		ok &= ynode_double(n->item[i], "weight", 0, 1e6,
		    &rule->weights[i], b.report);
		sum += rule->weights[i];
	}
	if (ok && !(sum > 0)) {
		report_error(b.report, n, "all weights are 0");
		return false;
	}
	return ok;
}

/* What stands where a rule is wanted: a map of one scorer, or the bare name of
 * one that needs no options. */
static bool
build_entry(struct rule **out, struct builder b, const struct ynode *n)
{
	const struct ynode *name = n, *value = NULL;

	if (n->kind == YNODE_MAP && n->n > 1) {
		report_error(b.report, n, "%zu rules, '%.*s' and '%.*s'%s, "
		    "where one is wanted; put several under 'all:', as in "
		    "'all: [regex: ..., agreement: 0.8]'", n->n,
		    STR_ARG(n->key[0]->text), STR_ARG(n->key[1]->text),
		    n->n > 2 ? " and more" : "");
		return false;
	}
	if (n->kind == YNODE_MAP && n->n == 1) {
		name = n->key[0];
		value = n->item[0];
	} else if (n->kind != YNODE_SCALAR) {
		report_error(b.report, n, "a rule is wanted here, as in "
		    "'agreement: 0.8'");
		return false;
	}
	*out = arena_alloc(b.arena, sizeof(**out));
	return *out ? build_into(*out, b, name, value) : no_memory(b);
}

static bool
build_list(struct rule *rule, struct builder b, const struct ynode *list)
{
	bool ok = true;
	size_t i;

	if (!list || list->kind != YNODE_LIST || !list->n) {
		report_error(b.report, list ? list : &rule->at,
		    "'%s' needs a list of rules, as in "
		    "'%s: [regex: ..., agreement: 0.8]'", rule_name(rule),
		    rule_name(rule));
		return false;
	}
	if (b.depth++ == MAX_DEPTH) {
		report_error(b.report, list, "rules are nested more than %d "
		    "deep", MAX_DEPTH);
		return false;
	}
	rule->of = arena_array(b.arena, list->n, sizeof(*rule->of));
	if (!rule->of)
		return no_memory(b);
	rule->n = list->n;
	for (i = 0; i < list->n; i++)
		ok &= build_entry(&rule->of[i], b, list->item[i]);
	return ok;
}

static bool
build_combinator(struct rule *rule, struct builder b,
    const struct ynode *value)
{
	static const char *const known[] = { "of", "at_least", NULL };
	static const char *const known_mean[] = {
		"of", "at_least", "weights", NULL
	};
	const struct ynode *list = value, *at_least = NULL, *weights = NULL;
	size_t errors = b.report->errors;
	struct builder below = b;
	bool ok;

	if (value && value->kind == YNODE_MAP) {
		list = ynode_get(value, "of");
		if (!list)
			return build_list(rule, b, value);
		at_least = ynode_get(value, "at_least");
		weights = ynode_get(value, "weights");
		ynode_known(value, rule_name(rule),
		    rule->kind == RULE_MEAN ? known_mean : known, b.report);
	}
	ok = set_threshold(rule, b, at_least);
	if (!b.under && (rule->has_threshold || rule->kind == RULE_MEAN))
		below.under = rule_name(rule);
	ok &= build_list(rule, below, list);
	if (ok && weights && rule->kind == RULE_MEAN)
		ok = read_weights(rule, b, weights);
	return ok && b.report->errors == errors;
}

static bool
unknown_scorer(struct builder b, const struct ynode *name)
{
	const char *known[64], *near;
	size_t n = 0, i;

	for (i = 0; scorer_registry[i] && n < 60; i++)
		known[n++] = scorer_registry[i]->name;
	for (i = 0; combinators[i]; i++)
		known[n++] = combinators[i];
	known[n] = NULL;
	near = suggest(name->text, known);
	if (near)
		report_error(b.report, name, "unknown scorer '%.*s'; did you "
		    "mean '%s'?", STR_ARG(name->text), near);
	else
		report_error(b.report, name, "unknown scorer '%.*s'; 'frugal "
		    "scorers' lists them", STR_ARG(name->text));
	return false;
}

static bool
build_into(struct rule *rule, struct builder b, const struct ynode *name,
    const struct ynode *value)
{
	const struct ynode *at = value ? value : name;
	int kind;

	rule->at = (struct ynode){ .line = at->line, .column = at->column };
	rule->kind = RULE_LEAF;
	rule->ops = scorer_find(name->text);
	if (rule->ops)
		return build_leaf(rule, b, value);
	for (kind = 0; combinators[kind]; kind++) {
		if (str_is(name->text, combinators[kind])) {
			rule->kind = (enum rule_kind)kind;
			return build_combinator(rule, b, value);
		}
	}
	return unknown_scorer(b, name);
}

struct rule *
rule_build(const struct ynode *n, struct arena *a, struct report *r)
{
	struct builder b = { .arena = a, .report = r };
	struct rule *rule = NULL;

	if (!n) {
		report_error(r, n, "accept is missing");
		return NULL;
	}
	if (!build_entry(&rule, b, n)) {
		rule_release(rule);
		return NULL;
	}
	return rule;
}

struct rule *
rule_build_under(const struct ynode *n, struct arena *a, struct report *r,
    const char *under)
{
	struct builder b = { .arena = a, .report = r, .under = under };
	struct rule *rule = NULL;
	bool ok = build_entry(&rule, b, n);

	if (ok && (!rule->ops || str_is(str_of(rule->ops->name), under))) {
		report_error(r, &rule->at, "'%s' is not one scorer whose "
		    "score '%s' could look at", rule_name(rule), under);
		ok = false;
	}
	if (ok)
		return rule;
	rule_release(rule);
	return NULL;
}

void
rule_release(struct rule *rule)
{
	size_t i;

	if (!rule)
		return;
	for (i = 0; i < rule->n; i++)
		rule_release(rule->of[i]);
	if (rule->ops && rule->ops->fini && rule->state)
		rule->ops->fini(rule->state);
	rule->state = NULL;
}

/* ----------------------------------------------------- what a rule is like */

unsigned
rule_flags(const struct rule *rule)
{
	unsigned flags = 0;
	size_t i;

	if (!rule)
		return 0;
	if (rule->ops)
		flags = rule->ops->flags;
	if (rule->ops && rule->ops->needs)
		flags |= rule->ops->needs(rule->state);
	for (i = 0; i < rule->n; i++)
		flags |= rule_flags(rule->of[i]);
	return flags;
}

/* Does any scorer in it look at more than one sample? */
static bool
looks_at_samples(const struct rule *rule)
{
	size_t i;

	if (rule->ops && (rule->ops->reach ||
	    (rule->ops->flags & SCORER_CHOOSES)))
		return true;
	for (i = 0; i < rule->n; i++)
		if (looks_at_samples(rule->of[i]))
			return true;
	return false;
}

static void
advise_thresholds(const struct rule *rule, size_t samples, struct report *r)
{
	size_t i;

	if (rule->has_threshold && rule->threshold.p <= 0 &&
	    score_cmp(rule->threshold, score_of_p(0)) == 0)
		report_warn(r, &rule->at, "%s at_least 0 never fails",
		    rule_name(rule));
	else if (rule->has_threshold && rule->ops && rule->ops->advise)
		rule->ops->advise(rule->state, rule->threshold, samples,
		    &rule->at, r);
	for (i = 0; i < rule->n; i++)
		advise_thresholds(rule->of[i], samples, r);
}

void
rule_advise(const struct rule *rule, size_t samples, struct report *r)
{
	if (!rule)
		return;
	advise_thresholds(rule, samples, r);
	if (samples > 1 && !looks_at_samples(rule))
		report_warn(r, &rule->at, "%zu samples are asked for but no "
		    "scorer looks at more than one; add 'agreement' or leave "
		    "'samples' out", samples);
}

static void
show_list(const struct rule *rule, struct buf *out)
{
	size_t i;

	buf_addc(out, '(');
	for (i = 0; i < rule->n; i++) {
		if (i)
			buf_adds(out, ", ");
		if (rule->weights) {
			buf_add_double(out, rule->weights[i]);
			buf_adds(out, " x ");
		}
		rule_show(rule->of[i], out);
	}
	buf_addc(out, ')');
}

void
rule_show(const struct rule *rule, struct buf *out)
{
	bool binary;

	if (!rule) {
		buf_adds(out, "every complete answer");
		return;
	}
	binary = rule->ops && (rule->ops->flags & SCORER_BINARY);
	buf_adds(out, rule_name(rule));
	if (rule->ops)
		buf_adds(out, rule->options);
	else
		show_list(rule, out);
	if (rule->has_threshold && !(binary && rule->threshold.ln >= 0)) {
		buf_adds(out, " >= ");
		score_show(out, rule->threshold);
	}
}

/* ----------------------------------------------------------------- judging */

/* One judgement: what has come, and who chooses among it. */
struct judging {
	struct score_input in;
	const struct rule *chooser; /* a leaf, or NULL: the first that came */
};

/* The first leaf, depth first, that chooses. */
static struct rule *
find_chooser(struct rule *rule)
{
	struct rule *found;
	size_t i;

	if (rule->ops)
		return rule->ops->flags & SCORER_CHOOSES ? rule : NULL;
	for (i = 0; i < rule->n; i++) {
		found = find_chooser(rule->of[i]);
		if (found)
			return found;
	}
	return NULL;
}

static int
score_leaves(struct rule *rule, const struct judging *j, struct err *e)
{
	size_t i;

	if (rule->ops && rule != j->chooser &&
	    rule->ops->score(rule->state, &j->in, &rule->out, e) < 0)
		return err_in(e, "scorer '%s'", rule->ops->name);
	for (i = 0; i < rule->n; i++)
		if (score_leaves(rule->of[i], j, e) < 0)
			return -1;
	return 0;
}

int
rule_score(struct rule *rule, const struct score_input *in,
    struct score *out, struct err *e)
{
	struct judging j = { .in = *in };

	if (score_leaves(rule, &j, e) < 0)
		return -1;
	*out = rule->out.score;
	return 0;
}

/* Can the choice be sure to stay after k kind samples more? */
static bool
settled(const struct judging *j, size_t k)
{
	const struct rule *c = j->chooser;

	if (k == j->in.more)
		return true;
	if (!c)
		return j->in.n + k > 0;
	return c->ops->settled && c->ops->settled(c->state, &j->in, k);
}

/* The weighted mean. Near 1 it is made of the distances from 1, which keep
 * digits there that the probabilities have lost. */
static struct score
mean_of(const struct rule *rule, int which)
{
	double sum = 0, p = 0, missing = 0, w;
	size_t i;

	for (i = 0; i < rule->n; i++) {
		w = rule->weights ? rule->weights[i] : 1;
		sum += w;
		p += w * rule->of[i]->v[which].p;
		missing -= w * expm1(rule->of[i]->v[which].ln);
	}
	if (p / sum < 0.999)
		return score_of_p(p / sum);
	return score_of_ln(log1p(-missing / sum));
}

/* Of the rules below the one with the least score (all) or the greatest. */
static const struct rule *
extreme(const struct rule *rule, int which)
{
	const struct rule *best = rule->of[0];
	size_t i;
	int cmp;

	for (i = 1; i < rule->n; i++) {
		cmp = score_cmp(rule->of[i]->v[which], best->v[which]);
		if (rule->kind == RULE_ALL ? cmp < 0 : cmp > 0)
			best = rule->of[i];
	}
	return best;
}

static void
look_at_leaf(struct rule *rule, const struct judging *j, size_t k)
{
	const struct scorer_ops *ops = rule->ops;

	rule->v[NOW] = rule->v[LO] = rule->v[HI] = rule->out.score;
	if ((ops->flags & SCORER_CHOOSES) || settled(j, 0)) {
		if (ops->reach)
			ops->reach(rule->state, &j->in, k, &rule->v[LO],
			    &rule->v[HI]);
		return;
	}
	/* Another completion may be chosen, and score anything: a surely high
	 * or a surely low score, once k kind ones have settled the choice. */
	rule->v[LO] = score_of_p(settled(j, k) ? 1 : 0);
	rule->v[HI] = score_of_p(settled(j, k) ? 0 : 1);
}

/* ACCEPTS and REJECTS of a rule whose scores and rules below are known. */
static unsigned
decide(const struct rule *rule)
{
	unsigned every = ACCEPTS | REJECTS, some = 0;
	size_t i;

	if (rule->has_threshold)
		return (score_cmp(rule->v[LO], rule->threshold) >= 0 ?
		    ACCEPTS : 0) |
		    (score_cmp(rule->v[HI], rule->threshold) < 0 ? REJECTS : 0);
	for (i = 0; i < rule->n; i++) {
		every &= rule->of[i]->bits;
		some |= rule->of[i]->bits;
	}
	if (rule->kind == RULE_ALL)
		return (every & ACCEPTS) | (some & REJECTS);
	return (some & ACCEPTS) | (every & REJECTS);
}

/* Fill in v and bits of the whole tree, after k kind samples more. */
static void
look(struct rule *rule, const struct judging *j, size_t k)
{
	size_t i;
	int which;

	if (rule->ops)
		look_at_leaf(rule, j, k);
	for (i = 0; i < rule->n; i++)
		look(rule->of[i], j, k);
	for (which = NOW; !rule->ops && which <= HI; which++)
		rule->v[which] = rule->kind == RULE_MEAN ?
		    mean_of(rule, which) : extreme(rule, which)->v[which];
	rule->bits = decide(rule);
}

/* The least k in 1..more after which a decision is possible. What is possible
 * after k is possible after k + 1, so it can be found by halving. */
static size_t
least_ask(struct rule *rule, const struct judging *j)
{
	size_t low = 1, high = j->in.more, k;

	while (low < high) {
		k = low + (high - low) / 2;
		look(rule, j, k);
		if (rule->bits)
			high = k;
		else
			low = k + 1;
	}
	return low;
}

/* The rule whose score and threshold stand for the whole tree. */
static const struct rule *
deciding_rule(const struct rule *rule)
{
	unsigned alike = rule->kind == RULE_ALL ? ACCEPTS : REJECTS;
	const struct rule *best = NULL, *r;
	size_t i;
	int cmp;

	if (rule->has_threshold)
		return rule;
	for (i = 0; i < rule->n; i++) {
		if (rule->of[i]->bits != rule->bits)
			continue;
		r = deciding_rule(rule->of[i]);
		if (rule->bits != alike)
			return r; /* one suffices: the first */
		cmp = best ? score_cmp(r->v[NOW], best->v[NOW]) : 0;
		if (!best || (rule->kind == RULE_ALL ? cmp < 0 : cmp > 0))
			best = r;
	}
	return best;
}

/* The leaf or mean that its score comes from. */
static const struct rule *
source(const struct rule *rule)
{
	while (rule->kind == RULE_ALL || rule->kind == RULE_ANY)
		rule = extreme(rule, NOW);
	return rule;
}

/* "mean of regex 1, agreement 0.6" */
static int
say_mean(const struct rule *rule, struct verdict *out, struct err *e)
{
	struct buf b;
	size_t i;
	int rc = 0;

	buf_init(&b, BUF_MAX);
	for (i = 0; i < rule->n; i++) {
		buf_addf(&b, "%s%s ", i ? ", " : "", rule_name(rule->of[i]));
		score_show(&b, rule->of[i]->v[NOW]);
	}
	if (b.failed)
		rc = err_nomem(e);
	else
		scorer_reason(out->reason, "mean of %s", b.p);
	buf_release(&b);
	return rc;
}

/* Score, threshold, scorer and reason of *out from what look() found. */
static int
explain(const struct rule *rule, struct verdict *out, struct err *e)
{
	const struct rule *whole = deciding_rule(rule), *from = source(whole);

	out->scored = true;
	out->score = whole->v[NOW];
	out->threshold = whole->threshold;
	out->scorer = rule_name(from);
	out->format_failed = out->kind == VERDICT_ESCALATE && from->ops &&
	    (from->ops->flags & SCORER_FORMAT);
	if (from->kind == RULE_MEAN)
		return say_mean(from, out, e);
	scorer_reason(out->reason, "%s", from->out.reason);
	return 0;
}

/* The chosen completion (NULL: nothing came) cannot be accepted by any rule:
 * say why. */
static void
unusable(const struct completion *c, const struct score_input *in,
    struct verdict *out)
{
	out->kind = VERDICT_ESCALATE;
	out->score = score_of_p(0);
	out->scorer = NULL;
	out->format_failed = false;
	if (!c) {
		out->scored = false;
		scorer_reason(out->reason, in->missing ?
		    "no completion came back: %zu failed" :
		    "no completion came back", in->missing);
	} else if (c->finish == FINISH_LENGTH) {
		scorer_reason(out->reason, "the answer was cut off by the "
		    "token limit");
	} else {
		scorer_reason(out->reason, "the model or a content filter "
		    "refused to answer");
	}
}

static void
nothing_yet(struct verdict *out)
{
	out->scored = false;
	scorer_reason(out->reason, "no completion has come yet");
}

/* Without a rule a complete answer is accepted. */
static void
judge_nothing(const struct score_input *in, struct verdict *out)
{
	const struct completion *c = in->n ? &in->c[0] : NULL;

	if (!c && in->more) {
		out->ask = 1;
		nothing_yet(out);
	} else if (!c || !scorer_complete(c)) {
		unusable(c, in, out);
	} else if (!c->has_answer && !str_trim(c->text).n) {
		out->kind = VERDICT_ESCALATE;
		scorer_reason(out->reason, "the answer is empty");
	} else {
		out->kind = VERDICT_ACCEPT;
		scorer_reason(out->reason, "no rule: every complete answer is "
		    "accepted");
	}
}

static enum verdict_kind
verdict_of(const struct rule *rule, const struct judging *j, bool usable)
{
	if (rule->bits & REJECTS)
		return VERDICT_ESCALATE;
	if (!usable && settled(j, 0))
		return VERDICT_ESCALATE;
	return usable && rule->bits & ACCEPTS ? VERDICT_ACCEPT :
	    VERDICT_UNDECIDED;
}

int
rule_judge(struct rule *rule, const struct score_input *in,
    struct verdict *out, struct err *e)
{
	struct judging j = { .in = *in };
	struct rule *chooser = rule ? find_chooser(rule) : NULL;
	const struct completion *c;
	bool usable;

	*out = (struct verdict){ .score = score_of_p(0),
		.threshold = score_of_p(0) };
	if (!rule) {
		judge_nothing(in, out);
		return 0;
	}

	j.in.chosen = 0;
	if (chooser && chooser->ops->score(chooser->state, &j.in,
	    &chooser->out, e) < 0)
		return err_in(e, "scorer '%s'", chooser->ops->name);
	j.chooser = chooser;
	j.in.chosen = out->chosen = chooser ? chooser->out.chosen : 0;
	if (score_leaves(rule, &j, e) < 0)
		return -1;

	c = scorer_chosen(&j.in);
	usable = c && scorer_complete(c);
	look(rule, &j, 0);
	out->kind = verdict_of(rule, &j, usable);
	if (explain(rule, out, e) < 0)
		return -1;
	if (out->kind != VERDICT_UNDECIDED && !usable)
		unusable(c, in, out);
	if (out->kind == VERDICT_UNDECIDED) {
		/* Bits are set where only a usable choice is wanting. */
		out->ask = rule->bits ? 1 : least_ask(rule, &j);
		if (!c)
			nothing_yet(out);
	}
	return 0;
}
