/*
 * stats.c -- the ledger summed up.
 *
 * What is summed is one row for each attempt, with its task; a task that was
 * never attempted is a row without an attempt. Exactly one row of a task has
 * `ended` set (see ledger.c): sums over those count tasks. A filter on the
 * model keeps nothing but its attempts, hence only tasks that came to it.
 */
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

/* What tells one group from the next, and the order in which they come. */
struct grouping {
	const char *name, *cascade, *tier, *model;
	const char *join;    /* INNER: of attempts alone */
	const char *latency; /* NULL in SQL: nothing was waited for */
	const char *order;
};

#define ATTEMPT_LATENCY \
	"CASE WHEN a.cached < a.samples OR a.requests > 0" \
	" THEN a.latency_ms END"
/* 6 is ATTEMPT_UNKNOWN_IN_CACHE: nobody was asked. */
#define TASK_LATENCY \
	"CASE WHEN a.ended AND a.verdict <> 6 AND NOT t.cached" \
	" THEN t.latency_ms END"
#define MOST_FIRST "tasks DESC, name"

static const struct grouping grouping[] = {
	[LEDGER_BY_TIER] = {
		"t.cascade || ' ' || a.tier || ' ' || a.model",
		"t.cascade", "a.tier", "a.model",
		"INNER", ATTEMPT_LATENCY, "cascade, tier, tasks DESC, model",
	},
	[LEDGER_BY_CASCADE] = {
		"t.cascade", "t.cascade", "0", "''",
		"LEFT", TASK_LATENCY, MOST_FIRST,
	},
	[LEDGER_BY_MODEL] = {
		"a.model", "''", "0", "a.model",
		"INNER", ATTEMPT_LATENCY, MOST_FIRST,
	},
	[LEDGER_BY_TAG] = {
		"(SELECT CAST(j.value AS TEXT) FROM json_each(t.tags) j"
		" WHERE j.key = ?6)", "''", "0", "''",
		"LEFT", TASK_LATENCY, MOST_FIRST,
	},
	[LEDGER_BY_DAY] = {
		"coalesce(strftime('%Y-%m-%d', t.finished_utc_ms / 1000,"
		" 'unixepoch', 'localtime'), '')", "''", "0", "''",
		"LEFT", TASK_LATENCY, "name",
	},
	[LEDGER_TOTAL] = {
		"'total'", "''", "0", "''",
		"LEFT", TASK_LATENCY, "name",
	},
};

#define KEYS "name, cascade, tier, model"

/* Compared with the bounds as they are written: multiplying would round. */
#define BIN \
	"CASE WHEN a.score IS NOT NULL THEN (a.score >= 0.1)" \
	" + (a.score >= 0.2) + (a.score >= 0.3) + (a.score >= 0.4)" \
	" + (a.score >= 0.5) + (a.score >= 0.6) + (a.score >= 0.7)" \
	" + (a.score >= 0.8) + (a.score >= 0.9) END"

/* Filled in from a struct grouping, in its order but for the last. */
#define ITEMS \
	"WITH item AS (SELECT %s AS name, %s AS cascade, %s AS tier," \
	" %s AS model, t.number AS task, a.task AS attempt," \
	" coalesce(a.ended, 1) AS ended, t.status AS status, a.verdict," \
	" a.samples, a.cached, a.repairs, a.requests, a.retries," \
	" a.cost_picousd AS cost, a.cached_picousd AS saved," \
	" a.prompt_tokens, a.completion_tokens, " BIN " AS bin," \
	" CASE WHEN coalesce(a.ended, 1) AND t.cost_picousd IS NOT NULL" \
	"  AND t.cached_picousd IS NOT NULL THEN t.top_picousd END AS top," \
	" t.cost_picousd AS task_cost, t.cached_picousd AS task_saved," \
	" %s AS latency" \
	" FROM tasks t %s JOIN attempts a ON a.task = t.number" WHERE ")"

/* A percentile is the least latency that p in a hundred do not exceed. */
#define PERCENTILES \
	", ranked AS (SELECT " KEYS ", latency," \
	" row_number() OVER (PARTITION BY " KEYS " ORDER BY latency) AS rank," \
	" count(*) OVER (PARTITION BY " KEYS ") AS n" \
	" FROM item WHERE latency IS NOT NULL)" \
	", percentiles AS (SELECT " KEYS "," \
	" max(CASE WHEN rank = (n * 50 + 99) / 100 THEN latency END) AS p50," \
	" max(CASE WHEN rank = (n * 95 + 99) / 100 THEN latency END) AS p95" \
	" FROM ranked GROUP BY " KEYS ")"

#define EACH5(m) m(0) m(1) m(2) m(3) m(4)
#define EACH7(m) EACH5(m) m(5) m(6)
#define EACH10(m) EACH7(m) m(7) m(8) m(9)
#define STATUS_COUNT(n) ", sum(ended AND status = " #n ") AS status" #n
#define VERDICT_COUNT(n) ", sum(verdict = " #n ") AS verdict" #n
#define BIN_COUNT(n) ", sum(bin = " #n ") AS bin" #n

#define SUMS \
	", sums AS (SELECT " KEYS ", count(DISTINCT task) AS tasks" \
	EACH5(STATUS_COUNT) EACH7(VERDICT_COUNT) \
	", sum(samples), sum(cached), sum(repairs), sum(requests)" \
	", sum(retries), sum_saturating(cost)" \
	", sum(attempt IS NOT NULL AND cost IS NULL)" \
	", sum_saturating(top)" \
	", sum_saturating(CASE WHEN top IS NOT NULL THEN task_cost END)" \
	", sum_saturating(CASE WHEN top IS NOT NULL THEN task_saved END)" \
	", count(top), sum_saturating(saved)" \
	", sum_saturating(prompt_tokens)" \
	", sum_saturating(completion_tokens)" \
	EACH10(BIN_COUNT) \
	" FROM item GROUP BY " KEYS ")"

/* Keys, then all of SUMS, then the percentiles. */
#define STATS \
	ITEMS PERCENTILES SUMS \
	" SELECT sums.*, p50, p95 FROM sums" \
	" LEFT JOIN percentiles USING (" KEYS ") ORDER BY %s"

static void
read_counts(struct columns *col, int64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = column_int(col);
}

static void
read_stats(struct columns *col, struct ledger_stats *g)
{
	*g = (struct ledger_stats){ 0 };
	g->group = column_text(col);
	g->cascade = column_text(col);
	g->tier = (int)column_int(col);
	g->model = column_text(col);
	g->tasks = column_int(col);
	read_counts(col, g->by_status, 5);
	read_counts(col, g->by_verdict, 7);
	g->completions = column_int(col);
	g->cached_completions = column_int(col);
	g->repairs = column_int(col);
	g->requests = column_int(col);
	g->retries = column_int(col);
	g->cost_picousd = column_int(col);
	g->unknown_cost = column_int(col);
	g->top_picousd = column_int(col);
	g->top_paid_picousd = column_int(col);
	g->top_paid_picousd = money_add(g->top_paid_picousd, column_int(col));
	g->top_known = column_int(col);
	g->cached_picousd = column_int(col);
	g->prompt_tokens = column_int(col);
	g->completion_tokens = column_int(col);
	read_counts(col, g->bins, LEDGER_BINS);
	g->latency_p50_ms = column_known(col, -1);
	g->latency_p95_ms = column_known(col, -1);
}

/* The statement for a grouping: fixed text alone goes into it. */
static int
prepare_stats(struct store *s, const struct grouping *g, struct params *p,
    struct err *e)
{
	struct buf sql;
	int rc;

	buf_init(&sql, BUF_MAX);
	buf_addf(&sql, STATS, g->name, g->cascade, g->tier, g->model,
	    g->latency, g->join, g->order);
	if (sql.failed)
		rc = err_nomem(e);
	else
		rc = store_prepare(s, sql.p, p, e);
	buf_release(&sql);
	return rc;
}

int
ledger_stats(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, bool (*each)(void *cookie,
    const struct ledger_stats *g), void *cookie, struct err *e)
{
	struct ledger_stats g = {
		.group = STR("total"),
		.latency_p50_ms = -1, .latency_p95_ms = -1,
	};
	struct params p = { 0 };
	struct columns col;
	bool none = true;
	int rc = -1;

	if (by == LEDGER_BY_TAG && f->tag_key.n == 0)
		return err_set(e, ERR_USAGE, "cannot sum up by a tag without "
		    "its name");
	if (prepare_stats(s, &grouping[by], &p, e) < 0)
		goto out;
	param_filter(&p, f);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt };
		read_stats(&col, &g);
		if (col.failed) {
			rc = err_nomem(e);
			break;
		}
		none = false;
		if (!each(cookie, &g)) {
			rc = 0;
			break;
		}
	}
	if (rc == 0 && none && by == LEDGER_TOTAL)
		each(cookie, &g);
out:
	sqlite3_finalize(p.stmt);
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
