/*
 * batch.c -- `frugal batch`: files of tasks in, result objects out.
 */
#include "cmd/audits.h"
#include "cmd/resume.h"
#include "cmd/work.h"

struct batch {
	struct work work;
	struct resume *resume;
};

/* --- tasks in, results out -------------------------------------------------------------- */

static int
next(void *cookie, struct task **task, const struct cascade **cascade,
    int *fd, struct err *e)
{
	struct batch *b = cookie;
	struct task *t;
	int rc;

	while ((rc = work_read(&b->work, &t, fd, e)) == 1) {
		if (b->resume && resume_take(b->resume, t->id)) {
			task_free(t);
			continue;
		}
		rc = work_begin(&b->work, t, cascade, e);
		if (rc > 0)
			*task = t;
		if (rc != 0)
			return rc;
	}
	return rc;
}

static int
done(void *cookie, const struct result *r, struct err *e)
{
	struct work *w = cookie;

	buf_clear(&w->text);
	result_json(&w->text, r, w->runner.cfg->simulated);
	buf_addc(&w->text, '\n');
	if (w->text.failed)
		return err_nomem(e);
	return ordered_put(&w->ordered, r->task->seq, buf_str(&w->text), e);
}

/* --- the order of the file ---------------------------------------------------------------- */

struct ids { /* of the tasks, once more from the start */
	struct files f;
	struct task *t;
};

static int
next_id(void *cookie, struct str *id, struct err *e)
{
	struct ids *c = cookie;
	int rc;

	task_free(c->t);
	c->t = NULL;
	do
		rc = files_next(&c->f, &c->t, NULL, e);
	while (rc < 0 && e->code == ERR_INPUT); /* said already */
	if (rc > 0)
		*id = c->t->id;
	return rc;
}

static int
with_ids(const struct batch *b, int (*what)(const char *path, size_t max_line,
    int (*next)(void *cookie, struct str *id, struct err *e), void *cookie,
    struct err *e), struct err *e)
{
	const struct work *w = &b->work;
	struct ids c = { .f = {
	    .names = w->files.names, .n = w->files.n,
	    .format = w->files.format, .limits = w->files.limits,
	    .needs_prompt = w->files.needs_prompt } };
	int rc = what(w->out_file, w->runner.cfg->limits.result, next_id, &c,
	    e);

	task_free(c.t);
	files_close(&c.f);
	return rc;
}

/* A resumed file has its new lines last: put them where they belong, unless it
 * was the end that was missing. */
static int
restore_order(const struct batch *b, struct err *e)
{
	const struct work *w = &b->work;
	int rc;

	if (w->order_mode != ORDER_INPUT || !w->to_file
	    || !b->resume || !resume_counts(b->resume).kept)
		return 0;
	if (w->files.bytes < 0) {
		say("the lines of this run are at the end of '%s': standard "
		    "input cannot be read again to sort them", w->out_file);
		return 0;
	}
	rc = with_ids(b, resume_in_order, e);
	if (rc == 0)
		rc = with_ids(b, resume_sort, e);
	return rc < 0 ? -1 : 0;
}

/* --- the command --------------------------------------------------------------------------- */

static int
prepare(struct batch *b, int argc, char **argv, struct err *e)
{
	struct work *w = &b->work;

	if (work_open(w, "batch", argc, argv, e) < 0
	    || (w->to_file && resume_open(&b->resume, w->out_file,
	    w->runner.cfg->limits.result, e) < 0))
		return -1;
	return work_open_output(w, e);
}

static void
say_resume(const struct batch *b)
{
	const char *file = b->work.out_file;
	struct resume_counts c;

	if (!b->resume || b->work.quiet)
		return;
	c = resume_counts(b->resume);
	if (c.torn)
		say("'%s': cut off a torn last line of %lld bytes", file,
		    (long long)c.torn);
	if (c.dropped)
		say("resuming '%s': %lld tasks are done, %lld that failed are "
		    "tried again", file, (long long)c.kept,
		    (long long)c.dropped);
	else if (c.kept)
		say("resuming '%s': %lld tasks are done", file,
		    (long long)c.kept);
}

static void
say_how_to_resume(const struct work *w, enum err_code why)
{
	int64_t waiting = ordered_waiting(&w->ordered);
	const struct engine_state *s;

	if (!w->runner.engine)
		return;
	s = engine_state(w->runner.engine);
	if (s->undone && why == ERR_BUDGET)
		say("%lld task%s begun and left undone, besides those that "
		    "were not read", (long long)s->undone,
		    s->undone == 1 ? " was" : "s were");
	if (!s->done)
		return;
	if (w->to_file && waiting)
		say("what is done is in '%s', but for %lld results that come "
		    "after a missing one: they are in the store; the same "
		    "command goes on from there", w->out_file,
		    (long long)waiting);
	else if (w->to_file)
		say("what is done is in '%s'; the same command goes on from "
		    "there", w->out_file);
	else
		say("the same command pays only for what is missing: "
		    "completions of '%s' are in the store", w->files.names[0]);
}

/* Once, when there are new audits. That it cannot be told is no failure of the
 * batch. */
static void
warn_of_drift(const struct work *w)
{
	struct err e;

	if (w->runner.store && audits_promises(w->runner.store,
	    w->runner.cfg, (struct str){ 0 }, 0, audits_warn, NULL, &e) < 0)
		say_err(&e);
}

static int
go(struct batch *b, struct engine_io io, struct err *e)
{
	struct work *w = &b->work;
	int rc;

	say_resume(b);
	rc = work_run(w, io, "batch",
	    b->resume ? resume_counts(b->resume).kept : 0, e);
	if (rc == 0)
		rc = restore_order(b, e);
	work_end(w);
	if (w->runner.engine && engine_state(w->runner.engine)->audited)
		warn_of_drift(w);
	if (rc < 0 && !is_closed_pipe(e)) {
		say_err(e);
		e->msg[0] = '\0';
		say_how_to_resume(w, e->code);
	} else if (rc < 0 && !w->quiet) {
		say("standard output was closed: what has come is in the "
		    "store; the same command pays only for the rest");
	}
	return rc;
}

static int
run(struct batch *b, int argc, char **argv, struct err *e)
{
	const struct engine_io io = { .next = next, .done = done };

	if (prepare(b, argc, argv, e) < 0)
		return -1;
	return b->work.o.estimate ? work_estimate(&b->work, io, e)
	    : go(b, io, e);
}

static int
status_of(const struct work *w)
{
	const struct engine_state *s = w->runner.engine
	    ? engine_state(w->runner.engine) : NULL;

	if (w->bad || (s && !w->o.estimate && (s->by_status[TASK_FAILED]
	    || s->by_status[TASK_REFUSED])))
		return 1;
	return s && s->by_status[TASK_BUDGET] ? err_status(ERR_BUDGET) : 0;
}

static int
batch_main(const struct command *self, int argc, char **argv)
{
	struct batch b = { 0 };
	struct work *w = &b.work;
	const struct opt table[] = {
		{ OPT_TEXT, 'o', "output", &w->out_file, "FILE",
		    "append result objects to FILE; what it holds already is\n"
		    "not done again (default: standard output)", 0, 0, NULL },
		{ OPT_CHOICE, 0, "order", &w->order_mode, "ORDER",
		    "done: as they finish (default); input: as in the files;\n"
		    "what comes before its turn waits, in a temporary file if\n"
		    "it is much",
		    0, 0, work_orders },
		WORK_OPTS(w),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	work_init(w);
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		goto out;
	if (rc == 0)
		rc = run(&b, argc - first, argv + first, &e);
	status = rc < 0 ? runner_say_err(&e) : status_of(w);
out:
	resume_free(b.resume);
	work_close(w);
	return status;
}

extern const struct command cmd_batch;
const struct command cmd_batch = {
	.name = "batch",
	.summary = "work through files of tasks, with resume",
	.usage = "[OPTION]... FILE... -o OUT",
	.about = "Climbs with every task of the files and writes one result "
	    "object a line. Files are\n.jsonl (task objects, or OpenAI batch "
	    "lines), .csv or .tsv with a header, .txt (a\nprompt a line), also "
	    "gzipped; - is standard input. Run again with the same output\n"
	    "file, it does only what is missing. Ctrl-C once finishes what is "
	    "in flight.",
	.examples =
	    "  frugal batch tasks.jsonl -o answers.jsonl\n"
	    "  frugal batch reviews.csv -t review.txt -k sentiment "
	    "-o out.jsonl\n"
	    "  zcat prompts.gz | frugal batch - --format txt -j 256 >out.jsonl"
	    "\n",
	.run = batch_main,
};
