/*
 * runner.c -- from options to a running engine.
 */
#include "cmd/runner.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/input.h"
#include "base/money.h"
#include "base/utf8.h"
#include "cascade/lane.h"

/* --- opening ------------------------------------------------------------------------ */

void
runner_options_release(struct runner_options *o)
{
	opt_list_release(&o->set);
	opt_list_release(&o->tag);
}

static int
check_options(const struct runner_options *o, struct err *e)
{
	if (o->cascade && o->model)
		return err_set(e, ERR_USAGE, "give --cascade or --model, not "
		    "both");
	if (o->estimate && (o->no_cache || o->refresh || o->cache_only))
		return err_set(e, ERR_USAGE, "--estimate looks into the store "
		    "alone: give none of --no-cache, --refresh and "
		    "--cache-only with it");
	if (o->no_cache + o->refresh + o->cache_only > 1)
		return err_set(e, ERR_USAGE, "give one of --no-cache, "
		    "--refresh and --cache-only");
	for (size_t i = 0; i < o->tag.n; i++) {
		struct str value = str_of(o->tag.v[i]), name;
		if (!str_cut(&value, '=', &name) || !name.n)
			return err_set(e, ERR_USAGE, "--tag takes name=value, "
			    "not '%.60s'", o->tag.v[i]);
	}
	return 0;
}

static int
read_template(struct runner *r, struct err *e)
{
	const char *file = r->o->template_file;

	if (!file)
		return 0;
	if (input_slurp(file, r->cfg->limits.template, &r->template_text, e)
	    < 0) {
		e->code = ERR_USAGE;
		return err_in(e, "template");
	}
	/* An editor ends the last line; the prompt does not. */
	while (r->template_text.n
	    && r->template_text.p[r->template_text.n - 1] == '\n')
		buf_cut(&r->template_text, r->template_text.n - 1);
	if (!utf8_valid(buf_str(&r->template_text)))
		return err_set(e, ERR_USAGE, "template '%s' is not UTF-8",
		    file);
	if (template_check(buf_str(&r->template_text), e) < 0) {
		e->code = ERR_USAGE;
		return err_in(e, "template '%s'", file);
	}
	return 0;
}

static int
choose_cascade(struct runner *r, struct err *e)
{
	const struct runner_options *o = r->o;

	if (o->model) {
		r->cascade = config_single(r->cfg, str_of(o->model), e);
		return r->cascade ? 0 : -1;
	}
	if (o->cascade) {
		r->cascade = config_cascade(r->cfg, str_of(o->cascade), e);
		return r->cascade ? 0 : -1;
	}
	/* Tasks may name theirs: not having one is no error yet. */
	r->cascade = config_cascade(r->cfg, (struct str){ 0 },
	    &r->no_cascade);
	return 0;
}

/* What the command line says goes before the configuration. */
static int
read_bounds(struct runner *r, struct err *e)
{
	const struct runner_options *o = r->o;

	r->caps = r->cfg->max_cost;
	r->task_timeout_ms = r->cfg->task_timeout_ms;
	if (o->max_cost && !money_parse(str_of(o->max_cost), &r->caps.run))
		return err_set(e, ERR_USAGE, "--max-cost takes dollars such as "
		    "2.50, not '%.60s'", o->max_cost);
	if (o->task_timeout && (!clock_parse_duration(str_of(o->task_timeout),
	    &r->task_timeout_ms) || r->task_timeout_ms <= 0))
		return err_set(e, ERR_USAGE, "--task-timeout takes a time such "
		    "as 90s or 5m, not '%.60s'", o->task_timeout);
	return 0;
}

/* Without a store there are things that cannot be had. */
static int
check_store(const struct runner *r, struct err *e)
{
	const char *what = r->o->cache_only ? "--cache-only"
	    : r->o->refresh ? "--refresh" : r->o->estimate ? "--estimate"
	    : r->caps.day != BUDGET_NONE ? "a max_cost of the day" : NULL;

	if (r->store || !what)
		return 0;
	return err_set(e, ERR_USAGE, "%s needs a store, and the store is "
	    "'none'", what);
}

static int
catch_signals(struct runner *r, struct err *e)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	/* What nohup or a shell has us ignore stays ignored. */
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (sigaction(ours[i], NULL, &old) == 0
		    && old.sa_handler != SIG_IGN)
			sigaddset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0
	    || (r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK))
	    < 0)
		return err_sys(e, ERR_IO, "cannot catch signals");
	return 0;
}

/* Servers of this machine are asked without a proxy. */
static bool
all_in_the_clear(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_providers; i++)
		if (!provider_is_local(&cfg->providers[i])
		    || !str_starts(cfg->providers[i].url, "http:"))
			return false;
	return true;
}

int
runner_open(struct runner *r, const struct runner_options *o, struct err *e)
{
	*r = (struct runner){ .o = o, .signals = -1 };
	buf_init(&r->template_text, LIMITS_MAX_TEMPLATE + 1);
	if (check_options(o, e) < 0
	    || common_config(&o->common, o->model != NULL, false, &r->cfg, e)
	    < 0
	    || read_bounds(r, e) < 0
	    || choose_cascade(r, e) < 0 || read_template(r, e) < 0)
		return -1;
	for (size_t i = 0; i < o->set.n; i++)
		if (config_set(r->cfg, str_of(o->set.v[i]), e) < 0)
			return -1;
	if (common_store(&o->common, r->cfg, true, &r->store, e) < 0
	    || check_store(r, e) < 0 || (o->estimate && estimate_new(&r->estimate, r->cfg, r->store, e)
	    < 0)
	    || http_new(&r->http, (int)o->in_flight, e) < 0)
		return -1;
	if (all_in_the_clear(r->cfg))
		http_spare_tls(r->http);
	return catch_signals(r, e);
}

void
runner_close(struct runner *r)
{
	engine_free(r->engine);
	http_free(r->http);
	estimate_free(r->estimate);
	store_close(r->store);
	config_free(r->cfg);
	buf_release(&r->template_text);
	if (r->signals >= 0)
		close(r->signals);
}

/* --- running ------------------------------------------------------------------------- */

static void
on_signal(void *cookie)
{
	struct runner *r = cookie;
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == sizeof(info)) {
		r->interrupts++;
		if (r->interrupts == 1 && engine_state(r->engine)->active)
			say("stopping: finishing what is in flight (Ctrl-C %s"
			    "to stop now)",
			    info.ssi_signo == SIGINT ? "again " : "");
		/* Only a person at a keyboard is impatient. One end of a
		 * terminal may hang up twice, by the shell and by the kernel,
		 * and timeout(1) signals a process and then its group. */
		engine_stop(r->engine,
		    r->interrupts > 1 && info.ssi_signo == SIGINT);
	}
}

/* What an earlier run left behind is money, and should be known. */
static void
say_found(const struct runner *r)
{
	struct asks_lost f = engine_totals(r->engine).found;
	struct buf most;

	if (!f.requests || r->quiet)
		return;
	buf_init(&most, 256);
	if (f.unknown < f.requests) {
		buf_adds(&most, ", ");
		money_show(&most, f.picousd);
		buf_adds(&most, " at most");
	}
	if (f.unknown == f.requests)
		buf_adds(&most, ", at a cost that nothing bounds");
	else if (f.unknown)
		buf_addf(&most, ", and %lld of them at a cost that nothing "
		    "bounds", (long long)f.unknown);
	say("a run that was ended had asked %lld request%s that %s never "
	    "answered: %s may have been billed%s",
	    (long long)f.requests, f.requests == 1 ? "" : "s",
	    f.requests == 1 ? "was" : "were", f.requests == 1 ? "it" : "they",
	    most.p ? most.p : "");
	buf_release(&most);
}

int
runner_run(struct runner *r, const struct engine_io *io, const char *source,
    struct err *e)
{
	const struct runner_options *o = r->o;
	struct engine_options eo = {
		.in_flight = (int)o->in_flight,
		.retries = (int)o->retries,
		.cache = o->no_cache ? CACHE_NONE : o->refresh ? CACHE_REFRESH
		    : o->cache_only || o->estimate ? CACHE_ONLY : CACHE_USE,
		.dry = o->estimate,
		.collect = o->collect,
		.source = str_of(source),
		.caps = r->caps,
		.task_timeout_ms = r->task_timeout_ms,
	};
	int rc;

	if (r->cfg->simulated && !r->quiet)
		say(o->estimate ? "simulated models: all money here is made up"
		    : "simulated models: no network, no key, no real answers");
	if (engine_new(&r->engine, r->cfg, r->store, r->http, &eo, io, e) < 0
	    || http_watch(r->http, r->signals, on_signal, r, e) < 0)
		return -1;
	rc = engine_run(r->engine, e);
	say_found(r);
	if (r->interrupts)
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	return rc;
}

bool
runner_interrupted(struct runner *r)
{
	struct signalfd_siginfo info;

	while (r->signals >= 0
	    && read(r->signals, &info, sizeof(info)) == sizeof(info))
		if (!r->interrupts++ || info.ssi_signo == SIGINT)
			return true;
	return false;
}

bool
runner_kept(const struct runner *r, const struct err *why)
{
	return r->store && !r->o->no_cache && !r->o->refresh
	    && strcmp(store_path(r->store), ":memory:") != 0
	    && !(why && why->code == ERR_STORE);
}

int
runner_say_err(const struct err *e)
{
	int status = say_err(e);

	return is_closed_pipe(e) ? 1 : status;
}

/* --- tasks ---------------------------------------------------------------------------- */

static int
fill(struct runner *r, struct task *t, struct err *e)
{
	struct buf b;
	int rc;

	if (!r->o->template_file)
		return 0;
	buf_init(&b, task_limits(t)->prompt);
	rc = template_fill(buf_str(&r->template_text), t, &b, e);
	if (rc == 0 && !arena_str(t->arena, buf_str(&b), &t->prompt))
		rc = err_nomem(e);
	for (size_t i = t->n_messages; rc == 0 && i-- > 0;)
		if (str_is(t->messages[i].role, "user")) {
			t->messages[i].content = t->prompt;
			break;
		}
	buf_release(&b);
	return rc;
}

int
runner_prepare(struct runner *r, struct task *t,
    const struct cascade **cascade, struct err *e)
{
	const struct runner_options *o = r->o;

	if (fill(r, t, e) < 0)
		return -1;
	if (o->system && !t->system.n)
		t->system = str_of(o->system);
	for (size_t i = 0; i < o->tag.n; i++) {
		struct str value = str_of(o->tag.v[i]), name;
		str_cut(&value, '=', &name);
		if (task_add_tag(t, name, value, e) < 0)
			return -1;
	}
	*cascade = r->cascade;
	if (t->cascade.n && !o->cascade && !o->model) {
		*cascade = config_cascade(r->cfg, t->cascade, e);
		if (!*cascade) {
			e->code = ERR_INPUT;
			return -1;
		}
	}
	if (!*cascade) {
		*e = r->no_cascade;
		return -1;
	}
	return 0;
}

void
runner_notice(void *cookie, const struct tier *t, struct str code,
    struct str message)
{
	(void)cookie;
	say("'%.*s' is of no use in this run: %.*s (%.*s)",
	    STR_ARG(t->model), STR_ARG(message), STR_ARG(code));
}

void
runner_outage(void *cookie, const struct tier *t, bool out, struct str code,
    struct str message)
{
	(void)cookie;
	if (out)
		say("'%.*s' does not answer: %.*s (%.*s); it is tried once each "
		    "%d seconds", STR_ARG(t->model), STR_ARG(message),
		    STR_ARG(code), LANE_DARK_MS / 1000);
	else
		say("'%.*s' answers again", STR_ARG(t->model));
}
