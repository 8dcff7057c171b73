/*
 * audit.c -- who is audited, and what it says.
 */
#include "cascade/audit.h"

#include "cascade/chance.h"
#include "cascade/share.h"

#define SEED 0x6175646974ull /* of this use of the hash */

bool
audit_chooses(double share, const struct task *t)
{
	return share > 0 && share_chance(t, SEED) < share;
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
