/*
 * tune.c -- how good and how fast learning a cascade is.
 *
 *	tune held FOLDER [REPEATS [LONGEST [plain]]]
 *	tune promise FOLDER [ROUNDS [SET [clopper-pearson]]]
 *	tune learned-promise FOLDER [ROUNDS [SET]]
 *	tune speed
 *
 * FOLDER has the recorded answers that the issues speak of (../shared/data).
 *
 * held: for each data set and pool of models the mean error over a uniform
 * grid of budgets, by ten-fold cross-validation. For each budget it is that of
 * what tune_mix_within() takes of the lessons that search_lessons() gives on the
 * other nine folds. Beside it, on the same folds: the coin toss between two
 * single models and the best single model within the budget. Each tier is
 * scored by what was recorded or by a learned score, as the nine folds say;
 * with `plain` by what was recorded alone. The tenth fold trains nothing:
 * neither the scores, nor which scorer, nor thresholds, nor chains; and within
 * the nine, the same is true of each fold of the cross-validation that chooses.
 *
 * promise: of many samples of labels, how often the promised cascade loses more
 * than was promised on all tasks of the set, and what it costs; beside it the
 * net Clopper-Pearson procedure (the upper bound of what is lost less the lower
 * bound of what is gained, at half of delta each, at quantiles of the scores) on
 * the one pair that is best on all tasks, which nobody can know beforehand. With
 * the last word ours is tested by two such bounds as well; SET may be "all".
 *
 * learned-promise: the same of learned scores: half of the labels are drawn
 * from one half of the tasks and train the scores and choose the cascade, the
 * other half of the labels are drawn from the other half of the tasks, which also
 * tells the truth. Five rounds test with other labels what one training gave: the
 * promise is to hold given any training, so that all rounds count; each training
 * has other halves. Beside it the same yardstick on the labels that test, for
 * the pair that is best on all tasks of the half that tells the truth, and, in a
 * second line, for the one that is best on the labels that train.
 *
 * speed: frontiers of made-up tasks, against the goals.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/money.h"
#include "base/rand.h"
#include "cascade/certify.h"
#include "cascade/chance.h"
#include "cascade/harvest.h"
#include "cascade/learn.h"
#include "cascade/quality.h"
#include "cascade/search.h"
#include "cascade/trace.h"
#include "cascade/tune.h"

#define FOLDS 10
#define BUDGETS 100
#define TIERS 9

static void
die(const char *what, const struct err *e)
{
	fprintf(stderr, "tune: %s%s%s\n", what, e ? ": " : "", e ? e->msg : "");
	exit(1);
}

/* --- reading ------------------------------------------------------------- */

#define POOLS 3 /* llama, the others, all */

struct set {
	char name[TIERS][64];
	size_t tiers;
	struct matrix *m; /* a judged column and a plain one a tier */
	/* Of each pool, a row a task and tier; NULL: scores are not learned. */
	struct learn *learn[POOLS];
};

static bool
in_pool(const struct set *s, size_t tier, int pool)
{
	bool llama = strncmp(s->name[tier], "llama", 5) == 0;

	return pool == 2 || llama == (pool == 0);
}

static void
begin_learning(struct set *s)
{
	struct err e;

	for (int p = 0; p < POOLS; p++) {
		struct learn_options o = { .kind = MODEL_SCORE };
		for (size_t k = 0; k < s->tiers; k++)
			o.n_tiers += in_pool(s, k, p);
		if (o.n_tiers && learn_new(&s->learn[p], &o, &e) < 0)
			die("learn", &e);
	}
}

static void
learn_task(struct set *s, const struct trace_task *task)
{
	struct err e;

	for (int p = 0; p < POOLS; p++) {
		struct learn_row row = { .task = task->task->id };
		for (size_t k = 0; s->learn[p] && k < task->n_tiers; k++) {
			const struct trace_tier *v = &task->tiers[k];
			struct score_input in = { .c = v->c, .n = 1,
				.prompt = task->task->prompt };
			if (!in_pool(s, k, p))
				continue;
			row.in = &in;
			row.right = v->notes[0].correct == YES;
			if (learn_add(s->learn[p], &row, &e) < 0)
				die("learn", &e);
			row.tier++;
		}
	}
}

static void
take(struct matrix *m, size_t row, size_t tier, const struct trace_tier *v)
{
	const struct completion *c = &v->c[0];
	const struct verified *asked = c->verified;
	struct column *judged = &m->col[2 * tier], *plain = judged + 1;

	if (asked)
		judged->score[row] = asked->ln;
	else if (c->n_tokens)
		judged->score[row] = c->tokens[0].logprob;
	else
		judged->score[row] = -INFINITY;
	judged->right[row] = plain->right[row] = v->notes[0].correct
	    == YES;
	judged->cost[row] = plain->cost[row] = c->cost_picousd;
	if (asked)
		judged->cost[row] += asked->cost_picousd;
	judged->tier = plain->tier = tier;
}

static void
load(struct set *s, const char *path, bool learned)
{
	bool judged[2 * TIERS];
	size_t room = 8192, n = 0;
	struct matrix *m;
	struct trace *t;
	struct trace_task *task;
	struct err e;
	int rc;

	for (size_t k = 0; k < 2 * TIERS; k++)
		judged[k] = k % 2 == 0;
	m = matrix_new(room, 2 * TIERS, judged);
	if (!m || trace_open(&t, path, &e) < 0)
		die(path, m ? &e : NULL);
	*s = (struct set){ .tiers = 0 };
	while ((rc = trace_next(t, &task, &e)) > 0) {
		if (n == room || task->n_tiers > TIERS)
			die("too many tasks or tiers", NULL);
		if (!s->tiers) {
			for (; s->tiers < task->n_tiers; s->tiers++)
				snprintf(s->name[s->tiers], 64, "%.*s",
				    STR_ARG(task->tiers[s->tiers].name));
			if (learned)
				begin_learning(s);
		}
		for (size_t k = 0; k < task->n_tiers; k++)
			take(m, n, k, &task->tiers[k]);
		n++;
		learn_task(s, task);
		trace_task_free(task);
	}
	if (rc < 0)
		die(path, &e);
	trace_close(t);
	m->tasks = n;
	s->m = m;
}

static struct matrix *
pool_of(const struct set *s, int pool)
{
	size_t column[2 * TIERS], n = 0;
	struct matrix *m;

	for (size_t k = 0; k < s->tiers; k++)
		if (in_pool(s, k, pool)) {
			column[n++] = 2 * k;
			column[n++] = 2 * k + 1;
		}
	m = matrix_columns(s->m, column, n);
	if (!m)
		die("out of memory", NULL);
	return m;
}

static void
unload(struct set *s)
{
	matrix_free(s->m);
	for (int p = 0; p < POOLS; p++)
		learn_free(s->learn[p]);
}

/* --- learned scores ------------------------------------------------------ */

/* Trains on the n tasks `row`, dealt as the cross-validation of search_lessons()
 * will deal them; all others are kept apart. */
static void
train(struct learn *l, const uint32_t *row, size_t n)
{
	size_t rows = learn_rows(l), tiers;
	uint8_t *fold = malloc(rows);
	uint32_t *shuffled = malloc(n * sizeof(*shuffled));
	struct learn_deal deal = { fold, SEARCH_FOLDS, true };
	struct err e;

	if (!fold || !shuffled)
		die("out of memory", NULL);
	tiers = learn_tiers(l);
	memset(fold, LEARN_APART, rows);
	matrix_shuffle(shuffled, n);
	for (size_t k = 0; k < SEARCH_FOLDS; k++)
		for (size_t i = n * k / SEARCH_FOLDS;
		    i < n * (k + 1) / SEARCH_FOLDS; i++)
			memset(&fold[row[shuffled[i]] * tiers], (int)k, tiers);
	learn_deal(l, &deal);
	if (learn_fit(l, &e) < 0)
		die("learn", &e);
	free(fold);
	free(shuffled);
}

/* The matrix of these tasks with, for each tier, the judged column, the
 * learned one and the plain one. */
static struct matrix *
with_learned(const struct matrix *m, const struct learn *l,
    const uint32_t *row, size_t n, bool nested)
{
	size_t column[3 * TIERS], tiers = m->columns / 2;
	struct matrix *some = matrix_rows(m, row, n), *out;

	for (size_t k = 0; k < tiers; k++) {
		column[3 * k] = column[3 * k + 1] = 2 * k;
		column[3 * k + 2] = 2 * k + 1;
	}
	out = some ? matrix_columns(some, column, 3 * tiers) : NULL;
	for (size_t k = 0; out && k < tiers; k++) {
		struct column *c = &out->col[3 * k + 1];
		if (nested && !matrix_nest(out, 3 * k + 1))
			die("out of memory", NULL);
		for (size_t i = 0; i < n; i++) {
			size_t at = row[i] * tiers + k;
			c->score[i] = learn_score(l, at).ln;
			c->cost[i] = out->col[3 * k + 2].cost[i];
			for (unsigned f = 0; nested && f < SEARCH_FOLDS; f++)
				c->without[f][i] = learn_score_without(l, at,
				    f).ln;
		}
	}
	if (!out)
		die("out of memory", NULL);
	matrix_free(some);
	return out;
}

/* Of three columns a tier two, as `frugal tune` would choose them. */
static size_t
choose_columns(const struct matrix *m, size_t *column)
{
	size_t n = 0, top = 2, learned = 0;
	struct err e;

	for (size_t k = 2; k < m->columns; k += 3)
		if (matrix_mean_cost(m, k) > matrix_mean_cost(m, top))
			top = k;
	for (size_t k = 0; k < m->columns; k += 3) {
		double plain, other;
		if (tune_merit(m, k, k + 2, top, &plain, &e) < 0
		    || tune_merit(m, k + 1, k + 2, top, &other, &e) < 0)
			die("merit", &e);
		column[n] = k + (other > plain + tune_margin(m->tasks,
		    true));
		learned += column[n++] != k;
		column[n++] = k + 2;
	}
	return learned;
}

/* --- measuring ----------------------------------------------------------- */

/*
 * How the "uniform grid of budgets" may be read. None gives the figures
 * that it has of the coin toss on these tasks (docs/tuning.md): they are of
 * others. The first is what they fit best.
 */
static const struct reading {
	const char *what;
	bool dearest;     /* up to the dearest model, not the most accurate */
	bool ends;        /* both ends are budgets; else the middles of n parts */
	int n;
} readings[] = {
	{ "100 budgets, evenly between the cheapest model's mean cost and that "
	    "of the most accurate one", false, false, 100 },
	{ "20 budgets, the same with both ends", false, true, 20 },
	{ "100 budgets, evenly between the cheapest model's mean cost and the "
	    "dearest one's", true, false, 100 },
};
#define READINGS (sizeof(readings) / sizeof(readings[0]))

struct range {
	double low, best, dearest;
};

static double
budget_at(const struct reading *r, const struct range *range, int i)
{
	double high = r->dearest ? range->dearest : range->best;
	double at = r->ends ? (double)i / (r->n - 1) : (i + 0.5) / r->n;

	return range->low + (high - range->low) * at;
}

struct figures { /* of a reading */
	double chosen; /* what --max-cost chooses */
	double one;    /* the same without a toss between two cascades */
	double any;    /* and where one may be offered that a toss beats */
	double toss, single, overspent, tosses;
};

struct learned {
	size_t kept, tiers;
};

static size_t longest = 3;

/* The coin toss between two plain columns: which, and the share of b. */
struct toss {
	size_t a, b;
	double share, right;
};

static struct toss
toss_within(const struct matrix *m, double budget)
{
	struct toss t = { 1, 1, 0, -1 };

	for (size_t i = 1; i < m->columns; i += 2)
		for (size_t j = 1; j < m->columns; j += 2) {
			double ci = matrix_mean_cost(m, i), share = 0, right;
			double cj = matrix_mean_cost(m, j);
			if (ci > budget)
				continue;
			if (cj > budget)
				share = (budget - ci) / (cj - ci);
			right = (1 - share) * matrix_accuracy(m, i)
			    + share * matrix_accuracy(m, j);
			if (right > t.right)
				t = (struct toss){ i, j, share, right };
		}
	return t;
}

static double
toss_error(const struct toss *t, const struct matrix *test)
{
	return 1 - (1 - t->share) * matrix_accuracy(test, t->a)
	    - t->share * matrix_accuracy(test, t->b);
}

static double
single_error(const struct matrix *train, const struct matrix *test,
    double budget)
{
	size_t which = 1;
	double best = -1;

	for (size_t k = 1; k < train->columns; k += 2)
		if (matrix_mean_cost(train, k) <= budget
		    && matrix_accuracy(train, k) > best) {
			best = matrix_accuracy(train, k);
			which = k;
		}
	return 1 - matrix_accuracy(test, which);
}

static double
error_of(const struct policy *p, const struct matrix *test, double *cost)
{
	struct policy_sum sum = { 0 };

	policy_add(&sum, p, test);
	*cost = (double)sum.cost / (double)sum.tasks;
	return 1 - (double)sum.right / (double)sum.tasks;
}

/* Expected, over tosses. */
static double
mix_error(const struct tuned *t, const struct tune_mix *mix,
    const struct matrix *test, double *cost)
{
	struct policy p = tune_mix_policy(t, mix, false);
	double first, rest, rest_cost;

	p.share = 1;
	first = error_of(&p, test, cost);
	if (!mix->toss)
		return first;
	p.share = 0;
	rest = error_of(&p, test, &rest_cost);
	*cost = mix->share * *cost + (1 - mix->share) * rest_cost;
	return mix->share * first + (1 - mix->share) * rest;
}

static double
lesson_error(const struct ranks *ranks, const struct lesson *l,
    const struct matrix *test)
{
	struct policy p = policy_of(ranks, &l->point);
	double cost;

	return error_of(&p, test, &cost);
}

static void
add_budget(const struct tuned *t, const struct matrix *test, double budget,
    const struct lesson *any, double weight, struct figures *out)
{
	struct toss toss = toss_within(t->m, budget);
	struct tune_mix mix;
	double cost;

	if (!tune_mix_within(t, budget, &mix) || !any->found)
		die("no cascade is cheap enough", NULL);
	out->chosen += weight * mix_error(t, &mix, test, &cost);
	out->overspent += weight * (cost / budget - 1);
	out->tosses += weight * mix.toss;
	out->one += weight * lesson_error(&t->ranks, tune_within(t, budget),
	    test);
	out->any += weight * lesson_error(&t->ranks, any, test);
	out->toss += weight * toss_error(&toss, test);
	out->single += weight * single_error(t->m, test, budget);
}

static void
fold(struct matrix *train, const struct matrix *test,
    const struct reading *r, const struct range *range, double weight,
    struct figures *out)
{
	struct search_options o = { .longest = longest,
		.prior = QUALITY_PRIOR, .honest = true };
	struct lesson honest[BUDGETS], any[BUDGETS];
	struct tuned t = { .m = train, .lesson = honest };
	double budget[BUDGETS];
	struct err e;

	for (int b = 0; b < r->n; b++)
		budget[b] = budget_at(r, range, b);
	t.lessons = (size_t)r->n;
	if (ranks_init(&t.ranks, train, QUALITY_PRIOR, &e) < 0
	    || search_lessons(&t.ranks, &o, budget, honest, t.lessons, &e) < 0)
		die("search", &e);
	o.honest = false;
	if (search_lessons(&t.ranks, &o, budget, any, t.lessons, &e) < 0)
		die("search", &e);
	/* On other tasks the cheapest model may cost a trifle less. */
	while (t.lessons && !t.lesson->found) {
		t.lesson++;
		t.lessons--;
	}
	for (int b = 0; b < r->n; b++)
		if (t.lessons)
			add_budget(&t, test, fmax(budget[b], t.lesson->budget),
			    any[b].found ? &any[b] : &t.lesson[0],
			    weight / r->n, out);
	ranks_release(&t.ranks);
}

/* Matrices of two columns a tier: of the tasks to learn from and of the others;
 * with a learned score where it pays. */
static void
prepare(const struct matrix *m, struct learn *l, const uint32_t *row,
    size_t n, const uint32_t *held_out, size_t n_held,
    struct matrix *half[2], struct learned *out)
{
	struct matrix *three[2];
	size_t column[2 * TIERS];

	if (!l) {
		half[0] = matrix_rows(m, row, n);
		half[1] = matrix_rows(m, held_out, n_held);
	} else {
		train(l, row, n);
		three[0] = with_learned(m, l, row, n, true);
		three[1] = with_learned(m, l, held_out, n_held, false);
		out->kept += choose_columns(three[0], column);
		out->tiers += m->columns / 2;
		for (int i = 0; i < 2; i++) {
			half[i] = matrix_columns(three[i], column,
			    m->columns);
			matrix_free(three[i]);
		}
	}
	if (!half[0] || !half[1])
		die("out of memory", NULL);
}

static void
validate(const struct matrix *m, struct learn *l, int repeats,
    const struct range *range, struct figures *out, struct learned *learned)
{
	uint32_t *at = malloc(m->tasks * sizeof(*at));
	uint32_t *row = malloc(m->tasks * sizeof(*row));
	struct rng r;

	if (!at || !row)
		die("out of memory", NULL);
	rng_seed(&r, 20231);
	for (int rep = 0; rep < repeats; rep++) {
		for (uint32_t i = 0; i < m->tasks; i++) {
			size_t j = rng_u64(&r) % (i + 1);
			at[i] = at[j];
			at[j] = i;
		}
		for (size_t k = 0; k < FOLDS; k++) {
			size_t from = m->tasks * k / FOLDS, n = 0;
			size_t to = m->tasks * (k + 1) / FOLDS;
			struct matrix *half[2];
			for (size_t i = 0; i < m->tasks; i++)
				if (i < from || i >= to)
					row[n++] = at[i];
			prepare(m, l, row, n, at + from, to - from, half,
			    learned);
			for (size_t i = 0; i < READINGS; i++)
				fold(half[0], half[1], &readings[i], range,
				    (double)(to - from) / (double)m->tasks
				    / repeats, &out[i]);
			matrix_free(half[0]);
			matrix_free(half[1]);
		}
	}
	free(at);
	free(row);
}

static struct range
budget_range(const struct matrix *m)
{
	struct range r = { .low = INFINITY };
	double best = -1;

	for (size_t c = 1; c < m->columns; c += 2) {
		double cost = matrix_mean_cost(m, c);
		r.low = fmin(r.low, cost);
		r.dearest = fmax(r.dearest, cost);
		if (matrix_accuracy(m, c) > best) {
			best = matrix_accuracy(m, c);
			r.best = cost;
		}
	}
	return r;
}

#define SETS 4

static const char *const set_name[SETS] = { "mmlu", "medmcqa", "triviaqa",
	"truthfulqa" };
static const char *const pool_name[POOLS] = { "llama", "qwen+oai", "all" };

/* As the issue has them. */
static const double goal[SETS][POOLS] = { { .1985, .2085, .1660 },
	{ .3300, .2575, .2450 }, { .1165, .0600, .0700 },
	{ .4120, .3300, .3460 } };
static const double goal_toss[SETS][POOLS] = { { .2086, .2187, .1804 },
	{ .3527, .2903, .2738 }, { .0949, .0731, .0785 },
	{ .3820, .3310, .3370 } };

static void
print_reading(const struct reading *r, size_t at,
    struct figures f[SETS][POOLS][READINGS])
{
	int met = 0, margins = 0;

	printf("\n%s:\n\n%-11s%-9s %6s %7s | %6s %6s | %6s %7s | %6s %6s %6s "
	    "%6s %7s\n", r->what, "set", "pool", "goal", "reached", "toss*",
	    "toss", "less*", "less", "one", "any", "single", "cost", "tosses");
	for (int s = 0; s < SETS; s++)
		for (int k = 0; k < POOLS; k++) {
			const struct figures *v = &f[s][k][at];
			double less = v->chosen - v->toss;
			double wanted = goal[s][k] - goal_toss[s][k];
			met += v->chosen <= goal[s][k];
			margins += less <= wanted;
			printf("%-11s%-9s %6.4f %6.4f%s | %6.4f %6.4f | %+6.4f "
			    "%+6.4f%s | %6.4f %6.4f %6.4f %+5.1f%% %5.0f %%\n",
			    set_name[s], pool_name[k], goal[s][k], v->chosen,
			    v->chosen <= goal[s][k] ? " " : "!",
			    goal_toss[s][k], v->toss, wanted, less,
			    less <= wanted ? " " : "!", v->one, v->any,
			    v->single, 100 * v->overspent, 100 * v->tosses);
		}
	printf("goals met: %d of %d; as much better than the toss as the goal "
	    "is: %d of %d\n", met, SETS * POOLS, margins, SETS * POOLS);
}

static void
held(const char *folder, int repeats, bool learned)
{
	static struct figures f[SETS][POOLS][READINGS];

	printf("Mean held error over a grid of budgets, %d x %d-fold. goal, "
	    "toss*: as the issue has\nthem, from other tasks; reached: what "
	    "--max-cost chooses; toss: the coin toss between\ntwo models, on "
	    "these; less: than the toss, * of the issue; one: without a toss "
	    "between\ncascades; any: also what a toss beats; single: the best "
	    "model; cost: over or under\nthe budget; tosses: how often one is "
	    "chosen; !: not met.\n", repeats, FOLDS);
	for (int s = 0; s < SETS; s++) {
		struct set data;
		char path[4096];
		snprintf(path, sizeof(path), "%s/logprob-%s.jsonl.gz", folder,
		    set_name[s]);
		load(&data, path, learned);
		for (int k = 0; k < POOLS; k++) {
			struct matrix *m = pool_of(&data, k);
			struct range range = budget_range(m);
			struct learned kept = { 0, 0 };
			validate(m, data.learn[k], repeats, &range, f[s][k],
			    &kept);
			if (kept.tiers)
				printf("%s %s: %zu of %zu scores are learned\n",
				    set_name[s], pool_name[k], kept.kept,
				    kept.tiers);
			fflush(stdout);
			matrix_free(m);
		}
		unload(&data);
	}
	for (size_t i = 0; i < READINGS; i++)
		print_reading(&readings[i], i, f);
}

/* --- the promise --------------------------------------------------------- */

#define PLAIN_STEPS 200

struct tally {
	int rounds, promised, broken;
	double cost; /* of the top tier's, the top tier itself if none */
};

static void
count(struct tally *t, const struct certificate *c, const struct matrix *all,
    const struct certify_ask *ask)
{
	struct policy_sum sum = { 0 };
	double top = matrix_mean_cost(all, ask->top);

	t->rounds++;
	if (c->verdict != CERTIFY_YES) {
		t->cost += 1;
		return;
	}
	policy_add(&sum, &c->policy, all);
	t->promised++;
	t->broken += matrix_accuracy(all, ask->top) - (double)sum.right
	    / (double)sum.tasks > ask->max_loss + 1e-12;
	t->cost += (double)sum.cost / (double)sum.tasks / top;
}

/* Ours, and the yardstick on the same labels that test. */
struct duel {
	struct tally ours, plain;
};

static void
print_duel_head(void)
{
	printf("%-18s %5s %6s | %8s %8s %8s | %8s %8s %8s | %s\n", "set",
	    "n", "loss", "promised", "broken", "cost", "pair", "broken",
	    "cost", "ours - pair");
}

static void
print_duel(const char *name, size_t labels, double max_loss,
    const struct duel *d)
{
	const struct tally *a = &d->ours, *b = &d->plain;

	printf("%-18s %5zu %6.3f | %7.1f%% %7.1f%% %8.3f | %7.1f%% %7.1f%% "
	    "%8.3f | %+.3f\n", name, labels, max_loss,
	    100.0 * a->promised / a->rounds, 100.0 * a->broken / a->rounds,
	    a->cost / a->rounds, 100.0 * b->promised / b->rounds,
	    100.0 * b->broken / b->rounds, b->cost / b->rounds,
	    a->cost / a->rounds - b->cost / b->rounds);
	fflush(stdout);
}

/* The pair that is the cheapest to lose no more than max_loss on all tasks. */
static struct chain
best_pair(const struct matrix *all, const struct certify_ask *ask)
{
	struct chain best = { 2, { 0, (uint8_t)ask->top } };
	double cheapest = INFINITY;
	struct ranks ranks;
	struct err e;

	if (ranks_init(&ranks, all, 0, &e) < 0)
		die("ranks", &e);
	for (size_t k = 0; k < all->columns; k++) {
		struct chain c = { 2, { (uint8_t)k, (uint8_t)ask->top } };
		struct frontier *f;
		const struct point *p;
		size_t n;
		if (!all->col[k].score
		    || all->col[k].tier == all->col[ask->top].tier)
			continue;
		f = frontier_new(&ranks);
		if (!f || frontier_add(f, &c, &e) < 0)
			die("frontier", NULL);
		p = frontier_points(f, false, &n, &e);
		for (size_t i = 0; p && i < n; i++)
			if (p[i].right >= ranks.col[ask->top].sum_right
			    - ask->max_loss * (double)all->tasks
			    && (double)p[i].cost < cheapest) {
				cheapest = (double)p[i].cost;
				best = c;
			}
		frontier_free(f);
	}
	ranks_release(&ranks);
	return best;
}

/* The net Clopper-Pearson procedure for one pair, at quantiles of its scores:
 * the yardstick. */
static void
certify_pair(const struct matrix *m, const struct chain *c,
    const struct certify_ask *ask, struct certificate *out)
{
	const struct column *low = &m->col[c->col[0]], *top = &m->col[ask->top];
	int64_t n = (int64_t)m->tasks, lost = 0, gained = 0;
	struct ranks ranks;
	size_t at = 0;
	struct err e;

	*out = (struct certificate){ .verdict = CERTIFY_TOP_ONLY };
	if (ranks_init(&ranks, m, 0, &e) < 0)
		die("ranks", &e);
	for (size_t s = 1; s <= PLAIN_STEPS; s++) {
		const struct ranked *r = &ranks.col[c->col[0]];
		uint32_t rank = r->rank[r->order[(m->tasks * s - 1)
		    / PLAIN_STEPS]];
		for (; at < m->tasks && r->rank[r->order[at]] <= rank; at++) {
			size_t t = r->order[at];
			lost += top->right[t] && !low->right[t];
			gained += low->right[t] && !top->right[t];
		}
		if (chance_upper(lost, n, ask->delta / 2)
		    - chance_lower(gained, n, ask->delta / 2) > ask->max_loss)
			break;
		out->verdict = CERTIFY_YES;
		out->policy = (struct policy){ .chain = *c,
			.threshold = { r->level[rank] } };
	}
	ranks_release(&ranks);
}

static enum netloss_bound bound = NETLOSS_EXACT; /* of ours */

static void
promise_of(const char *name, const struct matrix *all, size_t labels,
    double max_loss, int rounds)
{
	struct certify_ask ask = { .max_loss = max_loss, .delta = 0.05,
		.bound = bound, .top = all->columns - 1, .prior = QUALITY_PRIOR };
	uint32_t *row = malloc(labels * sizeof(*row));
	struct duel duel = { .ours = { 0 } };
	struct netloss_shelf shelf = { .n = 0 };
	struct chain pair;
	struct rng r;
	struct err e;

	if (!row)
		die("out of memory", NULL);
	for (size_t k = 0; k < all->columns; k++)
		if (!all->col[k].score && matrix_mean_cost(all, k)
		    > matrix_mean_cost(all, ask.top))
			ask.top = k;
	pair = best_pair(all, &ask);
	ask.shelf = &shelf;
	rng_seed(&r, 4);
	for (int i = 0; i < rounds; i++) {
		struct certificate c;
		struct matrix *m;
		for (size_t k = 0; k < labels; k++)
			row[k] = (uint32_t)(rng_u64(&r) % all->tasks);
		m = matrix_rows(all, row, labels);
		ask.seed = (uint64_t)i;
		if (!m || certify_best(m, &ask, &c, &e) < 0)
			die("certify", m ? &e : NULL);
		count(&duel.ours, &c, all, &ask);
		certify_pair(m, &pair, &ask, &c);
		count(&duel.plain, &c, all, &ask);
		matrix_free(m);
	}
	print_duel(name, labels, max_loss, &duel);
	netloss_shelf_release(&shelf);
	free(row);
}

/* Of every tier its first way of being judged, as `frugal tune` has it, and the
 * plain one. */
static struct matrix *
harvest_matrix(const char *path)
{
	struct harvest_options o = { .metric = { .kind = METRIC_TRACE,
		.least = 0.5 } };
	size_t column[2 * CONFIG_MAX_TIERS], n = 0;
	struct trace_task *task;
	struct harvest h;
	struct matrix *m;
	struct trace *t = NULL;
	struct err e;
	int rc;

	if (harvest_init(&h, &o, &e) < 0 || trace_open(&t, path, &e) < 0)
		die(path, &e);
	while ((rc = trace_next(t, &task, &e)) > 0)
		if (harvest_add(&h, task, &e) < 0)
			die(path, &e);
	if (rc < 0 || harvest_end(&h, &e) < 0)
		die(path, &e);
	trace_close(t);
	for (size_t i = 0; i < h.tiers; i++) {
		size_t plain = settings_first(&h.tier[i].settings);
		if (plain)
			column[n++] = h.tier[i].first + plain;
		column[n++] = h.tier[i].first;
	}
	m = matrix_columns(h.m, column, n);
	if (!m)
		die("out of memory", NULL);
	harvest_release(&h);
	return m;
}

static void
promise(const char *folder, int rounds, const char *only)
{
	static const char *const set[] = { "mmlu-logprob", "logprob-mmlu",
		"logprob-medmcqa", "logprob-triviaqa", "logprob-truthfulqa",
		"logprob-arc", "judge-pref", "gsm8k", "mot-date" };
	static const double max_loss[] = { 0.02, 0.05 };
	static const size_t labels[] = { 300, 800 };

	printf("Promises of %d samples of labels at confidence 0.95; cost as a "
	    "share of the top\ntier's, 1 where nothing could be promised.\n\n",
	    rounds);
	print_duel_head();
	for (size_t s = 0; s < sizeof(set) / sizeof(set[0]); s++) {
		char path[4096];
		struct matrix *m;
		if (only && strcmp(only, "all") != 0
		    && strcmp(only, set[s]) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s.jsonl.gz", folder, set[s]);
		m = harvest_matrix(path);
		for (size_t a = 0; a < 2; a++)
			for (size_t n = 0; n < 2; n++)
				promise_of(set[s], m, labels[n],
				    max_loss[a], rounds);
		matrix_free(m);
	}
}

/* Draws of labels from the two halves of the tasks. */
struct halves {
	uint32_t *task;  /* shuffled */
	size_t cut, n;
	uint32_t *label; /* those that train, then those that test */
	size_t labels;
};

/* Other halves, and those that train: each task once, since folds are of
 * tasks. (With the same halves all along it would be a matter of luck which
 * pair is the best on the half that tells the truth.) */
static void
draw_training(struct halves *h, struct rng *r)
{
	for (size_t i = 0; i < h->cut; i++) {
		size_t j = i + rng_u64(r) % (h->n - i);
		uint32_t t = h->task[i];
		h->task[i] = h->task[j];
		h->task[j] = t;
	}
	for (size_t i = 0; i < h->labels / 2; i++)
		h->label[i] = h->task[i];
}

static void
draw_test(struct halves *h, struct rng *r)
{
	for (size_t i = h->labels / 2; i < h->labels; i++)
		h->label[i] = h->task[h->cut + rng_u64(r)
		    % (h->n - h->cut)];
}

/* All tasks that do not train are kept apart. */
static void
train_half(struct learn *l, const uint32_t *row, size_t n)
{
	size_t rows = learn_rows(l), tiers = learn_tiers(l);
	uint8_t *fold = malloc(rows);
	struct learn_deal deal = { fold, LEARN_FOLDS, false };
	struct err e;

	if (!fold)
		die("out of memory", NULL);
	memset(fold, LEARN_APART, rows);
	for (size_t i = 0; i < n; i++)
		memset(&fold[row[i] * tiers], (int)(i % LEARN_FOLDS), tiers);
	learn_deal(l, &deal);
	if (learn_fit(l, &e) < 0)
		die("learn", &e);
	free(fold);
}

#define LOSSES 2
#define ROUNDS_A_TRAINING 5
static const double losses[LOSSES] = { 0.02, 0.05 };

static void
test_promises(const struct matrix *m, const struct learn *l,
    const struct halves *h, struct netloss_shelf *shelf,
    struct duel known[LOSSES], struct duel chosen[LOSSES])
{
	size_t n = h->labels / 2;
	struct certify_ask ask = { .delta = 0.05, .prior = QUALITY_PRIOR,
		.shelf = shelf };
	struct matrix *first, *rest, *truth;
	struct err e;

	first = with_learned(m, l, h->label, n, false);
	rest = with_learned(m, l, h->label + n, n, false);
	truth = with_learned(m, l, h->task + h->cut, h->n - h->cut, false);
	ask.top = 2;
	for (size_t k = 2; k < truth->columns; k += 3)
		if (matrix_mean_cost(truth, k) > matrix_mean_cost(truth,
		    ask.top))
			ask.top = k;
	for (int i = 0; i < LOSSES; i++) {
		struct certificate c;
		struct chain pair;
		ask.max_loss = losses[i];
		if (certify_chosen(first, rest, &ask, &c, &e) < 0)
			die("certify", &e);
		count(&known[i].ours, &c, truth, &ask);
		chosen[i].ours = known[i].ours;
		pair = best_pair(truth, &ask);
		certify_pair(rest, &pair, &ask, &c);
		count(&known[i].plain, &c, truth, &ask);
		pair = best_pair(first, &ask);
		certify_pair(rest, &pair, &ask, &c);
		count(&chosen[i].plain, &c, truth, &ask);
	}
	matrix_free(first);
	matrix_free(rest);
	matrix_free(truth);
}

static void
promise_learned(const char *name, struct set *s, size_t labels, int rounds)
{
	struct halves h = { .n = s->m->tasks, .cut = s->m->tasks / 2 };
	struct netloss_shelf shelf = { .n = 0 };
	struct duel known[LOSSES] = { { .ours = { 0 } } };
	struct duel chosen[LOSSES] = { { .ours = { 0 } } };
	struct learn *l = s->learn[POOLS - 1];
	struct rng r;

	h.labels = 2 * (labels / 2 < h.cut ? labels / 2 : h.cut);
	h.task = malloc(h.n * sizeof(*h.task));
	h.label = malloc((labels + 1) * sizeof(*h.label));
	if (!h.task || !h.label)
		die("out of memory", NULL);
	matrix_shuffle(h.task, h.n);
	rng_seed(&r, 5);
	for (int i = 0; i < rounds; i++) {
		if (i % ROUNDS_A_TRAINING == 0) {
			draw_training(&h, &r);
			train_half(l, h.label, h.labels / 2);
		}
		draw_test(&h, &r);
		test_promises(s->m, l, &h, &shelf, known, chosen);
	}
	for (int i = 0; i < LOSSES; i++) {
		print_duel(name, h.labels, losses[i], &known[i]);
		print_duel("  pair not known", h.labels, losses[i],
		    &chosen[i]);
	}
	netloss_shelf_release(&shelf);
	free(h.task);
	free(h.label);
}

static void
learned_promise(const char *folder, int rounds, const char *only)
{
	static const char *const set[] = { "logprob-mmlu",
		"logprob-truthfulqa" };

	printf("Promises with learned scores, %d rounds at confidence 0.95; "
	    "half of the labels train.\n\n", rounds);
	print_duel_head();
	for (size_t s = 0; s < 2; s++) {
		struct set data;
		char path[4096];
		if (only && strcmp(only, set[s]) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s.jsonl.gz", folder, set[s]);
		load(&data, path, true);
		promise_learned(set[s], &data, 300, rounds);
		promise_learned(set[s], &data, 800, rounds);
		unload(&data);
	}
}

/* --- speed --------------------------------------------------------------- */

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct matrix *
made_up(size_t tasks, size_t tiers)
{
	bool judged[2 * TIERS];
	struct matrix *m;
	struct rng r;

	rng_seed(&r, tasks + tiers);
	for (size_t k = 0; k < 2 * tiers; k++)
		judged[k] = k % 2 == 0;
	m = matrix_new(tasks, 2 * tiers, judged);
	for (size_t t = 0; m && t < tasks; t++) {
		double hard = rng_unit(&r);
		for (size_t k = 0; k < tiers; k++) {
			struct column *a = &m->col[2 * k], *b = a + 1;
			double p = 1 - hard * (0.9 - 0.09 * (double)k);
			a->tier = b->tier = k;
			a->right[t] = b->right[t] = rng_unit(&r) < p;
			a->score[t] = log(p) * (0.5 + rng_unit(&r));
			a->cost[t] = b->cost[t] = (int64_t)(pow(2, (double)k)
			    * 1e6 * (0.5 + rng_unit(&r)));
		}
	}
	if (!m)
		die("out of memory", NULL);
	return m;
}

static void
goal_line(const char *what, double took, double must, const char *unit,
    double scale)
{
	printf("%-58s %9.3f %-2s must %6g %-2s  %s\n", what, took * scale,
	    unit, must * scale, unit, took <= must ? "met" : "NOT MET");
}

/* The least of some runs: ranks, all points of the chain, the staircase. */
static double
time_chain(const struct matrix *m, const struct chain *c, int runs)
{
	double best = INFINITY;
	struct err e;

	for (int i = 0; i < runs; i++) {
		double began = seconds();
		struct ranks ranks;
		struct frontier *f;
		size_t n;
		if (ranks_init(&ranks, m, QUALITY_PRIOR, &e) < 0
		    || !(f = frontier_new(&ranks))
		    || frontier_add(f, c, &e) < 0
		    || !frontier_points(f, true, &n, &e))
			die("frontier", NULL);
		if (seconds() - began < best)
			best = seconds() - began;
		frontier_free(f);
		ranks_release(&ranks);
	}
	return best;
}

static double
time_lessons(const struct matrix *m, size_t budgets)
{
	struct search_options o = { .longest = 3, .prior = QUALITY_PRIOR,
		.honest = true };
	struct lesson *l = calloc(budgets, sizeof(*l));
	double *budget = calloc(budgets, sizeof(*budget));
	double began = seconds(), top = matrix_mean_cost(m, m->columns - 1);
	struct ranks ranks;
	struct err e;

	for (size_t b = 0; l && budget && b < budgets; b++)
		budget[b] = top * (double)(b + 1) / (double)budgets;
	if (!l || !budget || ranks_init(&ranks, m, o.prior, &e) < 0
	    || search_lessons(&ranks, &o, budget, l, budgets, &e) < 0)
		die("lessons", NULL);
	ranks_release(&ranks);
	free(l);
	free(budget);
	return seconds() - began;
}

static void
speed(void)
{
	struct search_options o = { .longest = 3, .prior = QUALITY_PRIOR };
	struct chain pair = { 2, { 0, 3 } }, triple = { 3, { 0, 2, 5 } };
	struct matrix *m = made_up(900, 2);
	struct frontier *f;
	struct ranks ranks;
	struct rusage usage;
	double began;
	struct err e;

	goal_line("frontier of a pair, 900 tasks, with sorting and curves",
	    time_chain(m, &pair, 20), 0.001, "ms", 1e3);
	matrix_free(m);
	m = made_up(900, 3);
	goal_line("frontier of a triple, the same", time_chain(m, &triple, 20),
	    0.015, "ms", 1e3);
	matrix_free(m);
	m = made_up(900, 9);
	began = seconds();
	if (ranks_init(&ranks, m, o.prior, &e) < 0
	    || !(f = search_frontier(&ranks, &o, &e)))
		die("search", NULL);
	goal_line("frontier of all chains of up to 3 of 9 tiers, 900 tasks",
	    seconds() - began, 2, "s", 1);
	frontier_free(f);
	ranks_release(&ranks);
	goal_line("  the same, chains chosen by cross-validation",
	    time_lessons(m, 100), 2, "s", 1);
	matrix_free(m);
	m = made_up(100000, 5);
	goal_line("  100,000 tasks, 5 tiers", time_lessons(m, 100), 60, "s",
	    1);
	matrix_free(m);
	getrusage(RUSAGE_SELF, &usage);
	goal_line("  its peak memory", (double)usage.ru_maxrss / 1024, 1024,
	    "MB", 1);
}

int
main(int argc, char **argv)
{
	int n = argc > 3 ? atoi(argv[3]) : 0;
	const char *word = argc > 4 ? argv[4] : NULL;
	const char *last = argc > 5 ? argv[5] : "";

	if (argc > 2 && strcmp(argv[1], "held") == 0) {
		if (word)
			longest = (size_t)atoi(word);
		held(argv[2], n > 0 ? n : 1, strcmp(last, "plain") != 0);
	} else if (argc > 2 && strcmp(argv[1], "promise") == 0) {
		if (strcmp(last, "clopper-pearson") == 0)
			bound = NETLOSS_CLOPPER_PEARSON;
		promise(argv[2], n > 0 ? n : 1000, word);
	} else if (argc > 2 && strcmp(argv[1], "learned-promise") == 0)
		learned_promise(argv[2], n > 0 ? n : 1000, word);
	else if (argc == 2 && strcmp(argv[1], "speed") == 0)
		speed();
	else
		die("usage: tune held FOLDER [REPEATS [LONGEST [plain]]] | "
		    "promise FOLDER [ROUNDS [SET [clopper-pearson]]] | "
		    "learned-promise FOLDER [ROUNDS [SET]] | speed", NULL);
	return 0;
}
