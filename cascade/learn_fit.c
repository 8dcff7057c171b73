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
#define NO_FOLD LEARN_FOLDS

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
		if (l->row[i].tier != tier || l->row[i].fold == LEARN_APART)
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
		if (l->row[i].tier == tier && l->row[i].fold != LEARN_APART)
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

/* Train on all folds but two, which may be the same, or NO_FOLD. */
static int
job_fit(struct job *j, unsigned a, unsigned b, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++) {
		unsigned fold = j->l->row[j->of[i]].fold;
		if (fold != a && fold != b && fold != LEARN_APART)
			j->chosen[n++] = i;
	}
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

/* Scores of weights without folds a and b: those of fold a are scores without
 * b, and the other way round; if they are the same they are just held out. */
static void
keep_score(const struct job *j, size_t i, double raw, unsigned a, unsigned b)
{
	struct learn *l = j->l;
	size_t at = (size_t)(j->s - l->o.settings) * l->n + i;

	if (a == b)
		l->raw[at] = raw;
	if (l->nested)
		l->raw_without[l->row[i].fold == a ? b : a][at] = raw;
}

static int
score_folds(struct job *j, unsigned a, unsigned b, struct err *e)
{
	struct learn *l = j->l;
	struct weights *f = calloc(1, sizeof(*f));
	int rc = f ? job_fit(j, a, b, e) : err_nomem(e);

	for (size_t t = 0; rc == 0 && t < l->o.n_tiers; t++) {
		if (j->tier != ALL_TIERS && j->tier != t)
			continue;
		job_weights(j, t, f);
		for (size_t i = 0; i < j->n; i++) {
			const struct row *r = &l->row[j->of[i]];
			if (r->tier == t && (r->fold == a || r->fold == b))
				keep_score(j, j->of[i], raw_score(f, r), a, b);
		}
	}
	free(f);
	if (l->o.progress)
		l->o.progress(l->o.cookie, ++l->done, l->all);
	return rc;
}

static int
cross_fit(struct learn *l, size_t setting, size_t tier, struct err *e)
{
	struct job j;
	int rc = job_init(&j, l, setting, tier, e);

	for (unsigned a = 0; a < l->folds; a++)
		for (unsigned b = a; rc == 0 && b < (l->nested ? l->folds
		    : a + 1); b++)
			rc = score_folds(&j, a, b, e);
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
	size_t tiers = 0, all = 0, times = l->folds;

	if (l->nested)
		times += (size_t)l->folds * (l->folds - 1) / 2;
	for (size_t t = 0; t < l->o.n_tiers; t++)
		tiers += l->fitted[t].enough;
	for (size_t s = 0; s < l->o.n_settings; s++)
		all += times * (is_shared(l, s) ? 1 : tiers);
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

/* Scores before calibration, and the fold whose labels are not looked at. */
struct held {
	const struct learn *l;
	const double *raw;
	unsigned without; /* or NO_FOLD */
};

static bool
counts(const struct held *h, size_t row, size_t tier)
{
	const struct row *r = &h->l->row[row];

	return r->tier == tier && r->fold != h->without
	    && r->fold != LEARN_APART;
}

/* Scores of a tier by a setting. */
static size_t
gather(const struct held *h, size_t setting, size_t tier,
    struct outcome_pair *v)
{
	const double *raw = &h->raw[setting * h->l->n];
	size_t n = 0;

	for (size_t i = 0; i < h->l->n; i++)
		if (counts(h, i, tier))
			v[n++] = (struct outcome_pair){ raw[i],
			    h->l->row[i].right };
	return n;
}

/* A setting in the mean: share of it, calibrated by itself. */
struct part {
	double share, loss;
	struct platt platt;
};

static void
share_out(const struct held *h, size_t tier, struct outcome_pair *v,
    struct part *part)
{
	size_t settings = h->l->o.n_settings;
	double least = INFINITY, sum = 0;

	for (size_t s = 0; s < settings; s++) {
		size_t n = gather(h, s, tier, v);
		part[s].platt = learn_platt(v, n);
		part[s].loss = learn_log_loss(part[s].platt, v, n) *
		    (double)n;
		least = fmin(least, part[s].loss);
	}
	for (size_t s = 0; s < settings; s++) {
		part[s].share = exp(least - part[s].loss);
		if (part[s].share < LEAST_SHARE)
			part[s].share = 0;
		sum += part[s].share;
	}
	for (size_t s = 0; s < settings; s++)
		part[s].share /= sum;
}

static double
mean_score(const struct held *h, const struct part *part, size_t row)
{
	double z = 0;

	for (size_t s = 0; s < h->l->o.n_settings; s++)
		z += part[s].share * learn_calibrated(part[s].platt,
		    h->raw[s * h->l->n + row]);
	return z;
}

static struct platt
calibrate_mean(const struct held *h, size_t tier, const struct part *part,
    struct outcome_pair *v)
{
	size_t n = 0;

	for (size_t i = 0; i < h->l->n; i++)
		if (counts(h, i, tier))
			v[n++] = (struct outcome_pair){
			    mean_score(h, part, i), h->l->row[i].right };
	return learn_platt(v, n);
}

/* The cross-fitted scores of a tier's rows, and what its model is made of. */
static void
conclude_tier(struct learn *l, size_t tier, struct part *part,
    struct outcome_pair *v)
{
	struct held h = { l, l->raw, NO_FOLD };
	struct fitted *f = &l->fitted[tier];

	share_out(&h, tier, v, part);
	f->platt = calibrate_mean(&h, tier, part, v);
	for (size_t s = 0; s < l->o.n_settings; s++)
		f->share[s] = part[s].share;
	for (size_t i = 0; i < l->n; i++)
		if (l->row[i].tier == tier)
			l->row[i].z = learn_calibrated(f->platt,
			    mean_score(&h, part, i));
}

/* The same with a fold held out. `part` is scratch. */
static void
conclude_without(struct learn *l, size_t tier, unsigned fold,
    struct part *part, struct outcome_pair *v)
{
	struct held h = { l, l->raw_without[fold], fold };
	struct platt platt;

	share_out(&h, tier, v, part);
	platt = calibrate_mean(&h, tier, part, v);
	for (size_t i = 0; i < l->n; i++)
		if (l->row[i].tier == tier)
			l->z_without[fold][i] = learn_calibrated(platt,
			    mean_score(&h, part, i));
}

static void
conclude(struct learn *l, struct part *part, struct outcome_pair *v)
{
	for (size_t t = 0; t < l->o.n_tiers; t++) {
		struct part *p = &part[t * l->o.n_settings];
		if (!l->fitted[t].enough)
			continue;
		for (unsigned k = 0; l->nested && k < l->folds; k++)
			conclude_without(l, t, k, p, v);
		conclude_tier(l, t, p, v);
	}
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
		rc = job_fit(&j, NO_FOLD, NO_FOLD, e);
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

/* As the file has them, so that a row kept apart gets the file's score. */
static void
round_words(struct weights *w)
{
	for (size_t i = 0; i < WORDS; i++)
		w->word[i] = rintf(fmaxf(fminf(w->word[i] * 1000,
		    MODEL_MAX_WORD), -MODEL_MAX_WORD)) / 1000;
}

static void
score_apart(struct learn *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct fitted *f = &l->fitted[l->row[i].tier];
		if (l->row[i].fold == LEARN_APART && f->enough)
			l->row[i].z = learn_calibrated(f->platt,
			    raw_score(&f->w, &l->row[i]));
	}
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
	for (size_t t = 0; t < l->o.n_tiers; t++)
		round_words(&l->fitted[t].w);
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
	if (rc == 0) {
		conclude(l, part, v);
		rc = fit_models(l, part, e);
	}
	if (rc == 0)
		score_apart(l);
	free(part);
	free(v);
	return rc;
}
