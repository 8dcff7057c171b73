/*
 * harvest_learn.c -- the learned scores of a harvest: trained on its rows, and
 * put into its columns.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cascade/harvest.h"

static int
fit(struct learn *l, const struct learn_deal *deal, struct err *why,
    struct err *e)
{
	struct err failed = { .code = ERR_NONE };

	learn_deal(l, deal);
	if (learn_fit(l, &failed) == 0)
		return 0;
	/* Too little to learn from, or no LIBLINEAR. */
	if (failed.code == ERR_INPUT || failed.code == ERR_CONFIG) {
		*why = failed;
		return 1;
	}
	*e = failed;
	return -1;
}

static bool
can_learn(const struct harvest *h, const struct learn *l, struct err *why)
{
	if (l && learn_rows(l))
		return true;
	if (h->o.learned_most && h->m->tasks > h->o.learned_most)
		err_set(why, ERR_INPUT, "more than %zu tasks",
		    h->o.learned_most);
	else
		err_set(why, ERR_INPUT, "no answer to learn from");
	return false;
}

/* What was learned is put into the columns, in place of the zeros. */
static int
fill(struct harvest *h, bool nested, struct err *e)
{
	struct matrix *m = h->m;

	for (size_t k = 0; k < m->columns; k++) {
		if (h->pupil[k] == SIZE_MAX)
			continue;
		h->ready[k] = learn_enough(h->learn, h->pupil[k]);
		if (!h->ready[k] || !nested)
			continue;
		if (!matrix_nest(m, k))
			return err_nomem(e);
		for (size_t f = 0; f < MATRIX_FOLDS; f++)
			for (size_t i = 0; i < m->tasks; i++)
				m->col[k].without[f][i] = -INFINITY;
	}
	for (size_t i = 0; i < h->rows; i++) {
		struct column *c = &m->col[h->row[i].column];
		size_t task = h->row[i].task;
		if (!h->ready[h->row[i].column])
			continue;
		c->score[task] = learn_score(h->learn, i).ln;
		for (unsigned f = 0; nested && f < MATRIX_FOLDS; f++)
			c->without[f][task] = learn_score_without(h->learn, i,
			    f).ln;
	}
	return 0;
}

/* fold[] of each row out of the fold of each task. */
static int
learn_by_task(struct harvest *h, const uint8_t *of_task, unsigned folds,
    bool nested, struct err *why, struct err *e)
{
	uint8_t *fold = malloc(h->rows);
	struct learn_deal deal = { fold, folds, nested };
	int rc;

	if (!fold)
		return err_nomem(e);
	for (size_t i = 0; i < h->rows; i++)
		fold[i] = of_task[h->row[i].task];
	rc = fit(h->learn, &deal, why, e);
	if (rc == 0)
		rc = fill(h, nested, e);
	free(fold);
	return rc;
}

/* The fold of each task, as search_lessons() deals it; NULL: out of memory. */
static uint8_t *
deal_tasks(const struct harvest *h)
{
	size_t n = h->m->tasks;
	uint32_t *shuffled = malloc((n + 1) * sizeof(*shuffled));
	uint8_t *fold = malloc(n + 1);

	if (!shuffled || !fold) {
		free(shuffled);
		free(fold);
		return NULL;
	}
	matrix_shuffle(shuffled, n);
	for (unsigned k = 0; k < MATRIX_FOLDS; k++)
		for (size_t i = n * k / MATRIX_FOLDS;
		    i < n * (k + 1) / MATRIX_FOLDS; i++)
			fold[shuffled[i]] = (uint8_t)k;
	free(shuffled);
	return fold;
}

int
harvest_learn(struct harvest *h,
    void (*progress)(void *to, size_t done, size_t all), void *to,
    struct err *why, struct err *e)
{
	uint8_t *fold;
	int rc;

	if (!can_learn(h, h->learn, why))
		return 1;
	fold = deal_tasks(h);
	if (!fold)
		return err_nomem(e);
	learn_progress(h->learn, progress, to);
	rc = learn_by_task(h, fold, MATRIX_FOLDS, true, why, e);
	free(fold);
	return rc;
}

int
harvest_route(struct harvest *h,
    void (*progress)(void *to, size_t done, size_t all), void *to,
    struct err *why, struct err *e)
{
	size_t rows = h->m->tasks * h->tiers;
	struct learn_deal deal = { .folds = MATRIX_FOLDS };
	uint8_t *of_task, *fold;
	int rc;

	if (!can_learn(h, h->route, why))
		return 1;
	of_task = deal_tasks(h);
	fold = malloc(rows + 1);
	if (!of_task || !fold) {
		rc = err_nomem(e);
	} else {
		for (size_t i = 0; i < rows; i++)
			fold[i] = of_task[i / h->tiers];
		deal.fold = fold;
		learn_progress(h->route, progress, to);
		rc = fit(h->route, &deal, why, e);
	}
	free(of_task);
	free(fold);
	return rc;
}

int
harvest_learn_part(struct harvest *h, const bool *part, struct err *why,
    struct err *e)
{
	uint8_t *fold = malloc(h->m->tasks + 1);
	unsigned next = 0;
	int rc;

	if (!fold)
		return err_nomem(e);
	for (size_t i = 0; i < h->m->tasks; i++)
		fold[i] = part[i] ? (uint8_t)(next++ % LEARN_FOLDS)
		    : LEARN_APART;
	rc = !can_learn(h, h->learn, why) ? 1 : learn_by_task(h, fold, LEARN_FOLDS,
	    false, why, e);
	free(fold);
	return rc;
}

int
harvest_model(const struct harvest *h, size_t column, struct arena *a,
    struct model *out, struct err *e)
{
	if (learn_model(h->learn, h->pupil[column], a, out, e) < 0)
		return -1;
	out->samples = harvest_setting(h, column)->samples;
	out->tier = h->tier[h->m->col[column].tier].tier.name;
	return 0;
}

int
harvest_route_model(const struct harvest *h, size_t tier, struct arena *a,
    struct model *out, struct err *e)
{
	if (learn_model(h->route, tier, a, out, e) < 0)
		return -1;
	out->samples = 0;
	out->tier = h->tier[tier].tier.name;
	return 0;
}
