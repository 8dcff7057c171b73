/*
 * agreement.h -- how far samples agree, for scorers beside `agreement`.
 */
#ifndef SCORERS_AGREEMENT_H
#define SCORERS_AGREEMENT_H

#include "scorers/scorer.h"

struct agreement {
	size_t samples; /* that have come or failed */
	size_t groups;  /* of equal answers; 0: no sample has one */
	size_t leader;  /* size of the largest group */
	size_t second;  /* size of the next */
	size_t chosen;  /* the first member of the largest group; without one
	                   the first complete text */
};

/* Of in->c; in->chosen is not looked at. Of one sample it needs no memory.
 * 0, or -1: out of memory. */
int agreement_of(const struct score_input *in, struct agreement *out,
    struct err *e);

#endif
