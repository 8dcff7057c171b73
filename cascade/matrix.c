/*
 * matrix.c -- task x tier: score, right or wrong, cost.
 */
#include "cascade/matrix.h"

#include <stdlib.h>
#include <string.h>

#include "base/rand.h"

#define SEED 1 /* of the folds: the same data, the same answer */

static bool
column_init(struct column *c, size_t tasks, bool judged)
{
	c->right = calloc(tasks ? tasks : 1, sizeof(*c->right));
	c->cost = calloc(tasks ? tasks : 1, sizeof(*c->cost));
	if (judged)
		c->score = calloc(tasks ? tasks : 1, sizeof(*c->score));
	return c->right && c->cost && (c->score || !judged);
}

struct matrix *
matrix_new(size_t tasks, size_t columns, const bool *judged)
{
	struct matrix *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->tasks = m->room = tasks;
	m->col = calloc(columns ? columns : 1, sizeof(*m->col));
	if (!m->col) {
		free(m);
		return NULL;
	}
	m->columns = columns;
	for (size_t k = 0; k < columns; k++)
		if (!column_init(&m->col[k], tasks, judged[k])) {
			matrix_free(m);
			return NULL;
		}
	return m;
}

void
matrix_free(struct matrix *m)
{
	if (!m)
		return;
	for (size_t k = 0; k < m->columns; k++) {
		free(m->col[k].score);
		for (size_t f = 0; f < MATRIX_FOLDS; f++)
			free(m->col[k].without[f]);
		free(m->col[k].right);
		free(m->col[k].cost);
	}
	free(m->col);
	free(m);
}

static bool
grow(void *array, size_t count, size_t size)
{
	void *grown = realloc(*(void **)array, count * size);

	if (!grown)
		return false;
	*(void **)array = grown;
	return true;
}

bool
matrix_grow(struct matrix *m, size_t room)
{
	if (room <= m->room)
		return true;
	if (room < 2 * m->room)
		room = 2 * m->room;
	for (size_t k = 0; k < m->columns; k++) {
		struct column *c = &m->col[k];
		if ((c->score && !grow(&c->score, room, sizeof(*c->score)))
		    || !grow(&c->right, room, sizeof(*c->right))
		    || !grow(&c->cost, room, sizeof(*c->cost)))
			return false;
	}
	m->room = room;
	return true;
}

bool
matrix_nest(struct matrix *m, size_t column)
{
	struct column *c = &m->col[column];
	bool ok = true;

	for (size_t f = 0; f < MATRIX_FOLDS; f++) {
		if (!c->without[f])
			c->without[f] = calloc(m->tasks ? m->tasks : 1,
			    sizeof(*c->score));
		ok &= c->without[f] != NULL;
	}
	return ok;
}

static void
copy_column(struct column *to, const struct column *from, const double *score,
    const uint32_t *row, size_t n)
{
	to->tier = from->tier;
	to->setting = from->setting;
	for (size_t i = 0; i < n; i++) {
		size_t r = row ? row[i] : i;
		if (score)
			to->score[i] = score[r];
		to->right[i] = from->right[r];
		to->cost[i] = from->cost[r];
	}
}

struct matrix *
matrix_rows_without(const struct matrix *m, size_t k, const uint32_t *row,
    size_t n)
{
	bool judged[MATRIX_MAX_COLUMNS] = { false };
	struct matrix *out;

	for (size_t c = 0; c < m->columns; c++)
		judged[c] = m->col[c].score != NULL;
	out = matrix_new(n, m->columns, judged);
	for (size_t c = 0; out && c < m->columns; c++) {
		const struct column *from = &m->col[c];
		bool nested = k < MATRIX_FOLDS && from->without[k];
		copy_column(&out->col[c], from, nested ? from->without[k]
		    : from->score, row, n);
	}
	return out;
}

struct matrix *
matrix_rows(const struct matrix *m, const uint32_t *row, size_t n)
{
	return matrix_rows_without(m, MATRIX_FOLDS, row, n);
}

static bool
copy_nested(struct matrix *out, size_t k, const struct column *from)
{
	if (!from->without[0])
		return true;
	if (!matrix_nest(out, k))
		return false;
	for (size_t f = 0; f < MATRIX_FOLDS; f++)
		memcpy(out->col[k].without[f], from->without[f],
		    out->tasks * sizeof(*from->score));
	return true;
}

struct matrix *
matrix_columns(const struct matrix *m, const size_t *column, size_t n)
{
	bool judged[MATRIX_MAX_COLUMNS] = { false }, ok = true;
	struct matrix *out;

	for (size_t k = 0; k < n; k++)
		judged[k] = m->col[column[k]].score != NULL;
	out = matrix_new(m->tasks, n, judged);
	for (size_t k = 0; out && k < n; k++) {
		const struct column *from = &m->col[column[k]];
		copy_column(&out->col[k], from, from->score, NULL, m->tasks);
		ok &= copy_nested(out, k, from);
	}
	if (ok)
		return out;
	matrix_free(out);
	return NULL;
}

void
matrix_shuffle(uint32_t *task, size_t n)
{
	struct rng r;

	rng_seed(&r, SEED);
	for (size_t i = 0; i < n; i++) {
		size_t j = rng_u64(&r) % (i + 1);
		task[i] = task[j];
		task[j] = (uint32_t)i;
	}
}

double
matrix_mean_cost(const struct matrix *m, size_t column)
{
	double sum = 0;

	for (size_t i = 0; i < m->tasks; i++)
		sum += (double)m->col[column].cost[i];
	return m->tasks ? sum / (double)m->tasks : 0;
}

double
matrix_accuracy(const struct matrix *m, size_t column)
{
	size_t right = 0;

	for (size_t i = 0; i < m->tasks; i++)
		right += m->col[column].right[i];
	return m->tasks ? (double)right / (double)m->tasks : 0;
}
