/*
 * estimate.h -- what a run would cost, from the lengths of the prompts, the
 * prices, and what the ledger knows of each tier: how often it accepts, how
 * long its answers are, how many requests and samples a visit takes.
 *
 * Three figures for everything: low and high bound the expected one by the 95 %
 * interval of each tier's acceptance rate (Wilson), by prompts of a token for
 * five to three bytes (four expected), and, where the ledger knows nothing of a
 * tier, by answers of ESTIMATE_LOW_TOKENS to its limit.
 */
#ifndef CASCADE_ESTIMATE_H
#define CASCADE_ESTIMATE_H

#include "cache/store.h"
#include "cascade/config.h"
#include "cascade/result.h"

struct estimate; /* opaque */

#define ESTIMATE_TOKENS 256     /* of an answer, where nothing is known */
#define ESTIMATE_LOW_TOKENS 16
#define ESTIMATE_HIGH_TOKENS 4096 /* the same, without a limit either */

/* Reads the ledger of `store` (may be NULL: nothing is known). */
int estimate_new(struct estimate **out, const struct config *cfg,
    struct store *store, struct err *e);
void estimate_free(struct estimate *x); /* NULL is fine */

/* A task that was looked up in the store alone (CACHE_ONLY): it is done
 * already, or it would be asked from the tier on where its climb ended. */
void estimate_add(struct estimate *x, const struct result *r);

enum { ESTIMATE_LOW, ESTIMATE_EXPECTED, ESTIMATE_HIGH, ESTIMATE_FIGURES };

struct estimate_row {
	const struct cascade *cascade;
	const struct tier *tier;
	int number;          /* of the tier, from 1 */
	double tasks[ESTIMATE_FIGURES], requests[ESTIMATE_FIGURES];
	int64_t cost_picousd[ESTIMATE_FIGURES]; /* or MONEY_UNKNOWN */
	int64_t judged;      /* visits that the ledger knows of */
	double accepts[ESTIMATE_FIGURES]; /* rates; the last tier's are 1 */
	double answer_tokens[ESTIMATE_FIGURES];
};
/* Each tier that a task came to, in order; *i starts at 0. False: the end. */
bool estimate_each(const struct estimate *x, size_t *i,
    struct estimate_row *row);

struct estimate_totals {
	int64_t tasks, stored, failed; /* stored: they would cost nothing */
	double requests[ESTIMATE_FIGURES];
	int64_t cost_picousd[ESTIMATE_FIGURES];
	bool unknown;        /* a model without a price: its cost is left out */
	bool guessed;        /* the ledger does not know every tier */
};
struct estimate_totals estimate_totals(const struct estimate *x);

#endif
