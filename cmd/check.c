/*
 * check.c -- `frugal check`: is the configuration right, and what does it come
 * to?
 */
#include "cmd/check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/money.h"
#include "cascade/budget.h"
#include "cascade/route.h"
#include "cmd/inspect.h"

#define MTOK 1000000

/* --- providers --------------------------------------------------------- */

static void
add_key(struct buf *b, const struct provider *p)
{
	const char *value;

	switch (p->key_source) {
	case KEY_NONE:
		buf_adds(b, ", no key");
		break;
	case KEY_ENV:
		value = getenv(p->key_ref.p);
		buf_addf(b, ", key from $%.*s%s", STR_ARG(p->key_ref),
		    value && *value ? "" : " (not set)");
		break;
	case KEY_FILE:
		buf_addf(b, ", key from file '%.*s'", STR_ARG(p->key_ref));
		break;
	case KEY_CMD:
		buf_adds(b, ", key from a command");
		break;
	}
}

static void
add_provider(struct buf *b, const struct provider *p)
{
	buf_addf(b, "provider %.*s: %s", STR_ARG(p->name), p->ops->name);
	if (p->ops->flags & PROVIDER_OFFLINE) {
		buf_adds(b, ", no network\n");
		return;
	}
	buf_addf(b, ", %.*s", STR_ARG(p->url));
	add_key(b, p);
	if (p->ca_file)
		buf_addf(b, ", trusts '%s'%s", p->ca_file,
		    access(p->ca_file, R_OK) == 0 ? "" : " (cannot be read)");
	if (p->requests_per_minute)
		buf_addf(b, ", %lld requests a minute",
		    (long long)p->requests_per_minute);
	if (p->tokens_per_minute)
		buf_addf(b, ", %lld tokens a minute",
		    (long long)p->tokens_per_minute);
	if (p->max_in_flight)
		buf_addf(b, ", %lld in flight",
		    (long long)p->max_in_flight);
	buf_addc(b, '\n');
}

/* --- tiers ------------------------------------------------------------- */

/* "    accept     " and what follows it up to the end of the line. */
static void
begin_line(struct buf *b, const char *label)
{
	buf_addf(b, "    %-16s ", label);
}

static void
add_samples(struct buf *b, const struct tier *t)
{
	begin_line(b, "samples");
	if (t->samples_min < t->samples_max)
		buf_addf(b, "%d to %d", t->samples_min, t->samples_max);
	else
		buf_addf(b, "%d", t->samples_max);
	if (t->repair)
		buf_addf(b, "; %d repair%s if the form is wrong", t->repair,
		    t->repair == 1 ? "" : "s");
	buf_addc(b, '\n');
}

static void
add_number(struct buf *b, const char *name, bool has, double v)
{
	if (!has)
		return;
	buf_addf(b, ", %s ", name);
	buf_add_double(b, v);
}

static void
add_text(struct buf *b, const char *name, struct str v)
{
	if (v.n)
		buf_addf(b, ", %s %.*s", name, STR_ARG(v));
}

static void
add_settings(struct buf *b, const struct sampling *s)
{
	struct buf all;

	buf_init(&all, BUF_MAX);
	add_number(&all, "temperature", s->has_temperature, s->temperature);
	add_number(&all, "top_p", s->has_top_p, s->top_p);
	add_number(&all, "presence_penalty", s->has_presence_penalty,
	    s->presence_penalty);
	add_number(&all, "frequency_penalty", s->has_frequency_penalty,
	    s->frequency_penalty);
	if (s->has_seed)
		buf_addf(&all, ", seed %lld", (long long)s->seed);
	if (s->max_tokens)
		buf_addf(&all, ", max_tokens %lld", (long long)s->max_tokens);
	if (s->n_stop)
		buf_addf(&all, ", %zu stop text%s", s->n_stop,
		    s->n_stop == 1 ? "" : "s");
	add_text(&all, "reasoning_effort", s->reasoning_effort);
	add_text(&all, "response_format", s->response_format);
	add_text(&all, "extra", s->extra);
	if (all.n) {
		begin_line(b, "settings");
		buf_add(b, str_sub(buf_str(&all), 2, all.n));
		buf_addc(b, '\n');
	}
	b->failed |= all.failed;
	buf_release(&all);
}

static void
add_rates(struct buf *b, const struct tier *t)
{
	const struct price *p = &t->price;

	if (price_known(p)) {
		money_show(b, money_mul(p->rates.input, MTOK));
		buf_adds(b, " in, ");
		money_show(b, money_mul(p->rates.output, MTOK));
		buf_adds(b, " out per Mtok");
		if (p->rates.cached != MONEY_UNKNOWN) {
			buf_adds(b, ", ");
			money_show(b, money_mul(p->rates.cached, MTOK));
			buf_adds(b, " cached input");
		}
		if (t->price_overridden)
			buf_adds(b, " (configured)");
		else if (p->as_of)
			buf_addf(b, " (list of %s)", p->as_of);
	} else {
		buf_adds(b, "unknown price");
	}
	buf_addc(b, '\n');
}

static void
add_price(struct buf *b, const struct tier *t)
{
	const struct price *p = &t->price;

	begin_line(b, "price");
	add_rates(b, t);
	begin_line(b, "context");
	if (p->context >= 0)
		buf_addf(b, "%lld tokens\n", (long long)p->context);
	else
		buf_adds(b, "unknown\n");
}

static void
add_prompts(struct buf *b, const struct tier *t)
{
	if (t->system.n) {
		begin_line(b, "system");
		inspect_oneline(b, t->system, 56);
		buf_addc(b, '\n');
	}
	if (!t->n_prompts)
		return;
	begin_line(b, "prompts");
	for (size_t i = 0; i < t->n_prompts; i++)
		buf_addf(b, "%s%.*s", i ? ", " : "",
		    STR_ARG(t->prompts[i].name));
	buf_addc(b, '\n');
}

static void
add_tier(struct buf *b, size_t number, const struct tier *t)
{
	buf_addf(b, "  tier %zu: %.*s", number, STR_ARG(t->model));
	if (!str_eq(t->name, t->model))
		buf_addf(b, " ('%.*s')", STR_ARG(t->name));
	if (t->provider->ops->flags & PROVIDER_SIMULATED)
		buf_adds(b, ", simulated");
	buf_addc(b, '\n');
	if (t->passed > 0) {
		begin_line(b, "share");
		buf_addf(b, "%g %% of the tasks begin here, the others at the "
		    "next tier\n", 100 * (1 - t->passed));
	}
	add_samples(b, t);
	begin_line(b, "accept");
	rule_show(t->accept, b);
	buf_addc(b, '\n');
	add_settings(b, &t->sampling);
	add_prompts(b, t);
	add_price(b, t);
	for (size_t i = 0; i < t->n_others; i++) {
		begin_line(b, "else");
		buf_addf(b, "%.*s: ", STR_ARG(t->others[i].model));
		add_rates(b, &t->others[i]);
	}
	begin_line(b, "log-probabilities");
	buf_adds(b, t->sampling.logprobs ? "asked for\n" : "not asked for\n");
}

/* --- the whole --------------------------------------------------------- */

static void
add_cascade(struct buf *b, const struct cascade *k)
{
	buf_addf(b, "\ncascade %.*s: %zu tier%s", STR_ARG(k->name),
	    k->n_tiers, k->n_tiers == 1 ? "" : "s");
	if (k->fail_exhausted)
		buf_adds(b, "; fails when the last one's rule rejects");
	if (k->on_outage != OUTAGE_CLIMB)
		buf_adds(b, k->on_outage == OUTAGE_WAIT
		    ? "; waits for a tier that does not answer"
		    : "; fails when a tier does not answer");
	if (k->audit > 0)
		buf_addf(b, "; audits %g %% of what a tier below the top is "
		    "accepted for", 100 * k->audit);
	buf_addc(b, '\n');
	if (k->promise.given)
		buf_addf(b, "  promise: to lose no more than %g %%, %g %% "
		    "sure\n", 100 * k->promise.max_loss,
		    100 * k->promise.confidence);
	if (k->answer.pattern) {
		struct str pattern = regex_pattern(k->answer.pattern);
		buf_addf(b, "  answer: %s match of '%.*s'",
		    k->answer.first ? "first" : "last", STR_ARG(pattern));
	} else {
		buf_adds(b, "  answer: the whole text");
	}
	buf_addc(b, '\n');
	if (k->system.n) {
		buf_adds(b, "  system: ");
		inspect_oneline(b, k->system, 66);
		buf_addc(b, '\n');
	}
	route_show(k->route, b);
	for (size_t i = 0; i < k->n_tiers; i++)
		add_tier(b, i + 1, &k->tiers[i]);
}

static void
add_cap(struct buf *b, int64_t cap, const char *of)
{
	if (cap == BUDGET_NONE)
		return;
	buf_adds(b, "max_cost of a ");
	buf_adds(b, of);
	buf_adds(b, ": ");
	money_show(b, cap);
	buf_addc(b, '\n');
}

static void
add_bounds(struct buf *b, const struct config *cfg)
{
	add_cap(b, cfg->max_cost.run, "run");
	add_cap(b, cfg->max_cost.day, "day (UTC)");
	add_cap(b, cfg->max_cost.task, "task");
	if (!cfg->task_timeout_ms)
		return;
	buf_adds(b, "task_timeout: ");
	clock_duration(b, cfg->task_timeout_ms);
	buf_addc(b, '\n');
}

static int
print_config(const struct config *cfg, size_t warnings, struct err *e)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_addf(&b, "%s: valid%s", cfg->file, warnings ? ", with warnings"
	    : "");
	if (cfg->simulated)
		buf_adds(&b, "; simulated: no model is asked, nothing is "
		    "paid");
	buf_addc(&b, '\n');
	for (size_t i = 0; i < cfg->n_providers; i++)
		add_provider(&b, &cfg->providers[i]);
	add_bounds(&b, cfg);
	for (size_t i = 0; i < cfg->n_cascades; i++)
		add_cascade(&b, &cfg->cascades[i]);
	return inspect_print(&b, e);
}

/* As common_config(), with the warnings kept for the end. */
static int
load(const struct common *c, struct config **cfg, struct buf *warnings,
    struct err *e)
{
	struct buf path, messages;
	int rc;

	buf_init(&path, 8192);
	buf_init(&messages, BUF_MAX);
	rc = config_find(c->config_path, &path, e);
	if (rc == 0)
		rc = err_set(e, ERR_CONFIG, "there is no configuration to "
		    "check; name one with -c FILE or write ./frugal.yaml "
		    "(`frugal check -c demo` shows the built-in one)");
	else if (rc > 0)
		rc = config_load(cfg, path.p, &messages, warnings, e);
	if (rc >= 0)
		limits_apply(&(*cfg)->limits);
	if (rc < 0 && messages.n)
		e->msg[0] = '\0'; /* they have said it all */
	say_block(&messages);
	buf_release(&path);
	buf_release(&messages);
	return rc;
}

static int
check(const struct common *c, bool online, size_t *failed, struct err *e)
{
	struct config *cfg = NULL;
	struct buf warnings;
	int rc;

	buf_init(&warnings, BUF_MAX);
	rc = load(c, &cfg, &warnings, e);
	if (rc == 0)
		rc = print_config(cfg, warnings.n, e);
	if (rc == 0)
		rc = out_flush(e);
	say_block(&warnings);
	if (rc == 0 && online)
		rc = check_online(cfg, failed, e);
	config_free(cfg);
	buf_release(&warnings);
	return rc;
}

static int
check_main(const struct command *self, int argc, char **argv)
{
	struct common common = { 0 };
	bool online = false;
	const struct opt table[] = {
		COMMON_CONFIG_OPT(&common),
		{ OPT_FLAG, 0, "online", &online, NULL,
		    "send one tiny request for each tier and say what\n"
		    "comes back (this costs a little)", 0, 0, NULL },
		{ .kind = OPT_END },
	};
	struct err e = { 0 };
	size_t failed = 0;
	int first, rc;

	rc = opt_parse(self, table, argc, argv, &first, &e);
	if (rc > 0)
		return 0;
	if (rc == 0)
		rc = inspect_no_arguments(argc, argv, first, "name the "
		    "configuration with -c", &e);
	if (rc == 0)
		rc = check(&common, online, &failed, &e);
	if (rc < 0)
		return say_err(&e);
	return failed ? 1 : 0;
}

extern const struct command cmd_check;
const struct command cmd_check = {
	.name = "check",
	.summary = "validate the configuration and show what it comes to",
	.usage = "[OPTION]...",
	.about = "Reads the configuration, prints every mistake in it with "
	    "its place, or what it\ncomes to: each cascade with its tiers, "
	    "rules and prices, then warnings about\nwhat will surprise. "
	    "Nothing is sent without --online. Exit status: 0 if it is\n"
	    "valid, also with warnings; 2 if it is not; 1 if a model failed "
	    "under --online.",
	.examples =
	    "  frugal check                     ./frugal.yaml or the one in "
	    "~/.config\n"
	    "  frugal check -c demo             the built-in simulated one\n"
	    "  frugal check -c my.yaml --online does every model answer?\n",
	.run = check_main,
};
