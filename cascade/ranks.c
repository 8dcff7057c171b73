/*
 * ranks.c -- columns made ready for summing: sorted, ranked, and with the
 * expected quality of every answer.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cascade/frontier.h"
#include "cascade/quality.h"

struct keyed {
	double score;
	uint32_t task;
};

static int
by_score(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->task < y->task ? -1 : x->task > y->task;
}

static int
rank_column(struct ranked *r, const struct column *c, size_t n)
{
	struct keyed *key = malloc((n ? n : 1) * sizeof(*key));

	r->order = malloc((n ? n : 1) * sizeof(*r->order));
	r->rank = malloc((n ? n : 1) * sizeof(*r->rank));
	r->level = malloc((n ? n : 1) * sizeof(*r->level));
	if (!key || !r->order || !r->rank || !r->level) {
		free(key);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		key[i] = (struct keyed){ c->score[i], (uint32_t)i };
	qsort(key, n, sizeof(*key), by_score);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || key[i].score != key[i - 1].score)
			r->level[r->ranks++] = key[i].score;
		r->order[i] = key[i].task;
		r->rank[key[i].task] = r->ranks - 1;
	}
	free(key);
	return 0;
}

/* The column whose scores say how good column k's answers are; m->columns:
 * none does. */
static size_t
judge_of(const struct matrix *m, size_t k)
{
	if (m->col[k].score)
		return k;
	for (size_t j = 0; j < m->columns; j++)
		if (m->col[j].score && m->col[j].tier == m->col[k].tier)
			return j;
	return m->columns;
}

/* c->right: as it was, drawn towards the curve. */
static int
draw_to_curve(struct ranked *c, const double *score, const uint8_t *right,
    size_t n, double prior)
{
	double w = prior / (prior + (double)n);
	double *logit = malloc((n ? n : 1) * sizeof(*logit));
	struct curve curve;

	if (!logit)
		return -1;
	for (size_t i = 0; i < n; i++)
		logit[i] = quality_logit(score[i]);
	curve = quality_fit(logit, right, n);
	for (size_t i = 0; i < n; i++)
		c->right[i] += w * (quality_of(&curve, logit[i])
		    - c->right[i]);
	free(logit);
	return 0;
}

static int
expect(struct ranks *r, size_t k, double prior)
{
	const struct matrix *m = r->m;
	const struct column *from = &m->col[k];
	struct ranked *c = &r->col[k];
	size_t n = m->tasks, j = judge_of(m, k);

	for (size_t i = 0; i < n; i++)
		c->right[i] = from->right[i];
	/* A first sample that is also what was judged is done already. */
	if (prior > 0 && j < k && memcmp(from->right, m->col[j].right, n) == 0)
		memcpy(c->right, r->col[j].right, n * sizeof(*c->right));
	else if (prior > 0 && j < m->columns && draw_to_curve(c,
	    m->col[j].score, from->right, n, prior) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		c->sum_right += c->right[i];
		c->sum_cost += from->cost[i];
	}
	c->cost = from->cost;
	return 0;
}

int
ranks_init(struct ranks *r, const struct matrix *m, double prior,
    struct err *e)
{
	*r = (struct ranks){ .m = m };
	r->col = calloc(m->columns ? m->columns : 1, sizeof(*r->col));
	if (!r->col)
		return err_nomem(e);
	for (size_t k = 0; k < m->columns; k++) {
		struct ranked *c = &r->col[k];
		c->judged = m->col[k].score != NULL;
		c->right = malloc((m->tasks ? m->tasks : 1)
		    * sizeof(*c->right));
		if (!c->right || (c->judged
		    && rank_column(c, &m->col[k], m->tasks) < 0)
		    || expect(r, k, prior) < 0) {
			ranks_release(r);
			return err_nomem(e);
		}
	}
	return 0;
}

void
ranks_release(struct ranks *r)
{
	for (size_t k = 0; r->col && k < r->m->columns; k++) {
		free(r->col[k].order);
		free(r->col[k].rank);
		free(r->col[k].level);
		free(r->col[k].right);
	}
	free(r->col);
	*r = (struct ranks){ 0 };
}

double
frontier_threshold(const struct ranked *c, uint32_t cut)
{
	return cut == 0 ? 1 : c->level[cut - 1];
}
