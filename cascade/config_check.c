/*
 * config_check.c -- what is well written and still wrong: a tier that asks its
 * model for what that model refuses (an error, before anything is paid for),
 * and what will surprise or cost (a warning).
 */
#include "base/clock.h"
#include "base/money.h"
#include "cascade/config_internal.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define GONE_SOON_DAYS 60
#define MTOK 1000000

/* Where to point: the entry of n if it is there, else n (which may be NULL). */
static const struct ynode *
entry(const struct ynode *n, const char *key)
{
	const struct ynode *at = n ? ynode_get(n, key) : NULL;

	return at ? at : n;
}

/* --- what the model refuses --------------------------------------------- */

/* The tier's settings meet the condition under which its model can. */
static bool
condition_met(const struct tier *t)
{
	struct str condition = str_of(t->price.condition);

	if (str_is(condition, "reasoning_effort=none"))
		return str_is(t->sampling.reasoning_effort, "none");
	if (str_is(condition, "thinking disabled"))
		return str_has(t->sampling.extra,
		    "\"thinking\":{\"type\":\"disabled\"}");
	return false;
}

static bool
refuses(const struct tier *t, enum price_can can)
{
	return can == CAN_NO || (can == CAN_IF && !condition_met(t));
}

/* How the condition is written in the file. */
static const char *
remedy(const struct tier *t)
{
	if (str_is(str_of(t->price.condition), "reasoning_effort=none"))
		return "'reasoning_effort: none'";
	return "'extra: {thinking: {type: disabled}}'";
}

/* The default of 1 is accepted everywhere. */
static void
check_temperature(struct report *r, const struct tier *t, const struct ynode *n)
{
	if (!t->sampling.has_temperature || t->sampling.temperature == 1 ||
	    !refuses(t, t->price.temperature))
		return;
	if (t->price.temperature == CAN_NO)
		report_error(r, entry(n, "temperature"), "model '%.*s' refuses "
		    "a temperature; leave it out", STR_ARG(t->model));
	else
		report_error(r, entry(n, "temperature"), "model '%.*s' refuses "
		    "a temperature unless %s is set; leave it out",
		    STR_ARG(t->model), remedy(t));
}

static void
check_logprobs(struct report *r, const struct tier *t, const struct ynode *n)
{
	const struct ynode *at = entry(n, "accept");

	if (!t->sampling.logprobs)
		return;
	if (t->provider->logprobs == NO)
		report_error(r, at, "the rule of tier '%.*s' needs "
		    "log-probabilities, and provider '%.*s' gives none",
		    STR_ARG(t->name), STR_ARG(t->provider->name));
	else if (t->price.logprobs == CAN_NO)
		report_error(r, at, "the rule of tier '%.*s' needs "
		    "log-probabilities, and model '%.*s' gives none",
		    STR_ARG(t->name), STR_ARG(t->model));
	else if (refuses(t, t->price.logprobs))
		report_error(r, at, "the rule of tier '%.*s' needs "
		    "log-probabilities, and model '%.*s' gives none unless %s "
		    "is set", STR_ARG(t->name), STR_ARG(t->model), remedy(t));
}

void
config_check_refused(struct report *r, const struct tier *t,
    const struct ynode *n)
{
	check_temperature(r, t, n);
	check_logprobs(r, t, n);
}

/* --- what will surprise ------------------------------------------------- */

/* Stated, and perhaps wrong: of a price that cannot be read it would be false
 * to say that it is missing. */
bool
config_price_miswritten(const struct load *l, const struct tier *t)
{
	return l->r->errors && t->price_overridden;
}

static void
warn_price(struct load *l, const struct tier *t, const struct ynode *n)
{
	if (price_known(&t->price) || config_price_miswritten(l, t) ||
	    t->provider->ops->flags & PROVIDER_RECORDED)
		return;
	report_warn(l->r, entry(n, "model"), "the price of '%.*s' is unknown: "
	    "its cost cannot be counted and no budget be set; add it under "
	    "models", STR_ARG(t->model));
}

/* The last moment of its service in UTC ms; false: none is announced. */
static bool
shutdown_of(const struct price *p, int64_t *utc_ms)
{
	struct buf text;
	bool ok;

	if (!p->shutdown)
		return false;
	buf_init(&text, 64);
	buf_addf(&text, "%sT00:00:00Z", p->shutdown);
	ok = clock_parse_rfc3339(buf_str(&text), utc_ms);
	buf_release(&text);
	return ok;
}

static void
warn_shutdown(struct load *l, const struct tier *t, const struct ynode *n)
{
	const struct ynode *at = entry(n, "model");
	const struct price *p = &t->price;
	int64_t end, days;
	bool announced = shutdown_of(p, &end);

	if (t->provider->ops->flags & PROVIDER_OFFLINE)
		return;
	if (price_is_gone(p, l->now_utc_ms) && announced)
		report_warn(l->r, at, "model '%.*s' was shut down on %s",
		    STR_ARG(t->model), p->shutdown);
	else if (price_is_gone(p, l->now_utc_ms))
		report_warn(l->r, at, "model '%.*s' is no longer served",
		    STR_ARG(t->model));
	if (!announced || end <= l->now_utc_ms)
		return;
	days = (end - l->now_utc_ms + DAY_MS - 1) / DAY_MS;
	if (days <= GONE_SOON_DAYS)
		report_warn(l->r, at, "model '%.*s' will be shut down on %s, "
		    "in %lld day%s", STR_ARG(t->model), p->shutdown,
		    (long long)days, days == 1 ? "" : "s");
}

/* Samples of one prompt at temperature 0 are one sample. With several prompts
 * they differ, and where a temperature is refused the default is not 0. */
static void
warn_samples(struct load *l, const struct tier *t, const struct ynode *n)
{
	const struct sampling *s = &t->sampling;

	if (t->samples_max == 1)
		return;
	if (!ynode_get(n, "accept"))
		report_warn(l->r, entry(n, "samples"), "%d samples are asked "
		    "for but there is no accept rule to look at them; add "
		    "'agreement' or leave 'samples' out", t->samples_max);
	if (t->n_prompts > 1 || refuses(t, t->price.temperature)
	    || t->provider->ops->flags & PROVIDER_RECORDED)
		return;
	if (!s->has_temperature)
		report_warn(l->r, entry(n, "samples"), "%d samples without a "
		    "temperature: set one, such as 0.7, lest they be all the "
		    "same", t->samples_max);
	else if (s->temperature == 0)
		report_warn(l->r, entry(n, "temperature"), "%d samples at "
		    "temperature 0 are all the same", t->samples_max);
}

static void
warn_repair(struct load *l, const struct tier *t, const struct ynode *n)
{
	if (t->repair == 0 || rule_flags(t->accept) & SCORER_FORMAT)
		return;
	report_warn(l->r, entry(n, "repair"), "repair has no effect: no scorer "
	    "of the tier judges the form of an answer");
}

/* Nothing here asks a model whether it was right. */
static void
check_verify(struct load *l, const struct tier *t, const struct ynode *n)
{
	if (!(rule_flags(t->accept) & SCORER_VERIFY)
	    || t->provider->ops->flags & PROVIDER_RECORDED)
		return;
	report_error(l->r, entry(n, "accept"), "'verify' is for recorded "
	    "answers alone: no model is asked whether it was right; see 'api: "
	    "recorded'");
}

void
config_check_tier(struct load *l, const struct tier *t, const struct ynode *n)
{
	config_check_refused(l->r, t, n);
	check_verify(l, t, n);
	warn_price(l, t, n);
	warn_shutdown(l, t, n);
	warn_samples(l, t, n);
	warn_repair(l, t, n);
	rule_advise(t->accept, (size_t)t->samples_max, l->r);
}

/* --- the order of the tiers --------------------------------------------- */

/* A million tokens in and a million out, of that many samples. */
static int64_t
list_price(const struct tier *t, int samples)
{
	if (!price_known(&t->price))
		return MONEY_UNKNOWN;
	return money_mul(money_add(t->price.rates.input,
	    t->price.rates.output), (int64_t)MTOK * samples);
}

static bool
is_dearer(int64_t a, int64_t b)
{
	return a != MONEY_UNKNOWN && b != MONEY_UNKNOWN && a > b;
}

static void
warn_dearer(struct load *l, const struct tier *t, const struct tier *next,
    const struct ynode *n)
{
	int64_t mine = list_price(t, 1), other = list_price(next, 1);
	const char *samples = "";
	struct buf a, b;

	if (!is_dearer(mine, other)) {
		samples = " with all its samples";
		mine = list_price(t, t->samples_max);
		other = list_price(next, next->samples_max);
	}
	if (!is_dearer(mine, other))
		return;
	buf_init(&a, 64);
	buf_init(&b, 64);
	money_show(&a, mine);
	money_show(&b, other);
	if (a.failed || b.failed)
		l->r->nomem = true;
	else
		report_warn(l->r, entry(n, "model"), "tier '%.*s'%s costs more "
		    "than the next one, '%.*s': %s against %s for a million "
		    "tokens in and out", STR_ARG(t->name), samples,
		    STR_ARG(next->name), a.p, b.p);
	buf_release(&a);
	buf_release(&b);
}

void
config_check_order(struct load *l, const struct cascade *k,
    const struct ynode *n)
{
	const struct tier *t;
	bool passed = false; /* some tasks begin after one of these tiers */

	for (size_t i = 0; i + 1 < k->n_tiers; i++) {
		t = &k->tiers[i];
		passed |= t->passed > 0;
		if (t->provider && !t->accept && !passed
		    && !ynode_get(n->item[i], "accept"))
			report_warn(l->r, n->item[i], "tier '%.*s' has no "
			    "accept rule: it accepts every complete answer, "
			    "and the tiers after it are not reached",
			    STR_ARG(t->name));
		warn_dearer(l, t, t + 1, n->item[i]);
	}
	if (k->n_tiers && k->tiers[k->n_tiers - 1].passed > 0)
		report_warn(l->r, entry(n->item[k->n_tiers - 1], "share"),
		    "share has no effect on the last tier: there is no next "
		    "one to begin at");
}
