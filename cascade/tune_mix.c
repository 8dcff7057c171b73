/*
 * tune_mix.c -- a coin toss between a model and a cascade, or two models, where
 * it is worth more than one of them.
 */
#include <math.h>
#include <string.h>

#include "cascade/tune.h"

/* In one row for looking at: lessons, and each model alone. */
struct side {
	const struct lesson *l; /* NULL: a model alone, */
	size_t column;          /* this one, of t->m */
	struct point point;
	double cost, merit;     /* a task, on the tasks at hand */
};

static struct side
side_of(const struct tuned *t, const struct lesson *l)
{
	return (struct side){ l, 0, l->point, (double)l->point.cost
	    / (double)t->m->tasks, l->merit };
}

static struct side
side_alone(const struct tuned *t, size_t column)
{
	struct side s = { .column = column, .point = { .chain = { 1,
	    { (uint8_t)column } } } };

	s.point.cost = t->ranks.col[column].sum_cost;
	s.point.right = t->ranks.col[column].sum_right;
	s.cost = matrix_mean_cost(t->m, column);
	s.merit = matrix_accuracy(t->m, column);
	return s;
}

/* Side number i: the lessons, then the models. False: no such, or not one that
 * may be tossed for. */
static bool
side_at(const struct tuned *t, size_t i, struct side *out)
{
	size_t k = i - t->lessons;

	if (i < t->lessons) {
		*out = side_of(t, &t->lesson[i]);
		return true;
	}
	if (t->m->col[k].score)
		return false;
	*out = side_alone(t, k);
	return true;
}

static bool
is_end_of(const struct point *end, const struct point *p)
{
	size_t skip = p->chain.n - end->chain.n;

	if (end->chain.n >= p->chain.n)
		return false;
	return memcmp(end->chain.col, p->chain.col + skip, end->chain.n) == 0
	    && memcmp(end->cut, p->cut + skip, (end->chain.n - 1u)
	    * sizeof(end->cut[0])) == 0;
}

static bool
share_no_tier(const struct tuned *t, const struct chain *a,
    const struct chain *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (t->m->col[a->col[i]].tier
			    == t->m->col[b->col[k]].tier)
				return false;
	return a->n + b->n <= FRONTIER_MAX_CHAIN;
}

static bool
go_together(const struct tuned *t, const struct side *first,
    const struct side *rest)
{
	return is_end_of(&rest->point, &first->point)
	    || share_no_tier(t, &first->point.chain, &rest->point.chain);
}

static struct lesson
lesson_of(const struct tuned *t, const struct side *s)
{
	if (s->l)
		return *s->l;
	return (struct lesson){ .found = true, .point = s->point,
		.right = matrix_accuracy(t->m, s->column), .cost = s->cost,
		.merit = s->merit, .honest = true };
}

static void
take(const struct tuned *t, const struct side *first, const struct side *rest,
    double share, struct tune_mix *out)
{
	*out = (struct tune_mix){ .toss = true, .share = share,
		.first = lesson_of(t, first), .rest = lesson_of(t, rest),
		.merit = share * first->merit + (1 - share) * rest->merit };
	out->right = share * out->first.right + (1 - share) * out->rest.right;
	out->cost = share * out->first.cost + (1 - share) * out->rest.cost;
}

/* The cheap and the dear side, if the two together are the best so far. */
static void
try_toss(const struct tuned *t, const struct side *cheap,
    const struct side *dear, double budget, struct tune_mix *out)
{
	double share = (dear->cost - budget) / (dear->cost - cheap->cost);
	double merit = share * cheap->merit + (1 - share) * dear->merit;

	if (merit <= out->merit || (cheap->point.chain.n > 1
	    && dear->point.chain.n > 1))
		return;
	if (go_together(t, cheap, dear))
		take(t, cheap, dear, share, out);
	else if (go_together(t, dear, cheap))
		take(t, dear, cheap, 1 - share, out);
}

bool
tune_mix_within(const struct tuned *t, double budget, struct tune_mix *out)
{
	const struct lesson *one = tune_within(t, budget);
	size_t n = t->lessons + t->m->columns;
	struct side cheap, dear;
	struct tune_mix best = { .toss = false };

	if (!one)
		return false;
	*out = (struct tune_mix){ .first = *one, .share = 1,
		.right = one->right, .cost = one->cost, .merit = one->merit };
	best.merit = one->merit + tune_margin(t->m->tasks, false);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; side_at(t, i, &cheap)
		    && cheap.cost <= budget && k < n; k++)
			if (side_at(t, k, &dear) && dear.cost > budget
			    && dear.merit > cheap.merit)
				try_toss(t, &cheap, &dear, budget, &best);
	if (best.toss)
		*out = best;
	return true;
}

/* The other's places after those of p. */
static void
add_places(struct policy *p, const struct policy *rest)
{
	size_t n = p->chain.n;

	p->threshold[n - 1] = -INFINITY;
	for (size_t i = 0; i < rest->chain.n; i++) {
		p->chain.col[n + i] = rest->chain.col[i];
		if (i + 1 < rest->chain.n)
			p->threshold[n + i] = rest->threshold[i];
	}
	p->chain.n = (uint8_t)(n + rest->chain.n);
	p->rest = (uint8_t)n;
}

struct policy
tune_mix_policy(const struct tuned *t, const struct tune_mix *mix,
    bool harvest)
{
	struct policy p = policy_of(&t->ranks, &mix->first.point), rest;

	if (mix->toss) {
		rest = policy_of(&t->ranks, &mix->rest.point);
		p.share = mix->share;
		if (is_end_of(&mix->rest.point, &mix->first.point))
			p.rest = (uint8_t)(p.chain.n - rest.chain.n);
		else
			add_places(&p, &rest);
	}
	for (size_t i = 0; harvest && i < p.chain.n; i++)
		p.chain.col[i] = (uint8_t)t->column[p.chain.col[i]];
	return p;
}
