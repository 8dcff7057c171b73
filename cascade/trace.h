/*
 * trace.h -- recorded completions of all tiers for labelled tasks: the files
 * that `tune` and `replay` read (design: Trace format).
 *
 * JSON Lines, gzip or not, one line for each (task, tier); all lines of a task
 * stand together. One task at a time is in memory.
 */
#ifndef CASCADE_TRACE_H
#define CASCADE_TRACE_H

#include "base/completion.h"
#include "base/input.h"
#include "cascade/price.h"
#include "cascade/task.h"

#define TRACE_MAX_TIERS 256        /* of one task */
#define TRACE_MAX_COMPLETIONS 4096 /* of one line */
#define TRACE_MAX_TASK ((size_t)256 << 20) /* bytes of a task's lines in
                                              memory; default */

/* What is known of a completion beside what it is itself. */
struct trace_note {
	bool has_recorded_answer; /* `answer` is there, if only as null: the
	                             completion's answer is to be believed, and
	                             not to be looked for in its text */
	enum tristate correct;    /* UNSET: not recorded */
};

struct trace_tier {
	struct str name;
	struct str model; /* the name where there is none */
	struct price_rates rates; /* MONEY_UNKNOWN where there are none */
	/*
	 * Of each completion finish (FINISH_STOP where none is recorded), text, answer and has_answer (where one is
	 * recorded) and tokens; model; cost_picousd (MONEY_UNKNOWN), prompt_tokens,
	 * completion_tokens and latency_ms (-1) and verified (NULL) where
	 * recorded. Tokens that do
	 * not make up the text are taken for those of the answer:
	 * tokens_of_answer is set and they have no place in the text, unless
	 * `from` and `to` say where they lie.
	 */
	struct completion *c;
	struct trace_note *notes; /* one a completion */
	size_t n;                 /* > 0 */
};

/* All lines of one id that follow each other. What is said of the task itself
 * is taken from the first of them. */
struct trace_task {
	struct task *task;   /* owns everything here, and the struct itself; id,
	                        prompt or messages, system, reference (a string,
	                        number or boolean), line of the first line. The
	                        prompt is empty if there is none. */
	struct str dataset, split; /* may be empty */
	struct trace_tier *tiers; /* in the order of the lines */
	size_t n_tiers;      /* 0: a task with labels alone */
};

struct trace; /* opaque */

int trace_open(struct trace **out, const char *path, struct err *e);
void trace_close(struct trace *t); /* NULL is fine */
/* Before the first task: other limits than the defaults, borrowed; and the
 * bytes in memory of one task. */
void trace_limit(struct trace *t, const struct task_limits *limits,
    size_t max_task);

/*
 * The next task; it is the caller's.
 *   1  *out
 *   0  the end
 *  -1  *e: ERR_INPUT for a bad line ("file:line:column: ..."), which is left
 *      out (the task loses that tier, or is not there at all): the next call
 *      goes on; with another code it is final
 */
int trace_next(struct trace *t, struct trace_task **out, struct err *e);
void trace_task_free(struct trace_task *t); /* NULL is fine */

struct input *trace_input(struct trace *t); /* for progress */

#endif
