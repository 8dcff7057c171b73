/*
 * gathered.h -- what the traces of an earlier `collect` already hold, and which
 * ids this one has met.
 */
#ifndef CMD_GATHERED_H
#define CMD_GATHERED_H

#include "cascade/config.h"

struct gathered; /* opaque */

struct gathered_counts {
	int64_t kept;    /* tasks that need not be done again */
	int64_t dropped; /* those that lacked something, taken out */
	int64_t torn;    /* bytes of a torn last line, cut off */
};

/*
 * Read a file of traces; NULL or no file is an empty one. A task is done if its
 * cascade finds all its tiers in it, with all the samples that it may ask for;
 * the lines of others are taken out (in a new file that is renamed into place),
 * and so is a torn last line. A line that is not one of `collect` is an
 * ERR_USAGE: this is somebody else's file, and it is left as it is; likewise one
 * with a line of more than max_line bytes, its end included.
 */
struct gathered_ask {
	const struct config *cfg; /* has the cascades that tasks name */
	const struct cascade *k;  /* of those that name none; may be NULL */
	bool all;                 /* k is that of the others, too */
};
int gathered_open(struct gathered **out, const char *path, size_t max_line,
    const struct gathered_ask *ask, struct err *e);
void gathered_free(struct gathered *g); /* NULL is fine */
struct gathered_counts gathered_counts(const struct gathered *g);

enum gathered_id {
	GATHERED_NEW,   /* remembered from now on */
	GATHERED_DONE,  /* in the file */
	GATHERED_AGAIN, /* met before: a trace has each id once */
	GATHERED_NOMEM,
};
enum gathered_id gathered_take(struct gathered *g, struct str id);

#endif
