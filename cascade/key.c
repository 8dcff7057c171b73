/*
 * key.c -- the canonical form of a request. Members are written in the order
 * of their names; nothing is parsed, since `extra` and `response_format` come
 * in canonical form already.
 */
#include "base/json.h"
#include "cascade/key.h"

#define ESCAPED_MAX 6 /* bytes that one of a text may take: \u0001 */

/* Settings up to "messages". */
static void
put_first_settings(struct jw *w, const struct sampling *s)
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
}

static void
put_messages(struct jw *w, const struct message *m, size_t n)
{
	jw_key(w, "messages");
	jw_open(w, '[');
	for (size_t i = 0; i < n; i++) {
		jw_open(w, '{');
		jw_kstr(w, "content", m[i].content);
		jw_kstr(w, "role", m[i].role);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

/* Settings after "model". */
static void
put_last_settings(struct jw *w, const struct sampling *s)
{
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

int
key_canon(const struct model_request *q, struct buf *canon, struct err *e)
{
	struct jw w = jw_on(canon);
	size_t bytes = 0;

	buf_clear(canon);
	jw_open(&w, '{');
	jw_kstr(&w, "api", str_of(q->provider->ops->name));
	put_first_settings(&w, q->sampling);
	put_messages(&w, q->messages, q->n_messages);
	jw_kstr(&w, "model", q->model);
	put_last_settings(&w, q->sampling);
	jw_kstr(&w, "url", q->provider->url);
	jw_ki64(&w, "v", KEY_VERSION);
	jw_close(&w, '}');
	if (!canon->failed)
		return 0;
	/* A task that is too long fails alone; without memory all do. */
	for (size_t i = 0; i < q->n_messages; i++)
		bytes += q->messages[i].content.n;
	if (bytes > canon->max / ESCAPED_MAX)
		return err_set(e, ERR_INPUT, "the request is longer than %zu "
		    "bytes", canon->max);
	return err_nomem(e);
}

int
key_of(struct str canon, unsigned char key[SHA256_BYTES], struct err *e)
{
	(void)e; /* it cannot fail, by now */
	sha256(canon, key);
	return 0;
}
