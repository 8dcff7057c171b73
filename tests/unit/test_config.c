/*
 * test_config.c -- what a configuration may say, and every complaint about one
 * that is wrong, with its exact words and place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cascade/budget.h"
#include "cascade/config_internal.h"

#define NOW INT64_C(1795478400000) /* 2026-11-24 00:00 UTC */

/* Three lines: what is added begins at line 4. */
#define HEAD \
	"providers:\n" \
	"  p: {api: openai, url: 'http://127.0.0.1:8080/v1'}\n" \
	"  o: {api: openai, url: 'https://api.openai.com/v1', key_env: K}\n"
/* Three lines of prices, so that nothing is said about them. */
#define PRICES \
	"models:\n" \
	"  p/a: {input_per_mtok: 0, output_per_mtok: 0}\n" \
	"  p/b: {input_per_mtok: 1, output_per_mtok: 2}\n"
/* The tier is line 10, from column 9. */
#define TIER(settings) HEAD PRICES \
	"cascades:\n" \
	"  c:\n" \
	"    tiers:\n" \
	"      - {model: p/a" settings "}\n"

static struct config *
parse_at(int64_t now, const char *text, struct buf *messages,
    struct buf *warnings)
{
	struct config *c = NULL;
	struct err e = { .code = ERR_NONE };
	int rc;

	buf_init(messages, BUF_MAX);
	buf_init(warnings, BUF_MAX);
	rc = config_parse_at(&c, "t.yaml", str_of(text), now, messages,
	    warnings, &e);
	assert_int_equal(rc, c ? 0 : -1);
	assert_int_equal(e.code, c ? ERR_NONE : ERR_CONFIG);
	assert_int_equal(messages->n > 0, !c);
	return c;
}

static struct config *
parse(const char *text, struct buf *messages, struct buf *warnings)
{
	return parse_at(NOW, text, messages, warnings);
}

/* A configuration that is right, and about which nothing is to be said. */
static struct config *
good(const char *text)
{
	struct buf messages, warnings;
	struct config *c = parse(text, &messages, &warnings);

	if (!c || warnings.n)
		fail_msg("for\n%s\nit says\n%s%s", text,
		    messages.n ? messages.p : "",
		    warnings.n ? warnings.p : "");
	buf_release(&messages);
	buf_release(&warnings);
	return c;
}

struct row {
	const char *text;
	const char *want; /* every line of it */
};

static void
assert_says(const struct row *row, const struct buf *got)
{
	const char *text = got->n ? got->p : "";

	if (strcmp(text, row->want) != 0)
		fail_msg("for\n%s\nit says\n%sand not\n%s", row->text, text,
		    row->want);
}

static void
assert_all_wrong(const struct row *rows, size_t n)
{
	struct buf messages, warnings;

	for (size_t i = 0; i < n; i++) {
		config_free(parse(rows[i].text, &messages, &warnings));
		assert_says(&rows[i], &messages);
		buf_release(&messages);
		buf_release(&warnings);
	}
}

static void
assert_all_warned(const struct row *rows, size_t n)
{
	struct buf messages, warnings;
	struct config *c;

	for (size_t i = 0; i < n; i++) {
		c = parse(rows[i].text, &messages, &warnings);
		if (!c)
			fail_msg("for\n%s\nit says\n%s", rows[i].text,
			    messages.p);
		assert_says(&rows[i], &warnings);
		config_free(c);
		buf_release(&messages);
		buf_release(&warnings);
	}
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
assert_str(struct str got, const char *want)
{
	if (!str_is(got, want))
		fail_msg("'%.*s' is not '%s'", STR_ARG(got), want);
}

/* --- what is right ------------------------------------------------------ */

static void
a_small_configuration_has_the_defaults(void **state)
{
	struct config *c = good(TIER(""));
	const struct provider *p = &c->providers[0];
	const struct tier *t = &c->cascades[0].tiers[0];

	(void)state;
	assert_string_equal(c->file, "t.yaml");
	assert_int_equal(c->n_providers, 2);
	assert_int_equal(c->retries, -1);
	assert_int_equal(c->store.n, 0);
	assert_false(c->simulated);
	assert_str(p->name, "p");
	assert_str(p->host, "127.0.0.1");
	assert_int_equal(p->key_source, KEY_NONE);
	assert_int_equal(p->limit_field, LIMIT_MAX_TOKENS);
	assert_int_equal(p->connect_timeout_ms, PROVIDER_CONNECT_TIMEOUT_MS);
	assert_int_equal(p->timeout_ms, PROVIDER_TIMEOUT_MS);
	assert_int_equal(p->idle_timeout_ms, PROVIDER_IDLE_TIMEOUT_MS);
	assert_int_equal(p->requests_per_minute, 0);
	assert_int_equal(c->n_cascades, 1);
	assert_str(c->cascades[0].name, "c");
	assert_int_equal(c->cascades[0].line, 8);
	assert_int_equal(c->cascades[0].column, 3);
	assert_null(c->cascades[0].answer.pattern);
	assert_false(c->cascades[0].fail_exhausted);
	assert_int_equal(c->cascades[0].n_tiers, 1);
	assert_ptr_equal(t->provider, p);
	assert_str(t->name, "p/a");
	assert_str(t->model, "p/a");
	assert_str(t->model_name, "a");
	assert_int_equal(t->samples_min, 1);
	assert_int_equal(t->samples_max, 1);
	assert_int_equal(t->repair, 0);
	assert_null(t->accept);
	assert_int_equal(t->line, 10);
	assert_int_equal(t->column, 9);
	assert_false(t->sampling.has_temperature);
	assert_false(t->sampling.has_seed);
	assert_false(t->sampling.logprobs);
	assert_int_equal(t->sampling.max_tokens, 0);
	config_free(c);
}

static void
a_provider_has_what_it_is_given(void **state)
{
	struct config *c = good(
	    "store: /var/x.db\n"
	    "retries: 0\n"
	    "providers:\n"
	    "  q:\n"
	    "    api: openai\n"
	    "    url: https://API.Example:8443/v1//\n"
	    "    key_cmd: pass show k\n"
	    "    auth: api-key\n"
	    "    headers: {X-Title: frugal, HTTP-Referer: 'https://a.b'}\n"
	    "    n: false\n"
	    "    logprobs: true\n"
	    "    limit_field: max_completion_tokens\n"
	    "    requests_per_minute: 5000\n"
	    "    tokens_per_minute: 2M\n"
	    "    max_in_flight: 8\n"
	    "    connect_timeout: 500ms\n"
	    "    timeout: 2m\n"
	    "    idle_timeout: 30\n"
	    "    ca_file: /etc/ours.pem\n"
	    "models: {q/m/x: {input_per_mtok: 0, output_per_mtok: 0}}\n"
	    "cascades: {c: {tiers: [{model: q/m/x}]}}\n");
	const struct provider *p = &c->providers[0];

	(void)state;
	assert_str(c->store, "/var/x.db");
	assert_int_equal(c->retries, 0);
	assert_str(p->url, "https://API.Example:8443/v1");
	assert_str(p->host, "api.example");
	assert_int_equal(p->key_source, KEY_CMD);
	assert_str(p->key_ref, "pass show k");
	assert_int_equal(p->auth, AUTH_API_KEY);
	assert_int_equal(p->n_headers, 2);
	assert_str(p->headers[0].name, "X-Title");
	assert_str(p->headers[1].value, "https://a.b");
	assert_int_equal(p->n, NO);
	assert_int_equal(p->logprobs, YES);
	assert_int_equal(p->limit_field, LIMIT_MAX_COMPLETION_TOKENS);
	assert_int_equal(p->requests_per_minute, 5000);
	assert_int_equal(p->tokens_per_minute, 2000000);
	assert_int_equal(p->max_in_flight, 8);
	assert_int_equal(p->connect_timeout_ms, 500);
	assert_int_equal(p->timeout_ms, 120000);
	assert_int_equal(p->idle_timeout_ms, 30000);
	assert_string_equal(p->ca_file, "/etc/ours.pem");
	assert_str(c->cascades[0].tiers[0].model_name, "m/x");
	config_free(c);
}

static void
a_tier_has_what_it_is_given(void **state)
{
	struct config *c = good(HEAD PRICES
	    "cascades:\n"
	    "  c:\n"
	    "    answer: {pattern: '#### (\\d+)', take: first}\n"
	    "    system: be brief\n"
	    "    exhausted: fail\n"
	    "    tiers:\n"
	    "      - name: cheap\n"
	    "        model: p/a\n"
	    "        samples: {min: 2, max: 5}\n"
	    "        temperature: 0.7\n"
	    "        top_p: 0.9\n"
	    "        max_tokens: 2k\n"
	    "        seed: 7\n"
	    "        stop: [END, \"\\n\\n\"]\n"
	    "        presence_penalty: -1\n"
	    "        frequency_penalty: 1.5\n"
	    "        reasoning_effort: low\n"
	    "        response_format: {type: json_object}\n"
	    "        extra: {top_k: 40, min_p: 0.1}\n"
	    "        system: think\n"
	    "        prompts: [{text: 'Q: {{input}}'}]\n"
	    "        repair: 2\n"
	    "        accept: {all: [regex: '####', agreement: 0.8]}\n"
	    "      - {model: p/b, stop: X}\n");
	const struct cascade *k = &c->cascades[0];
	const struct tier *t = &k->tiers[0];
	const struct sampling *s = &t->sampling;

	(void)state;
	assert_non_null(k->answer.pattern);
	assert_true(k->answer.first);
	assert_str(k->system, "be brief");
	assert_true(k->fail_exhausted);
	assert_int_equal(k->n_tiers, 2);
	assert_str(t->name, "cheap");
	assert_int_equal(t->samples_min, 2);
	assert_int_equal(t->samples_max, 5);
	assert_true(s->has_temperature && s->temperature == 0.7);
	assert_true(s->has_top_p && s->top_p == 0.9);
	assert_int_equal(s->max_tokens, 2000);
	assert_true(s->has_seed && s->seed == 7);
	assert_int_equal(s->n_stop, 2);
	assert_str(s->stop[1], "\n\n");
	assert_true(s->has_presence_penalty && s->presence_penalty == -1);
	assert_true(s->has_frequency_penalty && s->frequency_penalty == 1.5);
	assert_str(s->reasoning_effort, "low");
	assert_str(s->response_format, "{\"type\":\"json_object\"}");
	assert_str(s->extra, "{\"min_p\":0.1,\"top_k\":40}");
	assert_str(t->system, "think");
	assert_int_equal(t->n_prompts, 1);
	assert_str(t->prompts[0].name, "inline");
	assert_str(t->prompts[0].text, "Q: {{input}}");
	assert_int_equal(t->repair, 2);
	assert_non_null(t->accept);
	assert_false(s->logprobs);
	assert_int_equal(k->tiers[1].sampling.n_stop, 1);
	assert_str(k->tiers[1].sampling.stop[0], "X");
	config_free(c);
}

static void
a_rule_on_log_probabilities_asks_for_them(void **state)
{
	struct config *c = good(TIER(", accept: {any: [regex: x, logprob: "
	    "0.9]}"));

	(void)state;
	assert_true(c->cascades[0].tiers[0].sampling.logprobs);
	config_free(c);
}

static void
prices_are_exact_and_the_users_own_come_first(void **state)
{
	struct config *c = good(HEAD
	    "models:\n"
	    "  p/a: {input_per_mtok: 0.000001, output_per_mtok: 1e-3,"
	    " cached_input_per_mtok: 0}\n"
	    "  o/gpt-4.1: {input_per_mtok: 3, batch_discount: 0.25}\n"
	    "cascades: {c: {tiers: [{model: p/a, accept: {regex: x}},"
	    " {model: o/gpt-5.4-nano, accept: {regex: x}},"
	    " {model: o/gpt-5.4}]}}\n");
	const struct tier *t = c->cascades[0].tiers;

	(void)state;
	assert_int_equal(t[0].price.rates.input, 1);
	assert_int_equal(t[0].price.rates.output, 1000);
	assert_int_equal(t[0].price.rates.cached, 0);
	assert_true(t[0].price.rates.cache_write == MONEY_UNKNOWN);
	assert_true(t[0].price_overridden);
	assert_false(t[1].price_overridden);
	assert_int_equal(t[1].price.rates.input, 200000);
	/* The rest of the table's row stays, but for its cache prices. */
	assert_str(c->models[1].model, "o/gpt-4.1");
	assert_int_equal(c->models[1].price.rates.input, 3000000);
	assert_int_equal(c->models[1].price.rates.output, 8000000);
	assert_true(c->models[1].price.rates.cached == MONEY_UNKNOWN);
	assert_int_equal(c->models[1].price.batch_percent, 25);
	assert_int_equal(c->models[1].price.logprobs, CAN_YES);
	config_free(c);
}

static void
json_is_a_configuration_too(void **state)
{
	struct config *c = good(
	    "{\"providers\": {\"s\": {\"api\": \"simulated\"}},"
	    " \"models\": {\"s/m\": {\"input_per_mtok\": 1,"
	    " \"output_per_mtok\": 1}},"
	    " \"cascades\": {\"c\": {\"tiers\": [{\"model\": \"s/m\"}]}}}");

	(void)state;
	assert_true(c->simulated);
	config_free(c);
}

static void
nothing_in_dollars_and_braces_is_expanded(void **state)
{
	struct config *c;

	(void)state;
	assert_int_equal(setenv("FRUGAL_TEST_X", "expanded", 1), 0);
	c = good(TIER(", system: '${FRUGAL_TEST_X} $FRUGAL_TEST_X'"));
	assert_str(c->cascades[0].tiers[0].system,
	    "${FRUGAL_TEST_X} $FRUGAL_TEST_X");
	assert_int_equal(unsetenv("FRUGAL_TEST_X"), 0);
	config_free(c);
}

static void
a_condition_that_is_met_is_no_error(void **state)
{
	(void)state;
	config_free(good(HEAD "cascades: {c: {tiers: [{model: o/gpt-5.4, "
	    "reasoning_effort: none, temperature: 0.2, accept: {logprob: 0.9}}"
	    "]}}\n"));
	config_free(good("providers: {d: {api: openai, url: "
	    "'https://api.deepseek.com', key_env: K}}\n"
	    "cascades: {c: {tiers: [{model: d/deepseek-v4-flash, extra: "
	    "{thinking: {type: disabled}}, temperature: 0.2}]}}\n"));
	/* The default is no deviation from it. */
	config_free(good(HEAD "cascades: {c: {tiers: [{model: o/gpt-6-luna, "
	    "temperature: 1}]}}\n"));
}

static void
samples_at_a_fixed_temperature_are_no_surprise(void **state)
{
	(void)state;
	config_free(good(HEAD "cascades: {c: {tiers: [{model: o/gpt-6-luna, "
	    "samples: 5, accept: {agreement: 0.8}}]}}\n"));
	config_free(good(TIER(", samples: 5, temperature: 0, prompts: "
	    "[{text: 'a {{input}}'}, {text: 'b {{input}}'}], "
	    "accept: {agreement: 0.8}")));
}

/* --- what is wrong ------------------------------------------------------ */

static void
a_configuration_without_a_cascade_shows_one(void **state)
{
#define SMALL "{providers: {local: {api: openai, url: " \
	"'http://127.0.0.1:11434/v1'}}, cascades: {main: {tiers: " \
	"[{model: 'local/qwen2.5:3b'}]}}}"
	static const struct row rows[] = {
		{ "", "t.yaml: there is no cascade; a small configuration is "
		    SMALL "\n" },
		{ "# nothing\n", "t.yaml: there is no cascade; a small "
		    "configuration is " SMALL "\n" },
		{ "providers: {}\n", "t.yaml:1:1: there is no cascade; a small "
		    "configuration is " SMALL "\n" },
		{ "cascades: {}\n",
		    "t.yaml:1:11: there is no cascade in cascades\n" },
	};
	struct buf messages, warnings;
	struct config *c;

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
	/* What it shows is a configuration. */
	c = parse(SMALL, &messages, &warnings);
	assert_non_null(c);
	config_free(c);
	buf_release(&messages);
	buf_release(&warnings);
}

static void
the_top_level_is_checked(void **state)
{
	static const struct row rows[] = {
		{ "- a\n", "t.yaml:1:1: the configuration must be a map of "
		    "names and values\n" },
		{ "cascade: {}\n" HEAD,
		    "t.yaml:1:1: there is no cascade; a small "
		    "configuration is {providers: {local: {api: openai, "
		    "url: 'http://127.0.0.1:11434/v1'}}, cascades: {main: "
		    "{tiers: [{model: 'local/qwen2.5:3b'}]}}}\n"
		    "t.yaml:1:1: unknown key 'cascade' in the "
		    "configuration; did you mean 'cascades'?\n" },
		{ TIER("") "retries: 101\nstore: [a]\n",
		    "t.yaml:11:10: retries must be a whole number from 0 "
		    "to 100, not '101'\n"
		    "t.yaml:12:8: store must be text, not a list\n" },
		{ "a: [\n",
		    "t.yaml:2:1: flow sequence without a closing bracket; "
		    "it was opened at 1:4\n" },
		{ HEAD "cascades: [a]\n",
		    "t.yaml:4:11: cascades must be a map of names and "
		    "values\n" },
		{ HEAD "models: 1\ncascades: {c: 1, '': {tiers: 1}, d: {}}\n",
		    "t.yaml:4:9: models must be a map of names and values\n"
		    "t.yaml:5:15: a cascade must be a map of names and "
		    "values\n"
		    "t.yaml:5:18: the cascade's name is empty\n"
		    "t.yaml:5:30: tiers must be a list of 1 to 32 tiers\n"
		    "t.yaml:5:34: cascade 'd' has no tiers\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

#define PROVIDER(settings) "providers:\n  p: {" settings "}\n" \
	"cascades: {c: {tiers: [{model: p/a}]}}\n"

static void
providers_are_checked(void **state)
{
	static const struct row rows[] = {
		{ PROVIDER("url: 'http://127.0.0.1'"),
		    "t.yaml:2:6: provider 'p' has no api, such as 'api: "
		    "openai'\n" },
		{ PROVIDER("api: opnai, url: 'http://127.0.0.1'"),
		    "t.yaml:2:12: unknown api 'opnai'; did you mean "
		    "'openai'?\n" },
		{ PROVIDER("api: anthropic"),
		    "t.yaml:2:12: unknown api 'anthropic'; known: openai, "
		    "simulated, recorded\n" },
		{ PROVIDER("api: openai, url: 'ftp://a'"),
		    "t.yaml:2:25: the url is not of the form "
		    "http://host:port/path or https://host/path\n" },
		{ PROVIDER("api: openai, url: 'https://me:pw@a.example'"),
		    "t.yaml:2:25: the url has a user or password in it; "
		    "take it out and use key_env, key_file or key_cmd\n" },
		{ PROVIDER("api: openai, url: 'https://a.example/v1?api-version=2&API-Key=sk-1'"),
		    "t.yaml:2:25: the url has what looks like a key in its "
		    "query; take it out and use key_env, key_file or "
		    "key_cmd\n" },
		{ PROVIDER("api: openai, url: 'https://a.example/v1?x&access_token=sk-1'"),
		    "t.yaml:2:25: the url has what looks like a key in its "
		    "query; take it out and use key_env, key_file or "
		    "key_cmd\n" },
		{ PROVIDER("api: openai, url: 'http://a.example', key_env: K"),
		    "t.yaml:2:25: provider 'p': the key would go to "
		    "'a.example' over plain http, where anyone on the way "
		    "can read it; use https\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "key_env: sk-secret-1234"),
		    "t.yaml:2:55: key_env is the name of an environment "
		    "variable, not the key itself\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "key_env: K, key_file: f, key_cmd: ''"),
		    "t.yaml:2:68: provider 'p' has more than one of "
		    "key_env, key_file and key_cmd\n"
		    "t.yaml:2:80: provider 'p' has more than one of "
		    "key_env, key_file and key_cmd\n"
		    "t.yaml:2:80: key_cmd is empty\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "api_key: sk-secret-1234"),
		    "t.yaml:2:46: unknown key 'api_key' in provider\n"
		    "t.yaml:2:46: a key is not written into the configuration; "
		    "say where it is with key_env, key_file or key_cmd\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "headers: {Authorization: Bearer sk-secret-1234}"),
		    "t.yaml:2:56: header 'Authorization' looks like a "
		    "secret, which does not belong in a file; use key_env\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "headers: {X-Api-Key: k, 'a b': c, d: \"e\\r\\nf: g\"}"),
		    "t.yaml:2:56: header 'X-Api-Key' looks like a secret, "
		    "which does not belong in a file; use key_env\n"
		    "t.yaml:2:70: a header's name has letters, digits and "
		    "dashes only\n"
		    "t.yaml:2:83: header 'd' has a control character in it\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "headers: [a]"),
		    "t.yaml:2:55: headers must be a map of names and values\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "auth: baerer, limit_field: tokens, n: 3"),
		    "t.yaml:2:52: unknown auth 'baerer'; did you mean "
		    "'bearer'?\n"
		    "t.yaml:2:73: unknown limit_field 'tokens'; known: "
		    "max_tokens, max_completion_tokens\n"
		    "t.yaml:2:84: n must be true or false, not '3'\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "requests_per_minute: -1, timeout: 0, idle_timeout: soon, "
		    "connect_timeout: 0s"),
		    "t.yaml:2:67: requests_per_minute must be a whole "
		    "number from 0 to 1000000000, not '-1'\n"
		    "t.yaml:2:80: timeout must be more than 0\n"
		    "t.yaml:2:97: idle_timeout must be a duration such as "
		    "250ms, 30s, 2m or 1h, not 'soon'\n"
		    "t.yaml:2:120: connect_timeout must be more than 0\n" },
		{ PROVIDER("api: openai, url: 'https://a.example', "
		    "ca_file: ''"),
		    "t.yaml:2:55: ca_file is empty\n" },
		{ PROVIDER("api: openai, url: 'http://localhost', "
		    "ca_file: x.pem"),
		    "t.yaml:2:54: ca_file is for https; the url is http\n" },
		{ "providers:\n  a/b: {api: simulated}\n  c: simulated\n"
		    "cascades: {c: {tiers: [{model: x/a}]}}\n",
		    "t.yaml:2:3: a provider's name has 1 to 64 characters "
		    "and no slash\n"
		    "t.yaml:3:6: a provider must be a map of names and "
		    "values\n"
		    "t.yaml:4:32: unknown provider 'x'; did you mean 'c'?\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

#define MODELS(prices) HEAD "cascades: {c: {tiers: [{model: p/a}]}}\n" \
	"models:\n" prices

static void
models_are_checked(void **state)
{
	static const struct row rows[] = {
		{ TIER("") "models2: {}\n",
		    "t.yaml:11:1: unknown key 'models2' in the "
		    "configuration; did you mean 'models'?\n" },
		{ MODELS("  p/a: {input_per_mtok: cheap, output_per_mtok: -1, "
		    "cached_input_per_mtok: 0.0000001}\n"),
		    "t.yaml:6:25: input_per_mtok must be dollars for a "
		    "million tokens, such as 0.15\n"
		    "t.yaml:6:49: output_per_mtok must be dollars for a "
		    "million tokens, such as 0.15\n"
		    "t.yaml:6:76: cached_input_per_mtok has more than six "
		    "decimals: a token must cost whole picodollars\n" },
		{ MODELS("  x/a: {cache_write_per_mtok: [1]}\n"
		    "  gpt: {batch_discount: 2}\n"
		    "  p/c: 7\n"),
		    "t.yaml:6:3: unknown provider 'x'; did you mean 'p'?\n"
		    "t.yaml:6:31: cache_write_per_mtok must be dollars for a "
		    "million tokens, such as 0.15\n"
		    "t.yaml:7:3: model 'gpt' is not written provider/name, "
		    "such as openai/gpt-4o-mini\n"
		    "t.yaml:7:25: batch_discount must be a number from 0 "
		    "to 1, not '2'\n"
		    "t.yaml:8:8: a model's prices must be a map of names "
		    "and values\n" },
		{ MODELS("  p/b: {batch_discount: 0.333, input: 1}\n"),
		    "t.yaml:6:25: batch_discount must be whole percents, "
		    "such as 0.5\n"
		    "t.yaml:6:32: unknown key 'input' in model\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

static void
tiers_are_checked(void **state)
{
	static const struct row rows[] = {
		{ TIER(", sampels: 3"),
		    "t.yaml:10:22: unknown key 'sampels' in tier; did you "
		    "mean 'samples'?\n" },
		{ TIER(", samples: 0"),
		    "t.yaml:10:31: samples must be a whole number from 1 "
		    "to 256, not '0'\n" },
		{ TIER(", samples: 257"),
		    "t.yaml:10:31: samples must be a whole number from 1 "
		    "to 256, not '257'\n" },
		{ TIER(", samples: {min: 5, max: 2}"),
		    "t.yaml:10:37: samples: min 5 is more than max 2\n" },
		{ TIER(", samples: {max: 5}"),
		    "t.yaml:10:31: samples needs both min and max, or one "
		    "number\n" },
		{ TIER(", samples: {min: 2, max: 5, mean: 3}"),
		    "t.yaml:10:48: unknown key 'mean' in samples\n" },
		{ TIER(", temperature: 2.1, top_p: 1.1, presence_penalty: -3, "
		    "frequency_penalty: x"),
		    "t.yaml:10:35: temperature must be a number from 0 to "
		    "2, not '2.1'\n"
		    "t.yaml:10:47: top_p must be a number from 0 to 1, not "
		    "'1.1'\n"
		    "t.yaml:10:70: presence_penalty must be a number from "
		    "-2 to 2, not '-3'\n"
		    "t.yaml:10:93: frequency_penalty must be a number from "
		    "-2 to 2, not 'x'\n" },
		{ TIER(", max_tokens: 0, seed: 1.5, repair: 4"),
		    "t.yaml:10:34: max_tokens must be a whole number from "
		    "1 to 100000000, not '0'\n"
		    "t.yaml:10:43: seed must be a whole number from "
		    "-9007199254740736 to 9007199254740736, not '1.5'\n"
		    "t.yaml:10:56: repair must be a whole number from 0 to "
		    "3, not '4'\n" },
		{ TIER(", stop: [a, b, c, d, e]"),
		    "t.yaml:10:28: stop takes at most 4 texts\n" },
		{ TIER(", stop: ['', [a]]"),
		    "t.yaml:10:29: a stop text is empty\n"
		    "t.yaml:10:33: stop must be text, not a list\n" },
		{ TIER(", extra: 1"),
		    "t.yaml:10:29: extra must be a map of names and values\n" },
		{ TIER(", extra: {top_k: 1, stream: true, temperature: 1}"),
		    "t.yaml:10:40: extra cannot set 'stream': the tier's "
		    "own settings do\n"
		    "t.yaml:10:54: extra cannot set 'temperature': the "
		    "tier's own settings do\n" },
		{ TIER(", prompts: a"),
		    "t.yaml:10:31: prompts must be a list of 1 to 16 "
		    "files, or of {text: '...'}\n" },
		{ TIER(", prompts: []"),
		    "t.yaml:10:31: prompts must be a list of 1 to 16 "
		    "files, or of {text: '...'}\n" },
		{ TIER(", prompts: [/nonexistent/a.txt, {txt: b}]"),
		    "t.yaml:10:32: prompt: cannot open "
		    "'/nonexistent/a.txt': No such file or directory\n"
		    "t.yaml:10:52: an inline prompt has a text\n"
		    "t.yaml:10:53: unknown key 'txt' in prompt; did you "
		    "mean 'text'?\n" },
		{ TIER(", prompts: [{text: 'a {{'}]"),
		    "t.yaml:10:32: prompt 'inline': character 3: field is "
		    "not closed by '}}'; '{{{{' stands for a literal '{{'\n" },
		{ TIER(", accept: {agrement: 0.8}"),
		    "t.yaml:10:31: unknown scorer 'agrement'; did you mean "
		    "'agreement'?\n" },
		{ TIER(", name: ''"),
		    "t.yaml:10:28: the tier's name is empty\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

#define CASCADE(settings) HEAD "cascades:\n  c: {" settings "}\n"

static void
cascades_are_checked(void **state)
{
	static const struct row rows[] = {
		{ CASCADE("answer: x"),
		    "t.yaml:5:3: cascade 'c' has no tiers\n" },
		{ CASCADE("tiers: []"),
		    "t.yaml:5:14: tiers must be a list of 1 to 32 tiers\n" },
		{ CASCADE("tiers: {model: p/a}"),
		    "t.yaml:5:14: tiers must be a list of 1 to 32 tiers\n" },
		{ CASCADE("tiers: [p/a, {}]"),
		    "t.yaml:5:15: a tier must be a map of names and values\n"
		    "t.yaml:5:20: the tier has no model, such as 'model: "
		    "openai/gpt-4o-mini'\n" },
		{ CASCADE("tiers: [{model: gpt}]"),
		    "t.yaml:5:23: model 'gpt' is not written "
		    "provider/name, such as openai/gpt-4o-mini\n" },
		{ CASCADE("tiers: [{model: pp/a}]"),
		    "t.yaml:5:23: unknown provider 'pp'; did you mean 'p'?\n" },
		{ CASCADE("tiers: [{model: azure/a}]"),
		    "t.yaml:5:23: unknown provider 'azure'; known: p, o\n" },
		{ CASCADE("tiers: [{model: p/}, {model: /a}, {model: [a]}]"),
		    "t.yaml:5:23: model 'p/' is not written provider/name, "
		    "such as openai/gpt-4o-mini\n"
		    "t.yaml:5:36: model '/a' is not written provider/name, "
		    "such as openai/gpt-4o-mini\n"
		    "t.yaml:5:49: model must be text, not a list\n" },
		{ CASCADE("tiers: [{model: p/a, accept: {regex: x}}, "
		    "{model: p/a}]"),
		    "t.yaml:5:49: two tiers are called 'p/a'; give this "
		    "one a name of its own\n" },
		{ CASCADE("tiers: [{model: p/a, name: z, accept: {regex: x}}, "
		    "{model: p/b, name: z, accept: {regex: x}}, "
		    "{model: p/a, name: z}]"),
		    "t.yaml:5:58: two tiers are called 'z'; give this one "
		    "a name of its own\n"
		    "t.yaml:5:101: two tiers are called 'z'; give this one "
		    "a name of its own\n" },
		{ CASCADE("answer: '(', tiers: [{model: p/a}]"),
		    "t.yaml:5:15: answer: at character 2: missing closing "
		    "parenthesis\n" },
		{ CASCADE("answer: '', exhausted: no, tiers: [{model: p/a}]"),
		    "t.yaml:5:15: the answer's pattern is empty\n"
		    "t.yaml:5:30: unknown exhausted 'no'; known: answer, "
		    "fail\n" },
		{ CASCADE("answer: {take: frist, patern: x}, "
		    "tiers: [{model: p/a}]"),
		    "t.yaml:5:15: answer needs a pattern\n"
		    "t.yaml:5:22: unknown take 'frist'; did you mean "
		    "'first'?\n"
		    "t.yaml:5:29: unknown key 'patern' in answer; did you "
		    "mean 'pattern'?\n" },
		{ CASCADE("answr: x, tiers: [{model: p/a}]"),
		    "t.yaml:5:7: unknown key 'answr' in cascade; did you "
		    "mean 'answer'?\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

#define GROQ "providers:\n  g: {api: openai, " \
	"url: 'https://api.groq.com/openai/v1', key_env: K}\n"
#define LOGPROBS_OFF "providers:\n  p: {api: openai, " \
	"url: 'http://127.0.0.1:1', logprobs: false}\n"

static void
what_a_model_refuses_is_an_error(void **state)
{
	static const struct row rows[] = {
		{ GROQ "cascades: {c: {tiers: [{model: g/llama-3.1-8b-instant, "
		    "accept: {logprob: 0.9}}]}}\n",
		    "t.yaml:3:64: the rule of tier "
		    "'g/llama-3.1-8b-instant' needs log-probabilities, and "
		    "provider 'g' gives none\n" },
		{ LOGPROBS_OFF "cascades: {c: {tiers: [{model: p/a, "
		    "accept: {all: [regex: x, logprob: 0.9]}}]}}\n",
		    "t.yaml:3:45: the rule of tier 'p/a' needs "
		    "log-probabilities, and provider 'p' gives none\n" },
		{ CASCADE("tiers: [{model: o/gpt-6-luna, "
		    "accept: {logprob: 0.9}}]"),
		    "t.yaml:5:45: the rule of tier 'o/gpt-6-luna' needs "
		    "log-probabilities, and model 'o/gpt-6-luna' gives none\n" },
		{ CASCADE("tiers: [{model: o/gpt-5.4, "
		    "accept: {logprob: 0.9}}]"),
		    "t.yaml:5:42: the rule of tier 'o/gpt-5.4' needs "
		    "log-probabilities, and model 'o/gpt-5.4' gives none "
		    "unless 'reasoning_effort: none' is set\n" },
		{ CASCADE("tiers: [{model: o/gpt-6-luna, temperature: 0}]"),
		    "t.yaml:5:50: model 'o/gpt-6-luna' refuses a "
		    "temperature; leave it out\n" },
		{ CASCADE("tiers: [{model: o/gpt-5.4, temperature: 0.5, "
		    "reasoning_effort: low}]"),
		    "t.yaml:5:47: model 'o/gpt-5.4' refuses a temperature "
		    "unless 'reasoning_effort: none' is set; leave it out\n" },
		{ "providers: {d: {api: openai, url: "
		    "'https://api.deepseek.com', key_env: K}}\n"
		    "cascades: {c: {tiers: [{model: d/deepseek-v4-flash, "
		    "temperature: 0.2}]}}\n",
		    "t.yaml:2:66: model 'd/deepseek-v4-flash' refuses a "
		    "temperature unless 'extra: {thinking: {type: "
		    "disabled}}' is set; leave it out\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

static void
every_error_is_shown_in_one_run(void **state)
{
	static const struct row rows[] = {
		{ "providers:\n"
		    "  p: {api: openai, url: 'http://127.0.0.1:1', nn: 1}\n"
		    "  q: {api: nothing}\n"
		    "cascades:\n"
		    "  c:\n"
		    "    tiers:\n"
		    "      - {model: q/a, samples: 1000}\n"
		    "      - {model: r/a, temperature: hot}\n"
		    "storage: x\n",
		    "t.yaml:2:47: unknown key 'nn' in provider; did you "
		    "mean 'n'?\n"
		    "t.yaml:3:12: unknown api 'nothing'; known: openai, "
		    "simulated, recorded\n"
		    "t.yaml:7:31: samples must be a whole number from 1 to "
		    "256, not '1000'\n"
		    "t.yaml:8:17: unknown provider 'r'; did you mean 'p'?\n"
		    "t.yaml:8:35: temperature must be a number from 0 to "
		    "2, not 'hot'\n"
		    "t.yaml:9:1: unknown key 'storage' in the "
		    "configuration; did you mean 'store'?\n" },
	};
	struct config *c;
	struct err e;

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
	assert_int_equal(config_parse(&c, "t.yaml", str_of(rows[0].text), NULL,
	    NULL, &e), -1);
	assert_string_equal(e.msg, "configuration 't.yaml' has 6 errors");
}

/* --- what is warned of -------------------------------------------------- */

static void
what_will_surprise_is_warned_of(void **state)
{
	static const struct row rows[] = {
		{ PROVIDER("api: openai, url: 'https://a.example/${PATH}'"),
		    "warning: t.yaml:2:25: '${' in a url is not expanded; "
		    "write the url out\n"
		    "warning: t.yaml:3:32: the price of 'p/a' is unknown: "
		    "its cost cannot be counted and no budget be set; add "
		    "it under models\n" },
		{ TIER(", samples: 3, temperature: 0.7"),
		    "warning: t.yaml:10:31: 3 samples are asked for but "
		    "there is no accept rule to look at them; add "
		    "'agreement' or leave 'samples' out\n" },
		{ TIER(", samples: 3, temperature: 0.7, accept: {regex: x}"),
		    "warning: t.yaml:10:68: 3 samples are asked for but no "
		    "scorer looks at more than one; add 'agreement' or "
		    "leave 'samples' out\n" },
		{ TIER(", samples: 3, accept: {agreement: 0.6}"),
		    "warning: t.yaml:10:31: 3 samples without a "
		    "temperature: set one, such as 0.7, lest they be all "
		    "the same\n" },
		{ TIER(", samples: 3, temperature: 0, "
		    "accept: {agreement: 0.6}"),
		    "warning: t.yaml:10:47: 3 samples at temperature 0 are "
		    "all the same\n" },
		{ TIER(", repair: 1, accept: {agreement: 0.6}"),
		    "warning: t.yaml:10:30: repair has no effect: no "
		    "scorer of the tier judges the form of an answer\n"
		    "warning: t.yaml:10:53: agreement with 1 sample is "
		    "always 1; set 'samples' to 3 or more\n" },
		{ HEAD PRICES "cascades: {c: {tiers: [{model: p/a}, "
		    "{model: p/b}]}}\n",
		    "warning: t.yaml:7:24: tier 'p/a' has no accept rule: "
		    "it accepts every complete answer, and the tiers after "
		    "it are not reached\n" },
		{ HEAD PRICES "cascades: {c: {tiers: [{model: p/b, "
		    "accept: {regex: x}}, {model: p/a}]}}\n",
		    "warning: t.yaml:7:32: tier 'p/b' costs more than the "
		    "next one, 'p/a': $3.00 against $0.00 for a million "
		    "tokens in and out\n" },
		{ HEAD PRICES "cascades: {c: {tiers: [{model: p/b, samples: 2, "
		    "temperature: 1, accept: {agreement: 1}}, "
		    "{model: p/b, name: again}]}}\n",
		    "warning: t.yaml:7:32: tier 'p/b' with all its samples "
		    "costs more than the next one, 'again': $6.00 against "
		    "$3.00 for a million tokens in and out\n" },
	};

	(void)state;
	assert_all_warned(rows, COUNT(rows));
}

static void
a_model_that_is_gone_or_going_is_warned_of(void **state)
{
	static const struct row rows[] = {
		{ CASCADE("tiers: [{model: o/gpt-3.5-turbo}]"),
		    "warning: t.yaml:5:23: model 'o/gpt-3.5-turbo' was "
		    "shut down on 2026-10-23\n" },
		{ CASCADE("tiers: [{model: o/o1-mini}]"),
		    "warning: t.yaml:5:23: model 'o/o1-mini' is no longer "
		    "served\n" },
		{ CASCADE("tiers: [{model: o/gpt-5-mini}]"),
		    "warning: t.yaml:5:23: model 'o/gpt-5-mini' will be "
		    "shut down on 2026-12-11, in 17 days\n" },
		{ CASCADE("tiers: [{model: o/gpt-4o}]"),
		    "warning: t.yaml:5:23: model 'o/gpt-4o' will be shut "
		    "down on 2027-01-14, in 51 days\n" },
		{ CASCADE("tiers: [{model: o/gpt-5.1}]"), "" },
	};

	(void)state;
	assert_all_warned(rows, COUNT(rows));
}

static void
the_last_sixty_days_are_counted(void **state)
{
#define DAY INT64_C(86400000)
	/* gpt-5-mini ends on 2026-12-11, 17 days from NOW. */
	static const struct {
		int64_t now;
		const char *want;
	} rows[] = {
		{ NOW + 17 * DAY - 61 * DAY, NULL },
		{ NOW + 17 * DAY - 60 * DAY - 1, NULL },
		{ NOW + 17 * DAY - 60 * DAY, "2026-12-11, in 60 days\n" },
		{ NOW + 16 * DAY, "2026-12-11, in 1 day\n" },
		{ NOW + 17 * DAY - 1, "2026-12-11, in 1 day\n" },
		{ NOW + 17 * DAY, "was shut down on 2026-12-11\n" },
		{ NOW + 1000 * DAY, "was shut down on 2026-12-11\n" },
	};
	struct buf messages, warnings;
	struct config *c;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		c = parse_at(rows[i].now, CASCADE("tiers: [{model: "
		    "o/gpt-5-mini}]"), &messages, &warnings);
		assert_non_null(c);
		if (rows[i].want)
			assert_true(str_ends(buf_str(&warnings),
			    rows[i].want));
		else
			assert_int_equal(warnings.n, 0);
		config_free(c);
		buf_release(&messages);
		buf_release(&warnings);
	}
}

static void
an_unknown_price_is_warned_of_unless_it_is_recorded(void **state)
{
	static const struct row rows[] = {
		{ CASCADE("tiers: [{model: p/z}]"),
		    "warning: t.yaml:5:23: the price of 'p/z' is unknown: "
		    "its cost cannot be counted and no budget be set; add "
		    "it under models\n" },
		{ "providers: {r: {api: recorded}}\n"
		    "cascades: {c: {tiers: [{model: r/gpt-4}]}}\n", "" },
	};

	(void)state;
	assert_all_warned(rows, COUNT(rows));
}

static void
only_a_recorded_answer_was_verified(void **state)
{
	static const struct row rows[] = {
		{ CASCADE("tiers: [{model: p/a, accept: {verify: 0.9}}]"),
		    "t.yaml:5:36: 'verify' is for recorded answers alone: no "
		    "model is asked whether it was right; see 'api: "
		    "recorded'\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
	config_free(good("providers: {r: {api: recorded}}\n"
	    "cascades: {c: {tiers: [{model: r/a, accept: {verify: 0.9}}, "
	    "{model: r/b}]}}\n"));
}

static void
a_tier_may_be_for_a_share_of_the_tasks(void **state)
{
	static const struct row rows[] = {
		{ CASCADE("tiers: [{model: p/a, share: 1.5}]"),
		    "t.yaml:5:35: share must be a number from 0 to 1, not "
		    "'1.5'\n" },
	};
	struct config *c = good("providers: {r: {api: recorded}}\n"
	    "cascades: {c: {tiers: [{model: r/a, share: 0.25, accept: "
	    "always}, {model: r/b}]}}\n");

	(void)state;
	assert_true(c->cascades[0].tiers[0].passed == 0.75);
	assert_true(c->cascades[0].tiers[1].passed == 0);
	assert_null(c->cascades[0].tiers[0].accept);
	config_free(c);
	assert_all_wrong(rows, COUNT(rows));
}

/* --- choosing ----------------------------------------------------------- */

#define THREE(a, b, c) HEAD PRICES "cascades:\n" \
	"  " a ": {tiers: [{model: p/a}]}\n" \
	"  " b ": {tiers: [{model: p/a}]}\n" \
	"  " c ": {tiers: [{model: p/a}]}\n"

static void
a_cascade_is_chosen_by_its_name(void **state)
{
	struct config *c = good(THREE("math", "law", "default"));
	struct err e = { .code = ERR_NONE };

	(void)state;
	assert_str(config_cascade(c, STR("law"), &e)->name, "law");
	assert_str(config_cascade(c, str_of(NULL), &e)->name, "default");
	assert_int_equal(e.code, ERR_NONE);
	assert_null(config_cascade(c, STR("mahth"), &e));
	assert_int_equal(e.code, ERR_USAGE);
	assert_string_equal(e.msg,
	    "no cascade 'mahth' in 't.yaml'; did you mean 'math'?");
	assert_null(config_cascade(c, STR("chemistry"), &e));
	assert_string_equal(e.msg, "no cascade 'chemistry' in 't.yaml'; "
	    "known: math, law, default");
	config_free(c);
}

static void
without_a_name_the_only_one_is_meant(void **state)
{
	struct config *c = good(TIER(""));
	struct err e = { .code = ERR_NONE };

	(void)state;
	assert_str(config_cascade(c, (struct str){ NULL, 0 }, &e)->name, "c");
	config_free(c);
	c = good(THREE("math", "law", "art"));
	assert_null(config_cascade(c, (struct str){ NULL, 0 }, &e));
	assert_int_equal(e.code, ERR_USAGE);
	assert_string_equal(e.msg, "'t.yaml' has 3 cascades and none is called "
	    "'default'; choose one with -k: math, law, art");
	config_free(c);
	assert_int_equal(config_empty(&c, &e), 0);
	assert_null(config_cascade(c, (struct str){ NULL, 0 }, &e));
	assert_string_equal(e.msg, "there is no cascade; give a configuration "
	    "with -c, or a model with -m");
	config_free(c);
}

/* --- -m ----------------------------------------------------------------- */

static void
a_single_model_needs_no_configuration(void **state)
{
	static const struct {
		const char *model, *host, *key_env;
	} rows[] = {
		{ "openai/gpt-6-luna", "api.openai.com", "OPENAI_API_KEY" },
		{ "openrouter/meta-llama/llama-3.3-70b-instruct",
		    "openrouter.ai", "OPENROUTER_API_KEY" },
		{ "together/x", "api.together.xyz", "TOGETHER_API_KEY" },
		{ "groq/x", "api.groq.com", "GROQ_API_KEY" },
		{ "mistral/x", "api.mistral.ai", "MISTRAL_API_KEY" },
		{ "deepseek/x", "api.deepseek.com", "DEEPSEEK_API_KEY" },
		{ "xai/x", "api.x.ai", "XAI_API_KEY" },
		{ "ollama/qwen2.5:3b", "127.0.0.1", "" },
	};
	const struct cascade *k;
	const struct tier *t;
	struct config *c;
	struct err e;

	(void)state;
	assert_int_equal(config_empty(&c, &e), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		k = config_single(c, str_of(rows[i].model), &e);
		assert_non_null(k);
		assert_int_equal(k->n_tiers, 1);
		t = &k->tiers[0];
		assert_str(t->model, rows[i].model);
		assert_str(t->model_name, strchr(rows[i].model, '/') + 1);
		assert_str(t->provider->host, rows[i].host);
		assert_str(t->provider->key_ref, rows[i].key_env);
		assert_int_equal(t->provider->key_source,
		    *rows[i].key_env ? KEY_ENV : KEY_NONE);
		assert_int_equal(provider_url_check(t->provider, &e), 0);
	}
	assert_int_equal(c->n_providers, COUNT(rows));
	assert_int_equal(c->n_cascades, COUNT(rows));
	/* The providers have moved, and the first tier knows. */
	assert_ptr_equal(c->cascades[0].tiers[0].provider, &c->providers[0]);
	assert_int_equal(c->cascades[0].tiers[0].price.rates.input, 100000);
	assert_int_equal(c->providers[4].random_seed, true);
	config_free(c);
}

static void
a_single_model_uses_the_files_provider_and_price(void **state)
{
	struct config *c = good(TIER(""));
	struct err e;
	const struct cascade *k = config_single(c, STR("p/b"), &e);

	(void)state;
	assert_non_null(k);
	assert_int_equal(c->n_providers, 2);
	assert_ptr_equal(k->tiers[0].provider, &c->providers[0]);
	assert_int_equal(k->tiers[0].price.rates.output, 2000000);
	assert_true(k->tiers[0].price_overridden);
	/* A well-known provider comes beside the file's; the file's tiers
	 * still have theirs. */
	k = config_single(c, STR("groq/x"), &e);
	assert_non_null(k);
	assert_int_equal(c->n_providers, 3);
	assert_ptr_equal(k->tiers[0].provider, &c->providers[2]);
	k = config_cascade(c, STR("c"), &e);
	assert_non_null(k);
	assert_ptr_equal(k->tiers[0].provider, &c->providers[0]);
	config_free(c);
}

static void
a_single_model_that_makes_no_sense_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "gpt-4o", "model 'gpt-4o' is not written provider/name, such "
		    "as openai/gpt-4o-mini" },
		{ "", "model '' is not written provider/name, such as "
		    "openai/gpt-4o-mini" },
		{ "openai/", "model 'openai/' is not written provider/name, "
		    "such as openai/gpt-4o-mini" },
		{ "opnai/x", "unknown provider 'opnai'; did you mean "
		    "'openai'?" },
		{ "zzzzzz/x", "unknown provider 'zzzzzz'; a model is written "
		    "provider/name, such as openai/gpt-4o-mini, and its "
		    "provider stands in the configuration" },
	};
	struct config *c;
	struct err e;

	(void)state;
	assert_int_equal(config_empty(&c, &e), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_null(config_single(c, str_of(rows[i].text), &e));
		assert_int_equal(e.code, ERR_USAGE);
		assert_string_equal(e.msg, rows[i].want);
	}
	assert_int_equal(c->n_cascades, 0);
	config_free(c);
}

/* --- --set -------------------------------------------------------------- */

static void
a_setting_goes_to_every_tier(void **state)
{
	static const char *const settings[] = {
		"temperature=0.2", "max_tokens=2k", "seed=-3", "stop=[a, b]",
		"top_p=0.5", "presence_penalty=-2", "frequency_penalty=2",
		"reasoning_effort=low", "response_format={type: text}",
		"extra={top_k: 3}",
	};
	struct config *c = good(THREE("a", "b", "c"));
	struct err e = { .code = ERR_NONE };

	(void)state;
	for (size_t i = 0; i < COUNT(settings); i++)
		if (config_set(c, str_of(settings[i]), &e) < 0)
			fail_msg("%s", e.msg);
	for (size_t i = 0; i < 3; i++) {
		const struct sampling *s = &c->cascades[i].tiers[0].sampling;

		assert_true(s->has_temperature && s->temperature == 0.2);
		assert_true(s->has_seed && s->seed == -3);
		assert_true(s->has_top_p && s->top_p == 0.5);
		assert_int_equal(s->max_tokens, 2000);
		assert_int_equal(s->n_stop, 2);
		assert_str(s->reasoning_effort, "low");
		assert_str(s->response_format, "{\"type\":\"text\"}");
		assert_str(s->extra, "{\"top_k\":3}");
	}
	config_free(c);
}

static void
a_setting_that_is_wrong_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "temperature", "--set 'temperature' has no '='; write --set "
		    "name=value" },
		{ "temprature=1", "--set: unknown setting 'temprature'; did "
		    "you mean 'temperature'?" },
		{ "accept=1", "--set: unknown setting 'accept'; it takes the "
		    "names of a tier's sampling settings, such as "
		    "temperature" },
		{ "=1", "--set: unknown setting ''; it takes the names of a "
		    "tier's sampling settings, such as temperature" },
		{ "temperature=9", "--set temperature: temperature must be a "
		    "number from 0 to 2, not '9'" },
		{ "temperature=", "--set temperature: temperature must be a "
		    "number from 0 to 2, but has no value" },
		{ "temperature=[", "--set temperature: flow sequence without a "
		    "closing bracket; it was opened at 1:14" },
		{ "temperature=1\nseed: 2", "--set temperature: it must be one "
		    "value" },
		{ "temperature=0.5", "--set temperature: model 'o/gpt-6-luna' "
		    "refuses a temperature; leave it out" },
	};
	struct config *c = good(CASCADE("tiers: [{model: o/gpt-6-luna}]"));
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(config_set(c, str_of(rows[i].text), &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
		assert_string_equal(e.msg, rows[i].want);
	}
	config_free(c);
}

/* --- files -------------------------------------------------------------- */

static void
the_demonstration_is_right_and_simulated(void **state)
{
	struct buf messages, warnings;
	struct config *c = NULL;
	struct err e;

	(void)state;
	buf_init(&messages, BUF_MAX);
	buf_init(&warnings, BUF_MAX);
	assert_int_equal(config_load(&c, "demo", &messages, &warnings, &e), 0);
	assert_int_equal(messages.n, 0);
	assert_int_equal(warnings.n, 0);
	assert_true(c->simulated);
	assert_string_equal(c->file, "demo");
	assert_int_equal(c->cascades[0].n_tiers, 3);
	assert_true(c->cascades[0].tiers[1].sampling.logprobs);
	assert_true(str_has(config_demo_text(), "SIMULATED"));
	config_free(c);
	buf_release(&messages);
	buf_release(&warnings);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A new folder as the current one; the caller goes back with leave(). */
struct place {
	char folder[64], *home;
};

static void
enter(struct place *p)
{
	strcpy(p->folder, "/tmp/test_config.XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	p->home = getcwd(NULL, 0);
	assert_non_null(p->home);
	assert_int_equal(chdir(p->folder), 0);
}

static void
leave(struct place *p)
{
	assert_int_equal(chdir(p->home), 0);
	assert_int_equal(rmdir(p->folder), 0);
	free(p->home);
}

static void
files_are_relative_to_the_configuration(void **state)
{
	struct place at;
	struct config *c = NULL;
	struct err e;

	(void)state;
	enter(&at);
	assert_int_equal(mkdir("sub", 0700), 0);
	write_file("sub/f.yaml", "store: x.db\n"
	    "providers: {p: {api: openai, url: 'https://a.example', "
	    "key_file: k}, q: {api: openai, url: 'https://b.example', "
	    "key_file: /etc/k}, r: {api: openai, url: 'https://c.example', "
	    "key_file: ~/k}}\n"
	    "cascades: {c: {tiers: [{model: p/a, prompts: [a.txt]}]}}\n");
	write_file("sub/a.txt", "Q: {{input}}\n");
	assert_int_equal(setenv("HOME", "/them/me", 1), 0);
	assert_int_equal(config_load(&c, "sub/f.yaml", NULL, NULL, &e), 0);
	assert_str(c->store, "sub/x.db");
	assert_str(c->providers[0].key_ref, "sub/k");
	assert_str(c->providers[1].key_ref, "/etc/k");
	assert_str(c->providers[2].key_ref, "/them/me/k");
	assert_str(c->cascades[0].tiers[0].prompts[0].name, "a.txt");
	assert_str(c->cascades[0].tiers[0].prompts[0].text, "Q: {{input}}");
	config_free(c);
	assert_int_equal(unlink("sub/a.txt"), 0);
	assert_int_equal(unlink("sub/f.yaml"), 0);
	assert_int_equal(rmdir("sub"), 0);
	leave(&at);
}

static void
a_prompt_file_is_bounded_and_text(void **state)
{
	struct place at;
	struct config *c = NULL;
	struct buf messages;
	struct err e;
	char *big = malloc((1 << 20) + 2);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', (1 << 20) + 1);
	big[(1 << 20) + 1] = '\0';
	enter(&at);
	write_file("big.txt", big);
	write_file("bad.txt", "\xff{{input}}");
	write_file("f.yaml", "providers: {p: {api: simulated}}\n"
	    "cascades: {c: {tiers: [{model: p/a, "
	    "prompts: [big.txt, bad.txt]}]}}\n");
	buf_init(&messages, BUF_MAX);
	assert_int_equal(config_load(&c, "f.yaml", &messages, NULL, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(messages.p, "f.yaml:2:47: prompt: "));
	assert_non_null(strstr(messages.p, "big.txt"));
	assert_non_null(strstr(messages.p,
	    "f.yaml:2:56: prompt 'bad.txt' is not UTF-8 text\n"));
	buf_release(&messages);
	assert_int_equal(unlink("big.txt"), 0);
	assert_int_equal(unlink("bad.txt"), 0);
	assert_int_equal(unlink("f.yaml"), 0);
	leave(&at);
	free(big);
}

static void
a_file_that_is_not_there_is_named(void **state)
{
	struct config *c;
	struct err e;

	(void)state;
	assert_int_equal(config_load(&c, "/nonexistent/f.yaml", NULL, NULL, &e),
	    -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "/nonexistent/f.yaml"));
}

static void
assert_found(const char *given, int want, const char *path)
{
	struct buf b;
	struct err e;

	buf_init(&b, BUF_MAX);
	assert_int_equal(config_find(given, &b, &e), want);
	assert_string_equal(b.n ? b.p : "", path);
	buf_release(&b);
}

static void
it_is_found_in_the_order_of_the_manual(void **state)
{
	struct place at;
	struct buf b;
	struct err e;

	(void)state;
	enter(&at);
	assert_int_equal(setenv("HOME", at.folder, 1), 0);
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	assert_int_equal(unsetenv("FRUGAL_CONFIG"), 0);
	assert_found(NULL, 0, "");
	assert_found("demo", 1, "demo");

	assert_int_equal(mkdir(".config", 0700), 0);
	assert_int_equal(mkdir(".config/frugal", 0700), 0);
	write_file(".config/frugal/frugal.yaml", "");
	buf_init(&b, BUF_MAX);
	assert_int_equal(config_find(NULL, &b, &e), 1);
	assert_true(str_ends(buf_str(&b), "/.config/frugal/frugal.yaml"));
	buf_release(&b);
	/* XDG_CONFIG_HOME stands in place of ~/.config, if it is absolute. */
	assert_int_equal(setenv("XDG_CONFIG_HOME", "/nonexistent", 1), 0);
	assert_found(NULL, 0, "");
	assert_int_equal(setenv("XDG_CONFIG_HOME", ".config", 1), 0);
	buf_init(&b, BUF_MAX);
	assert_int_equal(config_find(NULL, &b, &e), 1);
	buf_release(&b);

	write_file("frugal.yaml", "");
	assert_found(NULL, 1, "frugal.yaml");
	assert_int_equal(setenv("FRUGAL_CONFIG", "", 1), 0);
	assert_found(NULL, 1, "frugal.yaml");
	assert_int_equal(setenv("FRUGAL_CONFIG", "other.yaml", 1), 0);
	assert_found(NULL, 1, "other.yaml");
	assert_found("mine.yaml", 1, "mine.yaml");
	buf_init(&b, BUF_MAX);
	assert_int_equal(config_find("", &b, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	buf_release(&b);

	assert_int_equal(unsetenv("FRUGAL_CONFIG"), 0);
	assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
	assert_int_equal(unlink("frugal.yaml"), 0);
	assert_int_equal(unlink(".config/frugal/frugal.yaml"), 0);
	assert_int_equal(rmdir(".config/frugal"), 0);
	assert_int_equal(rmdir(".config"), 0);
	leave(&at);
}

/* --- what bounds a run, and what happens when nobody answers ------------- */

static void
endpoints_are_the_same_tier_elsewhere(void **state)
{
	struct config *c = good(
	    "providers:\n"
	    "  p: {api: openai, url: 'http://127.0.0.1:8080/v1'}\n"
	    "  q: {api: openai, url: 'http://127.0.0.1:8081/v1'}\n"
	    "models:\n"
	    "  p/a: {input_per_mtok: 1, output_per_mtok: 2,"
	    " requests_per_minute: 60}\n"
	    "  q/b: {input_per_mtok: 3, output_per_mtok: 4,"
	    " tokens_per_minute: 2M}\n"
	    "  q/x/y: {input_per_mtok: 5, output_per_mtok: 6}\n"
	    "cascades:\n"
	    "  c: {tiers: [{endpoints: [p/a, q/b, q/x/y], max_tokens: 9,"
	    " temperature: 0.5, samples: 3, accept: {agreement: 0.5}}]}\n"
	    "  d: {tiers: [{endpoints: [q/b]}]}\n"
	    "  e: {tiers: [{model: p/a}]}\n");
	const struct tier *t = &c->cascades[0].tiers[0];

	(void)state;
	assert_str(t->name, "p/a");
	assert_str(t->model, "p/a");
	assert_int_equal(t->n_others, 2);
	assert_str(t->others[0].model, "q/b");
	assert_str(t->others[0].model_name, "b");
	assert_ptr_equal(t->others[0].provider, &c->providers[1]);
	assert_str(t->others[1].model_name, "x/y");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(t->others[i].sampling.max_tokens, 9);
		assert_int_equal(t->others[i].samples_max, 3);
		assert_ptr_equal(t->others[i].accept, t->accept);
		assert_int_equal(t->others[i].n_others, 0);
	}
	assert_int_equal(t->price.rates.input, 1000000);
	assert_int_equal(t->others[0].price.rates.input, 3000000);
	assert_int_equal(t->others[1].price.rates.input, 5000000);
	assert_int_equal(t->requests_per_minute, 60);
	assert_int_equal(t->tokens_per_minute, 0);
	assert_int_equal(t->others[0].requests_per_minute, 0);
	assert_int_equal(t->others[0].tokens_per_minute, 2000000);
	assert_int_equal(c->cascades[1].tiers[0].n_others, 0);
	assert_str(c->cascades[1].tiers[0].model, "q/b");
	assert_int_equal(c->cascades[2].tiers[0].requests_per_minute, 60);
	config_free(c);
}

#define OUTAGE(word) HEAD PRICES \
	"cascades: {c: {" word "tiers: [{model: p/a}]}}\n"

static void
an_outage_climbs_unless_it_is_said(void **state)
{
	static const struct { const char *text; enum on_outage want; } rows[] = {
		{ OUTAGE(""), OUTAGE_CLIMB },
		{ OUTAGE("on_outage: climb, "), OUTAGE_CLIMB },
		{ OUTAGE("on_outage: wait, "), OUTAGE_WAIT },
		{ OUTAGE("on_outage: fail, "), OUTAGE_FAIL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct config *c = good(rows[i].text);
		assert_int_equal(c->cascades[0].on_outage, rows[i].want);
		config_free(c);
	}
}

#define ROOT(line) HEAD PRICES line "\ncascades: {c: {tiers: [{model: p/a}]}}\n"

static void
caps_of_a_run_a_day_and_a_task(void **state)
{
	struct config *c = good(ROOT(""));

	(void)state;
	assert_int_equal(c->max_cost.run, BUDGET_NONE);
	assert_int_equal(c->max_cost.day, BUDGET_NONE);
	assert_int_equal(c->max_cost.task, BUDGET_NONE);
	assert_int_equal(c->task_timeout_ms, 0);
	config_free(c);
	c = good(ROOT("max_cost: 2.50\ntask_timeout: 90s"));
	assert_int_equal(c->max_cost.run, INT64_C(2500000000000));
	assert_int_equal(c->max_cost.day, BUDGET_NONE);
	assert_int_equal(c->max_cost.task, BUDGET_NONE);
	assert_int_equal(c->task_timeout_ms, 90000);
	config_free(c);
	c = good(ROOT("max_cost: {run: 1, day: '10', task: 0.000000000001}"));
	assert_int_equal(c->max_cost.run, INT64_C(1000000000000));
	assert_int_equal(c->max_cost.day, INT64_C(10000000000000));
	assert_int_equal(c->max_cost.task, 1);
	config_free(c);
	c = good(ROOT("max_cost: {day: 0}"));
	assert_int_equal(c->max_cost.run, BUDGET_NONE);
	assert_int_equal(c->max_cost.day, 0);
	config_free(c);
}

#define ENDPOINTS(list) HEAD PRICES \
	"cascades: {c: {tiers: [{" list "}]}}\n"

static void
wrong_bounds_and_endpoints_are_told(void **state)
{
	static const struct row rows[] = {
		{ ENDPOINTS("endpoints: []"),
		    "t.yaml:7:36: endpoints must be a list of 1 to 8 models, "
		    "such as [azure/gpt-4o, openai/gpt-4o]\n" },
		{ ENDPOINTS("endpoints: p/a"),
		    "t.yaml:7:36: endpoints must be a list of 1 to 8 models, "
		    "such as [azure/gpt-4o, openai/gpt-4o]\n" },
		{ ENDPOINTS("endpoints: [p/a, p/b, p/c, p/d, p/e, p/f, p/g, "
		    "p/h, p/i]"),
		    "t.yaml:7:36: endpoints must be a list of 1 to 8 models, "
		    "such as [azure/gpt-4o, openai/gpt-4o]\n" },
		{ ENDPOINTS("endpoints: [p/a], model: p/b"),
		    "t.yaml:7:36: a tier has a model or endpoints, not both\n" },
		{ ENDPOINTS("endpoints: [q/a, p/b]"),
		    "t.yaml:7:37: unknown provider 'q'; did you mean 'p'?\n" },
		{ ENDPOINTS("endpoints: [p/a, q/b, x, [y], p/]"),
		    "t.yaml:7:42: unknown provider 'q'; did you mean 'p'?\n"
		    "t.yaml:7:47: model 'x' is not written provider/name, such "
		    "as openai/gpt-4o-mini\n"
		    "t.yaml:7:50: an endpoint must be text, not a list\n"
		    "t.yaml:7:55: model 'p/' is not written provider/name, "
		    "such as openai/gpt-4o-mini\n" },
		{ ENDPOINTS("endpoints: [p/a, p/b, p/a]"),
		    "t.yaml:7:47: endpoint 'p/a' is named twice\n" },
		{ ENDPOINTS("model: p/a, on_outage: wait"),
		    "t.yaml:7:37: unknown key 'on_outage' in tier\n" },
		{ OUTAGE("on_outage: wiat, "),
		    "t.yaml:7:27: unknown on_outage 'wiat'; did you mean "
		    "'wait'?\n" },
		{ OUTAGE("on_outage: [wait], "),
		    "t.yaml:7:27: on_outage must be text, not a list\n" },
		{ ROOT("max_cost: five"),
		    "t.yaml:7:11: max_cost must be dollars, such as 2.50\n" },
		{ ROOT("max_cost: -1"),
		    "t.yaml:7:11: max_cost must be dollars, such as 2.50\n" },
		{ ROOT("max_cost: 1e30"),
		    "t.yaml:7:11: max_cost must be dollars, such as 2.50\n" },
		{ ROOT("max_cost: [1]"),
		    "t.yaml:7:11: max_cost must be dollars, such as 2.50\n" },
		{ ROOT("max_cost: {rn: 1}"),
		    "t.yaml:7:12: unknown key 'rn' in max_cost; did you mean "
		    "'run'?\n" },
		{ ROOT("max_cost: {run: x, day: -2, task: []}"),
		    "t.yaml:7:17: max_cost of a run must be dollars, such as "
		    "2.50\n"
		    "t.yaml:7:25: max_cost of a day must be dollars, such as "
		    "2.50\n"
		    "t.yaml:7:35: max_cost of a task must be dollars, such as "
		    "2.50\n" },
		{ ROOT("task_timeout: 0"),
		    "t.yaml:7:15: task_timeout must be more than 0\n" },
		{ ROOT("task_timeout: soon"),
		    "t.yaml:7:15: task_timeout must be a duration such as "
		    "250ms, 30s, 2m or 1h, not 'soon'\n" },
		{ ROOT("task_timeout: -1s"),
		    "t.yaml:7:15: task_timeout must be a duration such as "
		    "250ms, 30s, 2m or 1h, not '-1s'\n" },
		{ ROOT("task_timeout: 99999999999d"),
		    "t.yaml:7:15: task_timeout must be a duration such as "
		    "250ms, 30s, 2m or 1h, not '99999999999d'\n" },
		{ HEAD "models: {p/a: {input_per_mtok: 1, output_per_mtok: 1, "
		    "requests_per_minute: -1, tokens_per_minute: many}}\n"
		    "cascades: {c: {tiers: [{model: p/a}]}}\n",
		    "t.yaml:4:76: requests_per_minute must be a whole number "
		    "from 0 to 1000000000, not '-1'\n"
		    "t.yaml:4:99: tokens_per_minute must be a whole number "
		    "from 0 to 1000000000, not 'many'\n" },
	};

	(void)state;
	assert_all_wrong(rows, COUNT(rows));
}

static void
an_audit_and_a_promise_are_read(void **state)
{
	struct config *c = good(HEAD PRICES
	    "cascades:\n"
	    "  c:\n"
	    "    audit: 0.02\n"
	    "    promise: {max_loss: 0.01, confidence: 0.9, "
	    "since: 2026-11-01T00:00:00Z}\n"
	    "    tiers: [{model: p/a, accept: {regex: x}}, {model: p/b}]\n");

	(void)state;
	assert_true(c->cascades[0].audit == 0.02);
	assert_true(c->cascades[0].promise.given);
	assert_true(c->cascades[0].promise.max_loss == 0.01);
	assert_true(c->cascades[0].promise.confidence == 0.9);
	assert_true(c->cascades[0].promise.since_utc_ms
	    == INT64_C(1793491200000));
	config_free(c);
	c = good(HEAD PRICES "cascades: {c: {audit: 1, promise: {max_loss: 0},"
	    " tiers: [{model: p/a, accept: {regex: x}}, {model: p/b}]}}\n");
	assert_true(c->cascades[0].promise.given);
	assert_true(c->cascades[0].promise.confidence == 0.95);
	config_free(c);
}

#define PAIR(settings) HEAD PRICES \
	"cascades:\n" \
	"  c:\n" \
	"    " settings "\n" \
	"    tiers: [{model: p/a, accept: {regex: x}}, {model: p/b}]\n"

static void
audits_and_promises_that_cannot_be_are_refused(void **state)
{
	static const struct row rows[] = {
		{ PAIR("audit: 2"),
		    "t.yaml:9:12: audit must be a number from 0 to 1, not '2'\n" },
		{ HEAD PRICES "cascades: {c: {audit: 1, promise: {}, "
		    "tiers: [{model: p/a}, {model: p/b}]}}\n",
		    "t.yaml:7:35: a promise has a max_loss, such as 0.02\n" },
	};
	static const struct row warned[] = {
		{ PAIR("promise: {max_loss: 0.1}"),
		    "warning: t.yaml:9:14: nothing looks after the promise of "
		    "'c' without audit, such as 'audit: 0.02'\n" },
		{ HEAD PRICES "cascades:\n  c:\n    audit: 0.1\n"
		    "    tiers: [{model: p/a}]\n",
		    "warning: t.yaml:9:12: audit does nothing in a cascade of "
		    "one tier\n" },
	};

	(void)state;
	assert_all_wrong(rows, 2);
	assert_all_warned(warned, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_are_the_same_tier_elsewhere),
		cmocka_unit_test(an_outage_climbs_unless_it_is_said),
		cmocka_unit_test(caps_of_a_run_a_day_and_a_task),
		cmocka_unit_test(wrong_bounds_and_endpoints_are_told),
		cmocka_unit_test(a_small_configuration_has_the_defaults),
		cmocka_unit_test(a_provider_has_what_it_is_given),
		cmocka_unit_test(a_tier_has_what_it_is_given),
		cmocka_unit_test(a_rule_on_log_probabilities_asks_for_them),
		cmocka_unit_test(
		    prices_are_exact_and_the_users_own_come_first),
		cmocka_unit_test(json_is_a_configuration_too),
		cmocka_unit_test(nothing_in_dollars_and_braces_is_expanded),
		cmocka_unit_test(a_condition_that_is_met_is_no_error),
		cmocka_unit_test(
		    samples_at_a_fixed_temperature_are_no_surprise),
		cmocka_unit_test(a_configuration_without_a_cascade_shows_one),
		cmocka_unit_test(the_top_level_is_checked),
		cmocka_unit_test(providers_are_checked),
		cmocka_unit_test(models_are_checked),
		cmocka_unit_test(tiers_are_checked),
		cmocka_unit_test(cascades_are_checked),
		cmocka_unit_test(what_a_model_refuses_is_an_error),
		cmocka_unit_test(every_error_is_shown_in_one_run),
		cmocka_unit_test(what_will_surprise_is_warned_of),
		cmocka_unit_test(a_model_that_is_gone_or_going_is_warned_of),
		cmocka_unit_test(the_last_sixty_days_are_counted),
		cmocka_unit_test(
		    an_unknown_price_is_warned_of_unless_it_is_recorded),
		cmocka_unit_test(only_a_recorded_answer_was_verified),
		cmocka_unit_test(a_tier_may_be_for_a_share_of_the_tasks),
		cmocka_unit_test(a_cascade_is_chosen_by_its_name),
		cmocka_unit_test(without_a_name_the_only_one_is_meant),
		cmocka_unit_test(a_single_model_needs_no_configuration),
		cmocka_unit_test(
		    a_single_model_uses_the_files_provider_and_price),
		cmocka_unit_test(
		    a_single_model_that_makes_no_sense_is_refused),
		cmocka_unit_test(a_setting_goes_to_every_tier),
		cmocka_unit_test(a_setting_that_is_wrong_is_refused),
		cmocka_unit_test(the_demonstration_is_right_and_simulated),
		cmocka_unit_test(files_are_relative_to_the_configuration),
		cmocka_unit_test(a_prompt_file_is_bounded_and_text),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(it_is_found_in_the_order_of_the_manual),
		cmocka_unit_test(an_audit_and_a_promise_are_read),
		cmocka_unit_test(
		    audits_and_promises_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
