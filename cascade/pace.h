/*
 * pace.h -- so many a minute and no more: the generic cell rate algorithm
 * (ITU-T I.371), with one second's worth of burst.
 */
#ifndef CASCADE_PACE_H
#define CASCADE_PACE_H

#include <stdint.h>

struct pace {
	double ms_each; /* between two units; 0: no limit */
	double full_ms; /* when all that was taken will have drained */
};

void pace_init(struct pace *p, int64_t a_minute); /* 0: no limit */
/* When `amount` units may be taken, in ms; now_ms or earlier means now. */
int64_t pace_due(const struct pace *p, int64_t now_ms);
void pace_take(struct pace *p, int64_t now_ms, int64_t amount);

#endif
