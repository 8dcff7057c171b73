/*
 * test_outcome.c -- failures told apart: every row of the tables in the page
 * "Errors, retries, and what a lost request costs", sections 2, 3 and 6, and
 * what lies next to each row and is not meant by it, with the bodies that
 * servers send, through the parser of OpenAI's wire format; and the waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "providers/outcome.h"

extern const struct provider_ops provider_openai;

static struct arena *arena;
static struct reply reply;

static int
begin(void **state)
{
	(void)state;
	arena = arena_new(0);
	return arena ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void
parse(const char *host, const struct wire_reply *w)
{
	static const struct sampling sampling;
	struct provider p = { .name = STR("p"), .ops = &provider_openai,
	    .host = str_of(host) };
	struct model_request q = { .provider = &p, .model = STR("m"),
	    .sampling = &sampling, .n = 1 };
	struct err e = { 0 };

	assert_int_equal(provider_openai.parse(&q, w, arena, &reply, &e), 0);
}

static struct wire_reply
answer(int status, const char *body)
{
	return (struct wire_reply){ .status = status, .body = str_of(body),
	    .retry_after_ms = -1 };
}

static void
got(const char *host, int status, const char *body)
{
	struct wire_reply w = answer(status, body);

	parse(host, &w);
}

struct line {
	const char *host;
	int status;
	const char *body;
	enum outcome outcome;
	int most_retries;
	unsigned also;
};

#define OPENAI "api.openai.com"
#define GROQ "api.groq.com"
#define ROUTER "openrouter.ai"
#define AZURE "mine.openai.azure.com"
#define LOCAL "127.0.0.1"
#define GEMINI "generativelanguage.googleapis.com"
#define CLAUDE "api.anthropic.com"

static void
check(const struct line *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		got(v[i].host, v[i].status, v[i].body);
		if (reply.outcome != v[i].outcome
		    || reply.most_retries != v[i].most_retries
		    || reply.also != v[i].also)
			fail_msg("%s %d %s: %s, %d retries, also %#x; not %s, "
			    "%d, %#x", v[i].host, v[i].status, v[i].body,
			    outcome_name(reply.outcome), reply.most_retries,
			    reply.also, outcome_name(v[i].outcome),
			    v[i].most_retries, v[i].also);
		assert_int_equal(reply.maybe_billed,
		    (v[i].also & ACTION_BILLED) != 0);
		assert_int_equal(reply.status, v[i].status);
		assert_int_equal(reply.n, 0);
	}
}
#define CHECK(v) check(v, sizeof(v) / sizeof(*(v)))

/* --- the table ------------------------------------------------------------ */

static void
row_1_a_server_may_forbid_a_retry(void **state)
{
	static const struct {
		int status;
		enum outcome outcome;
		unsigned also;
	} v[] = {
		{ 408, OUTCOME_RETRY, 0 }, { 409, OUTCOME_RETRY, 0 },
		{ 429, OUTCOME_WAIT, 0 }, { 500, OUTCOME_RETRY, 0 },
		{ 503, OUTCOME_RETRY, ACTION_SLOW },
		{ 504, OUTCOME_RETRY, ACTION_BILLED },
		/* The rest decides as ever. */
		{ 401, OUTCOME_STOP, 0 }, { 404, OUTCOME_TIER, 0 },
		{ 400, OUTCOME_FAIL, ACTION_ODD }, { 302, OUTCOME_FAIL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct wire_reply w = answer(v[i].status, "{}");
		w.should_not_retry = true;
		parse(OPENAI, &w);
		assert_int_equal(reply.outcome, v[i].outcome);
		assert_int_equal(reply.most_retries, 0);
		assert_int_equal(reply.also, v[i].also);
	}
}

static void
row_2_a_wrong_key_stops_the_run(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 401, "{\"error\": {\"message\": \"Incorrect API key "
		    "provided: sk-proj-****abcd.\", \"type\": "
		    "\"invalid_request_error\", \"param\": null, \"code\": "
		    "\"invalid_api_key\"}}", OUTCOME_STOP, 0, 0 },
		{ LOCAL, 401, "{\"error\": \"Unauthorized\"}", OUTCOME_STOP,
		    0, 0 },
		{ "api.mistral.ai", 401, "{\"detail\":\"Unauthorized\"}",
		    OUTCOME_STOP, 0, 0 },
		{ AZURE, 401, "{\"error\":{\"code\":\"401\",\"message\":"
		    "\"Access denied due to invalid subscription key or wrong "
		    "API endpoint\"}}", OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 401, "{\"type\": \"error\", \"error\": {\"type\": "
		    "\"authentication_error\", \"message\": \"invalid "
		    "x-api-key\"}}", OUTCOME_STOP, 0, 0 },
		{ OPENAI, 401, "", OUTCOME_STOP, 0, 0 },
		{ OPENAI, 401, "<html>no</html>", OUTCOME_STOP, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
row_3_gemini_says_400_to_a_wrong_key(void **state)
{
	static const struct line v[] = {
		{ GEMINI, 400, "{\"error\": {\"code\": 400, \"message\": "
		    "\"User "
		    "location is not supported for the API use.\", \"status\": "
		    "\"FAILED_PRECONDITION\"}}", OUTCOME_STOP, 0, 0 },
		/* Elsewhere the words mean nothing. */
		{ OPENAI, 400, "{\"error\": {\"code\": 400, \"message\": "
		    "\"x\", "
		    "\"status\": \"FAILED_PRECONDITION\"}}", OUTCOME_FAIL, 0,
		    ACTION_ODD },
		{ GEMINI, 400, "{\"error\": {\"code\": 400, \"message\": "
		    "\"Bad.\", \"status\": \"INVALID_ARGUMENT\"}}",
		    OUTCOME_FAIL, 0, ACTION_ODD },
		{ "googleapis.com.example", 400, "{\"error\": {\"code\": 400, "
		    "\"status\": \"FAILED_PRECONDITION\"}}", OUTCOME_FAIL, 0,
		    ACTION_ODD },
	};

	(void)state;
	CHECK(v);
}

static void
row_4_an_exhausted_quota_stops_the_run(void **state)
{
#define QUOTA(type, code) "{\"error\": {\"message\": \"You exceeded your " \
	"current quota, please check your plan and billing details.\", " \
	"\"type\": " type ", \"param\": null, \"code\": " code "}}"
	static const struct line v[] = {
		{ OPENAI, 429, QUOTA("\"insufficient_quota\"",
		    "\"insufficient_quota\""), OUTCOME_STOP, 0, 0 },
		{ OPENAI, 429, QUOTA("\"insufficient_quota\"", "null"),
		    OUTCOME_STOP, 0, 0 },
		{ LOCAL, 429, QUOTA("null", "\"insufficient_quota\""),
		    OUTCOME_STOP, 0, 0 },
		{ OPENAI, 429, QUOTA("\"x\"", "\"credit_balance_exhausted\""),
		    OUTCOME_STOP, 0, 0 },
		{ OPENAI, 429, QUOTA("\"x\"",
		    "\"organization_spend_limit_exceeded\""), OUTCOME_STOP, 0, 0 },
		{ OPENAI, 429, QUOTA("\"x\"",
		    "\"project_spend_limit_exceeded\""), OUTCOME_STOP, 0, 0 },
		{ OPENAI, 429, QUOTA("\"x\"",
		    "\"organization_usage_limit_exceeded\""), OUTCOME_STOP, 0, 0 },
		{ OPENAI, 429, QUOTA("\"x\"", "\"billing_hard_limit_reached\""),
		    OUTCOME_STOP, 0, 0 },
		/* The sentence alone is Gemini's for a usual rate limit. */
		{ OPENAI, 429, QUOTA("\"requests\"",
		    "\"rate_limit_exceeded\""), OUTCOME_WAIT, -1, 0 },
		/* The type alone will do, whatever the code. */
		{ OPENAI, 429, QUOTA("\"insufficient_quota\"", "\"x\""),
		    OUTCOME_STOP, 0, 0 },
		/* Any other word counts as the first that is there. */
		{ OPENAI, 429, QUOTA("\"billing_hard_limit_reached\"",
		    "\"rate_limit_exceeded\""), OUTCOME_WAIT, -1, 0 },
		{ OPENAI, 429, QUOTA("\"billing_hard_limit_reached\"", "429"),
		    OUTCOME_STOP, 0, 0 },
		{ OPENAI, 400, QUOTA("null", "\"insufficient_quota\""),
		    OUTCOME_FAIL, 0, ACTION_ODD },
		{ OPENAI, 429, QUOTA("null", "\"insufficient_quota_x\""),
		    OUTCOME_WAIT, -1, 0 },
	};

	(void)state;
	CHECK(v);
}

static enum outcome
outcome(const char *host, int status, const char *code, const char *message,
    int *most)
{
	struct failure f = { .status = status, .host = str_of(host),
	    .code = str_of(code), .message = str_of(message),
	    .wait_ms = -1 };
	struct action a = outcome_of(&f);

	*most = a.most_retries;
	return a.outcome;
}

#define SAYS(type, message, details) "{\"type\": \"error\", \"error\": " \
	"{\"type\": \"" type "\", \"message\": \"" message "\"" details \
	"}, \"request_id\": \"req_011CSHoEeqs5C35K2UUqR7Fz\"}"
#define DETAIL(code) ", \"details\": {\"error_code\": \"" code "\"}"

static void
rows_5_and_6_anthropic_says_429_and_400_without_money(void **state)
{
	static const struct line v[] = {
		{ CLAUDE, 429, SAYS("rate_limit_error", "Spend limit reached.",
		    DETAIL("enforced_spend_limit_reached")), OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 429, SAYS("rate_limit_error", "x",
		    DETAIL("contract_spend_limit_reached")), OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 429, SAYS("contract_spend_limit_reached", "x", ""),
		    OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 429, SAYS("rate_limit_error", "This request would "
		    "exceed your organization's rate limit of 50,000 input "
		    "tokens per minute.", ""), OUTCOME_WAIT, -1, 0 },
		{ CLAUDE, 429, SAYS("rate_limit_error", "x",
		    DETAIL("spend_limit_reached")), OUTCOME_WAIT, -1, 0 },
		{ OPENAI, 429, SAYS("rate_limit_error", "x",
		    DETAIL("enforced_spend_limit_reached")), OUTCOME_WAIT, -1, 0 },
		{ CLAUDE, 400, SAYS("invalid_request_error", "Your credit "
		    "balance is too low to access the Anthropic API. Please "
		    "go to Plans & Billing", ""), OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 400, SAYS("invalid_request_error", "You have reached "
		    "your specified API usage limits. You will regain access "
		    "on 2026-12-01", ""), OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 400, SAYS("invalid_request_error", "x",
		    DETAIL("organization_on_hold")), OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 400, SAYS("invalid_request_error", "credit where it "
		    "is due", ""), OUTCOME_FAIL, 0, ACTION_ODD },
		{ OPENAI, 400, SAYS("invalid_request_error", "x",
		    DETAIL("organization_on_hold")), OUTCOME_FAIL, 0,
		    ACTION_ODD },
	};

	(void)state;
	CHECK(v);
	assert_true(str_is(reply.code, "organization_on_hold"));
}

static void
rows_7_and_8_402_stops_the_run_unless_money_is_only_reserved(void **state)
{
	static const struct line v[] = {
		{ ROUTER, 402, "{\"error\":{\"code\":402,\"message\":\"Too "
		    "many requests in flight\",\"metadata\":{\"error_type\":"
		    "\"in_flight_budget\"}}}", OUTCOME_WAIT, -1, 0 },
		{ ROUTER, 402, "{\"error\":{\"code\":402,\"message\":"
		    "\"in_flight_budget: wait\"}}", OUTCOME_WAIT, -1, 0 },
		{ ROUTER, 402, "{\"error\":{\"code\":402,\"message\":"
		    "\"Insufficient credits\",\"metadata\":{\"error_type\":"
		    "\"payment_required\"}}}", OUTCOME_STOP, 0, 0 },
		{ "api.deepseek.com", 402, "{\"error\": {\"message\": "
		    "\"Insufficient Balance\", \"type\": \"unknown_error\", "
		    "\"param\": null, \"code\": \"invalid_request_error\"}}",
		    OUTCOME_STOP, 0, 0 },
		{ "api.together.xyz", 402, "", OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 402, SAYS("billing_error", "x",
		    DETAIL("linked_organization_spend_limit_reached")),
		    OUTCOME_STOP, 0, 0 },
		{ GEMINI, 402, "{\"error\": {\"code\": 402}}", OUTCOME_STOP,
		    0, 0 },
		/* The word counts with its status alone. */
		{ ROUTER, 403, "{\"error\":{\"code\":403,\"message\":\"x\","
		    "\"metadata\":{\"error_type\":\"in_flight_budget\"}}}",
		    OUTCOME_STOP, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
rows_9_and_10_a_limit_of_the_day_ends_the_tier(void **state)
{
	static const struct line v[] = {
		{ GROQ, 429, "{\"error\": {\"message\": \"Rate limit reached "
		    "for model `x` on requests per day (RPD): Limit 1000, Used "
		    "1000, Requested 1. Please try again in 1m26.4s.\", "
		    "\"type\": \"requests\", \"code\": "
		    "\"rate_limit_exceeded\"}}", OUTCOME_TIER, 0, 0 },
		{ GROQ, 429, "{\"error\": {\"message\": \"Rate limit reached "
		    "on tokens per day (TPD): Limit 100000, Used 99000, "
		    "Requested 2000.\", \"type\": \"tokens\"}}", OUTCOME_TIER,
		    0, 0 },
		/* Only Groq's words. */
		{ LOCAL, 429, "{\"error\": {\"message\": \"requests per day "
		    "(RPD)\"}}", OUTCOME_WAIT, -1, 0 },
		{ "notgroq.com", 429, "{\"error\": {\"message\": \"requests "
		    "per day (RPD)\"}}", OUTCOME_WAIT, -1, 0 },
		{ GEMINI, 429, "{\"error\": {\"code\": 429, \"message\": \"You "
		    "exceeded your current quota. Please retry in 26.5s.\", "
		    "\"status\": \"RESOURCE_EXHAUSTED\", \"details\": "
		    "[{\"violations\": [{\"quotaId\": \"GenerateRequestsPer"
		    "MinutePerProjectPerModel-FreeTier\"}]}]}}", OUTCOME_WAIT,
		    -1, 0 },
	};

	(void)state;
	CHECK(v);
}

/* Its endpoint for this format says it in an array of one, and in details. */
static void
rows_3_and_9_gemini_says_why_in_the_details(void **state)
{
	static const struct line v[] = {
		{ GEMINI, 400, "[{\"error\": {\"code\": 400, \"message\": "
		    "\"API key not valid. Please pass a valid API key.\", "
		    "\"status\": "
		    "\"INVALID_ARGUMENT\", \"details\": [{\"@type\": "
		    "\"type.googleapis.com/google.rpc.ErrorInfo\", \"reason\": "
		    "\"API_KEY_INVALID\", \"domain\": \"googleapis.com\"}]}}]",
		    OUTCOME_STOP, 0, 0 },
		{ GEMINI, 429, "[{\"error\": {\"code\": 429, \"message\": "
		    "\"You "
		    "exceeded your current quota. Please retry in 26.5s.\", "
		    "\"status\": \"RESOURCE_EXHAUSTED\", \"details\": "
		    "[{\"violations\": [{\"quotaId\": \"GenerateRequestsPer"
		    "DayPerProjectPerModel-FreeTier\"}]}]}}]", OUTCOME_TIER,
		    0, 0 },
		/* Of several the day counts, and of words a quotaId's alone. */
		{ GEMINI, 429, "{\"error\": {\"code\": 429, \"status\": "
		    "\"RESOURCE_EXHAUSTED\", \"details\": [{\"violations\": "
		    "[{\"quotaId\": \"XPerMinute\"}, {\"quotaId\": "
		    "\"XPerDay\"}]}, {\"retryDelay\": \"26s\"}]}}",
		    OUTCOME_TIER, 0, 0 },
		{ GEMINI, 429, "{\"error\": {\"code\": 429, \"message\": "
		    "\"PerDay\", \"details\": [{\"quotaId\": \"XPerDay\"}, "
		    "{\"violations\": [{\"quotaMetric\": \"PerDay\"}]}]}}",
		    OUTCOME_WAIT, -1, 0 },
		{ OPENAI, 429, "{\"error\": {\"details\": [{\"violations\": "
		    "[{\"quotaId\": \"XPerDay\"}]}]}}", OUTCOME_WAIT, -1, 0 },
		{ GEMINI, 400, "[{\"error\": {\"code\": 400, \"details\": "
		    "[{\"reason\": \"API_KEY_SERVICE_BLOCKED\"}]}}]",
		    OUTCOME_FAIL, 0, ACTION_ODD },
	};

	(void)state;
	CHECK(v);
}

static void
row_11_one_request_larger_than_the_limit_never_fits(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 429, "{\"error\": {\"message\": \"Request too large "
		    "for gpt-4o in organization org-abc on tokens per min "
		    "(TPM): Limit 30000, Requested 30601. The input or output "
		    "tokens must be reduced in order to run "
		    "successfully.\", \"type\": \"tokens\", \"param\": null, "
		    "\"code\": \"rate_limit_exceeded\"}}", OUTCOME_NEXT, 0, 0 },
		{ GROQ, 413, "{\"error\": {\"message\": \"Request too large "
		    "for model `x`\", \"type\": \"tokens\", \"code\": "
		    "\"rate_limit_exceeded\"}}", OUTCOME_NEXT, 0, 0 },
		{ OPENAI, 429, "{\"error\": {\"message\": \"on tokens per min: "
		    "Limit 12000, Used 0, Requested 12001.\"}}", OUTCOME_NEXT,
		    0, 0 },
		/* It would fit, later. */
		{ OPENAI, 429, "{\"error\": {\"message\": \"on tokens per min: "
		    "Limit 12000, Used 1, Requested 12000.\"}}", OUTCOME_WAIT,
		    -1, 0 },
		{ OPENAI, 429, "{\"error\": {\"message\": \"Limit x, "
		    "Requested 9\"}}", OUTCOME_WAIT, -1, 0 },
		{ OPENAI, 429, "{\"error\": {\"message\": \"Limit 5, Requested "
		    "99999999999999999999\"}}", OUTCOME_WAIT, -1, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
rows_12_to_14_too_fast_waits(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 429, "{\"error\":{\"message\":\"Slow down\",\"type\":"
		    "\"rate_limit_error\",\"code\":\"slow_down\"}}",
		    OUTCOME_WAIT, -1, ACTION_HALVE_RATE },
		{ CLAUDE, 429, "{\"error\":{\"message\":\"x\",\"type\":"
		    "\"ramp_limit_exceeded\"}}", OUTCOME_WAIT, -1,
		    ACTION_HALVE_RATE },
		{ CLAUDE, 429, SAYS("rate_limit_error", "Growing too fast.",
		    DETAIL("ramp_limit_exceeded")), OUTCOME_WAIT, -1,
		    ACTION_HALVE_RATE },
		{ OPENAI, 429, "{\"error\":{\"message\":\"slow_down\"}}",
		    OUTCOME_WAIT, -1, 0 },
		{ OPENAI, 503, "{\"error\":{\"code\":\"slow_down\"}}",
		    OUTCOME_RETRY, -1, ACTION_SLOW },
		{ LOCAL, 498, "", OUTCOME_RETRY, -1, 0 },
		{ LOCAL, 497, "", OUTCOME_FAIL, 0, 0 },
		{ OPENAI, 429, "{\"error\":{\"message\":\"Resource "
		    "Unavailable\"}}", OUTCOME_RETRY, -1, 0 },
		{ GROQ, 498, "{\"error\":{\"message\":\"x\",\"code\":"
		    "\"capacity_exceeded\"}}", OUTCOME_RETRY, -1, 0 },
		{ OPENAI, 429, "{\"error\": {\"message\": \"Rate limit reached "
		    "for gpt-4o in organization org-abc on tokens per min "
		    "(TPM): Limit 30000, Used 14567, Requested 24754. Please "
		    "try again in 18.642s.\", \"type\": \"tokens\", \"param\": "
		    "null, \"code\": \"rate_limit_exceeded\"}}", OUTCOME_WAIT,
		    -1, 0 },
		{ GROQ, 429, "{\"error\": {\"message\": \"Rate limit reached "
		    "for model `llama-3.3-70b-versatile` on tokens per minute "
		    "(TPM): Limit 12000, Used 11632, Requested 2112. Please "
		    "try again in 8.7199s.\", \"type\": \"tokens\", \"code\": "
		    "\"rate_limit_exceeded\"}}", OUTCOME_WAIT, -1, 0 },
		{ ROUTER, 429, "{\"error\": {\"code\": 429, \"message\": "
		    "\"Provider returned error\", \"metadata\": "
		    "{\"error_type\": \"rate_limit_exceeded\", "
		    "\"provider_name\": \"DeepInfra\", \"raw\": "
		    "\"{\\\"detail\\\":\\\"rate limited\\\"}\"}}, \"user_id\": "
		    "\"user_2x\"}", OUTCOME_WAIT, -1, 0 },
		{ AZURE, 429, "{\"error\": {\"code\": \"429\", \"message\": "
		    "\"Requests to the ChatCompletions_Create Operation have "
		    "exceeded token rate limit. Please retry after 6 "
		    "seconds.\"}}", OUTCOME_WAIT, -1, 0 },
		{ LOCAL, 429, "", OUTCOME_WAIT, -1, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
row_15_a_prompt_that_is_too_long_goes_on(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 400, "{\"error\": {\"message\": \"This model's "
		    "maximum context length is 8192 tokens. However, your "
		    "messages resulted in 8227 tokens.\", \"type\": "
		    "\"invalid_request_error\", \"param\": \"messages\", "
		    "\"code\": \"context_length_exceeded\"}}", OUTCOME_NEXT,
		    0, 0 },
		{ LOCAL, 400, "{\"error\": {\"code\": 400, \"message\": "
		    "\"request (13392 tokens) exceeds the available context "
		    "size (8192 tokens), try increasing it\", \"type\": "
		    "\"exceed_context_size_error\", \"n_prompt_tokens\": "
		    "13392, \"n_ctx\": 8192}}", OUTCOME_NEXT, 0, 0 },
		{ LOCAL, 400, "{\"error\": {\"message\": \"This model's "
		    "maximum "
		    "context length is 4096 tokens. However, you requested "
		    "5000 tokens\", \"type\": \"BadRequestError\", \"code\": "
		    "400}}", OUTCOME_NEXT, 0, 0 },
		{ LOCAL, 400, "{\"object\": \"error\", \"message\": "
		    "\"Requested token count exceeds the model's maximum "
		    "context length of 32768 tokens.\", \"type\": \"400\", "
		    "\"param\": null, \"code\": 400}", OUTCOME_NEXT, 0, 0 },
		{ ROUTER, 400, "{\"error\":{\"code\":400,\"message\":"
		    "\"Provider returned error\",\"metadata\":{\"error_type\":"
		    "\"context_length_exceeded\"}}}", OUTCOME_NEXT, 0, 0 },
		{ CLAUDE, 400, "{\"error\":{\"type\":\"invalid_request_error\","
		    "\"message\":\"prompt is too long: 103078 tokens > 102398 "
		    "maximum\"}}", OUTCOME_NEXT, 0, 0 },
		{ CLAUDE, 413, "{\"error\":{\"type\":\"request_too_large\","
		    "\"message\":\"x\"}}", OUTCOME_NEXT, 0, 0 },
		{ GEMINI, 400, "{\"error\": {\"code\": 400, \"message\": \"The "
		    "input token count (1200000) exceeds the maximum number of "
		    "tokens allowed (1048576).\", \"status\": "
		    "\"INVALID_ARGUMENT\"}}", OUTCOME_NEXT, 0, 0 },
		{ LOCAL, 422, "{\"detail\":\"maximum context length\"}",
		    OUTCOME_NEXT, 0, 0 },
		{ "api.together.xyz", 403, "{\"error\":{\"message\":\"x\"}}",
		    OUTCOME_NEXT, 0, 0 },
		{ "api.together.ai", 403, "", OUTCOME_NEXT, 0, 0 },
		/* An integer is no word: the type is the first. */
		{ LOCAL, 400, "{\"error\": {\"code\": \"400\", \"type\": "
		    "\"exceed_context_size_error\"}}", OUTCOME_NEXT, 0, 0 },
		{ OPENAI, 400, "{\"error\":{\"code\":\"empty_array\","
		    "\"type\":\"context_length_exceeded\"}}", OUTCOME_FAIL, 0,
		    ACTION_ODD },
		{ OPENAI, 500, "{\"error\":{\"code\":"
		    "\"context_length_exceeded\"}}", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 413, "<html>413 Request Entity Too Large</html>",
		    OUTCOME_FAIL, 0, 0 },
		{ LOCAL, 403, "{\"error\":{\"message\":\"x\"}}",
		    OUTCOME_STOP, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
rows_16_and_17_a_refused_prompt_fails_alone(void **state)
{
	static const struct line v[] = {
		{ AZURE, 400, "{\"error\": {\"message\": \"The response was "
		    "filtered due to the prompt triggering Azure OpenAI's "
		    "content management policy.\", \"type\": null, \"param\": "
		    "\"prompt\", \"code\": \"content_filter\", \"status\": "
		    "400, \"innererror\": {\"code\": "
		    "\"ResponsibleAIPolicyViolation\"}}}", OUTCOME_FAIL, 0,
		    ACTION_BILLED },
		{ AZURE, 422, "{\"error\": {\"code\": \"content_filter\"}}",
		    OUTCOME_FAIL, 0, ACTION_ODD },
		{ AZURE, 400, "{\"error\": {\"message\": \"content_filter\"}}",
		    OUTCOME_FAIL, 0, ACTION_ODD },
		{ OPENAI, 400, "{\"error\":{\"message\":\"x\",\"type\":"
		    "\"invalid_request_error\",\"code\":"
		    "\"content_policy_violation\"}}", OUTCOME_FAIL, 0, 0 },
		{ OPENAI, 400, "{\"error\":{\"message\":\"x\",\"type\":"
		    "\"invalid_request_error\",\"code\":\"invalid_prompt\"}}",
		    OUTCOME_FAIL, 0, 0 },
	};

	(void)state;
	CHECK(v);
	got(v[0].host, v[0].status, v[0].body);
	assert_true(str_is(reply.code, "content_filter"));
}

static void
row_18_moderation_at_a_router_goes_on(void **state)
{
	static const struct line v[] = {
		{ ROUTER, 403, "{\"error\":{\"code\":403,\"message\":\"x\","
		    "\"metadata\":{\"reasons\":[\"violence\"],"
		    "\"flagged_input\":\"...\"}}}", OUTCOME_NEXT, 0, 0 },
		{ ROUTER, 403, "{\"error\":{\"code\":403,\"message\":\"x\","
		    "\"metadata\":{\"error_type\":"
		    "\"content_policy_violation\"}}}", OUTCOME_NEXT, 0, 0 },
		{ ROUTER, 403, "{\"error\":{\"code\":403,\"message\":\"x\"}}",
		    OUTCOME_STOP, 0, 0 },
		{ ROUTER, 403, "{\"error\":{\"code\":403,\"message\":\"x\","
		    "\"metadata\":{\"flagged_input\":\"...\"}}}",
		    OUTCOME_STOP, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
row_19_a_setting_that_is_refused_ends_the_tier(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 400, "{\"error\": {\"message\": \"Unsupported "
		    "parameter: 'max_tokens' is not supported with this model. "
		    "Use 'max_completion_tokens' instead.\", \"type\": "
		    "\"invalid_request_error\", \"param\": \"max_tokens\", "
		    "\"code\": \"unsupported_parameter\"}}", OUTCOME_TIER, 0, 0 },
		{ OPENAI, 400, "{\"error\": {\"message\": \"Unsupported value: "
		    "'temperature' does not support 0.7 with this model.\", "
		    "\"type\": \"invalid_request_error\", \"param\": "
		    "\"temperature\", \"code\": \"unsupported_value\"}}",
		    OUTCOME_TIER, 0, 0 },
		{ OPENAI, 400, "{\"error\": {\"message\": \"This model does "
		    "not support the 'logprobs' parameter.\", \"type\": "
		    "\"invalid_request_error\", \"param\": \"logprobs\", "
		    "\"code\": null}}", OUTCOME_TIER, 0, 0 },
		{ OPENAI, 400, "{\"error\": {\"message\": \"Unrecognized "
		    "request argument supplied: top_k\", \"type\": "
		    "\"invalid_request_error\", \"param\": null, \"code\": "
		    "null}}", OUTCOME_TIER, 0, 0 },
		{ OPENAI, 400, "{\"error\":{\"message\":\"x\",\"code\":"
		    "\"invalid_value\"}}", OUTCOME_TIER, 0, 0 },
		{ CLAUDE, 400, "{\"error\":{\"message\":\"top_k: Extra inputs "
		    "are not permitted\"}}", OUTCOME_TIER, 0, 0 },
		{ GEMINI, 400, "{\"error\":{\"message\":\"Unknown name "
		    "\\\"top_x\\\"\"}}", OUTCOME_TIER, 0, 0 },
		{ GEMINI, 400, "{\"error\": {\"code\": 400, \"message\": "
		    "\"Logprobs is not enabled for models/gemini-2.5-pro\", "
		    "\"status\": \"INVALID_ARGUMENT\"}}", OUTCOME_TIER, 0, 0 },
		{ "api.mistral.ai", 422, "{\"detail\":[{\"type\":\"extra_"
		    "forbidden\",\"loc\":[\"body\",\"x\"],\"msg\":\"Extra "
		    "inputs are not permitted\"}]}", OUTCOME_TIER, 0, 0 },
		{ OPENAI, 400, "{\"error\":{\"message\":\"x\",\"code\":"
		    "\"invalid_values\"}}", OUTCOME_FAIL, 0, ACTION_ODD },
		{ OPENAI, 413, "{\"error\":{\"message\":\"x\",\"code\":"
		    "\"invalid_value\"}}", OUTCOME_FAIL, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
row_20_a_model_that_is_not_there_ends_the_tier(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 404, "{\"error\": {\"message\": \"The model "
		    "`gpt-4-0613` does not exist or you do not have access to "
		    "it.\", \"type\": \"invalid_request_error\", \"param\": "
		    "null, \"code\": \"model_not_found\"}}", OUTCOME_TIER, 0, 0 },
		{ LOCAL, 404, "{\"error\": {\"message\": \"model 'qwen2.5:3b' "
		    "not found\", \"type\": \"not_found_error\", \"param\": "
		    "null, \"code\": null}}", OUTCOME_TIER, 0, 0 },
		{ LOCAL, 404, "{\"error\": \"model \\\"qwen2.5:3b\\\" not "
		    "found, try pulling it first\"}", OUTCOME_TIER, 0, 0 },
		{ LOCAL, 404, "{\"error\": {\"message\": \"The model `qwen` "
		    "does not exist.\", \"type\": \"NotFoundError\", "
		    "\"param\": \"model\", \"code\": 404}}", OUTCOME_TIER, 0, 0 },
		{ AZURE, 404, "{\"error\":{\"code\":\"DeploymentNotFound\","
		    "\"message\":\"x\"}}", OUTCOME_TIER, 0, 0 },
		{ GEMINI, 404, "[{\"error\": {\"code\": 404, \"message\": "
		    "\"models/gemini-1.5-flash is not found\", \"status\": "
		    "\"NOT_FOUND\"}}]", OUTCOME_TIER, 0, 0 },
		{ LOCAL, 404, "404 page not found", OUTCOME_TIER, 0, 0 },
		{ LOCAL, 405, "405 method not allowed", OUTCOME_FAIL, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
row_21_a_forbidden_account_stops_the_run(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 403, "{\"error\":{\"message\":\"x\",\"type\":"
		    "\"request_forbidden\",\"code\":"
		    "\"unsupported_country_region_territory\"}}",
		    OUTCOME_STOP, 0, 0 },
		{ LOCAL, 403, "", OUTCOME_STOP, 0, 0 },
		{ CLAUDE, 403, "{\"error\":{\"type\":\"permission_error\","
		    "\"message\":\"x\"}}", OUTCOME_TIER, 0, 0 },
		{ OPENAI, 403, "{\"error\":{\"type\":\"permission_error\"}}",
		    OUTCOME_STOP, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
row_22_any_other_bad_request_fails(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 400, "{\"error\":{\"message\":\"Invalid 'messages': "
		    "empty array.\",\"type\":\"invalid_request_error\","
		    "\"param\":\"messages\",\"code\":\"empty_array\"}}",
		    OUTCOME_FAIL, 0,
		    ACTION_ODD },
		{ "api.mistral.ai", 400, "{\"object\": \"error\", \"message\": "
		    "\"Invalid model: mistral-foo\", \"type\": "
		    "\"invalid_model\", \"param\": null, \"code\": \"1500\"}",
		    OUTCOME_FAIL, 0,
		    ACTION_ODD },
		{ "api.mistral.ai", 422, "{\"detail\": [{\"type\": "
		    "\"missing\", "
		    "\"loc\": [\"body\", \"messages\"], \"msg\": \"Field "
		    "required\", \"input\": {\"model\": "
		    "\"mistral-small-latest\"}}]}", OUTCOME_FAIL, 0,
		    ACTION_ODD },
		{ LOCAL, 400, "", OUTCOME_FAIL, 0,
		    ACTION_ODD },
	};

	(void)state;
	CHECK(v);
}

static void
rows_23_to_27_trouble_at_the_server_is_tried_again(void **state)
{
	static const struct line v[] = {
		{ OPENAI, 408, "", OUTCOME_RETRY, -1, 0 },
		{ OPENAI, 409, "", OUTCOME_RETRY, -1, 0 },
		{ CLAUDE, 409, SAYS("conflict_error", "x", ""), OUTCOME_RETRY,
		    -1, 0 },
		{ OPENAI, 410, "", OUTCOME_FAIL, 0, 0 },
		{ OPENAI, 503, "{\"error\": {\"message\": \"The server is "
		    "currently overloaded. Please try again later.\", "
		    "\"type\": \"service_unavailable_error\", \"param\": null, "
		    "\"code\": \"server_is_overloaded\"}}", OUTCOME_RETRY, -1,
		    ACTION_SLOW },
		{ LOCAL, 503, "{\"error\": {\"code\": 503, \"message\": "
		    "\"Loading model\", \"type\": \"unavailable_error\"}}",
		    OUTCOME_RETRY, -1, ACTION_SLOW },
		{ CLAUDE, 529, SAYS("overloaded_error", "Overloaded", ""),
		    OUTCOME_RETRY, -1, ACTION_SLOW },
		{ GEMINI, 503, "{\"error\": {\"code\": 503, \"message\": \"The "
		    "model is overloaded. Please try again later.\", "
		    "\"status\": \"UNAVAILABLE\"}}", OUTCOME_RETRY, -1,
		    ACTION_SLOW },
		{ LOCAL, 503, "{\"error\": \"server busy, please try again.  "
		    "maximum pending requests exceeded\"}", OUTCOME_RETRY, -1,
		    ACTION_FEWER | ACTION_SLOW },
		{ LOCAL, 500, "{\"error\": \"maximum pending requests "
		    "exceeded\"}", OUTCOME_RETRY, 3, 0 },
		{ GEMINI, 500, "{\"error\": {\"code\": 500, \"status\": "
		    "\"INTERNAL\"}}", OUTCOME_RETRY, 2, 0 },
		{ GEMINI, 502, "", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 500, "{\"error\": {\"message\": \"The server had an "
		    "error while processing your request. Sorry about that!\", "
		    "\"type\": \"server_error\", \"param\": null, \"code\": "
		    "null}}", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 502, "<html><head><title>502 Bad Gateway</title>"
		    "</head></html>", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 504, "", OUTCOME_RETRY, 3, ACTION_BILLED },
		{ CLAUDE, 504, SAYS("timeout_error", "x", ""), OUTCOME_RETRY, 3,
		    ACTION_BILLED },
		{ OPENAI, 519, "", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 520, "error code: 520", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 523, "", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 524, "", OUTCOME_RETRY, 3, ACTION_BILLED },
		{ OPENAI, 525, "", OUTCOME_RETRY, 3, 0 },
		{ OPENAI, 530, "", OUTCOME_RETRY, 3, 0 },
		/* It will never do. */
		{ LOCAL, 501, "{\"error\": {\"code\": 501, \"message\": "
		    "\"This server does not support completions.\", \"type\": "
		    "\"not_supported_error\"}}", OUTCOME_FAIL, 0, 0 },
		{ LOCAL, 505, "", OUTCOME_FAIL, 0, 0 },
	};

	(void)state;
	CHECK(v);
}

static void
rows_28_and_29_everything_else_fails(void **state)
{
	static const int statuses[] = { 300, 301, 302, 307, 308, 399, 405,
	    406, 410, 413, 418, 424, 431, 451, 499, 600, 999 };
	int most;

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		got(OPENAI, statuses[i], "");
		assert_int_equal(reply.outcome, OUTCOME_FAIL);
		assert_int_equal(reply.most_retries, 0);
		assert_int_equal(reply.also, 0);
	}
	assert_int_equal(outcome("", -1, NULL, NULL, &most), OUTCOME_FAIL);
	assert_int_equal(outcome("", 700, NULL, NULL, &most), OUTCOME_FAIL);
	/* Row 30 is section 6; who asks here all the same is told to take care. */
	assert_int_equal(outcome("", 0, "", "", &most), OUTCOME_RETRY);
	assert_int_equal(most, 2);
}

/* --- section 6 -------------------------------------------------------------- */

static void
row_30_without_a_status_it_counts_what_was_sent(void **state)
{
	static const struct {
		const char *code;
		bool sent;
		enum outcome outcome;
		int most_retries;
		unsigned also;
	} v[] = {
		{ "dns", false, OUTCOME_RETRY, -1, 0 },
		{ "connect", false, OUTCOME_RETRY, -1, 0 },
		{ "tls", false, OUTCOME_RETRY, -1, 0 },
		{ "certificate", false, OUTCOME_STOP, 0, 0 },
		{ "url", false, OUTCOME_STOP, 0, 0 },
		{ "timeout", false, OUTCOME_RETRY, -1, 0 },
		{ "timeout", true, OUTCOME_RETRY, 2, ACTION_BILLED },
		{ "network", false, OUTCOME_RETRY, -1, 0 },
		{ "network", true, OUTCOME_RETRY, 2, ACTION_BILLED },
		{ "cut_off", true, OUTCOME_RETRY, 1, ACTION_BILLED },
		{ "bad_encoding", true, OUTCOME_RETRY, 1, ACTION_BILLED },
		{ "too_long", true, OUTCOME_FAIL, 0, ACTION_BILLED },
		{ "another", false, OUTCOME_RETRY, -1, 0 },
		{ "another", true, OUTCOME_RETRY, 2, ACTION_BILLED },
		{ NULL, true, OUTCOME_RETRY, 2, ACTION_BILLED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct wire_reply w = { .failure = "It broke",
		    .failure_code = v[i].code, .sent = v[i].sent,
		    .retry_after_ms = -1 };
		parse(OPENAI, &w);
		if (reply.outcome != v[i].outcome
		    || reply.most_retries != v[i].most_retries
		    || reply.also != v[i].also
		    || reply.maybe_billed != (v[i].also != 0))
			fail_msg("%s, %s", v[i].code, v[i].sent ? "sent"
			    : "not sent");
		assert_int_equal(reply.status, 0);
		assert_true(str_is(reply.code, v[i].code ? v[i].code
		    : "network"));
		assert_true(str_starts(reply.message, "It broke"));
	}
}

static void
who_does_not_listen_may_not_run(void **state)
{
	struct wire_reply w = { .failure = "Connection refused",
	    .failure_code = "connect", .retry_after_ms = -1 };

	(void)state;
	parse(OPENAI, &w);
	assert_true(str_is(reply.message,
	    "Connection refused; is the server running?"));
}

/* A 200 of which the rest did not come is as good as no status; of an error
 * the status is enough. */
static void
a_transfer_that_broke_counts_unless_the_status_is_an_error(void **state)
{
	struct wire_reply w = answer(200, "{\"choices\": [");

	(void)state;
	w.failure = "transfer closed";
	w.failure_code = "cut_off";
	w.sent = true;
	parse(OPENAI, &w);
	assert_int_equal(reply.outcome, OUTCOME_RETRY);
	assert_int_equal(reply.most_retries, 1);
	assert_true(reply.maybe_billed);
	w.status = 401;
	parse(OPENAI, &w);
	assert_int_equal(reply.outcome, OUTCOME_STOP);
	assert_false(reply.maybe_billed);
}

/* --- section 3 -------------------------------------------------------------- */

#define ENDED(word) "{\"choices\": [{\"message\": {\"content\": \"x\"}, " \
	"\"finish_reason\": \"" word "\"}]}"

static void
a_200_may_be_no_success(void **state)
{
	static const struct line v[] = {
		{ LOCAL, 200, "<html>", OUTCOME_RETRY, 1, ACTION_BILLED },
		{ LOCAL, 200, "{\"choices\": [", OUTCOME_RETRY, 1,
		    ACTION_BILLED },
		{ LOCAL, 200, ": keep-alive\n\n", OUTCOME_RETRY, 1,
		    ACTION_BILLED },
		{ LOCAL, 200, "{}", OUTCOME_RETRY, 1,
		    ACTION_BILLED | ACTION_THEN_FAIL },
		{ LOCAL, 200, "{\"choices\": []}", OUTCOME_RETRY, 1,
		    ACTION_BILLED | ACTION_THEN_FAIL },
		{ ROUTER, 200, ENDED("error"), OUTCOME_RETRY, 3,
		    ACTION_BILLED },
		{ "api.deepseek.com", 200, ENDED("insufficient_system_resource"),
		    OUTCOME_RETRY, 3, ACTION_BILLED },
		{ LOCAL, 200, ENDED("abort"), OUTCOME_RETRY, 3,
		    ACTION_BILLED },
	};
	static const char *const answers[] = {
		"length", "content_filter", "refusal", "stop", "abortive",
		"errors", "other", "model_context_window_exceeded",
	};

	(void)state;
	CHECK(v);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		char body[160];
		snprintf(body, sizeof(body), ENDED("%s"), answers[i]);
		got(LOCAL, 200, body);
		assert_int_equal(reply.outcome, OUTCOME_OK);
		assert_int_equal(reply.n, 1);
		assert_int_equal(reply.also, 0);
		assert_false(reply.maybe_billed);
	}
	got(LOCAL, 200, ": OPENROUTER PROCESSING\n\n" ENDED("stop"));
	assert_int_equal(reply.outcome, OUTCOME_OK);
}

/* Classified as if its code were the status; and the model had begun. */
static void
an_error_in_a_200_is_classified_by_its_code(void **state)
{
	static const struct {
		const char *body;
		int status;
		enum outcome outcome;
		int most_retries;
		unsigned also;
	} v[] = {
		{ "{\"error\": {\"code\": 502, \"message\": \"Provider "
		    "disconnected\", \"metadata\": {\"error_type\": "
		    "\"provider_unavailable\"}}}", 502, OUTCOME_RETRY, 3, 0 },
		{ "{\"error\": {\"code\": 429, \"message\": \"x\"}}", 429,
		    OUTCOME_WAIT, -1, 0 },
		{ "{\"error\": {\"code\": \"401\"}}", 401, OUTCOME_STOP, 0,
		    0 },
		{ "{\"error\": {\"code\": 503}}", 503, OUTCOME_RETRY, -1,
		    ACTION_SLOW },
		{ "{\"error\": {\"code\": 400}}", 400, OUTCOME_FAIL, 0,
		    ACTION_ODD },
		/* By its word, where there is no number. */
		{ "{\"error\": {\"code\": \"insufficient_quota\"}}", 429,
		    OUTCOME_STOP, 0, 0 },
		{ "{\"error\": {\"type\": \"overloaded_error\"}}", 503,
		    OUTCOME_RETRY, -1, ACTION_SLOW },
		{ "{\"error\": {\"metadata\": {\"error_type\": "
		    "\"context_length_exceeded\"}}}", 400, OUTCOME_NEXT, 0, 0 },
		{ "{\"error\": {\"code\": \"model_not_found\"}}", 404,
		    OUTCOME_TIER, 0, 0 },
		{ "{\"error\": {\"type\": \"authentication_error\"}}", 401,
		    OUTCOME_STOP, 0, 0 },
		{ "{\"error\": {\"metadata\": {\"error_type\": "
		    "\"payment_required\"}}}", 402, OUTCOME_STOP, 0, 0 },
		{ "{\"error\": {\"metadata\": {\"error_type\": "
		    "\"in_flight_budget\"}}}", 402, OUTCOME_WAIT, -1, 0 },
		{ "{\"error\": {\"metadata\": {\"error_type\": "
		    "\"content_policy_violation\"}}}", 403, OUTCOME_NEXT, 0,
		    0 },
		{ "{\"error\": {\"metadata\": {\"error_type\": "
		    "\"timeout\"}}}", 504, OUTCOME_RETRY, 3, 0 },
		{ "{\"error\": {\"code\": 7}}", 500, OUTCOME_RETRY, 3, 0 },
		{ "{\"error\": {\"code\": 200}}", 500, OUTCOME_RETRY, 3, 0 },
		/* xAI's */
		{ "{\"code\": \"The service is currently unavailable\", "
		    "\"error\": \"The model is at capacity. Please try again "
		    "later.\"}", 500, OUTCOME_RETRY, 3, 0 },
		/* It counts beside choices. */
		{ "{\"choices\": [{\"message\": {\"content\": \"x\"}}], "
		    "\"error\": {\"code\": 503}}", 503, OUTCOME_RETRY, -1,
		    ACTION_SLOW },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		got(LOCAL, 200, v[i].body);
		if (reply.outcome != v[i].outcome
		    || reply.most_retries != v[i].most_retries
		    || reply.also != (v[i].also | ACTION_BILLED)
		    || reply.status != v[i].status || !reply.maybe_billed)
			fail_msg("%s: %d, %s, %d, %#x", v[i].body,
			    reply.status, outcome_name(reply.outcome),
			    reply.most_retries, reply.also);
	}
}

/* What other wire formats say, of which no answer is parsed here. */
static void
endings_of_all_formats_are_known(void **state)
{
	static const struct {
		const char *word;
		enum finish finish;
		enum outcome outcome;
		int most_retries;
	} v[] = {
		{ "end_turn", FINISH_STOP, OUTCOME_OK, 0 },
		{ "MAX_TOKENS", FINISH_LENGTH, OUTCOME_OK, 0 },
		{ "incomplete", FINISH_LENGTH, OUTCOME_OK, 0 },
		{ "SAFETY", FINISH_REFUSED, OUTCOME_OK, 0 },
		{ "RECITATION", FINISH_REFUSED, OUTCOME_OK, 0 },
		{ "PROHIBITED_CONTENT", FINISH_REFUSED, OUTCOME_OK, 0 },
		{ "BLOCKLIST", FINISH_REFUSED, OUTCOME_OK, 0 },
		{ "SPII", FINISH_REFUSED, OUTCOME_OK, 0 },
		{ "MALFORMED_RESPONSE", FINISH_OTHER, OUTCOME_RETRY, 1 },
		{ "OTHER", FINISH_OTHER, OUTCOME_RETRY, 1 },
		{ "Other", FINISH_OTHER, OUTCOME_OK, 0 },
		{ "", FINISH_STOP, OUTCOME_OK, 0 },
	};
	enum finish f;
	struct action a;

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		a = outcome_of_finish(str_of(v[i].word), &f);
		assert_int_equal(f, v[i].finish);
		assert_int_equal(a.outcome, v[i].outcome);
		assert_int_equal(a.most_retries, v[i].most_retries);
		assert_int_equal(!!(a.also & ACTION_BILLED),
		    a.outcome != OUTCOME_OK);
	}
	a = outcome_of_200("incomplete");
	assert_int_equal(a.outcome, OUTCOME_RETRY);
	assert_int_equal(a.most_retries, 1);
	assert_int_equal(a.also, ACTION_BILLED);
}

/* The words of a table cell match nothing but whole codes. */
static void
codes_are_compared_whole(void **state)
{
	int most;

	(void)state;
	assert_int_equal(outcome(OPENAI, 400, "context_length", "", &most),
	    OUTCOME_FAIL);
	assert_int_equal(outcome(OPENAI, 400, "context_length_exceeded_x", "",
	    &most), OUTCOME_FAIL);
	assert_int_equal(outcome(OPENAI, 400, "|", "", &most), OUTCOME_FAIL);
	assert_int_equal(outcome(OPENAI, 429, "_spend_limit_exceeded", "",
	    &most), OUTCOME_STOP);
	assert_int_equal(outcome(OPENAI, 429, "spend_limit_exceeded", "",
	    &most), OUTCOME_WAIT);
}

static void
messages_are_compared_in_any_case(void **state)
{
	int most;

	(void)state;
	assert_int_equal(outcome(OPENAI, 400, "", "PROMPT IS TOO LONG", &most),
	    OUTCOME_NEXT);
	assert_int_equal(outcome(OPENAI, 429, "", "resource unavailable",
	    &most), OUTCOME_RETRY);
}

static void
hosts_are_compared_by_whole_names(void **state)
{
	int most;

	(void)state;
	assert_int_equal(outcome("together.xyz", 403, "", "", &most),
	    OUTCOME_NEXT);
	assert_int_equal(outcome("eu.api.together.xyz", 403, "", "", &most),
	    OUTCOME_NEXT);
	assert_int_equal(outcome("nottogether.xyz", 403, "", "", &most),
	    OUTCOME_STOP);
	assert_int_equal(outcome("together.xyz.example", 403, "", "", &most),
	    OUTCOME_STOP);
}

static void
every_outcome_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_OK), "ok");
	assert_string_equal(outcome_name(OUTCOME_RETRY), "retry");
	assert_string_equal(outcome_name(OUTCOME_WAIT), "wait");
	assert_string_equal(outcome_name(OUTCOME_NEXT), "next");
	assert_string_equal(outcome_name(OUTCOME_FAIL), "fail");
	assert_string_equal(outcome_name(OUTCOME_TIER), "tier");
	assert_string_equal(outcome_name(OUTCOME_STOP), "stop");
}

/* --- waiting -------------------------------------------------------------- */

static void
waits_are_read_from_messages(void **state)
{
	static const struct { const char *message; int64_t ms; } v[] = {
		{ "Please try again in 18.642s. Visit x", 18642 },
		{ "Please try again in 174ms.", 174 },
		{ "Please try again in 1m12s.", 72000 },
		{ "Please try again in 6h0m0s.", 21600000 },
		{ "Please try again in 6m0s", 360000 },
		{ "Please try again in 1h2m3.5s", 3723500 },
		{ "Please try again in 12ms", 12 },
		{ "Please try again in 0s", 0 },
		{ "Please retry in 26.5s.", 26500 },
		{ "Please retry in 2m59.56s.", 179560 },
		{ "Please retry after 6 seconds.", 6000 },
		{ "Please retry after 1 second.", 1000 },
		{ "exceeded token rate limit. Please retry after 10 minutes",
		    600000 },
		{ "try again in 99999999999999999999999999999999h",
		    LIMITS_MOST_MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		if (outcome_wait_in(str_of(v[i].message)) != v[i].ms)
			fail_msg("%s: %d", v[i].message,
			    (int)outcome_wait_in(str_of(v[i].message)));
}

/* To wait a little less than was asked for is to be refused again. */
static void
parts_of_a_millisecond_are_waited_for(void **state)
{
	(void)state;
	assert_int_equal(outcome_wait_in(STR("Please try again in 8.7199s.")),
	    8720);
	assert_int_equal(outcome_wait_in(STR("Please try again in 0.4ms.")),
	    1);
}

static void
where_there_is_no_time_there_is_none(void **state)
{
	static const char *const v[] = {
		"", "Please try again later.", "try again in ", "try again in",
		"try again in a moment", "try again in 5", "try again in s",
		"try again in .", "try again in .5s", "try again in -5s",
		"try again in 5 parsecs", "retry after Monday",
		"try again in 1e9s", "limit 18.642s", "in 5s",
		"try again in 5..5s", "try again in \xff\xfes",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		if (outcome_wait_in(str_of(v[i])) != -1)
			fail_msg("%s: %d", v[i],
			    (int)outcome_wait_in(str_of(v[i])));
	assert_int_equal(outcome_wait_in((struct str){ NULL, 0 }), -1);
}

static void
a_wait_is_not_read_past_the_end_of_the_text(void **state)
{
	static const char text[] = "try again in 12s";

	(void)state;
	assert_int_equal(outcome_wait_in((struct str){ text,
	    sizeof(text) - 2 }), -1);
	assert_int_equal(outcome_wait_in((struct str){ text,
	    sizeof(text) - 1 }), 12000);
}

static void
a_header_comes_before_the_words(void **state)
{
	struct wire_reply w = answer(429, "{\"error\":{\"message\":\"Please "
	    "try again in 5s\"}}");

	(void)state;
	parse(OPENAI, &w);
	assert_int_equal(reply.wait_ms, 5000);
	w.retry_after_ms = 1250;
	parse(OPENAI, &w);
	assert_int_equal(reply.wait_ms, 1250);
	w.retry_after_ms = 0;
	parse(OPENAI, &w);
	assert_int_equal(reply.wait_ms, 0);
	w = answer(500, "");
	parse(OPENAI, &w);
	assert_int_equal(reply.wait_ms, -1);
}

#define DELAY(d) "{\"@type\": \"type.googleapis.com/google.rpc.RetryInfo\", " \
	"\"retryDelay\": " d "}"
#define GEMINI_429(details) "{\"error\": {\"code\": 429, \"message\": " \
	"\"Please retry in 5s.\", \"status\": \"RESOURCE_EXHAUSTED\", " \
	"\"details\": " details "}}"

/* Gemini has no header for it; its details come before its words. */
static void
a_wait_is_read_from_geminis_details(void **state)
{
	static const struct { const char *body; int64_t ms; } v[] = {
		{ GEMINI_429("[" DELAY("\"26s\"") "]"), 26000 },
		{ GEMINI_429("[" DELAY("\"26.527s\"") "]"), 26527 },
		{ GEMINI_429("[" DELAY("\"0s\"") "]"), 0 },
		{ GEMINI_429("[" DELAY("\"7s\"") "," DELAY("\"9s\"") ","
		    DELAY("\"8s\"") "]"), 9000 },
		{ GEMINI_429("[" DELAY("\"99999999999999999999s\"") "]"),
		    LIMITS_MOST_MS },
		/* What is none leaves it to the words. */
		{ GEMINI_429("[" DELAY("\"-1s\"") "]"), 5000 },
		{ GEMINI_429("[" DELAY("\"26\"") "]"), 5000 },
		{ GEMINI_429("[" DELAY("\"26s x\"") "]"), 5000 },
		{ GEMINI_429("[" DELAY("{\"seconds\": 26}") "]"), 5000 },
		{ GEMINI_429("[null, 7, \"retryDelay\"]"), 5000 },
		{ GEMINI_429("\"26s\""), 5000 },
	};
	struct wire_reply w = answer(429, v[0].body);

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		got(GEMINI, 429, v[i].body);
		if (reply.wait_ms != v[i].ms)
			fail_msg("%s: %lld", v[i].body,
			    (long long)reply.wait_ms);
	}
	w.retry_after_ms = 1000;
	parse(GEMINI, &w);
	assert_int_equal(reply.wait_ms, 1000);
}

/* Bounds of the delay before one retry, and that both are come near. */
static void
delays_lie_in(int retry, bool slow, int64_t wait_ms, int64_t low, int64_t high)
{
	int64_t least = INT64_MAX, most = -1;
	struct rng rng;

	rng_seed(&rng, 42);
	for (int i = 0; i < 4000; i++) {
		int64_t d = outcome_delay(&rng, retry, slow, wait_ms);
		least = d < least ? d : least;
		most = d > most ? d : most;
	}
	assert_true(least >= low);
	assert_true(most <= high);
	assert_true(least <= low + (high - low) / 100);
	assert_true(most >= high - (high - low) / 100 - 1);
}

static void
a_delay_is_anything_up_to_twice_the_one_before(void **state)
{
	(void)state;
	delays_lie_in(0, false, -1, 0, 1000);
	delays_lie_in(1, false, -1, 0, 2000);
	delays_lie_in(2, false, -1, 0, 4000);
	delays_lie_in(5, false, -1, 0, 32000);
}

static void
a_server_without_capacity_is_given_more_time(void **state)
{
	(void)state;
	delays_lie_in(0, true, -1, 0, 4000);
	delays_lie_in(1, true, -1, 0, 8000);
	delays_lie_in(3, true, -1, 0, 32000);
	delays_lie_in(4, true, -1, 0, 60000);
	delays_lie_in(0, true, 5000, 5000, 5500);
}

static void
a_delay_is_a_minute_at_most(void **state)
{
	(void)state;
	delays_lie_in(6, false, -1, 0, 60000);
	delays_lie_in(7, false, -1, 0, 60000);
	delays_lie_in(1000, false, -1, 0, 60000);
	delays_lie_in(INT32_MAX, true, -1, 0, 60000);
	delays_lie_in(-5, false, -1, 0, 1000);
}

static void
the_jitter_is_even(void **state)
{
	int64_t sum = 0;
	int low = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (int i = 0; i < 10000; i++) {
		int64_t d = outcome_delay(&rng, 3, false, -1);
		sum += d;
		low += d < 2000;
	}
	assert_in_range(sum / 10000, 3850, 4150);
	assert_in_range(low, 2300, 2700);
}

static void
a_wish_of_the_server_is_met_to_the_letter(void **state)
{
	(void)state;
	delays_lie_in(0, false, 18642, 18642, 19642);
	delays_lie_in(0, false, 5000, 5000, 5500);
	delays_lie_in(4, false, 5000, 5000, 5500);
	delays_lie_in(0, false, 100, 100, 110);
	delays_lie_in(9, false, 1, 1, 1);
	delays_lie_in(0, false, 60000, 60000, 61000);
	delays_lie_in(0, false, 86400000, 86400000, 86401000);
	delays_lie_in(0, false, LIMITS_MOST_MS, LIMITS_MOST_MS,
	    LIMITS_MOST_MS + 1000);
	delays_lie_in(0, false, INT64_MAX, INT64_MAX, INT64_MAX);
}

/* All clients of a server that says "at once" would come at once. */
static void
a_wish_for_no_wait_is_a_backoff(void **state)
{
	(void)state;
	delays_lie_in(0, false, 0, 0, 1000);
	delays_lie_in(2, false, 0, 0, 4000);
	delays_lie_in(0, true, 0, 0, 4000);
	delays_lie_in(0, false, INT64_MIN, 0, 1000);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(row_1_a_server_may_forbid_a_retry),
		T(row_2_a_wrong_key_stops_the_run),
		T(row_3_gemini_says_400_to_a_wrong_key),
		T(row_4_an_exhausted_quota_stops_the_run),
		T(rows_5_and_6_anthropic_says_429_and_400_without_money),
		T(rows_7_and_8_402_stops_the_run_unless_money_is_only_reserved),
		T(rows_9_and_10_a_limit_of_the_day_ends_the_tier),
		T(rows_3_and_9_gemini_says_why_in_the_details),
		T(row_11_one_request_larger_than_the_limit_never_fits),
		T(rows_12_to_14_too_fast_waits),
		T(row_15_a_prompt_that_is_too_long_goes_on),
		T(rows_16_and_17_a_refused_prompt_fails_alone),
		T(row_18_moderation_at_a_router_goes_on),
		T(row_19_a_setting_that_is_refused_ends_the_tier),
		T(row_20_a_model_that_is_not_there_ends_the_tier),
		T(row_21_a_forbidden_account_stops_the_run),
		T(row_22_any_other_bad_request_fails),
		T(rows_23_to_27_trouble_at_the_server_is_tried_again),
		T(rows_28_and_29_everything_else_fails),
		T(row_30_without_a_status_it_counts_what_was_sent),
		T(who_does_not_listen_may_not_run),
		T(a_transfer_that_broke_counts_unless_the_status_is_an_error),
		T(a_200_may_be_no_success),
		T(an_error_in_a_200_is_classified_by_its_code),
		T(endings_of_all_formats_are_known),
		T(codes_are_compared_whole),
		T(messages_are_compared_in_any_case),
		T(hosts_are_compared_by_whole_names),
		T(every_outcome_has_a_name),
		T(waits_are_read_from_messages),
		T(parts_of_a_millisecond_are_waited_for),
		T(where_there_is_no_time_there_is_none),
		T(a_wait_is_not_read_past_the_end_of_the_text),
		T(a_header_comes_before_the_words),
		T(a_wait_is_read_from_geminis_details),
		T(a_delay_is_anything_up_to_twice_the_one_before),
		T(a_server_without_capacity_is_given_more_time),
		T(a_delay_is_a_minute_at_most),
		T(the_jitter_is_even),
		T(a_wish_of_the_server_is_met_to_the_letter),
		T(a_wish_for_no_wait_is_a_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
