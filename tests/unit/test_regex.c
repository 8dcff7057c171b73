/*
 * test_regex.c -- what matches where, and what never hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/regex.h"

static struct regex *
compiled(const char *pattern, unsigned flags)
{
	struct regex *re = NULL;
	struct err e = { 0 };

	if (regex_compile(&re, str_of(pattern), flags, &e) < 0)
		fail_msg("%s: %s", pattern, e.msg);
	return re;
}

static enum regex_result
first(const char *pattern, const char *subject, struct regex_span *span)
{
	struct regex *re = compiled(pattern, 0);
	enum regex_result r = regex_first(re, str_of(subject), 0, span);

	regex_free(re);
	return r;
}

static enum regex_result
last(const char *pattern, const char *subject, struct regex_span *span)
{
	struct regex *re = compiled(pattern, 0);
	enum regex_result r = regex_last(re, str_of(subject), span);

	regex_free(re);
	return r;
}

static void
is_at(struct regex_span s, size_t from, size_t to)
{
	assert_int_equal(s.from, from);
	assert_int_equal(s.to, to);
}

static void
group_one_is_what_counts(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(first("####\\s*(-?[\\d.,]+)", "x #### 1,234 y", &s),
	    REGEX_MATCH);
	is_at(s, 7, 12);
	assert_int_equal(s.match_from, 2);
	assert_int_equal(s.match_to, 12);
	assert_int_equal(first("b+", "abbc", &s), REGEX_MATCH);
	is_at(s, 1, 3);
	assert_int_equal(first("b+", "ac", &s), REGEX_NO_MATCH);
	assert_int_equal(first("b+", "ac", NULL), REGEX_NO_MATCH);
	assert_int_equal(first("b+", "abc", NULL), REGEX_MATCH);
}

static void
a_group_that_took_no_part_gives_the_whole_match(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(first("(a)|bc", "xbc", &s), REGEX_MATCH);
	is_at(s, 1, 3);
	assert_int_equal(first("(?:bc|(a))", "xbc", &s), REGEX_MATCH);
	is_at(s, 1, 3);
	assert_int_equal(first("x()c", "xc", &s), REGEX_MATCH);
	is_at(s, 1, 1); /* empty, but it took part */
	assert_int_equal(first("(a)?(b)", "xb", &s), REGEX_MATCH);
	is_at(s, 1, 2);
}

static void
anchors_are_at_lines_of_any_kind(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(first("^b$", "a\nb\nc", &s), REGEX_MATCH);
	is_at(s, 2, 3);
	assert_int_equal(first("^b$", "a\r\nb\r\nc", &s), REGEX_MATCH);
	is_at(s, 3, 4);
	assert_int_equal(first("^b$", "a\rb\rc", &s), REGEX_MATCH);
	is_at(s, 2, 3);
	assert_int_equal(first("a.b", "a\nb", NULL), REGEX_NO_MATCH);
	assert_int_equal(first("a.b", "a\rb", NULL), REGEX_NO_MATCH);
	assert_int_equal(first("(?s)a.b", "a\nb", NULL), REGEX_MATCH);
	assert_int_equal(first("\\Ab", "a\nb", NULL), REGEX_NO_MATCH);
}

static void
characters_are_unicode(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(first("^.$", "\xc3\xa9", &s), REGEX_MATCH);
	is_at(s, 0, 2);
	assert_int_equal(first("\\w+", "- \xc3\xa9t\xc3\xa9.", &s),
	    REGEX_MATCH);
	is_at(s, 2, 7);
	assert_int_equal(first("\\p{Lu}", "\xc3\xa9\xc3\x89", &s),
	    REGEX_MATCH);
	is_at(s, 2, 4);
	assert_int_equal(first("\\d", "\xd9\xa3", NULL), REGEX_MATCH);
}

static void
case_is_ignored_on_request(void **state)
{
	struct regex *re = compiled("\xc3\xa9T\xc3\xa9", REGEX_NOCASE);

	(void)state;
	assert_int_equal(regex_first(re, STR("\xc3\x89t\xc3\x89"), 0, NULL),
	    REGEX_MATCH);
	regex_free(re);
	re = compiled("abc", 0);
	assert_int_equal(regex_first(re, STR("ABC"), 0, NULL),
	    REGEX_NO_MATCH);
	regex_free(re);
}

static void
a_search_starts_where_it_is_told(void **state)
{
	struct regex *re = compiled("\\bb", 0);
	struct regex_span s;

	(void)state;
	assert_int_equal(regex_first(re, STR("b ab b"), 0, &s), REGEX_MATCH);
	is_at(s, 0, 1);
	/* what is before the start is still looked at */
	assert_int_equal(regex_first(re, STR("b ab b"), 3, &s), REGEX_MATCH);
	is_at(s, 5, 6);
	assert_int_equal(regex_first(re, STR("b"), 1, &s), REGEX_NO_MATCH);
	assert_int_equal(regex_first(re, STR("b"), 2, &s), REGEX_NO_MATCH);
	assert_int_equal(regex_first(re, STR("b"), SIZE_MAX, &s),
	    REGEX_NO_MATCH);
	regex_free(re);
}

static void
the_empty_subject_is_a_subject(void **state)
{
	struct regex *re = compiled("^$", 0);
	struct regex_span s;

	(void)state;
	assert_int_equal(regex_first(re, (struct str){ NULL, 0 }, 0, &s),
	    REGEX_MATCH);
	is_at(s, 0, 0);
	assert_int_equal(regex_last(re, (struct str){ NULL, 0 }, &s),
	    REGEX_MATCH);
	regex_free(re);
	assert_int_equal(first("", "abc", &s), REGEX_MATCH);
	is_at(s, 0, 0);
}

static void
nul_is_a_character(void **state)
{
	struct regex *re = NULL;
	struct regex_span s;

	(void)state;
	assert_int_equal(regex_compile(&re, STR("a\0b"), 0, NULL), 0);
	assert_int_equal(regex_first(re, STR("xa\0by"), 0, &s), REGEX_MATCH);
	is_at(s, 1, 4);
	assert_int_equal(regex_pattern(re).n, 3);
	regex_free(re);
}

static void
the_last_match_is_the_last_one_that_does_not_overlap(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(last("\\d+", "1 22 333 x", &s), REGEX_MATCH);
	is_at(s, 5, 8);
	assert_int_equal(last("aa", "aaaaa", &s), REGEX_MATCH);
	is_at(s, 2, 4);
	assert_int_equal(last("x", "aaa", &s), REGEX_NO_MATCH);
	assert_int_equal(last("answer: (\\w)", "answer: A\nanswer: B.", &s),
	    REGEX_MATCH);
	is_at(s, 18, 19);
	assert_int_equal(last("a", "xa", NULL), REGEX_MATCH);
}

static void
empty_matches_do_not_stop_the_search(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(last("a*", "aab", &s), REGEX_MATCH);
	is_at(s, 3, 3);
	assert_int_equal(last("^", "a\r\nb\r\nc", &s), REGEX_MATCH);
	is_at(s, 6, 6);
	assert_int_equal(last("$", "\xc3\xa9\n\xe2\x82\xac", &s),
	    REGEX_MATCH);
	is_at(s, 6, 6);
	assert_int_equal(last("|b", "ab", &s), REGEX_MATCH);
	is_at(s, 2, 2);
	assert_int_equal(last("\\b", "one two", &s), REGEX_MATCH);
	is_at(s, 7, 7);
}

static void
a_wrong_pattern_is_an_error_with_its_place(void **state)
{
	static const struct {
		const char *pattern, *place;
	} rows[] = {
		{ "a(b", "at character 4: " },
		{ "[a", "at character 3: " },
		{ "\xc3\xa9\xc3\xa9(", "at character 4: " },
		{ "*", "at character " },
		{ "\\C", "at character " },
		{ "(?<n>a)(?<n>b)", "at character " },
		{ "\xff", "at character 1: " },
		{ "(?<=a*)b", "at character " },
	};
	struct regex *re;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		re = NULL;
		e = (struct err){ 0 };
		assert_int_equal(regex_compile(&re, str_of(rows[i].pattern),
		    0, &e), -1);
		assert_null(re);
		assert_int_equal(e.code, ERR_CONFIG);
		assert_int_equal(strncmp(e.msg, rows[i].place,
		    strlen(rows[i].place)), 0);
		assert_true(strlen(e.msg) > strlen(rows[i].place) + 5);
	}
	regex_free(NULL);
}

static void
a_pattern_that_is_too_large_is_refused(void **state)
{
	struct regex *re = NULL;
	struct err e = { 0 };
	char *long_one = malloc(100000);

	(void)state;
	assert_non_null(long_one);
	memset(long_one, 'a', 100000);
	assert_int_equal(regex_compile(&re, (struct str){ long_one, 100000 },
	    0, &e), -1);
	assert_int_equal(regex_compile(&re, STR("((a{1000}){1000}){1000}"),
	    0, &e), -1);
	memset(long_one, '(', 100000);
	assert_int_equal(regex_compile(&re, (struct str){ long_one, 20000 },
	    0, &e), -1);
	free(long_one);
}

static char *
text_of(const char *piece, size_t n, const char *end)
{
	size_t len = strlen(piece), i;
	char *p = malloc(n + strlen(end) + 1);

	assert_non_null(p);
	for (i = 0; i < n; i++)
		p[i] = piece[i % len];
	strcpy(p + n, end);
	return p;
}

/*
 * At 3000 bytes each would take from seconds to for ever. The bound on the
 * time is loose: these tests also run under valgrind and sanitizers.
 */
static void
no_pattern_hangs_on_any_text(void **state)
{
	static const struct {
		const char *pattern, *piece, *end;
	} rows[] = {
		{ "(a+)+$", "a", "b" },
		{ "(a|aa)+$", "a", "b" },
		{ "(a|a)*b?$", "a", "c" },
		{ "^(([a-z])+.)+[A-Z]([a-z])+$", "a", "1" },
		{ "(.*)(.*)(.*)(.*)(.*)[xy]", "ab", "c" },
		{ "[^=]*[^=]*[!?]", "ab", "c" },
		{ "(x+x+)+[yz]", "x", "w" },
		{ "(.+)\\1[yz]", "ab", "c" },
		{ "^(?:.*?,){25}P|Q{2}", "1,", "" },
		{ "(?=(a+))a*b\\1$", "a", "ba" },
		{ "(\\w+\\s?)+[.!]", "aa ", "?" },
		{ "(?R)?a|(a(?R)?)+b", "a", "c" },
	};
	static const size_t sizes[] = { 30, 3000, 100000 };
	enum regex_result r;
	int64_t start;
	size_t i, j;
	char *p;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (j = 0; j < sizeof(sizes) / sizeof(*sizes); j++) {
			p = text_of(rows[i].piece, sizes[j], rows[i].end);
			start = clock_mono_ms();
			r = last(rows[i].pattern, p, NULL);
			assert_true(clock_mono_ms() - start < 20000);
			if (sizes[j] > 30)
				assert_int_equal(r, REGEX_LIMIT);
			free(p);
		}
	}
}

static void
a_search_beyond_the_limit_says_so_every_time(void **state)
{
	struct regex *re = compiled("(a+)+$", 0);
	char *p = text_of("a", 40, "b");
	struct regex_span s = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(regex_first(re, str_of(p), 0, &s), REGEX_LIMIT);
	assert_int_equal(regex_last(re, str_of(p), &s), REGEX_LIMIT);
	assert_int_equal(s.from, 9);
	/* and the next text has a budget of its own */
	assert_int_equal(regex_first(re, STR("aaa"), 0, &s), REGEX_MATCH);
	assert_int_equal(regex_first(re, str_of(p), 0, &s), REGEX_LIMIT);
	free(p);
	regex_free(re);
}

static void
a_long_text_is_no_reason_to_give_up(void **state)
{
	size_t n = (size_t)4 << 20;
	char *p = text_of("She makes 9 * 2 = $18 every day.\n", n,
	    "\n#### 18");
	struct regex_span s;

	(void)state;
	assert_int_equal(first("####\\s*(-?[\\d.,]+)", p, &s), REGEX_MATCH);
	is_at(s, n + 6, n + 8);
	assert_int_equal(last("^#+ (\\d+)$", p, &s), REGEX_MATCH);
	is_at(s, n + 6, n + 8);
	assert_int_equal(first("(?s)\\A.*#### (.*)", p, &s), REGEX_MATCH);
	assert_int_equal(first("(?i)the answer is", p, NULL),
	    REGEX_NO_MATCH);
	free(p);
}

static void
a_subject_that_is_not_utf8_does_not_match(void **state)
{
	struct regex_span s;

	(void)state;
	assert_int_equal(first("a", "a\xff", &s), REGEX_NO_MATCH);
	assert_int_equal(last("a", "a\xff", &s), REGEX_NO_MATCH);
}

static void
the_library_has_a_version(void **state)
{
	(void)state;
	assert_int_equal(strncmp(regex_library(), "10.", 3), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_one_is_what_counts),
		cmocka_unit_test(
		    a_group_that_took_no_part_gives_the_whole_match),
		cmocka_unit_test(anchors_are_at_lines_of_any_kind),
		cmocka_unit_test(characters_are_unicode),
		cmocka_unit_test(case_is_ignored_on_request),
		cmocka_unit_test(a_search_starts_where_it_is_told),
		cmocka_unit_test(the_empty_subject_is_a_subject),
		cmocka_unit_test(nul_is_a_character),
		cmocka_unit_test(
		    the_last_match_is_the_last_one_that_does_not_overlap),
		cmocka_unit_test(empty_matches_do_not_stop_the_search),
		cmocka_unit_test(a_wrong_pattern_is_an_error_with_its_place),
		cmocka_unit_test(a_pattern_that_is_too_large_is_refused),
		cmocka_unit_test(no_pattern_hangs_on_any_text),
		cmocka_unit_test(a_search_beyond_the_limit_says_so_every_time),
		cmocka_unit_test(a_long_text_is_no_reason_to_give_up),
		cmocka_unit_test(a_subject_that_is_not_utf8_does_not_match),
		cmocka_unit_test(the_library_has_a_version),
	};

	return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
