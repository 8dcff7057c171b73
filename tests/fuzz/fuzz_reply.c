/*
 * fuzz_reply.c -- what a server says, as completions or as a failure.
 *
 * Input: a line "STATUS N FLAGS WAIT", then the body. N choices were asked
 * for; WAIT is Retry-After in milliseconds; FLAGS are letters:
 *
 *	x  the transfer broke        s  the request was sent
 *	f  it broke for good         t  the body is cut off
 *	r  x-should-retry: false     l  log-probabilities were asked for
 *	o  the server is OpenRouter  a  it is Azure
 */
#include "base/json.h"
#include "base/money.h"
#include "providers/provider.h"
#include "tests/fuzz/fuzz.h"

extern const struct provider_ops provider_openai;

#define MAX_CODE 80
#define MAX_MESSAGE 4096 /* bytes of a line of at most 240 columns */
#define MAX_MODEL 256

/* The request and the answer that the first line makes. */
struct exchange {
	struct provider provider;
	struct sampling sampling;
	struct message message;
	struct model_request q;
	struct wire_reply w;
};

static struct str
take_word(struct str *line)
{
	struct str word;

	(void)str_cut(line, ' ', &word);
	return word;
}

static int64_t
take_number(struct str *line, int64_t min, int64_t max, int64_t deflt)
{
	int64_t v;

	return str_to_i64(take_word(line), &v) && v >= min && v <= max
	    ? v : deflt;
}

static bool
has(struct str flags, char c)
{
	return flags.n && memchr(flags.p, c, flags.n);
}

static void
read_exchange(struct exchange *x, struct str line)
{
	struct str flags;

	*x = (struct exchange){ .provider = { .name = STR("p"),
	    .ops = &provider_openai, .url = STR("https://example.com/v1"),
	    .host = STR("example.com") } };
	x->message = (struct message){ STR("user"), STR("how much?") };
	x->q = (struct model_request){ .provider = &x->provider,
	    .model = STR("m"), .messages = &x->message, .n_messages = 1,
	    .sampling = &x->sampling };
	x->w.status = (int)take_number(&line, 0, 999, 200);
	x->q.n = (int)take_number(&line, 1, 300, 1);
	flags = take_word(&line);
	x->w.retry_after_ms = take_number(&line, 0, INT64_C(1) << 40, -1);
	x->w.truncated = has(flags, 't');
	x->w.sent = has(flags, 's');
	x->w.should_not_retry = has(flags, 'r');
	x->sampling.logprobs = has(flags, 'l');
	if (has(flags, 'o'))
		x->provider.host = STR("openrouter.ai");
	else if (has(flags, 'a'))
		x->provider.host = STR("x.openai.azure.com");
	if (has(flags, 'x') || x->w.status == 0) {
		x->w.failure = "the connection broke\r\n";
		x->w.failure_code = has(flags, 'f') ? "certificate"
		    : "network";
	}
}

/* The answer, from a body that is gone by the time anybody looks. */
static void
parse(const struct exchange *x, int n, struct str body, struct arena *a,
    struct reply *out)
{
	struct model_request q = x->q;
	struct wire_reply w = x->w;
	struct err e = { 0 };
	char *copy = malloc(body.n + 1);

	must(copy);
	if (body.n)
		memcpy(copy, body.p, body.n);
	q.n = n;
	w.body = (struct str){ copy, body.n };
	must(provider_openai.parse(&q, &w, a, out, &e) == 0);
	free(copy);
}

static void
check_tokens(const struct completion *c)
{
	size_t end = 0;

	must((c->tokens != NULL) == (c->n_tokens > 0));
	for (size_t i = 0; i < c->n_tokens; i++) {
		const struct token *t = &c->tokens[i];

		must(t->from >= end && t->from <= t->to);
		must(t->to <= c->text.n);
		must(t->logprob >= LOGPROB_FLOOR && t->logprob <= 0);
		end = t->to;
	}
}

static void
check_completion(const struct completion *c)
{
	fuzz_text(c->text);
	must(!c->text.n || !memchr(c->text.p, '\0', c->text.n));
	fuzz_text(c->model);
	must(c->model.n <= MAX_MODEL);
	must(finish_name(c->finish) != NULL);
	must(c->prompt_tokens >= -1 && c->cached_tokens >= -1);
	must(c->cache_write_tokens >= -1 && c->reasoning_tokens >= -1);
	must(c->completion_tokens >= -1);
	must(c->cost_picousd == MONEY_UNKNOWN);
	must(!c->tokens_of_answer && !c->has_answer);
	check_tokens(c);
}

static void
check_failure(const struct reply *r)
{
	must(r->n == 0);
	fuzz_text(r->code);
	must(r->code.n > 0 && r->code.n <= MAX_CODE);
	fuzz_line(r->message);
	must(r->message.n <= MAX_MESSAGE);
	must(!r->n_refused || r->outcome == OUTCOME_RETRY);
}

static void
check_reply(const struct reply *r, int n)
{
	must(outcome_name(r->outcome) != NULL);
	must(r->wait_ms >= -1 && r->most_retries >= -1);
	must(r->charged_picousd >= 0 || r->charged_picousd == MONEY_UNKNOWN);
	if (r->outcome != OUTCOME_OK) {
		check_failure(r);
		return;
	}
	must(r->n > 0 && r->n <= (size_t)n);
	for (size_t i = 0; i < r->n; i++)
		check_completion(&r->c[i]);
}

/* What was billed for all choices is what they bear together. `one` is the
 * same answer to a request for one choice, which bears it all. */
static void
check_shares(const struct reply *all, const struct reply *one)
{
	const struct completion *total = &one->c[0];
	int64_t sum = 0;

	must(all->charged_picousd == one->charged_picousd);
	must(all->c[0].prompt_tokens == total->prompt_tokens);
	must(all->c[0].cached_tokens == total->cached_tokens);
	must(all->c[0].reasoning_tokens == total->reasoning_tokens);
	for (size_t i = 0; i < all->n; i++) {
		const struct completion *c = &all->c[i];

		must((c->completion_tokens < 0)
		    == (total->completion_tokens < 0));
		sum += c->completion_tokens;
		must(i == 0 || (c->cached_tokens == 0
		    && c->cache_write_tokens == 0 && c->reasoning_tokens == 0));
		must(i == 0 || c->prompt_tokens
		    == (total->prompt_tokens < 0 ? -1 : 0));
	}
	must(total->completion_tokens < 0 || sum == total->completion_tokens);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	struct arena *a = arena_new(0);
	struct reply all, one;
	struct exchange x;

	must(a);
	read_exchange(&x, fuzz_take_line(&body));
	parse(&x, x.q.n, body, a, &all);
	check_reply(&all, x.q.n);
	if (x.q.n > 1) {
		parse(&x, 1, body, a, &one);
		check_reply(&one, 1);
		if (all.n && one.n)
			check_shares(&all, &one);
	}
	arena_free(a);
	return 0;
}
