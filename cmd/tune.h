/*
 * tune.h -- what the files of `frugal tune` share:
 *
 *	tune.c         options, reading, the choice
 *	tune_exec.c    --metric 'exec CMD'
 *	tune_report.c  tables and JSON
 *	tune_plot.c    the frontier on the terminal and as SVG
 *	tune_write.c   --write
 */
#ifndef CMD_TUNE_H
#define CMD_TUNE_H

#include "cascade/tune.h"
#include "cmd/common.h"

enum tune_learned { LEARNED_AUTO, LEARNED_YES, LEARNED_NO };
enum tune_target { TARGET_NONE, TARGET_COST, TARGET_QUALITY, TARGET_LOSS };

struct tune_cmd {
	struct common common;
	const char *cascade_name, *top, *dataset, *split, *metric;
	const char *learned_word;    /* --learned */
	enum tune_learned learned;
	const char *max_cost, *min_quality, *max_loss, *confidence, *plot;
	const char *bound_word;      /* --bound */
	struct opt_list tiers;
	int64_t longest;
	bool label_free, write, json, quiet;
	bool route;
	bool from_ledger;
	const char *since;           /* of the ledger's tasks */
	struct tune_route routes[CONFIG_MAX_TIERS];
	size_t n_routes;
	struct tune_routed routed;   /* .better: it was chosen */

	/* The configuration; NULL: none was asked for. */
	struct config *cfg;
	const struct cascade *k;
	struct arena *arena;
	struct buf path, text;       /* of the file */
	struct str stem;             /* of the files of models */
	const struct ynode **accept; /* by tier of k */

	const char *const *files;
	size_t n_files;
	int64_t bad;
	struct opt_names only;
	struct harvest h;
	struct tuned t;

	enum tune_target target;
	double wish;                 /* what the target's option says */
	bool wish_is_share;          /* --max-cost 30% */
	double sure;                 /* --confidence */
	enum netloss_bound bound;
	struct certificate cert;     /* TARGET_LOSS */
	const struct lesson *lesson; /* chosen; NULL with TARGET_LOSS */
	struct tune_mix mix;         /* TARGET_COST: it and the other side */
	bool chosen;                 /* policy is what is asked for */
	struct policy policy;        /* over the harvest's matrix */
	/* Of the policy, a task: on tasks not learned from (a lesson) or on
	 * those that the promise was tested on. */
	double right, cost;
};

/* Right answers as "right" or, label-free, "agrees with 'top'". */
const char *tune_right_word(const struct tune_cmd *c);
/* What says that an answer is right, for people. */
void tune_labels(const struct tune_cmd *c, struct buf *out);

/* The bound by its name. */
const char *tune_bound_word(enum netloss_bound bound);
/* A line for people about what was asked for. */
void tune_wish(const struct tune_cmd *c, struct buf *out);

/* The lessons worth showing: each cheaper and worse than the next, and none that
 * a coin toss beats. Gives how
 * many; `out` has room for all. */
size_t tune_staircase(const struct tuned *t, const struct lesson **out);

int tune_report(const struct tune_cmd *c, struct err *e);
int tune_report_json(const struct tune_cmd *c, struct err *e);
int tune_plot_terminal(const struct tune_cmd *c, struct err *e);
int tune_plot_svg(const struct tune_cmd *c, const char *path, struct err *e);
int tune_write(const struct tune_cmd *c, struct err *e);

/* A metric_ask: runs the command (`to`) in a shell with a JSON object on its
 * standard input; status 0 is right, 1 is wrong, anything else an error. */
metric_ask tune_exec;

#endif
