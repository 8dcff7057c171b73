/*
 * outcome.c -- failures told apart by a table that is read from the top: the
 * first row that fits decides. The numbers are those of the table's source,
 * the page "Errors, retries, and what a lost request costs", section 2.
 */
#include "providers/outcome.h"

#include <math.h>
#include <string.h>

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

#define TOO_LARGE (1u << 0) /* or the message says Requested > Limit */
#define REASONS   (1u << 1) /* or the error lists moderation reasons */

/* Every column that is not NULL must fit. Words are separated by '|'. */
struct row {
	int number;           /* in the source's table */
	const char *host;     /* ends in */
	const char *status;   /* one of, or a range: "520-524" */
	const char *code;     /* code or type is one of; *word: ends in it */
	const char *message;  /* it or the details contain one of, in any case */
	unsigned also;
	enum outcome outcome;
	int most_retries;     /* -1: as configured */
};

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

static const struct row table[] = {
	{ 2, NULL, "401", NULL, NULL, 0, OUTCOME_STOP, 0 },
	{ 3, "googleapis.com", "400", NULL, "API_KEY_INVALID", 0,
	    OUTCOME_STOP, 0 },
	{ 3, "googleapis.com", "400", "FAILED_PRECONDITION", NULL, 0,
	    OUTCOME_STOP, 0 },
	{ 4, NULL, "429", QUOTA, NULL, 0, OUTCOME_STOP, 0 },
	{ 5, "anthropic.com", "429",
	    "enforced_spend_limit_reached|contract_spend_limit_reached", NULL,
	    0, OUTCOME_STOP, 0 },
	{ 6, "anthropic.com", "400", NULL, "credit balance is too low"
	    "|reached your specified api usage limits", 0, OUTCOME_STOP, 0 },
	{ 6, "anthropic.com", "400", "organization_on_hold", NULL, 0,
	    OUTCOME_STOP, 0 },
	{ 7, NULL, "402", "in_flight_budget", NULL, 0, OUTCOME_WAIT, -1 },
	{ 7, NULL, "402", NULL, "in_flight_budget", 0, OUTCOME_WAIT, -1 },
	{ 8, NULL, "402", NULL, NULL, 0, OUTCOME_STOP, 0 },
	{ 9, "googleapis.com", "429", NULL, "PerDay", 0, OUTCOME_TIER, 0 },
	{ 10, "groq.com", "429", NULL, "requests per day (RPD)"
	    "|tokens per day (TPD)", 0, OUTCOME_TIER, 0 },
	{ 11, NULL, "413|429", NULL, NULL, TOO_LARGE, OUTCOME_NEXT, 0 },
	{ 12, NULL, "429", "slow_down|ramp_limit_exceeded", NULL, 0,
	    OUTCOME_WAIT, -1 },
	{ 13, NULL, "429", NULL, "resource unavailable", 0, OUTCOME_RETRY,
	    -1 },
	{ 13, NULL, "498", NULL, NULL, 0, OUTCOME_RETRY, -1 },
	{ 14, NULL, "429", NULL, NULL, 0, OUTCOME_WAIT, -1 },
	{ 15, NULL, "400|413|422", TOO_LONG_CODES, NULL, 0, OUTCOME_NEXT, 0 },
	{ 15, NULL, "400|413|422", NULL, TOO_LONG_WORDS, 0, OUTCOME_NEXT, 0 },
	{ 15, "together.xyz", "403", NULL, NULL, 0, OUTCOME_NEXT, 0 },
	{ 15, "together.ai", "403", NULL, NULL, 0, OUTCOME_NEXT, 0 },
	{ 16, NULL, "400", "content_filter", NULL, 0, OUTCOME_FAIL, 0 },
	{ 17, NULL, "400", "content_policy_violation|invalid_prompt", NULL, 0,
	    OUTCOME_FAIL, 0 },
	{ 18, NULL, "403", NULL, NULL, REASONS, OUTCOME_NEXT, 0 },
	{ 18, NULL, "403", "content_policy_violation", NULL, 0, OUTCOME_NEXT,
	    0 },
	{ 19, NULL, "400|422", BAD_SETTING_CODES, NULL, 0, OUTCOME_TIER, 0 },
	{ 19, NULL, "400|422", NULL, BAD_SETTING_WORDS, 0, OUTCOME_TIER, 0 },
	{ 20, NULL, "404", NULL, NULL, 0, OUTCOME_TIER, 0 },
	{ 21, "anthropic.com", "403", "permission_error", NULL, 0,
	    OUTCOME_TIER, 0 },
	{ 21, NULL, "403", NULL, NULL, 0, OUTCOME_STOP, 0 },
	{ 22, NULL, "400|422", NULL, NULL, 0, OUTCOME_FAIL, 0 },
	{ 23, NULL, "408|409", NULL, NULL, 0, OUTCOME_RETRY, -1 },
	{ 24, NULL, "503|529", NULL, NULL, 0, OUTCOME_RETRY, -1 },
	{ 26, "googleapis.com", "500", NULL, NULL, 0, OUTCOME_RETRY, 2 },
	{ 27, NULL, "500-599", NULL, NULL, 0, OUTCOME_RETRY, 3 },
	{ 29, NULL, NULL, NULL, NULL, 0, OUTCOME_FAIL, 0 }, /* and 28: 3xx */
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
host_fits(struct str host, const char *end)
{
	size_t n = strlen(end);

	return str_ends(host, end)
	    && (host.n == n || host.p[host.n - n - 1] == '.');
}

static bool
fits(const struct row *r, const struct failure *f)
{
	if (r->host && !host_fits(f->host, r->host))
		return false;
	if (r->status && !status_fits(f->status, r->status))
		return false;
	if (r->code && !code_fits(f->code, r->code)
	    && !code_fits(f->type, r->code))
		return false;
	if (r->message && !message_fits(f->message, r->message)
	    && !message_fits(f->details, r->message))
		return false;
	if ((r->also & TOO_LARGE) && !too_large(f->message))
		return false;
	return !(r->also & REASONS) || f->has_reasons;
}

enum outcome
outcome_of(const struct failure *f, int *most_retries)
{
	const struct row *r = table;

	while (!fits(r, f)) /* the last row fits everything */
		r++;
	*most_retries = r->most_retries;
	return r->outcome;
}

/* --- waiting --------------------------------------------------------------- */

/* A number and its unit at *s: "18.642s", "6 seconds", "1m", "174ms". */
static bool
one_span(struct str *s, double *ms)
{
	static const struct { const char *name; double ms; } units[] = {
		{ "ms", 1 }, { "milliseconds", 1 }, { "s", 1e3 },
		{ "sec", 1e3 }, { "second", 1e3 }, { "seconds", 1e3 },
		{ "m", 6e4 }, { "min", 6e4 }, { "minute", 6e4 },
		{ "minutes", 6e4 }, { "h", 3.6e6 }, { "hour", 3.6e6 },
		{ "hours", 3.6e6 },
	};
	size_t n = 0, from;
	double v;

	while (n < s->n && ((s->p[n] >= '0' && s->p[n] <= '9')
	    || (s->p[n] == '.' && n + 1 < s->n && s->p[n + 1] >= '0'
	    && s->p[n + 1] <= '9')))
		n++;
	if (!n || !str_to_double(str_sub(*s, 0, n), &v))
		return false;
	if (n < s->n && s->p[n] == ' ')
		n++;
	from = n;
	while (n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z')
		n++;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (str_is(str_sub(*s, from, n - from), units[i].name)) {
			*ms = v * units[i].ms;
			*s = str_sub(*s, n, s->n);
			return true;
		}
	return false;
}

int64_t
outcome_wait_in(struct str message)
{
	static const char *const before[] = {
		/* without their first letters, which may be capitals */
		"ry again in ", "etry in ", "etry after ",
	};
	double sum = 0, one;
	int spans = 0;

	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		ptrdiff_t at = str_find(message, str_of(before[i]));
		if (at < 0)
			continue;
		struct str s = str_sub(message, (size_t)at
		    + strlen(before[i]), message.n);
		while (spans < 4 && one_span(&s, &one)) {
			sum += one;
			spans++;
		}
		return spans && sum < 1e12 ? (int64_t)ceil(sum) : -1;
	}
	return -1;
}

int64_t
outcome_delay(struct rng *rng, int retry, int64_t wait_ms)
{
	int64_t cap = 60000, delay = 1000;

	if (wait_ms >= 0) {
		if (wait_ms > OUTCOME_MAX_WAIT_MS)
			wait_ms = OUTCOME_MAX_WAIT_MS;
		delay = wait_ms / 10 < 1000 ? wait_ms / 10 : 1000;
		return wait_ms + (int64_t)(rng_unit(rng) * (double)delay);
	}
	for (int i = 0; i < retry && delay < cap; i++)
		delay *= 2;
	if (delay > cap)
		delay = cap;
	return (int64_t)(rng_unit(rng) * (double)(delay + 1));
}
