/*
 * replay.h -- a cascade over recorded completions instead of a network: the
 * same climb and the same scorers, at no cost.
 */
#ifndef CASCADE_REPLAY_H
#define CASCADE_REPLAY_H

#include "cascade/climb.h"
#include "cascade/trace.h"

/* How a task fared one way: by the cascade, or by one tier alone. */
struct replay_way {
	bool answered;
	enum tristate correct;  /* UNSET: nothing says */
	int64_t cost_picousd;   /* MONEY_UNKNOWN where neither the trace nor the
	                           price table has it */
};

struct replay {
	const struct result *result; /* lives in the trace task's arena */
	struct replay_way cascade;
	struct replay_way *alone;    /* one a tier of the cascade: its first
	                                sample as it is */
	const char *missing;         /* not NULL: what the trace lacks for this
	                                cascade, in the arena of the trace's
	                                task; nothing else is filled */
};

/* A tier of the configuration is found in the trace by its name, then by its
 * model as the provider is asked for it. What is recorded as the answer is
 * believed; where there is none it is extracted as usual. -1: *e. */
int replay_task(const struct cascade *k, struct trace_task *t,
    struct replay *out, struct err *e);

/* How it is done, for those who look at traces in other ways. The recorded
 * tier of a configured one, by name, then by model; NULL: there is none. */
const struct trace_tier *replay_find(const struct trace_task *t,
    const struct tier *tier);
/* A copy, in the task's arena, with answers and costs where they were not
 * recorded. NULL: out of memory. */
struct trace_tier *replay_fill(const struct cascade *k,
    const struct tier *tier, const struct trace_tier *from, struct arena *a);

/* Sums over tasks. */
struct replay_sum {
	int64_t tasks, answered, labelled, correct;
	int64_t cost_picousd, unknown_cost;
};
void replay_add(struct replay_sum *sum, const struct replay_way *way);
/* Share of right answers among those labelled, with its 95 % Wilson score
 * interval (Wilson, JASA 22, 1927); false if nothing is labelled. */
bool replay_accuracy(const struct replay_sum *sum, double *share, double *low,
    double *high);

#endif
