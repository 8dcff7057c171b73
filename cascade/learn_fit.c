/*
 * learn_fit.c -- training, cross-fitting, the choice of a setting.
 *
 * The columns that LIBLINEAR sees are, for one tier alone,
 *
 *	features | words
 *
 * and for all together (after Evgeniou, Pontil, "Regularized multi-task
 * learning", KDD 2004), where a tier's weights are what is shared plus what is
 * its own, and the penalty keeps its own small:
 *
 *	features shared | features of tier 1 | ... of the last tier | words
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cascade/learn_internal.h"
#include "cascade/logit.h"

#define ALL_TIERS SIZE_MAX

/* Less than this is noise of rounding; a smaller deviation than LEAST would
 * make a rare value count for too much. */
#define NO_DEVIATION 1e-6
#define LEAST_DEVIATION 0.02

#define LEAST_SHARE 0.01 /* of the best setting's; less is none */

/* --- what the features are like -------------------------------------------- */

static void
measure_spread(struct learn *l, size_t tier, size_t k)
{
	double sum = 0, squares = 0, n = 0, mean, sd;

	for (size_t i = 0; i < l->n; i++) {
		if (l->row[i].tier != tier)
			continue;
		n++;
		sum += (double)l->row[i].x[k];
	}
	l->spread[tier][k] = (struct spread){ 0, 0 };
	if (!(n > 0))
		return;
	mean = sum / n;
	for (size_t i = 0; i < l->n; i++) {
		double d = (double)l->row[i].x[k] - mean;
		if (l->row[i].tier == tier)
			squares += d * d;
	}
	sd = sqrt(squares / n);
	l->spread[tier][k] = (struct spread){ mean, sd < NO_DEVIATION ? 0 :
	    1 / fmax(sd, LEAST_DEVIATION) };
}

/* --- one training ------------------------------------------------------------- */

struct job {
	struct learn *l;
	const struct learn_setting *s;
	size_t tier;        /* or ALL_TIERS */
	size_t words;       /* column of the first word */
	size_t columns;
	struct logit *logit;
	size_t *of;         /* the rows of l that are in it */
	size_t n;
	size_t *chosen;     /* scratch: places in `of` to train on */
	double *w;          /* weights of the last training */
	struct logit_cell *cell; /* scratch */
};

/* Features that are themselves scores of how sure an answer is: of each scorer
 * one, so that the weights cannot turn its order round. */
static bool
is_score(size_t k)
{
	if (k >= N_FEATURES)
		return (k - N_FEATURES) % 2 == 1; /* the logarithm */
	return k == F_agreement || k == F_sure_answer;
}

static size_t
add_dense(const struct job *j, const struct row *r, size_t column,
    struct logit_cell *cell)
{
	size_t n = 0;

	for (size_t k = 0; k < N_DENSE; k++) {
		const struct spread *s = &j->l->spread[r->tier][k];
		double v = ((double)r->x[k] - s->mean) * s->over;
		if (v != 0 && (is_score(k) || !j->s->scores_only))
			cell[n++] = (struct logit_cell){
			    (uint32_t)(column + k), (float)v };
	}
	return n;
}

static size_t
add_words(const struct job *j, const struct row *r, struct logit_cell *cell)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_words; i++) {
		const struct word_count *w = &r->words[i];
		size_t group = w->at / MODEL_WORDS;
		if (j->s->groups & 1u << group)
			cell[n++] = (struct logit_cell){
			    (uint32_t)(j->words + w->at),
			    (float)(j->s->word_scale * w->n /
			    sqrt((double)r->in_group[group])) };
	}
	return n;
}

static int
job_add(struct job *j, size_t i, struct err *e)
{
	const struct row *r = &j->l->row[i];
	size_t n = add_dense(j, r, 0, j->cell);

	if (j->tier == ALL_TIERS)
		n += add_dense(j, r, N_DENSE * (1 + r->tier), j->cell + n);
	n += add_words(j, r, j->cell + n);
	j->of[j->n++] = i;
	return logit_add(j->logit, j->cell, n, r->right, e);
}

static void
job_release(struct job *j)
{
	logit_free(j->logit);
	free(j->of);
	free(j->chosen);
	free(j->w);
	free(j->cell);
}

/* job_release() it in any case. */
static int
job_init(struct job *j, struct learn *l, size_t setting, size_t tier,
    struct err *e)
{
	*j = (struct job){ .l = l, .s = &l->o.settings[setting],
	    .tier = tier };
	j->words = N_DENSE * (tier == ALL_TIERS ? 1 + l->o.n_tiers : 1);
	j->columns = j->words + (j->s->groups ? WORDS : 0);
	j->of = calloc(l->n, sizeof(*j->of));
	j->chosen = calloc(l->n, sizeof(*j->chosen));
	j->w = calloc(j->columns + 1, sizeof(*j->w));
	j->cell = calloc(2 * N_DENSE + WORDS, sizeof(*j->cell));
	if (!j->of || !j->chosen || !j->w || !j->cell)
		return err_nomem(e);
	if (logit_new(&j->logit, j->columns, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if ((tier == ALL_TIERS || l->row[i].tier == tier) &&
		    job_add(j, i, e) < 0)
			return -1;
	return 0;
}

/* Train on all folds but `without` (LEARN_FOLDS: on all). */
static int
job_fit(struct job *j, unsigned without, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++)
		if (j->l->row[j->of[i]].fold != without)
			j->chosen[n++] = i;
	return logit_fit(j->logit, j->chosen, n, j->s->cost, j->w, e);
}

/* What the last training gives tier t, for features as they are measured. */
static void
job_weights(const struct job *j, size_t t, struct weights *f)
{
	f->bias = j->w[j->columns];
	for (size_t k = 0; k < N_DENSE; k++) {
		const struct spread *s = &j->l->spread[t][k];
		double w = j->w[k];
		if (j->tier == ALL_TIERS)
			w += j->w[N_DENSE * (1 + t) + k];
		f->x[k] = w * s->over;
		f->bias -= f->x[k] * s->mean;
	}
	for (size_t i = 0; i < WORDS; i++)
		f->word[i] = j->s->groups & 1u << i / MODEL_WORDS ? (float)
		    (j->s->word_scale * j->w[j->words + i]) : 0;
}

/* As model_score() does it, before calibration. */
static double
raw_score(const struct weights *f, const struct row *r)
{
	double z = f->bias;

	for (size_t k = 0; k < N_DENSE; k++)
		z += f->x[k] * (double)r->x[k];
	for (size_t i = 0; i < r->n_words; i++) {
		const struct word_count *w = &r->words[i];
		z += (double)f->word[w->at] * w->n /
		    sqrt((double)r->in_group[w->at / MODEL_WORDS]);
	}
	return z;
}

/* --- cross-fitting --------------------------------------------------------------- */

/* Score the rows of a fold by weights from the others. */
static int
score_fold(struct job *j, unsigned fold, double *raw, struct err *e)
{
	struct learn *l = j->l;
	struct weights *f = calloc(1, sizeof(*f));
	int rc = f ? job_fit(j, fold, e) : err_nomem(e);

	for (size_t t = 0; rc == 0 && t < l->o.n_tiers; t++) {
		if (j->tier != ALL_TIERS && j->tier != t)
			continue;
		job_weights(j, t, f);
		for (size_t i = 0; i < j->n; i++) {
			const struct row *r = &l->row[j->of[i]];
			if (r->fold == fold && r->tier == t)
				raw[j->of[i]] = raw_score(f, r);
		}
	}
	free(f);
	return rc;
}

static int
cross_fit(struct learn *l, size_t setting, size_t tier, struct err *e)
{
	double *raw = &l->raw[setting * l->n];
	struct job j;
	int rc = job_init(&j, l, setting, tier, e);

	for (unsigned k = 0; rc == 0 && k < LEARN_FOLDS; k++) {
		rc = score_fold(&j, k, raw, e);
		if (l->o.progress)
			l->o.progress(l->o.cookie, ++l->done, l->all);
	}
	job_release(&j);
	return rc;
}

static bool
is_shared(const struct learn *l, size_t setting)
{
	return l->o.settings[setting].shared && l->o.n_tiers > 1;
}

static size_t
count_trainings(const struct learn *l)
{
	size_t tiers = 0, all = 0;

	for (size_t t = 0; t < l->o.n_tiers; t++)
		tiers += l->fitted[t].enough;
	for (size_t s = 0; s < l->o.n_settings; s++)
		all += LEARN_FOLDS * (is_shared(l, s) ? 1 : tiers);
	return all;
}

static int
cross_fit_all(struct learn *l, struct err *e)
{
	l->done = 0;
	l->all = count_trainings(l);
	for (size_t s = 0; s < l->o.n_settings; s++) {
		if (is_shared(l, s)) {
			if (cross_fit(l, s, ALL_TIERS, e) < 0)
				return -1;
			continue;
		}
		for (size_t t = 0; t < l->o.n_tiers; t++)
			if (l->fitted[t].enough && cross_fit(l, s, t, e) < 0)
				return -1;
	}
	return 0;
}

/* --- shares and calibration -------------------------------------------------------- */

/* Scores of a tier by a setting. */
static size_t
gather(const struct learn *l, size_t setting, size_t tier,
    struct outcome_pair *v)
{
	const double *raw = &l->raw[setting * l->n];
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->row[i].tier == tier)
			v[n++] = (struct outcome_pair){ raw[i],
			    l->row[i].right };
	return n;
}

/* A setting in the mean: share of it, calibrated by itself. */
struct part {
	double share, loss;
	struct platt platt;
};

static void
share_out(const struct learn *l, size_t tier, struct outcome_pair *v,
    struct part *part)
{
	double least = INFINITY, sum = 0;

	for (size_t s = 0; s < l->o.n_settings; s++) {
		size_t n = gather(l, s, tier, v);
		part[s].platt = learn_platt(v, n);
		part[s].loss = learn_log_loss(part[s].platt, v, n) *
		    (double)n;
		least = fmin(least, part[s].loss);
	}
	for (size_t s = 0; s < l->o.n_settings; s++) {
		part[s].share = exp(least - part[s].loss);
		if (part[s].share < LEAST_SHARE)
			part[s].share = 0;
		sum += part[s].share;
	}
	for (size_t s = 0; s < l->o.n_settings; s++)
		part[s].share /= sum;
}

static double
mean_score(const struct learn *l, const struct part *part, size_t row)
{
	double z = 0;

	for (size_t s = 0; s < l->o.n_settings; s++)
		z += part[s].share * learn_calibrated(part[s].platt,
		    l->raw[s * l->n + row]);
	return z;
}

static struct platt
calibrate_mean(const struct learn *l, size_t tier, const struct part *part,
    struct outcome_pair *v)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->row[i].tier == tier)
			v[n++] = (struct outcome_pair){
			    mean_score(l, part, i), l->row[i].right };
	return learn_platt(v, n);
}

/* The cross-fitted scores of a tier's rows, and what its model is made of. */
static void
conclude_tier(struct learn *l, size_t tier, struct part *part,
    struct outcome_pair *v)
{
	struct fitted *f = &l->fitted[tier];

	share_out(l, tier, v, part);
	f->platt = calibrate_mean(l, tier, part, v);
	for (size_t s = 0; s < l->o.n_settings; s++)
		f->share[s] = part[s].share;
	for (size_t i = 0; i < l->n; i++)
		if (l->row[i].tier == tier)
			l->row[i].z = learn_calibrated(f->platt,
			    mean_score(l, part, i));
}

/* --- the models to keep ------------------------------------------------------------- */

/* Into the mean of a tier: a setting's weights, from all rows. */
static void
add_weights(struct weights *to, const struct weights *w, const struct part *p)
{
	double times = p->share * p->platt.scale;

	to->bias += times * w->bias + p->share * p->platt.shift;
	for (size_t k = 0; k < N_DENSE; k++)
		to->x[k] += times * w->x[k];
	for (size_t i = 0; i < WORDS; i++)
		to->word[i] += (float)(times * (double)w->word[i]);
}

/* Train a setting on all rows, and add it to the tiers that want it.
 * part: [tier * settings + setting]. */
static int
fit_whole(struct learn *l, size_t setting, size_t tier,
    const struct part *part, struct err *e)
{
	struct weights *w = calloc(1, sizeof(*w));
	struct job j = { .n = 0 };
	int rc = w ? job_init(&j, l, setting, tier, e) : err_nomem(e);

	if (rc == 0)
		rc = job_fit(&j, LEARN_FOLDS, e);
	for (size_t t = 0; rc == 0 && t < l->o.n_tiers; t++) {
		const struct part *p = &part[t * l->o.n_settings + setting];
		if ((tier != ALL_TIERS && tier != t) || p->share == 0)
			continue;
		job_weights(&j, t, w);
		add_weights(&l->fitted[t].w, w, p);
	}
	job_release(&j);
	free(w);
	return rc;
}

static int
fit_models(struct learn *l, const struct part *part, struct err *e)
{
	for (size_t s = 0; s < l->o.n_settings; s++) {
		bool done = false;
		for (size_t t = 0; t < l->o.n_tiers && !done; t++) {
			if (part[t * l->o.n_settings + s].share == 0)
				continue;
			done = is_shared(l, s);
			if (fit_whole(l, s, done ? ALL_TIERS : t, part,
			    e) < 0)
				return -1;
		}
	}
	return 0;
}

int
learn_train(struct learn *l, struct err *e)
{
	struct outcome_pair *v = calloc(l->n, sizeof(*v));
	struct part *part = calloc(l->o.n_tiers * l->o.n_settings,
	    sizeof(*part));
	int rc = v && part ? 0 : err_nomem(e);

	for (size_t t = 0; rc == 0 && t < l->o.n_tiers; t++)
		for (size_t k = 0; k < N_DENSE; k++)
			measure_spread(l, t, k);
	if (rc == 0)
		rc = cross_fit_all(l, e);
	for (size_t t = 0; rc == 0 && t < l->o.n_tiers; t++)
		if (l->fitted[t].enough)
			conclude_tier(l, t, &part[t * l->o.n_settings], v);
	if (rc == 0)
		rc = fit_models(l, part, e);
	free(part);
	free(v);
	return rc;
}
