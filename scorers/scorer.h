/*
 * scorer.h -- how an answer is judged: the interface of every scorer.
 *
 * A scorer maps (task, completions) to a score in [0, 1], where 1 means
 * "surely right" (FrugalGPT, arXiv 2305.05176, section 3). It is pure: the
 * same completions score the same at any time, so a recorded task can be
 * scored again offline. A new scorer is one file with one `struct scorer_ops`
 * and one line in scorers/registry.c.
 */
#ifndef SCORERS_SCORER_H
#define SCORERS_SCORER_H

#include "base/completion.h"
#include "base/err.h"
#include "base/yaml.h"
#include "scorers/score.h"

struct score_input {
	struct str prompt;           /* of the task */
	const struct completion *c;  /* what has come so far; borrowed */
	size_t n;                    /* how many; may be 0 */
	size_t more;                 /* how many more may still be asked for */
	size_t missing;              /* asked for and failed: they count as answers
	                                that agree with nothing */
	size_t chosen;               /* the completion that would be returned */
	/* What the tiers below that were visited would have returned, and did not
	 * accept, from the lowest up; borrowed. */
	const struct completion *below;
	size_t n_below;
};

#define SCORER_REASON 240

struct score_output {
	struct score score;  /* of what has come so far */
	size_t chosen;       /* set only by a scorer with SCORER_CHOOSES */
	/* In words, for `explain` and -v: "3 of 5 samples agree on '42'", "pattern
	 * '####' does not match". One line, text from a model made visible. */
	char reason[SCORER_REASON];
};

/* What a scorer is and needs. */
#define SCORER_LOGPROBS (1u << 0) /* needs token log-probabilities */
#define SCORER_CHOOSES  (1u << 1) /* picks one completion among several, one
                                     that is complete if there is one */
#define SCORER_FORMAT   (1u << 2) /* failing it is a matter of form, which the
                                     model may be asked to repair */
#define SCORER_BINARY   (1u << 3) /* 0 or 1: its threshold is 1 if not said */
#define SCORER_VERIFY   (1u << 4) /* looks at completion.verified, whose cost
                                     is then paid */

struct scorer_option {
	const char *name;
	const char *type;  /* "pattern, or list of patterns", "mean | min | ..." */
	const char *deflt; /* NULL: required */
	const char *help;
};

struct scorer_ops {
	const char *name;    /* as written in the configuration */
	const char *summary; /* one line of `frugal scorers` */
	unsigned flags;
	const struct scorer_option *options; /* ended by a NULL name; the common
	                                        `at_least` is not among them */
	/* The option that a bare value sets: `agreement: 0.8` is at_least,
	 * `regex: '####'` is match. */
	const char *shorthand;
	double at_least;   /* the threshold if it is not said; 0: it must be
	                      said (but see SCORER_BINARY) */
	size_t state_size; /* zeroed bytes the rule allocates in its arena */

	/* Read the options from `o` (a map; at_least and unknown keys are seen to
	 * already) and complain in *r. Allocates what lives with the rule from
	 * `a`. False: complained. `fini` must be safe even then. NULL: there are
	 * none to read. */
	bool (*init)(void *state, const struct ynode *o, struct arena *a,
	    struct report *r);

	/* Flags besides ops->flags that the options bring with them; may be NULL.
	 * SCORER_CHOOSES and SCORER_BINARY are not among them. */
	unsigned (*needs)(const void *state);

	/* REGEX_LIMIT and the like are not errors but a 0 with its reason.
	 * -1 (out of memory and bugs) fails the task. */
	int (*score)(void *state, const struct score_input *in,
	    struct score_output *out, struct err *e);

	/* The range in which the score may lie once all of in->more have come, if
	 * the next k of them (k <= more) are as kind to an early decision as can
	 * be: *lo is the highest sure lower bound and *hi the lowest sure upper
	 * bound. With k = 0 this is the plain range;
	 * both come in as the score. NULL: the score does not
	 * depend on later samples (but for a change of in->chosen). Called after
	 * score() with the same completions, so it may use what that left in the
	 * state. */
	void (*reach)(void *state, const struct score_input *in, size_t k,
	    struct score *lo, struct score *hi);

	/* Of a scorer with SCORER_CHOOSES, after score() as above: can the choice
	 * be sure to stay whatever comes later, if the next k completions are as
	 * kind to that as can be? NULL: not before the last one has come. */
	bool (*settled)(void *state, const struct score_input *in, size_t k);

	/* Warn in *r of a threshold that will surprise with this many samples
	 * (at most): may be NULL. */
	void (*advise)(void *state, struct score threshold, size_t samples,
	    const struct ynode *at, struct report *r);

	/* Release what is not in the arena (compiled patterns). May be NULL. */
	void (*fini)(void *state);
};

/* NULL-ended, in the order of `frugal scorers`; combinators not included. */
extern const struct scorer_ops *const scorer_registry[];
const struct scorer_ops *scorer_find(struct str name); /* NULL: unknown */

/*
 * What scorers share. The completion to judge, or NULL if none has come:
 */
const struct completion *scorer_chosen(const struct score_input *in);

/* A complete text: neither cut off nor refused. */
bool scorer_complete(const struct completion *c);

/* Fill a reason; what does not fit is cut at a character and ends in "...". */
void scorer_reason(char reason[SCORER_REASON], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Text of a model or a pattern, short and harmless, for a reason: fills and
 * returns `out`. */
#define SCORER_QUOTE 96
const char *scorer_quote(char out[SCORER_QUOTE], struct str text);

/* Words and values of the option `over`: what of a completion is looked at. */
enum { SCORER_OVER_TEXT, SCORER_OVER_ANSWER };
extern const char *const scorer_over_words[];

/* An option that is one of a NULL-ended list of words: its place in the list.
 * As ynode_str() when n is absent or wrong. */
bool scorer_word(const struct ynode *n, const char *what,
    const char *const *words, unsigned *out, struct report *r);

#endif
