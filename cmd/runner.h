/*
 * runner.h -- what `run`, `batch` and `collect` have in common: their options,
 * the configuration, the store, the loop, the engine, and Ctrl-C.
 */
#ifndef CMD_RUNNER_H
#define CMD_RUNNER_H

#include "cascade/engine.h"
#include "cascade/estimate.h"
#include "cmd/common.h"

/* Filled by RUNNER_OPTS. */
struct runner_options {
	struct common common;
	const char *cascade, *model, *system, *template_file;
	struct opt_list set, tag;
	int64_t in_flight, retries;
	const char *max_cost, *task_timeout;
	bool no_cache, refresh, cache_only, estimate;
	bool collect; /* not an option: every tier is asked for everything */
};
#define RUNNER_OPTIONS_INIT { .in_flight = ENGINE_IN_FLIGHT, .retries = -1 }

void runner_options_release(struct runner_options *o);

#define RUNNER_OPTS(o) \
	COMMON_CONFIG_OPT(&(o)->common), \
	{ OPT_TEXT, 'k', "cascade", &(o)->cascade, "NAME", \
	    "the cascade to climb (default: the only one, or the\n" \
	    "one called default)", 0, 0, NULL }, \
	{ OPT_TEXT, 'm', "model", &(o)->model, "MODEL", \
	    "this one model (provider/name) instead of a cascade", \
	    0, 0, NULL }, \
	{ OPT_TEXT, 's', "system", &(o)->system, "TEXT", \
	    "system text, for tasks that have none", 0, 0, NULL }, \
	{ OPT_TEXT, 't', "template", &(o)->template_file, "FILE", \
	    "prompt template with {{input}} and {{field}}", 0, 0, NULL }, \
	{ OPT_LIST, 0, "set", &(o)->set, "NAME=VALUE", \
	    "a sampling setting for every tier, e.g. temperature=0.2", \
	    0, 0, NULL }, \
	{ OPT_LIST, 0, "tag", &(o)->tag, "NAME=VALUE", \
	    "tag every task, for `frugal stats --by tag=NAME`", \
	    0, 0, NULL }, \
	{ OPT_INT, 'j', "jobs", &(o)->in_flight, "N", \
	    "requests in flight at most (default: 64)", \
	    1, ENGINE_MAX_IN_FLIGHT, NULL }, \
	{ OPT_INT, 0, "retries", &(o)->retries, "N", \
	    "tries after a failed one (default: 4, or as configured)", \
	    0, 100, NULL }, \
	{ OPT_TEXT, 0, "max-cost", &(o)->max_cost, "USD", \
	    "spend no more than this in this run: a request leaves\n" \
	    "only when the most that it can cost still fits", \
	    0, 0, NULL }, \
	{ OPT_TEXT, 0, "task-timeout", &(o)->task_timeout, "TIME", \
	    "give up a task after this time, e.g. 90s or 5m", \
	    0, 0, NULL }, \
	{ OPT_FLAG, 0, "no-cache", &(o)->no_cache, NULL, \
	    "neither look up nor keep completions", 0, 0, NULL }, \
	{ OPT_FLAG, 0, "refresh", &(o)->refresh, NULL, \
	    "ask again what the store has, and keep the new answer", \
	    0, 0, NULL }, \
	{ OPT_FLAG, 0, "cache-only", &(o)->cache_only, NULL, \
	    "answer from the store alone; what is missing fails", \
	    0, 0, NULL }, \
	{ OPT_FLAG, 0, "estimate", &(o)->estimate, NULL, \
	    "send nothing; tell what it would cost, from the prompts,\n" \
	    "the prices and the ledger", 0, 0, NULL }, \
	COMMON_STORE_OPT(&(o)->common)

struct runner {
	const struct runner_options *o;
	struct config *cfg;
	struct store *store;
	struct http *http;
	struct engine *engine;
	const struct cascade *cascade; /* for tasks that name none; or NULL */
	struct err no_cascade;         /* why there is none */
	struct buf template_text;
	int signals;      /* signalfd, or -1 */
	int interrupts;   /* SIGINT, SIGTERM, SIGHUP so far */
	struct caps caps; /* of the options, else of the configuration */
	int64_t task_timeout_ms;
	struct estimate *estimate; /* with --estimate: takes the results */
	bool quiet;
};

/* Everything but the engine. Prints what is wrong with the configuration. */
int runner_open(struct runner *r, const struct runner_options *o,
    struct err *e);
/* Climb with everything that `io` gives. Interrupts give ERR_INTERRUPTED. */
int runner_run(struct runner *r, const struct engine_io *io, const char *source,
    struct err *e);
void runner_close(struct runner *r);
/* After runner_run(): does somebody want the rest to stop, too? */
bool runner_interrupted(struct runner *r);
/* Is all that came in the store, where the next run finds it? `why` is the error
 * of runner_run(), or NULL. */
bool runner_kept(const struct runner *r, const struct err *why);

/* say_err(), for those who give answers: whoever closed the pipe has not had
 * every one, so that is a failure too. */
int runner_say_err(const struct err *e);

/* Put the options' system text, tags and template into a task, and find its
 * cascade. -1: ERR_INPUT, this task cannot be done; or another code. */
int runner_prepare(struct runner *r, struct task *t,
    const struct cascade **cascade, struct err *e);

/* One line on standard error, for engine_io.outage. */
void runner_outage(void *cookie, const struct tier *t, bool out,
    struct str code, struct str message);
/* One line on standard error, for engine_io.notice. */
void runner_notice(void *cookie, const struct tier *t, struct str code,
    struct str message);

#endif
