/*
 * order.h -- lines that come in any order, let through in theirs. What comes
 * before its turn waits: in memory up to a bound, beyond it in a temporary file
 * (spill.h), so that one line that is long in coming stops nobody.
 */
#ifndef CMD_ORDER_H
#define CMD_ORDER_H

#include "base/err.h"
#include "base/str.h"

struct order; /* opaque */

/* `held` bytes of lines, with 64 each for what goes with it, may wait in
 * memory; `beside`, which may be NULL, is where the lines go in the end, as for
 * spill_open(). NULL: out of memory. */
struct order *order_new(size_t held, const char *beside);
void order_free(struct order *o);

/* Line number `seq` (from 0, each once, not below what was let through), which
 * is copied. That it cannot be written to the temporary file is no failure:
 * see order_limit(). */
int order_put(struct order *o, int64_t seq, struct str line, struct err *e);
/* 1: *line, borrowed until the next call, is let through; 0: the one whose turn
 * it is has not come; -1: it cannot be read back. */
int order_next(struct order *o, struct str *line, struct err *e);
/* Pass over what is missing. False: nothing waits. */
bool order_jump(struct order *o);

/* The first number that may not be begun now: more than `held` waits, and the
 * disk is full. What is under way then still comes, so that `held` and one line
 * for each that is under way are the most that is in memory, however long the
 * line takes that is missing. INT64_MAX: none. */
int64_t order_limit(const struct order *o);
/* True, once, when that has happened: *e says why. */
bool order_trouble(struct order *o, struct err *e);

struct order_counts {
	int64_t waiting; /* lines */
	int64_t spilled; /* lines that were written to the file so far */
	int64_t most;    /* bytes that were in it at once */
};
struct order_counts order_counts(const struct order *o);

#endif
