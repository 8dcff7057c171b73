/*
 * collect.c -- `frugal collect`: every tier is asked about every task, and what
 * they say becomes traces; or what the ledger and the store hold does.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cascade/ledger_traces.h"
#include "cascade/trace_write.h"
#include "cmd/estimate.h"
#include "cmd/files.h"
#include "cmd/gathered.h"
#include "cmd/ordered.h"
#include "cmd/progress.h"
#include "cmd/runner.h"

#define MAX_SAID 10 /* tasks that lack something are named so often */

enum { ORDER_DONE, ORDER_INPUT };

struct collect {
	struct runner runner;
	struct runner_options o;
	struct files files;
	const char *out_file, *since;
	int format, order_mode;
	bool quiet, to_file, from_ledger;
	struct gathered *gathered;
	struct output *out;
	struct ordered ordered;
	struct progress progress;
	int64_t seq, bad, again;
	struct buf text, tags;
	int said;
};

/* --- tasks in -------------------------------------------------------------- */

static int
bad_task(struct collect *c, struct err *e)
{
	if (e->code != ERR_INPUT)
		return -1;
	say_err(e);
	c->bad++;
	return 0;
}

/* Is it to be done? 1; 0: it is there already; -1 with ERR_INPUT: it cannot. */
static int
take(struct collect *c, const struct task *t, struct err *e)
{
	switch (gathered_take(c->gathered, t->id)) {
	case GATHERED_NEW:
		return 1;
	case GATHERED_DONE:
		return 0;
	case GATHERED_AGAIN:
		return err_set(e, ERR_INPUT, "the id '%.60s' was there "
		    "before: a trace has each id once, so this task is left "
		    "out", t->id.p);
	case GATHERED_NOMEM:
		break;
	}
	return err_nomem(e);
}

static int
next(void *cookie, struct task **task, const struct cascade **cascade,
    int *fd, struct err *e)
{
	struct collect *c = cookie;

	for (;;) {
		struct task *t = NULL;
		int rc;

		if (c->ordered.order
		    && c->seq >= order_limit(c->ordered.order))
			return 2;
		rc = files_next(&c->files, &t, fd, e);
		if (rc == 0 || rc == 2)
			return rc;
		if (rc > 0) {
			rc = take(c, t, e);
			if (rc > 0 && runner_prepare(&c->runner, t, cascade, e)
			    == 0) {
				t->seq = c->seq++;
				*task = t;
				return 1;
			}
			if (rc != 0)
				files_place(&c->files, t, e);
			task_free(t);
			if (rc == 0)
				continue;
		}
		if (bad_task(c, e) < 0)
			return -1;
	}
}

/* --- traces out ------------------------------------------------------------ */

/* It is there, but nobody can read it as things are. */
static void
check_length(const struct collect *c, const struct result *r, size_t n)
{
	if (n > c->runner.cfg->limits.task.line)
		say("warning: a line of task '%.*s' has %zu bytes: to read it, "
		    "raise the limit 'line'", STR_ARG(r->task->id), n);
}

static int
put_visits(struct collect *c, const struct result *r, struct err *e)
{
	size_t before;

	buf_clear(&c->text);
	buf_clear(&c->tags);
	result_tags(&c->tags, r->task);
	for (size_t i = 0; i < r->n_visits; i++) {
		const struct visit *v = &r->visits[i];
		const struct trace_line line = {
			.task = r->task, .tags = buf_str(&c->tags),
			.tier = v->tier->name, .model = v->tier->model,
			.rates = v->tier->price.rates,
			.answers = r->cascade->answer.pattern != NULL,
			.c = v->c, .n = v->n };

		before = c->text.n;
		trace_write(&c->text, &line);
		check_length(c, r, c->text.n - before);
	}
	if (c->text.failed || c->tags.failed)
		return err_nomem(e);
	return ordered_put(&c->ordered, r->task->seq, buf_str(&c->text), e);
}

static int
done(void *cookie, const struct result *r, struct err *e)
{
	struct collect *c = cookie;

	if (c->runner.estimate) {
		estimate_add(c->runner.estimate, r);
		return 0;
	}
	if (r->status != TASK_ACCEPTED && c->said++ < MAX_SAID)
		say("task '%.*s' has %zu of %zu tiers: %.*s (%.*s)",
		    STR_ARG(r->task->id), r->n_visits, r->cascade->n_tiers,
		    STR_ARG(r->error_message), STR_ARG(r->error_code));
	if (c->said == MAX_SAID + 1)
		say("further tasks that lack a tier are not named");
	c->said += c->said == MAX_SAID + 1;
	return put_visits(c, r, e);
}

static int
turn(void *cookie, const struct engine_state *s, struct err *e)
{
	struct collect *c = cookie;

	progress_turn(&c->progress, s, files_total(&c->files),
	    files_all_read(&c->files));
	if (ordered_turn(&c->ordered, !s->active, e) < 0)
		return -1;
	return output_flush(c->out, e);
}

/* --- asking ---------------------------------------------------------------- */

/* Something to go on with: not standard output, a pipe or a device. */
static bool
is_file(const char *path)
{
	struct stat st;

	return path && strcmp(path, "-") != 0
	    && (stat(path, &st) < 0 || S_ISREG(st.st_mode));
}

static int
look_at_output(struct collect *c, struct err *e)
{
	const struct runner *r = &c->runner;
	const struct gathered_ask ask = { r->cfg, r->cascade,
	    c->o.cascade || c->o.model };

	c->to_file = is_file(c->out_file);
	return gathered_open(&c->gathered, c->to_file ? c->out_file : NULL,
	    r->cfg->limits.task.line + 1, &ask, e);
}

static int
prepare(struct collect *c, int argc, char **argv, struct err *e)
{
	if (!argc)
		return err_set(e, ERR_USAGE, "no file of tasks given; see "
		    "frugal collect --help");
	if (c->since)
		return err_set(e, ERR_USAGE, "--since is for --from-ledger");
	c->files.names = argv;
	c->files.n = (size_t)argc;
	c->files.format = (enum task_format)c->format;
	c->files.needs_prompt = c->o.template_file == NULL;
	c->o.collect = true;
	if (files_check(&c->files, e) < 0
	    || runner_open(&c->runner, &c->o, e) < 0)
		return -1;
	c->files.limits = &c->runner.cfg->limits.task;
	c->runner.quiet = c->quiet;
	if (c->o.estimate)
		c->out_file = NULL; /* it is not touched */
	if (look_at_output(c, e) < 0
	    || output_open(&c->out, c->out_file, OUTPUT_APPEND, e) < 0)
		return -1;
	c->ordered.out = c->out;
	return c->order_mode == ORDER_INPUT && !c->o.estimate
	    ? ordered_open(&c->ordered, c->out, c->runner.cfg->limits.held, e)
	    : 0;
}

static void
say_resume(const struct collect *c)
{
	struct gathered_counts n = gathered_counts(c->gathered);

	if (c->quiet)
		return;
	if (n.torn)
		say("'%s': cut off a torn last line of %lld bytes",
		    c->out_file, (long long)n.torn);
	if (n.dropped)
		say("resuming '%s': %lld tasks are whole, %lld that lack "
		    "something are done again", c->out_file,
		    (long long)n.kept, (long long)n.dropped);
	else if (n.kept)
		say("resuming '%s': %lld tasks are whole", c->out_file,
		    (long long)n.kept);
}

static void
say_how_to_resume(const struct collect *c)
{
	if (!c->runner.engine || !engine_state(c->runner.engine)->done)
		return;
	if (c->to_file)
		say("what is whole is in '%s'%s; the same command goes on from "
		    "there", c->out_file, ordered_waiting(&c->ordered)
		    ? " or, behind what is missing, in the store" : "");
	else
		say("the same command pays only for what is missing: the rest "
		    "is in the store");
}

static int
estimate(struct collect *c, struct err *e)
{
	struct engine_io io = { .cookie = c, .next = next, .done = done };

	if (runner_run(&c->runner, &io, "estimate", e) < 0)
		return -1;
	return estimate_print(c->runner.estimate, c->runner.caps.run, e);
}

static int
ask(struct collect *c, struct err *e)
{
	struct engine_io io = { .cookie = c, .next = next, .done = done,
	    .turn = turn, .notice = runner_notice,
	    .outage = c->quiet ? NULL : runner_outage };
	char source[512];
	struct err ending;
	int rc;

	snprintf(source, sizeof(source), "collect %s%s", c->files.names[0],
	    c->files.n > 1 ? " ..." : "");
	say_resume(c);
	progress_start(&c->progress, c->quiet, c->runner.cfg->simulated,
	    gathered_counts(c->gathered).kept);
	c->progress.collect = true;
	rc = runner_run(&c->runner, &io, source, e);
	if ((ordered_finish(&c->ordered, &c->runner, rc < 0 ? e : NULL,
	    &ending) < 0 || output_finish(c->out, &ending) < 0) && rc == 0) {
		*e = ending;
		rc = -1;
	}
	if (c->runner.engine)
		progress_end(&c->progress, engine_state(c->runner.engine));
	if (!c->quiet)
		ordered_say(&c->ordered);
	if (rc < 0 && !is_closed_pipe(e)) {
		say_err(e);
		e->msg[0] = '\0';
		say_how_to_resume(c);
	}
	return rc;
}

static int
status_of(const struct collect *c)
{
	const struct engine_state *s = c->runner.engine && !c->o.estimate
	    ? engine_state(c->runner.engine) : NULL;

	if (c->bad || (s && s->by_status[TASK_FAILED]))
		return 1;
	return s && s->by_status[TASK_BUDGET] ? err_status(ERR_BUDGET) : 0;
}

/* --- from the ledger ------------------------------------------------------- */

static int
put_trace(void *cookie, struct trace_task *t, struct err *e)
{
	struct collect *c = cookie;

	buf_clear(&c->text);
	buf_clear(&c->tags);
	result_tags(&c->tags, t->task);
	for (size_t i = 0; i < t->n_tiers; i++) {
		const struct trace_tier *v = &t->tiers[i];
		const struct trace_line line = {
			.task = t->task, .tags = buf_str(&c->tags),
			.tier = v->name, .model = v->model, .rates = v->rates,
			.answers = v->notes[0].has_recorded_answer,
			.c = v->c, .n = v->n };

		trace_write(&c->text, &line);
	}
	trace_task_free(t);
	if (c->text.failed || c->tags.failed)
		return err_nomem(e);
	return output_add(c->out, buf_str(&c->text), e);
}

static int
read_filter(struct collect *c, struct ledger_filter *f, struct err *e)
{
	const struct runner_options *o = &c->o;
	struct str value;

	if (o->tag.n > 1)
		return err_set(e, ERR_USAGE, "with --from-ledger only one "
		    "--tag can be looked at");
	if (o->tag.n) {
		value = str_of(o->tag.v[0]);
		if (!str_cut(&value, '=', &f->tag_key) || !f->tag_key.n
		    || !value.n)
			return err_set(e, ERR_USAGE, "--tag takes name=value, "
			    "not '%.60s'", o->tag.v[0]);
		f->tag_value = value;
	}
	f->cascade = str_of(o->cascade);
	return c->since ? clock_parse_since(str_of(c->since), clock_utc_ms(),
	    &f->since_utc_ms, e) : 0;
}

static int
check_from_ledger(const struct collect *c, int argc, struct err *e)
{
	const struct runner_options *o = &c->o;

	if (argc)
		return err_set(e, ERR_USAGE, "--from-ledger takes no file of "
		    "tasks: it asks nobody");
	if (o->model || o->system || o->template_file || o->set.n
	    || o->max_cost || o->task_timeout || o->no_cache || o->refresh
	    || o->cache_only || o->estimate || c->order_mode != ORDER_DONE)
		return err_set(e, ERR_USAGE, "--from-ledger asks nobody: of "
		    "the other options only -o, -k, -c, --since, --tag, "
		    "--store and -q go with it");
	return 0;
}

static void
say_counts(const struct collect *c, const struct ledger_traces_counts *n)
{
	if (c->quiet)
		return;
	say("%lld tasks with %lld tiers, %lld of them with a right answer; "
	    "nothing was asked", (long long)n->tasks, (long long)n->tiers,
	    (long long)n->labelled);
	if (n->nothing)
		say("%lld tasks are left out: none of their completions is in "
		    "the store", (long long)n->nothing);
}

static int
from_ledger(struct collect *c, int argc, struct err *e)
{
	struct ledger_filter f = { 0 };
	struct ledger_traces_counts n = { 0 };

	if (check_from_ledger(c, argc, e) < 0 || read_filter(c, &f, e) < 0
	    || common_config(&c->o.common, true, false, &c->runner.cfg, e) < 0
	    || common_store(&c->o.common, c->runner.cfg, false,
	    &c->runner.store, e) < 0
	    || output_open(&c->out, c->out_file, OUTPUT_REPLACE, e) < 0
	    || ledger_traces(c->runner.store, c->runner.cfg, &f, put_trace, c,
	    &n, e) < 0)
		return -1;
	say_counts(c, &n);
	return output_finish(c->out, e);
}

/* --- the command ----------------------------------------------------------- */

static void
release(struct collect *c)
{
	ordered_close(&c->ordered);
	output_free(c->out);
	files_close(&c->files);
	gathered_free(c->gathered);
	runner_close(&c->runner);
	buf_release(&c->text);
	buf_release(&c->tags);
	opt_list_release(&c->o.set);
	opt_list_release(&c->o.tag);
}

static int
run(struct collect *c, int argc, char **argv, struct err *e)
{
	if (c->from_ledger)
		return from_ledger(c, argc, e);
	if (prepare(c, argc, argv, e) < 0)
		return -1;
	return c->o.estimate ? estimate(c, e) : ask(c, e);
}

static int
collect_main(const struct command *self, int argc, char **argv)
{
	static const char *const orders[] = { "done", "input", NULL };
	static const char *const formats[] = {
		"auto", "jsonl", "csv", "tsv", "txt", NULL
	};
	struct collect c = { .o = RUNNER_OPTIONS_INIT };
	const struct opt table[] = {
		{ OPT_TEXT, 'o', "output", &c.out_file, "TRACES",
		    "append traces to TRACES; a task that is whole there is\n"
		    "not done again (default: standard output)", 0, 0, NULL },
		{ OPT_FLAG, 0, "from-ledger", &c.from_ledger, NULL,
		    "ask nobody: write what the ledger and the store hold;\n"
		    "with -k, --since and --tag as in `frugal stats`",
		    0, 0, NULL },
		{ OPT_TEXT, 0, "since", &c.since, "TIME",
		    "with --from-ledger: only tasks since then: 2h, 7d, today,\n"
		    "yesterday, 2026-11-23", 0, 0, NULL },
		{ OPT_CHOICE, 0, "order", &c.order_mode, "ORDER",
		    "done: as tasks get whole (default); input: as in the\n"
		    "files, as by `frugal batch`", 0, 0, orders },
		{ OPT_CHOICE, 0, "format", &c.format, "FORMAT",
		    "jsonl, csv, tsv or txt (default: by the file's name)",
		    0, 0, formats },
		{ OPT_FLAG, 'q', "quiet", &c.quiet, NULL,
		    "no progress and no summary", 0, 0, NULL },
		RUNNER_OPTS(&c.o),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	buf_init(&c.text, BUF_MAX);
	buf_init(&c.tags, 1 << 20);
	c.runner.signals = -1;
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc == 0)
		rc = run(&c, argc - first, argv + first, &e);
	else if (rc > 0)
		goto out;
	if (rc < 0)
		status = say_err(&e);
	/* Whoever closed the pipe has not had everything. */
	if (rc < 0 && is_closed_pipe(&e))
		status = 1;
	if (status == 0)
		status = status_of(&c);
out:
	release(&c);
	return status;
}

extern const struct command cmd_collect;
const struct command cmd_collect = {
	.name = "collect",
	.summary = "ask every tier about every task, for tune and replay",
	.usage = "[OPTION]... FILE... -o TRACES\n"
	    "--from-ledger [OPTION]... -o TRACES",
	.about = "Asks all tiers of a cascade about every task of the files, "
	    "for all the samples that\nthey may ask for, and writes traces: a "
	    "JSON line for each task and tier. What is in\nthe store is not "
	    "paid for again. Run again with the same file, it does only what "
	    "is\nmissing. Ctrl-C once finishes what is in flight.",
	.examples =
	    "  frugal collect tasks.jsonl -o traces.jsonl --max-cost 5\n"
	    "  frugal collect tasks.jsonl --estimate\n"
	    "  frugal collect --from-ledger --since 30d -o traces.jsonl\n"
	    "  frugal replay traces.jsonl\n",
	.run = collect_main,
};
