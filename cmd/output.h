/*
 * output.h -- where answers go: standard output, or a file in whole lines.
 */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "base/err.h"
#include "base/str.h"

struct output; /* opaque */
struct order;

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
/* An error as output_flush() gives it, if there is a pipe that nobody reads any
 * more: for who has nothing to write for a long time. */
int output_reader(const struct output *o, struct err *e);

/*
 * Add what `order` lets through, until it is `most` bytes or a little more. 1:
 * perhaps there is more; 0: there is none; -1. That the order can hold back no
 * more is said on standard error, once. A whole temporary file may wait for one
 * line, and it should not hold up the loop: so OUTPUT_PUT() after each line that
 * is put, which is more than came in, and OUTPUT_TURN in each turn of the loop.
 */
int output_ordered(struct output *o, struct order *order, size_t most,
    struct err *e);
#define OUTPUT_PUT(n) (2 * (n) + ((size_t)64 << 10))
#define OUTPUT_TURN ((size_t)8 << 20)
/* Flush, sync a file and, with OUTPUT_REPLACE, rename it. */
int output_finish(struct output *o, struct err *e);
void output_free(struct output *o); /* unfinished: a new file is removed */

#endif
