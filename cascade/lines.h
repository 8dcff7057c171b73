/*
 * lines.h -- what the readers of task files and of traces share: lines that
 * are not blank, and errors that say where.
 */
#ifndef CASCADE_LINES_H
#define CASCADE_LINES_H

#include "base/err.h"
#include "base/input.h"
#include "base/str.h"

/* As input_line(), past lines of white space alone, and with
 * "file:line:column: " before an ERR_INPUT. */
int lines_next(struct input *in, struct str *line, struct err *e);

/*
 * Put "file:line:column: " before an error about what was last read from
 * `in`. A "column N: " at its beginning is taken for the column and goes away;
 * without one it is input_column(), or 1. Returns -1.
 */
int lines_place(const struct input *in, struct err *e);

/* A name out of a file for a message: one line, not too long. */
struct shown {
	char p[128];
};
struct shown lines_shown(struct str name);

#endif
