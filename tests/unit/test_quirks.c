/*
 * test_quirks.c -- what is known of hosts, and how URLs are taken apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "providers/provider.h"

static struct provider
known(const char *url)
{
	struct url_parts u;
	struct provider p = { .name = STR("p") };

	p.url = str_of(url);
	assert_true(provider_url_parse(p.url, &u));
	p.host = u.host;
	provider_quirks(&p);
	return p;
}

static void
every_known_host_has_its_facts(void **state)
{
	static const struct {
		const char *url;
		enum tristate n, logprobs;
		enum limit_field limit;
		enum logprobs_style style;
		bool random_seed;
		enum auth_style auth;
	} rows[] = {
#define TOKENS LIMIT_MAX_TOKENS
#define COMPLETION LIMIT_MAX_COMPLETION_TOKENS
#define FLAG LOGPROBS_BOOLEAN
		{ "https://api.openai.com/v1", YES, UNSET, COMPLETION, FLAG,
		    false, AUTH_BEARER },
		{ "https://me.openai.azure.com/openai/v1", YES, UNSET,
		    COMPLETION, FLAG, false, AUTH_API_KEY },
		{ "https://openrouter.ai/api/v1", NO, UNSET, TOKENS, FLAG,
		    false, AUTH_BEARER },
		{ "https://api.together.xyz/v1", YES, UNSET, TOKENS,
		    LOGPROBS_INTEGER, false, AUTH_BEARER },
		{ "https://api.together.ai/v1", YES, UNSET, TOKENS,
		    LOGPROBS_INTEGER, false, AUTH_BEARER },
		{ "https://api.groq.com/openai/v1", NO, NO, TOKENS, FLAG,
		    false, AUTH_BEARER },
		{ "https://api.mistral.ai/v1", YES, NO, TOKENS, FLAG, true,
		    AUTH_BEARER },
		{ "https://api.deepseek.com", NO, UNSET, TOKENS, FLAG, false,
		    AUTH_BEARER },
		{ "https://api.x.ai/v1", YES, UNSET, TOKENS, FLAG, false,
		    AUTH_BEARER },
		{ "http://127.0.0.1:11434/v1", NO, UNSET, TOKENS, FLAG, false,
		    AUTH_BEARER },
		{ "https://gpu.example:11434/v1", NO, UNSET, TOKENS, FLAG,
		    false, AUTH_BEARER },
		{ "http://127.0.0.1:8080/v1", UNSET, UNSET, TOKENS, FLAG,
		    false, AUTH_BEARER },
		{ "https://models.example/v1", UNSET, UNSET, TOKENS, FLAG,
		    false, AUTH_BEARER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct provider p = known(rows[i].url);

		if (p.n != rows[i].n || p.logprobs != rows[i].logprobs ||
		    p.limit_field != rows[i].limit ||
		    p.logprobs_style != rows[i].style ||
		    p.random_seed != rows[i].random_seed ||
		    p.auth != rows[i].auth)
			fail_msg("wrong facts for %s", rows[i].url);
	}
}

static void
a_host_is_known_in_any_case(void **state)
{
	(void)state;
	assert_int_equal(known("https://API.Groq.Com/openai/v1").n, NO);
}

static void
a_host_that_only_looks_known_is_not(void **state)
{
	static const char *const urls[] = {
		"https://api.openai.com.example/v1",
		"https://xapi.openai.com/v1",
		"https://openai.azure.com/v1",
		"https://evilopenai.azure.com/v1",
		"https://example/api.openai.com/v1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct provider p = known(urls[i]);

		assert_int_equal(p.n, UNSET);
		assert_int_equal(p.limit_field, LIMIT_MAX_TOKENS);
		assert_int_equal(p.auth, AUTH_BEARER);
	}
}

static void
what_the_configuration_says_is_kept(void **state)
{
	struct provider p = {
		.url = STR("https://api.groq.com/openai/v1"),
		.host = STR("api.groq.com"),
		.n = YES, .logprobs = YES,
		.limit_field = LIMIT_MAX_COMPLETION_TOKENS,
		.auth = AUTH_NONE,
	};

	(void)state;
	provider_quirks(&p);
	assert_int_equal(p.n, YES);
	assert_int_equal(p.logprobs, YES);
	assert_int_equal(p.limit_field, LIMIT_MAX_COMPLETION_TOKENS);
	assert_int_equal(p.auth, AUTH_NONE);
}

static void
a_provider_without_a_url_is_like_an_unknown_one(void **state)
{
	struct provider p = { .name = STR("sim") };

	(void)state;
	provider_quirks(&p);
	assert_int_equal(p.n, UNSET);
	assert_int_equal(p.limit_field, LIMIT_MAX_TOKENS);
}

static void
a_url_is_taken_apart(void **state)
{
	static const struct {
		const char *url, *host, *port;
		bool https, userinfo;
	} rows[] = {
		{ "https://a.example", "a.example", "", true, false },
		{ "HTTP://A.example:8080/v1/", "A.example", "8080", false,
		    false },
		{ "http://[::1]:11434/v1", "[::1]", "11434", false, false },
		{ "http://[::1]", "[::1]", "", false, false },
		{ "https://me:word@a.example:1/x@y", "a.example", "1", true,
		    true },
		{ "https://me@127.0.0.1@b.example/", "b.example", "", true,
		    true },
		{ "https://a.example?api-version=1", "a.example", "", true,
		    false },
		{ "https://a.example#@b.example", "a.example", "", true,
		    false },
	};
	struct url_parts u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!provider_url_parse(str_of(rows[i].url), &u))
			fail_msg("refused: %s", rows[i].url);
		if (!str_is(u.host, rows[i].host) ||
		    !str_is(u.port, rows[i].port) ||
		    u.https != rows[i].https ||
		    u.userinfo != rows[i].userinfo)
			fail_msg("misread: %s", rows[i].url);
	}
}

static void
a_doubtful_url_is_refused(void **state)
{
	static const char *const urls[] = {
		"", ":", "http", "http:", "http:/a", "http://", "https:///v1",
		"ftp://a.example", "a.example/v1", "//a.example", "https://:80",
		"https://a.example:", "https://a.example:0",
		"https://a.example:65536", "https://a.example:8o",
		"https://a.example:-1", "https://a b.example",
		"http://127.0.0.1\\@b.example", "http://127.0.0.1%2eb.example",
		"https://a.example/\n", "https://${HOST}/v1", "http://[::1",
		"http://[]", "http://[", "http://[::1]x", "http://[::1]x:80",
		"http://[::1%25eth0]", "https://ex\xc3\xa4mple/", "https://@",
		"https://a.example\x7f",
	};
	struct url_parts u;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (provider_url_parse(str_of(urls[i]), &u))
			fail_msg("taken: %s", urls[i]);
	assert_false(provider_url_parse((struct str){ "http://a\0b", 10 }, &u));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_host_has_its_facts),
		cmocka_unit_test(a_host_is_known_in_any_case),
		cmocka_unit_test(a_host_that_only_looks_known_is_not),
		cmocka_unit_test(what_the_configuration_says_is_kept),
		cmocka_unit_test(
		    a_provider_without_a_url_is_like_an_unknown_one),
		cmocka_unit_test(a_url_is_taken_apart),
		cmocka_unit_test(a_doubtful_url_is_refused),
	};

	return cmocka_run_group_tests_name("quirks", tests, NULL, NULL);
}
