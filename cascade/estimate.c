/*
 * estimate.c -- what a run would cost.
 */
#include "cascade/estimate.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/money.h"
#include "cache/ledger.h"

#define Z95 1.959963984540054

struct known { /* of one tier, from the ledger */
	int64_t judged, accepted, completions, completion_tokens, requests;
};

struct sums {
	struct known known;
	double tasks[ESTIMATE_FIGURES], cost[ESTIMATE_FIGURES];
	bool came; /* a task did */
};

struct estimate {
	const struct config *cfg;
	struct sums **of; /* by cascade, by tier */
	int64_t tasks, stored, failed;
	int64_t now_utc_ms;
};

static const double bytes_per_token[ESTIMATE_FIGURES] = { 5, 4, 3 };

/* --- what the ledger knows ------------------------------------------------------- */

struct reading {
	struct estimate *x;
	size_t cascade;
};

static bool
each_tier(void *cookie, const struct ledger_stats *g)
{
	const struct reading *r = cookie;
	const struct cascade *k = &r->x->cfg->cascades[r->cascade];
	struct known *n;

	if (g->tier < 1 || (size_t)g->tier > k->n_tiers
	    || !str_eq(g->model, k->tiers[g->tier - 1].model))
		return true;
	n = &r->x->of[r->cascade][g->tier - 1].known;
	n->accepted += g->by_verdict[ATTEMPT_ACCEPT];
	n->judged += g->by_verdict[ATTEMPT_ACCEPT]
	    + g->by_verdict[ATTEMPT_ESCALATE] + g->by_verdict[ATTEMPT_REFUSED]
	    + g->by_verdict[ATTEMPT_CUT_OFF];
	n->completions += g->completions;
	n->completion_tokens += g->completion_tokens;
	n->requests += g->requests;
	return true;
}

static int
read_ledger(struct estimate *x, struct store *s, struct err *e)
{
	for (size_t i = 0; s && i < x->cfg->n_cascades; i++) {
		struct reading r = { x, i };
		struct ledger_filter f = {
		    .cascade = x->cfg->cascades[i].name };

		if (ledger_stats(s, &f, LEDGER_BY_TIER, each_tier, &r, e) < 0)
			return -1;
	}
	return 0;
}

int
estimate_new(struct estimate **out, const struct config *cfg,
    struct store *store, struct err *e)
{
	struct estimate *x = calloc(1, sizeof(*x));

	if (!x)
		return err_nomem(e);
	x->cfg = cfg;
	x->now_utc_ms = clock_utc_ms();
	x->of = calloc(cfg->n_cascades + 1, sizeof(*x->of));
	for (size_t i = 0; x->of && i < cfg->n_cascades; i++) {
		x->of[i] = calloc(cfg->cascades[i].n_tiers + 1,
		    sizeof(**x->of));
		if (!x->of[i]) {
			estimate_free(x);
			return err_nomem(e);
		}
	}
	if (!x->of) {
		estimate_free(x);
		return err_nomem(e);
	}
	if (read_ledger(x, store, e) < 0) {
		estimate_free(x);
		return -1;
	}
	*out = x;
	return 0;
}

void
estimate_free(struct estimate *x)
{
	if (!x)
		return;
	for (size_t i = 0; x->of && i < x->cfg->n_cascades; i++)
		free(x->of[i]);
	free(x->of);
	free(x);
}

/* --- a tier --------------------------------------------------------------------------- */

/* Wilson's interval for k of n; without data it is [0, 1] around a half. */
static void
rates(int64_t k, int64_t n, double out[ESTIMATE_FIGURES])
{
	double p, z2 = Z95 * Z95, middle, half;

	if (n <= 0) {
		out[ESTIMATE_LOW] = 1;
		out[ESTIMATE_EXPECTED] = 0.5;
		out[ESTIMATE_HIGH] = 0;
		return;
	}
	p = (double)k / (double)n;
	middle = (p + z2 / (2 * (double)n)) / (1 + z2 / (double)n);
	half = Z95 / (1 + z2 / (double)n) * sqrt(p * (1 - p) / (double)n
	    + z2 / (4 * (double)n * (double)n));
	out[ESTIMATE_LOW] = middle + half > 1 ? 1 : middle + half;
	out[ESTIMATE_EXPECTED] = p;
	out[ESTIMATE_HIGH] = middle - half < 0 ? 0 : middle - half;
}

/* The more is accepted the less it costs: low has the highest rate. */
static void
acceptance(const struct estimate *x, size_t k, size_t i,
    double out[ESTIMATE_FIGURES])
{
	const struct cascade *c = &x->cfg->cascades[k];
	const struct known *n = &x->of[k][i].known;

	if (i + 1 == c->n_tiers || !c->tiers[i].accept)
		out[0] = out[1] = out[2] = 1;
	else
		rates(n->accepted, n->judged, out);
}

static void
answer_tokens(const struct tier *t, const struct known *n,
    double out[ESTIMATE_FIGURES])
{
	double most = (double)t->sampling.max_tokens;

	if (n->completions > 0) {
		out[0] = out[1] = out[2] = (double)n->completion_tokens
		    / (double)n->completions;
		return;
	}
	if (most <= 0 || most > ESTIMATE_HIGH_TOKENS)
		most = ESTIMATE_HIGH_TOKENS;
	out[ESTIMATE_HIGH] = most;
	out[ESTIMATE_EXPECTED] = most < ESTIMATE_TOKENS ? most
	    : ESTIMATE_TOKENS;
	out[ESTIMATE_LOW] = most < ESTIMATE_LOW_TOKENS ? most
	    : ESTIMATE_LOW_TOKENS;
}

/* Samples of a visit: what it took so far, else least, least and most. */
static double
samples(const struct tier *t, const struct known *n, int figure)
{
	if (n->judged > 0)
		return (double)n->completions / (double)n->judged;
	return figure == ESTIMATE_HIGH ? t->samples_max : t->samples_min;
}

/* Where the server has `n` the samples of a visit share a request. */
static double
requests(const struct tier *t, const struct known *n, int figure)
{
	if (t->provider->n == NO)
		return samples(t, n, figure);
	return t->n_prompts ? (double)t->n_prompts : 1;
}

static double
visit_cost(const struct estimate *x, const struct tier *t,
    const struct known *n, double prompt_bytes, int figure)
{
	double answers[ESTIMATE_FIGURES];
	struct usage u = { .cached = 0, .cache_write = 0 };
	int64_t cost;

	answer_tokens(t, n, answers);
	u.prompt = (int64_t)(prompt_bytes / bytes_per_token[figure]) + 8;
	u.completion = (int64_t)(answers[figure] * samples(t, n, figure)
	    / requests(t, n, figure) + 0.5);
	cost = price_cost(&t->price, &u, x->now_utc_ms, false);
	return cost == MONEY_UNKNOWN ? 0
	    : (double)cost * requests(t, n, figure);
}

/* --- tasks -------------------------------------------------------------------------------- */

static double
prompt_bytes(const struct cascade *k, const struct tier *t,
    const struct task *task)
{
	size_t n = 0;

	for (size_t i = 0; i < task->n_messages; i++)
		n += task->messages[i].content.n;
	if (!task->n_messages)
		n = task->prompt.n;
	n += task->system.n ? task->system.n : t->system.n ? t->system.n
	    : k->system.n;
	if (t->n_prompts)
		n += t->prompts[0].text.n;
	return (double)n;
}

static void
climb_from(struct estimate *x, size_t k, size_t from,
    const struct task *task)
{
	const struct cascade *c = &x->cfg->cascades[k];
	double reach[ESTIMATE_FIGURES] = { 1, 1, 1 };

	for (size_t i = from; i < c->n_tiers; i++) {
		struct sums *s = &x->of[k][i];
		double accept[ESTIMATE_FIGURES];
		double bytes = prompt_bytes(c, &c->tiers[i], task);

		s->came = true;
		acceptance(x, k, i, accept);
		for (int f = 0; f < ESTIMATE_FIGURES; f++) {
			s->tasks[f] += reach[f];
			s->cost[f] += reach[f] * visit_cost(x, &c->tiers[i],
			    &s->known, bytes, f);
			reach[f] *= 1 - accept[f];
		}
	}
}

void
estimate_add(struct estimate *x, const struct result *r)
{
	const struct ledger_attempt *last = r->n_attempts
	    ? &r->attempts[r->n_attempts - 1] : NULL;

	x->tasks++;
	if (last && last->verdict == ATTEMPT_UNKNOWN_IN_CACHE)
		climb_from(x, (size_t)(r->cascade - x->cfg->cascades),
		    (size_t)last->tier - 1, r->task);
	else if (r->tier)
		x->stored++;
	else
		x->failed++;
}

/* --- results -------------------------------------------------------------------------------- */

static int64_t
rounded(double picousd)
{
	return picousd >= (double)MONEY_MAX ? MONEY_MAX
	    : (int64_t)(picousd + 0.5);
}

static void
fill_row(const struct estimate *x, size_t k, size_t i,
    struct estimate_row *row)
{
	const struct cascade *c = &x->cfg->cascades[k];
	const struct sums *s = &x->of[k][i];

	*row = (struct estimate_row){ .cascade = c, .tier = &c->tiers[i],
	    .number = (int)i + 1, .judged = s->known.judged };
	acceptance(x, k, i, row->accepts);
	answer_tokens(row->tier, &s->known, row->answer_tokens);
	for (int f = 0; f < ESTIMATE_FIGURES; f++) {
		row->tasks[f] = s->tasks[f];
		row->requests[f] = s->tasks[f] * requests(row->tier,
		    &s->known, f);
		row->cost_picousd[f] = price_known(&row->tier->price)
		    ? rounded(s->cost[f]) : MONEY_UNKNOWN;
	}
}

bool
estimate_each(const struct estimate *x, size_t *i, struct estimate_row *row)
{
	size_t at = 0;

	for (size_t k = 0; k < x->cfg->n_cascades; k++)
		for (size_t t = 0; t < x->cfg->cascades[k].n_tiers; t++) {
			if (!x->of[k][t].came || at++ != *i)
				continue;
			++*i;
			fill_row(x, k, t, row);
			return true;
		}
	return false;
}

struct estimate_totals
estimate_totals(const struct estimate *x)
{
	struct estimate_totals t = { .tasks = x->tasks, .stored = x->stored,
	    .failed = x->failed };
	struct estimate_row row;
	size_t i = 0;

	while (estimate_each(x, &i, &row)) {
		t.guessed |= row.judged == 0;
		for (int f = 0; f < ESTIMATE_FIGURES; f++) {
			t.requests[f] += row.requests[f];
			if (row.cost_picousd[f] == MONEY_UNKNOWN)
				t.unknown = true;
			else
				t.cost_picousd[f] = money_add(
				    t.cost_picousd[f], row.cost_picousd[f]);
		}
	}
	return t;
}
