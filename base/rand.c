/*
 * rand.c -- xoroshiro128++ (Blackman and Vigna) seeded by SplitMix64 (Steele,
 * Lea and Flood), and a hash that sends every 8 bytes through the latter's
 * mixing step.
 */
#include <endian.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/rand.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t
rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void
rng_seed(struct rng *r, uint64_t seed)
{
	/* mix() is a bijection: the two are never 0 together. */
	r->s[0] = mix(seed + GOLDEN);
	r->s[1] = mix(seed + GOLDEN * 2);
}

void
rng_seed_system(struct rng *r)
{
	uint64_t seed;
	struct timespec now = { 0 };

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		/* Jitter needs to differ between processes, no more. */
		clock_gettime(CLOCK_MONOTONIC, &now);
		seed = mix((uint64_t)now.tv_sec << 32 ^
		    (uint64_t)now.tv_nsec) ^ (uint64_t)getpid();
	}
	rng_seed(r, seed);
}

uint64_t
rng_u64(struct rng *r)
{
	uint64_t a = r->s[0], b = r->s[1];
	uint64_t result = rotl(a + b, 17) + a;

	b ^= a;
	r->s[0] = rotl(a, 49) ^ b ^ b << 21;
	r->s[1] = rotl(b, 28);
	return result;
}

double
rng_unit(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

/* Up to 8 bytes, the first one lowest on every machine. */
static uint64_t
load(const char *p, size_t n)
{
	uint64_t w = 0;

	memcpy(&w, p, n);
	return le64toh(w);
}

uint64_t
hash64(struct str s, uint64_t seed)
{
	uint64_t h = mix(seed + GOLDEN) ^ s.n;
	size_t i;

	for (i = 0; s.n - i >= 8; i += 8)
		h = mix((h ^ load(s.p + i, 8)) + GOLDEN);
	if (i < s.n)
		h = mix((h ^ load(s.p + i, s.n - i)) + GOLDEN);
	return mix(h + GOLDEN);
}
