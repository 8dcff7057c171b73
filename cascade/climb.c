/*
 * climb.c -- one task's way up the tiers.
 *
 *   ASKING   completions of this tier are wanted or on their way
 *                -> ASKING when the verdict needs more samples or a repair
 *                -> ASKING one tier up when it says "escalate"
 *                -> ASKING the top tier when the answer is to be audited
 *                -> DONE
 *   DONE     final; the result stands
 *
 * With CLIMB_ALL it is ASKING each tier once, for everything, and then DONE.
 *
 * A tier has one slot for each completion it may ask for. A slot is WANTED,
 * ASKED, then HERE or FAILED. When no slot is wanted or asked, the completions
 * that are here are judged. Failed ones count in the verdict as answers that
 * agree with nothing, so that losing samples never makes a score better.
 */
#include "cascade/climb.h"

#include <string.h>

#include "base/money.h"
#include "base/utf8.h"
#include "cascade/audit.h"
#include "cascade/route.h"
#include "cascade/share.h"

enum slot_state { SLOT_WANTED, SLOT_ASKED, SLOT_HERE, SLOT_FAILED };

struct slot {
	enum slot_state state;
	int prompt, sample, repair;
	struct completion c;
	int place;         /* of its row number, in the attempt's rows */
	struct str code, message; /* of a failure */
	enum outcome outcome;
	bool not_cached, budget;
};

struct climb {
	struct arena *arena;
	const struct cascade *cascade;
	const struct task *task;
	const struct tier_state *tiers;
	enum climb_way way;
	bool auditing, done; /* auditing: the last attempt is the audit */
	int tier;
	struct slot *slots; /* of this tier */
	size_t n_slots;
	size_t wanted, open; /* open: wanted or asked */
	int prompt;          /* of the slot that was handed out last */
	int64_t prompt_tokens; /* of one prompt of this tier, for result_top() */
	int64_t asked_utc_ms;  /* of the last completion */
	bool unknown_tokens;   /* a completion of this tier came without usage */
	int repairs;
	struct str repair_answer, repair_reason; /* of the slot in repair */
	struct completion best; /* the answer of the last tier that was judged */
	int best_tier;
	struct str best_model;
	int64_t *rows;      /* of the attempt: see enter_tier() */
	int64_t started_ms, tier_started_ms;
	struct ledger_attempt *attempts;
	size_t n_attempts;
	struct visit *visits; /* CLIMB_ALL */
	struct completion *below; /* the choices of the tiers that escalated */
	size_t n_below;
	struct result result;
};

static const struct tier *
tier_now(const struct climb *c)
{
	return &c->cascade->tiers[c->tier];
}

static struct ledger_attempt *
attempt_now(struct climb *c)
{
	return &c->attempts[c->n_attempts - 1];
}

static bool
add_slots(struct climb *c, size_t n)
{
	const struct tier *t = tier_now(c);
	size_t prompts = t->n_prompts ? t->n_prompts : 1;
	struct slot *v;

	if (!c->slots) {
		v = arena_array(c->arena, (size_t)t->samples_max, sizeof(*v));
		if (!v)
			return false;
		c->slots = v;
	}
	for (; n && c->n_slots < (size_t)t->samples_max; n--) {
		size_t i = c->n_slots++;
		c->slots[i].prompt = (int)(i % prompts);
		c->slots[i].sample = (int)(i / prompts);
		c->wanted++;
		c->open++;
	}
	return true;
}

static int finish(struct climb *c, enum task_status status, int64_t now_ms);
static int finish_visits(struct climb *c, int64_t now_ms);

/* The tier is out of use, and it is for that that the task fails. */
static int
finish_out_of_use(struct climb *c, const struct tier_state *s,
    int64_t now_ms)
{
	if (!c->result.error_message.n) {
		c->result.error_code = s->code;
		c->result.error_message = s->message;
	}
	return c->way == CLIMB_ALL ? finish_visits(c, now_ms)
	    : finish(c, TASK_FAILED, now_ms);
}

/* The attempt's reason. The first one's begins with that of the route: the
 * ledger has no other place for it. `reason` is borrowed for the task's life. */
static int
note_reason(struct climb *c, struct str reason, struct err *e)
{
	struct str route = c->result.route;
	struct str *to = &c->attempts[c->n_attempts - 1].reason;
	char *both;

	*to = reason;
	if (c->n_attempts > 1 || !route.n)
		return 0;
	both = arena_printf(c->arena, "%.*s%s%.*s", STR_ARG(route), reason.n
	    ? "; " : "", STR_ARG(reason));
	if (!both)
		return err_nomem(e);
	*to = str_of(both);
	return 0;
}

/* Begin the tier c->tier, or the first above it that is in use. */
static int
enter_tier(struct climb *c, int64_t now_ms, struct err *e)
{
	for (;; c->tier++) {
		const struct tier_state *s = &c->tiers[c->tier];
		struct ledger_attempt *at = &c->attempts[c->n_attempts++];

		*at = (struct ledger_attempt){ .tier = c->tier + 1,
		    .model = tier_now(c)->model, .chosen = -1,
		    .verdict = ATTEMPT_FAILED };
		if (!s->out_of_use)
			break;
		if (note_reason(c, s->message, e) < 0)
			return -1;
		if (c->tier + 1 == (int)c->cascade->n_tiers
		    || (c->cascade->on_outage != OUTAGE_CLIMB
		    && c->way != CLIMB_ALL))
			return finish_out_of_use(c, s, now_ms);
	}
	c->tier_started_ms = now_ms;
	c->slots = NULL;
	c->n_slots = c->wanted = c->open = 0;
	c->prompt = 0;
	c->repairs = 0;
	c->prompt_tokens = 0;
	c->unknown_tokens = false;
	/* One place for each completion that may come, those that a repair
	 * replaces included: it is filled in when the store has numbered it. */
	c->rows = arena_array(c->arena, (size_t)(tier_now(c)->samples_max
	    + tier_now(c)->repair), sizeof(*c->rows));
	attempt_now(c)->rows = c->rows;
	if (!c->rows || !add_slots(c, (size_t)(c->way == CLIMB_ALL
	    ? tier_now(c)->samples_max : tier_now(c)->samples_min)))
		return err_nomem(e);
	return 0;
}

/* Where the climb begins. */
static int
begin_route(struct climb *c)
{
	char reason[SCORER_REASON];
	size_t tier;

	if (c->way == CLIMB_ALL)
		return 0;
	if (route_start(c->cascade->route, c->task, &tier, reason, NULL) < 0)
		return -1;
	for (; tier + 1 < c->cascade->n_tiers; tier++) {
		double share = 1 - c->cascade->tiers[tier].passed;
		if (share_takes(share, tier, c->task))
			break;
		scorer_reason(reason, "%g %% of the tasks begin at tier %zu, "
		    "and this is none of them", 100 * share, tier + 1);
	}
	c->tier = (int)tier;
	return arena_str(c->arena, str_of(reason), &c->result.route) ? 0 : -1;
}

struct climb *
climb_new(const struct cascade *k, const struct task *t,
    const struct tier_state *tiers, enum climb_way way, int64_t now_ms)
{
	struct climb *c = arena_alloc(t->arena, sizeof(*c));

	if (!c)
		return NULL;
	c->arena = t->arena;
	c->cascade = k;
	c->task = t;
	c->tiers = tiers;
	c->way = way;
	c->started_ms = now_ms;
	/* An audit comes only where a tier was left out: there is room for it. */
	c->attempts = arena_array(t->arena, k->n_tiers, sizeof(*c->attempts));
	c->below = arena_array(t->arena, k->n_tiers, sizeof(*c->below));
	if (way == CLIMB_ALL)
		c->visits = arena_array(t->arena, k->n_tiers,
		    sizeof(*c->visits));
	c->result.visits = c->visits;
	if (!c->attempts || !c->below || (way == CLIMB_ALL && !c->visits)
	    || begin_route(c) < 0 || enter_tier(c, now_ms, NULL) < 0)
		return NULL;
	return c;
}

bool
climb_is_audit(const struct climb *c)
{
	return c->auditing && !c->done;
}

/* Those of one prompt come together: they can share a request. */
static struct slot *
find_wanted(struct climb *c)
{
	struct slot *first = NULL;

	for (size_t i = 0; i < c->n_slots; i++) {
		struct slot *s = &c->slots[i];
		if (s->state != SLOT_WANTED)
			continue;
		if (s->prompt == c->prompt)
			return s;
		if (!first)
			first = s;
	}
	return first;
}

bool
climb_next(struct climb *c, struct climb_ask *out)
{
	struct slot *s;

	if (c->done || !c->wanted)
		return false;
	s = find_wanted(c);
	s->state = SLOT_ASKED;
	c->wanted--;
	c->prompt = s->prompt;
	*out = (struct climb_ask){ .slot = (size_t)(s - c->slots),
	    .tier = c->tier, .prompt = s->prompt, .sample = s->sample,
	    .repair = s->repair };
	return true;
}

/* --- what to send ------------------------------------------------------------ */

static int
fill_prompt(struct climb *c, const struct tier *t, int which, struct str *out,
    struct err *e)
{
	struct buf b;
	int rc;

	if (!t->n_prompts) {
		*out = c->task->prompt;
		return 0;
	}
	buf_init(&b, task_limits(c->task)->prompt);
	rc = template_fill(t->prompts[which].text, c->task, &b, e);
	if (rc < 0)
		err_in(e, "prompt '%.*s'", STR_ARG(t->prompts[which].name));
	else if (!arena_str(c->arena, buf_str(&b), out))
		rc = err_nomem(e);
	buf_release(&b);
	return rc;
}

static bool
is_system(const struct message *m)
{
	return str_is(m->role, "system") || str_is(m->role, "developer");
}

/* The task's own system text wins over the tier's, that over the cascade's. */
static struct str
system_text(const struct climb *c, const struct tier *t)
{
	if (c->task->system.n)
		return c->task->system;
	return t->system.n ? t->system : c->cascade->system;
}

static int
add_repair(struct climb *c, struct message *m, size_t *k, struct err *e)
{
	char *words = arena_printf(c->arena, "Your answer was not accepted: "
	    "%.*s. Answer again, whole, in the required form.",
	    STR_ARG(c->repair_reason));

	if (!words)
		return err_nomem(e);
	m[(*k)++] = (struct message){ STR("assistant"), c->repair_answer };
	m[(*k)++] = (struct message){ STR("user"), str_of(words) };
	return 0;
}

int
climb_messages(struct climb *c, const struct climb_ask *ask,
    struct message **out, size_t *n, struct err *e)
{
	const struct tier *t = &c->cascade->tiers[ask->tier];
	const struct task *task = c->task;
	struct str prompt, system = system_text(c, t);
	size_t k = 0, last = task->n_messages;
	struct message *m = arena_array(c->arena, task->n_messages + 4,
	    sizeof(*m));

	if (!m)
		return err_nomem(e);
	if (fill_prompt(c, t, ask->prompt, &prompt, e) < 0)
		return -1;
	if (system.n && !(task->n_messages && is_system(&task->messages[0])))
		m[k++] = (struct message){ STR("system"), system };
	for (size_t i = 0; i < task->n_messages; i++)
		if (str_is(task->messages[i].role, "user"))
			last = i;
	for (size_t i = 0; i < task->n_messages; i++) {
		m[k] = task->messages[i];
		if (i == last && t->n_prompts)
			m[k].content = prompt;
		k++;
	}
	if (!task->n_messages)
		m[k++] = (struct message){ STR("user"), prompt };
	if (ask->repair && add_repair(c, m, &k, e) < 0)
		return -1;
	*out = m;
	*n = k;
	return 0;
}

/* --- the end -------------------------------------------------------------------- */

static int64_t
top_now(struct climb *c)
{
	return result_top(c->cascade, attempt_now(c),
	    c->unknown_tokens ? 0 : c->prompt_tokens, c->asked_utc_ms);
}

static void
sum_up(struct climb *c)
{
	struct result *r = &c->result;
	int samples = 0, cached = 0;

	for (size_t i = 0; i < c->n_attempts; i++) {
		const struct ledger_attempt *at = &c->attempts[i];

		r->cost_picousd = money_add(r->cost_picousd,
		    at->cost_picousd);
		r->cached_picousd = money_add(r->cached_picousd,
		    at->cached_picousd);
		r->booked_picousd = money_add(r->booked_picousd,
		    at->booked_picousd);
		r->prompt_tokens += at->prompt_tokens;
		r->completion_tokens += at->completion_tokens;
		samples += (int)at->n_rows;
		cached += at->cached;
	}
	r->cached = samples > 0 && samples == cached;
	/* An audit tells what the top tier costs; one that brought nothing does
	 * not. Who was asked for a trace saved nothing and meant not to. */
	if (c->way == CLIMB_ALL)
		r->top_picousd = MONEY_UNKNOWN;
	else if (!c->auditing || attempt_now(c)->samples)
		r->top_picousd = top_now(c);
}

static int
finish(struct climb *c, enum task_status status, int64_t now_ms)
{
	struct result *r = &c->result;

	r->task = c->task;
	r->cascade = c->cascade;
	r->status = status;
	r->attempts = c->attempts;
	r->n_attempts = c->n_attempts;
	sum_up(c);
	if (c->auditing) {
		r->n_attempts--;
		r->audit = attempt_now(c);
		r->audit_picousd = r->audit->cost_picousd;
	} else {
		r->latency_ms = now_ms - c->started_ms;
	}
	c->done = true;
	return 0;
}

const struct result *
climb_result(const struct climb *c)
{
	return c->done ? &c->result : NULL;
}

static int
next_tier_or(struct climb *c, enum task_status status, int64_t now_ms,
    struct err *e)
{
	if (c->tier + 1 == (int)c->cascade->n_tiers)
		return finish(c, status, now_ms);
	c->tier++;
	return enter_tier(c, now_ms, e);
}

static void
set_correct(struct climb *c)
{
	struct result *r = &c->result;

	if (c->task->has_reference)
		r->correct = r->has_answer && answer_equal(r->answer,
		    c->task->reference) ? YES : NO;
}

static void
take_answer(struct climb *c, const struct slot *s)
{
	struct result *r = &c->result;
	const struct ledger_attempt *at = attempt_now(c);

	r->text = s->c.text;
	r->answer = s->c.answer;
	r->has_answer = s->c.has_answer;
	set_correct(c);
	r->tier = c->tier + 1;
	r->model = at->model;
	r->error_code = r->error_message = (struct str){ 0 };
	r->scored = at->scored;
	r->score = (struct score){ at->score, at->score_ln };
	r->threshold = (struct score){ at->threshold, at->threshold_ln };
	r->reason = at->reason;
}

/* --- the audit ------------------------------------------------------------------- */

/* The answer stands. Is it audited? A top tier that is out of use is not asked,
 * and that is no audit. */
static int
accepted(struct climb *c, int64_t now_ms, struct err *e)
{
	const struct cascade *k = c->cascade;

	if (c->way != CLIMB_UP || c->tier + 1 == (int)k->n_tiers
	    || c->tiers[k->n_tiers - 1].out_of_use
	    || !audit_chooses(k->audit, c->task))
		return finish(c, TASK_ACCEPTED, now_ms);
	c->result.latency_ms = now_ms - c->started_ms;
	c->result.top_picousd = top_now(c);
	c->auditing = true;
	c->tier = (int)k->n_tiers - 1;
	return enter_tier(c, now_ms, e);
}

static enum audit_outcome
compare(const struct climb *c, const struct completion *top)
{
	const struct result *r = &c->result;

	if (r->has_answer != top->has_answer)
		return AUDIT_DIFFERS;
	/* Where a pattern found nothing in either, neither says anything. */
	if (!r->has_answer)
		return AUDIT_AGREES;
	return answer_equal(r->answer, top->answer) ? AUDIT_AGREES
	    : AUDIT_DIFFERS;
}

static int
audited(struct climb *c, const struct completion *top, int64_t now_ms)
{
	enum attempt_verdict v = attempt_now(c)->verdict;

	if (v == ATTEMPT_ACCEPT || v == ATTEMPT_ESCALATE)
		c->result.audit_outcome = compare(c, top);
	return finish(c, TASK_ACCEPTED, now_ms);
}

/* --- judging -------------------------------------------------------------------- */

/* The failure that ends the attempt whatever else has come: the run stops, or
 * may not ask. Else the first one if nothing has come at all. */
static const struct slot *
ending_failure(const struct climb *c, bool nothing)
{
	for (size_t i = 0; i < c->n_slots; i++) {
		const struct slot *s = &c->slots[i];
		if (s->state == SLOT_FAILED && (s->not_cached || s->budget
		    || s->outcome == OUTCOME_STOP))
			return s;
	}
	return nothing ? &c->slots[0] : NULL;
}

/* A cap ends the climb where it stands: the best that was paid for is the
 * answer, though its own tier's rule did not accept it. */
static int
over_budget(struct climb *c, int64_t now_ms)
{
	struct result *r = &c->result;

	attempt_now(c)->verdict = ATTEMPT_BUDGET;
	if (c->best.text.n) {
		r->text = c->best.text;
		r->answer = c->best.answer;
		r->has_answer = c->best.has_answer;
		r->tier = c->best_tier;
		r->model = c->best_model;
		set_correct(c);
	}
	return finish(c, TASK_BUDGET, now_ms);
}

/* An outage may climb, or not: the cascade says. */
static int
outage(struct climb *c, int64_t now_ms, struct err *e)
{
	attempt_now(c)->verdict = ATTEMPT_UNAVAILABLE;
	if (c->cascade->on_outage != OUTAGE_CLIMB)
		return finish(c, TASK_FAILED, now_ms);
	return next_tier_or(c, TASK_FAILED, now_ms, e);
}

/* Where it means nothing for the task. */
static enum attempt_verdict
failed_verdict(const struct slot *s)
{
	if (s->not_cached)
		return ATTEMPT_UNKNOWN_IN_CACHE;
	if (s->budget)
		return ATTEMPT_BUDGET;
	return s->outcome == OUTCOME_RETRY || s->outcome == OUTCOME_WAIT
	    ? ATTEMPT_UNAVAILABLE : ATTEMPT_FAILED;
}

/* What the failure of an attempt means for the tier and the task. */
static int
attempt_failed(struct climb *c, const struct slot *s, int64_t now_ms,
    struct err *e)
{
	struct ledger_attempt *at = attempt_now(c);
	enum task_status status = TASK_FAILED;

	at->latency_ms = now_ms - c->tier_started_ms;
	if (note_reason(c, s->message, e) < 0)
		return -1;
	if (c->auditing) {
		at->verdict = failed_verdict(s);
		return finish(c, TASK_ACCEPTED, now_ms);
	}
	c->result.error_code = s->code;
	c->result.error_message = s->message;
	if (s->not_cached) {
		at->verdict = ATTEMPT_UNKNOWN_IN_CACHE;
		return finish(c, TASK_FAILED, now_ms);
	}
	if (s->budget)
		return over_budget(c, now_ms);
	switch (s->outcome) {
	case OUTCOME_RETRY:
	case OUTCOME_WAIT:
		return outage(c, now_ms, e);
	case OUTCOME_NEXT: /* this task, not the tier: a longer window helps */
		at->verdict = ATTEMPT_FAILED;
		return next_tier_or(c, status, now_ms, e);
	case OUTCOME_TIER:
		at->verdict = ATTEMPT_FAILED;
		if (c->cascade->on_outage != OUTAGE_CLIMB)
			return finish(c, status, now_ms);
		return next_tier_or(c, status, now_ms, e);
	case OUTCOME_FAIL:
		at->verdict = ATTEMPT_FAILED;
		if (str_is(s->code, "content_filter")
		    || str_is(s->code, "content_policy_violation")) {
			at->verdict = ATTEMPT_REFUSED;
			status = TASK_REFUSED;
		}
		return finish(c, status, now_ms);
	case OUTCOME_STOP:
		c->result.stopped = true;
		break;
	case OUTCOME_OK:
		break;
	}
	at->verdict = ATTEMPT_FAILED;
	return finish(c, TASK_FAILED, now_ms);
}

static int
begin_repair(struct climb *c, struct slot *s, const char *reason,
    struct err *e)
{
	struct str words;

	if (!arena_str(c->arena, str_of(reason), &words))
		return err_nomem(e);
	c->repair_answer = s->c.text;
	c->repair_reason = words;
	c->repairs++;
	attempt_now(c)->repairs = c->repairs;
	s->state = SLOT_WANTED;
	s->repair = c->repairs;
	c->wanted++;
	c->open++;
	return 0;
}

static enum attempt_verdict
verdict_of(const struct verdict *v, const struct completion *chosen)
{
	if (v->kind == VERDICT_ACCEPT)
		return ATTEMPT_ACCEPT;
	if (chosen->finish == FINISH_REFUSED)
		return ATTEMPT_REFUSED;
	return chosen->finish == FINISH_LENGTH ? ATTEMPT_CUT_OFF
	    : ATTEMPT_ESCALATE;
}

static int
note_verdict(struct climb *c, const struct verdict *v,
    const struct slot *chosen, size_t n, int64_t now_ms, struct err *e)
{
	struct ledger_attempt *at = attempt_now(c);
	struct str reason;

	at->samples = (int)n;
	at->scored = v->scored;
	at->score = v->score.p;
	at->score_ln = v->score.ln;
	at->threshold = v->threshold.p;
	at->threshold_ln = v->threshold.ln;
	at->scorer = str_of(v->scorer);
	at->verdict = verdict_of(v, &chosen->c);
	at->latency_ms = now_ms - c->tier_started_ms;
	at->chosen = chosen->place;
	c->best = chosen->c;
	c->best_tier = c->tier + 1;
	c->best_model = at->model;
	if (!arena_str(c->arena, str_of(v->reason), &reason))
		return err_nomem(e);
	return note_reason(c, reason, e);
}

static int
conclude(struct climb *c, const struct verdict *v, struct slot *chosen,
    size_t n, int64_t now_ms, struct err *e)
{
	const struct tier *t = tier_now(c);
	bool last = c->tier + 1 == (int)c->cascade->n_tiers;

	if (v->kind == VERDICT_ESCALATE && v->format_failed
	    && c->repairs < t->repair)
		return begin_repair(c, chosen, v->reason, e);
	if (note_verdict(c, v, chosen, n, now_ms, e) < 0)
		return -1;
	if (c->auditing)
		return audited(c, &chosen->c, now_ms);
	if (v->kind == VERDICT_ACCEPT) {
		take_answer(c, chosen);
		return accepted(c, now_ms, e);
	}
	if (!last) {
		c->below[c->n_below++] = chosen->c;
		return next_tier_or(c, TASK_EXHAUSTED, now_ms, e);
	}
	if (attempt_now(c)->verdict == ATTEMPT_REFUSED) {
		take_answer(c, chosen);
		return finish(c, TASK_REFUSED, now_ms);
	}
	if (c->cascade->fail_exhausted) {
		c->result.error_code = STR("exhausted");
		c->result.error_message = attempt_now(c)->reason;
		return finish(c, TASK_FAILED, now_ms);
	}
	take_answer(c, chosen);
	return finish(c, TASK_EXHAUSTED, now_ms);
}

/* --- every tier ------------------------------------------------------------------ */

/* The first slot that failed; NULL: everything is here. */
static const struct slot *
first_failed(const struct climb *c)
{
	for (size_t i = 0; i < c->n_slots; i++)
		if (c->slots[i].state == SLOT_FAILED)
			return &c->slots[i];
	return NULL;
}

static int
finish_visits(struct climb *c, int64_t now_ms)
{
	return finish(c, c->result.n_visits == c->cascade->n_tiers
	    ? TASK_ACCEPTED : TASK_FAILED, now_ms);
}

/* A tier that did not give everything is left out: what came is in the store,
 * and the next run asks for the rest. */
static int
not_whole(struct climb *c, const struct slot *failed, int64_t now_ms,
    struct err *e)
{
	attempt_now(c)->verdict = failed_verdict(failed);
	attempt_now(c)->reason = failed->message;
	if (!c->result.error_message.n) {
		c->result.error_code = failed->code;
		c->result.error_message = failed->message;
	}
	if (failed->outcome == OUTCOME_STOP)
		c->result.stopped = true;
	if (failed->budget)
		return finish(c, TASK_BUDGET, now_ms);
	if (c->result.stopped || c->tier + 1 == (int)c->cascade->n_tiers)
		return finish_visits(c, now_ms);
	c->tier++;
	return enter_tier(c, now_ms, e);
}

static int
visited(struct climb *c, int64_t now_ms, struct err *e)
{
	struct ledger_attempt *at = attempt_now(c);
	const struct slot *failed = first_failed(c);
	struct completion *v;

	at->latency_ms = now_ms - c->tier_started_ms;
	at->samples = (int)at->n_rows;
	if (failed)
		return not_whole(c, failed, now_ms, e);
	at->verdict = ATTEMPT_COLLECTED;
	v = arena_array(c->arena, c->n_slots, sizeof(*v));
	if (!v)
		return err_nomem(e);
	for (size_t i = 0; i < c->n_slots; i++)
		v[i] = c->slots[i].c;
	c->visits[c->result.n_visits++] = (struct visit){ tier_now(c), v,
	    c->n_slots };
	if (c->tier + 1 == (int)c->cascade->n_tiers)
		return finish_visits(c, now_ms);
	c->tier++;
	return enter_tier(c, now_ms, e);
}

/* The completions that are here, for the scorers, and whose each is in *of,
 * which has room for one. */
static bool
line_up(struct climb *c, struct score_input *in, struct slot ***of)
{
	struct completion *v = &c->slots[0].c;

	if (c->n_slots > 1) {
		v = arena_array(c->arena, c->n_slots, sizeof(*v));
		*of = arena_array(c->arena, c->n_slots, sizeof(**of));
		if (!v || !*of)
			return false;
	}
	in->c = v;
	for (size_t i = 0; i < c->n_slots; i++) {
		if (c->slots[i].state == SLOT_FAILED) {
			in->missing++;
			continue;
		}
		(*of)[in->n] = &c->slots[i];
		if (c->n_slots > 1)
			v[in->n] = c->slots[i].c;
		in->n++;
	}
	return true;
}

/* Every slot is here or failed: what now? */
static int
judge(struct climb *c, int64_t now_ms, struct err *e)
{
	const struct tier *t = tier_now(c);
	struct score_input in = { .prompt = c->task->prompt,
	    .more = (size_t)t->samples_max - c->n_slots,
	    .below = c->below, .n_below = c->n_below };
	struct slot *one, **of = &one;
	const struct slot *failure;
	struct verdict verdict;

	if (c->way == CLIMB_ALL)
		return visited(c, now_ms, e);
	if (!line_up(c, &in, &of))
		return err_nomem(e);
	failure = ending_failure(c, in.n == 0);
	if (failure && !(failure->budget && in.n))
		return attempt_failed(c, failure, now_ms, e);
	if (failure)
		in.more = 0;
	if (rule_judge(t->accept, &in, &verdict, e) < 0)
		return -1;
	/* What came before the cap was reached may do; else it is the best. */
	if (failure && verdict.kind != VERDICT_ACCEPT) {
		if (note_verdict(c, &verdict, of[verdict.chosen], in.n,
		    now_ms, e) < 0)
			return -1;
		return attempt_failed(c, failure, now_ms, e);
	}
	if (verdict.kind == VERDICT_UNDECIDED) {
		size_t before = c->n_slots;
		if (!add_slots(c, verdict.ask ? verdict.ask : 1))
			return err_nomem(e);
		if (c->n_slots > before)
			return 0;
		return err_set(e, ERR_INPUT, "the rule of tier %d never "
		    "comes to a verdict", c->tier + 1);
	}
	return conclude(c, &verdict, of[verdict.chosen], in.n, now_ms, e);
}

/* --- news ------------------------------------------------------------------------ */

/* An answer that is a part of the text stays that part: what is measured over
 * its tokens has to know where it lies. */
static bool
copy_answer(struct climb *c, const struct completion *from,
    struct completion *to)
{
	uintptr_t text = (uintptr_t)from->text.p;
	uintptr_t answer = (uintptr_t)from->answer.p;

	if (!from->has_answer)
		return true;
	if (from->text.n >= from->answer.n && answer >= text
	    && answer - text <= from->text.n - from->answer.n) {
		to->answer = str_sub(to->text, (size_t)(answer - text),
		    from->answer.n);
		return true;
	}
	return arena_str(c->arena, from->answer, &to->answer);
}

static bool
copy_texts(struct climb *c, const struct completion *from,
    struct completion *to)
{
	struct token *tokens = NULL;

	if (!arena_str(c->arena, from->text, &to->text)
	    || !arena_str(c->arena, from->model, &to->model))
		return false;
	if (from->n_tokens) {
		tokens = arena_array(c->arena, from->n_tokens,
		    sizeof(*tokens));
		if (!tokens)
			return false;
		memcpy(tokens, from->tokens,
		    from->n_tokens * sizeof(*tokens));
	}
	to->tokens = tokens;
	return true;
}

static bool
take_completion(struct climb *c, const struct climb_news *news,
    struct completion *to)
{
	const struct completion *from = news->c;

	*to = *from;
	if (!news->lasts && !copy_texts(c, from, to))
		return false;
	if (c->way != CLIMB_RECORDED) {
		to->has_answer = answer_extract(&c->cascade->answer, to->text,
		    &to->answer);
		return true;
	}
	return copy_answer(c, from, to);
}

static void
count_costs(struct climb *c, const struct climb_news *news)
{
	struct ledger_attempt *at = attempt_now(c);

	if (news->cached) {
		at->cached++;
		at->cached_picousd = money_add(at->cached_picousd,
		    news->c->cost_picousd);
	} else {
		at->cost_picousd = money_add(at->cost_picousd,
		    news->c->cost_picousd);
	}
	at->cost_picousd = money_add(at->cost_picousd, news->failed_picousd);
	at->booked_picousd = money_add(at->booked_picousd,
	    news->booked_picousd);
	at->requests += news->requests;
	at->retries += news->retries;
	c->asked_utc_ms = news->c->asked_utc_ms;
	if (news->c->completion_tokens < 0)
		c->unknown_tokens = true;
	if (news->c->prompt_tokens > c->prompt_tokens)
		c->prompt_tokens = news->c->prompt_tokens;
	if (news->c->prompt_tokens > 0)
		at->prompt_tokens += news->c->prompt_tokens;
	if (news->c->completion_tokens > 0)
		at->completion_tokens += news->c->completion_tokens;
}

int
climb_give(struct climb *c, size_t slot, const struct climb_news *news,
    int64_t now_ms, int64_t **row, struct err *e)
{
	struct ledger_attempt *at = attempt_now(c);
	struct slot *s = &c->slots[slot];

	if (!take_completion(c, news, &s->c))
		return err_nomem(e);
	count_costs(c, news);
	s->place = (int)at->n_rows++;
	c->rows[s->place] = -1;
	if (row)
		*row = &c->rows[s->place];
	s->state = SLOT_HERE;
	c->open--;
	return c->open ? 0 : judge(c, now_ms, e);
}

static void
count_failure(struct ledger_attempt *at, const struct climb_failure *f)
{
	at->requests += f->requests;
	at->retries += f->retries;
	at->cost_picousd = money_add(at->cost_picousd, f->cost_picousd);
	at->booked_picousd = money_add(at->booked_picousd,
	    f->booked_picousd);
}

void
climb_fallback(struct climb *c, struct str model,
    const struct climb_failure *f)
{
	struct ledger_attempt *at = attempt_now(c);

	count_failure(at, f);
	if (!str_eq(at->model, model))
		at->fallbacks++;
	at->model = model;
}

void
climb_answered_by(struct climb *c, struct str model)
{
	attempt_now(c)->model = model;
}

int
climb_fail(struct climb *c, size_t slot, const struct climb_failure *f,
    int64_t now_ms, struct err *e)
{
	struct ledger_attempt *at = attempt_now(c);
	struct slot *s = &c->slots[slot];

	if (!arena_str(c->arena, f->code, &s->code)
	    || !arena_str(c->arena, f->message, &s->message))
		return err_nomem(e);
	count_failure(at, f);
	s->outcome = f->outcome;
	s->not_cached = f->not_cached;
	s->budget = f->budget;
	c->open--;
	/* A repair that fails leaves the answer as it was. */
	if (s->repair && s->c.text.p && f->outcome != OUTCOME_STOP) {
		s->state = SLOT_HERE;
		c->repairs = tier_now(c)->repair;
	} else {
		s->state = SLOT_FAILED;
	}
	return c->open ? 0 : judge(c, now_ms, e);
}
