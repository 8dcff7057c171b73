/*
 * rewrite.h -- a learned cascade, put into the text of a configuration: every
 * comment, every other line and their order stay as they are.
 */
#ifndef CASCADE_REWRITE_H
#define CASCADE_REWRITE_H

#include "base/err.h"
#include "base/str.h"

/* A tier of the new cascade. */
struct rewrite_tier {
	size_t place;        /* in the list as it is, from 0 */
	int samples;         /* 0: as it is */
	struct str accept;   /* one line of YAML; empty: as it is */
	struct str share;    /* the same */
};

/*
 * Rewrite the `tiers:` of the cascade `name` (empty: the only one): the
 * tiers given, in this order, with their `accept`, `samples` and `share`; the
 * others are commented out at the end of the list. `comment` (lines without #)
 * is put above it, in the place of an earlier one. `route` (one line of YAML)
 * becomes the cascade's route, marked as ours; empty: it has none but what
 * others wrote, and one that was put there in this way goes. ERR_CONFIG: it has
 * another's already, or is in brackets itself, as in JSON, where nothing can be
 * marked.
 * The tiers are a list of lines ("- model: ...") or of maps in brackets
 * ("[{model: ...}, ...]"); there a tier that shares its line with others is
 * named in the comment when it is left out. In JSON, which has no comments, all
 * of that goes into the cascade's `note`. ERR_CONFIG says so if neither is so.
 */
int rewrite_cascade(struct str text, const char *file, struct str name,
    const struct rewrite_tier *tier, size_t n, struct str route,
    struct str comment, struct buf *out, struct err *e);

/* What differs, as lines with - and + and two lines around each change. */
void rewrite_diff(struct str old, struct str new, struct buf *out);

#endif
