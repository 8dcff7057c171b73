/*
 * harvest.h -- from traces to a matrix: every setting of every tier, tried on
 * every recorded task.
 */
#ifndef CASCADE_HARVEST_H
#define CASCADE_HARVEST_H

#include "cascade/learn.h"
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
	/* A learned score is to be tried of every tier; harvest_learn() it. Its
	 * file would be "STEM-TIER.model". With more tasks than `learned_most`
	 * it is given up: each takes some kilobytes. */
	bool learned;
	struct str stem;
	size_t learned_most;
	bool route;          /* prompts alone are learned from as well */
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
	bool logprobs;        /* as recorded */
};

/* Of each row of a harvest's `learn`. */
struct harvest_row {
	uint32_t task;
	uint32_t column;
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
	struct learn *learn;  /* what learned scores are trained on; NULL: none
	                         is to be, or there are too many tasks */
	struct harvest_row *row;
	size_t rows, room;
	struct learn *route;  /* a row for each task and each tier; NULL: as
	                         `learn` */
	size_t pupil[MATRIX_MAX_COLUMNS]; /* learn's tier of a column */
	/* Of a column: can it be used? A learned one only after its training;
	 * until then its scores mean nothing. */
	bool ready[MATRIX_MAX_COLUMNS];
	struct trace_task *probe[HARVEST_PROBE];
	size_t probes;
	int64_t left_out, unlabelled, skipped;
	bool unverified;      /* `verify` was there and is not tried, since the
	                         configuration's tier is not `recorded` */
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

/*
 * Train the learned scores and fill their columns, each task by weights that
 * have not seen it, and without each fold of search_lessons() besides. Columns
 * of tiers with too few tasks stay as they were, not ready. 0: some are ready;
 * 1: none is, *why says why (no LIBLINEAR, too few tasks); -1: *e.
 * `progress` may be NULL.
 */
int harvest_learn(struct harvest *h,
    void (*progress)(void *to, size_t done, size_t all), void *to,
    struct err *why, struct err *e);

/* Train on some of the tasks (part[task]) alone. The others get the scores of
 * the model that comes out, which harvest_model() gives. As above. */
int harvest_learn_part(struct harvest *h, const bool *part, struct err *why,
    struct err *e);

/* Train what a prompt alone tells of each tier, dealt as by harvest_learn(): row
 * task * tiers + tier of h->route. As above. */
int harvest_route(struct harvest *h,
    void (*progress)(void *to, size_t done, size_t all), void *to,
    struct err *why, struct err *e);

/* The model of a learned column that is ready, of the last training. */
int harvest_model(const struct harvest *h, size_t column, struct arena *a,
    struct model *out, struct err *e);

/* The model of prompts of a tier, after harvest_route(), and the name of its
 * file, "STEM-TIER-route.model". */
int harvest_route_model(const struct harvest *h, size_t tier, struct arena *a,
    struct model *out, struct err *e);
const char *harvest_route_file(const struct harvest *h, size_t tier,
    struct arena *a); /* NULL: out of memory */

const struct setting *harvest_setting(const struct harvest *h, size_t column);

#endif
