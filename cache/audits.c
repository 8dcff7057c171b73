/*
 * audits.c -- what audits found, summed up over the ledger.
 */
#include "cache/internal.h"
#include "cache/ledger.h"

/* The same completions of the top tier, which a second run had from the store,
 * are no second audit: an interval over them would be too narrow. What was not
 * kept cannot have been had twice. */
#define ONCE "CASE WHEN instr(a.completions, '-') THEN 'task ' || t.number" \
	" ELSE a.completions END"

/* 0 is TASK_ACCEPTED. An audit is looked for by the index that has nothing
 * else in it. */
#define SUMS \
	" sum(t.status = 0 AND t.tier > 0 AND t.tier < t.tiers)," \
	" sum(t.tier > 0)," \
	" count(DISTINCT CASE WHEN a.audit <> 0 THEN " ONCE " END)," \
	" count(DISTINCT CASE WHEN a.audit = 2 THEN " ONCE " END)," \
	" sum(a.audit IS NOT NULL AND a.audit = 0)," \
	" sum_saturating(t.audit_picousd), sum(t.audit_picousd IS NULL)" \
	" FROM tasks t LEFT JOIN attempts a ON a.task = t.number" \
	" AND a.audit IS NOT NULL" \
	" WHERE t.finished_utc_ms >= ?1 AND t.finished_utc_ms < ?2" \
	" AND (?3 = '' OR t.cascade = ?3) AND (?4 = '' OR t.run = ?4)" \
	" AND " SQL_TAG_IS("?5", "?6") " AND t.collected = 0" \
	" GROUP BY 1, 2, 3, 4 HAVING count(a.audit) > 0" \
	" ORDER BY 2, 3, 1, 4"

/* What names a group: its name, cascade, tier and model. */
static const char *
sql_of(enum ledger_group by)
{
	switch (by) {
	case LEDGER_BY_TIER:
		return "SELECT t.cascade || ' ' || t.tier || ' ' || t.model,"
		    " t.cascade, t.tier, t.model," SUMS;
	case LEDGER_BY_CASCADE:
		return "SELECT t.cascade, t.cascade, 0, ''," SUMS;
	case LEDGER_BY_TAG:
		return "SELECT (SELECT CAST(j.value AS TEXT)"
		    " FROM json_each(t.tags) j WHERE j.key = ?5),"
		    " '', 0, ''," SUMS;
	case LEDGER_BY_MODEL:
	case LEDGER_BY_DAY:
	case LEDGER_TOTAL:
		break;
	}
	return "SELECT 'total', '', 0, ''," SUMS;
}

static void
read_group(struct columns *col, struct ledger_audits *g)
{
	*g = (struct ledger_audits){ .group = column_text(col) };
	g->cascade = column_text(col);
	g->tier = (int)column_int(col);
	g->model = column_text(col);
	g->accepted = column_int(col);
	g->tasks = column_int(col);
	g->audited = column_int(col);
	g->differ = column_int(col);
	g->unanswered = column_int(col);
	g->cost_picousd = column_int(col);
	g->unknown_cost = column_int(col);
}

int
ledger_audits(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, bool (*each)(void *cookie,
    const struct ledger_audits *g), void *cookie, struct err *e)
{
	struct ledger_audits g;
	struct params p = { 0 };
	struct columns col;
	int64_t any;
	int rc = -1;

	/* Most stores have none, and may have a million tasks. */
	if (store_int(s, "SELECT EXISTS (SELECT 1 FROM attempts"
	    " WHERE audit IS NOT NULL)", &any, e) < 0)
		return -1;
	if (!any)
		return 0;
	if (store_prepare(s, sql_of(by), &p, e) < 0)
		goto out;
	param_int(&p, since_or_open(f->since_utc_ms));
	param_int(&p, until_or_open(f->until_utc_ms));
	param_text(&p, f->cascade);
	param_text(&p, f->run);
	param_text(&p, f->tag_key);
	param_text(&p, f->tag_value);
	while ((rc = store_step(s, &p, "read", e)) == 1) {
		col = (struct columns){ .stmt = p.stmt };
		read_group(&col, &g);
		if (col.failed)
			rc = err_nomem(e);
		if (rc < 0 || !each(cookie, &g))
			break;
	}
out:
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}
