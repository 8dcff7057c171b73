/*
 * harvest.h -- from traces to a matrix: every setting of every tier, tried on
 * every recorded task.
 */
#ifndef CASCADE_HARVEST_H
#define CASCADE_HARVEST_H

#include "cascade/matrix.h"
#include "cascade/metric.h"
#include "cascade/setting.h"

#define HARVEST_PROBE 200 /* tasks that tell what was recorded */
#define HARVEST_REASONS 8

struct harvest_options {
	/* The candidates, in their order, with prices and the answer's
	 * pattern; NULL: the tiers that most traces have. */
	const struct cascade *k;
	const struct ynode *const *accept; /* rules as written, by tier of k;
	                                      NULL: none known */
	const struct opt_names *only; /* NULL: all */
	struct str top;      /* name; empty: k's last, else the dearest */
	struct str dataset, split; /* only tasks of these; empty: all */
	struct metric metric;
	bool label_free;     /* right is what equals the top tier's answer */
};

struct opt_names {
	const char *const *v;
	size_t n;
};

struct harvest_tier {
	struct tier tier;     /* k's own, or a made-up one of the traces */
	size_t place;         /* in k */
	struct settings settings;
	size_t first;         /* its first column: not judged */
};

struct harvest_reason {
	char text[200];
	int64_t tasks;
};

struct harvest {
	struct harvest_options o;
	struct arena *arena;
	struct harvest_tier *tier;
	size_t tiers, top;
	struct matrix *m;     /* column .setting: into its tier's settings */
	struct trace_task *probe[HARVEST_PROBE];
	size_t probes;
	int64_t left_out, unlabelled, skipped;
	struct harvest_reason reasons[HARVEST_REASONS];
};

/* Everything in `o` is borrowed for the harvest's life. */
int harvest_init(struct harvest *h, const struct harvest_options *o,
    struct err *e);
void harvest_release(struct harvest *h);

/* Takes the task. -1: *e; a task that lacks something is left out, with a
 * reason. */
int harvest_add(struct harvest *h, struct trace_task *t, struct err *e);
/* After the last one: h->m is complete. ERR_INPUT if nothing is in it. */
int harvest_end(struct harvest *h, struct err *e);

const struct setting *harvest_setting(const struct harvest *h, size_t column);

#endif
