/*
 * fuzz_answer.c -- what the answer in a text is, and its normal form.
 *
 * Input: a pattern, a line end, the text.
 */
#include "scorers/answer.h"
#include "tests/fuzz/fuzz.h"

/* What answer_normal() peels off, a byte of each: see there. */
#define PEELED ".,;:!?\"'`*$\\\xe2\xc2"
/* It stops peeling after so many rounds, each of which takes one or more. */
#define ROUNDS 32

static const char *const patterns[] = {
	"####\\s*(-?[\\d.,]+)",
	"answer is:?\\s*(.+)",
	"\\\\boxed\\{([^}]*)\\}",
	"^\\s*([A-D])\\b",
	"(?i)\\*\\*(.*?)\\*\\*",
	"x*",
};
#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static struct regex *compiled[PATTERNS];

static void
compile_all(void)
{
	for (size_t i = 0; i < PATTERNS && !compiled[PATTERNS - 1]; i++)
		must(regex_compile(&compiled[i], str_of(patterns[i]), 0, NULL)
		    == 0);
}

static struct buf
normal(struct str s)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	answer_normal(&b, s);
	must(!b.failed);
	return b;
}

static size_t
count_peeled(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] && strchr(PEELED, s.p[i]);
	return n;
}

static void
check_normal(struct str answer)
{
	struct buf once = normal(answer), twice = normal(buf_str(&once));
	struct buf padded;

	fuzz_text(buf_str(&once));
	must(answer_equal(answer, answer));
	if (count_peeled(answer) < ROUNDS) {
		must(str_eq(buf_str(&once), buf_str(&twice)));
		must(answer_equal(answer, buf_str(&once)));
		must(answer_equal(buf_str(&once), answer));
	}
	if (str_trim(answer).n && utf8_valid(answer) && (answer.p[0] > ' '))
		must(once.n > 0);

	buf_init(&padded, BUF_MAX);
	buf_addf(&padded, " \t%.*s\r\n", STR_ARG(answer));
	if (!memchr(answer.n ? answer.p : "", '\0', answer.n))
		must(answer_equal(answer, buf_str(&padded)));
	buf_release(&padded);
	buf_release(&once);
	buf_release(&twice);
}

static void
check_extract(struct regex *pattern, bool first, struct str text)
{
	const struct answer_rule rule = { pattern, first };
	struct str answer = { "untouched", 9 };

	if (!answer_extract(&rule, text, &answer)) {
		must(str_is(answer, "untouched"));
		return;
	}
	must(answer.p >= text.p && answer.n > 0);
	must(answer.p + answer.n <= text.p + text.n);
	must(str_trim(answer).n == answer.n);
	fuzz_text(answer);
	check_normal(answer);
}

/* One search of each input: some use up all the work that a search may do,
 * which is much with sanitizers. */
static void
check_pattern(struct regex *re, struct str text, size_t size)
{
	struct regex_span s;

	if (size % 3) {
		check_extract(re, size % 3 == 1, text);
		return;
	}
	if (regex_first(re, text, 0, &s) != REGEX_MATCH)
		return;
	must(s.match_from <= s.match_to && s.match_to <= text.n);
	must(s.from <= s.to && s.to <= text.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size };
	struct str pattern = fuzz_take_line(&rest), text;
	struct regex *re = NULL;
	struct buf fixed;
	struct err e = { 0 };

	compile_all();
	buf_init(&fixed, BUF_MAX);
	utf8_fix(&fixed, rest);
	must(!fixed.failed);
	text = fixed.n ? buf_str(&fixed) : STR("");
	check_normal(rest);
	check_extract(NULL, false, text);
	for (size_t i = 0; i < PATTERNS; i++) {
		check_extract(compiled[i], false, text);
		check_extract(compiled[i], true, text);
	}
	if (regex_compile(&re, pattern, 0, &e) == 0) {
		check_pattern(re, text, size);
		regex_free(re);
	} else {
		fuzz_error(&e);
	}
	buf_release(&fixed);
	return 0;
}
