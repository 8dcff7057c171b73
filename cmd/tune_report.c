/*
 * tune_report.c -- what `frugal tune` found, as tables and as JSON.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/money.h"
#include "cmd/tune.h"

#define MAX_ROWS 16 /* of the frontier's table */

const char *
tune_right_word(const struct tune_cmd *c)
{
	return c->label_free ? "agrees" : "right";
}

void
tune_labels(const struct tune_cmd *c, struct buf *out)
{
	if (c->label_free)
		buf_addf(out, "NO LABELS: \"agrees\" is with the answer of "
		    "'%.*s', right or wrong",
		    STR_ARG(c->h.tier[c->h.top].tier.name));
	else if (c->metric)
		buf_addf(out, "right by --metric %s", c->metric);
	else
		buf_adds(out, "right by the labels of the traces");
}

static const struct tier *
tier_of(const struct tune_cmd *c, size_t column)
{
	return &c->h.tier[c->h.m->col[column].tier].tier;
}

static void
show_threshold(struct buf *out, double threshold)
{
	double p = exp(threshold), rounded = nearbyint(p * 1e6) / 1e6;

	if (threshold > 0)
		buf_adds(out, "nothing");
	else if (p < 0.999 && fabs(p - rounded) < 1e-12)
		buf_add_double(out, rounded); /* not 0.8000000000000002 */
	else
		score_show(out, score_of_ln(threshold));
}

/* For reading: what is chosen is shown with all digits below. */
static void
show_short(struct buf *out, double threshold)
{
	if (threshold > 0)
		buf_adds(out, "nothing");
	else if (exp(threshold) < 0.999 || threshold >= 0)
		buf_addf(out, "%.4g", exp(threshold));
	else
		buf_addf(out, "log %.3g", threshold);
}

/* " *", or of a tier with several scorers that are used " *a", " *b", ... */
static void
show_star(const struct tune_cmd *c, size_t column, bool alone,
    struct buf *out)
{
	size_t tier = c->h.m->col[column].tier;
	int before = 0, all = 0;

	for (size_t i = 0; i < c->t.scorers; i++) {
		const struct tune_scorer *s = &c->t.scorer[i];
		if (!s->kept || c->h.m->col[s->column].tier != tier)
			continue;
		all++;
		before += s->column < column;
	}
	if (all > 1)
		buf_addf(out, " *%c", 'a' + before);
	else if (alone)
		buf_adds(out, " *");
}

/* "small x5 [0.8]" */
static void
show_place(const struct tune_cmd *c, const struct policy *p, size_t i,
    struct buf *out)
{
	size_t k = p->chain.col[i];

	buf_add(out, tier_of(c, k)->name);
	if (i + 1 == p->chain.n)
		return;
	show_star(c, k, false, out);
	if (harvest_setting(&c->h, k)->samples > 1)
		buf_addf(out, " x%d", harvest_setting(&c->h, k)->samples);
	buf_adds(out, " [");
	show_short(out, p->threshold[i]);
	buf_addc(out, ']');
}

void
tune_wish(const struct tune_cmd *c, struct buf *out)
{
	switch (c->target) {
	case TARGET_COST:
		buf_addf(out, "the best within --max-cost %s", c->max_cost);
		break;
	case TARGET_QUALITY:
		buf_addf(out, "the cheapest for --min-quality %s",
		    c->min_quality);
		break;
	case TARGET_LOSS:
		buf_addf(out, "the cheapest that is promised: --max-loss %s "
		    "--confidence %g", c->max_loss, c->sure);
		if (c->bound != NETLOSS_EXACT)
			buf_addf(out, " --bound %s",
			    tune_bound_word(c->bound));
		break;
	case TARGET_NONE:
		break;
	}
}

/* --- lessons ------------------------------------------------------------- */

static int
by_cost(const void *a, const void *b)
{
	const struct lesson *x = *(const struct lesson *const *)a;
	const struct lesson *y = *(const struct lesson *const *)b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return (x->right < y->right) - (x->right > y->right);
}

size_t
tune_staircase(const struct tuned *t, const struct lesson **out)
{
	double best = -1;
	size_t k = 0;

	for (size_t i = 0; i < t->lessons; i++)
		out[i] = &t->lesson[i];
	qsort(out, t->lessons, sizeof(*out), by_cost);
	for (size_t i = 0; i < t->lessons; i++)
		if (out[i]->right > best + 1e-12
		    && tune_beats_toss(out[i])) {
			best = out[i]->right;
			out[k++] = out[i];
		}
	return k;
}

/* --- tables -------------------------------------------------------------- */

static int
out_line(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int
out_line(struct err *e, const char *fmt, ...)
{
	struct buf b;
	va_list ap;
	int rc;

	buf_init(&b, BUF_MAX);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	buf_addc(&b, '\n');
	rc = b.failed ? err_nomem(e) : out_text(buf_str(&b), e);
	buf_release(&b);
	return rc;
}

static void
cell_share(struct table *t, double share, double n)
{
	struct interval in = chance_share(share * n, n);

	table_cell(t, "%.2f %% (%.1f-%.1f)", 100 * share, 100 * in.low,
	    100 * in.high);
}

static void
cell_cost(struct table *t, const struct tune_cmd *c, double cost)
{
	double top = matrix_mean_cost(c->h.m, c->h.tier[c->h.top].first);

	table_cell_money(t, (int64_t)llround(cost));
	if (top > 0)
		table_cell(t, "%.1f %%", 100 * cost / top);
	else
		table_cell(t, "-");
}

static int
show_models(const struct tune_cmd *c, struct err *e)
{
	struct policy_sum oracle = tune_oracle(&c->h);
	double n = (double)c->h.m->tasks;
	struct table t;

	table_init(&t, "lrrr");
	table_cell(&t, "one model");
	table_cell(&t, "%s (95 %%)", tune_right_word(c));
	table_cell(&t, "cost a task");
	table_cell(&t, "of top");
	for (size_t i = 0; i < c->h.tiers; i++) {
		const struct harvest_tier *h = &c->h.tier[i];
		table_cell(&t, "%.*s%s", STR_ARG(h->tier.name), i == c->h.top
		    ? " (top)" : "");
		cell_share(&t, matrix_accuracy(c->h.m, h->first), n);
		cell_cost(&t, c, matrix_mean_cost(c->h.m, h->first));
	}
	table_cell(&t, "oracle");
	cell_share(&t, (double)oracle.right / n, n);
	cell_cost(&t, c, (double)oracle.cost / n);
	return table_print(&t, e);
}

/* By its threshold in the chosen cascade, if it has a place there; else by the
 * one that is as good as the top tier. */
static struct accepted
accepted_by(const struct tune_cmd *c, const struct tune_scorer *s,
    bool *chosen)
{
	for (size_t i = 0; c->chosen && i + 1 < c->policy.chain.n; i++)
		if (c->policy.chain.col[i] == s->column) {
			*chosen = true;
			return tune_accepted(&c->h, s->column,
			    c->policy.threshold[i]);
		}
	*chosen = false;
	return s->accepted;
}

static void
cell_accepted(struct table *t, const struct tune_cmd *c,
    const struct tune_scorer *s)
{
	bool chosen;
	struct accepted a = accepted_by(c, s, &chosen);
	struct buf b;

	buf_init(&b, 64);
	show_short(&b, a.threshold);
	buf_adds(&b, chosen ? " chosen" : "");
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
	table_cell(t, "%.1f %%", 100 * (double)a.n / (double)c->h.m->tasks);
	if (a.n)
		cell_share(t, (double)a.right / (double)a.n, (double)a.n);
	else
		table_cell(t, "-");
}

static int
show_legend(const struct tune_cmd *c, struct err *e)
{
	struct str top = c->h.tier[c->h.top].tier.name;
	bool chosen = false;

	for (size_t i = 0; c->chosen && i + 1 < c->policy.chain.n; i++)
		chosen |= harvest_setting(&c->h, c->policy.chain.col[i])
		    ->judged;
	if (out_line(e, "cal. error: expected calibration error. with top: how "
	    "often a cascade of it\n  and '%.*s' is right, averaged over "
	    "budgets", STR_ARG(top)) < 0 ||
	    (c->label_free ? out_line(e, "at least: the lowest threshold "
	    "whose accepted answers all agree") : out_line(e, "at least: the "
	    "lowest threshold whose accepted answers are right as often\n"
	    "  as those of '%.*s'", STR_ARG(top))) < 0)
		return -1;
	return chosen ? out_line(e, "  (chosen: that of the cascade chosen "
	    "below, here of all tasks%s)", c->routed.better
	    ? "; none is accepted that skips the tier" : "") : 0;
}

static int
show_scorers(const struct tune_cmd *c, struct err *e)
{
	struct table t;
	struct buf label;

	table_init(&t, "llrrrrrr");
	table_cell(&t, "tier");
	table_cell(&t, "scorer (* is used)");
	table_cell(&t, "AUROC (95 %%)");
	table_cell(&t, "cal. error");
	table_cell(&t, "with top");
	table_cell(&t, "at least");
	table_cell(&t, "accepts");
	table_cell(&t, "of those %s (95 %%)", c->label_free ? "agree"
	    : "right");
	for (size_t i = 0; i < c->t.scorers; i++) {
		const struct tune_scorer *s = &c->t.scorer[i];
		table_cell_str(&t, tier_of(c, s->column)->name);
		buf_init(&label, 256);
		buf_adds(&label, harvest_setting(&c->h, s->column)->label);
		if (s->kept)
			show_star(c, s->column, true, &label);
		table_cell_str(&t, buf_str(&label));
		buf_release(&label);
		if (s->has_auroc)
			table_cell(&t, "%.3f (%.3f-%.3f)", s->auroc,
			    s->auroc_in.low, s->auroc_in.high);
		else
			table_cell(&t, "-");
		table_cell(&t, "%.3f", s->calibration);
		if (s->merit >= 0)
			table_cell(&t, "%.2f %%", 100 * s->merit);
		else
			table_cell(&t, "-");
		cell_accepted(&t, c, s);
	}
	return table_print(&t, e) == 0 ? show_legend(c, e) : -1;
}

static int
show_routes(const struct tune_cmd *c, struct err *e)
{
	struct table t;

	if (c->n_routes == 0)
		return 0;
	if (out_line(e, "\nRoutes: tasks of which the prompt says that a tier "
	    "has little chance skip it") < 0)
		return -1;
	table_init(&t, "lrrrrl");
	table_cell(&t, "tier");
	table_cell(&t, "skip it");
	table_cell(&t, "below");
	table_cell(&t, "with top");
	table_cell(&t, "without route");
	table_cell(&t, "%s", "");
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct tune_route *r = &c->routes[i];
		table_cell_str(&t, c->h.tier[r->tier].tier.name);
		table_cell(&t, "%.0f %%", 100 * r->share);
		table_cell(&t, "%.3f", r->below);
		table_cell(&t, "%.2f %%", 100 * r->merit);
		table_cell(&t, "%.2f %%", 100 * r->plain);
		table_cell(&t, "%s", r->pays ? "it pays" : "it does not pay");
	}
	return table_print(&t, e);
}

/* A column for each place of the chain. */
static void
lesson_row(struct table *t, const struct tune_cmd *c, const struct lesson *l,
    size_t places)
{
	struct policy p = tune_policy(&c->t, l);
	struct buf b;

	cell_cost(t, c, l->cost);
	cell_share(t, l->right, (double)c->h.m->tasks);
	if (isfinite(l->toss))
		table_cell(t, "%.2f %%", 100 * l->toss);
	else
		table_cell(t, "-"); /* no two models cost less and more */
	for (size_t i = 0; i < places; i++) {
		buf_init(&b, BUF_MAX);
		if (i < p.chain.n) {
			buf_adds(&b, i ? "-> " : "");
			show_place(c, &p, i, &b);
		}
		table_cell_str(t, buf_str(&b));
		buf_release(&b);
	}
}

static int
show_frontier(const struct tune_cmd *c, struct err *e)
{
	const struct lesson **l = calloc(c->t.lessons + 1, sizeof(*l));
	size_t n, places = 1;
	struct table t;

	if (!l)
		return err_nomem(e);
	n = tune_staircase(&c->t, l);
	for (size_t i = 0; i < n; i++)
		if (l[i]->point.chain.n > places)
			places = l[i]->point.chain.n;
	table_init(&t, "rrrrllllll");
	t.columns = 4 + places;
	table_cell(&t, "cost a task");
	table_cell(&t, "of top");
	table_cell(&t, "%s (95 %%)", tune_right_word(c));
	table_cell(&t, "coin toss");
	table_cell(&t, "cascade [threshold]");
	for (size_t i = 1; i < places; i++)
		table_cell(&t, "%s", "");
	for (size_t i = 0; i < n && i < MAX_ROWS; i++)
		lesson_row(&t, c, l[n <= MAX_ROWS ? i
		    : i * (n - 1) / (MAX_ROWS - 1)], places);
	free(l);
	return table_print(&t, e);
}

/* --- the choice ---------------------------------------------------------- */

static int
show_places(const struct tune_cmd *c, struct err *e)
{
	struct tune_place place[FRONTIER_MAX_CHAIN];
	struct table t;
	struct buf b;

	tune_places(c->h.m, &c->policy, place);
	table_init(&t, "llrrr");
	table_cell(&t, "  tier");
	table_cell(&t, "scorer");
	table_cell(&t, "at least");
	table_cell(&t, "accepted");
	table_cell(&t, "of those %s (95 %%)", c->label_free ? "agree"
	    : "right");
	for (size_t i = 0; i < c->policy.chain.n; i++) {
		size_t k = c->policy.chain.col[i];
		bool last = !harvest_setting(&c->h, k)->judged;
		table_cell(&t, "  %.*s", STR_ARG(tier_of(c, k)->name));
		table_cell(&t, "%s", last ? "-" : harvest_setting(&c->h,
		    k)->label);
		buf_init(&b, 64);
		if (!last)
			show_threshold(&b, c->policy.threshold[i]);
		table_cell_str(&t, last ? STR("-") : buf_str(&b));
		buf_release(&b);
		table_cell(&t, "%.1f %%", place[i].seen ? 100.0
		    * (double)place[i].accepted / (double)place[i].seen : 0);
		if (place[i].accepted)
			cell_share(&t, (double)place[i].right
			    / (double)place[i].accepted,
			    (double)place[i].accepted);
		else
			table_cell(&t, "-");
	}
	return table_print(&t, e);
}

/* Of all labels these many tested; the others took part in choosing what. */
static void
show_tested(const struct tune_cmd *c, struct buf *out)
{
	const struct certificate *t = &c->cert;
	int64_t others = (int64_t)c->h.m->tasks - t->labels;

	if (c->label_free)
		buf_addf(out, "(%lld of the %lld tasks that tested it differ",
		    (long long)t->lost, (long long)t->labels);
	else
		buf_addf(out, "(%lld lost and %lld gained of the %lld tasks "
		    "that tested it", (long long)t->lost, (long long)t->gained,
		    (long long)t->labels);
	if (others)
		buf_addf(out, "; the other %lld said what to test",
		    (long long)others);
	if (t->chains > 1)
		buf_addf(out, ";\n%zu chains shared the confidence",
		    t->chains);
	if (c->bound != NETLOSS_EXACT)
		buf_adds(out, ";\nby two Clopper-Pearson bounds");
	buf_adds(out, ")");
}

static int
show_promise(const struct tune_cmd *c, struct err *e)
{
	struct str top = c->h.tier[c->h.top].tier.name;
	struct buf tested;
	int rc;

	if (c->target != TARGET_LOSS)
		return 0;
	buf_init(&tested, 256);
	show_tested(c, &tested);
	rc = tested.failed ? err_nomem(e) : out_line(e, "Promised at "
	    "confidence %g %%: at most %g %% of the answers %s '%.*s', for "
	    "tasks drawn like these\n%s.", 100 * c->sure, 100 * c->wish,
	    c->label_free ? "differ\nfrom those of"
	    : "are lost on balance\nagainst always asking", STR_ARG(top),
	    tested.p);
	buf_release(&tested);
	return rc;
}

static int
show_route(const struct tune_cmd *c, struct err *e)
{
	const struct tune_route *r = &c->routed.route;

	return !c->routed.better ? 0 : out_line(e, "Route: the %.0f %% of the "
	    "tasks of which the prompt says that '%.*s' is right with a\n"
	    "chance of less than %.3f begin at '%.*s'.", 100 * r->share,
	    STR_ARG(c->h.tier[r->tier].tier.name), r->below,
	    STR_ARG(tier_of(c, c->policy.chain.col[1])->name));
}

/* Where chance does more for the same money, it can be had by dividing the
 * tasks: between tiers, as was chosen, or models. */
static int
show_toss(const struct tune_cmd *c, struct err *e)
{
	const struct policy *p = &c->policy;
	struct tune_toss t;

	if (c->target != TARGET_COST)
		return 0;
	if (p->rest)
		return out_line(e, "%.0f %% of the tasks begin at '%.*s', the "
		    "others at '%.*s': no cascade between the two does so "
		    "much\nfor the money.", 100 * p->share,
		    STR_ARG(tier_of(c, p->chain.col[0])->name),
		    STR_ARG(tier_of(c, p->chain.col[p->rest])->name));
	t = tune_best_toss(&c->h, c->lesson->budget);
	if (t.a == t.b || t.right <= c->right)
		return 0;
	return out_line(e, "For the same money '%.*s' for a random %.0f %% of "
	    "the tasks and '%.*s' for the others\ngives %.2f %%.",
	    STR_ARG(c->h.tier[t.b].tier.name), 100 * t.share,
	    STR_ARG(c->h.tier[t.a].tier.name), 100 * t.right);
}

static int
show_choice(const struct tune_cmd *c, struct err *e)
{
	double n = (double)c->h.m->tasks;
	struct interval in = chance_share(c->right * n, n);
	double top = matrix_mean_cost(c->h.m, c->h.tier[c->h.top].first);
	struct buf b, money;
	int rc;

	if (!c->chosen)
		return 0;
	buf_init(&b, BUF_MAX);
	buf_init(&money, 64);
	tune_wish(c, &b);
	money_show(&money, (int64_t)llround(c->cost));
	rc = out_line(e, "\nChosen, %s:\n%s%.2f %% %s (%.1f-%.1f), %s a "
	    "task, %.1f %% of top.", b.p ? b.p : "", c->policy.chain.n == 1
	    ? "no cascade pays here, one model: " : "", 100 * c->right,
	    tune_right_word(c), 100 * in.low, 100 * in.high,
	    money.p ? money.p : "?", top > 0 ? 100 * c->cost / top : 0);
	buf_release(&b);
	buf_release(&money);
	if (rc == 0)
		rc = out_line(e, "On the tasks at hand, which it was learned "
		    "from:");
	if (rc == 0)
		rc = show_places(c, e);
	if (rc == 0)
		rc = show_route(c, e);
	if (rc == 0)
		rc = show_toss(c, e);
	return rc == 0 ? show_promise(c, e) : -1;
}

int
tune_report(const struct tune_cmd *c, struct err *e)
{
	struct buf labels;
	bool pays = false;
	int rc;

	for (size_t i = 0; i < c->t.lessons; i++)
		pays |= c->t.lesson[i].point.chain.n > 1;
	buf_init(&labels, BUF_MAX);
	tune_labels(c, &labels);
	rc = out_line(e, "%zu tasks, %zu tiers; %s.\n", c->h.m->tasks,
	    c->h.tiers, labels.p ? labels.p : "");
	buf_release(&labels);
	if (rc < 0 || show_models(c, e) < 0 ||
	    out_line(e, "%s", "") < 0 || show_scorers(c, e) < 0 ||
	    show_routes(c, e) < 0 ||
	    out_line(e, "\nFrontier, on tasks not learned from (%zu-fold "
	    "cross-validation)%s", c->h.m->tasks < SEARCH_FOLDS
	    ? c->h.m->tasks : SEARCH_FOLDS, pays ? "" :
	    ":\nno cascade pays here, one model or a coin toss between two "
	    "does as well") < 0 ||
	    show_frontier(c, e) < 0 || tune_plot_terminal(c, e) < 0)
		return -1;
	return show_choice(c, e);
}

/* --- JSON ---------------------------------------------------------------- */

static void
json_share(struct jw *w, const char *name, double share, double n)
{
	struct interval in = chance_share(share * n, n);

	jw_key(w, name);
	jw_double(w, share);
	jw_key(w, "low");
	jw_double(w, in.low);
	jw_key(w, "high");
	jw_double(w, in.high);
}

static void
json_policy(struct jw *w, const struct tune_cmd *c, const struct policy *p)
{
	struct buf accept;

	jw_key(w, "tiers");
	jw_open(w, '[');
	for (size_t i = 0; i < p->chain.n; i++) {
		const struct setting *s = harvest_setting(&c->h,
		    p->chain.col[i]);
		jw_open(w, '{');
		jw_kstr(w, "name", tier_of(c, p->chain.col[i])->name);
		jw_ki64(w, "samples", s->samples);
		if (p->rest && i < p->rest)
			jw_kdouble(w, "share", i ? 0 : p->share);
		if (s->judged) {
			jw_kstr(w, "scorer", str_of(s->label));
			jw_kdouble(w, "threshold_ln", p->threshold[i]);
			buf_init(&accept, BUF_MAX);
			setting_accept(s, p->threshold[i], &accept);
			if (accept.n)
				jw_kstr(w, "accept", buf_str(&accept));
			buf_release(&accept);
		}
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_models(struct jw *w, const struct tune_cmd *c)
{
	struct policy_sum oracle = tune_oracle(&c->h);
	double n = (double)c->h.m->tasks;

	jw_key(w, "models");
	jw_open(w, '[');
	for (size_t i = 0; i < c->h.tiers; i++) {
		size_t k = c->h.tier[i].first;
		jw_open(w, '{');
		jw_kstr(w, "name", c->h.tier[i].tier.name);
		jw_kbool(w, "top", i == c->h.top);
		json_share(w, "right", matrix_accuracy(c->h.m, k), n);
		jw_kmoney(w, "cost_usd", llround(matrix_mean_cost(c->h.m,
		    k)));
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_key(w, "oracle");
	jw_open(w, '{');
	json_share(w, "right", (double)oracle.right / n, n);
	jw_kmoney(w, "cost_usd", llround((double)oracle.cost / n));
	jw_close(w, '}');
}

static void
json_interval(struct jw *w, const char *name, double share,
    struct interval in)
{
	char key[64];

	jw_kdouble(w, name, share);
	snprintf(key, sizeof(key), "%s_low", name);
	jw_kdouble(w, key, in.low);
	snprintf(key, sizeof(key), "%s_high", name);
	jw_kdouble(w, key, in.high);
}

static void
json_accepted(struct jw *w, const struct tune_cmd *c,
    const struct tune_scorer *s)
{
	bool chosen;
	struct accepted a = accepted_by(c, s, &chosen);

	jw_kbool(w, "chosen", chosen);
	if (a.threshold <= 0)
		jw_kdouble(w, "threshold_ln", a.threshold);
	jw_kdouble(w, "accepts", (double)a.n / (double)c->h.m->tasks);
	if (a.n)
		json_interval(w, "accepted_right", (double)a.right
		    / (double)a.n, chance_share((double)a.right,
		    (double)a.n));
}

static void
json_scorers(struct jw *w, const struct tune_cmd *c)
{
	jw_key(w, "scorers");
	jw_open(w, '[');
	for (size_t i = 0; i < c->t.scorers; i++) {
		const struct tune_scorer *s = &c->t.scorer[i];
		jw_open(w, '{');
		jw_kstr(w, "tier", tier_of(c, s->column)->name);
		jw_kstr(w, "scorer", str_of(harvest_setting(&c->h,
		    s->column)->label));
		jw_kbool(w, "used", s->kept);
		if (s->has_auroc) {
			jw_kdouble(w, "auroc", s->auroc);
			jw_kdouble(w, "auroc_low", s->auroc_in.low);
			jw_kdouble(w, "auroc_high", s->auroc_in.high);
		}
		jw_kdouble(w, "calibration_error", s->calibration);
		if (s->merit >= 0)
			jw_kdouble(w, "with_top", s->merit);
		json_accepted(w, c, s);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_routes(struct jw *w, const struct tune_cmd *c)
{
	if (!c->route)
		return;
	jw_key(w, "routes");
	jw_open(w, '[');
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct tune_route *r = &c->routes[i];
		jw_open(w, '{');
		jw_kstr(w, "tier", c->h.tier[r->tier].tier.name);
		jw_kdouble(w, "skip", r->share);
		jw_kdouble(w, "below", r->below);
		jw_kdouble(w, "with_top", r->merit);
		jw_kdouble(w, "without_route", r->plain);
		jw_kbool(w, "pays", r->pays);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_frontier(struct jw *w, const struct tune_cmd *c,
    const struct lesson **l, size_t n)
{
	jw_key(w, "frontier");
	jw_open(w, '[');
	for (size_t i = 0; i < n; i++) {
		struct policy p = tune_policy(&c->t, l[i]);
		jw_open(w, '{');
		jw_kmoney(w, "cost_usd", llround(l[i]->cost));
		json_share(w, "right", l[i]->right, (double)c->h.m->tasks);
		if (isfinite(l[i]->toss))
			jw_kdouble(w, "coin_toss", l[i]->toss);
		json_policy(w, c, &p);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
json_choice(struct jw *w, const struct tune_cmd *c)
{
	struct tune_place place[FRONTIER_MAX_CHAIN];

	if (!c->chosen)
		return;
	jw_key(w, "chosen");
	jw_open(w, '{');
	json_share(w, "right", c->right, (double)c->h.m->tasks);
	jw_kmoney(w, "cost_usd", llround(c->cost));
	json_policy(w, c, &c->policy);
	tune_places(c->h.m, &c->policy, place);
	jw_key(w, "accepted");
	jw_open(w, '[');
	for (size_t i = 0; i < c->policy.chain.n; i++) {
		jw_open(w, '{');
		jw_ki64(w, "seen", place[i].seen);
		jw_ki64(w, "accepted", place[i].accepted);
		jw_ki64(w, "right", place[i].right);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	if (c->routed.better) {
		jw_key(w, "route");
		jw_open(w, '{');
		jw_kstr(w, "skips", c->h.tier[c->routed.route.tier].tier.name);
		jw_kdouble(w, "share", c->routed.route.share);
		jw_kdouble(w, "below", c->routed.route.below);
		jw_close(w, '}');
	}
	if (c->target == TARGET_LOSS) {
		jw_key(w, "promise");
		jw_open(w, '{');
		jw_kdouble(w, "max_loss", c->wish);
		jw_kdouble(w, "confidence", c->sure);
		if (c->bound != NETLOSS_EXACT)
			jw_kstr(w, "bound", str_of(tune_bound_word(c->bound)));
		jw_ki64(w, "labels", c->cert.labels);
		jw_ki64(w, "chosen_on", c->cert.chosen_on);
		jw_ki64(w, "chains", (int64_t)c->cert.chains);
		jw_ki64(w, "lost", c->cert.lost);
		jw_ki64(w, "gained", c->cert.gained);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

int
tune_report_json(const struct tune_cmd *c, struct err *e)
{
	const struct lesson **l = calloc(c->t.lessons + 1, sizeof(*l));
	struct buf b, labels;
	struct jw w;
	int rc;

	if (!l)
		return err_nomem(e);
	buf_init(&b, BUF_MAX);
	buf_init(&labels, BUF_MAX);
	tune_labels(c, &labels);
	w = jw_on(&b);
	jw_open(&w, '{');
	jw_ki64(&w, "tasks", (int64_t)c->h.m->tasks);
	jw_ki64(&w, "left_out", c->h.left_out + c->h.unlabelled);
	jw_ki64(&w, "bad_lines", c->bad);
	jw_kstr(&w, "labels", buf_str(&labels));
	jw_kbool(&w, "label_free", c->label_free);
	json_models(&w, c);
	json_scorers(&w, c);
	json_routes(&w, c);
	json_frontier(&w, c, l, tune_staircase(&c->t, l));
	json_choice(&w, c);
	jw_close(&w, '}');
	buf_addc(&b, '\n');
	rc = b.failed ? err_nomem(e) : out_write(buf_str(&b), e);
	buf_release(&b);
	buf_release(&labels);
	free(l);
	return rc;
}
