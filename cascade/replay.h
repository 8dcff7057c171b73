/*
 * replay.h -- a cascade over recorded completions instead of a network: the
 * same climb and the same scorers, at no cost.
 */
#ifndef CASCADE_REPLAY_H
#define CASCADE_REPLAY_H

#include "cascade/chance.h"
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
/* Whether its i-th answer is right. */
enum tristate replay_correct(const struct trace_task *t,
    const struct trace_tier *v, size_t i);

/* Sums over tasks. */
struct replay_sum {
	int64_t tasks, answered, labelled, correct;
	int64_t cost_picousd, unknown_cost;
	/* Of tasks whose cost is known here and at the top tier: for intervals.
	 * Picodollars, their squares, and this way's times the top tier's. */
	int64_t priced;
	double cost, cost_squares, top, top_squares, products;
};
void replay_add(struct replay_sum *sum, const struct replay_way *way,
    const struct replay_way *top); /* NULL: no top tier */
/* Share of right answers among those labelled, with its 95 % Wilson score
 * interval (Wilson, JASA 22, 1927); false if nothing is labelled. */
bool replay_accuracy(const struct replay_sum *sum, double *share, double *low,
    double *high);
/* The 95 % interval of the total cost in picodollars, had so many other tasks
 * like these been asked; false if a cost is unknown or there is no task. */
bool replay_cost_interval(const struct replay_sum *sum, struct interval *in);
/* The cost as a share of the top tier's on the same tasks, with its 95 %
 * interval by the delta method (paired, so narrower than either alone). */
bool replay_of_top(const struct replay_sum *sum, double *share,
    struct interval *in);

/* Two ways over the same tasks. */
struct replay_pair {
	int64_t labelled; /* by both */
	int64_t gained, lost; /* right by the first, or the second, alone */
};
void replay_compare(struct replay_pair *p, const struct replay_way *first,
    const struct replay_way *second);

#endif
