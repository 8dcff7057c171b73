/*
 * frontier.c -- the staircase of points that nothing beats.
 *
 * Points come in by the million and almost all are beaten. The axis of cost is
 * cut into buckets that know the best quality at or below them, so that most
 * are turned away by one comparison; the rest wait in a list that is sorted
 * and thinned when it is long. Nothing is dropped that is not beaten, so the
 * buckets' width is a matter of speed and not of precision.
 */
#include "cascade/frontier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096
#define FEW_TASKS 400
#define FEW_BUCKETS 512
#define THIN_AT ((size_t)1 << 16)
#define PRICES 24      /* of quality, in the search of long chains */
#define STARTS 5       /* at every price */
#define ROUNDS 12      /* over all thresholds of a chain, at most */
#define TIE 1e-9       /* right answers: below this nothing is better */

struct frontier {
	const struct ranks *ranks;
	size_t n;              /* tasks */
	struct point *p;
	size_t points, room;
	struct point *single;  /* of the single models added */
	size_t singles;
	struct point *shown;   /* frontier_points() */
	double lowest, scale;  /* bucket = (cost - lowest) * scale */
	size_t buckets;        /* up to BUCKETS; of few tasks there are few
	                          points, for which fewer will do */
	double floor[BUCKETS]; /* best quality in this bucket or below it */
	int64_t at_cost[BUCKETS];  /* of the best one within the bucket */
	double at_right[BUCKETS];
	/* Sums by score of the second column while the first cut moves, and
	 * for chains longer than three. */
	double *sum_right;
	int64_t *sum_cost;
	uint32_t *group, *first_cut;
	size_t most_groups;        /* 0: FRONTIER_GROUPS above FRONTIER_EXACT */
	/* frontier_within() */
	const double *within;
	struct point *best;
	size_t budgets;
	uint32_t budget_at[BUCKETS]; /* the first that may hold the bucket */
	bool failed;
};

struct frontier *
frontier_new(const struct ranks *ranks)
{
	struct frontier *f = calloc(1, sizeof(*f));
	int64_t lowest = INT64_MAX, highest = 0;

	if (!f)
		return NULL;
	f->ranks = ranks;
	f->n = ranks->m->tasks;
	for (size_t k = 0; k < ranks->m->columns; k++) {
		if (ranks->col[k].sum_cost < lowest)
			lowest = ranks->col[k].sum_cost;
		if (ranks->col[k].sum_cost > highest)
			highest = ranks->col[k].sum_cost;
	}
	f->lowest = (double)lowest;
	f->buckets = f->n < FEW_TASKS ? FEW_BUCKETS : BUCKETS;
	f->scale = (double)(f->buckets - 1) / (1.25 * (double)highest - f->lowest + 1);
	frontier_clear(f);
	f->single = calloc(ranks->m->columns + 1, sizeof(*f->single));
	f->sum_right = malloc((f->n + 1) * sizeof(*f->sum_right));
	f->sum_cost = malloc((f->n + 1) * sizeof(*f->sum_cost));
	f->group = malloc((f->n + 1) * sizeof(*f->group));
	f->first_cut = malloc((f->n + 2) * sizeof(*f->first_cut));
	if (!f->single || !f->sum_right || !f->sum_cost || !f->group
	    || !f->first_cut) {
		frontier_free(f);
		return NULL;
	}
	return f;
}

void
frontier_clear(struct frontier *f)
{
	f->points = f->singles = 0;
	for (size_t b = 0; b < f->budgets; b++)
		f->best[b].right = -INFINITY;
	for (size_t b = 0; !f->within && b < f->buckets; b++) {
		f->floor[b] = f->at_right[b] = -INFINITY;
		f->at_cost[b] = INT64_MAX;
	}
}

void
frontier_free(struct frontier *f)
{
	if (!f)
		return;
	free(f->p);
	free(f->single);
	free(f->shown);
	free(f->sum_right);
	free(f->sum_cost);
	free(f->group);
	free(f->first_cut);
	free(f);
}

void
frontier_grouped(struct frontier *f, size_t groups)
{
	f->most_groups = groups;
}

/* --- the staircase ------------------------------------------------------- */

static int
by_cost(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	if (x->right != y->right)
		return x->right > y->right ? -1 : 1;
	return memcmp(&x->chain, &y->chain, sizeof(x->chain));
}

static size_t
bucket_of(const struct frontier *f, int64_t cost)
{
	double b = ((double)cost - f->lowest) * f->scale;

	return b < 0 ? 0 : b > (double)(f->buckets - 1) ? f->buckets - 1
	    : (size_t)b;
}

/* Those first that a cheaper bucket has made worthless since they came, which
 * are most of them: there is less to sort. */
static void
sift(struct frontier *f)
{
	size_t k = 0;

	for (size_t i = 0; i < f->points; i++) {
		size_t b = bucket_of(f, f->p[i].cost);
		if (b == 0 || f->floor[b - 1] < f->p[i].right)
			f->p[k++] = f->p[i];
	}
	f->points = k;
}

static void
thin(struct frontier *f)
{
	double best = -INFINITY;
	size_t k = 0;

	sift(f);
	qsort(f->p, f->points, sizeof(*f->p), by_cost);
	for (size_t i = 0; i < f->points; i++) {
		if (f->p[i].right <= best + TIE)
			continue;
		best = f->p[i].right;
		f->p[k++] = f->p[i];
	}
	f->points = k;
}

/* The smallest budget that holds a cost; f->budgets: none does. */
static size_t
budget_of(const struct frontier *f, int64_t cost)
{
	size_t b = f->budget_at[bucket_of(f, cost)];

	while (b < f->budgets && f->within[b] < (double)cost)
		b++;
	return b;
}

static bool
is_beaten(const struct frontier *f, int64_t cost, double right)
{
	size_t b;

	if (f->within) {
		b = budget_of(f, cost);
		return b == f->budgets || f->best[b].right >= right;
	}
	b = bucket_of(f, cost);

	return (b > 0 && f->floor[b - 1] >= right)
	    || (f->at_cost[b] <= cost && f->at_right[b] >= right);
}

static void
keep(struct frontier *f, const struct point *p)
{
	size_t b;

	if (f->within) {
		for (b = budget_of(f, p->cost); b < f->budgets
		    && f->best[b].right < p->right; b++)
			f->best[b] = *p;
		return;
	}
	b = bucket_of(f, p->cost);

	if (f->points == f->room) {
		size_t room = f->room ? 2 * f->room : 1024;
		struct point *grown;
		if (f->points >= THIN_AT)
			thin(f);
		if (f->points > f->room / 2 || !f->room) {
			grown = realloc(f->p, room * sizeof(*grown));
			if (!grown) {
				f->failed = true;
				return;
			}
			f->p = grown;
			f->room = room;
		}
	}
	f->p[f->points++] = *p;
	if (p->right > f->at_right[b]) {
		f->at_right[b] = p->right;
		f->at_cost[b] = p->cost;
	}
	for (; b < f->buckets && f->floor[b] < p->right; b++)
		f->floor[b] = p->right;
}

void
frontier_within(struct frontier *f, const double *cost, size_t n,
    struct point *best)
{
	size_t b = 0;

	f->within = cost;
	f->best = best;
	f->budgets = n;
	for (size_t k = 0; k < f->buckets; k++) {
		/* Costs of a bucket are at or above its lower end; the last
		 * one has all that are above. */
		double low = f->lowest + (double)k / f->scale;
		while (b < n && cost[b] < low - 1)
			b++;
		f->budget_at[k] = (uint32_t)b;
	}
	f->budget_at[0] = 0;
	frontier_clear(f);
}

static void
offer(struct frontier *f, const struct chain *c, int64_t cost, double right,
    const uint32_t *cut)
{
	struct point p;

	if (is_beaten(f, cost, right))
		return;
	memset(&p, 0, sizeof(p));
	p.cost = cost;
	p.right = right;
	p.chain = *c;
	if (cut)
		memcpy(p.cut, cut, (c->n - 1u) * sizeof(*cut));
	keep(f, &p);
}

/* --- one and two tiers --------------------------------------------------- */

static void
add_single(struct frontier *f, const struct chain *c)
{
	const struct ranked *a = &f->ranks->col[c->col[0]];
	struct point p;

	offer(f, c, a->sum_cost, a->sum_right, NULL);
	memset(&p, 0, sizeof(p));
	p.cost = a->sum_cost;
	p.right = a->sum_right;
	p.chain = *c;
	for (size_t i = 0; i < f->singles; i++)
		if (f->single[i].chain.col[0] == c->col[0])
			return;
	f->single[f->singles++] = p;
}

static void
add_pair(struct frontier *f, const struct chain *c)
{
	const struct ranked *a = &f->ranks->col[c->col[0]];
	const struct ranked *z = &f->ranks->col[c->col[1]];
	int64_t cost = a->sum_cost + z->sum_cost;
	double right = z->sum_right;

	offer(f, c, cost, right, &(uint32_t){ 0 });
	for (size_t i = 0; i < f->n; ) {
		uint32_t rank = a->rank[a->order[i]];
		for (; i < f->n && a->rank[a->order[i]] == rank; i++) {
			uint32_t t = a->order[i];
			cost -= z->cost[t];
			right += a->right[t] - z->right[t];
		}
		offer(f, c, cost, right, &(uint32_t){ rank + 1 });
	}
}

/* --- three tiers --------------------------------------------------------- */

/* Into how many groups the scores of a column are taken together; 0: not. */
static size_t
grouping(const struct frontier *f, const struct ranked *c)
{
	size_t most = f->most_groups;

	if (!most && c->ranks > FRONTIER_EXACT)
		most = FRONTIER_GROUPS;
	return most && c->ranks > most && f->n > most ? most : 0;
}

/*
 * Which group each task's rank belongs to, and first_cut[g]: how many ranks
 * are in the groups before g. One group a rank, or at most about `most` groups of
 * about equal counts. Gives the number of groups.
 */
static uint32_t
group_ranks(const struct ranked *c, size_t n, size_t most, uint32_t *group,
    uint32_t *first_cut)
{
	uint32_t groups = 0, rank = UINT32_MAX;
	size_t due = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t t = c->order[i];
		if (c->rank[t] != rank && (!most || i >= due)) {
			first_cut[groups++] = c->rank[t];
			due = most ? n * groups / most : 0;
		}
		rank = c->rank[t];
		group[t] = groups - 1;
	}
	first_cut[groups] = c->ranks;
	return groups;
}

/* All cuts of the second tier over what the first rejects; from "accept all"
 * upwards cost only grows, so that only records of quality matter. */
static void
sweep(struct frontier *f, const struct chain *c, uint32_t groups,
    int64_t cost, double right, uint32_t cut_a)
{
	double best = -INFINITY;

	for (uint32_t g = groups; ; g--) {
		if (right > best) {
			best = right;
			if (!is_beaten(f, cost, right))
				offer(f, c, cost, right, (uint32_t[]){ cut_a,
				    f->first_cut[g] });
		}
		if (g == 0)
			break;
		cost += f->sum_cost[g - 1];
		right += f->sum_right[g - 1];
	}
}

static void
add_triple(struct frontier *f, const struct chain *c)
{
	const struct ranked *a = &f->ranks->col[c->col[0]];
	const struct ranked *b = &f->ranks->col[c->col[1]];
	const struct ranked *z = &f->ranks->col[c->col[2]];
	uint32_t groups = group_ranks(b, f->n, grouping(f, b), f->group,
	    f->first_cut);
	int64_t cost = a->sum_cost + b->sum_cost;
	double right = b->sum_right;
	size_t every = 1, step = 0, i = 0;

	if (grouping(f, a))
		every = f->n / grouping(f, a);
	memset(f->sum_right, 0, groups * sizeof(*f->sum_right));
	memset(f->sum_cost, 0, groups * sizeof(*f->sum_cost));
	for (uint32_t t = 0; t < f->n; t++) {
		f->sum_right[f->group[t]] += z->right[t] - b->right[t];
		f->sum_cost[f->group[t]] += z->cost[t];
	}
	sweep(f, c, groups, cost, right, 0);
	while (i < f->n) {
		uint32_t rank = a->rank[a->order[i]];
		for (; i < f->n && a->rank[a->order[i]] == rank; i++) {
			uint32_t t = a->order[i], g = f->group[t];
			f->sum_right[g] -= z->right[t] - b->right[t];
			f->sum_cost[g] -= z->cost[t];
			cost -= b->cost[t];
			right += a->right[t] - b->right[t];
		}
		if (i >= step * every) {
			sweep(f, c, groups, cost, right, rank + 1);
			step = i / every + 1;
		}
	}
}

/* --- longer chains ------------------------------------------------------- */

/* Where a task's answer comes from, from place `from` on, and what was paid
 * from there. */
static size_t
where(const struct ranks *r, const struct chain *c, const uint32_t *cut,
    size_t from, uint32_t t, int64_t *cost)
{
	size_t p = from;

	*cost = 0;
	for (; p < c->n; p++) {
		const struct ranked *k = &r->col[c->col[p]];
		*cost += k->cost[t];
		if (p + 1u == c->n || k->rank[t] < cut[p])
			break;
	}
	return p;
}

/* The best cut at place p at a price of quality (right answers a picodollar),
 * with the other cuts held; every cut is offered on the way if `offering`. */
static uint32_t
best_cut(struct frontier *f, const struct chain *c, uint32_t *cut, size_t p,
    double price, bool offering)
{
	const struct ranked *k = &f->ranks->col[c->col[p]];
	int64_t total = 0, spent, rest;
	double right = 0, value, best = 0;
	uint32_t best_at = 0, at[FRONTIER_MAX_CHAIN - 1];
	size_t who, i = 0;

	/* Without anything accepted here; sum_* is what accepting t changes. */
	memcpy(at, cut, sizeof(at));
	for (uint32_t t = 0; t < f->n; t++) {
		f->sum_right[t] = 0;
		f->sum_cost[t] = 0;
		at[p] = UINT32_MAX; /* accepts all that come here */
		who = where(f->ranks, c, at, 0, t, &spent);
		if (who == p) {
			at[p] = 0;
			who = where(f->ranks, c, at, p + 1, t, &rest);
			spent += rest;
			f->sum_right[t] = k->right[t]
			    - f->ranks->col[c->col[who]].right[t];
			f->sum_cost[t] = -rest;
		}
		total += spent;
		right += f->ranks->col[c->col[who]].right[t];
	}
	for (uint32_t rank = 0; ; rank++) {
		at[p] = rank;
		if (offering)
			offer(f, c, total, right, at);
		value = right - price * (double)total;
		if (rank == 0 || value > best) {
			best = value;
			best_at = rank;
		}
		if (rank == k->ranks)
			break;
		for (; i < f->n && k->rank[k->order[i]] == rank; i++) {
			total += f->sum_cost[k->order[i]];
			right += f->sum_right[k->order[i]];
		}
	}
	return best_at;
}

static void
climb_hill(struct frontier *f, const struct chain *c, uint32_t *cut,
    double price)
{
	bool moved = true;

	for (int round = 0; moved && round < ROUNDS; round++) {
		moved = false;
		for (size_t p = 0; p + 1u < c->n; p++) {
			uint32_t to = best_cut(f, c, cut, p, price, false);
			moved |= to != cut[p];
			cut[p] = to;
		}
	}
	for (size_t p = 0; p + 1u < c->n; p++)
		best_cut(f, c, cut, p, price, true);
}

/* All accepted, none, and shares between. */
static void
start_at(const struct frontier *f, const struct chain *c, size_t s,
    uint32_t *cut)
{
	static const double share[STARTS] = { 1, 0, 0.75, 0.5, 0.25 };

	for (size_t p = 0; p + 1u < c->n; p++)
		cut[p] = (uint32_t)(share[s]
		    * f->ranks->col[c->col[p]].ranks);
}

/*
 * Prices from "a right answer is worth a thousandth of the top tier's call" to
 * a thousand of them, upwards and downwards, so that the cuts of one price
 * start the next; and at every price from some shares of acceptance as well.
 */
static void
add_long(struct frontier *f, const struct chain *c)
{
	const struct ranked *z = &f->ranks->col[c->col[c->n - 1]];
	double call = (double)z->sum_cost / (double)(f->n ? f->n : 1);
	uint32_t cut[STARTS][FRONTIER_MAX_CHAIN - 1];

	for (size_t s = 0; s < STARTS; s++)
		start_at(f, c, s, cut[s]);
	for (int k = 0; k < PRICES; k++)
		for (size_t s = 0; s < STARTS; s++) {
			double at = s == 0 ? PRICES - 1 - k : k;
			if (s > 1)
				start_at(f, c, s, cut[s]);
			climb_hill(f, c, cut[s], pow(10, 6 * at / (PRICES - 1)
			    - 3) / (call > 0 ? call : 1));
		}
}

int
frontier_add(struct frontier *f, const struct chain *c, struct err *e)
{
	switch (c->n) {
	case 1:
		add_single(f, c);
		break;
	case 2:
		add_pair(f, c);
		break;
	case 3:
		add_triple(f, c);
		break;
	default:
		add_long(f, c);
	}
	return f->failed ? err_nomem(e) : 0;
}

/* --- what is shown ------------------------------------------------------- */

double
frontier_toss(const struct frontier *f, double cost)
{
	double best = -INFINITY;

	for (size_t i = 0; i < f->singles; i++) {
		const struct point *a = &f->single[i];
		if ((double)a->cost > cost)
			continue;
		if (a->right > best)
			best = a->right;
		for (size_t j = 0; j < f->singles; j++) {
			const struct point *b = &f->single[j];
			double share;
			if ((double)b->cost <= cost)
				continue;
			share = (cost - (double)a->cost)
			    / ((double)b->cost - (double)a->cost);
			if (a->right + share * (b->right - a->right) > best)
				best = a->right
				    + share * (b->right - a->right);
		}
	}
	return best;
}

static bool
is_honest(const struct frontier *f, const struct point *p)
{
	return p->chain.n == 1
	    || p->right > frontier_toss(f, (double)p->cost) + TIE;
}

const struct point *
frontier_points(struct frontier *f, bool honest, size_t *n, struct err *e)
{
	struct point *all;
	size_t count = 0, k = 0;
	double best = -INFINITY;

	thin(f);
	free(f->shown);
	all = f->shown = calloc(f->points + f->singles + 1, sizeof(*all));
	if (!all || f->failed) {
		err_nomem(e);
		return NULL;
	}
	/* A single model may have been beaten by a cascade that is not
	 * offered. */
	for (size_t i = 0; i < f->points; i++)
		if (!honest || is_honest(f, &f->p[i]))
			all[count++] = f->p[i];
	for (size_t i = 0; i < f->singles; i++)
		all[count++] = f->single[i];
	qsort(all, count, sizeof(*all), by_cost);
	for (size_t i = 0; i < count; i++) {
		if (all[i].right <= best + TIE)
			continue;
		best = all[i].right;
		all[k++] = all[i];
	}
	*n = k;
	return all;
}
