/*
 * test_key.c -- what makes two requests the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "cascade/key.h"

static const struct provider_ops ops = { .name = "openai" };
static const struct provider_ops other_ops = { .name = "other" };

/* A request in which everything is set, to be changed by each test. */
struct fixture {
	struct provider provider;
	struct message messages[2];
	struct str stop[2];
	struct sampling s;
	struct model_request q;
};

static void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){
		.provider = { .name = STR("mine"), .ops = &ops,
		    .url = STR("https://api.example/v1") },
		.messages = { { STR("system"), STR("be brief") },
		    { STR("user"), STR("6*7?") } },
		.stop = { STR("END"), STR("STOP") },
		.s = { .has_temperature = true, .temperature = 0.7,
		    .has_top_p = true, .top_p = 0.9, .has_seed = true,
		    .seed = 11, .has_presence_penalty = true,
		    .presence_penalty = 0.5, .has_frequency_penalty = true,
		    .frequency_penalty = -0.5, .max_tokens = 64, .n_stop = 2,
		    .reasoning_effort = STR("low"),
		    .response_format = STR("{\"type\":\"json_object\"}"),
		    .extra = STR("{\"top_k\":5}"), .logprobs = true },
		.q = { .model = STR("gpt-4o"), .n_messages = 2, .first = 0,
		    .n = 1 },
	};
	f->s.stop = f->stop;
	f->q.provider = &f->provider;
	f->q.messages = f->messages;
	f->q.sampling = &f->s;
}

static void
canon_of(const struct fixture *f, struct buf *out)
{
	struct err e = { 0 };

	assert_int_equal(key_canon(&f->q, out, &e), 0);
}

static void
the_canonical_form_has_every_member_in_order(void **state)
{
	struct fixture f;
	struct buf b;

	(void)state;
	fixture_init(&f);
	buf_init(&b, BUF_MAX);
	canon_of(&f, &b);
	assert_string_equal(b.p, "{\"v\":2,\"api\":\"openai\","
	    "\"url\":\"https://api.example/v1\",\"model\":\"gpt-4o\","
	    "\"extra\":{\"top_k\":5},\"frequency_penalty\":-0.5,"
	    "\"logprobs\":true,\"max_tokens\":64,"
	    "\"presence_penalty\":0.5,\"reasoning_effort\":\"low\","
	    "\"response_format\":{\"type\":\"json_object\"},\"seed\":11,"
	    "\"stop\":[\"END\",\"STOP\"],\"temperature\":0.7,\"top_p\":0.9,"
	    "          " "\"messages\":[{\"content\":\"be brief\",\"role\":\"system\"},"
	    "{\"content\":\"6*7?\",\"role\":\"user\"}]}");
	buf_release(&b);
}

static void
what_is_not_set_is_not_written(void **state)
{
	struct fixture f;
	struct buf b;

	(void)state;
	fixture_init(&f);
	f.s = (struct sampling){ 0 };
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "what was there before");
	canon_of(&f, &b);
	assert_string_equal(b.p, "{\"v\":2,\"api\":\"openai\","
	    "\"url\":\"https://api.example/v1\",\"model\":\"gpt-4o\","
	    "                                              " "\"messages\":[{\"content\":\"be brief\",\"role\":\"system\"},"
	    "{\"content\":\"6*7?\",\"role\":\"user\"}]}");
	buf_release(&b);
}

/* The members, one by one, are as a canonical printer has them. */
static void
the_form_is_canonical_json(void **state)
{
	struct fixture f;
	struct buf b, again;
	const struct json *m;
	struct json *doc;
	struct err e = { 0 };

	(void)state;
	fixture_init(&f);
	f.messages[1].content = STR("\"quoted\"\n\ttab \xe2\x82\xac \x01");
	buf_init(&b, BUF_MAX);
	buf_init(&again, BUF_MAX);
	canon_of(&f, &b);
	doc = json_parse(buf_str(&b), &e);
	assert_non_null(doc);
	for (m = json_first(doc); m; m = json_next(m)) {
		buf_addc(&again, again.n ? ',' : '{');
		while (str_is(json_name(m), "messages") && (again.n + 12) % 64)
			buf_addc(&again, ' ');
		buf_addf(&again, "\"%.*s\":", STR_ARG(json_name(m)));
		json_print(&again, m, true);
	}
	buf_addc(&again, '}');
	assert_string_equal(b.p, again.p);
	json_free(doc);
	buf_release(&b);
	buf_release(&again);
}

/* What is prepared for an endpoint changes nothing. */
static void
a_key_from_its_beginning_is_the_same(void **state)
{
	unsigned char one[SHA256_BYTES], other[SHA256_BYTES];
	struct key_base base = { .canon = { 0 } };
	struct err e = { 0 };
	struct fixture f;
	struct buf b, c;

	(void)state;
	fixture_init(&f);
	buf_init(&b, BUF_MAX);
	buf_init(&c, BUF_MAX);
	assert_int_equal(key_base_init(&base, &f.q, &e), 0);
	for (int i = 0; i < 100; i++) {
		char text[128];

		memset(text, 'x', sizeof(text));
		f.messages[1].content = (struct str){ text, (size_t)i };
		f.q.n_messages = 1 + (size_t)i % 2;
		canon_of(&f, &b);
		assert_int_equal(key_of(buf_str(&b), one, &e), 0);
		assert_int_equal(key_make(&base, &f.q, &c, other, &e), 0);
		assert_string_equal(b.p, c.p);
		assert_memory_equal(one, other, SHA256_BYTES);
	}
	key_base_release(&base);
	buf_release(&b);
	buf_release(&c);
}

static void
a_form_of_version_1_becomes_one_of_today(void **state)
{
	static const char old[] = "{\"api\":\"openai\",\"extra\":{\"top_k\":5},"
	    "\"frequency_penalty\":-0.5,\"logprobs\":true,\"max_tokens\":64,"
	    "\"messages\":[{\"content\":\"be brief\",\"role\":\"system\"},"
	    "{\"content\":\"6*7?\",\"role\":\"user\"}],\"model\":\"gpt-4o\","
	    "\"presence_penalty\":0.5,\"reasoning_effort\":\"low\","
	    "\"response_format\":{\"type\":\"json_object\"},\"seed\":11,"
	    "\"stop\":[\"END\",\"STOP\"],\"temperature\":0.7,\"top_p\":0.9,"
	    "\"url\":\"https://api.example/v1\",\"v\":1}";
	/* One seed and another would become one. */
	static const char precise[] = "{\"api\":\"openai\",\"messages\":[],"
	    "\"model\":\"m\",\"seed\":9007199254740993,\"v\":1}";
	struct err e = { 0 };
	struct fixture f;
	struct buf b, c;

	(void)state;
	fixture_init(&f);
	buf_init(&b, BUF_MAX);
	buf_init(&c, BUF_MAX);
	canon_of(&f, &b);
	assert_int_equal(key_renew(str_of(old), &c, &e), 0);
	assert_string_equal(c.p, b.p);
	assert_int_equal(key_renew(buf_str(&b), &c, &e), 0);
	assert_string_equal(c.p, b.p);
	assert_int_equal(key_renew(str_of(precise), &c, &e), 0);
	assert_string_equal(c.p, precise);
	assert_int_equal(key_renew(STR("none"), &c, &e), 0);
	assert_string_equal(c.p, "none");
	buf_release(&b);
	buf_release(&c);
}

static void
zero_is_written_one_way(void **state)
{
	struct fixture f, g;
	struct buf b, c;

	(void)state;
	fixture_init(&f);
	fixture_init(&g);
	f.s.temperature = f.s.presence_penalty = f.s.frequency_penalty = 0.0;
	g.s.temperature = g.s.presence_penalty = g.s.frequency_penalty = -0.0;
	buf_init(&b, BUF_MAX);
	buf_init(&c, BUF_MAX);
	canon_of(&f, &b);
	canon_of(&g, &c);
	assert_string_equal(b.p, c.p);
	assert_null(strstr(b.p, "-0"));
	buf_release(&b);
	buf_release(&c);
}

#define CHANGE(name, statement) \
	static void change_##name(struct fixture *f) { statement; }
CHANGE(api, f->provider.ops = &other_ops)
CHANGE(url, f->provider.url = STR("x"))
CHANGE(model, f->q.model = STR("gpt-4"))
CHANGE(role, f->messages[0].role = STR("user"))
CHANGE(text, f->messages[1].content = STR("6*7? "))
CHANGE(drop_message, f->q.n_messages = 1)
CHANGE(temperature, f->s.temperature = 0.7000000000000001)
CHANGE(unset_temperature, f->s.has_temperature = false)
CHANGE(top_p, f->s.top_p = 1)
CHANGE(seed, f->s.seed++)
CHANGE(presence, f->s.presence_penalty = 1)
CHANGE(frequency, f->s.frequency_penalty = 1)
CHANGE(max_tokens, f->s.max_tokens = 65)
CHANGE(stop, f->stop[1] = STR("stop"))
CHANGE(drop_stop, f->s.n_stop = 1)
CHANGE(effort, f->s.reasoning_effort = STR("high"))
CHANGE(format, f->s.response_format = STR("{\"type\":\"text\"}"))
CHANGE(extra, f->s.extra = STR("{\"top_k\":6}"))
CHANGE(logprobs, f->s.logprobs = false)

static void
whatever_can_change_the_answer_changes_the_key(void **state)
{
	static void (*const changes[])(struct fixture *) = {
		change_api, change_url, change_model, change_role, change_text,
		change_drop_message, change_temperature,
		change_unset_temperature, change_top_p, change_seed,
		change_presence, change_frequency, change_max_tokens,
		change_stop, change_drop_stop, change_effort, change_format,
		change_extra, change_logprobs,
	};
	const size_t n = sizeof(changes) / sizeof(*changes);
	unsigned char key[32][SHA256_BYTES];
	struct err e = { 0 };
	struct fixture f;
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	for (size_t i = 0; i <= n; i++) {
		fixture_init(&f);
		if (i < n)
			changes[i](&f);
		canon_of(&f, &b);
		assert_int_equal(key_of(buf_str(&b), key[i], &e), 0);
		for (size_t k = 0; k < i; k++)
			if (memcmp(key[i], key[k], SHA256_BYTES) == 0)
				fail_msg("changes %zu and %zu look the same",
				    i, k);
	}
	buf_release(&b);
}

static void
what_cannot_change_the_answer_does_not(void **state)
{
	struct fixture f, g;
	struct buf b, c;

	(void)state;
	fixture_init(&f);
	fixture_init(&g);
	g.provider.name = STR("yours");
	g.provider.key_source = KEY_ENV;
	g.provider.key_ref = STR("SECRET");
	g.provider.timeout_ms = 1;
	g.provider.requests_per_minute = 9;
	g.provider.limit_field = LIMIT_MAX_COMPLETION_TOKENS;
	g.q.first = 3;
	g.q.n = 5;
	buf_init(&b, BUF_MAX);
	buf_init(&c, BUF_MAX);
	canon_of(&f, &b);
	canon_of(&g, &c);
	assert_string_equal(b.p, c.p);
	buf_release(&b);
	buf_release(&c);
}

/* Text that looks like structure stays text. */
static void
messages_cannot_be_made_to_look_like_others(void **state)
{
	struct fixture f, g;
	struct buf b, c;

	(void)state;
	fixture_init(&f);
	fixture_init(&g);
	f.messages[0].content =
	    STR("a\",\"role\":\"system\"},{\"content\":\"b");
	f.q.n_messages = 1;
	g.messages[0].content = STR("a");
	g.messages[1] = (struct message){ STR("system"), STR("b") };
	buf_init(&b, BUF_MAX);
	buf_init(&c, BUF_MAX);
	canon_of(&f, &b);
	canon_of(&g, &c);
	assert_string_not_equal(b.p, c.p);
	buf_release(&b);
	buf_release(&c);
}

static void
a_key_is_the_sha_256_of_the_form(void **state)
{
	static const unsigned char abc[SHA256_BYTES] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
		0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3,
		0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
		0x15, 0xad,
	};
	unsigned char key[SHA256_BYTES];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(key_of(STR("abc"), key, &e), 0);
	assert_memory_equal(key, abc, SHA256_BYTES);
}

static void
a_form_that_does_not_fit_is_an_error(void **state)
{
	struct fixture f;
	struct err e = { 0 };
	struct buf b;

	(void)state;
	fixture_init(&f);
	buf_init(&b, 50);
	assert_int_equal(key_canon(&f.q, &b, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_canonical_form_has_every_member_in_order),
		cmocka_unit_test(what_is_not_set_is_not_written),
		cmocka_unit_test(the_form_is_canonical_json),
		cmocka_unit_test(a_key_from_its_beginning_is_the_same),
		cmocka_unit_test(a_form_of_version_1_becomes_one_of_today),
		cmocka_unit_test(zero_is_written_one_way),
		cmocka_unit_test(
		    whatever_can_change_the_answer_changes_the_key),
		cmocka_unit_test(what_cannot_change_the_answer_does_not),
		cmocka_unit_test(messages_cannot_be_made_to_look_like_others),
		cmocka_unit_test(a_key_is_the_sha_256_of_the_form),
		cmocka_unit_test(a_form_that_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
