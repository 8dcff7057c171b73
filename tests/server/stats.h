/*
 * stats.h -- what the server has seen: the counts of GET /stats.
 */
#ifndef TESTS_SERVER_STATS_H
#define TESTS_SERVER_STATS_H

#include "base/str.h"
#include "tests/server/answer.h"

#define TALLY_NAMES 64 /* further ones are counted together */

struct tally {
	struct tally_entry {
		char name[96];
		int64_t count;
	} v[TALLY_NAMES];
	size_t n;
	int64_t others;
};

struct stats {
	int64_t requests, connections, faults;
	int64_t in_flight, most_in_flight;
	struct tally by_path, by_model;
	int64_t by_status[600]; /* 0: a fault came before the answer */

	/* Bodies by their hashes, in a table that grows up to a bound. */
	uint64_t *bodies;
	size_t n_bodies, cap_bodies;
	bool bodies_full;
	int64_t duplicates;  /* requests with a body that had come before */
	int64_t paid_twice;  /* answered ones whose body had been answered */
	struct billed billed;
};

/* One request: it counts once here when it arrives, */
void stats_arrived(struct stats *s, struct str path, struct str model);
/* and once here when it is known what becomes of it. billed NULL: no model
 * was run for it. */
void stats_decided(struct stats *s, int status, enum fault f,
    struct str body, const struct billed *billed);

void stats_json(const struct stats *s, struct buf *out);
/* Zero the counts, but for what is in flight. */
void stats_reset(struct stats *s);
void stats_release(struct stats *s);

#endif
