/*
 * harvest.c -- rows of the matrix out of recorded tasks.
 *
 * The first HARVEST_PROBE tasks are kept until it is known from them which
 * tiers there are and what was recorded of each; then they and all that follow
 * are scored as they come and let go.
 */
#include "cascade/harvest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "base/suggest.h"
#include "cascade/replay.h"

int
harvest_init(struct harvest *h, const struct harvest_options *o,
    struct err *e)
{
	*h = (struct harvest){ .o = *o };
	h->arena = arena_new(0);
	return h->arena ? 0 : err_nomem(e);
}

void
harvest_release(struct harvest *h)
{
	for (size_t i = 0; i < h->probes; i++)
		trace_task_free(h->probe[i]);
	for (size_t i = 0; i < h->tiers; i++)
		settings_release(&h->tier[i].settings);
	matrix_free(h->m);
	learn_free(h->learn);
	learn_free(h->route);
	free(h->row);
	arena_free(h->arena);
	*h = (struct harvest){ .tiers = 0 };
}

static void
leave_out(struct harvest *h, struct str tier, const char *what)
{
	char text[sizeof(h->reasons[0].text)];

	memset(text, 0, sizeof(text));
	snprintf(text, sizeof(text), "tier '%.*s' %s", STR_ARG(tier), what);
	h->left_out++;
	for (size_t i = 0; i < HARVEST_REASONS; i++) {
		struct harvest_reason *r = &h->reasons[i];
		if (!r->text[0])
			memcpy(r->text, text, sizeof(text));
		if (strcmp(r->text, text) == 0) {
			r->tasks++;
			return;
		}
	}
}

/* --- which tiers --------------------------------------------------------- */

static bool
is_wanted(const struct harvest *h, const struct tier *t)
{
	const struct opt_names *only = h->o.only;

	if (!only || !only->n)
		return true;
	for (size_t i = 0; i < only->n; i++)
		if (str_is(t->name, only->v[i])
		    || str_is(t->model_name, only->v[i]))
			return true;
	return false;
}

static int
add_tier(struct harvest *h, const struct tier *t, size_t place,
    struct err *e)
{
	struct harvest_tier *to = &h->tier[h->tiers];

	if (!is_wanted(h, t))
		return 0;
	if (h->tiers == CONFIG_MAX_TIERS)
		return err_set(e, ERR_INPUT, "more than %d tiers in the "
		    "traces; name those to choose from with --tier",
		    CONFIG_MAX_TIERS);
	*to = (struct harvest_tier){ .tier = *t, .place = place };
	h->tiers++;
	return 0;
}

/* In how many of the tasks at hand is a tier of this name? */
static size_t
times_recorded(const struct harvest *h, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->probes; i++)
		for (size_t k = 0; k < h->probe[i]->n_tiers; k++)
			n += str_eq(h->probe[i]->tiers[k].name, name);
	return n;
}

static bool
has_tier(const struct harvest *h, struct str name)
{
	for (size_t i = 0; i < h->tiers; i++)
		if (str_eq(h->tier[i].tier.name, name))
			return true;
	return false;
}

/* Without a configuration: what at least half of the tasks at hand have. */
static int
tiers_of_traces(struct harvest *h, struct err *e)
{
	struct tier t = { .price = price_none(), .samples_min = 1,
		.samples_max = 1 };

	for (size_t i = 0; i < h->probes; i++)
		for (size_t k = 0; k < h->probe[i]->n_tiers; k++) {
			struct str name = h->probe[i]->tiers[k].name;
			if (has_tier(h, name)
			    || 2 * times_recorded(h, name) < h->probes)
				continue;
			if (!arena_str(h->arena, name, &t.name))
				return err_nomem(e);
			t.model = t.model_name = t.name;
			if (add_tier(h, &t, h->tiers, e) < 0)
				return -1;
		}
	return 0;
}

/* The tier's name that was meant, or NULL; in arena memory. */
static const char *
nearest_tier(struct harvest *h, const char *name)
{
	const struct trace_task *t = h->probe[0];
	size_t n = h->o.k ? h->o.k->n_tiers : t->n_tiers;
	const char **known = arena_array(h->arena, n + 1, sizeof(*known));

	for (size_t i = 0; known && i < n; i++) {
		known[i] = arena_cstr(h->arena, h->o.k ? h->o.k->tiers[i].name
		    : t->tiers[i].name);
		if (!known[i])
			break;
	}
	return known ? suggest(str_of(name), known) : NULL;
}

/* A name of --tier that is none is a slip, also beside others. */
static int
check_names(struct harvest *h, struct err *e)
{
	const struct opt_names *only = h->o.only;
	const char *near;

	for (size_t i = 0; only && i < only->n; i++) {
		bool found = false;
		for (size_t k = 0; k < h->tiers; k++)
			found |= str_is(h->tier[k].tier.name, only->v[i])
			    || str_is(h->tier[k].tier.model_name, only->v[i]);
		if (found)
			continue;
		near = nearest_tier(h, only->v[i]);
		return err_set(e, ERR_INPUT, "no tier is called '%.80s'%s%s%s; "
		    "see --tier", only->v[i], near ? "; did you mean '" : "",
		    near ? near : "", near ? "'?" : "");
	}
	return 0;
}

static int
find_tiers(struct harvest *h, struct err *e)
{
	h->tier = arena_array(h->arena, CONFIG_MAX_TIERS, sizeof(*h->tier));
	if (!h->tier)
		return err_nomem(e);
	if (!h->o.k) {
		if (tiers_of_traces(h, e) < 0)
			return -1;
	} else {
		for (size_t i = 0; i < h->o.k->n_tiers; i++)
			if (add_tier(h, &h->o.k->tiers[i], i, e) < 0)
				return -1;
	}
	if (check_names(h, e) < 0)
		return -1;
	if (h->tiers == 0)
		return err_set(e, ERR_INPUT, "no tier is recorded in most of "
		    "the traces' tasks");
	return 0;
}

/* --- what was recorded --------------------------------------------------- */

static const struct cascade no_cascade = { .n_tiers = 0 };

static const struct cascade *
cascade_of(const struct harvest *h)
{
	return h->o.k ? h->o.k : &no_cascade;
}

static void
look_at(struct recorded *r, const struct trace_tier *v)
{
	const struct completion *c = &v->c[0];

	if (v->n < r->samples)
		r->samples = v->n;
	r->logprobs &= c->n_tokens > 0;
	r->many_tokens |= c->n_tokens > 1;
	r->whole_text &= !c->tokens_of_answer;
	r->answers |= c->has_answer && !str_eq(c->answer, str_trim(c->text));
	r->verify &= c->verified != NULL;
}

/* Also the mean cost of the first sample, for finding the top tier. */
static int
probe_tier(struct harvest *h, struct harvest_tier *t, struct recorded *r,
    double *cost, struct err *e)
{
	size_t n = 0;

	*r = (struct recorded){ .samples = SIZE_MAX, .logprobs = true,
		.whole_text = true, .verify = true };
	*cost = 0;
	for (size_t i = 0; i < h->probes; i++) {
		const struct trace_tier *v = replay_find(h->probe[i],
		    &t->tier);
		if (!v)
			continue;
		v = replay_fill(cascade_of(h), &t->tier, v,
		    h->probe[i]->task->arena);
		if (!v)
			return err_nomem(e);
		look_at(r, v);
		*cost += (double)v->c[0].cost_picousd;
		n++;
	}
	if (n == 0)
		return err_set(e, ERR_INPUT, "tier '%.*s' was not recorded; "
		    "name those that were with --tier, or in the "
		    "configuration", STR_ARG(t->tier.name));
	*cost /= (double)n;
	return 0;
}

/* "STEM-TIER.model", with - for whatever might mean something in a path. */
static const char *
model_file(const struct harvest *h, const struct tier *t, const char *end,
    struct arena *a)
{
	char *name = arena_printf(a, "%.*s%s%.*s%s", STR_ARG(h->o.stem),
	    h->o.stem.n ? "-" : "", STR_ARG(t->name), end);

	for (char *p = name; p && *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
		    "YZ0123456789-._", *p))
			*p = '-';
	return name;
}

/* Nobody asks a model whether it was right: but where it was recorded no rule
 * may look at that. */
static bool
is_asked(const struct tier *t)
{
	return t->provider && !(t->provider->ops->flags & PROVIDER_RECORDED);
}

static int
find_settings(struct harvest *h, struct err *e)
{
	double cost, most = -INFINITY;
	bool named = false;

	for (size_t i = 0; i < h->tiers; i++) {
		struct harvest_tier *t = &h->tier[i];
		const struct ynode *accept = h->o.accept
		    ? h->o.accept[t->place] : NULL;
		struct recorded r;
		if (probe_tier(h, t, &r, &cost, e) < 0)
			return -1;
		t->logprobs = r.logprobs;
		if (r.verify && is_asked(&t->tier)) {
			h->unverified = true;
			r.verify = false;
		}
		if (h->o.learned && !(r.model = model_file(h, &t->tier,
		    ".model", h->arena)))
			return err_nomem(e);
		if (settings_find(&t->settings, &r, accept,
		    t->tier.samples_max, h->arena, e) < 0)
			return -1;
		if (str_eq(t->tier.name, h->o.top)) {
			h->top = i;
			named = true;
		}
		if (!named && (h->o.k || cost > most)) {
			most = cost;
			h->top = i;
		}
	}
	if (h->o.top.n && !named)
		return err_set(e, ERR_USAGE, "no tier is called '%.*s'; see "
		    "--top", STR_ARG(h->o.top));
	return 0;
}

/* No more than the matrix has columns for. */
static void
thin_out(struct harvest *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->tiers; i++)
		n += h->tier[i].settings.n;
	for (size_t i = 0; n > MATRIX_MAX_COLUMNS && i < h->tiers; i++)
		settings_thin(&h->tier[i].settings, MATRIX_MAX_COLUMNS
		    / h->tiers);
}

static int
make_matrix(struct harvest *h, struct err *e)
{
	bool judged[MATRIX_MAX_COLUMNS];
	size_t n = 0;

	thin_out(h);
	for (size_t i = 0; i < h->tiers; i++) {
		struct harvest_tier *t = &h->tier[i];
		t->first = n;
		for (size_t s = 0; s < t->settings.n; s++)
			judged[n++] = t->settings.v[s].judged;
	}
	h->m = matrix_new(0, n, judged);
	if (!h->m)
		return err_nomem(e);
	for (size_t i = 0; i < h->tiers; i++)
		for (size_t s = 0; s < h->tier[i].settings.n; s++) {
			h->m->col[h->tier[i].first + s].tier = i;
			h->m->col[h->tier[i].first + s].setting = s;
		}
	return 0;
}

/* A tier of `learn` for each learned column. */
static int
begin_learning(struct harvest *h, struct err *e)
{
	struct learn_options o = { .kind = MODEL_SCORE };

	for (size_t k = 0; k < h->m->columns; k++) {
		h->pupil[k] = SIZE_MAX;
		h->ready[k] = !harvest_setting(h, k)->learned;
		if (!h->ready[k] && o.n_tiers < LEARN_MAX_TIERS)
			h->pupil[k] = o.n_tiers++;
	}
	if (o.n_tiers && learn_new(&h->learn, &o, e) < 0)
		return -1;
	o.kind = MODEL_ROUTE;
	o.n_tiers = h->tiers;
	return h->o.route ? learn_new(&h->route, &o, e) : 0;
}

/* --- a row --------------------------------------------------------------- */

struct cell {
	double score;
	size_t chosen;
	int64_t cost;
};

/*
 * Of a learned score only whether there will be one: 0 (of a logarithm) until
 * harvest_learn(), or -infinity: the answer is not complete, or not what the
 * tier demands, or has no log-probabilities, which others have.
 */
static int
ask_learned(const struct harvest_tier *t, const struct setting *s,
    const struct score_input *in, struct cell *out, struct err *e)
{
	struct score_input one = { .prompt = in->prompt, .n = 1 };
	struct verdict verdict;
	struct agreement a;

	if (agreement_of(in, &a, e) < 0)
		return -1;
	out->chosen = a.chosen;
	one.c = &in->c[a.chosen];
	if (rule_judge(s->rule, &one, &verdict, e) < 0)
		return -1;
	if (verdict.kind == VERDICT_ACCEPT
	    && t->logprobs == (one.c->n_tokens > 0))
		out->score = 0;
	return 1;
}

/* With its verification, where the rule looks at that. */
static int64_t
cost_of(const struct setting *s, const struct completion *c)
{
	if (!s->verify || !c->verified)
		return c->cost_picousd;
	return money_add(c->cost_picousd, c->verified->cost_picousd);
}

/* 1: *out; 0: left out, which has been noted; -1. */
static int
ask(struct harvest *h, const struct harvest_tier *t,
    const struct setting *s, const struct trace_task *task,
    const struct trace_tier *v, struct cell *out, struct err *e)
{
	struct score_input in = { .prompt = task->task->prompt, .c = v->c,
		.n = (size_t)s->samples };
	struct verdict verdict;

	*out = (struct cell){ .score = -INFINITY };
	if (v->n < in.n) {
		leave_out(h, t->tier.name, "was recorded with fewer samples "
		    "than for other tasks");
		return 0;
	}
	for (size_t i = 0; i < in.n; i++)
		out->cost = money_add(out->cost, cost_of(s, &v->c[i]));
	if (out->cost == MONEY_UNKNOWN) {
		leave_out(h, t->tier.name, "has no known cost: neither the "
		    "trace nor the configuration has a price");
		return 0;
	}
	if (s->learned)
		return ask_learned(t, s, &in, out, e);
	if (!s->rule)
		return 1;
	if (rule_judge(s->rule, &in, &verdict, e) < 0)
		return -1;
	out->chosen = verdict.chosen;
	if (verdict.scored)
		out->score = verdict.score.ln;
	return 1;
}

static int
is_right(struct harvest *h, const struct trace_task *task,
    const struct trace_tier *v, size_t i, const struct completion *top,
    enum tristate *out, struct err *e)
{
	if (!h->o.label_free)
		return metric_right(&h->o.metric, task, &v->c[i],
		    &v->notes[i], out, e);
	*out = &v->c[i] == top || (v->c[i].has_answer && top->has_answer
	    && answer_equal(v->c[i].answer, top->answer)) ? YES : NO;
	return 0;
}

/* The tiers of a task, filled in; false: left out, or *e. */
static bool
fill_task(struct harvest *h, const struct trace_task *task,
    const struct trace_tier **v, struct err *e)
{
	for (size_t i = 0; i < h->tiers; i++) {
		v[i] = replay_find(task, &h->tier[i].tier);
		if (!v[i]) {
			leave_out(h, h->tier[i].tier.name,
			    "was not recorded");
			return false;
		}
		v[i] = replay_fill(cascade_of(h), &h->tier[i].tier, v[i],
		    task->task->arena);
		if (!v[i]) {
			err_nomem(e);
			return false;
		}
	}
	return true;
}

static int
fill_row(struct harvest *h, const struct trace_task *task,
    const struct trace_tier **v, size_t row, struct err *e)
{
	for (size_t i = 0; i < h->tiers; i++) {
		struct harvest_tier *t = &h->tier[i];
		for (size_t s = 0; s < t->settings.n; s++) {
			struct column *c = &h->m->col[t->first + s];
			enum tristate right;
			struct cell cell;
			int rc = ask(h, t, &t->settings.v[s], task, v[i],
			    &cell, e);
			if (rc <= 0)
				return rc;
			if (is_right(h, task, v[i], cell.chosen,
			    &v[h->top]->c[0], &right, e) < 0)
				return -1;
			if (right == UNSET) {
				h->unlabelled++;
				return 0;
			}
			if (c->score)
				c->score[row] = cell.score;
			c->right[row] = right == YES;
			c->cost[row] = cell.cost;
		}
	}
	return 1;
}

static bool
grow_rows(struct harvest *h)
{
	size_t room = 2 * h->room + 1024;
	struct harvest_row *grown;

	if (h->rows < h->room)
		return true;
	grown = reallocarray(h->row, room, sizeof(*grown));
	if (!grown)
		return false;
	h->row = grown;
	h->room = room;
	return true;
}

static int
teach_route(struct harvest *h, const struct trace_task *task, uint32_t row,
    struct err *e)
{
	struct score_input in = { .prompt = task->task->prompt };
	struct learn_row r = { .task = task->task->id, .in = &in };

	for (; h->route && r.tier < h->tiers; r.tier++) {
		r.right = h->m->col[h->tier[r.tier].first].right[row];
		if (learn_add(h->route, &r, e) < 0)
			return -1;
	}
	return 0;
}

static void
stop_learning(struct harvest *h)
{
	learn_free(h->learn);
	learn_free(h->route);
	h->learn = h->route = NULL;
}

/* What the learned columns of a row are to be trained on. */
static int
teach(struct harvest *h, const struct trace_task *task,
    const struct trace_tier **v, uint32_t row, struct err *e)
{
	if (h->o.learned_most && row >= h->o.learned_most)
		stop_learning(h);
	for (size_t k = 0; h->learn && k < h->m->columns; k++) {
		const struct column *c = &h->m->col[k];
		struct score_input in = { .prompt = task->task->prompt,
			.c = v[c->tier]->c,
			.n = (size_t)harvest_setting(h, k)->samples };
		struct learn_row r = { .task = task->task->id, .in = &in,
			.tier = h->pupil[k], .right = c->right[row] };
		if (h->pupil[k] == SIZE_MAX || c->score[row] < 0)
			continue;
		if (!grow_rows(h))
			return err_nomem(e);
		if (learn_add(h->learn, &r, e) < 0)
			return -1;
		h->row[h->rows++] = (struct harvest_row){ row, (uint32_t)k };
	}
	return teach_route(h, task, row, e);
}

static int
take(struct harvest *h, const struct trace_task *task, struct err *e)
{
	const struct trace_tier *v[CONFIG_MAX_TIERS];
	int rc;

	e->code = ERR_NONE;
	if (!fill_task(h, task, v, e))
		return e->code == ERR_NONE ? 0 : -1;
	if (h->m->tasks == MATRIX_MAX_TASKS)
		return err_set(e, ERR_INPUT, "more than %d tasks",
		    MATRIX_MAX_TASKS);
	if (!matrix_grow(h->m, h->m->tasks + 1))
		return err_nomem(e);
	rc = fill_row(h, task, v, h->m->tasks, e);
	if (rc > 0 && teach(h, task, v, (uint32_t)h->m->tasks, e) < 0)
		return -1;
	h->m->tasks += rc > 0;
	return rc < 0 ? -1 : 0;
}

static int
settle(struct harvest *h, struct err *e)
{
	int rc = find_tiers(h, e);

	if (rc == 0)
		rc = find_settings(h, e);
	if (rc == 0)
		rc = make_matrix(h, e);
	if (rc == 0)
		rc = begin_learning(h, e);
	for (size_t i = 0; i < h->probes; i++) {
		if (rc == 0)
			rc = take(h, h->probe[i], e);
		trace_task_free(h->probe[i]);
	}
	h->probes = 0;
	return rc;
}

int
harvest_add(struct harvest *h, struct trace_task *t, struct err *e)
{
	int rc = 0;

	if (t->n_tiers == 0 || (h->o.dataset.n
	    && !str_eq(t->dataset, h->o.dataset))
	    || (h->o.split.n && !str_eq(t->split, h->o.split))) {
		h->skipped++;
		trace_task_free(t);
		return 0;
	}
	if (!h->m) {
		h->probe[h->probes++] = t;
		return h->probes == HARVEST_PROBE ? settle(h, e) : 0;
	}
	rc = take(h, t, e);
	trace_task_free(t);
	return rc;
}

int
harvest_end(struct harvest *h, struct err *e)
{
	if (!h->m && h->probes == 0)
		return err_set(e, ERR_INPUT, "there are no recorded answers "
		    "in the traces");
	if (!h->m && settle(h, e) < 0)
		return -1;
	if (h->m->tasks == 0)
		return err_set(e, ERR_INPUT, "%s", h->unlabelled > h->left_out
		    ? "nothing says whether an answer is right: the traces "
		    "have neither `correct` nor a reference; see --metric and "
		    "--label-free" : h->reasons[0].text[0] ? h->reasons[0].text
		    : "no task of the traces can be used");
	return 0;
}

const struct setting *
harvest_setting(const struct harvest *h, size_t column)
{
	const struct column *c = &h->m->col[column];

	return &h->tier[c->tier].settings.v[c->setting];
}

const char *
harvest_route_file(const struct harvest *h, size_t tier, struct arena *a)
{
	return model_file(h, &h->tier[tier].tier, "-route.model", a);
}
