/*
 * output.h -- where answers go: standard output, or a file in whole lines.
 */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "base/err.h"
#include "base/str.h"

struct output; /* opaque */

enum output_mode {
	OUTPUT_REPLACE, /* beside the file, renamed into place at the end */
	OUTPUT_APPEND,  /* to what is there, as it comes; locked, so that two
	                   processes do not write over each other */
};

/* path NULL or "-": standard output, control characters made visible if it is
 * a terminal. */
int output_open(struct output **out, const char *path, enum output_mode mode,
    struct err *e);
/* What is added is written by output_flush(); if the disk is full, in whole
 * lines as far as it goes: a file never ends in a torn line. */
int output_add(struct output *o, struct str s, struct err *e);
int output_flush(struct output *o, struct err *e);
/* The regular file that is written, or NULL; borrowed. */
const char *output_path(const struct output *o);
/* An error as output_flush() gives it, if this is a pipe or a socket that nobody
 * reads any more: for who has nothing to write yet. */
int output_reader(const struct output *o, struct err *e);
/* Flush, sync a file and, with OUTPUT_REPLACE, rename it. */
int output_finish(struct output *o, struct err *e);
void output_free(struct output *o); /* unfinished: a new file is removed */

#endif
