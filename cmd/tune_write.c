/*
 * tune_write.c -- `frugal tune --write`: the choice goes into the
 * configuration, and is read again before the file is touched.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/rewrite.h"
#include "cmd/output.h"
#include "cmd/tune.h"

#define NEW ".new" /* what a model is called until all is well */
#define SHARE "%.4g" /* how the share of a tier is written */
#define ALWAYS "always" /* the rule of a tier that takes what it says */

/* The rule, with NEW after the name of its model's file. */
static void
add_accept(const struct setting *s, double threshold, bool fresh,
    struct buf *out)
{
	const char *name;
	struct buf b;
	size_t end;

	buf_init(&b, BUF_MAX);
	setting_accept(s, threshold, &b);
	name = fresh && s->learned && b.p ? strstr(b.p, s->file) : NULL;
	end = name ? (size_t)(name - b.p) + strlen(s->file) : b.n;
	if (b.failed) {
		out->failed = true;
	} else {
		buf_add(out, str_sub(buf_str(&b), 0, end));
		buf_adds(out, name ? NEW : "");
		buf_add(out, str_sub(buf_str(&b), end, b.n));
	}
	buf_release(&b);
}

/* How many of the tasks begin there; nothing where it is as it was. */
static int
add_share(const struct tune_cmd *c, size_t i, const struct tier *was,
    struct rewrite_tier *out)
{
	const struct policy *p = &c->policy;
	double share = i >= p->rest ? 1 : i == 0 ? p->share : 0;
	const char *text;

	if (i >= p->rest && !(was->passed > 0))
		return 0;
	text = arena_printf(c->arena, SHARE, share);
	if (text)
		out->share = str_of(text);
	return text ? 0 : -1;
}

/* The tiers as rewrite_cascade() wants them; the texts are in the arena. */
static int
plan(const struct tune_cmd *c, bool fresh, struct rewrite_tier *out,
    struct err *e)
{
	struct buf b;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->policy.chain.n; i++) {
		size_t k = c->policy.chain.col[i];
		const struct harvest_tier *t = &c->h.tier[c->h.m->col[k].tier];
		const struct setting *s = harvest_setting(&c->h, k);
		out[i] = (struct rewrite_tier){ .place = t->place };
		if (add_share(c, i, &t->tier, &out[i]) < 0)
			return err_nomem(e);
		if (i + 1 == c->policy.chain.n)
			break;
		if (!s->judged) {
			out[i].accept = STR(ALWAYS);
			continue;
		}
		if (t->tier.samples_min != s->samples
		    || t->tier.samples_max != s->samples)
			out[i].samples = s->samples;
		buf_init(&b, BUF_MAX);
		add_accept(s, c->policy.threshold[i], fresh, &b);
		if (b.failed || !arena_str(c->arena, buf_str(&b),
		    &out[i].accept))
			rc = err_nomem(e);
		buf_release(&b);
	}
	return rc;
}

/* The route as rewrite_cascade() wants it: empty without one. */
static int
plan_route(const struct tune_cmd *c, bool fresh, struct str *out,
    struct err *e)
{
	const char *file;
	struct buf b;
	int rc = 0;

	*out = STR("");
	if (!c->routed.better)
		return 0;
	file = harvest_route_file(&c->h, c->routed.route.tier, c->arena);
	if (!file)
		return err_nomem(e);
	buf_init(&b, BUF_MAX);
	buf_addf(&b, "[{start: 2, learned: \"%s%s\", below: ", file, fresh
	    ? NEW : "");
	buf_add_double(&b, c->routed.route.below);
	buf_adds(&b, "}]");
	if (b.failed || !arena_str(c->arena, buf_str(&b), out))
		rc = err_nomem(e);
	buf_release(&b);
	return rc;
}

/* From what data, when, which promise. */
static void
comment(const struct tune_cmd *c, struct buf *out)
{
	double n = (double)c->h.m->tasks;
	struct interval in = chance_share(c->right * n, n);

	clock_local_day(out, clock_utc_ms());
	buf_addf(out, ", %zu tasks of", c->h.m->tasks);
	for (size_t i = 0; i < c->n_files; i++)
		buf_addf(out, "%s %s", i ? "," : "", c->files[i]);
	buf_adds(out, "\n");
	tune_labels(c, out);
	buf_adds(out, "; ");
	tune_wish(c, out);
	buf_addf(out, "\n%s %.2f %% (%.1f-%.1f), ", tune_right_word(c),
	    100 * c->right, 100 * in.low, 100 * in.high);
	money_show(out, llround(c->cost));
	buf_adds(out, c->target == TARGET_LOSS ? " a task, on the same tasks"
	    : " a task, by cross-validation");
	if (c->target == TARGET_LOSS)
		buf_addf(out, "\npromised: at most %g %% of the answers %s "
		    "'%.*s'%s, confidence %g %%%s", 100 * c->wish,
		    c->label_free ? "differ from those of" : "of",
		    STR_ARG(c->h.tier[c->h.top].tier.name),
		    c->label_free ? "" : " lost on balance", 100 * c->sure,
		    c->bound == NETLOSS_EXACT ? ""
		    : ", by two Clopper-Pearson bounds");
}

/* As `check` shows it: two rules that are shown alike are one; "always" is
 * none. */
static bool
is_rule(const struct rule *rule, struct str accept, struct arena *a,
    const char *file)
{
	struct report report;
	struct ynode *n;
	struct rule *meant;
	struct buf x, y;
	bool same;

	if (str_is(accept, ALWAYS))
		return !rule;
	report_init(&report, a, file);
	n = yaml_parse(accept, a, &report);
	meant = n ? rule_build(n, a, &report) : NULL;
	buf_init(&x, BUF_MAX);
	buf_init(&y, BUF_MAX);
	if (rule)
		rule_show(rule, &x);
	if (meant)
		rule_show(meant, &y);
	same = rule && meant && !x.failed && !y.failed
	    && str_eq(buf_str(&x), buf_str(&y));
	rule_release(meant);
	buf_release(&x);
	buf_release(&y);
	return same;
}

/* A number as it was written, to the digits that it was written with. */
static bool
is_share(const struct tier *t, struct str share)
{
	char text[32];

	snprintf(text, sizeof(text), SHARE, 1 - t->passed);
	return share.n == 0 || str_is(share, text);
}

static bool
is_meant(const struct tune_cmd *c, const struct cascade *k,
    const struct rewrite_tier *want)
{
	if (k->n_tiers != c->policy.chain.n || (c->routed.better && !k->route))
		return false;
	for (size_t i = 0; i < k->n_tiers; i++) {
		size_t column = c->policy.chain.col[i];
		const struct tier *t = &c->h.tier[c->h.m->col[column].tier].tier;
		const struct tier *is = &k->tiers[i];
		if (!str_eq(is->name, t->name)
		    || !str_eq(is->model, t->model)
		    || (want[i].samples && is->samples_max != want[i].samples)
		    || !is_share(is, want[i].share)
		    || (want[i].accept.n && !is_rule(is->accept,
		    want[i].accept, c->arena, c->path.p)))
			return false;
	}
	return true;
}

/* Does the new text say what was meant? */
static int
verify(const struct tune_cmd *c, const struct rewrite_tier *want,
    struct str text, struct err *e)
{
	struct buf messages;
	struct config *cfg = NULL;
	const struct cascade *k = NULL;
	int rc;

	buf_init(&messages, BUF_MAX);
	rc = config_parse(&cfg, c->path.p, text, &messages, NULL, e);
	if (rc == 0)
		k = config_cascade(cfg, c->k->name, e);
	if (rc < 0 || !k || !is_meant(c, k, want)) {
		say_block(&messages);
		rc = err_set(e, ERR_CONFIG, "'%s' could not be rewritten: "
		    "nothing was changed; put the result in by hand",
		    c->path.p);
	}
	config_free(cfg);
	buf_release(&messages);
	return rc;
}

/* --- models -------------------------------------------------------------- */

/* The file of the model at a place of the chain or, one past the last, of the
 * route; NULL: there is none. */
static const char *
file_at(const struct tune_cmd *c, size_t i)
{
	const struct setting *s;

	if (i == c->policy.chain.n)
		return c->routed.better ? harvest_route_file(&c->h,
		    c->routed.route.tier, c->arena) : NULL;
	s = harvest_setting(&c->h, c->policy.chain.col[i]);
	return i + 1u < c->policy.chain.n && s->learned ? s->file : NULL;
}

static int
model_at(const struct tune_cmd *c, size_t i, struct model *m, struct err *e)
{
	return i == c->policy.chain.n ? harvest_route_model(&c->h,
	    c->routed.route.tier, c->arena, m, e) : harvest_model(&c->h,
	    c->policy.chain.col[i], c->arena, m, e);
}

/* Beside the configuration. */
static void
model_path(const struct tune_cmd *c, const char *file, bool fresh,
    struct buf *out)
{
	const char *slash = strrchr(c->path.p, '/');

	buf_add(out, str_sub(buf_str(&c->path), 0, slash ? (size_t)(slash
	    - c->path.p) + 1 : 0));
	buf_adds(out, file);
	buf_adds(out, fresh ? NEW : "");
}

static int
save_model(const struct tune_cmd *c, size_t i, struct err *e)
{
	struct output *out = NULL;
	struct buf path, text;
	struct model m;
	int rc;

	buf_init(&path, BUF_MAX);
	buf_init(&text, MODEL_MAX_FILE);
	model_path(c, file_at(c, i), true, &path);
	rc = model_at(c, i, &m, e);
	if (rc == 0) {
		model_print(&text, &m);
		rc = text.failed || path.failed ? err_nomem(e)
		    : output_open(&out, path.p, OUTPUT_REPLACE, e);
	}
	if (rc == 0)
		rc = output_add(out, buf_str(&text), e);
	if (rc == 0)
		rc = output_finish(out, e);
	output_free(out);
	buf_release(&path);
	buf_release(&text);
	return rc;
}

/* Give it its name, or, if not `keep`, delete it. */
static int
settle_model(const struct tune_cmd *c, size_t i, bool keep, struct err *e)
{
	bool route = i == c->policy.chain.n;
	size_t tier = route ? c->routed.route.tier
	    : c->h.m->col[c->policy.chain.col[i]].tier;
	struct buf from, to;
	int rc = 0;

	buf_init(&from, BUF_MAX);
	buf_init(&to, BUF_MAX);
	model_path(c, file_at(c, i), true, &from);
	model_path(c, file_at(c, i), false, &to);
	if (from.failed || to.failed)
		rc = err_nomem(e);
	else if (!keep)
		unlink(from.p);
	else if (rename(from.p, to.p) < 0)
		rc = err_sys(e, ERR_IO, "cannot write '%s'", to.p);
	else
		say("wrote '%s', the model of tier '%.*s'%s", to.p,
		    STR_ARG(c->h.tier[tier].tier.name), route
		    ? " by prompts alone" : "");
	buf_release(&from);
	buf_release(&to);
	return rc;
}

static int
save_models(const struct tune_cmd *c, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i <= c->policy.chain.n; i++)
		if (file_at(c, i))
			rc = save_model(c, i, e);
	return rc;
}

static int
settle_models(const struct tune_cmd *c, bool keep, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i <= c->policy.chain.n; i++)
		if (file_at(c, i) && settle_model(c, i, keep && rc == 0,
		    e) < 0)
			rc = -1;
	return rc;
}

/* --- the file ------------------------------------------------------------ */

/* The new text, with the names that models have now or will have. */
static int
rewrite(const struct tune_cmd *c, bool fresh, struct str comment,
    struct rewrite_tier tier[FRONTIER_MAX_CHAIN], struct buf *out,
    struct err *e)
{
	struct str route;

	buf_clear(out);
	return plan(c, fresh, tier, e) < 0 || plan_route(c, fresh, &route,
	    e) < 0 ? -1 : rewrite_cascade(buf_str(&c->text), c->path.p,
	    c->k->name, tier, c->policy.chain.n, route, comment, out, e);
}

/* Models are written, and all is read again with them, before anything that
 * is there is touched. */
static int
try_it(const struct tune_cmd *c, struct str comment, struct buf *text,
    struct err *e)
{
	struct rewrite_tier tier[FRONTIER_MAX_CHAIN];
	int rc = save_models(c, e);

	if (rc == 0)
		rc = rewrite(c, true, comment, tier, text, e);
	if (rc == 0)
		rc = verify(c, tier, buf_str(text), e);
	if (rc < 0) {
		struct err also;
		settle_models(c, false, &also);
		return -1;
	}
	return rewrite(c, false, comment, tier, text, e);
}

static int
replace(const char *path, struct str text, struct err *e)
{
	char *real = realpath(path, NULL); /* a link stays one */
	struct output *out = NULL;
	struct stat st;
	int rc;

	if (!real || stat(real, &st) < 0) {
		rc = err_sys(e, ERR_IO, "cannot write '%s'", path);
		free(real);
		return rc;
	}
	rc = output_open(&out, real, OUTPUT_REPLACE, e);
	if (rc == 0)
		rc = output_add(out, text, e);
	if (rc == 0)
		rc = output_finish(out, e);
	if (rc == 0 && chmod(real, st.st_mode & 07777) < 0)
		rc = err_sys(e, ERR_IO, "cannot set the mode of '%s'", path);
	output_free(out);
	free(real);
	return rc;
}

int
tune_write(const struct tune_cmd *c, struct err *e)
{
	struct buf text, words, diff;
	int rc;

	if (strcmp(c->path.p, "demo") == 0)
		return err_set(e, ERR_USAGE, "-c demo is built in and cannot "
		    "be rewritten");
	buf_init(&text, BUF_MAX);
	buf_init(&words, BUF_MAX);
	buf_init(&diff, BUF_MAX);
	comment(c, &words);
	rc = try_it(c, buf_str(&words), &text, e);
	if (rc == 0) {
		rewrite_diff(buf_str(&c->text), buf_str(&text), &diff);
		if (diff.n)
			say("changes in '%s':", c->path.p);
		say_block(&diff);
		rc = settle_models(c, true, e);
	}
	if (rc == 0) {
		rc = replace(c->path.p, buf_str(&text), e);
	}
	if (rc == 0)
		say("'%s' was rewritten%s", c->path.p, c->k->n_tiers
		    > c->policy.chain.n ? "; tiers that were left out are "
		    "not tried the next time" : "");
	buf_release(&text);
	buf_release(&words);
	buf_release(&diff);
	return rc;
}
