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

#include "cascade/tune.h"

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

int
tune_routes(const struct tuned *t, struct tune_route *out, size_t *n,
    struct err *e)
{
	*n = 0;
	for (size_t k = 0; k < t->h->tiers; k++) {
		const struct tune_scorer *best = NULL;
		for (size_t i = 0; i < t->scorers; i++) {
			const struct tune_scorer *s = &t->scorer[i];
			if (t->h->m->col[s->column].tier == k && s->kept
			    && s->merit >= 0 && (!best
			    || s->merit > best->merit))
				best = s;
		}
		if (!best || !learn_enough(t->h->route, k))
			continue;
		if (try_tier(t->h, best, &out[(*n)++], e) < 0)
			return -1;
	}
	return 0;
}
