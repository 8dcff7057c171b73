/*
 * matrix.c -- task x tier: score, right or wrong, cost.
 */
#include "cascade/matrix.h"

#include <stdlib.h>

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

static void
copy_column(struct column *to, const struct column *from, const uint32_t *row,
    size_t n)
{
	to->tier = from->tier;
	to->setting = from->setting;
	for (size_t i = 0; i < n; i++) {
		size_t r = row ? row[i] : i;
		if (from->score)
			to->score[i] = from->score[r];
		to->right[i] = from->right[r];
		to->cost[i] = from->cost[r];
	}
}

static struct matrix *
copy(const struct matrix *m, const uint32_t *row, size_t tasks,
    const size_t *column, size_t columns)
{
	bool judged[MATRIX_MAX_COLUMNS] = { false };
	struct matrix *out;

	for (size_t k = 0; k < columns; k++)
		judged[k] = m->col[column ? column[k] : k].score != NULL;
	out = matrix_new(tasks, columns, judged);
	for (size_t k = 0; out && k < columns; k++)
		copy_column(&out->col[k], &m->col[column ? column[k] : k],
		    row, tasks);
	return out;
}

struct matrix *
matrix_rows(const struct matrix *m, const uint32_t *row, size_t n)
{
	return copy(m, row, n, NULL, m->columns);
}

struct matrix *
matrix_columns(const struct matrix *m, const size_t *column, size_t n)
{
	return copy(m, NULL, m->tasks, column, n);
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
