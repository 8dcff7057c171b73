/*
 * config.h -- the configuration: providers, cascades, tiers, accept rules and
 * prices, from one YAML file, checked whole before anything is sent.
 *
 * Everything lives as long as the struct config; it is never changed after
 * config_load().
 */
#ifndef CASCADE_CONFIG_H
#define CASCADE_CONFIG_H

#include "base/arena.h"
#include "base/yaml.h"
#include "cascade/price.h"
#include "cascade/task.h"
#include "providers/provider.h"
#include "scorers/answer.h"
#include "scorers/rule.h"

#define CONFIG_MAX_SAMPLES 256
#define CONFIG_MAX_TIERS 32
#define CONFIG_MAX_PROMPTS 16
#define CONFIG_MAX_ENDPOINTS 8

/* A template of a tier: `prompts: [cot.txt, program.txt]`, or inline. */
struct prompt_template {
	struct str name; /* as written: the file's name, or "inline" */
	struct str text; /* with {{input}} and {{field}} */
};

struct tier {
	struct str name;  /* `name:`, else the model as written */
	struct str model; /* "provider/name" as written */
	const struct provider *provider;
	struct str model_name; /* what the provider is asked for */
	struct sampling sampling;
	struct str system;     /* empty: the cascade's, or the task's own */
	struct prompt_template *prompts; /* NULL: the task's prompt as it is */
	size_t n_prompts;
	int samples_min, samples_max; /* 1 .. CONFIG_MAX_SAMPLES; equal unless
	                                 adaptive */
	int repair;            /* 0 .. 3 */
	struct rule *accept;   /* NULL: accept any complete answer */
	struct price price;    /* of the table or the configuration */
	bool price_overridden;
	int64_t requests_per_minute, tokens_per_minute; /* of the model; 0: no
	                                                   limit of its own */
	/* The same tier at further endpoints, which differ in model, provider
	 * and price alone: asked, in order, when those before do not answer. */
	struct tier *others;
	size_t n_others;
	int line, column;      /* in the file */
};

/* May a task climb because nobody answered, not because an answer was poor? */
enum on_outage {
	OUTAGE_CLIMB = 0, /* yes */
	OUTAGE_WAIT,      /* no: wait until the tier is there again */
	OUTAGE_FAIL,      /* no: the task fails */
};

/* What the cascade was chosen for (`promise`), which audits look after. */
struct promise {
	bool given;
	double max_loss, confidence;
	int64_t since_utc_ms; /* what was before is of another cascade; 0: none */
};

struct cascade {
	struct str name;
	struct answer_rule answer;
	struct str system;
	struct tier *tiers;
	size_t n_tiers;
	struct route *route; /* see route.h; NULL: all begin at the first */
	bool fail_exhausted; /* `exhausted: fail`: no answer below its rule */
	enum on_outage on_outage;
	double audit;        /* share of accepted tasks that the top tier is
	                        asked about as well; 0: none */
	struct promise promise;
	int line, column;
};

/* A price of the file's `models:`. */
struct model_price {
	struct str model; /* "provider/name" */
	struct price price;
	int64_t requests_per_minute, tokens_per_minute; /* 0: no limit */
};

/* Caps in picodollars; BUDGET_NONE where none is set (cascade/budget.h). */
struct caps {
	int64_t run, day, task;
};

/* `limits:`: bounds on what servers, files of tasks and traces give and on what
 * waits, for who needs more or less. What has no name here has a fixed bound. */
struct limits_config {
	struct task_limits task; /* of files of tasks and of traces */
	size_t template;   /* bytes of a prompt file or a --template */
	size_t response;   /* bytes of a server's answer, unpacked */
	size_t result;     /* bytes of a line of an output file that is resumed */
	size_t trace;      /* bytes in memory of one task of a trace */
	size_t held;       /* bytes of results in memory that come before their
	                      turn; see cmd/order.h */
	size_t json_values; /* of one document */
	uint32_t regex_steps; /* of one search */
};
#define LIMITS_HELD ((size_t)8 << 20) /* default of `held` */
#define LIMITS_MAX_PROMPT ((size_t)10 << 20) /* of what `prompt` may be */
#define LIMITS_MAX_TEMPLATE ((size_t)10 << 20)
extern const struct limits_config limits_default;
/* Tell base/ (json_limit() and regex_limit()), once a configuration is in use. */
void limits_apply(const struct limits_config *limits);

struct config {
	const char *file;  /* as the user named it; "demo" for the built-in one */
	struct arena *arena;
	struct provider *providers;
	size_t n_providers;
	struct cascade *cascades;
	size_t n_cascades;
	struct model_price *models;
	size_t n_models;
	struct str store;  /* path, empty: the default place */
	struct caps max_cost;
	int64_t task_timeout_ms; /* for each task; 0: none */
	int retries;       /* of a failed request; -1: the default (see call.h) */
	struct limits_config limits;
	bool simulated;    /* every provider is simulated */
};

/*
 * Where the configuration is: `given` (-c, may be NULL), $FRUGAL_CONFIG,
 * ./frugal.yaml, $XDG_CONFIG_HOME/frugal/frugal.yaml (~/.config). 1: *path has
 * it; 0: there is none. "demo" is the built-in one.
 */
int config_find(const char *given, struct buf *path, struct err *e);

/*
 * Read and check. 0: *out is complete; -1: *e has a summary and *messages
 * every complaint, one line each, as `file:line:column: ...`. Warnings go to
 * *warnings (may be NULL) in either case. Files named in it (templates,
 * key_file) are relative to the folder of the configuration.
 */
int config_load(struct config **out, const char *path, struct buf *messages,
    struct buf *warnings, struct err *e);
/* The same from text, under a name for messages. */
int config_parse(struct config **out, const char *name, struct str text,
    struct buf *messages, struct buf *warnings, struct err *e);
void config_free(struct config *c); /* NULL is fine */

/* By name; NULL name: the only one, or the one called "default". NULL with
 * *e (ERR_USAGE) when it is not there, with the nearest name. */
const struct cascade *config_cascade(const struct config *c, struct str name,
    struct err *e);

/*
 * `-m provider/model`: a cascade of one tier without a rule, added to the
 * configuration. A provider that the file does not define is taken from the
 * well-known ones (openai, openrouter, together, groq, mistral, deepseek, xai
 * with their usual key variables; ollama on loopback), also when there is no
 * configuration at all: config_empty().
 */
int config_empty(struct config **out, struct err *e);
const struct cascade *config_single(struct config *c, struct str model,
    struct err *e);

/* `--set temperature=0.2` for every tier of every cascade: the names of a
 * tier's sampling settings. */
int config_set(struct config *c, struct str assignment, struct err *e);

/* The text of the built-in configuration. */
struct str config_demo_text(void);

#endif
