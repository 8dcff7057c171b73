/*
 * fuzz_model.c -- files of learned models, and the scores they give.
 *
 * Input: a model's file, without its last line, which is added here: a good
 * sum would never be found. If the input has one of its own it is read as it
 * is, too.
 */
#include "base/sha256.h"
#include "scorers/model.h"
#include "tests/fuzz/fuzz.h"

static void
check_score(const struct model *m, const struct score_input *in)
{
	struct score scores[MODEL_MAX_RULES];
	struct agreement a;
	struct err e;

	for (size_t i = 0; i < MODEL_MAX_RULES; i++)
		scores[i] = score_of_p(0.5);
	must(agreement_of(in, &a, &e) == 0);
	fuzz_score(model_score(m, in, &a, scores));
}

static void
check_scores(const struct model *m, struct str text)
{
	struct token token = { 0, 1, -0.25 };
	struct completion c[2] = {
		{ .text = text, .answer = str_sub(text, 0, text.n / 2),
		    .has_answer = true, .tokens = &token, .n_tokens = 1 },
		{ .text = STR("x"), .finish = FINISH_REFUSED },
	};
	struct score_input in = { .prompt = text };

	check_score(m, &in);
	in.c = c;
	in.n = 1;
	check_score(m, &in);
	in.n = 2;
	in.missing = 1;
	check_score(m, &in);
}

/* What is printed reads back as the same. */
static void
check_print(const struct model *m, struct arena *a)
{
	struct buf one, two;
	struct model back;
	struct err e = { 0 };

	buf_init(&one, BUF_MAX);
	buf_init(&two, BUF_MAX);
	model_print(&one, m);
	must(!one.failed);
	must(model_parse(&back, buf_str(&one), a, &e) == 0);
	model_print(&two, &back);
	must(str_eq(buf_str(&one), buf_str(&two)));
	buf_release(&two);
	buf_release(&one);
}

static void
check(struct str file, struct str input)
{
	struct arena *a = arena_new(0);
	struct err e = { 0 };
	struct model m;

	must(a != NULL);
	if (model_parse(&m, file, a, &e) < 0) {
		fuzz_error(&e);
		must(e.code == ERR_CONFIG);
	} else {
		fuzz_text(m.tier);
		(void)model_needs_logprobs(&m);
		check_scores(&m, input);
		check_print(&m, a);
	}
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = { (const char *)data, size };
	unsigned char sum[SHA256_BYTES];
	struct buf sealed;

	check(input, input);
	buf_init(&sealed, BUF_MAX);
	buf_add(&sealed, input);
	sha256(input, sum);
	buf_adds(&sealed, "sha256 ");
	hex_add(&sealed, sum, sizeof(sum));
	buf_addc(&sealed, '\n');
	check(buf_str(&sealed), input);
	buf_release(&sealed);
	return 0;
}
