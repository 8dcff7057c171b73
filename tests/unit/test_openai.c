/*
 * test_openai.c -- chat completions as bytes, out and in. Bodies are written
 * with ` for ", and are copied into a block of exactly their size, so that a
 * read past the end is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/money.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "providers/provider.h"

extern const struct provider_ops provider_openai;

static struct arena *arena;
static struct provider provider;
static struct sampling sampling;
static struct model_request request;
static struct message messages[2];
static struct wire wire;
static struct reply reply;
static struct err e;

static int
begin(void **state)
{
	(void)state;
	provider = (struct provider){ .name = STR("mine"),
	    .ops = &provider_openai, .url = STR("https://api.example/v1"),
	    .host = STR("api.example") };
	sampling = (struct sampling){ 0 };
	messages[0] = (struct message){ STR("user"), STR("6*7?") };
	request = (struct model_request){ .provider = &provider,
	    .model = STR("m"), .messages = messages, .n_messages = 1,
	    .sampling = &sampling, .n = 1 };
	buf_init(&wire.url, 16384);
	buf_init(&wire.body, BUF_MAX);
	memset(&e, 0, sizeof(e));
	arena = arena_new(0);
	return arena ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	buf_release(&wire.url);
	buf_release(&wire.body);
	arena_free(arena);
	return 0;
}

/* A copy with " for `, without a NUL at its end. */
static char *
quoted(const char *text, size_t n)
{
	char *p = malloc(n ? n : 1);

	assert_non_null(p);
	memcpy(p, text, n);
	for (size_t i = 0; i < n; i++)
		if (p[i] == '`')
			p[i] = '"';
	return p;
}

static void
is(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

/* --- the request ---------------------------------------------------------- */

static void
body_is(const char *expected)
{
	char *p = quoted(expected, strlen(expected));
	struct str s = { p, strlen(expected) };

	assert_int_equal(provider_openai.build(&request, &wire, &e), 0);
	if (!str_eq(buf_str(&wire.body), s))
		fail_msg("%s", wire.body.p);
	free(p);
}

#define START "{`model`:`m`,`messages`:[{`role`:`user`,`content`:`6*7?`}]"

static void
what_is_not_set_is_not_sent(void **state)
{
	(void)state;
	body_is(START "}");
}

static void
every_setting_is_sent(void **state)
{
	struct str stop[] = { STR("\n\n"), STR("\"END\"") };

	(void)state;
	sampling = (struct sampling){
		.has_temperature = true, .temperature = 0.7,
		.has_top_p = true, .top_p = 0.95,
		.has_presence_penalty = true, .presence_penalty = -0.5,
		.has_frequency_penalty = true, .frequency_penalty = 2,
		.has_seed = true, .seed = 11, .max_tokens = 256,
		.stop = stop, .n_stop = 2, .reasoning_effort = STR("low"),
		.response_format = STR("{\"type\":\"json_object\"}"),
		.logprobs = true,
	};
	request.n = 3;
	body_is(START ",`n`:3,`max_tokens`:256,`temperature`:0.7,"
	    "`top_p`:0.95,`presence_penalty`:-0.5,`frequency_penalty`:2,"
	    "`seed`:11,`stop`:[`\\n\\n`,`\\`END\\``],"
	    "`reasoning_effort`:`low`,"
	    "`response_format`:{`type`:`json_object`},`logprobs`:true}");
}

static void
zeros_are_settings_too(void **state)
{
	(void)state;
	sampling = (struct sampling){ .has_temperature = true,
	    .has_top_p = true, .has_seed = true, .has_presence_penalty = true,
	    .has_frequency_penalty = true };
	body_is(START ",`temperature`:0,`top_p`:0,`presence_penalty`:0,"
	    "`frequency_penalty`:0,`seed`:0}");
}

static void
the_limit_has_the_name_that_the_server_knows(void **state)
{
	(void)state;
	sampling.max_tokens = 16;
	provider.limit_field = LIMIT_MAX_COMPLETION_TOKENS;
	body_is(START ",`max_completion_tokens`:16}");
	provider.limit_field = LIMIT_MAX_TOKENS;
	body_is(START ",`max_tokens`:16}");
}

static void
the_seed_is_that_of_the_first_sample(void **state)
{
	(void)state;
	sampling.has_seed = true;
	sampling.seed = 100;
	request.first = 0;
	body_is(START ",`seed`:100}");
	request.first = 4;
	body_is(START ",`seed`:104}");
	sampling.seed = -7;
	provider.random_seed = true;
	body_is(START ",`random_seed`:-3}");
}

static void
one_choice_is_what_is_asked_for_without_saying_so(void **state)
{
	(void)state;
	request.n = 1;
	body_is(START "}");
	request.n = 2;
	body_is(START ",`n`:2}");
	request.n = 128;
	body_is(START ",`n`:128}");
}

static void
log_probabilities_are_asked_for_as_the_server_wants_it(void **state)
{
	(void)state;
	sampling.logprobs = true;
	provider.logprobs_style = LOGPROBS_BOOLEAN;
	body_is(START ",`logprobs`:true}");
	provider.logprobs_style = LOGPROBS_INTEGER;
	body_is(START ",`logprobs`:1}");
	sampling.logprobs = false;
	body_is(START "}");
}

static void
openrouter_must_not_drop_what_a_scorer_needs(void **state)
{
	(void)state;
	provider.host = STR("openrouter.ai");
	body_is(START "}");
	sampling.logprobs = true;
	body_is(START ",`logprobs`:true,"
	    "`provider`:{`require_parameters`:true}}");
	/* The user's own wishes are not touched. */
	sampling.extra = STR("{\"provider\":{\"only\":[\"x\"]}}");
	body_is(START ",`logprobs`:true,`provider`:{`only`:[`x`]}}");
	sampling.extra = STR("{\"top_k\":5}");
	body_is(START ",`logprobs`:true,"
	    "`provider`:{`require_parameters`:true},`top_k`:5}");
}

static void
further_members_are_merged_in(void **state)
{
	(void)state;
	sampling.extra = STR("{\"thinking\":{\"type\":\"disabled\"},"
	    "\"top_k\":5}");
	body_is(START ",`thinking`:{`type`:`disabled`},`top_k`:5}");
	sampling.extra = STR("{}");
	body_is(START "}");
	sampling.extra = STR("");
	body_is(START "}");
	sampling.extra = STR("{\"a\":1}");
	sampling.logprobs = true;
	body_is(START ",`logprobs`:true,`a`:1}");
}

static void
messages_are_sent_in_order_and_escaped(void **state)
{
	(void)state;
	messages[0] = (struct message){ STR("system"), STR("") };
	messages[1] = (struct message){ STR("user"),
	    STR("\"a\"\\\n\t\x01 \xe2\x82\xac") };
	request.n_messages = 2;
	body_is("{`model`:`m`,`messages`:[{`role`:`system`,`content`:``},"
	    "{`role`:`user`,`content`:`\\`a\\`\\\\\\n\\t\\u0001 "
	    "\xe2\x82\xac`}]}");
}

static void
ill_formed_text_is_mended_before_it_is_sent(void **state)
{
	(void)state;
	messages[0].content = STR("a\xff" "b");
	body_is("{`model`:`m`,`messages`:[{`role`:`user`,"
	    "`content`:`a\xef\xbf\xbd" "b`}]}");
}

static void
a_request_is_built_anew_each_time(void **state)
{
	(void)state;
	body_is(START "}");
	body_is(START "}");
	assert_string_equal(wire.url.p,
	    "https://api.example/v1/chat/completions");
}

static void
url_is(const char *base, const char *model, const char *expected)
{
	provider.url = str_of(base);
	request.model = str_of(model);
	assert_int_equal(provider_openai.build(&request, &wire, &e), 0);
	assert_string_equal(wire.url.p, expected);
}

static void
the_path_is_put_behind_the_base(void **state)
{
	(void)state;
	url_is("https://api.openai.com/v1", "m",
	    "https://api.openai.com/v1/chat/completions");
	url_is("https://api.openai.com/v1/", "m",
	    "https://api.openai.com/v1/chat/completions");
	url_is("https://api.openai.com/v1///", "m",
	    "https://api.openai.com/v1/chat/completions");
	url_is("http://127.0.0.1:8080", "m",
	    "http://127.0.0.1:8080/chat/completions");
	url_is("http://[::1]:11434/v1", "m",
	    "http://[::1]:11434/v1/chat/completions");
}

static void
the_path_is_put_before_a_query(void **state)
{
	(void)state;
	url_is("https://x.example/v1?api-version=2024-10-21", "m",
	    "https://x.example/v1/chat/completions?api-version=2024-10-21");
	url_is("https://x.example/v1/?a=b/c&d=?", "m",
	    "https://x.example/v1/chat/completions?a=b/c&d=?");
	url_is("https://x.example/v1?", "m",
	    "https://x.example/v1/chat/completions");
}

static void
the_model_may_be_in_the_path(void **state)
{
	(void)state;
	url_is("https://r.openai.azure.com/openai/deployments/{model}"
	    "?api-version=2024-10-21", "my-gpt",
	    "https://r.openai.azure.com/openai/deployments/my-gpt"
	    "/chat/completions?api-version=2024-10-21");
	url_is("http://h/{model}/a/{model}", "x",
	    "http://h/x/a/x/chat/completions");
	/* What is put in is not looked at again. */
	url_is("http://h/{model}", "{model}",
	    "http://h/{model}/chat/completions");
	url_is("http://h/{mode}/{MODEL}", "x",
	    "http://h/{mode}/{MODEL}/chat/completions");
}

static void
a_url_that_is_too_long_is_an_error(void **state)
{
	static char base[9000];

	(void)state;
	memset(base, 'a', sizeof(base) - 1);
	memcpy(base, "http://h/", 9);
	provider.url = str_of(base);
	assert_int_equal(provider_openai.build(&request, &wire, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_non_null(strstr(e.msg, "'mine'"));
}

static void
a_body_that_does_not_fit_is_an_error(void **state)
{
	(void)state;
	buf_release(&wire.body);
	buf_init(&wire.body, 40);
	assert_int_equal(provider_openai.build(&request, &wire, &e), -1);
	assert_int_equal(e.code, ERR_NOMEM);
}

/* --- the answer ----------------------------------------------------------- */

static void
parse_reply(struct wire_reply *w, const char *text, size_t n)
{
	char *body = quoted(text, n);

	w->body = (struct str){ body, n };
	assert_int_equal(provider_openai.parse(&request, w, arena, &reply,
	    &e), 0);
	/* Everything of use must have been copied. */
	memset(body, 'X', n);
	free(body);
}

static void
parse_bytes(int status, const char *text, size_t n)
{
	struct wire_reply w = { .status = status, .retry_after_ms = -1 };

	parse_reply(&w, text, n);
}

static void
parse_status(int status, const char *text)
{
	parse_bytes(status, text, strlen(text));
}

/* A 200 that is an answer with n choices. */
static void
answers(size_t n, const char *text)
{
	parse_status(200, text);
	if (reply.outcome != OUTCOME_OK)
		fail_msg("%s: %.*s", outcome_name(reply.outcome),
		    STR_ARG(reply.message));
	assert_int_equal(reply.n, n);
	assert_int_equal(reply.status, 200);
	for (size_t i = 0; i < n; i++) {
		assert_true(utf8_valid(reply.c[i].text));
		assert_int_equal(reply.c[i].cost_picousd, MONEY_UNKNOWN);
		assert_false(reply.c[i].tokens_of_answer);
	}
}

static void
fails(enum outcome outcome, const char *code)
{
	if (reply.outcome != outcome)
		fail_msg("%s, not %s", outcome_name(reply.outcome),
		    outcome_name(outcome));
	is(reply.code, code);
	assert_int_equal(reply.n, 0);
}

static void
choice_is(size_t i, const char *text, enum finish finish)
{
	is(reply.c[i].text, text);
	assert_int_equal(reply.c[i].finish, finish);
}

static void
usage_is(size_t i, int64_t prompt, int64_t cached, int64_t write,
    int64_t completion, int64_t reasoning)
{
	assert_int_equal(reply.c[i].prompt_tokens, prompt);
	assert_int_equal(reply.c[i].cached_tokens, cached);
	assert_int_equal(reply.c[i].cache_write_tokens, write);
	assert_int_equal(reply.c[i].completion_tokens, completion);
	assert_int_equal(reply.c[i].reasoning_tokens, reasoning);
}

static void
token_is(size_t i, size_t k, uint32_t from, uint32_t to, double logprob)
{
	const struct token *t = &reply.c[i].tokens[k];

	assert_true(k < reply.c[i].n_tokens);
	assert_int_equal(t->from, from);
	assert_int_equal(t->to, to);
	if (t->logprob != logprob)
		fail_msg("%g is not %g", t->logprob, logprob);
}

static void
no_tokens(size_t i)
{
	assert_null(reply.c[i].tokens);
	assert_int_equal(reply.c[i].n_tokens, 0);
}

/* --- the samples of the wire formats' pages ------------------------------- */

static void
an_answer_with_log_probabilities_is_read(void **state)
{
	(void)state;
	answers(1, "{`id`: `chatcmpl-B9M`, `object`: `chat.completion`, "
	    "`created`: 1741569952, `model`: `gpt-4o-mini-2024-07-18`, "
	    "`choices`: [{`index`: 0, `message`: {`role`: `assistant`, "
	    "`content`: `42 \xe2\x82\xac`, `refusal`: null, `annotations`: "
	    "[]}, `logprobs`: {`content`: [{`token`: `42`, `logprob`: "
	    "-0.000113, `bytes`: [52, 50], `top_logprobs`: [{`token`: `42`, "
	    "`logprob`: -0.000113, `bytes`: [52, 50]}, {`token`: `The`, "
	    "`logprob`: -9.62, `bytes`: [84, 104, 101]}]}, {`token`: "
	    "` \xe2\x82\xac`, `logprob`: -1.3862944, `bytes`: [32, 226, 130, "
	    "172], `top_logprobs`: [{`token`: `.`, `logprob`: -0.43, "
	    "`bytes`: [46]}]}], `refusal`: null}, `finish_reason`: "
	    "`stop`}], `usage`: {`prompt_tokens`: 19, `completion_tokens`: 2, "
	    "`total_tokens`: 21, `prompt_tokens_details`: {`cached_tokens`: "
	    "0, `audio_tokens`: 0}, `completion_tokens_details`: "
	    "{`reasoning_tokens`: 0, `audio_tokens`: 0}}, `service_tier`: "
	    "`default`, `system_fingerprint`: `fp_34a54ae93c`}");
	choice_is(0, "42 \xe2\x82\xac", FINISH_STOP);
	is(reply.c[0].model, "gpt-4o-mini-2024-07-18");
	assert_int_equal(reply.c[0].n_tokens, 2);
	token_is(0, 0, 0, 2, -0.000113);
	token_is(0, 1, 2, 6, -1.3862944);
	usage_is(0, 19, 0, -1, 2, 0);
	assert_int_equal(reply.charged_picousd, MONEY_UNKNOWN);
	assert_false(reply.n_refused);
	assert_false(reply.maybe_billed);
}

#define M(text) "{`role`: `assistant`, `content`: `" text "`, `refusal`: " \
	"null, `annotations`: []}"

static void
three_choices_share_one_prompt(void **state)
{
	(void)state;
	request.n = 3;
	answers(3, "{`id`: `chatcmpl-n3`, `model`: `gpt-4o-mini-2024-07-18`, "
	    "`choices`: ["
	    "{`index`: 0, `message`: " M("#### 42") ", `logprobs`: null, "
	    "`finish_reason`: `stop`}, "
	    "{`index`: 1, `message`: " M("#### 41") ", `logprobs`: null, "
	    "`finish_reason`: `stop`}, "
	    "{`index`: 2, `message`: " M("First we note that") ", `logprobs`: "
	    "null, `finish_reason`: `length`}], "
	    "`usage`: {`prompt_tokens`: 61, `completion_tokens`: 14, "
	    "`total_tokens`: 75, `prompt_tokens_details`: {`cached_tokens`: "
	    "0, `audio_tokens`: 0}, `completion_tokens_details`: "
	    "{`reasoning_tokens`: 0}}, `system_fingerprint`: null}");
	choice_is(0, "#### 42", FINISH_STOP);
	choice_is(1, "#### 41", FINISH_STOP);
	choice_is(2, "First we note that", FINISH_LENGTH);
	for (size_t i = 0; i < 3; i++) {
		no_tokens(i);
		is(reply.c[i].model, "gpt-4o-mini-2024-07-18");
	}
	assert_int_equal(reply.c[0].prompt_tokens, 61);
	assert_int_equal(reply.c[1].prompt_tokens, 0);
	assert_int_equal(reply.c[2].prompt_tokens, 0);
	assert_int_equal(reply.c[0].completion_tokens
	    + reply.c[1].completion_tokens + reply.c[2].completion_tokens, 14);
	assert_true(reply.c[2].completion_tokens
	    > reply.c[1].completion_tokens);
}

static void
a_refusal_is_text_that_is_refused(void **state)
{
	(void)state;
	answers(1, "{`model`: `gpt-4o-2024-08-06`, `choices`: [{`index`: 0, "
	    "`message`: {`role`: `assistant`, `content`: null, `refusal`: "
	    "`I'm sorry, I can't help with that.`, `annotations`: []}, "
	    "`logprobs`: {`content`: null, `refusal`: [{`token`: `I'm`, "
	    "`logprob`: -0.0042, `bytes`: [73, 39, 109], `top_logprobs`: "
	    "[]}]}, `finish_reason`: `stop`}], `usage`: {`prompt_tokens`: 81, "
	    "`completion_tokens`: 11, `total_tokens`: 92}}");
	choice_is(0, "I'm sorry, I can't help with that.", FINISH_REFUSED);
	no_tokens(0);
	usage_is(0, 81, -1, -1, 11, -1);
}

static void
a_limit_that_went_into_thinking_is_cut_off_and_empty(void **state)
{
	(void)state;
	answers(1, "{`model`: `gpt-5-mini-2025-08-07`, `choices`: [{`index`: "
	    "0, `message`: " M("") ", `finish_reason`: `length`}], `usage`: "
	    "{`prompt_tokens`: 1500, `completion_tokens`: 256, "
	    "`total_tokens`: 1756, `prompt_tokens_details`: "
	    "{`cached_tokens`: 1408, `audio_tokens`: 0}, "
	    "`completion_tokens_details`: {`reasoning_tokens`: 256}}}");
	choice_is(0, "", FINISH_LENGTH);
	usage_is(0, 1500, 1408, -1, 256, 256);
}

static void
a_filtered_answer_is_refused(void **state)
{
	(void)state;
	answers(1, "{`model`: `gpt-4o-2024-11-20`, `choices`: [{`index`: 0, "
	    "`message`: " M("The first step is") ", `logprobs`: null, "
	    "`finish_reason`: `content_filter`}], `usage`: {`prompt_tokens`: "
	    "40, `completion_tokens`: 5, `total_tokens`: 45}}");
	choice_is(0, "The first step is", FINISH_REFUSED);
	usage_is(0, 40, -1, -1, 5, -1);
}

#define ONE(text) "`choices`: [{`index`: 0, `message`: {`role`: " \
	"`assistant`, `content`: `" text "`}, `finish_reason`: `stop`}]"

static void
cache_writes_are_counted(void **state)
{
	(void)state;
	answers(1, "{" ONE("x") ", `usage`: {`prompt_tokens`: 6000, "
	    "`completion_tokens`: 300, `total_tokens`: 6300, "
	    "`prompt_tokens_details`: {`cached_tokens`: 4096, "
	    "`cache_write_tokens`: 1792, `audio_tokens`: 0}, "
	    "`completion_tokens_details`: {`reasoning_tokens`: 192}}}");
	usage_is(0, 6000, 4096, 1792, 300, 192);
}

static void
ollama_gives_one_where_several_were_wanted(void **state)
{
	(void)state;
	request.n = 5;
	answers(1, "{`id`: `chatcmpl-529`, `object`: `chat.completion`, "
	    "`model`: `qwen2.5:3b`, `system_fingerprint`: `fp_ollama`, "
	    ONE("42") ", `usage`: {`prompt_tokens`: 26, `completion_tokens`: "
	    "2, `total_tokens`: 28}}");
	choice_is(0, "42", FINISH_STOP);
	usage_is(0, 26, -1, -1, 2, -1);
}

static void
llama_cpp_has_more_members_than_we_know(void **state)
{
	(void)state;
	answers(1, "{`choices`: [{`finish_reason`: `stop`, `index`: 0, "
	    "`message`: {`role`: `assistant`, `content`: `42`}, `logprobs`: "
	    "{`content`: [{`id`: 2983, `token`: `42`, `bytes`: [52, 50], "
	    "`logprob`: -0.0027, `top_logprobs`: [{`id`: 2983, `token`: "
	    "`42`, `bytes`: [52, 50], `logprob`: -0.0027}]}]}}], `created`: "
	    "1795400600, `model`: `gpt-3.5-turbo`, `usage`: "
	    "{`completion_tokens`: 2, `prompt_tokens`: 21, `total_tokens`: "
	    "23, `prompt_tokens_details`: {`cached_tokens`: 17}}, `timings`: "
	    "{`cache_n`: 17, `prompt_ms`: 30.1}}");
	token_is(0, 0, 0, 2, -0.0027);
	usage_is(0, 21, 17, -1, 2, -1);
}

static void
vllm_has_nulls_and_empty_lists(void **state)
{
	(void)state;
	answers(1, "{`id`: `chatcmpl-8f0e`, `model`: `Qwen/Qwen3-8B`, "
	    "`choices`: [{`index`: 0, `message`: {`role`: `assistant`, "
	    "`content`: `42`, `refusal`: null, `audio`: null, "
	    "`function_call`: null, `tool_calls`: [], `reasoning`: null}, "
	    "`logprobs`: {`content`: [{`token`: `42`, `logprob`: -0.0003, "
	    "`bytes`: [52, 50], `top_logprobs`: []}]}, `finish_reason`: "
	    "`stop`, `stop_reason`: null, `token_ids`: null}], "
	    "`service_tier`: null, `usage`: {`prompt_tokens`: 24, "
	    "`total_tokens`: 26, `completion_tokens`: 2, "
	    "`prompt_tokens_details`: null}, `prompt_logprobs`: null}");
	choice_is(0, "42", FINISH_STOP);
	token_is(0, 0, 0, 2, -0.0003);
	usage_is(0, 24, -1, -1, 2, -1);
}

static void
openrouter_says_what_it_cost(void **state)
{
	(void)state;
	answers(1, "{`id`: `gen-1`, `provider`: `DeepInfra`, `model`: "
	    "`meta-llama/llama-3.3-70b-instruct`, `choices`: [{`logprobs`: "
	    "null, `finish_reason`: `stop`, `native_finish_reason`: `stop`, "
	    "`index`: 0, `message`: {`role`: `assistant`, `content`: `42`, "
	    "`refusal`: null, `reasoning`: null}}], `usage`: "
	    "{`prompt_tokens`: 24, `completion_tokens`: 2, `total_tokens`: "
	    "26, `cost`: 0.0000042, `is_byok`: false, "
	    "`prompt_tokens_details`: {`cached_tokens`: 0, "
	    "`cache_write_tokens`: 0}, `completion_tokens_details`: "
	    "{`reasoning_tokens`: 0}}}");
	assert_int_equal(reply.charged_picousd, 4200000);
	usage_is(0, 24, 0, 0, 2, 0);
}

static void
azure_adds_what_its_filters_thought(void **state)
{
	(void)state;
	answers(1, "{`model`: `gpt-4o-mini-2024-07-18`, "
	    "`prompt_filter_results`: [{`prompt_index`: 0, "
	    "`content_filter_results`: {`hate`: {`filtered`: false}}}], "
	    "`choices`: [{`index`: 0, `message`: " M("42") ", `logprobs`: "
	    "null, `finish_reason`: `stop`, `content_filter_results`: "
	    "{`hate`: {`filtered`: false, `severity`: `safe`}}}], `usage`: "
	    "{`prompt_tokens`: 24, `completion_tokens`: 2, `total_tokens`: "
	    "26}}");
	choice_is(0, "42", FINISH_STOP);
	is(reply.c[0].model, "gpt-4o-mini-2024-07-18");
}

static void
together_has_parallel_arrays_and_an_end_token(void **state)
{
	(void)state;
	answers(1, "{`id`: `o95`, `prompt`: [], `choices`: [{`index`: 0, "
	    "`finish_reason`: `eos`, `seed`: 10126045, `logprobs`: "
	    "{`token_ids`: [2983, 128009], `tokens`: [`42`, `<|eot_id|>`], "
	    "`token_logprobs`: [-0.0002, -0.01], `top_logprobs`: [{`42`: "
	    "-0.0002}, {`.`: -4.9}]}, `message`: {`role`: `assistant`, "
	    "`content`: `42`, `tool_calls`: []}}], `usage`: "
	    "{`prompt_tokens`: 24, `completion_tokens`: 2, `total_tokens`: "
	    "26, `cached_tokens`: 0}}");
	choice_is(0, "42", FINISH_STOP);
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 0, 2, -0.0002);
	usage_is(0, 24, 0, -1, 2, -1);
}

static void
groq_has_times_in_its_usage(void **state)
{
	(void)state;
	answers(1, "{`model`: `llama-3.3-70b-versatile`, " ONE("42") ", "
	    "`usage`: {`queue_time`: 0.037493756, `prompt_tokens`: 18, "
	    "`prompt_time`: 0.000680594, `completion_tokens`: 2, "
	    "`completion_time`: 0.0046, `total_tokens`: 20, `total_time`: "
	    "0.0053}, `x_groq`: {`id`: `req_01`}}");
	usage_is(0, 18, -1, -1, 2, -1);
}

static void
mistral_may_send_its_text_in_parts(void **state)
{
	(void)state;
	answers(1, "{`choices`: [{`index`: 0, `message`: {`content`: "
	    "[{`type`: `thinking`, `thinking`: [{`type`: `text`, `text`: "
	    "`hm`}]}, {`type`: `text`, `text`: `The answer `}, {`type`: "
	    "`reference`, `reference_ids`: [1]}, 7, null, {`type`: `text`, "
	    "`text`: `is 42`}, {`type`: `text`}, {`text`: `no type`}]}, "
	    "`finish_reason`: `stop`}]}");
	choice_is(0, "The answer is 42", FINISH_STOP);
}

static void
deepseek_thinks_apart_and_counts_its_cache(void **state)
{
	(void)state;
	answers(1, "{`model`: `deepseek-v4-flash`, `choices`: [{`index`: 0, "
	    "`message`: {`role`: `assistant`, `content`: `42`, "
	    "`reasoning_content`: `6*7=42`}, `logprobs`: null, "
	    "`finish_reason`: `stop`}], `usage`: {`prompt_tokens`: 1040, "
	    "`completion_tokens`: 12, `total_tokens`: 1052, "
	    "`completion_tokens_details`: {`reasoning_tokens`: 9}, "
	    "`prompt_cache_hit_tokens`: 1024, `prompt_cache_miss_tokens`: "
	    "16}}");
	choice_is(0, "42", FINISH_STOP);
	usage_is(0, 1040, 1024, -1, 12, 9);
}

static void
xai_counts_reasoning_in_the_total_alone(void **state)
{
	(void)state;
	answers(1, "{" ONE("x") ", `usage`: {`prompt_tokens`: 10120, "
	    "`completion_tokens`: 1499, `total_tokens`: 14428, "
	    "`prompt_tokens_details`: {`cached_tokens`: 256}, "
	    "`completion_tokens_details`: {`reasoning_tokens`: 2809}, "
	    "`cost_in_usd_ticks`: 232856000}}");
	usage_is(0, 10120, 256, -1, 4308, 2809);
	assert_int_equal(reply.charged_picousd, 23285600000);
}

static void
a_cache_larger_than_the_prompt_is_not_counted_in_it(void **state)
{
	(void)state;
	answers(1, "{" ONE("x") ", `usage`: {`prompt_tokens`: 10, "
	    "`completion_tokens`: 5, `prompt_tokens_details`: "
	    "{`cached_tokens`: 90}}}");
	usage_is(0, 100, 90, -1, 5, -1);
}

static void
sglang_counts_reasoning_at_the_top(void **state)
{
	(void)state;
	answers(1, "{" ONE("x") ", `usage`: {`prompt_tokens`: 10, "
	    "`completion_tokens`: 5, `reasoning_tokens`: 3}}");
	usage_is(0, 10, -1, -1, 5, 3);
}

/* --- usage ---------------------------------------------------------------- */

static void
without_usage_nothing_is_known(void **state)
{
	static const char *const usages[] = {
		"", ", `usage`: null", ", `usage`: {}", ", `usage`: 5",
		", `usage`: []", ", `usage`: {`prompt_tokens`: null}",
		", `usage`: {`prompt_tokens`: -3, `completion_tokens`: -1}",
		", `usage`: {`prompt_tokens`: `9`, `completion_tokens`: []}",
		", `usage`: {`prompt_tokens`: 1.5, `completion_tokens`: 1e300}",
		", `usage`: {`prompt_tokens`: 1e999}",
		", `usage`: {`cost`: -1, `cost_in_usd_ticks`: -5}",
		", `usage`: {`cost`: `1`, `cost_in_usd_ticks`: null}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(usages) / sizeof(*usages); i++) {
		struct buf b;
		buf_init(&b, BUF_MAX);
		buf_addf(&b, "{" ONE("x") "%s}", usages[i]);
		assert_false(b.failed);
		answers(1, b.p);
		usage_is(0, -1, -1, -1, -1, -1);
		assert_int_equal(reply.charged_picousd, MONEY_UNKNOWN);
		buf_release(&b);
	}
}

static void
unknown_usage_is_unknown_for_every_choice(void **state)
{
	(void)state;
	request.n = 2;
	answers(2, "{`choices`: [{`message`: {`content`: `a`}}, {`message`: "
	    "{`content`: `b`}}]}");
	assert_int_equal(reply.c[1].prompt_tokens, -1);
	assert_int_equal(reply.c[1].completion_tokens, -1);
}

static void
absurd_counts_are_bounded(void **state)
{
	(void)state;
	answers(1, "{" ONE("x") ", `usage`: {`prompt_tokens`: "
	    "9007199254740992, `completion_tokens`: 9007199254740992, "
	    "`total_tokens`: 9007199254740992, `prompt_cache_hit_tokens`: "
	    "9007199254740992, `cost`: 1e300}}");
	assert_true(reply.c[0].prompt_tokens >= 0);
	assert_true(reply.c[0].completion_tokens >= 0);
	assert_int_equal(reply.charged_picousd, MONEY_MAX);
	answers(1, "{" ONE("x") ", `usage`: {`cost_in_usd_ticks`: "
	    "9007199254740992}}");
	assert_int_equal(reply.charged_picousd, 900719925474099200);
	answers(1, "{" ONE("x") ", `usage`: {`cost`: 0}}");
	assert_int_equal(reply.charged_picousd, 0);
}

static void
usage_shared_out_over_choices_sums_exactly(void **state)
{
	struct rng rng;
	struct buf b;

	(void)state;
	rng_seed(&rng, 3);
	buf_init(&b, BUF_MAX);
	for (int round = 0; round < 200; round++) {
		int n = 1 + (int)(rng_u64(&rng) % 20);
		int64_t total = (int64_t)(rng_u64(&rng) % 5000), sum = 0;
		int64_t prompt = 0, cached = 0, write = 0, reasoning = 0;

		if (round % 50 == 0)
			total = (int64_t)1 << 52;
		buf_clear(&b);
		buf_adds(&b, "{`choices`: [");
		for (int i = 0; i < n; i++) {
			buf_addf(&b, "%s{`message`: {`content`: `",
			    i ? "," : "");
			for (uint64_t k = rng_u64(&rng) % 200; k > 0; k--)
				buf_addc(&b, 'x');
			buf_adds(&b, "`}}");
		}
		buf_addf(&b, "], `usage`: {`prompt_tokens`: 50, "
		    "`completion_tokens`: %lld, `prompt_tokens_details`: "
		    "{`cached_tokens`: 30, `cache_write_tokens`: 4}, "
		    "`reasoning_tokens`: 2}}", (long long)total);
		assert_false(b.failed);
		request.n = n;
		answers((size_t)n, b.p);
		for (int i = 0; i < n; i++) {
			assert_true(reply.c[i].completion_tokens >= 0);
			sum += reply.c[i].completion_tokens;
			prompt += reply.c[i].prompt_tokens;
			cached += reply.c[i].cached_tokens;
			write += reply.c[i].cache_write_tokens;
			reasoning += reply.c[i].reasoning_tokens;
		}
		assert_int_equal(sum, total);
		assert_int_equal(prompt, 50);
		assert_int_equal(cached, 30);
		assert_int_equal(write, 4);
		assert_int_equal(reasoning, 2);
	}
	buf_release(&b);
}

/* --- choices -------------------------------------------------------------- */

#define C(index, text) "{`index`: " #index ", `message`: {`content`: `" text \
	"`}, `finish_reason`: `stop`}"
#define C_(text) "{`message`: {`content`: `" text "`}}"

static void
choices_are_put_in_the_order_of_their_index(void **state)
{
	(void)state;
	request.n = 4;
	answers(4, "{`choices`: [" C(2, "c") "," C(0, "a") "," C(3, "d") ","
	    C(1, "b") "]}");
	is(reply.c[0].text, "a");
	is(reply.c[1].text, "b");
	is(reply.c[2].text, "c");
	is(reply.c[3].text, "d");
}

static void
choices_without_an_index_are_in_order(void **state)
{
	(void)state;
	request.n = 3;
	answers(3, "{`choices`: [" C_("a") "," C_("b") "," C_("c") "]}");
	is(reply.c[0].text, "a");
	is(reply.c[1].text, "b");
	is(reply.c[2].text, "c");
}

/* No choice may be lost, and none counted twice: two equal answers agree. */
static void
three_different(const char *choices)
{
	bool seen[3] = { false };
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_addf(&b, "{`choices`: [%s]}", choices);
	assert_false(b.failed);
	request.n = 3;
	answers(3, b.p);
	for (size_t i = 0; i < 3; i++) {
		size_t k = (size_t)(reply.c[i].text.p[0] - 'a');
		assert_true(k < 3);
		if (seen[k])
			fail_msg("'%c' is there twice in %s", (char)('a' + k),
			    choices);
		seen[k] = true;
	}
	buf_release(&b);
}

static void
an_odd_index_neither_loses_nor_doubles_a_choice(void **state)
{
	(void)state;
	three_different(C(0, "a") "," C(0, "b") "," C(0, "c"));
	three_different(C(0, "a") "," C(-1, "b") "," C(999999999999, "c"));
	three_different(C(null, "a") "," C(`1`, "b") "," C(2.5, "c"));
	three_different(C(1, "a") "," C(2, "b") "," C(3, "c"));
	three_different(C(7, "a") "," C(0, "b") "," C(1, "c"));
	three_different(C(2, "a") "," C(2, "b") "," C(0, "c"));
}

static void
more_choices_than_were_asked_for_are_left_alone(void **state)
{
	(void)state;
	request.n = 2;
	answers(2, "{`choices`: [" C(0, "a") "," C(1, "b") "," C(2, "c")
	    "]}");
	is(reply.c[0].text, "a");
	is(reply.c[1].text, "b");
	request.n = 1;
	answers(1, "{`choices`: [" C(0, "a") "," C(1, "b") "]}");
	is(reply.c[0].text, "a");
}

static void
very_many_choices_are_bounded(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{`choices`: [");
	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "%s{`message`: {`content`: `%d`}}",
		    i ? "," : "", i);
	buf_adds(&b, "]}");
	assert_false(b.failed);
	request.n = 1000000;
	parse_status(200, b.p);
	assert_int_equal(reply.outcome, OUTCOME_OK);
	assert_in_range(reply.n, 1, 5000);
	buf_release(&b);
}

static void
content_may_be_null_or_missing_or_of_another_type(void **state)
{
	static const char *const messages_[] = {
		"{`message`: {`content`: null}}", "{`message`: {}}", "{}",
		"{`message`: {`content`: 42}}",
		"{`message`: {`content`: {`a`: `b`}}}",
		"{`message`: {`content`: []}}",
		"{`message`: {`content`: false, `refusal`: 7}}",
		"{`message`: {`content`: null, `refusal`: ``}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(messages_) / sizeof(*messages_); i++) {
		struct buf b;
		buf_init(&b, BUF_MAX);
		buf_addf(&b, "{`choices`: [%s]}", messages_[i]);
		assert_false(b.failed);
		answers(1, b.p);
		choice_is(0, "", FINISH_STOP);
		buf_release(&b);
	}
}

static void
every_reason_to_stop_is_known(void **state)
{
	static const struct { const char *word; enum finish finish; } v[] = {
		{ "`stop`", FINISH_STOP }, { "`eos`", FINISH_STOP },
		{ "null", FINISH_STOP }, { "``", FINISH_STOP },
		{ "7", FINISH_STOP },
		{ "`length`", FINISH_LENGTH },
		{ "`max_tokens`", FINISH_LENGTH },
		{ "`model_length`", FINISH_LENGTH },
		{ "`model_context_window_exceeded`", FINISH_LENGTH },
		{ "`content_filter`", FINISH_REFUSED },
		{ "`tool_calls`", FINISH_TOOL },
		{ "`function_call`", FINISH_TOOL },
		{ "`repetition`", FINISH_OTHER }, { "`Stop`", FINISH_OTHER },
		/* A gateway may pass on what its own provider said. */
		{ "`STOP`", FINISH_STOP }, { "`end_turn`", FINISH_STOP },
		{ "`MAX_TOKENS`", FINISH_LENGTH },
		{ "`refusal`", FINISH_REFUSED }, { "`SAFETY`", FINISH_REFUSED },
		{ "`tool_use`", FINISH_TOOL }, { "`other`", FINISH_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct buf b;
		buf_init(&b, BUF_MAX);
		buf_addf(&b, "{`choices`: [{`message`: {`content`: `x`}, "
		    "`finish_reason`: %s}]}", v[i].word);
		assert_false(b.failed);
		answers(1, b.p);
		choice_is(0, "x", v[i].finish);
		buf_release(&b);
	}
}

static void
a_refusal_counts_beside_a_text(void **state)
{
	(void)state;
	answers(1, "{`choices`: [{`message`: {`content`: `Well.`, `refusal`: "
	    "`No.`}, `finish_reason`: `stop`}]}");
	choice_is(0, "Well.", FINISH_REFUSED);
}

static void
an_answer_that_was_broken_off_is_asked_for_again(void **state)
{
	static const char *const words[] = {
		"error", "abort", "insufficient_system_resource"
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf b;
		buf_init(&b, BUF_MAX);
		buf_addf(&b, "{`choices`: [{`message`: {`content`: `x`}, "
		    "`finish_reason`: `%s`}]}", words[i]);
		assert_false(b.failed);
		parse_status(200, b.p);
		fails(OUTCOME_RETRY, "interrupted");
		assert_true(reply.maybe_billed);
		buf_release(&b);
	}
	/* What is good of several is kept. */
	request.n = 3;
	answers(2, "{`choices`: [" C(0, "a") ", {`index`: 1, `message`: "
	    "{`content`: `b`}, `finish_reason`: `error`}," C(2, "c") "], "
	    "`usage`: {`prompt_tokens`: 5, `completion_tokens`: 9}}");
	is(reply.c[0].text, "a");
	is(reply.c[1].text, "c");
	assert_int_equal(reply.c[0].completion_tokens
	    + reply.c[1].completion_tokens, 9);
}

static void
choices_that_are_none_are_passed_over(void **state)
{
	(void)state;
	parse_status(200, "{`choices`: [null]}");
	fails(OUTCOME_RETRY, "interrupted");
	parse_status(200, "{`choices`: [7, `x`]}");
	fails(OUTCOME_RETRY, "interrupted");
	parse_status(200, "{`choices`: [{`message`: `x`}]}");
	fails(OUTCOME_RETRY, "interrupted");
	request.n = 2;
	answers(1, "{`choices`: [null, " C_("b") "]}");
	is(reply.c[0].text, "b");
}

/* --- a 200 that is no success --------------------------------------------- */

static void
a_body_without_choices_is_asked_for_once_more(void **state)
{
	static const char *const bodies[] = {
		"{}", "{`choices`: []}", "{`choices`: null}",
		"{`choices`: {}}", "{`choices`: `x`}", "[]", "null", "7",
		"`x`", "{`error`: null}", "{`id`: `x`, `usage`: {}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		parse_status(200, bodies[i]);
		fails(OUTCOME_RETRY, "no_choices");
		assert_int_equal(reply.most_retries, 1);
		assert_true(reply.maybe_billed);
		assert_true(reply.message.n > 0);
	}
}

static void
a_body_that_is_not_json_is_asked_for_once_more(void **state)
{
	static const char *const bodies[] = {
		"", " ", "\n\n", "<html>", "data: {}", "{`choices`: [",
		"{} {}", "{`choices`: [{`message`: {`content`: `x`}}]",
		"{`a`: NaN}", "{'choices': []}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		parse_status(200, bodies[i]);
		fails(OUTCOME_RETRY, "not_json");
		assert_int_equal(reply.most_retries, 1);
		assert_true(reply.maybe_billed);
	}
	parse_status(204, "");
	fails(OUTCOME_RETRY, "not_json");
}

static void
blank_lines_before_an_answer_are_skipped(void **state)
{
	(void)state;
	answers(1, "\n\n\r\n \n\t{" ONE("42") "}\n\n");
	choice_is(0, "42", FINISH_STOP);
}

static void
an_error_in_a_200_is_one_of_its_own_status(void **state)
{
	(void)state;
	/* xAI */
	parse_status(200, "{`code`: `The service is currently unavailable`, "
	    "`error`: `The model is at capacity. Please try again later.`}");
	fails(OUTCOME_RETRY, "The service is currently unavailable");
	is(reply.message, "The model is at capacity. Please try again later.");
	/* OpenRouter */
	parse_status(200, "{`id`: `gen-1`, `error`: {`code`: 502, `message`: "
	    "`Provider disconnected unexpectedly`, `metadata`: "
	    "{`error_type`: `provider_unavailable`}}, `choices`: []}");
	fails(OUTCOME_RETRY, "provider_unavailable");
	assert_int_equal(reply.status, 502);
	parse_status(200, "{`error`: {`code`: 429, `message`: `Please retry "
	    "after 6 seconds.`}}");
	fails(OUTCOME_WAIT, "http_429");
	assert_int_equal(reply.wait_ms, 6000);
	parse_status(200, "{`error`: {`code`: `401`, `message`: `no`}}");
	fails(OUTCOME_STOP, "http_401");
	parse_status(200, "{`error`: {`code`: 402, `message`: `no`}}");
	fails(OUTCOME_STOP, "http_402");
	parse_status(200, "{`error`: {`code`: 400, `message`: `bad`}}");
	fails(OUTCOME_FAIL, "http_400");
	/* vLLM, and words that are no status */
	parse_status(200, "{`error`: {`message`: `boom`, `type`: "
	    "`InternalServerError`, `code`: 500}}");
	fails(OUTCOME_RETRY, "InternalServerError");
	parse_status(200, "{`error`: {`message`: `x`, `type`: "
	    "`server_error`, `code`: null}}");
	fails(OUTCOME_RETRY, "server_error");
	parse_status(200, "{`error`: {`code`: 7, `message`: `x`}}");
	fails(OUTCOME_RETRY, "http_500");
	parse_status(200, "{`error`: `x`}");
	fails(OUTCOME_RETRY, "http_500");
	parse_status(200, "{`error`: {}}");
	fails(OUTCOME_RETRY, "http_500");
}

static void
an_error_counts_beside_choices(void **state)
{
	(void)state;
	parse_status(200, "{" ONE("part") ", `error`: {`code`: 502, "
	    "`message`: `gone`}}");
	fails(OUTCOME_RETRY, "http_502");
	answers(1, "{" ONE("whole") ", `error`: null}");
}

/* --- errors --------------------------------------------------------------- */

#define NO_WORD "the server answered with status 500 and did not say why"

static void
a_message_is_found_in_every_shape(void **state)
{
	static const struct { const char *body, *message; } v[] = {
		{ "{`error`: {`message`: `a`}}", "a" },
		{ "{`error`: `a`}", "a" },
		{ "{`object`: `error`, `message`: `a`}", "a" },
		{ "{`detail`: `a`}", "a" },
		{ "[{`error`: {`message`: `a`}}]", "a" },
		{ "{`detail`: [{`loc`: [`body`], `msg`: `m`}]}",
		    "[{\"loc\":[\"body\"],\"msg\":\"m\"}]" },
		{ "{`message`: {`detail`: `a`}}", "{\"detail\":\"a\"}" },
		{ "plain words", "plain words" },
		{ "  \n <p>\x1b[31m</p>", "<p>^[[31m</p>" },
		{ "", NO_WORD }, { "{}", NO_WORD }, { "[]", NO_WORD },
		{ "null", NO_WORD }, { "{`error`: null}", NO_WORD },
		{ "{`error`: []}", NO_WORD },
		{ "{`error`: {`message`: null}}", NO_WORD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		parse_status(500, v[i].body);
		is(reply.message, v[i].message);
		assert_int_equal(reply.outcome, OUTCOME_RETRY);
	}
}

static void
the_code_is_the_servers_word(void **state)
{
	(void)state;
	parse_status(400, "{`error`: {`code`: `a`, `type`: `b`}}");
	is(reply.code, "a");
	parse_status(400, "{`error`: {`code`: null, `type`: `b`}}");
	is(reply.code, "b");
	parse_status(400, "{`error`: {`code`: 400, `type`: `b`}}");
	is(reply.code, "b");
	parse_status(400, "{`error`: {`code`: `1500`, `status`: `c`}}");
	is(reply.code, "c");
	parse_status(400, "{`error`: {`code`: 400}}");
	is(reply.code, "http_400");
	parse_status(400, "x");
	is(reply.code, "http_400");
	parse_status(400, "{`error`: `x`, `code`: `y`}");
	is(reply.code, "y");
}

static void
messages_are_bounded_and_harmless(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{`error`: {`message`: `line\\none\\u0007\\u001b[2J");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "very ");
	buf_adds(&b, "long`, `code`: `");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "\xe2\x82\xac");
	buf_adds(&b, "`}}");
	assert_false(b.failed);
	parse_status(400, b.p);
	assert_int_equal(reply.outcome, OUTCOME_FAIL);
	assert_true(reply.message.n <= 400);
	assert_true(str_starts(reply.message, "line^Jone^G^[[2Jvery "));
	assert_true(str_ends(reply.message, "..."));
	assert_true(reply.code.n <= 80);
	assert_true(utf8_valid(reply.code));
	buf_release(&b);
}

/* Accents without a letter take no column, however many there are. */
static void
text_without_width_is_bounded_too(void **state)
{
	struct buf b;
	struct wire_reply w = { .status = 500, .retry_after_ms = -1 };
	int rc;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{\"error\": {\"message\": \"");
	for (int i = 0; i < 5000; i++)
		buf_adds(&b, "\xcc\x81");
	buf_adds(&b, "\"}}");
	assert_false(b.failed);
	w.body = buf_str(&b);
	rc = provider_openai.parse(&request, &w, arena, &reply, &e);
	buf_release(&b);
	assert_int_equal(rc, 0);
	assert_int_equal(reply.outcome, OUTCOME_RETRY);
	assert_true(reply.message.n <= 8192);
}

static void
ill_formed_errors_do_not_harm(void **state)
{
	static const char bytes[] = "\xff\xfe\0\0{`error`";

	(void)state;
	parse_bytes(500, bytes, sizeof(bytes) - 1);
	assert_int_equal(reply.outcome, OUTCOME_RETRY);
	assert_true(utf8_valid(reply.message));
	parse_status(500, "{`error`: {`message`: `\xff\xc3`, `code`: "
	    "`\\ud800`}}");
	assert_true(utf8_valid(reply.message));
	assert_true(utf8_valid(reply.code));
}

static void
a_refused_n_is_asked_for_one_by_one(void **state)
{
	(void)state;
	request.n = 3;
	parse_status(400, "{`error`: {`message`: `'n' : number must be at "
	    "most 1`, `type`: `invalid_request_error`}}");
	assert_int_equal(reply.outcome, OUTCOME_RETRY);
	assert_true(reply.n_refused);
	parse_status(422, "{`error`: {`message`: `bad`, `param`: `n`, "
	    "`code`: `unsupported_value`}}");
	assert_true(reply.n_refused);
	assert_int_equal(reply.outcome, OUTCOME_RETRY);
	parse_status(400, "{`error`: {`message`: `n must be 1`}}");
	assert_true(reply.n_refused);
	/* Nothing else is. */
	parse_status(400, "{`error`: {`message`: `bad`, `param`: "
	    "`temperature`}}");
	assert_false(reply.n_refused);
	parse_status(500, "{`error`: {`message`: `bad`, `param`: `n`}}");
	assert_false(reply.n_refused);
	request.n = 1;
	parse_status(400, "{`error`: {`message`: `bad`, `param`: `n`}}");
	assert_false(reply.n_refused);
	assert_int_equal(reply.outcome, OUTCOME_FAIL);
}

static void
a_transfer_that_broke_is_no_answer(void **state)
{
	struct wire_reply w = { .status = 200, .truncated = true,
	    .failure = "transfer closed", .failure_code = "network",
	    .sent = true, .retry_after_ms = -1 };
	static const char whole[] = "{" ONE("42") "}";

	(void)state;
	parse_reply(&w, whole, sizeof(whole) - 1);
	fails(OUTCOME_RETRY, "network");
	assert_true(reply.maybe_billed);
	is(reply.message, "transfer closed");
	/* An error status says enough, however little of the body came. */
	w.status = 429;
	parse_reply(&w, "{`error`: {`mess", 16);
	assert_int_equal(reply.outcome, OUTCOME_WAIT);
	w.status = 401;
	parse_reply(&w, "", 0);
	assert_int_equal(reply.outcome, OUTCOME_STOP);
}

/* --- tokens --------------------------------------------------------------- */

#define T_(text, lp) "{`token`: `" text "`, `logprob`: " lp "}"
#define B_(text, lp, bytes) "{`token`: `" text "`, `logprob`: " lp \
	", `bytes`: [" bytes "]}"
#define WITH(text, content) "{`choices`: [{`message`: {`content`: `" text \
	"`}, `logprobs`: {`content`: [" content "]}}]}"

static void
parts_of_characters_are_put_together_by_their_bytes(void **state)
{
	(void)state;
	answers(1, WITH("\xe2\x82\xac!", B_("\\\\xe2\\\\x82", "-1",
	    "226, 130") "," B_("\\\\xac", "-2", "172") "," B_("!", "-3",
	    "33")));
	assert_int_equal(reply.c[0].n_tokens, 3);
	token_is(0, 0, 0, 2, -1);
	token_is(0, 1, 2, 3, -2);
	token_is(0, 2, 3, 4, -3);
	answers(1, WITH("\xf0\x9f\x98\x80", B_("\xef\xbf\xbd", "-1",
	    "240, 159") "," B_("\xef\xbf\xbd", "-2", "152, 128")));
	assert_int_equal(reply.c[0].n_tokens, 2);
	token_is(0, 0, 0, 2, -1);
	token_is(0, 1, 2, 4, -2);
}

static void
bytes_that_are_none_do_not_harm(void **state)
{
	(void)state;
	answers(1, WITH("x", B_("\xef\xbf\xbd", "-1", "120, 256, -1, null, "
	    "`x`, 1.5, [], 1e300")));
	token_is(0, 0, 0, 1, -1);
	answers(1, WITH("x", "{`token`: `\xef\xbf\xbd`, `logprob`: -1, "
	    "`bytes`: {`a`: 1}}," T_("x", "-2")));
	token_is(0, 0, 0, 1, -2);
	answers(1, WITH("x", "{`token`: `x`, `logprob`: -1, `bytes`: null}"));
	token_is(0, 0, 0, 1, -1);
}

static void
end_tokens_are_left_out(void **state)
{
	(void)state;
	answers(1, WITH("a b", T_("a", "-1") "," T_(" b", "-2") ","
	    T_("<|im_end|>", "-5")));
	assert_int_equal(reply.c[0].n_tokens, 2);
	token_is(0, 1, 1, 3, -2);
	answers(1, WITH("a", T_("", "-9") "," T_("a", "-1") "," T_("",
	    "-9")));
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 0, 1, -1);
}

static void
reasoning_before_the_text_is_left_out(void **state)
{
	(void)state;
	answers(1, WITH("So 42.", T_("Let me", "-1") "," T_(" see", "-2") ","
	    T_("</think>", "-3") "," T_("\\n\\n", "-4") "," T_("So", "-5") ","
	    T_(" 42", "-6") "," T_(".", "-7")));
	assert_int_equal(reply.c[0].n_tokens, 3);
	token_is(0, 0, 0, 2, -5);
	token_is(0, 1, 2, 5, -6);
	token_is(0, 2, 5, 6, -7);
}

/* The answer's own tokens are the last ones, not those of a first guess. */
static void
reasoning_that_says_the_same_is_left_out(void **state)
{
	(void)state;
	answers(1, WITH("42", T_("42", "-1") "," T_("?", "-2") ","
	    T_("</think>", "-3") "," T_("42", "-4") "," T_("<|end|>",
	    "-5")));
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 0, 2, -4);
}

static void
reasoning_may_say_the_same_many_times(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{`choices`: [{`message`: {`content`: `7`}, "
	    "`logprobs`: {`content`: [");
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, T_("7", "-1") "," T_(" or ", "-2") ",");
	buf_adds(&b, T_("</think>", "-3") "," T_("7", "-4") ","
	    T_("<|im_end|>", "-5") "]}}]}");
	assert_false(b.failed);
	answers(1, b.p);
	buf_release(&b);
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 0, 1, -4);
}

static void
a_token_that_is_partly_text_is_clipped_to_it(void **state)
{
	(void)state;
	answers(1, WITH("42", T_(" 4", "-1") "," T_("2\\n", "-2")));
	assert_int_equal(reply.c[0].n_tokens, 2);
	token_is(0, 0, 0, 1, -1);
	token_is(0, 1, 1, 2, -2);
}

static void
tokens_of_an_edited_text_are_placed_where_they_fit(void **state)
{
	(void)state;
	answers(1, WITH("a c", T_("a", "-1") "," T_(" b", "-2") ","
	    T_(" c", "-3")));
	assert_int_equal(reply.c[0].n_tokens, 2);
	token_is(0, 0, 0, 1, -1);
	token_is(0, 1, 1, 3, -3);
	answers(1, WITH("abc", T_("x", "-1") "," T_("yz", "-2")));
	no_tokens(0);
	answers(1, WITH("", T_("x", "-1")));
	no_tokens(0);
}

static void
log_probabilities_stay_in_their_range(void **state)
{
	(void)state;
	answers(1, WITH("abcdef", T_("a", "-9999.0") "," T_("b",
	    "-3.4028235e+38") "," T_("c", "0.25") "," T_("d", "-0.0") ","
	    T_("e", "-9998.5") "," T_("f", "-1e-300")));
	assert_int_equal(reply.c[0].n_tokens, 6);
	token_is(0, 0, 0, 1, LOGPROB_FLOOR);
	token_is(0, 1, 1, 2, LOGPROB_FLOOR);
	token_is(0, 2, 2, 3, 0);
	token_is(0, 3, 3, 4, 0);
	token_is(0, 4, 4, 5, -9998.5);
	token_is(0, 5, 5, 6, -1e-300);
}

static void
tokens_without_a_number_are_left_out(void **state)
{
	(void)state;
	answers(1, WITH("abcdef", T_("a", "null") "," T_("b", "`-1`") ","
	    "{`token`: `c`}," T_("d", "1e999") "," T_("e", "-1e999") ","
	    T_("f", "-1")));
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 5, 6, -1);
	/* NaN is no JSON. */
	parse_status(200, WITH("a", T_("a", "NaN")));
	fails(OUTCOME_RETRY, "not_json");
	parse_status(200, WITH("a", T_("a", "-Infinity")));
	fails(OUTCOME_RETRY, "not_json");
}

static void
arrays_of_different_lengths_are_read_as_far_as_they_go(void **state)
{
#define ARRAYS(text, tokens, logprobs) "{`choices`: [{`message`: " \
	"{`content`: `" text "`}, `logprobs`: {`tokens`: [" tokens "], " \
	"`token_logprobs`: [" logprobs "]}}]}"
	(void)state;
	answers(1, ARRAYS("abc", "`a`, `b`, `c`", "-1, null"));
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 0, 1, -1);
	answers(1, ARRAYS("ab", "`a`, `b`", "null, -2, -3, -4"));
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 1, 2, -2);
	answers(1, ARRAYS("ab", "7, null, `ab`", "-1, -2, -3"));
	assert_int_equal(reply.c[0].n_tokens, 1);
	token_is(0, 0, 0, 2, -3);
	answers(1, ARRAYS("ab", "", "-1"));
	no_tokens(0);
}

static void
log_probabilities_of_any_other_shape_are_none(void **state)
{
	static const char *const shapes[] = {
		"null", "{}", "[]", "7", "-0.5", "{`content`: null}",
		"{`content`: {}}", "{`content`: []}", "{`content`: `x`}",
		"{`content`: [null, 7, `x`, []]}", "{`tokens`: `x`}",
		"{`tokens`: null, `token_logprobs`: null}",
		"{`token_logprobs`: [-1]}", "{`content`: [{`token`: 7, "
		"`logprob`: -1}]}", "{`refusal`: [{`token`: `x`, `logprob`: "
		"-1}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		struct buf b;
		buf_init(&b, BUF_MAX);
		buf_addf(&b, "{`choices`: [{`message`: {`content`: `x`}, "
		    "`logprobs`: %s}]}", shapes[i]);
		assert_false(b.failed);
		answers(1, b.p);
		no_tokens(0);
		buf_release(&b);
	}
}

/* --- hostile sizes -------------------------------------------------------- */

static void
a_very_long_text_comes_whole(void **state)
{
	enum { TOKENS = 50000 };
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{`choices`: [{`message`: {`content`: `");
	for (int i = 0; i < TOKENS; i++)
		buf_adds(&b, "word ");
	buf_adds(&b, "`}, `logprobs`: {`content`: [");
	for (int i = 0; i < TOKENS; i++)
		buf_addf(&b, "%s{`token`: `word `, `logprob`: -0.5}",
		    i ? "," : "");
	buf_adds(&b, "]}}]}");
	assert_false(b.failed);
	answers(1, b.p);
	assert_int_equal(reply.c[0].text.n, TOKENS * 5);
	assert_int_equal(reply.c[0].n_tokens, TOKENS);
	token_is(0, TOKENS - 1, (TOKENS - 1) * 5, TOKENS * 5, -0.5);
	buf_release(&b);
}

static void
a_very_long_name_of_a_model_is_cut(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	buf_adds(&b, "{" ONE("x") ", `model`: `");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "\xe2\x82\xac");
	buf_adds(&b, "`}");
	assert_false(b.failed);
	answers(1, b.p);
	assert_in_range(reply.c[0].model.n, 100, 256);
	assert_true(utf8_valid(reply.c[0].model));
	answers(1, "{" ONE("x") ", `model`: 7}");
	is(reply.c[0].model, "");
	buf_release(&b);
}

static void
deep_nesting_is_not_json(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, BUF_MAX);
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, '[');
	assert_false(b.failed);
	parse_status(200, b.p);
	fails(OUTCOME_RETRY, "not_json");
	parse_status(400, b.p);
	assert_int_equal(reply.outcome, OUTCOME_FAIL);
	buf_release(&b);
}

static void
text_is_mended_into_utf8(void **state)
{
	(void)state;
	answers(1, "{" ONE("a\xff\\u0000\\ud83d z") "}");
	is(reply.c[0].text, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd z");
}

/* A real answer, cut and damaged at every byte: no outcome is wrong, nothing
 * is read that is not there. */
static void
damage_at_any_byte_does_no_harm(void **state)
{
	static const char text[] = "{`model`:`m`,`choices`:[{`index`:0,"
	    "`message`:{`content`:`42 \xe2\x82\xac`},`logprobs`:{`content`:["
	    "{`token`:`42`,`logprob`:-0.1,`bytes`:[52,50]},{`token`:"
	    "`\\\\xe2`,`logprob`:-9999.0,`bytes`:[32,226,130,172]}]},"
	    "`finish_reason`:`stop`}],`usage`:{`prompt_tokens`:1,"
	    "`completion_tokens`:2,`total_tokens`:9,`cost`:1e-5}}";
	static const char bytes[] = "\"{}[],:0-9e.nt\\\xff\0";
	char copy[sizeof(text)];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		parse_bytes(200, text, i);
		assert_int_not_equal(reply.outcome, OUTCOME_OK);
		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = bytes[k];
			arena_clear(arena);
			parse_bytes(200, copy, sizeof(text) - 1);
			assert_true((reply.n > 0)
			    == (reply.outcome == OUTCOME_OK));
		}
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(what_is_not_set_is_not_sent),
		T(every_setting_is_sent),
		T(zeros_are_settings_too),
		T(the_limit_has_the_name_that_the_server_knows),
		T(the_seed_is_that_of_the_first_sample),
		T(one_choice_is_what_is_asked_for_without_saying_so),
		T(log_probabilities_are_asked_for_as_the_server_wants_it),
		T(openrouter_must_not_drop_what_a_scorer_needs),
		T(further_members_are_merged_in),
		T(messages_are_sent_in_order_and_escaped),
		T(ill_formed_text_is_mended_before_it_is_sent),
		T(a_request_is_built_anew_each_time),
		T(the_path_is_put_behind_the_base),
		T(the_path_is_put_before_a_query),
		T(the_model_may_be_in_the_path),
		T(a_url_that_is_too_long_is_an_error),
		T(a_body_that_does_not_fit_is_an_error),
		T(an_answer_with_log_probabilities_is_read),
		T(three_choices_share_one_prompt),
		T(a_refusal_is_text_that_is_refused),
		T(a_limit_that_went_into_thinking_is_cut_off_and_empty),
		T(a_filtered_answer_is_refused),
		T(cache_writes_are_counted),
		T(ollama_gives_one_where_several_were_wanted),
		T(llama_cpp_has_more_members_than_we_know),
		T(vllm_has_nulls_and_empty_lists),
		T(openrouter_says_what_it_cost),
		T(azure_adds_what_its_filters_thought),
		T(together_has_parallel_arrays_and_an_end_token),
		T(groq_has_times_in_its_usage),
		T(mistral_may_send_its_text_in_parts),
		T(deepseek_thinks_apart_and_counts_its_cache),
		T(xai_counts_reasoning_in_the_total_alone),
		T(a_cache_larger_than_the_prompt_is_not_counted_in_it),
		T(sglang_counts_reasoning_at_the_top),
		T(without_usage_nothing_is_known),
		T(unknown_usage_is_unknown_for_every_choice),
		T(absurd_counts_are_bounded),
		T(usage_shared_out_over_choices_sums_exactly),
		T(choices_are_put_in_the_order_of_their_index),
		T(choices_without_an_index_are_in_order),
		T(an_odd_index_neither_loses_nor_doubles_a_choice),
		T(more_choices_than_were_asked_for_are_left_alone),
		T(very_many_choices_are_bounded),
		T(content_may_be_null_or_missing_or_of_another_type),
		T(every_reason_to_stop_is_known),
		T(a_refusal_counts_beside_a_text),
		T(an_answer_that_was_broken_off_is_asked_for_again),
		T(choices_that_are_none_are_passed_over),
		T(a_body_without_choices_is_asked_for_once_more),
		T(a_body_that_is_not_json_is_asked_for_once_more),
		T(blank_lines_before_an_answer_are_skipped),
		T(an_error_in_a_200_is_one_of_its_own_status),
		T(an_error_counts_beside_choices),
		T(a_message_is_found_in_every_shape),
		T(the_code_is_the_servers_word),
		T(messages_are_bounded_and_harmless),
		T(text_without_width_is_bounded_too),
		T(ill_formed_errors_do_not_harm),
		T(a_refused_n_is_asked_for_one_by_one),
		T(a_transfer_that_broke_is_no_answer),
		T(parts_of_characters_are_put_together_by_their_bytes),
		T(bytes_that_are_none_do_not_harm),
		T(end_tokens_are_left_out),
		T(reasoning_before_the_text_is_left_out),
		T(reasoning_that_says_the_same_is_left_out),
		T(reasoning_may_say_the_same_many_times),
		T(a_token_that_is_partly_text_is_clipped_to_it),
		T(tokens_of_an_edited_text_are_placed_where_they_fit),
		T(log_probabilities_stay_in_their_range),
		T(tokens_without_a_number_are_left_out),
		T(arrays_of_different_lengths_are_read_as_far_as_they_go),
		T(log_probabilities_of_any_other_shape_are_none),
		T(a_very_long_text_comes_whole),
		T(a_very_long_name_of_a_model_is_cut),
		T(deep_nesting_is_not_json),
		T(text_is_mended_into_utf8),
		T(damage_at_any_byte_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
