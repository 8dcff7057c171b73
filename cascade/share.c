/*
 * share.c -- which of the tasks are the share.
 */
#include "cascade/share.h"

#include <math.h>

#include "base/rand.h"

#define SEED 0x7368617265ull /* of a tier's share */

static uint64_t
mix(uint64_t h, struct str s)
{
	/* Each text is hashed under what came before it. */
	return hash64(s, h + 1);
}

/* The upper 53 bits as a number in [0, 1). */
static double
number(uint64_t h)
{
	return ldexp((double)(h >> 11), -53);
}

static uint64_t
hash_of(const struct task *t, uint64_t seed)
{
	uint64_t h = mix(seed, t->system);

	for (size_t i = 0; i < t->n_messages; i++) {
		h = mix(h, t->messages[i].role);
		h = mix(h, t->messages[i].content);
	}
	return t->n_messages ? h : mix(h, t->prompt);
}

double
share_chance(const struct task *t, uint64_t seed)
{
	return number(hash_of(t, seed));
}

bool
share_takes(double share, size_t place, const struct task *t)
{
	uint64_t h = hash_of(t, SEED + place);

	if (share >= 1)
		return true;
	if (!t->n_messages && !t->prompt.n)
		h = mix(h, t->id);
	return number(h) < share;
}
