/*
 * audits.h -- what audits found: a table and JSON for `frugal stats`, and the
 * warning when they no longer bear out what a cascade was promised to do.
 */
#ifndef CMD_AUDITS_H
#define CMD_AUDITS_H

#include "base/json.h"
#include "cascade/audit.h"
#include "cmd/common.h"

/* Groups as in `by`, if that is LEDGER_BY_TAG, else by tier. Nothing where there
 * are no audits. */
int audits_table(struct store *s, const struct ledger_filter *f,
    enum ledger_group by, struct err *e);
/* The member `audits` of an object. */
int audits_json(struct jw *w, struct store *s, const struct ledger_filter *f,
    enum ledger_group by, struct err *e);

/* A promise of the configuration, and what audits say of it. */
struct audits_promise {
	const struct cascade *cascade;
	struct ledger_audits found; /* of the cascade, since its promise */
	struct audit_drift drift;
};
/* Those of which there is an audit, of the cascade `only` if it is not empty;
 * audits before since_utc_ms do not count. */
int audits_promises(struct store *s, const struct config *cfg,
    struct str only, int64_t since_utc_ms, void (*each)(void *cookie,
    const struct audits_promise *p), void *cookie, struct err *e);

/* For audits_promises(), without a cookie: a warning on standard error where a
 * promise is no longer borne out. */
void audits_warn(void *cookie, const struct audits_promise *p);
/* An element of a list. cookie: struct jw *. */
void audits_promise_json(void *cookie, const struct audits_promise *p);
/* A line. cookie: struct buf *. */
void audits_promise_text(void *cookie, const struct audits_promise *p);

#endif
