/*
 * logprob.c -- the scorer `logprob`: how sure the model was of its own words,
 * exp of an aggregate of token log-probabilities. All of it stays in
 * logarithms, since the useful differences lie within a millionth of 1.
 */
#include <math.h>
#include <stdlib.h>

#include "scorers/scorer.h"

enum { AGG_MEAN, AGG_MIN, AGG_FIRST, AGG_QUANTILE };
static const char *const aggregate_words[] = {
	"mean", "min", "first", "quantile", NULL
};

struct logprob_state {
	unsigned aggregate, over;
	double quantile;
};

static bool
logprob_init(void *state, const struct ynode *o, struct arena *a,
    struct report *r)
{
	struct logprob_state *st = state;
	const struct ynode *quantile = ynode_get(o, "quantile");
	bool ok = true;

	(void)a;
	st->quantile = 0.1;
	ok &= scorer_word(ynode_get(o, "aggregate"), "aggregate",
	    aggregate_words, &st->aggregate, r);
	ok &= scorer_word(ynode_get(o, "over"), "over", scorer_over_words,
	    &st->over, r);
	ok &= ynode_double(quantile, "quantile", 0, 1, &st->quantile, r);
	if (ok && quantile && st->aggregate != AGG_QUANTILE) {
		report_error(r, quantile, "'quantile' has no effect without "
		    "'aggregate: quantile'");
		ok = false;
	}
	return ok;
}

/* Bytes [from, to) of the text that are the answer. False: it is not there,
 * which only a recorded answer can be. */
static bool
find_answer(const struct completion *c, size_t *from, size_t *to)
{
	uintptr_t text = (uintptr_t)c->text.p, answer = (uintptr_t)c->answer.p;
	size_t at;

	if (c->answer.n > c->text.n)
		return false;
	/* The answer is commonly what a text ends with: its last occurrence. */
	at = c->text.n - c->answer.n;
	if (answer >= text && answer - text <= at)
		at = answer - text;
	while (!str_eq(str_sub(c->text, at, c->answer.n), c->answer))
		if (at-- == 0)
			return false;
	*from = at;
	*to = at + c->answer.n;
	return true;
}

/*
 * Copy the log-probabilities to look at into v, which has room for all. Their
 * number, or 0 with out->reason.
 */
static size_t
select_tokens(const struct logprob_state *st, const struct completion *c,
    double *v, struct score_output *out)
{
	bool all = st->over == SCORER_OVER_TEXT || c->tokens_of_answer;
	size_t from = 0, to = 0, i, n = 0;

	if (!all && !find_answer(c, &from, &to)) {
		scorer_reason(out->reason, "the answer is not in the text");
		return 0;
	}
	for (i = 0; i < c->n_tokens; i++)
		if (all || (c->tokens[i].from < to && c->tokens[i].to > from))
			v[n++] = c->tokens[i].logprob;
	if (!n)
		scorer_reason(out->reason, "no log-probabilities came back for "
		    "the answer");
	return n;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts v. Between two values it interpolates. */
static double
quantile_of(double *v, size_t n, double q)
{
	double place = (double)(n - 1) * q;
	size_t below = (size_t)floor(place);

	qsort(v, n, sizeof(*v), by_value);
	if (below + 1 >= n)
		return v[n - 1];
	return v[below] + (place - (double)below) * (v[below + 1] - v[below]);
}

/* n > 0 */
static double
aggregate_of(const struct logprob_state *st, double *v, size_t n)
{
	double sum = 0;
	size_t i;

	switch (st->aggregate) {
	case AGG_MIN:
		return quantile_of(v, n, 0);
	case AGG_FIRST:
		return v[0];
	case AGG_QUANTILE:
		return quantile_of(v, n, st->quantile);
	default:
		for (i = 0; i < n; i++)
			sum += v[i];
		return sum / (double)n;
	}
}

static int
say_probability(const struct logprob_state *st, size_t n,
    struct score_output *out, struct err *e)
{
	static const char *const what[] = {
		"mean (geometric)", "least", "first", "quantile of the",
	};
	struct buf p;
	int rc = 0;

	buf_init(&p, 64);
	score_show(&p, out->score);
	if (p.failed)
		rc = err_nomem(e);
	else
		scorer_reason(out->reason, "%s token probability of %s is %s "
		    "(%zu token%s)", what[st->aggregate],
		    scorer_over_words[st->over], p.p, n, n == 1 ? "" : "s");
	buf_release(&p);
	return rc;
}

/* Why there is nothing to score, or NULL. */
static const char *
obstacle(const struct logprob_state *st, const struct completion *c)
{
	if (!c)
		return "no completion came back";
	if (st->over == SCORER_OVER_ANSWER && !c->has_answer)
		return "no answer was found in the text";
	if (!c->tokens || !c->n_tokens)
		return "no log-probabilities came back";
	return NULL;
}

static int
logprob_score(void *state, const struct score_input *in,
    struct score_output *out, struct err *e)
{
	const struct logprob_state *st = state;
	const struct completion *c = scorer_chosen(in);
	const char *why = obstacle(st, c);
	double *v;
	size_t n;
	int rc = 0;

	out->score = score_of_p(0);
	if (why) {
		scorer_reason(out->reason, "%s", why);
		return 0;
	}
	v = calloc(c->n_tokens, sizeof(*v));
	if (!v)
		return err_nomem(e);
	n = select_tokens(st, c, v, out);
	if (n) {
		out->score = score_of_ln(aggregate_of(st, v, n));
		rc = say_probability(st, n, out, e);
	}
	free(v);
	return rc;
}

static void
logprob_advise(void *state, struct score threshold, size_t samples,
    const struct ynode *at, struct report *r)
{
	(void)state;
	(void)samples;
	if (threshold.ln >= 0)
		report_warn(r, at, "logprob at_least 1 (log 0) is only met by "
		    "certainty; write a threshold next to 1 as "
		    "'at_least: {log: -1e-9}'");
}

static const struct scorer_option logprob_options[] = {
	{ "aggregate", "mean | min | first | quantile", "mean",
	    "what of the tokens' log-probabilities counts: their mean (the "
	    "geometric mean probability), the least, the first token's, or a "
	    "quantile" },
	{ "quantile", "number from 0 to 1", "0.1",
	    "which quantile, with 'aggregate: quantile'; 0 is the least and "
	    "0.5 the median" },
	{ "over", "text | answer", "text",
	    "use the tokens of the whole text, or only those of the answer "
	    "extracted from it (no answer scores 0)" },
	{ NULL, NULL, NULL, NULL },
};

const struct scorer_ops scorer_logprob = {
	.name = "logprob",
	.summary = "how probable the model found its own words, from the "
	    "log-probabilities of their tokens",
	.flags = SCORER_LOGPROBS,
	.options = logprob_options,
	.shorthand = "at_least",
	.state_size = sizeof(struct logprob_state),
	.init = logprob_init,
	.score = logprob_score,
	.advise = logprob_advise,
};
