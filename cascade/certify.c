/*
 * certify.c -- the net loss, tested in a fixed order.
 */
#include "cascade/certify.h"

#include <math.h>
#include <stdlib.h>

#include "base/rand.h"
#include "cascade/chance.h"

/* A pair that costs more than this share of the top tier before it has
 * answered anything is not tried: it would take its part of delta. */
#define WORTH_TRYING 0.6
#define MOST_LABELS INT64_C(1000000)

double
certify_bound(int64_t lost, int64_t gained, int64_t n, double delta)
{
	return chance_upper(lost, n, delta / 2)
	    - chance_lower(gained, n, delta / 2);
}

/* --- one order ----------------------------------------------------------- */

struct counts {
	int64_t lost, gained;
	double cost;
};

static struct counts
compare(const struct matrix *m, const struct policy *p, size_t top)
{
	struct counts out = { 0, 0, 0 };

	for (size_t t = 0; t < m->tasks; t++) {
		int64_t cost;
		size_t at = policy_run(p, m, t, &cost);
		bool right = m->col[p->chain.col[at]].right[t];
		bool top_right = m->col[top].right[t];
		out.lost += top_right && !right;
		out.gained += right && !top_right;
		out.cost += (double)cost;
	}
	if (m->tasks)
		out.cost /= (double)m->tasks;
	return out;
}

void
certify_order(const struct matrix *m, const struct policy *order, size_t n,
    const struct certify_ask *ask, size_t *passed, struct certificate *out)
{
	struct counts last = { -1, -1, 0 };
	double bound = 1;

	*passed = 0;
	for (size_t i = 0; i < n; i++) {
		struct counts c = compare(m, &order[i], ask->top);
		if (c.lost != last.lost || c.gained != last.gained)
			bound = certify_bound(c.lost, c.gained,
			    (int64_t)m->tasks, ask->delta);
		last = c;
		if (bound <= ask->max_loss)
			*passed = i + 1;
		if (*passed == i + 1 || i == 0) {
			out->policy = order[i];
			out->lost = c.lost;
			out->gained = c.gained;
			out->bound = bound;
			out->cost = c.cost;
		}
		if (bound > ask->max_loss)
			break;
	}
}

size_t
certify_steps(const struct ranks *ranks, const struct chain *c,
    struct policy *order)
{
	size_t n = ranks->m->tasks, k = 0;

	for (size_t s = 1; n && s <= CERTIFY_STEPS; s++) {
		struct policy p = { .chain = *c };
		size_t at = (n * s - 1) / CERTIFY_STEPS;
		bool new = k == 0;
		for (size_t i = 0; i + 1 < c->n; i++) {
			const struct ranked *r = &ranks->col[c->col[i]];
			p.threshold[i] = r->level[r->rank[r->order[at]]];
			if (k && p.threshold[i] != order[k - 1].threshold[i])
				new = true;
		}
		if (new)
			order[k++] = p;
	}
	return k;
}

/* --- how many labels it would take --------------------------------------- */

static bool
would_pass(const struct certificate *c, double times,
    const struct certify_ask *ask)
{
	return certify_bound((int64_t)ceil((double)c->lost * times),
	    (int64_t)floor((double)c->gained * times),
	    (int64_t)((double)c->labels * times), ask->delta)
	    <= ask->max_loss;
}

/* If the same shares were lost and gained among more labels. */
static int64_t
labels_wanted(const struct certificate *c, const struct certify_ask *ask)
{
	double times = 1;

	while (times * (double)c->labels < (double)MOST_LABELS) {
		times *= 1.1;
		if (would_pass(c, times, ask))
			return (int64_t)ceil((double)(c->labels
			    + c->chosen_on) * times);
	}
	return 0;
}

/* --- which chain --------------------------------------------------------- */

static size_t
find_pairs(const struct matrix *m, size_t top, struct chain *out)
{
	double most = WORTH_TRYING * matrix_mean_cost(m, top);
	size_t n = 0;

	for (size_t k = 0; k < m->columns; k++)
		if (m->col[k].score && m->col[k].tier != m->col[top].tier
		    && matrix_mean_cost(m, k) <= most)
			out[n++] = (struct chain){ 2, { (uint8_t)k,
			    (uint8_t)top } };
	return n;
}

/* Cheaper, or at least nearer to what may be lost. */
static bool
is_better(const struct certificate *a, const struct certificate *b)
{
	if ((a->verdict == CERTIFY_YES) != (b->verdict == CERTIFY_YES))
		return a->verdict == CERTIFY_YES;
	return a->verdict == CERTIFY_YES ? a->cost < b->cost
	    : a->bound < b->bound;
}

/* Each chain with its part of delta; the cheapest that passes. */
static int
share(const struct matrix *m, const struct certify_ask *ask,
    const struct chain *c, size_t n, struct certificate *out, struct err *e)
{
	struct policy order[CERTIFY_STEPS];
	struct certify_ask part = *ask;
	struct certificate best = *out;
	struct ranks ranks;
	int64_t wanted = 0;

	part.delta = ask->delta / (double)n;
	out->labels = (int64_t)m->tasks;
	out->chains = n;
	out->needed = chance_labels_needed(ask->max_loss, part.delta / 2);
	if (out->labels < out->needed) {
		out->verdict = CERTIFY_TOO_FEW;
		return 0;
	}
	if (ranks_init(&ranks, m, 0, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct certificate one = *out;
		size_t passed, steps = certify_steps(&ranks, &c[i], order);
		int64_t w;
		certify_order(m, order, steps, &part, &passed, &one);
		one.verdict = passed ? CERTIFY_YES : CERTIFY_TOP_ONLY;
		w = passed ? 0 : labels_wanted(&one, &part);
		if (w && (!wanted || w < wanted))
			wanted = w;
		if (i == 0 || is_better(&one, &best))
			best = one;
	}
	*out = best;
	out->needed = out->verdict == CERTIFY_YES ? 0 : wanted;
	ranks_release(&ranks);
	return 0;
}

/* The chain that would be the cheapest to lose no more than half of what may
 * be lost, by these labels. */
static int
choose(const struct matrix *m, const struct certify_ask *ask,
    struct chain *c, size_t n, struct err *e)
{
	struct ranks ranks;
	struct frontier *f = NULL;
	double least, best = INFINITY;
	size_t best_at = 0, points;
	int rc = ranks_init(&ranks, m, ask->prior, e);

	if (rc < 0)
		return -1;
	f = frontier_new(&ranks);
	if (!f)
		rc = err_nomem(e);
	least = ranks.col[ask->top].sum_right
	    - ask->max_loss / 2 * (double)m->tasks;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct point *p;
		frontier_clear(f);
		rc = frontier_add(f, &c[i], e);
		p = rc == 0 ? frontier_points(f, false, &points, e) : NULL;
		if (!p)
			rc = -1;
		for (size_t k = 0; rc == 0 && k < points; k++)
			if (p[k].right >= least && (double)p[k].cost < best) {
				best = (double)p[k].cost;
				best_at = i;
			}
	}
	c[0] = c[best_at];
	frontier_free(f);
	ranks_release(&ranks);
	return rc;
}

int
certify_chosen(const struct matrix *first, const struct matrix *rest,
    const struct certify_ask *ask, struct certificate *out, struct err *e)
{
	struct chain c[MATRIX_MAX_COLUMNS];
	size_t n = find_pairs(first, ask->top, c);
	double all = (double)(first->tasks + rest->tasks);

	*out = (struct certificate){ .verdict = CERTIFY_NO_CHAIN };
	if (n == 0)
		return 0;
	out->chosen_on = (int64_t)first->tasks;
	if (choose(first, ask, c, n, e) < 0 || share(rest, ask, c, 1, out,
	    e) < 0)
		return -1;
	if (out->verdict == CERTIFY_TOO_FEW && rest->tasks)
		out->needed = (int64_t)ceil((double)out->needed * all
		    / (double)rest->tasks);
	return 0;
}

/* The first third of the shuffled labels chooses, the rest tests. */
static int
choose_then_test(const struct matrix *m, const struct certify_ask *ask,
    struct certificate *out, struct err *e)
{
	uint32_t *row = malloc((m->tasks + 1) * sizeof(*row));
	size_t cut = m->tasks / CERTIFY_CHOOSING;
	struct matrix *first = NULL, *rest = NULL;
	struct rng r;
	int rc = row ? 0 : err_nomem(e);

	rng_seed(&r, ask->seed);
	for (uint32_t i = 0; rc == 0 && i < m->tasks; i++) {
		size_t j = rng_u64(&r) % (i + 1);
		row[i] = row[j];
		row[j] = i;
	}
	if (rc == 0) {
		first = matrix_rows(m, row, cut);
		rest = matrix_rows(m, row + cut, m->tasks - cut);
		rc = first && rest ? certify_chosen(first, rest, ask, out, e)
		    : err_nomem(e);
	}
	free(row);
	matrix_free(first);
	matrix_free(rest);
	return rc;
}

int
certify_best(const struct matrix *m, const struct certify_ask *ask,
    struct certificate *out, struct err *e)
{
	struct chain c[MATRIX_MAX_COLUMNS];
	size_t n = find_pairs(m, ask->top, c);

	*out = (struct certificate){ .verdict = CERTIFY_NO_CHAIN };
	if (n == 0)
		return 0;
	if (n <= CERTIFY_SHARED)
		return share(m, ask, c, n, out, e);
	return choose_then_test(m, ask, out, e);
}
