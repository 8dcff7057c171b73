/*
 * test_key_source.c -- where a provider's key comes from, and which servers
 * may see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "providers/provider.h"

#define VARIABLE "FRUGAL_TEST_KEY"
#define KEY "sk-test-0123456789"

extern const struct provider_ops provider_recorded;
static const struct provider_ops online = { .name = "online" };

static struct provider
with_key(enum key_source source, const char *ref)
{
	return (struct provider){
		.name = STR("acme"), .ops = &online, .key_source = source,
		.key_ref = str_of(ref),
	};
}

static void
assert_key(const struct provider *p, const char *want)
{
	struct secret key;
	struct err e = { .code = ERR_NONE };

	assert_int_equal(provider_key(p, &key, &e), 0);
	assert_true(str_is(secret_text(&key), want));
	secret_wipe(&key);
}

static void
a_key_comes_from_the_environment(void **state)
{
	struct provider p = with_key(KEY_ENV, VARIABLE);

	(void)state;
	assert_int_equal(setenv(VARIABLE, KEY, 1), 0);
	assert_key(&p, KEY);
	assert_int_equal(unsetenv(VARIABLE), 0);
}

static void
a_key_comes_from_a_file(void **state)
{
	char path[] = "/tmp/test_key_source.XXXXXX";
	struct provider p = with_key(KEY_FILE, path);
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, KEY "\n", sizeof(KEY)), sizeof(KEY));
	assert_int_equal(close(fd), 0);
	assert_key(&p, KEY);
	assert_int_equal(unlink(path), 0);
}

static void
a_key_comes_from_a_command(void **state)
{
	struct provider p = with_key(KEY_CMD, "echo " KEY);

	(void)state;
	assert_key(&p, KEY);
}

static void
a_provider_without_a_key_has_an_empty_one(void **state)
{
	struct provider p = with_key(KEY_NONE, NULL);

	(void)state;
	assert_key(&p, "");
}

/* A borrowed text need not end where its memory does. */
static void
the_reference_need_not_be_terminated(void **state)
{
	struct provider p = with_key(KEY_ENV, VARIABLE "_AND_MORE");

	(void)state;
	p.key_ref.n = strlen(VARIABLE);
	assert_int_equal(setenv(VARIABLE, KEY, 1), 0);
	assert_key(&p, KEY);
	assert_int_equal(unsetenv(VARIABLE), 0);
}

static void
a_missing_key_names_the_provider_and_the_source(void **state)
{
	static const struct {
		enum key_source source;
		const char *ref;
		const char *shown; /* a command could have a secret in it */
	} rows[] = {
		{ KEY_ENV, "FRUGAL_TEST_NO_KEY", "FRUGAL_TEST_NO_KEY" },
		{ KEY_FILE, "/nonexistent/key", "/nonexistent/key" },
		{ KEY_CMD, "exit 1", "command" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct provider p = with_key(rows[i].source, rows[i].ref);
		struct secret key;
		struct err e = { .code = ERR_NONE };

		assert_int_equal(provider_key(&p, &key, &e), -1);
		assert_int_not_equal(e.code, ERR_NONE);
		assert_non_null(strstr(e.msg, "provider 'acme': "));
		assert_non_null(strstr(e.msg, rows[i].shown));
		secret_wipe(&key);
	}
}

static int
check(const char *url, struct err *e)
{
	struct provider p = with_key(KEY_ENV, VARIABLE);

	p.url = str_of(url);
	return provider_url_check(&p, e);
}

static void
a_key_may_go_over_https_and_to_loopback(void **state)
{
	static const char *const urls[] = {
		"https://api.example/v1", "https://10.0.0.1/v1",
		"http://127.0.0.1:8080/v1", "http://127.255.3.4/v1",
		"http://localhost:1/v1", "http://LocalHost/v1",
		"http://[::1]:8080/v1", "http://[0:0:0:0:0:0:0:1]/v1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (check(urls[i], NULL) < 0)
			fail_msg("refused: %s", urls[i]);
}

static void
a_key_goes_nowhere_else_over_plain_http(void **state)
{
	static const char *const urls[] = {
		"http://api.example/v1", "http://10.0.0.1/v1",
		"http://128.0.0.1/", "http://127.0.0.1.example/",
		"http://localhost.example/", "http://127.1/",
		"http://0127.0.0.1/", "http://0.0.0.0/", "http://[::]/",
		"http://[::2]/", "http://[::ffff:10.0.0.1]/",
		"http://localhost@api.example/", "ftp://localhost/",
		"HTTP://api.example", "",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (check(urls[i], NULL) == 0)
			fail_msg("taken: %s", urls[i]);
}

static void
the_refusal_says_what_to_do(void **state)
{
	struct err e = { .code = ERR_NONE };

	(void)state;
	assert_int_equal(check("http://api.example/v1", &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg, "provider 'acme': the key would go to "
	    "'api.example' over plain http, where anyone on the way can read "
	    "it; use https");
}

static void
without_a_key_plain_http_is_fine(void **state)
{
	struct provider p = with_key(KEY_NONE, NULL);

	(void)state;
	p.url = STR("http://10.0.0.1:8080/v1");
	assert_int_equal(provider_url_check(&p, NULL), 0);
	p = with_key(KEY_ENV, VARIABLE);
	p.url = STR("http://10.0.0.1:8080/v1");
	p.auth = AUTH_NONE;
	assert_int_equal(provider_url_check(&p, NULL), 0);
}

static void
a_recorded_provider_asks_nobody(void **state)
{
	struct provider p = with_key(KEY_ENV, VARIABLE);
	struct model_request q = { .provider = &p, .model = STR("gpt-4") };
	struct wire w;
	struct err e = { .code = ERR_NONE };

	(void)state;
	p.ops = &provider_recorded;
	assert_int_equal(provider_url_check(&p, &e), 0);
	assert_int_equal(p.ops->build(&q, &w, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.msg, "model 'acme/gpt-4' is recorded: its answers "
	    "come from traces alone, see 'frugal replay'");
}

static void
every_wire_format_is_found_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; provider_registry[i]; i++)
		assert_ptr_equal(provider_find(
		    str_of(provider_registry[i]->name)), provider_registry[i]);
	assert_non_null(provider_find(STR("openai")));
	assert_non_null(provider_find(STR("simulated")));
	assert_ptr_equal(provider_find(STR("recorded")), &provider_recorded);
	assert_null(provider_find(STR("OpenAI")));
	assert_null(provider_find(STR("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_comes_from_the_environment),
		cmocka_unit_test(a_key_comes_from_a_file),
		cmocka_unit_test(a_key_comes_from_a_command),
		cmocka_unit_test(a_provider_without_a_key_has_an_empty_one),
		cmocka_unit_test(the_reference_need_not_be_terminated),
		cmocka_unit_test(
		    a_missing_key_names_the_provider_and_the_source),
		cmocka_unit_test(a_key_may_go_over_https_and_to_loopback),
		cmocka_unit_test(a_key_goes_nowhere_else_over_plain_http),
		cmocka_unit_test(the_refusal_says_what_to_do),
		cmocka_unit_test(without_a_key_plain_http_is_fine),
		cmocka_unit_test(a_recorded_provider_asks_nobody),
		cmocka_unit_test(every_wire_format_is_found_by_its_name),
	};

	return cmocka_run_group_tests_name("key_source", tests, NULL, NULL);
}
