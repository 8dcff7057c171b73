/*
 * config_cascade.c -- the `cascades:` section: cascades, their tiers, and the
 * settings of a tier.
 */
#include <string.h>

#include "base/clock.h"
#include "base/input.h"
#include "base/utf8.h"
#include "cascade/config_internal.h"
#include "cascade/route.h"
#include "cascade/task.h"

#define MAX_TOKENS 100000000
#define MAX_STOP 4
#define MAX_REPAIR 3
/* What a double holds exactly, less the numbers of the samples. */
#define MAX_SEED (((int64_t)1 << 53) - CONFIG_MAX_SAMPLES)

#define SAMPLING_KEYS "temperature", "top_p", "max_tokens", "seed", "stop", \
	"presence_penalty", "frequency_penalty", "reasoning_effort", \
	"response_format", "extra"

const char *const config_sampling_keys[] = { SAMPLING_KEYS, NULL };

/* --- sampling settings -------------------------------------------------- */

static void
read_real(struct report *r, const struct ynode *n, const char *key, double min,
    double max, double *out, bool *has)
{
	const struct ynode *at = ynode_get(n, key);

	if (at && ynode_double(at, key, min, max, out, r))
		*has = true;
}

static void
read_stop(struct report *r, const struct ynode *at, struct sampling *s)
{
	const struct ynode *one = at;
	struct str *stop, text;
	size_t n = at->kind == YNODE_LIST ? at->n : 1, got = 0;

	if (n > MAX_STOP) {
		report_error(r, at, "stop takes at most %d texts", MAX_STOP);
		return;
	}
	stop = arena_array(r->arena, n, sizeof(*stop));
	if (!stop) {
		r->nomem = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (at->kind == YNODE_LIST)
			one = at->item[i];
		if (!ynode_str(one, "stop", &text, r))
			continue;
		if (text.n == 0)
			report_error(r, one, "a stop text is empty");
		stop[got++] = text;
	}
	s->stop = stop;
	s->n_stop = got;
}

/* Any value as canonical JSON. */
static void
read_json(struct report *r, const struct ynode *at, struct str *out)
{
	struct buf json;

	buf_init(&json, BUF_MAX);
	ynode_json(at, &json);
	if (json.failed || !arena_str(r->arena, buf_str(&json), out))
		r->nomem = true;
	buf_release(&json);
}

/* `extra` adds members to a request; those that have a setting of their own,
 * or that this program depends on, are not to be had twice. */
static void
read_extra(struct report *r, const struct ynode *at, struct sampling *s)
{
	static const char *const own[] = {
		"model", "messages", "n", "stream", "logprobs",
		"max_completion_tokens", "random_seed", SAMPLING_KEYS, NULL
	};
	size_t bad = 0;

	if (at->kind != YNODE_MAP) {
		report_error(r, at, "extra must be a map of names and values");
		return;
	}
	for (size_t i = 0; i < at->n; i++)
		for (size_t j = 0; own[j]; j++) {
			if (!str_is(at->key[i]->text, own[j]))
				continue;
			report_error(r, at->key[i], "extra cannot set '%s': "
			    "the tier's own settings do", own[j]);
			bad++;
		}
	if (!bad)
		read_json(r, at, &s->extra);
}

void
config_sampling(struct report *r, const struct ynode *n, struct sampling *s)
{
	const struct ynode *at;

	read_real(r, n, "temperature", 0, 2, &s->temperature,
	    &s->has_temperature);
	read_real(r, n, "top_p", 0, 1, &s->top_p, &s->has_top_p);
	read_real(r, n, "presence_penalty", -2, 2, &s->presence_penalty,
	    &s->has_presence_penalty);
	read_real(r, n, "frequency_penalty", -2, 2, &s->frequency_penalty,
	    &s->has_frequency_penalty);
	ynode_count(ynode_get(n, "max_tokens"), "max_tokens", 1, MAX_TOKENS,
	    &s->max_tokens, r);
	at = ynode_get(n, "seed");
	if (at && ynode_count(at, "seed", -MAX_SEED, MAX_SEED, &s->seed, r))
		s->has_seed = true;
	ynode_str(ynode_get(n, "reasoning_effort"), "reasoning_effort",
	    &s->reasoning_effort, r);
	at = ynode_get(n, "stop");
	if (at)
		read_stop(r, at, s);
	at = ynode_get(n, "response_format");
	if (at)
		read_json(r, at, &s->response_format);
	at = ynode_get(n, "extra");
	if (at)
		read_extra(r, at, s);
}

/* --- a tier ------------------------------------------------------------- */

static const char *const tier_keys[] = {
	"name", "model", "endpoints", "samples", "system", "prompts", "repair", "accept",
	"share",
	SAMPLING_KEYS, NULL
};

static void
read_samples(struct load *l, const struct ynode *at, struct tier *t)
{
	static const char *const keys[] = { "min", "max", NULL };
	const struct ynode *min = at, *max = at;
	int64_t from = 1, to = 1;

	t->samples_min = t->samples_max = 1;
	if (!at)
		return;
	if (at->kind == YNODE_MAP) {
		ynode_known(at, "samples", keys, l->r);
		min = ynode_get(at, "min");
		max = ynode_get(at, "max");
		if (!min || !max) {
			report_error(l->r, at, "samples needs both min and max,"
			    " or one number");
			return;
		}
	}
	if (!ynode_count(min, "samples", 1, CONFIG_MAX_SAMPLES, &from, l->r) ||
	    !ynode_count(max, "samples", 1, CONFIG_MAX_SAMPLES, &to, l->r))
		return;
	if (from > to) {
		report_error(l->r, min, "samples: min %d is more than max %d",
		    (int)from, (int)to);
		return;
	}
	t->samples_min = (int)from;
	t->samples_max = (int)to;
}

/* An editor ends the last line of a file; the prompt does not. */
static struct str
without_line_end(struct str s)
{
	while (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	return s;
}

/* The text of a template file, in arena memory. */
static bool
read_prompt_file(struct load *l, const struct ynode *at, struct str *out)
{
	struct str path = config_path(l, at->text);
	struct buf text;
	struct err e;
	bool ok = false;

	buf_init(&text, l->c->limits.template);
	if (path.n == 0)
		report_error(l->r, at, "the name of a prompt file is empty");
	else if (input_slurp(path.p, l->c->limits.template, &text,
	    &e) < 0)
		report_error(l->r, at, "prompt: %s", e.msg);
	else if (!utf8_valid(buf_str(&text)))
		report_error(l->r, at, "prompt '%.*s' is not UTF-8 text",
		    STR_ARG(path));
	else if (!arena_str(l->a, without_line_end(buf_str(&text)), out))
		l->r->nomem = true;
	else
		ok = true;
	buf_release(&text);
	return ok;
}

static void
read_prompt(struct load *l, const struct ynode *at, struct tier *t)
{
	static const char *const keys[] = { "text", NULL };
	struct prompt_template p = { .name = STR("inline") };
	const struct ynode *text;
	struct err e;

	if (at->kind == YNODE_MAP) {
		ynode_known(at, "prompt", keys, l->r);
		text = ynode_get(at, "text");
		if (!text)
			report_error(l->r, at, "an inline prompt has a text");
		if (!text || !ynode_str(text, "text", &p.text, l->r))
			return;
	} else {
		if (!ynode_str(at, "the name of a prompt file", &p.name,
		    l->r) || !read_prompt_file(l, at, &p.text))
			return;
	}
	if (template_check(p.text, &e) < 0)
		report_error(l->r, at, "prompt '%.*s': %s", STR_ARG(p.name),
		    e.msg);
	t->prompts[t->n_prompts++] = p;
}

static void
read_prompts(struct load *l, const struct ynode *at, struct tier *t)
{
	if (!at)
		return;
	if (at->kind != YNODE_LIST || at->n == 0 ||
	    at->n > CONFIG_MAX_PROMPTS) {
		report_error(l->r, at, "prompts must be a list of 1 to %d "
		    "files, or of {text: '...'}", CONFIG_MAX_PROMPTS);
		return;
	}
	t->prompts = config_array(l, at->n, sizeof(*t->prompts));
	for (size_t i = 0; t->prompts && i < at->n; i++)
		read_prompt(l, at->item[i], t);
}

/* The first of the endpoints is the tier's model; the others are read when
 * everything else of the tier has been. */
static const struct ynode *
first_endpoint(struct load *l, const struct ynode *n)
{
	const struct ynode *at = ynode_get(n, "endpoints");

	if (at && ynode_get(n, "model"))
		report_error(l->r, at, "a tier has a model or endpoints, not "
		    "both");
	if (!at || at->kind != YNODE_LIST || at->n == 0
	    || at->n > CONFIG_MAX_ENDPOINTS) {
		if (at)
			report_error(l->r, at, "endpoints must be a list of 1 "
			    "to %d models, such as [azure/gpt-4o, "
			    "openai/gpt-4o]", CONFIG_MAX_ENDPOINTS);
		return NULL;
	}
	return at->item[0];
}

/* Asking the same one again is what retries are for. */
static bool
is_named_before(const struct ynode *at, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (at->item[k]->kind == YNODE_SCALAR
		    && str_eq(at->item[k]->text, at->item[i]->text))
			return true;
	return false;
}

static void
read_others(struct load *l, const struct ynode *n, struct tier *t)
{
	const struct ynode *at = ynode_get(n, "endpoints");
	struct str text;

	if (!at || at->kind != YNODE_LIST || at->n < 2
	    || at->n > CONFIG_MAX_ENDPOINTS)
		return;
	t->others = config_array(l, at->n - 1, sizeof(*t->others));
	for (size_t i = 1; t->others && i < at->n; i++) {
		struct tier *o = &t->others[t->n_others];

		*o = *t;
		o->others = NULL;
		o->n_others = 0;
		if (!ynode_str(at->item[i], "an endpoint", &text, l->r)
		    || !config_model(l, at->item[i], o))
			continue;
		if (is_named_before(at, i)) {
			report_error(l->r, at->item[i], "endpoint '%.*s' is "
			    "named twice", STR_ARG(text));
			continue;
		}
		config_price(l->c, o);
		if (o->provider->ops)
			config_check_tier(l, o, n);
		t->n_others++;
	}
}

static void
read_model(struct load *l, const struct ynode *n, struct tier *t)
{
	const struct ynode *at = ynode_get(n, "model");
	struct str text;

	if (ynode_get(n, "endpoints")) {
		at = first_endpoint(l, n);
		if (!at)
			return;
	}
	if (!at)
		report_error(l->r, n, "the tier has no model, such as "
		    "'model: openai/gpt-4o-mini'");
	else if (ynode_str(at, "model", &text, l->r) && config_model(l, at, t))
		config_price(l->c, t);
}

static void
read_tier(struct load *l, const struct ynode *n, struct tier *t)
{
	const struct ynode *at;
	int64_t repair = 0;
	double share = 1;

	t->line = n->line;
	t->column = n->column;
	t->price = price_none();
	t->samples_min = t->samples_max = 1;
	if (!config_is_map(l, n, "a tier"))
		return;
	ynode_known(n, "tier", tier_keys, l->r);
	read_model(l, n, t);
	t->name = t->model;
	at = ynode_get(n, "name");
	if (ynode_str(at, "name", &t->name, l->r) && at && t->name.n == 0)
		report_error(l->r, at, "the tier's name is empty");
	read_samples(l, ynode_get(n, "samples"), t);
	config_sampling(l->r, n, &t->sampling);
	ynode_str(ynode_get(n, "system"), "system", &t->system, l->r);
	read_prompts(l, ynode_get(n, "prompts"), t);
	ynode_count(ynode_get(n, "repair"), "repair", 0, MAX_REPAIR, &repair,
	    l->r);
	t->repair = (int)repair;
	ynode_double(ynode_get(n, "share"), "share", 0, 1, &share, l->r);
	t->passed = 1 - share;
	at = ynode_get(n, "accept");
	if (at && !(at->kind == YNODE_SCALAR && str_is(at->text, "always")))
		t->accept = rule_build(at, l->a, l->r);
	if (t->accept && rule_flags(t->accept) & SCORER_LOGPROBS)
		t->sampling.logprobs = true;
	if (t->provider && t->provider->ops)
		config_check_tier(l, t, n);
	read_others(l, n, t);
}

/* --- a cascade ---------------------------------------------------------- */

static void
read_pattern(struct load *l, const struct ynode *at, struct answer_rule *a)
{
	struct str pattern;
	struct err e;

	if (!ynode_str(at, "answer", &pattern, l->r))
		return;
	if (pattern.n == 0)
		report_error(l->r, at, "the answer's pattern is empty");
	else if (regex_compile(&a->pattern, pattern, 0, &e) < 0)
		report_error(l->r, at, "answer: %s", e.msg);
}

static void
read_answer(struct load *l, const struct ynode *at, struct answer_rule *a)
{
	static const char *const keys[] = { "pattern", "take", NULL };
	static const char *const takes[] = { "last", "first", NULL };
	const struct ynode *pattern = at;

	if (!at)
		return;
	if (at->kind == YNODE_MAP) {
		ynode_known(at, "answer", keys, l->r);
		a->first = config_choice(l, ynode_get(at, "take"), "take",
		    takes) == 1;
		pattern = ynode_get(at, "pattern");
	}
	if (pattern)
		read_pattern(l, pattern, a);
	else
		report_error(l->r, at, "answer needs a pattern");
}

static void
check_names(struct load *l, const struct cascade *k, const struct ynode *tiers)
{
	for (size_t i = 1; i < k->n_tiers; i++)
		for (size_t j = 0; j < i; j++) {
			if (!str_eq(k->tiers[i].name, k->tiers[j].name) ||
			    k->tiers[i].name.n == 0)
				continue;
			report_error(l->r, tiers->item[i], "two tiers are "
			    "called '%.*s'; give this one a name of its own",
			    STR_ARG(k->tiers[i].name));
			break;
		}
}

static void
read_tiers(struct load *l, const struct ynode *at, struct cascade *k)
{
	if (at->kind != YNODE_LIST || at->n == 0 || at->n > CONFIG_MAX_TIERS) {
		report_error(l->r, at, "tiers must be a list of 1 to %d tiers",
		    CONFIG_MAX_TIERS);
		return;
	}
	k->tiers = config_array(l, at->n, sizeof(*k->tiers));
	for (size_t i = 0; k->tiers && i < at->n; i++)
		read_tier(l, at->item[i], &k->tiers[k->n_tiers++]);
	check_names(l, k, at);
	config_check_order(l, k, at);
}

/* After the tiers, whose names it uses. */
static void
read_route(struct load *l, const struct ynode *at, struct cascade *k)
{
	struct str *names;

	if (!at || !k->n_tiers)
		return;
	names = config_array(l, k->n_tiers, sizeof(*names));
	for (size_t i = 0; names && i < k->n_tiers; i++)
		names[i] = k->tiers[i].name;
	if (names)
		k->route = route_build(at, names, k->n_tiers, l->a, l->r);
}

static void
read_since(struct load *l, const struct ynode *at, struct promise *p)
{
	struct str text;
	struct err e;

	if (!ynode_str(at, "since", &text, l->r) || !at)
		return;
	if (clock_parse_since(text, l->now_utc_ms, &p->since_utc_ms, &e) < 0)
		report_error(l->r, at, "since: %s", e.msg);
}

static void
read_promise(struct load *l, const struct ynode *at, struct cascade *k)
{
	static const char *const keys[] = { "max_loss", "confidence", "since",
		NULL };
	const struct ynode *loss = ynode_get(at, "max_loss");

	if (!at || !config_is_map(l, at, "a promise"))
		return;
	ynode_known(at, "promise", keys, l->r);
	if (!loss)
		report_error(l->r, at, "a promise has a max_loss, such as "
		    "0.02");
	k->promise.confidence = 0.95;
	ynode_double(loss, "max_loss", 0, 1, &k->promise.max_loss, l->r);
	ynode_double(ynode_get(at, "confidence"), "confidence", 0.5, 0.999999,
	    &k->promise.confidence, l->r);
	read_since(l, ynode_get(at, "since"), &k->promise);
	k->promise.given = loss != NULL;
	if (!(k->audit > 0))
		report_warn(l->r, at, "nothing looks after the promise of "
		    "'%.*s' without audit, such as 'audit: 0.02'",
		    STR_ARG(k->name));
}

static void
read_audit(struct load *l, const struct ynode *at, struct cascade *k)
{
	if (at && ynode_double(at, "audit", 0, 1, &k->audit, l->r)
	    && k->n_tiers == 1)
		report_warn(l->r, at, "audit does nothing in a cascade of one "
		    "tier");
}

/* For people; and for `tune --write`, where a file has no comments. */
static void
check_note(struct load *l, const struct ynode *at)
{
	struct str text;

	if (!at || at->kind != YNODE_LIST) {
		ynode_str(at, "note", &text, l->r);
		return;
	}
	for (size_t i = 0; i < at->n; i++)
		ynode_str(at->item[i], "note", &text, l->r);
}

static void
read_cascade(struct load *l, const struct ynode *key, const struct ynode *n,
    struct cascade *k)
{
	static const char *const keys[] = {
		"answer", "system", "exhausted", "on_outage", "route", "audit",
		"promise", "note", "tiers", NULL
	};
	static const char *const exhausted[] = { "answer", "fail", NULL };
	static const char *const outage[] = { "climb", "wait", "fail", NULL };
	int choice;
	const struct ynode *tiers;

	k->name = key->text;
	k->line = key->line;
	k->column = key->column;
	if (k->name.n == 0)
		report_error(l->r, key, "the cascade's name is empty");
	if (!config_is_map(l, n, "a cascade"))
		return;
	ynode_known(n, "cascade", keys, l->r);
	read_answer(l, ynode_get(n, "answer"), &k->answer);
	ynode_str(ynode_get(n, "system"), "system", &k->system, l->r);
	check_note(l, ynode_get(n, "note"));
	k->fail_exhausted = config_choice(l, ynode_get(n, "exhausted"),
	    "exhausted", exhausted) == 1;
	choice = config_choice(l, ynode_get(n, "on_outage"), "on_outage",
	    outage);
	if (choice >= 0)
		k->on_outage = (enum on_outage)choice;
	tiers = ynode_get(n, "tiers");
	if (tiers)
		read_tiers(l, tiers, k);
	else
		report_error(l->r, key, "cascade '%.*s' has no tiers",
		    STR_ARG(k->name));
	read_audit(l, ynode_get(n, "audit"), k);
	read_promise(l, ynode_get(n, "promise"), k);
	read_route(l, ynode_get(n, "route"), k);
}

void
config_cascades(struct load *l, const struct ynode *n)
{
	struct config *c = l->c;

	if (!config_is_map(l, n, "cascades"))
		return;
	if (n->n == 0)
		report_error(l->r, n, "there is no cascade in cascades");
	c->cascades = config_array(l, n->n, sizeof(*c->cascades));
	for (size_t i = 0; c->cascades && i < n->n; i++)
		read_cascade(l, n->key[i], n->item[i],
		    &c->cascades[c->n_cascades++]);
}
