/*
 * climb.h -- one task's way up the tiers: a pure state machine. It opens no
 * socket and reads no clock; told what has come and what time it is, it says
 * which completions it wants next, until it is done.
 */
#ifndef CASCADE_CLIMB_H
#define CASCADE_CLIMB_H

#include "cascade/result.h"

struct climb; /* opaque; lives in the arena of its task */

/* One completion that is wanted. */
struct climb_ask {
	size_t slot;  /* to name it by in climb_give() and climb_fail() */
	int tier;     /* from 0 */
	int prompt;   /* which of the tier's templates; 0 without */
	int sample;   /* number of the sample of that prompt */
	int repair;   /* 0: the question; k: the k-th request to mend the answer */
};

/* Tiers that are out of use for the rest of the run, with the reason; one
 * array for all climbs of a cascade, owned by the engine. */
struct tier_state {
	bool out_of_use;
	struct str code, message;
	unsigned endpoints_out; /* bit n: its endpoint n is; see struct tier */
};

enum climb_way {
	CLIMB_UP = 0,   /* until an answer is accepted */
	CLIMB_RECORDED, /* the same in replay: answers come with the completions
	                   and are not extracted, and nobody is audited */
	CLIMB_ALL,      /* no climb at all: every tier is asked for all its
	                   samples, none is judged (collect) */
};

/*
 * NULL: out of memory. Everything given is borrowed for the task's life.
 *
 * With `audit` in the cascade, an accepted task that is chosen (see audit.h)
 * goes on to the top tier: what it says never becomes the answer and what goes
 * wrong there never becomes the task's status. The climb has no result before
 * that has ended, so that one transaction holds all that there is to say of the
 * task: a run that was killed in between does it again, out of the store.
 */
struct climb *climb_new(const struct cascade *k, const struct task *t,
    const struct tier_state *tiers, enum climb_way way, int64_t now_ms);

/* What is wanted now is for an audit: nobody waits for it for long, and no
 * budget is broken for it. */
bool climb_is_audit(const struct climb *c);

/* The next completion wanted; false: none for now. */
bool climb_next(struct climb *c, struct climb_ask *out);

/* What to send for it: messages in the task's arena. ERR_INPUT when a template
 * names a field that the task does not have. */
int climb_messages(struct climb *c, const struct climb_ask *ask,
    struct message **out, size_t *n, struct err *e);

struct climb_news {
	const struct completion *c; /* copied, with its text and tokens; but: */
	bool lasts;        /* its text and tokens do, as long as the task: they
	                      are not copied */
	bool cached;       /* out of the store, or another task paid for it */
	int requests;      /* sent for it; of several of one request the first
	                      bears the count */
	int retries;
	int64_t failed_picousd; /* what tries before that have cost, */
	int64_t booked_picousd; /* and what of that is a worst case, booked since
	                           they may have been billed */
};

/* It has come. *row (may be NULL) gets a place for its row number in the
 * store, to be filled in before the result is written to the ledger.
 * -1: out of memory, or a scorer failed. */
int climb_give(struct climb *c, size_t slot, const struct climb_news *news,
    int64_t now_ms, int64_t **row, struct err *e);

struct climb_failure {
	enum outcome outcome; /* RETRY and WAIT: tried long enough */
	bool not_cached;      /* --cache-only, and it is not in the store */
	bool budget;          /* the task's own cap leaves nothing for it */
	struct str code, message; /* copied */
	int requests, retries;
	int64_t cost_picousd, booked_picousd; /* as in climb_news */
};
/* An endpoint of the tier did not answer, and the next one is asked: what that
 * has cost, and that it happened, belong to the attempt. `model`: the next. */
void climb_fallback(struct climb *c, struct str model,
    const struct climb_failure *f);
/* What is given next was kept when this endpoint answered. */
void climb_answered_by(struct climb *c, struct str model);
/* It will not come. */
int climb_fail(struct climb *c, size_t slot, const struct climb_failure *f,
    int64_t now_ms, struct err *e);

/* NULL until the climb has ended; then the same for ever. */
const struct result *climb_result(const struct climb *c);

#endif
