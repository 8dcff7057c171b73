/*
 * result.c -- a result as JSON and as rows of the ledger.
 */
#include "cascade/result.h"

#include <math.h>

#include "base/money.h"
#include "base/utf8.h"

#define PROMPT_KEPT 1024

int64_t
result_top(const struct cascade *k, const struct ledger_attempt *last,
    int64_t prompt_tokens, int64_t utc_ms)
{
	const struct tier *top = &k->tiers[k->n_tiers - 1];
	struct usage u = { .prompt = prompt_tokens };

	if (last->tier == (int)k->n_tiers && last->samples)
		return money_add(last->cost_picousd, last->cached_picousd);
	if (last->samples < 1 || !prompt_tokens)
		return MONEY_UNKNOWN;
	u.completion = last->completion_tokens / last->samples;
	return money_mul(price_cost(&top->price, &u, utc_ms, false),
	    top->samples_min);
}

/* Absent rather than null: the logarithm of 0 is no number of JSON's. */
static void
add_score(struct jw *w, const char *name, const char *name_log,
    struct score s)
{
	jw_kdouble(w, name, s.p);
	if (isfinite(s.ln))
		jw_kdouble(w, name_log, s.ln);
}

static void
add_booked(struct jw *w, int64_t picousd)
{
	if (picousd)
		jw_kmoney(w, "booked_usd", picousd);
}

static void
add_attempt(struct jw *w, const struct ledger_attempt *at)
{
	jw_open(w, '{');
	jw_ki64(w, "tier", at->tier);
	jw_kstr(w, "model", at->model);
	jw_ki64(w, "samples", at->samples);
	if (at->scored) {
		add_score(w, "score", "score_log", (struct score){
		    at->score, at->score_ln });
		add_score(w, "threshold", "threshold_log", (struct score){
		    at->threshold, at->threshold_ln });
	}
	jw_kstr(w, "verdict", str_of(attempt_verdict_name(at->verdict)));
	if (at->reason.n)
		jw_kstr(w, "reason", at->reason);
	jw_kmoney(w, "cost_usd", at->cost_picousd);
	add_booked(w, at->booked_picousd);
	jw_ki64(w, "cached", at->cached);
	if (at->repairs)
		jw_ki64(w, "repairs", at->repairs);
	jw_ki64(w, "requests", at->requests);
	if (at->retries)
		jw_ki64(w, "retries", at->retries);
	if (at->fallbacks)
		jw_ki64(w, "fallbacks", at->fallbacks);
	jw_ki64(w, "latency_ms", at->latency_ms);
	jw_close(w, '}');
}

static void
add_audit(struct jw *w, const struct result *r)
{
	if (!r->audit)
		return;
	jw_key(w, "audit");
	jw_open(w, '{');
	jw_kstr(w, "model", r->audit->model);
	jw_kstr(w, "outcome", str_of(audit_outcome_name(r->audit_outcome)));
	if (r->audit->reason.n)
		jw_kstr(w, "reason", r->audit->reason);
	jw_kmoney(w, "cost_usd", r->audit->cost_picousd);
	jw_ki64(w, "latency_ms", r->audit->latency_ms);
	jw_close(w, '}');
}

/* Where there is no pattern, the answer is the text: it is escaped once. */
static void
add_text(struct jw *w, const struct result *r)
{
	size_t from, n;

	jw_key(w, "text");
	from = w->out->n;
	jw_str(w, r->text);
	n = w->out->n - from;
	if (!r->has_answer)
		return;
	if (r->answer.p != r->text.p || r->answer.n != r->text.n) {
		jw_kstr(w, "answer", r->answer);
		return;
	}
	jw_key(w, "answer");
	jw_again(w, from, n);
}

static void
add_answer(struct jw *w, const struct result *r)
{
	if (r->tier) {
		add_text(w, r);
		if (r->correct != UNSET)
			jw_kbool(w, "correct", r->correct == YES);
	}
	jw_kstr(w, "cascade", r->cascade->name);
	if (!r->tier)
		return;
	jw_ki64(w, "tier", r->tier);
	jw_kstr(w, "model", r->model);
	if (r->scored)
		add_score(w, "score", "score_log", r->score);
	jw_kstr(w, "verdict", str_of(attempt_verdict_name(
	    r->attempts[r->n_attempts - 1].verdict)));
}

void
result_json(struct buf *out, const struct result *r, bool simulated)
{
	struct jw w = jw_shown(out);

	jw_open(&w, '{');
	jw_kstr(&w, "id", r->task->id);
	jw_kstr(&w, "status", str_of(task_status_name(r->status)));
	add_answer(&w, r);
	jw_kmoney(&w, "cost_usd", r->cost_picousd);
	add_booked(&w, r->booked_picousd);
	jw_kmoney(&w, "saved_usd", money_sub(r->top_picousd,
	    r->cost_picousd));
	jw_ki64(&w, "prompt_tokens", r->prompt_tokens);
	jw_ki64(&w, "completion_tokens", r->completion_tokens);
	jw_ki64(&w, "latency_ms", r->latency_ms);
	jw_kbool(&w, "cached", r->cached);
	if (simulated)
		jw_kbool(&w, "simulated", true);
	if (r->route.n)
		jw_kstr(&w, "route", r->route);
	jw_key(&w, "attempts");
	jw_open(&w, '[');
	for (size_t i = 0; i < r->n_attempts; i++)
		add_attempt(&w, &r->attempts[i]);
	jw_close(&w, ']');
	add_audit(&w, r);
	if (r->error_message.n || r->error_code.n) {
		jw_key(&w, "error");
		jw_open(&w, '{');
		jw_kstr(&w, "code", r->error_code);
		jw_kstr(&w, "message", r->error_message);
		jw_close(&w, '}');
	}
	jw_close(&w, '}');
}

void
result_tags(struct buf *out, const struct task *t)
{
	struct jw w = jw_on(out);

	if (!t->n_tags)
		return;
	jw_open(&w, '{');
	for (size_t i = 0; i < t->n_tags; i++) {
		jw_key_str(&w, t->tags[i].name);
		jw_str(&w, t->tags[i].value);
	}
	jw_close(&w, '}');
}

void
result_ledger(const struct result *r, struct str run, struct str source,
    int64_t now_utc_ms, struct buf *tags, struct buf *error,
    struct ledger_task *out)
{
	buf_clear(tags);
	buf_clear(error);
	result_tags(tags, r->task);
	if (r->error_code.n)
		buf_addf(error, "%.*s: %.*s", STR_ARG(r->error_code),
		    STR_ARG(r->error_message));
	*out = (struct ledger_task){
		.id = r->task->id,
		.run = run,
		.cascade = r->cascade->name,
		.source = source,
		.prompt = utf8_clip(r->task->prompt, PROMPT_KEPT),
		.tags = buf_str(tags),
		.status = r->status,
		.tier = r->tier,
		.tiers = (int)r->cascade->n_tiers,
		.model = r->model,
		.cost_picousd = r->cost_picousd,
		.booked_picousd = r->booked_picousd == MONEY_UNKNOWN ? 0
		    : r->booked_picousd,
		.cached_picousd = r->cached_picousd,
		.top_picousd = r->top_picousd,
		.finished_utc_ms = now_utc_ms,
		.latency_ms = r->latency_ms,
		.cached = r->cached,
		.error = buf_str(error),
		.attempts = r->attempts,
		.n_attempts = r->n_attempts,
		.audit = r->audit,
		.audit_outcome = r->audit_outcome,
		.audit_picousd = r->audit_picousd,
		.collected = r->visits != NULL,
		.reference = r->task->reference,
	};
}
