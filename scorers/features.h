/*
 * features.h -- what a learned score is made of: numbers measured on a task
 * and its completions, and the words of both, hashed (Weinberger et al.,
 * "Feature Hashing for Large Scale Multitask Learning", arXiv 0902.2206).
 *
 * Pure, deterministic and the same in training and in use. It takes no memory
 * for one sample; of several, only to count which answers are equal.
 */
#ifndef SCORERS_FEATURES_H
#define SCORERS_FEATURES_H

#include "scorers/agreement.h"

/*
 * The measured ones: X(name, what it needs). Lengths are ln(1 + length).
 * Log-probabilities come as `sure_...`, feature_sureness(): from about -4 (no
 * idea) over 0 (lp = -1) to 13 (lp = 0), since on real data it is the power of
 * ten of the distance from certainty that counts, and as probabilities.
 */
#define FEATURES(X) \
	X(prompt_bytes, PROMPT)    /* lengths */ \
	X(prompt_words, PROMPT) \
	X(prompt_lines, PROMPT) \
	X(prompt_numbers, PROMPT)  /* groups of digits */ \
	X(prompt_digits, PROMPT)   /* shares of the bytes */ \
	X(prompt_capitals, PROMPT) \
	X(prompt_signs, PROMPT)    /* ASCII other than letters, digits, blanks */ \
	X(prompt_foreign, PROMPT)  /* beyond ASCII */ \
	X(text_bytes, TEXT) \
	X(text_words, TEXT) \
	X(text_lines, TEXT) \
	X(text_numbers, TEXT) \
	X(text_tokens, TEXT)       /* as billed; else by the length */ \
	X(text_per_prompt, TEXT)   /* difference of the lengths in bytes */ \
	X(answered, TEXT)          /* 1: an answer was found */ \
	X(answer_bytes, TEXT) \
	X(answer_number, TEXT)     /* 1: begins with a digit, sign or currency */ \
	X(answer_in_prompt, TEXT)  /* 1: stands in the prompt, word for word */ \
	X(finish_odd, TEXT)        /* 1: did not simply stop */ \
	X(agreement, SAMPLES)      /* shares of the samples */ \
	X(unanimous, SAMPLES)      /* 1: all agree */ \
	X(runner_up, SAMPLES) \
	X(distinct, SAMPLES) \
	X(unanswered, SAMPLES) \
	X(samples, SAMPLES) \
	X(text_spread, SAMPLES)    /* of the lengths, over their mean */ \
	X(below, TEXT)             /* tiers below with the same answer, less \
	                              those with another, over all; 0: none */ \
	X(last_below, TEXT)        /* 1, -1 or 0: the same of the highest */ \
	X(sure_mean, LOGPROBS)     /* over all tokens */ \
	X(sure_min, LOGPROBS) \
	X(sure_first, LOGPROBS) \
	X(sure_low, LOGPROBS)      /* 0.1 quantile */ \
	X(sure_mid, LOGPROBS)      /* median */ \
	X(sure_answer, LOGPROBS)   /* mean over the tokens of the answer */ \
	X(sure_answer_min, LOGPROBS) \
	X(p_mean, LOGPROBS)        /* the same as probabilities */ \
	X(p_min, LOGPROBS) \
	X(p_answer, LOGPROBS) \
	X(certain, LOGPROBS)       /* 1: all log-probabilities are 0 */ \
	X(tokens_seen, LOGPROBS)   /* length */

enum feature {
#define X(name, needs) F_##name,
	FEATURES(X)
#undef X
	N_FEATURES
};

enum feature_needs {
	FEATURE_PROMPT,   /* the task alone */
	FEATURE_TEXT,     /* a completion */
	FEATURE_SAMPLES,  /* several */
	FEATURE_LOGPROBS,
};

struct feature_kind {
	const char *name;
	enum feature_needs needs;
};
extern const struct feature_kind feature_kinds[N_FEATURES];

/* Longest part of a prompt and of a text that is looked at, from its start
 * (of a longer text, half of it from its end): it bounds the time. */
#define FEATURE_MAX_BYTES 16384

/* The chosen completion is in->c[a->chosen], if there is one; without it only
 * the features of the prompt are not 0. Never NaN or infinite. */
void features_measure(double x[N_FEATURES], const struct score_input *in,
    const struct agreement *a);

/* The power of ten of a probability's distance from 1, turned round, of its
 * natural logarithm: in [-4, 13]. */
double feature_sureness(double ln);

/* Groups of words; each is scaled by its own number of words. */
enum word_group {
	WORDS_PROMPT, WORDS_PROMPT_PAIRS, WORDS_ANSWER, WORDS_TEXT,
	WORDS_TEXT_PAIRS, N_WORD_GROUPS
};
/* What is seen of the completion. */
#define WORDS_OF_PROMPT (1u << WORDS_PROMPT | 1u << WORDS_PROMPT_PAIRS)

/*
 * Call fn with the hash (all 32 bits good) of every word and pair of words of
 * the groups in `groups` (1 << WORDS_...), in order. A word is a run of ASCII
 * letters, in either case, and bytes beyond ASCII; or of digits, where each
 * digit is as good as another; or one other character that is not white space.
 */
typedef void word_fn(void *cookie, enum word_group group, uint32_t hash);
void features_words(const struct score_input *in, const struct agreement *a,
    unsigned groups, word_fn *fn, void *cookie);

#endif
