/*
 * learned.c -- is a learned score worth more than a plain one? Held error
 * against cost, by cross-validation, on recorded answers.
 *
 *	learned TRACES CONFIG [CASCADE]
 *
 * The tasks are dealt to five folds. On four of them scores are learnt and
 * thresholds chosen, as `frugal learn` and a tuner would; on the fifth the
 * cascade is run. For 100 budgets, evenly from the cheapest tier's cost to that
 * of the tier that is right most often, the thresholds are those of least error
 * that keep to the budget. A tier may also be left out or accept everything, so
 * all shorter cascades and single models are among the choices. Shown is the
 * mean held error over the budgets:
 *
 *	mix      two of the tiers at random
 *	plain    agreement (where there are samples) or logprob (the mean)
 *	learned  on both, and all else
 *	routed   the same; tasks of which a model of prompts gives the first tier
 *	         less than some chance begin at the second
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "cascade/learn.h"
#include "cascade/replay.h"

#define FOLDS 5
#define FOLD_SEED 99
#define MAX_TASKS 20000
#define MAX_TIERS 4
#define STEPS 24 /* thresholds tried at a tier, at quantiles of its scores */
#define ROUTE_STEPS 24 /* the same for a route */
#define BUDGETS 100

enum { MIX, PLAIN, LEARNED, ROUTED, WAYS };
static const char *const way_names[WAYS] = { "mix", "plain", "learned",
	"routed" };

struct seen {
	struct score_input in;
	double cost;
	bool right;
	struct score score[WAYS]; /* MIX: unused */
	size_t row;               /* in the learning of this fold */
};

/* Learns answers (MODEL_SCORE) or prompts (MODEL_ROUTE). */
static const enum model_kind kinds[] = { MODEL_SCORE, MODEL_ROUTE };

struct task_seen {
	struct trace_task *trace;
	struct seen tier[MAX_TIERS];
	struct completion below[MAX_TIERS];
	double route; /* logarithm of the chance of the first tier */
	unsigned fold;
};

static struct task_seen tasks[MAX_TASKS];
static size_t n_tasks, n_tiers;

static void
check(int rc, const struct err *e)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "learned: %s\n", e->msg);
	exit(1);
}

/* --- reading ---------------------------------------------------------------- */

static struct score
plain_score(const struct score_input *in, const struct agreement *a)
{
	const struct completion *c = &in->c[a->chosen];
	double sum = 0;

	if (in->n > 1 || !c->n_tokens)
		return score_of_p((double)a->leader / (double)in->n);
	for (size_t i = 0; i < c->n_tokens; i++)
		sum += c->tokens[i].logprob;
	return score_of_ln(sum / (double)c->n_tokens);
}

static bool
take_tier(struct task_seen *t, size_t i, const struct cascade *k)
{
	const struct tier *tier = &k->tiers[i];
	const struct trace_tier *v = replay_find(t->trace, tier);
	struct seen *s = &t->tier[i];
	struct agreement a;
	struct err e;

	if (!v || v->n < (size_t)tier->samples_max)
		return false;
	v = replay_fill(k, tier, v, t->trace->task->arena);
	if (!v)
		return false;
	s->in = (struct score_input){ .prompt = t->trace->task->prompt,
	    .c = v->c, .n = (size_t)tier->samples_max, .below = t->below,
	    .n_below = i };
	check(agreement_of(&s->in, &a, &e), &e);
	t->below[i] = v->c[a.chosen];
	s->right = replay_correct(t->trace, v, a.chosen) == YES;
	for (size_t c = 0; c < s->in.n; c++)
		s->cost += (double)v->c[c].cost_picousd * 1e-12;
	s->score[PLAIN] = plain_score(&s->in, &a);
	return true;
}

static void
read_traces(const char *path, const struct cascade *k)
{
	struct trace *trace;
	struct trace_task *t;
	struct err e = { 0 };
	int rc;

	check(trace_open(&trace, path, &e), &e);
	while (n_tasks < MAX_TASKS && (rc = trace_next(trace, &t, &e)) != 0) {
		struct task_seen *seen = &tasks[n_tasks];
		bool whole = rc > 0;

		check(rc, &e);
		*seen = (struct task_seen){ .trace = t };
		for (size_t i = 0; whole && i < n_tiers; i++)
			whole = take_tier(seen, i, k);
		seen->fold = (unsigned)(hash64(t->task->id, FOLD_SEED) %
		    FOLDS);
		if (whole)
			n_tasks++;
		else
			trace_task_free(t);
	}
	trace_close(trace);
}

/* --- learning ----------------------------------------------------------------- */

static void
take_score(struct task_seen *t, size_t tier, enum model_kind kind,
    struct score score)
{
	if (kind == MODEL_SCORE)
		t->tier[tier].score[LEARNED] = t->tier[tier].score[ROUTED] =
		    score;
	else if (tier == 0)
		t->route = score.ln;
}

static void
score_held(const struct learn *l, enum model_kind kind, unsigned fold)
{
	struct arena *a = arena_new(0);
	struct agreement ag = { .samples = 0 };
	struct err e = { 0 };
	struct model m;

	for (size_t k = 0; k + 1 < n_tiers; k++) {
		check(learn_model(l, k, a, &m, &e), &e);
		for (size_t i = 0; i < n_tasks; i++) {
			struct seen *s = &tasks[i].tier[k];
			struct score_input in = s->in;
			if (tasks[i].fold != fold) {
				take_score(&tasks[i], k, kind,
				    learn_score(l, s->row));
				continue;
			}
			if (kind == MODEL_ROUTE)
				in.n = in.n_below = 0;
			check(agreement_of(&in, &ag, &e), &e);
			take_score(&tasks[i], k, kind,
			    model_score(&m, &in, &ag, NULL));
		}
	}
	arena_free(a);
}

static void
learn_without(unsigned fold, enum model_kind kind)
{
	struct learn_options o = { .kind = kind, .n_tiers = n_tiers };
	struct learn *l = NULL;
	struct err e = { 0 };

	check(learn_new(&l, &o, &e), &e);
	for (size_t i = 0; i < n_tasks; i++) {
		if (tasks[i].fold == fold)
			continue;
		for (size_t k = 0; k < n_tiers; k++) {
			struct seen *s = &tasks[i].tier[k];
			struct learn_row row = { tasks[i].trace->task->id, k,
			    &s->in, NULL, s->right };
			s->row = learn_rows(l);
			check(learn_add(l, &row, &e), &e);
		}
	}
	check(learn_fit(l, &e), &e);
	score_held(l, kind, fold);
	learn_free(l);
}

/* --- thresholds ---------------------------------------------------------------- */

/* A cascade: at each tier but the last a threshold's logarithm; NAN: the tier
 * is left out. */
struct policy {
	double at[MAX_TIERS];
	double begin; /* the first tier is asked if its chance is at least that */
	double cost, error; /* means over the tasks it was chosen on */
};

static struct policy *policies;
static size_t n_policies;

static void
run_task(const struct task_seen *t, const struct policy *p, int way,
    double *cost, double *error)
{
	size_t first = way == ROUTED && t->route < p->begin;

	for (size_t k = first; k < n_tiers; k++) {
		const struct seen *s = &t->tier[k];
		if (k + 1 < n_tiers && isnan(p->at[k]))
			continue;
		*cost += s->cost;
		if (k + 1 == n_tiers || s->score[way].ln >= p->at[k]) {
			*error += !s->right;
			return;
		}
	}
}

/* The means over the tasks of a fold (held), or of all others. */
static void
run_policy(struct policy *p, int way, unsigned fold, bool held)
{
	double n = 0;

	p->cost = p->error = 0;
	for (size_t i = 0; i < n_tasks; i++) {
		if ((tasks[i].fold == fold) != held)
			continue;
		n++;
		run_task(&tasks[i], p, way, &p->cost, &p->error);
	}
	p->cost /= n;
	p->error /= n;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What may stand at a tier: left out, accept all, quantiles. */
static void
list_choices(double choice[STEPS + 2], size_t tier, int way, unsigned fold)
{
	static double v[MAX_TASKS];
	size_t n = 0;

	for (size_t i = 0; i < n_tasks; i++)
		if (tasks[i].fold != fold)
			v[n++] = tasks[i].tier[tier].score[way].ln;
	qsort(v, n, sizeof(*v), by_value);
	choice[0] = NAN;
	choice[1] = -INFINITY;
	for (size_t k = 0; k < STEPS; k++)
		choice[2 + k] = v[(k + 1) * n / (STEPS + 1)];
}

/* What may stand for a route: none, quantiles. */
static void
list_routes(double choice[ROUTE_STEPS + 1], unsigned fold)
{
	static double v[MAX_TASKS];
	size_t n = 0;

	for (size_t i = 0; i < n_tasks; i++)
		if (tasks[i].fold != fold)
			v[n++] = tasks[i].route;
	qsort(v, n, sizeof(*v), by_value);
	choice[0] = -INFINITY;
	for (size_t k = 1; k <= ROUTE_STEPS; k++)
		choice[k] = v[k * n / (ROUTE_STEPS + 1)];
}

static int
by_cost(const void *a, const void *b)
{
	double x = ((const struct policy *)a)->cost;
	double y = ((const struct policy *)b)->cost;

	return (x > y) - (x < y);
}

static void
list_policies(int way, unsigned fold)
{
	double choice[MAX_TIERS][STEPS + 2], begin[ROUTE_STEPS + 1];
	size_t all = 1, routes = way == ROUTED ? ROUTE_STEPS + 1 : 1;

	for (size_t k = 0; k + 1 < n_tiers; k++) {
		list_choices(choice[k], k, way, fold);
		all *= STEPS + 2;
	}
	list_routes(begin, fold);
	all *= routes;
	policies = reallocarray(policies, all, sizeof(*policies));
	if (!policies)
		exit(1);
	for (n_policies = 0; n_policies < all; n_policies++) {
		struct policy *p = &policies[n_policies];
		size_t rest = n_policies / routes;
		p->begin = begin[n_policies % routes];
		for (size_t k = 0; k + 1 < n_tiers; k++) {
			p->at[k] = choice[k][rest % (STEPS + 2)];
			rest /= STEPS + 2;
		}
		run_policy(p, way, fold, false);
	}
	qsort(policies, n_policies, sizeof(*policies), by_cost);
}

/* --- the single models, and two of them at random ------------------------------- */

static void
run_single(size_t tier, unsigned fold, bool held, double *cost, double *error)
{
	double n = 0;

	*cost = *error = 0;
	for (size_t i = 0; i < n_tasks; i++) {
		if ((tasks[i].fold == fold) != held)
			continue;
		n++;
		*cost += tasks[i].tier[tier].cost;
		*error += !tasks[i].tier[tier].right;
	}
	*cost /= n;
	*error /= n;
}

/* Held error of the mix that was best for this budget on the other folds. */
static double
run_mix(unsigned fold, double budget)
{
	double cost[MAX_TIERS], error[MAX_TIERS], best = 2, held = 1, part;
	double c, one, other;

	for (size_t k = 0; k < n_tiers; k++)
		run_single(k, fold, false, &cost[k], &error[k]);
	for (size_t a = 0; a < n_tiers; a++)
		for (size_t b = 0; b < n_tiers; b++) {
			if (cost[a] > budget || cost[b] < cost[a])
				continue;
			part = cost[b] <= budget ? 1 : (budget - cost[a]) /
			    (cost[b] - cost[a]);
			if (error[a] * (1 - part) + error[b] * part >= best)
				continue;
			best = error[a] * (1 - part) + error[b] * part;
			run_single(a, fold, true, &c, &one);
			run_single(b, fold, true, &c, &other);
			held = one * (1 - part) + other * part;
		}
	return held;
}

/* --- all of it -------------------------------------------------------------------- */

struct range {
	double low, high;
};

static struct range
budgets_of(unsigned fold)
{
	struct range r = { INFINITY, 0 };
	double cost, error, best = 2;

	for (size_t k = 0; k < n_tiers; k++) {
		run_single(k, fold, false, &cost, &error);
		r.low = fmin(r.low, cost);
		if (error < best) {
			best = error;
			r.high = cost;
		}
	}
	return r;
}

/* The mean held error over the budgets, and the mean share of the budget that
 * was spent. */
static void
run_way(int way, unsigned fold, double *error, double *spent)
{
	struct range r = budgets_of(fold);
	size_t next = 0, best = 0;

	if (way != MIX)
		list_policies(way, fold);
	for (size_t b = 0; b < BUDGETS; b++) {
		double budget = r.low + (r.high - r.low) *
		    ((double)b + 0.5) / BUDGETS;
		struct policy held;

		if (way == MIX) {
			*error += run_mix(fold, budget) / BUDGETS;
			*spent += 1.0 / BUDGETS;
			continue;
		}
		for (; next < n_policies && policies[next].cost <= budget;
		    next++)
			if (policies[next].error < policies[best].error)
				best = next;
		held = policies[best];
		run_policy(&held, way, fold, true);
		*error += held.error / BUDGETS;
		*spent += held.cost / budget / BUDGETS;
	}
}

int
main(int argc, char **argv)
{
	double error[WAYS] = { 0 }, spent[WAYS] = { 0 };
	struct config *cfg = NULL;
	const struct cascade *k;
	struct buf messages;
	struct err e = { 0 };

	if (argc < 3) {
		fprintf(stderr, "usage: learned TRACES CONFIG [CASCADE]\n");
		return 2;
	}
	buf_init(&messages, BUF_MAX);
	if (config_load(&cfg, argv[2], &messages, NULL, &e) < 0)
		fprintf(stderr, "%s", messages.p ? messages.p : "");
	check(cfg ? 0 : -1, &e);
	k = config_cascade(cfg, str_of(argc > 3 ? argv[3] : NULL), &e);
	check(k ? 0 : -1, &e);
	if (k->n_tiers < 2 || k->n_tiers > MAX_TIERS) {
		fprintf(stderr, "learned: 2 to %d tiers\n", MAX_TIERS);
		return 2;
	}
	n_tiers = k->n_tiers;
	read_traces(argv[1], k);
	if (!n_tasks) {
		fprintf(stderr, "learned: no task has all tiers\n");
		return 1;
	}

	for (unsigned fold = 0; fold < FOLDS; fold++) {
		for (size_t i = 0; i < 2; i++)
			learn_without(fold, kinds[i]);
		for (int way = 0; way < WAYS; way++)
			run_way(way, fold, &error[way], &spent[way]);
	}
	printf("%-24.*s %6zu tasks", STR_ARG(k->name), n_tasks);
	for (int way = 0; way < WAYS; way++)
		printf("  %s %.4f", way_names[way], error[way] / FOLDS);
	printf("  (of the budget: plain %.2f, learned %.2f)\n",
	    spent[PLAIN] / FOLDS, spent[LEARNED] / FOLDS);
	for (size_t i = 0; i < n_tasks; i++)
		trace_task_free(tasks[i].trace);
	free(policies);
	buf_release(&messages);
	config_free(cfg);
	return 0;
}
