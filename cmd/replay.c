/*
 * replay.c -- `frugal replay`: a cascade over recorded completions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/money.h"
#include "cascade/replay.h"
#include "cmd/common.h"
#include "cmd/output.h"

#define MAX_REASONS 8

struct reason {
	char text[200];
	int64_t tasks;
};

struct replay_run {
	struct common common;
	const char *cascade_name, *out_file;
	bool json, quiet;
	struct config *cfg;
	const struct cascade *k;
	struct replay_sum cascade;
	struct replay_sum *alone;    /* by tier */
	struct replay_sum *answered; /* by the tier that answered */
	struct replay_pair *against; /* the cascade and each tier alone */
	struct reason reasons[MAX_REASONS];
	int64_t bad, left_out;
	struct output *out; /* NULL: none wanted */
	struct buf line;
};

/* --- one task ------------------------------------------------------------ */

static void
leave_out(struct replay_run *r, const char *why)
{
	r->left_out++;
	for (size_t i = 0; i < MAX_REASONS; i++) {
		char *text = r->reasons[i].text;
		if (!text[0])
			snprintf(text, sizeof(r->reasons[i].text), "%s", why);
		if (strncmp(text, why, sizeof(r->reasons[i].text) - 1) == 0) {
			r->reasons[i].tasks++;
			return;
		}
	}
}

/* What could have been meant, once, if a name was not found. */
static void
say_recorded(const struct replay_run *r, const struct trace_task *t)
{
	struct buf b;

	if (r->left_out || !t->n_tiers)
		return;
	buf_init(&b, 4096);
	for (size_t i = 0; i < t->n_tiers && b.n < 1500; i++)
		buf_addf(&b, "%s%.*s", i ? ", " : "",
		    STR_ARG(t->tiers[i].name));
	say("task '%.*s' was recorded with these tiers: %s",
	    STR_ARG(t->task->id), b.p ? b.p : "");
	buf_release(&b);
}

static int
replay_one(struct replay_run *r, struct trace_task *t, struct err *e)
{
	const struct replay_way *top;
	struct replay one;

	if (replay_task(r->k, t, &one, e) < 0)
		return -1;
	if (one.missing) {
		if (str_ends(str_of(one.missing), "was not recorded"))
			say_recorded(r, t);
		leave_out(r, one.missing);
		return 0;
	}
	top = &one.alone[r->k->n_tiers - 1];
	replay_add(&r->cascade, &one.cascade, top);
	if (one.result->tier)
		replay_add(&r->answered[one.result->tier - 1], &one.cascade,
		    top);
	for (size_t i = 0; i < r->k->n_tiers; i++) {
		replay_add(&r->alone[i], &one.alone[i], top);
		replay_compare(&r->against[i], &one.cascade, &one.alone[i]);
	}
	if (!r->out)
		return 0;
	buf_clear(&r->line);
	result_json(&r->line, one.result, false);
	buf_addc(&r->line, '\n');
	if (r->line.failed)
		return err_nomem(e);
	return output_add(r->out, buf_str(&r->line), e);
}

static int
replay_file(struct replay_run *r, const char *const *files, size_t i,
    size_t n, struct err *e)
{
	struct trace *trace;
	struct trace_task *t;
	int rc = trace_open(&trace, files[i], e);

	if (rc < 0) {
		e->code = ERR_USAGE;
		return -1;
	}
	trace_limit(trace, &r->cfg->limits.task, r->cfg->limits.trace);
	while (rc == 0 && (rc = trace_next(trace, &t, e)) != 0) {
		if (rc > 0) {
			rc = replay_one(r, t, e);
			trace_task_free(t);
		} else if (e->code == ERR_INPUT) {
			say_bad_record(++r->bad, e);
			rc = 0;
		}
		say_reading(r->quiet, trace_input(trace), i, n);
	}
	trace_close(trace);
	return rc;
}

/* --- the report ---------------------------------------------------------- */

static void
cell_accuracy(struct table *t, const struct replay_sum *s)
{
	double share, low, high;

	if (!replay_accuracy(s, &share, &low, &high)) {
		table_cell(t, "no labels");
		return;
	}
	table_cell(t, "%.2f %% (%.2f-%.2f)", share * 100, low * 100,
	    high * 100);
}

static void
cell_cost(struct table *t, const struct replay_sum *s)
{
	struct interval in;
	struct buf b;

	if (s->unknown_cost || !replay_cost_interval(s, &in)) {
		table_cell_money(t, s->unknown_cost ? MONEY_UNKNOWN
		    : s->cost_picousd);
		return;
	}
	buf_init(&b, 256);
	money_show(&b, s->cost_picousd);
	buf_adds(&b, " (");
	money_show(&b, (int64_t)in.low);
	buf_adds(&b, "-");
	money_show(&b, (int64_t)in.high);
	buf_adds(&b, ")");
	table_cell_str(t, buf_str(&b));
	buf_release(&b);
}

/* Of a tier's part of the tasks: what it is of the top tier's whole. */
static void
cell_of_top(struct table *t, const struct replay_sum *s,
    const struct replay_sum *top)
{
	struct interval in;
	double share;

	if (s->unknown_cost || top->unknown_cost || !top->cost_picousd)
		table_cell(t, "-");
	else if (s == top || s->tasks != top->tasks
	    || !replay_of_top(s, &share, &in))
		table_cell(t, "%.1f %%", 100.0 * (double)s->cost_picousd
		    / (double)top->cost_picousd);
	else
		table_cell(t, "%.1f %% (%.1f-%.1f)", 100 * share, 100 * in.low,
		    100 * in.high);
}

/* How much more often the cascade is right, on the same tasks. */
static void
cell_against(struct table *t, const struct replay_pair *p)
{
	struct interval in;

	if (!p || !p->labelled) {
		table_cell(t, "-");
		return;
	}
	in = chance_paired(p->gained, p->lost, p->labelled);
	table_cell(t, "%+.2f (%+.2f to %+.2f)", 100.0
	    * (double)(p->gained - p->lost) / (double)p->labelled,
	    100 * in.low, 100 * in.high);
}

static void
row(struct table *t, const char *name, struct str model,
    const struct replay_sum *s, const struct replay_sum *top,
    const struct replay_pair *p)
{
	table_cell(t, "%s%s%.*s", name, model.n ? " " : "", STR_ARG(model));
	table_cell(t, "%lld", (long long)s->tasks);
	cell_accuracy(t, s);
	cell_cost(t, s);
	cell_of_top(t, s, top);
	cell_against(t, p);
}

static int
show_table(struct replay_run *r, struct err *e)
{
	size_t last = r->k->n_tiers - 1;
	const struct replay_sum *top = &r->alone[last];
	struct table t;
	char name[40];

	table_init(&t, "lrrrrr");
	table_cell(&t, "way");
	table_cell(&t, "tasks");
	table_cell(&t, "right (95 %%)");
	table_cell(&t, "cost (95 %%)");
	table_cell(&t, "of top (95 %%)");
	table_cell(&t, "cascade better by (95 %%)");
	row(&t, "cascade", r->k->name, &r->cascade, top, NULL);
	for (size_t i = 0; i < r->k->n_tiers; i++) {
		snprintf(name, sizeof(name), "  tier %zu", i + 1);
		row(&t, name, r->k->tiers[i].name, &r->answered[i], top, NULL);
	}
	row(&t, "always cheapest:", r->k->tiers[0].name, &r->alone[0], top,
	    &r->against[0]);
	for (size_t i = 1; i < last; i++)
		row(&t, "always", r->k->tiers[i].name, &r->alone[i], top,
		    &r->against[i]);
	row(&t, "always top:", r->k->tiers[last].name, top, top,
	    &r->against[last]);
	return table_print(&t, e);
}

static void
json_sum(struct jw *w, const struct replay_sum *s)
{
	double share, low, high;

	jw_ki64(w, "tasks", s->tasks);
	jw_ki64(w, "answered", s->answered);
	jw_ki64(w, "labelled", s->labelled);
	jw_ki64(w, "correct", s->correct);
	if (replay_accuracy(s, &share, &low, &high)) {
		jw_kdouble(w, "accuracy", share);
		jw_kdouble(w, "accuracy_low", low);
		jw_kdouble(w, "accuracy_high", high);
	}
	if (!s->unknown_cost)
		jw_kmoney(w, "cost_usd", s->cost_picousd);
	else
		jw_ki64(w, "unknown_cost", s->unknown_cost);
}

/* Beside what is of all tasks: json_sum() alone is also of some. */
static void
json_intervals(struct jw *w, const struct replay_sum *s)
{
	struct interval in;
	double share;

	if (replay_cost_interval(s, &in)) {
		jw_kmoney(w, "cost_low_usd", (int64_t)in.low);
		jw_kmoney(w, "cost_high_usd", (int64_t)in.high);
	}
	if (replay_of_top(s, &share, &in)) {
		jw_kdouble(w, "of_top", share);
		jw_kdouble(w, "of_top_low", in.low);
		jw_kdouble(w, "of_top_high", in.high);
	}
}

static void
json_against(struct jw *w, const struct replay_pair *p)
{
	struct interval in;

	if (!p->labelled)
		return;
	in = chance_paired(p->gained, p->lost, p->labelled);
	jw_kdouble(w, "cascade_better_by", (double)(p->gained - p->lost)
	    / (double)p->labelled);
	jw_kdouble(w, "cascade_better_by_low", in.low);
	jw_kdouble(w, "cascade_better_by_high", in.high);
}

static int
show_json(struct replay_run *r, struct err *e)
{
	struct jw w;
	int rc;

	buf_clear(&r->line);
	w = jw_shown(&r->line);
	jw_open(&w, '{');
	jw_kstr(&w, "cascade", r->k->name);
	jw_ki64(&w, "left_out", r->left_out);
	jw_ki64(&w, "bad_lines", r->bad);
	json_sum(&w, &r->cascade);
	json_intervals(&w, &r->cascade);
	jw_key(&w, "tiers");
	jw_open(&w, '[');
	for (size_t i = 0; i < r->k->n_tiers; i++) {
		jw_open(&w, '{');
		jw_ki64(&w, "tier", (int64_t)i + 1);
		jw_kstr(&w, "name", r->k->tiers[i].name);
		jw_key(&w, "answered_here");
		jw_open(&w, '{');
		json_sum(&w, &r->answered[i]);
		jw_close(&w, '}');
		jw_key(&w, "always");
		jw_open(&w, '{');
		json_sum(&w, &r->alone[i]);
		json_intervals(&w, &r->alone[i]);
		json_against(&w, &r->against[i]);
		jw_close(&w, '}');
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	buf_addc(&r->line, '\n');
	rc = r->line.failed ? err_nomem(e) : out_write(buf_str(&r->line), e);
	return rc;
}

static void
say_left_out(const struct replay_run *r)
{
	for (size_t i = 0; i < MAX_REASONS && r->reasons[i].text[0]; i++)
		say("%lld task%s left out: %s", (long long)r->reasons[i].tasks,
		    r->reasons[i].tasks == 1 ? " was" : "s were",
		    r->reasons[i].text);
}

/* --- the command --------------------------------------------------------- */

static int
prepare(struct replay_run *r, int argc, struct err *e)
{
	if (!argc)
		return err_set(e, ERR_USAGE, "no trace given; see frugal "
		    "replay --help");
	if (common_config(&r->common, false, false, &r->cfg, e) < 0)
		return -1;
	r->k = config_cascade(r->cfg, str_of(r->cascade_name), e);
	if (!r->k)
		return -1;
	r->alone = calloc(r->k->n_tiers, sizeof(*r->alone));
	r->answered = calloc(r->k->n_tiers, sizeof(*r->answered));
	r->against = calloc(r->k->n_tiers, sizeof(*r->against));
	if (!r->alone || !r->answered || !r->against)
		return err_nomem(e);
	return r->out_file ? output_open(&r->out, r->out_file, OUTPUT_REPLACE,
	    e) : 0;
}

static int
report(struct replay_run *r, struct err *e)
{
	if (r->out && output_finish(r->out, e) < 0)
		return -1;
	say_left_out(r);
	if (!r->cascade.tasks)
		return err_set(e, ERR_INPUT, "no task of the traces can be "
		    "replayed with cascade '%.*s'", STR_ARG(r->k->name));
	if ((r->json ? show_json(r, e) : show_table(r, e)) < 0)
		return -1;
	return out_flush(e);
}

static int
replay_main(const struct command *self, int argc, char **argv)
{
	struct replay_run r = { .json = false };
	const struct opt table[] = {
		COMMON_CONFIG_OPT(&r.common),
		{ OPT_TEXT, 'k', "cascade", &r.cascade_name, "NAME",
		    "the cascade (default: the only one, or the one called\n"
		    "default)", 0, 0, NULL },
		{ OPT_TEXT, 'o', "output", &r.out_file, "FILE",
		    "write a result object for each task to FILE", 0, 0,
		    NULL },
		{ OPT_FLAG, 0, "json", &r.json, NULL,
		    "one JSON object instead of the table", 0, 0, NULL },
		{ OPT_FLAG, 'q', "quiet", &r.quiet, NULL, "no progress", 0, 0,
		    NULL },
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	buf_init(&r.line, BUF_MAX);
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		goto out;
	if (rc == 0)
		rc = prepare(&r, argc - first, &e);
	for (int i = 0; rc == 0 && i < argc - first; i++)
		rc = replay_file(&r, (const char *const *)argv + first,
		    (size_t)i, (size_t)(argc - first), &e);
	say_no_status();
	if (rc == 0)
		rc = report(&r, &e);
	if (rc < 0)
		status = say_err(&e);
	if (status == 0 && r.bad)
		status = 1;
out:
	output_free(r.out);
	config_free(r.cfg);
	free(r.alone);
	free(r.answered);
	free(r.against);
	buf_release(&r.line);
	return status;
}

extern const struct command cmd_replay;
const struct command cmd_replay = {
	.name = "replay",
	.summary = "what a cascade would have done with recorded answers",
	.usage = "[OPTION]... TRACES... -c CONFIG",
	.about = "Climbs with recorded completions instead of a network: how "
	    "often the answer is\nright, what it costs, which tier answers, "
	    "beside each model alone. Traces are JSON\nlines, also gzipped. A "
	    "tier of the configuration is found in them by its name or\nits "
	    "model; a provider with `api: recorded` needs no network.",
	.examples =
	    "  frugal replay traces.jsonl.gz -c cascade.yaml\n"
	    "  frugal replay *.jsonl.gz -c cascade.yaml -k math --json\n",
	.run = replay_main,
};
