/*
 * linefile.h -- output files of earlier runs: read a line at a time within
 * bounds, cut where a line is torn, written anew and renamed into place.
 */
#ifndef CMD_LINEFILE_H
#define CMD_LINEFILE_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

struct linefile {
	const char *path;
	int fd;
	size_t max; /* bytes of a line, with its end */
	char *p;    /* what has been read; NULL before that */
	size_t cap, from, to;
	bool end;
};

/* False: see errno. */
bool linefile_open(struct linefile *r, const char *path, size_t max);
void linefile_close(struct linefile *r);
/* 1: a line, with its end if it has one, borrowed until the next call; 0: the
 * end; -1: *e, which is ERR_USAGE for a line that is too long. */
int linefile_next(struct linefile *r, struct str *line, struct err *e);

/* The beginning of a line of results or traces, as a crash would leave it. */
bool linefile_is_torn(struct str line);

struct linefile_new {
	char *path; /* of the file itself, not of a link to it */
	char *temporary;
	FILE *from, *to;
};

/* The old file in `from`, a new one beside it in `to`. Whatever it gives,
 * linefile_replace() is called afterwards. */
int linefile_rewrite(struct linefile_new *w, const char *path, struct err *e);
/* `to` into place if rc is 0 and all went well; else it goes away. 0 or -1. */
int linefile_replace(struct linefile_new *w, int rc, struct err *e);
/* n bytes from `at` on, into the new file. -1: see errno. */
int linefile_copy(const struct linefile_new *w, int64_t at, int64_t n);

/* Nobody else may be writing it: -1 with *e. *fd, to be closed, or -1 if there
 * is no such file yet. */
int linefile_lock(const char *path, int *fd, struct err *e);
/* What follows `end` goes; *torn is how many bytes that was. */
int linefile_cut(const char *path, int64_t end, int64_t *torn, struct err *e);

#endif
