/*
 * config_internal.h -- shared by the files that read the configuration:
 *
 *	config.c           finding, loading, the top level
 *	config_limits.c    limits:
 *	config_provider.c  providers:
 *	config_model.c     models:, -m and --set
 *	config_cascade.c   cascades: and their tiers
 *	config_run.c       max_cost, task_timeout
 *	config_check.c     what a tier asks for that its model cannot do, and
 *	                   what will surprise or cost
 *
 * Each reader complains in l->r and goes on, so that one run shows everything
 * that is wrong. Text of the document lives in the configuration's arena.
 */
#ifndef CASCADE_CONFIG_INTERNAL_H
#define CASCADE_CONFIG_INTERNAL_H

#include "cascade/config.h"

#define CONFIG_MAX_RATE 1000000000 /* a minute */

/* One reading of one document. */
struct load {
	struct config *c;
	struct arena *a;    /* c's */
	struct report *r;
	struct str folder;  /* of the file, with its last slash; or empty */
	int64_t now_utc_ms; /* which models are gone */
};

/* config_parse() at a given time. */
int config_parse_at(struct config **out, const char *name, struct str text,
    int64_t now_utc_ms, struct buf *messages, struct buf *warnings,
    struct err *e);

/* True for a map; else complains and is false. NULL is false in silence. */
bool config_is_map(struct load *l, const struct ynode *n, const char *what);
/* Zeroed arena memory; NULL with l->r->nomem. */
void *config_array(struct load *l, size_t count, size_t size);
/* A file named in the configuration, NUL-terminated; empty if out of memory. */
struct str config_path(struct load *l, struct str path);
/* "unknown auth 'baerer'; did you mean 'bearer'?", or with all known words. */
void config_unknown(struct load *l, const struct ynode *at, const char *what,
    struct str word, const char *const *known);
/* The place of n's text in a NULL-ended list of words; -1 if n is NULL, or
 * with a complaint. */
int config_choice(struct load *l, const struct ynode *n, const char *what,
    const char *const *words);

/* First, since prompt files are read within them. n may be NULL. */
void config_limits(struct load *l, const struct ynode *n);

void config_providers(struct load *l, const struct ynode *n);
const struct provider *config_provider(const struct config *c, struct str name);
/* The names of all providers, NULL-ended, in c's arena; NULL: no memory. */
const char **config_provider_names(const struct config *c);

/* `max_cost` and `task_timeout`. */
void config_run(struct load *l, const struct ynode *root);

/* After the providers. */
void config_models(struct load *l, const struct ynode *n);
/* model, model_name and provider of *t from "provider/name"; else complains. */
bool config_model(struct load *l, const struct ynode *at, struct tier *t);
/* The price of t->model into *t: the file's, else the table's, else unknown. */
void config_price(const struct config *c, struct tier *t);

/* After the providers and the models. */
void config_cascades(struct load *l, const struct ynode *n);
/* The sampling settings in the map n, over those that *s has. */
void config_sampling(struct report *r, const struct ynode *n,
    struct sampling *s);
/* Their names, NULL-ended. */
extern const char *const config_sampling_keys[];

/* What t asks for and its model refuses. n may be NULL. */
void config_check_refused(struct report *r, const struct tier *t,
    const struct ynode *n);
void config_check_tier(struct load *l, const struct tier *t,
    const struct ynode *n);
/* A price was stated under `models:`, in a file that has mistakes. */
bool config_price_miswritten(const struct load *l, const struct tier *t);
/* The order of the tiers; n is the list that they were read from. */
void config_check_order(struct load *l, const struct cascade *k,
    const struct ynode *n);

#endif
