/*
 * stats.c -- `frugal stats`: what was asked, accepted, paid and saved.
 *
 * People get a table and totals, rounded; JSON and CSV carry exact values.
 */
#include "base/clock.h"
#include "base/money.h"
#include "cache/ledger.h"
#include "cmd/audits.h"
#include "cmd/inspect.h"
#include "cmd/stats_asks.h"

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct stats {
	struct store *store;
	struct ledger_filter filter;
	enum ledger_group by;
	const char *by_word;
	enum format format;
	bool simulated;     /* every model asked is a simulated one */
	struct buf out;     /* JSON or CSV, or the totals for people */
	struct jw json;
	struct table table;
	struct asks_totals asks; /* of all cascades: requests know of none */
	struct config *cfg;      /* if it is at hand: promises; else NULL */
	struct ledger_stats collected; /* by `collect`: of all, no climb */
};

/* One column of the output in CSV and member of a group in JSON. */
struct column {
	const char *name;
	enum { COUNT, MONEY } kind;
	size_t offset;
};

#define FIELD(f) offsetof(struct ledger_stats, f)
static const struct column columns[] = {
	{ "tasks", COUNT, FIELD(tasks) },
	{ "tasks_accepted", COUNT, FIELD(by_status[TASK_ACCEPTED]) },
	{ "tasks_exhausted", COUNT, FIELD(by_status[TASK_EXHAUSTED]) },
	{ "tasks_refused", COUNT, FIELD(by_status[TASK_REFUSED]) },
	{ "tasks_failed", COUNT, FIELD(by_status[TASK_FAILED]) },
	{ "tasks_budget", COUNT, FIELD(by_status[TASK_BUDGET]) },
	{ "accept", COUNT, FIELD(by_verdict[ATTEMPT_ACCEPT]) },
	{ "escalate", COUNT, FIELD(by_verdict[ATTEMPT_ESCALATE]) },
	{ "refused", COUNT, FIELD(by_verdict[ATTEMPT_REFUSED]) },
	{ "cut_off", COUNT, FIELD(by_verdict[ATTEMPT_CUT_OFF]) },
	{ "unavailable", COUNT, FIELD(by_verdict[ATTEMPT_UNAVAILABLE]) },
	{ "failed", COUNT, FIELD(by_verdict[ATTEMPT_FAILED]) },
	{ "unknown_in_cache", COUNT,
	    FIELD(by_verdict[ATTEMPT_UNKNOWN_IN_CACHE]) },
	{ "budget", COUNT, FIELD(by_verdict[ATTEMPT_BUDGET]) },
	{ "completions", COUNT, FIELD(completions) },
	{ "cached_completions", COUNT, FIELD(cached_completions) },
	{ "repairs", COUNT, FIELD(repairs) },
	{ "requests", COUNT, FIELD(requests) },
	{ "retries", COUNT, FIELD(retries) },
	{ "fallbacks", COUNT, FIELD(fallbacks) },
	{ "prompt_tokens", COUNT, FIELD(prompt_tokens) },
	{ "completion_tokens", COUNT, FIELD(completion_tokens) },
	{ "cost_usd", MONEY, FIELD(cost_picousd) },
	{ "audit_usd", MONEY, FIELD(audit_picousd) },
	{ "unknown_cost", COUNT, FIELD(unknown_cost) },
	{ "top_usd", MONEY, FIELD(top_picousd) },
	{ "top_paid_usd", MONEY, FIELD(top_paid_picousd) },
	{ "top_known", COUNT, FIELD(top_known) },
	{ "saved_by_cache_usd", MONEY, FIELD(cached_picousd) },
	{ "latency_p50_ms", COUNT, FIELD(latency_p50_ms) },
	{ "latency_p95_ms", COUNT, FIELD(latency_p95_ms) },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static int64_t
value_of(const struct ledger_stats *g, const struct column *c)
{
	return *(const int64_t *)((const char *)g + c->offset);
}

/* A latency that is not there is -1. */
static bool
is_absent(const struct column *c, int64_t v)
{
	return c->kind == MONEY ? v == MONEY_UNKNOWN : v < 0;
}

static bool
is_by_attempt(const struct stats *s)
{
	return s->by == LEDGER_BY_TIER || s->by == LEDGER_BY_MODEL;
}

static int64_t
saved_by_cascade(const struct ledger_stats *g)
{
	return money_sub(g->top_picousd, g->top_paid_picousd);
}

/* A sum of the tasks whose cost on the top tier is known, for people: of none
 * it is not $0.00, but unknown. */
static int64_t
if_top_known(const struct ledger_stats *g, int64_t picousd)
{
	return g->top_known ? picousd : MONEY_UNKNOWN;
}

static int64_t
sum(const int64_t *v, size_t from, size_t to)
{
	int64_t n = 0;

	for (; from < to; from++)
		n += v[from];
	return n;
}

/* --- JSON -------------------------------------------------------------- */

static void
json_group(struct stats *s, const struct ledger_stats *g)
{
	struct jw *w = &s->json;

	jw_open(w, '{');
	if (g->group.n)
		jw_kstr(w, "group", g->group);
	if (g->cascade.n)
		jw_kstr(w, "cascade", g->cascade);
	if (g->tier)
		jw_ki64(w, "tier", g->tier);
	if (g->model.n)
		jw_kstr(w, "model", g->model);
	for (size_t i = 0; i < COLUMNS; i++) {
		int64_t v = value_of(g, &columns[i]);
		if (is_absent(&columns[i], v))
			continue;
		if (columns[i].kind == MONEY)
			jw_kmoney(w, columns[i].name, v);
		else
			jw_ki64(w, columns[i].name, v);
	}
	jw_kmoney(w, "saved_by_cascade_usd", saved_by_cascade(g));
	jw_key(w, "score_histogram");
	jw_open(w, '[');
	for (size_t i = 0; i < LEDGER_BINS; i++)
		jw_i64(w, g->bins[i]);
	jw_close(w, ']');
	jw_close(w, '}');
}

static bool
json_reason(void *cookie, struct str cascade, int tier,
    enum attempt_verdict v, struct str scorer, int64_t count)
{
	struct stats *s = cookie;
	struct jw *w = &s->json;

	jw_open(w, '{');
	jw_kstr(w, "cascade", cascade);
	jw_ki64(w, "tier", tier);
	jw_kstr(w, "verdict", str_of(attempt_verdict_name(v)));
	if (scorer.n)
		jw_kstr(w, "scorer", scorer);
	jw_ki64(w, "count", count);
	jw_close(w, '}');
	return true;
}

/* --- CSV --------------------------------------------------------------- */

static void
csv_text(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			buf_addc(b, '"');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

static void
csv_header(struct stats *s)
{
	buf_adds(&s->out, "group,cascade,tier,model");
	for (size_t i = 0; i < COLUMNS; i++)
		buf_addf(&s->out, ",%s", columns[i].name);
	buf_adds(&s->out, ",saved_by_cascade_usd");
	for (int i = 0; i < LEDGER_BINS; i++)
		buf_addf(&s->out, ",scores_from_0.%d", i);
	buf_adds(&s->out, ",simulated\n");
}

static void
csv_group(struct stats *s, const struct ledger_stats *g)
{
	struct buf *b = &s->out;

	csv_text(b, g->group);
	buf_addc(b, ',');
	csv_text(b, g->cascade);
	buf_addc(b, ',');
	if (g->tier)
		buf_addf(b, "%d", g->tier);
	buf_addc(b, ',');
	csv_text(b, g->model);
	for (size_t i = 0; i < COLUMNS; i++) {
		int64_t v = value_of(g, &columns[i]);
		buf_addc(b, ',');
		if (is_absent(&columns[i], v))
			continue;
		if (columns[i].kind == MONEY)
			money_exact(b, v);
		else
			buf_addf(b, "%lld", (long long)v);
	}
	buf_addc(b, ',');
	money_exact(b, saved_by_cascade(g));
	for (size_t i = 0; i < LEDGER_BINS; i++)
		buf_addf(b, ",%lld", (long long)g->bins[i]);
	buf_addf(b, ",%s\n", s->simulated ? "true" : "false");
}

/* --- the table --------------------------------------------------------- */

static const char *const attempt_titles[] = { "tasks", "accepted",
	"escalated", "other", "cost", "saved by cache", "p50", "p95",
	"scores 0-1", NULL };
static const char *const task_titles[] = { "tasks", "accepted", "exhausted",
	"failed", "escalations", "cost", "top tier alone", "saved",
	"saved by cache", "p50", "p95", "scores 0-1", NULL };

static void
cell_latency(struct table *t, int64_t ms)
{
	struct buf b;

	buf_init(&b, 64);
	if (ms < 0)
		buf_addc(&b, '-');
	else
		clock_duration(&b, ms);
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
}

/* A bar a tenth, by its share of the highest; a dot where there is none. */
static void
add_histogram(struct buf *b, const int64_t *bins)
{
	static const char *const bars[] = { "\u2581", "\u2582", "\u2583",
		"\u2584", "\u2585", "\u2586", "\u2587", "\u2588" };
	int64_t most = 0;

	for (size_t i = 0; i < LEDGER_BINS; i++)
		most = bins[i] > most ? bins[i] : most;
	for (size_t i = 0; i < LEDGER_BINS; i++)
		buf_adds(b, bins[i] == 0 ? "." : bars[(size_t)((double)
		    bins[i] / (double)most * 7.0 + 0.5)]);
}

static void
cell_histogram(struct table *t, const struct ledger_stats *g)
{
	struct buf b;

	buf_init(&b, 256);
	if (sum(g->bins, 0, LEDGER_BINS))
		add_histogram(&b, g->bins);
	else
		buf_addc(&b, '-');
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
}

static void
cell_count(struct table *t, int64_t n)
{
	table_cell(t, "%lld", (long long)n);
}

static void
table_group(struct stats *s, const struct ledger_stats *g)
{
	struct table *t = &s->table;

	if (g->group.n)
		table_cell_str(t, g->group);
	else
		table_cell(t, "(none)");
	cell_count(t, g->tasks);
	if (is_by_attempt(s)) {
		cell_count(t, g->by_verdict[ATTEMPT_ACCEPT]);
		cell_count(t, g->by_verdict[ATTEMPT_ESCALATE]);
		cell_count(t, sum(g->by_verdict, ATTEMPT_REFUSED,
		    ATTEMPT_VERDICTS));
		table_cell_money(t, g->cost_picousd);
	} else {
		cell_count(t, g->by_status[TASK_ACCEPTED]);
		cell_count(t, g->by_status[TASK_EXHAUSTED]);
		cell_count(t, sum(g->by_status, TASK_REFUSED, 5));
		cell_count(t, g->by_verdict[ATTEMPT_ESCALATE]);
		table_cell_money(t, g->cost_picousd);
		table_cell_money(t, if_top_known(g, g->top_picousd));
		table_cell_money(t, if_top_known(g, saved_by_cascade(g)));
	}
	table_cell_money(t, g->cached_picousd);
	cell_latency(t, g->latency_p50_ms);
	cell_latency(t, g->latency_p95_ms);
	cell_histogram(t, g);
}

static void
table_begin(struct stats *s)
{
	const char *const *titles = is_by_attempt(s) ? attempt_titles
	    : task_titles;

	table_init(&s->table, is_by_attempt(s) ? "lrrrrrrrrl"
	    : "lrrrrrrrrrrrl");
	table_cell(&s->table, "%s", s->by_word);
	while (*titles)
		table_cell(&s->table, "%s", *titles++);
}

/* --- the totals, for people -------------------------------------------- */

static void
add_line(struct buf *b, const char *label, int64_t picousd)
{
	buf_addf(b, "%s: ", label);
	money_show(b, picousd);
}

static void
add_percent(struct buf *b, int64_t part, int64_t whole)
{
	if (whole > 0)
		buf_addf(b, " (%.0f%%)", 100.0 * (double)part
		    / (double)whole);
}

static void
add_outcomes(struct buf *b, const struct ledger_stats *g)
{
	buf_addf(b, "\ntasks: %lld (", (long long)g->tasks);
	for (int i = TASK_ACCEPTED, n = 0; i <= TASK_BUDGET; i++)
		if (g->by_status[i])
			buf_addf(b, "%s%lld %s", n++ ? ", " : "",
			    (long long)g->by_status[i],
			    task_status_name((enum task_status)i));
	buf_adds(b, ")\n");
}

static void
add_savings(struct buf *b, const struct ledger_stats *g)
{
	add_line(b, "on the top tier alone", if_top_known(g, g->top_picousd));
	buf_adds(b, " (estimated from this run's own tokens for tasks that "
	    "never reached it");
	if (g->top_known < g->tasks)
		buf_addf(b, "; known for %lld of the %lld tasks",
		    (long long)g->top_known, (long long)g->tasks);
	buf_adds(b, ")\n");
	add_line(b, "saved by the cascade", if_top_known(g,
	    saved_by_cascade(g)));
	if (g->top_known)
		add_percent(b, saved_by_cascade(g), g->top_picousd);
	buf_addc(b, '\n');
	add_line(b, "saved by the cache", g->cached_picousd);
	buf_addf(b, " (%lld of %lld completions came out of the store)\n",
	    (long long)g->cached_completions, (long long)g->completions);
}

static void
add_totals(struct stats *s, const struct ledger_stats *g)
{
	struct buf *b = &s->out;

	add_outcomes(b, g);
	add_line(b, "spent", g->cost_picousd);
	if (g->audit_picousd) {
		buf_adds(b, " (of it ");
		money_show(b, g->audit_picousd);
		buf_adds(b, " for audits)");
	}
	if (g->unknown_cost)
		buf_addf(b, ", and %lld attempt%s of unknown cost",
		    (long long)g->unknown_cost,
		    g->unknown_cost == 1 ? "" : "s");
	buf_addf(b, "; %lld request%s, %lld of them repeated",
	    (long long)g->requests, g->requests == 1 ? "" : "s",
	    (long long)g->retries);
	if (g->fallbacks)
		buf_addf(b, "; %lld fallback%s to another endpoint",
		    (long long)g->fallbacks, g->fallbacks == 1 ? "" : "s");
	buf_addc(b, '\n');
	add_savings(b, g);
	if (g->latency_p50_ms >= 0) {
		buf_adds(b, "latency: p50 ");
		clock_duration(b, g->latency_p50_ms);
		buf_adds(b, ", p95 ");
		clock_duration(b, g->latency_p95_ms);
		buf_adds(b, " (of what was not answered from the store)\n");
	}
}

static bool
add_reason(void *cookie, struct str cascade, int tier,
    enum attempt_verdict v, struct str scorer, int64_t count)
{
	struct stats *s = cookie;
	struct table *t = &s->table;

	if (!t->cells) {
		table_cell(t, "left a tier");
		table_cell(t, "from");
		table_cell(t, "verdict");
		table_cell(t, "decided by");
	}
	cell_count(t, count);
	table_cell(t, "%.*s %d", STR_ARG(cascade), tier);
	table_cell(t, "%s", attempt_verdict_name(v));
	if (scorer.n)
		table_cell_str(t, scorer);
	else
		table_cell(t, "-");
	return true;
}

/* --- what is no climb --------------------------------------------------- */

static void
add_collected(struct buf *b, const struct ledger_stats *g)
{
	if (!g->tasks)
		return;
	buf_addf(b, "collected for traces: %lld task%s, ",
	    (long long)g->tasks, g->tasks == 1 ? "" : "s");
	money_show(b, g->cost_picousd);
	buf_adds(b, " (not in the figures above)\n");
}

static void
json_collected(struct jw *w, const struct ledger_stats *g)
{
	jw_key(w, "collected");
	jw_open(w, '{');
	jw_ki64(w, "tasks", g->tasks);
	jw_ki64(w, "completions", g->completions);
	jw_kmoney(w, "cost_usd", g->cost_picousd);
	jw_ki64(w, "unknown_cost", g->unknown_cost);
	jw_close(w, '}');
}

/* A promise is one about all tasks of a cascade, not about those with a tag. */
static int
each_promise(struct stats *s, void (*each)(void *cookie,
    const struct audits_promise *p), void *cookie, struct err *e)
{
	if (!s->cfg || s->filter.tag_value.n)
		return 0;
	return audits_promises(s->store, s->cfg, s->filter.cascade,
	    s->filter.since_utc_ms, each, cookie, e);
}

/* --- reading the ledger ------------------------------------------------ */

static bool
each_model(void *cookie, const struct ledger_stats *g)
{
	bool *all = cookie;

	/* Tasks that were never attempted have no model. */
	if (g->model.n && !inspect_is_simulated(g->model))
		*all = false;
	return *all;
}

static bool
each_total(void *cookie, const struct ledger_stats *g)
{
	struct ledger_stats *total = cookie;

	*total = *g;
	/* What is borrowed goes. */
	total->group = total->cascade = total->model = (struct str){ 0 };
	return true;
}

static bool
each_group(void *cookie, const struct ledger_stats *g)
{
	struct stats *s = cookie;

	switch (s->format) {
	case FORMAT_TABLE:
		table_group(s, g);
		break;
	case FORMAT_JSON:
		json_group(s, g);
		break;
	case FORMAT_CSV:
		csv_group(s, g);
		break;
	}
	return true;
}

static int
groups(struct stats *s, struct err *e)
{
	return ledger_stats(s->store, &s->filter, s->by, each_group, s, e);
}

/* Requests belong to no cascade and have no tags: several tasks may share one. */
static bool
has_asks(const struct stats *s)
{
	return !s->filter.cascade.n && !s->filter.tag_key.n;
}

static int
show_json(struct stats *s, const struct ledger_stats *total, struct err *e)
{
	struct jw *w = &s->json;

	*w = jw_shown(&s->out);
	jw_open(w, '{');
	jw_kstr(w, "by", str_of(s->by_word));
	jw_kbool(w, "simulated", s->simulated);
	if (s->filter.since_utc_ms)
		jw_ki64(w, "since_utc_ms", s->filter.since_utc_ms);
	jw_key(w, "groups");
	jw_open(w, '[');
	if (groups(s, e) < 0)
		return -1;
	jw_close(w, ']');
	jw_key(w, "total");
	json_group(s, total);
	jw_key(w, "escalations");
	jw_open(w, '[');
	if (ledger_reasons(s->store, &s->filter, json_reason, s, e) < 0)
		return -1;
	jw_close(w, ']');
	if (audits_json(w, s->store, &s->filter, s->by, e) < 0)
		return -1;
	jw_key(w, "promises");
	jw_open(w, '[');
	if (each_promise(s, audits_promise_json, w, e) < 0)
		return -1;
	jw_close(w, ']');
	json_collected(w, &s->collected);
	if (has_asks(s))
		stats_asks_json(w, &s->asks);
	jw_close(w, '}');
	buf_addc(&s->out, '\n');
	return inspect_print(&s->out, e);
}

static int
show_csv(struct stats *s, struct err *e)
{
	csv_header(s);
	if (groups(s, e) < 0)
		return -1;
	return inspect_print(&s->out, e);
}

static int
show_reasons(struct stats *s, struct err *e)
{
	int rc;

	table_init(&s->table, "rlll");
	rc = ledger_reasons(s->store, &s->filter, add_reason, s, e);
	if (rc == 0 && s->table.cells)
		rc = out_write(STR("\n"), e);
	return rc < 0 ? -1 : table_print(&s->table, e);
}

static int
show_table(struct stats *s, const struct ledger_stats *total, struct err *e)
{
	if (!total->tasks) {
		say("no task in the ledger matches; `frugal run` and `frugal "
		    "batch` write it");
		add_collected(&s->out, &s->collected);
		if (has_asks(s))
			stats_asks_text(&s->out, &s->asks);
		return inspect_print(&s->out, e);
	}
	if (s->simulated && out_write(STR("simulated: no model was asked and "
	    "nothing was paid; all money here is made up\n\n"), e) < 0)
		return -1;
	table_begin(s);
	if (groups(s, e) < 0 || table_print(&s->table, e) < 0)
		return -1;
	add_totals(s, total);
	add_collected(&s->out, &s->collected);
	if (has_asks(s))
		stats_asks_text(&s->out, &s->asks);
	if (each_promise(s, audits_promise_text, &s->out, e) < 0
	    || inspect_print(&s->out, e) < 0 || show_reasons(s, e) < 0)
		return -1;
	return audits_table(s->store, &s->filter, s->by, e);
}

static int
show_collected(struct stats *s, struct err *e)
{
	struct ledger_filter f = s->filter;

	f.collected = true;
	return ledger_stats(s->store, &f, LEDGER_TOTAL, each_total,
	    &s->collected, e);
}

static int
show(struct stats *s, struct err *e)
{
	struct ledger_stats total = { .latency_p50_ms = -1,
	    .latency_p95_ms = -1 };

	s->simulated = true;
	if (ledger_stats(s->store, &s->filter, LEDGER_TOTAL, each_total,
	    &total, e) < 0
	    || ledger_stats(s->store, &s->filter, LEDGER_BY_MODEL, each_model,
	    &s->simulated, e) < 0
	    || asks_totals(s->store, s->filter.since_utc_ms, 0,
	    (struct str){ 0 }, (struct str){ 0 }, &s->asks, e) < 0)
		return -1;
	s->simulated = s->simulated && total.tasks > 0;
	if (show_collected(s, e) < 0 || each_promise(s, audits_warn, NULL, e)
	    < 0)
		return -1;
	switch (s->format) {
	case FORMAT_JSON:
		return show_json(s, &total, e);
	case FORMAT_CSV:
		return show_csv(s, e);
	case FORMAT_TABLE:
		break;
	}
	return show_table(s, &total, e);
}

/* --- the command line -------------------------------------------------- */

struct words {
	const char *by, *since, *cascade, *tag;
	bool json, csv;
};

static int
set_by(struct stats *s, const char *by, struct err *e)
{
	static const struct {
		const char *name;
		enum ledger_group by;
	} known[] = {
		{ "tier", LEDGER_BY_TIER }, { "cascade", LEDGER_BY_CASCADE },
		{ "model", LEDGER_BY_MODEL }, { "day", LEDGER_BY_DAY },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_is(str_of(by), known[i].name)) {
			s->by = known[i].by;
			s->by_word = known[i].name;
			return 0;
		}
	if (!str_starts(str_of(by), "tag=") || !by[4])
		return err_set(e, ERR_USAGE, "option '--by' takes tier, "
		    "cascade, model, day or tag=NAME, not '%.40s'", by);
	s->by = LEDGER_BY_TAG;
	s->by_word = "tag";
	s->filter.tag_key = str_of(by + 4);
	return 0;
}

static int
set_tag(struct stats *s, const char *tag, struct err *e)
{
	struct str value = str_of(tag), key;

	if (!str_cut(&value, '=', &key) || !key.n || !value.n)
		return err_set(e, ERR_USAGE, "option '--tag' takes "
		    "NAME=VALUE, not '%.60s'", tag);
	if (s->filter.tag_key.n && !str_eq(s->filter.tag_key, key))
		return err_set(e, ERR_USAGE, "--by tag=%.*s and --tag %.60s "
		    "name two tags; only one can be looked at",
		    STR_ARG(s->filter.tag_key), tag);
	s->filter.tag_key = key;
	s->filter.tag_value = value;
	return 0;
}

static int
understand(struct stats *s, const struct words *w, struct err *e)
{
	if (w->json && w->csv)
		return err_set(e, ERR_USAGE, "give --json or --csv, not both");
	s->format = w->json ? FORMAT_JSON : w->csv ? FORMAT_CSV
	    : FORMAT_TABLE;
	s->filter.cascade = str_of(w->cascade);
	if (set_by(s, w->by ? w->by : "tier", e) < 0
	    || (w->tag && set_tag(s, w->tag, e) < 0))
		return -1;
	return w->since ? clock_parse_since(str_of(w->since), clock_utc_ms(),
	    &s->filter.since_utc_ms, e) : 0;
}

static int
stats_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	struct words w = { 0 };
	struct stats s = { 0 };
	const struct opt table[] = {
		{ OPT_TEXT, 0, "by", &w.by, "WHAT",
		    "a row for each tier (default), cascade, model, day,\n"
		    "or value of a tag: tag=NAME", 0, 0, NULL },
		{ OPT_TEXT, 0, "since", &w.since, "TIME",
		    "only tasks since then: 2h, 7d, today, yesterday,\n"
		    "2026-11-23", 0, 0, NULL },
		{ OPT_TEXT, 'k', "cascade", &w.cascade, "NAME",
		    "only tasks of this cascade", 0, 0, NULL },
		{ OPT_TEXT, 0, "tag", &w.tag, "NAME=VALUE",
		    "only tasks with this tag", 0, 0, NULL },
		{ OPT_FLAG, 0, "json", &w.json, NULL,
		    "one JSON object with exact values", 0, 0, NULL },
		{ OPT_FLAG, 0, "csv", &w.csv, NULL,
		    "a CSV line a row, with exact values", 0, 0, NULL },
		COMMON_CONFIG_OPT(&common),
		COMMON_STORE_OPT(&common),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int rc;

	buf_init(&s.out, BUF_MAX);
	rc = inspect_options(self, table, argc, argv, "see --help", &e);
	if (rc == 0)
		rc = understand(&s, &w, &e);
	if (rc == 0)
		rc = inspect_store(&common, &s.store, &e);
	if (rc == 0) {
		inspect_config(&common, &s.cfg);
		rc = show(&s, &e);
	}
	if (rc == 0)
		rc = out_flush(&e);
	store_close(s.store);
	config_free(s.cfg);
	buf_release(&s.out);
	buf_release(&s.table.text);
	return rc < 0 ? say_err(&e) : 0;
}

extern const struct command cmd_stats;
const struct command cmd_stats = {
	.name = "stats",
	.summary = "show what was accepted, paid and saved",
	.usage = "[OPTION]...",
	.about = "Sums up the ledger, in which `run` and `batch` write every "
	    "task. \"accepted\" and\n\"escalated\" are verdicts of a tier's "
	    "rule, \"other\" is refusals, answers cut off\nand failures; "
	    "\"saved\" is against asking the top tier alone: what it cost "
	    "where it\nwas asked, else an estimate from the task's own "
	    "tokens at its price. p50 and p95\nare latencies of what was not "
	    "answered from the store. The last column is a\nhistogram of the "
	    "scores, a bar for each tenth. Where a cascade has `audit`, the "
	    "last\ntable says how often the top tier answered otherwise.",
	.examples =
	    "  frugal stats                         all tasks, by tier\n"
	    "  frugal stats --since 7d --by day\n"
	    "  frugal stats --by tag=team --csv >bill.csv\n"
	    "  frugal stats --json | jq .total.cost_usd\n",
	.run = stats_main,
};
