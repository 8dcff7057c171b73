/*
 * verify.c -- the scorer `verify`: what the same model said when it was asked
 * whether its answer is right, as the probability of yes (P(True): AutoMix,
 * arXiv 2310.12963; rational tuning, 2501.09345). It reads what was recorded;
 * nothing asks a model, so that config_check.c takes it of recorded tiers
 * alone.
 */
#include "scorers/scorer.h"

static int
verify_score(void *state, const struct score_input *in,
    struct score_output *out, struct err *e)
{
	const struct completion *c = scorer_chosen(in);
	struct buf p;
	int rc = 0;

	(void)state;
	out->score = score_of_p(0);
	if (!c || !c->verified) {
		scorer_reason(out->reason, "%s", c ? "nobody asked whether "
		    "the answer is right" : "no completion came back");
		return 0;
	}
	out->score = score_of_ln(c->verified->ln);
	buf_init(&p, 64);
	score_show(&p, out->score);
	if (p.failed)
		rc = err_nomem(e);
	else
		scorer_reason(out->reason, "asked whether it is right, the "
		    "model said yes with probability %s", p.p);
	buf_release(&p);
	return rc;
}

static const struct scorer_option verify_options[] = {
	{ NULL, NULL, NULL, NULL },
};

const struct scorer_ops scorer_verify = {
	.name = "verify",
	.summary = "how probable the model found it, when asked, that its "
	    "answer is right; of recorded answers alone",
	.flags = SCORER_VERIFY,
	.options = verify_options,
	.shorthand = "at_least",
	.score = verify_score,
};
