/*
 * agreement.c -- the scorer `agreement`: self-consistency (Wang et al., arXiv
 * 2203.11171), the share of the samples that are in the largest group of equal
 * answers.
 *
 * A sample without an answer, cut off, refused or failed is in no group but
 * counts. Let W be the number of samples in the end and g the size of the
 * largest group now. In the worst case nothing more joins it, in the best
 * everything does, so the final share is between g/W and (g + more)/W; and as
 * no other group is larger now, none can be larger then than (g + more).
 * Of groups of one size the one whose first member came first is chosen.
 */
#include <stdio.h>
#include <stdlib.h>

#include "scorers/agreement.h"
#include "scorers/answer.h"

struct group {
	size_t at, len; /* its normal form in tally.forms */
	size_t size;
	size_t first;   /* its first member */
};

struct tally {
	struct buf forms;
	struct group *group; /* in the order of their first members */
	size_t n;
};

/* What score() leaves for reach() and settled(). */
struct agreement_state {
	size_t leader; /* size of the largest group */
	/* What another group has of the size it needs to be chosen instead:
	 * one more than its size if it would win a tie. */
	size_t rival;
};

/* Count completion i into its group. False: out of memory. */
static bool
tally_add(struct tally *t, struct str answer, size_t i)
{
	size_t at = t->forms.n, g;
	struct str form;

	answer_normal(&t->forms, answer);
	if (t->forms.failed)
		return false;
	form = str_sub(buf_str(&t->forms), at, t->forms.n - at);
	for (g = 0; g < t->n; g++) {
		if (str_eq(form, str_sub(buf_str(&t->forms),
		    t->group[g].at, t->group[g].len))) {
			t->group[g].size++;
			buf_cut(&t->forms, at);
			return true;
		}
	}
	t->group[t->n++] = (struct group){ at, form.n, 1, i };
	return true;
}

/* False: out of memory; tally_release() in any case. */
static bool
tally_fill(struct tally *t, const struct score_input *in)
{
	size_t i;

	*t = (struct tally){ .n = 0 };
	buf_init(&t->forms, BUF_MAX);
	if (!in->n)
		return true;
	t->group = calloc(in->n, sizeof(*t->group));
	if (!t->group)
		return false;
	for (i = 0; i < in->n; i++)
		if (in->c[i].has_answer && scorer_complete(&in->c[i]) &&
		    !tally_add(t, in->c[i].answer, i))
			return false;
	return true;
}

static void
tally_release(struct tally *t)
{
	buf_release(&t->forms);
	free(t->group);
}

/* The largest group, of several the first; NULL if there is none. */
static const struct group *
tally_leader(const struct tally *t)
{
	const struct group *best = NULL;
	size_t g;

	for (g = 0; g < t->n; g++)
		if (!best || t->group[g].size > best->size)
			best = &t->group[g];
	return best;
}

static size_t
tally_rival(const struct tally *t, const struct group *leader)
{
	size_t rival = 0, has, g;

	for (g = 0; g < t->n; g++) {
		has = t->group[g].size + (&t->group[g] < leader ? 1 : 0);
		if (&t->group[g] != leader && has > rival)
			rival = has;
	}
	return rival;
}

/* What to return where nothing has an answer: at least a whole text. */
static size_t
first_complete(const struct score_input *in)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		if (scorer_complete(&in->c[i]))
			return i;
	return 0;
}

static size_t
tally_second(const struct tally *t, const struct group *leader)
{
	size_t second = 0, g;

	for (g = 0; g < t->n; g++)
		if (&t->group[g] != leader && t->group[g].size > second)
			second = t->group[g].size;
	return second;
}

static int
count_samples(const struct score_input *in, struct agreement *out,
    struct err *e)
{
	const struct group *leader;
	struct tally t;
	bool ok;

	if (in->n <= 1) {
		out->leader = out->groups = in->n && in->c[0].has_answer &&
		    scorer_complete(&in->c[0]);
		return 0;
	}
	ok = tally_fill(&t, in);
	if (ok) {
		leader = tally_leader(&t);
		out->groups = t.n;
		out->leader = leader ? leader->size : 0;
		out->second = tally_second(&t, leader);
		out->chosen = leader ? leader->first : first_complete(in);
	}
	tally_release(&t);
	return ok ? 0 : err_nomem(e);
}

/* The answers of the tiers below, beside the one chosen here. */
static int
count_below(const struct score_input *in, struct agreement *out,
    struct err *e)
{
	const struct completion *c = out->chosen < in->n ?
	    &in->c[out->chosen] : NULL;
	struct buf forms;
	size_t n, at;
	int rc = 0;

	if (!c || !c->has_answer || !in->n_below)
		return 0;
	buf_init(&forms, BUF_MAX);
	answer_normal(&forms, c->answer);
	n = forms.n;
	for (size_t i = 0; i < in->n_below; i++) {
		at = forms.n;
		out->last_below = false;
		if (!in->below[i].has_answer)
			continue;
		answer_normal(&forms, in->below[i].answer);
		out->last_below = str_eq(str_sub(buf_str(&forms), 0, n),
		    str_sub(buf_str(&forms), at, forms.n - at));
		out->below += out->last_below;
		buf_cut(&forms, n);
	}
	if (forms.failed)
		rc = err_nomem(e);
	buf_release(&forms);
	return rc;
}

int
agreement_of(const struct score_input *in, struct agreement *out,
    struct err *e)
{
	*out = (struct agreement){ .samples = in->n + in->missing };
	if (count_samples(in, out, e) < 0)
		return -1;
	return count_below(in, out, e);
}

static void
say_agreement(const struct score_input *in, const struct group *leader,
    size_t samples, struct score_output *out)
{
	char quote[SCORER_QUOTE], failed[40] = "";
	const char *plural = samples == 1 ? "" : "s";

	if (in->missing)
		snprintf(failed, sizeof(failed), " (%zu failed)", in->missing);
	if (!samples)
		scorer_reason(out->reason, "no completion came back");
	else if (!leader)
		scorer_reason(out->reason,
		    "none of %zu sample%s has an answer%s", samples, plural,
		    failed);
	else
		scorer_reason(out->reason,
		    "%zu of %zu sample%s agree%s on '%s'%s", leader->size,
		    samples, plural, leader->size == 1 ? "s" : "",
		    scorer_quote(quote, in->c[leader->first].answer), failed);
}

static struct score
share(size_t part, size_t whole)
{
	return score_of_p(whole ? (double)part / (double)whole : 0);
}

static int
agreement_score(void *state, const struct score_input *in,
    struct score_output *out, struct err *e)
{
	struct agreement_state *st = state;
	const struct group *leader;
	struct tally t;
	int rc = -1;

	if (!tally_fill(&t, in)) {
		err_nomem(e);
		goto out;
	}
	leader = tally_leader(&t);
	st->leader = leader ? leader->size : 0;
	st->rival = tally_rival(&t, leader);
	out->chosen = leader ? leader->first : first_complete(in);
	out->score = share(st->leader, in->n + in->missing);
	say_agreement(in, leader, in->n + in->missing, out);
	rc = 0;
out:
	tally_release(&t);
	return rc;
}

/*
 * Kind to accepting is that the next k join the largest group; kind to
 * rejecting is that they join none, and all after them do.
 */
static void
agreement_reach(void *state, const struct score_input *in, size_t k,
    struct score *lo, struct score *hi)
{
	const struct agreement_state *st = state;
	size_t samples = in->n + in->missing + in->more;

	*lo = share(st->leader + k, samples);
	*hi = share(st->leader + in->more - k, samples);
}

/* When the next k join the largest group, can those after them still make
 * another one the choice? */
static bool
agreement_settled(void *state, const struct score_input *in, size_t k)
{
	const struct agreement_state *st = state;

	return st->rival + in->more - k <= st->leader + k;
}

/* "1/3, 2/3 and 1" */
static void
list_shares(struct buf *out, size_t samples)
{
	size_t i;

	for (i = 1; i < samples; i++) {
		if (samples > 6 && i == 3) {
			buf_adds(out, ", ...");
			break;
		}
		buf_addf(out, "%s%zu/%zu", i > 1 ? ", " : "", i, samples);
	}
	buf_adds(out, " and 1");
}

static void
agreement_advise(void *state, struct score threshold, size_t samples,
    const struct ynode *at, struct report *r)
{
	struct buf t, shares;
	size_t needed = 1;

	(void)state;
	if (samples <= 1) {
		report_warn(r, at, "agreement with 1 sample is always 1; set "
		    "'samples' to 3 or more");
		return;
	}
	while (needed < samples &&
	    score_cmp(share(needed, samples), threshold) < 0)
		needed++;

	buf_init(&t, 64);
	buf_init(&shares, 256);
	score_show(&t, threshold);
	list_shares(&shares, samples);
	if (t.failed || shares.failed)
		r->nomem = true;
	else if (needed == 1)
		report_warn(r, at, "agreement %s with %zu samples never fails "
		    "once one answer is there", t.p, samples);
	else if (needed == samples && threshold.ln < 0)
		report_warn(r, at, "agreement %s with %zu samples is unanimity "
		    "(the possible shares are %s)", t.p, samples, shares.p);
	else if (2 * needed <= samples)
		report_warn(r, at, "agreement %s with %zu samples can be "
		    "reached by two different answers; the first that reaches "
		    "it is returned", t.p, samples);
	buf_release(&shares);
	buf_release(&t);
}

static const struct scorer_option agreement_options[] = {
	{ NULL, NULL, NULL, NULL },
};

const struct scorer_ops scorer_agreement = {
	.name = "agreement",
	.summary = "the share of the samples that give the most frequent "
	    "answer (self-consistency)",
	.flags = SCORER_CHOOSES,
	.options = agreement_options,
	.shorthand = "at_least",
	.state_size = sizeof(struct agreement_state),
	.score = agreement_score,
	.reach = agreement_reach,
	.settled = agreement_settled,
	.advise = agreement_advise,
};
