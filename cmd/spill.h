/*
 * spill.h -- lines that wait, in a temporary file without a name.
 *
 * They go in as runs, each in ascending order of the lines' numbers, and come
 * out in the order of their numbers over all runs: the merge of an external
 * sort (Knuth, The Art of Computer Programming, vol. 3, section 5.4). In memory
 * are 64 bytes a run and half a megabyte of what is being read. What has come
 * out is given back to the disk as it goes, where the file system can do that
 * (fallocate(2)), and everywhere when the last line has come out.
 */
#ifndef CMD_SPILL_H
#define CMD_SPILL_H

#include "base/err.h"
#include "base/str.h"

struct spill; /* opaque */

/*
 * The file is made in the folder of the file `beside`, since what waits will
 * go there; with NULL, or if that cannot be, in $TMPDIR, /var/tmp or /tmp (of
 * these two the second is often in memory). Its mode is 0600; it has no name,
 * so that it ends with the process, however that ends.
 */
int spill_open(struct spill **out, const char *beside, struct err *e);
void spill_free(struct spill *s); /* NULL is fine */

/* Add a line to the run that is being written; its number is greater than that
 * of the line before. A failure is remembered. */
void spill_add(struct spill *s, int64_t number, struct str line);
/* End the run, if anything was added. -1 with ERR_IO or ERR_NOMEM: nothing of
 * it is in the file, and what was there before still is. */
int spill_end(struct spill *s, struct err *e);

/* The lowest number in the file; INT64_MAX: it is empty. */
int64_t spill_first(const struct spill *s);
/* Take the line of that number out. It is borrowed until the next call of
 * spill_take(). Not to be called when the file is empty, or while a run is being
 * written. */
int spill_take(struct spill *s, struct str *line, struct err *e);
/* Bytes that wait in the file, with 16 a line for its number and length. */
int64_t spill_bytes(const struct spill *s);

#endif
