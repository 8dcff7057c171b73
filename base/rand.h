/*
 * rand.h -- random numbers for jitter and temporary names; not for secrets.
 * And a hash of text into 64 bits for simulations and tables, the same on
 * every machine and in every run.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <endian.h>
#include <string.h>

#include "base/str.h"

struct rng { uint64_t s[2]; };

void rng_seed(struct rng *r, uint64_t seed);
void rng_seed_system(struct rng *r); /* getrandom(2) */
uint64_t rng_u64(struct rng *r);
double rng_unit(struct rng *r); /* in [0, 1) */

uint64_t hash64(struct str s, uint64_t seed);

/* A sum by which accidental changes are seen, in half the time: whatever changes
 * within eight bytes that begin at a multiple of eight always is. */
static inline uint64_t checksum64(struct str s, uint64_t seed);

static inline uint64_t
checksum64(struct str s, uint64_t seed)
{
	uint64_t h = (seed ^ s.n) * UINT64_C(0x9e3779b97f4a7c15), w;

	/* Each step is one to one in the word, and so are those that follow. */
	for (; s.n >= sizeof(w); s = str_sub(s, sizeof(w), s.n)) {
		memcpy(&w, s.p, sizeof(w));
		h = ((h << 29 | h >> 35) ^ le64toh(w))
		    * UINT64_C(0x9e3779b97f4a7c15);
	}
	if (s.n) {
		w = 0;
		memcpy(&w, s.p, s.n);
		h = ((h << 29 | h >> 35) ^ le64toh(w))
		    * UINT64_C(0x9e3779b97f4a7c15);
	}
	return h ^ h >> 32;
}

#endif
