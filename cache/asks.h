/*
 * asks.h -- what has been asked: one row for each HTTP request, written and
 * committed before the request leaves, and completed when it has ended. So a
 * request that was asked and never answered is to be seen, and has its price.
 *
 * Three things rest on these rows:
 *
 *   the bill    every request with its outcome and its cost, those that may
 *               have been billed without an answer at their worst case;
 *   leases      an identical request of another process that is under way is
 *               waited for, not made again. A lease ends with its request, with
 *               its owner (who holds a lock in a file beside the store while it
 *               lives, which the kernel drops at its death) or at until_utc_ms;
 *   a day's cap the sum that requests of a UTC day have cost or may yet cost
 *               is kept in the same transaction, so that processes that share
 *               a store cannot pass a cap together.
 *
 * Costs are picodollars; MONEY_UNKNOWN where there is no price. Everything
 * here happens inside a transaction of the store unless it says otherwise.
 */
#ifndef CACHE_ASKS_H
#define CACHE_ASKS_H

#include "cache/store.h"

/* How a request ended: the numbers are the file's format. The first seven are
 * the actions of the errors-and-retries table (providers/provider.h). */
enum ask_outcome {
	ASK_OK = 0, /* a completion came */
	ASK_RETRY, ASK_WAIT, ASK_NEXT, ASK_FAIL, ASK_TIER, ASK_STOP,
	ASK_LOST,   /* asked, never answered: the process was ended before */
};
#define ASK_OUTCOMES 8
const char *ask_outcome_name(enum ask_outcome o);

/* This process as one that asks. Registers it (once; later calls do nothing)
 * and ends, as ASK_LOST at their worst case, the open requests of processes
 * that have died; *lost (may be NULL) gets their number and worst-case sum. */
struct asks_lost {
	int64_t requests, picousd, unknown; /* unknown: without a price */
};
int asks_begin(struct store *s, struct str run, struct str source,
    struct asks_lost *lost, struct err *e);

struct ask {
	const unsigned char *key;      /* of the cache: SHA256_BYTES */
	int first, last;               /* samples asked for lie in between */
	struct str model;              /* provider/model */
	int64_t asked_utc_ms;
	int64_t until_utc_ms;          /* by then it has ended, come what may */
	int64_t worst_picousd;
};

/* 1: a living process other than this one has asked for some of these samples;
 * 0: none; -1: *e. */
int asks_elsewhere(struct store *s, const unsigned char key[SHA256_BYTES],
    int first, int last, int64_t now_utc_ms, struct err *e);
/* Write one down, holding its worst case against its day. After asks_begin().
 * *id is its row. */
int asks_put(struct store *s, const struct ask *a, int64_t *id,
    struct err *e);

struct ask_end {
	int64_t id;
	enum ask_outcome outcome;
	int status;                    /* HTTP; 0: none */
	struct str code;
	int64_t ended_utc_ms;
	int64_t cost_picousd;          /* MONEY_UNKNOWN: the worst case stays held */
	bool booked;                   /* cost is the worst case: it may have been
	                                  billed, but nothing confirms it */
};
int asks_end(struct store *s, const struct ask_end *a, struct err *e);

/* Change nothing, so that the commit has something to sync: with it all that
 * unsynced transactions have written before. */
int asks_touch(struct store *s, struct err *e);

/* What is spent and held on the UTC day of utc_ms, by all processes. */
int asks_day(struct store *s, int64_t utc_ms, int64_t *picousd,
    struct err *e);
/* How many requests of other living processes are under way. */
int asks_others(struct store *s, int64_t now_utc_ms, int64_t *n,
    struct err *e);

/* Sums, for `stats`; outside a transaction. */
struct asks_totals {
	int64_t sent;
	int64_t by_outcome[ASK_OUTCOMES];
	int64_t open;             /* under way in a living process */
	int64_t cost_picousd;     /* of all that have a known cost; `booked` is
	                             part of it */
	int64_t booked_picousd, booked;
	int64_t booked_unknown;   /* of the booked: nothing bounds their cost */
	int64_t unknown_cost;     /* requests without a known cost */
};
/* since, until: asked in [since, until); 0: open. run: empty for all. A dead
 * process's open requests count as ASK_LOST at their worst case. */
int asks_totals(struct store *s, int64_t since_utc_ms, int64_t until_utc_ms,
    struct str run, struct str model, struct asks_totals *out, struct err *e);

/* A number that changes when another connection has written to the store. */
int store_version(struct store *s, int64_t *version, struct err *e);

#endif
