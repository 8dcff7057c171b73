/*
 * model.h -- a learned model: what it is made of, its file, and its score.
 *
 * The score is the chance, as 1 / (1 + exp(-z)), that an answer is right (or,
 * of a model for `route`, that a tier's answer would be), where
 *
 *   z = scale * (bias + sum of weight * feature + sum over rules
 *                + sum over groups of words of the mean weight * sqrt(words))
 *       + shift
 *
 * scale and shift calibrate it (Platt 1999): they come from scores of tasks
 * that the weights were not trained on. Each group of words has a table of
 * its own, of weights by hash, in whole thousandths: finer steps move no score
 * by as much as that, and would double the file and the time to read it.
 *
 * The file is text, one number a line. It is small (at most MODEL_MAX_FILE),
 * says its version first, and ends in the SHA-256 of all before: a file cut
 * off, patched or mixed up is refused, and so is any number that is not finite
 * and small, any name that this program does not know, any index beyond the
 * table. What a hostile file with a good sum can still do is give bad scores.
 *
 *   frugal-model 1
 *   kind score
 *   tier small
 *   tasks 893
 *   right 0.63
 *   samples 1
 *   rule 0.41 0 regex '####'
 *   bias -0.3
 *   scale 1.02
 *   shift -0.01
 *   feature sure_answer 0.83
 *   words prompt
 *   word 17 -12
 *   sha256 ...
 */
#ifndef SCORERS_MODEL_H
#define SCORERS_MODEL_H

#include "scorers/features.h"

#define MODEL_MAX_FILE ((size_t)1 << 20)
#define MODEL_WORDS 2048      /* places in a table */
#define MODEL_MAX_RULES 16
#define MODEL_MAX_WEIGHT 1e9
#define MODEL_MAX_WORD 1000000 /* thousandths */

enum model_kind {
	MODEL_SCORE, /* of an answer: a tier's `accept` */
	MODEL_ROUTE, /* of a prompt alone: a cascade's `route` */
};

struct model_rule {
	struct str shown; /* as rule_show() shows it */
	/* Of the rule's score, and of its logarithm as feature_sureness(). */
	double weight, sure_weight;
};

struct model {
	enum model_kind kind;
	struct str tier;    /* what it was trained on: a tier's name */
	int64_t tasks;      /* and on how many */
	double right;       /* the share that was right */
	int64_t samples;    /* the most completions of a task */
	double bias, scale, shift;
	double weight[N_FEATURES];
	struct model_rule rule[MODEL_MAX_RULES];
	size_t n_rules;
	float *word[N_WORD_GROUPS]; /* MODEL_WORDS weights, each a whole number
	                               of thousandths; NULL: not looked at */
};

/* Everything in *out lives in the arena. -1: *e, ERR_CONFIG for a file that
 * is not one ("line 3: ..."). */
int model_parse(struct model *out, struct str text, struct arena *a,
    struct err *e);
int model_load(struct model *out, const char *path, struct arena *a,
    struct err *e);
/* One that a configuration names, relative to its folder. */
int model_load_for(struct model *out, struct str file, const struct report *r,
    struct arena *a, struct err *e);
/* The file's text. Reads back as the same model, and is the same for the
 * same model. Its texts are free of control characters. */
void model_print(struct buf *out, const struct model *m);

/* It has a weight for something that needs log-probabilities. */
bool model_needs_logprobs(const struct model *m);

/* 1 / (1 + exp(-z)), with all digits next to 1. */
struct score model_score_of(double z);

/* scores: one a rule. */
struct score model_score(const struct model *m, const struct score_input *in,
    const struct agreement *a, const struct score *scores);

#endif
