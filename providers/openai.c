/*
 * openai.c -- chat completions, as OpenAI and every server that speaks its
 * format have them (llama.cpp, vLLM, Ollama, OpenRouter, Azure, Together,
 * Groq, Mistral, DeepSeek, xAI). What differs from server to server is settled
 * beforehand in struct provider (providers/quirks.c) or read off the answer.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/money.h"
#include "base/utf8.h"
#include "providers/outcome.h"

#define MAX_URL 8192
#define MAX_CHOICES 256
#define MAX_MESSAGE 240
#define MAX_TEXT ((size_t)64 << 20)

/* --- the request ------------------------------------------------------------ */

/* base + /chat/completions, before a query if there is one (Azure's
 * api-version); {model} in it is the model (Azure's deployments). */
static void
add_url(struct buf *out, struct str base, struct str model)
{
	struct str query = base, path, head;
	ptrdiff_t at;

	if (!str_cut(&query, '?', &path))
		query = (struct str){ 0 };
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	while ((at = str_find(path, STR("{model}"))) >= 0) {
		head = str_sub(path, 0, (size_t)at);
		buf_add(out, head);
		buf_add(out, model);
		path = str_sub(path, (size_t)at + 7, path.n);
	}
	buf_add(out, path);
	buf_adds(out, "/chat/completions");
	if (query.n) {
		buf_addc(out, '?');
		buf_add(out, query);
	}
}

static void
add_messages(struct jw *w, const struct model_request *q)
{
	jw_key(w, "messages");
	jw_open(w, '[');
	for (size_t i = 0; i < q->n_messages; i++) {
		jw_open(w, '{');
		jw_kstr(w, "role", q->messages[i].role);
		jw_kstr(w, "content", q->messages[i].content);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
add_sampling(struct jw *w, const struct model_request *q)
{
	const struct provider *p = q->provider;
	const struct sampling *s = q->sampling;

	if (s->max_tokens)
		jw_ki64(w, p->limit_field == LIMIT_MAX_COMPLETION_TOKENS
		    ? "max_completion_tokens" : "max_tokens", s->max_tokens);
	if (s->has_temperature)
		jw_kdouble(w, "temperature", s->temperature);
	if (s->has_top_p)
		jw_kdouble(w, "top_p", s->top_p);
	if (s->has_presence_penalty)
		jw_kdouble(w, "presence_penalty", s->presence_penalty);
	if (s->has_frequency_penalty)
		jw_kdouble(w, "frequency_penalty", s->frequency_penalty);
	if (s->has_seed)
		jw_ki64(w, p->random_seed ? "random_seed" : "seed",
		    s->seed + q->first);
	if (s->n_stop) {
		jw_key(w, "stop");
		jw_open(w, '[');
		for (size_t i = 0; i < s->n_stop; i++)
			jw_str(w, s->stop[i]);
		jw_close(w, ']');
	}
	if (s->reasoning_effort.n)
		jw_kstr(w, "reasoning_effort", s->reasoning_effort);
	if (s->response_format.n) {
		jw_key(w, "response_format");
		jw_raw(w, s->response_format);
	}
	if (s->logprobs) {
		jw_key(w, "logprobs");
		if (p->logprobs_style == LOGPROBS_INTEGER)
			jw_i64(w, 1);
		else
			jw_bool(w, true);
	}
}

static int
build(const struct model_request *q, struct wire *out, struct err *e)
{
	const struct provider *p = q->provider;
	const struct sampling *s = q->sampling;
	struct jw w = jw_on(&out->body);
	size_t bytes = s->extra.n + s->response_format.n + 256;

	for (size_t i = 0; i < q->n_messages; i++)
		bytes += q->messages[i].content.n;
	buf_clear(&out->url);
	buf_clear(&out->body);
	buf_reserve(&out->body, bytes); /* at once; more where it is escaped */
	add_url(&out->url, p->url, q->model);
	jw_open(&w, '{');
	jw_kstr(&w, "model", q->model);
	add_messages(&w, q);
	if (q->n > 1)
		jw_ki64(&w, "n", q->n);
	add_sampling(&w, q);
	/* OpenRouter drops what an upstream does not know without a word. */
	if (s->logprobs && str_ends(p->host, "openrouter.ai")
	    && !str_has(s->extra, "\"provider\":"))
		jw_key(&w, "provider"),
		    jw_raw(&w, STR("{\"require_parameters\":true}"));
	if (s->extra.n > 2) { /* {"a":1} without its braces */
		buf_addc(&out->body, ',');
		buf_add(&out->body, str_sub(s->extra, 1, s->extra.n - 2));
	}
	jw_close(&w, '}');
	if (out->url.n > MAX_URL)
		return err_set(e, ERR_CONFIG, "the url of provider '%.*s' is "
		    "longer than %d bytes", STR_ARG(p->name), MAX_URL);
	return out->body.failed || out->url.failed ? err_nomem(e) : 0;
}

/* --- errors ----------------------------------------------------------------- */

static struct str
text_of(const struct json *v, struct arena *a)
{
	struct str s = { 0 };
	struct buf b;

	if (json_str(v, &s) || json_is_null(v))
		return s;
	buf_init(&b, BUF_MAX);
	json_print(&b, v, false);
	(void)arena_str(a, utf8_clip(buf_str(&b), 4096), &s);
	buf_release(&b);
	return s;
}

/* Gemini's details: a list of objects told apart by their @type. */
static void
read_details(const struct json *details, struct failure *f)
{
	const struct json *x, *v;
	struct str s;
	double ms;

	json_str(json_get(details, "error_code"), &f->detail_code);
	for (x = json_first(details); x; x = json_next(x)) {
		/* Of several the longest: each of them must be over. */
		if (json_str(json_get(x, "retryDelay"), &s)
		    && limits_duration(&s, &ms) && s.n == 0) {
			int64_t wait = limits_whole_ms(ms);
			f->wait_ms = wait > f->wait_ms ? wait : f->wait_ms;
		}
		for (v = json_first(json_get(x, "violations")); v;
		    v = json_next(v))
			if (json_str(json_get(v, "quotaId"), &s)
			    && str_has(s, "PerDay"))
				f->per_day = true;
	}
}

/* The four shapes of an error body: an object or a text under `error`, flat
 * with `message`, or FastAPI's `detail`. */
static void
read_failure(const struct json *doc, struct arena *a, struct failure *f)
{
	const struct json *body = json_type(doc) == JSON_ARRAY
	    ? json_first(doc) : doc;
	const struct json *x = json_get(body, "error");
	const struct json *meta, *detail;

	if (x && json_type(x) == JSON_STRING) {
		f->message = text_of(x, a);
		f->code = text_of(json_get(body, "code"), a);
		return;
	}
	if (!x || json_type(x) != JSON_OBJECT)
		x = body;
	f->message = text_of(json_get(x, "message"), a);
	f->code = text_of(json_get(x, "code"), a);
	f->type = text_of(json_get(x, "type"), a);
	f->state = text_of(json_get(x, "status"), a);
	f->param = text_of(json_get(x, "param"), a);
	f->details = text_of(json_get(x, "details"), a);
	read_details(json_get(x, "details"), f);
	meta = json_get(x, "metadata");
	json_str(json_get(meta, "error_type"), &f->error_type);
	f->has_reasons = json_get(meta, "reasons") != NULL;
	detail = json_get(body, "detail");
	if (!f->message.n && detail)
		f->message = text_of(detail, a);
}

static bool
set_message(struct reply *out, struct arena *a, struct str message)
{
	struct buf b;
	bool ok;

	buf_init(&b, 32768);
	/* Bounded twice: there are characters without a width. */
	utf8_oneline(&b, utf8_clip(message, 4 * MAX_MESSAGE), MAX_MESSAGE);
	ok = !b.failed && arena_str(a, buf_str(&b), &out->message);
	buf_release(&b);
	return ok;
}

/* Groq and others refuse n > 1: free of charge, so ask again one by one. */
static bool
refuses_n(const struct model_request *q, const struct failure *f)
{
	return q->n > 1 && (f->status == 400 || f->status == 422)
	    && (str_is(f->param, "n") || str_has(f->message, "'n'")
	    || str_has(f->message, "`n`") || str_has(f->message, " n must be")
	    || str_starts(f->message, "n must be"));
}

static void
act(struct reply *out, struct action a)
{
	out->outcome = a.outcome;
	out->most_retries = a.most_retries;
	out->also = a.also;
	out->maybe_billed = a.also & ACTION_BILLED;
}

/* A failure is never said without a word, whatever the server left out. */
static bool
set_failure(struct reply *out, struct arena *a, const struct failure *f)
{
	char *text;

	if (f->message.n)
		return set_message(out, a, f->message);
	text = arena_printf(a, f->status >= 300 && f->status < 400
	    ? "the server answered with status %d, a redirect, which is not "
	    "followed; correct the url" : "the server answered with status %d "
	    "and did not say why", f->status);
	if (!text)
		return false;
	out->message = str_of(text);
	return true;
}

static int
classify(const struct model_request *q, const struct wire_reply *w,
    struct failure *f, struct arena *a, struct reply *out, struct err *e)
{
	struct action action;

	f->should_not_retry = w->should_not_retry;
	action = outcome_of(f);
	/* Where the status was 200, the model had begun. */
	if (w->status < 300)
		action.also |= ACTION_BILLED;
	act(out, action);
	out->status = f->status;
	if (refuses_n(q, f)) {
		out->outcome = OUTCOME_RETRY;
		out->also &= ~ACTION_ODD;
		out->n_refused = true;
	}
	out->wait_ms = w->retry_after_ms;
	if (out->wait_ms < 0)
		out->wait_ms = f->wait_ms;
	if (out->wait_ms < 0)
		out->wait_ms = outcome_wait_in(f->message);
	out->code = failure_word(f);
	if (!out->code.n) {
		char *code = arena_printf(a, "http_%d", f->status);
		if (!code)
			return err_nomem(e);
		out->code = str_of(code);
	}
	return set_failure(out, a, f) ? 0 : err_nomem(e);
}

static int
no_answer(const struct wire_reply *w, struct arena *a, struct reply *out,
    struct err *e)
{
	act(out, outcome_of_transfer(w->failure_code, w->sent));
	out->code = str_of(w->failure_code ? w->failure_code : "network");
	if (!set_message(out, a, str_of(w->failure)))
		return err_nomem(e);
	if (str_is(out->code, "connect")) {
		char *text = arena_printf(a, "%.*s; is the server running?",
		    STR_ARG(out->message));
		if (!text)
			return err_nomem(e);
		out->message = str_of(text);
	}
	return 0;
}

/* A 200 that is none. */
static int
not_an_answer(const char *code, const char *message, struct reply *out)
{
	act(out, outcome_of_200(code));
	out->code = str_of(code);
	out->message = str_of(message);
	return 0;
}

/* --- tokens ------------------------------------------------------------------ */

struct raw_token {
	struct str text;
	double logprob;
	size_t at; /* in the concatenation of all tokens */
};

static double
clamp_logprob(double v)
{
	if (v > 0)
		return 0;
	return v < LOGPROB_FLOOR ? LOGPROB_FLOOR : v;
}

/* A token may be part of a character: then only its `bytes` tell it. */
static struct str
token_text(const struct json *item, struct arena *a)
{
	const struct json *bytes, *b;
	struct str s = { 0 };
	size_t n = 0;
	char *p;

	json_str(json_get(item, "token"), &s);
	if (!str_has(s, "\xef\xbf\xbd") && !str_has(s, "\\x"))
		return s;
	bytes = json_get(item, "bytes");
	if (json_is_null(bytes) || !(p = arena_alloc(a, json_count(bytes) + 1)))
		return s;
	for (b = json_first(bytes); b; b = json_next(b)) {
		int64_t v;
		if (json_i64(b, &v) && v >= 0 && v <= 255)
			p[n++] = (char)v;
	}
	return (struct str){ p, n };
}

/* OpenAI's shape: content[] of objects. Together's: parallel arrays. */
static size_t
read_tokens(const struct json *lp, struct arena *a, struct raw_token **out)
{
	const struct json *item = json_get(lp, "content"), *p = NULL;
	bool openai = item && json_type(item) == JSON_ARRAY;
	struct raw_token *t;
	size_t n = 0, at = 0;

	if (!openai) {
		item = json_get(lp, "tokens");
		p = json_first(json_get(lp, "token_logprobs"));
	}
	t = arena_array(a, json_count(item), sizeof(*t));
	if (!t)
		return 0;
	for (item = json_first(item); item; item = json_next(item)) {
		double v;
		struct str text = { 0 };
		bool good;

		if (openai) {
			text = token_text(item, a);
			good = json_double(json_get(item, "logprob"), &v);
		} else {
			json_str(item, &text);
			good = json_double(p, &v);
			p = json_next(p);
		}
		t[n] = (struct raw_token){ text, good ? clamp_logprob(v) : 1,
		    at };
		at += text.n;
		n++;
	}
	*out = t;
	return n;
}

static bool
join_tokens(const struct raw_token *t, size_t n, struct arena *a,
    struct str *out)
{
	size_t total = n ? t[n - 1].at + t[n - 1].text.n : 0;
	char *p = arena_alloc(a, total + 1);

	if (!p)
		return false;
	for (size_t i = 0; i < n; i++)
		memcpy(p + t[i].at, t[i].text.p ? t[i].text.p : "",
		    t[i].text.n);
	*out = (struct str){ p, total };
	return true;
}

/* Where in s `what` lies last, if that is near the end: little but end tokens
 * follows a text. The work is bounded, lest "aaa...b" in "aaa..." takes for
 * ever; else the first place, or -1. */
static ptrdiff_t
find_last(struct str s, struct str what)
{
	size_t most = ((size_t)64 << 20) / what.n + 1, at;

	if (what.n > s.n)
		return -1;
	most = most < 4096 ? most : 4096;
	at = s.n - what.n;
	for (; most > 0; most--, at--) {
		if (memcmp(s.p + at, what.p, what.n) == 0)
			return (ptrdiff_t)at;
		if (at == 0)
			return -1;
	}
	return str_find(s, what);
}

/*
 * Where in the text each token lies. The end token that some servers list, and
 * reasoning that others strip from the text, are no part of it and are left
 * out: so the text is looked for at the end of what the tokens spell. Where not
 * (a server that edits its text), each token is taken where it fits next.
 */
static bool
place_tokens(struct completion *c, const struct json *lp, struct arena *a)
{
	struct raw_token *raw = NULL;
	size_t n = read_tokens(lp, a, &raw), k = 0, pos = 0;
	struct token *t;
	struct str all;
	ptrdiff_t shift;

	if (!n)
		return true;
	t = arena_array(a, n, sizeof(*t));
	if (!t || !join_tokens(raw, n, a, &all))
		return false;
	shift = c->text.n ? find_last(all, c->text) : -1;
	for (size_t i = 0; i < n; i++) {
		size_t from = raw[i].at, to = from + raw[i].text.n;

		if (raw[i].logprob > 0 || from == to)
			continue;
		if (shift >= 0) {
			size_t s = (size_t)shift, end = s + c->text.n;
			if (to <= s || from >= end)
				continue;
			from = from < s ? 0 : from - s;
			to = (to > end ? end : to) - s;
		} else {
			struct str rest = str_sub(c->text, pos, c->text.n);
			if (!str_eq(str_sub(rest, 0, raw[i].text.n),
			    raw[i].text))
				continue;
			from = pos;
			to = pos += raw[i].text.n;
		}
		t[k++] = (struct token){ (uint32_t)from, (uint32_t)to,
		    raw[i].logprob };
	}
	c->tokens = k ? t : NULL;
	c->n_tokens = k;
	return true;
}

/* --- usage --------------------------------------------------------------------- */

static int64_t
count_of(const struct json *v)
{
	int64_t n;

	return json_i64(v, &n) && n >= 0 ? n : -1;
}

static int64_t
first_known(int64_t a, int64_t b)
{
	return a >= 0 ? a : b;
}

/* Usage of the whole request, in *u's token members. */
static void
read_usage(const struct json *usage, struct completion *u, struct reply *out)
{
	const struct json *in = json_get(usage, "prompt_tokens_details");
	const struct json *of = json_get(usage, "completion_tokens_details");
	int64_t total = count_of(json_get(usage, "total_tokens")), ticks;
	double cost;

	u->prompt_tokens = count_of(json_get(usage, "prompt_tokens"));
	u->completion_tokens = count_of(json_get(usage, "completion_tokens"));
	u->cached_tokens = first_known(count_of(json_get(in, "cached_tokens")),
	    first_known(count_of(json_get(usage, "prompt_cache_hit_tokens")),
	    count_of(json_get(usage, "cached_tokens"))));
	u->cache_write_tokens = count_of(json_get(in, "cache_write_tokens"));
	u->reasoning_tokens = first_known(
	    count_of(json_get(of, "reasoning_tokens")),
	    count_of(json_get(usage, "reasoning_tokens")));
	/* xAI counts reasoning apart, but in the total. */
	if (total >= 0 && u->prompt_tokens >= 0
	    && total - u->prompt_tokens > u->completion_tokens)
		u->completion_tokens = total - u->prompt_tokens;
	/* xAI, too: a prompt that leaves out its cached part. */
	if (u->cached_tokens > u->prompt_tokens && u->prompt_tokens >= 0)
		u->prompt_tokens += u->cached_tokens;
	ticks = count_of(json_get(usage, "cost_in_usd_ticks"));
	if (json_double(json_get(usage, "cost"), &cost) && cost >= 0)
		out->charged_picousd = money_from_double(cost);
	else if (ticks >= 0)
		out->charged_picousd = money_mul(ticks, 100);
}

/* The server counts for all choices together. The first bears the input; the
 * output is shared out by length, to the token. */
static void
share_usage(struct reply *out, const struct completion *u)
{
	int64_t bytes = 0, left = u->completion_tokens;

	for (size_t i = 0; i < out->n; i++)
		bytes += (int64_t)out->c[i].text.n + 1;
	for (size_t i = out->n; i-- > 0;) {
		struct completion *c = &out->c[i];
		bool first = i == 0;

		c->prompt_tokens = first || u->prompt_tokens < 0
		    ? u->prompt_tokens : 0;
		c->cached_tokens = first ? u->cached_tokens : 0;
		c->cache_write_tokens = first ? u->cache_write_tokens : 0;
		c->reasoning_tokens = first ? u->reasoning_tokens : 0;
		c->completion_tokens = u->completion_tokens;
		if (u->completion_tokens < 0)
			continue;
		c->completion_tokens = first ? left
		    : (int64_t)((double)u->completion_tokens
		    * (double)(c->text.n + 1) / (double)bytes);
		left -= c->completion_tokens;
	}
}

/* --- choices ------------------------------------------------------------------- */

enum choice { CHOICE_GOOD, CHOICE_BROKEN, CHOICE_NOMEM };

/* A text, null, or a list of parts of which the texts count. */
static bool
read_content(const struct json *v, struct arena *a, struct str *out)
{
	const struct json *part;
	struct str s, type;
	struct buf b;
	bool ok;

	*out = (struct str){ "", 0 };
	if (json_str(v, out) || !v || json_type(v) != JSON_ARRAY)
		return true;
	buf_init(&b, MAX_TEXT);
	for (part = json_first(v); part; part = json_next(part))
		if (json_str(json_get(part, "type"), &type)
		    && str_is(type, "text")
		    && json_str(json_get(part, "text"), &s))
			buf_add(&b, s);
	ok = !b.failed && arena_str(a, buf_str(&b), out);
	buf_release(&b);
	return ok;
}

static enum choice
read_choice(const struct json *choice, struct arena *a, struct completion *c)
{
	const struct json *message = json_get(choice, "message");
	struct str word = { 0 }, refusal, text;

	if (json_type(choice) != JSON_OBJECT
	    || (message && json_type(message) != JSON_OBJECT))
		return CHOICE_BROKEN;
	json_str(json_get(choice, "finish_reason"), &word);
	if (outcome_of_finish(word, &c->finish).outcome != OUTCOME_OK)
		return CHOICE_BROKEN;
	if (!read_content(json_get(message, "content"), a, &text))
		return CHOICE_NOMEM;
	if (json_str(json_get(message, "refusal"), &refusal) && refusal.n) {
		c->finish = FINISH_REFUSED;
		if (!text.n)
			text = refusal;
	}
	/* The document goes away; what is kept must be the arena's. */
	if (!arena_str(a, text, &c->text))
		return CHOICE_NOMEM;
	return place_tokens(c, json_get(choice, "logprobs"), a)
	    ? CHOICE_GOOD : CHOICE_NOMEM;
}

/* Choices may come in any order: `index` is their place. Where the indices are
 * not 0 to n - 1 they say nothing, and the order is that of the list. */
static void
order_choices(const struct json *list, size_t n, const struct json **place)
{
	const struct json *v;
	size_t i, placed = 0;

	for (v = json_first(list); v; v = json_next(v)) {
		int64_t at;
		if (json_i64(json_get(v, "index"), &at) && at >= 0
		    && (size_t)at < n && !place[at]) {
			place[at] = v;
			placed++;
		}
	}
	if (placed == n)
		return;
	for (v = json_first(list), i = 0; i < n; v = json_next(v))
		place[i++] = v;
}

static int
read_choices(const struct json *list, size_t most, struct arena *a,
    struct reply *out)
{
	size_t n = json_count(list);
	const struct json **place;

	if (n > most)
		n = most;
	out->c = arena_array(a, n, sizeof(*out->c));
	place = arena_array(a, n, sizeof(*place));
	if (!out->c || !place)
		return -1;
	order_choices(list, n, place);
	for (size_t i = 0; i < n; i++) {
		enum choice r = read_choice(place[i], a, &out->c[out->n]);
		if (r == CHOICE_NOMEM)
			return -1;
		if (r == CHOICE_GOOD)
			out->n++;
		else
			out->broken = true;
	}
	return 0;
}

/* What was no answer may have been billed; then the bill is known. */
static void
keep_usage(const struct completion *u, struct reply *out)
{
	out->has_usage = u->prompt_tokens >= 0 && u->completion_tokens >= 0;
	out->prompt_tokens = u->prompt_tokens;
	out->cached_tokens = u->cached_tokens;
	out->cache_write_tokens = u->cache_write_tokens;
	out->completion_tokens = u->completion_tokens;
}

static int
read_answer(const struct model_request *q, const struct json *doc,
    struct arena *a, struct reply *out, struct err *e)
{
	const struct json *choices = json_get(doc, "choices");
	struct completion usage = { 0 };
	struct str model = { 0 };
	size_t most = (size_t)q->n < MAX_CHOICES ? (size_t)q->n : MAX_CHOICES;

	read_usage(json_get(doc, "usage"), &usage, out);
	keep_usage(&usage, out);
	if (!choices || json_type(choices) != JSON_ARRAY
	    || !json_count(choices))
		return not_an_answer("no_choices",
		    "the answer has no choices", out);
	if (read_choices(choices, most, a, out) < 0)
		return err_nomem(e);
	json_str(json_get(doc, "model"), &model);
	if (!out->n)
		return not_an_answer("interrupted",
		    "the server broke off while answering", out);
	if (!arena_str(a, utf8_clip(model, 256), &model))
		return err_nomem(e);
	share_usage(out, &usage);
	for (size_t i = 0; i < out->n; i++) {
		out->c[i].model = model;
		out->c[i].cost_picousd = MONEY_UNKNOWN;
	}
	out->outcome = OUTCOME_OK;
	return 0;
}

/* Blank lines and comments (": keep-alive") may come before an answer. */
static struct str
without_comments(struct str body)
{
	struct str line, rest = str_trim(body);

	while (str_starts(rest, ":")) {
		str_cut(&rest, '\n', &line);
		rest = str_trim(rest);
	}
	return rest;
}

static int
parse(const struct model_request *q, const struct wire_reply *w,
    struct arena *a, struct reply *out, struct err *e)
{
	struct failure f = { .status = w->status, .host = q->provider->host,
	    .wait_ms = -1 };
	struct json *doc = NULL;
	int rc;

	*out = (struct reply){ .charged_picousd = MONEY_UNKNOWN,
	    .status = w->status, .wait_ms = -1, .most_retries = -1 };
	if (w->status == 0 || (w->failure && w->status < 400))
		return no_answer(w, a, out, e);
	doc = json_parse(without_comments(w->body), NULL);
	if (w->status < 300 && !doc)
		return not_an_answer("not_json", "the answer is not JSON",
		    out);
	if (w->status >= 300) {
		if (doc)
			read_failure(doc, a, &f);
		else
			f.message = str_sub(str_trim(w->body), 0, 200);
		rc = classify(q, w, &f, a, out, e);
	} else if (!json_is_null(json_get(doc, "error"))) {
		struct completion usage = { 0 };
		read_failure(doc, a, &f);
		f.status = outcome_status_within(&f);
		rc = classify(q, w, &f, a, out, e);
		read_usage(json_get(doc, "usage"), &usage, out);
		keep_usage(&usage, out);
	} else {
		rc = read_answer(q, doc, a, out, e);
	}
	/* Words of the document must not outlive it. */
	if (rc == 0 && out->outcome != OUTCOME_OK
	    && !arena_str(a, utf8_clip(out->code, 80), &out->code))
		rc = err_nomem(e);
	json_free(doc);
	return rc;
}

extern const struct provider_ops provider_openai;
const struct provider_ops provider_openai = {
	.name = "openai",
	.summary = "chat completions: OpenAI and every server that speaks its "
	    "format",
	.default_url = "https://api.openai.com/v1",
	.build = build,
	.parse = parse,
};
