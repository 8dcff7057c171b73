/*
 * site.c -- what a request is answered with.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rand.h"
#include "tests/server/answer.h"
#include "tests/server/site.h"
#include "tests/server/wrap.h"

#define BODY_MAX ((size_t)256 << 20)
#define JSON_TYPE "application/json"

int
site_init(struct site *s, const char *script, const char *log,
    struct err *e)
{
	s->log_fd = -1;
	s->started_ms = clock_mono_ms();
	buf_init(&s->text, BODY_MAX);
	buf_init(&s->line, BODY_MAX);
	buf_init(&s->headers, BODY_MAX);
	buf_init(&s->scratch, BODY_MAX);
	if (script_load(&s->script, script, e) < 0)
		return -1;
	if (!log)
		return 0;
	s->log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (s->log_fd < 0)
		return err_sys(e, ERR_IO, "cannot open log '%s'", log);
	return 0;
}

void
site_release(struct site *s)
{
	script_release(&s->script);
	stats_release(&s->stats);
	buf_release(&s->text);
	buf_release(&s->line);
	buf_release(&s->headers);
	buf_release(&s->scratch);
	if (s->log_fd >= 0)
		close(s->log_fd);
}

static void
add_error(struct response *out, int status, const char *message)
{
	static const struct {
		int status;
		const char *type, *code;
	} kinds[] = {
		{ 400, "invalid_request_error", NULL },
		{ 401, "invalid_request_error", "invalid_api_key" },
		{ 404, "invalid_request_error", "model_not_found" },
		{ 429, "requests", "rate_limit_exceeded" },
		{ 503, "service_unavailable_error", "server_is_overloaded" },
	};
	const char *type = "server_error", *code = NULL;
	struct jw w = jw_on(out->body);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].status == status) {
			type = kinds[i].type;
			code = kinds[i].code;
		}
	out->status = status;
	jw_open(&w, '{');
	jw_key(&w, "error");
	jw_open(&w, '{');
	jw_kstr(&w, "message", str_of(message));
	jw_kstr(&w, "type", str_of(type));
	jw_key(&w, "param");
	jw_null(&w);
	jw_key(&w, "code");
	if (code)
		jw_str(&w, str_of(code));
	else
		jw_null(&w);
	jw_close(&w, '}');
	jw_close(&w, '}');
	buf_addc(out->body, '\n');
}

static void
add_model(struct jw *w, struct str id)
{
	jw_open(w, '{');
	jw_kstr(w, "id", id);
	jw_kstr(w, "object", STR("model"));
	jw_ki64(w, "created", 1795400000);
	jw_kstr(w, "owned_by", STR("testserver"));
	jw_close(w, '}');
}

/* "test-model" and those of the rules, each once. */
static void
add_models(const struct script *s, struct buf *body)
{
	struct jw w = jw_on(body);

	jw_open(&w, '{');
	jw_kstr(&w, "object", STR("list"));
	jw_key(&w, "data");
	jw_open(&w, '[');
	add_model(&w, STR("test-model"));
	for (size_t i = 0; i < s->n; i++) {
		struct str model = s->rules[i].model;
		bool first = model.n > 0;

		for (size_t k = 0; k < i; k++)
			first &= !str_eq(model, s->rules[k].model);
		if (first)
			add_model(&w, model);
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	buf_addc(body, '\n');
}

/* What a model answers, if the request is one for a model. */
static void
complete(struct site *s, const struct chat *c, struct rule *r,
    struct response *out)
{
	struct script_reply plain = { 0 };
	const char *wrong = NULL;

	if (!c->is_json)
		wrong = "the body is not a JSON object";
	else if (c->model.n == 0)
		wrong = "you must provide a model parameter";
	else if (!c->has_messages)
		wrong = "missing required parameter: 'messages'";
	else if (c->n < 1 || c->n > ANSWER_MAX_N)
		wrong = "'n' must be from 1 to 128";
	else if (c->stream)
		wrong = "this test server does not stream";
	if (wrong) {
		add_error(out, 400, wrong);
		return;
	}
	answer_chat(out->body, c, r ? &r->reply : &plain, r && r->ignore_n,
	    s->number, &out->charge);
	out->charge.ran = true;
}

/* What there is without a rule. */
static void
route(struct site *s, const struct http1_head *h, const struct chat *c,
    struct rule *r, struct response *out)
{
	bool chat = str_ends(h->path, "/chat/completions");
	bool models = str_ends(h->path, "/models");

	if (!chat && !models) {
		add_error(out, 404, "no such path");
	} else if (!str_is(h->method, chat ? "POST" : "GET")) {
		add_error(out, 405, "not this method");
		out->close = true; /* HEAD would have no body */
	} else if (models) {
		add_models(&s->script, out->body);
	} else {
		complete(s, c, r, out);
	}
}

/* A rule changes what it names. True: that is all of the answer. */
static bool
apply(const struct rule *r, struct response *out)
{
	out->close = r->closes;
	if (r->delay_ms >= 0)
		out->delay_ms = r->delay_ms;
	out->drip_ms = r->drip_ms;
	out->fault = r->fault;
	if (r->status)
		out->status = (int)r->status;
	if (r->has_body) {
		buf_add(out->body, r->body);
		if (!r->body_is_json)
			out->type = "text/plain";
	}
	if (r->has_type)
		out->type = NULL;
	if (!r->has_body && out->status >= 300)
		add_error(out, out->status, "the script says so");
	return r->has_body || out->status >= 300;
}

/* A key is told by its hash alone. */
static void
log_header(struct jw *w, struct str name, struct str value)
{
	char lower[64], hash[32];

	name = str_sub(name, 0, sizeof(lower));
	for (size_t i = 0; i < name.n; i++)
		lower[i] = (char)tolower((unsigned char)name.p[i]);
	name.p = lower;
	if (str_is(name, "authorization") || str_is(name, "api-key") ||
	    str_is(name, "x-api-key")) {
		snprintf(hash, sizeof(hash), "present %016llx",
		    (unsigned long long)hash64(value, 0));
		value = str_of(hash);
	}
	jw_key_str(w, name);
	jw_str(w, value);
}

static void
log_headers(struct jw *w, struct str headers)
{
	struct str name, value;

	jw_key(w, "headers");
	jw_open(w, '{');
	while (http1_header_next(&headers, &name, &value))
		log_header(w, name, value);
	jw_close(w, '}');
}

static void
log_body(struct jw *w, struct str body)
{
	struct json *doc = json_parse(body, NULL);

	if (doc) {
		jw_key(w, "body");
		json_print(w->out, doc, false);
		w->comma = true;
	} else if (body.n > 0) {
		jw_kstr(w, "body_text", body);
	}
	json_free(doc);
}

/* A log that cannot be written shows in the test that reads it. */
static void
write_line(int fd, struct str line)
{
	while (line.n > 0) {
		ssize_t n = write(fd, line.p, line.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		line = str_sub(line, (size_t)n, line.n);
	}
}

static void
log_request(struct site *s, const struct http1_head *h, struct str body,
    const struct rule *r, const struct response *out)
{
	struct jw w = jw_on(&s->line);

	if (s->log_fd < 0)
		return;
	buf_clear(&s->line);
	jw_open(&w, '{');
	jw_ki64(&w, "n", s->number);
	jw_ki64(&w, "t_ms", clock_mono_ms() - s->started_ms);
	jw_kbool(&w, "http2", h->http2);
	jw_kstr(&w, "method", h->method);
	jw_kstr(&w, "path", h->path);
	if (h->query.n > 0)
		jw_kstr(&w, "query", h->query);
	log_headers(&w, h->headers);
	log_body(&w, body);
	jw_ki64(&w, "rule", r ? r->line : 0);
	jw_ki64(&w, "status", out->status);
	jw_kstr(&w, "fault", str_of(fault_name(out->fault)));
	jw_close(&w, '}');
	buf_addc(&s->line, '\n');
	if (!s->line.failed)
		write_line(s->log_fd, buf_str(&s->line));
}

/* The server's own pages, which are neither counted nor logged. */
static bool
own_page(struct site *s, const struct http1_head *h, struct response *out)
{
	if (str_is(h->path, "/stats") && str_is(h->method, "GET")) {
		stats_json(&s->stats, out->body);
		return true;
	}
	if (!str_is(h->method, "POST"))
		return false;
	if (str_is(h->path, "/release")) {
		if (!str_to_i64(h->query, &out->release))
			out->release = -1;
		s->at_once |= str_is(h->query, "always");
		buf_adds(out->body, "{}\n");
		return true;
	}
	if (!str_is(h->path, "/reset"))
		return false;
	stats_reset(&s->stats);
	s->number = 0;
	s->at_once = false;
	if (str_is(h->query, "rules"))
		script_rewind(&s->script);
	buf_adds(out->body, "{}\n");
	return true;
}

static void
refuse(const struct limit_refusal *no, struct str model, struct response *out)
{
	struct buf message;

	buf_init(&message, 4096);
	if (no->too_large)
		buf_addf(&message, "Request too large for %.*s on %s: Limit "
		    "%lld, Requested %lld.", STR_ARG(str_sub(model, 0, 200)),
		    no->type, (long long)no->limit, (long long)no->wanted);
	else
		buf_addf(&message, "Rate limit reached for %.*s on %s: "
		    "Limit %lld, Used %lld, Requested %lld. Please try again "
		    "in %lldms.", STR_ARG(str_sub(model, 0, 200)), no->type,
		    (long long)no->limit, (long long)(no->limit - no->left),
		    (long long)no->wanted, (long long)no->wait_ms);
	out->delay_ms = 0;
	add_error(out, 429, message.failed ? no->type : message.p);
	buf_release(&message);
}

/* Whether the limits let a request for a model through. */
static bool
admit(struct site *s, const struct http1_head *h, const struct chat *c,
    struct response *out)
{
	struct limit_refusal no;

	if (!str_ends(h->path, "/chat/completions") || c->model.n == 0 ||
	    limit_admit(&s->stats.limits, c->model,
	    (c->text_bytes + 3) / 4 + c->max_tokens * c->n,
	    s->stats.in_flight, clock_mono_ms(), &s->headers, &no))
		return true;
	refuse(&no, c->model, out);
	return false;
}

/* A rule may say that a model ran though its answer does not come: what it
 * would have said is then worked out for the bill alone. */
static void
charge(struct site *s, const struct chat *c, struct rule *r,
    struct response *out)
{
	struct response unsent = { .body = &s->scratch };

	if (!r)
		return;
	if (r->billed && !out->charge.ran) {
		buf_clear(&s->scratch);
		complete(s, c, r, &unsent);
		unsent.charge.body = out->charge.body;
		unsent.charge.told = false;
		out->charge = unsent.charge;
	}
	if (r->not_billed || (fault_is_silent(r->fault) && !r->billed))
		out->charge.ran = false;
	out->charge.told &= fault_is_harmless(r->fault);
}

static bool
reads_gzip(struct str headers)
{
	struct str name, value;

	while (http1_header_next(&headers, &name, &value))
		if (str_is_nocase(name, "accept-encoding") &&
		    str_has_nocase(value, "gzip"))
			return true;
	return false;
}

/* The key that a request came with; empty: none. */
static struct str
key_in(struct str headers)
{
	struct str name, value;

	while (http1_header_next(&headers, &name, &value))
		if (str_is_nocase(name, "authorization") &&
		    str_starts(value, "Bearer "))
			return str_sub(value, 7, value.n);
		else if (str_is_nocase(name, "api-key"))
			return value;
	return STR("");
}

/* {{key}} in *text becomes the key. */
static void
echo_key(struct buf *text, struct str key)
{
	struct str rest = buf_str(text);
	struct buf made;
	ptrdiff_t at;

	buf_init(&made, BODY_MAX);
	while ((at = str_find(rest, STR("{{key}}"))) >= 0) {
		buf_add(&made, str_sub(rest, 0, (size_t)at));
		buf_add(&made, key);
		rest = str_sub(rest, (size_t)at + 7, rest.n);
	}
	buf_add(&made, rest);
	buf_clear(text);
	buf_add(text, buf_str(&made));
	text->failed |= made.failed;
	buf_release(&made);
}

/* What a rule does to an answer when it is ready. */
static void
wrap(struct site *s, const struct http1_head *h, struct rule *r,
    uint64_t draw, struct response *out)
{
	int64_t now_s = clock_utc_ms() / 1000;

	wrap_date(&s->headers, "Date", now_s + (r ? r->clock_s : 0));
	if (r) {
		wrap_headers(r, now_s + r->clock_s, &s->headers);
		if (r->echo_key) {
			echo_key(&s->headers, key_in(h->headers));
			echo_key(out->body, key_in(h->headers));
		}
		wrap_body(r, draw, out->body);
		out->chunked = !h->http2 && wrap_chunks(r, out->body);
		out->charge.told &= wrap_is_readable(r, reads_gzip(h->headers));
	}
	out->headers = buf_str(&s->headers);
	out->body->failed |= s->headers.failed;
}

/* Different for each time that a body comes, and the same in every run. */
static uint64_t
draw_of(const struct site *s, uint64_t body, int64_t times)
{
	struct rng rng;

	rng_seed(&rng, body ^ s->seed * UINT64_C(0x9e3779b97f4a7c15));
	return rng_u64(&rng) + (uint64_t)times * UINT64_C(0xd1342543de82ef95);
}

void
site_answer(struct site *s, const struct http1_head *h, struct str body,
    struct response *out)
{
	uint64_t hash = body.n > 0 ? hash64(body, 0) | 1 : 0, draw;
	int64_t came;
	struct rule *r = NULL;
	struct chat chat;

	out->status = 200;
	out->type = JSON_TYPE;
	if (own_page(s, h, out))
		return;
	buf_clear(&s->headers);
	chat_scan(&chat, body, &s->text);
	out->number = ++s->number;
	s->stats.http2 += h->http2;
	came = stats_arrived(&s->stats, h->path, chat.model, hash);
	draw = draw_of(s, hash, came);
	out->counted = true;
	out->charge = (struct charge){ .body = hash };
	out->delay_ms = s->latency_ms;
	if (s->jitter_ms > 0)
		out->delay_ms += (int64_t)(draw % (uint64_t)s->jitter_ms);
	if (admit(s, h, &chat, out)) {
		r = script_match(&s->script, h->path, &chat, came, draw);
		if (!r || !apply(r, out))
			route(s, h, &chat, r, out);
		charge(s, &chat, r, out);
	}
	if (s->at_once)
		out->delay_ms = 0;
	wrap(s, h, r, draw, out);
	stats_decided(&s->stats, out->status, out->fault, chat.model,
	    &out->charge);
	log_request(s, h, body, r, out);
}

void
site_done(struct site *s, const struct charge *c, bool whole)
{
	stats_settled(&s->stats, c, whole);
}
