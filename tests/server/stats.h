/*
 * stats.h -- what the server has seen: the counts of GET /stats.
 */
#ifndef TESTS_SERVER_STATS_H
#define TESTS_SERVER_STATS_H

#include "base/str.h"
#include "tests/server/bill.h"
#include "tests/server/limit.h"
#include "tests/server/script.h"

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
	int64_t tls, http2; /* connections; requests */
	int64_t ignored_streams; /* begun after a GOAWAY; no requests */
	int64_t in_flight, most_in_flight;
	struct tally by_path, by_model;
	int64_t by_status[600]; /* 0: a fault came before the answer */

	/* Bodies by their hashes, in a table that grows up to a bound. */
	struct body_seen {
		uint64_t hash;  /* 0: free */
		uint32_t times; /* that it came */
		bool paid;      /* a model ran for it */
		bool answered;  /* and its answer went out whole */
	} *bodies;
	size_t n_bodies, cap_bodies;
	bool bodies_full;
	int64_t duplicates;     /* requests with a body that had come before */
	int64_t paid_twice;     /* charged ones whose body had been charged */
	int64_t answered_twice; /* charged ones whose body had been answered */
	struct bill bill;
	struct limits limits;
};

/* One request: it counts once here when it arrives, body being the hash of its
 * body (0: it has none); gives how often that body had come before, */
int64_t stats_arrived(struct stats *s, struct str path, struct str model,
    uint64_t body);
/* once here when it is known what becomes of it, */
void stats_decided(struct stats *s, int status, enum fault f,
    struct str model, struct charge *c);
/* and once here when its connection is done with it; whole: the last byte of
 * its answer was written. */
void stats_settled(struct stats *s, const struct charge *c, bool whole);

void stats_json(const struct stats *s, struct buf *out);
/* Zero the counts, but for what is in flight; prices and limits stay. */
void stats_reset(struct stats *s);
void stats_release(struct stats *s);

#endif
