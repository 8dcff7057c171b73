/*
 * logit.c -- logistic regression by LIBLINEAR, loaded when it is needed.
 */
#include "cascade/logit.h"

#include <dlfcn.h>
#include <linear.h>
#include <math.h>
#include <stdlib.h>

/* LIBLINEAR penalises the weight of the bias like any other; as a column of
 * this value it costs next to nothing. */
#define BIAS 8.0
#define MAX_COLUMNS 10000000
#define MAX_CELLS ((size_t)1 << 27) /* 2 GB */

/* What is used of the library. */
static struct {
	void *handle;
	struct model *(*train)(const struct problem *,
	    const struct parameter *);
	void (*free_model)(struct model **);
	void (*set_print)(void (*)(const char *));
} lib;

struct logit {
	size_t columns;
	struct feature_node *cell; /* rows one after the other; each ends in
	                              the bias and an index of -1 */
	size_t n_cells, cap_cells;
	size_t *start;             /* of each row, in cell */
	bool *right;
	size_t n, cap;
};

static void
print_nothing(const char *text)
{
	(void)text;
}

/* A function of the library, as ISO C would have it. */
static bool
find(const char *name, void *to)
{
	void *at = dlsym(lib.handle, name);

	*(void **)to = at;
	return at != NULL;
}

static int
load(struct err *e)
{
	static const char *const names[] = {
		"liblinear.so.4", "liblinear.so", NULL
	};
	const int *version = NULL;

	for (size_t i = 0; !lib.handle && names[i]; i++)
		lib.handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!lib.handle)
		return err_set(e, ERR_CONFIG, "cannot load LIBLINEAR, which "
		    "learning needs (%s); install the package liblinear4",
		    names[0]);
	/* Its structures differ between versions. */
	if (!find("liblinear_version", &version) ||
	    *version != LIBLINEAR_VERSION || !find("train", &lib.train) ||
	    !find("free_and_destroy_model", &lib.free_model) ||
	    !find("set_print_string_function", &lib.set_print)) {
		dlclose(lib.handle);
		lib.handle = NULL;
		return err_set(e, ERR_CONFIG, "this LIBLINEAR is not the "
		    "version %d.%d that frugal was built for",
		    LIBLINEAR_VERSION / 100, LIBLINEAR_VERSION % 100);
	}
	lib.set_print(print_nothing);
	return 0;
}

int
logit_new(struct logit **out, size_t columns, struct err *e)
{
	struct logit *l;

	if (!lib.handle && load(e) < 0)
		return -1;
	if (columns > MAX_COLUMNS)
		return err_set(e, ERR_INPUT, "more than %d columns to learn "
		    "from", MAX_COLUMNS);
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_nomem(e);
	l->columns = columns;
	*out = l;
	return 0;
}

void
logit_free(struct logit *l)
{
	if (!l)
		return;
	free(l->cell);
	free(l->start);
	free(l->right);
	free(l);
}

/* Room for one row more of n cells. */
static bool
grow(struct logit *l, size_t n)
{
	size_t cap;
	void *p;

	if (l->n_cells + n > l->cap_cells) {
		cap = 2 * l->cap_cells + n + 1024;
		p = reallocarray(l->cell, cap, sizeof(*l->cell));
		if (!p)
			return false;
		l->cell = p;
		l->cap_cells = cap;
	}
	if (l->n < l->cap)
		return true;
	cap = 2 * l->cap + 256;
	p = reallocarray(l->start, cap, sizeof(*l->start));
	if (!p)
		return false;
	l->start = p;
	p = reallocarray(l->right, cap, sizeof(*l->right));
	if (!p)
		return false;
	l->right = p;
	l->cap = cap;
	return true;
}

int
logit_add(struct logit *l, const struct logit_cell *cell, size_t n,
    bool right, struct err *e)
{
	struct feature_node *to;

	if (n + 2 > MAX_CELLS - l->n_cells)
		return err_set(e, ERR_INPUT, "too much to learn from; give "
		    "fewer tasks");
	if (!grow(l, n + 2))
		return err_nomem(e);
	to = &l->cell[l->n_cells];
	l->start[l->n] = l->n_cells;
	l->right[l->n++] = right;
	l->n_cells += n + 2;
	for (size_t i = 0; i < n; i++)
		*to++ = (struct feature_node){ (int)cell[i].column + 1,
		    (double)cell[i].value };
	*to++ = (struct feature_node){ (int)l->columns + 1, BIAS };
	*to = (struct feature_node){ -1, 0 };
	return 0;
}

/* Without both kinds of rows there is nothing to tell apart: the bias alone,
 * as if one of each had been seen besides (Laplace). */
static void
fit_one_kind(const struct logit *l, size_t n, bool right, double *w)
{
	double odds = (double)n + 1;

	for (size_t i = 0; i < l->columns; i++)
		w[i] = 0;
	w[l->columns] = right ? log(odds) : -log(odds);
}

static void
take_weights(const struct model *m, size_t columns, double *w)
{
	/* The first label has the positive side: of 1 and -1 that is 1. */
	double sign = m->label[0] == 1 ? 1 : -1;

	for (size_t i = 0; i < columns; i++)
		w[i] = sign * m->w[i];
	w[columns] = sign * m->w[columns] * BIAS;
}

int
logit_fit(struct logit *l, const size_t *row, size_t n, double cost,
    double *w, struct err *e)
{
	struct feature_node **x = calloc(n + 1, sizeof(*x));
	double *y = calloc(n + 1, sizeof(*y));
	struct parameter param = { .solver_type = L2R_LR, .eps = 1e-2,
		.C = cost };
	struct problem prob = { .l = (int)n, .n = (int)l->columns + 1,
		.y = y, .x = x, .bias = BIAS };
	struct model *m = NULL;
	size_t right = 0;
	int rc = -1;

	if (!x || !y) {
		err_nomem(e);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		x[i] = &l->cell[l->start[row[i]]];
		y[i] = l->right[row[i]] ? 1 : -1;
		right += l->right[row[i]];
	}
	if (right == 0 || right == n) {
		fit_one_kind(l, n, right > 0, w);
		rc = 0;
		goto out;
	}
	m = lib.train(&prob, &param);
	take_weights(m, l->columns, w);
	lib.free_model(&m);
	rc = 0;
out:
	free(x);
	free(y);
	return rc;
}
