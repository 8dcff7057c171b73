/*
 * rand.h -- random numbers for jitter and temporary names; not for secrets.
 * And a hash of text into 64 bits for simulations and tables, the same on
 * every machine and in every run.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base/str.h"

struct rng { uint64_t s[2]; };

void rng_seed(struct rng *r, uint64_t seed);
void rng_seed_system(struct rng *r); /* getrandom(2) */
uint64_t rng_u64(struct rng *r);
double rng_unit(struct rng *r); /* in [0, 1) */

uint64_t hash64(struct str s, uint64_t seed);

#endif
