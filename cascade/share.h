/*
 * share.h -- chance that is not chance: a number for each task, the same at
 * any time, by which a share of the tasks is told from the others.
 */
#ifndef CASCADE_SHARE_H
#define CASCADE_SHARE_H

#include "cascade/task.h"

/* In [0, 1), evenly over tasks: of what the task asks alone, not of its id or
 * place. Other seeds give other numbers, which tell nothing of these. */
double share_chance(const struct task *t, uint64_t seed);

/*
 * `share` of a tier: does this task, which would begin at tier `place` (from
 * 0), begin there? A coin toss between two tiers, or two cascades, is so much
 * of the best that can be had for a given price where nothing lies between
 * them (the random mix of MoT cascades, arXiv 2310.03094). Tasks without a
 * prompt, which recordings may have, are told apart by their id.
 */
bool share_takes(double share, size_t place, const struct task *t);

#endif
