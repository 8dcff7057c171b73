/*
 * config.c -- finding, loading and parsing the configuration: its top level,
 * and what the readers of its sections share.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/input.h"
#include "base/suggest.h"
#include "cascade/budget.h"
#include "cascade/config_internal.h"
#include "cascade/route.h"

#define MAX_FILE ((size_t)1 << 20)
#define MAX_PATH 4096
#define MAX_LIST 400 /* bytes of a list of names in a message */
#define MAX_RETRIES 100

#define DEMO "demo"
#define FILE_HERE "frugal.yaml"
#define FILE_HOME "frugal/frugal.yaml"

#define MINIMAL "{providers: {local: {api: openai, url: " \
	"'http://127.0.0.1:11434/v1'}}, cascades: {main: {tiers: " \
	"[{model: 'local/qwen2.5:3b'}]}}}"

/* --- what the readers share --------------------------------------------- */

bool
config_is_map(struct load *l, const struct ynode *n, const char *what)
{
	if (!n)
		return false;
	if (n->kind == YNODE_MAP)
		return true;
	report_error(l->r, n, "%s must be a map of names and values", what);
	return false;
}

void *
config_array(struct load *l, size_t count, size_t size)
{
	void *p = arena_array(l->a, count, size);

	if (!p)
		l->r->nomem = true;
	return p;
}

struct str
config_path(struct load *l, struct str path)
{
	struct str folder = l->folder;
	const char *home = getenv("HOME"), *joined;

	if (str_starts(path, "~/") && home) {
		folder = str_of(home);
		path = str_sub(path, 1, path.n);
	} else if (str_starts(path, "/")) {
		folder = STR("");
	}
	joined = arena_printf(l->a, "%.*s%.*s", STR_ARG(folder),
	    STR_ARG(path));
	if (!joined)
		l->r->nomem = true;
	return str_of(joined);
}

/* "a, b, c" in a buffer of its own; the caller releases it. */
static void
list_words(struct buf *out, const char *const *words)
{
	buf_init(out, BUF_MAX);
	for (size_t i = 0; words[i]; i++) {
		buf_adds(out, i ? ", " : "");
		if (out->n > MAX_LIST) {
			buf_adds(out, "...");
			break;
		}
		buf_adds(out, words[i]);
	}
}

void
config_unknown(struct load *l, const struct ynode *at, const char *what,
    struct str word, const char *const *known)
{
	const char *near = suggest(word, known);
	struct buf all;

	list_words(&all, known);
	if (near)
		report_error(l->r, at, "unknown %s '%.*s'; did you mean '%s'?",
		    what, STR_ARG(word), near);
	else if (all.failed || all.n == 0)
		report_error(l->r, at, "unknown %s '%.*s'", what,
		    STR_ARG(word));
	else
		report_error(l->r, at, "unknown %s '%.*s'; known: %s", what,
		    STR_ARG(word), all.p);
	buf_release(&all);
}

int
config_choice(struct load *l, const struct ynode *n, const char *what,
    const char *const *words)
{
	struct str word;

	if (!n || !ynode_str(n, what, &word, l->r))
		return -1;
	for (int i = 0; words[i]; i++)
		if (str_is(word, words[i]))
			return i;
	config_unknown(l, n, what, word, words);
	return -1;
}

/* --- finding ------------------------------------------------------------ */

/* True if the file of that name, in a folder that may be NULL, is there. */
static bool
is_there(const char *folder, const char *name, struct buf *path)
{
	buf_clear(path);
	if (folder)
		buf_addf(path, "%s/", folder);
	buf_adds(path, name);
	return !path->failed && access(path->p, F_OK) == 0;
}

int
config_find(const char *given, struct buf *path, struct err *e)
{
	const char *variable = getenv("FRUGAL_CONFIG");
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (given && !*given)
		return err_set(e, ERR_USAGE, "the name of the configuration "
		    "is empty; see -c");
	if (!given && variable && *variable)
		given = variable;
	buf_clear(path);
	if (given) {
		buf_adds(path, given);
		return path->failed ? err_nomem(e) : 1;
	}
	if (is_there(NULL, FILE_HERE, path))
		return 1;
	/* The XDG specification: a relative path there is to be ignored. */
	if (xdg && *xdg == '/') {
		if (is_there(xdg, FILE_HOME, path))
			return 1;
	} else if (home && *home) {
		if (is_there(home, ".config/" FILE_HOME, path))
			return 1;
	}
	if (path->failed)
		return err_nomem(e);
	buf_clear(path);
	return 0;
}

/* --- reading ------------------------------------------------------------ */

static void
read_top(struct load *l, const struct ynode *root)
{
	static const char *const keys[] = {
		"providers", "cascades", "models", "store", "retries",
		"max_cost", "task_timeout", "limits", NULL
	};
	struct config *c = l->c;
	const struct ynode *n;
	int64_t retries = c->retries;

	ynode_known(root, "the configuration", keys, l->r);
	config_limits(l, ynode_get(root, "limits"));
	config_providers(l, ynode_get(root, "providers"));
	config_models(l, ynode_get(root, "models"));
	config_cascades(l, ynode_get(root, "cascades"));

	config_run(l, root);
	n = ynode_get(root, "store");
	if (ynode_str(n, "store", &c->store, l->r) && n &&
	    !str_is(c->store, ":memory:") && !str_is(c->store, "none"))
		c->store = config_path(l, c->store);
	ynode_count(ynode_get(root, "retries"), "retries", 0, MAX_RETRIES,
	    &retries, l->r);
	c->retries = (int)retries;
	c->simulated = c->n_providers > 0;
	for (size_t i = 0; i < c->n_providers; i++)
		if (!c->providers[i].ops ||
		    !(c->providers[i].ops->flags & PROVIDER_SIMULATED))
			c->simulated = false;
}

static void
read_root(struct load *l, const struct ynode *root)
{
	if (root->kind != YNODE_NULL && !config_is_map(l, root,
	    "the configuration"))
		return;
	if (root->kind == YNODE_NULL || !ynode_get(root, "cascades"))
		report_error(l->r, root->kind == YNODE_NULL ? NULL : root,
		    "there is no cascade; a small configuration is " MINIMAL);
	if (root->kind == YNODE_MAP)
		read_top(l, root);
}

/* What config_parse() says of it, and whether it can be used. */
static int
finish(const struct report *r, struct buf *messages, struct buf *warnings,
    struct err *e)
{
	if (r->nomem)
		return err_nomem(e);
	if (messages)
		report_print(r, messages, true, false);
	if (warnings)
		report_print(r, warnings, false, true);
	if ((messages && messages->failed) || (warnings && warnings->failed))
		return err_nomem(e);
	if (r->errors)
		return err_set(e, ERR_CONFIG, "configuration '%s' has %zu "
		    "error%s", r->file, r->errors, r->errors == 1 ? "" : "s");
	return 0;
}

int
config_parse_at(struct config **out, const char *name, struct str text,
    int64_t now_utc_ms, struct buf *messages, struct buf *warnings,
    struct err *e)
{
	struct config *c;
	struct report r;
	struct load l = { .r = &r, .now_utc_ms = now_utc_ms };
	struct ynode *root;
	const char *slash;
	int rc;

	if (config_empty(&c, e) < 0)
		return -1;
	c->file = arena_cstr(c->arena, str_of(name));
	if (!c->file) {
		config_free(c);
		return err_nomem(e);
	}
	l.c = c;
	l.a = c->arena;
	slash = strrchr(c->file, '/');
	if (slash)
		l.folder = str_sub(str_of(c->file), 0,
		    (size_t)(slash - c->file) + 1);
	report_init(&r, c->arena, c->file);
	root = yaml_parse(text, c->arena, &r);
	if (root)
		read_root(&l, root);
	rc = finish(&r, messages, warnings, e);
	if (rc < 0)
		config_free(c);
	else
		*out = c;
	return rc;
}

int
config_parse(struct config **out, const char *name, struct str text,
    struct buf *messages, struct buf *warnings, struct err *e)
{
	return config_parse_at(out, name, text, clock_utc_ms(), messages,
	    warnings, e);
}

int
config_load(struct config **out, const char *path, struct buf *messages,
    struct buf *warnings, struct err *e)
{
	struct buf text;
	int rc;

	if (strcmp(path, DEMO) == 0)
		return config_parse(out, path, config_demo_text(), messages,
		    warnings, e);
	buf_init(&text, MAX_FILE);
	rc = input_slurp(path, MAX_FILE, &text, e);
	if (rc < 0) {
		if (e && e->code != ERR_NOMEM)
			e->code = ERR_CONFIG;
		err_in(e, "configuration");
	} else {
		rc = config_parse(out, path, buf_str(&text), messages,
		    warnings, e);
	}
	buf_release(&text);
	return rc;
}

int
config_empty(struct config **out, struct err *e)
{
	struct arena *a = arena_new(0);
	struct config *c = a ? arena_alloc(a, sizeof(*c)) : NULL;

	if (!c) {
		arena_free(a);
		return err_nomem(e);
	}
	c->arena = a;
	c->file = "";
	c->retries = -1;
	c->max_cost = (struct caps){ BUDGET_NONE, BUDGET_NONE, BUDGET_NONE };
	c->limits = limits_default;
	*out = c;
	return 0;
}

void
config_free(struct config *c)
{
	struct cascade *k;

	if (!c)
		return;
	for (size_t i = 0; i < c->n_cascades; i++) {
		k = &c->cascades[i];
		regex_free(k->answer.pattern);
		route_release(k->route);
		for (size_t j = 0; j < k->n_tiers; j++)
			rule_release(k->tiers[j].accept);
	}
	arena_free(c->arena);
}

/* --- choosing a cascade ------------------------------------------------- */

/* The names of all cascades, NULL-ended; the caller frees it. */
static const char **
cascade_names(const struct config *c)
{
	const char **names = calloc(c->n_cascades + 1, sizeof(*names));

	for (size_t i = 0; names && i < c->n_cascades; i++)
		names[i] = c->cascades[i].name.p;
	return names;
}

/* Why there is no cascade of that name; it is empty if none was given. */
static int
no_cascade(const struct config *c, struct str name, const char *const *names,
    struct err *e)
{
	const char *near = suggest(name, names);
	struct buf all;

	list_words(&all, names);
	if (near)
		err_set(e, ERR_USAGE, "no cascade '%.*s' in '%s'; did you "
		    "mean '%s'?", STR_ARG(name), c->file, near);
	else if (c->n_cascades == 0)
		err_set(e, ERR_USAGE, "there is no cascade; give a "
		    "configuration with -c, or a model with -m");
	else if (name.n)
		err_set(e, ERR_USAGE, "no cascade '%.*s' in '%s'; known: %s",
		    STR_ARG(name), c->file, all.n ? all.p : "");
	else
		err_set(e, ERR_USAGE, "'%s' has %zu cascades and none is "
		    "called 'default'; choose one with -k: %s", c->file,
		    c->n_cascades, all.n ? all.p : "");
	buf_release(&all);
	return -1;
}

const struct cascade *
config_cascade(const struct config *c, struct str name, struct err *e)
{
	const char **names;

	if (name.n == 0 && c->n_cascades == 1)
		return &c->cascades[0];
	for (size_t i = 0; i < c->n_cascades; i++)
		if (str_eq(c->cascades[i].name, name.n ? name : STR("default")))
			return &c->cascades[i];
	names = cascade_names(c);
	if (names)
		no_cascade(c, name, names, e);
	else
		err_nomem(e);
	free(names);
	return NULL;
}
