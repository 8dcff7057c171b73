/*
 * work.c -- working through files of tasks.
 */
#include "cmd/work.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/estimate.h"

const char *const work_orders[] = { "done", "input", NULL };
const char *const work_formats[] = {
	"auto", "jsonl", "csv", "tsv", "txt", NULL
};

/* --- opening --------------------------------------------------------------- */

void
work_init(struct work *w)
{
	*w = (struct work){ .o = RUNNER_OPTIONS_INIT, .runner.signals = -1 };
	buf_init(&w->text, BUF_MAX);
}

void
work_close(struct work *w)
{
	ordered_close(&w->ordered);
	output_free(w->out);
	files_close(&w->files);
	runner_close(&w->runner);
	runner_options_release(&w->o);
	buf_release(&w->text);
}

/* Something to go on with: not standard output, a pipe or a device. */
static bool
is_file(const char *path)
{
	struct stat st;

	return path && strcmp(path, "-") != 0
	    && (stat(path, &st) < 0 || S_ISREG(st.st_mode));
}

int
work_open(struct work *w, const char *name, int argc, char **argv,
    struct err *e)
{
	if (!argc)
		return err_set(e, ERR_USAGE, "no file of tasks given; see "
		    "frugal %s --help", name);
	w->files.names = argv;
	w->files.n = (size_t)argc;
	w->files.format = (enum task_format)w->format;
	w->files.needs_prompt = w->o.template_file == NULL;
	if (files_check(&w->files, e) < 0
	    || runner_open(&w->runner, &w->o, e) < 0)
		return -1;
	w->files.limits = &w->runner.cfg->limits.task;
	w->runner.quiet = w->quiet;
	if (w->o.estimate)
		w->out_file = NULL; /* it is not touched */
	w->to_file = is_file(w->out_file);
	return 0;
}

int
work_open_output(struct work *w, struct err *e)
{
	if (output_open(&w->out, w->out_file, OUTPUT_APPEND, e) < 0)
		return -1;
	w->ordered.out = w->out;
	return w->order_mode == ORDER_INPUT && !w->o.estimate
	    ? ordered_open(&w->ordered, w->out, w->runner.cfg->limits.held, e)
	    : 0;
}

/* --- tasks in -------------------------------------------------------------- */

static int
bad_task(struct work *w, struct err *e)
{
	if (e->code != ERR_INPUT)
		return -1;
	say_err(e);
	w->bad++;
	return 0;
}

int
work_read(struct work *w, struct task **t, int *fd, struct err *e)
{
	int rc;

	do {
		if (w->ordered.order
		    && w->seq >= order_limit(w->ordered.order))
			return 2;
		rc = files_next(&w->files, t, fd, e);
	} while (rc < 0 && bad_task(w, e) == 0);
	return rc;
}

int
work_begin(struct work *w, struct task *t, const struct cascade **cascade,
    struct err *e)
{
	if (runner_prepare(&w->runner, t, cascade, e) < 0)
		return work_refuse(w, t, e);
	t->seq = w->seq++;
	return 1;
}

int
work_refuse(struct work *w, struct task *t, struct err *e)
{
	files_place(&w->files, t, e);
	task_free(t);
	return bad_task(w, e);
}

/* --- the run --------------------------------------------------------------- */

static int
turn(void *cookie, const struct engine_state *s, struct err *e)
{
	struct work *w = cookie;

	progress_turn(&w->progress, s, files_total(&w->files),
	    files_all_read(&w->files));
	if (ordered_turn(&w->ordered, !s->active, e) < 0)
		return -1;
	return output_flush(w->out, e);
}

int
work_run(struct work *w, struct engine_io io, const char *name, int64_t kept,
    struct err *e)
{
	char source[512];
	struct err ending;
	int rc;

	io.cookie = w;
	io.turn = turn;
	io.notice = runner_notice;
	io.outage = w->quiet ? NULL : runner_outage;
	snprintf(source, sizeof(source), "%s %s%s", name, w->files.names[0],
	    w->files.n > 1 ? " ..." : "");
	progress_start(&w->progress, w->quiet, w->runner.cfg->simulated, kept);
	w->progress.collect = w->o.collect;
	rc = runner_run(&w->runner, &io, source, e);
	if (ordered_finish(&w->ordered, &w->runner, rc < 0 ? e : NULL,
	    &ending) < 0 && rc == 0) {
		*e = ending;
		rc = -1;
	}
	if (output_finish(w->out, &ending) < 0 && rc == 0) {
		*e = ending;
		rc = -1;
	}
	return rc;
}

void
work_end(struct work *w)
{
	if (w->runner.engine)
		progress_end(&w->progress, engine_state(w->runner.engine));
	if (!w->quiet)
		ordered_say(&w->ordered);
}

/* --- an estimate ----------------------------------------------------------- */

static int
add_to_estimate(void *cookie, const struct result *r, struct err *e)
{
	struct work *w = cookie;

	(void)e;
	estimate_add(w->runner.estimate, r);
	return 0;
}

int
work_estimate(struct work *w, struct engine_io io, struct err *e)
{
	io.cookie = w;
	io.done = add_to_estimate;
	if (runner_run(&w->runner, &io, "estimate", e) < 0)
		return -1;
	return estimate_print(w->runner.estimate, w->runner.caps.run, e);
}
