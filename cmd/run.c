/*
 * run.c -- `frugal run`: prompts in, answers out.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/input.h"
#include "base/money.h"
#include "base/utf8.h"
#include "cmd/estimate.h"
#include "cmd/ordered.h"
#include "cmd/runner.h"

struct run {
	struct runner runner;
	struct runner_options o;
	const char *out_file;
	bool lines, jsonl, stdin_first, no_stdin, verbose, json, answer_only;
	struct task *only;        /* the one task of an ordinary run */
	struct task_reader *reader;
	struct ordered ordered;
	int64_t seq;
	int64_t bad, failed;      /* lines that could not be read; tasks */
	int64_t over_budget;      /* tasks */
	bool answered;            /* a task was, as it was wanted */
	struct output *out;
	struct buf text;
};

/* --- input ------------------------------------------------------------------------ */

static int
read_prompt(struct buf *out, struct err *e)
{
	char chunk[65536];
	ssize_t n;

	for (;;) {
		n = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_IO, "cannot read standard input");
		if (n == 0)
			break;
		buf_add(out, (struct str){ chunk, (size_t)n });
		if (out->failed)
			return err_set(e, ERR_INPUT, "standard input is longer "
			    "than %zu MB, the most a prompt may have; for many "
			    "prompts use --lines or `frugal batch`",
			    LIMITS_MAX_PROMPT >> 20);
	}
	if (!utf8_valid(buf_str(out)))
		return err_set(e, ERR_INPUT, "standard input is not UTF-8; "
		    "convert it, for instance with iconv");
	while (out->n && (out->p[out->n - 1] == '\n'
	    || out->p[out->n - 1] == '\r'))
		buf_cut(out, out->n - 1);
	return 0;
}

/* Is there input to add to a prompt that was given as an argument? Files and
 * pipes are read; a terminal or /dev/null is not waited for. */
static bool
stdin_has_input(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || S_ISCHR(st.st_mode))
		return false;
	if (!S_ISREG(st.st_mode) && poll(&p, 1, 2000) == 0)
		say("reading standard input; give --no-stdin or </dev/null if "
		    "nothing is coming");
	return true;
}

static void
add_part(struct buf *b, struct str part)
{
	if (b->n && part.n)
		buf_adds(b, "\n\n");
	buf_add(b, part);
}

static int
one_prompt(struct run *r, int argc, char **argv, struct err *e)
{
	struct buf args, in, all;
	int rc = 0;

	buf_init(&args, LIMITS_MAX_PROMPT);
	buf_init(&in, LIMITS_MAX_PROMPT);
	buf_init(&all, 2 * LIMITS_MAX_PROMPT);
	for (int i = 0; i < argc; i++)
		buf_addf(&args, "%s%s", i ? " " : "", argv[i]);
	if (!argc && (r->no_stdin || is_terminal(STDIN_FILENO)))
		rc = err_set(e, ERR_USAGE, "no prompt: give one as an "
		    "argument or on standard input; see frugal --help");
	else if (!r->no_stdin && (!argc || stdin_has_input()))
		rc = read_prompt(&in, e);
	if (rc == 0 && !utf8_valid(buf_str(&args)))
		rc = err_set(e, ERR_USAGE, "the prompt is not UTF-8");
	add_part(&all, buf_str(r->stdin_first ? &in : &args));
	add_part(&all, buf_str(r->stdin_first ? &args : &in));
	if (rc == 0 && !str_trim(buf_str(&all)).n)
		rc = err_set(e, ERR_USAGE, "the prompt is empty");
	if (rc == 0 && (all.failed || args.failed))
		rc = err_set(e, ERR_INPUT, "the prompt is longer than %zu MB",
		    LIMITS_MAX_PROMPT >> 20);
	if (rc == 0) {
		r->only = task_of_prompt(buf_str(&all));
		if (!r->only)
			rc = err_nomem(e);
	}
	buf_release(&args);
	buf_release(&in);
	buf_release(&all);
	return rc;
}

/* The id of a prompt given on the command line: what `explain` finds. */
static int
name_task(struct task *t, struct err *e)
{
	char *id;

	if (t->id.n)
		return 0;
	id = arena_printf(t->arena, "run-%llx",
	    (unsigned long long)clock_utc_ms());
	if (!id)
		return err_nomem(e);
	t->id = str_of(id);
	return 0;
}

static int
bad_task(struct run *r, const struct task *t, struct err *e)
{
	if (e->code != ERR_INPUT)
		return -1;
	if (t && t->line)
		err_in(e, "line %lld", (long long)t->line);
	say_err(e);
	r->bad++;
	return 0;
}

/* With --lines an empty line stands for a prompt that cannot be read. */
static int
no_answer(struct run *r, int64_t seq, struct err *e)
{
	return ordered_put(&r->ordered, seq, r->json ? (struct str){ 0 }
	    : STR("\n"), e);
}

/* engine_io.next for --lines and --jsonl. */
static int
next_line(struct run *r, struct task **task, const struct cascade **cascade,
    int *fd, struct err *e)
{
	for (;;) {
		struct task *t = NULL;
		int rc;

		if (r->seq >= order_limit(r->ordered.order))
			return 2;
		if (!input_ready(task_reader_input(r->reader))) {
			*fd = input_fd(task_reader_input(r->reader));
			return 2;
		}
		rc = task_reader_next(r->reader,
		    r->o.template_file == NULL, &t, e);
		if (rc == 0)
			return 0;
		if (rc < 0) {
			if (bad_task(r, NULL, e) < 0
			    || no_answer(r, r->seq++, e) < 0)
				return -1;
			continue;
		}
		if (runner_prepare(&r->runner, t, cascade, e) == 0) {
			t->seq = r->seq++;
			*task = t;
			return 1;
		}
		rc = bad_task(r, t, e);
		task_free(t);
		if (rc < 0 || no_answer(r, r->seq++, e) < 0)
			return -1;
	}
}

static int
next(void *cookie, struct task **task, const struct cascade **cascade,
    int *fd, struct err *e)
{
	struct run *r = cookie;

	if (r->reader)
		return next_line(r, task, cascade, fd, e);
	if (!r->only)
		return 0;
	if (runner_prepare(&r->runner, r->only, cascade, e) < 0
	    || name_task(r->only, e) < 0)
		return -1;
	*task = r->only;
	r->only = NULL;
	return 1;
}

/* --- output -------------------------------------------------------------------------- */

/* Always the probability, so that two can be compared; the logarithm as well
 * where the probability has lost digits. */
static void
add_score(struct buf *b, struct score s)
{
	struct buf exact;

	buf_init(&exact, 128);
	score_show(&exact, s);
	buf_add_double(b, s.p);
	if (str_starts(buf_str(&exact), "log"))
		buf_addf(b, " (%.*s)", STR_ARG(buf_str(&exact)));
	buf_release(&exact);
}

static void
say_attempt(const struct ledger_attempt *at)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_addf(&b, "tier %d %.*s: %s", at->tier, STR_ARG(at->model),
	    attempt_verdict_name(at->verdict));
	if (at->scored) {
		buf_adds(&b, ", score ");
		add_score(&b, (struct score){ at->score, at->score_ln });
		buf_adds(&b, at->verdict == ATTEMPT_ACCEPT ? " >= " : " < ");
		add_score(&b, (struct score){ at->threshold,
		    at->threshold_ln });
	}
	if (at->reason.n)
		buf_addf(&b, ": %.*s", STR_ARG(at->reason));
	buf_addf(&b, "; %zu completion%s", at->n_rows,
	    at->n_rows == 1 ? "" : "s");
	if (at->cached)
		buf_addf(&b, " (%d cached)", at->cached);
	if (at->repairs)
		buf_addf(&b, ", %d repair%s", at->repairs,
		    at->repairs == 1 ? "" : "s");
	buf_adds(&b, ", ");
	money_show(&b, at->cost_picousd);
	buf_adds(&b, ", ");
	clock_duration(&b, at->latency_ms);
	say("%s", b.p ? b.p : "");
	buf_release(&b);
}

static void
say_audit(const struct result *res)
{
	struct buf b;

	if (!res->audit)
		return;
	buf_init(&b, 4096);
	buf_addf(&b, "audit by %.*s: %s, ", STR_ARG(res->audit->model),
	    audit_outcome_name(res->audit_outcome));
	money_show(&b, res->audit->cost_picousd);
	buf_adds(&b, ", ");
	clock_duration(&b, res->audit->latency_ms);
	say("%s", b.p ? b.p : "");
	buf_release(&b);
}

static bool
is_answered(const struct result *res)
{
	return res->status == TASK_ACCEPTED || res->status == TASK_EXHAUSTED;
}

/* A cap of the task ended its climb; what was paid for by then is shown. */
static bool
is_best_so_far(const struct result *res)
{
	return res->status == TASK_BUDGET && res->tier > 0;
}

static void
say_failure(const struct run *r, const struct result *res)
{
	struct buf what;

	buf_init(&what, 4096);
	if (r->reader)
		buf_addf(&what, "task %.*s: ", STR_ARG(res->task->id));
	if (res->status == TASK_REFUSED)
		buf_addf(&what, "refused: %.*s", STR_ARG(res->text.n
		    ? utf8_clip(res->text, 500) : res->error_message));
	else
		buf_addf(&what, is_best_so_far(res) ? "only the best answer so "
		    "far: %.*s (%.*s)" : "no answer: %.*s (%.*s)",
		    STR_ARG(res->error_message), STR_ARG(res->error_code));
	say("%s", what.p ? what.p : "out of memory");
	buf_release(&what);
}

/* An answer that no tier accepted is an answer, but not without a word. */
static void
say_exhausted(const struct run *r, const struct result *res)
{
	if (res->status == TASK_EXHAUSTED && !r->reader && !r->json
	    && !r->verbose)
		say("no tier accepted; this is the last tier's answer: %.*s",
		    STR_ARG(res->reason));
}

/* A line for a line: line ends inside an answer become blanks. */
static void
add_one_line(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_addc(b, s.p[i] == '\n' || s.p[i] == '\r' ? ' ' : s.p[i]);
	buf_addc(b, '\n');
}

static void
format(struct run *r, const struct result *res)
{
	struct str s = r->answer_only ? res->answer : res->text;

	buf_clear(&r->text);
	if (r->json) {
		result_json(&r->text, res, r->runner.cfg->simulated);
		buf_addc(&r->text, '\n');
		return;
	}
	if ((!is_answered(res) && !is_best_so_far(res)) || (r->answer_only && !res->has_answer))
		s = (struct str){ 0 };
	if (r->reader) {
		add_one_line(&r->text, s);
		return;
	}
	buf_add(&r->text, s);
	if (s.n && s.p[s.n - 1] != '\n')
		buf_addc(&r->text, '\n');
}

static int
done(void *cookie, const struct result *res, struct err *e)
{
	struct run *r = cookie;

	if (r->runner.estimate) {
		estimate_add(r->runner.estimate, res);
		return 0;
	}
	if (r->verbose && res->route.n)
		say("begins at tier %d: %.*s", res->attempts[0].tier,
		    STR_ARG(res->route));
	if (r->verbose) {
		for (size_t i = 0; i < res->n_attempts; i++)
			say_attempt(&res->attempts[i]);
		say_audit(res);
	}
	say_exhausted(r, res);
	if (res->status == TASK_BUDGET) {
		r->over_budget++;
		say_failure(r, res);
	} else if (!is_answered(res)) {
		r->failed++;
		say_failure(r, res);
	} else if (r->answer_only && !res->has_answer && !r->json) {
		r->failed++;
		say("%s%.*sno answer was found in the text; without -x it is "
		    "shown whole", r->reader ? "task " : "",
		    STR_ARG(r->reader ? res->task->id : (struct str){ 0 }));
	} else {
		r->answered = true;
	}
	format(r, res);
	if (r->text.failed)
		return err_nomem(e);
	return ordered_put(&r->ordered, res->task->seq, buf_str(&r->text), e);
}

/* Somebody at a terminal should know what is being waited for. */
static void
again(void *cookie, const struct tier *t, struct str code, struct str message,
    int64_t delay_ms, int retry)
{
	const struct run *r = cookie;
	struct buf b;

	if (!r->verbose && !is_terminal(STDERR_FILENO))
		return;
	buf_init(&b, 4096);
	buf_addf(&b, "tier '%.*s': %.*s (%.*s); retry %d in ",
	    STR_ARG(t->name), STR_ARG(message), STR_ARG(code), retry);
	clock_duration(&b, delay_ms);
	say("%s", b.p ? b.p : "");
	buf_release(&b);
}

static int
turn(void *cookie, const struct engine_state *s, struct err *e)
{
	struct run *r = cookie;

	if (ordered_turn(&r->ordered, !s->active, e) < 0)
		return -1;
	return output_flush(r->out, e);
}

/* --- the command ----------------------------------------------------------------------- */

static int
prepare(struct run *r, int argc, char **argv, struct err *e)
{
	bool many = r->lines || r->jsonl;
	const struct task_limits *limits;

	if (r->lines && r->jsonl)
		return err_set(e, ERR_USAGE, "give --lines or --jsonl, not "
		    "both");
	if (many && argc)
		return err_set(e, ERR_USAGE, "%s reads prompts from standard "
		    "input; a prompt as an argument does not go with it",
		    r->lines ? "--lines" : "--jsonl");
	if (many && is_terminal(STDIN_FILENO))
		say("reading prompts from the terminal; end with Ctrl-D");
	if (r->jsonl)
		r->json = true;
	if (!many && one_prompt(r, argc, argv, e) < 0)
		return -1;
	if (runner_open(&r->runner, &r->o, e) < 0)
		return -1;
	limits = &r->runner.cfg->limits.task;
	if (!many) {
		r->only->limits = limits;
		if (task_check(r->only, false, e) < 0)
			return -1;
	}
	if (many) {
		if (task_reader_open(&r->reader, "-", r->jsonl ? TASKS_JSONL
		    : TASKS_TXT, e) < 0)
			return -1;
		task_reader_limit(r->reader, limits);
	}
	if (output_open(&r->out, r->out_file, OUTPUT_REPLACE, e) < 0)
		return -1;
	r->ordered.out = r->out;
	return many ? ordered_open(&r->ordered, r->out,
	    r->runner.cfg->limits.held, e) : 0;
}

static int
go(struct run *r, struct err *e)
{
	struct engine_io io = { .cookie = r, .next = next, .done = done,
	    .turn = r->lines || r->jsonl ? turn : NULL,
	    .notice = runner_notice, .again = again };
	struct err ending;
	int rc = runner_run(&r->runner, &io, "run", e);

	if (r->runner.estimate)
		return rc < 0 ? -1 : estimate_print(r->runner.estimate,
		    r->runner.caps.run, e);
	if (ordered_finish(&r->ordered, NULL, NULL, &ending) < 0 && rc == 0) {
		*e = ending;
		rc = -1;
	}
	/* Without an answer a file that is there stays as it is. One that came
	 * after Ctrl-C, or that could not be kept, is paid for and shown. */
	if ((r->reader || r->json || r->answered || (rc == 0 && !r->failed))
	    && output_finish(r->out, &ending) < 0 && rc == 0) {
		*e = ending;
		rc = -1;
	}
	if (rc < 0 && !is_closed_pipe(e) && r->runner.engine
	    && engine_state(r->runner.engine)->undone)
		err_in(e, "%lld task%s left undone",
		    (long long)engine_state(r->runner.engine)->undone,
		    engine_state(r->runner.engine)->undone == 1 ? "" : "s");
	return rc;
}

static int
run_main(const struct command *self, int argc, char **argv)
{
	struct run r = { .o = RUNNER_OPTIONS_INIT };
	const struct opt table[] = {
		{ OPT_FLAG, 0, "lines", &r.lines, NULL,
		    "a prompt a line on standard input, an answer a line in\n"
		    "the same order (line ends in an answer become blanks)",
		    0, 0, NULL },
		{ OPT_FLAG, 0, "jsonl", &r.jsonl, NULL,
		    "task objects on standard input, result objects out",
		    0, 0, NULL },
		{ OPT_FLAG, 0, "stdin-first", &r.stdin_first, NULL,
		    "put standard input before the argument, not after it",
		    0, 0, NULL },
		{ OPT_FLAG, 0, "no-stdin", &r.no_stdin, NULL,
		    "do not read standard input", 0, 0, NULL },
		RUNNER_OPTS(&r.o),
		{ OPT_TEXT, 'o', "output", &r.out_file, "FILE",
		    "write answers to FILE", 0, 0, NULL },
		{ OPT_FLAG, 'x', "extract", &r.answer_only, NULL,
		    "print the extracted answer only", 0, 0, NULL },
		{ OPT_FLAG, 0, "json", &r.json, NULL,
		    "print result objects", 0, 0, NULL },
		{ OPT_FLAG, 'v', "verbose", &r.verbose, NULL,
		    "say on standard error what each tier did", 0, 0, NULL },
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	int first, rc, status = 0;

	buf_init(&r.text, BUF_MAX);
	r.runner.signals = -1;
	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc == 0)
		rc = prepare(&r, argc - first, argv + first, &e);
	else if (rc > 0)
		goto out;
	if (rc == 0)
		rc = go(&r, &e);
	if (rc < 0)
		status = runner_say_err(&e);
	else if (r.failed || r.bad)
		status = 1;
	else if (r.over_budget)
		status = err_status(ERR_BUDGET);
out:
	ordered_close(&r.ordered);
	output_free(r.out);
	task_free(r.only);
	task_reader_close(r.reader);
	runner_close(&r.runner);
	buf_release(&r.text);
	runner_options_release(&r.o);
	return status;
}

extern const struct command cmd_run;
const struct command cmd_run = {
	.name = "run",
	.summary = "answer prompts given as arguments or on standard input",
	.usage = "[OPTION]... [PROMPT]...",
	.about = "Answers one prompt: the arguments, or standard input, or "
	    "both (the argument\nfirst, a blank line, then the input). The "
	    "answer goes to standard output.",
	.examples =
	    "  frugal run -c demo \"What is 12 + 30?\"\n"
	    "  git diff | frugal run \"Write a commit message for this:\"\n"
	    "  frugal run -m openai/gpt-4o-mini -s \"Answer in one word.\" "
	    "\"Capital of Peru?\"\n"
	    "  seq 1 9 | sed 's/$/ * 7 = ?/' | frugal run -c demo --lines -x\n"
	    "  frugal run --jsonl <tasks.jsonl >results.jsonl\n",
	.run = run_main,
};
