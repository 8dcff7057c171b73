/*
 * tune_route.c -- would it pay to begin some tasks higher up?
 *
 * A tier that some tasks skip is a column in which they cost nothing, are not
 * accepted, and would not be right if they were; so a route is tried like any
 * other way of asking a tier.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cascade/quality.h"
#include "cascade/tune.h"

#define BUDGETS 30 /* from the cheapest tier to the top one */

static const double shares[] = { 0.1, 0.2, 0.35, 0.5 };
#define SHARES (sizeof(shares) / sizeof(shares[0]))

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What each task's prompt says of the tier, and the same sorted. */
static int
prompt_scores(const struct harvest *h, size_t tier, double **score,
    double **sorted, struct err *e)
{
	size_t n = h->m->tasks;

	*score = malloc((n + 1) * sizeof(**score));
	*sorted = malloc((n + 1) * sizeof(**sorted));
	if (!*score || !*sorted)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		(*score)[i] = learn_score(h->route, i * h->tiers + tier).p;
	memcpy(*sorted, *score, n * sizeof(**score));
	qsort(*sorted, n, sizeof(**sorted), by_value);
	return 0;
}

static void
skip(struct column *c, size_t task)
{
	c->score[task] = -INFINITY;
	for (size_t f = 0; f < MATRIX_FOLDS; f++)
		if (c->without[f])
			c->without[f][task] = -INFINITY;
	c->cost[task] = 0;
	c->right[task] = 0;
}

static int
try_share(const struct harvest *h, const struct tune_scorer *s,
    const double *score, double below, double *merit, struct err *e)
{
	size_t tier = h->m->col[s->column].tier;
	size_t column[3] = { s->column, h->tier[tier].first,
		h->tier[h->top].first };
	struct matrix *m = matrix_columns(h->m, column, 3);
	int rc;

	if (!m)
		return err_nomem(e);
	for (size_t i = 0; i < m->tasks; i++)
		if (score[i] < below)
			skip(&m->col[0], i);
	rc = tune_merit(m, 0, 1, 2, merit, e);
	matrix_free(m);
	return rc;
}

static int
try_tier(const struct harvest *h, const struct tune_scorer *s,
    struct tune_route *out, struct err *e)
{
	double *score = NULL, *sorted = NULL, merit;
	int rc;

	*out = (struct tune_route){ .tier = h->m->col[s->column].tier,
		.plain = s->merit, .merit = -1 };
	rc = prompt_scores(h, out->tier, &score, &sorted, e);
	for (size_t i = 0; rc == 0 && i < SHARES; i++) {
		double below = sorted[(size_t)(shares[i]
		    * (double)h->m->tasks)];
		rc = try_share(h, s, score, below, &merit, e);
		if (rc == 0 && merit > out->merit) {
			out->merit = merit;
			out->share = shares[i];
			out->below = below;
		}
	}
	out->pays = out->merit > out->plain + 2 * sqrt(0.05
	    / (double)h->m->tasks);
	free(score);
	free(sorted);
	return rc;
}

/* Of those kept; NULL: none is, or the tier is as dear as the top one. */
static const struct tune_scorer *
best_scorer(const struct tuned *t, size_t tier)
{
	const struct tune_scorer *best = NULL;

	for (size_t i = 0; i < t->scorers; i++) {
		const struct tune_scorer *s = &t->scorer[i];
		if (t->h->m->col[s->column].tier == tier && s->kept
		    && s->merit >= 0 && (!best || s->merit > best->merit))
			best = s;
	}
	return best;
}

int
tune_routes(const struct tuned *t, struct tune_route *out, size_t *n,
    struct err *e)
{
	*n = 0;
	for (size_t k = 0; k < t->h->tiers; k++) {
		const struct tune_scorer *best = best_scorer(t, k);
		if (!best || !learn_enough(t->h->route, k))
			continue;
		if (try_tier(t->h, best, &out[(*n)++], e) < 0)
			return -1;
	}
	return 0;
}

/* --- a cascade with a route ---------------------------------------------- */

static int
skip_column(const struct harvest *h, struct column *c,
    const struct tune_route *r, struct err *e)
{
	double *score = NULL, *sorted = NULL;
	int rc = prompt_scores(h, r->tier, &score, &sorted, e);

	for (size_t i = 0; rc == 0 && i < h->m->tasks; i++)
		if (score[i] < r->below)
			skip(c, i);
	free(score);
	free(sorted);
	return rc;
}

int
tune_skip(struct harvest *h, size_t column, const struct tune_route *r,
    struct err *e)
{
	return skip_column(h, &h->m->col[column], r, e);
}

/* The kept columns, but of the route's tier the best alone, which is put
 * first. Gives how many. */
static size_t
routed_columns(const struct tuned *t, const struct tune_route *r, size_t *out)
{
	size_t n = 0;

	out[n++] = best_scorer(t, r->tier)->column;
	for (size_t k = 0; k < t->m->columns; k++) {
		const struct column *c = &t->m->col[k];
		if (c->tier != r->tier || !c->score)
			out[n++] = t->column[k];
	}
	return n;
}

/* Rising budgets, the wish's among them. */
static size_t
budgets_for(const struct harvest *h, const struct tune_wish *wish,
    double out[BUDGETS + 1])
{
	double high = matrix_mean_cost(h->m, h->tier[h->top].first);
	double low = high;
	size_t n = 0;

	for (size_t i = 0; i < h->tiers; i++)
		low = fmin(low, matrix_mean_cost(h->m, h->tier[i].first));
	for (size_t i = 0; i < BUDGETS; i++)
		out[n++] = low + (high - low) * ((double)i + 1) / BUDGETS;
	if (wish->budget >= low)
		out[n++] = wish->budget;
	qsort(out, n, sizeof(*out), by_value);
	return n;
}

/* Does it grant the wish, and better than what there is? */
static bool
grants(const struct lesson *l, const struct tune_wish *wish,
    const struct lesson *than)
{
	if (!l->found || l->point.chain.n < 2 || l->point.chain.col[0] != 0
	    || !tune_beats_toss(l))
		return false;
	if (wish->budget > 0)
		return l->budget <= wish->budget && l->merit > than->merit;
	return l->right >= wish->right && l->cost < than->cost;
}

static int
try_route(const struct tuned *t, const struct tune_route *r,
    const struct tune_wish *wish, struct tune_routed *out, struct err *e)
{
	struct search_options o = { .longest = t->longest,
		.prior = QUALITY_PRIOR, .honest = true };
	size_t column[MATRIX_MAX_COLUMNS], n, budgets;
	struct lesson lesson[BUDGETS + 1];
	double budget[BUDGETS + 1];
	struct ranks ranks = { 0 };
	struct matrix *m;
	int rc;

	n = routed_columns(t, r, column);
	m = matrix_columns(t->h->m, column, n);
	if (!m)
		return err_nomem(e);
	budgets = budgets_for(t->h, wish, budget);
	rc = skip_column(t->h, &m->col[0], r, e);
	if (rc == 0)
		rc = ranks_init(&ranks, m, QUALITY_PRIOR, e);
	if (rc == 0)
		rc = search_lessons(&ranks, &o, budget, lesson, budgets, e);
	for (size_t i = 0; rc == 0 && i < budgets; i++) {
		if (!grants(&lesson[i], wish, &out->lesson))
			continue;
		*out = (struct tune_routed){ true, *r, lesson[i],
			policy_of(&ranks, &lesson[i].point) };
		for (size_t k = 0; k < out->policy.chain.n; k++)
			out->policy.chain.col[k] = (uint8_t)column[
			    out->policy.chain.col[k]];
	}
	if (ranks.m)
		ranks_release(&ranks);
	matrix_free(m);
	return rc;
}

int
tune_routed(const struct tuned *t, const struct tune_route *route, size_t n,
    const struct tune_wish *wish, const struct lesson *plain,
    struct tune_routed *out, struct err *e)
{
	*out = (struct tune_routed){ .lesson = *plain };
	for (size_t i = 0; i < n; i++)
		if (route[i].pays && try_route(t, &route[i], wish, out, e) < 0)
			return -1;
	return 0;
}
