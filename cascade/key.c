/*
 * key.c -- the canonical form of a request. Members are written in a fixed
 * order; nothing is parsed, since `extra` and `response_format` come in
 * canonical form already.
 */
#include "base/json.h"
#include "cascade/key.h"

#define ESCAPED_MAX 6 /* bytes that one of a text may take: \u0001 */
#define BASE_MAX ((size_t)16 << 20)
#define BLOCK 64 /* of SHA-256 */

/* In the order of their names. */
static void
put_settings(struct jw *w, const struct sampling *s)
{
	if (s->extra.n) {
		jw_key(w, "extra");
		jw_raw(w, s->extra);
	}
	/* Adding 0 makes -0 and 0, which are the same setting, one. */
	if (s->has_frequency_penalty)
		jw_kdouble(w, "frequency_penalty", s->frequency_penalty + 0.0);
	if (s->logprobs)
		jw_kbool(w, "logprobs", true);
	if (s->max_tokens)
		jw_ki64(w, "max_tokens", s->max_tokens);
	if (s->has_presence_penalty)
		jw_kdouble(w, "presence_penalty", s->presence_penalty + 0.0);
	if (s->reasoning_effort.n)
		jw_kstr(w, "reasoning_effort", s->reasoning_effort);
	if (s->response_format.n) {
		jw_key(w, "response_format");
		jw_raw(w, s->response_format);
	}
	if (s->has_seed)
		jw_ki64(w, "seed", s->seed);
	if (s->n_stop) {
		jw_key(w, "stop");
		jw_open(w, '[');
		for (size_t i = 0; i < s->n_stop; i++)
			jw_str(w, s->stop[i]);
		jw_close(w, ']');
	}
	if (s->has_temperature)
		jw_kdouble(w, "temperature", s->temperature + 0.0);
	if (s->has_top_p)
		jw_kdouble(w, "top_p", s->top_p + 0.0);
}

/* With the spaces, what is the endpoint's is whole blocks: no byte of it is
 * hashed for each request. */
static void
put_last(struct jw *w)
{
	static const char last[] = "\"messages\":[";
	size_t n;

	buf_addc(w->out, ',');
	for (n = w->out->n + sizeof(last) - 1; n % BLOCK; n++)
		buf_addc(w->out, ' ');
	buf_adds(w->out, last);
	w->comma = false;
}

/* What is the endpoint's, up to the first message. */
static void
put_base(struct jw *w, const struct model_request *q)
{
	jw_open(w, '{');
	jw_ki64(w, "v", KEY_VERSION);
	jw_kstr(w, "api", str_of(q->provider->ops->name));
	jw_kstr(w, "url", q->provider->url);
	jw_kstr(w, "model", q->model);
	put_settings(w, q->sampling);
	put_last(w);
}

/* What is the task's. */
static void
put_rest(struct jw *w, const struct model_request *q)
{
	for (size_t i = 0; i < q->n_messages; i++) {
		jw_open(w, '{');
		jw_kstr(w, "content", q->messages[i].content);
		jw_kstr(w, "role", q->messages[i].role);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

/* A task that is too long fails alone; without memory all do. */
static int
too_long(const struct model_request *q, const struct buf *canon,
    struct err *e)
{
	size_t bytes = 0;

	for (size_t i = 0; i < q->n_messages; i++)
		bytes += q->messages[i].content.n;
	if (bytes > canon->max / ESCAPED_MAX)
		return err_set(e, ERR_INPUT, "the request is longer than %zu "
		    "bytes", canon->max);
	return err_nomem(e);
}

int
key_canon(const struct model_request *q, struct buf *canon, struct err *e)
{
	struct jw w = jw_on(canon);

	buf_clear(canon);
	put_base(&w, q);
	put_rest(&w, q);
	return canon->failed ? too_long(q, canon, e) : 0;
}

int
key_of(struct str canon, unsigned char key[SHA256_BYTES], struct err *e)
{
	return sha256(canon, key, e);
}

int
key_base_init(struct key_base *b, const struct model_request *q,
    struct err *e)
{
	struct jw w = jw_on(&b->canon);

	buf_init(&b->canon, BASE_MAX);
	put_base(&w, q);
	if (b->canon.failed)
		return err_nomem(e);
	return sha256_begin(&b->hash, buf_str(&b->canon), e);
}

void
key_base_release(struct key_base *b)
{
	buf_release(&b->canon);
}

int
key_make(const struct key_base *b, const struct model_request *q,
    struct buf *canon, unsigned char key[SHA256_BYTES], struct err *e)
{
	struct jw w = jw_on(canon);

	buf_clear(canon);
	buf_add(canon, buf_str(&b->canon));
	put_rest(&w, q);
	if (canon->failed)
		return too_long(q, canon, e);
	return sha256_end(&b->hash, str_sub(buf_str(canon), b->canon.n,
	    canon->n), key, e);
}

/* --- forms of earlier versions ---------------------------------------------- */

/* Version 1 had the same members, sorted. */
static void
put_old(struct buf *out, const struct json *o)
{
	static const char *const order[] = { "api", "url", "model", "extra",
		"frequency_penalty", "logprobs", "max_tokens",
		"presence_penalty", "reasoning_effort", "response_format",
		"seed", "stop", "temperature", "top_p" };
	const struct json *m;
	struct jw w = jw_on(out);

	jw_open(&w, '{');
	jw_ki64(&w, "v", KEY_VERSION);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		m = json_get(o, order[i]);
		if (!m)
			continue;
		jw_key(&w, order[i]);
		json_print(out, m, true);
		w.comma = true;
	}
	put_last(&w);
	for (m = json_first(json_get(o, "messages")); m; m = json_next(m)) {
		buf_adds(out, w.comma ? "," : "");
		json_print(out, m, true);
		w.comma = true;
	}
	buf_adds(out, "]}");
}

/* Numbers of more digits than a double has would be others. */
static bool
prints_as(const struct json *o, struct str text, struct buf *scratch)
{
	json_print(scratch, o, true);
	return str_eq(buf_str(scratch), text);
}

int
key_renew(struct str old, struct buf *canon, struct err *e)
{
	struct json *doc = json_parse(old, NULL);
	int64_t version;

	buf_clear(canon);
	if (json_i64(json_get(doc, "v"), &version) && version == 1
	    && prints_as(doc, old, canon)) {
		buf_clear(canon);
		put_old(canon, doc);
	} else {
		buf_clear(canon);
		buf_add(canon, old);
	}
	json_free(doc);
	return canon->failed ? err_nomem(e) : 0;
}
