/*
 * replay.c -- the climb of a task, fed from its trace.
 */
#include "cascade/replay.h"

#include "base/money.h"

const struct trace_tier *
replay_find(const struct trace_task *t, const struct tier *tier)
{
	const struct str names[] = { tier->name, tier->model_name };

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < t->n_tiers; i++)
			if (str_eq(t->tiers[i].name, names[k]))
				return &t->tiers[i];
	return NULL;
}

static int64_t
cost_of(const struct tier *tier, const struct trace_tier *v, size_t i)
{
	const struct completion *c = &v->c[i];
	struct price p = tier->price;
	struct usage u = { c->prompt_tokens, -1, -1, c->completion_tokens };

	if (c->cost_picousd != MONEY_UNKNOWN)
		return c->cost_picousd;
	if (v->rates.input != MONEY_UNKNOWN)
		price_override(&p, &v->rates);
	return price_cost(&p, &u, 0, false);
}

enum tristate
replay_correct(const struct trace_task *t, const struct trace_tier *v, size_t i)
{
	const struct completion *c = &v->c[i];

	if (v->notes[i].correct != UNSET || !t->task->has_reference)
		return v->notes[i].correct;
	if (!c->has_answer)
		return NO;
	return answer_equal(c->answer, t->task->reference) ? YES : NO;
}

/* A recorded answer that the text has in it, too, is the one in the text: what
 * is measured over the answer's tokens has to know where it lies. */
static void
find_answer(const struct cascade *k, struct completion *c)
{
	struct str in_text;

	if (c->has_answer && c->n_tokens && !c->tokens_of_answer
	    && answer_extract(&k->answer, c->text, &in_text)
	    && str_eq(in_text, c->answer))
		c->answer = in_text;
}

/* A copy with answers and costs where they were not recorded: the trace itself
 * may be replayed again, by another cascade with other prices. */
struct trace_tier *
replay_fill(const struct cascade *k, const struct tier *tier,
    const struct trace_tier *from, struct arena *a)
{
	struct trace_tier *v = arena_alloc(a, sizeof(*v));

	if (!v)
		return NULL;
	*v = *from;
	v->c = arena_array(a, v->n, sizeof(*v->c));
	if (!v->c)
		return NULL;
	for (size_t i = 0; i < v->n; i++) {
		struct completion *c = &v->c[i];
		*c = from->c[i];
		if (v->notes[i].has_recorded_answer)
			find_answer(k, c);
		else
			c->has_answer = answer_extract(&k->answer, c->text,
			    &c->answer);
		c->cost_picousd = cost_of(tier, v, i);
	}
	return v;
}

/* An answer that was recorded as missing has no log-probabilities: it scores 0,
 * as it would have done then. */
static bool
lacks_logprobs(const struct trace_tier *v)
{
	return !v->c[0].n_tokens && (v->c[0].has_answer
	    || !v->notes[0].has_recorded_answer);
}

/* What every tier of the cascade is in this trace; else *missing says what it
 * lacks. */
static int
prepare(const struct cascade *k, const struct trace_task *t,
    const struct trace_tier **of, const char **missing, struct err *e)
{
	for (size_t i = 0; i < k->n_tiers; i++) {
		const struct tier *tier = &k->tiers[i];
		const struct trace_tier *v = replay_find(t, tier);

		const char *what = !v ? "was not recorded"
		    : v->n < (size_t)tier->samples_max
		    ? "was recorded with fewer samples than it asks for"
		    : tier->sampling.logprobs && lacks_logprobs(v)
		    ? "is scored by log-probabilities, and none were recorded"
		    : rule_flags(tier->accept) & SCORER_VERIFY
		    && !v->c[0].verified
		    ? "is scored by its verification, and none was recorded"
		    : NULL;
		if (what) {
			*missing = arena_printf(t->task->arena,
			    "tier '%.*s' %s", STR_ARG(tier->name), what);
			return *missing ? 0 : err_nomem(e);
		}
		of[i] = replay_fill(k, tier, v, t->task->arena);
		if (!of[i])
			return err_nomem(e);
	}
	return 0;
}

/* With what the verification of it cost, where the tier's rule looks at that:
 * `alone` does not pay it. NULL: out of memory. */
static const struct completion *
with_verification(const struct tier *tier, const struct completion *c,
    struct arena *a)
{
	struct completion *paid;

	if (!(rule_flags(tier->accept) & SCORER_VERIFY) || !c->verified)
		return c;
	paid = arena_alloc(a, sizeof(*paid));
	if (!paid)
		return NULL;
	*paid = *c;
	paid->cost_picousd = money_add(c->cost_picousd,
	    c->verified->cost_picousd);
	return paid;
}

/* Which recorded sample stands at each place of the attempt's completions. */
struct given {
	int tier;
	size_t n, at[CONFIG_MAX_SAMPLES];
};

static int
give(struct climb *c, const struct climb_ask *ask, const struct tier *tier,
    const struct trace_tier *v, struct given *given, struct arena *a,
    struct err *e)
{
	size_t prompts = tier->n_prompts ? tier->n_prompts : 1;
	size_t at = (size_t)ask->sample * prompts + (size_t)ask->prompt;
	struct climb_news news = { .requests = 1 };
	struct climb_failure f = { .outcome = OUTCOME_FAIL,
	    .code = STR("not_recorded"),
	    .message = STR("repairs are not recorded") };

	if (ask->repair)
		return climb_fail(c, ask->slot, &f, 0, e);
	if (given->tier != ask->tier)
		given->n = 0;
	given->tier = ask->tier;
	given->at[given->n++] = at;
	news.c = with_verification(tier, &v->c[at], a);
	if (!news.c)
		return err_nomem(e);
	return climb_give(c, ask->slot, &news, 0, NULL, e);
}

static void
note_ways(const struct cascade *k, const struct trace_task *t,
    const struct trace_tier **of, const struct given *given,
    struct replay *out)
{
	const struct result *r = out->result;
	const struct ledger_attempt *last = &r->attempts[r->n_attempts - 1];

	out->cascade.cost_picousd = r->cost_picousd;
	out->cascade.answered = r->tier > 0;
	if (r->tier > 0)
		out->cascade.correct = replay_correct(t, of[r->tier - 1],
		    given->at[last->chosen]);
	else if (replay_correct(t, of[0], 0) != UNSET)
		out->cascade.correct = NO; /* no answer is not the right one */
	for (size_t i = 0; i < k->n_tiers; i++)
		out->alone[i] = (struct replay_way){ true,
		    replay_correct(t, of[i], 0), of[i]->c[0].cost_picousd };
}

int
replay_task(const struct cascade *k, struct trace_task *t,
    struct replay *out, struct err *e)
{
	struct arena *a = t->task->arena;
	const struct trace_tier **of = arena_array(a, k->n_tiers,
	    sizeof(*of));
	struct tier_state *states = arena_array(a, k->n_tiers,
	    sizeof(*states));
	struct given given = { .tier = -1 };
	struct climb_ask ask;
	struct climb *c;

	*out = (struct replay){ .alone = arena_array(a, k->n_tiers,
	    sizeof(*out->alone)) };
	if (!of || !states || !out->alone)
		return err_nomem(e);
	if (prepare(k, t, of, &out->missing, e) < 0)
		return -1;
	if (out->missing)
		return 0;
	c = climb_new(k, t->task, states, CLIMB_RECORDED, 0);
	if (!c)
		return err_nomem(e);
	while (climb_next(c, &ask))
		if (give(c, &ask, &k->tiers[ask.tier], of[ask.tier],
		    &given, a, e) < 0)
			return -1;
	out->result = climb_result(c);
	if (!out->result)
		return err_set(e, ERR_INPUT, "task '%.*s': the climb never "
		    "ends", STR_ARG(t->task->id));
	note_ways(k, t, of, &given, out);
	return 0;
}

void
replay_add(struct replay_sum *sum, const struct replay_way *way,
    const struct replay_way *top)
{
	double cost = (double)way->cost_picousd, dear;

	sum->tasks++;
	sum->answered += way->answered;
	if (way->correct != UNSET) {
		sum->labelled++;
		sum->correct += way->correct == YES;
	}
	if (way->cost_picousd == MONEY_UNKNOWN) {
		sum->unknown_cost++;
		return;
	}
	sum->cost_picousd = money_add(sum->cost_picousd, way->cost_picousd);
	if (!top || top->cost_picousd == MONEY_UNKNOWN)
		return;
	dear = (double)top->cost_picousd;
	sum->priced++;
	sum->cost += cost;
	sum->cost_squares += cost * cost;
	sum->top += dear;
	sum->top_squares += dear * dear;
	sum->products += cost * dear;
}

bool
replay_accuracy(const struct replay_sum *sum, double *share, double *low,
    double *high)
{
	struct interval in;

	if (!sum->labelled)
		return false;
	*share = (double)sum->correct / (double)sum->labelled;
	in = chance_share((double)sum->correct, (double)sum->labelled);
	*low = in.low;
	*high = in.high;
	return true;
}

bool
replay_cost_interval(const struct replay_sum *sum, struct interval *in)
{
	double n = (double)sum->priced;

	if (sum->unknown_cost || !sum->tasks || sum->priced != sum->tasks)
		return false;
	*in = chance_mean(sum->cost, sum->cost_squares, sum->priced);
	in->low = in->low * n > 0 ? in->low * n : 0;
	in->high *= n;
	return true;
}

bool
replay_of_top(const struct replay_sum *sum, double *share,
    struct interval *in)
{
	double squares;

	if (sum->unknown_cost || sum->priced != sum->tasks || !(sum->top > 0))
		return false;
	*share = sum->cost / sum->top;
	/* The ratio is off by the mean of cost - share x top, over the mean of
	 * top; that difference has mean 0. */
	squares = sum->cost_squares - 2 * *share * sum->products
	    + *share * *share * sum->top_squares;
	*in = chance_mean(0, squares > 0 ? squares : 0, sum->priced);
	in->low = *share + in->low * (double)sum->priced / sum->top;
	in->high = *share + in->high * (double)sum->priced / sum->top;
	if (in->low < 0)
		in->low = 0;
	return true;
}

void
replay_compare(struct replay_pair *p, const struct replay_way *first,
    const struct replay_way *second)
{
	if (first->correct == UNSET || second->correct == UNSET)
		return;
	p->labelled++;
	p->gained += first->correct == YES && second->correct == NO;
	p->lost += first->correct == NO && second->correct == YES;
}
