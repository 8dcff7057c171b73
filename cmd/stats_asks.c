/*
 * stats_asks.c -- requests in `frugal stats`.
 */
#include "cmd/stats_asks.h"

#include "base/money.h"

void
stats_asks_json(struct jw *w, const struct asks_totals *t)
{
	jw_key(w, "requests");
	jw_open(w, '{');
	jw_ki64(w, "sent", t->sent);
	jw_key(w, "by_outcome");
	jw_open(w, '{');
	for (int i = 0; i < ASK_OUTCOMES; i++)
		jw_ki64(w, ask_outcome_name((enum ask_outcome)i),
		    t->by_outcome[i]);
	jw_close(w, '}');
	jw_ki64(w, "open", t->open);
	jw_kmoney(w, "cost_usd", t->cost_picousd);
	jw_kmoney(w, "booked_usd", t->booked_picousd);
	jw_ki64(w, "booked", t->booked);
	jw_ki64(w, "booked_unknown", t->booked_unknown);
	jw_ki64(w, "unknown_cost", t->unknown_cost);
	jw_close(w, '}');
}

/* What each outcome means to somebody who reads the bill. */
static const char *const meaning[ASK_OUTCOMES] = {
	[ASK_OK] = "answered",
	[ASK_RETRY] = "failed and worth another try",
	[ASK_WAIT] = "told to wait (rate limit)",
	[ASK_NEXT] = "not for this model",
	[ASK_FAIL] = "refused for the task's sake",
	[ASK_TIER] = "refused for the tier's sake",
	[ASK_STOP] = "refused for the account's sake",
	[ASK_LOST] = "asked, never answered",
};

void
stats_asks_text(struct buf *b, const struct asks_totals *t)
{
	const char *comma = ": ";

	if (!t->sent)
		return;
	buf_addf(b, "requests: %lld", (long long)t->sent);
	for (int i = 0; i < ASK_OUTCOMES; i++) {
		if (!t->by_outcome[i])
			continue;
		buf_addf(b, "%s%lld %s", comma, (long long)t->by_outcome[i],
		    meaning[i]);
		comma = ", ";
	}
	if (t->open)
		buf_addf(b, "%s%lld under way", comma, (long long)t->open);
	buf_addc(b, '\n');
	if (!t->booked)
		return;
	buf_adds(b, "booked at the worst case: ");
	money_show(b, t->booked_unknown < t->booked ? t->booked_picousd
	    : MONEY_UNKNOWN);
	buf_addf(b, " for %lld request%s without an answer that may have been "
	    "billed", (long long)t->booked, t->booked == 1 ? "" : "s");
	if (t->booked_unknown && t->booked_unknown < t->booked)
		buf_addf(b, ", and unknown for %lld of them",
		    (long long)t->booked_unknown);
	buf_addc(b, '\n');
}
