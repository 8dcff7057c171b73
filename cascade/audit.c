/*
 * audit.c -- who is audited, and what it says.
 */
#include "cascade/audit.h"

#include <math.h>

#include "base/rand.h"
#include "cascade/chance.h"

#define SEED 0x6175646974ull /* of this use of the hash */

static uint64_t
mix(uint64_t h, struct str s)
{
	/* Each text is hashed under what came before it. */
	return hash64(s, h + 1);
}

bool
audit_chooses(double share, const struct task *t)
{
	uint64_t h = SEED;

	if (!(share > 0))
		return false;
	h = mix(h, t->system);
	for (size_t i = 0; i < t->n_messages; i++) {
		h = mix(h, t->messages[i].role);
		h = mix(h, t->messages[i].content);
	}
	if (!t->n_messages)
		h = mix(h, t->prompt);
	/* The upper 53 bits as a number in [0, 1). */
	return ldexp((double)(h >> 11), -53) < share;
}

struct audit_share
audit_share(int64_t differ, int64_t audited, double confidence)
{
	double delta = (1 - confidence) / 2;

	return (struct audit_share){
	    audited ? (double)differ / (double)audited : 0,
	    chance_lower(differ, audited, delta),
	    chance_upper(differ, audited, delta) };
}

struct audit_drift
audit_drift(const struct ledger_audits *a, const struct promise *p)
{
	struct audit_drift d = { 0 };

	if (!p->given || a->tasks <= 0)
		return d;
	d.least = chance_lower(a->differ, a->audited, 1 - p->confidence)
	    * (double)a->accepted / (double)a->tasks;
	d.drifted = d.least > p->max_loss;
	return d;
}
