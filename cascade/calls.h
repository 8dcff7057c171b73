/*
 * calls.h -- completions on their way: identical requests in flight are made
 * once, retries wait their time, models are asked no faster than allowed, and
 * no faster than the budget allows.
 *
 * The samples wanted of one request (see cascade/key.h) are asked for in one
 * HTTP request where the server has `n` (the prompt is paid for once), else in
 * one each. What has come stays here, found by key, until the owner has
 * committed it to the store: so it is never asked for again in between.
 *
 * Nothing leaves before it is written down (cache/asks.h). The owner's turn:
 *
 *   calls_keep()   puts what has come, what has ended and what is about to be
 *                  asked into the open transaction, but for requests that
 *                  another process is making, or has made by now
 *   calls_kept()   after the commit: lets go of what is kept, sends what was
 *                  written down, gives what others had made
 *   calls_unkept() instead, where the commit failed: nothing is sent
 */
#ifndef CASCADE_CALLS_H
#define CASCADE_CALLS_H

#include "cache/asks.h"
#include "cache/store.h"
#include "cascade/budget.h"
#include "cascade/climb.h"
#include "providers/http.h"

struct calls; /* opaque */

#define CALLS_RETRIES 4 /* default */
/* A server that asks for more time than this is out of service. */
#define CALLS_MAX_WAIT_MS (10 * 60 * 1000)
/* How long those wait for a model that does not answer who have nowhere else
 * to go. */
#define CALLS_PATIENCE_MS (2 * 60 * 1000)
/* A request is sent no more often than this, however long its wanter stays. */
#define CALLS_MOST_TRIES 100
/* The tokens that a chat template may add to what was written. */
#define CALLS_TEMPLATE_TOKENS 256

/* One sample wanted by somebody. Owned by the one who wants it, who keeps it
 * until calls_kept() or calls_free(), until lost(), or until calls_leave(). */
struct want {
	struct want *next;  /* private */
	struct call *call;  /* private: NULL when it has come */
	int sample;
	size_t slot;        /* the wanter's */
	void *owner;        /* the wanter's */
	struct budget *budget; /* the wanter's cap; may be NULL */
	bool dispensable;      /* where a cap of the run or the day leaves no room
	                          for it, it is lost, and nothing is `broke` */
	int64_t deadline_ms;   /* on the monotonic clock; 0: none */
	int64_t *row;       /* set by the wanter in `got`: where the row number
	                       goes at calls_kept(); may stay NULL */
};

struct calls_ops {
	/* c is borrowed; cached is true for all but the first who wanted it. */
	void (*got)(void *cookie, struct want *w, const struct climb_news *n);
	void (*lost)(void *cookie, struct want *w,
	    const struct climb_failure *f);
	/* A request will be sent again in delay_ms, for the how-manieth time. */
	void (*again)(void *cookie, const struct tier *t, struct str code,
	    struct str message, int64_t delay_ms, int retry);
	/* A tier can be used no more, or (stop) nothing of the provider. */
	void (*out_of_use)(void *cookie, const struct tier *t, bool stop,
	    struct str code, struct str message);
	/* A model does not answer (`out`), or answers again. May be NULL. */
	void (*outage)(void *cookie, const struct tier *t, bool out,
	    struct str code, struct str message);
	/* The cap of the run, or of the day, leaves too little for the next
	 * request, which may cost `worst`; nothing under way can change that. */
	void (*broke)(void *cookie, bool day, int64_t worst_picousd,
	    int64_t held_picousd);
	void *cookie;
};

struct calls_options {
	int max_in_flight;
	int retries;        /* -1: the configuration's */
	bool keep;          /* put completions into the store */
	bool reuse;         /* look up what others have kept before sending */
	bool unwritten;     /* there is no store: requests leave as they are */
	struct caps caps;   /* of a run and of a day; a task's is its want's */
	struct str run, source; /* for asks_begin(); borrowed */
};

int calls_new(struct calls **out, struct http *h, const struct config *cfg,
    const struct calls_options *o, const struct calls_ops *ops,
    struct err *e);
void calls_free(struct calls *k);

/* What a wanter does when this tier does not answer. */
enum outage_rule {
	OUTAGE_PATIENT = 0, /* has nowhere else to go: waits for a while */
	OUTAGE_LEAVE,       /* goes elsewhere at once */
	OUTAGE_STAY,        /* waits as long as it takes */
};

/* A request by its key: the samples that are wanted of it. All is copied. */
struct calls_ask {
	const struct tier *tier; /* or one of its `others` */
	const struct message *messages;
	size_t n_messages;
	int64_t max_tokens;   /* 0: the tier's */
	struct str canon;
	const unsigned char *key;
	enum outage_rule outage;
};

/* Join a call that has or will have this sample: true if there is one (got()
 * may run at once). */
bool calls_join(struct calls *k, const unsigned char key[SHA256_BYTES],
    struct want *w);
/* Ask for the samples of the list `wants` (in order of sample). */
int calls_ask(struct calls *k, const struct calls_ask *q, struct want *wants,
    struct err *e);
/* It is not wanted any more. A request that has left stays under way, and is
 * kept; one that has not is dropped. The last who leaves it is told in *f, which
 * is zeroed before, what that has cost: what is under way at its worst case. */
void calls_leave(struct calls *k, struct want *w, struct climb_failure *f);

/* The most that a request for `samples` samples can cost, in picodollars;
 * MONEY_UNKNOWN without a price, or without a bound on its length. */
int64_t calls_worst(const struct tier *t, struct str canon,
    size_t n_messages, int64_t max_tokens, int samples, int64_t utc_ms);

/* Send nothing more; what is in flight may finish. What waits is lost, with
 * outcome OUTCOME_STOP and code "stopped". */
void calls_stop(struct calls *k);
/* Give up what is in flight as well, booked at its worst case. */
void calls_abandon(struct calls *k);

size_t calls_in_flight(const struct calls *k); /* or on its way to be */
size_t calls_to_keep(const struct calls *k);   /* completions not committed */
size_t calls_to_note(const struct calls *k);   /* to be written before it is
                                                  sent, or after it has ended */
bool calls_must_look(const struct calls *k);   /* what others do is to be
                                                  looked at again by now */
int64_t calls_oldest_ms(const struct calls *k); /* arrival of the first */

int calls_keep(struct calls *k, struct store *s, struct err *e);
void calls_kept(struct calls *k);
void calls_unkept(struct calls *k); /* the owner stops then */

/* Totals of this run. */
struct calls_totals {
	int64_t requests, retries, completions;
	int64_t by_outcome[ASK_OUTCOMES];
	int64_t cost_picousd;   /* of all that have ended, as far as known */
	int64_t booked, booked_picousd; /* may have been billed, unconfirmed */
	int64_t waited;     /* requests of other processes that were waited for */
	struct asks_lost found; /* requests of processes that have died */
};
struct calls_totals calls_totals(const struct calls *k);

#endif
