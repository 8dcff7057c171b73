/*
 * matrix.h -- what recorded answers come down to for learning a cascade: for
 * every task and every way of asking a tier, a score, whether the answer is
 * right, and what it cost.
 *
 * A column is one way of asking one tier: "three samples, scored by
 * agreement". One without scores can only stand last in a cascade, where
 * nobody asks whether to go on.
 */
#ifndef CASCADE_MATRIX_H
#define CASCADE_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATRIX_MAX_COLUMNS 256
#define MATRIX_MAX_TASKS 16777216
#define MATRIX_FOLDS 5 /* of cross-validation, where scores were learned */

struct column {
	size_t tier;    /* columns of one tier never stand in one cascade */
	size_t setting; /* the caller's own */
	double *score;  /* natural logarithms, in [-inf, 0]; NULL: none */
	/* Of a score that was learned from labels: what the scores of all tasks
	 * would be without the labels of a fold (see matrix_shuffle()). NULL:
	 * the same. */
	double *without[MATRIX_FOLDS];
	uint8_t *right; /* 0 or 1 */
	int64_t *cost;  /* picodollars, with the scorer's own price */
};

struct matrix {
	size_t tasks, columns;
	size_t room; /* for tasks */
	struct column *col;
};

/* Zeroed; `judged` says of each column whether it has scores. NULL: out of
 * memory. */
struct matrix *matrix_new(size_t tasks, size_t columns, const bool *judged);
void matrix_free(struct matrix *m); /* NULL is fine */

/* Room for at least so many tasks; those there are stay. False: no memory. */
bool matrix_grow(struct matrix *m, size_t room);

/* A copy of some tasks, in this order; a task may be there twice. Of learned
 * scores those without a fold are not copied: folds are of all tasks. */
struct matrix *matrix_rows(const struct matrix *m, const uint32_t *row,
    size_t n);
/* The same, with the scores as they are without fold k. */
struct matrix *matrix_rows_without(const struct matrix *m, size_t k,
    const uint32_t *row, size_t n);
/* A copy of some columns. */
struct matrix *matrix_columns(const struct matrix *m, const size_t *column,
    size_t n);

/* Room for scores without each fold. False: no memory. */
bool matrix_nest(struct matrix *m, size_t column);

/*
 * All tasks in an order of chance that is always the same for the same n, at
 * random but for that: fold k of f has those from place n k / f on, up to
 * n (k + 1) / f.
 */
void matrix_shuffle(uint32_t *task, size_t n);

double matrix_mean_cost(const struct matrix *m, size_t column); /* picodollars */
double matrix_accuracy(const struct matrix *m, size_t column);

#endif
