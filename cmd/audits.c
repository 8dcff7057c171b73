/*
 * audits.c -- audits in tables, in JSON, and in warnings.
 */
#include "cmd/audits.h"

#include "base/money.h"

#define CONFIDENCE 0.95 /* of the intervals that are shown */

static enum ledger_group
grouping(enum ledger_group by)
{
	return by == LEDGER_BY_TAG ? by : LEDGER_BY_TIER;
}

/* --- what was found -------------------------------------------------------- */

static bool
add_row(void *cookie, const struct ledger_audits *g)
{
	struct audit_share share = audit_share(g->differ, g->audited,
	    CONFIDENCE);
	struct table *t = cookie;

	if (!t->cells) {
		table_cell(t, "audits");
		table_cell(t, "accepted");
		table_cell(t, "audited");
		table_cell(t, "differ");
		table_cell(t, "share (95 %%)");
		table_cell(t, "no answer");
		table_cell(t, "cost");
	}
	if (g->group.n)
		table_cell_str(t, g->group);
	else
		table_cell(t, "(none)");
	table_cell(t, "%lld", (long long)g->accepted);
	table_cell(t, "%lld", (long long)g->audited);
	table_cell(t, "%lld", (long long)g->differ);
	table_cell(t, "%.2f %% (%.2f-%.2f)", 100 * share.share,
	    100 * share.low, 100 * share.high);
	table_cell(t, "%lld", (long long)g->unanswered);
	table_cell_money(t, g->cost_picousd);
	return true;
}

int
audits_table(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, struct err *e)
{
	struct table t;
	int rc;

	table_init(&t, "lrrrrrr");
	rc = ledger_audits(s, f, grouping(by), add_row, &t, e);
	if (rc == 0 && t.cells)
		rc = out_write(STR("\n"), e);
	if (rc < 0) {
		buf_release(&t.text);
		return -1;
	}
	return table_print(&t, e);
}

static void
json_found(struct jw *w, const struct ledger_audits *g)
{
	struct audit_share share = audit_share(g->differ, g->audited,
	    CONFIDENCE);

	jw_ki64(w, "accepted", g->accepted);
	jw_ki64(w, "audited", g->audited);
	jw_ki64(w, "differ", g->differ);
	jw_ki64(w, "no_answer", g->unanswered);
	if (g->audited)
		jw_kdouble(w, "share", share.share);
	jw_kdouble(w, "share_low", share.low);
	jw_kdouble(w, "share_high", share.high);
	jw_kmoney(w, "cost_usd", g->cost_picousd);
	if (g->unknown_cost)
		jw_ki64(w, "unknown_cost", g->unknown_cost);
}

static bool
json_row(void *cookie, const struct ledger_audits *g)
{
	struct jw *w = cookie;

	jw_open(w, '{');
	if (g->group.n)
		jw_kstr(w, "group", g->group);
	if (g->tier) {
		jw_kstr(w, "cascade", g->cascade);
		jw_ki64(w, "tier", g->tier);
		jw_kstr(w, "model", g->model);
	}
	json_found(w, g);
	jw_close(w, '}');
	return true;
}

int
audits_json(struct jw *w, struct store *s, const struct ledger_filter *f,
    enum ledger_group by, struct err *e)
{
	jw_key(w, "audits");
	jw_open(w, '[');
	if (ledger_audits(s, f, grouping(by), json_row, w, e) < 0)
		return -1;
	jw_close(w, ']');
	return 0;
}

/* --- promises -------------------------------------------------------------- */

struct asking {
	const struct cascade *cascade;
	void (*each)(void *cookie, const struct audits_promise *p);
	void *cookie;
};

static bool
each_cascade(void *cookie, const struct ledger_audits *g)
{
	const struct asking *a = cookie;
	struct audits_promise p = { a->cascade, *g,
	    audit_drift(g, &a->cascade->promise) };

	a->each(a->cookie, &p);
	return true;
}

int
audits_promises(struct store *s, const struct config *cfg, struct str only,
    int64_t since_utc_ms, void (*each)(void *cookie,
    const struct audits_promise *p), void *cookie, struct err *e)
{
	for (size_t i = 0; i < cfg->n_cascades; i++) {
		const struct cascade *k = &cfg->cascades[i];
		struct asking a = { k, each, cookie };
		struct ledger_filter f = { .cascade = k->name,
		    .since_utc_ms = k->promise.since_utc_ms };

		if (!k->promise.given || (only.n && !str_eq(only, k->name)))
			continue;
		if (since_utc_ms > f.since_utc_ms)
			f.since_utc_ms = since_utc_ms;
		if (ledger_audits(s, &f, LEDGER_BY_CASCADE, each_cascade, &a,
		    e) < 0)
			return -1;
	}
	return 0;
}

void
audits_warn(void *cookie, const struct audits_promise *p)
{
	const struct promise *wish = &p->cascade->promise;

	(void)cookie;
	if (!p->drift.drifted)
		return;
	say("warning: audits no longer bear out the promise of cascade '%.*s': "
	    "of all its answers at least %.2f %% differ from the top tier's "
	    "(%g %% sure), and it was promised to lose no more than %g %%; "
	    "learn it anew from fresh labels",
	    STR_ARG(p->cascade->name), 100 * p->drift.least,
	    100 * wish->confidence, 100 * wish->max_loss);
}

void
audits_promise_json(void *cookie, const struct audits_promise *p)
{
	struct jw *w = cookie;

	jw_open(w, '{');
	jw_kstr(w, "cascade", p->cascade->name);
	jw_kdouble(w, "max_loss", p->cascade->promise.max_loss);
	jw_kdouble(w, "confidence", p->cascade->promise.confidence);
	jw_ki64(w, "answers", p->found.tasks);
	json_found(w, &p->found);
	jw_kdouble(w, "differ_at_least", p->drift.least);
	jw_kbool(w, "drifted", p->drift.drifted);
	jw_close(w, '}');
}

void
audits_promise_text(void *cookie, const struct audits_promise *p)
{
	const struct promise *wish = &p->cascade->promise;
	struct buf *b = cookie;

	buf_addf(b, "promise of %.*s: no more than %g %% lost (%g %% sure); of "
	    "all answers at least %.2f %% differ from the top tier's: %s\n",
	    STR_ARG(p->cascade->name), 100 * wish->max_loss,
	    100 * wish->confidence, 100 * p->drift.least, p->drift.drifted
	    ? "NO LONGER BORNE OUT" : "nothing speaks against it");
}
