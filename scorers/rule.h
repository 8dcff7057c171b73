/*
 * rule.h -- a tier's accept rule: one scorer with its threshold, or several
 * under `all`, `any` or `mean`.
 *
 *   agreement: 0.8
 *   regex: '####'
 *   logprob: {at_least: {log: -4.7e-12}, over: answer}
 *   all: [regex: '####', logprob: 0.85]        every rule accepts
 *   any: [...]                                 at least one accepts
 *   all: {of: [...], at_least: 0.9}            the least score against 0.9
 *   any: {of: [...], at_least: 0.9}            the greatest score
 *   mean: {of: [...], weights: [2, 1], at_least: 0.7}   the weighted mean
 *
 * Under a combinator that has at_least, the rules below it have none. Without
 * it, `all` reports the score and threshold of the first rule that rejects
 * (all accept: of the one that accepts by the least score), `any` those of the
 * first that accepts (none: of the greatest score).
 *
 * The completion to return is chosen first, by the first scorer of the rule,
 * depth first, that has SCORER_CHOOSES, else it is the first that has come;
 * then every scorer judges that choice.
 */
#ifndef SCORERS_RULE_H
#define SCORERS_RULE_H

#include "scorers/scorer.h"

struct rule; /* opaque; lives in the arena it was built in */

/* From the map under `accept:`. NULL: complained in *r. rule_release() frees
 * what is not arena memory; does nothing on NULL. */
struct rule *rule_build(const struct ynode *n, struct arena *a,
    struct report *r);
void rule_release(struct rule *rule);

/* A rule without a threshold, of one scorer alone, whose score another scorer
 * looks at; `under` is the name of that one and lives longer. */
struct rule *rule_build_under(const struct ynode *n, struct arena *a,
    struct report *r, const char *under);
/* The score that such a rule gives to in->chosen. 0, or -1 with *e. */
int rule_score(struct rule *rule, const struct score_input *in,
    struct score *out, struct err *e);

unsigned rule_flags(const struct rule *rule); /* SCORER_* of all scorers in it */
/* Complain (as warnings) about thresholds that can never be met or never
 * fail, samples that no scorer looks at, and the like. */
void rule_advise(const struct rule *rule, size_t samples, struct report *r);
/* "all(regex '####', logprob >= 0.85)", for `check`. */
void rule_show(const struct rule *rule, struct buf *out);

enum verdict_kind {
	VERDICT_UNDECIDED, /* later samples may still change it */
	VERDICT_ACCEPT,
	VERDICT_ESCALATE,
};

struct verdict {
	enum verdict_kind kind;
	struct score score;
	struct score threshold;
	bool scored;         /* false: no score was made (no rule, no answer) */
	const char *scorer;  /* name of the one that decided; static; NULL: the
	                        answer is missing or incomplete */
	bool format_failed;  /* it escalates, and a SCORER_FORMAT rule decided */
	size_t chosen;       /* completion to return */
	size_t ask;          /* UNDECIDED: the least number of further samples
	                        after which a decision is possible, >= 1 */
	char reason[SCORER_REASON];
};

/* in->chosen is ignored. A completion chosen that is cut off (FINISH_LENGTH)
 * or refused escalates with score 0 whatever the scorers say, unless the rule
 * is NULL: then a complete answer is accepted and anything else escalates.
 * 0, or -1 with *e. */
int rule_judge(struct rule *rule, const struct score_input *in,
    struct verdict *out, struct err *e);

#endif
