/*
 * test_model.c -- the file of a learned model, and its score.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "scorers/model.h"

#define START "frugal-model 1\nkind score\ntier small\n"

static void
assert_near(double got, double expected, double within)
{
	if (!(fabs(got - expected) <= within))
		fail_msg("%.17g is not %.17g", got, expected);
}

/* The text with its sum. */
static void
seal(struct buf *out, const char *text)
{
	unsigned char sum[SHA256_BYTES];

	buf_init(out, BUF_MAX);
	buf_adds(out, text);
	sha256(str_of(text), sum);
	buf_adds(out, "sha256 ");
	hex_add(out, sum, sizeof(sum));
	buf_addc(out, '\n');
	assert_false(out->failed);
}

static int
parse(const char *text, struct model *m, struct arena *a, struct err *e)
{
	struct buf sealed;
	int rc;

	seal(&sealed, text);
	rc = model_parse(m, buf_str(&sealed), a, e);
	buf_release(&sealed);
	return rc;
}

static void
assert_refused(const char *text, const char *why)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct model m;

	assert_non_null(a);
	assert_int_equal(parse(text, &m, a, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	if (!strstr(e.msg, why))
		fail_msg("'%s' does not say '%s'", e.msg, why);
	arena_free(a);
}

static void
what_is_printed_reads_back(void **state)
{
	struct arena *a = arena_new(0);
	struct model m = { .kind = MODEL_ROUTE, .tier = STR("p/large one"),
	    .tasks = 893, .right = 1.0 / 3, .samples = 5, .bias = -0.1,
	    .scale = 1.1, .shift = 1e-17, .n_rules = 1 };
	float word[MODEL_WORDS] = { 0 };
	struct model back;
	struct buf one, two;
	struct err e = { 0 };

	(void)state;
	m.weight[F_sure_answer] = 0.1 + 0.2;
	m.rule[0] = (struct model_rule){ STR("regex '####' over text"), 0.5,
	    -2 };
	word[0] = 0.001f;
	word[MODEL_WORDS - 1] = -12.345f;
	m.word[WORDS_ANSWER] = word;
	buf_init(&one, BUF_MAX);
	buf_init(&two, BUF_MAX);
	model_print(&one, &m);
	assert_false(one.failed);
	assert_int_equal(model_parse(&back, buf_str(&one), a, &e), 0);
	assert_int_equal(back.kind, MODEL_ROUTE);
	assert_true(str_is(back.tier, "p/large one"));
	assert_true(back.right == m.right);
	assert_true(back.weight[F_sure_answer] == 0.1 + 0.2);
	assert_true(str_is(back.rule[0].shown, "regex '####' over text"));
	assert_memory_equal(back.word[WORDS_ANSWER], word, sizeof(word));
	assert_null(back.word[WORDS_PROMPT]);
	model_print(&two, &back);
	assert_true(str_eq(buf_str(&one), buf_str(&two)));
	buf_release(&two);
	buf_release(&one);
	arena_free(a);
}

static void
a_file_cut_off_or_changed_is_refused(void **state)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct model m;
	struct buf b;

	(void)state;
	seal(&b, START "bias 1\n");
	assert_int_equal(model_parse(&m, buf_str(&b), a, &e), 0);
	for (size_t n = 0; n < b.n; n++) {
		assert_int_equal(model_parse(&m, str_sub(buf_str(&b), 0, n), a,
		    &e), -1);
		b.p[n] ^= 1;
		assert_int_equal(model_parse(&m, buf_str(&b), a, &e), -1);
		b.p[n] ^= 1;
	}
	buf_release(&b);
	arena_free(a);
}

static void
what_cannot_be_is_refused(void **state)
{
	(void)state;
	assert_refused("hello\n", "no model");
	assert_refused("frugal-model 2\n", "another version");
	assert_refused(START "bias nan\n", "line 4: not a number");
	assert_refused(START "bias 1e10\n", "line 4: not a number");
	assert_refused(START "scale -1\n", "out of its range");
	assert_refused(START "right 1.5\n", "out of its range");
	assert_refused(START "kind judge\n", "unknown kind");
	assert_refused(START "mood 3\n", "later version");
	assert_refused(START "feature mood 3\n", "later version");
	assert_refused(START "feature answered 1\nfeature answered 1\n",
	    "line 5: this feature was there before");
	assert_refused(START "words poem\n", "unknown group");
	assert_refused(START "words text\nwords text\n", "there before");
	assert_refused(START "word 0 1\n", "before its group");
	assert_refused(START "words text\nword 2048 1\n", "out of its range");
	assert_refused(START "words text\nword -1 1\n", "out of its range");
	assert_refused(START "words text\nword 3 1\nword 3 1\n",
	    "line 6: words are not in their order");
	assert_refused(START "words text\nword 1 0.5\n", "whole number");
	assert_refused(START "words text\nword 1 1000001\n", "range");
	assert_refused(START "rule 1 2\n", "two weights and a text");
	assert_refused(START "\n", "a name and a value");
	assert_refused(START "tier \xff\n", "not UTF-8");
	assert_refused(START "tier a\033[31m\n", "control character");
}

static void
too_many_rules_are_refused(void **state)
{
	char text[4096] = START;

	(void)state;
	for (int i = 0; i <= MODEL_MAX_RULES; i++)
		strcat(text, "rule 1 1 regex 'x'\n");
	assert_refused(text, "too many rules");
}

static struct score
score(const char *text, const struct score_input *in,
    const struct score *scores)
{
	struct arena *a = arena_new(0);
	struct agreement ag;
	struct err e = { 0 };
	struct score s;
	struct model m;

	if (parse(text, &m, a, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(agreement_of(in, &ag, &e), 0);
	s = model_score(&m, in, &ag, scores);
	arena_free(a);
	return s;
}

static void
weights_add_up(void **state)
{
	struct completion c = { .text = STR("x"), .answer = STR("x"),
	    .has_answer = true };
	struct score_input in = { .prompt = STR("y"), .c = &c, .n = 1 };
	struct score half = score_of_p(0.5);

	(void)state;
	assert_near(score(START "bias -2\n", &in, NULL).p,
	    1 / (1 + exp(2)), 1e-12);
	assert_near(score(START "bias -2\nfeature answered 3\n", &in, NULL).p,
	    1 / (1 + exp(-1)), 1e-12);
	assert_near(score(START "bias 1\nscale 2\nshift -3\n", &in, NULL).p,
	    1 / (1 + exp(1)), 1e-12);
	assert_near(score(START "rule 4 0 regex 'x'\n", &in, &half).p,
	    1 / (1 + exp(-2)), 1e-12);
	assert_near(score(START "rule 0 1 regex 'x'\n", &in, &half).p,
	    1 / (1 + exp(-feature_sureness(log(0.5)))), 1e-12);
}

static void
next_to_1_no_digit_is_lost(void **state)
{
	struct score_input in = { .prompt = STR("y") };
	struct score s = score(START "bias 40\n", &in, NULL);

	(void)state;
	assert_true(s.ln < 0);
	assert_near(s.ln / -exp(-40), 1, 1e-9);
	s = score(START "bias -800\n", &in, NULL);
	assert_near(s.ln, -800, 1e-9);
}

static void
words_weigh_by_their_number(void **state)
{
	struct score_input one = { .prompt = STR("a") };
	struct score_input four = { .prompt = STR("a A a a") };
	char text[80000] = START "words prompt\n";
	size_t n = strlen(text);

	(void)state;
	for (int i = 0; i < MODEL_WORDS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "word %d 500\n", i);
	/* Each of n words has 1 / sqrt(n). */
	assert_near(score(text, &one, NULL).p, 1 / (1 + exp(-0.5)), 1e-7);
	assert_near(score(text, &four, NULL).p, 1 / (1 + exp(-1)), 1e-7);
}

static void
it_says_whether_it_needs_log_probabilities(void **state)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct model m;

	(void)state;
	assert_int_equal(parse(START "feature answered 1\n", &m, a, &e), 0);
	assert_false(model_needs_logprobs(&m));
	assert_int_equal(parse(START "feature p_min 1\n", &m, a, &e), 0);
	assert_true(model_needs_logprobs(&m));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_reads_back),
		cmocka_unit_test(a_file_cut_off_or_changed_is_refused),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(too_many_rules_are_refused),
		cmocka_unit_test(weights_add_up),
		cmocka_unit_test(next_to_1_no_digit_is_lost),
		cmocka_unit_test(words_weigh_by_their_number),
		cmocka_unit_test(it_says_whether_it_needs_log_probabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
