/*
 * ranks.c -- columns made ready for summing: sorted, ranked, and with the
 * expected quality of every answer.
 */
#include <math.h>
#include <stdlib.h>

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

/* The column whose scores say how good c's answers are. */
static const struct column *
judge_of(const struct matrix *m, const struct column *c)
{
	if (c->score)
		return c;
	for (size_t k = 0; k < m->columns; k++)
		if (m->col[k].score && m->col[k].tier == c->tier)
			return &m->col[k];
	return NULL;
}

static void
expect(struct ranked *r, const struct matrix *m, const struct column *c,
    double prior)
{
	const struct column *judge = judge_of(m, c);
	double w = prior > 0 && judge ? prior / (prior + (double)m->tasks) : 0;
	struct curve curve = { 0, 0 };

	if (w > 0)
		curve = quality_fit(judge->score, c->right, m->tasks);
	for (size_t i = 0; i < m->tasks; i++) {
		r->right[i] = c->right[i];
		if (w > 0)
			r->right[i] += w * (quality_of(&curve,
			    judge->score[i]) - r->right[i]);
		r->sum_right += r->right[i];
		r->sum_cost += c->cost[i];
	}
	r->cost = c->cost;
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
		    && rank_column(c, &m->col[k], m->tasks) < 0)) {
			ranks_release(r);
			return err_nomem(e);
		}
		expect(c, m, &m->col[k], prior);
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
