/*
 * engine.h -- the running of many tasks: it takes tasks from a source, climbs
 * with each of them, looks up and keeps completions in the store, writes the
 * ledger, and hands results out once what they rest on is committed.
 *
 * Each turn of the loop that has something to write is one transaction: the
 * completions that have come, how requests have ended, and the requests that
 * are about to leave, which leave after it. So the death of the process loses
 * what came in the turn that was not committed, and nothing else.
 *
 * Results are handed out after a transaction that is also synced to the disk:
 * when ENGINE_COMMIT_ROWS rows wait for that, when the oldest has waited
 * ENGINE_COMMIT_MS (both a little later where the disk is slow), or when
 * nothing is in flight.
 */
#ifndef CASCADE_ENGINE_H
#define CASCADE_ENGINE_H

#include "cascade/calls.h"

struct engine; /* opaque */

#define ENGINE_COMMIT_ROWS 64
#define ENGINE_COMMIT_MS 10
#define ENGINE_IN_FLIGHT 64 /* default of -j */
#define ENGINE_MAX_IN_FLIGHT 10000

enum cache_mode {
	CACHE_USE = 0, /* look up, ask for what is missing, keep */
	CACHE_REFRESH, /* ask again, keep */
	CACHE_ONLY,    /* look up; what is missing fails */
	CACHE_NONE,    /* neither look up nor keep completions */
};

struct engine_options {
	int in_flight;
	int retries;        /* -1: the configuration's */
	enum cache_mode cache;
	struct str source;  /* for the ledger: "run", "batch tasks.jsonl" */
	struct caps caps;   /* on the cost of the run, the day, each task */
	bool dry;           /* write nothing to the ledger */
	bool collect;       /* ask every tier for everything (CLIMB_ALL). Answers
	                       that were cut off or refused are taken from the
	                       store too: they are what the model said */
	int64_t task_timeout_ms; /* for each task, from its start; 0: none */
};

/* The state of the run, for progress. */
struct engine_state {
	size_t active;       /* tasks under way */
	int64_t done, undone;
	int64_t by_status[5];
	int64_t *by_tier;    /* of the cascade with the most tiers: tasks answered
	                        at tier i + 1 */
	size_t n_tiers;
	int64_t cost_picousd, unknown_cost; /* paid; tasks of unknown cost */
	int64_t saved_picousd;  /* against the top tier, where that is known */
	int64_t cached;      /* tasks answered from the store alone */
	int64_t labelled, correct; /* answered tasks that have a reference */
	int64_t audited, differ;   /* audits that brought an answer, and another
	                              one than was given */
	int64_t audit_picousd;     /* part of the cost */
	int64_t to_keep;     /* completions not yet committed */
	int64_t booked_picousd; /* part of the cost, see struct result */
	int64_t undone_picousd; /* paid for tasks that have no result yet */
};

struct engine_io {
	void *cookie;
	/* 1: *task (given away) is to be done by *cascade; 0: there are no more;
	 * 2: none yet: call again when *fd can be read; -1: *e ends the run. */
	int (*next)(void *cookie, struct task **task,
	    const struct cascade **cascade, int *fd, struct err *e);
	/* A result, borrowed. -1: *e ends the run. */
	int (*done)(void *cookie, const struct result *r, struct err *e);
	/* Once a turn, after results were handed out; -1 ends the run. */
	int (*turn)(void *cookie, const struct engine_state *s, struct err *e);
	/* A tier is of no more use in this run. May be NULL. */
	void (*notice)(void *cookie, const struct tier *t, struct str code,
	    struct str message);
	/* A model does not answer (`out`), or does again. May be NULL. */
	void (*outage)(void *cookie, const struct tier *t, bool out,
	    struct str code, struct str message);
	/* A request failed and is sent again in delay_ms. May be NULL. */
	void (*again)(void *cookie, const struct tier *t, struct str code,
	    struct str message, int64_t delay_ms, int retry);
};

/* store may be NULL: then nothing is looked up, kept or noted. */
int engine_new(struct engine **out, const struct config *cfg,
    struct store *store, struct http *h, const struct engine_options *o,
    const struct engine_io *io, struct err *e);
/* Until the source ends and all is done, or the run is stopped. 0: all was
 * done; -1: *e says why not. */
int engine_run(struct engine *en, struct err *e);
void engine_free(struct engine *en);

/* What the requests of the run have come to. */
struct calls_totals engine_totals(const struct engine *en);

/* From a callback. Soft: nothing new is asked, what is in flight is finished
 * and kept. Hard: what is in flight is given up. Tasks that come to no result
 * are counted as undone. */
void engine_stop(struct engine *en, bool hard);
const struct engine_state *engine_state(struct engine *en);

#endif
