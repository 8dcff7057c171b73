/*
 * collect.c -- `frugal collect`: every tier is asked about every task, and what
 * they say becomes traces; or what the ledger and the store hold does.
 */
#include "base/clock.h"
#include "cascade/ledger_traces.h"
#include "cascade/trace_write.h"
#include "cmd/gathered.h"
#include "cmd/work.h"

#define MAX_SAID 10 /* tasks that lack something are named so often */

struct collect {
	struct work work;
	const char *since;
	bool from_ledger;
	struct gathered *gathered;
	struct buf tags;
	int said;
};

/* --- tasks in -------------------------------------------------------------- */

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
	struct task *t;
	int rc;

	while ((rc = work_read(&c->work, &t, fd, e)) == 1) {
		rc = take(c, t, e);
		if (rc == 0) {
			task_free(t);
			continue;
		}
		rc = rc < 0 ? work_refuse(&c->work, t, e)
		    : work_begin(&c->work, t, cascade, e);
		if (rc > 0)
			*task = t;
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* --- traces out ------------------------------------------------------------ */

/* It is there, but nobody can read it as things are. */
static void
check_length(const struct collect *c, const struct result *r, size_t n)
{
	if (n > c->work.runner.cfg->limits.task.line)
		say("warning: a line of task '%.*s' has %zu bytes: to read it, "
		    "raise the limit 'line'", STR_ARG(r->task->id), n);
}

static int
put_visits(struct collect *c, const struct result *r, struct err *e)
{
	struct work *w = &c->work;
	size_t before;

	buf_clear(&w->text);
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

		before = w->text.n;
		trace_write(&w->text, &line);
		check_length(c, r, w->text.n - before);
	}
	if (w->text.failed || c->tags.failed)
		return err_nomem(e);
	return ordered_put(&w->ordered, r->task->seq, buf_str(&w->text), e);
}

static int
done(void *cookie, const struct result *r, struct err *e)
{
	struct collect *c = cookie;

	if (r->status != TASK_ACCEPTED && c->said++ < MAX_SAID)
		say("task '%.*s' has %zu of %zu tiers: %.*s (%.*s)",
		    STR_ARG(r->task->id), r->n_visits, r->cascade->n_tiers,
		    STR_ARG(r->error_message), STR_ARG(r->error_code));
	if (c->said == MAX_SAID + 1)
		say("further tasks that lack a tier are not named");
	c->said += c->said == MAX_SAID + 1;
	return put_visits(c, r, e);
}

/* --- asking ---------------------------------------------------------------- */

static int
look_at_output(struct collect *c, struct err *e)
{
	const struct work *w = &c->work;
	const struct gathered_ask ask = { w->runner.cfg, w->runner.cascade,
	    w->o.cascade || w->o.model };

	return gathered_open(&c->gathered, w->to_file ? w->out_file : NULL,
	    w->runner.cfg->limits.task.line + 1, &ask, e);
}

static int
prepare(struct collect *c, int argc, char **argv, struct err *e)
{
	if (argc && c->since)
		return err_set(e, ERR_USAGE, "--since is for --from-ledger");
	c->work.o.collect = true;
	if (work_open(&c->work, "collect", argc, argv, e) < 0
	    || look_at_output(c, e) < 0)
		return -1;
	return work_open_output(&c->work, e);
}

static void
say_resume(const struct collect *c)
{
	const char *file = c->work.out_file;
	struct gathered_counts n = gathered_counts(c->gathered);

	if (c->work.quiet)
		return;
	if (n.torn)
		say("'%s': cut off a torn last line of %lld bytes", file,
		    (long long)n.torn);
	if (n.dropped)
		say("resuming '%s': %lld tasks are whole, %lld that lack "
		    "something are done again", file,
		    (long long)n.kept, (long long)n.dropped);
	else if (n.kept)
		say("resuming '%s': %lld tasks are whole", file,
		    (long long)n.kept);
}

static void
say_how_to_resume(const struct work *w)
{
	if (!w->runner.engine || !engine_state(w->runner.engine)->done)
		return;
	if (w->to_file)
		say("what is whole is in '%s'%s; the same command goes on from "
		    "there", w->out_file, ordered_waiting(&w->ordered)
		    ? " or, behind what is missing, in the store" : "");
	else
		say("the same command pays only for what is missing: the rest "
		    "is in the store");
}

static int
ask(struct collect *c, struct engine_io io, struct err *e)
{
	struct work *w = &c->work;
	int rc;

	say_resume(c);
	rc = work_run(w, io, "collect", gathered_counts(c->gathered).kept, e);
	work_end(w);
	if (rc < 0 && !is_closed_pipe(e)) {
		say_err(e);
		e->msg[0] = '\0';
		say_how_to_resume(w);
	}
	return rc;
}

static int
status_of(const struct work *w)
{
	const struct engine_state *s = w->runner.engine && !w->o.estimate
	    ? engine_state(w->runner.engine) : NULL;

	if (w->bad || (s && s->by_status[TASK_FAILED]))
		return 1;
	return s && s->by_status[TASK_BUDGET] ? err_status(ERR_BUDGET) : 0;
}

/* --- from the ledger ------------------------------------------------------- */

static int
put_trace(void *cookie, struct trace_task *t, struct err *e)
{
	struct collect *c = cookie;
	struct work *w = &c->work;

	buf_clear(&w->text);
	buf_clear(&c->tags);
	result_tags(&c->tags, t->task);
	for (size_t i = 0; i < t->n_tiers; i++) {
		const struct trace_tier *v = &t->tiers[i];
		const struct trace_line line = {
			.task = t->task, .tags = buf_str(&c->tags),
			.tier = v->name, .model = v->model, .rates = v->rates,
			.answers = v->notes[0].has_recorded_answer,
			.c = v->c, .n = v->n };

		trace_write(&w->text, &line);
	}
	trace_task_free(t);
	if (w->text.failed || c->tags.failed)
		return err_nomem(e);
	return output_add(w->out, buf_str(&w->text), e);
}

static int
read_filter(struct collect *c, struct ledger_filter *f, struct err *e)
{
	const struct runner_options *o = &c->work.o;
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
	const struct runner_options *o = &c->work.o;

	if (argc)
		return err_set(e, ERR_USAGE, "--from-ledger takes no file of "
		    "tasks: it asks nobody");
	if (o->model || o->system || o->template_file || o->set.n
	    || o->max_cost || o->task_timeout || o->no_cache || o->refresh
	    || o->cache_only || o->estimate || c->work.order_mode != ORDER_DONE)
		return err_set(e, ERR_USAGE, "--from-ledger asks nobody: of "
		    "the other options only -o, -k, -c, --since, --tag, "
		    "--store and -q go with it");
	return 0;
}

static void
say_counts(const struct collect *c, const struct ledger_traces_counts *n)
{
	if (c->work.quiet)
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
	struct work *w = &c->work;
	struct runner *r = &w->runner;

	if (check_from_ledger(c, argc, e) < 0 || read_filter(c, &f, e) < 0
	    || common_config(&w->o.common, true, false, &r->cfg, e) < 0
	    || common_store(&w->o.common, r->cfg, false, &r->store, e) < 0
	    || output_open(&w->out, w->out_file, OUTPUT_REPLACE, e) < 0
	    || ledger_traces(r->store, r->cfg, &f, put_trace, c, &n, e) < 0)
		return -1;
	say_counts(c, &n);
	return output_finish(w->out, e);
}

/* --- the command ----------------------------------------------------------- */

static int
run(struct collect *c, int argc, char **argv, struct err *e)
{
	const struct engine_io io = { .next = next, .done = done };

	if (c->from_ledger)
		return from_ledger(c, argc, e);
	if (prepare(c, argc, argv, e) < 0)
		return -1;
	return c->work.o.estimate ? work_estimate(&c->work, io, e)
	    : ask(c, io, e);
}

static int
collect_main(const struct command *self, int argc, char **argv)
{
	struct collect c = { 0 };
	struct work *w = &c.work;
	const struct opt table[] = {
		{ OPT_TEXT, 'o', "output", &w->out_file, "TRACES",
		    "append traces to TRACES; a task that is whole there is\n"
		    "not done again (default: standard output)", 0, 0, NULL },
		{ OPT_FLAG, 0, "from-ledger", &c.from_ledger, NULL,
		    "ask nobody: write what the ledger and the store hold;\n"
		    "with -k, --since and --tag as in `frugal stats`",
		    0, 0, NULL },
		{ OPT_TEXT, 0, "since", &c.since, "TIME",
		    "with --from-ledger: only tasks since then: 2h, 7d, today,\n"
		    "yesterday, 2026-11-23", 0, 0, NULL },
		{ OPT_CHOICE, 0, "order", &w->order_mode, "ORDER",
		    "done: as tasks get whole (default); input: as in the\n"
		    "files, as by `frugal batch`", 0, 0, work_orders },
		WORK_OPTS(w),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	work_init(w);
	buf_init(&c.tags, 1 << 20);
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		goto out;
	if (rc == 0)
		rc = run(&c, argc - first, argv + first, &e);
	status = rc < 0 ? runner_say_err(&e) : status_of(w);
out:
	gathered_free(c.gathered);
	buf_release(&c.tags);
	work_close(w);
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
