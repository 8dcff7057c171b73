/*
 * search.c -- every chain, and the one to take.
 */
#include "cascade/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_SLACK 1.1 /* a column may cost so much more than the next */

/* --- chains -------------------------------------------------------------- */

struct chains {
	const struct matrix *m;
	double cost[MATRIX_MAX_COLUMNS];
	struct chain *v;
	size_t n, room;
	bool failed;
};

static void
chains_add(struct chains *l, const struct chain *c)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct chain *grown = realloc(l->v, room * sizeof(*grown));
		if (!grown) {
			l->failed = true;
			return;
		}
		l->v = grown;
		l->room = room;
	}
	l->v[l->n++] = *c;
}

static bool
may_follow(const struct chains *l, const struct chain *c, size_t k)
{
	for (size_t i = 0; i < c->n; i++)
		if (l->m->col[c->col[i]].tier == l->m->col[k].tier)
			return false;
	return c->n == 0 ||
	    l->cost[c->col[c->n - 1]] <= ORDER_SLACK * l->cost[k];
}

/* Every way to go on from c up to `length` columns. */
static void
extend(struct chains *l, const struct chain *c, size_t length)
{
	bool last = c->n + 1u == length;

	for (size_t k = 0; k < l->m->columns && !l->failed; k++) {
		struct chain longer = *c;
		if (last != (l->m->col[k].score == NULL)
		    || !may_follow(l, c, k))
			continue;
		longer.col[longer.n++] = (uint8_t)k;
		if (last)
			chains_add(l, &longer);
		else
			extend(l, &longer, length);
	}
}

struct chain *
search_chains(const struct matrix *m, size_t longest, size_t *n)
{
	struct chains l = { .m = m };
	struct chain none = { .n = 0 };

	for (size_t k = 0; k < m->columns; k++)
		l.cost[k] = matrix_mean_cost(m, k);
	for (size_t length = 1; length <= longest; length++)
		extend(&l, &none, length);
	if (l.failed) {
		free(l.v);
		return NULL;
	}
	*n = l.n;
	return l.v ? l.v : calloc(1, sizeof(*l.v));
}

/* --- the search ---------------------------------------------------------- */

struct frontier *
search_frontier(const struct ranks *ranks, const struct search_options *o,
    struct err *e)
{
	struct frontier *f = frontier_new(ranks);
	size_t n = 0, i = 0;
	struct chain *c = f ? search_chains(ranks->m, o->longest, &n) : NULL;
	int rc = 0;

	if (!f || !c)
		rc = err_nomem(e);
	for (; rc == 0 && i < n; i++) {
		rc = frontier_add(f, &c[i], e);
		if (rc == 0 && o->progress && !o->progress(o->to, i + 1, n))
			rc = err_set(e, ERR_INTERRUPTED, "interrupted");
	}
	free(c);
	if (rc < 0) {
		frontier_free(f);
		return NULL;
	}
	return f;
}

/* --- a policy ------------------------------------------------------------ */

struct policy
policy_of(const struct ranks *ranks, const struct point *p)
{
	struct policy out = { .chain = p->chain };

	for (size_t i = 0; i + 1 < p->chain.n; i++)
		out.threshold[i] = frontier_threshold(
		    &ranks->col[p->chain.col[i]], p->cut[i]);
	return out;
}

/* By multiples of the golden ratio, of which any number in a row are spread
 * about evenly (Weyl). */
static size_t
first_place(const struct policy *p, size_t task)
{
	double at = ((double)task + 0.5) * 0.6180339887498949;

	return p->rest && at - floor(at) >= p->share ? p->rest : 0;
}

size_t
policy_run(const struct policy *p, const struct matrix *m, size_t task,
    int64_t *cost)
{
	size_t i = first_place(p, task);

	*cost = 0;
	for (;; i++) {
		const struct column *c = &m->col[p->chain.col[i]];
		*cost += c->cost[task];
		if (i + 1 == p->chain.n || !c->score
		    || c->score[task] >= p->threshold[i])
			return i;
	}
}

void
policy_add(struct policy_sum *sum, const struct policy *p,
    const struct matrix *m)
{
	for (size_t t = 0; t < m->tasks; t++) {
		int64_t cost;
		size_t at = policy_run(p, m, t, &cost);
		sum->tasks++;
		sum->right += m->col[p->chain.col[at]].right[t];
		sum->cost += cost;
	}
}

const struct point *
search_within(const struct point *p, size_t n, double cost)
{
	const struct point *best = NULL;

	for (size_t i = 0; i < n && (double)p[i].cost <= cost; i++)
		best = &p[i];
	return best;
}
