/*
 * test_answer.c -- which part of a text is the answer, and which answers are
 * equal. The tables below are the cases; add to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scorers/answer.h"

static const struct {
	const char *pattern; /* NULL: none */
	bool first;
	const char *text;
	const char *answer;  /* NULL: there is none */
} extractions[] = {
	{ NULL, false, "  Paris.\n", "Paris." },
	{ NULL, false, " \t\n", NULL },
	{ NULL, false, "", NULL },
	{ "####\\s*(-?[\\d.,]+)", false, "so\n#### 42", "42" },
	{ "####\\s*(-?[\\d.,]+)", false, "#### 1\nno: #### -2", "-2" },
	{ "####\\s*(-?[\\d.,]+)", true, "#### 1\nno: #### -2", "1" },
	{ "####\\s*(-?[\\d.,]+)", false, "it is 42", NULL },
	{ "\\d+", false, "7 then 8", "8" },
	{ "answer is (.*)$", false, "The answer is   a cat  \nbye", "a cat" },
	{ "answer is(.*)$", false, "The answer is   \nbye", NULL },
	{ "is (?:a (cat)|dog)", false, "it is dog", "is dog" },
	{ "is (.)", false, "it is \xc3\xa9t\xc3\xa9", "\xc3\xa9" },
	{ "(a+)+$", false, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	    NULL },
};

/* Each answer and its normal form. */
static const struct {
	const char *answer, *normal;
} normals[] = {
	/* Case, white space, final punctuation. */
	{ "Paris", "paris" },
	{ "  New \t\n York  ", "new york" },
	{ "PARIS.", "paris" },
	{ "Yes!!", "yes" },
	{ "a, b; c:", "a, b; c" },
	{ "\u00c9COLE", "\u00e9cole" },
	{ "\u0416\u0423\u041a", "\u0436\u0443\u043a" },
	{ "a\u00a0b\u2009c\u202f", "a b c" },
	{ "", "" },
	{ "   ", "" },
	/* What surrounds an answer. */
	{ "\"Paris\"", "paris" },
	{ "'Paris'.", "paris" },
	{ "`Paris`", "paris" },
	{ "```x```", "x" },
	{ "**Paris**", "paris" },
	{ "**Paris.**", "paris" },
	{ "Paris**", "paris" },
	{ "**Paris", "paris" },
	{ "\u201cParis.\u201d", "paris" },
	{ "\u2018Paris\u2019", "paris" },
	{ "\u00ab Paris \u00bb", "paris" },
	{ "$x + 1$", "x + 1" },
	{ "$$x$$", "x" },
	{ "\\(x\\)", "x" },
	{ "\\[ \\boxed{42} \\]", "42" },
	{ "\\boxed{42}", "42" },
	{ "$\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}" },
	{ "\\boxed{\\text{A}}", "\\text{a}" },
	/* ... and what only looks like it. */
	{ "\\boxed{1} and \\boxed{2}", "\\boxed{1} and \\boxed{2}" },
	{ "\\boxed{1}}", "\\boxed{1}}" },
	{ "\\boxed{{1}", "\\boxed{{1}" },
	{ "\\boxed{}", "\\boxed{}" },
	{ "\\boxed{", "\\boxed{" },
	{ "5'", "5'" },
	{ "5\"", "5\"" },
	{ "A*", "a*" },
	{ "2*3", "2*3" },
	/* Something always stays. */
	{ "?", "?" },
	{ "...", "." },
	{ "\"\"", "\"\"" },
	{ "$", "$" },
	{ "$$", "$$" },
	{ "**", "**" },
	{ "` `", "` `" },
	/* Numbers by value. */
	{ "42", "42" },
	{ "+42", "42" },
	{ "-42", "-42" },
	{ "\u221242", "-42" },
	{ "0042", "42" },
	{ "42.", "42" },
	{ "42.000", "42" },
	{ "4200", "4200" },
	{ "4.20", "4.2" },
	{ ".5", "0.5" },
	{ "0.50", "0.5" },
	{ "0.0050", "0.005" },
	{ "0", "0" },
	{ "-0", "0" },
	{ "-0.00", "0" },
	{ "0e99", "0" },
	{ "1,234.50", "1234.5" },
	{ "$1234.5", "1234.5" },
	{ "\\$1,234.5", "1234.5" },
	{ "$-5", "-5" },
	{ "-$5", "-5" },
	{ "$ 5", "5" },
	{ "\u20ac5.00", "5" },
	{ "\u00a31,000,000", "1000000" },
	{ "5%", "5%" },
	{ "5.0 %", "5%" },
	{ "5\\%", "5%" },
	{ "0%", "0%" },
	{ "1e3", "1000" },
	{ "1.5E+3", "1500" },
	{ "1500e-3", "1.5" },
	{ "12e-3", "0.012" },
	{ "-1.25e1", "-12.5" },
	{ "1e40", "10000000000000000000000000000000000000000" },
	{ "1e41", "1e41" },
	{ "12e41", "1.2e42" },
	{ "1e-41", "0.00000000000000000000000000000000000000001" },
	{ "1e-42", "1e-42" },
	{ "12.5e-999999", "1.25e-999998" },
	{ "1e0000000000000000000000000000000000000002", "100" },
	{ "123456789012345678901234567890.10",
	    "123456789012345678901234567890.1" },
	/* Texts that are no numbers. */
	{ "1,5", "1,5" },
	{ "12,34", "12,34" },
	{ "1,2345", "1,2345" },
	{ "1234,567", "1234,567" },
	{ "0,123", "0,123" },
	{ ",123", ",123" },
	{ "1,234,", "1234" },
	{ "1.2.3", "1.2.3" },
	{ "1-2", "1-2" },
	{ "--5", "--5" },
	{ "+-5", "+-5" },
	{ "-$-5", "-$-5" },
	{ "1/2", "1/2" },
	{ "05/06/2021", "05/06/2021" },
	{ "e5", "e5" },
	{ "1e", "1e" },
	{ "1e+", "1e+" },
	{ "1e99999999999999999999", "1e99999999999999999999" },
	{ "0x10", "0x10" },
	{ "inf", "inf" },
	{ "nan", "nan" },
	{ "-", "-" },
	{ "%", "%" },
	{ "5 apples", "5 apples" },
	{ "5%%", "5%%" },
	{ "\u0665", "\u0665" },
	/* Bytes that are no UTF-8. */
	{ "a\xff", "a\ufffd" },
	{ "\xe2\x82", "\ufffd" },
};

static const struct {
	const char *a, *b;
	bool equal;
} comparisons[] = {
	{ "1,234.50", "$1234.5", true },
	{ "**Answer**", "answer.", true },
	{ "\\boxed{-7}", "-7.0", true },
	{ "\u22121", "-1", true },
	{ "5%", "5.00%", true },
	{ "B", "b)", false },
	{ "5%", "5", false },
	{ "5%", "0.05", false },
	{ "-5", "5", false },
	{ "0.1", "0.10000000000000000001", false },
	{ "9007199254740993", "9007199254740992", false },
	{ "1e999", "1e998", false },
	{ "12", "1 2", false },
	{ "1,5", "15", false },
	{ "!", "?", false },
	{ "5'", "5\"", false },
	{ "", "", true },
};

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static void
normal_is(struct str answer, const char *expected)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	buf_adds(&b, "before ");
	answer_normal(&b, answer);
	assert_false(b.failed);
	assert_string_equal(b.p + 7, expected);
	buf_release(&b);
}

static void
an_answer_is_found_by_its_pattern(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(extractions); i++) {
		struct answer_rule rule = { .first = extractions[i].first };
		struct str text = str_of(extractions[i].text);
		struct str answer = STR("untouched");
		bool found;

		if (extractions[i].pattern)
			assert_int_equal(regex_compile(&rule.pattern,
			    str_of(extractions[i].pattern), 0, NULL), 0);
		found = answer_extract(&rule, text, &answer);
		assert_int_equal(found, extractions[i].answer != NULL);
		if (!found) {
			assert_true(str_is(answer, "untouched"));
		} else {
			assert_true(str_is(answer, extractions[i].answer));
			assert_true(answer.p >= text.p &&
			    answer.p + answer.n <= text.p + text.n);
		}
		regex_free(rule.pattern);
	}
}

static void
answers_are_brought_into_normal_form(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(normals); i++)
		normal_is(str_of(normals[i].answer), normals[i].normal);
}

static void
a_normal_form_is_its_own_normal_form(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(normals); i++)
		normal_is(str_of(normals[i].normal), normals[i].normal);
}

static void
answers_are_equal_when_they_mean_the_same(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(comparisons); i++) {
		struct str a = str_of(comparisons[i].a);
		struct str b = str_of(comparisons[i].b);

		assert_int_equal(answer_equal(a, b), comparisons[i].equal);
		assert_int_equal(answer_equal(b, a), comparisons[i].equal);
	}
}

/* `count` times `part`. */
static char *
repeat(const char *part, size_t count)
{
	size_t n = strlen(part), i;
	char *text = malloc(n * count + 1);

	assert_non_null(text);
	for (i = 0; i < count; i++)
		memcpy(text + i * n, part, n);
	text[n * count] = '\0';
	return text;
}

static void
hostile_answers_are_normalised_in_time(void **state)
{
	static const char *const parts[] = {
		"\\boxed{", "\\boxed{}", "'.", "\"", "**", "$", "{", "}", "1,",
		"1,234,", ".", "9", "0", "e9", " ", "\xc3\xa9", "\xff", "-", "%",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(parts); i++) {
		char *text = repeat(parts[i], 300000);
		struct buf b;

		buf_init(&b, BUF_MAX);
		answer_normal(&b, str_of(text));
		assert_false(b.failed);
		assert_true(answer_equal(str_of(text), str_of(text)));
		buf_release(&b);
		free(text);
	}
}

static void
bytes_0_in_an_answer_count(void **state)
{
	(void)state;
	assert_false(answer_equal((struct str){ "a\0b", 3 }, STR("a")));
	assert_false(answer_equal((struct str){ "a\0b", 3 },
	    (struct str){ "a\0c", 3 }));
	assert_true(answer_equal((struct str){ "a\0b", 3 },
	    (struct str){ "A\0B", 3 }));
}

static void
a_buffer_that_is_too_small_fails(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 3);
	answer_normal(&b, STR("Paris"));
	assert_true(b.failed);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_found_by_its_pattern),
		cmocka_unit_test(answers_are_brought_into_normal_form),
		cmocka_unit_test(a_normal_form_is_its_own_normal_form),
		cmocka_unit_test(answers_are_equal_when_they_mean_the_same),
		cmocka_unit_test(hostile_answers_are_normalised_in_time),
		cmocka_unit_test(bytes_0_in_an_answer_count),
		cmocka_unit_test(a_buffer_that_is_too_small_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
