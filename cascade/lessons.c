/*
 * lessons.c -- which chain to take at which budget, by cross-validation.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cascade/search.h"

#define MAX_FOLDS 10
#define ALL_FOLDS MAX_FOLDS
#define NEIGHBOURS 5      /* budgets to each side that are averaged over */
#define DIFFERENT 0.05    /* tasks in which two good cascades differ */
#define ROUGH 200         /* groups of scores, for choosing among chains */
#define MOST_CHAINS 1500  /* that are cross-validated */
#define HOPELESS 3.0      /* standard errors behind the best on all tasks */

/* What one chain does within one budget. */
struct trial {
	struct point point;  /* on all tasks */
	bool possible;       /* in every fold and on all tasks */
	/* By fold: sums over its tasks, and right answers a task that the
	 * thresholds promised on the others. */
	float right[MAX_FOLDS], cost[MAX_FOLDS], promise[MAX_FOLDS];
};

struct school {
	const struct ranks *all;
	const struct search_options *o;
	const double *budget;
	size_t budgets, chains;
	struct chain *chain;
	struct trial *trial; /* chain x budget */
	double *total;       /* the budgets of all tasks at hand */
	struct point *best;  /* of one chain, by budget */
	size_t folds, fold_tasks[MAX_FOLDS];
	size_t done, work;   /* for progress */
};

static struct trial *
trial_of(const struct school *s, size_t chain, size_t b)
{
	return &s->trial[chain * s->budgets + b];
}

static int
tick(struct school *s, struct err *e)
{
	s->done++;
	if (s->o->progress && !s->o->progress(s->o->to, s->done, s->work))
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	return 0;
}

/* --- one chain ----------------------------------------------------------- */

/* On all tasks: its points at every budget. */
static int
try_all(struct school *s, struct frontier *f, size_t c, struct err *e)
{
	frontier_clear(f);
	if (frontier_add(f, &s->chain[c], e) < 0)
		return -1;
	for (size_t b = 0; b < s->budgets; b++) {
		struct trial *t = trial_of(s, c, b);
		t->possible = s->best[b].right >= 0;
		t->point = s->best[b];
	}
	return tick(s, e);
}

/* Thresholds by `train`, right answers of `test`. */
static int
try_fold(struct school *s, struct frontier *f, const struct ranks *train,
    const struct matrix *test, size_t c, size_t k, struct err *e)
{
	struct policy_sum sum = { 0 };
	int64_t last = -1;

	frontier_clear(f);
	if (frontier_add(f, &s->chain[c], e) < 0)
		return -1;
	for (size_t b = 0; b < s->budgets; b++) {
		struct trial *t = trial_of(s, c, b);
		/* A single model may be a little dearer on these tasks. */
		if (s->chain[c].n == 1) {
			s->best[b].chain = s->chain[c];
			s->best[b].right =
			    train->col[s->chain[c].col[0]].sum_right;
		} else if (s->best[b].right < 0) {
			t->possible = false;
		}
		if (!t->possible)
			continue;
		if (s->best[b].cost != last) {
			struct policy policy = policy_of(train, &s->best[b]);
			sum = (struct policy_sum){ 0 };
			policy_add(&sum, &policy, test);
			last = s->best[b].cost;
		}
		t->right[k] = (float)sum.right;
		t->cost[k] = (float)sum.cost;
		t->promise[k] = (float)(s->best[b].right
		    / (double)train->m->tasks);
	}
	return tick(s, e);
}

/* A frontier that keeps the best within s->total: the budgets for all tasks of
 * `ranks`. */
static struct frontier *
open_frontier(struct school *s, const struct ranks *ranks)
{
	struct frontier *f = frontier_new(ranks);

	for (size_t b = 0; b < s->budgets; b++)
		s->total[b] = s->budget[b] * (double)ranks->m->tasks;
	if (f)
		frontier_within(f, s->total, s->budgets, s->best);
	return f;
}

/* --- all chains ---------------------------------------------------------- */

static double
standard_error(const struct school *s)
{
	return sqrt(DIFFERENT / (double)s->all->m->tasks);
}

/* How far a chain is behind the best at the budget where it is nearest, in
 * right answers; small for good ones. */
struct gap {
	double behind;
	struct chain chain;
};

static int
by_gap(const void *a, const void *b)
{
	const struct gap *x = a, *y = b;

	if (x->behind != y->behind)
		return x->behind < y->behind ? -1 : 1;
	return memcmp(&x->chain, &y->chain, sizeof(x->chain));
}

static int
by_length(const void *a, const void *b)
{
	const struct chain *x = a, *y = b;

	return x->n != y->n ? x->n - y->n : memcmp(x->col, y->col,
	    sizeof(x->col));
}

/* right[chain x budget], -1 where nothing is that cheap. */
static void
find_gaps(const struct school *s, const float *right, struct gap *gap)
{
	for (size_t c = 0; c < s->chains; c++)
		gap[c] = (struct gap){ INFINITY, s->chain[c] };
	for (size_t b = 0; b < s->budgets; b++) {
		double best = -1;
		for (size_t c = 0; c < s->chains; c++)
			best = fmax(best, (double)right[c * s->budgets + b]);
		for (size_t c = 0; c < s->chains; c++) {
			double r = (double)right[c * s->budgets + b];
			if (r >= 0)
				gap[c].behind = fmin(gap[c].behind, best - r);
		}
	}
	for (size_t c = 0; c < s->chains; c++)
		if (gap[c].chain.n == 1)
			gap[c].behind = -1; /* always kept */
}

/*
 * A chain that is far behind even where it was allowed to choose its own
 * thresholds is not worth five folds, nor are more than MOST_CHAINS: the
 * others are taken out of s->chain.
 */
static int
screen(struct school *s, struct frontier *f, struct err *e)
{
	double most = HOPELESS * standard_error(s) * (double)s->all->m->tasks;
	float *right = malloc((s->chains * s->budgets + 1) * sizeof(*right));
	struct gap *gap = malloc((s->chains + 1) * sizeof(*gap));
	int rc = right && gap ? 0 : err_nomem(e);
	size_t kept = 0;

	frontier_grouped(f, ROUGH);
	for (size_t c = 0; rc == 0 && c < s->chains; c++) {
		frontier_clear(f);
		rc = frontier_add(f, &s->chain[c], e);
		for (size_t b = 0; rc == 0 && b < s->budgets; b++)
			right[c * s->budgets + b] = s->best[b].right < 0 ? -1
			    : (float)s->best[b].right;
		if (rc == 0)
			rc = tick(s, e);
	}
	frontier_grouped(f, 0);
	if (rc == 0) {
		find_gaps(s, right, gap);
		qsort(gap, s->chains, sizeof(*gap), by_gap);
		for (size_t c = 0; c < s->chains && c < MOST_CHAINS; c++)
			if (gap[c].chain.n <= 2 ? isfinite(gap[c].behind)
			    : gap[c].behind <= most)
				s->chain[kept++] = gap[c].chain;
		s->chains = kept;
		qsort(s->chain, kept, sizeof(*s->chain), by_length);
		s->work = s->done + kept * (1 + s->folds);
	}
	free(right);
	free(gap);
	return rc;
}

static int
fold(struct school *s, const uint32_t *shuffled, uint32_t *row, size_t k,
    struct err *e)
{
	size_t from = s->all->m->tasks * k / s->folds;
	size_t to = s->all->m->tasks * (k + 1) / s->folds;
	const struct matrix *m = s->all->m;
	struct matrix *train = NULL, *test = NULL;
	struct ranks ranks = { 0 };
	struct frontier *f = NULL;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < m->tasks; i++)
		if (i < from || i >= to)
			row[n++] = shuffled[i];
	s->fold_tasks[k] = to - from;
	train = matrix_rows_without(m, k, row, n);
	test = matrix_rows_without(m, k, shuffled + from, to - from);
	if (!train || !test || ranks_init(&ranks, train, s->o->prior, e) < 0)
		rc = err_nomem(e);
	if (rc == 0 && !(f = open_frontier(s, &ranks)))
		rc = err_nomem(e);
	if (f)
		frontier_grouped(f, ROUGH);
	for (size_t c = 0; rc == 0 && c < s->chains; c++)
		rc = try_fold(s, f, &ranks, test, c, k, e);
	frontier_free(f);
	ranks_release(&ranks);
	matrix_free(train);
	matrix_free(test);
	return rc;
}

static int
validate(struct school *s, struct err *e)
{
	size_t n = s->all->m->tasks;
	uint32_t *shuffled = malloc((n + 1) * sizeof(*shuffled));
	uint32_t *row = malloc((n + 1) * sizeof(*row));
	int rc = shuffled && row ? 0 : err_nomem(e);

	if (rc == 0)
		matrix_shuffle(shuffled, n);
	for (size_t k = 0; rc == 0 && k < s->folds; k++)
		rc = fold(s, shuffled, row, k, e);
	free(shuffled);
	free(row);
	return rc;
}

/* --- the choice ---------------------------------------------------------- */

/* Sums of one fold, or of all but one. */
static double
sum_of(const struct school *s, const float *by_fold, size_t but)
{
	double sum = 0;

	for (size_t k = 0; k < s->folds; k++)
		if (k != but)
			sum += (double)by_fold[k];
	return sum;
}

/* How many neighbours of budget b, to either side, a chain has figures of. */
static size_t
neighbours(const struct school *s, size_t c, size_t b)
{
	size_t d = 0;

	while (d < NEIGHBOURS && d < b && b + d + 1 < s->budgets
	    && trial_of(s, c, b - d - 1)->possible)
		d++;
	return d;
}

/* Right answers a task in all folds but one, averaged over the neighbours: one
 * budget's figure alone is all noise. */
static double
smoothed(const struct school *s, size_t c, size_t b, size_t but)
{
	size_t d = neighbours(s, c, b), tasks = s->all->m->tasks;
	double sum = 0;

	if (but != ALL_FOLDS)
		tasks -= s->fold_tasks[but];
	for (size_t i = b - d; i <= b + d; i++)
		sum += sum_of(s, trial_of(s, c, i)->right, but);
	return sum / (double)(2 * d + 1) / (double)tasks;
}

/*
 * What chains are compared by: the mean of what held on other tasks, which is
 * fair and noisy, and of what the thresholds promise on the tasks that they
 * were set on, drawn towards the curves, which is steady and a little too good.
 */
static double
merit(const struct school *s, size_t c, size_t b, size_t but)
{
	const struct trial *t = trial_of(s, c, b);
	double promise = but == ALL_FOLDS ? t->point.right
	    / (double)s->all->m->tasks : (double)t->promise[but];

	return (smoothed(s, c, b, but) + promise) / 2;
}

/* What a longer chain must be better by. */
static double
handicap(const struct school *s, size_t c)
{
	size_t extra = s->chain[c].n > 2 ? s->chain[c].n - 2u : 0;

	return SEARCH_ERRORS * standard_error(s) * (double)extra;
}

/* A tier that accepts all, or none, of all tasks: a shorter chain is the same
 * and cheaper. */
static bool
is_idle(const struct school *s, const struct point *p)
{
	for (size_t i = 0; i + 1 < p->chain.n; i++)
		if (p->cut[i] == 0 || p->cut[i]
		    == s->all->col[p->chain.col[i]].ranks)
			return true;
	return false;
}

/* The best chain by all folds but one; s->chains: there is none. */
static size_t
best_chain(const struct school *s, size_t b, bool alone, size_t but)
{
	double best = -INFINITY;
	size_t at = s->chains;

	for (size_t c = 0; c < s->chains; c++) {
		const struct trial *t = trial_of(s, c, b);
		double v;
		if (!t->possible || is_idle(s, &t->point)
		    || (alone && s->chain[c].n > 1))
			continue;
		v = merit(s, c, b, but) - handicap(s, c);
		if (v <= best)
			continue;
		best = v;
		at = c;
	}
	return at;
}

/*
 * What choosing in this way gives: the chain of each fold is chosen by the
 * others. (The best chain's own figure is too good, for it was chosen by it.)
 */
static void
estimate(const struct school *s, size_t b, bool alone, struct lesson *out)
{
	double n = (double)s->all->m->tasks;

	for (size_t k = 0; k < s->folds; k++) {
		size_t c = best_chain(s, b, alone, k);
		size_t d = neighbours(s, c, b);
		double right = 0;
		for (size_t i = b - d; i <= b + d; i++)
			right += (double)trial_of(s, c, i)->right[k];
		out->right += right / (double)(2 * d + 1) / n;
		out->cost += (double)trial_of(s, c, b)->cost[k] / n;
	}
}

static void
choose(const struct school *s, const struct frontier *singles, size_t b,
    bool alone, struct lesson *out)
{
	size_t c = best_chain(s, b, alone, ALL_FOLDS);
	double n = (double)s->all->m->tasks;

	*out = (struct lesson){ .budget = s->budget[b] };
	if (c == s->chains)
		return;
	out->found = true;
	out->point = trial_of(s, c, b)->point;
	out->merit = merit(s, c, b, ALL_FOLDS);
	if (s->chain[c].n > 1) {
		estimate(s, b, alone, out);
	} else {
		/* Nothing was learned for a single model but its name. */
		out->right = matrix_accuracy(s->all->m, s->chain[c].col[0]);
		out->cost = matrix_mean_cost(s->all->m, s->chain[c].col[0]);
	}
	/* A sum may have lost its last digit. */
	out->toss = frontier_toss(singles, out->cost * n * (1 + 1e-12)) / n;
	out->honest = s->chain[c].n == 1 || out->merit
	    > frontier_toss(singles, (double)out->point.cost) / n;
}

/* What a toss beats gives way to the best single model, or to the best that
 * was found for less. */
static void
be_honest(const struct school *s, const struct frontier *singles, size_t b,
    const struct lesson *before, struct lesson *out)
{
	if (!out->found || out->honest)
		return;
	choose(s, singles, b, true, out);
	if (before->found && (!out->found || before->merit > out->merit)) {
		*out = *before;
		out->budget = s->budget[b];
	}
}

static int
choose_all(struct school *s, struct frontier *f, struct lesson *out,
    struct err *e)
{
	struct lesson best = { .found = false };

	for (size_t c = 0; c < s->chains; c++)
		if (s->chain[c].n == 1 && frontier_add(f, &s->chain[c], e) < 0)
			return -1;
	for (size_t b = 0; b < s->budgets; b++) {
		choose(s, f, b, false, &out[b]);
		if (s->o->honest)
			be_honest(s, f, b, &best, &out[b]);
		if (out[b].found && (!best.found || out[b].merit > best.merit))
			best = out[b];
	}
	return 0;
}

static int
learn(struct school *s, struct lesson *out, struct err *e)
{
	struct frontier *f = open_frontier(s, s->all);
	int rc = f ? screen(s, f, e) : err_nomem(e);

	if (rc == 0) {
		s->trial = calloc(s->chains * s->budgets + 1,
		    sizeof(*s->trial));
		if (!s->trial)
			rc = err_nomem(e);
	}
	for (size_t c = 0; rc == 0 && c < s->chains; c++)
		rc = try_all(s, f, c, e);
	frontier_free(f);
	f = NULL;
	if (rc == 0)
		rc = validate(s, e);
	if (rc == 0 && !(f = frontier_new(s->all)))
		rc = err_nomem(e);
	if (rc == 0)
		rc = choose_all(s, f, out, e);
	frontier_free(f);
	return rc;
}

int
search_lessons(const struct ranks *ranks, const struct search_options *o,
    const double *budget, struct lesson *out, size_t n, struct err *e)
{
	struct school s = { .all = ranks, .o = o, .budget = budget,
		.budgets = n };
	int rc;

	s.folds = o->folds ? o->folds : SEARCH_FOLDS;
	if (s.folds > MAX_FOLDS)
		s.folds = MAX_FOLDS;
	if (s.folds > ranks->m->tasks)
		s.folds = ranks->m->tasks;
	s.chain = search_chains(ranks->m, o->longest, &s.chains);
	s.work = s.chains * (2 + s.folds); /* fewer, once screened */
	s.total = calloc(n + 1, sizeof(*s.total));
	s.best = calloc(n + 1, sizeof(*s.best));
	rc = s.chain && s.total && s.best ? learn(&s, out, e) : err_nomem(e);
	free(s.chain);
	free(s.trial);
	free(s.total);
	free(s.best);
	return rc;
}
