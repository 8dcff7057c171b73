/*
 * config_model.c -- models: the `models:` section with the user's own prices,
 * and what the command line says of models: -m and --set.
 */
#include <string.h>

#include "base/suggest.h"
#include "cascade/config_internal.h"

#define TOKENS_PER_PRICE 1000000 /* prices are for a million tokens */

/* --- models: ------------------------------------------------------------ */

/* Dollars for a million tokens, exactly; *rate is picodollars a token. */
static bool
read_rate(struct load *l, const struct ynode *n, const char *key, int64_t *rate)
{
	const struct ynode *at = ynode_get(n, key);
	int64_t picousd;

	if (!at)
		return false;
	if (at->kind != YNODE_SCALAR || !money_parse(at->text, &picousd)) {
		report_error(l->r, at, "%s must be dollars for a million "
		    "tokens, such as 0.15", key);
		return false;
	}
	if (picousd % TOKENS_PER_PRICE) {
		report_error(l->r, at, "%s has more than six decimals: a token "
		    "must cost whole picodollars", key);
		return false;
	}
	*rate = picousd / TOKENS_PER_PRICE;
	return true;
}

/* A stated price of input or output brings its own cache prices: those of the
 * table belong to the table's price. */
static void
read_rates(struct load *l, const struct ynode *n, struct price *p)
{
	struct price_rates r = p->rates;
	bool any;

	if (ynode_get(n, "input_per_mtok") || ynode_get(n, "output_per_mtok"))
		r.cached = r.cache_write = r.cache_write_1h = MONEY_UNKNOWN;
	any = read_rate(l, n, "input_per_mtok", &r.input);
	any |= read_rate(l, n, "output_per_mtok", &r.output);
	any |= read_rate(l, n, "cached_input_per_mtok", &r.cached);
	any |= read_rate(l, n, "cache_write_per_mtok", &r.cache_write);
	if (any)
		price_override(p, &r);
}

static void
read_discount(struct load *l, const struct ynode *n, struct price *p)
{
	const struct ynode *at = ynode_get(n, "batch_discount");
	double discount;
	int percent;

	if (!at || !ynode_double(at, "batch_discount", 0, 1, &discount, l->r))
		return;
	percent = (int)(discount * 100 + 0.5);
	if (percent / 100.0 != discount)
		report_error(l->r, at, "batch_discount must be whole "
		    "percents, such as 0.5");
	else
		p->batch_percent = percent;
}

bool
config_model(struct load *l, const struct ynode *at, struct tier *t)
{
	struct str name;
	const char **known;

	t->model = t->model_name = at->text;
	if (!str_cut(&t->model_name, '/', &name) || name.n == 0 ||
	    t->model_name.n == 0) {
		report_error(l->r, at, "model '%.*s' is not written "
		    "provider/name, such as openai/gpt-4o-mini",
		    STR_ARG(at->text));
		return false;
	}
	t->provider = config_provider(l->c, name);
	if (t->provider)
		return true;
	known = config_provider_names(l->c);
	if (known)
		config_unknown(l, at, "provider", name, known);
	else
		l->r->nomem = true;
	return false;
}

static const struct price *
table_price(const struct provider *p, struct str model_name)
{
	return price_find(str_of(price_vendor_of_host(p->host)), model_name);
}

static void
read_model(struct load *l, const struct ynode *key, const struct ynode *n,
    struct model_price *m)
{
	static const char *const keys[] = {
		"input_per_mtok", "output_per_mtok", "cached_input_per_mtok",
		"cache_write_per_mtok", "batch_discount",
		"requests_per_minute", "tokens_per_minute", NULL
	};
	const struct price *known = NULL;
	struct tier t = { .provider = NULL };

	if (config_model(l, key, &t))
		known = table_price(t.provider, t.model_name);
	*m = (struct model_price){ .model = key->text, .price = price_none() };
	if (known)
		m->price = *known;
	if (!config_is_map(l, n, "a model's prices"))
		return;
	ynode_known(n, "model", keys, l->r);
	read_rates(l, n, &m->price);
	read_discount(l, n, &m->price);
	ynode_count(ynode_get(n, "requests_per_minute"), "requests_per_minute",
	    0, CONFIG_MAX_RATE, &m->requests_per_minute, l->r);
	ynode_count(ynode_get(n, "tokens_per_minute"), "tokens_per_minute",
	    0, CONFIG_MAX_RATE, &m->tokens_per_minute, l->r);
}

void
config_models(struct load *l, const struct ynode *n)
{
	struct config *c = l->c;

	if (!config_is_map(l, n, "models"))
		return;
	c->models = config_array(l, n->n, sizeof(*c->models));
	for (size_t i = 0; c->models && i < n->n; i++)
		read_model(l, n->key[i], n->item[i],
		    &c->models[c->n_models++]);
}

void
config_price(const struct config *c, struct tier *t)
{
	const struct price *known = table_price(t->provider, t->model_name);

	t->price = known ? *known : price_none();
	for (size_t i = 0; i < c->n_models; i++) {
		if (!str_eq(c->models[i].model, t->model))
			continue;
		t->price = c->models[i].price;
		t->price_overridden = true;
		t->requests_per_minute = c->models[i].requests_per_minute;
		t->tokens_per_minute = c->models[i].tokens_per_minute;
	}
}

/* --- -m provider/model -------------------------------------------------- */

static const struct known_provider {
	const char *name, *url, *key_env;
} known_providers[] = {
	{ "openai", "https://api.openai.com/v1", "OPENAI_API_KEY" },
	{ "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY" },
	{ "together", "https://api.together.xyz/v1", "TOGETHER_API_KEY" },
	{ "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY" },
	{ "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY" },
	{ "deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY" },
	{ "xai", "https://api.x.ai/v1", "XAI_API_KEY" },
	{ "ollama", "http://127.0.0.1:11434/v1", NULL },
};
#define N_KNOWN (sizeof(known_providers) / sizeof(known_providers[0]))

static struct provider
make_known(const struct known_provider *k)
{
	struct url_parts u = { .https = false };
	struct provider p = {
		.name = str_of(k->name),
		.ops = provider_find(STR("openai")),
		.url = str_of(k->url),
		.key_source = k->key_env ? KEY_ENV : KEY_NONE,
		.key_ref = str_of(k->key_env),
		.connect_timeout_ms = PROVIDER_CONNECT_TIMEOUT_MS,
		.timeout_ms = PROVIDER_TIMEOUT_MS,
		.idle_timeout_ms = PROVIDER_IDLE_TIMEOUT_MS,
	};

	provider_url_parse(p.url, &u);
	p.host = u.host;
	provider_quirks(&p);
	return p;
}

/* The providers move to a longer array, and the tiers are told. */
static const struct provider *
add_provider(struct config *c, struct provider p, struct err *e)
{
	struct provider *moved = arena_array(c->arena, c->n_providers + 1,
	    sizeof(*moved));
	struct tier *t;

	if (!moved) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < c->n_providers; i++)
		moved[i] = c->providers[i];
	for (size_t i = 0; i < c->n_cascades; i++)
		for (size_t j = 0; j < c->cascades[i].n_tiers; j++) {
			t = &c->cascades[i].tiers[j];
			t->provider = moved + (t->provider - c->providers);
			for (size_t k = 0; k < t->n_others; k++)
				t->others[k].provider = moved
				    + (t->others[k].provider - c->providers);
		}
	moved[c->n_providers] = p;
	c->providers = moved;
	c->simulated = false;
	return &moved[c->n_providers++];
}

static const struct provider *
unknown_provider(const struct config *c, struct str name, struct err *e)
{
	const char **names = arena_array(c->arena, c->n_providers + N_KNOWN + 1,
	    sizeof(*names));
	const char *near;

	if (!names) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < N_KNOWN; i++)
		names[i] = known_providers[i].name;
	for (size_t i = 0; i < c->n_providers; i++)
		names[N_KNOWN + i] = c->providers[i].name.p;
	near = suggest(name, names);
	if (near)
		err_set(e, ERR_USAGE, "unknown provider '%.*s'; did you mean "
		    "'%s'?", STR_ARG(name), near);
	else
		err_set(e, ERR_USAGE, "unknown provider '%.*s'; a model is "
		    "written provider/name, such as openai/gpt-4o-mini, and "
		    "its provider stands in the configuration", STR_ARG(name));
	return NULL;
}

/* The file's, else a well-known one, which is then added. */
static const struct provider *
provider_for(struct config *c, struct str name, struct err *e)
{
	const struct provider *p = config_provider(c, name);

	if (p)
		return p;
	for (size_t i = 0; i < N_KNOWN; i++)
		if (str_is(name, known_providers[i].name))
			return add_provider(c, make_known(&known_providers[i]),
			    e);
	return unknown_provider(c, name, e);
}

/* Room for one more cascade, of one tier, in longer arrays. */
static struct cascade *
add_cascade(struct config *c, struct err *e)
{
	struct cascade *moved = arena_array(c->arena, c->n_cascades + 1,
	    sizeof(*moved));
	struct tier *t = arena_alloc(c->arena, sizeof(*t));

	if (!moved || !t) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < c->n_cascades; i++)
		moved[i] = c->cascades[i];
	moved[c->n_cascades].tiers = t;
	moved[c->n_cascades].n_tiers = 1;
	c->cascades = moved;
	return &moved[c->n_cascades++];
}

const struct cascade *
config_single(struct config *c, struct str model, struct err *e)
{
	const struct provider *p;
	struct cascade *k;
	struct str name, rest;

	/* It stays in the configuration, so it must not be borrowed. */
	if (!arena_str(c->arena, model, &model)) {
		err_nomem(e);
		return NULL;
	}
	rest = model;
	if (!str_cut(&rest, '/', &name) || name.n == 0 || rest.n == 0) {
		err_set(e, ERR_USAGE, "model '%.*s' is not written "
		    "provider/name, such as openai/gpt-4o-mini",
		    STR_ARG(model));
		return NULL;
	}
	p = provider_for(c, name, e);
	k = p ? add_cascade(c, e) : NULL;
	if (!k)
		return NULL;
	k->name = model;
	k->tiers[0] = (struct tier){
		.name = model, .model = model, .provider = p,
		.model_name = rest, .samples_min = 1, .samples_max = 1,
	};
	config_price(c, &k->tiers[0]);
	return k;
}

/* --- --set name=value --------------------------------------------------- */

/* "name: value" as a map of one entry; NULL: complained or out of memory. */
static const struct ynode *
read_assignment(struct arena *a, struct str name, struct str value,
    struct report *r)
{
	struct buf text;
	const struct ynode *n = NULL;

	buf_init(&text, BUF_MAX);
	buf_addf(&text, "%.*s: ", STR_ARG(name));
	buf_add(&text, value);
	if (text.failed)
		r->nomem = true;
	else
		n = yaml_parse(buf_str(&text), a, r);
	buf_release(&text);
	if (n && (n->kind != YNODE_MAP || n->n != 1)) {
		report_error(r, NULL, "it must be one value");
		return NULL;
	}
	return n;
}

static void
set_all(struct config *c, const struct ynode *n, struct report *r)
{
	struct tier *t;

	for (size_t i = 0; i < c->n_cascades; i++)
		for (size_t j = 0; j < c->cascades[i].n_tiers; j++) {
			t = &c->cascades[i].tiers[j];
			config_sampling(r, n, &t->sampling);
			config_check_refused(r, t, NULL);
		}
}

int
config_set(struct config *c, struct str assignment, struct err *e)
{
	struct report r;
	struct str name, value = assignment;
	const struct ynode *n;
	const struct complaint *first;
	const char *near;
	bool known = false;

	if (!str_cut(&value, '=', &name))
		return err_set(e, ERR_USAGE, "--set '%.*s' has no '='; write "
		    "--set name=value", STR_ARG(assignment));
	for (size_t i = 0; config_sampling_keys[i]; i++)
		known |= str_is(name, config_sampling_keys[i]);
	near = known ? NULL : suggest(name, config_sampling_keys);
	if (near)
		return err_set(e, ERR_USAGE, "--set: unknown setting '%.*s'; "
		    "did you mean '%s'?", STR_ARG(name), near);
	if (!known)
		return err_set(e, ERR_USAGE, "--set: unknown setting '%.*s'; "
		    "it takes the names of a tier's sampling settings, such as "
		    "temperature", STR_ARG(name));
	report_init(&r, c->arena, "--set");
	n = read_assignment(c->arena, name, value, &r);
	if (n)
		set_all(c, n, &r);
	if (r.nomem)
		return err_nomem(e);
	for (first = r.first; first; first = first->next)
		if (!first->warning)
			return err_set(e, ERR_USAGE, "--set %.*s: %s",
			    STR_ARG(name), first->text);
	return 0;
}
