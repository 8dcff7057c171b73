/*
 * learn_internal.h -- shared by the files that learn:
 *
 *	learn.c        rows in, models out
 *	learn_fit.c    training, cross-fitting, the choice of a setting
 *	learn_stats.c  calibration, log-loss, areas: functions of numbers alone
 */
#ifndef CASCADE_LEARN_INTERNAL_H
#define CASCADE_LEARN_INTERNAL_H

#include "cascade/learn.h"

#define WORDS ((size_t)N_WORD_GROUPS * MODEL_WORDS) /* all tables */
/* Of each rule there come two after the features. */
#define N_DENSE (N_FEATURES + 2 * MODEL_MAX_RULES)

/* How often a place of the tables of words is met in a row. */
struct word_count {
	uint32_t at; /* group * MODEL_WORDS + place */
	uint32_t n;
};

struct row {
	size_t tier;
	unsigned fold;
	bool right;
	float x[N_DENSE];
	struct word_count *words;         /* by place */
	size_t n_words;
	uint32_t in_group[N_WORD_GROUPS]; /* words altogether */
	double z;                         /* cross-fitted and calibrated */
};

/* z is calibrated to scale * z + shift. */
struct platt {
	double scale, shift;
};

/* Weights of the features as they are measured, and of the words. */
struct weights {
	double bias;
	double x[N_DENSE];
	float word[WORDS];
};

/* What has been learnt for a tier. */
struct fitted {
	bool enough;   /* else nothing else is filled */
	double *share; /* of each setting in the model: they sum up to 1 */
	struct weights w;
	struct platt platt;
};

/* Of a feature at a tier: it is trained on as (value - mean) * over. */
struct spread {
	double mean, over; /* over 0: it is always the same, and left out */
};

struct learn {
	struct learn_options o;
	struct row *row;
	size_t n, cap;
	struct spread (*spread)[N_DENSE]; /* of each tier */
	unsigned folds;        /* as dealt */
	bool nested;
	double *raw;           /* [setting * n + row]: by weights that have not
	                          seen the row's task */
	double *raw_without[LEARN_FOLDS]; /* the same, of weights that have not
	                          seen the fold either; NULL: not nested */
	double *z_without[LEARN_FOLDS];   /* of each row, from those */
	struct fitted *fitted; /* of each tier */
	size_t done, all;      /* trainings */
};

/* Fills z of every row, and fitted. */
int learn_train(struct learn *l, struct err *e);

/* Numbers that go together: a score before calibration, and the truth. */
struct outcome_pair {
	double z;
	bool right;
};

/* Least log-loss with the smoothed targets of Platt; scale >= 0. */
struct platt learn_platt(const struct outcome_pair *v, size_t n);
double learn_calibrated(struct platt p, double z);
/* Mean of -ln of the chance that p gives to what came true. */
double learn_log_loss(struct platt p, const struct outcome_pair *v, size_t n);
/* See learn_quality; both sort v. */
double learn_auroc(struct outcome_pair *v, size_t n);
double learn_miscalibration(struct outcome_pair *v, size_t n);

#endif
