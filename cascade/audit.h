/*
 * audit.h -- looking after a promise while the cascade is in use: which
 * accepted tasks are asked of the top tier as well, and what the answers that
 * differ say about the promise. Pure.
 */
#ifndef CASCADE_AUDIT_H
#define CASCADE_AUDIT_H

#include "cache/ledger.h"
#include "cascade/config.h"

/*
 * Is this task among the share that is audited? By a hash of its prompt or
 * messages and its system text: the same task is chosen whenever it comes, under
 * whatever id, and with a larger share all that a smaller one chose are chosen.
 */
bool audit_chooses(double share, const struct task *t);

/* A share of audited answers that differ from the top tier's, with its exact
 * interval (Clopper-Pearson, delta / 2 on either side). n = 0: 0 to 1. */
struct audit_share {
	double share, low, high;
};
struct audit_share audit_share(int64_t differ, int64_t audited,
    double confidence);

/*
 * What audits say of a cascade's promise to lose no more than max_loss of its
 * answers against the top tier. An answer is lost only where the two differ, so
 * of all answers no more are lost than differ: the share that was accepted below
 * the top tier (known) times the share of those that differs (from audits). When
 * even the exact lower bound of that, at the promise's confidence, is above
 * max_loss, differing has become more frequent than the promise allows losing.
 * It does not follow that so much is lost: the top tier may be the one that
 * errs.
 */
struct audit_drift {
	double least;   /* the lower bound of what differs, of all answers */
	bool drifted;
};
struct audit_drift audit_drift(const struct ledger_audits *a,
    const struct promise *p);

#endif
