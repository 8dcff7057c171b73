/*
 * logit.h -- logistic regression with an L2 penalty, by LIBLINEAR (Fan, Chang,
 * Hsieh, Wang, Lin: "LIBLINEAR: A Library for Large Linear Classification",
 * JMLR 9, 2008; its solver 0, a trust region Newton method). The one door to
 * that library.
 *
 * Only training needs it, and it would bring libblas and libstdc++ with it
 * into every start: so it is loaded when the first problem is made. It is C++
 * and ends the program when it runs out of memory.
 */
#ifndef CASCADE_LOGIT_H
#define CASCADE_LOGIT_H

#include "base/err.h"
#include "base/str.h"

struct logit; /* opaque: rows to train on */

struct logit_cell {
	uint32_t column; /* from 0 */
	float value;     /* finite */
};

/* Rows of so many columns; -1: no LIBLINEAR here, or no memory. */
int logit_new(struct logit **out, size_t columns, struct err *e);
void logit_free(struct logit *l); /* NULL is fine */

/* One more row: cells by rising column. */
int logit_add(struct logit *l, const struct logit_cell *cell, size_t n,
    bool right, struct err *e);

/*
 * Train on the n rows `row`, with `cost` the weight of their errors against
 * the penalty (LIBLINEAR's C, > 0). w gets a weight for each column and, after
 * them, the bias. The same rows in the same order give the same weights. Rows
 * that are all right, or all wrong, give weights of 0 and a bias.
 */
int logit_fit(struct logit *l, const size_t *row, size_t n, double cost,
    double *w, struct err *e);

#endif
