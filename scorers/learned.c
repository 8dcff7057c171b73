/*
 * learned.c -- the scorer `learned`: how likely an answer is right, by a model
 * that `frugal learn` has trained (scorers/model.h). The file is read when the
 * configuration is; scoring reads nothing.
 */
#include "scorers/model.h"
#include "scorers/rule.h"

#define MAX_SHOWN 200

struct learned_state {
	struct model model;
	struct rule *rule[MODEL_MAX_RULES]; /* of `with`, in its order */
	size_t n_rules;
};

static bool
read_file(struct learned_state *st, const struct ynode *o, struct arena *a,
    struct report *r)
{
	const struct ynode *file = ynode_get(o, "file");
	struct str name = { NULL, 0 };
	struct err e = { 0 };

	if (!file) {
		report_error(r, o, "learned needs the file of a model, as in "
		    "'learned: {file: small.model, at_least: 0.8}'; `frugal "
		    "learn` makes one");
		return false;
	}
	if (!ynode_str(file, "file", &name, r))
		return false;
	if (model_load_for(&st->model, name, r, a, &e) < 0) {
		report_error(r, file, "%s", e.msg);
		return false;
	}
	if (st->model.kind == MODEL_SCORE)
		return true;
	report_error(r, file, "'%.*s' is a model for 'route', of prompts "
	    "alone; train one for answers, without --route", STR_ARG(name));
	return false;
}

/* The same rule, with the same options, that it was trained with? */
static bool
check_rule(const struct learned_state *st, size_t i, const struct ynode *at,
    struct report *r)
{
	struct str want = st->model.rule[i].shown;
	struct buf shown;
	bool same;

	buf_init(&shown, BUF_MAX);
	rule_show(st->rule[i], &shown);
	same = !shown.failed && str_eq(buf_str(&shown), want);
	if (shown.failed)
		r->nomem = true;
	else if (!same)
		report_error(r, at, "the model was trained with \"%.*s\" "
		    "here, not \"%.*s\"; train it again with `frugal learn`",
		    (int)(want.n < MAX_SHOWN ? want.n : MAX_SHOWN), want.p,
		    (int)(shown.n < MAX_SHOWN ? shown.n : MAX_SHOWN), shown.p);
	buf_release(&shown);
	return same;
}

static bool
read_with(struct learned_state *st, const struct ynode *o, struct arena *a,
    struct report *r)
{
	const struct ynode *with = ynode_get(o, "with");
	size_t n = with && with->kind == YNODE_LIST ? with->n : 0;
	bool ok = true;

	if (with && with->kind != YNODE_LIST) {
		report_error(r, with, "with is a list of rules, as in "
		    "'with: [regex: '####']'");
		return false;
	}
	if (n != st->model.n_rules) {
		report_error(r, with ? with : o, "the model was trained with "
		    "%zu rules under 'with', here are %zu; the first is "
		    "\"%.*s\"", st->model.n_rules, n, st->model.n_rules ?
		    (int)st->model.rule[0].shown.n : 4, st->model.n_rules ?
		    st->model.rule[0].shown.p : "none");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		st->rule[i] = rule_build_under(with->item[i], a, r,
		    "learned");
		st->n_rules = i + 1;
		ok &= st->rule[i] && check_rule(st, i, with->item[i], r);
	}
	return ok;
}

static bool
learned_init(void *state, const struct ynode *o, struct arena *a,
    struct report *r)
{
	struct learned_state *st = state;

	return read_file(st, o, a, r) && read_with(st, o, a, r);
}

static void
learned_fini(void *state)
{
	struct learned_state *st = state;

	for (size_t i = 0; i < st->n_rules; i++)
		rule_release(st->rule[i]);
}

static unsigned
learned_needs(const void *state)
{
	const struct learned_state *st = state;
	unsigned flags = model_needs_logprobs(&st->model) ?
	    SCORER_LOGPROBS : 0;

	for (size_t i = 0; i < st->n_rules; i++)
		flags |= rule_flags(st->rule[i]) & SCORER_LOGPROBS;
	return flags;
}

/* Why there is nothing to score, or NULL. */
static const char *
obstacle(const struct learned_state *st, const struct score_input *in)
{
	const struct completion *c = scorer_chosen(in);

	if (!c)
		return "no completion came back";
	if (!c->n_tokens && model_needs_logprobs(&st->model))
		return "no log-probabilities came back, and the model was "
		    "trained with them";
	return NULL;
}

static int
learned_score(void *state, const struct score_input *in,
    struct score_output *out, struct err *e)
{
	struct learned_state *st = state;
	struct score_input chosen = *in;
	struct score scores[MODEL_MAX_RULES];
	struct agreement a;
	const char *why;

	if (agreement_of(in, &a, e) < 0)
		return -1;
	chosen.chosen = out->chosen = a.chosen;
	out->score = score_of_p(0);
	why = obstacle(st, &chosen);
	if (why) {
		scorer_reason(out->reason, "%s", why);
		return 0;
	}
	for (size_t i = 0; i < st->n_rules; i++)
		if (rule_score(st->rule[i], &chosen, &scores[i], e) < 0)
			return -1;
	out->score = model_score(&st->model, &chosen, &a, scores);
	scorer_reason(out->reason, "likely to be right, by a model of %lld "
	    "tasks of which %.0f %% were right", (long long)st->model.tasks,
	    100 * st->model.right);
	return 0;
}

/* Nothing is sure before the last sample is there. */
static void
learned_reach(void *state, const struct score_input *in, size_t k,
    struct score *lo, struct score *hi)
{
	(void)state;
	if (!in->more)
		return; /* they are the score already */
	*lo = score_of_p(k == in->more ? 1 : 0);
	*hi = score_of_p(k == in->more ? 0 : 1);
}

static void
learned_advise(void *state, struct score threshold, size_t samples,
    const struct ynode *at, struct report *r)
{
	const struct learned_state *st = state;

	(void)threshold;
	if (st->model.samples && (size_t)st->model.samples != samples)
		report_warn(r, at, "the model was trained on %lld sample%s, "
		    "this tier asks for %zu: its scores will be off",
		    (long long)st->model.samples,
		    st->model.samples == 1 ? "" : "s", samples);
}

static const struct scorer_option learned_options[] = {
	{ "file", "file", NULL,
	    "the model, as `frugal learn` wrote it; relative to the folder of "
	    "the configuration" },
	{ "with", "list of rules", "none",
	    "other scorers, without thresholds, whose scores the model was "
	    "trained to look at: `frugal learn` says which" },
	{ NULL, NULL, NULL, NULL },
};

const struct scorer_ops scorer_learned = {
	.name = "learned",
	.summary = "how likely the answer is right, by a model trained on "
	    "recorded answers with `frugal learn`",
	.flags = SCORER_CHOOSES,
	.options = learned_options,
	.shorthand = "file",
	.at_least = 0.5,
	.state_size = sizeof(struct learned_state),
	.init = learned_init,
	.needs = learned_needs,
	.score = learned_score,
	.reach = learned_reach,
	.advise = learned_advise,
	.fini = learned_fini,
};
