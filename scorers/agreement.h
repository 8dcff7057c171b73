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
	size_t below;   /* of the tiers below: whose answer is that of `chosen` */
	bool last_below; /* the highest of them is among these */
};

/* Of in->c and in->below; in->chosen is not looked at. Of one sample at the
 * lowest tier it needs no memory. 0, or -1: out of memory. */
int agreement_of(const struct score_input *in, struct agreement *out,
    struct err *e);

#endif
