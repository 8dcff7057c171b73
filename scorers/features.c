/*
 * features.c -- measures a task and its completions for a learned score.
 */
#include "scorers/features.h"

#include <math.h>
#include <string.h>

const struct feature_kind feature_kinds[N_FEATURES] = {
#define X(name, needs) { #name, FEATURE_##needs },
	FEATURES(X)
#undef X
};

static const struct completion *
chosen_of(const struct score_input *in, const struct agreement *a)
{
	return a->chosen < in->n ? &in->c[a->chosen] : NULL;
}

/* --- characters and words ------------------------------------------------- */

enum { BLANK, LETTER, DIGIT, SIGN };

static unsigned
class_of(unsigned char c)
{
	unsigned char low = c | 0x20;

	if (c >= 0x80 || (low >= 'a' && low <= 'z'))
		return LETTER;
	if (c >= '0' && c <= '9')
		return DIGIT;
	return c <= ' ' || c == 0x7f ? BLANK : SIGN;
}

/* Where the word that begins at `at` ends; *hash is its hash (FNV-1a). */
static size_t
word_end(struct str s, size_t at, uint32_t *hash)
{
	unsigned class = class_of((unsigned char)s.p[at]);
	uint32_t h = UINT32_C(2166136261);

	do {
		unsigned char c = (unsigned char)s.p[at++];
		if (class == DIGIT)
			c = '0';
		else if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		h = (h ^ c) * UINT32_C(16777619);
	} while (class != SIGN && at < s.n &&
	    class_of((unsigned char)s.p[at]) == class);
	*hash = h;
	return at;
}

/* The next word at or after *at; false at the end. */
static bool
next_word(struct str s, size_t *at, uint32_t *hash)
{
	while (*at < s.n && class_of((unsigned char)s.p[*at]) == BLANK)
		++*at;
	if (*at == s.n)
		return false;
	*at = word_end(s, *at, hash);
	return true;
}

/* All bits of a table's index depend on all of the words (the last step of
 * MurmurHash3, by A. Appleby, in the public domain). */
static uint32_t
stir(uint32_t h)
{
	h = (h ^ h >> 16) * UINT32_C(0x85ebca6b);
	h = (h ^ h >> 13) * UINT32_C(0xc2b2ae35);
	return h ^ h >> 16;
}

/* What is looked at of a text: all of it, or its start and its end. */
struct parts {
	struct str part[2];
};

static struct parts
parts_of(struct str s)
{
	const size_t half = FEATURE_MAX_BYTES / 2;

	if (s.n <= FEATURE_MAX_BYTES)
		return (struct parts){ { s, { NULL, 0 } } };
	return (struct parts){ { { s.p, half }, { s.p + s.n - half, half } } };
}

/* --- words ------------------------------------------------------------------ */

struct speaker {
	unsigned groups;
	word_fn *fn;
	void *cookie;
};

static void
say_word(const struct speaker *sp, enum word_group g, uint32_t hash)
{
	if (sp->groups & 1u << g)
		sp->fn(sp->cookie, g, stir(hash + UINT32_C(0x9e3779b9) *
		    ((uint32_t)g + 1)));
}

/* Words into group g, and pairs of neighbours into `pairs`. */
static void
say_words(const struct speaker *sp, struct str text, enum word_group g,
    enum word_group pairs)
{
	struct parts parts = parts_of(text);
	uint32_t before = 0, hash;

	for (int i = 0; i < 2; i++) {
		size_t at = 0, n = 0;
		for (; next_word(parts.part[i], &at, &hash); n++) {
			say_word(sp, g, hash);
			if (n && pairs != g)
				say_word(sp, pairs, before * UINT32_C(31) ^
				    stir(hash));
			before = hash;
		}
	}
}

void
features_words(const struct score_input *in, const struct agreement *a,
    unsigned groups, word_fn *fn, void *cookie)
{
	const struct completion *c = chosen_of(in, a);
	struct speaker sp = { groups, fn, cookie };

	if (groups & WORDS_OF_PROMPT)
		say_words(&sp, in->prompt, WORDS_PROMPT, WORDS_PROMPT_PAIRS);
	if (!c)
		return;
	if (c->has_answer && groups & 1u << WORDS_ANSWER)
		say_words(&sp, c->answer, WORDS_ANSWER, WORDS_ANSWER);
	if (groups & (1u << WORDS_TEXT | 1u << WORDS_TEXT_PAIRS))
		say_words(&sp, c->text, WORDS_TEXT, WORDS_TEXT_PAIRS);
}

/* --- lengths ---------------------------------------------------------------- */

struct census {
	size_t bytes, words, lines, numbers, digits, capitals, signs, foreign;
};

static void
count_part(struct census *n, struct str s)
{
	unsigned before = BLANK;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned class = class_of(c);

		n->words += class != BLANK && (class != before ||
		    class == SIGN);
		n->numbers += class == DIGIT && before != DIGIT;
		n->lines += c == '\n';
		n->digits += class == DIGIT;
		n->capitals += c >= 'A' && c <= 'Z';
		n->signs += class == SIGN;
		n->foreign += c >= 0x80;
		before = class;
	}
	n->bytes += s.n;
}

static struct census
count(struct str s)
{
	struct parts parts = parts_of(s);
	struct census n = { 0 };

	count_part(&n, parts.part[0]);
	count_part(&n, parts.part[1]);
	return n;
}

static double
length_of(size_t n)
{
	return log1p((double)n);
}

static double
share_of(size_t part, size_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void
measure_prompt(double *x, struct str prompt)
{
	struct census n = count(prompt);

	x[F_prompt_bytes] = length_of(prompt.n);
	x[F_prompt_words] = length_of(n.words);
	x[F_prompt_lines] = length_of(n.lines);
	x[F_prompt_numbers] = length_of(n.numbers);
	x[F_prompt_digits] = share_of(n.digits, n.bytes);
	x[F_prompt_capitals] = share_of(n.capitals, n.bytes);
	x[F_prompt_signs] = share_of(n.signs, n.bytes);
	x[F_prompt_foreign] = share_of(n.foreign, n.bytes);
}

static bool
is_numeric(struct str answer)
{
	static const char starts[] = "0123456789-+.$";

	return answer.n && memchr(starts, answer.p[0], sizeof(starts) - 1);
}

static void
measure_text(double *x, struct str prompt, const struct completion *c)
{
	struct census n = count(c->text);

	x[F_text_bytes] = length_of(c->text.n);
	x[F_text_words] = length_of(n.words);
	x[F_text_lines] = length_of(n.lines);
	x[F_text_numbers] = length_of(n.numbers);
	x[F_text_tokens] = length_of(c->completion_tokens >= 0 ?
	    (size_t)c->completion_tokens : c->text.n / 4);
	x[F_text_per_prompt] = x[F_text_bytes] - length_of(prompt.n);
	x[F_finish_odd] = c->finish != FINISH_STOP;
	if (!c->has_answer)
		return;
	x[F_answered] = 1;
	x[F_answer_bytes] = length_of(c->answer.n);
	x[F_answer_number] = is_numeric(c->answer);
	x[F_answer_in_prompt] = c->answer.n && str_find(
	    str_sub(prompt, 0, FEATURE_MAX_BYTES), c->answer) >= 0;
}

/* --- samples ---------------------------------------------------------------- */

static double
spread_of_lengths(const struct score_input *in)
{
	double sum = 0, squares = 0, n = (double)in->n, mean, variance;

	for (size_t i = 0; i < in->n; i++) {
		double v = (double)in->c[i].text.n;
		sum += v;
		squares += v * v;
	}
	mean = sum / n;
	variance = squares / n - mean * mean;
	return mean > 0 && variance > 0 ? sqrt(variance) / mean : 0;
}

static void
measure_samples(double *x, const struct score_input *in,
    const struct agreement *a)
{
	size_t answered = 0;

	for (size_t i = 0; i < in->n; i++)
		answered += in->c[i].has_answer && scorer_complete(&in->c[i]);
	x[F_agreement] = share_of(a->leader, a->samples);
	x[F_unanimous] = a->leader > 0 && a->leader == a->samples;
	x[F_runner_up] = share_of(a->second, a->samples);
	x[F_distinct] = share_of(a->groups, a->samples);
	x[F_unanswered] = 1 - share_of(answered, a->samples);
	x[F_samples] = length_of(a->samples);
	x[F_text_spread] = spread_of_lengths(in);
}

/* --- tiers below ------------------------------------------------------------ */

/* That two models agree says more than that one is sure. At the lowest tier it
 * is 0, which speaks neither way. */
static void
measure_below(double *x, const struct score_input *in,
    const struct agreement *a)
{
	if (!in->n_below)
		return;
	x[F_below] = 2 * share_of(a->below, in->n_below) - 1;
	x[F_last_below] = a->last_below ? 1 : -1;
}

/* --- log-probabilities -------------------------------------------------------- */

/*
 * Quantiles without sorting, and so without memory: log-probabilities counted
 * by the power of ten of their distance from 0, eight steps a power. The
 * answer is such a step, the same for every order of the tokens.
 */
#define STEPS_A_POWER 8
#define STEPS ((13 + 4) * STEPS_A_POWER + 1)

double
feature_sureness(double ln)
{
	return -log10(1e-13 - (ln > LOGPROB_FLOOR ? ln : LOGPROB_FLOOR));
}

struct tokens {
	size_t n;
	double sum, min, first;
	unsigned step[STEPS];
};

static void
add_token(struct tokens *t, double lp)
{
	double at = (feature_sureness(lp) + 4) * STEPS_A_POWER;

	if (!t->n++)
		t->first = t->min = lp;
	t->sum += lp;
	if (lp < t->min)
		t->min = lp;
	t->step[at < 0 ? 0 : at >= STEPS ? STEPS - 1 : (size_t)at]++;
}

/* Places less than n / parts from the bottom are below it. */
static double
low_of(const struct tokens *t, size_t parts)
{
	size_t left = (t->n - 1) / parts, i = 0;

	while (i + 1 < STEPS && left >= t->step[i])
		left -= t->step[i++];
	return (double)i / STEPS_A_POWER - 4;
}

/* The bytes of the text that are the answer, where it is part of it. */
static bool
answer_place(const struct completion *c, size_t *from, size_t *to)
{
	uintptr_t text = (uintptr_t)c->text.p, answer = (uintptr_t)c->answer.p;

	if (!c->has_answer || answer < text ||
	    answer - text + c->answer.n > c->text.n)
		return false;
	*from = answer - text;
	*to = *from + c->answer.n;
	return true;
}

static void
measure_logprobs(double *x, const struct completion *c)
{
	struct tokens all = { .n = 0 }, answer = { .n = 0 };
	size_t from = 0, to = 0;
	bool placed = answer_place(c, &from, &to);

	for (size_t i = 0; i < c->n_tokens; i++) {
		const struct token *t = &c->tokens[i];
		add_token(&all, t->logprob);
		if (c->tokens_of_answer ||
		    (placed && t->from < to && t->to > from))
			add_token(&answer, t->logprob);
	}
	if (!answer.n)
		answer = all;
	x[F_sure_mean] = feature_sureness(all.sum / (double)all.n);
	x[F_sure_min] = feature_sureness(all.min);
	x[F_sure_first] = feature_sureness(all.first);
	x[F_sure_low] = low_of(&all, 10);
	x[F_sure_mid] = low_of(&all, 2);
	x[F_sure_answer] = feature_sureness(answer.sum / (double)answer.n);
	x[F_sure_answer_min] = feature_sureness(answer.min);
	x[F_p_mean] = exp(all.sum / (double)all.n);
	x[F_p_min] = exp(all.min);
	x[F_p_answer] = exp(answer.sum / (double)answer.n);
	x[F_certain] = all.min == 0;
	x[F_tokens_seen] = length_of(all.n);
}

void
features_measure(double x[N_FEATURES], const struct score_input *in,
    const struct agreement *a)
{
	const struct completion *c = chosen_of(in, a);

	memset(x, 0, N_FEATURES * sizeof(*x));
	measure_prompt(x, in->prompt);
	if (!c)
		return;
	measure_text(x, in->prompt, c);
	measure_samples(x, in, a);
	measure_below(x, in, a);
	if (c->n_tokens)
		measure_logprobs(x, c);
}
