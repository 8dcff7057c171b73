/*
 * stats.c -- the ledger summed up.
 *
 * What is summed is one item for each attempt, with its task; a task that was
 * never attempted is an item without an attempt. Exactly one item of a task
 * has `ended` set (see ledger.c): sums over those count tasks. A filter on the
 * model keeps nothing but its attempts, hence only tasks that came to it.
 *
 * SQL picks the items and names their groups; they are added up here, in one
 * pass: GROUP BY would sort a row of everything for each attempt, and take ten
 * times as long over a million tasks.
 */
#include <stdlib.h>

#include "base/map.h"
#include "cache/internal.h"
#include "cache/ledger.h"

/* Parameters of every statement here; bound by param_filter(). */
#define WHERE \
	" WHERE t.finished_utc_ms >= ?1 AND t.finished_utc_ms < ?2" \
	" AND (?3 = '' OR t.cascade = ?3) AND (?4 = '' OR t.run = ?4)" \
	" AND " SQL_MODEL_IS("a.model", \
	    "substr(a.model, instr(a.model, '/') + 1)", "?5") \
	" AND (?6 = '' OR EXISTS (SELECT 1 FROM json_each(t.tags) j" \
	"  WHERE j.key = ?6 AND (?7 = '' OR CAST(j.value AS TEXT) = ?7)))"

static void
param_filter(struct params *p, const struct ledger_filter *f)
{
	param_int(p, since_or_open(f->since_utc_ms));
	param_int(p, until_or_open(f->until_utc_ms));
	param_text(p, f->cascade);
	param_text(p, f->run);
	param_text(p, f->model);
	param_text(p, f->tag_key);
	param_text(p, f->tag_value);
}

struct group {
	struct ledger_stats sum;
	int64_t last_task; /* items of one task come one after another */
	int64_t *latency;  /* every one of them: percentiles are exact */
	size_t n, cap;
};

/* What tells one group from the next, in SQL, and their order. */
struct grouping {
	const char *name, *cascade, *tier, *model;
	bool of_attempts; /* else of tasks: also those without attempts */
	int (*order)(const void *a, const void *b);
};

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

static const struct grouping grouping[] = {
	[LEDGER_BY_TIER] = {
		"t.cascade || ' ' || a.tier || ' ' || a.model",
		"t.cascade", "a.tier", "a.model", true, by_tier,
	},
	[LEDGER_BY_CASCADE] = {
		"t.cascade", "t.cascade", "0", "''", false, by_tasks,
	},
	[LEDGER_BY_MODEL] = {
		"a.model", "''", "0", "a.model", true, by_tasks,
	},
	[LEDGER_BY_TAG] = {
		"(SELECT CAST(j.value AS TEXT) FROM json_each(t.tags) j"
		" WHERE j.key = ?6)", "''", "0", "''", false, by_tasks,
	},
	[LEDGER_BY_DAY] = {
		"strftime('%Y-%m-%d', t.finished_utc_ms / 1000, 'unixepoch',"
		" 'localtime')", "''", "0", "''", false, by_name,
	},
	[LEDGER_TOTAL] = {
		"'total'", "''", "0", "''", false, by_name,
	},
};

/* A struct grouping is filled in. */
#define ITEMS \
	"SELECT %s, %s, %s, %s, t.number, t.status, t.cost_picousd," \
	" t.cached_picousd, t.top_picousd, t.latency_ms, t.cached," \
	" a.task IS NOT NULL, coalesce(a.ended, 1), a.verdict, a.samples," \
	" a.cached, a.repairs, a.requests, a.retries, a.fallbacks, a.cost_picousd," \
	" a.cached_picousd, a.prompt_tokens, a.completion_tokens," \
	" a.latency_ms, a.score IS NOT NULL, a.score" \
	" FROM tasks t %s JOIN attempts a ON a.task = t.number" WHERE

struct item {
	struct str group, cascade, model;
	int tier;
	struct ledger_task task; /* as far as it is needed here */
	int64_t status, verdict; /* perhaps of another version */
	bool attempted, ended;
	struct ledger_attempt attempt;
};

static void
read_item(struct columns *col, struct item *i)
{
	struct ledger_task *t = &i->task;
	struct ledger_attempt *a = &i->attempt;

	*i = (struct item){ 0 };
	i->group = column_text(col);
	i->cascade = column_text(col);
	i->tier = (int)column_int(col);
	i->model = column_text(col);
	t->number = column_int(col);
	i->status = column_int(col);
	t->cost_picousd = column_known(col, MONEY_UNKNOWN);
	t->cached_picousd = column_known(col, MONEY_UNKNOWN);
	t->top_picousd = column_known(col, MONEY_UNKNOWN);
	t->latency_ms = column_int(col);
	t->cached = column_int(col) != 0;
	i->attempted = column_int(col) != 0;
	i->ended = column_int(col) != 0;
	i->verdict = column_int(col);
	a->samples = (int)column_int(col);
	a->cached = (int)column_int(col);
	a->repairs = (int)column_int(col);
	a->requests = (int)column_int(col);
	a->retries = (int)column_int(col);
	a->fallbacks = (int)column_int(col);
	a->cost_picousd = column_known(col, MONEY_UNKNOWN);
	a->cached_picousd = column_known(col, MONEY_UNKNOWN);
	a->prompt_tokens = column_known(col, 0);
	a->completion_tokens = column_known(col, 0);
	a->latency_ms = column_int(col);
	a->scored = column_int(col) != 0;
	a->score = column_real(col);
}

/* Saturates; what is unknown is left out. */
static void
add(int64_t *sum, int64_t v)
{
	if (v != MONEY_UNKNOWN && __builtin_add_overflow(*sum, v, sum))
		*sum = v < 0 ? INT64_MIN : INT64_MAX;
}

static void
add_attempt(struct ledger_stats *g, const struct item *i)
{
	static const double bound[LEDGER_BINS - 1] = {
		0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
	};
	const struct ledger_attempt *a = &i->attempt;
	int bin = 0;

	if (i->verdict >= 0 && i->verdict < ATTEMPT_VERDICTS)
		g->by_verdict[i->verdict]++;
	g->completions += a->samples;
	g->cached_completions += a->cached;
	g->repairs += a->repairs;
	g->requests += a->requests;
	g->retries += a->retries;
	g->fallbacks += a->fallbacks;
	g->unknown_cost += a->cost_picousd == MONEY_UNKNOWN;
	add(&g->cost_picousd, a->cost_picousd);
	add(&g->cached_picousd, a->cached_picousd);
	add(&g->prompt_tokens, a->prompt_tokens);
	add(&g->completion_tokens, a->completion_tokens);
	if (!a->scored)
		return;
	/* The bounds as they are written: multiplying would round. */
	while (bin < LEDGER_BINS - 1 && a->score >= bound[bin])
		bin++;
	g->bins[bin]++;
}

static void
add_task(struct ledger_stats *g, const struct item *i)
{
	const struct ledger_task *t = &i->task;

	if (i->status >= 0 && i->status <= TASK_BUDGET)
		g->by_status[i->status]++;
	if (t->top_picousd == MONEY_UNKNOWN ||
	    t->cost_picousd == MONEY_UNKNOWN ||
	    t->cached_picousd == MONEY_UNKNOWN)
		return;
	g->top_known++;
	add(&g->top_picousd, t->top_picousd);
	add(&g->top_paid_picousd, t->cost_picousd);
	add(&g->top_paid_picousd, t->cached_picousd);
}

/* What was waited for, or -1 if nobody was asked. */
static int64_t
latency_of(const struct item *i, bool of_attempts)
{
	const struct ledger_attempt *a = &i->attempt;

	if (of_attempts)
		return a->cached < a->samples || a->requests > 0 ?
		    a->latency_ms : -1;
	return i->attempted && i->ended && !i->task.cached &&
	    i->verdict != ATTEMPT_UNKNOWN_IN_CACHE ? i->task.latency_ms : -1;
}

/* False: out of memory. */
static bool
add_item(struct group *g, const struct item *i, bool of_attempts)
{
	int64_t latency_ms = latency_of(i, of_attempts);
	int64_t *v;
	size_t cap;

	if (g->last_task != i->task.number)
		g->sum.tasks++;
	g->last_task = i->task.number;
	if (i->attempted)
		add_attempt(&g->sum, i);
	if (i->ended)
		add_task(&g->sum, i);
	if (latency_ms < 0)
		return true;
	if (g->n == g->cap) {
		cap = g->cap ? 2 * g->cap : 8;
		v = realloc(g->latency, cap * sizeof(*v));
		if (!v)
			return false;
		g->latency = v;
		g->cap = cap;
	}
	g->latency[g->n++] = latency_ms;
	return true;
}

/* The groups by name and all that names them; their texts are in the arena. */
struct summary {
	struct arena *arena;
	struct map *map;
	struct buf key;
	struct group **v; /* sorted, when all is summed up */
	size_t n;
};

/* The group of an item, which is made if there is none. NULL: no memory. */
static struct group *
group_of(struct summary *s, const struct item *i)
{
	struct group *g;

	buf_clear(&s->key);
	buf_addf(&s->key, "%d ", i->tier);
	buf_add(&s->key, i->cascade);
	buf_addc(&s->key, '\0');
	buf_add(&s->key, i->model);
	buf_addc(&s->key, '\0');
	buf_add(&s->key, i->group);
	if (s->key.failed)
		return NULL;
	g = map_get(s->map, buf_str(&s->key));
	if (g)
		return g;
	g = arena_alloc(s->arena, sizeof(*g));
	if (!g || !arena_str(s->arena, i->group, &g->sum.group) ||
	    !arena_str(s->arena, i->cascade, &g->sum.cascade) ||
	    !arena_str(s->arena, i->model, &g->sum.model))
		return NULL;
	g->sum.tier = i->tier;
	g->last_task = INT64_MIN;
	return map_put(s->map, buf_str(&s->key), g) ? g : NULL;
}

static int
summary_init(struct summary *s, struct err *e)
{
	buf_init(&s->key, BUF_MAX);
	s->arena = arena_new(0);
	s->map = map_new();
	return s->arena && s->map ? 0 : err_nomem(e);
}

static void
summary_release(struct summary *s)
{
	struct str key;
	void *value;
	size_t i = 0;

	while (s->map && map_each(s->map, &i, &key, &value))
		free(((struct group *)value)->latency);
	map_free(s->map);
	arena_free(s->arena);
	buf_release(&s->key);
}

static int
cmp_latency(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The least latency that p in a hundred do not exceed; v is sorted. */
static int64_t
percentile(const int64_t *v, size_t n, size_t p)
{
	return n ? v[(n * p + 99) / 100 - 1] : -1;
}

static int
summary_finish(struct summary *s, const struct grouping *by, struct err *e)
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
		if (g->n > 1)
			qsort(g->latency, g->n, sizeof(*g->latency),
			    cmp_latency);
		g->sum.latency_p50_ms = percentile(g->latency, g->n, 50);
		g->sum.latency_p95_ms = percentile(g->latency, g->n, 95);
	}
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), by->order);
	return 0;
}

static int
prepare_items(struct store *s, const struct grouping *by, struct params *p,
    struct err *e)
{
	struct buf sql;
	int rc;

	buf_init(&sql, BUF_MAX);
	buf_addf(&sql, ITEMS, by->name, by->cascade, by->tier, by->model,
	    by->of_attempts ? "INNER" : "LEFT");
	rc = sql.failed ? err_nomem(e) : store_prepare(s, sql.p, p, e);
	buf_release(&sql);
	return rc;
}

static int
sum_up(struct store *s, const struct ledger_filter *f,
    const struct grouping *by, struct summary *sum, struct err *e)
{
	struct params p = { 0 };
	struct columns col;
	struct group *g;
	struct item i;
	int rc = -1;

	if (prepare_items(s, by, &p, e) < 0)
		goto out;
	param_filter(&p, f);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt };
		read_item(&col, &i);
		g = col.failed ? NULL : group_of(sum, &i);
		if (!g || !add_item(g, &i, by->of_attempts)) {
			rc = err_nomem(e);
			break;
		}
	}
out:
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : summary_finish(sum, by, e);
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
	struct summary sum = { 0 };
	int rc = -1;

	if (by == LEDGER_BY_TAG && f->tag_key.n == 0)
		return err_set(e, ERR_USAGE, "cannot sum up by a tag without "
		    "its name");
	if (summary_init(&sum, e) < 0 ||
	    sum_up(s, f, &grouping[by], &sum, e) < 0)
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

int
ledger_reasons(struct store *s, const struct ledger_filter *f,
    bool (*each)(void *cookie, struct str cascade, int tier,
    enum attempt_verdict v, struct str scorer, int64_t count), void *cookie,
    struct err *e)
{
	struct params p = { 0 };
	struct columns col;
	struct str cascade, scorer;
	int64_t tier, verdict, count;
	int rc = -1;

	/* 0 is ATTEMPT_ACCEPT. */
	if (store_prepare(s, "SELECT t.cascade, a.tier, a.verdict, a.scorer,"
	    " count(*) AS n FROM tasks t JOIN attempts a ON a.task = t.number"
	    WHERE " AND a.verdict BETWEEN 1 AND 6 GROUP BY 1, 2, 3, 4"
	    " ORDER BY n DESC, 1, 2, 3, 4", &p, e) < 0)
		goto out;
	param_filter(&p, f);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt };
		cascade = column_text(&col);
		tier = column_int(&col);
		verdict = column_int(&col);
		scorer = column_text(&col);
		count = column_int(&col);
		if (col.failed) {
			rc = err_nomem(e);
			break;
		}
		if (!each(cookie, cascade, (int)tier,
		    (enum attempt_verdict)verdict, scorer, count)) {
			rc = 0;
			break;
		}
	}
out:
	sqlite3_finalize(p.stmt);
	return rc;
}
