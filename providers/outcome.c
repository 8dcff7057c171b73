/*
 * outcome.c -- failures told apart by tables that are read from the top: the
 * first row that fits decides. The numbers of the rows are those of the page
 * "Errors, retries, and what a lost request costs".
 */
#include "providers/outcome.h"

#include <string.h>

#include "providers/limits.h"

const char *
outcome_name(enum outcome o)
{
	static const char *const names[] = {
		[OUTCOME_OK] = "ok",     [OUTCOME_RETRY] = "retry",
		[OUTCOME_WAIT] = "wait", [OUTCOME_NEXT] = "next",
		[OUTCOME_FAIL] = "fail", [OUTCOME_TIER] = "tier",
		[OUTCOME_STOP] = "stop",
	};
	return names[o];
}

/* --- section 2: failures by status and body ---------------------------------- */

/* What a row asks for besides its columns. */
#define TOO_LARGE (1u << 0) /* the message says Requested > Limit */
#define REASONS   (1u << 1) /* the error lists moderation reasons */
#define PER_DAY   (1u << 2) /* a quota of the day is used up */
#define IN_TYPE   (1u << 3) /* the code column is compared with error.type */
#define NO_RETRY  (1u << 4) /* the server said x-should-retry: false */

#define GO_ON (1u << 31) /* in `also`: the rest of the table decides, but
                            nothing is retried */

/* Every column that is not NULL must fit. Words are separated by '|'. */
struct row {
	int number;          /* in section 2 */
	const char *host;    /* is one of, or lies in it */
	const char *status;  /* one of, or a range: "520-524" */
	const char *code;    /* failure_word() or a deeper one; *x: ends in x */
	const char *message; /* it or the details contain one of, in any case */
	unsigned asks;
	struct action action;
};

#define RETRY(most, also) { OUTCOME_RETRY, most, also }
#define WAIT(also) { OUTCOME_WAIT, -1, also }
#define NEXT { OUTCOME_NEXT, 0, 0 }
#define FAIL(also) { OUTCOME_FAIL, 0, also }
#define TIER { OUTCOME_TIER, 0, 0 }
#define STOP { OUTCOME_STOP, 0, 0 }

#define ANTHROPIC "anthropic.com"
#define GEMINI "googleapis.com"
#define GROQ "groq.com"
#define TOGETHER "together.xyz|together.ai"

#define QUOTA "insufficient_quota|credit_balance_exhausted" \
	"|*_spend_limit_exceeded|*_usage_limit_exceeded" \
	"|billing_hard_limit_reached"
#define TOO_LONG_CODES "context_length_exceeded|exceed_context_size_error" \
	"|request_too_large"
#define TOO_LONG_WORDS "maximum context length|prompt is too long" \
	"|exceeds the maximum number of tokens|available context size"
#define BAD_SETTING_CODES "unsupported_parameter|unsupported_value" \
	"|invalid_value"
#define BAD_SETTING_WORDS "unrecognized request argument" \
	"|extra inputs are not permitted|unknown name|logprobs is not" \
	"|does not support the 'logprobs'"

/*
 * Where the page names a provider and this column does not, the row's words are
 * so much that provider's own that they mean the same behind a gateway.
 */
static const struct row table[] = {
	{ 1, NULL, NULL, NULL, NULL, NO_RETRY, RETRY(0, GO_ON) },
	{ 2, NULL, "401", NULL, NULL, 0, STOP },
	{ 3, GEMINI, "400", NULL, "API_KEY_INVALID", 0, STOP },
	{ 3, GEMINI, "400", "FAILED_PRECONDITION", NULL, 0, STOP },
	{ 4, NULL, "429", "insufficient_quota", NULL, IN_TYPE, STOP },
	{ 4, NULL, "429", QUOTA, NULL, 0, STOP },
	{ 5, ANTHROPIC, "429", "enforced_spend_limit_reached"
	    "|contract_spend_limit_reached", NULL, 0, STOP },
	{ 6, ANTHROPIC, "400", NULL, "credit balance is too low"
	    "|reached your specified api usage limits", 0, STOP },
	{ 6, ANTHROPIC, "400", "organization_on_hold", NULL, 0, STOP },
	{ 7, NULL, "402", "in_flight_budget", NULL, 0, WAIT(0) },
	{ 7, NULL, "402", NULL, "in_flight_budget", 0, WAIT(0) },
	{ 8, NULL, "402", NULL, NULL, 0, STOP },
	{ 9, GEMINI, "429", NULL, NULL, PER_DAY, TIER },
	{ 10, GROQ, "429", NULL, "requests per day (RPD)"
	    "|tokens per day (TPD)", 0, TIER },
	{ 11, NULL, "413|429", NULL, NULL, TOO_LARGE, NEXT },
	{ 12, NULL, "429", "slow_down|ramp_limit_exceeded", NULL, 0,
	    WAIT(ACTION_HALVE_RATE) },
	{ 13, NULL, "429", NULL, "resource unavailable", 0, RETRY(-1, 0) },
	{ 13, NULL, "498", NULL, NULL, 0, RETRY(-1, 0) },
	{ 14, NULL, "429", NULL, NULL, 0, WAIT(0) },
	{ 15, NULL, "400|413|422", TOO_LONG_CODES, NULL, 0, NEXT },
	{ 15, NULL, "400|413|422", NULL, TOO_LONG_WORDS, 0, NEXT },
	{ 15, TOGETHER, "403", NULL, NULL, 0, NEXT },
	/* Azure's filter ran, and may be billed. */
	{ 16, NULL, "400", "content_filter", NULL, 0, FAIL(ACTION_BILLED) },
	{ 17, NULL, "400", "content_policy_violation|invalid_prompt", NULL, 0,
	    FAIL(0) },
	{ 18, NULL, "403", NULL, NULL, REASONS, NEXT },
	{ 18, NULL, "403", "content_policy_violation", NULL, 0, NEXT },
	{ 19, NULL, "400|422", BAD_SETTING_CODES, NULL, 0, TIER },
	{ 19, NULL, "400|422", NULL, BAD_SETTING_WORDS, 0, TIER },
	{ 20, NULL, "404", NULL, NULL, 0, TIER },
	{ 21, ANTHROPIC, "403", "permission_error", NULL, 0, TIER },
	{ 21, NULL, "403", NULL, NULL, 0, STOP },
	{ 22, NULL, "400|422", NULL, NULL, 0, FAIL(ACTION_ODD) },
	/* Servers that speak OpenAI's format mean what OpenAI means. */
	{ 23, NULL, "408|409", NULL, NULL, 0, RETRY(-1, 0) },
	/* Before row 24, whose "all 503" would take it. */
	{ 25, NULL, "503", NULL, "maximum pending requests exceeded", 0,
	    RETRY(-1, ACTION_FEWER | ACTION_SLOW) },
	{ 24, NULL, "503|529", NULL, NULL, 0, RETRY(-1, ACTION_SLOW) },
	{ 26, GEMINI, "500", NULL, NULL, 0, RETRY(2, 0) },
	/* A gateway gave up waiting: the model may have answered it. */
	{ 27, NULL, "504|524", NULL, NULL, 0, RETRY(3, ACTION_BILLED) },
	{ 27, NULL, "500|502|520-523|530", NULL, NULL, 0, RETRY(3, 0) },
	{ 28, NULL, "300-399", NULL, NULL, 0, FAIL(0) },
	{ 29, NULL, "400-499", NULL, NULL, 0, FAIL(0) },
	{ 30, NULL, "0", NULL, NULL, 0, RETRY(2, ACTION_BILLED) },
	/* Not on the page. 501 and 505: it will never do. Other 5xx: trouble. */
	{ 31, NULL, "501|505", NULL, NULL, 0, FAIL(0) },
	{ 31, NULL, "500-599", NULL, NULL, 0, RETRY(3, 0) },
	{ 31, NULL, NULL, NULL, NULL, 0, FAIL(0) },
};

static bool
status_fits(int status, const char *words)
{
	struct str rest = str_of(words), word, from;
	int64_t a, b;

	while (rest.n) {
		str_cut(&rest, '|', &word);
		bool range = str_cut(&word, '-', &from);
		if (!str_to_i64(from, &a))
			continue;
		if (!range)
			b = a;
		else if (!str_to_i64(word, &b))
			continue;
		if (status >= a && status <= b)
			return true;
	}
	return false;
}

static bool
code_fits(struct str code, const char *words)
{
	struct str rest = str_of(words), word;

	if (!code.n)
		return false;
	while (rest.n) {
		str_cut(&rest, '|', &word);
		if (word.p[0] == '*') {
			struct str tail = str_sub(word, 1, word.n);
			if (code.n >= tail.n && str_eq(tail,
			    str_sub(code, code.n - tail.n, tail.n)))
				return true;
		} else if (str_eq(code, word)) {
			return true;
		}
	}
	return false;
}

static bool
message_fits(struct str message, const char *words)
{
	struct str rest = str_of(words), word;
	char one[96];

	while (rest.n) {
		str_cut(&rest, '|', &word);
		if (word.n >= sizeof(one))
			continue;
		memcpy(one, word.p, word.n);
		one[word.n] = '\0';
		if (str_has_nocase(message, one))
			return true;
	}
	return false;
}

static int64_t
number_after(struct str text, struct str word)
{
	ptrdiff_t at = str_find(text, word);
	int64_t v;
	size_t n = 0;

	if (at < 0)
		return -1;
	text = str_sub(text, (size_t)at + word.n, text.n);
	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return str_to_i64(str_sub(text, 0, n), &v) ? v : -1;
}

/* One request that alone is larger than the limit never fits. */
static bool
too_large(struct str message)
{
	int64_t limit, requested;

	if (str_starts(message, "Request too large"))
		return true;
	limit = number_after(message, STR("Limit "));
	requested = number_after(message, STR("Requested "));
	return limit >= 0 && requested > limit;
}

static bool
host_fits(struct str host, const char *words)
{
	struct str rest = str_of(words), word;

	while (rest.n) {
		str_cut(&rest, '|', &word);
		if (host.n < word.n || !str_eq(word, str_sub(host,
		    host.n - word.n, word.n)))
			continue;
		if (host.n == word.n || host.p[host.n - word.n - 1] == '.')
			return true;
	}
	return false;
}

static bool
is_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '-')
			return true;
	return false;
}

/* The page's rule: code, else type, else status. */
static struct str
first_word(const struct failure *f)
{
	if (is_word(f->code))
		return f->code;
	return is_word(f->type) ? f->type
	    : is_word(f->state) ? f->state : STR("");
}

struct str
failure_word(const struct failure *f)
{
	/* Deeper ones are the more exact. */
	if (is_word(f->detail_code))
		return f->detail_code;
	return is_word(f->error_type) ? f->error_type : first_word(f);
}

static bool
fits(const struct row *r, const struct failure *f)
{
	if (r->host && !host_fits(f->host, r->host))
		return false;
	if (r->status && !status_fits(f->status, r->status))
		return false;
	if (r->code && (r->asks & IN_TYPE))
		return code_fits(f->type, r->code);
	if (r->code && !code_fits(first_word(f), r->code)
	    && !code_fits(f->detail_code, r->code)
	    && !code_fits(f->error_type, r->code))
		return false;
	if (r->message && !message_fits(f->message, r->message)
	    && !message_fits(f->details, r->message))
		return false;
	return (!(r->asks & TOO_LARGE) || too_large(f->message))
	    && (!(r->asks & REASONS) || f->has_reasons)
	    && (!(r->asks & PER_DAY) || f->per_day)
	    && (!(r->asks & NO_RETRY) || f->should_not_retry);
}

struct action
outcome_of(const struct failure *f)
{
	const struct row *r = table;
	struct action a;
	bool no_retry = false;

	for (;; r++) { /* the last row fits everything */
		if (!fits(r, f))
			continue;
		if (!(r->action.also & GO_ON))
			break;
		no_retry = true;
	}
	a = r->action;
	if (no_retry)
		a.most_retries = 0;
	return a;
}

/* --- section 3: a 200 that is no success --------------------------------------- */

/* What else the section lists is an answer (see `endings`), or is classified by
 * section 2. */
static const struct {
	const char *what;
	struct action action;
} no_success[] = {
	{ "not_json", RETRY(1, ACTION_BILLED) },
	{ "no_choices", RETRY(1, ACTION_BILLED | ACTION_THEN_FAIL) },
	/* Every choice ended in one of the words of `endings` that say so. */
	{ "interrupted", RETRY(3, ACTION_BILLED) },
	/* A stream without an end: no finish_reason, message_stop, [DONE]. */
	{ "incomplete", RETRY(1, ACTION_BILLED) },
};

struct action
outcome_of_200(const char *what)
{
	const struct action careful = RETRY(1, ACTION_BILLED);

	for (size_t i = 0; i < sizeof(no_success) / sizeof(*no_success); i++)
		if (strcmp(what, no_success[i].what) == 0)
			return no_success[i].action;
	return careful;
}

#define ANSWER { OUTCOME_OK, 0, 0 }

/* finish_reason, stop_reason, finishReason, blockReason, and the status of the
 * Responses API. */
static const struct {
	const char *words;
	enum finish finish;
	struct action action;
} endings[] = {
	{ "stop|eos|end_turn|stop_sequence|STOP|completed", FINISH_STOP,
	    ANSWER },
	{ "length|max_tokens|MAX_TOKENS|model_length"
	    "|model_context_window_exceeded", FINISH_LENGTH, ANSWER },
	{ "incomplete", FINISH_LENGTH, ANSWER }, /* Responses API */
	{ "content_filter|refusal", FINISH_REFUSED, ANSWER },
	{ "SAFETY|RECITATION|PROHIBITED_CONTENT|BLOCKLIST|SPII|IMAGE_SAFETY"
	    "|LANGUAGE", FINISH_REFUSED, ANSWER }, /* Gemini */
	{ "tool_calls|function_call|tool_use", FINISH_TOOL, ANSWER },
	/* OpenRouter and Mistral; DeepSeek; vLLM */
	{ "error|insufficient_system_resource|abort", FINISH_OTHER,
	    RETRY(3, ACTION_BILLED) },
	/* Gemini; in capitals, so that no other server's "other" is meant */
	{ "MALFORMED_RESPONSE|OTHER", FINISH_OTHER, RETRY(1, ACTION_BILLED) },
};

struct action
outcome_of_finish(struct str word, enum finish *finish)
{
	const struct action answer = ANSWER;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (code_fits(word, endings[i].words)) {
			*finish = endings[i].finish;
			return endings[i].action;
		}
	*finish = word.n ? FINISH_OTHER : FINISH_STOP;
	return answer;
}

/* Words of errors that come inside a 200, at OpenRouter and in the Responses
 * API above all. */
static const struct {
	const char *codes;
	int status;
} within[] = {
	{ "invalid_api_key|authentication_error|authentication", 401 },
	{ "payment_required|billing_error|in_flight_budget", 402 },
	{ "permission_error|content_policy_violation", 403 },
	{ "model_not_found|not_found_error|not_found", 404 },
	{ QUOTA "|rate_limit_exceeded|rate_limit_error|slow_down", 429 },
	{ TOO_LONG_CODES "|" BAD_SETTING_CODES "|content_filter"
	    "|invalid_prompt|invalid_request_error|invalid_request", 400 },
	{ "server_is_overloaded|overloaded_error|provider_overloaded"
	    "|provider_unavailable", 503 },
	{ "timeout|timeout_error", 504 },
};

int
outcome_status_within(const struct failure *f)
{
	struct str word = failure_word(f);
	int64_t v;

	if (str_to_i64(f->code, &v) && v >= 300 && v <= 599)
		return (int)v;
	for (size_t i = 0; i < sizeof(within) / sizeof(*within); i++)
		if (code_fits(word, within[i].codes))
			return within[i].status;
	return 500;
}

/* --- section 6: no status came ------------------------------------------------- */

/* The words are what http.c makes of libcurl's codes. */
static const struct {
	const char *code; /* NULL: any other */
	int sent;         /* 0, 1, or -1: it does not matter */
	struct action action;
} transfers[] = {
	{ "dns", -1, RETRY(-1, 0) },
	{ "connect", -1, RETRY(-1, 0) },
	{ "tls", -1, RETRY(-1, 0) },
	{ "certificate", -1, STOP },
	{ "url", -1, STOP },
	{ "timeout", 0, RETRY(-1, 0) }, /* while connecting */
	{ "timeout", 1, RETRY(2, ACTION_BILLED) },
	/* Shorter than its Content-Length: also in section 3. */
	{ "cut_off", -1, RETRY(1, ACTION_BILLED) },
	{ "bad_encoding", -1, RETRY(1, ACTION_BILLED) },
	/* Our own doing: what came was too much for us, and would be again. */
	{ "too_long", -1, FAIL(ACTION_BILLED) },
	{ NULL, 0, RETRY(-1, 0) },
	{ NULL, 1, RETRY(2, ACTION_BILLED) },
};

struct action
outcome_of_transfer(const char *failure_code, bool sent)
{
	size_t i = 0;

	/* The last two rows fit everything. */
	while ((transfers[i].sent >= 0 && transfers[i].sent != sent)
	    || (transfers[i].code && (!failure_code
	    || strcmp(transfers[i].code, failure_code) != 0)))
		i++;
	return transfers[i].action;
}

/* --- waiting --------------------------------------------------------------- */

int64_t
outcome_wait_in(struct str message)
{
	static const char *const before[] = {
		/* without their first letters, which may be capitals */
		"ry again in ", "etry in ", "etry after ",
	};
	double ms;

	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		ptrdiff_t at = str_find(message, str_of(before[i]));
		if (at < 0)
			continue;
		struct str s = str_sub(message, (size_t)at
		    + strlen(before[i]), message.n);
		return limits_duration(&s, &ms) ? limits_whole_ms(ms) : -1;
	}
	return -1;
}

#define BASE_MS 1000
#define SLOW_BASE_MS 4000
#define CAP_MS 60000
#define MOST_JITTER_MS 1000

int64_t
outcome_delay(struct rng *rng, int retry, bool slow, int64_t wait_ms)
{
	int64_t delay = slow ? SLOW_BASE_MS : BASE_MS, jitter;

	if (wait_ms > 0) {
		jitter = wait_ms / 10 < MOST_JITTER_MS ? wait_ms / 10
		    : MOST_JITTER_MS;
		if (wait_ms > INT64_MAX - jitter)
			return wait_ms;
		return wait_ms
		    + (int64_t)(rng_unit(rng) * (double)(jitter + 1));
	}
	for (int i = 0; i < retry && delay < CAP_MS; i++)
		delay *= 2;
	if (delay > CAP_MS)
		delay = CAP_MS;
	return (int64_t)(rng_unit(rng) * (double)(delay + 1));
}
