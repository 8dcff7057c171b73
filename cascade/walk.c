/*
 * walk.c -- one set of thresholds after another.
 */
#include "cascade/walk.h"

#include <math.h>
#include <stdlib.h>

struct scored {
	double score;
	uint32_t task;
};

static int
by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->task > y->task) - (x->task < y->task);
}

static uint32_t *
sorted(const double *score, size_t n)
{
	struct scored *s = malloc((n + 1) * sizeof(*s));
	uint32_t *out = malloc((n + 1) * sizeof(*out));

	for (size_t i = 0; s && i < n; i++)
		s[i] = (struct scored){ score[i], (uint32_t)i };
	if (s && out) {
		qsort(s, n, sizeof(*s), by_score);
		for (size_t i = 0; i < n; i++)
			out[i] = s[i].task;
	} else {
		free(out);
		out = NULL;
	}
	free(s);
	return out;
}

/* `by` times what comes of a task that ends at a place. */
static void
count(struct walk *w, uint32_t task, size_t place, int by)
{
	bool right = w->m->col[w->chain.col[place]].right[task];
	bool top_right = w->m->col[w->top].right[task];

	w->lost += by * (top_right && !right);
	w->gained += by * (right && !top_right);
	for (size_t i = 0; i <= place; i++)
		w->cost += by * w->m->col[w->chain.col[i]].cost[task];
}

int
walk_begin(struct walk *w, const struct matrix *m, const struct chain *c,
    size_t top, struct err *e)
{
	*w = (struct walk){ .m = m, .chain = *c, .top = top };
	w->place = malloc(m->tasks + 1);
	if (!w->place)
		return err_nomem(e);
	for (size_t i = 0; i + 1u < c->n; i++) {
		const struct column *k = &m->col[c->col[i]];
		if (k->score && !(w->order[i] = sorted(k->score, m->tasks)))
			return err_nomem(e);
	}
	/* Up to a place without a score, which accepts all; or to the last. */
	for (uint32_t t = 0; t < m->tasks; t++) {
		size_t place = 0;
		while (w->order[place])
			place++;
		w->place[t] = (uint8_t)place;
		count(w, t, place, 1);
	}
	return 0;
}

static void
run_again(struct walk *w, const struct policy *p, uint32_t task)
{
	int64_t cost;
	size_t place = policy_run(p, w->m, task, &cost);

	if (place == w->place[task])
		return;
	count(w, task, w->place[task], -1);
	count(w, task, place, 1);
	w->place[task] = (uint8_t)place;
}

void
walk_to(struct walk *w, const struct policy *p)
{
	for (size_t i = 0; i + 1u < p->chain.n && w->order[i]; i++) {
		const double *score = w->m->col[p->chain.col[i]].score;
		const uint32_t *order = w->order[i];
		size_t k = w->accepted[i];

		for (; k < w->m->tasks && score[order[k]] >= p->threshold[i];
		    k++)
			run_again(w, p, order[k]);
		for (; k > 0 && !(score[order[k - 1]] >= p->threshold[i]); k--)
			run_again(w, p, order[k - 1]);
		w->accepted[i] = k;
	}
}

void
walk_end(struct walk *w)
{
	for (size_t i = 0; i < FRONTIER_MAX_CHAIN; i++)
		free(w->order[i]);
	free(w->place);
}
