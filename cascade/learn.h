/*
 * learn.h -- trains the models of the scorer `learned` and of `route`, and
 * scores what it was trained on as if it had not been (cross-fitting), so
 * that thresholds chosen on those scores hold for tasks yet to come.
 *
 *	learn_new()     so many tiers
 *	learn_add()     a row: a task at a tier, and whether it was right
 *	learn_deal()    other folds than those below; tasks to be kept apart
 *	learn_fit()     trains
 *	learn_score()   of a row, by weights that have not seen its task
 *	learn_quality() how good those scores are
 *	learn_model()   the model of a tier, trained on all rows
 *
 * Tasks are dealt to LEARN_FOLDS folds by a hash of their ids: the same task
 * is in the same fold at every tier, in every run, in whatever order it
 * comes. Each setting of learn_settings (which words are looked at, how much
 * is shared between tiers, how strong the penalty is) is trained once for
 * each fold, on all others. A tier's model is a mean of the settings, each
 * with a share of exp(-its log-loss over all tasks): what does not pay gets
 * none, and nearly equal settings are not chosen among by chance ("stacking
 * weights" of the kind called pseudo-BMA; Yao, Vehtari, Simpson, Gelman,
 * arXiv 1704.02030). Shares and calibration (Platt 1999, as by Lin, Lin, Weng,
 * "A note on Platt's probabilistic outputs", 2007) are the same for all folds,
 * and come from the scores of all, each made by weights that had not seen it:
 * a handful of numbers, on which one task has next to no influence. Were they
 * fitted for each fold on the others, a fold with more right answers than the
 * others would get lower scores for it, and the order between folds suffer: on
 * real data by .003 to .014 of the area under the ROC curve.
 */
#ifndef CASCADE_LEARN_H
#define CASCADE_LEARN_H

#include "scorers/model.h"

#define LEARN_FOLDS 10
#define LEARN_MAX_TIERS 64
#define LEARN_MAX_ROWS 2000000
/* Fewer tasks of a tier than these, or fewer that are right or that are
 * wrong, and nothing is learnt of it: see learn_enough(). */
#define LEARN_MIN_TASKS 50
#define LEARN_MIN_OF_A_KIND 10

/* One way to train. */
struct learn_setting {
	const char *name;
	bool scores_only;  /* of the features the scores of other scorers alone */
	unsigned groups;   /* of words; 0: none */
	bool shared;       /* one training for all tiers, with weights that they
	                      share and weights of their own */
	double word_scale; /* a word's value against that of a measured feature
	                      (which has variance 1): less is a stronger
	                      penalty */
	double cost;       /* LIBLINEAR's C: more is a weaker penalty */
};
extern const struct learn_setting learn_settings[];
extern const size_t learn_n_settings;

struct learn; /* opaque */

struct learn_options {
	enum model_kind kind; /* MODEL_ROUTE looks at prompts alone */
	size_t n_tiers;       /* 1 .. LEARN_MAX_TIERS */
	size_t n_rules;       /* of each row, at most MODEL_MAX_RULES */
	/* NULL: learn_settings. Borrowed. */
	const struct learn_setting *settings;
	size_t n_settings;
	/* Told after each of the trainings of learn_fit(); may be NULL. */
	void (*progress)(void *cookie, size_t done, size_t all);
	void *cookie;
};

int learn_new(struct learn **out, const struct learn_options *o,
    struct err *e);
void learn_free(struct learn *l); /* NULL is fine */

struct learn_row {
	struct str task;  /* its id */
	size_t tier;      /* from 0 */
	const struct score_input *in; /* in->chosen is not looked at */
	const struct score *scores; /* of each rule; NULL without rules */
	bool right;       /* the answer of the largest group */
};
/* Measures; nothing is borrowed after it. Rows are counted from 0. Not after
 * learn_fit(). */
int learn_add(struct learn *l, const struct learn_row *row, struct err *e);
size_t learn_rows(const struct learn *l);
size_t learn_tiers(const struct learn *l);
/* Whom to tell from now on, in place of what learn_new() was given. */
void learn_progress(struct learn *l,
    void (*progress)(void *cookie, size_t done, size_t all), void *cookie);

/*
 * Deal the rows in another way than by their ids: fold[] of each row, below
 * `folds` (2 .. LEARN_FOLDS), or LEARN_APART: nothing is learnt from such a
 * row, and learn_score() gives it what the model of learn_model() does. All
 * rows of a task are to have the same fold.
 *
 * With `nested` there is learn_score_without() as well: all scores as they
 * would be had the labels of one fold never been seen, for choosing thresholds
 * on the others. Its rows are scored by weights from all other folds, and those
 * of any other fold by weights from the rest, without both; shares and
 * calibration are of the rest alone too. (What is common to all is the scale
 * of the features, which takes no labels.) It takes a training for each pair of
 * folds more.
 *
 * Before learn_fit(), which may be called again after it.
 */
#define LEARN_APART 255
struct learn_deal {
	const uint8_t *fold; /* copied */
	unsigned folds;
	bool nested;
};
void learn_deal(struct learn *l, const struct learn_deal *d);

/* -1: *e; ERR_INPUT if no tier has enough to learn from. */
int learn_fit(struct learn *l, struct err *e);

/* After learn_fit(): is there a model of the tier? If not, learn_score() is
 * the same for all its rows and learn_model() makes an ERR_INPUT. */
bool learn_enough(const struct learn *l, size_t tier);
struct score learn_score(const struct learn *l, size_t row);
struct score learn_score_without(const struct learn *l, size_t row,
    unsigned fold);

struct learn_quality {
	size_t tasks;
	double right;       /* share */
	/* From here on only where learn_enough(). */
	double auroc;       /* of learn_score() */
	double log_loss;    /* of the same, in nats */
	double base_loss;   /* of saying `right` every time */
	double calibration; /* mean distance of the score from the share that is
	                       right, over ten bins of equal size */
	/* Of learn_model(): what each setting has in it. Borrowed. */
	const double *share;
};
int learn_quality(const struct learn *l, size_t tier,
    struct learn_quality *out, struct err *e); /* -1: no memory */

/* The model of a tier; rule[].shown and tier are left empty. The table of
 * words is in arena memory. -1: no memory. */
int learn_model(const struct learn *l, size_t tier, struct arena *a,
    struct model *out, struct err *e);

/*
 * Two scores of the same n answers, beside each other: the area under the ROC
 * curve of each (the chance that a right answer scores above a wrong one, ties
 * counted half; 0.5 where one of the kinds is missing), and how much more the
 * first has, all with 95 % intervals (DeLong, DeLong, Clarke-Pearson,
 * Biometrics 44, 1988). b may be NULL. -1: no memory.
 */
struct learn_area {
	double is, low, high;
};
struct learn_areas {
	struct learn_area a, b, more;
};
int learn_compare(const struct score *a, const struct score *b,
    const bool *right, size_t n, struct learn_areas *out, struct err *e);

#endif
