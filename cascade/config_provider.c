/*
 * config_provider.c -- the `providers:` section.
 */
#include <ctype.h>
#include <string.h>

#include "cascade/config_internal.h"

#define MAX_APIS 32
#define MAX_NAME 64

static const char *const provider_keys[] = {
	"api", "url", "key_env", "key_file", "key_cmd", "auth", "headers", "n",
	"logprobs", "limit_field", "requests_per_minute", "tokens_per_minute",
	"max_in_flight", "connect_timeout", "timeout", "idle_timeout", "ca_file",
	NULL
};

static void
read_api(struct load *l, const struct ynode *n, struct provider *p)
{
	const struct ynode *api = ynode_get(n, "api");
	const char *known[MAX_APIS + 1] = { NULL };
	struct str word;

	if (!api) {
		report_error(l->r, n, "provider '%.*s' has no api, such as "
		    "'api: openai'", STR_ARG(p->name));
		return;
	}
	if (!ynode_str(api, "api", &word, l->r))
		return;
	p->ops = provider_find(word);
	if (p->ops)
		return;
	for (size_t i = 0; i < MAX_APIS && provider_registry[i]; i++)
		known[i] = provider_registry[i]->name;
	config_unknown(l, api, "api", word, known);
}

static struct str
lower(struct load *l, struct str s)
{
	char *p = arena_cstr(l->a, s);

	if (!p) {
		l->r->nomem = true;
		return STR("");
	}
	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)tolower((unsigned char)p[i]);
	return (struct str){ p, s.n };
}

/* `key=`, `api-key=`, `access_token=`, ...: a url is shown, and kept with every
 * completion. */
static bool
has_key(struct str url)
{
	static const char *const words[] = {
		"key", "token", "secret", "password", "passwd", "signature",
	};
	struct str query = url, before, parameter, name;

	if (!str_cut(&query, '?', &before))
		return false;
	while (query.n) {
		str_cut(&query, '&', &parameter);
		str_cut(&parameter, '=', &name);
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (str_has_nocase(name, words[i]))
				return true;
	}
	return false;
}

/* The key itself has no place in a file that is shown, sent and committed. */
static void
refuse_key(struct load *l, const struct ynode *n)
{
	static const char *const names[] = { "key", "api_key", "token" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (ynode_get_key(n, names[i]))
			report_error(l->r, ynode_get_key(n, names[i]), "a key "
			    "is not written into the configuration; say where "
			    "it is with key_env, key_file or key_cmd");
}

/* The url is never shown: it could have a password in it. */
static void
check_url(struct load *l, const struct ynode *at, struct provider *p)
{
	struct url_parts u;

	if (str_has(p->url, "${"))
		report_warn(l->r, at, "'${' in a url is not expanded; write "
		    "the url out");
	if (!provider_url_parse(p->url, &u)) {
		report_error(l->r, at, "the url is not of the form "
		    "http://host:port/path or https://host/path");
		return;
	}
	if (u.userinfo)
		report_error(l->r, at, "the url has a user or password in it; "
		    "take it out and use key_env, key_file or key_cmd");
	if (has_key(p->url))
		report_error(l->r, at, "the url has what looks like a key in "
		    "its query; take it out and use key_env, key_file or "
		    "key_cmd");
	p->host = lower(l, u.host);
	while (str_ends(p->url, "/"))
		p->url.n--;
}

static void
read_url(struct load *l, const struct ynode *n, struct provider *p)
{
	const struct ynode *at = ynode_get(n, "url");

	if (at) {
		if (ynode_str(at, "url", &p->url, l->r))
			check_url(l, at, p);
		return;
	}
	if (!p->ops || p->ops->flags & PROVIDER_OFFLINE)
		return;
	if (!p->ops->default_url) {
		report_error(l->r, n, "provider '%.*s' has no url",
		    STR_ARG(p->name));
		return;
	}
	p->url = str_of(p->ops->default_url);
	check_url(l, n, p);
}

/* A key that was put where the name of a variable belongs is not shown. */
static bool
is_variable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(isalnum((unsigned char)s.p[i]) || s.p[i] == '_') ||
		    isdigit((unsigned char)s.p[0]))
			return false;
	return s.n > 0;
}

static void
read_key(struct load *l, const struct ynode *n, struct provider *p)
{
	static const struct {
		const char *key;
		enum key_source source;
	} sources[] = {
		{ "key_env", KEY_ENV }, { "key_file", KEY_FILE },
		{ "key_cmd", KEY_CMD },
	};
	const struct ynode *at;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		at = ynode_get(n, sources[i].key);
		if (!at || !ynode_str(at, sources[i].key, &p->key_ref, l->r))
			continue;
		if (p->key_source != KEY_NONE)
			report_error(l->r, at, "provider '%.*s' has more than "
			    "one of key_env, key_file and key_cmd",
			    STR_ARG(p->name));
		p->key_source = sources[i].source;
		if (p->key_ref.n == 0)
			report_error(l->r, at, "%s is empty", sources[i].key);
		else if (p->key_source == KEY_FILE)
			p->key_ref = config_path(l, p->key_ref);
		else if (p->key_source == KEY_ENV && !is_variable(p->key_ref))
			report_error(l->r, at, "key_env is the name of an "
			    "environment variable, not the key itself");
	}
}

static void
read_ca_file(struct load *l, const struct ynode *n, struct provider *p)
{
	const struct ynode *at = ynode_get(n, "ca_file");
	struct str file;

	if (!at || !ynode_str(at, "ca_file", &file, l->r))
		return;
	if (file.n == 0)
		report_error(l->r, at, "ca_file is empty");
	else if (str_starts(p->url, "http:"))
		report_error(l->r, at, "ca_file is for https; the url is http");
	else
		p->ca_file = config_path(l, file).p;
}

static bool
looks_secret(struct str header)
{
	static const char *const words[] = {
		"authorization", "api-key", "apikey", "auth-token",
		"access-token", "secret", "password", "cookie",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_has_nocase(header, words[i]))
			return true;
	return false;
}

/* RFC 9110: what the name and the value of a header may be made of. */
static bool
is_header_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) &&
		    (!s.p[i] || !strchr("!#$%&'*+-.^_`|~", s.p[i])))
			return false;
	return s.n > 0;
}

static bool
is_header_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static void
read_header(struct load *l, const struct ynode *key, const struct ynode *value,
    struct provider *p)
{
	struct header_line h = { .name = key->text };

	if (!is_header_name(h.name))
		report_error(l->r, key, "a header's name has letters, digits "
		    "and dashes only");
	else if (looks_secret(h.name))
		report_error(l->r, key, "header '%.*s' looks like a secret, "
		    "which does not belong in a file; use key_env",
		    STR_ARG(h.name));
	else if (!ynode_str(value, "a header", &h.value, l->r))
		return;
	else if (!is_header_value(h.value))
		report_error(l->r, value, "header '%.*s' has a control "
		    "character in it", STR_ARG(h.name));
	else
		p->headers[p->n_headers++] = h;
}

static void
read_headers(struct load *l, const struct ynode *n, struct provider *p)
{
	if (!config_is_map(l, n, "headers"))
		return;
	p->headers = config_array(l, n->n, sizeof(*p->headers));
	for (size_t i = 0; p->headers && i < n->n; i++)
		read_header(l, n->key[i], n->item[i], p);
}

static void
read_tristate(struct load *l, const struct ynode *n, const char *key,
    enum tristate *out)
{
	const struct ynode *at = ynode_get(n, key);
	bool yes;

	if (at && ynode_bool(at, key, &yes, l->r))
		*out = yes ? YES : NO;
}

static void
read_words(struct load *l, const struct ynode *n, struct provider *p)
{
	/* In the order of the enums, from the value after UNSET. */
	static const char *const auths[] = {
		"bearer", "api-key", "none", NULL
	};
	static const char *const limits[] = {
		"max_tokens", "max_completion_tokens", NULL
	};

	p->auth = (enum auth_style)(config_choice(l, ynode_get(n, "auth"),
	    "auth", auths) + 1);
	p->limit_field = (enum limit_field)(config_choice(l,
	    ynode_get(n, "limit_field"), "limit_field", limits) + 1);
	read_tristate(l, n, "n", &p->n);
	read_tristate(l, n, "logprobs", &p->logprobs);
}

static void
read_numbers(struct load *l, const struct ynode *n, struct provider *p)
{
	struct {
		const char *key;
		int64_t *out;
	} counts[] = {
		{ "requests_per_minute", &p->requests_per_minute },
		{ "tokens_per_minute", &p->tokens_per_minute },
		{ "max_in_flight", &p->max_in_flight },
	}, times[] = {
		{ "connect_timeout", &p->connect_timeout_ms },
		{ "timeout", &p->timeout_ms },
		{ "idle_timeout", &p->idle_timeout_ms },
	};
	const struct ynode *at;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		ynode_count(ynode_get(n, counts[i].key), counts[i].key, 0,
		    CONFIG_MAX_RATE, counts[i].out, l->r);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		at = ynode_get(n, times[i].key);
		if (ynode_duration(at, times[i].key, times[i].out, l->r) &&
		    *times[i].out <= 0)
			report_error(l->r, at, "%s must be more than 0",
			    times[i].key);
	}
}

/* A model is written provider/name, so a provider's name has no slash. */
static void
check_name(struct load *l, const struct ynode *key)
{
	struct str s = key->text;

	if (s.n == 0 || s.n > MAX_NAME || str_has(s, "/") ||
	    !is_header_value(s) || !str_eq(s, str_trim(s)))
		report_error(l->r, key, "a provider's name has 1 to %d "
		    "characters and no slash", MAX_NAME);
}

static void
read_provider(struct load *l, const struct ynode *key, const struct ynode *n,
    struct provider *p)
{
	const struct ynode *url;
	struct err e;

	*p = (struct provider){
		.name = key->text,
		.connect_timeout_ms = PROVIDER_CONNECT_TIMEOUT_MS,
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.idle_timeout_ms = PROVIDER_IDLE_TIMEOUT_MS,
	};
	check_name(l, key);
	if (!config_is_map(l, n, "a provider"))
		return;
	ynode_known(n, "provider", provider_keys, l->r);
	refuse_key(l, n);
	read_api(l, n, p);
	read_url(l, n, p);
	read_key(l, n, p);
	read_ca_file(l, n, p);
	read_headers(l, ynode_get(n, "headers"), p);
	read_words(l, n, p);
	read_numbers(l, n, p);
	provider_quirks(p);
	/* A url without a host has been complained about. */
	url = ynode_get(n, "url");
	if (p->ops && p->host.n && provider_url_check(p, &e) < 0)
		report_error(l->r, url ? url : n, "%s", e.msg);
}

void
config_providers(struct load *l, const struct ynode *n)
{
	struct config *c = l->c;

	if (!config_is_map(l, n, "providers"))
		return;
	c->providers = config_array(l, n->n, sizeof(*c->providers));
	for (size_t i = 0; c->providers && i < n->n; i++)
		read_provider(l, n->key[i], n->item[i],
		    &c->providers[c->n_providers++]);
}

const struct provider *
config_provider(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_providers; i++)
		if (str_eq(c->providers[i].name, name))
			return &c->providers[i];
	return NULL;
}

const char **
config_provider_names(const struct config *c)
{
	const char **names = arena_array(c->arena, c->n_providers + 1,
	    sizeof(*names));

	for (size_t i = 0; names && i < c->n_providers; i++)
		names[i] = c->providers[i].name.p;
	return names;
}
