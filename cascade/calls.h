/*
 * calls.h -- completions on their way: identical requests in flight are made
 * once, retries wait their time, providers are asked no faster than allowed.
 *
 * The samples wanted of one request (see cascade/key.h) are asked for in one
 * HTTP request where the server has `n` (the prompt is paid for once), else in
 * one each. What has come stays here, found by key, until the owner has
 * committed it to the store: so it is never asked for again in between.
 */
#ifndef CASCADE_CALLS_H
#define CASCADE_CALLS_H

#include "cache/store.h"
#include "cascade/climb.h"
#include "providers/http.h"

struct calls; /* opaque */

#define CALLS_RETRIES 4 /* default */

/* One sample wanted by somebody. Owned by the one who wants it, who keeps it
 * until calls_kept() or calls_free(), or until lost(). */
struct want {
	struct want *next;  /* private */
	int sample;
	size_t slot;        /* the wanter's */
	void *owner;        /* the wanter's */
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
	void *cookie;
};

int calls_new(struct calls **out, struct http *h, const struct config *cfg,
    int max_in_flight, int retries, const struct calls_ops *ops,
    struct err *e);
void calls_free(struct calls *k);

/* A request by its key: the samples that are wanted of it. All is copied. */
struct calls_ask {
	const struct tier *tier;
	const struct message *messages;
	size_t n_messages;
	int64_t max_tokens;   /* 0: the tier's */
	struct str canon;
	const unsigned char *key;
};

/* Join a call that has or will have this sample: true if there is one (got()
 * may run at once). */
bool calls_join(struct calls *k, const unsigned char key[SHA256_BYTES],
    struct want *w);
/* Ask for the samples of the list `wants` (in order of sample). Sends as soon
 * as the limits allow. */
int calls_ask(struct calls *k, const struct calls_ask *q, struct want *wants,
    struct err *e);

/* Send nothing more; what is in flight may finish. What waits is lost, with
 * outcome OUTCOME_STOP and code "stopped". */
void calls_stop(struct calls *k);

size_t calls_in_flight(const struct calls *k); /* sent, or waiting to retry */
size_t calls_to_keep(const struct calls *k);   /* completions not committed */
int64_t calls_oldest_ms(const struct calls *k); /* arrival of the first */

/* Put all that has come into the open transaction and fill in the row numbers;
 * then, after the commit, forget them. */
int calls_keep(struct calls *k, struct store *s, struct err *e);
void calls_kept(struct calls *k);

/* Totals of this run, for `batch` and `bench`. */
struct calls_totals {
	int64_t requests, retries, completions;
};
struct calls_totals calls_totals(const struct calls *k);

#endif
