/*
 * rewrite_internal.h -- what the ways of rewriting share: tiers as a list of
 * lines (rewrite.c) and in brackets (rewrite_flow.c), and a route
 * (rewrite_route.c).
 */
#ifndef CASCADE_REWRITE_INTERNAL_H
#define CASCADE_REWRITE_INTERNAL_H

#include "base/arena.h"
#include "base/yaml.h"
#include "cascade/rewrite.h"

#define REWRITE_MARK "frugal tune: " /* how our comment begins */
#define REWRITE_LEFT_OUT "left out by frugal tune: " /* and one of a tier */

struct rewrite_job {
	struct str text;
	const char *file;
	struct str name;     /* of the cascade; empty: the only one */
	struct arena *a;
	const struct ynode *cascade, *tiers;
	const struct rewrite_tier *tier;
	size_t n;
	struct str route, comment;
	struct err *e;
};

/* The cascade of a configuration, or NULL. */
const struct ynode *rewrite_find(const struct ynode *root, struct str name);

/* The byte at which a node begins: its column counts characters. text.n if the
 * text is shorter. */
size_t rewrite_place(struct str text, const struct ynode *n);

/* One past a quoted scalar, a list or map in brackets, or a plain scalar that
 * begins at `at`; in_brackets: a comma ends the plain one. */
size_t rewrite_value_end(struct str s, size_t at, bool in_brackets);

/* The key's node, or NULL. */
const struct ynode *rewrite_key(const struct ynode *map, const char *key,
    const struct ynode **value);

/* Blank, or a comment alone; and one of ours. */
bool rewrite_is_remark(struct str line);
bool rewrite_is_ours(struct str line);

/* Appends the new text of a configuration whose tiers are in brackets. */
int rewrite_flow(const struct rewrite_job *job, struct buf *out);

/* ERR_CONFIG: the job's route cannot be written into its text. */
int rewrite_route_check(const struct rewrite_job *job);
/* Appends `text`, which is the job's with other tiers, with the job's route in
 * it and without an earlier one of ours. */
int rewrite_route(const struct rewrite_job *job, struct str text,
    struct buf *out);

#endif
