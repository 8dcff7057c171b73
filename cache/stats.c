/*
 * stats.c -- the ledger summed up: cells of a tally (tally.h) brought together
 * into the groups that somebody wants to see.
 */
#include <stdlib.h>

#include "base/map.h"
#include "cache/gather.h"

struct group {
	struct ledger_stats sum;
	struct hist latency;
};

/* The groups by name and all that names them; their texts are in the arena. */
struct summary_of {
	enum ledger_group by;
	struct arena *arena;
	struct map *map;
	struct buf key, name;
	struct group **v; /* sorted, when all is summed up */
	size_t n;
};

/* --- the order of groups ----------------------------------------------------- */

static const struct ledger_stats *
stats_at(const void *p)
{
	return &(*(struct group *const *)p)->sum;
}

static int
by_name(const void *a, const void *b)
{
	return str_cmp(stats_at(a)->group, stats_at(b)->group);
}

static int
by_tasks(const void *a, const void *b)
{
	int64_t x = stats_at(a)->tasks, y = stats_at(b)->tasks;

	return x == y ? by_name(a, b) : (x < y) - (x > y);
}

static int
by_tier(const void *a, const void *b)
{
	const struct ledger_stats *x = stats_at(a), *y = stats_at(b);
	int order = str_cmp(x->cascade, y->cascade);

	if (order == 0)
		order = (x->tier > y->tier) - (x->tier < y->tier);
	return order ? order : by_tasks(a, b);
}

/* What tells one group from the next. */
static const struct grouping {
	bool cascade, tier, model;
	bool of_attempts; /* else of tasks: also those without attempts */
	enum tally_count tasks; /* which counts a task once a group */
	int (*order)(const void *a, const void *b);
} grouping[] = {
	[LEDGER_BY_TIER] = { true, true, true, true, TALLY_TASKS_OF_TIER,
	    by_tier },
	[LEDGER_BY_CASCADE] = { true, false, false, false, TALLY_TASKS,
	    by_tasks },
	[LEDGER_BY_MODEL] = { false, false, true, true, TALLY_TASKS_OF_MODEL,
	    by_tasks },
	[LEDGER_BY_TAG] = { false, false, false, false, TALLY_TASKS, by_tasks },
	[LEDGER_BY_DAY] = { false, false, false, false, TALLY_TASKS, by_name },
	[LEDGER_TOTAL] = { false, false, false, false, TALLY_TASKS, by_name },
};

/* --- groups ------------------------------------------------------------------ */

/* The group of a cell, which is made if there is none. NULL: no memory. */
static struct group *
group_of(struct summary_of *s, const struct tally_cell *c)
{
	const struct grouping *by = &grouping[s->by];
	struct group *g;

	buf_clear(&s->name);
	gather_name(&s->name, s->by, c);
	buf_clear(&s->key);
	if (by->tier)
		buf_addf(&s->key, "%d ", c->key.tier);
	if (by->cascade)
		buf_add(&s->key, c->key.cascade);
	buf_addc(&s->key, '\0');
	if (by->model)
		buf_add(&s->key, c->key.model);
	buf_addc(&s->key, '\0');
	buf_add(&s->key, buf_str(&s->name));
	if (s->key.failed || s->name.failed)
		return NULL;
	g = map_get(s->map, buf_str(&s->key));
	if (g)
		return g;
	g = arena_alloc(s->arena, sizeof(*g));
	if (!g || !arena_str(s->arena, buf_str(&s->name), &g->sum.group)
	    || (by->cascade
	    && !arena_str(s->arena, c->key.cascade, &g->sum.cascade))
	    || (by->model && !arena_str(s->arena, c->key.model, &g->sum.model)))
		return NULL;
	g->sum.tier = by->tier ? c->key.tier : 0;
	return map_put(s->map, buf_str(&s->key), g) ? g : NULL;
}

static void
add_counts(struct ledger_stats *g, const int64_t *n, enum tally_count tasks)
{
	const struct {
		int64_t *to;
		enum tally_count from;
	} sums[] = {
		{ &g->tasks, tasks },
		{ &g->completions, TALLY_COMPLETIONS },
		{ &g->cached_completions, TALLY_CACHED_COMPLETIONS },
		{ &g->repairs, TALLY_REPAIRS },
		{ &g->requests, TALLY_REQUESTS },
		{ &g->retries, TALLY_RETRIES },
		{ &g->fallbacks, TALLY_FALLBACKS },
		{ &g->cost_picousd, TALLY_COST },
		{ &g->audit_picousd, TALLY_AUDIT_COST },
		{ &g->unknown_cost, TALLY_UNKNOWN },
		{ &g->top_picousd, TALLY_TOP },
		{ &g->top_paid_picousd, TALLY_TOP_PAID },
		{ &g->top_known, TALLY_TOP_KNOWN },
		{ &g->cached_picousd, TALLY_CACHED_COST },
		{ &g->prompt_tokens, TALLY_PROMPT_TOKENS },
		{ &g->completion_tokens, TALLY_COMPLETION_TOKENS },
	};

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
		tally_sum(sums[i].to, n[sums[i].from]);
	for (int i = 0; i <= TASK_BUDGET; i++)
		tally_sum(&g->by_status[i], n[TALLY_STATUS + i]);
	for (int i = 0; i < ATTEMPT_VERDICTS; i++)
		tally_sum(&g->by_verdict[i], n[TALLY_VERDICT + i]);
	for (int i = 0; i < LEDGER_BINS; i++)
		tally_sum(&g->bins[i], n[TALLY_BINS + i]);
}

static int
add_cell(void *cookie, const struct tally_cell *c, struct err *e)
{
	struct summary_of *s = cookie;
	const struct grouping *by = &grouping[s->by];
	struct group *g;

	/* Tasks that were never attempted are of no tier. */
	if (by->of_attempts && c->key.tier == 0 && c->key.model.n == 0)
		return 0;
	g = group_of(s, c);
	if (!g || !hist_merge(&g->latency, by->of_attempts ? &c->attempts
	    : &c->tasks))
		return err_nomem(e);
	add_counts(&g->sum, c->n, by->tasks);
	return 0;
}

static int
summary_init(struct summary_of *s, struct err *e)
{
	buf_init(&s->key, BUF_MAX);
	buf_init(&s->name, BUF_MAX);
	s->arena = arena_new(0);
	s->map = map_new();
	return s->arena && s->map ? 0 : err_nomem(e);
}

static void
summary_release(struct summary_of *s)
{
	struct str key;
	void *value;
	size_t i = 0;

	while (s->map && map_each(s->map, &i, &key, &value))
		hist_release(&((struct group *)value)->latency);
	map_free(s->map);
	arena_free(s->arena);
	buf_release(&s->key);
	buf_release(&s->name);
}

static int
summary_finish(struct summary_of *s, struct err *e)
{
	struct group *g;
	struct str key;
	void *value;
	size_t i = 0;

	s->v = arena_array(s->arena, map_count(s->map), sizeof(*s->v));
	if (!s->v)
		return err_nomem(e);
	while (map_each(s->map, &i, &key, &value)) {
		s->v[s->n++] = g = value;
		g->sum.latency_p50_ms = hist_percentile(&g->latency, 50);
		g->sum.latency_p95_ms = hist_percentile(&g->latency, 95);
	}
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), grouping[s->by].order);
	return 0;
}

int
ledger_stats(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, bool (*each)(void *cookie,
    const struct ledger_stats *g), void *cookie, struct err *e)
{
	static const struct ledger_stats nothing = {
		.group = { "total", 5 },
		.latency_p50_ms = -1, .latency_p95_ms = -1,
	};
	struct summary_of sum = { .by = by };
	int rc = -1;

	if (by == LEDGER_BY_TAG && f->tag_key.n == 0)
		return err_set(e, ERR_USAGE, "cannot sum up by a tag without "
		    "its name");
	if (summary_init(&sum, e) < 0 || gather_cells(s, f, TALLY_CLIMB,
	    by == LEDGER_BY_TAG, add_cell, &sum, e) < 0
	    || summary_finish(&sum, e) < 0)
		goto out;
	if (by == LEDGER_TOTAL && sum.n == 0)
		each(cookie, &nothing);
	for (size_t i = 0; i < sum.n; i++)
		if (!each(cookie, &sum.v[i]->sum))
			break;
	rc = 0;
out:
	summary_release(&sum);
	return rc;
}

/* --- reasons ----------------------------------------------------------------- */

struct reasons {
	struct arena *arena;
	struct reason {
		struct str cascade, scorer;
		int tier, verdict;
		int64_t count;
	} *v;
	size_t n, cap;
};

static int
add_reason(void *cookie, const struct tally_cell *c, struct err *e)
{
	struct reasons *r = cookie;
	struct reason *v;

	for (v = r->v; v && v < r->v + r->n; v++) {
		if (v->tier == c->key.tier && v->verdict == c->key.verdict
		    && str_eq(v->cascade, c->key.cascade)
		    && str_eq(v->scorer, c->key.word)) {
			tally_sum(&v->count, c->n[TALLY_COUNT]);
			return 0;
		}
	}
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 16;
		v = reallocarray(r->v, cap, sizeof(*v));
		if (!v)
			return err_nomem(e);
		r->v = v;
		r->cap = cap;
	}
	v = &r->v[r->n];
	*v = (struct reason){ .tier = c->key.tier, .verdict = c->key.verdict,
	    .count = c->n[TALLY_COUNT] };
	if (!arena_str(r->arena, c->key.cascade, &v->cascade)
	    || !arena_str(r->arena, c->key.word, &v->scorer))
		return err_nomem(e);
	r->n++;
	return 0;
}

static int
cmp_reason(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;
	int order = (x->count < y->count) - (x->count > y->count);

	if (order == 0)
		order = str_cmp(x->cascade, y->cascade);
	if (order == 0)
		order = (x->tier > y->tier) - (x->tier < y->tier);
	if (order == 0)
		order = (x->verdict > y->verdict) - (x->verdict < y->verdict);
	return order ? order : str_cmp(x->scorer, y->scorer);
}

int
ledger_reasons(struct store *s, const struct ledger_filter *f,
    bool (*each)(void *cookie, struct str cascade, int tier,
    enum attempt_verdict v, struct str scorer, int64_t count), void *cookie,
    struct err *e)
{
	struct reasons r = { .arena = arena_new(0) };
	int rc = r.arena ? gather_cells(s, f, TALLY_REASON, false, add_reason,
	    &r, e) : err_nomem(e);

	if (rc == 0 && r.n > 1)
		qsort(r.v, r.n, sizeof(*r.v), cmp_reason);
	for (size_t i = 0; rc == 0 && i < r.n; i++)
		if (!each(cookie, r.v[i].cascade, r.v[i].tier,
		    (enum attempt_verdict)r.v[i].verdict, r.v[i].scorer,
		    r.v[i].count))
			break;
	free(r.v);
	arena_free(r.arena);
	return rc;
}
