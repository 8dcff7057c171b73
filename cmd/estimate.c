/*
 * estimate.c -- a table of what a run would cost.
 */
#include "cmd/estimate.h"

#include <math.h>

#include "base/money.h"
#include "cascade/budget.h"
#include "cmd/common.h"

/* "61 (50-80)", or "61" where there is no range. */
static void
cell_range(struct table *t, const double v[ESTIMATE_FIGURES])
{
	double low = round(v[ESTIMATE_LOW]), high = round(v[ESTIMATE_HIGH]);

	if (low == high)
		table_cell(t, "%.0f", low);
	else
		table_cell(t, "%.0f (%.0f-%.0f)",
		    round(v[ESTIMATE_EXPECTED]), low, high);
}

static void
cell_money(struct table *t, const int64_t v[ESTIMATE_FIGURES])
{
	struct buf b;

	buf_init(&b, 256);
	money_show(&b, v[ESTIMATE_EXPECTED]);
	if (v[ESTIMATE_LOW] != v[ESTIMATE_HIGH]) {
		buf_adds(&b, " (");
		money_show(&b, v[ESTIMATE_LOW]);
		buf_adds(&b, "-");
		money_show(&b, v[ESTIMATE_HIGH]);
		buf_addc(&b, ')');
	}
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
}

static void
cell_rate(struct table *t, const struct estimate_row *r)
{
	if (r->accepts[ESTIMATE_LOW] == r->accepts[ESTIMATE_HIGH])
		table_cell(t, "all");
	else if (!r->judged)
		table_cell(t, "not known");
	else
		table_cell(t, "%.0f %% (%.0f-%.0f) of %lld",
		    100 * r->accepts[ESTIMATE_EXPECTED],
		    100 * r->accepts[ESTIMATE_HIGH],
		    100 * r->accepts[ESTIMATE_LOW], (long long)r->judged);
}

static int
print_table(const struct estimate *x, const struct estimate_totals *all,
    struct err *e)
{
	struct estimate_row r;
	struct table t;
	size_t i = 0;

	table_init(&t, "lrrlr");
	table_cell(&t, "tier");
	table_cell(&t, "tasks");
	table_cell(&t, "requests");
	table_cell(&t, "accepted");
	table_cell(&t, "cost");
	while (estimate_each(x, &i, &r)) {
		table_cell(&t, "%.*s %d %.*s", STR_ARG(r.cascade->name),
		    r.number, STR_ARG(r.tier->model));
		cell_range(&t, r.tasks);
		cell_range(&t, r.requests);
		cell_rate(&t, &r);
		cell_money(&t, r.cost_picousd);
	}
	table_cell(&t, "all");
	table_cell(&t, "%lld", (long long)(all->tasks - all->stored
	    - all->failed));
	cell_range(&t, all->requests);
	table_cell(&t, "-");
	cell_money(&t, all->cost_picousd);
	return table_print(&t, e);
}

static void
add_notes(struct buf *b, const struct estimate_totals *t, int64_t cap)
{
	if (t->unknown)
		buf_adds(b, "A model has no known price: what it costs is left "
		    "out. State it under `models`.\n");
	if (t->guessed)
		buf_addf(b, "The ledger does not know every tier yet: there "
		    "half is taken to be accepted, with\nanswers of %d tokens; "
		    "a first run of some hundred tasks makes the range small."
		    "\n", ESTIMATE_TOKENS);
	if (cap != BUDGET_NONE && t->cost_picousd[ESTIMATE_EXPECTED] > cap)
		buf_adds(b, "That is more than --max-cost: the run would stop "
		    "before its end.\n");
}

int
estimate_print(const struct estimate *x, int64_t cap, struct err *e)
{
	struct estimate_totals t = estimate_totals(x);
	struct buf b;
	int rc;

	buf_init(&b, 4096);
	buf_addf(&b, "%lld task%s, %lld of them in the store already; nothing "
	    "was sent\n", (long long)t.tasks, t.tasks == 1 ? "" : "s",
	    (long long)t.stored);
	if (t.failed)
		buf_addf(&b, "%lld cannot be asked at all\n",
		    (long long)t.failed);
	rc = b.failed ? err_nomem(e) : out_write(buf_str(&b), e);
	if (rc == 0 && t.tasks > t.stored + t.failed)
		rc = print_table(x, &t, e);
	buf_clear(&b);
	add_notes(&b, &t, cap);
	if (rc == 0)
		rc = b.failed ? err_nomem(e) : out_write(buf_str(&b), e);
	buf_release(&b);
	return rc < 0 ? -1 : out_flush(e);
}
