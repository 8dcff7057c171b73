/*
 * trace_write.h -- a line of a trace, such that what trace.h reads from it
 * gives every scorer the same to see as the completions themselves.
 */
#ifndef CASCADE_TRACE_WRITE_H
#define CASCADE_TRACE_WRITE_H

#include "base/completion.h"
#include "cascade/price.h"
#include "cascade/task.h"

/* What is asked of one task at one tier. All is borrowed. */
struct trace_line {
	const struct task *task;  /* id, prompt or messages, system, reference,
	                             and the cascade that it names */
	struct str tags;          /* a JSON object; empty: none */
	struct str tier, model;   /* names: of the tier, and provider/model */
	struct price_rates rates; /* input, output; MONEY_UNKNOWN: unknown */
	/* Their answers are extracted ones and are written. False: the whole
	 * text is the answer, and whoever reads it sees that himself. */
	bool answers;
	const struct completion *c;
	size_t n;                 /* > 0 */
};

/* One line, with its end. Whether memory was out the buffer remembers. */
void trace_write(struct buf *out, const struct trace_line *l);

#endif
