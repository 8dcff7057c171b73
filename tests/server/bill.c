/*
 * bill.c -- what the server charges.
 */
#include <stdio.h>
#include <string.h>

#include "tests/server/bill.h"

/* The line of a model, made if need be; that of the others when it is full. */
static size_t
line_of(struct bill *b, struct str model)
{
	size_t i = 0;

	model = str_sub(model, 0, sizeof(b->v[0].name) - 1);
	while (i < b->n && !str_is(model, b->v[i].name))
		i++;
	if (i == b->n && i < BILL_MODELS) {
		snprintf(b->v[i].name, sizeof(b->v[i].name), "%.*s",
		    STR_ARG(model));
		b->n++;
	}
	return i;
}

int
bill_price(struct bill *b, const char *text, struct err *e)
{
	const char *equals = strrchr(text, '=');
	struct bill_line *line;
	struct str out, in;
	size_t i;

	out = str_of(equals ? equals + 1 : "");
	if (!str_cut(&out, ',', &in))
		return err_set(e, ERR_USAGE, "--price: '%s' is not "
		    "MODEL=IN,OUT", text);
	i = line_of(b, (struct str){ text, (size_t)(equals - text) });
	if (i == BILL_MODELS)
		return err_set(e, ERR_USAGE, "--price: more than %d models",
		    BILL_MODELS);
	line = &b->v[i];
	if (!str_to_i64(in, &line->in_price) || line->in_price < 0 ||
	    !str_to_i64(out, &line->out_price) || line->out_price < 0)
		return err_set(e, ERR_USAGE, "--price: '%s': not whole "
		    "picodollars", text);
	return 0;
}

static void
add(struct bill_sum *s, const struct bill_line *line, const struct charge *c)
{
	s->requests++;
	s->choices += c->choices;
	s->prompt += c->prompt;
	s->completion += c->completion;
	s->picousd += c->prompt * line->in_price +
	    c->completion * line->out_price;
}

void
bill_charge(struct bill *b, struct str model, struct charge *c)
{
	c->line = line_of(b, model);
	add(&b->v[c->line].charged, &b->v[c->line], c);
}

void
bill_settle(struct bill *b, const struct charge *c, bool answered)
{
	struct bill_line *line = &b->v[c->line];

	add(answered ? &line->answered : &line->unanswered, line, c);
}

static struct bill_sum
sum(const struct bill *b, size_t offset)
{
	struct bill_sum all = { 0 };

	for (size_t i = 0; i <= BILL_MODELS; i++) {
		const struct bill_sum *s = (const struct bill_sum *)
		    ((const char *)&b->v[i] + offset);

		all.requests += s->requests;
		all.choices += s->choices;
		all.prompt += s->prompt;
		all.completion += s->completion;
		all.picousd += s->picousd;
	}
	return all;
}

void
bill_json(const struct bill *b, struct jw *w)
{
	struct bill_sum charged, answered, unanswered;

	charged = sum(b, offsetof(struct bill_line, charged));
	answered = sum(b, offsetof(struct bill_line, answered));
	unanswered = sum(b, offsetof(struct bill_line, unanswered));
	jw_ki64(w, "billed_prompt_tokens", charged.prompt);
	jw_ki64(w, "billed_completion_tokens", charged.completion);
	jw_ki64(w, "billed_tokens", charged.prompt + charged.completion);
	jw_ki64(w, "billed_requests", charged.requests);
	jw_ki64(w, "answered_requests", answered.requests);
	jw_ki64(w, "answered_completions", answered.choices);
	jw_ki64(w, "unanswered_requests", unanswered.requests);
	jw_ki64(w, "billed_picousd", charged.picousd);
	jw_ki64(w, "answered_picousd", answered.picousd);
	jw_ki64(w, "unanswered_picousd", unanswered.picousd);
}

static void
json_line(const struct bill_line *l, struct jw *w)
{
	jw_open(w, '{');
	jw_ki64(w, "requests", l->charged.requests);
	jw_ki64(w, "answered", l->answered.requests);
	jw_ki64(w, "completions", l->answered.choices);
	jw_ki64(w, "prompt_tokens", l->charged.prompt);
	jw_ki64(w, "completion_tokens", l->charged.completion);
	jw_ki64(w, "picousd", l->charged.picousd);
	jw_ki64(w, "answered_picousd", l->answered.picousd);
	jw_ki64(w, "unanswered_picousd", l->unanswered.picousd);
	jw_close(w, '}');
}

void
bill_json_models(const struct bill *b, struct jw *w)
{
	jw_open(w, '{');
	for (size_t i = 0; i <= BILL_MODELS; i++)
		if (b->v[i].charged.requests > 0) {
			jw_key_str(w, str_of(i < BILL_MODELS ? b->v[i].name
			    : "(others)"));
			json_line(&b->v[i], w);
		}
	jw_close(w, '}');
}

void
bill_reset(struct bill *b)
{
	for (size_t i = 0; i <= BILL_MODELS; i++)
		b->v[i].charged = b->v[i].answered = b->v[i].unanswered =
		    (struct bill_sum){ 0 };
}
