/*
 * trace_write.c -- completions as a line of a trace.
 */
#include "cascade/trace_write.h"

#include "base/json.h"
#include "base/money.h"
#include "base/utf8.h"

static void
add_task(struct jw *w, const struct trace_line *l)
{
	const struct task *t = l->task;

	jw_kstr(w, "id", t->id);
	if (t->n_messages) {
		jw_key(w, "messages");
		jw_open(w, '[');
		for (size_t i = 0; i < t->n_messages; i++) {
			jw_open(w, '{');
			jw_kstr(w, "role", t->messages[i].role);
			jw_kstr(w, "content", t->messages[i].content);
			jw_close(w, '}');
		}
		jw_close(w, ']');
	} else {
		jw_kstr(w, "prompt", t->prompt);
	}
	if (t->system.n)
		jw_kstr(w, "system", t->system);
	if (t->cascade.n)
		jw_kstr(w, "cascade", t->cascade);
	if (t->has_reference)
		jw_kstr(w, "reference", t->reference);
	if (l->tags.n) {
		jw_key(w, "tags");
		jw_raw(w, l->tags);
	}
}

/* Do the tokens make up the text, without gap or overlap? */
static bool
is_text(const struct completion *c)
{
	uint32_t at = 0;

	for (size_t i = 0; i < c->n_tokens; i++) {
		if (c->tokens[i].from != at)
			return false;
		at = c->tokens[i].to;
	}
	return at == c->text.n;
}

static void
add_bytes(struct jw *w, struct str s)
{
	jw_key(w, "bytes");
	jw_open(w, '[');
	for (size_t i = 0; i < s.n; i++)
		jw_i64(w, (unsigned char)s.p[i]);
	jw_close(w, ']');
}

/* A token may be part of a character: then its bytes tell it. */
static void
add_token(struct jw *w, const struct completion *c, const struct token *t,
    bool places)
{
	struct str s = c->tokens_of_answer ? STR("")
	    : str_sub(c->text, t->from, (size_t)(t->to - t->from));

	jw_open(w, '{');
	jw_kstr(w, "token", s);
	if (!utf8_valid(s))
		add_bytes(w, s);
	jw_kdouble(w, "logprob", t->logprob);
	if (places) {
		jw_ki64(w, "from", t->from);
		jw_ki64(w, "to", t->to);
	}
	jw_close(w, '}');
}

static void
add_tokens(struct jw *w, const struct completion *c)
{
	bool places = !c->tokens_of_answer && !is_text(c);

	if (!c->n_tokens)
		return;
	jw_key(w, "logprobs");
	jw_open(w, '[');
	for (size_t i = 0; i < c->n_tokens; i++)
		add_token(w, c, &c->tokens[i], places);
	jw_close(w, ']');
}

static void
add_known(struct jw *w, const char *name, int64_t v)
{
	if (v >= 0)
		jw_ki64(w, name, v);
}

static void
add_answer(struct jw *w, const struct completion *c)
{
	if (c->has_answer) {
		jw_kstr(w, "answer", c->answer);
		return;
	}
	jw_key(w, "answer");
	jw_null(w);
}

static void
add_completion(struct jw *w, const struct trace_line *l,
    const struct completion *c)
{
	jw_open(w, '{');
	jw_kstr(w, "text", c->text);
	if (l->answers)
		add_answer(w, c);
	if (c->finish != FINISH_STOP)
		jw_kstr(w, "finish", str_of(finish_name(c->finish)));
	add_tokens(w, c);
	add_known(w, "prompt_tokens", c->prompt_tokens);
	add_known(w, "completion_tokens", c->completion_tokens);
	if (c->cost_picousd != MONEY_UNKNOWN)
		jw_kmoney(w, "cost_usd", c->cost_picousd);
	add_known(w, "latency_ms", c->latency_ms);
	jw_close(w, '}');
}

static void
add_price(struct jw *w, const struct price_rates *r)
{
	if (r->input == MONEY_UNKNOWN || r->output == MONEY_UNKNOWN)
		return;
	jw_key(w, "price");
	jw_open(w, '{');
	jw_kmoney(w, "input_per_mtok", money_mul(r->input, 1000000));
	jw_kmoney(w, "output_per_mtok", money_mul(r->output, 1000000));
	jw_close(w, '}');
}

void
trace_write(struct buf *out, const struct trace_line *l)
{
	struct jw w = jw_shown(out);

	jw_open(&w, '{');
	add_task(&w, l);
	jw_kstr(&w, "tier", l->tier);
	if (!str_eq(l->tier, l->model))
		jw_kstr(&w, "model", l->model);
	add_price(&w, &l->rates);
	jw_key(&w, "completions");
	jw_open(&w, '[');
	for (size_t i = 0; i < l->n; i++)
		add_completion(&w, l, &l->c[i]);
	jw_close(&w, ']');
	jw_close(&w, '}');
	buf_addc(out, '\n');
}
