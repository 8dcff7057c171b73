/*
 * route.c -- at which tier a task begins.
 */
#include "cascade/route.h"

#include <stdio.h>

#include "base/regex.h"
#include "base/utf8.h"
#include "scorers/model.h"

#define MAX_RULES 64
#define MAX_SHOWN 60 /* columns of a text in route_show() */

struct route_rule {
	size_t start;         /* from 0 */
	struct field *tags;   /* each must be there, with this value */
	size_t n_tags;
	int64_t longer_than;  /* bytes of the prompt; -1: not asked */
	struct regex *regex;  /* NULL: not asked */
	struct model *model;  /* NULL: not asked */
	struct str file;      /* its name */
	double below;
};

struct route {
	struct route_rule *rule;
	size_t n;
};

/* --- reading ---------------------------------------------------------------- */

struct reading {
	const struct str *tiers;
	size_t n_tiers;
	struct arena *a;
	struct report *r;
};

static void *
array(const struct reading *rd, size_t count, size_t size)
{
	void *p = arena_array(rd->a, count, size);

	if (!p)
		rd->r->nomem = true;
	return p;
}

/* A tier's name, or its number from 1. The first needs no route. */
static bool
read_start(const struct reading *rd, const struct ynode *rule, size_t *out)
{
	const struct ynode *n = ynode_get(rule, "start");
	struct str name = { NULL, 0 };
	int64_t number;
	size_t i;

	if (!n) {
		report_error(rd->r, rule, "a rule of route needs the tier to "
		    "begin with, as in 'start: 2'");
		return false;
	}
	if (!ynode_str(n, "start", &name, rd->r))
		return false;
	for (i = 0; i < rd->n_tiers; i++)
		if (str_eq(name, rd->tiers[i]))
			break;
	if (i == rd->n_tiers && !n->quoted && str_to_i64(name, &number) &&
	    number >= 1 && number <= (int64_t)rd->n_tiers)
		i = (size_t)number - 1;
	if (i == rd->n_tiers) {
		report_error(rd->r, n, "'%.*s' is no tier of this cascade, by "
		    "name or by number (1 to %zu)", STR_ARG(name),
		    rd->n_tiers);
		return false;
	}
	*out = i;
	return true;
}

static bool
read_tags(const struct reading *rd, const struct ynode *n,
    struct route_rule *rule)
{
	bool ok = true;

	if (!n)
		return true;
	if (n->kind != YNODE_MAP || !n->n) {
		report_error(rd->r, n, "tags is a map, as in "
		    "'tags: {level: hard}'");
		return false;
	}
	rule->tags = array(rd, n->n, sizeof(*rule->tags));
	if (!rule->tags)
		return false;
	for (size_t i = 0; i < n->n; i++) {
		rule->tags[i].name = n->key[i]->text;
		ok &= ynode_str(n->item[i], "tag", &rule->tags[i].value,
		    rd->r);
	}
	rule->n_tags = n->n;
	return ok;
}

static bool
read_regex(const struct reading *rd, const struct ynode *n,
    struct route_rule *rule)
{
	struct str pattern = { NULL, 0 };
	struct err e = { 0 };

	if (!n)
		return true;
	if (!ynode_str(n, "regex", &pattern, rd->r))
		return false;
	if (!pattern.n) {
		report_error(rd->r, n, "the pattern is empty");
		return false;
	}
	if (regex_compile(&rule->regex, pattern, 0, &e) == 0)
		return true;
	report_error(rd->r, n, "bad pattern: %s", e.msg);
	return false;
}

static bool
read_model(const struct reading *rd, const struct ynode *rule_node,
    struct route_rule *rule)
{
	const struct ynode *n = ynode_get(rule_node, "learned");
	const struct ynode *below = ynode_get(rule_node, "below");
	struct str file = { NULL, 0 };
	struct err e = { 0 };

	rule->below = 0.5;
	if (!n && below) {
		report_error(rd->r, below, "'below' has no effect without "
		    "'learned'");
		return false;
	}
	if (!n)
		return true;
	if (!ynode_str(n, "learned", &file, rd->r) ||
	    !ynode_double(below, "below", 0, 1, &rule->below, rd->r))
		return false;
	rule->file = file;
	rule->model = array(rd, 1, sizeof(*rule->model));
	if (!rule->model)
		return false;
	if (model_load_for(rule->model, file, rd->r, rd->a, &e) < 0) {
		report_error(rd->r, n, "%s", e.msg);
		return false;
	}
	if (rule->model->kind == MODEL_ROUTE)
		return true;
	report_error(rd->r, n, "'%.*s' is a model for 'accept', of answers; "
	    "train one of prompts with `frugal learn --route`",
	    STR_ARG(file));
	return false;
}

static bool
has_condition(const struct route_rule *rule)
{
	return rule->n_tags || rule->longer_than >= 0 || rule->regex ||
	    rule->model;
}

static bool
read_rule(const struct reading *rd, const struct ynode *n,
    struct route_rule *rule)
{
	static const char *const keys[] = {
		"start", "tags", "longer_than", "regex", "learned", "below",
		NULL
	};
	bool ok;

	rule->longer_than = -1;
	if (n->kind != YNODE_MAP) {
		report_error(rd->r, n, "a rule of route is a map, as in "
		    "'{start: 2, longer_than: 4k}'");
		return false;
	}
	ynode_known(n, "route", keys, rd->r);
	ok = read_start(rd, n, &rule->start);
	ok &= read_tags(rd, ynode_get(n, "tags"), rule);
	ok &= ynode_count(ynode_get(n, "longer_than"), "longer_than", 0,
	    TASK_MAX_PROMPT, &rule->longer_than, rd->r);
	ok &= read_regex(rd, ynode_get(n, "regex"), rule);
	ok &= read_model(rd, n, rule);
	if (ok && !has_condition(rule)) {
		report_error(rd->r, n, "a rule of route without a condition "
		    "would hold for every task; leave the lower tiers out "
		    "instead");
		ok = false;
	}
	return ok;
}

struct route *
route_build(const struct ynode *n, const struct str *tiers, size_t n_tiers,
    struct arena *a, struct report *r)
{
	struct reading rd = { tiers, n_tiers, a, r };
	size_t errors = r->errors;
	struct route *route;

	if (n->kind != YNODE_LIST || !n->n || n->n > MAX_RULES) {
		report_error(r, n, "route must be a list of 1 to %d rules, as "
		    "in '[{start: 2, longer_than: 4k}]'", MAX_RULES);
		return NULL;
	}
	route = array(&rd, 1, sizeof(*route));
	if (!route)
		return NULL;
	route->rule = array(&rd, n->n, sizeof(*route->rule));
	if (!route->rule)
		return NULL;
	for (size_t i = 0; i < n->n; i++) {
		route->n = i + 1;
		(void)read_rule(&rd, n->item[i], &route->rule[i]);
	}
	if (r->errors == errors && !r->nomem)
		return route;
	route_release(route);
	return NULL;
}

void
route_release(struct route *route)
{
	for (size_t i = 0; route && i < route->n; i++) {
		regex_free(route->rule[i].regex);
		route->rule[i].regex = NULL;
	}
}

/* --- showing ------------------------------------------------------------------ */

static void
show_rule(const struct route_rule *rule, struct buf *out)
{
	const char *sep = "";

	buf_addf(out, "  route: tier %zu if ", rule->start + 1);
	for (size_t i = 0; i < rule->n_tags; i++) {
		buf_addf(out, "%stag ", sep);
		utf8_oneline(out, rule->tags[i].name, MAX_SHOWN);
		buf_adds(out, " '");
		utf8_oneline(out, rule->tags[i].value, MAX_SHOWN);
		buf_addc(out, '\'');
		sep = ", ";
	}
	if (rule->longer_than >= 0) {
		buf_addf(out, "%slonger than %lld bytes", sep,
		    (long long)rule->longer_than);
		sep = ", ";
	}
	if (rule->regex) {
		buf_addf(out, "%smatches '", sep);
		utf8_oneline(out, regex_pattern(rule->regex), MAX_SHOWN);
		buf_addc(out, '\'');
		sep = ", ";
	}
	if (rule->model) {
		buf_addf(out, "%s", sep);
		utf8_oneline(out, rule->file, MAX_SHOWN);
		buf_addf(out, " (trained for tier %.*s) < %g",
		    STR_ARG(rule->model->tier), rule->below);
	}
	buf_addc(out, '\n');
}

void
route_show(const struct route *route, struct buf *out)
{
	for (size_t i = 0; route && i < route->n; i++)
		show_rule(&route->rule[i], out);
}

/* --- deciding ----------------------------------------------------------------- */

static bool
has_tags(const struct route_rule *rule, const struct task *t)
{
	for (size_t i = 0; i < rule->n_tags; i++) {
		size_t k = 0;
		while (k < t->n_tags &&
		    !(str_eq(t->tags[k].name, rule->tags[i].name) &&
		    str_eq(t->tags[k].value, rule->tags[i].value)))
			k++;
		if (k == t->n_tags)
			return false;
	}
	return true;
}

/* The conditions that were met, in words. */
static void
say_why(const struct route_rule *rule, struct score chance,
    char reason[SCORER_REASON])
{
	char tag[SCORER_QUOTE + 20] = "", quote[SCORER_QUOTE];
	char length[60] = "", pattern[SCORER_QUOTE + 20] = "";
	char model[80] = "";

	if (rule->n_tags)
		snprintf(tag, sizeof(tag), ", tag '%s'",
		    scorer_quote(quote, rule->tags[0].value));
	if (rule->longer_than >= 0)
		snprintf(length, sizeof(length), ", longer than %lld bytes",
		    (long long)rule->longer_than);
	if (rule->regex)
		snprintf(pattern, sizeof(pattern), ", matches '%s'",
		    scorer_quote(quote, regex_pattern(rule->regex)));
	if (rule->model)
		snprintf(model, sizeof(model), ", chance of a lower tier "
		    "%.3f < %g", chance.p, rule->below);
	scorer_reason(reason, "route%s%s%s%s", tag, length, pattern, model);
}

/* 1: all conditions hold; 0; -1. */
static int
holds(const struct route_rule *rule, const struct task *t,
    struct score *chance, struct err *e)
{
	struct score_input in = { .prompt = t->prompt };
	struct agreement none = { .samples = 0 };

	if (!has_tags(rule, t) || (rule->longer_than >= 0 &&
	    t->prompt.n <= (size_t)rule->longer_than))
		return 0;
	if (rule->regex) {
		switch (regex_first(rule->regex, t->prompt, 0, NULL)) {
		case REGEX_MATCH:
			break;
		case REGEX_NOMEM:
			return err_nomem(e);
		case REGEX_NO_MATCH:
		case REGEX_LIMIT: /* in doubt the cheap way */
			return 0;
		}
	}
	if (!rule->model)
		return 1;
	*chance = model_score(rule->model, &in, &none, NULL);
	return score_cmp(*chance, score_of_p(rule->below)) < 0;
}

int
route_start(const struct route *route, const struct task *t, size_t *tier,
    char reason[SCORER_REASON], struct err *e)
{
	struct score chance = score_of_p(0);
	int rc;

	*tier = 0;
	reason[0] = '\0';
	for (size_t i = 0; route && i < route->n; i++) {
		rc = holds(&route->rule[i], t, &chance, e);
		if (rc < 0)
			return -1;
		if (!rc)
			continue;
		*tier = route->rule[i].start;
		if (*tier)
			say_why(&route->rule[i], chance, reason);
		return 0;
	}
	return 0;
}
