/*
 * resume.h -- what the output file of an earlier run already holds.
 */
#ifndef CMD_RESUME_H
#define CMD_RESUME_H

#include "base/err.h"
#include "base/str.h"

struct resume; /* opaque */

struct resume_counts {
	int64_t kept;    /* tasks that need not be done again */
	int64_t dropped; /* failed ones, taken out to be done again */
	int64_t torn;    /* bytes of a torn last line, cut off */
};

/* Read an output file of `frugal batch`; no file is an empty one. A torn last
 * line is cut off, lines of tasks that failed or found no budget are taken out
 * (in a new file that is renamed into place). A line that is no result is an
 * ERR_USAGE: this is somebody else's file, and it is left as it is; likewise one
 * with a line of more than max_line bytes, its end included. */
int resume_open(struct resume **out, const char *path, size_t max_line,
    struct err *e);
void resume_free(struct resume *r);
struct resume_counts resume_counts(const struct resume *r);

/* Is there a result for this id? Each line answers for one task. */
bool resume_take(struct resume *r, struct str id);

/* 1: the lines are in the order in which next() gives the ids (1: *id, 0: the
 * end, -1: *e), and there are no others; 0: perhaps not; -1. In little memory,
 * where resume_sort() takes some 80 bytes a line. */
int resume_in_order(const char *path, size_t max_line, int (*next)(void *cookie,
    struct str *id, struct err *e), void *cookie, struct err *e);
/*
 * Put the lines of the file into the order in which next() gives the ids
 * (1: *id, 0: the end, -1: *e), lines of other ids last; nothing is written if
 * they are in that order already.
 */
int resume_sort(const char *path, size_t max_line, int (*next)(void *cookie,
    struct str *id, struct err *e), void *cookie, struct err *e);

#endif
