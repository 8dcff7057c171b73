/*
 * tune.c -- from a harvest to cascades.
 */
#include "cascade/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GRID 60          /* budgets, evenly; and as many by equal factors */
#define MERIT_BUDGETS 30
#define SIMPLER 0.1      /* standard errors that a later setting must gain */
#define MUCH_SIMPLER 0.5 /* and a learned or combined one over a plain one */
#define FEW_SAMPLES 3    /* a cheap setting is kept beside a dear one */

/* --- scorers ------------------------------------------------------------- */

static int
measure(const struct harvest *h, struct tune_scorer *s, struct err *e)
{
	struct matrix *m = matrix_columns(h->m, &s->column, 1);
	struct ranks ranks;

	if (!m)
		return err_nomem(e);
	if (ranks_init(&ranks, m, 0, e) < 0) {
		matrix_free(m);
		return -1;
	}
	s->has_auroc = chance_auroc(ranks.col[0].rank, m->col[0].right,
	    m->tasks, &s->auroc, &s->auroc_in);
	s->calibration = quality_calibration(m->col[0].score,
	    m->col[0].right, ranks.col[0].order, m->tasks);
	s->accepted = quality_accept(m->col[0].score, m->col[0].right,
	    ranks.col[0].order, m->tasks, matrix_accuracy(h->m,
	    h->tier[h->top].first));
	ranks_release(&ranks);
	matrix_free(m);
	return 0;
}

/* The mean held quality over all budgets, and over the lower and the upper half
 * of them; see tune_merit(). */
struct merits {
	double all, half[2];
};

static int
find_merits(const struct matrix *all, size_t judged, size_t alone, size_t top,
    struct merits *out, struct err *e)
{
	size_t column[3] = { judged, alone, top };
	struct search_options o = { .longest = 2, .prior = QUALITY_PRIOR };
	struct lesson lesson[MERIT_BUDGETS];
	double budget[MERIT_BUDGETS], low, high;
	struct matrix *m;
	struct ranks ranks;
	int rc;

	*out = (struct merits){ -1, { -1, -1 } };
	low = matrix_mean_cost(all, alone);
	high = matrix_mean_cost(all, top);
	if (all->col[judged].tier == all->col[top].tier || low >= high)
		return 0;
	for (size_t b = 0; b < MERIT_BUDGETS; b++)
		budget[b] = low + (high - low) * ((double)b + 1)
		    / MERIT_BUDGETS;
	m = matrix_columns(all, column, 3);
	if (!m)
		return err_nomem(e);
	rc = ranks_init(&ranks, m, QUALITY_PRIOR, e);
	if (rc == 0)
		rc = search_lessons(&ranks, &o, budget, lesson, MERIT_BUDGETS,
		    e);
	*out = (struct merits){ 0, { 0, 0 } };
	for (size_t b = 0; rc == 0 && b < MERIT_BUDGETS; b++)
		out->half[b >= MERIT_BUDGETS / 2] += lesson[b].found
		    ? lesson[b].right : 0;
	out->all = (out->half[0] + out->half[1]) / MERIT_BUDGETS;
	for (int i = 0; i < 2; i++)
		out->half[i] /= MERIT_BUDGETS / 2;
	ranks_release(&ranks);
	matrix_free(m);
	return rc;
}

int
tune_merit(const struct matrix *all, size_t judged, size_t alone, size_t top,
    double *merit, struct err *e)
{
	struct merits m;
	int rc = find_merits(all, judged, alone, top, &m, e);

	*merit = m.all;
	return rc;
}

double
tune_margin(size_t tasks, bool learned)
{
	return (learned ? MUCH_SIMPLER : SIMPLER) * sqrt(0.05 / (double)tasks);
}

static int
find_merit(const struct harvest *h, struct tune_scorer *s, struct err *e)
{
	struct merits m;
	int rc = find_merits(h->m, s->column,
	    h->tier[h->m->col[s->column].tier].first, h->tier[h->top].first,
	    &m, e);

	s->merit = m.all;
	s->half[0] = m.half[0];
	s->half[1] = m.half[1];
	return rc;
}

static bool
is_involved(const struct harvest *h, const struct tune_scorer *s)
{
	const struct setting *v = harvest_setting(h, s->column);

	return v->learned || v->combined;
}

static struct tune_scorer *
best_of(struct tuned *t, size_t tier, int most_samples)
{
	struct tune_scorer *best = NULL;
	double margin = 0;

	for (size_t i = 0; i < t->scorers; i++) {
		struct tune_scorer *s = &t->scorer[i];
		if (t->h->m->col[s->column].tier != tier
		    || harvest_setting(t->h, s->column)->samples
		    > most_samples)
			continue;
		if (best)
			margin = tune_margin(t->h->m->tasks, is_involved(t->h,
			    s) && !is_involved(t->h, best));
		if (!best || s->merit > best->merit + margin)
			best = s;
	}
	return best;
}

/*
 * The best, the best of a few samples beside a dear one, and what is clearly
 * better than the best in the lower or the upper half of the budgets: a score
 * of few steps can be very good at some costs and say nothing at others.
 */
static void
keep_best(struct tuned *t, size_t tier)
{
	struct tune_scorer *best = best_of(t, tier, CONFIG_MAX_SAMPLES);
	struct tune_scorer *few = best_of(t, tier, FEW_SAMPLES);

	if (few)
		few->kept = true;
	if (!best)
		return;
	best->kept = true;
	for (int half = 0; half < 2; half++) {
		struct tune_scorer *other = best;
		for (size_t i = 0; i < t->scorers; i++)
			if (t->h->m->col[t->scorer[i].column].tier == tier
			    && t->scorer[i].half[half] > other->half[half])
				other = &t->scorer[i];
		if (other->half[half] > best->half[half]
		    + tune_margin(t->h->m->tasks, true))
			other->kept = true;
	}
}

/* The same as an earlier one of its tier, by another name: of one token, every
 * aggregate is. */
static bool
is_double(const struct tuned *t, size_t k)
{
	const struct matrix *m = t->h->m;
	const struct column *c = &m->col[k];
	size_t n = m->tasks;

	for (size_t i = 0; i < t->scorers; i++) {
		const struct column *d = &m->col[t->scorer[i].column];
		if (d->tier == c->tier
		    && memcmp(d->score, c->score, n * sizeof(*c->score)) == 0
		    && memcmp(d->right, c->right, n) == 0
		    && memcmp(d->cost, c->cost, n * sizeof(*c->cost)) == 0)
			return true;
	}
	return false;
}

static int
choose_scorers(struct tuned *t, const struct tune_options *o, struct err *e)
{
	const struct matrix *m = t->h->m;

	t->scorer = calloc(m->columns + 1, sizeof(*t->scorer));
	if (!t->scorer)
		return err_nomem(e);
	for (size_t k = 0; k < m->columns; k++)
		if (m->col[k].score && t->h->ready[k] && !is_double(t, k))
			t->scorer[t->scorers++].column = k;
	for (size_t i = 0; i < t->scorers; i++) {
		if (measure(t->h, &t->scorer[i], e) < 0 ||
		    find_merit(t->h, &t->scorer[i], e) < 0)
			return -1;
		if (o->progress && !o->progress(o->to, i, 2 * t->scorers))
			return err_set(e, ERR_INTERRUPTED, "interrupted");
	}
	for (size_t k = 0; k < t->h->tiers; k++)
		keep_best(t, k);
	return 0;
}

/* --- lessons ------------------------------------------------------------- */

static int
keep_columns(struct tuned *t, struct err *e)
{
	size_t n = 0;

	for (size_t k = 0; k < t->h->m->columns; k++) {
		bool keep = !t->h->m->col[k].score;
		for (size_t i = 0; i < t->scorers; i++)
			keep |= t->scorer[i].column == k && t->scorer[i].kept;
		if (keep)
			t->column[n++] = k;
	}
	t->m = matrix_columns(t->h->m, t->column, n);
	return t->m ? 0 : err_nomem(e);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* From the cheapest tier alone to the dearest, evenly and by equal factors, so
 * that both ends are seen; and the one that was asked for. */
static size_t
make_budgets(const struct tuned *t, double asked, double *out)
{
	double low = INFINITY, high = 0;
	size_t n = 0;

	for (size_t k = 0; k < t->m->columns; k++) {
		double cost = matrix_mean_cost(t->m, k);
		if (t->m->col[k].score)
			continue;
		low = fmin(low, cost);
		high = fmax(high, cost);
	}
	for (int i = 0; i <= GRID; i++)
		out[n++] = low + (high - low) * i / GRID;
	for (int i = 1; i < GRID && low > 0; i++)
		out[n++] = low * pow(high / low, (double)i / GRID);
	if (asked >= low)
		out[n++] = asked;
	qsort(out, n, sizeof(*out), by_value);
	return n;
}

/* From here on progress goes from one half to the whole. */
struct second_half {
	const struct tune_options *o;
};

static bool
second_half(void *to, size_t done, size_t all)
{
	const struct tune_options *o = ((struct second_half *)to)->o;

	return !o->progress || o->progress(o->to, all + done, 2 * all);
}

static int
learn(struct tuned *t, const struct tune_options *o, struct err *e)
{
	struct second_half half = { o };
	struct search_options s = { .longest = o->longest,
		.prior = QUALITY_PRIOR, .honest = true,
		.progress = second_half, .to = &half };
	double budget[2 * GRID + 4];
	size_t n, k = 0;

	if (keep_columns(t, e) < 0 ||
	    ranks_init(&t->ranks, t->m, QUALITY_PRIOR, e) < 0)
		return -1;
	n = make_budgets(t, o->budget, budget);
	t->lesson = calloc(n, sizeof(*t->lesson));
	if (!t->lesson)
		return err_nomem(e);
	if (search_lessons(&t->ranks, &s, budget, t->lesson, n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (t->lesson[i].found)
			t->lesson[k++] = t->lesson[i];
	t->lessons = k;
	return 0;
}

int
tune_run(struct tuned *t, const struct harvest *h,
    const struct tune_options *o, struct err *e)
{
	*t = (struct tuned){ .h = h, .longest = o->longest };
	if (h->m->tasks < 2)
		return err_set(e, ERR_INPUT, "one task is not enough to learn "
		    "from");
	if (choose_scorers(t, o, e) < 0 || learn(t, o, e) < 0) {
		tune_release(t);
		return -1;
	}
	return 0;
}

void
tune_release(struct tuned *t)
{
	if (t->m)
		ranks_release(&t->ranks);
	matrix_free(t->m);
	free(t->scorer);
	free(t->lesson);
	*t = (struct tuned){ .h = NULL };
}

bool
tune_beats_toss(const struct lesson *l)
{
	return l->point.chain.n == 1 || l->right > l->toss;
}

const struct lesson *
tune_within(const struct tuned *t, double budget)
{
	const struct lesson *best = NULL;

	for (size_t i = 0; i < t->lessons && t->lesson[i].budget <= budget;
	    i++)
		best = &t->lesson[i];
	return best;
}

const struct lesson *
tune_reaching(const struct tuned *t, double right)
{
	for (size_t i = 0; i < t->lessons; i++)
		if (t->lesson[i].right >= right
		    && tune_beats_toss(&t->lesson[i]))
			return &t->lesson[i];
	return NULL;
}

struct policy
tune_policy(const struct tuned *t, const struct lesson *l)
{
	struct policy p = policy_of(&t->ranks, &l->point);

	for (size_t i = 0; i < p.chain.n; i++)
		p.chain.col[i] = (uint8_t)t->column[p.chain.col[i]];
	return p;
}

/* --- the promise --------------------------------------------------------- */

/* A tier's first judged column, of plain scores (settings_first()) or of learned
 * ones; of these the one that takes as many samples as the plain one, if there
 * is any. 0: none. */
static size_t
judged_of(const struct harvest *h, const struct harvest_tier *t, bool learned)
{
	size_t plain = settings_first(&t->settings), found = 0;

	if (!learned)
		return plain ? t->first + plain : 0;
	for (size_t s = 1; s < t->settings.n; s++) {
		const struct setting *v = &t->settings.v[s];
		if (!v->learned || !h->ready[t->first + s])
			continue;
		if (!found || (plain && v->samples
		    == t->settings.v[plain].samples))
			found = t->first + s;
	}
	return found;
}

/* The columns of the pairs; the last is the top tier's. */
static size_t
find_columns(const struct harvest *h, bool learned, size_t *column)
{
	size_t n = 0;

	for (size_t i = 0; i < h->tiers; i++)
		for (int l = 0; i != h->top && l <= learned; l++) {
			column[n] = judged_of(h, &h->tier[i], l);
			n += column[n] > 0;
		}
	column[n++] = h->tier[h->top].first;
	return n;
}

/* Half of the tasks, by chance. part: those that train. */
static int
split(const struct matrix *m, const struct certify_ask *ask, bool *part,
    struct certificate *out, struct err *e)
{
	uint32_t *row = malloc((m->tasks + 1) * sizeof(*row));
	struct matrix *first = NULL, *rest = NULL;
	size_t n = 0, all = 0;

	if (!row)
		return err_nomem(e);
	for (int half = 1; half >= 0; half--) {
		for (uint32_t i = 0; i < m->tasks; i++)
			if (part[i] == half)
				row[all++] = i;
		n = half ? all : n;
	}
	first = matrix_rows(m, row, n);
	rest = matrix_rows(m, row + n, all - n);
	n = first && rest ? 0 : 1;
	if (n)
		err_nomem(e);
	else if (certify_chosen(first, rest, ask, out, e) < 0)
		n = 1;
	matrix_free(first);
	matrix_free(rest);
	free(row);
	return n ? -1 : 0;
}

/* 1: nothing can be learned. */
static int
learn_half(struct harvest *h, bool *part, struct err *e)
{
	uint32_t *row = malloc((h->m->tasks + 1) * sizeof(*row));
	struct err why;
	int rc = row ? 0 : err_nomem(e);

	if (rc == 0) {
		matrix_shuffle(row, h->m->tasks);
		for (size_t i = 0; i < h->m->tasks / 2; i++)
			part[row[i]] = true;
		rc = harvest_learn_part(h, part, &why, e);
	}
	free(row);
	return rc;
}

int
tune_promise(struct harvest *h, const struct tune_promise *p,
    struct certificate *out, struct err *e)
{
	struct certify_ask ask = { .max_loss = p->max_loss,
		.delta = 1 - p->confidence, .bound = p->bound,
		.prior = QUALITY_PRIOR, .seed = 1 };
	size_t column[2 * CONFIG_MAX_TIERS + 1];
	size_t n = find_columns(h, false, column);
	bool *part = calloc(h->m->tasks + 1, sizeof(*part));
	struct matrix *m = NULL;
	int rc = part ? 1 : err_nomem(e);

	if (rc > 0 && (p->learned || n == 1)) {
		rc = learn_half(h, part, e);
		n = find_columns(h, rc == 0, column);
	}
	ask.top = n - 1;
	if (rc >= 0 && !(m = matrix_columns(h->m, column, n)))
		rc = err_nomem(e);
	if (rc >= 0)
		rc = rc > 0 ? certify_best(m, &ask, out, e)
		    : split(m, &ask, part, out, e);
	for (size_t i = 0; rc == 0 && i < out->policy.chain.n; i++)
		out->policy.chain.col[i] =
		    (uint8_t)column[out->policy.chain.col[i]];
	matrix_free(m);
	free(part);
	return rc;
}

/* --- figures ------------------------------------------------------------- */

void
tune_places(const struct matrix *m, const struct policy *p,
    struct tune_place out[FRONTIER_MAX_CHAIN])
{
	for (size_t i = 0; i < FRONTIER_MAX_CHAIN; i++)
		out[i] = (struct tune_place){ 0, 0, 0 };
	for (size_t t = 0; t < m->tasks; t++) {
		int64_t cost;
		size_t at = policy_run(p, m, t, &cost);
		for (size_t i = 0; i <= at; i++)
			out[i].seen++;
		out[at].accepted++;
		out[at].right += m->col[p->chain.col[at]].right[t];
	}
}

struct accepted
tune_accepted(const struct harvest *h, size_t column, double threshold)
{
	const struct column *c = &h->m->col[column];

	return quality_accepted(c->score, c->right, h->m->tasks, threshold);
}

struct tune_toss
tune_best_toss(const struct harvest *h, double cost)
{
	struct tune_toss best = { 0, 0, 0, -1 };

	for (size_t a = 0; a < h->tiers; a++)
		for (size_t b = 0; b < h->tiers; b++) {
			double from = matrix_mean_cost(h->m, h->tier[a].first);
			double to = matrix_mean_cost(h->m, h->tier[b].first);
			double share = 0, right;
			if (from > cost || (to <= cost && a != b))
				continue;
			if (to > cost)
				share = (cost - from) / (to - from);
			right = (1 - share) * matrix_accuracy(h->m,
			    h->tier[a].first) + share * matrix_accuracy(h->m,
			    h->tier[b].first);
			if (right > best.right)
				best = (struct tune_toss){ a, b, share, right };
		}
	return best;
}

struct policy_sum
tune_oracle(const struct harvest *h)
{
	struct policy_sum sum = { .tasks = (int64_t)h->m->tasks };

	for (size_t t = 0; t < h->m->tasks; t++) {
		int64_t cheapest = INT64_MAX, right = INT64_MAX;
		for (size_t i = 0; i < h->tiers; i++) {
			const struct column *c = &h->m->col[h->tier[i].first];
			if (c->cost[t] < cheapest)
				cheapest = c->cost[t];
			if (c->right[t] && c->cost[t] < right)
				right = c->cost[t];
		}
		sum.right += right != INT64_MAX;
		sum.cost += right != INT64_MAX ? right : cheapest;
	}
	return sum;
}
