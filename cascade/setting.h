/*
 * setting.h -- the ways of asking a tier that are worth trying on recorded
 * answers: how many samples, which scorer, with which options.
 *
 * A setting is a rule without its threshold, kept as the text that stands
 * around the threshold in the configuration, so that what was tried is what
 * is written.
 */
#ifndef CASCADE_SETTING_H
#define CASCADE_SETTING_H

#include "cascade/config.h"

#define SETTING_MAX 48 /* of one tier */

struct setting {
	const char *label;   /* "agreement, 5 samples", for people; "+ patterns":
	                        with those that the tier demands */
	int samples;
	bool judged;         /* false: stands last, nobody asks for its score */
	bool verify;         /* its rule looks at the verification, which has
	                        its price */
	bool combined;       /* of several scorers, and not the tier's own rule:
	                        kept where it is clearly better than one */
	int spare;           /* the higher, the sooner it is left out where tiers
	                        and settings are too many; 0: as late as can be */
	bool learned;        /* scored by a model that is trained on the very
	                        tasks (harvest_learn()) */
	const char *file;    /* of that model, as in `before` */
	struct str before, after; /* of `accept:`, around the threshold, in one
	                        line of YAML; empty if not judged */
	struct rule *rule;   /* with the threshold 0; NULL: the first completion
	                        is taken as it is. Of a learned one: what its
	                        answer must fulfil besides; NULL: nothing */
};

/* What was recorded of a tier. */
struct recorded {
	size_t samples;      /* the least of any task */
	bool logprobs;       /* of every first completion */
	bool many_tokens;    /* of some completion */
	bool whole_text;     /* tokens of the text, not of its answer alone */
	bool answers;        /* some text has an answer that is not all of it */
	bool verify;
	const char *model;   /* the file that a learned score would be written
	                        to, letters, digits and -._ alone; NULL: none is
	                        to be tried. With it, a tier's own rule is not
	                        tried if it has a model in it, which may have
	                        been trained on the very tasks */
};

struct settings {
	struct setting v[SETTING_MAX];
	size_t n;
};

/*
 * The settings of a tier. `accept` is its own rule in the configuration, or
 * NULL: patterns that it demands under `all` are demanded by every setting, and
 * the rule itself is tried if its threshold can be moved. A pattern that is the
 * whole rule, or is one way of several under `any`, is tried alone, and together
 * with another scorer under `all` and `any`. The first setting is
 * not judged: what the tier says when it stands last, with `samples` completions
 * (the configuration's; 1 if it has none).
 * Everything lives in the arena but the compiled patterns: settings_release().
 */
int settings_find(struct settings *out, const struct recorded *r,
    const struct ynode *accept, int samples, struct arena *a, struct err *e);
void settings_release(struct settings *s);

/* Leave out the most spare, later ones first, until there are at most so many,
 * which is > 0. */
void settings_thin(struct settings *s, size_t most);

/* The first that is judged, not learned and not spare (or, where all are, the
 * first), which no label has chosen: for a promise. 0: there is none. */
size_t settings_first(const struct settings *s);

/* The text after `accept:` with a threshold, a natural logarithm. +1, above
 * every score, is written as 1: no cascade that is worth its money has it. */
void setting_accept(const struct setting *s, double threshold,
    struct buf *out);

#endif
