/*
 * tune.h -- learning a cascade from harvested traces: which scorer of each
 * tier, which chain at which budget, and what can be promised.
 */
#ifndef CASCADE_TUNE_H
#define CASCADE_TUNE_H

#include "cascade/certify.h"
#include "cascade/chance.h"
#include "cascade/harvest.h"
#include "cascade/quality.h"
#include "cascade/search.h"

/* A judged setting of a tier. */
struct tune_scorer {
	size_t column;     /* of the harvest's matrix */
	bool kept;         /* chains are made of it */
	/* Mean held quality over budgets, of the pair with the top tier, by
	 * cross-validation: what settings of a tier are compared by. -1: not
	 * tried, for the tier is as dear as the top one. */
	double merit;
	double half[2];    /* the same over the lower and the upper half */
	bool has_auroc;    /* false: all answers are right, or all wrong */
	double auroc;
	struct interval auroc_in;
	double calibration; /* expected calibration error */
	/* By the lowest threshold whose accepted answers are right as often as
	 * all of the top tier's, on the tasks at hand. */
	struct accepted accepted;
};

struct tune_options {
	size_t longest;
	double budget;      /* a task, picodollars, to be among those tried;
	                       < 0: none */
	bool (*progress)(void *to, size_t done, size_t all);
	void *to;
};

struct tuned {
	const struct harvest *h;
	size_t longest;         /* as in the options */
	struct tune_scorer *scorer;
	size_t scorers;
	struct matrix *m;       /* the kept columns */
	size_t column[MATRIX_MAX_COLUMNS]; /* of the harvest's matrix */
	struct ranks ranks;     /* of m */
	struct lesson *lesson;  /* by rising budget, those found */
	size_t lessons;
};

/*
 * What scorers of a tier are compared by: the mean held quality over budgets,
 * by cross-validation, of the pair of a judged column and the top tier, where
 * `alone` is the same tier's column without scores. -1: the tier is as dear as
 * the top one.
 */
int tune_merit(const struct matrix *m, size_t judged, size_t alone,
    size_t top, double *merit, struct err *e);
/* What a later, less simple scorer must be better by; `learned`: it is, or is a
 * combination of several, and the other is not. */
double tune_margin(size_t tasks, bool learned);

/* `h` is borrowed. At least two tasks. */
int tune_run(struct tuned *t, const struct harvest *h,
    const struct tune_options *o, struct err *e);
void tune_release(struct tuned *t);

/* One model, or better than the coin toss also by its held quality alone. */
bool tune_beats_toss(const struct lesson *l);
/* That of the largest budget up to this; NULL: nothing is so cheap. (The best by
 * merit of all that are cheaper is the luckiest of them.) */
const struct lesson *tune_within(const struct tuned *t, double budget);
/* The cheapest such that gives this share of right answers. */
const struct lesson *tune_reaching(const struct tuned *t, double right);

/*
 * What to take for a budget: the lesson, or a coin toss between one model and
 * another or a cascade. Where nothing lies between two points of the frontier
 * but what a toss beats, a toss makes use of the whole budget. It must be better
 * by tune_margin(), by merit, and the two must stand in one list of tiers: no
 * tier is in both, or the second is the end of the first. (Not between two
 * cascades: the luckiest of so many pairs held less on other tasks.)
 */
struct tune_mix {
	bool toss;                 /* false: `first` is for all */
	struct lesson first, rest;
	double share;              /* of the tasks, that `first` is for */
	double right, cost, merit; /* as of a lesson */
};
/* False: nothing is so cheap. */
bool tune_mix_within(const struct tuned *t, double budget,
    struct tune_mix *out);
/* The two in one list, over t->m, or with `harvest` over its matrix. */
struct policy tune_mix_policy(const struct tuned *t,
    const struct tune_mix *mix, bool harvest);

/* Of a cascade over the harvest's matrix: the thresholds and columns. */
struct policy tune_policy(const struct tuned *t, const struct lesson *l);

/*
 * A promise against the top tier; see certify.h. Chains are made of each tier's
 * first judged setting, which no label has chosen, and end in the top tier;
 * out->policy is over the harvest's matrix.
 *
 * With learned scores (on `learned`, or where no tier has another) half of the
 * labels, by chance, train them and choose the cascade and its scorers; the
 * other half tests it, which neither scores nor choice have seen. The harvest's
 * learned columns and models are those of that half from then on.
 */
struct tune_promise {
	double max_loss, confidence;
	enum netloss_bound bound;
	bool learned;
};
int tune_promise(struct harvest *h, const struct tune_promise *p,
    struct certificate *out, struct err *e);

/*
 * Does it pay to skip a tier where the prompt alone gives it no chance? Tried
 * with the pair of the tier, by its best scorer, and the top tier, for several
 * shares of the tasks; by cross-validation, on prompts scored by weights that
 * have not seen the task. (Which tasks skip among those that thresholds are set
 * on has seen the labels of the fold held out, through other tasks' scores: if
 * anything, that flatters the route.) It pays if it is better by two standard
 * errors, as search.h has them, since the best of several shares of many tiers
 * is looked for.
 */
struct tune_route {
	size_t tier;
	double share;         /* of the tasks, that skip it */
	double below;         /* they have less than this chance */
	double merit, plain;  /* see tune_merit(); without a route */
	bool pays;
};
/* After harvest_route(). `out` has room for all tiers. */
int tune_routes(const struct tuned *t, struct tune_route *out, size_t *n,
    struct err *e);

/*
 * What is chosen if tasks may skip the first tier of a cascade by a route that
 * pays: chains are chosen anew, and thresholds set anew, with each of the routes
 * that do, for the same wish. `plain` is what was chosen without a route.
 */
struct tune_wish {
	double budget; /* a task, picodollars; or, if that is not above 0: */
	double right;  /* the share that is to be right */
};
struct tune_routed {
	bool better;             /* than `plain`; false: nothing else is filled */
	struct tune_route route; /* of the first tier of the policy */
	struct lesson lesson;
	struct policy policy;    /* over the harvest's matrix */
};
int tune_routed(const struct tuned *t, const struct tune_route *route,
    size_t n, const struct tune_wish *wish, const struct lesson *plain,
    struct tune_routed *out, struct err *e);
/* From then on the tasks skip this column in the harvest's matrix: they cost
 * nothing there and are not accepted. */
int tune_skip(struct harvest *h, size_t column, const struct tune_route *r,
    struct err *e);

/* Accept rate and accuracy of what is accepted, by place of the chain. */
struct tune_place {
	int64_t seen, accepted, right;
};
void tune_places(const struct matrix *m, const struct policy *p,
    struct tune_place out[FRONTIER_MAX_CHAIN]);

/* What a column of the harvest accepts by a threshold, were it asked about all
 * tasks: of one in a policy not only about those that reach it. */
struct accepted tune_accepted(const struct harvest *h, size_t column,
    double threshold);

/* The coin toss between two single models that gives most at a mean cost: `b`
 * is asked about `share` of the tasks and `a` about the others. */
struct tune_toss {
	size_t a, b;        /* tiers of the harvest */
	double share, right;
};
struct tune_toss tune_best_toss(const struct harvest *h, double cost);

/* The oracle: of each task the cheapest right answer, else the cheapest. */
struct policy_sum tune_oracle(const struct harvest *h);

#endif
