/*
 * certify.c -- the net loss, tested in a fixed order.
 */
#include "cascade/certify.h"

#include <math.h>
#include <stdlib.h>

#include "base/rand.h"
#include "cascade/walk.h"

/* Of the orders of pairs: the range of quality_logit(). */
#define LEAST_LOGIT (-40.0)
#define MOST_LOGIT 40.0
/* A pair that costs more than this share of the top tier before it has
 * answered anything is not tried: it would take its part of delta. */
#define WORTH_TRYING 0.6
/* Labels in the place of each that is needed at least, so that something may
 * be lost: for one pair more to share delta, and for a part to choose. */
#define FOR_A_PAIR 1.5
#define FOR_CHOOSING 3.0
/* The same, for a chain of three to be thought of where nothing else is tested
 * besides. With fewer the room for a loss is a handful of tasks: the rehearsal
 * cannot tell luck from worth within it, and what it gets wrong costs more than
 * a third tier saves. That it is five is from measurements (docs/tuning.md). */
#define FOR_A_THIRD 5.0
#define FOR_THE_CHAIN 0.5 /* of delta */
/* Labels that tell what tiers cost and how good they are: at least so many, or
 * one of so many. */
#define LOOKED_AT 15
#define LOOKED_AT_OF 20
#define TEN_TIMES 0.1
#define CAREFUL 10   /* steps before the most careful point of a frontier */
#define ROUGHLY 512  /* groups of scores, where all is done five times */
#define CHEAPER 0.02 /* a chain of three must be, by this share */

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

int
certify_order(const struct matrix *m, const struct policy *order, size_t n,
    size_t top, const struct netloss *test, size_t *passed,
    struct certificate *out, struct err *e)
{
	bool passes = true;
	int64_t lost = -1, gained = -1; /* of the step before */
	struct walk w;
	int rc = 0;

	*passed = 0;
	if (n == 0)
		return 0;
	rc = walk_begin(&w, m, &order[0].chain, top, e);
	for (size_t i = 0; rc == 0 && passes && i < n; i++) {
		walk_to(&w, &order[i]);
		if (w.lost != lost || w.gained != gained)
			passes = netloss_passes(test, w.lost, w.gained);
		lost = w.lost;
		gained = w.gained;
		if (passes)
			*passed = i + 1;
		if (passes || i == 0) {
			out->policy = order[i];
			out->lost = w.lost;
			out->gained = w.gained;
			out->cost = (double)w.cost / (double)m->tasks;
		}
	}
	walk_end(&w);
	return rc;
}

size_t
certify_steps(const struct chain *c, struct policy order[CERTIFY_STEPS])
{
	double step = (MOST_LOGIT - LEAST_LOGIT) / (CERTIFY_STEPS - 2);

	for (size_t i = 0; i < CERTIFY_STEPS; i++) {
		order[i] = (struct policy){ .chain = *c };
		if (i > 0) /* the first: 0, the logarithm of 1 */
			order[i].threshold[0] = -log1p(exp(-(MOST_LOGIT
			    - step * (double)(i - 1))));
	}
	return CERTIFY_STEPS;
}

/* --- trying orders --------------------------------------------------------- */

/* What is asked, and the best so far. */
struct trial {
	const struct certify_ask *ask;
	struct netloss_shelf *shelf, own;
	struct policy *order; /* room for CERTIFY_STEPS */
	struct certificate *out;
	bool any;
};

static int
trial_begin(struct trial *t, const struct certify_ask *ask,
    struct certificate *out, struct err *e)
{
	*t = (struct trial){ .ask = ask, .out = out };
	*out = (struct certificate){ .verdict = CERTIFY_NO_CHAIN };
	t->shelf = ask->shelf ? ask->shelf : &t->own;
	t->order = malloc(CERTIFY_STEPS * sizeof(*t->order));
	return t->order ? 0 : err_nomem(e);
}

static void
trial_end(struct trial *t)
{
	netloss_shelf_release(&t->own);
	free(t->order);
}

static struct netloss_wish
wish_of(const struct certify_ask *ask, double delta)
{
	return (struct netloss_wish){ ask->max_loss, delta, ask->bound };
}

/* Cheaper, or at least nearer to what may be lost. */
static bool
is_better(const struct certificate *a, const struct certificate *b)
{
	if (a->verdict != b->verdict)
		return a->verdict < b->verdict;
	if (a->verdict <= CERTIFY_TOO_DEAR)
		return a->cost < b->cost;
	return a->needed && (!b->needed || a->needed < b->needed);
}

/* Tests t->order on m with a part of delta. */
static int
try_order(struct trial *t, const struct matrix *m, size_t steps,
    double delta, int64_t chosen_on, struct err *e)
{
	const struct certify_ask *ask = t->ask;
	struct netloss_wish wish = wish_of(ask, delta);
	struct certificate one = { .labels = (int64_t)m->tasks,
		.chosen_on = chosen_on };
	double n = (double)m->tasks;
	const struct netloss *test;
	size_t passed;

	one.needed = netloss_needed(wish);
	one.verdict = CERTIFY_TOO_FEW;
	if (one.labels >= one.needed) {
		test = netloss_get(t->shelf, one.labels, wish, e);
		if (!test)
			return -1;
		if (certify_order(m, t->order, steps, ask->top, test, &passed,
		    &one, e) < 0)
			return -1;
		one.verdict = !passed ? CERTIFY_TOP_ONLY : one.cost
		    < matrix_mean_cost(m, ask->top) ? CERTIFY_YES
		    : CERTIFY_TOO_DEAR;
		one.needed = passed ? 0 : netloss_guess((double)one.lost / n,
		    (double)one.gained / n, wish);
	}
	one.chains = t->out->chains + 1;
	if (!t->any || is_better(&one, t->out))
		*t->out = one;
	t->out->chains = one.chains;
	t->any = true;
	return 0;
}

/* --- a chain and its order, from other labels ------------------------------ */

/* Are there so many labels in the place of each that is needed? */
static bool
suffices(const struct certify_ask *ask, double labels, double times,
    double delta)
{
	return labels >= times * (double)netloss_needed(wish_of(ask, delta));
}

/* Chains that end in the top tier and begin with something cheaper. */
static struct chain *
find_chains(const struct matrix *m, size_t top, size_t longest, size_t *n)
{
	double most = matrix_mean_cost(m, top);
	struct chain *c = search_chains(m, longest, n);
	size_t kept = 0;

	for (size_t i = 0; c && i < *n; i++)
		if (c[i].n > 1 && c[i].col[c[i].n - 1] == top
		    && matrix_mean_cost(m, c[i].col[0]) < most)
			c[kept++] = c[i];
	*n = kept;
	return c;
}

/* What the test will be on. */
struct outlook {
	const struct ranks *ranks;
	const struct certify_ask *ask;
	double rest; /* labels */
	double z;    /* see test_reach() */
	bool alone;  /* no pairs are tested besides */
	bool rough;  /* see frontier_grouped() */
};

/* How many standard errors of the net loss the test is away from it. Two bounds,
 * at half of delta each, are together so far where as many are gained as lost;
 * elsewhere less. */
static double
test_reach(const struct certify_ask *ask, double delta)
{
	if (ask->bound == NETLOSS_CLOPPER_PEARSON)
		return sqrt(2) * netloss_quantile(delta / 2);
	return netloss_quantile(delta);
}

/* How much worse than on n tasks a cascade may turn out in the test and still
 * pass, in standard errors. `room`: what it may lose more than it did there, a
 * task; `differ`: the tasks of n where it and the top tier differ. */
static double
luck_needed(const struct outlook *o, double n, double room, int64_t differ)
{
	double share = ((double)differ + 1) / (n + 2);

	return (room - o->z * sqrt(share / o->rest))
	    / sqrt(share / o->rest + share / n);
}

/* That of a point; -infinity: it fails even if it turns out better by one,
 * however many of the tasks differ, which is seen without running them. */
static double
spare_luck(const struct outlook *o, const struct point *p)
{
	const struct matrix *m = o->ranks->m;
	struct policy policy = policy_of(o->ranks, p);
	double n = (double)m->tasks, error;
	double loss = (o->ranks->col[o->ask->top].sum_right - p->right) / n;
	double room = o->ask->max_loss - loss;
	struct counts c;

	/* Of differ = 1, the most that there can be; of 0 it is 0. */
	error = o->z / sqrt(o->rest) - sqrt(1 / o->rest + 1 / n);
	if (room < fmin(error, 0))
		return -INFINITY;
	c = compare(m, &policy, o->ask->top);
	return luck_needed(o, n, room, c.lost + c.gained);
}

/* What a chain may be expected to cost, all tasks together: the mean of what
 * passes with bad, middling and good luck. Points by rising cost. */
static double
expected_cost(const struct outlook *o, const struct point *p, size_t n)
{
	double top = (double)o->ranks->col[o->ask->top].sum_cost;
	double cost[3] = { top, top, top };

	for (size_t i = 0; i < n && cost[2] == top; i += 1 + n / 64) {
		double luck = spare_luck(o, &p[i]);
		for (int k = 0; k < 3; k++)
			if (luck >= k - 1 && (double)p[i].cost < cost[k])
				cost[k] = (double)p[i].cost;
	}
	return (cost[0] + cost[1] + cost[2]) / 3;
}

/* The best pair and the best longer chain; n is 0 where there is none. */
enum { PAIR, LONGER, LENGTHS };
struct prospect {
	struct chain chain;
	double cost; /* see expected_cost() */
};

static int
choose(const struct outlook *o, const struct chain *c, size_t n,
    struct prospect best[LENGTHS], struct err *e)
{
	struct frontier *f = frontier_new(o->ranks);
	double cost;
	int rc = f ? 0 : err_nomem(e);

	for (size_t k = 0; k < LENGTHS; k++)
		best[k] = (struct prospect){ { .n = 0 }, INFINITY };
	if (rc == 0 && o->rough)
		frontier_grouped(f, ROUGHLY);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct point *p;
		size_t points, k = c[i].n > 2 ? LONGER : PAIR;
		frontier_clear(f);
		rc = frontier_add(f, &c[i], e);
		p = rc == 0 ? frontier_points(f, false, &points, e) : NULL;
		if (!p) {
			rc = -1;
			break;
		}
		cost = expected_cost(o, p, points);
		if (cost < best[k].cost)
			best[k] = (struct prospect){ c[i], cost };
	}
	frontier_free(f);
	return rc;
}

/* The frontier of a chain from its most careful point on, before which
 * there come, for caution, those that accept less at each tier. */
static int
make_order(const struct ranks *ranks, const struct chain *c,
    struct policy *order, size_t *n, struct err *e)
{
	struct frontier *f = frontier_new(ranks);
	const struct point *p = NULL;
	size_t points, k = 0, room = CERTIFY_STEPS - CAREFUL;
	int rc = f ? frontier_add(f, c, e) : err_nomem(e);

	if (rc == 0)
		p = frontier_points(f, false, &points, e);
	if (!p) {
		frontier_free(f);
		return -1;
	}
	for (uint32_t i = 1; i < CAREFUL; i++) {
		struct point careful = p[points - 1];
		for (size_t j = 0; j + 1u < c->n; j++)
			careful.cut[j] = careful.cut[j] * i / CAREFUL;
		order[k++] = policy_of(ranks, &careful);
	}
	for (size_t i = 0; i < points && i < room; i++)
		order[k++] = policy_of(ranks, &p[points - 1 - (points <= room
		    ? i : i * (points - 1) / (room - 1))]);
	*n = k;
	frontier_free(f);
	return 0;
}

/* --- pairs or chains of three ---------------------------------------------- */

/*
 * The best of some thousand cascades of three tiers looks better on few labels
 * than it is: much more so than the best pair. So it is rehearsed: of five
 * parts of the choosing labels, four choose a chain of each length and make
 * its order, which the fifth runs. Taken together each label has run orders
 * that it took no part in, and what they lost is what such a choice is likely
 * to lose in the test.
 */
#define REHEARSED 64 /* steps of an order */
#define FEWEST (2 * MATRIX_FOLDS) /* labels that are rehearsed with */

struct rehearsal {
	/* Costs: of all tasks of the part together. */
	struct counts step[MATRIX_FOLDS][REHEARSED];
	size_t tasks[MATRIX_FOLDS];
	double top_cost[MATRIX_FOLDS];
};

/* Part k runs the order of one chain. Orders of different parts have not as
 * many points: the same step is the same share of the way. */
static void
run_order(struct rehearsal *r, size_t k, const struct matrix *part,
    const struct policy *order, size_t steps, size_t top)
{
	for (size_t i = 0; i < REHEARSED; i++) {
		size_t at = i * (steps - 1) / (REHEARSED - 1);
		r->step[k][i] = compare(part, &order[at], top);
		r->step[k][i].cost *= (double)part->tasks;
	}
	r->tasks[k] = part->tasks;
	r->top_cost[k] = matrix_mean_cost(part, top) * (double)part->tasks;
}

static int
rehearse_part(const struct outlook *all, size_t k,
    const struct matrix *others, const struct matrix *part,
    const struct chain *c, size_t n, struct policy *order,
    struct rehearsal r[LENGTHS], struct err *e)
{
	struct prospect best[LENGTHS];
	struct outlook o = *all;
	struct ranks ranks = { 0 };
	size_t steps;
	int rc = ranks_init(&ranks, others, o.ask->prior, e);

	o.ranks = &ranks;
	o.rough = true;
	if (rc == 0)
		rc = choose(&o, c, n, best, e);
	for (size_t i = 0; rc == 0 && i < LENGTHS; i++) {
		if (!best[i].chain.n)
			continue;
		rc = make_order(&ranks, &best[i].chain, order, &steps, e);
		if (rc == 0)
			run_order(&r[i], k, part, order, steps, o.ask->top);
	}
	if (ranks.m)
		ranks_release(&ranks);
	return rc;
}

static int
rehearse(const struct outlook *o, const struct chain *c, size_t n,
    struct policy *order, struct rehearsal r[LENGTHS], struct err *e)
{
	const struct matrix *m = o->ranks->m;
	uint32_t *row = malloc((m->tasks + 1) * sizeof(*row));
	int rc = row ? 0 : err_nomem(e);

	for (size_t k = 0; rc == 0 && k < MATRIX_FOLDS; k++) {
		struct matrix *half[2] = { NULL, NULL };
		size_t at = 0, others;
		for (uint32_t t = 0; t < m->tasks; t++)
			if (t % MATRIX_FOLDS != k)
				row[at++] = t;
		others = at;
		for (uint32_t t = (uint32_t)k; t < m->tasks; t += MATRIX_FOLDS)
			row[at++] = t;
		half[0] = matrix_rows(m, row, others);
		half[1] = matrix_rows(m, row + others, at - others);
		rc = !half[0] || !half[1] ? err_nomem(e) : rehearse_part(o,
		    k, half[0], half[1], c, n, order, r, e);
		matrix_free(half[0]);
		matrix_free(half[1]);
	}
	free(row);
	return rc;
}

/* All parts but one: MATRIX_FOLDS leaves none out. */
static struct counts
sum_step(const struct rehearsal *r, size_t step, size_t but)
{
	struct counts sum = { 0, 0, 0 };

	for (size_t k = 0; k < MATRIX_FOLDS; k++)
		if (k != but) {
			sum.lost += r->step[k][step].lost;
			sum.gained += r->step[k][step].gained;
			sum.cost += r->step[k][step].cost;
		}
	return sum;
}

/* As expected_cost(), as a share of the top tier's; the order ends at its first
 * failure. */
static double
rehearsed_cost(const struct outlook *o, const struct rehearsal *r, size_t but)
{
	double n = 0, top = 0, sum = 0;

	for (size_t k = 0; k < MATRIX_FOLDS; k++)
		if (k != but) {
			n += (double)r->tasks[k];
			top += r->top_cost[k];
		}
	for (int luck = -1; luck <= 1; luck++) {
		double cost = top;
		for (size_t i = 0; i < REHEARSED; i++) {
			struct counts c = sum_step(r, i, but);
			double loss = (double)(c.lost - c.gained) / n;
			if (luck_needed(o, n, o->ask->max_loss - loss, c.lost
			    + c.gained) < luck)
				break;
			cost = fmin(c.cost, top);
		}
		sum += cost;
	}
	return sum / (3 * top);
}

/* Is the longer chain cheaper by more than a standard error of the difference
 * (of the jackknife, the parts left out in turn)? */
static bool
longer_pays(const struct outlook *o, const struct rehearsal *pair,
    const struct rehearsal *longer)
{
	double saved[MATRIX_FOLDS + 1], mean = 0, squares = 0;

	for (size_t k = 0; k <= MATRIX_FOLDS; k++)
		saved[k] = rehearsed_cost(o, pair, k)
		    - rehearsed_cost(o, longer, k);
	for (size_t k = 0; k < MATRIX_FOLDS; k++)
		mean += saved[k] / MATRIX_FOLDS;
	for (size_t k = 0; k < MATRIX_FOLDS; k++)
		squares += (saved[k] - mean) * (saved[k] - mean);
	return saved[MATRIX_FOLDS] > sqrt(squares * (MATRIX_FOLDS - 1)
	    / MATRIX_FOLDS);
}

/* The chain of choose() to test. Where pairs are tested besides, a longer one
 * that turns out worse costs nothing more: it need but seem better. Where
 * nothing else is tested it must be. `order`: room for CERTIFY_STEPS. */
static int
choose_length(const struct outlook *o, const struct chain *c, size_t n,
    struct policy *order, struct chain *chosen, struct err *e)
{
	struct rehearsal *r = calloc(LENGTHS, sizeof(*r));
	struct prospect best[LENGTHS];
	int rc = r ? choose(o, c, n, best, e) : err_nomem(e);
	bool longer = false;

	if (rc == 0 && (!best[PAIR].chain.n || !best[LONGER].chain.n)) {
		longer = !best[PAIR].chain.n;
	} else if (rc == 0 && !o->alone) {
		longer = best[LONGER].cost * (1 + CHEAPER) < best[PAIR].cost;
	} else if (rc == 0 && o->ranks->m->tasks >= FEWEST) {
		rc = rehearse(o, c, n, order, r, e);
		longer = rc == 0 && longer_pays(o, &r[PAIR], &r[LONGER]);
	}
	if (rc == 0)
		*chosen = best[longer].chain;
	free(r);
	return rc;
}

/* Tiers of a chain that so many labels may choose and test. */
static size_t
longest_of(const struct outlook *o, double delta)
{
	return !o->alone || suffices(o->ask, o->rest, FOR_A_THIRD, delta)
	    ? CERTIFY_LONGEST : 2;
}

/* The first labels choose, the others test with a part of delta. */
static int
choose_and_try(struct trial *t, const struct matrix *first,
    const struct matrix *rest, double delta, bool alone, struct err *e)
{
	struct outlook o = { .ask = t->ask, .rest = (double)rest->tasks,
		.z = test_reach(t->ask, delta), .alone = alone };
	struct ranks ranks = { 0 };
	struct chain best;
	size_t n, steps;
	struct chain *c = find_chains(first, t->ask->top, longest_of(&o,
	    delta), &n);
	int rc = c ? 0 : err_nomem(e);

	if (rc == 0 && n) {
		o.ranks = &ranks;
		best = c[0];
		rc = ranks_init(&ranks, first, t->ask->prior, e);
		if (rc == 0)
			rc = choose_length(&o, c, n, t->order, &best, e);
		if (rc == 0)
			rc = make_order(&ranks, &best, t->order, &steps, e);
		if (rc == 0)
			rc = try_order(t, rest, steps, delta,
			    (int64_t)first->tasks, e);
		if (ranks.m)
			ranks_release(&ranks);
	}
	free(c);
	return rc;
}

int
certify_chosen(const struct matrix *first, const struct matrix *rest,
    const struct certify_ask *ask, struct certificate *out, struct err *e)
{
	struct trial t;
	int rc = trial_begin(&t, ask, out, e);

	if (rc == 0)
		rc = choose_and_try(&t, first, rest, ask->delta, true, e);
	if (rc == 0 && rest->tasks)
		out->needed = (int64_t)ceil((double)out->needed
		    * (double)(first->tasks + rest->tasks)
		    / (double)rest->tasks);
	trial_end(&t);
	return rc;
}

/* --- all orders ------------------------------------------------------------ */

/* Labels in an order of chance. The first few of them tell which pairs to
 * try, and choose a chain together with some more. */
struct labels {
	size_t cut;
	struct matrix *seen;     /* for costs and accuracy */
	struct matrix *unseen;   /* all others */
	struct matrix *choosing; /* up to the cut */
	struct matrix *rest;
};

static void
labels_release(struct labels *l)
{
	matrix_free(l->seen);
	matrix_free(l->unseen);
	matrix_free(l->choosing);
	matrix_free(l->rest);
}

static int
labels_deal(struct labels *l, const struct matrix *m, size_t look,
    uint64_t seed, struct err *e)
{
	uint32_t *row = malloc((m->tasks + 1) * sizeof(*row));
	size_t n = m->tasks;
	struct rng r;

	*l = (struct labels){ .cut = n / CERTIFY_CHOOSING };
	if (!row)
		return err_nomem(e);
	if (look > n)
		look = n;
	if (l->cut < look)
		l->cut = look;
	rng_seed(&r, seed);
	for (uint32_t i = 0; i < n; i++) {
		size_t j = rng_u64(&r) % (i + 1);
		row[i] = row[j];
		row[j] = i;
	}
	l->seen = matrix_rows(m, row, look);
	l->unseen = matrix_rows(m, row + look, n - look);
	l->choosing = matrix_rows(m, row, l->cut);
	l->rest = matrix_rows(m, row + l->cut, n - l->cut);
	free(row);
	return l->seen && l->unseen && l->choosing && l->rest ? 0
	    : err_nomem(e);
}

struct candidate {
	struct chain pair;
	double merit; /* for being tried */
};

static int
by_merit(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->merit != y->merit)
		return x->merit > y->merit ? -1 : 1;
	return x->pair.col[0] - y->pair.col[0];
}

/* Few tasks tell little of how good a tier is: being ten times as dear counts
 * as much as being right in so much more of them. */
static double
merit(const struct matrix *m, size_t column, double top_cost)
{
	double share = matrix_mean_cost(m, column) / top_cost;

	return matrix_accuracy(m, column)
	    + TEN_TIMES * log10(fmax(share, 1e-6));
}

/* Those that are worth trying; if there are none, all that are cheaper than the
 * top tier. */
static size_t
find_pairs(const struct matrix *m, size_t top, struct candidate *out)
{
	double all = matrix_mean_cost(m, top), most = all * WORTH_TRYING;
	size_t n = 0;

	for (int again = 0; n == 0 && again < 2; again++, most = all)
		for (size_t k = 0; k < m->columns; k++) {
			double cost = matrix_mean_cost(m, k);
			if (m->col[k].score && cost <= most && cost < all
			    && m->col[k].tier != m->col[top].tier)
				out[n++] = (struct candidate){ { 2, {
				    (uint8_t)k, (uint8_t)top } },
				    merit(m, k, all) };
		}
	qsort(out, n, sizeof(*out), by_merit);
	return n;
}

/* The only tier with a score that is not the top one; false: there are
 * several. */
static bool
only_pair(const struct matrix *m, size_t top, struct candidate *out,
    size_t *n)
{
	*n = 0;
	for (size_t k = 0; k < m->columns; k++)
		if (m->col[k].score && m->col[k].tier != m->col[top].tier
		    && (*n)++ == 0)
			out->pair = (struct chain){ 2, { (uint8_t)k,
			    (uint8_t)top } };
	return *n < 2;
}

static int
try_pairs(struct trial *t, const struct matrix *m,
    const struct candidate *c, size_t n, double delta, struct err *e)
{
	double tasks = (double)m->tasks;
	size_t k = n > 0;
	int rc = 0;

	while (k < n && k < CERTIFY_SHARED && suffices(t->ask, tasks,
	    FOR_A_PAIR, delta / (double)(k + 1)))
		k++;
	for (size_t i = 0; rc == 0 && i < k; i++)
		rc = try_order(t, m, certify_steps(&c[i].pair, t->order), delta
		    / (double)k, 0, e);
	return rc;
}

/* Pairs by what tiers are on a few labels apart, and a chain. */
static int
try_all(struct trial *t, const struct labels *l, struct err *e)
{
	struct candidate pair[MATRIX_MAX_COLUMNS];
	size_t n = find_pairs(l->seen, t->ask->top, pair);
	double delta = t->ask->delta, chosen = 0;

	if (suffices(t->ask, (double)l->rest->tasks, FOR_CHOOSING,
	    FOR_THE_CHAIN * delta))
		chosen = FOR_THE_CHAIN * delta;
	if (try_pairs(t, l->unseen, pair, n, delta - chosen, e) < 0)
		return -1;
	return chosen > 0 ? choose_and_try(t, l->choosing, l->rest, chosen,
	    false, e) : 0;
}

/* So many of all labels tell of the tiers. */
static size_t
looked_at(size_t labels)
{
	size_t n = labels / LOOKED_AT_OF;

	return n < LOOKED_AT ? LOOKED_AT : n;
}

/* What is needed of labels that test is needed of all labels. */
static void
add_others(struct certificate *c, size_t labels)
{
	int64_t test = c->needed;

	if (c->verdict == CERTIFY_TOO_FEW)
		while (c->needed - (int64_t)looked_at((size_t)c->needed)
		    < test)
			c->needed++;
	else if (c->labels)
		c->needed = (int64_t)ceil((double)c->needed * (double)labels
		    / (double)c->labels);
}

int
certify_best(const struct matrix *m, const struct certify_ask *ask,
    struct certificate *out, struct err *e)
{
	struct labels l = { .cut = 0 };
	struct candidate pair;
	size_t n;
	struct trial t;
	bool only = only_pair(m, ask->top, &pair, &n);
	int rc = trial_begin(&t, ask, out, e);

	if (rc == 0 && only)
		rc = try_pairs(&t, m, &pair, n, ask->delta, e);
	else if (rc == 0 && (rc = labels_deal(&l, m, looked_at(m->tasks),
	    ask->seed, e)) == 0)
		rc = try_all(&t, &l, e);
	if (rc == 0 && !only)
		add_others(out, m->tasks);
	labels_release(&l);
	trial_end(&t);
	return rc;
}
