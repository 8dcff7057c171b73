/*
 * route.h -- at which tier a task begins: higher up than the first, where the
 * low tiers have no chance (FrugalGPT and RouteLLM, arXiv 2406.18665, in one
 * policy). Decided from the task alone, before anything is asked.
 *
 *	route:
 *	  - {start: large, tags: {level: hard}}
 *	  - {start: 2, longer_than: 4k, regex: 'prove|derive'}
 *	  - {start: large, learned: small-route.model, below: 0.2}
 *
 * The first rule whose conditions all hold says where; if none does, it is the
 * first tier. `learned` is a model that `frugal learn --route` trained: its
 * tier has less than this chance to be right.
 */
#ifndef CASCADE_ROUTE_H
#define CASCADE_ROUTE_H

#include "base/yaml.h"
#include "cascade/task.h"
#include "scorers/scorer.h"

struct route; /* opaque; lives in the arena it was built in */

/* From the list under `route:`, for the tiers of these names. NULL:
 * complained in *r. route_release() frees what is not arena memory; does
 * nothing on NULL. */
struct route *route_build(const struct ynode *n, const struct str *tiers,
    size_t n_tiers, struct arena *a, struct report *r);
void route_release(struct route *route);

/* A line for each rule, for `check`: "  route: tier 3 if tag level 'hard',
 * longer than 4000 bytes". Nothing for NULL. */
void route_show(const struct route *route, struct buf *out);

/* The tier to begin with, from 0, and why if it is not the first. route may be
 * NULL. -1: *e (out of memory). */
int route_start(const struct route *route, const struct task *t,
    size_t *tier, char reason[SCORER_REASON], struct err *e);

#endif
