/*
 * learn.c -- `frugal learn`: trains the scorer `learned` on traces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cascade/learn.h"
#include "cascade/replay.h"
#include "cmd/common.h"
#include "cmd/output.h"

#define MOST_TASKS 20000
#define MAX_NAME 100 /* columns of a tier's name in a file */

/* Why a recorded answer is no row. */
enum { ROW_FINE, ROW_MISSING, ROW_SAMPLES, ROW_LABEL, ROW_LOGPROBS, N_ROW };
static const char *const row_words[N_ROW] = {
	"", "was not recorded", "was recorded with fewer samples than it asks "
	"for", "has nothing that says whether it is right", "has no "
	"log-probabilities, which other tasks have"
};

/* What the plain scorers say of a row, to be beaten. */
struct plain {
	struct score logprob, agreement;
	bool right;
};

struct tier_run {
	const struct tier *tier;
	bool logprobs;      /* its first answer had them */
	bool seen;
	int64_t left_out[N_ROW];
	int64_t rows;
};

struct learn_run {
	struct common common;
	const char *cascade_name, *tier_name, *out_file;
	struct opt_list with;
	bool route;
	int64_t most;
	struct config *cfg;
	const struct cascade *k;
	size_t wanted;      /* the tier to write a model of */
	struct tier_run *tiers;
	struct rule *rules[MODEL_MAX_RULES];
	size_t n_rules;
	struct learn *learn;
	struct plain *plain; /* one a row */
	size_t *tier_of;     /* of each row */
	size_t cap_rows;
	int64_t tasks, bad;
};

/* --- rules ------------------------------------------------------------------------------ */

static int
read_rule(struct learn_run *r, const char *text, struct err *e)
{
	struct arena *a = r->cfg->arena;
	struct report report;
	struct ynode *n;
	struct str kept;
	struct buf b;

	if (r->n_rules == MODEL_MAX_RULES)
		return err_set(e, ERR_USAGE, "--with was given more than %d "
		    "times", MODEL_MAX_RULES);
	if (!arena_str(a, str_of(text), &kept))
		return err_nomem(e);
	report_init(&report, a, "--with");
	n = yaml_parse(kept, a, &report);
	if (n)
		r->rules[r->n_rules] = rule_build_under(n, a, &report,
		    "learned");
	if (n && r->rules[r->n_rules]) {
		r->n_rules++;
		return 0;
	}
	buf_init(&b, BUF_MAX);
	report_print(&report, &b, true, false);
	say_block(&b);
	buf_release(&b);
	return err_set(e, ERR_USAGE, "--with '%s' is not a rule", text);
}

/* --- rows ------------------------------------------------------------------------------- */

static struct plain
plain_scores(const struct score_input *in, const struct agreement *a)
{
	const struct completion *c = &in->c[a->chosen];
	struct plain p = { .agreement = score_of_p(a->samples ?
	    (double)a->leader / (double)a->samples : 0) };
	double sum = 0;

	for (size_t i = 0; i < c->n_tokens; i++)
		sum += c->tokens[i].logprob;
	p.logprob = c->n_tokens ? score_of_ln(sum / (double)c->n_tokens) :
	    score_of_p(0);
	return p;
}

static bool
grow(struct learn_run *r)
{
	size_t cap = 2 * r->cap_rows + 1024;
	void *p;

	if (learn_rows(r->learn) < r->cap_rows)
		return true;
	p = reallocarray(r->plain, cap, sizeof(*r->plain));
	if (!p)
		return false;
	r->plain = p;
	p = reallocarray(r->tier_of, cap, sizeof(*r->tier_of));
	if (!p)
		return false;
	r->tier_of = p;
	r->cap_rows = cap;
	return true;
}

static int
add_row(struct learn_run *r, size_t t, const struct trace_task *task,
    struct score_input *in, const struct agreement *a, bool right,
    struct err *e)
{
	struct score scores[MODEL_MAX_RULES];
	struct learn_row row = { .task = task->task->id, .tier = t, .in = in,
	    .scores = scores, .right = right };
	size_t at = learn_rows(r->learn);

	in->chosen = a->chosen;
	for (size_t i = 0; i < r->n_rules; i++)
		if (rule_score(r->rules[i], in, &scores[i], e) < 0)
			return -1;
	if (!grow(r))
		return err_nomem(e);
	r->plain[at] = plain_scores(in, a);
	r->plain[at].right = right;
	r->tier_of[at] = t;
	r->tiers[t].rows++;
	return learn_add(r->learn, &row, e);
}

/* ROW_...; -1: *e. The tier's choice is added to those below the next. */
static int
take_tier(struct learn_run *r, size_t t, const struct trace_task *task,
    struct completion *below, size_t *n_below, struct err *e)
{
	struct tier_run *run = &r->tiers[t];
	const struct trace_tier *v = replay_find(task, run->tier);
	struct score_input in = { .prompt = task->task->prompt,
	    .below = below, .n_below = *n_below };
	struct agreement a;
	enum tristate right;

	if (!v)
		return ROW_MISSING;
	in.n = (size_t)run->tier->samples_max;
	if (v->n < in.n)
		return ROW_SAMPLES;
	if (!run->seen)
		run->logprobs = v->c[0].n_tokens > 0;
	run->seen = true;
	v = replay_fill(r->k, run->tier, v, task->task->arena);
	if (!v)
		return err_nomem(e);
	in.c = v->c;
	if (agreement_of(&in, &a, e) < 0)
		return -1;
	below[(*n_below)++] = v->c[a.chosen];
	right = replay_correct(task, v, a.chosen);
	if (right == UNSET)
		return ROW_LABEL;
	if (run->logprobs && !v->c[a.chosen].n_tokens)
		return ROW_LOGPROBS;
	return add_row(r, t, task, &in, &a, right == YES, e);
}

static int
take_task(struct learn_run *r, const struct trace_task *task, struct err *e)
{
	struct completion below[CONFIG_MAX_TIERS];
	size_t n_below = 0;
	int rc;

	r->tasks++;
	for (size_t t = 0; t < r->k->n_tiers; t++) {
		rc = take_tier(r, t, task, below, &n_below, e);
		if (rc < 0)
			return -1;
		r->tiers[t].left_out[rc] += rc != ROW_FINE;
	}
	return 0;
}

static int
take_file(struct learn_run *r, const char *path, struct err *e)
{
	struct trace *trace;
	struct trace_task *t;
	int rc = trace_open(&trace, path, e);

	if (rc < 0) {
		e->code = ERR_USAGE;
		return -1;
	}
	while (rc == 0 && r->tasks < r->most &&
	    (rc = trace_next(trace, &t, e)) != 0) {
		if (rc > 0) {
			rc = take_task(r, t, e);
			trace_task_free(t);
		} else if (e->code == ERR_INPUT) {
			say_bad_record(++r->bad, e);
			rc = 0;
		}
	}
	trace_close(trace);
	if (rc == 0 && r->tasks == r->most)
		say("the first %" PRId64 " tasks are used; see --most",
		    r->most);
	return rc < 0 ? -1 : 0;
}

static void
say_left_out(const struct learn_run *r)
{
	for (size_t t = 0; t < r->k->n_tiers; t++)
		for (int i = 1; i < N_ROW; i++)
			if (r->tiers[t].left_out[i])
				say("%" PRId64 " tasks are left out of tier "
				    "'%.*s', which %s",
				    r->tiers[t].left_out[i],
				    STR_ARG(r->tiers[t].tier->name),
				    row_words[i]);
}

/* A line on a terminal for as long as it takes. */
static void
show_progress(void *cookie, size_t done, size_t all)
{
	char line[60];
	int n;

	(void)cookie;
	n = snprintf(line, sizeof(line), "training %zu of %zu", done, all);
	say_status((struct str){ line, (size_t)n });
	if (done == all)
		say_no_status();
}

/* --- the report ------------------------------------------------------------------------- */

/* The learned score of a tier's rows against the better of the plain ones. */
struct contest {
	struct learn_areas areas;
	const char *plain; /* NULL: there is none */
};

static int
compare(const struct learn_run *r, size_t t, struct contest *out,
    struct err *e)
{
	size_t rows = learn_rows(r->learn), n = 0;
	struct score *learned = calloc(rows + 1, sizeof(*learned));
	struct score *lp = calloc(rows + 1, sizeof(*lp));
	struct score *ag = calloc(rows + 1, sizeof(*ag));
	bool *right = calloc(rows + 1, sizeof(*right));
	struct learn_areas by_ag = { .b = { 0, 0, 0 } };
	bool samples = r->tiers[t].tier->samples_max > 1;
	int rc = -1;

	*out = (struct contest){ .plain = NULL };
	if (!learned || !lp || !ag || !right) {
		err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < rows; i++) {
		if (r->tier_of[i] != t)
			continue;
		learned[n] = learn_score(r->learn, i);
		lp[n] = r->plain[i].logprob;
		ag[n] = r->plain[i].agreement;
		right[n++] = r->plain[i].right;
	}
	rc = learn_compare(learned, lp, right, n, &out->areas, e);
	if (rc == 0)
		rc = learn_compare(learned, ag, right, n, &by_ag, e);
	if (r->route)
		goto out;
	if (r->tiers[t].logprobs)
		out->plain = "logprob";
	if (samples && (!out->plain || by_ag.b.is > out->areas.b.is)) {
		out->plain = "agreement";
		out->areas = by_ag;
	}
out:
	free(right);
	free(ag);
	free(lp);
	free(learned);
	return rc;
}

static void
cell_area(struct table *t, const char *name, const struct learn_area *a)
{
	table_cell(t, "%s%s%.3f (%.3f-%.3f)", name, *name ? " " : "", a->is,
	    a->low, a->high);
}

static int
tier_line(struct learn_run *r, struct table *t, size_t tier,
    const struct contest *c, struct err *e)
{
	struct learn_quality q;

	if (learn_quality(r->learn, tier, &q, e) < 0)
		return -1;
	table_cell_str(t, r->tiers[tier].tier->name);
	table_cell(t, "%zu", q.tasks);
	table_cell(t, "%.1f %%", 100 * q.right);
	if (!learn_enough(r->learn, tier)) {
		table_cell(t, "too few tasks");
		table_cell(t, "-");
		table_cell(t, "-");
		table_cell(t, "-");
		return 0;
	}
	cell_area(t, "", &c->areas.a);
	if (c->plain) {
		cell_area(t, c->plain, &c->areas.b);
		table_cell(t, "%+.3f (%+.3f to %+.3f)", c->areas.more.is,
		    c->areas.more.low, c->areas.more.high);
	} else {
		table_cell(t, "-");
		table_cell(t, "-");
	}
	table_cell(t, "%.3f", q.calibration);
	return 0;
}

static int
show_table(struct learn_run *r, struct contest *contests, struct err *e)
{
	struct table t;

	table_init(&t, "lrrlllr");
	table_cell(&t, "tier");
	table_cell(&t, "tasks");
	table_cell(&t, "right");
	table_cell(&t, "auroc (95 %%)");
	table_cell(&t, "beside");
	table_cell(&t, "more by");
	table_cell(&t, "off by");
	for (size_t i = 0; i < r->k->n_tiers; i++) {
		if (compare(r, i, &contests[i], e) < 0 ||
		    tier_line(r, &t, i, &contests[i], e) < 0) {
			buf_release(&t.text);
			return -1;
		}
	}
	return table_print(&t, e);
}

static void
say_whether_it_pays(const struct learn_run *r, const struct contest *c)
{
	struct str tier = r->tiers[r->wanted].tier->name;

	if (!c->plain)
		return;
	if (c->areas.more.low > 0)
		say("tier '%.*s': the learned score tells right from wrong "
		    "better than `%s`", STR_ARG(tier), c->plain);
	else if (c->areas.more.high < 0)
		say("tier '%.*s': it does not pay: `%s` alone is better",
		    STR_ARG(tier), c->plain);
	else
		say("tier '%.*s': with these tasks no difference from `%s` "
		    "alone can be shown; prefer the simpler one",
		    STR_ARG(tier), c->plain);
}

/* --- the model -------------------------------------------------------------------------- */

static int
complete_model(struct learn_run *r, struct model *m, struct err *e)
{
	struct arena *a = r->cfg->arena;
	const struct tier *tier = r->tiers[r->wanted].tier;
	struct buf shown;
	bool ok = true;

	if (learn_model(r->learn, r->wanted, a, m, e) < 0)
		return -1;
	m->samples = r->route ? 0 : tier->samples_max;
	buf_init(&shown, BUF_MAX);
	utf8_oneline(&shown, tier->name, MAX_NAME);
	ok = !shown.failed && arena_str(a, buf_str(&shown), &m->tier);
	for (size_t i = 0; ok && i < r->n_rules; i++) {
		buf_clear(&shown);
		rule_show(r->rules[i], &shown);
		ok = !shown.failed && arena_str(a, buf_str(&shown),
		    &m->rule[i].shown);
	}
	buf_release(&shown);
	return ok ? 0 : err_nomem(e);
}

static int
write_model(struct learn_run *r, const struct model *m, struct err *e)
{
	struct output *o = NULL;
	struct buf text;
	int rc;

	buf_init(&text, MODEL_MAX_FILE);
	model_print(&text, m);
	rc = text.failed ? err_nomem(e) :
	    output_open(&o, r->out_file, OUTPUT_REPLACE, e);
	if (rc == 0)
		rc = output_add(o, buf_str(&text), e);
	if (rc == 0)
		rc = output_finish(o, e);
	if (rc == 0)
		say("wrote '%s' (%zu kB), the model of tier '%.*s'",
		    r->out_file, text.n / 1024 + 1, STR_ARG(m->tier));
	output_free(o);
	buf_release(&text);
	return rc;
}

static int
conclude(struct learn_run *r, struct err *e)
{
	struct contest *contests = calloc(r->k->n_tiers, sizeof(*contests));
	const struct contest *c = contests ? &contests[r->wanted] : NULL;
	struct model m = { .bias = 0 };
	int rc = c ? show_table(r, contests, e) : err_nomem(e);

	if (rc == 0)
		rc = out_flush(e);
	if (rc == 0)
		rc = complete_model(r, &m, e);
	if (rc == 0)
		say_whether_it_pays(r, c);
	if (rc == 0 && c->areas.a.low <= 0.5)
		rc = err_set(e, ERR_INPUT, "nothing was learnt for tier "
		    "'%.*s': its area of %.3f may as well be that of a coin; "
		    "no model is written",
		    STR_ARG(r->tiers[r->wanted].tier->name), c->areas.a.is);
	if (rc == 0 && r->out_file)
		rc = write_model(r, &m, e);
	free(contests);
	return rc;
}

/* --- the command ------------------------------------------------------------------------ */

static int
find_wanted(struct learn_run *r, struct err *e)
{
	for (size_t i = 0; r->tier_name && i < r->k->n_tiers; i++)
		if (str_is(r->k->tiers[i].name, r->tier_name)) {
			r->wanted = i;
			return 0;
		}
	return !r->tier_name ? 0 : err_set(e, ERR_USAGE, "cascade '%.*s' has "
	    "no tier '%s'; `frugal check` shows their names",
	    STR_ARG(r->k->name), r->tier_name);
}

static int
prepare(struct learn_run *r, int argc, struct err *e)
{
	struct learn_options o = { .kind = r->route ? MODEL_ROUTE :
	    MODEL_SCORE, .progress = is_terminal(2) ? show_progress : NULL };

	if (!argc)
		return err_set(e, ERR_USAGE, "no trace given; see frugal "
		    "learn --help");
	if (r->route && r->with.n)
		return err_set(e, ERR_USAGE, "--with is of no use with "
		    "--route, which sees no answer");
	if (common_config(&r->common, false, false, &r->cfg, e) < 0)
		return -1;
	r->k = config_cascade(r->cfg, str_of(r->cascade_name), e);
	if (!r->k || find_wanted(r, e) < 0)
		return -1;
	for (size_t i = 0; i < r->with.n; i++)
		if (read_rule(r, r->with.v[i], e) < 0)
			return -1;
	r->tiers = calloc(r->k->n_tiers, sizeof(*r->tiers));
	if (!r->tiers)
		return err_nomem(e);
	for (size_t i = 0; i < r->k->n_tiers; i++)
		r->tiers[i].tier = &r->k->tiers[i];
	o.n_tiers = r->k->n_tiers;
	o.n_rules = r->n_rules;
	return learn_new(&r->learn, &o, e);
}

static void
release(struct learn_run *r)
{
	for (size_t i = 0; i < r->n_rules; i++)
		rule_release(r->rules[i]);
	learn_free(r->learn);
	free(r->plain);
	free(r->tier_of);
	free(r->tiers);
	opt_list_release(&r->with);
	config_free(r->cfg);
}

static int
learn_main(const struct command *self, int argc, char **argv)
{
	struct learn_run r = { .most = MOST_TASKS };
	const struct opt table[] = {
		COMMON_CONFIG_OPT(&r.common),
		{ OPT_TEXT, 'k', "cascade", &r.cascade_name, "NAME",
		    "the cascade (default: the only one, or the one called\n"
		    "default)", 0, 0, NULL },
		{ OPT_TEXT, 't', "tier", &r.tier_name, "NAME",
		    "the tier whose model is written (default: the first)",
		    0, 0, NULL },
		{ OPT_TEXT, 'o', "output", &r.out_file, "FILE",
		    "write the model to FILE (default: show the figures alone)",
		    0, 0, NULL },
		{ OPT_LIST, 0, "with", &r.with, "RULE",
		    "look at another scorer's score too, as in\n"
		    "--with \"regex: '####'\"; may be repeated", 0, 0, NULL },
		{ OPT_FLAG, 0, "route", &r.route, NULL,
		    "look at prompts alone: a model for a cascade's `route`",
		    0, 0, NULL },
		{ OPT_INT, 0, "most", &r.most, "N",
		    "use the first N tasks (default: 20k)", 50, 1000000,
		    NULL },
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		goto out;
	if (rc == 0)
		rc = prepare(&r, argc - first, &e);
	for (int i = first; rc == 0 && i < argc && r.tasks < r.most; i++)
		rc = take_file(&r, argv[i], &e);
	if (rc == 0)
		say_left_out(&r);
	if (rc == 0)
		rc = learn_fit(r.learn, &e);
	if (rc == 0)
		rc = conclude(&r, &e);
	if (rc < 0)
		status = say_err(&e);
	if (status == 0 && r.bad)
		status = 1;
out:
	release(&r);
	return status;
}

extern const struct command cmd_learn;
const struct command cmd_learn = {
	.name = "learn",
	.summary = "train a score on recorded, labelled answers",
	.usage = "[OPTION]... TRACES... -c CONFIG [-t TIER] [-o FILE]",
	.about = "Trains the scorer `learned`: how likely an answer is right, "
	    "from what the other\nscorers measure and from the words of prompt "
	    "and answer. Traces are JSON lines,\nalso gzipped, with labelled "
	    "tasks; a tier of the configuration is found in them by\nits name "
	    "or its model. The figures are of tasks that the score has not "
	    "been trained\non (10-fold cross-fitting): the area under the ROC "
	    "curve (auroc), the same of the\nbest plain scorer and the "
	    "difference, and how far the score is off, on average,\nfrom the "
	    "share that is right.",
	.examples =
	    "  frugal learn traces.jsonl.gz -c cascade.yaml\n"
	    "  frugal learn traces.jsonl.gz -c cascade.yaml -t small -o "
	    "small.model\n"
	    "  frugal learn traces.jsonl.gz -c cascade.yaml --route -o "
	    "easy.model\n",
	.run = learn_main,
};
