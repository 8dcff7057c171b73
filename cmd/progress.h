/*
 * progress.h -- how a batch is getting on: one line that is written over on a
 * terminal, a plain line every half minute elsewhere.
 */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include "cascade/engine.h"

struct progress {
	bool quiet, simulated, terminal;
	bool collect;    /* set after progress_start(): tasks are not answered,
	                    they are whole or lack something */
	int64_t started_ms, said_ms;
	int64_t resumed; /* tasks that an earlier run had done */
};

void progress_start(struct progress *p, bool quiet, bool simulated,
    int64_t resumed);
/* total: tasks in all, as far as can be told (exact: surely); -1: unknown. */
void progress_turn(struct progress *p, const struct engine_state *s,
    int64_t total, bool exact);
/* The last word: what was done, at which tier, for how much. */
void progress_end(struct progress *p, const struct engine_state *s);

#endif
