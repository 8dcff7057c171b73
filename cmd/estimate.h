/*
 * estimate.h -- `--estimate` of run and batch: what it would cost.
 */
#ifndef CMD_ESTIMATE_H
#define CMD_ESTIMATE_H

#include "cascade/estimate.h"

/* On standard output. `cap`: of the run, or BUDGET_NONE. */
int estimate_print(const struct estimate *x, int64_t cap, struct err *e);

#endif
