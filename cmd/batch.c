/*
 * batch.c -- `frugal batch`: files of tasks in, result objects out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cmd/audits.h"
#include "cmd/estimate.h"
#include "cmd/files.h"
#include "cmd/ordered.h"
#include "cmd/progress.h"
#include "cmd/resume.h"
#include "cmd/runner.h"

enum { ORDER_DONE, ORDER_INPUT };

struct batch {
	struct runner runner;
	struct runner_options o;
	struct files files;
	const char *out_file;
	int order_mode, format;
	bool quiet, to_file;
	struct ordered ordered;
	struct resume *resume;
	struct output *out;
	struct progress progress;
	int64_t seq, skipped, bad;
	struct buf text;
};

/* --- input ---------------------------------------------------------------------------- */

static int
bad_task(struct batch *b, struct err *e)
{
	if (e->code != ERR_INPUT)
		return -1;
	say_err(e);
	b->bad++;
	return 0;
}

static int
next(void *cookie, struct task **task, const struct cascade **cascade,
    int *fd, struct err *e)
{
	struct batch *b = cookie;

	for (;;) {
		struct task *t = NULL;
		int rc;

		if (b->ordered.order
		    && b->seq >= order_limit(b->ordered.order))
			return 2;
		rc = files_next(&b->files, &t, fd, e);
		if (rc == 0 || rc == 2)
			return rc;
		if (rc < 0) {
			if (bad_task(b, e) < 0)
				return -1;
			continue;
		}
		if (b->resume && resume_take(b->resume, t->id)) {
			b->skipped++;
			task_free(t);
			continue;
		}
		if (runner_prepare(&b->runner, t, cascade, e) == 0) {
			t->seq = b->seq++;
			*task = t;
			return 1;
		}
		files_place(&b->files, t, e);
		task_free(t);
		if (bad_task(b, e) < 0)
			return -1;
	}
}

/* --- output ---------------------------------------------------------------------------- */

static int
done(void *cookie, const struct result *r, struct err *e)
{
	struct batch *b = cookie;

	if (b->runner.estimate) {
		estimate_add(b->runner.estimate, r);
		return 0;
	}
	buf_clear(&b->text);
	result_json(&b->text, r, b->runner.cfg->simulated);
	buf_addc(&b->text, '\n');
	if (b->text.failed)
		return err_nomem(e);
	return ordered_put(&b->ordered, r->task->seq, buf_str(&b->text), e);
}

static int
turn(void *cookie, const struct engine_state *s, struct err *e)
{
	struct batch *b = cookie;

	progress_turn(&b->progress, s, files_total(&b->files),
	    files_all_read(&b->files));
	if (ordered_turn(&b->ordered, !s->active, e) < 0)
		return -1;
	return output_flush(b->out, e);
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
	struct ids c = { .f = {
	    .names = b->files.names, .n = b->files.n,
	    .format = b->files.format, .limits = b->files.limits,
	    .needs_prompt = b->files.needs_prompt } };
	int rc = what(b->out_file, b->runner.cfg->limits.result, next_id, &c,
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
	int rc;

	if (b->order_mode != ORDER_INPUT || !b->to_file
	    || !b->resume || !resume_counts(b->resume).kept)
		return 0;
	if (b->files.bytes < 0) {
		say("the lines of this run are at the end of '%s': standard "
		    "input cannot be read again to sort them", b->out_file);
		return 0;
	}
	rc = with_ids(b, resume_in_order, e);
	if (rc == 0)
		rc = with_ids(b, resume_sort, e);
	return rc < 0 ? -1 : 0;
}

/* --- the command --------------------------------------------------------------------------- */

/* Something to go on with: not standard output, a pipe or a device. */
static bool
is_file(const char *path)
{
	struct stat st;

	return path && strcmp(path, "-") != 0
	    && (stat(path, &st) < 0 || S_ISREG(st.st_mode));
}

static int
prepare(struct batch *b, int argc, char **argv, struct err *e)
{
	if (!argc)
		return err_set(e, ERR_USAGE, "no file of tasks given; see "
		    "frugal batch --help");
	b->files.names = argv;
	b->files.n = (size_t)argc;
	b->files.format = (enum task_format)b->format;
	b->files.needs_prompt = b->o.template_file == NULL;
	if (files_check(&b->files, e) < 0)
		return -1;
	if (runner_open(&b->runner, &b->o, e) < 0)
		return -1;
	b->files.limits = &b->runner.cfg->limits.task;
	b->runner.quiet = b->quiet;
	if (b->o.estimate)
		b->out_file = NULL; /* it is not touched */
	b->to_file = is_file(b->out_file);
	if (b->to_file && resume_open(&b->resume, b->out_file,
	    b->runner.cfg->limits.result, e) < 0)
		return -1;
	if (output_open(&b->out, b->out_file, OUTPUT_APPEND, e) < 0)
		return -1;
	b->ordered.out = b->out;
	return b->order_mode == ORDER_INPUT && !b->o.estimate
	    ? ordered_open(&b->ordered, b->out, b->runner.cfg->limits.held, e)
	    : 0;
}

static void
say_resume(const struct batch *b)
{
	struct resume_counts c;

	if (!b->resume || b->quiet)
		return;
	c = resume_counts(b->resume);
	if (c.torn)
		say("'%s': cut off a torn last line of %lld bytes",
		    b->out_file, (long long)c.torn);
	if (c.dropped)
		say("resuming '%s': %lld tasks are done, %lld that failed are "
		    "tried again", b->out_file, (long long)c.kept,
		    (long long)c.dropped);
	else if (c.kept)
		say("resuming '%s': %lld tasks are done", b->out_file,
		    (long long)c.kept);
}

static int
finish(struct batch *b, int rc, struct err *e)
{
	struct err ending;

	if (ordered_finish(&b->ordered, &b->runner, rc < 0 ? e : NULL,
	    &ending) < 0 && rc == 0) {
		*e = ending;
		rc = -1;
	}
	if (output_finish(b->out, &ending) < 0 && rc == 0) {
		*e = ending;
		rc = -1;
	}
	if (rc == 0)
		rc = restore_order(b, e);
	return rc;
}

static void
say_how_to_resume(const struct batch *b, enum err_code why,
    const char *source)
{
	int64_t waiting = ordered_waiting(&b->ordered);
	const struct engine_state *s;

	if (!b->runner.engine)
		return;
	s = engine_state(b->runner.engine);
	if (s->undone && why == ERR_BUDGET)
		say("%lld task%s begun and left undone, besides those that "
		    "were not read", (long long)s->undone,
		    s->undone == 1 ? " was" : "s were");
	if (!s->done)
		return;
	if (b->to_file && waiting)
		say("what is done is in '%s', but for %lld results that come "
		    "after a missing one: they are in the store; the same "
		    "command goes on from there", b->out_file,
		    (long long)waiting);
	else if (b->to_file)
		say("what is done is in '%s'; the same command goes on from "
		    "there", b->out_file);
	else
		say("the same command pays only for what is missing: "
		    "completions of '%s' are in the store", source);
}

static int
estimate(struct batch *b, struct err *e)
{
	struct engine_io io = { .cookie = b, .next = next, .done = done };

	if (runner_run(&b->runner, &io, "estimate", e) < 0)
		return -1;
	return estimate_print(b->runner.estimate, b->runner.caps.run, e);
}

/* Once, when there are new audits. That it cannot be told is no failure of the
 * batch. */
static void
warn_of_drift(const struct batch *b)
{
	struct err e;

	if (b->runner.store && audits_promises(b->runner.store,
	    b->runner.cfg, (struct str){ 0 }, 0, audits_warn, NULL, &e) < 0)
		say_err(&e);
}

static int
go(struct batch *b, struct err *e)
{
	struct engine_io io = { .cookie = b, .next = next, .done = done,
	    .turn = turn, .notice = runner_notice,
	    .outage = b->quiet ? NULL : runner_outage };
	char source[512];
	int rc;

	snprintf(source, sizeof(source), "batch %s%s", b->files.names[0],
	    b->files.n > 1 ? " ..." : "");
	say_resume(b);
	progress_start(&b->progress, b->quiet, b->runner.cfg->simulated,
	    b->resume ? resume_counts(b->resume).kept : 0);
	rc = runner_run(&b->runner, &io, source, e);
	rc = finish(b, rc, e);
	if (b->runner.engine)
		progress_end(&b->progress, engine_state(b->runner.engine));
	if (!b->quiet)
		ordered_say(&b->ordered);
	if (b->runner.engine && engine_state(b->runner.engine)->audited)
		warn_of_drift(b);
	if (rc < 0 && !is_closed_pipe(e)) {
		say_err(e);
		e->msg[0] = '\0';
		say_how_to_resume(b, e->code, b->files.names[0]);
	} else if (rc < 0 && !b->quiet) {
		say("standard output was closed: what has come is in the "
		    "store; the same command pays only for the rest");
	}
	return rc;
}

static int
batch_main(const struct command *self, int argc, char **argv)
{
	static const char *const orders[] = { "done", "input", NULL };
	static const char *const formats[] = {
		"auto", "jsonl", "csv", "tsv", "txt", NULL
	};
	struct batch b = { .o = RUNNER_OPTIONS_INIT };
	const struct opt table[] = {
		{ OPT_TEXT, 'o', "output", &b.out_file, "FILE",
		    "append result objects to FILE; what it holds already is\n"
		    "not done again (default: standard output)", 0, 0, NULL },
		{ OPT_CHOICE, 0, "order", &b.order_mode, "ORDER",
		    "done: as they finish (default); input: as in the files;\n"
		    "what comes before its turn waits, in a temporary file if\n"
		    "it is much",
		    0, 0, orders },
		{ OPT_CHOICE, 0, "format", &b.format, "FORMAT",
		    "jsonl, csv, tsv or txt (default: by the file's name)",
		    0, 0, formats },
		{ OPT_FLAG, 'q', "quiet", &b.quiet, NULL,
		    "no progress and no summary", 0, 0, NULL },
		RUNNER_OPTS(&b.o),
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	buf_init(&b.text, BUF_MAX);
	b.runner.signals = -1;
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc == 0)
		rc = prepare(&b, argc - first, argv + first, &e);
	else if (rc > 0)
		goto out;
	if (rc == 0)
		rc = b.o.estimate ? estimate(&b, &e) : go(&b, &e);
	if (rc < 0)
		status = say_err(&e);
	/* Whoever closed the pipe has not had every answer. */
	if (rc < 0 && is_closed_pipe(&e))
		status = 1;
	if (status == 0 && (b.bad || (b.runner.engine && !b.o.estimate
	    && (engine_state(b.runner.engine)->by_status[TASK_FAILED]
	    || engine_state(b.runner.engine)->by_status[TASK_REFUSED]))))
		status = 1;
	if (status == 0 && b.runner.engine
	    && engine_state(b.runner.engine)->by_status[TASK_BUDGET])
		status = err_status(ERR_BUDGET);
out:
	ordered_close(&b.ordered);
	output_free(b.out);
	files_close(&b.files);
	resume_free(b.resume);
	runner_close(&b.runner);
	buf_release(&b.text);
	opt_list_release(&b.o.set);
	opt_list_release(&b.o.tag);
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
