/*
 * quirks.c -- what is known of the servers that speak OpenAI's wire format,
 * as a table. Nothing in it is a guess: what is not known stays unset.
 */
#include "providers/provider.h"

#define OLLAMA_PORT "11434"

struct quirk {
	const char *host; /* exact, "*.suffix", or "*" for any */
	const char *port; /* NULL: any */
	enum tristate n;
	enum tristate logprobs; /* UNSET: it depends on the model, or unknown */
	enum limit_field limit_field; /* UNSET: max_tokens */
	enum logprobs_style logprobs_style;
	bool random_seed;
	enum auth_style auth; /* UNSET: bearer */
};

/* The first row that fits counts. The last one fits everything. */
static const struct quirk quirks[] = {
	{ .host = "api.openai.com", .n = YES,
	    .limit_field = LIMIT_MAX_COMPLETION_TOKENS },
	{ .host = "*.openai.azure.com", .n = YES, .auth = AUTH_API_KEY,
	    .limit_field = LIMIT_MAX_COMPLETION_TOKENS },
	/* What an upstream of theirs does not know is dropped silently. */
	{ .host = "openrouter.ai", .n = NO },
	{ .host = "api.together.xyz", .n = YES,
	    .logprobs_style = LOGPROBS_INTEGER },
	{ .host = "api.together.ai", .n = YES,
	    .logprobs_style = LOGPROBS_INTEGER },
	/* More than one choice is a 400; no model has log-probabilities. */
	{ .host = "api.groq.com", .n = NO, .logprobs = NO },
	{ .host = "api.mistral.ai", .n = YES, .logprobs = NO,
	    .random_seed = true },
	{ .host = "api.deepseek.com", .n = NO },
	{ .host = "api.x.ai", .n = YES },
	/* Ollama ignores both n and max_completion_tokens. */
	{ .host = "*", .port = OLLAMA_PORT, .n = NO },
	{ .host = "*" },
};

static bool
host_fits(const char *pattern, struct str host)
{
	struct str suffix = str_of(pattern + 1);

	if (pattern[0] != '*')
		return str_is_nocase(host, pattern);
	return suffix.n == 0 || (host.n > suffix.n &&
	    str_is_nocase(str_sub(host, host.n - suffix.n, suffix.n),
	    suffix.p));
}

/* The last row fits everything, so there always is one. */
static const struct quirk *
quirk_of(struct str host, struct str port)
{
	const struct quirk *q = quirks;

	while (!host_fits(q->host, host) || (q->port && !str_is(port, q->port)))
		q++;
	return q;
}

void
provider_quirks(struct provider *p)
{
	const struct quirk *q;
	struct url_parts url = { .https = false };

	if (!provider_url_parse(p->url, &url))
		url.port = STR("");
	q = quirk_of(p->host, url.port);
	if (p->n == UNSET)
		p->n = q->n;
	if (p->logprobs == UNSET)
		p->logprobs = q->logprobs;
	if (p->limit_field == LIMIT_UNSET)
		p->limit_field = q->limit_field ? q->limit_field :
		    LIMIT_MAX_TOKENS;
	if (p->auth == AUTH_UNSET)
		p->auth = q->auth ? q->auth : AUTH_BEARER;
	/* Not to be chosen in the configuration, so there is nothing to keep. */
	p->logprobs_style = q->logprobs_style;
	p->random_seed = q->random_seed;
}
